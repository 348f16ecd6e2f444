//! Matches: items with scores, strengths and evidence.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::error::{Error, ErrorKind};
use crate::fingerprint::Pipeline;
use crate::media::PartPath;
use crate::metadata::Metadata;
use crate::raster::Dihedral;
use crate::time::Timestamp;

/// One leaked item that a query contains, wholly or in part. Serialised as in the
/// [JSON lines](crate::lines).
///
/// ```
/// use leakprint::{Evidence, Match};
///
/// let line = r#"{"item": "memo.txt", "score": 1.0, "strength": "certain",
///                "evidence": [{"kind": "bytes", "part": "attachment:1", "item_part": ""}]}"#;
/// let found: Match = serde_json::from_str(line).unwrap();
/// let (part, _) = found.evidence[0].parts();
/// assert_eq!((found.item.as_str(), part.as_str()), ("memo.txt", "attachment:1"));
/// // With the owner's metadata, if the item is in a collection.
/// let line = line.replace("}]}", r#"}], "label": "plans", "added": "2026-03-01T12:00:00Z"}"#);
/// let found: Match = serde_json::from_str(&line).unwrap();
/// assert_eq!(found.metadata.unwrap().label.as_deref(), Some("plans"));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Match {
    /// The owner's name of the item.
    pub item: String,
    /// The score of the strongest evidence, 0..=1; comparable across kinds of evidence.
    pub score: f64,
    /// The level of the score.
    pub strength: Strength,
    /// The evidence, strongest first; never empty.
    pub evidence: Vec<Evidence>,
    /// How many matches at least as significant as this one a million unrelated uploads have, by the
    /// [calibration](crate::Matcher::calibration) and with its error: an upper bound. 0 for
    /// identical bytes or pixels, else never below a millionth. Other documents of the same template,
    /// screenshots of the same program and uploads made to match are not unrelated: no rate covers
    /// them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<f64>,
    /// The owner's metadata of the item, if it is in a collection. Its fields are serialised next to
    /// the others, not as an object.
    #[serde(flatten, deserialize_with = "metadata")]
    pub metadata: Option<Metadata>,
}

/// Deserialises metadata, which is present if there is the time when the item was added.
fn metadata<'de, D: Deserializer<'de>>(fields: D) -> Result<Option<Metadata>, D::Error> {
    #[derive(Deserialize)]
    struct Fields {
        added: Option<Timestamp>,
        label: Option<String>,
        note: Option<String>,
        #[serde(default)]
        tags: BTreeMap<String, String>,
        expires: Option<Timestamp>,
    }
    let fields = Fields::deserialize(fields)?;
    Ok(fields.added.map(|added| Metadata {
        label: fields.label,
        note: fields.note,
        tags: fields.tags,
        added,
        expires: fields.expires,
    }))
}

/// The level of a match, from weak to sure. No level will be added.
///
/// The levels are thresholds of the score, not probabilities: innocent content is reported if it
/// shares enough with an item. When last measured, these were reported as
/// [`Strong`](Self::Strong) or more:
/// - most documents made from the same template or form as a leaked item, such as another invoice or
///   contract of the same company, often as [`Certain`](Self::Certain);
/// - one or two in ten mails of mailing lists from which mails leaked, for a common signature, footer
///   or advert;
/// - about a quarter of cropped title bars and toolbars of programs that leaked screenshots show.
///
/// [Background](crate::IndexWriter::background) and [ignore](crate::IndexWriter::ignore) files
/// reduce these. Have a person review a match before acting on it.
///
/// ```
/// use leakprint::Strength;
///
/// assert!(Strength::Possible < Strength::Strong);
/// assert_eq!("certain".parse::<Strength>()?, Strength::Certain);
/// assert_eq!(Strength::from_score(0.8), Some(Strength::Strong));
/// assert_eq!(Strength::from_score(0.3), None);
/// # Ok::<(), leakprint::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strength {
    /// Scores from 0.5. Weak: many of these matches are false.
    Possible,
    /// Scores from 0.7: enough is shared that chance is unlikely. The default threshold of reports.
    Strong,
    /// Scores from 0.95. Certain that the content is shared: identical, or so much of it that chance is
    /// ruled out. The shared content may still be a template or another text that many documents have.
    Certain,
}

impl Strength {
    /// Returns the lowest score of this strength.
    pub fn min_score(self) -> f64 {
        match self {
            Self::Possible => 0.5,
            Self::Strong => 0.7,
            Self::Certain => 0.95,
        }
    }

