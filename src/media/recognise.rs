//! Recognition of text in pictures (OCR): the interface of recognisers.
//!
//! The library contains no recogniser. A service plugs in its own as a
//! [`TextFromImage`]; with the feature `tesseract`, [`Tesseract`](super::Tesseract) runs the
//! program of that name. A [`Matcher`](crate::Matcher) calls it only for pictures that look
//! like text and that no cheaper stage has matched.

use std::fmt;

use crate::deadline::Deadline;
use crate::error::Result;

/// A picture in shades of grey.
///
/// ```
/// use leakprint::media::GreyPicture;
///
/// let picture = GreyPicture::new(2, 1, vec![0, 255]).unwrap();
/// assert_eq!((picture.width(), picture.pixels()), (2, &[0, 255][..]));
/// assert!(picture.stems().is_none());
/// assert!(GreyPicture::new(2, 2, vec![0, 255]).is_none());
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct GreyPicture {
    width: u32,
    height: u32,
    pixels: Vec<u8>,
}

impl GreyPicture {
    /// A picture from its luma, row by row; `None` unless `pixels` has `width * height` bytes and
    /// is not empty.
    pub fn new(width: u32, height: u32, pixels: Vec<u8>) -> Option<Self> {
        let count = u64::from(width) * u64::from(height);
        (count > 0 && count == pixels.len() as u64).then_some(Self {
            width,
            height,
            pixels,
        })
    }

    /// Pixels in a row.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Luma, 0 is black, row by row.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The height of the vertical strokes of letters in pixels, if the picture has as many strokes
    /// as text would.
    ///
    /// Every fourth column is cut into runs of pixels that are darker, or lighter, than what
    /// surrounds them. The ink is what differs more, since there is less of it.
    pub fn stems(&self) -> Option<u32> {
        self.stems_until(&Deadline::never()).ok().flatten()
    }

    /// [`stems`](Self::stems), which fails at a deadline.
    pub(crate) fn stems_until(&self, deadline: &Deadline) -> Result<Option<u32>> {
        let (width, height) = (self.width as usize, self.height as usize);
        let mut strokes = [Strokes::default(), Strokes::default()];
        let mut sums = vec![0_u32; height + 1];
        let mut pacer = deadline.pacer(COLUMN_PACE);
        for x in (0..width).step_by(4) {
            pacer.steps(self.height)?;
            let column = self.pixels.iter().skip(x).step_by(width);
            for (y, &luma) in column.clone().enumerate() {
                sums[y + 1] = sums[y] + u32::from(luma);
            }
            for (y, &luma) in column.enumerate() {
                let (from, to) = (y.saturating_sub(TALLEST), (y + TALLEST + 1).min(height));
                let mean = (sums[to] - sums[from]) / (to - from) as u32;
                let luma = u32::from(luma);
                strokes[0].push(mean.saturating_sub(luma));
                strokes[1].push(luma.saturating_sub(mean));
            }
            strokes.iter_mut().for_each(Strokes::end);
        }
        let [dark, light] = strokes;
        let ink = if dark.contrast() >= light.contrast() {
            dark
        } else {
            light
        };
        Ok(ink.tall())
    }
}

/// Pixels between two checks of a deadline.
const COLUMN_PACE: u32 = 1 << 16;

/// Runs of one polarity.
struct Strokes {
    run: usize,
    /// The number of runs of each height.
    heights: [u32; TALLEST + 1],
    pixels: u64,
    difference: u64,
}

impl Default for Strokes {
    fn default() -> Self {
        Self {
            run: 0,
            heights: [0; TALLEST + 1],
            pixels: 0,
            difference: 0,
        }
    }
}

impl Strokes {
    /// The next pixel of a column, by how much it differs.
    fn push(&mut self, difference: u32) {
        if difference > CONTRAST {
            self.run += 1;
            self.pixels += 1;
            self.difference += u64::from(difference);
        } else {
            self.end();
        }
    }

    fn end(&mut self) {
        let run = std::mem::take(&mut self.run);
        if let Some(count) = self.heights.get_mut(run) {
            *count += 1;
        }
    }

    /// The mean difference of its pixels from what surrounds them.
    fn contrast(&self) -> u64 {
        self.difference / self.pixels.max(1)
    }

    /// The height that a fifth of all runs reach: horizontal strokes are short runs and the
    /// most common. `None` for fewer runs than a line of text has.
    fn tall(&self) -> Option<u32> {
        let all: u32 = self.heights.iter().skip(SHORTEST).sum();
        if all < MIN_STEMS {
            return None;
        }
        let mut left = all / 5;
        let mut heights = self.heights.iter().enumerate().skip(SHORTEST).rev();
        let tall = heights.find(|(_, count)| {
            left = left.saturating_sub(**count);
            left == 0
        });
        tall.map(|(height, _)| height as u32)
    }
}

/// Runs that may be strokes of letters, in pixels.
const SHORTEST: usize = 3;
const TALLEST: usize = 48;

/// Steps of luma by which ink differs from the mean around it.
const CONTRAST: u32 = 28;

/// A line of text has some eighty runs in every fourth column.
const MIN_STEMS: u32 = 80;

impl fmt::Debug for GreyPicture {
    /// The size; never the pixels.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GreyPicture({} x {})", self.width, self.height)
    }
}

/// A word that was recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Word {
    /// The word itself.
    pub text: String,
    /// Its bounding box: left, top, width, height in pixels of the picture.
    pub region: [u32; 4],
    /// Whether it is the last one of its line.
    pub ends_line: bool,
}

