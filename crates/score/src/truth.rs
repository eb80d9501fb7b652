//! Reading `truth.json`.

use std::path::{Path, PathBuf};

use crabwalk_lab::{SCHEMA, Truth};
use serde_json::Value;

/// Why a truth cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TruthError {
    /// The file cannot be read.
    #[error("{}: {error}; name a directory made by `crabwalk lab build` or `lab evaluate --keep`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        error: std::io::Error,
    },
    /// It is not the truth of a world with intruders.
    #[error("{}: not the truth of a world that can be scored ({reason}); make one with `crabwalk lab build`", path.display())]
    NotTruth {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// It has another version.
    #[error("{}: has schema `{schema}`, but this version of crabwalk reads `{SCHEMA}`; generate the world again, or score it with the version that made it", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// What it says.
        schema: String,
    },
}

/// The truth of the world in a directory, whatever kind of world it is.
///
/// # Errors
/// If there is none, or one of another version.
pub fn read(directory: &Path) -> Result<Truth, TruthError> {
    let path = directory.join("truth.json");
    let not_truth = |path: &PathBuf, reason: String| TruthError::NotTruth {
        path: path.clone(),
        reason,
    };
    let bytes = std::fs::read(&path).map_err(|error| TruthError::Io {
        path: path.clone(),
        error,
    })?;
    let value: Value =
        serde_json::from_slice(&bytes).map_err(|error| not_truth(&path, error.to_string()))?;
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    match text("schema") {
        Some(SCHEMA) => {}
        Some(other) => {
            let schema = other.to_owned();
            return Err(TruthError::Version { path, schema });
        }
        // Enterprises were written this way before there were versions.
        None if text("kind") == Some("enterprise") => {}
        None => return Err(not_truth(&path, "it names no schema".to_owned())),
    }
    serde_json::from_value(value).map_err(|error| not_truth(&path, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_truth_says_which_schema_it_has() {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let of = |text: &str| {
            let written = std::fs::write(folder.path().join("truth.json"), text);
            written.unwrap_or_else(|error| panic!("{error}"));
            read(folder.path())
        };
        let whole = Truth {
            schema: SCHEMA.to_owned(),
            seed: 7,
            ..Truth::default()
        };
        let text = serde_json::to_string(&whole).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(of(&text).map(|truth| truth.seed).ok(), Some(7));
        for (text, said) in [
            (text.replace(SCHEMA, "crabwalk.truth/9"), "crabwalk.truth/9"),
            (text.replace("\"schema\"", "\"other\""), "no schema"),
            ("{\"kind\":\"logons\"}".to_owned(), "no schema"),
            (text.replace("7", "\"x\""), "invalid type"),
            ("[".to_owned(), "not the truth"),
        ] {
            let error = of(&text).map_or_else(|error| error.to_string(), |_| String::new());
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
