//! Where the answers of `match` go: standard output, a file, or the rest of a file.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::Failure;

/// Takes one answer after the other.
pub(crate) enum Answers {
    Output(BufWriter<io::Stdout>),
    File(PathBuf, BufWriter<File>),
    Continued(Continued),
}

/// A file that an earlier run may have written in part. As long as it holds the answers that come
/// anyhow it is not touched; what differs, half a line or the answer to a query that has changed,
/// is cut off with all that follows.
pub(crate) struct Continued {
    path: PathBuf,
    /// What is there and not compared yet.
    old: Option<BufReader<File>>,
    new: BufWriter<File>,
    /// Where the next answer goes.
    at: u64,
}

impl Answers {
    /// To standard output, or to a file that is replaced.
    pub(crate) fn new(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path else {
            return Ok(Self::Output(BufWriter::new(io::stdout())));
        };
        let file = File::create(path).map_err(unwritable(path))?;
        Ok(Self::File(path.to_owned(), BufWriter::new(file)))
    }

    /// To a file behind what it has of them already.
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
            // Not renamed: a reader that went away is told by its error.
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

    /// Behind the last answer: what an earlier run had beyond it is cut off.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        self.flush()?;
        if let Self::Continued(continued) = self
            && continued.old.is_some()
        {
            let cut = continued.new.get_ref().set_len(continued.at);
            cut.map_err(unwritable(&continued.path))?;
        }
        Ok(())
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
