//! `fieldsummary`: one row per field.

use std::collections::HashMap;

use crate::plan::wildcards::matches;
use crate::plan::{Made, Passing, Planner, Result, Rows, at, diagnostic};
use crate::syntax::ast::{Arguments, Span};
use crate::syntax::usage::{Form, Reading, Usage, Whole, count};
use crate::value::{format_number, number_of};

/// Default number of distinct values to list.
const DEFAULT_VALUES: usize = 100;

pub(super) static COMMAND: Whole = Whole {
    usage: Usage {
        name: "fieldsummary",
        also: &[],
        syntax: "fieldsummary [maxvals=<number>] [<fields>]",
        meaning: "Makes one row per field: `count`, `distinct_count`, `is_exact`, `max`, `mean`, `min`, \
                  `numeric_count`, `stdev` (these five of its numbers), and `values`, a JSON array of its most \
                  frequent values.",
        options: &[count(
            "maxvals",
            "Maximum values in `values`; default 100, 0 for all.",
        )],
    },
    form: Form::Plain {
        names: (0, usize::MAX),
        expects: "a field",
        subsearches: 0,
    },
    reads: |arguments| Reading {
        all: arguments.fields.is_empty(),
        ends: true,
        ..Reading::named(arguments)
    },
    plan: &(plan as Passing),
};

/// The summary of a field.
#[derive(Default)]
struct Summary {
    /// Rows that have it.
    count: usize,
    values: HashMap<String, usize>,
    numbers: Vec<f64>,
}

fn plan(planner: &mut Planner<'_>, rows: Rows, arguments: &Arguments, span: Span) -> Result<Rows> {
    let most = match arguments.written("maxvals") {
        None => DEFAULT_VALUES,
        Some((option, value)) => match value.parse() {
            Ok(0) => usize::MAX,
            Ok(most) => most,
            Err(_) => {
                return Err(diagnostic(
                    option.span,
                    format!("`maxvals` is a whole number, not `{value}`"),
                ));
            }
        },
    };
    let Some(staged) = planner.stage(rows.clone(), None, span)? else {
        return Ok(rows);
    };
    let mut names = staged.names();
    if arguments.fields.is_empty() {
        names.retain(|name| !name.starts_with('_'));
    } else {
        names.retain(|name| arguments.fields.iter().any(|own| matches(own, name)));
    }
    names.sort();
    let mut about = Vec::new();
    for name in names {
        let mut summary = Summary::default();
        for row in 0..staged.len() {
            let values = staged.values(&name, row);
            summary.count += usize::from(!values.is_empty());
            for value in values {
                summary.numbers.extend(number_of(&value));
                *summary.values.entry(value).or_default() += 1;
            }
        }
        if summary.count > 0 {
            about.push((name, summary));
        }
    }
    let mut made = Made::new(about.len());
    let mut texts = |name: &str, of: &dyn Fn(&str, &Summary) -> Option<String>| {
        let values = about
            .iter()
            .map(|(field, summary)| of(field, summary).into_iter().collect());
        made.texts(name, values.collect());
    };
    texts("field", &|field, _| Some(field.to_owned()));
    texts("count", &|_, summary| Some(summary.count.to_string()));
    texts("distinct_count", &|_, summary| {
        Some(summary.values.len().to_string())
    });
    texts("is_exact", &|_, _| Some("1".to_owned()));
    texts("max", &|_, summary| {
        summary
            .numbers
            .iter()
            .copied()
            .reduce(f64::max)
            .map(format_number)
    });
    texts("mean", &|_, summary| summary.mean().map(format_number));
    texts("min", &|_, summary| {
        summary
            .numbers
            .iter()
            .copied()
            .reduce(f64::min)
            .map(format_number)
    });
    texts("numeric_count", &|_, summary| {
        Some(summary.numbers.len().to_string())
    });
    texts("stdev", &|_, summary| {
        summary.deviation().map(format_number)
    });
    texts("values", &|_, summary| Some(summary.frequent(most)));
    at(span, made.rows(planner.fresh()))
}

impl Summary {
    fn mean(&self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "a number of values")]
        let count = self.numbers.len() as f64;
        (count > 0.0).then(|| self.numbers.iter().sum::<f64>() / count)
    }

    /// The sample standard deviation.
    fn deviation(&self) -> Option<f64> {
        let mean = self.mean()?;
        if self.numbers.len() < 2 {
            return Some(0.0);
        }
        #[expect(clippy::cast_precision_loss, reason = "a number of values")]
        let others = (self.numbers.len() - 1) as f64;
        let squares = self.numbers.iter().map(|number| (number - mean).powi(2));
        Some((squares.sum::<f64>() / others).sqrt())
    }

    fn frequent(&self, most: usize) -> String {
        let mut values: Vec<(&String, &usize)> = self.values.iter().collect();
        values.sort_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
        let values: Vec<String> = values
            .into_iter()
            .take(most)
            .map(|(value, count)| {
                let value = serde_json::Value::from(value.as_str());
                format!("{{\"value\":{value},\"count\":{count}}}")
            })
            .collect();
        format!("[{}]", values.join(","))
    }
}
