//! The aggregations as users know them: one entry each with names, documentation, and how it is planned.

use datafusion::functions_aggregate::expr_fn;
use datafusion::logical_expr::Expr;

use super::Kind;

/// An aggregation of `stats` and similar commands.
pub struct Aggregation {
    /// Its names, most common first; `<n>` stands for a number from 0 to 100.
    pub names: &'static [&'static str],
    /// Its syntax, on one line.
    pub syntax: &'static str,
    /// What it returns, in sentences for users.
    pub meaning: &'static str,
    /// A call that shows it.
    pub example: &'static str,
    pub(crate) how: How,
    /// Whether it works on numbers: true conditions count as 1 and false ones as 0.
    pub(crate) calculates: bool,
}

/// How an aggregation is planned.
#[derive(Clone, Copy)]
pub(crate) enum How {
    /// Rows, or values of a field.
    Count,
    /// Of the values.
    Kind(Kind),
    /// Over numbers; DataFusion's own is faster for single-valued fields.
    Numbers(Kind, fn(Expr) -> Expr),
    /// Like `Numbers`, but other values compare as text.
    Extreme(Kind, fn(Expr) -> Expr),
    /// Over the values and their times.
    Timed(Kind),
    /// Over the times of the rows that have the field.
    TimeOf(fn(Expr) -> Expr),
    /// The name selects the percentile.
    Percentile,
    /// Numbers over time, which only the grouping command can plan.
    Sparkline,
}

