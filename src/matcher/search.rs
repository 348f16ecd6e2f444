//! The search for one query: passes its parts through all stages and collects the evidence.

use std::collections::{BTreeMap, HashSet};

use super::evidence::{Doubt, Evidence, Match, Strength};
use super::reach::Reach;
use super::{Matcher, local, picture, recognised, record, text, weigh};
use crate::deadline::Deadline;
use crate::error::Result;
use crate::exec::sort_until;
use crate::fingerprint::PartPrints;
use crate::index::{DigestKind, ItemId, PartId, SearchStats};
use crate::media::PartPath;

/// Pieces of evidence or items processed between two checks of the deadline: less than a
/// millisecond.
const STEPS_PER_CHECK: u32 = 1 << 10;

/// Names that are sorted without a check of the deadline, at most.
const MAX_NAMES_PER_SORT: usize = 1 << 12;

/// Lowers the scores of whole pictures of which the regions say that the item is a sibling: hashes of
/// the whole see no difference between two forms with other values.
fn doubt_siblings(found: &mut [(PartId, Evidence)]) {
    let is_sibling = |(part, evidence): &(PartId, Evidence)| match evidence {
        Evidence::Region {
            doubt: Some(Doubt::Sibling),
            ..
        } => Some(*part),
        _ => None,
    };
    let siblings: HashSet<PartId> = found.iter().filter_map(is_sibling).collect();
    for (part, evidence) in found {
        if let Evidence::Image { score, .. } = evidence
            && siblings.contains(part)
        {
            *score = weigh::doubted(*score);
        }
    }
}

