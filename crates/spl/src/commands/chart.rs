//! `chart`: aggregates by one field, or by two, of which the values of the second become columns. `timechart` is a chart too.
//!
//! The columns of a chart split by a field are that field's values, so its groups are run first.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::DataType;
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::error::DataFusionError;
use datafusion::functions_aggregate::expr_fn::{max, min};
use datafusion::logical_expr::{Case, Expr, LogicalPlanBuilder, SortExpr};

use super::bin::{Bin, number_of_bins, time_bin};
use crate::aggregates::{find, is_count};
use crate::expr::{Fields, Typed, plan_expr};
use crate::ops::bins;
use crate::plan::pivot::{Choice, Picked, Pivot, Score};
use crate::plan::subsearch::TimeRange;
use crate::plan::{
    Order, Plan, Planner, Result, Rows, as_value, at, cast_to, coalesce, column, diagnostic,
    is_list, nodes, null_text, text, typed,
};
use crate::syntax::Diagnostic;
use crate::syntax::ast::{self, Aggregation, AggregationArgument, BinSpan, ExprKind, Name, Span};
use crate::syntax::command::{Ledger, Part, Syntax, expressions_of, expressions_of_mut};
use crate::syntax::parse_span;
use crate::syntax::print::{list, names, options, quoted};
use crate::syntax::usage::{
    Cursor, OptionUsage, Usage, Whole, count, flag, is_on, obeyed, only, refused,
};
use crate::syntax::walk::{change_parts, visit_fields};
use crate::value::number_of;

pub(super) static COMMAND: Whole = typed::<Chart>(Usage {
    name: "chart",
    also: &[],
    syntax: "chart [<options>] <aggregation> | eval(<expression of aggregations>) [as <name>] … [over <field>] [by <field> [<field>]] [where <series>]",
    meaning: "Aggregates by one field, or by two; values of the second become columns. `where` chooses among these by the `sum`, `avg`, \
              `min` or `max` of their cells (`count`: the sum of counts): `where sum in top5`, `where max notin bottom3`, `where avg > 10`.",
    options: OPTIONS,
});

pub(super) const OPTIONS: &[OptionUsage] = &[
    obeyed("span", "Width of the ranges of time or of the first field."),
    count(
        "bins",
        "Maximum number of ranges without a span; default 100.",
    ),
    obeyed(
        "limit",
        "Maximum number of series: `5`, `top5`, `bottom5`; default 10, 0 for all. Has no meaning with `where`.",
    ),
    flag(
        "useother",
        "Whether to take the remaining series together as one; default true.",
    ),
    obeyed("otherstr", "Name of that series; default `OTHER`."),
    flag(
        "usenull",
        "Whether rows without the series field form a series; default true.",
    ),
    obeyed("nullstr", "Name of that series; default `NULL`."),
    flag("cont", "Whether to show empty time ranges; default true."),
    flag(
        "fixedrange",
        "Whether the ranges span the search's whole time range; default true.",
    ),
    obeyed(
        "sep",
        "Separator between aggregation and series in column names; default `: `.",
    ),
    obeyed(
        "format",
        "Pattern for column names, from `$AGG$` and `$VAL$`.",
    ),
    obeyed(
        "agg",
        "What of a series `limit=` goes by: `sum` (default), `avg`, `min` or `max` of its cells.",
    ),
    only(
        "partial",
        "true",
        "exclude partial ranges with `earliest=` and `latest=`",
    ),
    only(
        "dedup_splitvals",
        "false",
        "use `mvdedup` on the field first",
    ),
    obeyed("minspan", "Minimum width of an automatic span."),
    refused("start", "filter rows with `where` first"),
    refused("end", "filter rows with `where` first"),
    refused(
        "aligntime",
        "use `bin _time span=… aligntime=…` first, then `chart … by _time`",
    ),
];

/// What the names of aggregations begin with that stand in an expression.
const PART: &str = hidden!("part_of_");

/// Sums for so long a time, in seconds.
const RATES: [(&str, f64); 4] = [
    ("per_second", 1.0),
    ("per_minute", 60.0),
    ("per_hour", 3600.0),
    ("per_day", 86_400.0),
];

