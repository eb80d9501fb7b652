//! Sigma rules: loading them, determining their demand, running them over events.
//!
//! Rules are grouped by log source. Content defines the event types of a log source ([`LogSources`]); a group's rules
//! are compiled together, with a shared index, once there are events for them. So the cost of a run depends on its
//! event types, and not on the number of rules times the number of events.
//!
//! A rule's results have the form of an SPL detection's findings:
//!
//! | level of the rule | type | risk score |
//! | --- | --- | --- |
//! | critical | TTP | 90 |
//! | high | TTP | 70 |
//! | medium | Anomaly | 50 |
//! | low, or none given | Anomaly | 30 |
//! | informational | Hunting | 10 (adds no risk) |
//!
//! Matches of a rule that agree in machine, account and all fields that the rule names are one finding.

mod correlation;
mod encode;
mod engine;
mod logsource;
mod question;
mod rewrite;
mod row;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use crabwalk_events::catalog::ALWAYS;
use crabwalk_events::{Catalog, CatalogError, EventRef, Table};
use crabwalk_sources::collect::{Columns, Demand, HOST, OWN_DATA, alike};
use rsigma_parser::{CorrelationRule, FilterRule, FilterRuleTarget, Level, SigmaRule};

use crate::detection::{Detection, DetectionType, Language, RiskField, RiskObjectKind, Status};
use crate::error::RunError;
use crate::files::{is_yaml_name, walk};
use crate::finding::{self, Finding, MOST_EVENTS, RiskObject, ThreatObject};
use crate::origin::{ContentProblem, Origin};
use crate::workers::spread;
pub use engine::{Correlated, Correlator, Matcher as RuleMatcher};
use engine::{Matcher, Named};
use logsource::Entities;
pub use logsource::{FieldRule, LogSourceKey, LogSources, Piece, View};
use row::{EventRow, Layout, Rows};
pub use row::{Fields, Value};

/// One rule.
struct Rule {
    sigma: SigmaRule,
    detection: Arc<Detection>,
    key: LogSourceKey,
    named: Named,
    /// Only correlations need its matches.
    hidden: bool,
}

struct Correlation {
    sigma: CorrelationRule,
    detection: Arc<Detection>,
    /// Only other correlations need it.
    hidden: bool,
}

/// Sigma rules, correlations and filters.
#[derive(Default)]
pub struct SigmaRules {
    rules: Vec<Rule>,
    correlations: Vec<Correlation>,
    /// Filters, and their files.
    filters: Vec<(FilterRule, String)>,
    sources: Arc<LogSources>,
}

/// Rules of one log source.
struct Group {
    views: Vec<Arc<View>>,
    rules: Vec<usize>,
    named: Named,
}

/// What is known about the machine and account in an event.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct About {
    dest: Option<String>,
    user: Option<String>,
    src: Option<String>,
}

/// The parts of a finding, besides its events.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Key {
    rule: usize,
    about: About,
    fields: Vec<(String, Vec<String>)>,
}

/// A match that a correlation needs.
struct Wanted {
    seconds: i64,
    reference: u64,
    rule: usize,
    about: About,
    fields: BTreeMap<String, Vec<String>>,
}

