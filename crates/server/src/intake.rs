//! The intake: batches are admitted, written to the log, synced, and only then acknowledged.
//!
//! A single thread writes. Batches that arrive during a sync are covered together by the next one, so many small
//! requests cost as few syncs as one large one. Written batches go on to the keeper of events in log order.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender as Channel, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::batch::Batch;
use crate::wal::{Medium, Wal, WalError};

/// Maximum bytes covered by one write and sync.
const GROUP_BYTES: usize = 8 << 20;
/// Maximum number of requests to remember.
const MOST_REPEATS: usize = 200_000;

/// Why a batch was not taken. In each case nothing of it was stored, and the sender should retry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Too many events are waiting to be written.
    #[error("too many events are waiting to be written")]
    Busy,
    /// The disk refuses the write.
    #[error("the log cannot be written: {0}")]
    Disk(String),
    /// The server is stopping.
    #[error("the server is stopping")]
    Stopping,
}

/// The result for a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It was written.
    New,
    /// It was written before, but the sender did not receive the answer.
    Before,
}

struct Job {
    batch: Batch,
    bytes: Vec<u8>,
    done: oneshot::Sender<Result<(), Refused>>,
    _room: Room,
}

/// Memory that a request reserves until it is written. Dropping this releases it.
pub struct Room {
    bytes: usize,
    waiting: Arc<AtomicUsize>,
}

impl Room {
    /// Reserves more, for a request that turns out larger than known.
    ///
    /// # Errors
    /// If the sender must wait.
    pub fn grow(&mut self, bytes: usize, most: usize) -> Result<(), Refused> {
        let before = self.waiting.fetch_add(bytes, Ordering::Relaxed);
        let others = before.saturating_sub(self.bytes);
        self.bytes += bytes;
        if others > 0 && before + bytes > most {
            return Err(Refused::Busy);
        }
        Ok(())
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.waiting.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Figures about the intake, for monitoring.
#[derive(Debug, Default)]
pub struct Figures {
    /// Batches and events written.
    pub batches: AtomicU64,
    /// Likewise.
    pub events: AtomicU64,
    /// Bytes written to the log.
    pub bytes: AtomicU64,
    /// Number of syncs, and their total microseconds.
    pub syncs: AtomicU64,
    /// Likewise.
    pub sync_micros: AtomicU64,
    /// Requests refused.
    pub refused: AtomicU64,
    /// Repeated requests that were not taken again.
    pub repeats: AtomicU64,
}

#[derive(Default)]
struct Repeats {
    known: HashMap<u128, Option<Instant>>,
    order: VecDeque<(Instant, u128)>,
}

impl Repeats {
    fn forget(&mut self, window: Duration) {
        while let Some((at, key)) = self.order.front().copied()
            && (at.elapsed() > window || self.order.len() > MOST_REPEATS)
        {
            self.order.pop_front();
            if self.known.get(&key) == Some(&Some(at)) {
                self.known.remove(&key);
            }
        }
    }

    fn remember(&mut self, key: u128, at: Instant) {
        self.known.insert(key, Some(at));
        self.order.push_back((at, key));
    }
}

/// The intake, shared by all receivers.
pub struct Intake {
    jobs: Mutex<Option<Channel<Job>>>,
    waiting: Arc<AtomicUsize>,
    most: usize,
    window: Duration,
    repeats: Arc<Mutex<Repeats>>,
    stopping: AtomicBool,
    /// Why the log accepts nothing, if so.
    trouble: Arc<Mutex<Option<String>>>,
    /// Figures so far.
    pub figures: Arc<Figures>,
}

/// A written batch on its way to the keeper of events.
pub struct Written {
    /// Its record number in the log.
    pub seq: u64,
    /// The batch.
    pub batch: Batch,
}

/// Receives written batches, on the writing thread, before the sender gets its answer.
pub trait Keeper: Send + 'static {
    /// These were written, in this order.
    fn written(&mut self, written: Vec<Written>);
    /// Number below which the log may discard records.
    fn low_water(&self) -> u64;
}

impl Intake {
    /// Starts the writing thread. Up to `most` bytes may wait; repeated requests are recognised for `window`.
    ///
    /// # Errors
    /// If the system cannot start a thread.
    pub fn start<M>(
        wal: Wal<M>,
        keeper: impl Keeper,
        most: usize,
        window: Duration,
    ) -> std::io::Result<(Arc<Self>, JoinHandle<()>)>
    where
        M: Medium + Send + 'static,
        M::File: Send,
    {
        let (jobs, receiver) = channel();
        let intake = Arc::new(Self {
            jobs: Mutex::new(Some(jobs)),
            waiting: Arc::default(),
            most,
            window,
            repeats: Arc::default(),
            stopping: AtomicBool::new(false),
            trouble: Arc::default(),
            figures: Arc::default(),
        });
        let writer = Writer {
            wal,
            keeper,
            trouble: Arc::clone(&intake.trouble),
            figures: Arc::clone(&intake.figures),
        };
        let thread = std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || writer.run(&receiver))?;
        Ok((intake, thread))
    }

