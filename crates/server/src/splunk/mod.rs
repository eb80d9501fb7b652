//! The part of Splunk's REST interface that its client libraries need: logging in, searches, saved searches.
//!
//! Clients of any kind are met as Splunk meets them: forms are read whatever their content type says, parameters may be in
//! the query or the body, paths may end in a slash and have `+` for a space, and `/servicesNS/OWNER/APP` is `/services`.

mod atom;
mod results;

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use crabwalk_detect::time_modifier;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::account::{AccountError, Role, User};
use crate::audit::Act;
use crate::http::{Peer, decoded, parameters};
use crate::jobs::{Job, JobError, Question, Stage};
use crate::saved::{SaveError, Saved};
use crate::schedule::{Change, ChangeError, Times};
use crate::search;
use crate::shared::Server;
use crate::web;
use atom::{Entry, Form, answer, feed, json_answer, message, page, single, xml_answer};
use results::{Mode, Part};

/// Bytes of a request's body.
const MOST_BODY: usize = 1 << 20;
/// Rows of an answer, unless a client asks for another number.
const ROWS: usize = 100;

/// A request in parts.
struct Asked {
    server: Arc<Server>,
    parts: Parts,
    form: Form,
    parameters: Vec<(String, String)>,
}

impl Asked {
    /// A parameter; of several the last. Empty if there is none.
    fn get(&self, name: &str) -> &str {
        let mut all = self.parameters.iter().rev();
        all.find(|(own, _)| own == name)
            .map_or("", |(_, value)| value.as_str())
    }

    fn has(&self, name: &str) -> bool {
        self.parameters.iter().any(|(own, _)| own == name)
    }

    fn number(&self, name: &str, default: usize) -> usize {
        self.get(name).parse().unwrap_or(default)
    }

    fn is(&self, name: &str) -> bool {
        matches!(
            self.get(name).to_lowercase().as_str(),
            "1" | "true" | "t" | "yes"
        )
    }

    fn says(&self, status: StatusCode, kind: &str, text: &str) -> Response {
        message(self.form, status, kind, text)
    }

    fn not_found(&self) -> Response {
        self.says(StatusCode::NOT_FOUND, "ERROR", "Not Found")
    }

    fn unknown_job(&self) -> Response {
        self.says(StatusCode::NOT_FOUND, "FATAL", "Unknown sid.")
    }

    fn refuses(&self, parameter: &str) -> Response {
        let text = format!("The parameter '{parameter}' is not supported here.");
        self.says(StatusCode::BAD_REQUEST, "FATAL", &text)
    }

    fn note(&self, user: &User, act: Act, about: &str) {
        let peer = Peer::of(&self.parts.extensions);
        self.server.audit.note(act, &user.name, &peer, about);
    }
}

/// Answers a request.
pub async fn splunk(State(server): State<Arc<Server>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let mut all = parameters(parts.uri.query().unwrap_or_default());
    let body = timeout(server.limits.patience, to_bytes(body, MOST_BODY)).await;
    let Ok(Ok(body)) = body else {
        let text = "the request cannot be read";
        return message(Form::Xml, StatusCode::BAD_REQUEST, "FATAL", text);
    };
    all.extend(parameters(&String::from_utf8_lossy(&body)));
    let is_json = all
        .iter()
        .any(|(name, value)| name == "output_mode" && value.starts_with("json"));
    let asked = Asked {
        server,
        form: if is_json { Form::Json } else { Form::Xml },
        parameters: all,
        parts,
    };
    let path: Vec<String> = (asked.parts.uri.path().split('/'))
        .filter(|part| !part.is_empty())
        .map(decoded)
        .collect();
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let inner = match path.as_slice() {
        ["services", inner @ ..] | ["servicesNS", _, _, inner @ ..] => inner,
        _ => return asked.not_found(),
    };
    let is_safe = matches!(asked.parts.method, Method::GET | Method::HEAD);
    if !is_safe && !web::is_own(&asked.parts.headers) {
        let text = "This request was sent from another site.";
        return asked.says(StatusCode::FORBIDDEN, "ERROR", text);
    }
    if inner == ["auth", "login"] {
        return login(&asked).await;
    }
    let user = match who(&asked).await {
        Ok(user) => user,
        Err(response) => return *response,
    };
    route(&asked, &user, inner).await
}

