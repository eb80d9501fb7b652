//! The event log reader against another reader, damaged files, and random damage.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use arrow_array::{Array, ListArray, StringArray, UInt64Array};
use crabwalk_sources::collect::{
    Collected, Collector, Columns, Demand, Everything, HOST, RECORD, XML, data_column,
};
use crabwalk_sources::evtx::{EvtxReader, chunk_count, is_evtx};
use crabwalk_sources::report::{SourceKind, SourceReport};
use crabwalk_testing::corpus;
use proptest::prelude::*;

fn evtx_files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            evtx_files(&path, found);
        } else if path
            .extension()
            .is_some_and(|ext| ext.eq_ignore_ascii_case("evtx"))
        {
            found.push(path);
        }
    }
    found.sort();
}

fn read(bytes: &[u8]) -> (Collected, SourceReport) {
    let demand = Everything;
    let mut collector = Collector::new(&demand);
    let mut report = SourceReport::new(0, "test".to_owned(), SourceKind::Evtx);
    EvtxReader::new()
        .read(bytes, 0, &mut collector, &mut report)
        .unwrap();
    (Collector::merge(vec![collector]).unwrap(), report)
}

/// Fields of one record: name to values in order.
type Fields = BTreeMap<String, Vec<String>>;
/// Records by channel, event id, host, record number.
type Records = BTreeMap<(String, u32, String, u64), Fields>;

fn records_of(collected: &Collected) -> Records {
    let mut records = Records::new();
    for table in &collected.tables {
        for batch in &table.batches {
            let hosts = batch
                .column_by_name(HOST)
                .unwrap()
                .as_any()
                .downcast_ref::<StringArray>()
                .unwrap()
                .clone();
            let ids = batch
                .column_by_name(RECORD)
                .unwrap()
                .as_any()
                .downcast_ref::<UInt64Array>()
                .unwrap()
                .clone();
            for row in 0..batch.num_rows() {
                let mut fields = Fields::new();
                for (at, field) in batch.schema().fields().iter().enumerate().skip(4) {
                    let column = batch.column(at);
                    if column.is_null(row) {
                        continue;
                    }
                    let values: Vec<String> =
                        if let Some(texts) = column.as_any().downcast_ref::<StringArray>() {
                            vec![texts.value(row).to_owned()]
                        } else {
                            let list = column
                                .as_any()
                                .downcast_ref::<ListArray>()
                                .unwrap()
                                .value(row);
                            let texts = list.as_any().downcast_ref::<StringArray>().unwrap();
                            (0..texts.len())
                                .map(|at| texts.value(at).to_owned())
                                .collect()
                        };
                    fields.insert(field.name().clone(), values);
                }
                records.insert(
                    (
                        table.channel.clone(),
                        table.event_id,
                        hosts.value(row).to_owned(),
                        ids.value(row),
                    ),
                    fields,
                );
            }
        }
    }
    records
}

/// One element of the reference's XML.
#[derive(Default)]
struct Element {
    name: String,
    attributes: Vec<(String, String)>,
    children: Vec<Element>,
    text: String,
}

fn parse(xml: &str) -> Element {
    use quick_xml::events::Event;
    let mut reader = quick_xml::Reader::from_str(xml);
    let mut stack = vec![Element::default()];
    let start = |tag: &quick_xml::events::BytesStart<'_>| {
        let mut element = Element {
            name: String::from(tag.name().as_ref()),
            ..Element::default()
        };
        for attribute in tag.attributes().with_checks(false) {
            let attribute = attribute.unwrap();
            let value = String::from(attribute.value.as_ref());
            let value = quick_xml::escape::unescape(&value).unwrap().into_owned();
            element
                .attributes
                .push((String::from(attribute.key.as_ref()), value));
        }
        element
    };
    loop {
        match reader.read_event().unwrap() {
            Event::Start(tag) => stack.push(start(&tag)),
            Event::Empty(tag) => {
                let element = start(&tag);
                stack.last_mut().unwrap().children.push(element);
            }
            Event::End(_) => {
                let element = stack.pop().unwrap();
                stack.last_mut().unwrap().children.push(element);
            }
            Event::Text(text) => stack.last_mut().unwrap().text.push_str(text.as_ref()),
            Event::CData(text) => stack.last_mut().unwrap().text.push_str(text.as_ref()),
            Event::GeneralRef(name) => {
                let name = format!("&{};", String::from(name.as_ref()));
                stack
                    .last_mut()
                    .unwrap()
                    .text
                    .push_str(&quick_xml::escape::unescape(&name).map_or(name.clone(), Into::into));
            }
            Event::Eof => return stack.pop().unwrap().children.pop().unwrap_or_default(),
            _ => {}
        }
    }
}

/// Fields below `EventData` and `UserData` as the reference has them; empty values are left out.
fn data_fields(element: &Element, fields: &mut Vec<(String, String)>) {
    for child in &element.children {
        let data = matches!(child.name.as_str(), "Data" | "ComplexData");
        let mut name = if data {
            "Data".to_owned()
        } else {
            child.name.clone()
        };
        for (key, value) in &child.attributes {
            if data && key == "Name" {
                if !value.is_empty() {
                    name.clone_from(value);
                }
            } else if key != "xmlns" && !key.starts_with("xmlns:") {
                fields.push((format!("{}.{key}", child.name), value.clone()));
            }
        }
        if child.children.is_empty() {
            fields.push((name, child.text.clone()));
        } else {
            data_fields(child, fields);
        }
    }
}

