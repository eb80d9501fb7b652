//! Keeping: turns the contents of the log into events in the store.
//!
//! One thread reads the log in order, with the readers for files, and commits the events to the store: after a few
//! seconds, when much has accumulated, or when somebody is about to look. Each commit records its position in the log in the
//! same step, so everything after it is read from the log again after a crash, and nothing twice.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender as Channel, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crabwalk_events::Catalog as _;
use crabwalk_sources::collect::Collector;
use crabwalk_sources::delivery::{Deliveries, Delivery};
use crabwalk_sources::report::{SourceKind, SourceReport};
use crabwalk_spl::Place;
use crabwalk_store::{CommitInfo, GRACE, Ingest, NewSource, Store, StoreCatalog};

use crate::batch::{Batch, Sender};
use crate::intake::{Keeper, Written};

/// How long, and how many bytes of, events wait for others before a commit. Each commit creates files; until then the
/// events are safe in the log, and a reader has them committed first.
///
/// Detections that run as events arrive run after the commit.
const EVERY: Duration = Duration::from_secs(3);
const BYTES: usize = 48 << 20;
/// Bytes of events that may wait for a commit: when they are full, the log waits, and then the senders.
const AHEAD: usize = 192 << 20;
/// Delay before retrying a failed commit.
const AGAIN: Duration = Duration::from_secs(5);
/// Number of commits after which small files are merged.
const TIDY: u64 = 60;
/// Number of senders whose readers are remembered.
const MOST_SENDERS: usize = 10_000;

enum Message {
    Written(Vec<Written>),
    /// Somebody is about to look.
    Flush(Channel<()>),
}

/// Where events lie.
pub struct Kept {
    store: Arc<Store>,
    sharing: Option<Sharing>,
    /// `None` once it was closed.
    messages: Mutex<Option<Channel<Message>>>,
    ahead: Arc<Ahead>,
    /// Number below which the store has the whole log.
    low: Arc<AtomicU64>,
    /// Why commits fail, if so.
    trouble: Arc<Mutex<Option<String>>>,
    /// Who follows the commits.
    follower: Arc<Mutex<Option<Arc<AtomicU64>>>>,
    heard: Arc<Mutex<BTreeMap<String, Heard>>>,
}

/// Machines that share searches.
#[derive(Clone)]
pub struct Sharing {
    /// Number of stored events, within the range of time, from which on they are asked.
    pub from: u64,
    /// What runs plans on them, over a snapshot of the store.
    pub place: Arc<dyn Fn(Arc<StoreCatalog>) -> Arc<dyn Place> + Send + Sync>,
}

/// What came from a sender since the start.
#[derive(Debug, Clone, Default)]
pub struct Heard {
    /// When the last request came, in microseconds since 1970-01-01 UTC.
    pub last: i64,
    /// Number of requests.
    pub requests: u64,
    /// Number of events.
    pub events: u64,
}

/// Bytes of events waiting for a commit.
#[derive(Default)]
struct Ahead(Mutex<usize>, Condvar);

impl Ahead {
    fn bytes(&self) -> std::sync::MutexGuard<'_, usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for space, and reserves it.
    fn take(&self, bytes: usize) {
        let full = |ahead: &mut usize| *ahead > AHEAD;
        let waited = self.1.wait_while(self.bytes(), full);
        *waited.unwrap_or_else(PoisonError::into_inner) += bytes;
    }

    fn give_back(&self, bytes: usize) {
        let mut ahead = self.bytes();
        *ahead = ahead.saturating_sub(bytes);
        self.1.notify_all();
    }
}

fn size(written: &[Written]) -> usize {
    let events = written.iter().flat_map(|one| &one.batch.events);
    events.map(|event| event.text.len() + 128).sum()
}

/// Passes written batches to the keeper thread.
pub struct Tap {
    messages: Channel<Message>,
    ahead: Arc<Ahead>,
    low: Arc<AtomicU64>,
}

impl Keeper for Tap {
    fn written(&mut self, written: Vec<Written>) {
        // This waits while the store is slow.
        self.ahead.take(size(&written));
        // If that thread has ended, the log still has everything.
        let _ = self.messages.send(Message::Written(written));
    }

    fn low_water(&self) -> u64 {
        self.low.load(Ordering::Acquire)
    }
}

