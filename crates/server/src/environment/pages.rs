//! Assets, identities and exceptions for the pages and for programs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{ChangeError, Decided, Exception, Kind, Table, place};
use crate::account::{Role, User};
use crate::audit::Act;
use crate::http::decoded;
use crate::shared::Server;
use crate::watch::Watch;
use crate::web::{allowed, note, page, said, small, wrong};

/// Largest table, in bytes.
const BYTES: usize = 16 << 20;
/// How long one may take to arrive.
const PATIENCE: Duration = Duration::from_secs(60);

fn time(micros: i64) -> Option<String> {
    let time = jiff::Timestamp::from_microsecond(micros).ok()?;
    Some(time.to_string())
}

/// The table that a path names: `/api/v1/environment/assets`, `/api/v1/environment/assets/csv`.
fn kind(parts: &Parts) -> Option<Kind> {
    Kind::named(parts.uri.path().split('/').nth(4).unwrap_or_default())
}

fn no_such_table() -> Response {
    wrong(StatusCode::NOT_FOUND, "there are assets and identities")
}

fn shown(table: &Table) -> Value {
    json!({
        "version": table.version,
        "columns": table.columns,
        "rows": table.rows,
        "by": table.by,
        "changed": (table.version > 0).then(|| time(table.at)).flatten(),
    })
}

