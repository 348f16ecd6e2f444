//! Office documents in ZIP packages: OOXML (docx, xlsx, pptx) and OpenDocument
//! (odt, ods, odp), with their templates and macro variants.
//!
//! | part | what |
//! |---|---|
//! | the document | its running text: body, then text boxes, former versions of changed paragraphs, notes, comments, headers and footers; slides with their notes, hidden ones included |
//! | `sheet:N` | a sheet as a table, hidden ones included |
//! | `notes` | the comments and shapes of a workbook |
//! | `media:N` | every embedded picture or file; the format is detected from the content |
//!
//! Thumbnails are not read: they are shrunk pages, which look alike.

use std::collections::HashSet;

use super::Content;
use super::flow::{Flow, Gap, Meter};
use super::table::Table;
use super::walk::{Hint, Input, Walk};
use super::zip::Zip;
use crate::error::{Error, ErrorKind, Result};

mod number;
mod odf;
mod relations;
mod sheet;
mod words;
mod xml;

/// A document that is open: which kind it is, and the name of its main part.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Office {
    Word(String),
    Workbook(String),
    Slides(String),
    OpenDocument,
}

/// The content of a document without its media.
#[derive(Default)]
struct Document {
    text: Option<String>,
    sheets: Vec<Table>,
    notes: String,
    /// The errors of parts that could not be read.
    problems: Problems,
    /// The entries that become separate parts.
    media: Vec<usize>,
}

/// The errors in a document: only the first few are kept, since thousands of parts may be broken.
#[derive(Default)]
struct Problems {
    first: Vec<Error>,
    more: u32,
}

/// Problems of one document that are reported one by one.
const MAX_PROBLEMS: usize = 64;

impl Problems {
    fn push(&mut self, problem: Error) {
        if self.first.len() < MAX_PROBLEMS {
            self.first.push(problem);
        } else {
            self.more = self.more.saturating_add(1);
        }
    }

    fn pop(&mut self) -> Option<Error> {
        self.first.pop()
    }

    fn into_iter(self) -> impl Iterator<Item = Error> {
        let more = (self.more > 0)
            .then(|| Error::malformed(format!("{} more parts could not be read", self.more)));
        self.first.into_iter().chain(more)
    }
}

/// Extensions of the documents that are read here.
const EXTENSIONS: [&str; 16] = [
    "docx", "docm", "dotx", "dotm", "xlsx", "xlsm", "xltx", "xltm", "pptx", "pptm", "ppsx", "potx",
    "odt", "ods", "odp", "ott",
];

/// The kind of document in an archive; `None` if it is a plain archive.
///
/// # Errors
/// If content or name show a document that lacks its main part.
pub(super) fn identify(
    zip: &mut Zip<'_>,
    name: Option<&str>,
    walk: &mut Walk<'_>,
) -> Result<Option<Office>> {
    if zip.find("[Content_Types].xml").is_some() || zip.find("_rels/.rels").is_some() {
        if let Some(office) = relations::main_part(zip, walk.budget)? {
            return Ok(Some(office));
        }
    } else if zip.find("content.xml").is_some() && zip.find("META-INF/manifest.xml").is_some() {
        return Ok(Some(Office::OpenDocument));
    }
    let extension = name.and_then(|name| name.rsplit_once('.'));
    match extension {
        Some((_, extension)) if EXTENSIONS.contains(&&*extension.to_ascii_lowercase()) => {
            Err(Error::malformed(format!(
                "zip archive under the name of a .{extension} file, without its main part"
            )))
        }
        _ => Ok(None),
    }
}

/// Reads a document in a ZIP archive.
///
/// # Errors
/// If the main part cannot be read.
pub(super) fn read(
    walk: &mut Walk<'_>,
    input: &Input<'_>,
    zip: &mut Zip<'_>,
    office: &Office,
) -> Result<()> {
    let document = match office {
        Office::Word(main) => word(walk, zip, main)?,
        Office::Workbook(main) => sheet::workbook(walk, zip, main)?,
        Office::Slides(main) => slides(walk, zip, main)?,
        Office::OpenDocument => odf::package(walk, zip)?,
    };
    emit(walk, input, Some(zip), document);
    Ok(())
}

