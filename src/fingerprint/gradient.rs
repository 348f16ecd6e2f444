//! The gradient hash of `img_hash`, which confirms or rejects matches of PDQ.
//!
//! On a full picture, that crate spends more time on shrinking than a
//! decoder on decoding, and shrinks with another filter. Here it gets a
//! plane that already has the size of the hash, made by exact area averaging.

use std::sync::OnceLock;

use image::GrayImage;
use img_hash::{BitOrder, HashAlg, Hasher, HasherConfig};
use serde::{Deserialize, Serialize};

use crate::code::Code256;
use crate::raster::{AreaShrink, Dihedral, Matte, Raster};

/// Bits of the hash along each side.
const SIDE: usize = 16;

/// Neighbours are compared along rows, so a plane is one cell wider than the
/// hash. The shared plane is this wide and high: whole blocks of it make a
/// plane of 17 x 16 as well as one of 16 x 17, which turned pictures need.
pub(super) const SHARED: usize = SIDE * (SIDE + 1);

/// The gradient hash of a picture and of its variants, so that a query can be
/// compared with an item under every symmetry without the pixels.
///
/// Source: `HashAlg::Gradient` of the crate `image_hasher`, the maintained fork of `img_hash`, after
/// Krawetz, "Kind of like that", 2013 (dHash).
///
/// ```
/// use leakprint::Dihedral;
/// use leakprint::fingerprint::GradientPrints;
/// use leakprint::raster::{Pixels, Raster};
///
/// let rings = (0..90 * 60_u32).map(|i| ((i % 90).pow(2) / 32 + (i / 90).pow(2) / 8) as u8);
/// let raster = Raster::new(90, 60, Pixels::Luma8(rings.collect())).unwrap();
/// let prints = GradientPrints::from_raster(&raster);
/// // Cells that are brighter than their left neighbours are darker once the picture is inverted.
/// let upright = prints.variant(Dihedral::Identity, false);
/// assert!(upright.distance(&prints.variant(Dihedral::Identity, true)) > 200);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GradientPrints {
    /// Indexed by [`Dihedral`]: the hash of the picture after that transformation.
    pub upright: [Code256; 8],
    /// The same of the picture with every luma sample subtracted from 255.
    pub inverted: [Code256; 8],
}

impl GradientPrints {
    /// The hashes of a picture. One pass, less than a nanosecond a pixel, and
    /// some 30 microseconds for the 16 hashes.
    ///
    /// The luma is averaged over 17 x 16 equal cells (16 x 17 for the variants
    /// that swap the sides) and rounded to 8 bits. Bit `16 y + x` is
    /// whether cell (x + 1, y) is brighter than cell (x, y).
    pub fn from_raster(raster: &Raster) -> Self {
        let width = raster.width() as usize;
        let mut shared = shared_plane(width, raster.height() as usize);
        raster.luma_bands(Matte::White, |band| {
            band.rows(width).for_each(|row| shared.push(row));
        });
        Self::of_shared(&shared.finish())
    }

    /// The hash after one transformation.
    pub fn variant(&self, dihedral: Dihedral, inverted: bool) -> Code256 {
        if inverted {
            self.inverted[dihedral as usize]
        } else {
            self.upright[dihedral as usize]
        }
    }
}

/// Makes the plane that [`of_shared`](GradientPrints::of_shared) reads.
pub(super) fn shared_plane(width: usize, height: usize) -> AreaShrink {
    AreaShrink::new(width, height, SHARED, SHARED)
}

impl GradientPrints {
    /// The hashes, from the shared plane.
    pub(super) fn of_shared(shared: &[f32]) -> Self {
        let wide = blocks(shared, SIDE + 1, SIDE);
        let tall = blocks(shared, SIDE, SIDE + 1);
        let variants = |inverted: bool| {
            Dihedral::ALL.map(|dihedral| {
                let (plane, width, height) = if dihedral.swaps_sides() {
                    (&tall, SIDE, SIDE + 1)
                } else {
                    (&wide, SIDE + 1, SIDE)
                };
                let (mut plane, ..) = dihedral.apply(plane, width as u32, height as u32, 1);
                if inverted {
                    plane.iter_mut().for_each(|cell| *cell = 255 - *cell);
                }
                hash(plane)
            })
        };
        Self {
            upright: variants(false),
            inverted: variants(true),
        }
    }
}

