//! Searches with places for values, as `map` has them.
//!
//! Values come from logs, where an attacker may have written them. A value stays a value wherever it is inserted: it cannot
//! end a string, begin a command, or add SPL keywords.

use crate::functions::SEARCH_MATCH;
use crate::syntax::usage::Value;
use crate::syntax::{is_keyword, usages};

/// A text with places for values.
#[derive(Debug, Default)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Text(String),
    Value {
        name: String,
        place: Place,
        /// A backslash stands in front of it that no other character takes.
        escaped: bool,
    },
    /// A string that is read as SPL in its turn.
    Spl(Template),
}

/// What a value is put into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Nothing: it is a word or a part of one.
    Bare,
    /// A text in double quotes.
    Quoted,
    /// A name in single quotes, or what looks like one: in a search clause an apostrophe is an ordinary character.
    Unclear,
}

/// Why a row has no search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// It has no value for a place.
    Lacking,
    /// Its value would not stay a value where it is to stand.
    Loose,
}

impl Template {
    pub(crate) fn of(text: &str) -> Self {
        let mut parts = Vec::new();
        let (mut clause, mut expression) = (Reading::new(false), Reading::new(true));
        let (mut command, mut copied, mut at) = (0, 0, 0);
        while let Some(char) = text[at..].chars().next() {
            if let Some((name, length)) = place_at(&text[at..]) {
                parts.push(Part::Text(text[copied..at].to_owned()));
                parts.push(Part::Value {
                    name: name.to_owned(),
                    place: match (clause.inside, expression.inside) {
                        (Inside::Nothing, Inside::Nothing) => Place::Bare,
                        (Inside::Double, Inside::Double) => Place::Quoted,
                        _ => Place::Unclear,
                    },
                    escaped: clause.escaped || expression.escaped,
                });
                clause.pass('_');
                expression.pass('_');
                at += length;
                copied = at;
                continue;
            }
            let outside = clause.is_outside() && expression.is_outside();
            if char == '"'
                && outside
                && holds_spl(&text[command..at])
                && let Some((inner, length)) = string_at(&text[at..])
            {
                parts.push(Part::Text(text[copied..at].to_owned()));
                parts.push(Part::Spl(Self::of(&inner)));
                clause.pass('"');
                expression.pass('"');
                at += length;
                copied = at;
                continue;
            }
            if clause.is_outside() && matches!(char, '|' | '[') {
                command = at + 1;
            }
            clause.next(char);
            expression.next(char);
            at += char.len_utf8();
        }
        parts.push(Part::Text(text[copied..].to_owned()));
        Self { parts }
    }

    /// The text with values in its places.
    pub(crate) fn fill(&self, value: &dyn Fn(&str) -> String) -> Result<String, Unfit> {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Spl(inner) => out.push_str(&quoted(&inner.fill(value)?)),
                Part::Value {
                    name,
                    place,
                    escaped,
                } => {
                    let value = value(name);
                    if value.is_empty() {
                        return Err(Unfit::Lacking);
                    }
                    // Else it would take the backslash or quote that comes next.
                    let backslash = if *escaped { "\\" } else { "" };
                    match place {
                        Place::Bare | Place::Unclear if is_word(&value) => out.push_str(&value),
                        Place::Unclear => return Err(Unfit::Loose),
                        Place::Bare => {
                            out.push_str(backslash);
                            out.push_str(&quoted(&value));
                        }
                        Place::Quoted => {
                            out.push_str(backslash);
                            out.push_str(&escaped_text(&value));
                        }
                    }
                }
            }
        }
        Ok(out)
    }
}

/// The name of `$name$` at the start of a text, and the length of all of it.
fn place_at(text: &str) -> Option<(&str, usize)> {
    let (name, _) = text.strip_prefix('$')?.split_once('$')?;
    let is_name = !name.is_empty()
        && !name.contains(|char: char| char.is_whitespace() || matches!(char, '"' | '|'));
    is_name.then_some((name, name.len() + 2))
}

/// Whether a value is one word wherever it stands.
fn is_word(value: &str) -> bool {
    let digits = value.strip_prefix('-').unwrap_or(value);
    let is_number = digits.starts_with(|char: char| char.is_ascii_digit())
        && digits
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
        && digits.parse::<f64>().is_ok();
    let is_name = value
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !is_keyword(value);
    is_number || is_name
}

fn escaped_text(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped_text(text))
}

/// Whether the string behind this part of a command is read as SPL once more: a search, or a clause of one.
fn holds_spl(command: &str) -> bool {
    let command = command.trim().to_ascii_lowercase();
    let Some(before) = command.strip_suffix(['(', '=']).map(str::trim_end) else {
        return false;
    };
    let name = command
        .split(|char: char| !char.is_ascii_alphanumeric())
        .next();
    let known = usages().find(|usage| name.is_some_and(|name| usage.is_called(name)));
    let options = known.map_or(&[][..], |usage| usage.options).iter();
    let mut texts = options.filter(|option| option.value == Value::Spl);
    // An option's clause may stand in parentheses: `startswith=("…")`.
    let option = before.trim_end_matches('=').trim_end();
    before.ends_with(SEARCH_MATCH) || texts.any(|known| option.ends_with(known.name))
}

/// What the string at the start of a text says, and its length with the quotes.
fn string_at(text: &str) -> Option<(String, usize)> {
    let mut inner = String::new();
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((inner, at + 1)),
            '\\' => {
                let next = chars.next_if(|(_, next)| matches!(next, '\\' | '"'));
                inner.push(next.map_or('\\', |(_, next)| next));
            }
            char => inner.push(char),
        }
    }
    None
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    Nothing,
    Double,
    Single,
}

