//! Rows that must be there before the rest of a search can be planned.
//!
//! A subsearch in a search clause, `map`, `outputlookup` and commands whose columns come from the data need rows while
//! the plan is made. The planner asks for them, the engine runs what is asked for, and the search is planned again with
//! the answer. What is asked for comes in the same order each time.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError};

use crabwalk_events::{LookupDefinition, LookupTable};
use datafusion::arrow::array::{
    ArrayRef, Float64Array, ListBuilder, RecordBatch, StringArray, StringBuilder, UInt64Array,
};
use datafusion::arrow::compute::{concat_batches, take};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{LogicalPlanBuilder, SortExpr};

use super::{Order, Planner, Result, Rows, at, column, diagnostic, is_hidden};
use crate::HIDDEN;
use crate::resources::lookup_name;
use crate::syntax::ast::{Name, Span};
use crate::value::display_values;

/// A plan that starts from at most this many rows is not worth optimising.
pub(crate) const MOST_ROWS: usize = 1 << 14;

/// A request to run before planning continues.
#[derive(Debug)]
pub(crate) struct Pending {
    pub rows: Rows,
    /// Whether the plan contains all rows it reads, and they are few.
    pub bounded: bool,
    /// Where to write the rows.
    pub output: Option<LookupWriting>,
}

/// How rows are written as a lookup of this run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LookupWriting {
    /// Name of the lookup or CSV file.
    pub lookup: Name,
    /// The rows that are there are kept.
    pub append: bool,
    /// No rows empty the lookup.
    pub override_if_empty: bool,
    /// A row with a value of this field that is there already replaces that row.
    pub key_field: Option<Name>,
    /// Most rows, if there is a limit.
    pub max: Option<u64>,
}

/// Rows that were run.
#[derive(Debug)]
pub(crate) struct Staged {
    batch: RecordBatch,
    open: bool,
    place: String,
}

impl Staged {
    /// Keeps the answer of the `index`th question.
    pub fn new(
        rows: &Rows,
        batches: &[RecordBatch],
        index: usize,
    ) -> std::result::Result<Self, DataFusionError> {
        let schema = match batches.first() {
            Some(batch) => batch.schema(),
            None => Arc::new(rows.plan.schema().as_arrow().clone()),
        };
        let batch = concat_batches(&schema, batches)?;
        let place = format!("{HIDDEN}stage{index}");
        let mut fields: Vec<Field> = schema
            .fields()
            .iter()
            .map(|field| field.as_ref().clone().with_nullable(true))
            .collect();
        fields.push(Field::new(&place, DataType::UInt64, true));
        let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
        let places: UInt64Array = (0..batch.num_rows() as u64).collect();
        columns.push(Arc::new(places));
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?;
        Ok(Self {
            batch,
            open: rows.open,
            place,
        })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.batch.num_rows()
    }

    /// Names of the visible columns.
    pub fn names(&self) -> Vec<String> {
        let schema = self.batch.schema();
        let names = schema.fields().iter().map(|field| field.name().clone());
        names.filter(|name| !is_hidden(name)).collect()
    }

    /// Names of the hidden columns that say which events rows come from and when they were.
    pub fn origins(&self) -> [&'static str; 3] {
        [crabwalk_events::catalog::REF, super::ORDER, super::CLOCK]
    }

    /// The type of a column.
    pub fn data_type(&self, name: &str) -> Option<DataType> {
        let column = self.batch.column_by_name(name)?;
        Some(column.data_type().clone())
    }

    /// The values of a cell.
    pub fn values(&self, name: &str, row: usize) -> Vec<String> {
        self.batch
            .column_by_name(name)
            .map(|column| display_values(column, row))
            .unwrap_or_default()
    }

    /// The first value of a cell.
    pub fn text(&self, name: &str, row: usize) -> Option<String> {
        self.values(name, row).into_iter().next()
    }

