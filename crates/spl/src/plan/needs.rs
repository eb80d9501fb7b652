//! Which fields of the events a search needs.

use std::collections::BTreeSet;

use super::wildcards::renamed;
use crate::knowledge::Knowledge;
use crate::syntax::ast::{Command, CommandKind, Expr, Name, Pipeline, SearchExpr, Span};
use crate::syntax::command::{Ledger, Part};
use crate::syntax::walk::{visit_fields, visit_subsearches};

/// The fields of the events that a search reads.
#[derive(Debug, Clone, Default)]
pub(crate) struct Needs {
    /// Fields that are named, with the place where they are named first; none where the search does not mind if they
    /// do not exist.
    pub named: Vec<(String, Option<Span>)>,
    /// All fields that the events have as columns: the search shows them.
    pub all_columns: bool,
    /// All names, aliases too: a wildcard may mean any of them.
    pub all_names: bool,
    /// Words are looked for in the text of the events further down.
    pub words: bool,
    seen: BTreeSet<String>,
    made: BTreeSet<String>,
    /// A command before may have made any field.
    lenient: bool,
}

impl Needs {
    /// Reads a search up to the command that no field of the events passes.
    pub fn of(pipeline: &Pipeline, knowledge: &Knowledge) -> Self {
        Self::of_commands(&pipeline.commands, knowledge)
    }

    /// Reads some commands of a search.
    pub fn of_commands(commands: &[Command], knowledge: &Knowledge) -> Self {
        let mut needs = Self::default();
        for (index, command) in commands.iter().enumerate() {
            let passed = needs.command(&command.kind, knowledge);
            // The first command looks into the events themselves.
            needs.words &= index > 0;
            if passed {
                return needs;
            }
        }
        needs.all_columns = true;
        needs
    }

    /// Needs just these fields, where the events have them.
    pub fn of_names(names: &[String]) -> Self {
        Self {
            named: names.iter().map(|name| (name.clone(), None)).collect(),
            ..Self::default()
        }
    }

