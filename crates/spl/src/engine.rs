//! Runs searches.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError};

use crabwalk_events::catalog::REF;
use crabwalk_events::{Catalog, EventType, LookupTable};
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, TimestampMicrosecondArray,
    new_null_array,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, Field, Float64Type, Schema, SchemaRef, TimeUnit, UInt64Type,
};
use datafusion::arrow::error::ArrowError;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::execution::context::SessionContext;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::optimizer::push_down_filter::PushDownFilter;
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::prelude::SessionConfig;
use futures::FutureExt;
use futures::future::BoxFuture;

use crate::column::EvalContext;
use crate::knowledge::Knowledge;
use crate::plan::{Glances, MOST_ROWS, Planned, Planner, Staged, Step, TypeInfos};
use crate::resources::{Resources, lookup_name};
use crate::search::{Search, SearchError};
use crate::syntax::Diagnostic;
use crate::value::display_values;

/// How searches are run.
#[derive(Debug, Clone, Copy)]
pub struct EngineOptions {
    /// The value of `now()`: seconds since 1970-01-01 UTC.
    pub now: f64,
    /// Number of DataFusion partitions, at least 1.
    pub threads: usize,
    /// Memory limit in bytes for the groups, sorted rows and joins of all of the engine's searches. The rest spills to
    /// temporary files.
    pub memory: usize,
}

/// Half a gigabyte: the default of [`EngineOptions::memory`].
pub const DEFAULT_MEMORY: usize = 512 << 20;

/// A search in progress, and its results.
pub type Running<'a> = BoxFuture<'a, Result<Results, SearchError>>;

/// A plan that is to run, and what its engine knows about it.
#[derive(Debug)]
pub struct Job {
    /// The plan.
    pub plan: LogicalPlan,
    /// The state of the engine that made it: functions, options, memory.
    pub state: SessionState,
    /// Whether the engine's searches have written lookups. The plan may read them, and only this engine has them.
    pub wrote_lookups: bool,
}

/// Where plans run, if not in the engine that made them.
pub trait Place: Send + Sync {
    /// Runs a plan and returns its rows. They must be the rows that the engine itself would return.
    fn collect(&self, job: Job) -> BoxFuture<'_, datafusion::error::Result<Vec<RecordBatch>>>;
}

/// Plans and runs searches over one run's events.
pub struct Engine {
    pub(crate) catalog: Arc<dyn Catalog>,
    pub(crate) resources: Arc<Resources>,
    pub(crate) options: EngineOptions,
    types: TypeInfos,
    pub(crate) datafusion: SessionContext,
    /// Like [`datafusion`](Self::datafusion), for plans over few rows, which it does not optimise.
    quick: SessionContext,
    place: Option<Arc<dyn Place>>,
    /// What searches have looked up in the tables. None if plans run elsewhere.
    glances: Option<Glances>,
    /// Maximum number of rows that a search gives.
    most: Option<usize>,
}

