//! A set of rules, correlations and filters, and which of them are wanted.

use std::collections::BTreeSet;
use std::sync::Arc;

use rsigma_parser::{CorrelationRule, FilterRule, SigmaRule};

use super::engine::{self, Named};
use super::logsource::{LogSourceKey, LogSources};
use crate::detection::Detection;
use crate::origin::ContentProblem;

/// One rule.
pub(super) struct Rule {
    pub(super) sigma: SigmaRule,
    pub(super) detection: Arc<Detection>,
    pub(super) key: LogSourceKey,
    pub(super) named: Named,
    /// Only correlations need its matches.
    pub(super) hidden: bool,
}

pub(super) struct Correlation {
    pub(super) sigma: CorrelationRule,
    pub(super) detection: Arc<Detection>,
    /// Only other correlations need it.
    pub(super) hidden: bool,
}

/// Sigma rules, correlations and filters.
#[derive(Default)]
pub struct SigmaRules {
    pub(super) rules: Vec<Rule>,
    pub(super) correlations: Vec<Correlation>,
    /// Filters, and their files.
    pub(super) filters: Vec<(FilterRule, String)>,
    pub(super) sources: Arc<LogSources>,
}

impl SigmaRules {
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

    /// How far back a correlation looks, in microseconds; none for a rule, which judges single events.
    pub fn lookback(&self, detection: &Arc<Detection>) -> Option<i64> {
        let mut all = self.correlations.iter();
        let found = all.find(|one| Arc::ptr_eq(&one.detection, detection))?;
        let seconds = i64::try_from(found.sigma.timespan.seconds).unwrap_or(i64::MAX);
        Some(seconds.saturating_mul(1_000_000))
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
}

pub(super) fn is_named(rule: &Rule, names: &BTreeSet<String>) -> bool {
    names.contains(&rule.detection.id)
        || rule
            .sigma
            .name
            .as_ref()
            .is_some_and(|name| names.contains(name))
}

pub(super) fn problem(path: String, message: String) -> ContentProblem {
    ContentProblem {
        path,
        line: None,
        column: None,
        message,
        fatal: true,
        detection: None,
    }
}

pub(super) fn broken(rule: &Rule, error: &str) -> ContentProblem {
    problem(
        rule.detection.origin.path.clone(),
        format!("`{}` cannot be used: {error}", rule.detection.name),
    )
    .of(&rule.detection.id)
}
