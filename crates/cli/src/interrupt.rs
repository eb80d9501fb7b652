//! What is removed when somebody interrupts the program.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

static FOLDERS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
static WATCH: Once = Once::new();
/// A pager shows the results; Ctrl-C is for it.
static PAGING: AtomicBool = AtomicBool::new(false);

/// The exit status that a shell gives a program that was interrupted.
const INTERRUPTED: i32 = 130;

/// Removes a folder if the program is interrupted, terminated, or its terminal is closed. Otherwise whoever made it does.
pub fn removes(folder: PathBuf) {
    folders().push(folder);
    watch();
}

/// From now on a pager gets Ctrl-C, and this program ends with it.
pub fn leave_to_pager() {
    PAGING.store(true, Ordering::Relaxed);
    watch();
}

fn folders() -> MutexGuard<'static, Vec<PathBuf>> {
    FOLDERS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn watch() {
    WATCH.call_once(|| {
        // Without a handler, a folder stays until the next run removes it.
        let _ = ctrlc::set_handler(|| {
            if PAGING.load(Ordering::Relaxed) {
                return;
            }
            for folder in folders().iter() {
                let _ = std::fs::remove_dir_all(folder);
            }
            std::process::exit(INTERRUPTED);
        });
    });
}
