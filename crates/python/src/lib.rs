//! Crabwalk for Python: what `hunt`, `search` and the tables of the package `crabwalk` call.
//!
//! # Nothing is concluded here
//!
//! This crate passes arguments to the crates that the command line calls as well, and their results to Python: a case, and
//! tables as Arrow streams, which data frames take over without copying. What Python programmers see, with names,
//! defaults and documentation, is written in Python, in `crabwalk/` beside this folder.
//!
//! Work runs on a thread of its own without Python's lock. The calling thread waits, reports progress, and looks for
//! Ctrl-C (`work.rs`).

#![expect(
    clippy::needless_pass_by_value,
    reason = "pyo3 makes arguments of Python's objects and hands them over"
)]

mod case;
mod demo;
mod errors;
mod hunt;
mod options;
mod search;
mod table;
mod work;

use pyo3::prelude::*;

/// The native part of the package `crabwalk`.
#[pymodule]
mod _native {
    #[pymodule_export]
    use super::case::{Case, read_case};
    #[pymodule_export]
    use super::demo::demo;
    #[pymodule_export]
    use super::hunt::hunt;
    #[pymodule_export]
    use super::search::search;
    #[pymodule_export]
    use super::table::Table;

    /// The version of Crabwalk.
    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "Python's name for it")]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
