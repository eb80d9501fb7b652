//! A STIX 2.1 bundle (<https://docs.oasis-open.org/cti/stix/v2.1/os/stix-v2.1-os.html>).
//!
//! One incident and one grouping hold everything. Hosts are identities of class `system`. A hop is a relationship
//! between two hosts, an observed-data object with the accounts, addresses and names involved, and, for each technique,
//! a sighting of ATT&CK's own attack-pattern on the destination. A notable finding is a sighting or, without a
//! technique, a note. Identifiers derive from the content, so the same case gives the same bundle.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::net::IpAddr;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::id::{OWN, version_5};
use crate::document::{Case, HopInfo, WitnessInfo};
use crate::names::Names;
use crate::sentences::{self, technique};
use crabwalk_detect::attack;
use crabwalk_vocabulary::is_address;

/// Namespace for identifiers of observables (STIX 2.1, section 2.9).
const OBSERVABLES: Uuid = Uuid::from_u128(0x00ab_edb4_aa42_466c_9c01_fed2_3315_a9b7);
/// The range of times that STIX can represent.
const EPOCH: &str = "1970-01-01T00:00:00Z";
/// Maximum addresses to list per host.
const MOST_ADDRESSES: usize = 8;

/// The bundle's objects, without repetition.
struct Bundle<'c> {
    case: &'c Case,
    names: Names<'c>,
    /// Distinguishes this case from others with the same host names.
    fingerprint: String,
    author: String,
    objects: BTreeMap<String, Value>,
    order: Vec<String>,
}

/// Writes the bundle.
///
/// # Errors
/// What writing gives.
pub fn stix(case: &Case, out: impl Write) -> io::Result<()> {
    let fingerprint = format!(
        "{:?} {:?} {} {} {}",
        case.stats.first,
        case.stats.last,
        case.stats.events,
        case.stats.bytes,
        case.hosts
            .iter()
            .map(|host| host.id.as_str())
            .collect::<Vec<_>>()
            .join(" ")
    );
    let mut bundle = Bundle {
        case,
        names: Names::new(case),
        author: format!("identity--{}", version_5(OWN, "crabwalk")),
        fingerprint,
        objects: BTreeMap::new(),
        order: Vec::new(),
    };
    let author = bundle.author.clone();
    bundle.put(json!({
        "type": "identity",
        "id": author,
        "name": "Crabwalk",
        "description": "Finds lateral movement in logs; what it says is concluded by a program.",
        "identity_class": "system",
    }));
    for hop in &case.hops {
        bundle.hop(hop);
    }
    bundle.findings();
    bundle.whole();
    let objects: Vec<&Value> = bundle
        .order
        .iter()
        .filter_map(|id| bundle.objects.get(id))
        .collect();
    let id = version_5(OWN, &format!("bundle {}", bundle.fingerprint));
    crate::json::to_json(
        &json!({"type": "bundle", "id": format!("bundle--{id}"), "objects": objects}),
        out,
    )
}

