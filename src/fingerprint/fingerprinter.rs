//! From bytes to a [`Fingerprint`]: decode, then every print of every part.

use std::sync::Arc;
use std::time::Duration;

use super::print_maker::PrintMaker;
use super::{
    Collector, Digest, Fingerprint, Key, LocalKey, PartPrints, RasterKeys, RasterPrints, Recipe,
    TextPrints, ValuePrint,
};
use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::{Budget, Limits};
use crate::media::{self, TextFromImage};
use crate::raster::Raster;
use crate::text::{Bounds, Gram};

/// Makes fingerprints, under one recipe, key and set of limits.
///
/// The same fingerprinter serves the owner of a leak and the platform that
/// looks for it; the platform gets its own from
/// [`Matcher::query_fingerprinter`](crate::Matcher::query_fingerprinter), so that recipe and
/// key agree. It has no state, starts no threads and prints nothing. Cheap to clone.
///
/// ```
/// use leakprint::{Fingerprinter, Key};
///
/// let key = Key::from_bytes([7; 32]);
/// let fingerprinter = Fingerprinter::builder().key(key.clone()).build()?;
/// let memo = fingerprinter.fingerprint(b"Nobody is to know before Friday.", Some("memo.txt"))?;
/// // The same key and bytes make the same prints, another key makes others.
/// assert_eq!(memo, fingerprinter.fingerprint_text("Nobody is to know before Friday.")?);
/// let other = Fingerprinter::builder().build()?;
/// assert_ne!(memo, other.fingerprint_text("Nobody is to know before Friday.")?);
/// # Ok::<(), leakprint::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Fingerprinter {
    limits: Limits,
    key: Key,
    /// Whether the caller gave the key, so that an index need not hold it.
    key_given: bool,
    maker: PrintMaker,
}

/// Builds a [`Fingerprinter`].
///
/// ```
/// use leakprint::{Fingerprinter, Key};
///
/// let fingerprinter = Fingerprinter::builder()
///     .key(Key::from_bytes([7; 32]))
///     .window(16)
///     .local_prints(false)
///     .build()?;
/// assert_eq!(fingerprinter.recipe().window, 16);
/// assert!(Fingerprinter::builder().window(0).build().is_err());
/// # Ok::<(), leakprint::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct FingerprinterBuilder {
    limits: Limits,
    window: u32,
    key: Option<Key>,
    local_prints: bool,
}

impl FingerprinterBuilder {
    /// Sets the limits on one input.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the owner's secret, from which the keys of all keyed prints are derived. Without one,
    /// [`build`](Self::build) makes a random key.
    #[must_use]
    pub fn key(mut self, key: Key) -> Self {
        self.key = Some(key);
        self
    }

    /// Sets the winnowing window, 1..=64; default [`Recipe::DEFAULT_WINDOW`]. A larger
    /// window makes a smaller index that misses shorter or more heavily edited copies.
    #[must_use]
    pub fn window(mut self, window: u32) -> Self {
        self.window = window;
        self
    }

    /// Sets whether pictures get [local prints](super::LocalPrints); by default they do.
    /// Without them only whole pictures are found, no crops, collages or photographs
    /// of screens, and a picture takes a small part of the time.
    #[must_use]
    pub fn local_prints(mut self, local_prints: bool) -> Self {
        self.local_prints = local_prints;
        self
    }

    /// Returns the fingerprinter. Deriving its keys takes some hundred microseconds: make one and share it.
    ///
    /// # Errors
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for a window out of range,
    /// [`Io`](crate::ErrorKind::Io) if no random key can be made.
    pub fn build(self) -> Result<Fingerprinter> {
        let key_given = self.key.is_some();
        let key = match self.key {
            Some(key) => key,
            None => Key::random()?,
        };
        let maker = PrintMaker {
            recipe: Recipe::new(self.window, key.id())?,
            gram_key: key.gram_key(),
            cell_key: Some(key.cell_key()),
            raster_keys: RasterKeys {
                sketch: key.sketch_key(),
                local: key.local_key(),
                makes_local: self.local_prints,
                keeps_luma: false,
            },
            recogniser: None,
        };
        Ok(Fingerprinter {
            limits: self.limits,
            key,
            key_given,
            maker,
        })
    }
}

