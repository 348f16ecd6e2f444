//! A keyed sketch of a picture's structure, which separates look-alikes.
//!
//! Two e-mails in one mail program, or two sheets with other numbers, agree in
//! everything that 16 x 16 cells can show, so that neither PDQ nor the gradient
//! hash separates them. The local contrast on 64 x 64 cells does: of a copy it
//! correlates by .98 and more even at a third of the size, of a look-alike by
//! less. The cells themselves would be a thumbnail of the leak. So the index
//! holds signs of projections on secret random directions instead, whose Hamming
//! distance estimates the angle between two pictures.
//!
//! Sources: Charikar, "Similarity estimation techniques from rounding
//! algorithms", 2002 (signs of random projections); Ailon and Chazelle, "The fast
//! Johnson-Lindenstrauss transform", 2009 (random signs, then a Hadamard
//! transform, in place of a dense random matrix).

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::arch::Backend;
use crate::raster::Dihedral;

/// Cells along each side of the plane.
pub(super) const SIDE: usize = 64;

/// Cells of the plane, a power of two as the transform needs.
const CELLS: usize = SIDE * SIDE;

/// A sketch: 2,048 signs of keyed projections.
///
/// Compared by [`distance`](Self::distance); for pictures whose local contrast
/// correlates by `c`, about `2048 * acos(c) / pi` bits. Meaningless without the
/// key, and comparable only between prints of one key. Serialised as 512 hex digits.
///
/// ```
/// use leakprint::Fingerprinter;
/// use leakprint::fingerprint::Sketch;
/// use leakprint::raster::{Pixels, Raster};
///
/// let rings = (0..90 * 60_u32).map(|i| ((i % 90).pow(2) / 32 + (i / 90).pow(2) / 8) as u8);
/// let raster = Raster::new(90, 60, Pixels::Luma8(rings.collect())).unwrap();
/// let sketch = |fingerprinter: &Fingerprinter| {
///     fingerprinter.fingerprint_raster(&raster).parts[0].raster.as_ref().unwrap().sketch[0]
/// };
/// let (mine, others) = (Fingerprinter::builder().build()?, Fingerprinter::builder().build()?);
/// assert_eq!(sketch(&mine).distance(&sketch(&mine).complement()), Sketch::BITS);
/// // Under another key the same picture is as far away as any.
/// assert!((800..1250).contains(&sketch(&mine).distance(&sketch(&others))));
/// # Ok::<(), leakprint::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sketch(pub [u64; Self::WORDS]);

impl Sketch {
    /// Words of a sketch.
    pub const WORDS: usize = 32;

    /// Bits of a sketch.
    pub const BITS: u32 = 64 * Self::WORDS as u32;

    /// The number of bits in which two sketches differ, 0..=2048; unrelated pictures differ in
    /// about half of them.
    pub fn distance(&self, other: &Self) -> u32 {
        let pairs = self.0.iter().zip(&other.0);
        pairs.map(|(a, b)| (a ^ b).count_ones()).sum()
    }

    /// Every bit flipped: the sketch of the picture with inverted colours.
    #[must_use]
    pub fn complement(&self) -> Self {
        Self(self.0.map(|word| !word))
    }
}

impl fmt::Display for Sketch {
    /// 512 hex digits, word 0 first.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|word| write!(f, "{word:016x}"))
    }
}

impl fmt::Debug for Sketch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sketch({self})")
    }
}

impl Serialize for Sketch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sketch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let wrong = || serde::de::Error::custom("a sketch is written as exactly 512 hex digits");
        if text.len() != 16 * Self::WORDS || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let mut words = [0; Sketch::WORDS];
        for (i, word) in words.iter_mut().enumerate() {
            let digits = text.get(16 * i..16 * (i + 1)).ok_or_else(wrong)?;
            *word = u64::from_str_radix(digits, 16).map_err(|_| wrong())?;
        }
        Ok(Self(words))
    }
}

/// The secret directions, derived from one seed. Cheap to clone.
#[derive(Clone)]
pub(crate) struct SketchKey(Arc<Directions>);

struct Directions {
    /// 1 or -1 for every cell.
    signs: Vec<f32>,
    /// The transform's outputs whose signs are taken.
    rows: Vec<u16>,
}

impl SketchKey {
    /// Derives everything from `seed` with BLAKE3.
    pub(crate) fn new(seed: &[u8; 32]) -> Self {
        let mut stream = blake3::Hasher::new_keyed(seed).finalize_xof();
        let mut word = || {
            let mut bytes = [0; 8];
            stream.fill(&mut bytes);
            u64::from_le_bytes(bytes)
        };
        let mut signs = Vec::with_capacity(CELLS);
        for _ in 0..CELLS / 64 {
            let bits = word();
            signs.extend((0..64).map(|i| if bits >> i & 1 == 0 { 1.0 } else { -1.0 }));
        }
        // A random selection; output 0 is as good as any, the signs have mixed it.
        let mut order: Vec<(u64, u16)> = (0..CELLS as u16).map(|row| (word(), row)).collect();
        order.sort_unstable();
        order.truncate(Sketch::BITS as usize);
        let rows = order.into_iter().map(|(_, row)| row).collect();
        Self(Arc::new(Directions { signs, rows }))
    }

