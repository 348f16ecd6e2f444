//! The walk over the parts of one input, in order; each is handed to the sink as soon as it is decoded.
//!
//! The walk knows no format: it calls a function that detects and reads one, also
//! for the members of containers. Only containers in containers recurse,
//! and [`Limits::depth`](crate::Limits) bounds those.

use super::{Content, Format, Part, PartPath, PartSink};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Budget;

/// What a container declares about a member.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hint<'h> {
    /// Its file name.
    pub(super) name: Option<&'h str>,
    /// Its kind, used only to distinguish kinds of text.
    pub(super) kind: Option<Format>,
    /// The charset of its text.
    pub(super) charset: Option<&'h str>,
}

impl<'h> Hint<'h> {
    /// A hint that has only a file name.
    pub(super) fn named(name: Option<&'h str>) -> Self {
        Self {
            name,
            ..Self::default()
        }
    }
}

/// Bytes to be read.
pub(super) struct Input<'i> {
    pub(super) path: &'i PartPath,
    pub(super) bytes: &'i [u8],
    pub(super) format: Format,
    pub(super) hint: Hint<'i>,
}

/// Detects the format of bytes and reads them. The sink has received nothing after an error.
pub(super) type ReadBytes = fn(&mut Walk<'_>, &PartPath, &[u8], Hint<'_>) -> Result<()>;

/// A walk in progress.
pub(super) struct Walk<'w> {
    pub(super) budget: &'w mut Budget,
    pub(super) sink: &'w mut dyn PartSink,
    read: ReadBytes,
}

impl<'w> Walk<'w> {
    pub(super) fn new(budget: &'w mut Budget, sink: &'w mut dyn PartSink, read: ReadBytes) -> Self {
        Self { budget, sink, read }
    }

    /// Reads the input itself.
    ///
    /// # Errors
    /// If it cannot be read; the sink has received nothing then.
    pub(super) fn root(&mut self, bytes: &[u8], name: Option<&str>) -> Result<()> {
        self.charge()?;
        (self.read)(self, &PartPath::root(), bytes, Hint::named(name))
    }

    /// Charges one more part; an error means that nothing more may be read.
    fn charge(&mut self) -> Result<()> {
        self.budget.check_time()?;
        self.budget.charge_part()
    }

    /// Reads a member of a container that has bytes.
    ///
    /// # Errors
    /// Only if nothing more may be read at all; an error in this member goes to the sink
    /// as a warning.
    pub(super) fn member(&mut self, path: PartPath, bytes: &[u8], hint: Hint<'_>) -> Result<()> {
        self.charge()?;
        if bytes.is_empty() {
            // No opaque part: all empty files share one digest.
            let error = Error::new(ErrorKind::Empty, "empty part, 0 bytes");
            self.sink.warning(path, error);
        } else if let Err(error) = (self.read)(self, &path, bytes, hint) {
            self.part(&path, Some(bytes), Content::Opaque);
            self.sink.warning(path, error);
        }
        Ok(())
    }

    /// Reports a member whose bytes could not be read. Errors as for [`member`](Self::member).
    pub(super) fn lost(&mut self, path: PartPath, error: Error) -> Result<()> {
        self.charge()?;
        self.sink.warning(path, error);
        Ok(())
    }

    /// Hands over a member that exists only decoded. Errors as for [`member`](Self::member).
    pub(super) fn decoded(&mut self, path: PartPath, content: Content) -> Result<()> {
        self.charge()?;
        let text = match &content {
            Content::Text(text) => text,
            Content::Table(table) => table.text(),
            Content::Raster { .. } | Content::Opaque => "",
        };
        match self.budget.check_text(text.chars().count() as u64) {
            Ok(()) => self.part(&path, None, content),
            Err(error) => self.sink.warning(path, error),
        }
        Ok(())
    }

    /// Hands a part to the sink.
    pub(super) fn part(&mut self, path: &PartPath, bytes: Option<&[u8]>, content: Content) {
        self.sink.part(Part {
            path: path.clone(),
            bytes,
            content,
        });
    }

    /// Runs `f` over the members of a container, one level deeper.
    pub(super) fn inside(&mut self, path: &PartPath, f: impl FnOnce(&mut Walk<'_>) -> Result<()>) {
        let (sink, read) = (&mut *self.sink, self.read);
        let result = self
            .budget
            .nested(|budget| f(&mut Walk { budget, sink, read }));
        if let Err(error) = result {
            self.sink.warning(path.clone(), error);
        }
    }
}
