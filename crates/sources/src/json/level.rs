//! Records with one level of keys, by whatever exporter.

use std::collections::HashMap;

use super::flat::Flat;
use super::values::{IDS, before, is_sysmon, number, put};
use crate::message;
use crate::positions::name_values;
use crate::record::Record;
use crate::time;
use crate::xml;

/// The log of a flat record: its own statement, or from its provider, Splunk source or id.
pub(super) fn flat_channel<'f>(flat: &'f Flat, prefix: &str) -> &'f str {
    let first = |names: &[&str]| names.iter().find_map(|name| flat.below(prefix, name));
    if let Some(channel) = first(&[
        "Channel", "LogName", "log_name", "channel", "EventLog", "Logfile",
    ]) {
        return channel;
    }
    if let Some(provider) = first(&[
        "SourceName",
        "ProviderName",
        "EventSourceName",
        "Provider",
        "provider",
        "source_name",
    ]) {
        return xml::channel_of_provider(provider);
    }
    // Event Viewer and Get-EventLog use this name for the provider, and others for other things.
    if let Some(source) = flat.below(prefix, "Source")
        && xml::channel_of_provider(source) != source
    {
        return xml::channel_of_provider(source);
    }
    for label in ["source", "sourcetype"] {
        let log = flat
            .below(prefix, label)
            .and_then(|label| label.split_once("WinEventLog:"));
        if let Some((_, log)) = log {
            return log;
        }
    }
    match flat_event_id(flat, prefix) {
        Some(4608..=6424 | 1102) => "Security",
        Some(7034..=7036 | 7040 | 7045) => "System",
        Some(1..=29) if flat.below(prefix, "UtcTime").is_some() => {
            "Microsoft-Windows-Sysmon/Operational"
        }
        _ => "",
    }
}

pub(super) fn flat_event_id(flat: &Flat, prefix: &str) -> Option<u32> {
    IDS.iter().find_map(|id| number(flat.below(prefix, id)?))
}

/// Fields that shippers add to a flat record.
const SHIPPER: &[&str] = &[
    "@version",
    "tags",
    "host",
    "port",
    "type",
    "SourceModuleName",
    "SourceModuleType",
    "EventTypeOrignal",
    "EventReceivedTime",
    "_time",
    "_raw",
    "_indextime",
    "_cd",
    "_bkt",
    "_si",
    "_serial",
    "_sourcetype",
    "punct",
    "linecount",
    "splunk_server",
    "index",
    "timestartpos",
    "timeendpos",
    "_index",
    "_type",
    "_id",
    "_score",
    "preview",
    "offset",
    "lastrow",
    "eventtype",
    "tag",
    "tag::eventtype",
];

/// NXLog, Mordor, Get-WinEvent, Hayabusa, Splunk's extracted fields: one level of keys.
pub(super) fn flat_record(
    flat: &Flat,
    prefix: &str,
    record: &mut Record,
    zones: &mut HashMap<String, i64>,
) {
    let keys = Keys::new(flat, prefix);
    keys.header(record);
    keys.data_in_xml(record);
    let mut inserts: Vec<&str> = Vec::new();
    for (path, value, _) in flat.iter() {
        if let Some(path) = path.strip_prefix(prefix) {
            keys.field(path, value, record, &mut inserts);
        }
    }
    if !inserts.is_empty() {
        name_inserts(&inserts, record);
    }
    record.time = flat_time(flat, prefix, record, zones);
}

/// The keys of a flat record, and which exporter's they are: several give the same names different meanings.
struct Keys<'f> {
    flat: &'f Flat,
    prefix: &'f str,
    nxlog: bool,
    /// Get-EventLog, whose record number is `Index`; WMI's Win32_NTLogEvent has much the same properties.
    event_log: bool,
    /// Whether names of the header mean the header, and not the event's data: Fluent Bit uses `ProcessID` for the writer
    /// of the event.
    headed: bool,
    /// Get-WinEvent, whose objects have their own names for the header.
    winevent: bool,
    /// Azure's tables keep the data as XML; the other columns are not the event's.
    in_xml: Option<&'f str>,
}

impl<'f> Keys<'f> {
    fn new(flat: &'f Flat, prefix: &'f str) -> Self {
        let names = |names: &[&str]| names.iter().find_map(|name| flat.below(prefix, name));
        let nxlog = names(&["SourceModuleType", "EventReceivedTime"]).is_some();
        let event_log = names(&["ReplacementStrings", "InsertionStrings"]).is_some();
        Self {
            flat,
            prefix,
            nxlog,
            event_log,
            headed: nxlog || event_log || names(&["StringInserts"]).is_some(),
            winevent: names(&["Id"]).is_some() && names(&["MachineName", "ProviderName"]).is_some(),
            in_xml: names(&["EventData"]).filter(|text| text.contains("<EventData")),
        }
    }

