//! What a collection adds to a matcher over its indexes: metadata, and the items that are bare hashes.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::record::Content;
use super::segment::Codes;
use super::state::State;
use crate::code::Code256;
use crate::deadline::Deadline;
use crate::error::{Error, Result};
use crate::exec::Executor;
use crate::fingerprint::{Fingerprint, Pipeline, RasterPrints, Recipe};
use crate::index::{ItemId, SearchStats};
use crate::matcher::{Catalog, Evidence, GRADIENT_RADIUS, Match, MatchOptions, Strength};
use crate::media::PartPath;
use crate::metadata::Metadata;
use crate::raster::Dihedral;

/// The radius that PDQ's authors recommend for a match.
const RADIUS: u32 = 31;

/// The quality below which they advise against matching.
const MIN_QUALITY: u8 = 50;

/// The score of equal hashes. Two pictures may have one hash: never certain.
const EQUAL: f64 = 0.94;

/// The score of equal hashes that nothing confirms: just below [`Strength::Strong`].
const EQUAL_ALONE: f64 = 0.69;

/// Matches, hits or parts between two checks of the deadline: less than a millisecond.
const STEPS: u32 = 1 << 8;

/// The catalog of one state of a collection.
#[derive(Debug)]
pub(super) struct StateCatalog {
    state: Arc<State>,
    recipe: Recipe,
}

impl StateCatalog {
    pub(super) fn new(state: Arc<State>, recipe: Recipe) -> Self {
        Self { state, recipe }
    }

    /// Returns the hashes that pictures of the query are near to.
    fn near(
        &self,
        query: &Fingerprint,
        radius: u32,
        deadline: &Deadline,
        stats: &mut SearchStats,
    ) -> Result<Near> {
        let has = |p: &Pipeline| {
            let mut slots = self.state.slots.iter();
            slots.any(|slot| slot.segment.codes[*p as usize].is_some())
        };
        let mut found: Near = BTreeMap::new();
        let mut seen = HashSet::new();
        for pipeline in Pipeline::ALL.into_iter().filter(has) {
            for (place, part) in query.parts.iter().enumerate() {
                let Some(raster) = &part.raster else { continue };
                deadline.check()?;
                let quality = raster.pdq.quality.max(raster.exchange_pdq().quality);
                if quality < MIN_QUALITY || !seen.insert((pipeline, raster.pdq_nn512)) {
                    continue;
                }
                let queries = Queries::new(pipeline, raster);
                self.search(&queries, place, radius, deadline, stats, &mut found)?;
            }
        }
        Ok(found)
    }

    fn search(
        &self,
        queries: &Queries,
        part: usize,
        radius: u32,
        deadline: &Deadline,
        stats: &mut SearchStats,
        found: &mut Near,
    ) -> Result<()> {
        let pipeline = queries.pipeline;
        let serial = Executor::serial();
        for (place, slot) in self.state.slots.iter().enumerate() {
            let Some(Codes(codes)) = &slot.segment.codes[pipeline as usize] else {
                continue;
            };
            let view = codes.view();
            let (hits, search) = view.search_until(&queries.codes, radius, &serial, deadline)?;
            stats.add(&search);
            let mut pacer = deadline.pacer(STEPS);
            let first = slot.segment.records.counts().first_code(pipeline as usize);
            for hit in hits {
                pacer.step()?;
                let item = first.saturating_add(hit.code);
                let Some(&(variant, inverted)) = queries.meaning.get(hit.query as usize) else {
                    continue;
                };
                if slot.removed.contains(item) {
                    continue;
                }
                let hit = Hit {
                    part,
                    pipeline,
                    distance: hit.distance,
                    variant,
                    inverted,
                };
                let known = found.entry((place, item)).or_default();
                // One piece of evidence for a picture, under the symmetry with the least distance.
                match known.iter_mut().find(|other| other.part == part) {
                    Some(other) if hit.distance < other.distance => *other = hit,
                    Some(_) => {}
                    None => known.push(hit),
                }
            }
        }
        Ok(())
    }
}

impl Catalog for StateCatalog {
    fn metadata(&self, item: ItemId) -> Result<Metadata> {
        let (place, item) = self.state.indexes.position_of_item(item);
        let slot = self.state.index_slots.get(place);
        let slot = slot.and_then(|&slot| self.state.slots.get(slot as usize));
        let slot = slot.ok_or_else(|| Error::corrupt("a match in no segment"))?;
        Ok(slot.segment.record(item.0)?.metadata)
    }

    fn codes(&self) -> u64 {
        self.state.codes()
    }

    fn nearest_code(
        &self,
        query: &Fingerprint,
        radius: u32,
        deadline: &Deadline,
    ) -> Result<Option<u32>> {
        let near = self.near(query, radius, deadline, &mut SearchStats::default())?;
        let hits = near.into_values().flatten();
        Ok(hits.map(|hit| hit.distance).min())
    }

