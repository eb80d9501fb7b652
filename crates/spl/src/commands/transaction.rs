//! `transaction`: groups of events in the order of time.
//!
//! Events that share values of the fields, none of which has another value, belong together. Going by time, a transaction begins where `startswith`
//! fits, where the one before has ended (`endswith`, `maxevents`), or where `maxpause` or `maxspan` would be exceeded.
//! With `startswith` or `endswith`, transactions without such an event are left out unless `keepevicted=true`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use crabwalk_events::catalog::REF;
use datafusion::arrow::array::Float64Array;
use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::{Expr, SortExpr, lit};

use crate::HIDDEN;
use crate::clause::{Folded, fold};
use crate::expr::{Fields, plan_predicate};
use crate::ops::bins;
use crate::plan::{
    ORDER, Order, Plan, Planner, Result, Rows, Staged, at, cast_to, column, diagnostic,
    null_is_false, typed,
};
use crate::syntax::ast::{
    self, Aggregation, AggregationArgument, BinSpan, Name, SearchExpr, SearchValue, Span,
};
use crate::syntax::command::{Ledger, Part, Syntax};
use crate::syntax::print::{names, quoted};
use crate::syntax::usage::{
    Cursor, Usage, Whole, count, flag, is_on, no_effect, obeyed, only, refused, whole_number,
};
use crate::syntax::{parse_search, parse_span};
use crate::value::number_of;

pub(super) static COMMAND: Whole = typed::<Transaction>(Usage {
    name: "transaction",
    also: &[],
    syntax: "transaction [<fields>] [<options>]",
    meaning: "Combines events that belong together into one row, with `duration` and `eventcount`.",
    options: &[
        obeyed(
            "startswith",
            "Condition for the first event: a clause in parentheses, a phrase, or `eval(…)`.",
        ),
        obeyed("endswith", "Condition for the last event."),
        obeyed("maxspan", "Maximum time from the first to the last event."),
        obeyed("maxpause", "Maximum time between events."),
        count("maxevents", "Maximum events; default 1,000."),
        flag(
            "connected",
            "Whether an event must share a value with the others; default true. Otherwise it is enough that no field has another value.",
        ),
        flag(
            "keepevicted",
            "Keeps transactions that lack their start or end.",
        ),
        obeyed(
            "mvlist",
            "Keeps all values in event order, of all fields or of these.",
        ),
        no_effect("maxopentxn", "all transactions may be open at once"),
        no_effect("maxopenevents", "all transactions may be open at once"),
        only(
            "unifyends",
            "false",
            "name the fields shared by start and end",
        ),
        only(
            "keeporphans",
            "false",
            "search the events without `transaction`",
        ),
        only("mvraw", "false", "`_raw` is one text"),
        refused(
            "delim",
            "join the values with `mvjoin` in an `eval` after the command",
        ),
        refused("nullstr", "fill fields with `fillnull` before the command"),
        refused(
            "name",
            "it names a stanza of Splunk's configuration; write its options here",
        ),
    ],
});

/// `transaction`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Transaction {
    /// Events of a transaction have the same values of these.
    pub fields: Vec<Name>,
    /// `startswith=`.
    pub starts: Option<Mark>,
    /// `endswith=`.
    pub ends: Option<Mark>,
    /// `maxspan=` in seconds.
    pub max_span: Option<f64>,
    /// `maxpause=` in seconds.
    pub max_pause: Option<f64>,
    /// `maxevents=`.
    pub max_events: Option<u64>,
    /// `connected=`.
    pub connected: bool,
    /// `keepevicted=`.
    pub keep_evicted: bool,
    /// `mvlist=true`: all values in the order of the events, not the distinct ones. A list of fields: of these.
    pub lists: Option<Vec<String>>,
}

/// By what `transaction` tells the first or the last event of a transaction.
#[derive(Debug, Clone, PartialEq)]
pub enum Mark {
    /// A search clause or phrase.
    Search(SearchExpr),
    /// `eval(…)`.
    Eval(ast::Expr),
}

