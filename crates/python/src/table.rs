//! Tables, which data frames take over through Arrow's C stream interface
//! (<https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html>).

use std::fmt::Write as _;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType, UInt64Type};
use arrow_array::{Array, RecordBatch, RecordBatchIterator};
use arrow_schema::ffi::FFI_ArrowSchema;
use arrow_schema::{DataType, SchemaRef, TimeUnit};
use crabwalk_vocabulary::text::is_acted_on;
use crabwalk_vocabulary::time;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict, PyList};

use crate::errors::arrow;

/// Rows of a table that a notebook shows.
const SHOWN_ROWS: usize = 20;
/// Characters of a cell that a notebook shows.
const SHOWN_TEXT: usize = 200;

/// Rows with named columns.
///
/// pandas, Polars, DuckDB, pyarrow and others take it over without copying, through Arrow's C stream interface:
/// `polars.DataFrame(table)`, `pyarrow.table(table)`, `duckdb.sql("from hops")`.
#[pyclass(frozen, module = "crabwalk")]
pub struct Table {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    rows: usize,
}

impl Table {
    pub fn new(schema: SchemaRef, batches: Vec<RecordBatch>) -> Self {
        let rows = batches.iter().map(RecordBatch::num_rows).sum();
        Self {
            schema,
            batches,
            rows,
        }
    }

    /// Batches and rows in them.
    fn places(&self) -> impl Iterator<Item = (&RecordBatch, usize)> {
        let batches = self.batches.iter();
        batches.flat_map(|batch| (0..batch.num_rows()).map(move |row| (batch, row)))
    }
}

#[pymethods]
impl Table {
    /// The table as an Arrow C stream. The schema asked for is not obeyed, as the protocol allows.
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        drop(requested_schema);
        let batches: Vec<_> = self.batches.iter().cloned().map(Ok).collect();
        let reader = RecordBatchIterator::new(batches, Arc::clone(&self.schema));
        let stream = FFI_ArrowArrayStream::new(Box::new(reader));
        PyCapsule::new_with_value(py, stream, c"arrow_array_stream")
    }

    /// The columns' types as an Arrow C schema.
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        let schema =
            FFI_ArrowSchema::try_from(self.schema.as_ref()).map_err(|error| arrow(&error))?;
        PyCapsule::new_with_value(py, schema, c"arrow_schema")
    }

    fn __len__(&self) -> usize {
        self.rows
    }

    /// Number of rows.
    #[getter]
    fn num_rows(&self) -> usize {
        self.rows
    }

    /// Names of the columns, in order.
    #[getter]
    fn columns(&self) -> Vec<&str> {
        let fields = self.schema.fields().iter();
        fields.map(|field| field.name().as_str()).collect()
    }

    /// As a `pyarrow.Table`; needs pyarrow.
    fn to_arrow<'py>(slf: Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("pyarrow")?.call_method1("table", (slf,))
    }

    /// As a `pandas.DataFrame`; needs pandas and pyarrow.
    fn to_pandas<'py>(slf: Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let frame = slf.py().import("pandas")?.getattr("DataFrame")?;
        match frame.getattr_opt("from_arrow")? {
            Some(from_arrow) => from_arrow.call1((slf,)),
            None => Self::to_arrow(slf)?.call_method0("to_pandas"),
        }
    }

    /// As a `polars.DataFrame`; needs polars.
    fn to_polars<'py>(slf: Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("polars")?.call_method1("DataFrame", (slf,))
    }

    /// As a list with a dict for each row.
    fn to_pylist<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let made = Maker::new(py)?;
        let rows = PyList::empty(py);
        for (batch, row) in self.places() {
            let dict = PyDict::new(py);
            for (field, column) in self.schema.fields().iter().zip(batch.columns()) {
                dict.set_item(field.name(), made.value(column.as_ref(), row)?)?;
            }
            rows.append(dict)?;
        }
        Ok(rows)
    }

    fn __repr__(&self) -> String {
        format!(
            "<crabwalk.Table: {} × {}: {}>",
            count(self.rows, "row"),
            count(self.schema.fields().len(), "column"),
            visible(&self.columns().join(", "))
        )
    }

    /// The first rows, for a notebook.
    fn _repr_html_(&self) -> String {
        let mut out = String::from("<table><thead><tr>");
        for name in self.columns() {
            let _ = write!(out, "<th>{}</th>", html(name));
        }
        out.push_str("</tr></thead><tbody>");
        for (batch, row) in self.places().take(SHOWN_ROWS) {
            out.push_str("<tr>");
            for column in batch.columns() {
                let _ = write!(
                    out,
                    "<td>{}</td>",
                    html(&short(&shown(column.as_ref(), row)))
                );
            }
            out.push_str("</tr>");
        }
        out.push_str("</tbody></table>");
        let _ = write!(
            out,
            "<p>{} × {}</p>",
            count(self.rows, "row"),
            count(self.schema.fields().len(), "column")
        );
        out
    }
}