    /// The first value of a key with one of these names.
    fn first(&self, names: &[&str]) -> Option<&'f str> {
        let mut names = names.iter();
        names.find_map(|name| self.flat.below(self.prefix, name))
    }

    /// Which event it is, of which log, and who wrote it.
    fn header(&self, record: &mut Record) {
        record.event_id = flat_event_id(self.flat, self.prefix).unwrap_or(0);
        record.channel = flat_channel(self.flat, self.prefix).to_owned();
        if record.channel.is_empty() {
            record.channel.push_str("unknown");
        }
        record.host = self
            .first(&[
                "Hostname",
                "Computer",
                "ComputerName",
                "MachineName",
                "computer_name",
                "computer",
                "host",
                "dest",
                "host.name",
            ])
            .unwrap_or_default()
            .to_owned();
        record.provider = self
            .first(&[
                "SourceName",
                "ProviderName",
                "EventSourceName",
                "Provider",
                "provider",
                "Source",
            ])
            .unwrap_or_default()
            .to_owned();
        record.number = self
            .first(&[
                "RecordNumber",
                "EventRecordID",
                "EventRecordId",
                "RecordID",
                "RecordId",
                "record_id",
                "record_number",
            ])
            .or_else(|| self.first(&["Index"]).filter(|_| self.event_log))
            .and_then(|text| text.trim().parse().ok());
        let provider = std::mem::take(&mut record.provider);
        record.envelope("Provider", &provider);
        record.provider = provider;
    }

    fn data_in_xml(&self, record: &mut Record) {
        let Some(text) = self.in_xml else {
            return;
        };
        let start = text.find("<EventData").unwrap_or(0);
        let end = text.rfind("</EventData>").map_or(text.len(), |at| at + 12);
        let data = text.get(start..end).unwrap_or_default();
        let mut event = Record::default();
        let event_xml = format!("<Event><System><EventID>0</EventID></System>{data}</Event>");
        // Damage costs only what follows it.
        let _ = xml::read_event(&event_xml, &mut event);
        for (name, value) in event.own() {
            put(record, name, value);
        }
    }

    /// Takes one value into the record: into its header, its data, or not at all. Values of the data without their names
    /// are put with the `inserts`.
    fn field(&self, path: &str, value: &'f str, record: &mut Record, inserts: &mut Vec<&'f str>) {
        let Self {
            nxlog,
            event_log,
            headed,
            winevent,
            in_xml,
            ..
        } = *self;
        match path {
            "EventData" if in_xml.is_some() => {}
            "RenderedDescription" => record.envelope("Message", value),
            "EventID" | "EventId" | "EventCode" | "event_id" | "eventid" | "EventIdentifier"
            | "eventID" | "Channel" | "LogName" | "log_name" | "channel" | "EventLog"
            | "Logfile" | "Hostname" | "Computer" | "ComputerName" | "MachineName"
            | "computer_name" | "SourceName" | "ProviderName" | "provider" | "RecordNumber"
            | "EventRecordID" | "EventRecordId" | "record_number" | "RecordID" | "RecordId"
            | "record_id" | "@timestamp" | "Timestamp" => {}
            "TimeCreated.DisplayHint" | "TimeGenerated.DisplayHint" => {}
            _ if path.contains(".$date") => {}
            _ if CREATED.contains(&path) || GENERATED.contains(&path) => {}
            // Beside the provider that wrote the event, it is a data field.
            "Provider" if value != record.provider => record.data("Provider", value),
            "Provider" => {}
            "Source" | "EventSourceName" if value == record.provider => {}
            "TaskCategory" => record.envelope(path, value),
            "StringInserts" | "ReplacementStrings" | "InsertionStrings" => inserts.push(value),
            "Properties.Value" if winevent => inserts.push(value),
            "ProcessId" if winevent => record.envelope("ExecutionProcessID", value),
            "ThreadId" if winevent => record.envelope("ExecutionThreadID", value),
            "UserId" | "UserId.Value" if winevent => record.envelope("UserID", value),
            "ProviderId" if winevent => record.envelope("ProviderGuid", value),
            "ActivityId" if winevent => record.envelope("ActivityID", value),
            "RelatedActivityId" if winevent => record.envelope("RelatedActivityID", value),
            _ if winevent
                && (WINEVENT.contains(&path)
                    || path.starts_with("UserId.")
                    || path.starts_with("Properties.")
                    || path.starts_with("Bookmark.")) => {}
            // Properties of WMI's own.
            _ if event_log && path.starts_with("__") => {}
            "Index" | "InstanceId" | "EntryType" | "CategoryNumber" | "Source" | "UserName"
            | "Site" | "Container" | "PSComputerName" | "User" | "CategoryString" | "Type"
                if event_log => {}
            "Data" if headed && !nxlog => {}
            "Sid" if headed && !nxlog => record.envelope("UserID", value),
            "EventCategory" if headed => record.envelope("Task", value),
            "Version" | "Level" | "Task" | "Opcode" | "UserID" | "ActivityID"
            | "RelatedActivityID" | "ExecutionProcessID" | "ExecutionThreadID" | "Qualifiers"
            | "ProviderGuid" | "Severity" | "SeverityValue" | "Category" | "EventType"
            | "OpcodeValue" | "AccountType" | "source" | "sourcetype" | "Message" => {
                record.envelope(path, value)
            }
            "message" | "full_message" => record.envelope("Message", value),
            "short_message" if self.first(&["full_message"]).is_some() => {}
            "short_message" => record.envelope("Message", value),
            "ThreadID" if headed => record.envelope("ExecutionThreadID", value),
            "ProcessID" if headed => record.envelope("ExecutionProcessID", value),
            // NXLog puts the account that wrote the event there.
            "AccountName" | "Domain" if nxlog => record.envelope(path, value),
            "Keywords" => match value.parse::<i64>() {
                Ok(bits) => record.envelope(path, &format!("{bits:#x}")),
                Err(_) => record.envelope(path, value),
            },
            _ if SHIPPER.contains(&path) || path.starts_with("date_") => {}
            _ if in_xml.is_some() => record.envelope(path, value),
            _ => self.data(path, value, record),
        }
    }

    fn data(&self, path: &str, value: &str, record: &mut Record) {
        let name = path
            .strip_prefix("EventData.")
            .or_else(|| path.strip_prefix("Details."))
            .or_else(|| path.strip_prefix("event_data."));
        let name = name.unwrap_or(path);
        let name = name.rsplit('.').next().unwrap_or(name);
        // NXLog renames EventData's `ProcessID`, because it has its own field of that name.
        let name = if name == "ProcessId" && self.nxlog && matches!(record.event_id, 5156 | 5157) {
            "ProcessID"
        } else {
            name
        };
        if self.nxlog && value.contains('&') {
            // NXLog passes the values on with their XML escapes.
            put(record, name, &xml::resolve(value));
        } else {
            put(record, name, value);
        }
    }
}