impl Kept {
    /// Starts the keeper thread.
    ///
    /// # Errors
    /// If the system cannot start a thread.
    pub fn start(
        store: Store,
        mark: String,
        sharing: Option<Sharing>,
    ) -> std::io::Result<(Arc<Self>, Tap, JoinHandle<()>)> {
        let store = Arc::new(store);
        let low = Arc::new(AtomicU64::new(low_water(&store, &mark)));
        let trouble = Arc::new(Mutex::new(None));
        let follower = Arc::default();
        let heard = Arc::default();
        let (messages, received) = channel();
        let ahead = Arc::new(Ahead::default());
        let work = Work {
            store: Arc::clone(&store),
            mark,
            low: Arc::clone(&low),
            trouble: Arc::clone(&trouble),
            follower: Arc::clone(&follower),
            heard: Arc::clone(&heard),
            ahead: Arc::clone(&ahead),
            readers: BTreeMap::new(),
            waiting: Vec::new(),
            bytes: 0,
            since: None,
            commits: 0,
        };
        let thread = std::thread::Builder::new()
            .name("keep".to_owned())
            .spawn(move || work.run(&received))?;
        let tap = Tap {
            messages: messages.clone(),
            ahead: Arc::clone(&ahead),
            low: Arc::clone(&low),
        };
        let kept = Self {
            store,
            sharing,
            messages: Mutex::new(Some(messages)),
            ahead,
            low,
            trouble,
            follower,
            heard,
        };
        Ok((Arc::new(kept), tap, thread))
    }

    fn send(&self, message: Message) -> bool {
        let messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        messages
            .as_ref()
            .is_some_and(|messages| messages.send(message).is_ok())
    }

    /// Passes on what the log contained when it was opened.
    pub fn add(&self, seq: u64, batch: Batch) {
        let written = vec![Written { seq, batch }];
        self.ahead.take(size(&written));
        self.send(Message::Written(written));
    }

    /// Number of the first log record to read again.
    pub fn low_water(&self) -> u64 {
        self.low.load(Ordering::Acquire)
    }

    /// Why commits fail, if so.
    pub fn trouble(&self) -> Option<String> {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.clone()
    }

    /// Commits everything received so far. What cannot be committed stays in the log.
    pub fn flush(&self) {
        let (done, wait) = channel();
        if self.send(Message::Flush(done)) {
            let _ = wait.recv();
        }
    }

    /// Leaves files of the store unmerged until somebody has read them who reads each commit once
    /// ([`Store::snapshot_since`]): `seen` is the number of the first file that is still to be read.
    pub fn wait_for(&self, seen: &Arc<AtomicU64>) {
        let mut follower = self.follower.lock().unwrap_or_else(PoisonError::into_inner);
        *follower = Some(Arc::clone(seen));
    }

    /// What came from each sender since the start, by the name of its events' source.
    pub fn heard(&self) -> BTreeMap<String, Heard> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.clone()
    }

    /// Where searches over a snapshot run, if not here: on machines that share them, if it is large enough.
    pub fn elsewhere(&self, snapshot: &Arc<StoreCatalog>) -> Option<Arc<dyn Place>> {
        let sharing = self.sharing.as_ref()?;
        let rows = snapshot.tables().iter().map(|table| table.rows as u64);
        let is_large = rows.sum::<u64>() >= sharing.from;
        is_large.then(|| (sharing.place)(Arc::clone(snapshot)))
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Lets the thread end once it has committed everything.
    pub fn close(&self) {
        self.messages
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }
}

/// Number of the first record of the log that a store does not have, by the mark of the log's server.
pub fn low_water(store: &Store, mark: &str) -> u64 {
    store
        .mark(mark)
        .and_then(|mark| mark.parse().ok())
        .unwrap_or(0)
}

struct Work {
    store: Arc<Store>,
    /// Name of the mark with the number of the first log record that the store does not have.
    mark: String,
    low: Arc<AtomicU64>,
    ahead: Arc<Ahead>,
    trouble: Arc<Mutex<Option<String>>>,
    follower: Arc<Mutex<Option<Arc<AtomicU64>>>>,
    heard: Arc<Mutex<BTreeMap<String, Heard>>>,
    readers: BTreeMap<Sender, Deliveries>,
    /// What is not committed yet.
    waiting: Vec<Written>,
    bytes: usize,
    /// When the first of them arrived.
    since: Option<Instant>,
    commits: u64,
}

impl Work {
    fn run(mut self, messages: &Receiver<Message>) {
        loop {
            let wait = self
                .since
                .map_or(EVERY, |since| EVERY.saturating_sub(since.elapsed()));
            match messages.recv_timeout(wait) {
                Ok(Message::Written(written)) => {
                    self.bytes += size(&written);
                    self.waiting.extend(written);
                    self.since = self.since.or_else(|| Some(Instant::now()));
                    if self.bytes >= BYTES {
                        self.commit_or_wait();
                    }
                }
                Ok(Message::Flush(done)) => {
                    self.commit();
                    // Who waited may have gone.
                    let _ = done.send(());
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.commit();
                }
                Err(RecvTimeoutError::Disconnected) => {
                    self.commit();
                    return;
                }
            }
        }
    }

