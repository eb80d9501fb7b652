//! Writer of Windows event log files (EVTX 3.1).
//!
//! Records are written as Windows writes them: a `System` template whose last substitution is nested binary XML (value
//! type 0x21) with an instance of the `EventData` or `UserData` template. Names and templates are stored once per
//! chunk, in the chunk's hash chains. Facts about the format come from the public description of the libevtx project.
//!
//! Only one chunk (64 KiB) is held in memory, and the file is open only while a chunk is written, so several hundred
//! logs can be written in parallel.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::LabError;

const CHUNK_SIZE: usize = 65_536;
const CHUNK_HEADER: usize = 512;
const FILE_HEADER: usize = 4_096;
const STRING_TABLE: usize = 128;
const TEMPLATE_TABLE: usize = 384;
const NAMESPACE: &str = "http://schemas.microsoft.com/win/2004/08/events/event";
const MAX_CHUNKS: u64 = 65_535;

/// A typed value of binary XML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// No value (type 0x00): an attribute with it is omitted, an element is empty.
    Null,
    /// Text (type 0x01, UTF-16).
    Str(String),
    /// Unsigned 8 bits (type 0x04).
    U8(u8),
    /// Unsigned 16 bits (type 0x06).
    U16(u16),
    /// Unsigned 32 bits (type 0x08).
    U32(u32),
    /// Unsigned 64 bits (type 0x0a).
    U64(u64),
    /// Boolean (type 0x0d, 32 bits).
    Bool(bool),
    /// GUID in its memory layout (type 0x0f): first three groups little-endian.
    Guid([u8; 16]),
    /// FILETIME: 100 ns since 1601-01-01 UTC (type 0x11).
    FileTime(u64),
    /// Security identifier as text, `S-1-…` (type 0x13).
    Sid(String),
    /// 32 bits shown in hexadecimal (type 0x14).
    Hex32(u32),
    /// 64 bits shown in hexadecimal (type 0x15).
    Hex64(u64),
}

impl Value {
    fn kind(&self) -> u8 {
        match self {
            Self::Null => 0x00,
            Self::Str(_) => 0x01,
            Self::U8(_) => 0x04,
            Self::U16(_) => 0x06,
            Self::U32(_) => 0x08,
            Self::U64(_) => 0x0a,
            Self::Bool(_) => 0x0d,
            Self::Guid(_) => 0x0f,
            Self::FileTime(_) => 0x11,
            Self::Sid(_) => 0x13,
            Self::Hex32(_) => 0x14,
            Self::Hex64(_) => 0x15,
        }
    }

    fn write(&self, out: &mut Vec<u8>) -> Result<(), LabError> {
        match self {
            Self::Null => {}
            Self::Str(text) => {
                for unit in text.encode_utf16() {
                    out.extend_from_slice(&unit.to_le_bytes());
                }
            }
            Self::U8(value) => out.push(*value),
            Self::U16(value) => out.extend_from_slice(&value.to_le_bytes()),
            Self::U32(value) | Self::Hex32(value) => out.extend_from_slice(&value.to_le_bytes()),
            Self::U64(value) | Self::Hex64(value) | Self::FileTime(value) => {
                out.extend_from_slice(&value.to_le_bytes());
            }
            Self::Bool(value) => out.extend_from_slice(&u32::from(*value).to_le_bytes()),
            Self::Guid(bytes) => out.extend_from_slice(bytes),
            Self::Sid(text) => out.extend_from_slice(&sid_bytes(text)?),
        }
        Ok(())
    }
}

/// The value of a SID's text in its binary form.
fn sid_bytes(text: &str) -> Result<Vec<u8>, LabError> {
    let wrong = || LabError::BadValue {
        what: "SID",
        text: text.to_owned(),
    };
    let mut parts = text.strip_prefix("S-1-").ok_or_else(wrong)?.split('-');
    let authority: u64 = parts
        .next()
        .and_then(|part| part.parse().ok())
        .ok_or_else(wrong)?;
    let mut subs = Vec::new();
    for part in parts {
        subs.push(part.parse::<u32>().map_err(|_| wrong())?);
    }
    let count = u8::try_from(subs.len())
        .ok()
        .filter(|count| *count <= 15)
        .ok_or_else(wrong)?;
    let mut out = vec![1, count];
    out.extend_from_slice(&authority.to_be_bytes()[2..]);
    for sub in subs {
        out.extend_from_slice(&sub.to_le_bytes());
    }
    Ok(out)
}

