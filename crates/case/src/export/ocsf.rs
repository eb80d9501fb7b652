//! Detection Findings of the Open Cybersecurity Schema Framework, version 1.5.0
//! (<https://schema.ocsf.io/1.5.0/classes/detection_finding>), one JSON document per line.
//!
//! Each finding that no exception hides is one, and each path that the verdict reports: OCSF has no class for movement,
//! so a path is a finding whose evidence is its movements. `finding_info.uid` is the same in each run over the same logs,
//! so that a lake can drop what it has. What OCSF has no place for, such as the columns of a finding's row, is in
//! `unmapped`.

use std::io::{self, Write};

use crabwalk_detect::attack::{self, ATTACK_VERSION};
use crabwalk_vocabulary::{Severity, is_address, time};
use serde_json::{Map, Value, json};

use super::id;
use super::record::record;
use crate::document::{Case, FindingInfo, HopInfo, PathInfo, RiskObjectInfo};
use crate::names::Names;
use crate::sentences::hops_of;
use crabwalk_detect::RiskObjectKind;

/// The version of OCSF that is written.
const VERSION: &str = "1.5.0";
/// Maximum pieces of evidence of a finding; all are counted.
const MOST_EVIDENCE: usize = 50;

/// Writes findings and reported paths.
///
/// # Errors
/// What writing gives.
pub fn ocsf(case: &Case, mut out: impl Write) -> io::Result<()> {
    let names = Names::new(case);
    for path in case.paths.iter().filter(|path| path.told) {
        crate::json::to_json_line(&of_path(case, &names, path), &mut out)?;
    }
    for finding in case
        .findings
        .iter()
        .filter(|finding| finding.suppressed.is_none())
    {
        crate::json::to_json_line(&of_finding(case, &names, finding), &mut out)?;
    }
    out.flush()
}

/// Milliseconds since 1970-01-01 UTC, OCSF's `timestamp_t`.
fn millis(time: Option<&str>) -> Option<i64> {
    Some(time::parse(time?)?.div_euclid(1000))
}

/// `severity_id`, and its caption.
fn severity(severity: Severity) -> (u8, &'static str) {
    match severity {
        Severity::Informational => (1, "Informational"),
        Severity::Low => (2, "Low"),
        Severity::Medium => (3, "Medium"),
        Severity::High => (4, "High"),
        Severity::Critical => (5, "Critical"),
    }
}

/// `lateral-movement` as `Lateral Movement`.
fn caption(tactic: &str) -> String {
    tactic
        .split('-')
        .map(|word| match word {
            "and" => word.to_owned(),
            word => {
                let mut letters = word.chars();
                let first = letters.next().map(|first| first.to_ascii_uppercase());
                first.into_iter().chain(letters).collect()
            }
        })
        .collect::<Vec<_>>()
        .join(" ")
}

/// An `attack` object.
fn technique(id: &str) -> Value {
    let mut attack = Map::new();
    attack.insert("version".to_owned(), ATTACK_VERSION.into());
    let parent = id.split('.').next().unwrap_or(id);
    let named = |id: &str| {
        let known = attack::technique(id).filter(|_| attack::is_known(id));
        match known {
            Some(known) => json!({"uid": id, "name": known.name}),
            None => json!({ "uid": id }),
        }
    };
    attack.insert("technique".to_owned(), named(parent));
    if parent != id {
        attack.insert("sub_technique".to_owned(), named(id));
    }
    if let Some(known) = attack::technique(id) {
        let tactics = known
            .tactics
            .iter()
            .map(|tactic| json!({"name": caption(tactic)}));
        attack.insert("tactics".to_owned(), tactics.collect());
    }
    Value::Object(attack)
}

/// A `resource_details` object of a host.
fn host_resource(names: &Names<'_>, id: &str) -> Value {
    let mut resource = Map::new();
    resource.insert("type".to_owned(), "host".into());
    resource.insert("uid".to_owned(), id.into());
    resource.insert("name".to_owned(), names.host(id).into());
    if let Some(host) = names.host_info(id) {
        if let Some(name) = host.names.iter().find(|name| !is_address(name)) {
            resource.insert("hostname".to_owned(), name.as_str().into());
        }
        if let Some(ip) = host.ips.first() {
            resource.insert("ip".to_owned(), ip.as_str().into());
        }
    }
    Value::Object(resource)
}

fn account_resource(name: &str, sid: Option<&str>) -> Value {
    let mut resource = Map::new();
    resource.insert("type".to_owned(), "user".into());
    resource.insert("name".to_owned(), name.into());
    if let Some(sid) = sid {
        resource.insert("uid".to_owned(), sid.into());
    }
    Value::Object(resource)
}

