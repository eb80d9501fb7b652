//! Functions that commands need besides those of eval: bins, extraction, sort keys.

pub(crate) mod bins;
pub(crate) mod documents;
pub(crate) mod extract;
pub(crate) mod order;
pub(crate) mod refs;
pub(crate) mod tables;
pub(crate) mod units;

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Builder, ListBuilder, StringBuilder,
};
use datafusion::arrow::compute::is_not_null;
use datafusion::arrow::compute::kernels::zip::zip;
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::expr::Typed;
use crate::value::{display_value, number_of};

/// The arguments of one row.
pub(crate) struct Args<'a> {
    arrays: &'a [ArrayRef],
    row: usize,
}

impl<'a> Args<'a> {
    /// The values of an argument: none if it is NULL, several if it is multivalued.
    pub fn values(&self, argument: usize) -> Vec<Cow<'a, str>> {
        let Some(array) = self.arrays.get(argument) else {
            return Vec::new();
        };
        if array.is_null(self.row) {
            return Vec::new();
        }
        match array.data_type() {
            DataType::Utf8 => vec![Cow::Borrowed(array.as_string::<i32>().value(self.row))],
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                let offsets = list.value_offsets();
                let (start, end) = (offsets[self.row], offsets[self.row + 1]);
                let items = list.values();
                (start..end)
                    .filter_map(|at| usize::try_from(at).ok())
                    .filter(|at| items.is_valid(*at))
                    .map(|at| match items.data_type() {
                        DataType::Utf8 => Cow::Borrowed(items.as_string::<i32>().value(at)),
                        _ => Cow::Owned(display_value(items, at).unwrap_or_default()),
                    })
                    .collect()
            }
            _ => display_value(array, self.row)
                .map(Cow::Owned)
                .into_iter()
                .collect(),
        }
    }

    /// The first value of an argument.
    pub fn text(&self, argument: usize) -> Option<Cow<'a, str>> {
        let array = self.arrays.get(argument)?;
        if *array.data_type() == DataType::Utf8 {
            return array
                .is_valid(self.row)
                .then(|| Cow::Borrowed(array.as_string::<i32>().value(self.row)));
        }
        self.values(argument).into_iter().next()
    }

    /// The first value of an argument as a number.
    pub fn number(&self, argument: usize) -> Option<f64> {
        let array = self.arrays.get(argument)?;
        if *array.data_type() == DataType::Float64 {
            return array.is_valid(self.row).then(|| {
                array
                    .as_primitive::<datafusion::arrow::datatypes::Float64Type>()
                    .value(self.row)
            });
        }
        number_of(&self.text(argument)?)
    }
}

/// What a row function answers.
pub(crate) enum Answer {
    /// Nothing.
    Null,
    /// One text.
    Text(String),
    /// Several.
    List(Vec<String>),
    /// A number.
    Number(f64),
    /// A truth value.
    Bool(bool),
}

impl Answer {
    /// NULL for nothing.
    pub fn number(number: Option<f64>) -> Self {
        number.map_or(Self::Null, Self::Number)
    }

    /// NULL for nothing.
    pub fn text(text: Option<String>) -> Self {
        text.map_or(Self::Null, Self::Text)
    }

    /// NULL for nothing.
    pub fn bool(value: Option<bool>) -> Self {
        value.map_or(Self::Null, Self::Bool)
    }
}

type Body = Arc<dyn Fn(&Args<'_>) -> Answer + Send + Sync>;

/// A function of one row's values, with what it needs besides fixed when the search is planned.
#[derive(Clone)]
struct RowFunction {
    name: &'static str,
    /// Tells functions of the same name with other fixed parts apart.
    key: String,
    output: DataType,
    signature: Signature,
    body: Body,
}

impl fmt::Debug for RowFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.name, self.key)
    }
}

impl PartialEq for RowFunction {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.key == other.key && self.output == other.output
    }
}

