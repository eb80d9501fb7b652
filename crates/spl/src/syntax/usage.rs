//! What a command is, in one value: its names, its syntax, what it does, and what becomes of each of its options.
//!
//! The parser checks options by it, suggestions come from it, and the user's reference is written from it, so that the three
//! cannot say different things.

use std::any::Any;
use std::fmt;

use super::ast::{Aggregation, ByField, Expr, Pipeline, SearchExpr, SortKey};
use super::command::Parsed;
use super::diagnostic::Diagnostic;
use super::span::{Name, Span};

/// A command for the parser and for the reader of the reference.
#[derive(Debug)]
pub struct Usage {
    /// As it is written in a search, lower case.
    pub name: &'static str,
    /// Other names that it goes by.
    pub also: &'static [&'static str],
    /// How it is written. What the user fills in stands in angle brackets; other words are keywords.
    pub syntax: &'static str,
    /// What it does.
    pub meaning: &'static str,
    /// Every option that the parser knows, refused ones too.
    pub options: &'static [OptionUsage],
}

impl Usage {
    /// The words, in lower case, that have a meaning among the arguments: those of the syntax that are neither placeholders
    /// nor options with their values.
    pub fn keywords(&self) -> impl Iterator<Item = String> {
        let mut words = Vec::new();
        let (mut word, mut before, mut depth) = (String::new(), ' ', 0_u32);
        for char in self.syntax.chars().chain([' ']) {
            if depth == 0 && (char.is_ascii_alphabetic() || char == '_') {
                word.push(char.to_ascii_lowercase());
                continue;
            }
            if !word.is_empty() {
                let found = std::mem::take(&mut word);
                if char != '=' && before != '=' && !self.is_called(&found) {
                    words.push(found);
                }
            }
            match char {
                '<' => depth += 1,
                '>' => depth = depth.saturating_sub(1),
                _ => {}
            }
            before = char;
        }
        words.into_iter()
    }

    /// Whether one of the arguments is an expression of eval.
    pub fn takes_expression(&self) -> bool {
        self.syntax.contains("<expression>")
    }

    /// Whether a word, in lower case, names the command.
    #[must_use]
    pub fn is_called(&self, word: &str) -> bool {
        self.name == word || self.also.contains(&word)
    }
}

/// An option of a command.
#[derive(Debug)]
pub struct OptionUsage {
    /// As it is written in a search, lower case.
    pub name: &'static str,
    /// What its value is.
    pub value: Value,
    /// What becomes of it.
    pub support: Support,
}

impl OptionUsage {
    const fn new(name: &'static str, value: Value, support: Support) -> Self {
        Self {
            name,
            value,
            support,
        }
    }
}

/// What the value of an option is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// True or false.
    Flag,
    /// A whole number.
    Count,
    /// The name of one field.
    Field,
    /// SPL in a string: a search, or a clause of one.
    Spl,
    /// What its command reads of it.
    Own,
}

