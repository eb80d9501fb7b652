//! Linux's audit log (auditd(8)): `type=USER_LOGIN msg=audit(1709553600.123:77): pid=7 …`. Records that share node, time
//! and serial number are one event.

use std::collections::VecDeque;

use crate::record::{Record, Sink};

/// Events that may wait for further records: the kernel hardly ever mixes those of more.
const OPEN: usize = 32;
/// Records of one event that are kept.
const MOST_RECORDS: usize = 256;
/// Fields of one event that are kept, and words of its command.
const MOST_FIELDS: usize = 1024;
/// Bytes of a record that are read; the kernel writes less than nine thousand.
const MOST_BYTES: usize = 64 << 10;

/// Fields whose text is written as hexadecimal digits where it has spaces, quotes or control characters.
const ENCODED: [&str; 14] = [
    "acct",
    "exe",
    "comm",
    "name",
    "cwd",
    "cmd",
    "proctitle",
    "key",
    "path",
    "dir",
    "data",
    "vm",
    "file",
    "watch",
];

/// Which event a record belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    node: String,
    /// Microseconds since 1970-01-01 UTC.
    time: i64,
    serial: u64,
}

/// An event, of which more records may come.
#[derive(Debug)]
struct Open {
    key: Key,
    records: usize,
    /// Names and values of all records; `type` of each among them.
    fields: Vec<(String, String)>,
    /// The words of a command that was run.
    words: Vec<String>,
}

/// The events of one source.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    open: VecDeque<Open>,
    /// Records that were too many for their event.
    left_out: u64,
}

/// Whether a line looks like a record; cheaper than reading it.
pub(crate) fn looks_like(line: &[u8]) -> bool {
    (line.starts_with(b"type=") || line.starts_with(b"node="))
        && memchr::memmem::find(line.get(..512).unwrap_or(line), b"msg=audit(").is_some()
}

/// `node=srv7 type=SYSCALL msg=audit(1709553600.123:77): …`: the event, the type, and the rest.
fn head(line: &str) -> Option<(Key, &str, &str)> {
    let (node, rest) = match line.strip_prefix("node=") {
        Some(rest) => rest.split_once(' ')?,
        None => ("", line),
    };
    let (kind, rest) = rest.strip_prefix("type=")?.split_once(' ')?;
    let (stamp, rest) = rest.strip_prefix("msg=audit(")?.split_once("):")?;
    let (time, serial) = stamp.split_once(':')?;
    let (seconds, part) = time.split_once('.')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(seconds) || !digits(part) || part.len() > 6 {
        return None;
    }
    let micros: i64 = format!("{part:0<6}").parse().ok()?;
    let time = seconds.parse::<i64>().ok()?.checked_mul(1_000_000)?;
    let key = Key {
        node: node.to_owned(),
        time: crate::time::possible(time.checked_add(micros)?)?,
        serial: serial.parse().ok()?,
    };
    Some((key, kind, rest))
}

/// Text from pairs of hexadecimal digits; zeros, which part a command's words, become spaces.
fn decoded(value: &str) -> Option<String> {
    let pairs = value.as_bytes().as_chunks::<2>();
    if value.is_empty() || !pairs.1.is_empty() {
        return None;
    }
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .filter(|_| !byte.is_ascii_lowercase())
    };
    let mut bytes = Vec::with_capacity(pairs.0.len());
    for [high, low] in pairs.0 {
        let byte = u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()?;
        bytes.push(if byte == 0 { b' ' } else { byte });
    }
    Some(String::from_utf8_lossy(&bytes).trim_end().to_owned())
}

fn is_word_of_command(name: &str) -> bool {
    // `a0`, `a1`, and `a2[0]` for parts of a long one.
    name.strip_prefix('a')
        .and_then(|rest| rest.split('[').next())
        .is_some_and(|number| {
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        })
}

/// Passes on the fields of a record, as long as they are wanted: also those in the message of a program (`msg='op=login …'`) and the names that auditd
/// adds to numbers (`UID="root"`).
fn fields(text: &str, kind: &str, depth: u32, add: &mut dyn FnMut(&str, String) -> bool) {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',', '\u{1d}']);
        let Some((name, value)) = rest.split_once('=') else {
            return;
        };
        // What precedes a name without a value of its own: `login acct="a"`.
        let name = name.rsplit(' ').next().unwrap_or(name);
        let closed = |open: char, close: char| {
            let inner = value.strip_prefix(open)?;
            inner.split_once(close)
        };
        if let Some((inner, after)) = closed('\'', '\'') {
            if depth == 0 {
                fields(inner, kind, 1, add);
            }
            rest = after;
        } else if let Some((inner, after)) = closed('"', '"') {
            if !add(name, inner.to_owned()) {
                return;
            }
            rest = after;
        } else if let Some((inner, after)) = closed('{', '}') {
            if depth == 0 {
                fields(inner, kind, 1, add);
            }
            rest = after;
        } else {
            let end = value.find([' ', '\u{1d}', '\t']).unwrap_or(value.len());
            let (value, after) = value.split_at(end);
            let encoded = ENCODED.contains(&name) || (kind == "EXECVE" && is_word_of_command(name));
            let plain = encoded.then(|| decoded(value)).flatten();
            if !add(name, plain.unwrap_or_else(|| value.to_owned())) {
                return;
            }
            rest = after;
        }
    }
}

