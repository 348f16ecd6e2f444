//! Output files, replaced when they are complete.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::Failure;

/// Writes a file, which replaces the old one when it is complete.
pub(crate) fn replace(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let named =
        |e: io::Error| -> Failure { format!("{}: cannot write: {e}", path.display()).into() };
    let old = fs::metadata(path).ok();
    if old.as_ref().is_some_and(|old| !old.is_file()) {
        let mut out = BufWriter::new(File::create(path).map_err(named)?);
        write(&mut out)?;
        return out.flush().map_err(named);
    }
    // Follows a link, or the link itself would be replaced.
    let target = fs::canonicalize(path).unwrap_or(path.to_owned());
    let temporary = beside(&target);
    let file = File::create_new(&temporary).map_err(named)?;
    let written = (|| {
        let mut out = BufWriter::new(file);
        write(&mut out)?;
        out.flush().map_err(named)?;
        if let Some(old) = old {
            fs::set_permissions(&temporary, old.permissions()).map_err(named)?;
        }
        fs::rename(&temporary, &target).map_err(named)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// A temporary name in the same folder.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.tmp", std::process::id()))
}