async fn route(asked: &Asked, user: &User, path: &[&str]) -> Response {
    let is_post = asked.parts.method == Method::POST;
    let path = match path {
        ["search", "v2", rest @ ..] => [&["search"], rest].concat(),
        path => path.to_vec(),
    };
    match path.as_slice() {
        ["server", "info"] => {
            let content = json!({"version": atom::VERSION, "serverName": "crabwalk", "product_type": "crabwalk"});
            let entry = Entry::new("server-info", "/server/info/server-info", "system", content);
            feed(asked.form, StatusCode::OK, "server-info", &[entry])
        }
        ["authentication", "current-context"] => context(asked, user),
        _ if user.role < Role::Analyst => {
            let text = format!(
                "You (user={}) do not have permission to perform this operation (requires capability: search).",
                user.name
            );
            asked.says(StatusCode::FORBIDDEN, "ERROR", &text)
        }
        ["search", "jobs"] if is_post => create(asked, user).await,
        ["search", "jobs"] => jobs(asked, user),
        ["search", "jobs", "export"] => export(asked, user).await,
        ["search", "jobs", id] => job(asked, user, id),
        ["search", "jobs", id, "control"] if is_post => control(asked, user, id),
        [
            "search",
            "jobs",
            id,
            "results" | "results_preview" | "events",
        ] => {
            let is_preview = path.last() == Some(&"results_preview");
            job_results(asked, user, id, is_preview)
        }
        ["search", "jobs", id, "summary" | "timeline"] => match asked.server.jobs.get(user, id) {
            Some(_) => xml_answer(StatusCode::OK, "<results preview='0'/>\n"),
            None => asked.unknown_job(),
        },
        ["search", "jobs", id, "search.log"] => match asked.server.jobs.get(user, id) {
            Some(job) => {
                let text = job.error().unwrap_or_default();
                answer(StatusCode::OK, "text/plain; charset=UTF-8", text)
            }
            None => asked.unknown_job(),
        },
        ["search", "parser"] if is_post => parser(asked).await,
        ["search", "timeparser"] => times(asked),
        ["search", ..] => asked.says(StatusCode::NOT_FOUND, "FATAL", "Unknown endpoint."),
        ["saved", "searches"] if is_post => save(asked, user).await,
        ["saved", "searches"] => saved_list(asked),
        ["saved", "searches", name] => saved(asked, user, name).await,
        ["saved", "searches", name, "dispatch"] if is_post => dispatch(asked, user, name).await,
        ["saved", "searches", name, "history"] => history(asked, user, name),
        ["data", "indexes"] => {
            let size = asked.server.kept.store().size();
            let content = json!({"totalEventCount": size.events.to_string(), "currentDBSizeMB": (size.bytes >> 20).to_string(),
                "disabled": false, "datatype": "event"});
            let entry = Entry::new("main", "/data/indexes/main", "nobody", content);
            feed(asked.form, StatusCode::OK, "indexes", &[entry])
        }
        ["apps", "local"] => {
            let content = json!({"disabled": false, "label": "Search", "visible": true, "version": env!("CARGO_PKG_VERSION")});
            let entry = Entry::new("search", "/apps/local/search", "nobody", content);
            feed(asked.form, StatusCode::OK, "localapps", &[entry])
        }
        _ => asked.not_found(),
    }
}

/// Logs in: answers with the key of a session.
async fn login(asked: &Asked) -> Response {
    let (name, password) = (
        asked.get("username").to_owned(),
        asked.get("password").to_owned(),
    );
    if asked.parts.method != Method::POST || name.is_empty() || password.is_empty() {
        let text = "username and password are required, by POST";
        return asked.says(StatusCode::BAD_REQUEST, "ERROR", text);
    }
    let peer = Peer::of(&asked.parts.extensions);
    let server = Arc::clone(&asked.server);
    let checked = tokio::task::spawn_blocking(move || {
        let checked = server.accounts.check(&name, &password, &peer);
        web::note_refused(&server, &checked, &name, &peer);
        let user = checked?;
        server.audit.note(Act::Login, &name, &peer, "");
        Ok::<_, AccountError>(server.accounts.begin(&user)?)
    });
    match checked.await {
        Ok(Ok(key)) if asked.form == Form::Json => json_answer(
            StatusCode::OK,
            &json!({"sessionKey": key, "message": "", "code": ""}),
        ),
        Ok(Ok(key)) => {
            let body = format!(
                "<response>\n  <sessionKey>{key}</sessionKey>\n  <messages>\n    <msg code=\"\"></msg>\n  </messages>\n\
                 </response>\n"
            );
            answer(StatusCode::OK, "text/xml; charset=UTF-8", body)
        }
        Ok(Err(AccountError::Wait(seconds))) => {
            let text = format!("Login failed: too many failed tries; wait {seconds} seconds");
            asked.says(StatusCode::UNAUTHORIZED, "WARN", &text)
        }
        Ok(Err(_)) => asked.says(StatusCode::UNAUTHORIZED, "WARN", "Login failed"),
        Err(_) => asked.says(StatusCode::INTERNAL_SERVER_ERROR, "ERROR", "try again"),
    }
}

