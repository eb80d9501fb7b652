//! Crabwalk: spl.

mod standin;
pub use standin::*;
