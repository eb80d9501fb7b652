//! Events that log managers carry in lines of their own: CEF (ArcSight), LEEF and WinCollect (QRadar), and the lines of
//! evtsys. Each becomes a row of names and values, as the flat records of other shippers are.
//!
//! CEF and LEEF know events of any program. Those of Windows, told by their vendor or log, become events of Windows as far as
//! the format says which value is which: custom fields by their labels, what ArcSight adds by its names, the accounts and
//! addresses of logons by the meaning that the format gives them. Of others, the keys are the fields, and the format is the
//! source type.

use memchr::memmem;

use crate::syslog;
use crate::time;
use crate::xml;

/// A row of names and values, and whether its time lacks a year.
pub(crate) type Row = (Vec<(String, String)>, bool);

/// Fields that a line may have; each name costs a column.
const MOST_FIELDS: usize = 96;

/// A format: what its lines have at their beginning or behind the head of syslog, and how the rest is read.
type Format = (&'static str, fn(&str) -> Option<Vec<(String, String)>>);

const FORMATS: [Format; 3] = [
    ("CEF:", cef),
    ("LEEF:", leef),
    ("AgentDevice=WindowsLog", wincollect),
];

/// Whether a line may be one of these: a cheap look before [`event`].
pub(crate) fn looks_like(line: &[u8]) -> bool {
    FORMATS
        .iter()
        .any(|(mark, _)| memmem::find(line, mark.as_bytes()).is_some())
}

/// The event in a line, if it is one of these. `now` gives the year to heads that have none: microseconds since 1970-01-01 UTC.
pub(crate) fn event(text: &str, now: i64) -> Option<Row> {
    let text = text.trim_end();
    for (mark, read) in FORMATS {
        let Some(at) = text.find(mark) else {
            continue;
        };
        let (before, line) = text.split_at(at);
        // A word in a message does not begin an event.
        let versioned = line.get(mark.len()..).is_some_and(|rest| {
            !mark.ends_with(':') || rest.starts_with(|c: char| c.is_ascii_digit())
        });
        if !versioned || !(before.is_empty() || before.ends_with([' ', ':', '\t', '\u{feff}'])) {
            continue;
        }
        let Some(mut row) = read(line) else {
            continue;
        };
        let padded = format!("{before}a: b");
        let head = syslog::line(text, now).or_else(|| syslog::line(&padded, now));
        let mut assumed = false;
        if let Some(head) = head {
            let has = |name: &str| row.iter().any(|(own, _)| own == name);
            let (dated, hosted) = (
                has("EventTime") || has("_time"),
                has("Hostname") || has("host"),
            );
            let is_event = has("EventID");
            if !hosted {
                let name = if is_event { "Hostname" } else { "host" };
                row.push((name.to_owned(), head.host.to_owned()));
            }
            if !dated {
                let name = if is_event { "EventTime" } else { "_time" };
                row.push((name.to_owned(), head.time.to_string()));
                assumed = head.assumed_year;
            }
        }
        return Some((row, assumed));
    }
    None
}

/// Splits a header at bars that are not escaped; the last part is all that follows.
fn header(text: &str, parts: usize) -> Option<(Vec<String>, &str)> {
    let mut out = Vec::new();
    let mut part = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => part.extend(chars.next().map(|(_, c)| c)),
            '|' => {
                out.push(std::mem::take(&mut part));
                if out.len() == parts {
                    return Some((out, text.get(at + 1..)?));
                }
            }
            c => part.push(c),
        }
    }
    // An event without an extension has no bar behind its last part.
    out.push(part);
    (out.len() == parts).then_some((out, ""))
}

fn is_key(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'[' | b']')
}

