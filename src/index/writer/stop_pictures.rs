//! Stop pictures: the pictures of ignore files, and those that several background documents show.

use super::PictureCodes;
use crate::code::Code256;
use crate::error::Result;
use crate::exec::Executor;
use crate::index::CodeSet;

/// Bits of 256 in which the PDQ codes of one picture may differ: the threshold that the authors
/// of PDQ recommend.
const MAX_PDQ_DISTANCE: u32 = 31;
/// Bits of 256 in which the gradient hashes of one picture, the second opinion, may differ.
const MAX_GRADIENT_DISTANCE: u32 = 40;

/// Background documents that must have a print or picture for it to be discounted. One alone may
/// be the leak itself, posted already.
pub(super) const MIN_DOCUMENTS: u32 = 2;

/// A picture of an ignore file or background document.
#[derive(Clone, Copy, Debug)]
pub(super) struct StopPicture {
    /// The number of the background document; `None` for an ignore file.
    pub(super) document: Option<u32>,
    pub(super) codes: PictureCodes,
}

/// The pictures of ignore files and background documents, in the order of the documents.
#[derive(Debug)]
pub(super) struct StopPictures {
    pictures: Vec<StopPicture>,
    codes: CodeSet,
}

impl StopPictures {
    pub(super) fn new(pictures: Vec<StopPicture>) -> Result<Self> {
        let codes = CodeSet::from_codes(pictures.iter().map(|picture| picture.codes.pdq))?;
        Ok(Self { pictures, codes })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pictures.is_empty()
    }

    /// Sets the flags of `pictures`: true for each that an ignore file or [`MIN_DOCUMENTS`]
    /// background documents show.
    pub(super) fn mark_common(
        &self,
        pictures: &[PictureCodes],
        discounted: &mut [bool],
        exec: &Executor,
    ) -> Result<()> {
        let queries: Vec<Code256> = pictures.iter().map(|codes| codes.pdq).collect();
        let (hits, _) = self.codes.view().search(&queries, MAX_PDQ_DISTANCE, exec)?;
        for hits in hits.chunk_by(|a, b| a.query == b.query) {
            let Some(query) = hits.first().map(|hit| hit.query as usize) else {
                continue;
            };
            let (Some(picture), Some(flag)) = (pictures.get(query), discounted.get_mut(query))
            else {
                continue;
            };
            // Hits are sorted by code, so the documents are in order too.
            let mut last = None;
            let mut documents = 0;
            for stop in hits
                .iter()
                .filter_map(|hit| self.pictures.get(hit.code as usize))
                .filter(|stop| {
                    let distance = stop.codes.gradient.distance(&picture.gradient);
                    distance <= MAX_GRADIENT_DISTANCE
                })
            {
                if stop.document.is_none() {
                    documents = MIN_DOCUMENTS;
                } else if last != stop.document {
                    last = stop.document;
                    documents += 1;
                }
            }
            *flag = documents >= MIN_DOCUMENTS;
        }
        Ok(())
    }
}
