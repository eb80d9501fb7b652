//! Searches that people saved, in `searches.json`; those with a schedule run at their times.

use std::path::Path;
use std::sync::Arc;

use crabwalk_detect::Schedule;
use crabwalk_detect::content::ContentOrigin;
use crabwalk_detect::detection::{Detection, DetectionType, Language, Status};
use serde::{Deserialize, Serialize};

use crate::listed::{ListError, Listed};

/// Maximum number of saved searches.
const MOST: usize = 1_000;

/// A saved search.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Saved {
    /// Unique.
    pub name: String,
    /// Who made it.
    pub owner: String,
    /// What it is for.
    pub description: String,
    /// In SPL.
    pub search: String,
    /// Where its range of time starts, as a time modifier.
    pub earliest: String,
    /// Where it ends.
    pub latest: String,
    /// When it runs, as a cron expression.
    pub cron: String,
    /// Whether it runs at these times.
    pub scheduled: bool,
    /// Whether it is switched off.
    pub disabled: bool,
}

/// Why a search is not saved.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// The name is taken.
    #[error(
        "Unable to create saved search with name '{0}'. A saved search with that name already exists."
    )]
    Taken(String),
    /// There is none of this name.
    #[error("Could not find object id={0}")]
    Unknown(String),
    /// Its content.
    #[error("{0}")]
    Wrong(String),
    /// The file.
    #[error(transparent)]
    File(#[from] ListError),
}

impl Saved {
    /// Its id as a detection.
    pub fn id(name: &str) -> String {
        format!("saved:{name}")
    }

    /// Its schedule, if it has one.
    ///
    /// # Errors
    /// What is wrong with it.
    fn schedule(&self) -> Result<Option<Schedule>, String> {
        if !self.scheduled {
            return Ok(None);
        }
        let or = |text: &str, default: &str| match text.trim() {
            "" => default.to_owned(),
            text => text.to_owned(),
        };
        let (earliest, latest) = (or(&self.earliest, "0"), or(&self.latest, "now"));
        Schedule::new(&self.cron, &earliest, &latest).map(Some)
    }

    fn check(&self) -> Result<(), SaveError> {
        if self.name.is_empty() || self.name.len() > 200 || self.name.chars().any(char::is_control)
        {
            let why = "a saved search needs a name of at most 200 characters".to_owned();
            return Err(SaveError::Wrong(why));
        }
        if self.search.trim().is_empty() {
            let why = "a saved search needs the parameter `search`".to_owned();
            return Err(SaveError::Wrong(why));
        }
        self.schedule().map(drop).map_err(SaveError::Wrong)
    }

    /// The detection that runs at its times, if it does.
    fn detection(&self) -> Option<Arc<Detection>> {
        let schedule = self.schedule().ok().flatten().filter(|_| !self.disabled);
        schedule.as_ref()?;
        Some(Arc::new(Detection {
            id: Self::id(&self.name),
            name: self.name.clone(),
            version: String::new(),
            // Neither notable nor risk: its author decides what it means.
            kind: DetectionType::Hunting,
            status: Status::Production,
            description: self.description.clone(),
            language: Language::Spl,
            search: self.search.clone(),
            stories: Vec::new(),
            techniques: Vec::new(),
            tactics: Vec::new(),
            throttling: None,
            schedule,
            message: String::new(),
            risk_fields: Vec::new(),
            threat_fields: Vec::new(),
            risk_score: 0,
            data_sources: Vec::new(),
            references: Vec::new(),
            how_to_implement: String::new(),
            known_false_positives: String::new(),
            recorded_attacks: Vec::new(),
            origin: ContentOrigin::file("searches.json"),
        }))
    }
}

/// All saved searches.
pub struct SavedSearches(Listed<Saved>);

impl SavedSearches {
    /// Those of a data folder.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn open(data: &Path) -> Result<Self, ListError> {
        Listed::open(&data.join("searches.json")).map(Self)
    }

    /// All of them.
    pub fn all(&self) -> Arc<Vec<Saved>> {
        self.0.all()
    }

    /// Those that run at times, as detections.
    pub fn detections(&self) -> Vec<Arc<Detection>> {
        self.0.all().iter().filter_map(Saved::detection).collect()
    }

    /// Saves a new one.
    ///
    /// # Errors
    /// Why it is not saved.
    pub fn add(&self, one: Saved) -> Result<(), SaveError> {
        one.check()?;
        self.0.change(|all| {
            if all.iter().any(|other| other.name == one.name) {
                return Err(SaveError::Taken(one.name));
            }
            if all.len() >= MOST {
                let why = format!("there are {MOST} saved searches; remove some first");
                return Err(SaveError::Wrong(why));
            }
            all.push(one);
            Ok(())
        })
    }

    /// Changes one.
    ///
    /// # Errors
    /// Why it is not changed.
    pub fn change(&self, name: &str, change: impl FnOnce(&mut Saved)) -> Result<Saved, SaveError> {
        self.0.change(|all| {
            let one = all.iter_mut().find(|one| one.name == name);
            let one = one.ok_or_else(|| SaveError::Unknown(name.to_owned()))?;
            change(one);
            one.check()?;
            Ok(one.clone())
        })
    }

    /// Removes one.
    ///
    /// # Errors
    /// If there is none of this name, or the file cannot be written.
    pub fn remove(&self, name: &str) -> Result<(), SaveError> {
        self.0.change(|all| {
            let before = all.len();
            all.retain(|one| one.name != name);
            match all.len() == before {
                true => Err(SaveError::Unknown(name.to_owned())),
                false => Ok(()),
            }
        })
    }
}
