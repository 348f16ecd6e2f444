//! The table of grams: lines of the cache, each with a few grams and all that a
//! look-up needs to know of them.
//!
//! A gram is multiplied by an odd number; the upper bits of the product select its
//! *home* among the lines, the bits below tell it from the others there. Grams lie
//! in the order of the product, eight a line at most, in their home or, where that
//! is full, in the next line with room: linear probing in order, after Amble and
//! Knuth, "Ordered hash tables", 1974. What a gram's home says need not be stored
//! with it, as in a quotient filter (Bender and others, "Don't thrash: how to cache
//! your hash on flash", 2012): the distance from home is.
//!
//! A line says which grams *passed* it, by a few bits that each stand for a twentieth
//! of them. So a gram that is absent costs its home and seldom another line; one that
//! is there costs the line and its list.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::arch::equal;

/// Grams in a line.
pub(super) const SLOTS: usize = 8;

/// Lines behind its home in which a gram may stand.
pub(super) const MAX_DISPLACEMENT: usize = 15;

/// Bits of a tag that tell grams of one home apart; the distance from home is above them.
pub(super) const FRACTION_BITS: u32 = 36;

/// In [`Line::lengths`]: the length stands in eight bytes before the list.
pub(super) const LONG: u8 = 0xFF;

/// Bits of [`Line::lists`] that say where the lists begin: four billion places are
/// fewer bytes.
const START_BITS: u32 = 40;

/// Bits of [`Passed`] that say how far.
const REACH_BITS: u32 = 4;

/// Bits of [`Passed`] that say which.
const MARKS: u64 = 20;

const _: () = assert!(START_BITS + REACH_BITS + MARKS as u32 == u64::BITS);
const _: () = assert!(MAX_DISPLACEMENT >> REACH_BITS == 0);

/// Which grams stand behind the line that is their home: how far at the most, and a
/// mark for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Passed(u64);

impl Passed {
    /// Adds a gram that stands so many lines behind its home.
    pub(super) fn add(&mut self, tag: Tag) {
        let reach = self.reach().max(tag.displacement()) as u64;
        self.0 = (self.0 >> REACH_BITS | Self::mark(tag.fraction())) << REACH_BITS | reach;
    }

    /// The one bit of a fraction, of its lower half: the grams of a home that are
    /// displaced are those of the highest fractions.
    #[inline(always)]
    fn mark(fraction: u64) -> u64 {
        1 << (((fraction & 0xFFFF) * MARKS) >> 16)
    }

    /// Whether a gram may be among them.
    #[inline(always)]
    pub(super) fn may_have(self, fraction: u64) -> bool {
        self.0 >> REACH_BITS & Self::mark(fraction) != 0
    }

    /// How many of the lines behind may have them, at most [`MAX_DISPLACEMENT`].
    #[inline(always)]
    pub(super) fn reach(self) -> usize {
        self.0 as usize & ((1 << REACH_BITS) - 1)
    }
}

/// Eight grams at most. Slots are filled from the first on, those with lists of 255
/// bytes or more last; what is not filled is zero.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub(super) struct Line {
    /// The lower 32 bits of each tag.
    tags: [u32; SLOTS],
    /// The upper 8 bits of each tag.
    tops: [u8; SLOTS],
    /// Bytes of each list, or [`LONG`]; 0 in a slot that is not filled.
    pub(super) lengths: [u8; SLOTS],
    /// Coded document frequency and flag of each gram.
    pub(super) weights: [u8; SLOTS],
    /// Where the lists of the line begin; above, what passed.
    lists: u64,
}

const _: () = assert!(size_of::<Line>() == 64);

/// What tells a gram from others in a line: distance from home and fraction.
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

impl Line {
    /// Where the lists of the line begin among the bytes of postings.
    pub(super) fn start(&self) -> u64 {
        self.lists & ((1 << START_BITS) - 1)
    }

    /// `None` if the number is too large for its bits.
    pub(super) fn set_start(&mut self, start: u64) -> Option<()> {
        self.lists = self.lists >> START_BITS << START_BITS | start;
        (start >> START_BITS == 0).then_some(())
    }