impl Eq for RowFunction {}

impl Hash for RowFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.key.hash(state);
    }
}

impl ScalarUDFImpl for RowFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.output.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = args
            .args
            .iter()
            .map(|arg| arg.to_array(args.number_rows))
            .collect::<Result<Vec<_>>>()?;
        let answers = (0..args.number_rows).map(|row| {
            (self.body)(&Args {
                arrays: &arrays,
                row,
            })
        });
        Ok(ColumnarValue::Array(collect(answers, &self.output)?))
    }
}

fn collect(answers: impl Iterator<Item = Answer>, output: &DataType) -> Result<ArrayRef> {
    Ok(match output {
        DataType::Utf8 => {
            let mut builder = StringBuilder::new();
            for answer in answers {
                match answer {
                    Answer::Text(text) => builder.append_value(text),
                    Answer::List(values) if !values.is_empty() => {
                        builder.append_value(values.join("\n"))
                    }
                    Answer::Number(number) => {
                        builder.append_value(crate::value::format_number(number))
                    }
                    Answer::Bool(value) => {
                        builder.append_value(if value { "true" } else { "false" })
                    }
                    Answer::Null | Answer::List(_) => builder.append_null(),
                }
            }
            Arc::new(builder.finish())
        }
        DataType::Boolean => {
            let answers = answers.map(|answer| match answer {
                Answer::Bool(value) => Some(value),
                _ => None,
            });
            Arc::new(answers.collect::<BooleanArray>())
        }
        DataType::Float64 => {
            let mut builder = Float64Builder::new();
            for answer in answers {
                match answer {
                    Answer::Number(number) => builder.append_value(number),
                    _ => builder.append_null(),
                }
            }
            Arc::new(builder.finish())
        }
        DataType::List(_) => {
            let mut builder = ListBuilder::new(StringBuilder::new())
                .with_field(Arc::new(Field::new("item", DataType::Utf8, true)));
            for answer in answers {
                match answer {
                    Answer::List(values) if !values.is_empty() => {
                        values
                            .into_iter()
                            .for_each(|value| builder.values().append_value(value));
                        builder.append(true);
                    }
                    Answer::Text(text) => {
                        builder.values().append_value(text);
                        builder.append(true);
                    }
                    Answer::Number(number) => {
                        builder
                            .values()
                            .append_value(crate::value::format_number(number));
                        builder.append(true);
                    }
                    Answer::Null | Answer::List(_) | Answer::Bool(_) => builder.append(false),
                }
            }
            Arc::new(builder.finish())
        }
        other => {
            return Err(DataFusionError::Internal(format!(
                "no row function gives {other}"
            )));
        }
    })
}

/// Calls a row function. `key` must differ where `body` does.
pub(crate) fn call(
    name: &'static str,
    key: String,
    output: DataType,
    args: Vec<Expr>,
    body: impl Fn(&Args<'_>) -> Answer + Send + Sync + 'static,
) -> Typed {
    let function = RowFunction {
        name,
        key,
        output: output.clone(),
        signature: Signature::variadic_any(Volatility::Immutable),
        body: Arc::new(body),
    };
    Typed {
        expr: ScalarUDF::new_from_impl(function).call(args),
        data_type: output,
    }
}

/// The first value that is not NULL. DataFusion's own `coalesce` becomes a `CASE` that evaluates its arguments twice.
#[derive(Debug, PartialEq, Eq, Hash)]
struct FirstPresent {
    signature: Signature,
}

impl ScalarUDFImpl for FirstPresent {
    fn name(&self) -> &str {
        "spl_coalesce"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let first = types.iter().find(|one| **one != DataType::Null);
        Ok(first.cloned().unwrap_or(DataType::Utf8))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let data_type = args.return_field.data_type().clone();
        let mut result: Option<ArrayRef> = None;
        for arg in args.args {
            let next = arg.to_array(args.number_rows)?;
            if *next.data_type() != data_type {
                continue; // nothing but NULL
            }
            result = Some(match result {
                None => next,
                Some(before) => zip(&is_not_null(&before)?, &before, &next)?,
            });
            if result.as_ref().is_some_and(|found| found.null_count() == 0) {
                break;
            }
        }
        Ok(ColumnarValue::Array(match result {
            Some(result) => result,
            None => datafusion::arrow::array::new_null_array(&data_type, args.number_rows),
        }))
    }
}

/// The first value that is not NULL; all are of one type.
pub(crate) fn first_present(values: Vec<Expr>) -> Expr {
    let signature = Signature::variadic_any(Volatility::Immutable);
    ScalarUDF::new_from_impl(FirstPresent { signature }).call(values)
}

/// A value as it is, under a name of its own.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Apart {
    field: String,
    signature: Signature,
}