    /// The sketches of a picture after each of the eight transformations, from
    /// its luma on 64 x 64 cells. About a tenth of a millisecond.
    pub(super) fn sketches(&self, plane: &[f32]) -> [Sketch; 8] {
        let contrast = local_contrast(plane);
        let side = SIDE as u32;
        let backend = Backend::detect();
        Dihedral::ALL.map(|dihedral| {
            let mut values = vec![0.0; CELLS];
            for (i, &cell) in (0..).zip(&contrast) {
                let (x, y) = dihedral.map(i % side, i / side, side, side);
                if let Some(value) = values.get_mut((y * side + x) as usize) {
                    *value = cell;
                }
            }
            for (value, &sign) in values.iter_mut().zip(&self.0.signs) {
                *value *= sign;
            }
            backend.hadamard(&mut values);
            let mut words = [0; Sketch::WORDS];
            for (word, rows) in words.iter_mut().zip(self.0.rows.chunks_exact(64)) {
                for (bit, &row) in rows.iter().enumerate() {
                    let value = values.get(usize::from(row)).copied().unwrap_or_default();
                    *word |= u64::from(value > 0.0) << bit;
                }
            }
            Sketch(words)
        })
    }
}

impl fmt::Debug for SketchKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SketchKey").finish_non_exhaustive()
    }
}

/// Each cell less the mean of the 3 x 3 cells around it; cells beyond the edge
/// are as the nearest one inside. Free of brightness, vignettes and gradients.
fn local_contrast(plane: &[f32]) -> Vec<f32> {
    let at = |x: usize, y: usize| plane.get(y * SIDE + x).copied().unwrap_or_default();
    let mut out = Vec::with_capacity(CELLS);
    for y in 0..SIDE {
        let rows = [y.saturating_sub(1), y, (y + 1).min(SIDE - 1)];
        for x in 0..SIDE {
            let columns = [x.saturating_sub(1), x, (x + 1).min(SIDE - 1)];
            let mut sum = 0.0;
            for row in rows {
                for column in columns {
                    sum += at(column, row);
                }
            }
            out.push(at(x, y) - sum / 9.0);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> SketchKey {
        SketchKey::new(&[byte; 32])
    }

    fn noise(seed: u32) -> Vec<f32> {
        let mut state = seed;
        (0..CELLS)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as f32
            })
            .collect()
    }

    #[test]
    fn the_transform_is_its_definition() {
        let values: Vec<f32> = (0..64).map(|i| (i * i % 17) as f32).collect();
        let mut fast = values.clone();
        Backend::detect().hadamard(&mut fast);
        for (row, &found) in fast.iter().enumerate() {
            let plain: f32 = values
                .iter()
                .enumerate()
                .map(|(i, v)| {
                    if (row & i).count_ones() % 2 == 0 {
                        *v
                    } else {
                        -v
                    }
                })
                .sum();
            assert_eq!(found, plain);
        }
    }

    #[test]
    fn the_distance_estimates_the_angle() {
        let key = key(1);
        let (a, b) = (noise(1), noise(99));
        let unrelated = key.sketches(&a)[0].distance(&key.sketches(&b)[0]);
        assert!((924..=1124).contains(&unrelated), "{unrelated} of 2048");
        // A mixture of known angle: tan = 1 / 3.
        let mixed: Vec<f32> = a.iter().zip(&b).map(|(a, b)| a + b / 3.0).collect();
        let distance = key.sketches(&a)[0].distance(&key.sketches(&mixed)[0]);
        let expected = 2048.0 * (1.0_f64 / 3.0).atan() / std::f64::consts::PI;
        assert!(
            (f64::from(distance) - expected).abs() < 70.0,
            "{distance} not {expected}"
        );
        // Brightness and contrast change nothing.
        let brighter: Vec<f32> = a.iter().map(|a| 0.5 * a + 90.0).collect();
        assert!(key.sketches(&a)[0].distance(&key.sketches(&brighter)[0]) <= 2);
    }

    #[test]
    fn variants_are_the_sketches_of_the_transformed_and_inverted_plane() {
        let key = key(3);
        let plane = noise(5);
        let sketches = key.sketches(&plane);
        let bytes: Vec<u8> = plane.iter().map(|&v| v as u8).collect();
        for dihedral in Dihedral::ALL {
            let (turned, ..) = dihedral.apply(&bytes, SIDE as u32, SIDE as u32, 1);
            let turned: Vec<f32> = turned.into_iter().map(f32::from).collect();
            let own = key.sketches(&turned)[0];
            // Sums round differently, so a projection near zero may change its sign.
            assert!(
                own.distance(&sketches[dihedral as usize]) <= 3,
                "{dihedral:?}"
            );
            let inverted: Vec<f32> = turned.iter().map(|v| 255.0 - v).collect();
            assert!(key.sketches(&inverted)[0].distance(&own.complement()) <= 2);
        }
    }

    #[test]
    fn another_key_makes_an_unrelated_sketch() {
        let plane = noise(7);
        let distance = key(1).sketches(&plane)[0].distance(&key(2).sketches(&plane)[0]);
        assert!((924..=1124).contains(&distance), "{distance} of 2048");
    }

    #[test]
    fn hex_round_trips() {
        let sketch = key(1).sketches(&noise(1))[0];
        let json = serde_json::to_string(&sketch).expect("serialises");
        assert_eq!(
            serde_json::from_str::<Sketch>(&json).expect("parses"),
            sketch
        );
        assert!(serde_json::from_str::<Sketch>("\"00\"").is_err());
    }
}
