//! Valid files of every format, as units.

pub(crate) mod bmp;
pub(crate) mod gif;
pub(crate) mod jpeg;
pub(crate) mod mail;
pub(crate) mod office;
pub(crate) mod packed;
pub(crate) mod pdf;
pub(crate) mod pdf_pictures;
pub(crate) mod png;
pub(crate) mod text;
pub(crate) mod tiff;
pub(crate) mod webp;

use crate::doc::Doc;

/// All of them; the name of the fuzz target that starts from it comes first.
pub(crate) fn all() -> Vec<(&'static str, Doc)> {
    let mut all = Vec::new();
    let mut add = |target, docs: Vec<Doc>| all.extend(docs.into_iter().map(|doc| (target, doc)));
    add("archive", packed::docs());
    add("bmp", bmp::docs());
    add("gif", gif::docs());
    add("html", text::html());
    add("jpeg", jpeg::docs());
    add("mail", mail::mail());
    add("mbox", mail::mbox());
    add("office", office::docs());
    add("pdf", pdf::docs());
    add("png", png::docs());
    add("rtf", text::rtf());
    add("table", text::table());
    add("tiff", tiff::docs());
    add("webp", webp::docs());
    all
}
