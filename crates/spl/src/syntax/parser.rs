//! The parser's cursor, and pipelines.

use super::ast::{Command, Name, Pipeline, SearchExpr, Span};
use super::diagnostic::Diagnostic;
use super::expr::Token;
use super::macros::{self, Expanded, Macros};
use super::usage::Usage;

/// How deep brackets, parentheses and prefixes may nest. Nothing a person writes comes near.
const MAX_DEPTH: u32 = 150;
/// Most commands of a pipeline, macros expanded. Each wraps the plan of those before it, and planning takes longer with
/// each; public content stays below 40.
const MAX_COMMANDS: usize = 100;
/// More errors than this in one search help nobody.
const MAX_DIAGNOSTICS: usize = 50;

pub(super) type Parsed<T> = Result<T, Diagnostic>;

/// Expands macros, runs `parse` on the result, and collects what went wrong in both.
pub(super) fn with_parser<T>(
    text: &str,
    macros: &dyn Macros,
    parse: impl FnOnce(&mut Parser<'_>) -> Parsed<T>,
) -> Result<T, Vec<Diagnostic>> {
    let (expanded, mut diagnostics) = macros::expand(text, macros);
    let mut parser = Parser {
        text: &expanded.text,
        pos: 0,
        source: &expanded,
        diagnostics: Vec::new(),
        depth: 0,
        brackets: 0,
        command: None,
        token: None,
    };
    let result = parse(&mut parser);
    diagnostics.append(&mut parser.diagnostics);
    match result {
        Ok(value) if diagnostics.is_empty() => Ok(value),
        Ok(_) => Err(sorted(diagnostics)),
        Err(diagnostic) => {
            if diagnostics.is_empty() || expanded.failed.is_empty() {
                diagnostics.push(diagnostic);
            }
            Err(sorted(diagnostics))
        }
    }
}

fn sorted(mut diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    diagnostics.sort_by_key(|diagnostic| (diagnostic.span.start, diagnostic.span.end));
    diagnostics.dedup();
    diagnostics.truncate(MAX_DIAGNOSTICS);
    diagnostics
}

pub(super) struct Parser<'t> {
    pub(super) text: &'t str,
    pub(super) pos: usize,
    source: &'t Expanded,
    pub(super) diagnostics: Vec<Diagnostic>,
    depth: u32,
    /// Pipelines in brackets around this place.
    brackets: u32,
    /// The command whose arguments are read.
    pub(super) command: Option<&'static Usage>,
    /// The token of an expression at the position given first, and its end.
    pub(super) token: Option<(usize, Token, usize)>,
}

impl<'t> Parser<'t> {
    // Where things are.

    pub(super) fn span(&self, start: usize, end: usize) -> Span {
        self.source.span(start, end)
    }

    /// From `start` to the cursor.
    pub(super) fn span_from(&self, start: usize) -> Span {
        self.span(start, self.pos)
    }

    pub(super) fn error(&self, message: impl Into<String>, start: usize, end: usize) -> Diagnostic {
        self.noted(Diagnostic::new(message, self.span(start, end)), start)
    }

    /// With what the macro stands for that brought in the text at `offset`, as the user does not see it.
    fn noted(&self, diagnostic: Diagnostic, offset: usize) -> Diagnostic {
        match self.source.macro_text(offset) {
            Some(text) => {
                let short: String = text.chars().take(200).collect();
                let dots = if short.len() < text.len() { "…" } else { "" };
                diagnostic.with_note(format!("the macro stands for: {short}{dots}"))
            }
            None => diagnostic,
        }
    }

    /// `expected …, found …` at the cursor.
    pub(super) fn expected(&mut self, what: &str) -> Diagnostic {
        self.skip_space();
        let end = self.thing_end();
        let found = self.found(end);
        let message = format!("expected {what}, found {found}");
        if found.contains(['“', '”', '„', '‘', '’']) {
            return self
                .error(message, self.pos, end)
                .with_help("quotes in SPL are straight: \" and '");
        }
        if end == self.pos {
            // At the end, point behind the last thing there is.
            let last = self.text[..self.pos].trim_end().len();
            let at = self.span(last.saturating_sub(1), last).end;
            let diagnostic = Diagnostic::new(message, Span { start: at, end: at });
            return self.noted(diagnostic, last.saturating_sub(1));
        }
        self.error(message, self.pos, end)
    }

