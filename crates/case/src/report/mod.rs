//! The HTML report: the case with its raw records and the front end, in one file that fetches nothing.
//!
//! The case is split into parts, each gzipped JSON in base64, which the front end inflates when it needs them. Every
//! referenced event is stored once in a table of events; the rest of the case refers to it by its number there.

mod page;
mod records;
mod shown;
mod text;

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};

use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Map, Value, json};

use self::shown::shown;
use crate::document::{Case, FindingInfo, Reference};
use crabwalk_detect::attack;
use crabwalk_vocabulary::time;

pub use page::{FrontEnd, WITHOUT_FRONT_END, front_end};
pub use records::{RawRecord, raw_records};

/// Events of one finding whose raw records come before the other events of all findings.
const FIRST_EVENTS: usize = 5;
/// Maximum events of one finding that the report lists; the case may have more.
const MOST_EVENTS: usize = 200;
/// Maximum length of a text shown from the case; the case has the rest.
const MOST_TEXT: usize = 8 << 10;

/// A report of a case, ready to be written.
pub struct Report {
    core: Value,
    findings: Vec<u8>,
    fields: Vec<u8>,
    dossiers: Value,
    events: Events,
    records: records::Records,
    outline: page::Outline,
}

/// The table of events.
#[derive(Debug, Default)]
struct Events {
    all: Vec<Reference>,
    known: HashMap<(u32, u64, u32, String), u32>,
}

impl Events {
    fn index(&mut self, event: Reference) -> u32 {
        // One Zeek source can hold several kinds of logs, each with its own numbering.
        let key = (
            event.source,
            event.record,
            event.event_id,
            event.channel.clone(),
        );
        *self.known.entry(key).or_insert_with(|| {
            self.all.push(event);
            u32::try_from(self.all.len() - 1).unwrap_or(u32::MAX)
        })
    }

    fn columns(&self, chunks: &[i64]) -> Value {
        let mut strings: Vec<Value> = Vec::new();
        let mut known: HashMap<String, usize> = HashMap::new();
        let mut place = |text: &str| {
            *known.entry(text.to_owned()).or_insert_with(|| {
                strings.push(text::visible(text, MOST_TEXT).into());
                strings.len() - 1
            })
        };
        let channels: Vec<usize> = self.all.iter().map(|event| place(&event.channel)).collect();
        let hosts: Vec<usize> = self.all.iter().map(|event| place(&event.host)).collect();
        let record = |number: u64| {
            // JavaScript's numbers are exact up to here.
            if number < (1 << 53) {
                Value::from(number)
            } else {
                Value::from(number.to_string())
            }
        };
        json!({
            "strings": strings,
            "source": self.all.iter().map(|event| event.source).collect::<Vec<_>>(),
            "record": self.all.iter().map(|event| record(event.record)).collect::<Vec<_>>(),
            "time": self.all.iter().map(|event| event.time.as_deref().and_then(time::parse)).collect::<Vec<_>>(),
            "channel": channels,
            "event_id": self.all.iter().map(|event| event.event_id).collect::<Vec<_>>(),
            "host": hosts,
            "chunk": chunks,
        })
    }
}

/// Gzip of one JSON array, written item by item.
struct Packed {
    out: GzEncoder<Vec<u8>>,
    items: usize,
}

impl Packed {
    fn new() -> Self {
        Self {
            out: GzEncoder::new(Vec::new(), Compression::default()),
            items: 0,
        }
    }

    fn push(&mut self, value: &Value) -> io::Result<()> {
        self.out
            .write_all(if self.items == 0 { b"[" } else { b"," })?;
        self.items += 1;
        serde_json::to_writer(&mut self.out, value).map_err(io::Error::from)
    }

    fn finish(mut self) -> io::Result<Vec<u8>> {
        self.out
            .write_all(if self.items == 0 { b"[]" } else { b"]" })?;
        self.out.finish()
    }
}

fn packed(value: &Value) -> io::Result<Vec<u8>> {
    let mut out = GzEncoder::new(Vec::new(), Compression::default());
    serde_json::to_writer(&mut out, value).map_err(io::Error::from)?;
    out.finish()
}

impl Report {
    /// Prepares the report of a case, without raw records yet. It takes the findings out of the case temporarily,
    /// because they may be many; afterwards the case is unchanged.
    ///
    /// # Errors
    /// If the case cannot be written as JSON, which cannot happen to a case that was read or built.
    pub fn new(case: &mut Case) -> io::Result<Self> {
        let outline = page::Outline::new(case);
        let mut events = Events::default();
        // Events in order of importance, in case not all raw records fit: hops, findings, dossiers.
        let findings = std::mem::take(&mut case.findings);
        let dossiers = std::mem::take(&mut case.dossiers);
        let core = shown(&*case, &mut events);
        (case.findings, case.dossiers) = (findings, dossiers);
        let mut core = core?;
        for finding in &case.findings {
            for event in finding.events.iter().take(FIRST_EVENTS) {
                events.index(event.clone());
            }
        }
        let mut rows = Packed::new();
        let mut fields = Packed::new();
        let mut detections: BTreeMap<String, Value> = BTreeMap::new();
        for finding in &case.findings {
            let (row, columns) = finding_parts(finding, &mut detections, &mut events)?;
            rows.push(&row)?;
            fields.push(&columns)?;
        }
        let dossiers = shown(&case.dossiers, &mut events)?;
        if let Some(core) = core.as_object_mut() {
            core.remove("dossiers");
            core.remove("findings");
            let told = core
                .get("summary")
                .and_then(Value::as_array)
                .is_some_and(|sentences| !sentences.is_empty());
            if !told {
                let sentences: Vec<Value> = outline
                    .sentences
                    .iter()
                    .map(|text| text::visible(text, MOST_TEXT).into())
                    .collect();
                core.insert("summary".to_owned(), sentences.into());
            }
            core.entry("scope").or_insert(Value::Null);
            core.entry("silenced").or_insert_with(|| json!([]));
            core.insert("attack".to_owned(), techniques(case));
            core.insert("detections".to_owned(), json!(detections));
            core.insert(
                "records".to_owned(),
                records::Records::default().info(events.all.len()),
            );
        }
        Ok(Self {
            core,
            findings: rows.finish()?,
            fields: fields.finish()?,
            dossiers,
            events,
            records: records::Records::default(),
            outline,
        })
    }