impl ScalarUDFImpl for Apart {
    fn name(&self) -> &str {
        "spl_apart"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types.first().cloned().unwrap_or(DataType::Null))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        args.args
            .into_iter()
            .next()
            .ok_or_else(|| DataFusionError::Internal("spl_apart takes one argument".to_owned()))
    }
}

/// The same value, of which DataFusion does not know that it is the same.
///
/// `DataFusion` 55 knows two columns for one where they are made of the same expression. Where that holds in the parts of a
/// union, it orders the parts by one of the two, forgets above the union that they are one, and then refuses the plan as
/// one that is not ordered by the other.
pub(crate) fn apart(value: Expr, field: &str) -> Expr {
    ScalarUDF::new_from_impl(Apart {
        field: field.to_owned(),
        signature: Signature::any(1, Volatility::Immutable),
    })
    .call(vec![value])
}

type TextBody = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// A condition on a text, true if it holds for any value of a multivalued field, NULL where there is none.
#[derive(Clone)]
struct TextCondition {
    name: &'static str,
    key: String,
    signature: Signature,
    body: TextBody,
}

impl fmt::Debug for TextCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.name, self.key)
    }
}

impl PartialEq for TextCondition {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.key == other.key
    }
}

impl Eq for TextCondition {}

impl Hash for TextCondition {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.key.hash(state);
    }
}

impl ScalarUDFImpl for TextCondition {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(arg) = args.args.first() else {
            return Err(DataFusionError::Internal(format!(
                "{} takes one argument",
                self.name
            )));
        };
        let array = arg.to_array(args.number_rows)?;
        let result: BooleanArray = if *array.data_type() == DataType::Utf8 {
            array
                .as_string::<i32>()
                .iter()
                .map(|value| value.map(|value| (self.body)(value)))
                .collect()
        } else {
            let arrays = [array];
            (0..args.number_rows)
                .map(|row| {
                    let values = Args {
                        arrays: &arrays,
                        row,
                    }
                    .values(0);
                    (!values.is_empty()).then(|| values.iter().any(|value| (self.body)(value)))
                })
                .collect()
        };
        Ok(ColumnarValue::Array(Arc::new(result)))
    }
}

/// The condition on each text of the argument, if this function is one that [`text_condition`] made.
pub(crate) fn as_text_condition(
    function: &ScalarUDF,
) -> Option<&(dyn Fn(&str) -> bool + Send + Sync)> {
    let condition = function.inner().downcast_ref::<TextCondition>()?;
    Some(condition.body.as_ref())
}

/// A condition on a text. `key` must differ where `body` does.
pub(crate) fn text_condition(
    name: &'static str,
    key: String,
    value: Expr,
    body: impl Fn(&str) -> bool + Send + Sync + 'static,
) -> Expr {
    let signature = Signature::any(1, Volatility::Immutable);
    ScalarUDF::new_from_impl(TextCondition {
        name,
        key,
        signature,
        body: Arc::new(body),
    })
    .call(vec![value])
}
