//! Local prints: keyed codes of the patches around a picture's keypoints, which
//! find a crop, a collage or a photograph of a screen, and by which candidates
//! are verified piece by piece.
//!
//! A patch of 12 x 12 samples around every keypoint would be a contact sheet of
//! the leak. The index holds the signs of its projections on 128 secret random
//! directions, whose Hamming distance estimates the angle between two patches:
//! the print's *signature*, by which patches are compared and looked up.
//!
//! Sources: Charikar, "Similarity estimation techniques from rounding
//! algorithms", 2002 (signs of random projections); Brown, Szeliski and Winder,
//! "Multi-image matching using multi-scale oriented patches", 2005 (normalised
//! patches as descriptors).

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::arch::{Backend, DIRECTIONS, Directions, MAX_WEIGHT, SAMPLES};
use crate::deadline::Deadline;
use crate::error::Result;
use crate::raster::{Frame, Keypoint, PATCH_SIDE, Patch, Pyramid, Raster, keypoints};

/// A place in the working plane, in [`LocalPrint::x`] and [`y`](LocalPrint::y), is this part of a pixel.
const PLACE_STEPS: f32 = 8.0;

/// Patches between two checks of a deadline: some hundred microseconds.
const PACE: u32 = 256;

/// Steps of a weight of 1: three in a thousand weights are too large for a byte.
const WEIGHT_SCALE: f64 = MAX_WEIGHT as f64 / 3.0;

/// One keypoint of a picture with the keyed code of its patch.
///
/// Sources: Lowe, "Distinctive image features from scale-invariant keypoints", 2004 (where);
/// Charikar, "Similarity estimation techniques from rounding algorithms", 2002 (the code).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LocalPrint {
    /// Column in eighths of a pixel of the working plane: the picture itself, shrunk
    /// to 2.4 million pixels if it has more.
    pub x: u16,
    /// Row, in the same units.
    pub y: u16,
    /// The size of the patch in sixteenths of an octave.
    pub scale: u8,
    /// Its direction in 256ths of a turn.
    pub angle: u8,
    /// Whether the place is brighter than its surroundings. Patches of dark ones are
    /// inverted first, so that an inverted picture has the same codes.
    pub bright: bool,
    /// 128 signs of projections.
    pub signature: [u64; 2],
}

impl LocalPrint {
    /// Bits of 128 in which the signatures differ; unrelated patches differ in about half of them.
    pub fn distance(&self, other: &Self) -> u32 {
        distance(&self.signature, &other.signature)
    }

    pub(crate) fn keypoint(&self) -> Keypoint {
        Keypoint {
            x: f32::from(self.x) / PLACE_STEPS,
            y: f32::from(self.y) / PLACE_STEPS,
            scale: self.scale,
            angle: self.angle,
            bright: self.bright,
        }
    }
}

/// The number of bits in which two signatures differ.
#[inline]
pub(crate) fn distance(a: &[u64; 2], b: &[u64; 2]) -> u32 {
    (a[0] ^ b[0]).count_ones() + (a[1] ^ b[1]).count_ones()
}

/// The local prints of a picture, the strongest of each size first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LocalPrints {
    /// The prints, size by size from the finest.
    pub prints: Vec<LocalPrint>,
    /// The pixels, known only where the picture was fingerprinted: never serialised or printed.
    #[serde(skip)]
    pub(crate) pixels: Pixels,
}

impl LocalPrints {
    /// More than any picture has: at most 420 places per size, each with few directions.
    pub(crate) const MAX: usize = 1 << 15;
}

/// The pixels that candidates are verified against: only in the process that decoded the picture.
#[derive(Clone, Default)]
pub(crate) struct Pixels(Option<Arc<DecodedPicture>>);

/// A decoded picture.
pub(crate) struct DecodedPicture {
    pub(crate) pyramid: Pyramid,
    /// The patch of each print, dark ones inverted.
    pub(crate) patches: Vec<Patch>,
}

impl Pixels {
    pub(crate) fn get(&self) -> Option<&DecodedPicture> {
        self.0.as_deref()
    }
}

impl PartialEq for Pixels {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Pixels {}

impl fmt::Debug for Pixels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pixels")
    }
}

/// The secret directions. Cheap to clone.
#[derive(Clone)]
pub(crate) struct LocalKey(Arc<Directions>);

/// The projections of a patch, one per direction.
#[derive(Clone, Copy)]
pub(crate) struct Projected(pub(crate) [i32; DIRECTIONS]);

impl Projected {
    /// The signs.
    pub(crate) fn signature(&self) -> [u64; 2] {
        let mut words = [0_u64; 2];
        for (word, sums) in words.iter_mut().zip(self.0.as_chunks::<64>().0) {
            for (bit, &sum) in sums.iter().enumerate() {
                *word |= u64::from(sum > 0) << bit;
            }
        }
        words
    }
}

