//! The tree of pages, walked here: `hayro-syntax` walks all of it when a file is opened, looks up
//! inherited resources for every page and cannot be interrupted.

use std::collections::HashSet;

use hayro_syntax::object::{Array, Dict, MaybeRef, Name, Object, ObjectIdentifier, Rect};
use hayro_syntax::page::A4;
use hayro_syntax::xref::XRef;

use super::work::Work;
use crate::error::Result;

/// Work for a page besides the bytes that are read, and its memory.
const PAGE: u64 = 2000;

/// A page with what it inherits.
pub(super) struct PdfPage<'p> {
    pub(super) dict: Dict<'p>,
    pub(super) resources: Option<Dict<'p>>,
    /// The part that is shown.
    pub(super) area: Rect,
}

/// The properties that a page inherits from the nodes above it.
#[derive(Clone, Default)]
struct Inherited<'p> {
    media_box: Option<Rect>,
    crop_box: Option<Rect>,
    resources: Option<Dict<'p>>,
}

impl<'p> Inherited<'p> {
    /// The same for the kids of a node, or for the node itself.
    fn at(&self, node: &Dict<'p>, work: &mut Work) -> Result<Self> {
        for key in ["MediaBox", "CropBox", "Resources"] {
            work.entry(node, key)?;
        }
        Ok(Self {
            media_box: node.get::<Rect>(b"MediaBox").or(self.media_box),
            crop_box: node.get::<Rect>(b"CropBox").or(self.crop_box),
            resources: node
                .get::<Dict<'p>>(b"Resources")
                .or_else(|| self.resources.clone()),
        })
    }

    fn page(self, dict: Dict<'p>) -> PdfPage<'p> {
        let media_box = self.media_box.unwrap_or(A4);
        let area = self.crop_box.unwrap_or(media_box).intersect(media_box);
        PdfPage {
            dict,
            resources: self.resources,
            area,
        }
    }
}

/// The pages of a file in order. No node is visited twice. Without a tree, every
/// object that could be a page, from `objects`.
///
/// # Errors
/// [`Limit`](crate::ErrorKind::Limit) for more than the allowance of work, or time.
pub(super) fn pages<'p>(
    xref: &'p XRef,
    root: ObjectIdentifier,
    objects: &[ObjectIdentifier],
    work: &mut Work,
) -> Result<Vec<PdfPage<'p>>> {
    work.follow(root)?;
    let catalog = xref.get::<Dict<'_>>(root).unwrap_or_default();
    work.entry(&catalog, "Pages")?;
    let tree = catalog.get::<Dict<'_>>(b"Pages");
    if let Some(tree) = tree
        && let Some(pages) = walk(xref, &tree, work)?
    {
        return Ok(pages);
    }
    let mut pages = Vec::new();
    for id in objects {
        work.follow(*id)?;
        let Some(dict) = xref.get::<Object<'_>>(*id).and_then(Object::into_dict) else {
            continue;
        };
        if dict.contains_key("Contents") {
            work.charge(PAGE)?;
            pages.push(Inherited::default().at(&dict, work)?.page(dict));
        }
    }
    Ok(pages)
}

/// The pages under a node; none if it has no kids at all.
fn walk<'p>(xref: &'p XRef, tree: &Dict<'p>, work: &mut Work) -> Result<Option<Vec<PdfPage<'p>>>> {
    let mut pages = Vec::new();
    let mut visited = HashSet::new();
    visited.extend(tree.obj_id());
    let Some(kids) = kids(tree, work)? else {
        return Ok(None);
    };
    let mut stack = vec![(kids.raw_iter(), Inherited::default().at(tree, work)?)];
    while let Some((siblings, inherited)) = stack.last_mut() {
        let Some(kid) = siblings.next() else {
            stack.pop();
            continue;
        };
        work.charge(64)?;
        let kid = match kid {
            MaybeRef::Ref(reference) => {
                if !visited.insert(reference.into()) {
                    continue;
                }
                work.follow(reference)?;
                xref.get::<Dict<'_>>(reference.into())
            }
            MaybeRef::NotRef(object) => object.into_dict(),
        };
        let Some(kid) = kid else {
            continue;
        };
        let here = inherited.at(&kid, work)?;
        let kind = kid.get::<Name<'_>>(b"Type");
        // Anything that is not declared a node of the tree counts as a page.
        if kind.is_some_and(|kind| kind.as_ref() as &[u8] == b"Pages") {
            if let Some(kids) = self::kids(&kid, work)? {
                stack.push((kids.raw_iter(), here));
            }
        } else {
            work.charge(PAGE)?;
            pages.push(here.page(kid));
        }
    }
    Ok(Some(pages))
}

fn kids<'p>(node: &Dict<'p>, work: &mut Work) -> Result<Option<Array<'p>>> {
    work.entry(node, "Kids")?;
    let kids = node.get::<Array<'_>>(b"Kids");
    if let Some(kids) = &kids {
        work.charge(kids.data().len() as u64)?;
    }
    Ok(kids)
}
