//! Eval expressions and aggregations as expressions of DataFusion.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::{Case, Expr, Operator, binary_expr, lit};
use datafusion::scalar::ScalarValue;

use crate::aggregates::{Kind, aggregate};
use crate::functions::matcher::Matcher;
use crate::functions::{CallError, call_function, constant, is_number};
use crate::ops::{Answer, call, text_condition};
use crate::plan::{cast_to, coalesce, common_type, is_list, list_type, null_is_false, null_text};
use crate::syntax::ast::{self, BinaryOp, CompareOp, ExprKind, Span};
use crate::value::number_of;

/// What expressions may ask of their surroundings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EvalContext {
    /// What `now()` answers: seconds since 1970-01-01 UTC.
    pub now: f64,
}

/// An expression of DataFusion with its type.
#[derive(Debug, Clone)]
pub struct Typed {
    /// The expression.
    pub expr: Expr,
    /// `Utf8`, `List<Utf8>`, `Float64`, `Int64`, `UInt64` or `Boolean`.
    pub data_type: DataType,
}

/// The fields that an expression can read.
pub trait Fields {
    /// A field by its exact name; `None` where no row has it, so that it is NULL.
    fn field(&self, name: &str) -> Option<Typed>;
}

/// What is wrong with an expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExprError {
    /// What is wrong.
    pub message: String,
    /// Where.
    pub span: Span,
    /// What to do.
    pub help: Option<String>,
}

impl ExprError {
    fn new(span: Span, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            span,
            help: None,
        }
    }
}

type Result<T, E = ExprError> = std::result::Result<T, E>;

fn null() -> Typed {
    Typed {
        expr: null_text(),
        data_type: DataType::Utf8,
    }
}

fn boolean(expr: Expr) -> Typed {
    Typed {
        expr,
        data_type: DataType::Boolean,
    }
}

/// Whether a field equals one of the patterns of a search clause: without regard to case, `*` for any text, networks
/// for addresses, numbers by value. NULL where the field is.
pub fn search_equals(value: Typed, patterns: &[String]) -> Expr {
    let matcher = Matcher::new(patterns);
    text_condition(
        "spl_search_equals",
        format!("{patterns:?}"),
        value.expr,
        move |value| matcher.matches(value),
    )
}

/// As [`search_equals`] for a value that is known when the search is planned.
pub fn search_matches_literal(value: &str, pattern: &str) -> bool {
    Matcher::new(&[pattern.to_owned()]).matches(value)
}

/// `<`, `<=`, `>` and `>=` of a search clause: numbers as numbers, other text in its order.
pub fn search_compare(value: Typed, op: CompareOp, text: &str) -> Expr {
    let right = text.to_owned();
    text_condition(
        "spl_search_compare",
        format!("{op} {text}"),
        value.expr,
        move |value| compare_texts(value, op, &right),
    )
}

/// A time of a search's range, in seconds since 1970.
pub fn time_modifier(text: &str, context: &EvalContext) -> Option<f64> {
    crate::functions::time::time_modifier(text, context.now)
}

fn holds(ordering: std::cmp::Ordering, op: CompareOp) -> bool {
    match op {
        CompareOp::Eq => ordering.is_eq(),
        CompareOp::Ne => ordering.is_ne(),
        CompareOp::Lt => ordering.is_lt(),
        CompareOp::Le => ordering.is_le(),
        CompareOp::Gt => ordering.is_gt(),
        CompareOp::Ge => ordering.is_ge(),
    }
}

/// Numbers compare as numbers, anything else as text, with regard to case.
fn compare_texts(left: &str, op: CompareOp, right: &str) -> bool {
    if left == right {
        return holds(std::cmp::Ordering::Equal, op);
    }
    let ordering = match number_of(right).zip(number_of(left)) {
        Some((right, left)) => compare_numbers(left, right),
        None => left.cmp(right),
    };
    holds(ordering, op)
}

/// As [`compare_texts`] with a right side that is known to be no number.
fn compare_with_text(left: &str, op: CompareOp, right: &str) -> bool {
    holds(left.cmp(right), op)
}

