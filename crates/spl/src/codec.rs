//! Plans as bytes, for other machines.
//!
//! # Names and literals, no content
//!
//! A plan contains the names of functions, with everything fixed about a call among its arguments (`ops`), and the
//! names of tables ([`TableName`]). The events of a type come from the decoding node's own [`Catalog`], and a lookup is
//! the one with this name and this hash of its rows. So the bytes are small, and nothing runs that the node does not
//! have. Anything it lacks is an error that names it; it never answers from different content. Only rows computed by
//! the search along the way (for `map`, for a chart) have no name anywhere: they travel with the plan.
//!
//! There are two forms. A [`Form::Logical`] plan says what is wanted, and its reader decides how to run it; a
//! [`Form::Physical`] plan is what a machine of a cluster runs, as decided by the planner. Both are `DataFusion`'s
//! protobuf. Machines with different builds cannot read each other's plans.
//!
//! # Depth
//!
//! Plans nest as deep as searches do, and decoding protobuf is recursive. `prost` would refuse more than 100 nested
//! messages, which a search with 50 nested functions reaches. Here the bytes are first checked without recursion:
//! excessive nesting is refused, and anything else gets the stack that it needs.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError};

use crabwalk_events::{Catalog, NamedScan, NamedTable, TableName};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::arrow::ipc::reader::StreamReader;
use datafusion::arrow::ipc::writer::StreamWriter;
use datafusion::catalog::TableProvider;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, TableReference};
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::session_state::SessionState;
use datafusion::execution::{FunctionRegistry as _, TaskContext};
use datafusion::logical_expr::{
    AggregateUDF, Expr, Extension, LogicalPlan, LogicalPlanBuilder, ScalarUDF, WindowUDF,
};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::{self, ExecutionPlan};
use datafusion_proto::bytes::{
    logical_plan_from_bytes_with_extension_codec, logical_plan_to_bytes_with_extension_codec,
    physical_plan_from_bytes_with_extension_codec, physical_plan_to_bytes_with_extension_codec,
};
use datafusion_proto::logical_plan::LogicalExtensionCodec;
use datafusion_proto::physical_plan::{PhysicalExtensionCodec, PhysicalProtoConverterExtension};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::engine::{Engine, Job, Place};
use crate::resources::Resources;
use crate::search::{Search, SearchError};

/// Maximum nesting of a plan's nodes and expressions. A parsed search has at most 100 commands and nests 150 deep;
/// `DataFusion` may nest the expressions of several commands.
const MOST_NODES: usize = 3_000;
/// Maximum nesting of messages in bytes: a node is two or three.
const MOST_MESSAGES: usize = 10_000;
/// Maximum nesting of groups in bytes. Plans have none, but a text can look like some.
const MOST_GROUPS: usize = 1 << 18;
/// Bytes of stack per node encoded, and per message and group decoded, in an unoptimised build.
const STACK_OF_NODE: usize = 128 << 10;
const STACK_OF_MESSAGE: usize = 48 << 10;
const STACK_OF_GROUP: usize = 1 << 10;
/// Bytes of stack for the rest.
const STACK: usize = 1 << 20;

/// Prefix of an encoded plan; the form follows.
const MARK: &[u8] = b"crabwalk plan 1 ";

/// The form in which a plan travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// What is wanted. The reader optimises it and decides how to run it.
    Logical,
    /// How it is run.
    Physical,
}

impl Form {
    const fn letter(self) -> u8 {
        match self {
            Self::Logical => b'l',
            Self::Physical => b'p',
        }
    }
}

/// Why a plan cannot travel.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// It nests deeper than a stack may grow.
    #[error(
        "the plan nests {found} deep, and {most} is the most that can be sent to another machine: split the search, or nest fewer functions"
    )]
    TooDeep {
        /// How deep it nests.
        found: usize,
        /// How deep it may.
        most: usize,
    },
    /// The bytes are something else, or from another version.
    #[error(
        "the bytes are not a plan of this version of Crabwalk: run the same build on all machines"
    )]
    NoPlan,
    /// A part of the plan cannot be encoded.
    #[error("the plan cannot be sent to another machine: {0}")]
    Write(DataFusionError),
    /// The reader lacks something that the plan names, or the bytes are damaged.
    #[error("the plan cannot be run on this machine: {0}")]
    Read(DataFusionError),
    /// The plan was decoded and failed.
    #[error("{0}")]
    Run(DataFusionError),
}

