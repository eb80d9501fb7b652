//! Search clauses, specialised for what is known about the rows they apply to.
//!
//! If a field has the same value in all rows, or no row has it, a comparison is decided here; what remains undecided
//! becomes an expression.

use std::borrow::Cow;

use datafusion::logical_expr::{Expr, lit};
use datafusion::scalar::ScalarValue;

use crate::column::{EvalContext, Fields, Typed, null_is_false};
use crate::expr::search_compare;
use crate::functions::matcher::matches_one;
use crate::functions::terms::Term;
use crate::ops::{Call, CallError, fixed, text_condition};
use crate::syntax::Diagnostic;
use crate::syntax::ast::{CompareOp, Directive, Name, SearchExpr, SearchValue, Span};
use crate::value::number_of;

type Result<T, E = Diagnostic> = std::result::Result<T, E>;

fn diagnostic(span: Span, message: impl Into<String>) -> Diagnostic {
    Diagnostic::new(message, span)
}

/// The indexes of events made from findings.
pub(crate) const MADE_INDEXES: [&str; 2] = ["risk", "notable"];

/// A specialised search clause.
#[derive(Debug, Clone)]
pub(crate) enum Folded {
    Known(bool),
    Open(Expr),
}

impl Folded {
    pub fn not(self) -> Self {
        match self {
            Self::Known(value) => Self::Known(!value),
            Self::Open(expr) => Self::Open(Expr::Not(Box::new(expr))),
        }
    }

    pub fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Known(true), _) | (_, Self::Known(true)) => Self::Known(true),
            (Self::Known(false), other) | (other, Self::Known(false)) => other,
            (Self::Open(one), Self::Open(other)) => Self::Open(one.or(other)),
        }
    }

    pub fn all(parts: impl IntoIterator<Item = Result<Self>>) -> Result<Self> {
        Self::join(parts, false)
    }

    pub fn any(parts: impl IntoIterator<Item = Result<Self>>) -> Result<Self> {
        Self::join(parts, true)
    }

    /// Combines with OR if `decisive` is true, with AND if it is false.
    fn join(parts: impl IntoIterator<Item = Result<Self>>, decisive: bool) -> Result<Self> {
        let mut open: Option<Expr> = None;
        for part in parts {
            match part? {
                Self::Known(value) if value == decisive => return Ok(Self::Known(decisive)),
                Self::Known(_) => {}
                Self::Open(expr) => {
                    open = Some(match open {
                        None => expr,
                        Some(before) if is_open(&expr) => before,
                        Some(before) if decisive => before.or(expr),
                        Some(before) => before.and(expr),
                    });
                }
            }
        }
        Ok(open.map_or(Self::Known(!decisive), Self::Open))
    }
}

/// Stands for a condition that will not run.
fn left_open() -> Expr {
    lit(true)
}

fn is_open(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(ScalarValue::Boolean(Some(true)), None))
}

/// The facts for which a search clause is specialised.
pub(crate) trait Scope {
    /// The field's value if it is the same in all rows.
    fn constants(&self, name: &str) -> Option<Cow<'_, [String]>>;
    /// The field.
    fn value(&self, name: &str) -> Option<Typed>;
    /// Whether a word or phrase is in the event.
    fn word(&self, term: &Term) -> Folded;
    /// Whether `!=` is true for a missing field, as in `tstats … where`.
    fn unequal_when_missing(&self) -> bool {
        false
    }
    /// Only decisions count: undecided parts will not run, and are not built.
    fn only_decides(&self) -> bool {
        false
    }
    /// The index of all events, if known.
    fn index(&self) -> Option<&str> {
        None
    }
}

/// Fields about which nothing is known.
pub(crate) struct FieldScope<'a>(pub &'a dyn Fields);

impl Scope for FieldScope<'_> {
    fn constants(&self, _: &str) -> Option<Cow<'_, [String]>> {
        None
    }

    fn value(&self, name: &str) -> Option<Typed> {
        self.0.field(name)
    }

    fn word(&self, term: &Term) -> Folded {
        in_any(self.0.field("_raw"), term)
    }
}

/// Specialises a search clause.
pub(crate) fn fold(expr: &SearchExpr, scope: &dyn Scope, context: &EvalContext) -> Result<Folded> {
    match expr {
        SearchExpr::And(all) => Folded::all(all.iter().map(|expr| fold(expr, scope, context))),
        SearchExpr::Or(any) => Folded::any(any.iter().map(|expr| fold(expr, scope, context))),
        SearchExpr::Not(inner) => Ok(fold(inner, scope, context)?.not()),
        SearchExpr::Compare { field, op, value } => compare(field, *op, value, scope, context),
        SearchExpr::In { field, values } => equals(field, values, scope),
        SearchExpr::Term(term) => word(term, scope),
        // Only if nothing runs: its rows may match or not.
        SearchExpr::Subsearch(_) | SearchExpr::Given { .. } => Ok(Folded::Open(left_open())),
    }
}

