//! The hash table of grams: buckets of one cache line, each with up to eight grams and all that a
//! look-up needs to know of them.
//!
//! A gram is multiplied by an odd number. The upper bits of the product select its *home* bucket,
//! the bits below them, the *fraction*, distinguish it from other grams of the same home. Grams
//! are stored in the order of the product, at most eight to a bucket: each in its home or, where
//! that is full, in the next bucket with room. This is ordered linear probing (Amble and Knuth,
//! "Ordered hash tables", 1974). What the home says of a gram need not be stored with it, as in a
//! quotient filter (Bender and others, "Don't thrash: how to cache your hash on flash", 2012); the
//! distance from home is.
//!
//! Each bucket has a filter of the grams that *overflowed* from it into later ones: a few bits,
//! each for one gram in twenty. So the look-up of an absent gram reads its home and seldom another
//! bucket; the look-up of a present one reads its bucket and its list.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::arch::equal;

/// Grams in a bucket.
pub(super) const SLOTS: usize = 8;

/// Buckets that a gram may be away from its home.
pub(super) const MAX_DISPLACEMENT: usize = 15;

/// Bits of a tag that distinguish grams of one home; the distance from home is above them.
pub(super) const FRACTION_BITS: u32 = 36;

/// In [`Bucket::lengths`]: the length of the list is in eight bytes before it.
pub(super) const LONG_LIST: u8 = 0xFF;

/// Bits of [`Bucket::lists`] for the start of the lists: enough for four billion places, which are
/// fewer bytes.
const START_BITS: u32 = 40;

/// Bits of an [`OverflowFilter`] for the largest displacement.
const DISPLACEMENT_BITS: u32 = 4;

/// Bits of an [`OverflowFilter`] for the grams.
const FILTER_BITS: u64 = 20;

const _: () = assert!(START_BITS + DISPLACEMENT_BITS + FILTER_BITS as u32 == u64::BITS);
const _: () = assert!(MAX_DISPLACEMENT >> DISPLACEMENT_BITS == 0);

/// The grams of a home that are in later buckets: their largest displacement, and one bit for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct OverflowFilter(u64);

impl OverflowFilter {
    /// Adds a gram that is not in its home.
    pub(super) fn add(&mut self, tag: Tag) {
        let max = self.max_displacement().max(tag.displacement()) as u64;
        let bits = self.0 >> DISPLACEMENT_BITS | Self::bit(tag.fraction());
        self.0 = bits << DISPLACEMENT_BITS | max;
    }

    /// Returns the bit of a fraction. Taken from its lower half: the displaced grams of a home are
    /// those with the highest fractions.
    #[inline(always)]
    fn bit(fraction: u64) -> u64 {
        1 << (((fraction & 0xFFFF) * FILTER_BITS) >> 16)
    }

    /// Returns false only if no gram of this fraction was added.
    #[inline(always)]
    pub(super) fn may_have(self, fraction: u64) -> bool {
        self.0 >> DISPLACEMENT_BITS & Self::bit(fraction) != 0
    }

    /// Returns how far from home the grams are, at most [`MAX_DISPLACEMENT`] buckets.
    #[inline(always)]
    pub(super) fn max_displacement(self) -> usize {
        self.0 as usize & ((1 << DISPLACEMENT_BITS) - 1)
    }
}

/// Up to eight grams. Slots are filled from the first on, grams with lists of 255 bytes or more
/// come last, and slots that are not filled are zero.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub(super) struct Bucket {
    /// The lower 32 bits of each tag.
    tags: [u32; SLOTS],
    /// The upper 8 bits of each tag.
    tops: [u8; SLOTS],
    /// Bytes of each list, or [`LONG_LIST`]; 0 in a slot that is not filled.
    pub(super) lengths: [u8; SLOTS],
    /// Coded document frequency and flag of each gram.
    pub(super) weights: [u8; SLOTS],
    /// Where the lists of the bucket begin; above it the overflow filter.
    lists: u64,
}

const _: () = assert!(size_of::<Bucket>() == 64);

/// What distinguishes the grams of a bucket: distance from home and fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag(u64);

impl Tag {
    pub(super) fn new(displacement: usize, fraction: u64) -> Self {
        Self((displacement as u64) << FRACTION_BITS | fraction)
    }

    pub(super) fn displacement(self) -> usize {
        (self.0 >> FRACTION_BITS) as usize
    }

    pub(super) fn fraction(self) -> u64 {
        self.0 & ((1 << FRACTION_BITS) - 1)
    }
}

impl Bucket {
    /// Returns where the lists of the bucket begin among the bytes of postings.
    pub(super) fn start(&self) -> u64 {
        self.lists & ((1 << START_BITS) - 1)
    }

