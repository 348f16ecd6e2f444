//! Matching of text that a recogniser reads in a picture of the query.

use super::evidence::{Evidence, Strength};
use super::{Matcher, record, text};
use crate::deadline::Deadline;
use crate::error::Result;
use crate::fingerprint::RasterPrints;
use crate::index::PartId;
use crate::media::{PartPath, Recognised, TextFromImage};

/// Recognises the text in a picture and appends the passages and records of the index that it
/// contains to `found`, with the regions of their words.
pub(super) fn find(
    matcher: &Matcher,
    recogniser: &dyn TextFromImage,
    part: &PartPath,
    raster: &RasterPrints,
    deadline: &Deadline,
    found: &mut Vec<(PartId, Evidence)>,
) -> Result<()> {
    let indexes = matcher.index_set();
    let has_text = (indexes.views().iter())
        .any(|view| !view.index.grams().is_empty() || !view.index.cells().is_empty());
    let Some(luma) = raster.luma.0.as_deref().filter(|_| has_text) else {
        return Ok(());
    };
    // A picture that cannot be recognised counts as one without text.
    let words = luma
        .stems_until(deadline)?
        .map(|_| recogniser.words_until(luma, deadline));
    deadline.check()?;
    let Some(Ok(words)) = words else {
        return Ok(());
    };
    let recognised = Recognised::new(words);
    let fingerprinter = matcher.query_fingerprinter();
    let (prints, cells) = fingerprinter.recognised_prints(&recognised.text, deadline)?;
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
        fingerprinter,
        part,
        prints: &prints,
        values: &cells,
        in_picture: true,
        floor: matcher.options().floor(),
        least_score: Strength::Possible.min_score(),
        deadline,
    };
    text::find(indexes, &source, &mut place)?;
    let least = Strength::Possible.min_score();
    record::find(indexes, part, &cells, least, deadline, &mut place)
}