fn compare(
    field: &Name,
    op: CompareOp,
    value: &SearchValue,
    scope: &dyn Scope,
    context: &EvalContext,
) -> Result<Folded> {
    match (field.text.as_str(), op) {
        ("earliest" | "latest", CompareOp::Eq) => {
            return time_limit(&field.text, value, scope, context);
        }
        (unit, CompareOp::Eq) if ago(unit).is_some() && scope.value(unit).is_none() => {
            return time_ago(unit, value, scope, context);
        }
        (name @ ("starttime" | "endtime"), CompareOp::Eq) if scope.value(name).is_none() => {
            return time_limit(name, value, scope, context);
        }
        ("timeformat", CompareOp::Eq) if scope.value("timeformat").is_none() => {
            if value.text == TIME_FORMAT {
                return Ok(Folded::Known(true));
            }
            return Err(diagnostic(
                field.span,
                format!("`timeformat=` is not supported: write times as `{TIME_FORMAT}`"),
            ));
        }
        (name @ ("_index_earliest" | "_index_latest"), _) => {
            let mut refused = diagnostic(
                field.span,
                format!("`{name}=` is not supported: when an event was indexed is not known"),
            );
            refused.help =
                Some("use `earliest=` and `latest=`, which go by the event's own time".to_owned());
            return Err(refused);
        }
        // Everything read is in every index, except those made from findings.
        ("index", CompareOp::Eq) => {
            let text = value.text.to_lowercase();
            let is_made = MADE_INDEXES.contains(&text.as_str());
            match scope.index() {
                Some(index) if is_made || MADE_INDEXES.contains(&index) => {
                    return Ok(Folded::Known(search_matches_literal(index, value)));
                }
                Some(_) => return Ok(Folded::Known(true)),
                None if scope.value("index").is_none() => return Ok(Folded::Known(!is_made)),
                None => {}
            }
        }
        _ => {}
    }
    match op {
        CompareOp::Eq => equals(field, std::slice::from_ref(value), scope),
        CompareOp::Ne => {
            let equal = equals(field, std::slice::from_ref(value), scope)?;
            if scope.constants(&field.text).is_some() || scope.unequal_when_missing() {
                return Ok(equal.not());
            }
            let Some(typed) = scope.value(&field.text) else {
                return Ok(Folded::Known(false));
            };
            if scope.only_decides() {
                return Ok(Folded::Open(left_open()));
            }
            // One differing value of several is enough; `NOT field=value` requires that none is equal.
            Ok(Folded::Open(or_false(search_differs(typed, value))))
        }
        CompareOp::Lt | CompareOp::Le | CompareOp::Gt | CompareOp::Ge => {
            let Some(typed) = scope.value(&field.text) else {
                return Ok(Folded::Known(false));
            };
            if scope.only_decides() {
                return Ok(Folded::Open(left_open()));
            }
            Ok(Folded::Open(or_false(search_compare(
                typed,
                op,
                &value.text,
            ))))
        }
    }
}

fn equals(field: &Name, values: &[SearchValue], scope: &dyn Scope) -> Result<Folded> {
    if let Some(constants) = scope.constants(&field.text) {
        let fits = constants.iter().any(|own| {
            values
                .iter()
                .any(|value| search_matches_literal(own, value))
        });
        return Ok(Folded::Known(fits));
    }
    let Some(typed) = scope.value(&field.text) else {
        return Ok(Folded::Known(false));
    };
    if scope.only_decides() {
        return Ok(Folded::Open(left_open()));
    }
    if values.iter().any(|value| value.text == "*") {
        return Ok(Folded::Open(typed.expr.is_not_null()));
    }
    Ok(Folded::Open(or_false(search_equals(typed, values))))
}

/// A word or phrase may be in any text of the event.
fn word(term: &SearchValue, scope: &dyn Scope) -> Result<Folded> {
    if term.text.chars().all(|char| char == '*') {
        return Ok(Folded::Known(true));
    }
    let Some(term) = Term::new(term) else {
        return Err(diagnostic(
            term.span,
            "this phrase is too long to be looked for",
        ));
    };
    Ok(scope.word(&term))
}

/// Whether a term is in a text, or in one of several.
pub(crate) fn has_word(text: Typed, term: &Term) -> Folded {
    Folded::Open(or_false(is_in(text, &term.value)))
}

/// Whether a term is in one of several columns.
pub(crate) fn in_any(texts: impl IntoIterator<Item = Typed>, term: &Term) -> Folded {
    let found = texts.into_iter().map(|text| has_word(text, term));
    found.fold(Folded::Known(false), Folded::or)
}

