//! Rules from files: parsing, messages about what cannot be read, and the names by which rules refer to each other.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use rsigma_parser::{CorrelationRule, FilterRuleTarget, SigmaRule};

use super::engine::{self, Named};
use super::logsource::{LogSourceKey, LogSources};
use super::metadata::{Metadata, describe};
use super::rules::{Correlation, Rule, SigmaRules, problem};
use super::{correlation, rewrite};
use crate::files::{is_yaml_name, walk};
use crate::origin::ContentProblem;

/// A file with rules.
#[derive(Clone, Copy)]
struct File<'f> {
    path: &'f str,
    text: &'f str,
}

/// The document of a file that holds the rule with this id, or this title if it has none.
fn document<'t>(text: &'t str, id: &str) -> &'t str {
    let mut documents = text.split("\n---");
    documents
        .find(|document| document.contains(id))
        .unwrap_or(text)
        .trim_matches(['\n', '\r'])
}

impl SigmaRules {
    /// Loads all rules in directories, or single files. Later rules replace earlier ones with the same id.
    ///
    /// Problems list the rules left out: broken ones one by one, those for unreadable logs by log source.
    pub fn load(paths: &[PathBuf], sources: &LogSources) -> (Self, Vec<ContentProblem>) {
        let mut rules = Self {
            sources: Arc::new(sources.clone()),
            ..Self::default()
        };
        let mut problems = Vec::new();
        let mut unmapped: BTreeMap<LogSourceKey, Vec<String>> = BTreeMap::new();
        for path in paths {
            let alone = path.is_file();
            let mut any = false;
            for file in walk(path, &[], is_yaml_name, &mut problems) {
                match String::from_utf8(file.text) {
                    Ok(text) if alone || is_rule(&text) => {
                        any |= rules.add(&file.path, &text, &mut unmapped, &mut problems);
                    }
                    Ok(_) => {}
                    Err(_) => problems.push(problem(file.path, "not UTF-8 text".to_owned())),
                }
            }
            if !any {
                problems.push(problem(
                    path.display().to_string(),
                    "no Sigma rule here: expected YAML files with `logsource` and `detection`"
                        .to_owned(),
                ));
            }
        }
        for (key, titles) in unmapped {
            let path = paths
                .first()
                .map(|path| path.display().to_string())
                .unwrap_or_default();
            let (verb, rules) = if titles.len() == 1 {
                ("needs", "rule")
            } else {
                ("need", "rules")
            };
            let first = titles.first().map(String::as_str).unwrap_or_default();
            problems.push(ContentProblem {
                fatal: false,
                ..problem(
                    path,
                    format!(
                        "{} Sigma {rules} {verb} events of a log that is not read ({key}), such as `{first}`",
                        titles.len()
                    ),
                )
});
        }
        rules.settle(&mut problems);
        (rules, problems)
    }

    fn add(
        &mut self,
        path: &str,
        text: &str,
        unmapped: &mut BTreeMap<LogSourceKey, Vec<String>>,
        problems: &mut Vec<ContentProblem>,
    ) -> bool {
        let quoted = rewrite::quoted(text);
        let parsed = catch_unwind(AssertUnwindSafe(|| {
            rsigma_parser::parse_sigma_yaml(&quoted)
        }));
        let collection = match parsed {
            Ok(Ok(collection)) => collection,
            Ok(Err(error)) => {
                problems.push(problem(path.to_owned(), error.to_string()));
                return true;
            }
            Err(_) => {
                problems.push(problem(
                    path.to_owned(),
                    "no rule can be read from it".to_owned(),
                ));
                return true;
            }
        };
        problems.extend(
            collection
                .errors
                .into_iter()
                .map(|error| problem(path.to_owned(), explained(error))),
        );
        let file = File { path, text };
        self.add_rules(collection.rules, file, unmapped, problems);
        self.add_correlations(collection.correlations, file);
        self.filters.extend(
            collection
                .filters
                .into_iter()
                .map(|filter| (filter, path.to_owned())),
        );
        true
    }

