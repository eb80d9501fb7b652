//! `demo`.

use std::path::PathBuf;

use crabwalk_lab::{Options, build, folders, may_use};
use pyo3::prelude::*;

use crate::errors::Failure;

/// Writes the logs of a small company with an intrusion, and returns the folders with logs.
#[pyfunction]
pub fn demo(py: Python<'_>, directory: PathBuf, seed: u64) -> PyResult<Vec<PathBuf>> {
    let options = Options {
        seed,
        ..Options::default()
    };
    let made = py.detach(|| {
        may_use(&directory)?;
        build(&options, &directory)?;
        folders(&directory)
    });
    made.map_err(|error| Failure::Write(error.to_string()).raise(py))
}
