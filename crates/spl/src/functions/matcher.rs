//! How search clauses compare values: ignoring case, with `*`, networks, and numbers by value.

use std::net::IpAddr;

use crabwalk_vocabulary::wildcard;
use hashbrown::HashSet;
use ipnet::IpNet;

use crate::syntax::ast::{Directive, SearchValue};
use crate::value::number_of;

/// The patterns of `field IN (…)`, or the single one of `field=…`.
#[derive(Debug, Clone)]
pub(crate) struct Matcher {
    /// Lower-case texts without wildcards.
    exact: HashSet<String>,
    /// Those of them that are numbers: `1.0` equals `1`.
    numbers: Vec<f64>,
    networks: Vec<IpNet>,
    wildcards: Vec<Wildcard>,
    /// Texts and wildcards of `CASE(…)`, which are compared case-sensitively.
    cased: Vec<Wildcard>,
}

#[derive(Debug, Clone)]
struct Wildcard {
    /// Pieces between the stars, in lower case unless case-sensitive.
    pieces: Vec<String>,
    starts: bool,
    ends: bool,
    /// There is a star.
    stars: bool,
}

impl Matcher {
    /// For the values of a search clause, with their case sensitivity.
    pub fn of(values: &[SearchValue]) -> Self {
        let is_cased = |value: &&SearchValue| value.directive == Some(Directive::Case);
        let folded: Vec<String> = values
            .iter()
            .filter(|value| !is_cased(value))
            .map(|value| value.text.clone())
            .collect();
        Self {
            cased: values
                .iter()
                .filter(is_cased)
                .map(|value| Wildcard::new(&value.text))
                .collect(),
            ..Self::new(&folded)
        }
    }

    pub fn new(patterns: &[String]) -> Self {
        let mut matcher = Self {
            exact: HashSet::new(),
            numbers: Vec::new(),
            networks: Vec::new(),
            wildcards: Vec::new(),
            cased: Vec::new(),
        };
        for pattern in patterns {
            if pattern.contains('*') {
                matcher
                    .wildcards
                    .push(Wildcard::new(&pattern.to_lowercase()));
                continue;
            }
            if pattern.contains('/')
                && let Ok(network) = pattern.parse::<IpNet>()
            {
                matcher.networks.push(network);
            }
            // `1.0` equals `1`; the common case of equal text is found below without parsing.
            if let Some(number) = number_of(pattern) {
                matcher.numbers.push(number);
            }
            matcher.exact.insert(pattern.to_lowercase());
        }
        matcher
    }

    pub fn matches(&self, value: &str) -> bool {
        let mut buffer = [0_u8; 256];
        if let Some(lower) = buffer.get_mut(..value.len()).filter(|_| value.is_ascii()) {
            lower.copy_from_slice(value.as_bytes());
            lower.make_ascii_lowercase();
            if let Ok(lower) = std::str::from_utf8(lower) {
                return self.matches_lower(value, lower);
            }
        }
        self.matches_lower(value, &value.to_lowercase())
    }

    fn matches_lower(&self, value: &str, lower: &str) -> bool {
        if self.cased.iter().any(|wildcard| wildcard.matches(value)) {
            return true;
        }
        if self.exact.contains(lower)
            || self
                .wildcards
                .iter()
                .any(|wildcard| wildcard.matches(lower))
        {
            return true;
        }
        if !self.numbers.is_empty()
            && starts_number(value)
            && number_of(value).is_some_and(|number| {
                self.numbers
                    .iter()
                    .any(|own| own.total_cmp(&number).is_eq())
            })
        {
            return true;
        }
        !self.networks.is_empty()
            && address(value)
                .is_some_and(|address| self.networks.iter().any(|net| net.contains(&address)))
    }
}

/// Like `Matcher::of` with only this pattern, for a value that is tested once.
pub(crate) fn matches_one(pattern: &SearchValue, value: &str) -> bool {
    let text = pattern.text.as_str();
    let plain = pattern.directive.is_none() && !may_be_network(text);
    if plain && text.is_ascii() && value.is_ascii() {
        if text.contains('*') {
            return wildcard::matches_ignoring_ascii_case(text, value);
        }
        if text.eq_ignore_ascii_case(value) {
            return true;
        }
        // Other texts are equal only as numbers.
        if !starts_number(value) || (is_small(text) && is_small(value)) {
            return false;
        }
    }
    Matcher::of(std::slice::from_ref(pattern)).matches(value)
}

