//! `--resume`: uses the result of an earlier run for an input that has not changed.

use std::path::{Path, PathBuf};

use indicatif::ProgressBar;
use leakprint::{Digest, Error, ErrorKind, Limits, Warning};
use serde::Serialize;

use crate::Failure;
use crate::input::{Input, read_file};
use crate::journal::{Appender, Entry, Journal, Key, Locked, MAX_PAYLOAD, Record, State};
use crate::output::note;
use crate::settings::Settings;
use crate::stamp::Stamp;

/// The result of a command for an input, as a journal stores it.
pub(crate) trait Payload: Sized {
    /// The input's name.
    fn name(&self) -> &str;
    /// Returns `None` for a result that may differ when the input is processed again.
    fn pack(&self) -> Option<Vec<u8>>;
    /// Returns `None` for bytes that this build does not write, or a result that is no longer valid.
    fn unpack(bytes: &[u8]) -> Option<Self>;
}

/// A result for an input, and where it comes from.
pub(crate) struct Known<T> {
    pub(crate) value: T,
    source: Source,
    kept: Kept,
}

#[derive(Clone, Copy)]
enum Source {
    Fresh,
    SameTime,
    SameDigest,
}

enum Kept {
    /// Nothing is stored.
    Nothing,
    /// A record of the journal is still valid: its offset and its size in bytes.
    Used(u64, u64),
    New(Record),
}

/// The number of inputs by where their results come from.
#[derive(Clone, Copy, Default, Serialize)]
pub(crate) struct Tally {
    by_time: u64,
    by_digest: u64,
    afresh: u64,
}

/// A journal in use.
pub(crate) struct Resume {
    pub(crate) journal: Journal,
    pub(crate) keeper: Keeper,
}

/// Writes the journal, in the order of the inputs.
pub(crate) struct Keeper {
    path: PathBuf,
    appender: Appender,
    pub(crate) tally: Tally,
}

/// What to do about a journal of other settings.
pub(crate) enum Otherwise<'a> {
    DoAgain,
    /// The output was made with these settings too.
    Refuse(&'a Path),
}

/// Returns the path of the journal of an output.
pub(crate) fn journal_path(output: &Path) -> PathBuf {
    let mut path = output.as_os_str().to_owned();
    path.push(".resume");
    path.into()
}

impl Resume {
    /// Returns the part that any thread reads, and the part that is written in order.
    pub(crate) fn parts(resume: Option<&mut Self>) -> (Option<&Journal>, Option<&mut Keeper>) {
        match resume {
            Some(Self { journal, keeper }) => (Some(journal), Some(keeper)),
            None => (None, None),
        }
    }

    /// Continues with a journal, or reports on standard error why it cannot.
    pub(crate) fn begin(
        path: &Path,
        locked: Locked,
        settings: &Settings,
        otherwise: &Otherwise<'_>,
    ) -> Result<Self, Failure> {
        let shown = path.display();
        let differences = locked.settings().map(|known| settings.differences(known));
        match (locked.state(), differences, otherwise) {
            (State::Unreadable, ..) => note(&format!(
                "{shown}: damaged at its beginning, or of another version: everything is processed again"
            )),
            (_, Some(what), Otherwise::DoAgain) if !what.is_empty() => note(&format!(
                "{shown}: made with another {what}: everything is processed again"
            )),
            (_, Some(what), Otherwise::Refuse(output)) if !what.is_empty() => {
                return Err(format!(
                    "{shown}: made with another {what}: to match everything again remove it and {}, \
                     or give another file with -o",
                    output.display()
                )
                .into());
            }
            _ => {}
        }
        let (journal, appender) = locked.begin(settings)?;
        if journal.lost > 0 {
            let lost = journal.lost;
            note(&format!(
                "{shown}: {lost} bytes are damaged: their inputs are processed again"
            ));
        }
        Ok(Self {
            journal,
            keeper: Keeper {
                path: path.to_owned(),
                appender,
                tally: Tally::default(),
            },
        })
    }

    /// Ends a run that has processed all inputs, and reports how many results were reused.
    pub(crate) fn finish(self, done: &str) -> Result<Tally, Failure> {
        let Keeper {
            path,
            appender,
            tally,
        } = self.keeper;
        let shown = path.display();
        let damaged = self.journal.damaged();
        if damaged > 0 {
            note(&format!(
                "{shown}: {damaged} records were damaged and are made again"
            ));
        }
        appender.finish(&self.journal)?;
        let Tally {
            by_time,
            by_digest,
            afresh,
        } = tally;
        note(&format!(
            "{shown}: {} unchanged, {by_digest} of them by digest, {afresh} {done}",
            by_time + by_digest
        ));
        Ok(tally)
    }
}

impl Keeper {
    /// Stores the result for the next input.
    pub(crate) fn keep<T>(&mut self, known: Known<T>) -> Result<T, Failure> {
        match known.source {
            Source::Fresh => self.tally.afresh += 1,
            Source::SameTime => self.tally.by_time += 1,
            Source::SameDigest => self.tally.by_digest += 1,
        }
        match known.kept {
            Kept::Nothing => {}
            Kept::Used(at, bytes) => self.appender.used(at, bytes),
            Kept::New(record) => self.appender.append(&record)?,
        }
        Ok(known.value)
    }
}

