//! `bin` (also `bucket`): groups numbers and times into ranges.

use std::fmt;

use datafusion::arrow::datatypes::DataType;
use datafusion::functions_aggregate::min_max::{max_udaf, min_udaf};
use datafusion::logical_expr::{Expr, WindowFunctionDefinition, lit};

use crate::expr::{Fields, Typed};
use crate::ops::bins;
use crate::plan::running::over_all;
use crate::plan::{Plan, Planner, Result, Rows, at, cast_to, column, diagnostic, null_if, typed};
use crate::syntax::ast::{BinSpan, Name, Span};
use crate::syntax::command::{Ledger, Syntax};
use crate::syntax::parse_span;
use crate::syntax::print::quoted;
use crate::syntax::usage::{Cursor, Usage, Whole, count, obeyed, single, whole_number};

pub(super) static COMMAND: Whole = typed::<Bin>(Usage {
    name: "bin",
    also: &["bucket"],
    syntax: "bin [<options>] <field> [as <name>]",
    meaning: "Groups numbers and times into ranges.",
    options: &[
        obeyed(
            "span",
            "Width of a range: a number, a duration such as `5m`, or `2log10`.",
        ),
        count(
            "bins",
            "Maximum number of ranges without a span; default 100.",
        ),
        obeyed("minspan", "Minimum width of an automatic span."),
        obeyed("start", "Drops values below."),
        obeyed("end", "Drops values above."),
        obeyed(
            "aligntime",
            "Where time ranges begin: `earliest`, `latest`, or a time. Ranges of a day or more begin at midnight.",
        ),
    ],
});

/// `bin`.
#[derive(Debug, Clone, PartialEq)]
pub struct Bin {
    /// The field to group.
    pub field: Name,
    /// `span=`.
    pub span: Option<BinSpan>,
    /// `bins=`: maximum number of ranges without a span.
    pub bins: Option<u64>,
    /// `minspan=`: minimum width of an automatic span.
    pub min_span: Option<BinSpan>,
    /// `start=`: drops values below.
    pub start: Option<f64>,
    /// `end=`: drops values above.
    pub end: Option<f64>,
    /// `aligntime=`: where time ranges begin; `earliest`, `latest`, or a time.
    pub align: Option<Name>,
    /// `as`.
    pub output: Option<Name>,
}

/// Default maximum number of bins for `bin field`.
const DEFAULT_BINS: u64 = 100;
/// Columns with the smallest and the largest value of all rows.
const LEAST: &str = hidden!("least");
const MOST: &str = hidden!("most");

impl Syntax for Bin {
    fn parse(cursor: &mut dyn Cursor, usage: &Usage) -> Result<Self> {
        let (mut field, mut output) = (None, None);
        let (mut span, mut bins, mut min_span) = (None, None, None);
        let (mut start, mut end, mut align) = (None, None, None);
        while !cursor.ended() {
            if let Some(option) = cursor.option_name() {
                let Some(value) = cursor.option(usage, &option)? else {
                    continue;
                };
                match option.text.as_str() {
                    "span" => span = Some(parse_span(&value)?),
                    "bins" => bins = Some(number_of_bins(&value)?),
                    "minspan" => min_span = Some(parse_span(&value)?),
                    "start" => start = Some(number("start", &value)?),
                    "end" => end = Some(number("end", &value)?),
                    _ => align = Some(value),
                }
            } else if field.is_some() && output.is_none() && cursor.eat_keyword("as") {
                output = Some(cursor.single_name("a name after `as`")?);
            } else if field.is_none() {
                field = Some(single(cursor.name("a field")?)?);
            } else {
                return Err(cursor.expected("the end of the command (`bin` takes one field)"));
            }
        }
        match field {
            Some(field) => Ok(Self {
                field,
                span,
                bins,
                min_span,
                start,
                end,
                align,
                output,
            }),
            None => Err(cursor.expected("a field")),
        }
    }

    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(span) = self.span {
            write!(f, " span={span}")?;
        }
        if let Some(bins) = self.bins {
            write!(f, " bins={bins}")?;
        }
        if let Some(span) = self.min_span {
            write!(f, " minspan={span}")?;
        }
        for (name, limit) in [("start", self.start), ("end", self.end)] {
            if let Some(limit) = limit {
                write!(f, " {name}={limit}")?;
            }
        }
        if let Some(align) = &self.align {
            write!(f, " aligntime={}", quoted(&align.text))?;
        }
        write!(f, " {}", quoted(&self.field.text))?;
        self.output
            .as_ref()
            .map_or(Ok(()), |output| write!(f, " AS {}", quoted(&output.text)))
    }

    fn note(&self, ledger: &mut dyn Ledger) -> bool {
        ledger.reads_names([&self.field]);
        if let Some(output) = &self.output {
            ledger.makes(&output.text);
        }
        false
    }

    fn needs_rows(&self) -> bool {
        true
    }
}

