//! `anomalydetection`: rows whose values are rare together.
//!
//! The probability of a row is the product of how frequent its values are, and a row is anomalous if that is unusually small
//! among the rows. Splunk's reference documents this, and the limit of `cutoff=false`: a quartile less 1.5 interquartile ranges
//! of the logarithms. It says of `cutoff=true`, the default, only that it gives fewer anomalies; here it is Tukey's outer fence,
//! three interquartile ranges. Nor does it say how wide the bins of numbers are; here they have the width of Freedman and
//! Diaconis.

use std::collections::HashMap;

use crate::aggregates::percentile;
use crate::plan::wildcards::matches;
use crate::plan::{Made, Passing, Planner, Result, Rows, at, diagnostic};
use crate::syntax::ast::{Arguments, Span};
use crate::syntax::usage::{Form, Reading, Usage, Whole, flag, obeyed, only};
use crate::value::number_of;

/// Most bins of a field's numbers; more are as good as each number on its own.
const MOST_BINS: f64 = 100_000.0;

pub(super) static COMMAND: Whole = Whole {
    usage: Usage {
        name: "anomalydetection",
        also: &[],
        syntax: "anomalydetection [<options>] [<fields>]",
        meaning: "Finds rows whose values are rare together, by default in all fields but those that begin with \
                  `_`. The probability of a row is the product of the frequencies of its values; numbers count \
                  by the bin of a histogram (Freedman and Diaconis' width) if all values of the field are \
                  numbers. Anomalous rows get `log_event_prob`, `probable_cause` (the field with the rarest \
                  value), `probable_cause_freq` and `max_freq`.",
        options: &[
            only(
                "method",
                "histogram",
                "`iqr` is the command `outlier`, and the tests of `zscore` are not documented",
            ),
            obeyed(
                "action",
                "`filter` (default) keeps the anomalous rows, `annotate` keeps all rows and `summary` gives \
                 one row with `num_anomalies`, `thresh`, `max_logprob`, `min_logprob`, `1st_quartile` and \
                 `3rd_quartile`.",
            ),
            obeyed(
                "pthresh",
                "Probability below which a row is anomalous, above 0 and at most 1; by default it is taken \
                 from the rows.",
            ),
            flag(
                "cutoff",
                "Without `pthresh`: how far the logarithm of a row's probability must lie below the first \
                 quartile; `false` is 1.5 interquartile ranges, `true` (default) is 3. Splunk does not \
                 document by how much `true` lowers the limit.",
            ),
        ],
    },
    form: Form::Plain {
        names: (0, usize::MAX),
        expects: "a field",
        subsearches: 0,
    },
    reads: |arguments| Reading {
        columns: arguments.fields.is_empty(),
        makes: MADE
            .iter()
            .chain(&SUMMARY)
            .map(|name| (*name).to_owned())
            .collect(),
        ends: arguments.option("action") == Some("summary"),
        ..Reading::named(arguments)
    },
    plan: &(plan as Passing),
};

const MADE: [&str; 4] = [
    "log_event_prob",
    "probable_cause",
    "probable_cause_freq",
    "max_freq",
];

const SUMMARY: [&str; 6] = [
    "num_anomalies",
    "thresh",
    "max_logprob",
    "min_logprob",
    "1st_quartile",
    "3rd_quartile",
];

#[derive(Clone, Copy, PartialEq)]
enum Action {
    Filter,
    Annotate,
    Summary,
}