/// Checks that a plan can be sent to a machine whose threads have stacks of this many bytes, as this one's have.
///
/// # Errors
/// What in it cannot be encoded, or that it nests too deep.
pub fn check_plan(
    plan: &Arc<dyn ExecutionPlan>,
    codec: &dyn PhysicalExtensionCodec,
    stack: usize,
) -> Result<(), CodecError> {
    let found = Plan::Physical(Arc::clone(plan)).depth();
    let most = stack.saturating_sub(STACK) / STACK_OF_NODE;
    if found > most {
        return Err(CodecError::TooDeep { found, most });
    }
    let bytes = physical_plan_to_bytes_with_extension_codec(Arc::clone(plan), codec)
        .map_err(CodecError::Write)?;
    let depth = Depth::of(&bytes);
    depth.check()?;
    if depth.stack() + STACK > stack {
        return Err(CodecError::TooDeep {
            found: depth.messages,
            most: stack.saturating_sub(STACK) / STACK_OF_MESSAGE,
        });
    }
    Ok(())
}

/// Encodes and decodes Crabwalk's own parts of plans, for `DataFusion`'s protobuf.
#[derive(Clone)]
pub struct Codec {
    catalog: Arc<dyn Catalog>,
    resources: Arc<Resources>,
}

impl fmt::Debug for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Codec")
    }
}

fn plan_error<T>(message: impl Into<String>) -> Result<T> {
    Err(DataFusionError::Plan(message.into()))
}

fn no_such_function<T>(name: &str) -> Result<T> {
    plan_error(format!("this build of Crabwalk has no function `{name}`"))
}

/// The encoding of a [`NamedScan`].
#[derive(Serialize, Deserialize)]
struct ScanForm {
    kind: String,
    table: String,
    /// Names and types of its columns.
    columns: Vec<(String, String)>,
    fetch: Option<usize>,
}

fn columns(schema: &Schema) -> Vec<(String, String)> {
    schema
        .fields()
        .iter()
        .map(|field| (field.name().clone(), field.data_type().to_string()))
        .collect()
}

/// The columns of a table are those for which the plan was made.
fn check_columns(
    name: &TableName,
    here: &[(String, String)],
    planned: &[(String, String)],
) -> Result<()> {
    if here == planned {
        return Ok(());
    }
    let differing = planned
        .iter()
        .find(|column| !here.contains(column))
        .or_else(|| here.iter().find(|column| !planned.contains(column)));
    let field = differing.map_or("", |(field, _)| field.as_str());
    plan_error(format!(
        "{name} have other fields on this machine than where the search was planned (`{field}`): run it over the same events"
    ))
}

impl Codec {
    /// The table of a name.
    fn table(&self, name: &TableName) -> Result<Arc<dyn TableProvider>> {
        match name {
            TableName::Events(event_type) => match self.catalog.provider(event_type) {
                Some(table) => Ok(table),
                None => plan_error(format!("no table on this machine holds {name}")),
            },
            TableName::Lookup { name, content_hash } => {
                let table = self
                    .resources
                    .table(name, *content_hash)
                    .map_err(DataFusionError::Plan)?;
                Ok(Arc::new(crate::tables::rows(&table, *content_hash)?))
            }
        }
    }

