//! What a command reads: files and folders in sorted order, texts from JSON lines.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use leakprint::{Error, ErrorKind, Fingerprint, Fingerprinter, Key, Limits, Result};
use serde::Deserialize;

/// The longest line of a JSON-lines file.
const MAX_LINE: u64 = 64 << 20;

/// One thing to index or to match.
pub(crate) struct Input {
    pub(crate) name: String,
    content: Content,
}

enum Content {
    File(PathBuf),
    Text(String),
    Unreadable(Error),
}

impl Input {
    /// Reads and fingerprints it.
    pub(crate) fn fingerprint(self, fingerprinter: &Fingerprinter) -> Result<Fingerprint> {
        match self.content {
            Content::File(path) => {
                let bytes = read_file(&path, fingerprinter.limits())?;
                fingerprinter.fingerprint(&bytes, path.to_str())
            }
            Content::Text(text) => fingerprinter.fingerprint_text(&text),
            Content::Unreadable(error) => Err(error),
        }
    }
}

/// Reads a whole file, unless it is larger than the limit.
pub(crate) fn read_file(path: &Path, limits: &Limits) -> Result<Vec<u8>> {
    let io = |e: io::Error| Error::io("cannot read", e);
    let metadata = fs::metadata(path).map_err(io)?;
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

/// Reads a key file.
pub(crate) fn read_key(path: &Path) -> Result<Key> {
    let bytes = read_file(path, &Limits::default()).map_err(|e| e.with_path(path))?;
    Key::from_file_bytes(&bytes).map_err(|e| e.with_path(path))
}

/// All inputs, one after the other; nothing is read before its turn.
pub(crate) fn inputs<'a>(
    paths: &'a [PathBuf],
    base: &'a Path,
    jsonl: &'a [PathBuf],
) -> impl Iterator<Item = Input> + 'a {
    let files = paths.iter().flat_map(move |path| {
        Walk::new(path.clone()).map(move |entry| match entry {
            Ok(path) => Input {
                name: name_of(&path, base),
                content: Content::File(path),
            },
            Err((path, e)) => Input {
                name: name_of(&path, base),
                content: Content::Unreadable(Error::io("cannot read", e)),
            },
        })
    });
    files.chain(jsonl.iter().flat_map(|path| Lines::open(path)))
}

/// The path relative to `base` with `/`; as given where it does not lie below.
fn name_of(path: &Path, base: &Path) -> String {
    let absolute = |p: &Path| {
        let p = std::path::absolute(p).unwrap_or_else(|_| p.to_owned());
        // "a/./b" and "a/b" are one place; ".." is left, it may cross a link.
        p.components().collect::<PathBuf>()
    };
    let full = absolute(path);
    let relative = full.strip_prefix(absolute(base)).unwrap_or(path);
    let names: Vec<_> = relative
        .components()
        .map(|c| c.as_os_str().to_string_lossy())
        .collect();
    names.join("/")
}

/// The files below a path, depth first, every folder sorted by name. Links to
/// folders are not followed, so that a walk always ends.
struct Walk {
    /// What is still to be visited, last first.
    stack: Vec<PathBuf>,
    root: Option<PathBuf>,
}

impl Walk {
    fn new(root: PathBuf) -> Self {
        Self {
            stack: vec![root.clone()],
            root: Some(root),
        }
    }
}

impl Iterator for Walk {
    type Item = Result<PathBuf, (PathBuf, io::Error)>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(path) = self.stack.pop() {
            let is_root = self.root.take().is_some();
            let metadata = if is_root {
                fs::metadata(&path)
            } else {
                fs::symlink_metadata(&path)
            };
            let is_folder = match metadata {
                Ok(metadata) => metadata.is_dir(),
                Err(e) => return Some(Err((path, e))),
            };
            if !is_folder {
                return Some(Ok(path));
            }
            let listing: io::Result<Vec<PathBuf>> = fs::read_dir(&path)
                .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
            match listing {
                Ok(mut children) => {
                    children.sort_unstable_by(|a, b| b.cmp(a));
                    self.stack.append(&mut children);
                }
                Err(e) => return Some(Err((path, e))),
            }
        }
        None
    }
}

/// The texts of a JSON-lines file.
struct Lines {
    path: PathBuf,
    reader: Option<Box<dyn BufRead>>,
    number: u64,
}

#[derive(Deserialize)]
struct Line {
    id: String,
    text: String,
}

impl Lines {
    fn open(path: &Path) -> Box<dyn Iterator<Item = Input>> {
        let opened: io::Result<Box<dyn BufRead>> = if path == Path::new("-") {
            Ok(Box::new(BufReader::new(io::stdin())))
        } else {
            File::open(path).map(|file| Box::new(BufReader::new(file)) as _)
        };
        match opened {
            Ok(reader) => Box::new(Self {
                path: path.to_owned(),
                reader: Some(reader),
                number: 0,
            }),
            Err(e) => Box::new(std::iter::once(Input {
                name: path.display().to_string(),
                content: Content::Unreadable(Error::io("cannot read", e)),
            })),
        }
    }

    fn bad(&self, error: Error) -> Input {
        Input {
            name: format!("{}:{}", self.path.display(), self.number),
            content: Content::Unreadable(error),
        }
    }
}

impl Iterator for Lines {
    type Item = Input;

    fn next(&mut self) -> Option<Input> {
        let mut line = Vec::new();
        loop {
            self.number += 1;
            line.clear();
            let reader = self.reader.as_mut()?;
            let read = reader.take(MAX_LINE).read_until(b'\n', &mut line);
            match read {
                Ok(0) => return None,
                Ok(_) => {}
                Err(e) => {
                    self.reader = None;
                    return Some(self.bad(Error::io("cannot read", e)));
                }
            }
            if line.len() as u64 == MAX_LINE && line.last() != Some(&b'\n') {
                // Without line ends in reach there is no next line to go on with.
                self.reader = None;
                let message = format!("a line of more than {MAX_LINE} bytes; the rest is not read");
                return Some(self.bad(Error::new(ErrorKind::Limit, message)));
            }
            if !line.trim_ascii().is_empty() {
                break;
            }
        }
        Some(match serde_json::from_slice::<Line>(&line) {
            Ok(Line { id, text }) => Input {
                name: id,
                content: Content::Text(text),
            },
            Err(e) => self.bad(Error::new(
                ErrorKind::Malformed,
                format!("not a line {{\"id\": \"...\", \"text\": \"...\"}}: {e}"),
            )),
        })
    }
}