/// Reads an OpenDocument file that is one XML file.
///
/// # Errors
/// If nothing can be read.
pub(super) fn read_flat(walk: &mut Walk<'_>, input: &Input<'_>) -> Result<()> {
    let document = odf::flat(input.bytes, walk.budget)?;
    emit(walk, input, None, document);
    Ok(())
}

/// Hands the parts of a document to the sink, the document itself first.
fn emit(walk: &mut Walk<'_>, input: &Input<'_>, mut zip: Option<&mut Zip<'_>>, document: Document) {
    let &Input { path, bytes, .. } = input;
    let content = document.text.map_or(Content::Opaque, Content::Text);
    walk.part(path, Some(bytes), content);
    for problem in document.problems.into_iter() {
        walk.sink.warning(path.clone(), problem);
    }
    let (sheets, notes, media) = (document.sheets, document.notes, document.media);
    walk.inside(path, |walk| {
        for (number, table) in (1..).zip(sheets) {
            if !table.cells().is_empty() {
                walk.decoded(
                    path.child(format_args!("sheet:{number}")),
                    Content::Table(table),
                )?;
            }
        }
        if !notes.is_empty() {
            walk.decoded(path.child("notes"), Content::Text(notes))?;
        }
        let Some(zip) = zip.as_mut() else {
            return Ok(());
        };
        for (number, index) in (1..).zip(media) {
            let member = path.child(format_args!("media:{number}"));
            match zip.read(index, walk.budget) {
                Ok(bytes) => {
                    let name = zip.name(index).to_owned();
                    walk.member(member, &bytes, Hint::named(Some(&name)))?;
                }
                Err(error) => walk.lost(member, error)?,
            }
        }
        Ok(())
    });
}