/// What becomes of an option.
#[derive(Debug)]
pub enum Support {
    /// It is obeyed; what it does.
    Obeyed(&'static str),
    /// It is taken and changes nothing; why that is right.
    NoEffect(&'static str),
    /// Only this value is taken, which is what is done anyway; others are errors. Why.
    Only(&'static str, &'static str),
    /// It is an error; why, and what to do instead.
    Refused(&'static str),
}

/// Why options that bound the time of a subsearch change nothing.
pub(crate) const PATIENCE: &str = "a subsearch runs to its end";

/// An option that is obeyed, whose value the command reads itself.
pub(crate) const fn obeyed(name: &'static str, meaning: &'static str) -> OptionUsage {
    OptionUsage::new(name, Value::Own, Support::Obeyed(meaning))
}

/// An option that is obeyed and whose value is SPL in a string.
pub(crate) const fn spl(name: &'static str, meaning: &'static str) -> OptionUsage {
    OptionUsage::new(name, Value::Spl, Support::Obeyed(meaning))
}

/// An option that is obeyed and is true or false.
pub(crate) const fn flag(name: &'static str, meaning: &'static str) -> OptionUsage {
    OptionUsage::new(name, Value::Flag, Support::Obeyed(meaning))
}

/// An option that is obeyed and is a whole number.
pub(crate) const fn count(name: &'static str, meaning: &'static str) -> OptionUsage {
    OptionUsage::new(name, Value::Count, Support::Obeyed(meaning))
}

/// An option that is obeyed and names one field.
pub(crate) const fn field(name: &'static str, meaning: &'static str) -> OptionUsage {
    OptionUsage::new(name, Value::Field, Support::Obeyed(meaning))
}

/// An option that is taken and changes nothing.
pub(crate) const fn no_effect(name: &'static str, why: &'static str) -> OptionUsage {
    OptionUsage::new(name, Value::Own, Support::NoEffect(why))
}

/// An option that is taken with one value only.
pub(crate) const fn only(
    name: &'static str,
    value: &'static str,
    why: &'static str,
) -> OptionUsage {
    OptionUsage::new(name, Value::Own, Support::Only(value, why))
}

/// An option that is an error.
pub(crate) const fn refused(name: &'static str, why: &'static str) -> OptionUsage {
    OptionUsage::new(name, Value::Own, Support::Refused(why))
}

/// What the parser reads of a command.
#[derive(Debug)]
pub enum Form {
    /// Options and names in any order, then subsearches.
    Plain {
        /// Fewest and most names.
        names: (usize, usize),
        /// What is expected where there are fewer.
        expects: &'static str,
        /// Number of subsearches in brackets behind the names.
        subsearches: usize,
    },
    /// A form of its own.
    Own {
        /// Reads the arguments.
        parse: fn(&mut dyn Cursor, &Usage) -> Result<Arguments, Diagnostic>,
        /// Writes them so that they parse to the same.
        print: fn(&Arguments, &mut fmt::Formatter<'_>) -> fmt::Result,
    },
    /// Arguments of a type of their own, which the function reads.
    Typed(fn(&mut dyn Cursor, &Usage) -> Parsed),
    /// It stands for other commands: what is read is written as their text, which is parsed in its place.
    Others(fn(&mut dyn Cursor, &Usage) -> Result<String, Diagnostic>),
}

impl Form {
    /// One field, and options.
    pub(crate) const FIELD: Self = Self::Plain {
        names: (1, 1),
        expects: "a field",
        subsearches: 0,
    };
    /// Options alone, if the command has any.
    pub(crate) const OPTIONS: Self = Self::Plain {
        names: (0, 0),
        expects: "an option",
        subsearches: 0,
    };
}

/// The text behind a command's name, for a command that reads its arguments itself.
///
/// What reads a thing passes over the blanks before it; an error points to where the cursor stands.
pub trait Cursor {
    /// Passes over blanks and commas. Whether the command ends here.
    fn ended(&mut self) -> bool;
    /// Passes over blanks alone. Whether the command ends here.
    fn at_end(&mut self) -> bool;
    /// The text from the cursor to the end of the search.
    fn ahead(&self) -> &str;
    /// Where the cursor stands, for [`return_to`](Self::return_to).
    fn place(&self) -> usize;
    /// Goes back to a place.
    fn return_to(&mut self, place: usize);
    /// What stands between two places, in the text that the user wrote.
    fn span(&self, start: usize, end: usize) -> Span;
    /// Passes over a sign, if it is there.
    fn eat(&mut self, sign: u8) -> bool;
    /// Passes over a word, if it is there, in any case of its letters.
    fn eat_keyword(&mut self, word: &str) -> bool;
    /// The characters up to a delimiter, with no blanks before them.
    fn word(&mut self) -> String;
    /// The name in front of `=`, in lower case, if there is one; its value is still to be read.
    fn option_name(&mut self) -> Option<Name>;
    /// The value of an option, if the command obeys it; one that changes nothing is passed over.
    ///
    /// # Errors
    /// The command has no such option, refuses it, or the value is not of the option's kind.
    fn option(&mut self, usage: &Usage, name: &Name) -> Result<Option<Name>, Diagnostic>;
    /// A name, bare or in quotes.
    ///
    /// # Errors
    /// There is none; `what` says what it would have been.
    fn name(&mut self, what: &str) -> Result<Name, Diagnostic>;
    /// As [`name`](Self::name), where wildcards have no meaning.
    ///
    /// # Errors
    /// As [`name`](Self::name), and for a wildcard.
    fn single_name(&mut self, what: &str) -> Result<Name, Diagnostic> {
        single(self.name(what)?)
    }
    /// A name that may also be a call such as `values(user)`, as `stats` names its columns.
    ///
    /// # Errors
    /// As [`name`](Self::name).
    fn column(&mut self, what: &str) -> Result<Name, Diagnostic>;
    /// As [`column`](Self::column), where wildcards have no meaning.
    ///
    /// # Errors
    /// As [`column`](Self::column), and for a wildcard.
    fn field(&mut self, what: &str) -> Result<Name, Diagnostic> {
        single(self.column(what)?)
    }
    /// A value, bare or in double quotes, and then perhaps empty.
    ///
    /// # Errors
    /// There is none; `of` says what it belongs to.
    fn value(&mut self, of: &str) -> Result<Name, Diagnostic>;
    /// The text of the string in double quotes at the cursor.
    ///
    /// # Errors
    /// If it is not closed.
    fn string(&mut self) -> Result<String, Diagnostic>;
    /// An expression of `eval`.
    ///
    /// # Errors
    /// What is wrong with it.
    fn expression(&mut self) -> Result<Expr, Diagnostic>;
    /// A search clause, which may end at `by`.
    ///
    /// # Errors
    /// What is wrong with it.
    fn clause(&mut self, ends_at_by: bool) -> Result<SearchExpr, Diagnostic>;
    /// An aggregation such as `dc(user) as users`.
    ///
    /// # Errors
    /// What is wrong with it.
    fn aggregation(&mut self) -> Result<Aggregation, Diagnostic>;
    /// Aggregations, at least one; options of the command may stand among them.
    ///
    /// # Errors
    /// What is wrong with them.
    fn aggregations(
        &mut self,
        usage: &Usage,
        options: &mut Vec<(Name, String)>,
    ) -> Result<Vec<Aggregation>, Diagnostic>;
    /// `by` and fields, if they are there; options of the command may stand among them.
    ///
    /// # Errors
    /// What is wrong with them.
    fn groups(
        &mut self,
        usage: &Usage,
        options: &mut Vec<(Name, String)>,
    ) -> Result<Vec<ByField>, Diagnostic>;
    /// A search in brackets.
    ///
    /// # Errors
    /// If there are none, they are not closed, or they are nested too deep.
    fn subsearch(&mut self) -> Result<Pipeline, Diagnostic>;
    /// The rest of the command, as text.
    fn rest(&mut self) -> String;
    /// What stands in the brackets of a subsearch, as text.
    ///
    /// # Errors
    /// If there are none, or they are not closed.
    fn subsearch_text(&mut self) -> Result<String, Diagnostic>;
    /// The error that something else stands here.
    fn expected(&mut self, what: &str) -> Diagnostic;
    /// An error about what stands between two places.
    fn error(&self, message: &str, start: usize, end: usize) -> Diagnostic;
    /// The name most like a word, for a suggestion.
    fn closest(&self, word: &str, names: &[&'static str]) -> Option<&'static str>;
}

impl dyn Cursor + '_ {
    /// The byte under the cursor.
    pub fn peek(&self) -> Option<u8> {
        self.ahead().as_bytes().first().copied()
    }

    /// Passes over so many bytes.
    pub fn skip(&mut self, bytes: usize) {
        self.return_to(self.place() + bytes);
    }

    /// Whether a word is at the cursor, in any case of its letters.
    pub fn at_keyword(&mut self, word: &str) -> bool {
        let start = self.place();
        let there = self.eat_keyword(word);
        self.return_to(start);
        there
    }

    /// Passes over a text, if it is there, in any case of its letters.
    pub fn eat_text(&mut self, text: &str) -> bool {
        let ahead = self.ahead().as_bytes().get(..text.len());
        let there = ahead.is_some_and(|ahead| ahead.eq_ignore_ascii_case(text.as_bytes()));
        if there {
            self.skip(text.len());
        }
        there
    }

    /// What is written from a place to the cursor.
    pub fn written(&mut self, start: usize) -> Name {
        let end = self.place();
        self.return_to(start);
        let text = self
            .ahead()
            .get(..end.saturating_sub(start))
            .unwrap_or_default();
        let text = text.to_owned();
        self.return_to(end);
        self.since(start, text)
    }

    /// A text that stands from a place to the cursor.
    pub fn since(&self, start: usize, text: impl Into<String>) -> Name {
        Name {
            text: text.into(),
            span: self.span(start, self.place()),
        }
    }

    /// Names up to the end of the command.
    ///
    /// # Errors
    /// Something that is not a name, which `what` says it should be.
    pub fn names(&mut self, what: &str) -> Result<Vec<Name>, Diagnostic> {
        let mut names = Vec::new();
        while !self.ended() {
            names.push(self.column(what)?);
        }
        Ok(names)
    }

    /// The name behind `as`, if one is given.
    ///
    /// # Errors
    /// There is `as`, and no name behind it.
    pub fn new_name(&mut self) -> Result<Option<Name>, Diagnostic> {
        if self.eat_keyword("as") {
            self.name("a field").map(Some)
        } else {
            Ok(None)
        }
    }

    /// A whole number that stands alone, such as that of `top 5 user`.
    pub fn number(&mut self) -> Option<Name> {
        self.ended();
        let start = self.place();
        let word = self.word();
        if word.parse::<u64>().is_ok() && word.bytes().all(|byte| byte.is_ascii_digit()) {
            return Some(self.since(start, word));
        }
        self.return_to(start);
        None
    }
}

/// What a command consists of, as written.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Arguments {
    /// As written, names lower case.
    pub options: Vec<(Name, String)>,
    /// Names may hold `*`.
    pub fields: Vec<Name>,
    /// The fields are those that are left out: `fields -`.
    pub negated: bool,
    /// Names behind a word such as `by`, or `filter` of `multikv`.
    pub by: Vec<Name>,
    /// Names and what they become: `rename a as b`.
    pub pairs: Vec<(Name, Name)>,
    /// What `sort` compares, in this order.
    pub keys: Vec<SortKey>,
    /// Expressions of `eval`.
    pub expressions: Vec<Expr>,
    /// Subsearches in brackets.
    pub subsearches: Vec<Pipeline>,
}

impl Arguments {
    /// An option's value; of several the last.
    pub fn option(&self, name: &str) -> Option<&str> {
        self.written(name).map(|(_, value)| value)
    }

    /// An option's name where it stands, and its value; of several the last.
    pub fn written(&self, name: &str) -> Option<(&Name, &str)> {
        self.options
            .iter()
            .rev()
            .find(|(own, _)| own.text == name)
            .map(|(own, value)| (own, value.as_str()))
    }

    /// An option that is a whole number, which the parser has seen to.
    pub fn count(&self, name: &str) -> Option<u64> {
        self.option(name)?.parse().ok()
    }

    /// Where a field stands that the command names.
    pub(crate) fn place_of(&self, field: &str) -> Option<Span> {
        let keys = self.keys.iter().map(|key| &key.field);
        let names = self.fields.iter().chain(&self.by).chain(keys);
        names
            .into_iter()
            .find(|name| name.text == field)
            .map(|name| name.span)
    }

    /// Whether an option is on.
    pub fn flag(&self, name: &str, default: bool) -> bool {
        self.option(name).map_or(default, is_on)
    }
}

/// A name without wildcards, where a command would take them for part of the name.
///
/// # Errors
/// For a wildcard; those in the parentheses of a name such as `sum(eval(a*b))` are none.
pub(crate) fn single(name: Name) -> Result<Name, Diagnostic> {
    let before = name.text.split('(').next().unwrap_or_default();
    if !before.contains('*') {
        return Ok(name);
    }
    let why = format!(
        "`{}` has a wildcard, which is not supported here",
        name.text
    );
    Err(Diagnostic::new(why, name.span).with_help("name each field"))
}

/// Checks that each `*` of a new name stands for what one of the old name means.
///
/// # Errors
/// If there are more in one of them.
pub(crate) fn correspond(from: &Name, to: &Name) -> Result<(), Diagnostic> {
    let stars = |name: &Name| name.text.matches('*').count();
    if stars(from) == stars(to) {
        return Ok(());
    }
    let why = format!(
        "`{}` and `{}` have different numbers of `*`",
        from.text, to.text
    );
    Err(Diagnostic::new(why, from.span.to(to.span))
        .with_help("each `*` of the new name stands for what one of the old name means"))
}

/// Whether the value of a flag says yes.
pub(crate) fn is_on(value: &str) -> bool {
    matches!(value.to_lowercase().as_str(), "t" | "true" | "1" | "yes")
}

/// What the value of a flag says.
///
/// # Errors
/// It is neither true nor false.
pub(crate) fn truth(option: &str, value: &Name) -> Result<bool, Diagnostic> {
    match value.text.to_lowercase().as_str() {
        "t" | "true" | "1" | "yes" => Ok(true),
        "f" | "false" | "0" | "no" => Ok(false),
        _ => Err(Diagnostic::new(
            format!("`{option}` must be true or false, not `{}`", value.text),
            value.span,
        )),
    }
}

/// The whole number that is the value of an option.
///
/// # Errors
/// If it is invalid.
pub(crate) fn whole_number(option: &str, value: &Name) -> Result<u64, Diagnostic> {
    value.text.parse().map_err(|_| {
        Diagnostic::new(
            format!("`{option}` is a whole number, not `{}`", value.text),
            value.span,
        )
    })
}

/// What a command reads of the rows before it, and makes.
#[derive(Debug, Default)]
pub struct Reading {
    /// Fields that it reads; names may hold `*`.
    pub fields: Vec<String>,
    /// It reads all fields, by whatever name.
    pub all: bool,
    /// It reads the fields that the events have, by their own names.
    pub columns: bool,
    /// Fields that it makes.
    pub makes: Vec<String>,
    /// Fields that it reads where the rows have them, and makes where not.
    pub fills: Vec<String>,
    /// It gives all fields of the rows a value.
    pub fills_all: bool,
    /// It may make fields of any names.
    pub makes_any: bool,
    /// Fields that get another name, with that name; either may hold `*`.
    pub renamed: Vec<(Name, Name)>,
    /// No field passes it: what comes behind sees only what it makes.
    pub ends: bool,
    /// The fields that it reads pass it, and no others.
    pub keeps: bool,
    /// It may give rows where there were none before.
    pub adds_rows: bool,
}

impl Reading {
    /// The fields that a command names are what it reads.
    pub(crate) fn named(arguments: &Arguments) -> Self {
        let names = arguments.fields.iter();
        Self {
            fields: names.map(|name| name.text.clone()).collect(),
            ..Self::default()
        }
    }
}

/// A command of which everything stands in one file.
pub struct Whole {
    /// Its names, its syntax, what it does, its options.
    pub usage: Usage,
    /// What the parser reads.
    pub form: Form,
    /// What it reads and makes.
    pub reads: fn(&Arguments) -> Reading,
    /// How it is planned: a function that the syntax carries for the planner without knowing what it is.
    pub plan: &'static (dyn Any + Send + Sync),
}

impl Whole {
    /// A command that stands for others. `text` reads its arguments and writes those others; what is wrong with them points to
    /// the whole command.
    pub(crate) const fn standing_for_others(
        usage: Usage,
        text: fn(&mut dyn Cursor, &Usage) -> Result<String, Diagnostic>,
    ) -> Self {
        Self {
            usage,
            form: Form::Others(text),
            // The others are asked in its place.
            reads: |_| Reading::default(),
            plan: &(),
        }
    }
}

/// A field in an expression: in single quotes, which cannot be escaped.
pub(crate) fn field_in_expression(name: &Name) -> Result<String, Diagnostic> {
    if name.text.contains('\'') {
        return Err(Diagnostic::new(
            "a field with an apostrophe in its name cannot be used here",
            name.span,
        )
        .with_help("rename it before"));
    }
    Ok(format!("'{}'", name.text))
}

impl fmt::Debug for Whole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.usage.name)
    }
}

impl PartialEq for Whole {
    fn eq(&self, other: &Self) -> bool {
        self.usage.name == other.usage.name
    }
}