/// Both zeros are equal; there is no NaN among the numbers that text gives.
fn compare_numbers(left: f64, right: f64) -> std::cmp::Ordering {
    left.partial_cmp(&right)
        .unwrap_or_else(|| left.total_cmp(&right))
}

fn same_number(left: f64, right: f64) -> bool {
    compare_numbers(left, right).is_eq()
}

/// Plans an expression as a condition.
///
/// # Errors
/// What is wrong with the expression.
pub fn plan_predicate(
    expr: &ast::Expr,
    fields: &dyn Fields,
    context: &EvalContext,
) -> Result<Expr> {
    Ok(null_is_false(as_condition(plan_expr(
        expr, fields, context,
    )?)))
}

/// As [`plan_predicate`], but NULL where the condition is.
///
/// # Errors
/// What is wrong with the expression.
pub fn plan_condition(
    expr: &ast::Expr,
    fields: &dyn Fields,
    context: &EvalContext,
) -> Result<Expr> {
    Ok(as_condition(plan_expr(expr, fields, context)?))
}

/// A value as a condition: `true` and numbers other than 0 hold.
fn as_condition(typed: Typed) -> Expr {
    if typed.data_type == DataType::Boolean {
        return typed.expr;
    }
    text_condition("spl_truth", String::new(), typed.expr, |value| {
        value.eq_ignore_ascii_case("true") || number_of(value).is_some_and(|number| number != 0.0)
    })
}

/// Plans an expression.
///
/// # Errors
/// What is wrong with the expression.
pub fn plan_expr(expr: &ast::Expr, fields: &dyn Fields, context: &EvalContext) -> Result<Typed> {
    let plan = |expr: &ast::Expr| plan_expr(expr, fields, context);
    Ok(match &expr.kind {
        ExprKind::Null => Typed {
            expr: lit(ScalarValue::Null),
            data_type: DataType::Null,
        },
        ExprKind::Bool(value) => boolean(lit(*value)),
        ExprKind::Number(number) => Typed {
            expr: lit(*number),
            data_type: DataType::Float64,
        },
        ExprKind::Text(text) => Typed {
            expr: lit(text.clone()),
            data_type: DataType::Utf8,
        },
        ExprKind::Field(name) => fields.field(name).unwrap_or_else(null),
        ExprKind::Negate(inner) => {
            let number = cast_to(plan(inner)?, &DataType::Float64);
            Typed {
                expr: Expr::Negative(Box::new(number)),
                data_type: DataType::Float64,
            }
        }
        ExprKind::Not(inner) => boolean(Expr::Not(Box::new(as_condition(plan(inner)?)))),
        ExprKind::Binary { op, left, right } => binary(*op, plan(left)?, plan(right)?),
        ExprKind::In { value, list } => {
            let value = plan(value)?;
            let mut any: Option<Expr> = None;
            let mut constants = Vec::new();
            for item in list {
                let item = plan(item)?;
                match constant(&item) {
                    Some(text) => constants.push(text),
                    None => {
                        let equal = compare(CompareOp::Eq, value.clone(), item);
                        any = Some(any.map_or(equal.clone(), |any| any.or(equal)));
                    }
                }
            }
            if !constants.is_empty() {
                let equal = among(value, constants);
                any = Some(any.map_or(equal.clone(), |any| any.or(equal)));
            }
            boolean(any.unwrap_or_else(|| lit(false)))
        }
        ExprKind::Call {
            name,
            name_span,
            args,
        } => special(name, *name_span, args, fields, context)?,
    })
}

/// Whether a value equals one of several constants.
fn among(value: Typed, constants: Vec<String>) -> Expr {
    let key = format!("{constants:?}");
    let numbers: Vec<f64> = constants
        .iter()
        .filter_map(|text| number_of(text))
        .collect();
    let texts: HashSet<String> = constants.into_iter().collect();
    text_condition("spl_in", key, value.expr, move |value| {
        texts.contains(value)
            || !numbers.is_empty()
                && number_of(value)
                    .is_some_and(|number| numbers.iter().any(|own| same_number(*own, number)))
    })
}