/// The value of `bins=`.
pub(super) fn number_of_bins(value: &Name) -> Result<u64> {
    match whole_number("bins", value)? {
        0 => Err(diagnostic(value.span, "`bins` is at least 1")),
        bins => Ok(bins),
    }
}

/// The number that is the value of an option.
fn number(option: &str, value: &Name) -> Result<f64> {
    match value.text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        _ => Err(diagnostic(
            value.span,
            format!("`{option}` must be a number, not `{}`", value.text),
        )),
    }
}

impl Plan for Bin {
    fn plan(&self, planner: &mut Planner<'_>, rows: Rows, span: Span) -> Result<Rows> {
        let name = &self.field.text;
        let Some(value) = rows.field(name) else {
            return Ok(rows);
        };
        let output = self
            .output
            .as_ref()
            .map_or_else(|| name.clone(), |output| output.text.clone());
        let binned = match (name.as_str(), self.span) {
            (_, None) if self.align.is_none() => {
                return bins(planner, rows, self, value, output, span);
            }
            ("_time", Some(width)) | (_, Some(width @ BinSpan::Time(_)))
                if self.align.is_some() =>
            {
                return aligned(planner, rows, self, value, width, &output, span);
            }
            _ if self.align.is_some() => {
                return Err(diagnostic(
                    self.field.span,
                    "`aligntime=` of `bin` goes with a `span=` of time, such as `1h`",
                ));
            }
            (_, None) => return Ok(rows),
            ("_time", Some(width)) | (_, Some(width @ BinSpan::Time(_))) => {
                time_bin(value.clone(), width, self.field.span)?
            }
            (_, Some(BinSpan::Number(width))) if width > 0.0 => {
                bins::number_bin(value.clone(), width)
            }
            (_, Some(BinSpan::Number(_))) => {
                return Err(diagnostic(
                    self.field.span,
                    "the span of `bin` must be more than 0",
                ));
            }
            (_, Some(BinSpan::Log { coefficient, base })) => {
                bins::log_bin(value.clone(), coefficient, base)
            }
        };
        let data_type = if name == "_time" || matches!(self.span, Some(BinSpan::Time(_))) {
            DataType::Float64
        } else {
            DataType::Utf8
        };
        let binned = Typed {
            expr: binned,
            data_type,
        };
        at(span, rows.set(vec![(output, within(self, value, binned))]))
    }
}

/// `bin` without a span: it depends on the data.
fn bins(
    planner: &mut Planner<'_>,
    rows: Rows,
    bin: &Bin,
    value: Typed,
    output: String,
    span: Span,
) -> Result<Rows> {
    let most = bin.bins.unwrap_or(DEFAULT_BINS);
    let of_time = bin.field.text == "_time";
    let width = match bin.min_span {
        None => 0.0,
        Some(BinSpan::Number(width)) => width,
        Some(BinSpan::Time(width)) => bins::seconds(width).unwrap_or(2_678_400.0),
        Some(BinSpan::Log { .. }) => {
            return Err(diagnostic(
                bin.field.span,
                "`minspan=` of `bin` is a number or a length of time",
            ));
        }
    };
    let names = rows.all_names();
    let number = cast_to(value.clone(), &DataType::Float64);
    let windows = vec![
        over_all(
            WindowFunctionDefinition::AggregateUDF(min_udaf()),
            number.clone(),
        )
        .alias(LEAST),
        over_all(WindowFunctionDefinition::AggregateUDF(max_udaf()), number).alias(MOST),
    ];
    let limit = |given: Option<f64>, name: &str| match given {
        Some(number) => lit(number),
        None => column(name),
    };
    let (least, greatest) = (limit(bin.start, LEAST), limit(bin.end, MOST));
    let binned = if of_time {
        let time = Typed {
            expr: cast_to(value.clone(), &DataType::Float64),
            data_type: DataType::Float64,
        };
        Typed {
            expr: bins::time_bins(time, least, greatest, most, width),
            data_type: DataType::Float64,
        }
    } else {
        Typed {
            expr: bins::number_bins(value.clone(), least, greatest, most, width),
            data_type: DataType::Utf8,
        }
    };
    let binned = within(bin, value, binned);
    planner.beside(rows, windows, &names, vec![(output, binned)], span)
}

