//! What programs can ask: one table, from which both the routes and their OpenAPI document are made.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter, on};
use serde_json::{Map, Value, json};

use crate::account::Role;
use crate::environment::pages as environment;
use crate::shared::Server;
use crate::{health, inbox, language, people, status, web};

/// Something that programs can ask.
struct Endpoint {
    method: Method,
    /// Its parameters are in braces.
    path: &'static str,
    /// Who may ask; none: anyone.
    role: Option<Role>,
    /// One sentence.
    about: &'static str,
    /// Parameters of the query: name, type, meaning.
    query: &'static [(&'static str, &'static str, &'static str)],
    /// The schema of the body, if there is one.
    body: Option<&'static str>,
    /// The answer: status, media type, and schema if it is JSON.
    answer: (u16, &'static str, &'static str),
    /// What answers.
    handler: fn(MethodFilter) -> MethodRouter<Arc<Server>>,
}

#[derive(Clone, Copy)]
enum Method {
    Get,
    Post,
    Patch,
    Put,
    Delete,
}

impl Method {
    fn filter(self) -> MethodFilter {
        match self {
            Self::Get => MethodFilter::GET,
            Self::Post => MethodFilter::POST,
            Self::Patch => MethodFilter::PATCH,
            Self::Put => MethodFilter::PUT,
            Self::Delete => MethodFilter::DELETE,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Post => "post",
            Self::Patch => "patch",
            Self::Put => "put",
            Self::Delete => "delete",
        }
    }
}

const JSON: &str = "application/json";

/// An endpoint with a JSON answer and no parameters.
const fn endpoint(
    method: Method,
    path: &'static str,
    role: Role,
    about: &'static str,
    schema: &'static str,
    handler: fn(MethodFilter) -> MethodRouter<Arc<Server>>,
) -> Endpoint {
    Endpoint {
        method,
        path,
        role: Some(role),
        about,
        query: &[],
        body: None,
        answer: (200, JSON, schema),
        handler,
    }
}

