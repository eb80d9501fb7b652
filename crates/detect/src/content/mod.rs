//! Loading content: the built-in content, and directories in the layout of public content, or flat.
//!
//! Files are recognised by their keys, so the layout of a directory does not matter. A broken file is reported and the
//! rest is loaded. Later content replaces earlier content with the same id or name.

mod paths;
mod raw;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crabwalk_events::lookup::{LookupDefinition, LookupTable, LookupYaml};
use crabwalk_spl::{Knowledge, Search};
use rust_embed::RustEmbed;

use crate::attack::Attack;
use crate::detection::{Baseline, Detection, DetectionType, Story};
use crate::files::{File, walk};
use crate::logging::Logging;
use crate::origin::BUILT_IN;
pub use crate::origin::{ContentOrigin, ContentProblem};
use crate::risk::RiskFactors;
use crate::schedule::{Schedule, Timing};
use crate::sigma::{LogSources, SigmaRules};
pub use paths::{ContentPathError, ContentPaths, read_exceptions};
use raw::Kind;

/// What Crabwalk ships.
#[derive(RustEmbed)]
#[folder = "../../content/"]
#[exclude = "*.test.yml"]
#[exclude = "*.tsv"]
#[allow_missing = true]
struct Shipped;

/// Everything loaded: what to look for, and what helps to read logs.
#[derive(Default)]
pub struct Content {
    /// Detections, by name.
    pub detections: Vec<Arc<Detection>>,
    /// Stories, by name.
    pub stories: Vec<Arc<Story>>,
    /// Baselines, by name.
    pub baselines: Vec<Arc<Baseline>>,
    /// Macros, field mappings, data models, lookups; [`Content::add_assets`] adds assets.
    pub knowledge: Knowledge,
    /// What could not be loaded.
    pub problems: Vec<ContentProblem>,
    /// The meaning of Sigma's log sources.
    pub log_sources: LogSources,
    /// What changes the risk of machines and accounts.
    pub risk_factors: RiskFactors,
    /// Tactics of ATT&CK techniques.
    pub attack: Attack,
    /// Who logs which events, and how to enable them.
    pub logging: Logging,
    /// Sigma rules; see [`Content::add_sigma`].
    pub sigma: SigmaRules,
    /// When detections run whose own content does not say it, by type.
    pub schedules: BTreeMap<DetectionType, Schedule>,
    /// Macros by name with the number of arguments.
    pub macros: BTreeMap<String, usize>,
}

pub(crate) use raw::parse as parse_yaml;

impl Content {
    /// Loads the built-in content (its detections, stories and baselines only if requested), then the directories or
    /// single files, in this order.
    pub fn load(builtin: bool, paths: &[PathBuf]) -> Self {
        let mut content = Self::default();
        {
            // Names are needed whatever the detections: fields, data models, macros of Splunk's own apps.
            let own = ["detections/", "stories/", "baselines/"];
            let files = Shipped::iter()
                .filter(|name| raw::is_content_name(name))
                .filter(|name| builtin || !own.iter().any(|folder| name.starts_with(folder)))
                .filter_map(|name| {
                    let file = Shipped::get(&name)?;
                    Some(File {
                        path: format!("{BUILT_IN}{name}"),
                        text: file.data.into_owned(),
                    })
                })
                .collect();
            content.add(files);
        }
        for path in paths {
            let problems = &mut content.problems;
            let files = walk(path, &raw::IGNORED_FOLDERS, raw::is_content_name, problems);
            if files.is_empty() && content.problems.iter().all(|p| Path::new(&p.path) != path) {
                content.problem(
                    path.display().to_string(),
                    None,
                    "no content here: expected YAML files (*.yml) of detections, stories, macros, lookups, fields or models".to_owned(),
                );
            }
            content.add(files);
        }
        content
    }

    /// Loads Sigma rules from directories or single files. Requires loaded content, which defines log sources.
    pub fn add_sigma(&mut self, paths: &[PathBuf]) {
        let (rules, problems) = SigmaRules::load(paths, &self.log_sources);
        self.sigma = rules;
        self.problems.extend(problems);
    }

    /// Sets the MaxMind database for `iplocation`.
    ///
    /// # Errors
    /// If it is not such a database.
    pub fn set_locations(&mut self, database: Vec<u8>) -> Result<(), String> {
        let file =
            crabwalk_spl::LocationFile::from_bytes(database).map_err(|error| error.to_string())?;
        self.knowledge.locations = Some(Arc::new(file));
        Ok(())
    }

