//! Conclusions of correlations from the matches of rules.
//!
//! The library takes matches one by one and immediately reports what each completes. If a further match can undo that
//! (`not`, an upper bound), its result is checked against all matches of its time span, which are known here. For
//! percentiles it returns the value and leaves the comparison to us.

use std::collections::{BTreeMap, BTreeSet};

use crabwalk_events::Catalog;
use rsigma_parser::{
    ConditionExpr, ConditionOperator, CorrelationCondition, CorrelationRule, CorrelationType,
};

use super::engine;
use super::finding::make;
use super::matches::{About, Wanted};
use super::rules::{Correlation, SigmaRules, is_named, problem};
use crate::finding::Finding;
use crate::origin::ContentProblem;

/// A correlation's conclusion, for the correlations that depend on it.
struct Fired {
    /// Position of the correlation.
    correlation: usize,
    group: Vec<(String, String)>,
    events: Vec<u64>,
    /// When, seconds since 1970-01-01 UTC.
    seconds: i64,
}

/// Whether a correlation can run.
///
/// # Errors
/// Why not.
pub(super) fn check(rule: &CorrelationRule) -> Result<(), String> {
    let wants_field = matches!(
        rule.correlation_type,
        CorrelationType::ValueCount
            | CorrelationType::ValueSum
            | CorrelationType::ValueAvg
            | CorrelationType::ValueMedian
            | CorrelationType::ValuePercentile
    );
    match &rule.condition {
        CorrelationCondition::Threshold { field: None, .. } if wants_field => Err(format!(
            "a correlation of type {} needs `field` in its condition",
            rule.correlation_type.as_str()
        )),
        CorrelationCondition::Extended(_) if wants_field => Err(format!(
            "a correlation of type {} needs a threshold and `field` in its condition",
            rule.correlation_type.as_str()
        )),
        _ => Ok(()),
    }
}

/// Whether a correlation groups by one of some names.
pub(super) fn is_called(rule: &CorrelationRule, names: &BTreeSet<String>) -> bool {
    [&rule.id, &rule.name]
        .into_iter()
        .flatten()
        .any(|name| names.contains(name))
}

/// Whether the library's result for a correlation is not final.
pub(super) fn is_held_against_all(rule: &CorrelationRule) -> bool {
    rule.correlation_type == CorrelationType::ValuePercentile || can_be_undone(&rule.condition)
}

/// Whether a further match can undo a condition.
fn can_be_undone(condition: &CorrelationCondition) -> bool {
    fn has_not(expr: &ConditionExpr) -> bool {
        match expr {
            ConditionExpr::Not(_) => true,
            ConditionExpr::And(parts) | ConditionExpr::Or(parts) => parts.iter().any(has_not),
            ConditionExpr::Identifier(_) | ConditionExpr::Selector { .. } => false,
        }
    }
    match condition {
        CorrelationCondition::Extended(expr) => has_not(expr),
        CorrelationCondition::Threshold { predicates, .. } => {
            predicates.iter().any(|(operator, _)| {
                !matches!(operator, ConditionOperator::Gt | ConditionOperator::Gte)
            })
        }
    }
}

fn holds(predicates: &[(ConditionOperator, u64)], value: f64) -> bool {
    predicates.iter().all(|(operator, bound)| {
        #[expect(
            clippy::cast_precision_loss,
            reason = "bounds of rules are far below where a number loses digits"
        )]
        let order = value.total_cmp(&(*bound as f64));
        match operator {
            ConditionOperator::Lt => order.is_lt(),
            ConditionOperator::Lte => order.is_le(),
            ConditionOperator::Gt => order.is_gt(),
            ConditionOperator::Gte => order.is_ge(),
            ConditionOperator::Eq => order.is_eq(),
            ConditionOperator::Neq => order.is_ne(),
        }
    })
}

/// A number of matches or values.
fn count(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::MAX, f64::from)
}

/// Whether a percentile meets its rule's condition; the library compares other values itself.
fn value_holds(rule: &CorrelationRule, value: &str) -> bool {
    match &rule.condition {
        CorrelationCondition::Threshold { predicates, .. }
            if rule.correlation_type == CorrelationType::ValuePercentile =>
        {
            value.parse().is_ok_and(|value| holds(predicates, value))
        }
        _ => true,
    }
}

