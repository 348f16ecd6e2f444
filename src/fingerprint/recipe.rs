//! The numbered, frozen definition of how prints are made.

use serde::{Deserialize, Serialize};

use super::{Key, KeyId};
use crate::error::{Error, ErrorKind, Result};
use crate::text::MAX_WINDOW;

/// The parameters under which the prints of a fingerprint or an index were made.
///
/// `version` identifies everything that is fixed in the code: the PDQ pipelines, the gradient hash
/// and its plane, the folding tables and their Unicode version, the gram length, the canonical
/// forms of cells, the key derivation. Golden tests pin every print of a version; a change needs a
/// new version. The other fields are the caller's choices. Prints of two recipes are not
/// comparable.
///
/// ```
/// use leakprint::{Fingerprinter, Key, Recipe};
///
/// let key = Key::from_bytes([7; 32]);
/// let fingerprinter = Fingerprinter::builder().key(key.clone()).build()?;
/// let recipe = fingerprinter.recipe();
/// assert_eq!((recipe.version, recipe.key_id), (Recipe::VERSION, key.id()));
/// # Ok::<(), leakprint::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Recipe {
    /// The number of the frozen definition.
    pub version: u32,
    /// The winnowing window in grams, 1..=64: of every `window` consecutive grams at least one is
    /// kept, so a clean shared run of `window + GRAM_LEN - 1` folded symbols is always found.
    pub window: u32,
    /// The id of the key of all keyed prints.
    pub key_id: KeyId,
}

impl Recipe {
    /// The version that this build makes, and the only one it reads.
    ///
    /// 2 added the cells of tables, folds ideographs and Hangul syllables to more symbols than 1, reads
    /// text after a right-to-left override backwards, and projects patches on
    /// orthogonal directions. Places of values in folded text and marks of messages, which are no prints,
    /// came later: fingerprints without them are compared by the others.
    pub const VERSION: u32 = 2;

    /// The window unless the caller chooses another: density 2 / 9.
    pub const DEFAULT_WINDOW: u32 = 8;

    pub(crate) fn new(window: u32, key_id: KeyId) -> Result<Self> {
        if !(1..=MAX_WINDOW as u32).contains(&window) {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("the winnowing window must be 1..={MAX_WINDOW}, not {window}"),
            ));
        }
        Ok(Self {
            version: Self::VERSION,
            window,
            key_id,
        })
    }

    /// Fails with [`Recipe`](ErrorKind::Recipe) unless the prints were made with `key`.
    pub(crate) fn check_key(&self, key: &Key) -> Result<()> {
        if key.id() == self.key_id {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Recipe,
            format!(
                "made with another key: the ID of the key given is {}, give the key whose ID is {}",
                key.id(),
                self.key_id
            ),
        ))
    }

    /// Fails with [`Recipe`](ErrorKind::Recipe) unless this build makes such prints.
    pub(crate) fn check_version(version: u32) -> Result<()> {
        if version == Self::VERSION {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Recipe,
            format!(
                "the prints were made by recipe version {version}, this build makes {}: fingerprint \
                 the originals again, or use the build that made them",
                Self::VERSION
            ),
        ))
    }

    /// The error where the key of `what`, an index or a collection, is needed and was not given.
    pub(crate) fn without_key(&self, what: &str) -> Error {
        Error::missing_key(what, self.key_id)
    }

    /// Fails with [`Recipe`](ErrorKind::Recipe) unless prints of both recipes are comparable.
    pub(crate) fn check_same(&self, other: &Self) -> Result<()> {
        let differs = |what: &str, a: &dyn std::fmt::Display, b: &dyn std::fmt::Display| {
            Err(Error::new(
                ErrorKind::Recipe,
                format!(
                    "the {what} differs, {a} here and {b} there: make both with a fingerprinter of one \
                     recipe and key"
                ),
            ))
        };
        if self.version != other.version {
            return differs("recipe version", &self.version, &other.version);
        }
        if self.key_id != other.key_id {
            return differs("key", &self.key_id, &other.key_id);
        }
        if self.window != other.window {
            return differs("winnowing window", &self.window, &other.window);
        }
        Ok(())
    }
}
