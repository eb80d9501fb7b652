//! SPL aggregations without a DataFusion equivalent: over text that may be numeric, over multivalued fields, by time.

mod groups;
mod reference;

pub use reference::{Aggregation, reference};
pub(crate) use reference::{How, find, names};

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, ListBuilder, StringBuilder, UInt64Builder,
};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Float64Type};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Expr, GroupsAccumulator, Signature, Volatility,
    lit,
};
use datafusion::physical_expr::expressions::Literal;
use datafusion::scalar::ScalarValue;

use self::groups::{DistinctOfGroups, RefsOfGroups, each_reference};
use crate::column::list_type;
use crate::ops::refs::MOST_REFS;
use crate::value::{display_value, display_values, format_number, number_of};

/// Maximum number of values returned by `list`, as in Splunk.
const MOST_LISTED: usize = 100;
/// Number of surplus values that `list` holds before it drops them.
const LISTED_SLACK: usize = 1000;

/// What is aggregated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// Distinct values in lexicographic order.
    Values,
    /// Number of distinct values.
    DistinctCount,
    /// Number of values.
    Count,
    /// Values, newest first.
    List,
    /// Least value.
    Min,
    /// Greatest value.
    Max,
    /// Value of the latest event.
    Latest,
    /// Value of the earliest event.
    Earliest,
    /// Most frequent value.
    Mode,
    /// Sum of the numbers.
    Sum,
    /// Sum of their squares.
    SumOfSquares,
    /// Mean.
    Mean,
    /// Sample standard deviation.
    SampleDeviation,
    /// Population standard deviation.
    Deviation,
    /// Sample variance.
    SampleVariance,
    /// Population variance.
    Variance,
    /// Greatest less least.
    Range,
    /// The given percentile of the numbers, in thousandths of a percent.
    Percentile(u32),
    /// Change per second from the earliest number to the latest.
    Rate,
    /// How far the number of distinct values may be off.
    DistinctError,
    /// Number of rows in each of several equal time intervals.
    Sparkline,
    /// References of events.
    Refs,
}

impl Kind {
    /// All kinds. An argument selects the percentile.
    const ALL: [Self; 22] = [
        Self::Values,
        Self::DistinctCount,
        Self::Count,
        Self::List,
        Self::Min,
        Self::Max,
        Self::Latest,
        Self::Earliest,
        Self::Mode,
        Self::Sum,
        Self::SumOfSquares,
        Self::Mean,
        Self::SampleDeviation,
        Self::Deviation,
        Self::SampleVariance,
        Self::Variance,
        Self::Range,
        Self::Percentile(0),
        Self::Rate,
        Self::DistinctError,
        Self::Sparkline,
        Self::Refs,
    ];

    /// Its name in plans.
    fn name(self) -> &'static str {
        match self {
            Self::Values => "spl_values",
            Self::DistinctCount => "spl_distinct_count",
            Self::Count => "spl_count",
            Self::List => "spl_list",
            Self::Min => "spl_min",
            Self::Max => "spl_max",
            Self::Latest => "spl_latest",
            Self::Earliest => "spl_earliest",
            Self::Mode => "spl_mode",
            Self::Sum => "spl_sum",
            Self::SumOfSquares => "spl_sum_of_squares",
            Self::Mean => "spl_mean",
            Self::SampleDeviation => "spl_sample_deviation",
            Self::Deviation => "spl_deviation",
            Self::SampleVariance => "spl_sample_variance",
            Self::Variance => "spl_variance",
            Self::Range => "spl_range",
            Self::Percentile(_) => "spl_percentile",
            Self::Rate => "spl_rate",
            Self::DistinctError => "spl_distinct_error",
            Self::Sparkline => "spl_sparkline",
            Self::Refs => "spl_refs",
        }
    }

    /// The result type for numbers or for other values.
    fn output(self, number: bool) -> DataType {
        match self {
            Self::Values | Self::List | Self::Sparkline => list_type(),
            Self::DistinctCount | Self::Count => DataType::Int64,
            Self::Min | Self::Max | Self::Latest | Self::Earliest | Self::Mode if !number => {
                DataType::Utf8
            }
            Self::Refs => DataType::List(Arc::new(Field::new("item", DataType::UInt64, true))),
            _ => DataType::Float64,
        }
    }

    fn start(self, number_result: bool) -> Box<dyn Accumulator> {
        match self {
            Self::Refs => Box::new(Refs::default()),
            Self::Sparkline => Box::new(Sparkline::default()),
            Self::Values | Self::DistinctCount => Box::new(Distinct {
                kind: self,
                seen: HashSet::new(),
                bytes: 0,
            }),
            Self::Min | Self::Max => Box::new(Extreme {
                largest: self == Self::Max,
                number_result,
                ..Extreme::default()
            }),
            Self::Latest | Self::Earliest => Box::new(AtTime {
                latest: self == Self::Latest,
                number_result,
                found: None,
            }),
            kind => Box::new(Bag {
                kind,
                number_result,
                values: Vec::new(),
                bytes: 0,
            }),
        }
    }
}

