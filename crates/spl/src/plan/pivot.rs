//! Groups that become a table, with a column for each value of a field.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema};

use super::stage::Staged;
use super::subsearch::TimeRange;
use super::{MOST_COLUMNS, Names, Result, at, diagnostic};
use crate::aggregates::is_count;
use crate::ops::bins;
use crate::syntax::ast::{Aggregation, BinSpan, Span};
use crate::value::{format_number, number_of};

/// More buckets of time than these are not made.
const MOST_BUCKETS: usize = 50_000;

/// What is made of the cells of a series to choose among series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Score {
    Sum,
    Mean,
    Least,
    Greatest,
}

/// Which series are chosen by their scores.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Choice {
    /// So many with the greatest; 0 for all.
    Top(usize),
    /// So many with the least; 0 for all.
    Bottom(usize),
    NotTop(usize),
    NotBottom(usize),
    Above(f64),
    Below(f64),
}

/// Which series have columns of their own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Picked {
    pub score: Score,
    pub choice: Choice,
}

impl Picked {
    /// The names of those that are chosen, sorted, of series with their cells.
    fn of(self, series: BTreeMap<String, Vec<f64>>) -> Vec<String> {
        let mut ranked: Vec<(String, f64)> = series
            .into_iter()
            .map(|(name, cells)| (name, self.score.of(&cells)))
            .collect();
        let least_first = matches!(self.choice, Choice::Bottom(_) | Choice::NotBottom(_));
        ranked.sort_by(|a, b| {
            let by_score = if least_first {
                a.1.total_cmp(&b.1)
            } else {
                b.1.total_cmp(&a.1)
            };
            by_score.then_with(|| a.0.cmp(&b.0))
        });
        match self.choice {
            Choice::Top(0) | Choice::Bottom(0) => {}
            Choice::Top(most) | Choice::Bottom(most) => ranked.truncate(most),
            Choice::NotTop(first) | Choice::NotBottom(first) => {
                ranked.drain(..first.min(ranked.len()));
            }
            Choice::Above(least) => ranked.retain(|(_, score)| *score > least),
            Choice::Below(most) => ranked.retain(|(_, score)| *score < most),
        }
        let mut names: Vec<String> = ranked.into_iter().map(|(name, _)| name).collect();
        names.sort();
        names
    }
}

impl Score {
    #[expect(clippy::cast_precision_loss, reason = "a number of cells")]
    fn of(self, cells: &[f64]) -> f64 {
        let numbers = cells.iter().copied();
        match self {
            Self::Sum => numbers.sum(),
            Self::Mean if cells.is_empty() => 0.0,
            Self::Mean => numbers.sum::<f64>() / cells.len() as f64,
            Self::Least => numbers.reduce(f64::min).unwrap_or(0.0),
            Self::Greatest => numbers.reduce(f64::max).unwrap_or(0.0),
        }
    }
}

/// Groups that become a table.
pub(crate) struct Pivot<'a> {
    /// The groups.
    pub staged: &'a Staged,
    /// The field whose values are the rows.
    pub key: &'a str,
    /// The field whose values are the series.
    pub series: Option<&'a str>,
    /// What is shown of each group.
    pub aggregations: &'a [Aggregation],
    /// The series with columns of their own, if they are known.
    pub kept: Option<Vec<String>>,
    /// Otherwise, which of them have.
    pub picked: Picked,
    /// What the other series are called together, if they are shown.
    pub other: Option<&'a str>,
    /// Name of a column where there are several aggregations: `$AGG$` and `$VAL$` stand for the aggregation and the series.
    pub heading: String,
}