impl Audit {
    /// Takes a line, and returns whether it is a record.
    pub fn line(&mut self, text: &str, sink: &mut Sink<'_, '_>) -> bool {
        let text = text.trim_end();
        let cut = text.floor_char_boundary(MOST_BYTES);
        let Some((key, kind, rest)) = text.get(..cut).and_then(head) else {
            return false;
        };
        let at = self.open.iter().position(|open| open.key == key);
        if kind == "EOE" {
            // The end of an event of several records.
            if let Some(open) = at.and_then(|at| self.open.remove(at)) {
                emit(open, sink);
            }
            return true;
        }
        if at.is_none() {
            while self.open.len() >= OPEN {
                self.first(sink);
            }
            self.open.push_back(Open {
                key,
                records: 0,
                fields: Vec::new(),
                words: Vec::new(),
            });
        }
        let at = at.unwrap_or(self.open.len().saturating_sub(1));
        if let Some(open) = self.open.get_mut(at) {
            if open.records >= MOST_RECORDS || open.fields.len() >= MOST_FIELDS {
                self.left_out += 1;
                return true;
            }
            open.records += 1;
            open.fields.push(("type".to_owned(), kind.to_owned()));
            let (known, words) = (&mut open.fields, &mut open.words);
            fields(rest, kind, 0, &mut |name, value| {
                if kind == "EXECVE" && is_word_of_command(name) && words.len() < MOST_FIELDS {
                    words.push(value.clone());
                }
                // An event's records repeat who did it.
                let repeats = known
                    .iter()
                    .any(|(own, other)| own == name && *other == value);
                if !repeats && !value.is_empty() && value != "?" {
                    known.push((name.to_owned(), value));
                }
                known.len() < MOST_FIELDS
            });
        }
        true
    }

    fn first(&mut self, sink: &mut Sink<'_, '_>) {
        if let Some(open) = self.open.pop_front() {
            emit(open, sink);
        }
    }

    /// Writes what waits for further records.
    pub fn finish(&mut self, sink: &mut Sink<'_, '_>) {
        while !self.open.is_empty() {
            self.first(sink);
        }
        if self.left_out > 0 {
            let message = format!(
                "{} records of auditd were left out, because their events have too many",
                self.left_out
            );
            sink.warn(None, message);
        }
    }
}

fn emit(open: Open, sink: &mut Sink<'_, '_>) {
    let Open {
        key, fields, words, ..
    } = open;
    let record: &mut Record = &mut sink.record;
    record.clear();
    record.channel.push_str("linux:audit");
    record.host.push_str(&key.node);
    record.time = Some(key.time);
    record.data("serial", &key.serial.to_string());
    let of = |name: &str| {
        let mut named = fields.iter().filter(|(own, _)| own == name);
        named.next().map(|(_, value)| value.as_str())
    };
    for (name, value) in &fields {
        record.data(name, value);
    }
    let named = |name: &str| {
        of(name).filter(|name| !matches!(*name, "unset" | "(unknown)" | "(unknown user)"))
    };
    // The number of an account says little to others; its name is there if auditd was told to add it.
    let user = named("acct")
        .or_else(|| named("ID"))
        .or_else(|| named("AUID"));
    record.data("user", user.unwrap_or_default());
    let action = match (of("res"), of("success")) {
        (Some("success" | "1"), _) | (None, Some("yes")) => "success",
        (Some("failed" | "0"), _) | (None, Some("no")) => "failure",
        _ => "",
    };
    record.data("action", action);
    let address = of("addr").into_iter().chain(of("hostname"));
    let mut address = address.filter(|text| text.parse::<std::net::IpAddr>().is_ok());
    record.data("src_ip", address.next().unwrap_or_default());
    let command = match (of("cmd"), words.is_empty()) {
        (Some(command), _) => command.to_owned(),
        (None, false) => words.join(" "),
        (None, true) => of("proctitle").unwrap_or_default().to_owned(),
    };
    record.data("command", &command);
    sink.emit();
}
