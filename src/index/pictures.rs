//! Pictures and their perceptual codes.

use super::hamming::HammingIndex;
use super::layout::Section;
use super::records::{PICTURE_DISCOUNTED, PictureRecord};
use super::{Inner, PartId};
use crate::code::Code256;
use crate::error::{Error, ErrorKind, Result};
use crate::fingerprint::Sketch;
use crate::raster::Texture;

/// One picture of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PictureInfo {
    /// The part whose content the picture is.
    pub part: PartId,
    /// PDQ of the upright picture.
    pub pdq: Code256,
    /// PDQ's quality, 0..=100.
    pub quality: u8,
    /// The gradient hash of the upright picture.
    pub gradient: Code256,
    /// The keyed sketch of the upright picture.
    pub sketch: Sketch,
    /// How far the picture is a drawing, such as a screen, or a photograph.
    pub texture: Texture,
    /// PDQ after nearest-neighbour scaling to 512 x 512.
    pub pdq_nn512: Code256,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Whether ignore or background files show it too.
    pub discounted: bool,
}

/// The pictures of an index, numbered from 0 in the order of their parts.
///
/// ```
/// use leakprint::raster::{Pixels, Raster};
/// use leakprint::{Executor, Fingerprinter, IndexWriter};
///
/// let rings = (0..90 * 60_u32).map(|i| ((i % 90).pow(2) / 32 + (i / 90).pow(2) / 8) as u8);
/// let raster = Raster::new(90, 60, Pixels::Luma8(rings.collect())).unwrap();
/// let fingerprinter = Fingerprinter::builder().build()?;
/// let print = fingerprinter.fingerprint_raster(&raster);
/// let mut writer = IndexWriter::from(&fingerprinter);
/// writer.add("rings", &print)?;
/// let index = writer.to_index()?;
/// let code = print.parts[0].raster.as_ref().unwrap().pdq.code();
/// let (hits, _) = index.pictures().pdq().search(&[code], 31, &Executor::serial())?;
/// assert_eq!((hits[0].code, hits[0].distance), (0, 0));
/// assert_eq!(index.pictures().get(0)?.width, 90);
/// # Ok::<(), leakprint::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Pictures<'a> {
    inner: &'a Inner,
    records: &'a [PictureRecord],
    sketches: &'a [[u64; Sketch::WORDS]],
}

impl<'a> Pictures<'a> {
    pub(super) fn new(inner: &'a Inner) -> Self {
        Self {
            inner,
            records: inner.slice(Section::Pictures),
            sketches: inner.slice(Section::Sketches),
        }
    }

    /// Returns the number of pictures.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Returns whether there is no picture.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Returns a picture by its number.
    ///
    /// # Errors
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a number that is not below
    /// [`len`](Self::len), [`Corrupt`](ErrorKind::Corrupt) if the file is damaged.
    pub fn get(&self, picture: u32) -> Result<PictureInfo> {
        let i = picture as usize;
        let record = self.records.get(i).ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidInput,
                format!(
                    "picture {picture} does not exist: the index has {}",
                    self.len()
                ),
            )
        })?;
        let code = |codes: HammingIndex<'_>, section: Section| {
            codes.get(i).ok_or_else(|| section.corrupt("too short"))
        };
        if record.flags & !PICTURE_DISCOUNTED != 0 {
            return Err(Section::Pictures.corrupt("unknown flags"));
        }
        Ok(PictureInfo {
            part: self.inner.checked_part(Section::Pictures, record.part)?,
            pdq: code(self.pdq(), Section::PdqCodes)?,
            quality: record.quality,
            gradient: code(self.gradient(), Section::GradientCodes)?,
            sketch: self
                .sketches
                .get(i)
                .map(|&words| Sketch(words))
                .ok_or_else(|| Section::Sketches.corrupt("too short"))?,
            texture: Texture {
                flat: record.flat,
                hard: record.hard,
            },
            pdq_nn512: Code256(record.nn512),
            width: record.width,
            height: record.height,
            discounted: record.flags & PICTURE_DISCOUNTED != 0,
        })
    }

    /// Returns the part whose content a picture is.
    pub(crate) fn part_of(&self, picture: u32) -> Result<PartId> {
        let record = self.records.get(picture as usize);
        let record = record.ok_or_else(|| Section::Pictures.corrupt("too short"))?;
        self.inner.checked_part(Section::Pictures, record.part)
    }

    /// Returns the number of the picture that is the content of a part, by binary search.
    pub fn of_part(&self, part: PartId) -> Option<u32> {
        let i = self
            .records
            .binary_search_by_key(&part.0, |record| record.part)
            .ok()?;
        u32::try_from(i).ok()
    }

    /// Returns the PDQ codes of the upright pictures; a code has the number of its picture. Large
    /// indexes have tables for them, which searches use at radii up to about 50.
    pub fn pdq(&self) -> HammingIndex<'a> {
        self.inner.pdq.view(self.inner.section(Section::PdqCodes))
    }

    /// Returns the gradient codes of the upright pictures; see [`pdq`](Self::pdq).
    pub fn gradient(&self) -> HammingIndex<'a> {
        let section = self.inner.section(Section::GradientCodes);
        self.inner.gradient.view(section)
    }
}
