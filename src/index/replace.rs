//! Atomic replacement of a file.

use std::fs::File;
use std::path::Path;

use crate::error::{Error, Result};

/// Writes a temporary file in the same folder, syncs it and renames it over `path`.
///
/// A crash leaves the old file or the new one, and perhaps a `.leakprint-*.tmp` in the folder. A
/// new file is readable only by its owner (where the system has owners); one that replaces another
/// keeps its permissions.
///
/// # Errors
/// [`Io`](crate::ErrorKind::Io) with a message that begins with `failed`, and those of `write`.
pub(super) fn replace(
    path: &Path,
    failed: &str,
    write: impl FnOnce(&mut File) -> Result<()>,
) -> Result<()> {
    let io = |e| Error::io(failed, e);
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut file = tempfile::Builder::new()
        .prefix(".leakprint-")
        .suffix(".tmp")
        .tempfile_in(folder)
        .map_err(io)?;
    write(file.as_file_mut())?;
    if let Ok(old) = std::fs::metadata(path) {
        file.as_file()
            .set_permissions(old.permissions())
            .map_err(io)?;
    }
    file.as_file().sync_all().map_err(io)?;
    file.persist(path).map_err(|e| io(e.error))?;
    sync_folder(folder).map_err(io)
}

/// Makes a rename in the folder durable, where the system can sync a folder.
fn sync_folder(folder: &Path) -> std::io::Result<()> {
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}
