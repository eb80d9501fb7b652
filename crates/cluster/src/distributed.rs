//! The engine `datafusion-distributed`: stages of a physical plan on workers, rows between them as streams.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use crabwalk_store::{ReadScan, StoreCatalog};
use crabwalk_vocabulary::text::causes;
use datafusion::catalog::Session;
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{TreeNode as _, TreeNodeRecursion};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::context::QueryPlanner;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::{EmptyRelation, LogicalPlan};
use datafusion::physical_plan::{self, ExecutionPlan};
use datafusion_distributed::{
    ChannelResolver as _, DesiredTaskCountEvent, DesiredTaskCountEventResponse, DistributedExec,
    DistributedExt as _, DistributedLeafExec, GetWorkerInfoRequest, NetworkBoundaryExt as _,
    ScaleUpLeafNodeEvent, ScaleUpLeafNodeEventResponse, SessionStateBuilderExt as _, Stage,
    WorkerResolver,
};
use datafusion_proto::physical_plan::PhysicalExtensionCodec;
use http::{HeaderMap, HeaderValue};
use tokio::time::timeout;
use url::Url;

use crate::cluster::{Answers, Cluster, Node, Shared};
use crate::error::ClusterError;
use crate::link::{BUILD, BUILD_HEADER, Greeting, Links, STORE_HEADER};
use crate::scan::{FileScanExec, ScanCodec};

/// How long a worker may take to answer a greeting.
const GREETED: Duration = Duration::from_secs(5);

/// Workers over one snapshot of a store.
pub(crate) struct Distributed {
    pub links: Arc<Links>,
    pub workers: Vec<Url>,
    pub catalog: Arc<StoreCatalog>,
    /// Encodes SPL's own parts of plans.
    pub codec: Arc<dyn PhysicalExtensionCodec>,
    /// Events for which another task is worth its cost.
    pub rows_per_task: u64,
}

/// The outcome of a greeting.
enum Greeted {
    Here(Node),
    /// Why it does not answer.
    Gone(String),
}

impl Distributed {
    async fn greet(&self, url: &Url) -> Result<Greeted, ClusterError> {
        let address = url.authority().to_owned();
        let asked = async {
            let mut client = self.links.get_worker_client_for_url(url).await?;
            client.get_worker_info(GetWorkerInfoRequest {}).await
        };
        let answer = match timeout(GREETED, asked).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                let why = causes(&error);
                // The status of the protocol, as `datafusion-distributed` passes it on.
                if why.contains("Unauthenticated") || why.contains("valid authentication") {
                    return Err(ClusterError::Token(address));
                }
                return Ok(Greeted::Gone(format!("{address} ({why})")));
            }
            Err(_) => {
                let seconds = GREETED.as_secs();
                return Ok(Greeted::Gone(format!("{address} (silent for {seconds} s)")));
            }
        };
        let unknown = Greeting {
            build: "unknown".to_owned(),
            store: String::new(),
            instance: String::new(),
        };
        let greeting = serde_json::from_str(&answer.version).unwrap_or(unknown);
        if greeting.build != BUILD {
            return Err(ClusterError::Build {
                address,
                there: greeting.build,
                here: BUILD,
            });
        }
        if greeting.store != self.catalog.id() {
            return Err(ClusterError::Store {
                address,
                there: greeting.store,
                here: self.catalog.id().to_owned(),
            });
        }
        Ok(Greeted::Here(Node {
            url: url.clone(),
            instance: greeting.instance,
        }))
    }
}

#[async_trait]
impl Cluster for Distributed {
    async fn nodes(&self) -> Result<Answers, ClusterError> {
        let asked = self.workers.iter().map(|url| self.greet(url));
        let mut answers = Answers::default();
        for greeted in futures::future::join_all(asked).await {
            match greeted? {
                Greeted::Here(node) => answers.nodes.push(node),
                Greeted::Gone(why) => answers.silent.push(why),
            }
        }
        match answers.nodes.is_empty() {
            true => Err(ClusterError::NoWorkers(answers.silent.join(", "))),
            false => Ok(answers),
        }
    }

    async fn collect(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        state: SessionState,
        nodes: &[Node],
    ) -> Result<Shared> {
        let mut headers = HeaderMap::new();
        headers.insert(BUILD_HEADER, HeaderValue::from_static(BUILD));
        let store = HeaderValue::from_str(self.catalog.id())
            .map_err(|error| DataFusionError::Internal(format!("the store's id: {error}")))?;
        headers.insert(STORE_HEADER, store);
        let urls = nodes.iter().map(|node| node.url.clone()).collect();
        let rows_per_task = self.rows_per_task.max(1);
        let files: Arc<dyn ReadScan> = Arc::clone(&self.catalog) as _;
        let shared_files = Arc::clone(&files);
        let state = SessionStateBuilder::new_from_existing(state)
            .with_query_planner(Arc::new(Made(Arc::clone(&plan))))
            .with_distributed_worker_resolver(Workers(urls))
            .with_distributed_channel_resolver(Arc::clone(&self.links) as Arc<_>)
            .with_distributed_user_codec_arc(Arc::clone(&self.codec))
            .with_distributed_user_codec(ScanCodec(files))
            .with_distributed_passthrough_headers(headers)?
            .with_distributed_metrics_collection(false)?
            .with_distributed_desired_task_count_handler(move |event: DesiredTaskCountEvent<'_>| {
                tasks_for(event.plan, rows_per_task)
            })
            .with_distributed_scale_up_leaf_node_handler(move |event: ScaleUpLeafNodeEvent<'_>| {
                shared_scan(event.plan, event.task_count, shared_files.as_ref())
            })
            .with_distributed_planner()
            .build();
        let nothing = LogicalPlan::EmptyRelation(EmptyRelation {
            produce_one_row: false,
            schema: Arc::new(DFSchema::empty()),
        });
        let plan = state
            .query_planner()
            .create_physical_plan(&nothing, &state)
            .await?;
        let tasks = match plan.is::<DistributedExec>() {
            true => tasks_of(&plan)?,
            false => 0,
        };
        if tracing::enabled!(tracing::Level::DEBUG) {
            let shown = physical_plan::displayable(plan.as_ref()).indent(false);
            tracing::debug!(tasks, "the plan:\n{shown}");
        }
        let rows = physical_plan::collect(plan, state.task_ctx()).await?;
        Ok(Shared { rows, tasks })
    }
}

