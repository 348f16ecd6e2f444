//! Which option helps against an error: the library knows calls, not options.

use std::error::Error as _;
use std::io;

use leakprint::{Error, ErrorKind};

use crate::limits::is_field;

/// What to do about an error, if there is an option for it.
pub(crate) fn on(error: &Error) -> Option<String> {
    match error.kind() {
        ErrorKind::Limit => {
            let name = error.limit_name().filter(|name| is_field(name))?;
            Some(format!("`--limits FILE` can raise {name}"))
        }
        ErrorKind::Recipe if error.is_missing_key() => Some("`--key FILE` gives it".to_owned()),
        ErrorKind::Io if is_no_collection(error) => {
            Some("the folder holds no collection".to_owned())
        }
        _ => None,
    }
}

/// Whether a folder was opened that has no manifest.
fn is_no_collection(error: &Error) -> bool {
    let cause = error.source().and_then(|e| e.downcast_ref::<io::Error>());
    let name = error.path().and_then(|path| path.file_name());
    name == Some("manifest".as_ref()) && cause.is_some_and(|e| e.kind() == io::ErrorKind::NotFound)
}

/// The error with that.
pub(crate) fn explained(error: &Error) -> String {
    match on(error) {
        None => error.to_string(),
        Some(advice) => format!("{error} ({advice})"),
    }
}

/// As [`explained`], of an error that is known by its kind and message.
pub(crate) fn explained_message(kind: &str, message: &str) -> String {
    let error = kind.parse().map(|kind| Error::new(kind, message));
    error.map_or_else(|_| message.to_owned(), |error| explained(&error))
}