impl Fingerprinter {
    /// Starts from the defaults: [`Limits::default`], a random key, the default window.
    pub fn builder() -> FingerprinterBuilder {
        FingerprinterBuilder {
            limits: Limits::default(),
            window: Recipe::DEFAULT_WINDOW,
            key: None,
            local_prints: true,
        }
    }

    /// The recipe of the fingerprints made here.
    pub fn recipe(&self) -> &Recipe {
        &self.maker.recipe
    }

    /// The secret in use: the one given, or the random one that was made.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Whether the caller gave the key, and so keeps it.
    pub(crate) fn key_given(&self) -> bool {
        self.key_given
    }

    /// The same recipe and key under other limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The same with a recogniser: pictures that look like text get the prints of the text that is
    /// recognised in them, so that uploads with the words of a leaked screenshot in another form are
    /// found. For the owner's side; a platform recognises text only where nothing else is found,
    /// see [`Matcher::with_recogniser`](crate::Matcher::with_recogniser).
    #[must_use]
    pub fn with_recogniser(mut self, recogniser: Arc<dyn TextFromImage>) -> Self {
        self.maker.recogniser = Some(recogniser);
        self
    }

    /// Leaves out the values of tables and texts, for queries of an index that has none.
    pub(crate) fn without_cells(mut self) -> Self {
        self.maker.cell_key = None;
        self
    }

    /// Keeps the luma of pictures for a recogniser of text.
    pub(crate) fn keep_luma(mut self) -> Self {
        self.maker.raster_keys.keeps_luma = true;
        self
    }

    /// The prints of recognised text: every gram, since errors leave few, and the values in it.
    pub(crate) fn recognised_prints(
        &self,
        text: &str,
        deadline: &Deadline,
    ) -> Result<(TextPrints, Vec<ValuePrint>)> {
        self.maker.recognised(text, deadline)
    }

    /// The key of the local prints.
    pub(crate) fn local_key(&self) -> &LocalKey {
        &self.maker.raster_keys.local
    }

    /// The limits on one input.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// A deadline, or the end of [`Limits::time_ms`] from now if that comes first.
    pub(crate) fn deadline(&self, deadline: &Deadline) -> Deadline {
        let limit = Duration::from_millis(self.limits.time_ms);
        deadline.clone().within(limit)
    }

    /// All prints of a file or upload. The format is detected
    /// from the content; `name` (a file name or path) breaks ties, such as Markdown or plain text.
    ///
    /// # Errors
    /// Only if the input itself cannot be read at all: empty, of no known
    /// format, malformed or over a limit. Errors in the parts inside are
    /// in [`Fingerprint::warnings`].
    ///
    /// ```
    /// use leakprint::Fingerprinter;
    ///
    /// # #[cfg(feature = "mail")] {
    /// let mail = b"From: ada@example.org\r\nSubject: Friday\r\n\r\nNobody is to know.\r\n";
    /// let print = Fingerprinter::builder().build()?.fingerprint(mail, Some("friday.eml"))?;
    /// let paths: Vec<_> = print.parts.iter().map(|part| part.path.as_str()).collect();
    /// assert_eq!(paths, ["", "subject", "body"]);
    /// assert!(print.warnings.is_empty());
    /// # }
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn fingerprint(&self, bytes: &[u8], name: Option<&str>) -> Result<Fingerprint> {
        self.fingerprint_until(bytes, name, &Deadline::never())
    }

    /// [`fingerprint`](Self::fingerprint), which ends at a deadline as well as at
    /// [`Limits::time_ms`]: the parts that were read until then are in the fingerprint, with one
    /// warning. It is an error if the input is no container, or not even that could be read.
    ///
    /// # Errors
    /// As [`fingerprint`](Self::fingerprint), and [`Cancelled`](crate::ErrorKind::Cancelled).
    pub fn fingerprint_until(
        &self,
        bytes: &[u8],
        name: Option<&str>,
        deadline: &Deadline,
    ) -> Result<Fingerprint> {
        let mut budget = Budget::with_deadline(&self.limits, deadline);
        let collector = self.collector(budget.deadline());
        let mut collector = collector.within_input(bytes.len() as u64);
        media::read(bytes, name, &mut budget, &mut collector)?;
        collector.finish()
    }

