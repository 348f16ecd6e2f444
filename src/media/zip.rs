//! ZIP archives, as containers of files and as shells of office documents.

use std::io::Cursor;

use zip::read::ZipFile;
use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::archive::inflate;
use super::guard::guard;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Budget;

/// An open archive: its directory has been read, its members not yet.
pub(super) struct Zip<'z> {
    archive: ZipArchive<Cursor<&'z [u8]>>,
    names: Vec<String>,
}

impl<'z> Zip<'z> {
    /// Reads the directory.
    ///
    /// # Errors
    /// [`Malformed`](ErrorKind::Malformed) without one.
    pub(super) fn open(bytes: &'z [u8]) -> Result<Self> {
        guard("the zip reader", || {
            let archive = ZipArchive::new(Cursor::new(bytes)).map_err(broken)?;
            let names = archive
                .file_names_raw()
                .map(|name| String::from_utf8_lossy(name).replace('\\', "/"))
                .collect();
            Ok(Self { archive, names })
        })
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
    #[cfg(feature = "office")]
    pub(super) fn names(&self) -> impl Iterator<Item = (usize, &str)> {
        self.names.iter().map(String::as_str).enumerate()
    }

    pub(super) fn is_folder(&self, index: usize) -> bool {
        self.name(index).ends_with('/')
    }

    /// The entry of this name; some writers differ in case.
    #[cfg(feature = "office")]
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        let exact = self.names.iter().position(|known| known == name);
        exact.or_else(|| {
            self.names
                .iter()
                .position(|known| known.eq_ignore_ascii_case(name))
        })
    }

    /// Whether some file can be opened at all.
    ///
    /// # Errors
    /// [`Empty`](ErrorKind::Empty) without files; else why the first file cannot be
    /// opened, if none can: all are encrypted, or compressed by an unknown method.
    pub(super) fn check(&mut self) -> Result<()> {
        let mut problem = None;
        for index in 0..self.len() {
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
    /// [`Malformed`](ErrorKind::Malformed), a wrong checksum included.
    pub(super) fn read(&mut self, index: usize, budget: &mut Budget) -> Result<Vec<u8>> {
        let file = guard("the zip reader", || {
            let file = self.archive.by_index(index).map_err(broken)?;
            method(&file)?;
            Ok(file)
        })?;
        let (packed, declared) = (file.compressed_size(), file.size());
        // The declared size may lie: it is trusted for room within reason alone.
        let mut bytes = Vec::with_capacity(declared.min(1 << 20) as usize);
        let broken = |e| Error::malformed(format!("zip member: {e}"));
        inflate(file, packed, &mut bytes, budget, broken)?;
        Ok(bytes)
    }
}

/// Whether the compression method is one of those that are read here.
fn method(file: &ZipFile<'_, Cursor<&[u8]>>) -> Result<()> {
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