/// All endpoints.
const ENDPOINTS: [Endpoint; 44] = {
    use Method::{Delete, Get, Patch, Post, Put};
    use Role::{Admin, Analyst, Viewer};
    [
        Endpoint {
            role: None,
            answer: (200, "text/plain", ""),
            ..endpoint(
                Get,
                "/healthz",
                Viewer,
                "Whether the server runs.",
                "",
                |with| on(with, async || "ok\n"),
            )
        },
        Endpoint {
            role: None,
            answer: (200, "text/plain", ""),
            ..endpoint(
                Get,
                "/readyz",
                Viewer,
                "Whether the server accepts events; 503 if not.",
                "",
                |with| on(with, status::ready),
            )
        },
        Endpoint {
            answer: (200, "text/plain", ""),
            ..endpoint(
                Get,
                "/metrics",
                Viewer,
                "Figures for Prometheus.",
                "",
                |with| on(with, web::metrics),
            )
        },
        Endpoint {
            role: None,
            ..endpoint(
                Get,
                "/api/v1/openapi.json",
                Viewer,
                "This document.",
                "Object",
                |with| on(with, openapi),
            )
        },
        endpoint(
            Get,
            "/api/v1/me",
            Viewer,
            "Who asks, and what their searches may use.",
            "Me",
            |with| on(with, people::me),
        ),
        Endpoint {
            body: Some("Passwords"),
            ..endpoint(
                Post,
                "/api/v1/me/password",
                Viewer,
                "Changes one's own password, which ends all sessions of the account.",
                "Error",
                |with| on(with, people::change_password),
            )
        },
        endpoint(
            Get,
            "/api/v1/health",
            Viewer,
            "Whether data comes: senders, the logs of each host, figures.",
            "Health",
            |with| on(with, health::health),
        ),
        Endpoint {
            query: &[
                (
                    "unless",
                    "string",
                    "The tag of an earlier answer: there are no items if nothing has changed since.",
                ),
                ("most", "integer", "How many findings; 2,000 by default."),
            ],
            ..endpoint(
                Get,
                "/api/v1/inbox",
                Viewer,
                "Paths and notables, with what people decided about each.",
                "Inbox",
                |with| on(with, inbox::inbox),
            )
        },
        Endpoint {
            body: Some("Decision"),
            ..endpoint(
                Patch,
                "/api/v1/inbox",
                Analyst,
                "Decides about things of the inbox, all or none; 409 if somebody else has decided meanwhile.",
                "Decided",
                |with| on(with, inbox::decide),
            )
        },
        endpoint(
            Get,
            "/api/v1/inbox/{id}",
            Viewer,
            "One thing of the inbox, and its history.",
            "InboxDetail",
            |with| on(with, inbox::item),
        ),
        endpoint(
            Get,
            "/api/v1/status",
            Viewer,
            "Figures.",
            "Figures",
            |with| on(with, web::status),
        ),
        endpoint(
            Get,
            "/api/v1/case/{part}",
            Viewer,
            "A part of the last hunt's case; /api/v1/status names them.",
            "Anything",
            |with| on(with, web::part),
        ),
        Endpoint {
            query: &[
                (
                    "detection",
                    "string",
                    "Only of this detection: its id or name.",
                ),
                ("after", "date-time", "Only those found after this time."),
                ("most", "integer", "How many; 100 by default."),
            ],
            ..endpoint(
                Get,
                "/api/v1/findings",
                Viewer,
                "What detections found on schedule and on arrival, newest first.",
                "Findings",
                |with| on(with, web::findings),
            )
        },
        endpoint(
            Get,
            "/api/v1/content",
            Viewer,
            "The detections: what makes each run, when it ran and will run, what it found.",
            "Content",
            |with| on(with, web::content),
        ),
        Endpoint {
            body: Some("Change"),
            ..endpoint(
                Patch,
                "/api/v1/content/{id}",
                Admin,
                "Switches a detection or its alerts on or off, or sets its schedule.",
                "Detection",
                |with| on(with, web::change_content),
            )
        },
        endpoint(
            Post,
            "/api/v1/content/{id}/run",
            Analyst,
            "Runs a detection now, over the window that ends now. New findings are recorded as those of other runs are.",
            "RanNow",
            |with| on(with, web::run_content),
        ),
        endpoint(
            Get,
            "/api/v1/alerts",
            Viewer,
            "Alerts, newest first, and the outputs that have received them.",
            "Alerts",
            |with| on(with, web::alerts),
        ),
        endpoint(
            Post,
            "/api/v1/alerts/test",
            Admin,
            "Sends a test alert to every output.",
            "Outputs",
            |with| on(with, web::test_alerts),
        ),
        Endpoint {
            body: Some("Question"),
            ..endpoint(
                Post,
                "/api/v1/search",
                Analyst,
                "Runs a search and answers with its rows. It is cancelled if the client goes away.",
                "Answer",
                |with| on(with, web::search),
            )
        },
        endpoint(
            Get,
            "/api/v1/search/language",
            Analyst,
            "What searches are written with.",
            "Language",
            |with| on(with, language::language),
        ),
        endpoint(
            Get,
            "/api/v1/search/fields",
            Analyst,
            "The fields and types of stored events.",
            "KnownFields",
            |with| on(with, language::fields),
        ),
        Endpoint {
            body: Some("Draft"),
            ..endpoint(
                Post,
                "/api/v1/search/check",
                Analyst,
                "What is wrong with a search, without running it.",
                "Checked",
                |with| on(with, language::check),
            )
        },
        endpoint(
            Get,
            "/api/v1/search/jobs",
            Analyst,
            "One's own searches, newest first; all for administrators.",
            "Jobs",
            |with| on(with, web::jobs),
        ),
        Endpoint {
            body: Some("Question"),
            answer: (201, JSON, "Job"),
            ..endpoint(
                Post,
                "/api/v1/search/jobs",
                Analyst,
                "Starts a search.",
                "Job",
                |with| on(with, web::add_job),
            )
        },
        endpoint(
            Get,
            "/api/v1/search/jobs/{id}",
            Analyst,
            "How a search goes on.",
            "Job",
            |with| on(with, web::job),
        ),
        endpoint(
            Delete,
            "/api/v1/search/jobs/{id}",
            Analyst,
            "Cancels a search.",
            "Error",
            |with| on(with, web::cancel_job),
        ),
        Endpoint {
            query: &[
                ("offset", "integer", "Rows to leave out."),
                ("count", "integer", "Rows to give; all by default."),
            ],
            ..endpoint(
                Get,
                "/api/v1/search/jobs/{id}/results",
                Analyst,
                "The rows of a search; 409 while it runs.",
                "Answer",
                |with| on(with, web::job_results),
            )
        },
        Endpoint {
            answer: (200, "text/event-stream", ""),
            ..endpoint(
                Get,
                "/api/v1/search/jobs/{id}/events",
                Analyst,
                "How a search goes on, as server-sent events with a job each: progress, and end.",
                "",
                |with| on(with, web::job_events),
            )
        },
        endpoint(
            Get,
            "/api/v1/environment/{kind}",
            Viewer,
            "What people know about their environment: assets, or identities.",
            "Table",
            |with| on(with, environment::table),
        ),
        Endpoint {
            body: Some("EditedTable"),
            ..endpoint(
                Put,
                "/api/v1/environment/{kind}",
                Admin,
                "Replaces assets or identities; 409 if somebody else has changed them since the version given. A body of type \
                 text/csv replaces them whatever their version.",
                "Table",
                |with| on(with, environment::replace),
            )
        },
        Endpoint {
            answer: (200, "text/csv", ""),
            ..endpoint(
                Get,
                "/api/v1/environment/{kind}/csv",
                Viewer,
                "Assets or identities as a CSV file.",
                "",
                |with| on(with, environment::export),
            )
        },
        Endpoint {
            body: Some("Csv"),
            ..endpoint(
                Post,
                "/api/v1/environment/{kind}/csv",
                Admin,
                "Reads a CSV file and says what is wrong with it, and where; keeps nothing.",
                "ReadTable",
                |with| on(with, environment::read),
            )
        },
        endpoint(
            Get,
            "/api/v1/exceptions",
            Viewer,
            "Exceptions, newest first, with what each hid in the last hunt.",
            "Exceptions",
            |with| on(with, environment::exceptions),
        ),
        Endpoint {
            body: Some("DecidedException"),
            answer: (201, JSON, "Exception"),
            ..endpoint(
                Post,
                "/api/v1/exceptions",
                Analyst,
                "Makes an exception: findings that it covers are hidden, and counted, until its end.",
                "Exception",
                |with| on(with, environment::add),
            )
        },
        Endpoint {
            body: Some("DecidedException"),
            ..endpoint(
                Patch,
                "/api/v1/exceptions/{id}",
                Analyst,
                "Replaces what an exception covers, its reason and its end; 409 if somebody else has changed it since the version given.",
                "Exception",
                |with| on(with, environment::change),
            )
        },
        endpoint(
            Delete,
            "/api/v1/exceptions/{id}",
            Analyst,
            "Removes an exception: what it hides is seen again.",
            "Error",
            |with| on(with, environment::remove),
        ),
        endpoint(
            Get,
            "/api/v1/users",
            Admin,
            "The accounts.",
            "Users",
            |with| on(with, people::users),
        ),
        Endpoint {
            body: Some("NewUser"),
            ..endpoint(
                Post,
                "/api/v1/users",
                Admin,
                "Creates an account.",
                "Error",
                |with| on(with, people::add_user),
            )
        },
        Endpoint {
            body: Some("UserChange"),
            ..endpoint(
                Patch,
                "/api/v1/users/{name}",
                Admin,
                "Changes an account's role, its password, or both. Another password ends its sessions.",
                "Error",
                |with| on(with, people::change_user),
            )
        },
        endpoint(
            Get,
            "/api/v1/tokens",
            Admin,
            "The tokens of senders, without their secrets.",
            "Tokens",
            |with| on(with, people::tokens),
        ),
        Endpoint {
            body: Some("NewToken"),
            answer: (201, JSON, "MadeToken"),
            ..endpoint(
                Post,
                "/api/v1/tokens",
                Admin,
                "Makes a token. Its secret is in the answer, and is not shown again.",
                "MadeToken",
                |with| on(with, people::add_token),
            )
        },
        endpoint(
            Delete,
            "/api/v1/tokens/{name}",
            Admin,
            "Revokes a token.",
            "Error",
            |with| on(with, people::remove_token),
        ),
        endpoint(
            Delete,
            "/api/v1/users/{name}",
            Admin,
            "Removes an account.",
            "Error",
            |with| on(with, people::remove_user),
        ),
        Endpoint {
            query: &[("most", "integer", "How many entries; 1,000 by default.")],
            ..endpoint(
                Get,
                "/api/v1/audit",
                Admin,
                "What people did, newest first.",
                "Audit",
                |with| on(with, web::audit),
            )
        },
    ]
};

