//! The inbox: paths and notables, with what people decided about each.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::account::{Role, User};
use crate::audit::Act;
use crate::http::{decoded, parameters};
use crate::schedule::{Recorded, Schedules};
use crate::shared::Server;
use crate::triage::{Decision, Disposition, Entry, Status, Subject, TriageError};
use crate::watch::{ToldPath, Watch};
use crate::web::{allowed, field, note, said, small, wrong};

/// Maximum number of characters of a note.
const MOST_NOTE: usize = 4_000;
/// Maximum number of things that one decision is about.
const MOST_AT_ONCE: usize = 2_000;
/// How many findings are told unless somebody asks for more.
const USUAL: usize = 2_000;

/// How bad a path is that the verdict tells: there is nothing that deserves attention more.
const PATH_SEVERITY: &str = "critical";

fn time(micros: i64) -> Option<String> {
    let time = jiff::Timestamp::from_microsecond(micros).ok()?;
    Some(time.to_string())
}

/// What is decided, as the page sees it. Something closed that has gone on since is new again.
fn decided(entry: Option<&Entry>, last: Option<i64>) -> Value {
    let none = Entry::default();
    let entry = entry.unwrap_or(&none);
    let goes_on = entry.status == Status::Closed && last > entry.last;
    json!({
        "status": if goes_on { Status::New } else { entry.status },
        "goes_on": goes_on,
        "owner": entry.owner,
        "disposition": entry.disposition,
        "version": entry.version,
        "changed": entry.history.last().and_then(|one| time(one.at)),
    })
}

fn joined(mut item: Value, more: Value) -> Value {
    if let (Some(item), Value::Object(more)) = (item.as_object_mut(), more) {
        item.extend(more);
    }
    item
}

fn path_item(path: &ToldPath, entry: Option<&Entry>) -> Value {
    let item = json!({
        "id": path.id,
        "kind": "path",
        "title": path.way,
        "message": path.why.join("; "),
        "severity": PATH_SEVERITY,
        "type": "Path",
        "detection": "",
        "techniques": path.techniques,
        "hosts": path.hosts,
        "accounts": path.accounts,
        "score": path.score,
        "found": null,
        "first": path.first.and_then(time),
        "last": path.last.and_then(time),
        "count": path.hops,
    });
    joined(item, decided(entry, path.last))
}

fn finding_item(finding: &Recorded, techniques: &[String], entry: Option<&Entry>) -> Value {
    let accounts = finding
        .risk_objects
        .iter()
        .filter(|(kind, _, _)| kind == "user");
    let accounts: Vec<&String> = accounts.map(|(_, name, _)| name).collect();
    let score = finding
        .risk_objects
        .iter()
        .map(|(_, _, score)| *score)
        .max();
    let item = json!({
        "id": finding.id,
        "kind": "finding",
        "title": finding.name,
        "message": finding.message,
        "severity": finding.severity,
        "type": finding.kind,
        "detection": finding.detection,
        "techniques": techniques,
        "hosts": finding.hosts,
        "accounts": accounts,
        "score": score.unwrap_or(0),
        "found": time(finding.found),
        "first": finding.first.and_then(time),
        "last": finding.last.and_then(time),
        "count": finding.event_count,
    });
    joined(item, decided(entry, finding.last))
}

/// What is in the inbox, newest first, at most so many findings; and how many findings there are.
fn items(server: &Server, most: usize) -> (Vec<Value>, usize) {
    let last = server.watch.as_ref().and_then(Watch::last);
    let paths = last.iter().flat_map(|last| &last.paths);
    let mut all: Vec<Value> = paths
        .map(|path| path_item(path, server.triage.of(&path.id).as_ref()))
        .collect();
    let notables = (server.schedules.as_ref()).map_or_else(Vec::new, Schedules::notables);
    let total = notables.len() + all.len();
    let shown = notables.iter().take(most);
    all.extend(shown.map(|(finding, techniques)| {
        finding_item(finding, techniques, server.triage.of(&finding.id).as_ref())
    }));
    (all, total)
}

