//! From the syntax tree to DataFusion's logical plan.
//!
//! One file per command. A command takes [`Rows`] and gives [`Rows`]. Hidden columns travel along: `_ref` says which
//! events a row comes from, `__time` keeps the time of the event for the order of results when `_time` is gone.

mod chart;
mod combine;
mod documents;
mod events;
mod eventstats;
mod glance;
pub(crate) mod model;
mod mstats;
pub(crate) mod needs;
pub(crate) mod nodes;
mod repeat;
pub(crate) mod running;
mod stage;
mod stats;
mod streamstats;
pub(crate) mod subsearch;
mod template;
mod transaction;
mod tstats;
pub(crate) mod wildcards;

use std::any::Any;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use crabwalk_events::catalog::REF;
use crabwalk_events::{Catalog, EventType, LookupTable};
use datafusion::arrow::datatypes::DataType;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, LogicalPlan, SortExpr};

pub(crate) use crate::column::{
    column, is_list, list_type, null_if, null_is_false, null_text, text,
};
pub(crate) use crate::convert::{as_value, cast_to, coalesce, common_type};
use crate::expr::{EvalContext, ExprError, Fields, Typed, plan_expr, plan_predicate};
use crate::knowledge::Knowledge;
use crate::session::{Session, StoredLookups};
use crate::syntax::Diagnostic;
use crate::syntax::ast::{self, Arguments, Command, CommandKind, Pipeline, Span, Tstats, Whole};
use crate::syntax::command::{Syntax, parsed};
use crate::syntax::usage::{Form, Reading, Usage};
use crate::syntax::walk::visit_fields;
pub(crate) use events::{SERVER, TypeInfo, TypeInfos, WORDS};
pub(crate) use eventstats::as_window;
pub(crate) use glance::Glances;
use needs::{Needs, no_rows_from_nothing};
pub(crate) use stage::{LookupWriting, MOST_COLUMNS, MOST_ROWS, Made, Names, Pending, Staged};
pub(crate) use wildcards::renamed_text;

/// Hidden copy of the event's time.
pub(crate) const ORDER: &str = "__time";

/// Whether a column is for the engine and not for the user.
pub(crate) fn is_hidden(name: &str) -> bool {
    name == REF || name.starts_with("__")
}

/// The order in which a search's results stand.
#[derive(Debug, Clone)]
pub(crate) enum Order {
    /// Events: the newest first.
    Newest,
    /// By these keys.
    Keys(Vec<SortExpr>),
    /// As the plan gives them.
    AsIs,
}

/// The results of a pipeline up to some command.
#[derive(Debug, Clone)]
pub(crate) struct Rows {
    pub plan: LogicalPlan,
    pub order: Order,
    /// It is known that there are none.
    pub empty: bool,
    /// The columns are all that the events have, so those without any value are left out of the results.
    pub open: bool,
}

impl Rows {
    /// Names of the visible columns, in order.
    pub fn names(&self) -> Vec<String> {
        self.plan
            .schema()
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .filter(|name| !is_hidden(name))
            .collect()
    }

    /// All columns, hidden ones too.
    pub fn all_names(&self) -> Vec<String> {
        self.plan
            .schema()
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect()
    }

    /// The hidden columns, to be carried along.
    pub fn hidden(&self) -> Vec<(String, Expr)> {
        self.all_names()
            .into_iter()
            .filter(|name| is_hidden(name))
            .map(|name| (name.clone(), column(&name)))
            .collect()
    }

    pub fn has(&self, name: &str) -> bool {
        self.plan
            .schema()
            .fields()
            .iter()
            .any(|field| field.name() == name)
    }

    /// The same rows with another plan.
    pub fn with(self, plan: LogicalPlan) -> Self {
        Self { plan, ..self }
    }

