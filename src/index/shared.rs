//! Passages that many items hold, for their owner to judge: what the index cannot know of a text is whether
//! it is theirs.

use super::buckets::SLOTS;
use super::{Index, ItemId, PartId, PostingList};
use crate::error::Result;
use crate::text::GRAM_LEN;

/// Symbols between two grams of one passage, at most.
const MAX_GAP: u32 = 64;

/// Symbols of a passage, at least.
const MIN_SYMBOLS: u32 = 64;

/// Passages that are listed, at most; the largest.
const MAX_LISTED: usize = 1000;

/// Items that are named for each, at most.
const MAX_EXAMPLES: usize = 5;

/// A passage that many items hold. See [`Index::shared_content`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SharedContent {
    /// The part of the first item that holds it.
    pub part: PartId,
    /// The place of the passage in that part, in characters, exact to a few of them.
    pub span: [u32; 2],
    /// How many items hold it, perhaps an eighth or a fifth too few.
    pub holders: u32,
    /// Whether it counts in full: the items hold it as a message by itself. Otherwise it counts
    /// the less the more items hold it.
    pub vouched: bool,
    /// A few of the items that hold it.
    pub examples: Vec<ItemId>,
}

/// A gram that many items have.
struct Common<'a> {
    part: PartId,
    at: u32,
    list: PostingList<'a>,
}

impl Index {
    /// Lists the passages that `min_holders` items or more hold and that are not discounted by ignore
    /// or background files: at most a thousand, those with the most text first. Whether such a passage is
    /// content or boilerplate is a guess, unless the owner has decided it by
    /// [`ignore`](crate::IndexWriter::ignore) or [`vouch`](crate::IndexWriter::vouch).
    ///
    /// Reads the whole table of grams.
    ///
    /// # Errors
    /// [`Corrupt`](crate::ErrorKind::Corrupt) if the file is damaged.
    ///
    /// ```
    /// use leakprint::{Fingerprinter, IndexWriter};
    ///
    /// let fingerprinter = Fingerprinter::builder().build()?;
    /// let memo = "All plants close on the first of May; nobody outside this list is to know of it \
    ///     before the board has met and the banks have signed.";
    /// let mut writer = IndexWriter::from(&fingerprinter);
    /// for n in 0..20 {
    ///     writer.add(&n.to_string(), &fingerprinter.fingerprint_text(memo)?)?;
    /// }
    /// let index = writer.to_index()?;
    /// let shared = index.shared_content(10)?;
    /// assert_eq!((shared.len(), shared[0].holders, shared[0].vouched), (1, 20, true));
    /// assert_eq!(index.item_name(shared[0].examples[0])?, "0");
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn shared_content(&self, min_holders: u32) -> Result<Vec<SharedContent>> {
        let table = self.grams();
        let mut common = Vec::new();
        for bucket in table.buckets() {
            for slot in (0..SLOTS).take_while(|&slot| !bucket.is_empty(slot)) {
                let list = table.list(bucket, slot)?;
                if list.discounted() || list.document_frequency() < min_holders.max(2) {
                    continue;
                }
                if let Some((part, at)) = list.iter().next().transpose()? {
                    common.push(Common { part, at, list });
                }
            }
        }
        common.sort_unstable_by_key(|gram| (gram.part, gram.at));
        let continues = |a: &Common<'_>, b: &Common<'_>| {
            let holders = [a, b].map(|gram| gram.list.document_frequency());
            a.part == b.part
                && b.at.saturating_sub(a.at) <= MAX_GAP
                && a.list.vouched() == b.list.vouched()
                && holders[0] / 2 <= holders[1]
                && holders[1] / 2 <= holders[0]
        };
        let mut shared = Vec::new();
        for passage in common.chunk_by(continues) {
            let [Some(first), Some(last)] = [passage.first(), passage.last()] else {
                continue;
            };
            let end = last.at.saturating_add(GRAM_LEN as u32);
            if end - first.at >= MIN_SYMBOLS {
                shared.push(self.shared(passage, first, end)?);
            }
        }
        shared.sort_by_key(|passage| {
            let length = passage.span[1].saturating_sub(passage.span[0]);
            std::cmp::Reverse(u64::from(length) * u64::from(passage.holders))
        });
        shared.truncate(MAX_LISTED);
        Ok(shared)
    }

    fn shared(
        &self,
        passage: &[Common<'_>],
        first: &Common<'_>,
        end: u32,
    ) -> Result<SharedContent> {
        let mut by_holders: Vec<PostingList<'_>> = passage.iter().map(|gram| gram.list).collect();
        by_holders.sort_by_key(PostingList::document_frequency);
        let middle = by_holders.get(by_holders.len() / 2).unwrap_or(&first.list);
        let mut examples: Vec<ItemId> = Vec::new();
        for place in middle.iter() {
            let item = self.item_of(place?.0)?;
            if examples.last() != Some(&item) {
                examples.push(item);
            }
            if examples.len() == MAX_EXAMPLES {
                break;
            }
        }
        Ok(SharedContent {
            part: first.part,
            span: [
                self.char_offset(first.part, first.at)?,
                self.char_end(first.part, end)?,
            ],
            holders: middle.document_frequency(),
            vouched: first.list.vouched(),
            examples,
        })
    }
}
