//! x86-64, with one file for each instruction set or algorithm.

mod ascii;
pub(super) mod avx2;
pub(super) mod avx512;
mod blur;
pub(super) mod equal;
mod lattice;
mod nibbles;
mod polar;
pub(super) mod popcnt;
mod project;
mod rows;
mod scan;
mod winnow;