/// A `user` object.
fn user(names: &Names<'_>, id: &str) -> Value {
    let mut user = Map::new();
    let name = names.account(id);
    match name.split_once('\\') {
        Some((domain, name)) => {
            user.insert("name".to_owned(), name.into());
            user.insert("domain".to_owned(), domain.into());
        }
        None => {
            user.insert("name".to_owned(), name.into());
        }
    }
    if let Some(sid) = names
        .account_info(id)
        .and_then(|account| account.sid.as_deref())
    {
        user.insert("uid".to_owned(), sid.into());
    }
    Value::Object(user)
}

/// A `network_endpoint` object.
fn endpoint(names: &Names<'_>, id: &str) -> Value {
    let mut endpoint = Map::new();
    endpoint.insert("uid".to_owned(), id.into());
    endpoint.insert("name".to_owned(), names.host(id).into());
    let host = names.host_info(id);
    if let Some(name) = host.and_then(|host| host.names.iter().find(|name| !is_address(name))) {
        endpoint.insert("hostname".to_owned(), name.as_str().into());
    }
    if let Some(ip) = host.and_then(|host| host.ips.first()) {
        endpoint.insert("ip".to_owned(), ip.as_str().into());
    }
    Value::Object(endpoint)
}

/// What all documents share.
struct Head<'a> {
    uid: &'a str,
    title: &'a str,
    message: &'a str,
    description: &'a str,
    severity: Severity,
    risk: u64,
    first: Option<&'a str>,
    last: Option<&'a str>,
    alert: bool,
    techniques: Vec<&'a str>,
    analytic: Value,
    kind: &'a str,
    count: u64,
}

fn document(case: &Case, head: Head<'_>) -> Map<String, Value> {
    let created = millis(Some(&case.created)).unwrap_or(0);
    let (first, last) = (millis(head.first), millis(head.last));
    let (severity_id, severity) = severity(head.severity);
    let attacks: Vec<Value> = head.techniques.iter().map(|id| technique(id)).collect();
    let mut info = Map::new();
    for (name, value) in [
        ("uid", Value::from(head.uid)),
        ("title", head.title.into()),
        ("desc", head.description.into()),
        ("types", json!([head.kind])),
        ("analytic", head.analytic),
        ("attacks", attacks.into()),
        ("created_time", created.into()),
        ("related_events_count", head.count.into()),
    ] {
        info.insert(name.to_owned(), value);
    }
    for (name, value) in [("first_seen_time", first), ("last_seen_time", last)] {
        if let Some(value) = value {
            info.insert(name.to_owned(), value.into());
        }
    }
    let mut document = Map::new();
    for (name, value) in [
        ("category_uid", Value::from(2)),
        ("category_name", "Findings".into()),
        ("class_uid", 2004.into()),
        ("class_name", "Detection Finding".into()),
        ("activity_id", 1.into()),
        ("activity_name", "Create".into()),
        ("type_uid", 200_401.into()),
        ("type_name", "Detection Finding: Create".into()),
        // The time of what was found; the hunt's, if no record has one.
        ("time", first.unwrap_or(created).into()),
        ("severity_id", severity_id.into()),
        ("severity", severity.into()),
        ("status_id", 1.into()),
        ("status", "New".into()),
        ("is_alert", head.alert.into()),
        ("message", head.message.into()),
        ("risk_score", head.risk.into()),
        (
            "metadata",
            json!({
                "version": VERSION,
                "uid": head.uid,
                "logged_time": created,
                "product": {"name": case.tool.name, "vendor_name": "Crabwalk", "version": case.tool.version},
            }),
        ),
        ("finding_info", Value::Object(info)),
    ] {
        document.insert(name.to_owned(), value);
    }
    for (name, value) in [("start_time", first), ("end_time", last)] {
        if let Some(value) = value {
            document.insert(name.to_owned(), value.into());
        }
    }
    document
}

