//! Eval expressions and aggregations as DataFusion expressions.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::{Case, Expr, Operator, binary_expr, lit};
use datafusion::scalar::ScalarValue;

use crate::aggregates::{How, Kind, aggregate};
pub use crate::column::{EvalContext, ExprError, Fields, Typed};
use crate::column::{is_list, is_number, list_type, null_is_false, null_text};
use crate::convert::{cast_to, coalesce, common_type};
use crate::functions::matcher::Matcher;
use crate::functions::terms::Term;
use crate::functions::{Implementation, Unplanned, call_function, check_arity, constant};
use crate::ops::{Answer, Args, Call, CallError, Entry, Prepared, call, fixed, text_condition};
use crate::syntax::ast::{self, BinaryOp, CompareOp, ExprKind, Span};
use crate::value::number_of;

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

/// `<`, `<=`, `>` and `>=` in a search clause: numbers as numbers, other text in lexicographic order.
pub fn search_compare(value: Typed, op: CompareOp, text: &str) -> Expr {
    compare_with(value.expr, op, text)
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

/// Numbers compare as numbers, everything else as text, case-sensitively.
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

/// Like [`compare_texts`], with a right side known not to be a number.
fn compare_with_text(left: &str, op: CompareOp, right: &str) -> bool {
    holds(left.cmp(right), op)
}

/// Both zeros are equal; numbers from text are never NaN.
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

/// Like [`plan_predicate`], but NULL if the condition is NULL.
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

/// A value as a condition: `true` and nonzero numbers count as true.
fn as_condition(typed: Typed) -> Expr {
    if typed.data_type == DataType::Boolean {
        return typed.expr;
    }
    text_condition("spl_truth", typed.expr, Vec::new())
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
        // The planner has already substituted the answer, if there is one.
        ExprKind::Subsearch(_) => {
            return Err(ExprError::new(
                expr.span,
                "a subsearch is not allowed here, because it must run before the expression is planned",
            ));
        }
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
                let equal = among(value, &constants);
                any = Some(any.map_or(equal.clone(), |any| any.or(equal)));
            }
            boolean(any.unwrap_or_else(|| lit(false)))
        }
        ExprKind::Call {
            name,
            name_span,
            args,
        } => {
            let call = Arguments {
                name,
                span: *name_span,
                args,
                fields,
                context,
            };
            match crate::functions::find(name).map(|function| function.implementation) {
                Some(Implementation::Whole(planned)) => {
                    check_arity(name, args.len()).map_err(|error| error.at(*name_span))?;
                    planned(&call)?
                }
                _ => {
                    let args = args.iter().map(plan).collect::<Result<Vec<_>>>()?;
                    plan_call(name, args, *name_span, context)?
                }
            }
        }
    })
}

/// Whether a value equals one of several constants.
fn among(value: Typed, constants: &[String]) -> Expr {
    text_condition("spl_in", value.expr, vec![fixed(&constants)])
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
        return compare_with(left.expr, op, &constant);
    }
    call(
        "spl_compare_values",
        DataType::Boolean,
        vec![left.expr, right.expr, lit(op.to_string())],
    )
    .expr
}

/// Compares a value with a constant.
fn compare_with(value: Expr, op: CompareOp, constant: &str) -> Expr {
    text_condition(
        "spl_compare",
        value,
        vec![lit(op.to_string()), lit(constant)],
    )
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
        BinaryOp::Add => call("spl_add", DataType::Utf8, vec![left.expr, right.expr]),
        BinaryOp::Concat => call("spl_concat", DataType::Utf8, vec![left.expr, right.expr]),
        BinaryOp::Subtract => arithmetic(Operator::Minus, left, right),
        BinaryOp::Multiply => arithmetic(Operator::Multiply, left, right),
        BinaryOp::Divide => call("spl_divide", DataType::Float64, vec![left.expr, right.expr]),
        BinaryOp::Modulo => call("spl_modulo", DataType::Float64, vec![left.expr, right.expr]),
    }
}

fn operator(call: &Call<'_>, at: usize) -> Result<CompareOp, CallError> {
    let text = call.fixed_text(at)?;
    CompareOp::ALL
        .into_iter()
        .find(|op| op.to_string() == text)
        .ok_or_else(|| CallError::Arguments(format!("`{text}` compares nothing")))
}

/// Division by zero gives NULL.
fn calculated(run: fn(f64, f64) -> f64) -> Result<Prepared, CallError> {
    Ok(Prepared::rows(DataType::Float64, move |args| {
        let numbers = args.number(0).zip(args.number(1));
        let result = numbers.map(|(left, right)| run(left, right));
        Answer::number(result.filter(|result| result.is_finite()))
    }))
}