const AGGREGATIONS: &[Aggregation] = &[
    Aggregation {
        names: &["count", "c"],
        syntax: "count [(<field>)]",
        meaning: "Number of rows, of values of the field, or of rows for which a condition is true.",
        example: "count(eval(LogonType=10))",
        how: How::Count,
        calculates: false,
    },
    Aggregation {
        names: &["dc", "distinct_count", "estdc"],
        syntax: "dc(<field>)",
        meaning: "Number of distinct values, counted exactly.",
        example: "dc(dest)",
        how: How::Kind(Kind::DistinctCount),
        calculates: false,
    },
    Aggregation {
        names: &["estdc_error"],
        syntax: "estdc_error(<field>)",
        meaning: "How far `estdc` may be off: 0, since it counts exactly.",
        example: "estdc_error(dest)",
        how: How::Kind(Kind::DistinctError),
        calculates: false,
    },
    Aggregation {
        names: &["values"],
        syntax: "values(<field>)",
        meaning: "The distinct values in lexicographic order.",
        example: "values(user)",
        how: How::Kind(Kind::Values),
        calculates: false,
    },
    Aggregation {
        names: &["list"],
        syntax: "list(<field>)",
        meaning: "The values, newest first, at most 100.",
        example: "list(CommandLine)",
        how: How::Timed(Kind::List),
        calculates: false,
    },
    Aggregation {
        names: &["min"],
        syntax: "min(<field>)",
        meaning: "The smallest value: compared as numbers if all are numbers, otherwise as text.",
        example: "min(_time)",
        how: How::Extreme(Kind::Min, expr_fn::min),
        calculates: true,
    },
    Aggregation {
        names: &["max"],
        syntax: "max(<field>)",
        meaning: "The largest value: compared as numbers if all are numbers, otherwise as text.",
        example: "max(_time)",
        how: How::Extreme(Kind::Max, expr_fn::max),
        calculates: true,
    },
    Aggregation {
        names: &["range"],
        syntax: "range(<field>)",
        meaning: "The largest number minus the smallest.",
        example: "range(_time)",
        how: How::Kind(Kind::Range),
        calculates: true,
    },
    Aggregation {
        names: &["sum"],
        syntax: "sum(<field>)",
        meaning: "The sum of the numbers.",
        example: "sum(bytes)",
        how: How::Numbers(Kind::Sum, expr_fn::sum),
        calculates: true,
    },
    Aggregation {
        names: &["sumsq"],
        syntax: "sumsq(<field>)",
        meaning: "The sum of the squares of the numbers.",
        example: "sumsq(bytes)",
        how: How::Kind(Kind::SumOfSquares),
        calculates: true,
    },
    Aggregation {
        names: &["avg", "mean"],
        syntax: "avg(<field>)",
        meaning: "The mean of the numbers.",
        example: "avg(bytes)",
        how: How::Numbers(Kind::Mean, expr_fn::avg),
        calculates: true,
    },
    Aggregation {
        names: &["median"],
        syntax: "median(<field>)",
        meaning: "The median of the numbers; of two in the middle the higher.",
        example: "median(bytes)",
        how: How::Kind(Kind::Percentile(50_000)),
        calculates: true,
    },
    Aggregation {
        names: &["perc<n>", "p<n>", "exactperc<n>", "upperperc<n>"],
        syntax: "perc<n>(<field>)",
        meaning: "The n-th percentile of the numbers, by the nearest rank. All forms are exact.",
        example: "perc95(bytes)",
        how: How::Percentile,
        calculates: true,
    },
    Aggregation {
        names: &["mode"],
        syntax: "mode(<field>)",
        meaning: "The most frequent value; the smallest if several are equally frequent.",
        example: "mode(user)",
        how: How::Kind(Kind::Mode),
        calculates: false,
    },
    Aggregation {
        names: &["stdev"],
        syntax: "stdev(<field>)",
        meaning: "The sample standard deviation of the numbers.",
        example: "stdev(bytes)",
        how: How::Kind(Kind::SampleDeviation),
        calculates: true,
    },
    Aggregation {
        names: &["stdevp"],
        syntax: "stdevp(<field>)",
        meaning: "The standard deviation of the numbers as a whole population.",
        example: "stdevp(bytes)",
        how: How::Kind(Kind::Deviation),
        calculates: true,
    },
    Aggregation {
        names: &["var"],
        syntax: "var(<field>)",
        meaning: "The sample variance of the numbers.",
        example: "var(bytes)",
        how: How::Kind(Kind::SampleVariance),
        calculates: true,
    },
    Aggregation {
        names: &["varp"],
        syntax: "varp(<field>)",
        meaning: "The variance of the numbers as a whole population.",
        example: "varp(bytes)",
        how: How::Kind(Kind::Variance),
        calculates: true,
    },
    Aggregation {
        names: &["latest", "first"],
        syntax: "latest(<field>)",
        meaning: "The value of the latest event that has one.",
        example: "latest(user)",
        how: How::Timed(Kind::Latest),
        calculates: false,
    },
    Aggregation {
        names: &["earliest", "last"],
        syntax: "earliest(<field>)",
        meaning: "The value of the earliest event that has one.",
        example: "earliest(user)",
        how: How::Timed(Kind::Earliest),
        calculates: false,
    },
    Aggregation {
        names: &["latest_time"],
        syntax: "latest_time(<field>)",
        meaning: "The time of the latest event that has the field.",
        example: "latest_time(user)",
        how: How::TimeOf(expr_fn::max),
        calculates: false,
    },
    Aggregation {
        names: &["earliest_time"],
        syntax: "earliest_time(<field>)",
        meaning: "The time of the earliest event that has the field.",
        example: "earliest_time(user)",
        how: How::TimeOf(expr_fn::min),
        calculates: false,
    },
    Aggregation {
        names: &["rate"],
        syntax: "rate(<field>)",
        meaning: "The change per second of a number that only grows, such as a counter: from the earliest to the latest, \
                  divided by the seconds between them.",
        example: "rate(bytes)",
        how: How::Timed(Kind::Rate),
        calculates: true,
    },
    Aggregation {
        names: &["sparkline"],
        syntax: "sparkline [(count)]",
        meaning: "The number of rows over time: `##__SPARKLINE__##` and the counts of 25 intervals of equal \
                  length, from the first row of all groups to the last. In `stats` and `chart`.",
        example: "sparkline",
        how: How::Sparkline,
        calculates: false,
    },
];

/// All aggregations, in the order of the reference.
pub fn reference() -> impl Iterator<Item = &'static Aggregation> {
    AGGREGATIONS.iter()
}

/// The aggregation with a name, and the percentile in thousandths of a percent.
pub(crate) fn find(name: &str) -> Option<(&'static Aggregation, u32)> {
    if let Some(entry) = reference().find(|entry| entry.names.contains(&name)) {
        return Some((entry, 0));
    }
    let thousandths = percentile_of(name)?;
    reference()
        .find(|entry| matches!(entry.how, How::Percentile))
        .map(|entry| (entry, thousandths))
}

/// Names for suggestions.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    reference()
        .flat_map(|entry| entry.names)
        .copied()
        .filter(|name| !name.contains('<'))
        .chain(["p95", "perc95"])
}

/// `p95`, `perc95`, `exactperc99.5`, `upperperc90` → thousandths of a percent.
fn percentile_of(name: &str) -> Option<u32> {
    let digits = ["exactperc", "upperperc", "perc", "p"]
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix))?;
    let percent: f64 = digits
        .parse()
        .ok()
        .filter(|percent| (0.0..=100.0).contains(percent))?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at most 100,000"
    )]
    Some((percent * 1000.0).round() as u32)
}
