//! Text alignment: the best co-linear chains of gram hits between two texts.
//!
//! Counting common grams would report nearly every pair of texts of one genre. A *chain*, in which
//! the grams come in the same order on both sides and close together, does not. The dynamic
//! programme is that of co-linear chaining with overlaps (Abouelhoda and Ohlebusch, "Chaining
//! algorithms for multiple genome comparison", 2005), with bounded look-back as in minimap2
//! (Li, 2018).

use crate::deadline::Pacer;
use crate::error::Result;
use crate::text::GRAM_LEN;

const K: u32 = GRAM_LEN as u32;

/// Folded symbols between two neighbours of a chain, at most, not counting discounted ones: about
/// two lines, so that an inserted or rewritten sentence does not break the chain.
const MAX_GAP: u32 = 256;

/// The cost of a symbol in the gap between two neighbours, in covered symbols, on the side where the
/// gap is wider. A copy is dense, however noisy or edited; two texts on one subject share phrases
/// that happen to come in one order, far apart. (minimap2 has such a cost for the same reason.)
const GAP_COST: f64 = 0.08;

/// The cost of a symbol by which the gap is wider on one side. Errors of recognition leave both gaps
/// alike; two texts that share legal formulas have different words between them.
const SKEW_COST: f64 = 0.16;

/// A bridge: symbols between two neighbours that count as copied without a common gram.
///
/// A wrong letter hides the grams around it, about eight symbols. If the text continues at the same
/// distance on both sides, these symbols are very likely the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bridge {
    /// Symbols that count at most.
    max_counted: u32,
    /// Eighths by which they count, since some are wrong.
    eighths: u32,
    /// Symbols that may be between the neighbours.
    max_span: u32,
}

impl Bridge {
    /// For one or two wrong letters.
    pub(crate) const NARROW: Self = Self {
        max_counted: 12,
        eighths: 6,
        max_span: 24,
    };

    /// For wrong letters in several consecutive words: for passages that are weak only because too
    /// few letters were recognised.
    pub(crate) const WIDE: Self = Self {
        max_counted: 36,
        eighths: 7,
        max_span: 36,
    };

    /// Returns how many symbols a hit can add to a chain at most.
    pub(crate) fn max_gain(self) -> u32 {
        K + self.symbols(K + self.max_counted, K + self.max_counted)
    }

    /// Returns how many symbols count as copied between two neighbours that begin `gap` symbols
    /// apart in the query and `item_gap` in the item.
    fn symbols(self, gap: u32, item_gap: u32) -> u32 {
        let between = gap.min(item_gap).saturating_sub(K);
        if gap.abs_diff(item_gap) > MAX_SLIP || between > self.max_span {
            return 0;
        }
        between.min(self.max_counted) * self.eighths / 8
    }
}

/// Symbols by which the gaps of a bridge may differ: a letter lost, or one doubled.
const MAX_SLIP: u32 = 2;

/// Earlier hits that are tried as predecessor. In ordinary text the gap ends the search long before;
/// this bounds it in repetitive text, where every gram hits up to 16 places for each of 16.
const MAX_LOOK_BACK: usize = 512;

/// A gram that both texts share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Hit {
    /// Its place in the query, in folded symbols.
    pub(crate) query: u32,
    /// Its place in the item, in folded symbols.
    pub(crate) item: u32,
    /// The weight of each symbol that it covers, 0..=1.
    pub(crate) weight: f32,
}

/// Consecutive symbols of the query that a gram adds to a chain.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Run {
    /// The place after the last of them.
    pub(crate) end: u32,
    /// The same in the item.
    pub(crate) item_end: u32,
    /// The number of symbols: at most a gram and the bridge before it.
    pub(crate) length: u32,
    /// The weight of each, 0..=1.
    pub(crate) weight: f32,
}

