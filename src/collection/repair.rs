//! Repairing a damaged collection: saves its undamaged items.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::codec::Encoder;
use super::handle::within;
use super::log::{self, Log, LogWriter};
use super::manifest::{COPY, FileKind, MANIFEST, Manifest, SegmentEntry, number_of};
use super::merge::Plan;
use super::record::Record;
use super::records::{Records, scan};
use super::segment::{Segment, hash_file};
use super::state::Operation;
use super::storage::{Folder, Storage};
use crate::error::{Error, ErrorKind, Result};
use crate::exec::Executor;
use crate::index::{Bytes, Index};

/// Bytes of operations that go to one frame of the new log.
const FRAME: usize = 16 << 20;

/// Something that could not be saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Lost {
    /// The file that is damaged.
    pub file: String,
    /// The item, if its name is still known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// What is lost.
    pub what: String,
}

/// What repairing did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RepairReport {
    /// The current generation.
    pub generation: u64,
    /// Whether anything was changed at all.
    pub repaired: bool,
    /// Items saved from damaged segments.
    pub saved: u64,
    /// Items whose record is lost, and other losses.
    pub lost: Vec<Lost>,
    /// Damaged files that were renamed, by their new names.
    pub set_aside: Vec<String>,
}

/// Saves the undamaged items of a collection, under the writer's lock, and lists what is lost.
/// Damaged files are renamed to names that end in `.damaged`. A copy of the manifest that differs
/// from it is rewritten. An undamaged collection is not changed.
///
/// # Errors
/// [`Locked`](crate::ErrorKind::Locked) while it has a writer,
/// [`Corrupt`](crate::ErrorKind::Corrupt) if both the manifest and its copy are lost, since no
/// other file says what was removed; [`Version`](crate::ErrorKind::Version) for files of a newer
/// build; [`Io`](crate::ErrorKind::Io) if it cannot be written, or if a file cannot be read for a
/// reason other than damage, such as missing permission.
///
/// ```
/// # let (folder, writer, print) = leakprint::example::collection()?;
/// # let memo = leakprint::example::MEMO;
/// # let path = writer.collection().path().to_owned();
/// # use leakprint::collection::NewItem;
/// use leakprint::collection::repair;
/// use leakprint::{Collection, ErrorKind, Executor};
///
/// writer.add(NewItem::new("memo.txt", print))?;
/// drop(writer);
/// std::fs::write(path.join("manifest"), b"").unwrap();
/// assert_eq!(Collection::open(&path).unwrap_err().kind(), ErrorKind::Corrupt);
/// let report = repair(&path, &Executor::serial())?;
/// assert_eq!((report.repaired, report.lost[0].file.as_str()), (true, "manifest"));
/// assert_eq!(Collection::open(&path)?.snapshot().find_text(memo)?.len(), 1);
/// # Ok::<(), leakprint::Error>(())
/// ```
pub fn repair(path: impl AsRef<Path>, exec: &Executor) -> Result<RepairReport> {
    let path = path.as_ref();
    repair_on(&Folder::new(path), exec).map_err(|e| within(path, e))
}

