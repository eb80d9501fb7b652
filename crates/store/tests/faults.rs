//! Disks that fail, at every step of a commit.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it cannot use")]

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crabwalk_sources::collect::{Begun, Collected, Collector, Head};
use crabwalk_sources::report::{SourceKind, SourceReport};
use crabwalk_store::objects::{Folder, Object, Objects, Part, Writers};
use crabwalk_store::{CommitInfo, Forget, Ingest, NewSource, Store, StoreError};

/// A folder on a disk that is full after so many writes.
#[derive(Debug)]
struct Failing {
    folder: Folder,
    left: Arc<AtomicU64>,
}

impl Failing {
    fn step(&self) -> io::Result<()> {
        self.left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            })
            .map(drop)
            .map_err(|_| io::ErrorKind::StorageFull.into())
    }
}

impl Objects for Failing {
    fn make(&self) -> io::Result<bool> {
        self.folder.make()
    }

    fn begin_writing(&self) -> io::Result<Writers> {
        self.folder.begin_writing()
    }

    fn list(&self, folder: &str) -> io::Result<Vec<Object>> {
        self.folder.list(folder)
    }

    fn open(&self, path: &str) -> io::Result<Box<dyn Part>> {
        self.folder.open(path)
    }

    fn write(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.step() {
            // The parts that fit are there.
            let half = bytes.get(..bytes.len() / 2).unwrap_or_default();
            self.folder.write(path, half)?;
            return Err(error);
        }
        self.folder.write(path, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.step()?;
        self.folder.sync()
    }

    fn publish(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.step()?;
        self.folder.publish(path, bytes)?;
        // It may fail when it is done.
        self.step()
    }

    fn delete(&self, path: &str) -> io::Result<()> {
        self.folder.delete(path)
    }
}

fn open(path: &Path, left: &Arc<AtomicU64>) -> Result<Store, StoreError> {
    let objects = Failing {
        folder: Folder::new(path),
        left: Arc::clone(left),
    };
    Store::open_or_create_in(path, Arc::new(objects))
}

fn logons(numbers: std::ops::Range<u64>) -> Collected {
    let mut collector = Collector::new(&Ingest);
    for (channel, id) in [("Security", 4624), ("Security", 4688), ("System", 7045)] {
        let table = collector.table(channel, id);
        for record in numbers.clone() {
            let head = Head {
                time: 1_767_607_200_000_000 + i64::try_from(record).unwrap() * 1_000_000,
                host: "WS1",
                source: 0,
                record,
                numbered: true,
            };
            assert_eq!(collector.begin(table, &head), Begun::Row);
        }
    }
    Collector::merge(vec![collector]).unwrap()
}

fn info() -> CommitInfo {
    CommitInfo {
        sources: vec![NewSource {
            report: SourceReport::new(0, "a".to_owned(), SourceKind::Evtx),
            origin: None,
            from_start: false,
            whole: true,
        }],
        ..CommitInfo::default()
    }
}

#[test]
fn a_full_disk_leaves_a_store_as_it_was() {
    for steps in 0..12 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let left = Arc::new(AtomicU64::new(u64::MAX));
        let store = open(path, &left).unwrap();
        store.commit(logons(0..10), info()).unwrap();
        left.store(steps, Ordering::SeqCst);
        let failed = store.commit(logons(5..20), info());
        if let Err(error) = &failed {
            assert!(matches!(error, StoreError::Io { .. }), "{error}");
            assert!(error.to_string().contains("cannot write"), "{error}");
        }
        let (ours, theirs) = (
            store.size().events,
            Store::open(path).unwrap().size().events,
        );
        assert_eq!(ours, theirs, "after {steps} steps");
        // All of it or nothing.
        assert!(ours == 30 || ours == 60, "{ours} after {steps} steps");
        assert_eq!(
            ours == 60,
            failed.is_ok() || steps == 5,
            "after {steps} steps"
        );
        // There is room again: the same once more.
        left.store(u64::MAX, Ordering::SeqCst);
        store.commit(logons(5..20), info()).unwrap();
        assert_eq!(store.size().events, 60);
        drop(store);
        let store = open(path, &left).unwrap();
        assert_eq!(store.check().unwrap(), []);
    }
}

#[test]
fn a_full_disk_during_tidying_loses_nothing() {
    for steps in 0..10 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let left = Arc::new(AtomicU64::new(u64::MAX));
        let store = open(path, &left).unwrap();
        store.commit(logons(0..10), info()).unwrap();
        store.commit(logons(10..20), info()).unwrap();
        left.store(steps, Ordering::SeqCst);
        let _ = store.compact();
        assert_eq!(Store::open(path).unwrap().size().events, 60);
        assert!(
            Store::open(path)
                .unwrap()
                .check()
                .unwrap()
                .iter()
                .all(|flaw| !flaw.loss)
        );
        let forget = Forget {
            channel: Some("system".to_owned()),
            ..Forget::default()
        };
        let forgotten = store.forget(&forget).is_ok();
        let events = Store::open(path).unwrap().size().events;
        assert!(events == 40 || !forgotten && events == 60, "{events}");
        left.store(u64::MAX, Ordering::SeqCst);
        store.compact().unwrap();
        store.forget(&forget).unwrap();
        assert_eq!(store.size().events, 40);
        assert_eq!(store.size().files, 2);
        assert_eq!(store.check().unwrap(), []);
    }
}

#[test]
fn a_store_is_not_made_where_nothing_can_be_written() {
    for steps in 0..3 {
        let folder = tempfile::tempdir().unwrap();
        let left = Arc::new(AtomicU64::new(steps));
        let opened = open(folder.path(), &left);
        assert_eq!(opened.is_ok(), steps == 2);
        drop(opened);
        // Whoever comes next makes it.
        left.store(u64::MAX, Ordering::SeqCst);
        let store = open(folder.path(), &left).unwrap();
        store.commit(logons(0..1), info()).unwrap();
    }
}

#[test]
fn what_must_not_be_written_is_named() {
    // A file where the folder should be: nobody may write there, whatever else they may do.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("taken");
    std::fs::write(&file, "something else").unwrap();
    for path in [file.clone(), file.join("below")] {
        let error = Store::open_or_create(&path).unwrap_err();
        let shown = path.display().to_string();
        assert!(error.to_string().contains(&shown), "{error}");
    }
    assert_eq!(std::fs::read_to_string(file).unwrap(), "something else");
}