#[derive(Default)]
struct Found {
    by_key: HashMap<Key, Vec<u64>>,
    wanted: Vec<Wanted>,
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
        let text = rewrite::quoted(text);
        let parsed = catch_unwind(AssertUnwindSafe(|| rsigma_parser::parse_sigma_yaml(&text)));
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
        // Rules replace those of earlier files. Within one file several may share an id: the parts of a collection
        // (`action: global`), each for another log source.
        let own: BTreeSet<&String> = collection
            .rules
            .iter()
            .map(|sigma| sigma.id.as_ref().unwrap_or(&sigma.title))
            .collect();
        self.rules.retain(|old| !own.contains(&old.detection.id));
        let mut parts: HashMap<String, usize> = HashMap::new();
        for mut sigma in collection.rules {
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
                        path.to_owned(),
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
                },
                path,
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
        for mut sigma in collection.correlations {
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
                },
                path,
                Vec::new(),
            ));
            self.correlations.retain(|old| old.detection.id != id);
            self.correlations.push(Correlation {
                sigma,
                detection,
                hidden: false,
            });
        }
        self.filters.extend(
            collection
                .filters
                .into_iter()
                .map(|filter| (filter, path.to_owned())),
        );
        true
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

    /// Whether there are no rules.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Rules and correlations as detections.
    pub fn detections(&self) -> impl Iterator<Item = &Arc<Detection>> {
        self.rules
            .iter()
            .map(|rule| &rule.detection)
            .chain(self.correlations.iter().map(|one| &one.detection))
    }

    /// Keeps the selected rules. Those that a selected correlation depends on stay, without their own findings.
    pub fn retain(&mut self, wanted: impl Fn(&Arc<Detection>) -> bool) {
        self.correlations.retain(|one| wanted(&one.detection));
        let needed: BTreeSet<String> = self
            .correlations
            .iter()
            .flat_map(|one| engine::rests_on(&one.sigma))
            .collect();
        self.rules.retain_mut(|rule| {
            let is_wanted = wanted(&rule.detection);
            rule.hidden |= !is_wanted;
            is_wanted || is_named(rule, &needed)
        });
    }

    /// The rules that cannot be compiled, and why.
    pub fn check(&self) -> Vec<ContentProblem> {
        self.rules
            .iter()
            .filter_map(|rule| {
                let error = engine::check(&rule.sigma).err()?;
                Some(broken(rule, &error))
            })
            .collect()
    }

    fn groups(&self) -> Vec<Group> {
        let mut by_key: BTreeMap<&LogSourceKey, Vec<(usize, &Rule)>> = BTreeMap::new();
        for (index, rule) in self.rules.iter().enumerate() {
            by_key.entry(&rule.key).or_default().push((index, rule));
        }
        let mut common = Named::default();
        for (filter, _) in &self.filters {
            common.detections(&filter.detection);
        }
        for one in &self.correlations {
            common.correlation(&one.sigma);
        }
        by_key
            .into_iter()
            .map(|(key, rules)| {
                let mut named = common.clone();
                for (_, rule) in &rules {
                    named.fields.extend(rule.named.fields.iter().cloned());
                    named.anywhere |= rule.named.anywhere;
                }
                Group {
                    views: self.sources.views(key),
                    rules: rules.into_iter().map(|(index, _)| index).collect(),
                    named,
                }
            })
            .collect()
    }

    /// The rules with these indices, each with its own.
    fn numbered(&self, indices: impl IntoIterator<Item = usize>) -> Vec<(usize, &SigmaRule)> {
        indices
            .into_iter()
            .filter_map(|index| Some((index, &self.rules.get(index)?.sigma)))
            .collect()
    }

    /// What the readers must decode for these rules.
    pub fn demand(&self) -> Box<dyn Demand> {
        Box::new(SigmaDemand {
            groups: self.groups(),
            sources: Arc::clone(&self.sources),
        })
    }

    /// Runs the rules over events. Returns findings, and rules that could not be compiled.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn run(
        &self,
        catalog: &dyn Catalog,
        threads: usize,
    ) -> Result<(Vec<Finding>, Vec<ContentProblem>), RunError> {
        let mut problems = Vec::new();
        let groups = self.groups();
        let mut used: Vec<(usize, &Group)> = Vec::new();
        let mut work: Vec<(usize, &Group, &Arc<View>, &Arc<Table>)> = Vec::new();
        for (index, group) in groups.iter().enumerate() {
            let before = work.len();
            for table in catalog.tables().iter().filter(|table| table.rows > 0) {
                let event_type = &table.event_type;
                if let Some(view) = group
                    .views
                    .iter()
                    .find(|view| view.matches(&event_type.channel, event_type.event_id))
                {
                    work.push((index, group, view, table));
                }
            }
            if work.len() > before {
                used.push((index, group));
            }
        }
        let filters: Vec<&FilterRule> = self.filters.iter().map(|(filter, _)| filter).collect();
        let compiled = spread(threads, used.iter(), &|(_, group)| {
            let rules = self.numbered(group.rules.iter().copied());
            engine::compile(&rules, &filters)
        })?;
        let mut matchers: BTreeMap<usize, Box<dyn Matcher>> = BTreeMap::new();
        for ((group, _), result) in used.iter().zip(compiled) {
            match result {
                Ok((matcher, errors)) => {
                    problems.extend(
                        errors.into_iter().filter_map(|(rule, error)| {
                            Some(broken(self.rules.get(rule)?, &error))
                        }),
                    );
                    matchers.insert(*group, matcher);
                }
                Err(panicked) => {
                    problems.push(problem(String::new(), format!("Sigma rules: {panicked}")))
                }
            }
        }
        let needed: BTreeSet<String> = self
            .correlations
            .iter()
            .flat_map(|one| engine::rests_on(&one.sigma))
            .collect();
        let correlated: BTreeSet<usize> = self
            .rules
            .iter()
            .enumerate()
            .filter(|(_, rule)| is_named(rule, &needed))
            .map(|(index, _)| index)
            .collect();
        let mut corr_fields = Named::default();
        for one in &self.correlations {
            corr_fields.correlation(&one.sigma);
        }
        let mut tasks = Vec::new();
        for (index, group, view, table) in work {
            let Some(matcher) = matchers.get(&index) else {
                continue;
            };
            let event_type = &table.event_type;
            let layout = Arc::new(Layout::new(
                &table.schema,
                event_type,
                view,
                &self.sources,
                group.named.fields.iter().map(String::as_str),
            ));
            let entities = self
                .sources
                .entities(&event_type.channel, event_type.event_id);
            tasks.push((matcher, layout, entities, table));
        }
        let batches = tasks.iter().flat_map(|task| {
            let (.., table) = task;
            catalog
                .scan(&table.event_type, &table.columns(), &ALWAYS)
                .map(move |events| (task, events))
        });
        let done = spread(threads, batches, &|(task, events)| {
            let (matcher, layout, entities, table) = task;
            let batch = events?
                .plain(&table.schema)
                .map_err(|error| CatalogError::new(&table.event_type, error))?;
            let rows = Rows::new(Arc::clone(layout), &batch);
            let mut found = Found::default();
            for row in 0..batch.num_rows() {
                let row = rows.row(row);
                if !row.belongs() {
                    continue;
                }
                for index in matcher.matches(&row) {
                    let Some(rule) = self.rules.get(index) else {
                        continue;
                    };
                    let corr_fields = correlated.contains(&index).then_some(&corr_fields);
                    self.note((index, rule), &row, entities, corr_fields, &mut found);
                }
            }
            Ok::<Found, CatalogError>(found)
        })?;
        let mut by_key: BTreeMap<Key, Vec<u64>> = BTreeMap::new();
        let mut wanted = Vec::new();
        for result in done {
            match result {
                Ok(Err(error)) => problems.push(problem(String::new(), error.to_string())),
                Ok(Ok(found)) => {
                    for (key, mut refs) in found.by_key {
                        by_key.entry(key).or_default().append(&mut refs);
                    }
                    wanted.extend(found.wanted);
                }
                Err(panicked) => {
                    problems.push(problem(String::new(), format!("Sigma rules: {panicked}")))
                }
            }
        }
        let mut findings: Vec<Finding> = by_key
            .into_iter()
            .filter_map(|(key, refs)| {
                let detection = Arc::clone(&self.rules.get(key.rule)?.detection);
                Some(make(detection, &[key.about], key.fields, refs, catalog))
            })
            .collect();
        findings.extend(self.correlate(wanted, catalog, &mut problems));
        Ok((findings, problems))
    }

    /// Notes a match. `corr_fields` is what correlations want to know of it, if any wants it.
    fn note(
        &self,
        (index, rule): (usize, &Rule),
        row: &EventRow<'_>,
        entities: &Entities,
        corr_fields: Option<&Named>,
        found: &mut Found,
    ) {
        let about = self.about(row, entities);
        if let Some(corr_fields) = corr_fields {
            found.wanted.push(Wanted {
                seconds: row.seconds(),
                reference: row.reference(),
                rule: index,
                about: about.clone(),
                fields: corr_fields
                    .fields
                    .iter()
                    .map(|name| (name.clone(), row.values(name)))
                    .filter(|(_, values)| !values.is_empty())
                    .collect(),
            });
        }
        if rule.hidden {
            return;
        }
        let fields = rule
            .named
            .fields
            .iter()
            .map(|name| (name.clone(), row.values(name)))
            .filter(|(_, values)| !values.is_empty())
            .collect();
        let key = Key {
            rule: index,
            about,
            fields,
        };
        found.by_key.entry(key).or_default().push(row.reference());
    }

    fn about(&self, row: &EventRow<'_>, entities: &Entities) -> About {
        let first = |columns: &[String]| {
            columns
                .iter()
                .filter_map(|column| row.column(column))
                .map(str::trim)
                .find(|value| !matches!(*value, "" | "-"))
        };
        let user = entities
            .user
            .iter()
            .filter_map(|column| row.column(column))
            .map(|value| value.rsplit('\\').next().unwrap_or(value).trim())
            .find(|value| !matches!(*value, "" | "-") && self.sources.is_account(value));
        About {
            dest: first(&entities.dest)
                .or_else(|| row.column(HOST))
                .map(str::to_owned),
            user: user.map(str::to_owned),
            src: first(&entities.src)
                .map(|value| value.strip_prefix("::ffff:").unwrap_or(value).to_owned()),
        }
    }
}

