//! The files below folders, in sorted order.

use std::fs;
use std::io;
use std::path::PathBuf;

use crate::names::Named;

/// Iterates over the files below all roots except those to skip.
pub(crate) fn files(
    roots: Vec<Named>,
    skip: Vec<PathBuf>,
) -> impl Iterator<Item = (Named, Option<io::Error>)> + Send {
    let files = roots.into_iter().flat_map(Walk::new);
    files.filter(move |(named, _)| {
        let is_written = |p: PathBuf| skip.iter().any(|skip| p.starts_with(skip));
        skip.is_empty() || !fs::canonicalize(&named.path).is_ok_and(is_written)
    })
}

/// The files below a path, depth first, every folder sorted by name. Links to
/// folders are not followed, so that a walk always ends.
struct Walk {
    /// A stack of the paths still to be visited.
    stack: Vec<Named>,
    at_root: bool,
}

impl Walk {
    fn new(root: Named) -> Self {
        Self {
            stack: vec![root],
            at_root: true,
        }
    }
}

impl Iterator for Walk {
    type Item = (Named, Option<io::Error>);

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(named) = self.stack.pop() {
            let metadata = if std::mem::take(&mut self.at_root) {
                fs::metadata(&named.path)
            } else {
                fs::symlink_metadata(&named.path)
            };
            match metadata {
                Ok(metadata) if metadata.is_dir() => {}
                Ok(_) => return Some((named, None)),
                Err(e) => return Some((named, Some(e))),
            }
            let listing: io::Result<Vec<_>> = fs::read_dir(&named.path)
                .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect());
            match listing {
                Ok(mut children) => {
                    children.sort_unstable_by(|a, b| b.cmp(a));
                    self.stack
                        .extend(children.iter().map(|child| named.child(child)));
                }
                Err(e) => return Some((named, Some(e))),
            }
        }
        None
    }
}