/// An aggregation by its DataFusion name. The type of its input determines whether it returns a number, and its second
/// argument which percentile it is: it holds no state of a call.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Aggregate {
    kind: Kind,
    signature: Signature,
}

/// All aggregations in plans that are not DataFusion's.
pub(crate) fn functions() -> impl Iterator<Item = Arc<AggregateUDF>> {
    static ALL: LazyLock<Vec<Arc<AggregateUDF>>> = LazyLock::new(|| {
        let function = |kind| {
            Arc::new(AggregateUDF::new_from_impl(Aggregate {
                kind,
                signature: Signature::variadic_any(Volatility::Immutable),
            }))
        };
        Kind::ALL.into_iter().map(function).collect()
    });
    ALL.iter().cloned()
}

/// Calls an aggregation. [`Kind::List`], [`Kind::Latest`], [`Kind::Earliest`] and [`Kind::Rate`] take the value and its time,
/// [`Kind::Sparkline`] the time of the row, of the first row and of the last. `number` says whether the value has a
/// number type.
pub(crate) fn aggregate(kind: Kind, number: bool, args: Vec<Expr>) -> (Expr, DataType) {
    let mut args = args;
    if let Kind::Percentile(thousandths) = kind {
        args.push(lit(i64::from(thousandths)));
    }
    let function = functions().find(|function| function.name() == kind.name());
    let call = match function {
        Some(function) => function.call(args),
        // `Kind::ALL` is complete: a test checks it.
        None => lit(ScalarValue::Null),
    };
    (call, kind.output(number))
}

/// Whether a name is that of the row count.
pub(crate) fn is_count(name: &str) -> bool {
    matches!(name, "count" | "c")
}

fn is_number(data_type: Option<&DataType>) -> bool {
    data_type.is_some_and(crate::column::is_number)
}

impl Aggregate {
    /// The kind with the percentile of a call, and whether it returns a number.
    fn of(&self, args: &AccumulatorArgs) -> Result<(Kind, bool)> {
        let number = is_number(args.expr_fields.first().map(|field| field.data_type()));
        let Kind::Percentile(_) = self.kind else {
            return Ok((self.kind, number));
        };
        let literal = args
            .exprs
            .get(1)
            .and_then(|expr| expr.downcast_ref::<Literal>());
        match literal.map(Literal::value) {
            Some(ScalarValue::Int64(Some(thousandths))) => {
                let thousandths = u32::try_from(*thousandths).unwrap_or(100_000);
                Ok((Kind::Percentile(thousandths), number))
            }
            _ => Err(DataFusionError::Plan(
                "spl_percentile: the second argument says which, as a literal".to_owned(),
            )),
        }
    }
}

impl AggregateUDFImpl for Aggregate {
    fn name(&self) -> &str {
        self.kind.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(self.kind.output(is_number(types.first())))
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let (kind, number) = self.of(&args)?;
        Ok(kind.start(number))
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs) -> bool {
        matches!(self.kind, Kind::Values | Kind::DistinctCount | Kind::Refs)
    }

    fn create_groups_accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        match self.kind {
            Kind::Refs => Ok(Box::new(RefsOfGroups::default())),
            kind => Ok(Box::new(DistinctOfGroups::new(kind == Kind::DistinctCount))),
        }
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let (kind, number) = self.of(&args)?;
        Ok(Box::new(Sliding {
            kind,
            number,
            rows: VecDeque::new(),
        }))
    }

    fn state_fields(&self, _: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let item = if self.kind == Kind::Refs {
            DataType::UInt64
        } else {
            DataType::Utf8
        };
        let list = DataType::List(Arc::new(Field::new("item", item, true)));
        Ok(vec![Arc::new(Field::new("state", list, true))])
    }
}

/// An aggregation over a sliding window: it keeps the rows and recomputes each result.
#[derive(Debug)]
struct Sliding {
    kind: Kind,
    number: bool,
    /// The arguments of each row in the window.
    rows: VecDeque<Vec<ArrayRef>>,
}