/// Control characters and what is not UTF-16 are written differently by both readers.
fn comparable(text: &str) -> String {
    let text = text.split('\u{fffd}').next().unwrap_or_default();
    text.replace("\r\n", "\n")
        .chars()
        .map(|char| {
            if (char < ' ' && !matches!(char, '\n' | '\r' | '\t')) || char == '\u{ffff}' {
                '_'
            } else {
                char
            }
        })
        .collect::<String>()
}

#[test]
fn values_agree_with_another_reader() {
    let Some(corpus) = corpus("files") else {
        return;
    };
    let mut files = Vec::new();
    evtx_files(&corpus.join("files"), &mut files);
    let (mut compared, mut different, mut fewer) = (0_u64, 0_u64, 0_u64);
    let mut examples = Vec::new();
    for path in &files {
        let bytes = std::fs::read(path).unwrap();
        let (collected, report) = read(&bytes);
        let ours = records_of(&collected);
        let ours: BTreeMap<_, _> = ours
            .iter()
            .map(|(key, fields)| ((key.0.to_lowercase(), key.1, key.2.clone(), key.3), fields))
            .collect();
        let Ok(mut parser) = evtx::EvtxParser::from_buffer(bytes) else {
            continue;
        };
        let mut theirs = 0;
        for record in parser.records() {
            let Ok(record) = record else { continue };
            theirs += 1;
            let event = parse(&record.data);
            let child = |element: &Element, name: &str| -> String {
                element
                    .children
                    .iter()
                    .find(|child| child.name == name)
                    .map_or(String::new(), |child| child.text.clone())
            };
            let Some(system) = event.children.iter().find(|child| child.name == "System") else {
                continue;
            };
            let id: u32 = child(system, "EventID").trim().parse().unwrap_or(0);
            let channel = child(system, "Channel");
            let host = child(system, "Computer");
            let mut expected = Vec::new();
            for part in &event.children {
                if matches!(
                    part.name.as_str(),
                    "EventData" | "UserData" | "ProcessingErrorData" | "DebugData"
                ) {
                    data_fields(part, &mut expected);
                }
            }
            for (name, _) in &mut expected {
                *name = data_column(&channel, id, name).into_owned();
            }
            let provider = system
                .children
                .iter()
                .find(|child| child.name == "Provider")
                .unwrap();
            if let Some((_, name)) = provider.attributes.iter().find(|(key, _)| key == "Name") {
                expected.push(("Provider".to_owned(), name.clone()));
            }
            for name in ["Version", "Level", "Task", "Opcode", "Keywords"] {
                expected.push((name.to_owned(), child(system, name)));
            }
            let Some(fields) = ours
                .get(&(
                    channel.to_lowercase(),
                    id,
                    host.clone(),
                    number_of(system).unwrap_or(record.event_record_id),
                ))
                .copied()
            else {
                different += 1;
                if examples.len() < 30 {
                    examples.push(format!(
                        "{}: record {} ({channel} {id} {host}) is missing",
                        path.display(),
                        record.event_record_id
                    ));
                }
                continue;
            };
            let mut wanted: Fields = Fields::new();
            for (name, value) in expected {
                if !value.is_empty() {
                    wanted.entry(name).or_default().push(comparable(&value));
                }
            }
            // A record that lost its channel is overwritten; there both readers guess.
            if channel.is_empty() {
                continue;
            }
            compared += 1;
            for (name, values) in &wanted {
                let got: Vec<String> = fields
                    .get(name)
                    .map(|values| {
                        values
                            .iter()
                            .map(|value| comparable(value))
                            .filter(|value| !value.is_empty())
                            .collect()
                    })
                    .unwrap_or_default();
                if &got != values {
                    different += 1;
                    if examples.len() < 30 {
                        examples.push(format!(
                            "{}: record {} field {name}: {got:?}, expected {values:?}",
                            path.display(),
                            record.event_record_id
                        ));
                    }
                }
            }
        }
        if report.records > theirs {
            println!(
                "{}: {} records, {} more than the other reader; {:?}",
                path.display(),
                report.records,
                report.records - theirs,
                report.problems.first()
            );
        }
        if report.records < theirs {
            fewer += 1;
            examples.push(format!(
                "{}: {} records, expected {theirs}; {:?}",
                path.display(),
                report.records,
                report.problems
            ));
        }
    }
    println!("{} files, {compared} records compared", files.len());
    assert!(compared > 0 || files.is_empty());
    assert_eq!((different, fewer), (0, 0), "{}", examples.join("\n"));
}

/// Everything, as XML too.
struct WithXml;
impl Demand for WithXml {
    fn columns(&self, _: &str, _: u32) -> Columns {
        Columns::All
    }
    fn xml(&self) -> bool {
        true
    }
}

/// The XML of each record of a file.
fn xml_of(bytes: &[u8]) -> BTreeMap<(String, u32, String, u64), String> {
    let mut collector = Collector::new(&WithXml);
    let mut report = SourceReport::new(0, "test".to_owned(), SourceKind::Evtx);
    EvtxReader::new()
        .read(bytes, 0, &mut collector, &mut report)
        .unwrap();
    records_of(&Collector::merge(vec![collector]).unwrap())
        .into_iter()
        .filter_map(|((channel, id, host, number), mut fields)| {
            let key = (channel.to_lowercase(), id, host, number);
            Some((key, fields.remove(XML)?.remove(0)))
        })
        .collect()
}

