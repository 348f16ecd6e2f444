//! The routes. The router is built from the table; a test checks the table against `openapi.json`.

use axum::Router;
use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, delete, get, post, put};

use crate::answer::ApiError;
use crate::app::Shared;
use crate::{false_matches, items, matching, observe, operations};

/// Method, path as in the API description, handler.
type Route = (&'static str, &'static str, MethodRouter<Shared>);

fn table() -> [Route; 14] {
    [
        ("GET", "/healthz", get(operations::health)),
        ("GET", "/readyz", get(operations::ready)),
        ("GET", "/metrics", get(operations::metrics)),
        ("GET", "/openapi.json", get(operations::describe)),
        ("POST", "/v1/match", post(matching::post)),
        ("GET", "/v1/items", get(items::list)),
        ("GET", "/v1/items/{name}", get(items::get)),
        ("PUT", "/v1/items/{name}", put(items::put)),
        ("DELETE", "/v1/items/{name}", delete(items::delete)),
        ("GET", "/v1/false-matches", get(false_matches::list)),
        ("POST", "/v1/false-matches", post(false_matches::post)),
        ("DELETE", "/v1/false-matches", delete(false_matches::delete)),
        ("POST", "/v1/reload", post(operations::reload)),
        ("POST", "/v1/compact", post(operations::compact)),
    ]
}

/// Method and path of every route.
pub(crate) fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
    table().into_iter().map(|(method, path, _)| (method, path))
}

/// The path in the router's syntax: item names may contain slashes.
fn pattern(path: &str) -> String {
    path.replace("{name}", "{*name}")
}

pub(crate) fn router(app: &Shared) -> Router {
    let routes = table()
        .into_iter()
        .fold(Router::new(), |router, (_, path, handler)| {
            router.route(&pattern(path), handler)
        });
    routes
        .fallback(path_not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(app.clone(), observe::request))
        .with_state(app.clone())
}

async fn path_not_found() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "not_found", "there is no such path")
}

async fn method_not_allowed(method: Method, request: Request) -> ApiError {
    let message = format!("{method} is not allowed for {}", request.uri().path());
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        message,
    )
}