fn of_finding(case: &Case, names: &Names<'_>, finding: &FindingInfo) -> Value {
    let mut document = document(
        case,
        Head {
            uid: &finding.id,
            title: &finding.detection,
            message: &finding.message,
            description: &finding.description,
            severity: finding.severity,
            risk: u64::from(finding.risk_score),
            first: finding.first.as_deref(),
            last: finding.last.as_deref(),
            alert: finding.notable,
            techniques: finding.techniques.iter().map(String::as_str).collect(),
            // A rule, the `type_id` 1.
            analytic: json!({"name": finding.detection, "uid": finding.detection_id, "type_id": 1, "type": "Rule"}),
            kind: finding.kind.name(),
            count: finding.event_count,
        },
    );
    let hosts = finding.hosts.iter().map(|id| host_resource(names, id));
    let users = |object: &&RiskObjectInfo| object.kind == RiskObjectKind::User;
    let users = finding
        .risk_objects
        .iter()
        .filter(users)
        .map(|object| account_resource(&object.value, None));
    document.insert("resources".to_owned(), hosts.chain(users).collect());
    let evidence = finding.events.iter().take(MOST_EVIDENCE).map(|event| {
        let data = record(case, event);
        // `type_id` 0: unknown.
        match event.host.as_str() {
            "" => json!({ "data": data }),
            host => json!({"data": data, "device": {"hostname": host, "type_id": 0}}),
        }
    });
    document.insert("evidences".to_owned(), evidence.collect());
    document.insert("count".to_owned(), finding.count.into());
    document.insert(
        "unmapped".to_owned(),
        json!({"fields": finding.fields, "story": finding.story, "everyday": finding.everyday}),
    );
    Value::Object(document)
}

fn of_path(case: &Case, names: &Names<'_>, path: &PathInfo) -> Value {
    let hops: Vec<&HopInfo> = hops_of(case, path);
    let mut techniques: Vec<&str> = Vec::new();
    let mut hosts: Vec<&str> = Vec::new();
    let mut accounts: Vec<&str> = Vec::new();
    let add = |all: &mut Vec<_>, one| {
        if !all.contains(&one) {
            all.push(one);
        }
    };
    for hop in &hops {
        for id in &hop.techniques {
            add(&mut techniques, id.as_str());
        }
        for id in hop.src.iter().chain([&hop.dst]) {
            add(&mut hosts, id.as_str());
        }
        for id in [&hop.actor, &hop.used].into_iter().flatten() {
            add(&mut accounts, id.as_str());
        }
    }
    let firsts = hops.iter().filter_map(|hop| hop.first.as_deref());
    let lasts = hops.iter().filter_map(|hop| hop.last.as_deref());
    let witnesses: usize = hops.iter().map(|hop| hop.witnesses.len()).sum();
    let uid = id::of_path(case, path).to_string();
    let why = path.why.join("; ");
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 0 to 100"
    )]
    let percent = |share: f64| (share.clamp(0.0, 1.0) * 100.0).round() as u64;
    let surest = hops.iter().map(|hop| hop.confidence).fold(0.0, f64::max);
    let mut document = document(
        case,
        Head {
            uid: &uid,
            title: "Lateral movement",
            message: &path.way,
            description: &why,
            severity: Severity::High,
            risk: 100,
            first: firsts.min_by_key(|time| millis(Some(time))),
            last: lasts.max_by_key(|time| millis(Some(time))),
            alert: true,
            techniques,
            // Behavioural, the `type_id` 2: it is concluded from many records together.
            analytic: json!({"name": "Path of movements", "uid": "crabwalk.path", "type_id": 2, "type": "Behavioral"}),
            kind: "Path",
            count: witnesses as u64,
        },
    );
    let resources = hosts.iter().map(|id| host_resource(names, id));
    let users = accounts.iter().map(|id| {
        let sid = names
            .account_info(id)
            .and_then(|account| account.sid.as_deref());
        account_resource(names.account(id), sid)
    });
    document.insert("resources".to_owned(), resources.chain(users).collect());
    document.insert("confidence_score".to_owned(), percent(surest).into());
    let evidence = hops.iter().take(MOST_EVIDENCE).map(|hop| {
        let mut evidence = Map::new();
        evidence.insert("name".to_owned(), "Movement".into());
        evidence.insert("uid".to_owned(), hop.id.as_str().into());
        if let Some(src) = &hop.src {
            evidence.insert("src_endpoint".to_owned(), endpoint(names, src));
        }
        evidence.insert("dst_endpoint".to_owned(), endpoint(names, &hop.dst));
        if let Some(account) = &hop.account {
            evidence.insert("user".to_owned(), user(names, account));
        }
        let witnesses = hop.witnesses.iter().map(|witness| {
            json!({
                "kind": witness.kind,
                "what": witness.what,
                "record": witness.events.first().map(|event| record(case, event)),
            })
        });
        evidence.insert(
            "data".to_owned(),
            json!({
                "first": hop.first,
                "last": hop.last,
                "standing": hop.standing,
                "confidence": hop.confidence,
                "techniques": hop.techniques,
                "witnesses": witnesses.collect::<Vec<_>>(),
                "missing": hop.missing,
            }),
        );
        Value::Object(evidence)
    });
    document.insert("evidences".to_owned(), evidence.collect());
    document.insert(
        "unmapped".to_owned(),
        json!({"path": path.id, "score": path.score, "rank": path.rank, "movements": hops.len()}),
    );
    Value::Object(document)
}
