//! Tables of events as text: output of EvtxECmd, `Export-Csv`, Event Viewer, Splunk and Kibana.
//!
//! The columns of such a table are the keys of the JSON records that the same programs write, so a row is read as a
//! record with these keys ([`crate::json`]). The same holds for rows of plaso's timelines, whose message contains the
//! event. A table is recognised by the columns in its first line; others, such as this program's own `findings.csv`,
//! are not tables of events.

use crate::cloud;
use crate::masstin;
use crate::time;

/// The head of a table of events.
#[derive(Debug)]
pub(crate) struct Table {
    separator: char,
    names: Vec<String>,
    /// Whether it is a plaso timeline.
    timeline: bool,
    /// Whether it is a timeline of masstin.
    masstin: bool,
}

/// Columns that contain the event's id, or the event.
const TELLING: &[&str] = &[
    "EventID",
    "EventId",
    "EventCode",
    "EventIdentifier",
    "Id",
    "event.code",
    "winlog.event_id",
    "_raw",
];

/// Columns of which a table of events also has at least one.
const BESIDE: &[&str] = &[
    "Channel",
    "LogName",
    "ProviderName",
    "Provider",
    "Source",
    "SourceName",
    "TimeCreated",
    "TimeGenerated",
    "winlog.channel",
    "_time",
];

/// A line with more separators is no head of a table, and would take long to compare.
const MOST_COLUMNS: usize = 4096;

impl Table {
    /// The table with the columns in this line.
    pub fn of(line: &str) -> Option<Self> {
        let (separator, columns) = [',', ';', '\t']
            .map(|separator| (separator, line.matches(separator).count()))
            .into_iter()
            .max_by_key(|(_, columns)| *columns)?;
        if columns > MOST_COLUMNS {
            return None;
        }
        let names: Vec<String> = cells(line, separator)
            .into_iter()
            .map(|name| column(&name))
            .collect();
        let has = |all: &[&str]| names.iter().any(|name| all.contains(&name.as_str()));
        // The columns of plaso's `l2tcsv` and `dynamic` outputs.
        let timeline = [
            &["date", "time", "timezone", "MACB", "desc"][..],
            &["datetime", "timestamp_desc", "message"],
        ]
        .iter()
        .any(|all| all.iter().all(|name| has(&[name])));
        let masstin = masstin::is_head(|name| has(&[name]));
        let tells = |names: &[String]| {
            let has = |all: &[&str]| names.iter().any(|name| all.contains(&name.as_str()));
            names.len() > 2 && has(TELLING) && has(BESIDE)
        };
        let names = if timeline || masstin || tells(&names) || cloud::is_head(|name| has(&[name])) {
            names
        } else {
            // The same names, spelled otherwise.
            let names: Vec<String> = names
                .into_iter()
                .map(|name| header_name(&name).map_or(name, ToOwned::to_owned))
                .collect();
            // A table that somebody made of events has a time of its own making.
            let has_time = names
                .iter()
                .any(|name| matches!(name.as_str(), "TimeCreated" | "TimeGenerated"));
            if !has_time || !tells(&names) {
                return None;
            }
            names
        };
        Some(Self {
            separator,
            names,
            timeline,
            masstin,
        })
    }

    /// Whether this is a timeline of masstin.
    pub fn is_of_masstin(&self) -> bool {
        self.masstin
    }

    /// The end of the row that begins here, as far as it can be determined; `end`: nothing follows.
    pub fn find_row_end(&self, bytes: &[u8], end: bool) -> Option<usize> {
        // One of three that are ASCII.
        find_row_end(bytes, u8::try_from(self.separator).unwrap_or(b','), end)
    }

    /// The table that begins with this row of another table, in concatenated files.
    ///
    /// Proves that a row is a record: each has its own number or time.
    pub fn of_row(row: &str) -> Option<Self> {
        let line = row.trim_start_matches('\u{feff}').trim_end();
        let first = line.trim_start_matches('"').bytes().next()?;
        let may_be = line.len() <= 8192
            && (first.is_ascii_alphabetic() || matches!(first, b'_' | b'@'))
            && !line.contains('\n')
            && TELLING
                .iter()
                .chain(&["Event ID"])
                .any(|name| line.contains(name));
        if !may_be {
            return None;
        }
        let is_name = |name: &String| {
            name.chars().next().is_none_or(|c| !c.is_ascii_digit())
                && name
                    .chars()
                    .all(|c| c.is_alphanumeric() || " _.@:-{}".contains(c))
        };
        Self::of(line).filter(|table| table.names.iter().all(is_name))
    }

