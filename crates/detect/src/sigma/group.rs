//! Rules by log source, and what they need decoded.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crabwalk_sources::collect::{Columns, Demand, OWN_DATA, alike};
use rsigma_parser::SigmaRule;

use super::engine::Named;
use super::logsource::{LogSourceKey, LogSources, View};
use super::rules::{Rule, SigmaRules};

/// Rules of one log source.
pub(super) struct Group {
    pub(super) views: Vec<Arc<View>>,
    pub(super) rules: Vec<usize>,
    pub(super) named: Named,
}

impl SigmaRules {
    pub(super) fn groups(&self) -> Vec<Group> {
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
    pub(super) fn numbered(
        &self,
        indices: impl IntoIterator<Item = usize>,
    ) -> Vec<(usize, &SigmaRule)> {
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
