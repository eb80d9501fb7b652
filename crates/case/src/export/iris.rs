//! Alerts and a timeline for DFIR-IRIS, <https://docs.dfir-iris.org>.
//!
//! Alerts are JSON lines, each the body of a request to `/alerts/add` (or `/api/v2/alerts` from version 3 on). The
//! timeline is the CSV file that a case's timeline imports.
//!
//! IRIS refers to severities, states, kinds of assets and customers by number. These are the numbers of a fresh
//! installation, with its first customer; the words are in `alert_context`, for those who have to translate.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use crabwalk_detect::attack;
use crabwalk_movement::Standing;
use crabwalk_vocabulary::{Severity, time};
use serde_json::{Value, json};

use super::id;
use super::record::record;
use crate::csv::defuse;
use crate::document::{Case, FindingInfo, HopInfo, PathInfo, Reference};
use crate::names::Names;
use crate::sentences::{accounts, hops_of, technique, when, witnesses};

/// The state `New`.
const NEW: u8 = 2;
/// The first customer.
const CUSTOMER: u8 = 1;
/// Kinds of assets.
const ACCOUNT: u8 = 1;
const COMPUTER: u8 = 9;
const DOMAIN_CONTROLLER: u8 = 11;
/// Maximum records that an alert lists.
const MOST_RECORDS: usize = 50;

/// The number of a severity.
fn severity(severity: Severity) -> u8 {
    match severity {
        Severity::Informational => 2,
        Severity::Low => 3,
        Severity::Medium => 4,
        Severity::High => 5,
        Severity::Critical => 6,
    }
}

/// Text for a description, which IRIS shows as Markdown with HTML: markup of a log is shown, not followed.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '[' | ']' | '!' | '`' | '*' | '_' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if c != '\n' && crabwalk_vocabulary::text::is_acted_on(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// Microseconds as IRIS writes times: UTC, without a zone.
fn iris_time(time: Option<&str>) -> Option<String> {
    let text = time::text(time::parse(time?)?)?;
    let text = text.strip_suffix('Z').unwrap_or(&text);
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    Some(format!("{seconds}.{fraction:0<6}"))
}

fn host_asset(names: &Names<'_>, id: &str) -> Value {
    let info = names.host_info(id);
    let controller = info.and_then(|host| host.role.as_deref()) == Some("domain-controller");
    json!({
        "asset_name": names.host(id),
        "asset_description": info.map_or(String::new(), |host| host.names.join(", ")),
        "asset_type_id": if controller { DOMAIN_CONTROLLER } else { COMPUTER },
        "asset_ip": info.and_then(|host| host.ips.first()).map_or("", String::as_str),
        "asset_domain": "",
        "asset_tags": "crabwalk",
        "asset_enrichment": {},
    })
}

fn account_asset(name: &str, sid: Option<&str>) -> Value {
    json!({
        "asset_name": name,
        "asset_description": sid.unwrap_or(""),
        "asset_type_id": ACCOUNT,
        "asset_ip": "",
        "asset_domain": name.split_once('\\').map_or("", |(domain, _)| domain),
        "asset_tags": "crabwalk",
        "asset_enrichment": {},
    })
}

fn records(case: &Case, events: &[&Reference]) -> Vec<Value> {
    let listed = events.iter().take(MOST_RECORDS);
    listed.map(|event| record(case, event)).collect()
}

/// Writes an alert for each reported path, and for each notable finding that is on none of them.
///
/// # Errors
/// What writing gives.
pub fn iris_alerts(case: &Case, mut out: impl Write) -> io::Result<()> {
    let names = Names::new(case);
    let mut covered: BTreeSet<&str> = BTreeSet::new();
    for path in case.paths.iter().filter(|path| path.told) {
        let hops = hops_of(case, path);
        covered.extend(
            hops.iter()
                .flat_map(|hop| &hop.findings)
                .map(String::as_str),
        );
        crate::json::to_json_line(&of_path(case, &names, path, &hops), &mut out)?;
    }
    for finding in case.findings.iter().filter(|finding| {
        finding.notable && finding.suppressed.is_none() && !covered.contains(finding.id.as_str())
    }) {
        crate::json::to_json_line(&of_finding(case, &names, finding), &mut out)?;
    }
    out.flush()
}

