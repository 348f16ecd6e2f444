//! One error type for the whole crate: an opaque struct with a public kind and
//! a message that carries both the limit and the value that broke it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, for programs. The wording for people is in the [`Error`] itself.
///
/// Serialised as its [word](Self::as_str).
///
/// ```
/// use leakprint::{ErrorKind, Fingerprinter};
///
/// let fingerprinter = Fingerprinter::builder().build()?;
/// // An upload service tells its user what was wrong with the file, or its operator with the host.
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
    /// There is nothing to fingerprint: zero bytes.
    Empty,
    /// The bytes are no format that this build reads.
    Unsupported,
    /// The bytes claim to be a known format, but break its rules.
    Malformed,
    /// A number of [`Limits`](crate::Limits) was exceeded; the message names the field, which may be
    /// raised if such input is to be read, and the value. Or more was given than can be kept.
    Limit,
    /// A decoder panicked; the panic was contained and the part is lost. Trying again does not help;
    /// the file is worth a report.
    Panicked,
    /// A file of ours is damaged: a checksum, bound or stride does not hold. Restore it or make it
    /// anew; [`repair`](crate::collection::repair) saves what is sound of a collection.
    Corrupt,
    /// The file is not an index at all, or of a format version this build cannot read: make it anew
    /// with this build.
    Version,
    /// Two recipes or two keys met that must not be mixed, or the key is missing.
    Recipe,
    /// An argument of the call makes no sense; the message says which.
    InvalidInput,
    /// Somebody else holds what only one may hold: a collection has one writer at a time.
    Locked,
    /// The caller's [`CancellationToken`](crate::CancellationToken) ended the work.
    Cancelled,
    /// The files have an older state than the one that is open, such as a backup that was restored:
    /// open them again.
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

    /// The kind as one lower-case word, as the JSON lines of the example programs print it.
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

    /// The kind of its [word](Self::as_str).
    fn from_str(word: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == word);
        found.ok_or_else(|| {
            let message = format!("no kind of error is called {word:?}");
            Error::new(Self::InvalidInput, message)
        })
    }
}

crate::written::as_text!(ErrorKind);

/// Why an operation failed: a [kind](Error::kind) for programs, a message for
/// people that says what to do where something can be done, and the file where one is known.
///
/// ```
/// use leakprint::{ErrorKind, Index};
///
/// let error = Index::from_bytes(b"no index").unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Version);
/// assert_eq!(
///     error.with_path("leak.lpx").to_string(),
///     "leak.lpx: this is no leakprint index: it does not begin with the magic bytes of one"
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

impl Error {
    /// An error of the caller's own making, for code that plugs into this crate.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            path: None,
            source: None,
        }))
    }

    /// Keeps the underlying error as [`source`](std::error::Error::source).
    pub(crate) fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Names the file that the error is about.
    #[must_use]
    pub fn with_path(mut self, path: impl AsRef<Path>) -> Self {
        self.0.path = Some(path.as_ref().to_owned());
        self
    }

    /// The operating system failed at `what`, such as "cannot read".
    pub fn io(what: &str, source: std::io::Error) -> Self {
        Self::new(ErrorKind::Io, format!("{what}: {source}")).with_source(source)
    }

    /// `limit` was exceeded: the name as in [`Limits`](crate::Limits), its value, and the value met.
    pub(crate) fn limit(name: &str, limit: impl fmt::Display, value: impl fmt::Display) -> Self {
        Self::new(
            ErrorKind::Limit,
            format!("limit {name} = {limit} exceeded: {value}"),
        )
    }

    /// Whether the work ended because it was cancelled or out of time.
    pub(crate) fn is_time(&self) -> bool {
        self.kind() == ErrorKind::Cancelled || self.is_timeout()
    }

    pub(crate) fn malformed(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Malformed, what)
    }

    pub(crate) fn corrupt(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Corrupt, what)
    }

    /// What went wrong, for programs.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether it is the limit on time that was exceeded, or would have been: a step that cannot be
    /// interrupted is refused before it begins if the time that is left cannot suffice for it.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use leakprint::Deadline;
    ///
    /// assert!(Deadline::after(Duration::ZERO).check().unwrap_err().is_timeout());
    /// ```
    pub fn is_timeout(&self) -> bool {
        self.kind() == ErrorKind::Limit && self.message().starts_with("limit time_ms = ")
    }

    /// The message without the file's name.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The file that the error is about, where one is known.
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
