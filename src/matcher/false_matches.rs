//! False matches: decisions of reviewers that a match is false, so that it is not reported again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::evidence::{Evidence, Match, Strength};
use crate::code::Code256;
use crate::deadline::Pacer;
use crate::error::Result;
use crate::fingerprint::{Digest, Fingerprint, PartPrints};
use crate::media::PartPath;
use crate::time::Timestamp;

/// Bits of 256 in which the PDQ of a query may differ from the marked one: as many as recompression
/// changes, and far fewer than those in which two pictures differ.
const MAX_PICTURE_DISTANCE: u32 = 8;

/// Which matches of an item are false.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FalseScope {
    /// Matches of queries, or parts of queries, with these bytes or pixels.
    Digest(Digest),
    /// Matches of queries, or parts of queries, that show this picture: with this PDQ or one up to
    /// 8 bits away. If the picture is a copy of the item, this includes the item's own picture, which is
    /// then no longer found as a whole.
    Picture(Code256),
    /// Matches whose evidence is in this part of the item, whatever the query; the empty path is the
    /// text or picture of the item itself.
    ItemPart(PartPath),
}

/// A decision of a reviewer that matches are false. As JSON, the scope is a field beside the others:
///
/// ```
/// use leakprint::{FalseMatch, FalseScope};
///
/// let line = r#"{"item": "memo.txt", "item_part": "attachment:1", "by": "ada",
///     "at": "2026-03-01T12:00:00Z", "why": "a public press release"}"#;
/// let decision: FalseMatch = serde_json::from_str(line).unwrap();
/// assert!(matches!(decision.scope, FalseScope::ItemPart(_)));
/// // The others: "digest" and "picture", each with 64 hex digits.
/// let hash = "d8f8f0cec0f4a84f0637022a278f67f0b36e2ed596621e1d33e6339c4e9c9b22";
/// for scope in ["digest", "picture"] {
///     let line = line.replace(r#""item_part": "attachment:1""#, &format!(r#""{scope}": "{hash}""#));
///     assert!(serde_json::from_str::<FalseMatch>(&line).is_ok());
/// }
/// ```
///
/// Stored in a collection by
/// [`CollectionWriter::mark_false`](crate::CollectionWriter::mark_false), or passed to a matcher by
/// [`Matcher::with_false_matches`](super::Matcher::with_false_matches).
///
/// ```
/// # let (folder, writer, print) = leakprint::example::collection()?;
/// # let memo = leakprint::example::MEMO;
/// # use leakprint::collection::NewItem;
/// use leakprint::{FalseMatch, FalseScope};
///
/// writer.add(NewItem::new("memo.txt", print.clone()))?;
/// // This file is public by now; posts of other parts of the memo are still found.
/// let scope = FalseScope::Digest(print.parts[0].bytes.unwrap());
/// writer.mark_false(&[FalseMatch::new("memo.txt", scope.clone(), "ada", "in the press")])?;
/// let snapshot = writer.collection().snapshot();
/// assert!(snapshot.find_text(memo)?.is_empty());
/// assert_eq!(snapshot.find_text(&memo[..150])?.len(), 1);
/// writer.unmark("memo.txt", &scope)?;
/// assert_eq!(writer.collection().snapshot().find_text(memo)?.len(), 1);
/// # Ok::<(), leakprint::Error>(())
/// ```
/// Reading JSON refuses unknown fields and more than one scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Fields")]
#[non_exhaustive]
pub struct FalseMatch {
    /// The item's name. A decision about an item that does not exist has no effect until there is one;
    /// [`Source::contains`](crate::Source::contains) finds a misspelt name.
    pub item: String,
    /// Which of its matches are false.
    #[serde(flatten)]
    pub scope: FalseScope,
    /// Who made the decision.
    pub by: String,
    /// When it was made.
    pub at: Timestamp,
    /// The reason for it.
    pub why: String,
}

/// The fields of a decision as JSON. Serde cannot refuse unknown fields beside a flattened enum.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    item: String,
    digest: Option<Digest>,
    picture: Option<Code256>,
    item_part: Option<PartPath>,
    by: String,
    at: Timestamp,
    why: String,
}

impl TryFrom<Fields> for FalseMatch {
    type Error = &'static str;

    fn try_from(fields: Fields) -> Result<Self, Self::Error> {
        let Fields {
            item, by, at, why, ..
        } = fields;
        let scope = match (fields.digest, fields.picture, fields.item_part) {
            (Some(digest), None, None) => FalseScope::Digest(digest),
            (None, Some(code), None) => FalseScope::Picture(code),
            (None, None, Some(part)) => FalseScope::ItemPart(part),
            _ => return Err("give exactly one of the fields digest, picture and item_part"),
        };
        Ok(Self {
            item,
            scope,
            by,
            at,
            why,
        })
    }
}

impl FalseMatch {
    /// Makes a decision at the current time: the item's name, which of its matches are false, who
    /// decided, and why.
    pub fn new(
        item: impl Into<String>,
        scope: FalseScope,
        by: impl Into<String>,
        why: impl Into<String>,
    ) -> Self {
        Self {
            item: item.into(),
            scope,
            by: by.into(),
            at: Timestamp::now(),
            why: why.into(),
        }
    }
}

/// Who made a decision, when and why.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Reason {
    by: String,
    at: Timestamp,
    why: String,
}

/// All decisions, by item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FalseMatches {
    items: BTreeMap<String, BTreeMap<FalseScope, Reason>>,
    count: usize,
    /// The sum of their [`max_bytes`].
    bytes: u64,
}

