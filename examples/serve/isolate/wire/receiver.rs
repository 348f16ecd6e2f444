//! Receiving and validating the replies of a reader.

use std::io::Read;

use leakprint::media::{Content, PartPath, Table};
use leakprint::raster::{Pixels, Raster};
use leakprint::{Budget, Digest, Error, ErrorKind, Limits};

use super::{
    DIGEST, DONE, FAILED, MAX_MESSAGE_BYTES, MAX_PATH_BYTES, MAX_STRING_BYTES, NO_BYTES, OPAQUE,
    PART, RASTER, Result, TABLE, TEXT, WARNING, WHOLE, WireError, bytes, flag, string, u8, u32,
};

/// The raw bytes of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The part exists only in decoded form.
    None,
    /// The bytes of the upload.
    Upload,
    /// A piece of the upload, or unpacked from it.
    Digest(Digest),
}

/// A reply of a reader.
#[derive(Debug)]
pub(crate) enum Reply {
    Part(PartPath, Source, Content),
    Warning(PartPath, Error),
    /// The upload was read completely.
    Done,
    /// The upload cannot be read.
    Failed(Error),
}

/// Receives the replies to one upload.
pub(crate) struct Receiver<R> {
    from: R,
    /// Bounds the content of all parts.
    budget: Budget,
    string_bytes_left: usize,
    warnings_left: u64,
    has_root: bool,
}

impl<R: Read> Receiver<R> {
    /// `limits` apply to the upload, whose length is `input_bytes`.
    pub(crate) fn new(from: R, limits: &Limits, input_bytes: usize) -> Self {
        let mut loose = limits.clone();
        // The reader enforces the same limits more strictly. Text may take up to three bytes per byte of
        // the upload, and is not always charged there.
        let bytes = limits.decoded_bytes.saturating_add(input_bytes as u64);
        loose.decoded_bytes = bytes.saturating_mul(4);
        // The deadline is checked when the pipe is read.
        loose.time_ms = u64::MAX;
        Self {
            from,
            budget: Budget::new(&loose),
            string_bytes_left: MAX_STRING_BYTES,
            warnings_left: 4 * u64::from(limits.parts) + 16,
            has_root: false,
        }
    }

    /// Receives the next reply; `Done` or `Failed` is the last one.
    pub(crate) fn next(&mut self) -> Result<Reply> {
        let reply = match u8(&mut self.from)? {
            PART => self.part()?,
            WARNING => {
                let left = self.warnings_left.checked_sub(1);
                self.warnings_left = left.ok_or(WireError::Frame("too many warnings"))?;
                Reply::Warning(self.path()?, self.error()?)
            }
            DONE if self.has_root => Reply::Done,
            FAILED if !self.has_root => Reply::Failed(self.error()?),
            DONE | FAILED => return Err(WireError::Frame("an end that does not match the parts")),
            _ => return Err(WireError::Frame("an unknown reply")),
        };
        Ok(reply)
    }

    fn part(&mut self) -> Result<Reply> {
        self.budget.charge_part().map_err(over_limit)?;
        let path = self.path()?;
        if !self.has_root && path != PartPath::root() {
            return Err(WireError::Frame("the first part is not the upload"));
        }
        self.has_root = true;
        let source = match u8(&mut self.from)? {
            NO_BYTES => Source::None,
            WHOLE => Source::Upload,
            DIGEST => {
                let mut digest = [0; 32];
                self.from.read_exact(&mut digest)?;
                Source::Digest(Digest(digest))
            }
            _ => return Err(WireError::Frame("an unknown source of bytes")),
        };
        let content = match u8(&mut self.from)? {
            OPAQUE => Content::Opaque,
            RASTER => self.raster()?,
            TEXT => Content::Text(self.text()?),
            TABLE => Content::Table(self.table()?),
            _ => return Err(WireError::Frame("an unknown content")),
        };
        Ok(Reply::Part(path, source, content))
    }

    fn raster(&mut self) -> Result<Content> {
        let (width, height) = (u32(&mut self.from)?, u32(&mut self.from)?);
        let pixels: fn(Vec<u8>) -> Pixels = match u8(&mut self.from)? {
            1 => Pixels::Luma8,
            3 => Pixels::Rgb8,
            4 => Pixels::Rgba8,
            _ => return Err(WireError::Frame("an unknown pixel layout")),
        };
        let channels = pixels(Vec::new()).channels();
        let lossless = flag(&mut self.from)?;
        let charged = self.budget.charge_picture(width, height, channels as u32);
        charged.map_err(over_limit)?;
        let len = (width as usize)
            .checked_mul(height as usize)
            .and_then(|samples| samples.checked_mul(channels))
            .ok_or(WireError::Frame("the picture is too large"))?;
        let raster = Raster::new(width, height, pixels(bytes(&mut self.from, len, len)?));
        let raster = raster.ok_or(WireError::Frame("an empty picture"))?;
        Ok(Content::Raster { raster, lossless })
    }

    fn text(&mut self) -> Result<String> {
        let len = u32(&mut self.from)?;
        self.budget.charge_decoded(len.into()).map_err(over_limit)?;
        let max = self.max_text_bytes();
        string(&mut self.from, len, max)
    }

    fn table(&mut self) -> Result<Table> {
        let mut table = Table::default();
        let max = self.max_text_bytes();
        for _ in 0..u32(&mut self.from)? {
            let (row, column) = (u32(&mut self.from)?, u32(&mut self.from)?);
            let len = u32(&mut self.from)?;
            let cell = string(&mut self.from, len, max)?;
            if cell.trim().is_empty() {
                return Err(WireError::Frame("an empty cell"));
            }
            let pushed = table.push(row, column, &cell, &mut self.budget);
            pushed.map_err(over_limit)?;
        }
        Ok(table)
    }

    /// Maximum length of one text, in bytes.
    fn max_text_bytes(&self) -> usize {
        let max = self.budget.limits().text_chars.saturating_mul(4);
        usize::try_from(max).unwrap_or(usize::MAX)
    }

    fn path(&mut self) -> Result<PartPath> {
        let path = self.bounded_string(MAX_PATH_BYTES)?;
        match path.bytes().all(|byte| byte.is_ascii_graphic()) {
            true => Ok(PartPath::from(path.as_str())),
            false => Err(WireError::Frame("invalid characters in a path")),
        }
    }

    fn error(&mut self) -> Result<Error> {
        let kind = self.bounded_string(MAX_PATH_BYTES)?;
        let message = self.bounded_string(MAX_MESSAGE_BYTES)?;
        match kind.parse() {
            Ok(
                kind @ (ErrorKind::Empty
                | ErrorKind::Unsupported
                | ErrorKind::Malformed
                | ErrorKind::Limit
                | ErrorKind::Panicked),
            ) => Ok(Error::new(kind, message)),
            _ => Err(WireError::Frame("an invalid kind of error")),
        }
    }

    fn bounded_string(&mut self, max: usize) -> Result<String> {
        let len = u32(&mut self.from)?;
        let string = string(&mut self.from, len, max.min(self.string_bytes_left))?;
        self.string_bytes_left -= string.len();
        Ok(string)
    }
}

fn over_limit(_: Error) -> WireError {
    WireError::Frame("more than the limits allow")
}