fn count(number: usize, one: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        _ => format!("{number} {one}s"),
    }
}

/// Makes Python values of Arrow's.
struct Maker<'py> {
    py: Python<'py>,
    /// 1970-01-01 UTC.
    epoch: Bound<'py, PyAny>,
    timedelta: Bound<'py, PyAny>,
}

impl<'py> Maker<'py> {
    fn new(py: Python<'py>) -> PyResult<Self> {
        let datetime = py.import("datetime")?;
        let utc = datetime.getattr("timezone")?.getattr("utc")?;
        Ok(Self {
            py,
            epoch: datetime.call_method1("datetime", (1970, 1, 1, 0, 0, 0, 0, utc))?,
            timedelta: datetime.getattr("timedelta")?,
        })
    }

    fn value(&self, array: &dyn Array, row: usize) -> PyResult<Bound<'py, PyAny>> {
        let py = self.py;
        if array.is_null(row) {
            return Ok(py.None().into_bound(py));
        }
        Ok(match array.data_type() {
            DataType::Null => py.None().into_bound(py),
            DataType::Utf8 => array
                .as_string::<i32>()
                .value(row)
                .into_pyobject(py)?
                .into_any(),
            DataType::LargeUtf8 => array
                .as_string::<i64>()
                .value(row)
                .into_pyobject(py)?
                .into_any(),
            DataType::Utf8View => array
                .as_string_view()
                .value(row)
                .into_pyobject(py)?
                .into_any(),
            DataType::Boolean => {
                let value = array.as_boolean().value(row);
                value.into_pyobject(py)?.to_owned().into_any()
            }
            DataType::Float64 => {
                let value = array.as_primitive::<Float64Type>().value(row);
                value.into_pyobject(py)?.into_any()
            }
            DataType::Int64 => {
                let value = array.as_primitive::<Int64Type>().value(row);
                value.into_pyobject(py)?.into_any()
            }
            DataType::UInt64 => {
                let value = array.as_primitive::<UInt64Type>().value(row);
                value.into_pyobject(py)?.into_any()
            }
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                let time = array.as_primitive::<TimestampMicrosecondType>().value(row);
                let since = self.timedelta.call1((0, 0, time))?;
                self.epoch.call_method1("__add__", (since,))?
            }
            DataType::List(_) => {
                let values = array.as_list::<i32>().value(row);
                let list = PyList::empty(py);
                for at in 0..values.len() {
                    list.append(self.value(values.as_ref(), at)?)?;
                }
                list.into_any()
            }
            other => return Err(PyTypeError::new_err(format!("no value of type {other}"))),
        })
    }
}

/// A cell for people.
fn shown(array: &dyn Array, row: usize) -> String {
    if array.is_null(row) {
        return String::new();
    }
    match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().value(row).to_owned(),
        DataType::LargeUtf8 => array.as_string::<i64>().value(row).to_owned(),
        DataType::Utf8View => array.as_string_view().value(row).to_owned(),
        DataType::Boolean => array.as_boolean().value(row).to_string(),
        DataType::Float64 => array.as_primitive::<Float64Type>().value(row).to_string(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::UInt64 => array.as_primitive::<UInt64Type>().value(row).to_string(),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let time = array.as_primitive::<TimestampMicrosecondType>().value(row);
            time::shown(time)
        }
        DataType::List(_) => {
            let values = array.as_list::<i32>().value(row);
            let texts: Vec<String> = (0..values.len())
                .map(|at| shown(values.as_ref(), at))
                .collect();
            texts.join(", ")
        }
        _ => String::new(),
    }
}

/// Text without what a terminal or a page acts on.
pub fn visible(text: &str) -> String {
    let shown = |c: char| if is_acted_on(c) { '\u{fffd}' } else { c };
    text.chars().map(shown).collect()
}

/// Text of a log, harmless in a page.
pub fn html(text: &str) -> String {
    let mut out = String::new();
    for c in visible(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Notebooks typeset what is between dollar signs.
            '$' => out.push_str("<span>&#36;</span>"),
            c => out.push(c),
        }
    }
    out
}

/// The beginning of a text, if it is long.
fn short(text: &str) -> String {
    match text.char_indices().nth(SHOWN_TEXT) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
