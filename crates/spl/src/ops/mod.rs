//! The basis of SPL's functions: a function is a name in one registry, and everything fixed about a call is among its
//! arguments as a literal.
//!
//! No function holds any state. So calls with equal arguments are equal, a plan can be written down and read on another
//! machine, and a plan shows the pattern that a function matches. Values derived from literals (a compiled pattern, a
//! set of values) are built once and cached by name, types and literals.
//!
//! The modules below contain what commands need besides eval's functions: bins, extraction, sort keys.

pub(crate) mod bins;
pub(crate) mod documents;
pub(crate) mod extract;
pub(crate) mod json;
pub(crate) mod order;
pub(crate) mod recipes;
pub(crate) mod refs;
mod registry;
pub(crate) mod tables;
pub(crate) mod units;
pub(crate) mod values;
mod xml;

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Builder, ListBuilder, StringBuilder,
    UInt32Array, new_null_array,
};
use datafusion::arrow::compute::kernels::zip::zip;
use datafusion::arrow::compute::{is_not_null, take};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility, lit,
};
use datafusion::scalar::ScalarValue;
use hashbrown::HashMap;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::column::{Typed, is_number};
use crate::resources::Resources;
use crate::stop::go_on;
use crate::value::{display_value, format_number, number_of};

/// The arguments of one row. A literal is in an array of one value.
pub(crate) struct Args<'a> {
    arrays: &'a [(ArrayRef, bool)],
    row: usize,
}

impl<'a> Args<'a> {
    /// An argument and the index of this row's value in it.
    fn at(&self, argument: usize) -> Option<(&'a ArrayRef, usize)> {
        let (array, literal) = self.arrays.get(argument)?;
        Some((array, if *literal { 0 } else { self.row }))
    }

    /// The values of an argument: none if it is NULL, several if it is multivalued.
    pub fn values(&self, argument: usize) -> Vec<Cow<'a, str>> {
        let Some((array, row)) = self.at(argument) else {
            return Vec::new();
        };
        if array.is_null(row) {
            return Vec::new();
        }
        match array.data_type() {
            DataType::Utf8 => vec![Cow::Borrowed(array.as_string::<i32>().value(row))],
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                let Some(&[start, end, ..]) = list.value_offsets().get(row..) else {
                    return Vec::new();
                };
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
            _ => display_value(array, row)
                .map(Cow::Owned)
                .into_iter()
                .collect(),
        }
    }

    /// The first value of an argument.
    pub fn text(&self, argument: usize) -> Option<Cow<'a, str>> {
        let (array, row) = self.at(argument)?;
        if *array.data_type() == DataType::Utf8 {
            return array
                .is_valid(row)
                .then(|| Cow::Borrowed(array.as_string::<i32>().value(row)));
        }
        self.values(argument).into_iter().next()
    }

    /// The first value of an argument as a number.
    pub fn number(&self, argument: usize) -> Option<f64> {
        let (array, row) = self.at(argument)?;
        if *array.data_type() == DataType::Float64 {
            return array.is_valid(row).then(|| {
                array
                    .as_primitive::<datafusion::arrow::datatypes::Float64Type>()
                    .value(row)
            });
        }
        number_of(&self.text(argument)?)
    }
}

/// The result of a row function.
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

