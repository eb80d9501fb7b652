//! Tables of events as text: what EvtxECmd, `Export-Csv`, Event Viewer, Splunk and Kibana write.
//!
//! The columns of such a table are the keys of the records that the same programs write as JSON, so that a row is read as
//! a record with these keys ([`crate::json`]). A table is told by the columns of its first line; others, such as this
//! program's own `findings.csv`, are none of events.

/// The head of a table of events.
#[derive(Debug)]
pub(crate) struct Table {
    separator: char,
    names: Vec<String>,
}

/// Columns that name the event's id, or hold the event.
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

/// Columns of which a table of events has one beside that.
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

impl Table {
    /// The table whose columns this line names.
    pub fn of(line: &str) -> Option<Self> {
        let separator = [',', ';', '\t']
            .into_iter()
            .max_by_key(|separator| line.matches(*separator).count())?;
        let names: Vec<String> = cells(line, separator)
            .into_iter()
            .map(|name| column(&name))
            .collect();
        let has = |all: &[&str]| names.iter().any(|name| all.contains(&name.as_str()));
        (names.len() > 2 && has(TELLING) && has(BESIDE)).then_some(Self { separator, names })
    }

    /// The end of the row that begins here, as far as it can be told; `end`: nothing follows.
    pub fn find_row_end(&self, bytes: &[u8], end: bool) -> Option<usize> {
        // One of three that are ASCII.
        find_row_end(bytes, u8::try_from(self.separator).unwrap_or(b','), end)
    }

    /// The columns of a row that have a value, with it.
    pub fn row(&self, text: &str) -> Vec<(&str, String)> {
        // Event Viewer writes the message into a column without a name.
        let names = self.names.iter().map(String::as_str).chain(["Message"]);
        names
            .zip(cells(text, self.separator))
            .filter(|(name, cell)| !name.is_empty() && !cell.is_empty())
            .collect()
    }
}

/// The name of a column as other shapes have it: Event Viewer's are headings for people.
fn column(name: &str) -> String {
    match name.trim() {
        "Date and Time" => "TimeCreated".to_owned(),
        "Task Category" => "TaskCategory".to_owned(),
        "Event ID" => "EventID".to_owned(),
        "Log Name" | "Log" => "LogName".to_owned(),
        other => other.to_owned(),
    }
}

/// The end of the row that begins here: a line end that stands in no quotes. A quote opens a cell only where the cell begins.
fn find_row_end(bytes: &[u8], separator: u8, end: bool) -> Option<usize> {
    let mut quoted = false;
    for at in memchr::memchr2_iter(b'"', b'\n', bytes) {
        let before = at.checked_sub(1).and_then(|before| bytes.get(before));
        match bytes.get(at) {
            // Two that follow each other close and open, which is right for a doubled one.
            Some(b'"') if quoted => quoted = false,
            Some(b'"') => quoted = before.is_none_or(|before| [separator, b'"'].contains(before)),
            _ if !quoted => return Some(at + 1),
            _ => {}
        }
    }
    (end && !quoted).then_some(bytes.len())
}

/// The cells of a row. Quotes in a quoted cell are doubled.
fn cells(text: &str, separator: char) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    let mut chars = text.trim_end_matches(['\n', '\r']).chars().peekable();
    while let Some(char) = chars.next() {
        let Some(cell) = cells.last_mut() else {
            break;
        };
        match char {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            '"' if quoted || cell.is_empty() => quoted = !quoted,
            other if other == separator && !quoted => cells.push(String::new()),
            other => cell.push(other),
        }
    }
    cells
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
        // A quote inside of a cell is itself.
        assert_eq!(end(b"a,5\" wide\nb", false), Some(10));
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
}