/// `key=value key=value`: a value reaches to the blank before the next key. In it `\=`, `\\` and `\n` are escapes.
fn extension(text: &str) -> Vec<(String, String)> {
    let bytes = text.as_bytes();
    // Where keys begin, and where their values do.
    let mut keys: Vec<(usize, usize)> = Vec::new();
    let mut at = 0;
    while at < bytes.len() && keys.len() < MOST_FIELDS {
        match bytes.get(at) {
            Some(b'\\') => at += 1,
            Some(b'=') => {
                let length = bytes.get(..at).map_or(0, |before| {
                    before
                        .iter()
                        .rev()
                        .take_while(|byte| is_key(**byte))
                        .count()
                });
                let start = at - length;
                let begins = start == 0 || bytes.get(start - 1) == Some(&b' ');
                if length > 0 && begins {
                    keys.push((start, at + 1));
                }
            }
            _ => {}
        }
        at += 1;
    }
    let ends = keys
        .iter()
        .skip(1)
        .map(|(start, _)| *start)
        .chain([text.len()]);
    keys.iter()
        .zip(ends)
        .filter_map(|((start, value), end)| {
            let name = text.get(*start..value - 1)?;
            Some((name.to_owned(), unescaped(text.get(*value..end)?.trim())))
        })
        .collect()
}

fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some('=' | '\\' | '|')) => out.extend(chars.next()),
            ('\\', Some('n')) => {
                chars.next();
                out.push('\n');
            }
            ('\\', Some('r')) => {
                chars.next();
                out.push('\r');
            }
            _ => out.push(c),
        }
    }
    out
}

/// The value of the first of these keys that has one.
fn first<'r>(row: &'r [(String, String)], names: &[&str]) -> Option<&'r str> {
    names.iter().find_map(|name| {
        row.iter()
            .find(|(own, value)| own == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    })
}

/// What a line says whatever its format: who made it, what it calls the event, and its keys.
struct Line {
    format: &'static str,
    vendor: String,
    product: String,
    id: String,
    name: String,
    severity: String,
    keys: Vec<(String, String)>,
}

fn cef(text: &str) -> Option<Vec<(String, String)>> {
    let (head, rest) = header(text, 7)?;
    let [_, vendor, product, _, id, name, severity] = <[String; 7]>::try_from(head).ok()?;
    let pairs = extension(rest);
    // Custom fields are named by a field of their own, and what ArcSight adds has its own names behind `ad.`.
    let labels: Vec<(String, String)> = pairs
        .iter()
        .filter_map(|(name, label)| Some((name.strip_suffix("Label")?.to_owned(), label.clone())))
        .collect();
    let keys = pairs
        .into_iter()
        .filter(|(name, _)| !name.ends_with("Label"))
        .map(|(name, value)| {
            let label = labels
                .iter()
                .find(|(own, label)| *own == name && !label.is_empty());
            let name = match label {
                Some((_, label)) => label.replace(' ', ""),
                None => name.strip_prefix("ad.").unwrap_or(&name).to_owned(),
            };
            (name, value)
        })
        .collect();
    Some(row(Line {
        format: "cef",
        vendor,
        product,
        id,
        name,
        severity,
        keys,
    }))
}

fn leef(text: &str) -> Option<Vec<(String, String)>> {
    let newer = text.starts_with("LEEF:2");
    let (head, rest) = match newer {
        true => header(text, 6)?,
        false => header(text, 5)?,
    };
    let mut head = head.into_iter();
    let (_, vendor, product, _, id) = (
        head.next()?,
        head.next()?,
        head.next()?,
        head.next()?,
        head.next()?,
    );
    let separator = match head.next().as_deref() {
        None | Some("") => '\t',
        Some(text) => {
            let code = text
                .strip_prefix("0x")
                .or_else(|| text.strip_prefix('x'))
                .and_then(|code| u32::from_str_radix(code, 16).ok());
            code.and_then(char::from_u32).or(text.chars().next())?
        }
    };
    let keys: Vec<(String, String)> = rest
        .split(separator)
        .take(MOST_FIELDS)
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
        .collect();
    let name = first(&keys, &["name", "eventName"])
        .unwrap_or_default()
        .to_owned();
    let severity = first(&keys, &["sev"]).unwrap_or_default().to_owned();
    Some(row(Line {
        format: "leef",
        vendor,
        product,
        id,
        name,
        severity,
        keys,
    }))
}