/// The routes of all endpoints.
pub fn routes() -> Router<Arc<Server>> {
    ENDPOINTS.iter().fold(Router::new(), |router, one| {
        router.route(one.path, (one.handler)(one.method.filter()))
    })
}

/// The OpenAPI document.
async fn openapi() -> Response {
    web::said(StatusCode::OK, &document())
}

fn reference(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for one in &ENDPOINTS {
        let path = paths.entry(one.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(one.method.name().to_owned(), operation(one));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Crabwalk",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Scripts authenticate with name and password. Requests within a browser session that change something \
                need the header `X-Crabwalk: 1`.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas(),
            "securitySchemes": {
                "password": {"type": "http", "scheme": "basic"},
                "session": {"type": "apiKey", "in": "cookie", "name": "crabwalk"},
            },
        },
    })
}

fn operation(one: &Endpoint) -> Value {
    let parameter = |place: &str, name: &str, kind: &str, about: &str| {
        let schema = match kind {
            "date-time" => json!({"type": "string", "format": "date-time"}),
            "integer" => json!({"type": "integer", "minimum": 0}),
            kind => json!({"type": kind}),
        };
        json!({"name": name, "in": place, "required": place == "path", "description": about, "schema": schema})
    };
    let in_path = one.path.split('/').filter_map(|part| {
        let name = part.strip_prefix('{')?.strip_suffix('}')?;
        Some(parameter("path", name, "string", "Which."))
    });
    let in_query = one.query.iter();
    let in_query = in_query.map(|(name, kind, about)| parameter("query", name, kind, about));
    let parameters: Vec<Value> = in_path.chain(in_query).collect();
    let (status, media, schema) = one.answer;
    let content = match media {
        JSON => json!({JSON: {"schema": reference(schema)}}),
        media => json!({media: {"schema": {"type": "string"}}}),
    };
    let mut responses = Map::new();
    responses.insert(
        status.to_string(),
        json!({"description": "Done.", "content": content}),
    );
    let mut fails = |status: &str, about: &str| {
        let content = json!({JSON: {"schema": reference("Error")}});
        let response = json!({"description": about, "content": content});
        responses.insert(status.to_owned(), response);
    };
    if one.role.is_some() {
        fails("401", "Nobody is logged in.");
        fails("403", "The role does not allow it, or another site asks.");
    }
    if !parameters.is_empty() || one.body.is_some() {
        fails("400", "The request is wrong.");
    }
    if one.path.starts_with("/api/") {
        fails("default", "It was not done; `error` says why.");
    }
    let words: Vec<&str> = one
        .path
        .split(['/', '{', '}', '.'])
        .filter(|word| !word.is_empty())
        .collect();
    let mut operation = json!({
        "operationId": format!("{}_{}", one.method.name(), words.join("_")),
        "summary": one.about,
        "parameters": parameters,
        "responses": responses,
        "security": match one.role {
            Some(_) => json!([{"password": []}, {"session": []}]),
            None => json!([]),
        },
    });
    if let Some(fields) = operation.as_object_mut() {
        if let Some(role) = one.role {
            fields.insert("x-role".to_owned(), json!(role));
        }
        if let Some(body) = one.body {
            let media = match body {
                "Csv" => "text/csv",
                _ => JSON,
            };
            let content = json!({media: {"schema": reference(body)}});
            fields.insert(
                "requestBody".to_owned(),
                json!({"required": true, "content": content}),
            );
        }
    }
    operation
}

