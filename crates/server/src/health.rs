//! Whether data comes: from whom, how much of it could be read, and how old the newest of each log is.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use crabwalk_events::Catalog;
use serde_json::{Value, json};

use crate::account::Role;
use crate::shared::Server;
use crate::web::{allowed, said, wrong};

/// Problems of a sender that are told.
const MOST_PROBLEMS: usize = 5;
/// Logs and senders that are told.
const MOST: usize = 5_000;

/// The senders and the logs.
pub async fn health(State(server): State<Arc<Server>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    if let Err(response) = allowed(&server, &parts, Role::Viewer).await {
        return response;
    }
    let shared = Arc::clone(&server);
    match tokio::task::spawn_blocking(move || told(&shared)).await {
        Ok(Ok(told)) => said(StatusCode::OK, &told),
        Ok(Err(error)) => wrong(StatusCode::INTERNAL_SERVER_ERROR, &error),
        Err(_) => wrong(StatusCode::INTERNAL_SERVER_ERROR, "try again"),
    }
}

fn time(micros: i64) -> Option<String> {
    let time = jiff::Timestamp::from_microsecond(micros).ok()?;
    Some(time.to_string())
}

fn told(server: &Server) -> Result<Value, String> {
    let now = jiff::Timestamp::now();
    // Coverage is of all times; no file needs to be opened for it.
    let snapshot = server.kept.store().snapshot_within(&(i64::MAX..=i64::MAX));
    let snapshot = snapshot.map_err(|error| error.to_string())?;
    let heard = server.kept.heard();
    let senders = snapshot.sources().iter().take(MOST).map(|source| {
        let heard = heard.get(&source.path);
        let problems = source.problems.iter().take(MOST_PROBLEMS);
        json!({
            "name": source.path,
            "records": source.records,
            "skipped": source.skipped,
            "bytes": source.bytes,
            "problems": problems.map(|one| one.message.as_str()).collect::<Vec<_>>(),
            "more_problems": source.more_problems + (source.problems.len().saturating_sub(MOST_PROBLEMS)) as u64,
            "last_request": heard.and_then(|heard| time(heard.last)),
            "requests": heard.map_or(0, |heard| heard.requests),
            "events": heard.map_or(0, |heard| heard.events),
        })
    });
    let senders: Vec<Value> = senders.collect();
    let logs = snapshot.coverage().iter().take(MOST).map(|log| {
        json!({
            "host": log.host,
            "channel": log.channel,
            "first": time(log.first),
            "last": time(log.last),
            "records": log.records,
            "cleared": log.cleared.iter().copied().filter_map(time).collect::<Vec<_>>(),
        })
    });
    let logs: Vec<Value> = logs.collect();
    Ok(json!({
        "now": now.to_string(),
        "senders": senders,
        "logs": logs,
        "more": snapshot.sources().len().saturating_sub(MOST) + snapshot.coverage().len().saturating_sub(MOST),
        "status": crate::status::figures(server),
    }))
}