pub(super) fn repair_on(storage: &dyn Storage, exec: &Executor) -> Result<RepairReport> {
    let _claim = storage.lock()?;
    let mut report = RepairReport::default();
    let (mut manifest, from_copy) = match Manifest::read(storage) {
        Ok(manifest) => (manifest, false),
        Err(e) if !is_damage(&e) => return Err(e),
        Err(e) => {
            let copy = Manifest::read_from(storage, COPY).map_err(|copy| {
                Error::corrupt(format!(
                    "neither the manifest nor its copy can be read, and no other file says what was \
                     removed: restore a backup ({e}; {copy})"
                ))
            })?;
            lose(&mut report, MANIFEST, None, "replaced by its copy");
            (copy, true)
        }
    };
    let names = storage
        .list()
        .map_err(|e| Error::io("cannot list the folder", e))?;
    if from_copy {
        // An older copy does not name the last log, which has the latest acknowledged changes.
        let last = manifest.logs.last().copied().unwrap_or_default();
        let mut later: Vec<u64> = names
            .iter()
            .filter(|name| name.ends_with(".log"))
            .filter_map(|name| number_of(name).filter(|&number| number > last))
            .collect();
        later.sort_unstable();
        manifest.logs.extend(later);
    }
    let read = manifest.clone();
    manifest.pass_over(&names);

    let mut damaged = Vec::new();
    for entry in std::mem::take(&mut manifest.segments) {
        match Segment::verify(storage, &entry, &manifest.recipe, exec) {
            Ok(()) => {
                manifest.segments.push(entry);
                continue;
            }
            Err(e) if !is_damage(&e) => return Err(e),
            // Damage and losses in it are determined below.
            Err(_) => {}
        }
        if let Some(saved) = save_segment(storage, &entry, &mut manifest, &mut report, exec)? {
            manifest.segments.push(saved);
        }
        damaged.extend(
            entry
                .files
                .iter()
                .map(|file| file.kind.file_name(entry.number)),
        );
    }
    damaged.extend(save_logs(storage, &mut manifest, &mut report)?);
    if report.lost.is_empty() && damaged.is_empty() {
        report.generation = manifest.generation;
        // The manifest counts; the copy is made the same, whatever it contains.
        if !Manifest::read_from(storage, COPY).is_ok_and(|copy| copy == read) {
            read.write_copy(storage)?;
            report.repaired = true;
        }
        return Ok(report);
    }
    let next = manifest.generation.checked_add(1);
    manifest.generation = next.ok_or_else(|| Error::limit("generations", u64::MAX, "one more"))?;
    let copied = manifest.commit(storage)?;
    report.generation = manifest.generation;
    report.repaired = true;
    if from_copy {
        // Files that an older copy does not name may be newer than it: they are renamed, not removed.
        let used: Vec<String> = manifest.files().collect();
        let unknown = names.into_iter().filter(|name| {
            number_of(name).is_some() && !name.ends_with(ASIDE) && !used.contains(name)
        });
        damaged.extend(unknown);
        damaged.sort_unstable();
        damaged.dedup();
    }
    for name in damaged {
        let aside = format!("{name}{ASIDE}");
        match storage.rename(&name, &aside) {
            Ok(()) => report.set_aside.push(aside),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => lose(&mut report, &name, None, format!("not set aside: {e}")),
        }
    }
    if let Some(e) = copied {
        lose(&mut report, COPY, None, e.message());
    }
    Ok(report)
}

/// The suffix of damaged files that were renamed.
const ASIDE: &str = ".damaged";

/// Whether an error means that a file is damaged or lost. A file of another build, or one that
/// cannot be read now, may be undamaged, so nothing replaces it.
fn is_damage(e: &Error) -> bool {
    use std::io::ErrorKind as Io;
    let source = std::error::Error::source(e);
    let source = source.and_then(|source| source.downcast_ref::<std::io::Error>());
    match e.kind() {
        ErrorKind::Version | ErrorKind::Limit => false,
        ErrorKind::Io => !source.is_some_and(|source| {
            let kind = source.kind();
            matches!(kind, Io::PermissionDenied | Io::OutOfMemory | Io::WouldBlock)
                // Too many open files have no kind.
                || matches!(source.raw_os_error(), Some(23 | 24))
        }),
        _ => true,
    }
}

fn lose(report: &mut RepairReport, file: &str, item: Option<String>, what: impl Into<String>) {
    report.lost.push(Lost {
        file: file.to_owned(),
        item,
        what: what.into(),
    });
}

/// Writes a segment of the records that are sound.
fn save_segment(
    storage: &dyn Storage,
    entry: &SegmentEntry,
    manifest: &mut Manifest,
    report: &mut RepairReport,
    exec: &Executor,
) -> Result<Option<SegmentEntry>> {
    let name = FileKind::Records.file_name(entry.number);
    let bytes = match storage.map(&name) {
        Ok(bytes) => bytes,
        Err(e) => {
            let items = lost_names(storage, entry);
            for item in items {
                lose(report, &name, Some(item), e.message());
            }
            lose(
                report,
                &name,
                None,
                format!("a whole segment: {}", e.message()),
            );
            return Ok(None);
        }
    };
    let intact = |kind: FileKind| {
        let file = entry.files.iter().find(|file| file.kind == kind)?;
        let (len, start, whole) = hash_file(storage, &kind.file_name(entry.number)).ok()?;
        ((len, start, whole) == (file.len, file.start, file.whole)).then_some(())
    };
    for file in entry
        .files
        .iter()
        .filter(|file| file.kind != FileKind::Records)
    {
        if intact(file.kind).is_none() {
            lose(
                report,
                &file.kind.file_name(entry.number),
                None,
                "rebuilt from the records",
            );
        }
    }
    // The records by the table, or if that is damaged, one after the other.
    let copy = Bytes::copy_of(&bytes);
    let records = Records::open(copy).ok();
    let mut found: Vec<(u32, Option<&[u8]>)> = scan(&bytes).collect();
    match &records {
        Some(records) => {
            let all = records.counts().all();
            let scanned = |item: u32| found.get(item as usize).and_then(|(_, record)| *record);
            found = (0..all)
                .map(|item| (item, records.raw(item).ok().or_else(|| scanned(item))))
                .collect();
        }
        // The table comes after the last record.
        None => {
            while found.last().is_some_and(|(_, record)| record.is_none()) {
                found.pop();
            }
        }
    }
    let index = storage.map(&FileKind::Index.file_name(entry.number)).ok();
    let index = index.and_then(|bytes| Index::from_mapped(bytes).ok());
    let named = |item: u32| {
        let name = index.as_ref()?.item_name(crate::index::ItemId(item)).ok()?;
        Some(name.to_owned())
    };
    let mut plan = Plan::default();
    let mut last = None;
    for (item, record) in found {
        last = Some(item);
        if entry.removed.contains(item) {
            continue;
        }
        let parsed = record.and_then(|bytes| Record::parse(bytes).ok());
        match parsed.filter(|record| record.content(&manifest.recipe).is_ok()) {
            Some(record) => plan.push(&record, (0, item)),
            None => {
                lose(report, &name, named(item), format!("record {item}"));
            }
        }
    }
    let names = index.as_ref().map_or(0, Index::item_count);
    for item in last.map_or(0, |last| last + 1)..names {
        if !entry.removed.contains(item) {
            lose(report, &name, named(item), format!("record {item}"));
        }
    }
    if report.lost.is_empty() {
        lose(
            report,
            &name,
            None,
            "damaged outside the records; rebuilt from them",
        );
    }
    plan.sort();
    if plan.is_empty() {
        return Ok(None);
    }
    report.saved += plan.origins().count() as u64;
    let number = manifest.take_number()?;
    plan.on_disk(storage, number, &manifest.recipe, &[], exec)
        .map(Some)
}

