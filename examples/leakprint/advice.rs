//! Which option helps against an error: the library knows calls, not options.

use leakprint::{Error, ErrorKind};

use crate::limits::is_field;

/// What to do about an error, if there is an option for it.
pub(crate) fn on(error: &Error) -> Option<String> {
    match error.kind() {
        ErrorKind::Limit => {
            let name = error.limit_name().filter(|name| is_field(name))?;
            Some(format!("`--limits FILE` can raise {name}"))
        }
        ErrorKind::Recipe if error.message().contains("does not hold its key") => {
            Some("`--key FILE` gives it".to_owned())
        }
        _ => None,
    }
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
