//! The commands and their arguments.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use crate::commands::not_run;

use super::ast::{
    Aggregation, Arguments, ByField, Command, CommandKind, Expr, Name, Pipeline, SearchExpr, Span,
    Whole,
};
use super::diagnostic::Diagnostic;
use super::parser::{Parsed, Parser};
use super::usage::{Cursor, Form, Support, Usage, Value, single, truth, whole_number};

/// Every command that is run.
pub(crate) fn usages() -> impl Iterator<Item = &'static Usage> {
    crate::commands::ALL.iter().map(|command| &command.usage)
}

/// The command that a word, in lower case, names.
fn whole(word: &str) -> Option<&'static Whole> {
    let mut all = crate::commands::ALL.iter().copied();
    all.find(|command| command.usage.is_called(word))
}

/// Whether a word names a command.
pub(super) fn is_known(word: &str) -> bool {
    whole(word).is_some() || not_run::is_one(word)
}

/// Words of clauses, expressions and aggregations, which mean the same in every command.
const GRAMMAR: [&str; 17] = [
    "and", "as", "by", "case", "eval", "false", "from", "groupby", "in", "like", "not", "null",
    "or", "term", "true", "where", "xor",
];

/// Whether a word, in any case of its letters, has a meaning of its own somewhere in a search.
pub(crate) fn is_keyword(word: &str) -> bool {
    static KEYWORDS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
        let of_commands = usages().flat_map(Usage::keywords);
        of_commands.chain(GRAMMAR.map(str::to_owned)).collect()
    });
    KEYWORDS.contains(&word.to_ascii_lowercase())
}

