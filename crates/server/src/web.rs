//! The user interface: the one-time set-up, logging in, and what answers requests of pages and programs
//! ([`crate::api`]).
//!
//! Pages contain no inline script and load none from elsewhere. Changes are accepted only from our own pages: browsers
//! state the origin of a request (`Sec-Fetch-Site`, `Origin`), and requests with a session cookie need a header that
//! another site's form cannot send.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::account::{AccountError, Role, User};
use crate::audit::Act;
use crate::http::{Peer, decoded, parameters};
use crate::jobs::{Job, JobError, Question};
use crate::schedule::{Change, ChangeError};
use crate::search;
use crate::shared::Server;

/// Bytes of a form or an API request.
const QUESTION: usize = 1 << 20;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// Routes of pages; those for programs are in [`crate::api`].
pub fn routes() -> Router<Arc<Server>> {
    Router::new()
        .route("/setup", get(setup_page).post(setup))
        .route("/login", get(login_page).post(login))
        .route("/logout", post(logout))
        .route("/pages.css", get(style))
        .route("/app.js", get(script))
        .route("/app.css", get(app_style))
}

/// A response with the headers of pages.
/// An answer.
pub fn page(status: StatusCode, kind: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in [
        ("content-type", kind),
        ("content-security-policy", POLICY),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("x-frame-options", "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn html(status: StatusCode, title: &str, inner: &str) -> Response {
    let text = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <link rel=\"icon\" href=\"data:,\">\n<link rel=\"stylesheet\" href=\"/pages.css\">\n\
         <title>{title} – Crabwalk</title>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n{inner}\n</main>\n</body>\n</html>\n"
    );
    page(status, "text/html; charset=utf-8", text)
}

pub fn said(status: StatusCode, body: &Value) -> Response {
    page(status, "application/json", body.to_string())
}

/// An error as the answer of an API.
pub fn wrong(status: StatusCode, why: &str) -> Response {
    said(status, &json!({"error": why}))
}

fn to(place: &'static str) -> Response {
    let mut response = page(StatusCode::SEE_OTHER, "text/plain", "");
    response
        .headers_mut()
        .insert(header::LOCATION, HeaderValue::from_static(place));
    response
}

async fn style() -> Response {
    const STYLE: &str = include_str!("pages.css");
    page(StatusCode::OK, "text/css; charset=utf-8", STYLE)
}

/// Escapes a text for HTML.
fn escaped(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            '"' => "&quot;".to_owned(),
            '\'' => "&#39;".to_owned(),
            other => other.to_string(),
        })
        .collect()
}

/// Whether a request that changes something comes from our own pages, or from no page at all.
pub fn is_own(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match (text("sec-fetch-site"), text("origin")) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            let host = origin.split_once("://").map(|(_, host)| host);
            host.is_some() && host == text("host")
        }
        // No browser: browsers send one of the two.
        (None, None) => true,
    }
}

/// The name of the session cookie. Over TLS it is bound to this host, and never sent unencrypted.
fn cookie_name(encrypted: bool) -> &'static str {
    if encrypted {
        "__Host-crabwalk"
    } else {
        "crabwalk"
    }
}

fn encrypted(parts: &Parts) -> bool {
    parts
        .extensions
        .get::<Peer>()
        .is_some_and(|peer| peer.encrypted)
}