impl Pivot<'_> {
    /// The table, with a row for each bucket of time if these have a width.
    pub fn batch(
        &self,
        buckets: Option<BinSpan>,
        range: TimeRange,
        time: bool,
        span: Span,
    ) -> Result<RecordBatch> {
        let rows = self.staged.len();
        let (groups, group_of) = self.groups();
        let width = groups.len().saturating_mul(self.aggregations.len());
        if width > MOST_COLUMNS {
            return Err(diagnostic(
                span,
                format!("this would make {width} columns; the limit is {MOST_COLUMNS}"),
            )
            .with_help("keep fewer series with `limit=`, or filter first"));
        }
        let mut names = Names::default();
        names.of(self.key);
        // By aggregation, and among its columns by series.
        let columns: Vec<String> = self
            .aggregations
            .iter()
            .flat_map(|aggregation| groups.iter().map(move |group| (aggregation, group)))
            .map(|(aggregation, group)| names.of(&self.called(aggregation, group)))
            .collect();
        let mut keys: Vec<String> = Vec::new();
        let mut key_places: HashMap<String, usize> = HashMap::new();
        let mut cells: HashMap<(usize, usize), Vec<String>> = HashMap::new();
        for row in 0..rows {
            let Some(key) = self.staged.text(self.key, row) else {
                continue;
            };
            let place = *key_places.entry(key).or_insert_with_key(|key| {
                keys.push(key.clone());
                keys.len() - 1
            });
            let Some(group) = group_of(&self.series_of(row)) else {
                continue;
            };
            for (index, aggregation) in self.aggregations.iter().enumerate() {
                let values = self.staged.values(&aggregation.output.text, row);
                match cells.entry((place, index * groups.len() + group)) {
                    Entry::Vacant(cell) => {
                        cell.insert(values);
                    }
                    // What is not in a column of its own is added up.
                    Entry::Occupied(mut cell) => {
                        let number =
                            |values: &[String]| values.first().and_then(|text| number_of(text));
                        if let Some((a, b)) = number(cell.get()).zip(number(&values)) {
                            cell.insert(vec![format_number(a + b)]);
                        }
                    }
                }
            }
        }
        if let Some(width) = buckets {
            keys = all_buckets(&keys, width, range);
        }
        let counts = |index: usize| {
            let aggregation = self.aggregations.get(index / groups.len().max(1));
            aggregation.is_some_and(|aggregation| is_count(&aggregation.function))
        };
        let kind = |index: usize| {
            let aggregation = self.aggregations.get(index / groups.len().max(1))?;
            self.staged.data_type(&aggregation.output.text)
        };
        let key: ArrayRef = if time {
            Arc::new(
                keys.iter()
                    .map(|key| number_of(key))
                    .collect::<Float64Array>(),
            )
        } else {
            Arc::new(keys.iter().map(Some).collect::<StringArray>())
        };
        let mut fields = vec![Field::new(self.key, key.data_type().clone(), true)];
        let mut arrays = vec![key];
        for (index, name) in columns.iter().enumerate() {
            let values = keys.iter().map(|key| {
                let place = key_places.get(key);
                match place.and_then(|place| cells.get(&(*place, index))) {
                    Some(values) if !values.is_empty() => Some(values.join("\n")),
                    _ if counts(index) => Some("0".to_owned()),
                    _ => None,
                }
            });
            let column = typed(values, kind(index).as_ref());
            fields.push(Field::new(name, column.data_type().clone(), true));
            arrays.push(column);
        }
        fields.push(Field::new(hidden!("row"), DataType::UInt64, true));
        arrays.push(Arc::new(
            (0..keys.len() as u64).collect::<datafusion::arrow::array::UInt64Array>(),
        ));
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays);
        at(span, batch.map_err(Into::into))
    }

    /// The series with columns of their own by name, and whether there are others.
    pub fn kept(&self) -> (Vec<String>, bool) {
        let mut series: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        if self.series.is_some() {
            for row in 0..self.staged.len() {
                let cells = self.aggregations.iter().filter_map(|aggregation| {
                    number_of(&self.staged.text(&aggregation.output.text, row)?)
                });
                series.entry(self.series_of(row)).or_default().extend(cells);
            }
        } else {
            series.insert(String::new(), Vec::new());
        }
        if let Some(kept) = &self.kept {
            let others = series.keys().any(|name| !kept.contains(name));
            return (kept.clone(), others);
        }
        let all = series.len();
        let kept = self.picked.of(series);
        let others = kept.len() < all;
        (kept, others)
    }

    fn series_of(&self, row: usize) -> String {
        self.series
            .and_then(|field| self.staged.text(field, row))
            .unwrap_or_default()
    }

    /// The series that have columns, and among them the place of each series; `None` for those that are left out.
    fn groups(&self) -> (Vec<String>, impl Fn(&str) -> Option<usize> + use<>) {
        let (mut groups, others) = self.kept();
        let places: HashMap<String, usize> = groups
            .iter()
            .enumerate()
            .map(|(place, name)| (name.clone(), place))
            .collect();
        let other = self.other.filter(|_| others);
        groups.extend(other.map(str::to_owned));
        let rest = other.map(|_| groups.len() - 1);
        (groups, move |name| places.get(name).copied().or(rest))
    }

    /// What a column is called.
    fn called(&self, aggregation: &Aggregation, series: &str) -> String {
        if self.series.is_none() {
            aggregation.output.text.clone()
        } else if self.aggregations.len() == 1 {
            series.to_owned()
        } else {
            self.heading
                .replace("$AGG$", &aggregation.output.text)
                .replace("$VAL$", series)
        }
    }
}

/// A column of values that had this type as cells of their groups: numbers stay numbers.
fn typed(values: impl Iterator<Item = Option<String>>, kind: Option<&DataType>) -> ArrayRef {
    match kind {
        Some(DataType::Int64) => Arc::new(
            values
                .map(|value| value?.parse().ok())
                .collect::<Int64Array>(),
        ),
        Some(DataType::Float64) => Arc::new(
            values
                .map(|value| number_of(&value?))
                .collect::<Float64Array>(),
        ),
        _ => Arc::new(values.collect::<StringArray>()),
    }
}

/// The buckets between the first and the last and to the ends of the search's range, where they are of one length.
fn all_buckets(keys: &[String], width: BinSpan, range: TimeRange) -> Vec<String> {
    let seconds = match width {
        BinSpan::Number(seconds) => Some(seconds),
        BinSpan::Log { .. } => None,
        BinSpan::Time(span) => bins::seconds(span),
    };
    let Some(seconds) = seconds.filter(|seconds| *seconds > 0.0) else {
        return keys.to_vec();
    };
    let times: Vec<f64> = keys.iter().filter_map(|key| number_of(key)).collect();
    let found = times
        .iter()
        .copied()
        .reduce(f64::min)
        .zip(times.iter().copied().reduce(f64::max));
    let (mut first, mut last) = match (found, range.earliest, range.latest) {
        (Some(found), ..) => found,
        (None, Some(earliest), Some(latest)) if earliest < latest => {
            let first = (earliest / seconds).floor() * seconds;
            (first, first)
        }
        _ => return keys.to_vec(),
    };
    if let Some(earliest) = range.earliest.filter(|earliest| *earliest < first) {
        first -= ((first - earliest) / seconds).ceil() * seconds;
    }
    // The range ends before `latest`.
    if let Some(latest) = range.latest.filter(|latest| *latest > last + seconds) {
        last += (((latest - last) / seconds).ceil() - 1.0) * seconds;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "bounded by the limit"
    )]
    let steps = ((last - first) / seconds).round() as usize;
    if steps > MOST_BUCKETS {
        return keys.to_vec();
    }
    #[expect(clippy::cast_precision_loss, reason = "few steps")]
    (0..=steps)
        .map(|step| format_number(first + step as f64 * seconds))
        .collect()
}
