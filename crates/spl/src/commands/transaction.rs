//! `transaction`: groups of events that belong together.
//!
//! Events that share values of the fields, none of which has another value, belong together. As in Splunk, events are taken
//! from the newest to the oldest: a transaction begins with its last event, takes earlier ones, and is closed by
//! `startswith`, by `maxevents`, or where `maxspan` or `maxpause` would be exceeded. An event that fits `endswith` begins
//! another one.
//!
//! `closed_txn` is 1 where a transaction was closed and lacks no event that was asked for. Without such an event it is
//! evicted: left out unless `keepevicted=true`. A transaction that the events ended before anything closed it stays, with 0.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use crabwalk_events::catalog::REF;
use datafusion::arrow::array::{ArrayRef, Float64Array};
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
    Cursor, Usage, Whole, flag, is_on, no_effect, obeyed, only, refused, spl, whole_number,
};
use crate::syntax::{parse_search, parse_span};
use crate::value::number_of;

pub(super) static COMMAND: Whole = typed::<Transaction>(Usage {
    name: "transaction",
    also: &[],
    syntax: "transaction [<fields>] [startswith=<condition>|eval(<expression>)] [endswith=<condition>|eval(<expression>)] [<options>]",
    meaning: "Combines events that belong together into one row, with `duration`, `eventcount` and `closed_txn`: 1 if the transaction was closed and has the start and end that were asked for, 0 otherwise.",
    options: &[
        spl(
            "startswith",
            "Condition for the first event: a clause in parentheses, a phrase, or `eval(…)`.",
        ),
        spl("endswith", "Condition for the last event."),
        obeyed(
            "maxspan",
            "Maximum time from the first to the last event, counted back from the last; just as long is allowed; negative: no maximum, the default.",
        ),
        obeyed(
            "maxpause",
            "Maximum time between events; just as long is allowed; negative: no maximum, the default.",
        ),
        obeyed(
            "maxevents",
            "Maximum events; default 1,000; negative: no maximum.",
        ),
        flag(
            "connected",
            "Whether an event must share a value with the others; default true. Otherwise it is enough that no field has another value.",
        ),
        flag(
            "keepevicted",
            "Keeps transactions that lack the start or end asked for.",
        ),
        obeyed(
            "mvlist",
            "Keeps all values in the order of time, of all fields or of these.",
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

/// Splunk's default of `maxevents`.
const MOST_EVENTS: u64 = 1000;

/// `transaction`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Transaction {
    /// Events of a transaction have the same values of these.
    pub fields: Vec<Name>,
    /// `startswith=`.
    pub starts: Option<Mark>,
    /// `endswith=`.
    pub ends: Option<Mark>,
    /// `maxspan=` in seconds; `None` for no limit.
    pub max_span: Option<f64>,
    /// `maxpause=` in seconds; `None` for no limit.
    pub max_pause: Option<f64>,
    /// `maxevents=`; `None` for no limit.
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
            max_events: Some(MOST_EVENTS),
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
                    transaction.max_events = match value.text.strip_prefix('-') {
                        Some(digits) if digits.parse::<u64>().is_ok() => None,
                        _ => Some(whole_number("maxevents", &value)?),
                    };
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
        match self.max_events {
            Some(MOST_EVENTS) => {}
            Some(most) => write!(f, " maxevents={most}")?,
            None => f.write_str(" maxevents=-1")?,
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
        ledger.makes("closed_txn");
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

/// A length of time in seconds; none where it is negative.
fn seconds(value: &Name) -> Result<Option<f64>> {
    let length = |text: &str| -> Result<f64> {
        let span = parse_span(&Name {
            text: text.to_owned(),
            span: value.span,
        })?;
        let seconds = match span {
            BinSpan::Number(seconds) => Some(seconds),
            BinSpan::Time(span) => bins::seconds(span),
            BinSpan::Log { .. } => None,
        };
        seconds.ok_or_else(|| {
            diagnostic(
                value.span,
                format!("expected a duration, found `{}`", value.text),
            )
            .with_help("write a number and s, m, h or d, such as 30m")
        })
    };
    match value.text.strip_prefix('-') {
        Some(negative) => length(negative).map(|_| None),
        None => length(&value.text).map(Some),
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
            None => {
                let unknown =
                    [hidden!("txn"), hidden!("closed")].map(|name| (name.to_owned(), lit(0.0)));
                at(span, rows.set(unknown.into()))?
            }
            Some(staged) => {
                let (numbers, closed) = transactions(&staged, self);
                let more: Vec<(&str, ArrayRef)> = vec![
                    (hidden!("txn"), Arc::new(numbers)),
                    (hidden!("closed"), Arc::new(closed)),
                ];
                let rows = at(span, staged.rows_with(more))?;
                let rows = at(span, rows.filter(column(hidden!("txn")).is_not_null()))?;
                by_time(rows)
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
            aggregation("max", Some(hidden!("closed")), hidden!("closed")),
        ];
        let kept: Vec<&String> = names
            .iter()
            .filter(|name| {
                !matches!(
                    name.as_str(),
                    "_time" | "duration" | "eventcount" | "closed_txn"
                )
            })
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
        columns.push(("closed_txn".to_owned(), column(hidden!("closed"))));
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

/// Rows, the newest of which came first, in the order of time.
fn by_time(rows: Rows) -> Rows {
    let mut keys = vec![SortExpr::new(column(hidden!("at")), true, false)];
    if let Order::Keys(newest_first) = &rows.order {
        keys.extend(newest_first.iter().map(|key| SortExpr {
            asc: !key.asc,
            ..key.clone()
        }));
    }
    Rows {
        order: Order::Keys(keys),
        ..rows
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

/// A transaction that may take earlier events.
struct Open {
    /// Time of the earliest event so far.
    first: f64,
    last: f64,
    events: u64,
    /// The values of each field that its events have.
    values: Vec<HashSet<String>>,
}

/// What became of a transaction.
#[derive(Clone, Copy, Default)]
struct Outcome {
    /// It has an event that fits `startswith`.
    started: bool,
    /// It has an event that fits `endswith`.
    ended: bool,
    /// No event is missing that a limit would have let in.
    full: bool,
}

impl Outcome {
    /// Whether it has the events that were asked for.
    fn is_whole(self, transaction: &Transaction) -> bool {
        (transaction.starts.is_none() || self.started) && (transaction.ends.is_none() || self.ended)
    }

    /// Whether something closed it, and it lacks no event that was asked for.
    fn is_closed(self, transaction: &Transaction) -> bool {
        let marked = transaction.marks().next().is_some();
        self.is_whole(transaction) && (marked || self.full)
    }
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

    /// Whether an event at an earlier time may still belong to it.
    fn lasts(&self, time: f64, transaction: &Transaction) -> bool {
        let within = |most: Option<f64>, until: f64| most.is_none_or(|most| until - time <= most);
        within(transaction.max_pause, self.first)
            && within(transaction.max_span, self.last)
            && transaction.max_events.is_none_or(|most| self.events < most)
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
    /// The transaction that an event belongs to: of several, the one that it comes right before.
    fn of(&self, values: &[Vec<String>], connected: bool) -> Option<usize> {
        let best = |ids: &mut dyn Iterator<Item = usize>, wanted: &[Agrees]| {
            ids.filter_map(|id| Some((id, self.open.get(&id)?)))
                .filter(|(_, open)| wanted.contains(&open.agrees(values)))
                .min_by(|(a, one), (b, other)| one.first.total_cmp(&other.first).then(b.cmp(a)))
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

/// Of each row, the number of its transaction, and whether that is closed (1 or 0). A row of an evicted one has neither.
fn transactions(staged: &Staged, transaction: &Transaction) -> (Float64Array, Float64Array) {
    let rows = staged.len();
    let times = (0..rows).map(|row| {
        staged
            .text(hidden!("at"), row)
            .and_then(|time| number_of(&time))
            .unwrap_or(0.0)
    });
    // Of the same time, the row that comes first is the later event.
    let mut order: Vec<(usize, f64)> = times.enumerate().collect();
    order.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    let flag = |name: &str, row: usize| staged.text(name, row).as_deref() == Some("true");
    let mut running = Running::default();
    let mut outcomes: Vec<Outcome> = Vec::new();
    let mut ids: Vec<Option<usize>> = vec![None; rows];
    for (row, time) in &order {
        let values: Vec<Vec<String>> = transaction
            .fields
            .iter()
            .map(|name| staged.values(&name.text, *row))
            .collect();
        if !values.is_empty() && values.iter().all(Vec::is_empty) {
            // An event with none of the fields is not part of a transaction by fields.
            continue;
        }
        let starts = flag(hidden!("starts"), *row);
        let ends = flag(hidden!("ends"), *row);
        let mut found = running.of(&values, transaction.connected);
        if let Some(id) = found {
            let lasts = running
                .open
                .get(&id)
                .is_some_and(|open| open.lasts(*time, transaction));
            if ends || !lasts {
                running.close(id);
                found = None;
                if let Some(outcome) = outcomes.get_mut(id) {
                    outcome.full |= !lasts;
                }
            }
        }
        let id = found.unwrap_or_else(|| {
            let id = outcomes.len();
            outcomes.push(Outcome {
                ended: ends,
                ..Outcome::default()
            });
            let open = Open {
                first: *time,
                last: *time,
                events: 0,
                values: Vec::new(),
            };
            running.open.insert(id, open);
            id
        });
        if let Some(open) = running.open.get_mut(&id) {
            open.first = *time;
            open.events += 1;
        }
        running.joined(id, values);
        if starts {
            running.close(id);
            if let Some(outcome) = outcomes.get_mut(id) {
                outcome.started = true;
            }
        }
        if let Some(place) = ids.get_mut(*row) {
            *place = Some(id);
        }
    }
    // The events have gone on past what the limits let in.
    let oldest = order.last().map_or(0.0, |(_, time)| *time);
    for (id, open) in &running.open {
        if let Some(outcome) = outcomes.get_mut(*id) {
            outcome.full |= !open.lasts(oldest, transaction);
        }
    }
    let of = |id: &Option<usize>| {
        let outcome = outcomes.get((*id)?)?;
        (outcome.is_whole(transaction) || transaction.keep_evicted).then_some(())?;
        #[expect(clippy::cast_precision_loss, reason = "a number of rows")]
        let number = (*id)? as f64;
        Some((number, f64::from(u8::from(outcome.is_closed(transaction)))))
    };
    let kept: Vec<Option<(f64, f64)>> = ids.iter().map(of).collect();
    let numbers = kept.iter().map(|row| row.map(|(number, _)| number));
    let closed = kept.iter().map(|row| row.map(|(_, closed)| closed));
    (numbers.collect(), closed.collect())
}