/// `timechart` and `chart`.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// Over time: `timechart`.
    pub time: bool,
    /// `limit=`, `useother=`, … as written, names lower case.
    pub options: Vec<(Name, String)>,
    /// `span=`.
    pub span: Option<BinSpan>,
    /// The aggregations.
    pub aggregations: Vec<Aggregation>,
    /// Expressions of aggregations.
    pub computed: Vec<Computed>,
    /// `timechart`: the field of the series. `chart`: that of the rows, then that of the series.
    pub by: Vec<Name>,
    /// `where`: which series are shown, as written.
    pub series: Option<SeriesWhere>,
}

/// `where max in top5`: which series of a chart have columns of their own.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesWhere {
    /// `sum`, `avg`, `min`, `max` or `count`.
    pub score: Name,
    /// How scores are compared.
    pub comparison: SeriesComparison,
}

/// How the scores of series are compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SeriesComparison {
    /// `in top5`, `notin top5`.
    Top {
        /// How many.
        count: usize,
        /// `notin`.
        not: bool,
    },
    /// `in bottom5`, `notin bottom5`.
    Bottom {
        /// How many.
        count: usize,
        /// `notin`.
        not: bool,
    },
    /// `> 10`.
    Above(f64),
    /// `< 10`.
    Below(f64),
}

impl fmt::Display for SeriesWhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "where {} ", self.score.text)?;
        let word = |not: bool| if not { "notin" } else { "in" };
        match self.comparison {
            SeriesComparison::Top { count, not } => write!(f, "{} top{count}", word(not)),
            SeriesComparison::Bottom { count, not } => write!(f, "{} bottom{count}", word(not)),
            SeriesComparison::Above(number) => write!(f, "> {number}"),
            SeriesComparison::Below(number) => write!(f, "< {number}"),
        }
    }
}

/// What follows `where`.
fn series_where(cursor: &mut dyn Cursor) -> Result<SeriesWhere> {
    while cursor
        .ahead()
        .starts_with(|c: char| c.is_ascii_whitespace())
    {
        cursor.return_to(cursor.place() + 1);
    }
    let (start, quoted) = (cursor.place(), cursor.ahead().starts_with(['"', '\'']));
    let mut score = cursor.name("`sum`, `avg`, `min`, `max` or `count`")?;
    // `max>10`, without blanks.
    if let Some(sign) = score.text.find(['<', '>']).filter(|_| !quoted) {
        score.text.truncate(sign);
        cursor.return_to(start + sign);
    }
    score.text = score.text.to_lowercase();
    let what = "`in top5`, `notin bottom5`, `> 10` or the like";
    let place = cursor.place();
    if cursor.eat(b'(') {
        return Err(diagnostic(
            cursor.span(place, cursor.place()),
            "the `where` of a chart is about the cells of its series",
        )
        .with_help("write `where max in top5`; filter events before the chart"));
    }
    for (sign, above) in [(b'>', true), (b'<', false)] {
        if cursor.eat(sign) {
            let number = cursor.name("a number")?;
            let Some(value) = number_of(&number.text) else {
                return Err(diagnostic(
                    number.span,
                    format!("`{}` is not a number", number.text),
                ));
            };
            return Ok(SeriesWhere {
                score,
                comparison: if above {
                    SeriesComparison::Above(value)
                } else {
                    SeriesComparison::Below(value)
                },
            });
        }
    }
    let word = cursor.name(what)?;
    let not = match word.text.to_lowercase().as_str() {
        "in" => false,
        "notin" => true,
        _ => return Err(diagnostic(word.span, format!("expected {what}"))),
    };
    let of = cursor.name("`top5` or `bottom5`")?;
    let text = of.text.to_lowercase();
    let count = |prefix: &str| text.strip_prefix(prefix)?.parse::<usize>().ok();
    let comparison = match (count("top"), count("bottom")) {
        (Some(count), _) => SeriesComparison::Top { count, not },
        (_, Some(count)) => SeriesComparison::Bottom { count, not },
        _ => {
            return Err(diagnostic(
                of.span,
                format!("`{}` is neither `top5` nor `bottom5` or the like", of.text),
            ));
        }
    };
    Ok(SeriesWhere { score, comparison })
}