/// `bin _time span=… aligntime=…`.
fn aligned(
    planner: &mut Planner<'_>,
    rows: Rows,
    bin: &Bin,
    value: Typed,
    width: BinSpan,
    output: &str,
    span: Span,
) -> Result<Rows> {
    let place = bin.align.as_ref().map_or(bin.field.span, |name| name.span);
    let align = bin.align.as_ref().map_or("", |name| name.text.as_str());
    let seconds = match width {
        BinSpan::Time(width) => bins::seconds(width),
        BinSpan::Number(width) => Some(width),
        BinSpan::Log { .. } => None,
    };
    // Splunk, too, ignores it for ranges of a day or longer.
    let time = Typed {
        expr: cast_to(value, &DataType::Float64),
        data_type: DataType::Float64,
    };
    let set = |binned: Expr| {
        let data_type = DataType::Float64;
        let binned = Typed {
            expr: binned,
            data_type,
        };
        vec![(output.to_owned(), within(bin, time.clone(), binned))]
    };
    let Some(seconds) = seconds.filter(|seconds| *seconds < 86_400.0) else {
        let binned = time_bin(time.clone(), width, bin.field.span)?;
        return at(span, rows.set(set(binned)));
    };
    let names = rows.all_names();
    let end = match align {
        "earliest" => Some((min_udaf(), LEAST)),
        "latest" => Some((max_udaf(), MOST)),
        _ => None,
    };
    match end {
        Some((function, name)) => {
            let window = over_all(
                WindowFunctionDefinition::AggregateUDF(function),
                time.expr.clone(),
            )
            .alias(name);
            let binned = bins::aligned_bin(time.clone(), column(name), seconds);
            planner.beside(rows, vec![window], &names, set(binned), span)
        }
        None => {
            let origin =
                crate::clause::time_modifier(align, &planner.context).ok_or_else(|| {
                    diagnostic(
                        place,
                        format!(
                            "`{align}` is not a time: write `earliest`, `latest`, seconds since 1970, or a \
                             modifier such as `@d+3h`"
                        ),
                    )
                })?;
            let binned = bins::aligned_bin(time.clone(), lit(origin), seconds);
            at(span, rows.set(set(binned)))
        }
    }
}

/// The range of a value, or NULL for values outside of `start=` and `end=`.
fn within(bin: &Bin, value: Typed, binned: Typed) -> Expr {
    if bin.start.is_none() && bin.end.is_none() {
        return binned.expr;
    }
    let number = cast_to(value, &DataType::Float64);
    let below = bin.start.map(|start| number.clone().lt(lit(start)));
    let above = bin.end.map(|end| number.gt(lit(end)));
    match below.into_iter().chain(above).reduce(Expr::or) {
        Some(outside) => null_if(outside, binned),
        None => binned.expr,
    }
}

/// The start of the range that contains a time.
pub(crate) fn time_bin(value: Typed, width: BinSpan, place: Span) -> Result<Expr> {
    let value = Typed {
        expr: cast_to(value, &DataType::Float64),
        data_type: DataType::Float64,
    };
    match width {
        BinSpan::Time(width) if width.amount > 0 => Ok(bins::time_bin(value, width)),
        BinSpan::Number(seconds) if seconds > 0.0 => Ok(bins::floor_bin(value, seconds)),
        _ => Err(diagnostic(place, "the span of `bin` must be more than 0")),
    }
}
