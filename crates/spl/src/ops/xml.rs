//! Paths in XML, in `spath`'s syntax: `a.b`, `a.b{2}` (the second `b`, counted from 1), `a.b{@name}` (an attribute).

use std::borrow::Cow;
use std::ops::Range;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// Maximum nesting of elements.
const DEEPEST: usize = 128;

#[derive(Debug, Default)]
struct Element {
    name: String,
    attributes: Vec<(String, String)>,
    /// Its text, without that of nested elements.
    text: String,
    children: Vec<Element>,
    /// The position of its content in the document.
    content: Range<usize>,
}

/// Whether a text may be an XML document.
pub(crate) fn is_xml(text: &str) -> bool {
    text.trim_start().starts_with('<')
}

fn position(reader: &Reader<&[u8]>) -> usize {
    usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX)
}

/// The root element, as far as the document can be parsed.
fn read(document: &str) -> Element {
    let mut reader = Reader::from_str(document);
    let config = reader.config_mut();
    config.check_end_names = false;
    config.allow_unmatched_ends = true;
    config.allow_dangling_amp = true;
    // The document itself is the element around the root.
    let mut open = vec![Element::default()];
    loop {
        let before = position(&reader);
        let Ok(event) = reader.read_event() else {
            break;
        };
        match event {
            Event::Start(tag) => {
                if open.len() > DEEPEST {
                    break;
                }
                let mut element = started(&tag);
                element.content.start = position(&reader);
                open.push(element);
            }
            Event::Empty(tag) => {
                if let Some(parent) = open.last_mut() {
                    parent.children.push(started(&tag));
                }
            }
            Event::Text(text) => add(&mut open, &text.xml10_content()),
            Event::CData(text) => add(&mut open, &text.xml10_content()),
            Event::GeneralRef(reference) => {
                let name = reference.into_inner();
                let written = format!("&{name};");
                add(&mut open, &resolved(&written));
            }
            Event::End(_) if open.len() > 1 => close(&mut open, before),
            Event::Eof => break,
            _ => {}
        }
    }
    let end = document.len();
    while open.len() > 1 {
        close(&mut open, end);
    }
    open.pop().unwrap_or_default()
}

fn resolved(text: &str) -> Cow<'_, str> {
    quick_xml::escape::unescape(text).unwrap_or(Cow::Borrowed(text))
}

fn started(tag: &BytesStart<'_>) -> Element {
    Element {
        name: tag.name().as_ref().to_owned(),
        attributes: tag
            .attributes()
            .with_checks(false)
            .flatten()
            .map(|attribute| {
                (
                    attribute.key.as_ref().to_owned(),
                    resolved(attribute.value.as_ref()).into_owned(),
                )
            })
            .collect(),
        ..Element::default()
    }
}

fn add(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

fn close(open: &mut Vec<Element>, end: usize) {
    if let Some(mut element) = open.pop() {
        element.content.end = end;
        if let Some(parent) = open.last_mut() {
            parent.children.push(element);
        }
    }
}

/// One step of a path: a name, which one of several (from 1), an attribute.
struct Step<'p> {
    name: &'p str,
    number: Option<usize>,
    attribute: Option<&'p str>,
}

fn steps(path: &str) -> Option<Vec<Step<'_>>> {
    path.split('.')
        .map(|part| {
            let (name, mut rest) = part.split_at(part.find('{').unwrap_or(part.len()));
            let mut step = Step {
                name,
                number: None,
                attribute: None,
            };
            while let Some(inner) = rest.strip_prefix('{') {
                let (inside, after) = inner.split_once('}')?;
                match inside.strip_prefix('@') {
                    Some(attribute) => step.attribute = Some(attribute),
                    None if inside.is_empty() => {}
                    None => step.number = Some(inside.parse().ok()?),
                }
                rest = after;
            }
            (rest.is_empty() && !name.is_empty()).then_some(step)
        })
        .collect()
}

/// The values at a path: an element's text, or its content if it has nested elements.
pub(crate) fn pick(document: &str, path: &str) -> Vec<String> {
    let root = read(document);
    let mut found = Vec::new();
    if let Some(steps) = steps(path) {
        walk(document, &root, &steps, &mut found);
    }
    found
}

fn walk(document: &str, element: &Element, steps: &[Step<'_>], found: &mut Vec<String>) {
    let Some((step, rest)) = steps.split_first() else {
        let text = if element.children.is_empty() {
            element.text.trim()
        } else {
            document
                .get(element.content.clone())
                .unwrap_or_default()
                .trim()
        };
        if !text.is_empty() {
            found.push(text.to_owned());
        }
        return;
    };
    let named = element
        .children
        .iter()
        .filter(|child| child.name == step.name);
    for (at, child) in named.enumerate() {
        if step.number.is_some_and(|number| number != at + 1) {
            continue;
        }
        match step.attribute {
            None => walk(document, child, rest, found),
            Some(name) if rest.is_empty() => found.extend(
                child
                    .attributes
                    .iter()
                    .filter(|(own, _)| own == name)
                    .map(|(_, value)| value.clone()),
            ),
            // An attribute contains no elements.
            Some(_) => {}
        }
    }
}

/// The paths of all texts and attributes.
pub(crate) fn paths(document: &str, names: &mut Vec<String>) {
    for root in &read(document).children {
        named(root, "", names);
    }
}

fn named(element: &Element, before: &str, names: &mut Vec<String>) {
    let path = if before.is_empty() {
        element.name.clone()
    } else {
        format!("{before}.{}", element.name)
    };
    for (name, _) in &element.attributes {
        names.push(format!("{path}{{@{name}}}"));
    }
    if element.children.is_empty() && !element.text.trim().is_empty() {
        names.push(path.clone());
    }
    for child in &element.children {
        named(child, &path, names);
    }
}
