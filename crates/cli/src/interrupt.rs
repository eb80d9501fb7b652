//! What is removed when somebody interrupts the program.

use std::path::PathBuf;
use std::sync::{Mutex, Once, PoisonError};

static FOLDERS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
static WATCH: Once = Once::new();

/// The exit status that a shell gives a program that was interrupted.
const INTERRUPTED: i32 = 130;

/// Removes a folder if the program is interrupted, terminated, or its terminal is closed. Otherwise whoever made it does.
pub fn removes(folder: PathBuf) {
    let folders = || FOLDERS.lock().unwrap_or_else(PoisonError::into_inner);
    folders().push(folder);
    WATCH.call_once(|| {
        // Without a handler, the folder stays until the next run removes it.
        let _ = ctrlc::set_handler(move || {
            for folder in folders().iter() {
                let _ = std::fs::remove_dir_all(folder);
            }
            std::process::exit(INTERRUPTED);
        });
    });
}
