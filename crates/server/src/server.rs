//! A server: its configuration, its start, and its end.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::any;
use crabwalk_store::{Store, StoreError};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use crate::account::Users;
use crate::alert::{Alerts, Output};
use crate::api;
use crate::audit::Audit;
use crate::batch::Batch;
use crate::elastic::{self, Ids};
use crate::environment::Environment;
use crate::folder::Folders;
use crate::hec::{self, Acks};
use crate::http::{self, Certificate, Serving, TlsError};
use crate::intake::Intake;
use crate::jobs::Jobs;
use crate::keep::{Kept, Sharing};
use crate::limits::Limits;
use crate::listed::ListError;
use crate::saved::SavedSearches;
use crate::schedule::{Decisions, Library, Schedules, Settings};
use crate::shared::Server;
use crate::splunk;
use crate::syslog;
use crate::token::{Token, TokenError, Tokens};
use crate::triage::Triage;
use crate::wal::{Disk, SEGMENT_BYTES, Wal, WalError};
use crate::watch::{Hunting, Knows, Watch};
use crate::web;

/// The configuration of a server.
#[derive(Clone)]
pub struct Config {
    /// The folder for all its data; created if missing.
    pub data: PathBuf,
    /// Where it listens for HTTP.
    pub listen: Vec<SocketAddr>,
    /// Where it listens for syslog and JSON lines: UDP and TCP.
    pub syslog: Vec<SocketAddr>,
    /// The same, over TLS.
    pub syslog_tls: Vec<SocketAddr>,
    /// The store, if it is not in the data folder: another folder, or a prefix of a bucket, which several servers may share.
    pub store: Option<PathBuf>,
    /// Machines that share large searches, if any.
    pub sharing: Option<Sharing>,
    /// Certificate and key, PEM.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Folders into which logs are dropped.
    pub folders: Vec<PathBuf>,
    /// Loads detections and the rest of the content.
    pub content: Knows,
    /// The files and folders that it loads.
    pub content_paths: Vec<PathBuf>,
    /// Threads of a hunt, and of detections that run at times.
    pub threads: usize,
    /// How it hunts; with `None` it does not.
    pub hunting: Option<Hunting>,
    /// Whether detections run by themselves: at times, and as events arrive.
    pub schedules: bool,
    /// Where alerts go.
    pub alerts: Vec<Output>,
    /// No alerts are raised about what is older than this when it is found. Without it, paths raise alerts whatever their
    /// age, and findings up to a day.
    pub alert_age: Option<Duration>,
    /// Limits for data from the network.
    pub limits: Limits,
}

/// Why a server does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The data folder or a file in it.
    #[error("{}: {source}", path.display())]
    Data {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another server is using the data folder.
    #[error(
        "{}: another `crabwalk serve` is using this folder; stop it, or choose another folder with --data",
        .0.display()
    )]
    Taken(PathBuf),
    /// An address.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// An address that other machines can reach, without encryption.
    #[error(
        "{0} can be reached from other machines, which would send tokens, passwords and logs unencrypted: give \
         --tls-cert and --tls-key, or listen on 127.0.0.1 behind an encrypting proxy"
    )]
    Plain(SocketAddr),
    /// An address for TLS without a certificate.
    #[error("{0} needs encryption: give --tls-cert and --tls-key")]
    NoCertificate(SocketAddr),
    /// TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log.
    #[error(transparent)]
    Wal(#[from] WalError),
    /// Tokens.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The system provides no thread or no signals.
    #[error("the server cannot be set up: {0}")]
    Machine(#[from] io::Error),
}

/// What a started server tells its user, once.
#[derive(Debug, Clone, Default)]
pub struct Started {
    /// Where it listens.
    pub listening: Vec<SocketAddr>,
    /// Whether over TLS.
    pub encrypted: bool,
    /// Where it listens for syslog, and whether over TLS.
    pub syslog: Vec<(SocketAddr, bool)>,
    /// The first token's secret, if it was just created.
    pub token: Option<String>,
    /// The secret of the link for the first account, while there is none.
    pub link: Option<String>,
}

/// A data folder, reserved for one server.
struct Data {
    folder: PathBuf,
    _lock: File,
}

impl Data {
    fn open(folder: &Path) -> Result<Self, ServeError> {
        let failed = |path: &Path, source| ServeError::Data {
            path: path.to_owned(),
            source,
        };
        make(folder).map_err(|error| failed(folder, error))?;
        let path = folder.join("lock");
        let lock = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|error| failed(&path, error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                folder: folder.to_owned(),
                _lock: lock,
            }),
            Err(fs::TryLockError::WouldBlock) => Err(ServeError::Taken(folder.to_owned())),
            Err(fs::TryLockError::Error(error)) => Err(failed(&path, error)),
        }
    }
}