/// An expression of aggregations such as `eval(avg(a)/max(b)) as x`.
#[derive(Debug, Clone, PartialEq)]
pub struct Computed {
    /// How many aggregations stand before it.
    pub place: usize,
    /// The expression, in which a call with the name of an aggregation and at most one argument is one.
    pub expr: ast::Expr,
    /// Output name: the alias, else the expression as written.
    pub output: Name,
}

impl Syntax for Chart {
    fn parse(cursor: &mut dyn Cursor, usage: &Usage) -> Result<Self> {
        let time = usage.name == "timechart";
        let (mut options, mut span) = (Vec::new(), None);
        let (mut aggregations, mut computed) = (Vec::new(), Vec::new());
        let mut by = Vec::new();
        let mut series = None;
        let mut split = false;
        while !cursor.ended() {
            let start = cursor.place();
            if let Some(option) = cursor.option_name() {
                match cursor.option(usage, &option)? {
                    Some(value) if option.text == "span" => span = Some(parse_span(&value)?),
                    Some(value) => options.push((option, value.text)),
                    None => {}
                }
                continue;
            }
            let some = !aggregations.is_empty() || !computed.is_empty();
            if some && cursor.eat_keyword("where") {
                if by.len() < if time { 1 } else { 2 } {
                    return Err(diagnostic(
                        cursor.span(start, cursor.place()),
                        "`where` chooses among series, and there is no field whose values they are",
                    )
                    .with_help("filter the rows with the command `where` after it"));
                }
                series = Some(series_where(cursor)?);
                continue;
            }
            if some && (cursor.eat_keyword("by") || !time && cursor.eat_keyword("over")) {
                split = true;
                continue;
            }
            if split {
                by.push(cursor.field("a field")?);
            } else if let Some((output, expr)) = expression(cursor)? {
                computed.push(Computed {
                    place: aggregations.len(),
                    expr,
                    output,
                });
            } else {
                cursor.return_to(start);
                aggregations.push(cursor.aggregation()?);
            }
        }
        if aggregations.is_empty() && computed.is_empty() {
            return Err(cursor.expected("an aggregation such as `count`"));
        }
        if by.len() > if time { 1 } else { 2 } {
            return Err(cursor.expected("fewer fields"));
        }
        Ok(Self {
            time,
            options,
            span,
            aggregations,
            computed,
            by,
            series,
        })
    }

    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        options(f, &self.options)?;
        if let Some(span) = self.span {
            write!(f, " span={span}")?;
        }
        let mut parts: Vec<String> = Vec::new();
        for place in 0..=self.aggregations.len() {
            let here = self.computed.iter().filter(|one| one.place == place);
            parts.extend(
                here.map(|one| format!("eval({}) AS {}", one.expr, quoted(&one.output.text))),
            );
            parts.extend(self.aggregations.get(place).map(ToString::to_string));
        }
        list(f, &parts, |f, part| f.write_str(part))?;
        if !self.by.is_empty() {
            f.write_str(" by")?;
            names(f, &self.by)?;
        }
        if let Some(series) = &self.series {
            write!(f, " {series}")?;
        }
        Ok(())
    }

    fn note(&self, ledger: &mut dyn Ledger) -> bool {
        ledger.aggregates(&self.aggregations, &[]);
        for computed in &self.computed {
            visit_fields(&computed.expr, &mut |name, span| {
                if !is_count(name) {
                    ledger.reads(name, span);
                }
            });
        }
        ledger.reads_names(&self.by);
        true
    }

    fn parts(&self) -> Vec<Part<'_>> {
        let computed = self.computed.iter().map(|one| Part::Expression(&one.expr));
        expressions_of(&self.aggregations).chain(computed).collect()
    }

    fn expressions_mut(&mut self) -> Vec<&mut ast::Expr> {
        let computed = self.computed.iter_mut().map(|one| &mut one.expr);
        expressions_of_mut(&mut self.aggregations)
            .chain(computed)
            .collect()
    }
}

