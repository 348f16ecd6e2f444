//! From decoded parts to a [`Fingerprint`].

use super::print_maker::PrintMaker;
use super::{Digest, Fingerprint, PartPrints, Warning};
use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;
use crate::media::{Content, Part, PartPath, PartSink};
use crate::text::Bounds;

/// Turns parts into prints as they are decoded, until a bound is reached;
/// [`Fingerprinter::collector`](super::Fingerprinter::collector) makes one.
///
/// It is a [`PartSink`], so that [`media::read`](crate::media::read) fills it. Parts that were
/// decoded elsewhere, for example by another process, are passed to [`add`](Self::add), which
/// needs no bytes, only their digest.
///
/// ```
/// use leakprint::media::{Content, read};
/// use leakprint::{Budget, Deadline, Digest, Fingerprinter, Limits, PartPath};
///
/// let fingerprinter = Fingerprinter::builder().build()?;
/// let post = b"Nobody is to know before Friday.";
/// let mut collector = fingerprinter.collector(&Deadline::never());
/// read(post, None, &mut Budget::new(&Limits::default()), &mut collector)?;
/// assert_eq!(collector.finish()?, fingerprinter.fingerprint(post, None)?);
///
/// let mut collector = fingerprinter.collector(&Deadline::never());
/// let text = String::from_utf8_lossy(post).into_owned();
/// collector.add(PartPath::root(), Some(Digest::of_bytes(post)), Content::Text(text));
/// assert_eq!(collector.finish()?, fingerprinter.fingerprint(post, None)?);
/// # Ok::<(), leakprint::Error>(())
/// ```
#[derive(Debug)]
pub struct Collector<'f> {
    maker: &'f PrintMaker,
    limits: &'f Limits,
    fingerprint: Fingerprint,
    bounds: Bounds,
    /// Whether there is a warning about the deadline.
    was_late: bool,
    /// The error that kept the input itself from having prints.
    refused: Option<Error>,
}

/// The bytes of a part.
enum Bytes<'b> {
    Here(&'b [u8]),
    Elsewhere(Digest),
}

impl<'f> Collector<'f> {
    pub(super) fn new(maker: &'f PrintMaker, limits: &'f Limits, deadline: Deadline) -> Self {
        Self {
            fingerprint: maker.of_parts(Vec::new()),
            bounds: Bounds::new(limits, deadline),
            was_late: false,
            refused: None,
            maker,
            limits,
        }
    }

    /// Bounds the memory of the prints by the size of the input as well, as
    /// [`fingerprint`](super::Fingerprinter::fingerprint) does (see [`Limits::archive_ratio`](crate::Limits::archive_ratio)).
    #[must_use]
    pub fn within_input(mut self, bytes: u64) -> Self {
        self.bounds.within_input(self.limits, bytes);
        self
    }

    /// Adds the prints of one part. `bytes` is the [digest](Digest::of_bytes) of the part as it is
    /// in its container, for a part that has bytes. The cost is that of all prints of the content; a
    /// part whose prints would break a bound gets a warning instead.
    pub fn add(&mut self, path: PartPath, bytes: Option<Digest>, content: Content) {
        self.put(path, bytes.map(Bytes::Elsewhere), content);
    }

    fn put(&mut self, path: PartPath, bytes: Option<Bytes<'_>>, content: Content) {
        let mut prints = PartPrints {
            path: path.clone(),
            ..PartPrints::default()
        };
        let result = self.prints(bytes, content, &mut prints);
        let is_bare = prints.bytes.is_none() && prints.raster.is_none() && prints.text.is_none();
        let is_root = path.as_str().is_empty();
        // A part that could not be read is of no use without any prints.
        if result.is_ok() || is_root || !is_bare {
            self.fingerprint.parts.push(prints);
        }
        match result {
            Ok(()) => {}
            // The caller must not take it for an input in which nothing was found.
            Err(e) if is_root => self.refused = Some(e),
            Err(e) => self.warning(path, e),
        }
    }

