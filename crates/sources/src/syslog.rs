//! Lines of syslog: RFC 3164 (`Mar  4 10:00:00 host sshd[7]: …`), RFC 5424, the ISO 8601 form of rsyslog and
//! systemd, with or without a priority; and journald's JSON. Each program's lines are one event type, `syslog:sshd`.

use crate::record::Record;
use crate::time;

/// Programs whose lines have their own event type. All others are `syslog:other`: names come from the writers, and each
/// new one would cost a table.
const PROGRAMS: &[&str] = &[
    "sshd",
    "sudo",
    "su",
    "login",
    "systemd-logind",
    "cron",
    "polkitd",
    "kernel",
    "audit",
];

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// A day in microseconds.
const DAY: i64 = 86_400_000_000;

/// The head of a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line<'t> {
    /// Microseconds since 1970-01-01 UTC.
    pub time: i64,
    /// Whether the year was not written and is taken from `now`.
    pub assumed_year: bool,
    pub host: &'t str,
    pub program: &'t str,
    pub pid: &'t str,
    pub message: &'t str,
    /// Structured data (RFC 5424): names and values of all its elements.
    pub data: Vec<(&'t str, String)>,
}

impl<'t> Line<'t> {
    /// The Windows event in a line's structured data, as a row of names and values: NXLog sends it so.
    pub fn event(&self) -> Option<Vec<(&'t str, String)>> {
        let has = |names: &[&str]| self.data.iter().any(|(name, _)| names.contains(name));
        if !has(&["EventID"]) || !has(&["Channel", "SourceName"]) {
            return None;
        }
        // The head has the event's time, with its zone, its host and its message. Where a relay dated the line by its receipt,
        // the event's time is in the data.
        let own = self
            .data
            .iter()
            .find(|(name, _)| *name == "EventTime")
            .and_then(|(_, text)| time::parse(text))
            .map(|own| match own.zoned {
                true => own.micros,
                false => own.micros + time::zone_at_receipt(own.micros, self.time),
            });
        let time = own
            .filter(|own| (own - self.time).abs() >= 1_000_000)
            .unwrap_or(self.time);
        let mut row: Vec<(&str, String)> = self
            .data
            .iter()
            .filter(|(name, _)| !matches!(*name, "EventTime" | "Hostname" | "Message"))
            .cloned()
            .collect();
        row.push(("EventTime", time.to_string()));
        row.push(("Hostname", self.host.to_owned()));
        row.push(("Message", self.message.to_owned()));
        Some(row)
    }
}

/// Parses the structured data at the start of a text: the values of all elements, and the rest of the text.
fn structured(text: &str) -> Option<(Vec<(&str, String)>, &str)> {
    let mut data = Vec::new();
    let mut rest = text;
    while let Some(element) = rest.strip_prefix('[') {
        let end = element.find([' ', ']'])?;
        rest = element.get(end..)?;
        while let Some(param) = rest.strip_prefix(' ') {
            let (name, quoted) = param.split_once("=\"")?;
            let mut value = String::new();
            let mut chars = quoted.char_indices();
            loop {
                match chars.next()? {
                    (at, '"') => {
                        rest = quoted.get(at + 1..)?;
                        break;
                    }
                    // A backslash escapes a quote, a bracket and itself; before any other character it is literal.
                    (at, '\\') => match quoted.get(at + 1..)?.chars().next()? {
                        escaped @ ('"' | '\\' | ']') => {
                            chars.next();
                            value.push(escaped);
                        }
                        _ => value.push('\\'),
                    },
                    (_, char) => value.push(char),
                }
            }
            data.push((name, value));
        }
        rest = rest.strip_prefix(']')?;
    }
    Some((data, rest))
}

/// A Windows event in Snare's format, whatever precedes it: `MSWinEventLog` followed by tab-separated criticality, log,
/// Snare's counter, date, id, provider, user and its kind, result, computer, category, data, message (Snare's manual).
pub(crate) fn snare(text: &str) -> Option<Vec<(&'static str, String)>> {
    const NAMES: [&str; 13] = [
        "",
        "Channel",
        "",
        "EventTime",
        "EventID",
        "SourceName",
        "",
        "",
        "",
        "Hostname",
        "Category",
        "",
        "Message",
    ];
    let (_, rest) = text.split_once("MSWinEventLog")?;
    // Relays may write control characters as numbers.
    let escaped;
    let rest = match rest.strip_prefix("#011") {
        Some(rest) => {
            escaped = rest.replace("#011", "\t");
            escaped.as_str()
        }
        None => rest.strip_prefix('\t')?,
    };
    let cells: Vec<&str> = rest.trim_end().split('\t').collect();
    let is_event = cells.len() >= 10
        && cells.get(4)?.parse::<u32>().is_ok()
        && time::parse(cells.get(3)?).is_some();
    is_event.then(|| {
        NAMES
            .iter()
            .zip(cells)
            .filter(|(name, _)| !name.is_empty())
            .map(|(name, cell)| (*name, cell.trim().to_owned()))
            .collect()
    })
}