impl Chart {
    /// An option's value; of several the last.
    fn option(&self, name: &str) -> Option<&str> {
        let mut written = self.options.iter().rev();
        written
            .find(|(own, _)| own.text == name)
            .map(|(_, value)| value.as_str())
    }
}

/// `eval(avg(a)/max(b)) [as x]`.
fn expression(cursor: &mut dyn Cursor) -> Result<Option<(Name, ast::Expr)>> {
    let start = cursor.place();
    let open = start + "eval".len();
    if !cursor.eat_keyword("eval") || !cursor.eat(b'(') {
        cursor.return_to(start);
        return Ok(None);
    }
    let expr = cursor.expression()?;
    if !cursor.eat(b')') {
        return Err(cursor.error("unclosed parenthesis", open, open + 1));
    }
    let written = cursor.written(start);
    let output = if cursor.eat_keyword("as") {
        cursor.column("a name after `as`")?
    } else {
        written
    };
    Ok(Some((output, expr)))
}

impl Plan for Chart {
    fn plan(&self, planner: &mut Planner<'_>, rows: Rows, span: Span) -> Result<Rows> {
        let option = |name: &str| self.option(name);
        let on = |name: &str, default: bool| self.is_on(name, default);
        let fields = self.by.iter().map(|name| name.text.clone());
        let by: Vec<String> = self
            .time
            .then(|| "_time".to_owned())
            .into_iter()
            .chain(fields)
            .collect();
        let (rows, width) = self.binned(planner, rows, span)?;
        let rows = self.split(rows, &by, span)?;
        let parts = parts(self, width)?;
        let single = rows;
        let rows = aggregated(planner, single.clone(), &parts, &by, span)?;
        let (aggregations, computed, outputs) = &parts;
        let time = self.time || width.is_some() && by.first().is_some_and(|name| name == "_time");
        if by.len() < 2 && !time {
            return Ok(rows);
        }
        let (Some(key), Some(staged)) = (by.first(), planner.stage(rows.clone(), None, span)?)
        else {
            return Ok(rows);
        };
        let picked = self.picked(span)?;
        let series = by.get(1).map(String::as_str);
        let mut table = Pivot {
            staged: &staged,
            key,
            series,
            aggregations: outputs,
            kept: None,
            picked,
            other: on("useother", true).then(|| option("otherstr").unwrap_or("OTHER")),
            heading: option("format").map_or_else(
                || format!("$AGG${}$VAL$", option("sep").unwrap_or(": ")),
                str::to_owned,
            ),
        };
        // Only counts and sums of the other series can be added up: other statistics are worked out for all of them
        // together.
        let adds = |one: &Aggregation| {
            matches!(one.function.as_str(), "sum" | "sumsq") || is_count(&one.function)
        };
        let together;
        if let (Some(series), Some(_)) = (series, table.other)
            && !(computed.is_empty() && aggregations.iter().all(adds))
            && let (kept, true) = table.kept()
        {
            let is_kept =
                column(series).in_list(kept.iter().map(|name| text(name.clone())).collect(), false);
            let merged = Expr::Case(Case::new(
                None,
                vec![(Box::new(is_kept), Box::new(column(series)))],
                Some(Box::new(text(hidden!("other")))),
            ));
            let merged = at(span, single.set(vec![(series.to_owned(), merged)]))?;
            let merged = aggregated(planner, merged, &parts, &by, span)?;
            together = planner.stage(merged, None, span)?;
            if let Some(together) = &together {
                table.staged = together;
                table.kept = Some(kept);
            }
        }
        let buckets = if time && on("cont", true) {
            width
        } else {
            None
        };
        let range = if self.time && on("fixedrange", true) {
            planner.range
        } else {
            TimeRange::default()
        };
        let batch = table.batch(buckets, range, time, span)?;
        at(span, table_rows(batch))
    }
}