fn session_of(parts: &Parts) -> Option<&str> {
    let name = cookie_name(encrypted(parts));
    parts
        .headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

fn set_cookie(response: &mut Response, parts: &Parts, value: &str, age: u32) {
    let secure = if encrypted(parts) { "; Secure" } else { "" };
    let name = cookie_name(encrypted(parts));
    let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={age}{secure}");
    if let Ok(value) = HeaderValue::from_str(&text) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
}

/// The user of a request, from a session cookie, or from name and password, as scripts send.
pub async fn who(server: &Arc<Server>, parts: &Parts) -> Option<User> {
    if let Some(user) = session_of(parts).and_then(|word| server.accounts.of_session(word)) {
        return Some(user);
    }
    let value = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
    let (name, password) = decoded.split_once(':')?;
    let (name, password) = (name.to_owned(), password.to_owned());
    let (server, peer) = (Arc::clone(server), Peer::of(&parts.extensions));
    let checked = tokio::task::spawn_blocking(move || {
        let checked = server.accounts.check(&name, &password, &peer);
        note_refused(&server, &checked, &name, &peer);
        checked
    });
    checked.await.ok()?.ok()
}

/// Notes a wrong password. Tries that had to wait are not noted: a guesser could push everything else out of the log.
pub fn note_refused(server: &Server, checked: &Result<User, AccountError>, name: &str, peer: &str) {
    if matches!(checked, Err(AccountError::Wrong)) {
        server.audit.note(Act::Refused, name, peer, "");
    }
}

/// Admits an API request if its user has the role.
pub async fn allowed(server: &Arc<Server>, parts: &Parts, role: Role) -> Result<User, Response> {
    let is_safe = matches!(parts.method, Method::GET | Method::HEAD);
    let by_cookie = session_of(parts).is_some();
    if !is_safe
        && (!is_own(&parts.headers) || (by_cookie && !parts.headers.contains_key("x-crabwalk")))
    {
        return Err(wrong(
            StatusCode::FORBIDDEN,
            "this must come from Crabwalk's own pages, with the header X-Crabwalk",
        ));
    }
    let Some(user) = who(server, parts).await else {
        return Err(wrong(StatusCode::UNAUTHORIZED, "log in first"));
    };
    match user.role >= role {
        true => Ok(user),
        false => Err(wrong(
            StatusCode::FORBIDDEN,
            "your role does not allow this",
        )),
    }
}

/// A small body, if it arrives in time.
pub async fn small(server: &Server, body: Body) -> Option<Bytes> {
    let read = to_bytes(body, QUESTION);
    timeout(server.limits.patience, read).await.ok()?.ok()
}

async fn form(
    server: &Server,
    request: Request,
) -> Result<(Parts, Vec<(String, String)>), Response> {
    let (parts, body) = request.into_parts();
    if !is_own(&parts.headers) {
        return Err(html(
            StatusCode::FORBIDDEN,
            "Refused",
            "<p>This form was sent from another site.</p>",
        ));
    }
    match small(server, body).await {
        Some(bytes) => Ok((parts, parameters(&String::from_utf8_lossy(&bytes)))),
        None => Err(html(
            StatusCode::BAD_REQUEST,
            "Refused",
            "<p>The form cannot be read.</p>",
        )),
    }
}

/// The value of a parameter; empty if there is none.
pub fn field<'f>(form: &'f [(String, String)], name: &str) -> &'f str {
    let found = form.iter().find(|(own, _)| own == name);
    found.map_or("", |(_, value)| value.as_str())
}

fn fields(first: &str, button: &str, complaint: &str, hint: &str) -> String {
    let complaint = match complaint {
        "" => String::new(),
        text => format!("<p role=\"alert\">{}</p>\n", escaped(text)),
    };
    let autocomplete = if hint.is_empty() {
        "current-password"
    } else {
        "new-password"
    };
    format!(
        "{complaint}<form method=\"post\">\n{first}\
         <label for=\"name\">Name</label>\n<input id=\"name\" name=\"name\" autocomplete=\"username\" required autofocus>\n\
         <label for=\"password\">Password</label>\n\
         <input id=\"password\" name=\"password\" type=\"password\" autocomplete=\"{autocomplete}\" required>\n{hint}\
         <button>{button}</button>\n</form>"
    )
}

fn setup_form(key: &str, complaint: &str, status: StatusCode) -> Response {
    let first = format!(
        "<input type=\"hidden\" name=\"key\" value=\"{}\">\n",
        escaped(key)
    );
    let hint = "<p class=\"hint\">At least 12 characters.</p>\n";
    html(
        status,
        "The first account",
        &fields(&first, "Create account", complaint, hint),
    )
}

async fn setup_page(State(server): State<Arc<Server>>, request: Request) -> Response {
    if !server.accounts.is_new() {
        return to("/login");
    }
    let query = parameters(request.uri().query().unwrap_or_default());
    setup_form(field(&query, "key"), "", StatusCode::OK)
}

