//! PDQ, a 256-bit perceptual hash of a whole picture.
//!
//! Source: Dalins, Wilson, Boudry, "PDQ & TMK + PDQF", 2019, and the reference
//! implementation <https://github.com/facebook/ThreatExchange> (`pdq/cpp`), with
//! which this one agrees to the bit on the same luma: `downscale` makes a
//! 64 x 64 grid, `dct` takes its 16 x 16 lowest frequencies without the mean,
//! and each bit is whether a frequency is above the median.

mod dct;
mod downscale;
mod nn512;
#[cfg(test)]
mod twin;

use serde::{Deserialize, Serialize};

use crate::code::Code256;
use crate::raster::{Band, Dihedral, Matte, Raster};

use downscale::Downscale;
pub(super) use nn512::Nn512;

/// Columns and rows of the grid.
const GRID: usize = 64;

/// The small picture whose frequencies are taken, luma 0..=255.
type Grid = [[f32; GRID]; GRID];

/// A picture with a shorter side has the zero hash and quality 0, as in the reference.
const MIN_SIDE: usize = 5;

/// PDQ of a picture and of its seven turned and mirrored variants.
///
/// ```
/// use leakprint::Dihedral;
/// use leakprint::fingerprint::PdqHash;
/// use leakprint::raster::{Pixels, Raster};
///
/// let rings = (0..90 * 60_u32).map(|i| ((i % 90).pow(2) / 32 + (i / 90).pow(2) / 8) as u8);
/// let raster = Raster::new(90, 60, Pixels::Luma8(rings.collect())).unwrap();
/// let hash = PdqHash::from_raster(&raster);
/// assert!(hash.quality >= 50);
/// let mirrored = raster.pixels().as_bytes().chunks(90).flat_map(|row| row.iter().rev().copied());
/// let mirrored = Raster::new(90, 60, Pixels::Luma8(mirrored.collect())).unwrap();
/// let code = PdqHash::from_raster(&mirrored).code();
/// assert!(code.distance(&hash.variants[Dihedral::FlipHorizontal as usize]) <= 8);
/// assert!(code.distance(&hash.code()) > 64);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PdqHash {
    /// Indexed by [`Dihedral`]: the hash of the picture after that
    /// transformation, derived from the frequencies as the reference derives it.
    pub variants: [Code256; 8],
    /// The amount of structure in the picture, 0..=100: the mean contrast of
    /// neighbours in the grid. Below 50 its authors advise not to match.
    pub quality: u8,
}

impl PdqHash {
    /// The hash of a picture at full resolution. One pass, about two
    /// nanoseconds a pixel; memory for a few rows.
    pub fn from_raster(raster: &Raster) -> Self {
        let mut pdq = Pdq::new(raster.width() as usize, raster.height() as usize);
        raster.luma_bands(Matte::White, |band| pdq.push(band));
        pdq.finish()
    }

    /// The hash of the upright picture: what hash lists exchange.
    pub fn code(&self) -> Code256 {
        self.variants[Dihedral::Identity as usize]
    }

    fn of_grid(grid: &Grid) -> Self {
        let block = dct::frequencies(grid);
        Self {
            variants: Dihedral::ALL.map(|dihedral| {
                let turned = dct::transformed(&block, dihedral);
                dct::bits_above(&turned, dct::median(&turned))
            }),
            quality: quality(grid),
        }
    }
}

/// PDQ of a picture whose luma comes row by row.
pub(super) struct Pdq(Option<Downscale>);

impl Pdq {
    pub(super) fn new(width: usize, height: usize) -> Self {
        let is_hashable = width >= MIN_SIDE && height >= MIN_SIDE;
        Self(is_hashable.then(|| Downscale::new(width, height)))
    }

    /// Takes the next rows.
    pub(super) fn push(&mut self, rows: Band<'_>) {
        if let Some(downscale) = &mut self.0 {
            downscale.push(rows);
        }
    }

    /// The hash, once all rows have been pushed.
    pub(super) fn finish(self) -> PdqHash {
        self.0.map_or_else(PdqHash::default, |downscale| {
            PdqHash::of_grid(&downscale.finish())
        })
    }
}

