//! Reading all of a collection to see whether it is what was written.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::log::Log;
use super::manifest::{COPY, Manifest};
use super::reader::within;
use super::segment::Segment;
use super::storage::{Folder, Storage};
use crate::error::{Error, Result};
use crate::exec::Executor;

/// What was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct VerifyReport {
    /// The generation in force.
    pub generation: u64,
    /// Files that are all as they were written.
    pub files: u64,
    /// What is wrong, file by file; empty if the collection is sound.
    pub damage: Vec<String>,
    /// Bytes at the end of the log that belong to no operation that was acknowledged: one that
    /// a crash interrupted, or one that is under way.
    pub unfinished_bytes: u64,
}

/// Reads every file of a collection and compares it with what the manifest says; every changed
/// bit is found. Time is that of reading and hashing it twice. A writer may go on meanwhile, but
/// what it removes is then reported as missing.
///
/// # Errors
/// [`Io`](crate::ErrorKind::Io) if there is no collection, and as
/// [`Collection::open`](super::Collection::open) if its manifest is damaged. Damage of other files is in the
/// report.
///
/// ```
/// # use leakprint::collection::{CollectionWriter, NewItem, WriterOptions};
/// # let memo = "The winter slate moves by six weeks, and Lighthouse opens in fourteen territories \
/// #     with no press screening before the Wednesday, even though it tested at seventy-one.";
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("leak.collection");
/// # let writer = CollectionWriter::open(&path, WriterOptions::default())?;
/// # let print = writer.collection().fingerprinter()?.fingerprint_text(memo)?;
/// use leakprint::Executor;
/// use leakprint::collection::verify;
///
/// writer.add(NewItem::new("memo.txt", print))?;
/// let report = verify(&path, &Executor::serial())?;
/// assert!(report.damage.is_empty());
/// # let log = std::fs::read_dir(&path).unwrap().map(|e| e.unwrap().path());
/// # let log = log.filter(|p| p.extension().is_some_and(|e| e == "log")).next().unwrap();
/// let mut bytes = std::fs::read(&log).unwrap();
/// bytes[100] ^= 1;
/// std::fs::write(&log, bytes).unwrap();
/// assert_eq!(verify(&path, &Executor::serial())?.damage.len(), 1);
/// # Ok::<(), leakprint::Error>(())
/// ```
pub fn verify(path: impl AsRef<Path>, exec: &Executor) -> Result<VerifyReport> {
    let path = path.as_ref();
    verify_on(&Folder::new(path), exec).map_err(|e| within(path, e))
}

pub(super) fn verify_on(storage: &dyn Storage, exec: &Executor) -> Result<VerifyReport> {
    let manifest = Manifest::read(storage)?;
    let mut report = VerifyReport {
        generation: manifest.generation,
        files: 1,
        ..VerifyReport::default()
    };
    match Manifest::read_from(storage, COPY) {
        // It may be late, or not there yet.
        Ok(copy) if copy.generation < manifest.generation || copy == manifest => report.files += 1,
        Ok(_) => report
            .damage
            .push(format!("{COPY}: it is no copy of the manifest")),
        Err(e) if is_missing(&e) => {}
        Err(e) => report.damage.push(e.to_string()),
    }
    for segment in &manifest.segments {
        match Segment::verify(storage, segment, exec) {
            Ok(()) => report.files += segment.files.len() as u64,
            Err(e) => report.damage.push(e.to_string()),
        }
    }
    for &number in &manifest.logs {
        match Log::read(storage, number) {
            Ok(log) => {
                report.files += 1;
                report.unfinished_bytes += log.torn();
            }
            Err(e) => report.damage.push(e.to_string()),
        }
    }
    Ok(report)
}

fn is_missing(e: &Error) -> bool {
    let source = std::error::Error::source(e);
    let source = source.and_then(|source| source.downcast_ref::<std::io::Error>());
    source.is_some_and(|source| source.kind() == std::io::ErrorKind::NotFound)
}
