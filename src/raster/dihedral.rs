//! The eight symmetries of the square: the ways in which a picture can be
//! turned and mirrored without resampling.

use serde::{Deserialize, Serialize};

use crate::deadline::Deadline;
use crate::error::Result;

/// One of the eight ways to turn and mirror a picture.
///
/// A variant names what was done to the *original* to get the other picture.
///
/// ```
/// use leakprint::Dihedral;
///
/// for dihedral in Dihedral::ALL {
///     let (x, y) = dihedral.map(3, 1, 10, 20);
///     let (width, height) = if dihedral.swaps_sides() { (20, 10) } else { (10, 20) };
///     assert_eq!(dihedral.inverse().map(x, y, width, height), (3, 1));
/// }
/// assert_eq!(Dihedral::Rotate90.map(0, 0, 10, 20), (19, 0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dihedral {
    /// Nothing.
    Identity,
    /// A quarter turn clockwise.
    Rotate90,
    /// Half a turn.
    Rotate180,
    /// A quarter turn counter-clockwise.
    Rotate270,
    /// Mirrored left to right.
    FlipHorizontal,
    /// Mirrored top to bottom.
    FlipVertical,
    /// Mirrored along the main diagonal: rows become columns.
    Transpose,
    /// Mirrored along the other diagonal.
    Transverse,
}

/// Pixels along each side of a tile.
const TILE: usize = 32;

/// Pixels turned between two checks of a deadline.
const PACE: u32 = 1 << 16;

impl Dihedral {
    /// All eight; `ALL[d as usize] == d`.
    pub const ALL: [Self; 8] = [
        Self::Identity,
        Self::Rotate90,
        Self::Rotate180,
        Self::Rotate270,
        Self::FlipHorizontal,
        Self::FlipVertical,
        Self::Transpose,
        Self::Transverse,
    ];

    /// Whether width and height change places.
    pub fn swaps_sides(self) -> bool {
        matches!(
            self,
            Self::Rotate90 | Self::Rotate270 | Self::Transpose | Self::Transverse
        )
    }

    /// The transformation that undoes this one.
    #[must_use]
    pub fn inverse(self) -> Self {
        match self {
            Self::Rotate90 => Self::Rotate270,
            Self::Rotate270 => Self::Rotate90,
            other => other,
        }
    }

    /// The new place of pixel (`x`, `y`) of a `width` x `height` picture. The pixel must be in the
    /// picture; otherwise the result is meaningless, and a build with overflow checks panics.
    pub fn map(self, x: u32, y: u32, width: u32, height: u32) -> (u32, u32) {
        match self {
            Self::Identity => (x, y),
            Self::Rotate90 => (height - 1 - y, x),
            Self::Rotate180 => (width - 1 - x, height - 1 - y),
            Self::Rotate270 => (y, width - 1 - x),
            Self::FlipHorizontal => (width - 1 - x, y),
            Self::FlipVertical => (x, height - 1 - y),
            Self::Transpose => (y, x),
            Self::Transverse => (height - 1 - y, width - 1 - x),
        }
    }

    /// The plane of `channels`-byte pixels turned and mirrored, and its new width and height.
    pub(crate) fn apply(
        self,
        pixels: &[u8],
        width: u32,
        height: u32,
        channels: usize,
    ) -> (Vec<u8>, u32, u32) {
        let never = Deadline::never();
        let turned = self.apply_until(pixels, width, height, channels, &never);
        turned.unwrap_or_default()
    }

    /// The plane of `channels`-byte pixels turned and mirrored, and its new width and height. Fails at
    /// the deadline.
    pub(crate) fn apply_until(
        self,
        pixels: &[u8],
        width: u32,
        height: u32,
        channels: usize,
        deadline: &Deadline,
    ) -> Result<(Vec<u8>, u32, u32)> {
        let (w, h) = if self.swaps_sides() {
            (height, width)
        } else {
            (width, height)
        };
        if self == Self::Identity {
            return Ok((pixels.to_vec(), w, h));
        }
        let mut out = vec![0; pixels.len()];
        let mut pacer = deadline.pacer(PACE);
        // In square tiles: what is a row in one picture may be a column in the other.
        for top in (0..height).step_by(TILE) {
            for left in (0..width).step_by(TILE) {
                pacer.steps((TILE * TILE) as u32)?;
                for y in top..height.min(top + TILE as u32) {
                    let row = y as usize * width as usize * channels;
                    for x in left..width.min(left + TILE as u32) {
                        let (tx, ty) = self.map(x, y, width, height);
                        let from = row + x as usize * channels;
                        let to = (ty as usize * w as usize + tx as usize) * channels;
                        out[to..to + channels].copy_from_slice(&pixels[from..from + channels]);
                    }
                }
            }
        }
        Ok((out, w, h))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inverses_undo_and_all_is_indexed_by_discriminant() {
        let (width, height) = (5, 3);
        let pixels: Vec<u8> = (0..45).collect();
        for (i, d) in Dihedral::ALL.into_iter().enumerate() {
            assert_eq!(d as usize, i);
            let (turned, w, h) = d.apply(&pixels, width, height, 3);
            let (back, w, h) = d.inverse().apply(&turned, w, h, 3);
            assert_eq!((back, w, h), (pixels.clone(), width, height), "{d:?}");
        }
    }

    #[test]
    fn every_pixel_goes_where_the_map_says() {
        let (width, height) = (TILE as u32 * 2 + 7, TILE as u32 + 5);
        let pixels: Vec<u8> = (0..width * height).map(|i| (i * i % 251) as u8).collect();
        for d in Dihedral::ALL {
            let (turned, w, _) = d.apply(&pixels, width, height, 1);
            for (i, &pixel) in (0..).zip(&pixels) {
                let (x, y) = d.map(i % width, i / width, width, height);
                assert_eq!(turned[(y * w + x) as usize], pixel, "{d:?}");
            }
        }
    }

    #[test]
    fn turning_ends_at_the_deadline() {
        let over = Deadline::after(std::time::Duration::ZERO);
        let pixels = vec![0; 1000 * 1000];
        let turned = Dihedral::Rotate90.apply_until(&pixels, 1000, 1000, 1, &over);
        assert!(turned.is_err());
    }

    #[test]
    fn a_quarter_turn_clockwise_puts_the_left_column_on_top() {
        // 1 2      3 1
        // 3 4  ->  4 2
        assert_eq!(
            Dihedral::Rotate90.apply(&[1, 2, 3, 4], 2, 2, 1).0,
            [3, 1, 4, 2]
        );
    }
}
