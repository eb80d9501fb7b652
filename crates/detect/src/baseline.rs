//! Assets learned by baselines: a baseline's rows become rows of an assets file.

use std::collections::BTreeMap;

use crabwalk_events::Assets;
use crabwalk_vocabulary::is_address;

use crate::detection::Baseline;
use crate::query::Answer;

/// Columns of an assets file, in Splunk ES order.
pub const ASSET_COLUMNS: [&str; 17] = [
    "ip",
    "mac",
    "nt_host",
    "dns",
    "owner",
    "priority",
    "lat",
    "long",
    "city",
    "country",
    "bunit",
    "category",
    "pci_domain",
    "is_expected",
    "should_timesync",
    "should_update",
    "requires_av",
];

/// Columns that name an asset, if a baseline does not specify one.
const USUAL_FIELDS: [&str; 5] = ["src", "dest", "host", "dvc", "asset"];

/// Assets learned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Learned {
    /// Rows of an assets file: column → values.
    pub rows: Vec<BTreeMap<String, Vec<String>>>,
    /// Names listed by baselines that no machine can have; they are left out.
    pub odd: Vec<String>,
}

impl Learned {
    /// The cells of a row in the order of [`ASSET_COLUMNS`]; several values are separated by `|`.
    pub fn cells(row: &BTreeMap<String, Vec<String>>) -> Vec<String> {
        ASSET_COLUMNS
            .iter()
            .map(|column| {
                row.get(*column)
                    .map(|values| values.join("|"))
                    .unwrap_or_default()
            })
            .collect()
    }
}

/// Adds baselines' results to the known assets.
pub fn learn(known: &Assets, baselines: &[(&Baseline, &Answer)]) -> Learned {
    let mut learned = Learned {
        rows: known.assets.rows().to_vec(),
        odd: Vec::new(),
    };
    let mut index: BTreeMap<String, usize> = BTreeMap::new();
    for (at, row) in learned.rows.iter().enumerate() {
        for column in ["ip", "nt_host", "dns"] {
            for value in row.get(column).into_iter().flatten() {
                index.entry(value.to_lowercase()).or_insert(at);
            }
        }
    }
    for (baseline, answer) in baselines {
        let column = |name: &str| answer.columns.iter().position(|own| own == name);
        let field = match &baseline.asset_field {
            Some(name) => column(name),
            None => USUAL_FIELDS.iter().find_map(|name| column(name)),
        };
        let (Some(field), category) = (field, column("category")) else {
            continue;
        };
        for row in &answer.rows {
            let mut categories: Vec<String> = category
                .and_then(|category| row.get(category))
                .cloned()
                .unwrap_or_default();
            if categories.is_empty() {
                categories.extend(baseline.asset_category.clone());
            }
            for name in row.get(field).into_iter().flatten() {
                let name = name.trim();
                if !is_name(name) {
                    if !learned.odd.iter().any(|odd| odd == name) {
                        learned.odd.push(name.to_owned());
                    }
                    continue;
                }
                let at = *index.entry(name.to_lowercase()).or_insert_with(|| {
                    learned.rows.push(new_row(name));
                    learned.rows.len() - 1
                });
                if let Some(row) = learned.rows.get_mut(at) {
                    let own = row.entry("category".to_owned()).or_default();
                    for category in &categories {
                        if !own.contains(category) {
                            own.push(category.clone());
                        }
                    }
                }
            }
        }
    }
    learned
}

/// Whether a machine may have this name or address. Excludes anything that an attacker could put into a log and a
/// spreadsheet would execute.
fn is_name(name: &str) -> bool {
    !matches!(
        name.to_lowercase().as_str(),
        "" | "unknown" | "null" | "localhost"
    ) && name.len() <= 255
        && name
            .chars()
            .next()
            .is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | ':'))
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%'))
}

fn new_row(name: &str) -> BTreeMap<String, Vec<String>> {
    let mut row = BTreeMap::new();
    let mut put = |column: &str, value: &str| {
        row.insert(column.to_owned(), vec![value.to_owned()]);
    };
    if is_address(name) {
        put("ip", name);
    } else if let Some((short, _)) = name.split_once('.') {
        put("nt_host", short);
        put("dns", name);
    } else {
        put("nt_host", name);
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::ContentOrigin;

    fn baseline(field: Option<&str>, category: &str) -> Baseline {
        Baseline {
            id: "b".to_owned(),
            name: "B".to_owned(),
            description: String::new(),
            search: String::new(),
            stories: Vec::new(),
            detections: Vec::new(),
            asset_category: Some(category.to_owned()),
            asset_field: field.map(str::to_owned),
            origin: ContentOrigin::file(""),
        }
    }

    fn answer(column: &str, names: &[&str]) -> Answer {
        Answer {
            columns: vec!["count".to_owned(), column.to_owned()],
            rows: names
                .iter()
                .map(|name| vec![vec!["1".to_owned()], vec![(*name).to_owned()]])
                .collect(),
            warnings: Vec::new(),
        }
    }

    #[test]
    fn what_is_listed_becomes_assets() {
        let mut known = Assets::default();
        known
            .add_assets(b"ip,nt_host,dns,priority,category\n10.0.0.5,SRV1,,high,server\n")
            .unwrap_or_else(|error| panic!("{error}"));
        let (makes, receives) = (baseline(Some("src"), "makes"), baseline(None, "receives"));
        let (sources, destinations) = (
            answer("src", &["10.0.0.5", "ws1.example.org", "=cmd|x", "unknown"]),
            answer("dest", &["srv1", "10.0.0.9", "WS1.example.org"]),
        );
        let learned = learn(&known, &[(&makes, &sources), (&receives, &destinations)]);
        let cells: Vec<String> = learned
            .rows
            .iter()
            .map(|row| {
                let cells = Learned::cells(row);
                format!(
                    "{},{},{},{},{}",
                    cells[0], cells[2], cells[3], cells[5], cells[11]
                )
            })
            .collect();
        assert_eq!(
            cells,
            [
                "10.0.0.5,SRV1,,high,server|makes|receives",
                ",ws1,ws1.example.org,,makes|receives",
                "10.0.0.9,,,,receives"
            ]
        );
        assert_eq!(learned.odd, ["=cmd|x", "unknown"]);
    }
}
