//! Raw records: read again from the logs after the hunt, which itself decodes only the columns it needs.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;

use crabwalk_events::catalog::for_each_event;
use crabwalk_events::{Catalog, EventRef, MemoryCatalog};
use crabwalk_sources::collect::{Columns, Demand, Head, XML};
use crabwalk_sources::{Input, Limits, Quiet};
use crabwalk_vocabulary::time;
use serde_json::{Value, json};

use super::{Packed, Report, text};
use crate::attention::Attention;
use crate::document::{Case, Reference};

/// Maximum length of a value in the report.
const MOST_VALUE: usize = 64 << 10;
/// Approximate maximum bytes of all values together; the rest is left out.
const MOST_BYTES: usize = 48 << 20;
/// Maximum number of records: more would not fit either, and each costs time to read.
const MOST_RECORDS: usize = 25_000;
/// Bytes of values after which a new part begins.
const CHUNK_BYTES: usize = 512 << 10;

/// Raw records, compressed.
#[derive(Debug, Default)]
pub(super) struct Records {
    chunks: Vec<Vec<u8>>,
    /// Number of the part with the record of each event, or -1.
    chunk_of: Vec<i64>,
    kept: usize,
    notes: Vec<String>,
}

/// The identity of an event, whichever file it is in.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    time: i64,
    record: u64,
    event_id: u32,
    channel: String,
    host: String,
}

impl Key {
    fn of(event: &EventRef) -> Self {
        Self {
            time: event.time,
            record: event.record,
            event_id: event.event_id,
            channel: event.channel.to_lowercase(),
            host: event.host.clone(),
        }
    }
}

/// A demand for certain complete records.
struct Wanted {
    types: HashSet<(String, u32)>,
    events: HashSet<(i64, u64)>,
    /// Record numbers, ascending, by the path of their source.
    numbers: HashMap<String, Vec<u64>>,
}

impl Demand for Wanted {
    fn columns(&self, channel: &str, event_id: u32) -> Columns {
        if self.types.contains(&(channel.to_lowercase(), event_id)) {
            Columns::All
        } else {
            Columns::None
        }
    }

    fn keeps(&self, head: &Head<'_>) -> bool {
        self.events.contains(&(head.time, head.record))
    }

    fn record_numbers(&self, path: &str) -> Option<&[u64]> {
        self.numbers.get(path).map(Vec::as_slice)
    }

    fn xml(&self) -> bool {
        true
    }
}

/// A record on its way into a part.
struct Raw {
    fields: Vec<(String, Vec<String>)>,
    /// The event as XML, if its source has event XML.
    xml: Option<String>,
    /// Whether only the fields that the hunt read are available.
    partial: bool,
}

impl Records {
    pub fn chunks(&self) -> &[Vec<u8>] {
        &self.chunks
    }

    /// The part with the record of each event.
    pub fn chunk_of_events(&self, events: usize) -> Vec<i64> {
        let mut all = self.chunk_of.clone();
        all.resize(events, -1);
        all
    }

    /// The front end's note about them.
    pub fn info(&self, events: usize) -> Value {
        let left = events.saturating_sub(self.kept);
        let note = if left == 0 {
            None
        } else if self.notes.is_empty() {
            Some("The report was made without the logs, so it includes no raw records; find them by file and record number.".to_owned())
        } else {
            Some(self.notes.join(" "))
        };
        json!({"kept": self.kept, "left_out": left, "note": note})
    }
}

impl Report {
    /// Reads the raw records of all events that the case refers to, by reading the logs again. `catalog` is the hunt's:
    /// it supplies the fields it has for a log that cannot be read twice, such as standard input.
    ///
    /// # Errors
    /// If records cannot be compressed, which only a lack of memory can cause, or the catalog cannot be read.
    pub fn read_records(
        &mut self,
        case: &Case,
        inputs: &[Input],
        threads: usize,
        catalog: Option<&dyn Catalog>,
    ) -> io::Result<()> {
        let daily = of_daily_work(case, &self.events.all);
        let wanted: Vec<u32> = numbered(&self.events.all)
            .map(|(at, _)| at)
            .filter(|at| !daily.contains(at))
            .take(MOST_RECORDS)
            .collect();
        let found = read_again(case, &self.events.all, &wanted, inputs, threads, catalog)?;
        self.pack(&wanted, found, daily.len(), threads)
    }

