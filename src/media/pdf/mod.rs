//! PDF: the text in reading order, and every picture.
//!
//! | part | what |
//! |---|---|
//! | the file | its text, page after page, then headers and footers, form fields and comments |
//! | `page:N/image:M` | an embedded picture, each once however often it is shown |
//! | `page:N` | a page without text, composed of its pictures |
//! | `attachment:N` | an embedded file; the format is detected from the content |
//!
//! A page that shows something and has no text gets a warning. Pictures in the content
//! stream of a page (inline images) are not read: the standard limits them to
//! a few kilobytes.

use std::collections::HashSet;

use hayro_syntax::object::{Array, Dict, ObjectIdentifier, Stream};
use hayro_syntax::{DecryptionError, LoadPdfError};

use self::content::{Contents, Placed, Reader};
use self::directory::Document;
use self::work::Work;
use super::guard::guard;
use super::walk::{Hint, Input, Walk};
use super::{Content, PartPath};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Budget;

mod arithmetic;
mod compose;
mod content;
mod directory;
mod fonts;
mod inline;
mod jbig2;
mod jpx;
mod layout;
mod pages;
mod picture;
mod search;
mod streams;
mod symbols;
mod table;
mod work;

/// A page, once its text has been read.
struct Shown<'p> {
    pictures: Vec<Placed<'p>>,
    has_text: bool,
    /// Left, bottom, width, height, in points.
    area: (f64, f64, f64, f64),
}

/// Reads a file. The sink has received nothing after an error.
pub(super) fn read(walk: &mut Walk<'_>, input: &Input<'_>) -> Result<()> {
    let &Input { path, bytes, .. } = input;
    walk.budget.charge_decoded(bytes.len() as u64)?;
    let mut document = guard("the PDF reader", || directory::open(bytes, walk.budget))?;
    let mut work = Work::new(bytes.len() as u64, walk.budget);
    work.set_sizes(std::mem::take(&mut document.sizes));
    let mut problems = Vec::new();
    let (text, pages, mut work) = texts(&document, work, walk.budget, &mut problems)?;
    walk.budget.check_text(text.chars().count() as u64)?;
    let content = if text.is_empty() {
        Content::Opaque
    } else {
        Content::Text(text)
    };
    walk.part(path, Some(bytes), content);
    for (page, problem) in problems {
        let path = page.map_or_else(|| path.clone(), |page| page_path(path, page));
        walk.sink.warning(path, problem);
    }
    walk.inside(path, |walk| {
        pictures(walk, path, &pages, &mut work)?;
        attachments(walk, path, &document, &mut work)
    });
    Ok(())
}

fn page_path(path: &PartPath, page: usize) -> PartPath {
    path.child(format_args!("page:{}", page + 1))
}

fn load_error(error: LoadPdfError) -> Error {
    match error {
        LoadPdfError::Decryption(DecryptionError::PasswordProtected) => Error::new(
            ErrorKind::Unsupported,
            "encrypted PDF, a password is needed: save it without one",
        ),
        LoadPdfError::Decryption(error) => Error::new(
            ErrorKind::Unsupported,
            format!("encrypted PDF that cannot be opened: {error:?}"),
        ),
        LoadPdfError::Invalid => Error::malformed("PDF without a cross-reference table"),
    }
}

type Problems = Vec<(Option<usize>, Error)>;

/// The text of a file and what its pages show.
///
/// # Errors
/// If there is no page, or the time is over before the first one is read.
fn texts<'p>(
    document: &'p Document,
    mut work: Work,
    budget: &mut Budget,
    problems: &mut Problems,
) -> Result<(String, Vec<Shown<'p>>, Work)> {
    let xref = document.pdf.xref();
    let pages = guard("the PDF reader", || {
        pages::pages(xref, document.root, &document.objects, &mut work)
    })?;
    if pages.is_empty() {
        return Err(Error::malformed("PDF without pages"));
    }
    let mut reader = Reader::new(work, budget);
    let (mut shown, mut texts) = (Vec::new(), Vec::new());
    let (mut glyphs, mut unmapped) = (0, 0);
    for (number, page) in pages.iter().enumerate() {
        let mut contents = Contents::default();
        let result = guard("the PDF reader", || {
            reader.page(page, &mut contents, budget)
        });
        let has_text = !contents.page.is_empty();
        let over = match result {
            Err(error)
                if budget.check_time().is_err() || reader.work.is_spent() || reader.is_full =>
            {
                problems.push((None, error));
                true
            }
            Err(error) => {
                problems.push((Some(number), error));
                false
            }
            Ok(()) => false,
        };
        if !has_text && !over {
            let what = match (contents.pictures.is_empty(), contents.drawn) {
                (false, _) => Some("a page of pictures without text"),
                (true, true) => Some("a page that is drawn, without text"),
                (true, false) => None,
            };
            problems
                .extend(what.map(|what| (Some(number), Error::new(ErrorKind::Unsupported, what))));
        }
        problems.extend(contents.refused.map(|error| (Some(number), error)));
        glyphs += contents.glyphs;
        unmapped += contents.unmapped;
        let area = page.area;
        shown.push(Shown {
            pictures: contents.pictures,
            has_text,
            area: (area.x0, area.y0, area.width(), area.height()),
        });
        texts.push(contents.page);
        if over {
            break;
        }
    }
    if unmapped * 4 > glyphs {
        let message = format!("{unmapped} of {glyphs} characters in fonts that say no letters");
        problems.push((None, Error::new(ErrorKind::Unsupported, message)));
    }
    Ok((layout::text(texts), shown, reader.work))
}

