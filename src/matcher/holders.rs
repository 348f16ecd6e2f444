//! Content that many items hold is named once, with the number of its holders.

use std::collections::BTreeMap;

use super::evidence::{Evidence, Match};
use crate::deadline::Deadline;
use crate::error::Result;
use crate::media::PartPath;

/// Other holders that a match names, at most.
const MAX_NAMED: usize = 4;

/// The share of a passage that one named before must cover, in eighths.
const MIN_COVERED_EIGHTHS: u32 = 6;

/// Passages compared between two checks of the deadline: less than a millisecond.
const STEPS_PER_CHECK: u32 = 1 << 14;

/// A passage of the query that a match has named.
struct Named {
    span: [u32; 2],
    by: usize,
}

/// Leaves out matches that say nothing that a better one has not said: all their evidence is passages
/// that many items hold. The better match gets their number and some of their names. Matches must be
/// ranked, best first.
pub(super) fn name_once(matches: Vec<Match>, deadline: &Deadline) -> Result<Vec<Match>> {
    if !matches.iter().any(|found| shared(found).next().is_some()) {
        return Ok(matches);
    }
    let mut pacer = deadline.pacer(STEPS_PER_CHECK);
    let mut kept: Vec<Match> = Vec::new();
    let mut named: BTreeMap<PartPath, Vec<Named>> = BTreeMap::new();
    for mut found in matches {
        let mut by = None;
        let mut fresh = Vec::new();
        for (part, span, _) in shared(&found) {
            let of_part = named.get(part).map(Vec::as_slice).unwrap_or_default();
            pacer.steps(of_part.len() as u32 + 1)?;
            match of_part.iter().find(|named| covers(named.span, span)) {
                Some(named) => by = by.or(Some(named.by)),
                None => fresh.push((part.clone(), span)),
            }
        }
        let is_all = shared(&found).count() == found.evidence.len();
        if let Some(better) = by.filter(|_| is_all && fresh.is_empty()) {
            if let Some(better) = kept.get_mut(better)
                && better.holders.len() < MAX_NAMED
            {
                better.holders.push(found.item);
            }
            continue;
        }
        for (part, span) in fresh {
            let by = kept.len();
            named.entry(part).or_default().push(Named { span, by });
        }
        found.shared_by = shared(&found).map(|(.., items)| items).max();
        kept.push(found);
    }
    Ok(kept)
}

/// Returns the passages of a match that many items hold: the query's part, the place and the items.
fn shared(found: &Match) -> impl Iterator<Item = (&PartPath, [u32; 2], u32)> {
    found.evidence.iter().filter_map(|evidence| match evidence {
        Evidence::Text {
            part,
            query_span,
            shared_by: Some(items),
            ..
        } => Some((part, *query_span, *items)),
        _ => None,
    })
}

/// Returns whether a span covers most of another one.
fn covers(named: [u32; 2], span: [u32; 2]) -> bool {
    let length = span[1].saturating_sub(span[0]);
    let common = named[1].min(span[1]).saturating_sub(named[0].max(span[0]));
    u64::from(common) * 8 >= u64::from(length) * u64::from(MIN_COVERED_EIGHTHS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matcher::Strength;

    fn text(query_span: [u32; 2], shared_by: Option<u32>) -> Evidence {
        let line = serde_json::json!({
            "kind": "text", "part": "", "item_part": "", "covered": 96, "distinctive": 90.5,
            "discounted": 0, "query_span": query_span, "item_span": [0, 90], "score": 0.9,
            "shared_by": shared_by,
        });
        serde_json::from_value(line).unwrap()
    }

    fn of(item: &str, evidence: Vec<Evidence>) -> Match {
        Match {
            item: item.to_owned(),
            score: 0.9,
            strength: Strength::Strong,
            evidence,
            shared_by: None,
            holders: Vec::new(),
            expected: None,
            metadata: None,
        }
    }

    #[test]
    fn a_passage_is_named_once_and_what_is_beside_it_too() {
        let memo = || text([100, 300], Some(60));
        let mut all = vec![of("best", vec![memo()])];
        all.extend((0..9).map(|i| of(&format!("copy {i}"), vec![text([110, 290], Some(60))])));
        all.push(of("reply", vec![memo(), text([400, 500], None)]));
        all.push(of("another", vec![text([600, 700], Some(12))]));
        all.push(of("half", vec![text([250, 400], Some(20))]));
        let found = name_once(all, &Deadline::never()).unwrap();
        let names: Vec<_> = found.iter().map(|one| one.item.as_str()).collect();
        assert_eq!(names, ["best", "reply", "another", "half"]);
        assert_eq!(found[0].shared_by, Some(60));
        assert_eq!(found[0].holders, ["copy 0", "copy 1", "copy 2", "copy 3"]);
        assert_eq!(found[2].shared_by, Some(12));
        assert!(found[2].holders.is_empty());
    }

    #[test]
    fn what_few_items_hold_is_named_for_each() {
        let all: Vec<Match> = (0..4)
            .map(|i| of(&i.to_string(), vec![text([0, 90], None)]))
            .collect();
        assert_eq!(name_once(all.clone(), &Deadline::never()).unwrap(), all);
    }
}