/// Creates a folder that only its owner may read, if it is missing.
fn make(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(folder)
}

/// The tokens of a data folder, which is created if missing.
///
/// # Errors
/// If they cannot be read.
pub fn tokens(data: &Path) -> Result<Tokens, TokenError> {
    make(data).map_err(|source| ListError {
        path: data.to_owned(),
        source,
    })?;
    Tokens::open(&data.join("tokens.json"))
}

/// Checks whether a server can run with this configuration, as far as that can be told without running it: its certificate,
/// and whether addresses that need encryption have it.
///
/// # Errors
/// Why it would not start.
pub fn check(config: &Config) -> Result<(), ServeError> {
    encryption(config).map(drop)
}

/// The certificate, and whether all addresses that need one have it.
fn encryption(config: &Config) -> Result<Option<Arc<Certificate>>, ServeError> {
    let tls = match &config.tls {
        Some((certificate, key)) => Some(Certificate::read(certificate, key)?),
        None => None,
    };
    if tls.is_none() {
        let is_open = |address: &&SocketAddr| !address.ip().to_canonical().is_loopback();
        if let Some(address) = config.listen.iter().find(is_open) {
            return Err(ServeError::Plain(*address));
        }
        if let Some(address) = config.syslog_tls.first() {
            return Err(ServeError::NoCertificate(*address));
        }
    }
    Ok(tls)
}

/// Runs a server until it is told to stop (SIGINT or SIGTERM). `started` is called once it listens.
///
/// # Errors
/// Why it did not start, or could not continue.
pub fn run(config: &Config, started: impl FnOnce(&Started)) -> Result<(), ServeError> {
    let data = Data::open(&config.data)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let done = runtime.block_on(serve(config, &data, started));
    // Abandon what still blocks: nothing that was acknowledged depends on it.
    runtime.shutdown_timeout(Duration::from_secs(2));
    done
}

async fn serve(
    config: &Config,
    data: &Data,
    started: impl FnOnce(&Started),
) -> Result<(), ServeError> {
    let certificate = encryption(config)?;
    let tls = match &certificate {
        Some(certificate) => Some(certificate.config()?),
        None => None,
    };
    let sockets = Sockets::bind(config).await?;
    let limits = Arc::new(config.limits.clone());
    let keeping = Keeping::open(config, &data.folder, &limits)?;
    let (server, mut told) = server(config, &data.folder, &keeping, &limits)?;
    let folders = match config.folders.is_empty() {
        true => None,
        false => Some(Folders::watch(
            config.folders.clone(),
            Arc::clone(&keeping.kept),
        )?),
    };
    let (stop, stopped) = watch::channel(false);
    let serving = Serving {
        router: router(&server),
        limits: Arc::clone(&limits),
        tls,
        stop: stopped,
        connections: Arc::new(Semaphore::new(limits.connections)),
    };
    let running = sockets.serve(&server, &serving, &mut told)?;
    drop(serving);
    let mut signals = Signals::new()?;
    ready();
    started(&told);
    for address in &told.listening {
        tracing::info!(%address, encrypted = told.encrypted, "listening");
    }
    tokio::select! {
        name = signals.next() => tracing::info!(signal = name, "stopping"),
        () = tidy(&server) => {}
        () = renew(certificate) => {}
        () = send_alerts(&server) => {}
    }
    keeping.intake.stop();
    // Listeners see it immediately; requests in progress are finished.
    let _ = stop.send(true);
    for one in running {
        let _ = one.await;
    }
    keeping.intake.close();
    stop_working(&server, folders).await;
    keeping.close().await;
    Ok(())
}

