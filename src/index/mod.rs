//! x
pub mod hamming;
pub use hamming::{Backend, CodeHit, CodeSet, Engine, HammingIndex, SearchStats};
