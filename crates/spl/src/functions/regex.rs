//! Regular expressions in the syntax of content: Perl's, run in linear time if possible.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

use memchr::memmem;
use regex_syntax::hir::{Class, HirKind};

use super::kept::Kept;

/// Steps after which a backtracking pattern gives up on a text, and does not match.
const BACKTRACK_LIMIT: usize = 200_000;
/// Maximum size of a compiled pattern in bytes.
const SIZE_LIMIT: usize = 16 << 20;

/// A compiled pattern.
#[derive(Debug, Clone)]
pub struct Compiled {
    engine: Arc<Engine>,
}

#[derive(Debug)]
enum Engine {
    Linear(regex::Regex, Option<Box<LabelledValue>>),
    Backtracking(fancy_regex::Regex),
}

/// A pattern such as `HostName=([^\r\n]*)`: a text, and as its only group what follows up to one of a few characters.
/// Extracting from long texts with these is many times faster than with a pattern in general.
#[derive(Debug)]
struct LabelledValue {
    label: memmem::Finder<'static>,
    /// One to three characters of ASCII that the value does not contain.
    stops: Vec<u8>,
    /// Whether there must be something between the label and a stop.
    some: bool,
}

impl LabelledValue {
    fn of(pattern: &str) -> Option<Self> {
        let parsed = regex_syntax::parse(pattern).ok()?;
        let HirKind::Concat(parts) = parsed.kind() else {
            return None;
        };
        let [label, group] = parts.as_slice() else {
            return None;
        };
        let (HirKind::Literal(label), HirKind::Capture(group)) = (label.kind(), group.kind())
        else {
            return None;
        };
        let HirKind::Repetition(value) = group.sub.kind() else {
            return None;
        };
        let HirKind::Class(Class::Unicode(class)) = value.sub.kind() else {
            return None;
        };
        if !value.greedy || value.max.is_some() || value.min > 1 {
            return None;
        }
        let mut others = class.clone();
        others.negate();
        let stops: Option<Vec<u8>> = others
            .iter()
            .flat_map(|range| range.start()..=range.end())
            .take(4)
            .map(|stop| u8::try_from(stop).ok().filter(u8::is_ascii))
            .collect();
        Some(Self {
            label: memmem::Finder::new(&label.0).into_owned(),
            stops: stops.filter(|stops| (1..=3).contains(&stops.len()))?,
            some: value.min > 0,
        })
    }

    fn find<'t>(&self, text: &'t str) -> Option<&'t str> {
        let length = self.label.needle().len();
        let mut from = 0;
        loop {
            let start = from + self.label.find(text.as_bytes().get(from..)?)?;
            let rest = text.get(start + length..)?;
            let end = match *self.stops.as_slice() {
                [a] => memchr::memchr(a, rest.as_bytes()),
                [a, b] => memchr::memchr2(a, b, rest.as_bytes()),
                [a, b, c] => memchr::memchr3(a, b, c, rest.as_bytes()),
                _ => None,
            };
            let value = rest.get(..end.unwrap_or(rest.len()))?;
            if !self.some || !value.is_empty() {
                return Some(value);
            }
            // Labels may overlap.
            from = start + 1;
        }
    }
}

/// A match: byte offsets of the whole match and of each group.
type Groups = Vec<Option<(usize, usize)>>;

/// Compiles a pattern in Perl's syntax.
///
/// # Errors
/// A sentence that describes the error in the pattern.
pub fn compile_regex(pattern: &str) -> Result<Compiled, String> {
    static KNOWN: LazyLock<Kept<Compiled>> = LazyLock::new(Kept::default);
    KNOWN.get(pattern, || compile(pattern))
}

fn compile(pattern: &str) -> Result<Compiled, String> {
    let translated = translate(pattern);
    let linear = regex::RegexBuilder::new(&translated)
        .size_limit(SIZE_LIMIT)
        .build();
    let why = match linear {
        Ok(regex) => {
            return Ok(Compiled {
                engine: Arc::new(Engine::Linear(
                    regex,
                    LabelledValue::of(&translated).map(Box::new),
                )),
            });
        }
        Err(error) => error,
    };
    if matches!(why, regex::Error::CompiledTooBig(_)) {
        return Err(format!("the pattern `{pattern}` is too large"));
    }
    fancy_regex::RegexBuilder::new(&translated)
        .backtrack_limit(BACKTRACK_LIMIT)
        .delegate_size_limit(SIZE_LIMIT)
        .build()
        .map(|regex| Compiled {
            engine: Arc::new(Engine::Backtracking(regex)),
        })
        .map_err(|error| format!("the pattern `{pattern}` cannot be read: {error}"))
}