/// The user of a request: by the key of a session, or by name and password.
async fn who(asked: &Asked) -> Result<User, Box<Response>> {
    let value = asked.parts.headers.get(header::AUTHORIZATION);
    let value = value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let (scheme, word) = value.trim().split_once(' ').unwrap_or_default();
    if ["splunk", "bearer"].contains(&scheme.to_lowercase().as_str()) {
        let text = "call not properly authenticated";
        return asked
            .server
            .accounts
            .of_session(word.trim())
            .ok_or_else(|| Box::new(asked.says(StatusCode::UNAUTHORIZED, "WARN", text)));
    }
    if scheme.eq_ignore_ascii_case("basic")
        && let Some(user) = web::who(&asked.server, &asked.parts).await
    {
        return Ok(user);
    }
    let mut response = asked.says(StatusCode::UNAUTHORIZED, "ERROR", "Unauthorized");
    let challenge = HeaderValue::from_static("Basic realm=\"/splunk\"");
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, challenge);
    Err(Box::new(response))
}

fn context(asked: &Asked, user: &User) -> Response {
    let role = match user.role {
        Role::Admin => "admin",
        Role::Analyst => "power",
        Role::Viewer => "user",
    };
    let capabilities: &[&str] = match user.role {
        Role::Viewer => &[],
        Role::Analyst | Role::Admin => &["search"],
    };
    let content = json!({"username": user.name, "roles": [role], "capabilities": capabilities});
    let path = "/authentication/current-context/context";
    let entry = Entry::new("context", path, "system", content);
    feed(asked.form, StatusCode::OK, "current-context", &[entry])
}

/// What a request asks: a search, its range of time, its limits.
fn question(asked: &Asked) -> Result<Question, Box<Response>> {
    let search = asked.get("search");
    if search.trim().is_empty() {
        let text = "The required 'search' parameter for the Splunk platform REST API search/jobs endpoint is not specified. \
            Specify the required 'search' parameter for the POST request on the endpoint and then retry your request.";
        return Err(Box::new(asked.says(StatusCode::BAD_REQUEST, "FATAL", text)));
    }
    for parameter in ["id", "index_earliest", "index_latest", "now", "time_format"] {
        if asked.has(parameter) {
            return Err(Box::new(asked.refuses(parameter)));
        }
    }
    let seconds = asked
        .get("max_time")
        .parse()
        .ok()
        .filter(|seconds| *seconds > 0);
    Ok(Question {
        search: search.to_owned(),
        earliest: asked.get("earliest_time").to_owned(),
        latest: asked.get("latest_time").to_owned(),
        rows: asked.get("max_count").parse().ok().filter(|rows| *rows > 0),
        seconds,
        saved: None,
    })
}

async fn start(asked: &Asked, user: &User, question: Question) -> Result<Arc<Job>, Box<Response>> {
    asked.note(user, Act::Search, &question.search);
    let job = search::start(&asked.server, user, question).await;
    job.map_err(|error| {
        let (status, kind, text) = match &error {
            JobError::Search(text) => (StatusCode::BAD_REQUEST, "FATAL", text.clone()),
            JobError::Content(_) => (StatusCode::INTERNAL_SERVER_ERROR, "ERROR", error.to_string()),
            JobError::Busy => (
                StatusCode::SERVICE_UNAVAILABLE,
                "WARN",
                "The maximum number of concurrent historical searches on this instance has been reached.".to_owned(),
            ),
        };
        Box::new(asked.says(status, kind, &text))
    })
}

