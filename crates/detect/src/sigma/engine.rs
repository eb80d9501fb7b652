//! The only module that uses the Sigma library: compiling rules, and matching them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use rsigma_eval::{
    CorrelationConfig, CorrelationEngine, CorrelationEventMode, DetectionBody, Engine,
    EvaluationResult, Event, EventValue, ResultBody, RuleHeader,
};
use rsigma_parser::{
    ConditionExpr, ConditionOperator, CorrelationCondition, CorrelationRule, CorrelationType,
    Detection, DetectionItem, Detections, FilterRule, FilterRuleTarget, Modifier, SigmaRule,
    SigmaValue,
};

use super::correlation;
use super::question::Questions;
use super::rewrite;
use super::row::{Fields, Value};

/// Compiled rules of one log source.
pub trait Matcher: Send + Sync {
    /// Indices of the rules that match an event, ascending.
    fn matches(&self, event: &dyn Fields) -> Vec<usize>;
}

/// Conclusions of correlation rules from the matches of others.
pub trait Correlator {
    /// Takes a match of a rule at a time (seconds since 1970-01-01 UTC, not decreasing), and returns what it completes.
    fn take(&mut self, rule: usize, event: &dyn Fields, seconds: i64) -> Vec<Correlated>;
}

/// A correlation rule that fired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Correlated {
    /// Id of the correlation rule.
    pub id: String,
    /// The fields that the matches share, with their values.
    pub group: Vec<(String, String)>,
    /// References of the events, see [`Fields::reference`].
    pub events: Vec<u64>,
    /// What was counted, as text.
    pub value: String,
}

/// A row for the library.
struct Seen<'a> {
    event: &'a dyn Fields,
    questions: Option<&'a Questions>,
}

fn value(value: Value<'_>) -> EventValue<'_> {
    match value {
        Value::One(text) => EventValue::Str(text),
        Value::Many(texts) => EventValue::Array(
            texts
                .into_iter()
                .map(|text| EventValue::Str(Cow::Borrowed(text)))
                .collect(),
        ),
    }
}

impl Event for Seen<'_> {
    fn get_field(&self, path: &str) -> Option<EventValue<'_>> {
        let answer = self
            .questions
            .and_then(|questions| questions.answer(path, self.event));
        match answer {
            Some(answer) => answer.map(value),
            None => self.event.field(path).map(value),
        }
    }

    fn any_string_value(&self, pred: &dyn Fn(&str) -> bool) -> bool {
        self.event.any_text(&mut |text| pred(text))
    }

    fn all_string_values(&self) -> Vec<Cow<'_, str>> {
        let mut all = Vec::new();
        self.event.any_text(&mut |text| {
            all.push(Cow::Owned(text.to_owned()));
            false
        });
        all
    }

    fn visit_string_values(&self, visit: &mut dyn FnMut(&str)) {
        self.event.any_text(&mut |text| {
            visit(text);
            false
        });
    }

    /// What correlations keep of an event: its identity is enough to find it again.
    fn to_json(&self) -> serde_json::Value {
        serde_json::json!({ "id": self.event.reference().to_string() })
    }
}

struct Rules {
    engine: Engine,
    questions: Questions,
    by_id: HashMap<String, usize>,
}

