//! Lookups as tables in plans.

use std::sync::Arc;

use crabwalk_events::{Assets, LookupDefinition, LookupTable, NamedTable, TableName};
use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::error::Result;

/// The rows of a lookup with this hash of its content.
pub(crate) fn rows(table: &LookupTable, content_hash: u64) -> Result<NamedTable> {
    let fields: Vec<Field> = table
        .columns
        .iter()
        .map(|name| Field::new(name, DataType::Utf8, true))
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let columns: Vec<ArrayRef> = (0..table.columns.len())
        .map(|at| {
            let cells = table.rows.iter().map(|row| {
                row.get(at)
                    .map(String::as_str)
                    .filter(|cell| !cell.is_empty())
            });
            Arc::new(cells.collect::<StringArray>()) as ArrayRef
        })
        .collect();
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns)?;
    let name = TableName::Lookup {
        name: table.definition.name.clone(),
        content_hash,
    };
    Ok(NamedTable::new(name, schema, vec![batch]))
}

/// The lookups with Splunk Enterprise Security's assets and identities.
pub(crate) fn known_entities(assets: &Assets, name: &str) -> Option<LookupTable> {
    let (entities, keys, columns): (_, &[&str], &[&str]) = match name {
        "asset_lookup_by_str" | "asset_lookup_by_cidr" => (
            &assets.assets,
            &["ip", "mac", "nt_host", "dns"],
            &[
                "key",
                "asset",
                "asset_id",
                "asset_tag",
                "bunit",
                "category",
                "city",
                "country",
                "dns",
                "ip",
                "is_expected",
                "lat",
                "long",
                "mac",
                "nt_host",
                "owner",
                "pci_domain",
                "priority",
                "requires_av",
                "should_timesync",
                "should_update",
            ],
        ),
        "identity_lookup_expanded" => (
            &assets.identities,
            &["identity"],
            &[
                "_key",
                "identity",
                "identity_id",
                "identity_tag",
                "bunit",
                "category",
                "downLevelDomainName",
                "email",
                "endDate",
                "first",
                "last",
                "managedBy",
                "nick",
                "objectGUID",
                "objectSid",
                "phone",
                "prefix",
                "priority",
                "startDate",
                "suffix",
                "watchlist",
                "work_city",
                "work_country",
            ],
        ),
        _ => return None,
    };
    let networks = name == "asset_lookup_by_cidr";
    let mut definition = LookupDefinition::new(name);
    definition.case_sensitive = false;
    definition.max_matches = 1;
    if networks {
        definition.add_match_types("CIDR(key), CIDR(asset), CIDR(ip)");
    }
    let mut rows = Vec::new();
    for entity in entities.rows() {
        for key in keys {
            for value in entity.get(*key).into_iter().flatten() {
                if (*key == "ip" && value.contains('/')) != networks {
                    continue;
                }
                let cells = columns.iter().map(|column| match *column {
                    "key" | "asset" | "_key" => value.clone(),
                    column if column == *key => value.clone(),
                    column => entity
                        .get(column)
                        .map(|all| all.join("\n"))
                        .unwrap_or_default(),
                });
                rows.push(cells.collect());
            }
        }
    }
    Some(LookupTable {
        definition,
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        rows,
    })
}