/// The shared plane in fewer cells, rounded to the nearest integer.
fn blocks(shared: &[f32], columns: usize, rows: usize) -> Vec<u8> {
    let (width, height) = (SHARED / columns, SHARED / rows);
    let mut plane = Vec::with_capacity(columns * rows);
    for row in 0..rows {
        let mut sums = vec![0.0_f32; columns];
        for line in shared.chunks_exact(SHARED).skip(row * height).take(height) {
            for (sum, block) in sums.iter_mut().zip(line.chunks_exact(width)) {
                *sum += block.iter().sum::<f32>();
            }
        }
        let area = (width * height) as f32;
        // The cast saturates.
        plane.extend(sums.into_iter().map(|sum| (sum / area).round() as u8));
    }
    plane
}

fn hash(plane: Vec<u8>) -> Code256 {
    static HASHER: OnceLock<Hasher<[u8; 32]>> = OnceLock::new();
    let hasher = HASHER.get_or_init(|| {
        HasherConfig::with_bytes_type()
            .hash_alg(HashAlg::Gradient)
            .hash_size(SIDE as u32, SIDE as u32)
            .bit_order(BitOrder::LsbFirst)
            .to_hasher()
    });
    let picture = GrayImage::from_raw(SIDE as u32 + 1, SIDE as u32, plane).unwrap_or_default();
    let mut bytes = [0; 32];
    bytes.copy_from_slice(hasher.hash_image(&picture).as_bytes());
    Code256::from_le_bytes(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raster::Pixels;

    /// The definition, from the pixels, for sides that the cells divide.
    fn naive(pixels: &[u8], width: usize, height: usize) -> Code256 {
        let (w, h) = (width / (SIDE + 1), height / SIDE);
        let cell = |x: usize, y: usize| {
            let sum: u32 = (0..w * h)
                .map(|i| u32::from(pixels[(y * h + i / w) * width + x * w + i % w]))
                .sum();
            (f64::from(sum) / (w * h) as f64).round()
        };
        let mut words = [0_u64; 4];
        for (i, (y, x)) in (0..SIDE)
            .flat_map(|y| (0..SIDE).map(move |x| (y, x)))
            .enumerate()
        {
            words[i / 64] |= u64::from(cell(x + 1, y) > cell(x, y)) << (i % 64);
        }
        Code256(words)
    }

    fn picture(width: usize, height: usize) -> Vec<u8> {
        let mut state = 7_u32;
        (0..width * height)
            .map(|i| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let wave = (i % width * 7 + i / width * 3) % 200;
                (wave as u32 + (state >> 27)) as u8
            })
            .collect()
    }

    #[test]
    fn every_variant_is_the_hash_of_the_transformed_picture() {
        let side = SHARED;
        let pixels = picture(side, side);
        let raster = Raster::new(side as u32, side as u32, Pixels::Luma8(pixels.clone()));
        let prints = GradientPrints::from_raster(&raster.expect("whole"));
        for dihedral in Dihedral::ALL {
            let (turned, ..) = dihedral.apply(&pixels, side as u32, side as u32, 1);
            assert_eq!(
                prints.variant(dihedral, false),
                naive(&turned, side, side),
                "{dihedral:?}"
            );
            let inverted: Vec<u8> = turned.iter().map(|v| 255 - v).collect();
            let (code, expected) = (prints.variant(dihedral, true), naive(&inverted, side, side));
            // A mean that ends in a half is rounded to the other side.
            assert!(code.distance(&expected) <= 2, "{dihedral:?} inverted");
        }
    }

    #[test]
    fn any_size_has_a_hash() {
        for (width, height) in [(1, 1), (1, 300), (300, 1), (17, 16), (640, 480)] {
            let raster = Raster::new(
                width as u32,
                height as u32,
                Pixels::Luma8(picture(width, height)),
            );
            let prints = GradientPrints::from_raster(&raster.expect("whole"));
            if width == 1 {
                assert_eq!(
                    prints.upright[0],
                    Code256::default(),
                    "no gradient along rows"
                );
            }
        }
    }
}
