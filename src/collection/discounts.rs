//! Ignore and background files: kept with the collection as its items are, and never matched
//! themselves. What they share with items proves little, in whichever segment an item is.

use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

use super::record::{Content, ItemKey};
use super::segment::Slot;
use super::snapshot::{ItemInfo, Snapshot, info};
use super::state::State;
use super::writer::CollectionWriter;
use crate::error::{Error, ErrorKind, Result};
use crate::fingerprint::Recipe;
use crate::index::{Common, Discounts};

/// What media are kept for that are no items.
///
/// ```
/// # use leakprint::collection::{CollectionWriter, NewItem, WriterOptions};
/// # let memo = "The winter slate moves by six weeks, and Lighthouse opens in fourteen territories \
/// #     with no press screening before the Wednesday, even though it tested at seventy-one.";
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("leak.collection");
/// # let writer = CollectionWriter::open(&path, WriterOptions::default())?;
/// # let print = writer.collection().fingerprinter()?.fingerprint_text(memo)?;
/// use leakprint::collection::Discount;
///
/// writer.add(NewItem::new("memo.txt", print.clone()))?;
/// writer.add(NewItem::discount(Discount::Ignore, "press-release.txt", print))?;
/// assert!(writer.collection().snapshot().find_text(memo)?.is_empty());
/// writer.remove_discounts(Discount::Ignore, &["press-release.txt"])?;
/// assert_eq!(writer.collection().snapshot().find_text(memo)?.len(), 1);
/// # Ok::<(), leakprint::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Discount {
    /// Everything in them is discounted: see [`IndexWriter::ignore`](crate::IndexWriter::ignore).
    Ignore,
    /// What two of them have in common is: see
    /// [`IndexWriter::background`](crate::IndexWriter::background).
    Background,
}

/// What is discounted, made when it is first asked for; states with the same ignore and background
/// files share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Discounting(Arc<OnceLock<Option<Arc<Common>>>>);

impl State {
    /// What is discounted; `None` if nothing is. The first call reads all ignore and background
    /// files, and sorts their prints.
    pub(super) fn common(&self, recipe: &Recipe) -> Result<Option<Arc<Common>>> {
        let Discounting(known) = &self.discounting;
        if let Some(common) = known.get() {
            return Ok(common.clone());
        }
        let mut discounts = None;
        for slot in &self.slots {
            for item in slot.discounts() {
                let discounts = discounts.get_or_insert_with(Discounts::default);
                match slot.segment.record(item)?.content(recipe)? {
                    Content::Discount(Discount::Ignore, print) => discounts.ignore(&print),
                    Content::Discount(Discount::Background, print) => discounts.background(&print),
                    _ => return Err(Error::corrupt("an item among the ignore files")),
                }
            }
        }
        let common = discounts.map(Discounts::into_common).transpose()?;
        let common = common.map(Arc::new);
        // Another thread may have been faster, with the same.
        Ok(known.get_or_init(|| common).clone())
    }

    /// The numbers of ignore and of background files.
    pub(super) fn discounts(&self) -> u64 {
        let of_slot = |slot: &Slot| {
            let counts = slot.segment.records.counts();
            let removed = slot.removed.len() - slot.removed.count_below(counts.items());
            u64::from(counts.discounts.saturating_sub(removed))
        };
        self.slots.iter().map(of_slot).sum()
    }
}

impl Snapshot {
    /// The ignore and background files, as [`contents`](Self::contents) has the items.
    pub fn discounts(&self) -> impl Iterator<Item = Result<(ItemInfo, Content)>> + '_ {
        let recipe = self.collection.recipe();
        let slots = self.state.slots.iter();
        let records = slots.flat_map(|slot| slot.discounts().map(|item| slot.segment.record(item)));
        records.map(move |record| {
            let record = record?;
            Ok((info(&record), record.content(recipe)?))
        })
    }
}

impl CollectionWriter {
    /// Takes ignore or background files out by name; tells of each whether it was there.
    ///
    /// # Errors
    /// [`Io`](ErrorKind::Io) if it could not be made durable; then none was taken out.
    pub fn remove_discounts(
        &self,
        kind: Discount,
        names: &[impl AsRef<str>],
    ) -> Result<(Vec<bool>, u64)> {
        self.remove_keys(
            names
                .iter()
                .map(|name| ItemKey::Discount(kind, name.as_ref())),
        )
    }
}

/// Ignore and background files have no time to end: what has a merge left out would decide on matches.
pub(super) fn check_time(expires: Option<super::Timestamp>) -> Result<()> {
    match expires {
        None => Ok(()),
        Some(_) => {
            let message = "ignore and background files do not expire: remove them";
            Err(Error::new(ErrorKind::InvalidInput, message))
        }
    }
}