fn compare(op: CompareOp, left: Typed, right: Typed) -> Expr {
    if is_number(&left.data_type) && is_number(&right.data_type) {
        let operator = match op {
            CompareOp::Eq => Operator::Eq,
            CompareOp::Ne => Operator::NotEq,
            CompareOp::Lt => Operator::Lt,
            CompareOp::Le => Operator::LtEq,
            CompareOp::Gt => Operator::Gt,
            CompareOp::Ge => Operator::GtEq,
        };
        let number = |typed: Typed| cast_number(typed);
        return binary_expr(number(left), operator, number(right));
    }
    if let Some(constant) = constant(&right) {
        let key = format!("{op} {constant}");
        // Most constants are no numbers: then no value needs to be read as one.
        if number_of(&constant).is_none() {
            return text_condition("spl_compare", key, left.expr, move |value| {
                compare_with_text(value, op, &constant)
            });
        }
        return text_condition("spl_compare", key, left.expr, move |value| {
            compare_texts(value, op, &constant)
        });
    }
    let args = vec![left.expr, right.expr];
    call(
        "spl_compare_values",
        op.to_string(),
        DataType::Boolean,
        args,
        move |args| {
            let (left, right) = (args.values(0), args.values(1));
            if left.is_empty() || right.is_empty() {
                return Answer::Null;
            }
            Answer::Bool(
                left.iter()
                    .any(|left| right.iter().any(|right| compare_texts(left, op, right))),
            )
        },
    )
    .expr
}

/// A number column as `Float64`.
fn cast_number(typed: Typed) -> Expr {
    if typed.data_type == DataType::Float64 {
        typed.expr
    } else {
        datafusion::logical_expr::cast(typed.expr, DataType::Float64)
    }
}

fn binary(op: BinaryOp, left: Typed, right: Typed) -> Typed {
    let arithmetic = |operator: Operator, left: Typed, right: Typed| {
        let number = |typed: Typed| {
            if is_number(&typed.data_type) {
                cast_number(typed)
            } else {
                cast_to(typed, &DataType::Float64)
            }
        };
        Typed {
            expr: binary_expr(number(left), operator, number(right)),
            data_type: DataType::Float64,
        }
    };
    match op {
        BinaryOp::And => boolean(as_condition(left).and(as_condition(right))),
        BinaryOp::Or => boolean(as_condition(left).or(as_condition(right))),
        BinaryOp::Xor => {
            let (left, right) = (as_condition(left), as_condition(right));
            boolean(
                left.clone()
                    .or(right.clone())
                    .and(Expr::Not(Box::new(left.and(right)))),
            )
        }
        BinaryOp::Compare(op) => boolean(compare(op, left, right)),
        BinaryOp::Add if is_number(&left.data_type) && is_number(&right.data_type) => {
            arithmetic(Operator::Plus, left, right)
        }
        BinaryOp::Add => call(
            "spl_add",
            String::new(),
            DataType::Utf8,
            vec![left.expr, right.expr],
            |args| {
                if let (Some(left), Some(right)) = (args.number(0), args.number(1)) {
                    return Answer::Number(left + right);
                }
                Answer::text(
                    args.text(0)
                        .zip(args.text(1))
                        .map(|(left, right)| format!("{left}{right}")),
                )
            },
        ),
        BinaryOp::Concat => call(
            "spl_concat",
            String::new(),
            DataType::Utf8,
            vec![left.expr, right.expr],
            |args| {
                Answer::text(
                    args.text(0)
                        .zip(args.text(1))
                        .map(|(left, right)| format!("{left}{right}")),
                )
            },
        ),
        BinaryOp::Subtract => arithmetic(Operator::Minus, left, right),
        BinaryOp::Multiply => arithmetic(Operator::Multiply, left, right),
        // Division by nothing gives nothing.
        BinaryOp::Divide | BinaryOp::Modulo => {
            let divide = op == BinaryOp::Divide;
            call(
                "spl_divide",
                divide.to_string(),
                DataType::Float64,
                vec![left.expr, right.expr],
                move |args| {
                    let (Some(left), Some(right)) = (args.number(0), args.number(1)) else {
                        return Answer::Null;
                    };
                    let result = if divide { left / right } else { left % right };
                    Answer::number(Some(result).filter(|result| result.is_finite()))
                },
            )
        }
    }
}

