//! Elasticsearch's interface, as far as senders need it: `_bulk`, and the requests that Beats, Logstash, Vector, Fluent
//! Bit and the official clients make before they send.
//!
//! - Every answer has `X-elastic-product: Elasticsearch`. Without it the official clients deliver, then fail, and their
//!   callers deliver again.
//! - *Wait* is 429 here (Splunk's senders need 503).
//! - Set-up calls (templates, policies, pipelines) are answered as if they had been done: what events are is told by
//!   their content, not by a template.

mod bulk;
mod ids;

pub use ids::Ids;

use std::collections::HashSet;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::batch::{Batch, Sender};
use crate::body::{self, BodyError};
use crate::hec::secret_of;
use crate::http::{Peer, decoded, parameters};
use crate::intake::{Refused, Taken};
use crate::shared::Server;
use crate::token::Token;
use bulk::{Action, Verb};

/// The reported version: the lowest that current senders accept.
const VERSION: (u32, u32, u32) = (8, 19, 0);

fn say(status: u16, body: &Value) -> Response {
    text(status, body.to_string())
}

fn text(status: u16, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    let headers = response.headers_mut();
    headers.insert(
        "x-elastic-product",
        HeaderValue::from_static("Elasticsearch"),
    );
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

fn error(status: u16, kind: &str, reason: &str) -> Response {
    let cause = json!({"type": kind, "reason": reason});
    let mut response = say(
        status,
        &json!({
            "error": {"root_cause": [cause], "type": kind, "reason": reason},
            "status": status,
        }),
    );
    if status == 401 {
        for challenge in ["Basic realm=\"security\", charset=\"UTF-8\"", "ApiKey"] {
            response.headers_mut().append(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static(challenge),
            );
        }
    }
    if matches!(status, 429 | 503) {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

fn refused(why: &Refused) -> Response {
    match why {
        Refused::Busy => error(429, "es_rejected_execution_exception", "rejected execution"),
        Refused::Disk(_) => error(
            503,
            "es_rejected_execution_exception",
            "events cannot be written now",
        ),
        Refused::Stopping => error(503, "node_closed_exception", "the server is stopping"),
    }
}

fn not_read(why: &BodyError) -> Response {
    match why {
        BodyError::Refused(why) => refused(why),
        BodyError::TooLarge(_) => error(413, "content_too_long_exception", &why.to_string()),
        BodyError::Encoding(_) => error(415, "illegal_argument_exception", &why.to_string()),
        BodyError::Slow => error(408, "timeout_exception", &why.to_string()),
        BodyError::Broken(_) => error(400, "parse_exception", &why.to_string()),
    }
}

/// Whether this module answers a request.
pub fn is_for(request: &Request) -> bool {
    let path = request.uri().path();
    if path == "/" {
        // A browser asks for a page; no sender does.
        let accept = request.headers().get(header::ACCEPT);
        return !accept.is_some_and(|accept| {
            String::from_utf8_lossy(accept.as_bytes()).contains("text/html")
        });
    }
    path.split('/').any(|part| part.starts_with('_'))
}

fn authorise(server: &Server, headers: &HeaderMap) -> Option<Token> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let secret = match value.trim().split_once(' ') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("apikey") => {
            let rest = rest.trim();
            // `id:key` in base64; some senders pass only the key.
            let pair = STANDARD
                .decode(rest)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .filter(|pair| pair.contains(':'));
            match pair.as_deref().and_then(|pair| pair.split_once(':')) {
                Some((_, key)) => key.to_owned(),
                None => rest.to_owned(),
            }
        }
        _ => secret_of(value)?,
    };
    server.tokens.find(&secret).filter(|token| !token.disabled)
}

/// Answers senders' requests to Elasticsearch.
pub async fn elastic(State(server): State<Arc<Server>>, request: Request) -> Response {
    let Some(token) = authorise(&server, request.headers()) else {
        return error(
            401,
            "security_exception",
            "missing or wrong credentials: give the token as an API key (`id:TOKEN`), or as the password of any user",
        );
    };
    let path = request.uri().path().to_owned();
    let parts: Vec<String> = path
        .split('/')
        .filter(|part| !part.is_empty())
        .map(decoded)
        .collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let method = request.method().clone();
    let is_write = method == Method::POST || method == Method::PUT;
    match parts.as_slice() {
        // Older senders add a type between index and call.
        [before @ .., "_bulk"] if is_write => {
            let index = before.first().copied().unwrap_or_default().to_owned();
            bulk_request(&server, token, &index, request).await
        }
        [index, "_doc"] | [index, "_doc", _] | [index, "_create", _] | [index, "_update", _]
            if is_write =>
        {
            let id = parts.get(2).copied().unwrap_or_default().to_owned();
            let verb = match parts.get(1) {
                Some(&"_create") => Verb::Create,
                Some(&"_update") => Verb::Update,
                _ => Verb::Index,
            };
            let index = (*index).to_owned();
            one_document(&server, token, &index, &id, verb, request).await
        }
        _ if method == Method::HEAD || method == Method::GET => {
            let answer = asked(&server, &parts, request.headers());
            match answer {
                Some(body) => say(200, &body),
                None => error(404, "resource_not_found_exception", "not found"),
            }
        }
        _ if is_write && sets_up(&parts) => say(200, &json!({"acknowledged": true})),
        _ => error(
            405,
            "illegal_argument_exception",
            "not supported here: send events to _bulk, _doc, _create or _update",
        ),
    }
}

/// Whether a call sets up or maintains an index. Calls that may carry events are never answered as if they had
/// succeeded.
fn sets_up(parts: &[&str]) -> bool {
    const CALLS: [&str; 20] = [
        "_alias",
        "_aliases",
        "_cluster",
        "_component_template",
        "_data_stream",
        "_enrich",
        "_flush",
        "_ilm",
        "_index_template",
        "_ingest",
        "_license",
        "_mapping",
        "_mappings",
        "_refresh",
        "_rollover",
        "_scripts",
        "_security",
        "_settings",
        "_template",
        "_xpack",
    ];
    parts.iter().any(|part| CALLS.contains(part))
}

/// The version to report to a sender: at least its own, because some senders refuse an older server.
fn version(headers: &HeaderMap) -> String {
    let own = headers
        .get(header::USER_AGENT)
        .and_then(|value| value.to_str().ok())
        .filter(|agent| agent.starts_with("Elastic"))
        .and_then(|agent| agent.split_once('/'))
        .and_then(|(_, rest)| {
            let number = rest.split([' ', '-', '+']).next()?;
            let mut parts = number.split('.').map(str::parse);
            let mut part = || parts.next()?.ok();
            Some((part()?, part()?, part()?))
        });
    let (major, minor, patch) = own
        .filter(|own| *own > VERSION && own.0 < 100)
        .unwrap_or(VERSION);
    format!("{major}.{minor}.{patch}")
}

/// Reports about the server and what was set up in it, which is nothing.
fn asked(server: &Server, parts: &[&str], headers: &HeaderMap) -> Option<Value> {
    Some(match parts {
        [] => json!({
            "name": "crabwalk",
            "cluster_name": "crabwalk",
            "cluster_uuid": server.instance,
            "version": {
                "number": version(headers),
                "build_flavor": "default",
                "build_type": "tar",
                "build_hash": "0000000000000000000000000000000000000000",
                "build_date": "2025-07-23T22:05:01.000000000Z",
                "build_snapshot": false,
                "lucene_version": "9.12.2",
                "minimum_wire_compatibility_version": "7.17.0",
                "minimum_index_compatibility_version": "7.0.0",
            },
            "tagline": "You Know, for Search",
        }),
        ["_license" | "_xpack", ..] => json!({
            "license": {
                "status": "active",
                "uid": "00000000-0000-0000-0000-000000000000",
                "type": "basic",
                "mode": "basic",
                "issue_date_in_millis": 0,
            },
            "features": {},
        }),
        ["_cluster", "health", ..] => json!({
            "cluster_name": "crabwalk",
            "status": "green",
            "timed_out": false,
            "number_of_nodes": 1,
            "number_of_data_nodes": 1,
            "active_shards": 0,
        }),
        ["_nodes", ..] => json!({"nodes": {}}),
        _ => return None,
    })
}

fn id() -> String {
    crate::secret::random::<15>()
        .map(|bytes| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes))
        .unwrap_or_default()
}

