//! What a search may refer to besides events: macros, field mappings, data models, lookups, assets and identities.

use std::collections::BTreeMap;
use std::sync::Arc;

use crabwalk_events::{Assets, DataModels, FieldMappings, LookupTable};

use crate::syntax::MacroTable;

/// All that content brings to a run.
#[derive(Debug, Clone, Default)]
pub struct Knowledge {
    /// Search macros.
    pub macros: MacroTable,
    /// Names of fields by event type.
    pub mappings: FieldMappings,
    /// CIM data models.
    pub models: DataModels,
    /// Lookups by name; a lookup of a CSV file can also be called by its file name.
    pub lookups: BTreeMap<String, Arc<LookupTable>>,
    /// Assets and identities.
    pub assets: Assets,
}