impl LocalKey {
    /// Derives everything from `seed` with BLAKE3.
    pub(crate) fn new(seed: &[u8; 32]) -> Self {
        let mut bytes = [0; DIRECTIONS * SAMPLES / 8];
        blake3::Hasher::new_keyed(seed)
            .finalize_xof()
            .fill(&mut bytes);
        let sign = |i: usize| {
            let bit = bytes.get(i / 8).copied().unwrap_or_default() >> (i % 8) & 1;
            1.0 - 2.0 * f64::from(bit)
        };
        let signs = (0..DIRECTIONS).map(|row| std::array::from_fn(|i| sign(row * SAMPLES + i)));
        let rows = orthogonal(signs).into_iter().map(|row| {
            without_local_mean(&row).map(|weight| (weight * WEIGHT_SCALE).round() as i8)
        });
        Self(Arc::from(Directions::new(rows)))
    }

    /// The sums of a patch.
    pub(crate) fn project(&self, patch: &Patch) -> Projected {
        let mut sums = [0; DIRECTIONS];
        Backend::detect().project(&self.0, &patch.0, &mut sums);
        Projected(sums)
    }

    /// The signature of a patch.
    pub(crate) fn signature(&self, patch: &Patch) -> [u64; 2] {
        self.project(patch).signature()
    }

    /// The local prints of a picture, with its pixels beside them. Fails at the deadline.
    pub(super) fn prints(&self, raster: &Raster, deadline: &Deadline) -> Result<LocalPrints> {
        let (pyramid, keypoints) = keypoints(raster, deadline)?;
        let place = |v: f32| (v * PLACE_STEPS).round().clamp(0.0, 65_535.0) as u16;
        let mut prints = Vec::with_capacity(keypoints.len());
        let mut patches = Vec::with_capacity(keypoints.len());
        let mut pacer = deadline.pacer(PACE);
        for keypoint in &keypoints {
            pacer.step()?;
            let Some(patch) = pyramid.patch(&Frame::of(keypoint)) else {
                continue;
            };
            let patch = if keypoint.bright {
                patch
            } else {
                patch.inverted()
            };
            prints.push(LocalPrint {
                x: place(keypoint.x),
                y: place(keypoint.y),
                scale: keypoint.scale,
                angle: keypoint.angle,
                bright: keypoint.bright,
                signature: self.signature(&patch),
            });
            patches.push(patch);
        }
        Ok(LocalPrints {
            prints,
            pixels: Pixels(Some(Arc::new(DecodedPicture { pyramid, patches }))),
        })
    }
}

/// Makes each direction orthogonal to those before it (Gram and Schmidt), with the length
/// that signs had: the number of signs that differ then estimates the angle of two patches more
/// exactly (Ji, Li, Yan, Zhang and Tian, "Super-bit locality-sensitive hashing", 2012).
fn orthogonal(rows: impl Iterator<Item = [f64; SAMPLES]>) -> Vec<[f64; SAMPLES]> {
    let dot =
        |a: &[f64; SAMPLES], b: &[f64; SAMPLES]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let mut out: Vec<[f64; SAMPLES]> = Vec::with_capacity(DIRECTIONS);
    for mut row in rows {
        for other in &out {
            let along = dot(&row, other) / SAMPLES as f64;
            row.iter_mut()
                .zip(other)
                .for_each(|(weight, other)| *weight -= along * other);
        }
        let length = (dot(&row, &row) / SAMPLES as f64).sqrt().max(1e-9);
        out.push(row.map(|weight| weight / length));
    }
    out
}

/// The weights that project a patch as `weights` project it after subtracting from each sample the
/// mean of the 5 x 5 samples around it, and then their mean: neighbouring samples are alike in
/// every picture, and what all patches share carries no information.
fn without_local_mean(weights: &[f64; SAMPLES]) -> [f64; SAMPLES] {
    let mut out = *weights;
    let around = |i: usize| i.saturating_sub(2)..(i + 3).min(PATCH_SIDE);
    for (i, weight) in weights.iter().enumerate() {
        let (rows, columns) = (around(i / PATCH_SIDE), around(i % PATCH_SIDE));
        let share = weight / (rows.len() * columns.len()) as f64;
        for row in rows {
            for column in columns.clone() {
                out[row * PATCH_SIDE + column] -= share;
            }
        }
    }
    let mean = out.iter().sum::<f64>() / SAMPLES as f64;
    out.map(|weight| weight - mean)
}

impl fmt::Debug for LocalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalKey").finish_non_exhaustive()
    }
}

impl LocalPrint {
    /// Bytes of a print written down.
    pub(crate) const LEN: usize = 23;