/// Names values of the event's data by the message, or else by their order. The record's other fields are its
/// exporter's.
fn name_inserts(inserts: &[&str], record: &mut Record) {
    let before = record.own().count();
    if let Some(message) = record.get("Message").map(ToOwned::to_owned) {
        message::message_fields(&message, record, true);
    }
    if record.own().count() == before {
        name_values(record, inserts);
    }
}

/// Get-WinEvent's properties around the event.
const WINEVENT: [&str; 9] = [
    "Id",
    "ContainerLog",
    "MatchedQueryIds",
    "Bookmark",
    "LevelDisplayName",
    "OpcodeDisplayName",
    "TaskDisplayName",
    "KeywordsDisplayNames",
    "Properties",
];

/// Names in flat records for the time at which Windows wrote the event.
const CREATED: [&str; 8] = [
    "TimeCreated",
    "TimeCreated.SystemTime",
    "TimeCreated.value",
    "TimeCreated.DateTime",
    "SystemTime",
    "time_created",
    "timeCreated",
    "EventTime",
];

/// The same, from programs known not to write local time as if it were UTC.
const GENERATED: [&str; 5] = [
    "TimeGenerated",
    "TimeGenerated.value",
    "time_generated",
    "timeGenerated",
    "TimeWritten",
];

/// Names of times of unknown origin.
const OTHER_TIMES: [&str; 10] = [
    "@timestamp",
    "Timestamp",
    "timestamp",
    "event.created",
    "datetime",
    "DateTime",
    "date",
    "Date",
    "time",
    "_time",
];

