//! Checks of output files before the work starts, shared by `leakprint` and `feed`.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;

/// Returns the folder of a path.
pub(crate) fn folder_of(path: &Path) -> &Path {
    let folder = path.parent();
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// How a file is written.
#[derive(Clone, Copy, PartialEq, Eq)]
#[allow(dead_code, reason = "not every program uses all of it")]
pub(crate) enum Writes {
    /// The existing file is overwritten, or replaced if it is a regular file.
    InPlace,
    /// A new file replaces the existing one.
    ByRename,
}

/// Fails before the work is done if what `option` names cannot be written. Leaves no trace.
pub(crate) fn check_writable(option: &str, path: &Path, writes: Writes) -> Result<(), String> {
    let named = |what: String| format!("{option} {}: {what}", path.display());
    let folder = folder_of(path);
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => {
            return Err(named("is a folder, give the name of a file".to_owned()));
        }
        // A pipe or a device can be written to, but must not be replaced by a file.
        Ok(metadata) if !metadata.is_file() => {
            return match writes {
                Writes::InPlace => Ok(()),
                Writes::ByRename => Err(named("is no regular file".to_owned())),
            };
        }
        Ok(_) if writes == Writes::InPlace => {
            let opened = OpenOptions::new().append(true).open(path);
            return opened
                .map(drop)
                .map_err(|e| named(format!("cannot write: {e}")));
        }
        _ => {}
    }
    let last = path.as_os_str().as_encoded_bytes().last();
    if last.is_some_and(|&byte| std::path::is_separator(char::from(byte))) {
        return Err(named("names a folder, give the name of a file".to_owned()));
    }
    match fs::metadata(folder) {
        Ok(metadata) if metadata.is_dir() => {}
        Ok(_) => return Err(named(format!("{} is no folder", folder.display()))),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let message = format!("there is no folder {}, make it first", folder.display());
            return Err(named(message));
        }
        Err(e) => return Err(named(format!("cannot read {}: {e}", folder.display()))),
    }
    match tempfile::tempfile_in(folder) {
        Ok(_) => Ok(()),
        // Without the name of the temporary file, which means nothing to the user.
        Err(e) => Err(named(format!(
            "cannot write in {}: {}",
            folder.display(),
            e.kind()
        ))),
    }
}