fn created(asked: &Asked, job: &Job) -> Response {
    match asked.form {
        Form::Json => json_answer(StatusCode::CREATED, &json!({"sid": job.id})),
        Form::Xml => {
            let body = format!("<response>\n  <sid>{}</sid>\n</response>\n", job.id);
            xml_answer(StatusCode::CREATED, &body)
        }
    }
}

fn mode(asked: &Asked) -> Result<Mode, Box<Response>> {
    Mode::parse(asked.get("output_mode")).ok_or_else(|| {
        let text = format!(
            "The output mode '{}' is not known.",
            asked.get("output_mode")
        );
        Box::new(asked.says(StatusCode::BAD_REQUEST, "FATAL", &text))
    })
}

/// Starts a search: as a job, or answered at once.
async fn create(asked: &Asked, user: &User) -> Response {
    let (question, mode) = match question(asked).and_then(|one| Ok((one, mode(asked)?))) {
        Ok(both) => both,
        Err(response) => return *response,
    };
    let how = asked.get("exec_mode");
    if !["", "normal", "blocking", "oneshot"].contains(&how) {
        return asked.refuses("exec_mode");
    }
    let job = match start(asked, user, question).await {
        Ok(job) => job,
        Err(response) => return *response,
    };
    match how {
        "oneshot" => {
            let wanted = Wanted::of(asked);
            at_once(asked, job, mode, move |job| {
                wanted.written(job, mode, false)
            })
            .await
        }
        "blocking" => {
            job.over().await;
            created(asked, &job)
        }
        _ => created(asked, &job),
    }
}

async fn export(asked: &Asked, user: &User) -> Response {
    let (question, mode) = match question(asked).and_then(|one| Ok((one, mode(asked)?))) {
        Ok(both) => both,
        Err(response) => return *response,
    };
    let job = match start(asked, user, question).await {
        Ok(job) => job,
        Err(response) => return *response,
    };
    let wanted = Wanted {
        count: usize::MAX,
        ..Wanted::of(asked)
    };
    at_once(asked, job, mode, move |job| wanted.written(job, mode, true)).await
}

/// Answers when a job is over; it is cancelled if its client goes before.
async fn at_once(
    asked: &Asked,
    job: Arc<Job>,
    mode: Mode,
    write: impl FnOnce(&Job) -> Response + Send + 'static,
) -> Response {
    if mode.may_begin_with_space() {
        return search::answer(&asked.server.jobs, job, write).await;
    }
    let waits = asked.server.jobs.while_asked(&job);
    job.over().await;
    let response = write(&job);
    drop(waits);
    response
}

/// Which rows a client wants.
struct Wanted {
    form: Form,
    offset: usize,
    count: usize,
    fields: Vec<String>,
}

impl Wanted {
    fn of(asked: &Asked) -> Self {
        let fields = asked.parameters.iter().filter(|(name, _)| name == "f");
        Self {
            form: asked.form,
            offset: asked.number("offset", 0),
            count: match asked.number("count", ROWS) {
                0 => usize::MAX,
                count => count,
            },
            fields: fields.map(|(_, value)| value.clone()).collect(),
        }
    }

    fn written(&self, job: &Job, mode: Mode, is_export: bool) -> Response {
        if let Some(error) = job.error() {
            return message(self.form, StatusCode::BAD_REQUEST, "FATAL", &error);
        }
        let (answer, whole) = job.answer();
        let warnings = answer
            .warnings
            .iter()
            .map(|one| ("WARN", one.message.clone()));
        let mut messages: Vec<(&str, String)> = warnings.collect();
        if !whole && job.stage() == Stage::Done {
            let text = format!("Only the first {} results are kept.", answer.rows.len());
            messages.push(("WARN", text));
        }
        let part = Part {
            answer: &answer,
            offset: self.offset,
            count: self.count,
            fields: &self.fields,
            preview: !job.stage().is_over(),
            messages,
        };
        match is_export {
            true => part.exported(mode),
            false => part.written(mode),
        }
    }
}