/// Accounts and addresses of logons, by the keys of CEF and LEEF: event ids, then keys and the names that Windows has.
const LOGONS: [(&[u32], &str); 4] = [
    (
        &[4624, 4625, 4648, 4768, 4769, 4771, 4776],
        "suser=SubjectUserName sntdom=SubjectDomainName suid=SubjectLogonId duser=TargetUserName usrName=TargetUserName dntdom=TargetDomainName \
         domain=TargetDomainName src=IpAddress spt=IpPort srcPort=IpPort",
    ),
    (&[4624, 4625], "shost=WorkstationName duid=TargetLogonId"),
    (&[4776], "shost=Workstation"),
    (&[4648], "dhost=TargetServerName"),
];

/// The row of a line: an event of Windows, or of its format.
fn row(line: Line) -> Vec<(String, String)> {
    let text = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let keys = &line.keys;
    let number = |text: &str| text.trim().parse::<u32>().ok().filter(|id| *id < 1 << 16);
    // `Microsoft-Windows-Security-Auditing:4624`, or the number alone.
    let (provider, own_id) = match line.id.rsplit_once(':') {
        Some((provider, id)) => (provider, number(id)),
        None => ("", number(&line.id)),
    };
    let id = first(keys, &["externalId", "EventID", "eventID", "EventIDCode"])
        .and_then(number)
        .or(own_id);
    let log = first(keys, &["cat", "Channel", "EventLog", "LogName"])
        .filter(|log| matches!(*log, "Security" | "System" | "Application") || log.contains('/'));
    let provider = first(
        keys,
        &["SourceName", "Source", "ProviderName", "sourceServiceName"],
    )
    .unwrap_or(provider);
    let known = xml::channel_of_provider(provider);
    let is_windows = log.is_some()
        || known != provider
        || (line.vendor.contains("Microsoft") && line.product.contains("Windows"));
    let when = first(
        keys,
        &[
            "rt",
            "deviceReceiptTime",
            "EventTime",
            "devTime",
            "end",
            "start",
        ],
    )
    .and_then(time::parse);
    let host = first(keys, &["dvchost", "identHostName", "Computer", "Hostname"]);
    let mut row = Vec::new();
    let Some(id) = id.filter(|_| is_windows) else {
        row.push(text("sourcetype", line.format));
        row.extend(when.map(|when| text("_time", &when.micros.to_string())));
        row.extend(
            host.or_else(|| first(keys, &["dvc"]))
                .map(|host| text("host", host)),
        );
        for (name, value) in [
            ("vendor", &line.vendor),
            ("product", &line.product),
            ("signature_id", &line.id),
            ("signature", &line.name),
            ("severity", &line.severity),
        ] {
            row.push(text(name, value));
        }
        row.extend(line.keys);
        return row;
    };
    row.push(text("EventID", &id.to_string()));
    row.push(text("Channel", log.unwrap_or(known)));
    row.push(text("SourceName", provider));
    row.retain(|(_, value)| !value.is_empty());
    row.extend(when.map(|when| text("EventTime", &when.micros.to_string())));
    row.extend(
        host.or_else(|| first(keys, &["dvc", "dhost"]))
            .map(|host| text("Hostname", host)),
    );
    let message = first(keys, &["Message", "msg"]);
    row.extend(message.map(|message| text("Message", message)));
    row.extend(
        first(keys, &["RecordNumber", "EventRecordID"]).map(|number| text("EventRecordID", number)),
    );
    // A message in whole says it all, in Windows' own words.
    let is_whole = message.is_some_and(|message| message.contains(": ") && message.len() > 200);
    if is_whole {
        return row;
    }
    const HEADER: [&str; 26] = [
        "externalId",
        "EventID",
        "eventID",
        "EventIDCode",
        "cat",
        "Channel",
        "EventLog",
        "LogName",
        "SourceName",
        "Source",
        "ProviderName",
        "sourceServiceName",
        "rt",
        "deviceReceiptTime",
        "EventTime",
        "devTime",
        "devTimeFormat",
        "dvchost",
        "identHostName",
        "Computer",
        "Hostname",
        "Message",
        "msg",
        "RecordNumber",
        "EventRecordID",
        "eventId",
    ];
    for (name, value) in &line.keys {
        if HEADER.contains(&name.as_str()) {
            continue;
        }
        let own = LOGONS
            .iter()
            .filter(|(ids, _)| ids.contains(&id))
            .flat_map(|(_, names)| names.split_ascii_whitespace())
            .filter_map(|pair| pair.split_once('='))
            .find(|(key, _)| key == name)
            .map_or(name.as_str(), |(_, own)| own);
        row.push(text(own, value));
    }
    row
}

