//! `--resume`: what an earlier run found out about an input is taken, if the input is the same.

use std::path::{Path, PathBuf};

use indicatif::ProgressBar;
use leakprint::{Digest, Error, ErrorKind, Limits, Warning};
use serde::Serialize;

use crate::Failure;
use crate::input::{Input, read_file};
use crate::journal::{Appender, Entry, Journal, Key, Locked, MOST_PAYLOAD, Record, State};
use crate::output::note;
use crate::settings::Settings;
use crate::stamp::Stamp;

/// What a command finds out about an input, as a journal keeps it.
pub(crate) trait Payload: Sized {
    /// The input's name.
    fn name(&self) -> &str;
    /// None for what may turn out otherwise when it is done again.
    fn pack(&self) -> Option<Vec<u8>>;
    /// None for what is not what this build packs, or no longer holds.
    fn unpack(bytes: &[u8]) -> Option<Self>;
}

/// Something found out about an input, and how.
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
    /// Nothing is to be kept.
    Nothing,
    /// A record of the journal is good as it is: where it lies, and its bytes.
    Used(u64, u64),
    New(Record),
}

/// How many inputs were known by what.
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

/// What is to be done about a journal of other settings.
pub(crate) enum Otherwise<'a> {
    DoAgain,
    /// The output was made with them too.
    Refuse(&'a Path),
}

/// Where the journal of an output lies.
pub(crate) fn journal_path(output: &Path) -> PathBuf {
    let mut path = output.as_os_str().to_owned();
    path.push(".resume");
    path.into()
}

impl Resume {
    /// What is read by any thread, and what is written in order.
    pub(crate) fn parts(resume: Option<&mut Self>) -> (Option<&Journal>, Option<&mut Keeper>) {
        match resume {
            Some(Self { journal, keeper }) => (Some(journal), Some(keeper)),
            None => (None, None),
        }
    }

    /// Goes on with a journal, and says on standard error if it cannot.
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
                "{shown}: damaged at its beginning, or of another version: everything is done again"
            )),
            (_, Some(what), Otherwise::DoAgain) if !what.is_empty() => note(&format!(
                "{shown}: made with another {what}: everything is done again"
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
                "{shown}: {lost} bytes are damaged: what they held is done again"
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

    /// Ends a run that has come to all of its inputs, and says what it took from earlier ones.
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
    /// Keeps what was found out about the next input.
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

/// Keeps what was found out about the next input, if anything is kept, and shows what was taken.
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
    /// Inputs that nothing had to be done about.
    pub(crate) fn unchanged(&self) -> u64 {
        self.by_time + self.by_digest
    }
}

/// Takes what is known of an input, or makes it: work for any thread.
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
    // What has no name of its own is called by its place, which may be another one next time.
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
        known.take_if(|(entry, _)| before.is_some_and(|now| entry.stamp.vouches_for(&now)))
    {
        return Known {
            value,
            source: Source::SameTime,
            kept: Kept::Used(entry.at, entry.bytes()),
        };
    }
    // Of what cannot be read the usual way says so.
    let Ok(bytes) = read_file(path, limits) else {
        return fresh(make(input));
    };
    let digest = Digest::of_bytes(&bytes);
    // While it was read it must not have changed, or nobody knows what the digest is of.
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

/// A record of the same content: with the times of today, if they can vouch for it.
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
    match value.pack().filter(|bytes| bytes.len() <= MOST_PAYLOAD) {
        None => Kept::Nothing,
        Some(payload) => Kept::New(Record {
            key,
            stamp,
            digest,
            payload,
        }),
    }
}

/// Whether an error says something about the input alone: not about the disk it lies on, nor about
/// the time that a busy machine took for it.
pub(crate) fn is_settled(error: &Error) -> bool {
    settled_kind(error.kind().as_str(), error.message()).is_some()
}

/// As [`is_settled`], of all of them.
pub(crate) fn are_settled(warnings: &[Warning]) -> bool {
    let mut warnings = warnings.iter();
    warnings.all(|warning| settled_kind(&warning.kind, &warning.message).is_some())
}

/// The kind of a settled error.
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
