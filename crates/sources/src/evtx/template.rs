//! The cache of compiled templates, and template instances.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::layout::{
    Broken, Builder, Canonical, Field, Layout, MOST_NESTING, Piece, Place, u16_at, u32_at, walk,
};
use super::value::{self, code};

/// A value of a template instance: the position of its bytes in the chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot {
    pub offset: u32,
    pub len: u16,
    pub kind: u8,
}

impl Slot {
    pub fn bytes<'a>(&self, data: &'a [u8]) -> &'a [u8] {
        let start = self.offset as usize;
        data.get(start..start + usize::from(self.len))
            .unwrap_or_default()
    }
}

/// Spreads small keys over 64 bits.
#[derive(Default)]
pub(super) struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxhash_rust::xxh3::xxh3_64(bytes);
    }
    fn write_u64(&mut self, key: u64) {
        let mixed = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }
}

pub(super) type Fast<K, V> = HashMap<K, V, BuildHasherDefault<Spread>>;

/// Maximum bytes of template definitions compiled per chunk: an intact chunk has less than 64 KiB of them.
const COMPILED_PER_CHUNK: usize = 1 << 20;
/// Maximum number of nested instances expanded per chunk.
const EXPANDED_PER_CHUNK: usize = 1 << 12;
/// Marks a definition that proved unreadable.
const UNREADABLE: u32 = u32::MAX;

#[derive(Debug, Default)]
pub(super) struct Templates {
    pub layouts: Vec<Layout>,
    by_content: HashMap<Box<[u8]>, u32>,
    in_chunk: Fast<u64, u32>,
    last: (u64, u32),
    compile_budget: usize,
    expand_budget: usize,
    canonical: Vec<u8>,
}

/// Reads the head of the instance whose token is at `at`: pushes its values to `slots`; returns the offset of its
/// definition and its end.
pub(super) fn instance(
    data: &[u8],
    at: usize,
    end: usize,
    slots: &mut Vec<Slot>,
) -> Result<(usize, usize), Broken> {
    let definition = u32_at(data, at + 6)? as usize;
    let mut at = at + 10;
    if definition == at {
        at += 24 + u32_at(data, at + 20)? as usize;
    }
    let count = u32_at(data, at)? as usize;
    at += 4;
    let end = end.min(data.len());
    let Some(descriptors) = data
        .get(at..end)
        .and_then(|rest| rest.get(..count.checked_mul(4)?))
    else {
        return Err(Broken {
            offset: at,
            what: "more values than the record has room for",
        });
    };
    at += descriptors.len();
    for [low, high, kind, _] in descriptors.as_chunks::<4>().0 {
        let len = u16::from_le_bytes([*low, *high]);
        slots.push(Slot {
            offset: u32::try_from(at).unwrap_or(u32::MAX),
            len,
            kind: *kind,
        });
        at += usize::from(len);
    }
    if at > end {
        return Err(Broken {
            offset: end,
            what: "values reach beyond the record",
        });
    }
    Ok((definition, at))
}

/// Skips the fragment header of the BinXML at `at`, if there is one.
pub(super) fn after_header(data: &[u8], at: usize) -> usize {
    if data.get(at) == Some(&0x0f) {
        at + 4
    } else {
        at
    }
}

impl Templates {
    /// Discards what applies to one chunk only.
    pub fn next_chunk(&mut self) {
        self.in_chunk.clear();
        self.last = (u64::MAX, UNREADABLE);
        self.compile_budget = COMPILED_PER_CHUNK;
        self.expand_budget = EXPANDED_PER_CHUNK;
    }

    /// The layout of the definition at `definition`, for an instance at `place`.
    pub fn layout(
        &mut self,
        data: &[u8],
        definition: usize,
        place: Place,
        depth: usize,
    ) -> Result<u32, Broken> {
        let key = (definition as u64) << 8 | place as u64;
        if self.last.0 == key {
            return Ok(self.last.1);
        }
        let broken = Broken {
            offset: definition,
            what: "the template definition is damaged",
        };
        let id = match self.in_chunk.get(&key) {
            Some(id) => *id,
            None => {
                let compiled = self.compile(data, definition, place, depth);
                self.in_chunk
                    .insert(key, *compiled.as_ref().unwrap_or(&UNREADABLE));
                compiled?
            }
        };
        if id == UNREADABLE {
            return Err(broken);
        }
        self.last = (key, id);
        Ok(id)
    }

    fn compile(
        &mut self,
        data: &[u8],
        definition: usize,
        place: Place,
        depth: usize,
    ) -> Result<u32, Broken> {
        u16_at(data, definition)?;
        let len = u32_at(data, definition + 20)? as usize;
        let start = definition + 24;
        let end = start.checked_add(len).filter(|end| *end <= data.len());
        let end = end.ok_or(Broken {
            offset: definition,
            what: "the template definition is damaged: its size is out of range",
        })?;
        self.compile_budget = self.compile_budget.checked_sub(len).ok_or(Broken {
            offset: definition,
            what: "the chunk has more template definitions than fit in it",
        })?;
        let mut canonical = Canonical {
            bytes: std::mem::take(&mut self.canonical),
            unshared: false,
        };
        canonical.bytes.clear();
        canonical.bytes.push(place as u8);
        let walked = walk(data, start, end, true, &mut canonical);
        let unshared = canonical.unshared;
        self.canonical = canonical.bytes;
        if !unshared {
            walked?;
            if let Some(id) = self.by_content.get(self.canonical.as_slice()) {
                return Ok(*id);
            }
        }
        let key: Box<[u8]> = self.canonical.as_slice().into();
        let mut expand = |at: usize, end: usize, place: Place, out: &mut Layout| {
            self.expand(data, at, end, place, out, depth + 1)
        };
        let mut builder = Builder::new(place, &mut expand);
        walk(data, start, end, true, &mut builder)?;
        let layout = builder.layout.finish();
        let id = u32::try_from(self.layouts.len()).unwrap_or(UNREADABLE);
        self.layouts.push(layout);
        if !unshared {
            self.by_content.insert(key, id);
        }
        Ok(id)
    }

