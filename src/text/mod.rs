//! Text prints: folding to symbols that survive retyping, and keyed character grams.

mod anchors;
mod fold;
#[cfg(test)]
mod generate;
mod gram;
mod markup;
mod table;

pub use anchors::ANCHOR_STEP;
pub(crate) use anchors::{char_end, char_offset};
pub use fold::{Folded, fold, fold_into};
pub use gram::{GRAM_LEN, Gram, GramKey, MAX_WINDOW, Sampling, grams, grams_into};