async fn setup(State(server): State<Arc<Server>>, request: Request) -> Response {
    let (parts, form) = match form(&server, request).await {
        Ok(form) => form,
        Err(response) => return response,
    };
    let key = field(&form, "key").to_owned();
    let (name, password) = (
        field(&form, "name").to_owned(),
        field(&form, "password").to_owned(),
    );
    let again = key.clone();
    let peer = Peer::of(&parts.extensions);
    let made = tokio::task::spawn_blocking(move || {
        server.accounts.first(&key, &name, &password)?;
        server.audit.note(Act::SetUp, &name, &peer, "");
        Ok::<_, AccountError>(())
    });
    let made = made.await;
    match made {
        Ok(Ok(())) => to("/login"),
        Ok(Err(error)) => setup_form(&again, &error.to_string(), StatusCode::BAD_REQUEST),
        Err(_) => html(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Error",
            "<p>Try again.</p>",
        ),
    }
}

fn login_form(complaint: &str, status: StatusCode) -> Response {
    html(status, "Log in", &fields("", "Log in", complaint, ""))
}

async fn login_page(State(server): State<Arc<Server>>) -> Response {
    if server.accounts.is_new() {
        let inner = "<p>There is no account yet. The server printed a link for the first one when it started.</p>";
        return html(StatusCode::OK, "Not set up yet", inner);
    }
    login_form("", StatusCode::OK)
}

async fn login(State(server): State<Arc<Server>>, request: Request) -> Response {
    let (parts, form) = match form(&server, request).await {
        Ok(form) => form,
        Err(response) => return response,
    };
    let (name, password) = (
        field(&form, "name").to_owned(),
        field(&form, "password").to_owned(),
    );
    let peer = Peer::of(&parts.extensions);
    let shared = Arc::clone(&server);
    let checked = tokio::task::spawn_blocking(move || {
        let checked = shared.accounts.check(&name, &password, &peer);
        note_refused(&shared, &checked, &name, &peer);
        let user = checked?;
        shared.audit.note(Act::Login, &name, &peer, "");
        let word = shared.accounts.begin(&user)?;
        Ok::<_, AccountError>((user, word))
    });
    match checked.await {
        Ok(Ok((user, word))) => {
            tracing::info!(user = user.name, "logged in");
            let mut response = to("/");
            set_cookie(&mut response, &parts, &word, 24 * 3600);
            response
        }
        Ok(Err(error)) => {
            tracing::warn!(peer = Peer::of(&parts.extensions), %error, "login refused");
            login_form(&error.to_string(), StatusCode::UNAUTHORIZED)
        }
        Err(_) => html(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Error",
            "<p>Try again.</p>",
        ),
    }
}

async fn logout(State(server): State<Arc<Server>>, request: Request) -> Response {
    let (parts, _) = match form(&server, request).await {
        Ok(form) => form,
        Err(response) => return response,
    };
    if let Some(word) = session_of(&parts) {
        if let Some(user) = server.accounts.of_session(word) {
            let peer = Peer::of(&parts.extensions);
            server.audit.note(Act::Logout, &user.name, &peer, "");
        }
        server.accounts.end(word);
    }
    let mut response = to("/login");
    set_cookie(&mut response, &parts, "", 0);
    response
}

/// The page for browsers: the report's front end, which asks this server for its case.
pub async fn home(server: &Arc<Server>, parts: &Parts) -> Response {
    if who(server, parts).await.is_none() {
        return to("/login");
    }
    if crabwalk_case::front_end().is_none() {
        let inner = format!("<p>{}</p>", escaped(crabwalk_case::WITHOUT_FRONT_END));
        return html(StatusCode::OK, "Crabwalk", &inner);
    }
    const PAGE: &str = "<!doctype html>\n<html lang=\"en\" data-source=\"server\">\n<head>\n<meta charset=\"utf-8\">\n\
        <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<link rel=\"icon\" href=\"data:,\">\n\
        <link rel=\"stylesheet\" href=\"/app.css\">\n<title>Crabwalk</title>\n<script src=\"/app.js\" defer></script>\n</head>\n\
        <body>\n<noscript>The pages need JavaScript, which runs from this server alone.</noscript>\n\
        <div id=\"app\"></div>\n<div id=\"paper\"></div>\n</body>\n</html>\n";
    page(StatusCode::OK, "text/html; charset=utf-8", PAGE)
}

