//! SPL's eval functions, one entry each: its name, number of arguments, documentation, and body.
//!
//! The planner's calls, the errors about argument counts, the suggestions for misspelt names, the user's reference
//! ([`reference`](reference())) and the function names in plans are all derived from the entries. A function sees the
//! values of one row (`Args`) and returns one. NULL in gives NULL out unless the entry says otherwise. Constants (a
//! pattern, a format) are prepared once.

mod conditions;
mod conversion;
mod json;
mod kept;
pub(crate) mod matcher;
mod multivalue;
mod numbers;
pub mod regex;
pub(crate) mod terms;
mod text;
pub mod time;

pub(crate) use text::{digest, url_decoded};

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::{Expr, lit};
use datafusion::scalar::ScalarValue;

use crate::column::list_type;
use crate::column::{EvalContext, ExprError, Typed};
use crate::ops::{Answer, Args, Call, CallError, Prepare, Prepared, call, literal_text};
use regex::{Compiled, compile_regex};

/// How a function is implemented.
#[derive(Clone, Copy)]
pub(crate) enum Implementation {
    /// Row by row, from the values of its arguments.
    Rows(Prepare),
    /// The same, with the value of `now()` after its arguments.
    RowsAndNow(Prepare),
    /// From its unplanned arguments, as an expression of others.
    Whole(fn(&dyn Unplanned) -> Result<Typed, ExprError>),
}

/// A call that sees its unplanned arguments: not all of them are evaluated, or they are conditions.
pub(crate) trait Unplanned {
    /// What `now()` answers.
    fn now(&self) -> Result<Typed, ExprError>;
    /// `if(condition, then, else)`.
    fn choose(&self) -> Result<Typed, ExprError>;
    /// `case(condition, value, …)`: the value after the first true condition or, with `holds` false, after the first
    /// false one.
    fn first_case(&self, holds: bool) -> Result<Typed, ExprError>;
    /// `coalesce(value, …)`.
    fn coalesce(&self) -> Result<Typed, ExprError>;
    /// Whether a value is NULL.
    fn is_null(&self, null: bool) -> Result<Typed, ExprError>;
    /// Whether a value is a Boolean.
    fn is_bool(&self) -> Result<Typed, ExprError>;
    /// `in(value, list…)`.
    fn among(&self) -> Result<Typed, ExprError>;
    /// `mvfilter(condition)`.
    fn filter_values(&self) -> Result<Typed, ExprError>;
    /// `mvmap(field, expression)`.
    fn map_values(&self) -> Result<Typed, ExprError>;
    /// `searchmatch("search clause")`.
    fn search_match(&self) -> Result<Typed, ExprError>;
    /// The function is refused, with the reason.
    fn refused(&self, why: &str) -> ExprError;
}

/// The function whose argument is a clause of a search in a string.
pub(crate) const SEARCH_MATCH: &str = "searchmatch";

/// A constant: a function without arguments.
#[expect(clippy::unnecessary_wraps, reason = "what plans a function may fail")]
fn constant_value(value: ScalarValue) -> Result<Typed, ExprError> {
    Ok(Typed {
        data_type: value.data_type(),
        expr: lit(value),
    })
}

/// A function of eval.
pub struct Function {
    /// Its name, lower case.
    pub name: &'static str,
    /// Minimum number of arguments.
    pub least: usize,
    /// Maximum number of arguments; `usize::MAX` for no limit.
    pub most: usize,
    /// Its syntax, on one line.
    pub syntax: &'static str,
    /// What it returns, in sentences for users.
    pub meaning: &'static str,
    /// An example expression.
    pub example: &'static str,
    pub(crate) implementation: Implementation,
}

/// An entry whose function works row by row.
const fn rows(
    name: &'static str,
    (least, most): (usize, usize),
    syntax: &'static str,
    meaning: &'static str,
    example: &'static str,
    prepare: Prepare,
) -> Function {
    entry(
        name,
        (least, most),
        syntax,
        meaning,
        example,
        Implementation::Rows(prepare),
    )
}

/// An entry whose function is planned as a whole.
const fn whole(
    name: &'static str,
    arity: (usize, usize),
    syntax: &'static str,
    meaning: &'static str,
    example: &'static str,
    planned: fn(&dyn Unplanned) -> Result<Typed, ExprError>,
) -> Function {
    entry(
        name,
        arity,
        syntax,
        meaning,
        example,
        Implementation::Whole(planned),
    )
}

