//! The option that resolves an error: messages of the library name calls, not options.

use leakprint::{Error, ErrorKind};

use crate::limits::is_field;

/// Returns the advice for an error, if there is an option for it.
pub(crate) fn on(error: &Error) -> Option<String> {
    match error.kind() {
        ErrorKind::Limit => {
            let name = error.limit_name().filter(|name| is_field(name))?;
            Some(format!("`--limits FILE` can raise {name}"))
        }
        ErrorKind::Recipe if error.is_missing_key() => Some("`--key FILE` gives it".to_owned()),
        _ => None,
    }
}

/// Returns the error message with the advice.
pub(crate) fn explained(error: &Error) -> String {
    match on(error) {
        None => error.to_string(),
        Some(advice) => format!("{error} ({advice})"),
    }
}

/// As [`explained`], for an error given by its kind and message.
pub(crate) fn explained_message(kind: &str, message: &str) -> String {
    let error = kind.parse().map(|kind| Error::new(kind, message));
    error.map_or_else(|_| message.to_owned(), |error| explained(&error))
}