impl Run {
    /// Returns the place in the query of the gram that added it.
    pub(crate) fn gram(&self) -> u32 {
        self.end.saturating_sub(K)
    }
}

/// Hits in the same order on both sides.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Chain {
    /// Symbols of the query that the grams cover or bridge.
    pub(crate) covered: u32,
    /// The same, weighted, minus the cost of the gaps.
    pub(crate) distinctive: f64,
    /// First symbol and one past the last, in the query.
    pub(crate) query: (u32, u32),
    /// First symbol and one past the last, in the item.
    pub(crate) item: (u32, u32),
    /// The covered symbols, in order.
    pub(crate) runs: Vec<Run>,
}

/// Returns the best chain, then the best of the hits outside it in the query, and so on: at most
/// `max_chains` that reach `min_distinctive`, best first.
///
/// `hits` must be sorted by (query, item). `discounted_before(q)` returns the number of discounted
/// symbols of the query before `q`, which cost nothing in gaps. Takes at most `hits * 512` steps for
/// each chain, in ordinary text about `hits * 60`.
///
/// # Errors
/// As [`Deadline::check`].
pub(crate) fn chains(
    hits: &[Hit],
    discounted_before: impl Fn(u32) -> u32,
    bridge: Bridge,
    min_distinctive: f64,
    max_chains: usize,
    pacer: &mut Pacer,
) -> Result<Vec<Chain>> {
    let mut found = Vec::new();
    let mut rest = hits.to_vec();
    while found.len() < max_chains {
        let Some(chain) = best_chain(&rest, &discounted_before, bridge, pacer)? else {
            break;
        };
        if chain.distinctive < min_distinctive {
            break;
        }
        rest.retain(|h| h.query.saturating_add(K) <= chain.query.0 || h.query >= chain.query.1);
        found.push(chain);
    }
    Ok(found)
}

/// Returns how far apart two neighbours may begin with `free` discounted symbols between them.
fn max_distance(free: u32) -> u32 {
    (MAX_GAP + K).saturating_add(free)
}

fn best_chain(
    hits: &[Hit],
    discounted_before: &impl Fn(u32) -> u32,
    bridge: Bridge,
    pacer: &mut Pacer,
) -> Result<Option<Chain>> {
    #[derive(Clone, Copy)]
    struct Link {
        distinctive: f64,
        covered: u32,
        /// Symbols that the hit adds to its predecessor's chain.
        fresh: u32,
        /// The predecessor; the hit itself if it is the first.
        before: u32,
        /// Discounted symbols of the query before the hit.
        discounted: u32,
    }
    let mut links: Vec<Link> = Vec::with_capacity(hits.len());
    // The best score of any chain up to each hit.
    let mut peaks: Vec<f64> = Vec::with_capacity(hits.len());
    let mut best: Option<usize> = None;
    for (at, hit) in hits.iter().enumerate() {
        let mut link = Link {
            distinctive: f64::from(hit.weight) * f64::from(K),
            covered: K,
            fresh: K,
            before: at as u32,
            discounted: discounted_before(hit.query),
        };
        let mut tried = 1;
        for (from, before) in hits[..at].iter().enumerate().rev().take(MAX_LOOK_BACK) {
            tried += 1;
            let gap = hit.query - before.query;
            let free = link.discounted.saturating_sub(links[from].discounted);
            // Neither this predecessor nor one before it can make a better chain; in a clean copy
            // that is so after a few steps.
            let max = peaks[from] + f64::from(hit.weight) * f64::from(bridge.max_gain());
            if gap > max_distance(free) || max <= link.distinctive {
                break;
            }
            if before.query == hit.query || before.item >= hit.item {
                continue;
            }
            let item_gap = hit.item - before.item;
            if item_gap > max_distance(free) {
                continue;
            }
            // The smaller gap counts: otherwise a repeated word would count for more text than
            // there is.
            let fresh = gap.min(item_gap).min(K) + bridge.symbols(gap, item_gap);
            let empty = gap.max(item_gap).saturating_sub(K.saturating_add(free));
            let skew = gap.abs_diff(item_gap).saturating_sub(free);
            let distinctive = links[from].distinctive + f64::from(hit.weight) * f64::from(fresh)
                - GAP_COST * f64::from(empty)
                - SKEW_COST * f64::from(skew);
            if distinctive > link.distinctive {
                link = Link {
                    distinctive,
                    covered: links[from].covered + fresh,
                    fresh,
                    before: from as u32,
                    discounted: link.discounted,
                };
            }
        }
        pacer.steps(tried)?;
        let peak = peaks.last().copied().unwrap_or(f64::MIN);
        peaks.push(peak.max(link.distinctive));
        links.push(link);
        if best.is_none_or(|b: usize| link.distinctive > links[b].distinctive) {
            best = Some(at);
        }
    }
    let Some(last) = best else {
        return Ok(None);
    };
    let mut runs = Vec::new();
    let mut at = last;
    loop {
        let link = links[at];
        runs.push(Run {
            // Only a damaged index could make this overflow.
            end: hits[at].query.saturating_add(K),
            item_end: hits[at].item.saturating_add(K),
            length: link.fresh,
            weight: hits[at].weight,
        });
        if link.before as usize == at {
            break;
        }
        at = link.before as usize;
    }
    runs.reverse();
    Ok(Some(Chain {
        covered: links[last].covered,
        distinctive: links[last].distinctive,
        query: (hits[at].query, hits[last].query.saturating_add(K)),
        item: (hits[at].item, hits[last].item.saturating_add(K)),
        runs,
    }))
}

