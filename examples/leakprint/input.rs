//! What a command reads: files and folders in sorted order, texts from JSON lines.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use leakprint::media::{Tesseract, TextFromImage};
use leakprint::{Digest, Error, ErrorKind, Fingerprint, Fingerprinter, Limits, Result};

use serde::Deserialize;

use crate::Failure;
use crate::names::{Base, Named};
use crate::room::{Room, Taken};
use crate::walk::files;

/// The longest line of a JSON-lines file.
const MAX_LINE: usize = 16 << 20;

/// The most bytes of lines that are read but not fingerprinted yet, unless one line is larger.
const MAX_IN_FLIGHT: usize = 32 << 20;

/// One input to index or to match, not read yet.
pub(crate) struct Input {
    name: String,
    content: Content,
}

enum Content {
    File(PathBuf),
    /// A file that was read before its turn.
    Loaded(PathBuf, Vec<u8>),
    /// A line of a JSON-lines file, which holds its name.
    Line(Vec<u8>, Taken),
    Unreadable(Error),
}

/// The source of a fingerprint.
pub(crate) struct Origin<'a> {
    pub(crate) name: &'a str,
    /// The content of a file.
    pub(crate) bytes: Option<&'a [u8]>,
}

/// An input that was read.
pub(crate) struct Read<T> {
    pub(crate) name: String,
    /// The digest of a file that was read but could not be fingerprinted, in place of the fingerprint.
    pub(crate) undecoded: Option<Digest>,
    pub(crate) result: Result<T>,
}

impl Input {
    /// Returns the name; for a line that is not parsed yet, its position in the file.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the path, for a file.
    pub(crate) fn file(&self) -> Option<&Path> {
        match &self.content {
            Content::File(path) | Content::Loaded(path, _) => Some(path),
            _ => None,
        }
    }

    /// Returns the bytes, for a line.
    pub(crate) fn line(&self) -> Option<&[u8]> {
        match &self.content {
            Content::Line(line, _) => Some(line),
            _ => None,
        }
    }

    /// Sets the bytes of a file that the caller has read.
    pub(crate) fn with_bytes(mut self, bytes: Vec<u8>) -> Self {
        if let Content::File(path) = self.content {
            self.content = Content::Loaded(path, bytes);
        }
        self
    }

    /// Reads and fingerprints it, and passes the fingerprint to `then`. May run on any thread.
    pub(crate) fn read<T>(
        self,
        fingerprinter: &Fingerprinter,
        then: impl FnOnce(Fingerprint, Origin<'_>) -> Result<T>,
    ) -> Read<T> {
        let mut read = Read {
            name: self.name,
            undecoded: None,
            result: Err(Error::new(ErrorKind::Io, "not read")),
        };
        let mut content = None;
        let mut file = |path: &Path, bytes: Vec<u8>| {
            let bytes = content.insert(bytes);
            // Not the whole path: the result depends on the name, not on the location.
            let name = path.file_name().and_then(OsStr::to_str);
            fingerprinter
                .fingerprint(bytes, name)
                .inspect_err(|_| read.undecoded = Some(Digest::of_bytes(bytes)))
        };
        let print = match self.content {
            Content::File(path) => {
                read_file(&path, fingerprinter.limits()).and_then(|bytes| file(&path, bytes))
            }
            Content::Loaded(path, bytes) => file(&path, bytes),
            Content::Line(line, _room) => {
                let (id, text) = parse(&line);
                if let Some(id) = id {
                    read.name = id;
                }
                text.and_then(|text| fingerprinter.fingerprint_text(&text))
            }
            Content::Unreadable(error) => Err(error),
        };
        let origin = Origin {
            name: &read.name,
            bytes: content.as_deref(),
        };
        read.result = print.and_then(|print| then(print, origin));
        read
    }
}

/// The fields of a line that are read; others are skipped without allocating.
#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    id: Field,
    #[serde(default)]
    text: Field,
}

/// A string, or a value of another type.
#[derive(Default, Deserialize)]
#[serde(untagged)]
enum Field {
    Text(String),
    #[default]
    Missing,
    Other(serde::de::IgnoredAny),
}

impl Field {
    fn text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            Self::Missing | Self::Other(_) => None,
        }
    }
}

/// The id, if there is one, and the text of a line.
fn parse(line: &[u8]) -> (Option<String>, Result<String>) {
    let malformed = |what: String| {
        let rule = "a line is {\"id\": \"...\", \"text\": \"...\"}";
        Error::new(ErrorKind::Malformed, format!("{rule}: {what}"))
    };
    let line: Line = match serde_json::from_slice(line) {
        Ok(line) => line,
        Err(e) => return (None, Err(malformed(e.to_string()))),
    };
    let Some(id) = line.id.text().filter(|id| !id.is_empty()) else {
        return (None, Err(malformed("no id that is a string".to_owned())));
    };
    let text = line.text.text();
    let text = text.ok_or_else(|| malformed("no text that is a string".to_owned()));
    (Some(id), text)
}

