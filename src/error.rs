//! The error type of the crate: an opaque struct with a public kind, and a message that names both
//! the limit and the value that exceeded it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The result type of the crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The kind of an error, for programs. The [`Error`] has a message for people.
///
/// Serialised as its [word](Self::as_str).
///
/// ```
/// use leakprint::{ErrorKind, Fingerprinter};
///
/// let fingerprinter = Fingerprinter::builder().build()?;
/// // A service reports a fault of the file to its user, a fault of the host to its operator.
/// let status = |bytes| match fingerprinter.fingerprint(bytes, None) {
///     Ok(_) => 200,
///     Err(e) if e.kind() == ErrorKind::Io => 500,
///     Err(_) => 422,
/// };
/// assert_eq!([status(b"some text"), status(b"")], [200, 422]);
/// assert_eq!("limit".parse::<ErrorKind>()?, ErrorKind::Limit);
/// # Ok::<(), leakprint::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The operating system refused to read or write.
    Io,
    /// The input has no bytes.
    Empty,
    /// The input is in no format that this build reads.
    Unsupported,
    /// The input is invalid in its format.
    Malformed,
    /// A field of [`Limits`](crate::Limits) was exceeded; the message names the field, which may be
    /// raised to read such input, and the value. Or a fixed limit of a file format was exceeded.
    Limit,
    /// A decoder panicked. The panic was caught, and the part is lost. Trying again does not help;
    /// please report the file.
    Panicked,
    /// A file of this crate is damaged: a checksum, bound or stride is wrong. Restore it, or rebuild
    /// it; [`repair`](crate::collection::repair) saves the undamaged items of a collection.
    Corrupt,
    /// The file is not one of this crate, or of a format version that this build cannot read: rebuild
    /// it with this build.
    Version,
    /// Fingerprints or indexes of different recipes or keys were mixed, or the key is missing.
    Recipe,
    /// An argument is invalid; the message says which.
    InvalidInput,
    /// Another writer has the collection open: there can be one at a time.
    Locked,
    /// The caller's [`CancellationToken`](crate::CancellationToken) ended the work.
    Cancelled,
    /// The files have an older state than the open collection, such as a restored backup: open them
    /// again.
    Stale,
}

impl ErrorKind {
    const ALL: [Self; 13] = [
        Self::Io,
        Self::Empty,
        Self::Unsupported,
        Self::Malformed,
        Self::Limit,
        Self::Panicked,
        Self::Corrupt,
        Self::Version,
        Self::Recipe,
        Self::InvalidInput,
        Self::Locked,
        Self::Cancelled,
        Self::Stale,
    ];

    /// Returns the kind as one lower-case word, as in the JSON lines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Io => "io",
            Self::Empty => "empty",
            Self::Unsupported => "unsupported",
            Self::Malformed => "malformed",
            Self::Limit => "limit",
            Self::Panicked => "panicked",
            Self::Corrupt => "corrupt",
            Self::Version => "version",
            Self::Recipe => "recipe",
            Self::InvalidInput => "invalid_input",
            Self::Locked => "locked",
            Self::Cancelled => "cancelled",
            Self::Stale => "stale",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ErrorKind {
    type Err = Error;

    /// Parses the [word](Self::as_str) of a kind.
    fn from_str(word: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == word);
        found.ok_or_else(|| {
            let message = format!("unknown kind of error {word:?}");
            Error::new(Self::InvalidInput, message)
        })
    }
}

crate::text_serde::serde_as_text!(ErrorKind);

/// The reason why an operation failed: a [kind](Error::kind) for programs, a message for people, with
/// a remedy if there is one, and the path of the file if it is known.
///
/// ```
/// use leakprint::{ErrorKind, Index};
///
/// let error = Index::from_bytes(b"no index").unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Version);
/// assert_eq!(
///     error.with_path("leak.lpx").to_string(),
///     "leak.lpx: this is no leakprint index: it does not begin with the magic bytes"
/// );
/// ```
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    message: String,
    path: Option<PathBuf>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The words in the message of [`Error::missing_key`] by which it is recognised, as
/// [`Error::limit_name`] recognises a limit: errors that were stored as text are, too.
const MISSING_KEY: &str = "does not hold its key";

/// The limit on the time of an input, in [`Limits`](crate::Limits).
pub(crate) const TIME_MS: &str = "time_ms";

