//! The body of Splunk's HTTP Event Collector: a sequence of objects and arrays of objects, with or without separators.
//!
//! Everything before the first bad object is taken, and the response names that object, as in Splunk. Objects are read
//! in one pass; the event itself stays unparsed text.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::batch::Event;
use crate::token::Token;

/// Default labels for events, from the request.
#[derive(Debug, Clone, Default)]
pub struct Defaults {
    /// From the URL, the token, or the connection.
    pub host: String,
    /// Likewise.
    pub source: String,
    /// Likewise.
    pub sourcetype: String,
    /// Likewise.
    pub index: String,
    /// A time in the URL, for all events.
    pub time: Option<i64>,
}

/// What is wrong with an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bad {
    /// The request is empty.
    NoData,
    /// It is not JSON, or not an object.
    Format,
    /// The token does not allow its index.
    Index,
    /// It has no event.
    Missing,
    /// Its event is blank.
    Blank,
    /// Its `fields` contain more than plain values, or its `time` is invalid.
    Fields,
}

/// What a body holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// The events before the first bad object.
    pub events: Vec<Event>,
    /// The index of the first bad object, from 0, and the error.
    pub bad: Option<(usize, Bad)>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default, deserialize_with = "there")]
    event: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "there")]
    fields: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "there")]
    time: Option<&'a RawValue>,
    #[serde(borrow, default)]
    host: Option<&'a RawValue>,
    #[serde(borrow, default)]
    source: Option<&'a RawValue>,
    #[serde(borrow, default)]
    sourcetype: Option<&'a RawValue>,
    #[serde(borrow, default)]
    index: Option<&'a RawValue>,
}

/// A key counts as present even if it is `null`.
fn there<'de: 'a, 'a, D>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Reads a body.
pub fn parse(body: &str, token: &Token, defaults: &Defaults) -> Parsed {
    let mut parsed = Parsed::default();
    let mut at = 0;
    let mut seen = false;
    let values = serde_json::Deserializer::from_str(body).into_iter::<&RawValue>();
    for value in values {
        seen = true;
        let Ok(value) = value else {
            parsed.bad = Some((at, Bad::Format));
            return parsed;
        };
        let text = value.get();
        let result = if text.starts_with('[') {
            match serde_json::from_str::<Vec<&RawValue>>(text) {
                Ok(all) => all
                    .into_iter()
                    .try_for_each(|one| take(one.get(), token, defaults, &mut at, &mut parsed)),
                Err(_) => Err(Bad::Format),
            }
        } else {
            take(text, token, defaults, &mut at, &mut parsed)
        };
        if let Err(bad) = result {
            parsed.bad = Some((at, bad));
            return parsed;
        }
    }
    if !seen {
        parsed.bad = Some((0, Bad::NoData));
    }
    parsed
}

fn take(
    text: &str,
    token: &Token,
    defaults: &Defaults,
    at: &mut usize,
    parsed: &mut Parsed,
) -> Result<(), Bad> {
    if let Some(event) = object(text, token, defaults)? {
        parsed.events.push(event);
    }
    *at += 1;
    Ok(())
}