/// Functions whose arguments are conditions or are not all evaluated; all others are plain calls.
fn special(
    name: &str,
    span: Span,
    args: &[ast::Expr],
    fields: &dyn Fields,
    context: &EvalContext,
) -> Result<Typed> {
    let plan = |expr: &ast::Expr| plan_expr(expr, fields, context);
    let condition = |expr: &ast::Expr| plan_predicate(expr, fields, context);
    let usage = |text: &str| ExprError::new(span, format!("`{name}` is written {text}"));
    match name {
        "null" => Ok(Typed {
            expr: lit(ScalarValue::Null),
            data_type: DataType::Null,
        }),
        "true" => Ok(boolean(lit(true))),
        "false" => Ok(boolean(lit(false))),
        "if" => {
            let [test, then, other] = args else {
                return Err(usage("`if(condition, then, else)`"));
            };
            Ok(choose(
                vec![(condition(test)?, plan(then)?)],
                Some(plan(other)?),
            ))
        }
        "case" | "validate" => {
            if args.is_empty() || !args.len().is_multiple_of(2) {
                return Err(usage("with pairs of a condition and a value"));
            }
            let mut branches = Vec::new();
            for pair in args.chunks_exact(2) {
                let [test, value] = pair else { continue };
                let test = condition(test)?;
                let test = if name == "validate" {
                    Expr::Not(Box::new(test))
                } else {
                    test
                };
                branches.push((test, plan(value)?));
            }
            Ok(choose(branches, None))
        }
        "coalesce" => {
            if args.is_empty() {
                return Err(usage("with one value or more"));
            }
            let values = args.iter().map(plan).collect::<Result<Vec<_>>>()?;
            let data_type = values
                .iter()
                .map(|typed| typed.data_type.clone())
                .reduce(|a, b| common_type(&a, &b));
            let data_type = data_type
                .filter(|data_type| *data_type != DataType::Null)
                .unwrap_or(DataType::Utf8);
            let values = values
                .into_iter()
                .map(|typed| cast_to(typed, &data_type))
                .collect();
            Ok(Typed {
                expr: coalesce(values),
                data_type,
            })
        }
        "isnull" | "isnotnull" => {
            let [value] = args else {
                return Err(usage("with one value"));
            };
            let value = plan(value)?;
            let null = value.data_type == DataType::Null;
            Ok(boolean(match (name, null) {
                ("isnull", true) => lit(true),
                (_, true) => lit(false),
                ("isnull", false) => value.expr.is_null(),
                (_, false) => value.expr.is_not_null(),
            }))
        }
        "isbool" => {
            let [value] = args else {
                return Err(usage("with one value"));
            };
            Ok(boolean(lit(plan(value)?.data_type == DataType::Boolean)))
        }
        "in" => {
            let Some((value, list)) = args.split_first() else {
                return Err(usage("`in(value, list…)`"));
            };
            let expr = ast::Expr {
                kind: ExprKind::In {
                    value: Box::new(value.clone()),
                    list: list.to_vec(),
                },
                span,
            };
            plan_expr(&expr, fields, context)
        }
        "mvfilter" => {
            let [test] = args else {
                return Err(usage("`mvfilter(condition)`"));
            };
            mvmap::filter(test, span, fields, context)
        }
        "mvmap" => match args {
            [field, value] => mvmap::map(field, value, fields, context),
            _ => Err(usage("`mvmap(field, expression)`")),
        },
        "searchmatch" => {
            let [
                ast::Expr {
                    kind: ExprKind::Text(text),
                    ..
                },
            ] = args
            else {
                return Err(usage("`searchmatch(\"search clause\")`"));
            };
            let clause = crate::syntax::parse_search(text).map_err(|errors| {
                ExprError::new(
                    span,
                    errors
                        .into_iter()
                        .map(|error| error.message)
                        .collect::<Vec<_>>()
                        .join("; "),
                )
            })?;
            crate::plan::search_match(&clause, fields, context)
                .map(boolean)
                .map_err(|error| ExprError {
                    message: error.message,
                    span,
                    help: error.help,
                })
        }
        _ => {
            let args = args.iter().map(plan).collect::<Result<Vec<_>>>()?;
            plan_call(name, args, span, context)
        }
    }
}