/// Sockets that are bound but not yet served, so that a server that cannot listen touches nothing.
struct Sockets {
    http: Vec<TcpListener>,
    datagrams: Vec<UdpSocket>,
    /// With whether they are encrypted.
    streams: Vec<(TcpListener, bool)>,
}

impl Sockets {
    async fn bind(config: &Config) -> Result<Self, ServeError> {
        let mut sockets = Self {
            http: Vec::new(),
            datagrams: Vec::new(),
            streams: Vec::new(),
        };
        let cannot = |address: &SocketAddr| {
            let address = *address;
            move |source| ServeError::Listen { address, source }
        };
        for address in &config.listen {
            let listener = TcpListener::bind(address).await.map_err(cannot(address))?;
            sockets.http.push(listener);
        }
        for (address, encrypted) in config
            .syslog
            .iter()
            .map(|address| (address, false))
            .chain(config.syslog_tls.iter().map(|address| (address, true)))
        {
            let listener = TcpListener::bind(address).await.map_err(cannot(address))?;
            let bound = listener.local_addr()?;
            sockets.streams.push((listener, encrypted));
            if !encrypted {
                let socket = UdpSocket::bind(bound).await.map_err(cannot(address))?;
                sockets.datagrams.push(socket);
            }
        }
        Ok(sockets)
    }

    /// Starts a task for each, and tells where it listens.
    fn serve(
        self,
        server: &Arc<Server>,
        serving: &Serving,
        told: &mut Started,
    ) -> Result<Vec<JoinHandle<()>>, ServeError> {
        told.encrypted = serving.tls.is_some();
        let mut running = Vec::new();
        for listener in self.http {
            told.listening.push(listener.local_addr()?);
            running.push(tokio::spawn(http::serve(listener, serving.clone())));
        }
        for socket in self.datagrams {
            let task = syslog::datagrams(socket, Arc::clone(server), serving.stop.clone());
            running.push(tokio::spawn(task));
        }
        for (listener, encrypted) in self.streams {
            told.syslog.push((listener.local_addr()?, encrypted));
            let task = syslog::streams(
                listener,
                serving.tls.clone().filter(|_| encrypted),
                Arc::clone(server),
                serving.stop.clone(),
                Arc::clone(&serving.connections),
            );
            running.push(tokio::spawn(task));
        }
        Ok(running)
    }
}

/// Where a server's store lies, and which of its marks is this server's.
#[derive(Debug)]
pub(crate) struct Place {
    /// The store.
    pub store: PathBuf,
    /// The name of the mark with the position in the log.
    pub mark: String,
}

impl Place {
    /// That of a configuration.
    ///
    /// # Errors
    /// If the server has no name yet and cannot get one.
    pub fn of(config: &Config, folder: &Path) -> Result<Self, ServeError> {
        const OWN: &str = "log";
        let Some(store) = &config.store else {
            return Ok(Self {
                store: folder.join("store"),
                mark: OWN.to_owned(),
            });
        };
        Ok(Self {
            store: store.clone(),
            mark: format!("{OWN} of {}", instance(folder)?),
        })
    }
}

/// What keeps all that is acknowledged: the write-ahead log, and the store behind it.
struct Keeping {
    kept: Arc<Kept>,
    intake: Arc<Intake>,
    /// Writes the log.
    writer: thread::JoinHandle<()>,
    /// Moves events from the log to the store.
    keeper: thread::JoinHandle<()>,
}

impl Keeping {
    /// Opens store and log, and takes from the log what the store does not have yet.
    fn open(config: &Config, folder: &Path, limits: &Limits) -> Result<Self, ServeError> {
        let place = Place::of(config, folder)?;
        let store = Store::open_or_create(&place.store)?;
        let (kept, tap, keeper) = Kept::start(store, place.mark, config.sharing.clone())?;
        let low = kept.low_water();
        let mut before = Vec::new();
        let disk = Disk::new(&folder.join("log"))?;
        let mut unknown = 0_u64;
        let (wal, recovery) = Wal::open(disk, SEGMENT_BYTES, low, |seq, payload| {
            let Ok(mut batch) = Batch::decode(payload) else {
                unknown += 1;
                return;
            };
            before.push((batch.key, batch.received));
            if seq >= low {
                batch.key = 0;
                kept.add(seq, batch);
            }
        })?;
        tracing::info!(
            records = recovery.records,
            torn_bytes = recovery.torn,
            "the log was read"
        );
        for (segment, place) in &recovery.damaged {
            tracing::error!(segment, place, "the log is damaged here; the rest was read");
        }
        if unknown > 0 {
            tracing::error!(
                unknown,
                "records of the log were written by a newer version and were not read"
            );
        }
        let (intake, writer) = Intake::start(wal, tap, limits.waiting, limits.repeats)?;
        for (key, received) in before {
            intake.remember(key, received);
        }
        Ok(Self {
            kept,
            intake,
            writer,
            keeper,
        })
    }

