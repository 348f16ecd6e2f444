//! The protocol between the service and the reader processes.
//!
//! Integers are little-endian; lengths and counts precede the data. Data from a reader is untrusted:
//! every length is checked against the [`Limits`] of the upload before memory is allocated, every
//! number and string is validated, and the first invalid frame ends the exchange.

use std::io::{self, Read, Write};

use leakprint::media::{Content, Part, PartPath, PartSink};
use leakprint::{CancellationToken, Digest, Error, Limits};

mod receiver;

pub(crate) use receiver::{Receiver, Reply, Source};

/// The first bytes from a reader. Both sides are the same program, so one version is enough.
const HELLO: &[u8; 8] = b"lpread\x001";

/// Maximum size of the limits as JSON, in bytes.
const MAX_LIMITS_BYTES: usize = 64 << 10;
/// Maximum length of an upload's name, in bytes.
const MAX_NAME_BYTES: usize = 1 << 20;
/// Maximum length of a part's path, in bytes.
const MAX_PATH_BYTES: usize = 64 << 10;
/// Maximum length of an error message, in bytes; the reader truncates longer ones.
const MAX_MESSAGE_BYTES: usize = 16 << 10;
/// Maximum length of all paths and messages of one upload, in bytes.
const MAX_STRING_BYTES: usize = 32 << 20;
/// The length that stands for no name.
const NONE: u32 = u32::MAX;

const PART: u8 = 1;
const WARNING: u8 = 2;
const DONE: u8 = 3;
const FAILED: u8 = 4;

const NO_BYTES: u8 = 0;
const DIGEST: u8 = 1;
const WHOLE: u8 = 2;

const OPAQUE: u8 = 0;
const RASTER: u8 = 1;
const TEXT: u8 = 2;
const TABLE: u8 = 3;

/// Why an exchange failed.
#[derive(Debug)]
pub(crate) enum WireError {
    /// The pipe ended or failed.
    Pipe(io::Error),
    /// A frame is invalid.
    Frame(&'static str),
}

impl From<io::Error> for WireError {
    fn from(error: io::Error) -> Self {
        Self::Pipe(error)
    }
}

type Result<T, E = WireError> = std::result::Result<T, E>;

/// An upload to read.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) limits: Limits,
    pub(crate) name: Option<String>,
    pub(crate) bytes: Vec<u8>,
}

/// Sends an upload to a reader.
pub(crate) fn send(
    to: &mut impl Write,
    limits: &Limits,
    name: Option<&str>,
    bytes: &[u8],
) -> io::Result<()> {
    let limits = serde_json::to_vec(limits)?;
    let mut head = Vec::with_capacity(limits.len() + 64);
    head.extend(length(limits.len())?);
    head.extend(limits);
    match name.map(|name| (name, length(name.len()))) {
        Some((name, len)) => {
            head.extend(len?);
            head.extend(name.as_bytes());
        }
        None => head.extend(NONE.to_le_bytes()),
    }
    head.extend((bytes.len() as u64).to_le_bytes());
    to.write_all(&head)?;
    to.write_all(bytes)?;
    to.flush()
}

/// Receives an upload; returns `None` at the end of the stream.
pub(crate) fn receive(from: &mut impl Read) -> Result<Option<Request>> {
    let mut first = [0; 4];
    match from.read(&mut first)? {
        0 => return Ok(None),
        n => from.read_exact(&mut first[n..])?,
    }
    let limits = bytes(from, u32::from_le_bytes(first) as usize, MAX_LIMITS_BYTES)?;
    let limits: Limits = serde_json::from_slice(&limits)
        .map_err(|_| WireError::Frame("the limits are not valid JSON"))?;
    let name = match u32(from)? {
        NONE => None,
        len => Some(string(from, len, MAX_NAME_BYTES)?),
    };
    let len =
        usize::try_from(u64(from)?).map_err(|_| WireError::Frame("the upload is too long"))?;
    let max = usize::try_from(limits.input_bytes).unwrap_or(usize::MAX);
    let bytes = bytes(from, len, max)?;
    Ok(Some(Request {
        limits,
        name,
        bytes,
    }))
}

/// Announces that a reader is ready for its first upload.
pub(crate) fn send_hello(to: &mut impl Write) -> io::Result<()> {
    to.write_all(HELLO)?;
    to.flush()
}

/// Receives the announcement of a reader.
pub(crate) fn receive_hello(from: &mut impl Read) -> Result<()> {
    let mut hello = [0; HELLO.len()];
    from.read_exact(&mut hello)?;
    match &hello == HELLO {
        true => Ok(()),
        false => Err(WireError::Frame("not a reader")),
    }
}

/// Sends the parts of an upload as they are decoded.
pub(crate) struct Sender<'u, W> {
    to: W,
    upload: &'u [u8],
    /// Stops the decoder once sending has failed.
    stop: CancellationToken,
    failed: Option<io::Error>,
}

impl<'u, W: Write> Sender<'u, W> {
    pub(crate) fn new(to: W, upload: &'u [u8], stop: CancellationToken) -> Self {
        Self {
            to,
            upload,
            stop,
            failed: None,
        }
    }