/// `earliest=` (inclusive) and `latest=` (exclusive): epoch seconds, a relative modifier, or `now`.
fn time_limit(
    name: &str,
    value: &SearchValue,
    scope: &dyn Scope,
    context: &EvalContext,
) -> Result<Folded> {
    let limit = time_modifier(&value.text, context).ok_or_else(|| {
        if value.text.starts_with("rt") {
            let why = format!("`{}` asks for a search in real time, which is not supported", value.text);
            return diagnostic(value.span, why)
                .with_help("search the events that are there, with `-5m` and `now`");
        }
        diagnostic(
            value.span,
            format!(
                "`{}` is not a time: write `-24h@h`, seconds since 1970, `%m/%d/%Y:%H:%M:%S` or `now`",
                value.text
            ),
        )
    })?;
    let Some(time) = scope.value("_time") else {
        return Ok(Folded::Known(true));
    };
    Ok(Folded::Open(if matches!(name, "earliest" | "starttime") {
        time.expr.gt_eq(lit(limit))
    } else {
        time.expr.lt(lit(limit))
    }))
}

/// Formats of times in a range that are neither relative nor seconds.
const TIME_FORMAT: &str = "%m/%d/%Y:%H:%M:%S";

/// The unit, in seconds, of `starthoursago=24`, `daysago=1` and the like, and whether they set the start of the range.
pub(crate) fn ago(name: &str) -> Option<(bool, f64)> {
    let (start, unit) = match (name.strip_prefix("start"), name.strip_prefix("end")) {
        (Some(unit), _) => (true, unit),
        (None, Some(unit)) => (false, unit),
        (None, None) => (true, name),
    };
    let seconds = match unit.strip_suffix("ago")? {
        "minutes" => 60.0,
        "hours" => 3600.0,
        "days" => 86_400.0,
        "months" => 30.0 * 86_400.0,
        _ => return None,
    };
    Some((start, seconds))
}

/// `starthoursago=24`, `enddaysago=1` and the like: this long before now.
fn time_ago(
    name: &str,
    value: &SearchValue,
    scope: &dyn Scope,
    context: &EvalContext,
) -> Result<Folded> {
    let amount = number_of(&value.text).ok_or_else(|| {
        diagnostic(
            value.span,
            format!("`{name}` must be a number, not `{}`", value.text),
        )
    })?;
    let (Some((start, seconds)), Some(time)) = (ago(name), scope.value("_time")) else {
        return Ok(Folded::Known(true));
    };
    let limit = lit(context.now - amount * seconds);
    Ok(Folded::Open(if start {
        time.expr.gt_eq(limit)
    } else {
        time.expr.lt(limit)
    }))
}

fn or_false(condition: Expr) -> Expr {
    null_is_false(condition)
}

/// The condition for `searchmatch`.
pub(crate) fn search_match(
    expr: &SearchExpr,
    fields: &dyn Fields,
    context: &EvalContext,
) -> Result<Expr> {
    Ok(match fold(expr, &FieldScope(fields), context)? {
        Folded::Known(value) => lit(value),
        Folded::Open(condition) => condition,
    })
}

/// Whether a field equals one of the values in a search clause: ignoring case unless the value is `CASE(…)`, with `*`
/// for any text, networks for addresses, and numbers by value. NULL if the field is NULL.
pub(crate) fn search_equals(value: Typed, values: &[SearchValue]) -> Expr {
    text_condition("spl_search_equals", value.expr, vec![written(values)])
}

/// Whether any of a field's values differs from a value in a search clause. NULL if the field is NULL.
pub(crate) fn search_differs(value: Typed, from: &SearchValue) -> Expr {
    let values = written(std::slice::from_ref(from));
    text_condition("spl_search_differs", value.expr, vec![values])
}

/// Whether a word or phrase is in a text. NULL if there is none.
fn is_in(text: Typed, term: &SearchValue) -> Expr {
    let term = written(std::slice::from_ref(term));
    text_condition("spl_word", text.expr, vec![term])
}

/// Values in a search clause as a literal: their wrapper, and their text.
fn written(values: &[SearchValue]) -> Expr {
    let parts: Vec<(&str, &str)> = values
        .iter()
        .map(|value| {
            let word = match value.directive {
                None => "",
                Some(Directive::Case) => "CASE",
                Some(Directive::Term) => "TERM",
            };
            (word, value.text.as_str())
        })
        .collect();
    fixed(&parts)
}

/// The inverse of [`written`], for the first argument after the value.
pub(crate) fn read_values(call: &Call<'_>) -> std::result::Result<Vec<SearchValue>, CallError> {
    let parts: Vec<(String, String)> = call.fixed(1)?;
    let values = parts.into_iter().map(|(word, text)| SearchValue {
        directive: match word.as_str() {
            "CASE" => Some(Directive::Case),
            "TERM" => Some(Directive::Term),
            _ => None,
        },
        ..SearchValue::plain(text)
    });
    Ok(values.collect())
}

/// Like [`search_equals`], for a value known at planning time.
pub(crate) fn search_matches_literal(value: &str, pattern: &SearchValue) -> bool {
    matches_one(pattern, value)
}

/// A time of a search's range, in seconds since 1970.
pub(crate) fn time_modifier(text: &str, context: &EvalContext) -> Option<f64> {
    crate::functions::time::time_modifier(text, context.now)
}
