//! From the 64 x 64 grid to 16 x 16 frequencies, and from those to bits.

use super::Grid;
use crate::code::Code256;
use crate::raster::Dihedral;

/// The frequencies 1..=16 of both directions: row `i`, column `j` is vertical
/// frequency `i + 1`, horizontal frequency `j + 1`. The mean is not among them.
pub(super) type Block = [[f32; 16]; 16];

/// `sqrt(2 / 64) * cos(pi / 128 * m)` for m = 0..64, rounded as the reference
/// rounds it. Written out, so that hashes don't depend on a platform's `cos`.
const QUARTER_WAVE: [f32; 64] = [
    0.17677669,
    0.17672345,
    0.17656375,
    0.17629771,
    0.17592546,
    0.17544726,
    0.17486335,
    0.17417413,
    0.17337997,
    0.17248139,
    0.17147891,
    0.17037314,
    0.16916475,
    0.16785446,
    0.16644305,
    0.16493139,
    0.16332036,
    0.16161098,
    0.15980424,
    0.15790124,
    0.15590313,
    0.1538111,
    0.15162642,
    0.14935042,
    0.14698444,
    0.14452994,
    0.14198837,
    0.13936128,
    0.13665023,
    0.13385688,
    0.13098289,
    0.12803,
    0.125,
    0.121894695,
    0.11871597,
    0.11546574,
    0.112145945,
    0.108758606,
    0.10530575,
    0.10178947,
    0.09821187,
    0.09457511,
    0.090881385,
    0.08713291,
    0.08333196,
    0.079480805,
    0.075581774,
    0.07163722,
    0.06764951,
    0.06362105,
    0.059554275,
    0.05545162,
    0.051315565,
    0.0471486,
    0.042953234,
    0.038731992,
    0.034487423,
    0.030222077,
    0.025938528,
    0.021639355,
    0.017327147,
    0.0130045,
    0.008674021,
    0.004338317,
];

/// `BASIS[k][i]`: what sample `k` of 64 counts in frequency `i + 1`.
static BASIS: [[f32; 16]; 64] = basis();

const fn basis() -> [[f32; 16]; 64] {
    let mut basis = [[0.0; 16]; 64];
    let mut k = 0;
    while k < 64 {
        let mut i = 0;
        while i < 16 {
            // The phase in 256ths of a turn. It is an odd multiple of a number
            // up to 16, so never 64 nor 192, where the wave is zero.
            let turn = (i + 1) * (2 * k + 1) % 256;
            let half = if turn > 128 { 256 - turn } else { turn };
            basis[k][i] = if half < 64 {
                QUARTER_WAVE[half]
            } else {
                -QUARTER_WAVE[128 - half]
            };
            i += 1;
        }
        k += 1;
    }
    basis
}

/// `D A D^T`, each sum in ascending order of samples as in the reference.
pub(super) fn frequencies(grid: &Grid) -> Block {
    // Vertical frequencies of all 64 columns, transposed: columns in the first
    // index, so that the second step reads what the first wrote in order.
    let mut vertical = [[0.0_f32; 64]; 16];
    for (samples, weights) in grid.iter().zip(&BASIS) {
        for (sums, &weight) in vertical.iter_mut().zip(weights) {
            for (sum, &sample) in sums.iter_mut().zip(samples) {
                *sum += weight * sample;
            }
        }
    }
    let mut block = [[0.0_f32; 16]; 16];
    for (sums, samples) in block.iter_mut().zip(&vertical) {
        for (&sample, weights) in samples.iter().zip(&BASIS) {
            for (sum, &weight) in sums.iter_mut().zip(weights) {
                *sum += sample * weight;
            }
        }
    }
    block
}

/// The frequencies of the picture after a transformation, as the reference derives them.
///
/// Mirroring a picture negates its odd frequencies in that direction (those
/// with an even index here); transposing it transposes the block.
pub(super) fn transformed(block: &Block, dihedral: Dihedral) -> Block {
    // (mirrored left to right first, mirrored top to bottom first, then transposed)
    let (mirror_x, mirror_y, transpose) = match dihedral {
        Dihedral::Identity => (false, false, false),
        Dihedral::FlipHorizontal => (true, false, false),
        Dihedral::FlipVertical => (false, true, false),
        Dihedral::Rotate180 => (true, true, false),
        Dihedral::Transpose => (false, false, true),
        Dihedral::Rotate270 => (true, false, true),
        Dihedral::Rotate90 => (false, true, true),
        Dihedral::Transverse => (true, true, true),
    };
    let mut out = [[0.0; 16]; 16];
    for (i, row) in block.iter().enumerate() {
        for (j, &value) in row.iter().enumerate() {
            let negate = (mirror_x && j % 2 == 0) != (mirror_y && i % 2 == 0);
            let value = if negate { -value } else { value };
            if transpose {
                out[j][i] = value;
            } else {
                out[i][j] = value;
            }
        }
    }
    out
}

/// The lower median of the 256 values.
pub(super) fn median(block: &Block) -> f32 {
    let mut values = *block;
    *values
        .as_flattened_mut()
        .select_nth_unstable_by(127, f32::total_cmp)
        .1
}

/// Bit `16 i + j` is whether that frequency is above the median.
pub(super) fn bits_above(block: &Block, median: f32) -> Code256 {
    let mut words = [0; 4];
    for (i, &value) in block.as_flattened().iter().enumerate() {
        words[i / 64] |= u64::from(value > median) << (i % 64);
    }
    Code256(words)
}
