//! What an engine for many machines must do.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::RecordBatch;
use datafusion::error::Result;
use datafusion::execution::session_state::SessionState;
use datafusion::physical_plan::ExecutionPlan;
use url::Url;

use crate::error::ClusterError;

/// A worker that answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Where it is.
    pub url: Url,
    /// Differs each time that the worker is started.
    pub instance: String,
}

/// The workers that answer, and those that do not.
#[derive(Debug, Clone, Default)]
pub struct Answers {
    /// Those that answer; never empty.
    pub nodes: Vec<Node>,
    /// The others, and why.
    pub silent: Vec<String>,
}

/// The rows of a plan, and how many tasks computed them.
#[derive(Debug)]
pub struct Shared {
    /// The rows.
    pub rows: Vec<RecordBatch>,
    /// Tasks that workers ran; 0 if the plan turned out to be indivisible and ran here.
    pub tasks: usize,
}

/// An engine that runs plans on many machines. It need not survive the loss of one: [`Coordinator`](crate::Coordinator)
/// notices that and asks again.
#[async_trait]
pub trait Cluster: Send + Sync {
    /// Asks all workers who they are.
    ///
    /// # Errors
    /// If one answers that may not take part, or none answers.
    async fn nodes(&self) -> Result<Answers, ClusterError>;

    /// Runs a plan that was made for this session, on these workers. They give the rows that the plan gives here.
    ///
    /// # Errors
    /// The plan's own errors, and those of machines and networks.
    async fn collect(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        state: SessionState,
        nodes: &[Node],
    ) -> Result<Shared>;
}