/// An object with these properties, all of which are there.
fn object(properties: &Value) -> Value {
    let names: Vec<String> = (properties.as_object().into_iter().flatten())
        .map(|(name, _)| name.clone())
        .collect();
    json!({"type": "object", "properties": properties, "required": names})
}

fn list(items: &Value) -> Value {
    json!({"type": "array", "items": items})
}

/// The parts that schemas are made of.
struct Parts {
    text: Value,
    number: Value,
    count: Value,
    is: Value,
    time: Value,
    texts: Value,
    role: Value,
}

impl Parts {
    fn new() -> Self {
        let text = json!({"type": "string"});
        Self {
            number: json!({"type": "number"}),
            count: json!({"type": "integer", "minimum": 0}),
            is: json!({"type": "boolean"}),
            time: json!({"type": "string", "format": "date-time"}),
            texts: list(&text),
            role: json!({"enum": ["viewer", "analyst", "admin"]}),
            text,
        }
    }
}

fn or_null(schema: &Value) -> Value {
    json!({"anyOf": [schema, {"type": "null"}]})
}

fn schemas() -> Map<String, Value> {
    let parts = Parts::new();
    let all = [
        detections_and_searches(&parts),
        writing(&parts),
        people(&parts),
        desk(&parts),
        known(&parts),
    ];
    all.into_iter().flatten().collect()
}