fn concatenated(args: &Args<'_>) -> Answer {
    Answer::text(
        args.text(0)
            .zip(args.text(1))
            .map(|(left, right)| format!("{left}{right}")),
    )
}

/// Operators and comparisons.
pub(crate) const FUNCTIONS: &[Entry] = &[
    Entry {
        name: "spl_search_equals",
        prepare: |call| {
            let matcher = Matcher::of(&crate::clause::read_values(call)?);
            Ok(Prepared::condition(move |value| matcher.matches(value)))
        },
    },
    Entry {
        name: "spl_search_differs",
        prepare: |call| {
            let matcher = Matcher::of(&crate::clause::read_values(call)?);
            Ok(Prepared::condition(move |value| !matcher.matches(value)))
        },
    },
    Entry {
        name: "spl_word",
        prepare: |call| {
            let term = crate::clause::read_values(call)?
                .first()
                .and_then(Term::new);
            Ok(Prepared::condition(move |text| {
                term.as_ref().is_some_and(|term| term.is_in(text))
            }))
        },
    },
    Entry {
        name: "spl_dynamic_name",
        prepare: |call| {
            // Fixed texts, and nothing in place of the values.
            let parts: Vec<Option<String>> = call.fixed(0)?;
            Ok(Prepared::rows(DataType::Utf8, move |args| {
                let mut text = String::new();
                let mut at = 0;
                for part in &parts {
                    let Some(fixed) = part else {
                        at += 1;
                        match args.text(at) {
                            Some(value) => text.push_str(&value),
                            None => return Answer::Null,
                        }
                        continue;
                    };
                    text.push_str(fixed);
                }
                Answer::Text(text)
            }))
        },
    },
    Entry {
        name: "spl_compare",
        prepare: |call| {
            let (op, constant) = (operator(call, 1)?, call.fixed_text(2)?);
            // Most constants are not numbers: then no value needs to be parsed as one.
            Ok(if number_of(&constant).is_none() {
                Prepared::condition(move |value| compare_with_text(value, op, &constant))
            } else {
                Prepared::condition(move |value| compare_texts(value, op, &constant))
            })
        },
    },
    Entry {
        name: "spl_truth",
        prepare: |_| {
            Ok(Prepared::condition(|value| {
                value.eq_ignore_ascii_case("true")
                    || number_of(value).is_some_and(|number| number != 0.0)
            }))
        },
    },
    Entry {
        name: "spl_in",
        prepare: |call| {
            let constants: Vec<String> = call.fixed(1)?;
            let numbers: Vec<f64> = constants
                .iter()
                .filter_map(|text| number_of(text))
                .collect();
            let texts: HashSet<String> = constants.into_iter().collect();
            Ok(Prepared::condition(move |value| {
                texts.contains(value)
                    || !numbers.is_empty()
                        && number_of(value).is_some_and(|number| {
                            numbers.iter().any(|own| same_number(*own, number))
                        })
            }))
        },
    },
    Entry {
        name: "spl_compare_values",
        prepare: |call| {
            let op = operator(call, 2)?;
            Ok(Prepared::rows(DataType::Boolean, move |args| {
                let (left, right) = (args.values(0), args.values(1));
                if left.is_empty() || right.is_empty() {
                    return Answer::Null;
                }
                Answer::Bool(
                    left.iter()
                        .any(|left| right.iter().any(|right| compare_texts(left, op, right))),
                )
            }))
        },
    },
    Entry {
        name: "spl_add",
        prepare: |_| {
            Ok(Prepared::rows(DataType::Utf8, |args| {
                match args.number(0).zip(args.number(1)) {
                    Some((left, right)) => Answer::Number(left + right),
                    None => concatenated(args),
                }
            }))
        },
    },
    Entry {
        name: "spl_concat",
        prepare: |_| Ok(Prepared::rows(DataType::Utf8, concatenated)),
    },
    Entry {
        name: "spl_divide",
        prepare: |_| calculated(|left, right| left / right),
    },
    Entry {
        name: "spl_modulo",
        prepare: |_| calculated(|left, right| left % right),
    },
    mvmap::PER_VALUE,
];

/// The arguments of a call before they are planned.
struct Arguments<'a> {
    name: &'a str,
    span: Span,
    args: &'a [ast::Expr],
    fields: &'a dyn Fields,
    context: &'a EvalContext,
}

