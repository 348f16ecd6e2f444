//! What a WebP file declares, checked before its decoder relies on it.
//!
//! The decoder reserves memory for a chunk by its declared size, up to 4 GiB, and decodes a lossy
//! picture of the size that its own header declares before it compares that with the size of the
//! canvas. So sizes are compared here, and metadata is read here.

use image::metadata::Orientation;

use crate::error::{Error, Result};

/// The chunks of a file, as far as they matter.
#[derive(Debug, Default)]
pub(in crate::media) struct Declared {
    /// Whether the (first) picture keeps every pixel.
    pub(in crate::media) lossless: bool,
    /// Whether some picture has an alpha channel beside it.
    pub(in crate::media) alpha: bool,
    pub(in crate::media) animated: bool,
    /// The orientation of the picture.
    pub(in crate::media) orientation: Option<Orientation>,
    /// Pixels of the (first) picture, and bytes of its compressed form.
    pub(in crate::media) pixels: u64,
    pub(in crate::media) bytes: u64,
    /// The canvas of an extended file.
    canvas: Option<(u32, u32)>,
    seen_picture: bool,
}

impl Declared {
    /// Walks over the chunks, into those of frames: one step a chunk.
    ///
    /// # Errors
    /// [`Malformed`](crate::ErrorKind::Malformed) for a picture whose size is not that of its frame.
    pub(in crate::media) fn read(bytes: &[u8]) -> Result<Self> {
        let mut declared = Self::default();
        let mut rest = bytes.get(12..).unwrap_or_default();
        while let Some((name, body, behind)) = chunk(rest) {
            rest = behind;
            match name {
                b"VP8X" => {
                    if let Some(&[_, _, _, _, a, b, c, d, e, f]) = body.first_chunk() {
                        let side = |bytes: [u8; 3]| {
                            u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0]) + 1
                        };
                        declared.canvas = Some((side([a, b, c]), side([d, e, f])));
                    }
                }
                b"EXIF" if declared.orientation.is_none() => {
                    let found = Orientation::from_exif_chunk(body);
                    declared.orientation = Some(found.unwrap_or(Orientation::NoTransforms));
                }
                b"ANMF" => declared.frame(body)?,
                _ => declared.picture(name, body, declared.canvas)?,
            }
        }
        Ok(declared)
    }

    /// A frame of an animation: its place and time, and the chunks of its picture.
    fn frame(&mut self, body: &[u8]) -> Result<()> {
        self.animated = true;
        let Some((head, mut rest)) = body.split_first_chunk::<16>() else {
            return Ok(());
        };
        let side = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], 0]) + 1;
        let size = (side(6), side(9));
        while let Some((name, body, behind)) = chunk(rest) {
            rest = behind;
            self.picture(name, body, Some(size))?;
        }
        Ok(())
    }

    fn picture(&mut self, name: &[u8; 4], body: &[u8], place: Option<(u32, u32)>) -> Result<()> {
        match name {
            b"VP8 " => {
                if let Some(&[_, _, _, 0x9D, 0x01, 0x2A, w, x, h, y]) = body.first_chunk() {
                    let side = |bytes| u32::from(u16::from_le_bytes(bytes) & 0x3FFF);
                    let size = (side([w, x]), side([h, y]));
                    if place.is_some_and(|place| place != size) {
                        let (width, height) = size;
                        return Err(Error::malformed(format!(
                            "broken webp: a picture of {width} x {height} in a place of another size"
                        )));
                    }
                    self.seen(size, body);
                }
                self.seen_picture = true;
            }
            b"VP8L" => {
                self.lossless |= !self.seen_picture;
                if let Some(&[_, a, b, c, d]) = body.first_chunk() {
                    let bits = u32::from_le_bytes([a, b, c, d]);
                    self.seen(((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1), body);
                }
                self.seen_picture = true;
            }
            b"ALPH" => self.alpha = true,
            _ => {}
        }
        Ok(())
    }

    /// Keeps the size of the first picture.
    fn seen(&mut self, (width, height): (u32, u32), body: &[u8]) {
        if !self.seen_picture {
            self.pixels = u64::from(width) * u64::from(height);
            self.bytes = body.len() as u64;
        }
    }
}

/// The first chunk: its name, what there is of its content, and what follows.
fn chunk(bytes: &[u8]) -> Option<(&[u8; 4], &[u8], &[u8])> {
    let (name, rest) = bytes.split_first_chunk::<4>()?;
    let (len, rest) = rest.split_first_chunk::<4>()?;
    let len = u32::from_le_bytes(*len) as usize;
    let body = rest.get(..len).unwrap_or(rest);
    // Chunks start at even offsets.
    let behind = rest.get(len.saturating_add(len & 1)..).unwrap_or_default();
    Some((name, body, behind))
}
