//! Pictures in memory: one canonical raster, the luma plane derived from it,
//! and the small anti-aliased planes that hashes are computed on.

mod dihedral;
mod keypoints;
mod luma;
mod patch;
mod pyramid;
mod shrink;
mod texture;

pub use dihedral::Dihedral;
pub(crate) use keypoints::{Keypoint, SCALE_BIAS, SCALE_STEPS, keypoints};
pub(crate) use luma::{Band, Matte, to_byte};
pub(crate) use patch::{Frame, Patch, SIDE as PATCH_SIDE, direction, scale_of};
pub(crate) use pyramid::{Level, Pyramid, working_size};
pub(crate) use shrink::AreaShrink;
pub use texture::Texture;
pub(crate) use texture::TextureMeter;

/// One decoded picture, upright (EXIF orientation applied), rows top to bottom
/// without padding.
///
/// ```
/// use leakprint::raster::{Pixels, Raster};
///
/// let red_and_white = vec![255, 0, 0, 255, 255, 255];
/// let raster = Raster::new(2, 1, Pixels::Rgb8(red_and_white.clone())).unwrap();
/// let mut luma = [0.0; 2];
/// raster.luma_row(0, &mut luma);
/// assert!((76.0..77.0).contains(&luma[0]) && luma[1] > 254.9);
/// assert!(Raster::new(3, 1, Pixels::Rgb8(red_and_white)).is_none());
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Raster {
    width: u32,
    height: u32,
    pixels: Pixels,
}

/// The samples of a [`Raster`], row-major, `width * height` times the samples of a pixel.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pixels {
    /// One byte a pixel: BT.601 luma, 0 black. What a JPEG is decoded into.
    Luma8(Vec<u8>),
    /// Three bytes a pixel, sRGB as stored.
    Rgb8(Vec<u8>),
    /// Four bytes a pixel, sRGB with straight (not premultiplied) alpha.
    Rgba8(Vec<u8>),
}

impl Pixels {
    /// Bytes a pixel.
    pub fn channels(&self) -> usize {
        match self {
            Self::Luma8(_) => 1,
            Self::Rgb8(_) => 3,
            Self::Rgba8(_) => 4,
        }
    }

    /// All samples.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Luma8(bytes) | Self::Rgb8(bytes) | Self::Rgba8(bytes) => bytes,
        }
    }
}

impl Raster {
    /// `None` unless both sides are at least 1 and `pixels` holds exactly
    /// `width * height` pixels.
    pub fn new(width: u32, height: u32, pixels: Pixels) -> Option<Self> {
        let samples = (width as usize)
            .checked_mul(height as usize)?
            .checked_mul(pixels.channels())?;
        (samples > 0 && samples == pixels.as_bytes().len()).then_some(Self {
            width,
            height,
            pixels,
        })
    }

    /// Pixels in a row, at least 1.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Rows, at least 1.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The samples.
    pub fn pixels(&self) -> &Pixels {
        &self.pixels
    }
}

impl std::fmt::Debug for Raster {
    /// The size and layout; never the pixels.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let layout = match self.pixels {
            Pixels::Luma8(_) => "Luma8",
            Pixels::Rgb8(_) => "Rgb8",
            Pixels::Rgba8(_) => "Rgba8",
        };
        write!(f, "Raster({} x {} {layout})", self.width, self.height)
    }
}
