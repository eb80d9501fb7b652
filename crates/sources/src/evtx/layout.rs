//! Template definitions compiled to fields: the names of a record's values, and the slot of each.

use super::value;

/// Why a record or a template cannot be read: the offset in the chunk, and the error there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken {
    pub offset: usize,
    pub what: &'static str,
}

/// Maximum depth of elements, and of BinXML inside BinXML, before a record is abandoned.
pub(super) const MOST_NESTING: usize = 64;

pub(super) fn u16_at(data: &[u8], at: usize) -> Result<u16, Broken> {
    let bytes = data.get(at..).and_then(<[u8]>::first_chunk);
    bytes.map(|bytes| u16::from_le_bytes(*bytes)).ok_or(Broken {
        offset: at,
        what: "the data ends early",
    })
}

pub(super) fn u32_at(data: &[u8], at: usize) -> Result<u32, Broken> {
    let bytes = data.get(at..).and_then(<[u8]>::first_chunk);
    bytes.map(|bytes| u32::from_le_bytes(*bytes)).ok_or(Broken {
        offset: at,
        what: "the data ends early",
    })
}

pub(super) fn u64_at(data: &[u8], at: usize) -> Result<u64, Broken> {
    let bytes = data.get(at..).and_then(<[u8]>::first_chunk);
    bytes.map(|bytes| u64::from_le_bytes(*bytes)).ok_or(Broken {
        offset: at,
        what: "the data ends early",
    })
}

fn slice(data: &[u8], at: usize, len: usize) -> Result<&[u8], Broken> {
    let end = at.checked_add(len).ok_or(Broken {
        offset: at,
        what: "length out of range",
    })?;
    data.get(at..end).ok_or(Broken {
        offset: at,
        what: "text reaches beyond the data",
    })
}

/// Receives the tokens of a BinXML stream.
pub(super) trait Sink {
    fn open(&mut self, name: &[u8], dependency: Option<u16>) -> Result<(), Broken>;
    fn attribute(&mut self, name: &[u8]) -> Result<(), Broken>;
    fn text(&mut self, kind: u8, bytes: &[u8]);
    fn character(&mut self, code: u16);
    fn entity(&mut self, name: &[u8]);
    fn slot(&mut self, index: u16, kind: u8);
    fn opened(&mut self);
    fn close(&mut self) -> Result<(), Broken>;
    /// A template instance whose token is at `at`; returns its end.
    fn instance(&mut self, at: usize, end: usize) -> Result<usize, Broken>;
}

/// The UTF-16LE bytes of the name at `offset` in the chunk, and the length of the whole name structure.
fn name_at(data: &[u8], offset: usize) -> Result<(&[u8], usize), Broken> {
    let units = usize::from(u16_at(data, offset.saturating_add(6))?);
    let bytes = slice(data, offset + 8, units * 2)?;
    Ok((bytes, 8 + units * 2 + 2))
}

/// Reads a name reference at `*at`, and steps over it and over the name if it is inline.
fn name<'a>(data: &'a [u8], at: &mut usize) -> Result<&'a [u8], Broken> {
    let offset = u32_at(data, *at)? as usize;
    *at += 4;
    let (bytes, len) = name_at(data, offset)?;
    if offset == *at {
        *at += len;
    }
    Ok(bytes)
}

