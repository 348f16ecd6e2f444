//! ZIP archives, as containers of files and as packages of office documents.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::Cursor;

use memchr::memmem;
use zip::read::ZipFile;
use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::guard::guard;
use super::inflate::{Timed, inflate};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Budget;

/// The bytes of an archive; reading fails after the deadline.
type Source<'z> = Timed<Cursor<&'z [u8]>>;

/// An open archive: its directory has been read, its members not yet.
pub(super) struct Zip<'z> {
    archive: ZipArchive<Source<'z>>,
    names: Vec<String>,
    /// The entries that have been read, by the offset of their local header.
    read: HashMap<u64, usize>,
    /// Compressed bytes that the unread entries may still have; overlapping entries would have more.
    packed_left: u64,
    /// The entries by name, and by name in lower case.
    by_name: Option<(HashMap<String, usize>, HashMap<String, usize>)>,
}

/// Memory for one entry of the directory, here and in the library, without its name.
const ENTRY_BYTES: u64 = 512;

impl<'z> Zip<'z> {
    /// Reads the directory.
    ///
    /// # Errors
    /// [`Malformed`](ErrorKind::Malformed) without one, or with one that declares more entries than
    /// the archive has; [`Limit`](ErrorKind::Limit) for `decoded_bytes` and `time_ms`.
    pub(super) fn open(bytes: &'z [u8], budget: &mut Budget) -> Result<Self> {
        let entries = memmem::find_iter(bytes, b"PK\x01\x02").count() as u64;
        check_declared(bytes, entries)?;
        budget.charge_decoded(entries.saturating_mul(ENTRY_BYTES))?;
        budget.check_time()?;
        let opened = guard("the zip reader", || {
            let source = Timed::new(Cursor::new(bytes), budget.deadline());
            let archive = ZipArchive::new(source).map_err(broken)?;
            let names: Vec<String> = archive
                .file_names_raw()
                .map(|name| String::from_utf8_lossy(name).replace('\\', "/"))
                .collect();
            Ok(Self {
                read: HashMap::new(),
                packed_left: bytes.len() as u64,
                archive,
                names,
                by_name: None,
            })
        });
        // Before the error of the library: the deadline may be why its source failed.
        budget.check_time()?;
        opened
    }

    /// Entries, folders included.
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// The name of an entry, with `/`.
    pub(super) fn name(&self, index: usize) -> &str {
        self.names.get(index).map_or("", |name| name)
    }

    /// All names in the order of the directory.
    pub(super) fn names(&self) -> impl Iterator<Item = (usize, &str)> {
        self.names.iter().map(String::as_str).enumerate()
    }

    pub(super) fn is_folder(&self, index: usize) -> bool {
        self.name(index).ends_with('/')
    }

    /// The first entry of this name; some writers differ in case.
    pub(super) fn find(&mut self, name: &str) -> Option<usize> {
        let names = &self.names;
        let (exact, lower) = self.by_name.get_or_insert_with(|| {
            let (mut exact, mut lower) = (HashMap::new(), HashMap::new());
            for (index, name) in names.iter().enumerate() {
                exact.entry(name.clone()).or_insert(index);
                lower.entry(name.to_ascii_lowercase()).or_insert(index);
            }
            (exact, lower)
        });
        let found = exact.get(name);
        found
            .or_else(|| lower.get(&name.to_ascii_lowercase()))
            .copied()
    }

    /// Whether some file can be opened at all.
    ///
    /// # Errors
    /// [`Empty`](ErrorKind::Empty) without files; else why the first file cannot be
    /// opened, if none can: all are encrypted, or compressed by an unknown method.
    /// [`Limit`](ErrorKind::Limit) after the deadline.
    pub(super) fn check(&mut self, budget: &Budget) -> Result<()> {
        let mut problem = None;
        for index in 0..self.len() {
            budget.check_time()?;
            if self.is_folder(index) {
                continue;
            }
            let opened = guard("the zip reader", || {
                let file = self.archive.by_index(index).map_err(broken)?;
                method(&file)
            });
            match opened {
                Ok(()) => return Ok(()),
                Err(error) => problem = problem.or(Some(error)),
            }
        }
        Err(problem.unwrap_or_else(|| Error::new(ErrorKind::Empty, "zip without files")))
    }