    /// The grams whose home this is and that stand behind it.
    #[inline(always)]
    pub(super) fn passed(&self) -> Passed {
        Passed(self.lists >> START_BITS)
    }

    /// Notes a gram whose home this is and that stands behind it.
    pub(super) fn pass(&mut self, tag: Tag) {
        let mut passed = self.passed();
        passed.add(tag);
        self.lists = passed.0 << START_BITS | self.start();
    }

    pub(super) fn set(&mut self, slot: usize, tag: Tag, length: u8, weight: u8) {
        self.tags[slot] = tag.0 as u32;
        self.tops[slot] = (tag.0 >> 32) as u8;
        self.lengths[slot] = length;
        self.weights[slot] = weight;
    }

    /// Where the list of a slot begins behind the start of the line's, if no slot
    /// before it is [`LONG`].
    #[inline(always)]
    pub(super) fn short_lengths_before(&self, slot: usize) -> u64 {
        const EVEN: u64 = 0x00FF_00FF_00FF_00FF;
        // Pairs of bytes, then the sum of the pairs in the uppermost: at most 8 times 255.
        let before = (1_u64 << (8 * (slot & 7))) - 1;
        let lengths = u64::from_le_bytes(self.lengths) & before;
        let pairs = (lengths & EVEN) + (lengths >> 8 & EVEN);
        pairs.wrapping_mul(0x0001_0001_0001_0001) >> 48
    }

    /// Whether nothing is in a slot.
    pub(super) fn is_empty(&self, slot: usize) -> bool {
        (self.tag(slot).0, self.lengths[slot], self.weights[slot]) == (0, 0, 0)
    }

    /// The tag in a slot, filled or not.
    pub(super) fn tag(&self, slot: usize) -> Tag {
        Tag(u64::from(self.tops[slot]) << 32 | u64::from(self.tags[slot]))
    }

    /// Bits of the slots that may have a tag: those with its lower half, filled or not.
    #[inline(always)]
    pub(super) fn alike(&self, tag: Tag) -> u32 {
        equal(&self.tags, tag.0 as u32)
    }

    /// The slot of a tag, of those [`alike`](Self::alike).
    #[inline(always)]
    pub(super) fn find(&self, tag: Tag, alike: u32) -> Option<usize> {
        let mut same = alike;
        while same != 0 {
            let slot = same.trailing_zeros() as usize;
            if self.tops[slot] == (tag.0 >> 32) as u8 && self.lengths[slot] != 0 {
                return Some(slot);
            }
            same &= same - 1;
        }
        None
    }
}

/// How grams spread over lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spread {
    /// Lines that are the home of grams.
    pub(super) homes: u32,
    /// Odd, so that no two grams have one product.
    pub(super) multiplier: u64,
}

impl Spread {
    /// One of many for `grams` grams. Prints are the output of a cipher, so that the
    /// first serves; made-up prints may crowd under one multiplier, not under several.
    pub(super) fn new(grams: usize, attempt: u64) -> Self {
        // 6.25 of eight slots filled, on average: then one gram in eight is displaced; at
        // seven, two in seven are, for four bytes in a hundred of table and lists.
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

    /// What the order of grams follows.
    #[inline(always)]
    pub(super) fn product(self, print: u64) -> u64 {
        print.wrapping_mul(self.multiplier)
    }

    /// Home and fraction of a print.
    #[inline(always)]
    pub(super) fn place(self, print: u64) -> (usize, u64) {
        let place = u128::from(self.product(print)) * u128::from(self.homes);
        let fraction = place as u64 >> (64 - FRACTION_BITS);
        ((place >> 64) as usize, fraction)
    }
}

/// Gives grams that come in the order of their products a line, one after the other.
pub(super) struct Placer {
    spread: Spread,
    line: usize,
    filled: usize,
    last: Option<(usize, u64)>,
}

impl Placer {
    pub(super) fn new(spread: Spread) -> Self {
        Self {
            spread,
            line: 0,
            filled: 0,
            last: None,
        }
    }