/// Reads a whole file, unless it is larger than the limit.
pub(crate) fn read_file(path: &Path, limits: &Limits) -> Result<Vec<u8>> {
    let io = |e: io::Error| Error::io("cannot read", e);
    let metadata = fs::metadata(path).map_err(io)?;
    if metadata.is_dir() {
        return Err(Error::new(
            ErrorKind::Io,
            "a link to a folder, not followed",
        ));
    }
    if !metadata.is_file() {
        return Err(Error::new(ErrorKind::Io, "not a regular file"));
    }
    leakprint::Budget::new(limits).check_input(metadata.len())?;
    let mut bytes = Vec::new();
    File::open(path)
        .map_err(io)?
        .take(limits.input_bytes.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(io)?;
    Ok(bytes)
}

/// Returns the program tesseract as a recogniser, if it is installed with the languages.
pub(crate) fn recogniser(languages: &str) -> Result<Arc<dyn TextFromImage>> {
    let recogniser = Tesseract::default().with_languages(languages);
    recogniser.check()?;
    Ok(Arc::new(recogniser))
}

/// The inputs of a command, checked before the first one is read.
pub(crate) struct Sources {
    roots: Vec<Named>,
    jsonl: Vec<(PathBuf, Box<dyn BufRead + Send>)>,
    /// Files and folders that the command writes, which are not inputs.
    skip: Vec<PathBuf>,
}

impl Sources {
    /// # Errors
    /// If `base` is no folder or a JSON-lines file cannot be opened. A path that
    /// does not exist is an input that cannot be read.
    pub(crate) fn new(paths: &[PathBuf], base: &Path, jsonl: &[PathBuf]) -> Result<Self, Failure> {
        let base = Base::new(base)?;
        let open = |path: &PathBuf| -> Result<(PathBuf, Box<dyn BufRead + Send>), Failure> {
            let reader: Box<dyn BufRead + Send> = if path == Path::new("-") {
                Box::new(BufReader::new(io::stdin()))
            } else {
                let file = File::open(path)
                    .map_err(|e| format!("--jsonl {}: cannot read: {e}", path.display()))?;
                Box::new(BufReader::new(file))
            };
            Ok((path.clone(), reader))
        };
        Ok(Self {
            roots: paths.iter().map(|path| base.name(path)).collect(),
            jsonl: jsonl.iter().map(open).collect::<Result<_, _>>()?,
            skip: Vec::new(),
        })
    }

    /// As [`new`](Self::new), but fails for a path that does not exist: a typing error in `option` would
    /// go unnoticed.
    pub(crate) fn existing(option: &str, paths: &[PathBuf], base: &Path) -> Result<Self, Failure> {
        for path in paths {
            fs::metadata(path)
                .map_err(|e| format!("{option} {}: cannot read: {e}", path.display()))?;
        }
        Self::new(paths, base, &[])
    }

    /// Leaves out files, and the content of folders, that the command itself writes.
    pub(crate) fn without(mut self, written: &[&Path]) -> Self {
        let files = written
            .iter()
            .filter_map(|path| fs::canonicalize(path).ok());
        self.skip.extend(files);
        self
    }

    /// Counts the files, on another thread; `None` where texts come from elsewhere too.
    pub(crate) fn counting(&self) -> Option<impl FnOnce() -> u64 + Send + 'static> {
        let files = files(self.roots.clone(), self.skip.clone());
        self.jsonl
            .is_empty()
            .then_some(move || files.count() as u64)
    }

    /// Iterates over the inputs; each is read when it is processed.
    pub(crate) fn inputs(self) -> impl Iterator<Item = Input> {
        let room = Room::new(MAX_IN_FLIGHT);
        let files = files(self.roots, self.skip).map(|(named, error)| Input {
            name: named.name,
            content: match error {
                None => Content::File(named.path),
                Some(e) => Content::Unreadable(Error::io("cannot read", e)),
            },
        });
        let lines = self
            .jsonl
            .into_iter()
            .flat_map(move |(path, reader)| Lines {
                path,
                reader: Some(reader),
                number: 0,
                room: room.clone(),
            });
        files.chain(lines)
    }
}

/// The texts of a JSON-lines file.
struct Lines {
    path: PathBuf,
    reader: Option<Box<dyn BufRead + Send>>,
    number: u64,
    room: Room,
}

impl Lines {
    fn input(&self, content: Content) -> Input {
        Input {
            name: format!("{}:{}", self.path.display(), self.number),
            content,
        }
    }

    /// Reads a line without its end, at most [`MAX_LINE`] bytes of it; returns
    /// whether that was the whole line. `None` at the end of the file.
    fn read_line(&mut self, line: &mut Vec<u8>) -> io::Result<Option<bool>> {
        line.clear();
        let Some(reader) = &mut self.reader else {
            return Ok(None);
        };
        let (mut any, mut whole) = (false, true);
        loop {
            let buffer = match reader.fill_buf() {
                Ok(buffer) => buffer,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            };
            if buffer.is_empty() {
                return Ok(any.then_some(whole));
            }
            any = true;
            let end = buffer.iter().position(|&b| b == b'\n');
            let piece = &buffer[..end.unwrap_or(buffer.len())];
            let room = MAX_LINE - line.len();
            whole &= piece.len() <= room;
            line.extend_from_slice(&piece[..piece.len().min(room)]);
            let used = end.map_or(buffer.len(), |end| end + 1);
            reader.consume(used);
            if end.is_some() {
                return Ok(Some(whole));
            }
        }
    }
}

impl Iterator for Lines {
    type Item = Input;

    fn next(&mut self) -> Option<Input> {
        let mut line = Vec::new();
        loop {
            self.number += 1;
            let whole = match self.read_line(&mut line) {
                Ok(whole) => whole?,
                Err(e) => {
                    self.reader = None;
                    let error = Error::io("cannot read", e);
                    return Some(self.input(Content::Unreadable(error)));
                }
            };
            if !whole {
                let message = format!("a line of more than {MAX_LINE} bytes");
                let error = Error::new(ErrorKind::Limit, message);
                return Some(self.input(Content::Unreadable(error)));
            }
            if self.number == 1 && line.starts_with(b"\xEF\xBB\xBF") {
                // The byte-order mark that some programs write.
                line.drain(..3);
            }
            if !line.trim_ascii().is_empty() {
                let taken = self.room.take(line.len());
                return Some(self.input(Content::Line(line, taken)));
            }
        }
    }
}