/// A match as correlations see it.
impl Fields for Wanted {
    fn field(&self, name: &str) -> Option<Value<'_>> {
        match self.fields.get(name)?.as_slice() {
            [] => None,
            [one] => Some(Value::One(one.into())),
            many => Some(Value::Many(many.iter().map(String::as_str).collect())),
        }
    }

    fn any_text(&self, visit: &mut dyn FnMut(&str) -> bool) -> bool {
        self.fields.values().flatten().any(|text| visit(text))
    }

    fn reference(&self) -> u64 {
        self.reference
    }
}

fn make(
    detection: Arc<Detection>,
    about: &[About],
    fields: Vec<(String, Vec<String>)>,
    mut refs: Vec<u64>,
    catalog: &dyn Catalog,
) -> Finding {
    refs.sort_unstable();
    refs.dedup();
    let event_count = refs.len() as u64;
    let mut events: Vec<EventRef> = refs
        .into_iter()
        .filter_map(|one| catalog.resolve(one))
        .collect();
    events.sort();
    let (first, last) = (
        events.first().map(|event| event.time),
        events.last().map(|event| event.time),
    );
    if events.len() > MOST_EVENTS {
        events.drain(MOST_EVENTS / 2..events.len() - MOST_EVENTS / 2);
    }
    let all = |get: fn(&About) -> Option<&String>| {
        let values: BTreeSet<&String> = about.iter().filter_map(get).collect();
        values.into_iter().cloned().collect::<Vec<String>>()
    };
    let dest = all(|about| about.dest.as_ref());
    let user = all(|about| about.user.as_ref());
    let src = all(|about| about.src.as_ref());
    let score = if detection.kind.adds_risk() {
        detection.risk_score
    } else {
        0
    };
    let objects = |kind: RiskObjectKind, values: &[String]| -> Vec<RiskObject> {
        values
            .iter()
            .map(|value| RiskObject {
                kind,
                value: value.clone(),
                score,
                calculated: score,
            })
            .collect()
    };
    let mut risk_objects = objects(RiskObjectKind::User, &user);
    risk_objects.extend(objects(RiskObjectKind::System, &dest));
    let threat_objects = fields
        .iter()
        .filter(|(name, _)| name == "Image")
        .flat_map(|(_, values)| values)
        .map(|value| ThreatObject {
            kind: "process_name".to_owned(),
            value: value.rsplit('\\').next().unwrap_or(value).to_owned(),
        })
        .collect();
    let mut message = detection.name.clone();
    for (word, values) in [("on", &dest), ("by", &user), ("from", &src)] {
        if !values.is_empty() {
            let few: Vec<&str> = values.iter().take(3).map(String::as_str).collect();
            let more = if values.len() > few.len() {
                " and others"
            } else {
                ""
            };
            message.push_str(&format!(" {word} {}{more}", few.join(", ")));
        }
    }
    let mut shown: Vec<(String, Vec<String>)> = [("dest", dest), ("user", user), ("src", src)]
        .into_iter()
        .filter(|(name, values)| !values.is_empty() && fields.iter().all(|(own, _)| own != name))
        .map(|(name, values)| (name.to_owned(), values))
        .collect();
    shown.extend(fields);
    let mut finding = Finding {
        id: String::new(),
        detection,
        first,
        last,
        message,
        risk_objects,
        threat_objects,
        fields: shown,
        events,
        event_count,
        count: 1,
        everyday: None,
        suppressed: None,
    };
    finding.id = finding::id(&finding);
    finding
}

