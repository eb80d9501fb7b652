//! MITRE ATT&CK for Enterprise: names, tactics and STIX identifiers of techniques.

use std::collections::BTreeMap;
use std::sync::OnceLock;

/// Version of ATT&CK from which the table is.
pub const ATTACK_VERSION: &str = "18";

/// One technique or sub-technique.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Technique {
    /// Name, such as `Service Execution`.
    pub name: &'static str,
    /// Short names of its tactics, such as `lateral-movement`.
    pub tactics: Vec<&'static str>,
    /// Identifier of its STIX object, as MITRE publishes it: `attack-pattern--…`.
    pub stix_id: String,
    /// When MITRE made that object, RFC 3339.
    pub created: &'static str,
    /// When MITRE changed it last, RFC 3339.
    pub modified: &'static str,
}

/// The technique with this id, such as `T1021.002`; of a sub-technique that is not known, the technique that it is part of.
pub fn technique(id: &str) -> Option<&'static Technique> {
    static TABLE: OnceLock<BTreeMap<&'static str, Technique>> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        // Facts of ATT&CK v18.1: id, name, tactics, identifier, created, modified. © The MITRE Corporation, used by its terms
        // (https://attack.mitre.org/resources/legal-and-branding/terms-of-use/).
        include_str!("attack.tsv")
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

/// Whether this is the id of a technique that the table has itself.
pub fn is_known(id: &str) -> bool {
    technique(id).is_some_and(|found| {
        !id.contains('.')
            || technique(id.split('.').next().unwrap_or(id)).is_none_or(|whole| whole != found)
    })
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
