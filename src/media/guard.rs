//! Catches panics of third-party decoders.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{Error, ErrorKind, Result};

/// Runs `f`, a call into the decoder named by `what`, and turns a panic in it
/// into an error of kind [`Panicked`](ErrorKind::Panicked) that carries the panic's text.
///
/// Unwind safety holds at every call in this folder, since nothing that `f` writes to is read
/// after a panic.
/// The process-wide panic hook is unchanged: it still sees (and by default
/// prints) the panic before it is caught. A stack overflow or an abort on
/// failed allocation is no panic, so depth and size must be bounded *before*
/// the call.
pub(super) fn guard<T>(what: &str, f: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|payload| {
        Err(Error::new(
            ErrorKind::Panicked,
            format!("{what} panicked: {}", text(payload.as_ref())),
        ))
    })
}

fn text(payload: &(dyn Any + Send)) -> &str {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        text
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text
    } else {
        "no message"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_with_its_text() {
        let broken: &[u8] = &[];
        let error = guard("the toy decoder", || Ok(broken[broken.len()])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Panicked);
        assert!(
            error
                .message()
                .starts_with("the toy decoder panicked: index out")
        );
        let error = guard::<()>("toy", || std::panic::panic_any("plain")).unwrap_err();
        assert_eq!(error.message(), "toy panicked: plain");
        let error = guard::<()>("toy", || std::panic::panic_any(7)).unwrap_err();
        assert_eq!(error.message(), "toy panicked: no message");
    }

    #[test]
    fn values_and_errors_pass_through() {
        assert_eq!(guard("toy", || Ok(7)).unwrap(), 7);
        let error = guard::<()>("toy", || Err(Error::malformed("bad"))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed);
    }
}
