//! Which tactics ATT&CK techniques serve.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::detection::Detection;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDocument {
    attack_techniques: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    attack_tactics: BTreeMap<String, String>,
}

/// Techniques and tactics that content knows.
#[derive(Debug, Clone, Default)]
pub struct Attack {
    techniques: BTreeMap<String, Vec<String>>,
    tactics: BTreeMap<String, String>,
}

impl Attack {
    /// Adds what one YAML text says.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn add_yaml(&mut self, text: &str) -> Result<(), String> {
        let raw: RawDocument = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        self.techniques.extend(raw.attack_techniques);
        self.tactics.extend(raw.attack_tactics);
        Ok(())
    }

    /// The tactics of a detection: what it says itself, and those of its techniques. A technique that is not known by
    /// itself has the tactics of the one it is part of.
    pub fn tactics(&self, detection: &Detection) -> Vec<String> {
        self.tactics_of(&detection.tactics, &detection.techniques)
    }

    /// As [`tactics`](Self::tactics), of the tactics that are known already and of techniques.
    pub(crate) fn tactics_of(&self, known: &[String], techniques: &[String]) -> Vec<String> {
        let mut all: BTreeSet<&String> = known.iter().collect();
        for technique in techniques {
            let whole = technique.split('.').next().unwrap_or(technique);
            let known = self
                .techniques
                .get(technique)
                .or_else(|| self.techniques.get(whole));
            all.extend(known.into_iter().flatten());
        }
        all.into_iter().cloned().collect()
    }

    /// Id of a tactic, such as `TA0008`.
    pub fn tactic_id(&self, tactic: &str) -> Option<&str> {
        self.tactics.get(tactic).map(String::as_str)
    }
}