    /// Distributes records over parts, in the order of the events, as far as there is space. `daily` is the number of
    /// those that were not wanted because daily work alone refers to them.
    fn pack(
        &mut self,
        wanted: &[u32],
        mut found: HashMap<u32, Raw>,
        daily: usize,
        threads: usize,
    ) -> io::Result<()> {
        let events = self.events.all.len();
        let mut records = Records {
            chunk_of: vec![-1; events],
            ..Records::default()
        };
        let mut parts: Vec<Vec<(u32, Raw)>> = Vec::new();
        let mut part_bytes = 0;
        let mut bytes = 0;
        let mut lost = 0_usize;
        let mut full = events.saturating_sub(daily + wanted.len());
        for index in wanted.iter().copied() {
            let Some(raw) = found.remove(&index) else {
                lost += 1;
                continue;
            };
            if bytes >= MOST_BYTES {
                full += 1;
                continue;
            }
            let size = raw.size();
            if parts.is_empty() || part_bytes + size > CHUNK_BYTES {
                parts.push(Vec::new());
                part_bytes = 0;
            }
            part_bytes += size;
            bytes += size;
            records.kept += 1;
            let place = usize::try_from(index).unwrap_or(usize::MAX);
            if let Some(place) = records.chunk_of.get_mut(place) {
                *place = i64::try_from(parts.len()).map_or(-1, |parts| parts - 1);
            }
            if let Some(part) = parts.last_mut() {
                part.push((index, raw));
            }
        }
        records.chunks = compressed(&parts, threads)?;
        if full > 0 {
            records.notes.push(format!(
                "The report includes {} raw records and omits {full} to stay small; those of hops come first, then those of findings.",
                records.kept
            ));
        }
        if daily > 0 {
            records.notes.push(format!(
                "{daily} raw records of daily work are not included; find them by file and record number."
            ));
        }
        if lost > 0 {
            records.notes.push(format!(
                "{lost} raw records could not be read again from the logs."
            ));
        }
        if let Some(core) = self.core.as_object_mut() {
            core.insert("records".to_owned(), records.info(self.events.all.len()));
        }
        self.records = records;
        Ok(())
    }
}

/// A raw record of the logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawRecord {
    /// Names and values of its fields, as its log has them.
    pub fields: Vec<(String, Vec<String>)>,
    /// Whether these are only the fields that the hunt read, because the log cannot be read again.
    pub partial: bool,
}

/// Reads the records of events again, from the logs of their case; `None` for those that are not there. `catalog` is the
/// hunt's: it supplies the fields it has for a log that cannot be read twice.
///
/// # Errors
/// If the catalog cannot be read.
pub fn raw_records(
    case: &Case,
    events: &[Reference],
    inputs: &[Input],
    threads: usize,
    catalog: Option<&dyn Catalog>,
) -> io::Result<Vec<Option<RawRecord>>> {
    let all: Vec<u32> = numbered(events).map(|(at, _)| at).collect();
    let mut found = read_again(case, events, &all, inputs, threads, catalog)?;
    let records = all.into_iter().map(|at| {
        let raw = found.remove(&at)?;
        Some(RawRecord {
            fields: raw.fields,
            partial: raw.partial,
        })
    });
    Ok(records.collect())
}

fn numbered(events: &[Reference]) -> impl Iterator<Item = (u32, &Reference)> {
    (0..u32::MAX).zip(events)
}

