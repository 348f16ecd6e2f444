//! Verification: reads all of a collection and compares it with its checksums.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::handle::within;
use super::log::Log;
use super::manifest::{COPY, Manifest};
use super::segment::Segment;
use super::storage::{Folder, Storage};
use crate::error::{Error, Result};
use crate::exec::Executor;

/// How often the copy of the manifest is compared, and the pause in between.
const COPY_CHECKS: u32 = 6;
const COPY_PAUSE: Duration = Duration::from_millis(10);

/// The result of a verification.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct VerifyReport {
    /// The current generation.
    pub generation: u64,
    /// The number of files that are intact.
    pub files: u64,
    /// The damage, file by file; empty if the collection is intact.
    pub damage: Vec<String>,
    /// Bytes at the end of the log that belong to no acknowledged operation: a crash has interrupted it,
    /// or it is being written.
    pub unfinished_bytes: u64,
}

impl VerifyReport {
    /// Fails with the first damage, if there is any.
    ///
    /// # Errors
    /// [`Corrupt`](crate::ErrorKind::Corrupt).
    pub fn check(&self) -> Result<()> {
        self.damage.first().map_or(Ok(()), |damage| {
            Err(Error::corrupt(format!(
                "{damage}: `repair` saves what is sound"
            )))
        })
    }
}

/// Reads every file of a collection and compares it with the manifest; finds every changed bit. Cost:
/// reading and hashing all of it twice. A writer may be active, but files that it removes meanwhile are
/// reported as missing.
///
/// # Errors
/// [`Io`](crate::ErrorKind::Io) if there is no collection, and as
/// [`Collection::open`](super::Collection::open) if its manifest is damaged. Damage of other files is in the
/// report.
///
/// ```
/// # let (folder, writer, print) = leakprint::example::collection()?;
/// # let path = writer.collection().path().to_owned();
/// # use leakprint::collection::NewItem;
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
    for segment in &manifest.segments {
        match Segment::verify(storage, segment, &manifest.recipe, exec) {
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
    match check_copy(storage, manifest) {
        Ok(true) => report.files += 1,
        Ok(false) => {}
        Err(e) => report.damage.push(e.to_string()),
    }
    Ok(report)
}

/// Fails if the copy of the manifest differs from it; returns false if there is no copy, which does no
/// harm.
fn check_copy(storage: &dyn Storage, mut manifest: Manifest) -> Result<bool> {
    for last in (0..COPY_CHECKS).map(|check| check + 1 == COPY_CHECKS) {
        let copy = match Manifest::read_from(storage, COPY) {
            Ok(copy) if copy == manifest => return Ok(true),
            Ok(copy) => copy,
            Err(e) if is_missing(&e) => return Ok(false),
            Err(e) => return Err(e),
        };
        if last {
            let message = format!(
                "the copy has generation {} and the manifest {}, and they are not the same: \
                 `repair`, or the next merge, rewrites it",
                copy.generation, manifest.generation
            );
            return Err(Error::corrupt(message).with_path(COPY));
        }
        // A writer may have written only one of them yet, or both since.
        std::thread::sleep(COPY_PAUSE);
        manifest = Manifest::read(storage)?;
    }
    Ok(false)
}

fn is_missing(e: &Error) -> bool {
    let source = std::error::Error::source(e);
    let source = source.and_then(|source| source.downcast_ref::<std::io::Error>());
    source.is_some_and(|source| source.kind() == std::io::ErrorKind::NotFound)
}
