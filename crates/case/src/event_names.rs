//! Windows events and logon types in a few words. The tables are content, `content/windows/events.tsv` and
//! `logon_types.tsv`; the front end's (`ui/src/data/eventnames.ts`) are generated from them.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The words, by channel and event id.
pub(crate) static NAMES: LazyLock<BTreeMap<(&str, u32), &str>> = LazyLock::new(|| {
    include_str!("../../../content/windows/events.tsv")
        .lines()
        .filter_map(|line| {
            let mut cells = line.split('\t');
            let (channel, id, words) = (cells.next()?, cells.next()?, cells.next()?);
            Some(((channel, id.parse().ok()?), words))
        })
        .collect()
});

/// The words for logon types, by number.
pub(crate) static LOGON_TYPES: LazyLock<BTreeMap<u32, &str>> = LazyLock::new(|| {
    include_str!("../../../content/windows/logon_types.tsv")
        .lines()
        .filter_map(|line| {
            let (number, words) = line.split_once('\t')?;
            Some((number.parse().ok()?, words))
        })
        .collect()
});

/// The meaning of a logon type, such as `network`; `other` if unknown.
pub(crate) fn logon_type(number: u32) -> &'static str {
    LOGON_TYPES.get(&number).copied().unwrap_or("other")
}

/// The meaning of an event, such as `account created`, or its id if unknown. Logs write channel names in either case.
pub(crate) fn event_name(channel: &str, id: u32) -> String {
    NAMES
        .iter()
        .find(|((own, number), _)| *number == id && own.eq_ignore_ascii_case(channel))
        .map_or_else(|| format!("event {id}"), |(_, words)| (*words).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crabwalk_activity::facts::{AccountChange, Fact};

    #[test]
    fn every_line_of_the_table_is_an_event() {
        let lines = include_str!("../../../content/windows/events.tsv").lines();
        let lines = lines.filter(|line| !line.starts_with('#')).count();
        assert!(lines > 0);
        assert_eq!(
            NAMES.len(),
            lines,
            "a line is malformed, or an event stands there twice"
        );
    }

    #[test]
    fn a_channel_is_known_in_either_case() {
        assert_eq!(event_name("security", 4720), "account created");
        assert_eq!(event_name("Security", 4720), "account created");
        assert_eq!(event_name("Security", 1), "event 1");
    }

    #[test]
    fn every_change_that_dossiers_tell_has_words() {
        for (_, id) in AccountChange::OF {
            assert!(NAMES.contains_key(&("Security", *id)), "{id}");
        }
    }
}