/// The fields of an object.
fn named(schemas: Value) -> Map<String, Value> {
    match schemas {
        Value::Object(all) => all,
        _ => Map::new(),
    }
}

fn detections_and_searches(parts: &Parts) -> Map<String, Value> {
    #[rustfmt::skip]
    let Parts { text, number, count, is, time, texts, .. } = parts;
    let schedule = object(&json!({"cron": text, "earliest": text, "latest": text, "changed": is}));
    let times = json!({
        "type": "object",
        "properties": {"cron": text, "earliest": text, "latest": text},
        "required": ["cron", "earliest", "latest"],
        "additionalProperties": false,
    });
    named(json!({
        "Anything": {},
        "Object": {"type": "object"},
        "Error": object(&json!({"error": or_null(text)})),
        "Question": {
            "type": "object",
            "properties": {
                "search": {"type": "string", "description": "In SPL."},
                "earliest": {"type": "string", "description": "The start of the range of time, such as -24h@h."},
                "latest": {"type": "string", "description": "Its end, such as now."},
                "rows": or_null(count),
                "seconds": or_null(count),
            },
            "required": ["search"],
            "additionalProperties": false,
        },
        "Answer": object(&json!({
            "columns": texts,
            "rows": list(&list(&json!({"anyOf": [text, texts, {"type": "null"}]}))),
            "total": count,
            "truncated": is,
            "warnings": texts,
        })),
        "Job": object(&json!({
            "id": text, "owner": text, "search": text, "earliest": or_null(time), "latest": or_null(time), "asked": time,
            "state": {"enum": ["queued", "running", "done", "failed"]},
            "seconds": number, "rows": or_null(count), "truncated": or_null(is), "error": or_null(text),
        })),
        "Jobs": object(&json!({"jobs": list(&reference("Job"))})),
        "Change": {
            "type": "object",
            "properties": {"enabled": or_null(is), "alert": or_null(is), "schedule": or_null(&times)},
            "additionalProperties": false,
        },
        "Detection": object(&json!({
            "id": text, "name": text, "type": {"enum": ["TTP", "Anomaly", "Hunting", "Correlation"]},
            "language": {"enum": ["spl", "sigma"]}, "severity": text, "stories": texts, "techniques": texts, "description": text,
            "search": text, "enabled": is, "alert": is, "runs": {"enum": ["on arrival", "on schedule", "in hunts"]},
            "schedule": or_null(&schedule), "next_run": or_null(time), "last_run": or_null(time), "last_tick": or_null(time),
            "last_seconds": or_null(number), "run_count": count, "findings": count, "last_finding": or_null(time),
            "throttled": count, "hidden": count, "missed": count, "error": or_null(text),
            "recent": list(&object(&json!({
                "time": or_null(time), "seconds": number, "findings": count, "error": or_null(text),
            }))),
        })),
        "RanNow": object(&json!({"found": count, "detection": reference("Detection")})),
        "Content": object(&json!({
            "detections": list(&reference("Detection")), "problems": texts, "trouble": or_null(text),
        })),
        "Finding": object(&json!({
            "id": text, "detection": object(&json!({"id": text, "name": text, "type": text})), "severity": text, "message": text,
            "found": time, "first": or_null(time), "last": or_null(time),
            "risk_objects": list(&object(&json!({"type": text, "value": text, "score": count}))),
            "hosts": texts, "fields": {"type": "object"},
            "events": list(&object(&json!({
                "time": time, "host": text, "channel": text, "event_id": count, "record": count,
            }))),
            "event_count": count,
        })),
        "Findings": object(&json!({"findings": list(&reference("Finding"))})),
        "Alerts": object(&json!({"alerts": list(&object(&json!({
            "alert": object(&json!({"id": text, "kind": text, "title": text, "detail": {"type": "object"}, "time": time})),
            "done": texts,
            "failed": json!({"type": "object", "additionalProperties": object(&json!({
                "tries": count, "why": text, "given_up": is,
            }))}),
        })))})),
        "Outputs": object(&json!({"outputs": list(&object(&json!({"output": text, "error": or_null(text)})))})),
    }))
}