fn refused(error: &ChangeError) -> Response {
    let status = match error {
        ChangeError::Wrong(_) | ChangeError::Full => StatusCode::BAD_REQUEST,
        ChangeError::Changed(_) => StatusCode::CONFLICT,
        ChangeError::Unknown => StatusCode::NOT_FOUND,
        ChangeError::File(_) | ChangeError::Random(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let problems = match error {
        ChangeError::Wrong(problems) => problems.as_slice(),
        _ => &[],
    };
    said(
        status,
        &json!({"error": error.to_string(), "problems": problems}),
    )
}

/// What a change needs besides being written: runs use it from now on.
async fn use_it(server: &Arc<Server>) {
    let shared = Arc::clone(server);
    // Content is loaded again, which takes a moment. The change stands even if that fails.
    let _ = tokio::task::spawn_blocking(move || {
        if let Some(schedules) = &shared.schedules {
            schedules.reload();
        }
        shared.jobs.forget_content();
        if let Some(watch) = &shared.watch {
            watch.now();
        }
    })
    .await;
}

/// Assets or identities.
pub async fn table(State(server): State<Arc<Server>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    if let Err(response) = allowed(&server, &parts, Role::Viewer).await {
        return response;
    }
    match kind(&parts) {
        Some(kind) => said(StatusCode::OK, &shown(&server.environment.table(kind))),
        None => no_such_table(),
    }
}

/// Assets or identities as a CSV file.
pub async fn export(State(server): State<Arc<Server>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    if let Err(response) = allowed(&server, &parts, Role::Viewer).await {
        return response;
    }
    let Some(kind) = kind(&parts) else {
        return no_such_table();
    };
    let text = server.environment.table(kind).csv(true);
    let mut response = page(StatusCode::OK, "text/csv; charset=utf-8", text);
    let name = format!("attachment; filename=\"{}.csv\"", kind.name());
    if let Ok(value) = HeaderValue::from_str(&name) {
        response
            .headers_mut()
            .insert(header::CONTENT_DISPOSITION, value);
    }
    response
}

async fn large(body: Body) -> Result<Bytes, Response> {
    let read = timeout(PATIENCE, to_bytes(body, BYTES)).await;
    let why = "the table is larger than 16 MB, or did not arrive in time";
    match read {
        Ok(Ok(bytes)) => Ok(bytes),
        _ => Err(wrong(StatusCode::BAD_REQUEST, why)),
    }
}

/// Reads a CSV file and says what is wrong with it, and where; keeps nothing.
pub async fn read(State(server): State<Arc<Server>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if let Err(response) = allowed(&server, &parts, Role::Admin).await {
        return response;
    }
    let Some(kind) = kind(&parts) else {
        return no_such_table();
    };
    let bytes = match large(body).await {
        Ok(bytes) => bytes,
        Err(response) => return response,
    };
    let read = tokio::task::spawn_blocking(move || {
        let mut table = Table::read(&bytes)?;
        table.tidy();
        let problems = table.problems(kind);
        Ok::<_, String>(json!({"columns": table.columns, "rows": table.rows, "problems": problems}))
    });
    match read.await {
        Ok(Ok(told)) => said(StatusCode::OK, &told),
        Ok(Err(error)) => wrong(StatusCode::BAD_REQUEST, &error),
        Err(_) => wrong(StatusCode::INTERNAL_SERVER_ERROR, "try again"),
    }
}

/// What somebody makes of a table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Edited {
    #[serde(default)]
    version: Option<u64>,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// Replaces assets or identities, by a JSON document or a CSV file.
pub async fn replace(State(server): State<Arc<Server>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let admin = match allowed(&server, &parts, Role::Admin).await {
        Ok(user) => user,
        Err(response) => return response,
    };
    let Some(kind) = kind(&parts) else {
        return no_such_table();
    };
    let bytes = match large(body).await {
        Ok(bytes) => bytes,
        Err(response) => return response,
    };
    let media = parts.headers.get(header::CONTENT_TYPE);
    let is_csv = media
        .and_then(|value| value.to_str().ok())
        .is_some_and(|text| text.starts_with("text/csv"));
    let (shared, by) = (Arc::clone(&server), admin.name.clone());
    let changed = tokio::task::spawn_blocking(move || {
        let (seen, table) = match is_csv {
            true => (None, Table::read(&bytes)?),
            false => {
                let edited: Edited =
                    serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
                let table = Table {
                    columns: edited.columns,
                    rows: edited.rows,
                    ..Table::default()
                };
                (edited.version, table)
            }
        };
        Ok::<_, String>(shared.environment.set_table(kind, seen, table, &by))
    });
    match changed.await {
        Ok(Ok(Ok((table, what)))) => {
            let act = match kind {
                Kind::Assets => Act::ChangeAssets,
                Kind::Identities => Act::ChangeIdentities,
            };
            note(&server, &parts, &admin, act, &what);
            use_it(&server).await;
            said(StatusCode::OK, &shown(&table))
        }
        Ok(Ok(Err(error))) => refused(&error),
        Ok(Err(error)) => wrong(StatusCode::BAD_REQUEST, &error),
        Err(_) => wrong(StatusCode::INTERNAL_SERVER_ERROR, "try again"),
    }
}

fn exception(one: &Exception, hidden: Option<&BTreeMap<String, usize>>) -> Value {
    let ends = one.ends();
    let now = jiff::Timestamp::now().as_microsecond();
    json!({
        "id": one.id,
        "detection": one.detection,
        "fields": one.fields,
        "reason": one.reason,
        "until": one.until,
        "by": one.by,
        "changed": time(one.at),
        "version": one.version,
        "ends": ends.and_then(time),
        "ended": ends.is_none_or(|ends| ends < now),
        "hidden": hidden.map(|hidden| hidden.get(&place(&one.id)).copied().unwrap_or(0)),
    })
}

/// The exceptions, newest first, with what each hid in the last hunt.
pub async fn exceptions(State(server): State<Arc<Server>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    if let Err(response) = allowed(&server, &parts, Role::Viewer).await {
        return response;
    }
    let last = server.watch.as_ref().and_then(Watch::last);
    let hidden = last.as_ref().map(|last| &last.silenced);
    let all = server.environment.exceptions();
    let all: Vec<Value> = all.iter().map(|one| exception(one, hidden)).collect();
    said(StatusCode::OK, &json!({"exceptions": all}))
}

/// Makes an exception.
pub async fn add(State(server): State<Arc<Server>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    set(server, parts, body, None, Act::AddException).await
}

/// Changes an exception.
pub async fn change(State(server): State<Arc<Server>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let id = decoded(parts.uri.path().rsplit('/').next().unwrap_or_default());
    set(server, parts, body, Some(id), Act::ChangeException).await
}

async fn set(
    server: Arc<Server>,
    parts: Parts,
    body: Body,
    id: Option<String>,
    act: Act,
) -> Response {
    let user: User = match allowed(&server, &parts, Role::Analyst).await {
        Ok(user) => user,
        Err(response) => return response,
    };
    let Some(bytes) = small(&server, body).await else {
        return wrong(StatusCode::BAD_REQUEST, "the request cannot be read");
    };
    let decided: Decided = match serde_json::from_slice(&bytes) {
        Ok(decided) => decided,
        Err(error) => return wrong(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let (shared, by) = (Arc::clone(&server), user.name.clone());
    let status = match id {
        Some(_) => StatusCode::OK,
        None => StatusCode::CREATED,
    };
    let done = tokio::task::spawn_blocking(move || {
        shared
            .environment
            .set_exception(id.as_deref(), decided, &by)
    });
    match done.await {
        Ok(Ok((one, about))) => {
            note(&server, &parts, &user, act, &about);
            use_it(&server).await;
            said(status, &exception(&one, None))
        }
        Ok(Err(error)) => refused(&error),
        Err(_) => wrong(StatusCode::INTERNAL_SERVER_ERROR, "try again"),
    }
}

/// Removes an exception: what it hides is seen again.
pub async fn remove(State(server): State<Arc<Server>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let user = match allowed(&server, &parts, Role::Analyst).await {
        Ok(user) => user,
        Err(response) => return response,
    };
    let id = decoded(parts.uri.path().rsplit('/').next().unwrap_or_default());
    let shared = Arc::clone(&server);
    match tokio::task::spawn_blocking(move || shared.environment.remove_exception(&id)).await {
        Ok(Ok(about)) => {
            note(&server, &parts, &user, Act::RemoveException, &about);
            use_it(&server).await;
            said(StatusCode::OK, &json!({"error": null}))
        }
        Ok(Err(error)) => refused(&error),
        Err(_) => wrong(StatusCode::INTERNAL_SERVER_ERROR, "try again"),
    }
}