impl Syntax for Transaction {
    fn parse(cursor: &mut dyn Cursor, usage: &Usage) -> Result<Self> {
        let mut transaction = Self {
            connected: true,
            ..Self::default()
        };
        while !cursor.ended() {
            let Some(option) = cursor.option_name() else {
                transaction.fields.push(cursor.field("a field")?);
                continue;
            };
            // What is in parentheses is not a value.
            match option.text.as_str() {
                "startswith" => {
                    transaction.starts = Some(mark(cursor)?);
                    continue;
                }
                "endswith" => {
                    transaction.ends = Some(mark(cursor)?);
                    continue;
                }
                _ => {}
            }
            let Some(value) = cursor.option(usage, &option)? else {
                continue;
            };
            match option.text.as_str() {
                "maxspan" => transaction.max_span = seconds(&value)?,
                "maxpause" => transaction.max_pause = seconds(&value)?,
                "maxevents" => {
                    transaction.max_events = Some(whole_number("maxevents", &value)?);
                }
                "connected" => transaction.connected = is_on(&value.text),
                "keepevicted" => transaction.keep_evicted = is_on(&value.text),
                _ => {
                    transaction.lists = match value.text.to_lowercase().as_str() {
                        "t" | "true" | "1" => Some(Vec::new()),
                        "f" | "false" | "0" => None,
                        _ => Some(
                            value
                                .text
                                .split(',')
                                .map(|name| name.trim().to_owned())
                                .collect(),
                        ),
                    };
                }
            }
        }
        Ok(transaction)
    }

    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        names(f, &self.fields)?;
        for (name, clause) in [("startswith", &self.starts), ("endswith", &self.ends)] {
            match clause {
                None => {}
                Some(Mark::Search(clause)) => write!(f, " {name}=({clause})")?,
                Some(Mark::Eval(condition)) => write!(f, " {name}=eval({condition})")?,
            }
        }
        for (name, seconds) in [("maxspan", self.max_span), ("maxpause", self.max_pause)] {
            if let Some(seconds) = seconds {
                write!(f, " {name}={seconds}")?;
            }
        }
        if let Some(most) = self.max_events {
            write!(f, " maxevents={most}")?;
        }
        match &self.lists {
            None => {}
            Some(fields) if fields.is_empty() => f.write_str(" mvlist=true")?,
            Some(fields) => write!(f, " mvlist={}", quoted(&fields.join(",")))?,
        }
        write!(
            f,
            " connected={} keepevicted={}",
            self.connected, self.keep_evicted
        )
    }

    fn note(&self, ledger: &mut dyn Ledger) -> bool {
        ledger.reads_names(&self.fields);
        for mark in self.marks() {
            match mark {
                Mark::Search(clause) => ledger.looks_for(clause),
                Mark::Eval(condition) => ledger.works_out(condition),
            }
        }
        ledger.makes("duration");
        ledger.makes("eventcount");
        false
    }

    fn parts(&self) -> Vec<Part<'_>> {
        let parts = self.marks().map(|mark| match mark {
            Mark::Search(clause) => Part::Clause(clause),
            Mark::Eval(condition) => Part::Expression(condition),
        });
        parts.collect()
    }

    fn expressions_mut(&mut self) -> Vec<&mut ast::Expr> {
        let marks = self.starts.iter_mut().chain(&mut self.ends);
        let conditions = marks.filter_map(|mark| match mark {
            Mark::Search(_) => None,
            Mark::Eval(condition) => Some(condition),
        });
        conditions.collect()
    }

    fn needs_rows(&self) -> bool {
        true
    }
}

impl Transaction {
    fn marks(&self) -> impl Iterator<Item = &Mark> {
        self.starts.iter().chain(&self.ends)
    }
}

