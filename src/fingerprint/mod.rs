//! Prints: hashes and signatures of a part, computed by pure functions under a
//! numbered recipe.

mod check;
mod collector;
mod digest;
mod fingerprinter;
mod gradient;
mod key;
mod local;
mod pdq;
mod perceptual;
mod pipeline;
mod print_maker;
mod recipe;
mod sketch;

pub(crate) use check::check_parts;
pub use collector::Collector;
pub use digest::Digest;
pub use fingerprinter::{Fingerprinter, FingerprinterBuilder};
pub use gradient::GradientPrints;
pub use key::{Key, KeyId};
pub(crate) use local::{DecodedPicture, LocalKey, Projected, distance as signature_distance};
pub use local::{LocalPrint, LocalPrints};
pub use pdq::PdqHash;
pub(crate) use perceptual::RasterKeys;
pub use pipeline::Pipeline;
pub use recipe::Recipe;
pub use sketch::Sketch;
pub(crate) use sketch::SketchKey;

pub use crate::text::{Gram, ValueKind, ValuePrint};

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::code::Code256;
use crate::error::{TIME_MS, limit_name};
use crate::media::{GreyPicture, PartPath};
use crate::raster::Texture;
use crate::text;

/// All prints of one piece of media. Holds no text and no pixels.
///
/// Serialisable; fingerprints that were made elsewhere are checked where they are used.
///
/// ```
/// use leakprint::{Fingerprint, Fingerprinter};
///
/// let print = Fingerprinter::builder().build()?.fingerprint_text("Nobody is to know.")?;
/// let json = serde_json::to_string(&print).unwrap();
/// assert!(!json.contains("know"));
/// assert_eq!(serde_json::from_str::<Fingerprint>(&json).unwrap(), print);
/// # Ok::<(), leakprint::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Fingerprint {
    /// The recipe of the prints. Prints of two recipes never mix silently.
    pub recipe: Recipe,
    /// One entry a part, in reading order; the first is the media itself.
    pub parts: Vec<PartPrints>,
    /// Why parts could not be read. After a limit or a deadline the parts that follow may be missing
    /// without a warning of their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}

/// A part that could not be read, or not whole.
///
/// ```
/// use leakprint::Fingerprinter;
///
/// # #[cfg(feature = "mail")] {
/// let mail = b"From: ada@example.org\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; \
///     boundary=b\r\n\r\n--b\r\n\r\nSee the picture.\r\n--b\r\nContent-Type: image/png\r\n\r\n\
///     \x89PNG\r\n\x1a\ncut\r\n--b--\r\n";
/// let print = Fingerprinter::builder().build()?.fingerprint(mail, None)?;
/// let warning = &print.warnings[0];
/// assert_eq!((warning.part.as_str(), warning.kind.as_str()), ("attachment:1", "malformed"));
/// # }
/// # Ok::<(), leakprint::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Warning {
    /// The part.
    pub part: PartPath,
    /// The [`ErrorKind`](crate::ErrorKind) as a word.
    pub kind: String,
    /// The error message, for people.
    pub message: String,
}

impl Warning {
    /// Returns the name of the limit that was exceeded, as [`Error::limit_name`](crate::Error::limit_name);
    /// `None` for other warnings.
    ///
    /// ```
    /// use leakprint::{Fingerprinter, Limits};
    ///
    /// # #[cfg(feature = "mail")] {
    /// let mail = b"From: ada@example.org\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; \
    ///     boundary=b\r\n\r\n--b\r\n\r\nA body.\r\n--b\r\nContent-Disposition: attachment\r\n\r\n\
    ///     A longer attachment.\r\n--b--\r\n";
    /// let mut limits = Limits::default();
    /// limits.text_chars = 10;
    /// let fingerprinter = Fingerprinter::builder().limits(limits).build()?;
    /// let warning = &fingerprinter.fingerprint(mail, None)?.warnings[0];
    /// assert_eq!(warning.limit_name(), Some("text_chars"));
    /// assert!(!warning.is_timeout());
    /// # }
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn limit_name(&self) -> Option<&str> {
        limit_name(self.kind.parse().ok()?, &self.message)
    }

    /// Returns whether the time was over before the part was read, as
    /// [`Error::is_timeout`](crate::Error::is_timeout).
    pub fn is_timeout(&self) -> bool {
        self.limit_name() == Some(TIME_MS)
    }
}

/// The prints of one part.
///
/// ```
/// use leakprint::Fingerprinter;
/// use leakprint::raster::{Pixels, Raster};
///
/// let rings = (0..90 * 60_u32).map(|i| ((i % 90).pow(2) / 32 + (i / 90).pow(2) / 8) as u8);
/// let raster = Raster::new(90, 60, Pixels::Luma8(rings.collect())).unwrap();
/// let fingerprinter = Fingerprinter::builder().build()?;
/// let print = fingerprinter.fingerprint_raster(&raster);
/// let part = &print.parts[0];
/// assert!(part.path.as_str().is_empty() && part.raster.is_some() && part.text.is_none());
/// assert!(part.pixels().is_some() && part.bytes.is_none());
/// # Ok::<(), leakprint::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PartPrints {
    /// The place of the part in its media.
    pub path: PartPath,
    /// BLAKE3 of the bytes, if the part has bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<Digest>,
    /// The prints of a picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raster: Option<RasterPrints>,
    /// The prints of a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<TextPrints>,
    /// The values of a table, or what may be such values in running text, by place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cells: Vec<ValuePrint>,
}