type RowBody = dyn Fn(&Args<'_>) -> Answer + Send + Sync;
type TextBody = dyn Fn(&str) -> bool + Send + Sync;
type ColumnBody = dyn Fn(Vec<ColumnarValue>, usize) -> Result<ColumnarValue> + Send + Sync;

/// How a function works.
enum Body {
    /// Row by row.
    Rows(Box<RowBody>),
    /// A condition on the text of the first argument: true if it holds for any value of a multivalued field, NULL if
    /// there is none.
    Text(Box<TextBody>),
    /// On whole columns.
    Columns(Box<ColumnBody>),
}

/// A function prepared for the types and literals of its arguments.
pub(crate) struct Prepared {
    output: DataType,
    body: Body,
}

impl Prepared {
    /// A function that answers row by row.
    pub fn rows(
        output: DataType,
        body: impl Fn(&Args<'_>) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self {
            output,
            body: Body::Rows(Box::new(body)),
        }
    }

    /// A condition on each text of the first argument.
    pub fn condition(body: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self {
            output: DataType::Boolean,
            body: Body::Text(Box::new(body)),
        }
    }

    /// A function of whole columns.
    pub fn columns(
        output: DataType,
        body: impl Fn(Vec<ColumnarValue>, usize) -> Result<ColumnarValue> + Send + Sync + 'static,
    ) -> Self {
        Self {
            output,
            body: Body::Columns(Box::new(body)),
        }
    }

    /// The type of its result.
    pub fn output(&self) -> DataType {
        self.output.clone()
    }

    /// Its result without arguments, as a literal.
    pub fn alone(&self) -> Result<Typed> {
        let array = match &self.body {
            Body::Rows(body) => {
                let answer = body(&Args {
                    arrays: &[],
                    row: 0,
                });
                collect(std::iter::once(answer), &self.output)?
            }
            Body::Columns(body) => body(Vec::new(), 1)?.into_array(1)?,
            Body::Text(_) => new_null_array(&self.output, 1),
        };
        Ok(typed(
            lit(ScalarValue::try_from_array(&array, 0)?),
            self.output(),
        ))
    }

    /// The condition on a text, if it is one.
    pub fn as_condition(&self) -> Option<&TextBody> {
        match &self.body {
            Body::Text(body) => Some(body.as_ref()),
            _ => None,
        }
    }
}

/// What is known about a call before there are rows.
pub(crate) struct Call<'a> {
    /// Types of the arguments.
    pub types: &'a [DataType],
    /// Values of the literal arguments.
    literals: &'a [Option<ScalarValue>],
    /// What calls read besides events; none if a plan is decoded without it.
    pub resources: Option<&'a Arc<Resources>>,
}

impl<'a> Call<'a> {
    /// A call with what is known of its arguments.
    pub fn new(types: &'a [DataType], literals: &'a [Option<ScalarValue>]) -> Self {
        Self {
            types,
            literals,
            resources: None,
        }
    }

    /// Number of arguments.
    pub fn width(&self) -> usize {
        self.types.len()
    }

    /// Whether an argument has a number type.
    pub fn is_number(&self, at: usize) -> bool {
        self.types.get(at).is_some_and(is_number)
    }

    /// Whether an argument has a Boolean type.
    pub fn is_bool(&self, at: usize) -> bool {
        self.types.get(at) == Some(&DataType::Boolean)
    }

    /// Whether an argument may have several values.
    pub fn is_list(&self, at: usize) -> bool {
        matches!(self.types.get(at), Some(DataType::List(_)))
    }

    /// The text of a literal argument.
    pub fn literal(&self, at: usize) -> Option<String> {
        literal_text(self.literals.get(at)?.as_ref()?)
    }

    /// The text of an argument that must be a literal.
    pub fn fixed_text(&self, at: usize) -> std::result::Result<String, CallError> {
        self.literal(at).ok_or_else(|| not_fixed(at))
    }

    /// The number of an argument that must be a literal.
    pub fn fixed_number(&self, at: usize) -> std::result::Result<f64, CallError> {
        match self.literals.get(at) {
            Some(Some(ScalarValue::Float64(Some(number)))) => Ok(*number),
            _ => Err(not_fixed(at)),
        }
    }

    /// What [`fixed`] wrote.
    pub fn fixed<T: DeserializeOwned>(&self, at: usize) -> std::result::Result<T, CallError> {
        serde_json::from_str(&self.fixed_text(at)?)
            .map_err(|error| CallError::Arguments(format!("argument {}: {error}", at + 1)))
    }
}

fn not_fixed(at: usize) -> CallError {
    CallError::Arguments(format!("argument {} must be a literal", at + 1))
}

/// The text of a literal, `None` for NULL.
pub(crate) fn literal_text(value: &ScalarValue) -> Option<String> {
    match value {
        ScalarValue::Utf8(text) => text.clone(),
        ScalarValue::Float64(Some(number)) => Some(format_number(*number)),
        ScalarValue::Int64(Some(number)) => Some(number.to_string()),
        _ => None,
    }
}

/// Parts of a call that are fixed at planning time, as a JSON literal.
pub(crate) fn fixed(parts: &impl Serialize) -> Expr {
    // Strings, numbers and lists of them can always be written as JSON.
    lit(serde_json::to_string(parts).unwrap_or_default())
}

/// What is wrong with a call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CallError {
    /// There is no such function.
    #[error("there is no eval function `{0}`")]
    Unknown(String),
    /// It takes different arguments: a sentence.
    #[error("{0}")]
    Arguments(String),
}

