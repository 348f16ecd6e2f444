//! Counts and sizes of an index.

use serde::{Deserialize, Serialize};

use super::layout::{FRAME_LEN, Section};
use super::records::KEY_STORED;
use super::{FORMAT_VERSION, Index};
use crate::calibration::{CalibrationInfo, CalibrationSource};
use crate::fingerprint::{Digest, Recipe};

/// Counts and sizes of an index, from its header.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct IndexInfo {
    /// The version of the file format.
    pub format_version: u32,
    /// How the prints were made.
    pub recipe: Recipe,
    /// Whether the key of the prints is in the file.
    pub key_stored: bool,
    /// Items.
    pub items: u32,
    /// Parts of all items.
    pub parts: u32,
    /// Parts that are pictures.
    pub pictures: u32,
    /// Exact digests of parts and pictures.
    pub digests: u32,
    /// Distinct text grams.
    pub grams: u32,
    /// Places of all grams.
    pub postings: u32,
    /// Distinct grams that ignore or background files have too.
    pub discounted_grams: u32,
    /// Distinct values in cells of tables.
    pub cells: u32,
    /// Distinct values that ignore or background files have too.
    pub discounted_cells: u32,
    /// Whether the calibration in effect was measured for this index.
    #[serde(default = "built_in")]
    pub calibration: CalibrationSource,
    /// The measured calibration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibrated: Option<CalibrationInfo>,
    /// Bytes of the file.
    pub file_bytes: u64,
    /// The sections with their sizes, in the order of the file.
    pub sections: Vec<SectionInfo>,
}

/// The calibration in effect in descriptions by builds that had no other.
fn built_in() -> CalibrationSource {
    CalibrationSource::BuiltIn
}

/// One section of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SectionInfo {
    /// The name in the [description of the file](super#the-file).
    pub name: String,
    /// The size of the section in bytes.
    pub bytes: u64,
}

impl Index {
    /// Returns a digest that identifies the index: BLAKE3 of the header, which holds the checksum of
    /// every section. It depends on every byte of the file and is computed from 1,344 bytes.
    pub fn digest(&self) -> Digest {
        Digest::of_bytes(self.0.bytes.get(..FRAME_LEN).unwrap_or_default())
    }

    /// Returns counts and sizes; reads only the header.
    pub fn info(&self) -> IndexInfo {
        let meta = &self.0.meta;
        IndexInfo {
            format_version: FORMAT_VERSION,
            recipe: self.0.recipe.clone(),
            key_stored: meta.flags & KEY_STORED != 0,
            items: meta.items,
            parts: meta.parts,
            pictures: meta.pictures,
            digests: meta.digests,
            grams: meta.grams,
            postings: meta.postings,
            discounted_grams: meta.discounted_grams,
            cells: meta.cells,
            discounted_cells: meta.discounted_cells,
            calibration: match self.calibration() {
                Some(measured) => measured.source(),
                None => CalibrationSource::BuiltIn,
            },
            // An index never grows.
            calibrated: (self.calibration()).and_then(|measured| measured.info(&[0; 5])),
            file_bytes: self.0.bytes.len() as u64,
            sections: Section::ALL
                .into_iter()
                .map(|section| SectionInfo {
                    name: section.name().to_owned(),
                    bytes: self.0.layout.extent(section).range().len() as u64,
                })
                .collect(),
        }
    }
}
