//! What lies in the data folder: the store, the log, the small files.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use crabwalk_events::Catalog as _;
use crabwalk_store::objects::is_remote;
use crabwalk_store::{Store, StoreError};
use crabwalk_vocabulary::text::{count, list};
use serde::de::IgnoredAny;

use super::Check;
use crate::account::Users;
use crate::batch::Batch;
use crate::keep::low_water;
use crate::server::Place;
use crate::wal::{Disk, Medium, SEGMENT_BYTES, Wal};

/// How far a sender's clock may be ahead, in microseconds: five minutes, as Kerberos allows.
const AHEAD: i64 = 5 * 60 * 1_000_000;
/// Bytes that wait in the log from which on the store is behind.
const BEHIND: u64 = 256 << 20;
/// Things that a sentence names.
const NAMED: usize = 3;

fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} KB", bytes.div_ceil(1_000)),
        1_000_000..1_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

pub fn store(place: &Place, thorough: bool) -> Vec<Check> {
    const NAME: &str = "store";
    let path = &place.store;
    if !is_remote(path) && !path.exists() {
        let found = format!("{} is not there yet", path.display());
        return vec![Check::ok(NAME, found)];
    }
    let store = match Store::open(path) {
        Ok(store) => store,
        Err(error) => {
            let advice = match error {
                StoreError::Form { .. } => "install the release that wrote it, or a newer one",
                _ => "keep a copy of the folder, then restore the store from a backup",
            };
            return vec![Check::failed(NAME, error.to_string(), advice)];
        }
    };
    let flaws = match thorough {
        true => store.check(),
        false => store.check_sizes(),
    };
    let size = store.size();
    let mut checks = vec![match flaws {
        Err(error) => Check::failed(NAME, error.to_string(), "look at the disk"),
        Ok(flaws) => {
            let lost: Vec<String> = (flaws.iter().filter(|flaw| flaw.loss))
                .map(|flaw| format!("{}: {}", flaw.path, flaw.what))
                .collect();
            match lost.is_empty() {
                true => Check::ok(
                    NAME,
                    format!(
                        "{} events in {}, {}; {}",
                        size.events,
                        count(usize::try_from(size.files).unwrap_or(usize::MAX), "file"),
                        bytes(size.bytes),
                        match thorough {
                            true => "each was read and is as it was written",
                            false => "each is there with its size (--thorough reads them)",
                        }
                    ),
                ),
                false => Check::failed(
                    NAME,
                    format!("damaged: {}", list(&lost, "and", NAMED)),
                    "restore these files from a backup of the store; searches over their times fail until then",
                ),
            }
        }
    }];
    checks.push(clock(&store));
    checks
}

/// The machine's clock against the times of events.
fn clock(store: &Store) -> Check {
    const NAME: &str = "clock";
    let now = jiff::Timestamp::now().as_microsecond();
    let snapshot = match store.snapshot_within(&(i64::MAX..=i64::MAX)) {
        Ok(snapshot) => snapshot,
        Err(error) => return Check::failed(NAME, error.to_string(), "see the store"),
    };
    let coverage = snapshot.coverage();
    let mut ahead: Vec<(i64, String)> = (coverage.iter())
        .filter(|log| log.last > now.saturating_add(AHEAD))
        .map(|log| {
            let by = (log.last - now) / 60_000_000;
            (
                log.last,
                format!("{} ({}, by {by} minutes)", log.host, log.channel),
            )
        })
        .collect();
    ahead.sort_by(|a, b| b.cmp(a));
    let time = |micros: i64| {
        jiff::Timestamp::from_microsecond(micros).map_or_else(
            |_| "an unknown time".to_owned(),
            |time| time.strftime("%F %T UTC").to_string(),
        )
    };
    if !ahead.is_empty() {
        let names: Vec<String> = ahead.into_iter().map(|(_, name)| name).collect();
        return Check::warning(
            NAME,
            format!(
                "it is {} here; events of {} are from the future: {}",
                time(now),
                count(names.len(), "log"),
                list(&names, "and", NAMED)
            ),
            "set the clock of this machine or of these senders; detections on schedule do not see such events in time",
        );
    }
    match coverage.iter().map(|log| log.last).max() {
        Some(last) => Check::ok(
            NAME,
            format!(
                "it is {} here; the newest event is of {}",
                time(now),
                time(last)
            ),
        ),
        None => Check::ok(
            NAME,
            format!("it is {} here; there are no events", time(now)),
        ),
    }
}

/// A log that is read and not repaired.
struct Reading(Disk);

impl Medium for Reading {
    type File = ();
    fn list(&mut self) -> io::Result<Vec<String>> {
        self.0.list()
    }
    fn read(&mut self, name: &str) -> io::Result<Vec<u8>> {
        match self.0.read(name) {
            // The server has just removed it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            read => read,
        }
    }
    fn create(&mut self, _: &str) -> io::Result<()> {
        Ok(())
    }
    fn cut(&mut self, _: &str, _: u64) -> io::Result<()> {
        Ok(())
    }
    fn append(&mut self, (): &mut (), _: &[u8]) -> io::Result<()> {
        Ok(())
    }
    fn sync(&mut self, (): &mut ()) -> io::Result<()> {
        Ok(())
    }
    fn sync_folder(&mut self) -> io::Result<()> {
        Ok(())
    }
    fn remove(&mut self, _: &str) -> io::Result<()> {
        Ok(())
    }
    fn folder(&self) -> PathBuf {
        self.0.folder()
    }
}

