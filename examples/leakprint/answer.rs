//! The answer to one query, as `match` prints it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use leakprint::lines::MatchLine;
use leakprint::{Error, Evidence, Match, Result, Warning};
use serde::{Deserialize, Serialize};

use crate::Format;
use crate::advice::{explained, explained_message};
use crate::input::Read;
use crate::output::{json_line, printable};
use crate::resume::{Payload, are_settled, is_settled, settled_kind};

/// The result of one query.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) matches: Vec<Match>,
    pub(crate) warnings: Vec<Warning>,
    /// The file, if anything could be drawn.
    pub(crate) drawing: Option<Result<PathBuf>>,
}

#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    answer: MatchLine<'a>,
    /// The drawing, if drawings were requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    drawing: Option<Option<&'a Path>>,
}

/// An answer as it is printed, with the parts that are also reported elsewhere.
pub(crate) struct Answer {
    pub(crate) query: String,
    /// Whether anything was found.
    pub(crate) matched: bool,
    /// The printed form: a line, or rows of a table. An error for a drawing whose path is not UTF-8.
    pub(crate) printed: io::Result<Vec<u8>>,
    pub(crate) error: Option<Error>,
    pub(crate) warnings: Vec<Warning>,
    /// Why there is no drawing.
    pub(crate) undrawn: Option<Error>,
}

impl Answer {
    pub(crate) fn new(read: Read<Found>, format: Format, draws: bool) -> Self {
        let (found, error) = match read.result {
            Ok(found) => (found, None),
            Err(e) => (Found::default(), Some(e)),
        };
        let Found {
            matches, warnings, ..
        } = found;
        let (drawing, undrawn) = match found.drawing {
            Some(Ok(path)) => (Some(path), None),
            Some(Err(e)) => (None, Some(e)),
            None => (None, None),
        };
        let mut bytes = Vec::new();
        let written = match format {
            Format::Jsonl => json_line(
                &mut bytes,
                &Line {
                    answer: match &error {
                        None => MatchLine::found(&read.name, &matches, &warnings),
                        Some(e) => MatchLine::unreadable(&read.name, e),
                    },
                    drawing: draws.then_some(drawing.as_deref()),
                },
            ),
            Format::Table => table(&mut bytes, &read.name, &matches, &warnings, error.as_ref()),
        };
        Self {
            query: read.name,
            matched: !matches.is_empty(),
            printed: written.map(|()| bytes),
            error,
            warnings,
            undrawn,
        }
    }
}

/// Stored as the line itself.
impl Payload for Answer {
    fn name(&self) -> &str {
        &self.query
    }

    fn pack(&self) -> Option<Vec<u8>> {
        let settled = self.error.as_ref().is_none_or(is_settled)
            && are_settled(&self.warnings)
            && self.undrawn.is_none();
        self.printed.as_ref().ok().filter(|_| settled).cloned()
    }

    fn unpack(bytes: &[u8]) -> Option<Self> {
        let stored: StoredAnswer = serde_json::from_slice(bytes).ok()?;
        // A drawing that was deleted is made again.
        if stored.drawing.is_some_and(|path| !path.exists()) {
            return None;
        }
        let error = match stored.error {
            Some(StoredError { kind, message }) => {
                let kind = settled_kind(&kind, &message)?;
                Some(Error::new(kind, message))
            }
            None => None,
        };
        Some(Self {
            query: stored.query,
            matched: !stored.matches.is_empty(),
            printed: Ok(bytes.to_vec()),
            error,
            warnings: stored.warnings,
            undrawn: None,
        })
    }
}

/// The fields of a stored line that are needed.
#[derive(Deserialize)]
struct StoredAnswer {
    query: String,
    matches: Vec<serde::de::IgnoredAny>,
    error: Option<StoredError>,
    #[serde(default)]
    warnings: Vec<Warning>,
    #[serde(default)]
    drawing: Option<PathBuf>,
}