impl Parser<'_> {
    /// The arguments of the command that stands at `start`.
    pub(super) fn arguments(
        &mut self,
        name: &str,
        start: usize,
        name_end: usize,
    ) -> Parsed<CommandKind> {
        if let Some(command) = whole(name) {
            return self.within(command, |parser| parser.arguments_of(command));
        }
        if not_run::is_one(name) {
            let arguments = self.pos;
            self.skip_arguments();
            let arguments = self.text[arguments..self.pos].trim().to_owned();
            return Ok(CommandKind::Unsupported { arguments });
        }
        let diagnostic = self.error(format!("`{name}` is not an SPL command"), start, name_end);
        let known = usages().flat_map(|usage| usage.also.iter().chain([&usage.name]));
        Err(
            match self.closest(name, known.copied().chain(not_run::names())) {
                Some(other) => diagnostic.with_help(format!("did you mean `{other}`?")),
                None => diagnostic,
            },
        )
    }

    fn arguments_of(&mut self, command: &'static Whole) -> Parsed<CommandKind> {
        Ok(match command.form {
            Form::Own { parse, .. } => CommandKind::Whole(command, parse(self, &command.usage)?),
            Form::Plain {
                names,
                expects,
                subsearches,
            } => {
                let arguments = self.plain(&command.usage, names, expects, subsearches)?;
                CommandKind::Whole(command, arguments)
            }
            Form::Typed(parse) => CommandKind::Typed(command, parse(self, &command.usage)?),
            // What it stands for has been put in its place.
            Form::Others(_) => CommandKind::Whole(command, Arguments::default()),
        })
    }

    /// Parses something as part of a command.
    fn within<T>(&mut self, command: &'static Whole, parse: impl FnOnce(&mut Self) -> T) -> T {
        let outer = self.command.replace(&command.usage);
        let parsed = parse(self);
        self.command = outer;
        parsed
    }

    /// Whether a command obeys the option whose name was read. One that changes nothing is passed over with its value.
    ///
    /// # Errors
    /// The command has no such option, or it is refused.
    pub(super) fn takes(&mut self, usage: &Usage, option: &Name) -> Parsed<bool> {
        let (command, options) = (usage.name, usage.options);
        let Some(known) = options.iter().find(|known| known.name == option.text) else {
            let diagnostic = self.unknown_option(command, option);
            let names = options
                .iter()
                .filter(|known| !matches!(known.support, Support::Refused(_)))
                .map(|known| known.name);
            return Err(match self.closest(&option.text, names) {
                Some(other) => diagnostic.with_help(format!("did you mean `{other}`?")),
                None => diagnostic,
            });
        };
        match known.support {
            Support::Obeyed(_) => Ok(true),
            Support::NoEffect(_) => {
                self.value(&option.text)?;
                Ok(false)
            }
            Support::Only(taken, why) => {
                let value = self.value(&option.text)?;
                if same_value(&value.text, taken) {
                    return Ok(false);
                }
                let what = format!("`{}={}` of `{command}`", option.text, value.text);
                Err(self.not_run(&what, option).with_help(why))
            }
            Support::Refused(why) => {
                let what = format!("`{}=` of `{command}`", option.text);
                Err(self.not_run(&what, option).with_help(why))
            }
        }
    }

    /// The value of an option that a command obeys, of the kind that it has.
    fn value_of(&mut self, usage: &Usage, option: &Name) -> Parsed<Name> {
        let value = self.value(&option.text)?;
        let known = usage.options.iter().find(|known| known.name == option.text);
        match known.map_or(Value::Own, |known| known.value) {
            Value::Flag => {
                truth(&option.text, &value)?;
            }
            Value::Count => {
                whole_number(&option.text, &value)?;
            }
            Value::Field => return single(value),
            Value::Own | Value::Spl => {}
        }
        Ok(value)
    }

    /// The arguments of a command of options, names and subsearches.
    fn plain(
        &mut self,
        usage: &Usage,
        names: (usize, usize),
        expects: &str,
        subsearches: usize,
    ) -> Parsed<Arguments> {
        let mut arguments = Arguments::default();
        loop {
            self.skip_separators();
            if self.at_end() || self.peek() == Some(b'[') {
                break;
            }
            if let Some(option) = self.option_name() {
                if let Some(value) = self.option(usage, &option)? {
                    arguments.options.push((option, value.text));
                }
            } else if arguments.fields.len() < names.1 {
                let name = self.column(expects)?;
                // Only commands that take any number of fields take wildcards for them.
                arguments.fields.push(match names.1 {
                    usize::MAX => name,
                    _ => single(name)?,
                });
            } else {
                return Err(self.expected("the end of the command or an option"));
            }
        }
        if arguments.fields.len() < names.0 {
            return Err(self.expected(expects));
        }
        while arguments.subsearches.len() < subsearches {
            arguments.subsearches.push(self.bracketed()?);
        }
        Ok(arguments)
    }

    /// The commands that stand for the one whose arguments are at the cursor; none if it stands for itself.
    pub(super) fn stands_for(&mut self, name: &str, start: usize) -> Parsed<Option<Vec<Command>>> {
        let Some(command) = whole(name) else {
            return Ok(None);
        };
        let Form::Others(text) = command.form else {
            return Ok(None);
        };
        let text = self.within(command, |parser| text(parser, &command.usage))?;
        if !self.at_end() {
            return Err(self.expected("`|` or the end of the command"));
        }
        self.stand_in(&text, start).map(Some)
    }

    fn unknown_option(&self, command: &str, option: &Name) -> Diagnostic {
        Diagnostic::new(
            format!("`{command}` has no option `{}`", option.text),
            option.span,
        )
    }

    fn not_run(&self, what: &str, name: &Name) -> Diagnostic {
        Diagnostic::new(format!("{what} is not supported"), name.span)
    }
}