fn is_host(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':'))
}

/// Year of a time.
fn year(micros: i64) -> i64 {
    // Days are exact as floats; a year is 365.2425 days.
    let days = micros.div_euclid(DAY);
    let mut year = 1970 + days.div_euclid(366);
    while time::civil(year + 1, 1, 1, 0, 0, 0, 0).is_some_and(|begins| begins <= micros) {
        year += 1;
    }
    year
}

/// `Mar  4 10:00:00`, in the latest year that puts it before `now`.
fn without_year(text: &str, now: i64) -> Option<(i64, &str)> {
    let month = MONTHS.iter().position(|month| text.starts_with(month))?;
    let rest = text.get(3..)?.strip_prefix(' ')?.trim_start_matches(' ');
    let (day, rest) = rest.split_once(' ')?;
    let (clock, rest) = rest.split_once(' ')?;
    let mut parts = clock.split(':');
    let mut part = || {
        parts
            .next()
            .filter(|part| part.len() == 2)?
            .parse::<u32>()
            .ok()
    };
    let (hour, minute, second) = (part()?, part()?, part()?);
    let day: u32 = day.parse().ok()?;
    let month = u32::try_from(month).ok()? + 1;
    let this = year(now);
    let at = |year| time::civil(year, month, day, hour, minute, second, 0);
    let time = match at(this) {
        Some(time) if time <= now + DAY => time,
        // For a leap day, the year that has it.
        _ => (1..=8).find_map(|back| at(this - back))?,
    };
    Some((time, rest))
}

/// Parses the head of a line. `now` supplies the year if the line has none, in microseconds since 1970-01-01 UTC.
pub(crate) fn line(text: &str, now: i64) -> Option<Line<'_>> {
    let mut rest = text.trim_end();
    let mut newer = false;
    if let Some(inner) = rest.strip_prefix('<') {
        let (priority, after) = inner.split_once('>')?;
        if priority.is_empty()
            || priority.len() > 3
            || !priority.bytes().all(|byte| byte.is_ascii_digit())
        {
            return None;
        }
        rest = after;
        if let Some(after) = rest.strip_prefix("1 ") {
            newer = true;
            rest = after;
        }
    }
    let (time, assumed_year, rest) = match without_year(rest, now) {
        Some((time, rest)) => (time, true, rest),
        None => {
            let (stamp, rest) = rest.split_once(' ')?;
            let bytes = stamp.as_bytes();
            if bytes.len() < 19 || bytes.get(10) != Some(&b'T') {
                return None;
            }
            (time::parse(stamp)?.micros, false, rest)
        }
    };
    let (host, rest) = rest.split_once(' ')?;
    if !is_host(host) {
        return None;
    }
    if newer {
        // RFC 5424: APP-NAME PROCID MSGID STRUCTURED-DATA MSG.
        let mut parts = rest.splitn(4, ' ');
        let (program, pid, _) = (parts.next()?, parts.next()?, parts.next()?);
        let rest = parts.next()?;
        let (data, message) = match rest.strip_prefix('-') {
            Some(message) => (Vec::new(), message),
            None => structured(rest)?,
        };
        return Some(Line {
            time,
            assumed_year,
            host,
            program,
            pid: if pid == "-" { "" } else { pid },
            message: message.trim_start().trim_start_matches('\u{feff}'),
            data,
        });
    }
    let (tag, message) = rest.split_once(": ")?;
    let (program, pid) = match tag.strip_suffix(']').and_then(|tag| tag.split_once('[')) {
        Some((program, pid)) => (program, pid),
        None => (tag, ""),
    };
    if program.is_empty() || program.len() > 128 || program.contains(' ') {
        return None;
    }
    Some(Line {
        time,
        assumed_year,
        host,
        program,
        pid,
        message: message.trim_start(),
        data: Vec::new(),
    })
}

/// Whether a line looks like syslog; cheaper than [`line`].
pub(crate) fn looks_like(bytes: &[u8]) -> bool {
    match bytes.first() {
        Some(b'<') => bytes.get(1).is_some_and(u8::is_ascii_digit),
        Some(byte) if byte.is_ascii_digit() => {
            bytes.get(10) == Some(&b'T') && bytes.get(4) == Some(&b'-')
        }
        Some(byte) if byte.is_ascii_uppercase() => MONTHS
            .iter()
            .any(|month| bytes.starts_with(month.as_bytes()) && bytes.get(3) == Some(&b' ')),
        _ => false,
    }
}

