//! What the first directory of a TIFF file declares, checked before its decoder relies on it.
//!
//! The decoder reads strips and tiles of any size: a picture one pixel wide may consist of tiles a
//! million wide, each of the same few bytes, and a strip that is compressed as a JPEG is decoded at
//! the size that this JPEG declares, as often as the directory names it. So the total area of all
//! tiles is bounded like that of a picture, and the size of every JPEG is compared with that of its
//! tile.

use super::jpeg;
use super::timed::afford;
use crate::error::{Error, Result};
use crate::limits::Budget;

/// Strips and tiles of one picture: a row each for the tallest.
const MAX_CHUNKS: u64 = 1 << 17;

/// Pixels that may fill up the tiles of a small picture.
const FILLING: u64 = 4 << 20;

/// Picoseconds that a pixel in a fax compression takes.
const FAX: u64 = 1500;

/// The fields of a directory that are checked.
#[derive(Debug, Default)]
pub(in crate::media) struct Declared {
    width: u64,
    height: u64,
    bits: u64,
    samples: u64,
    planar: bool,
    compression: u64,
    tile: Option<(u64, u64)>,
    rows_per_strip: Option<u64>,
    offsets: Vec<u64>,
    lengths: Vec<u64>,
}

impl Declared {
    /// Reads the first directory; where it is malformed, up to there: the decoder reports
    /// the error.
    pub(in crate::media) fn read(bytes: &[u8]) -> Self {
        let mut declared = Self {
            bits: 1,
            samples: 1,
            compression: 1,
            ..Self::default()
        };
        if let Some(file) = File::new(bytes) {
            declared.directory(&file);
        }
        declared
    }

    fn directory(&mut self, file: &File<'_>) -> Option<()> {
        let (count, start) = if file.big {
            (file.word(file.first, 8)?, file.first.checked_add(8)?)
        } else {
            (file.word(file.first, 2)?, file.first.checked_add(2)?)
        };
        let len = if file.big { 20 } else { 12 };
        let mut seen = [false; 16];
        for number in 0..count {
            let entry = start.checked_add(number.checked_mul(len)?)?;
            let tag = file.word(entry, 2)?;
            let known = [
                256, 257, 258, 259, 273, 277, 278, 279, 284, 322, 323, 324, 325,
            ];
            let Some(place) = known.iter().position(|&known| known == tag) else {
                continue;
            };
            // Of equal tags the decoder takes the first.
            if std::mem::replace(&mut seen[place], true) {
                continue;
            }
            let first = file.values(entry, 1).first().copied().unwrap_or_default();
            match tag {
                256 => self.width = first,
                257 => self.height = first,
                258 => self.bits = first,
                259 => self.compression = first,
                277 => self.samples = first,
                278 => self.rows_per_strip = Some(first),
                284 => self.planar = first == 2,
                322 => self.tile = Some((first, self.tile.unwrap_or_default().1)),
                323 => self.tile = Some((self.tile.unwrap_or_default().0, first)),
                273 | 324 => self.offsets = file.values(entry, MAX_CHUNKS),
                _ => self.lengths = file.values(entry, MAX_CHUNKS),
            }
        }
        Some(())
    }

    /// Width and height of a strip or tile. The last strip may be filled up.
    fn chunk(&self) -> (u64, u64) {
        let rows = self.rows_per_strip.unwrap_or(self.height);
        let strip = (self.width, rows.min(self.height.saturating_add(64)));
        self.tile.unwrap_or(strip)
    }

    /// Refuses a file that takes more memory or work than the picture's size allows. Returns the
    /// bytes that the decoder holds beside the picture.
    ///
    /// # Errors
    /// [`Limit`](crate::ErrorKind::Limit), and [`Malformed`](crate::ErrorKind::Malformed) for a strip
    /// or tile that is a JPEG of another size.
    pub(in crate::media) fn check(&self, bytes: &[u8], budget: &Budget) -> Result<u64> {
        let wide = self.chunk().0.max(1);
        let filled = self.width.div_ceil(wide).saturating_mul(wide);
        let pixels = filled.saturating_mul(self.height);
        let limits = budget.limits();
        if pixels > limits.pixels.saturating_mul(2).saturating_add(FILLING) {
            return Err(Error::limit(
                "pixels",
                limits.pixels,
                format_args!("{pixels} in a tiff, what fills up its tiles included"),
            ));
        }
        let row = self
            .bits
            .saturating_mul(self.samples)
            .saturating_mul(filled);
        let row = row.div_ceil(8);
        let decompressed = row.saturating_mul(self.height);
        if decompressed > budget.decoded_left() {
            return Err(Error::limit(
                "decoded_bytes",
                limits.decoded_bytes,
                format_args!(
                    "{decompressed} in a tiff, {} are left",
                    budget.decoded_left()
                ),
            ));
        }
        match self.compression {
            3 | 4 => afford(budget, pixels, FAX)?,
            7 => return Ok(row.saturating_add(self.jpegs(bytes, pixels, budget)?)),
            _ => {}
        }
        Ok(row)
    }

