//! A case in the formats of other tools.

mod graph;
mod id;
mod iris;
mod markdown;
mod navigator;
mod ocsf;
mod opengraph;
mod record;
mod stix;
mod timesketch;

pub use graph::{dot, graphml};
pub use iris::{iris_alerts, iris_timeline};
pub use markdown::markdown;
pub use navigator::navigator;
pub use ocsf::ocsf;
pub use opengraph::opengraph;
pub use stix::stix;
pub use timesketch::timesketch;