/// A search in progress, with the evidence found so far.
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
        let mut found = self.found(part, Reach::of_matches())?;
        if let (Some(recogniser), Some(raster)) = (&self.matcher.recogniser, &part.raster) {
            let explained = found.iter().any(|(_, evidence): &(_, Evidence)| {
                evidence.score() >= Strength::Strong.min_score()
            });
            if !explained && !self.has_digest(part)? {
                recognised::find(
                    self.matcher,
                    &**recogniser,
                    &part.path,
                    raster,
                    self.deadline,
                    &mut found,
                )?;
            }
        }
        let mut pacer = self.deadline.pacer(STEPS_PER_CHECK);
        for (item_part, evidence) in found {
            pacer.step()?;
            self.add(item_part, evidence)?;
        }
        Ok(())
    }

    /// Returns what a part of the query shares with items, without identical bytes and pixels and
    /// without recognised text.
    pub(super) fn found(
        &mut self,
        part: &PartPrints,
        reach: Reach,
    ) -> Result<Vec<(PartId, Evidence)>> {
        let indexes = &self.matcher.indexes;
        let least = reach.least_score;
        let mut found = Vec::new();
        let mut report = |item_part, evidence| {
            found.push((item_part, evidence));
            Ok(())
        };
        if let Some(raster) = &part.raster {
            let (path, deadline, stats) = (&part.path, self.deadline, &mut self.stats);
            picture::find(indexes, path, raster, reach, deadline, stats, &mut report)?;
            let source = local::Source {
                key: self.matcher.fingerprinter.local_key(),
                part: path,
                prints: raster,
                deadline,
            };
            local::find(indexes, &source, least, stats, &mut report)?;
        }
        if let Some(text) = &part.text {
            let source = text::Source {
                fingerprinter: &self.matcher.fingerprinter,
                part: &part.path,
                prints: text,
                values: &part.cells,
                in_picture: part.raster.is_some(),
                floor: self.matcher.options.floor(),
                least_score: least,
                deadline: self.deadline,
            };
            text::find(indexes, &source, &mut report)?;
        }
        let (path, cells) = (&part.path, &part.cells);
        record::find(indexes, path, cells, least, self.deadline, &mut report)?;
        doubt_siblings(&mut found);
        Ok(found)
    }

    /// Returns whether an index has an identical picture.
    fn has_digest(&self, part: &PartPrints) -> Result<bool> {
        let mut pacer = self.deadline.pacer(STEPS_PER_CHECK);
        for digest in part.bytes.into_iter().chain(part.pixels()) {
            for view in self.matcher.indexes.digest_candidates(&digest) {
                for hit in view.index.digests().find(&digest) {
                    pacer.step()?;
                    if !view.is_hidden(hit?.part)? {
                        return Ok(true);
                    }
                }
            }
        }
        Ok(false)
    }

    /// Adds evidence of identical bytes and pixels.
    fn digests(&mut self, part: &PartPrints) -> Result<()> {
        if !is_distinctive(part, self.matcher.options.text_floor) {
            return Ok(());
        }
        let pixels = part.pixels();
        let matcher = self.matcher;
        let mut pacer = self.deadline.pacer(STEPS_PER_CHECK);
        for digest in part.bytes.into_iter().chain(pixels) {
            if matcher.indexes.discounts_digest(&digest) {
                continue;
            }
            for view in matcher.indexes.digest_candidates(&digest) {
                for entry in view.index.digests().find(&digest) {
                    pacer.step()?;
                    let entry = entry?;
                    if entry.discounted || view.is_hidden(entry.part)? {
                        continue;
                    }
                    let (part, item_part) = (part.path.clone(), PartPath::root());
                    let evidence = match entry.kind {
                        DigestKind::Bytes => Evidence::Bytes { part, item_part },
                        DigestKind::Pixels => Evidence::Pixels { part, item_part },
                    };
                    self.add(view.part_in_set(entry.part), evidence)?;
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, item_part: PartId, mut evidence: Evidence) -> Result<()> {
        let info = self.matcher.indexes.part(item_part)?;
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
        // Only the strongest is reported, and a query of many parts may have much more.
        let max = self.matcher.options.max_evidence.max(1);
        if kept.len() >= max.saturating_mul(2).max(64) {
            keep_strongest(kept, max);
        }
        Ok(())
    }

    /// Returns the matches in the order of their items, and the work of the search.
    pub(super) fn finish(self) -> Result<(Vec<Match>, SearchStats)> {
        let options = &self.matcher.options;
        let mut pacer = self.deadline.pacer(STEPS_PER_CHECK);
        let mut matches = Vec::new();
        for (item, mut evidence) in self.items {
            pacer.step()?;
            keep_strongest(&mut evidence, options.max_evidence.max(1));
            let score = evidence.first().map_or(0.0, Evidence::score);
            let Some(strength) = Strength::from_score(score) else {
                continue;
            };
            if strength < options.least_strength() {
                continue;
            }
            let catalog = self.matcher.catalog.as_ref();
            matches.push(Match {
                item: self.matcher.indexes.item_name(item)?.to_owned(),
                score,
                strength,
                evidence,
                shared_by: None,
                holders: Vec::new(),
                expected: None,
                metadata: catalog.map(|catalog| catalog.metadata(item)).transpose()?,
            });
        }
        Ok((matches, self.stats))
    }
}

/// Sorts matches by descending score, then by name.
///
/// # Errors
/// As [`Deadline::check`].
pub(super) fn rank_until(matches: &mut [Match], deadline: &Deadline) -> Result<()> {
    // Scores are not negative, so their bits are in the same order.
    let descending = |one: &Match| u128::from(!one.score.to_bits());
    sort_until(matches, descending, deadline)?;
    for equal in matches.chunk_by_mut(|a, b| descending(a) == descending(b)) {
        sort_by_name(equal, deadline)?;
    }
    Ok(())
}

/// Sorts matches by the names of their items.
fn sort_by_name(matches: &mut [Match], deadline: &Deadline) -> Result<()> {
    let Some((first, rest)) = matches
        .split_first()
        .filter(|_| matches.len() > MAX_NAMES_PER_SORT)
    else {
        deadline.check()?;
        matches.sort_by(|a, b| a.item.cmp(&b.item));
        return Ok(());
    };
    // By the sixteen bytes after the prefix that all names have in common.
    let mut pacer = deadline.pacer(STEPS_PER_CHECK);
    let mut common = first.item.as_bytes();
    for one in rest {
        pacer.step()?;
        let alike = common
            .iter()
            .zip(one.item.as_bytes())
            .take_while(|(a, b)| a == b);
        common = common.get(..alike.count()).unwrap_or_default();
    }
    let common = common.len();
    let key = |one: &Match| {
        let mut bytes = [0; 16];
        let rest = one.item.as_bytes().get(common..);
        let rest = rest.unwrap_or_default();
        bytes
            .iter_mut()
            .zip(rest)
            .for_each(|(to, &from)| *to = from);
        u128::from_be_bytes(bytes)
    };
    sort_until(matches, key, deadline)?;
    let all = matches.len();
    for equal in matches.chunk_by_mut(|a, b| key(a) == key(b)) {
        if equal.len() < all {
            sort_by_name(equal, deadline)?;
        } else {
            // Names that differ only in zeros at their ends.
            equal.sort_by(|a, b| a.item.cmp(&b.item));
        }
    }
    Ok(())
}

/// Keeps the strongest evidence; equal scores stay in the order of the query's parts.
fn keep_strongest(evidence: &mut Vec<Evidence>, max: usize) {
    evidence.sort_by(|a, b| b.score().total_cmp(&a.score()));
    evidence.truncate(max);
}

/// Returns whether an identical part is evidence. A blank picture or the text "ok" is not, since it
/// is the same everywhere.
pub(super) fn is_distinctive(part: &PartPrints, text_floor: u32) -> bool {
    if let Some(raster) = &part.raster {
        return raster.pdq.quality >= picture::MIN_QUALITY;
    }
    if let Some(text) = &part.text {
        return text.folded >= text_floor / 2;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn many_matches_are_sorted_like_few() {
        let one = |score, item: String| Match {
            item,
            score,
            strength: Strength::Certain,
            evidence: Vec::new(),
            shared_by: None,
            holders: Vec::new(),
            expected: None,
            metadata: None,
        };
        let mut matches: Vec<Match> = (0..30_000_u32)
            .map(|i| {
                let n = i.wrapping_mul(0x9E37_79B9) % 30_000;
                let score = [1.0, 0.7, 0.0][(n % 3) as usize];
                one(
                    score,
                    format!(
                        "a folder with a long name/{n}{}",
                        "\0".repeat((n % 2) as usize)
                    ),
                )
            })
            .collect();
        let mut expected = matches.clone();
        expected.sort_by(|a, b| {
            b.score
                .total_cmp(&a.score)
                .then_with(|| a.item.cmp(&b.item))
        });
        let over = Deadline::after(Duration::ZERO);
        assert!(rank_until(&mut matches, &over).is_err());
        rank_until(&mut matches, &Deadline::never()).unwrap();
        assert_eq!(matches, expected);
    }
}