/// What helps to write searches.
fn writing(parts: &Parts) -> Map<String, Value> {
    #[rustfmt::skip]
    let Parts { text, count, texts, .. } = parts;
    named(json!({
        "Language": object(&json!({
            "commands": list(&object(&json!({
                "name": text, "also": texts, "syntax": text, "meaning": text,
                "options": list(&object(&json!({"name": text, "meaning": text}))),
            }))),
            "functions": list(&reference("Callable")),
            "aggregations": list(&reference("Callable")),
            "macros": list(&object(&json!({"name": text, "arguments": texts, "definition": text}))),
            "lookups": texts,
            "models": texts,
        })),
        "Callable": object(&json!({"name": text, "syntax": text, "meaning": text, "example": text})),
        "KnownFields": object(&json!({
            "fields": list(&object(&json!({"name": text, "events": count}))),
            "types": list(&object(&json!({"channel": text, "event_id": count, "events": count}))),
        })),
        "Draft": object(&json!({"search": text})),
        "Place": object(&json!({
            "message": text, "note": or_null(text), "help": or_null(text), "line": count, "column": count,
            "start": count, "end": count,
        })),
        "Checked": object(&json!({
            "problems": list(&reference("Place")), "warnings": list(&reference("Place")), "events": or_null(text),
            "commands": texts,
        })),
    }))
}

/// Accounts, tokens, and what people did.
fn people(parts: &Parts) -> Map<String, Value> {
    #[rustfmt::skip]
    let Parts { text, count, is, time, texts, role, .. } = parts;
    named(json!({
        "Users": object(&json!({"users": list(&object(&json!({"name": text, "role": role})))})),
        "NewUser": object(&json!({"name": text, "password": text, "role": role})),
        "Audit": object(&json!({"entries": list(&object(&json!({
            "time": time, "act": text, "user": text, "peer": text, "about": text,
        })))})),
        "UserChange": {
            "type": "object",
            "properties": {"role": or_null(role), "password": or_null(text)},
            "additionalProperties": false,
        },
        "Passwords": object(&json!({"old": text, "new": text})),
        "Me": object(&json!({
            "name": text, "role": role,
            "limits": object(&json!({
                "at_once": count, "rows": count, "bytes": count, "memory": count, "seconds": count,
            })),
        })),
        "Token": object(&json!({
            "name": text, "begins": text, "disabled": is, "acknowledges": is, "in_query": is, "indexes": texts,
            "index": text, "source": text, "sourcetype": text, "made": or_null(time),
        })),
        "Tokens": object(&json!({"tokens": list(&reference("Token"))})),
        "NewToken": {
            "type": "object",
            "properties": {
                "name": text, "acknowledges": is, "in_query": is, "indexes": texts, "index": text, "source": text,
                "sourcetype": text,
            },
            "required": ["name"],
            "additionalProperties": false,
        },
        "MadeToken": object(&json!({"name": text, "token": text})),
    }))
}