/// The body of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// `<EventData>` with one `<Data Name="…">` per pair, in order.
    EventData(Vec<(String, Value)>),
    /// `<UserData>` with one element that contains one element per pair.
    UserData {
        /// Name of the element inside `UserData`, such as `EventXML`.
        element: String,
        /// Its `xmlns`.
        namespace: String,
        /// Its children, in order.
        fields: Vec<(String, Value)>,
    },
}

/// An event to be written to a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Provider name.
    pub provider: String,
    /// Provider GUID in its memory layout.
    pub provider_guid: [u8; 16],
    /// `EventSourceName` attribute of the provider, if it has one (Service Control Manager).
    pub event_source: Option<String>,
    /// Event id.
    pub event_id: u16,
    /// `Qualifiers` attribute of the event id.
    pub qualifiers: Option<u16>,
    /// Version of the event's layout.
    pub version: u8,
    /// Level: 0 always, 2 error, 3 warning, 4 information.
    pub level: u8,
    /// Task.
    pub task: u16,
    /// Opcode.
    pub opcode: u8,
    /// Keywords.
    pub keywords: u64,
    /// Time of the event in µs since 1970-01-01 UTC.
    pub time: i64,
    /// Record id; the ids of one file are consecutive.
    pub record_id: u64,
    /// Activity id (correlation).
    pub activity_id: Option<[u8; 16]>,
    /// Process that logged the event.
    pub process_id: u32,
    /// Its thread.
    pub thread_id: u32,
    /// Channel.
    pub channel: String,
    /// Computer, fully qualified.
    pub computer: String,
    /// SID of the user that logged the event.
    pub user_sid: Option<String>,
    /// The data.
    pub body: Body,
}

/// FILETIME (100 ns since 1601 UTC) from µs since 1970 UTC.
#[must_use]
pub fn filetime(micros: i64) -> u64 {
    u64::try_from(micros.saturating_add(11_644_473_600_000_000))
        .unwrap_or(0)
        .saturating_mul(10)
}

/// Parses a GUID, with or without braces, into its memory layout.
///
/// # Errors
/// If the text is not a GUID.
pub fn guid(text: &str) -> Result<[u8; 16], LabError> {
    let digits: String = text
        .chars()
        .filter(|c| !matches!(c, '{' | '}' | '-'))
        .collect();
    let number = u128::from_str_radix(&digits, 16)
        .ok()
        .filter(|_| digits.len() == 32)
        .ok_or_else(|| LabError::BadValue {
            what: "GUID",
            text: text.to_owned(),
        })?;
    let mut bytes = number.to_be_bytes();
    bytes[0..4].reverse();
    bytes[4..6].reverse();
    bytes[6..8].reverse();
    Ok(bytes)
}

/// Writer of one log.
#[derive(Debug)]
pub struct EvtxWriter {
    path: PathBuf,
    chunk: Vec<u8>,
    names: BTreeMap<String, u32>,
    templates: BTreeMap<u128, u32>,
    string_table: [u32; 64],
    template_table: [u32; 32],
    chunks: u64,
    first_id: u64,
    last_id: u64,
    last_record: u32,
    in_chunk: u64,
    written: u64,
}

impl EvtxWriter {
    /// Starts a log at `path`; an existing file is replaced.
    ///
    /// # Errors
    /// If the file cannot be created.
    pub fn create(path: &Path) -> Result<Self, LabError> {
        let mut file = File::create(path).map_err(|error| LabError::io("create", path, error))?;
        file.write_all(&[0; FILE_HEADER])
            .map_err(|error| LabError::io("write", path, error))?;
        Ok(Self {
            path: path.to_owned(),
            chunk: vec![0; CHUNK_HEADER],
            names: BTreeMap::new(),
            templates: BTreeMap::new(),
            string_table: [0; 64],
            template_table: [0; 32],
            chunks: 0,
            first_id: 0,
            last_id: 0,
            last_record: 0,
            in_chunk: 0,
            written: 0,
        })
    }