    fn write(&self, plan: &Plan) -> Result<Vec<u8>, CodecError> {
        let nodes = plan.depth();
        if nodes > MOST_NODES {
            return Err(CodecError::TooDeep {
                found: nodes,
                most: MOST_NODES,
            });
        }
        let written = with_stack(nodes * STACK_OF_NODE, || match plan {
            Plan::Logical(plan) => logical_plan_to_bytes_with_extension_codec(plan, self),
            Plan::Physical(plan) => {
                physical_plan_to_bytes_with_extension_codec(Arc::clone(plan), self)
            }
        })
        .map_err(CodecError::Write)?;
        // What is written can be read.
        Depth::of(&written).check()?;
        let mut bytes = Vec::with_capacity(MARK.len() + 1 + written.len());
        bytes.extend_from_slice(MARK);
        bytes.push(plan.form().letter());
        bytes.extend_from_slice(&written);
        Ok(bytes)
    }

    fn read(&self, bytes: &[u8], context: &TaskContext) -> Result<Plan, CodecError> {
        let Some((letter, plan)) = bytes.strip_prefix(MARK).and_then(<[u8]>::split_first) else {
            return Err(CodecError::NoPlan);
        };
        let form = [Form::Logical, Form::Physical]
            .into_iter()
            .find(|form| form.letter() == *letter)
            .ok_or(CodecError::NoPlan)?;
        let depth = Depth::of(plan);
        depth.check()?;
        with_stack(depth.stack(), || match form {
            Form::Logical => {
                logical_plan_from_bytes_with_extension_codec(plan, context, self).map(Plan::Logical)
            }
            Form::Physical => physical_plan_from_bytes_with_extension_codec(plan, context, self)
                .map(Plan::Physical),
        })
        .map_err(CodecError::Read)
    }
}

impl LogicalExtensionCodec for Codec {
    fn try_decode(&self, _: &[u8], _: &[LogicalPlan], _: &TaskContext) -> Result<Extension> {
        plan_error("plans of searches have no nodes of their own")
    }

    fn try_encode(&self, node: &Extension, _: &mut Vec<u8>) -> Result<()> {
        plan_error(format!("{} has no form in bytes", node.node.name()))
    }

    fn try_encode_table_provider(
        &self,
        reference: &TableReference,
        table: Arc<dyn TableProvider>,
        bytes: &mut Vec<u8>,
    ) -> Result<()> {
        if TableName::of(reference).is_some() {
            return Ok(());
        }
        let Some(rows) = table.downcast_ref::<MemTable>() else {
            return plan_error(format!("the table {reference} has no name that travels"));
        };
        let schema = table.schema();
        let mut writer = StreamWriter::try_new(bytes, &schema)?;
        for part in &rows.batches {
            let part = part.try_read().map_err(|_| {
                DataFusionError::Plan(format!("the rows of {reference} are being written"))
            })?;
            part.iter().try_for_each(|batch| writer.write(batch))?;
        }
        writer.finish()?;
        Ok(())
    }

    fn try_decode_table_provider(
        &self,
        bytes: &[u8],
        reference: &TableReference,
        schema: SchemaRef,
        _: &TaskContext,
    ) -> Result<Arc<dyn TableProvider>> {
        if let Some(name) = TableName::of(reference) {
            let table = self.table(&name)?;
            check_columns(&name, &columns(&table.schema()), &columns(&schema))?;
            return Ok(table);
        }
        let batches: Vec<RecordBatch> =
            StreamReader::try_new(bytes, None)?.collect::<std::result::Result<_, _>>()?;
        Ok(Arc::new(MemTable::try_new(schema, vec![batches])?))
    }

    fn try_decode_udf(&self, name: &str, _: &[u8]) -> Result<Arc<ScalarUDF>> {
        scalar_function(name)
    }

    fn try_decode_udaf(&self, name: &str, _: &[u8]) -> Result<Arc<AggregateUDF>> {
        aggregate_function(name)
    }

    fn try_decode_udwf(&self, name: &str, _: &[u8]) -> Result<Arc<WindowUDF>> {
        window_function(name)
    }
}

