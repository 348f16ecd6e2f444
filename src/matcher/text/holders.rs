//! How many items hold a passage that is content although many do.

use std::collections::HashMap;

use crate::error::Result;
use crate::index::{IndexSet, IndexView};
use crate::matcher::chain::{Chain, Run};
use crate::matcher::gather::Gathered;
use crate::text::GRAM_LEN;

/// How many items hold content that counts although many do.
pub(super) struct Holders<'a> {
    indexes: &'a IndexSet,
    gathered: &'a Gathered,
    /// The items of each gram that were counted.
    counted: HashMap<u64, u32>,
}

/// Symbols of full weight that a passage may have beside content that many items hold: a gram at either
/// end. With more it is a passage of this item.
const MAX_BESIDE_SHARED: u32 = 2 * GRAM_LEN as u32;

impl<'a> Holders<'a> {
    pub(super) fn new(indexes: &'a IndexSet, gathered: &'a Gathered) -> Self {
        Self {
            indexes,
            gathered,
            counted: HashMap::new(),
        }
    }

    /// Returns how many items have the middle of a passage; `None` if it is not content that many
    /// items hold.
    pub(super) fn of(&mut self, chain: &Chain) -> Result<Option<u32>> {
        let vouched = |run: &Run| self.gathered.vouched(run.gram());
        let mut prints = Vec::new();
        // Symbols of content that many items hold, of full weight beside it, and weighted beside it.
        let (mut shared, mut rare, mut beside) = (0.0, 0, 0.0);
        for run in &chain.runs {
            match vouched(run) {
                Some(print) => {
                    prints.push(print);
                    shared += f64::from(run.length);
                }
                None => {
                    rare += if run.weight < 1.0 { 0 } else { run.length };
                    beside += f64::from(run.weight) * f64::from(run.length);
                }
            }
        }
        let Some(&print) = prints
            .get(prints.len() / 2)
            .filter(|_| rare <= MAX_BESIDE_SHARED && beside <= shared)
        else {
            return Ok(None);
        };
        if let Some(items) = self.counted.get(&print) {
            return Ok(Some(*items));
        }
        let mut items = 0_u32;
        for view in self.indexes.views() {
            items = items.saturating_add(holders(view, print)?);
        }
        self.counted.insert(print, items);
        Ok(Some(items))
    }
}

/// Places of a gram that are read to count its items; beyond, the number is that of the index, which may
/// be a fifth too low and includes removed items.
const MAX_COUNTED_PLACES: usize = 1 << 16;

/// Returns how many items of an index have a gram.
fn holders(view: &IndexView, print: u64) -> Result<u32> {
    let Some(list) = view.index.grams().get(print)? else {
        return Ok(0);
    };
    if list.max_len() > MAX_COUNTED_PLACES {
        return Ok(list.document_frequency());
    }
    let (mut items, mut last) = (0, None);
    for place in list.iter() {
        let (part, _) = place?;
        let item = view.index.item_of(part)?;
        if last != Some(item) && !view.hidden.contains(item.0) {
            items += 1;
        }
        last = Some(item);
    }
    Ok(items)
}
