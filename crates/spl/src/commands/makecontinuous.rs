//! `makecontinuous`: adds rows for missing values of a field.

use std::collections::BTreeMap;

use crate::ops::bins;
use crate::plan::{Made, Passing, Planner, Result, Rows, at, diagnostic};
use crate::syntax::ast::{Arguments, BinSpan, Name, Span};
use crate::syntax::parse_span;
use crate::syntax::usage::{Form, Reading, Usage, Whole, count, obeyed, refused};
use crate::value::{format_number, number_of};

/// Maximum number of rows.
const MOST_ROWS: usize = 100_000;
/// Maximum number of ranges without a span.
const DEFAULT_BINS: u64 = 100;

pub(super) static COMMAND: Whole = Whole {
    usage: Usage {
        name: "makecontinuous",
        also: &[],
        syntax: "makecontinuous [<field>] [<options>]",
        meaning: "Groups the values of a field (default `_time`) into ranges, sorts the rows by them, and adds a \
                  row for each empty range.",
        options: &[
            obeyed(
                "span",
                "Width of a range: a number or a duration such as `5m`.",
            ),
            count(
                "bins",
                "Maximum number of ranges without a span; default 100.",
            ),
            obeyed("start", "Where the ranges begin; drops rows below."),
            obeyed("end", "Where they end; drops rows above."),
            refused(
                "aligntime",
                "group the times with `bin _time span=… aligntime=…`",
            ),
        ],
    },
    form: Form::Plain {
        names: (0, 1),
        expects: "a field",
        subsearches: 0,
    },
    reads: |arguments| Reading {
        fields: vec![field(arguments).to_owned()],
        ..Reading::default()
    },
    plan: &(plan as Passing),
};

fn field(arguments: &Arguments) -> &str {
    arguments
        .fields
        .first()
        .map_or("_time", |name| name.text.as_str())
}

/// The start of a range as a number, even if `bin` has written it as `10-20`.
fn start_of(value: &str) -> Option<f64> {
    number_of(value).or_else(|| {
        let minus = value
            .char_indices()
            .skip(1)
            .find(|(_, char)| *char == '-')?
            .0;
        number_of(&value[..minus])
    })
}

fn plan(planner: &mut Planner<'_>, rows: Rows, arguments: &Arguments, span: Span) -> Result<Rows> {
    let name = field(arguments);
    let limit = |option: &str| match arguments.written(option) {
        None => Ok(None),
        Some((option, value)) => number_of(value).map(Some).ok_or_else(|| {
            diagnostic(
                option.span,
                format!("`{}` must be a number, not `{value}`", option.text),
            )
        }),
    };
    let (lower, upper) = (limit("start")?, limit("end")?);
    let most_ranges = match arguments.written("bins") {
        None => DEFAULT_BINS,
        Some((option, value)) => value.parse().map_err(|_| {
            diagnostic(
                option.span,
                format!("`bins` is a whole number, not `{value}`"),
            )
        })?,
    };
    let width = match arguments.written("span") {
        None => None,
        Some((option, value)) => Some(parse_span(&Name {
            text: value.to_owned(),
            span: option.span,
        })?),
    };
    let Some(staged) = planner.stage(rows.clone(), None, span)? else {
        return Ok(rows);
    };
    let texts: Vec<Option<String>> = (0..staged.len())
        .map(|row| staged.text(name, row))
        .collect();
    let values: Vec<Option<f64>> = texts
        .iter()
        .map(|text| {
            let value = text.as_deref().and_then(start_of)?;
            let inside = lower.is_none_or(|lower| value >= lower)
                && upper.is_none_or(|upper| value <= upper);
            inside.then_some(value)
        })
        .collect();
    let found = values.iter().flatten().copied();
    let ends = lower
        .or_else(|| found.clone().reduce(f64::min))
        .zip(upper.or_else(|| found.reduce(f64::max)));
    let Some((least, most)) = ends else {
        return at(span, staged.rows());
    };
    let width = match width {
        Some(BinSpan::Log { .. }) => {
            return Err(diagnostic(
                span,
                "logarithmic ranges are not supported: give `span=` a number or a duration",
            ));
        }
        Some(width) => width,
        None if name == "_time" => BinSpan::Time(bins::time_width(most - least, most_ranges, 0.0)),
        None => BinSpan::Number(bins::number_width(least, most, most_ranges)),
    };
    let steps = Steps::new(width);
    // If `bin` made the field's ranges, added ones have the same form.
    let ranges = texts.iter().flatten().all(|text| number_of(text).is_none());
    let mut by_start: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    for (row, value) in values.iter().enumerate() {
        if let Some(number) = value.and_then(|value| steps.number(value)) {
            by_start.entry(number).or_default().push(row);
        }
    }
    let (Some(first), Some(last)) = (steps.number(least), steps.number(most)) else {
        return Err(diagnostic(span, format!("`{name}` is out of range")));
    };
    if usize::try_from(last.abs_diff(first)).map_or(true, |length| length > MOST_ROWS) {
        return Err(diagnostic(
            span,
            format!("`makecontinuous` would make more than {MOST_ROWS} rows: give a wider `span=`"),
        ));
    }
    let (mut from, mut starts) = (Vec::new(), Vec::new());
    for number in first..=last {
        let own = by_start.get(&number).map_or(&[][..], Vec::as_slice);
        let start = steps.start(number);
        if own.is_empty() {
            from.push(None);
            starts.push((start, steps.start(number + 1)));
        }
        for row in own {
            from.push(Some(*row));
            starts.push((start, steps.start(number + 1)));
        }
    }
    let mut made = Made::new(from.len());
    let names = staged.names();
    for own in &names {
        if own != name {
            at(span, made.taken(&staged, &[own], &from))?;
        } else if ranges {
            let texts = starts.iter().map(|(start, end)| {
                vec![format!("{}-{}", format_number(*start), format_number(*end))]
            });
            made.texts(name, texts.collect());
        } else {
            made.numbers(name, starts.iter().map(|(start, _)| Some(*start)).collect());
        }
    }
    at(span, made.taken(&staged, &staged.origins(), &from))?;
    at(span, made.rows(planner.fresh()))
}

/// Ranges by their number.
enum Steps {
    /// So wide.
    Even(f64),
    /// So many months.
    Months(i64),
}

impl Steps {
    fn new(width: BinSpan) -> Self {
        match width {
            BinSpan::Number(width) => Self::Even(width),
            BinSpan::Log { .. } => Self::Even(1.0),
            BinSpan::Time(span) => match bins::seconds(span) {
                Some(width) => Self::Even(width),
                None => Self::Months(bins::months(span).unwrap_or(1).max(1)),
            },
        }
    }

    /// The number of the range that contains a value.
    fn number(&self, value: f64) -> Option<i64> {
        match self {
            Self::Even(width) => {
                let number = bins::range_number(value, *width);
                #[expect(clippy::cast_possible_truncation, reason = "compared before")]
                (number.abs() < 1e15).then_some(number as i64)
            }
            Self::Months(months) => bins::month_number(value, *months),
        }
    }

    fn start(&self, number: i64) -> f64 {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "less than 1e15")]
            Self::Even(width) => bins::numbered_start(number as f64, *width),
            Self::Months(months) => bins::month_start(number, *months).unwrap_or(0.0),
        }
    }
}
