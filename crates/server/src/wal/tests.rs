#![expect(clippy::unwrap_used, reason = "a test may stop where it fails")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::*;

/// A disk that forgets what was not synced, and fails on demand.
#[derive(Debug, Clone, Default)]
struct Model(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// The content of each file, and how much of it is durable.
    files: BTreeMap<String, (Vec<u8>, usize)>,
    /// The names that are durable.
    names: Vec<String>,
    fail_write: bool,
    fail_sync: bool,
}

impl Model {
    /// Power failure: part of the unsynced data survives (`keep` of 256), and a name survives or not.
    fn crash(&self, keep: u8, names: bool) {
        let mut state = self.0.lock().unwrap();
        let durable = state.names.clone();
        if !names {
            state.files.retain(|name, _| durable.contains(name));
        }
        for (bytes, synced) in state.files.values_mut() {
            let loose = bytes.len() - *synced;
            bytes.truncate(*synced + loose * usize::from(keep) / 256);
            *synced = bytes.len();
        }
        state.names = state.files.keys().cloned().collect();
        (state.fail_write, state.fail_sync) = (false, false);
    }
}

impl Medium for Model {
    type File = String;

    fn list(&mut self) -> io::Result<Vec<String>> {
        Ok(self.0.lock().unwrap().files.keys().cloned().collect())
    }
    fn read(&mut self, name: &str) -> io::Result<Vec<u8>> {
        Ok(self.0.lock().unwrap().files[name].0.clone())
    }
    fn create(&mut self, name: &str) -> io::Result<String> {
        let mut state = self.0.lock().unwrap();
        assert!(!state.files.contains_key(name));
        state.files.insert(name.to_owned(), (Vec::new(), 0));
        Ok(name.to_owned())
    }
    fn cut(&mut self, name: &str, length: u64) -> io::Result<String> {
        let mut state = self.0.lock().unwrap();
        let (bytes, synced) = state.files.get_mut(name).unwrap();
        bytes.truncate(usize::try_from(length).unwrap());
        *synced = (*synced).min(bytes.len());
        Ok(name.to_owned())
    }
    fn append(&mut self, file: &mut String, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        let fails = state.fail_write;
        let held = &mut state.files.get_mut(file).unwrap().0;
        if fails {
            held.extend_from_slice(&bytes[..bytes.len() / 2]);
            return Err(io::ErrorKind::StorageFull.into());
        }
        held.extend_from_slice(bytes);
        Ok(())
    }
    fn sync(&mut self, file: &mut String) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        if state.fail_sync {
            return Err(io::Error::other("the disk is gone"));
        }
        let (bytes, synced) = state.files.get_mut(file).unwrap();
        *synced = bytes.len();
        Ok(())
    }
    fn sync_folder(&mut self) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.names = state.files.keys().cloned().collect();
        Ok(())
    }
    fn remove(&mut self, name: &str) -> io::Result<()> {
        let gone = self.0.lock().unwrap().files.remove(name);
        gone.map(|_| ()).ok_or(io::ErrorKind::NotFound.into())
    }
    fn folder(&self) -> PathBuf {
        PathBuf::from("log")
    }
}

/// Numbers and payloads.
type Found = Vec<(u64, Vec<u8>)>;

fn open(model: &Model, from: u64) -> (Wal<Model>, Found, Recovery) {
    let mut found = Vec::new();
    let (wal, recovery) = Wal::open(model.clone(), 200, from, |seq, payload| {
        found.push((seq, payload.to_vec()));
    })
    .unwrap();
    (wal, found, recovery)
}

#[test]
fn what_was_written_is_read_again() {
    let model = Model::default();
    let (mut wal, found, _) = open(&model, 0);
    assert!(found.is_empty());
    assert_eq!(wal.append(&[b"one", b""]).unwrap(), 1);
    assert_eq!(wal.append(&[&[7; 300]]).unwrap(), 3);
    assert_eq!(wal.append(&[b"four"]).unwrap(), 4);
    drop(wal);
    let (mut wal, found, recovery) = open(&model, 0);
    let seqs: Vec<u64> = found.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(seqs, [1, 2, 3, 4]);
    assert_eq!(found[2].1, [7; 300]);
    assert_eq!(
        recovery,
        Recovery {
            records: 4,
            ..Recovery::default()
        }
    );
    assert_eq!(wal.segments(), 2);
    // Events already in the store are not read again, and their segments are deleted.
    wal.release(4).unwrap();
    assert_eq!(wal.segments(), 1);
    let (wal, found, _) = open(&model, 4);
    assert_eq!(found.len(), 1);
    assert_eq!(wal.next(), 5);
    // Numbers continue although no segment records them.
    assert_eq!(open(&Model::default(), 17).0.next(), 17);
}

