//! The state of the server, for monitoring.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

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
