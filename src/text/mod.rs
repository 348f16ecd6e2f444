//! Text prints: folding to symbols that survive retyping, and keyed character grams.

mod fold;
mod gram;

pub use fold::{Folded, fold};
pub use gram::{GRAM_LEN, Gram, GramKey, Sampling, grams};