    /// Sends the outcome.
    pub(crate) fn finish(mut self, result: leakprint::Result<()>) -> io::Result<()> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        match result {
            Ok(()) => self.to.write_all(&[DONE])?,
            Err(error) => {
                let mut frame = vec![FAILED];
                put_error(&mut frame, &error)?;
                self.to.write_all(&frame)?;
            }
        }
        self.to.flush()
    }

    fn put(&mut self, put: impl FnOnce(&mut Self) -> io::Result<()>) {
        if self.failed.is_none()
            && let Err(error) = put(self)
        {
            self.failed = Some(error);
            self.stop.cancel();
        }
    }

    fn put_part(&mut self, part: &Part<'_>) -> io::Result<()> {
        let mut head = vec![PART];
        put_string(&mut head, part.path.as_str())?;
        match part.bytes {
            None => head.push(NO_BYTES),
            // The service has the upload and hashes it itself.
            Some(bytes) if std::ptr::eq(bytes, self.upload) => head.push(WHOLE),
            Some(bytes) => {
                head.push(DIGEST);
                head.extend(Digest::of_bytes(bytes).0);
            }
        }
        match &part.content {
            Content::Raster { raster, lossless } => {
                head.push(RASTER);
                head.extend(raster.width().to_le_bytes());
                head.extend(raster.height().to_le_bytes());
                head.push(raster.pixels().channels() as u8);
                head.push(u8::from(*lossless));
                self.to.write_all(&head)?;
                self.to.write_all(raster.pixels().as_bytes())
            }
            Content::Text(text) => {
                head.push(TEXT);
                head.extend(length(text.len())?);
                self.to.write_all(&head)?;
                self.to.write_all(text.as_bytes())
            }
            Content::Table(table) => {
                head.push(TABLE);
                head.extend(length(table.cells().len())?);
                self.to.write_all(&head)?;
                for cell in table.cells() {
                    let text = table.cell_text(cell);
                    let mut place = [0; 12];
                    place[..4].copy_from_slice(&cell.row.to_le_bytes());
                    place[4..8].copy_from_slice(&cell.column.to_le_bytes());
                    place[8..].copy_from_slice(&length(text.len())?);
                    self.to.write_all(&place)?;
                    self.to.write_all(text.as_bytes())?;
                }
                Ok(())
            }
            Content::Opaque => {
                head.push(OPAQUE);
                self.to.write_all(&head)
            }
            _ => Err(io::Error::other("a kind of content without a frame")),
        }
    }
}

impl<W: Write> PartSink for Sender<'_, W> {
    fn part(&mut self, part: Part<'_>) {
        self.put(|sender| sender.put_part(&part));
    }

    fn warning(&mut self, path: PartPath, error: Error) {
        self.put(|sender| {
            let mut frame = vec![WARNING];
            put_string(&mut frame, path.as_str())?;
            put_error(&mut frame, &error)?;
            sender.to.write_all(&frame)
        });
    }
}

fn length(len: usize) -> io::Result<[u8; 4]> {
    let len = u32::try_from(len).map_err(|_| io::Error::other("too long for a frame"))?;
    Ok(len.to_le_bytes())
}

fn put_string(to: &mut Vec<u8>, text: &str) -> io::Result<()> {
    to.extend(length(text.len())?);
    to.extend(text.as_bytes());
    Ok(())
}

fn put_error(to: &mut Vec<u8>, error: &Error) -> io::Result<()> {
    put_string(to, error.kind().as_str())?;
    let message = error.message();
    put_string(
        to,
        &message[..message.floor_char_boundary(MAX_MESSAGE_BYTES)],
    )
}

fn u8(from: &mut impl Read) -> Result<u8> {
    let mut byte = [0];
    from.read_exact(&mut byte)?;
    Ok(byte[0])
}

fn u32(from: &mut impl Read) -> Result<u32> {
    let mut bytes = [0; 4];
    from.read_exact(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

fn u64(from: &mut impl Read) -> Result<u64> {
    let mut bytes = [0; 8];
    from.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

fn flag(from: &mut impl Read) -> Result<bool> {
    match u8(from)? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(WireError::Frame("an invalid flag")),
    }
}

/// Reads `len` bytes, which must not exceed `max`. Memory is touched only as bytes arrive.
fn bytes(from: &mut impl Read, len: usize, max: usize) -> Result<Vec<u8>> {
    if len > max {
        return Err(WireError::Frame("longer than the limits allow"));
    }
    let mut bytes = Vec::new();
    let reserved = bytes.try_reserve_exact(len);
    reserved.map_err(|_| WireError::Frame("out of memory"))?;
    from.take(len as u64).read_to_end(&mut bytes)?;
    match bytes.len() == len {
        true => Ok(bytes),
        false => Err(WireError::Pipe(io::ErrorKind::UnexpectedEof.into())),
    }
}

fn string(from: &mut impl Read, len: u32, max: usize) -> Result<String> {
    let bytes = bytes(from, len as usize, max)?;
    String::from_utf8(bytes).map_err(|_| WireError::Frame("invalid UTF-8"))
}
