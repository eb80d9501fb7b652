//! `bin` (also `bucket`): puts numbers and times into ranges.

use datafusion::arrow::datatypes::DataType;
use datafusion::functions_aggregate::min_max::{max_udaf, min_udaf};
use datafusion::logical_expr::{Expr, WindowFunctionDefinition, lit};

use super::running::over_all;
use super::{Planner, Result, Rows, at, cast_to, column, diagnostic, null_if};
use crate::expr::{Fields, Typed};
use crate::ops::bins;
use crate::syntax::ast::{Bin, BinSpan, Span};

/// How many bins `bin field` makes at most if it says nothing else.
const DEFAULT_BINS: u64 = 100;
/// Columns with the least and the greatest value of all rows.
const LEAST: &str = "__least";
const MOST: &str = "__most";

impl Planner<'_> {
    pub(super) fn bin(&mut self, rows: Rows, bin: &Bin, span: Span) -> Result<Rows> {
        let name = &bin.field.text;
        let Some(value) = rows.field(name) else {
            return Ok(rows);
        };
        let output = bin
            .output
            .as_ref()
            .map_or_else(|| name.clone(), |output| output.text.clone());
        let binned = match (name.as_str(), bin.span) {
            (_, None) => return self.bins(rows, bin, value, output, span),
            ("_time", Some(width)) if bin.align.is_some() => {
                return self.aligned(rows, bin, value, width, output, span);
            }
            ("_time", Some(width)) | (_, Some(width @ BinSpan::Time(_))) => {
                time_bin(value.clone(), width, bin.field.span)?
            }
            (_, Some(BinSpan::Number(width))) if width > 0.0 => {
                bins::number_bin(value.clone(), width)
            }
            (_, Some(BinSpan::Number(_))) => {
                return Err(diagnostic(
                    bin.field.span,
                    "the span of `bin` must be more than 0",
                ));
            }
            (_, Some(BinSpan::Log { coefficient, base })) => {
                bins::log_bin(value.clone(), coefficient, base)
            }
        };
        let data_type = if name == "_time" || matches!(bin.span, Some(BinSpan::Time(_))) {
            DataType::Float64
        } else {
            DataType::Utf8
        };
        let binned = Typed {
            expr: binned,
            data_type,
        };
        at(span, rows.set(vec![(output, within(bin, value, binned))]))
    }

    /// `bin` without a span: the data gives it.
    fn bins(
        &mut self,
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
        self.beside(rows, windows, &names, vec![(output, binned)], span)
    }

    /// `bin _time span=… aligntime=…`.
    fn aligned(
        &mut self,
        rows: Rows,
        bin: &Bin,
        value: Typed,
        width: BinSpan,
        output: String,
        span: Span,
    ) -> Result<Rows> {
        let place = bin.align.as_ref().map_or(bin.field.span, |name| name.span);
        let align = bin.align.as_ref().map_or("", |name| name.text.as_str());
        let seconds = match width {
            BinSpan::Time(width) => bins::seconds(width),
            BinSpan::Number(width) => Some(width),
            BinSpan::Log { .. } => None,
        };
        // Splunk, too, ignores it where ranges are days or longer.
        let Some(seconds) = seconds.filter(|seconds| *seconds < 86_400.0) else {
            let binned = time_bin(value, width, bin.field.span)?;
            return at(span, rows.set(vec![(output, binned)]));
        };
        let names = rows.all_names();
        let time = Typed {
            expr: cast_to(value, &DataType::Float64),
            data_type: DataType::Float64,
        };
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
                let binned = bins::aligned_bin(time, column(name), seconds);
                self.beside(rows, vec![window], &names, vec![(output, binned)], span)
            }
            None => {
                let origin =
                    crate::clause::time_modifier(align, &self.context).ok_or_else(|| {
                        diagnostic(
                            place,
                            format!(
                                "`{align}` is not a time: write `earliest`, `latest`, seconds since 1970, or a modifier such as `@d+3h`"
                            ),
                        )
                    })?;
                let binned = bins::aligned_bin(time, lit(origin), seconds);
                at(span, rows.set(vec![(output, binned)]))
            }
        }
    }
}

/// The range of a value, and nothing for values outside of `start=` and `end=`.
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

/// The start of the time range in which a time lies.
pub(super) fn time_bin(value: Typed, width: BinSpan, place: Span) -> Result<Expr> {
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
