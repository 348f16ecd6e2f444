//! What ignore and background files have in common with items, which proves little.

use std::sync::{Arc, OnceLock};

use super::record::{Content, Discount};
use super::segment::Slot;
use crate::error::{Error, Result};
use crate::fingerprint::Recipe;
use crate::index::{Discounts, StopPrints};

/// The prints that are discounted, computed on first use; states with the same ignore and background
/// files share them.
#[derive(Clone, Debug, Default)]
pub(super) struct StopPrintsCache(Arc<OnceLock<Option<Arc<StopPrints>>>>);

impl StopPrintsCache {
    /// Returns the prints that the ignore and background files of some slots discount; `None` if
    /// there are no such files. The first call reads all of them and sorts their prints.
    pub(super) fn get(&self, slots: &[Slot], recipe: &Recipe) -> Result<Option<Arc<StopPrints>>> {
        if let Some(common) = self.0.get() {
            return Ok(common.clone());
        }
        let mut discounts = None;
        for slot in slots {
            for item in slot.discounts() {
                let discounts = discounts.get_or_insert_with(Discounts::default);
                match slot.segment.record(item)?.content(recipe)? {
                    Content::Discount(Discount::Ignore, print) => discounts.ignore(&print),
                    Content::Discount(Discount::Background, print) => discounts.background(&print),
                    Content::Discount(Discount::Vouch, print) => discounts.vouch(&print),
                    _ => return Err(Error::corrupt("an item among the ignore files")),
                }
            }
        }
        let common = discounts.map(Discounts::into_stop_prints).transpose()?;
        let common = common.map(Arc::new);
        // Another thread may have been faster, with the same result.
        Ok(self.0.get_or_init(|| common).clone())
    }
}
