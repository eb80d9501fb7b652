//! Running rules over events: each table through the compiled rules of its log source, batch by batch.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crabwalk_events::catalog::ALWAYS;
use crabwalk_events::{Catalog, CatalogError, Table};
use crabwalk_sources::collect::HOST;
use rsigma_parser::FilterRule;

use super::engine::{self, Matcher, Named};
use super::finding::make;
use super::group::Group;
use super::logsource::{Entities, View};
use super::matches::{About, Found, Key, Wanted};
use super::row::{EventRow, Fields, Layout, Rows};
use super::rules::{Rule, SigmaRules, broken, is_named, problem};
use crate::error::RunError;
use crate::finding::Finding;
use crate::origin::ContentProblem;
use crate::workers::spread;

impl SigmaRules {
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
