//! The look-up of all grams of a text. Hits are collected by item part.

use std::borrow::Cow;

use super::chain::{Bridge, Hit};
use super::weigh;
use crate::deadline::{Deadline, Pacer};
use crate::error::{Error, Result};
use crate::exec::sort_until;
use crate::fingerprint::Gram;
use crate::index::filter::PrintFilter;
use crate::index::{Grams, PartId, PostingList};
use crate::index::{IndexGroup, IndexSet, IndexView};
use crate::text::GRAM_LEN;

/// Items that may have a gram. A more common gram is discounted: it does not distinguish items, and
/// its list is long.
const MAX_DOCUMENT_FREQUENCY: u32 = 400;

/// Places that the list of a gram may have; a gram with a longer list is discounted too.
const MAX_PLACES: usize = 1 << 16;

/// Places of a repeated gram that are aligned on either side, the first ones. Enough for every
/// repeated passage, since its grams agree on which places are the first; and few enough that the
/// number of hits is proportional to the text.
const MAX_REPEATS: usize = 16;

/// Parts whose places of a [vouched](PostingList::vouched) gram are read, the first ones: enough that
/// one of them has the whole passage, however many items do.
const MAX_HOLDERS: usize = 16;

/// Hits of one text, 24 bytes each. Beyond this number the most common grams are discounted.
const MAX_HITS: usize = 4 << 20;

/// Grams of one text that indexes have, counted once for each index, 48 bytes each. Further grams of
/// the text are ignored. Each gram has at least one hit.
const MAX_FOUND: usize = 2 * MAX_HITS;

/// Grams, hits or places processed between two checks of the deadline: less than a millisecond.
const STEPS_PER_CHECK: u32 = 1 << 14;

/// The result of the look-up of all grams of one text.
#[derive(Default)]
pub(super) struct Gathered {
    /// Hits with their item parts, sorted by part.
    pub(super) hits: Vec<(u32, Hit)>,
    /// Discounted spans of the query: start, end, and the total length of the spans before.
    discounted: Vec<(u32, u32, u32)>,
    /// Places in the query of grams that are content however many items have them, and their prints,
    /// sorted.
    vouched: Vec<(u32, u64)>,
}

/// A gram of the query that an index has.
#[derive(Clone, Copy)]
struct Found<'a> {
    print: u64,
    /// The place of the index on the indexes.
    view: u32,
    at: u32,
    list: PostingList<'a>,
}