/// Passes the tokens of `data[at..end]` to `sink`, up to the end token. In template definitions element starts carry a
/// dependency id (`in_definition`). Returns the end.
pub(super) fn walk(
    data: &[u8],
    mut at: usize,
    end: usize,
    in_definition: bool,
    sink: &mut impl Sink,
) -> Result<usize, Broken> {
    let mut depth = 0_usize;
    while at < end {
        let start = at;
        let token = data.get(at).copied().ok_or(Broken {
            offset: at,
            what: "the data ends early",
        })?;
        at += 1;
        match token {
            0x00 => break,
            0x01 | 0x41 => {
                depth += 1;
                if depth > MOST_NESTING {
                    return Err(Broken {
                        offset: start,
                        what: "elements are nested too deep",
                    });
                }
                let mut dependency = None;
                if in_definition {
                    dependency = Some(u16_at(data, at)?).filter(|id| *id != u16::MAX);
                    at += 2;
                }
                at += 4;
                let name = name(data, &mut at)?;
                if token & 0x40 != 0 {
                    at += 4;
                }
                sink.open(name, dependency)?;
            }
            0x02 => sink.opened(),
            0x03 | 0x04 => {
                if depth == 0 {
                    return Err(Broken {
                        offset: start,
                        what: "an element ends that never began",
                    });
                }
                depth -= 1;
                sink.close()?;
                if depth == 0 {
                    // The only element is complete; what follows is padding.
                    break;
                }
            }
            0x05 | 0x45 => {
                let kind = data.get(at).copied().ok_or(Broken {
                    offset: at,
                    what: "the data ends early",
                })?;
                at += 1;
                let len = match kind {
                    0x00 => 0,
                    0x01 => {
                        at += 2;
                        2 * usize::from(u16_at(data, at - 2)?)
                    }
                    0x02 | 0x0e => {
                        at += 2;
                        usize::from(u16_at(data, at - 2)?)
                    }
                    0x03 | 0x04 => 1,
                    0x05 | 0x06 => 2,
                    0x07 | 0x08 | 0x0b | 0x0d | 0x14 => 4,
                    0x09 | 0x0a | 0x0c | 0x11 | 0x15 => 8,
                    0x0f | 0x12 => 16,
                    0x13 => 8 + 4 * usize::from(data.get(at + 1).copied().unwrap_or(0)),
                    _ => {
                        return Err(Broken {
                            offset: start,
                            what: "value of unknown type",
                        });
                    }
                };
                sink.text(kind, slice(data, at, len)?);
                at += len;
            }
            0x06 | 0x46 => sink.attribute(name(data, &mut at)?)?,
            0x07 | 0x47 => {
                let len = 2 * usize::from(u16_at(data, at)?);
                sink.text(0x01, slice(data, at + 2, len)?);
                at += 2 + len;
            }
            0x08 | 0x48 => {
                sink.character(u16_at(data, at)?);
                at += 2;
            }
            0x09 | 0x49 => sink.entity(name(data, &mut at)?),
            0x0a => {
                name(data, &mut at)?;
            }
            0x0b => at += 2 + 2 * usize::from(u16_at(data, at)?),
            0x0c => at = sink.instance(start, end)?,
            0x0d | 0x0e => {
                let kind = data.get(at + 2).copied().ok_or(Broken {
                    offset: at,
                    what: "the data ends early",
                })?;
                sink.slot(u16_at(data, at)?, kind);
                at += 3;
            }
            0x0f => at += 3,
            _ => {
                return Err(Broken {
                    offset: start,
                    what: "unknown BinXML token",
                });
            }
        }
    }
    if depth > 0 || at > end {
        return Err(Broken {
            offset: at.min(end),
            what: "an element does not end",
        });
    }
    Ok(at)
}

/// The position of an element in an event, as far as it determines the names of fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Place {
    /// Nothing is open yet.
    Document,
    /// In `Event`.
    Event,
    /// In `System`.
    System,
    /// In `EventData`.
    EventData,
    /// In `UserData`, `ProcessingErrorData`, `DebugData` and unknown elements.
    User,
    /// In `RenderingInfo`.
    Rendering,
    /// In something without fields.
    Nowhere,
}

/// What a field is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Data of the event.
    Data,
    /// Of the System header; data of the same name takes precedence.
    System,
    /// System/EventID.
    EventId,
    /// System/Channel.
    Channel,
    /// System/Computer.
    Computer,
    /// System/TimeCreated@SystemTime.
    Time,
    /// System/EventRecordID.
    RecordId,
}

/// Part of a field's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    Slot { index: u16, array: bool },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    pub name: String,
    /// Whether the name itself comes from slots.
    pub name_pieces: Vec<Piece>,
    pub role: Role,
    pub pieces: Vec<Piece>,
    /// Slots that omit the field when they are NULL.
    pub dependencies: Vec<u16>,
    /// Whether an empty value counts, because of its position (unnamed `Data`).
    pub positional: bool,
}

