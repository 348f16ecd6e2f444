//! Stop prints: what ignore files and background documents have in common with items.
//!
//! A matcher applies them to indexes that were written without them, by the same rules by which the
//! writer sets its `discounted` flags.

use super::PictureCodes;
use super::local::{LIKE_DISTANCE, PRINTS_PER_RUN, Place, StopPatch, is_common};
use super::stop_pictures::StopPictures;
use crate::error::Result;
use crate::exec::Executor;
use crate::fingerprint::{Digest, signature_distance};
use crate::index::local::{TABLES, bucket};
use crate::index::{PictureInfo, StoredPrint};

/// The prints and pictures to discount.
#[derive(Debug)]
pub(crate) struct StopPrints {
    /// Sorted, as are the cells and digests.
    grams: Vec<u64>,
    /// Grams that are content however many items have them.
    vouched: Vec<u64>,
    cells: Vec<u64>,
    digests: Vec<Digest>,
    pictures: StopPictures,
    patches: Vec<StopPatch>,
    /// The patches by the lowest bits of either half of their signatures.
    places: Vec<Place>,
    bits: u32,
}

impl StopPrints {
    pub(super) fn new(
        grams: Vec<u64>,
        vouched: Vec<u64>,
        cells: Vec<u64>,
        digests: Vec<Digest>,
        pictures: StopPictures,
        patches: Vec<StopPatch>,
    ) -> Self {
        let runs = patches.len() / PRINTS_PER_RUN;
        let bits = runs.checked_ilog2().unwrap_or(0).min(24);
        let in_tables = (0..).zip(&patches).flat_map(|(id, patch)| {
            let words = (0..TABLES).zip(patch.signature);
            words.map(move |(table, word)| (bucket(table, word, bits) as u32, id))
        });
        let mut places: Vec<Place> = in_tables.collect();
        places.sort_unstable();
        Self {
            grams,
            vouched,
            cells,
            digests,
            pictures,
            patches,
            places,
            bits,
        }
    }

    /// Returns whether a gram is a stop print, by binary search.
    pub(crate) fn has_gram(&self, print: u64) -> bool {
        self.grams.binary_search(&print).is_ok()
    }

    /// Returns whether the owner vouches for a gram, by binary search.
    pub(crate) fn vouches_for(&self, print: u64) -> bool {
        self.vouched.binary_search(&print).is_ok()
    }

    /// Returns whether a cell is a stop print, by binary search.
    pub(crate) fn has_cell(&self, print: u64) -> bool {
        self.cells.binary_search(&print).is_ok()
    }

    /// Returns whether a digest is a stop print, by binary search.
    pub(crate) fn has_digest(&self, digest: &Digest) -> bool {
        self.digests.binary_search(digest).is_ok()
    }

    /// Returns whether a picture is to be discounted. Compares it with every stop picture.
    pub(crate) fn has_picture(&self, picture: &PictureInfo) -> Result<bool> {
        let mut discounted = [false];
        if !self.pictures.is_empty() {
            let codes = PictureCodes {
                pdq: picture.pdq,
                gradient: picture.gradient,
            };
            let serial = Executor::serial();
            (self.pictures).mark_common(&[codes], &mut discounted, &serial)?;
        }
        Ok(discounted == [true])
    }

    /// Marks the local prints of a picture that are to be discounted. About fifty comparisons
    /// for each print.
    pub(crate) fn mark(&self, prints: &mut [StoredPrint]) {
        if self.patches.is_empty() {
            return;
        }
        for print in prints {
            let mut tables = (0..TABLES).zip(print.signature);
            print.discounted |= tables.any(|(table, word)| {
                let bucket = bucket(table, word, self.bits) as u32;
                let start = self.places.partition_point(|place| place.0 < bucket);
                let end = self.places.partition_point(|place| place.0 <= bucket);
                let in_bucket = self.places.get(start..end).unwrap_or_default();
                is_common(in_bucket, |id| {
                    let patch = self.patches.get(id as usize)?;
                    let distance = signature_distance(&print.signature, &patch.signature);
                    (distance <= LIKE_DISTANCE).then_some(patch.document)
                })
            });
        }
    }
}
