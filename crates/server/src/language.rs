//! What searches are written with: commands, functions, fields; and what is wrong with a search before it runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use crabwalk_detect::{Query, RunError, RunOptions};
use crabwalk_events::Catalog;
use crabwalk_spl::syntax::usage::Support;
use crabwalk_spl::syntax::{commands, position};
use crabwalk_spl::{Diagnostic, aggregates, functions};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::account::Role;
use crate::shared::Server;
use crate::web::{allowed, said, small, wrong};

/// Commands, functions, aggregations, macros, lookups and data models.
pub async fn language(State(server): State<Arc<Server>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    if let Err(response) = allowed(&server, &parts, Role::Analyst).await {
        return response;
    }
    let shared = Arc::clone(&server);
    match tokio::task::spawn_blocking(move || shared.jobs.knowledge()).await {
        Ok(Ok(knowledge)) => {
            let macros: Vec<Value> = (knowledge.macros.all())
                .map(|(name, one)| json!({"name": name, "arguments": one.arguments, "definition": one.definition}))
                .collect();
            let lookups: Vec<&String> = knowledge.lookups.keys().collect();
            let told = json!({
                "commands": commands_told(),
                "functions": functions_told(),
                "aggregations": aggregations_told(),
                "macros": macros,
                "lookups": lookups,
                "models": knowledge.models.names(),
            });
            said(StatusCode::OK, &told)
        }
        Ok(Err(error)) => wrong(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        Err(_) => wrong(StatusCode::INTERNAL_SERVER_ERROR, "try again"),
    }
}

fn commands_told() -> Vec<Value> {
    (commands().iter())
        .map(|usage| {
            let options = usage.options.iter().filter_map(|option| {
                let meaning = match option.support {
                    Support::Obeyed(meaning) => meaning.to_owned(),
                    Support::Only(value, _) => format!("only `{value}`"),
                    Support::NoEffect(_) | Support::Refused(_) => return None,
                };
                Some(json!({"name": option.name, "meaning": meaning}))
            });
            json!({
                "name": usage.name,
                "also": usage.also,
                "syntax": usage.syntax,
                "meaning": usage.meaning,
                "options": options.collect::<Vec<_>>(),
            })
        })
        .collect()
}

fn functions_told() -> Vec<Value> {
    functions::reference()
        .map(|one| {
            json!({"name": one.name, "syntax": one.syntax, "meaning": one.meaning, "example": one.example})
        })
        .collect()
}

fn aggregations_told() -> Vec<Value> {
    aggregates::reference()
        .map(|one| {
            json!({
                "name": one.names.first(), "syntax": one.syntax, "meaning": one.meaning, "example": one.example,
            })
        })
        .collect()
}

/// The fields that stored events have, and their types.
pub async fn fields(State(server): State<Arc<Server>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    if let Err(response) = allowed(&server, &parts, Role::Analyst).await {
        return response;
    }
    let shared = Arc::clone(&server);
    match tokio::task::spawn_blocking(move || fields_told(&shared)).await {
        Ok(Ok(told)) => said(StatusCode::OK, &told),
        Ok(Err(error)) => wrong(StatusCode::INTERNAL_SERVER_ERROR, &error),
        Err(_) => wrong(StatusCode::INTERNAL_SERVER_ERROR, "try again"),
    }
}

fn fields_told(server: &Server) -> Result<Value, String> {
    let knowledge = server.jobs.knowledge().map_err(|error| error.to_string())?;
    let snapshot = server.kept.store().snapshot();
    let snapshot = snapshot.map_err(|error| error.to_string())?;
    let mut events: BTreeMap<String, usize> = BTreeMap::new();
    let mut types = Vec::new();
    for table in snapshot.tables().iter().filter(|table| table.rows > 0) {
        let event_type = &table.event_type;
        let mapping = (knowledge.mappings).of(&event_type.channel, event_type.event_id);
        let own = table.fields_seen.iter().map(String::as_str);
        for name in own.chain(mapping.alias_names()).collect::<BTreeSet<_>>() {
            *events.entry(name.to_owned()).or_default() += table.rows;
        }
        types.push(json!({
            "channel": event_type.channel, "event_id": event_type.event_id, "events": table.rows,
        }));
    }
    let fields: Vec<Value> = events
        .iter()
        .map(|(name, events)| json!({"name": name, "events": events}))
        .collect();
    Ok(json!({"fields": fields, "types": types}))
}

/// What is wrong with a search, and which of it gives events.
pub async fn check(State(server): State<Arc<Server>>, request: Request) -> Response {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Checked {
        search: String,
    }
    let (parts, body) = request.into_parts();
    if let Err(response) = allowed(&server, &parts, Role::Analyst).await {
        return response;
    }
    let bytes = small(&server, body).await.unwrap_or_default();
    let checked: Checked = match serde_json::from_slice(&bytes) {
        Ok(checked) => checked,
        Err(error) => return wrong(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let shared = Arc::clone(&server);
    let told = tokio::task::spawn_blocking(move || checked_told(&shared, &checked.search));
    match told.await {
        Ok(Ok(told)) => said(StatusCode::OK, &told),
        Ok(Err(error)) => wrong(StatusCode::INTERNAL_SERVER_ERROR, &error),
        Err(_) => wrong(StatusCode::INTERNAL_SERVER_ERROR, "try again"),
    }
}

fn checked_told(server: &Server, search: &str) -> Result<Value, String> {
    let knowledge = server.jobs.knowledge().map_err(|error| error.to_string())?;
    let places =
        |all: &[Diagnostic]| -> Vec<Value> { all.iter().map(|one| place(search, one)).collect() };
    let failed = |error: RunError| match error {
        RunError::Search(error) => {
            let problems = places(error.diagnostics());
            Ok(json!({"problems": problems, "warnings": [], "events": null, "commands": []}))
        }
        error => Err(error.to_string()),
    };
    let query = match Query::new(&[("search", search)], knowledge) {
        Ok(query) => query,
        Err(error) => return failed(error),
    };
    let snapshot = server.kept.store().snapshot();
    let catalog: Arc<dyn Catalog> = Arc::new(snapshot.map_err(|error| error.to_string())?);
    let options = RunOptions {
        threads: 1,
        now: jiff::Timestamp::now().as_microsecond() as f64 / 1e6,
        ..RunOptions::default()
    };
    match query.plan_over(&catalog, &options) {
        Ok(warnings) => Ok(json!({
            "problems": [],
            "warnings": places(&warnings),
            "events": query.events(),
            "commands": query.commands(),
        })),
        Err(error) => failed(error),
    }
}

/// A diagnostic with its place: line and column in characters from 1, start and end in UTF-16 code units from 0, as
/// scripts of pages count.
fn place(text: &str, one: &Diagnostic) -> Value {
    let units = |offset: u32| {
        let end = text.floor_char_boundary((offset as usize).min(text.len()));
        text.get(..end).unwrap_or_default().encode_utf16().count()
    };
    let at = position(text, one.span);
    json!({
        "message": one.message,
        "note": one.note,
        "help": one.help,
        "line": at.line,
        "column": at.column,
        "start": units(one.span.start),
        "end": units(one.span.end),
    })
}