async fn script() -> Response {
    let text = crabwalk_case::front_end().map_or("", |front_end| front_end.script());
    page(StatusCode::OK, "text/javascript; charset=utf-8", text)
}

async fn app_style() -> Response {
    let text = crabwalk_case::front_end().map_or("", |front_end| front_end.style());
    page(StatusCode::OK, "text/css; charset=utf-8", text)
}

/// A part of the last hunt's case.
pub async fn part(State(server): State<Arc<Server>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    if let Err(response) = allowed(&server, &parts, Role::Viewer).await {
        return response;
    }
    let name = parts.uri.path().rsplit('/').next().unwrap_or_default();
    let query = parameters(parts.uri.query().unwrap_or_default());
    let number: Option<u64> = field(&query, "number").parse().ok();
    let last = server.watch.as_ref().and_then(crate::watch::Watch::last);
    let found = last
        .as_ref()
        .filter(|last| number.is_none_or(|number| number == last.number))
        .and_then(|last| last.parts.iter().find(|(own, _)| own == name));
    let Some((_, bytes)) = found else {
        return wrong(StatusCode::NOT_FOUND, "the last case has no such part");
    };
    let mut response = page(StatusCode::OK, "application/json", bytes.clone());
    response
        .headers_mut()
        .insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    response
}

/// Alerts, newest first, and the outputs that have received them.
pub async fn alerts(State(server): State<Arc<Server>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    if let Err(response) = allowed(&server, &parts, Role::Viewer).await {
        return response;
    }
    said(StatusCode::OK, &json!({ "alerts": server.alerts.all() }))
}

/// The answer where detections do not run by themselves.
fn without_schedules() -> Response {
    let why = "detections do not run by themselves on this server (--no-schedules)";
    wrong(StatusCode::NOT_FOUND, why)
}

/// Detections: what makes each run, when it ran last and runs next, what it found.
pub async fn content(State(server): State<Arc<Server>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    if let Err(response) = allowed(&server, &parts, Role::Viewer).await {
        return response;
    }
    match &server.schedules {
        Some(schedules) => said(StatusCode::OK, &schedules.all()),
        None => without_schedules(),
    }
}