impl Matcher for Rules {
    fn matches(&self, event: &dyn Fields) -> Vec<usize> {
        let mut found: Vec<usize> = self
            .engine
            .evaluate(&Seen {
                event,
                questions: Some(&self.questions),
            })
            .into_iter()
            .filter_map(|one| self.by_id.get(one.header.rule_id.as_deref()?).copied())
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// Compiles the rules of a log source. Every rule must have a unique id.
///
/// # Errors
/// The index in `rules` and the reason, for each that cannot be compiled; the others are compiled.
pub(super) fn compile(
    rules: &[(usize, &SigmaRule)],
    filters: &[&FilterRule],
) -> (Box<dyn Matcher>, Vec<(usize, String)>) {
    let mut engine = Engine::new();
    let mut questions = Questions::default();
    let mut errors: Vec<(usize, String)> = Vec::new();
    let mut readable: Vec<(usize, SigmaRule)> = Vec::with_capacity(rules.len());
    for (index, rule) in rules {
        match rewrite::rule(rule, &mut questions) {
            Ok(rule) => readable.push((*index, rule)),
            Err(error) => errors.push((*index, error)),
        }
    }
    errors.extend(
        engine
            .add_rules(readable.iter().map(|(_, rule)| rule))
            .into_iter()
            .filter_map(|(at, error)| Some((readable.get(at)?.0, error.to_string()))),
    );
    for filter in filters {
        // A filter that cannot be compiled would leave its rules without their exceptions.
        let meant = |rule: &SigmaRule| match &filter.rules {
            FilterRuleTarget::Any => true,
            FilterRuleTarget::Specific(names) => names.iter().any(|name| {
                rule.id.as_ref() == Some(name)
                    || rule.name.as_ref() == Some(name)
                    || rule.title == *name
            }),
        };
        let Some((first, _)) = rules.iter().find(|(_, rule)| meant(rule)) else {
            continue;
        };
        let applied = rewrite::filter(filter, &mut questions).and_then(|filter| {
            engine
                .apply_filter(&filter)
                .map_err(|error| error.to_string())
        });
        if let Err(error) = applied {
            errors.push((*first, format!("its filter `{}`: {error}", filter.title)));
        }
    }
    let by_id = rules
        .iter()
        .filter_map(|(index, rule)| Some((rule.id.clone()?, *index)))
        .collect();
    let rules = Rules {
        engine,
        questions,
        by_id,
    };
    (Box::new(rules), errors)
}

/// Separates a rule's id from the number of its part. No id contains it.
const PART: char = '\u{1}';

/// A unique id for a further part of a rule collection with one id.
pub(super) fn part_id(id: &str, part: usize) -> String {
    format!("{id}{PART}{part}")
}

/// Whether a rule can be compiled.
///
/// # Errors
/// Why not.
pub(super) fn check(rule: &SigmaRule) -> Result<(), String> {
    let rule = rewrite::rule(rule, &mut Questions::default())?;
    rsigma_eval::compile_rule(&rule)
        .map(drop)
        .map_err(|error| error.to_string())
}

struct Correlations {
    engine: CorrelationEngine,
    headers: BTreeMap<usize, RuleHeader>,
}

/// Maximum number of events that a correlation lists.
const MOST_EVENTS: usize = crate::finding::MOST_EVENTS;

/// Compiles correlation rules over the rules they name.
///
/// # Errors
/// Why they cannot be compiled.
pub(super) fn correlate(
    rules: &[(usize, &SigmaRule)],
    correlations: &[CorrelationRule],
) -> Result<Box<dyn Correlator>, String> {
    let mut engine = CorrelationEngine::new(CorrelationConfig {
        correlation_event_mode: CorrelationEventMode::Refs,
        max_correlation_events: MOST_EVENTS,
        max_state_entries: 1_000_000,
        max_group_entries: Some(1_000_000),
        ..CorrelationConfig::default()
    });
    let mut questions = Questions::default();
    for (_, rule) in rules {
        let rule = rewrite::rule(rule, &mut questions)?;
        engine.add_rule(&rule).map_err(|error| error.to_string())?;
    }
    for one in correlations {
        let mut one = one.clone();
        // Without a condition all rules must have matched. The library considers one of them enough.
        if one.correlation_type == CorrelationType::Temporal
            && let CorrelationCondition::Threshold {
                predicates,
                field: None,
                ..
            } = &mut one.condition
            && *predicates == [(ConditionOperator::Gte, 1)]
        {
            *predicates = vec![(ConditionOperator::Gte, one.rules.len() as u64)];
        }
        // One finding per time span, not per further event. If a result may be rejected later, the next one is needed.
        if !correlation::is_held_against_all(&one) {
            one.custom_attributes
                .entry("rsigma.suppress".to_owned())
                .or_insert_with(|| format!("{}s", one.timespan.seconds.max(1)).into());
        }
        engine
            .add_correlation(&one)
            .map_err(|error| format!("{}: {error}", one.title))?;
    }
    let headers = rules
        .iter()
        .map(|(index, rule)| {
            let header = RuleHeader {
                rule_title: rule.title.clone(),
                rule_id: rule
                    .id
                    .as_ref()
                    .map(|id| id.split(PART).next().unwrap_or(id).to_owned()),
                level: rule.level,
                tags: Vec::new(),
                custom_attributes: std::sync::Arc::default(),
                enrichments: None,
            };
            (*index, header)
        })
        .collect();
    Ok(Box::new(Correlations { engine, headers }))
}

impl Correlator for Correlations {
    fn take(&mut self, rule: usize, event: &dyn Fields, seconds: i64) -> Vec<Correlated> {
        let Some(header) = self.headers.get(&rule) else {
            return Vec::new();
        };
        let detection = EvaluationResult {
            header: header.clone(),
            body: ResultBody::Detection(DetectionBody {
                matched_selections: Vec::new(),
                matched_fields: Vec::new(),
                event: None,
            }),
        };
        self.engine
            .process_with_detections(
                &Seen {
                    event,
                    questions: None,
                },
                vec![detection],
                seconds,
            )
            .into_iter()
            .filter_map(|result| {
                let body = result.as_correlation()?;
                Some(Correlated {
                    id: result.header.rule_id.clone()?,
                    group: body.group_key.clone(),
                    events: body
                        .event_refs
                        .iter()
                        .flatten()
                        .filter_map(|event| event.id.as_ref()?.parse().ok())
                        .collect(),
                    value: body.aggregated_value.to_string(),
                })
            })
            .collect()
    }
}

/// The fields that rules name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) fields: BTreeSet<String>,
    /// Whether it searches for words anywhere in the event.
    pub(super) anywhere: bool,
}

impl Named {
    pub(super) fn detections(&mut self, detections: &Detections) {
        for detection in detections.named.values() {
            self.detection(detection);
        }
    }