    /// Sets where the lists begin; returns `None` if the number is too large for its bits.
    pub(super) fn set_start(&mut self, start: u64) -> Option<()> {
        self.lists = self.lists >> START_BITS << START_BITS | start;
        (start >> START_BITS == 0).then_some(())
    }

    /// Returns the filter of the grams with this home that are in later buckets.
    #[inline(always)]
    pub(super) fn overflow(&self) -> OverflowFilter {
        OverflowFilter(self.lists >> START_BITS)
    }

    /// Adds a gram with this home that is in a later bucket to the filter.
    pub(super) fn add_overflow(&mut self, tag: Tag) {
        let mut overflow = self.overflow();
        overflow.add(tag);
        self.lists = overflow.0 << START_BITS | self.start();
    }

    pub(super) fn set(&mut self, slot: usize, tag: Tag, length: u8, weight: u8) {
        self.tags[slot] = tag.0 as u32;
        self.tops[slot] = (tag.0 >> 32) as u8;
        self.lengths[slot] = length;
        self.weights[slot] = weight;
    }

    /// Returns the distance from the start of the bucket's lists to the list of a slot, if no slot
    /// before it is [`LONG_LIST`].
    #[inline(always)]
    pub(super) fn short_lengths_before(&self, slot: usize) -> u64 {
        const EVEN: u64 = 0x00FF_00FF_00FF_00FF;
        // Pairs of bytes, then the sum of the pairs in the uppermost: at most 8 times 255.
        let before = (1_u64 << (8 * (slot & 7))) - 1;
        let lengths = u64::from_le_bytes(self.lengths) & before;
        let pairs = (lengths & EVEN) + (lengths >> 8 & EVEN);
        pairs.wrapping_mul(0x0001_0001_0001_0001) >> 48
    }

    /// Returns whether a slot is not filled.
    pub(super) fn is_empty(&self, slot: usize) -> bool {
        (self.tag(slot).0, self.lengths[slot], self.weights[slot]) == (0, 0, 0)
    }

    /// Returns the tag in a slot, filled or not.
    pub(super) fn tag(&self, slot: usize) -> Tag {
        Tag(u64::from(self.tops[slot]) << 32 | u64::from(self.tags[slot]))
    }

    /// Returns the bits of the slots that may have a tag: those with its lower half, filled or not.
    #[inline(always)]
    pub(super) fn candidates(&self, tag: Tag) -> u32 {
        equal(&self.tags, tag.0 as u32)
    }

    /// Finds the slot of a tag among its [candidates](Self::candidates).
    #[inline(always)]
    pub(super) fn find(&self, tag: Tag, candidates: u32) -> Option<usize> {
        let mut rest = candidates;
        while rest != 0 {
            let slot = rest.trailing_zeros() as usize;
            if self.tops[slot] == (tag.0 >> 32) as u8 && self.lengths[slot] != 0 {
                return Some(slot);
            }
            rest &= rest - 1;
        }
        None
    }
}

/// The hash function from grams to buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GramHasher {
    /// Buckets that are the home of grams.
    pub(super) homes: u32,
    /// Odd, so that no two grams have the same product.
    pub(super) multiplier: u64,
}