/// What `startswith=` or `endswith=` asks for.
fn mark(cursor: &mut dyn Cursor) -> Result<Mark> {
    cursor.at_end();
    let start = cursor.place();
    if cursor.eat(b'(') {
        let clause = cursor.clause(false)?;
        if !cursor.eat(b')') {
            return Err(cursor.error("unclosed parenthesis", start, start + 1));
        }
        return Ok(Mark::Search(clause));
    }
    if cursor.eat_keyword("eval") {
        let open = cursor.place();
        if cursor.eat(b'(') {
            let condition = cursor.expression()?;
            if !cursor.eat(b')') {
                return Err(cursor.error("unclosed parenthesis", open, open + 1));
            }
            return Ok(Mark::Eval(condition));
        }
        cursor.return_to(start);
    }
    let value = cursor.value("startswith")?;
    // A phrase in quotes may be a clause, as in "event=start".
    if let Ok(clause) = parse_search(&value.text)
        && value.text.contains('=')
    {
        return Ok(Mark::Search(clause));
    }
    Ok(Mark::Search(SearchExpr::Term(SearchValue {
        text: value.text,
        quoted: true,
        directive: None,
        span: value.span,
    })))
}

/// A length of time in seconds; `-1` is none.
fn seconds(value: &Name) -> Result<Option<f64>> {
    if value.text.starts_with("-1") {
        return Ok(None);
    }
    match parse_span(value)? {
        BinSpan::Number(seconds) => Ok(Some(seconds)),
        BinSpan::Time(span) => Ok(bins::seconds(span)),
        BinSpan::Log { .. } => Err(diagnostic(
            value.span,
            format!("expected a duration, found `{}`", value.text),
        )),
    }
}

impl Plan for Transaction {
    fn plan(&self, planner: &mut Planner<'_>, rows: Rows, span: Span) -> Result<Rows> {
        let names = rows.names();
        let starts = marked(planner, &rows, self.starts.as_ref())?;
        let ends = marked(planner, &rows, self.ends.as_ref())?;
        let rows = at(
            span,
            rows.set(vec![
                (hidden!("starts").to_owned(), starts),
                (hidden!("ends").to_owned(), ends),
            ]),
        )?;
        let time = if rows.has("_time") { "_time" } else { ORDER };
        let time_value = rows
            .field(time)
            .map_or_else(|| lit(0.0), |typed| cast_to(typed, &DataType::Float64));
        let rows = at(span, rows.set(vec![(hidden!("at").to_owned(), time_value)]))?;
        let rows = match planner.stage(rows.clone(), None, span)? {
            None => at(span, rows.set(vec![(hidden!("txn").to_owned(), lit(0.0))]))?,
            Some(staged) => {
                let ids = ids(&staged, self);
                let numbers: Float64Array = ids.into_iter().collect();
                let rows = at(span, staged.rows_with(hidden!("txn"), Arc::new(numbers)))?;
                at(span, rows.filter(column(hidden!("txn")).is_not_null()))?
            }
        };
        let name = |text: &str| Name {
            text: text.to_owned(),
            span,
        };
        let aggregation = |function: &str, field: Option<&str>, output: &str| Aggregation {
            function: function.to_owned(),
            span,
            argument: field.map(|field| AggregationArgument::Field(name(field))),
            output: name(output),
        };
        let mut aggregations = vec![
            aggregation("min", Some(hidden!("at")), hidden!("begin")),
            aggregation("range", Some(hidden!("at")), hidden!("duration")),
            aggregation("count", None, hidden!("count")),
        ];
        let kept: Vec<&String> = names
            .iter()
            .filter(|name| !matches!(name.as_str(), "_time" | "duration" | "eventcount"))
            .collect();
        for field in &kept {
            let listed = self
                .lists
                .as_ref()
                .is_some_and(|lists| lists.is_empty() || lists.contains(field));
            let function = if listed { "list" } else { "values" };
            aggregations.push(aggregation(function, Some(field), field));
        }
        let rows = planner.aggregate(rows, &aggregations, &[hidden!("txn").to_owned()], span)?;
        let mut columns: Vec<(String, Expr)> = vec![("_time".to_owned(), column(hidden!("begin")))];
        columns.extend(kept.iter().map(|name| ((*name).clone(), column(name))));
        columns.push(("duration".to_owned(), column(hidden!("duration"))));
        columns.push(("eventcount".to_owned(), column(hidden!("count"))));
        columns.push((ORDER.to_owned(), column(hidden!("begin"))));
        if rows.has(REF) {
            columns.push((REF.to_owned(), column(REF)));
        }
        let number = format!("{HIDDEN}txn{}", planner.fresh());
        columns.push((number.clone(), column(hidden!("txn"))));
        let rows = at(span, rows.project(columns))?;
        Ok(Rows {
            order: Order::Keys(vec![
                SortExpr::new(column(ORDER), false, false),
                SortExpr::new(column(&number), true, false),
            ]),
            ..rows
        })
    }
}

