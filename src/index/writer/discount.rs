//! Discounted content: what unrelated documents have too, so that sharing it proves little.

use crate::error::Result;
use crate::exec::Executor;
use crate::fingerprint::{Digest, Fingerprint};

use super::stop_pictures::{MIN_DOCUMENTS, StopPicture, StopPictures};
use super::stop_prints::StopPrints;
use super::{PictureCodes, PictureEntry, digests, local};

/// Pictures of the index compared with the background at a time. Bounds the hits in memory if
/// all of them are blank pages.
const PICTURE_BATCH: usize = 256;

/// The content of the ignore files and background documents added so far.
#[derive(Debug, Default)]
pub(crate) struct Discounts {
    documents: u32,
    grams: DocumentCounts<u64>,
    cells: DocumentCounts<u64>,
    digests: DocumentCounts<Digest>,
    pictures: Vec<StopPicture>,
    patches: Vec<local::StopPatch>,
    /// The grams of content that the owner vouches for.
    vouched: Vec<u64>,
}

impl Discounts {
    /// Adds an ignore file: everything in it is discounted.
    pub(crate) fn ignore(&mut self, fingerprint: &Fingerprint) {
        // Counts as many documents as discounting needs.
        self.add(fingerprint, None, MIN_DOCUMENTS);
    }

    /// Adds a background document: what [`MIN_DOCUMENTS`] of these have is discounted.
    pub(crate) fn background(&mut self, fingerprint: &Fingerprint) {
        let document = self.documents;
        self.documents = document.saturating_add(1);
        self.add(fingerprint, Some(document), 1);
    }

    /// Adds content that the owner vouches for: its grams are not discounted.
    pub(crate) fn vouch(&mut self, fingerprint: &Fingerprint) {
        let texts = fingerprint
            .parts
            .iter()
            .filter_map(|part| part.text.as_ref());
        let grams = texts.flat_map(|text| text.grams.iter().map(|gram| gram.print));
        self.vouched.extend(grams);
    }

    /// Returns the grams that the owner vouches for, sorted.
    pub(super) fn vouched(&mut self) -> &[u64] {
        self.vouched.sort_unstable();
        self.vouched.dedup();
        &self.vouched
    }

    fn add(&mut self, fingerprint: &Fingerprint, document: Option<u32>, times: u32) {
        let parts = &fingerprint.parts;
        let texts = parts.iter().filter_map(|part| part.text.as_ref());
        self.grams.add_document(
            texts.flat_map(|text| text.grams.iter().map(|gram| gram.print)),
            times,
        );
        let cells = parts.iter().flat_map(|part| &part.cells);
        self.cells.add_document(cells.map(|cell| cell.print), times);
        self.digests.add_document(
            parts.iter().flat_map(digests).map(|(_, digest)| digest),
            times,
        );
        let rasters = parts.iter().filter_map(|part| part.raster.as_ref());
        self.patches
            .extend(local::stop_patches(fingerprint, document));
        self.pictures.extend(rasters.map(|raster| StopPicture {
            document,
            codes: PictureCodes::of(raster),
        }));
    }

    /// Returns the local prints of all pictures, in the order of their documents.
    pub(super) fn patches(&self) -> &[local::StopPatch] {
        &self.patches
    }

    /// Returns the grams to discount, sorted.
    pub(super) fn grams(&mut self) -> Vec<u64> {
        let mut grams = self.grams.common();
        let vouched = self.vouched();
        grams.retain(|gram| vouched.binary_search(gram).is_err());
        grams
    }

    /// Returns the cells to discount, sorted.
    pub(super) fn cells(&mut self) -> Vec<u64> {
        self.cells.common()
    }

    /// Returns the digests to discount, sorted.
    pub(super) fn digests(&mut self) -> Vec<Digest> {
        self.digests.common()
    }