#[derive(Deserialize)]
struct StoredError {
    kind: String,
    message: String,
}

fn table(
    out: &mut impl Write,
    name: &str,
    matches: &[Match],
    warnings: &[Warning],
    error: Option<&leakprint::Error>,
) -> io::Result<()> {
    let name = printable(name);
    if let Some(e) = error {
        let message = explained(e);
        return writeln!(out, "{name}\n    {}: {}", e.kind(), printable(&message));
    }
    writeln!(out, "{name}")?;
    if matches.is_empty() {
        // A part that was not read may match.
        let nothing = match warnings.is_empty() {
            true => "nothing",
            false => "nothing in what was read",
        };
        writeln!(out, "    {nothing}")?;
    }
    for m in matches {
        let item = printable(&m.item);
        writeln!(out, "    {:8} {:.3}  {item}", m.strength, m.score)?;
        if let Some(expected) = m.expected.filter(|&expected| expected > 0.0) {
            let like_it = "matches like it per million unrelated uploads, at most";
            writeln!(out, "             {expected} {like_it}")?;
        }
        for e in &m.evidence {
            writeln!(out, "             {}", printable(&describe(e)))?;
        }
    }
    for warning in warnings {
        let part = match warning.part.as_str() {
            "" => String::new(),
            part => format!("{part}: "),
        };
        let message = explained_message(&warning.kind, &warning.message);
        let message = format!("{part}{message}");
        writeln!(out, "    not read: {}", printable(&message))?;
    }
    Ok(())
}

fn describe(evidence: &Evidence) -> String {
    let place = |part: &leakprint::PartPath, item_part: &leakprint::PartPath| {
        let or_whole = |p: &leakprint::PartPath| match p.as_str() {
            "" => "whole".to_owned(),
            p => p.to_owned(),
        };
        format!("[{} <- {}]", or_whole(part), or_whole(item_part))
    };
    match evidence {
        Evidence::Bytes {
            part, item_part, ..
        } => {
            format!("the same bytes {}", place(part, item_part))
        }
        Evidence::Pixels {
            part, item_part, ..
        } => {
            format!("the same pixels {}", place(part, item_part))
        }
        Evidence::Image {
            part,
            item_part,
            distance,
            gradient_distance,
            sketch_distance,
            transform,
            inverted,
            ..
        } => format!(
            "the same picture, {distance} and {gradient_distance} of 256 bits and {sketch_distance} \
             of 2,048 off, {transform:?}{} {}",
            if *inverted { ", inverted" } else { "" },
            place(part, item_part)
        ),
        Evidence::Code {
            part,
            item_part,
            pipeline,
            distance,
            gradient_distance,
            transform,
            inverted,
            ..
        } => {
            let second = match gradient_distance {
                Some(distance) => format!("the second print {distance} of 256"),
                None => "no second print".to_owned(),
            };
            format!(
                "a hash of a hash list, {distance} of 256 bits off ({pipeline}), {second}, \
                 {transform:?}{} {}",
                if *inverted { ", inverted" } else { "" },
                place(part, item_part)
            )
        }
        Evidence::Text {
            part,
            item_part,
            covered,
            query_span,
            item_span,
            discounted,
            ..
        } => format!(
            "{covered} letters and digits in order ({discounted} discounted), characters {}..{} \
             of the query, {}..{} of the item {}",
            query_span[0],
            query_span[1],
            item_span[0],
            item_span[1],
            place(part, item_part)
        ),
        Evidence::Region {
            part,
            item_part,
            region: [x, y, width, height],
            agreed,
            compared,
            share,
            mirrored,
            inverted,
            ..
        } => format!(
            "a part of the picture, {width} x {height} at {x}, {y}: {agreed} of {compared} details \
             agree, weighed {share:.2}{}{} {}",
            if *mirrored { ", mirrored" } else { "" },
            if *inverted { ", inverted" } else { "" },
            place(part, item_part)
        ),
        other => format!("{other:?}"),
    }
}
