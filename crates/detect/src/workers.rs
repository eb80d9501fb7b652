//! Threads that work through a list.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

/// Stack of the threads that plan and run searches: plans nest as deep as searches do.
const STACK: usize = 16 << 20;

/// A piece of work ended early: a fault of ours, which must not end the others. Holds what it said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("internal error, please report it: {0}")]
pub(crate) struct Panicked(String);

impl Panicked {
    fn new(panic: &(dyn Any + Send)) -> Self {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Self(text.unwrap_or("no message").to_owned())
    }
}

/// Does `work` for each of `items` on some threads with large stacks. An item is fetched when a thread is free for it, so
/// few exist at a time. Results are in the order of the items, whichever was done first.
///
/// # Errors
/// If the system cannot start a thread.
pub(crate) fn spread<I, T: Send>(
    threads: usize,
    items: impl Iterator<Item = I> + Send,
    work: &(dyn Fn(I) -> T + Sync),
) -> io::Result<Vec<Result<T, Panicked>>> {
    spread_with(threads, items, &|| Ok(()), &|(), item| work(item))
}

/// As [`spread`], with something that each thread makes once and uses for all its items.
///
/// # Errors
/// If the machine gives no thread, or a thread cannot make it.
pub(crate) fn spread_with<S, I, T: Send>(
    threads: usize,
    items: impl Iterator<Item = I> + Send,
    begin: &(dyn Fn() -> io::Result<S> + Sync),
    work: &(dyn Fn(&mut S, I) -> T + Sync),
) -> io::Result<Vec<Result<T, Panicked>>> {
    let most = items.size_hint().1.unwrap_or(usize::MAX);
    let items = Mutex::new(items.enumerate());
    let done: Mutex<Vec<(usize, Result<T, Panicked>)>> = Mutex::new(Vec::new());
    let next = || items.lock().unwrap_or_else(PoisonError::into_inner).next();
    let run = || -> io::Result<()> {
        let mut own = begin()?;
        while let Some((index, item)) = next() {
            let result = catch_unwind(AssertUnwindSafe(|| work(&mut own, item)));
            let result = result.map_err(|panic| Panicked::new(panic.as_ref()));
            done.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push((index, result));
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let started: io::Result<Vec<_>> = (0..threads.max(1).min(most))
            .map(|_| {
                std::thread::Builder::new()
                    .stack_size(STACK)
                    .spawn_scoped(scope, run)
            })
            .collect();
        started?.into_iter().try_for_each(|thread| {
            thread
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("a thread ended early")))
        })
    })?;
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

/// Does one piece of work on a thread with a large stack.
///
/// # Errors
/// If the machine gives no thread, or the work ended early.
pub(crate) fn apart<T: Send>(work: impl Fn() -> T + Sync) -> io::Result<T> {
    let done = spread(1, std::iter::once(()), &|()| work())?;
    match done.into_iter().next() {
        Some(done) => done.map_err(io::Error::other),
        None => Err(io::Error::other("a thread ended early")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_their_order_and_a_panic_ends_one_alone() {
        let done = spread(3, 0..20, &|at| {
            assert!(at != 7, "as planned");
            at * 2
        })
        .unwrap_or_else(|error| panic!("{error}"));
        let expected: Vec<_> = (0..20)
            .map(|at| match at {
                7 => Err(Panicked("as planned".to_owned())),
                at => Ok(at * 2),
            })
            .collect();
        assert_eq!(done, expected);
        assert!(spread(0, 0..0, &|at: usize| at).is_ok_and(|done| done.is_empty()));
    }
}
