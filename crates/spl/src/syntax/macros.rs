//! Macros and comments, resolved on the text before it is parsed.

use std::collections::BTreeMap;

use crabwalk_vocabulary::suggest::closest;

use super::diagnostic::Diagnostic;
use super::span::Span;

/// How deep macros may call each other.
const MAX_DEPTH: usize = 32;
/// How long a search may become, in bytes. The largest public detections have some 20 KB.
const MAX_LENGTH: usize = 8 << 20;

/// What a macro stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MacroDefinition {
    /// Names of its arguments, in order; `$name$` in the definition stands for the value.
    pub arguments: Vec<String>,
    /// The text that replaces the call.
    pub definition: String,
}

/// Where definitions of macros come from.
pub trait Macros {
    /// The macro of that name with that number of arguments.
    fn get(&self, name: &str, arity: usize) -> Option<MacroDefinition>;

    /// All names, for suggestions. May be left empty.
    fn names(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Macros in memory, by name and number of arguments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MacroTable(BTreeMap<String, BTreeMap<usize, MacroDefinition>>);

impl MacroTable {
    /// Adds a macro; one of the same name and number of arguments is replaced.
    ///
    /// The name may stand as in Splunk's `macros.conf`, with the number of arguments in parentheses: `add(2)`.
    pub fn insert(&mut self, name: &str, arguments: &[&str], definition: &str) {
        let arguments = arguments.iter().map(|name| (*name).to_owned()).collect();
        self.insert_definition(
            name,
            MacroDefinition {
                arguments,
                definition: definition.to_owned(),
            },
        );
    }

    /// As [`Self::insert`].
    pub fn insert_definition(&mut self, name: &str, definition: MacroDefinition) {
        let name = name.split_once('(').map_or(name, |(name, _)| name).trim();
        self.0
            .entry(name.to_owned())
            .or_default()
            .insert(definition.arguments.len(), definition);
    }

    /// Whether there are no macros.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All macros by name, once for each number of arguments.
    pub fn all(&self) -> impl Iterator<Item = (&str, &MacroDefinition)> {
        let all = self.0.iter();
        all.flat_map(|(name, forms)| forms.values().map(move |form| (name.as_str(), form)))
    }
}

impl Macros for MacroTable {
    fn get(&self, name: &str, arity: usize) -> Option<MacroDefinition> {
        self.0.get(name)?.get(&arity).cloned()
    }

    fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }
}

/// Text with its macros expanded, and where its parts come from.
pub(super) struct Expanded {
    pub(super) text: String,
    parts: Vec<Part>,
    /// Where calls stood that could not be expanded, as offsets into `text`.
    pub(super) failed: Vec<usize>,
}

/// From `start` on (until the next part), text is copied from `origin`, or was brought in by the call there.
struct Part {
    start: usize,
    origin: Span,
    copied: bool,
}

impl Expanded {
    /// Text that stands for something of the user's text.
    pub(super) fn standing_for(text: String, origin: Span) -> Self {
        Self {
            text,
            parts: vec![Part {
                start: 0,
                origin,
                copied: false,
            }],
            failed: Vec::new(),
        }
    }

    /// The span in the user's text for a range of the expanded text.
    pub(super) fn span(&self, start: usize, end: usize) -> Span {
        let (first, last) = (
            self.locate(start).start,
            self.locate(end.saturating_sub(1).max(start)).end,
        );
        if end <= start {
            return Span {
                start: first,
                end: first,
            };
        }
        Span {
            start: first,
            end: last.max(first),
        }
    }

    /// Whether a byte of the expanded text was brought in by a macro.
    pub(super) fn is_from_macro(&self, offset: usize) -> bool {
        let index = self.parts.partition_point(|part| part.start <= offset);
        index
            .checked_sub(1)
            .and_then(|index| self.parts.get(index))
            .is_some_and(|part| !part.copied)
    }

    /// What the call that brought in the byte at `offset` stands for.
    pub(super) fn macro_text(&self, offset: usize) -> Option<&str> {
        let next = self.parts.partition_point(|part| part.start <= offset);
        let part = self
            .parts
            .get(next.checked_sub(1)?)
            .filter(|part| !part.copied)?;
        let end = self
            .parts
            .get(next)
            .map_or(self.text.len(), |part| part.start);
        Some(self.text[part.start..end].trim()).filter(|text| !text.is_empty())
    }