/// Whether a text may be a network such as `10.0.0.0/8`, judging by its first character.
fn may_be_network(text: &str) -> bool {
    let starts = |char: char| char.is_ascii_hexdigit() || char == ':';
    text.contains('/') && !text.contains('*') && text.starts_with(starts)
}

/// Whether a text may be a number, judging by its first character.
fn starts_number(text: &str) -> bool {
    text.trim_start()
        .starts_with(|char: char| char.is_ascii_digit() || matches!(char, '-' | '+' | '.'))
}

/// Whether a text is an integer in canonical form, and exact as a float: two that differ as texts differ.
fn is_small(text: &str) -> bool {
    (1..=15).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && (text.len() == 1 || !text.starts_with('0'))
}

impl Wildcard {
    fn new(pattern: &str) -> Self {
        Self {
            stars: pattern.contains('*'),
            starts: !pattern.starts_with('*'),
            ends: !pattern.ends_with('*'),
            pieces: pattern
                .split('*')
                .filter(|piece| !piece.is_empty())
                .map(str::to_owned)
                .collect(),
        }
    }

    /// Pieces are found from left to right, each as early as possible: no backtracking is needed.
    fn matches(&self, text: &str) -> bool {
        if self.starts && self.ends && self.pieces.len() < 2 && !self.stars {
            return self.pieces.first().map_or("", String::as_str) == text;
        }
        let mut rest = text;
        let mut pieces = self.pieces.iter().map(String::as_str).peekable();
        if self.starts
            && let Some(first) = pieces.next()
        {
            match rest.strip_prefix(first) {
                Some(after) => rest = after,
                None => return false,
            }
        }
        while let Some(piece) = pieces.next() {
            if self.ends && pieces.peek().is_none() {
                return rest.ends_with(piece);
            }
            match memchr::memmem::find(rest.as_bytes(), piece.as_bytes()) {
                Some(at) => rest = rest.get(at + piece.len()..).unwrap_or(""),
                None => return false,
            }
        }
        true
    }
}

/// A text as an IP address, mapped IPv6 addresses as IPv4.
pub(crate) fn address(text: &str) -> Option<IpAddr> {
    text.trim()
        .parse::<IpAddr>()
        .ok()
        .map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn naive(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern.first(), text.first()) {
            (None, None) => true,
            (Some(b'*'), _) => {
                naive(&pattern[1..], text) || (!text.is_empty() && naive(pattern, &text[1..]))
            }
            (Some(a), Some(b)) if a == b => naive(&pattern[1..], &text[1..]),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn wildcards_agree_with_the_definition(pattern in "[ab*]{0,8}", text in "[ab]{0,10}") {
            let fits = naive(pattern.as_bytes(), text.as_bytes());
            prop_assert_eq!(Matcher::new(std::slice::from_ref(&pattern)).matches(&text), fits);
            prop_assert_eq!(matches_one(&SearchValue::plain(&pattern), &text), fits);
            prop_assert_eq!(matches_one(&SearchValue::plain(&pattern), &text.to_uppercase()), fits);
        }
    }

    #[test]
    fn values_match_as_searches_compare() {
        for (pattern, value, fits) in [
            ("Cmd.EXE", "cmd.exe", true),
            ("ÄRGER*", "ärgerlich", true),
            ("4624", "4624.0", true),
            ("0x17", "23", false),
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("10.0.0.0/8", "11.1.2.3", false),
            ("?at", "cat", false),
            ("*\\temp\\*.js*", "c:\\TEMP\\a.jse", true),
            ("a*a", "a", false),
            (
                "XmlWinEventLog:A/Operational",
                "xmlwineventlog:a/operational",
                true,
            ),
            ("XmlWinEventLog:A/*", "WinEventLog:A/Operational", false),
            ("*", "", true),
            ("CAFE::/16", "cafe::1", true),
        ] {
            assert_eq!(
                Matcher::new(&[pattern.to_owned()]).matches(value),
                fits,
                "{pattern} on {value}"
            );
            assert_eq!(
                matches_one(&SearchValue::plain(pattern), value),
                fits,
                "{pattern} alone on {value}"
            );
        }
    }
}
