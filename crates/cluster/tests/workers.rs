//! Runs the cases of `crates/spl/tests/cases/*.txt` over stores: here, and on one, two and three workers. The rows are the
//! same.
#![expect(
    clippy::expect_used,
    reason = "a case that cannot be set up is a failed test"
)]

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::time::Duration;

use crabwalk_cluster::{Address, Machines, Options, Trust, worker};
use crabwalk_events::Catalog;
use crabwalk_sources::collect::number_in_log;
use crabwalk_sources::report::{SourceKind, SourceReport};
use crabwalk_spl::{DEFAULT_MEMORY, Driver, Engine, EngineOptions, Place, Search};
use crabwalk_store::{CommitInfo, Ingest, NewSource, Store, StoreCatalog};
use crabwalk_testing::{Event, Events, Suite, blocks, files};

#[path = "../../spl/tests/world/mod.rs"]
mod world;

use world::{NOW, World, failure, set_up, shown};

/// Commits of each store, so that a type of events has several files.
const COMMITS: u64 = 4;
const WORKERS: usize = 3;

/// Searches that ran, and those that workers shared.
static RUN: AtomicUsize = AtomicUsize::new(0);
static SHARED: AtomicUsize = AtomicUsize::new(0);

/// A world in a store, with workers.
struct Served {
    world: World,
    catalog: Arc<StoreCatalog>,
    workers: Vec<Address>,
    _folder: tempfile::TempDir,
}

/// A world that is served when the first case needs it.
struct Lazy {
    world: World,
    served: OnceLock<Served>,
}

impl Lazy {
    fn served(&self) -> &Served {
        self.served.get_or_init(|| serve(self.world.clone()))
    }
}

fn main() -> ExitCode {
    let mut suite = Suite::default();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spl/tests/cases");
    for file in files(&folder, "txt") {
        let mut world = World::default();
        let mut lazy: Option<Arc<Lazy>> = None;
        for block in blocks(&file) {
            let Some(name) = block.head().strip_prefix("case ") else {
                set_up(&mut world, &block)
                    .unwrap_or_else(|error| panic!("{}: {error}", block.place()));
                lazy = None;
                continue;
            };
            let world = lazy.get_or_insert_with(|| {
                Arc::new(Lazy {
                    world: world.clone(),
                    served: OnceLock::new(),
                })
            });
            let (world, name) = (Arc::clone(world), format!("{}: {name}", block.file()));
            let search = block.given().collect::<Vec<_>>().join("\n");
            suite.test(&name, move || same(world.served(), &search));
        }
    }
    let all = suite.len();
    let code = suite.run();
    let (run, shared) = (RUN.load(Ordering::Relaxed), SHARED.load(Ordering::Relaxed));
    println!("workers shared {shared} of {run} searches");
    // The others read no events.
    if run > all {
        assert!(shared * 3 > run * 2, "few searches were shared");
    }
    code
}

fn serve(world: World) -> Served {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open_or_create(folder.path().join("store")).expect("a store");
    for commit in 0..COMMITS {
        let info = CommitInfo {
            sources: vec![NewSource {
                report: SourceReport::new(0, format!("part {commit}"), SourceKind::Json),
                origin: None,
                from_start: false,
                whole: false,
            }],
            ..CommitInfo::default()
        };
        // The same events under other numbers, so that every file holds rows for every search.
        let number = |event: &Event| Event {
            record: match number_in_log(event.record) {
                Some(_) => event.record + 1_000 * commit,
                None => event.record,
            },
            ..event.clone()
        };
        let events: Vec<Event> = world.events.0.iter().map(number).collect();
        let collected = Events(events).collect(&Ingest);
        store.commit(collected, info).expect("a commit");
    }
    let store = Arc::new(store);
    let workers = (0..WORKERS).map(|_| start(&store, &world)).collect();
    let catalog = Arc::new(store.snapshot().expect("a snapshot"));
    Served {
        world,
        catalog,
        workers,
        _folder: folder,
    }
}

/// Starts a worker of this process.
fn start(store: &Arc<Store>, world: &World) -> Address {
    let options = worker::Options {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        store: Arc::clone(store),
        knowledge: Arc::new(world.knowledge.clone()),
        memory: DEFAULT_MEMORY,
        trust: Trust::default(),
        certificate: None,
    };
    let (told, listening) = mpsc::channel();
    std::thread::spawn(move || {
        let tell = |address| told.send(address).expect("somebody waits");
        worker::run(options, tell, std::future::pending())
    });
    let address = listening.recv().expect("a worker");
    address.to_string().parse().expect("an address")
}

fn same(served: &Served, text: &str) {
    let knowledge = Arc::new(served.world.knowledge.clone());
    let Ok(search) = Search::parse("test", text, &knowledge) else {
        return;
    };
    let catalog: Arc<dyn Catalog> = Arc::clone(&served.catalog) as _;
    let run = |place: Option<Arc<dyn Place>>| {
        let options = EngineOptions {
            now: NOW,
            threads: 3,
            memory: DEFAULT_MEMORY,
        };
        // An engine of its own for each run, since a search may write lookups.
        let mut engine = Engine::new(Arc::clone(&catalog), Arc::clone(&knowledge), options);
        if let Some(place) = place {
            engine = engine.running_at(place);
        }
        let driver = Driver::new().expect("a runtime");
        match driver.run(engine.run(&search)) {
            Ok(results) => shown(&results),
            Err(error) => failure(&error),
        }
    };
    let here = run(None);
    for count in 1..=WORKERS {
        let options = Options {
            workers: served.workers.iter().take(count).cloned().collect(),
            trust: Trust::default(),
            timeout: Duration::from_secs(60),
            from_rows: 0,
            rows_per_task: 1,
        };
        let catalog = Arc::clone(&served.catalog);
        let coordinator = Machines::new(options).expect("machines").over(catalog);
        let there = run(Some(Arc::clone(&coordinator) as _));
        let ran = coordinator.ran();
        // A single worker gets nothing that this machine could not do as well.
        RUN.fetch_add(usize::from(count > 1), Ordering::Relaxed);
        if ran.iter().any(|ran| ran.here.is_none()) {
            SHARED.fetch_add(1, Ordering::Relaxed);
        }
        assert!(
            there == here,
            "{text}\n  here:\n{here}\n  on {count} workers ({ran:?}):\n{there}"
        );
    }
}
