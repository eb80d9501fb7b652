//! Splunk's HTTP Event Collector: what senders ask, and the answers they expect.
//!
//! Paths, codes and texts are Splunk's ("Format events for HTTP Event Collector", "Troubleshoot HTTP Event Collector",
//! "HTTP Event Collector indexer acknowledgement" in its documentation), because senders act on them. The details that
//! matter most:
//! - *Wait* is 503 with code 9, decided before anything of the request is taken. Senders lose what is answered with 429.
//! - 200 means that the events are on the disk.
//! - `Content-Type` says nothing: senders send wrong ones or none.

mod ack;
mod envelope;

pub use ack::Acks;
pub use envelope::time_of;

use std::fmt::Write as _;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::batch::{Batch, Event, Sender};
use crate::body::{self, BodyError};
use crate::http::{Peer, parameters};
use crate::intake::{Refused, Taken};
use crate::shared::Server;
use crate::token::Token;
use envelope::{Bad, Defaults, Parsed};

/// A response to a sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Code {
    Success = 0,
    TokenDisabled = 1,
    TokenRequired = 2,
    InvalidAuthorization = 3,
    InvalidToken = 4,
    NoData = 5,
    InvalidData = 6,
    IncorrectIndex = 7,
    Internal = 8,
    Busy = 9,
    ChannelMissing = 10,
    InvalidChannel = 11,
    EventRequired = 12,
    EventBlank = 13,
    AckDisabled = 14,
    Fields = 15,
    QueryDisabled = 16,
    Healthy = 17,
    QueuesFull = 18,
    Stopping = 23,
}

impl Code {
    fn said(self) -> (u16, &'static str) {
        match self {
            Self::Success => (200, "Success"),
            Self::TokenDisabled => (403, "Token disabled"),
            Self::TokenRequired => (401, "Token is required"),
            Self::InvalidAuthorization => (401, "Invalid authorization"),
            Self::InvalidToken => (403, "Invalid token"),
            Self::NoData => (400, "No data"),
            Self::InvalidData => (400, "Invalid data format"),
            Self::IncorrectIndex => (400, "Incorrect index"),
            Self::Internal => (500, "Internal server error"),
            Self::Busy => (503, "Server is busy"),
            Self::ChannelMissing => (400, "Data channel is missing"),
            Self::InvalidChannel => (400, "Invalid data channel"),
            Self::EventRequired => (400, "Event field is required"),
            Self::EventBlank => (400, "Event field cannot be blank"),
            Self::AckDisabled => (400, "ACK is disabled"),
            Self::Fields => (400, "Error in handling indexed fields"),
            Self::QueryDisabled => (400, "Query string authorization is not enabled"),
            Self::Healthy => (200, "HEC is healthy"),
            Self::QueuesFull => (503, "HEC is unhealthy, queues are full"),
            Self::Stopping => (503, "Server is shutting down"),
        }
    }
}

fn json(status: u16, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json; charset=UTF-8"),
    );
    response
}

