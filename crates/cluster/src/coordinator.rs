//! The machine that is asked.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crabwalk_events::{Catalog, MemoryCatalog, NamedTable, TableName};
use crabwalk_spl::codec::check_plan;
use crabwalk_spl::{Engine, EngineOptions, Job, Knowledge, Place};
use crabwalk_store::StoreCatalog;
use datafusion::arrow::array::RecordBatch;
use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan;
use datafusion_proto::physical_plan::{ComposedPhysicalExtensionCodec, PhysicalExtensionCodec};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::cluster::{Cluster, Node};
use crate::distributed::Distributed;
use crate::error::ClusterError;
use crate::link::{Address, Links, Trust};
use crate::scan::{ScanCodec, SharedTable};

/// Bytes of stack of the threads that plan, encode and decode: plans nest as deep as searches do. The system provides
/// only what is used.
pub(crate) const STACK: usize = 256 << 20;

/// A runtime for plans that travel.
pub(crate) fn runtime() -> Result<Runtime, ClusterError> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    Builder::new_multi_thread()
        // A thread that decodes a file answers nobody meanwhile.
        .worker_threads(threads.max(4))
        .thread_stack_size(STACK)
        .thread_name("cluster")
        .enable_all()
        .build()
        .map_err(|error| ClusterError::System {
            what: "threads",
            why: error.to_string(),
        })
}

/// How a cluster is used.
#[derive(Debug, Clone)]
pub struct Options {
    /// The workers.
    pub workers: Vec<Address>,
    /// What machines trust each other by.
    pub trust: Trust,
    /// How long a search may take, from its coordinator's creation.
    pub timeout: Duration,
    /// Number of events from which on a search is shared. Smaller ones run here.
    pub from_rows: u64,
    /// Number of events of a type for which another worker takes part.
    pub rows_per_task: u64,
}

/// How one plan of a search ran.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ran {
    /// Why it ran on this machine; `None` if workers shared it.
    pub here: Option<String>,
    /// Number of workers that could take part.
    pub workers: usize,
    /// Number of pieces of the plan, all workers together.
    pub tasks: usize,
    /// The workers that did not answer, and why.
    pub silent: Vec<String>,
    /// The workers that stopped during a first attempt.
    pub lost: Vec<String>,
}

/// Machines that share searches. Connections to them stay open from one search to the next.
pub struct Machines {
    links: Arc<Links>,
    workers: Vec<Url>,
    /// Encodes SPL's own parts of plans.
    codec: Arc<dyn PhysicalExtensionCodec>,
    options: Options,
    handle: Handle,
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
}

impl Machines {
    /// These machines. None of them is asked anything yet.
    ///
    /// # Errors
    /// If a worker may not be reached that way, or the system provides no threads.
    pub fn new(options: Options) -> Result<Arc<Self>, ClusterError> {
        let runtime = runtime()?;
        let workers = options
            .workers
            .iter()
            .map(|address| options.trust.url(address))
            .collect::<Result<Vec<Url>, _>>()?;
        // Only its codec is used, to encode: it needs neither events nor content.
        let engine = Engine::new(
            Arc::new(MemoryCatalog::default()),
            Arc::new(Knowledge::default()),
            EngineOptions {
                now: 0.0,
                threads: 1,
                memory: 0,
            },
        );
        Ok(Arc::new(Self {
            links: Links::new(options.trust.clone()),
            workers,
            codec: Arc::new(engine.codec()),
            options,
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        }))
    }

    /// What runs any number of searches over this snapshot on them, each plan with a time limit of its own.
    pub fn each(self: &Arc<Self>, catalog: Arc<StoreCatalog>) -> Arc<dyn Place> {
        Arc::new(Each {
            machines: Arc::clone(self),
            catalog,
        })
    }

    /// What runs one search over this snapshot on them.
    pub fn over(self: &Arc<Self>, catalog: Arc<StoreCatalog>) -> Arc<Coordinator> {
        let options = &self.options;
        let scans = ScanCodec(Arc::clone(&catalog) as _);
        let cluster = Distributed {
            links: Arc::clone(&self.links),
            workers: self.workers.clone(),
            catalog: Arc::clone(&catalog),
            codec: Arc::clone(&self.codec),
            rows_per_task: options.rows_per_task,
        };
        let codec: Vec<Arc<dyn PhysicalExtensionCodec>> =
            vec![Arc::clone(&self.codec), Arc::new(scans)];
        let inner = Inner {
            cluster: Box::new(cluster),
            catalog,
            codec: ComposedPhysicalExtensionCodec::new(codec),
            from_rows: options.from_rows,
            timeout: options.timeout,
            deadline: Instant::now() + options.timeout,
            ran: Mutex::default(),
        };
        Arc::new(Coordinator {
            inner: Arc::new(inner),
            machines: Arc::clone(self),
        })
    }
}

/// Runs many searches' plans on a cluster, each as a search of its own.
struct Each {
    machines: Arc<Machines>,
    catalog: Arc<StoreCatalog>,
}

impl Place for Each {
    fn collect(&self, job: Job) -> BoxFuture<'_, Result<Vec<RecordBatch>>> {
        let coordinator = self.machines.over(Arc::clone(&self.catalog));
        async move { coordinator.collect(job).await }.boxed()
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Whoever drops it may be on another runtime, where waiting is forbidden.
            runtime.shutdown_background();
        }
    }
}