impl PhysicalExtensionCodec for Codec {
    fn try_decode(
        &self,
        bytes: &[u8],
        _: &[Arc<dyn ExecutionPlan>],
        _: &TaskContext,
        _: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let scan: ScanForm = serde_json::from_slice(bytes)
            .map_err(|error| DataFusionError::Plan(format!("the scan of a table: {error}")))?;
        let reference = TableReference::partial(scan.kind, scan.table);
        let Some(name) = TableName::of(&reference) else {
            return plan_error(format!("{reference} names no table"));
        };
        let table = self.table(&name)?;
        let Some(table) = table.downcast_ref::<NamedTable>() else {
            return plan_error(format!(
                "{name} are in files here, but were in memory where the search was planned: run it over the same events"
            ));
        };
        let names: Vec<String> = scan.columns.iter().map(|(name, _)| name.clone()).collect();
        let plan = table.scan_columns(&names, scan.fetch)?;
        check_columns(&name, &columns(&plan.schema()), &scan.columns)?;
        Ok(plan)
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        bytes: &mut Vec<u8>,
        _: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        let Some(scan) = node.downcast_ref::<NamedScan>() else {
            return plan_error(format!("{} has no form in bytes", node.name()));
        };
        let reference = scan.table().reference();
        let form = ScanForm {
            kind: reference.schema().unwrap_or_default().to_owned(),
            table: reference.table().to_owned(),
            columns: columns(&node.schema()),
            fetch: node.fetch(),
        };
        serde_json::to_writer(bytes, &form)
            .map_err(|error| DataFusionError::Plan(format!("the scan of {reference}: {error}")))
    }

    fn try_decode_udf(&self, name: &str, _: &[u8]) -> Result<Arc<ScalarUDF>> {
        scalar_function(name)
    }

    fn try_decode_udaf(&self, name: &str, _: &[u8]) -> Result<Arc<AggregateUDF>> {
        aggregate_function(name)
    }

    fn try_decode_udwf(&self, name: &str, _: &[u8]) -> Result<Arc<WindowUDF>> {
        window_function(name)
    }
}

// The registry has SPL's functions; these are DataFusion's own.

fn scalar_function(name: &str) -> Result<Arc<ScalarUDF>> {
    let all = datafusion::functions::all_default_functions();
    let found = all.into_iter().find(|function| function.name() == name);
    found.map_or_else(|| no_such_function(name), Ok)
}

fn aggregate_function(name: &str) -> Result<Arc<AggregateUDF>> {
    let all = datafusion::functions_aggregate::all_default_aggregate_functions();
    let found = all.into_iter().find(|function| function.name() == name);
    found.map_or_else(|| no_such_function(name), Ok)
}

fn window_function(name: &str) -> Result<Arc<WindowUDF>> {
    let all = datafusion::functions_window::all_default_window_functions();
    let found = all.into_iter().find(|function| function.name() == name);
    found.map_or_else(|| no_such_function(name), Ok)
}

/// Replaces empty relations with empty tables: `DataFusion`'s protobuf loses the columns of the former.
fn empty_tables(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up(|node| {
        let LogicalPlan::EmptyRelation(empty) = &node else {
            return Ok(Transformed::no(node));
        };
        if empty.produce_one_row || empty.schema.fields().is_empty() {
            return Ok(Transformed::no(node));
        }
        let schema = Arc::new(empty.schema.as_arrow().clone());
        let table = MemTable::try_new(Arc::clone(&schema), vec![Vec::new()])?;
        let scan = LogicalPlanBuilder::scan("nothing", provider_as_source(Arc::new(table)), None)?;
        let columns = empty.schema.iter().map(|(qualifier, field)| {
            let own = Column::new(Some("nothing"), field.name());
            Expr::Column(own).alias_qualified(qualifier.cloned(), field.name())
        });
        let columns: Vec<Expr> = columns.collect();
        Ok(Transformed::yes(scan.project(columns)?.build()?))
    })
    .map(|plan| plan.data)
}

/// A plan in either form.
enum Plan {
    Logical(LogicalPlan),
    Physical(Arc<dyn ExecutionPlan>),
}

impl Plan {
    async fn of(plan: LogicalPlan, form: Form, state: &SessionState) -> Result<Self, CodecError> {
        match form {
            Form::Logical => empty_tables(plan)
                .map(Self::Logical)
                .map_err(CodecError::Write),
            Form::Physical => {
                let plan = state.create_physical_plan(&plan).await;
                plan.map(Self::Physical).map_err(CodecError::Run)
            }
        }
    }

