//! From the syntax tree to DataFusion's logical plan.
//!
//! Each command is in its own file in [`crate::commands`]; this module has what they share. A command takes
//! [`Rows`] and gives [`Rows`]. Hidden columns travel along: [`REF`] says which
//! events a row comes from, [`ORDER`] keeps the time of the event for the order of results when `_time` is gone.

pub(crate) mod aggregate;
mod beside;
mod combine;
mod documents;
mod events;
mod glance;
pub(crate) mod model;
pub(crate) mod needs;
pub(crate) mod nodes;
pub(crate) mod pivot;
pub(crate) mod running;
mod stage;
pub(crate) mod subsearch;
pub(crate) mod template;
pub(crate) mod wildcards;

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use crabwalk_events::catalog::REF;
use crabwalk_events::{Catalog, EventType, LookupTable};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, LogicalPlan, SortExpr};

use crate::HIDDEN;
pub(crate) use crate::column::{
    column, is_list, list_type, null_if, null_is_false, null_text, text,
};
pub(crate) use crate::convert::{as_value, cast_to, coalesce, common_type};
use crate::expr::{EvalContext, ExprError, Fields, Typed};
use crate::knowledge::Knowledge;
use crate::resources::{Resources, StoredLookups};
use crate::syntax::Diagnostic;
use crate::syntax::ast::{Arguments, Command, CommandKind, Pipeline, SearchExpr, Span, Whole};
use crate::syntax::command::{Syntax, parsed};
use crate::syntax::usage::{Form, Reading, Usage};
pub(crate) use beside::{Windows, as_window};
pub(crate) use events::{SERVER, TypeInfo, TypeInfos, WORDS};
pub(crate) use glance::Glances;
use needs::{Needs, no_rows_from_nothing};
pub(crate) use stage::{LookupWriting, MOST_COLUMNS, MOST_ROWS, Made, Names, Pending, Staged};
pub(crate) use wildcards::renamed_text;

/// Hidden copy of the event's time.
pub(crate) const ORDER: &str = hidden!("time");

/// Hidden time of a row where a command gave `_time` another meaning than that of the event. Statistics go by it; the order of
/// results does not.
pub(crate) const CLOCK: &str = hidden!("clock");

/// Whether a column is for the engine and not for the user.
pub(crate) fn is_hidden(name: &str) -> bool {
    name.starts_with(HIDDEN)
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

    /// Takes `_time`, to which a command has just given values of its own, for the time of the rows.
    pub fn timed_anew(self) -> Result<Self, DataFusionError> {
        let Some(time) = self.field("_time") else {
            return Ok(self);
        };
        let time = cast_to(time, &datafusion::arrow::datatypes::DataType::Float64);
        self.set(vec![(CLOCK.to_owned(), time)])
    }

    /// What says when a row was.
    pub fn clock(&self) -> Option<Expr> {
        let own = [ORDER, "_time"].into_iter().find(|name| self.has(name));
        match (self.has(CLOCK), own) {
            (true, Some(own)) => Some(coalesce(vec![column(CLOCK), column(own)])),
            (true, None) => Some(column(CLOCK)),
            (false, own) => own.map(column),
        }
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
                        let mut name = format!("{HIDDEN}was_{}", old.name);
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

/// A planned search.
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    pub rows: Rows,
    /// Whether the plan contains all rows it reads, and they are few.
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
    pub resources: &'a Arc<Resources>,
    pub types: &'a TypeInfos,
    pub context: EvalContext,
    pub stored: &'a StoredLookups,
    /// Answers to what the planner asked for before.
    pub staged: &'a [Arc<Staged>],
    /// The search is only checked: nothing is run for it.
    pub dry: bool,
    /// With it, tables are looked into for events that fit before a plan over them is made.
    pub glances: Option<&'a Glances>,
    /// Whether the plan contains all rows it reads, and they are few.
    pub bounded: bool,
    /// Whether planning may stop if the first command yields no rows and the search then has none.
    pub ends_early: bool,
    /// The searches being planned, outermost first.
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

/// The result of planning.
#[derive(Debug)]
pub(crate) enum Step {
    /// These rows must be run first.
    First(Box<Pending>),
    /// The plan.
    Done(Box<Planned>),
}

/// How a command of plain [`Arguments`] is planned: what it makes of the rows before it.
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

/// What is the same for all commands with arguments of a type.
struct Of<S>(std::marker::PhantomData<S>);

impl<S: Plan> Of<S> {
    /// As [`Whole`] carries it, which does not know the planner.
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
        format!("`{name}` generates its own results, so it must come first in a search"),
    )
}

/// An error of planning a command.
pub(crate) type Result<T, E = Diagnostic> = std::result::Result<T, E>;

/// Turns DataFusion's errors into diagnostics of the command that is planned.
pub(crate) fn at<T>(span: Span, result: std::result::Result<T, DataFusionError>) -> Result<T> {
    result.map_err(|error| {
        diagnostic(
            span,
            format!("cannot plan this: {}", error.strip_backtrace()),
        )
    })
}

impl<'a> Planner<'a> {
    pub fn new(
        catalog: &'a dyn Catalog,
        resources: &'a Arc<Resources>,
        types: &'a TypeInfos,
        context: EvalContext,
    ) -> Self {
        Self {
            catalog,
            knowledge: &resources.knowledge,
            resources,
            types,
            context,
            stored: &resources.stored,
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
        let first = &*self.without_subsearches(first)?;
        let mut rows = match &first.kind {
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
                    format!("`{}` cannot come first: it needs input rows", first.name),
                )
                .with_help(
                    "a search begins with a generating command, such as `search`, `tstats`, `from`, `inputlookup` or \
                     `makeresults`",
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
            CommandKind::Unsupported { .. } => Err(not_run(command)),
        }
    }
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
    let (why, help) = crate::commands::not_run::reason(name, arguments);
    diagnostic(
        span,
        format!("the command `{name}` is not supported: {why}"),
    )
    .with_help(help)
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
        let columns = info.columns_behind(names.iter().map(String::as_str));
        // The text of an event is made of all its columns.
        let of_the_whole = ["_raw", "linecount", "punct"];
        if of_the_whole.iter().any(|name| columns.contains(*name)) {
            return Self::Everything;
        }
        Self::Columns(columns)
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
    let first = pipeline.commands.first();
    first
        .and_then(|first| source(&first.kind))
        .is_some_and(|source| source.may_read(info, knowledge, context))
}

/// Whether events of a type may fit a clause, going by what is known of the type without its events.
pub(crate) fn may_fit(clause: &SearchExpr, info: &TypeInfo, context: &EvalContext) -> bool {
    events::may_read(clause, info, context).unwrap_or(true)
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
    match pipeline
        .commands
        .first()
        .and_then(|first| source(&first.kind))
    {
        Some(source) => source.reads(needs, info, knowledge),
        None => Reads::Nothing,
    }
}
