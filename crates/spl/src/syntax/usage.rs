//! What a command is, in one value: its names, its syntax, what it does, and what becomes of each of its options.
//!
//! The parser checks options by it, suggestions come from it, and the user's reference is written from it, so that the three
//! cannot say different things.

use std::any::Any;
use std::fmt;

use super::ast::{Name, Pipeline};

/// A command for the parser and for the reader of the reference.
#[derive(Debug)]
pub struct Usage {
    /// Its name.
    pub name: &'static str,
    /// Other names that it goes by.
    pub also: &'static [&'static str],
    /// How it is written.
    pub syntax: &'static str,
    /// What it does.
    pub meaning: &'static str,
    /// Its options.
    pub options: &'static [OptionUsage],
}

impl Usage {
    /// Whether a word, in lower case, names the command.
    #[must_use]
    pub fn is_called(&self, word: &str) -> bool {
        self.name == word || self.also.contains(&word)
    }
}

/// An option of a command.
#[derive(Debug)]
pub struct OptionUsage {
    /// Its name.
    pub name: &'static str,
    /// What its value is.
    pub value: Value,
    /// What becomes of it.
    pub standing: Standing,
}

impl OptionUsage {
    const fn new(name: &'static str, value: Value, standing: Standing) -> Self {
        Self {
            name,
            value,
            standing,
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
    /// What its command reads of it.
    Own,
}

/// What becomes of an option.
#[derive(Debug)]
pub enum Standing {
    /// It is obeyed; what it does.
    Obeyed(&'static str),
    /// It is taken and changes nothing; why that is right.
    NoEffect(&'static str),
    /// Only this value is taken, which is what is done anyway; others are errors. Why.
    Only(&'static str, &'static str),
    /// It is an error; why, and what to do instead.
    Refused(&'static str),
}

/// An option that is obeyed, whose value the command reads itself.
pub(crate) const fn obeyed(name: &'static str, meaning: &'static str) -> OptionUsage {
    OptionUsage::new(name, Value::Own, Standing::Obeyed(meaning))
}

/// An option that is obeyed and is true or false.
pub(crate) const fn flag(name: &'static str, meaning: &'static str) -> OptionUsage {
    OptionUsage::new(name, Value::Flag, Standing::Obeyed(meaning))
}

/// An option that is obeyed and is a whole number.
pub(crate) const fn count(name: &'static str, meaning: &'static str) -> OptionUsage {
    OptionUsage::new(name, Value::Count, Standing::Obeyed(meaning))
}

/// An option that is taken and changes nothing.
pub(crate) const fn no_effect(name: &'static str, why: &'static str) -> OptionUsage {
    OptionUsage::new(name, Value::Own, Standing::NoEffect(why))
}

/// An option that is taken with one value only.
pub(crate) const fn only(
    name: &'static str,
    value: &'static str,
    why: &'static str,
) -> OptionUsage {
    OptionUsage::new(name, Value::Own, Standing::Only(value, why))
}

/// An option that is an error.
pub(crate) const fn refused(name: &'static str, why: &'static str) -> OptionUsage {
    OptionUsage::new(name, Value::Own, Standing::Refused(why))
}

/// What the parser reads of a command that consists of options, names and subsearches.
#[derive(Debug)]
pub struct Form {
    /// Fewest and most names.
    pub names: (usize, usize),
    /// What is expected where there are fewer.
    pub expects: &'static str,
    /// Number of subsearches in brackets behind the names.
    pub subsearches: usize,
}

/// Options, names and subsearches, as written.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Arguments {
    /// As written, names lower case.
    pub options: Vec<(Name, String)>,
    /// Names may hold `*`.
    pub fields: Vec<Name>,
    /// `by` fields of `top` and `rare`; words behind `filter` of `multikv`.
    pub by: Vec<Name>,
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

    /// Whether an option is on.
    pub fn flag(&self, name: &str, default: bool) -> bool {
        self.option(name).map_or(default, is_on)
    }
}

/// Whether the value of a flag says yes.
pub(crate) fn is_on(value: &str) -> bool {
    matches!(value.to_lowercase().as_str(), "t" | "true" | "1" | "yes")
}

/// What a command reads of the rows before it, and makes.
#[derive(Debug, Default)]
pub struct Reading {
    /// Fields that it reads; names may hold `*`.
    pub fields: Vec<String>,
    /// It reads all fields.
    pub all: bool,
    /// Fields that it makes.
    pub makes: Vec<String>,
    /// It may make fields of any names.
    pub makes_any: bool,
    /// No field passes it: what comes behind sees only what it makes.
    pub ends: bool,
    /// It may give rows where there were none before.
    pub adds_rows: bool,
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
