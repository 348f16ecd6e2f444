//! What keeps the service running: health, readiness, metrics, reloading, merging.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use crate::answer::{Refusal, body, json};
use crate::app::{App, Shared};
use crate::metrics;

/// What there is to be called.
const DESCRIPTION: &str = include_str!("openapi.json");

#[derive(Serialize)]
struct Ready {
    ready: bool,
    generation: u64,
    items: u64,
    /// The kind of the error with which the last merge failed. The message names files, so it is
    /// in the log and not here.
    #[serde(skip_serializing_if = "Option::is_none")]
    merge_failure: Option<&'static str>,
}

/// `GET /healthz`: the process answers.
pub(crate) async fn health() -> Response {
    body(StatusCode::OK, "text/plain; charset=utf-8", "ok\n")
}

/// `GET /readyz`: whether to send requests here.
pub(crate) async fn ready(State(app): State<Shared>) -> Response {
    let snapshot = app.store.snapshot();
    let ready = !app.is_stopping();
    let status = match ready {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    let state = Ready {
        ready,
        generation: snapshot.generation(),
        items: snapshot.len(),
        merge_failure: app.merge_status().failure.map(|e| e.kind.as_str()),
    };
    json(status, &state)
}

/// `GET /metrics`.
pub(crate) async fn metrics(State(app): State<Shared>) -> Response {
    let levels = app.levels();
    if let Some(failure) = &levels.merge.failure
        && levels.merge.failed > app.metrics.merges_failed()
    {
        let (kind, failed) = (failure.kind.as_str(), levels.merge.failed);
        tracing::error!(kind, failed, at = %failure.at, error = failure.message, "not merged");
    }
    let text = app.metrics.text(&levels);
    body(StatusCode::OK, metrics::KIND, text)
}

/// `GET /openapi.json`.
pub(crate) async fn describe() -> Response {
    body(StatusCode::OK, "application/json", DESCRIPTION)
}

#[derive(Serialize)]
struct Reloaded {
    reloaded: bool,
    generation: u64,
    items: u64,
}

/// `POST /v1/reload`: what is on disk is in force once the answer comes.
pub(crate) async fn reload(
    State(app): State<Shared>,
    request: Request,
) -> Result<Response, Refusal> {
    app.authorise(request.headers())?;
    let own = Arc::clone(&app);
    let reloaded = tokio::task::spawn_blocking(move || refresh(&own)).await;
    let reloaded = reloaded.map_err(|_| {
        let message = "reloading failed";
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "panicked", message)
    })??;
    let snapshot = app.store.snapshot();
    let state = Reloaded {
        reloaded,
        generation: snapshot.generation(),
        items: snapshot.len(),
    };
    Ok(json(StatusCode::OK, &state))
}

/// Puts in force what another process has written, and says so.
pub(crate) fn refresh(app: &App) -> leakprint::Result<bool> {
    let result = app.store.reload();
    match &result {
        Ok(true) => {
            app.metrics.reloads.inc();
            let snapshot = app.store.snapshot();
            let (generation, items) = (snapshot.generation(), snapshot.len());
            tracing::info!(generation, items, "reloaded");
        }
        Ok(false) => {}
        Err(e) => {
            app.metrics.failed(e.kind().as_str());
            tracing::error!(kind = e.kind().as_str(), error = %e, "not reloaded");
        }
    }
    result
}

#[derive(Serialize)]
struct Compacting {
    compacting: bool,
}

/// `POST /v1/compact`: merges the collection while everything goes on; answers at once.
pub(crate) async fn compact(
    State(app): State<Shared>,
    request: Request,
) -> Result<Response, Refusal> {
    let writing = app.writing(request.headers())?;
    writing.compact(|result| match result {
        Ok(generation) => tracing::info!(generation, "compacted"),
        Err(e) => tracing::error!(kind = e.kind().as_str(), error = %e, "not compacted"),
    })?;
    Ok(json(StatusCode::ACCEPTED, &Compacting { compacting: true }))
}