    /// Appends to `out` the fields of the BinXML at `data[at..end]`, with their values as text.
    pub fn inline(
        &mut self,
        data: &[u8],
        at: usize,
        end: usize,
        place: Place,
        out: &mut Layout,
        depth: usize,
    ) -> Result<usize, Broken> {
        if depth > MOST_NESTING {
            return Err(Broken {
                offset: at,
                what: "BinXML is nested too deep",
            });
        }
        let at = after_header(data, at);
        if data.get(at) == Some(&0x0c) {
            return self.expand(data, at, end, place, out, depth + 1);
        }
        let mut expand = |at: usize, end: usize, place: Place, out: &mut Layout| {
            self.expand(data, at, end, place, out, depth + 1)
        };
        let mut builder = Builder::new(place, &mut expand);
        let at = walk(data, at, end, false, &mut builder)?;
        out.fields.append(&mut builder.layout.fields);
        Ok(at)
    }

    fn expand(
        &mut self,
        data: &[u8],
        at: usize,
        end: usize,
        place: Place,
        out: &mut Layout,
        depth: usize,
    ) -> Result<usize, Broken> {
        self.expand_budget = self.expand_budget.checked_sub(1).ok_or(Broken {
            offset: at,
            what: "too many templates inside elements",
        })?;
        if depth > MOST_NESTING {
            return Err(Broken {
                offset: at,
                what: "BinXML is nested too deep",
            });
        }
        let mut slots = Vec::new();
        let (definition, after) = instance(data, at, end, &mut slots)?;
        let id = self.layout(data, definition, place, depth)? as usize;
        let Some(layout) = self.layouts.get(id) else {
            return Err(Broken {
                offset: definition,
                what: "the template definition is damaged",
            });
        };
        // A budget bounds the result of an expansion, so that nested copies cannot multiply.
        self.expand_budget = self
            .expand_budget
            .checked_sub(layout.fields.len() / 16)
            .ok_or(Broken {
                offset: at,
                what: "too many templates inside elements",
            })?;
        let mut nested = Vec::new();
        for (slot, place) in slots.iter().zip(&layout.places) {
            if let (code::BINXML, Some(place)) = (slot.kind, place) {
                nested.push((*slot, *place));
            }
        }
        for field in &layout.fields {
            if left_out(field, &slots) {
                continue;
            }
            let mut copy = Field {
                pieces: Vec::new(),
                name_pieces: Vec::new(),
                dependencies: Vec::new(),
                ..field.clone()
            };
            if !field.name_pieces.is_empty() {
                copy.name.clear();
                text_of(&field.name_pieces, &slots, data, &mut copy.name);
            }
            values_of(field, &slots, data, |text| {
                out.fields.push(Field {
                    pieces: vec![Piece::Text(text.to_owned())],
                    ..copy.clone()
                });
            });
        }
        for (slot, place) in nested {
            let start = slot.offset as usize;
            self.inline(
                data,
                start,
                start + usize::from(slot.len),
                place,
                out,
                depth + 1,
            )?;
        }
        Ok(after)
    }
}

/// Whether a NULL omits the field.
pub(super) fn left_out(field: &Field, slots: &[Slot]) -> bool {
    field.dependencies.iter().any(|slot| {
        slots
            .get(usize::from(*slot))
            .is_some_and(|slot| slot.kind == code::NULL)
    })
}

/// Appends the text of all pieces.
pub(super) fn text_of(pieces: &[Piece], slots: &[Slot], data: &[u8], out: &mut String) {
    for piece in pieces {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Slot { index, .. } => {
                let Some(slot) = slots.get(usize::from(*index)) else {
                    continue;
                };
                if slot.kind & code::ARRAY == 0 {
                    value::render(slot.kind, slot.bytes(data), out);
                } else {
                    let mut first = true;
                    value::items(slot.kind, slot.bytes(data), |kind, bytes| {
                        if !first {
                            out.push(',');
                        }
                        first = false;
                        value::render(kind, bytes, out);
                    });
                }
            }
        }
    }
}

/// Calls `each` with every value of a field. Allocates: for rare values.
fn values_of(field: &Field, slots: &[Slot], data: &[u8], mut each: impl FnMut(&str)) {
    let mut text = String::new();
    if let [Piece::Slot { index, .. }] = field.pieces.as_slice()
        && let Some(slot) = slots.get(usize::from(*index))
        && slot.kind & code::ARRAY != 0
    {
        value::items(slot.kind, slot.bytes(data), |kind, bytes| {
            text.clear();
            value::render(kind, bytes, &mut text);
            each(&text);
        });
        return;
    }
    text_of(&field.pieces, slots, data, &mut text);
    each(&text);
}
