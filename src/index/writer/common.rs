//! What ignore and background files share, for who matches over indexes that were written without
//! knowing of them. The rules are those by which the writer sets its flags.

use super::PictureCodes;
use super::local::{ALIKE, COMPARED_TOGETHER, Place, Seen, common};
use super::stop_pictures::StopPictures;
use crate::error::Result;
use crate::exec::Executor;
use crate::fingerprint::{Digest, signature_distance};
use crate::index::local::{TABLES, bucket};
use crate::index::{PictureInfo, StoredPrint};

/// What is discounted.
#[derive(Debug)]
pub(crate) struct Common {
    /// All sorted.
    grams: Vec<u64>,
    cells: Vec<u64>,
    digests: Vec<Digest>,
    pictures: StopPictures,
    locals: Vec<Seen>,
    /// The local prints by the lowest bits of either half of their signatures.
    places: Vec<Place>,
    bits: u32,
}

impl Common {
    pub(super) fn new(
        grams: Vec<u64>,
        cells: Vec<u64>,
        digests: Vec<Digest>,
        pictures: StopPictures,
        locals: Vec<Seen>,
    ) -> Self {
        let together = locals.len() / COMPARED_TOGETHER;
        let bits = together.checked_ilog2().unwrap_or(0).min(24);
        let in_tables = (0..).zip(&locals).flat_map(|(id, seen)| {
            let words = (0..TABLES).zip(seen.signature);
            words.map(move |(table, word)| (bucket(table, word, bits) as u32, id))
        });
        let mut places: Vec<Place> = in_tables.collect();
        places.sort_unstable();
        Self {
            grams,
            cells,
            digests,
            pictures,
            locals,
            places,
            bits,
        }
    }

    /// In log2 of the number of grams steps, as [`cell`](Self::cell) and
    /// [`digest`](Self::digest) are.
    pub(crate) fn gram(&self, print: u64) -> bool {
        self.grams.binary_search(&print).is_ok()
    }

    pub(crate) fn cell(&self, print: u64) -> bool {
        self.cells.binary_search(&print).is_ok()
    }

    pub(crate) fn digest(&self, digest: &Digest) -> bool {
        self.digests.binary_search(digest).is_ok()
    }

    /// Compares a picture with every one of the ignore and background files.
    pub(crate) fn picture(&self, picture: &PictureInfo) -> Result<bool> {
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

    /// Marks the local prints of a picture that are discounted, in some fifty comparisons each.
    pub(crate) fn mark(&self, prints: &mut [StoredPrint]) {
        if self.locals.is_empty() {
            return;
        }
        for print in prints {
            let mut tables = (0..TABLES).zip(print.signature);
            print.discounted |= tables.any(|(table, word)| {
                let bucket = bucket(table, word, self.bits) as u32;
                let start = self.places.partition_point(|place| place.0 < bucket);
                let end = self.places.partition_point(|place| place.0 <= bucket);
                let of_bucket = self.places.get(start..end).unwrap_or_default();
                common(of_bucket, |id| {
                    let seen = self.locals.get(id as usize)?;
                    let alike = signature_distance(&print.signature, &seen.signature) <= ALIKE;
                    alike.then_some(seen.document)
                })
            });
        }
    }
}
