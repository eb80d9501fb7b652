//! MITRE ATT&CK for Enterprise: names, tactics and STIX identifiers of techniques.
//!
//! The table is content, `content/attack/techniques.tsv`: one technique per line with id, name, tactics, STIX
//! identifier, and when MITRE created and last changed it. Other content adds techniques that ATT&CK does not have
//! ([`Attack`]).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use serde::Deserialize;

use crate::detection::Detection;

/// The table's version of ATT&CK.
pub const ATTACK_VERSION: &str = "18";

/// One technique or sub-technique.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Technique {
    /// Name, such as `Service Execution`.
    pub name: &'static str,
    /// Short names of its tactics, such as `lateral-movement`.
    pub tactics: Vec<&'static str>,
    /// Identifier of its STIX object, as published by MITRE: `attack-pattern--…`.
    pub stix_id: String,
    /// When MITRE created that object, RFC 3339.
    pub created: &'static str,
    /// When MITRE last changed it, RFC 3339.
    pub modified: &'static str,
}

/// The technique with this id, such as `T1021.002`; for an unknown sub-technique, its parent technique.
pub fn technique(id: &str) -> Option<&'static Technique> {
    static TABLE: OnceLock<BTreeMap<&'static str, Technique>> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        // Facts of ATT&CK v18.1: id, name, tactics, identifier, created, modified. © The MITRE Corporation, used by its terms
        // (https://attack.mitre.org/resources/legal-and-branding/terms-of-use/).
        include_str!("../../../content/attack/techniques.tsv")
            .lines()
            .filter_map(|line| {
                let mut cells = line.split('\t');
                let mut cell = || cells.next();
                let (id, name, tactics) = (cell()?, cell()?, cell()?);
                let (uuid, created, modified) = (cell()?, cell()?, cell()?);
                let technique = Technique {
                    name,
                    tactics: tactics.split(',').collect(),
                    stix_id: format!("attack-pattern--{uuid}"),
                    created,
                    modified,
                };
                Some((id, technique))
            })
            .collect()
    });
    table
        .get(id)
        .or_else(|| table.get(id.split('.').next().unwrap_or(id)))
}

/// Whether the table itself has a technique with this id.
pub fn is_known(id: &str) -> bool {
    technique(id).is_some_and(|found| {
        !id.contains('.')
            || technique(id.split('.').next().unwrap_or(id)).is_none_or(|whole| whole != found)
    })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDocument {
    #[serde(default)]
    attack_techniques: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    attack_tactics: BTreeMap<String, String>,
}

/// The tactics of techniques: ATT&CK's, and those that content adds.
#[derive(Debug, Clone, Default)]
pub struct Attack {
    /// Techniques that content adds, with their tactics.
    techniques: BTreeMap<String, Vec<String>>,
    /// Ids of tactics by name.
    tactics: BTreeMap<String, String>,
}

impl Attack {
    /// Adds the entries of one YAML text.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn add_yaml(&mut self, text: &str) -> Result<(), String> {
        let raw: RawDocument = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        self.techniques.extend(raw.attack_techniques);
        self.tactics.extend(raw.attack_tactics);
        Ok(())
    }

    /// The tactics of a detection: its own, and those of its techniques. An unknown sub-technique has its parent's
    /// tactics.
    pub fn tactics(&self, detection: &Detection) -> Vec<String> {
        self.tactics_of(&detection.tactics, &detection.techniques)
    }

    /// Like [`tactics`](Self::tactics), from tactics already known and from techniques.
    pub(crate) fn tactics_of(&self, known: &[String], techniques: &[String]) -> Vec<String> {
        let mut all: BTreeSet<&str> = known.iter().map(String::as_str).collect();
        for id in techniques {
            let whole = id.split('.').next().unwrap_or(id);
            let added = self
                .techniques
                .get(id)
                .or_else(|| self.techniques.get(whole));
            match added {
                Some(tactics) => all.extend(tactics.iter().map(String::as_str)),
                None => all.extend(technique(id).into_iter().flat_map(|one| &one.tactics)),
            }
        }
        all.into_iter().map(str::to_owned).collect()
    }

    /// Id of a tactic, such as `TA0008`.
    pub fn tactic_id(&self, tactic: &str) -> Option<&str> {
        self.tactics.get(tactic).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn techniques_are_found() {
        let found = technique("T1021.002").unwrap_or_else(|| panic!("not found"));
        assert_eq!(found.name, "SMB/Windows Admin Shares");
        assert_eq!(found.tactics, ["lateral-movement"]);
        assert!(found.stix_id.starts_with("attack-pattern--"));
        assert_eq!(
            technique("T1021.999").map(|one| one.name),
            Some("Remote Services")
        );
        assert_eq!(technique("T0"), None);
        for (id, known) in [
            ("T1021", true),
            ("T1021.001", true),
            ("T1021.999", false),
            ("T0", false),
        ] {
            assert_eq!(is_known(id), known, "{id}");
        }
    }
}