    /// The columns of a row that have a value, with interpreted times.
    pub fn row(&self, text: &str, dates: &mut Dates) -> Vec<(&str, String)> {
        let mut row = self.columns(text);
        if self.timeline {
            return of_timeline(&row);
        }
        for (name, cell) in &mut row {
            if TIMES.contains(name) {
                dates.settle(cell);
            }
        }
        row
    }

    /// The columns of a row that breaks off. What a part of a header field says is something else than the field would have.
    pub fn cut_row(&self, text: &str, dates: &mut Dates) -> Vec<(&str, String)> {
        let mut row = self.row(text, dates);
        let last = cells(text, self.separator).len().checked_sub(1);
        if let Some(name) = last.and_then(|last| self.names.get(last))
            && (TIMES.contains(&name.as_str()) || header_name(name).is_some())
        {
            row.retain(|(own, _)| own != name);
        }
        row
    }

    /// Whether a row has fewer cells than there are columns.
    pub fn lacks_cells(&self, row: &[u8]) -> bool {
        let row = String::from_utf8_lossy(row);
        cells(&row, self.separator).len() < self.names.len()
    }

    /// Whether a quote that opens in the row here and is closed nowhere is where the file breaks off: no line behind it is
    /// a row.
    pub fn ends_in_row(&self, bytes: &[u8]) -> bool {
        let text = String::from_utf8_lossy(bytes);
        let mut lines = text.lines().skip(1);
        !lines.any(|line| cells(line, self.separator).len() >= self.names.len())
    }

    /// The columns of a row that have a value.
    fn columns(&self, text: &str) -> Vec<(&str, String)> {
        // Event Viewer writes the message into a column without a name.
        let names = self.names.iter().map(String::as_str).chain(["Message"]);
        names
            .zip(cells(text, self.separator))
            .filter(|(name, cell)| !name.is_empty() && !cell.is_empty())
            .collect()
    }
}

/// The name of a column in the terms of other shapes: Event Viewer has headings for people, and Azure appends the time
/// zone (`TimeGenerated [UTC]`).
fn column(name: &str) -> String {
    let name = name.trim();
    // Azure: `TimeGenerated [UTC]`, `[Local Time]`.
    let name = match name.split_once(" [") {
        Some((own, zone)) if zone.ends_with(']') => own,
        _ => name,
    };
    match name {
        "Date and Time" => "TimeCreated".to_owned(),
        "Task Category" => "TaskCategory".to_owned(),
        "Event ID" => "EventID".to_owned(),
        "Log Name" | "Log" => "LogName".to_owned(),
        other => other.to_owned(),
    }
}

/// A date and a clock in the zone whose name follows: one of the tz database (`Europe/Berlin`, `EST5EDT`), or any that times
/// have behind them.
fn in_zone(date: &str, clock: &str, zone: &str) -> String {
    let plain = format!("{date} {clock}");
    let local = time::parse(&plain).map(|written| written.micros);
    let named = jiff::tz::TimeZone::get(zone).ok();
    match (local, named) {
        (Some(local), Some(zone)) => jiff::Timestamp::from_microsecond(local)
            .and_then(|time| zone.to_timestamp(jiff::tz::TimeZone::UTC.to_datetime(time)))
            .map_or(plain, |time| time.to_string()),
        _ => format!("{plain} {zone}"),
    }
}

/// A row of a plaso timeline in the form of plaso's JSON.
fn of_timeline(row: &[(&str, String)]) -> Vec<(&'static str, String)> {
    let of = |name: &str| {
        row.iter()
            .find(|(own, _)| *own == name)
            .map_or("", |(_, cell)| cell.as_str())
    };
    let time = match of("datetime") {
        "" => in_zone(of("date"), of("time"), of("timezone")),
        time => time.to_owned(),
    };
    let mut event = vec![
        ("__container_type__", "event".to_owned()),
        ("timestamp", time),
    ];
    let text = match of("desc") {
        "" => of("message"),
        text => text,
    };
    let Some(told) = event_of_message(text) else {
        event.push(("data_type", "other".to_owned()));
        return event;
    };
    event.push(("data_type", "windows:evtx:record".to_owned()));
    event.extend(told);
    let xml = row.iter().find_map(|(_, cell)| {
        let start = cell.find("<Event ").or_else(|| cell.find("<Event>"))?;
        let end = cell.rfind("</Event>").map(|at| at + "</Event>".len());
        cell.get(start..end.unwrap_or(cell.len()))
    });
    if let Some(xml) = xml {
        event.push(("xml_string", xml.to_owned()));
    }
    event
}