impl Arguments<'_> {
    fn value(&self, expr: &ast::Expr) -> Result<Typed> {
        plan_expr(expr, self.fields, self.context)
    }

    fn condition(&self, expr: &ast::Expr) -> Result<Expr> {
        plan_predicate(expr, self.fields, self.context)
    }

    fn usage(&self, text: &str) -> ExprError {
        ExprError::new(self.span, format!("`{}` is written {text}", self.name))
    }

    fn only_value(&self) -> Result<Typed> {
        match self.args {
            [value] => self.value(value),
            _ => Err(self.usage("with one value")),
        }
    }
}

impl Unplanned for Arguments<'_> {
    fn now(&self) -> Result<Typed> {
        Ok(Typed {
            expr: lit(self.context.now),
            data_type: DataType::Float64,
        })
    }

    fn choose(&self) -> Result<Typed> {
        let [test, then, other] = self.args else {
            return Err(self.usage("`if(condition, then, else)`"));
        };
        Ok(choose(
            vec![(self.condition(test)?, self.value(then)?)],
            Some(self.value(other)?),
        ))
    }

    fn first_case(&self, holds: bool) -> Result<Typed> {
        if self.args.is_empty() || !self.args.len().is_multiple_of(2) {
            return Err(self.usage("with pairs of a condition and a value"));
        }
        let mut branches = Vec::new();
        for pair in self.args.chunks_exact(2) {
            let [test, value] = pair else { continue };
            let test = self.condition(test)?;
            let test = if holds {
                test
            } else {
                Expr::Not(Box::new(test))
            };
            branches.push((test, self.value(value)?));
        }
        Ok(choose(branches, None))
    }

    fn coalesce(&self) -> Result<Typed> {
        if self.args.is_empty() {
            return Err(self.usage("with one value or more"));
        }
        let values = self
            .args
            .iter()
            .map(|expr| self.value(expr))
            .collect::<Result<Vec<_>>>()?;
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

    fn is_null(&self, null: bool) -> Result<Typed> {
        let value = self.only_value()?;
        Ok(boolean(match (value.data_type == DataType::Null, null) {
            (true, null) => lit(null),
            (false, true) => value.expr.is_null(),
            (false, false) => value.expr.is_not_null(),
        }))
    }

    fn is_bool(&self) -> Result<Typed> {
        Ok(boolean(lit(
            self.only_value()?.data_type == DataType::Boolean
        )))
    }

    fn among(&self) -> Result<Typed> {
        let Some((value, list)) = self.args.split_first() else {
            return Err(self.usage("`in(value, list…)`"));
        };
        self.value(&ast::Expr {
            kind: ExprKind::In {
                value: Box::new(value.clone()),
                list: list.to_vec(),
            },
            span: self.span,
        })
    }

    fn filter_values(&self) -> Result<Typed> {
        match self.args {
            [test] => mvmap::filter(test, self.span, self.fields, self.context),
            _ => Err(self.usage("`mvfilter(condition)`")),
        }
    }

    fn map_values(&self) -> Result<Typed> {
        match self.args {
            [field, value] => mvmap::map(field, value, self.fields, self.context),
            _ => Err(self.usage("`mvmap(field, expression)`")),
        }
    }

    fn search_match(&self) -> Result<Typed> {
        let [
            ast::Expr {
                kind: ExprKind::Text(text),
                ..
            },
        ] = self.args
        else {
            return Err(self.usage("`searchmatch(\"search clause\")`"));
        };
        let clause = crate::syntax::parse_search(text).map_err(|errors| {
            ExprError::new(
                self.span,
                errors
                    .into_iter()
                    .map(|error| error.message)
                    .collect::<Vec<_>>()
                    .join("; "),
            )
        })?;
        crate::clause::search_match(&clause, self.fields, self.context)
            .map(boolean)
            .map_err(|error| ExprError {
                message: error.message,
                span: self.span,
                help: error.help,
            })
    }

    fn refused(&self, why: &str) -> ExprError {
        ExprError::new(
            self.span,
            format!("`{}` is not supported: {why}", self.name),
        )
    }
}

/// The value of the first branch whose condition is true.
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
/// If there is no such function, or its arguments are wrong.
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
    call_function(name, args, context).map_err(|error| error.at(span))
}

impl CallError {
    /// The error at its place, with a suggestion for an unknown function.
    fn at(self, span: Span) -> ExprError {
        match self {
            Self::Arguments(message) => ExprError::new(span, message),
            Self::Unknown(name) => ExprError {
                help: crate::suggest::did_you_mean(&name, crate::functions::names()),
                ..ExprError::new(span, format!("there is no eval function `{name}`"))
            },
        }
    }
}