    /// Size of the file so far in bytes, counting the chunk in memory as complete.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let open = u64::from(self.in_chunk > 0);
        FILE_HEADER as u64 + (self.chunks + open) * CHUNK_SIZE as u64
    }

    /// Records written so far.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.written
    }

    /// Appends a record.
    ///
    /// # Errors
    /// If the event is larger than a chunk, a SID is malformed, the file has reached the format's limit, or the file
    /// cannot be written.
    pub fn write(&mut self, event: &Event) -> Result<(), LabError> {
        if !self.try_write(event)? {
            self.flush_chunk()?;
            if !self.try_write(event)? {
                return Err(LabError::EventTooLarge {
                    event_id: event.event_id,
                    path: self.path.clone(),
                });
            }
        }
        Ok(())
    }

    /// Writes the last chunk and the file header.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn finish(mut self) -> Result<(), LabError> {
        self.flush_chunk()?;
        let mut header = vec![0; FILE_HEADER];
        header[0..8].copy_from_slice(b"ElfFile\0");
        put64(&mut header, 16, self.chunks.saturating_sub(1));
        put64(&mut header, 24, self.last_id + 1);
        put32(&mut header, 32, 128);
        put16(&mut header, 36, 1);
        put16(&mut header, 38, 3);
        put16(&mut header, 40, 4096);
        put16(
            &mut header,
            42,
            u16::try_from(self.chunks).unwrap_or(u16::MAX),
        );
        let sum = crc32fast::hash(&header[..120]);
        put32(&mut header, 124, sum);
        self.at(0, &header)
    }

    fn at(&self, offset: u64, bytes: &[u8]) -> Result<(), LabError> {
        let attempt = || -> std::io::Result<()> {
            let mut file = OpenOptions::new().write(true).open(&self.path)?;
            file.seek(SeekFrom::Start(offset))?;
            file.write_all(bytes)
        };
        attempt().map_err(|error| LabError::io("write", &self.path, error))
    }

    fn flush_chunk(&mut self) -> Result<(), LabError> {
        if self.in_chunk == 0 {
            return Ok(());
        }
        if self.chunks >= MAX_CHUNKS {
            return Err(LabError::FileFull {
                path: self.path.clone(),
            });
        }
        let free = self.chunk.len();
        let data_sum = crc32fast::hash(&self.chunk[CHUNK_HEADER..]);
        let last_number = self.written;
        let chunk = &mut self.chunk;
        chunk[0..8].copy_from_slice(b"ElfChnk\0");
        put64(chunk, 8, last_number + 1 - self.in_chunk);
        put64(chunk, 16, last_number);
        put64(chunk, 24, self.first_id);
        put64(chunk, 32, self.last_id);
        put32(chunk, 40, 128);
        put32(chunk, 44, self.last_record);
        put32(chunk, 48, u32::try_from(free).unwrap_or(0));
        put32(chunk, 52, data_sum);
        for (index, offset) in self.string_table.iter().enumerate() {
            put32(chunk, STRING_TABLE + index * 4, *offset);
        }
        for (index, offset) in self.template_table.iter().enumerate() {
            put32(chunk, TEMPLATE_TABLE + index * 4, *offset);
        }
        let mut sum = crc32fast::Hasher::new();
        sum.update(&chunk[..120]);
        sum.update(&chunk[128..CHUNK_HEADER]);
        put32(chunk, 124, sum.finalize());
        chunk.resize(CHUNK_SIZE, 0);
        self.at(
            FILE_HEADER as u64 + self.chunks * CHUNK_SIZE as u64,
            &self.chunk,
        )?;
        self.chunks += 1;
        self.chunk.clear();
        self.chunk.resize(CHUNK_HEADER, 0);
        self.names.clear();
        self.templates.clear();
        self.string_table = [0; 64];
        self.template_table = [0; 32];
        self.in_chunk = 0;
        Ok(())
    }

    /// Writes the record into the chunk, or leaves the chunk unchanged and returns `false` if it does not fit.
    fn try_write(&mut self, event: &Event) -> Result<bool, LabError> {
        let start = self.chunk.len();
        let tables = (self.string_table, self.template_table);
        self.record(event)?;
        // libevtx does not see a record that ends exactly with the chunk; leave room for the end of the chunk's data.
        if self.chunk.len() >= CHUNK_SIZE {
            self.chunk.truncate(start);
            let keep = self.position_of(start);
            self.names.retain(|_, offset| *offset < keep);
            self.templates.retain(|_, offset| *offset < keep);
            (self.string_table, self.template_table) = tables;
            return Ok(false);
        }
        if self.in_chunk == 0 {
            self.first_id = event.record_id;
        }
        self.last_id = event.record_id;
        self.last_record = self.position_of(start);
        self.in_chunk += 1;
        self.written += 1;
        Ok(true)
    }

    fn position_of(&self, offset: usize) -> u32 {
        u32::try_from(offset).unwrap_or(u32::MAX)
    }

    fn position(&self) -> u32 {
        self.position_of(self.chunk.len())
    }

    fn u16(&mut self, value: u16) {
        self.chunk.extend_from_slice(&value.to_le_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.chunk.extend_from_slice(&value.to_le_bytes());
    }

    fn record(&mut self, event: &Event) -> Result<(), LabError> {
        let start = self.chunk.len();
        self.chunk.extend_from_slice(b"**\0\0");
        self.u32(0);
        self.chunk.extend_from_slice(&event.record_id.to_le_bytes());
        self.chunk
            .extend_from_slice(&filetime(event.time).to_le_bytes());
        self.chunk.extend_from_slice(&[0x0f, 1, 1, 0]);
        let optional = |text: &Option<String>| text.clone().map_or(Value::Null, Value::Str);
        let values = [
            Value::U8(event.level),
            Value::U8(event.opcode),
            Value::U16(event.task),
            Value::U16(event.event_id),
            event.qualifiers.map_or(Value::Null, Value::U16),
            Value::Hex64(event.keywords),
            Value::FileTime(filetime(event.time)),
            event.activity_id.map_or(Value::Null, Value::Guid),
            Value::U32(event.process_id),
            Value::U32(event.thread_id),
            Value::U64(event.record_id),
            Value::U8(event.version),
            event.user_sid.clone().map_or(Value::Null, Value::Sid),
            Value::Str(event.provider.clone()),
            Value::Guid(event.provider_guid),
            optional(&event.event_source),
            Value::Str(event.channel.clone()),
            Value::Str(event.computer.clone()),
        ];
        self.template_instance(identifier(&[b"System"]), &system_template());
        self.u32(u32::try_from(values.len() + 1).unwrap_or(0));
        let descriptors = self.chunk.len();
        self.chunk.resize(descriptors + (values.len() + 1) * 4, 0);
        for (index, value) in values.iter().enumerate() {
            self.value(descriptors + index * 4, value, event)?;
        }
        let nested = self.chunk.len();
        self.body(&event.body, event)?;
        self.descriptor(descriptors + values.len() * 4, nested, 0x21, event)?;
        self.chunk.push(0);
        // Records are multiples of eight bytes; the size is repeated at the end.
        let size = (self.chunk.len() - start + 4).next_multiple_of(8);
        self.chunk.resize(start + size - 4, 0);
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        self.u32(size);
        put32(&mut self.chunk, start + 4, size);
        Ok(())
    }

    fn body(&mut self, body: &Body, event: &Event) -> Result<(), LabError> {
        let (fields, tree, id) = match body {
            Body::EventData(fields) => {
                let mut root = Element::new("EventData");
                for (index, (name, value)) in fields.iter().enumerate() {
                    root = root.child(
                        Element::new("Data")
                            .attribute("Name", Part::Text(name))
                            .content(Part::of(index, value.kind())),
                    );
                }
                (fields, root, template_identifier("EventData", "", fields))
            }
            Body::UserData {
                element,
                namespace,
                fields,
            } => {
                let mut inner = Element::new(element).attribute("xmlns", Part::Text(namespace));
                for (index, (name, value)) in fields.iter().enumerate() {
                    inner = inner.child(Element::new(name).content(Part::of(index, value.kind())));
                }
                (
                    fields,
                    Element::new("UserData").child(inner),
                    template_identifier(element, namespace, fields),
                )
            }
        };
        self.chunk.extend_from_slice(&[0x0f, 1, 1, 0]);
        self.template_instance(id, &tree);
        self.u32(u32::try_from(fields.len()).unwrap_or(0));
        let descriptors = self.chunk.len();
        self.chunk.resize(descriptors + fields.len() * 4, 0);
        for (index, (_, value)) in fields.iter().enumerate() {
            self.value(descriptors + index * 4, value, event)?;
        }
        self.chunk.push(0);
        Ok(())
    }

    fn value(&mut self, descriptor: usize, value: &Value, event: &Event) -> Result<(), LabError> {
        let start = self.chunk.len();
        value.write(&mut self.chunk)?;
        self.descriptor(descriptor, start, value.kind(), event)
    }

    fn descriptor(
        &mut self,
        at: usize,
        start: usize,
        kind: u8,
        event: &Event,
    ) -> Result<(), LabError> {
        let size =
            u16::try_from(self.chunk.len() - start).map_err(|_| LabError::EventTooLarge {
                event_id: event.event_id,
                path: self.path.clone(),
            })?;
        put16(&mut self.chunk, at, size);
        self.chunk[at + 2] = kind;
        Ok(())
    }

    /// Token, identifier and offset of a template; its definition follows if the chunk does not have it yet.
    fn template_instance(&mut self, id: u128, tree: &Element<'_>) {
        let bytes = id.to_le_bytes();
        let short = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        self.chunk.extend_from_slice(&[0x0c, 1]);
        self.u32(short);
        if let Some(offset) = self.templates.get(&id).copied() {
            self.u32(offset);
            return;
        }
        let offset = self.position() + 4;
        self.u32(offset);
        let bucket = (short % 32) as usize;
        self.u32(self.template_table[bucket]);
        self.template_table[bucket] = offset;
        self.templates.insert(id, offset);
        self.chunk.extend_from_slice(&bytes);
        let size_at = self.chunk.len();
        self.u32(0);
        self.chunk.extend_from_slice(&[0x0f, 1, 1, 0]);
        self.element(tree);
        self.chunk.push(0);
        self.patch_size(size_at);
    }

    fn patch_size(&mut self, at: usize) {
        let size = u32::try_from(self.chunk.len() - at - 4).unwrap_or(u32::MAX);
        put32(&mut self.chunk, at, size);
    }

    fn element(&mut self, element: &Element<'_>) {
        self.chunk.push(if element.attributes.is_empty() {
            0x01
        } else {
            0x41
        });
        self.u16(0xffff);
        let size_at = self.chunk.len();
        self.u32(0);
        self.name(element.name);
        if !element.attributes.is_empty() {
            let list_at = self.chunk.len();
            self.u32(0);
            for (index, (name, part)) in element.attributes.iter().enumerate() {
                self.chunk.push(if index + 1 < element.attributes.len() {
                    0x46
                } else {
                    0x06
                });
                self.name(name);
                self.part(part);
            }
            self.patch_size(list_at);
        }
        if element.content.is_none() && element.children.is_empty() {
            self.chunk.push(0x03);
        } else {
            self.chunk.push(0x02);
            if let Some(part) = &element.content {
                self.part(part);
            }
            for child in &element.children {
                self.element(child);
            }
            // A nested body comes after the children of the root.
            if let Some(part) = &element.tail {
                self.part(part);
            }
            self.chunk.push(0x04);
        }
        self.patch_size(size_at);
    }

    fn part(&mut self, part: &Part<'_>) {
        match part {
            Part::Text(text) => {
                let units: Vec<u16> = text.encode_utf16().collect();
                self.chunk.extend_from_slice(&[0x05, 0x01]);
                self.u16(u16::try_from(units.len()).unwrap_or(u16::MAX));
                for unit in units {
                    self.u16(unit);
                }
            }
            Part::Normal(index, kind) => {
                self.chunk.push(0x0d);
                self.u16(*index);
                self.chunk.push(*kind);
            }
            Part::Optional(index, kind) => {
                self.chunk.push(0x0e);
                self.u16(*index);
                self.chunk.push(*kind);
            }
        }
    }

    fn name(&mut self, name: &str) {
        if let Some(offset) = self.names.get(name).copied() {
            self.u32(offset);
            return;
        }
        let offset = self.position() + 4;
        self.u32(offset);
        let units: Vec<u16> = name.encode_utf16().collect();
        let hash = name_hash(&units);
        let bucket = (hash % 64) as usize;
        self.u32(self.string_table[bucket]);
        self.string_table[bucket] = offset;
        self.names.insert(name.to_owned(), offset);
        self.u16(hash);
        self.u16(u16::try_from(units.len()).unwrap_or(u16::MAX));
        for unit in units {
            self.u16(unit);
        }
        self.u16(0);
    }
}