fn of_path(case: &Case, names: &Names<'_>, path: &PathInfo, hops: &[&HopInfo]) -> Value {
    let mut hosts: BTreeMap<&str, Value> = BTreeMap::new();
    let mut users: BTreeMap<&str, Value> = BTreeMap::new();
    let mut tags: BTreeSet<&str> = BTreeSet::from(["crabwalk", "lateral-movement"]);
    for hop in hops {
        for id in hop.src.iter().chain([&hop.dst]) {
            hosts.insert(id, host_asset(names, id));
        }
        for id in accounts(hop) {
            let sid = names
                .account_info(id)
                .and_then(|account| account.sid.as_deref());
            users.insert(id, account_asset(names.account(id), sid));
        }
        tags.extend(hop.techniques.iter().map(String::as_str));
    }
    let lines: Vec<String> = hops.iter().map(|hop| said(names, hop)).collect();
    let first = hops.iter().filter_map(|hop| hop.first.as_deref()).min();
    let events: Vec<&Reference> = hops
        .iter()
        .flat_map(|hop| &hop.witnesses)
        .filter_map(|witness| witness.events.first())
        .collect();
    let description = format!(
        "{}\n\n{}\n\n{}",
        path.way,
        path.why.join("\n"),
        lines.join("\n")
    );
    json!({
        "alert_title": format!("Lateral movement: {}", path.way),
        "alert_description": escaped(&description).replace('\n', "  \n"),
        "alert_source": "Crabwalk",
        "alert_source_ref": id::of_path(case, path).to_string(),
        "alert_source_link": "",
        "alert_source_event_time": iris_time(first.or(Some(&case.created))),
        "alert_severity_id": severity(Severity::High),
        "alert_status_id": NEW,
        "alert_customer_id": CUSTOMER,
        "alert_note": "",
        "alert_tags": tags.into_iter().collect::<Vec<_>>().join(","),
        "alert_context": {
            "severity": Severity::High.name(),
            "path": path.id,
            "score": path.score,
            "movements": hops.len(),
            "why": path.why.join("; "),
        },
        "alert_source_content": {"movements": lines, "records": records(case, &events)},
        "alert_assets": hosts.into_values().chain(users.into_values()).collect::<Vec<_>>(),
        "alert_iocs": [],
    })
}

fn of_finding(case: &Case, names: &Names<'_>, finding: &FindingInfo) -> Value {
    let mut tags: BTreeSet<&str> = finding.techniques.iter().map(String::as_str).collect();
    tags.insert("crabwalk");
    let hosts = finding.hosts.iter().map(|id| host_asset(names, id));
    let users = finding
        .risk_objects
        .iter()
        .filter(|object| object.kind == crabwalk_detect::RiskObjectKind::User)
        .map(|object| account_asset(&object.value, None));
    let events: Vec<&Reference> = finding.events.iter().collect();
    let description = format!("{}\n\n{}", finding.message, finding.description);
    json!({
        "alert_title": finding.detection,
        "alert_description": escaped(&description).replace('\n', "  \n"),
        "alert_source": "Crabwalk",
        "alert_source_ref": finding.id,
        "alert_source_link": "",
        "alert_source_event_time": iris_time(finding.first.as_deref().or(Some(&case.created))),
        "alert_severity_id": severity(finding.severity),
        "alert_status_id": NEW,
        "alert_customer_id": CUSTOMER,
        "alert_note": "",
        "alert_tags": tags.into_iter().collect::<Vec<_>>().join(","),
        "alert_context": {
            "severity": finding.severity.name(),
            "risk_score": finding.risk_score,
            "events": finding.event_count,
            "detection_id": finding.detection_id,
        },
        "alert_source_content": {"fields": finding.fields, "records": records(case, &events)},
        "alert_assets": hosts.chain(users).collect::<Vec<_>>(),
        "alert_iocs": [],
    })
}

/// A movement in a line.
fn said(names: &Names<'_>, hop: &HopInfo) -> String {
    let users: Vec<&str> = accounts(hop).iter().map(|id| names.account(id)).collect();
    format!(
        "{} {} → {}: {}, {}, {} witnesses",
        when(hop.first.as_deref()),
        names.source(hop.src.as_deref()),
        names.host(&hop.dst),
        hop.techniques
            .first()
            .map_or_else(|| "no technique known".to_owned(), |id| technique(id)),
        if users.is_empty() {
            "account unknown".to_owned()
        } else {
            users.join(" ⇒ ")
        },
        witnesses(hop),
    )
}

/// The category of IRIS for a technique.
fn category(techniques: &[String]) -> &'static str {
    let tactics = techniques.iter().filter_map(|id| attack::technique(id));
    let tactic = tactics.flat_map(|known| known.tactics.iter().copied());
    let known = tactic.filter_map(|tactic| {
        Some(match tactic {
            "initial-access" => "Initial Access",
            "execution" => "Execution",
            "persistence" => "Persistence",
            "privilege-escalation" => "Privilege Escalation",
            "defense-evasion" => "Defense Evasion",
            "credential-access" => "Credential Access",
            "discovery" => "Discovery",
            "lateral-movement" => "Lateral Movement",
            "collection" => "Collection",
            "command-and-control" => "Command and Control",
            "exfiltration" => "Exfiltration",
            "impact" => "Impact",
            _ => return None,
        })
    });
    known.into_iter().next().unwrap_or("Unspecified")
}

/// A cell on one line: IRIS splits the file into lines before it looks at quotation marks.
fn cell(text: &str) -> String {
    let line: String = text
        .chars()
        .map(|c| match c {
            '\n' | '\r' | '\t' => ' ',
            c if crabwalk_vocabulary::text::is_acted_on(c) => '\u{fffd}',
            c => c,
        })
        .collect();
    defuse(&line).into_owned()
}

