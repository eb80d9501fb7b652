//! Event types as Arrow tables, field names and aliases, CIM data models, assets and identities.
//!
//! # One table for each event type
//!
//! Windows has thousands of fields, an event type a few dozen. So each (channel, event id) is a table with exactly its
//! columns; a search that names `EventCode=4769` touches one, and a data model is a union of projections that copies
//! nothing. Each row can be traced to its file and record ([`Catalog::resolve`]), so every conclusion can be shown.
//!
//! Everything that reads events does so through a [`Catalog`] and does not know where they are kept. This crate does
//! not know SPL's syntax: the expressions of field mappings and the constraints of data models stay text, which the
//! crate to the right plans.
//!
//! ```
//! use crabwalk_events::{Catalog, catalog::ALWAYS};
//! use crabwalk_testing::{Event, Events};
//!
//! let logon = Event::new("Security/4624").host("WS1").with("TargetUserName", "ann");
//! let catalog = Events::from(vec![logon]).catalog();
//! let logons = &catalog.tables()[0].event_type;
//! for events in catalog.scan(logons, &["TargetUserName"], &ALWAYS) {
//!     assert!(events?.column("TargetUserName").is_some());
//! }
//! # Ok::<(), crabwalk_events::CatalogError>(())
//! ```

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