impl Bundle<'_> {
    /// An identifier of an object of this case.
    fn id(&self, kind: &str, name: &str) -> String {
        format!(
            "{kind}--{}",
            version_5(OWN, &format!("{}\n{kind}\n{name}", self.fingerprint))
        )
    }

    /// Adds an object with the common properties, unless it exists.
    fn put(&mut self, mut object: Value) -> String {
        let observable = matches!(
            object.get("type").and_then(Value::as_str),
            Some("ipv4-addr" | "ipv6-addr" | "domain-name" | "user-account")
        );
        let pattern = object.get("type").and_then(Value::as_str) == Some("attack-pattern");
        let id = object
            .get("id")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        if let Some(object) = object.as_object_mut() {
            object.insert("spec_version".to_owned(), "2.1".into());
            if !observable && !pattern {
                let created = self.time(Some(&self.case.created));
                object.insert("created".to_owned(), created.as_str().into());
                object.insert("modified".to_owned(), created.into());
                if id != self.author {
                    object.insert("created_by_ref".to_owned(), self.author.as_str().into());
                }
            }
        }
        if !self.objects.contains_key(&id) {
            self.order.push(id.clone());
            self.objects.insert(id.clone(), object);
        }
        id
    }

    /// A time as STIX writes it, with milliseconds.
    fn time(&self, time: Option<&str>) -> String {
        let parsed = |text: &str| text.parse::<jiff::Timestamp>().ok();
        time.and_then(parsed)
            .or_else(|| parsed(&self.case.created))
            .map_or_else(
                || EPOCH.to_owned(),
                |time| time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string(),
            )
    }

    fn host(&mut self, id: Option<&str>) -> String {
        let name = id.map_or("unknown source", |id| self.names.host(id));
        let info = id.and_then(|id| self.names.host_info(id));
        let mut object = json!({
            "type": "identity",
            "id": self.id("identity", &format!("host {}", id.unwrap_or("?"))),
            "name": name,
            "identity_class": if id.is_some() { "system" } else { "unknown" },
        });
        let mut known: Vec<String> = Vec::new();
        if let Some(host) = info {
            known.push(format!("Names: {}.", host.names.join(", ")));
            if !host.ips.is_empty() {
                known.push(format!("Addresses: {}.", host.ips.join(", ")));
            }
        }
        if let (Some(object), false) = (object.as_object_mut(), known.is_empty()) {
            object.insert("description".to_owned(), known.join(" ").into());
            if let Some(role) = info.and_then(|host| host.role.as_deref()) {
                object.insert("roles".to_owned(), json!([role]));
            }
        }
        self.put(object)
    }

    /// The attack-pattern of a technique, as MITRE identifies it.
    fn pattern(&mut self, id: &str) -> Option<String> {
        let known = attack::technique(id).filter(|_| attack::is_known(id))?;
        let phases: Vec<Value> = known
            .tactics
            .iter()
            .map(|tactic| json!({"kill_chain_name": "mitre-attack", "phase_name": tactic}))
            .collect();
        Some(self.put(json!({
            "type": "attack-pattern",
            "id": known.stix_id,
            "created": known.created,
            "modified": known.modified,
            "name": known.name,
            "kill_chain_phases": phases,
            "external_references": [{
                "source_name": "mitre-attack",
                "external_id": id,
                "url": format!("https://attack.mitre.org/techniques/{}", id.replace('.', "/")),
            }],
        })))
    }

    fn account(&mut self, id: &str) -> String {
        let info = self.names.account_info(id);
        let name = self.names.account(id).to_owned();
        let (_, login) = name.split_once('\\').unwrap_or(("", &name));
        let login = login.to_owned();
        // In canonical order (RFC 8785).
        let mut own = Map::new();
        own.insert("account_login".to_owned(), login.clone().into());
        let domain = name.contains('\\');
        own.insert(
            "account_type".to_owned(),
            if domain {
                "windows-domain"
            } else {
                "windows-local"
            }
            .into(),
        );
        if let Some(sid) = info.and_then(|account| account.sid.as_deref()) {
            own.insert("user_id".to_owned(), sid.into());
        }
        let mut object = observable("user-account", own);
        if let Some(object) = object.as_object_mut() {
            object.insert("display_name".to_owned(), name.into());
        }
        self.put(object)
    }

    /// Addresses and full names of a host.
    fn endpoints(&mut self, id: Option<&str>) -> Vec<String> {
        let Some(host) = id.and_then(|id| self.names.host_info(id)) else {
            return Vec::new();
        };
        let mut all = Vec::new();
        let addresses: BTreeSet<IpAddr> = host
            .ips
            .iter()
            .filter_map(|address| address.parse().ok())
            .collect();
        for address in addresses.into_iter().take(MOST_ADDRESSES) {
            let kind = if address.is_ipv4() {
                "ipv4-addr"
            } else {
                "ipv6-addr"
            };
            let mut own = Map::new();
            own.insert("value".to_owned(), address.to_string().into());
            all.push(self.put(observable(kind, own)));
        }
        let full: BTreeSet<String> = host
            .names
            .iter()
            .filter(|name| is_domain(name))
            .map(|name| name.to_lowercase())
            .collect();
        for name in full {
            let mut own = Map::new();
            own.insert("value".to_owned(), name.into());
            all.push(self.put(observable("domain-name", own)));
        }
        all
    }

    fn hop(&mut self, hop: &HopInfo) {
        let src = self.host(hop.src.as_deref());
        let dst = self.host(Some(&hop.dst));
        let key = format!("hop {} {:?} {}", hop.id, hop.first, hop.dst);
        let (first, last) = (
            self.time(hop.first.as_deref()),
            self.time(hop.last.as_deref().or(hop.first.as_deref())),
        );
        let (first, last) = if first <= last {
            (first, last)
        } else {
            (last, first)
        };
        let mut seen: Vec<String> = Vec::new();
        for id in sentences::accounts(hop) {
            seen.push(self.account(id));
        }
        seen.extend(self.endpoints(hop.src.as_deref()));
        seen.extend(self.endpoints(Some(&hop.dst)));
        seen.dedup();
        let mut unique: Vec<String> = Vec::new();
        for one in seen {
            if !unique.contains(&one) {
                unique.push(one);
            }
        }
        let observed = (!unique.is_empty()).then(|| {
            let id = self.id("observed-data", &key);
            self.put(json!({
                "type": "observed-data",
                "id": id,
                "first_observed": first,
                "last_observed": last,
                "number_observed": events(&hop.witnesses),
                "object_refs": unique,
            }))
        });
        let words: Vec<String> = hop.techniques.iter().map(|id| technique(id)).collect();
        let said: Vec<String> = hop
            .witnesses
            .iter()
            .map(|one| format!("{}: {}", one.kind.name(), one.what))
            .collect();
        let from = self.names.source(hop.src.as_deref()).to_owned();
        let end = self.names.host(&hop.dst).to_owned();
        let description = format!(
            "{} from {from} to {end}{}. {} Evidence: {}.",
            if words.is_empty() {
                "Movement".to_owned()
            } else {
                words.join(", ")
            },
            if hop.attempted {
                ", tried and refused"
            } else {
                ""
            },
            sentences::accounts(hop)
                .iter()
                .map(|id| format!("Account {}.", self.names.account(id)))
                .collect::<Vec<_>>()
                .join(" "),
            said.join("; ")
        );
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and 100"
        )]
        let confidence = (hop.confidence.clamp(0.0, 1.0) * 100.0).round() as u8;
        if src != dst {
            let mut relationship = json!({
                "type": "relationship",
                "id": self.id("relationship", &key),
                "relationship_type": "related-to",
                "source_ref": src,
                "target_ref": dst,
                "description": description,
                "confidence": confidence,
                "start_time": first,
            });
            // The end has to be later than the beginning.
            if let (Some(object), true) = (relationship.as_object_mut(), first < last) {
                object.insert("stop_time".to_owned(), last.as_str().into());
            }
            self.put(relationship);
        }
        for id in &hop.techniques {
            let Some(pattern) = self.pattern(id) else {
                continue;
            };
            let mut sighting = json!({
                "type": "sighting",
                "id": self.id("sighting", &format!("{key} {id}")),
                "description": description,
                "confidence": confidence,
                "first_seen": first,
                "last_seen": last,
                "count": 1,
                "sighting_of_ref": pattern,
                "where_sighted_refs": [dst],
            });
            if let (Some(object), Some(observed)) = (sighting.as_object_mut(), &observed) {
                object.insert("observed_data_refs".to_owned(), json!([observed]));
            }
            self.put(sighting);
            let relationship = json!({
                "type": "relationship",
                "id": self.id("relationship", &format!("targets {id} {}", hop.dst)),
                "relationship_type": "targets",
                "source_ref": pattern,
                "target_ref": dst,
            });
            self.put(relationship);
        }
    }

    fn findings(&mut self) {
        let case = self.case;
        for finding in case.findings.iter().filter(|finding| finding.notable) {
            let hosts: Vec<String> = finding.hosts.iter().map(|id| self.host(Some(id))).collect();
            let (first, last) = (
                self.time(finding.first.as_deref()),
                self.time(finding.last.as_deref().or(finding.first.as_deref())),
            );
            let text = format!("{}: {}", finding.detection, finding.message);
            let mut sighted = false;
            for id in &finding.techniques {
                let Some(pattern) = self.pattern(id) else {
                    continue;
                };
                sighted = true;
                let mut sighting = json!({
                    "type": "sighting",
                    "id": self.id("sighting", &format!("finding {} {id}", finding.id)),
                    "description": text,
                    "first_seen": first.as_str().min(&last),
                    "last_seen": last.as_str().max(&first),
                    "count": finding.event_count.clamp(1, 999_999_999),
                    "sighting_of_ref": pattern,
                });
                if let (Some(object), false) = (sighting.as_object_mut(), hosts.is_empty()) {
                    object.insert("where_sighted_refs".to_owned(), json!(hosts));
                }
                self.put(sighting);
            }
            if !sighted {
                let about = if hosts.is_empty() {
                    vec![self.author.clone()]
                } else {
                    hosts
                };
                let note = json!({
                    "type": "note",
                    "id": self.id("note", &format!("finding {}", finding.id)),
                    "abstract": finding.detection,
                    "content": text,
                    "object_refs": about,
                });
                self.put(note);
            }
        }
    }

    /// The incident and the grouping, which name everything.
    fn whole(&mut self) {
        let summary = sentences::summary(self.case).join(" ");
        let incident = json!({
            "type": "incident",
            "id": self.id("incident", "case"),
            "name": "Lateral movement",
            "description": summary,
        });
        self.put(incident);
        let all = self.order.clone();
        let grouping = json!({
            "type": "grouping",
            "id": self.id("grouping", "case"),
            "name": "Lateral movement",
            "description": summary,
            "context": "suspicious-activity",
            "object_refs": all,
        });
        self.put(grouping);
    }
}