    /// All prints of a text that needs no decoding, such as a post.
    ///
    /// # Errors
    /// [`Empty`](crate::ErrorKind::Empty) or [`Limit`](crate::ErrorKind::Limit).
    ///
    /// ```
    /// use leakprint::Fingerprinter;
    ///
    /// let print = Fingerprinter::builder().build()?.fingerprint_text("Nobody is to know.")?;
    /// let text = print.parts[0].text.as_ref().unwrap();
    /// assert_eq!((text.chars, text.folded), (18, 14));
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn fingerprint_text(&self, text: &str) -> Result<Fingerprint> {
        self.fingerprint_text_until(text, &Deadline::never())
    }

    /// [`fingerprint_text`](Self::fingerprint_text), which fails at a deadline as well as at
    /// [`Limits::time_ms`].
    ///
    /// # Errors
    /// As [`fingerprint_text`](Self::fingerprint_text), and [`Cancelled`](crate::ErrorKind::Cancelled).
    pub fn fingerprint_text_until(&self, text: &str, deadline: &Deadline) -> Result<Fingerprint> {
        if text.is_empty() {
            return Err(Error::new(ErrorKind::Empty, "empty text"));
        }
        let mut budget = Budget::with_deadline(&self.limits, deadline);
        budget.check_input(text.len() as u64)?;
        budget.charge_part()?;
        if text.len() as u64 > self.limits.text_chars {
            budget.check_text(text.chars().count() as u64)?;
        }
        let mut bounds = Bounds::new(&self.limits, budget.deadline().clone());
        let mut prints = PartPrints {
            bytes: Some(Digest::of_bytes_until(text.as_bytes(), budget.deadline())?),
            ..PartPrints::default()
        };
        self.maker.text(text, &mut prints, &mut bounds)?;
        Ok(self.maker.of_parts(vec![prints]))
    }

    /// The prints of a picture that the caller has decoded: as those of a file that keeps every
    /// pixel, but for the file's bytes. No [`Limits`] apply.
    ///
    /// ```
    /// use leakprint::Fingerprinter;
    /// use leakprint::raster::{Pixels, Raster};
    ///
    /// let rings = (0..90 * 60_u32).map(|i| ((i % 90).pow(2) / 32 + (i / 90).pow(2) / 8) as u8);
    /// let raster = Raster::new(90, 60, Pixels::Luma8(rings.collect())).unwrap();
    /// let print = Fingerprinter::builder().build()?.fingerprint_raster(&raster);
    /// let prints = print.parts[0].raster.as_ref().unwrap();
    /// assert_eq!((prints.width, prints.height), (90, 60));
    /// assert!(prints.pdq.quality >= 50);
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn fingerprint_raster(&self, raster: &Raster) -> Fingerprint {
        self.maker.of_parts(vec![PartPrints {
            raster: Some(RasterPrints::new(raster, true, &self.maker.raster_keys)),
            ..PartPrints::default()
        }])
    }

    /// Starts a fingerprint whose parts are decoded by the caller: by [`media::read`] with the
    /// caller's budget, or by another process. Making prints ends at the deadline, or
    /// [`Limits::time_ms`] from now.
    pub fn collector(&self, deadline: &Deadline) -> Collector<'_> {
        Collector::new(&self.maker, &self.limits, self.deadline(deadline))
    }

    /// The grams of a text with all of them, not only the winnowed ones, in spans of symbols,
    /// which are sorted by their starts; `None` if the text is not in this process or has no more grams.
    pub(crate) fn denser(
        &self,
        prints: &TextPrints,
        spans: &[(u32, u32)],
        deadline: &Deadline,
    ) -> Result<Option<Vec<Gram>>> {
        self.maker.denser(prints, spans, deadline)
    }
}