    fn form(&self) -> Form {
        match self {
            Self::Logical(_) => Form::Logical,
            Self::Physical(_) => Form::Physical,
        }
    }

    /// The nesting of its nodes and their expressions.
    fn depth(&self) -> usize {
        let mut most = 0;
        match self {
            Self::Logical(plan) => {
                let mut left = vec![(plan, 1)];
                while let Some((plan, depth)) = left.pop() {
                    most = most.max(depth);
                    // The visit itself cannot fail.
                    let _ = plan.apply_expressions(|expr| {
                        most = most.max(depth + depth_of_expr(expr));
                        Ok(TreeNodeRecursion::Continue)
                    });
                    left.extend(plan.inputs().into_iter().map(|input| (input, depth + 1)));
                }
            }
            Self::Physical(plan) => {
                let mut left = vec![(plan, 1)];
                while let Some((plan, depth)) = left.pop() {
                    most = most.max(depth);
                    let _ = plan.apply_expressions(&mut |expr| {
                        most = most.max(depth + depth_of_physical_expr(expr));
                        Ok(TreeNodeRecursion::Continue)
                    });
                    left.extend(plan.children().into_iter().map(|input| (input, depth + 1)));
                }
            }
        }
        most
    }
}

fn depth_of_expr(expr: &Expr) -> usize {
    let mut most = 0;
    let mut left = vec![(expr, 1)];
    while let Some((expr, depth)) = left.pop() {
        most = most.max(depth);
        let _ = expr.apply_children(|child| {
            left.push((child, depth + 1));
            Ok(TreeNodeRecursion::Continue)
        });
    }
    most
}

fn depth_of_physical_expr(expr: &Arc<dyn PhysicalExpr>) -> usize {
    let mut most = 0;
    let mut left = vec![(expr, 1)];
    while let Some((expr, depth)) = left.pop() {
        most = most.max(depth);
        left.extend(expr.children().into_iter().map(|child| (child, depth + 1)));
    }
    most
}

fn with_stack<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    let bytes = bytes + STACK;
    stacker::maybe_grow(bytes, bytes, work)
}

/// An upper bound for a protobuf reader's recursion depth in bytes.
///
/// A message looks like a text: both are bytes preceded by their length. Anything is taken for a message as long as it
/// can be parsed as one, so that no message is missed. `prost` notices only after a message that it has overrun its
/// parent, so this follows overruns as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Depth {
    messages: usize,
    groups: usize,
}

/// A field of a message in bytes.
enum Wire {
    /// A number, and the offset of the next field.
    Number(usize),
    /// Start and end of bytes.
    Bytes(usize, usize),
    /// The start of a group.
    Group,
    /// The end of the group with this number, and the offset of the next field.
    GroupEnd(u64, usize),
}

/// The number in `bytes` at an offset, and the offset after it.
fn varint(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut value = 0;
    for (place, byte) in bytes.get(at..)?.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * place).min(63);
        if byte & 0x80 == 0 {
            return Some((value, at + place + 1));
        }
    }
    None
}

/// The number and wire type of the field at an offset, and the offset of its value.
fn key(bytes: &[u8], at: usize) -> Option<(u64, u64, usize)> {
    let (key, at) = varint(bytes, at)?;
    Some((key >> 3, key & 7, at))
}

fn wire(bytes: &[u8], at: usize) -> Option<Wire> {
    let (number, kind, at) = key(bytes, at)?;
    match kind {
        0 => Some(Wire::Number(varint(bytes, at)?.1)),
        1 => Some(Wire::Number(at + 8)),
        2 => {
            let (length, at) = varint(bytes, at)?;
            let end = at.checked_add(usize::try_from(length).ok()?)?;
            (end <= bytes.len()).then_some(Wire::Bytes(at, end))
        }
        3 => Some(Wire::Group),
        4 => Some(Wire::GroupEnd(number, at)),
        5 => Some(Wire::Number(at + 4)),
        _ => None,
    }
}

