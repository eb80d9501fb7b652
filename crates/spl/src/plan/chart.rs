//! `chart`, `timechart`.
//!
//! The columns of a chart split by a field are that field's values, so its groups are run first.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, SortExpr};

use super::nodes;
use super::stage::Staged;
use super::subsearch::TimeRange;
use super::{
    MOST_COLUMNS, Names, Order, Planner, Result, Rows, as_value, at, cast_to, coalesce, column,
    diagnostic, text,
};
use crate::aggregates::is_count;
use crate::expr::{Fields, Typed, plan_expr};
use crate::ops::bins;
use crate::syntax::ast::{
    self, Aggregation, AggregationArgument, BinSpan, Chart, ExprKind, Name, Span,
};
use crate::syntax::usage::is_on;
use crate::syntax::walk::change_parts;
use crate::value::{format_number, number_of};

/// What the names of aggregations begin with that stand in an expression.
const PART: &str = "__part_of_";

/// Sums for so long a time, in seconds.
const RATES: [(&str, f64); 4] = [
    ("per_second", 1.0),
    ("per_minute", 60.0),
    ("per_hour", 3600.0),
    ("per_day", 86_400.0),
];

/// More buckets of time than these are not made.
const MOST_BUCKETS: usize = 50_000;

impl Planner<'_> {
    pub(crate) fn chart(&mut self, rows: Rows, chart: &Chart, span: Span) -> Result<Rows> {
        let option = |name: &str| {
            chart
                .options
                .iter()
                .rev()
                .find(|(own, _)| own.text == name)
                .map(|(_, value)| value.as_str())
        };
        let on = |name: &str, default: bool| option(name).map_or(default, is_on);
        let mut rows = rows;
        let mut by: Vec<String> = chart.by.iter().map(|name| name.text.clone()).collect();
        let mut width = chart.span;
        if chart.time {
            by.insert(0, "_time".to_owned());
            let Some(time) = rows.field("_time") else {
                return Err(diagnostic(
                    span,
                    "`timechart` needs `_time`, which the rows do not have",
                ));
            };
            if width.is_none() {
                let most = match option("bins") {
                    None => 100,
                    Some(bins) => bins
                        .parse()
                        .map_err(|_| diagnostic(span, format!("`bins={bins}` is not a number")))?,
                };
                let least = match option("minspan") {
                    None => 0.0,
                    Some(least) => {
                        let text = Name {
                            text: least.to_owned(),
                            span,
                        };
                        match crate::syntax::parse_span(&text)? {
                            BinSpan::Time(least) => bins::seconds(least).unwrap_or(2_678_400.0),
                            BinSpan::Number(least) => least,
                            BinSpan::Log { .. } => {
                                return Err(diagnostic(span, "`minspan=` is a length of time"));
                            }
                        }
                    }
                };
                width = Some(self.time_width(&rows, most, least, span)?);
            }
            let binned =
                crate::commands::bin::time_bin(time, width.unwrap_or(BinSpan::Number(60.0)), span)?;
            rows = at(span, rows.set(vec![("_time".to_owned(), binned)]))?;
        } else if let (Some(width), Some(first)) = (width, by.first()) {
            let name = first.clone();
            if let Some(value) = rows.field(&name) {
                let binned = match width {
                    BinSpan::Number(width) if name != "_time" => bins::number_bin(value, width),
                    BinSpan::Log { coefficient, base } if name != "_time" => {
                        bins::log_bin(value, coefficient, base)
                    }
                    width => crate::commands::bin::time_bin(value, width, span)?,
                };
                rows = at(span, rows.set(vec![(name, binned)]))?;
            }
        }
        for (index, name) in by.iter().enumerate() {
            let value = rows.field(name).unwrap_or(Typed {
                expr: super::null_text(),
                data_type: DataType::Utf8,
            });
            if index == 0 {
                rows = at(span, rows.set(vec![(name.clone(), value.expr.clone())]))?;
                rows = at(span, rows.filter(value.expr.is_not_null()))?;
            } else {
                let null = text(option("nullstr").unwrap_or("NULL"));
                let value = cast_to(value, &DataType::Utf8);
                let value = if on("usenull", true) {
                    coalesce(vec![value, null])
                } else {
                    rows = at(span, rows.filter(value.clone().is_not_null()))?;
                    value
                };
                rows = at(span, rows.set(vec![(name.clone(), value)]))?;
            }
        }
        let (aggregations, computed, outputs) = parts(chart, width)?;
        let mut rows = self.aggregate(rows, &aggregations, &by, span)?;
        if !computed.is_empty() {
            let mut set = Vec::new();
            for (name, expr) in &computed {
                let value = as_value(plan_expr(expr, &rows, &self.context)?);
                set.push((name.clone(), value.expr));
            }
            rows = at(span, rows.set(set))?;
            let shown = by
                .iter()
                .chain(outputs.iter().map(|output| &output.output.text));
            let shown: Vec<(String, Expr)> = shown
                .map(|name| (name.clone(), column(name)))
                .chain(
                    rows.hidden()
                        .into_iter()
                        .filter(|(name, _)| !name.starts_with(PART)),
                )
                .collect();
            rows = at(span, rows.reshape(shown))?;
        }
        if by.len() < 2 && !chart.time {
            return Ok(rows);
        }
        let Some(staged) = self.stage(rows.clone(), None, span)? else {
            return Ok(rows);
        };
        let written = option("limit").map(str::trim);
        let least = written.is_some_and(|limit| limit.starts_with("bottom"));
        let number = |limit: &'_ str| {
            let limit = limit.strip_prefix("top").unwrap_or(limit);
            limit
                .strip_prefix("bottom")
                .unwrap_or(limit)
                .trim()
                .to_owned()
        };
        let limit = match written.map(number) {
            None => 10,
            Some(limit) => limit
                .parse()
                .map_err(|_| diagnostic(span, format!("`limit={limit}` is not a number")))?,
        };
        let table = Pivot {
            staged: &staged,
            key: &by[0],
            series: by.get(1).map(String::as_str),
            aggregations: &outputs,
            limit,
            least,
            other: on("useother", true).then(|| option("otherstr").unwrap_or("OTHER")),
            heading: option("format").map_or_else(
                || format!("$AGG${}$VAL$", option("sep").unwrap_or(": ")),
                str::to_owned,
            ),
        };
        let buckets = if chart.time && on("cont", true) {
            width
        } else {
            None
        };
        let range = if on("fixedrange", true) {
            self.range
        } else {
            TimeRange::default()
        };
        let batch = table.batch(buckets, range, chart.time, span)?;
        let names: Vec<String> = batch
            .schema()
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect();
        let provider = at(
            span,
            datafusion::datasource::MemTable::try_new(batch.schema(), vec![vec![batch]]),
        )?;
        let source = datafusion::datasource::provider_as_source(Arc::new(provider));
        let plan = LogicalPlanBuilder::scan("chart", source, None).and_then(|plan| {
            plan.project(names.iter().map(|name| column(name).alias(name)))?
                .build()
        });
        Ok(Rows {
            plan: at(span, plan)?,
            order: Order::Keys(vec![SortExpr::new(column("__row"), true, false)]),
            empty: false,
            open: false,
        })
    }

    /// The span that gives at most so many buckets, each so many seconds long or longer.
    fn time_width(&mut self, rows: &Rows, most: u64, least: f64, span: Span) -> Result<BinSpan> {
        use datafusion::functions_aggregate::expr_fn::{max, min};
        let time = column("_time");
        let plan = nodes::aggregate(
            rows.plan.clone(),
            Vec::new(),
            vec![min(time.clone()).alias("first"), max(time).alias("last")],
        );
        let range = Rows {
            plan: at(span, plan)?,
            order: Order::AsIs,
            empty: false,
            open: false,
        };
        let range = self.stage(range, None, span)?;
        let number = |name: &str| {
            range
                .as_ref()
                .and_then(|range| range.text(name, 0))
                .and_then(|text| number_of(&text))
                .unwrap_or(0.0)
        };
        let length = number("last") - number("first");
        Ok(BinSpan::Time(bins::time_width(length, most, least)))
    }
}

