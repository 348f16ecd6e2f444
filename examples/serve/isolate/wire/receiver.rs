//! What a reader sends, checked.

use std::io::Read;

use leakprint::media::{Content, PartPath, Table};
use leakprint::raster::{Pixels, Raster};
use leakprint::{Budget, Digest, Error, ErrorKind, Limits};

use super::{
    Broken, DIGEST, DONE, FAILED, MOST_MESSAGE, MOST_PATH, MOST_WORDS, NO_BYTES, OPAQUE, PART,
    RASTER, Result, TABLE, TEXT, WARNING, WHOLE, bytes, flag, string, u8, u32,
};

/// The bytes of a part as they are in its container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// It exists only decoded.
    None,
    /// They are the upload.
    Upload,
    /// A piece of the upload, or what was unpacked from it.
    Digest(Digest),
}

/// What a reader says of an upload.
#[derive(Debug)]
pub(crate) enum Reply {
    Part(PartPath, Source, Content),
    Warning(PartPath, Error),
    /// All of it was read.
    Done,
    /// The upload cannot be read.
    Failed(Error),
}

/// Receives the replies to one upload.
pub(crate) struct Receiver<R> {
    from: R,
    /// What the content of all parts may cost.
    budget: Budget,
    words_left: usize,
    warnings_left: u64,
    has_root: bool,
}

impl<R: Read> Receiver<R> {
    /// `limits` are those of the upload, which has so many bytes.
    pub(crate) fn new(from: R, limits: &Limits, input_bytes: usize) -> Self {
        let mut own = limits.clone();
        // A reader charges the same limits more strictly: text costs up to three bytes for each byte of the
        // upload, and does not count everywhere.
        let bytes = limits.decoded_bytes.saturating_add(input_bytes as u64);
        own.decoded_bytes = bytes.saturating_mul(4);
        // The deadline is checked where the bytes arrive.
        own.time_ms = u64::MAX;
        Self {
            from,
            budget: Budget::new(&own),
            words_left: MOST_WORDS,
            warnings_left: 4 * u64::from(limits.parts) + 16,
            has_root: false,
        }
    }

    /// The next reply; nothing follows `Done` and `Failed`.
    pub(crate) fn next(&mut self) -> Result<Reply> {
        let reply = match u8(&mut self.from)? {
            PART => self.part()?,
            WARNING => {
                let left = self.warnings_left.checked_sub(1);
                self.warnings_left = left.ok_or(Broken::Frame("too many warnings"))?;
                Reply::Warning(self.path()?, self.error()?)
            }
            DONE if self.has_root => Reply::Done,
            FAILED if !self.has_root => Reply::Failed(self.error()?),
            DONE | FAILED => return Err(Broken::Frame("an end that does not fit the parts")),
            _ => return Err(Broken::Frame("an unknown reply")),
        };
        Ok(reply)
    }

    fn part(&mut self) -> Result<Reply> {
        self.budget.charge_part().map_err(over)?;
        let path = self.path()?;
        if !self.has_root && path != PartPath::root() {
            return Err(Broken::Frame("the first part is not the upload"));
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
            _ => return Err(Broken::Frame("an unknown source of bytes")),
        };
        let content = match u8(&mut self.from)? {
            OPAQUE => Content::Opaque,
            RASTER => self.raster()?,
            TEXT => Content::Text(self.text()?),
            TABLE => Content::Table(self.table()?),
            _ => return Err(Broken::Frame("an unknown content")),
        };
        Ok(Reply::Part(path, source, content))
    }

    fn raster(&mut self) -> Result<Content> {
        let (width, height) = (u32(&mut self.from)?, u32(&mut self.from)?);
        let pixels: fn(Vec<u8>) -> Pixels = match u8(&mut self.from)? {
            1 => Pixels::Luma8,
            3 => Pixels::Rgb8,
            4 => Pixels::Rgba8,
            _ => return Err(Broken::Frame("an unknown layout of pixels")),
        };
        let channels = pixels(Vec::new()).channels();
        let lossless = flag(&mut self.from)?;
        let charged = self.budget.charge_picture(width, height, channels as u32);
        charged.map_err(over)?;
        let len = (width as usize)
            .checked_mul(height as usize)
            .and_then(|samples| samples.checked_mul(channels))
            .ok_or(Broken::Frame("too large a picture"))?;
        let raster = Raster::new(width, height, pixels(bytes(&mut self.from, len, len)?));
        let raster = raster.ok_or(Broken::Frame("an empty picture"))?;
        Ok(Content::Raster { raster, lossless })
    }

    fn text(&mut self) -> Result<String> {
        let len = u32(&mut self.from)?;
        self.budget.charge_decoded(len.into()).map_err(over)?;
        let most = self.most_text();
        string(&mut self.from, len, most)
    }

    fn table(&mut self) -> Result<Table> {
        let mut table = Table::default();
        let most = self.most_text();
        for _ in 0..u32(&mut self.from)? {
            let (row, column) = (u32(&mut self.from)?, u32(&mut self.from)?);
            let len = u32(&mut self.from)?;
            let cell = string(&mut self.from, len, most)?;
            if cell.trim().is_empty() {
                return Err(Broken::Frame("an empty cell"));
            }
            let pushed = table.push(row, column, &cell, &mut self.budget);
            pushed.map_err(over)?;
        }
        Ok(table)
    }

    /// Bytes of one text.
    fn most_text(&self) -> usize {
        let most = self.budget.limits().text_chars.saturating_mul(4);
        usize::try_from(most).unwrap_or(usize::MAX)
    }

    fn path(&mut self) -> Result<PartPath> {
        let path = self.word(MOST_PATH)?;
        match path.bytes().all(|byte| byte.is_ascii_graphic()) {
            true => Ok(PartPath::from(path.as_str())),
            false => Err(Broken::Frame("a path of other letters")),
        }
    }

    fn error(&mut self) -> Result<Error> {
        let kind = self.word(MOST_PATH)?;
        let message = self.word(MOST_MESSAGE)?;
        match kind.parse() {
            Ok(
                kind @ (ErrorKind::Empty
                | ErrorKind::Unsupported
                | ErrorKind::Malformed
                | ErrorKind::Limit
                | ErrorKind::Panicked),
            ) => Ok(Error::new(kind, message)),
            _ => Err(Broken::Frame("an error that no upload has")),
        }
    }

    fn word(&mut self, most: usize) -> Result<String> {
        let len = u32(&mut self.from)?;
        let word = string(&mut self.from, len, most.min(self.words_left))?;
        self.words_left -= word.len();
        Ok(word)
    }
}

fn over(_: Error) -> Broken {
    Broken::Frame("more than the limits allow")
}