/// Whether a row has a mark.
fn marked(planner: &mut Planner<'_>, rows: &Rows, mark: Option<&Mark>) -> Result<Expr> {
    Ok(match mark {
        None => lit(false),
        Some(Mark::Eval(condition)) => plan_predicate(condition, rows, &planner.context)?,
        Some(Mark::Search(clause)) => {
            let clause = planner.resolve_clause(clause)?;
            match fold(&clause, rows, &planner.context)? {
                Folded::Known(value) => lit(value),
                Folded::Open(condition) => null_is_false(condition),
            }
        }
    })
}

/// A transaction that may go on.
struct Open {
    first: f64,
    last: f64,
    events: u64,
    ended: bool,
    /// The values of each field that its events have.
    values: Vec<HashSet<String>>,
}

/// How an event's values of the fields agree with those of a transaction.
#[derive(Clone, Copy, PartialEq)]
enum Agrees {
    /// They share a value, and no field has other values.
    Yes,
    /// The transaction has no values yet of the fields that the event has.
    Open,
    No,
}

impl Open {
    fn agrees(&self, values: &[Vec<String>]) -> Agrees {
        let mut agrees = Agrees::Open;
        for (own, new) in self.values.iter().zip(values) {
            if own.is_empty() || new.is_empty() {
                continue;
            }
            if !new.iter().any(|value| own.contains(value)) {
                return Agrees::No;
            }
            agrees = Agrees::Yes;
        }
        agrees
    }

    /// Whether an event at a time may still belong to it.
    fn lasts(&self, time: f64, transaction: &Transaction) -> bool {
        let within = |most: Option<f64>, since: f64| most.is_none_or(|most| time - since <= most);
        !self.ended
            && within(transaction.max_pause, self.last)
            && within(transaction.max_span, self.first)
            && self.events < transaction.max_events.unwrap_or(1000)
    }
}

/// The transactions that may go on, and where to find them.
#[derive(Default)]
struct Running {
    open: BTreeMap<usize, Open>,
    /// By a field and a value of it, the transactions that have it.
    by_value: HashMap<(usize, String), Vec<usize>>,
}

impl Running {
    /// The transaction that an event belongs to: of several, the one with the latest event.
    fn of(&self, values: &[Vec<String>], connected: bool) -> Option<usize> {
        let best = |ids: &mut dyn Iterator<Item = usize>, wanted: &[Agrees]| {
            ids.filter_map(|id| Some((id, self.open.get(&id)?)))
                .filter(|(_, open)| wanted.contains(&open.agrees(values)))
                .max_by(|(a, one), (b, other)| one.last.total_cmp(&other.last).then(a.cmp(b)))
                .map(|(id, _)| id)
        };
        if values.is_empty() || !connected {
            let all = [Agrees::Yes, Agrees::Open];
            return best(&mut self.open.keys().copied(), &all);
        }
        let keys = values.iter().enumerate();
        let keys =
            keys.flat_map(|(at, values)| values.iter().map(move |value| (at, value.clone())));
        let ids = keys.filter_map(|key| self.by_value.get(&key)).flatten();
        best(&mut ids.copied(), &[Agrees::Yes])
    }

