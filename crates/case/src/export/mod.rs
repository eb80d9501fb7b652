//! A case in the formats of other tools.

mod graph;
mod markdown;
mod navigator;
mod stix;
mod timesketch;

pub use graph::{dot, graphml};
pub use markdown::markdown;
pub use navigator::navigator;
pub use stix::stix;
pub use timesketch::timesketch;