fn job_entry(job: &Job) -> Entry {
    let stage = job.stage();
    let rows = job.answer().0.rows.len();
    let error = job.error();
    let state = match stage {
        Stage::Queued => "QUEUED",
        Stage::Running => "RUNNING",
        Stage::Done => "DONE",
        Stage::Failed => "FAILED",
    };
    let time = |seconds: Option<f64>| {
        #[expect(clippy::cast_possible_truncation, reason = "casts saturate")]
        let micros = (seconds.unwrap_or(0.0) * 1e6) as i64;
        let time = jiff::Timestamp::from_microsecond(micros).ok();
        time.map(|time| time.strftime("%Y-%m-%dT%H:%M:%S%.3f+00:00").to_string())
    };
    let messages: Vec<Value> = error
        .iter()
        .map(|text| json!({"type": "FATAL", "text": text}))
        .collect();
    let content = json!({
        "sid": job.id,
        "dispatchState": state,
        "doneProgress": if stage.is_over() { 1.0 } else { 0.0 },
        "isDone": stage.is_over(),
        "isFailed": stage == Stage::Failed,
        "isFinalized": false,
        "isPaused": false,
        "isSaved": false,
        "isSavedSearch": job.question.saved.is_some(),
        "isZombie": false,
        "isPreviewEnabled": false,
        "isRealTimeSearch": false,
        "resultCount": rows,
        "resultPreviewCount": rows,
        "eventCount": rows,
        "scanCount": rows,
        "runDuration": job.seconds(),
        "ttl": 600,
        "priority": 5,
        "search": job.question.search,
        "eventSearch": job.question.search,
        "label": job.question.saved.as_deref().unwrap_or_default(),
        "earliestTime": time(job.range.0),
        "latestTime": time(Some(job.range.1.unwrap_or(job.asked as f64 / 1e6))),
        "messages": messages,
    });
    let mut entry = Entry::new(
        &job.question.search,
        &format!("/search/jobs/{}", job.id),
        &job.owner,
        content,
    );
    entry.links = &[
        "search.log",
        "events",
        "results",
        "results_preview",
        "timeline",
        "summary",
        "control",
    ];
    entry
}

/// A page of a list.
fn listed(asked: &Asked, title: &str, entries: Vec<Entry>) -> Response {
    let total = entries.len();
    let offset = asked.number("offset", 0);
    // -1 and 0 are all.
    let count = match asked.get("count") {
        "" => 30,
        text => text
            .parse()
            .ok()
            .filter(|count| *count > 0)
            .unwrap_or(usize::MAX),
    };
    let entries: Vec<Entry> = entries.into_iter().skip(offset).take(count).collect();
    page(asked.form, StatusCode::OK, title, &entries, total, offset)
}

fn jobs(asked: &Asked, user: &User) -> Response {
    let all = asked.server.jobs.all(user);
    let entries = all.iter().map(|job| job_entry(job)).collect();
    listed(asked, "jobs", entries)
}

fn job(asked: &Asked, user: &User, id: &str) -> Response {
    if asked.parts.method == Method::DELETE {
        return match asked.server.jobs.cancel(user, id) {
            true => asked.says(StatusCode::OK, "INFO", "Search job cancelled."),
            false => asked.unknown_job(),
        };
    }
    match asked.server.jobs.get(user, id) {
        Some(job) => single(asked.form, &job_entry(&job)),
        None => asked.unknown_job(),
    }
}

fn control(asked: &Asked, user: &User, id: &str) -> Response {
    let Some(job) = asked.server.jobs.get(user, id) else {
        return asked.unknown_job();
    };
    let said = match asked.get("action") {
        "cancel" => {
            asked.server.jobs.cancel(user, id);
            "Search job cancelled."
        }
        "finalize" => {
            job.finish();
            "Search job finalized."
        }
        // Having been asked for is what keeps it.
        "touch" => "Search job touched.",
        // There are no previews to speak of, and all have the same priority.
        "enablepreview" | "disablepreview" | "setpriority" => "Search job unchanged.",
        action => {
            let text = format!("The action '{action}' is not supported.");
            return asked.says(StatusCode::BAD_REQUEST, "FATAL", &text);
        }
    };
    asked.says(StatusCode::OK, "INFO", said)
}

fn job_results(asked: &Asked, user: &User, id: &str, is_preview: bool) -> Response {
    let Some(job) = asked.server.jobs.get(user, id) else {
        return asked.unknown_job();
    };
    if asked.has("search") {
        return asked.refuses("search");
    }
    let mode = match mode(asked) {
        Ok(mode) => mode,
        Err(response) => return *response,
    };
    if !is_preview && !job.stage().is_over() {
        return answer(
            StatusCode::NO_CONTENT,
            "text/xml; charset=UTF-8",
            Body::empty(),
        );
    }
    Wanted::of(asked).written(&job, mode, false)
}