/// Hash of a name for the chunk's string table: the low 16 bits.
fn name_hash(units: &[u16]) -> u16 {
    let hash = units.iter().fold(0u32, |hash, unit| {
        hash.wrapping_mul(65_599).wrapping_add(u32::from(*unit))
    });
    (hash & 0xffff) as u16
}

enum Part<'a> {
    Text(&'a str),
    Normal(u16, u8),
    Optional(u16, u8),
}

impl Part<'_> {
    /// A null has no type of its own: it needs the optional substitution, which leaves the element empty.
    fn of(index: usize, kind: u8) -> Self {
        let index = u16::try_from(index).unwrap_or(u16::MAX);
        if kind == 0 {
            Self::Optional(index, 1)
        } else {
            Self::Normal(index, kind)
        }
    }
}

struct Element<'a> {
    name: &'a str,
    attributes: Vec<(&'a str, Part<'a>)>,
    content: Option<Part<'a>>,
    children: Vec<Element<'a>>,
    tail: Option<Part<'a>>,
}

impl<'a> Element<'a> {
    fn new(name: &'a str) -> Self {
        Self {
            name,
            attributes: Vec::new(),
            content: None,
            children: Vec::new(),
            tail: None,
        }
    }

    fn attribute(mut self, name: &'a str, part: Part<'a>) -> Self {
        self.attributes.push((name, part));
        self
    }