/// Differences between Perl and our engines: `\<` and `\>` are literal, `\h` is a space, `\Z` the end, and a `{` that
/// begins no repetition is literal.
fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut rest = pattern;
    let mut in_class = false;
    while let Some(char) = rest.chars().next() {
        let after = &rest[char.len_utf8()..];
        // How much of `rest` this iteration consumes.
        let mut length = char.len_utf8();
        match char {
            '\\' => {
                let escaped = after.chars().next();
                length += escaped.map_or(0, char::len_utf8);
                match escaped {
                    Some(
                        '<' | '>' | '/' | '"' | '\'' | ',' | ':' | ';' | '=' | '@' | '%' | '!'
                        | '`' | '_' | ' ',
                    ) => out.push_str(&after[..1]),
                    Some('h') if !in_class => out.push_str("[ \\t]"),
                    Some('h') => out.push_str(" \\t"),
                    Some('Z') => out.push_str("(?:\\n?\\z)"),
                    Some(_) => {
                        // `\x{202E}` and `\p{Lu}`: the brace belongs to the escape.
                        if rest[1..].starts_with(['x', 'p', 'P', 'k', 'g', 'u', 'o'])
                            && rest[2..].starts_with('{')
                            && let Some(end) = rest.find('}')
                        {
                            length = end + 1;
                        }
                        out.push_str(&rest[..length]);
                    }
                    None => out.push_str("\\\\"),
                }
            }
            '[' if in_class => match posix_class(rest) {
                Some(class) => {
                    length = class.len();
                    out.push_str(class);
                }
                // Any other bracket inside a class is literal.
                None => out.push_str("\\["),
            },
            '[' => {
                in_class = true;
                out.push('[');
                if after.starts_with('^') {
                    out.push('^');
                    length += 1;
                }
                // A bracket right at the start of a class is literal.
                if rest[length..].starts_with(']') {
                    out.push_str("\\]");
                    length += 1;
                }
            }
            ']' if in_class => {
                in_class = false;
                out.push(']');
            }
            // Set operations of Rust's syntax are literal in Perl's.
            '&' | '~' | '-' if in_class && after.starts_with(char) => {
                out.push('\\');
                out.push(char);
            }
            '{' if !in_class && !is_repetition(rest) => out.push_str("\\{"),
            other => out.push(other),
        }
        rest = &rest[length..];
    }
    out
}

/// The `[:alpha:]` or `[:^alpha:]` that text begins with.
fn posix_class(text: &str) -> Option<&str> {
    let name = text.strip_prefix("[:")?;
    let name = name.strip_prefix('^').unwrap_or(name);
    let end = name.find(|char: char| !char.is_ascii_lowercase())?;
    let behind = name.get(end..)?.strip_prefix(":]")?;
    text.get(..text.len() - behind.len())
}

/// Whether text begins with `{n}`, `{n,}` or `{n,m}`.
fn is_repetition(text: &str) -> bool {
    let Some((inner, _)) = text.strip_prefix('{').and_then(|rest| rest.split_once('}')) else {
        return false;
    };
    let (low, high) = inner.split_once(',').unwrap_or((inner, ""));
    !low.is_empty()
        && low.bytes().all(|byte| byte.is_ascii_digit())
        && high.bytes().all(|byte| byte.is_ascii_digit())
}

impl Compiled {
    /// Whether the pattern matches anywhere in the text.
    pub fn is_match(&self, text: &str) -> bool {
        match self.engine.as_ref() {
            Engine::Linear(regex, _) => regex.is_match(text),
            Engine::Backtracking(regex) => regex.is_match(text).unwrap_or(false),
        }
    }