/// The fields of a template, or of elements in a record itself.
#[derive(Debug, Clone, Default)]
pub(super) struct Layout {
    pub fields: Vec<Field>,
    /// For BinXML in a slot: its position.
    pub places: Vec<Option<Place>>,
    /// Indexes in `fields`: event id, channel, computer, time, record id.
    pub event_id: Option<usize>,
    pub channel: Option<usize>,
    pub computer: Option<usize>,
    pub time: Option<usize>,
    pub record_id: Option<usize>,
}

impl Layout {
    pub fn finish(mut self) -> Self {
        let find = |role| self.fields.iter().position(|field| field.role == role);
        (self.event_id, self.channel) = (find(Role::EventId), find(Role::Channel));
        (self.computer, self.time) = (find(Role::Computer), find(Role::Time));
        self.record_id = find(Role::RecordId);
        self
    }
}

/// Writes the content of a definition with its names resolved and its offsets omitted, so that equal templates of
/// different chunks are identical.
#[derive(Debug, Default)]
pub(super) struct Canonical {
    pub bytes: Vec<u8>,
    /// Contains another instance, whose values may differ: cannot be shared.
    pub unshared: bool,
}

impl Canonical {
    fn put(&mut self, token: u8, bytes: &[u8]) {
        self.bytes.push(token);
        self.bytes
            .extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
        self.bytes.extend_from_slice(bytes);
    }
}

impl Sink for Canonical {
    fn open(&mut self, name: &[u8], dependency: Option<u16>) -> Result<(), Broken> {
        self.bytes
            .extend_from_slice(&dependency.unwrap_or(u16::MAX).to_le_bytes());
        self.put(1, name);
        Ok(())
    }
    fn attribute(&mut self, name: &[u8]) -> Result<(), Broken> {
        self.put(6, name);
        Ok(())
    }
    fn text(&mut self, kind: u8, bytes: &[u8]) {
        self.bytes.push(kind);
        self.put(5, bytes);
    }
    fn character(&mut self, code: u16) {
        self.put(8, &code.to_le_bytes());
    }
    fn entity(&mut self, name: &[u8]) {
        self.put(9, name);
    }
    fn slot(&mut self, index: u16, kind: u8) {
        let [low, high] = index.to_le_bytes();
        self.put(13, &[low, high, kind]);
    }
    fn opened(&mut self) {
        self.bytes.push(2);
    }
    fn close(&mut self) -> Result<(), Broken> {
        self.bytes.push(4);
        Ok(())
    }
    fn instance(&mut self, at: usize, _: usize) -> Result<usize, Broken> {
        self.unshared = true;
        Err(Broken {
            offset: at,
            what: "template inside a template",
        })
    }
}

#[derive(Debug)]
struct Open {
    name: String,
    /// The position of this element's children.
    inside: Place,
    /// The element's own text, if it can be a field.
    text: Option<Field>,
    has_children: bool,
    dependency: Option<u16>,
}

#[derive(Debug)]
enum Attribute {
    /// Its value is the name of the element's field.
    Name(Vec<Piece>),
    Field(Field),
    /// Not kept.
    Skip,
    None,
}

/// Expands a template instance inside elements: appends its fields to the layout.
pub(super) type Expand<'a> =
    &'a mut dyn FnMut(usize, usize, Place, &mut Layout) -> Result<usize, Broken>;

/// Compiles tokens to a [`Layout`].
pub(super) struct Builder<'a> {
    pub layout: Layout,
    place: Place,
    open: Vec<Open>,
    attribute: Attribute,
    expand: Expand<'a>,
}

impl<'a> Builder<'a> {
    pub fn new(place: Place, expand: Expand<'a>) -> Self {
        Self {
            layout: Layout::default(),
            place,
            open: Vec::new(),
            attribute: Attribute::None,
            expand,
        }
    }

    fn here(&self) -> Place {
        self.open.last().map_or(self.place, |open| open.inside)
    }

