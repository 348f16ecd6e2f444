//! Comparing the alignments of one query with one another.

use super::odds::Comparison;
use crate::deadline::Pacer;
use crate::error::Result;

/// Alignments of a query that are compared with one another.
const MAX_PEERS: usize = 48;

/// Contradicted values that tell two items from copies of one another.
const MIN_DIFFERENT: usize = 3;

/// Computes the odds of all alignments of a query, which are given with the numbers of their items.
///
/// First finds the constants of templates: values of an item that agree with the query as those of another
/// item do, in the same place of the query, where both items contradict the query in different values.
pub(in crate::matcher) fn judge(
    comparisons: &mut [(u32, Comparison)],
    pacer: &mut Pacer,
) -> Result<()> {
    for (_, comparison) in comparisons.iter_mut() {
        pacer.steps((comparison.agreed.len() + comparison.contradicted.len()) as u32)?;
        comparison.agreed.sort_unstable();
        comparison.contradicted.sort_unstable();
    }
    // The longest first.
    let mut order: Vec<usize> = (0..comparisons.len()).collect();
    order.sort_by_key(|&at| std::cmp::Reverse(comparisons[at].1.covered));
    order.truncate(MAX_PEERS);
    let mut constants = vec![0; comparisons.len()];
    for &at in &order {
        let (item, own) = &comparisons[at];
        let mut common: Vec<u16> = Vec::new();
        for &other in &order {
            let (other_item, peer) = &comparisons[other];
            if other_item == item || !is_over(own, peer) {
                continue;
            }
            pacer.steps((own.agreed.len() + peer.agreed.len()) as u32)?;
            let differ = own.contradicted.len().max(peer.contradicted.len());
            let same = common_tags(&own.contradicted, &peer.contradicted).len();
            if differ >= MIN_DIFFERENT && same * 2 < differ {
                common.extend(common_tags(&own.agreed, &peer.agreed));
            }
        }
        common.sort_unstable();
        // A value that several peers have counts once; one that the item has twice, twice.
        common.dedup();
        let is_common = |tag: &&u16| common.binary_search(tag).is_ok();
        constants[at] = own.agreed.iter().filter(is_common).count() as u32;
    }
    for ((_, comparison), constants) in comparisons.iter_mut().zip(constants) {
        comparison.judge(constants);
    }
    Ok(())
}

/// Returns the elements that two sorted lists have in common.
fn common_tags(a: &[u16], b: &[u16]) -> Vec<u16> {
    let mut rest = b.iter().peekable();
    let mut common = Vec::new();
    for tag in a {
        while rest.next_if(|other| *other < tag).is_some() {}
        if rest.next_if(|other| *other == tag).is_some() {
            common.push(*tag);
        }
    }
    common
}

/// Returns whether a peer has most of the same place of the query.
fn is_over(own: &Comparison, peer: &Comparison) -> bool {
    let start = own.query.0.max(peer.query.0);
    let both = own.query.1.min(peer.query.1).saturating_sub(start);
    both * 5 >= (own.query.1 - own.query.0) * 3
}
