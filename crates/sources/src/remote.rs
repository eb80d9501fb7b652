//! Files of programs for remote administration: AnyDesk's trace (`ad.trace`, `ad_svc.trace`) and `connection_trace.txt`, TeamViewer's
//! `Connections_incoming.txt`, `Connections.txt` and log. They name neither their machine nor, mostly, that of the peer, which has
//! a number.

use crate::record::Record;
use crate::time;

/// What is known from earlier lines of the same file.
#[derive(Debug, Default)]
pub(crate) struct Remote {
    /// The thread of AnyDesk that last named a peer, and the peer's number.
    peer: Option<(String, String)>,
    /// When TeamViewer's log began, and how far its clock is ahead of UTC, in microseconds.
    began: Option<(i64, i64)>,
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.len() <= 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Digits of a date or clock, with these separators.
fn is_digits(text: &str, separators: &[u8]) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || separators.contains(&byte))
}

fn micros(date: &str, clock: &str) -> Option<i64> {
    let fits = date.len() == 10 && is_digits(date, b"-/") && is_digits(clock, b":.");
    fits.then(|| time::parse(&format!("{} {clock}", date.replace('/', "-"))))?
        .map(|written| written.micros)
}

/// `11-02-2021 13:20:41`, in UTC.
fn day_first(text: &str) -> Option<i64> {
    let (date, clock) = text.trim().split_once(' ')?;
    let mut parts = date.split('-');
    let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
    micros(&format!("{year}-{month}-{day}"), clock)
}

/// Whether a line may be one of theirs; cheaper than reading it.
pub(crate) fn looks_like(line: &[u8]) -> bool {
    const STARTS: [&[u8]; 8] = [
        b"info ",
        b"warning ",
        b"warn ",
        b"error ",
        b"debug ",
        b"fatal ",
        b"Incoming ",
        b"Start:",
    ];
    let tab = line.iter().take(16).position(|byte| *byte == b'\t');
    let number = |end: usize| {
        line.get(..end)
            .is_some_and(|start| start.iter().all(u8::is_ascii_digit))
    };
    STARTS.iter().any(|start| line.starts_with(start))
        || line.starts_with(b"Incoming\t")
        || tab.is_some_and(|end| end > 0 && number(end))
        // `2021/02/11 13:20:41.123  4711  4712 S0   …`
        || (number(4) && line.get(4) == Some(&b'/'))
        || line.starts_with(b"ID:")
}

impl Remote {
    /// Fills a record with a line; returns whether it is one of these files.
    pub fn line(&mut self, text: &str, record: &mut Record) -> bool {
        let text = text.trim_end();
        self.anydesk(text, record)
            || connection_trace(text, record)
            || connections(text, record)
            || self.teamviewer(text, record)
    }

    /// `info 2023-05-11 11:39:07.344  gsvc  4376  5424  37  anynet.any_socket - Client-ID: 442226597 (…).`; UTC.
    fn anydesk(&mut self, text: &str, record: &mut Record) -> bool {
        let Some((head, message)) = text.split_once(" - ") else {
            return false;
        };
        let words: Vec<&str> = head.split_ascii_whitespace().take(9).collect();
        let [level, date, clock, process, rest @ .., component] = words.as_slice() else {
            return false;
        };
        let levels = ["info", "warning", "warn", "error", "debug", "fatal"];
        let Some(time) = micros(date, clock).filter(|_| levels.contains(level)) else {
            return false;
        };
        // Its process and thread, and since version 7 another number.
        if !(2..=3).contains(&rest.len()) || !rest.iter().all(|word| is_number(word)) {
            return false;
        }
        begin(record, "program:anydesk", time);
        let thread = rest.get(1).copied().unwrap_or_default();
        record.data("level", level);
        record.data("process", process);
        record.data("pid", rest.first().copied().unwrap_or_default());
        record.data("component", component);
        record.data("message", message);
        let number = |text: &str| -> String {
            let text = text.trim_start_matches(['"', '\'', ' ']);
            text.chars()
                .take_while(char::is_ascii_digit)
                .take(12)
                .collect()
        };
        if let Some(rest) = message.strip_prefix("Client-ID: ") {
            self.peer = Some((thread.to_owned(), number(rest)));
        } else if let Some(rest) = message.strip_prefix("Logged in from ") {
            record.data("direction", "incoming");
            record.data("action", "connected");
            let end = rest.split(' ').next().unwrap_or(rest).trim_end_matches('.');
            let (address, port) = match end.rsplit_once(':') {
                Some((address, port)) if is_number(port) => {
                    (address.trim_matches(['[', ']']), port)
                }
                _ => (end, ""),
            };
            record.data("src_ip", address);
            record.data("src_port", port);
            if let Some((_, id)) = self.peer.as_ref().filter(|(own, _)| own == thread) {
                record.data("peer_id", id);
            }
        } else if let Some(rest) = message.strip_prefix("Incoming session request: ") {
            record.data("direction", "incoming");
            record.data("action", "requested");
            // The peer chooses its name; its number is last.
            if let Some((name, id)) = rest.trim_end_matches('.').rsplit_once(" (") {
                record.data("peer_name", name);
                record.data("peer_id", &number(id));
            }
        } else if let Some(rest) = message.strip_prefix("Authenticated ") {
            record.data("direction", "incoming");
            record.data("action", "success");
            record.data("auth_method", rest.trim_end_matches('.'));
        } else if let Some(rest) = message
            .strip_prefix("Making a new connection to client ")
            .or_else(|| message.strip_prefix("Connecting to "))
            .filter(|rest| !number(rest).is_empty())
        {
            record.data("direction", "outgoing");
            record.data("action", "requested");
            record.data("peer_id", &number(rest));
        }
        true
    }

