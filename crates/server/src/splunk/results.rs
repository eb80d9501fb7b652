//! Rows in the output modes of Splunk.

use axum::http::StatusCode;
use axum::response::Response;
use crabwalk_detect::query::Answer;
use serde_json::{Map, Value, json};

use super::atom::{answer, escaped};
use crate::search::value;

/// The output modes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Objects.
    Json,
    /// Rows of values.
    JsonRows,
    /// Columns of values.
    JsonCols,
    /// XML.
    Xml,
    /// Comma-separated values.
    Csv,
    /// The events' text alone.
    Raw,
}

impl Mode {
    /// Parses `output_mode=`; XML if there is none.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "" | "xml" => Self::Xml,
            "json" => Self::Json,
            "json_rows" => Self::JsonRows,
            "json_cols" => Self::JsonCols,
            "csv" => Self::Csv,
            "raw" => Self::Raw,
            _ => return None,
        })
    }

    /// Whether a line feed before an answer in this form means nothing.
    pub fn may_begin_with_space(self) -> bool {
        matches!(self, Self::Json | Self::JsonRows | Self::JsonCols)
    }
}

/// Which rows, and what is said about them.
pub struct Part<'a> {
    /// The answer.
    pub answer: &'a Answer,
    /// Rows to leave out.
    pub offset: usize,
    /// Rows to give.
    pub count: usize,
    /// Fields to give; all if there are none.
    pub fields: &'a [String],
    /// Whether rows may still come.
    pub preview: bool,
    /// What to tell people.
    pub messages: Vec<(&'static str, String)>,
}