/// What people know about their environment.
fn known(parts: &Parts) -> Map<String, Value> {
    #[rustfmt::skip]
    let Parts { text, count, is, time, texts, .. } = parts;
    let fields = json!({"type": "object", "additionalProperties": texts});
    named(json!({
        "Table": object(&json!({
            "version": count, "columns": texts, "rows": list(texts), "by": text, "changed": or_null(time),
        })),
        "Problem": object(&json!({"row": count, "column": text, "message": text})),
        "Problems": object(&json!({"error": text, "problems": list(&reference("Problem"))})),
        "Csv": {"type": "string", "description": "A CSV file."},
        "ReadTable": object(&json!({"columns": texts, "rows": list(texts), "problems": list(&reference("Problem"))})),
        "EditedTable": {
            "type": "object",
            "properties": {"version": or_null(count), "columns": texts, "rows": list(texts)},
            "required": ["columns", "rows"],
            "additionalProperties": false,
        },
        "Exception": object(&json!({
            "id": text, "detection": text, "fields": fields, "reason": text, "until": text, "by": text,
            "changed": or_null(time), "version": count, "ends": or_null(time), "ended": is, "hidden": or_null(count),
        })),
        "Exceptions": object(&json!({"exceptions": list(&reference("Exception"))})),
        "DecidedException": {
            "type": "object",
            "properties": {
                "version": or_null(count), "detection": text, "fields": fields, "reason": text, "until": text,
            },
            "required": ["reason", "until"],
            "additionalProperties": false,
        },
    }))
}

/// The inbox, and the health of the data.
fn desk(parts: &Parts) -> Map<String, Value> {
    #[rustfmt::skip]
    let Parts { text, number, count, is, time, texts, .. } = parts;
    named(json!({
        "Health": object(&json!({
            "now": time,
            "senders": list(&object(&json!({
                "name": text, "records": count, "skipped": count, "bytes": count, "problems": texts,
                "more_problems": count, "last_request": or_null(time), "requests": count, "events": count,
            }))),
            "logs": list(&object(&json!({
                "host": text, "channel": text, "first": or_null(time), "last": or_null(time), "records": count,
                "cleared": list(time),
            }))),
            "more": count,
            "status": reference("Figures"),
        })),
        "Figures": object(&json!({
            "case": or_null(&object(&json!({
                "number": count, "created": time, "seconds": number, "told": count, "findings": count, "parts": texts,
            }))),
            "schedules": or_null(&object(&json!({
                "runs": count, "findings": count, "failing": count, "trouble": or_null(text),
            }))),
            "hunting": or_null(&object(&json!({"trouble": or_null(text)}))),
            "stored": object(&json!({"events": count, "files": count, "bytes": count, "trouble": or_null(text)})),
            "events": count, "requests": count, "log_bytes": count, "syncs": count, "sync_micros": count, "refused": count,
            "repeated": count, "lost_messages": count, "waiting_bytes": count, "trouble": or_null(text),
        })),
        "Item": object(&json!({
            "id": text, "kind": {"enum": ["path", "finding"]}, "title": text, "message": text, "severity": text,
            "type": text, "detection": text, "techniques": texts, "hosts": texts, "accounts": texts, "score": number,
            "found": or_null(time), "first": or_null(time), "last": or_null(time), "count": count,
            "status": reference("Status"), "goes_on": is, "owner": text, "disposition": reference("Disposition"),
            "version": count, "changed": or_null(time),
        })),
        "Status": {"enum": ["new", "in-progress", "closed"]},
        "Disposition": {
            "enum": ["undetermined", "true-positive", "benign-positive", "false-positive", "other"],
        },
        "Inbox": object(&json!({
            "tag": text, "items": or_null(&list(&reference("Item"))), "total": or_null(count), "owners": or_null(texts),
        })),
        "Decided": object(&json!({"items": list(&reference("Item"))})),
        "Decision": {
            "type": "object",
            "properties": {
                "items": list(&object(&json!({"id": text, "version": count}))),
                "status": or_null(&reference("Status")),
                "owner": or_null(text),
                "disposition": or_null(&reference("Disposition")),
                "note": text,
            },
            "required": ["items"],
            "additionalProperties": false,
        },
        "InboxDetail": object(&json!({
            "item": reference("Item"),
            "history": list(&object(&json!({
                "time": or_null(time), "by": text, "status": or_null(&reference("Status")), "owner": or_null(text),
                "disposition": or_null(&reference("Disposition")), "note": text,
            }))),
            "finding": or_null(&reference("Finding")),
        })),
    }))
}