/// Hands over every picture, and the pages that consist of pictures only.
fn pictures(
    walk: &mut Walk<'_>,
    path: &PartPath,
    pages: &[Shown<'_>],
    work: &mut Work,
) -> Result<()> {
    let mut seen = HashSet::new();
    for (number, page) in pages.iter().enumerate() {
        let path = page_path(path, number);
        let large = page.pictures.iter();
        let large = large.filter(|picture| picture::size(&picture.stream).is_some());
        let large: Vec<_> = large.cloned().collect();
        if !page.has_text && large.len() > 1 {
            let composed = guard("the composer of PDF pages", || {
                compose::compose(&large, page.area, work, walk.budget)
            });
            match composed {
                Ok(raster) => walk.decoded(
                    path.clone(),
                    Content::Raster {
                        raster,
                        lossless: false,
                    },
                )?,
                Err(error) => walk.lost(path.clone(), error)?,
            }
        }
        let mut image = 0;
        for picture in &large {
            if !seen.insert(picture.stream.obj_id()) {
                continue;
            }
            image += 1;
            let path = path.child(format_args!("image:{image}"));
            if let Some(file) = picture::jpeg(&picture.stream) {
                walk.member(path, &file, Hint::default())?;
                continue;
            }
            match guard("the PDF reader", || {
                picture::decode(&picture.stream, work, walk.budget)
            }) {
                Ok(raster) => walk.decoded(
                    path,
                    Content::Raster {
                        raster,
                        lossless: true,
                    },
                )?,
                Err(error) => walk.lost(path, error)?,
            }
        }
    }
    Ok(())
}

/// The depth of the tree of embedded files that is read.
const MAX_DEPTH: u32 = 8;

/// Work and memory charged for an embedded file, besides its content.
const FILE: u64 = 1000;

/// Hands over the embedded files.
fn attachments(
    walk: &mut Walk<'_>,
    path: &PartPath,
    document: &Document,
    work: &mut Work,
) -> Result<()> {
    let files = guard("the PDF reader", || {
        let xref = document.pdf.xref();
        let mut files = Vec::new();
        let mut seen = HashSet::new();
        let tree = xref
            .get::<Dict<'_>>(document.root)
            .and_then(|catalog| catalog.get::<Dict<'_>>(b"Names"))
            .and_then(|names| names.get::<Dict<'_>>(b"EmbeddedFiles"));
        if let Some(tree) = tree {
            collect(&tree, 0, &mut seen, &mut files, work)?;
        }
        Ok(files)
    })?;
    for (number, (name, stream)) in (1..).zip(files) {
        let path = path.child(format_args!("attachment:{number}"));
        match guard("the PDF reader", || streams::decoded(&stream, walk.budget)) {
            Ok(bytes) => {
                let hint = Hint::named(name.as_deref());
                walk.member(path, &bytes, hint)?;
            }
            Err(error) => walk.lost(path, error)?,
        }
    }
    Ok(())
}

fn collect<'p>(
    node: &Dict<'p>,
    depth: u32,
    seen: &mut HashSet<ObjectIdentifier>,
    files: &mut Vec<(Option<String>, Stream<'p>)>,
    work: &mut Work,
) -> Result<()> {
    if depth > MAX_DEPTH || node.obj_id().is_some_and(|id| !seen.insert(id)) {
        return Ok(());
    }
    work.dict(node)?;
    if let Some(list) = node.get::<Array<'_>>(b"Names") {
        work.array(&list)?;
        for file in list.iter::<hayro_syntax::object::Object<'_>>() {
            let Some(file) = file.into_dict() else {
                continue;
            };
            work.dict(&file)?;
            let Some(embedded) = file.get::<Dict<'_>>(b"EF") else {
                continue;
            };
            work.dict(&embedded)?;
            let stream = embedded.get::<Stream<'_>>(b"F");
            let stream = stream.or_else(|| embedded.get::<Stream<'_>>(b"UF"));
            // Each once, however often it is listed.
            if let Some(stream) = stream.filter(|stream| seen.insert(stream.obj_id())) {
                let name = file.get::<hayro_syntax::object::String<'_>>(b"F");
                let name = name.map(|name| text_string(name.as_bytes()));
                work.charge(FILE)?;
                files.push((name, stream));
            }
        }
    }
    if let Some(kids) = node.get::<Array<'_>>(b"Kids") {
        work.array(&kids)?;
        for kid in kids.iter::<Dict<'_>>() {
            collect(&kid, depth + 1, seen, files, work)?;
        }
    }
    Ok(())
}

/// A text string outside of content streams: UTF-16 or UTF-8 after a byte order mark, else
/// Latin-1.
fn text_string(bytes: &[u8]) -> String {
    use super::text::{Mark, byte_order_mark, decode_utf16};
    match byte_order_mark(bytes) {
        Some((Mark::Utf8, rest)) => String::from_utf8_lossy(rest).into_owned(),
        Some((mark, rest)) => decode_utf16(mark, rest),
        None => bytes.iter().map(|&byte| char::from(byte)).collect(),
    }
}