    /// The hashes of hash lists that pictures of the query are near to.
    fn find_codes(
        &self,
        query: &Fingerprint,
        options: &MatchOptions,
        deadline: &Deadline,
        stats: &mut SearchStats,
        matches: &mut Vec<Match>,
    ) -> Result<()> {
        let found = self.near(query, RADIUS, deadline, stats)?;
        let mut pacer = deadline.pacer(STEPS);
        for ((place, item), hits) in found {
            pacer.step()?;
            let Some(slot) = self.state.slots.get(place) else {
                continue;
            };
            let record = slot.segment.record(item)?;
            let Content::Code {
                quality, gradient, ..
            } = record.content(&self.recipe)?
            else {
                continue;
            };
            let evidence = hits
                .iter()
                .map(|hit| hit.evidence(query, gradient, options));
            let mut evidence: Vec<Evidence> = evidence.collect();
            evidence.sort_by(|a, b| b.score().total_cmp(&a.score()));
            evidence.truncate(options.max_evidence.max(1));
            let score = evidence.first().map_or(0.0, Evidence::score);
            let Some(strength) = Strength::from_score(score) else {
                continue;
            };
            if quality >= MIN_QUALITY && strength >= options.least_strength() {
                matches.push(Match {
                    item: record.key.name().into_owned(),
                    score,
                    strength,
                    evidence,
                    shared_by: None,
                    holders: Vec::new(),
                    expected: None,
                    metadata: Some(record.metadata),
                });
            }
        }
        Ok(())
    }
}

/// The hashes that pictures of the query are near to, by position of the slot and number of the item.
type Near = BTreeMap<(usize, u32), Vec<Hit>>;

/// A hash of a list that a picture of the query is near to.
struct Hit {
    /// The position of the picture's part in the query.
    part: usize,
    pipeline: Pipeline,
    distance: u32,
    /// The symmetry of the query under which they are near.
    variant: Dihedral,
    inverted: bool,
}

impl Hit {
    fn evidence(
        &self,
        query: &Fingerprint,
        gradient: Option<Code256>,
        options: &MatchOptions,
    ) -> Evidence {
        let part = query.parts.get(self.part);
        let raster = part.and_then(|part| part.raster.as_ref());
        let second = gradient.zip(raster).map(|(gradient, raster)| {
            let own = raster.gradient.variant(self.variant, self.inverted);
            own.distance(&gradient)
        });
        Evidence::Code {
            part: part.map(|part| part.path.clone()).unwrap_or_default(),
            item_part: PartPath::root(),
            pipeline: self.pipeline,
            distance: self.distance,
            gradient_distance: second,
            transform: self.variant.inverse(),
            inverted: self.inverted,
            score: score(self.distance, second, options.trust_hash_lists),
        }
    }
}

/// The score of a hash at a distance from that of the query, and of the gradient hash if the list has
/// it.
///
/// With a second print that agrees, or if lists are trusted: 0.7 at the recommended radius, falling with the square of
/// the distance. A hash alone is possible at most: whoever knows it can change an innocent picture
/// until it is near. A second print that disagrees refutes the match, whatever is trusted.
fn score(distance: u32, second: Option<u32>, trusted: bool) -> f64 {
    let share = f64::from(distance) / f64::from(RADIUS);
    let (equal, least, share) = match second {
        Some(second) if second > GRADIENT_RADIUS => return 0.0,
        Some(second) => {
            let second = f64::from(second) / f64::from(GRADIENT_RADIUS);
            (EQUAL, Strength::Strong.min_score(), share.max(second))
        }
        None if trusted => (EQUAL, Strength::Strong.min_score(), share),
        None => (EQUAL_ALONE, Strength::Possible.min_score(), share),
    };
    let score = equal - (equal - least) * share * share;
    (score * 1e6).round() / 1e6
}

/// The codes of a picture that a list may contain, and the symmetry of each.
struct Queries {
    pipeline: Pipeline,
    codes: Vec<Code256>,
    meaning: Vec<(Dihedral, bool)>,
}

impl Queries {
    fn new(pipeline: Pipeline, raster: &RasterPrints) -> Self {
        let mut upright = Vec::new();
        match pipeline {
            Pipeline::Full => {
                upright.extend(Dihedral::ALL.into_iter().zip(raster.pdq.variants));
                // Lists are made from the stored colours.
                let stored = raster
                    .pdq_stored
                    .map(|stored| (Dihedral::Identity, stored.code));
                upright.extend(stored);
            }
            // Fingerprints have this pipeline for the upright picture only.
            Pipeline::Nn512 => upright.push((Dihedral::Identity, raster.pdq_nn512)),
        }
        let inverted = upright
            .iter()
            .map(|(d, code)| (code.complement(), (*d, true)));
        let straight = upright.iter().map(|(d, code)| (*code, (*d, false)));
        let (codes, meaning) = straight.chain(inverted).unzip();
        Self {
            pipeline,
            codes,
            meaning,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_alone_is_possible_and_never_certain() {
        let strength = |distance, second, trusted| {
            let score = score(distance, second, trusted);
            Strength::from_score(score)
        };
        for distance in [0, 12, RADIUS] {
            let (possible, strong) = (Some(Strength::Possible), Some(Strength::Strong));
            assert_eq!(strength(distance, None, false), possible, "{distance}");
            assert_eq!(strength(distance, None, true), strong, "{distance}");
            for second in [0, GRADIENT_RADIUS] {
                assert_eq!(strength(distance, Some(second), false), strong);
            }
            for trusted in [false, true] {
                let refuted = strength(distance, Some(GRADIENT_RADIUS + 1), trusted);
                assert_eq!(refuted, None);
            }
        }
        for trusted in [false, true] {
            assert!(score(10, None, trusted) > score(20, None, trusted));
        }
        assert_eq!(score(RADIUS, None, true), Strength::Strong.min_score());
    }
}