impl Word {
    /// A word inside its line; `region` as in the field.
    pub fn new(text: impl Into<String>, region: [u32; 4]) -> Self {
        Self {
            text: text.into(),
            region,
            ends_line: false,
        }
    }

    /// The same as the last word of its line.
    #[must_use]
    pub fn ending_line(mut self) -> Self {
        self.ends_line = true;
        self
    }
}

/// Reads text out of pictures.
///
/// ```
/// use std::sync::Arc;
///
/// use leakprint::media::{GreyPicture, TextFromImage, Word};
/// use leakprint::{Fingerprinter, Result};
///
/// #[derive(Debug)]
/// struct Remote; // calls another machine
///
/// impl TextFromImage for Remote {
///     fn words(&self, picture: &GreyPicture) -> Result<Vec<Word>> {
///         let line = [0, 0, picture.width(), picture.height()];
///         Ok(vec![Word::new("Friday", line).ending_line()])
///     }
/// }
///
/// let picture = GreyPicture::new(2, 1, vec![0, 255]).unwrap();
/// assert_eq!(Remote.words(&picture)?[0].region, [0, 0, 2, 1]);
/// // The owner's side; a platform has `Matcher::with_recogniser`.
/// let fingerprinter = Fingerprinter::builder().build()?.with_recogniser(Arc::new(Remote));
/// # Ok::<(), leakprint::Error>(())
/// ```
pub trait TextFromImage: fmt::Debug + Send + Sync {
    /// Returns the words in reading order. Called from several threads at once. An error loses
    /// the text of this picture only.
    ///
    /// # Errors
    /// Of any kind.
    fn words(&self, picture: &GreyPicture) -> Result<Vec<Word>>;

    /// [`words`](Self::words) with a deadline; this is what the library calls. By default the
    /// deadline is checked once, before the call.
    ///
    /// # Errors
    /// As [`words`](Self::words), and as [`Deadline::check`].
    fn words_until(&self, picture: &GreyPicture, deadline: &Deadline) -> Result<Vec<Word>> {
        deadline.check()?;
        self.words(picture)
    }
}

/// Recognised words as one text, and the place of each in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Recognised {
    pub(crate) text: String,
    /// First and last character (end exclusive) of each word, and its region.
    words: Vec<([u32; 2], [u32; 4])>,
}

/// The most characters of one picture that are used.
const MAX_CHARS: u32 = 1 << 20;

impl Recognised {
    pub(crate) fn new(words: Vec<Word>) -> Self {
        let mut recognised = Self::default();
        let mut chars = 0_u32;
        for word in words {
            let length = word.text.chars().count() as u32;
            if length > MAX_CHARS - chars.min(MAX_CHARS) {
                break;
            }
            let span = [chars, chars + length];
            recognised.words.push((span, word.region));
            recognised.text.push_str(&word.text);
            recognised
                .text
                .push(if word.ends_line { '\n' } else { ' ' });
            chars += length + 1;
        }
        recognised
    }

    /// The bounding box of the words in a span of characters: left, top, width, height.
    pub(crate) fn region(&self, span: [u32; 2]) -> Option<[u32; 4]> {
        let inside = self
            .words
            .iter()
            .filter(|([start, end], _)| *start < span[1] && *end > span[0]);
        let corners = inside.map(|(_, [left, top, width, height])| {
            let (right, bottom) = (left.saturating_add(*width), top.saturating_add(*height));
            [*left, *top, right, bottom]
        });
        let [left, top, right, bottom] = corners.reduce(|a, b| {
            [
                a[0].min(b[0]),
                a[1].min(b[1]),
                a[2].max(b[2]),
                a[3].max(b[3]),
            ]
        })?;
        Some([left, top, right - left, bottom - top])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_the_region_of_its_words() {
        let word = |text: &str, region, ends_line| Word {
            text: text.to_owned(),
            region,
            ends_line,
        };
        let found = Recognised::new(vec![
            word("n\u{e4}me", [10, 10, 40, 12], false),
            word("and", [60, 11, 30, 11], true),
            word("line", [10, 30, 44, 12], true),
        ]);
        assert_eq!(found.text, "n\u{e4}me and\nline\n");
        assert_eq!(found.region([0, 4]), Some([10, 10, 40, 12]));
        assert_eq!(found.region([3, 6]), Some([10, 10, 80, 12]));
        assert_eq!(found.region([0, 99]), Some([10, 10, 80, 32]));
        assert_eq!(found.region([4, 5]), None);
    }

    #[test]
    fn stripes_of_one_height_are_stems_and_a_ramp_has_none() {
        let picture = |luma: &dyn Fn(u32, u32) -> u8| {
            let pixels = (0..200).flat_map(|y| (0..300).map(move |x| (x, y)));
            GreyPicture::new(300, 200, pixels.map(|(x, y)| luma(x, y)).collect()).unwrap()
        };
        let lines = picture(&|x, y| if y % 30 < 9 && x % 6 < 3 { 20 } else { 240 });
        assert_eq!(lines.stems(), Some(9));
        assert_eq!(picture(&|x, y| (x / 3 + y / 4) as u8).stems(), None);
        assert!(GreyPicture::new(3, 3, vec![0; 8]).is_none());
        assert!(GreyPicture::new(0, 3, Vec::new()).is_none());
    }
}