    /// TeamViewer's log: `2021/02/11 13:20:41.123  4711  4712 S0   …` in local time, whose zone is in its head.
    fn teamviewer(&mut self, text: &str, record: &mut Record) -> bool {
        if let Some(rest) = text.strip_prefix("Start:") {
            let mut words = rest.split_ascii_whitespace();
            let (Some(date), Some(clock), Some(zone)) = (words.next(), words.next(), words.next())
            else {
                return false;
            };
            let (Some(time), Some(zone)) = (micros(date, clock), offset(zone)) else {
                return false;
            };
            self.began = Some((time - zone, zone));
            begin(record, "program:teamviewer", time - zone);
            record.data("message", text);
            return true;
        }
        // The number of this machine, in the log's head.
        if let Some((time, _)) = self.began
            && let Some(id) = text.strip_prefix("ID:").map(str::trim)
            && let Some(id) = id.split(' ').next().filter(|id| is_number(id))
        {
            begin(record, "program:teamviewer", time);
            record.data("own_id", id);
            record.data("message", text);
            return true;
        }
        let mut words = text.split_ascii_whitespace();
        let (Some(date), Some(clock), Some(pid), Some(thread), Some(mark)) = (
            words.next(),
            words.next(),
            words.next(),
            words.next(),
            words.next(),
        ) else {
            return false;
        };
        let marked = mark.len() <= 4 && mark.starts_with(['S', 'D', 'G', 'H', 'W']);
        let Some(local) = micros(date, clock)
            .filter(|_| date.contains('/') && marked && is_number(pid) && is_number(thread))
        else {
            return false;
        };
        begin(
            record,
            "program:teamviewer",
            local - self.began.map_or(0, |(_, zone)| zone),
        );
        let message = text
            .split_once(mark)
            .map_or("", |(_, rest)| rest.trim_start());
        record.data("pid", pid);
        record.data("message", message);
        if let Some((_, rest)) = message.split_once("AddParticipant: [") {
            let (id, rest) = rest.split_once(',').unwrap_or((rest, ""));
            record.data("peer_id", if is_number(id) { id } else { "" });
            record.data(
                "peer_name",
                rest.split_once("name=").map_or("", |(_, name)| name),
            );
        } else if let Some((_, rest)) = message.split_once("punch received a=") {
            let end = rest.split(": ").next().unwrap_or(rest);
            if let Some((address, port)) = end.trim_end_matches(':').rsplit_once(':') {
                record.data("src_ip", address.trim_matches(['[', ']']));
                record.data("src_port", port);
            }
        }
        true
    }
}

/// `(UTC+1:00)` in microseconds.
fn offset(text: &str) -> Option<i64> {
    let text = text.trim_matches(['(', ')']).strip_prefix("UTC")?;
    if text.is_empty() {
        return Some(0);
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = text.trim_start_matches(['+', '-']).split_once(':')?;
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    let fits = (0..=14).contains(&hours) && (0..60).contains(&minutes);
    fits.then_some(sign * (hours * 60 + minutes) * 60_000_000)
}

fn begin(record: &mut Record, channel: &str, time: i64) {
    record.clear();
    record.channel.push_str(channel);
    record.time = Some(time);
}

/// `Incoming    2023-05-11, 11:39    User    anna@ad    442226597`: how it was let in, alias and number of the peer; UTC.
fn connection_trace(text: &str, record: &mut Record) -> bool {
    let words: Vec<&str> = text.split_whitespace().take(12).collect();
    let ["Incoming", date, clock, how, names @ ..] = words.as_slice() else {
        return false;
    };
    let Some(time) = date.strip_suffix(',').and_then(|date| micros(date, clock)) else {
        return false;
    };
    begin(record, "program:anydesk", time);
    record.data("direction", "incoming");
    record.data("auth_method", how);
    record.data(
        "action",
        if how.eq_ignore_ascii_case("rejected") {
            "failure"
        } else {
            "success"
        },
    );
    if let Some((id, name)) = names.split_last() {
        let name = name.join(" ");
        record.data("peer_name", if name == *id { "" } else { &name });
        record.data("peer_id", id);
    }
    true
}

/// TeamViewer's lists of connections, tab-separated. Incoming: number and name of the peer, begin, end, the account at this
/// machine's desktop, kind, session. Outgoing ones have no name. UTC.
fn connections(text: &str, record: &mut Record) -> bool {
    let cells: Vec<&str> = text.split('\t').map(str::trim).take(12).collect();
    let (direction, id, name, from, to, rest) = match cells.as_slice() {
        [id, from, to, rest @ ..] if day_first(from).is_some() => {
            ("outgoing", id, "", from, to, rest)
        }
        [id, name, from, to, rest @ ..] => ("incoming", id, *name, from, to, rest),
        _ => return false,
    };
    let (Some(time), [user, kind, more @ ..]) = (day_first(from), rest) else {
        return false;
    };
    if !is_number(id) || (!to.is_empty() && day_first(to).is_none()) {
        return false;
    }
    begin(record, "program:teamviewer", time);
    record.data("direction", direction);
    record.data("action", "success");
    record.data("peer_id", id);
    record.data("peer_name", name);
    record.data("user", user);
    record.data("session_type", kind);
    record.data("session_id", more.first().copied().unwrap_or_default());
    record.data("end_time", to);
    true
}