    /// Line and tag of the next gram; `None` if it would be too far from its home or
    /// the same as the last.
    pub(super) fn next(&mut self, print: u64) -> Option<(usize, Tag)> {
        let place = self.spread.place(print);
        let (home, fraction) = place;
        if home > self.line {
            (self.line, self.filled) = (home, 0);
        } else if self.filled == SLOTS {
            (self.line, self.filled) = (self.line + 1, 0);
        }
        self.filled += 1;
        let displacement = self.line - home;
        let distinct = self.last.replace(place) != Some(place);
        let placed = displacement <= MAX_DISPLACEMENT && distinct;
        placed.then(|| (self.line, Tag::new(displacement, fraction)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_placed_is_found_in_its_line(
            prints in prop::collection::btree_set(prop_oneof![0_u64..40, any::<u64>()], 1..300),
        ) {
            let spread = Spread::new(prints.len(), 0);
            let mut prints: Vec<u64> = prints.into_iter().collect();
            prints.sort_unstable_by_key(|&print| spread.product(print));
            let mut placer = Placer::new(spread);
            let mut lines = vec![(Line::default(), 0); spread.homes as usize + MAX_DISPLACEMENT];
            let mut places = Vec::new();
            for &print in &prints {
                let (at, tag) = placer.next(print).expect("prints that differ early");
                let (line, filled) = &mut lines[at];
                line.set(*filled, tag, 1, 0);
                *filled += 1;
                places.push((at, tag));
            }
            for (&print, (at, tag)) in prints.iter().zip(places) {
                let (home, fraction) = spread.place(print);
                prop_assert_eq!(home + tag.displacement(), at);
                prop_assert_eq!(tag.fraction(), fraction);
                let line = &lines[at].0;
                let slot = line.find(tag, line.alike(tag)).expect("there");
                prop_assert_eq!(lines[at].0.tag(slot), tag);
            }
        }
    }

    #[test]
    fn crowds_are_refused_under_one_multiplier_and_placed_under_the_next() {
        // Products that differ in the lowest bits only: one home for all.
        let first = Spread::new(1000, 0);
        let mut inverse = first.multiplier;
        for _ in 0..6 {
            inverse =
                inverse.wrapping_mul(2_u64.wrapping_sub(first.multiplier.wrapping_mul(inverse)));
        }
        let crowd: Vec<u64> = (0..1000_u64)
            .map(|i| (i << 30).wrapping_mul(inverse))
            .collect();
        let all_placed = |spread: Spread| {
            let mut prints = crowd.clone();
            prints.sort_unstable_by_key(|&print| spread.product(print));
            let mut placer = Placer::new(spread);
            prints.iter().all(|&print| placer.next(print).is_some())
        };
        assert!(!all_placed(first));
        assert!(all_placed(Spread::new(1000, 1)));
    }

    #[test]
    fn a_line_keeps_start_and_passed_apart() {
        let mut line = Line::default();
        assert!(line.set_start((1 << 40) - 1).is_some());
        let (three, two) = (Tag::new(3, 0), Tag::new(2, 0xFFFF));
        line.pass(three);
        line.pass(two);
        assert_eq!((line.start(), line.passed().reach()), ((1 << 40) - 1, 3));
        for (fraction, passed) in [(0, true), (1 << 35 | 0xFFFF, true), (0x8000, false)] {
            assert_eq!(line.passed().may_have(fraction), passed, "{fraction}");
        }
        let passed = line.passed();
        assert!(line.set_start(7).is_some());
        assert_eq!((line.start(), line.passed()), (7, passed));
        assert!(line.set_start(1 << 40).is_none());
        let (empty, tag) = (Line::default(), Tag::new(0, 0));
        assert_eq!(empty.find(tag, empty.alike(tag)), None, "an empty slot");
    }

    #[test]
    fn lengths_add_up() {
        let mut line = Line::default();
        for slot in 0..SLOTS {
            line.set(slot, Tag::new(0, 0), 254 - slot as u8, 0);
        }
        for slot in 0..SLOTS {
            let sum = (0..slot as u64).map(|slot| 254 - slot).sum::<u64>();
            assert_eq!(line.short_lengths_before(slot), sum, "{slot}");
        }
    }
}