    /// Names of the fields that are needed.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.named.iter().map(|(name, _)| name.as_str())
    }

    fn field(&mut self, name: &Name) {
        self.text(&name.text, name.span);
    }

    fn text(&mut self, name: &str, span: Span) {
        if name.contains('*') {
            self.all_names = true;
            self.all_columns = true;
        } else if !self.made.contains(name) && self.seen.insert(name.to_owned()) {
            let place = (!self.lenient && span != Span::default()).then_some(span);
            self.named.push((name.to_owned(), place));
        }
    }

    fn make(&mut self, name: &str) {
        self.made.insert(name.to_owned());
    }

    /// Notes what a command needs and makes. Answers whether no field of the events passes it.
    fn command(&mut self, kind: &CommandKind, knowledge: &Knowledge) -> bool {
        match kind {
            CommandKind::Whole(command, arguments) => {
                arguments
                    .expressions
                    .iter()
                    .for_each(|expr| self.expr(expr));
                let reading = (command.reads)(arguments);
                for field in &reading.fields {
                    self.text(field, arguments.place_of(field).unwrap_or_default());
                }
                for (from, to) in &reading.renamed {
                    self.field(from);
                    self.make(&to.text);
                    self.lenient |= to.text.contains('*');
                }
                reading.fills.iter().for_each(|name| self.optional(name));
                self.all_columns |= reading.all || reading.columns;
                self.all_names |= reading.all;
                reading.makes.iter().for_each(|name| self.make(name));
                self.lenient |= reading.makes_any;
                reading.ends || reading.keeps
            }
            CommandKind::Typed(_, syntax) => {
                let mut noting = Noting {
                    needs: self,
                    knowledge,
                };
                syntax.note(&mut noting)
            }
            CommandKind::Unsupported { .. } => false,
        }
    }

    /// A field that is kept if the events have it, and made if not: nobody need be warned.
    fn optional(&mut self, name: &str) {
        if !self.made.contains(name) && self.seen.insert(name.to_owned()) {
            self.named.push((name.to_owned(), None));
        }
        self.make(name);
    }

    /// A field that is read if the events have it; nobody need be warned.
    fn optional_read(&mut self, name: &str) {
        if !self.made.contains(name) && self.seen.insert(name.to_owned()) {
            self.named.push((name.to_owned(), None));
        }
    }

    /// Notes the fields of a search clause.
    pub fn search_clause(&mut self, expr: &SearchExpr) {
        self.search(expr);
    }

    fn search(&mut self, expr: &SearchExpr) {
        match expr {
            SearchExpr::And(all) | SearchExpr::Or(all) => {
                all.iter().for_each(|expr| self.search(expr))
            }
            SearchExpr::Not(inner) => self.search(inner),
            SearchExpr::Compare { field, .. }
            | SearchExpr::In { field, .. }
            | SearchExpr::Given { field, .. } => {
                // `*=x` and the time modifiers are not fields.
                if matches!(field.text.as_str(), "earliest" | "latest") {
                    return;
                }
                let of_time = ["starttime", "endtime", "timeformat"];
                if of_time.contains(&field.text.as_str())
                    || crate::clause::ago(&field.text).is_some()
                {
                    // A field of this name would be a field.
                    self.optional_read(&field.text);
                } else {
                    self.field(field);
                }
            }
            SearchExpr::Term(term) => {
                if term.text != "*" {
                    self.all_columns = true;
                    self.words = true;
                }
            }
            // Its rows are compared with fields of these names.
            SearchExpr::Subsearch(pipeline) => self.answered(pipeline),
        }
    }

    fn expr(&mut self, expr: &Expr) {
        visit_fields(expr, &mut |name, span| self.text(name, span));
        visit_subsearches(expr, &mut |pipeline| self.answered(pipeline));
    }

    /// Notes the fields with which the rows of a subsearch are compared.
    fn answered(&mut self, pipeline: &Pipeline) {
        if let Some(CommandKind::Typed(_, last)) = pipeline.commands.last().map(|last| &last.kind)
            && last.gives_values()
        {
            return;
        }
        match outputs(pipeline) {
            Some(names) => names
                .iter()
                .for_each(|name| self.text(name, Span::default())),
            None => self.all_columns = true,
        }
    }
}

/// Notes with what is known of lookups.
struct Noting<'n> {
    needs: &'n mut Needs,
    knowledge: &'n Knowledge,
}

impl Ledger for Noting<'_> {
    fn reads(&mut self, name: &str, place: Span) {
        self.needs.text(name, place);
    }

    fn works_out(&mut self, expr: &Expr) {
        self.needs.expr(expr);
    }

    fn looks_for(&mut self, clause: &SearchExpr) {
        self.needs.search(clause);
    }

    fn reads_all(&mut self) {
        self.needs.all_columns = true;
        self.needs.all_names = true;
    }

    fn makes(&mut self, name: &str) {
        self.needs.make(name);
    }

    fn fills(&mut self, name: &str) {
        self.needs.optional(name);
    }

    fn makes_any(&mut self) {
        self.needs.lenient = true;
    }

    fn runs(&mut self, command: &Command) -> bool {
        self.needs.command(&command.kind, self.knowledge)
    }

    fn runs_aside(&mut self, commands: &[Command]) {
        let mut aside = self.needs.clone();
        for command in commands {
            if aside.command(&command.kind, self.knowledge) {
                break;
            }
        }
        self.needs.named = aside.named;
        self.needs.seen = aside.seen;
        self.needs.all_columns |= aside.all_columns;
        self.needs.all_names |= aside.all_names;
    }

    fn lookup_columns(&self, lookup: &str) -> Option<Vec<String>> {
        let table = self.knowledge.lookups.get(lookup)?;
        Some(table.columns.clone())
    }
}