const fn entry(
    name: &'static str,
    (least, most): (usize, usize),
    syntax: &'static str,
    meaning: &'static str,
    example: &'static str,
    implementation: Implementation,
) -> Function {
    Function {
        name,
        least,
        most,
        syntax,
        meaning,
        example,
        implementation,
    }
}

/// Any number of arguments.
const MANY: usize = usize::MAX;

/// All eval functions, in the order of the reference.
pub fn reference() -> impl Iterator<Item = &'static Function> {
    [
        conditions::FUNCTIONS,
        conversion::FUNCTIONS,
        text::FUNCTIONS,
        numbers::FUNCTIONS,
        multivalue::FUNCTIONS,
        time::FUNCTIONS,
        json::FUNCTIONS,
    ]
    .into_iter()
    .flatten()
}

/// The function with a name, in lower case.
pub(crate) fn find(name: &str) -> Option<&'static Function> {
    static BY_NAME: LazyLock<HashMap<&str, &Function>> =
        LazyLock::new(|| reference().map(|entry| (entry.name, entry)).collect());
    BY_NAME.get(name).copied()
}

/// Names of all functions, for suggestions.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    reference().map(|entry| entry.name)
}

/// The functions that appear in plans, by their names there.
pub(crate) fn bodies() -> impl Iterator<Item = (Cow<'static, str>, Prepare)> {
    reference().filter_map(|entry| match entry.implementation {
        Implementation::Rows(prepare) | Implementation::RowsAndNow(prepare) => {
            Some((Cow::Owned(name_in_plans(entry.name)), prepare))
        }
        Implementation::Whole(_) => None,
    })
}

fn name_in_plans(name: &str) -> String {
    format!("eval_{name}")
}

/// The expected number of arguments, in words.
pub(crate) fn check_arity(name: &str, given: usize) -> Result<&'static Function, CallError> {
    let entry = find(name).ok_or_else(|| CallError::Unknown(name.to_owned()))?;
    if given >= entry.least && given <= entry.most {
        return Ok(entry);
    }
    let wanted = match (entry.least, entry.most) {
        (0, 0) => "no argument".to_owned(),
        (1, 1) => "one argument".to_owned(),
        (low, high) if low == high => format!("{low} arguments"),
        (1, MANY) => "at least 1 argument".to_owned(),
        (low, MANY) => format!("at least {low} arguments"),
        (low, high) => format!("{low} to {high} arguments"),
    };
    Err(CallError::Arguments(format!(
        "`{name}` takes {wanted}, not {given}: it is written `{}`",
        entry.syntax
    )))
}

/// Calls a function by its name, in lower case, with planned arguments.
pub(crate) fn call_function(
    name: &str,
    args: Vec<Typed>,
    context: &EvalContext,
) -> Result<Typed, CallError> {
    let entry = check_arity(name, args.len())?;
    let (prepare, now) = match entry.implementation {
        Implementation::Rows(prepare) => (prepare, false),
        Implementation::RowsAndNow(prepare) => (prepare, true),
        Implementation::Whole(_) => return Err(CallError::Unknown(name.to_owned())),
    };
    let mut types: Vec<DataType> = args.iter().map(|typed| typed.data_type.clone()).collect();
    let mut literals: Vec<_> = args
        .iter()
        .map(|typed| constant(typed).map(|text| ScalarValue::Utf8(Some(text))))
        .collect();
    let mut exprs: Vec<Expr> = args.into_iter().map(|typed| typed.expr).collect();
    if now {
        types.push(DataType::Float64);
        literals.push(Some(context.now.into()));
        exprs.push(lit(context.now));
    }
    let prepared = prepare(&Call::new(&types, &literals))?;
    if exprs.is_empty() {
        // DataFusion cannot call a function without arguments.
        return prepared
            .alone()
            .map_err(|error| CallError::Arguments(error.to_string()));
    }
    Ok(call(&name_in_plans(name), prepared.output(), exprs))
}

type Made = Result<Prepared, CallError>;