impl Accumulator for Sliding {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for row in 0..first(values)?.len() {
            let cells = values.iter().map(|array| array.slice(row, 1)).collect();
            self.rows.push_back(cells);
        }
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let gone = first(values)?.len().min(self.rows.len());
        self.rows.drain(..gone);
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, _: &[ArrayRef]) -> Result<()> {
        Err(DataFusionError::Internal(
            "windows are not merged".to_owned(),
        ))
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let mut inner = self.kind.start(self.number);
        for cells in &self.rows {
            inner.update_batch(cells)?;
        }
        inner.evaluate()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Err(DataFusionError::Internal(
            "windows are not merged".to_owned(),
        ))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.rows.len() * 64
    }
}

/// All values of a column, row by row. Numbers are written as SPL shows them, or `exact`, so that none of their digits
/// are lost when they are parsed again.
fn each_value(array: &ArrayRef, exact: bool, mut visit: impl FnMut(usize, &str)) {
    match array.data_type() {
        DataType::Float64 if exact => {
            for (row, value) in array.as_primitive::<Float64Type>().iter().enumerate() {
                if let Some(value) = value {
                    visit(row, &value.to_string());
                }
            }
        }
        DataType::Utf8 => {
            for (row, value) in array.as_string::<i32>().iter().enumerate() {
                if let Some(value) = value {
                    visit(row, value);
                }
            }
        }
        DataType::List(_) => {
            let lists = array.as_list::<i32>();
            let items = lists.values();
            let texts = items.as_string_opt::<i32>();
            for (row, ends) in lists.value_offsets().windows(2).enumerate() {
                let &[start, end] = ends else { continue };
                if lists.is_null(row) {
                    continue;
                }
                for at in (start..end).filter_map(|at| usize::try_from(at).ok()) {
                    match texts {
                        Some(texts) if texts.is_valid(at) => visit(row, texts.value(at)),
                        Some(_) => {}
                        None => {
                            if let Some(value) = display_value(items, at) {
                                visit(row, &value);
                            }
                        }
                    }
                }
            }
        }
        _ => {
            for row in 0..array.len() {
                if let Some(value) = display_value(array, row) {
                    visit(row, &value);
                }
            }
        }
    }
}

/// The time of a row, in seconds since 1970; 0 if it has none.
fn time_of(times: Option<&ArrayRef>, row: usize) -> f64 {
    let Some(times) = times else { return 0.0 };
    match times.as_primitive_opt::<Float64Type>() {
        // Read it directly: text would round the microseconds away.
        Some(numbers) if numbers.is_valid(row) => numbers.value(row),
        Some(_) => 0.0,
        None => display_value(times, row)
            .and_then(|time| number_of(&time))
            .unwrap_or(0.0),
    }
}

fn first(values: &[ArrayRef]) -> Result<&ArrayRef> {
    values
        .first()
        .ok_or_else(|| DataFusionError::Internal("an aggregation without an argument".to_owned()))
}

/// A state of texts as a list.
fn texts<'t>(values: impl Iterator<Item = &'t str>) -> ScalarValue {
    // There is one per group: builders reserve space for a thousand values by default.
    let item = Arc::new(Field::new("item", DataType::Utf8, true));
    let mut builder =
        ListBuilder::with_capacity(StringBuilder::with_capacity(1, 0), 1).with_field(item);
    values.for_each(|value| builder.values().append_value(value));
    builder.append(true);
    ScalarValue::List(Arc::new(builder.finish()))
}

fn null_list() -> Result<ScalarValue> {
    ScalarValue::try_from(&list_type())
}

/// A value converted to the result type.
fn answer(value: Option<&str>, number: bool) -> ScalarValue {
    if number {
        ScalarValue::Float64(value.and_then(number_of))
    } else {
        ScalarValue::Utf8(value.map(str::to_owned))
    }
}

/// Distinct values.
#[derive(Debug)]
struct Distinct {
    kind: Kind,
    seen: HashSet<Box<str>>,
    bytes: usize,
}

impl Distinct {
    fn add(&mut self, value: &str) {
        if !self.seen.contains(value) {
            self.bytes += value.len() + 32;
            self.seen.insert(value.into());
        }
    }
}

