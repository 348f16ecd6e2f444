//! Reading posts, and matching each of them.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read as _};
use std::path::{Component, Path, PathBuf};

use leakprint::{Error, ErrorKind, Evidence, Match, Matcher, Result, Strength};
use serde::{Deserialize, Serialize};

/// Maximum length of a line, in bytes.
const MAX_LINE: u64 = 16 << 20;

/// Maximum number of media per post that are matched.
const MAX_MEDIA: usize = 64;

/// A post.
#[derive(Deserialize)]
pub(crate) struct Post {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) account: String,
    #[serde(default)]
    pub(crate) time: String,
    #[serde(default)]
    pub(crate) text: String,
    #[serde(default)]
    pub(crate) media: Vec<String>,
}

/// A line of the input.
pub(crate) struct Line {
    number: u64,
    length: u64,
    pub(crate) post: Result<Post>,
}

impl Line {
    /// The post's identifier, or the line number if the line is not a post.
    pub(crate) fn id(&self) -> String {
        match &self.post {
            Ok(post) => post.id.clone(),
            Err(_) => format!("line {}", self.number),
        }
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn length(&self) -> u64 {
        self.length
    }
}

/// A file of posts, read line by line.
pub(crate) struct Posts {
    reader: BufReader<File>,
    path: PathBuf,
    number: u64,
    bytes: u64,
}

impl Posts {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let named = |e| Error::io("cannot read", e).with_path(path);
        let file = File::open(path).map_err(named)?;
        Ok(Self {
            bytes: file.metadata().map_err(named)?.len(),
            reader: BufReader::new(file),
            path: path.to_owned(),
            number: 0,
        })
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Iterator for Posts {
    type Item = Result<Line>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let mut line = Vec::new();
            let read = (&mut self.reader)
                .take(MAX_LINE)
                .read_until(b'\n', &mut line);
            let length = match read {
                Ok(0) => return None,
                Ok(length) => length as u64,
                Err(e) => return Some(Err(Error::io("cannot read", e).with_path(&self.path))),
            };
            self.number += 1;
            if length == MAX_LINE && line.last() != Some(&b'\n') {
                let message = format!("line {} is longer than 16 MiB", self.number);
                return Some(Err(
                    Error::new(ErrorKind::Limit, message).with_path(&self.path)
                ));
            }
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let post = serde_json::from_slice(&line).map_err(|e| {
                let message = format!("line {} is not a post: {e}", self.number);
                Error::new(ErrorKind::Malformed, message)
            });
            let number = self.number;
            return Some(Ok(Line {
                number,
                length,
                post,
            }));
        }
    }
}

/// A piece of evidence, and where in the post it was found.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Located {
    /// `text`, or the path of the media.
    #[serde(rename = "in")]
    pub(crate) source: String,
    #[serde(flatten)]
    pub(crate) evidence: Evidence,
}

/// An item that was found in a post.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct PostMatch {
    pub(crate) item: String,
    pub(crate) score: f64,
    pub(crate) strength: Strength,
    pub(crate) evidence: Vec<Located>,
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Problem {
    kind: String,
    pub(crate) message: String,
}

/// A line of the output.
#[derive(Serialize, Deserialize)]
pub(crate) struct Found {
    pub(crate) post: String,
    pub(crate) account: String,
    pub(crate) time: String,
    pub(crate) matches: Vec<PostMatch>,
    pub(crate) error: Option<Problem>,
}

/// Matches a post. A part that cannot be read is reported, and does not affect the other parts.
pub(crate) fn find(matcher: &Matcher, base: &Path, line: Line) -> Found {
    let mut found = Found {
        post: line.id(),
        account: String::new(),
        time: String::new(),
        matches: Vec::new(),
        error: None,
    };
    let problem = |e: &Error| Problem {
        kind: e.kind().as_str().to_owned(),
        message: e.to_string(),
    };
    let post = match line.post {
        Ok(post) => post,
        Err(e) => {
            found.error = Some(problem(&e));
            return found;
        }
    };
    (found.account, found.time) = (post.account, post.time);
    let mut add = |source: &str, matches: Result<Vec<Match>>| match matches {
        Ok(matches) => matches
            .into_iter()
            .for_each(|m| merge(&mut found.matches, source, m)),
        Err(e) => found.error = found.error.take().or_else(|| Some(problem(&e))),
    };
    if !post.text.trim().is_empty() {
        let print = matcher.query_fingerprinter().fingerprint_text(&post.text);
        add("text", print.and_then(|print| matcher.find(&print)));
    }
    for media in post.media.iter().take(MAX_MEDIA) {
        let fingerprinter = matcher.query_fingerprinter();
        let bytes = read_media(base, media, fingerprinter.limits().input_bytes);
        let print = bytes.and_then(|bytes| fingerprinter.fingerprint(&bytes, Some(media)));
        add(media, print.and_then(|print| matcher.find(&print)));
    }
    if post.media.len() > MAX_MEDIA {
        let message = format!(
            "{} media, of which {MAX_MEDIA} were matched",
            post.media.len()
        );
        add("", Err(Error::new(ErrorKind::Limit, message)));
    }
    found
        .matches
        .sort_by(|a, b| b.score.total_cmp(&a.score).then(a.item.cmp(&b.item)));
    found
}