/// The content of plaso's message about a log event: `[4624 / 0x1210] Provider identifier: {…} Source Name: … Strings:
/// ['…', '…'] Computer Name: … Record Number: … Event Level: …`.
pub(crate) fn event_of_message(text: &str) -> Option<Vec<(&'static str, String)>> {
    let (id, rest) = text.strip_prefix('[')?.split_once(" / 0x")?;
    let (_, rest) = rest.split_once("] ")?;
    // The strings come from the event and may contain anything: search for the parts before them from the front, and
    // for the parts after them from the end.
    let (head, rest) = rest.split_once("Strings: [").unwrap_or((rest, ""));
    let (strings, tail) = rest.rsplit_once("] Computer Name: ").unwrap_or(("", rest));
    let tail = match tail {
        "" => head
            .split_once("Computer Name: ")
            .map_or("", |(_, tail)| tail),
        tail => tail,
    };
    let mut event = vec![("event_identifier", id.to_owned())];
    let word = |text: &str, label: &str| -> Option<String> {
        let (_, rest) = text.split_once(label)?;
        Some(rest.split(' ').next()?.to_owned())
    };
    event.extend(word(head, "Provider identifier: ").map(|value| ("provider_identifier", value)));
    let (_, source) = head.split_once("Source Name: ")?;
    let source = source.split(" Message string: ").next().unwrap_or(source);
    event.push(("source_name", source.trim().to_owned()));
    event.push(("computer_name", tail.split(' ').next()?.to_owned()));
    event.extend(word(tail, "Record Number: ").map(|value| ("record_number", value)));
    event.extend(word(tail, "Event Level: ").map(|value| ("event_level", value)));
    // Python's way of writing a list of texts.
    let mut chars = strings.chars();
    while let Some(quote) = chars.by_ref().find(|c| matches!(c, '\'' | '"')) {
        let mut value = String::new();
        while let Some(c) = chars.next() {
            match c {
                '\\' => match chars.next() {
                    Some('n') => value.push('\n'),
                    Some('r') => value.push('\r'),
                    Some('t') => value.push('\t'),
                    Some(other) => value.push(other),
                    None => {}
                },
                c if c == quote => break,
                c => value.push(c),
            }
        }
        event.push(("strings", value));
    }
    Some(event)
}

/// Whether an unquoted quote at `at` opens a quoted cell: only at the start of a cell. Any other is part of its cell.
fn opens(bytes: &[u8], at: usize, separator: u8) -> bool {
    // In concatenated files a byte-order mark may precede the first cell.
    matches!(bytes.get(..at), Some(b"" | b"\xef\xbb\xbf"))
        || at.checked_sub(1).and_then(|before| bytes.get(before)) == Some(&separator)
}

/// The quote that closes the cell whose text begins at `from`: the first that is not doubled.
fn closing_quote(bytes: &[u8], mut from: usize) -> Option<usize> {
    loop {
        let at = from + memchr::memchr(b'"', bytes.get(from..)?)?;
        if bytes.get(at + 1) != Some(&b'"') {
            return Some(at);
        }
        from = at + 2;
    }
}

/// The end of the row that begins here: a line break outside of quotes.
fn find_row_end(bytes: &[u8], separator: u8, end: bool) -> Option<usize> {
    let mut from = 0;
    while let Some(found) = memchr::memchr2(b'"', b'\n', bytes.get(from..)?) {
        let at = from + found;
        from = at + 1;
        if bytes.get(at) == Some(&b'\n') {
            return Some(from);
        }
        if opens(bytes, at, separator) {
            from = closing_quote(bytes, from)? + 1;
        }
    }
    end.then_some(bytes.len())
}

/// The cells of a row. Quotes in a quoted cell are doubled.
fn cells(text: &str, separator: char) -> Vec<String> {
    let text = text.trim_end_matches(['\n', '\r']);
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut cells = Vec::new();
    let mut at = 0;
    loop {
        let mut cell = String::new();
        if text.as_bytes().get(at) == Some(&b'"') {
            // An unclosed cell extends to the end.
            let end = closing_quote(text.as_bytes(), at + 1).unwrap_or(text.len());
            let quoted = text.get(at + 1..end).unwrap_or_default();
            cell.push_str(&quoted.replace("\"\"", "\""));
            at = end + 1;
        }
        let rest = text.get(at..).unwrap_or_default();
        let length = rest.find(separator);
        cell.push_str(rest.get(..length.unwrap_or(rest.len())).unwrap_or_default());
        cells.push(cell);
        match length {
            Some(length) => at += length + separator.len_utf8(),
            None => return cells,
        }
    }
}