impl GramHasher {
    /// Makes the hash function number `attempt` for this many grams. Prints are the output of a
    /// cipher, so the first one serves; made-up prints may collide under one multiplier, but not
    /// under several.
    pub(super) fn new(grams: usize, attempt: u64) -> Self {
        // 6.25 of eight slots filled on average displaces one gram in eight. Seven would displace
        // two in seven, and save four bytes in a hundred of table and lists.
        let homes = (grams as u64 * 4).div_ceil(25).min(u32::MAX.into()) as u32;
        // Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
        let x = (attempt + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let x = (x ^ x >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let x = (x ^ x >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        Self {
            homes,
            multiplier: (x ^ x >> 31) | 1,
        }
    }

    /// Returns the product by which grams are ordered.
    #[inline(always)]
    pub(super) fn product(self, print: u64) -> u64 {
        print.wrapping_mul(self.multiplier)
    }

    /// Returns home and fraction of a print.
    #[inline(always)]
    pub(super) fn place(self, print: u64) -> (usize, u64) {
        let place = u128::from(self.product(print)) * u128::from(self.homes);
        let fraction = place as u64 >> (64 - FRACTION_BITS);
        ((place >> 64) as usize, fraction)
    }
}

/// Assigns buckets to grams that come in the order of their products.
pub(super) struct Placer {
    hasher: GramHasher,
    bucket: usize,
    filled: usize,
    last: Option<(usize, u64)>,
}

impl Placer {
    pub(super) fn new(hasher: GramHasher) -> Self {
        Self {
            hasher,
            bucket: 0,
            filled: 0,
            last: None,
        }
    }

    /// Returns bucket and tag of the next gram; `None` if it would be too far from its home or is
    /// the same as the last.
    pub(super) fn next(&mut self, print: u64) -> Option<(usize, Tag)> {
        let place = self.hasher.place(print);
        let (home, fraction) = place;
        if home > self.bucket {
            (self.bucket, self.filled) = (home, 0);
        } else if self.filled == SLOTS {
            (self.bucket, self.filled) = (self.bucket + 1, 0);
        }
        self.filled += 1;
        let displacement = self.bucket - home;
        let distinct = self.last.replace(place) != Some(place);
        let placed = displacement <= MAX_DISPLACEMENT && distinct;
        placed.then(|| (self.bucket, Tag::new(displacement, fraction)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn placed_grams_are_found_in_their_buckets(
            prints in prop::collection::btree_set(prop_oneof![0_u64..40, any::<u64>()], 1..300),
        ) {
            let hasher = GramHasher::new(prints.len(), 0);
            let mut prints: Vec<u64> = prints.into_iter().collect();
            prints.sort_unstable_by_key(|&print| hasher.product(print));
            let mut placer = Placer::new(hasher);
            let mut buckets = vec![(Bucket::default(), 0); hasher.homes as usize + MAX_DISPLACEMENT];
            let mut places = Vec::new();
            for &print in &prints {
                let (at, tag) = placer.next(print).expect("prints that differ early");
                let (bucket, filled) = &mut buckets[at];
                bucket.set(*filled, tag, 1, 0);
                *filled += 1;
                places.push((at, tag));
            }
            for (&print, (at, tag)) in prints.iter().zip(places) {
                let (home, fraction) = hasher.place(print);
                prop_assert_eq!(home + tag.displacement(), at);
                prop_assert_eq!(tag.fraction(), fraction);
                let bucket = &buckets[at].0;
                let slot = bucket.find(tag, bucket.candidates(tag)).expect("there");
                prop_assert_eq!(buckets[at].0.tag(slot), tag);
            }
        }
    }

    #[test]
    fn colliding_prints_are_refused_under_one_multiplier_and_placed_under_the_next() {
        // Products that differ in the lowest bits only: one home for all.
        let first = GramHasher::new(1000, 0);
        let mut inverse = first.multiplier;
        for _ in 0..6 {
            inverse =
                inverse.wrapping_mul(2_u64.wrapping_sub(first.multiplier.wrapping_mul(inverse)));
        }
        let colliding: Vec<u64> = (0..1000_u64)
            .map(|i| (i << 30).wrapping_mul(inverse))
            .collect();
        let all_placed = |hasher: GramHasher| {
            let mut prints = colliding.clone();
            prints.sort_unstable_by_key(|&print| hasher.product(print));
            let mut placer = Placer::new(hasher);
            prints.iter().all(|&print| placer.next(print).is_some())
        };
        assert!(!all_placed(first));
        assert!(all_placed(GramHasher::new(1000, 1)));
    }

    #[test]
    fn setting_start_or_overflow_leaves_the_other_unchanged() {
        let mut bucket = Bucket::default();
        assert!(bucket.set_start((1 << 40) - 1).is_some());
        let (three, two) = (Tag::new(3, 0), Tag::new(2, 0xFFFF));
        bucket.add_overflow(three);
        bucket.add_overflow(two);
        assert_eq!(
            (bucket.start(), bucket.overflow().max_displacement()),
            ((1 << 40) - 1, 3)
        );
        for (fraction, expected) in [(0, true), (1 << 35 | 0xFFFF, true), (0x8000, false)] {
            assert_eq!(bucket.overflow().may_have(fraction), expected, "{fraction}");
        }
        let overflow = bucket.overflow();
        assert!(bucket.set_start(7).is_some());
        assert_eq!((bucket.start(), bucket.overflow()), (7, overflow));
        assert!(bucket.set_start(1 << 40).is_none());
        let (empty, tag) = (Bucket::default(), Tag::new(0, 0));
        assert_eq!(
            empty.find(tag, empty.candidates(tag)),
            None,
            "an empty slot"
        );
    }

    #[test]
    fn short_lengths_before_a_slot_are_summed() {
        let mut bucket = Bucket::default();
        for slot in 0..SLOTS {
            bucket.set(slot, Tag::new(0, 0), 254 - slot as u8, 0);
        }
        for slot in 0..SLOTS {
            let sum = (0..slot as u64).map(|slot| 254 - slot).sum::<u64>();
            assert_eq!(bucket.short_lengths_before(slot), sum, "{slot}");
        }
    }
}