    /// Puts the rows into their order.
    pub fn ordered(mut self) -> Result<Self, DataFusionError> {
        let keys = match std::mem::replace(&mut self.order, Order::AsIs) {
            Order::AsIs => return Ok(self),
            Order::Keys(keys) if keys.is_empty() => return Ok(self),
            Order::Keys(keys) => keys,
            Order::Newest if self.has(ORDER) => {
                let mut keys = vec![SortExpr::new(column(ORDER), false, false)];
                if self.has(REF) {
                    keys.push(SortExpr::new(column(REF), true, false));
                }
                keys
            }
            Order::Newest => return Ok(self),
        };
        let plan = nodes::sort(self.plan, keys)?;
        Ok(Self { plan, ..self })
    }

    /// Sets columns: existing ones in their place, new ones at the end.
    pub fn set(self, assignments: Vec<(String, Expr)>) -> Result<Self, DataFusionError> {
        let mut exprs: Vec<(String, Expr)> = self
            .all_names()
            .into_iter()
            .map(|name| (name.clone(), column(&name)))
            .collect();
        for (name, expr) in assignments {
            match exprs.iter_mut().find(|(old, _)| *old == name) {
                Some(place) => place.1 = expr,
                None => exprs.push((name, expr)),
            }
        }
        self.reshape(exprs)
    }

    /// Gives a column, if it is there, another name; one that has that name goes.
    pub fn called(self, old: &str, new: &str) -> Result<Self, DataFusionError> {
        if !self.has(old) {
            return Ok(self);
        }
        let kept = self.all_names().into_iter().filter(|name| name != new);
        let columns = kept.map(|name| {
            let own = column(&name);
            let name = if name == old { new.to_owned() } else { name };
            (name, own)
        });
        let columns = columns.collect();
        self.reshape(columns)
    }

    /// Keeps just these columns, and the order that the rows have: what it goes by stays in hidden columns where it is
    /// left out or gets another value.
    pub fn reshape(self, mut columns: Vec<(String, Expr)>) -> Result<Self, DataFusionError> {
        use datafusion::common::tree_node::{Transformed, TreeNode};
        let Order::Keys(keys) = &self.order else {
            return self.project(columns);
        };
        let mut kept = Vec::new();
        for key in keys {
            let expr = key.expr.clone().transform(|expr| {
                let Expr::Column(old) = &expr else {
                    return Ok(Transformed::no(expr));
                };
                let is_old = |(_, expr): &&(String, Expr)| matches!(expr, Expr::Column(own) if own.name == old.name);
                let same = |one: &&(String, Expr)| one.0 == old.name && is_old(one);
                let now = columns.iter().find(same).or_else(|| columns.iter().find(is_old));
                let now = match now {
                    Some((now, _)) => now.clone(),
                    None => {
                        let mut name = format!("__was_{}", old.name);
                        while columns.iter().any(|(own, _)| *own == name) {
                            name.push('_');
                        }
                        columns.push((name.clone(), expr.clone()));
                        name
                    }
                };
                Ok(Transformed::yes(column(&now)))
            })?;
            kept.push(SortExpr::new(expr.data, key.asc, key.nulls_first));
        }
        let order = Order::Keys(kept);
        Ok(Self {
            order,
            ..self.project(columns)?
        })
    }

    /// Keeps just these columns, among which those are that the order goes by.
    pub fn project(self, columns: Vec<(String, Expr)>) -> Result<Self, DataFusionError> {
        let plan = nodes::project(self.plan.clone(), columns)?;
        Ok(self.with(plan))
    }

    /// Keeps the rows for which a condition holds.
    pub fn filter(self, condition: Expr) -> Result<Self, DataFusionError> {
        let plan = nodes::filter(self.plan.clone(), condition)?;
        Ok(self.with(plan))
    }
}

impl Fields for Rows {
    fn field(&self, name: &str) -> Option<Typed> {
        let schema = self.plan.schema();
        let field = schema.fields().iter().find(|field| field.name() == name)?;
        Some(Typed {
            expr: column(name),
            data_type: field.data_type().clone(),
        })
    }
}

