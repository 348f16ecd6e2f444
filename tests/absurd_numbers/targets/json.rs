//! The JSON that programs exchange: fingerprints, items, matches, settings.

use leakprint::collection::{FalseMatch, Metadata};
use leakprint::exchange::{ItemLine, ThreatEntry};
use leakprint::lines::MatchLine;
use leakprint::{Fingerprint, Limits, Match, MatchOptions, Recipe};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{lists, media, sound};

/// Checks that a value survives a round trip through JSON.
fn value<T: DeserializeOwned + Serialize + PartialEq>(line: &[u8]) -> Option<T> {
    let value: T = serde_json::from_slice(line).ok()?;
    let json = serde_json::to_vec(&value).expect("a value as JSON");
    let again: T = serde_json::from_slice(&json).expect("its own JSON");
    assert!(again == value, "changed on its way through JSON");
    Some(value)
}

pub(crate) fn run(data: &[u8]) {
    for line in data.split(|&byte| byte == b'\n').take(64) {
        if let Some(print) = value::<Fingerprint>(line) {
            lists::use_print(&print);
        }
        if let Some(item) = value::<ItemLine>(line) {
            sound(item.into_item());
        }
        if let Some(found) = value::<Match>(line) {
            let found = [found];
            let line = MatchLine::found("query", &found, &[]);
            serde_json::to_string(&line).expect("an answer as JSON");
        }
        value::<ThreatEntry>(line);
        value::<Limits>(line);
        value::<MatchOptions>(line);
        value::<Metadata>(line);
        value::<Recipe>(line);
        value::<FalseMatch>(line);
    }
    media::read(data, "a.json");
}