    /// Registers a request that is already in the log, so that a repetition is recognised: its hash, and when it was
    /// received, in microseconds since 1970-01-01 UTC.
    pub fn remember(&self, key: u128, received: i64) {
        let age = jiff::Timestamp::now()
            .as_microsecond()
            .saturating_sub(received);
        let age = Duration::from_micros(u64::try_from(age).unwrap_or_default());
        if key != 0
            && age < self.window
            && let Some(at) = Instant::now().checked_sub(age)
        {
            self.repeats().remember(key, at);
        }
    }

    fn repeats(&self) -> std::sync::MutexGuard<'_, Repeats> {
        self.repeats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reserves memory for this many bytes before they are read.
    ///
    /// # Errors
    /// If the sender must wait.
    pub fn admit(&self, bytes: usize) -> Result<Room, Refused> {
        let refused = |why| {
            self.figures.refused.fetch_add(1, Ordering::Relaxed);
            Err(why)
        };
        if self.stopping.load(Ordering::Acquire) {
            return refused(Refused::Stopping);
        }
        let before = self.waiting.fetch_add(bytes, Ordering::Relaxed);
        let room = Room {
            bytes,
            waiting: Arc::clone(&self.waiting),
        };
        // One request is always admitted, however large it is.
        if before > 0 && before + bytes > self.most {
            return refused(Refused::Busy);
        }
        Ok(room)
    }

    /// Reserves memory for data that was already received and cannot be sent again, even while the server stops.
    pub fn admit_last(&self, bytes: usize) -> Room {
        self.waiting.fetch_add(bytes, Ordering::Relaxed);
        Room {
            bytes,
            waiting: Arc::clone(&self.waiting),
        }
    }

    /// Whether senders would be told to wait, and why.
    pub fn trouble(&self) -> Option<Refused> {
        if self.stopping.load(Ordering::Acquire) {
            return Some(Refused::Stopping);
        }
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(why) = trouble.as_ref() {
            return Some(Refused::Disk(why.clone()));
        }
        (self.waiting.load(Ordering::Relaxed) >= self.most).then_some(Refused::Busy)
    }

    /// Bytes that may wait to be written.
    pub fn most(&self) -> usize {
        self.most
    }