/// A diagnostic at a place.
pub(crate) fn diagnostic(span: Span, message: impl Into<String>) -> Diagnostic {
    Diagnostic::new(message, span)
}

impl From<ExprError> for Diagnostic {
    fn from(error: ExprError) -> Self {
        let mut diagnostic = Self::new(error.message, error.span);
        diagnostic.help = error.help;
        diagnostic
    }
}

/// What a planned search is.
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    pub rows: Rows,
    /// All that the plan reads lies in it already, and is not much.
    pub bounded: bool,
    pub warnings: Vec<Diagnostic>,
    pub event_types: Vec<EventType>,
}

impl Planned {
    pub fn plan(&self) -> &LogicalPlan {
        &self.rows.plan
    }
}

/// Plans one search.
pub(crate) struct Planner<'a> {
    pub catalog: &'a dyn Catalog,
    pub knowledge: &'a Arc<Knowledge>,
    /// What the functions of its plans read.
    pub session: &'a Arc<Session>,
    pub types: &'a TypeInfos,
    pub context: EvalContext,
    pub stored: &'a StoredLookups,
    /// Answers to what the planner asked for before.
    pub staged: &'a [Arc<Staged>],
    /// The search is only checked: nothing is run for it.
    pub dry: bool,
    /// With it, tables are looked into for events that fit before a plan over them is made.
    pub glances: Option<&'a Glances>,
    /// All that the plan reads lies in it already, and is not much.
    pub bounded: bool,
    /// Where the first command has no rows and the search none then, nothing more is planned or told of it.
    pub ends_early: bool,
    /// Searches that are being planned, each inside the one before.
    pub depth: usize,
    pub next_stage: usize,
    pub pending: Option<Pending>,
    /// Lookups that a search that is only checked would write.
    pub made_lookups: BTreeMap<String, Arc<LookupTable>>,
    pub names_given: usize,
    /// The range of time that the search asks for.
    pub range: subsearch::TimeRange,
    pub warnings: Vec<Diagnostic>,
    pub event_types: Vec<EventType>,
}

/// What planning came to.
#[derive(Debug)]
pub(crate) enum Step {
    /// These rows must be run first.
    First(Box<Pending>),
    /// The plan.
    Done(Box<Planned>),
}