/// Reads one XML entry with `f`.
fn xml_part<T>(
    walk: &mut Walk<'_>,
    zip: &mut Zip<'_>,
    name: &str,
    f: impl FnOnce(&str, &mut Walk<'_>) -> Result<T>,
) -> Result<T> {
    let index = zip
        .find(name)
        .ok_or_else(|| Error::malformed(format!("office document without {}", short(name))))?;
    let bytes = zip.read(index, walk.budget)?;
    let text = xml::decode(&bytes, walk.budget)?;
    super::guard::guard("the office reader", || f(&text, walk)).map_err(|e| in_part(name, e))
}

/// The same error, with the name of the entry if the entry is malformed.
fn in_part(name: &str, error: Error) -> Error {
    match error.kind() {
        ErrorKind::Malformed => Error::malformed(format!("{}: {}", short(name), error.message())),
        _ => error,
    }
}

/// The name of an entry for a message, cut to a bounded length.
fn short(name: &str) -> &str {
    name.get(..name.floor_char_boundary(200)).unwrap_or(name)
}

/// The folder of an entry, with its slash.
fn folder(name: &str) -> &str {
    name.rfind('/').map_or("", |at| &name[..=at])
}

/// Entries below a folder whose names start like one of `stems`, sorted by stem,
/// then by number.
fn entries(zip: &Zip<'_>, folder: &str, stems: &[&str]) -> Vec<String> {
    let mut found: Vec<_> = zip
        .names()
        .filter_map(|(_, name)| {
            let rest = name.strip_prefix(folder)?;
            let stem = stems.iter().position(|stem| rest.starts_with(stem))?;
            if !rest.ends_with(".xml") || rest.contains("_rels/") {
                return None;
            }
            let digits = rest.trim_end_matches(".xml");
            let digits = &digits[digits.trim_end_matches(|c: char| c.is_ascii_digit()).len()..];
            let number: u32 = digits.parse().unwrap_or(0);
            Some((stem, number, name.to_owned()))
        })
        .collect();
    found.sort();
    found.dedup();
    found.into_iter().map(|(_, _, name)| name).collect()
}

/// Entries that are embedded files.
fn media(zip: &Zip<'_>) -> Vec<usize> {
    zip.names()
        .filter(|(_, name)| {
            let mut steps = name.split('/').rev();
            let is_file = steps.next().is_some_and(|file| !file.is_empty());
            is_file
                && steps.next().is_some_and(|folder| {
                    matches!(
                        folder,
                        "media" | "embeddings" | "Pictures" | "ObjectReplacements"
                    )
                })
        })
        .map(|(index, _)| index)
        .collect()
}

/// Appends the running texts of several entries, each different text once.
fn append(
    walk: &mut Walk<'_>,
    zip: &mut Zip<'_>,
    names: &[String],
    flow: &mut Flow,
    meter: &mut Meter,
    problems: &mut Problems,
) {
    let mut seen = HashSet::new();
    for name in names {
        let mut part = Flow::default();
        let result = xml_part(walk, zip, name, |xml, walk| {
            words::read(xml, &mut part, meter, walk.budget)
        });
        let is_over = result
            .as_ref()
            .is_err_and(|error| ends_reading(error, walk));
        if let Err(error) = result {
            problems.push(error);
        }
        let text = part.into_text();
        if !text.is_empty() && seen.insert(blake3::hash(text.as_bytes())) {
            flow.gap(Gap::Line);
            flow.push(&text);
        }
        if is_over {
            return;
        }
    }
}

/// Whether the parts that follow would meet the same limit.
fn ends_reading(error: &Error, walk: &Walk<'_>) -> bool {
    error.kind() == ErrorKind::Limit || walk.budget.check_time().is_err()
}

fn word(walk: &mut Walk<'_>, zip: &mut Zip<'_>, main: &str) -> Result<Document> {
    let mut document = Document::default();
    let (mut flow, mut meter) = (Flow::default(), Meter::default());
    let result = xml_part(walk, zip, main, |xml, walk| {
        words::read(xml, &mut flow, &mut meter, walk.budget)
    });
    keep_partial(result, &flow, &mut document.problems)?;
    let stems = [
        "footnotes",
        "endnotes",
        "comments",
        "header",
        "footer",
        "diagrams/data",
    ];
    let names = entries(zip, folder(main), &stems);
    append(
        walk,
        zip,
        &names,
        &mut flow,
        &mut meter,
        &mut document.problems,
    );
    document.text = Some(flow.into_text());
    document.media = media(zip);
    Ok(document)
}

/// Keeps the text before the XML breaks off; no text at all is an error.
fn keep_partial(result: Result<()>, flow: &Flow, problems: &mut Problems) -> Result<()> {
    match result {
        Err(error) if flow.is_empty() || error.kind() != ErrorKind::Malformed => Err(error),
        Err(error) => {
            problems.push(error);
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

fn slides(walk: &mut Walk<'_>, zip: &mut Zip<'_>, main: &str) -> Result<Document> {
    let mut document = Document::default();
    let (mut flow, mut meter) = (Flow::default(), Meter::default());
    let mut names = relations::slides(walk, zip, main)?;
    // Slides that the list does not name are still in the file.
    names.extend(entries(zip, folder(main), &["slides/slide"]));
    let mut seen = HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    let stems = ["notesSlides/", "comments/", "diagrams/data"];
    names.extend(entries(zip, folder(main), &stems));
    append(
        walk,
        zip,
        &names,
        &mut flow,
        &mut meter,
        &mut document.problems,
    );
    document.text = Some(flow.into_text());
    document.media = media(zip);
    Ok(document)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_a_part() {
        assert_eq!(folder("word/document.xml"), "word/");
        assert_eq!(folder("document.xml"), "");
    }
}
