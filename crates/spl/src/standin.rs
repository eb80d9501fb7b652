//! Stand-in until the engine is there: a search is `EventCode=N …`, its results are the events with that id.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crabwalk_events::{Assets, Catalog, DataModels, EventType, FieldMappings, LookupTable};
use crabwalk_sources::collect::{Columns, Demand};
use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::UInt64Type;
use futures::StreamExt;
use futures::future::BoxFuture;

/// Syntax.
pub mod syntax {
    /// Macros.
    #[derive(Debug, Clone, Default)]
    pub struct MacroTable;
    impl MacroTable {
        /// Adds.
        pub fn insert(&mut self, _: &str, _: &[&str], _: &str) {}
    }
    /// Span.
    #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
    pub struct Span {
        /// Start.
        pub start: u32,
        /// End.
        pub end: u32,
    }
    /// Diagnostic.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Diagnostic {
        /// Message.
        pub message: String,
        /// Span.
        pub span: Span,
        /// Help.
        pub help: Option<String>,
    }
}
pub use syntax::Diagnostic;

/// Knowledge.
#[derive(Debug, Clone, Default)]
pub struct Knowledge {
    /// Macros.
    pub macros: syntax::MacroTable,
    /// Mappings.
    pub mappings: FieldMappings,
    /// Models.
    pub models: DataModels,
    /// Lookups.
    pub lookups: BTreeMap<String, Arc<LookupTable>>,
    /// Assets.
    pub assets: Assets,
}

/// Search.
#[derive(Debug, Clone)]
pub struct Search {
    name: String,
    text: String,
    code: u32,
}

/// Error.
#[derive(Debug)]
pub struct SearchError {
    name: String,
    diagnostics: Vec<Diagnostic>,
}
impl std::error::Error for SearchError {}
impl std::fmt::Display for SearchError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "error: {}\n --> {}",
            self.diagnostics[0].message, self.name
        )
    }
}
impl SearchError {
    /// Diagnostics.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }
    /// Render.
    pub fn render(&self, _: bool) -> String {
        self.to_string()
    }
}

impl Search {
    /// Parses.
    ///
    /// # Errors
    /// Wrong.
    pub fn parse(name: &str, text: &str, _: &Knowledge) -> Result<Self, SearchError> {
        let code = text.split("EventCode=").nth(1).and_then(|rest| {
            rest.split(|c: char| !c.is_ascii_digit())
                .next()?
                .parse()
                .ok()
        });
        match code {
            Some(code) => Ok(Self {
                name: name.to_owned(),
                text: text.to_owned(),
                code,
            }),
            None => Err(SearchError {
                name: name.to_owned(),
                diagnostics: vec![Diagnostic {
                    message: "no EventCode".to_owned(),
                    span: syntax::Span::default(),
                    help: None,
                }],
            }),
        }
    }
    /// Text.
    pub fn text(&self) -> &str {
        &self.text
    }
    /// Name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

struct Codes(BTreeSet<u32>);
impl Demand for Codes {
    fn columns(&self, _: &str, id: u32) -> Columns {
        if self.0.contains(&id) {
            Columns::All
        } else {
            Columns::None
        }
    }
}

/// Demand.
pub fn demand(searches: &[Search], _: &Arc<Knowledge>) -> Box<dyn Demand> {
    Box::new(Codes(searches.iter().map(|search| search.code).collect()))
}

/// Options.
#[derive(Debug, Clone, Copy)]
pub struct EngineOptions {
    /// Now.
    pub now: f64,
    /// Threads.
    pub threads: usize,
}

/// Engine.
pub struct Engine {
    catalog: Arc<Catalog>,
}

/// Results.
#[derive(Debug, Default)]
pub struct Results {
    /// Columns.
    pub columns: Vec<String>,
    /// Warnings.
    pub warnings: Vec<Diagnostic>,
    /// Types.
    pub event_types: Vec<EventType>,
    batches: Vec<RecordBatch>,
}

/// Row.
pub struct Row<'a>(&'a RecordBatch, usize);

impl Engine {
    /// New.
    ///
    pub fn new(catalog: Arc<Catalog>, _: Arc<Knowledge>, _: EngineOptions) -> Self {
        Self { catalog }
    }
    /// Run.
    pub fn run<'a>(&'a self, search: &'a Search) -> BoxFuture<'a, Result<Results, SearchError>> {
        Box::pin(async move {
            let mut results = Results::default();
            for table in self.catalog.tables() {
                if table.event_type.event_id != search.code {
                    continue;
                }
                results.event_types.push(table.event_type.clone());
                let context = datafusion::prelude::SessionContext::new();
                let frame = context
                    .read_table(table.provider())
                    .unwrap_or_else(|_| panic!());
                let mut stream = frame.execute_stream().await.unwrap_or_else(|_| panic!());
                while let Some(Ok(batch)) = stream.next().await {
                    for field in batch.schema().fields() {
                        if field.name() != "_ref" && !results.columns.contains(field.name()) {
                            results.columns.push(field.name().clone());
                        }
                    }
                    results.batches.push(batch);
                }
            }
            Ok(results)
        })
    }
}

impl Results {
    /// Rows.
    pub fn len(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }
    /// Empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Rows.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.batches
            .iter()
            .flat_map(|batch| (0..batch.num_rows()).map(move |row| Row(batch, row)))
    }
}

impl Row<'_> {
    /// Values.
    pub fn values(&self, column: &str) -> Vec<String> {
        let Some(array) = self.0.column_by_name(column) else {
            return Vec::new();
        };
        if array.is_null(self.1) {
            return Vec::new();
        }
        if let Some(list) = array.as_list_opt::<i32>() {
            return list
                .value(self.1)
                .as_string::<i32>()
                .iter()
                .flatten()
                .map(str::to_owned)
                .collect();
        }
        datafusion::arrow::util::display::array_value_to_string(array, self.1)
            .into_iter()
            .collect()
    }
    /// Refs.
    pub fn refs(&self) -> Vec<u64> {
        self.0
            .column_by_name("_ref")
            .map(|array| vec![array.as_primitive::<UInt64Type>().value(self.1)])
            .unwrap_or_default()
    }
}