/// How many tasks should share a leaf.
fn tasks_for(
    plan: &Arc<dyn ExecutionPlan>,
    rows_per_task: u64,
) -> Option<Result<DesiredTaskCountEventResponse>> {
    let leaf = plan.downcast_ref::<FileScanExec>()?;
    Some(Ok(match leaf.is_divisible() {
        // What is above it takes its rows for all.
        false => DesiredTaskCountEventResponse::maximum(1),
        true => {
            let tasks = leaf.scan().rows().div_ceil(rows_per_task);
            let tasks = usize::try_from(tasks).unwrap_or(usize::MAX);
            DesiredTaskCountEventResponse::desired(tasks.clamp(1, leaf.scan().files()))
        }
    }))
}

/// The leaf in as many variants as there are tasks, each with some of the files.
fn shared_scan(
    plan: &Arc<dyn ExecutionPlan>,
    tasks: usize,
    files: &dyn ReadScan,
) -> Option<Result<ScaleUpLeafNodeEventResponse>> {
    let leaf = plan.downcast_ref::<FileScanExec>()?;
    if tasks < 2 {
        return None;
    }
    let shared = || -> Result<ScaleUpLeafNodeEventResponse> {
        if !leaf.is_divisible() {
            return Err(DataFusionError::Internal(format!(
                "{tasks} tasks were planned for a scan that is not divisible"
            )));
        }
        let variants = leaf.scan().shared(tasks).into_iter().map(|scan| {
            let plan = FileScanExec::new(scan, None, files)?;
            Ok(Arc::new(plan) as Arc<dyn ExecutionPlan>)
        });
        let variants: Vec<_> = variants.collect::<Result<_>>()?;
        let leaf = DistributedLeafExec::try_new(Arc::clone(plan), variants)?;
        Ok(ScaleUpLeafNodeEventResponse::new(Arc::new(leaf)))
    };
    Some(shared())
}

/// The number of tasks in all stages.
fn tasks_of(plan: &Arc<dyn ExecutionPlan>) -> Result<usize> {
    let mut tasks = 0;
    plan.apply(|node| {
        if let Some(boundary) = node.as_network_boundary()
            && let Stage::Local(stage) = boundary.input_stage()
        {
            tasks += stage.tasks;
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(tasks)
}

struct Workers(Vec<Url>);

impl WorkerResolver for Workers {
    fn get_urls(&self) -> Result<Vec<Url>> {
        Ok(self.0.clone())
    }
}

/// Plans nothing: the plan is there.
#[derive(Debug)]
struct Made(Arc<dyn ExecutionPlan>);

#[async_trait]
impl QueryPlanner for Made {
    async fn create_physical_plan(
        &self,
        _: &LogicalPlan,
        _: &dyn Session,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::clone(&self.0))
    }
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::expect_used,
        reason = "a test that cannot be set up is a failed test"
    )]

    use crabwalk_events::MemoryCatalog;
    use crabwalk_spl::{Engine, EngineOptions, Knowledge};
    use crabwalk_store::Store;
    use datafusion_distributed::Worker;
    use tokio::net::TcpListener;
    use tonic::transport::Server;
    use tonic::transport::server::TcpIncoming;

    use super::*;
    use crate::link::Trust;

    /// What is said of a worker that greets with this text, in a cluster over this store.
    async fn greeted(said: &str, store: &Store) -> Result<Vec<Node>, ClusterError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let worker = Worker::default().with_version(said.to_owned());
        let server = Server::builder().add_service(worker.into_worker_server());
        let serving = tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
        let options = EngineOptions {
            now: 0.0,
            threads: 1,
            memory: 0,
        };
        let engine = Engine::new(
            Arc::new(MemoryCatalog::default()),
            Arc::new(Knowledge::default()),
            options,
        );
        let cluster = Distributed {
            links: Links::new(Trust::default()),
            workers: vec![Url::parse(&format!("http://{address}")).expect("a URL")],
            catalog: Arc::new(store.snapshot().expect("a snapshot")),
            codec: Arc::new(engine.codec()),
            rows_per_task: 1,
        };
        let answers = cluster.nodes().await;
        serving.abort();
        answers.map(|answers| answers.nodes)
    }

    #[tokio::test]
    async fn only_a_worker_of_the_same_build_and_store_takes_part() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open_or_create(folder.path().join("store")).expect("a store");
        let greeting = |build: &str, store: &str| {
            let greeting = Greeting {
                build: build.to_owned(),
                store: store.to_owned(),
                instance: "1".to_owned(),
            };
            serde_json::to_string(&greeting).expect("JSON")
        };
        let same = greeted(&greeting(BUILD, store.id()), &store).await;
        assert!(same.is_ok_and(|nodes| nodes.len() == 1));
        for said in [&greeting("0.0.1-0", store.id()), "", "{}"] {
            let refused = greeted(said, &store).await;
            assert!(matches!(refused, Err(ClusterError::Build { .. })), "{said}");
        }
        let refused = greeted(&greeting(BUILD, "other"), &store).await;
        assert!(matches!(refused, Err(ClusterError::Store { .. })));
    }
}
