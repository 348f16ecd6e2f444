//! Where the answers of `match` go: standard output, a file, or the rest of a file.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::Failure;
use crate::output::complain;
use crate::sink::Sink;

/// The totals of a run.
#[derive(Clone, Copy, Default)]
pub(crate) struct Outcome {
    /// Queries.
    pub(crate) queries: u64,
    /// Queries that match something.
    pub(crate) matched: u64,
    /// Queries with a part that could not be read.
    pub(crate) unread: u64,
}

impl Outcome {
    /// Returns the exit code of `match --exit-code`. Unread content may match, so "nothing found" is
    /// reported only if everything was read.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self { matched: 1.., .. } => 0,
            Self { unread: 0, .. } => 1,
            Self {
                queries, unread, ..
            } => {
                complain(&format!(
                    "leakprint: nothing found, but {unread} of {queries} could not be read or not in whole"
                ));
                2
            }
        }
    }
}

/// The destination of answers, in order.
pub(crate) enum Answers {
    Output(Sink),
    File(PathBuf, Sink),
    Continued(Continued),
}

/// A file that an earlier run may have written in part. As long as it holds the same answers, it is
/// not written; at the first difference, such as half a line or the answer to a query that has changed,
/// it is truncated.
pub(crate) struct Continued {
    path: PathBuf,
    /// Existing content that is not compared yet.
    old: Option<BufReader<File>>,
    new: BufWriter<File>,
    /// The offset of the next answer.
    at: u64,
}

impl Answers {
    /// Writes to standard output, or to a file that is replaced.
    pub(crate) fn new(path: Option<&Path>) -> Self {
        let Some(path) = path else {
            return Self::Output(Sink::output());
        };
        Self::File(path.to_owned(), Sink::file(path))
    }

    /// Continues a file after the answers that it already holds.
    pub(crate) fn continued(path: &Path) -> Result<Self, Failure> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        let new = options.open(path).map_err(unwritable(path))?;
        let old = File::open(path).map_err(unwritable(path))?;
        Ok(Self::Continued(Continued {
            path: path.to_owned(),
            old: Some(BufReader::new(old)),
            new: BufWriter::new(new),
            at: 0,
        }))
    }

    pub(crate) fn put(&mut self, answer: &[u8]) -> Result<(), Failure> {
        match self {
            // The error is returned as it is, so that a closed pipe is recognised.
            Self::Output(out) => Ok(out.write_all(answer)?),
            Self::File(path, out) => Ok(out.write_all(answer).map_err(unwritable(path))?),
            Self::Continued(continued) => {
                let path = continued.path.clone();
                Ok(continued.put(answer).map_err(unwritable(&path))?)
            }
        }
    }

    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        match self {
            Self::Output(out) => Ok(out.flush()?),
            Self::File(path, out) => Ok(out.flush().map_err(unwritable(path))?),
            Self::Continued(Continued { path, new, .. }) => {
                Ok(new.flush().map_err(unwritable(path))?)
            }
        }
    }

    /// Truncates the file after the last answer.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        self.flush()?;
        match self {
            Self::Output(_) => Ok(()),
            Self::File(path, out) => Ok(out.finish().map_err(unwritable(&path))?),
            Self::Continued(Continued { old: None, .. }) => Ok(()),
            Self::Continued(Continued { path, new, at, .. }) => {
                Ok(new.get_ref().set_len(at).map_err(unwritable(&path))?)
            }
        }
    }
}

impl Continued {
    fn put(&mut self, answer: &[u8]) -> io::Result<()> {
        if let Some(old) = &mut self.old {
            let mut there = Vec::with_capacity(answer.len());
            old.take(answer.len() as u64).read_to_end(&mut there)?;
            if there == answer {
                self.at += answer.len() as u64;
                return Ok(());
            }
            self.old = None;
            self.new.get_ref().set_len(self.at)?;
            self.new.seek(SeekFrom::Start(self.at))?;
        }
        self.new.write_all(answer)
    }
}

fn unwritable(path: &Path) -> impl FnOnce(io::Error) -> String {
    move |e| format!("{}: cannot write: {e}", path.display())
}
