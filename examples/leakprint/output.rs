//! What a command writes: JSON lines, error lists, a progress line.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};
use leakprint::Error;
use serde::Serialize;

use crate::Failure;

/// Why one input could not be read, as the JSON lines say it.
#[derive(Serialize)]
pub(crate) struct ErrorLine {
    kind: &'static str,
    message: String,
}

impl From<&Error> for ErrorLine {
    fn from(error: &Error) -> Self {
        Self {
            kind: error.kind().as_str(),
            message: error.to_string(),
        }
    }
}

/// Writes one value as a JSON line.
pub(crate) fn json_line(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}

/// Where failures of single inputs go: a file of JSON lines, or standard error.
pub(crate) struct Errors {
    file: Option<BufWriter<File>>,
    pub(crate) count: u64,
}

#[derive(Serialize)]
struct Failed<'a> {
    path: &'a str,
    part: &'a str,
    error: ErrorLine,
}

impl Errors {
    pub(crate) fn new(path: Option<&PathBuf>) -> Result<Self, Failure> {
        let file = path.map(|p| create(p)).transpose()?;
        Ok(Self { file, count: 0 })
    }

    /// `part` is empty when the whole input failed.
    pub(crate) fn report(
        &mut self,
        name: &str,
        part: &str,
        kind: &'static str,
        message: String,
    ) -> io::Result<()> {
        self.count += 1;
        match &mut self.file {
            Some(file) => {
                let error = ErrorLine { kind, message };
                json_line(
                    file,
                    &Failed {
                        path: name,
                        part,
                        error,
                    },
                )
            }
            None => {
                let hash = if part.is_empty() { "" } else { "#" };
                eprintln!("{name}{hash}{part}: {kind}: {message}");
                Ok(())
            }
        }
    }

    pub(crate) fn finish(self) -> io::Result<()> {
        match self.file {
            Some(mut file) => file.flush(),
            None => Ok(()),
        }
    }
}

fn create(path: &Path) -> Result<BufWriter<File>, Failure> {
    match File::create(path) {
        Ok(file) => Ok(BufWriter::new(file)),
        Err(e) => Err(format!("{}: cannot write: {e}", path.display()).into()),
    }
}

/// A line of progress with count and rate; shown on a terminal only.
pub(crate) fn progress(what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) =
        ProgressStyle::with_template("{spinner} {msg}: {human_pos} done, {per_sec}, {elapsed}")
    {
        bar.set_style(style);
    }
    bar.set_message(what);
    bar.enable_steady_tick(std::time::Duration::from_millis(120));
    bar
}

/// Whether the reader of standard output went away.
pub(crate) fn is_broken_pipe(failure: &(dyn std::error::Error + 'static)) -> bool {
    failure
        .downcast_ref::<io::Error>()
        .is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
}