/// Runs one search's plans on a cluster.
pub struct Coordinator {
    inner: Arc<Inner>,
    machines: Arc<Machines>,
}

struct Inner {
    cluster: Box<dyn Cluster>,
    catalog: Arc<StoreCatalog>,
    /// Encodes all of a plan.
    codec: ComposedPhysicalExtensionCodec,
    from_rows: u64,
    timeout: Duration,
    deadline: Instant,
    ran: Mutex<Vec<Ran>>,
}

impl Coordinator {
    /// How the search's plans ran so far.
    pub fn ran(&self) -> Vec<Ran> {
        let ran = self.inner.ran.lock();
        ran.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Place for Coordinator {
    fn collect(&self, job: Job) -> BoxFuture<'_, Result<Vec<RecordBatch>>> {
        let inner = Arc::clone(&self.inner);
        let task = self.machines.handle.spawn(async move {
            let (deadline, timeout) = (inner.deadline, inner.timeout);
            match timeout_at(deadline, inner.collect(job)).await {
                Ok(rows) => rows,
                Err(_) => Err(external(ClusterError::TimedOut(timeout))),
            }
        });
        // A search that nobody waits for stops.
        let mut task = Aborted(task);
        async move {
            match (&mut task.0).await {
                Ok(rows) => rows,
                Err(error) => Err(DataFusionError::Execution(format!(
                    "internal error, please report it: {error}"
                ))),
            }
        }
        .boxed()
    }
}

/// A task that ends when it is dropped.
struct Aborted<T>(JoinHandle<T>);

impl<T> Drop for Aborted<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn external(error: ClusterError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// The workers of `before` that have stopped since then, even if they were started again.
fn gone(before: &[Node], now: &[Node]) -> Vec<String> {
    before
        .iter()
        .filter(|node| !now.contains(node))
        .map(|node| node.url.authority().to_owned())
        .collect()
}

impl Inner {
    fn note(&self, ran: Ran) {
        let mut all = self.ran.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(ran);
    }

    async fn here(
        &self,
        plan: &LogicalPlan,
        state: &SessionState,
        why: String,
    ) -> Result<Vec<RecordBatch>> {
        self.note(Ran {
            here: Some(why),
            ..Ran::default()
        });
        let plan = state.create_physical_plan(plan).await?;
        physical_plan::collect(plan, state.task_ctx()).await
    }

    async fn collect(&self, job: Job) -> Result<Vec<RecordBatch>> {
        let Job {
            plan,
            state,
            wrote_lookups,
        } = job;
        let (shared, rows) = self.with_shared_tables(plan.clone())?;
        if rows < self.from_rows {
            let why = format!(
                "it reads {rows} events, and {} are worth it",
                self.from_rows
            );
            return self.here(&plan, &state, why).await;
        }
        if wrote_lookups {
            let why = "it may read a lookup that it wrote itself".to_owned();
            return self.here(&plan, &state, why).await;
        }
        let physical = state.create_physical_plan(&shared).await?;
        if let Err(error) = check_plan(&physical, &self.codec, STACK) {
            return self.here(&plan, &state, error.to_string()).await;
        }
        let mut answers = self.cluster.nodes().await.map_err(external)?;
        let mut lost = Vec::new();
        let first = self
            .cluster
            .collect(physical, state.clone(), &answers.nodes)
            .await;
        let result = match first {
            Ok(shared) => shared,
            Err(error) => {
                let now = self.cluster.nodes().await.map_err(external)?;
                lost = gone(&answers.nodes, &now.nodes);
                if lost.is_empty() {
                    return Err(error);
                }
                answers.nodes = now.nodes;
                // A plan runs once.
                let physical = state.create_physical_plan(&shared).await?;
                let again = self.cluster.collect(physical, state, &answers.nodes);
                again.await.map_err(|error| {
                    external(ClusterError::Lost {
                        lost: lost.join(", "),
                        why: error.strip_backtrace(),
                    })
                })?
            }
        };
        let here = (result.tasks == 0).then(|| "its plan has no part for others".to_owned());
        self.note(Ran {
            here,
            workers: answers.nodes.len(),
            tasks: result.tasks,
            silent: answers.silent,
            lost,
        });
        Ok(result.rows)
    }

    /// The plan with tables whose files machines can share, and the number of events in them.
    fn with_shared_tables(&self, plan: LogicalPlan) -> Result<(LogicalPlan, u64)> {
        let mut rows: u64 = 0;
        let plan = plan.transform_down(|node| {
            let LogicalPlan::TableScan(mut scan) = node else {
                return Ok(Transformed::no(node));
            };
            let provider = source_as_provider(&scan.source)?;
            let shared =
                provider
                    .downcast_ref::<NamedTable>()
                    .and_then(|table| match table.name() {
                        TableName::Events(event_type) => {
                            let all = self.catalog.tables().iter();
                            let own = all.filter(|table| table.event_type == *event_type);
                            rows += own.map(|table| table.rows as u64).sum::<u64>();
                            SharedTable::new(&self.catalog, event_type)
                        }
                        TableName::Lookup { .. } => None,
                    });
            Ok(match shared {
                Some(table) => {
                    scan.source = provider_as_source(Arc::new(table));
                    Transformed::yes(LogicalPlan::TableScan(scan))
                }
                None => Transformed::no(LogicalPlan::TableScan(scan)),
            })
        })?;
        Ok((plan.data, rows))
    }
}