/// The names of a search's columns, if its text tells.
pub(crate) fn outputs(pipeline: &Pipeline) -> Option<Vec<String>> {
    let mut known: Option<Vec<String>> = None;
    for command in &pipeline.commands {
        match &command.kind {
            CommandKind::Whole(command, arguments) => {
                let reading = (command.reads)(arguments);
                if reading.keeps {
                    let exact = reading.fields.iter().all(|name| !name.contains('*'));
                    known = exact.then_some(reading.fields);
                } else if reading.ends || reading.makes_any {
                    known = None;
                } else if let Some(known) = &mut known {
                    for (from, to) in &reading.renamed {
                        for name in known.iter_mut() {
                            if let Some(new) = renamed(name, from, to) {
                                *name = new;
                            }
                        }
                    }
                    known.extend(reading.makes);
                    known.extend(reading.fills);
                }
            }
            CommandKind::Typed(_, syntax) => known = syntax.columns(known.take()),
            CommandKind::Unsupported { .. } => known = None,
        }
    }
    known.filter(|names| {
        !names
            .iter()
            .any(|name| matches!(name.as_str(), "search" | "query"))
    })
}

/// Every pipeline of a search that reads events or lookups, the outer one first, with what each needs of its events.
pub(crate) fn sources(pipeline: &Pipeline, knowledge: &Knowledge) -> Vec<(Pipeline, Needs)> {
    let mut found = Vec::new();
    add_sources(pipeline, knowledge, &mut found);
    found
}

fn add_sources(pipeline: &Pipeline, knowledge: &Knowledge, found: &mut Vec<(Pipeline, Needs)>) {
    found.push((pipeline.clone(), Needs::of(pipeline, knowledge)));
    add_inner_sources(pipeline, knowledge, found);
}

fn add_inner_sources(
    pipeline: &Pipeline,
    knowledge: &Knowledge,
    found: &mut Vec<(Pipeline, Needs)>,
) {
    for command in &pipeline.commands {
        if let CommandKind::Typed(_, syntax) = &command.kind
            && syntax.reads_events()
        {
            let own = Pipeline {
                commands: vec![command.clone()],
                span: command.span,
            };
            let needs = Needs::of(&own, knowledge);
            found.push((own, needs));
        }
        for part in command.kind.parts() {
            match part {
                Part::Expression(expr) => {
                    visit_subsearches(expr, &mut |inner| add_sources(inner, knowledge, found));
                }
                Part::Clause(clause) => clause_sources(clause, knowledge, found),
                Part::Search(inner) => add_sources(inner, knowledge, found),
                // It reads the rows before it; only what stands in it may read more.
                Part::Pipe(inner) => add_inner_sources(inner, knowledge, found),
            }
        }
        if let CommandKind::Typed(_, syntax) = &command.kind {
            for inner in syntax.searches(&knowledge.macros) {
                add_sources(&inner, knowledge, found);
            }
        }
    }
}

fn clause_sources(expr: &SearchExpr, knowledge: &Knowledge, found: &mut Vec<(Pipeline, Needs)>) {
    match expr {
        SearchExpr::And(all) | SearchExpr::Or(all) => {
            all.iter()
                .for_each(|expr| clause_sources(expr, knowledge, found));
        }
        SearchExpr::Not(inner) => clause_sources(inner, knowledge, found),
        SearchExpr::Subsearch(pipeline)
        | SearchExpr::Given {
            subsearch: pipeline,
            ..
        } => add_sources(pipeline, knowledge, found),
        SearchExpr::Compare { .. } | SearchExpr::In { .. } | SearchExpr::Term(_) => {}
    }
}

/// Whether a search surely has no rows where its first command has none.
pub(crate) fn no_rows_from_nothing(pipeline: &Pipeline) -> bool {
    let mut commands = pipeline.commands.iter();
    let first = match commands.next().map(|command| &command.kind) {
        Some(CommandKind::Typed(_, syntax)) => syntax.needs_events(),
        _ => false,
    };
    first
        && commands.all(|command| match &command.kind {
            CommandKind::Whole(command, arguments) => !(command.reads)(arguments).adds_rows,
            CommandKind::Typed(_, syntax) => syntax.needs_rows(),
            // It is an error that is to be told.
            CommandKind::Unsupported { .. } => false,
        })
}
