//! The instruction that counts set bits, which the baseline of x86-64 lacks.

use crate::arch::{Pairs, near32, near128};

/// Proof that the CPU has POPCNT.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::arch) struct Popcnt(());

impl Popcnt {
    pub(in crate::arch) fn new() -> Option<Self> {
        is_x86_feature_detected!("popcnt").then_some(Self(()))
    }

    pub(in crate::arch) fn within(
        self,
        pairs: &Pairs<'_>,
        radius: u32,
        found: &mut Vec<(u32, u32)>,
    ) {
        // SAFETY: `self` exists, so the CPU has the feature that `within` is compiled for.
        unsafe { within(pairs, radius, found) }
    }

    pub(in crate::arch) fn near128(
        self,
        own: &[u64; 2],
        others: &[[u64; 2]],
        radius: u32,
        found: &mut Vec<u32>,
    ) {
        // SAFETY: `self` exists, so the CPU has the feature that `near` is compiled for.
        unsafe { near(own, others, radius, found) }
    }
}

impl Popcnt {
    pub(in crate::arch) fn near32(
        self,
        own: u32,
        entries: &[[u32; 2]],
        radius: u32,
        found: &mut Vec<u32>,
    ) {
        // SAFETY: `self` exists, so the CPU has the feature that `checks` is compiled for.
        unsafe { checks(own, entries, radius, found) }
    }
}

/// The portable code, compiled for POPCNT.
#[target_feature(enable = "popcnt")]
fn within(pairs: &Pairs<'_>, radius: u32, found: &mut Vec<(u32, u32)>) {
    pairs.within(radius, found);
}

/// The portable code, compiled for POPCNT.
#[target_feature(enable = "popcnt")]
fn near(own: &[u64; 2], others: &[[u64; 2]], radius: u32, found: &mut Vec<u32>) {
    near128::near128(own, others, radius, found);
}

/// The portable code, compiled for POPCNT.
#[target_feature(enable = "popcnt")]
fn checks(own: u32, entries: &[[u32; 2]], radius: u32, found: &mut Vec<u32>) {
    near32::near32(own, entries, radius, found);
}
