//! The state of the server, for monitoring.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::schedule::Schedules;
use crate::shared::Server;
use crate::watch::Watch;

/// Whether events are accepted now.
pub async fn ready(State(server): State<Arc<Server>>) -> (StatusCode, String) {
    match server.intake.trouble() {
        None => (StatusCode::OK, "ready\n".to_owned()),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

/// Figures so far.
pub fn figures(server: &Server) -> Value {
    let figures = &server.intake.figures;
    let of = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
    let size = server.kept.store().size();
    let last = server.watch.as_ref().and_then(Watch::last);
    json!({
        "case": last.map(|last| json!({
            "number": last.number,
            "created": last.created,
            "seconds": last.seconds,
            "told": last.told,
            "findings": last.findings,
            "parts": last.parts.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        })),
        "schedules": server.schedules.as_ref().map(|schedules| {
            let (runs, findings, failing) = schedules.figures();
            json!({"runs": runs, "findings": findings, "failing": failing, "trouble": schedules.trouble()})
        }),
        "hunting": server.watch.as_ref().map(|watch| json!({"trouble": watch.trouble()})),
        "stored": {"events": size.events, "files": size.files, "bytes": size.bytes, "trouble": server.kept.trouble()},
        "events": of(&figures.events),
        "requests": of(&figures.batches),
        "log_bytes": of(&figures.bytes),
        "syncs": of(&figures.syncs),
        "sync_micros": of(&figures.sync_micros),
        "refused": of(&figures.refused),
        "repeated": of(&figures.repeats),
        "lost_messages": of(&server.lost),
        "waiting_bytes": server.intake.waiting(),
        "trouble": server.intake.trouble().map(|why| why.to_string()),
    })
}

/// The same in Prometheus' text format (version 0.0.4).
pub fn metrics(server: &Server) -> String {
    let figures = &server.intake.figures;
    let of = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
    let size = server.kept.store().size();
    let watch = server.watch.as_ref();
    let schedules = server.schedules.as_ref();
    let (runs, found, failing) = schedules.map(Schedules::figures).unwrap_or_default();
    let last = watch.and_then(Watch::last);
    let last = last.as_deref();
    let troubled = |is: bool| u64::from(is);
    let whole = [
        (
            "events_total",
            "counter",
            "Events acknowledged since the start.",
            of(&figures.events),
        ),
        (
            "requests_total",
            "counter",
            "Requests acknowledged since the start.",
            of(&figures.batches),
        ),
        (
            "refused_total",
            "counter",
            "Requests refused; their senders retry.",
            of(&figures.refused),
        ),
        (
            "repeated_total",
            "counter",
            "Requests sent again and not taken twice.",
            of(&figures.repeats),
        ),
        (
            "lost_messages_total",
            "counter",
            "Syslog messages that could not be taken.",
            of(&server.lost),
        ),
        (
            "log_bytes_total",
            "counter",
            "Bytes written to the write-ahead log.",
            of(&figures.bytes),
        ),
        (
            "log_syncs_total",
            "counter",
            "Syncs of the write-ahead log.",
            of(&figures.syncs),
        ),
        (
            "waiting_bytes",
            "gauge",
            "Bytes received and not yet in the log.",
            server.intake.waiting() as u64,
        ),
        ("store_events", "gauge", "Events in the store.", size.events),
        ("store_files", "gauge", "Files of the store.", size.files),
        ("store_bytes", "gauge", "Bytes of the store.", size.bytes),
        (
            "intake_troubled",
            "gauge",
            "1 while the log accepts nothing.",
            troubled(server.intake.trouble().is_some()),
        ),
        (
            "store_troubled",
            "gauge",
            "1 while commits to the store fail.",
            troubled(server.kept.trouble().is_some()),
        ),
        (
            "hunt_troubled",
            "gauge",
            "1 if the last hunt failed.",
            troubled(watch.is_some_and(|watch| watch.trouble().is_some())),
        ),
        (
            "hunts_total",
            "counter",
            "Hunts that finished.",
            last.map_or(0, |last| last.number),
        ),
        (
            "detection_runs_total",
            "counter",
            "Runs of detections at times or for new events.",
            runs,
        ),
        (
            "detection_findings_total",
            "counter",
            "Findings of these runs.",
            found,
        ),
        (
            "detections_failing",
            "gauge",
            "Detections whose last run failed.",
            failing,
        ),
        (
            "detections_troubled",
            "gauge",
            "1 while detections cannot run at all.",
            troubled(schedules.is_some_and(|schedules| schedules.trouble().is_some())),
        ),
        (
            "paths_reported",
            "gauge",
            "Paths that the last hunt reports.",
            last.map_or(0, |last| last.told as u64),
        ),
        (
            "findings",
            "gauge",
            "Findings of the last hunt that are not silenced.",
            last.map_or(0, |last| last.findings as u64),
        ),
    ];
    #[expect(clippy::cast_precision_loss, reason = "Prometheus knows only doubles")]
    let whole = whole.map(|(name, kind, help, value)| (name, kind, help, value as f64));
    #[expect(clippy::cast_precision_loss, reason = "Prometheus knows only doubles")]
    let synced = of(&figures.sync_micros) as f64 / 1e6;
    let others = [
        (
            "hunt_seconds",
            "gauge",
            "Duration of the last hunt in seconds.",
            last.map_or(0.0, |last| last.seconds),
        ),
        (
            "log_sync_seconds_total",
            "counter",
            "Time spent in syncs of the log, in seconds.",
            synced,
        ),
    ];
    let mut out = String::new();
    for (name, kind, help, value) in whole.into_iter().chain(others) {
        out.push_str(&format!(
            "# HELP crabwalk_{name} {help}\n# TYPE crabwalk_{name} {kind}\ncrabwalk_{name} {value}\n"
        ));
    }
    out
}
