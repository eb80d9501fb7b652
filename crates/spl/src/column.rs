//! What expressions are planned over: typed columns and constants, and their context.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::Column;
use datafusion::logical_expr::{Case, Expr, lit};
use datafusion::scalar::ScalarValue;

use crate::syntax::ast::Span;

/// The context of expressions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EvalContext {
    /// The value of `now()`: seconds since 1970-01-01 UTC.
    pub now: f64,
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
    pub(crate) fn new(span: Span, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            span,
            help: None,
        }
    }
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
    /// A field by its exact name; `None` if no row has it, so that it is NULL.
    fn field(&self, name: &str) -> Option<Typed>;
}

/// A condition that is false instead of NULL.
pub(crate) fn null_is_false(condition: Expr) -> Expr {
    Expr::IsTrue(Box::new(condition))
}

/// NULL if a condition is true, otherwise the value.
pub(crate) fn null_if(condition: Expr, value: Typed) -> Expr {
    let kept = Expr::Not(Box::new(null_is_false(condition)));
    Expr::Case(Case::new(
        None,
        vec![(Box::new(kept), Box::new(value.expr))],
        None,
    ))
}

/// A column by its exact name.
pub(crate) fn column(name: &str) -> Expr {
    Expr::Column(Column::from_name(name))
}

/// A text constant.
pub(crate) fn text(value: impl Into<String>) -> Expr {
    lit(ScalarValue::Utf8(Some(value.into())))
}

/// NULL as text.
pub(crate) fn null_text() -> Expr {
    lit(ScalarValue::Utf8(None))
}

/// The type of a multivalue column.
pub(crate) fn list_type() -> DataType {
    DataType::List(Arc::new(Field::new("item", DataType::Utf8, true)))
}

pub(crate) fn is_list(data_type: &DataType) -> bool {
    matches!(data_type, DataType::List(_))
}

pub(crate) fn is_number(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Float64 | DataType::Int64 | DataType::UInt64
    )
}