/// The events, by place, to which only daily work refers: most of the events of long logs, and those that nobody opens.
fn of_daily_work(case: &Case, events: &[Reference]) -> HashSet<u32> {
    let told = case.paths.iter().filter(|path| path.told);
    let attention = Attention::new(
        case.is_compared(),
        told.flat_map(|path| path.hops.iter().map(String::as_str)),
        (case.hops.iter()).map(|hop| (hop.id.as_str(), hop.findings.iter().map(String::as_str))),
    );
    let mut read: HashSet<&Reference> = case.dossiers.references().collect();
    for hop in &case.hops {
        if attention.hop(&hop.id, hop.standing) {
            read.extend(hop.witnesses.iter().flat_map(|one| &one.events));
            read.extend(hop.processes.iter().flat_map(|one| &one.events));
        }
    }
    for one in &case.findings {
        if attention.finding(&one.id.as_str(), one.notable, one.is_daily_work()) {
            read.extend(&one.events);
        }
    }
    let daily = numbered(events).filter(|(_, event)| !read.contains(event));
    daily.map(|(at, _)| at).collect()
}

/// Raw records by the place of their event in the list, of those `wanted`, by place, as far as they are found.
fn read_again(
    case: &Case,
    events: &[Reference],
    wanted_at: &[u32],
    inputs: &[Input],
    threads: usize,
    catalog: Option<&dyn Catalog>,
) -> io::Result<HashMap<u32, Raw>> {
    let mut places: HashMap<Key, Vec<u32>> = HashMap::new();
    let mut wanted = Wanted {
        types: HashSet::new(),
        events: HashSet::new(),
        numbers: HashMap::new(),
    };
    let paths: HashMap<u32, &str> = case
        .sources
        .iter()
        .map(|source| (source.id, source.path.as_str()))
        .collect();
    let mut sources: HashSet<u32> = HashSet::new();
    let wanted_events = wanted_at.iter().filter_map(|at| {
        let place = usize::try_from(*at).ok()?;
        Some((*at, events.get(place)?))
    });
    for (at, event) in wanted_events {
        let time = event.time.as_deref().and_then(time::parse).unwrap_or(0);
        let key = Key {
            time,
            record: event.record,
            event_id: event.event_id,
            channel: event.channel.to_lowercase(),
            host: event.host.clone(),
        };
        wanted.types.insert((key.channel.clone(), event.event_id));
        wanted.events.insert((time, event.record));
        sources.insert(event.source);
        if let Some(path) = paths.get(&event.source) {
            match wanted.numbers.get_mut(*path) {
                Some(numbers) => numbers.push(event.record),
                None => {
                    wanted
                        .numbers
                        .insert((*path).to_owned(), vec![event.record]);
                }
            }
        }
        places.entry(key).or_default().push(at);
    }
    for numbers in wanted.numbers.values_mut() {
        numbers.sort_unstable();
        numbers.dedup();
    }
    let mut found: HashMap<u32, Raw> = HashMap::new();
    let take = |found: &mut HashMap<u32, Raw>,
                partial: bool,
                event: &EventRef,
                mut fields: Vec<(String, Vec<String>)>| {
        let xml = fields
            .iter()
            .position(|(name, _)| name == XML)
            .and_then(|at| fields.remove(at).1.into_iter().next());
        for at in places.get(&Key::of(event)).into_iter().flatten() {
            found.entry(*at).or_insert_with(|| Raw {
                fields: fields.clone(),
                xml: xml.clone(),
                partial,
            });
        }
    };
    let again = needed(case, inputs, &sources);
    if !again.is_empty() && !wanted.events.is_empty() {
        let limits = Limits {
            threads: threads.max(1),
            ..Limits::default()
        };
        let read = crabwalk_sources::read(&again, &wanted, &limits, &Quiet);
        if let Ok(read) = MemoryCatalog::new(read.collected) {
            for_each_event(
                &read,
                &|time, record| wanted.events.contains(&(time, record)),
                &mut |event, fields| take(&mut found, false, &event, fields),
            )
            .map_err(io::Error::other)?;
        }
    }
    let all: usize = places.values().map(Vec::len).sum();
    if let Some(catalog) = catalog
        && found.len() < all
    {
        for_each_event(
            catalog,
            &|time, record| wanted.events.contains(&(time, record)),
            &mut |event, fields| take(&mut found, true, &event, fields),
        )
        .map_err(io::Error::other)?;
    }
    Ok(found)
}

