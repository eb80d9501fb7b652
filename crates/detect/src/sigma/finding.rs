//! A finding from the matches of a rule that agree.

use std::collections::BTreeSet;
use std::sync::Arc;

use crabwalk_events::{Catalog, EventRef};

use super::matches::About;
use crate::detection::{Detection, RiskObjectKind};
use crate::finding::{self, Finding, MOST_EVENTS, RiskObject, ThreatObject};

pub(super) fn make(
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
