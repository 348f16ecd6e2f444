//! Text prints: folding to symbols that survive retyping, and keyed character grams.

mod fold;
#[cfg(test)]
mod generate;
mod gram;
mod markup;
mod table;

pub use fold::{ANCHOR_STEP, Folded, fold, fold_into};
pub use gram::{GRAM_LEN, Gram, GramKey, MAX_WINDOW, Sampling, grams, grams_into};
