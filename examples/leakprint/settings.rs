//! The settings that a journal was made with: its records are valid for these only.

use std::fs;
use std::time::UNIX_EPOCH;

use leakprint::{Key, Limits, MatchOptions, Matcher, Recipe};
use serde::{Deserialize, Serialize};

use crate::Failure;
use crate::target::Target;

const MAGIC: [u8; 8] = *b"\x89LKJ\r\n\x1a\n";
const VERSION: u32 = 1;
const SUM: usize = 32;

/// Everything but the input that determines the result for an input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Settings {
    task: Task,
    program: Program,
    recipe: Recipe,
    limits: Limits,
    /// Languages of the recogniser.
    recognise: Option<String>,
    /// The random key of an index that keeps it, in hex.
    key: Option<String>,
    matching: Option<Matching>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Task {
    Index,
    Match,
}

/// The build of the program: another build may read formats differently with the same recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Program {
    version: String,
    /// Size and time of the program's file, where they are known: another build has another time, and
    /// hashing the file could take longer than the run.
    build: Option<(u64, u64)>,
}

/// Settings of `match` only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Matching {
    /// The index, or the state of a collection.
    target: String,
    options: MatchOptions,
    draws: bool,
}

impl Program {
    fn this() -> Self {
        let own = std::env::current_exe().and_then(fs::metadata).ok();
        let build = own.and_then(|file| {
            let time = file.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
            Some((file.len(), u64::try_from(time.as_nanos()).ok()?))
        });
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            build,
        }
    }
}

impl Settings {
    /// The largest size of the head in bytes.
    pub(crate) const MAX_HEAD: u64 = 1 << 20;

    /// Returns the settings of fingerprints for an index. `stored` is the key that the index is to hold.
    pub(crate) fn of_index(
        recipe: &Recipe,
        limits: &Limits,
        recognise: Option<&str>,
        stored: Option<&Key>,
    ) -> Self {
        let hex = |key: &Key| blake3::Hash::from_bytes(*key.as_bytes()).to_string();
        Self {
            task: Task::Index,
            program: Program::this(),
            recipe: recipe.clone(),
            limits: limits.clone(),
            recognise: recognise.map(str::to_owned),
            key: stored.map(hex),
            matching: None,
        }
    }

    /// Returns the settings of the lines of `match`.
    pub(crate) fn of_match(
        target: &Target,
        matcher: &Matcher,
        recognise: Option<&str>,
        draws: bool,
    ) -> Self {
        let fingerprinter = matcher.query_fingerprinter();
        Self {
            task: Task::Match,
            program: Program::this(),
            recipe: fingerprinter.recipe().clone(),
            limits: fingerprinter.limits().clone(),
            recognise: recognise.map(str::to_owned),
            key: None,
            matching: Some(Matching {
                target: target.state(),
                options: matcher.options().clone(),
                draws,
            }),
        }
    }

    /// The random key that the index of an earlier run was to hold.
    pub(crate) fn stored_key(&self) -> Option<Key> {
        Key::from_file_bytes(self.key.as_ref()?.as_bytes()).ok()
    }

    /// Returns the names of the settings that differ.
    pub(crate) fn differences(&self, other: &Self) -> String {
        let matching = |settings: &Self| settings.matching.clone();
        let target = |settings: &Self| matching(settings).map(|m| m.target);
        let options = |settings: &Self| matching(settings).map(|m| (m.options, m.draws));
        let own_key = |settings: &Self| (settings.recipe.key_id, settings.key.clone());
        let own_recipe = |settings: &Self| (settings.recipe.version, settings.recipe.window);
        let all = [
            (self.task != other.task, "command"),
            (own_key(self) != own_key(other), "key"),
            (own_recipe(self) != own_recipe(other), "recipe"),
            (target(self) != target(other), "index"),
            (self.limits != other.limits, "limits"),
            (
                options(self) != options(other) || self.recognise != other.recognise,
                "options",
            ),
            (self.program != other.program, "build of this program"),
        ];
        let differ: Vec<_> = (all.iter())
            .filter(|(differs, _)| *differs)
            .map(|(_, what)| *what)
            .collect();
        differ.join(" and ")
    }

    /// Returns the head of a journal: magic, version, length, the settings as JSON, and BLAKE3 of all that.
    pub(crate) fn head(&self) -> Result<Vec<u8>, Failure> {
        let json = serde_json::to_vec(self)?;
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&(json.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&json);
        let sum = blake3::hash(&bytes);
        bytes.extend_from_slice(sum.as_bytes());
        Ok(bytes)
    }

    /// Returns whether these are the first bytes of a journal, or of one whose head is incomplete.
    pub(crate) fn is_journal(start: &[u8]) -> bool {
        let len = start.len().min(MAGIC.len());
        start[..len] == MAGIC[..len]
    }

    /// Returns the settings in the head of a journal, and the bytes of the head.
    pub(crate) fn read_head(start: &[u8]) -> Option<(Self, &[u8])> {
        let rest = start.strip_prefix(&MAGIC)?;
        let rest = rest.strip_prefix(&VERSION.to_le_bytes())?;
        let (len, rest) = rest.split_first_chunk()?;
        let json = rest.get(..u32::from_le_bytes(*len) as usize)?;
        let end = start.len() - rest.len() + json.len();
        let (head, sum) = start.get(..end + SUM)?.split_last_chunk::<SUM>()?;
        if blake3::hash(head).as_bytes() != sum {
            return None;
        }
        let settings = serde_json::from_slice(json).ok()?;
        Some((settings, start.get(..end + SUM)?))
    }
}