    fn locate(&self, offset: usize) -> Span {
        let index = self.parts.partition_point(|part| part.start <= offset);
        match index.checked_sub(1).and_then(|index| self.parts.get(index)) {
            Some(part) if part.copied => {
                let start = part.origin.start.saturating_add(short(offset - part.start));
                Span {
                    start,
                    end: start.saturating_add(1),
                }
            }
            Some(part) => part.origin,
            None => Span {
                start: short(offset),
                end: short(offset).saturating_add(1),
            },
        }
    }
}

fn short(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

/// Expands macros and removes comments.
pub(super) fn expand(text: &str, macros: &dyn Macros) -> (Expanded, Vec<Diagnostic>) {
    let mut expander = Expander {
        macros,
        out: Expanded {
            text: String::with_capacity(text.len() * 2),
            parts: Vec::new(),
            failed: Vec::new(),
        },
        diagnostics: Vec::new(),
        calls: Vec::new(),
        call: None,
        command_next: true,
        map: false,
        too_long: false,
    };
    expander.text(text);
    (expander.out, expander.diagnostics)
}

struct Expander<'m> {
    macros: &'m dyn Macros,
    out: Expanded,
    diagnostics: Vec<Diagnostic>,
    /// Names of the macros being expanded, outermost first.
    calls: Vec<(String, usize)>,
    /// The outermost call, in the user's text.
    call: Option<Span>,
    /// Whether the next word is the name of a command.
    command_next: bool,
    /// Whether the command is `map`, whose search is expanded when it runs.
    map: bool,
    too_long: bool,
}

impl Expander<'_> {
    /// Says where what is written next comes from.
    fn part(&mut self, start: usize, end: usize, copied: bool) {
        let origin = self.call.unwrap_or(Span {
            start: short(start),
            end: short(end),
        });
        let copied = copied && self.call.is_none();
        let part = Part {
            start: self.out.text.len(),
            origin,
            copied,
        };
        match self.out.parts.last_mut() {
            Some(last) if last.start == part.start => *last = part,
            Some(last) if !copied && !last.copied && last.origin == origin => {}
            _ => self.out.parts.push(part),
        }
    }

    fn copy(&mut self, text: &str, start: usize, end: usize) {
        if start < end {
            if self.out.text.len() + (end - start) > MAX_LENGTH {
                if !self.too_long {
                    let span = self.call.unwrap_or(Span {
                        start: short(start),
                        end: short(end),
                    });
                    self.diagnostics.push(Diagnostic::new(
                        format!(
                            "the search is longer than {} MB with its macros expanded",
                            MAX_LENGTH >> 20
                        ),
                        span,
                    ));
                }
                self.too_long = true;
                return;
            }
            self.part(start, end, true);
            self.out.text.push_str(&text[start..end]);
        }
    }

    fn text(&mut self, text: &str) {
        let bytes = text.as_bytes();
        let mut copied = 0;
        let mut at = 0;
        let mut quoted = false;
        while let Some(&byte) = bytes.get(at) {
            if self.too_long {
                return;
            }
            match byte {
                b'\\'
                    if bytes
                        .get(at + 1)
                        .is_some_and(|next| matches!(next, b'\\' | b'"')) =>
                {
                    at += 2
                }
                b'"' => {
                    quoted = !quoted;
                    self.command_next = false;
                    at += 1;
                }
                b'`' if quoted => {
                    match (!self.map).then(|| self.call_in_string(text, at)).flatten() {
                        Some((end, name, arguments, definition)) => {
                            self.copy(text, copied, at);
                            self.enter(name, &arguments, &definition, at, end, true);
                            copied = end;
                            at = end;
                        }
                        None => at += 1,
                    }
                }
                b'`' if text[at..].starts_with("```") => {
                    self.copy(text, copied, at);
                    let end = match text[at + 3..].find("```") {
                        Some(length) => at + 3 + length + 3,
                        None => {
                            let span = self.call.unwrap_or(Span {
                                start: short(at),
                                end: short(at + 3),
                            });
                            self.diagnostics.push(
                                Diagnostic::new("unclosed comment", span)
                                    .with_help("end it with three backticks: ```"),
                            );
                            text.len()
                        }
                    };
                    self.part(at, end, false);
                    self.out.text.push(' ');
                    copied = end;
                    at = end;
                }
                b'`' => {
                    self.copy(text, copied, at);
                    at = self.call(text, at);
                    copied = at;
                }
                b'|' | b'[' if !quoted => {
                    self.command_next = true;
                    self.map = false;
                    at += 1;
                }
                _ if quoted || byte.is_ascii_whitespace() => at += 1,
                0xc2 if bytes.get(at + 1) == Some(&0xa0) => {
                    // A no-break space, as web pages have them. It is as long as two spaces.
                    self.copy(text, copied, at);
                    self.part(at, at + 2, true);
                    self.out.text.push_str("  ");
                    at += 2;
                    copied = at;
                }
                _ => {
                    if self.command_next {
                        self.command_next = false;
                        self.map = bytes
                            .get(at..at + 3)
                            .is_some_and(|word| word.eq_ignore_ascii_case(b"map"))
                            && bytes.get(at + 3).is_some_and(u8::is_ascii_whitespace);
                    }
                    at += 1;
                }
            }
        }
        self.copy(text, copied, text.len());
    }