/// The value of the first branch whose condition holds.
fn choose(branches: Vec<(Expr, Typed)>, other: Option<Typed>) -> Typed {
    let types = branches
        .iter()
        .map(|(_, typed)| &typed.data_type)
        .chain(other.iter().map(|typed| &typed.data_type));
    let all_conditions = types
        .clone()
        .all(|data_type| matches!(data_type, DataType::Boolean | DataType::Null));
    let data_type = if all_conditions
        && types
            .clone()
            .any(|data_type| *data_type == DataType::Boolean)
    {
        DataType::Boolean
    } else {
        types
            .cloned()
            .reduce(|a, b| common_type(&a, &b))
            .filter(|data_type| *data_type != DataType::Null)
            .unwrap_or(DataType::Utf8)
    };
    let cast = |typed: Typed| match (&typed.data_type, &data_type) {
        (DataType::Null, _) => Box::new(datafusion::logical_expr::cast(
            lit(ScalarValue::Null),
            data_type.clone(),
        )),
        (DataType::Boolean, DataType::Boolean) => Box::new(typed.expr),
        _ => Box::new(cast_to(typed, &data_type)),
    };
    let branches = branches
        .into_iter()
        .map(|(test, value)| (Box::new(test), cast(value)))
        .collect();
    let other = other.map(cast);
    Typed {
        expr: Expr::Case(Case::new(None, branches, other)),
        data_type,
    }
}

/// Calls a function with planned arguments.
///
/// # Errors
/// That there is no such function, or what is wrong with its arguments.
pub fn plan_call(name: &str, args: Vec<Typed>, span: Span, context: &EvalContext) -> Result<Typed> {
    let args = args
        .into_iter()
        .map(|typed| {
            if typed.data_type == DataType::Null {
                null()
            } else {
                typed
            }
        })
        .collect();
    call_function(name, args, context).map_err(|error| match error {
        CallError::Arguments(message) => ExprError::new(span, message),
        CallError::Unknown => ExprError {
            help: crate::plan::did_you_mean(name, crate::functions::names()),
            ..ExprError::new(span, format!("there is no eval function `{name}`"))
        },
    })
}

