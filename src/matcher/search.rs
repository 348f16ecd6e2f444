//! One query: part by part through all stages, and what they found as matches.

use std::collections::BTreeMap;

use super::evidence::{Evidence, Match, Strength};
use super::{Matcher, local, picture, recognised, record, text};
use crate::deadline::Deadline;
use crate::error::Result;
use crate::fingerprint::PartPrints;
use crate::index::{DigestKind, ItemId, PartId, SearchStats};
use crate::media::PartPath;

/// What one query has shown so far.
pub(super) struct Search<'a> {
    matcher: &'a Matcher,
    deadline: &'a Deadline,
    stats: SearchStats,
    items: BTreeMap<ItemId, Vec<Evidence>>,
}

impl<'a> Search<'a> {
    pub(super) fn new(matcher: &'a Matcher, deadline: &'a Deadline) -> Self {
        Self {
            matcher,
            deadline,
            stats: SearchStats::default(),
            items: BTreeMap::new(),
        }
    }

    /// Compares one part of the query with all items.
    pub(super) fn part(&mut self, part: &PartPrints) -> Result<()> {
        self.deadline.check()?;
        self.digests(part)?;
        let shelf = &self.matcher.shelf;
        let mut found = Vec::new();
        let mut report = |item_part, evidence| {
            found.push((item_part, evidence));
            Ok(())
        };
        if let Some(raster) = &part.raster {
            picture::find(shelf, &part.path, raster, &mut self.stats, &mut report)?;
            let key = self.matcher.fingerprinter.local_key();
            local::find(shelf, key, &part.path, raster, &mut self.stats, &mut report)?;
        }
        if let Some(text) = &part.text {
            let source = text::Source {
                fingerprinter: &self.matcher.fingerprinter,
                part: &part.path,
                prints: text,
                pictured: part.raster.is_some(),
                floor: self.matcher.options.floor(),
            };
            text::find(shelf, &source, &mut report)?;
        }
        record::find(shelf, &part.path, &part.cells, &mut report)?;
        if let (Some(recogniser), Some(raster)) = (&self.matcher.recogniser, &part.raster) {
            let explained = found.iter().any(|(_, evidence): &(_, Evidence)| {
                evidence.score() >= Strength::Strong.min_score()
            });
            if !explained && !self.known(part)? {
                recognised::find(self.matcher, &**recogniser, &part.path, raster, &mut found)?;
            }
        }
        for (item_part, evidence) in found {
            self.add(item_part, evidence)?;
        }
        Ok(())
    }

    /// Whether the index has this very picture.
    fn known(&self, part: &PartPrints) -> Result<bool> {
        for digest in part.bytes.into_iter().chain(part.pixels()) {
            for volume in self.matcher.shelf.with_digest(&digest) {
                for hit in volume.index.digests().find(&digest) {
                    if !volume.hides(hit?.part)? {
                        return Ok(true);
                    }
                }
            }
        }
        Ok(false)
    }

    fn digests(&mut self, part: &PartPrints) -> Result<()> {
        if !is_telling(part, self.matcher.options.text_floor) {
            return Ok(());
        }
        let pixels = part.pixels();
        let matcher = self.matcher;
        for digest in part.bytes.into_iter().chain(pixels) {
            if matcher.shelf.discounts_digest(&digest) {
                continue;
            }
            for volume in matcher.shelf.with_digest(&digest) {
                for entry in volume.index.digests().find(&digest) {
                    let entry = entry?;
                    if entry.discounted || volume.hides(entry.part)? {
                        continue;
                    }
                    let (part, item_part) = (part.path.clone(), PartPath::root());
                    let evidence = match entry.kind {
                        DigestKind::Bytes => Evidence::Bytes { part, item_part },
                        DigestKind::Pixels => Evidence::Pixels { part, item_part },
                    };
                    self.add(volume.part(entry.part), evidence)?;
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, item_part: PartId, mut evidence: Evidence) -> Result<()> {
        let info = self.matcher.shelf.part(item_part)?;
        match &mut evidence {
            Evidence::Bytes { item_part, .. }
            | Evidence::Pixels { item_part, .. }
            | Evidence::Image { item_part, .. }
            | Evidence::Code { item_part, .. }
            | Evidence::Region { item_part, .. }
            | Evidence::Text { item_part, .. }
            | Evidence::Record { item_part, .. } => *item_part = PartPath::from(info.path),
        }
        let kept = self.items.entry(info.item).or_default();
        kept.push(evidence);
        // Only the strongest will be asked for; a query of many parts may bring many more.
        let most = self.matcher.options.max_evidence.max(1);
        if kept.len() >= most.saturating_mul(2).max(64) {
            strongest(kept, most);
        }
        Ok(())
    }

    /// The matches by rank, and the work that they took.
    pub(super) fn finish(self) -> Result<(Vec<(ItemId, Match)>, SearchStats)> {
        let options = &self.matcher.options;
        let mut matches = Vec::new();
        for (item, mut evidence) in self.items {
            strongest(&mut evidence, options.max_evidence.max(1));
            let score = evidence.first().map_or(0.0, Evidence::score);
            let Some(strength) = Strength::of_score(score) else {
                continue;
            };
            if strength < options.min_strength {
                continue;
            }
            let found = Match {
                item: self.matcher.shelf.item_name(item)?.to_owned(),
                score,
                strength,
                evidence,
            };
            matches.push((item, found));
        }
        matches.sort_by(|(_, a), (_, b)| rank(a, b));
        Ok((matches, self.stats))
    }
}

/// The order of matches: by falling score, then by name.
pub(crate) fn rank(a: &Match, b: &Match) -> std::cmp::Ordering {
    b.score
        .total_cmp(&a.score)
        .then_with(|| a.item.cmp(&b.item))
}

/// Keeps the strongest; equal scores stay in the order of the query's parts.
fn strongest(evidence: &mut Vec<Evidence>, most: usize) {
    evidence.sort_by(|a, b| b.score().total_cmp(&a.score()));
    evidence.truncate(most);
}

/// Whether it says anything that a part is the same, byte for byte: a blank
/// picture or the text "ok" is the same everywhere.
pub(super) fn is_telling(part: &PartPrints, text_floor: u32) -> bool {
    if let Some(raster) = &part.raster {
        return raster.pdq.quality >= picture::MIN_QUALITY;
    }
    if let Some(text) = &part.text {
        return text.folded >= text_floor / 2;
    }
    true
}
