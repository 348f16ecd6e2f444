//! Relations between the parts of an OOXML document: which part is the main one,
//! and the part of each id.

use std::collections::{HashMap, HashSet};

use super::xml::{Piece, Xml};
use super::{Office, folder, xml_part};
use crate::error::Result;
use crate::limits::Budget;
use crate::media::walk::Walk;
use crate::media::zip::Zip;

/// Parts by the ids under which another part knows them.
pub(super) type Relations = HashMap<String, String>;

/// Relations of one part that are read. Workbooks and presentations have some hundreds.
const MAX_RELATIONS: usize = 16 << 10;

/// The longest id and the longest name of an entry that are followed.
const MAX_NAME: usize = 4 << 10;

/// The relations of a part; none if it has no readable list of them.
pub(super) fn read(walk: &mut Walk<'_>, zip: &mut Zip<'_>, part: &str) -> Relations {
    let base = folder(part);
    let list = format!("{base}_rels/{}.rels", &part[base.len()..]);
    let mut relations = Relations::new();
    let each = |xml: &str, walk: &mut Walk<'_>| {
        each(xml, walk.budget, |id, _, target| {
            let len = id.len().max(base.len() + target.len());
            if len <= MAX_NAME && relations.len() < MAX_RELATIONS {
                relations.insert(id.to_owned(), resolve(base, target));
            }
        })
    };
    // A part without relations has no list, and a broken list is as good as none.
    let _ = xml_part(walk, zip, &list, each);
    relations
}

/// Calls `f` with the id, the type and the target of every relation inside the document.
fn each(xml: &str, budget: &Budget, mut f: impl FnMut(&str, &str, &str)) -> Result<()> {
    let mut xml = Xml::new(xml);
    while let Some(piece) = xml.next(budget)? {
        if let Piece::Start(tag) = piece
            && tag.name() == "Relationship"
            && tag.attribute("TargetMode").as_deref() != Some("External")
        {
            let get = |name| tag.attribute(name).unwrap_or_default();
            f(&get("Id"), &get("Type"), &get("Target"));
        }
    }
    Ok(())
}

/// The name of an entry from a target relative to a folder.
fn resolve(base: &str, target: &str) -> String {
    let mut steps: Vec<&str> = Vec::new();
    let path = match target.strip_prefix('/') {
        Some(rooted) => rooted.to_owned(),
        None => format!("{base}{target}"),
    };
    for step in path.split('/') {
        match step {
            ".." => drop(steps.pop()),
            "" | "." => {}
            step => steps.push(step),
        }
    }
    steps.join("/")
}

/// The document that an OOXML package holds, `None` if it is a package of another kind.
///
/// # Errors
/// [`Limit`](crate::ErrorKind::Limit).
pub(super) fn main_part(zip: &mut Zip<'_>, budget: &mut Budget) -> Result<Option<Office>> {
    let mut target = None;
    if let Some(index) = zip.find("_rels/.rels") {
        let bytes = zip.read(index, budget)?;
        if let Ok(text) = super::xml::decode(&bytes, budget) {
            // A truncated list may still have named the document.
            let _ = each(&text, budget, |_, kind, to| {
                if kind.ends_with("/officeDocument") && to.len() <= MAX_NAME {
                    target = Some(resolve("", to));
                }
            });
        }
    }
    let known = [
        "word/document.xml",
        "xl/workbook.xml",
        "ppt/presentation.xml",
    ];
    let mut present = |name: &str| zip.find(name).is_some();
    let main = target.filter(|name| present(name)).or_else(|| {
        known
            .into_iter()
            .find(|name| present(name))
            .map(str::to_owned)
    });
    // The kind by the folder, as all writers name it.
    Ok(main.and_then(|main| {
        if main.starts_with("word/") {
            Some(Office::Word(main))
        } else if main.starts_with("xl/") {
            Some(Office::Workbook(main))
        } else if main.starts_with("ppt/") {
            Some(Office::Slides(main))
        } else {
            None
        }
    }))
}

/// The entries that a list refers to, in its order, each once however often it is listed.
#[derive(Default)]
pub(super) struct Listed<'r> {
    names: Vec<String>,
    seen: HashSet<&'r str>,
}

impl<'r> Listed<'r> {
    /// Takes the entry of an id, if there is one.
    pub(super) fn push(&mut self, id: Option<&str>, relations: &'r Relations) {
        if let Some(name) = id.and_then(|id| relations.get(id))
            && self.seen.insert(name)
        {
            self.names.push(name.clone());
        }
    }

    pub(super) fn into_names(self) -> Vec<String> {
        self.names
    }
}

/// The slides of a presentation in the order of the show, each once.
///
/// # Errors
/// If the main part cannot be read.
pub(super) fn slides(walk: &mut Walk<'_>, zip: &mut Zip<'_>, main: &str) -> Result<Vec<String>> {
    let relations = read(walk, zip, main);
    xml_part(walk, zip, main, |xml, walk| {
        let mut names = Listed::default();
        let mut xml = Xml::new(xml);
        while let Some(piece) = xml.next(walk.budget)? {
            if let Piece::Start(tag) = piece
                && tag.name() == "sldId"
            {
                names.push(tag.qualified("r:id").as_deref(), &relations);
            }
        }
        Ok(names.into_names())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_resolved_inside_the_package() {
        assert_eq!(
            resolve("xl/", "worksheets/sheet1.xml"),
            "xl/worksheets/sheet1.xml"
        );
        assert_eq!(resolve("xl/", "/xl/styles.xml"), "xl/styles.xml");
        assert_eq!(resolve("ppt/slides/", "../media/a.png"), "ppt/media/a.png");
        assert_eq!(resolve("", "../../../etc/passwd"), "etc/passwd");
    }
}