impl PartPrints {
    /// The digest of the pixels, for a picture that has one.
    pub fn pixels(&self) -> Option<Digest> {
        self.raster.as_ref().and_then(|raster| raster.pixels)
    }
}

/// The prints of a picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RasterPrints {
    /// Pixels in a row, upright.
    pub width: u32,
    /// Rows, upright.
    pub height: u32,
    /// BLAKE3 of size and RGBA pixels; only for formats that keep every pixel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pixels: Option<Digest>,
    /// PDQ at full resolution, transparent parts over white: what matching compares.
    pub pdq: PdqHash,
    /// PDQ as hash lists have it, of the colours as stored, also under
    /// transparency; only for pictures that are not opaque. See [`exchange_pdq`](Self::exchange_pdq).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pdq_stored: Option<StoredPdq>,
    /// PDQ after nearest-neighbour scaling to 512 x 512, the other official
    /// pipeline, of the colours as stored: for exchange.
    pub pdq_nn512: Code256,
    /// The gradient hash of the picture and of its dihedral and inverted variants.
    pub gradient: GradientPrints,
    /// The keyed sketch of the picture after each [`Dihedral`](crate::Dihedral)
    /// transformation; that of the inverted picture is the [`complement`](Sketch::complement).
    pub sketch: [Sketch; 8],
    /// Whether the picture is drawn or a photograph.
    pub texture: Texture,
    /// The keyed signatures of its details.
    #[serde(default)]
    pub local: LocalPrints,
    #[serde(skip)]
    pub(crate) luma: Luma,
}

/// The luma of a picture, kept for a recogniser of text where one is in use: never serialised,
/// printed or compared.
#[derive(Clone, Default)]
pub(crate) struct Luma(pub(crate) Option<Arc<GreyPicture>>);

impl PartialEq for Luma {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Luma {}

impl std::fmt::Debug for Luma {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Luma")
    }
}

/// PDQ of a picture whose alpha was dropped, as the reference drops it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StoredPdq {
    /// The hash of the upright picture.
    pub code: Code256,
    /// Its quality, 0..=100.
    pub quality: u8,
}

impl RasterPrints {
    /// Hash and quality for comparison with hash lists: to the bit those of the
    /// reference on the same samples.
    ///
    /// ```
    /// use leakprint::Fingerprinter;
    /// use leakprint::raster::{Pixels, Raster};
    ///
    /// let rings = (0..90 * 60_u32).map(|i| ((i % 90).pow(2) / 32 + (i / 90).pow(2) / 8) as u8);
    /// let raster = Raster::new(90, 60, Pixels::Luma8(rings.collect())).unwrap();
    /// let print = Fingerprinter::builder().build()?.fingerprint_raster(&raster);
    /// let prints = print.parts[0].raster.as_ref().unwrap();
    /// // This one hides nothing under transparency.
    /// assert_eq!(prints.exchange_pdq().code, prints.pdq.code());
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn exchange_pdq(&self) -> StoredPdq {
        self.pdq_stored.unwrap_or(StoredPdq {
            code: self.pdq.code(),
            quality: self.pdq.quality,
        })
    }
}

/// The prints of a text: keyed, winnowed character grams with their places.
///
/// Source: Schleimer, Wilkerson, Aiken, "Winnowing: local algorithms for document fingerprinting",
/// 2003.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TextPrints {
    /// Characters (Unicode scalar values) of the text.
    pub chars: u32,
    /// Symbols after folding.
    pub folded: u32,
    /// The selected grams, by place.
    pub grams: Vec<Gram>,
    /// The character offset of every 32nd folded symbol: entry `i` is that of symbol
    /// `32 * i`. Offsets between are interpolated when the exact map is missing: a map of
    /// every character would reveal the length of every word of the leak.
    pub anchors: Vec<u32>,
    #[serde(skip)]
    pub(crate) exact: Exact,
}

/// The folded symbols and the character offset of each, known only where the text was
/// fingerprinted: never serialised, printed or compared, see [`TextPrints::anchors`].
#[derive(Clone, Default)]
pub(crate) struct Exact {
    pub(crate) symbols: Vec<u32>,
    pub(crate) offsets: Vec<u32>,
}

impl PartialEq for Exact {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Exact {}

impl std::fmt::Debug for Exact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Exact")
    }
}

impl TextPrints {
    /// The character offset (Unicode scalar values) of a folded symbol: exact where the text was
    /// fingerprinted in this process, else interpolated between anchors. One past the last is
    /// at the end.
    ///
    /// ```
    /// use leakprint::Fingerprinter;
    ///
    /// let print = Fingerprinter::builder().build()?.fingerprint_text("- é, a!")?;
    /// let text = print.parts[0].text.as_ref().unwrap();
    /// assert_eq!([text.char_offset(0), text.char_offset(1), text.char_end(2)], [2, 5, 6]);
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn char_offset(&self, symbol: u32) -> u32 {
        match self.exact.offsets.get(symbol as usize) {
            Some(&offset) => offset,
            None => text::char_offset(&self.anchors, symbol, self.folded, self.chars),
        }
    }

    /// The character offset just after folded symbol `end - 1`.
    pub fn char_end(&self, end: u32) -> u32 {
        text::char_end(end, self.chars, |symbol| self.char_offset(symbol))
    }
}