    /// A call inside a string counts only if the macro exists: strings hold backticks of PowerShell and others too.
    fn call_in_string(
        &self,
        text: &str,
        at: usize,
    ) -> Option<(usize, String, Vec<String>, MacroDefinition)> {
        let inner = &text[at + 1..];
        let length = inner.find(['`', '"'])?;
        if inner.as_bytes().get(length) != Some(&b'`') {
            return None;
        }
        let (name, arguments) = split_call(&inner[..length])?;
        let mut definition = self.macros.get(name, arguments.len())?;
        let end = at + 1 + length + 1;
        // A string that is nothing but the call of a macro that is a string is that string.
        let bytes = text.as_bytes();
        let whole = at.checked_sub(1).and_then(|before| bytes.get(before)) == Some(&b'"')
            && bytes.get(end) == Some(&b'"');
        let own = definition.definition.trim();
        let own = own
            .strip_prefix('"')
            .and_then(|own| own.strip_suffix('"'))
            .filter(|own| whole && !own.contains(['"', '\\']));
        if let Some(own) = own {
            definition.definition = own.to_owned();
        }
        Some((end, name.to_owned(), arguments, definition))
    }

    /// Expands the call at `at` and returns its end.
    fn call(&mut self, text: &str, at: usize) -> usize {
        let end = call_end(text, at);
        let span = self.call.unwrap_or(Span {
            start: short(at),
            end: short(end.unwrap_or(at + 1)),
        });
        let Some(end) = end else {
            self.fail(
                Diagnostic::new("unclosed macro call", span).with_help("end it with a backtick: `"),
            );
            return text.len();
        };
        let call = &text[at + 1..end - 1];
        let Some((name, arguments)) = split_call(call) else {
            self.fail(
                Diagnostic::new(format!("`{call}` is not a call of a macro"), span)
                    .with_help("write `name` or `name(argument, …)` between the backticks"),
            );
            return end;
        };
        match self.macros.get(name, arguments.len()) {
            Some(definition) => {
                self.enter(name.to_owned(), &arguments, &definition, at, end, false)
            }
            // A remark, in every Splunk.
            None if name == "comment" && arguments.len() == 1 => {
                let definition = MacroDefinition {
                    arguments: Vec::new(),
                    definition: String::new(),
                };
                self.enter(name.to_owned(), &[], &definition, at, end, false);
            }
            // Splunk's content has one of these for every detection, made to be filled by the user.
            None if arguments.is_empty() && name.ends_with("_filter") => {
                let definition = MacroDefinition {
                    arguments: Vec::new(),
                    definition: if self.command_next { "search *" } else { "*" }.to_owned(),
                };
                self.enter(name.to_owned(), &arguments, &definition, at, end, false);
            }
            None => {
                let diagnostic = self.unknown(name, arguments.len(), span);
                self.fail(diagnostic);
            }
        }
        end
    }

    fn unknown(&self, name: &str, arity: usize, span: Span) -> Diagnostic {
        let arities: Vec<_> = (0..=9)
            .filter(|other| *other != arity && self.macros.get(name, *other).is_some())
            .collect();
        if let Some(&other) = arities.first() {
            let plural = if other == 1 { "" } else { "s" };
            return Diagnostic::new(
                format!(
                    "macro `{name}` takes {other} argument{plural}, but is called with {arity}"
                ),
                span,
            );
        }
        let diagnostic = Diagnostic::new(format!("macro `{name}` is not defined"), span);
        // A suggestion costs time; nobody reads the hundredth.
        let names = if self.diagnostics.len() < 20 {
            self.macros.names()
        } else {
            Vec::new()
        };
        let diagnostic = match closest(name, names.iter().map(String::as_str)) {
            Some(other) => diagnostic.with_help(format!("did you mean `{other}`?")),
            None => diagnostic.with_help("define it in the content, or remove the call"),
        };
        match self.calls.last() {
            Some((caller, _)) => diagnostic.with_note(format!("it is called by macro `{caller}`")),
            None => diagnostic,
        }
    }

