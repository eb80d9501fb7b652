//! The leaves of plans that travel: files of a store.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use crabwalk_events::named::{Rows as _, Streamed};
use crabwalk_events::{Catalog as _, EventType};
use crabwalk_store::{FileScan, ReadScan, StoreCatalog, StoreError};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::TableType;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Expr;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::execution_plan::ReplaceChildrenOptions;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use datafusion_proto::physical_plan::{PhysicalExtensionCodec, PhysicalProtoConverterExtension};
use serde::{Deserialize, Serialize};

/// The events of one type in a snapshot, planned as files that machines can share.
#[derive(Debug)]
pub(crate) struct SharedTable {
    catalog: Arc<StoreCatalog>,
    event_type: EventType,
    schema: SchemaRef,
}

impl SharedTable {
    /// The table of a type that the snapshot has.
    pub fn new(catalog: &Arc<StoreCatalog>, event_type: &EventType) -> Option<Self> {
        Some(Self {
            catalog: Arc::clone(catalog),
            event_type: event_type.clone(),
            schema: catalog.provider(event_type)?.schema(),
        })
    }
}

#[async_trait]
impl TableProvider for SharedTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = match projection {
            Some(columns) => Arc::new(self.schema.project(columns)?),
            None => Arc::clone(&self.schema),
        };
        let fields = schema.fields().iter();
        let names: Vec<&str> = fields.map(|field| field.name().as_str()).collect();
        let Some(scan) = self.catalog.scan_of(&self.event_type, &names) else {
            return Err(DataFusionError::Internal(format!(
                "the snapshot lacks a column of {}",
                self.event_type
            )));
        };
        // The planner must know that rows come in parts, or it would take each part for the whole. The first rows of a
        // table are read in one part.
        let threads = session.config().target_partitions();
        let parts = match limit {
            Some(_) => 1,
            None => scan.files().min(threads.max(2)).max(1),
        };
        let plan = FileScanExec::new(scan.in_parts(parts), limit, self.catalog.as_ref())?;
        Ok(Arc::new(plan))
    }
}

/// Reads files of a store.
#[derive(Debug)]
pub(crate) struct FileScanExec {
    scan: FileScan,
    inner: Arc<dyn ExecutionPlan>,
}

impl FileScanExec {
    pub fn new(scan: FileScan, fetch: Option<usize>, files: &dyn ReadScan) -> Result<Self> {
        let external = |error: StoreError| DataFusionError::External(Box::new(error));
        let parts = files.read_scan(&scan).map_err(external)?;
        let mut inner = Streamed(parts).read(&scan.schema(), None)?;
        if fetch.is_some() {
            inner = inner.with_fetch(fetch).unwrap_or(inner);
        }
        Ok(Self { scan, inner })
    }

    pub fn scan(&self) -> &FileScan {
        &self.scan
    }

    /// Whether several machines may read parts of it.
    pub fn is_divisible(&self) -> bool {
        self.scan.parts() > 1 && self.fetch().is_none()
    }
}

impl DisplayAs for FileScanExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, files) = (self.scan.event_type(), self.scan.files());
        write!(
            f,
            "FileScanExec: {kind}, files={files}, parts={}",
            self.scan.parts()
        )
    }
}

impl ExecutionPlan for FileScanExec {
    fn name(&self) -> &'static str {
        "FileScanExec"
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

    fn fetch(&self) -> Option<usize> {
        self.inner.fetch()
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        // Of several parts each would give that many rows.
        if self.scan.parts() > 1 {
            return None;
        }
        let inner = self.inner.with_fetch(limit)?;
        let scan = self.scan.clone();
        Some(Arc::new(Self { scan, inner }))
    }
}

/// The encoding of a [`FileScanExec`].
#[derive(Serialize, Deserialize)]
struct Form {
    scan: FileScan,
    fetch: Option<usize>,
}

/// Encodes and decodes [`FileScanExec`], for a machine with these files.
#[derive(Debug, Clone)]
pub(crate) struct ScanCodec(pub Arc<dyn ReadScan>);

impl PhysicalExtensionCodec for ScanCodec {
    fn try_decode(
        &self,
        bytes: &[u8],
        _: &[Arc<dyn ExecutionPlan>],
        _: &TaskContext,
        _: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let form: Form = serde_json::from_slice(bytes)
            .map_err(|error| DataFusionError::Plan(format!("the scan of files: {error}")))?;
        let plan = FileScanExec::new(form.scan, form.fetch, self.0.as_ref())?;
        Ok(Arc::new(plan))
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        bytes: &mut Vec<u8>,
        _: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        let Some(node) = node.downcast_ref::<FileScanExec>() else {
            let name = node.name();
            return Err(DataFusionError::Plan(format!("{name} is no scan of files")));
        };
        let form = Form {
            scan: node.scan.clone(),
            fetch: node.fetch(),
        };
        serde_json::to_writer(bytes, &form)
            .map_err(|error| DataFusionError::Plan(format!("the scan of files: {error}")))
    }
}
