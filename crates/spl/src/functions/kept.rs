//! What was compiled from a text, kept for whoever asks next: a search asks the same for each type of event.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Texts that are kept; where there are more, all are forgotten, so that no search can fill the memory.
const MOST: usize = 512;

/// Values by the text that they were made from. Clones of a value must be cheap.
#[derive(Debug)]
pub(crate) struct Kept<T>(Mutex<HashMap<String, T>>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Kept<T> {
    /// The value of a text, made if it is not there. Failures are not kept.
    pub fn get<E>(&self, text: &str, make: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(text) {
            return Ok(known.clone());
        }
        // Not under the lock: compiling takes long, and what is made twice is alike.
        let made = make()?;
        let mut all = lock();
        if all.len() >= MOST {
            all.clear();
        }
        all.insert(text.to_owned(), made.clone());
        Ok(made)
    }
}