/// The nesting of groups in the one at an offset, and the offset after it if it ends.
fn group(bytes: &[u8], at: usize) -> (usize, Option<usize>) {
    let (mut at, mut open, mut most) = (at, Vec::new(), 0);
    let behind = loop {
        at = match wire(bytes, at) {
            Some(Wire::Number(next) | Wire::Bytes(_, next)) => next,
            Some(Wire::Group) => match key(bytes, at) {
                Some((number, _, next)) => {
                    open.push(number);
                    most = most.max(open.len());
                    next
                }
                None => break None,
            },
            Some(Wire::GroupEnd(number, next)) => {
                if open.pop() != Some(number) {
                    break None;
                }
                if open.is_empty() {
                    break Some(next);
                }
                next
            }
            None => break None,
        };
    };
    (most, behind)
}

/// A candidate message.
struct Message {
    end: usize,
    /// Whether it extends beyond its parent's end, in which case it is none.
    runs_over: bool,
}

impl Depth {
    fn of(bytes: &[u8]) -> Self {
        let mut most = Self::default();
        let mut around = vec![Message {
            end: bytes.len(),
            runs_over: false,
        }];
        // Where overrunning messages begin, and how deep they were examined.
        let mut seen: HashMap<usize, usize> = HashMap::new();
        let mut at = 0;
        while let Some(&Message { end, runs_over }) = around.last() {
            let field = if at < end { wire(bytes, at) } else { None };
            let next = match field {
                Some(Wire::Number(next)) => Some(next),
                Some(Wire::Group) => {
                    let (depth, behind) = group(bytes, at);
                    most.groups = most.groups.max(depth);
                    behind
                }
                Some(Wire::Bytes(start, behind)) => {
                    let depth = around.len();
                    let over = behind > end;
                    let known = seen.get(&start).is_some_and(|known| *known >= depth);
                    if over && known {
                        None
                    } else {
                        if over {
                            seen.insert(start, depth);
                        }
                        most.messages = most.messages.max(depth);
                        if depth > MOST_MESSAGES {
                            return most;
                        }
                        around.push(Message {
                            end: behind,
                            runs_over: over,
                        });
                        at = start;
                        continue;
                    }
                }
                Some(Wire::GroupEnd(..)) | None => None,
            };
            match next {
                Some(next) if next <= end => at = next,
                // Its end, or no message.
                _ => {
                    around.pop();
                    at = match around.last() {
                        Some(outer) if runs_over => outer.end,
                        _ => end,
                    };
                }
            }
        }
        most
    }

    fn check(self) -> Result<(), CodecError> {
        for (found, most) in [(self.messages, MOST_MESSAGES), (self.groups, MOST_GROUPS)] {
            if found > most {
                return Err(CodecError::TooDeep { found, most });
            }
        }
        Ok(())
    }

    fn stack(self) -> usize {
        self.messages * STACK_OF_MESSAGE + self.groups * STACK_OF_GROUP
    }
}

impl Engine {
    /// Encodes and decodes plans over the events and content of this engine.
    pub fn codec(&self) -> Codec {
        Codec {
            catalog: Arc::clone(&self.catalog),
            resources: Arc::clone(&self.resources),
        }
    }

    /// Gives a session that runs plans of other engines this engine's functions.
    ///
    /// # Errors
    /// If the session rejects one.
    pub fn give_functions(&self, state: &mut SessionState) -> Result<()> {
        for function in crate::ops::scalar_functions(&self.resources) {
            state.register_udf(function)?;
        }
        for function in crate::aggregates::functions() {
            state.register_udaf(function)?;
        }
        Ok(())
    }