fn is_named(rule: &Rule, names: &BTreeSet<String>) -> bool {
    names.contains(&rule.detection.id)
        || rule
            .sigma
            .name
            .as_ref()
            .is_some_and(|name| names.contains(name))
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

fn problem(path: String, message: String) -> ContentProblem {
    ContentProblem {
        path,
        line: None,
        column: None,
        message,
        fatal: true,
    }
}

fn broken(rule: &Rule, error: &str) -> ContentProblem {
    problem(
        rule.detection.origin.path.clone(),
        format!("`{}` cannot be used: {error}", rule.detection.name),
    )
}

/// The common metadata of rules and correlations.
#[derive(Clone, Copy)]
struct Metadata<'a> {
    id: &'a str,
    title: &'a str,
    level: Option<Level>,
    status: Option<rsigma_parser::Status>,
    description: Option<&'a str>,
    tags: &'a [String],
    references: &'a [String],
    falsepositives: &'a [String],
    date: Option<&'a str>,
}

fn describe(about: Metadata<'_>, path: &str, data_sources: Vec<String>) -> Detection {
    let (kind, risk_score) = match about.level {
        Some(Level::Critical) => (DetectionType::Ttp, 90),
        Some(Level::High) => (DetectionType::Ttp, 70),
        Some(Level::Medium) => (DetectionType::Anomaly, 50),
        Some(Level::Low) | None => (DetectionType::Anomaly, 30),
        Some(Level::Informational) => (DetectionType::Hunting, 10),
    };
    let status = match about.status {
        Some(rsigma_parser::Status::Experimental) => Status::Experimental,
        Some(rsigma_parser::Status::Deprecated | rsigma_parser::Status::Unsupported) => {
            Status::Deprecated
        }
        _ => Status::Production,
    };
    let score = if kind.adds_risk() { risk_score } else { 0 };
    let risk_field = |field: &str, kind| RiskField {
        field: field.to_owned(),
        kind,
        score,
    };
    Detection {
        id: about.id.to_owned(),
        name: about.title.trim().to_owned(),
        version: about.date.unwrap_or_default().to_owned(),
        kind,
        status,
        description: about.description.unwrap_or_default().trim().to_owned(),
        language: Language::Sigma,
        search: String::new(),
        stories: Vec::new(),
        techniques: techniques(about.tags),
        tactics: tactics(about.tags),
        throttling: None,
        message: String::new(),
        risk_fields: vec![
            risk_field("user", RiskObjectKind::User),
            risk_field("dest", RiskObjectKind::System),
        ],
        threat_fields: Vec::new(),
        risk_score,
        data_sources,
        references: about.references.to_vec(),
        how_to_implement: String::new(),
        known_false_positives: about.falsepositives.join("; "),
        recorded_attacks: Vec::new(),
        origin: Origin::file(path),
    }
}

