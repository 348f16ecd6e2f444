//! The names of items and queries: paths relative to a base, with `/`.

use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::Failure;
use crate::writable::folder_of;

/// The folder that names are relative to.
pub(crate) struct Base(PathBuf);

/// A file or folder with its name.
#[derive(Clone)]
pub(crate) struct Named {
    pub(crate) path: PathBuf,
    pub(crate) name: String,
}

impl Base {
    pub(crate) fn new(base: &Path) -> Result<Self, Failure> {
        match fs::canonicalize(base) {
            Ok(full) if full.is_dir() => Ok(Self(full)),
            Ok(_) => Err(format!("--base {}: not a folder", base.display()).into()),
            Err(e) => Err(format!("--base {}: cannot read: {e}", base.display()).into()),
        }
    }

    /// The name of a path: relative to the base, or as given if it is not below the base.
    pub(crate) fn name(&self, path: &Path) -> Named {
        let name = match resolved(path) {
            Some(full) => match full.strip_prefix(&self.0) {
                Ok(relative) => spelled(relative),
                Err(_) => spelled(path),
            },
            None => spelled(path),
        };
        Named {
            path: path.to_owned(),
            name,
        }
    }
}

impl Named {
    /// Returns an entry of this folder.
    pub(crate) fn child(&self, name: &OsStr) -> Self {
        let own = escaped(name);
        Self {
            path: self.path.join(name),
            name: match self.name.as_str() {
                "" => own,
                "/" => format!("/{own}"),
                folder => format!("{folder}/{own}"),
            },
        }
    }
}

/// The place of a path without `.`, `..` and links on the way to it. A link that
/// it is itself stays: its name is the one that was given.
fn resolved(path: &Path) -> Option<PathBuf> {
    match (path.parent(), path.file_name()) {
        (Some(_), Some(name)) => Some(fs::canonicalize(folder_of(path)).ok()?.join(name)),
        _ => fs::canonicalize(path).ok(),
    }
}

fn spelled(path: &Path) -> String {
    let is_absolute = path.has_root();
    let names: Vec<String> = path
        .components()
        .filter(|c| !matches!(c, Component::CurDir | Component::RootDir))
        .map(|c| escaped(c.as_os_str()))
        .collect();
    let root = if is_absolute { "/" } else { "" };
    format!("{root}{}", names.join("/"))
}

/// A name as text. Bytes that are no UTF-8 become `\xFF`, and there a backslash
/// is doubled, so that two such files never share a name.
fn escaped(name: &OsStr) -> String {
    if let Some(name) = name.to_str() {
        return name.to_owned();
    }
    let mut text = String::new();
    for chunk in name.as_encoded_bytes().utf8_chunks() {
        text.push_str(&chunk.valid().replace('\\', "\\\\"));
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02X}"));
        }
    }
    text
}
