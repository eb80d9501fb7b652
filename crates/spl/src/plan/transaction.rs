//! `transaction`: groups of events in the order of time.
//!
//! Events with the same values of the fields belong together. Going by time, a transaction begins where `startswith`
//! fits, where the one before has ended (`endswith`, `maxevents`), or where `maxpause` or `maxspan` would be exceeded.
//! With `startswith` or `endswith`, transactions without such an event are left out unless `keepevicted=true`.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::{Expr, SortExpr, lit};

use super::{ORDER, Order, Planner, Result, Rows, at, cast_to, column};
use crate::clause::{Folded, fold};
use crate::expr::{Fields, plan_predicate};
use crate::syntax::ast::{Aggregation, AggregationArgument, Mark, Name, Span, Transaction};
use crate::value::number_of;

impl Planner<'_> {
    pub(super) fn transaction(
        &mut self,
        rows: Rows,
        transaction: &Transaction,
        span: Span,
    ) -> Result<Rows> {
        let names = rows.names();
        let starts = self.mark(&rows, transaction.starts.as_ref())?;
        let ends = self.mark(&rows, transaction.ends.as_ref())?;
        let rows = at(
            span,
            rows.set(vec![
                ("__starts".to_owned(), starts),
                ("__ends".to_owned(), ends),
            ]),
        )?;
        let time = if rows.has("_time") { "_time" } else { ORDER };
        let time_value = rows
            .field(time)
            .map_or_else(|| lit(0.0), |typed| cast_to(typed, &DataType::Float64));
        let rows = at(span, rows.set(vec![("__at".to_owned(), time_value)]))?;
        let rows = match self.stage(rows.clone(), None, span)? {
            None => at(span, rows.set(vec![("__txn".to_owned(), lit(0.0))]))?,
            Some(staged) => {
                let ids = ids(&staged, transaction);
                let numbers: datafusion::arrow::array::Float64Array = ids.into_iter().collect();
                let rows = at(span, staged.rows_with("__txn", Arc::new(numbers)))?;
                at(span, rows.filter(column("__txn").is_not_null()))?
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
            aggregation("min", Some("__at"), "__begin"),
            aggregation("range", Some("__at"), "__duration"),
            aggregation("count", None, "__count"),
        ];
        let kept: Vec<&String> = names
            .iter()
            .filter(|name| !matches!(name.as_str(), "_time" | "duration" | "eventcount"))
            .collect();
        for field in &kept {
            let listed = transaction
                .lists
                .as_ref()
                .is_some_and(|lists| lists.is_empty() || lists.contains(field));
            let function = if listed { "list" } else { "values" };
            aggregations.push(aggregation(function, Some(field), field));
        }
        let rows = self.aggregate(rows, &aggregations, &["__txn".to_owned()], span)?;
        let mut columns: Vec<(String, Expr)> = vec![("_time".to_owned(), column("__begin"))];
        columns.extend(kept.iter().map(|name| ((*name).clone(), column(name))));
        columns.push(("duration".to_owned(), column("__duration")));
        columns.push(("eventcount".to_owned(), column("__count")));
        columns.push((ORDER.to_owned(), column("__begin")));
        if rows.has(crabwalk_events::catalog::REF) {
            columns.push((
                crabwalk_events::catalog::REF.to_owned(),
                column(crabwalk_events::catalog::REF),
            ));
        }
        let number = format!("__txn{}", self.fresh());
        columns.push((number.clone(), column("__txn")));
        let rows = at(span, rows.project(columns))?;
        Ok(Rows {
            order: Order::Keys(vec![
                SortExpr::new(column(ORDER), false, false),
                SortExpr::new(column(&number), true, false),
            ]),
            ..rows
        })
    }

    fn mark(&mut self, rows: &Rows, mark: Option<&Mark>) -> Result<Expr> {
        Ok(match mark {
            None => lit(false),
            Some(Mark::Eval(condition)) => plan_predicate(condition, rows, &self.context)?,
            Some(Mark::Search(clause)) => {
                let clause = self.resolve_clause(clause)?;
                match fold(&clause, rows, &self.context)? {
                    Folded::Known(value) => lit(value),
                    Folded::Open(condition) => super::null_is_false(condition),
                }
            }
        })
    }
}

struct Open {
    id: usize,
    first: f64,
    last: f64,
    events: u64,
    ended: bool,
}

/// The number of each row's transaction.
fn ids(staged: &super::Staged, transaction: &Transaction) -> Vec<Option<f64>> {
    let rows = staged.len();
    let times: Vec<f64> = (0..rows)
        .map(|row| {
            staged
                .text("__at", row)
                .and_then(|time| number_of(&time))
                .unwrap_or(0.0)
        })
        .collect();
    let mut order: Vec<usize> = (0..rows).collect();
    // Rows come with the newest first; of the same time, the later row is the earlier event.
    order.sort_by(|a, b| times[*a].total_cmp(&times[*b]).then_with(|| b.cmp(a)));
    let flag = |name: &str, row: usize| staged.text(name, row).as_deref() == Some("true");
    let mut open: HashMap<Vec<Vec<String>>, Open> = HashMap::new();
    let mut started: Vec<bool> = Vec::new();
    let mut finished: Vec<bool> = Vec::new();
    let mut ids: Vec<Option<usize>> = vec![None; rows];
    for row in order {
        let key: Vec<Vec<String>> = transaction
            .fields
            .iter()
            .map(|name| staged.values(&name.text, row))
            .collect();
        if !key.is_empty() && key.iter().all(Vec::is_empty) {
            // An event with none of the fields is not part of a transaction by fields.
            continue;
        }
        let time = times[row];
        let starts = flag("__starts", row);
        let goes_on = open.get(&key).is_some_and(|before| {
            !before.ended
                && !starts
                && transaction
                    .max_pause
                    .is_none_or(|most| time - before.last <= most)
                && transaction
                    .max_span
                    .is_none_or(|most| time - before.first <= most)
                && before.events < transaction.max_events.unwrap_or(1000)
        });
        if !goes_on {
            open.insert(
                key.clone(),
                Open {
                    id: started.len(),
                    first: time,
                    last: time,
                    events: 0,
                    ended: false,
                },
            );
            started.push(starts);
            finished.push(false);
        }
        if let Some(current) = open.get_mut(&key) {
            current.last = time;
            current.events += 1;
            current.ended = flag("__ends", row);
            finished[current.id] |= current.ended;
            ids[row] = Some(current.id);
        }
    }
    let whole = |id: usize| {
        transaction.keep_evicted
            || (transaction.starts.is_none() || started[id])
                && (transaction.ends.is_none() || finished[id])
    };
    #[expect(clippy::cast_precision_loss, reason = "a number of rows")]
    ids.into_iter()
        .map(|id| id.filter(|id| whole(*id)).map(|id| id as f64))
        .collect()
}