impl Engine {
    /// An engine over these events.
    pub fn new(
        catalog: Arc<dyn Catalog>,
        knowledge: Arc<Knowledge>,
        options: EngineOptions,
    ) -> Self {
        let mut config = SessionConfig::new()
            .with_target_partitions(options.threads.max(1))
            .with_information_schema(false)
            .with_create_default_catalog_and_schema(false);
        // `x IS TRUE` is never NULL. DataFusion 55 runs it as a comparison without knowing that, and then refuses to
        // group by an expression that contains such a condition more than once: its schema differs in that before and
        // after planning.
        config
            .options_mut()
            .execution
            .skip_physical_aggregate_schema_check = true;
        // Each event type has its own partition: a search over hundreds of types would sort each separately, and so
        // many sorts cannot share memory. So they are sorted together.
        config.options_mut().optimizer.repartition_sorts = false;
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(FairSpillPool::new(options.memory)))
            .build_arc()
            .unwrap_or_default();
        let resources = Arc::new(Resources::new(knowledge));
        let state = SessionStateBuilder::new()
            .with_scalar_functions(crate::ops::scalar_functions(&resources))
            .with_aggregate_functions(crate::aggregates::functions().collect())
            .with_runtime_env(runtime)
            .with_config(config)
            .with_optimizer_rules(optimizer_rules())
            .with_physical_optimizer_rules(physical_rules())
            .build();
        let quick = SessionStateBuilder::new_from_existing(state.clone())
            .with_config(state.config().clone().with_target_partitions(1))
            .with_optimizer_rules(Vec::new())
            .with_physical_optimizer_rules(needed_rules())
            .build();
        Self {
            catalog,
            resources,
            options,
            place: None,
            types: TypeInfos::default(),
            datafusion: SessionContext::new_with_state(state),
            quick: SessionContext::new_with_state(quick),
            most: None,
            // Parallel searches query large tables, too.
            glances: Some(Glances::new(match options.threads {
                0 | 1 => usize::MAX,
                _ => MOST_ROWS,
            })),
        }
    }

    /// An engine whose searches give the first rows only, and read no more than these need.
    #[must_use]
    pub fn at_most(mut self, rows: usize) -> Self {
        self.most = Some(rows);
        self
    }

    /// An engine whose plans run elsewhere.
    #[must_use]
    pub fn running_at(mut self, place: Arc<dyn Place>) -> Self {
        self.place = Some(place);
        // Events that were found here would travel with the plan.
        self.glances = None;
        self
    }

    /// The lookups that this engine's searches have written with `outputlookup`, by name without `.csv`. Later searches
    /// of the same engine see them; nothing is written to disk.
    pub fn stored_lookups(&self) -> BTreeMap<String, Arc<LookupTable>> {
        self.resources
            .stored
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Sets a lookup as `outputlookup` does, for instance one written by an earlier run.
    pub fn store_lookup(&self, table: Arc<LookupTable>) {
        let name = lookup_name(&table.definition.name).to_owned();
        self.resources
            .stored
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name, table);
    }

    /// The plan of a search as DataFusion shows it. Stages that would run first (subsearches in search clauses, the
    /// rows for `map`, …) are left open.
    ///
    /// # Errors
    /// What is wrong with the search.
    pub fn explain(&self, search: &Search) -> Result<String, SearchError> {
        let planned = self.plan_unrun(search)?;
        Ok(planned.plan().display_indent().to_string())
    }

    /// Plans a search without running it.
    ///
    /// # Errors
    /// What is wrong with the search.
    pub fn check(&self, search: &Search) -> Result<Vec<Diagnostic>, SearchError> {
        self.plan_unrun(search).map(|planned| planned.warnings)
    }

    fn planner(&self) -> Planner<'_> {
        Planner::new(
            self.catalog.as_ref(),
            &self.resources,
            &self.types,
            EvalContext {
                now: self.options.now,
            },
        )
    }

    fn plan_unrun(&self, search: &Search) -> Result<Planned, SearchError> {
        match self.planner().plan(search.pipeline()) {
            Ok(Step::Done(planned)) => Ok(*planned),
            Ok(Step::First(_)) => {
                Err(search.failure("rows were asked for although nothing is run".to_owned()))
            }
            Err(diagnostic) => Err(search.error(vec![diagnostic])),
        }
    }

    /// Plans a search, running the stages that must run first. Without glances the plan reads the tables when it runs.
    pub(crate) async fn plan(
        &self,
        search: &Search,
        glances: Option<&Glances>,
        ends_early: bool,
    ) -> Result<Planned, SearchError> {
        let failed = |error: datafusion::error::DataFusionError| {
            search.failure(format!("the search failed: {}", error.strip_backtrace()))
        };
        let mut staged: Vec<Arc<Staged>> = Vec::new();
        loop {
            let step = self
                .planner()
                .with_stages(&staged)
                .looking_first(glances)
                .ending_early(ends_early)
                .plan(search.pipeline())
                .map_err(|diagnostic| search.error(vec![diagnostic]))?;
            let pending = match step {
                Step::Done(planned) => return Ok(*planned),
                Step::First(pending) => pending,
            };
            let batches = if pending.rows.empty {
                Vec::new()
            } else {
                self.collect(pending.rows.plan.clone(), pending.bounded)
                    .await
                    .map_err(failed)?
            };
            let stage = Staged::new(&pending.rows, &batches, staged.len()).map_err(failed)?;
            if let Some(output) = &pending.output {
                let name = lookup_name(&output.lookup.text);
                let mut stored = self
                    .resources
                    .stored
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                let before = stored
                    .get(name)
                    .or_else(|| self.resources.knowledge.lookups.get(name))
                    .or_else(|| self.resources.knowledge.lookups.get(&output.lookup.text))
                    .cloned();
                let table = stage.store(output, before.as_deref());
                stored.insert(name.to_owned(), Arc::new(table));
            }
            staged.push(Arc::new(stage));
        }
    }

    /// Runs a search.
    ///
    /// # Errors
    /// An error in the search, or in running it.
    pub fn run<'a>(&'a self, search: &'a Search) -> Running<'a> {
        self.results(search, false).boxed()
    }

    /// Runs a search for its rows only. For use with many searches: it stops if no event matches the first command and
    /// the search can then have no rows. The rest is not planned, so its columns and errors are not reported.
    ///
    /// # Errors
    /// Like [`run`](Self::run).
    pub fn find<'a>(&'a self, search: &'a Search) -> Running<'a> {
        self.results(search, true).boxed()
    }

    async fn results(&self, search: &Search, ends_early: bool) -> Result<Results, SearchError> {
        let planned = self.plan(search, self.glances.as_ref(), ends_early).await?;
        let batches = if planned.rows.empty {
            Vec::new()
        } else {
            let failed = |error: datafusion::error::DataFusionError| {
                search.failure(format!("the search failed: {}", error.strip_backtrace()))
            };
            let mut plan = planned.plan().clone();
            if let Some(most) = self.most {
                let limited = LogicalPlanBuilder::from(plan).limit(0, Some(most));
                plan = limited
                    .and_then(LogicalPlanBuilder::build)
                    .map_err(failed)?;
            }
            self.collect(plan, planned.bounded).await.map_err(failed)?
        };
        let columns = visible_columns(&planned, &batches);
        Ok(Results::new(
            columns,
            batches,
            planned.warnings,
            planned.event_types,
        ))
    }

    async fn collect(
        &self,
        plan: LogicalPlan,
        bounded: bool,
    ) -> datafusion::error::Result<Vec<RecordBatch>> {
        if let Some(place) = &self.place {
            let written = self.resources.stored.lock();
            let wrote_lookups = !written.unwrap_or_else(PoisonError::into_inner).is_empty();
            let job = Job {
                plan,
                state: self.datafusion.state(),
                wrote_lookups,
            };
            return place.collect(job).await;
        }
        let session = if bounded {
            &self.quick
        } else {
            &self.datafusion
        };
        session.execute_logical_plan(plan).await?.collect().await
    }
}