    /// Checks the JPEGs that strips or tiles consist of. Returns the bytes that one takes at most.
    fn jpegs(&self, bytes: &[u8], pixels: u64, budget: &Budget) -> Result<u64> {
        let (wide, high) = self.chunk();
        let (mut area, mut read, mut most) = (0_u64, 0_u64, 0_u64);
        for (&offset, &len) in self.offsets.iter().zip(&self.lengths) {
            budget.check_time()?;
            let end = offset.saturating_add(len).min(bytes.len() as u64);
            let chunk = bytes.get(offset as usize..end as usize).unwrap_or_default();
            read = read.saturating_add(chunk.len() as u64);
            if read > 2 * bytes.len() as u64 {
                return Err(Error::malformed(
                    "broken tiff: JPEGs that share their bytes",
                ));
            }
            let declared = jpeg::Declared::read(chunk);
            declared.check()?;
            declared.check_work()?;
            let (width, height) = (u64::from(declared.width), u64::from(declared.height));
            if width > wide || height > high {
                return Err(Error::malformed(format!(
                    "broken tiff: a JPEG of {width} x {height} in a place of {wide} x {high}"
                )));
            }
            let (samples, coefficients) = (declared.samples(), declared.coefficient_bytes());
            area = area.saturating_add(declared.area());
            if area > pixels.saturating_mul(2).saturating_add(FILLING) {
                return Err(Error::malformed(
                    "broken tiff: JPEGs larger than the picture",
                ));
            }
            most = most.max(
                samples
                    .saturating_add(coefficients)
                    .saturating_add(chunk.len() as u64),
            );
        }
        Ok(most)
    }
}

/// The bytes of a file and how its numbers are written.
struct File<'b> {
    bytes: &'b [u8],
    little: bool,
    big: bool,
    /// The offset of the first directory.
    first: u64,
}

impl<'b> File<'b> {
    fn new(bytes: &'b [u8]) -> Option<Self> {
        let little = match bytes.first_chunk()? {
            b"II" => true,
            b"MM" => false,
            _ => return None,
        };
        let mut file = Self {
            bytes,
            little,
            big: false,
            first: 0,
        };
        file.big = file.word(2, 2)? == 43;
        file.first = if file.big {
            file.word(8, 8)?
        } else {
            file.word(4, 4)?
        };
        Some(file)
    }

    /// A number of `len` bytes, 8 at most.
    fn word(&self, at: u64, len: usize) -> Option<u64> {
        let at = usize::try_from(at).ok()?;
        let bytes = self.bytes.get(at..at.checked_add(len)?)?;
        let fold = |sum: u64, &byte: &u8| sum << 8 | u64::from(byte);
        Some(if self.little {
            bytes.iter().rev().fold(0, fold)
        } else {
            bytes.iter().fold(0, fold)
        })
    }

    /// Up to `most` of the whole numbers of an entry, or as many as the file has.
    fn values(&self, entry: u64, most: u64) -> Vec<u64> {
        let read = || {
            let kind = self.word(entry.checked_add(2)?, 2)?;
            let len = match kind {
                1 | 7 => 1,
                3 => 2,
                4 | 13 => 4,
                16 | 18 => 8,
                _ => return None,
            };
            let (count, inline, wide) = if self.big {
                (
                    self.word(entry.checked_add(4)?, 8)?,
                    entry.checked_add(12)?,
                    8,
                )
            } else {
                (
                    self.word(entry.checked_add(4)?, 4)?,
                    entry.checked_add(8)?,
                    4,
                )
            };
            let start = if count.checked_mul(len)? <= wide {
                inline
            } else {
                self.word(inline, wide as usize)?
            };
            let word = |i: u64| self.word(start.checked_add(i * len)?, len as usize);
            Some((0..count.min(most)).map_while(word).collect())
        };
        read().unwrap_or_default()
    }
}