/// Switches a detection on or off, its alerts, or its schedule.
pub async fn change_content(State(server): State<Arc<Server>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let admin = match allowed(&server, &parts, Role::Admin).await {
        Ok(user) => user,
        Err(response) => return response,
    };
    if server.schedules.is_none() {
        return without_schedules();
    }
    let Some(bytes) = small(&server, body).await else {
        return wrong(StatusCode::BAD_REQUEST, "the request cannot be read");
    };
    let change: Change = match serde_json::from_slice(&bytes) {
        Ok(change) => change,
        Err(error) => return wrong(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let id = decoded(parts.uri.path().rsplit('/').next().unwrap_or_default());
    let about = format!("{id} {}", String::from_utf8_lossy(&bytes));
    let shared = Arc::clone(&server);
    let changed = tokio::task::spawn_blocking(move || {
        let schedules = shared.schedules.as_ref()?;
        Some(schedules.change(&id, &change))
    });
    match changed.await {
        Ok(Some(Ok(detection))) => {
            note(&server, &parts, &admin, Act::ChangeContent, &about);
            said(StatusCode::OK, &detection)
        }
        Ok(Some(Err(error))) => unchanged(&error),
        Ok(None) | Err(_) => wrong(StatusCode::INTERNAL_SERVER_ERROR, "try again"),
    }
}

/// Runs a detection now.
pub async fn run_content(State(server): State<Arc<Server>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let user = match allowed(&server, &parts, Role::Analyst).await {
        Ok(user) => user,
        Err(response) => return response,
    };
    if server.schedules.is_none() {
        return without_schedules();
    }
    let id = decoded(parts.uri.path().rsplit('/').nth(1).unwrap_or_default());
    note(&server, &parts, &user, Act::RunContent, &id);
    let shared = Arc::clone(&server);
    let ran = tokio::task::spawn_blocking(move || {
        let schedules = shared.schedules.as_ref()?;
        Some(schedules.run_now(&id))
    });
    match ran.await {
        Ok(Some(Ok((found, detection)))) => said(
            StatusCode::OK,
            &json!({"found": found, "detection": detection}),
        ),
        Ok(Some(Err(error))) => unchanged(&error),
        Ok(None) | Err(_) => wrong(StatusCode::INTERNAL_SERVER_ERROR, "try again"),
    }
}

fn unchanged(error: &ChangeError) -> Response {
    let status = match error {
        ChangeError::Unknown(_) => StatusCode::NOT_FOUND,
        ChangeError::Schedule(_) => StatusCode::BAD_REQUEST,
        ChangeError::Off => StatusCode::CONFLICT,
        ChangeError::Run(_) | ChangeError::File(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    wrong(status, &error.to_string())
}

/// What detections found that run by themselves, newest first: `?detection=` names one, `?after=` is a time, `?most=` the
/// number of findings, 100 by default.
pub async fn findings(State(server): State<Arc<Server>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    if let Err(response) = allowed(&server, &parts, Role::Viewer).await {
        return response;
    }
    let Some(schedules) = &server.schedules else {
        return without_schedules();
    };
    let query = parameters(parts.uri.query().unwrap_or_default());
    let detection = Some(field(&query, "detection")).filter(|name| !name.is_empty());
    let after = match field(&query, "after") {
        "" => None,
        text => match text.parse::<jiff::Timestamp>() {
            Ok(time) => Some(time.as_microsecond()),
            Err(_) => {
                let why = "`after` is not a time: write 2026-11-29T00:00:00Z";
                return wrong(StatusCode::BAD_REQUEST, why);
            }
        },
    };
    let most = field(&query, "most").parse().unwrap_or(100);
    let found = schedules.findings(detection, after, most);
    said(StatusCode::OK, &json!({ "findings": found }))
}

/// Sends a test alert to each output, and returns the results.
pub async fn test_alerts(State(server): State<Arc<Server>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    match allowed(&server, &parts, Role::Admin).await {
        Ok(user) => note(&server, &parts, &user, Act::TestAlert, ""),
        Err(response) => return response,
    }
    let told: Vec<Value> = server
        .alerts
        .test()
        .await
        .into_iter()
        .map(|(output, result)| json!({"output": output, "error": result.err()}))
        .collect();
    said(StatusCode::OK, &json!({ "outputs": told }))
}

/// Notes what a user did.
pub fn note(server: &Server, parts: &Parts, user: &User, act: Act, about: &str) {
    let peer = Peer::of(&parts.extensions);
    server.audit.note(act, &user.name, &peer, about);
}

/// Figures in Prometheus' text format.
pub async fn metrics(State(server): State<Arc<Server>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    match allowed(&server, &parts, Role::Viewer).await {
        Ok(_) => page(
            StatusCode::OK,
            "text/plain; version=0.0.4; charset=utf-8",
            crate::status::metrics(&server),
        ),
        Err(response) => response,
    }
}

/// The newest entries of the audit log; `?most=` limits them, to 1,000 by default.
pub async fn audit(State(server): State<Arc<Server>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    if let Err(response) = allowed(&server, &parts, Role::Admin).await {
        return response;
    }
    let query = parameters(parts.uri.query().unwrap_or_default());
    let most = field(&query, "most").parse().unwrap_or(1000);
    let shared = Arc::clone(&server);
    match tokio::task::spawn_blocking(move || shared.audit.last(most)).await {
        Ok(Ok(entries)) => said(StatusCode::OK, &json!({ "entries": entries })),
        Ok(Err(error)) => wrong(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        Err(_) => wrong(StatusCode::INTERNAL_SERVER_ERROR, "try again"),
    }
}

/// Figures.
pub async fn status(State(server): State<Arc<Server>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    match allowed(&server, &parts, Role::Viewer).await {
        Ok(_) => said(StatusCode::OK, &crate::status::figures(&server)),
        Err(response) => response,
    }
}

/// The question of a request.
async fn question(server: &Server, body: Body) -> Result<Question, String> {
    let bytes = small(server, body).await;
    let bytes = bytes.ok_or("the request cannot be read")?;
    serde_json::from_slice(&bytes).map_err(|error| error.to_string())
}

fn refused(error: &JobError) -> Response {
    let status = match error {
        JobError::Search(_) => StatusCode::BAD_REQUEST,
        JobError::Content(_) => StatusCode::INTERNAL_SERVER_ERROR,
        JobError::Busy => StatusCode::TOO_MANY_REQUESTS,
    };
    wrong(status, &error.to_string())
}

/// Starts the job of a request.
async fn started(server: &Arc<Server>, request: Request) -> Result<Arc<Job>, Box<Response>> {
    let (parts, body) = request.into_parts();
    let user = allowed(server, &parts, Role::Analyst).await?;
    let question = question(server, body).await;
    let question = question.map_err(|error| wrong(StatusCode::BAD_REQUEST, &error))?;
    note(server, &parts, &user, Act::Search, &question.search);
    let job = search::start(server, &user, question).await;
    job.map_err(|error| Box::new(refused(&error)))
}

/// Runs a search, and answers with columns, rows and warnings.
pub async fn search(State(server): State<Arc<Server>>, request: Request) -> Response {
    let job = match started(&server, request).await {
        Ok(job) => job,
        Err(response) => return *response,
    };
    let write = |job: &Job| {
        let (status, told) = search::told(job, 0, usize::MAX);
        said(status, &told)
    };
    search::answer(&server.jobs, job, write).await
}

/// Starts a search, and answers with its job.
pub async fn add_job(State(server): State<Arc<Server>>, request: Request) -> Response {
    match started(&server, request).await {
        Ok(job) => said(StatusCode::CREATED, &job.described()),
        Err(response) => *response,
    }
}

/// The user's jobs, newest first; all for administrators.
pub async fn jobs(State(server): State<Arc<Server>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    match allowed(&server, &parts, Role::Analyst).await {
        Ok(user) => {
            let all = server.jobs.all(&user);
            let all: Vec<Value> = all.iter().map(|job| job.described()).collect();
            said(StatusCode::OK, &json!({ "jobs": all }))
        }
        Err(response) => response,
    }
}

/// The job that a request names, and the request's query.
async fn named_job(
    server: &Arc<Server>,
    request: Request,
    place: usize,
) -> Result<(Arc<Job>, Vec<(String, String)>), Box<Response>> {
    let (parts, _) = request.into_parts();
    let user = allowed(server, &parts, Role::Analyst).await?;
    let id = parts.uri.path().rsplit('/').nth(place).unwrap_or_default();
    let job = server.jobs.get(&user, id);
    let none = || Box::new(wrong(StatusCode::NOT_FOUND, "there is no such job"));
    let query = parameters(parts.uri.query().unwrap_or_default());
    Ok((job.ok_or_else(none)?, query))
}

/// How a job is.
pub async fn job(State(server): State<Arc<Server>>, request: Request) -> Response {
    match named_job(&server, request, 0).await {
        Ok((job, _)) => said(StatusCode::OK, &job.described()),
        Err(response) => *response,
    }
}

/// The answer of a job: `?offset=`, `?count=`.
pub async fn job_results(State(server): State<Arc<Server>>, request: Request) -> Response {
    let (job, query) = match named_job(&server, request, 1).await {
        Ok(found) => found,
        Err(response) => return *response,
    };
    if !job.stage().is_over() {
        return wrong(StatusCode::CONFLICT, "the search is not done yet");
    }
    let number = |name: &str| field(&query, name).parse::<usize>().ok();
    let offset = number("offset").unwrap_or(0);
    let (status, told) = search::told(&job, offset, number("count").unwrap_or(usize::MAX));
    said(status, &told)
}

/// How a job goes on, as server-sent events.
pub async fn job_events(State(server): State<Arc<Server>>, request: Request) -> Response {
    match named_job(&server, request, 1).await {
        Ok((job, _)) => page(StatusCode::OK, "text/event-stream", search::events(job)),
        Err(response) => *response,
    }
}

/// Cancels a job.
pub async fn cancel_job(State(server): State<Arc<Server>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let user = match allowed(&server, &parts, Role::Analyst).await {
        Ok(user) => user,
        Err(response) => return response,
    };
    let id = parts.uri.path().rsplit('/').next().unwrap_or_default();
    match server.jobs.cancel(&user, id) {
        true => said(StatusCode::OK, &json!({"error": null})),
        false => wrong(StatusCode::NOT_FOUND, "there is no such job"),
    }
}