/// The names of the items of a segment whose records are gone.
fn lost_names(storage: &dyn Storage, entry: &SegmentEntry) -> Vec<String> {
    let index = storage.map(&FileKind::Index.file_name(entry.number)).ok();
    let Some(index) = index.and_then(|bytes| Index::from_mapped(bytes).ok()) else {
        return Vec::new();
    };
    let items = (0..index.item_count()).filter(|&item| !entry.removed.contains(item));
    items
        .filter_map(|item| {
            index
                .item_name(crate::index::ItemId(item))
                .ok()
                .map(str::to_owned)
        })
        .collect()
}

/// Copies the undamaged operations of damaged logs to a new log; returns the damaged files.
fn save_logs(
    storage: &dyn Storage,
    manifest: &mut Manifest,
    report: &mut RepairReport,
) -> Result<Vec<String>> {
    let mut logs = Vec::new();
    let mut damaged = Vec::new();
    for &number in &manifest.logs {
        let name = log::file_name(number);
        match Log::salvage(storage, number) {
            Ok(log) => {
                for at in &log.damaged {
                    lose(report, &name, None, format!("an operation at byte {at}"));
                }
                if !log.damaged.is_empty() {
                    damaged.push(name);
                }
                logs.push(log);
            }
            Err(e) if !is_damage(&e) => return Err(e),
            Err(e) => {
                lose(report, &name, None, format!("a log: {}", e.message()));
                damaged.push(name);
            }
        }
    }
    if damaged.is_empty() && !manifest.logs.is_empty() {
        return Ok(damaged);
    }
    let mut out = NewLogs::default();
    for frame in logs.iter().flat_map(Log::frames) {
        manifest.generation = manifest.generation.max(frame.generation);
        let mut operations = Encoder::default();
        for operation in Operation::all(frame.payload)? {
            operation.put(&mut operations);
        }
        out.push(storage, manifest, &operations.0)?;
    }
    out.write(storage, manifest)?;
    manifest.logs = out.numbers;
    Ok(damaged)
}

/// The logs that repairing writes: each so large that it can be read again.
#[derive(Default)]
struct NewLogs {
    writer: Option<LogWriter>,
    numbers: Vec<u64>,
    /// Operations that are to be written.
    operations: Vec<u8>,
}

impl NewLogs {
    fn push(
        &mut self,
        storage: &dyn Storage,
        manifest: &mut Manifest,
        operations: &[u8],
    ) -> Result<()> {
        let most = FRAME.min((storage.limits().log_bytes / 4) as usize);
        if self.operations.len() + operations.len() > most && !self.operations.is_empty() {
            self.write(storage, manifest)?;
        }
        self.operations.extend_from_slice(operations);
        Ok(())
    }

    /// Writes the pending operations; afterwards there is at least one log.
    fn write(&mut self, storage: &dyn Storage, manifest: &mut Manifest) -> Result<()> {
        let bytes = self.operations.len();
        let writer = self.writer.take();
        let mut writer = match writer.filter(|writer| writer.check_room(bytes).is_ok()) {
            Some(writer) => writer,
            None => {
                let number = manifest.take_number()?;
                self.numbers.push(number);
                LogWriter::create(storage, number)?
            }
        };
        if bytes > 0 {
            writer.append(manifest.generation, &std::mem::take(&mut self.operations))?;
        }
        self.writer = Some(writer);
        Ok(())
    }
}