    /// The rows as the start of a plan.
    pub fn rows(&self) -> std::result::Result<Rows, DataFusionError> {
        let schema = self.batch.schema();
        let provider = MemTable::try_new(Arc::clone(&schema), vec![vec![self.batch.clone()]])?;
        let names: Vec<_> = schema
            .fields()
            .iter()
            .map(|field| column(field.name()).alias(field.name()))
            .collect();
        let plan =
            LogicalPlanBuilder::scan("staged", provider_as_source(Arc::new(provider)), None)?
                .project(names)?
                .build()?;
        Ok(Rows {
            plan,
            order: Order::Keys(vec![SortExpr::new(column(&self.place), true, false)]),
            empty: self.batch.num_rows() == 0,
            open: self.open,
        })
    }

    /// The rows with more columns.
    pub fn rows_with(
        &self,
        more: Vec<(&str, ArrayRef)>,
    ) -> std::result::Result<Rows, DataFusionError> {
        let schema = self.batch.schema();
        let mut fields: Vec<Field> = schema
            .fields()
            .iter()
            .map(|field| field.as_ref().clone())
            .collect();
        let mut columns: Vec<ArrayRef> = self.batch.columns().to_vec();
        for (name, values) in more {
            fields.push(Field::new(name, values.data_type().clone(), true));
            columns.push(values);
        }
        let more = Self {
            batch: RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?,
            open: self.open,
            place: self.place.clone(),
        };
        more.rows()
    }

    /// A column's values of some rows, in this order; NULL where there is none.
    pub fn taken(
        &self,
        name: &str,
        rows: &[Option<usize>],
    ) -> std::result::Result<Option<ArrayRef>, DataFusionError> {
        let Some(column) = self.batch.column_by_name(name) else {
            return Ok(None);
        };
        let rows: UInt64Array = rows.iter().map(|row| row.map(|row| row as u64)).collect();
        Ok(Some(take(column, &rows, None)?))
    }

    /// Writes the rows as a lookup.
    pub fn store(&self, output: &LookupWriting, before: Option<&LookupTable>) -> LookupTable {
        let name = lookup_name(&output.lookup.text);
        let definition = before.map_or_else(
            || LookupDefinition::new(name),
            |table| table.definition.clone(),
        );
        let limit = output
            .max
            .map_or(usize::MAX, |max| usize::try_from(max).unwrap_or(usize::MAX));
        let own: Vec<String> = self
            .names()
            .into_iter()
            .filter(|name| !name.starts_with('_') || name == "_key" || name == "_time")
            .collect();
        // A lookup that is defined keeps its columns; others of the rows are not written.
        let columns = match before {
            Some(table) if !table.columns.is_empty() => table.columns.clone(),
            _ => own,
        };
        let rows = (0..self.len().min(limit)).map(|row| {
            columns
                .iter()
                .map(|name| self.values(name, row).join("\n"))
                .collect::<Vec<_>>()
        });
        let mut all: Vec<Vec<String>> = match before {
            Some(table) if output.append || output.key_field.is_some() => table.rows.clone(),
            Some(table) if self.len() == 0 && !output.override_if_empty => table.rows.clone(),
            _ => Vec::new(),
        };
        let key = output
            .key_field
            .as_ref()
            .and_then(|key| columns.iter().position(|name| *name == key.text));
        for row in rows {
            let same = key.and_then(|key| all.iter_mut().find(|old| old.get(key) == row.get(key)));
            match same {
                Some(old) => *old = row,
                None => all.push(row),
            }
        }
        LookupTable {
            definition,
            columns,
            rows: all,
        }
    }
}

/// More columns than these are not made of data.
pub(crate) const MOST_COLUMNS: usize = 5_000;

/// Names of columns that data gives: none is twice there, and none is a hidden one.
#[derive(Default)]
pub(crate) struct Names {
    taken: HashSet<String>,
    /// How many columns have wanted a name.
    wanted: HashMap<String, usize>,
}

