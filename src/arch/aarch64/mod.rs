//! AArch64: one file an instruction set.

pub(super) mod neon;