type Parts = (Vec<Aggregation>, Vec<(String, ast::Expr)>, Vec<Aggregation>);

/// The aggregations of a chart with those that its expressions are made of, these expressions with fields in their places, and
/// what is shown, in order.
fn parts(chart: &Chart, width: Option<BinSpan>) -> Result<Parts> {
    let mut aggregations = Vec::new();
    let mut computed = Vec::new();
    let mut outputs = Vec::new();
    let part = |aggregations: &mut Vec<Aggregation>, function: &str, argument, span| {
        let name = format!("{PART}{}", aggregations.len());
        aggregations.push(Aggregation {
            function: function.to_owned(),
            span,
            argument,
            output: Name {
                text: name.clone(),
                span,
            },
        });
        ExprKind::Field(name)
    };
    let shown = |output: &Name| Aggregation {
        function: "eval".to_owned(),
        span: output.span,
        argument: None,
        output: output.clone(),
    };
    for place in 0..=chart.aggregations.len() {
        for one in chart.computed.iter().filter(|one| one.place == place) {
            let mut expr = one.expr.clone();
            change_parts(&mut expr, &mut |inner| {
                let span = inner.span;
                match &mut inner.kind {
                    ExprKind::Call { name, args, .. }
                        if args.len() <= 1 && crate::aggregates::find(name).is_some() =>
                    {
                        let argument = args.pop().map(|argument| match argument.kind {
                            ExprKind::Field(text) => AggregationArgument::Field(Name {
                                text,
                                span: argument.span,
                            }),
                            _ => AggregationArgument::Eval(argument),
                        });
                        let name = std::mem::take(name);
                        inner.kind = part(&mut aggregations, &name, argument, span);
                    }
                    ExprKind::Field(name) if is_count(name) => {
                        inner.kind = part(&mut aggregations, "count", None, span);
                    }
                    _ => {}
                }
                Ok::<_, super::Diagnostic>(())
            })?;
            computed.push((one.output.text.clone(), expr));
            outputs.push(shown(&one.output));
        }
        let Some(own) = chart.aggregations.get(place) else {
            continue;
        };
        let rate = RATES.iter().find(|(name, _)| *name == own.function);
        let Some((_, unit)) = rate.filter(|_| chart.time) else {
            aggregations.push(own.clone());
            outputs.push(own.clone());
            continue;
        };
        let seconds = match width {
            Some(BinSpan::Time(span)) => bins::seconds(span),
            Some(BinSpan::Number(seconds)) => Some(seconds),
            _ => None,
        };
        let Some(seconds) = seconds else {
            return Err(diagnostic(
                own.span,
                format!(
                    "`{}` needs ranges of one length: months differ",
                    own.function
                ),
            ));
        };
        let span = own.span;
        let kind = part(&mut aggregations, "sum", own.argument.clone(), span);
        let expr = |kind| Box::new(ast::Expr { kind, span });
        let rate = ExprKind::Binary {
            op: ast::BinaryOp::Divide,
            left: expr(kind),
            right: expr(ExprKind::Number(seconds / unit)),
        };
        computed.push((own.output.text.clone(), *expr(rate)));
        outputs.push(shown(&own.output));
    }
    Ok((aggregations, computed, outputs))
}