    /// The bytes of an entry.
    ///
    /// # Errors
    /// [`Limit`](ErrorKind::Limit); [`Unsupported`](ErrorKind::Unsupported) if it is
    /// encrypted or compressed by another method than deflate;
    /// [`Malformed`](ErrorKind::Malformed), a wrong checksum and entries that overlap included.
    pub(super) fn read(&mut self, index: usize, budget: &mut Budget) -> Result<Vec<u8>> {
        let opened = guard("the zip reader", || {
            let file = self.archive.by_index(index).map_err(broken)?;
            method(&file)?;
            Ok(file)
        });
        budget.check_time()?;
        let file = opened?;
        let (packed, declared) = (file.compressed_size(), file.size());
        match self.read.entry(file.header_start()) {
            Entry::Occupied(read) if *read.get() != index => {
                let message = "zip: the bytes of this member are those of another one";
                return Err(Error::malformed(message));
            }
            Entry::Occupied(_) => {}
            Entry::Vacant(unread) => {
                self.packed_left = self.packed_left.checked_sub(packed).ok_or_else(|| {
                    Error::malformed("zip: the members together are larger than the archive")
                })?;
                unread.insert(index);
            }
        }
        // The declared size may be wrong: it reserves a limited amount of memory only.
        let mut bytes = Vec::with_capacity(declared.min(1 << 20) as usize);
        let broken = |e| Error::malformed(format!("zip member: {e}"));
        inflate(file, packed, &mut bytes, budget, broken)?;
        Ok(bytes)
    }
}

/// Refuses an archive whose ZIP64 directory declares more entries than there are.
///
/// The library reserves room for as many as are declared. Without ZIP64 that is no more than
/// 65,535; there it is as many as fit into the file, some 250 bytes each.
fn check_declared(bytes: &[u8], entries: u64) -> Result<()> {
    const LOCATOR_BYTES: usize = 20;
    // Where the library looks for the end of the directory, and the locator before it.
    const WINDOW: usize = (1 << 16) + 22 + 4 + LOCATOR_BYTES;
    let window = bytes.len().saturating_sub(WINDOW);
    let tail = bytes.get(window..).unwrap_or_default();
    let locators: Vec<usize> = memmem::find_iter(tail, b"PK\x06\x07")
        .map(|at| window + at)
        .collect();
    if locators.is_empty() {
        return Ok(());
    }
    for at in memmem::find_iter(bytes, b"PK\x06\x06") {
        let number = |offset: usize| {
            let field = bytes.get(at + offset..)?.first_chunk::<8>()?;
            Some(u64::from_le_bytes(*field))
        };
        // A record counts only if it ends where a locator starts.
        let end = number(4).and_then(|size| (at as u64 + 12).checked_add(size));
        let end = end.and_then(|end| usize::try_from(end).ok());
        if end.is_some_and(|end| locators.binary_search(&end).is_ok())
            && let Some(declared) = number(32)
            && declared > entries
        {
            let message = format!("zip: {declared} entries are declared, {entries} are there");
            return Err(Error::malformed(message));
        }
    }
    Ok(())
}

/// Whether the compression method is one of those that are read here.
fn method(file: &ZipFile<'_, Source<'_>>) -> Result<()> {
    match file.compression() {
        CompressionMethod::Stored | CompressionMethod::Deflated => Ok(()),
        other => Err(Error::new(
            ErrorKind::Unsupported,
            format!("zip: compressed by the method {other}, which this build does not read"),
        )),
    }
}

fn broken(error: ZipError) -> Error {
    let kind = match error {
        ZipError::UnsupportedArchive(_)
        | ZipError::InvalidPassword
        | ZipError::CompressionMethodNotSupported(_) => ErrorKind::Unsupported,
        _ => ErrorKind::Malformed,
    };
    let message = match &error {
        ZipError::UnsupportedArchive(text) if *text == ZipError::PASSWORD_REQUIRED => {
            "zip: encrypted, a password is needed: pack it without one".to_owned()
        }
        _ => format!("zip: {error}"),
    };
    Error::new(kind, message).with_source(error)
}
