//! What a match is made of: items, scores, strengths and the evidence behind them.

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

/// One leaked item that a query shows, wholly or in part. Serialisable, as the JSON lines have it.
///
/// ```
/// use leakprint::{Evidence, Match};
///
/// let line = r#"{"item": "memo.txt", "score": 1.0, "strength": "certain",
///                "evidence": [{"kind": "bytes", "part": "attachment:1", "item_part": ""}]}"#;
/// let found: Match = serde_json::from_str(line).unwrap();
/// let (part, _) = found.evidence[0].parts();
/// assert_eq!((found.item.as_str(), part.as_str()), ("memo.txt", "attachment:1"));
/// // With what the owner says, where the item is in a collection.
/// let line = line.replace("}]}", r#"}], "label": "plans", "added": "2026-03-01T12:00:00Z"}"#);
/// let found: Match = serde_json::from_str(&line).unwrap();
/// assert_eq!(found.metadata.unwrap().label.as_deref(), Some("plans"));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Match {
    /// The owner's name of the item.
    pub item: String,
    /// How sure, 0..=1, comparable across kinds of evidence: that of the strongest evidence.
    pub score: f64,
    /// The score as a word.
    pub strength: Strength,
    /// Why, strongest first; never empty.
    pub evidence: Vec<Evidence>,
    /// What the owner says about the item, if it is in a collection. Serialised beside the other
    /// fields, not as an object.
    #[serde(flatten, deserialize_with = "metadata")]
    pub metadata: Option<Metadata>,
}

/// Reads metadata where there is any: an item of a collection always has the time when it was added.
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

/// How sure a match is, from weak to sure: three levels, to which none will be added.
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
    /// Worth a look by a person, nothing more.
    Possible,
    /// Reported by default: no false match among the unrelated material it was measured on.
    Strong,
    /// Identical, or alike in so much that chance is out of the question.
    Certain,
}

impl Strength {
    /// The lowest score of this strength.
    pub fn min_score(self) -> f64 {
        match self {
            Self::Possible => 0.5,
            Self::Strong => 0.7,
            Self::Certain => 0.95,
        }
    }

    /// The strength of a score; `None` below [`Possible`](Self::Possible).
    pub fn from_score(score: f64) -> Option<Self> {
        [Self::Certain, Self::Strong, Self::Possible]
            .into_iter()
            .find(|s| score >= s.min_score())
    }

    /// The strength as one lower-case word.
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
                    format!("a strength is possible, strong or certain, not {word:?}"),
                )
            })
    }
}

/// Why a query matches an item: the kind of trace, its measure, and where on both sides.
///
/// `part` is the query's part, `item_part` the item's; empty for the media itself.
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
    /// The same pixels, saved anew without loss.
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
        /// How sure this evidence is by itself.
        score: f64,
    },
    /// A perceptual hash of a hash list: one opinion, with no second one to be had.
    #[non_exhaustive]
    Code {
        /// The query's part.
        part: PartPath,
        /// Always empty: nothing else is known of the item.
        item_part: PartPath,
        /// How both hashes were made.
        pipeline: Pipeline,
        /// Bits of 256 in which they differ, at most 31.
        distance: u32,
        /// How the listed picture was turned or mirrored to get the query.
        transform: Dihedral,
        /// Whether its colours were inverted too.
        inverted: bool,
        /// How sure this evidence is by itself, always below what is certain.
        score: f64,
    },
    /// A part of the item's picture, seen in a part of the query.
    #[non_exhaustive]
    Region {
        /// The query's part.
        part: PartPath,
        /// The item's part.
        item_part: PartPath,
        /// What of the query shows the item: left, top, width, height in its pixels.
        region: [u32; 4],
        /// What of the item is seen, likewise in the item's pixels.
        item_region: [u32; 4],
        /// The homography from the item's pixels to the query's, row by row.
        transform: [f64; 9],
        /// Whether the query shows it mirrored.
        mirrored: bool,
        /// Whether its colours were inverted.
        inverted: bool,
        /// Details of the item that the query shows as the item has them ...
        agreed: u32,
        /// ... of so many that lie in the region that the query shows.
        compared: u32,
        /// The details that agree, each weighed by how many other pictures of the
        /// index have it too, 0..=1.
        distinctive: f64,
        /// The weighed share of details that agree, less where there are few, 0..=1: what the
        /// score is made of.
        share: f64,
        /// The share of the query's area that the item fills, 0..=1.
        of_query: f64,
        /// The share of the item's area that the query shows, 0..=1.
        of_item: f64,
        /// How sure this evidence is by itself.
        score: f64,
    },
    /// A passage of the item's text, in its order.
    #[non_exhaustive]
    Text {
        /// The query's part.
        part: PartPath,
        /// The item's part.
        item_part: PartPath,
        /// Folded characters (letters and digits) of the query that the passage explains.
        covered: u32,
        /// The same, each weighed by how rare its grams are in the index and by
        /// how many items contain the passage, 0..=1, less what gaps in it cost:
        /// what the score is made of.
        distinctive: f64,
        /// Folded characters inside the passage that the owner's ignore or background material explains.
        discounted: u32,
        /// Where the passage stands in the query's text: characters (Unicode scalar values), end exclusive.
        query_span: [u32; 2],
        /// For text that was recognised in a picture, the place of its words: left, top, width,
        /// height in the query's pixels. `query_span` counts in the recognised text then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        region: Option<[u32; 4]>,
        /// Where it stands in the item's text, likewise; exact to a few characters.
        item_span: [u32; 2],
        /// How sure this evidence is by itself.
        score: f64,
    },
    /// Rows of a table of the item: values of each stand close together in the query, in
    /// whatever order and form.
    #[non_exhaustive]
    Record {
        /// The query's part.
        part: PartPath,
        /// The item's part.
        item_part: PartPath,
        /// Which rows, counted from 1, the first 64 of them.
        rows: Vec<u32>,
        /// How many rows.
        records: u32,
        /// Values of these rows that the query has.
        cells: u32,
        /// How surprising that is, in bits: unrelated material would show as much once in
        /// `2^surprise` searches. What the score is made of.
        surprise: f64,
        /// Where the values stand in the query's text: characters (Unicode scalar values), end
        /// exclusive.
        query_span: [u32; 2],
        /// For values that were recognised in a picture, as for text.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        region: Option<[u32; 4]>,
        /// How sure this evidence is by itself.
        score: f64,
    },
}

impl Evidence {
    /// How sure this piece of evidence is by itself, 0..=1.
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

    /// The query's part and the item's.
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

    /// The kind as the JSON lines name it.
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