/// The lines of QRadar's WinCollect: `AgentDevice=WindowsLog`, then tabs between names and values, the message last.
fn wincollect(text: &str) -> Option<Vec<(String, String)>> {
    let (head, message) = text.split_once("\tMessage=").unwrap_or((text, ""));
    let pairs: Vec<(&str, &str)> = head
        .split('\t')
        .filter_map(|pair| pair.split_once('='))
        .collect();
    let of = |name: &str| {
        pairs
            .iter()
            .find(|(own, value)| *own == name && !value.is_empty())
            .map(|(_, value)| value.trim())
    };
    let id = of("EventIDCode").or_else(|| of("EventID"))?;
    let mut row = vec![("EventID".to_owned(), id.to_owned())];
    for (name, from) in [
        ("Channel", "AgentLogFile"),
        ("SourceName", "Source"),
        ("Hostname", "Computer"),
        ("RecordNumber", "RecordNumber"),
        ("EventTime", "TimeGenerated"),
        ("Level", "Level"),
        ("Keywords", "Keywords"),
        ("Task", "Task"),
        ("Opcode", "Opcode"),
    ] {
        row.extend(of(from).map(|value| (name.to_owned(), value.to_owned())));
    }
    row.push(("Message".to_owned(), message.trim().to_owned()));
    Some(row)
}

/// The event of Windows that a line of syslog by evtsys is: the provider as the program, without `Microsoft-Windows-` and with
/// `_` for blanks, and the id before the message.
pub(crate) fn evtsys(line: &syslog::Line<'_>) -> Option<Vec<(&'static str, String)>> {
    let (id, message) = line.message.split_once(": ")?;
    if id.is_empty() || id.len() > 5 || !id.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let plain = line.program.replace('_', " ");
    let whole = format!("Microsoft-Windows-{}", line.program);
    let provider = [plain, line.program.to_owned(), whole]
        .into_iter()
        .find(|name| xml::channel_of_provider(name) != name)?;
    let message = ["AUDIT_SUCCESS ", "AUDIT_FAILURE "]
        .iter()
        .find_map(|kind| message.strip_prefix(kind))
        .unwrap_or(message);
    Some(vec![
        ("EventID", id.to_owned()),
        ("SourceName", provider),
        ("Hostname", line.host.to_owned()),
        ("EventTime", line.time.to_string()),
        ("Message", message.to_owned()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_reach_to_the_next_key() {
        let pairs = |text: &str| extension(text);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            pairs(r"a=1 msg=x\=y and z b.c= d=C:\\x\\y e=\|"),
            [
                pair("a", "1"),
                pair("msg", "x=y and z"),
                pair("b.c", ""),
                pair("d", r"C:\x\y"),
                pair("e", "|")
            ]
        );
        assert_eq!(pairs("no keys"), []);
        assert_eq!(pairs("=x a=b=c"), [pair("a", "b=c")]);
    }

    #[test]
    fn headers_have_escaped_bars() {
        let (head, rest) = header(r"CEF:0|a\|b|c\\|1|2|n|5|k=v|w", 7).unwrap_or_default();
        assert_eq!(head, ["CEF:0", "a|b", r"c\", "1", "2", "n", "5"]);
        assert_eq!(rest, "k=v|w");
        assert_eq!(header("CEF:0|a|b", 7), None);
    }
}