impl Accumulator for Distinct {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        each_value(first(values)?, false, |_, value| self.add(value));
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if self.kind == Kind::DistinctCount {
            return Ok(ScalarValue::Int64(Some(
                i64::try_from(self.seen.len()).unwrap_or(i64::MAX),
            )));
        }
        if self.seen.is_empty() {
            return null_list();
        }
        let sorted: BTreeSet<&str> = self.seen.iter().map(AsRef::as_ref).collect();
        Ok(texts(sorted.into_iter()))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![texts(self.seen.iter().map(AsRef::as_ref))])
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.bytes
    }
}

/// Smallest or largest value: compared as numbers if all are numbers, otherwise as text.
#[derive(Debug, Default)]
struct Extreme {
    largest: bool,
    number_result: bool,
    number: Option<f64>,
    text: Option<String>,
    any_text: bool,
}

impl Extreme {
    fn add(&mut self, value: &str) {
        let number = number_of(value);
        self.add_best(number.is_none(), number, value);
    }

    fn add_best(&mut self, any_text: bool, number: Option<f64>, text: &str) {
        let better = |ordering: std::cmp::Ordering| {
            if self.largest {
                ordering.is_gt()
            } else {
                ordering.is_lt()
            }
        };
        self.any_text |= any_text;
        if let Some(number) = number
            && self
                .number
                .is_none_or(|best| better(number.total_cmp(&best)))
        {
            self.number = Some(number);
        }
        if self
            .text
            .as_deref()
            .is_none_or(|best| better(text.cmp(best)))
        {
            self.text = Some(text.to_owned());
        }
    }

    fn best(&self) -> Option<String> {
        if self.any_text {
            self.text.clone()
        } else {
            self.number.map(format_number)
        }
    }
}

impl Accumulator for Extreme {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        each_value(first(values)?, false, |_, value| self.add(value));
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let states = first(states)?;
        for row in 0..states.len() {
            if let [any_text, number, text] = display_values(states, row).as_slice() {
                self.add_best(any_text == "text", number_of(number), text);
            }
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if self.number_result {
            return Ok(ScalarValue::Float64(self.number));
        }
        Ok(ScalarValue::Utf8(self.best()))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        // The best text is kept beside the best number: another state may contain a non-number, and then all compare as
        // text.
        let Some(text) = &self.text else {
            return Ok(vec![texts(std::iter::empty())]);
        };
        let number = self
            .number
            .map_or_else(String::new, |number| number.to_string());
        let any_text = if self.any_text { "text" } else { "" };
        Ok(vec![texts([any_text, number.as_str(), text].into_iter())])
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.text.as_ref().map_or(0, String::len)
    }
}

/// The value of the earliest or latest event that has one.
#[derive(Debug)]
struct AtTime {
    latest: bool,
    number_result: bool,
    found: Option<(f64, String)>,
}

impl AtTime {
    fn add(&mut self, time: f64, value: &str) {
        let better = match &self.found {
            None => true,
            // Among events of the same time take the smaller value, so that reading order does not matter.
            Some((best, held)) => match time.total_cmp(best) {
                std::cmp::Ordering::Equal => value < held.as_str(),
                ordering => ordering.is_gt() == self.latest,
            },
        };
        if better {
            self.found = Some((time, value.to_owned()));
        }
    }
}

impl Accumulator for AtTime {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let times = values.get(1);
        each_value(first(values)?, self.number_result, |row, value| {
            self.add(time_of(times, row), value);
        });
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let states = first(states)?;
        for row in 0..states.len() {
            if let [time, value] = display_values(states, row).as_slice() {
                self.add(number_of(time).unwrap_or(0.0), value);
            }
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(answer(
            self.found.as_ref().map(|(_, value)| value.as_str()),
            self.number_result,
        ))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![match &self.found {
            None => texts(std::iter::empty()),
            Some((time, value)) => texts([format!("{time:?}").as_str(), value].into_iter()),
        }])
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.found.as_ref().map_or(0, |(_, value)| value.len())
    }
}

/// All values, for aggregations that need them.
#[derive(Debug)]
struct Bag {
    kind: Kind,
    number_result: bool,
    /// With the time as sort key if the kind requires it.
    values: Vec<(f64, Box<str>)>,
    bytes: usize,
}

impl Bag {
    /// Only the first values of a list count, so a large group need not hold them all.
    fn keep_listed(&mut self, slack: usize) {
        if self.kind != Kind::List || self.values.len() <= MOST_LISTED + slack {
            return;
        }
        // A stable sort: without times the order of arrival remains.
        self.values.sort_by(|a, b| b.0.total_cmp(&a.0));
        self.values.truncate(MOST_LISTED);
        self.bytes = self.values.iter().map(|(_, value)| value.len() + 24).sum();
    }