    fn add_rules(
        &mut self,
        rules: Vec<SigmaRule>,
        file: File<'_>,
        unmapped: &mut BTreeMap<LogSourceKey, Vec<String>>,
        problems: &mut Vec<ContentProblem>,
    ) {
        // Rules replace those of earlier files. Within one file several may share an id: the parts of a collection
        // (`action: global`), each for another log source.
        let own: BTreeSet<&String> = rules
            .iter()
            .map(|sigma| sigma.id.as_ref().unwrap_or(&sigma.title))
            .collect();
        self.rules.retain(|old| !own.contains(&old.detection.id));
        let mut parts: HashMap<String, usize> = HashMap::new();
        for mut sigma in rules {
            let key = LogSourceKey::new(
                sigma.logsource.product.as_deref(),
                sigma.logsource.category.as_deref(),
                sigma.logsource.service.as_deref(),
            );
            if self.sources.views(&key).is_empty() {
                unmapped.entry(key).or_default().push(sigma.title.clone());
                continue;
            }
            let id = sigma.id.get_or_insert_with(|| sigma.title.clone()).clone();
            let mut named = Named::default();
            named.detections(&sigma.detection);
            for part in rewrite::empty_selectors(&sigma.detection) {
                problems.push(ContentProblem {
                    fatal: false,
                    ..problem(
                        file.path.to_owned(),
                        format!(
                            "`{}`: `{part}` in its condition matches no search identifier and is ignored",
                            sigma.title
                        ),
                    )
});
            }
            let detection = Arc::new(describe(
                Metadata {
                    id: &id,
                    title: &sigma.title,
                    level: sigma.level,
                    status: sigma.status,
                    description: sigma.description.as_deref(),
                    tags: &sigma.tags,
                    references: &sigma.references,
                    falsepositives: &sigma.falsepositives,
                    date: sigma.modified.as_deref().or(sigma.date.as_deref()),
                    text: document(file.text, &id),
                },
                file.path,
                vec![key.to_string()],
            ));
            let part = parts.entry(id.clone()).or_default();
            *part += 1;
            if *part > 1 {
                sigma.id = Some(engine::part_id(&id, *part));
            }
            self.rules.push(Rule {
                sigma,
                detection,
                key,
                named,
                hidden: false,
            });
        }
    }

    fn add_correlations(&mut self, correlations: Vec<CorrelationRule>, file: File<'_>) {
        for mut sigma in correlations {
            let id = sigma.id.get_or_insert_with(|| sigma.title.clone()).clone();
            let detection = Arc::new(describe(
                Metadata {
                    id: &id,
                    title: &sigma.title,
                    level: sigma.level,
                    status: sigma.status,
                    description: sigma.description.as_deref(),
                    tags: &sigma.tags,
                    references: &sigma.references,
                    falsepositives: &sigma.falsepositives,
                    date: sigma.modified.as_deref().or(sigma.date.as_deref()),
                    text: document(file.text, &id),
                },
                file.path,
                Vec::new(),
            ));
            self.correlations.retain(|old| old.detection.id != id);
            self.correlations.push(Correlation {
                sigma,
                detection,
                hidden: false,
            });
        }
    }

