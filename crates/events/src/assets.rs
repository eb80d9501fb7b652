//! Assets and identities: what the organisation knows about its machines and people, from CSV files with the headers of
//! Splunk Enterprise Security (`ip,mac,nt_host,dns,owner,priority,…,category` and `identity,…,priority,…,category`).

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use ipnet::IpNet;

/// One kind of entity, with its indexes.
#[derive(Debug, Clone, Default)]
pub struct Entities {
    columns: Vec<String>,
    rows: Vec<BTreeMap<String, Vec<String>>>,
    by_text: HashMap<String, usize>,
    by_network: Vec<(IpNet, usize)>,
    content_hash: u64,
}

/// Assets and identities of a run.
#[derive(Debug, Clone, Default)]
pub struct Assets {
    /// Machines, from `assets.csv`.
    pub assets: Entities,
    /// People and accounts.
    pub identities: Entities,
}

/// Columns that identify an asset.
const ASSET_KEYS: [&str; 4] = ["ip", "mac", "nt_host", "dns"];
/// Column that identifies an identity.
const IDENTITY_KEYS: [&str; 1] = ["identity"];

impl Assets {
    /// Adds the rows of an assets CSV.
    ///
    /// # Errors
    /// What is wrong with the text, with its line.
    pub fn add_assets(&mut self, csv: &[u8]) -> Result<(), String> {
        self.assets.add(csv, &ASSET_KEYS)
    }

    /// Adds the rows of an identities CSV.
    ///
    /// # Errors
    /// What is wrong with the text, with its line.
    pub fn add_identities(&mut self, csv: &[u8]) -> Result<(), String> {
        self.identities.add(csv, &IDENTITY_KEYS)
    }

    /// Splits a field such as `src_category` into the field that names the entity, whether it is an identity, and the
    /// column. `None` for any other field.
    pub fn split_field(field: &str) -> Option<(&str, bool, &str)> {
        const COLUMNS: [&str; 31] = [
            "category",
            "priority",
            "owner",
            "bunit",
            "nt_host",
            "dns",
            "ip",
            "mac",
            "city",
            "country",
            "lat",
            "long",
            "pci_domain",
            "is_expected",
            "should_timesync",
            "should_update",
            "requires_av",
            "asset_tag",
            "asset_id",
            "watchlist",
            "managedBy",
            "email",
            "first",
            "last",
            "nick",
            "prefix",
            "suffix",
            "phone",
            "startDate",
            "endDate",
            "identity",
        ];
        const ENTITIES: [(&str, bool); 9] = [
            ("src_user", true),
            ("dest_user", true),
            ("user", true),
            ("src_ip", false),
            ("dest_ip", false),
            ("src", false),
            ("dest", false),
            ("dvc", false),
            ("host", false),
        ];
        ENTITIES.iter().find_map(|(entity, identity)| {
            let column = field.strip_prefix(entity)?.strip_prefix('_')?;
            let known = COLUMNS.contains(&column);
            known.then(|| (&field[..entity.len()], *identity, column))
        })
    }
}

impl Entities {
    fn add(&mut self, csv: &[u8], keys: &[&str]) -> Result<(), String> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(csv);
        let headers: Vec<String> = reader
            .headers()
            .map_err(|error| error.to_string())?
            .iter()
            .map(|name| name.trim_start_matches('\u{feff}').trim().to_owned())
            .collect();
        if !keys
            .iter()
            .any(|key| headers.iter().any(|header| header == key))
        {
            return Err(format!(
                "line 1: none of the columns {} exists; the columns are {}",
                keys.join(", "),
                headers.join(", ")
            ));
        }
        for record in reader.records() {
            let record = record.map_err(|error| error.to_string())?;
            let mut row = BTreeMap::new();
            for (header, cell) in headers.iter().zip(record.iter()) {
                let values: Vec<String> = cell
                    .split('|')
                    .map(|value| value.trim().to_owned())
                    .filter(|value| !value.is_empty())
                    .collect();
                if !values.is_empty() {
                    row.insert(header.clone(), values);
                }
            }
            let index = self.rows.len();
            for key in keys {
                for value in row.get(*key).into_iter().flatten() {
                    if *key == "ip" && value.contains('/') {
                        match value.parse::<IpNet>() {
                            Ok(network) => self.by_network.push((network, index)),
                            Err(_) => {
                                return Err(format!("`{value}` in column ip is not a network"));
                            }
                        }
                    } else {
                        self.by_text.entry(value.to_lowercase()).or_insert(index);
                    }
                }
            }
            self.rows.push(row);
        }
        // The narrowest network wins.
        self.by_network
            .sort_by_key(|(network, _)| std::cmp::Reverse(network.prefix_len()));
        for header in headers {
            if !self.columns.contains(&header) {
                self.columns.push(header);
            }
        }
        let before = self.content_hash.to_le_bytes();
        self.content_hash = xxhash_rust::xxh3::xxh3_64(&[before.as_slice(), csv].concat());
        Ok(())
    }

    /// A hash of the added texts, in order; 0 if there are none.
    pub fn content_hash(&self) -> u64 {
        self.content_hash
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// What is known about the entity with this name or address: by exact text first, then by network.
    pub fn find(&self, name: &str) -> Option<&BTreeMap<String, Vec<String>>> {
        let lower = name.trim().to_lowercase();
        if let Some(index) = self.by_text.get(&lower) {
            return self.rows.get(*index);
        }
        if self.by_network.is_empty() {
            return None;
        }
        let address: IpAddr = lower.parse().ok()?;
        self.by_network
            .iter()
            .find(|(network, _)| network.contains(&address))
            .and_then(|(_, index)| self.rows.get(*index))
    }

    /// All rows: column → values.
    pub fn rows(&self) -> &[BTreeMap<String, Vec<String>>] {
        &self.rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entities_are_found_by_name_then_network() {
        let mut all = Assets::default();
        all.add_assets(
            b"ip,mac,nt_host,dns,owner,priority,category\n10.0.0.0/8,,,,net,low,inside\n10.1.0.0/16,,,,net,low,branch\n\
              10.1.2.3|10.1.2.4,,SRV1,srv1.example.org,ann,high,server|common_rdp_destination\n",
        )
        .unwrap_or_else(|error| panic!("{error}"));
        for (name, category) in [
            ("srv1", Some("server,common_rdp_destination")),
            ("SRV1.example.org", Some("server,common_rdp_destination")),
            ("10.1.2.4", Some("server,common_rdp_destination")),
            ("10.1.9.9", Some("branch")),
            ("10.2.0.1", Some("inside")),
            ("192.0.2.1", None),
            ("nobody", None),
        ] {
            let found = all
                .assets
                .find(name)
                .and_then(|row| row.get("category"))
                .map(|values| values.join(","));
            assert_eq!(found.as_deref(), category, "{name}");
        }
        assert!(
            all.add_identities(b"a,b\n1,2\n")
                .is_err_and(|error| error.contains("identity"))
        );
    }

    #[test]
    fn enriched_fields_are_recognised() {
        for (field, split) in [
            ("src_category", Some(("src", false, "category"))),
            ("src_user_category", Some(("src_user", true, "category"))),
            ("user_watchlist", Some(("user", true, "watchlist"))),
            ("dest_port", None),
            ("category", None),
        ] {
            assert_eq!(Assets::split_field(field), split, "{field}");
        }
    }
}