    fn numbers(&self) -> Vec<f64> {
        self.values
            .iter()
            .filter_map(|(_, value)| number_of(value))
            .collect()
    }
}

impl Accumulator for Bag {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let times = values.get(1);
        let exact = self.kind != Kind::List;
        each_value(first(values)?, exact, |row, value| {
            self.bytes += value.len() + 24;
            self.values.push((time_of(times, row), value.into()));
        });
        self.keep_listed(LISTED_SLACK);
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let states = first(states)?;
        for row in 0..states.len() {
            let state = display_values(states, row);
            for [time, value] in state.as_chunks().0 {
                self.bytes += value.len() + 24;
                let time = number_of(time).unwrap_or(0.0);
                self.values.push((time, value.as_str().into()));
            }
        }
        self.keep_listed(LISTED_SLACK);
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "counts")]
    fn evaluate(&mut self) -> Result<ScalarValue> {
        match self.kind {
            Kind::List => {
                if self.values.is_empty() {
                    return null_list();
                }
                // A stable sort: without times the order of arrival remains.
                self.values.sort_by(|a, b| b.0.total_cmp(&a.0));
                return Ok(texts(
                    self.values
                        .iter()
                        .take(MOST_LISTED)
                        .map(|(_, value)| value.as_ref()),
                ));
            }
            Kind::Count => {
                return Ok(ScalarValue::Int64(Some(
                    i64::try_from(self.values.len()).unwrap_or(i64::MAX),
                )));
            }
            Kind::Mode => {
                let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
                self.values
                    .iter()
                    .for_each(|(_, value)| *counts.entry(value).or_default() += 1);
                let best = counts
                    .into_iter()
                    .max_by(|a, b| a.1.cmp(&b.1).then_with(|| b.0.cmp(a.0)));
                return Ok(answer(best.map(|(value, _)| value), self.number_result));
            }
            Kind::Rate => return Ok(ScalarValue::Float64(rate(&self.values))),
            // They are counted exactly.
            Kind::DistinctError => return Ok(ScalarValue::Float64(Some(0.0))),
            _ => {}
        }
        let mut numbers = self.numbers();
        // Sums of floating-point numbers depend on their order.
        numbers.sort_unstable_by(f64::total_cmp);
        let count = numbers.len() as f64;
        if numbers.is_empty() {
            return Ok(ScalarValue::Float64(None));
        }
        let sum: f64 = numbers.iter().sum();
        let mean = sum / count;
        let squares: f64 = numbers.iter().map(|number| (number - mean).powi(2)).sum();
        let sample = if count > 1.0 {
            squares / (count - 1.0)
        } else {
            0.0
        };
        let result = match self.kind {
            Kind::Sum => sum,
            Kind::SumOfSquares => numbers.iter().map(|number| number * number).sum(),
            Kind::Mean => mean,
            Kind::SampleVariance => sample,
            Kind::SampleDeviation => sample.sqrt(),
            Kind::Variance => squares / count,
            Kind::Deviation => (squares / count).sqrt(),
            Kind::Range => numbers
                .last()
                .zip(numbers.first())
                .map_or(0.0, |(last, first)| last - first),
            Kind::Percentile(thousandths) => percentile(&numbers, thousandths),
            _ => {
                return Err(DataFusionError::Internal(format!(
                    "{:?} is not an aggregation of numbers",
                    self.kind
                )));
            }
        };
        Ok(ScalarValue::Float64(Some(result)))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.keep_listed(0);
        let flat: Vec<String> = self
            .values
            .iter()
            .flat_map(|(time, value)| [format!("{time:?}"), value.to_string()])
            .collect();
        Ok(vec![texts(flat.iter().map(String::as_str))])
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.bytes
    }
}

/// Percentile of sorted numbers by the nearest rank, which Splunk takes: always one of them, and of two in the middle the
/// higher.
pub(crate) fn percentile(sorted: &[f64], thousandths: u32) -> f64 {
    // Whole numbers, so that 90 % of ten is nine.
    let rank = u64::from(thousandths) * sorted.len() as u64 / 100_000;
    let at = (rank as usize).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or(f64::NAN)
}

/// The change per second between the first and the last of values with times.
fn rate(values: &[(f64, Box<str>)]) -> Option<f64> {
    let numbers = || {
        values
            .iter()
            .filter_map(|(time, value)| Some((*time, number_of(value)?)))
    };
    // Among those of one time the smaller, so that the order of reading does not matter.
    let first = numbers().min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)))?;
    let last = numbers().max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.total_cmp(&a.1)))?;
    let seconds = last.0 - first.0;
    (seconds > 0.0).then(|| (last.1 - first.1) / seconds)
}