    /// Resolves names between rules once all are there.
    fn settle(&mut self, problems: &mut Vec<ContentProblem>) {
        let mut ids: HashMap<String, String> = HashMap::new();
        for rule in &self.rules {
            let id = &rule.detection.id;
            for name in [Some(&rule.sigma.title), rule.sigma.name.as_ref(), Some(id)]
                .into_iter()
                .flatten()
            {
                ids.insert(name.clone(), id.clone());
            }
        }
        // The library refers to a filter's rules by id.
        for (filter, path) in &mut self.filters {
            if let FilterRuleTarget::Specific(names) = &mut filter.rules {
                let mut missing = Vec::new();
                let mut known = Vec::new();
                for name in names.iter() {
                    match ids.get(name) {
                        Some(id) => known.extend(
                            self.rules
                                .iter()
                                .filter(|rule| rule.detection.id == *id)
                                .filter_map(|rule| rule.sigma.id.clone()),
                        ),
                        None => missing.push(name.clone()),
                    }
                }
                *names = known;
                if !missing.is_empty() {
                    problems.push(ContentProblem {
                        fatal: false,
                        ..problem(
                            path.clone(),
                            format!(
                                "the filter `{}` applies to missing rules: {}",
                                filter.title,
                                missing.join(", ")
                            ),
                        )
                    });
                }
            }
        }
        self.correlations.retain(|one| {
            let error = correlation::check(&one.sigma).err();
            if let Some(error) = &error {
                problems.push(problem(
                    one.detection.origin.path.clone(),
                    format!("`{}` cannot be used: {error}", one.detection.name),
                ));
            }
            error.is_none()
        });
        // A correlation without one of its rules can never fire as intended.
        loop {
            let known: BTreeSet<String> = self
                .correlations
                .iter()
                .flat_map(|one| {
                    [Some(one.detection.id.clone()), one.sigma.name.clone()]
                        .into_iter()
                        .flatten()
                })
                .collect();
            let before = self.correlations.len();
            self.correlations.retain(|one| {
                let missing: Vec<String> = engine::rests_on(&one.sigma)
                    .into_iter()
                    .filter(|name| !ids.contains_key(name) && !known.contains(name))
                    .collect();
                if !missing.is_empty() {
                    problems.push(ContentProblem {
                        fatal: false,
                        ..problem(
                            one.detection.origin.path.clone(),
                            format!(
                                "`{}` depends on missing rules: {}",
                                one.detection.name,
                                missing.join(", ")
                            ),
                        )
                    });
                }
                missing.is_empty()
            });
            if self.correlations.len() == before {
                break;
            }
        }
        let mut shown: BTreeSet<String> = BTreeSet::new();
        let mut hidden: BTreeSet<String> = BTreeSet::new();
        for one in &self.correlations {
            let list = if one.sigma.generate {
                &mut shown
            } else {
                &mut hidden
            };
            list.extend(
                engine::rests_on(&one.sigma)
                    .iter()
                    .filter_map(|name| ids.get(name).cloned()),
            );
        }
        for rule in &mut self.rules {
            let id = &rule.detection.id;
            rule.hidden = hidden.contains(id) && !shown.contains(id);
        }
        let based: Vec<(bool, BTreeSet<String>)> = self
            .correlations
            .iter()
            .map(|one| (one.sigma.generate, engine::rests_on(&one.sigma)))
            .collect();
        for one in &mut self.correlations {
            let on_it = || {
                based
                    .iter()
                    .filter(|(_, names)| correlation::is_called(&one.sigma, names))
            };
            one.hidden = on_it().count() > 0 && on_it().all(|(generate, _)| !generate);
        }
    }
}

/// The library's message about a rule that it cannot read, with a hint if the message says little.
fn explained(error: String) -> String {
    static AGGREGATION: LazyLock<Option<regex::Regex>> =
        LazyLock::new(|| regex::Regex::new(r"\|\s*(?:count|sum|min|max|avg|near)\b").ok());
    static PLACE: LazyLock<Option<regex::Regex>> = LazyLock::new(|| {
        regex::Regex::new(
            r"^Condition parse error at \d+:(\d+):[^\n]*\n\s*\|\s*\n\s*\d+ \| ([^\n]*)",
        )
        .ok()
    });
    let is_condition = error.contains("Condition parse error");
    if is_condition
        && AGGREGATION
            .as_ref()
            .is_some_and(|aggregation| aggregation.is_match(&error))
    {
        return "aggregations in a condition (`| count() …`, `| near …`) are not supported: write a correlation rule instead, \
                as Sigma has done since version 2"
            .to_owned();
    }
    let place = PLACE.as_ref().and_then(|place| place.captures(&error));
    let Some((column, condition)) = place
        .as_ref()
        .and_then(|place| Some((place.get(1)?.as_str(), place.get(2)?.as_str())))
    else {
        return error;
    };
    let is_upper = condition
        .split(|letter: char| !letter.is_alphanumeric())
        .any(|word| matches!(word, "AND" | "OR" | "NOT" | "OF" | "THEM"));
    let help = if is_upper {
        "its keywords are lower case: `and`, `or`, `not`, `1 of them`"
    } else {
        "it consists of search identifiers, `and`, `or`, `not`, `1 of …`, `all of …` and parentheses"
    };
    format!("the condition `{condition}` cannot be read from column {column} on: {help}")
}

/// Whether a YAML text is a rule, a correlation or a filter: checkouts also contain other YAML files.
fn is_rule(text: &str) -> bool {
    let has = |key: &str| text.lines().any(|line| line.starts_with(key));
    has("detection:") || has("correlation:") || has("filter:")
}
