//! The portable projections, compiled for AVX2 and AVX-512.

use crate::arch::project;

impl super::avx2::Avx2 {
    pub(in crate::arch) fn project<const N: usize, const ROWS: usize>(
        self,
        rows: &[[i8; N]; ROWS],
        patch: &[i8; N],
        sums: &mut [i32; ROWS],
    ) {
        // SAFETY: `self` exists, so the CPU has the feature.
        unsafe { project_avx2(rows, patch, sums) }
    }
}

impl super::avx512::Avx512 {
    pub(in crate::arch) fn project<const N: usize, const ROWS: usize>(
        self,
        rows: &[[i8; N]; ROWS],
        patch: &[i8; N],
        sums: &mut [i32; ROWS],
    ) {
        // SAFETY: `self` exists, so the CPU has the features.
        unsafe { project_avx512(rows, patch, sums) }
    }
}

#[target_feature(enable = "avx2")]
fn project_avx2<const N: usize, const ROWS: usize>(
    rows: &[[i8; N]; ROWS],
    patch: &[i8; N],
    sums: &mut [i32; ROWS],
) {
    project::project(rows, patch, sums);
}

#[target_feature(enable = "avx512f,avx512bw")]
fn project_avx512<const N: usize, const ROWS: usize>(
    rows: &[[i8; N]; ROWS],
    patch: &[i8; N],
    sums: &mut [i32; ROWS],
) {
    project::project(rows, patch, sums);
}