/// Parses a search without running it.
async fn parser(asked: &Asked) -> Response {
    let text = asked.get("q").to_owned();
    let jobs = Arc::clone(&asked.server.jobs);
    let parsed = tokio::task::spawn_blocking(move || {
        let parsed = jobs.parse(&text);
        parsed
            .map(|query| query.commands())
            .map_err(|error| error.to_string())
    });
    let commands = match parsed.await {
        Ok(Ok(commands)) => commands,
        Ok(Err(error)) => return asked.says(StatusCode::BAD_REQUEST, "FATAL", &error),
        Err(_) => return asked.says(StatusCode::INTERNAL_SERVER_ERROR, "ERROR", "try again"),
    };
    if asked.form == Form::Json {
        let commands: Vec<Value> = (commands.iter().enumerate())
            .map(|(at, name)| json!({"command": name, "rawargs": "", "isGenerating": at == 0}))
            .collect();
        let body = json!({"normalizedSearch": asked.get("q"), "commands": commands});
        return json_answer(StatusCode::OK, &body);
    }
    let items: String = (commands.iter())
        .map(|name| format!("<item>{}</item>", atom::escaped(name)))
        .collect();
    let body = format!(
        "<response><dict><key name=\"commands\"><list>{items}</list></key></dict></response>\n"
    );
    xml_answer(StatusCode::OK, &body)
}

fn times(asked: &Asked) -> Response {
    let now = jiff::Timestamp::now().as_microsecond() as f64 / 1e6;
    let mut all = serde_json::Map::new();
    for (_, text) in asked.parameters.iter().filter(|(name, _)| name == "time") {
        let Some(seconds) = time_modifier(text, now) else {
            let text = format!("Invalid time: {text}");
            return asked.says(StatusCode::BAD_REQUEST, "FATAL", &text);
        };
        #[expect(clippy::cast_possible_truncation, reason = "casts saturate")]
        let micros = (seconds * 1e6) as i64;
        let time = jiff::Timestamp::from_microsecond(micros).ok();
        let time = time.map(|time| time.strftime("%Y-%m-%dT%H:%M:%S%.3f+00:00").to_string());
        all.insert(text.clone(), time.into());
    }
    json_answer(StatusCode::OK, &Value::Object(all))
}