    fn detection(&mut self, detection: &Detection) {
        match detection {
            Detection::AllOf(items) => items.iter().for_each(|item| self.item(item)),
            Detection::AnyOf(all) | Detection::And(all) => {
                all.iter().for_each(|one| self.detection(one));
            }
            Detection::Keywords(_) => self.anywhere = true,
            Detection::ArrayMatch { field, body, .. } => {
                self.fields.insert(field.clone());
                self.detection(body);
            }
            Detection::Conditional { named, .. } => {
                named.values().for_each(|one| self.detection(one));
            }
        }
    }

    fn item(&mut self, item: &DetectionItem) {
        match &item.field.name {
            Some(name) => {
                self.fields.insert(name.clone());
            }
            None => self.anywhere = true,
        }
        if item.field.has_modifier(Modifier::FieldRef) {
            for value in &item.values {
                if let SigmaValue::String(text) = value
                    && let Some(name) = text.as_plain()
                {
                    self.fields.insert(name);
                }
            }
        }
    }

    pub(super) fn correlation(&mut self, rule: &CorrelationRule) {
        let aliases: BTreeSet<&String> = rule.aliases.iter().map(|alias| &alias.alias).collect();
        for field in &rule.group_by {
            if !aliases.contains(field) {
                self.fields.insert(field.clone());
            }
        }
        for alias in &rule.aliases {
            self.fields.extend(alias.mapping.values().cloned());
        }
        if let CorrelationCondition::Threshold {
            field: Some(fields),
            ..
        } = &rule.condition
        {
            self.fields.extend(fields.iter().cloned());
        }
    }
}

/// The rules that a correlation depends on, by id or name, including those in its condition.
pub(super) fn rests_on(rule: &CorrelationRule) -> BTreeSet<String> {
    fn walk(condition: &ConditionExpr, all: &mut BTreeSet<String>) {
        match condition {
            ConditionExpr::And(parts) | ConditionExpr::Or(parts) => {
                parts.iter().for_each(|part| walk(part, all));
            }
            ConditionExpr::Not(part) => walk(part, all),
            ConditionExpr::Identifier(name) => {
                all.insert(name.clone());
            }
            ConditionExpr::Selector { .. } => {}
        }
    }
    let mut all: BTreeSet<String> = rule.rules.iter().cloned().collect();
    if let CorrelationCondition::Extended(condition) = &rule.condition {
        walk(condition, &mut all);
    }
    all
}
