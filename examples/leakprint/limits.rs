//! `--limits`: the limits on each input.

use std::path::{Path, PathBuf};

use clap::Args;
use leakprint::Limits;
use serde_json::{Map, Value};

use crate::Failure;

/// The fields of [`Limits`] with units and meaning, as the help shows them.
const FIELDS: [(&str, &str); 10] = [
    ("input_bytes", "bytes of one file"),
    ("pixels", "width times height of one picture"),
    ("side", "pixels of the longer side of one picture"),
    (
        "decoded_bytes",
        "bytes of all that is decoded from one file",
    ),
    ("parts", "parts of one file: bodies, attachments, pictures"),
    ("frames", "frames of one animation"),
    ("depth", "containers inside one another"),
    (
        "archive_ratio",
        "decompressed bytes for each compressed byte",
    ),
    ("text_chars", "characters of text in one part"),
    ("time_ms", "milliseconds for one file"),
];

/// Limits without which nothing can be read at all.
const NEVER_ZERO: [&str; 4] = ["input_bytes", "decoded_bytes", "parts", "time_ms"];

#[derive(Args)]
pub(crate) struct LimitArgs {
    /// Limits on each input, as a JSON object in a file.
    #[arg(long, value_name = "FILE", long_help = help())]
    limits: Option<PathBuf>,
}

impl LimitArgs {
    /// The limits in force.
    pub(crate) fn read(&self) -> Result<Limits, Failure> {
        match &self.limits {
            None => Ok(Limits::default()),
            Some(path) => {
                read(path).map_err(|e| format!("--limits {}: {e}", path.display()).into())
            }
        }
    }
}

fn read(path: &Path) -> Result<Limits, Failure> {
    let text = std::fs::read(path).map_err(|e| format!("cannot read: {e}"))?;
    let object: Map<String, Value> = serde_json::from_slice(&text)
        .map_err(|e| format!("it must hold a JSON object such as {{\"time_ms\": 5000}}: {e}"))?;
    for (name, value) in &object {
        if !is_field(name) {
            let names = FIELDS.map(|(name, _)| name).join(", ");
            return Err(format!("there is no limit {name:?}, but {names}").into());
        }
        if !value.is_u64() {
            return Err(format!("{name} must be a whole number from 0, not {value}").into());
        }
    }
    // Parsed again for errors that only this reports: fields given twice, and numbers too large.
    let limits: Limits = serde_json::from_slice(&text)?;
    match NEVER_ZERO
        .iter()
        .find(|name| value(&limits, name) == Some(0))
    {
        Some(name) => Err(format!("{name} is 0: nothing could be read, give at least 1").into()),
        None => Ok(limits),
    }
}

/// The value of a field.
fn value(limits: &Limits, name: &str) -> Option<u64> {
    serde_json::to_value(limits).ok()?.get(name)?.as_u64()
}

/// Whether this is a limit that `--limits` sets.
pub(crate) fn is_field(name: &str) -> bool {
    FIELDS.iter().any(|(field, _)| *field == name)
}

fn help() -> String {
    let defaults = Limits::default();
    let mut text =
        "Limits on each input, as a JSON object in a file, such as {\"time_ms\": 5000}. Fields \
                    that are left out have these defaults:\n"
            .to_owned();
    for (name, meaning) in FIELDS {
        let default = value(&defaults, name).unwrap_or_default();
        text.push_str(&format!("\n{name:13} {default:10}  {meaning}"));
    }
    text
}
