//! Tables that plans refer to by name.
//!
//! A plan that runs on another machine does not carry the events that it reads. It names the table, and the node that
//! decodes the plan supplies the table of that name. [`NamedTable`] is an in-memory table that knows its name, and
//! [`NamedScan`] is its representation in a plan.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, Statistics, TableReference};
use datafusion::datasource::TableType;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Expr;
use datafusion::physical_expr::{LexOrdering, PhysicalExpr};
use datafusion::physical_plan::execution_plan::ReplaceChildrenOptions;
use datafusion::physical_plan::metrics::MetricsSet;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};

use crabwalk_vocabulary::EventType;

use crate::catalog::{Events, Scan};

/// The contents of a table, as a plan names them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TableName {
    /// The events of a type, in the catalog over which the plan runs.
    Events(EventType),
    /// The rows of a lookup.
    Lookup {
        /// Its name.
        name: String,
        /// A hash of its rules and rows.
        content_hash: u64,
    },
}

const EVENTS: &str = "events";
const LOOKUPS: &str = "lookups";

impl TableName {
    /// The name as written in a plan.
    pub fn reference(&self) -> TableReference {
        match self {
            Self::Events(event_type) => TableReference::partial(EVENTS, event_type.to_string()),
            Self::Lookup { name, content_hash } => {
                TableReference::partial(LOOKUPS, format!("{name}@{content_hash:016x}"))
            }
        }
    }

    /// The inverse of [`reference`](Self::reference).
    pub fn of(reference: &TableReference) -> Option<Self> {
        match reference.schema()? {
            EVENTS => {
                let (channel, event_id) = reference.table().rsplit_once('/')?;
                Some(Self::Events(EventType {
                    channel: channel.to_owned(),
                    event_id: event_id.parse().ok()?,
                }))
            }
            LOOKUPS => {
                let (name, content_hash) = reference.table().rsplit_once('@')?;
                Some(Self::Lookup {
                    name: name.to_owned(),
                    content_hash: u64::from_str_radix(content_hash, 16).ok()?,
                })
            }
            _ => None,
        }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Events(event_type) => write!(f, "the events of {event_type}"),
            Self::Lookup { name, .. } => write!(f, "the lookup `{name}`"),
        }
    }
}

/// Rows that DataFusion can read.
pub trait Rows: fmt::Debug + Send + Sync {
    /// A plan that reads these columns of the schema, by index; all if none are given.
    ///
    /// # Errors
    /// If the schema has no such columns.
    fn read(
        &self,
        schema: &SchemaRef,
        projection: Option<&Vec<usize>>,
    ) -> Result<Arc<dyn ExecutionPlan>>;
}

impl Rows for Vec<RecordBatch> {
    fn read(
        &self,
        schema: &SchemaRef,
        projection: Option<&Vec<usize>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let parts = std::slice::from_ref(self);
        let source =
            MemorySourceConfig::try_new_exec(parts, Arc::clone(schema), projection.cloned())?;
        Ok(source)
    }
}

/// Events that are read in batches on demand.
pub trait Batches: fmt::Debug + Send + Sync {
    /// The events with those of these columns that they have, and their times.
    fn batches(self: Arc<Self>, columns: &[&str]) -> Scan<'static>;
}

/// The rows of a table whose batches are unpacked while reading, in parts that can be read side by side.
#[derive(Debug)]
pub struct Streamed(pub Vec<Arc<dyn Batches>>);

/// Number of rows to unpack at a time.
const UNPACKED_ROWS: usize = 1 << 14;

impl Rows for Streamed {
    fn read(
        &self,
        schema: &SchemaRef,
        projection: Option<&Vec<usize>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = match projection {
            Some(columns) => Arc::new(schema.project(columns)?),
            None => Arc::clone(schema),
        };
        let parts = self.0.iter().map(|batches| {
            Arc::new(Unpacking {
                batches: Arc::clone(batches),
                schema: Arc::clone(&schema),
            }) as Arc<dyn PartitionStream>
        });
        let parts = parts.collect();
        let orderings: Vec<LexOrdering> = Vec::new();
        Ok(Arc::new(StreamingTableExec::try_new(
            schema, parts, None, orderings, false, None,
        )?))
    }
}

#[derive(Debug)]
struct Unpacking {
    batches: Arc<dyn Batches>,
    /// The requested columns.
    schema: SchemaRef,
}

