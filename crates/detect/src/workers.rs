//! Threads that work through a list.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

/// Stack of the threads that plan and run searches: plans nest as deep as searches do.
pub(crate) const STACK: usize = 16 << 20;

/// A piece of work ended early: a fault of ours, which must not end the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("internal error, please report it")]
pub(crate) struct Panicked;

/// Does `work` for each of `items` on some threads with large stacks, because plans nest as deep as searches do. An item is
/// fetched when a thread is free for it, so few are there at a time. Results are in the order of the items, whichever was
/// done first.
///
/// # Errors
/// If the machine gives no thread.
pub(crate) fn spread<I, T: Send>(
    threads: usize,
    items: impl Iterator<Item = I> + Send,
    work: &(dyn Fn(I) -> T + Sync),
) -> std::io::Result<Vec<Result<T, Panicked>>> {
    let most = items.size_hint().1.unwrap_or(usize::MAX);
    let items = Mutex::new(items.enumerate());
    let done: Mutex<Vec<(usize, Result<T, Panicked>)>> = Mutex::new(Vec::new());
    let next = || items.lock().unwrap_or_else(PoisonError::into_inner).next();
    let run = || {
        while let Some((index, item)) = next() {
            let result = catch_unwind(AssertUnwindSafe(|| work(item))).map_err(|_| Panicked);
            done.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push((index, result));
        }
    };
    std::thread::scope(|scope| -> std::io::Result<()> {
        for _ in 0..threads.max(1).min(most) {
            std::thread::Builder::new()
                .stack_size(STACK)
                .spawn_scoped(scope, run)?;
        }
        Ok(())
    })?;
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    Ok(done.into_iter().map(|(_, result)| result).collect())
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
            .map(|at| if at == 7 { Err(Panicked) } else { Ok(at * 2) })
            .collect();
        assert_eq!(done, expected);
        assert!(spread(0, 0..0, &|at: usize| at).is_ok_and(|done| done.is_empty()));
    }
}