/// Which time counts is said in the documentation of [`super`].
fn flat_time(
    flat: &Flat,
    prefix: &str,
    record: &Record,
    zones: &mut HashMap<String, i64>,
) -> Option<i64> {
    const MINUTE: i64 = 60_000_000;
    let of = |name: &str| flat.below(prefix, name).and_then(time::parse);
    let first = |names: &[&str]| names.iter().find_map(|name| of(name));
    let stamp = of("@timestamp");
    let received = of("EventReceivedTime");
    let event_time = of("EventTime");
    let is_network = matches!(record.event_id, 3 | 22);
    let utc = is_sysmon(record)
        .then(|| record.get("UtcTime").and_then(time::parse))
        .flatten()
        .map(|written| written.micros);
    if let Some(event_time) = event_time {
        let local = match (event_time.zoned, stamp, received) {
            (true, _, _) => event_time.micros,
            // The same receipt time in local time and in UTC reveals the zone.
            (false, Some(stamp), Some(received)) => {
                event_time.micros + time::zone_at_receipt(received.micros, stamp.micros)
            }
            (false, Some(stamp), None) => {
                event_time.micros + time::zone_at_receipt(event_time.micros, stamp.micros)
            }
            // The one names its zone, the other is next to it.
            (false, None, Some(received)) if received.zoned => {
                event_time.micros + time::zone_at_receipt(event_time.micros, received.micros)
            }
            (false, None, _) => event_time.micros,
        };
        return Some(match utc {
            Some(utc) if (utc - local).abs() <= 2 * MINUTE => utc,
            _ => local,
        });
    }
    if let Some(created) = first(&CREATED) {
        // It can be disguised local time only if it also stands in for `@timestamp`, or is alone; never if it counts
        // from 1970 or has an offset.
        let text = CREATED.iter().find_map(|name| flat.below(prefix, name));
        let honest = text.is_some_and(|text| {
            text.starts_with("/Date(")
                || text
                    .bytes()
                    .all(|byte| byte.is_ascii_digit() || byte == b'.')
                || text
                    .get(10..)
                    .is_some_and(|clock| clock.contains(['+', '-']))
        });
        let disguised = !honest && stamp.is_none_or(|stamp| stamp.micros == created.micros);
        if !disguised {
            return Some(created.micros);
        }
        if let Some(utc) = utc
            && !is_network
        {
            let zone = time::zone(created.micros, utc);
            zones.insert(record.host.clone(), zone);
            return Some(utc);
        }
        return Some(
            created.micros
                + zones
                    .get(&record.host)
                    .or_else(|| zones.get(""))
                    .copied()
                    .unwrap_or(0),
        );
    }
    if let Some(generated) = first(&GENERATED) {
        return Some(match (generated.zoned, stamp) {
            (false, Some(stamp)) => {
                generated.micros + time::zone_at_receipt(generated.micros, stamp.micros)
            }
            _ => generated.micros,
        });
    }
    if let Some(own) = time_of_any_spelling(flat, prefix, &OWN_TIMES) {
        return Some(own);
    }
    // Date and clock in fields of their own.
    for [date, clock] in [["Date", "Time"], ["date", "time"]] {
        if let (Some(date), Some(clock)) = (flat.below(prefix, date), flat.below(prefix, clock))
            && clock.contains(':')
            && let Some(written) = time::parse(&format!("{date} {clock}"))
        {
            return Some(written.micros);
        }
    }
    let others = || OTHER_TIMES.iter().filter_map(|name| of(name));
    others()
        .filter(|written| written.zoned)
        .map(|written| written.micros)
        .min()
        .or_else(|| others().map(|written| written.micros).next())
        .map(|seen| before(seen, record))
        .or(utc)
        .or_else(|| time_of_any_spelling(flat, prefix, &ANY_TIMES))
}

/// Names that say that it is the time of the event, without marks and in small letters; the most telling first.
const OWN_TIMES: [&str; 18] = [
    "timecreated",
    "timecreatedsystemtime",
    "timecreatedutc",
    "utctimecreated",
    "systemtime",
    "eventtime",
    "eventtimeutc",
    "eventtimestamp",
    "timegenerated",
    "timegeneratedutc",
    "timegeneratedlocaltime",
    "generatedtime",
    "timewritten",
    "eventcreated",
    "eventcreatedtime",
    "eventdate",
    "dateandtime",
    "logged",
];

/// The same of names that leave open whose time it is.
const ANY_TIMES: [&str; 11] = [
    "utctime",
    "timestamp",
    "datetime",
    "time",
    "ts",
    "logtime",
    "created",
    "createdtime",
    "creationtime",
    "creationdate",
    "date",
];

/// The time under a name that is one of these but for how it is spelled, for where in a tree of the event it stands, or for what
/// a database wraps around it (`{"$date": …}`); the first of the names counts.
fn time_of_any_spelling(flat: &Flat, prefix: &str, names: &[&str]) -> Option<i64> {
    flat.iter()
        .filter_map(|(path, value, _)| {
            let path = path.strip_prefix(prefix)?;
            let path = path.strip_suffix(".$numberLong").unwrap_or(path);
            let path = path.strip_suffix(".$date").unwrap_or(path);
            // The branches of the event, and marks of attributes, tell nothing.
            let letters = path
                .split('.')
                .filter(|part| !matches!(*part, "Event" | "System" | "winlog" | "#attributes"))
                .flat_map(str::chars)
                .filter(|c| c.is_alphanumeric())
                .flat_map(char::to_lowercase);
            let rank = names
                .iter()
                .position(|known| letters.clone().eq(known.chars()))?;
            Some((rank, time::parse(value)?.micros))
        })
        .min()
        .map(|(_, micros)| micros)
}