fn answer_with(code: Code, event: Option<usize>, ack: Option<u64>) -> Response {
    let (status, text) = code.said();
    let mut body = format!("{{\"text\":\"{text}\",\"code\":{}", code as u16);
    // Writing into a text cannot fail.
    if let Some(event) = event {
        let _ = write!(body, ",\"invalid-event-number\":{event}");
    }
    if let Some(ack) = ack {
        let _ = write!(body, ",\"ackId\":{ack}");
    }
    body.push('}');
    let mut response = json(status, body);
    if status == 503 {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

fn answer(code: Code) -> Response {
    answer_with(code, None, None)
}

fn not_found(status: u16) -> Response {
    json(
        status,
        r#"{"text":"The requested URL was not found on this server.","code":404}"#.to_owned(),
    )
}

fn too_large() -> Response {
    json(413, r#"{"text":"Content too large","code":6}"#.to_owned())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Endpoint {
    Event,
    Raw,
    Ack,
    Health,
}

impl Endpoint {
    fn of(path: &str) -> Option<Self> {
        let rest = path.strip_prefix("/services/collector")?;
        let rest = rest.trim_end_matches('/');
        Some(match rest.strip_suffix("/1.0").unwrap_or(rest) {
            "" | "/event" => Self::Event,
            "/raw" => Self::Raw,
            "/ack" => Self::Ack,
            "/health" => Self::Health,
            _ => return None,
        })
    }

    fn methods(self) -> &'static str {
        match self {
            Self::Health => "GET,HEAD,OPTIONS",
            _ => "POST,OPTIONS",
        }
    }
}

/// Answers every request below `/services/collector`.
pub async fn collector(State(server): State<Arc<Server>>, request: Request) -> Response {
    let Some(endpoint) = Endpoint::of(request.uri().path()) else {
        return not_found(404);
    };
    let method = request.method();
    if method == Method::OPTIONS {
        // Before they start, some senders check without a token whether there is a collector.
        let mut response = Response::new(Body::empty());
        response
            .headers_mut()
            .insert(header::ALLOW, HeaderValue::from_static(endpoint.methods()));
        return response;
    }
    match (endpoint, method) {
        (Endpoint::Health, &Method::GET | &Method::HEAD) => health(&server),
        (Endpoint::Event | Endpoint::Raw | Endpoint::Ack, &Method::POST) => {
            let way = match endpoint {
                Endpoint::Ack => asked(&server, request).await,
                _ => receive(&server, endpoint, request).await,
            };
            way.unwrap_or_else(|response| response)
        }
        _ => {
            let mut response = not_found(405);
            response
                .headers_mut()
                .insert(header::ALLOW, HeaderValue::from_static(endpoint.methods()));
            response
        }
    }
}

/// Whether events are accepted. It needs no token: some senders pass none here.
fn health(server: &Server) -> Response {
    answer(match server.intake.trouble() {
        None => Code::Healthy,
        Some(Refused::Stopping) => Code::Stopping,
        Some(_) => Code::QueuesFull,
    })
}

/// The token of a request: from the URL, or from a header in one of the forms that senders use.
fn authorise(
    server: &Server,
    headers: &HeaderMap,
    query: &[(String, String)],
) -> Result<Token, Code> {
    let known = |secret: &str, code| match server.tokens.find(secret) {
        Some(token) if token.disabled => Err(Code::TokenDisabled),
        Some(token) => Ok(token),
        None => Err(code),
    };
    if let Some((_, secret)) = query.iter().find(|(name, _)| name == "token") {
        let token = known(secret, Code::InvalidToken)?;
        return match token.in_query {
            true => Ok(token),
            false => Err(Code::QueryDisabled),
        };
    }
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Err(Code::TokenRequired);
    };
    let value = value.to_str().map_err(|_| Code::InvalidAuthorization)?;
    known(
        &secret_of(value).ok_or(Code::InvalidAuthorization)?,
        Code::InvalidToken,
    )
}

/// The secret in an `Authorization` header: `Splunk`, `Bearer`, or the password of `Basic`.
pub fn secret_of(value: &str) -> Option<String> {
    let (scheme, rest) = value.trim().split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("splunk") || scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
    decoded.split_once(':').map(|(_, secret)| secret.to_owned())
}

/// The channel that a request names.
fn channel<'r>(headers: &'r HeaderMap, query: &'r [(String, String)]) -> Option<&'r str> {
    let named = query.iter().find(|(name, _)| name == "channel");
    named
        .map(|(_, value)| value.as_str())
        .or_else(|| headers.get("x-splunk-request-channel")?.to_str().ok())
        .filter(|channel| !channel.is_empty())
}

/// The channel of a request whose token acknowledges.
fn needed_channel<'r>(
    headers: &'r HeaderMap,
    query: &'r [(String, String)],
) -> Result<&'r str, Code> {
    let channel = channel(headers, query).ok_or(Code::ChannelMissing)?;
    match ack::is_channel(channel) {
        true => Ok(channel),
        false => Err(Code::InvalidChannel),
    }
}

fn refused(why: &Refused) -> Response {
    answer(match why {
        Refused::Stopping => Code::Stopping,
        Refused::Busy | Refused::Disk(_) => Code::Busy,
    })
}

fn not_read(error: &BodyError) -> Response {
    match error {
        BodyError::Refused(why) => refused(why),
        BodyError::TooLarge(_) => too_large(),
        BodyError::Encoding(_) => json(
            415,
            format!(
                "{{\"text\":{},\"code\":6}}",
                serde_json::Value::from(error.to_string())
            ),
        ),
        BodyError::Slow => json(408, r#"{"text":"Request timeout","code":6}"#.to_owned()),
        BodyError::Broken(_) => answer(Code::InvalidData),
    }
}

async fn receive(
    server: &Arc<Server>,
    endpoint: Endpoint,
    request: Request,
) -> Result<Response, Response> {
    let (parts, body) = request.into_parts();
    let query = parameters(parts.uri.query().unwrap_or_default());
    let admitted = authorise(server, &parts.headers, &query).and_then(|token| {
        let channel = match token.acknowledges {
            true => Some(needed_channel(&parts.headers, &query)?.to_owned()),
            false => None,
        };
        Ok((token, channel))
    });
    let (token, channel) = match admitted {
        Ok(admitted) => admitted,
        Err(code) => {
            body::discard(body, &server.limits).await;
            return Err(answer(code));
        }
    };
    let mut whole = body::read(&parts.headers, body, &server.intake, &server.limits)
        .await
        .map_err(|error| not_read(&error))?;
    let peer = Peer::of(&parts.extensions);
    let defaults = defaults(&token, &query, &peer);
    let sender = Sender {
        way: "hec".to_owned(),
        token: token.name.clone(),
        peer,
    };
    // Decompressing and parsing may take long.
    let shared = Arc::clone(server);
    let work = move || {
        let bytes = whole.inflate(&shared.intake, &shared.limits)?;
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        };
        let key = key(&sender, endpoint, &defaults, &text);
        let parsed = match endpoint {
            Endpoint::Raw => raw(&text, &token, &defaults),
            _ => envelope::parse(&text, &token, &defaults),
        };
        let mut batch = Batch {
            received: jiff::Timestamp::now().as_microsecond(),
            sender,
            key: 0,
            events: parsed.events,
        };
        if batch.is_dated() {
            batch.key = key;
        }
        Ok((batch, parsed.bad, whole.room, token))
    };
    let (batch, bad, room, token) = tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| answer(Code::Internal))?
        .map_err(|error: BodyError| not_read(&error))?;
    let kept = batch.events.len();
    let taken = server.take(batch, room).await;
    if let Err(why) = &taken {
        return Err(refused(why));
    }
    if taken == Ok(Taken::Before) {
        tracing::debug!(token = token.name, "a request was sent again");
    }
    let ack = |is: bool| {
        channel
            .as_deref()
            .filter(|_| is)
            .map(|channel| server.acks.give(&token.name, channel))
    };
    let Some((at, bad)) = bad else {
        return Ok(answer_with(Code::Success, None, ack(true)));
    };
    let (code, at) = match bad {
        Bad::NoData => (Code::NoData, None),
        Bad::Format => (Code::InvalidData, Some(at)),
        Bad::Index => (Code::IncorrectIndex, Some(at + 1)),
        Bad::Missing => (Code::EventRequired, Some(at)),
        Bad::Blank => (Code::EventBlank, Some(at)),
        Bad::Fields => (Code::Fields, Some(at)),
    };
    tracing::warn!(
        token = token.name,
        code = code as u16,
        kept,
        "a sender's request is wrong from its event {} on",
        at.unwrap_or(0)
    );
    Err(answer_with(code, at, ack(kept > 0)))
}

