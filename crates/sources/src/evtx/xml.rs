//! A record as the XML that Windows shows (`wevtutil qe /f:xml`): the template's elements and attributes in order, with
//! the record's values in them.

use super::layout::{Broken, MOST_NESTING, Sink, u32_at, walk};
use super::template::{Slot, after_header, instance};
use super::value::{self, code};

/// Maximum characters of a record's XML. A record's values are less than 64 KiB, and grow when escaped.
const MOST_TEXT: usize = 1 << 20;
/// Maximum bytes of template definitions walked per record, so that nested templates cannot multiply.
const MOST_WALKED: usize = 1 << 20;
/// The cost of an instance in addition to its definition's length.
const INSTANCE: usize = 64;

#[derive(Debug)]
struct Open {
    name: String,
    /// Start of its start tag in the text.
    start: usize,
    /// Start of its content, once the start tag is complete.
    content: Option<usize>,
    /// End of the text before it, if a NULL omits the element.
    hidden: Option<usize>,
}

#[derive(Debug)]
struct Attribute {
    name: String,
    value: String,
    /// Whether it has any value; a NULL omits the attribute.
    there: bool,
}

#[derive(Debug, Default)]
struct Budget {
    walked: usize,
}

impl Budget {
    fn take(&mut self, bytes: usize, at: usize) -> Result<(), Broken> {
        self.walked = self.walked.saturating_add(bytes);
        if self.walked > MOST_WALKED {
            return Err(Broken {
                offset: at,
                what: "too many templates inside templates",
            });
        }
        Ok(())
    }
}

struct Writer<'a> {
    data: &'a [u8],
    slots: Vec<Slot>,
    out: &'a mut String,
    budget: &'a mut Budget,
    depth: usize,
    open: Vec<Open>,
    attribute: Option<Attribute>,
    /// An error where none can be returned.
    broken: Option<Broken>,
}

/// Appends text with XML's special characters escaped.
fn escaped(text: &str, quotes: bool, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\'' if quotes => out.push_str("&apos;"),
            c => out.push(c),
        }
    }
}

fn decoded(name: &[u8]) -> String {
    let mut text = String::new();
    value::utf16(name, &mut text);
    // A damaged name must not become markup.
    text.retain(|c| !matches!(c, '<' | '>' | '&' | '\'' | '"' | '=' | '/') && !c.is_whitespace());
    text
}

/// Appends the XML of the record whose BinXML is `data[at..end]`.
pub(super) fn write(data: &[u8], at: usize, end: usize, out: &mut String) -> Result<(), Broken> {
    let mut budget = Budget::default();
    fragment(data, at, end, out, &mut budget, 0)
}

fn fragment(
    data: &[u8],
    at: usize,
    end: usize,
    out: &mut String,
    budget: &mut Budget,
    depth: usize,
) -> Result<(), Broken> {
    let at = after_header(data, at);
    match data.get(at) {
        Some(0x0c) => expand(data, at, end, out, budget, depth).map(|_| ()),
        Some(0x00) | None => Ok(()),
        Some(_) => {
            budget.take(end.saturating_sub(at) + INSTANCE, at)?;
            Writer::new(data, Vec::new(), out, budget, depth).run(at, end, false)
        }
    }
}

/// Appends a template instance; returns its end.
fn expand(
    data: &[u8],
    at: usize,
    end: usize,
    out: &mut String,
    budget: &mut Budget,
    depth: usize,
) -> Result<usize, Broken> {
    if depth > MOST_NESTING {
        return Err(Broken {
            offset: at,
            what: "BinXML is nested too deep",
        });
    }
    let mut slots = Vec::new();
    let (definition, after) = instance(data, at, end, &mut slots)?;
    let damaged = Broken {
        offset: definition,
        what: "the template definition is damaged",
    };
    let len = u32_at(data, definition.checked_add(20).ok_or(damaged)?)? as usize;
    let start = definition + 24;
    let stop = start
        .checked_add(len)
        .filter(|stop| *stop <= data.len())
        .ok_or(damaged)?;
    budget.take(len + INSTANCE, at)?;
    let start = after_header(data, start);
    Writer::new(data, slots, out, budget, depth).run(start, stop, true)?;
    Ok(after)
}

impl<'a> Writer<'a> {
    fn new(
        data: &'a [u8],
        slots: Vec<Slot>,
        out: &'a mut String,
        budget: &'a mut Budget,
        depth: usize,
    ) -> Self {
        Self {
            data,
            slots,
            out,
            budget,
            depth,
            open: Vec::new(),
            attribute: None,
            broken: None,
        }
    }

    fn run(mut self, at: usize, end: usize, definition: bool) -> Result<(), Broken> {
        let data = self.data;
        walk(data, at, end, definition, &mut self)?;
        match self.broken {
            Some(broken) => Err(broken),
            None => Ok(()),
        }
    }

