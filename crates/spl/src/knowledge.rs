//! What a search may refer to besides events: macros, field mappings, data models, lookups, assets and identities.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crabwalk_events::{Assets, DataModels, FieldMappings, LookupTable};

use crate::syntax::MacroTable;

/// All content of a run.
#[derive(Debug, Clone, Default)]
pub struct Knowledge {
    /// Macros that searches call in backticks.
    pub macros: MacroTable,
    /// Field names by event type.
    pub mappings: FieldMappings,
    /// CIM data models.
    pub models: DataModels,
    /// Lookups by name; a CSV lookup also goes by its file name.
    pub lookups: BTreeMap<String, Arc<LookupTable>>,
    /// Assets and identities.
    pub assets: Assets,
    /// The database for `iplocation`; without it that command gives empty fields and a warning.
    pub locations: Option<Arc<dyn Locations>>,
}

/// A database of IP locations.
pub trait Locations: fmt::Debug + Send + Sync {
    /// A field of `iplocation` for an address: `City`, `Country`, `Region`, `lat`, `lon` (degrees), `Continent`,
    /// `MetroCode` or `Timezone`. `None` if the database does not have it.
    fn find(&self, address: IpAddr, field: &str) -> Option<String>;

    /// A hash of the database's content: a plan that names it runs only with the same content.
    fn content_hash(&self) -> u64;
}
