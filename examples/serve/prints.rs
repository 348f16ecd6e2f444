//! From a body to prints, on the threads of the gate.

use std::time::{Duration, Instant};

use axum::http::{HeaderMap, StatusCode, header};
use leakprint::media::Format;
use leakprint::{Error, ErrorKind, Fingerprint, Fingerprinter, Limits};

use crate::admission::{Lane, Ticket, late};
use crate::answer::Refusal;
use crate::isolate::Lease;
use crate::upload::Upload;

/// Texts up to this size go through the short lane.
const SHORT: usize = 16 << 10;

/// The kind of error of a body whose reader has ended.
pub(crate) const ISOLATED: &str = "isolated";

/// Why there are no prints.
#[derive(Debug)]
pub(crate) enum Unread {
    /// The time that the deadline leaves was over.
    Late,
    /// The body cannot be read.
    Error(Error),
    /// The process that read the body has ended.
    Isolated(String),
}

impl From<Unread> for Refusal {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::Late => late(),
            Unread::Error(e) => e.into(),
            Unread::Isolated(why) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, ISOLATED, why),
        }
    }
}

/// What the asker says of a body.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hint {
    /// A file name, which settles what the content leaves open.
    pub(crate) name: Option<String>,
    /// Whether it is text and nothing else: a post, not a file.
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

    /// Where a request will wait, as far as its head tells.
    pub(crate) fn lane_of_head(&self, headers: &HeaderMap) -> Lane {
        let len = headers.get(header::CONTENT_LENGTH);
        let len = len.and_then(|len| len.to_str().ok()?.parse::<usize>().ok());
        match self.is_text && len.is_some_and(|len| len <= SHORT) {
            true => Lane::Short,
            false => Lane::Long,
        }
    }

    /// Where a body waits.
    pub(crate) fn lane(&self, bytes: &[u8]) -> Lane {
        let is_short = bytes.len() <= SHORT && str::from_utf8(bytes).is_ok();
        if is_short { Lane::Short } else { Lane::Long }
    }

    /// The kind of media, for metrics.
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

    /// The prints of a body, and how long they took. A quarter of the time that is left is kept for what
    /// comes after: reading ends at a limit, and what was read is still matched.
    pub(crate) fn prints(
        &self,
        fingerprinter: &Fingerprinter,
        limits: &Limits,
        upload: &Upload,
        reader: Option<Lease>,
        ticket: &Ticket,
    ) -> Result<(Fingerprint, Duration), Unread> {
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
            ErrorKind::Cancelled => Unread::Late,
            // A limit on time is the deadline's doing if that comes first.
            _ if e.is_timeout() && is_bound => Unread::Late,
            _ => Unread::Error(e),
        })?;
        Ok((print, started.elapsed()))
    }

    /// The name that reading goes by.
    pub(crate) fn name(&self) -> Option<&str> {
        // Text in another charset than UTF-8 is read as a file of text.
        let text = self.is_text.then_some("body.txt");
        self.name.as_deref().or(text)
    }
}

/// Pairs of a query string, percent-decoded.
pub(crate) fn pairs(uri: &axum::http::Uri) -> Result<Vec<(String, String)>, Refusal> {
    axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri)
        .map(|query| query.0)
        .map_err(|e| Refusal::invalid(e.body_text()))
}

/// The one value of a key that nothing else is asked of.
pub(crate) fn unknown(key: &str) -> Refusal {
    Refusal::invalid(format!("no query parameter is called {key:?}"))
}