/// Plans an aggregation. `time` is the column of the event's time, for what depends on it.
///
/// # Errors
/// That there is no such aggregation, or that it needs a field.
pub fn plan_aggregate(
    function: &str,
    span: Span,
    argument: Option<Typed>,
    time: Option<Expr>,
) -> Result<Typed> {
    use datafusion::functions_aggregate::expr_fn;
    let typed = |(expr, data_type): (Expr, DataType)| Typed { expr, data_type };
    let argument = argument.map(|typed| {
        if typed.data_type == DataType::Null {
            null()
        } else {
            typed
        }
    });
    if matches!(function, "count" | "c") {
        let counted = match argument {
            None => lit(1_i64),
            Some(argument) if argument.data_type == DataType::Boolean => Expr::Case(Case::new(
                None,
                vec![(Box::new(null_is_false(argument.expr)), Box::new(lit(1_i64)))],
                None,
            )),
            Some(argument) if is_list(&argument.data_type) => {
                return Ok(typed(aggregate(Kind::Count, false, vec![argument.expr])));
            }
            Some(argument) => argument.expr,
        };
        return Ok(Typed {
            expr: expr_fn::count(counted),
            data_type: DataType::Int64,
        });
    }
    let Some(argument) = argument else {
        if !is_aggregation(function) {
            return Err(unknown_aggregation(function, span));
        }
        return Err(ExprError::new(
            span,
            format!("`{function}` needs a field: write `{function}(field)`"),
        ));
    };
    let argument = if argument.data_type == DataType::Boolean && calculates(function) {
        // `sum(eval(x=1))` counts the rows for which it holds.
        Typed {
            expr: Expr::Case(Case::new(
                None,
                vec![
                    (Box::new(argument.expr.clone()), Box::new(lit(1.0_f64))),
                    (
                        Box::new(Expr::Not(Box::new(argument.expr))),
                        Box::new(lit(0.0_f64)),
                    ),
                ],
                None,
            )),
            data_type: DataType::Float64,
        }
    } else if argument.data_type == DataType::Boolean {
        Typed {
            expr: cast_to(argument, &DataType::Utf8),
            data_type: DataType::Utf8,
        }
    } else {
        argument
    };
    let number = is_number(&argument.data_type);
    let with_time = |argument: Expr| vec![argument, time.clone().unwrap_or_else(|| lit(0.0))];
    let plain = |kind: Kind| typed(aggregate(kind, number, vec![argument.expr.clone()]));
    // DataFusion's own sums are faster; they do for single values.
    let numeric = |kind: Kind, own: fn(Expr) -> Expr| {
        if is_list(&argument.data_type) {
            return plain(kind);
        }
        let value = if number {
            cast_number(argument.clone())
        } else {
            cast_to(argument.clone(), &DataType::Float64)
        };
        Typed {
            expr: own(value),
            data_type: DataType::Float64,
        }
    };
    Ok(match function {
        "dc" | "distinct_count" | "estdc" => plain(Kind::DistinctCount),
        "values" => plain(Kind::Values),
        "list" => typed(aggregate(Kind::List, number, with_time(argument.expr))),
        "min" if number => Typed {
            expr: expr_fn::min(cast_number(argument)),
            data_type: DataType::Float64,
        },
        "max" if number => Typed {
            expr: expr_fn::max(cast_number(argument)),
            data_type: DataType::Float64,
        },
        "min" => plain(Kind::Min),
        "max" => plain(Kind::Max),
        // Events stand with the newest first.
        "latest" | "first" => typed(aggregate(Kind::Latest, number, with_time(argument.expr))),
        "earliest" | "last" => typed(aggregate(Kind::Earliest, number, with_time(argument.expr))),
        "latest_time" | "earliest_time" => {
            let time = time.unwrap_or_else(|| lit(ScalarValue::Float64(None)));
            let present = Expr::Case(Case::new(
                None,
                vec![(Box::new(argument.expr.is_not_null()), Box::new(time))],
                None,
            ));
            let expr = if function == "latest_time" {
                expr_fn::max(present)
            } else {
                expr_fn::min(present)
            };
            Typed {
                expr,
                data_type: DataType::Float64,
            }
        }
        "mode" => plain(Kind::Mode),
        "sum" => numeric(Kind::Sum, expr_fn::sum),
        "avg" | "mean" => numeric(Kind::Mean, expr_fn::avg),
        "sumsq" => plain(Kind::SumOfSquares),
        "stdev" => plain(Kind::SampleDeviation),
        "stdevp" => plain(Kind::Deviation),
        "var" => plain(Kind::SampleVariance),
        "varp" => plain(Kind::Variance),
        "range" => plain(Kind::Range),
        "median" => plain(Kind::Percentile(50_000)),
        other => match percentile_of(other) {
            Some(thousandths) => plain(Kind::Percentile(thousandths)),
            None => return Err(unknown_aggregation(other, span)),
        },
    })
}

/// Whether an aggregation calculates with numbers.
fn calculates(function: &str) -> bool {
    matches!(
        function,
        "sum"
            | "avg"
            | "mean"
            | "sumsq"
            | "stdev"
            | "stdevp"
            | "var"
            | "varp"
            | "range"
            | "median"
            | "min"
            | "max"
    ) || percentile_of(function).is_some()
}

/// Names of the aggregations besides percentiles.
const AGGREGATIONS: [&str; 27] = [
    "avg",
    "c",
    "count",
    "dc",
    "distinct_count",
    "earliest",
    "earliest_time",
    "estdc",
    "first",
    "last",
    "latest",
    "latest_time",
    "list",
    "max",
    "mean",
    "median",
    "min",
    "mode",
    "range",
    "stdev",
    "stdevp",
    "sum",
    "sumsq",
    "values",
    "var",
    "varp",
    "p95",
];

