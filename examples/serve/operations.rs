//! Operations: health, readiness, metrics, reloading, merging.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use crate::answer::{ApiError, body, json};
use crate::app::{App, Shared};
use crate::metrics;

/// The description of the API.
const DESCRIPTION: &str = include_str!("openapi.json");

#[derive(Serialize)]
struct Ready {
    ready: bool,
    generation: u64,
    items: u64,
    /// The kind of error of the last merge, if it failed. The message contains file names, so it is
    /// only logged.
    #[serde(skip_serializing_if = "Option::is_none")]
    merge_failure: Option<&'static str>,
}

/// `GET /healthz`: the process is alive.
pub(crate) async fn health() -> Response {
    body(StatusCode::OK, "text/plain; charset=utf-8", "ok\n")
}

/// `GET /readyz`: whether the service accepts requests.
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
        tracing::error!(kind, failed, at = %failure.at, error = failure.message, "merge failed");
    }
    let text = app.metrics.text(&levels);
    body(StatusCode::OK, metrics::CONTENT_TYPE, text)
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

/// `POST /v1/reload`: the state on disk is searched once the response is sent.
pub(crate) async fn reload(
    State(app): State<Shared>,
    request: Request,
) -> Result<Response, ApiError> {
    app.authorise(request.headers())?;
    let shared = Arc::clone(&app);
    let reloaded = tokio::task::spawn_blocking(move || refresh(&shared)).await;
    let reloaded = reloaded.map_err(|_| {
        let message = "reloading failed";
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "panicked", message)
    })??;
    let snapshot = app.store.snapshot();
    let state = Reloaded {
        reloaded,
        generation: snapshot.generation(),
        items: snapshot.len(),
    };
    Ok(json(StatusCode::OK, &state))
}

/// Loads the changes of another process, and logs the outcome.
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
            tracing::error!(kind = e.kind().as_str(), error = %e, "reload failed");
        }
    }
    result
}

#[derive(Serialize)]
struct Compacting {
    compacting: bool,
}

/// `POST /v1/compact`: starts merging the collection in the background; responds at once.
pub(crate) async fn compact(
    State(app): State<Shared>,
    request: Request,
) -> Result<Response, ApiError> {
    let writing = app.writing(request.headers())?;
    writing.compact(|result| match result {
        Ok(generation) => tracing::info!(generation, "compacted"),
        Err(e) => tracing::error!(kind = e.kind().as_str(), error = %e, "compaction failed"),
    })?;
    Ok(json(StatusCode::ACCEPTED, &Compacting { compacting: true }))
}