    /// The case in parts, by name, each gzipped JSON: the content of the page, which a server also sends to the front
    /// end.
    ///
    /// # Errors
    /// If a part cannot be written as JSON, which cannot happen to a case that was read or built.
    pub fn parts(&self) -> io::Result<Vec<(String, Vec<u8>)>> {
        let columns = self
            .events
            .columns(&self.records.chunk_of_events(self.events.all.len()));
        let mut parts = vec![
            ("core".to_owned(), packed(&self.core)?),
            ("events".to_owned(), packed(&columns)?),
            ("findings".to_owned(), self.findings.clone()),
            ("fields".to_owned(), self.fields.clone()),
            ("dossiers".to_owned(), packed(&self.dossiers)?),
        ];
        for (at, chunk) in self.records.chunks().iter().enumerate() {
            parts.push((format!("records-{at}"), chunk.clone()));
        }
        if let Some(front_end) = front_end() {
            parts.push(("licences".to_owned(), packed(&front_end.licences.into())?));
        }
        Ok(parts)
    }

    /// Writes the page.
    ///
    /// # Errors
    /// Write errors, or [`io::ErrorKind::Unsupported`] if the program was built without the front end.
    pub fn write(&self, mut out: impl Write) -> io::Result<()> {
        let front_end = front_end()
            .ok_or_else(|| io::Error::new(io::ErrorKind::Unsupported, WITHOUT_FRONT_END))?;
        page::head(&mut out, front_end, &self.outline)?;
        for (name, bytes) in self.parts()? {
            write!(
                out,
                "<script type=\"application/octet-stream\" data-part=\"{name}\">"
            )?;
            let mut encoder = base64::write::EncoderWriter::new(&mut out, &STANDARD);
            encoder.write_all(&bytes)?;
            encoder.finish()?;
            drop(encoder);
            out.write_all(b"</script>\n")?;
        }
        page::foot(&mut out, front_end)?;
        out.flush()
    }
}

/// A finding without what all findings of its detection share, and the columns of its row.
fn finding_parts(
    finding: &FindingInfo,
    detections: &mut BTreeMap<String, Value>,
    events: &mut Events,
) -> io::Result<(Value, Value)> {
    let listed: Vec<Value> = finding
        .events
        .iter()
        .take(MOST_EVENTS)
        .map(|event| events.index(event.clone()).into())
        .collect();
    let row = json!({
        "id": finding.id,
        "detection": finding.detection,
        "detection_id": finding.detection_id,
        "type": finding.kind,
        "severity": finding.severity,
        "risk_score": finding.risk_score,
        "techniques": finding.techniques,
        "story": finding.story,
        "first": finding.first,
        "last": finding.last,
        "message": finding.message,
        "notable": finding.notable,
        "suppressed": serde_json::to_value(&finding.suppressed).map_err(io::Error::from)?,
        "risk_objects": serde_json::to_value(&finding.risk_objects).map_err(io::Error::from)?,
        "threat_objects": serde_json::to_value(&finding.threat_objects).map_err(io::Error::from)?,
        "hosts": finding.hosts,
        "event_count": finding.event_count,
    });
    let mut row = shown(&row, events)?;
    if let Some(row) = row.as_object_mut() {
        row.insert("events".to_owned(), listed.into());
    }
    let columns = shown(&finding.fields, events)?;
    if !detections.contains_key(&finding.detection_id) {
        let detection = json!({
            "description": finding.description,
            "known_false_positives": finding.known_false_positives,
            "references": finding.references,
        });
        detections.insert(finding.detection_id.clone(), shown(&detection, events)?);
    }
    Ok((row, columns))
}

/// Names and tactics of the techniques in the case.
fn techniques(case: &Case) -> Value {
    let ids = case
        .findings
        .iter()
        .flat_map(|finding| &finding.techniques)
        .chain(case.hops.iter().flat_map(|hop| &hop.techniques));
    let mut all = Map::new();
    for id in ids {
        if all.contains_key(id) {
            continue;
        }
        if let Some(technique) = attack::technique(id) {
            let name = if attack::is_known(id) {
                technique.name
            } else {
                ""
            };
            all.insert(
                id.clone(),
                json!({"name": name, "tactics": technique.tactics}),
            );
        }
    }
    Value::Object(all)
}