    /// The name most like `word`. Suggestions cost time, and nobody reads the hundredth.
    pub(super) fn closest<'n>(
        &self,
        word: &str,
        names: impl IntoIterator<Item = &'n str>,
    ) -> Option<&'n str> {
        if self.diagnostics.len() < 20 {
            crabwalk_vocabulary::suggest::closest(word, names)
        } else {
            None
        }
    }

    fn found(&self, end: usize) -> String {
        match &self.text[self.pos..end] {
            "" => "the end of the search".to_owned(),
            thing => {
                let short: String = thing.chars().take(30).collect();
                let dots = if short.len() < thing.len() { "…" } else { "" };
                format!("`{short}{dots}`")
            }
        }
    }

    /// End of the word, string or sign at the cursor.
    fn thing_end(&self) -> usize {
        let rest = &self.text[self.pos..];
        match rest.bytes().next() {
            None => self.pos,
            Some(b'"') => {
                let line = rest[1..]
                    .find(['"', '\n'])
                    .map_or(rest.len(), |index| index + 2);
                self.text
                    .floor_char_boundary((self.pos + line).min(self.text.len()))
            }
            Some(byte) if is_delimiter(byte) => self.pos + 1,
            Some(_) => self.pos + rest.bytes().take_while(|byte| !is_delimiter(*byte)).count(),
        }
    }

    // The cursor.

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.pos).copied()
    }

    pub(super) fn peek_at(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.pos + ahead).copied()
    }

    pub(super) fn skip_space(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.pos += 1;
        }
    }

    /// Skips whitespace and commas.
    pub(super) fn skip_separators(&mut self) {
        while self
            .peek()
            .is_some_and(|byte| byte.is_ascii_whitespace() || byte == b',')
        {
            self.pos += 1;
        }
    }

    /// Skips whitespace, then the byte if it is there.
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        self.skip_space();
        let there = self.peek() == Some(byte);
        if there {
            self.pos += 1;
        }
        there
    }

    /// Skips whitespace; whether the command ends here.
    pub(super) fn at_end(&mut self) -> bool {
        self.skip_space();
        matches!(self.peek(), None | Some(b'|')) || self.peek() == Some(b']') && self.brackets > 0
    }

    /// Skips whitespace; whether the word is there, in any case.
    pub(super) fn at_keyword(&mut self, word: &str) -> bool {
        self.skip_space();
        self.keyword_len(word).is_some()
    }

    fn keyword_len(&self, word: &str) -> Option<usize> {
        let bytes = self.text.as_bytes().get(self.pos..self.pos + word.len())?;
        let ends = self.peek_at(word.len()).is_none_or(is_delimiter);
        (bytes.eq_ignore_ascii_case(word.as_bytes()) && ends).then_some(word.len())
    }

    pub(super) fn eat_keyword(&mut self, word: &str) -> bool {
        let there = self.at_keyword(word);
        if there {
            self.pos += word.len();
        }
        there
    }

    /// One level deeper, or an error.
    pub(super) fn descend(&mut self) -> Parsed<()> {
        if self.depth >= MAX_DEPTH {
            return Err(self.error(
                format!("nested more than {MAX_DEPTH} deep"),
                self.pos,
                self.thing_end(),
            ));
        }
        self.depth += 1;
        Ok(())
    }

    pub(super) fn ascend(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    // Names and values.

    /// The characters up to a delimiter.
    pub(super) fn word(&mut self) -> &'t str {
        let text = self.text;
        let start = self.pos;
        while self.peek().is_some_and(|byte| !is_delimiter(byte)) {
            self.pos += 1;
        }
        &text[start..self.pos]
    }

    /// The text of the string at the cursor, which is at its opening quote.
    ///
    /// `\\` and `\"` stand for `\` and `"`; a backslash before anything else is a backslash, which regexes rely on.
    pub(super) fn string(&mut self, quote: u8) -> Parsed<String> {
        let start = self.pos;
        let text = self.text;
        let bytes = text.as_bytes();
        self.pos += 1;
        let mut out = String::new();
        let mut copied = self.pos;
        loop {
            match bytes.get(self.pos) {
                None => {
                    let end = text[start..]
                        .find('\n')
                        .map_or(text.len(), |line| start + line);
                    let kind = if quote == b'"' {
                        "string"
                    } else {
                        "field name"
                    };
                    return Err(self
                        .error(format!("unclosed {kind}"), start, end)
                        .with_help(format!(
                            "end it with {}; escape it inside as \\{0}",
                            char::from(quote)
                        )));
                }
                Some(&byte) if byte == quote => {
                    out.push_str(&text[copied..self.pos]);
                    self.pos += 1;
                    return Ok(out);
                }
                Some(b'\\')
                    if bytes
                        .get(self.pos + 1)
                        .is_some_and(|next| *next == b'\\' || *next == quote) =>
                {
                    out.push_str(&text[copied..self.pos]);
                    copied = self.pos + 1;
                    self.pos += 2;
                }
                Some(_) => self.pos += 1,
            }
        }
    }

    /// A name of a field, lookup or other thing: bare, or in quotes of either kind.
    pub(super) fn name(&mut self, what: &str) -> Parsed<Name> {
        self.skip_space();
        let start = self.pos;
        let text = match self.peek() {
            Some(b'"') => self.string(b'"')?,
            Some(b'\'') if self.text[self.pos + 1..].contains('\'') => self.string(b'\'')?,
            _ => self.word().to_owned(),
        };
        if text.is_empty() {
            self.pos = start;
            return Err(self.expected(what));
        }
        Ok(Name {
            text,
            span: self.span_from(start),
        })
    }

    /// As [`Self::name`]; a bare name may be a call such as `values(user)`, as `stats` makes them.
    pub(super) fn column(&mut self, what: &str) -> Parsed<Name> {
        self.skip_space();
        let start = self.pos;
        let bare = !matches!(self.peek(), Some(b'"' | b'\''));
        let mut name = self.name(what)?;
        if bare && self.peek() == Some(b'(') {
            let mut depth = 0_usize;
            let length = self.text[self.pos..].bytes().position(|byte| {
                match byte {
                    b'(' => depth += 1,
                    b')' => depth -= 1,
                    b'|' | b'"' => return true,
                    _ => {}
                }
                depth == 0
            });
            if let Some(length) = length.filter(|length| self.peek_at(*length) == Some(b')')) {
                self.pos += length + 1;
                name = Name {
                    text: self.text[start..self.pos].to_owned(),
                    span: self.span_from(start),
                };
            }
        }
        Ok(name)
    }

    /// `name = value` at the cursor, if it is there: the name in lower case, and the value still to be read.
    pub(super) fn option_name(&mut self) -> Option<Name> {
        self.skip_space();
        let start = self.pos;
        let word = self.word();
        let span = self.span_from(start);
        let text = word.to_lowercase();
        if !word.is_empty() && self.eat(b'=') && self.peek() != Some(b'=') {
            return Some(Name { text, span });
        }
        self.pos = start;
        None
    }

    /// A value of an option: bare, or quoted and then perhaps empty.
    pub(super) fn value(&mut self, option: &str) -> Parsed<Name> {
        self.skip_space();
        if self.peek() != Some(b'"') {
            return self.name(&format!("a value for `{option}`"));
        }
        let start = self.pos;
        let text = self.string(b'"')?;
        Ok(Name {
            text,
            span: self.span_from(start),
        })
    }

    // Pipelines.

    pub(super) fn whole_pipeline(&mut self) -> Pipeline {
        self.pipeline()
    }

    pub(super) fn whole_expr(&mut self) -> Parsed<super::ast::Expr> {
        let expr = self.expr()?;
        self.whole(expr)
    }

    pub(super) fn whole_search(&mut self) -> Parsed<SearchExpr> {
        let search = self.search_clause(false)?;
        self.whole(search)
    }

    fn whole<T>(&mut self, value: T) -> Parsed<T> {
        self.skip_space();
        if self.peek().is_some() {
            Err(self.expected("the end"))
        } else {
            Ok(value)
        }
    }

    /// `[ … ]` at the cursor.
    pub(super) fn bracketed(&mut self) -> Parsed<Pipeline> {
        self.skip_space();
        let start = self.pos;
        if !self.eat(b'[') {
            return Err(self.expected("a subsearch in brackets"));
        }
        self.descend()?;
        self.brackets += 1;
        let pipeline = self.pipeline();
        self.brackets -= 1;
        self.ascend();
        if !self.eat(b']') {
            return Err(self
                .error("unclosed bracket", start, start + 1)
                .with_help("end the subsearch with ]"));
        }
        Ok(pipeline)
    }

    fn pipeline(&mut self) -> Pipeline {
        self.skip_space();
        let start = self.pos;
        let mut commands = Vec::new();
        let piped = self.eat(b'|');
        self.skip_space();
        let first = self.pos;
        let word = self.word().to_ascii_lowercase();
        let follows = self.peek().is_none_or(|byte| {
            byte.is_ascii_whitespace() || matches!(byte, b'|' | b']' | b'"' | b'[')
        });
        self.pos = first;
        // Without a pipe before it, the first word is a term of a search. In brackets Splunk takes commands as such,
        // and nobody searches for the words `tstats` or `mstats`.
        let command = follows
            && if self.brackets > 0 {
                super::commands::is_known(&word)
            } else {
                matches!(word.as_str(), "search" | "tstats" | "mstats")
            };
        // A macro that stands for a search is also called behind a pipe at the start, where its words are not a command.
        let called = piped && self.source.is_from_macro(first) && !super::commands::is_known(&word);
        if !piped && !command || called {
            let (failed, depth) = (self.failed_in(first), self.depth);
            match self
                .arguments("search", first, first)
                .and_then(|kind| self.command_end(kind))
            {
                Ok(kind) => commands.push(Command {
                    name: "search".to_owned(),
                    span: self.span(first, self.trimmed(first)),
                    kind,
                }),
                Err(diagnostic) => {
                    self.depth = depth;
                    self.recover(first, failed, diagnostic);
                }
            }
        } else {
            commands.extend(self.command());
        }
        loop {
            self.skip_space();
            match self.peek() {
                Some(b'|') => {
                    if commands.len() >= MAX_COMMANDS {
                        let error = self.error(
                            format!("this search has more than {MAX_COMMANDS} commands"),
                            self.pos,
                            self.pos + 1,
                        );
                        self.diagnostics.push(error);
                        self.pos = self.text.len();
                        break;
                    }
                    self.pos += 1;
                    commands.extend(self.command());
                }
                _ => break,
            }
        }
        Pipeline {
            commands,
            span: self.span(start, self.trimmed(start)),
        }
    }

    /// The cursor without the whitespace before it.
    fn trimmed(&self, start: usize) -> usize {
        start + self.text[start..self.pos].trim_end().len()
    }

    fn command_end<T>(&mut self, value: T) -> Parsed<T> {
        if self.at_end() {
            return Ok(value);
        }
        Err(match self.peek() {
            Some(byte @ (b']' | b')')) => self.error(
                format!("unmatched `{}`", char::from(byte)),
                self.pos,
                self.pos + 1,
            ),
            _ => self.expected("`|` or the end of the command"),
        })
    }

    /// The command at the cursor, or those that stand for it; none if it could not be read.
    fn command(&mut self) -> Vec<Command> {
        self.skip_space();
        // A macro's definition may begin with `|` although its call stands behind one.
        if self.peek() == Some(b'|') && self.source.is_from_macro(self.pos) {
            self.pos += 1;
            self.skip_space();
        }
        let start = self.pos;
        let (failed, depth) = (self.failed_in(start), self.depth);
        let name = self.word().to_ascii_lowercase();
        let name_end = self.pos;
        if name.is_empty() {
            let diagnostic = self.expected("a command");
            self.recover(start, failed, diagnostic);
            return Vec::new();
        }
        let result = match self.stands_for(&name, start) {
            Ok(Some(commands)) => Ok(commands),
            Ok(None) => self
                .arguments(&name, start, name_end)
                .and_then(|kind| self.command_end(kind))
                .map(|kind| {
                    vec![Command {
                        name,
                        span: self.span(start, self.trimmed(start)),
                        kind,
                    }]
                }),
            Err(diagnostic) => Err(diagnostic),
        };
        result.unwrap_or_else(|diagnostic| {
            self.depth = depth;
            self.recover(name_end, failed, diagnostic);
            Vec::new()
        })
    }

    /// Parses commands that stand for what was read from `start` to the cursor.
    pub(super) fn stand_in(&mut self, text: &str, start: usize) -> Parsed<Vec<Command>> {
        self.descend()?;
        let source =
            Expanded::standing_for(format!("| {text}"), self.span(start, self.trimmed(start)));
        let mut parser = Parser {
            text: &source.text,
            pos: 0,
            source: &source,
            diagnostics: Vec::new(),
            depth: self.depth,
            brackets: 0,
            command: None,
            token: None,
        };
        let pipeline = parser.pipeline();
        let mut diagnostics = parser.diagnostics;
        self.ascend();
        match diagnostics.pop() {
            None => Ok(pipeline.commands),
            Some(last) => {
                self.diagnostics.append(&mut diagnostics);
                Err(last)
            }
        }
    }

    /// How many failed macro calls stand before `offset`.
    fn failed_in(&self, offset: usize) -> usize {
        self.source
            .failed
            .partition_point(|failed| *failed < offset)
    }

    /// Goes on behind the command whose arguments start at `start`.
    fn recover(&mut self, start: usize, failed_before: usize, diagnostic: Diagnostic) {
        self.pos = start;
        self.skip_arguments();
        // What stands in place of a macro that is not defined is a guess, and so are errors about it.
        if self.failed_in(self.pos) == failed_before {
            self.diagnostics.push(diagnostic);
        }
    }

    /// Marks that a closing bracket ends what follows. Answers what to give to [`Self::leave_brackets`].
    pub(super) fn enter_brackets(&mut self) -> u32 {
        let outside = self.brackets;
        self.brackets += 1;
        outside
    }

    pub(super) fn leave_brackets(&mut self, outside: u32) {
        self.brackets = outside;
    }

    /// Skips the commands up to the closing bracket.
    pub(super) fn skip_pipeline(&mut self) {
        loop {
            self.skip_arguments();
            if self.peek() != Some(b'|') {
                break;
            }
            self.pos += 1;
        }
    }

    /// Skips to the end of the command, past strings and brackets.
    pub(super) fn skip_arguments(&mut self) {
        let bytes = self.text.as_bytes();
        let mut depth = 0_usize;
        while let Some(&byte) = bytes.get(self.pos) {
            match byte {
                b'\\'
                    if bytes
                        .get(self.pos + 1)
                        .is_some_and(|next| matches!(next, b'\\' | b'"')) =>
                {
                    self.pos += 1
                }
                b'"' => {
                    self.pos += 1;
                    loop {
                        self.pos += match bytes.get(self.pos..) {
                            Some([b'\\', b'\\' | b'"', ..]) => 2,
                            None | Some([] | [b'"', ..]) => break,
                            Some(_) => 1,
                        };
                    }
                }
                b'[' => depth += 1,
                b']' if depth > 0 => depth -= 1,
                b']' if self.brackets > 0 => return,
                b'|' if depth == 0 => return,
                _ => {}
            }
            self.pos = (self.pos + 1).min(bytes.len());
        }
    }
}

/// What ends a bare name.
pub(crate) fn is_delimiter(byte: u8) -> bool {
    byte.is_ascii_whitespace()
        || matches!(byte, b',' | b'(' | b')' | b'[' | b']' | b'|' | b'"' | b'=')
}
