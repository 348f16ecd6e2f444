//! AArch64, with one file for each instruction set.

pub(super) mod neon;