    /// The encoded plan of a search, for [`run_encoded`](Self::run_encoded) on this machine or another. Stages that
    /// must run before planning do run.
    ///
    /// # Errors
    /// An error in the search, or that its plan is too deep.
    pub fn encode<'a>(
        &'a self,
        search: &'a Search,
        form: Form,
    ) -> BoxFuture<'a, Result<Vec<u8>, SearchError>> {
        async move {
            let planned = self.plan(search, None, false).await?;
            let failed = |error: CodecError| search.failure(error.to_string());
            let state = self.datafusion.state();
            let plan = Plan::of(planned.plan().clone(), form, &state)
                .await
                .map_err(failed)?;
            self.codec().write(&plan).map_err(failed)
        }
        .boxed()
    }

    /// Runs a plan from [`encode`](Self::encode), made here or on another machine.
    ///
    /// # Errors
    /// If the bytes are not a plan, if this engine lacks something that the plan names, or the plan's error.
    pub async fn run_encoded(&self, bytes: &[u8]) -> Result<Vec<RecordBatch>, CodecError> {
        let context = self.datafusion.task_ctx();
        match self.codec().read(bytes, &context)? {
            Plan::Logical(plan) => {
                let frame = self.datafusion.execute_logical_plan(plan).await;
                let frame = frame.map_err(CodecError::Run)?;
                frame.collect().await.map_err(CodecError::Run)
            }
            Plan::Physical(plan) => physical_plan::collect(plan, context)
                .await
                .map_err(CodecError::Run),
        }
    }

    /// The same engine, but its plans run as if on another machine: each is encoded, decoded by a second engine over
    /// the same events and content, and run there. That engine also has the lookups that searches write.
    #[must_use]
    pub fn travelling(self, form: Form) -> Self {
        let reader = Self::new(
            Arc::clone(&self.catalog),
            Arc::clone(&self.resources.knowledge),
            self.options,
        );
        let travel = Travel {
            form,
            writer: self.codec(),
            reader,
        };
        self.running_at(Arc::new(travel))
    }
}

/// Where the plans of an engine run that sends them to another.
struct Travel {
    form: Form,
    writer: Codec,
    reader: Engine,
}

impl Travel {
    fn share_lookups(&self) {
        let written = self.writer.resources.stored.lock();
        for table in written.unwrap_or_else(PoisonError::into_inner).values() {
            self.reader.store_lookup(Arc::clone(table));
        }
    }
}

impl Place for Travel {
    fn collect(&self, job: Job) -> BoxFuture<'_, Result<Vec<RecordBatch>>> {
        async move {
            let outside = |error: CodecError| DataFusionError::External(Box::new(error));
            self.share_lookups();
            let plan = Plan::of(job.plan, self.form, &job.state)
                .await
                .map_err(outside)?;
            let bytes = self.writer.write(&plan).map_err(outside)?;
            self.reader.run_encoded(&bytes).await.map_err(outside)
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(inner: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x0a];
        let mut length = inner.len();
        while length >= 0x80 {
            bytes.push(u8::try_from(length & 0x7f).unwrap_or(0) | 0x80);
            length >>= 7;
        }
        bytes.push(u8::try_from(length).unwrap_or(0));
        bytes.extend_from_slice(inner);
        bytes
    }

    #[test]
    fn bytes_are_as_deep_as_their_messages_nest() {
        let mut bytes = Vec::new();
        for depth in 1..500 {
            bytes = message(&bytes);
            assert_eq!(Depth::of(&bytes).messages, depth);
        }
    }

    #[test]
    fn what_nests_too_deep_is_refused_before_it_is_read() {
        let mut deep = Vec::new();
        for _ in 0..MOST_MESSAGES + 1 {
            deep = message(&deep);
        }
        assert!(Depth::of(&deep).check().is_err());
        // A reader follows a message beyond its parent's end.
        assert!(
            Depth::of(&[0x0a_u8, 0x02].repeat(MOST_MESSAGES + 2))
                .check()
                .is_err()
        );
        // A group uses the stack of a reader that does not know the field.
        let groups = vec![0x0b_u8; MOST_GROUPS + 1];
        assert!(Depth::of(&groups).check().is_err());
        assert!(Depth::of(&vec![b's'; 60_000]).check().is_ok());
        assert!(
            Depth::of("grep -q needle | sort\n".repeat(9_000).as_bytes())
                .check()
                .is_ok()
        );
    }
}