    /// Returns the strength of a score; `None` below [`Possible`](Self::Possible).
    pub fn from_score(score: f64) -> Option<Self> {
        [Self::Certain, Self::Strong, Self::Possible]
            .into_iter()
            .find(|s| score >= s.min_score())
    }

    /// Returns the strength as one lower-case word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Possible => "possible",
            Self::Strong => "strong",
            Self::Certain => "certain",
        }
    }
}

impl fmt::Display for Strength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Strength {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self, Error> {
        [Self::Possible, Self::Strong, Self::Certain]
            .into_iter()
            .find(|s| s.as_str() == word)
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::InvalidInput,
                    format!("unknown strength {word:?}: use possible, strong or certain"),
                )
            })
    }
}

/// Why a query matches an item: the kind of evidence, its measures, and the places on both sides.
///
/// `part` is the query's part, `item_part` the item's; the empty path is the file itself.
///
/// ```
/// use leakprint::{Evidence, Match};
///
/// fn why(found: &Match) -> String {
///     match &found.evidence[0] {
///         Evidence::Bytes { .. } | Evidence::Pixels { .. } => "a copy".to_owned(),
///         Evidence::Text { covered, query_span: [start, end], .. } => {
///             format!("{covered} letters of it at {start}..{end}")
///         }
///         Evidence::Region { region: [x, y, ..], .. } => format!("a part of it at {x}, {y}"),
///         other => format!("{}, {:.2}", other.kind(), other.score()),
///     }
/// }
/// # let found: Match = serde_json::from_str(r#"{"item": "memo.txt", "score": 0.9, "strength": "strong",
/// #     "evidence": [{"kind": "text", "part": "", "item_part": "", "covered": 96, "distinctive": 90.5,
/// #     "discounted": 0, "query_span": [10, 131], "item_span": [12, 133], "score": 0.9}]}"#).unwrap();
/// assert_eq!(why(&found), "96 letters of it at 10..131");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[non_exhaustive]
pub enum Evidence {
    /// The same bytes.
    #[non_exhaustive]
    Bytes {
        /// The query's part.
        part: PartPath,
        /// The item's part.
        item_part: PartPath,
    },
    /// The same pixels, in a file saved again without loss.
    #[non_exhaustive]
    Pixels {
        /// The query's part.
        part: PartPath,
        /// The item's part.
        item_part: PartPath,
    },
    /// The same picture as a whole: two independent hashes agree under one transformation.
    #[non_exhaustive]
    Image {
        /// The query's part.
        part: PartPath,
        /// The item's part.
        item_part: PartPath,
        /// Bits of 256 in which the PDQ hashes differ.
        distance: u32,
        /// Bits of 256 in which the gradient hashes differ.
        gradient_distance: u32,
        /// Bits of 2,048 in which the keyed sketches of the structure differ.
        sketch_distance: u32,
        /// How the item was turned or mirrored to get the query.
        transform: Dihedral,
        /// Whether its colours were inverted too.
        inverted: bool,
        /// The score of this evidence, 0..=1.
        score: f64,
    },
    /// A perceptual hash of a hash list, confirmed by a second print of the picture only where the
    /// list has one.
    #[non_exhaustive]
    Code {
        /// The query's part.
        part: PartPath,
        /// Always empty: nothing else is known of the item.
        item_part: PartPath,
        /// How both hashes were computed.
        pipeline: Pipeline,
        /// Bits of 256 in which they differ, at most 31.
        distance: u32,
        /// Bits of 256 in which the gradient hashes differ, if the list has that of its picture.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        gradient_distance: Option<u32>,
        /// How the listed picture was turned or mirrored to get the query.
        transform: Dihedral,
        /// Whether its colours were inverted too.
        inverted: bool,
        /// The score of this evidence, always below [`Certain`](Strength::Certain); without a second
        /// print below [`Strong`](Strength::Strong) too, unless
        /// [hash lists are trusted](crate::MatchOptions::trust_hash_lists).
        score: f64,
    },
    /// A region of the item's picture in a region of the query.
    #[non_exhaustive]
    Region {
        /// The query's part.
        part: PartPath,
        /// The item's part.
        item_part: PartPath,
        /// The region of the query that shows the item: left, top, width, height in its pixels.
        region: [u32; 4],
        /// The region of the item that is shown: left, top, width, height in its pixels.
        item_region: [u32; 4],
        /// The homography from the item's pixels to the query's, row by row.
        transform: [f64; 9],
        /// Whether the query shows it mirrored.
        mirrored: bool,
        /// Whether its colours were inverted.
        inverted: bool,
        /// Details of the item that agree with the query.
        agreed: u32,
        /// Details of the item in the region that the query shows.
        compared: u32,
        /// The sum of the details that agree, each weighted 0..=1 by how few other pictures of the
        /// index have it.
        distinctive: f64,
        /// The weighted share of details that agree, reduced where there are few, 0..=1. The score is
        /// computed from it.
        share: f64,
        /// The share of the query's area that the item fills, 0..=1.
        of_query: f64,
        /// The share of the item's area that the query shows, 0..=1.
        of_item: f64,
        /// The score of this evidence, 0..=1.
        score: f64,
    },
    /// A passage of the item's text, in its order.
    #[non_exhaustive]
    Text {
        /// The query's part.
        part: PartPath,
        /// The item's part.
        item_part: PartPath,
        /// Folded characters (letters and digits) of the query that the passage covers.
        covered: u32,
        /// The same, each weighted 0..=1 by how rare its grams are in the index and by how few items
        /// contain the passage, minus the cost of gaps. The score is computed from it.
        distinctive: f64,
        /// Folded characters in the passage that ignore or background files have too.
        discounted: u32,
        /// The place of the passage in the query's text, in characters (Unicode scalar values), end
        /// exclusive.
        query_span: [u32; 2],
        /// For text that was recognised in a picture, the place of its words: left, top, width,
        /// height in the query's pixels. `query_span` then refers to the recognised text.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        region: Option<[u32; 4]>,
        /// The place of the passage in the item's text, in characters, exact to a few of them.
        item_span: [u32; 2],
        /// The score of this evidence, 0..=1.
        score: f64,
    },
    /// Rows of a table of the item: values of each row are close together in the query, in any order
    /// and notation.
    #[non_exhaustive]
    Record {
        /// The query's part.
        part: PartPath,
        /// The item's part.
        item_part: PartPath,
        /// The numbers of the rows, counted from 1; at most the first 64.
        rows: Vec<u32>,
        /// The number of rows.
        records: u32,
        /// Values of these rows that the query has.
        cells: u32,
        /// The surprise in bits: unrelated material would have as much once in `2^surprise`
        /// searches. The score is computed from it.
        surprise: f64,
        /// The place of the values in the query's text, in characters (Unicode scalar values), end
        /// exclusive.
        query_span: [u32; 2],
        /// For values that were recognised in a picture, as for [`Text`](Self::Text).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        region: Option<[u32; 4]>,
        /// The score of this evidence, 0..=1.
        score: f64,
    },
}

