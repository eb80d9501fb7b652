//! `makeresults`: generates rows.

use datafusion::logical_expr::{Expr, lit};

use crate::plan::{
    Made, Making, ORDER, Planner, Result, Rows, SERVER, at, diagnostic, is_hidden, null_text, text,
};
use crate::syntax::ast::{Arguments, Span};
use crate::syntax::usage::{Form, Reading, Usage, Whole, count, flag, no_effect, obeyed};

pub(super) static COMMAND: Whole = Whole {
    usage: Usage {
        name: "makeresults",
        also: &[],
        syntax: "makeresults [<options>]",
        meaning: "Makes one row with `_time`, a given number, or rows from a text.",
        options: &[
            count("count", "Number of rows; default 1."),
            flag(
                "annotate",
                "Adds `_raw`, `host`, `source`, `sourcetype`, `splunk_server` and `splunk_server_group`.",
            ),
            obeyed("format", "Format of `data`: `csv` or `json`."),
            obeyed(
                "data",
                "Rows as CSV with a header line, or as a JSON array of objects.",
            ),
            no_effect("splunk_server", "everything runs on one machine"),
            no_effect("splunk_server_group", "everything runs on one machine"),
        ],
    },
    form: Form::OPTIONS,
    reads: |_| Reading {
        adds_rows: true,
        ..Reading::default()
    },
    plan: &(plan as Making),
};

/// Maximum number of rows: more would be a mistake.
const MOST: u64 = 1_000_000;

fn plan(planner: &mut Planner<'_>, arguments: &Arguments, span: Span) -> Result<Rows> {
    let mut rows = match (arguments.written("format"), arguments.written("data")) {
        (None, None) => numbered_rows(planner, arguments, span)?,
        (Some((option, format)), Some((_, data))) => {
            let table = match format.to_lowercase().as_str() {
                "csv" => csv_rows(data),
                "json" => json_rows(data),
                _ => Err(format!("`format` is csv or json, not `{format}`")),
            };
            let table = table.map_err(|why| diagnostic(option.span, why))?;
            rows_of_data(planner, &table, span)?
        }
        (Some((option, _)), None) | (None, Some((option, _))) => {
            return Err(diagnostic(
                option.span,
                "`format=` and `data=` of `makeresults` require each other",
            ));
        }
    };
    if arguments.flag("annotate", false) {
        let nothing = [
            "_raw",
            "host",
            "source",
            "sourcetype",
            "splunk_server_group",
        ];
        let mut set: Vec<(String, Expr)> = nothing
            .into_iter()
            .filter(|name| !rows.has(name))
            .map(|name| (name.to_owned(), null_text()))
            .collect();
        if !rows.has("splunk_server") {
            set.push(("splunk_server".to_owned(), text(SERVER)));
        }
        rows = at(span, rows.set(set))?;
    }
    let now = lit(planner.context.now);
    let mut set = vec![(ORDER.to_owned(), now.clone())];
    let has_time = rows.has("_time");
    if !has_time {
        set.push(("_time".to_owned(), now));
    }
    let rows = at(span, rows.set(set))?;
    if has_time {
        return at(span, rows.timed_anew());
    }
    Ok(rows)
}

/// `count=` rows with a hidden number.
fn numbered_rows(planner: &mut Planner<'_>, arguments: &Arguments, span: Span) -> Result<Rows> {
    let count = match arguments.option("count") {
        None => 1,
        Some(count) => count
            .parse::<u64>()
            .ok()
            .filter(|count| *count <= MOST)
            .ok_or_else(|| diagnostic(span, format!("`{count}` is not a number of rows")))?,
    };
    let made = Made::new(usize::try_from(count).unwrap_or(usize::MAX));
    at(span, made.rows(planner.fresh()))
}

/// The rows of a text.
fn rows_of_data(planner: &mut Planner<'_>, table: &Table, span: Span) -> Result<Rows> {
    let mut made = Made::new(table.rows.len());
    for (at_column, name) in table.columns.iter().enumerate() {
        if is_hidden(name) {
            continue;
        }
        let cells = table
            .rows
            .iter()
            .map(|row| row.get(at_column).cloned().unwrap_or_default());
        made.texts(name, cells.collect());
    }
    at(span, made.rows(planner.fresh()))
}

/// Names, and each row's values.
struct Table {
    columns: Vec<String>,
    rows: Vec<Vec<Vec<String>>>,
}

/// CSV with a header line. Spaces around names and values are ignored; an empty cell is not a value.
fn csv_rows(data: &str) -> std::result::Result<Table, String> {
    let definition = crabwalk_events::LookupDefinition::new("data");
    let table = crabwalk_events::LookupTable::from_csv(definition, data.trim().as_bytes())
        .map_err(|error| format!("`data` is not CSV: {error}"))?;
    let cell = |cell: &String| {
        let cell = cell.trim();
        if cell.is_empty() {
            Vec::new()
        } else {
            vec![cell.to_owned()]
        }
    };
    Ok(Table {
        columns: table
            .columns
            .iter()
            .map(|name| name.trim().to_owned())
            .collect(),
        rows: table
            .rows
            .iter()
            .map(|row| row.iter().map(cell).collect())
            .collect(),
    })
}

/// A JSON array of objects, or one object; `_raw` is the object as written.
fn json_rows(data: &str) -> std::result::Result<Table, String> {
    use serde_json::Value;
    let value: Value =
        serde_json::from_str(data).map_err(|error| format!("`data` is not JSON: {error}"))?;
    let objects = match value {
        Value::Array(items) => items,
        one => vec![one],
    };
    let mut columns = vec!["_raw".to_owned()];
    for object in &objects {
        let Value::Object(members) = object else {
            return Err("`data` is a JSON array of objects".to_owned());
        };
        for name in members.keys() {
            if !columns.contains(name) {
                columns.push(name.clone());
            }
        }
    }
    let text = |value: &Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    let cell = |object: &Value, name: &String| match object.get(name) {
        Some(Value::Array(items)) => items.iter().filter_map(text).collect(),
        Some(value) => text(value).into_iter().collect(),
        None if name == "_raw" => vec![object.to_string()],
        None => Vec::new(),
    };
    let rows = objects
        .iter()
        .map(|object| columns.iter().map(|name| cell(object, name)).collect())
        .collect();
    Ok(Table { columns, rows })
}