#[test]
fn a_full_disk_is_tried_again_and_a_failed_sync_is_final() {
    let model = Model::default();
    let (mut wal, ..) = open(&model, 0);
    wal.append(&[b"kept"]).unwrap();
    model.0.lock().unwrap().fail_write = true;
    assert!(matches!(
        wal.append(&[b"refused"]),
        Err(WalError::File { .. })
    ));
    model.0.lock().unwrap().fail_write = false;
    assert_eq!(wal.append(&[b"after"]).unwrap(), 2);
    model.0.lock().unwrap().fail_sync = true;
    assert!(wal.append(&[b"unsure"]).is_err());
    model.0.lock().unwrap().fail_sync = false;
    assert!(matches!(wal.append(&[b"never"]), Err(WalError::Broken(_))));
    assert!(wal.broken().is_some());
    model.crash(0, true);
    let (mut wal, found, _) = open(&model, 0);
    let payloads: Vec<&[u8]> = found.iter().map(|(_, one)| one.as_slice()).collect();
    assert_eq!(payloads, [&b"kept"[..], b"after"]);
    assert_eq!(wal.append(&[b"again"]).unwrap(), 3);
}

#[test]
fn a_flipped_bit_costs_its_record_and_no_other() {
    let whole = Model::default();
    let (mut wal, ..) = open(&whole, 0);
    for payload in [&b"first record"[..], b"second record", b"third record"] {
        wal.append(&[payload]).unwrap();
    }
    drop(wal);
    let length = whole.0.lock().unwrap().files[&name_of(1)].0.len();
    for at in 0..length {
        let model = Model::default();
        {
            let mut state = model.0.lock().unwrap();
            state.files = whole.0.lock().unwrap().files.clone();
            state.files.get_mut(&name_of(1)).unwrap().0[at] ^= 0x10;
        }
        let (_, found, recovery) = open(&model, 0);
        assert!(found.len() >= 2, "byte {at}: {recovery:?}");
        assert!(
            found.len() == 3 || recovery.torn > 0 || !recovery.damaged.is_empty(),
            "byte {at} lost a record and nothing was told"
        );
    }
}

#[derive(Debug, Clone)]
enum Act {
    Append(u8, u8),
    FullDisk(bool),
    FailingSync,
    Crash(u8, bool),
    Release,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (1_u8..4, any::<u8>()).prop_map(|(count, size)| Act::Append(count, size)),
        1 => any::<bool>().prop_map(Act::FullDisk),
        1 => Just(Act::FailingSync),
        2 => (any::<u8>(), any::<bool>()).prop_map(|(keep, names)| Act::Crash(keep, names)),
        1 => Just(Act::Release),
    ]
}

proptest! {
    #[test]
    fn what_was_acknowledged_survives(acts in proptest::collection::vec(act(), 0..60)) {
        let model = Model::default();
        let (mut wal, ..) = open(&model, 0);
        let mut acknowledged: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
        let mut low = 1;
        let mut made = 0_u64;
        for act in acts.into_iter().chain([Act::Crash(0, false)]) {
            match act {
                Act::Append(count, size) => {
                    let payloads: Vec<Vec<u8>> = (0..count).map(|_| {
                        made += 1;
                        let mut one = made.to_le_bytes().to_vec();
                        one.resize(8 + usize::from(size), 9);
                        one
                    }).collect();
                    let slices: Vec<&[u8]> = payloads.iter().map(Vec::as_slice).collect();
                    if let Ok(first) = wal.append(&slices) {
                        acknowledged.extend((first..).zip(payloads));
                    }
                }
                Act::FullDisk(full) => model.0.lock().unwrap().fail_write = full,
                Act::FailingSync => model.0.lock().unwrap().fail_sync = true,
                Act::Release => {
                    low = wal.next();
                    wal.release(low).unwrap();
                }
                Act::Crash(keep, names) => {
                    drop(wal);
                    model.crash(keep, names);
                    let (again, found, recovery) = open(&model, low);
                    prop_assert!(recovery.damaged.is_empty(), "{:?}", recovery);
                    let found: BTreeMap<u64, Vec<u8>> = found.into_iter().collect();
                    for (seq, payload) in acknowledged.range(low..) {
                        prop_assert_eq!(found.get(seq), Some(payload));
                    }
                    // Unacknowledged data may survive; it was sent.
                    for (seq, payload) in found {
                        acknowledged.insert(seq, payload);
                    }
                    wal = again;
                }
            }
        }
    }
}