    fn dependencies(&self) -> Vec<u16> {
        self.open
            .iter()
            .filter_map(|open| open.dependency)
            .collect()
    }

    fn field(&self, name: String, role: Role) -> Field {
        Field {
            name,
            name_pieces: Vec::new(),
            role,
            pieces: Vec::new(),
            dependencies: self.dependencies(),
            positional: false,
        }
    }

    fn end_attribute(&mut self) {
        match std::mem::replace(&mut self.attribute, Attribute::None) {
            Attribute::None | Attribute::Skip => {}
            Attribute::Field(field) => self.layout.fields.push(field),
            Attribute::Name(pieces) => {
                let Some(field) = self.open.last_mut().and_then(|open| open.text.as_mut()) else {
                    return;
                };
                let mut name = String::new();
                let mut constant = true;
                for piece in &pieces {
                    match piece {
                        Piece::Text(text) => name.push_str(text),
                        Piece::Slot { .. } => constant = false,
                    }
                }
                if !constant {
                    field.name_pieces = pieces;
                    field.positional = false;
                } else if !name.is_empty() {
                    field.name = name;
                    field.positional = false;
                }
            }
        }
    }

    fn piece(&mut self, piece: Piece) {
        let pieces = match &mut self.attribute {
            Attribute::Name(pieces) => pieces,
            Attribute::Field(field) => &mut field.pieces,
            Attribute::Skip => return,
            Attribute::None => match self.open.last_mut().and_then(|open| open.text.as_mut()) {
                Some(field) => &mut field.pieces,
                None => return,
            },
        };
        if let (Some(Piece::Text(last)), Piece::Text(text)) = (pieces.last_mut(), &piece) {
            last.push_str(text);
        } else {
            pieces.push(piece);
        }
    }
}

fn decoded(name: &[u8]) -> String {
    let mut text = String::new();
    value::utf16(name, &mut text);
    text
}