/// Name of a program without its path, in lower case.
fn base(program: &str) -> String {
    let base = program.rsplit('/').next().unwrap_or(program);
    // OpenSSH 9.8 moved the work of a session to separate programs.
    if base == "sshd-session" || base == "sshd-auth" {
        "sshd".to_owned()
    } else {
        base.to_lowercase()
    }
}

/// Whether a program's lines have their own event type.
pub(crate) fn is_known(program: &str) -> bool {
    PROGRAMS.contains(&base(program).as_str())
}

/// Fills a record with a line.
pub(crate) fn fill(record: &mut Record, line: &Line<'_>) {
    record.clear();
    let lower = base(line.program);
    record.channel.push_str("syslog:");
    record.channel.push_str(
        PROGRAMS
            .iter()
            .find(|program| **program == lower)
            .unwrap_or(&"other"),
    );
    record.host = line.host.to_owned();
    record.time = Some(line.time);
    record.data("process", line.program);
    record.data("pid", line.pid);
    record.data("message", line.message);
    if pam(record, line.message) {
        return;
    }
    match lower.as_str() {
        "sshd" => ssh(record, line.message),
        "sudo" => sudo(record, line.message),
        "su" => su(record, line.message),
        _ => {}
    }
}

/// Fills a record with a journald entry (systemd.journal-fields(7)); `of` returns its fields.
pub(crate) fn journal<'f>(record: &mut Record, of: impl Fn(&str) -> Option<&'f str>) {
    let micros = of("_SOURCE_REALTIME_TIMESTAMP").or_else(|| of("__REALTIME_TIMESTAMP"));
    let program = of("SYSLOG_IDENTIFIER")
        .or_else(|| of("_COMM"))
        .unwrap_or_default();
    let time = micros
        .and_then(|micros| micros.parse::<i64>().ok())
        .and_then(time::possible);
    let line = Line {
        time: time.unwrap_or_default(),
        assumed_year: false,
        host: of("_HOSTNAME").unwrap_or_default(),
        program,
        pid: of("_PID").or_else(|| of("SYSLOG_PID")).unwrap_or_default(),
        message: of("MESSAGE").unwrap_or_default(),
        data: Vec::new(),
    };
    fill(record, &line);
    record.time = time;
}

/// OpenSSH server messages about logins (its `auth.c`): `Accepted publickey for eva from 10.0.0.7 port 50022 ssh2: …`.
fn ssh(record: &mut Record, message: &str) {
    let (action, rest) = if let Some(rest) = message.strip_prefix("Accepted ") {
        ("success", rest)
    } else if let Some(rest) = message.strip_prefix("Failed ") {
        ("failure", rest)
    } else {
        return;
    };
    // A name may contain anything, even ` from `: the address is last.
    let Some((method, rest)) = rest.split_once(" for ") else {
        return;
    };
    let Some((user, from)) = rest.rsplit_once(" from ") else {
        return;
    };
    let mut words = from.split(' ');
    let address = words.next().unwrap_or_default();
    let port = match (words.next(), words.next()) {
        (Some("port"), Some(port)) => port,
        _ => "",
    };
    record.data("action", action);
    record.data("auth_method", method);
    record.data("user", user.strip_prefix("invalid user ").unwrap_or(user));
    record.data("src_ip", address);
    record.data("src_port", port);
    if let Some(at) = from.find("SHA256:") {
        let key = from.get(at..).unwrap_or_default();
        record.data("fingerprint", key.split(' ').next().unwrap_or(key));
    }
}

/// Sessions as PAM writes them for any program: `pam_unix(sshd:session): session opened for user eva(uid=1000) by (uid=0)`.
fn pam(record: &mut Record, message: &str) -> bool {
    let Some((_, rest)) = message
        .strip_prefix("pam_")
        .and_then(|rest| rest.split_once(":session): session "))
    else {
        return false;
    };
    let Some((state, rest)) = rest.split_once(" for user ") else {
        return false;
    };
    if !matches!(state, "opened" | "closed") {
        return false;
    }
    // `by` follows at the opening: with the name of who asked for it, or only with a number.
    let (user, by) = rest.rsplit_once(" by ").unwrap_or((rest, ""));
    let name = |text: &str| {
        let text = text.trim();
        text.strip_suffix(')')
            .and_then(|text| text.rsplit_once("(uid="))
            .map_or(text, |(name, _)| name)
            .to_owned()
    };
    record.data("action", state);
    record.data("user", &name(user));
    record.data("src_user", &name(by));
    true
}