/// How a command that stands in one file is planned: what it makes of the rows before it.
pub(crate) type Passing = fn(&mut Planner<'_>, Rows, &Arguments, Span) -> Result<Rows>;

/// How such a command is planned where what it makes depends on what the commands behind it need.
pub(crate) type Looking = fn(&mut Planner<'_>, Rows, &Arguments, &Needs, Span) -> Result<Rows>;

/// How such a command is planned that makes rows of its own.
pub(crate) type Making = fn(&mut Planner<'_>, &Arguments, Span) -> Result<Rows>;

/// How a command is planned whose arguments have a type of their own.
pub(crate) trait Plan: Syntax {
    /// What it makes of the rows before it.
    fn plan(&self, planner: &mut Planner<'_>, rows: Rows, span: Span) -> Result<Rows>;

    /// What it does as the first command, if it can be that.
    fn source(&self) -> Option<&dyn Source> {
        None
    }
}

/// A command that can be the first of a search, since it has rows without others before it.
pub(crate) trait Source {
    /// Its rows, with the fields that the search needs.
    fn rows(&self, planner: &mut Planner<'_>, needs: &Needs, span: Span) -> Result<Rows>;

    /// Whether it can read events of a type, going by what is known of the type without them. What cannot be decided is
    /// read: the planner reports the error.
    fn may_read(&self, _: &TypeInfo, _: &Knowledge, _: &EvalContext) -> bool {
        false
    }

    /// What it reads of a type of which it may read events.
    fn reads(&self, _: &Needs, _: &TypeInfo, _: &Knowledge) -> Reads {
        Reads::Nothing
    }
}

/// Finds in the arguments of a command how it is planned.
type Finding = for<'s> fn(&'s dyn Any) -> Option<&'s dyn Plan>;

fn found<S: Plan>(syntax: &dyn Any) -> Option<&dyn Plan> {
    let syntax: &S = syntax.downcast_ref()?;
    Some(syntax)
}

struct Of<S>(std::marker::PhantomData<S>);

impl<S: Plan> Of<S> {
    const FINDING: &'static (dyn Any + Send + Sync) = &(found::<S> as Finding);
}

/// A command whose arguments have a type of their own.
pub(crate) const fn typed<S: Plan>(usage: Usage) -> Whole {
    Whole {
        usage,
        form: Form::Typed(parsed::<S>),
        // The arguments themselves say it.
        reads: |_| Reading::default(),
        plan: Of::<S>::FINDING,
    }
}

/// How a command is planned whose arguments have a type of their own.
fn planned<'s>(command: &Whole, syntax: &'s dyn Syntax) -> Option<&'s dyn Plan> {
    let finding = command.plan.downcast_ref::<Finding>()?;
    finding(syntax as &dyn Any)
}

/// What a command does as the first of a search, if it is typed and can be that.
fn source(kind: &CommandKind) -> Option<&dyn Source> {
    match kind {
        CommandKind::Typed(command, syntax) => planned(command, &**syntax)?.source(),
        _ => None,
    }
}

/// The error that a command has rows of its own and stands behind others.
pub(crate) fn not_first(name: &str, span: Span) -> Diagnostic {
    diagnostic(
        span,
        format!("`{name}` makes results of its own: it must stand first in a search"),
    )
}

/// An error of planning a command.
pub(crate) type Result<T, E = Diagnostic> = std::result::Result<T, E>;

/// Turns DataFusion's errors into diagnostics of the command that is planned.
pub(crate) fn at<T>(span: Span, result: std::result::Result<T, DataFusionError>) -> Result<T> {
    result.map_err(|error| {
        diagnostic(
            span,
            format!("this cannot be planned: {}", error.strip_backtrace()),
        )
    })
}

impl<'a> Planner<'a> {
    pub fn new(
        catalog: &'a dyn Catalog,
        session: &'a Arc<Session>,
        types: &'a TypeInfos,
        context: EvalContext,
    ) -> Self {
        Self {
            catalog,
            knowledge: &session.knowledge,
            session,
            types,
            context,
            stored: &session.stored,
            staged: &[],
            dry: true,
            glances: None,
            bounded: false,
            ends_early: false,
            depth: 0,
            next_stage: 0,
            pending: None,
            made_lookups: BTreeMap::new(),
            names_given: 0,
            range: subsearch::TimeRange::default(),
            warnings: Vec::new(),
            event_types: Vec::new(),
        }
    }

    /// For a search that is run, with the rows that were run for it so far.
    pub fn with_stages(mut self, staged: &'a [Arc<Staged>]) -> Self {
        self.staged = staged;
        self.dry = false;
        self
    }

    /// Looks which events fit first, and plans over those alone where they are few: worth it where many searches run, of
    /// which few find anything.
    pub fn looking_first(mut self, glances: Option<&'a Glances>) -> Self {
        self.glances = glances;
        self.bounded = glances.is_some();
        self
    }

    /// Leaves the rest of the search unplanned where its first command shows that it has no rows.
    pub fn ending_early(mut self, ends_early: bool) -> Self {
        self.ends_early = ends_early;
        self
    }

    /// Plans a whole search.
    pub fn plan(mut self, pipeline: &Pipeline) -> Result<Step> {
        let rows = match self.pipeline(pipeline) {
            Ok(rows) => rows,
            Err(error) => {
                return match self.pending.take() {
                    Some(pending) => Ok(Step::First(Box::new(pending))),
                    None => Err(error),
                };
            }
        };
        let span = pipeline.span;
        let rows = at(span, rows.ordered())?;
        self.event_types.sort();
        self.event_types.dedup();
        Ok(Step::Done(Box::new(Planned {
            rows,
            bounded: self.bounded,
            warnings: self.warnings,
            event_types: self.event_types,
        })))
    }

    /// A number that no other call gets, for the names of hidden columns.
    pub fn fresh(&mut self) -> usize {
        self.names_given += 1;
        self.names_given
    }

    pub(crate) fn pipeline(&mut self, pipeline: &Pipeline) -> Result<Rows> {
        self.depth += 1;
        let needs = Needs::of(pipeline, self.knowledge);
        let mut commands = pipeline.commands.iter();
        let first = commands
            .next()
            .ok_or_else(|| diagnostic(pipeline.span, "the search is empty"))?;
        // Of a subsearch the range is its own.
        let outer = std::mem::take(&mut self.range);
        if let CommandKind::Search(clause)
        | CommandKind::Tstats(Tstats {
            filter: Some(clause),
            ..
        }) = &first.kind
        {
            self.note_range(clause);
        }
        let first = &*self.without_subsearches(first)?;
        let mut rows = match &first.kind {
            CommandKind::Search(expr) => self.raw_search(expr, &needs, first.span)?,
            CommandKind::Tstats(tstats) => self.tstats(tstats, first.span)?,
            CommandKind::Mstats(mstats) => self.mstats(mstats, first.span)?,
            CommandKind::Whole(command, arguments)
                if let Some(making) = command.plan.downcast_ref::<Making>() =>
            {
                making(self, arguments, first.span)?
            }
            kind if let Some(source) = source(kind) => source.rows(self, &needs, first.span)?,
            CommandKind::Unsupported { .. } => return Err(not_run(first)),
            _ => {
                return Err(diagnostic(
                    first.span,
                    format!("`{}` cannot stand first, as it has no rows to work on", first.name),
                )
                .with_help(
                    "a search begins with `search`, `tstats`, `mstats`, `from`, `datamodel`, `inputlookup`, `makeresults`, `gentimes`, \
                     `set`, `union`, `multisearch` or `metadata`",
                ));
            }
        };
        // Only of the whole search: a search inside it may be asked for its columns.
        let ends = self.ends_early && self.depth == 1;
        if !(ends && rows.empty && no_rows_from_nothing(pipeline)) {
            rows = self.commands(rows, commands.as_slice())?;
        }
        self.depth -= 1;
        self.range = outer;
        Ok(rows)
    }

    /// Passes rows through commands.
    pub(crate) fn commands(&mut self, mut rows: Rows, commands: &[Command]) -> Result<Rows> {
        for (index, command) in commands.iter().enumerate() {
            let behind = commands.get(index + 1..).unwrap_or_default();
            rows = self.command(rows, command, behind)?;
        }
        Ok(rows)
    }

    fn command(&mut self, rows: Rows, command: &Command, behind: &[Command]) -> Result<Rows> {
        let command = &*self.without_subsearches(command)?;
        let span = command.span;
        match &command.kind {
            CommandKind::Search(expr) => {
                let condition = self.search_condition(expr, &rows)?;
                match condition {
                    None => Ok(rows),
                    Some(condition) => at(span, rows.filter(condition)),
                }
            }
            CommandKind::Where(expr) => {
                let condition = plan_predicate(expr, &rows, &self.context)?;
                at(span, rows.filter(condition))
            }
            CommandKind::Eval(assignments) => self.eval(rows, assignments, span),
            CommandKind::Stats(stats) => self.stats(rows, stats, span),
            CommandKind::Eventstats(stats) => self.eventstats(rows, stats, span),
            CommandKind::Tstats(tstats) if tstats.flag("append") => {
                let more = self.tstats(tstats, span)?;
                self.below(rows, more, span)
            }
            CommandKind::Tstats(_) | CommandKind::Mstats(_) => Err(not_first(&command.name, span)),
            CommandKind::Streamstats(streamstats) => self.streamstats(rows, streamstats, span),
            CommandKind::Whole(whole, arguments) => {
                if let Some(passing) = whole.plan.downcast_ref::<Passing>() {
                    passing(self, rows, arguments, span)
                } else if let Some(looking) = whole.plan.downcast_ref::<Looking>() {
                    let later = Needs::of_commands(behind, self.knowledge);
                    looking(self, rows, arguments, &later, span)
                } else {
                    Err(not_first(&command.name, span))
                }
            }
            CommandKind::Typed(whole, syntax) => match planned(whole, &**syntax) {
                Some(planned) => planned.plan(self, rows, span),
                None => Err(not_first(&command.name, span)),
            },
            CommandKind::Return(given) => self.return_rows(rows, given, span),
            CommandKind::Foreach(foreach) => self.foreach(rows, foreach, span),
            CommandKind::Map(map) => self.map(rows, map, span),
            CommandKind::Transaction(transaction) => self.transaction(rows, transaction, span),
            CommandKind::Chart(chart) => self.chart(rows, chart, span),
            CommandKind::Unsupported { .. } => Err(not_run(command)),
        }
    }

    fn eval(
        &mut self,
        mut rows: Rows,
        assignments: &[(ast::Name, ast::Expr)],
        span: Span,
    ) -> Result<Rows> {
        // Assignments that do not read one another are made at once: fewer nodes to plan.
        let mut together: Vec<(String, Expr)> = Vec::new();
        for (name, expr) in assignments {
            if dynamic_parts(&name.text).is_some() {
                rows = at(span, rows.set(std::mem::take(&mut together)))?;
                rows = self.dynamic(rows, name, expr, span)?;
                continue;
            }
            let mut reads = together.iter().any(|(own, _)| *own == name.text);
            visit_fields(expr, &mut |field, _| {
                reads |= together.iter().any(|(own, _)| own == field);
            });
            if reads {
                rows = at(span, rows.set(std::mem::take(&mut together)))?;
            }
            let value = as_value(plan_expr(expr, &rows, &self.context)?);
            together.push((name.text.clone(), value.expr));
        }
        at(span, rows.set(together))
    }

    /// `eval {field}=…`: the field that is set has the value of another for its name, so the rows are run first.
    fn dynamic(
        &mut self,
        rows: Rows,
        name: &ast::Name,
        expr: &ast::Expr,
        span: Span,
    ) -> Result<Rows> {
        const MOST: usize = 1000;
        const TARGET: &str = "__target";
        const VALUE: &str = "__assigned";
        let parts = dynamic_parts(&name.text).unwrap_or_default();
        let fields: Vec<Expr> = parts
            .iter()
            .filter_map(|part| part.as_ref().err())
            .map(|field| match rows.field(field) {
                Some(typed) => cast_to(typed, &DataType::Utf8),
                None => null_text(),
            })
            .collect();
        let texts: Vec<Option<&String>> = parts.iter().map(|part| part.as_ref().ok()).collect();
        let args = [crate::ops::fixed(&texts)].into_iter().chain(fields);
        let target = crate::ops::call("spl_dynamic_name", DataType::Utf8, args.collect());
        let value = as_value(plan_expr(expr, &rows, &self.context)?);
        let assigned = vec![
            (TARGET.to_owned(), target.expr),
            (VALUE.to_owned(), value.expr),
        ];
        let rows = at(span, rows.set(assigned))?;
        let Some(staged) = self.stage(rows.clone(), None, span)? else {
            return Ok(rows);
        };
        let mut names: Vec<String> = Vec::new();
        for row in 0..staged.len() {
            if let Some(target) = staged.text(TARGET, row)
                && !is_hidden(&target)
                && !names.contains(&target)
            {
                names.push(target);
                if names.len() > MOST {
                    return Err(diagnostic(
                        name.span,
                        format!("`{}` would make more than {MOST} fields", name.text),
                    ));
                }
            }
        }
        let rows = at(span, staged.rows())?;
        let mut set = Vec::new();
        for target in names {
            let Some(value) = rows.field(VALUE) else {
                continue;
            };
            let before = rows.field(&target);
            let data_type = before.as_ref().map_or(value.data_type.clone(), |before| {
                common_type(&before.data_type, &value.data_type)
            });
            let is_target = null_is_false(column(TARGET).eq(text(target.clone())));
            let expr = Expr::Case(datafusion::logical_expr::Case::new(
                None,
                vec![(Box::new(is_target), Box::new(cast_to(value, &data_type)))],
                before.map(|before| Box::new(cast_to(before, &data_type))),
            ));
            set.push((target, expr));
        }
        let rows = at(span, rows.set(set))?;
        let kept = rows
            .all_names()
            .into_iter()
            .filter(|name| name != TARGET && name != VALUE)
            .map(|name| (name.clone(), column(&name)))
            .collect();
        at(span, rows.reshape(kept))
    }
}

/// The parts of a name such as `a_{n}`: fixed text, and as errors the fields whose values stand in braces. `None` where the
/// name is fixed; braces with nothing in them are part of it, as in `a{}.b`.
pub(crate) fn dynamic_parts(name: &str) -> Option<Vec<std::result::Result<String, String>>> {
    let mut parts = Vec::new();
    let (mut fixed, mut rest) = (String::new(), name);
    while let Some((before, after)) = rest.split_once('{') {
        let Some((field, behind)) = after.split_once('}') else {
            break;
        };
        fixed.push_str(before);
        if field.is_empty() {
            fixed.push_str("{}");
        } else {
            if !fixed.is_empty() {
                parts.push(Ok(std::mem::take(&mut fixed)));
            }
            parts.push(Err(field.to_owned()));
        }
        rest = behind;
    }
    fixed.push_str(rest);
    if parts.is_empty() {
        return None;
    }
    if !fixed.is_empty() {
        parts.push(Ok(fixed));
    }
    Some(parts)
}

/// Why a command of Splunk is not run.
fn not_run(command: &Command) -> Diagnostic {
    let name = command.name.as_str();
    let span = Span {
        end: command
            .span
            .end
            .min(command.span.start + u32::try_from(name.len()).unwrap_or(0)),
        ..command.span
    };
    let arguments = match &command.kind {
        CommandKind::Unsupported { arguments } => arguments.as_str(),
        _ => "",
    };
    let compare =
        "compare with `avg` and `stdev` of `eventstats`, or with a lookup that a baseline fills";
    let (why, help): (Cow<'_, str>, &str) = match name {
        // Commands of Splunk's Machine Learning Toolkit.
        "apply" | "fit" | "summary" => {
            let why = match learned_model(name, arguments) {
                Some(model) if name == "fit" => {
                    format!("it learns the model `{model}`, as Splunk's Machine Learning Toolkit does")
                }
                Some(model) => format!(
                    "it uses the model `{model}`, which Splunk's Machine Learning Toolkit has learned"
                ),
                None => "it uses a model that Splunk's Machine Learning Toolkit has learned".to_owned(),
            };
            (why.into(), compare)
        }
        "anomalies" | "anomalousvalue" | "anomalydetection" | "findtypes" | "kmeans"
        | "predict" | "relevancy" | "typelearner" | "x11" => (
            "it learns a model from the rows and judges them by it, and how Splunk sets its limits is not published"
                .into(),
            compare,
        ),
        "cyberchef" | "dnstwist" => (
            "it belongs to an app, and is not a command of Splunk".into(),
            "remove it, or say the same with `eval`",
        ),
        "rest" | "audit" | "dbinspect" | "eventcount" | "history" | "loadjob" | "mcatalog"
        | "savedsearch" | "typeahead" | "walklex" => {
            ("it asks a Splunk server".into(), "search the events themselves")
        }
        "dbxquery" | "runshellscript" | "script" | "sendalert" | "sendemail" => (
            "it reaches out of the search".into(),
            "remove it; the findings are there without it",
        ),
        _ => (
            "this version of Crabwalk does not know how".into(),
            "remove it, or say the same with other commands",
        ),
    };
    diagnostic(span, format!("the command `{name}` is not run: {why}")).with_help(help)
}

/// The model that a command of the Machine Learning Toolkit names: the first word, and for `fit` the one behind `into`.
fn learned_model<'a>(command: &str, arguments: &'a str) -> Option<&'a str> {
    let mut words = arguments.split_whitespace();
    let model = if command == "fit" {
        words
            .by_ref()
            .find(|word| word.eq_ignore_ascii_case("into"))?;
        words.next()
    } else {
        words.next()
    };
    model
        .map(|model| model.trim_matches('"'))
        .filter(|model| !model.contains('='))
}