    /// Waits until everything that was acknowledged is on disk.
    async fn close(self) {
        let Self {
            kept,
            intake,
            writer,
            keeper,
        } = self;
        kept.close();
        let ended = tokio::task::spawn_blocking(move || (writer.join(), keeper.join())).await;
        if !matches!(ended, Ok((Ok(()), Ok(())))) {
            tracing::error!("a writing thread ended early; everything acknowledged is in the log");
        }
        tracing::info!(
            events = intake.figures.events.load(Ordering::Relaxed),
            "stopped; everything acknowledged is on disk"
        );
    }
}

/// The server as handlers see it, with its hunter and its schedules started, and what a first start has to tell.
fn server(
    config: &Config,
    folder: &Path,
    keeping: &Keeping,
    limits: &Arc<Limits>,
) -> Result<(Arc<Server>, Started), ServeError> {
    let kept = &keeping.kept;
    let tokens = tokens(folder)?;
    let token = first_token(&tokens)?;
    let accounts = Users::open(folder).map_err(TokenError::from)?;
    let audit = Audit::open(folder).map_err(|source| ServeError::Data {
        path: folder.join("audit.jsonl"),
        source,
    })?;
    let link = accounts.first_link().map_err(TokenError::from)?;
    let alerts =
        Alerts::open(folder, config.alerts.clone(), config.alert_age).map_err(TokenError::from)?;
    let alerts = Arc::new(alerts);
    let saved = Arc::new(SavedSearches::open(folder).map_err(TokenError::from)?);
    let settings = Arc::new(Settings::open(folder).map_err(TokenError::from)?);
    let triage = Triage::open(folder).map_err(TokenError::from)?;
    let environment = Arc::new(Environment::open(folder).map_err(TokenError::from)?);
    let load: Knows = {
        let (load, environment) = (Arc::clone(&config.content), Arc::clone(&environment));
        Arc::new(move || {
            let mut content = load()?;
            environment.add_to(&mut content)?;
            Ok(content)
        })
    };
    let watch = match &config.hunting {
        Some(hunting) => {
            let watch = Watch::start(
                hunting.clone(),
                Arc::clone(&load),
                config.threads,
                Decisions {
                    settings: Arc::clone(&settings),
                    environment: Arc::clone(&environment),
                },
                folder,
                Arc::clone(kept),
                Arc::clone(&alerts),
            );
            Some(watch.map_err(TokenError::from)?)
        }
        None => None,
    };
    let schedules = match config.schedules {
        true => {
            let schedules = Schedules::start(
                Library {
                    load: Arc::clone(&load),
                    paths: config.content_paths.clone(),
                },
                config.threads,
                folder,
                Arc::clone(kept),
                Arc::clone(&alerts),
                Decisions {
                    settings,
                    environment: Arc::clone(&environment),
                },
                Arc::clone(&saved),
            );
            Some(schedules.map_err(TokenError::from)?)
        }
        false => None,
    };
    let jobs = Arc::new(Jobs::new(Arc::clone(kept), load));
    let server = Server {
        intake: Arc::clone(&keeping.intake),
        kept: Arc::clone(kept),
        tokens,
        acks: Acks::default(),
        ids: Ids::default(),
        instance: instance(folder)?,
        lost: AtomicU64::new(0),
        accounts,
        audit,
        watch,
        schedules,
        alerts,
        triage,
        started: jiff::Timestamp::now().as_microsecond(),
        jobs,
        environment,
        saved,
        limits: Arc::clone(limits),
    };
    let told = Started {
        token,
        link,
        ..Started::default()
    };
    Ok((Arc::new(server), told))
}

