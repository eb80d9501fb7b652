//! An event as a rule sees it: a row of a table, with the names of its log source.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use crabwalk_events::EventType;
use crabwalk_sources::collect::{OWN_DATA, RECORD, alike, is_made, number_in_log};
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, ListArray, RecordBatch, StringArray, UInt64Array,
};
use datafusion::arrow::datatypes::{DataType, Float64Type, Schema, UInt64Type};

use super::logsource::{FieldRule, LogSources, View};

/// Value of a field of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'a> {
    /// One text.
    One(Cow<'a, str>),
    /// Several.
    Many(Vec<&'a str>),
}

/// An event as rules see it.
pub trait Fields {
    /// A field by its name in rules. `None` if the event does not have it.
    fn field(&self, name: &str) -> Option<Value<'_>>;
    /// Calls `visit` with every text of the event until it returns true. Returns whether it did.
    fn any_text(&self, visit: &mut dyn FnMut(&str) -> bool) -> bool;
    /// Identity of the event in its run.
    fn reference(&self) -> u64;
}

/// Where a field of the rules comes from, for one table.
enum FieldOrigin {
    Constant(String),
    Column(usize),
    Made(FieldRule),
    /// A field of the event's data that shares the name of a header field: rules mean the data, because they have their
    /// own names for header fields (`Provider_Name`); without such data, the header.
    OwnElse(usize, Option<usize>),
    /// The time of the event.
    Time,
    /// The number that the log gave the event.
    Number(usize),
}

/// Names that rules use for the time of the event, if it has no field of that name.
const TIMES: [&str; 8] = [
    "_time",
    "@timestamp",
    "timestamp",
    "TimeCreated",
    "TimeCreated_SystemTime",
    "TimeGenerated",
    "SystemTime",
    "EventTime",
];

/// The names of a log source, mapped to the columns of one table.
pub(super) struct Layout {
    origins: HashMap<String, FieldOrigin>,
    columns: HashMap<String, usize>,
    filter: Vec<(Option<usize>, Vec<String>)>,
    /// Columns with text of the event, for rules that search everywhere.
    texts: Vec<usize>,
    /// Text that is in no column: channel and event id.
    constants: Vec<String>,
}

impl Layout {
    /// Maps `names` to a table.
    pub(super) fn new<'n>(
        schema: &Schema,
        event_type: &EventType,
        view: &View,
        sources: &LogSources,
        names: impl Iterator<Item = &'n str>,
    ) -> Self {
        let columns: HashMap<String, usize> = schema
            .fields()
            .iter()
            .enumerate()
            .map(|(at, field)| (field.name().clone(), at))
            .collect();
        let made = |rule: &FieldRule| match rule {
            FieldRule::Column(name) => columns.get(name).map(|at| FieldOrigin::Column(*at)),
            rule => Some(FieldOrigin::Made(rule.clone())),
        };
        let mut origins = HashMap::new();
        for name in names {
            let origin = match view.fields.get(name) {
                Some(rule) => made(rule),
                None => match name {
                    "EventID" | "EventCode" if event_type.is_windows() => {
                        Some(FieldOrigin::Constant(event_type.event_id.to_string()))
                    }
                    "Channel" => Some(FieldOrigin::Constant(event_type.channel.clone())),
                    "Computer" if sources.field(name).is_some() => {
                        sources.field(name).and_then(made)
                    }
                    _ => columns
                        .get(&format!("{OWN_DATA}{name}"))
                        .map(|own| FieldOrigin::OwnElse(*own, columns.get(name).copied()))
                        .or_else(|| columns.get(name).map(|at| FieldOrigin::Column(*at)))
                        .or_else(|| made(sources.field(name)?))
                        .or_else(|| {
                            // Providers spell a name differently from version to version, sometimes with spaces.
                            let name = alike(name);
                            columns
                                .iter()
                                .filter(|(own, _)| alike(own) == name)
                                .map(|(_, at)| *at)
                                .min()
                                .map(FieldOrigin::Column)
                        })
                        .or_else(|| TIMES.contains(&name).then_some(FieldOrigin::Time))
                        .or_else(|| {
                            let is_number = event_type.is_windows()
                                && matches!(name, "EventRecordID" | "RecordNumber");
                            let column = columns.get(RECORD).filter(|_| is_number)?;
                            Some(FieldOrigin::Number(*column))
                        }),
                },
            };
            if let Some(origin) = origin {
                origins.insert(name.to_owned(), origin);
            }
        }
        let filter = view
            .filter
            .iter()
            .map(|(column, values)| (columns.get(column).copied(), values.clone()))
            .collect();
        let texts = schema
            .fields()
            .iter()
            .enumerate()
            .filter(|(_, field)| !is_made(field.name()))
            .map(|(at, _)| at)
            .collect();
        let mut constants = Vec::new();
        if event_type.is_windows() {
            constants.push(event_type.channel.clone());
            constants.push(event_type.event_id.to_string());
        }
        Self {
            origins,
            columns,
            filter,
            texts,
            constants,
        }
    }
}

/// A text column with one or many values per row.
enum Texts {
    One(StringArray),
    Many(ListArray, StringArray),
    Numbers(UInt64Array),
    Other,
}

/// A batch of events under the names of a log source.
pub(super) struct Rows {
    layout: Arc<Layout>,
    columns: Vec<Texts>,
    references: ArrayRef,
    times: ArrayRef,
}

