//! Combining references of events from several sources in one row.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, ListBuilder, UInt64Builder};
use datafusion::arrow::datatypes::{DataType, Field, UInt64Type};
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, Expr};

use super::{Entry, Prepared, call};

/// Maximum number of references per row.
pub(crate) const MOST_REFS: usize = 1000;

/// The type of a list of references.
pub(crate) fn refs_type() -> DataType {
    DataType::List(Arc::new(Field::new("item", DataType::UInt64, true)))
}

pub(super) const FUNCTIONS: &[Entry] = &[Entry {
    name: "spl_merge_refs",
    prepare: |_| Ok(Prepared::columns(refs_type(), merged)),
}];

fn merged(args: Vec<ColumnarValue>, rows: usize) -> Result<ColumnarValue> {
    let arrays = args
        .into_iter()
        .map(|arg| arg.into_array(rows))
        .collect::<Result<Vec<_>>>()?;
    let mut builder = ListBuilder::new(UInt64Builder::new()).with_field(Arc::new(Field::new(
        "item",
        DataType::UInt64,
        true,
    )));
    for row in 0..rows {
        let mut refs: Vec<u64> = Vec::new();
        for array in &arrays {
            add(array, row, &mut refs);
        }
        refs.sort_unstable();
        refs.dedup();
        refs.truncate(MOST_REFS);
        refs.into_iter()
            .for_each(|one| builder.values().append_value(one));
        builder.append(true);
    }
    Ok(ColumnarValue::Array(Arc::new(builder.finish())))
}

fn add(array: &ArrayRef, row: usize, refs: &mut Vec<u64>) {
    if array.is_null(row) {
        return;
    }
    match array.data_type() {
        DataType::UInt64 => refs.push(array.as_primitive::<UInt64Type>().value(row)),
        DataType::List(_) => {
            let values = array.as_list::<i32>().value(row);
            if let Some(values) = values.as_primitive_opt::<UInt64Type>() {
                refs.extend(values.iter().flatten());
            }
        }
        _ => {}
    }
}

/// All references of these columns as one list.
pub(crate) fn merge_refs(columns: Vec<Expr>) -> Expr {
    call("spl_merge_refs", refs_type(), columns).expr
}
