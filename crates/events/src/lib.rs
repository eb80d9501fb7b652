//! Event types as Arrow tables, field names and aliases, CIM data models, assets and identities.
//!
//! This room knows what logs hold and how their fields are called. It does not know SPL's syntax: the expressions of
//! field mappings and the constraints of data models are kept as text and planned by the room to the right.

pub mod assets;
pub mod catalog;
pub mod lookup;
pub mod mapping;
pub mod memory;
pub mod model;
pub mod named;

pub use assets::{Assets, Entities};
pub use catalog::{Catalog, CatalogError, EventRef, Table};
pub use crabwalk_vocabulary::{EventType, address};
pub use lookup::{LookupDefinition, LookupTable, MatchType};
pub use mapping::{FieldMappings, TypeMapping, TypePattern};
pub use memory::MemoryCatalog;
pub use model::{DataModels, Node};
pub use named::{NamedScan, NamedTable, TableName};