/// An observable, whose identifier derives from its own properties, in the order of their names.
fn observable(kind: &str, own: Map<String, Value>) -> Value {
    let canonical = Value::Object(own.clone()).to_string();
    let mut object = Map::new();
    object.insert("type".to_owned(), kind.into());
    object.insert(
        "id".to_owned(),
        format!("{kind}--{}", version_5(OBSERVABLES, &canonical)).into(),
    );
    object.extend(own);
    Value::Object(object)
}

/// Number of the witnesses' events, as observed-data counts them.
fn events(witnesses: &[WitnessInfo]) -> u64 {
    let distinct: BTreeSet<(u32, u64, &str)> = witnesses
        .iter()
        .flat_map(|one| &one.events)
        .map(|event| (event.source, event.record, event.channel.as_str()))
        .collect();
    (distinct.len() as u64).clamp(1, 999_999_999)
}

/// Whether this is a full name of a host.
fn is_domain(name: &str) -> bool {
    name.contains('.')
        && name.len() <= 253
        && !is_address(name)
        && name.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_those_of_the_standard() {
        // The example of RFC 9562, appendix A.4.
        let dns = Uuid::from_u128(0x6ba7_b810_9dad_11d1_80b4_00c0_4fd4_30c8);
        assert_eq!(
            version_5(dns, "www.example.com").to_string(),
            "2ed6657d-e927-568b-95e1-2665a8aea6a2"
        );
        // As OASIS' own library generates them.
        let object = |pairs: &[(&str, &str)]| -> Map<String, Value> {
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).into()))
                .collect()
        };
        for (kind, own, id) in [
            (
                "ipv4-addr",
                object(&[("value", "198.51.100.3")]),
                "ipv4-addr--28bb3599-77cd-5a82-a950-b5bc3caf07c4",
            ),
            (
                "user-account",
                object(&[
                    ("account_login", "ann"),
                    ("account_type", "windows-domain"),
                    ("user_id", "S-1-5-21-1"),
                ]),
                "user-account--11113b50-a4c7-5912-81f9-7f2ed5395497",
            ),
        ] {
            let made = observable(kind, own);
            assert_eq!(made.get("id").and_then(Value::as_str), Some(id));
        }
    }

    #[test]
    fn full_names_are_told() {
        for (name, full) in [
            ("ws1.corp.example", true),
            ("ws1", false),
            ("10.0.0.1", false),
            ("a..b", false),
            ("<script>.x", false),
        ] {
            assert_eq!(is_domain(name), full, "{name}");
        }
    }
}