/// The event of one object; none if it contains only a measurement.
fn object(text: &str, token: &Token, defaults: &Defaults) -> Result<Option<Event>, Bad> {
    if !text.starts_with('{') {
        return Err(Bad::Format);
    }
    let envelope: Envelope<'_> = serde_json::from_str(text).map_err(|_| Bad::Format)?;
    let is_empty = [
        envelope.event,
        envelope.fields,
        envelope.time,
        envelope.host,
        envelope.source,
        envelope.sourcetype,
        envelope.index,
    ]
    .iter()
    .all(Option::is_none);
    if is_empty {
        return Err(Bad::NoData);
    }
    let Some(event) = envelope.event else {
        let fields = envelope.fields.ok_or(Bad::Missing)?;
        return fields_of(fields.get()).map(|_| None);
    };
    let text = text_of(event).ok_or(Bad::Format)?;
    if event.get() == "null" || text.trim().is_empty() {
        return Err(Bad::Blank);
    }
    let time = match envelope.time.map(RawValue::get) {
        None | Some("null") => defaults.time,
        Some(raw) => Some(time_of(raw).ok_or(Bad::Fields)?),
    };
    let label = |own: Option<&RawValue>, default: &str| match own {
        Some(raw) if raw.get().starts_with(['{', '[']) => Err(Bad::Format),
        Some(raw) => {
            let text = text_of(raw).ok_or(Bad::Format)?;
            Ok(if text.is_empty() {
                default.to_owned()
            } else {
                text
            })
        }
        None => Ok(default.to_owned()),
    };
    let event = Event {
        time,
        host: label(envelope.host, &defaults.host)?,
        source: label(envelope.source, &defaults.source)?,
        sourcetype: label(envelope.sourcetype, &defaults.sourcetype)?,
        index: label(envelope.index, &defaults.index)?,
        fields: match envelope.fields {
            Some(fields) => fields_of(fields.get())?,
            None => Vec::new(),
        },
        text,
    };
    if !token.allows(&event.index) {
        return Err(Bad::Index);
    }
    Ok(Some(event))
}

/// The text of a JSON value: the content of a string, others unchanged.
fn text_of(raw: &RawValue) -> Option<String> {
    let text = raw.get();
    if text.starts_with('"') {
        serde_json::from_str(text).ok()
    } else {
        Some(text.to_owned())
    }
}

/// The fields of an object, or of a text that contains one: syslog-ng writes them so.
fn fields_of(raw: &str) -> Result<Vec<(String, String)>, Bad> {
    let inner;
    let mut raw = raw;
    if raw.starts_with('"') {
        inner = serde_json::from_str::<String>(raw).map_err(|_| Bad::Fields)?;
        raw = inner.trim();
    }
    if raw == "null" || raw.is_empty() {
        return Ok(Vec::new());
    }
    let map: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(raw).map_err(|_| Bad::Fields)?;
    let mut all = Vec::with_capacity(map.len());
    for (name, value) in map {
        let values = match value {
            serde_json::Value::Array(values) => values,
            one => vec![one],
        };
        for value in values {
            let text = match value {
                serde_json::Value::Null => continue,
                serde_json::Value::Bool(is) => is.to_string(),
                serde_json::Value::Number(number) => number.to_string(),
                serde_json::Value::String(text) => text,
                serde_json::Value::Array(_) | serde_json::Value::Object(_) => {
                    return Err(Bad::Fields);
                }
            };
            all.push((name.clone(), text));
        }
    }
    Ok(all)
}