    fn content(mut self, part: Part<'a>) -> Self {
        self.content = Some(part);
        self
    }

    fn child(mut self, child: Element<'a>) -> Self {
        self.children.push(child);
        self
    }
}

fn system_template() -> Element<'static> {
    use Part::{Normal, Optional};
    let system = Element::new("System")
        .child(
            Element::new("Provider")
                .attribute("Name", Optional(13, 0x01))
                .attribute("Guid", Optional(14, 0x0f))
                .attribute("EventSourceName", Optional(15, 0x01)),
        )
        .child(
            Element::new("EventID")
                .attribute("Qualifiers", Optional(4, 0x06))
                .content(Normal(3, 0x06)),
        )
        .child(Element::new("Version").content(Optional(11, 0x04)))
        .child(Element::new("Level").content(Optional(0, 0x04)))
        .child(Element::new("Task").content(Optional(2, 0x06)))
        .child(Element::new("Opcode").content(Optional(1, 0x04)))
        .child(Element::new("Keywords").content(Optional(5, 0x15)))
        .child(Element::new("TimeCreated").attribute("SystemTime", Optional(6, 0x11)))
        .child(Element::new("EventRecordID").content(Optional(10, 0x0a)))
        .child(Element::new("Correlation").attribute("ActivityID", Optional(7, 0x0f)))
        .child(
            Element::new("Execution")
                .attribute("ProcessID", Optional(8, 0x08))
                .attribute("ThreadID", Optional(9, 0x08)),
        )
        .child(Element::new("Channel").content(Optional(16, 0x01)))
        .child(Element::new("Computer").content(Optional(17, 0x01)))
        .child(Element::new("Security").attribute("UserID", Optional(12, 0x13)));
    let mut event = Element::new("Event")
        .attribute("xmlns", Part::Text(NAMESPACE))
        .child(system);
    event.tail = Some(Optional(18, 0x21));
    event
}

/// A template's GUID: the same for the same names and types, whatever the file.
fn template_identifier(element: &str, namespace: &str, fields: &[(String, Value)]) -> u128 {
    let mut parts: Vec<&[u8]> = vec![element.as_bytes(), namespace.as_bytes()];
    let kinds: Vec<u8> = fields.iter().map(|(_, value)| value.kind()).collect();
    for (name, _) in fields {
        parts.push(name.as_bytes());
    }
    parts.push(&kinds);
    identifier(&parts)
}

/// FNV-1a over 128 bits.
fn identifier(parts: &[&[u8]]) -> u128 {
    let mut hash: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    for part in parts {
        for byte in part.iter().chain(&[0xff]) {
            hash ^= u128::from(*byte);
            hash = hash.wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
    }
    hash
}

fn put16(buffer: &mut [u8], at: usize, value: u16) {
    buffer[at..at + 2].copy_from_slice(&value.to_le_bytes());
}

fn put32(buffer: &mut [u8], at: usize, value: u32) {
    buffer[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

fn put64(buffer: &mut [u8], at: usize, value: u64) {
    buffer[at..at + 8].copy_from_slice(&value.to_le_bytes());
}