    /// Reports, and leaves something in place of the call that parses nearly everywhere.
    fn fail(&mut self, diagnostic: Diagnostic) {
        let span = diagnostic.span;
        self.diagnostics.push(diagnostic);
        self.part(span.start as usize, span.end as usize, false);
        self.out.failed.push(self.out.text.len());
        self.out
            .text
            .push_str(if self.command_next { "search *" } else { "*" });
        self.command_next = false;
    }

    fn enter(
        &mut self,
        name: String,
        arguments: &[String],
        definition: &MacroDefinition,
        start: usize,
        end: usize,
        in_string: bool,
    ) {
        let outermost = self.call.is_none();
        let span = self.call.unwrap_or(Span {
            start: short(start),
            end: short(end),
        });
        let key = (name, arguments.len());
        if self.calls.contains(&key) || self.calls.len() >= MAX_DEPTH {
            let cycle = self.calls.contains(&key);
            let mut way: Vec<_> = self.calls.iter().map(|(name, _)| name.as_str()).collect();
            way.push(&key.0);
            let diagnostic = if cycle {
                Diagnostic::new(format!("macro `{}` calls itself", key.0), span)
                    .with_note(way.join(" → "))
            } else {
                Diagnostic::new(
                    format!("macros call each other more than {MAX_DEPTH} deep"),
                    span,
                )
                .with_note(format!("the last one is `{}`", key.0))
            };
            self.fail(diagnostic);
            return;
        }
        let text = substitute(definition, arguments);
        self.calls.push(key);
        self.call = Some(span);
        if in_string {
            // The string must stay one string.
            let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
            self.copy(&escaped, 0, escaped.len());
        } else {
            self.text(&text);
        }
        self.calls.pop();
        if outermost {
            self.call = None;
        }
    }
}

/// Where the call that starts with the backtick at `at` ends, exclusive. Quoted arguments may hold backticks.
fn call_end(text: &str, at: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut quoted = false;
    let mut index = at + 1;
    while let Some(&byte) = bytes.get(index) {
        match byte {
            b'\\' if quoted => index += 1,
            b'"' => quoted = !quoted,
            b'`' if !quoted => return Some(index + 1),
            _ => {}
        }
        index += 1;
    }
    None
}

/// Splits `name(a, "b, c", f(d, e))`.
fn split_call(call: &str) -> Option<(&str, Vec<String>)> {
    let call = call.trim();
    let (name, arguments) = match call.split_once('(') {
        Some((name, rest)) => (name.trim_end(), split_arguments(rest.strip_suffix(')')?)),
        None => (call, Vec::new()),
    };
    let valid = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | ' ');
    (!name.is_empty() && name.chars().all(valid)).then_some((name, arguments))
}

fn split_arguments(text: &str) -> Vec<String> {
    if text.trim().is_empty() {
        return Vec::new();
    }
    let mut arguments = Vec::new();
    let (mut start, mut depth, mut quoted, mut escaped) = (0, 0_usize, false, false);
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                arguments.push(unquote(&text[start..index]));
                start = index + 1;
            }
            _ => {}
        }
    }
    arguments.push(unquote(&text[start..]));
    arguments
}

/// Takes off the quotes if the whole argument stands in one pair.
fn unquote(argument: &str) -> String {
    let argument = argument.trim();
    let Some(inner) = argument
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
    else {
        return argument.to_owned();
    };
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' => return argument.to_owned(),
            '\\' if chars.peek() == Some(&'"') => {
                chars.next();
                out.push('"');
            }
            '\\' => {
                out.push('\\');
                out.extend(chars.next());
            }
            _ => out.push(c),
        }
    }
    out
}

/// Puts arguments in place of `$name$`.
fn substitute(definition: &MacroDefinition, arguments: &[String]) -> String {
    let text = &definition.definition;
    if arguments.is_empty() {
        return text.trim().to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text.trim();
    while let Some(open) = rest.find('$') {
        out.push_str(&rest[..open]);
        let after = &rest[open + 1..];
        let length = after
            .bytes()
            .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
            .count();
        let value = after[length..].starts_with('$').then(|| {
            definition
                .arguments
                .iter()
                .position(|name| *name == after[..length])
                .and_then(|index| arguments.get(index))
        });
        match value.flatten() {
            Some(value) => {
                out.push_str(value);
                rest = &after[length + 1..];
            }
            None => {
                out.push('$');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}
