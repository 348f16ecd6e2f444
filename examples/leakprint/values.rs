//! Values of options, checked before anything is done.

use leakprint::collection::Timestamp;

/// An expiry time, which must be in the future.
pub(crate) fn expires(argument: &str) -> Result<Timestamp, String> {
    Timestamp::parse_expiry(argument).map_err(|e| format!("{e}, or leave the option out"))
}

/// A tag.
pub(crate) fn tag(argument: &str) -> Result<(String, String), String> {
    match argument.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("not KEY=VALUE".to_owned()),
    }
}

/// A rate per million uploads.
pub(crate) fn rate(argument: &str) -> Result<f64, String> {
    match argument.parse() {
        Ok(rate) if (0.0..=1e6).contains(&rate) => Ok(rate),
        _ => Err("it must be a number from 0 to 1000000".to_owned()),
    }
}

/// A number of threads that a machine can have.
pub(crate) fn threads(argument: &str) -> Result<usize, String> {
    match argument.parse() {
        Ok(threads @ 0..=1024) => Ok(threads),
        _ => Err("it must be a number from 0 to 1024".to_owned()),
    }
}