impl Names {
    /// The name for a column that data calls so. A second one of a name gets a number; one that the engine keeps for itself
    /// begins with `_` instead.
    pub fn of(&mut self, called: &str) -> String {
        let own = match called.strip_prefix(HIDDEN) {
            Some(rest) => format!("_{rest}"),
            None => called.to_owned(),
        };
        let mut name = own.clone();
        let again = self.wanted.entry(own.clone()).or_insert(1);
        while !self.taken.insert(name.clone()) {
            *again += 1;
            name = format!("{own} {again}");
        }
        name
    }
}

/// Rows that a command makes of rows that were run.
pub(crate) struct Made {
    rows: usize,
    named: HashSet<String>,
    fields: Vec<Field>,
    columns: Vec<ArrayRef>,
}

impl Made {
    /// So many rows, without columns yet.
    pub fn new(rows: usize) -> Self {
        Self {
            rows,
            named: HashSet::new(),
            fields: Vec::new(),
            columns: Vec::new(),
        }
    }

    /// Adds a column of as many values as there are rows; a second one of the same name is left out.
    pub fn column(&mut self, name: &str, values: ArrayRef) {
        if self.named.insert(name.to_owned()) {
            self.fields
                .push(Field::new(name, values.data_type().clone(), true));
            self.columns.push(values);
        }
    }

    /// Adds the columns of some rows, hidden ones too.
    pub fn taken(
        &mut self,
        staged: &Staged,
        names: &[&str],
        rows: &[Option<usize>],
    ) -> std::result::Result<(), DataFusionError> {
        for name in names {
            if let Some(values) = staged.taken(name, rows)? {
                self.column(name, values);
            }
        }
        Ok(())
    }

    /// Adds a column of texts, several for a row or none.
    pub fn texts(&mut self, name: &str, values: Vec<Vec<String>>) {
        if values.iter().all(|values| values.len() <= 1) {
            let values = values.into_iter().map(|values| values.into_iter().next());
            self.column(name, Arc::new(values.collect::<StringArray>()));
            return;
        }
        let mut builder = ListBuilder::new(StringBuilder::new());
        for values in values {
            let any = !values.is_empty();
            for value in values {
                builder.values().append_value(value);
            }
            builder.append(any);
        }
        self.column(name, Arc::new(builder.finish()));
    }

    /// Adds a column of numbers.
    pub fn numbers(&mut self, name: &str, values: Vec<Option<f64>>) {
        self.column(name, Arc::new(Float64Array::from(values)));
    }

    /// The rows as the start of a plan. `own` is a number that no other rows of the plan have.
    pub fn rows(mut self, own: usize) -> std::result::Result<Rows, DataFusionError> {
        let place = format!("{HIDDEN}row{own}");
        let places: UInt64Array = (0..self.rows as u64).collect();
        self.column(&place, Arc::new(places));
        let batch = RecordBatch::try_new(Arc::new(Schema::new(self.fields)), self.columns)?;
        Staged {
            batch,
            open: false,
            place,
        }
        .rows()
    }
}

impl Planner<'_> {
    /// The rows as they come out, or an error that makes the engine run them and plan again. `None` where nothing is
    /// run because the search is only checked.
    pub(crate) fn stage(
        &mut self,
        rows: Rows,
        output: Option<&LookupWriting>,
        span: Span,
    ) -> Result<Option<Arc<Staged>>> {
        if self.dry {
            return Ok(None);
        }
        let index = self.next_stage;
        self.next_stage += 1;
        if let Some(staged) = self.staged.get(index) {
            self.bounded &= staged.len() <= MOST_ROWS;
            return Ok(Some(Arc::clone(staged)));
        }
        let rows = at(span, rows.ordered())?;
        self.pending = Some(Pending {
            rows,
            bounded: self.bounded,
            output: output.cloned(),
        });
        Err(diagnostic(span, "these rows are run first"))
    }

    /// A lookup that a search of the run has written.
    pub(crate) fn stored_lookup(&self, name: &str) -> Option<Arc<LookupTable>> {
        let name = lookup_name(name);
        let stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        stored.get(name).cloned()
    }
}