impl Cursor for Parser<'_> {
    fn ended(&mut self) -> bool {
        self.skip_separators();
        self.at_end()
    }

    fn at_end(&mut self) -> bool {
        Parser::at_end(self)
    }

    fn ahead(&self) -> &str {
        &self.text[self.pos..]
    }

    fn place(&self) -> usize {
        self.pos
    }

    fn return_to(&mut self, place: usize) {
        self.pos = place;
    }

    fn span(&self, start: usize, end: usize) -> Span {
        Parser::span(self, start, end)
    }

    fn eat(&mut self, sign: u8) -> bool {
        Parser::eat(self, sign)
    }

    fn eat_keyword(&mut self, word: &str) -> bool {
        // What is inserted into a search must know which words are none of a command's names.
        debug_assert!(
            GRAMMAR.contains(&word)
                || (self.command).is_none_or(|usage| usage.keywords().any(|own| own == word)),
            "the syntax of the command does not show its keyword `{word}`"
        );
        Parser::eat_keyword(self, word)
    }

    fn word(&mut self) -> String {
        Parser::word(self).to_owned()
    }

    fn option_name(&mut self) -> Option<Name> {
        Parser::option_name(self)
    }

    fn option(&mut self, usage: &Usage, name: &Name) -> Parsed<Option<Name>> {
        if self.takes(usage, name)? {
            self.value_of(usage, name).map(Some)
        } else {
            Ok(None)
        }
    }

    fn name(&mut self, what: &str) -> Parsed<Name> {
        Parser::name(self, what)
    }

    fn column(&mut self, what: &str) -> Parsed<Name> {
        Parser::column(self, what)
    }

    fn value(&mut self, of: &str) -> Parsed<Name> {
        Parser::value(self, of)
    }

    fn string(&mut self) -> Parsed<String> {
        Parser::string(self, b'"')
    }

    fn expression(&mut self) -> Parsed<Expr> {
        self.expr()
    }

    fn clause(&mut self, ends_at_by: bool) -> Parsed<SearchExpr> {
        self.search_clause(ends_at_by)
    }

    fn aggregation(&mut self) -> Parsed<Aggregation> {
        Parser::aggregation(self)
    }

    fn aggregations(
        &mut self,
        usage: &Usage,
        options: &mut Vec<(Name, String)>,
    ) -> Parsed<Vec<Aggregation>> {
        Parser::aggregations(self, usage, options)
    }

    fn groups(&mut self, usage: &Usage, options: &mut Vec<(Name, String)>) -> Parsed<Vec<ByField>> {
        self.by_clause(usage, options)
    }

    fn subsearch(&mut self) -> Parsed<Pipeline> {
        self.bracketed()
    }

    fn rest(&mut self) -> String {
        self.skip_space();
        let start = self.pos;
        self.skip_arguments();
        self.text[start..self.pos].trim().to_owned()
    }

    fn subsearch_text(&mut self) -> Parsed<String> {
        self.skip_space();
        let start = self.pos;
        if !self.eat(b'[') {
            return Err(self.expected("a subsearch in brackets"));
        }
        let outside = self.enter_brackets();
        let inner = self.pos;
        self.skip_pipeline();
        let end = self.pos;
        self.leave_brackets(outside);
        if !self.eat(b']') {
            return Err(self
                .error("unclosed bracket", start, start + 1)
                .with_help("end the subsearch with ]"));
        }
        Ok(self.text[inner..end].trim().to_owned())
    }

    fn expected(&mut self, what: &str) -> Diagnostic {
        Parser::expected(self, what)
    }

    fn error(&self, message: &str, start: usize, end: usize) -> Diagnostic {
        Parser::error(self, message, start, end)
    }

    fn closest(&self, word: &str, names: &[&'static str]) -> Option<&'static str> {
        Parser::closest(self, word, names.iter().copied())
    }
}

/// Whether two values of an option are the same, where `f` is `false`.
fn same_value(value: &str, other: &str) -> bool {
    let plain = |value: &str| match value.to_lowercase().as_str() {
        "t" | "1" | "yes" => "true".to_owned(),
        "f" | "0" | "no" => "false".to_owned(),
        other => other.to_owned(),
    };
    plain(value) == plain(other)
}