impl SigmaRules {
    /// The findings of the correlations over the matches they need.
    pub(super) fn correlate(
        &self,
        mut wanted: Vec<Wanted>,
        catalog: &dyn Catalog,
        problems: &mut Vec<ContentProblem>,
    ) -> Vec<Finding> {
        if wanted.is_empty() {
            return Vec::new();
        }
        let rules: BTreeSet<usize> = wanted.iter().map(|one| one.rule).collect();
        let rules = self.numbered(rules);
        let correlations: Vec<CorrelationRule> = self
            .correlations
            .iter()
            .map(|one| one.sigma.clone())
            .collect();
        let mut correlator = match engine::correlate(&rules, &correlations) {
            Ok(correlator) => correlator,
            Err(message) => {
                problems.push(problem("Sigma correlations".to_owned(), message));
                return Vec::new();
            }
        };
        wanted.sort_by_key(|one| (one.seconds, one.reference, one.rule));
        let by_reference: BTreeMap<u64, &Wanted> =
            wanted.iter().map(|one| (one.reference, one)).collect();
        let mut concluded: Vec<Fired> = Vec::new();
        let mut findings = Vec::new();
        for one in &wanted {
            for done in correlator.take(one.rule, one, one.seconds) {
                let Some((at, correlation)) = self
                    .correlations
                    .iter()
                    .enumerate()
                    .find(|(_, own)| own.detection.id == done.id)
                else {
                    continue;
                };
                let mut events = done.events;
                self.add_concluded(
                    &mut events,
                    correlation,
                    &done.group,
                    one.seconds,
                    &concluded,
                );
                if events.is_empty() {
                    events.push(one.reference);
                }
                if is_held_against_all(&correlation.sigma) {
                    let span = correlation.sigma.timespan.seconds;
                    let again = concluded.iter().rev().any(|past| {
                        past.correlation == at
                            && past.group == done.group
                            && one.seconds.abs_diff(past.seconds) < span
                    });
                    if again || !value_holds(&correlation.sigma, &done.value) {
                        continue;
                    }
                    let first = events
                        .iter()
                        .filter_map(|reference| by_reference.get(reference))
                        .map(|one| one.seconds)
                        .min()
                        .unwrap_or(one.seconds);
                    if !self.still_holds(correlation, &done.group, first, &wanted) {
                        continue;
                    }
                }
                concluded.push(Fired {
                    correlation: at,
                    group: done.group.clone(),
                    events: events.clone(),
                    seconds: one.seconds,
                });
                if correlation.hidden {
                    continue;
                }
                let about: BTreeSet<About> = events
                    .iter()
                    .filter_map(|reference| by_reference.get(reference))
                    .map(|one| one.about.clone())
                    .collect();
                let about: Vec<About> = about.into_iter().collect();
                let mut fields: Vec<(String, Vec<String>)> = done
                    .group
                    .into_iter()
                    .map(|(name, value)| (name, vec![value]))
                    .collect();
                fields.push(("count".to_owned(), vec![done.value]));
                let detection = std::sync::Arc::clone(&correlation.detection);
                findings.push(make(detection, &about, fields, events, catalog));
            }
        }
        findings
    }

    /// Adds the events of the correlations that this one depends on.
    fn add_concluded(
        &self,
        events: &mut Vec<u64>,
        correlation: &Correlation,
        group: &[(String, String)],
        seconds: i64,
        concluded: &[Fired],
    ) {
        let names = engine::rests_on(&correlation.sigma);
        let span = i64::try_from(correlation.sigma.timespan.seconds).unwrap_or(i64::MAX);
        for past in concluded {
            let is_meant = self
                .correlations
                .get(past.correlation)
                .is_some_and(|inner| is_called(&inner.sigma, &names));
            let agrees = past.group.iter().all(|(name, value)| {
                group
                    .iter()
                    .all(|(own, theirs)| own != name || theirs == value)
            });
            if is_meant && agrees && seconds.saturating_sub(past.seconds) <= span {
                events.extend(&past.events);
            }
        }
    }

    /// Whether a correlation's result for matches from `first` on still holds at the end of its time span.
    fn still_holds(
        &self,
        correlation: &Correlation,
        group: &[(String, String)],
        first: i64,
        wanted: &[Wanted],
    ) -> bool {
        let rule = &correlation.sigma;
        let span = i64::try_from(rule.timespan.seconds).unwrap_or(i64::MAX);
        let names = engine::rests_on(rule);
        let within: Vec<&Wanted> = wanted
            .iter()
            .filter(|one| one.seconds >= first && one.seconds <= first.saturating_add(span))
            .filter(|one| self.is_match_of(one, &names))
            .filter(|one| self.is_in_group(rule, group, one))
            .collect();
        match &rule.condition {
            CorrelationCondition::Extended(expr) => self.is_true(expr, &within),
            CorrelationCondition::Threshold {
                predicates, field, ..
            } => match (rule.correlation_type, field) {
                (CorrelationType::EventCount, _) => holds(predicates, count(within.len())),
                (CorrelationType::ValueCount, Some(fields)) => {
                    let values: BTreeSet<Vec<Option<&Vec<String>>>> = within
                        .iter()
                        .map(|one| fields.iter().map(|name| one.fields.get(name)).collect())
                        .collect();
                    holds(predicates, count(values.len()))
                }
                _ => true,
            },
        }
    }

    fn is_true(&self, expr: &ConditionExpr, within: &[&Wanted]) -> bool {
        match expr {
            ConditionExpr::And(parts) => parts.iter().all(|part| self.is_true(part, within)),
            ConditionExpr::Or(parts) => parts.iter().any(|part| self.is_true(part, within)),
            ConditionExpr::Not(part) => !self.is_true(part, within),
            ConditionExpr::Identifier(name) => {
                let name = BTreeSet::from([name.clone()]);
                within.iter().any(|one| self.is_match_of(one, &name))
            }
            ConditionExpr::Selector { .. } => true,
        }
    }

    /// Whether the rule that matched is one of these.
    fn is_match_of(&self, one: &Wanted, names: &BTreeSet<String>) -> bool {
        let rule = self.rules.get(one.rule);
        rule.is_some_and(|rule| is_named(rule, names))
    }

    fn is_in_group(
        &self,
        rule: &CorrelationRule,
        group: &[(String, String)],
        one: &Wanted,
    ) -> bool {
        group.iter().all(|(name, value)| {
            let field = rule
                .aliases
                .iter()
                .filter(|alias| alias.alias == *name)
                .flat_map(|alias| &alias.mapping)
                .find(|(rule, _)| self.is_match_of(one, &BTreeSet::from([(*rule).clone()])))
                .map_or(name, |(_, field)| field);
            one.fields
                .get(field)
                .is_some_and(|values| values.iter().any(|own| own == value))
        })
    }
}