    fn end_attribute(&mut self) {
        if let Some(attribute) = self.attribute.take()
            && attribute.there
        {
            self.out.push(' ');
            self.out.push_str(&attribute.name);
            self.out.push_str("='");
            escaped(&attribute.value, true, self.out);
            self.out.push('\'');
        }
    }

    fn end_start_tag(&mut self) {
        self.end_attribute();
        if let Some(open) = self.open.last_mut()
            && open.content.is_none()
        {
            self.out.push('>');
            open.content = Some(self.out.len());
        }
    }

    fn put(&mut self, text: &str) {
        match &mut self.attribute {
            Some(attribute) => {
                attribute.value.push_str(text);
                attribute.there = true;
            }
            None => escaped(text, false, self.out),
        }
    }

    /// An array in the place of an element's text repeats the element.
    fn array(&mut self, slot: Slot) {
        let mut values = Vec::new();
        value::items(slot.kind, slot.bytes(self.data), |kind, bytes| {
            let mut text = String::new();
            value::render(kind, bytes, &mut text);
            values.push(text);
        });
        let repeated = match self.open.last() {
            Some(open) if self.attribute.is_none() => open
                .content
                .and_then(|content| self.out.get(open.start..content))
                .map(|tag| format!("</{}>{tag}", open.name)),
            _ => None,
        };
        let between = match &repeated {
            Some(between) => between.as_str(),
            None => ",",
        };
        for (at, value) in values.iter().enumerate() {
            if at > 0 && repeated.is_some() {
                self.out.push_str(between);
            } else if at > 0 {
                self.put(between);
            }
            self.put(value);
            if self.out.len() > MOST_TEXT {
                return;
            }
        }
    }
}

impl Sink for Writer<'_> {
    fn open(&mut self, name: &[u8], dependency: Option<u16>) -> Result<(), Broken> {
        if self.out.len() > MOST_TEXT {
            return Err(Broken {
                offset: 0,
                what: "its XML is too long",
            });
        }
        self.end_start_tag();
        let null = dependency.is_some_and(|slot| {
            self.slots
                .get(usize::from(slot))
                .is_some_and(|slot| slot.kind == code::NULL)
        });
        let start = self.out.len();
        let name = decoded(name);
        self.out.push('<');
        self.out.push_str(&name);
        self.open.push(Open {
            name,
            start,
            content: None,
            hidden: null.then_some(start),
        });
        Ok(())
    }

    fn attribute(&mut self, name: &[u8]) -> Result<(), Broken> {
        self.end_attribute();
        self.attribute = Some(Attribute {
            name: decoded(name),
            value: String::new(),
            there: false,
        });
        Ok(())
    }

    fn text(&mut self, kind: u8, bytes: &[u8]) {
        let mut text = String::new();
        value::render(kind, bytes, &mut text);
        self.put(&text);
    }

    fn character(&mut self, code: u16) {
        let c = char::from_u32(u32::from(code)).unwrap_or(char::REPLACEMENT_CHARACTER);
        self.put(c.encode_utf8(&mut [0; 4]));
    }

    fn entity(&mut self, name: &[u8]) {
        let name = decoded(name);
        match name.as_str() {
            "amp" => self.put("&"),
            "lt" => self.put("<"),
            "gt" => self.put(">"),
            "quot" => self.put("\""),
            "apos" => self.put("'"),
            _ => self.put(&format!("&{name};")),
        }
    }

    fn slot(&mut self, index: u16, _: u8) {
        let Some(slot) = self.slots.get(usize::from(index)).copied() else {
            return;
        };
        if slot.kind == code::NULL {
            return;
        }
        if slot.kind == code::BINXML && self.attribute.is_none() {
            let start = slot.offset as usize;
            let end = start + usize::from(slot.len);
            if slot.len > 0 && self.broken.is_none() {
                let nested = fragment(self.data, start, end, self.out, self.budget, self.depth + 1);
                self.broken = nested.err();
            }
        } else if slot.kind & code::ARRAY != 0 {
            self.array(slot);
        } else {
            let mut text = String::new();
            value::render(slot.kind, slot.bytes(self.data), &mut text);
            self.put(&text);
        }
    }

    fn opened(&mut self) {
        self.end_start_tag();
    }

    fn close(&mut self) -> Result<(), Broken> {
        self.end_attribute();
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        match open.hidden {
            Some(start) => self.out.truncate(start),
            None if open.content.is_none() => self.out.push_str("/>"),
            None => {
                self.out.push_str("</");
                self.out.push_str(&open.name);
                self.out.push('>');
            }
        }
        Ok(())
    }

    fn instance(&mut self, at: usize, end: usize) -> Result<usize, Broken> {
        self.end_start_tag();
        expand(self.data, at, end, self.out, self.budget, self.depth + 1)
    }
}