fn plan(planner: &mut Planner<'_>, rows: Rows, arguments: &Arguments, span: Span) -> Result<Rows> {
    let action = match arguments.written("action") {
        None | Some((_, "filter")) => Action::Filter,
        Some((_, "annotate")) => Action::Annotate,
        Some((_, "summary")) => Action::Summary,
        Some((option, other)) => {
            return Err(diagnostic(
                option.span,
                format!("`action` is filter, annotate or summary, not `{other}`"),
            ));
        }
    };
    let threshold = match arguments.written("pthresh") {
        None => None,
        Some((option, value)) => {
            let number = value.parse::<f64>().ok();
            let number = number.filter(|number| *number > 0.0 && *number <= 1.0);
            Some(number.ok_or_else(|| {
                diagnostic(
                    option.span,
                    format!("`pthresh` is a number above 0 and at most 1, not `{value}`"),
                )
            })?)
        }
    };
    let Some(staged) = planner.stage(rows.clone(), None, span)? else {
        return Ok(rows);
    };
    let names = staged.names();
    let compared: Vec<&String> = names
        .iter()
        .filter(|name| {
            if arguments.fields.is_empty() {
                return !name.starts_with('_');
            }
            arguments.fields.iter().any(|field| matches(field, name))
        })
        .collect();
    let frequencies: Vec<Vec<Option<f64>>> = compared
        .iter()
        .map(|name| {
            let texts: Vec<Option<String>> = (0..staged.len())
                .map(|row| Some(staged.values(name, row)).filter(|values| !values.is_empty()))
                .map(|values| values.map(|values| values.join("\n")))
                .collect();
            frequencies(&texts)
        })
        .collect();
    let rated: Vec<Rated> = (0..staged.len())
        .map(|row| Rated::of(&frequencies, row))
        .collect();
    let fences = Fences::of(&rated);
    let limit = threshold.map_or_else(
        || fences.limit(arguments.flag("cutoff", true)),
        |probability| Some(probability.ln()),
    );
    let is_anomalous = |row: &Rated| limit.is_some_and(|limit| row.log < limit);
    if action == Action::Summary {
        #[expect(clippy::cast_precision_loss, reason = "a number of rows")]
        let anomalies = rated.iter().filter(|row| is_anomalous(row)).count() as f64;
        let values = [
            Some(anomalies),
            limit.map(f64::exp),
            fences.most,
            fences.least,
            fences.first,
            fences.third,
        ];
        let mut made = Made::new(1);
        for (name, value) in SUMMARY.iter().zip(values) {
            made.numbers(name, vec![value]);
        }
        return at(span, made.rows(planner.fresh()));
    }
    let kept: Vec<(usize, &Rated)> = rated
        .iter()
        .enumerate()
        .filter(|(_, row)| action == Action::Annotate || is_anomalous(row))
        .collect();
    let from: Vec<Option<usize>> = kept.iter().map(|(row, _)| Some(*row)).collect();
    let old: Vec<&str> = names
        .iter()
        .map(String::as_str)
        .filter(|name| !MADE.contains(name))
        .chain(staged.origins())
        .collect();
    let mut made = Made::new(kept.len());
    at(span, made.taken(&staged, &old, &from))?;
    let of = |value: &dyn Fn(&Rated) -> Option<f64>| {
        kept.iter()
            .map(|(_, row)| is_anomalous(row).then(|| value(row)).flatten())
            .collect::<Vec<_>>()
    };
    let [log, cause, cause_frequency, most] = MADE;
    made.numbers(log, of(&|row| Some(row.log)));
    let causes = kept.iter().map(|(_, row)| {
        let cause = row.rarest.filter(|_| is_anomalous(row));
        let name = cause.and_then(|(column, _)| compared.get(column));
        name.map(|name| (*name).clone()).into_iter().collect()
    });
    made.texts(cause, causes.collect());
    made.numbers(
        cause_frequency,
        of(&|row| row.rarest.map(|(_, frequency)| frequency)),
    );
    made.numbers(most, of(&|row| row.most));
    at(span, made.rows(planner.fresh()))
}

/// How probable a row is.
struct Rated {
    /// Natural logarithm of the product of the frequencies.
    log: f64,
    /// The column with the rarest value, the first of several, and that frequency.
    rarest: Option<(usize, f64)>,
    /// Frequency of the most frequent value.
    most: Option<f64>,
}