    pub(crate) fn to_bytes(self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        let fields: [&[u8]; 7] = [
            &self.x.to_le_bytes(),
            &self.y.to_le_bytes(),
            &[self.scale],
            &[self.angle],
            &[u8::from(self.bright)],
            &self.signature[0].to_le_bytes(),
            &self.signature[1].to_le_bytes(),
        ];
        let bytes = fields.into_iter().flatten();
        for (out, &byte) in out.iter_mut().zip(bytes) {
            *out = byte;
        }
        out
    }

    pub(crate) fn from_bytes(bytes: [u8; Self::LEN]) -> Option<Self> {
        let mut rest = bytes.as_slice();
        let mut take = |n: usize| {
            let (head, tail) = rest.split_at_checked(n)?;
            rest = tail;
            let mut word = [0; 8];
            word.get_mut(..n)?.copy_from_slice(head);
            Some(u64::from_le_bytes(word))
        };
        Some(Self {
            x: take(2)? as u16,
            y: take(2)? as u16,
            scale: take(1)? as u8,
            angle: take(1)? as u8,
            bright: match take(1)? {
                0 => false,
                1 => true,
                _ => return None,
            },
            signature: [take(8)?, take(8)?],
        })
    }
}

impl Serialize for LocalPrint {
    /// 46 hex digits.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let hex: String = self.to_bytes().iter().map(|b| format!("{b:02x}")).collect();
        serializer.serialize_str(&hex)
    }
}

impl<'de> Deserialize<'de> for LocalPrint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let parse = || {
            if text.len() != 2 * Self::LEN || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
                return None;
            }
            let mut bytes = [0; Self::LEN];
            for (i, byte) in bytes.iter_mut().enumerate() {
                *byte = u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok()?;
            }
            Self::from_bytes(bytes)
        };
        parse().ok_or_else(|| serde::de::Error::custom("a local print is written as 46 hex digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Patches as pictures have them: blurred noise under random directions of light.
    fn patches() -> Vec<Patch> {
        let mut state = 1_u32;
        let mut random = move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as f32 / 65_536.0 - 0.5
        };
        (0..200)
            .map(|_| {
                let side = PATCH_SIDE + 2;
                let noise: Vec<f32> = (0..side * side).map(|_| random()).collect();
                let (along, across) = (random(), random());
                let samples: [f32; SAMPLES] = std::array::from_fn(|i| {
                    let (x, y) = (i % PATCH_SIDE, i / PATCH_SIDE);
                    let around = (0..9).map(|k| noise[(y + k / 3) * side + x + k % 3]);
                    around.sum::<f32>() / 2.0 + along * x as f32 / 12.0 + across * y as f32 / 12.0
                });
                let mean = samples.iter().sum::<f32>() / SAMPLES as f32;
                let most = samples.iter().fold(0.0_f32, |m, s| m.max((s - mean).abs()));
                Patch(samples.map(|s| ((s - mean) / most * 127.0) as i8))
            })
            .collect()
    }

    /// An estimate of a patch from a signature and known directions: their sum with its signs.
    fn guess(key: &LocalKey, signature: &[u64; 2]) -> [f32; SAMPLES] {
        let mut sum = [0.0; SAMPLES];
        let probe = |i: usize| {
            let mut patch = [0; SAMPLES];
            patch[i] = 1;
            key.project(&Patch(patch))
        };
        for (i, value) in sum.iter_mut().enumerate() {
            for (direction, weight) in probe(i).0.into_iter().enumerate() {
                let set = signature[direction / 64] >> (direction % 64) & 1 == 1;
                *value += if set { weight as f32 } else { -weight as f32 };
            }
        }
        sum
    }

    fn correlation(a: &[f32; SAMPLES], b: &Patch) -> f32 {
        let dot: f32 = a.iter().zip(&b.0).map(|(x, &y)| x * f32::from(y)).sum();
        let aa: f32 = a.iter().map(|x| x * x).sum();
        let bb: f32 = b.0.iter().map(|&y| f32::from(y).powi(2)).sum();
        dot / (aa * bb).sqrt()
    }

    /// The threat model in numbers: an index without its key reveals nothing of a patch, with it
    /// no more than a correlation of about a half.
    #[test]
    fn what_a_signature_reveals() {
        let (key, other) = (LocalKey::new(&[3; 32]), LocalKey::new(&[4; 32]));
        let patches = patches();
        let mean = |with: &LocalKey| {
            let total: f32 = patches
                .iter()
                .map(|patch| correlation(&guess(with, &key.signature(patch)), patch))
                .sum();
            total / patches.len() as f32
        };
        let (with, without) = (mean(&key), mean(&other));
        assert!(without.abs() < 0.05, "{without} without the key");
        assert!((0.2..0.6).contains(&with), "{with} with the key");
    }
}