/// A token for a server that nobody can send to yet.
fn first_token(tokens: &Tokens) -> Result<Option<String>, TokenError> {
    if !tokens.all().iter().all(|token| token.name == "demo") {
        return Ok(None);
    }
    let token = Token {
        name: "default".to_owned(),
        ..Token::default()
    };
    tokens.add(token, None).map(Some)
}

/// Forgets old acknowledgements, for ever.
async fn tidy(server: &Server) {
    let mut every = tokio::time::interval(Duration::from_secs(60));
    loop {
        every.tick().await;
        server.acks.tidy();
    }
}

/// Reads the certificate anew when its files change, for ever.
async fn renew(certificate: Option<Arc<Certificate>>) {
    let mut every = tokio::time::interval(Duration::from_secs(5));
    loop {
        every.tick().await;
        if let Some(certificate) = certificate.clone() {
            // The files may lie on a slow disk.
            let _ = tokio::task::spawn_blocking(move || certificate.refresh()).await;
        }
    }
}

/// Sends alerts, for ever.
async fn send_alerts(server: &Server) {
    loop {
        tokio::time::sleep(Duration::from_secs(2)).await;
        server.alerts.send().await;
    }
}

/// Stops what reads and hunts by itself; a hunt may take too long to wait for.
async fn stop_working(server: &Arc<Server>, folders: Option<Folders>) {
    let shared = Arc::clone(server);
    let others = tokio::task::spawn_blocking(move || {
        if let Some(folders) = folders {
            folders.stop();
        }
        if let Some(schedules) = &shared.schedules {
            schedules.stop();
        }
        if let Some(watch) = &shared.watch {
            watch.stop();
        }
    });
    if tokio::time::timeout(server.limits.drain, others)
        .await
        .is_err()
    {
        tracing::info!("abandoning a hunt in progress; the next start begins a new one");
    }
}

/// The name of this installation, generated at its first start.
fn instance(folder: &Path) -> Result<String, ServeError> {
    let path = folder.join("instance");
    if let Ok(text) = fs::read_to_string(&path)
        && text.trim().len() == 22
    {
        return Ok(text.trim().to_owned());
    }
    let name: String = crate::secret::word()
        .map_err(TokenError::from)?
        .chars()
        .take(22)
        .collect();
    let part = path.with_extension("part");
    let write = || -> io::Result<()> {
        let mut file = File::create(&part)?;
        file.write_all(name.as_bytes())?;
        // A store that several servers write to has this name, too.
        file.sync_all()?;
        fs::rename(&part, &path)
    };
    write().map_err(|source| ServeError::Data { path, source })?;
    Ok(name)
}

/// Answers requests without a route.
async fn other(State(server): State<Arc<Server>>, request: Request) -> Response {
    if elastic::is_for(&request) {
        return elastic::elastic(State(server), request).await;
    }
    if request.uri().path() == "/" {
        let (parts, _) = request.into_parts();
        return web::home(&server, &parts).await;
    }
    let body = "{\"error\":\"not found\"}";
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

fn router(server: &Arc<Server>) -> Router {
    Router::new()
        .route("/services/collector", any(hec::collector))
        .route("/services/collector/{*rest}", any(hec::collector))
        .route("/services/{*rest}", any(splunk::splunk))
        .route("/servicesNS/{*rest}", any(splunk::splunk))
        .merge(web::routes())
        .merge(api::routes())
        .fallback(other)
        .with_state(Arc::clone(server))
}

/// Tells systemd that the server is ready, if systemd started it (`Type=notify`).
fn ready() {
    #[cfg(unix)]
    if let Some(path) = std::env::var_os("NOTIFY_SOCKET") {
        let _ = std::os::unix::net::UnixDatagram::unbound()
            .and_then(|socket| socket.send_to(b"READY=1", path));
    }
}

/// Signals that stop a server.
struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    #[cfg(unix)]
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }

    #[cfg(not(unix))]
    fn new() -> io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    async fn next(&mut self) -> &'static str {
        let _ = tokio::signal::ctrl_c().await;
        "Ctrl-C"
    }
}