/// The front end's types, `ui/src/data/api.ts`, are written from the schemas, which a test of the program compares with
/// what the server answers. `REFERENCE=write cargo test --workspace --lib reference` writes them.
#[cfg(test)]
mod typescript {
    #![expect(clippy::unwrap_used, reason = "a test may stop where it fails")]

    use std::fmt::Write as _;

    use crabwalk_testing::assert_fresh;
    use serde_json::Value;

    fn written(schema: &Value, indent: &str) -> String {
        if let Some(name) = schema["$ref"].as_str() {
            return name.rsplit('/').next().unwrap().to_owned();
        }
        if let Some(any) = schema["anyOf"].as_array() {
            let any: Vec<String> = any.iter().map(|one| written(one, indent)).collect();
            return any.join(" | ");
        }
        if let Some(values) = schema["enum"].as_array() {
            let values: Vec<String> = values.iter().map(ToString::to_string).collect();
            return values.join(" | ");
        }
        match schema["type"].as_str() {
            Some("string") => "string".to_owned(),
            Some("integer" | "number") => "number".to_owned(),
            Some("boolean") => "boolean".to_owned(),
            Some("null") => "null".to_owned(),
            Some("array") => format!("Array<{}>", written(&schema["items"], indent)),
            Some("object") => match schema["properties"].as_object() {
                Some(fields) => {
                    let inner = format!("{indent}  ");
                    let mut out = "{\n".to_owned();
                    let required = schema["required"].as_array();
                    for (name, field) in fields {
                        let is_there =
                            required.is_some_and(|all| all.iter().any(|one| one == name));
                        let sign = if is_there { "" } else { "?" };
                        if let Some(about) = field["description"].as_str() {
                            writeln!(out, "{inner}/** {about} */").unwrap();
                        }
                        writeln!(out, "{inner}{name}{sign}: {};", written(field, &inner)).unwrap();
                    }
                    format!("{out}{indent}}}")
                }
                None => match &schema["additionalProperties"] {
                    Value::Object(_) => format!(
                        "Record<string, {}>",
                        written(&schema["additionalProperties"], indent)
                    ),
                    _ => "Record<string, unknown>".to_owned(),
                },
            },
            _ => "unknown".to_owned(),
        }
    }

    #[test]
    fn the_front_end_has_the_types_of_the_api_in_its_reference() {
        let mut page = "// What the server answers and is asked. Written from the schemas of crates/server/src/api.rs by its tests; do \
            not edit.\n"
            .to_owned();
        for (name, schema) in &super::schemas() {
            // Who answers with these says no more than that.
            if !matches!(name.as_str(), "Anything" | "Object" | "Error") {
                write!(page, "\nexport type {name} = {};\n", written(schema, "")).unwrap();
            }
        }
        assert_fresh("ui/src/data/api.ts", &page);
    }
}
