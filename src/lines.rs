//! The JSON lines of answers: one per query, one per item, one per change of a collection.
//!
//! The command line and the service both print them, so that their answers agree.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::collection::ItemInfo;
use crate::error::Error;
use crate::fingerprint::Warning;
use crate::matcher::Match;
use crate::time::Timestamp;

/// An error.
///
/// ```
/// use leakprint::lines::ErrorLine;
///
/// let error = leakprint::Key::from_file_bytes(b"").unwrap_err();
/// assert_eq!(ErrorLine::from(&error).kind, "invalid_input");
/// assert_eq!(ErrorLine::new("busy", "try again").message, "try again");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ErrorLine {
    /// The [`ErrorKind`](crate::ErrorKind) as a word, for programs.
    pub kind: &'static str,
    /// The message, for people.
    pub message: String,
}

impl ErrorLine {
    /// An error that is not the library's: `kind` is one lower-case word.
    pub fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }
}

impl From<&Error> for ErrorLine {
    fn from(error: &Error) -> Self {
        Self {
            kind: error.kind().as_str(),
            message: error.to_string(),
        }
    }
}

/// The result of one query.
///
/// ```
/// use leakprint::lines::MatchLine;
/// use leakprint::Fingerprinter;
///
/// let result = Fingerprinter::builder().build()?.fingerprint(b"", None);
/// let line = MatchLine::unreadable("incoming/x.jpg", &result.unwrap_err());
/// assert_eq!(
///     serde_json::to_string(&line).unwrap(),
///     r#"{"query":"incoming/x.jpg","matches":[],"error":{"kind":"empty","message":"empty input, 0 bytes"}}"#
/// );
/// # Ok::<(), leakprint::Error>(())
/// ```
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct MatchLine<'a> {
    /// The caller's name for the query.
    pub query: &'a str,
    /// Sorted by decreasing score, then by item name.
    pub matches: &'a [Match],
    /// The error, if the query could not be read; there are no matches then.
    pub error: Option<ErrorLine>,
    /// Why parts could not be read. After a limit or a deadline the parts that follow may be missing
    /// without a warning of their own.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub warnings: &'a [Warning],
}

impl<'a> MatchLine<'a> {
    /// The line of a query that could be read.
    pub fn found(query: &'a str, matches: &'a [Match], warnings: &'a [Warning]) -> Self {
        Self {
            query,
            matches,
            error: None,
            warnings,
        }
    }

    /// The line of a query that could not be read.
    pub fn unreadable(query: &'a str, error: &Error) -> Self {
        Self {
            query,
            matches: &[],
            error: Some(error.into()),
            warnings: &[],
        }
    }
}

/// An item in a list of a collection's items.
///
/// ```
/// use leakprint::collection::{ItemInfo, Metadata, Timestamp};
/// use leakprint::lines::ListLine;
///
/// let info = ItemInfo::new("memo.txt", Metadata::added(Timestamp(0)).with_tag("case", "7"));
/// assert_eq!(
///     serde_json::to_string(&ListLine::from(&info)).unwrap(),
///     r#"{"item":"memo.txt","label":null,"tags":{"case":"7"},"added":"1970-01-01T00:00:00Z","expires":null}"#
/// );
/// ```
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ListLine<'a> {
    /// The name.
    pub item: &'a str,
    /// The kind of leak.
    pub label: Option<&'a str>,
    /// A note for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<&'a str>,
    /// Free tags.
    pub tags: &'a BTreeMap<String, String>,
    /// When it was added.
    pub added: Timestamp,
    /// When it expires; it is not matched from then on.
    pub expires: Option<Timestamp>,
}

impl<'a> From<&'a ItemInfo> for ListLine<'a> {
    fn from(info: &'a ItemInfo) -> Self {
        let metadata = &info.metadata;
        Self {
            item: &info.item,
            label: metadata.label.as_deref(),
            note: metadata.note.as_deref(),
            tags: &metadata.tags,
            added: metadata.added,
            expires: metadata.expires,
        }
    }
}

/// The outcome of a change to one item of a collection. Print it only after the change is durable.
///
/// ```
/// use leakprint::lines::ChangeLine;
///
/// assert_eq!(
///     serde_json::to_string(&ChangeLine::done("memo.txt", "added", 3)).unwrap(),
///     r#"{"item":"memo.txt","status":"added","generation":3,"error":null}"#
/// );
/// ```
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ChangeLine<'a> {
    /// The name.
    pub item: &'a str,
    /// `added`, `unchanged`, `removed`, `absent`, `marked`, `unmarked` or `error`.
    pub status: &'a str,
    /// The first generation of the collection in which it is visible; `None` for an error.
    pub generation: Option<u64>,
    /// The error.
    pub error: Option<ErrorLine>,
}

impl<'a> ChangeLine<'a> {
    /// A change that was made.
    pub fn done(item: &'a str, status: &'a str, generation: u64) -> Self {
        Self {
            item,
            status,
            generation: Some(generation),
            error: None,
        }
    }

    /// A change that could not be made.
    pub fn failed(item: &'a str, error: &Error) -> Self {
        Self {
            item,
            status: "error",
            generation: None,
            error: Some(error.into()),
        }
    }
}
