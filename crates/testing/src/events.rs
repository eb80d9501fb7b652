//! Made-up events, and the tables that readers would make from them.

use crabwalk_events::MemoryCatalog;
use crabwalk_sources::collect::{
    Begun, Collected, Collector, Demand, Everything, Head, UNNUMBERED, number_in_log,
};

/// Default time of an event: 2023-11-14T22:13:20Z, in microseconds since 1970-01-01 UTC.
const AT: i64 = 1_700_000_000_000_000;

/// A made event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Channel, or kind of log.
    pub channel: String,
    /// Event id; 0 if the source has none.
    pub id: u32,
    /// Machine that wrote it; empty for a network sensor.
    pub host: String,
    /// Microseconds since 1970-01-01 UTC.
    pub time: i64,
    /// Record number; 0 until [`Events`] assigns the next one.
    pub record: u64,
    /// Names and values, in order; a repeated name adds a value to the field.
    pub fields: Vec<(String, String)>,
}

impl Event {
    /// An event of `channel/id`, or of another kind of log (`zeek:conn`).
    ///
    /// # Panics
    /// If the id is not a number.
    pub fn new(event_type: &str) -> Self {
        let (channel, id) = match event_type.rsplit_once('/') {
            Some((channel, id)) => {
                let id = id.parse();
                (
                    channel,
                    id.unwrap_or_else(|_| panic!("{event_type}: the id is not a number")),
                )
            }
            None => (event_type, 0),
        };
        Self {
            channel: channel.to_owned(),
            id,
            host: "HOST".to_owned(),
            time: AT,
            record: 0,
            fields: Vec::new(),
        }
    }

    /// The machine that wrote it.
    #[must_use]
    pub fn host(mut self, name: &str) -> Self {
        name.clone_into(&mut self.host);
        self
    }

    /// When it happened, microseconds since 1970-01-01 UTC.
    #[must_use]
    pub fn at(mut self, micros: i64) -> Self {
        self.time = micros;
        self
    }

    /// Adds a value to a field.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.fields.push((name.to_owned(), value.into()));
        self
    }

    /// Reads `type=Security/4624 _time=1700000000 host=WS1 LogonType=3 TargetUserName="Ann Lee" Data=[a,b]`.
    ///
    /// `_time` is in seconds. In quotes, `\"`, `\\`, `\n` and `\t` are escapes; multiple values go in brackets. `type`,
    /// `_time` and `host` are optional, and may appear once. With `_record=none` the event has no number in its log.
    ///
    /// # Panics
    /// If the line cannot be parsed.
    pub fn parse(line: &str) -> Self {
        let all = fields(line);
        let one = |name: &str| {
            let found = all.iter().find(|(own, _)| own == name);
            found.map(|(_, value)| value.as_str())
        };
        let mut event = Self::new(one("type").unwrap_or("Test/1"));
        if let Some(time) = one("_time") {
            let seconds: f64 = time
                .parse()
                .unwrap_or_else(|_| panic!("{line}: _time={time}"));
            #[expect(clippy::cast_possible_truncation, reason = "saturates")]
            let micros = (seconds * 1e6) as i64;
            event.time = micros;
        }
        if let Some(host) = one("host") {
            host.clone_into(&mut event.host);
        }
        if one("_record") == Some("none") {
            event.record = UNNUMBERED;
        }
        event.fields = all;
        event
            .fields
            .retain(|(name, _)| !["type", "_time", "host", "_record"].contains(&name.as_str()));
        event
    }
}

/// `a=1 b="x y" c=[1,2]`
fn fields(line: &str) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    let mut rest = line.trim();
    while let Some((name, after)) = rest.split_once('=') {
        let (values, after) = values(after);
        let name = name.trim_matches('"');
        fields.extend(values.into_iter().map(|value| (name.to_owned(), value)));
        rest = after.trim_start();
    }
    assert!(rest.is_empty(), "{line}: no field in `{rest}`");
    fields
}

