//! Sign-ins and audit events of Entra ID, and the unified audit log of Microsoft 365, as JSON or rows of a table: from Graph
//! (`createdDateTime`), Azure's diagnostic settings (`properties.createdDateTime`, `category`), Log Analytics (`CreatedDateTime`,
//! `TimeGenerated`), and Purview (`AuditData`, `CreationTime`). Fields have the names of Graph and of Microsoft 365, whoever exported
//! them.

use std::collections::HashSet;

use crate::record::Record;
use crate::time;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    SignIn,
    Audit,
    Office,
}

/// Names that Log Analytics and Azure write otherwise than Graph.
const SAME: [(&str, &str); 6] = [
    ("callerIpAddress", "ipAddress"),
    ("resultType", "status.errorCode"),
    ("resultDescription", "status.failureReason"),
    ("timeGenerated", "time"),
    ("iPAddress", "ipAddress"),
    ("operationName", "activityDisplayName"),
];

/// Whether a row of a table with these columns is about a sign-in or an audit event.
pub(crate) fn is_head(has: impl Fn(&str) -> bool) -> bool {
    let any = |names: &[&str]| names.iter().any(|name| has(name));
    (has("AuditData") && any(&["Operation", "Operations"]))
        || (any(&["UserPrincipalName", "userPrincipalName"])
            && any(&["IPAddress", "ipAddress"])
            && any(&["AppDisplayName", "appDisplayName"])
            && any(&["TimeGenerated", "CreatedDateTime", "createdDateTime"]))
}

/// Whether a record with these keys is one.
pub(crate) fn is_record(has: impl Fn(&str) -> bool) -> bool {
    has("AuditData") && (has("Operation") || has("Operations")) || kind_of(has).is_some()
}

fn kind_of(has: impl Fn(&str) -> bool) -> Option<Kind> {
    let below = |name: &str| {
        let mut upper = name.to_owned();
        if let Some(first) = upper.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        has(name) || has(&format!("properties.{name}")) || has(&upper)
    };
    let any = |names: &[&str]| names.iter().any(|name| below(name));
    if has("CreationTime") && has("Operation") && has("Workload") {
        return Some(Kind::Office);
    }
    if any(&["activityDateTime"])
        && any(&["activityDisplayName", "operationName"])
        && any(&[
            "initiatedBy.user.id",
            "initiatedBy",
            "initiatedBy.app.displayName",
            "initiatedBy.user.userPrincipalName",
            "loggedByService",
        ])
    {
        return Some(Kind::Audit);
    }
    let signs = any(&["userPrincipalName", "servicePrincipalName"])
        && (any(&["ipAddress"]) || has("IPAddress") || has("callerIpAddress"))
        && any(&["appDisplayName", "appId", "resourceDisplayName"]);
    (signs && any(&["createdDateTime", "timeGenerated"])).then_some(Kind::SignIn)
}

/// A name as Graph writes it.
fn plain(path: &str) -> String {
    let path = path.strip_prefix("properties.").unwrap_or(path);
    let mut name = path.to_owned();
    if let Some(first) = name.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    SAME.iter()
        .find(|(other, _)| name == *other)
        .map_or(name, |(_, own)| (*own).to_owned())
}

/// An address without its port: `[2001:db8::7]:443`, `192.0.2.7:443`.
fn address(text: &str) -> &str {
    let text = text.trim();
    if let Some((inner, _)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return inner;
    }
    match text.split_once(':') {
        Some((address, port)) if !port.contains(':') => address,
        _ => text,
    }
}

/// Fills a record with the leaves of one: paths and values.
pub(crate) fn fill<'f>(record: &mut Record, leaves: impl Iterator<Item = (&'f str, &'f str)>) {
    let leaves: Vec<(&str, &str)> = leaves.collect();
    let Some(kind) = kind_of(|name| leaves.iter().any(|(path, _)| *path == name)) else {
        // A row whose `AuditData` is not whole.
        record.channel.push_str("m365:audit");
        for (name, value) in &leaves {
            record.data(name, value);
        }
        let date = leaves.iter().find(|(name, _)| *name == "CreationDate");
        record.time = date
            .and_then(|(_, text)| time::parse(text))
            .map(|date| date.micros);
        return;
    };
    record.channel.push_str(match kind {
        Kind::SignIn => "entra:signin",
        Kind::Audit => "entra:audit",
        Kind::Office => "m365:audit",
    });
    let mut times: [Option<i64>; 2] = [None; 2];
    // A wrapper repeats fields of the record itself.
    let mut known: HashSet<(String, &str)> = HashSet::new();
    for (path, value) in &leaves {
        let name = match kind {
            Kind::Office => (*path).to_owned(),
            _ => plain(path),
        };
        let place = match name.as_str() {
            "createdDateTime" | "activityDateTime" | "CreationTime" => Some(0),
            "time" => Some(1),
            _ => None,
        };
        if let Some(time) = place.and_then(|place| times.get_mut(place)) {
            *time = time.or_else(|| time::parse(value).map(|written| written.micros));
        }
        let value = match name.as_str() {
            "ipAddress" | "ClientIP" | "ActorIpAddress" => address(value),
            _ => value,
        };
        let own = (name, value);
        if !known.contains(&own) {
            record.data(&own.0, value);
            known.insert(own);
        }
    }
    let [own, around] = times;
    record.time = own.or(around);
}