    /// Reads an assets CSV with Splunk ES headers.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn add_assets(&mut self, csv: &[u8]) -> Result<(), String> {
        self.knowledge.assets.add_assets(csv)
    }

    /// Reads an identities CSV with Splunk ES headers.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn add_identities(&mut self, csv: &[u8]) -> Result<(), String> {
        self.knowledge.assets.add_identities(csv)
    }

    /// The enabled detections, and what makes each run by itself: what its content says; or else the arrival of events,
    /// if it is a TTP or a Sigma rule that judges single events; or else the schedule for its type.
    pub fn timings(&self) -> Vec<(Arc<Detection>, Timing)> {
        let enabled = |one: &&Arc<Detection>| one.is_enabled();
        let schedule = |one: &Detection| -> Schedule {
            let own = one.schedule.as_ref();
            let schedule = own.or_else(|| self.schedules.get(&one.kind));
            schedule.cloned().unwrap_or_default()
        };
        let searches = self.detections.iter().filter(enabled).map(|one| {
            let search = Search::parse(&one.name, &one.search, &self.knowledge).ok();
            let scheduled = || {
                // As in Splunk, the search's own range of time precedes that of its schedule.
                let schedule = schedule(one);
                let schedule = match search.as_ref().and_then(Search::earliest) {
                    Some(earliest) => schedule.starting(earliest),
                    None => schedule,
                };
                Timing::Scheduled {
                    schedule,
                    lookback: 0,
                }
            };
            let single = || (search.as_ref()).is_some_and(Search::judges_single_events);
            let timing = match one.kind {
                _ if one.schedule.is_some() => scheduled(),
                DetectionType::Hunting => Timing::Hunts,
                DetectionType::Ttp if single() => Timing::Arrival,
                _ => scheduled(),
            };
            (Arc::clone(one), timing)
        });
        let sigma = self.sigma.detections().filter(enabled).map(|one| {
            let timing = match self.sigma.lookback(one) {
                None => Timing::Arrival,
                Some(lookback) => Timing::Scheduled {
                    schedule: schedule(one),
                    lookback,
                },
            };
            (Arc::clone(one), timing)
        });
        searches.chain(sigma).collect()
    }

    fn problem(&mut self, path: String, place: Option<(usize, usize)>, message: String) {
        self.problems.push(ContentProblem {
            path,
            line: place.map(|(line, _)| line),
            column: place.map(|(_, column)| column),
            message,
            fatal: true,
            detection: None,
        });
    }

    fn add(&mut self, files: Vec<File>) {
        // Lookup rows are in CSV files beside the definitions, or in another folder of the same directory.
        let mut tables: HashMap<String, File> = HashMap::new();
        let mut documents = Vec::new();
        for file in files {
            let name = file
                .path
                .rsplit(['/', '\\'])
                .next()
                .unwrap_or(&file.path)
                .to_lowercase();
            if name.ends_with(".csv") {
                tables.insert(name, file);
            } else {
                documents.push(file);
            }
        }
        for file in documents {
            let text = match String::from_utf8(file.text) {
                Ok(text) => text,
                Err(error) => {
                    let at = error.utf8_error().valid_up_to();
                    let line = error
                        .as_bytes()
                        .iter()
                        .take(at)
                        .filter(|byte| **byte == b'\n')
                        .count()
                        + 1;
                    self.problem(file.path, Some((line, 1)), "not UTF-8 text".to_owned());
                    continue;
                }
            };
            let text = text.trim_start_matches('\u{feff}');
            if let Err(problem) = self.add_document(&file.path, text, &tables) {
                self.problems.push(problem);
            }
        }
        self.detections
            .sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        self.stories
            .sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        self.baselines
            .sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
    }

    fn add_document(
        &mut self,
        path: &str,
        text: &str,
        tables: &HashMap<String, File>,
    ) -> Result<(), ContentProblem> {
        let plain = |message: String| ContentProblem {
            path: path.to_owned(),
            line: None,
            column: None,
            message,
            fatal: true,
            detection: None,
        };
        match raw::kind(path, text) {
            Kind::Ignored | Kind::Cases => {}
            Kind::Unknown => {
                // Text that is not YAML has no recognisable keys.
                raw::parse::<serde::de::IgnoredAny>(path, text)?;
                return Err(plain(
                    "not content that Crabwalk recognises: a detection has the keys `name` and `search`, a story `name` and `narrative`, \
                     a macro `name` and `definition`, a lookup `name` and `filename`"
                        .to_owned(),
                ));
            }
            Kind::Deployment => {
                let deployment: raw::Deployment = raw::parse(path, text)?;
                if let Some(kind) = deployment.of()
                    && let Some(schedule) = deployment.schedule().map_err(plain)?
                {
                    self.schedules.insert(kind, schedule);
                }
            }
            Kind::Fields => self.knowledge.mappings.add_yaml(text).map_err(plain)?,
            Kind::LogSources => self.log_sources.add_yaml(text).map_err(plain)?,
            Kind::RiskFactors => self.risk_factors.add_yaml(text).map_err(plain)?,
            Kind::Attack => self.attack.add_yaml(text).map_err(plain)?,
            Kind::Logging => self.logging.add_yaml(text).map_err(plain)?,
            Kind::Model => self.knowledge.models.add_yaml(text).map_err(plain)?,
            Kind::Macro => self.add_macro(&raw::parse(path, text)?),
            Kind::Macros => {
                for one in raw::parse::<raw::Macros>(path, text)?.macros {
                    self.add_macro(&one);
                }
            }
            Kind::Lookup => {
                let yaml = LookupYaml::parse(text).map_err(plain)?;
                if yaml.is_model() {
                    return Ok(()); // nothing that Crabwalk runs
                }
                let filename = match (&yaml.filename, yaml.lookup_type.as_deref()) {
                    (Some(file), _) => Some(file.clone()),
                    // In newer content the file has the name of the definition.
                    (None, Some("csv")) => path
                        .rsplit(['/', '\\'])
                        .next()
                        .and_then(|name| name.rsplit_once('.'))
                        .map(|(stem, _)| format!("{stem}.csv")),
                    (None, _) => None,
                };
                let table = match &filename {
                    Some(file) if file.to_lowercase().ends_with(".csv") => {
                        let key = file
                            .rsplit(['/', '\\'])
                            .next()
                            .unwrap_or(file)
                            .to_lowercase();
                        let rows = tables.get(&key).ok_or_else(|| {
                            plain(format!("the lookup's file `{file}` does not exist"))
                        })?;
                        LookupTable::from_csv(yaml.definition(), &rows.text)
                            .map_err(|error| plain(format!("{}: {error}", rows.path)))?
                    }
                    Some(_) => return Ok(()), // a script, or another kind that Crabwalk does not run
                    // A collection is empty until a search fills it.
                    None => LookupTable {
                        definition: yaml.definition(),
                        columns: yaml.columns(),
                        rows: Vec::new(),
                    },
                };
                self.check_match_types(path, &table);
                self.add_lookup(&yaml.name, table, filename.as_deref());
            }
            Kind::Story => {
                let story = raw::parse::<raw::Story>(path, text)?.story(path);
                replace(&mut self.stories, Arc::new(story), |one| {
                    (&one.id, &one.name)
                });
            }
            Kind::Baseline => {
                let baseline = raw::parse::<raw::Search>(path, text)?.baseline(path, text);
                replace(&mut self.baselines, Arc::new(baseline), |one| {
                    (&one.id, &one.name)
                });
            }
            Kind::Detection => {
                let detection = raw::parse::<raw::Search>(path, text)?
                    .detection(path, text)
                    .map_err(plain)?;
                replace(&mut self.detections, Arc::new(detection), |one| {
                    (&one.id, &one.name)
                });
            }
        }
        Ok(())
    }

    fn add_macro(&mut self, one: &raw::Macro) {
        let name = one.name.split('(').next().unwrap_or(&one.name).trim();
        let arguments: Vec<&str> = one.arguments.iter().map(String::as_str).collect();
        self.knowledge
            .macros
            .insert(name, &arguments, one.definition.trim());
        self.macros.insert(name.to_owned(), arguments.len());
    }

    /// Reports definitions that set the match type of a column that their lookup does not have: the intended column is
    /// then compared exactly, and silently matches less. A collection without listed columns may have any.
    fn check_match_types(&mut self, path: &str, table: &LookupTable) {
        if table.columns.is_empty() {
            return;
        }
        for (column, _) in &table.definition.match_types {
            if table.columns.contains(column) {
                continue;
            }
            let message = format!(
                "`match_type` names the column `{column}`, which the lookup `{}` does not have; its columns are {}",
                table.definition.name,
                table.columns.join(", ")
            );
            self.problems.push(ContentProblem {
                path: path.to_owned(),
                line: None,
                column: None,
                message,
                fatal: false,
                detection: None,
            });
        }
    }

    fn add_lookup(&mut self, name: &str, table: LookupTable, file: Option<&str>) {
        let table = Arc::new(table);
        // `inputlookup` may name the file too.
        if let Some(file) = file
            && let Some(file) = file.rsplit(['/', '\\']).next()
            && file != name
        {
            let named = LookupTable {
                definition: LookupDefinition {
                    name: file.to_owned(),
                    ..table.definition.clone()
                },
                ..table.as_ref().clone()
            };
            self.knowledge
                .lookups
                .insert(file.to_owned(), Arc::new(named));
        }
        self.knowledge.lookups.insert(name.to_owned(), table);
    }
}

/// Adds `one`, replacing an entry with the same id or name.
fn replace<T>(all: &mut Vec<Arc<T>>, one: Arc<T>, keys: impl Fn(&T) -> (&String, &String)) {
    let same = |old: &Arc<T>| {
        let ((id, name), (own_id, own_name)) = (keys(old), keys(&one));
        id.eq_ignore_ascii_case(own_id) || name.eq_ignore_ascii_case(own_name)
    };
    all.retain(|old| !same(old));
    all.push(one);
}

#[cfg(test)]
mod tests;
