//! Questions about events in rules that the library cannot answer, or not as the specification requires.
//!
//! A rule asks by naming a field that no log has. Its value is computed here, from the fields of the event.

use std::collections::HashMap;
use std::net::IpAddr;

use crabwalk_spl::functions::regex::{Compiled, compile_regex};
use crabwalk_vocabulary::address;
use ipnet::IpNet;
use rsigma_parser::Modifier;

use super::row::{Fields, Value};

/// Prefix of the names of such fields. No log has such a name.
const ASKED: &str = "\u{1}";
/// The value of a yes/no field if the answer is yes. Otherwise the event does not have the field.
pub(super) const YES: &str = "1";

/// A part of a time, as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Part {
    Minute,
    Hour,
    Day,
    /// Week of the year by ISO 8601.
    Week,
    Month,
    Year,
}

impl Part {
    /// The part that a modifier selects.
    pub(super) fn of(modifier: Modifier) -> Option<Self> {
        Some(match modifier {
            Modifier::Minute => Self::Minute,
            Modifier::Hour => Self::Hour,
            Modifier::Day => Self::Day,
            Modifier::Week => Self::Week,
            Modifier::Month => Self::Month,
            Modifier::Year => Self::Year,
            _ => return None,
        })
    }

    /// The part of a time in a log, in UTC if the text names a zone, otherwise as written.
    fn read(self, text: &str) -> Option<i16> {
        let micros = crabwalk_sources::time_of(text)?;
        let time = jiff::Timestamp::from_microsecond(micros).ok()?;
        let time = jiff::tz::TimeZone::UTC.to_datetime(time);
        Some(match self {
            Self::Minute => time.minute().into(),
            Self::Hour => time.hour().into(),
            Self::Day => time.day().into(),
            Self::Week => time.date().iso_week_date().week().into(),
            Self::Month => time.month().into(),
            Self::Year => time.year(),
        })
    }
}

/// One question.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Question {
    /// Does a pattern match a field, or any text of the event? For patterns that the library cannot run.
    Fits {
        field: Option<String>,
        pattern: String,
    },
    /// Is the address in a field within one of these networks?
    Within { field: String, networks: Vec<IpNet> },
    /// What is a part of the time in a field?
    Part { field: String, part: Part },
}

/// The questions of the rules that are compiled together.
#[derive(Default)]
pub(super) struct Questions {
    all: Vec<(Question, Option<Compiled>)>,
    known: HashMap<Question, usize>,
}

impl Questions {
    /// Registers a question, and returns the field that asks it.
    ///
    /// # Errors
    /// What is wrong with its pattern.
    pub(super) fn ask(&mut self, question: Question) -> Result<String, String> {
        let at = match self.known.get(&question) {
            Some(at) => *at,
            None => {
                let compiled = match &question {
                    Question::Fits { pattern, .. } => Some(compile_regex(pattern)?),
                    _ => None,
                };
                self.all.push((question.clone(), compiled));
                self.known.insert(question, self.all.len() - 1);
                self.all.len() - 1
            }
        };
        Ok(format!("{ASKED}{at}"))
    }

    /// The value of a question field. `None`: the field is a log's own, and asks nothing.
    pub(super) fn answer(&self, name: &str, event: &dyn Fields) -> Option<Option<Value<'static>>> {
        let at: usize = name.strip_prefix(ASKED)?.parse().ok()?;
        let (question, compiled) = self.all.get(at)?;
        let yes = |is: bool| is.then(|| Value::One(YES.into()));
        Some(match question {
            Question::Fits { field, .. } => {
                let fits = |text: &str| {
                    compiled
                        .as_ref()
                        .is_some_and(|pattern| pattern.is_match(text))
                };
                yes(match field {
                    Some(field) => any(event, field, fits),
                    None => event.any_text(&mut |text| fits(text)),
                })
            }
            Question::Within { field, networks } => yes(any(event, field, |text| {
                address(text).is_some_and(|own| networks.iter().any(|one| within(one, own)))
            })),
            Question::Part { field, part } => {
                let mut found = None;
                any(event, field, |text| {
                    found = part.read(text);
                    found.is_some()
                });
                found.map(|number| Value::One(number.to_string().into()))
            }
        })
    }
}

/// Whether a value of a field matches.
fn any(event: &dyn Fields, field: &str, mut passes: impl FnMut(&str) -> bool) -> bool {
    match event.field(field) {
        Some(Value::One(text)) => passes(&text),
        Some(Value::Many(texts)) => texts.iter().any(|text| passes(text)),
        None => false,
    }
}

/// Whether an address is in a network. IPv4 addresses mapped into IPv6 became IPv4 when they were read.
fn within(network: &IpNet, address: IpAddr) -> bool {
    network.contains(&address)
        || match (network, address) {
            (IpNet::V6(network), IpAddr::V4(address)) => {
                network.contains(&address.to_ipv6_mapped())
            }
            _ => false,
        }
}

/// A network as written in rules: `10.0.0.0/8`, with bits after the prefix, or one address.
pub(super) fn network(text: &str) -> Option<IpNet> {
    let text = text.trim();
    text.parse()
        .ok()
        .or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}
