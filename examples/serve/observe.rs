//! One log line and one count a request. Nothing of what is asked, found or named is logged.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use prometheus_client::metrics::gauge::Gauge;

use crate::answer::Facts;
use crate::app::Shared;

const ID: HeaderName = HeaderName::from_static("x-request-id");

/// Identifiers that are longer are replaced.
const LONGEST_ID: usize = 64;

/// Counts one more for as long as it lives, however it ends.
pub(crate) struct Counted(Gauge);

impl Counted {
    pub(crate) fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

pub(crate) async fn request(State(app): State<Shared>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let counted = Counted::new(&app.metrics.in_flight);
    let id = id(&request);
    let method = method(request.method());
    // The pattern, not what stands in its place: what is asked for by whom is nobody's business.
    let route = request.extensions().get::<MatchedPath>().cloned();
    let mut response = next.run(request).await;
    drop(counted);
    let status = response.status().as_u16();
    let route = route.as_ref().map_or("other", MatchedPath::as_str);
    app.metrics.answered(method, route, status);
    let facts = response.extensions_mut().remove::<Facts>();
    let facts = facts.unwrap_or_default();
    if let Some(kind) = facts.error {
        app.metrics.failed(kind);
    }
    tracing::info!(
        id = id.to_str().unwrap_or_default(),
        method,
        route,
        status,
        micros = started.elapsed().as_micros() as u64,
        bytes = facts.bytes,
        media = facts.media,
        matches = facts.matches,
        strength = facts.strength,
        error = facts.error,
        "answered"
    );
    response.headers_mut().insert(ID, id);
    response
}

/// The asker's identifier of the request, or one of our own.
fn id(request: &Request) -> HeaderValue {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let given = request
        .headers()
        .get(ID)
        .filter(|id| id.len() <= LONGEST_ID && id.as_bytes().iter().all(u8::is_ascii_graphic));
    given.cloned().unwrap_or_else(|| {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        HeaderValue::from(number)
    })
}

/// Methods as labels: whatever else somebody thinks of is one.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}
