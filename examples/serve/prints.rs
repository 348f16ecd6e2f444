//! Fingerprints of request bodies, computed on the threads of the gate.

use std::time::{Duration, Instant};

use axum::http::{HeaderMap, StatusCode, header};
use leakprint::media::Format;
use leakprint::{Error, ErrorKind, Fingerprint, Fingerprinter, Limits};

use crate::admission::{Lane, Ticket, deadline_passed};
use crate::answer::ApiError;
use crate::isolate::Lease;
use crate::upload::Upload;

/// Maximum size of a text in the short lane, in bytes.
const MAX_SHORT_BYTES: usize = 16 << 10;

/// The error kind for a body whose reader has failed.
pub(crate) const ISOLATED: &str = "isolated";

/// Why a body has no fingerprint.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// The deadline has passed.
    DeadlinePassed,
    /// The body cannot be read.
    Error(Error),
    /// The process that read the body has failed.
    Isolated(String),
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::DeadlinePassed => deadline_passed(),
            ReadError::Error(e) => e.into(),
            ReadError::Isolated(why) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, ISOLATED, why),
        }
    }
}

/// What the client says about a body.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hint {
    /// A file name, used if the content leaves the format open.
    pub(crate) name: Option<String>,
    /// Whether the body is plain text, such as a post, and not a file.
    pub(crate) is_text: bool,
}

impl Hint {
    pub(crate) fn new(headers: &HeaderMap, name: Option<String>) -> Self {
        let kind = headers.get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let (kind, parameters) = kind.split_once(';').unwrap_or((kind, ""));
        let parameters = parameters.to_ascii_lowercase();
        let is_utf8 = !parameters.contains("charset") || parameters.contains("utf-8");
        Self {
            name,
            is_text: kind.trim().eq_ignore_ascii_case("text/plain") && is_utf8,
        }
    }

    /// The lane of a request, as far as its headers tell.
    pub(crate) fn lane_from_headers(&self, headers: &HeaderMap) -> Lane {
        let len = headers.get(header::CONTENT_LENGTH);
        let len = len.and_then(|len| len.to_str().ok()?.parse::<usize>().ok());
        match self.is_text && len.is_some_and(|len| len <= MAX_SHORT_BYTES) {
            true => Lane::Short,
            false => Lane::Long,
        }
    }

    /// The lane of a request with this body.
    pub(crate) fn lane(&self, bytes: &[u8]) -> Lane {
        let is_short = bytes.len() <= MAX_SHORT_BYTES && str::from_utf8(bytes).is_ok();
        if is_short { Lane::Short } else { Lane::Long }
    }

    /// The kind of media, as a label for metrics.
    pub(crate) fn media(&self, bytes: &[u8]) -> &'static str {
        if self.is_text {
            return "text";
        }
        match Format::sniff(bytes, self.name.as_deref()) {
            Some(
                Format::Png
                | Format::Jpeg
                | Format::Gif
                | Format::WebP
                | Format::Bmp
                | Format::Tiff,
            ) => "picture",
            Some(Format::Text | Format::Separated) => "text",
            Some(Format::Html) => "page",
            Some(Format::Mail | Format::Mbox) => "mail",
            Some(Format::Pdf | Format::Rtf | Format::FlatOpenDocument) => "document",
            Some(Format::Zip | Format::Gzip | Format::Tar) => "archive",
            _ => "other",
        }
    }

    /// Computes the fingerprint of a body; returns it with the time it took. A quarter of the remaining
    /// time is reserved for matching: reading stops at a limit, and the parts read so far are matched.
    pub(crate) fn fingerprint(
        &self,
        fingerprinter: &Fingerprinter,
        limits: &Limits,
        upload: &Upload,
        reader: Option<Lease>,
        ticket: &Ticket,
    ) -> Result<(Fingerprint, Duration), ReadError> {
        let started = Instant::now();
        let reading = ticket.deadline.for_reading();
        let allowed = Duration::from_millis(limits.time_ms);
        let is_bound = reading.remaining().is_some_and(|left| left < allowed);
        let fingerprinter = fingerprinter.clone().with_limits(limits.clone());
        let text = self.is_text.then(|| str::from_utf8(&upload.bytes).ok());
        let print = match (text.flatten(), reader) {
            (Some(text), _) => fingerprinter.fingerprint_text_until(text, &reading),
            (None, Some(reader)) => {
                reader.fingerprint(&fingerprinter, self.name(), upload, &reading, ticket)?
            }
            (None, None) => fingerprinter.fingerprint_until(&upload.bytes, self.name(), &reading),
        };
        let print = print.map_err(|e| match e.kind() {
            ErrorKind::Cancelled => ReadError::DeadlinePassed,
            // If the deadline comes before the time limit, it is the cause.
            _ if e.is_timeout() && is_bound => ReadError::DeadlinePassed,
            _ => ReadError::Error(e),
        })?;
        Ok((print, started.elapsed()))
    }

    /// The file name to detect the format by.
    pub(crate) fn name(&self) -> Option<&str> {
        // Text in a charset other than UTF-8 is read as a text file.
        let text = self.is_text.then_some("body.txt");
        self.name.as_deref().or(text)
    }
}

/// The percent-decoded pairs of the query string.
pub(crate) fn pairs(uri: &axum::http::Uri) -> Result<Vec<(String, String)>, ApiError> {
    axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri)
        .map(|query| query.0)
        .map_err(|e| ApiError::invalid(e.body_text()))
}

/// The error for an unknown query parameter.
pub(crate) fn unknown(key: &str) -> ApiError {
    ApiError::invalid(format!("unknown query parameter {key:?}"))
}
