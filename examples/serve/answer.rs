//! Responses: JSON, and errors with a kind for programs and a message for people.

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use leakprint::lines::ErrorLine;
use leakprint::{Error, ErrorKind};
use serde::Serialize;

/// Why a request failed. The kinds are the library's, and these of the service:
/// `unauthorized`, `read_only`, `not_found`, `method_not_allowed`, `timeout`, `conflict`, `overloaded`,
/// `deadline`, `stopping`, `isolated`.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) kind: &'static str,
    pub(crate) message: String,
    /// Seconds after which the client may retry.
    pub(crate) retry_after: Option<u32>,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            kind,
            message: message.into(),
            retry_after: None,
        }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_input", message)
    }

    /// The service is overloaded.
    pub(crate) fn overloaded(message: &str, retry_after: u32) -> Self {
        Self {
            retry_after: Some(retry_after),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", message)
        }
    }

    /// The body exceeds the service's limit.
    pub(crate) fn too_large(limit: usize, bytes: impl std::fmt::Display) -> Self {
        let message = format!("limit input_bytes = {limit} exceeded: {bytes}");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "limit", message)
    }

    pub(crate) fn stopping() -> Self {
        Self {
            retry_after: Some(1),
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "stopping",
                "the service is shutting down",
            )
        }
    }
}

/// The status for an error of the library.
pub(crate) fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::Empty
        | ErrorKind::Unsupported
        | ErrorKind::Malformed
        | ErrorKind::Limit
        | ErrorKind::Panicked => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::InvalidInput => StatusCode::BAD_REQUEST,
        ErrorKind::Locked => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        Self::new(
            status(error.kind()),
            error.kind().as_str(),
            error.to_string(),
        )
    }
}

#[derive(Serialize)]
struct ErrorBody {
    error: ErrorLine,
}

/// Fields of a request's log line and metrics besides its status; never any content.
#[derive(Clone, Debug, Default)]
pub(crate) struct LogFields {
    pub(crate) error: Option<&'static str>,
    pub(crate) media: Option<&'static str>,
    pub(crate) bytes: Option<usize>,
    pub(crate) matches: Option<usize>,
    pub(crate) strength: Option<&'static str>,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let error = ErrorLine::new(self.kind, self.message);
        let mut response = json(self.status, &ErrorBody { error });
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            headers.insert(header::WWW_AUTHENTICATE, scheme);
        }
        response.extensions_mut().insert(LogFields {
            error: Some(self.kind),
            ..LogFields::default()
        });
        response
    }
}

/// One JSON line.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    match line(value) {
        Ok(line) => body(status, "application/json", line),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// A value as a JSON line.
pub(crate) fn line(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line)
}

/// A response with a content type.
pub(crate) fn body(
    status: StatusCode,
    content_type: &'static str,
    bytes: impl Into<Bytes>,
) -> Response {
    let mut response = Response::new(Body::from(bytes.into()));
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static(content_type);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    response
}