/// ATT&CK techniques of tags such as `attack.t1021.002`.
fn techniques(tags: &[String]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for tag in tags {
        let Some(id) = tag
            .to_lowercase()
            .strip_prefix("attack.t")
            .map(|id| format!("T{id}"))
        else {
            continue;
        };
        let digits = id.trim_start_matches('T');
        let is_id = digits.starts_with(|c: char| c.is_ascii_digit())
            && digits.chars().all(|c| c.is_ascii_digit() || c == '.');
        if is_id && !all.contains(&id) {
            all.push(id);
        }
    }
    all
}

/// Tactics of tags such as `attack.lateral-movement` or `attack.lateral_movement`.
fn tactics(tags: &[String]) -> Vec<String> {
    tags.iter()
        .filter_map(|tag| {
            Some(
                tag.to_lowercase()
                    .strip_prefix("attack.")?
                    .replace('_', "-"),
            )
        })
        // `t1021.002`, `g0016`, `s0002` are techniques, groups and software.
        .filter(|name| !name.chars().any(|c| c.is_ascii_digit()))
        .collect()
}

struct SigmaDemand {
    groups: Vec<Group>,
    sources: Arc<LogSources>,
}

impl Demand for SigmaDemand {
    fn columns(&self, channel: &str, event_id: u32) -> Columns {
        let mut columns: BTreeSet<String> = BTreeSet::new();
        let mut any = false;
        for group in &self.groups {
            let Some(view) = group
                .views
                .iter()
                .find(|view| view.matches(channel, event_id))
            else {
                continue;
            };
            if group.named.anywhere {
                return Columns::All;
            }
            any = true;
            for name in &group.named.fields {
                match view.fields.get(name) {
                    Some(rule) => columns.extend(rule.columns().into_iter().map(str::to_owned)),
                    None => {
                        columns.insert(name.clone());
                        columns.insert(alike(name));
                        columns.insert(format!("{OWN_DATA}{name}"));
                        if let Some(rule) = self.sources.field(name) {
                            columns.extend(rule.columns().into_iter().map(str::to_owned));
                        }
                    }
                }
            }
            columns.extend(view.filter.iter().map(|(column, _)| column.clone()));
        }
        if !any {
            return Columns::None;
        }
        let entities = self.sources.entities(channel, event_id);
        for list in [&entities.user, &entities.src, &entities.dest] {
            columns.extend(list.iter().cloned());
        }
        Columns::Named(Arc::new(columns))
    }
}

/// Whether a YAML text is a rule, a correlation or a filter: checkouts also contain other YAML files.
fn is_rule(text: &str) -> bool {
    let has = |key: &str| text.lines().any(|line| line.starts_with(key));
    has("detection:") || has("correlation:") || has("filter:")
}

#[cfg(test)]
mod tests;