pub fn log(data: &Path, place: &Place, is_running: bool) -> Vec<Check> {
    const NAME: &str = "log";
    let folder = data.join("log");
    if !folder.is_dir() {
        let found = format!("{} is not there yet", folder.display());
        return vec![Check::ok(NAME, found)];
    }
    let from = Store::open(&place.store).map_or(0, |store| low_water(&store, &place.mark));
    let (mut requests, mut waiting, mut newer) = (0, 0, 0);
    let read = Disk::new(&folder).and_then(|disk| {
        Wal::open(Reading(disk), SEGMENT_BYTES, from, |number, payload| {
            if number >= from {
                requests += 1;
                waiting += payload.len() as u64;
                newer += usize::from(Batch::decode(payload).is_err());
            }
        })
    });
    let recovery = match read {
        Ok((_, recovery)) => recovery,
        Err(error) => {
            return vec![Check::failed(
                NAME,
                error.to_string(),
                "run this as the server's user; if it is the disk, replace it",
            )];
        }
    };
    let mut checks = Vec::new();
    if !recovery.damaged.is_empty() {
        let places: Vec<String> = (recovery.damaged.iter())
            .map(|(segment, place)| format!("{segment} at byte {place}"))
            .collect();
        checks.push(Check::failed(
            NAME,
            format!("damaged: {}", list(&places, "and", NAMED)),
            "look at the disk; what lies there is lost, and the rest is read at the next start",
        ));
    }
    if newer > 0 {
        checks.push(Check::failed(
            NAME,
            format!(
                "{} were written by a newer release",
                count(newer, "request")
            ),
            "start that release, so that it stores them",
        ));
    }
    let found = match requests {
        0 => "the store has all of it".to_owned(),
        _ => format!(
            "{} ({}) not yet in the store",
            count(requests, "request"),
            bytes(waiting)
        ),
    };
    checks.push(match waiting {
        BEHIND.. if is_running => Check::warning(
            NAME,
            found,
            "the store does not keep up: look at the server's log, the disk and its load",
        ),
        _ => Check::ok(NAME, found),
    });
    if recovery.torn > 0 && !is_running {
        checks.push(Check::ok(
            NAME,
            "the server was stopped while it wrote; what was being written was not acknowledged",
        ));
    }
    checks
}

/// The small files: whether they can be read.
pub fn files(data: &Path) -> Vec<Check> {
    const NAME: &str = "files";
    let mut wrong = Vec::new();
    let mut read = 0;
    let entries = match fs::read_dir(data) {
        Ok(entries) => entries,
        Err(error) => {
            let found = format!("{}: {error}", data.display());
            return vec![Check::failed(NAME, found, "run this as the server's user")];
        }
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        let shown = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let looked = match path.extension().and_then(|one| one.to_str()) {
            Some("json") => document(&path),
            Some("jsonl") => lines(&path),
            _ => continue,
        };
        read += 1;
        if let Err(why) = looked {
            wrong.push(format!("{shown}: {why}"));
        }
    }
    wrong.sort();
    vec![match wrong.is_empty() {
        true => Check::ok(
            NAME,
            format!("{} of state can be read", count(read, "file")),
        ),
        false => Check::failed(
            NAME,
            list(&wrong, "and", NAMED),
            "restore them from a backup; a server does not start with what it cannot read",
        ),
    }]
}

fn document(path: &Path) -> Result<(), String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    serde_json::from_reader::<_, IgnoredAny>(BufReader::new(file))
        .map(drop)
        .map_err(|error| error.to_string())
}

/// Lines of JSON, of which the last may have been cut off by a crash.
fn lines(path: &Path) -> Result<(), String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut file = BufReader::new(file);
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let length = file
            .read_until(b'\n', &mut line)
            .map_err(|error| error.to_string())?;
        if length == 0 || !line.ends_with(b"\n") {
            break;
        }
        if let Err(error) = serde_json::from_slice::<IgnoredAny>(&line) {
            return Err(format!("line {number}: {error}"));
        }
    }
    Ok(())
}

/// Whether anybody can send, and log in.
pub fn people(data: &Path) -> Vec<Check> {
    const NAME: &str = "access";
    let mut checks = Vec::new();
    // Files that cannot be read are reported as such.
    if let Ok(tokens) = crate::token::Tokens::open(&data.join("tokens.json")) {
        checks.push(
            match tokens.all().iter().filter(|token| !token.disabled).count() {
                0 => Check::warning(
                    NAME,
                    "there is no token: nobody can send over HTTP",
                    "make one: `crabwalk serve token add NAME`",
                ),
                all => Check::ok(NAME, format!("{} for senders", count(all, "token"))),
            },
        );
    }
    if let Ok(users) = Users::open(data) {
        let all = users.all();
        let admins = (all.iter())
            .filter(|(_, role)| *role == crate::account::Role::Admin)
            .count();
        checks.push(match (all.len(), admins) {
            (0, _) => Check::warning(
                NAME,
                "there is no account yet",
                "restart the server: it prints a link for the first one",
            ),
            (_, 0) => Check::failed(
                NAME,
                "no account is an administrator's",
                "restore users.json from a backup, or move it away and restart: the server prints a link for a new first account",
            ),
            (all, admins) => Check::ok(
                NAME,
                format!("{}, {} of them administrators'", count(all, "account"), admins),
            ),
        });
    }
    checks
}
