//! Stop pictures: those of ignore files and background documents, which several documents show.

use super::PictureCodes;
use crate::code::Code256;
use crate::error::Result;
use crate::exec::Executor;
use crate::index::CodeSet;

/// Two pictures are the same if PDQ differs in no more bits than its authors
/// recommend for a match ...
const SAME_PDQ: u32 = 31;
/// ... and the gradient hash, the second opinion, in no more than these.
const SAME_GRADIENT: u32 = 40;

/// Background documents that must have something for it to be discounted:
/// what one alone has may be the leak itself, posted already.
pub(super) const COMMON: u32 = 2;

/// A picture and the document that shows it; `None` for an ignore file.
#[derive(Clone, Copy, Debug)]
pub(super) struct StopPicture {
    pub(super) document: Option<u32>,
    pub(super) codes: PictureCodes,
}

/// The pictures of ignore files and background documents, in the order of the documents.
#[derive(Debug)]
pub(super) struct StopPictures {
    seen: Vec<StopPicture>,
    codes: CodeSet,
}

impl StopPictures {
    pub(super) fn new(seen: Vec<StopPicture>) -> Result<Self> {
        let codes = CodeSet::from_codes(seen.iter().map(|seen| seen.codes.pdq))?;
        Ok(Self { seen, codes })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    /// Sets the flag of each picture that is to be discounted.
    pub(super) fn mark_common(
        &self,
        pictures: &[PictureCodes],
        discounted: &mut [bool],
        exec: &Executor,
    ) -> Result<()> {
        let queries: Vec<Code256> = pictures.iter().map(|codes| codes.pdq).collect();
        let (hits, _) = self.codes.view().search(&queries, SAME_PDQ, exec)?;
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
            for seen in hits
                .iter()
                .filter_map(|hit| self.seen.get(hit.code as usize))
                .filter(|seen| seen.codes.gradient.distance(&picture.gradient) <= SAME_GRADIENT)
            {
                if seen.document.is_none() {
                    documents = COMMON;
                } else if last != seen.document {
                    last = seen.document;
                    documents += 1;
                }
            }
            *flag = documents >= COMMON;
        }
        Ok(())
    }
}