    /// Returns for each picture of the index whether to discount it.
    pub(super) fn pictures(&self, pictures: &[PictureEntry], exec: &Executor) -> Result<Vec<bool>> {
        let mut discounted = vec![false; pictures.len()];
        if self.pictures.is_empty() {
            return Ok(discounted);
        }
        let stop_pictures = StopPictures::new(self.pictures.clone())?;
        let batches = pictures.chunks(PICTURE_BATCH);
        for (batch, discounted) in batches.zip(discounted.chunks_mut(PICTURE_BATCH)) {
            let codes: Vec<PictureCodes> = batch.iter().map(|picture| picture.codes).collect();
            stop_pictures.mark_common(&codes, discounted, exec)?;
        }
        Ok(discounted)
    }

    /// Converts the counts to stop prints, which answer for one print or picture at a time.
    pub(crate) fn into_stop_prints(mut self) -> Result<StopPrints> {
        let (grams, cells, digests) = (self.grams(), self.cells(), self.digests());
        let pictures = StopPictures::new(self.pictures)?;
        Ok(StopPrints::new(
            grams,
            self.vouched,
            cells,
            digests,
            pictures,
            self.patches,
        ))
    }
}

/// Counts how many documents have each value, up to [`MIN_DOCUMENTS`].
#[derive(Debug)]
struct DocumentCounts<T> {
    /// One entry for each document and value. The first `sorted` entries are sorted and hold
    /// no value more than [`MIN_DOCUMENTS`] times.
    entries: Vec<T>,
    sorted: usize,
}

impl<T> Default for DocumentCounts<T> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            sorted: 0,
        }
    }
}

impl<T: Copy + Ord> DocumentCounts<T> {
    /// Unsorted entries up to which sorting is not worth a pass.
    const MAX_UNSORTED: usize = 1 << 16;

    /// Adds the values of one document, which counts as `times` documents.
    fn add_document(&mut self, values: impl Iterator<Item = T>, times: u32) {
        let mut values: Vec<T> = values.collect();
        values.sort_unstable();
        values.dedup();
        for _ in 0..times {
            self.entries.extend_from_slice(&values);
        }
        // Sorting when the entries have doubled moves each a logarithmic number of times.
        if self.entries.len() - self.sorted > self.sorted.max(Self::MAX_UNSORTED) {
            self.sort();
        }
    }

    fn sort(&mut self) {
        // The stable sort benefits from runs that are sorted already.
        self.entries.sort();
        let mut run: Option<(T, u32)> = None;
        self.entries.retain(|&value| {
            let count = match run {
                Some((last, count)) if last == value => count.saturating_add(1),
                _ => 1,
            };
            run = Some((value, count));
            count <= MIN_DOCUMENTS
        });
        self.sorted = self.entries.len();
    }

    /// Returns the values that [`MIN_DOCUMENTS`] documents or more have, sorted.
    fn common(&mut self) -> Vec<T> {
        self.sort();
        self.entries
            .chunk_by(|a, b| a == b)
            .filter(|run| run.len() >= MIN_DOCUMENTS as usize)
            .filter_map(|run| run.first().copied())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn values_of_two_documents_are_common(
            documents in prop::collection::vec(prop::collection::vec(0_u64..50, 0..30), 0..8),
            sort_after in 0_usize..8,
        ) {
            let mut counted = DocumentCounts::default();
            let mut counts = BTreeMap::<u64, u32>::new();
            for (i, document) in documents.iter().enumerate() {
                counted.add_document(document.iter().copied(), 1);
                let mut distinct = document.clone();
                distinct.sort_unstable();
                distinct.dedup();
                for value in distinct {
                    *counts.entry(value).or_default() += 1;
                }
                if i == sort_after {
                    counted.sort();
                }
            }
            let expected: Vec<u64> =
                counts.iter().filter(|(_, n)| **n >= 2).map(|(&v, _)| v).collect();
            prop_assert_eq!(counted.common(), expected);
        }
    }

    #[test]
    fn memory_is_bounded_by_distinct_values() {
        let mut counted = DocumentCounts::default();
        for _ in 0..100 {
            counted.add_document(0_u64..10_000, 1);
        }
        assert!(counted.entries.len() <= 20_000 + DocumentCounts::<u64>::MAX_UNSORTED);
        assert_eq!(counted.common().len(), 10_000);
    }
}