/// Groups that become a table.
struct Pivot<'a> {
    staged: &'a Staged,
    key: &'a str,
    series: Option<&'a str>,
    aggregations: &'a [Aggregation],
    limit: usize,
    /// The series with the least sums have columns of their own, not those with the greatest.
    least: bool,
    other: Option<&'a str>,
    /// Name of a column where there are several aggregations: `$AGG$` and `$VAL$` stand for the aggregation and the series.
    heading: String,
}

impl Pivot<'_> {
    fn batch(
        &self,
        buckets: Option<BinSpan>,
        range: TimeRange,
        time: bool,
        span: Span,
    ) -> Result<RecordBatch> {
        let rows = self.staged.len();
        let series_of = |row| match self.series {
            None => String::new(),
            Some(field) => self.staged.text(field, row).unwrap_or_default(),
        };
        let (groups, group_of) = self.groups(&series_of);
        let width = groups.len().saturating_mul(self.aggregations.len());
        if width > MOST_COLUMNS {
            return Err(diagnostic(
                span,
                format!("this would make {width} columns; {MOST_COLUMNS} are the most"),
            )
            .with_help("keep fewer series with `limit=`, or with a condition before"));
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
            let Some(group) = group_of(&series_of(row)) else {
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
            fields.push(Field::new(name, DataType::Utf8, true));
            arrays.push(Arc::new(values.collect::<StringArray>()));
        }
        fields.push(Field::new("__row", DataType::UInt64, true));
        arrays.push(Arc::new(
            (0..keys.len() as u64).collect::<datafusion::arrow::array::UInt64Array>(),
        ));
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays);
        at(span, batch.map_err(Into::into))
    }

    /// The series that have columns, and among them the place of each series; `None` for those that are left out.
    fn groups(
        &self,
        series_of: &dyn Fn(usize) -> String,
    ) -> (Vec<String>, impl Fn(&str) -> Option<usize>) {
        // The series with the greatest sums have columns of their own.
        let mut sums: BTreeMap<String, f64> = BTreeMap::new();
        if self.series.is_some() {
            for row in 0..self.staged.len() {
                let sum = self.aggregations.iter().filter_map(|aggregation| {
                    number_of(&self.staged.text(&aggregation.output.text, row)?)
                });
                *sums.entry(series_of(row)).or_default() += sum.sum::<f64>();
            }
        } else {
            sums.insert(String::new(), 0.0);
        }
        let all = sums.len();
        let mut ranked: Vec<(String, f64)> = sums.into_iter().collect();
        ranked.sort_by(|a, b| {
            let by_sum = if self.least {
                a.1.total_cmp(&b.1)
            } else {
                b.1.total_cmp(&a.1)
            };
            by_sum.then_with(|| a.0.cmp(&b.0))
        });
        if self.limit > 0 {
            ranked.truncate(self.limit);
        }
        let mut groups: Vec<String> = ranked.into_iter().map(|(name, _)| name).collect();
        groups.sort();
        let places: HashMap<String, usize> = groups
            .iter()
            .enumerate()
            .map(|(place, name)| (name.clone(), place))
            .collect();
        let other = self.other.filter(|_| groups.len() < all);
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
        reason = "compared with the most that there may be"
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