impl Chart {
    /// The rows with the first field, or the time, in ranges, and the width of these.
    fn binned(
        &self,
        planner: &mut Planner<'_>,
        rows: Rows,
        span: Span,
    ) -> Result<(Rows, Option<BinSpan>)> {
        let option = |name: &str| self.option(name);
        let mut rows = rows;
        let mut width = self.span;
        if self.time {
            let Some(time) = rows.field("_time") else {
                return Err(diagnostic(
                    span,
                    "`timechart` needs `_time`, which the rows do not have",
                ));
            };
            if width.is_none() {
                width = Some(self.time_width(planner, &rows, span)?);
            }
            let binned = time_bin(time, width.unwrap_or(BinSpan::Number(60.0)), span)?;
            rows = at(span, rows.set(vec![("_time".to_owned(), binned)]))?;
        } else if let (None, Some(first)) = (width, self.by.first())
            && (option("bins").is_some() || option("minspan").is_some())
        {
            let written = |name: &str| {
                option(name).map(|value| Name {
                    text: value.to_owned(),
                    span,
                })
            };
            let bin = Bin {
                field: first.clone(),
                span: None,
                bins: written("bins")
                    .map(|bins| number_of_bins(&bins))
                    .transpose()?,
                min_span: written("minspan")
                    .map(|least| parse_span(&least))
                    .transpose()?,
                start: None,
                end: None,
                align: None,
                output: None,
            };
            rows = bin.plan(planner, rows, span)?;
        } else if let (Some(width), Some(first)) = (width, self.by.first()) {
            let name = first.text.clone();
            if let Some(value) = rows.field(&name) {
                let binned = match width {
                    BinSpan::Number(width) if name != "_time" => bins::number_bin(value, width),
                    BinSpan::Log { coefficient, base } if name != "_time" => {
                        bins::log_bin(value, coefficient, base)
                    }
                    width => time_bin(value, width, span)?,
                };
                rows = at(span, rows.set(vec![(name, binned)]))?;
            }
        }
        Ok((rows, width))
    }

    /// The width of the ranges of time that gives as many as are asked for.
    fn time_width(&self, planner: &mut Planner<'_>, rows: &Rows, span: Span) -> Result<BinSpan> {
        let option = |name: &str| self.option(name);
        let most = match option("bins") {
            None => 100,
            Some(bins) => number_of_bins(&Name {
                text: bins.to_owned(),
                span,
            })?,
        };
        let least = match option("minspan") {
            None => 0.0,
            Some(least) => {
                let text = Name {
                    text: least.to_owned(),
                    span,
                };
                match parse_span(&text)? {
                    BinSpan::Time(least) => bins::seconds(least).unwrap_or(2_678_400.0),
                    BinSpan::Number(least) => least,
                    BinSpan::Log { .. } => {
                        return Err(diagnostic(span, "`minspan=` is a length of time"));
                    }
                }
            }
        };
        time_width(planner, rows, most, least, span)
    }

    /// The rows that have a value of the first field, one for each series that they belong to.
    fn split(&self, rows: Rows, by: &[String], span: Span) -> Result<Rows> {
        let mut rows = rows;
        for (index, name) in by.iter().enumerate() {
            // A row with several values belongs to several series.
            if index > 0
                && rows
                    .field(name)
                    .is_some_and(|value| is_list(&value.data_type))
            {
                rows = at(span, rows.one_for_each(name))?;
            }
            let value = rows.field(name).unwrap_or(Typed {
                expr: null_text(),
                data_type: DataType::Utf8,
            });
            if index == 0 {
                rows = at(span, rows.set(vec![(name.clone(), value.expr.clone())]))?;
                rows = at(span, rows.filter(value.expr.is_not_null()))?;
            } else {
                let null = text(self.option("nullstr").unwrap_or("NULL"));
                let value = cast_to(value, &DataType::Utf8);
                let value = if self.is_on("usenull", true) {
                    coalesce(vec![value, null])
                } else {
                    rows = at(span, rows.filter(value.clone().is_not_null()))?;
                    value
                };
                rows = at(span, rows.set(vec![(name.clone(), value)]))?;
            }
        }
        Ok(rows)
    }