/// Writes movements that are not daily work, notable findings, and each clearing of a log. What has no time is left out,
/// because IRIS cannot hold it.
///
/// # Errors
/// What writing gives.
pub fn iris_timeline(case: &Case, out: impl Write) -> io::Result<()> {
    let names = Names::new(case);
    let mut rows: Vec<(String, [String; 9])> = Vec::new();
    // Assets and indicators must be in the case already, so none are named: one that is not there would lose the row.
    let mut add = |at: Option<&str>,
                   title: &str,
                   kind: &str,
                   content: &str,
                   raw: &str,
                   source: &str,
                   tags: &[&str]| {
        if let Some(at) = iris_time(at) {
            // Tags are separated by bars.
            let tags: Vec<String> = tags.iter().map(|tag| tag.replace('|', " ")).collect();
            let row = [
                "+00:00".to_owned(),
                cell(title),
                kind.to_owned(),
                cell(content),
                cell(raw),
                cell(source),
                String::new(),
                String::new(),
                cell(&tags.join("|")),
            ];
            rows.push((at, row));
        }
    };
    for hop in &case.hops {
        if hop.standing == Standing::Routine {
            continue;
        }
        let title = format!(
            "{}{} → {}",
            match hop.standing {
                Standing::Attempted => "Movement refused: ",
                Standing::Possible => "Possible movement: ",
                Standing::Proven | Standing::Routine => "Movement: ",
            },
            names.source(hop.src.as_deref()),
            names.host(&hop.dst)
        );
        let seen: Vec<&str> = hop.witnesses.iter().map(|one| one.what.as_str()).collect();
        let mut tags = vec!["crabwalk", hop.id.as_str()];
        tags.extend(hop.techniques.iter().map(String::as_str));
        add(
            hop.first.as_deref(),
            &title,
            "Lateral Movement",
            &said(&names, hop),
            &seen.join("; "),
            "Crabwalk",
            &tags,
        );
    }
    let told = |finding: &&FindingInfo| finding.notable && finding.suppressed.is_none();
    for finding in case.findings.iter().filter(told) {
        let place = finding.events.first().map_or(String::new(), |event| {
            let file = case
                .source(event.source)
                .map_or("", |source| source.path.as_str());
            format!(
                "{} {} record {} in {file}",
                event.channel, event.event_id, event.record
            )
        });
        let mut tags = vec!["crabwalk", finding.id.as_str()];
        tags.extend(finding.techniques.iter().map(String::as_str));
        add(
            finding.first.as_deref(),
            &finding.detection,
            category(&finding.techniques),
            &finding.message,
            &place,
            "Crabwalk",
            &tags,
        );
    }
    for covered in &case.coverage {
        for at in &covered.cleared {
            add(
                Some(at),
                &format!(
                    "The {} log of {} was cleared",
                    covered.channel, covered.host
                ),
                "Defense Evasion",
                "Earlier records of this log are gone.",
                "",
                "Crabwalk",
                &["crabwalk", "T1070.001"],
            );
        }
    }
    rows.sort();
    let mut writer = csv::WriterBuilder::new()
        .quote_style(csv::QuoteStyle::Always)
        .from_writer(out);
    writer.write_record([
        "event_date",
        "event_tz",
        "event_title",
        "event_category",
        "event_content",
        "event_raw",
        "event_source",
        "event_assets",
        "event_iocs",
        "event_tags",
    ])?;
    for (at, row) in &rows {
        writer.write_record(std::iter::once(at).chain(row))?;
    }
    writer.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_of_logs_is_shown_and_not_followed() {
        for (text, shown) in [
            ("plain → text", "plain → text"),
            ("<img src=x>&", "&lt;img src=x&gt;&amp;"),
            ("![x](http://a.example)", "\\!\\[x\\](http://a.example)"),
            ("a\u{202e}b\u{1b}c\nd", "a\u{fffd}b\u{fffd}c\nd"),
        ] {
            assert_eq!(escaped(text), shown);
        }
    }

    #[test]
    fn a_cell_is_one_line_for_every_reader() {
        let text = "a\nb\r\nc\u{2028}d\u{85}e\u{b}f";
        assert!(
            !cell(text)
                .chars()
                .any(|c| c.is_control() || c == '\u{2028}')
        );
        assert_eq!(cell("=cmd()"), "'=cmd()");
    }

    #[test]
    fn times_have_microseconds_and_no_zone() {
        for (time, text) in [
            ("2026-03-04T13:12:00Z", Some("2026-03-04T13:12:00.000000")),
            (
                "2026-03-04T13:12:00.03Z",
                Some("2026-03-04T13:12:00.030000"),
            ),
            ("never", None),
        ] {
            assert_eq!(iris_time(Some(time)).as_deref(), text);
        }
    }
}