impl Part<'_> {
    /// The columns to give, with their places in the rows.
    fn columns(&self) -> Vec<(usize, &str)> {
        let all = self.answer.columns.iter().enumerate();
        all.map(|(at, name)| (at, name.as_str()))
            .filter(|(_, name)| self.fields.is_empty() || self.fields.iter().any(|own| own == name))
            .collect()
    }

    fn rows(&self) -> impl Iterator<Item = &Vec<Vec<String>>> {
        self.answer.rows.iter().skip(self.offset).take(self.count)
    }

    /// The rows in an output mode.
    pub fn written(&self, mode: Mode) -> Response {
        let (kind, body) = match mode {
            Mode::Json => (JSON, self.json().to_string()),
            Mode::JsonRows => (JSON, self.json_rows().to_string()),
            Mode::JsonCols => (JSON, self.json_cols().to_string()),
            Mode::Xml => ("text/xml; charset=UTF-8", self.xml()),
            Mode::Csv => ("text/csv; charset=UTF-8", self.csv()),
            Mode::Raw => ("text/plain; charset=UTF-8", self.raw()),
        };
        answer(StatusCode::OK, kind, body)
    }

    /// The rows for `export`: in JSON an object for each, on a line of its own.
    pub fn exported(&self, mode: Mode) -> Response {
        if mode != Mode::Json {
            return self.written(mode);
        }
        let columns = self.columns();
        let last = self.rows().count().saturating_sub(1);
        let mut out = String::new();
        for (at, row) in self.rows().enumerate() {
            let row = object(&columns, row);
            let line = match at == last {
                true => {
                    json!({"preview": self.preview, "offset": at, "lastrow": true, "result": row})
                }
                false => json!({"preview": self.preview, "offset": at, "result": row}),
            };
            out.push_str(&format!("{line}\n"));
        }
        for (kind, text) in &self.messages {
            let line = json!({"preview": false, "messages": [{"type": kind, "text": text}]});
            out.push_str(&format!("{line}\n"));
        }
        if out.is_empty() {
            out.push_str("{\"preview\":false,\"lastrow\":true}\n");
        }
        answer(StatusCode::OK, JSON, out)
    }

    fn said(&self) -> Vec<Value> {
        let all = self.messages.iter();
        all.map(|(kind, text)| json!({"type": kind, "text": text}))
            .collect()
    }

    fn json(&self) -> Value {
        let columns = self.columns();
        let fields: Vec<Value> = columns
            .iter()
            .map(|(_, name)| json!({"name": name}))
            .collect();
        let rows: Vec<Value> = self
            .rows()
            .map(|row| object(&columns, row).into())
            .collect();
        json!({
            "preview": self.preview,
            "init_offset": self.offset,
            "messages": self.said(),
            "fields": fields,
            "results": rows,
            "highlighted": {},
        })
    }

    fn json_rows(&self) -> Value {
        let columns = self.columns();
        let names: Vec<&str> = columns.iter().map(|(_, name)| *name).collect();
        let rows: Vec<Vec<Value>> = self
            .rows()
            .map(|row| columns.iter().map(|column| cell(*column, row)).collect())
            .collect();
        json!({
            "preview": self.preview,
            "init_offset": self.offset,
            "messages": self.said(),
            "fields": names,
            "rows": rows,
        })
    }

    fn json_cols(&self) -> Value {
        let columns = self.columns();
        let names: Vec<&str> = columns.iter().map(|(_, name)| *name).collect();
        let all: Vec<Vec<Value>> = columns
            .iter()
            .map(|column| self.rows().map(|row| cell(*column, row)).collect())
            .collect();
        json!({
            "preview": self.preview,
            "init_offset": self.offset,
            "messages": self.said(),
            "fields": names,
            "columns": all,
        })
    }

    fn xml(&self) -> String {
        let columns = self.columns();
        let mut out = format!(
            "<?xml version='1.0' encoding='UTF-8'?>\n<results preview='{}'>\n<meta>\n<fieldOrder>\n",
            u8::from(self.preview)
        );
        for (_, name) in &columns {
            out.push_str(&format!("<field>{}</field>\n", escaped(name)));
        }
        out.push_str("</fieldOrder>\n</meta>\n");
        if !self.messages.is_empty() {
            out.push_str("<messages>\n");
            for (kind, text) in &self.messages {
                out.push_str(&format!("<msg type=\"{kind}\">{}</msg>\n", escaped(text)));
            }
            out.push_str("</messages>\n");
        }
        for (at, row) in self.rows().enumerate() {
            out.push_str(&format!("\t<result offset='{}'>\n", self.offset + at));
            for column in &columns {
                let values = texts(*column, row);
                if values.is_empty() {
                    continue;
                }
                out.push_str(&format!("\t\t<field k='{}'>\n", escaped(column.1)));
                for value in values {
                    let value = escaped(&value);
                    if column.1 == "_raw" {
                        out.push_str(&format!("<v xml:space='preserve' trunc='0'>{value}</v>"));
                    } else {
                        out.push_str(&format!("\t\t\t<value><text>{value}</text></value>\n"));
                    }
                }
                out.push_str("\t\t</field>\n");
            }
            out.push_str("\t</result>\n");
        }
        out.push_str("</results>\n");
        out
    }

    fn csv(&self) -> String {
        let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        let columns = self.columns();
        let line = |cells: Vec<String>| cells.join(",") + "\n";
        let mut out = line(columns.iter().map(|(_, name)| quoted(name)).collect());
        for row in self.rows() {
            let cells = columns
                .iter()
                .map(|column| quoted(&texts(*column, row).join("\n")));
            out.push_str(&line(cells.collect()));
        }
        out
    }

    fn raw(&self) -> String {
        let place = self.answer.columns.iter().position(|name| name == "_raw");
        let texts = |row: &Vec<Vec<String>>| Some(row.get(place?)?.join("\n") + "\n");
        self.rows().filter_map(texts).collect()
    }
}

const JSON: &str = "application/json; charset=UTF-8";

/// The values of a row in a column. Times are RFC 3339, as Splunk gives them.
fn texts((at, name): (usize, &str), row: &[Vec<String>]) -> Vec<String> {
    let values = row.get(at).map_or(&[][..], Vec::as_slice);
    if name != "_time" {
        return values.to_vec();
    }
    values.iter().map(|value| time(value)).collect()
}

fn time(text: &str) -> String {
    let time = text.parse::<f64>().ok().and_then(|seconds| {
        #[expect(clippy::cast_possible_truncation, reason = "casts saturate")]
        let micros = (seconds * 1e6).round() as i64;
        jiff::Timestamp::from_microsecond(micros).ok()
    });
    time.map_or_else(
        || text.to_owned(),
        |time| time.strftime("%Y-%m-%dT%H:%M:%S%.3f+00:00").to_string(),
    )
}

fn cell(column: (usize, &str), row: &[Vec<String>]) -> Value {
    value(&texts(column, row))
}

fn object(columns: &[(usize, &str)], row: &[Vec<String>]) -> Map<String, Value> {
    columns
        .iter()
        .map(|column| (column.1.to_owned(), cell(*column, row)))
        .filter(|(_, value)| !value.is_null())
        .collect()
}
