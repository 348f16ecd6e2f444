//! Content that many items hold and whose standing only the owner knows: the list that `index --unknown`
//! writes, and the owner's answers in it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use leakprint::index::SharedContent;
use leakprint::media::{Content, Part, PartPath, PartSink, read};
use leakprint::{Budget, Error, Index, Limits};
use serde::{Deserialize, Serialize};

use crate::Failure;
use crate::input::read_file;
use crate::output::json_line;

/// Items that must hold a passage to be listed.
const MIN_HOLDERS: u32 = 10;

/// Characters of an excerpt.
const MAX_EXCERPT: usize = 20_000;

/// Characters by which two excerpts of one passage may begin or end apart.
const INEXACT: usize = 16;

/// The owner's decision on a passage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Answer {
    Ignore,
    Vouch,
}

/// One passage.
#[derive(Serialize, Deserialize)]
pub(crate) struct Line {
    /// Names the passage.
    id: String,
    holders: u32,
    items: Vec<String>,
    part: String,
    /// How the index treats it by itself: "content" or "boilerplate".
    taken_for: String,
    /// Its text, if the first item could be read again.
    #[serde(default)]
    pub(crate) excerpt: Option<String>,
    /// Filled in by the owner.
    #[serde(default)]
    pub(crate) answer: Option<Answer>,
}

/// Reads the lines of a list.
pub(crate) fn lines(path: &Path) -> Result<Vec<Line>, Failure> {
    let failed = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let file = File::open(path).map_err(|e| failed(&e))?;
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(BufReader::new(file).lines()) {
        let line = line.map_err(|e| failed(&e))?;
        if !line.trim().is_empty() {
            let line: Line = serde_json::from_str(&line)
                .map_err(|e| failed(&format_args!("line {number}: {e}")))?;
            if line.answer.is_some() && line.excerpt.is_none() {
                let what = "an answer needs the excerpt: copy the text into it";
                return Err(failed(&format_args!("line {number}: {what}")).into());
            }
            lines.push(line);
        }
    }
    Ok(lines)
}

/// Writes the passages of an index that many items hold, but those that were answered. Items are read
/// again by their names in `base` for an excerpt.
pub(crate) fn write(
    path: &Path,
    index: &Index,
    base: &Path,
    limits: &Limits,
    answered: &[Line],
) -> Result<(), Failure> {
    let answered: Vec<&str> = answered
        .iter()
        .filter(|line| line.answer.is_some())
        .filter_map(|line| line.excerpt.as_deref())
        .collect();
    // Places are exact to a few characters.
    let is_answered = |line: &Line| {
        let text = line.excerpt.as_deref().unwrap_or_default();
        let length = text.chars().count().saturating_sub(2 * INEXACT);
        let middle: String = text.chars().skip(INEXACT).take(length).collect();
        !middle.is_empty() && answered.iter().any(|other| other.contains(&middle))
    };
    let mut out = BufWriter::new(File::create(path)?);
    for passage in index.shared_content(MIN_HOLDERS)? {
        let line = line(index, &passage, base, limits)?;
        if !is_answered(&line) {
            json_line(&mut out, &line)?;
        }
    }
    out.flush()?;
    Ok(())
}

fn line(
    index: &Index,
    passage: &SharedContent,
    base: &Path,
    limits: &Limits,
) -> Result<Line, Failure> {
    let part = index.part(passage.part)?;
    let first = index.item_name(part.item)?;
    let names = passage.examples.iter().map(|&item| index.item_name(item));
    let items: Vec<&str> = names.collect::<leakprint::Result<_>>()?;
    let excerpt = excerpt(&base.join(first), part.path, passage.span, limits);
    let mut id = blake3::Hasher::new();
    id.update(excerpt.as_deref().unwrap_or(first).as_bytes());
    id.update(format!("{} {:?}", part.path, passage.span).as_bytes());
    Ok(Line {
        id: id.finalize().to_hex()[..12].to_owned(),
        holders: passage.holders,
        items: items.into_iter().map(str::to_owned).collect(),
        part: part.path.to_owned(),
        taken_for: if passage.vouched {
            "content"
        } else {
            "boilerplate"
        }
        .to_owned(),
        excerpt,
        answer: None,
    })
}

/// The text of one part.
struct Wanted<'a> {
    part: &'a str,
    text: Option<String>,
}

impl PartSink for Wanted<'_> {
    fn part(&mut self, part: Part<'_>) {
        if part.path.as_str() == self.part {
            match part.content {
                Content::Text(text) => self.text = Some(text),
                Content::Table(table) => self.text = Some(table.into_text()),
                _ => {}
            }
        }
    }

    fn warning(&mut self, _: PartPath, _: Error) {}
}

/// Returns characters of a part of a file, if it can be read.
fn excerpt(file: &Path, part: &str, span: [u32; 2], limits: &Limits) -> Option<String> {
    fs::metadata(file).ok().filter(fs::Metadata::is_file)?;
    let bytes = read_file(file, limits).ok()?;
    let mut wanted = Wanted { part, text: None };
    let name = file.file_name()?.to_str();
    read(&bytes, name, &mut Budget::new(limits), &mut wanted).ok()?;
    let length = span[1].checked_sub(span[0])? as usize;
    let text = wanted.text?;
    let chars = text.chars().skip(span[0] as usize);
    Some(chars.take(length.min(MAX_EXCERPT)).collect())
}
