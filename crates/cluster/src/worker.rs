//! A machine that runs pieces of other machines' searches.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use crabwalk_events::MemoryCatalog;
use crabwalk_spl::{Engine, EngineOptions, Knowledge};
use crabwalk_store::{ReadScan, Store};
use crabwalk_vocabulary::text::causes;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::SessionState;
use datafusion_distributed::{DistributedExt as _, Worker, WorkerQueryContext};
use http::HeaderMap;
use tokio::net::TcpListener;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use crate::coordinator::runtime;
use crate::error::ClusterError;
use crate::link::{BUILD, BUILD_HEADER, Gate, Greeting, Links, Own, STORE_HEADER, Trust};
use crate::scan::ScanCodec;

/// What a worker is given.
#[derive(Debug)]
pub struct Options {
    /// Where it listens. Others than loopback addresses need a token and TLS.
    pub listen: SocketAddr,
    /// The store, opened for reading.
    pub store: Arc<Store>,
    /// Lookups, assets and so on: what plans refer to by name.
    pub knowledge: Arc<Knowledge>,
    /// Memory limit in bytes for the groups, sorted rows and joins of all searches together.
    pub memory: usize,
    /// What machines trust each other by.
    pub trust: Trust,
    /// Files with the worker's certificate chain and its key, PEM.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// Serves other machines until `stop` is done. `listening` is told the address once it can be reached.
///
/// # Errors
/// If it cannot listen, or the address needs protection.
pub fn run(
    options: Options,
    listening: impl FnOnce(SocketAddr),
    stop: impl Future<Output = ()> + Send,
) -> Result<(), ClusterError> {
    runtime()?.block_on(serve(options, listening, stop))
}

/// Stops at the signals by which people and service managers end programs.
pub async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminated) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminated.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}

async fn serve(
    options: Options,
    listening: impl FnOnce(SocketAddr),
    stop: impl Future<Output = ()> + Send,
) -> Result<(), ClusterError> {
    let Options {
        listen,
        store,
        knowledge,
        memory,
        trust,
        certificate,
    } = options;
    trust.check_listening(listen, certificate.is_some())?;
    let failed = |error: String| ClusterError::Listen {
        address: listen,
        why: error,
    };
    let certificate = certificate
        .map(|(chain, key)| Own::read(&chain, &key))
        .transpose()?;
    let mut server = Server::builder()
        .http2_adaptive_window(Some(true))
        .http2_keepalive_interval(Some(std::time::Duration::from_secs(10)));
    if let Some(certificate) = certificate {
        server = server
            .tls_config(certificate.config())
            .map_err(|error| failed(causes(&error)))?;
    }
    let gate = trust.gate();
    let service = service(store, knowledge, memory, trust)?;
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|error| failed(error.to_string()))?;
    let address = listener
        .local_addr()
        .map_err(|error| failed(error.to_string()))?;
    listening(address);
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let service = InterceptedService::<_, Gate>::new(service.into_worker_server(), gate);
    server
        .add_service(service)
        .serve_with_incoming_shutdown(incoming, stop)
        .await
        .map_err(|error| failed(causes(&error)))
}

fn service(
    store: Arc<Store>,
    knowledge: Arc<Knowledge>,
    memory: usize,
    trust: Trust,
) -> Result<Worker, ClusterError> {
    let mut random = [0_u8; 16];
    let denied = |why: String, what| ClusterError::System { what, why };
    getrandom::fill(&mut random).map_err(|error| denied(error.to_string(), "random bytes"))?;
    let greeting = Greeting {
        build: BUILD.to_owned(),
        store: store.id().to_owned(),
        instance: format!("{:032x}", u128::from_be_bytes(random)),
    };
    let greeting =
        serde_json::to_string(&greeting).map_err(|error| denied(error.to_string(), "greeting"))?;
    let memory_pool = Arc::new(FairSpillPool::new(memory));
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(memory_pool)
        .build_arc()
        .map_err(|error| denied(error.to_string(), "memory"))?;
    // It plans nothing; its functions and codec run the plans of others.
    let engine = Engine::new(
        Arc::new(MemoryCatalog::default()),
        knowledge,
        EngineOptions {
            now: 0.0,
            threads: 1,
            memory,
        },
    );
    let session = Arc::new(Sessions {
        engine,
        store,
        links: Links::new(trust),
    });
    let worker = Worker::from_session_builder(move |context: WorkerQueryContext| {
        let session = Arc::clone(&session);
        async move { session.begin(context) }
    });
    Ok(worker.with_runtime_env(runtime).with_version(greeting))
}

/// Makes the sessions in which pieces of plans run.
struct Sessions {
    engine: Engine,
    store: Arc<Store>,
    links: Arc<Links>,
}

impl Sessions {
    fn begin(&self, context: WorkerQueryContext) -> Result<SessionState> {
        self.check(&context.headers)?;
        let files: Arc<dyn ReadScan> = Arc::clone(&self.store) as _;
        let mut state = context
            .builder
            .with_distributed_channel_resolver(Arc::clone(&self.links) as Arc<_>)
            .with_distributed_user_codec(self.engine.codec())
            .with_distributed_user_codec(ScanCodec(files))
            .build();
        self.engine.give_functions(&mut state)?;
        tracing::debug!("runs a piece of a search");
        Ok(state)
    }

    /// Whoever sends a plan says for what it was made. The coordinator has asked before; but this worker may be another
    /// one since then.
    fn check(&self, headers: &HeaderMap) -> Result<()> {
        let said = |name| {
            let value = headers.get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or("unknown")
        };
        let address = "that was asked".to_owned();
        let error = if said(BUILD_HEADER) != BUILD {
            ClusterError::Build {
                address,
                there: BUILD.to_owned(),
                here: "another build",
            }
        } else if said(STORE_HEADER) != self.store.id() {
            ClusterError::Store {
                address,
                there: self.store.id().to_owned(),
                here: said(STORE_HEADER).to_owned(),
            }
        } else {
            return Ok(());
        };
        Err(DataFusionError::External(Box::new(error)))
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_plan_of_another_build_or_store_is_refused() {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let store = Store::open_or_create(folder.path().join("store"))
            .unwrap_or_else(|error| panic!("{error}"));
        let id = store.id().to_owned();
        let options = EngineOptions {
            now: 0.0,
            threads: 1,
            memory: 0,
        };
        let sessions = Sessions {
            engine: Engine::new(
                Arc::new(MemoryCatalog::default()),
                Arc::new(Knowledge::default()),
                options,
            ),
            store: Arc::new(store),
            links: Links::new(Trust::default()),
        };
        let said = |build: Option<&str>, store: Option<&str>| {
            let mut headers = HeaderMap::new();
            for (name, value) in [(BUILD_HEADER, build), (STORE_HEADER, store)] {
                if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
                    headers.insert(name, value);
                }
            }
            sessions.check(&headers).is_ok()
        };
        assert!(said(Some(BUILD), Some(&id)));
        assert!(!said(Some("0.0.1-0"), Some(&id)));
        assert!(!said(None, Some(&id)));
        assert!(!said(Some(BUILD), Some("other")));
        assert!(!said(Some(BUILD), None));
    }
}
