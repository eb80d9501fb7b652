//! `bin` (also `bucket`): puts numbers and times into ranges.

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::Expr;

use super::{Planner, Result, Rows, at, diagnostic};
use crate::expr::{Fields, Typed};
use crate::ops::bins;
use crate::syntax::ast::{Bin, BinSpan, Span};

/// How many bins `bin field` makes at most if it says nothing else.
const DEFAULT_BINS: u64 = 100;

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
            ("_time", Some(width)) => time_bin(value, width, bin.field.span)?,
            (_, Some(BinSpan::Number(width))) if width > 0.0 => bins::number_bin(value, width),
            (_, Some(BinSpan::Number(_))) => {
                return Err(diagnostic(
                    bin.field.span,
                    "the span of `bin` must be more than 0",
                ));
            }
            (_, Some(width @ BinSpan::Time(_))) => time_bin(value, width, bin.field.span)?,
            (_, None) => {
                let _ = bin.bins.unwrap_or(DEFAULT_BINS);
                return Err(diagnostic(
                    bin.field.span,
                    "`bin` without `span=` takes its ranges from the data, which Crabwalk does not do: write the span",
                ));
            }
        };
        at(span, rows.set(vec![(output, binned)]))
    }
}

/// The start of the time range in which a time lies.
pub(super) fn time_bin(value: Typed, width: BinSpan, place: Span) -> Result<Expr> {
    let value = Typed {
        expr: super::cast_to(value, &DataType::Float64),
        data_type: DataType::Float64,
    };
    match width {
        BinSpan::Time(width) if width.amount > 0 => Ok(bins::time_bin(value, width)),
        BinSpan::Number(seconds) if seconds > 0.0 => Ok(bins::floor_bin(value, seconds)),
        _ => Err(diagnostic(place, "the span of `bin` must be more than 0")),
    }
}