impl PartitionStream for Unpacking {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let schema = Arc::clone(&self.schema);
        let fields = schema.fields().iter();
        let columns: Vec<&str> = fields.map(|field| field.name().as_str()).collect();
        let mut scan = Arc::clone(&self.batches).batches(&columns);
        drop(columns);
        let mut rest: Option<Events> = None;
        let batches = std::iter::from_fn(move || {
            let events = match rest.take() {
                Some(events) => events,
                None => match scan.next()? {
                    Ok(events) => events,
                    Err(error) => return Some(Err(DataFusionError::External(Box::new(error)))),
                },
            };
            let count = UNPACKED_ROWS.min(events.rows());
            if count < events.rows() {
                rest = Some(events.slice(count, events.rows() - count));
            }
            let part = events.slice(0, count).plain(&schema);
            Some(part.map_err(DataFusionError::from))
        });
        Box::pin(RecordBatchStreamAdapter::new(
            Arc::clone(&self.schema),
            futures::stream::iter(batches),
        ))
    }
}

/// A table that plans refer to by name.
#[derive(Debug)]
pub struct NamedTable {
    name: TableName,
    schema: SchemaRef,
    rows: Box<dyn Rows>,
}

impl NamedTable {
    /// A table of rows with this schema.
    pub fn new(name: TableName, schema: SchemaRef, rows: impl Rows + 'static) -> Self {
        Self {
            name,
            schema,
            rows: Box::new(rows),
        }
    }

    /// What it holds.
    pub fn name(&self) -> &TableName {
        &self.name
    }

    fn read(
        &self,
        projection: Option<&Vec<usize>>,
        fetch: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut inner = self.rows.read(&self.schema, projection)?;
        if fetch.is_some() {
            inner = inner.with_fetch(fetch).unwrap_or(inner);
        }
        Ok(Arc::new(NamedScan {
            table: self.name.clone(),
            inner,
        }))
    }

    /// A scan with the columns and maximum number of rows from a plan.
    ///
    /// # Errors
    /// If the table lacks one of the columns.
    pub fn scan_columns(
        &self,
        columns: &[String],
        fetch: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let places = columns
            .iter()
            .map(|name| {
                self.schema.index_of(name).map_err(|_| {
                    DataFusionError::Plan(format!("{} have no field `{name}`", self.name))
                })
            })
            .collect::<Result<Vec<_>>>()?;
        self.read(Some(&places), fetch)
    }
}

#[async_trait]
impl TableProvider for NamedTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.read(projection, limit)
    }
}

/// The part of a plan that reads a [`NamedTable`]; its columns are those of its schema.
#[derive(Debug)]
pub struct NamedScan {
    table: TableName,
    inner: Arc<dyn ExecutionPlan>,
}

impl NamedScan {
    /// What it reads.
    pub fn table(&self) -> &TableName {
        &self.table
    }

    fn with(&self, inner: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
        Arc::new(Self {
            table: self.table.clone(),
            inner,
        })
    }
}

impl DisplayAs for NamedScan {
    fn fmt_as(&self, kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NamedScan: {}, ", self.table.reference())?;
        self.inner.fmt_as(kind, f)
    }
}

impl ExecutionPlan for NamedScan {
    fn name(&self) -> &'static str {
        "NamedScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.inner.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        self.inner.execute(partition, context)
    }

    fn metrics(&self) -> Option<MetricsSet> {
        self.inner.metrics()
    }

    fn statistics_from_inputs(
        &self,
        inputs: &[Arc<Statistics>],
        args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        self.inner.statistics_from_inputs(inputs, args)
    }

    fn fetch(&self) -> Option<usize> {
        self.inner.fetch()
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        self.inner.with_fetch(limit).map(|inner| self.with(inner))
    }

    fn try_swapping_with_projection(
        &self,
        projection: &ProjectionExec,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let inner = self.inner.try_swapping_with_projection(projection)?;
        Ok(inner.map(|inner| self.with(inner)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_was_written() {
        for (channel, event_id) in [
            ("Security", 4624),
            ("Microsoft-Windows-Sysmon/Operational", 1),
            ("zeek:conn", 0),
            ("a.b\"c/7", 3),
        ] {
            let name = TableName::Events(EventType {
                channel: channel.to_owned(),
                event_id,
            });
            assert_eq!(TableName::of(&name.reference()), Some(name));
        }
        for name in ["people", "a@b.csv"] {
            let name = TableName::Lookup {
                name: name.to_owned(),
                content_hash: 0x1f,
            };
            assert_eq!(TableName::of(&name.reference()), Some(name));
        }
        let others = ["events.Security", "lookups.people", "events", "a.b.c"];
        for other in others {
            assert_eq!(TableName::of(&TableReference::from(other)), None);
        }
    }
}