/// A saved search: somebody's own, or a detection.
fn saved_entries(asked: &Asked) -> Vec<Entry> {
    let own = asked.server.saved.all();
    let mut all: Vec<Entry> = own.iter().map(saved_entry).collect();
    if let Some(schedules) = &asked.server.schedules {
        let detections = schedules.detections();
        let is_own = |one: &&Value| {
            let id = one["id"].as_str().unwrap_or_default();
            own.iter().any(|own| Saved::id(&own.name) == id)
        };
        all.extend(
            detections
                .iter()
                .filter(|one| !is_own(one))
                .map(detection_entry),
        );
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

const SAVED_LINKS: &[&str] = &["dispatch", "history"];

fn saved_entry(one: &Saved) -> Entry {
    let content = json!({
        "search": one.search,
        "description": one.description,
        "cron_schedule": one.cron,
        "is_scheduled": one.scheduled,
        "disabled": one.disabled,
        "dispatch.earliest_time": one.earliest,
        "dispatch.latest_time": one.latest,
        "realtime_schedule": false,
    });
    let path = format!("/saved/searches/{}", one.name.replace('/', " "));
    let mut entry = Entry::new(&one.name, &path, &one.owner, content);
    entry.links = SAVED_LINKS;
    entry
}

fn detection_entry(one: &Value) -> Entry {
    let name = one["name"].as_str().unwrap_or_default();
    let schedule = &one["schedule"];
    let content = json!({
        "search": one["search"],
        "description": one["description"],
        "cron_schedule": schedule["cron"].as_str().unwrap_or_default(),
        "is_scheduled": !schedule.is_null(),
        "disabled": one["enabled"] == false,
        "dispatch.earliest_time": schedule["earliest"].as_str().unwrap_or_default(),
        "dispatch.latest_time": schedule["latest"].as_str().unwrap_or_default(),
        "next_scheduled_time": one["next_run"].as_str().unwrap_or_default(),
        "realtime_schedule": false,
        "action.correlationsearch.label": name,
    });
    let path = format!("/saved/searches/{}", name.replace('/', " "));
    let mut entry = Entry::new(name, &path, "nobody", content);
    entry.links = SAVED_LINKS;
    entry
}

fn saved_list(asked: &Asked) -> Response {
    listed(asked, "savedsearch", saved_entries(asked))
}

fn unknown_saved(asked: &Asked, name: &str) -> Response {
    let text = format!("Could not find object id={name}");
    asked.says(StatusCode::NOT_FOUND, "ERROR", &text)
}

fn unsaved(asked: &Asked, error: &SaveError) -> Response {
    let status = match error {
        SaveError::Taken(_) => StatusCode::CONFLICT,
        SaveError::Unknown(_) => StatusCode::NOT_FOUND,
        SaveError::Wrong(_) => StatusCode::BAD_REQUEST,
        SaveError::File(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    asked.says(status, "ERROR", &error.to_string())
}

/// Puts the parameters of a request into a saved search. Returns those that would have no effect.
fn fill(asked: &Asked, one: &mut Saved) -> Option<String> {
    for (name, value) in &asked.parameters {
        match name.as_str() {
            "search" => one.search.clone_from(value),
            "description" => one.description.clone_from(value),
            "cron_schedule" => one.cron.clone_from(value),
            "dispatch.earliest_time" => one.earliest.clone_from(value),
            "dispatch.latest_time" => one.latest.clone_from(value),
            "is_scheduled" => one.scheduled = asked.is("is_scheduled"),
            "disabled" => one.disabled = asked.is("disabled"),
            "name" | "output_mode" => {}
            other => return Some(other.to_owned()),
        }
    }
    None
}

/// Has schedules follow a change, and answers with the search.
async fn followed(asked: &Asked, status: StatusCode, one: Option<&Saved>) -> Response {
    let server = Arc::clone(&asked.server);
    // Loading content takes a moment.
    let loaded = tokio::task::spawn_blocking(move || {
        if let Some(schedules) = &server.schedules {
            schedules.reload();
        }
    });
    let _ = loaded.await;
    let entries: Vec<Entry> = one.into_iter().map(saved_entry).collect();
    feed(asked.form, status, "savedsearch", &entries)
}

async fn save(asked: &Asked, user: &User) -> Response {
    let mut one = Saved {
        name: asked.get("name").trim().to_owned(),
        owner: user.name.clone(),
        ..Saved::default()
    };
    if let Some(parameter) = fill(asked, &mut one) {
        return asked.refuses(&parameter);
    }
    if saved_entries(asked)
        .iter()
        .any(|entry| entry.name == one.name)
    {
        return unsaved(asked, &SaveError::Taken(one.name));
    }
    match asked.server.saved.add(one.clone()) {
        Ok(()) => {
            asked.note(
                user,
                Act::ChangeContent,
                &format!("saved search {}", one.name),
            );
            followed(asked, StatusCode::CREATED, Some(&one)).await
        }
        Err(error) => unsaved(asked, &error),
    }
}

async fn saved(asked: &Asked, user: &User, name: &str) -> Response {
    let entries = saved_entries(asked);
    let Some(entry) = entries.into_iter().find(|entry| entry.name == name) else {
        return unknown_saved(asked, name);
    };
    if asked.parts.method == Method::GET {
        return feed(asked.form, StatusCode::OK, "savedsearch", &[entry]);
    }
    let own = asked.server.saved.all();
    let own = own.iter().find(|one| one.name == name);
    if user.role < Role::Admin && own.is_none_or(|own| own.owner != user.name) {
        let text = format!(
            "You (user={}) do not have permission to perform this operation (requires capability: admin_all_objects).",
            user.name
        );
        return asked.says(StatusCode::FORBIDDEN, "ERROR", &text);
    }
    asked.note(user, Act::ChangeContent, &format!("saved search {name}"));
    let is_delete = asked.parts.method == Method::DELETE;
    match (own, is_delete) {
        (Some(_), true) => match asked.server.saved.remove(name) {
            Ok(()) => followed(asked, StatusCode::OK, None).await,
            Err(error) => unsaved(asked, &error),
        },
        (Some(own), false) => {
            let mut filled = own.clone();
            if let Some(parameter) = fill(asked, &mut filled) {
                return asked.refuses(&parameter);
            }
            match asked.server.saved.change(name, |one| *one = filled) {
                Ok(one) => followed(asked, StatusCode::OK, Some(&one)).await,
                Err(error) => unsaved(asked, &error),
            }
        }
        (None, true) => {
            let text = "A detection cannot be removed here; disable it, or remove its file.";
            asked.says(StatusCode::BAD_REQUEST, "ERROR", text)
        }
        (None, false) => change_detection(asked, name).await,
    }
}

/// Switches a detection on or off, or gives it another schedule.
async fn change_detection(asked: &Asked, name: &str) -> Response {
    let known = [
        "disabled",
        "cron_schedule",
        "dispatch.earliest_time",
        "dispatch.latest_time",
        "output_mode",
    ];
    let Some(schedules) = &asked.server.schedules else {
        return unknown_saved(asked, name);
    };
    let all = schedules.detections();
    let Some(one) = all.iter().find(|one| one["name"] == name) else {
        return unknown_saved(asked, name);
    };
    // Clients repeat the search with every change.
    let is_known = |name: &str, value: &str| {
        known.contains(&name) || name == "search" && one["search"] == value
    };
    let mut parameters = asked.parameters.iter();
    if let Some((other, _)) = parameters.find(|(name, value)| !is_known(name, value)) {
        return asked.refuses(other);
    }
    let id = one["id"].as_str().unwrap_or_default().to_owned();
    let old = |key: &str| {
        let schedule = one["schedule"].get(key).and_then(Value::as_str);
        schedule.unwrap_or_default().to_owned()
    };
    let new = |name: &str, key: &str| match asked.has(name) {
        true => asked.get(name).to_owned(),
        false => old(key),
    };
    let has_schedule = known.iter().skip(1).take(3).any(|name| asked.has(name));
    let change = Change {
        enabled: asked.has("disabled").then(|| !asked.is("disabled")),
        alert: None,
        schedule: has_schedule.then(|| {
            Some(Times {
                cron: new("cron_schedule", "cron"),
                earliest: new("dispatch.earliest_time", "earliest"),
                latest: new("dispatch.latest_time", "latest"),
            })
        }),
    };
    let server = Arc::clone(&asked.server);
    let changed = tokio::task::spawn_blocking(move || {
        let schedules = server.schedules.as_ref()?;
        Some(schedules.change(&id, &change))
    });
    match changed.await {
        Ok(Some(Ok(one))) => {
            let entry = detection_entry(&one);
            feed(asked.form, StatusCode::OK, "savedsearch", &[entry])
        }
        Ok(Some(Err(ChangeError::Schedule(text)))) => {
            asked.says(StatusCode::BAD_REQUEST, "ERROR", &text)
        }
        Ok(Some(Err(error))) => asked.says(
            StatusCode::INTERNAL_SERVER_ERROR,
            "ERROR",
            &error.to_string(),
        ),
        Ok(None) | Err(_) => asked.says(StatusCode::INTERNAL_SERVER_ERROR, "ERROR", "try again"),
    }
}

/// Runs a saved search as a job.
async fn dispatch(asked: &Asked, user: &User, name: &str) -> Response {
    let entries = saved_entries(asked);
    let Some(entry) = entries.into_iter().find(|entry| entry.name == name) else {
        return unknown_saved(asked, name);
    };
    let own = |key: &str| {
        entry
            .content
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let given = |name: &str| match asked.get(name) {
        "" => own(name).to_owned(),
        text => text.to_owned(),
    };
    if own("search").is_empty() {
        let text = "This detection is a Sigma rule, which runs on arrival and in hunts.";
        return asked.says(StatusCode::BAD_REQUEST, "FATAL", text);
    }
    let question = Question {
        search: own("search").to_owned(),
        earliest: given("dispatch.earliest_time"),
        latest: given("dispatch.latest_time"),
        rows: None,
        seconds: None,
        saved: Some(name.to_owned()),
    };
    match start(asked, user, question).await {
        Ok(job) => created(asked, &job),
        Err(response) => *response,
    }
}

/// The jobs that ran a saved search.
fn history(asked: &Asked, user: &User, name: &str) -> Response {
    if !saved_entries(asked).iter().any(|entry| entry.name == name) {
        return unknown_saved(asked, name);
    }
    let all = asked.server.jobs.all(user);
    let own = all
        .iter()
        .filter(|job| job.question.saved.as_deref() == Some(name));
    listed(asked, "history", own.map(|job| job_entry(job)).collect())
}