impl Rows {
    pub(super) fn new(layout: Arc<Layout>, batch: &RecordBatch) -> Self {
        let columns = batch
            .columns()
            .iter()
            .map(|column| match column.data_type() {
                DataType::Utf8 => Texts::One(column.as_string::<i32>().clone()),
                DataType::List(item) if item.data_type() == &DataType::Utf8 => {
                    let lists = column.as_list::<i32>().clone();
                    let values = lists.values().as_string::<i32>().clone();
                    Texts::Many(lists, values)
                }
                DataType::UInt64 => Texts::Numbers(column.as_primitive().clone()),
                _ => Texts::Other,
            })
            .collect();
        // Every table begins with references and times.
        let references = Arc::clone(batch.column(0));
        let times = Arc::clone(batch.column(1));
        Self {
            layout,
            columns,
            references,
            times,
        }
    }

    pub(super) fn row(&self, row: usize) -> EventRow<'_> {
        EventRow { rows: self, row }
    }

    fn texts(&self, column: usize, row: usize) -> Vec<&str> {
        match self.columns.get(column) {
            Some(Texts::One(texts)) if texts.is_valid(row) => vec![texts.value(row)],
            Some(Texts::Many(lists, values)) if lists.is_valid(row) => {
                let Some([start, end, ..]) = lists.value_offsets().get(row..) else {
                    return Vec::new();
                };
                (*start..*end)
                    .filter_map(|at| usize::try_from(at).ok())
                    .filter(|at| values.is_valid(*at))
                    .map(|at| values.value(at))
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    fn first(&self, column: usize, row: usize) -> Option<&str> {
        match self.columns.get(column) {
            Some(Texts::One(texts)) => texts.is_valid(row).then(|| texts.value(row)),
            _ => self.texts(column, row).first().copied(),
        }
    }
}

/// One row of a batch.
#[derive(Clone, Copy)]
pub(super) struct EventRow<'a> {
    rows: &'a Rows,
    row: usize,
}

impl EventRow<'_> {
    /// Whether the event belongs to the log source.
    pub(super) fn belongs(&self) -> bool {
        self.rows.layout.filter.iter().all(|(column, values)| {
            column.is_some_and(|column| {
                self.rows
                    .first(column, self.row)
                    .is_some_and(|own| values.iter().any(|value| value.eq_ignore_ascii_case(own)))
            })
        })
    }

    /// The first value of a column of the table, whatever its name in rules.
    pub(super) fn column(&self, name: &str) -> Option<&str> {
        let column = self.rows.layout.columns.get(name)?;
        self.rows.first(*column, self.row)
    }

    /// The content of a column for the event.
    fn in_column(&self, column: usize) -> Option<Value<'_>> {
        let rows = self.rows;
        let one = |text| Some(Value::One(Cow::Borrowed(text)));
        match rows.columns.get(column)? {
            Texts::One(texts) if texts.is_valid(self.row) => one(texts.value(self.row)),
            Texts::Many(..) => match rows.texts(column, self.row).as_slice() {
                [] => None,
                [text] => one(text),
                many => Some(Value::Many(
                    many.iter()
                        .filter(|text| !text.is_empty())
                        .copied()
                        .collect(),
                )),
            },
            _ => None,
        }
    }

    /// Time of the event, whole seconds since 1970-01-01 UTC.
    pub(super) fn seconds(&self) -> i64 {
        self.micros().div_euclid(1_000_000)
    }

    /// Time of the event, microseconds since 1970-01-01 UTC.
    fn micros(&self) -> i64 {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "times of events are far from the limits"
        )]
        self.rows
            .times
            .as_primitive_opt::<Float64Type>()
            .map_or(0, |times| (times.value(self.row) * 1e6).round() as i64)
    }

    /// The values of a field as texts.
    pub(super) fn values(&self, name: &str) -> Vec<String> {
        match self.field(name) {
            None => Vec::new(),
            Some(Value::One(text)) => vec![text.into_owned()],
            Some(Value::Many(texts)) => texts.into_iter().map(str::to_owned).collect(),
        }
    }
}

impl Fields for EventRow<'_> {
    /// An empty text is not a value: readers drop those that an event writes, except in lists.
    fn field(&self, name: &str) -> Option<Value<'_>> {
        let rows = self.rows;
        let one = |text| Some(Value::One(Cow::Borrowed(text)));
        match rows.layout.origins.get(name)? {
            FieldOrigin::Constant(text) => one(text.as_str()),
            FieldOrigin::Column(column) => self.in_column(*column),
            FieldOrigin::OwnElse(own, header) => {
                self.in_column(*own).or_else(|| self.in_column((*header)?))
            }
            FieldOrigin::Made(rule) => rule
                .value(|column| rows.first(*rows.layout.columns.get(column)?, self.row))
                .map(Value::One),
            FieldOrigin::Time => jiff::Timestamp::from_microsecond(self.micros())
                .ok()
                .map(|time| Value::One(time.to_string().into())),
            FieldOrigin::Number(column) => match rows.columns.get(*column)? {
                Texts::Numbers(numbers) if numbers.is_valid(self.row) => {
                    number_in_log(numbers.value(self.row))
                        .map(|number| Value::One(number.to_string().into()))
                }
                _ => None,
            },
        }
        .filter(|value| match value {
            Value::One(text) => !text.is_empty(),
            Value::Many(texts) => !texts.is_empty(),
        })
    }

    fn any_text(&self, visit: &mut dyn FnMut(&str) -> bool) -> bool {
        let layout = &self.rows.layout;
        layout.constants.iter().any(|text| visit(text))
            || layout.texts.iter().any(|column| {
                self.rows
                    .texts(*column, self.row)
                    .into_iter()
                    .any(&mut *visit)
            })
    }

    fn reference(&self) -> u64 {
        self.rows
            .references
            .as_primitive_opt::<UInt64Type>()
            .map_or(0, |references| references.value(self.row))
    }
}
