//! SPL: lexer, parser with spans, and the planner that turns a search into a DataFusion plan.
//!
//! # Plans, not an interpreter
//!
//! A search becomes a logical plan, which brings the optimiser, vectorised execution and parallel aggregation, and the
//! plan can run on another machine. First it is specialised for each event type: channel, id and constant aliases are
//! known before a row is read, so comparisons with them are decided at once and tables that cannot match are left out.
//! Values and functions are SPL's own, because SQL's differ in ways that detections depend on: numeric text, multiple
//! values in a field, letter case, NULL.
//!
//! A [`Search`] is parsed once; [`demand`] tells the readers what a set of searches needs from the logs; an [`Engine`]
//! plans and runs searches over a [`crabwalk_events::Catalog`].
//!
//! ```
//! use std::sync::Arc;
//!
//! use crabwalk_events::Catalog;
//! use crabwalk_spl::{Driver, Engine, EngineOptions, Knowledge, Search};
//! use crabwalk_testing::{Event, Events};
//!
//! let logons = ["ann", "bob", "ann"].map(|user| Event::new("Security/4624").with("TargetUserName", user));
//! let catalog: Arc<dyn Catalog> = Arc::new(Events::from(logons.to_vec()).catalog());
//! let knowledge = Arc::new(Knowledge::default());
//! let text = "EventCode=4624 | stats count by TargetUserName | sort - count | head 1";
//! let search = Search::parse("who logs on most", text, &knowledge)?;
//!
//! let options = EngineOptions { now: 0.0, threads: 1, memory: 64 << 20 };
//! let engine = Engine::new(catalog, knowledge, options);
//! let results = Driver::new()?.run(engine.run(&search))?;
//! let most = results.row(0).map(|row| row.values("TargetUserName"));
//! assert_eq!(most, Some(vec!["ann".to_owned()]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub(crate) use crabwalk_sources::collect::RESERVED as HIDDEN;

/// The name of a column that planning adds: it begins with [`HIDDEN`], as no field does.
macro_rules! hidden {
    ($name:literal) => {
        concat!("\u{1}", $name)
    };
}

pub mod aggregates;
mod clause;
#[cfg(feature = "codec")]
pub mod codec;
mod column;
pub mod commands;
mod convert;
mod demand;
mod driver;
mod engine;
mod enrich;
pub mod expr;
pub mod functions;
mod knowledge;
mod locations;
mod ops;
mod plan;
mod raw;
mod resources;
mod search;
mod stop;
mod suggest;
pub mod syntax;
mod tables;
pub mod value;

pub use demand::{Reader, Readers, demand};
pub use driver::Driver;
pub use engine::{DEFAULT_MEMORY, Engine, EngineOptions, Job, Place, Results, Row, Running};
pub use knowledge::{Knowledge, Locations};
pub use locations::{LocationFile, LocationFileError};
pub use search::{Search, SearchError};
pub use stop::Stop;
pub use syntax::Diagnostic;
