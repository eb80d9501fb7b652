//! `fillnull`: a value for empty fields.

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::lit;

use crate::expr::{Fields, Typed};
use crate::plan::wildcards::wildcard_parts;
use crate::plan::{Passing, Planner, Result, Rows, at, cast_to, coalesce, common_type, text};
use crate::syntax::ast::{Arguments, Span};
use crate::syntax::usage::{Form, Reading, Usage, Whole, obeyed};

pub(super) static COMMAND: Whole = Whole {
    usage: Usage {
        name: "fillnull",
        also: &[],
        syntax: "fillnull [value=<text>] [<fields>]",
        meaning: "Fills empty fields with a value.",
        options: &[obeyed("value", "The value; default 0.")],
    },
    form: Form::Plain {
        names: (0, usize::MAX),
        expects: "a field",
        subsearches: 0,
    },
    reads: |arguments| {
        let names = arguments.fields.iter().map(|name| name.text.clone());
        let (fields, fills) = names.partition(|name| name.contains('*'));
        Reading {
            fields,
            fills,
            fills_all: arguments.fields.is_empty(),
            ..Reading::default()
        }
    },
    plan: &(plan as Passing),
};

fn plan(_: &mut Planner<'_>, rows: Rows, arguments: &Arguments, span: Span) -> Result<Rows> {
    let value = arguments.option("value").unwrap_or("0");
    let names = &arguments.fields;
    let targets: Vec<String> = if names.is_empty() {
        rows.names()
    } else {
        names
            .iter()
            .flat_map(|name| {
                if name.text.contains('*') {
                    rows.names()
                        .into_iter()
                        .filter(|own| wildcard_parts(&name.text, own).is_some())
                        .collect()
                } else {
                    vec![name.text.clone()]
                }
            })
            .collect()
    };
    let fill = Typed {
        expr: text(value),
        data_type: DataType::Utf8,
    };
    let filled = targets
        .into_iter()
        .map(|name| {
            let expr = match rows.field(&name) {
                None => fill.expr.clone(),
                Some(typed) => {
                    // A number stays a number if the filling is one.
                    let number = value.trim().parse::<f64>().ok();
                    match (&typed.data_type, number) {
                        (DataType::Float64, Some(number)) => {
                            coalesce(vec![typed.expr, lit(number)])
                        }
                        (DataType::Int64, Some(number)) => {
                            coalesce(vec![cast_to(typed, &DataType::Float64), lit(number)])
                        }
                        _ => {
                            let data_type = common_type(&typed.data_type, &DataType::Utf8);
                            coalesce(vec![
                                cast_to(typed, &data_type),
                                cast_to(fill.clone(), &data_type),
                            ])
                        }
                    }
                }
            };
            (name, expr)
        })
        .collect();
    at(span, rows.set(filled))
}