/// An element with its attributes, text and all below it, one line each.
fn outline(element: &Element, depth: usize, out: &mut Vec<String>) {
    let text = if element.children.is_empty() {
        comparable(element.text.trim())
    } else {
        String::new()
    };
    // The reference leaves values out of attributes that are empty.
    let attributes: Vec<String> = element
        .attributes
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}={}", comparable(value)))
        .collect();
    out.push(format!(
        "{depth} {} [{}] {text}",
        element.name,
        attributes.join(" ")
    ));
    for child in &element.children {
        outline(child, depth + 1, out);
    }
}

/// The text of a child of an element.
fn text_of(element: &Element, name: &str) -> String {
    element
        .children
        .iter()
        .find(|child| child.name == name)
        .map(|child| child.text.clone())
        .unwrap_or_default()
}

/// The number that the event itself says it has.
fn number_of(system: &Element) -> Option<u64> {
    let number = text_of(system, "EventRecordID").trim().parse().ok()?;
    (number != 0).then_some(number)
}

#[test]
fn xml_agrees_with_another_reader() {
    let Some(corpus) = corpus("files") else {
        return;
    };
    let mut files = Vec::new();
    evtx_files(&corpus.join("files"), &mut files);
    let (mut compared, mut different) = (0_u64, 0_u64);
    let mut examples = Vec::new();
    for path in &files {
        let bytes = std::fs::read(path).unwrap();
        let ours = xml_of(&bytes);
        let Ok(mut parser) = evtx::EvtxParser::from_buffer(bytes) else {
            continue;
        };
        for record in parser.records() {
            let Ok(record) = record else { continue };
            let theirs = parse(&record.data);
            let Some(system) = theirs.children.iter().find(|child| child.name == "System") else {
                continue;
            };
            let number = number_of(system).unwrap_or(record.event_record_id);
            let text = |name| text_of(system, name);
            let id = text("EventID").trim().parse().unwrap_or(0);
            let key = (text("Channel").to_lowercase(), id, text("Computer"), number);
            let Some(own) = ours.get(&key) else {
                continue;
            };
            let (mut got, mut expected) = (Vec::new(), Vec::new());
            outline(&parse(own), 0, &mut got);
            outline(&theirs, 0, &mut expected);
            compared += 1;
            if got != expected {
                different += 1;
                let at = got
                    .iter()
                    .zip(&expected)
                    .position(|(a, b)| a != b)
                    .unwrap_or_else(|| got.len().min(expected.len()));
                if examples.len() < 30 {
                    examples.push(format!(
                        "{}: record {}: {:?}, expected {:?}",
                        path.display(),
                        record.event_record_id,
                        got.get(at),
                        expected.get(at)
                    ));
                }
            }
        }
    }
    println!("{} files, {compared} records compared", files.len());
    assert!(compared > 0 || files.is_empty());
    assert_eq!(different, 0, "{}", examples.join("\n"));
}

