//! Text that a recogniser reads in a picture of the query.

use super::evidence::Evidence;
use super::{Matcher, record, text};
use crate::error::Result;
use crate::fingerprint::RasterPrints;
use crate::index::PartId;
use crate::media::{PartPath, Recognised, TextFromImage};

/// Recognises what a picture says and adds what of the index it quotes to `found`, with the
/// place of the words.
pub(super) fn find(
    matcher: &Matcher,
    recogniser: &dyn TextFromImage,
    part: &PartPath,
    raster: &RasterPrints,
    found: &mut Vec<(PartId, Evidence)>,
) -> Result<()> {
    let shelf = matcher.shelf();
    let mut indexes = shelf.volumes().iter().map(|volume| &volume.index);
    let has_text = indexes.any(|index| !index.grams().is_empty() || !index.cells().is_empty());
    let Some(luma) = raster.luma.0.as_deref().filter(|_| has_text) else {
        return Ok(());
    };
    // What cannot be recognised is as a picture without text.
    let Some(Ok(words)) = luma.stems().map(|_| recogniser.words(luma)) else {
        return Ok(());
    };
    let recognised = Recognised::new(words);
    let (prints, cells) = matcher.fingerprinter().recognised_prints(&recognised.text);
    let mut place = |item_part, mut evidence: Evidence| {
        if let Evidence::Text {
            region, query_span, ..
        }
        | Evidence::Record {
            region, query_span, ..
        } = &mut evidence
        {
            *region = recognised.region(*query_span);
        }
        found.push((item_part, evidence));
        Ok(())
    };
    let source = text::Source {
        part,
        prints: &prints,
        pictured: true,
        floor: matcher.options().floor(),
    };
    text::find(shelf, &source, &mut place)?;
    record::find(shelf, part, &cells, &mut place)
}