/// DataFusion's physical rules without those that push filters into scans: no table of a search accepts one, and below
/// a chain of projections a filter doubles with each ([`ThriftyFilters`]).
fn physical_rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut rules = PhysicalOptimizer::new().rules;
    rules.retain(|rule| !rule.name().starts_with("FilterPushdown"));
    rules
}

/// The physical rules required for correctness: they establish partitioning and order. The other rules improve plans,
/// and cost more than a plan over few rows.
fn needed_rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    use datafusion::physical_optimizer::ensure_requirements::EnsureRequirements;
    use datafusion::physical_optimizer::output_requirements::OutputRequirements;
    vec![
        Arc::new(OutputRequirements::new_add_mode()),
        Arc::new(EnsureRequirements::new()),
        Arc::new(OutputRequirements::new_remove_mode()),
    ]
}

/// Pushes filters down, but not below a projection whose columns they would compute more often than it does.
///
/// Below a projection, a filter contains the expressions of the columns in place of their names. That spares computing
/// the other columns of rows that do not pass; but in `eval s=extract(t, "…") | where match(s, "a") OR match(s, "b") OR …`
/// each mention computes it again, and in a chain such as `eval a=if(x>1, a.x, a) | eval a=if(y>1, a.y, a) | …` each
/// step doubles it.
#[derive(Debug)]
struct ThriftyFilters(PushDownFilter);

