//! Content as a user names it: directories and files.

use std::path::{Path, PathBuf};

use super::Content;
use crate::lookups::LookupStore;
use crate::risk::{Exception, parse_exceptions};

/// What a user chooses of content, and what else is known besides the logs.
#[derive(Debug, Clone, Default)]
pub struct ContentPaths {
    /// Leave out the detections, stories and baselines that are shipped.
    pub no_builtin: bool,
    /// Directories or files of detections, macros, lookups and more.
    pub content: Vec<PathBuf>,
    /// Directories or files of Sigma rules.
    pub sigma: Vec<PathBuf>,
    /// CSV files of machines with Splunk ES headers.
    pub assets: Vec<PathBuf>,
    /// CSV files of accounts with Splunk ES headers.
    pub identities: Vec<PathBuf>,
    /// Directory of lookups that searches wrote.
    pub lookups: Option<PathBuf>,
    /// MaxMind database for `iplocation`.
    pub geoip: Option<PathBuf>,
}

/// A path of content cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct ContentPathError {
    /// The option that named it: a field of [`ContentPaths`], or `exceptions`.
    pub option: &'static str,
    /// Which path, and why, for people.
    pub what: String,
}

impl ContentPathError {
    fn new(option: &'static str, path: &Path, why: &dyn std::fmt::Display) -> Self {
        Self {
            option,
            what: format!("{}: {why}", path.display()),
        }
    }
}

impl ContentPaths {
    /// Loads the content. Problems with single files of a directory are reported in [`Content::problems`].
    ///
    /// # Errors
    /// If a path does not exist, or a single file is not what it is named as.
    pub fn load(&self) -> Result<Content, ContentPathError> {
        for (option, paths) in [("content", &self.content), ("sigma", &self.sigma)] {
            for path in paths {
                std::fs::metadata(path)
                    .map_err(|error| ContentPathError::new(option, path, &error))?;
            }
        }
        let mut content = Content::load(!self.no_builtin, &self.content);
        if !self.sigma.is_empty() {
            content.add_sigma(&self.sigma);
        }
        content.add_entities(&self.assets, &self.identities)?;
        if let Some(path) = &self.geoip {
            let database = read("geoip", path)?;
            content
                .set_locations(database)
                .map_err(|error| ContentPathError::new("geoip", path, &error))?;
        }
        if let Some(directory) = &self.lookups {
            LookupStore::new(directory)
                .load(&mut content)
                .map_err(|error| ContentPathError {
                    option: "lookups",
                    what: error.to_string(),
                })?;
        }
        Ok(content)
    }
}

impl Content {
    /// Adds what the organisation knows about its machines and accounts.
    ///
    /// # Errors
    /// If a file cannot be read, or is no such CSV.
    pub fn add_entities(
        &mut self,
        assets: &[PathBuf],
        identities: &[PathBuf],
    ) -> Result<(), ContentPathError> {
        for path in assets {
            self.add_assets(&read("assets", path)?)
                .map_err(|error| ContentPathError::new("assets", path, &error))?;
        }
        for path in identities {
            self.add_identities(&read("identities", path)?)
                .map_err(|error| ContentPathError::new("identities", path, &error))?;
        }
        Ok(())
    }
}

/// Reads files of exceptions.
///
/// # Errors
/// If one cannot be read, or what is wrong with it.
pub fn read_exceptions(paths: &[PathBuf]) -> Result<Vec<Exception>, ContentPathError> {
    const OPTION: &str = "exceptions";
    let mut all = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ContentPathError::new(OPTION, path, &error))?;
        let parsed =
            parse_exceptions(&text).map_err(|error| ContentPathError::new(OPTION, path, &error))?;
        all.extend(parsed.into_iter().map(|mut one| {
            one.file = Some(path.display().to_string());
            one
        }));
    }
    Ok(all)
}

fn read(option: &'static str, path: &Path) -> Result<Vec<u8>, ContentPathError> {
    std::fs::read(path).map_err(|error| ContentPathError::new(option, path, &error))
}