    /// The first group of the first match, if it takes part in it.
    pub fn first_group<'t>(&self, text: &'t str) -> Option<&'t str> {
        match self.engine.as_ref() {
            Engine::Linear(_, Some(simple)) => simple.find(text),
            Engine::Linear(regex, None) => regex.captures(text)?.get(1).map(|own| own.as_str()),
            Engine::Backtracking(regex) => {
                let captures = regex.captures(text).ok().flatten()?;
                captures.get(1).map(|own| own.as_str())
            }
        }
    }

    fn group_index(&self, name: &str) -> Vec<usize> {
        let find = |(at, own): (usize, Option<&str>)| (own == Some(name)).then_some(at);
        match self.engine.as_ref() {
            Engine::Linear(regex, _) => {
                regex.capture_names().enumerate().filter_map(find).collect()
            }
            Engine::Backtracking(regex) => {
                regex.capture_names().enumerate().filter_map(find).collect()
            }
        }
    }

    /// Calls `visit` with each match until it returns false.
    fn each_match(&self, text: &str, mut visit: impl FnMut(&Groups) -> bool) {
        match self.engine.as_ref() {
            Engine::Linear(regex, _) => {
                for captures in regex.captures_iter(text) {
                    let groups = captures
                        .iter()
                        .map(|group| group.map(|group| (group.start(), group.end())))
                        .collect();
                    if !visit(&groups) {
                        return;
                    }
                }
            }
            Engine::Backtracking(regex) => {
                for captures in regex.captures_iter(text).flatten() {
                    let groups = captures
                        .iter()
                        .map(|group| group.map(|group| (group.start(), group.end())))
                        .collect();
                    if !visit(&groups) {
                        return;
                    }
                }
            }
        }
    }

    /// Adds the matches of a named group to `found`, at most `most` of them.
    pub fn named_captures(&self, text: &str, name: &str, most: usize, found: &mut Vec<String>) {
        let indexes = self.group_index(name);
        let mut left = most;
        if left == 0 {
            return;
        }
        self.each_match(text, |groups| {
            if let Some((start, end)) = indexes
                .iter()
                .find_map(|at| groups.get(*at).copied().flatten())
            {
                found.push(text[start..end].to_owned());
            }
            left -= 1;
            left > 0
        });
    }

    /// Where named groups matched: `name=first-last`, byte offsets, both inclusive.
    pub fn group_offsets(&self, text: &str, names: &[String], most: usize) -> Vec<String> {
        let indexes: Vec<(&String, Vec<usize>)> = names
            .iter()
            .map(|name| (name, self.group_index(name)))
            .collect();
        let mut places = Vec::new();
        let mut left = most;
        self.each_match(text, |groups| {
            for (name, indexes) in &indexes {
                if let Some((start, end)) = indexes
                    .iter()
                    .find_map(|at| groups.get(*at).copied().flatten())
                {
                    places.push(format!("{name}={start}-{}", end.saturating_sub(1)));
                }
            }
            left = left.saturating_sub(1);
            left > 0
        });
        places
    }

    /// Replaces every match. `\1` is the first group; `$` is literal.
    pub fn replace_all<'t>(&self, text: &'t str, replacement: &str) -> Cow<'t, str> {
        if self.is_match(text) {
            Cow::Owned(self.replace_nth(text, replacement, None))
        } else {
            Cow::Borrowed(text)
        }
    }

    /// Replaces the matches from the first number (from 0) up to, but not including, the second; all without numbers.
    pub fn replace_nth(
        &self,
        text: &str,
        replacement: &str,
        range: Option<(usize, usize)>,
    ) -> String {
        let mut out = String::with_capacity(text.len());
        let mut last = 0;
        let mut number = 0;
        self.each_match(text, |groups| {
            let Some((start, end)) = groups.first().copied().flatten() else {
                return true;
            };
            if range.is_none_or(|(from, to)| number >= from && number < to) {
                out.push_str(&text[last..start]);
                expand(replacement, text, groups, &mut out);
                last = end;
            }
            number += 1;
            range.is_none_or(|(_, to)| number < to)
        });
        out.push_str(&text[last..]);
        out
    }
}

fn expand(replacement: &str, text: &str, groups: &Groups, out: &mut String) {
    let mut chars = replacement.chars().peekable();
    while let Some(char) = chars.next() {
        match (char, chars.peek().copied()) {
            ('\\', Some(digit)) if digit.is_ascii_digit() => {
                chars.next();
                let group = groups.get(digit as usize - '0' as usize).copied().flatten();
                if let Some((start, end)) = group {
                    let _ = write!(out, "{}", &text[start..end]);
                }
            }
            ('\\', Some('\\')) => {
                chars.next();
                out.push('\\');
            }
            ('\\', Some('n')) => {
                chars.next();
                out.push('\n');
            }
            _ => out.push(char),
        }
    }
}

