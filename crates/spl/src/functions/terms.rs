//! Searching for words and phrases in the text of an event.
//!
//! As in Splunk, breakers divide text into segments: a word matches a whole segment, or several in a row, and `*`
//! matches part of one. Major breakers end every segment; minor ones, such as `.` and `\`, divide a segment into
//! smaller ones that match as well. `TERM(…)` matches what is between major breakers.

use std::sync::LazyLock;

use regex::{Regex, RegexBuilder};

use super::kept::Kept;
use crate::syntax::ast::{Directive, SearchValue};

/// Characters that end every segment (`MAJOR` in Splunk's segmenters.conf).
const MAJOR: &str = "[]<>(){}|!;,'\"&?+*";
/// Characters that divide a segment into smaller ones (`MINOR` in segmenters.conf).
const MINOR: &str = "/:=@.-$#%\\_";

fn is_major(char: char) -> bool {
    char.is_whitespace() || MAJOR.contains(char)
}

fn is_breaker(char: char) -> bool {
    is_major(char) || MINOR.contains(char)
}

/// A class of a regular expression that holds these breakers.
fn class(minor: bool) -> String {
    let breakers = MAJOR.chars().chain(MINOR.chars().filter(|_| minor));
    let hex = breakers.map(|char| format!(r"\x{:02x}", u32::from(char)));
    std::iter::once(r"\s".to_owned()).chain(hex).collect()
}

/// A word or phrase to search for.
#[derive(Debug, Clone)]
pub(crate) struct Term {
    regex: Regex,
    /// As the search has it.
    pub value: SearchValue,
    /// Matches part of the separators between the values of an event's text.
    pub spans_fields: bool,
}

impl Term {
    /// `None` if the term is too long.
    pub fn new(term: &SearchValue) -> Option<Self> {
        static KNOWN: LazyLock<Kept<Regex>> = LazyLock::new(Kept::default);
        let key = match term.directive {
            None => format!("W{}", term.text),
            Some(Directive::Term) => format!("T{}", term.text),
            Some(Directive::Case) => format!("C{}", term.text),
        };
        Some(Self {
            regex: KNOWN.get(&key, || compile(term)).ok()?,
            value: term.clone(),
            spans_fields: term.text.contains(['<', '>', '=', '\'', '"']),
        })
    }

    pub fn is_in(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }
}

fn compile(term: &SearchValue) -> Result<Regex, regex::Error> {
    let text = term.text.as_str();
    let whole = term.directive == Some(Directive::Term);
    let breakers = class(!whole);
    let within = format!("[^{}]*", class(false));
    let chars: Vec<char> = text.chars().collect();
    let ends = |char: Option<&char>| {
        char.is_some_and(|char| *char != '*' && (whole || !is_breaker(*char)))
    };
    let mut pattern = String::new();
    if ends(chars.first()) {
        pattern.push_str(&format!("(?:^|[{breakers}])"));
    }
    for (at, char) in chars.iter().enumerate() {
        if *char != '*' {
            pattern.push_str(&regex::escape(char.encode_utf8(&mut [0; 4])));
            continue;
        }
        let before = at.checked_sub(1).and_then(|at| chars.get(at));
        let after = chars.get(at + 1);
        let in_segment =
            |beside: Option<&char>| beside.is_some_and(|char| *char != '*' && !is_major(*char));
        // At an end it asks for nothing; between breakers it stands for any text; else it stays in its segment.
        if before.is_none() || after.is_none() {
            continue;
        }
        if in_segment(before) || in_segment(after) {
            pattern.push_str(&within);
        } else {
            pattern.push_str("(?s:.*)");
        }
    }
    if ends(chars.last()) {
        pattern.push_str(&format!("(?:$|[{breakers}])"));
    }
    RegexBuilder::new(&pattern)
        .case_insensitive(term.directive != Some(Directive::Case))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::ast::Span;

    fn found(text: &str, directive: Option<Directive>, within: &str) -> bool {
        let term = SearchValue {
            text: text.to_owned(),
            quoted: true,
            directive,
            span: Span::default(),
        };
        Term::new(&term).is_some_and(|term| term.is_in(within))
    }

    #[test]
    fn words_are_segments() {
        for (term, text, fits) in [
            ("cor", "corp.example", false),
            ("corp", "SRV1.CORP.example", true),
            ("corp.example", "SRV1.corp.example", true),
            ("cor*", "SRV1.corp.example", true),
            ("*ample", "SRV1.corp.example", true),
            ("*xampl*", "SRV1.corp.example", true),
            ("s*p", "x srv1.corp y", true),
            ("x*y", "x srv1.corp y", false),
            ("x * y", "x srv1.corp y", true),
            ("4624", "<EventID>4624</EventID>", true),
            ("462", "<EventID>4624</EventID>", false),
            ("cmd.exe /c", r"C:\Windows\cmd.exe /c dir", true),
            ("cmd.ex", r"C:\Windows\cmd.exe /c dir", false),
            (r"C:\Windows\", r"C:\Windows\cmd.exe", true),
            ("ärger", "viel ÄRGER", true),
            ("-enc", "powershell -enc AAAA", true),
            ("id", "thread_id", true),
        ] {
            assert_eq!(found(term, None, text), fits, "{term} in {text}");
        }
    }

    #[test]
    fn directives() {
        assert!(!found("BOB", Some(Directive::Case), "bob"));
        assert!(found("bob", Some(Directive::Case), "a bob b"));
        assert!(found("10.0.0.5", Some(Directive::Term), "ip=1 (10.0.0.5)"));
        assert!(!found("10.0.0.5", Some(Directive::Term), "ip=10.0.0.5"));
        assert!(!found("10.0.0.5", Some(Directive::Term), "10.0.0.5.1"));
        assert!(found("10.0.0.5", None, "10.0.0.5.1"));
        assert!(found("10.0.0.*", Some(Directive::Term), "10.0.0.5"));
    }
}