/// The result of each action of a request, and the events to write.
struct Sorted {
    items: Vec<Item>,
    events: Vec<crate::batch::Event>,
    ids: Vec<u128>,
}

struct Item {
    verb: Verb,
    index: String,
    id: String,
    status: u16,
    error: Option<(&'static str, String)>,
}

impl Item {
    fn show(&self, brief: bool) -> Value {
        let mut item = serde_json::Map::new();
        if !brief {
            item.insert("_index".to_owned(), self.index.as_str().into());
            item.insert("_id".to_owned(), self.id.as_str().into());
            if self.error.is_none() {
                item.insert("_version".to_owned(), 1.into());
                let result = match (self.verb, self.status) {
                    (Verb::Delete, _) => "not_found",
                    (Verb::Update, _) => "updated",
                    _ => "created",
                };
                item.insert("result".to_owned(), result.into());
                let shards = json!({"total": 1, "successful": 1, "failed": 0});
                item.insert("_shards".to_owned(), shards);
                item.insert("_seq_no".to_owned(), 0.into());
                item.insert("_primary_term".to_owned(), 1.into());
            }
        }
        item.insert("status".to_owned(), self.status.into());
        if let Some((kind, reason)) = &self.error {
            let error = json!({"type": kind, "reason": reason});
            item.insert("error".to_owned(), error);
        }
        json!({self.verb.name(): item})
    }
}

fn sort(server: &Server, token: &Token, index: &str, actions: Vec<Action>) -> Sorted {
    let mut sorted = Sorted {
        items: Vec::with_capacity(actions.len()),
        events: Vec::new(),
        ids: Vec::new(),
    };
    let mut here = HashSet::new();
    for action in actions {
        let mut item = Item {
            verb: action.verb,
            index: match action.index.is_empty() {
                true => index.to_owned(),
                false => action.index,
            },
            id: action.id,
            status: 201,
            error: None,
        };
        let known = (!item.id.is_empty()).then(|| Ids::key(&item.index, &item.id));
        let mut fail = |status, kind, reason| {
            item.status = status;
            item.error = Some((kind, reason));
        };
        match action.event {
            Err(reason) => fail(400, "document_parsing_exception", reason),
            Ok(_) if !token.allows(&item.index) => {
                let reason = format!("the token may not write to [{}]", item.index);
                fail(403, "security_exception", reason);
            }
            Ok(None) => item.status = 404,
            Ok(Some(_))
                if action.verb == Verb::Create
                    && known.is_some_and(|key| server.ids.has(key) || here.contains(&key)) =>
            {
                let reason = "version conflict, document already exists".to_owned();
                fail(409, "version_conflict_engine_exception", reason);
            }
            Ok(Some(mut event)) => {
                if action.verb == Verb::Update {
                    item.status = 200;
                }
                if let Some(key) = known {
                    here.insert(key);
                    sorted.ids.push(key);
                }
                event.index.clone_from(&item.index);
                event.source.clone_from(&token.source);
                event.sourcetype.clone_from(&token.sourcetype);
                sorted.events.push(event);
            }
        }
        if item.id.is_empty() {
            item.id = id();
        }
        sorted.items.push(item);
    }
    sorted
}

/// Writes the events, and reports the result of each action.
async fn finish(
    server: &Server,
    sorted: Sorted,
    sender: Sender,
    key: u128,
    room: crate::intake::Room,
) -> Result<Vec<Item>, Refused> {
    let mut batch = Batch {
        received: jiff::Timestamp::now().as_microsecond(),
        sender,
        key: 0,
        events: sorted.events,
    };
    if batch.is_dated() {
        batch.key = key;
    }
    if server.take(batch, room).await? == Taken::Before {
        tracing::debug!("a request was sent again");
    }
    server.ids.add(sorted.ids);
    Ok(sorted.items)
}

async fn bulk_request(
    server: &Arc<Server>,
    token: Token,
    index: &str,
    request: Request,
) -> Response {
    let began = std::time::Instant::now();
    let (parts, body) = request.into_parts();
    let query = parameters(parts.uri.query().unwrap_or_default());
    let brief = query
        .iter()
        .any(|(name, value)| name == "filter_path" && value.contains("items.*.status"));
    let mut whole = match body::read(&parts.headers, body, &server.intake, &server.limits).await {
        Ok(whole) => whole,
        Err(why) => return not_read(&why),
    };
    let sender = Sender {
        way: "elastic".to_owned(),
        token: token.name.clone(),
        peer: Peer::of(&parts.extensions),
    };
    let shared = Arc::clone(server);
    let index = index.to_owned();
    let work = move || {
        let bytes = whole
            .inflate(&shared.intake, &shared.limits)
            .map_err(|why| Box::new(not_read(&why)))?;
        let text = String::from_utf8_lossy(&bytes);
        let actions = bulk::parse(&text, &sender.peer).map_err(|malformed| {
            Box::new(error(400, "illegal_argument_exception", &malformed.1))
        })?;
        if actions.is_empty() {
            let why = "request body is required";
            return Err(Box::new(error(400, "parse_exception", why)));
        }
        let mut hash = xxhash_rust::xxh3::Xxh3::new();
        for part in [
            token.name.as_bytes(),
            b"\0bulk\0",
            index.as_bytes(),
            b"\0",
            &bytes,
        ] {
            hash.update(part);
        }
        let sorted = sort(&shared, &token, &index, actions);
        Ok((sorted, sender, hash.digest128().max(1), whole.room))
    };
    let worked = match tokio::task::spawn_blocking(work).await {
        Ok(Ok(worked)) => worked,
        Ok(Err(response)) => return *response,
        Err(_) => return error(500, "exception", "an error in Crabwalk; please report it"),
    };
    let (sorted, sender, key, room) = worked;
    let items = match finish(server, sorted, sender, key, room).await {
        Ok(items) => items,
        Err(why) => return refused(&why),
    };
    let errors = items.iter().any(|item| item.error.is_some());
    let shown: Vec<Value> = items.iter().map(|item| item.show(brief)).collect();
    // Senders search for the bytes `"errors":true`, so the response has no spaces.
    let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    match brief {
        true => say(200, &json!({"errors": errors, "items": shown})),
        false => say(
            200,
            &json!({"took": took, "errors": errors, "items": shown}),
        ),
    }
}

async fn one_document(
    server: &Arc<Server>,
    token: Token,
    index: &str,
    id: &str,
    verb: Verb,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let mut whole = match body::read(&parts.headers, body, &server.intake, &server.limits).await {
        Ok(whole) => whole,
        Err(why) => return not_read(&why),
    };
    let bytes = match whole.inflate(&server.intake, &server.limits) {
        Ok(bytes) => bytes,
        Err(why) => return not_read(&why),
    };
    let sender = Sender {
        way: "elastic".to_owned(),
        token: token.name.clone(),
        peer: Peer::of(&parts.extensions),
    };
    let text = String::from_utf8_lossy(&bytes);
    let action = Action {
        verb,
        index: index.to_owned(),
        id: id.to_owned(),
        event: bulk::document(&text, verb, &sender.peer)
            .map(Some)
            .map_err(|error| format!("failed to parse: {error}")),
    };
    let sorted = sort(server, &token, index, vec![action]);
    let items = match finish(server, sorted, sender, 0, whole.room).await {
        Ok(items) => items,
        Err(why) => return refused(&why),
    };
    let Some(item) = items.first() else {
        return error(500, "exception", "an error in Crabwalk; please report it");
    };
    match &item.error {
        Some((kind, reason)) => error(item.status, kind, reason),
        None => {
            let shown = item.show(false);
            let inner = shown.get(verb.name()).cloned().unwrap_or_default();
            say(item.status, &inner)
        }
    }
}
