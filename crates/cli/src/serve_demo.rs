//! A simulated company whose days are sent to a server within a minute, as its senders would send them.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use crabwalk_events::catalog::for_each_event;
use crabwalk_events::{EventRef, MemoryCatalog};
use crabwalk_lab::Options;
use crabwalk_sources::collect::Everything;
use crabwalk_sources::{Input, Limits, Quiet};
use serde_json::json;

use crate::outcome::{Failure, note};

/// How long it takes.
const SECONDS: usize = 60;
/// Data fields with times, which must shift along with the event.
const TIMES: [&str; 4] = [
    "UtcTime",
    "CreationUtcTime",
    "PreviousCreationUtcTime",
    "ts",
];
/// Header fields of a Windows event, which are not repeated in its data.
const HEADER: [&str; 16] = [
    "_source",
    "_record",
    "host",
    "source",
    "sourcetype",
    "Channel",
    "Computer",
    "EventCode",
    "EventID",
    "EventRecordID",
    "ExecutionProcessID",
    "ExecutionThreadID",
    "Keywords",
    "Level",
    "Provider",
    "UserID",
];

/// An event of the company, ready to be sent at its time.
struct Made {
    time: i64,
    host: String,
    event: serde_json::Value,
}

/// Generates the company in a folder, and sends its events to a server: the last of them happens now. Returns when all
/// were sent, or when the server is gone.
pub fn play(folder: &Path, address: SocketAddr, token: &str) -> Result<(), Failure> {
    let world = folder.join("demo");
    if !world.is_dir() {
        crate::demo::build(&Options::default(), &world)?;
    }
    let read = crabwalk_sources::read(
        &[Input::Path(world)],
        &Everything,
        &Limits::default(),
        &Quiet,
    );
    let failed = |error: &dyn std::fmt::Display| Failure::new(format!("the demo: {error}"));
    let catalog = MemoryCatalog::new(read.collected).map_err(|error| failed(&error))?;
    let mut all: Vec<Made> = Vec::new();
    let mut last = i64::MIN;
    for_each_event(&catalog, &|_, _| true, &mut |event, _| {
        last = last.max(event.time)
    })
    .map_err(|error| failed(&error))?;
    let shift = jiff::Timestamp::now().as_microsecond().saturating_sub(last);
    for_each_event(&catalog, &|_, _| true, &mut |event, fields| {
        all.push(made(&event, &fields, shift));
    })
    .map_err(|error| failed(&error))?;
    all.sort_by_key(|one| one.time);
    note(
        "demo",
        &format!("{} events of three days arrive within a minute", all.len()),
    );
    for part in all.chunks(all.len().div_ceil(SECONDS).max(1)) {
        let body: String = part
            .iter()
            .map(|one| {
                let time = one.time as f64 / 1e6;
                json!({"time": time, "host": one.host, "event": one.event}).to_string()
            })
            .collect();
        send(address, token, &body).map_err(|error| failed(&error))?;
        std::thread::sleep(Duration::from_secs(1));
    }
    Ok(())
}

fn made(event: &EventRef, fields: &[(String, Vec<String>)], shift: i64) -> Made {
    let time = event.time + shift;
    let moved = |name: &str, value: &str| -> String {
        let written = TIMES
            .contains(&name)
            .then(|| crabwalk_sources::time_of(value));
        match written.flatten().map(|then| then + shift) {
            Some(then) if name == "ts" => format!("{}.{:06}", then / 1_000_000, then % 1_000_000),
            Some(then) => jiff::Timestamp::from_microsecond(then).map_or_else(
                |_| value.to_owned(),
                |then| then.strftime("%F %H:%M:%S.%3f").to_string(),
            ),
            None => value.to_owned(),
        }
    };
    let event_type = crabwalk_vocabulary::EventType {
        channel: event.channel.clone(),
        event_id: event.event_id,
    };
    let text = if event_type.is_windows() {
        json!(xml(event, fields, time, &moved))
    } else {
        let mut row = serde_json::Map::new();
        for (name, values) in fields {
            if HEADER.contains(&name.as_str()) {
                continue;
            }
            let mut values: Vec<_> = values
                .iter()
                .map(|value| json!(moved(name, value)))
                .collect();
            let name = name.strip_prefix("EventData.").unwrap_or(name);
            match values.len() {
                0 => continue,
                1 => row.insert(name.to_owned(), values.remove(0)),
                _ => row.insert(name.to_owned(), values.into()),
            };
        }
        if let Some(log) = event.channel.strip_prefix("zeek:") {
            row.insert("_path".to_owned(), json!(log));
        }
        row.into()
    };
    Made {
        time,
        host: event.host.clone(),
        event: text,
    }
}

/// The event as Windows renders it.
fn xml(
    event: &EventRef,
    fields: &[(String, Vec<String>)],
    time: i64,
    moved: &dyn Fn(&str, &str) -> String,
) -> String {
    let first = |name: &str| {
        let found = fields.iter().find(|(own, _)| own == name);
        found
            .and_then(|(_, values)| values.first())
            .map(|value| escaped(value))
            .unwrap_or_default()
    };
    let when = jiff::Timestamp::from_microsecond(time).unwrap_or_default();
    let mut data = String::new();
    for (name, values) in fields {
        let own = name.strip_prefix("EventData.").unwrap_or(name);
        if HEADER.contains(&name.as_str()) || name.starts_with('_') {
            continue;
        }
        for value in values {
            let value = escaped(&moved(name, value));
            data.push_str(&format!("<Data Name='{}'>{value}</Data>", escaped(own)));
        }
    }
    format!(
        "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider Name='{}'/>\
         <EventID>{}</EventID><Level>{}</Level><Keywords>{}</Keywords><TimeCreated SystemTime='{when}'/>\
         <EventRecordID>{}</EventRecordID><Execution ProcessID='{}' ThreadID='{}'/><Channel>{}</Channel>\
         <Computer>{}</Computer><Security UserID='{}'/></System><EventData>{data}</EventData></Event>",
        first("Provider"),
        event.event_id,
        first("Level"),
        first("Keywords"),
        event.record,
        first("ExecutionProcessID"),
        first("ExecutionThreadID"),
        escaped(&event.channel),
        escaped(&event.host),
        first("UserID"),
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('\'', "&apos;")
}

/// Sends a request to the event collector, repeating it while the server asks to wait.
fn send(address: SocketAddr, token: &str, body: &str) -> io::Result<()> {
    loop {
        let mut stream = TcpStream::connect(address)?;
        write!(
            stream,
            "POST /services/collector HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
             Authorization: Splunk {token}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        match answer.split(' ').nth(1) {
            Some("200") => return Ok(()),
            Some("503") => std::thread::sleep(Duration::from_secs(1)),
            _ => {
                return Err(io::Error::other(
                    answer.lines().next().unwrap_or("no answer").to_owned(),
                ));
            }
        }
    }
}