impl Sink for Builder<'_> {
    fn open(&mut self, name: &[u8], dependency: Option<u16>) -> Result<(), Broken> {
        self.end_attribute();
        let name = decoded(name);
        if let Some(parent) = self.open.last_mut() {
            parent.has_children = true;
        }
        let data = matches!(name.as_str(), "Data" | "ComplexData");
        let mut role = None;
        let inside = match (self.here(), name.as_str()) {
            (Place::Document, "Event") => Place::Event,
            (Place::Event | Place::Document, "System") => Place::System,
            (Place::Event | Place::Document, "EventData") => Place::EventData,
            (Place::Event, "RenderingInfo") => Place::Rendering,
            (Place::Event | Place::Document, "UserData" | "ProcessingErrorData" | "DebugData") => {
                Place::User
            }
            (Place::System, element) => {
                role = match element {
                    "EventID" => Some(Role::EventId),
                    "Channel" => Some(Role::Channel),
                    "Computer" => Some(Role::Computer),
                    "EventRecordID" => Some(Role::RecordId),
                    "Version" | "Level" | "Task" | "Opcode" | "Keywords" => Some(Role::System),
                    _ => None,
                };
                Place::Nowhere
            }
            (Place::Rendering, "Message") => {
                role = Some(Role::System);
                Place::Nowhere
            }
            (Place::Rendering | Place::Nowhere, _) => Place::Nowhere,
            (Place::EventData | Place::User | Place::Event | Place::Document, _) => {
                role = Some(Role::Data);
                Place::User
            }
        };
        self.open.push(Open {
            name,
            inside,
            text: None,
            has_children: false,
            dependency,
        });
        if let Some(role) = role {
            let name = match self.open.last() {
                Some(_) if data => "Data".to_owned(),
                Some(open) => open.name.clone(),
                None => String::new(),
            };
            let mut field = self.field(name, role);
            field.positional = data && role == Role::Data;
            if let Some(open) = self.open.last_mut() {
                open.text = Some(field);
            }
        }
        Ok(())
    }

    fn attribute(&mut self, name: &[u8]) -> Result<(), Broken> {
        self.end_attribute();
        let name = decoded(name);
        if name == "xmlns" || name.starts_with("xmlns:") {
            self.attribute = Attribute::Skip;
            return Ok(());
        }
        let Some((open, parents)) = self.open.split_last() else {
            return Err(Broken {
                offset: 0,
                what: "attribute outside of an element",
            });
        };
        let place = parents.last().map_or(self.place, |parent| parent.inside);
        let data = matches!(open.name.as_str(), "Data" | "ComplexData");
        self.attribute = match place {
            Place::System => {
                let (name, role) = match (open.name.as_str(), name.as_str()) {
                    ("Provider", "Name") => ("Provider".to_owned(), Role::System),
                    ("Provider", "Guid") => ("ProviderGuid".to_owned(), Role::System),
                    ("Provider", "EventSourceName") => ("EventSourceName".to_owned(), Role::System),
                    ("TimeCreated", "SystemTime") => (name, Role::Time),
                    ("Correlation", "ActivityID" | "RelatedActivityID") => (name, Role::System),
                    ("Execution", "ProcessID" | "ThreadID") => {
                        (format!("Execution{name}"), Role::System)
                    }
                    ("Security", "UserID") | ("EventID", "Qualifiers") => (name, Role::System),
                    _ => {
                        self.attribute = Attribute::Skip;
                        return Ok(());
                    }
                };
                Attribute::Field(self.field(name, role))
            }
            Place::EventData | Place::User | Place::Document if data && name == "Name" => {
                Attribute::Name(Vec::new())
            }
            Place::EventData | Place::User => {
                let name = format!("{}.{name}", open.name);
                Attribute::Field(self.field(name, Role::Data))
            }
            Place::Event if matches!(open.inside, Place::EventData | Place::User) => {
                let name = format!("{}.{name}", open.name);
                Attribute::Field(self.field(name, Role::Data))
            }
            Place::Document | Place::Event | Place::Rendering | Place::Nowhere => Attribute::Skip,
        };
        Ok(())
    }

    fn text(&mut self, kind: u8, bytes: &[u8]) {
        let mut text = String::new();
        value::render(kind, bytes, &mut text);
        self.piece(Piece::Text(text));
    }

    fn character(&mut self, code: u16) {
        let text = char::from_u32(u32::from(code))
            .unwrap_or(char::REPLACEMENT_CHARACTER)
            .to_string();
        self.piece(Piece::Text(text));
    }

    fn entity(&mut self, name: &[u8]) {
        let name = decoded(name);
        let text = match name.as_str() {
            "amp" => "&".to_owned(),
            "lt" => "<".to_owned(),
            "gt" => ">".to_owned(),
            "quot" => "\"".to_owned(),
            "apos" => "'".to_owned(),
            _ => format!("&{name};"),
        };
        self.piece(Piece::Text(text));
    }

    fn slot(&mut self, index: u16, kind: u8) {
        let here = self.here();
        if matches!(self.attribute, Attribute::None) {
            let slot = usize::from(index);
            // An index beyond a record's limit is never looked up.
            if slot < 1 << 14 {
                if self.layout.places.len() <= slot {
                    self.layout.places.resize(slot + 1, None);
                }
                if let Some(place) = self.layout.places.get_mut(slot) {
                    *place = Some(here);
                }
            }
        }
        self.piece(Piece::Slot {
            index,
            array: kind & value::code::ARRAY != 0,
        });
    }

    fn opened(&mut self) {
        self.end_attribute();
    }

    fn close(&mut self) -> Result<(), Broken> {
        self.end_attribute();
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        if !open.has_children
            && let Some(mut field) = open.text
        {
            // An unnamed element only has its text as a field; `<Data/>` keeps its position.
            field.positional &= field.name_pieces.is_empty();
            self.layout.fields.push(field);
        }
        Ok(())
    }

    fn instance(&mut self, at: usize, end: usize) -> Result<usize, Broken> {
        self.end_attribute();
        if let Some(parent) = self.open.last_mut() {
            parent.has_children = true;
        }
        let place = self.here();
        (self.expand)(at, end, place, &mut self.layout)
    }
}