/// A time since 1970, as a number or its text, in microseconds. It is in seconds; a value that would be beyond the year
/// 9999 in seconds is in milliseconds, and so on to nanoseconds.
pub fn time_of(raw: &str) -> Option<i64> {
    let raw = raw.trim().trim_matches('"').trim();
    let (negative, digits) = match raw.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, raw.strip_prefix('+').unwrap_or(raw)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 19 || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let whole: i128 = whole.parse().ok()?;
    let nanos: i128 = format!("{:0<9}", fraction.get(..9).unwrap_or(fraction))
        .parse()
        .ok()?;
    // As if they were seconds.
    let all = whole * 1_000_000_000 + nanos;
    /// The end of the year 9999 in milliseconds, and in microseconds.
    const MILLIS: i128 = 253_402_300_800_000;
    const MICROS: i128 = MILLIS * 1_000;
    let nanos = match whole {
        // Seconds, up to the year 2400.
        0..13_569_465_600 => all,
        13_569_465_600..MILLIS => all / 1_000,
        MILLIS..MICROS => all / 1_000_000,
        _ => all / 1_000_000_000,
    };
    let micros = i64::try_from(nanos / 1_000).ok()?;
    Some(if negative { -micros } else { micros })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Parsed {
        let token = Token {
            indexes: vec!["win".to_owned()],
            ..Token::default()
        };
        parse(body, &token, &Defaults::default())
    }

    #[test]
    fn objects_follow_each_other_in_any_way() {
        for (body, count) in [
            (r#"{"event":"a"}{"event":"b"}"#, 2),
            ("{\"event\":\"a\"}\r\n\r\n {\"event\":5}\n", 2),
            (r#"[{"event":"a"},{"event":{"x":[1]}}]{"event":[1,2]}"#, 3),
            (r#" [] {"event":"a"}"#, 1),
            (r#"{"fields":{"a":1}}{"event":"b","other":{"x":1}}"#, 1),
        ] {
            let parsed = read(body);
            assert_eq!(parsed.bad, None, "{body}");
            assert_eq!(parsed.events.len(), count, "{body}");
        }
    }

    #[test]
    fn the_first_bad_one_is_named_and_what_precedes_it_is_kept() {
        for (body, kept, bad) in [
            ("", 0, (0, Bad::NoData)),
            (" \n", 0, (0, Bad::NoData)),
            (
                r#"{"event":"a"}{"event":" "}{"event":"c"}"#,
                1,
                (1, Bad::Blank),
            ),
            (r#"{"event":"a"}{"event":null}"#, 1, (1, Bad::Blank)),
            (r#"{"event":"a"}{"event":"#, 1, (1, Bad::Format)),
            (r#"{"event":"a"} 7"#, 1, (1, Bad::Format)),
            (r#"[{"event":"a"},{"host":"b"}]"#, 1, (1, Bad::Missing)),
            (r#"{"event":"a","index":"other"}"#, 0, (0, Bad::Index)),
            (r#"{"event":"a","fields":{"x":{}}}"#, 0, (0, Bad::Fields)),
            (r#"{"event":"a","time":"soon"}"#, 0, (0, Bad::Fields)),
            (r#"{"event":"a","time":1.79E9}"#, 0, (0, Bad::Fields)),
            (r#"{"event":"a","host":{}}"#, 0, (0, Bad::Format)),
            (r#"{"misspelt":1}"#, 0, (0, Bad::NoData)),
        ] {
            let parsed = read(body);
            assert_eq!(parsed.events.len(), kept, "{body}");
            assert_eq!(parsed.bad, Some(bad), "{body}");
        }
    }

    #[test]
    fn envelopes_say_it_in_several_ways() {
        let one = |body: &str| read(body).events.into_iter().next().unwrap_or_default();
        let event = one(
            r#"{"time":"1764378000.123","host":"ws1","index":"win","event":{"a":"ü"},"fields":"{\"team\":\"blue\",\"pid\":7}"}"#,
        );
        assert_eq!(event.time, Some(1_764_378_000_123_000));
        assert_eq!(event.text, r#"{"a":"ü"}"#);
        assert_eq!(
            event.fields,
            [("team", "blue"), ("pid", "7")].map(|(a, b)| (a.to_owned(), b.to_owned()))
        );
        assert_eq!(
            one(r#"{"event":"line \"one\"\nline two"}"#).text,
            "line \"one\"\nline two"
        );
    }

    #[test]
    fn times() {
        for (text, micros) in [
            ("1764378000", Some(1_764_378_000_000_000)),
            ("1764378000.4119017", Some(1_764_378_000_411_901)),
            ("\"1764378000.5\"", Some(1_764_378_000_500_000)),
            ("1764378000123", Some(1_764_378_000_123_000)),
            ("1764378000123456", Some(1_764_378_000_123_456)),
            ("1764378000123456789", Some(1_764_378_000_123_456)),
            ("-5", Some(-5_000_000)),
            ("", None),
            (".5", None),
            ("1e9", None),
            ("true", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(time_of(text), micros, "{text}");
        }
    }
}