    /// Makes the prints of a part; on an error, those that were made before it.
    fn prints(
        &mut self,
        bytes: Option<Bytes<'_>>,
        content: Content,
        prints: &mut PartPrints,
    ) -> Result<()> {
        let (maker, bounds) = (self.maker, &mut self.bounds);
        bounds.deadline().check()?;
        prints.bytes = match bytes {
            None => None,
            Some(Bytes::Here(bytes)) => Some(Digest::of_bytes_until(bytes, bounds.deadline())?),
            Some(Bytes::Elsewhere(digest)) => Some(digest),
        };
        match content {
            Content::Raster { raster, lossless } => {
                let made = maker.raster(&raster, lossless, bounds.deadline());
                prints.raster = Some(made?);
                maker.recognise(&raster, prints, bounds)
            }
            Content::Text(text) => maker.text(&text, prints, bounds),
            Content::Table(table) => maker.table(&table, prints, bounds),
            Content::Opaque => Ok(()),
        }
    }

    /// Returns the fingerprint of all parts so far.
    ///
    /// # Errors
    /// The error that kept the input itself, its first part, from having prints;
    /// [`Cancelled`](ErrorKind::Cancelled) once the work was cancelled.
    pub fn finish(self) -> Result<Fingerprint> {
        // A cancelled fingerprint is not used.
        if let Err(e) = self.bounds.deadline().check()
            && e.kind() == ErrorKind::Cancelled
        {
            return Err(e);
        }
        match self.refused {
            Some(error) => Err(error),
            None => Ok(self.fingerprint),
        }
    }
}

impl PartSink for Collector<'_> {
    fn part(&mut self, part: Part<'_>) {
        self.put(part.path, part.bytes.map(Bytes::Here), part.content);
    }

    fn warning(&mut self, path: PartPath, error: Error) {
        // One warning about the deadline is enough for all later parts and the containers around them.
        if error.is_time() && std::mem::replace(&mut self.was_late, true) {
            return;
        }
        self.fingerprint.warnings.push(Warning {
            part: path,
            kind: error.kind().as_str().to_owned(),
            message: error.message().to_owned(),
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Fingerprinter;

    fn part(path: &str, bytes: Option<&'static [u8]>) -> Part<'static> {
        Part {
            path: PartPath::from(path),
            bytes,
            content: Content::Text("some text of it".to_owned()),
        }
    }

    #[test]
    fn one_warning_says_that_the_time_was_over() {
        let fingerprinter = Fingerprinter::builder().build().unwrap();
        let mut collector = fingerprinter.collector(&Deadline::never());
        collector.part(part("", Some(b"a mail")));
        collector.bounds = Bounds::until(&Deadline::after(Duration::ZERO));
        for path in ["body", "attachment:1", "attachment:2"] {
            collector.part(part(path, Some(b"other bytes")));
        }
        let late = Deadline::after(Duration::ZERO).check().unwrap_err();
        collector.warning(PartPath::root(), late);
        collector.warning(PartPath::root(), Error::malformed("something else"));
        let print = collector.finish().unwrap();
        assert_eq!(print.parts.len(), 1);
        let warnings = print.warnings.iter();
        let warnings: Vec<_> = warnings
            .map(|w| (w.part.as_str(), w.kind.as_str()))
            .collect();
        assert_eq!(warnings, [("body", "limit"), ("", "malformed")]);
        assert_eq!(print.warnings[0].limit_name(), Some("time_ms"));
        assert_eq!(print.warnings[1].limit_name(), None);
        let is_timeout = print.warnings.iter().map(|w| w.is_timeout());
        assert_eq!(is_timeout.collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn an_input_without_any_print_is_an_error_and_so_is_a_cancelled_one() {
        let fingerprinter = Fingerprinter::builder().build().unwrap();
        let over = Deadline::after(Duration::ZERO);
        let mut collector = fingerprinter.collector(&over);
        collector.part(part("", Some(b"some text of it")));
        assert_eq!(collector.finish().unwrap_err().kind(), ErrorKind::Limit);

        let token = crate::CancellationToken::new();
        let deadline = Deadline::never().with_cancellation(token.clone());
        let mut collector = fingerprinter.collector(&deadline);
        collector.part(part("", Some(b"some text of it")));
        token.cancel();
        assert_eq!(collector.finish().unwrap_err().kind(), ErrorKind::Cancelled);
    }
}