fn merge(all: &mut Vec<PostMatch>, source: &str, m: Match) {
    let located = m.evidence.into_iter().map(|evidence| Located {
        source: source.to_owned(),
        evidence,
    });
    match all.iter_mut().find(|known| known.item == m.item) {
        Some(known) => {
            known.evidence.extend(located);
            known
                .evidence
                .sort_by(|a, b| b.evidence.score().total_cmp(&a.evidence.score()));
            known.score = known.score.max(m.score);
            known.strength = known.strength.max(m.strength);
        }
        None => all.push(PostMatch {
            item: m.item,
            score: m.score,
            strength: m.strength,
            evidence: located.collect(),
        }),
    }
}

/// Reads a media file below `base`; a path that leads outside is refused.
pub(crate) fn read_media(base: &Path, media: &str, max: u64) -> Result<Vec<u8>> {
    let path = Path::new(media);
    if !path
        .components()
        .all(|c| matches!(c, Component::Normal(_) | Component::CurDir))
    {
        let message = "a media path must be below the base folder";
        return Err(Error::new(ErrorKind::InvalidInput, message).with_path(path));
    }
    let named = |e| Error::io("cannot read", e).with_path(path);
    let file = File::open(base.join(path)).map_err(named)?;
    let mut bytes = Vec::new();
    file.take(max.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(named)?;
    if bytes.len() as u64 > max {
        let message = format!("more than {max} bytes");
        return Err(Error::new(ErrorKind::Limit, message).with_path(path));
    }
    Ok(bytes)
}

/// Reads the lines of an output file.
pub(crate) fn read_found(path: &Path) -> Result<impl Iterator<Item = Result<Found>>> {
    let named = |path: PathBuf| move |e| Error::io("cannot read", e).with_path(&path);
    let file = File::open(path).map_err(named(path.to_owned()))?;
    let path = path.to_owned();
    Ok(BufReader::new(file).lines().map(move |line| {
        let line = line.map_err(named(path.clone()))?;
        serde_json::from_str(&line).map_err(|e| {
            let message = format!("not a line written by this program: {e}");
            Error::new(ErrorKind::Malformed, message).with_path(&path)
        })
    }))
}

/// Opens the output of an earlier run to continue it. Returns the file, positioned after its last complete
/// line, and the identifiers of its posts. Truncates an incomplete line.
///
/// # Errors
/// If the file cannot be read or written, or contains anything else, which must not be overwritten.
pub(crate) fn resume(path: &Path) -> Result<(File, Vec<String>)> {
    let named = |e| Error::io("cannot continue", e).with_path(path);
    let file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .open(path)
        .map_err(named)?;
    let (mut complete, mut done) = (0, Vec::new());
    let mut reader = BufReader::new(&file);
    let mut line = Vec::new();
    loop {
        line.clear();
        let length = reader.read_until(b'\n', &mut line).map_err(named)?;
        if line.last() != Some(&b'\n') {
            // An incomplete line, where an earlier run was interrupted.
            let common = line.len().min(LINE_START.len());
            if line[..common] != LINE_START[..common] {
                return Err(foreign(path, done.len() + 1));
            }
            break;
        }
        let Ok(found) = serde_json::from_slice::<Found>(&line) else {
            return Err(foreign(path, done.len() + 1));
        };
        complete += length as u64;
        done.push(found.post);
    }
    drop(reader);
    file.set_len(complete).map_err(named)?;
    Ok((file, done))
}

/// The start of every line.
const LINE_START: &[u8] = b"{\"post\":";

fn foreign(path: &Path, number: usize) -> Error {
    let message = format!(
        "line {number} was not written by this program: leave --resume out to replace the file, or give \
         another one with -o"
    );
    Error::new(ErrorKind::Malformed, message).with_path(path)
}