/// Returns the name of the limit that an error is about. Parsed from the message, so that an error
/// that was stored as text, such as a [`Warning`](crate::Warning), has the name too.
pub(crate) fn limit_name(kind: ErrorKind, message: &str) -> Option<&str> {
    let limit = message.strip_prefix("limit ")?;
    let (name, _) = limit.split_once(" = ")?;
    (kind == ErrorKind::Limit).then_some(name)
}

impl Error {
    /// Makes an error, for implementations of traits of this crate.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            path: None,
            source: None,
        }))
    }

    /// Sets the underlying error, as [`source`](std::error::Error::source).
    pub(crate) fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Sets the path of the file that the error is about.
    #[must_use]
    pub fn with_path(mut self, path: impl AsRef<Path>) -> Self {
        self.0.path = Some(path.as_ref().to_owned());
        self
    }

    /// Makes an error of kind [`Io`](ErrorKind::Io); `what` is the beginning of the message, such as
    /// "cannot read".
    pub fn io(what: &str, source: std::io::Error) -> Self {
        Self::new(ErrorKind::Io, format!("{what}: {source}")).with_source(source)
    }

    /// Makes the error that a limit was exceeded: its name as in [`Limits`](crate::Limits), its value,
    /// and the value that exceeds it.
    pub(crate) fn limit(name: &str, limit: impl fmt::Display, value: impl fmt::Display) -> Self {
        Self::new(
            ErrorKind::Limit,
            format!("limit {name} = {limit} exceeded: {value}"),
        )
    }

    /// Makes the error that `what`, an index or a collection, does not hold its key; `id` is the key's.
    pub(crate) fn missing_key(what: &str, id: impl fmt::Display) -> Self {
        let remedy = format!("the owner kept it apart: give the key whose ID is {id}");
        Self::new(
            ErrorKind::Recipe,
            format!("the {what} {MISSING_KEY}, {remedy}"),
        )
    }

    /// Returns whether the work was cancelled or out of time.
    pub(crate) fn is_time(&self) -> bool {
        self.kind() == ErrorKind::Cancelled || self.is_timeout()
    }

    pub(crate) fn malformed(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Malformed, what)
    }

    pub(crate) fn corrupt(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Corrupt, what)
    }

    /// Returns the kind of the error.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns whether the time limit was exceeded, or would have been: a step that cannot be
    /// interrupted is refused if it cannot finish in the remaining time.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use leakprint::Deadline;
    ///
    /// assert!(Deadline::after(Duration::ZERO).check().unwrap_err().is_timeout());
    /// ```
    pub fn is_timeout(&self) -> bool {
        self.limit_name() == Some(TIME_MS)
    }

    /// The name of the limit that was exceeded: a field of [`Limits`](crate::Limits), which may be
    /// raised if such input is to be read, or a bound of this crate. `None` for other errors.
    ///
    /// ```
    /// use leakprint::{Fingerprinter, Limits};
    ///
    /// let mut limits = Limits::default();
    /// limits.input_bytes = 3;
    /// let fingerprinter = Fingerprinter::builder().limits(limits).build()?;
    /// let error = fingerprinter.fingerprint(b"four", None).unwrap_err();
    /// assert_eq!(error.limit_name(), Some("input_bytes"));
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn limit_name(&self) -> Option<&str> {
        limit_name(self.kind(), self.message())
    }

    /// Returns whether an index or a collection cannot be searched because it does not hold its key,
    /// and none was given.
    ///
    /// ```
    /// use leakprint::{Fingerprinter, IndexWriter, Key, Matcher};
    ///
    /// let kept_apart = Fingerprinter::builder().key(Key::from_bytes([7; 32])).build()?;
    /// let index = IndexWriter::from(&kept_apart).to_index()?;
    /// assert!(Matcher::new(index).unwrap_err().is_missing_key());
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn is_missing_key(&self) -> bool {
        self.kind() == ErrorKind::Recipe && self.message().contains(MISSING_KEY)
    }

    /// Returns the message, without the path.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Returns the path of the file that the error is about, if it is known.
    pub fn path(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.0.path {
            write!(f, "{}: ", path.display())?;
        }
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|e| e as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_back_from_its_word() {
        for kind in ErrorKind::ALL {
            assert_eq!(kind.as_str().parse::<ErrorKind>().unwrap(), kind);
        }
        let error = "broken".parse::<ErrorKind>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
}
