//! What a reviewer has found to be no match, never to be reported again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::codec::{Decoder, Encoder};
use super::metadata::check_text;
use super::time::Timestamp;
use crate::code::Code256;
use crate::deadline::Pacer;
use crate::error::{Error, Result};
use crate::fingerprint::{Digest, Fingerprint, PartPrints};
use crate::matcher::{Evidence, Match, Strength};
use crate::media::PartPath;

/// Entries, at most: each is a person's decision.
const MOST: usize = 10_000_000;

/// Bits of 256 in which the PDQ of a query may differ from the one that was marked: what
/// recompression changes, far less than what tells two pictures apart.
const SAME_PICTURE: u32 = 8;

/// Which matches of an item are false.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FalseScope {
    /// Those of queries, or parts of queries, with these bytes or pixels.
    Digest(Digest),
    /// Those of queries, or parts of queries, that show this picture: its PDQ, or one up to 8 bits
    /// away.
    Picture(Code256),
    /// Those that this part of the item would prove, whatever the query; the empty path is
    /// the item's own text or picture.
    ItemPart(PartPath),
}

/// One decision of a reviewer, for [`CollectionWriter::mark_false`](super::CollectionWriter::mark_false).
///
/// ```
/// # use leakprint::collection::{CollectionWriter, NewItem, WriterOptions};
/// # let memo = "The winter slate moves by six weeks, and Lighthouse opens in fourteen territories \
/// #     with no press screening before the Wednesday, even though it tested at seventy-one.";
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("leak.collection");
/// # let writer = CollectionWriter::open(&path, WriterOptions::default())?;
/// # let print = writer.collection().fingerprinter()?.fingerprint_text(memo)?;
/// use leakprint::collection::{FalseMatch, FalseScope};
///
/// writer.add(NewItem::new("memo.txt", print.clone()))?;
/// // These very bytes are public by now; whoever posts other parts of the memo is still found.
/// let scope = FalseScope::Digest(print.parts[0].bytes.unwrap());
/// writer.mark_false(&[FalseMatch::new("memo.txt", scope.clone(), "ada", "in the press")])?;
/// let snapshot = writer.collection().snapshot();
/// assert!(snapshot.find_text(memo)?.is_empty());
/// assert_eq!(snapshot.find_text(&memo[..150])?.len(), 1);
/// writer.unmark("memo.txt", &scope)?;
/// assert_eq!(writer.collection().snapshot().find_text(memo)?.len(), 1);
/// # Ok::<(), leakprint::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FalseMatch {
    /// The item's name.
    pub item: String,
    /// Which of its matches.
    #[serde(flatten)]
    pub scope: FalseScope,
    /// Who decided.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub why: String,
}

impl FalseMatch {
    /// A decision of now: the item's name, which of its matches are false, who says so and why.
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

    pub(super) fn check(&self) -> Result<()> {
        for text in [&self.item, &self.by, &self.why] {
            check_text("bytes of a name or reason", text)?;
        }
        Ok(())
    }

    pub(super) fn put(&self, out: &mut Encoder) {
        out.str(&self.item);
        put_scope(out, &self.scope);
        out.str(&self.by);
        out.u64(self.at.0 as u64);
        out.str(&self.why);
    }

    pub(super) fn take(read: &mut Decoder<'_>) -> Result<Self> {
        Ok(Self {
            item: read.str()?.to_owned(),
            scope: take_scope(read)?,
            by: read.str()?.to_owned(),
            at: Timestamp(read.u64()? as i64),
            why: read.str()?.to_owned(),
        })
    }
}

pub(super) fn put_scope(out: &mut Encoder, scope: &FalseScope) {
    match scope {
        FalseScope::Digest(digest) => {
            out.u8(0);
            out.raw(&digest.0);
        }
        FalseScope::Picture(code) => {
            out.u8(1);
            out.raw(&code.to_le_bytes());
        }
        FalseScope::ItemPart(part) => {
            out.u8(2);
            out.str(part.as_str());
        }
    }
}

pub(super) fn take_scope(read: &mut Decoder<'_>) -> Result<FalseScope> {
    Ok(match read.u8()? {
        0 => FalseScope::Digest(Digest(read.array()?)),
        1 => FalseScope::Picture(Code256::from_le_bytes(&read.array()?)),
        2 => FalseScope::ItemPart(PartPath::from(read.str()?)),
        _ => return Err(Error::corrupt("a false match of an unknown kind")),
    })
}

/// Who, when and why.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Reason {
    by: String,
    at: Timestamp,
    why: String,
}

/// All of them, by item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FalseMatches {
    items: BTreeMap<String, BTreeMap<FalseScope, Reason>>,
}

impl FalseMatches {
    pub(super) fn insert(&mut self, mark: FalseMatch) {
        let FalseMatch {
            item,
            scope,
            by,
            at,
            why,
        } = mark;
        let scopes = self.items.entry(item).or_default();
        scopes.insert(scope, Reason { by, at, why });
    }

    /// False if there was none.
    pub(super) fn remove(&mut self, item: &str, scope: &FalseScope) -> bool {
        let Some(scopes) = self.items.get_mut(item) else {
            return false;
        };
        let was = scopes.remove(scope).is_some();
        if scopes.is_empty() {
            self.items.remove(item);
        }
        was
    }

    pub(super) fn contains(&self, item: &str, scope: &FalseScope) -> bool {
        self.items
            .get(item)
            .is_some_and(|scopes| scopes.contains_key(scope))
    }

    pub(super) fn len(&self) -> usize {
        self.items.values().map(BTreeMap::len).sum()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = FalseMatch> + '_ {
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

    pub(super) fn put(&self, out: &mut Encoder) {
        out.varint(self.len() as u64);
        self.iter().for_each(|mark| mark.put(out));
    }

    pub(super) fn take(read: &mut Decoder<'_>) -> Result<Self> {
        let mut all = Self::default();
        let count = read.count(12)?;
        if count > MOST {
            return Err(Error::limit("false matches", MOST, count));
        }
        for _ in 0..count {
            all.insert(FalseMatch::take(read)?);
        }
        Ok(all)
    }

    /// Whether anything is marked of an item.
    pub(super) fn concerns(&self, item: &str) -> bool {
        self.items.contains_key(item)
    }

    /// Takes the evidence that was found to be false from a match; false if nothing is left.
    ///
    /// # Errors
    /// As [`Deadline::check`](crate::Deadline::check).
    pub(super) fn filter(
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
            // A decision on the whole query is one on all of its parts.
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
        Ok(match Strength::of_score(found.score) {
            Some(strength) if strength >= least => {
                found.strength = strength;
                true
            }
            _ => false,
        })
    }
}

/// Whether a decision is about a part of the query.
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
            FalseScope::Picture(other) if code.distance(other) <= SAME_PICTURE => return Ok(true),
            FalseScope::Picture(_) => {}
            _ => break,
        }
    }
    Ok(false)
}