/// A text that changes when the inbox does.
fn tag(server: &Server) -> String {
    let hunt = (server.watch.as_ref().and_then(Watch::last)).map_or(0, |last| last.number);
    let runs = server.schedules.as_ref().map_or(0, Schedules::runs);
    format!(
        "{}-{hunt}-{runs}-{}",
        server.started,
        server.triage.version()
    )
}

/// The inbox: `?unless=` is the tag of an earlier answer, and there are no items if nothing has changed since; `?most=`
/// limits the findings, to 2,000 by default.
pub async fn inbox(State(server): State<Arc<Server>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    if let Err(response) = allowed(&server, &parts, Role::Viewer).await {
        return response;
    }
    let query = parameters(parts.uri.query().unwrap_or_default());
    let most = field(&query, "most").parse().unwrap_or(USUAL);
    let tag = tag(&server);
    if field(&query, "unless") == tag {
        return said(
            StatusCode::OK,
            &json!({"tag": tag, "items": null, "total": null, "owners": null}),
        );
    }
    let shared = Arc::clone(&server);
    let told = tokio::task::spawn_blocking(move || {
        let (items, total) = items(&shared, most);
        // Who may be given something to do.
        let users = shared.accounts.all().into_iter();
        let owners = users.filter(|(_, role)| *role >= Role::Analyst);
        let owners: Vec<String> = owners.map(|(name, _)| name).collect();
        json!({"tag": tag, "items": items, "total": total, "owners": owners})
    });
    match told.await {
        Ok(told) => said(StatusCode::OK, &told),
        Err(_) => wrong(StatusCode::INTERNAL_SERVER_ERROR, "try again"),
    }
}

fn history(entry: Option<Entry>) -> Vec<Value> {
    let all = entry.map_or_else(Vec::new, |entry| entry.history);
    (all.into_iter().rev())
        .map(|one| {
            json!({
                "time": time(one.at), "by": one.by, "status": one.status, "owner": one.owner,
                "disposition": one.disposition, "note": one.note,
            })
        })
        .collect()
}

/// One thing of the inbox, with its history.
pub async fn item(State(server): State<Arc<Server>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    if let Err(response) = allowed(&server, &parts, Role::Viewer).await {
        return response;
    }
    let id = decoded(parts.uri.path().rsplit('/').next().unwrap_or_default());
    let (all, _) = items(&server, usize::MAX);
    let Some(item) = all.into_iter().find(|one| one["id"] == id.as_str()) else {
        return wrong(StatusCode::NOT_FOUND, "the inbox has no such thing");
    };
    let finding = server.schedules.as_ref().and_then(|all| all.finding(&id));
    let told = json!({"item": item, "history": history(server.triage.of(&id)), "finding": finding});
    said(StatusCode::OK, &told)
}

/// What somebody wants to decide.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    items: Vec<Known>,
    status: Option<Status>,
    owner: Option<String>,
    disposition: Option<Disposition>,
    #[serde(default)]
    note: String,
}

/// A thing, and what whoever decides knows of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    id: String,
    version: u64,
}

