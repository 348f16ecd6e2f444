//! The output of commands: JSON lines, error lists, a progress line.

use std::borrow::Cow;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{ProgressBar, ProgressStyle};
use leakprint::lines::ErrorLine;
use leakprint::{Error, Warning};
use serde::Serialize;

use crate::Failure;
use crate::advice::explained_message;
use crate::input::Sources;
use crate::sink::Sink;
use crate::writable::{Writes, check_writable, folder_of};

/// Writes one value as a JSON line.
pub(crate) fn json_line(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    // In one write, so that an interrupt leaves no half line.
    let mut line = serde_json::to_vec(value).map_err(io::Error::from)?;
    line.push(b'\n');
    out.write_all(&line)
}

/// Writes one value as JSON over several lines.
pub(crate) fn json_pretty(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value).map_err(io::Error::from)?;
    out.write_all(b"\n")
}

/// The destination of errors of single inputs: a file of JSON lines, or standard error.
pub(crate) struct Errors {
    file: Option<(PathBuf, Sink)>,
    /// Inputs that could not be read.
    pub(crate) failed: u64,
    /// Parts of inputs that could not be read.
    pub(crate) warnings: u64,
}

#[derive(Serialize)]
struct Failed<'a> {
    path: &'a str,
    part: &'a str,
    error: ErrorLine,
}

impl Errors {
    /// # Errors
    /// If the file cannot be made, or is one of `others`, which it would overwrite.
    pub(crate) fn new(path: Option<&PathBuf>, others: &[&Path]) -> Result<Self, Failure> {
        let file = path.map(|path| create(path, others)).transpose()?;
        Ok(Self {
            file,
            failed: 0,
            warnings: 0,
        })
    }

    pub(crate) fn is_file(&self) -> bool {
        self.file.is_some()
    }

    /// An input that could not be read.
    pub(crate) fn failed(&mut self, name: &str, error: &Error) -> Result<(), Failure> {
        self.failed += 1;
        self.report(name, "", error.kind().as_str(), error.to_string())
    }

    /// A drawing that could not be made.
    pub(crate) fn undrawn(&mut self, name: &str, error: &Error) -> Result<(), Failure> {
        self.noted(name, format!("no drawing: {error}"))
    }

    /// A warning about an input that was read.
    pub(crate) fn noted(&mut self, name: &str, message: String) -> Result<(), Failure> {
        self.warnings += 1;
        self.report(name, "", "warning", message)
    }

    /// A part of an input that could not be read.
    pub(crate) fn warning(&mut self, name: &str, warning: &Warning) -> Result<(), Failure> {
        self.warnings += 1;
        let part = warning.part.as_str();
        self.report(name, part, "warning", warning.message.clone())
    }

    fn report(
        &mut self,
        name: &str,
        part: &str,
        kind: &'static str,
        message: String,
    ) -> Result<(), Failure> {
        let Some((path, file)) = &mut self.file else {
            let hash = if part.is_empty() { "" } else { "#" };
            let message = explained_message(kind, &message);
            note(&format!("{name}{hash}{part}: {kind}: {message}"));
            return Ok(());
        };
        let error = ErrorLine::new(kind, message);
        let line = Failed {
            path: name,
            part,
            error,
        };
        json_line(file, &line).map_err(|e| format!("{}: cannot write: {e}", path.display()).into())
    }

    pub(crate) fn finish(self) -> Result<(), Failure> {
        match self.file {
            Some((path, file)) => file
                .finish()
                .map_err(|e| format!("{}: cannot write: {e}", path.display()).into()),
            None => Ok(()),
        }
    }
}

/// Fails if what `option` writes is one of `others`, which it would overwrite.
pub(crate) fn check_apart(option: &str, path: &Path, others: &[&Path]) -> Result<(), Failure> {
    // Also for files that do not exist yet.
    let place = |path: &Path| {
        let folder = fs::canonicalize(folder_of(path)).ok()?;
        let named = || Some(folder.join(path.file_name()?));
        fs::canonicalize(path).ok().or_else(named)
    };
    let own = place(path);
    let used = |other: &&Path| place(other) == own;
    if own.is_some() && others.iter().any(used) {
        let message = format!("{option} would overwrite a file that this command uses");
        return Err(format!("{}: {message}", path.display()).into());
    }
    Ok(())
}

fn create(path: &Path, others: &[&Path]) -> Result<(PathBuf, Sink), Failure> {
    check_writable("--errors", path, Writes::InPlace)?;
    check_apart("--errors", path, others)?;
    Ok((path.to_owned(), Sink::file(path)))
}

/// Prints a line on standard error, which may be closed.
pub(crate) fn complain(line: &str) {
    let _ = writeln!(io::stderr(), "{}", printable(line));
}

/// Escapes control characters, so that a file name cannot control the terminal.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return text.into();
    }
    let escaped = text.chars().map(|c| match c {
        c if c.is_control() => c.escape_default().to_string(),
        c => c.to_string(),
    });
    escaped.collect::<String>().into()
}

/// As [`complain`], but prints nothing with `--quiet`.
pub(crate) fn note(line: &str) {
    if !is_quiet() {
        complain(line);
    }
}

/// Whether `--quiet` was given.
static QUIET: AtomicBool = AtomicBool::new(false);

pub(crate) fn set_quiet(quiet: bool) {
    QUIET.store(quiet, Ordering::Relaxed);
}

fn is_quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// A line of progress with count and rate, and with the time left once the files are counted; shown
/// on a terminal only.
pub(crate) fn progress(what: &'static str, sources: &Sources) -> ProgressBar {
    if is_quiet() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    let plain = "{spinner} {msg}: {human_pos} done, {per_sec}, {elapsed}";
    let counted = "{spinner} {msg}: {human_pos} of {human_len}, {per_sec}, {elapsed}, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(plain) {
        bar.set_style(style);
    }
    bar.set_message(what);
    bar.enable_steady_tick(std::time::Duration::from_millis(120));
    // Counting walks over the folders, so only if the progress is visible.
    if let Some(count) = sources.counting().filter(|_| !bar.is_hidden()) {
        let bar = bar.clone();
        std::thread::spawn(move || {
            let count = count();
            if let Ok(style) = ProgressStyle::with_template(counted) {
                bar.set_style(style);
            }
            bar.set_length(count);
        });
    }
    bar
}

/// Returns whether the reader of standard output has closed it.
pub(crate) fn is_broken_pipe(failure: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    failure
        .downcast_ref::<io::Error>()
        .is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
}
