//! The lists of a case as Arrow tables, for data frames.
//!
//! Hosts and accounts appear by their names, as people know them; the columns that end in `_id`, and `id` of the tables
//! of hosts and accounts, have the identifiers of the document. Times are timestamps in microseconds, UTC; a column that
//! may hold several values is a list.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, RecordBatch, RecordBatchOptions, StringArray,
    TimestampMicrosecondArray, UInt64Array,
};
use arrow_schema::{ArrowError, Field, Schema};
use crabwalk_vocabulary::time;

use crate::document::Case;
use crate::names::Names;
use crate::timeline::timeline;

/// One of the lists of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    /// Movements.
    Hops,
    /// Movements chained into paths.
    Paths,
    /// Result rows of detections.
    Findings,
    /// Machines.
    Hosts,
    /// Accounts.
    Accounts,
    /// The events of movements and findings, and cleared logs.
    Timeline,
    /// What was read.
    Sources,
    /// What could not be seen.
    Gaps,
    /// What each log of each host covers.
    Coverage,
}

/// A list of the case as a table.
///
/// # Errors
/// None that a case can cause: Arrow refuses columns of different lengths.
pub fn table(case: &Case, list: List) -> Result<RecordBatch, ArrowError> {
    match list {
        List::Hops => hops(case),
        List::Paths => paths(case),
        List::Findings => findings(case),
        List::Hosts => hosts(case),
        List::Accounts => accounts(case),
        List::Timeline => events(case),
        List::Sources => sources(case),
        List::Gaps => gaps(case),
        List::Coverage => coverage(case),
    }
}

/// A table in the making: a column at a time, each made from the rows.
struct Columns<'r, T> {
    rows: &'r [T],
    fields: Vec<Field>,
    columns: Vec<ArrayRef>,
}

impl<'r, T> Columns<'r, T> {
    fn of(rows: &'r [T]) -> Self {
        Self {
            rows,
            fields: Vec::new(),
            columns: Vec::new(),
        }
    }

    fn add(mut self, name: &str, column: ArrayRef) -> Self {
        let data_type = column.data_type().clone();
        self.fields.push(Field::new(name, data_type, true));
        self.columns.push(column);
        self
    }