/// Columns that contain only the event's time.
pub(crate) const TIMES: &[&str] = &[
    "Date",
    "TimeCreated",
    "TimeGenerated",
    "TimeWritten",
    "EventTime",
    "_time",
    "@timestamp",
    "Timestamp",
];

/// The first two parts of a date with slashes whose year, of two or four digits, is last, as numbers and as text, and the rest.
fn slashed(cell: &str) -> Option<(u32, u32, [&str; 3])> {
    let (first, rest) = cell.trim_start().split_once('/')?;
    let (second, rest) = rest.split_once('/')?;
    let part = |text: &str| -> Option<u32> {
        let plain = matches!(text.len(), 1 | 2) && text.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| text.parse().ok()).flatten()
    };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let is_year = digits >= 4 || (digits == 2 && rest.as_bytes().get(2) == Some(&b' '));
    is_year.then_some((part(first)?, part(second)?, [first, second, rest]))
}

/// The name of a field of an event's header that is written so but for case, blanks and other marks, as flat records
/// mostly have it.
pub(crate) fn header_name(name: &str) -> Option<&'static str> {
    const NAMES: [(&str, &str); 19] = [
        ("eventid", "EventID"),
        ("eventcode", "EventID"),
        ("eventidentifier", "EventID"),
        ("channel", "Channel"),
        ("logname", "Channel"),
        ("eventlog", "Channel"),
        ("log", "Channel"),
        ("computer", "Computer"),
        ("computername", "Computer"),
        ("hostname", "Computer"),
        ("machinename", "Computer"),
        ("provider", "Provider"),
        ("providername", "Provider"),
        ("sourcename", "Provider"),
        ("eventrecordid", "EventRecordID"),
        ("recordnumber", "EventRecordID"),
        ("recordid", "EventRecordID"),
        ("timecreated", "TimeCreated"),
        ("timegenerated", "TimeGenerated"),
    ];
    if name.len() > 32 {
        return None;
    }
    let plain: String = name
        .chars()
        .filter(|c| c.is_ascii_alphanumeric())
        .map(|c| c.to_ascii_lowercase())
        .collect();
    NAMES
        .iter()
        .find(|(spelling, _)| *spelling == plain)
        .map(|(_, known)| *known)
}

/// The order of a table's dates with slashes: it depends on the language of the machine, so one unambiguous date
/// decides for all.
#[derive(Debug, Default)]
pub(crate) struct Dates {
    day_first: Option<bool>,
    /// Dates that came before any unambiguous one.
    pub undecided: u64,
}

impl Dates {
    /// Nothing known about one table applies to the next.
    pub fn next_table(&mut self) {
        self.day_first = None;
    }

    /// Learns the order from a date, if it is unambiguous.
    fn learn(&mut self, first: u32, second: u32) {
        if self.day_first.is_none() && (first > 12) != (second > 12) {
            self.day_first = Some(first > 12);
        }
    }

    /// Learns the order from a row ahead. Returns whether to look at the next one.
    pub fn look_at(&mut self, table: &Table, text: &str) -> bool {
        let mut other = false;
        for (name, cell) in table.columns(text) {
            if TIMES.contains(&name) {
                match slashed(&cell) {
                    Some((first, second, _)) => self.learn(first, second),
                    None => other = true,
                }
            }
        }
        !other && self.day_first.is_none()
    }

    /// Learns the order from the dates of a text log. Returns whether to look further.
    ///
    /// A line is a date, or names one: `TimeGenerated=13/03/2024 …`, `TimeCreated : 13/03/2024 …`.
    pub fn look_at_line(&mut self, line: &str) -> bool {
        let cell = TIMES
            .iter()
            .find_map(|name| line.strip_prefix(name))
            .map_or(line, |rest| rest.trim_start_matches([' ', ':', '=', '\t']));
        if let Some((first, second, _)) = slashed(cell) {
            self.learn(first, second);
        }
        self.day_first.is_none()
    }

    /// Rewrites a date of a text log to month first, if the log's dates have the day first.
    pub fn order(&self, cell: &mut String) {
        if self.day_first == Some(true)
            && let Some((first, second, [day, month, rest])) = slashed(cell)
            && first <= 12
            && second <= 12
        {
            *cell = format!("{month}/{day}/{rest}");
        }
    }