    /// Commits, and waits while that fails, so that no more is taken than fits into memory.
    fn commit_or_wait(&mut self) {
        while !self.commit() {
            std::thread::sleep(AGAIN);
        }
    }

    /// Commits what is waiting. What could not be committed keeps waiting.
    fn commit(&mut self) -> bool {
        let Some(last) = self.waiting.last() else {
            self.follow();
            return true;
        };
        let next = last.seq + 1;
        let result = self.collect().and_then(|(collector, sources)| {
            let collected = Collector::merge(vec![collector]).map_err(|error| error.to_string())?;
            let info = CommitInfo {
                sources,
                marks: BTreeMap::from([(self.mark.clone(), next.to_string())]),
                batch: None,
            };
            let committed = self.store.commit(collected, info);
            committed.map_err(|error| error.to_string())
        });
        self.since = None;
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(committed) => {
                tracing::debug!(
                    events = committed.events,
                    copies = committed.duplicates,
                    files = committed.files,
                    "committed"
                );
                *trouble = None;
                drop(trouble);
                self.hear();
                self.waiting.clear();
                self.ahead.give_back(std::mem::take(&mut self.bytes));
                self.low.store(next, Ordering::Release);
                self.commits += 1;
                if self.commits.is_multiple_of(TIDY) {
                    self.tidy();
                }
                true
            }
            Err(error) => {
                if trouble.is_none() {
                    tracing::error!(
                        error,
                        "events cannot be committed to the store; they stay in the log, and the commit will be tried again"
                    );
                }
                *trouble = Some(error);
                drop(trouble);
                self.since = Some(Instant::now());
                false
            }
        }
    }

    /// Picks up what others have committed to the same store.
    fn follow(&self) {
        if self.store.is_shared()
            && let Err(error) = self.store.refresh()
        {
            tracing::warn!(%error, "it is not known what others have committed to the store");
        }
    }

    /// Notes from whom the committed events came.
    fn hear(&self) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        for Written { batch, .. } in &self.waiting {
            let name = batch.sender.name();
            if heard.len() >= MOST_SENDERS && !heard.contains_key(&name) {
                continue;
            }
            let one = heard.entry(name).or_default();
            one.last = one.last.max(batch.received);
            one.requests += 1;
            one.events += batch.events.len() as u64;
        }
    }

    /// Reads what is waiting, as files are read.
    fn collect(&mut self) -> Result<(Collector<'static>, Vec<NewSource>), String> {
        let mut collector = Collector::new(&Ingest);
        let mut sources: Vec<NewSource> = Vec::new();
        let mut places: BTreeMap<Sender, usize> = BTreeMap::new();
        if self.readers.len() > MOST_SENDERS {
            self.readers.clear();
        }
        for Written { batch, .. } in &self.waiting {
            let at = match places.get(&batch.sender) {
                Some(at) => *at,
                None => {
                    let at = sources.len();
                    let id = u32::try_from(at).map_err(|_| "too many senders".to_owned())?;
                    sources.push(NewSource {
                        report: SourceReport::new(id, batch.sender.name(), SourceKind::Unknown),
                        origin: None,
                        from_start: false,
                        whole: false,
                    });
                    places.insert(batch.sender.clone(), at);
                    at
                }
            };
            let reader = self.readers.entry(batch.sender.clone()).or_default();
            if let Some(source) = sources.get_mut(at) {
                deliver(batch, reader, &mut collector, &mut source.report);
            }
        }
        Ok((collector, sources))
    }

    fn tidy(&self) {
        let follower = self.follower.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = match follower.as_ref() {
            Some(seen) => seen.load(Ordering::Acquire),
            // Another server may follow the commits, and would miss what is merged before it has read it.
            None if self.store.is_shared() => 0,
            None => u64::MAX,
        };
        drop(follower);
        let done = self
            .store
            .compact_before(seen)
            .and_then(|_| self.store.remove_old(GRACE));
        if let Err(error) = done {
            tracing::warn!(%error, "small files of the store could not be merged");
        }
    }
}

/// Reads the events of a batch.
fn deliver(
    batch: &Batch,
    reader: &mut Deliveries,
    collector: &mut Collector<'_>,
    report: &mut SourceReport,
) {
    for event in &batch.events {
        let delivery = Delivery {
            text: &event.text,
            time: event.time,
            received: batch.received,
            host: &event.host,
            source: &event.source,
            sourcetype: &event.sourcetype,
            index: &event.index,
            fields: &event.fields,
        };
        reader.read(&delivery, collector, report);
    }
}
