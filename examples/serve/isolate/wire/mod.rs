//! The frames between the service and the processes that read its uploads.
//!
//! Numbers are little-endian and precede what they count. What a reader sends is untrusted: every
//! length is bounded by the [`Limits`] of the upload before anything is allocated for it, every
//! number and string is checked, and the first frame that breaks a rule ends the conversation.

use std::io::{self, Read, Write};

use leakprint::media::{Content, Part, PartPath, PartSink};
use leakprint::{CancellationToken, Digest, Error, Limits};

mod receiver;

pub(crate) use receiver::{Receiver, Reply, Source};

/// What a reader says first; both sides are the same program, so that one version is enough.
const HELLO: &[u8; 8] = b"lpread\x001";

/// Bytes of limits as JSON.
const MOST_LIMITS: usize = 64 << 10;
/// Bytes of the name of an upload.
const MOST_NAME: usize = 1 << 20;
/// Bytes of the path of a part.
const MOST_PATH: usize = 64 << 10;
/// Bytes of the message of an error; what is longer is cut by the reader.
const MOST_MESSAGE: usize = 16 << 10;
/// Bytes of all paths and messages of one upload.
const MOST_WORDS: usize = 32 << 20;
/// No name.
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

/// Why a conversation cannot go on.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The pipe ended or failed.
    Pipe(io::Error),
    /// A frame breaks a rule.
    Frame(&'static str),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Pipe(error)
    }
}

type Result<T, E = Broken> = std::result::Result<T, E>;

/// An upload to be read.
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

/// Receives an upload; `None` if the service wants nothing more.
pub(crate) fn receive(from: &mut impl Read) -> Result<Option<Request>> {
    let mut first = [0; 4];
    match from.read(&mut first)? {
        0 => return Ok(None),
        n => from.read_exact(&mut first[n..])?,
    }
    let limits = bytes(from, u32::from_le_bytes(first) as usize, MOST_LIMITS)?;
    let limits: Limits =
        serde_json::from_slice(&limits).map_err(|_| Broken::Frame("the limits are no JSON"))?;
    let name = match u32(from)? {
        NONE => None,
        len => Some(string(from, len, MOST_NAME)?),
    };
    let len = usize::try_from(u64(from)?).map_err(|_| Broken::Frame("too long an upload"))?;
    let most = usize::try_from(limits.input_bytes).unwrap_or(usize::MAX);
    let bytes = bytes(from, len, most)?;
    Ok(Some(Request {
        limits,
        name,
        bytes,
    }))
}

/// Says that a reader is ready for its first upload.
pub(crate) fn greet(to: &mut impl Write) -> io::Result<()> {
    to.write_all(HELLO)?;
    to.flush()
}

/// Receives what a reader says first.
pub(crate) fn greeted(from: &mut impl Read) -> Result<()> {
    let mut hello = [0; HELLO.len()];
    from.read_exact(&mut hello)?;
    match &hello == HELLO {
        true => Ok(()),
        false => Err(Broken::Frame("no reader")),
    }
}

/// Sends the parts of an upload as they are decoded.
pub(crate) struct Sender<'u, W> {
    to: W,
    upload: &'u [u8],
    /// Ends the reading once nobody takes its parts.
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

    /// Sends how the reading ended.
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
            _ => Err(io::Error::other("a kind of content that has no frame")),
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
    let len = u32::try_from(len).map_err(|_| io::Error::other("longer than a frame may be"))?;
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
    put_string(to, &message[..message.floor_char_boundary(MOST_MESSAGE)])
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
        _ => Err(Broken::Frame("neither yes nor no")),
    }
}

/// So many bytes, if they are no more than `most`. Memory is touched as bytes arrive.
fn bytes(from: &mut impl Read, len: usize, most: usize) -> Result<Vec<u8>> {
    if len > most {
        return Err(Broken::Frame("more bytes than the limits allow"));
    }
    let mut bytes = Vec::new();
    let reserved = bytes.try_reserve_exact(len);
    reserved.map_err(|_| Broken::Frame("more bytes than there is memory"))?;
    from.take(len as u64).read_to_end(&mut bytes)?;
    match bytes.len() == len {
        true => Ok(bytes),
        false => Err(Broken::Pipe(io::ErrorKind::UnexpectedEof.into())),
    }
}

fn string(from: &mut impl Read, len: u32, most: usize) -> Result<String> {
    let bytes = bytes(from, len as usize, most)?;
    String::from_utf8(bytes).map_err(|_| Broken::Frame("no UTF-8"))
}