/// What a search reads of an event type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reads {
    /// Its first command rules the type out.
    Nothing,
    /// These columns.
    Columns(std::collections::BTreeSet<String>),
    /// All columns.
    Everything,
}

impl Reads {
    /// The columns that fields with these names are made from.
    pub fn columns(info: &TypeInfo, names: &[String]) -> Self {
        Self::Columns(info.columns_behind(names.iter().map(String::as_str)))
    }
}

/// Whether a search can read events of a type, going by what is known of the type without its events. What cannot be
/// decided is read: the planner reports the error.
pub(crate) fn may_read(
    pipeline: &Pipeline,
    info: &TypeInfo,
    knowledge: &Knowledge,
    context: &EvalContext,
) -> bool {
    let of_node = |name: &str| model::may_be_in(name, info, knowledge, context);
    match pipeline.commands.first().map(|first| &first.kind) {
        Some(CommandKind::Search(expr)) => events::may_read(expr, info, context).unwrap_or(true),
        Some(CommandKind::Tstats(stats)) => match &stats.datamodel {
            Some(name) => of_node(&name.text),
            None => true,
        },
        // Only what has metrics is read; of types that nobody has told about it is not known.
        Some(CommandKind::Mstats(_)) => {
            let known = info.event_type.is_windows() || info.mapping.event_data().next().is_some();
            !known || info.can_have("metric_name")
        }
        Some(kind) if let Some(source) = source(kind) => source.may_read(info, knowledge, context),
        _ => false,
    }
}

