//! What unrelated content shares, and therefore proves little.

use crate::error::Result;
use crate::exec::Executor;
use crate::fingerprint::{Digest, Fingerprint};

use super::common::Common;
use super::stop_pictures::{COMMON, StopPicture, StopPictures};
use super::{PictureCodes, PictureEntry, digests, local};

/// Pictures of the index compared with the background at a time, which bounds
/// the hits in memory if all of them are blank pages.
const PICTURE_BATCH: usize = 256;

/// What ignore files and background documents have shown so far.
#[derive(Debug, Default)]
pub(crate) struct Discounts {
    documents: u32,
    grams: Sightings<u64>,
    cells: Sightings<u64>,
    digests: Sightings<Digest>,
    pictures: Vec<StopPicture>,
    locals: Vec<local::Seen>,
}

impl Discounts {
    pub(crate) fn ignore(&mut self, fingerprint: &Fingerprint) {
        // What an ignore file has is common by decree.
        self.learn(fingerprint, None, COMMON);
    }

    pub(crate) fn background(&mut self, fingerprint: &Fingerprint) {
        let document = self.documents;
        self.documents = document.saturating_add(1);
        self.learn(fingerprint, Some(document), 1);
    }

    fn learn(&mut self, fingerprint: &Fingerprint, document: Option<u32>, times: u32) {
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
        self.locals.extend(local::seen(fingerprint, document));
        self.pictures.extend(rasters.map(|raster| StopPicture {
            document,
            codes: PictureCodes::of(raster),
        }));
    }

    /// The local prints of all pictures seen, in the order of their documents.
    pub(super) fn locals(&self) -> &[local::Seen] {
        &self.locals
    }

    /// The grams to discount, sorted.
    pub(super) fn grams(&mut self) -> Vec<u64> {
        self.grams.common()
    }

    /// The cells to discount, sorted.
    pub(super) fn cells(&mut self) -> Vec<u64> {
        self.cells.common()
    }

    /// The digests to discount, sorted.
    pub(super) fn digests(&mut self) -> Vec<Digest> {
        self.digests.common()
    }

    /// For each picture of the index, whether to discount it.
    pub(super) fn pictures(&self, pictures: &[PictureEntry], exec: &Executor) -> Result<Vec<bool>> {
        let mut discounted = vec![false; pictures.len()];
        if self.pictures.is_empty() {
            return Ok(discounted);
        }
        let seen = StopPictures::new(self.pictures.clone())?;
        let batches = pictures.chunks(PICTURE_BATCH);
        for (batch, discounted) in batches.zip(discounted.chunks_mut(PICTURE_BATCH)) {
            let codes: Vec<PictureCodes> = batch.iter().map(|picture| picture.codes).collect();
            seen.mark_common(&codes, discounted, exec)?;
        }
        Ok(discounted)
    }

    /// What all of it has in common, for who asks of one print or picture at a time.
    pub(crate) fn into_common(mut self) -> Result<Common> {
        let (grams, cells, digests) = (self.grams(), self.cells(), self.digests());
        let pictures = StopPictures::new(self.pictures)?;
        Ok(Common::new(grams, cells, digests, pictures, self.locals))
    }
}

/// Counts in how many documents each value was seen, up to [`COMMON`].
#[derive(Debug)]
struct Sightings<T> {
    /// One entry a document that has the value. The first `sorted` are sorted
    /// and hold no value more than [`COMMON`] times.
    seen: Vec<T>,
    sorted: usize,
}

impl<T> Default for Sightings<T> {
    fn default() -> Self {
        Self {
            seen: Vec::new(),
            sorted: 0,
        }
    }
}

impl<T: Copy + Ord> Sightings<T> {
    /// New entries below which tidying up is not worth a pass.
    const SLACK: usize = 1 << 16;

    /// Values of one document, which counts `times` for each.
    fn add_document(&mut self, values: impl Iterator<Item = T>, times: u32) {
        let mut values: Vec<T> = values.collect();
        values.sort_unstable();
        values.dedup();
        for _ in 0..times {
            self.seen.extend_from_slice(&values);
        }
        // As much new as old: each entry is then moved a logarithmic number of times.
        if self.seen.len() - self.sorted > self.sorted.max(Self::SLACK) {
            self.tidy();
        }
    }

    fn tidy(&mut self) {
        // The stable sort makes use of the runs that are sorted already.
        self.seen.sort();
        let mut run: Option<(T, u32)> = None;
        self.seen.retain(|&value| {
            let count = match run {
                Some((last, count)) if last == value => count.saturating_add(1),
                _ => 1,
            };
            run = Some((value, count));
            count <= COMMON
        });
        self.sorted = self.seen.len();
    }

    /// The values of [`COMMON`] documents or more, sorted.
    fn common(&mut self) -> Vec<T> {
        self.tidy();
        self.seen
            .chunk_by(|a, b| a == b)
            .filter(|run| run.len() >= COMMON as usize)
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
        fn common_is_what_two_documents_have(
            documents in prop::collection::vec(prop::collection::vec(0_u64..50, 0..30), 0..8),
            tidy_after in 0_usize..8,
        ) {
            let mut sightings = Sightings::default();
            let mut counts = BTreeMap::<u64, u32>::new();
            for (i, document) in documents.iter().enumerate() {
                sightings.add_document(document.iter().copied(), 1);
                let mut distinct = document.clone();
                distinct.sort_unstable();
                distinct.dedup();
                for value in distinct {
                    *counts.entry(value).or_default() += 1;
                }
                if i == tidy_after {
                    sightings.tidy();
                }
            }
            let expected: Vec<u64> =
                counts.iter().filter(|(_, n)| **n >= 2).map(|(&v, _)| v).collect();
            prop_assert_eq!(sightings.common(), expected);
        }
    }

    #[test]
    fn memory_is_bounded_by_distinct_values() {
        let mut sightings = Sightings::default();
        for _ in 0..100 {
            sightings.add_document(0_u64..10_000, 1);
        }
        assert!(sightings.seen.len() <= 20_000 + Sightings::<u64>::SLACK);
        assert_eq!(sightings.common().len(), 10_000);
    }
}