impl ThriftyFilters {
    fn would_cost_more(plan: &LogicalPlan) -> bool {
        let LogicalPlan::Filter(filter) = plan else {
            return false;
        };
        let LogicalPlan::Projection(below) = filter.input.as_ref() else {
            return false;
        };
        let costs: HashMap<&str, usize> = below
            .schema
            .fields()
            .iter()
            .zip(&below.expr)
            .map(|(field, expr)| (field.name().as_str(), cost(expr)))
            .collect();
        let mut pushed = 0_usize;
        // Nothing in it fails.
        let _ = filter.predicate.apply(|part| {
            if let Expr::Column(own) = part {
                let cost = costs.get(own.name.as_str()).copied().unwrap_or(0);
                pushed = pushed.saturating_add(cost);
            }
            Ok(TreeNodeRecursion::Continue)
        });
        pushed > costs.values().sum()
    }
}

/// What computing an expression costs for each row, roughly: a function counts several times as much as an operator, and
/// reading a column costs nothing.
fn cost(expr: &Expr) -> usize {
    const FUNCTION: usize = 8;
    let mut cost: usize = 0;
    // Nothing in it fails.
    let _ = expr.apply(|part| {
        cost = cost.saturating_add(match part {
            Expr::Column(_) | Expr::Literal(..) | Expr::Alias(_) => 0,
            Expr::ScalarFunction(_) => FUNCTION,
            _ => 1,
        });
        Ok(TreeNodeRecursion::Continue)
    });
    cost
}

impl OptimizerRule for ThriftyFilters {
    fn name(&self) -> &str {
        "push_down_thrifty_filters"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.0.apply_order()
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        config: &dyn OptimizerConfig,
    ) -> datafusion::error::Result<Transformed<LogicalPlan>> {
        if Self::would_cost_more(&plan) {
            return Ok(Transformed::no(plan));
        }
        self.0.rewrite(plan, config)
    }
}

/// DataFusion's rules without those for constructs that SPL plans never have: correlated subqueries, `DISTINCT`, cross
/// joins, leaf functions of nested data. Each rule costs a walk over every plan.
fn optimizer_rules() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    use datafusion::optimizer as rules;
    vec![
        Arc::new(rules::optimize_unions::OptimizeUnions::new()),
        Arc::new(rules::simplify_expressions::SimplifyExpressions::new()),
        Arc::new(rules::eliminate_filter::EliminateFilter::new()),
        Arc::new(rules::eliminate_limit::EliminateLimit::new()),
        Arc::new(rules::propagate_empty_relation::PropagateEmptyRelation::new()),
        Arc::new(rules::push_down_limit::PushDownLimit::new()),
        Arc::new(ThriftyFilters(PushDownFilter::new())),
        Arc::new(rules::common_subexpr_eliminate::CommonSubexprEliminate::new()),
        Arc::new(rules::optimize_projections::OptimizeProjections::new()),
    ]
}

/// The field with the time of an event.
const TIME: &str = "_time";

fn micros() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// The columns to show, in order. For a search that shows all fields, those with a value in some row.
fn visible_columns(planned: &Planned, batches: &[RecordBatch]) -> Vec<String> {
    let mut columns = planned.rows.names();
    if planned.rows.open {
        columns.retain(|name| {
            batches.iter().any(|batch| {
                batch
                    .column_by_name(name)
                    .is_some_and(|column| column.null_count() < column.len())
            })
        });
    }
    columns
}

/// The results of a search.
#[derive(Debug, Clone)]
pub struct Results {
    /// Names of the columns, in order.
    pub columns: Vec<String>,
    /// Warnings about the search.
    pub warnings: Vec<Diagnostic>,
    /// The event types that it read, as far as the run has such events.
    pub event_types: Vec<EventType>,
    batches: Vec<RecordBatch>,
    index: BTreeMap<String, usize>,
    rows: usize,
}