    /// Bytes that wait to be written.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Writes a batch. If this returns `Ok`, the batch is on disk.
    ///
    /// # Errors
    /// If it was not taken.
    pub async fn take(&self, batch: Batch, room: Room) -> Result<Taken, Refused> {
        if batch.events.is_empty() {
            return Ok(Taken::New);
        }
        let key = batch.key;
        if key != 0 {
            let mut repeats = self.repeats();
            repeats.forget(self.window);
            match repeats.known.get(&key) {
                Some(Some(_)) => {
                    self.figures.repeats.fetch_add(1, Ordering::Relaxed);
                    return Ok(Taken::Before);
                }
                // The first one is still being written, and may yet fail.
                Some(None) => return Err(Refused::Busy),
                None => {
                    repeats.known.insert(key, None);
                }
            }
        }
        // If a peer disconnects, this future is dropped; the state of the key must still be right afterwards.
        let claim = Claim {
            repeats: Arc::clone(&self.repeats),
            key,
            written: false,
        };
        let bytes = batch.encode();
        let (done, answer) = oneshot::channel();
        let job = Job {
            batch,
            bytes,
            done,
            _room: room,
        };
        let sent = {
            let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
            match jobs.as_ref() {
                Some(jobs) => jobs.send(job).map_err(|_| Refused::Stopping),
                None => Err(Refused::Stopping),
            }
        };
        // A separate task, because it waits for the disk even if nobody waits for it.
        let waiting = tokio::spawn(async move {
            let mut claim = claim;
            let answer = match sent {
                Ok(()) => answer.await.unwrap_or(Err(Refused::Stopping)),
                Err(why) => Err(why),
            };
            claim.written = answer.is_ok();
            answer
        });
        let answer = waiting.await.unwrap_or(Err(Refused::Stopping));
        if answer.is_err() {
            self.figures.refused.fetch_add(1, Ordering::Relaxed);
        }
        answer.map(|()| Taken::New)
    }

    /// Takes nothing from now on; what was taken is still written.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// Lets the writing thread end once it has written everything.
    pub fn close(&self) {
        self.stop();
        self.jobs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }
}

/// A request that is being written.
struct Claim {
    repeats: Arc<Mutex<Repeats>>,
    key: u128,
    written: bool,
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.key == 0 {
            return;
        }
        let mut repeats = self.repeats.lock().unwrap_or_else(PoisonError::into_inner);
        if self.written {
            repeats.remember(self.key, Instant::now());
        } else {
            repeats.known.remove(&self.key);
        }
    }
}

struct Writer<M: Medium, K> {
    wal: Wal<M>,
    keeper: K,
    trouble: Arc<Mutex<Option<String>>>,
    figures: Arc<Figures>,
}

impl<M: Medium, K: Keeper> Writer<M, K> {
    fn run(mut self, jobs: &Receiver<Job>) {
        while let Ok(first) = jobs.recv() {
            let mut size = first.bytes.len();
            let mut group = vec![first];
            while size < GROUP_BYTES
                && let Ok(job) = jobs.try_recv()
            {
                size += job.bytes.len();
                group.push(job);
            }
            self.write(group, size);
        }
    }

    fn write(&mut self, group: Vec<Job>, size: usize) {
        let payloads: Vec<&[u8]> = group.iter().map(|job| job.bytes.as_slice()).collect();
        let began = Instant::now();
        let written = self.wal.append(&payloads);
        let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.tell(&written);
        match written {
            Ok(first) => {
                let figures = &self.figures;
                let add = |figure: &AtomicU64, count: u64| {
                    figure.fetch_add(count, Ordering::Relaxed);
                };
                add(&figures.syncs, 1);
                add(&figures.sync_micros, micros);
                add(&figures.bytes, size as u64);
                add(&figures.batches, group.len() as u64);
                let mut all = Vec::with_capacity(group.len());
                let mut waiting = Vec::with_capacity(group.len());
                for (seq, job) in (first..).zip(group) {
                    add(&figures.events, job.batch.events.len() as u64);
                    all.push(Written {
                        seq,
                        batch: job.batch,
                    });
                    waiting.push(job.done);
                }
                self.keeper.written(all);
                for done in waiting {
                    // Who waited may have gone.
                    let _ = done.send(Ok(()));
                }
                if let Err(error) = self.wal.release(self.keeper.low_water()) {
                    tracing::warn!(%error, "a segment of the log that is no longer needed could not be deleted");
                }
            }
            Err(error) => {
                let why = Refused::Disk(error.to_string());
                for job in group {
                    let _ = job.done.send(Err(why.clone()));
                }
            }
        }
    }

    /// Logs once that the log accepts nothing, and once that it does again.
    fn tell(&self, written: &Result<u64, WalError>) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match written {
            Ok(_) if trouble.is_some() => {
                tracing::info!("the log accepts events again");
                *trouble = None;
            }
            Ok(_) => {}
            Err(error) => {
                if trouble.is_none() {
                    tracing::error!(%error, "the log cannot be written; senders are told to wait");
                }
                *trouble = Some(error.to_string());
            }
        }
    }
}