/// Plans an aggregation. `time` is the column with the event's time, for aggregations that depend on it.
///
/// # Errors
/// If there is no such aggregation, or it needs a field.
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
    let Some((entry, thousandths)) = crate::aggregates::find(function) else {
        return Err(ExprError {
            help: crate::suggest::did_you_mean(function, crate::aggregates::names()),
            ..ExprError::new(span, format!("there is no aggregation `{function}`"))
        });
    };
    if matches!(entry.how, How::Count) {
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
    if matches!(entry.how, How::Sparkline) {
        return Err(ExprError::new(
            span,
            format!("`{function}` can only be used in `stats` and `chart`"),
        ));
    }
    let Some(argument) = argument else {
        return Err(ExprError::new(
            span,
            format!("`{function}` needs a field: write `{function}(field)`"),
        ));
    };
    let argument = if argument.data_type == DataType::Boolean && entry.calculates {
        // `sum(eval(x=1))` counts the rows for which it is true.
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
    // DataFusion's own sums are faster, and sufficient for single values.
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
    Ok(match entry.how {
        // Both returned above.
        How::Count | How::Sparkline => plain(Kind::Count),
        How::Kind(kind) => plain(kind),
        How::Percentile => plain(Kind::Percentile(thousandths)),
        How::Numbers(kind, own) => numeric(kind, own),
        How::Extreme(_, own) if number => Typed {
            expr: own(cast_number(argument)),
            data_type: DataType::Float64,
        },
        How::Extreme(kind, _) => plain(kind),
        // Events are sorted newest first.
        How::Timed(kind) => typed(aggregate(kind, number, with_time(argument.expr))),
        How::TimeOf(own) => {
            let time = time.unwrap_or_else(|| lit(ScalarValue::Float64(None)));
            let present = Expr::Case(Case::new(
                None,
                vec![(Box::new(argument.expr.is_not_null()), Box::new(time))],
                None,
            ));
            Typed {
                expr: own(present),
                data_type: DataType::Float64,
            }
        }
    })
}

/// The references of a group's rows.
pub fn collect_refs(refs: Typed) -> Expr {
    aggregate(Kind::Refs, false, vec![refs.expr]).0
}

mod mvmap {
    //! `mvfilter` and `mvmap`: an expression for each value of a field.

    use std::borrow::Cow;

    use datafusion::arrow::array::{
        Array, ArrayBuilder, ArrayRef, AsArray, ListBuilder, RecordBatch, StringArray,
        StringBuilder, UInt32Array,
    };
    use datafusion::arrow::compute::take;
    use datafusion::arrow::datatypes::{Field, Schema};
    use datafusion::common::{Column, DFSchema};
    use datafusion::error::Result as DataFusionResult;
    use datafusion::execution::context::ExecutionProps;
    use datafusion::logical_expr::ColumnarValue;
    use datafusion::physical_expr::create_physical_expr;

    use super::{
        Arc, CallError, DataType, Entry, EvalContext, Expr, ExprError, Fields, Prepared, Result,
        Span, Typed, ast, cast_to, fixed, list_type, lit, plan_expr, plan_predicate,
    };
    use crate::HIDDEN;
    use crate::syntax::walk::visit_fields;
    use crate::value::display_values;

    /// Column with the current value.
    const VALUE: &str = hidden!("value");

    /// The fields, with one of them replaced by its values one by one.
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
                expr: Expr::Column(Column::from_name(other(at))),
                data_type,
            })
        }
    }

    /// The operation on each value, from the first argument: the field, the expression as SPL, whether to keep the
    /// values for which the expression is true instead of returning its results, the other fields, and `now()`.
    type PerValue<'a> = (Cow<'a, str>, Cow<'a, str>, bool, Vec<String>);

    pub(super) const PER_VALUE: Entry = Entry {
        name: "spl_per_value",
        prepare: |call| {
            let (field, text, keep, names): PerValue<'static> = call.fixed(0)?;
            let context = EvalContext {
                now: call.fixed_number(1)?,
            };
            let wrong = |message: String| CallError::Arguments(message);
            let inner = crate::syntax::parse_expr(&text).map_err(|errors| {
                wrong(
                    errors
                        .into_iter()
                        .map(|error| error.message)
                        .collect::<Vec<_>>()
                        .join("; "),
                )
            })?;
            let others = names
                .into_iter()
                .zip(call.types.iter().skip(3).cloned())
                .collect();
            let one = Values {
                field: field.into_owned(),
                others,
            };
            let inner = if keep {
                plan_predicate(&inner, &one, &context)
            } else {
                plan_expr(&inner, &one, &context).map(|typed| cast_to(typed, &DataType::Utf8))
            }
            .map_err(|error| wrong(error.message))?;
            Ok(Prepared::columns(list_type(), move |args, rows| {
                each(args, rows, &inner, keep, one.others.len())
            }))
        },
    };

    /// The columns of the values, one by one, and of the other fields.
    struct Values {
        field: String,
        others: Vec<(String, DataType)>,
    }

    impl Fields for Values {
        fn field(&self, name: &str) -> Option<Typed> {
            if name == self.field {
                return Some(Typed {
                    expr: Expr::Column(Column::from_name(VALUE)),
                    data_type: DataType::Utf8,
                });
            }
            let mut others = self.others.iter().enumerate();
            let (at, (_, data_type)) = others.find(|(_, (own, _))| own == name)?;
            Some(Typed {
                expr: Expr::Column(Column::from_name(other(at))),
                data_type: data_type.clone(),
            })
        }
    }

    fn other(at: usize) -> String {
        format!("{HIDDEN}other{at}")
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
        per_value(field, fields, test, true, context)
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
        per_value(name, fields, value, false, context)
    }

    fn per_value(
        field: &str,
        fields: &dyn Fields,
        inner: &ast::Expr,
        keep: bool,
        context: &EvalContext,
    ) -> Result<Typed> {
        let Some(values) = fields.field(field) else {
            return Ok(super::null());
        };
        let one = OneByOne {
            field,
            fields,
            others: std::cell::RefCell::default(),
        };
        // Report errors in the expression now, and find the fields it reads.
        if keep {
            plan_predicate(inner, &one, context)?;
        } else {
            plan_expr(inner, &one, context)?;
        }
        let (names, others): (Vec<String>, Vec<Typed>) =
            one.others.into_inner().into_iter().unzip();
        let text = inner.to_string();
        let said: PerValue<'_> = (Cow::Borrowed(field), Cow::Borrowed(&text), keep, names);
        let mut args = vec![fixed(&said), lit(context.now), values.expr];
        args.extend(others.into_iter().map(|typed| typed.expr));
        Ok(super::call(PER_VALUE.name, list_type(), args))
    }

    fn each(
        args: Vec<ColumnarValue>,
        rows: usize,
        inner: &Expr,
        keep: bool,
        others: usize,
    ) -> DataFusionResult<ColumnarValue> {
        let arrays = args
            .into_iter()
            .skip(2)
            .map(|arg| arg.into_array(rows))
            .collect::<DataFusionResult<Vec<_>>>()?;
        let mut arrays = arrays.into_iter();
        let Some(lists) = arrays.next() else {
            return datafusion::common::internal_err!("spl_per_value takes a field");
        };
        let mut places: Vec<u32> = Vec::new();
        let mut values: Vec<String> = Vec::new();
        for row in 0..lists.len() {
            for value in display_values(&lists, row) {
                places.push(u32::try_from(row).unwrap_or(u32::MAX));
                values.push(value);
            }
        }
        let indices = UInt32Array::from(places.clone());
        let mut columns: Vec<ArrayRef> = vec![Arc::new(StringArray::from(values.clone()))];
        let mut schema_fields = vec![Field::new(VALUE, DataType::Utf8, true)];
        for (at, array) in arrays.take(others).enumerate() {
            schema_fields.push(Field::new(other(at), array.data_type().clone(), true));
            columns.push(take(&array, &indices, None)?);
        }
        let schema = Arc::new(Schema::new(schema_fields));
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns)?;
        let df_schema = DFSchema::try_from(Arc::clone(&schema))?;
        let physical = create_physical_expr(
            inner,
            &df_schema,
            &ExecutionProps::new(),
            &Default::default(),
        )?;
        let results = physical.evaluate(&batch)?.into_array(batch.num_rows())?;
        let mut builder = ListBuilder::new(StringBuilder::new()).with_field(Arc::new(Field::new(
            "item",
            DataType::Utf8,
            true,
        )));
        let mut at = 0;
        for row in 0..lists.len() {
            let before = ArrayBuilder::len(builder.values());
            while places.get(at).is_some_and(|own| *own as usize == row) {
                if keep {
                    let holds = results
                        .as_boolean_opt()
                        .is_some_and(|holds| holds.is_valid(at) && holds.value(at));
                    if holds && let Some(value) = values.get(at) {
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
