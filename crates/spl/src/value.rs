//! Writing values, and parsing them as numbers.

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type, UInt64Type};

/// A number as SPL shows it: rounded to 15 digits, which hides what binary fractions add to decimal ones (`0.1 + 0.2`). A
/// time with microseconds has 16 digits: below 2³² what binary fractions add shows behind the sixth decimal.
pub fn format_number(number: f64) -> String {
    if number == 0.0 {
        // Nothing added up is -0.
        return "0".to_owned();
    }
    if number.fract() == 0.0 && number.abs() < 1e15 {
        return format!("{number:.0}");
    }
    let exact = format!("{number}");
    if number.abs() < 4_294_967_296.0
        && exact
            .split_once('.')
            .is_some_and(|(_, decimals)| decimals.len() <= 6)
    {
        return exact;
    }
    let text = format!("{number:.14e}");
    text.parse::<f64>()
        .map_or(text, |number| format!("{number}"))
}

/// Text as a number.
pub fn number_of(text: &str) -> Option<f64> {
    let text = text.trim();
    if text.is_empty() || text.ends_with(|c: char| c.is_ascii_alphabetic()) {
        return None;
    }
    // `1e999` is not a usable number.
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// A cell as text.
pub fn display_value(array: &ArrayRef, row: usize) -> Option<String> {
    if array.is_null(row) {
        return None;
    }
    Some(match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().value(row).to_owned(),
        DataType::Utf8View => array.as_string_view().value(row).to_owned(),
        DataType::LargeUtf8 => array.as_string::<i64>().value(row).to_owned(),
        DataType::Float64 => format_number(array.as_primitive::<Float64Type>().value(row)),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::UInt64 => array.as_primitive::<UInt64Type>().value(row).to_string(),
        DataType::Boolean => array.as_boolean().value(row).to_string(),
        _ => return None,
    })
}

/// A cell as texts.
pub fn display_values(array: &ArrayRef, row: usize) -> Vec<String> {
    match array.data_type() {
        DataType::List(_) if array.is_valid(row) => {
            let values = array.as_list::<i32>().value(row);
            (0..values.len())
                .filter_map(|at| display_value(&values, at))
                .collect()
        }
        _ => display_value(array, row).into_iter().collect(),
    }
}