/// Decides about things of the inbox, all or none.
pub async fn decide(State(server): State<Arc<Server>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let user = match allowed(&server, &parts, Role::Analyst).await {
        Ok(user) => user,
        Err(response) => return response,
    };
    let bytes = small(&server, body).await.unwrap_or_default();
    let wanted: Wanted = match serde_json::from_slice(&bytes) {
        Ok(wanted) => wanted,
        Err(error) => return wrong(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let about = about(&wanted);
    let (shared, by) = (Arc::clone(&server), user.clone());
    let done = tokio::task::spawn_blocking(move || decided_about(&shared, &by, wanted));
    match done.await {
        Ok(Ok(items)) => {
            note(&server, &parts, &user, Act::Decide, &about);
            said(StatusCode::OK, &json!({"items": items}))
        }
        Ok(Err((status, why))) => wrong(status, &why),
        Err(_) => wrong(StatusCode::INTERNAL_SERVER_ERROR, "try again"),
    }
}

/// A decision in words, for the audit log.
fn about(wanted: &Wanted) -> String {
    let mut all = Vec::new();
    let said = |name: &str, value: Option<Value>| {
        let value = value?;
        Some(format!("{name} {}", value.as_str().unwrap_or_default()))
    };
    all.extend(said("status", wanted.status.map(|one| json!(one))));
    all.extend(said("owner", wanted.owner.as_ref().map(|one| json!(one))));
    let disposition = wanted.disposition.map(|one| json!(one));
    all.extend(said("disposition", disposition));
    if !wanted.note.is_empty() {
        all.push("a note".to_owned());
    }
    let ids: Vec<&str> = wanted.items.iter().map(|one| one.id.as_str()).collect();
    format!("{}: {}", all.join(", "), ids.join(" "))
}

fn decided_about(
    server: &Server,
    user: &User,
    wanted: Wanted,
) -> Result<Vec<Value>, (StatusCode, String)> {
    let refused = |why: String| (StatusCode::BAD_REQUEST, why);
    if wanted.items.is_empty() || wanted.items.len() > MOST_AT_ONCE {
        return Err(refused(format!(
            "a decision is about 1 to {MOST_AT_ONCE} things"
        )));
    }
    let is_nothing =
        wanted.status.is_none() && wanted.owner.is_none() && wanted.disposition.is_none();
    if is_nothing && wanted.note.trim().is_empty() {
        let why = "give a status, an owner, a disposition or a note";
        return Err(refused(why.to_owned()));
    }
    if wanted.note.chars().count() > MOST_NOTE {
        return Err(refused(format!(
            "a note has at most {MOST_NOTE} characters"
        )));
    }
    if let Some(owner) = wanted.owner.as_deref().filter(|owner| !owner.is_empty())
        && !server.accounts.has(owner)
    {
        let owner: String = owner.chars().take(64).collect();
        return Err(refused(format!("there is no account {owner:?}")));
    }
    // What is decided about is there now, each once.
    let (all, _) = items(server, usize::MAX);
    let known: HashMap<&str, &Value> = all
        .iter()
        .filter_map(|item| Some((item["id"].as_str()?, item)))
        .collect();
    let mut subjects: BTreeMap<String, Subject> = BTreeMap::new();
    for one in wanted.items {
        let Some(item) = known.get(one.id.as_str()) else {
            let id: String = one.id.chars().take(64).collect();
            return Err((
                StatusCode::NOT_FOUND,
                format!("the inbox has no {id:?}; it may have been dropped for newer findings"),
            ));
        };
        let last = item["last"].as_str();
        let last = last.and_then(|text| text.parse::<jiff::Timestamp>().ok());
        let subject = Subject {
            id: one.id.clone(),
            version: one.version,
            last: last.map(jiff::Timestamp::as_microsecond),
        };
        subjects.insert(one.id, subject);
    }
    let ids: Vec<String> = subjects.keys().cloned().collect();
    let decision = Decision {
        at: jiff::Timestamp::now().as_microsecond(),
        by: user.name.clone(),
        status: wanted.status,
        owner: wanted.owner,
        disposition: wanted.disposition,
        note: wanted.note.trim().to_owned(),
    };
    let subjects = subjects.into_values().collect();
    (server.triage.decide(subjects, decision)).map_err(|error| match error {
        TriageError::Meanwhile { .. } => (StatusCode::CONFLICT, error.to_string()),
        TriageError::File(_) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    })?;
    let (all, _) = items(server, usize::MAX);
    let changed = all.into_iter().filter(|item| {
        let id = item["id"].as_str().unwrap_or_default();
        ids.iter().any(|one| one == id)
    });
    Ok(changed.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn something_closed_that_goes_on_is_new_again() {
        let closed = Entry {
            status: Status::Closed,
            last: Some(5),
            version: 1,
            ..Entry::default()
        };
        assert_eq!(decided(Some(&closed), Some(5))["status"], "closed");
        let grown = decided(Some(&closed), Some(6));
        assert_eq!(
            (&grown["status"], &grown["goes_on"]),
            (&json!("new"), &json!(true))
        );
        // Who works on it sees it grow anyway.
        let open = Entry {
            status: Status::InProgress,
            ..closed
        };
        assert_eq!(decided(Some(&open), Some(6))["status"], "in-progress");
        assert_eq!(decided(None, Some(6))["version"], 0);
    }
}