#[expect(clippy::unnecessary_wraps, reason = "the end of a preparation")]
fn number(body: impl Fn(&Args<'_>) -> Option<f64> + Send + Sync + 'static) -> Made {
    Ok(Prepared::rows(DataType::Float64, move |args| {
        Answer::number(body(args))
    }))
}

#[expect(clippy::unnecessary_wraps, reason = "the end of a preparation")]
fn text(body: impl Fn(&Args<'_>) -> Option<String> + Send + Sync + 'static) -> Made {
    Ok(Prepared::rows(DataType::Utf8, move |args| {
        Answer::text(body(args))
    }))
}

#[expect(clippy::unnecessary_wraps, reason = "the end of a preparation")]
fn condition(body: impl Fn(&Args<'_>) -> Option<bool> + Send + Sync + 'static) -> Made {
    Ok(Prepared::rows(DataType::Boolean, move |args| {
        Answer::bool(body(args))
    }))
}

#[expect(clippy::unnecessary_wraps, reason = "the end of a preparation")]
fn list(body: impl Fn(&Args<'_>) -> Vec<String> + Send + Sync + 'static) -> Made {
    Ok(Prepared::rows(list_type(), move |args| {
        Answer::List(body(args))
    }))
}

/// A text function that maps each value of a multivalued field.
fn each(call: &Call<'_>, body: impl Fn(&str) -> String + Send + Sync + 'static) -> Made {
    if call.is_list(0) {
        list(move |args| args.values(0).iter().map(|value| body(value)).collect())
    } else {
        text(move |args| args.text(0).map(|value| body(&value)))
    }
}

fn owned(values: Vec<Cow<'_, str>>) -> Vec<String> {
    values.into_iter().map(Cow::into_owned).collect()
}

/// The text of a constant argument.
pub(crate) fn constant(typed: &Typed) -> Option<String> {
    fn of(expr: &Expr) -> Option<String> {
        match expr {
            Expr::Literal(value, _) => literal_text(value),
            Expr::Alias(alias) => of(&alias.expr),
            Expr::Cast(cast) => of(&cast.expr),
            _ => None,
        }
    }
    of(&typed.expr)
}

/// A pattern: compiled now if it is constant, otherwise for each row.
fn pattern(call: &Call<'_>, at: usize) -> Result<Option<Compiled>, CallError> {
    call.literal(at)
        .map(|text| compile_regex(&text).map_err(CallError::Arguments))
        .transpose()
}

fn with_pattern<T>(
    fixed: Option<&Compiled>,
    args: &Args<'_>,
    at: usize,
    run: impl FnOnce(&Compiled) -> T,
) -> Option<T> {
    match fixed {
        Some(compiled) => Some(run(compiled)),
        None => compile_regex(&args.text(at)?)
            .ok()
            .map(|compiled| run(&compiled)),
    }
}

fn finite(number: f64) -> Option<f64> {
    number.is_finite().then_some(number)
}

#[expect(clippy::cast_precision_loss, reason = "counts are small")]
fn count(number: usize) -> f64 {
    number as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "not negative; `as` saturates"
)]
fn index(number: f64) -> usize {
    number.max(0.0) as usize
}

/// An address in canonical form, without `::ffff:`, scope, brackets and port. `None` for `-`, `LOCAL` and everything
/// else that is not an address.
pub(crate) fn ip_normalised(text: &str) -> Option<String> {
    crabwalk_vocabulary::address(text).map(|address| address.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_normalised() {
        for (text, address) in [
            ("::ffff:10.0.0.1", Some("10.0.0.1")),
            ("fe80::1%12", Some("fe80::1")),
            ("[10.0.2.16]:59407", Some("10.0.2.16")),
            ("10.0.2.16:52202", Some("10.0.2.16")),
            ("2001::1002", Some("2001::1002")),
            ("-", None),
            (" [CLIENT: 10.0.2.17]", Some("10.0.2.17")),
            ("LOCAL", None),
            ("", None),
        ] {
            assert_eq!(ip_normalised(text).as_deref(), address, "{text}");
        }
    }

    #[test]
    fn entries_are_unique_and_documented() {
        let mut seen = std::collections::HashSet::new();
        for entry in reference() {
            assert!(seen.insert(entry.name), "{} stands twice", entry.name);
            assert!(entry.least <= entry.most, "{}", entry.name);
            assert!(
                entry.syntax.starts_with(&format!("{}(", entry.name)),
                "the syntax of {}",
                entry.name
            );
            assert!(
                entry.meaning.ends_with('.'),
                "the meaning of {}",
                entry.name
            );
            assert!(
                entry.example.contains(&format!("{}(", entry.name)),
                "the example of {}",
                entry.name
            );
            let parsed = crate::syntax::parse_expr(entry.example);
            assert!(parsed.is_ok(), "{}: {parsed:?}", entry.example);
        }
    }
}