fn defaults(token: &Token, query: &[(String, String)], peer: &str) -> Defaults {
    let of = |name: &str, otherwise: &str| {
        let named = query
            .iter()
            .find(|(own, value)| own == name && !value.is_empty());
        named.map_or_else(|| otherwise.to_owned(), |(_, value)| value.clone())
    };
    Defaults {
        host: of("host", peer),
        source: of("source", &token.source),
        sourcetype: of("sourcetype", &token.sourcetype),
        index: of("index", &token.index),
        time: time_of(&of("time", "")),
    }
}

/// A hash of the request's full content.
fn key(sender: &Sender, endpoint: Endpoint, defaults: &Defaults, text: &str) -> u128 {
    let mut hash = xxhash_rust::xxh3::Xxh3::new();
    let kind = match endpoint {
        Endpoint::Raw => "raw",
        _ => "event",
    };
    let labels = [
        &defaults.host,
        &defaults.source,
        &defaults.sourcetype,
        &defaults.index,
    ];
    let parts = labels
        .iter()
        .map(|one| one.as_str())
        .chain([kind, &sender.token, text]);
    for part in parts {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.digest128().max(1)
}

/// Raw text: one event per line, unless its events span lines.
fn raw(text: &str, token: &Token, defaults: &Defaults) -> Parsed {
    if text.trim().is_empty() {
        return Parsed {
            bad: Some((0, Bad::NoData)),
            ..Parsed::default()
        };
    }
    if !token.allows(&defaults.index) {
        return Parsed {
            bad: Some((0, Bad::Index)),
            ..Parsed::default()
        };
    }
    let event = |text: &str| Event {
        time: defaults.time,
        host: defaults.host.clone(),
        source: defaults.source.clone(),
        sourcetype: defaults.sourcetype.clone(),
        index: defaults.index.clone(),
        fields: Vec::new(),
        text: text.to_owned(),
    };
    Parsed {
        events: crate::lines::events(text).map(event).collect(),
        bad: None,
    }
}

/// Reports the status of acknowledgements.
async fn asked(server: &Arc<Server>, request: Request) -> Result<Response, Response> {
    let (parts, body) = request.into_parts();
    let query = parameters(parts.uri.query().unwrap_or_default());
    let token = authorise(server, &parts.headers, &query).map_err(answer)?;
    if !token.acknowledges {
        return Err(answer(Code::AckDisabled));
    }
    let channel = needed_channel(&parts.headers, &query).map_err(answer)?;
    let mut whole = body::read(&parts.headers, body, &server.intake, &server.limits)
        .await
        .map_err(|error| not_read(&error))?;
    let bytes = whole
        .inflate(&server.intake, &server.limits)
        .map_err(|error| not_read(&error))?;
    #[derive(serde::Deserialize)]
    struct Asked {
        acks: Vec<u64>,
    }
    if bytes.is_empty() {
        return Err(answer(Code::NoData));
    }
    let asked: Asked = serde_json::from_slice(&bytes).map_err(|_| answer(Code::InvalidData))?;
    let told: Vec<String> = server
        .acks
        .ask(&token.name, channel, &asked.acks)
        .into_iter()
        .map(|(id, holds)| format!("\"{id}\":{holds}"))
        .collect();
    Ok(json(200, format!("{{\"acks\":{{{}}}}}", told.join(","))))
}
