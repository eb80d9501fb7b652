//! Fields from outside the logs: assets, identities and lookups.

use std::sync::Arc;

use crabwalk_events::LookupTable;
use crabwalk_events::assets::Entities;
use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::{Expr, lit};
use datafusion::scalar::ScalarValue;

use crate::column::Typed;
use crate::column::list_type;
use crate::knowledge::{Knowledge, Locations};
use crate::ops::{Answer, Args, Call, CallError, Entry, Prepared, call_knowing, fixed};
use crate::resources::{LookupIndex, Resources};

pub(crate) const FUNCTIONS: &[Entry] = &[ENRICH, LOOKUP, IPLOCATION];

fn resources<'a>(call: &Call<'a>) -> Result<&'a Arc<Resources>, CallError> {
    call.resources.ok_or_else(|| {
        CallError::Arguments("lookups, assets and locations are known to an engine only".to_owned())
    })
}

const ENRICH: Entry = Entry {
    name: "spl_enrich",
    prepare: |call| {
        let (identity, attribute, hash): (bool, String, u64) = call.fixed(0)?;
        let knowledge = Arc::clone(&resources(call)?.knowledge);
        if entities(&knowledge, identity).content_hash() != hash {
            return Err(CallError::Arguments(
                "the assets and identities on this machine are others than where the search was planned: give both the same files"
                    .to_owned(),
            ));
        }
        Ok(Prepared::rows(attribute_type(&attribute), move |args| {
            let entities = entities(&knowledge, identity);
            let mut found: Vec<String> = Vec::new();
            for name in args.values(1) {
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
            Answer::List(found)
        }))
    },
};

const LOOKUP: Entry = Entry {
    name: "spl_lookup",
    prepare: |call| {
        let (name, hash, keys, output): (String, u64, Vec<String>, String) = call.fixed(0)?;
        let resources = resources(call)?;
        let table = resources.table(&name, hash).map_err(CallError::Arguments)?;
        let index = resources.index(&table, hash, &keys);
        let column = table.columns.iter().position(|name| *name == output);
        Ok(Prepared::rows(found_type(&table), move |args| {
            looked_up(&index, keys.len(), column, args)
        }))
    },
};

const IPLOCATION: Entry = Entry {
    name: "spl_iplocation",
    prepare: |call| {
        let (field, hash): (String, u64) = call.fixed(0)?;
        let locations = resources(call)?
            .locations(hash)
            .map_err(CallError::Arguments)?;
        Ok(Prepared::rows(DataType::Utf8, move |args| {
            let address = args.text(1).and_then(|text| text.trim().parse().ok());
            Answer::text(address.and_then(|address| locations.find(address, &field)))
        }))
    },
};

fn entities(knowledge: &Knowledge, identity: bool) -> &Entities {
    if identity {
        &knowledge.assets.identities
    } else {
        &knowledge.assets.assets
    }
}

/// There may be several categories.
fn attribute_type(attribute: &str) -> DataType {
    let many = matches!(
        attribute,
        "category" | "watchlist" | "ip" | "mac" | "nt_host" | "dns" | "asset_tag" | "identity"
    );
    if many { list_type() } else { DataType::Utf8 }
}

/// What is known about the entity that a field names.
pub(crate) fn enrich(
    resources: &Arc<Resources>,
    entity: Typed,
    identity: bool,
    attribute: &str,
) -> Typed {
    let hash = entities(&resources.knowledge, identity).content_hash();
    let args = vec![fixed(&(identity, attribute, hash)), entity.expr];
    call_knowing(resources, &ENRICH, attribute_type(attribute), args)
}

/// The location of an address: a field of [`Locations`].
pub(crate) fn location(
    resources: &Arc<Resources>,
    locations: &dyn Locations,
    address: Expr,
    field: &str,
) -> Expr {
    let args = vec![fixed(&(field, locations.content_hash())), address];
    call_knowing(resources, &IPLOCATION, DataType::Utf8, args).expr
}

fn found_type(table: &LookupTable) -> DataType {
    if table.definition.max_matches == 1 {
        DataType::Utf8
    } else {
        list_type()
    }
}

/// A column of the lookup rows that match the event.
pub(crate) fn lookup(
    resources: &Arc<Resources>,
    table: &Arc<LookupTable>,
    keys: &[String],
    values: Vec<Typed>,
    output: &str,
) -> Typed {
    let hash = resources.add_table(table);
    let mut args = vec![fixed(&(&table.definition.name, hash, keys, output))];
    args.extend(values.into_iter().map(|typed| typed.expr));
    call_knowing(resources, &LOOKUP, found_type(table), args)
}

fn looked_up(index: &LookupIndex, count: usize, column: Option<usize>, args: &Args<'_>) -> Answer {
    let table = index.table();
    let values: Vec<_> = (0..count).map(|at| args.values(at + 1)).collect();
    let mut found = Vec::new();
    if values.iter().all(|values| !values.is_empty()) {
        // A multivalued field is looked up value by value; with several keys, only the first may be multivalued.
        let width = values.iter().map(Vec::len).max().unwrap_or(0);
        for at in 0..width {
            let one: Vec<&str> = values
                .iter()
                .filter_map(|values| values.get(at).or_else(|| values.first()).map(AsRef::as_ref))
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
}

/// The result of a lookup if the event lacks a key.
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
