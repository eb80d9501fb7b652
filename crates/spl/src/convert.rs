//! Combining values of different types in one column.

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::Expr;

use crate::column::{Typed, is_list, list_type, null_text};
use crate::ops::{call, first_present};

/// The first value that is not NULL; all have the same type.
pub(crate) fn coalesce(values: Vec<Expr>) -> Expr {
    first_present(values)
}

/// Conditions are not values in SPL, and a column of NULLs is text.
pub(crate) fn as_value(value: Typed) -> Typed {
    match value.data_type {
        DataType::Boolean => Typed {
            expr: to_text(value),
            data_type: DataType::Utf8,
        },
        DataType::Null => Typed {
            expr: null_text(),
            data_type: DataType::Utf8,
        },
        _ => value,
    }
}

/// Converts a value to one of the types of columns in SPL plans.
pub(crate) fn cast_to(value: Typed, data_type: &DataType) -> Expr {
    if value.data_type == *data_type {
        return value.expr;
    }
    match data_type {
        DataType::List(_) => to_list(value),
        DataType::Float64 => to_number(value),
        _ => to_text(value),
    }
}

/// The type that can hold the values of both.
pub(crate) fn common_type(a: &DataType, b: &DataType) -> DataType {
    match (a, b) {
        (a, b) if a == b && *a != DataType::Boolean => a.clone(),
        (DataType::Null, other) | (other, DataType::Null) if *other != DataType::Boolean => {
            other.clone()
        }
        (a, b) if is_list(a) || is_list(b) => list_type(),
        (DataType::Int64 | DataType::Float64, DataType::Int64 | DataType::Float64) => {
            DataType::Float64
        }
        _ => DataType::Utf8,
    }
}

pub(crate) fn to_text(value: Typed) -> Expr {
    call("spl_to_text", DataType::Utf8, vec![value.expr]).expr
}

pub(crate) fn to_list(value: Typed) -> Expr {
    call("spl_to_list", list_type(), vec![value.expr]).expr
}

pub(crate) fn to_number(value: Typed) -> Expr {
    call("spl_to_number", DataType::Float64, vec![value.expr]).expr
}
