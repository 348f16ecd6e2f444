//! A page of HTML: its text, and the pictures whose bytes are in it.

use super::html::{self, Page};
use super::walk::{Hint, Input, Walk};
use super::{Content, PartPath, text, transfer};
use crate::error::Result;

/// Reads a page.
pub(super) fn read(walk: &mut Walk<'_>, input: &Input<'_>) -> Result<()> {
    let page = extract(walk, input.bytes, input.hint.charset)?;
    walk.part(input.path, Some(input.bytes), Content::Text(page.text));
    walk.inside(input.path, |walk| pictures(walk, input.path, &page.images));
    Ok(())
}

/// The text of a page; the charset is the container's if it names one, else the page's.
pub(super) fn extract(walk: &mut Walk<'_>, bytes: &[u8], charset: Option<&str>) -> Result<Page> {
    let charset = charset.or_else(|| html::declared_charset(bytes));
    let source = text::decode(bytes, charset, walk.budget)?;
    // Text and pictures of a page are no longer than its source.
    walk.budget.charge_decoded(source.len() as u64)?;
    html::extract(&source, walk.budget)
}

/// Reads the pictures of a page, base64 each. Errors as for [`Walk::member`].
pub(super) fn pictures(walk: &mut Walk<'_>, path: &PartPath, images: &[String]) -> Result<()> {
    for (number, image) in (1..).zip(images) {
        let bytes = transfer::base64(image.as_bytes(), walk.budget.deadline())?;
        let path = path.child(format_args!("image:{number}"));
        walk.member(path, &bytes, Hint::default())?;
    }
    Ok(())
}