/// The reference's quality: differences of neighbours in percent of the range, each cut
/// to an integer, summed, a ninetieth of it, at most 100.
fn quality(grid: &Grid) -> u8 {
    let step = |u: f32, v: f32| ((u - v) * 100.0 / 255.0) as i32;
    let mut sum = 0;
    for rows in grid.windows(2) {
        let [above, below] = rows else { continue };
        for (&u, &v) in above.iter().zip(below) {
            sum += step(u, v).abs();
        }
    }
    for row in grid {
        for pair in row.windows(2) {
            if let &[u, v] = pair {
                sum += step(u, v).abs();
            }
        }
    }
    (sum / 90).min(100) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raster::Pixels;

    const SIZES: [(usize, usize); 13] = [
        (1, 1),
        (5, 5),
        (64, 64),
        (63, 64),
        (65, 64),
        (127, 129),
        (130, 260),
        (700, 33),
        (33, 700),
        (129, 1),
        (1200, 80),
        (257, 513),
        (512, 512),
    ];

    fn noise(count: usize, seed: u32) -> impl Iterator<Item = u8> {
        let mut state = seed;
        (0..count).map(move |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
    }

    #[test]
    fn the_streamed_grid_is_the_plain_one_to_the_bit() {
        for (width, height) in SIZES {
            let plane: Vec<f32> = noise(width * height, 1)
                .map(|v| 0.299 * f32::from(v))
                .collect();
            let mut downscale = Downscale::new(width, height);
            // In pieces, as a picture comes.
            for rows in plane.chunks(3 * width) {
                downscale.push(Band::Floats(rows));
            }
            let (grid, plain) = (downscale.finish(), twin::grid(&plane, width, height));
            let bits = |grid: &Grid| {
                grid.as_flattened()
                    .iter()
                    .map(|v| v.to_bits())
                    .collect::<Vec<_>>()
            };
            assert_eq!(bits(&grid), bits(&plain), "{width} x {height}");
            assert_eq!(dct::frequencies(&grid), twin::frequencies(&plain));
        }
    }

    #[test]
    fn the_grid_of_bytes_is_the_plain_one_to_the_bit() {
        // The last is too wide for boxes of bytes.
        for (width, height) in SIZES.into_iter().chain([(1200, 800), (33_000, 7)]) {
            let bytes: Vec<u8> = noise(width * height, 2).collect();
            let mut downscale = Downscale::new(width, height);
            for rows in bytes.chunks(3 * width) {
                downscale.push(Band::Bytes(rows));
            }
            let plane: Vec<f32> = bytes.into_iter().map(f32::from).collect();
            let (grid, plain) = (downscale.finish(), twin::grid(&plane, width, height));
            assert!(
                grid.as_flattened()
                    .iter()
                    .map(|v| v.to_bits())
                    .eq(plain.as_flattened().iter().map(|v| v.to_bits())),
                "{width} x {height}"
            );
        }
    }

    #[test]
    fn variants_are_the_hashes_of_the_turned_picture() {
        // 128 x 128: the filter is symmetric there only in the limit, so a few bits may differ.
        let (width, height) = (640, 448);
        let rows: Vec<u8> = (0..height)
            .flat_map(|y| {
                (0..width).map(move |x| {
                    let blob = (x * x + 3 * y * y + x * y) / 977;
                    (blob % 251) as u8
                })
            })
            .collect();
        let raster = Raster::new(width, height, Pixels::Luma8(rows.clone())).expect("whole");
        let hash = PdqHash::from_raster(&raster);
        for dihedral in Dihedral::ALL {
            let (turned, w, h) = dihedral.apply(&rows, width, height, 1);
            let turned = Raster::new(w, h, Pixels::Luma8(turned)).expect("whole");
            let own = PdqHash::from_raster(&turned).code();
            let distance = own.distance(&hash.variants[dihedral as usize]);
            assert!(distance <= 24, "{dihedral:?}: {distance} bits");
        }
    }

    #[test]
    fn small_and_flat_pictures_have_no_quality() {
        let hash = |width: u32, height: u32, pixels| {
            PdqHash::from_raster(&Raster::new(width, height, Pixels::Luma8(pixels)).expect("whole"))
        };
        let small = hash(4, 200, noise(800, 3).collect());
        assert_eq!(small, PdqHash::default());
        assert_eq!(hash(80, 60, vec![128; 4800]).quality, 0);
        assert_eq!(hash(64, 64, noise(4096, 5).collect()).quality, 100);
    }
}