fn is_aggregation(name: &str) -> bool {
    AGGREGATIONS.contains(&name) || percentile_of(name).is_some()
}

fn unknown_aggregation(name: &str, span: Span) -> ExprError {
    ExprError {
        help: crate::plan::did_you_mean(name, AGGREGATIONS.into_iter()),
        ..ExprError::new(span, format!("there is no aggregation `{name}`"))
    }
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

/// The references of the rows of a group.
pub fn collect_refs(refs: Typed) -> Expr {
    aggregate(Kind::Refs, false, vec![refs.expr]).0
}

mod mvmap {
    //! `mvfilter` and `mvmap`: an expression for each value of a field.

    use std::hash::{Hash, Hasher};

    use datafusion::arrow::array::{
        Array, ArrayBuilder, ArrayRef, AsArray, ListBuilder, RecordBatch, StringArray,
        StringBuilder, UInt32Array,
    };
    use datafusion::arrow::compute::take;
    use datafusion::arrow::datatypes::{Field, Schema};
    use datafusion::common::{Column, DFSchema};
    use datafusion::error::Result as DataFusionResult;
    use datafusion::execution::context::ExecutionProps;
    use datafusion::logical_expr::{
        ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
    };
    use datafusion::physical_expr::create_physical_expr;

    use super::{
        Arc, DataType, EvalContext, Expr, ExprError, Fields, Result, Span, Typed, ast, cast_to,
        list_type, plan_expr, plan_predicate,
    };
    use crate::plan::needs::visit_fields;
    use crate::value::display_values;

    /// Column of the value that is looked at.
    const VALUE: &str = "__value";

    #[derive(Debug, Clone, PartialEq, Eq)]
    struct PerValue {
        /// Over `__value` and the other fields.
        inner: Expr,
        names: Vec<String>,
        /// Keep the values for which `inner` holds, instead of giving what it gives.
        filter: bool,
        signature: Signature,
    }

    impl Hash for PerValue {
        fn hash<H: Hasher>(&self, state: &mut H) {
            self.inner.hash(state);
            self.filter.hash(state);
        }
    }

    /// The fields with one of them standing for its values one by one.
    struct OneByOne<'a> {
        field: &'a str,
        fields: &'a dyn Fields,
        others: std::cell::RefCell<Vec<(String, Typed)>>,
    }

    impl Fields for OneByOne<'_> {
        fn field(&self, name: &str) -> Option<Typed> {
            if name == self.field {
                return Some(Typed {
                    expr: Expr::Column(Column::from_name(VALUE)),
                    data_type: DataType::Utf8,
                });
            }
            let typed = self.fields.field(name)?;
            let data_type = typed.data_type.clone();
            let mut others = self.others.borrow_mut();
            let at = others
                .iter()
                .position(|(own, _)| own == name)
                .unwrap_or_else(|| {
                    others.push((name.to_owned(), typed));
                    others.len() - 1
                });
            Some(Typed {
                expr: Expr::Column(Column::from_name(format!("__other{at}"))),
                data_type,
            })
        }
    }

    pub(super) fn filter(
        test: &ast::Expr,
        span: Span,
        fields: &dyn Fields,
        context: &EvalContext,
    ) -> Result<Typed> {
        let mut names: Vec<String> = Vec::new();
        visit_fields(test, &mut |name, _| {
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        });
        let [field] = names.as_slice() else {
            return Err(ExprError::new(
                span,
                "the condition of `mvfilter` must be about one field",
            ));
        };
        per_value(field, fields, true, |one| {
            plan_predicate(test, one, context).map(|expr| Typed {
                expr,
                data_type: DataType::Boolean,
            })
        })
    }

    pub(super) fn map(
        field: &ast::Expr,
        value: &ast::Expr,
        fields: &dyn Fields,
        context: &EvalContext,
    ) -> Result<Typed> {
        let ast::ExprKind::Field(name) = &field.kind else {
            return Err(ExprError::new(
                field.span,
                "the first argument of `mvmap` is a field",
            ));
        };
        per_value(name, fields, false, |one| {
            let typed = plan_expr(value, one, context)?;
            Ok(Typed {
                expr: cast_to(typed, &DataType::Utf8),
                data_type: DataType::Utf8,
            })
        })
    }

    fn per_value(
        field: &str,
        fields: &dyn Fields,
        filter: bool,
        plan: impl FnOnce(&dyn Fields) -> Result<Typed>,
    ) -> Result<Typed> {
        let Some(values) = fields.field(field) else {
            return Ok(super::null());
        };
        let one = OneByOne {
            field,
            fields,
            others: std::cell::RefCell::default(),
        };
        let inner = plan(&one)?.expr;
        let others = one.others.into_inner();
        let names = (0..others.len()).map(|at| format!("__other{at}")).collect();
        let mut args = vec![values.expr];
        args.extend(others.into_iter().map(|(_, typed)| typed.expr));
        let function = PerValue {
            inner,
            names,
            filter,
            signature: Signature::variadic_any(Volatility::Immutable),
        };
        Ok(Typed {
            expr: ScalarUDF::new_from_impl(function).call(args),
            data_type: list_type(),
        })
    }

    impl ScalarUDFImpl for PerValue {
        fn name(&self) -> &str {
            "spl_per_value"
        }

        fn signature(&self) -> &Signature {
            &self.signature
        }

        fn return_type(&self, _: &[DataType]) -> DataFusionResult<DataType> {
            Ok(list_type())
        }

        fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DataFusionResult<ColumnarValue> {
            let arrays = args
                .args
                .iter()
                .map(|arg| arg.to_array(args.number_rows))
                .collect::<DataFusionResult<Vec<_>>>()?;
            let mut arrays = arrays.into_iter();
            let Some(lists) = arrays.next() else {
                return datafusion::common::internal_err!("spl_per_value takes a field");
            };
            let mut rows: Vec<u32> = Vec::new();
            let mut values: Vec<String> = Vec::new();
            for row in 0..lists.len() {
                for value in display_values(&lists, row) {
                    rows.push(u32::try_from(row).unwrap_or(u32::MAX));
                    values.push(value);
                }
            }
            let indices = UInt32Array::from(rows.clone());
            let mut columns: Vec<ArrayRef> = vec![Arc::new(StringArray::from(values.clone()))];
            let mut schema_fields = vec![Field::new(VALUE, DataType::Utf8, true)];
            for (name, array) in self.names.iter().zip(arrays) {
                schema_fields.push(Field::new(name, array.data_type().clone(), true));
                columns.push(take(&array, &indices, None)?);
            }
            let schema = Arc::new(Schema::new(schema_fields));
            let batch = RecordBatch::try_new(Arc::clone(&schema), columns)?;
            let df_schema = DFSchema::try_from(Arc::clone(&schema))?;
            let physical = create_physical_expr(
                &self.inner,
                &df_schema,
                &ExecutionProps::new(),
                &Default::default(),
            )?;
            let results = physical.evaluate(&batch)?.into_array(batch.num_rows())?;
            let mut builder = ListBuilder::new(StringBuilder::new())
                .with_field(Arc::new(Field::new("item", DataType::Utf8, true)));
            let mut at = 0;
            for row in 0..lists.len() {
                let before = ArrayBuilder::len(builder.values());
                while rows.get(at).is_some_and(|own| *own as usize == row) {
                    if self.filter {
                        let keep = results
                            .as_boolean_opt()
                            .is_some_and(|keep| keep.is_valid(at) && keep.value(at));
                        if keep && let Some(value) = values.get(at) {
                            builder.values().append_value(value);
                        }
                    } else {
                        display_values(&results, at)
                            .into_iter()
                            .for_each(|value| builder.values().append_value(value));
                    }
                    at += 1;
                }
                let any = ArrayBuilder::len(builder.values()) > before;
                builder.append(any);
            }
            Ok(ColumnarValue::Array(Arc::new(builder.finish())))
        }
    }
}
