//! References of events from several sources in one row.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, ListBuilder, UInt64Builder};
use datafusion::arrow::datatypes::{DataType, Field, UInt64Type};
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// Most references that a row keeps.
const MOST_REFS: usize = 1000;

/// The type of a list of references.
pub(crate) fn refs_type() -> DataType {
    DataType::List(Arc::new(Field::new("item", DataType::UInt64, true)))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct MergeRefs {
    signature: Signature,
}

impl ScalarUDFImpl for MergeRefs {
    fn name(&self) -> &str {
        "spl_merge_refs"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(refs_type())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = args
            .args
            .iter()
            .map(|arg| arg.to_array(args.number_rows))
            .collect::<Result<Vec<_>>>()?;
        let mut builder = ListBuilder::new(UInt64Builder::new()).with_field(Arc::new(Field::new(
            "item",
            DataType::UInt64,
            true,
        )));
        for row in 0..args.number_rows {
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
    ScalarUDF::new_from_impl(MergeRefs {
        signature: Signature::variadic_any(Volatility::Immutable),
    })
    .call(columns)
}
