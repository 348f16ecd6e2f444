//! Text prints: folding to symbols that survive retyping, keyed character grams, and keyed values,
//! such as those in cells of tables.

mod anchors;
mod bounds;
mod cells;
mod fold;
#[cfg(test)]
mod generate;
mod gram;
mod markup;
mod script;
mod structure;
mod table;

pub use anchors::ANCHOR_STEP;
pub(crate) use anchors::{char_end, char_offset};
pub(crate) use bounds::Bounds;
pub(crate) use cells::{ValueKey, values_of_table, values_of_text};
pub use cells::{ValueKind, ValuePrint};
pub(crate) use fold::fold_within;
pub use fold::{Folded, fold, fold_into};
pub(crate) use gram::grams_within;
pub use gram::{GRAM_LEN, Gram, GramKey, MAX_WINDOW, Sampling, grams, grams_into};
pub use structure::{Mark, Zone};
pub(crate) use structure::{Zones, marks_within, messages};