    /// Texts; an empty one is null.
    fn text<'t>(self, name: &str, of: impl Fn(&'r T) -> Option<&'t str>) -> Self {
        let values = self.rows.iter().map(of);
        let column: StringArray = values
            .map(|text| text.filter(|one| !one.is_empty()))
            .collect();
        self.add(name, Arc::new(column))
    }

    /// Lists of texts.
    fn texts<S: AsRef<str>, I: IntoIterator<Item = S>>(
        self,
        name: &str,
        of: impl Fn(&'r T) -> I,
    ) -> Self {
        let mut column = ListBuilder::new(StringBuilder::new());
        for row in self.rows {
            for text in of(row) {
                column.values().append_value(text.as_ref());
            }
            column.append(true);
        }
        self.add(name, Arc::new(column.finish()))
    }

    fn time<'t>(self, name: &str, of: impl Fn(&'r T) -> Option<&'t str>) -> Self {
        let times = self.rows.iter().map(|row| of(row).and_then(time::parse));
        let column: TimestampMicrosecondArray = times.collect();
        self.add(name, Arc::new(column.with_timezone("UTC")))
    }

    fn count(self, name: &str, of: impl Fn(&'r T) -> Option<u64>) -> Self {
        let column: UInt64Array = self.rows.iter().map(of).collect();
        self.add(name, Arc::new(column))
    }

    fn number(self, name: &str, of: impl Fn(&'r T) -> f64) -> Self {
        let column: Float64Array = self.rows.iter().map(|row| Some(of(row))).collect();
        self.add(name, Arc::new(column))
    }

    fn flag(self, name: &str, of: impl Fn(&'r T) -> bool) -> Self {
        let column: BooleanArray = self.rows.iter().map(|row| Some(of(row))).collect();
        self.add(name, Arc::new(column))
    }

    fn done(self) -> Result<RecordBatch, ArrowError> {
        let rows = RecordBatchOptions::new().with_row_count(Some(self.rows.len()));
        let schema = Arc::new(Schema::new(self.fields));
        RecordBatch::try_new_with_options(schema, self.columns, &rows)
    }
}

fn hops(case: &Case) -> Result<RecordBatch, ArrowError> {
    let names = Names::new(case);
    // The first path is the highest ranked.
    let mut path_of: BTreeMap<&str, (&str, bool)> = BTreeMap::new();
    for path in &case.paths {
        for hop in &path.hops {
            path_of.entry(hop).or_insert((path.id.as_str(), path.told));
        }
    }
    Columns::of(&case.hops)
        .text("id", |hop| Some(&hop.id))
        .time("first", |hop| hop.first.as_deref())
        .time("last", |hop| hop.last.as_deref())
        .text("src", |hop| hop.src.as_deref().map(|id| names.host(id)))
        .text("dst", |hop| Some(names.host(&hop.dst)))
        .text("account", |hop| {
            hop.account.as_deref().map(|id| names.account(id))
        })
        .text("actor", |hop| {
            hop.actor.as_deref().map(|id| names.account(id))
        })
        .text("used", |hop| {
            hop.used.as_deref().map(|id| names.account(id))
        })
        .text("effective", |hop| {
            hop.effective.as_deref().map(|id| names.account(id))
        })
        .texts("techniques", |hop| &hop.techniques)
        .text("standing", |hop| Some(hop.standing.name()))
        .number("confidence", |hop| hop.confidence)
        .flag("happened", |hop| hop.happened)
        .text("path", |hop| {
            path_of.get(hop.id.as_str()).map(|(id, _)| *id)
        })
        .flag("told", |hop| {
            path_of.get(hop.id.as_str()).is_some_and(|(_, told)| *told)
        })
        .text("follows", |hop| hop.follows.as_deref())
        .texts("witnesses", |hop| {
            let mut kinds: Vec<_> = hop.witnesses.iter().map(|one| one.kind).collect();
            kinds.sort();
            kinds.dedup();
            kinds.into_iter().map(|kind| kind.name())
        })
        .texts("missing", |hop| hop.missing.iter().map(|one| &one.why))
        .texts("findings", |hop| &hop.findings)
        .text("src_id", |hop| hop.src.as_deref())
        .text("dst_id", |hop| Some(&hop.dst))
        .text("account_id", |hop| hop.account.as_deref())
        .done()
}

fn paths(case: &Case) -> Result<RecordBatch, ArrowError> {
    let hops: BTreeMap<&str, _> = case.hops.iter().map(|hop| (hop.id.as_str(), hop)).collect();
    let of = |ids: &[String]| -> Vec<_> {
        let ids = ids.iter().map(String::as_str);
        ids.filter_map(|id| hops.get(id).copied()).collect()
    };
    Columns::of(&case.paths)
        .text("id", |path| Some(&path.id))
        .flag("told", |path| path.told)
        .number("score", |path| path.score)
        .text("way", |path| Some(&path.way))
        .time("first", |path| {
            let times = of(&path.hops)
                .into_iter()
                .filter_map(|hop| hop.first.as_deref());
            times.min_by_key(|text| time::parse(text))
        })
        .time("last", |path| {
            let times = of(&path.hops)
                .into_iter()
                .filter_map(|hop| hop.last.as_deref());
            times.max_by_key(|text| time::parse(text))
        })
        .texts("hops", |path| &path.hops)
        .texts("techniques", |path| {
            let mut all: Vec<&str> = Vec::new();
            for technique in of(&path.hops).into_iter().flat_map(|hop| &hop.techniques) {
                if !all.contains(&technique.as_str()) {
                    all.push(technique);
                }
            }
            all
        })
        .texts("why", |path| &path.why)
        .texts("rank", |path| path.rank.iter().map(|term| &term.what))
        .done()
}

fn findings(case: &Case) -> Result<RecordBatch, ArrowError> {
    let names = Names::new(case);
    let fields: Vec<String> = case
        .findings
        .iter()
        .map(|finding| serde_json::to_string(&finding.fields).unwrap_or_default())
        .collect();
    let rows: Vec<_> = case.findings.iter().zip(&fields).collect();
    Columns::of(&rows)
        .text("id", |(one, _)| Some(&one.id))
        .time("first", |(one, _)| one.first.as_deref())
        .time("last", |(one, _)| one.last.as_deref())
        .text("detection", |(one, _)| Some(&one.detection))
        .text("severity", |(one, _)| Some(one.severity.name()))
        .count("risk_score", |(one, _)| Some(one.risk_score.into()))
        .text("type", |(one, _)| Some(one.kind.name()))
        .flag("notable", |(one, _)| one.notable)
        .text("message", |(one, _)| Some(&one.message))
        .texts("hosts", |(one, _)| {
            one.hosts.iter().map(|id| names.host(id))
        })
        .texts("techniques", |(one, _)| &one.techniques)
        .texts("story", |(one, _)| &one.story)
        .texts("risk_objects", |(one, _)| {
            let objects = one.risk_objects.iter();
            objects.map(|object| format!("{} {}", object.kind.name(), object.value))
        })
        .texts("threat_objects", |(one, _)| {
            let objects = one.threat_objects.iter();
            objects.map(|object| format!("{} {}", object.kind, object.value))
        })
        .text("everyday", |(one, _)| one.everyday.as_deref())
        .text("suppressed", |(one, _)| {
            one.suppressed.as_ref().map(|by| by.reason.as_str())
        })
        .count("events", |(one, _)| Some(one.event_count))
        .count("count", |(one, _)| Some(one.count))
        .text("fields", |(_, fields)| Some(fields))
        .text("detection_id", |(one, _)| Some(&one.detection_id))
        .done()
}

fn hosts(case: &Case) -> Result<RecordBatch, ArrowError> {
    let scope = |id: &str| case.scope.hosts.iter().find(|one| one.host == id);
    Columns::of(&case.hosts)
        .text("name", |host| Some(&host.name))
        .text("role", |host| host.role.as_deref())
        .texts("ips", |host| &host.ips)
        .texts("names", |host| &host.names)
        .texts("category", |host| &host.category)
        .text("priority", |host| host.priority.as_deref())
        .count("risk", |host| Some(host.risk))
        .text("touched", |host| {
            scope(&host.id).map(|one| one.certainty.name())
        })
        .flag("isolate", |host| case.scope.isolate.contains(&host.id))
        .text("id", |host| Some(&host.id))
        .done()
}

fn accounts(case: &Case) -> Result<RecordBatch, ArrowError> {
    let reset = |id: &str| case.scope.accounts.iter().any(|one| one.account == id);
    Columns::of(&case.accounts)
        .text("name", |account| Some(&account.name))
        .text("kind", |account| Some(account.kind.name()))
        .text("sid", |account| account.sid.as_deref())
        .texts("names", |account| &account.names)
        .count("risk", |account| Some(account.risk))
        .flag("reset", |account| reset(&account.id))
        .text("id", |account| Some(&account.id))
        .done()
}

fn events(case: &Case) -> Result<RecordBatch, ArrowError> {
    let lines = timeline(case);
    Columns::of(&lines)
        .time("time", |line| Some(line.time))
        .text("host", |line| Some(line.host))
        .text("what", |line| Some(line.what))
        .text("severity", |line| Some(line.severity))
        .text("message", |line| Some(&line.message))
        .text("channel", |line| Some(line.channel))
        .count("event_id", |line| line.event_id.map(u64::from))
        .count("record", |line| line.record)
        .text("source", |line| Some(line.source))
        .text("finding", |line| Some(line.finding))
        .text("hop", |line| Some(line.hop))
        .done()
}

fn sources(case: &Case) -> Result<RecordBatch, ArrowError> {
    Columns::of(&case.sources)
        .text("path", |source| Some(&source.path))
        .text("kind", |source| Some(&source.kind))
        .count("bytes", |source| Some(source.bytes))
        .count("records", |source| Some(source.records))
        .count("skipped", |source| Some(source.skipped))
        .flag("lossy", |source| source.is_lossy())
        .texts("problems", |source| {
            source.problems.iter().map(|one| &one.message)
        })
        .count("id", |source| Some(source.id.into()))
        .done()
}

fn gaps(case: &Case) -> Result<RecordBatch, ArrowError> {
    let names = Names::new(case);
    Columns::of(&case.gaps)
        .text("message", |gap| Some(&gap.message))
        .text("missing", |gap| Some(&gap.missing))
        .texts("hosts", |gap| gap.hosts.iter().map(|id| names.host(id)))
        .texts("detections", |gap| &gap.detections)
        .texts("advice", |gap| &gap.advice)
        .done()
}

fn coverage(case: &Case) -> Result<RecordBatch, ArrowError> {
    Columns::of(&case.coverage)
        .text("host", |log| Some(&log.host))
        .text("channel", |log| Some(&log.channel))
        .time("first", |log| log.first.as_deref())
        .time("last", |log| log.last.as_deref())
        .count("records", |log| Some(log.records))
        .texts("cleared", |log| &log.cleared)
        .done()
}