/// Who became whom with `su`: of util-linux (`(to root) eva on pts/0`, `FAILED SU (to root) eva on pts/0`), of shadow (`Successful su
/// for root by eva`, `FAILED su for root by eva`), and of coreutils (`+ pts/0 eva:root`).
fn su(record: &mut Record, message: &str) {
    let (refused, rest) = match message
        .strip_prefix("FAILED SU ")
        .or_else(|| message.strip_prefix("FAILED su "))
        .or_else(|| message.strip_prefix("- "))
    {
        Some(rest) => (true, rest),
        None => {
            let rest = message.strip_prefix("Successful su ");
            (
                false,
                rest.or_else(|| message.strip_prefix("+ "))
                    .unwrap_or(message),
            )
        }
    };
    let found = if let Some(rest) = rest.strip_prefix("(to ") {
        let end = rest.rsplit_once(" on ").map_or(rest, |(front, _)| front);
        end.split_once(") ")
    } else if let Some(rest) = rest.strip_prefix("for ") {
        rest.split_once(" by ")
    } else if rest.len() < message.len() {
        let users = rest
            .split_once(' ')
            .and_then(|(_, users)| users.split_once([':', '-']));
        users.map(|(from, to)| (to, from))
    } else {
        None
    };
    let Some((user, by)) = found else {
        return;
    };
    record.data("action", if refused { "failure" } else { "success" });
    record.data("user", user.trim());
    record.data("src_user", by.trim());
}

/// `eva : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/sh`.
fn sudo(record: &mut Record, message: &str) {
    let Some((user, rest)) = message.split_once(" : ") else {
        return;
    };
    let Some((before, command)) = rest.split_once("COMMAND=") else {
        return;
    };
    record.data("src_user", user.trim());
    if let Some(target) = before
        .split(" ; ")
        .find_map(|part| part.trim().strip_prefix("USER="))
    {
        record.data("user", target);
    }
    record.data("command", command);
    // Refusals say why, in front of the rest: `eva : user NOT in sudoers ; TTY=…`.
    let reason = before.split(" ; ").next().unwrap_or_default();
    let refused = [
        "NOT ",
        "not allowed",
        "incorrect password",
        "a password is required",
    ];
    let refused = !reason.contains('=') && refused.iter().any(|text| reason.contains(text));
    record.data("action", if refused { "failure" } else { "success" });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> i64 {
        time::civil(2024, 3, 10, 0, 0, 0, 0).unwrap_or_default()
    }

    #[test]
    fn heads_in_all_forms() {
        let expected = time::civil(2024, 3, 4, 10, 0, 0, 0).unwrap_or_default();
        for text in [
            "Mar  4 10:00:00 bastion sshd[7]: Accepted password for eva from 10.0.0.7 port 5 ssh2",
            "<38>Mar  4 10:00:00 bastion sshd[7]: Accepted password for eva from 10.0.0.7 port 5 ssh2",
            "<38>1 2024-03-04T10:00:00Z bastion sshd 7 - - Accepted password for eva from 10.0.0.7 port 5 ssh2",
            "2024-03-04T12:00:00+02:00 bastion sshd[7]: Accepted password for eva from 10.0.0.7 port 5 ssh2",
        ] {
            let found = line(text, now()).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(
                (found.time, found.host, found.program, found.pid),
                (expected, "bastion", "sshd", "7"),
                "{text}"
            );
            assert!(found.message.starts_with("Accepted password"), "{text}");
            assert!(looks_like(text.as_bytes()), "{text}");
        }
        for text in [
            "",
            "Mars is a planet",
            "2024-03-04 plain text",
            "<x>y",
            "Mar  4 10:00 host a: b",
        ] {
            assert_eq!(line(text, now()), None, "{text}");
        }
    }

    #[test]
    fn the_year_is_the_last_that_fits() {
        let found = line("Dec 31 23:59:59 h p: m", now()).unwrap_or_else(|| panic!("no line"));
        assert_eq!(year(found.time), 2023);
        let found =
            line("Feb 29 00:00:00 h p: m", now() + 365 * DAY).unwrap_or_else(|| panic!("no line"));
        assert_eq!(year(found.time), 2024);
    }

    #[test]
    fn logins() {
        let mut record = Record::default();
        let text = "Mar  4 10:00:00 h sshd-session[7]: Failed password for invalid user a from b from 10.0.0.7 port 50022 ssh2";
        fill(
            &mut record,
            &line(text, now()).unwrap_or_else(|| panic!("no line")),
        );
        assert_eq!(record.channel, "syslog:sshd");
        for (name, value) in [
            ("action", "failure"),
            ("user", "a from b"),
            ("src_ip", "10.0.0.7"),
            ("src_port", "50022"),
        ] {
            assert_eq!(record.get(name), Some(value), "{name}");
        }
    }
}
