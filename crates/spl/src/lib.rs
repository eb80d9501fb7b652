//! SPL: lexer, parser with spans, and the planner that turns a search into a DataFusion plan.
//!
//! A [`Search`] is parsed once; [`demand`] tells the readers what a set of searches needs of the logs; an [`Engine`]
//! plans and runs searches over a [`crabwalk_events::Catalog`].

pub mod aggregates;
mod clause;
#[cfg(feature = "codec")]
pub mod codec;
mod column;
mod commands;
mod convert;
mod demand;
mod engine;
mod enrich;
pub mod expr;
pub mod functions;
mod knowledge;
mod locations;
mod ops;
mod plan;
mod raw;
mod search;
mod session;
mod suggest;
pub mod syntax;
mod tables;
pub mod value;

pub use demand::{Reader, Readers, demand};
pub use engine::{DEFAULT_MEMORY, Engine, EngineOptions, Results, Row, Running};
pub use knowledge::{Knowledge, Locations};
pub use locations::{LocationFile, LocationFileError};
pub use search::{Search, SearchError};
pub use syntax::Diagnostic;