impl Raw {
    /// Approximate size of its values in bytes.
    fn size(&self) -> usize {
        let shown = |text: &String| text.len().min(MOST_VALUE) + 8;
        let fields: usize = self
            .fields
            .iter()
            .map(|(name, values)| shown(name) + values.iter().map(shown).sum::<usize>())
            .sum();
        32 + fields + self.xml.as_ref().map_or(0, shown)
    }
}

/// Compresses the parts, on several threads.
fn compressed(parts: &[Vec<(u32, Raw)>], threads: usize) -> io::Result<Vec<Vec<u8>>> {
    let one = |part: &Vec<(u32, Raw)>| -> io::Result<Vec<u8>> {
        let mut packed = Packed::new();
        for (index, raw) in part {
            packed.push(&raw_value(*index, raw))?;
        }
        packed.finish()
    };
    let share = parts.len().div_ceil(threads.max(1)).max(1);
    let shares: Vec<io::Result<Vec<Vec<u8>>>> = std::thread::scope(|scope| {
        let running: Vec<_> = parts
            .chunks(share)
            .map(|own| scope.spawn(move || own.iter().map(one).collect()))
            .collect();
        running
            .into_iter()
            .map(|running| {
                running
                    .join()
                    .unwrap_or_else(|_| Err(io::Error::other("a record cannot be packed")))
            })
            .collect()
    });
    let mut all = Vec::with_capacity(parts.len());
    for share in shares {
        all.extend(share?);
    }
    Ok(all)
}

fn raw_value(index: u32, raw: &Raw) -> Value {
    let mut left_out = 0;
    let mut shown = |value: &str| {
        let count = value.len();
        let text = text::visible(value, MOST_VALUE);
        if count > MOST_VALUE {
            left_out += value.chars().count().saturating_sub(MOST_VALUE);
        }
        Value::from(text)
    };
    let fields: Vec<Value> = raw
        .fields
        .iter()
        .map(|(name, values)| {
            let name = shown(name);
            let value = match values.as_slice() {
                [one] => shown(one),
                many => many.iter().map(|one| shown(one)).collect(),
            };
            Value::Array(vec![name, value])
        })
        .collect();
    let xml = raw.xml.as_deref().map(&mut shown);
    let mut value = json!({"event": index, "fields": fields});
    if let Some(object) = value.as_object_mut() {
        if let Some(xml) = xml {
            object.insert("xml".to_owned(), xml);
        }
        if raw.partial {
            object.insert("partial".to_owned(), true.into());
        }
        if left_out > 0 {
            object.insert("cut".to_owned(), left_out.into());
        }
    }
    value
}

/// The file that a source is, or that contains it.
fn file_of(source: &str) -> &Path {
    Path::new(source.split("!/").next().unwrap_or(source))
}

/// The inputs to read again: from folders, only the files with wanted events. Paths from the case are used only if they
/// are inside what the user named, because a case may come from anywhere.
fn needed(case: &Case, inputs: &[Input], sources: &HashSet<u32>) -> Vec<Input> {
    let mut all: Vec<Input> = Vec::new();
    for input in inputs {
        let Input::Path(path) = input else {
            // Standard input is over.
            continue;
        };
        if !path.is_dir() {
            let mut own = case
                .sources
                .iter()
                .filter(|source| file_of(&source.path) == path)
                .peekable();
            // A file that the case does not know may be the same log under another name.
            if own.peek().is_none() || own.any(|source| sources.contains(&source.id)) {
                all.push(input.clone());
            }
            continue;
        }
        let mut files: Vec<std::path::PathBuf> = case
            .sources
            .iter()
            .filter(|source| sources.contains(&source.id))
            .map(|source| file_of(&source.path).to_owned())
            .filter(|file| {
                file.strip_prefix(path).is_ok_and(|below| {
                    below
                        .components()
                        .all(|part| matches!(part, std::path::Component::Normal(_)))
                }) && file.is_file()
            })
            .collect();
        files.sort();
        files.dedup();
        if files.is_empty() {
            // The case was built elsewhere: look at everything.
            all.push(input.clone());
        } else {
            all.extend(files.into_iter().map(Input::Path));
        }
    }
    all
}