#[test]
fn damaged_files_give_what_is_left() {
    let Some(corpus) = corpus("corrupt/expect.jsonl") else {
        return;
    };
    let expect = std::fs::read_to_string(corpus.join("corrupt/expect.jsonl")).unwrap();
    let mut failed = Vec::new();
    for line in expect.lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        let path = corpus.join(value["path"].as_str().unwrap());
        let (_, report) = read(&std::fs::read(&path).unwrap());
        println!(
            "{}: {} read, {} lost, {:?}",
            value["variant"], report.records, report.skipped, report.problems
        );
        if report.records < value["reference_records"].as_u64().unwrap() {
            failed.push(path);
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}

// A small event log made here.

struct Maker {
    chunk: Vec<u8>,
}

impl Maker {
    fn name(&mut self, name: &str) {
        let at = self.chunk.len() as u32 + 4;
        self.chunk.extend(at.to_le_bytes());
        self.chunk.extend([0; 6]);
        self.chunk
            .extend((name.encode_utf16().count() as u16).to_le_bytes());
        self.chunk
            .extend(name.encode_utf16().flat_map(u16::to_le_bytes));
        self.chunk.extend([0, 0]);
    }
    fn open(&mut self, name: &str, attributes: bool) {
        self.chunk.push(if attributes { 0x41 } else { 0x01 });
        self.chunk.extend([0xff, 0xff, 0, 0, 0, 0]);
        self.name(name);
        if attributes {
            self.chunk.extend([0; 4]);
        }
    }
    fn attribute(&mut self, name: &str) {
        self.chunk.push(0x06);
        self.name(name);
    }
    fn text(&mut self, text: &str) {
        self.chunk.extend([0x05, 0x01]);
        self.chunk
            .extend((text.encode_utf16().count() as u16).to_le_bytes());
        self.chunk
            .extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    }
    fn slot(&mut self, index: u16, kind: u8) {
        self.chunk.push(0x0d);
        self.chunk.extend(index.to_le_bytes());
        self.chunk.push(kind);
    }
    fn leaf(&mut self, name: &str, index: u16, kind: u8) {
        self.open(name, false);
        self.chunk.push(0x02);
        self.slot(index, kind);
        self.chunk.push(0x04);
    }
    fn definition(&mut self) {
        let start = self.chunk.len();
        self.chunk.extend([0; 24]);
        self.chunk.extend([0x0f, 1, 1, 0]);
        self.open("Event", false);
        self.chunk.push(0x02);
        self.open("System", false);
        self.chunk.push(0x02);
        self.open("Provider", true);
        self.attribute("Name");
        self.text("Maker");
        self.chunk.push(0x03);
        self.leaf("EventID", 0, 0x06);
        self.open("TimeCreated", true);
        self.attribute("SystemTime");
        self.slot(1, 0x11);
        self.chunk.push(0x03);
        self.leaf("Channel", 2, 0x01);
        self.leaf("Computer", 3, 0x01);
        self.chunk.push(0x04);
        self.open("EventData", false);
        self.chunk.push(0x02);
        self.open("Data", true);
        self.attribute("Name");
        self.text("TargetUserName");
        self.chunk.push(0x02);
        self.slot(4, 0x01);
        self.chunk.push(0x04);
        self.leaf("Data", 5, 0x81);
        self.chunk.extend([0x04, 0x04, 0x00]);
        let len = (self.chunk.len() - start - 24) as u32;
        self.chunk[start + 20..start + 24].copy_from_slice(&len.to_le_bytes());
    }
}

const MADE: u64 = 5;

/// A file of one chunk with five records.
fn made() -> Vec<u8> {
    let mut maker = Maker {
        chunk: vec![0; 512],
    };
    let mut definition = 0;
    let mut last = 0;
    for id in 1..=MADE {
        let start = maker.chunk.len();
        last = start;
        maker.chunk.extend([0x2a, 0x2a, 0, 0, 0, 0, 0, 0]);
        maker.chunk.extend(id.to_le_bytes());
        let time = 133_000_000_000_000_000_u64 + id;
        maker.chunk.extend(time.to_le_bytes());
        maker.chunk.extend([0x0f, 1, 1, 0, 0x0c, 1, 7, 0, 0, 0]);
        if definition == 0 {
            definition = maker.chunk.len() as u32 + 4;
            maker.chunk.extend(definition.to_le_bytes());
            maker.definition();
        } else {
            maker.chunk.extend(definition.to_le_bytes());
        }
        let wide = |text: &str| {
            text.encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect::<Vec<u8>>()
        };
        let values: Vec<(u8, Vec<u8>)> = vec![
            (0x06, 4624_u16.to_le_bytes().to_vec()),
            (0x11, time.to_le_bytes().to_vec()),
            (0x01, wide("Security")),
            (0x01, wide("host.example")),
            (0x01, wide(&format!("user-{id} ñ"))),
            (0x81, wide("one\0\0three\0")),
        ];
        maker.chunk.extend((values.len() as u32).to_le_bytes());
        for (kind, bytes) in &values {
            maker.chunk.extend((bytes.len() as u16).to_le_bytes());
            maker.chunk.extend([*kind, 0]);
        }
        for (_, bytes) in &values {
            maker.chunk.extend(bytes);
        }
        while !(maker.chunk.len() + 4 - start).is_multiple_of(8) {
            maker.chunk.push(0);
        }
        let size = (maker.chunk.len() + 4 - start) as u32;
        maker.chunk.extend(size.to_le_bytes());
        maker.chunk[start + 4..start + 8].copy_from_slice(&size.to_le_bytes());
    }
    let mut chunk = maker.chunk;
    let free = chunk.len();
    chunk.resize(65536, 0);
    chunk[..8].copy_from_slice(b"ElfChnk\0");
    for (at, value) in [(8, 1), (16, MADE), (24, 1), (32, MADE)] {
        chunk[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }
    chunk[40..44].copy_from_slice(&128_u32.to_le_bytes());
    chunk[44..48].copy_from_slice(&(last as u32).to_le_bytes());
    chunk[48..52].copy_from_slice(&(free as u32).to_le_bytes());
    let crc = crc32fast::hash(&chunk[512..free]);
    chunk[52..56].copy_from_slice(&crc.to_le_bytes());
    let mut header = chunk[..120].to_vec();
    header.extend_from_slice(&chunk[128..512]);
    chunk[124..128].copy_from_slice(&crc32fast::hash(&header).to_le_bytes());
    let mut file = vec![0; 4096];
    file[..8].copy_from_slice(b"ElfFile\0");
    let crc = crc32fast::hash(&file[..120]);
    file[124..128].copy_from_slice(&crc.to_le_bytes());
    file.extend(chunk);
    file
}

/// Offsets in the file of the made records.
fn starts(file: &[u8]) -> Vec<usize> {
    let mut at = 4096 + 512;
    let mut found = Vec::new();
    while file[at..].starts_with(b"**\0\0") {
        found.push(at);
        at += u32::from_le_bytes(file[at + 4..at + 8].try_into().unwrap()) as usize;
    }
    found
}

#[test]
fn a_made_file_reads_well() {
    let file = made();
    assert!(is_evtx(&file));
    assert_eq!(chunk_count(file.len() as u64), 1);
    let (collected, report) = read(&file);
    assert_eq!(
        (report.records, report.skipped, report.bytes),
        (MADE, 0, file.len() as u64),
        "{:?}",
        report.problems
    );
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    let records = records_of(&collected);
    let fields = &records[&("Security".to_owned(), 4624, "host.example".to_owned(), 2)];
    assert_eq!(fields["TargetUserName"], ["user-2 ñ"]);
    assert_eq!(fields["Data"], ["one", "", "three"]);
    assert_eq!(fields["Provider"], ["Maker"]);
    assert_eq!(collected.coverage[0].records, MADE);
}

struct OneField;
impl Demand for OneField {
    fn columns(&self, channel: &str, _: u32) -> Columns {
        match channel {
            "Security" => Columns::Named(std::sync::Arc::new(["TargetUserName".to_owned()].into())),
            _ => Columns::None,
        }
    }
}

#[test]
fn only_needed_columns_are_stored_and_copies_are_dropped() {
    let file = made();
    let mut collector = Collector::new(&OneField);
    let mut report = SourceReport::new(0, "test".to_owned(), SourceKind::Evtx);
    let mut reader = EvtxReader::new();
    reader
        .read(file.as_slice(), 0, &mut collector, &mut report)
        .unwrap();
    let mut path = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut path, &file).unwrap();
    reader
        .read_file_range(path.as_file(), 0..1, 1, &mut collector, &mut report)
        .unwrap();
    let collected = Collector::merge(vec![collector]).unwrap();
    assert_eq!((report.records, collected.duplicates), (2 * MADE, MADE));
    let table = &collected.tables[0];
    assert!(table.fields_seen.contains("Provider"));
    let names: Vec<&str> = table
        .schema
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    assert_eq!(
        names,
        ["_time", "host", "_source", "_record", "TargetUserName"]
    );
}

#[test]
fn the_xml_of_a_record_is_as_windows_shows_it() {
    assert_eq!(
        xml_of(&made())[&("security".to_owned(), 4624, "host.example".to_owned(), 2)],
        "<Event><System><Provider Name='Maker'/><EventID>4624</EventID>\
         <TimeCreated SystemTime='2022-06-18T04:26:40.0000002Z'/><Channel>Security</Channel>\
         <Computer>host.example</Computer></System><EventData><Data Name='TargetUserName'>user-2 ñ</Data>\
         <Data>one</Data><Data></Data><Data>three</Data></EventData></Event>"
    );
}

/// Some records of one file, by number.
struct Numbers(&'static [u64]);
impl Demand for Numbers {
    fn columns(&self, _: &str, _: u32) -> Columns {
        Columns::All
    }
    fn record_numbers(&self, path: &str) -> Option<&[u64]> {
        (path == "test").then_some(self.0)
    }
}

#[test]
fn records_that_nobody_needs_are_passed_over() {
    let file = made();
    for (path, wanted, expected) in [
        ("test", &[][..], &[][..]),
        ("test", &[9], &[]),
        ("test", &[2, 5, 900], &[2, 5]),
        ("another", &[2], &[1, 2, 3, 4, 5]),
    ] {
        let demand = Numbers(wanted);
        let mut collector = Collector::new(&demand);
        let mut report = SourceReport::new(0, path.to_owned(), SourceKind::Evtx);
        EvtxReader::new()
            .read(file.as_slice(), 0, &mut collector, &mut report)
            .unwrap();
        let records = records_of(&Collector::merge(vec![collector]).unwrap());
        let numbers: Vec<u64> = records.keys().map(|key| key.3).collect();
        assert_eq!(numbers, expected, "{path} {wanted:?}");
    }
}

struct OneRecord(u64);
impl Demand for OneRecord {
    fn columns(&self, _: &str, _: u32) -> Columns {
        Columns::All
    }
    fn keeps(&self, head: &crabwalk_sources::collect::Head<'_>) -> bool {
        head.record == self.0
    }
}

#[test]
fn one_record_is_read_back_whole() {
    let file = made();
    let (all, _) = read(&file);
    let demand = OneRecord(2);
    let mut collector = Collector::new(&demand);
    let mut report = SourceReport::new(0, "test".to_owned(), SourceKind::Evtx);
    EvtxReader::new()
        .read(file.as_slice(), 0, &mut collector, &mut report)
        .unwrap();
    assert_eq!(report.records, MADE);
    let one = records_of(&Collector::merge(vec![collector]).unwrap());
    let key = ("Security".to_owned(), 4624, "host.example".to_owned(), 2);
    assert_eq!(one.keys().collect::<Vec<_>>(), [&key]);
    assert_eq!(one[&key], records_of(&all)[&key]);
}

#[test]
fn damage_costs_no_more_than_it_must() {
    type Change = fn(&mut Vec<u8>, &[usize]);
    let cases: &[(&str, Change, u64, bool)] = &[
        (
            "file header zeroed",
            |file, _| file[..4096].fill(0),
            MADE,
            true,
        ),
        (
            "file header gone",
            |file, _| {
                file.drain(..4096);
            },
            MADE,
            true,
        ),
        (
            "chunk magic gone",
            |file, _| file[4096..4104].fill(0),
            MADE,
            true,
        ),
        (
            "chunk header zeroed",
            |file, _| file[4096..4608].fill(0),
            MADE,
            true,
        ),
        (
            "free space offset huge",
            |file, _| file[4096 + 48..4096 + 52].fill(0xff),
            MADE,
            true,
        ),
        ("record magic gone", |file, at| file[at[1]] = 0, MADE, true),
        (
            "record size zero",
            |file, at| file[at[1] + 4..at[1] + 8].fill(0),
            MADE,
            true,
        ),
        (
            "record size huge",
            |file, at| file[at[1] + 4..at[1] + 8].fill(0xff),
            MADE,
            true,
        ),
        (
            "last record size huge",
            |file, at| file[at[4] + 4..at[4] + 8].fill(0xff),
            MADE,
            true,
        ),
        (
            "record zeroed",
            |file, at| file[at[2]..at[3]].fill(0),
            MADE - 1,
            true,
        ),
        (
            "value count huge",
            |file, at| file[at[2] + 38..at[2] + 42].fill(0xff),
            MADE - 1,
            true,
        ),
        (
            "cut in the last record",
            |file, at| file.truncate(at[4] + 40),
            MADE - 1,
            true,
        ),
        (
            "zeros behind",
            |file, _| file.resize(4096 + 3 * 65536, 0),
            MADE,
            false,
        ),
        (
            "garbage behind",
            |file, _| file.extend([0x5a; 999]),
            MADE,
            true,
        ),
    ];
    for (name, change, records, noticed) in cases {
        let mut file = made();
        let at = starts(&file);
        change(&mut file, &at);
        let (_, report) = read(&file);
        assert_eq!(report.records, *records, "{name}: {:?}", report.problems);
        assert_eq!(
            report.skipped,
            MADE - records,
            "{name}: {:?}",
            report.problems
        );
        assert_eq!(
            !report.problems.is_empty(),
            *noticed,
            "{name}: {:?}",
            report.problems
        );
        assert!(
            *noticed
                == (report
                    .problems
                    .iter()
                    .any(|problem| !problem.message.is_empty())),
            "{name}"
        );
    }
}

#[test]
fn wiped_chunks_are_named_and_unused_space_is_not() {
    let in_use = |file: &mut Vec<u8>, chunks: u8| {
        file[42] = chunks;
        let crc = crc32fast::hash(&file[..120]);
        file[124..128].copy_from_slice(&crc.to_le_bytes());
    };
    let zeros = [0; 65536];
    let mut before = made();
    before.splice(4096..4096, [zeros, zeros].concat());
    let mut only = made();
    only[4096..].fill(0);
    in_use(&mut only, 1);
    let mut last = made();
    last.extend(zeros);
    last.extend(zeros);
    in_use(&mut last, 2);
    let mut unused = made();
    unused.extend(zeros);
    in_use(&mut unused, 1);
    for (name, file, records, offset, words) in [
        (
            "before another",
            before,
            MADE,
            4096,
            "chunks 0 to 1 hold nothing but zero bytes",
        ),
        ("the only one", only, 0, 4096, "chunk 0, offset 0x0"),
        (
            "in use by the header",
            last,
            MADE,
            4096 + 65536,
            "chunk 1, offset 0x0",
        ),
        ("unused", unused, MADE, 0, ""),
    ] {
        let (_, report) = read(&file);
        assert_eq!(report.records, records, "{name}");
        let named = report
            .problems
            .iter()
            .filter(|problem| problem.loss && problem.offset == Some(offset))
            .filter(|problem| problem.message.contains(words))
            .count();
        assert_eq!(named, usize::from(!words.is_empty()), "{name}: {report:?}");
        assert_eq!(report.problems.len(), named, "{name}: {report:?}");
    }
}

#[test]
fn wiped_chunks_are_named_once_however_the_file_is_divided() {
    let mut file = made_of(2);
    // Beyond what the header counts.
    header(&mut file, 1, (0, 0), MADE + 1, 0);
    let (first, last) = file.split_at(4096 + 65536);
    let wiped = [first, &[0; 3 * 65536], last].concat();
    let unused = [first, last, &[0; 3 * 65536]].concat();
    for (name, bytes, told) in [("wiped", wiped, 1), ("unused", unused, 0)] {
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, &bytes).unwrap();
        for cuts in [
            &[0, 5][..],
            &[0, 2, 5],
            &[0, 1, 5],
            &[0, 1, 2, 3, 4, 5],
            &[0, 3, 5],
            &[0, 4, 5],
        ] {
            let demand = Everything;
            let mut problems = Vec::new();
            for part in cuts.windows(2) {
                let mut collector = Collector::new(&demand);
                let mut report = SourceReport::new(0, "test".to_owned(), SourceKind::Evtx);

                EvtxReader::new()
                    .read_file_range(&file, part[0]..part[1], 0, &mut collector, &mut report)
                    .unwrap();
                problems.extend(report.problems);
            }
            let zeros: Vec<_> = problems
                .iter()
                .filter(|problem| problem.message.contains("zero bytes"))
                .map(|problem| problem.message.as_str())
                .collect();
            assert_eq!(zeros.len(), told, "{name} {cuts:?}: {zeros:?}");
            assert!(
                zeros
                    .iter()
                    .all(|message| message.contains("chunks 1 to 3")),
                "{name} {cuts:?}: {zeros:?}"
            );
        }
    }
}

#[test]
fn old_records_behind_the_live_ones_are_not_read() {
    let mut file = made();
    let at = starts(&file);
    let old = file[at[1]..at[2]].to_vec();
    let free = at[4] + (at[4] - at[3]);
    file[free..free + old.len()].copy_from_slice(&old);
    assert_eq!(read(&file).1.records, MADE);
    // Also where the chunk's header does not tell where they end.
    file[4096 + 48..4096 + 52].fill(0xff);
    assert_eq!(read(&file).1.records, MADE);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Whatever is damaged: no panic, an end, and never more records than fit.
    #[test]
    fn random_damage_is_survived(changes in proptest::collection::vec((0_usize..2400, any::<u8>()), 1..12), cut in proptest::option::of(0_usize..70_000)) {
        let mut file = made();
        for (at, byte) in changes {
            // The chunk's header and records; a few in the file's header.
            file[4090 + at] = byte;
        }
        if let Some(cut) = cut {
            file.truncate(cut);
        }
        let (collected, report) = read(&file);
        prop_assert!(report.records <= MADE + 1);
        let rows: usize = collected.tables.iter().flat_map(|table| &table.batches).map(|batch| batch.num_rows()).sum();
        prop_assert!(rows as u64 <= report.records);
    }
}

/// A file of `chunks` chunks with five records each, whose header says what it should.
fn made_of(chunks: u8) -> Vec<u8> {
    let mut file = made();
    let chunk = file.split_off(4096);
    for number in 0..u64::from(chunks) {
        let mut chunk = chunk.clone();
        let first = number * MADE + 1;
        let mut at = 512;
        for id in first..first + MADE {
            chunk[at + 8..at + 16].copy_from_slice(&id.to_le_bytes());
            at += u32::from_le_bytes(chunk[at + 4..at + 8].try_into().unwrap()) as usize;
        }
        for (at, value) in [
            (8, first),
            (16, first + MADE - 1),
            (24, first),
            (32, first + MADE - 1),
        ] {
            chunk[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        let crc = crc32fast::hash(&chunk[512..at]);
        chunk[52..56].copy_from_slice(&crc.to_le_bytes());
        let header = [&chunk[..120], &chunk[128..512]].concat();
        chunk[124..128].copy_from_slice(&crc32fast::hash(&header).to_le_bytes());
        file.extend(chunk);
    }
    let next = u64::from(chunks) * MADE + 1;
    header(&mut file, chunks, (0, u64::from(chunks) - 1), next, 0);
    file
}

/// Writes into the file's header: number of chunks, the oldest and the newest of them, next record number, flags.
fn header(file: &mut [u8], chunks: u8, (oldest, newest): (u64, u64), next: u64, flags: u8) {
    for (at, value) in [(8, oldest), (16, newest), (24, next)] {
        file[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }
    file[42] = chunks;
    file[120] = flags;
    let crc = crc32fast::hash(&file[..120]);
    file[124..128].copy_from_slice(&crc.to_le_bytes());
}

#[test]
fn what_the_header_counts_and_the_file_does_not_hold_is_named() {
    const DIRTY: u8 = 1;
    let cut = |chunks: usize| made_of(4)[..4096 + chunks * 65536].to_vec();
    // A full log goes on at its first chunk: the newest records are in chunk 1, the oldest in chunk 2.
    let mut circular = [
        &made_of(6)[..4096],
        &made_of(6)[4096 + 4 * 65536..],
        &made_of(4)[4096 + 2 * 65536..],
    ]
    .concat();
    header(&mut circular, 4, (2, 1), 31, 0);
    let circular_cut = circular[..4096 + 3 * 65536].to_vec();
    let mut older = circular.clone();
    older.truncate(4096 + 2 * 65536);
    let mut stale = made_of(4);
    header(&mut stale, 2, (0, 1), 11, DIRTY);
    let mut shorter = cut(2);
    header(&mut shorter, 4, (0, 3), 21, DIRTY);
    let mut behind = made_of(2);
    header(&mut behind, 2, (0, 1), 14, 0);
    let mut in_use = behind.clone();
    header(&mut in_use, 2, (0, 1), 14, DIRTY);
    let mut unused = made_of(2);
    unused.extend([0; 65536]);
    let mut damaged = cut(0);
    damaged[124] ^= 1;
    for (name, file, records, skipped, words) in [
        ("whole", made_of(4), 20, 0, ""),
        (
            "cut after two chunks",
            cut(2),
            10,
            10,
            "2 of the 4 chunks in its header are present; 2 chunks are missing, with 10 records",
        ),
        ("the header alone", cut(0), 0, 0, "0 of the 4 chunks"),
        (
            "a damaged header alone",
            damaged,
            0,
            0,
            "the file ends after its header",
        ),
        ("full, whole", circular, 20, 0, ""),
        (
            "full, cut",
            circular_cut,
            15,
            5,
            "1 chunks are missing, with 5 records",
        ),
        (
            "full, all that is older is gone",
            older,
            10,
            0,
            "2 chunks are missing, with records of unknown number",
        ),
        (
            "in use, with a header that was written earlier",
            stale,
            20,
            0,
            "",
        ),
        ("in use, cut", shorter, 10, 10, "2 chunks are missing"),
        (
            "records at the end are gone",
            behind,
            10,
            3,
            "3 records are missing",
        ),
        ("in use, header ahead", in_use, 10, 0, ""),
        ("space for more", unused, 10, 0, ""),
    ] {
        let mut path = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut path, &file).unwrap();
        let chunks = chunk_count(file.len() as u64);
        let in_parts = || {
            let mut collector = Collector::new(&Everything);
            let mut report = SourceReport::new(0, "test".to_owned(), SourceKind::Evtx);
            let mut reader = EvtxReader::new();
            for part in [0..1, 1..chunks] {
                if part.start < chunks {
                    reader
                        .read_file_range(path.as_file(), part, 0, &mut collector, &mut report)
                        .unwrap();
                }
            }
            report
        };
        for (way, report) in [("a stream", read(&file).1), ("in parts", in_parts())] {
            // Who reads a part cannot see how far the others come.
            if way == "in parts" && (chunks < 2 || name == "records at the end are gone") {
                continue;
            }
            assert_eq!(
                (report.records, report.skipped),
                (records, skipped),
                "{name}, {way}: {report:?}"
            );
            let told = report
                .problems
                .iter()
                .filter(|problem| problem.loss && problem.message.contains(words))
                .count();
            assert_eq!(
                told,
                usize::from(!words.is_empty()),
                "{name}, {way}: {report:?}"
            );
            assert_eq!(
                report.is_lossy(),
                !words.is_empty(),
                "{name}, {way}: {report:?}"
            );
        }
    }
}

/// A log of several chunks with these record numbers.
fn log(numbers: std::ops::Range<u64>) -> Vec<u8> {
    use crabwalk_lab::evtx_writer::{Body, Event, EvtxWriter, Value, guid};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.evtx");
    let mut writer = EvtxWriter::create(&path).unwrap();
    for number in numbers {
        let fields = vec![(
            "TargetUserName".to_owned(),
            Value::Str(format!("user-{number}")),
        )];
        let event = Event {
            provider: "Maker".into(),
            provider_guid: guid("{12345678-1234-5678-9abc-def012345678}").unwrap(),
            event_source: None,
            event_id: 4624,
            qualifiers: None,
            version: 2,
            level: 0,
            task: 1,
            opcode: 0,
            keywords: 0x8020_0000_0000_0000,
            time: 1_780_000_000_000_000 + i64::try_from(number).unwrap(),
            record_id: number,
            activity_id: None,
            process_id: 4,
            thread_id: 8,
            channel: "Security".into(),
            computer: "host.example".into(),
            user_sid: None,
            body: Body::EventData(fields),
        };
        writer.write(&event).unwrap();
    }
    writer.finish().unwrap();
    std::fs::read(&path).unwrap()
}

/// The file as an export of it: the frames of the records are numbered from 1, and EventRecordID stays.
fn exported(mut file: Vec<u8>) -> Vec<u8> {
    let mut next = 1_u64;
    for chunk in file[4096..].chunks_mut(65536) {
        let free = u32::from_le_bytes(chunk[48..52].try_into().unwrap()) as usize;
        let (first, mut at) = (next, 512);
        while at < free {
            let size = u32::from_le_bytes(chunk[at + 4..at + 8].try_into().unwrap()) as usize;
            chunk[at + 8..at + 16].copy_from_slice(&next.to_le_bytes());
            next += 1;
            at += size;
        }
        for (at, value) in [(8, first), (16, next - 1), (24, first), (32, next - 1)] {
            chunk[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        let crc = crc32fast::hash(&chunk[512..free]);
        chunk[52..56].copy_from_slice(&crc.to_le_bytes());
        let head = [&chunk[..120], &chunk[128..512]].concat();
        chunk[124..128].copy_from_slice(&crc32fast::hash(&head).to_le_bytes());
    }
    let chunks = u8::try_from((file.len() - 4096) / 65536).unwrap();
    header(&mut file, chunks, (0, u64::from(chunks) - 1), next, 0);
    file
}

#[test]
fn an_export_that_numbers_frames_anew_has_the_same_records() {
    let numbers = 5000..5600;
    let original = log(numbers.clone());
    let export = exported(original.clone());
    let mut collector = Collector::new(&Everything);
    let mut report = SourceReport::new(0, "test".to_owned(), SourceKind::Evtx);
    for file in [&original, &export] {
        EvtxReader::new()
            .read(file.as_slice(), 0, &mut collector, &mut report)
            .unwrap();
    }
    assert_eq!(report.problems, []);
    let collected = Collector::merge(vec![collector]).unwrap();
    assert_eq!(collected.duplicates, 600);
    let both = records_of(&collected);
    assert!(both.keys().map(|key| key.3).eq(numbers));
    let (alone, _) = read(&export);
    assert_eq!(
        records_of(&alone),
        both,
        "it is called by the number that Event Viewer shows"
    );
}

#[test]
fn a_chunk_without_a_record_that_is_needed_is_passed_over_whole() {
    let original = log(5000..5600);
    let export = exported(original.clone());
    for (file, passed) in [(&original, true), (&export, false)] {
        for wanted in [&[5001][..], &[5000, 5599], &[5300, 5301], &[17]] {
            let demand = Numbers(wanted);
            let mut collector = Collector::new(&demand);
            let mut report = SourceReport::new(0, "test".to_owned(), SourceKind::Evtx);
            EvtxReader::new()
                .read(file.as_slice(), 0, &mut collector, &mut report)
                .unwrap();
            let records = records_of(&Collector::merge(vec![collector]).unwrap());
            let found: Vec<u64> = records.keys().map(|key| key.3).collect();
            let there: Vec<u64> = wanted
                .iter()
                .copied()
                .filter(|number| *number != 17)
                .collect();
            assert_eq!(found, there, "{wanted:?}");
            // A record skipped as a whole is not counted.
            assert_eq!(
                report.records < 600,
                passed,
                "{wanted:?}: {}",
                report.records
            );
        }
    }
}
