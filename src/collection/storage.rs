//! The operations on files that a collection uses, as a trait, so that tests can cut the power at each.
//!
//! Guarantees that the rest of the collection relies on and the simulator models: data is durable after
//! [`sync`](StorageFile::sync) of its file, a name after [`sync_folder`](Storage::sync_folder);
//! before that, any part of either may be lost, in any order. A rename replaces
//! the old file or does not happen.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::limits::FileLimits;
use crate::error::{Error, ErrorKind, Result};
use crate::index::{Access, Bytes};

/// A folder of files with plain names.
pub(super) trait Storage: Debug + Send + Sync {
    /// Returns the names of all files, in any order.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Returns the size of a file in bytes.
    fn len(&self, name: &str) -> io::Result<u64>;
    /// Opens a file for reading from its beginning.
    fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>>;
    /// Reads some bytes of a file; fewer at its end.
    fn read_at(&self, name: &str, at: u64, len: usize) -> io::Result<Vec<u8>>;
    /// Maps a file that is never changed again.
    fn map(&self, name: &str) -> Result<Bytes>;
    /// Creates an empty file; an existing one is truncated.
    fn create(&self, name: &str) -> io::Result<Box<dyn StorageFile>>;
    /// Opens an existing file for writing.
    fn edit(&self, name: &str) -> io::Result<Box<dyn StorageFile>>;
    /// Renames a file, replacing one of the new name.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a name; readers that have the file open keep it.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes names durable.
    fn sync_folder(&self) -> io::Result<()>;
    /// Claims the folder for one writer, until the claim is dropped.
    ///
    /// # Errors
    /// [`Locked`](ErrorKind::Locked) if another writer has it.
    fn lock(&self) -> Result<Box<dyn Claim>>;
    /// Returns the limits on files.
    fn limits(&self) -> FileLimits {
        FileLimits::DEFAULT
    }
}

/// A file that is open for writing.
pub(super) trait StorageFile: Debug + Write + Seek + Send {
    /// Makes written data durable.
    fn sync(&mut self) -> io::Result<()>;
    /// Cuts the file, or fills it up with zeros.
    fn set_len(&mut self, len: u64) -> io::Result<()>;
}

/// Claims the folder for one writer until it is dropped.
pub(super) trait Claim: Debug + Send + Sync {}

/// The lock file's name.
pub(super) const LOCK: &str = "lock";

/// A folder of the file system.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    pub(super) fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl StorageFile for File {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        File::set_len(self, len)
    }
}

impl Claim for File {}

/// New files can be read by their owner alone: fingerprints and perhaps the key are in them.
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options
}

impl Storage for Folder {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if entry.file_type()?.is_file()
                && let Ok(name) = entry.file_name().into_string()
            {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn len(&self, name: &str) -> io::Result<u64> {
        let metadata = fs::metadata(self.at(name))?;
        if !metadata.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        Ok(metadata.len())
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        // Opening a pipe would block until something writes to it.
        self.len(name)?;
        Ok(Box::new(File::open(self.at(name))?))
    }

    fn read_at(&self, name: &str, at: u64, len: usize) -> io::Result<Vec<u8>> {
        self.len(name)?;
        let mut file = File::open(self.at(name))?;
        file.seek(SeekFrom::Start(at))?;
        let mut bytes = Vec::new();
        file.take(len as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn map(&self, name: &str) -> Result<Bytes> {
        let path = self.at(name);
        Bytes::open(&path, Access::Map, "segment").map_err(|e| e.with_path(path))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn StorageFile>> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        Ok(Box::new(private(&mut options).open(self.at(name))?))
    }

    fn edit(&self, name: &str) -> io::Result<Box<dyn StorageFile>> {
        let file = OpenOptions::new().write(true).open(self.at(name))?;
        Ok(Box::new(file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.at(from), self.at(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.at(name))
    }

    fn sync_folder(&self) -> io::Result<()> {
        if cfg!(unix) {
            File::open(&self.path)?.sync_all()?;
        }
        Ok(())
    }

    fn lock(&self) -> Result<Box<dyn Claim>> {
        let path = self.at(LOCK);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        let failed = |e| {
            let what = "cannot write to the collection (readers need no permission to write)";
            Error::io(what, e).with_path(&path)
        };
        let file = private(&mut options).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Box::new(file)),
            Err(TryLockError::WouldBlock) => Err(Error::new(
                ErrorKind::Locked,
                "another process is writing to the collection: wait until it ends, or write through it",
            )
            .with_path(path)),
            Err(TryLockError::Error(e)) => Err(failed(e)),
        }
    }
}

/// Reads a file of at most `most` bytes; `check` fails for more.
pub(super) fn read_all(
    storage: &dyn Storage,
    name: &str,
    most: u64,
    check: impl Fn(u64) -> Result<()>,
) -> Result<Vec<u8>> {
    let failed = |e| Error::io("cannot read", e).with_path(Path::new(name));
    check(storage.len(name).map_err(failed)?).map_err(|e| e.with_path(name))?;
    let mut bytes = Vec::new();
    let file = storage.open(name).map_err(failed)?;
    file.take(most).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// Returns the error for a failed write, with advice.
pub(super) fn unwritable(name: &str, e: io::Error) -> Error {
    let advice = match e.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "cannot write, the disk is full (make room and try again; what was acknowledged is safe)"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "cannot write, the folder is read-only (reading and matching work)"
        }
        _ => "cannot write",
    };
    Error::io(advice, e).with_path(name)
}