impl Results {
    fn new(
        columns: Vec<String>,
        batches: Vec<RecordBatch>,
        warnings: Vec<Diagnostic>,
        event_types: Vec<EventType>,
    ) -> Self {
        let rows = batches.iter().map(RecordBatch::num_rows).sum();
        let index = batches
            .first()
            .map(|batch| {
                batch
                    .schema()
                    .fields()
                    .iter()
                    .enumerate()
                    .map(|(at, field)| (field.name().clone(), at))
                    .collect()
            })
            .unwrap_or_default();
        Self {
            columns,
            warnings,
            event_types,
            batches,
            index,
            rows,
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The rows in order.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.batches.iter().flat_map(move |batch| {
            (0..batch.num_rows()).map(move |row| Row {
                results: self,
                batch,
                row,
            })
        })
    }

    /// The visible columns as Arrow tables of one schema, copied only where a type changes: `_time` becomes a timestamp
    /// in microseconds, UTC. A column that no row has is empty text.
    ///
    /// # Errors
    /// If the columns do not fit together.
    pub fn table(&self) -> Result<(SchemaRef, Vec<RecordBatch>), ArrowError> {
        let shown = |name: &str, data_type: &DataType| match (name, data_type) {
            (TIME, DataType::Float64 | DataType::Int64 | DataType::UInt64) => micros(),
            (_, DataType::Null) => DataType::Utf8,
            (_, other) => other.clone(),
        };
        let column = |batch: &RecordBatch, name: &str| {
            let at = self.index.get(name)?;
            batch.columns().get(*at).cloned()
        };
        let first = self.batches.first();
        let fields: Vec<Field> = self
            .columns
            .iter()
            .map(|name| {
                let own = first.and_then(|batch| column(batch, name));
                let own = own.map_or(DataType::Null, |column| column.data_type().clone());
                Field::new(name, shown(name, &own), true)
            })
            .collect();
        let schema = Arc::new(Schema::new(fields));
        let batches = self.batches.iter().map(|batch| {
            let columns = schema
                .fields()
                .iter()
                .map(|field| match column(batch, field.name()) {
                    None => Ok(new_null_array(field.data_type(), batch.num_rows())),
                    Some(column) if column.data_type() == field.data_type() => Ok(column),
                    Some(column) if *field.data_type() == micros() => {
                        let seconds = cast(&column, &DataType::Float64)?;
                        let seconds = seconds.as_primitive::<Float64Type>();
                        #[expect(
                            clippy::cast_possible_truncation,
                            reason = "times of years that exist fit; others saturate"
                        )]
                        let times: TimestampMicrosecondArray =
                            seconds.unary(|seconds| (seconds * 1e6).round() as i64);
                        Ok(Arc::new(times.with_timezone("UTC")) as ArrayRef)
                    }
                    Some(column) => cast(&column, field.data_type()),
                });
            let columns = columns.collect::<Result<Vec<_>, ArrowError>>()?;
            let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            RecordBatch::try_new_with_options(Arc::clone(&schema), columns, &rows)
        });
        let batches = batches.collect::<Result<_, _>>()?;
        Ok((schema, batches))
    }

    /// A row by its index.
    pub fn row(&self, index: usize) -> Option<Row<'_>> {
        let mut left = index;
        for batch in &self.batches {
            if left < batch.num_rows() {
                return Some(Row {
                    results: self,
                    batch,
                    row: left,
                });
            }
            left -= batch.num_rows();
        }
        None
    }
}

/// One result row.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    results: &'a Results,
    batch: &'a RecordBatch,
    row: usize,
}

impl Row<'_> {
    /// The values of a field: none if the row does not have it, several if it is multivalued. Numbers are written as
    /// SPL shows them.
    pub fn values(&self, column: &str) -> Vec<String> {
        let Some(at) = self.results.index.get(column) else {
            return Vec::new();
        };
        display_values(self.batch.column(*at), self.row)
    }

    /// The field as a number, if it is a single one.
    pub fn number(&self, column: &str) -> Option<f64> {
        let mut values = self.values(column).into_iter();
        let first = values.next()?;
        values
            .next()
            .is_none()
            .then(|| first.trim().parse().ok())
            .flatten()
    }

    /// The events behind the row, as references for [`Catalog::resolve`]. At most the first thousand.
    pub fn refs(&self) -> Vec<u64> {
        let Some(at) = self.results.index.get(REF) else {
            return Vec::new();
        };
        let column = self.batch.column(*at);
        if column.is_null(self.row) {
            return Vec::new();
        }
        match column.data_type() {
            DataType::UInt64 => vec![column.as_primitive::<UInt64Type>().value(self.row)],
            DataType::List(_) => {
                let values = column.as_list::<i32>().value(self.row);
                values
                    .as_primitive_opt::<UInt64Type>()
                    .map(|values| values.values().to_vec())
                    .unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }
}