    /// Which series have columns of their own.
    fn picked(&self, span: Span) -> Result<Picked> {
        let Some(series) = &self.series else {
            let (limit, least) = self.limit(span)?;
            return Ok(Picked {
                score: match self.option("agg") {
                    None => Score::Sum,
                    Some(agg) => self.score(agg, span)?,
                },
                choice: match least {
                    true => Choice::Bottom(limit),
                    false => Choice::Top(limit),
                },
            });
        };
        Ok(Picked {
            score: self.score(&series.score.text, series.score.span)?,
            choice: match series.comparison {
                SeriesComparison::Top { count, not: false } => Choice::Top(count),
                SeriesComparison::Top { count, not: true } => Choice::NotTop(count),
                SeriesComparison::Bottom { count, not: false } => Choice::Bottom(count),
                SeriesComparison::Bottom { count, not: true } => Choice::NotBottom(count),
                SeriesComparison::Above(number) => Choice::Above(number),
                SeriesComparison::Below(number) => Choice::Below(number),
            },
        })
    }

    /// What series are compared by.
    fn score(&self, name: &str, span: Span) -> Result<Score> {
        let counts = self.computed.is_empty()
            && self
                .aggregations
                .iter()
                .all(|aggregation| is_count(&aggregation.function));
        match name.to_lowercase().as_str() {
            "sum" => Ok(Score::Sum),
            "avg" | "mean" => Ok(Score::Mean),
            "min" => Ok(Score::Least),
            "max" => Ok(Score::Greatest),
            "count" | "c" if counts => Ok(Score::Sum),
            _ => Err(diagnostic(
                span,
                format!("series are not compared by `{name}`"),
            )
            .with_help("compare `sum`, `avg`, `min` or `max` of their cells; `count` where the chart counts")),
        }
    }

    /// Most series, and whether those with the least are kept.
    fn limit(&self, span: Span) -> Result<(usize, bool)> {
        let written = self.option("limit").map(str::trim);
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
        Ok((limit, least))
    }

    fn is_on(&self, name: &str, default: bool) -> bool {
        self.option(name).map_or(default, is_on)
    }
}

/// The rows of a table that is made.
fn table_rows(batch: RecordBatch) -> std::result::Result<Rows, DataFusionError> {
    let names: Vec<String> = batch
        .schema()
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect();
    let provider = MemTable::try_new(batch.schema(), vec![vec![batch]])?;
    let source = provider_as_source(Arc::new(provider));
    let plan = LogicalPlanBuilder::scan("chart", source, None)?
        .project(names.iter().map(|name| column(name).alias(name)))?
        .build()?;
    Ok(Rows {
        plan,
        order: Order::Keys(vec![SortExpr::new(column(hidden!("row")), true, false)]),
        empty: false,
        open: false,
    })
}

/// The groups with their aggregations and the expressions of these.
fn aggregated(
    planner: &mut Planner<'_>,
    rows: Rows,
    (aggregations, computed, outputs): &Parts,
    by: &[String],
    span: Span,
) -> Result<Rows> {
    let rows = planner.aggregate(rows, aggregations, by, span)?;
    if computed.is_empty() {
        return Ok(rows);
    }
    let mut set = Vec::new();
    for (name, expr) in computed {
        let value = as_value(plan_expr(expr, &rows, &planner.context)?);
        set.push((name.clone(), value.expr));
    }
    let rows = at(span, rows.set(set))?;
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
    at(span, rows.reshape(shown))
}

/// The span that gives at most so many buckets, each so many seconds long or longer.
fn time_width(
    planner: &mut Planner<'_>,
    rows: &Rows,
    most: u64,
    least: f64,
    span: Span,
) -> Result<BinSpan> {
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
    let range = planner.stage(range, None, span)?;
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
                        if args.len() <= 1 && find(name).is_some() =>
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
                Ok::<_, Diagnostic>(())
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
                format!("`{}` needs equal ranges, and months vary", own.function),
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