/// Follows the quotes of a text.
struct Reading {
    /// Whether names may stand in single quotes, as they do in expressions.
    single: bool,
    inside: Inside,
    /// A backslash has come that may take the next character.
    escaped: bool,
    before: char,
}

impl Reading {
    fn new(single: bool) -> Self {
        Self {
            single,
            inside: Inside::Nothing,
            escaped: false,
            before: ' ',
        }
    }

    fn is_outside(&self) -> bool {
        self.inside == Inside::Nothing && !self.escaped
    }

    /// Goes past something that changes nothing, of which this is the last character.
    fn pass(&mut self, last: char) {
        self.escaped = false;
        self.before = last;
    }

    fn next(&mut self, char: char) {
        let quote = if self.inside == Inside::Single {
            '\''
        } else {
            '"'
        };
        let taken = self.escaped && (char == '\\' || char == quote);
        self.escaped = false;
        if !taken {
            match (self.inside, char) {
                (_, '\\') => self.escaped = true,
                (Inside::Nothing, '"') => self.inside = Inside::Double,
                // Within a word it is an apostrophe.
                (Inside::Nothing, '\'')
                    if self.single && !(self.before.is_alphanumeric() || self.before == '_') =>
                {
                    self.inside = Inside::Single;
                }
                (Inside::Double, '"') | (Inside::Single, '\'') => self.inside = Inside::Nothing,
                _ => {}
            }
        }
        self.before = char;
    }
}

/// The search of `map` before any values are known: any value in search clauses, some number in expressions.
pub(crate) fn any_values(text: &str) -> String {
    let parts: Vec<String> = text
        .split('|')
        .map(|part| {
            let word = part.split_whitespace().next().unwrap_or("");
            let word = word.to_ascii_lowercase();
            let expression =
                usages().any(|usage| usage.is_called(&word) && usage.takes_expression());
            let value = if expression { "1" } else { "*" };
            fill(part, value)
        })
        .collect();
    parts.join("|")
}

/// Puts the same in the places of all `$name$`.
fn fill(text: &str, value: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        match place_at(rest) {
            Some((_, length)) => {
                out.push_str(value);
                rest = &rest[length..];
            }
            None => {
                out.push('$');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(template: &str, value: &str) -> Result<String, Unfit> {
        Template::of(template).fill(&|_| value.to_owned())
    }

    #[test]
    fn a_value_stays_a_value() {
        for (template, value, text) in [
            ("a=$x$", "bob", r"a=bob"),
            ("n=$x$", "-4.5", r"n=-4.5"),
            ("a=$x$", "two words", r#"a="two words""#),
            ("a=$x$", "1 | delete", r#"a="1 | delete""#),
            ("$x$ a=1", "NOT", r#""NOT" a=1"#),
            ("| dedup a $x$", "SortBy", r#"| dedup a "SortBy""#),
            ("| dedup a $x$", "sortbye", "| dedup a sortbye"),
            (r#"a="$x$""#, r"C:\", r#"a="C:\\""#),
            (r#"a="$x$""#, r#"x\" | eval z=1"#, r#"a="x\\\" | eval z=1""#),
            // The backslash of the template stays one.
            (r#"a="C:\$x$""#, r#""b"#, r#"a="C:\\\"b""#),
            (r"a=C:\$x$", "b c", r#"a=C:\\"b c""#),
            (r"a=C:\\$x$", "b c", r#"a=C:\\"b c""#),
            (r"a=C:\$x$", "b", r"a=C:\b"),
            // Strings that are SPL themselves.
            (
                r#"| map search="search a=$x$""#,
                "b | delete",
                r#"| map search="search a=\"b | delete\"""#,
            ),
            (
                r#"| transaction host startswith=("a=$x$") endswith="b=$x$""#,
                "b | delete",
                r#"| transaction host startswith=("a=\"b | delete\"") endswith="b=\"b | delete\"""#,
            ),
            (
                r#"| where searchmatch( "a=\"$x$\"")"#,
                r#"b" OR c="d"#,
                r#"| where searchmatch( "a=\"b\\\" OR c=\\\"d\"")"#,
            ),
            (
                r#"| eval a="$x$$", b="c$""#,
                "v",
                r#"| eval a="v$", b="c$""#,
            ),
            (
                r#"| where match(a,"b$") OR c="d$""#,
                "v",
                r#"| where match(a,"b$") OR c="d$""#,
            ),
        ] {
            assert_eq!(filled(template, value).as_deref(), Ok(text), "{template}");
        }
    }

    #[test]
    fn what_would_not_stay_a_value_is_left_out() {
        for (template, value, why) in [
            ("a=$x$", "", Unfit::Lacking),
            ("| eval b='$x$'", "c' | delete", Unfit::Loose),
            ("| eval b='$x$'", "c d", Unfit::Loose),
            ("it 's $x$", "b | delete", Unfit::Loose),
            (r#"'a"b' $x$"#, "b | delete", Unfit::Loose),
        ] {
            assert_eq!(filled(template, value), Err(why), "{template}");
        }
        assert_eq!(filled("| eval b='$x$'", "c").as_deref(), Ok("| eval b='c'"));
        assert_eq!(
            filled(r#"it's a="$x$""#, "b c").as_deref(),
            Ok(r#"it's a="b c""#)
        );
    }
}