impl Rated {
    fn of(columns: &[Vec<Option<f64>>], row: usize) -> Self {
        let mut rated = Self {
            log: 0.0,
            rarest: None,
            most: None,
        };
        for (column, frequencies) in columns.iter().enumerate() {
            // A field without a value says nothing.
            let Some(frequency) = frequencies.get(row).copied().flatten() else {
                continue;
            };
            rated.log += frequency.ln();
            if rated.rarest.is_none_or(|(_, least)| frequency < least) {
                rated.rarest = Some((column, frequency));
            }
            rated.most = Some(rated.most.map_or(frequency, |most| most.max(frequency)));
        }
        rated
    }
}

/// The distribution of the logarithms; nothing without rows.
struct Fences {
    least: Option<f64>,
    first: Option<f64>,
    third: Option<f64>,
    most: Option<f64>,
}

impl Fences {
    fn of(rows: &[Rated]) -> Self {
        let mut logs: Vec<f64> = rows.iter().map(|row| row.log).collect();
        logs.sort_by(f64::total_cmp);
        Self {
            least: logs.first().copied(),
            first: quartile(&logs, 1),
            third: quartile(&logs, 3),
            most: logs.last().copied(),
        }
    }

    fn limit(&self, cutoff: bool) -> Option<f64> {
        let (first, third) = (self.first?, self.third?);
        let ranges = if cutoff { 3.0 } else { 1.5 };
        Some(first - ranges * (third - first))
    }
}

/// The number below which so many quarters of sorted numbers lie, as `perc25` and `perc75` give it.
fn quartile(sorted: &[f64], quarters: u32) -> Option<f64> {
    (!sorted.is_empty()).then(|| percentile(sorted, quarters * 25_000))
}

/// How frequent the value of each row is among all rows: by its text, or by its bin if all are numbers.
fn frequencies(texts: &[Option<String>]) -> Vec<Option<f64>> {
    let numbers: Option<Vec<f64>> = texts
        .iter()
        .flatten()
        .map(|text| number_of(text).filter(|number| number.is_finite()))
        .collect();
    match numbers.and_then(Histogram::of) {
        Some(bins) => shares(texts, |text| {
            number_of(text).map_or(0, |number| bins.bin(number))
        }),
        None => shares(texts, str::to_owned),
    }
}

/// For each row the share of all rows that are of the same kind.
fn shares<K: std::hash::Hash + Eq>(
    texts: &[Option<String>],
    kind: impl Fn(&str) -> K,
) -> Vec<Option<f64>> {
    let kinds: Vec<Option<K>> = texts
        .iter()
        .map(|text| text.as_deref().map(&kind))
        .collect();
    let mut counts: HashMap<&K, usize> = HashMap::new();
    for kind in kinds.iter().flatten() {
        *counts.entry(kind).or_default() += 1;
    }
    kinds
        .iter()
        .map(|kind| {
            let count = counts.get(kind.as_ref()?)?;
            #[expect(clippy::cast_precision_loss, reason = "a number of rows")]
            let share = *count as f64 / texts.len() as f64;
            Some(share)
        })
        .collect()
}

/// Bins of equal width.
struct Histogram {
    least: f64,
    width: f64,
}

impl Histogram {
    /// Nothing if the numbers have no width to speak of: each is then a bin of its own.
    fn of(mut numbers: Vec<f64>) -> Option<Self> {
        numbers.sort_by(f64::total_cmp);
        let (least, most) = (*numbers.first()?, *numbers.last()?);
        let range = quartile(&numbers, 3)? - quartile(&numbers, 1)?;
        #[expect(clippy::cast_precision_loss, reason = "a number of rows")]
        let width = 2.0 * range / (numbers.len() as f64).cbrt();
        let bins = (most - least) / width;
        (bins.is_finite() && bins < MOST_BINS).then_some(Self { least, width })
    }

    fn bin(&self, number: f64) -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a bin, of which there are few, from the least number up"
        )]
        let bin = ((number - self.least) / self.width).floor() as u64;
        bin
    }
}