/// References of events: the smallest thousand.
#[derive(Debug, Default)]
struct Refs {
    refs: Vec<u64>,
}

impl Refs {
    fn add(&mut self, reference: u64) {
        self.refs.push(reference);
        if self.refs.len() > 2 * MOST_REFS {
            self.shrink();
        }
    }

    fn shrink(&mut self) {
        self.refs.sort_unstable();
        self.refs.dedup();
        self.refs.truncate(MOST_REFS);
    }
}

impl Accumulator for Refs {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        each_reference(first(values)?, |_, reference| self.add(reference))
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.shrink();
        let item = Arc::new(Field::new("item", DataType::UInt64, true));
        let values = UInt64Builder::with_capacity(self.refs.len());
        let mut builder = ListBuilder::with_capacity(values, 1).with_field(item);
        builder.values().append_slice(&self.refs);
        builder.append(true);
        Ok(ScalarValue::List(Arc::new(builder.finish())))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.refs.capacity() * 8
    }
}

/// Number of intervals in a sparkline: Splunk's default for `sparkline_maxsize`.
const SPARKS: u32 = 25;
/// Splunk's prefix of the numbers, by which its pages recognise a sparkline.
const SPARKLINE: &str = "##__SPARKLINE__##";

#[derive(Debug, Default)]
struct Sparkline {
    counts: Vec<u64>,
}

impl Sparkline {
    fn add(&mut self, at: usize, count: u64) {
        if self.counts.len() <= at {
            self.counts.resize(at + 1, 0);
        }
        if let Some(own) = self.counts.get_mut(at) {
            *own += count;
        }
    }

    fn texts(&self, head: Option<&str>) -> ScalarValue {
        let mut builder = ListBuilder::new(StringBuilder::new());
        if let Some(head) = head {
            builder.values().append_value(head);
        }
        for count in &self.counts {
            builder.values().append_value(count.to_string());
        }
        builder.append(true);
        ScalarValue::List(Arc::new(builder.finish()))
    }
}

impl Accumulator for Sparkline {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let [times, firsts, lasts] = values else {
            return Err(DataFusionError::Internal(
                "a sparkline needs three times".to_owned(),
            ));
        };
        let column = |array: &ArrayRef| array.as_primitive_opt::<Float64Type>().cloned();
        let (Some(times), Some(firsts), Some(lasts)) =
            (column(times), column(firsts), column(lasts))
        else {
            return Err(DataFusionError::Internal(
                "times of a sparkline are numbers".to_owned(),
            ));
        };
        for ((time, first), last) in times.iter().zip(firsts.iter()).zip(lasts.iter()) {
            let (Some(time), Some(first), Some(last)) = (time, first, last) else {
                continue;
            };
            if last <= first {
                self.add(0, 1);
                continue;
            }
            // All sparklines of a table have the same intervals.
            self.add(SPARKS as usize - 1, 0);
            let place = (time - first) / (last - first) * f64::from(SPARKS);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "from 0 to the number of stretches"
            )]
            let place = place.clamp(0.0, f64::from(SPARKS - 1)) as usize;
            self.add(place, 1);
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for list in first(states)?.as_list::<i32>().iter().flatten() {
            for (at, count) in list.as_string::<i32>().iter().enumerate() {
                self.add(at, count.and_then(|count| count.parse().ok()).unwrap_or(0));
            }
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if self.counts.is_empty() {
            return ScalarValue::try_from(&list_type());
        }
        Ok(self.texts(Some(SPARKLINE)))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.texts(None)])
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.counts.capacity() * 8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_function() {
        for kind in Kind::ALL {
            let (call, _) = aggregate(kind, false, vec![lit("a"), lit(0.0)]);
            assert!(matches!(call, Expr::AggregateFunction(_)), "{kind:?}");
        }
    }

    #[test]
    fn percentiles_are_the_nearest_rank() {
        let numbers: Vec<f64> = (1..=10).map(f64::from).collect();
        for (thousandths, expected) in [
            (0, 1.0),
            (50_000, 6.0),
            (90_000, 10.0),
            (25_000, 3.0),
            (99_999, 10.0),
            (100_000, 10.0),
        ] {
            assert!(
                (percentile(&numbers, thousandths) - expected).abs() < 1e-12,
                "{thousandths}"
            );
        }
    }
}