/// How a function is prepared.
pub(crate) type Prepare = fn(&Call<'_>) -> std::result::Result<Prepared, CallError>;

/// A function for commands and operators; eval's own are entries of [`crate::functions`].
pub(crate) struct Entry {
    /// Its name in plans.
    pub name: &'static str,
    /// How it is made ready.
    pub prepare: Prepare,
}

/// A function of plans, as DataFusion calls it.
struct SplUdf {
    name: Cow<'static, str>,
    prepare: Prepare,
    resources: Option<Known>,
    signature: Signature,
}

/// What a function reads besides its arguments, with values derived from it.
struct Known {
    resources: Arc<Resources>,
    kept: Mutex<Kept>,
}

impl Known {
    fn of(resources: &Arc<Resources>) -> Self {
        Self {
            resources: Arc::clone(resources),
            kept: Mutex::default(),
        }
    }
}

impl fmt::Debug for SplUdf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl PartialEq for SplUdf {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for SplUdf {}

impl Hash for SplUdf {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

/// Values derived from the literals of calls.
type Kept = HashMap<(Cow<'static, str>, Vec<DataType>, Vec<Option<ScalarValue>>), Arc<Prepared>>;
/// How many are kept.
const MOST_KEPT: usize = 4096;

impl SplUdf {
    // The cache key owns the types.
    #[allow(clippy::needless_pass_by_value)]
    fn prepared(
        &self,
        types: Vec<DataType>,
        literals: Vec<Option<ScalarValue>>,
    ) -> Result<Arc<Prepared>> {
        static KEPT: LazyLock<Mutex<Kept>> = LazyLock::new(Mutex::default);
        let make = |literals: &[Option<ScalarValue>]| {
            (self.prepare)(&Call {
                types: &types,
                literals,
                resources: self.resources.as_ref().map(|known| &known.resources),
            })
        };
        let made = |literals: &[Option<ScalarValue>]| {
            make(literals)
                // What DataFusion has evaluated to a literal was not one for the planner, which rejects bad ones: treat
                // it as a value that does not match.
                .or_else(|_| make(&vec![None; literals.len()]))
                .or_else(|_| make(literals))
                .map(Arc::new)
                .map_err(|error| DataFusionError::Plan(format!("{}: {error}", self.name)))
        };
        if literals.iter().all(Option::is_none) {
            return made(&literals);
        }
        // What is made from these resources is not cached for others.
        let kept = self.resources.as_ref().map_or(&*KEPT, |known| &known.kept);
        let kept = || kept.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (self.name.clone(), types.clone(), literals);
        if let Some(prepared) = kept().get(&key) {
            return Ok(Arc::clone(prepared));
        }
        let prepared = made(&key.2)?;
        let mut kept = kept();
        if kept.len() >= MOST_KEPT {
            kept.clear();
        }
        kept.insert(key, Arc::clone(&prepared));
        Ok(prepared)
    }
}

impl ScalarUDFImpl for SplUdf {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let prepared = self.prepared(types.to_vec(), vec![None; types.len()])?;
        Ok(prepared.output.clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let types = args
            .arg_fields
            .iter()
            .map(|field| field.data_type().clone())
            .collect();
        let literals = args
            .scalar_arguments
            .iter()
            .map(|value| value.cloned())
            .collect();
        let output = self.prepared(types, literals)?.output.clone();
        Ok(Arc::new(Field::new(self.name(), output, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        go_on()?;
        let types = args.args.iter().map(ColumnarValue::data_type).collect();
        let literals = args
            .args
            .iter()
            .map(|value| match value {
                ColumnarValue::Scalar(value) => Some(value.clone()),
                ColumnarValue::Array(_) => None,
            })
            .collect();
        let prepared = self.prepared(types, literals)?;
        let rows = args.number_rows;
        match &prepared.body {
            Body::Columns(body) => body(args.args, rows),
            Body::Rows(body) => {
                let arrays = args
                    .args
                    .iter()
                    .map(|arg| match arg {
                        ColumnarValue::Array(array) => Ok((Arc::clone(array), false)),
                        ColumnarValue::Scalar(value) => Ok((value.to_array()?, true)),
                    })
                    .collect::<Result<Vec<_>>>()?;
                let answer = |row| {
                    body(&Args {
                        arrays: &arrays,
                        row,
                    })
                };
                if let Some(distinct) = Distinct::of(&arrays, rows) {
                    let firsts = distinct.firsts.iter().map(|row| answer(*row));
                    let answers = collect(firsts, &prepared.output)?;
                    let all = take(&answers, &distinct.places, None)?;
                    return Ok(ColumnarValue::Array(all));
                }
                let answers = (0..rows).map(answer);
                Ok(ColumnarValue::Array(collect(answers, &prepared.output)?))
            }
            Body::Text(holds) => {
                let Some(arg) = args.args.first() else {
                    return Err(DataFusionError::Internal(format!(
                        "{} takes an argument",
                        self.name
                    )));
                };
                let array = arg.to_array(rows)?;
                let arrays = [(Arc::clone(&array), false)];
                let result: BooleanArray = if let Some(distinct) = Distinct::of(&arrays, rows) {
                    let texts = array.as_string::<i32>();
                    let firsts = distinct.firsts.iter();
                    let answers: Vec<Option<bool>> = firsts
                        .map(|row| texts.is_valid(*row).then(|| holds(texts.value(*row))))
                        .collect();
                    let of = |place: &u32| answers.get(*place as usize).copied().flatten();
                    distinct.places.values().iter().map(of).collect()
                } else if *array.data_type() == DataType::Utf8 {
                    array
                        .as_string::<i32>()
                        .iter()
                        .map(|value| value.map(holds))
                        .collect()
                } else {
                    (0..rows)
                        .map(|row| {
                            let values = Args {
                                arrays: &arrays,
                                row,
                            }
                            .values(0);
                            (!values.is_empty()).then(|| values.iter().any(|value| holds(value)))
                        })
                        .collect()
                };
                Ok(ColumnarValue::Array(Arc::new(result)))
            }
        }
    }
}

/// The rows of a call whose answers can differ: those where its only argument that is no literal has a new value.
///
/// Logs repeat hosts, addresses and accounts in nearly every row, and a function that takes a text apart costs several
/// times as much as finding out that it was seen.
struct Distinct {
    /// The first row with each value.
    firsts: Vec<usize>,
    /// For each row, the place of its value in `firsts`.
    places: UInt32Array,
}

impl Distinct {
    /// With fewer rows there is nothing to gain.
    const LEAST: usize = 256;
    /// Rows to look at before it is judged whether values repeat: if from there on more than half of the rows are new,
    /// they do not.
    const TRIED: usize = 1024;

    /// `None` if there are few rows, several arguments that are no literals, or too many values.
    fn of(arrays: &[(ArrayRef, bool)], rows: usize) -> Option<Self> {
        if rows < Self::LEAST {
            return None;
        }
        let mut columns = arrays.iter().filter(|(_, literal)| !literal);
        let ((column, _), None) = (columns.next()?, columns.next()) else {
            return None;
        };
        let texts = column.as_string_opt::<i32>()?;
        let mut seen: HashMap<Option<&str>, u32> = HashMap::new();
        let mut firsts = Vec::new();
        let mut places = Vec::with_capacity(rows);
        for (row, text) in texts.iter().enumerate() {
            let next = u32::try_from(firsts.len()).ok()?;
            let place = *seen.entry(text).or_insert(next);
            if place == next {
                firsts.push(row);
                if row >= Self::TRIED && firsts.len() > row / 2 {
                    return None;
                }
            }
            places.push(place);
        }
        Some(Self {
            firsts,
            places: UInt32Array::from(places),
        })
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
                    Answer::Number(number) => builder.append_value(format_number(number)),
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
                        builder.values().append_value(format_number(number));
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

fn functions(resources: Option<&Arc<Resources>>) -> HashMap<Cow<'static, str>, Arc<ScalarUDF>> {
    let knowing = crate::enrich::FUNCTIONS.iter().map(|entry| entry.name);
    let knowing: Vec<&str> = knowing.collect();
    registry::all()
        .map(|(name, prepare)| {
            let resources = resources.filter(|_| knowing.contains(&name.as_ref()));
            let function = SplUdf {
                name: name.clone(),
                prepare,
                resources: resources.map(Known::of),
                signature: Signature::variadic_any(Volatility::Immutable),
            };
            (name, Arc::new(ScalarUDF::new_from_impl(function)))
        })
        .collect()
}

/// All functions in plans, by name, which read these lookups, assets and locations.
pub(crate) fn scalar_functions(resources: &Arc<Resources>) -> Vec<Arc<ScalarUDF>> {
    functions(Some(resources)).into_values().collect()
}

fn function(name: &str) -> Option<Arc<ScalarUDF>> {
    static ALL: LazyLock<HashMap<Cow<'static, str>, Arc<ScalarUDF>>> =
        LazyLock::new(|| functions(None));
    ALL.get(name).cloned()
}

fn typed(expr: Expr, output: DataType) -> Typed {
    Typed {
        expr,
        data_type: output,
    }
}

/// Calls a function by its name in plans. `output` is its result type for these arguments.
pub(crate) fn call(name: &str, output: DataType, args: Vec<Expr>) -> Typed {
    match function(name) {
        Some(function) => typed(
            Expr::ScalarFunction(datafusion::logical_expr::expr::ScalarFunction::new_udf(
                function, args,
            )),
            output,
        ),
        // No search can name a function of plans: a test calls each.
        None => typed(lit(ScalarValue::Utf8(None)), DataType::Utf8),
    }
}

/// Like [`call`], for functions that read lookups, assets or locations.
pub(crate) fn call_knowing(
    resources: &Arc<Resources>,
    entry: &'static Entry,
    output: DataType,
    args: Vec<Expr>,
) -> Typed {
    let function = SplUdf {
        name: Cow::Borrowed(entry.name),
        prepare: entry.prepare,
        resources: Some(Known::of(resources)),
        signature: Signature::variadic_any(Volatility::Immutable),
    };
    typed(ScalarUDF::new_from_impl(function).call(args), output)
}

/// Calls a condition on a text: its name, the value and the fixed parts.
pub(crate) fn text_condition(name: &str, value: Expr, fixed: Vec<Expr>) -> Expr {
    let mut args = vec![value];
    args.extend(fixed);
    call(name, DataType::Boolean, args).expr
}

/// The condition on each text of the first argument, if [`text_condition`] made the call.
pub(crate) fn as_text_condition(function: &ScalarUDF, args: &[Expr]) -> Option<Arc<Prepared>> {
    let own = function.inner().downcast_ref::<SplUdf>()?;
    let literals: Vec<Option<ScalarValue>> = args
        .iter()
        .map(|arg| match arg {
            Expr::Literal(value, _) => Some(value.clone()),
            _ => None,
        })
        .collect();
    // A condition's first argument may have any type; the others are literals.
    let types = literals
        .iter()
        .map(|literal| {
            literal
                .as_ref()
                .map_or(DataType::Utf8, ScalarValue::data_type)
        })
        .collect();
    let prepared = own.prepared(types, literals).ok()?;
    prepared.as_condition().is_some().then_some(prepared)
}

const FUNCTIONS: &[Entry] = &[
    Entry {
        name: "spl_coalesce",
        prepare: |call| {
            let first = call.types.iter().find(|one| **one != DataType::Null);
            let output = first.cloned().unwrap_or(DataType::Utf8);
            Ok(Prepared::columns(output.clone(), move |args, rows| {
                coalesced(args, rows, &output)
            }))
        },
    },
    Entry {
        name: "spl_apart",
        prepare: |call| {
            let output = call.types.first().cloned().unwrap_or(DataType::Null);
            Ok(Prepared::columns(output, |args, _| {
                args.into_iter().next().ok_or_else(|| {
                    DataFusionError::Internal("spl_apart takes an argument".to_owned())
                })
            }))
        },
    },
];

fn coalesced(args: Vec<ColumnarValue>, rows: usize, data_type: &DataType) -> Result<ColumnarValue> {
    let mut result: Option<ArrayRef> = None;
    for arg in args {
        let next = arg.to_array(rows)?;
        if next.data_type() != data_type {
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
        None => new_null_array(data_type, rows),
    }))
}

/// The first value that is not NULL; all have the same type. DataFusion's own `coalesce` becomes a `CASE` that
/// evaluates its arguments twice.
pub(crate) fn first_present(values: Vec<Expr>) -> Expr {
    call("spl_coalesce", DataType::Utf8, values).expr
}

/// The same value, in a form that DataFusion does not recognise as the same.
///
/// `DataFusion` 55 treats two columns made from the same expression as one. If this applies to the parts of a union, it
/// sorts the parts by one of the two, forgets above the union that they are one, and then rejects the plan as not
/// sorted by the other.
pub(crate) fn apart(value: Expr, field: &str) -> Expr {
    call("spl_apart", DataType::Utf8, vec![value, lit(field)]).expr
}

/// The argument of [`apart`].
pub(crate) fn kept_apart(expr: &Expr) -> Option<&Expr> {
    match expr {
        Expr::ScalarFunction(call) if call.func.name() == "spl_apart" => call.args.first(),
        _ => None,
    }
}