/// Returns an upper bound of the bytes of a decision in the manifest.
fn max_bytes(item: &str, scope: &FalseScope, reason: &Reason) -> u64 {
    let scope = match scope {
        FalseScope::ItemPart(part) => part.as_str().len(),
        FalseScope::Digest(_) | FalseScope::Picture(_) => 32,
    };
    // 64 bytes for lengths, the kind of the scope and the time.
    (item.len() + scope + reason.by.len() + reason.why.len()) as u64 + 64
}

impl FalseMatches {
    /// Adds a decision; replaces one with the same item and scope.
    pub(crate) fn insert(&mut self, mark: FalseMatch) {
        let FalseMatch {
            item,
            scope,
            by,
            at,
            why,
        } = mark;
        let reason = Reason { by, at, why };
        let more = max_bytes(&item, &scope, &reason);
        self.remove(&item, &scope);
        let scopes = self.items.entry(item).or_default();
        scopes.insert(scope, reason);
        self.count += 1;
        self.bytes += more;
    }

    /// Removes a decision; returns false if there is none.
    pub(crate) fn remove(&mut self, item: &str, scope: &FalseScope) -> bool {
        let Some(scopes) = self.items.get_mut(item) else {
            return false;
        };
        let Some(reason) = scopes.remove(scope) else {
            return false;
        };
        if scopes.is_empty() {
            self.items.remove(item);
        }
        self.count -= 1;
        self.bytes -= max_bytes(item, scope, &reason);
        true
    }

    pub(crate) fn contains(&self, item: &str, scope: &FalseScope) -> bool {
        self.items
            .get(item)
            .is_some_and(|scopes| scopes.contains_key(scope))
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns an upper bound of the bytes of all decisions when they are stored.
    pub(crate) fn stored_bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = FalseMatch> + '_ {
        self.items.iter().flat_map(|(item, scopes)| {
            scopes.iter().map(move |(scope, reason)| FalseMatch {
                item: item.clone(),
                scope: scope.clone(),
                by: reason.by.clone(),
                at: reason.at,
                why: reason.why.clone(),
            })
        })
    }

    /// Returns whether there is a decision about an item.
    pub(crate) fn concerns(&self, item: &str) -> bool {
        self.items.contains_key(item)
    }

    /// Removes false evidence from a match; returns false if the rest is below the least strength.
    ///
    /// # Errors
    /// As [`Deadline::check`](crate::Deadline::check).
    pub(crate) fn filter(
        &self,
        query: &Fingerprint,
        found: &mut Match,
        least: Strength,
        pacer: &mut Pacer,
    ) -> Result<bool> {
        let Some(scopes) = self.items.get(&found.item) else {
            return Ok(true);
        };
        let mut kept = Vec::with_capacity(found.evidence.len());
        for evidence in found.evidence.drain(..) {
            let (part, item_part) = evidence.parts();
            let mut is_false = scopes.contains_key(&FalseScope::ItemPart(item_part.clone()));
            // A decision about the whole query, its first part, applies to all of its parts.
            for (number, shown) in query.parts.iter().enumerate() {
                pacer.step()?;
                if is_false {
                    break;
                }
                if number == 0 || shown.path == *part {
                    is_false = covers(scopes, shown, pacer)?;
                }
            }
            if !is_false {
                kept.push(evidence);
            }
        }
        found.evidence = kept;
        found.score = found.evidence.first().map_or(0.0, Evidence::score);
        Ok(match Strength::from_score(found.score) {
            Some(strength) if strength >= least => {
                found.strength = strength;
                true
            }
            _ => false,
        })
    }
}

/// Returns whether a decision is about a part of the query.
fn covers(
    scopes: &BTreeMap<FalseScope, Reason>,
    part: &PartPrints,
    pacer: &mut Pacer,
) -> Result<bool> {
    let digests = part.bytes.into_iter().chain(part.pixels());
    for digest in digests {
        if scopes.contains_key(&FalseScope::Digest(digest)) {
            return Ok(true);
        }
    }
    let Some(raster) = &part.raster else {
        return Ok(false);
    };
    let code = raster.pdq.code();
    let first = FalseScope::Picture(Code256([0; 4]));
    for scope in scopes.range(first..).map(|(scope, _)| scope) {
        pacer.step()?;
        match scope {
            FalseScope::Picture(other) if code.distance(other) <= MAX_PICTURE_DISTANCE => {
                return Ok(true);
            }
            FalseScope::Picture(_) => {}
            _ => break,
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_with_unknown_fields_or_not_exactly_one_scope_is_refused() {
        let read = |more: &str| {
            let line = format!(
                r#"{{"item": "a", "by": "b", "at": "2026-03-01T12:00:00Z", "why": "c"{more}}}"#
            );
            serde_json::from_str::<FalseMatch>(&line).map_err(|e| e.to_string())
        };
        let mark = read(r#", "item_part": "attachment:1""#).unwrap();
        let line = serde_json::to_string(&mark).unwrap();
        assert_eq!(serde_json::from_str::<FalseMatch>(&line).unwrap(), mark);
        let hash = "0".repeat(64);
        for (more, expected) in [
            (r#", "item_part": "", "part": """#.to_owned(), "`part`"),
            (String::new(), "exactly one of"),
            (
                format!(r#", "digest": "{hash}", "picture": "{hash}""#),
                "exactly one of",
            ),
        ] {
            let message = read(&more).unwrap_err();
            assert!(message.contains(expected), "{message}");
        }
    }
}