/// Looks up all grams. May leave out hits of parts that cannot reach `min_distinctive` with this
/// bridge.
pub(super) fn gather<'a>(
    indexes: &'a IndexSet,
    all: &[Gram],
    bridge: Bridge,
    min_distinctive: f64,
    deadline: &Deadline,
) -> Result<Gathered> {
    let pacer = &mut deadline.pacer(STEPS_PER_CHECK);
    // In the order of the text: most grams are absent and need no sorting.
    let mut found: Vec<Found<'a>> = Vec::new();
    for IndexGroup {
        first,
        views,
        filter,
    } in indexes.groups()
    {
        let grams = match filter {
            Some(filter) => Cow::Owned(passing(all, filter, pacer)?),
            None => Cow::Borrowed(all),
        };
        let print = |i: usize| grams.get(i).map(|gram| gram.print);
        let mut add = |view: usize, i: usize, list| {
            if let Some(&Gram { print, at }) = grams.get(i)
                && found.len() < MAX_FOUND
            {
                found.push(Found {
                    print,
                    view: (first + view) as u32,
                    at,
                    list,
                });
            }
        };
        if let [view] = views {
            let table = view.index.grams();
            table.lookup_all(grams.len(), print, pacer, |i, list| add(0, i, list))?;
        } else if !grams.is_empty() {
            let tables: Vec<Grams<'a>> = views.iter().map(|v| v.index.grams()).collect();
            let all = 0..grams.len();
            match filter {
                Some(filter) => {
                    let lookups = all.flat_map(|i| {
                        let tags = views.iter().map(|view| view.tag);
                        let tables = filter.indexes(print(i).unwrap_or_default(), tags);
                        tables.map(move |table| (table, i))
                    });
                    Grams::lookup_in_all(&tables, lookups, print, pacer, add)?;
                }
                None => {
                    let each = |table| all.clone().map(move |i| (table, i));
                    let lookups = (0..tables.len()).flat_map(each);
                    Grams::lookup_in_all(&tables, lookups, print, pacer, add)?;
                }
            }
        }
    }
    let key = |found: &Found<'_>| {
        let place = u64::from(found.view) << 32 | u64::from(found.at);
        u128::from(found.print) << 64 | u128::from(place)
    };
    sort_until(&mut found, key, deadline)?;

    let of_views = |run: &'_ [Found<'_>]| {
        let places = run.chunk_by(|a, b| a.view == b.view).map(|of_view| {
            let places = of_view.first().map_or(0, |found| found.list.max_len());
            (of_view.len(), places)
        });
        places.fold((0, 0), |(cost, all), (repeats, places)| {
            let own = repeats.min(MAX_REPEATS).saturating_mul(places);
            (cost + own, all + places)
        })
    };
    // The occurrences of each gram, with an upper bound of its hits.
    let mut order: Vec<(u64, &[Found<'_>])> = Vec::new();
    let mut all_cost = 0_usize;
    for run in found.chunk_by(|a, b| a.print == b.print) {
        pacer.steps(run.len() as u32)?;
        let (cost, _) = of_views(run);
        all_cost = all_cost.saturating_add(cost);
        order.push((cost as u64, run));
    }
    if all_cost > MAX_HITS {
        // The fewest hits first, so that the limit affects the most common grams.
        let key = |(cost, run): &(u64, &[Found<'_>])| {
            let print = run.first().map_or(0, |found| found.print);
            u128::from(*cost) << 64 | u128::from(print)
        };
        sort_until(&mut order, key, deadline)?;
    } else {
        // In the order of the text, for which `drop_unreachable` is most exact.
        let key =
            |(_, run): &(u64, &[Found<'_>])| u128::from(run.first().map_or(0, |found| found.at));
        sort_until(&mut order, key, deadline)?;
    }
    let mut hits: Vec<(u32, Hit)> = Vec::new();
    let mut discounted = Vec::new();
    let mut vouched = Vec::new();
    for (_, run) in order {
        pacer.steps(run.len() as u32)?;
        let views = || run.chunk_by(|a, b| a.view == b.view);
        let frequencies = views().filter_map(|found| found.first());
        let frequency: u32 = frequencies
            .map(|found| found.list.document_frequency())
            .fold(0, u32::saturating_add);
        let (cost, places) = of_views(run);
        let print = run.first().map(|found| found.print);
        let is_sure = print.is_some_and(|print| indexes.vouches_for_gram(print));
        // Indexes of a collection may differ.
        let share = |is: fn(&PostingList<'a>) -> bool| {
            let lists = views()
                .filter_map(|found| found.first())
                .map(|found| &found.list);
            let frequencies = lists
                .filter(|list| is(list))
                .map(PostingList::document_frequency);
            frequencies.fold(0, u32::saturating_add)
        };
        let is_share = |items: u32, of: u32| items > 0 && items >= frequency.div_ceil(of);
        let is_discounted = !is_sure
            && (is_share(share(PostingList::discounted), 2)
                || print.is_some_and(|print| indexes.discounts_gram(print)));
        let is_vouched = is_sure || is_share(share(PostingList::vouched), MIN_VOUCHING_SHARE);
        if is_vouched && !is_discounted && frequency >= MIN_VOUCHED_ITEMS {
            if hits.len() + MAX_VOUCHED_HITS > MAX_HITS {
                continue;
            }
            let mut room = MAX_HOLDERS;
            for of_view in views() {
                let Some(Found { view, list, .. }) = of_view.first() else {
                    continue;
                };
                if let Some(view) = indexes.views().get(*view as usize) {
                    let most = Some(&mut room);
                    collect(view, list, of_view, 1.0, most, pacer, &mut hits)?;
                }
            }
            let of_first = views().next().unwrap_or_default();
            vouched.extend(of_first.iter().map(|found| (found.at, found.print)));
            continue;
        }
        let is_common = is_discounted
            || frequency > MAX_DOCUMENT_FREQUENCY
            || places > MAX_PLACES
            || hits.len() + cost > MAX_HITS;
        if is_common {
            let of_first = views().next().unwrap_or_default();
            discounted.extend(of_first.iter().map(|found| found.at));
            continue;
        }
        // An upper bound of the places that are read next.
        pacer.steps(places as u32)?;
        let mut hidden = 0;
        let first = hits.len();
        let weight = weigh::gram_weight(frequency, indexes.item_count());
        for of_view in views() {
            let Some(Found { view, list, .. }) = of_view.first() else {
                continue;
            };
            if let Some(view) = indexes.views().get(*view as usize) {
                hidden += collect(view, list, of_view, weight, None, pacer, &mut hits)?;
            }
        }
        // Hidden items do not make a gram common.
        if hidden > 0 {
            let weight = weigh::gram_weight(frequency.saturating_sub(hidden), indexes.item_count());
            for (_, hit) in hits.get_mut(first..).unwrap_or_default() {
                hit.weight = weight;
            }
        }
    }
    drop_unreachable(&mut hits, bridge.max_gain(), min_distinctive);
    deadline.check()?;
    // Only by part: most parts share too little to be aligned.
    sort_until(&mut hits, |(part, _)| u128::from(*part), deadline)?;
    sort_until(&mut discounted, |at| u128::from(*at), deadline)?;
    sort_until(&mut vouched, |(at, _)| u128::from(*at), deadline)?;
    let mut spans = Vec::new();
    for at in discounted {
        pacer.step()?;
        push_span(&mut spans, at);
    }
    Ok(Gathered {
        hits,
        discounted: spans,
        vouched,
    })
}

/// Grams whose words of a filter are prefetched before the first of them is read.
const PREFETCH_GROUP: usize = 64;

/// Returns the grams that a filter lets pass.
fn passing(grams: &[Gram], filter: &PrintFilter, pacer: &mut Pacer) -> Result<Vec<Gram>> {
    let mut passing = Vec::new();
    for grams in grams.chunks(PREFETCH_GROUP) {
        pacer.steps(PREFETCH_GROUP as u32)?;
        grams.iter().for_each(|gram| filter.prefetch(gram.print));
        let may_have = |gram: &&Gram| filter.may_have(gram.print);
        passing.extend(grams.iter().filter(may_have).copied());
    }
    Ok(passing)
}

/// The share, as a divisor, of the items with a gram that must be in indexes that vouch for it. Segments
/// that were written while few items had the gram know nothing of it, and of boilerplate that is added mail
/// by mail a fifth of the segments vouch.
const MIN_VOUCHING_SHARE: u32 = 3;

/// Items from which on it matters whether a gram is vouched for.
const MIN_VOUCHED_ITEMS: u32 = 5;

/// Hits of a vouched gram, at most.
const MAX_VOUCHED_HITS: usize = MAX_HOLDERS * MAX_REPEATS * MAX_REPEATS;

/// Appends the hits of one gram in one index: all, or those of as many visible parts as there is
/// `room` for. Returns how many hidden items have the gram.
fn collect(
    view: &IndexView,
    list: &PostingList<'_>,
    of_view: &[Found<'_>],
    weight: f32,
    mut room: Option<&mut usize>,
    pacer: &mut Pacer,
    hits: &mut Vec<(u32, Hit)>,
) -> Result<u32> {
    let (mut last, mut repeats) = (None, 0);
    let (mut hidden, mut last_hidden) = (0, None);
    let parts = view.index.part_count();
    let hides = !view.hidden.is_empty();
    let is_bounded = room.is_some();
    let mut add = |place: Result<(PartId, u32)>| {
        let (part, item) = place?;
        if part.0 >= parts {
            return Err(Error::corrupt(format!(
                "a posting leads to part {part} of {parts}"
            )));
        }
        repeats = if last == Some(part) { repeats + 1 } else { 0 };
        last = Some(part);
        if repeats >= MAX_REPEATS {
            return Ok(true);
        }
        if hides {
            let owner = view.index.item_of(part)?;
            if view.hidden.contains(owner.0) {
                hidden += u32::from(last_hidden != Some(owner));
                last_hidden = Some(owner);
                return Ok(true);
            }
        }
        if repeats == 0
            && let Some(room) = &mut room
        {
            match room.checked_sub(1) {
                Some(rest) => **room = rest,
                None => return Ok(false),
            }
        }
        let part = part.0.saturating_add(view.first_part);
        let hit = |query| Hit {
            query,
            item,
            weight,
        };
        match of_view {
            [found] => hits.push((part, hit(found.at))),
            _ => {
                let places = of_view.iter().take(MAX_REPEATS);
                hits.extend(places.map(|found| (part, hit(found.at))));
            }
        }
        Ok(true)
    };
    if is_bounded {
        // Only the first places of a list that may be long.
        for place in list.iter() {
            pacer.step()?;
            if !add(place)? {
                break;
            }
        }
        return Ok(hidden);
    }
    let mut outcome = Ok(());
    // Not `try_for_each`: only `fold` keeps the state of the decoder in registers.
    list.iter().for_each(|place| {
        if outcome.is_ok() {
            outcome = add(place).map(|_| ());
        }
    });
    outcome.map(|()| hidden)
}

/// An upper bound of what hits can cover: every symbol once, by the heaviest gram around it.
#[derive(Clone, Copy, Default)]
struct MaxCovered {
    sum: f32,
    /// The end of the last hit in the query, 0 before the first; and its weight.
    end: u32,
    weight: f32,
}

impl MaxCovered {
    /// Adds a hit, which covers `max_gain` symbols including its bridge. All hits have the same
    /// length, so the last one covers all that this one has in common with those before it.
    #[inline]
    fn add(&mut self, hit: &Hit, max_gain: u32) {
        let end = hit.query.saturating_add(max_gain);
        // A hit before the last one counts in full.
        let fresh = max_gain.min(end.wrapping_sub(self.end));
        let heavier = (hit.weight - self.weight).max(0.0);
        self.sum += hit.weight * fresh as f32 + heavier * (max_gain - fresh) as f32;
        if end >= self.end {
            (self.end, self.weight) = (end, hit.weight);
        }
    }
}

/// Drops most of the hits of parts whose hits together cannot cover `min_distinctive`. These are
/// nearly all hits of a post, each of another part, and need not be sorted.
///
/// The bounds are kept by the lowest bits of the part: where several parts share one, it is too
/// high rather than too low, as it is for hits that are not in the order of the query.
fn drop_unreachable(hits: &mut Vec<(u32, Hit)>, max_gain: u32, min_distinctive: f64) {
    const MAX_UNFILTERED: usize = 64;
    const MAX_BOUNDS: usize = 1 << 16;
    if hits.len() <= MAX_UNFILTERED {
        return;
    }
    let bounds = hits.len().next_power_of_two().min(MAX_BOUNDS);
    let mut sums = vec![MaxCovered::default(); bounds];
    let mask = sums.len() - 1;
    for (part, hit) in hits.iter() {
        sums[*part as usize & mask].add(hit, max_gain);
    }
    // Allows for the rounding error of the sums.
    let least = (0.99 * min_distinctive) as f32;
    hits.retain(|(part, _)| sums[*part as usize & mask].sum >= least);
}

/// Adds the gram at `at` to the discounted spans; merges it with the last one if they touch.
fn push_span(spans: &mut Vec<(u32, u32, u32)>, at: u32) {
    let end = at.saturating_add(GRAM_LEN as u32);
    if let Some((_, last_end, _)) = spans.last_mut()
        && at <= *last_end
    {
        *last_end = end;
        return;
    }
    let before = spans
        .last()
        .map_or(0, |(start, end, sum)| sum + (end - start));
    spans.push((at, end, before));
}

impl Gathered {
    /// Returns how many symbols of the query before a place are discounted.
    pub(super) fn discounted_before(&self, query: u32) -> u32 {
        discounted_before(&self.discounted, query)
    }

    /// Returns the print of the gram at a place of the query, if it is content however many items have
    /// it.
    pub(super) fn vouched(&self, at: u32) -> Option<u64> {
        let found = self.vouched.binary_search_by_key(&at, |(at, _)| *at).ok()?;
        self.vouched.get(found).map(|(_, print)| *print)
    }
}

/// Returns how many symbols before `query` are in discounted spans.
fn discounted_before(spans: &[(u32, u32, u32)], query: u32) -> u32 {
    let behind = spans.partition_point(|(start, _, _)| *start < query);
    match behind.checked_sub(1).and_then(|i| spans.get(i)) {
        Some((start, end, sum)) => sum + query.min(*end) - start,
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::chain::all_chains as chains;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Never drops hits of a part with a chain that reaches the minimum, in any order of hits.
        #[test]
        fn parts_that_can_reach_the_minimum_are_kept(
            mut places in prop::collection::vec((0_u32..3, 0_u32..120, 0_u32..90, 0_u8..4), 65..200),
            in_order in any::<bool>(),
            is_wide in any::<bool>(),
        ) {
            let bridge = if is_wide { Bridge::WIDE } else { Bridge::NARROW };
            if in_order {
                places.sort_unstable_by_key(|(_, query, _, _)| *query);
            }
            let weights = [0.02, 0.3, 0.7, 1.0];
            let hits: Vec<(u32, Hit)> = places
                .iter()
                .map(|&(part, query, item, weight)| {
                    let weight = weights[usize::from(weight)];
                    (part << 8, Hit { query, item, weight })
                })
                .collect();
            let best = |part: u32| {
                let of_part = hits.iter().filter(|(p, _)| *p == part);
                let mut hits: Vec<Hit> = of_part.map(|(_, hit)| *hit).collect();
                hits.sort_unstable_by_key(|hit| (hit.query, hit.item));
                let chains = chains(&hits, |_| 0, bridge, 0.0, 1);
                chains.first().map_or(0.0, |chain| chain.distinctive)
            };
            for part in [0, 1 << 8, 2 << 8] {
                let mut kept = hits.clone();
                drop_unreachable(&mut kept, bridge.max_gain(), best(part));
                let count = |hits: &[(u32, Hit)]| hits.iter().filter(|(p, _)| *p == part).count();
                prop_assert_eq!(count(&kept), count(&hits));
            }
        }
    }

    #[test]
    fn most_parts_that_cannot_reach_the_minimum_are_dropped() {
        // One part in ten has enough: five adjacent grams; the others have three that overlap.
        let hit = |part: u32, query| {
            let (item, weight) = (query, 1.0);
            (
                part,
                Hit {
                    query,
                    item,
                    weight,
                },
            )
        };
        let mut hits: Vec<_> = (0..1_000)
            .flat_map(|part: u32| {
                let (count, step) = if part.is_multiple_of(10) {
                    (5, 12)
                } else {
                    (3, 2)
                };
                (0..count).map(move |i| hit(part, step * i))
            })
            .collect();
        drop_unreachable(&mut hits, Bridge::NARROW.max_gain(), 50.0);
        assert_eq!(hits.len(), 500);
    }

    #[test]
    fn touching_discounted_spans_are_merged_and_counted() {
        let mut spans = Vec::new();
        for at in [0, 5, 12, 100] {
            push_span(&mut spans, at);
        }
        assert_eq!(spans, [(0, 24, 0), (100, 112, 24)]);
        for (query, before) in [(0, 0), (10, 10), (24, 24), (60, 24), (106, 30), (500, 36)] {
            assert_eq!(discounted_before(&spans, query), before, "{query}");
        }
    }
}