/// Stores the result for the next input, if there is a journal, and shows how many were reused.
pub(crate) fn kept<T>(
    keeper: &mut Option<&mut Keeper>,
    known: Known<T>,
    bar: &ProgressBar,
    what: &str,
) -> Result<T, Failure> {
    let Some(keeper) = keeper else {
        return Ok(known.value);
    };
    let value = keeper.keep(known)?;
    bar.set_message(format!("{what}, {} unchanged", keeper.tally.unchanged()));
    Ok(value)
}

impl Tally {
    /// Returns the number of inputs whose results were reused.
    pub(crate) fn unchanged(&self) -> u64 {
        self.by_time + self.by_digest
    }
}

/// Returns the stored result for an input, or makes it. May run on any thread.
pub(crate) fn known_or<T: Payload>(
    journal: Option<&Journal>,
    input: Input,
    limits: &Limits,
    make: impl FnOnce(Input) -> T,
) -> Known<T> {
    match journal {
        Some(journal) if input.line().is_some() => known_line(journal, input, make),
        Some(journal) => known_file(journal, input, limits, make),
        None => fresh(make(input)),
    }
}

fn fresh<T>(value: T) -> Known<T> {
    Known {
        value,
        source: Source::Fresh,
        kept: Kept::Nothing,
    }
}

fn known_line<T: Payload>(
    journal: &Journal,
    input: Input,
    make: impl FnOnce(Input) -> T,
) -> Known<T> {
    let digest = Digest::of_bytes(input.line().unwrap_or_default());
    let key = journal.key_of_line(&digest);
    if let Some(entry) = journal.find(&key)
        && entry.digest == digest
        && let Some(value) = T::unpack(&entry.payload)
    {
        return Known {
            value,
            source: Source::SameDigest,
            kept: Kept::Used(entry.at, entry.bytes()),
        };
    }
    let by_place = input.name().to_owned();
    let mut known = fresh(make(input));
    // A line without an id is named by its position, which may change until the next run.
    if known.value.name() != by_place {
        known.kept = keep(key, Stamp::default(), digest, &known.value);
    }
    known
}

fn known_file<T: Payload>(
    journal: &Journal,
    input: Input,
    limits: &Limits,
    make: impl FnOnce(Input) -> T,
) -> Known<T> {
    let Some(path) = input.file() else {
        return fresh(make(input));
    };
    let key = journal.key_of_file(input.name());
    let mut known = journal.find(&key).and_then(|entry| {
        let value = T::unpack(&entry.payload)?;
        (value.name() == input.name()).then_some((entry, value))
    });
    let before = Stamp::of(path).ok();
    if let Some((entry, value)) =
        known.take_if(|(entry, _)| before.is_some_and(|now| entry.stamp.is_unchanged(&now)))
    {
        return Known {
            value,
            source: Source::SameTime,
            kept: Kept::Used(entry.at, entry.bytes()),
        };
    }
    // `make` reports the error of a file that cannot be read.
    let Ok(bytes) = read_file(path, limits) else {
        return fresh(make(input));
    };
    let digest = Digest::of_bytes(&bytes);
    // If the file changed while it was read, the digest may belong to neither content.
    let after = Stamp::of(path).ok();
    let stamp = before.filter(|before| after.is_some_and(|after| after.same_times(before)));
    if let Some((entry, value)) = known.filter(|(entry, _)| entry.digest == digest) {
        return Known {
            value,
            source: Source::SameDigest,
            kept: kept_on(key, stamp, entry),
        };
    }
    let mut known = fresh(make(input.with_bytes(bytes)));
    if let Some(stamp) = stamp {
        known.kept = keep(key, stamp, digest, &known.value);
    }
    known
}

/// Keeps the record of the same content, with the current times if these prove that it is unchanged.
fn kept_on(key: Key, stamp: Option<Stamp>, entry: Entry) -> Kept {
    match stamp.filter(|stamp| *stamp != entry.stamp) {
        None => Kept::Used(entry.at, entry.bytes()),
        Some(stamp) => Kept::New(Record {
            key,
            stamp,
            digest: entry.digest,
            payload: entry.payload,
        }),
    }
}

fn keep(key: Key, stamp: Stamp, digest: Digest, value: &impl Payload) -> Kept {
    match value.pack().filter(|bytes| bytes.len() <= MAX_PAYLOAD) {
        None => Kept::Nothing,
        Some(payload) => Kept::New(Record {
            key,
            stamp,
            digest,
            payload,
        }),
    }
}

/// Returns whether an error depends on the input alone, not on the disk or on how busy the machine was.
pub(crate) fn is_settled(error: &Error) -> bool {
    settled_kind(error.kind().as_str(), error.message()).is_some()
}

/// As [`is_settled`], for all warnings.
pub(crate) fn are_settled(warnings: &[Warning]) -> bool {
    let mut warnings = warnings.iter();
    warnings.all(|warning| settled_kind(&warning.kind, &warning.message).is_some())
}

/// Returns the kind of a settled error.
pub(crate) fn settled_kind(kind: &str, message: &str) -> Option<ErrorKind> {
    use ErrorKind::{Empty, Limit, Malformed, Unsupported};
    let kind = kind.parse().ok()?;
    let settled = match kind {
        Empty | Unsupported | Malformed => true,
        Limit => !message.contains("time_ms"),
        _ => false,
    };
    settled.then_some(kind)
}
