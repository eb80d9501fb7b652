//! What a search may refer to besides events: macros, field mappings, data models, lookups, assets and identities.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crabwalk_events::{Assets, DataModels, FieldMappings, LookupTable};

use crate::syntax::MacroTable;

/// All that content brings to a run.
#[derive(Debug, Clone, Default)]
pub struct Knowledge {
    /// Macros that searches call in backticks.
    pub macros: MacroTable,
    /// Names of fields by event type.
    pub mappings: FieldMappings,
    /// CIM data models.
    pub models: DataModels,
    /// Lookups by name; a lookup of a CSV file can also be called by its file name.
    pub lookups: BTreeMap<String, Arc<LookupTable>>,
    /// Assets and identities.
    pub assets: Assets,
    /// Where addresses are, for `iplocation`; without it that command gives empty fields and a warning.
    pub locations: Option<Arc<dyn Locations>>,
}

/// A database of where IP addresses are.
pub trait Locations: fmt::Debug + Send + Sync {
    /// A field of `iplocation` for an address: `City`, `Country`, `Region`, `lat`, `lon` (degrees), `Continent`,
    /// `MetroCode` or `Timezone`. `None` where the database does not say.
    fn find(&self, address: IpAddr, field: &str) -> Option<String>;

    /// A hash of all that the database holds: a plan that names it runs only where it is the same.
    fn content_hash(&self) -> u64;
}
