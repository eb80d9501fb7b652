//! Fields from outside the logs: assets, identities and lookups.

use std::sync::Arc;

use crabwalk_events::LookupTable;
use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::lit;
use datafusion::scalar::ScalarValue;

use crate::expr::Typed;
use crate::knowledge::Knowledge;
use crate::ops::{Answer, call};
use crate::plan::list_type;

/// What is known of the entity that a field names. Categories may be several.
pub(crate) fn enrich(
    knowledge: &Arc<Knowledge>,
    entity: Typed,
    identity: bool,
    attribute: &str,
) -> Typed {
    let many = matches!(
        attribute,
        "category" | "watchlist" | "ip" | "mac" | "nt_host" | "dns" | "asset_tag" | "identity"
    );
    let output = if many { list_type() } else { DataType::Utf8 };
    let knowledge = Arc::clone(knowledge);
    let attribute = attribute.to_owned();
    let key = format!(
        "{} {attribute}",
        if identity { "identity" } else { "asset" }
    );
    call("spl_enrich", key, output, vec![entity.expr], move |args| {
        let entities = if identity {
            &knowledge.assets.identities
        } else {
            &knowledge.assets.assets
        };
        let mut found: Vec<String> = Vec::new();
        for name in args.values(0) {
            for value in entities
                .find(&name)
                .and_then(|row| row.get(&attribute))
                .into_iter()
                .flatten()
            {
                if !found.contains(value) {
                    found.push(value.clone());
                }
            }
        }
        if found.is_empty() {
            Answer::Null
        } else {
            Answer::List(found)
        }
    })
}

/// A column of the rows of a lookup that fit the event.
pub(crate) fn lookup(
    table: &Arc<LookupTable>,
    keys: &[String],
    values: Vec<Typed>,
    output: &str,
) -> Typed {
    let data_type = if table.definition.max_matches == 1 {
        DataType::Utf8
    } else {
        list_type()
    };
    let key = format!("{} {} {output}", table.definition.name, keys.join(","));
    let column = table.columns.iter().position(|name| name == output);
    let index = Arc::new(Index::new(Arc::clone(table), keys.to_vec()));
    let count = values.len();
    let args = values.into_iter().map(|typed| typed.expr).collect();
    let table = Arc::clone(table);
    call("spl_lookup", key, data_type, args, move |args| {
        let values: Vec<_> = (0..count).map(|at| args.values(at)).collect();
        let mut found = Vec::new();
        if values.iter().all(|values| !values.is_empty()) {
            // A multivalued field is looked up value by value; of several keys only the first may be multivalued.
            let width = values.iter().map(Vec::len).max().unwrap_or(0);
            for at in 0..width {
                let one: Vec<&str> = values
                    .iter()
                    .filter_map(|values| {
                        values.get(at).or_else(|| values.first()).map(AsRef::as_ref)
                    })
                    .collect();
                for row in index.find(&one) {
                    let cell = column.and_then(|column| table.rows.get(row)?.get(column));
                    found.extend(cell.filter(|cell| !cell.is_empty()).cloned());
                }
            }
        }
        if found.is_empty() {
            return match &table.definition.default_match {
                Some(default) if table.definition.min_matches > 0 => Answer::Text(default.clone()),
                _ => Answer::Null,
            };
        }
        Answer::List(found)
    })
}

/// What a lookup gives where the event lacks a key.
pub(crate) fn unmatched(table: &LookupTable) -> Typed {
    let value = table
        .definition
        .default_match
        .clone()
        .filter(|_| table.definition.min_matches > 0);
    Typed {
        expr: lit(ScalarValue::Utf8(value)),
        data_type: DataType::Utf8,
    }
}

/// A lookup's rows by exact keys, or one by one where a key is a pattern.
struct Index {
    table: Arc<LookupTable>,
    keys: Vec<String>,
    exact: Option<std::collections::HashMap<Vec<String>, Vec<usize>>>,
}

impl Index {
    fn new(table: Arc<LookupTable>, keys: Vec<String>) -> Self {
        let exact = table.exact_index(&keys);
        Self { table, keys, exact }
    }

    fn find(&self, values: &[&str]) -> Vec<usize> {
        match &self.exact {
            Some(exact) => self.table.find_exact(exact, values),
            None => self.table.scan(&self.keys, values),
        }
    }
}
