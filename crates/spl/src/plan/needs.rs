//! Which fields of the events a search needs.

use std::collections::BTreeSet;

use super::wildcards::renamed;
use crate::knowledge::Knowledge;
use crate::syntax::ast::{
    Aggregation, AggregationArgument, ByField, Command, CommandKind, Expr, Mark, Name, Pipeline,
    SearchExpr, Span,
};
use crate::syntax::command::{Ledger, Part};
use crate::syntax::walk::{expressions, visit_fields, visit_subsearches};

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
            CommandKind::Search(expr) => self.search(expr),
            CommandKind::Where(expr) => self.expr(expr),
            CommandKind::Eval(assignments) => {
                for (name, expr) in assignments {
                    self.expr(expr);
                    match super::dynamic_parts(&name.text) {
                        None => self.make(&name.text),
                        Some(parts) => {
                            for field in parts.iter().filter_map(|part| part.as_ref().err()) {
                                self.text(field, name.span);
                            }
                            self.lenient = true;
                        }
                    }
                }
            }
            CommandKind::Stats(stats) => {
                self.aggregations(&stats.aggregations);
                stats.by.iter().for_each(|by| self.field(&by.field));
                return true;
            }
            CommandKind::Eventstats(stats) => self.extra(stats),
            CommandKind::Streamstats(streamstats) => {
                let resets = [&streamstats.reset_before, &streamstats.reset_after];
                resets
                    .into_iter()
                    .flatten()
                    .for_each(|condition| self.expr(condition));
                self.extra(&streamstats.stats);
            }
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
                }
                reading.fills.iter().for_each(|name| self.optional(name));
                self.all_columns |= reading.all || reading.columns;
                self.all_names |= reading.all;
                reading.makes.iter().for_each(|name| self.make(name));
                self.lenient |= reading.makes_any;
                return reading.ends || reading.keeps;
            }
            CommandKind::Return(given) => {
                given
                    .fields
                    .iter()
                    .for_each(|(_, field, _)| self.field(field));
                return true;
            }
            CommandKind::Foreach(foreach) => {
                foreach.fields.iter().for_each(|name| self.field(name));
                // The template with the first name, to see what else it reads and makes.
                let name = foreach.fields.first().map_or("", |name| &name.text);
                let template = super::template::expand(foreach, &name.replace('*', "_"), &[]);
                let template = template
                    .replace(foreach.token("itemstr", super::template::ITEM), "0")
                    .replace(foreach.token("iterstr", super::template::ITER), "0");
                self.lenient = true;
                let template = format!("| {}", template.trim_start_matches('|'));
                if let Ok(pipeline) = crate::syntax::parse_without_macros(&template) {
                    for command in &pipeline.commands {
                        self.command(&command.kind, knowledge);
                    }
                }
            }
            CommandKind::Map(map) => {
                let mut rest = map.search.text.as_str();
                while let Some((_, after)) = rest.split_once('$') {
                    rest = after;
                    if let Some((name, behind)) = after.split_once('$')
                        && !name.is_empty()
                        && !name.contains(char::is_whitespace)
                    {
                        self.text(name, map.search.span);
                        rest = behind;
                    }
                }
                return true;
            }
            CommandKind::Transaction(transaction) => {
                transaction.fields.iter().for_each(|name| self.field(name));
                for mark in transaction.starts.iter().chain(&transaction.ends) {
                    match mark {
                        Mark::Search(clause) => self.search(clause),
                        Mark::Eval(condition) => self.expr(condition),
                    }
                }
                self.make("duration");
                self.make("eventcount");
            }
            CommandKind::Chart(chart) => {
                self.aggregations(&chart.aggregations);
                for computed in &chart.computed {
                    visit_fields(&computed.expr, &mut |name, span| {
                        if !crate::aggregates::is_count(name) {
                            self.text(name, span);
                        }
                    });
                }
                chart.by.iter().for_each(|name| self.field(name));
                return true;
            }
            CommandKind::Typed(_, syntax) => {
                return syntax.note(&mut Noting {
                    needs: self,
                    knowledge,
                });
            }
            CommandKind::Tstats(_) | CommandKind::Mstats(_) | CommandKind::Unsupported { .. } => {}
        }
        false
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

    fn extra(&mut self, stats: &crate::syntax::ast::Stats) {
        self.aggregations(&stats.aggregations);
        stats.by.iter().for_each(|by| self.field(&by.field));
        stats
            .aggregations
            .iter()
            .for_each(|aggregation| self.make(&aggregation.output.text));
    }

    fn aggregations(&mut self, aggregations: &[Aggregation]) {
        for aggregation in aggregations {
            match &aggregation.argument {
                None => {}
                Some(AggregationArgument::Field(name)) => self.field(name),
                Some(AggregationArgument::Eval(expr)) => self.expr(expr),
            }
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
        if let Some(CommandKind::Return(given)) = pipeline.commands.last().map(|last| &last.kind)
            && given.fields.iter().all(|(_, field, only_value)| {
                *only_value && !matches!(field.text.as_str(), "search" | "query")
            })
        {
            // Values alone.
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
        let texts = |names: &[Name]| {
            let exact = names.iter().all(|name| !name.text.contains('*'));
            exact.then(|| names.iter().map(|name| name.text.clone()).collect())
        };
        let grouped = |by: &[ByField], aggregations: &[Aggregation]| {
            let names: Vec<Name> = by
                .iter()
                .map(|by| by.field.clone())
                .chain(aggregations.iter().map(|one| one.output.clone()))
                .collect();
            texts(&names)
        };
        match &command.kind {
            CommandKind::Stats(stats) => known = grouped(&stats.by, &stats.aggregations),
            CommandKind::Tstats(tstats) => known = grouped(&tstats.by, &tstats.aggregations),
            CommandKind::Mstats(mstats) => {
                known = grouped(&mstats.stats.by, &mstats.stats.aggregations);
            }
            CommandKind::Return(given) => {
                let bare = given.fields.iter().any(|(_, _, bare)| *bare);
                let names: Vec<Name> = given.fields.iter().map(|(name, ..)| name.clone()).collect();
                known = if bare { None } else { texts(&names) };
            }
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
            CommandKind::Eval(assignments) => {
                if let Some(known) = &mut known {
                    known.extend(assignments.iter().map(|(name, _)| name.text.clone()));
                }
            }
            CommandKind::Search(_) | CommandKind::Where(_) => {}
            CommandKind::Typed(_, syntax) => known = syntax.columns(known.take()),
            _ => known = None,
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
        for expr in expressions(&command.kind) {
            visit_subsearches(expr, &mut |inner| add_sources(inner, knowledge, found));
        }
        match &command.kind {
            CommandKind::Whole(_, arguments) => {
                let subsearches = arguments.subsearches.iter();
                subsearches.for_each(|one| add_sources(one, knowledge, found));
            }
            CommandKind::Search(expr) => clause_sources(expr, knowledge, found),
            CommandKind::Tstats(tstats) => {
                if tstats.flag("append") {
                    let own = Pipeline {
                        commands: vec![command.clone()],
                        span: command.span,
                    };
                    let needs = Needs::of(&own, knowledge);
                    found.push((own, needs));
                }
                if let Some(filter) = &tstats.filter {
                    clause_sources(filter, knowledge, found);
                }
            }
            CommandKind::Mstats(mstats) => {
                if let Some(filter) = &mstats.stats.filter {
                    clause_sources(filter, knowledge, found);
                }
            }
            CommandKind::Map(map) => {
                // Whatever is put in the places of `$field$`.
                let text = super::template::any_values(&map.search.text);
                if let Ok(pipeline) = crate::syntax::parse(&text, &knowledge.macros) {
                    add_sources(&pipeline, knowledge, found);
                }
            }
            CommandKind::Transaction(transaction) => {
                for mark in transaction.starts.iter().chain(&transaction.ends) {
                    if let Mark::Search(clause) = mark {
                        clause_sources(clause, knowledge, found);
                    }
                }
            }
            CommandKind::Typed(_, syntax) => {
                if syntax.reads_events() {
                    let own = Pipeline {
                        commands: vec![command.clone()],
                        span: command.span,
                    };
                    let needs = Needs::of(&own, knowledge);
                    found.push((own, needs));
                }
                for part in syntax.parts() {
                    match part {
                        // It has been looked into.
                        Part::Expression(_) => {}
                        Part::Clause(clause) => clause_sources(clause, knowledge, found),
                        Part::Search(inner) => add_sources(inner, knowledge, found),
                        // It reads the rows before it; only what stands in it may read more.
                        Part::Pipe(inner) => add_inner_sources(inner, knowledge, found),
                    }
                }
                for inner in syntax.searches(&knowledge.macros) {
                    add_sources(&inner, knowledge, found);
                }
            }
            _ => {}
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
        Some(CommandKind::Search(_)) => true,
        Some(CommandKind::Tstats(tstats)) => !tstats.by.is_empty(),
        Some(CommandKind::Typed(_, syntax)) => syntax.needs_events(),
        _ => false,
    };
    first
        && commands.all(|command| match &command.kind {
            CommandKind::Stats(stats) => !stats.by.is_empty(),
            CommandKind::Whole(command, arguments) => !(command.reads)(arguments).adds_rows,
            CommandKind::Typed(_, syntax) => syntax.needs_rows(),
            CommandKind::Eval(_)
            | CommandKind::Eventstats(_)
            | CommandKind::Foreach(_)
            | CommandKind::Map(_)
            | CommandKind::Search(_)
            | CommandKind::Streamstats(_)
            | CommandKind::Transaction(_)
            | CommandKind::Where(_) => true,
            // The rest adds rows of its own, writes a lookup, or is an error that is to be told.
            _ => false,
        })
}