fn values(text: &str) -> (Vec<String>, &str) {
    let Some(mut rest) = text.strip_prefix('[') else {
        let (one, rest) = value(text, &[' ']);
        return (vec![one], rest);
    };
    let mut values = Vec::new();
    loop {
        let (one, after) = value(rest, &[',', ']']);
        values.push(one);
        if let Some(after) = after.strip_prefix(']') {
            return (values, after);
        }
        rest = after
            .strip_prefix(',')
            .unwrap_or_else(|| panic!("{text}: no `,` or `]`"))
            .trim_start();
    }
}

/// A bare or quoted value.
fn value<'t>(text: &'t str, ends: &[char]) -> (String, &'t str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(ends).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut out = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return (out, &quoted[at + 1..]),
            '\\' => match chars.next() {
                Some((_, 'n')) => out.push('\n'),
                Some((_, 't')) => out.push('\t'),
                Some((_, other)) => out.push(other),
                None => break,
            },
            other => out.push(other),
        }
    }
    panic!("no closing quote in {text}");
}

/// Made-up events in the order in which a reader meets them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Events(pub Vec<Event>);

impl Events {
    /// Adds one; it gets the next record number unless it has one.
    pub fn push(&mut self, mut event: Event) {
        if event.record == 0 {
            event.record = self.0.len() as u64 + 1;
        }
        self.0.push(event);
    }

    /// Adds the events of others, with new record numbers.
    pub fn extend(&mut self, others: Self) {
        for event in others.0 {
            self.push(Event { record: 0, ..event });
        }
    }

    /// The tables that a reader makes from them for a demand.
    ///
    /// # Panics
    /// If the tables cannot be built.
    pub fn collect(&self, demand: &dyn Demand) -> Collected {
        self.collect_parts(&[(0..self.0.len()).collect()], demand)
    }

    /// The same, with each list of indexes as a separate source read by its own reader.
    ///
    /// # Panics
    /// If the tables cannot be built.
    pub fn collect_parts(&self, parts: &[Vec<usize>], demand: &dyn Demand) -> Collected {
        let collectors = parts.iter().enumerate().map(|(source, part)| {
            let mut collector = Collector::new(demand);
            for event in part.iter().filter_map(|at| self.0.get(*at)) {
                let table = collector.table(&event.channel, event.id);
                let head = Head {
                    time: event.time,
                    host: &event.host,
                    source: u32::try_from(source).unwrap_or(u32::MAX),
                    record: event.record,
                    numbered: number_in_log(event.record).is_some(),
                };
                if collector.begin(table, &head) != Begun::Row {
                    continue;
                }
                for (name, value) in &event.fields {
                    if let Some(column) = collector.column(table, name) {
                        collector.push(table, column, value);
                    }
                }
            }
            collector
        });
        Collector::merge(collectors.collect()).unwrap_or_else(|error| panic!("{error}"))
    }

    /// A catalog of all their fields.
    ///
    /// # Panics
    /// If the tables cannot be built.
    pub fn catalog(&self) -> MemoryCatalog {
        self.catalog_of(&Everything)
    }

    /// A catalog for a demand.
    ///
    /// # Panics
    /// If the tables cannot be built.
    pub fn catalog_of(&self, demand: &dyn Demand) -> MemoryCatalog {
        let collected = self.collect(demand);
        MemoryCatalog::new(collected).unwrap_or_else(|error| panic!("{error}"))
    }
}

impl From<Vec<Event>> for Events {
    fn from(all: Vec<Event>) -> Self {
        all.into_iter().collect()
    }
}

impl FromIterator<Event> for Events {
    fn from_iter<I: IntoIterator<Item = Event>>(all: I) -> Self {
        let mut events = Self::default();
        all.into_iter().for_each(|event| events.push(event));
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_says() {
        let event = Event::parse(
            r#"type=Sysmon/1 _time=1700000000.5 host=WS1 Image=C:\a.exe "two words"="x\ty\"" Data=[a, "b,c"] Data=d"#,
        );
        let expected = Event::new("Sysmon/1")
            .host("WS1")
            .at(1_700_000_000_500_000)
            .with("Image", r"C:\a.exe")
            .with("two words", "x\ty\"")
            .with("Data", "a")
            .with("Data", "b,c")
            .with("Data", "d");
        assert_eq!(event, expected);
    }
}