/// What a search reads of an event type, going by what is known of the type without its events.
pub(crate) fn reads(
    pipeline: &Pipeline,
    needs: &Needs,
    info: &TypeInfo,
    knowledge: &Knowledge,
    context: &EvalContext,
) -> Reads {
    if !may_read(pipeline, info, knowledge, context) {
        return Reads::Nothing;
    }
    let columns = |names: Vec<String>| Reads::columns(info, &names);
    let named = || needs.names().map(str::to_owned);
    match pipeline.commands.first().map(|first| &first.kind) {
        Some(CommandKind::Search(_)) => {
            if needs.all_columns
                || needs
                    .names()
                    .any(|name| matches!(name, "_raw" | "linecount" | "punct"))
            {
                return Reads::Everything;
            }
            let mut names: Vec<String> = named().collect();
            if names.iter().any(|name| name == "tag") {
                // It tells to which nodes an event belongs.
                names.extend(
                    knowledge
                        .models
                        .nodes()
                        .iter()
                        .flat_map(model::condition_fields),
                );
            }
            columns(names)
        }
        Some(CommandKind::Tstats(stats)) => {
            let name = stats.datamodel.as_ref();
            let node = name.and_then(|name| knowledge.models.node(&name.text));
            let mut names = tstats::fields_read(stats, node);
            names.extend(node.into_iter().flat_map(model::condition_fields));
            columns(names)
        }
        Some(CommandKind::Mstats(mstats)) => columns(mstats::fields_read(mstats)),
        Some(kind) if let Some(source) = source(kind) => source.reads(needs, info, knowledge),
        _ => Reads::Nothing,
    }
}