/// Calls [`chains`] without a deadline.
#[cfg(test)]
pub(super) fn all_chains(
    hits: &[Hit],
    discounted_before: impl Fn(u32) -> u32,
    bridge: Bridge,
    min_distinctive: f64,
    max_chains: usize,
) -> Vec<Chain> {
    let pacer = &mut crate::deadline::Deadline::never().pacer(1);
    chains(
        hits,
        discounted_before,
        bridge,
        min_distinctive,
        max_chains,
        pacer,
    )
    .unwrap()
}

#[cfg(test)]
mod tests {
    use super::all_chains as chains;
    use super::*;
    use proptest::prelude::*;

    const NARROW: Bridge = Bridge::NARROW;

    fn hit(query: u32, item: u32) -> Hit {
        Hit {
            query,
            item,
            weight: 1.0,
        }
    }

    #[test]
    fn a_clean_copy_is_one_chain_that_covers_all_of_it() {
        let hits: Vec<_> = (0..50).map(|i| hit(10 + 4 * i, 900 + 4 * i)).collect();
        let found = chains(&hits, |_| 0, NARROW, 24.0, 4);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].covered, 49 * 4 + 12);
        assert_eq!(found[0].query, (10, 10 + 49 * 4 + 12));
        assert_eq!(found[0].item, (900, 900 + 49 * 4 + 12));
        assert_eq!(
            found[0].runs.iter().map(|run| run.length).sum::<u32>(),
            found[0].covered
        );
        assert!(found[0].runs.is_sorted_by_key(|run| run.end));
    }

    #[test]
    fn scattered_common_grams_do_not_add_up() {
        let hits: Vec<_> = (0..50).map(|i| hit(1000 * i, 90_000 - 1000 * i)).collect();
        assert!(chains(&hits, |_| 0, NARROW, 24.0, 4).is_empty());
    }

    #[test]
    fn common_phrases_far_apart_do_not_add_up() {
        let hits: Vec<_> = (0..12).map(|i| hit(150 * i, 130 * i)).collect();
        let found = chains(&hits, |_| 0, NARROW, 1.0, 4);
        assert!(
            found.iter().all(|chain| chain.distinctive < 25.0),
            "{found:?}"
        );
        // One symbol in eight wrong: still a copy.
        let noisy: Vec<_> = (0..12).map(|i| hit(20 * i, 20 * i)).collect();
        let found = chains(&noisy, |_| 0, NARROW, 1.0, 4);
        assert_eq!((found.len(), found[0].covered), (1, 12 * 12 + 11 * 6));
        assert!(found[0].distinctive > 130.0);
        // Gaps of different width are not bridged.
        let skewed: Vec<_> = (0..12).map(|i| hit(20 * i, 24 * i)).collect();
        let found = chains(&skewed, |_| 0, NARROW, 1.0, 4);
        assert_eq!(found[0].covered, 144);
        assert!(found[0].distinctive < 130.0);
    }

    #[test]
    fn swapped_paragraphs_are_two_chains() {
        let mut hits: Vec<_> = (0..20).map(|i| hit(5 * i, 3000 + 5 * i)).collect();
        hits.extend((0..30).map(|i| hit(200 + 5 * i, 5 * i)));
        let found = chains(&hits, |_| 0, NARROW, 48.0, 4);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].covered, 29 * 5 + 12);
        assert_eq!(found[1].covered, 19 * 5 + 12);
    }

    #[test]
    fn discounted_text_bridges_but_plain_text_breaks() {
        let hits: Vec<_> = [0, 12, 24, 1000, 1012, 1024].map(|q| hit(q, q)).into();
        assert_eq!(chains(&hits, |_| 0, NARROW, 24.0, 4).len(), 2);
        let boilerplate = |q: u32| q.clamp(40, 1000) - 40;
        let found = chains(&hits, boilerplate, NARROW, 24.0, 4);
        assert_eq!((found.len(), found[0].covered), (1, 72));
    }

    #[test]
    fn common_grams_weigh_little() {
        let hits: Vec<_> = (0..20)
            .map(|i| Hit {
                weight: 0.1,
                ..hit(12 * i, 12 * i)
            })
            .collect();
        let found = chains(&hits, |_| 0, NARROW, 1.0, 1);
        assert_eq!(found[0].covered, 240);
        assert!((found[0].distinctive - 24.0).abs() < 1e-3);
    }

    /// Tries every subset in order.
    fn naive_best(hits: &[Hit], bridge: Bridge) -> f64 {
        fn extend(hits: &[Hit], last: Option<Hit>, sum: f64, bridge: Bridge) -> f64 {
            let mut best = sum;
            for (i, h) in hits.iter().enumerate() {
                let gain = match last {
                    None => 12.0,
                    Some(l) if l.query < h.query && l.item < h.item => {
                        let (dq, di) = (h.query - l.query, h.item - l.item);
                        if dq > MAX_GAP + K || di > MAX_GAP + K {
                            continue;
                        }
                        let empty = dq.max(di).saturating_sub(K);
                        let fresh = dq.min(di).min(K) + bridge.symbols(dq, di);
                        let skew = f64::from(dq.abs_diff(di));
                        f64::from(fresh) - GAP_COST * f64::from(empty) - SKEW_COST * skew
                    }
                    Some(_) => continue,
                };
                best = best.max(extend(&hits[i + 1..], Some(*h), sum + gain, bridge));
            }
            best
        }
        extend(hits, None, 0.0, bridge)
    }

    proptest! {
        #[test]
        fn the_best_chain_is_that_of_brute_force(
            mut places in prop::collection::vec((0_u32..400, 0_u32..400), 1..12)
        ) {
            places.sort_unstable();
            places.dedup();
            let hits: Vec<_> = places.iter().map(|&(q, i)| hit(q, i)).collect();
            for bridge in [Bridge::NARROW, Bridge::WIDE] {
                let chain = chains(&hits, |_| 0, bridge, f64::MIN, 1).remove(0);
                prop_assert!((chain.distinctive - naive_best(&hits, bridge)).abs() < 1e-6);
            }
        }
    }
}