    /// Notes the values of an event of a transaction.
    fn joined(&mut self, id: usize, values: Vec<Vec<String>>) {
        let Some(open) = self.open.get_mut(&id) else {
            return;
        };
        open.values.resize_with(values.len(), HashSet::new);
        for (at, (own, new)) in open.values.iter_mut().zip(values).enumerate() {
            for value in new {
                if own.insert(value.clone()) {
                    self.by_value.entry((at, value)).or_default().push(id);
                }
            }
        }
    }

    /// Forgets a transaction that no event can belong to any more.
    fn close(&mut self, id: usize) {
        let Some(closed) = self.open.remove(&id) else {
            return;
        };
        for (at, values) in closed.values.into_iter().enumerate() {
            for value in values {
                if let Some(ids) = self.by_value.get_mut(&(at, value)) {
                    ids.retain(|own| *own != id);
                }
            }
        }
    }
}

/// The number of each row's transaction.
fn ids(staged: &Staged, transaction: &Transaction) -> Vec<Option<f64>> {
    let rows = staged.len();
    let times: Vec<f64> = (0..rows)
        .map(|row| {
            staged
                .text(hidden!("at"), row)
                .and_then(|time| number_of(&time))
                .unwrap_or(0.0)
        })
        .collect();
    let mut order: Vec<(usize, f64)> = times.into_iter().enumerate().collect();
    // Rows come with the newest first; of the same time, the later row is the earlier event.
    order.sort_by(|(a, one), (b, other)| one.total_cmp(other).then_with(|| b.cmp(a)));
    let flag = |name: &str, row: usize| staged.text(name, row).as_deref() == Some("true");
    let mut running = Running::default();
    // Of each transaction, whether it has its start and its end.
    let mut marks: Vec<(bool, bool)> = Vec::new();
    let mut ids: Vec<(usize, usize)> = Vec::with_capacity(rows);
    for (row, time) in order {
        let values: Vec<Vec<String>> = transaction
            .fields
            .iter()
            .map(|name| staged.values(&name.text, row))
            .collect();
        if !values.is_empty() && values.iter().all(Vec::is_empty) {
            // An event with none of the fields is not part of a transaction by fields.
            continue;
        }
        let starts = flag(hidden!("starts"), row);
        let ends = flag(hidden!("ends"), row);
        let mut found = running.of(&values, transaction.connected);
        if let Some(id) = found
            && (starts
                || !running
                    .open
                    .get(&id)
                    .is_some_and(|open| open.lasts(time, transaction)))
        {
            running.close(id);
            found = None;
        }
        let id = found.unwrap_or_else(|| {
            marks.push((starts, false));
            let new = Open {
                first: time,
                last: time,
                events: 0,
                ended: false,
                values: Vec::new(),
            };
            running.open.insert(marks.len() - 1, new);
            marks.len() - 1
        });
        if let Some(open) = running.open.get_mut(&id) {
            open.last = time;
            open.events += 1;
            open.ended = ends;
        }
        if let Some((_, ended)) = marks.get_mut(id) {
            *ended |= ends;
        }
        running.joined(id, values);
        ids.push((row, id));
    }
    let mut numbers = vec![None; rows];
    for (row, id) in ids {
        let (started, ended) = marks.get(id).copied().unwrap_or_default();
        let whole =
            (transaction.starts.is_none() || started) && (transaction.ends.is_none() || ended);
        #[expect(clippy::cast_precision_loss, reason = "a number of rows")]
        if let Some(number) = numbers
            .get_mut(row)
            .filter(|_| whole || transaction.keep_evicted)
        {
            *number = Some(id as f64);
        }
    }
    numbers
}