    /// Rewrites a date to month first.
    fn settle(&mut self, cell: &mut String) {
        let Some((first, second, [day, month, rest])) = slashed(cell) else {
            return;
        };
        self.learn(first, second);
        // Only one reading is a date, or both are the same.
        if first > 12 || second > 12 || first == second {
            return;
        }
        match self.day_first {
            Some(true) => *cell = format!("{month}/{day}/{rest}"),
            Some(false) => {}
            None => self.undecided += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_taken_apart() {
        assert_eq!(
            cells("a,\"b,\"\"c\"\"\nd\",,e\"f\r\n", ','),
            ["a", "b,\"c\"\nd", "", "e\"f"]
        );
        let end = |text: &[u8], end| find_row_end(text, b',', end);
        assert_eq!(end(b"a,\"b\nc\"\nd", false), Some(8));
        assert_eq!(end(b"a,\"b\"\"\nc\"\nd", false), Some(10));
        assert_eq!(end(b"a,\"b\nc", false), None);
        assert_eq!(end(b"a,b", true), Some(3));
        // A quote inside of a cell is itself, and so are two.
        assert_eq!(end(b"a,5\" wide\nb", false), Some(10));
        assert_eq!(end(b"a,cmd /c \"\" foo\nb", false), Some(16));
        assert_eq!(
            cells("a,cmd /c \"\" foo,\"\",\"\"\"\"", ','),
            ["a", "cmd /c \"\" foo", "", "\""]
        );
        // In concatenated files a byte-order mark may precede a row.
        assert_eq!(end("\u{feff}\"a\nb\",c\nd".as_bytes(), false), Some(11));
        assert_eq!(cells("\u{feff}\"a\nb\",c\n", ','), ["a\nb", "c"]);
        assert_eq!(cells("a,\"b", ','), ["a", "b"]);
        assert_eq!(cells("a,", ','), ["a", ""]);
        assert_eq!(cells("", ','), [""]);
    }

    #[test]
    fn tables_of_events_are_told_from_others() {
        for (line, events) in [
            (
                "RecordNumber,EventRecordId,TimeCreated,EventId,Level,Provider,Channel,Payload",
                true,
            ),
            ("\"Message\";\"Id\";\"ProviderName\";\"LogName\"", true),
            ("Level,Date and Time,Source,Event ID,Task Category", true),
            ("_raw,_time,host,source,sourcetype", true),
            (
                "time,host,what,severity,message,channel,event_id,record,source,finding,hop",
                false,
            ),
            ("Id,name,address", false),
            ("plain text, with commas, and no names", false),
        ] {
            assert_eq!(Table::of(line).is_some(), events, "{line}");
        }
    }

    #[test]
    fn where_a_row_ends_and_what_its_cells_are_agree() {
        // Every text of these letters: the rows have as many cells as there are separators outside of quotes, complete
        // or not.
        let letters = ['"', ',', 'a', '\n'];
        for number in 0..4_usize.pow(8) {
            let text: String = (0..8)
                .map(|at| letters[number / 4_usize.pow(at) % 4])
                .collect();
            let Some(end) = find_row_end(text.as_bytes(), b',', true) else {
                continue;
            };
            let row = &text[..end];
            // Quoting the cells and joining them gives the same row.
            let quoted: Vec<String> = cells(row, ',')
                .iter()
                .map(|cell| format!("\"{}\"", cell.replace('"', "\"\"")))
                .collect();
            let again = format!("{}\n{text}", quoted.join(","));
            let length = find_row_end(again.as_bytes(), b',', true).unwrap_or_default();
            assert_eq!(length, quoted.join(",").len() + 1, "{text:?}");
            assert_eq!(cells(&again[..length], ','), cells(row, ','), "{text:?}");
            // No line end outside of quotes stands in a row.
            if !row.contains('"') {
                assert!(!row.trim_end_matches('\n').contains('\n'), "{text:?}");
            }
        }
    }

    #[test]
    fn heads_among_rows_are_told_from_records() {
        for (row, head) in [
            (
                "\u{feff}\"Message\",\"Id\",\"ProviderName\",\"LogName\"\n",
                true,
            ),
            (
                "Level,Date and Time,Source,Event ID,Task Category\r\n",
                true,
            ),
            ("4624,Security,EventID,Channel,2024-03-04 12:00:00\n", false),
            // An account's name does not make a record a header.
            ("Information,4624,EventID,Channel,name\n", false),
            ("<Event>,Mar 4,EventID,Channel,name\n", false),
            ("Information,text,Provider,name\n", false),
        ] {
            assert_eq!(Table::of_row(row).is_some(), head, "{row}");
        }
    }
}
