//! Searches for the pages and for programs: answered at once, or as jobs.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use futures::StreamExt as _;
use futures::stream::{self, Stream};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::account::User;
use crate::jobs::{Job, JobError, Jobs, Question, Stage, WhileAsked};
use crate::shared::Server;

/// How long an answer may take before its beginning is sent, so that a client that has gone is noticed.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often a waiting client is sent something.
const BEAT: Duration = Duration::from_secs(1);

/// Starts a job where parsing its search harms nobody.
///
/// # Errors
/// Why there is none.
pub async fn start(
    server: &Arc<Server>,
    user: &User,
    question: Question,
) -> Result<Arc<Job>, JobError> {
    let (jobs, user) = (Arc::clone(&server.jobs), user.clone());
    let started = tokio::task::spawn_blocking(move || jobs.start(&user, question));
    started
        .await
        .map_err(|_| JobError::Search("the search ended early".to_owned()))?
}

/// Answers with what `write` makes of a job when it is over. The job is cancelled if its client goes before.
///
/// An answer that takes long begins at once, with line feeds, and its status is 200 then, whatever comes: a connection
/// that nobody writes to does not tell that its other end has gone.
pub async fn answer(
    jobs: &Arc<Jobs>,
    job: Arc<Job>,
    write: impl FnOnce(&Job) -> Response + Send + 'static,
) -> Response {
    let asked = jobs.while_asked(&job);
    if timeout(PATIENCE, job.over()).await.is_ok() {
        return write(&job);
    }
    let kind = HeaderValue::from_static("application/json; charset=UTF-8");
    let mut response = Response::new(Body::from_stream(beating(job, asked, write)));
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// Line feeds until a job is over, and then what `write` makes of it.
fn beating(
    job: Arc<Job>,
    asked: WhileAsked,
    write: impl FnOnce(&Job) -> Response + Send + 'static,
) -> impl Stream<Item = Result<Bytes, axum::Error>> {
    let beats = stream::unfold(Some((job, asked, write)), |state| async move {
        let (job, asked, write) = state?;
        if timeout(BEAT, job.over()).await.is_err() {
            let beat = Body::from("\n").into_data_stream();
            return Some((beat, Some((job, asked, write))));
        }
        Some((write(&job).into_body().into_data_stream(), None))
    });
    beats.flatten()
}

/// The answer of a job: columns, rows, warnings; or why there is none.
pub fn told(job: &Job, offset: usize, count: usize) -> (StatusCode, Value) {
    if let Some(error) = job.error() {
        return (StatusCode::BAD_REQUEST, json!({"error": error}));
    }
    let (answer, whole) = job.answer();
    let rows: Vec<Vec<Value>> = (answer.rows.iter().skip(offset).take(count))
        .map(|row| row.iter().map(|values| value(values)).collect())
        .collect();
    let warnings: Vec<&str> = (answer.warnings.iter())
        .map(|one| one.message.as_str())
        .collect();
    let told = json!({
        "columns": answer.columns,
        "rows": rows,
        "total": answer.rows.len(),
        "truncated": !whole,
        "warnings": warnings,
    });
    (StatusCode::OK, told)
}

/// The values of a field: one, several or none.
pub fn value(values: &[String]) -> Value {
    match values {
        [] => Value::Null,
        [one] => one.clone().into(),
        all => all.to_vec().into(),
    }
}

/// How a job goes on, as server-sent events, until it is over.
pub fn events(job: Arc<Job>) -> Body {
    let beats = stream::unfold(Some((job, true)), |state| async move {
        let (job, first) = state?;
        if !first {
            tokio::select! {
                () = job.over() => {}
                () = sleep(BEAT) => {}
            }
        }
        let name = match job.stage() {
            Stage::Queued | Stage::Running => "progress",
            Stage::Done | Stage::Failed => "end",
        };
        let event = format!("event: {name}\ndata: {}\n\n", job.described());
        let next = (name == "progress").then_some((job, false));
        Some((Ok::<_, axum::Error>(Bytes::from(event)), next))
    });
    Body::from_stream(beats)
}
