//! One log line and one count per request. Content, names and results are never logged.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use prometheus_client::metrics::gauge::Gauge;

use crate::answer::LogFields;
use crate::app::Shared;

const ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longer identifiers are replaced.
const MAX_ID_BYTES: usize = 64;

/// Increments a gauge for as long as it lives.
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
    // The pattern and not the path, which contains item names.
    let route = request.extensions().get::<MatchedPath>().cloned();
    let mut response = next.run(request).await;
    drop(counted);
    let status = response.status().as_u16();
    let route = route.as_ref().map_or("other", MatchedPath::as_str);
    app.metrics.answered(method, route, status);
    let fields = response.extensions_mut().remove::<LogFields>();
    let fields = fields.unwrap_or_default();
    if let Some(kind) = fields.error {
        app.metrics.failed(kind);
    }
    tracing::info!(
        id = id.to_str().unwrap_or_default(),
        method,
        route,
        status,
        micros = started.elapsed().as_micros() as u64,
        bytes = fields.bytes,
        media = fields.media,
        matches = fields.matches,
        strength = fields.strength,
        error = fields.error,
        "answered"
    );
    response.headers_mut().insert(ID, id);
    response
}

/// The client's request identifier, or a new one.
fn id(request: &Request) -> HeaderValue {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let given = request
        .headers()
        .get(ID)
        .filter(|id| id.len() <= MAX_ID_BYTES && id.as_bytes().iter().all(u8::is_ascii_graphic));
    given.cloned().unwrap_or_else(|| {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        HeaderValue::from(number)
    })
}

/// Methods as labels: all unknown methods share one.
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