/// Names of the groups of a pattern, in order.
pub(crate) fn group_names(pattern: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = pattern;
    while let Some(at) = rest.find("(?") {
        rest = &rest[at + 2..];
        let after = rest.strip_prefix("P<").or_else(|| rest.strip_prefix('<'));
        if let Some(after) = after
            && !after.starts_with(['=', '!'])
            && let Some((name, _)) = after.split_once('>')
            && !names.iter().any(|known| known == name)
        {
            names.push(name.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compiled(pattern: &str) -> Compiled {
        compile_regex(pattern).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn patterns_mean_what_perl_means() {
        for (pattern, text, fits) in [
            (r"\<(?<user>.+)\>", "<ann>", true),
            (r"\<(?<user>.+)\>", "ann", false),
            (r"(?i)CMD\.exe$", "x\\cmd.EXE", true),
            (r"{.+}", "a{b}c", true),
            (r"^.{3}$", "abc", true),
            (r"(?<!x)abc", "xabc", false),
            (r"a\hb", "a\tb", true),
            (r"[\w.-]+\\[[]", r"ab\[", true),
            (r"[]x]", "]", true),
            (r"\x{41}", "A", true),
            (r"^\\x{202E}$", r"\x{202E}", true),
            (r"^\p{Lu}+$", "ÄÖ", true),
            // A class that ends in a colon, and one after it.
            (r"^[^:]+:[a-z]$", "ab:c", true),
            (r"^[/:][a-c]+$", "/abc", true),
            (r"^[[:^digit:]]+$", "abc", true),
            (r"^[[:]+$", "[:", true),
            (r"^[a&&b]+$", "a&b", true),
            (r"[[:digit:]]+z", "12z", true),
            (r"\/path", "/path", true),
        ] {
            assert_eq!(
                compiled(pattern).is_match(text),
                fits,
                "{pattern} on {text}"
            );
        }
        assert!(compile_regex("(").is_err());
    }

    #[test]
    fn groups_are_taken_and_replaced() {
        let mut found = Vec::new();
        compiled(r"(?<k>\w)=(\d)").named_captures("a=1 b=2 c=3", "k", 2, &mut found);
        assert_eq!(found, ["a", "b"]);
        let date = compiled(r"^(\d{1,2})/(\d{1,2})/");
        assert_eq!(date.replace_all("1/14/2023", r"\2/\1/"), "14/1/2023");
        assert_eq!(date.replace_all("1/14/2023", "$2/$1/"), "$2/$1/2023");
        assert_eq!(compiled("a").replace_nth("aaa", "b", Some((1, 2))), "aba");
        for (pattern, first) in [
            (r"(\d+)/", Some("1")),
            (r"(?<=/)(\d+)", Some("14")),
            (r"(x)?/", None),
            (r"/", None),
            (r"(x)", None),
            (r"/([^/]*)", Some("14")),
            (r"3([^/x]*)", Some("")),
            (r"3([^/]+)", None),
            (r"/([^/]*)$", Some("2023")),
            (r"(?i)/([^/]*)", Some("14")),
            (r"/([^ä]*)", Some("14/2023")),
        ] {
            let found = compiled(pattern).first_group("1/14/2023");
            assert_eq!(found, first, "{pattern}");
        }
    }

    #[test]
    fn simple_patterns_find_what_the_engine_finds() {
        let texts = [
            "",
            "k=",
            "k=v",
            "k=\nk=v w\nk=x",
            "xk=ä;k=b",
            "kk=k=\r\n",
            "K=v",
        ];
        for pattern in [
            r"k=([^\r\n]*)",
            r"k=([^\n]+)",
            r"k=([^;=]*)",
            r"=([^k]+)",
            r"==([^=]+)",
        ] {
            let compiled = compiled(pattern);
            let Engine::Linear(regex, Some(_)) = compiled.engine.as_ref() else {
                panic!("{pattern} is not taken for a simple one");
            };
            for text in texts {
                let slowly = regex.captures(text).and_then(|found| found.get(1));
                let slowly = slowly.map(|own| own.as_str());
                assert_eq!(compiled.first_group(text), slowly, "{pattern} on {text:?}");
            }
        }
    }

    #[test]
    fn backtracking_gives_up() {
        let text = "a".repeat(64);
        assert!(!compiled(r"(?=(a+)+$)(a+)+b\1").is_match(&text));
    }

    #[test]
    fn groups_are_found() {
        for (pattern, names) in [
            (r"(?<a>x)(?P<b_1>y)", vec!["a", "b_1"]),
            (r"(?i)(?<=x)(?<!y)(?:z)(?=w)", vec![]),
            (r"(?<a>x)|(?<a>y)", vec!["a"]),
        ] {
            assert_eq!(group_names(pattern), names, "{pattern}");
        }
    }
}