impl Evidence {
    /// Returns the score of this piece of evidence, 0..=1.
    pub fn score(&self) -> f64 {
        match self {
            Self::Bytes { .. } | Self::Pixels { .. } => 1.0,
            Self::Image { score, .. }
            | Self::Code { score, .. }
            | Self::Region { score, .. }
            | Self::Text { score, .. }
            | Self::Record { score, .. } => *score,
        }
    }

    /// Returns the query's part and the item's part.
    pub fn parts(&self) -> (&PartPath, &PartPath) {
        match self {
            Self::Bytes { part, item_part }
            | Self::Pixels { part, item_part }
            | Self::Image {
                part, item_part, ..
            }
            | Self::Code {
                part, item_part, ..
            }
            | Self::Region {
                part, item_part, ..
            }
            | Self::Text {
                part, item_part, ..
            }
            | Self::Record {
                part, item_part, ..
            } => (part, item_part),
        }
    }

    /// Returns the kind as one lower-case word, as in the JSON lines.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Bytes { .. } => "bytes",
            Self::Pixels { .. } => "pixels",
            Self::Image { .. } => "image",
            Self::Code { .. } => "code",
            Self::Region { .. } => "region",
            Self::Text { .. } => "text",
            Self::Record { .. } => "record",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strengths_are_ordered_and_parse_back() {
        for s in [Strength::Possible, Strength::Strong, Strength::Certain] {
            assert_eq!(s.as_str().parse::<Strength>().unwrap(), s);
            assert_eq!(Strength::from_score(s.min_score()), Some(s));
        }
        assert_eq!(Strength::from_score(0.49), None);
        assert!("sure".parse::<Strength>().is_err());
    }
}
