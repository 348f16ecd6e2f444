//! Which grams a row of indexes may have: one word of memory says of nearly every gram that none
//! of them has it.
//!
//! A Bloom filter whose bits for one gram lie in one word (Putze, Sanders and Singler, "Cache-,
//! hash- and space-efficient Bloom filters", 2007). Grams are added while others look, and never
//! taken out: whoever looks into older or fewer indexes is told of more than they have, which costs
//! a look-up of what is not there.
//!
//! A gram is known by the upper 36 bits of its product with the number that nearly every index
//! uses ([`Spread`]). These can be read off its place among the lines, so an index can be added
//! without its fingerprints.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use super::Index;
use super::lines::{FRACTION_BITS, SLOTS, Spread};

/// Bits of memory for a gram: with as many grams as there is room for, one in two hundred that
/// are absent is not told.
const BITS_OF_GRAM: usize = 16;

/// Bits that are set for a gram.
const MARKS: u32 = 4;

/// Grams that there is room for at least: 8 KiB.
const LEAST: usize = 1 << 12;

/// Bits of the product that are below those that count.
const DROPPED: u32 = u64::BITS - FRACTION_BITS;

/// The grams of some indexes, and perhaps others. `Sync`: added to by one thread while others look.
#[derive(Debug)]
pub(crate) struct GramFilter {
    words: Box<[AtomicU64]>,
    spread: Spread,
    room: usize,
    grams: AtomicUsize,
    /// Set when an index was added whose grams cannot be told.
    blind: AtomicBool,
}

impl GramFilter {
    /// An empty one, with room for so many grams or a few more.
    pub(crate) fn new(grams: usize) -> Self {
        let room = grams.max(LEAST);
        let words = room.div_ceil(u64::BITS as usize / BITS_OF_GRAM);
        Self {
            words: std::iter::repeat_with(AtomicU64::default)
                .take(words)
                .collect(),
            spread: Spread::new(0, 0),
            room,
            grams: AtomicUsize::new(0),
            blind: AtomicBool::new(false),
        }
    }

    /// Of some indexes, with room for twice as many grams.
    pub(crate) fn of<'a>(indexes: impl Iterator<Item = &'a Index> + Clone) -> Self {
        let grams: usize = indexes.clone().map(|index| index.grams().len()).sum();
        let filter = Self::new(grams.saturating_mul(2));
        indexes.for_each(|index| filter.add(index));
        filter
    }

    /// Whether there is room for the grams of an index, so that few grams that are absent pass.
    pub(crate) fn has_room_for(&self, index: &Index) -> bool {
        let grams = self.grams.load(Ordering::Relaxed);
        grams.saturating_add(index.grams().len()) <= self.room
    }

    /// Adds the grams of an index, room or not. Who is to see them must be told of the index
    /// afterwards, by whatever orders memory between threads.
    pub(crate) fn add(&self, index: &Index) {
        let grams = index.grams();
        let spread = grams.spread();
        if spread.multiplier != self.spread.multiplier || spread.homes >= 1 << DROPPED {
            self.blind.store(true, Ordering::Relaxed);
            return;
        }
        for (at, line) in grams.lines().iter().enumerate() {
            for slot in (0..SLOTS).take_while(|&slot| !line.is_empty(slot)) {
                let tag = line.tag(slot);
                let home = at.saturating_sub(tag.displacement()) as u64;
                // Home and fraction are the product times the homes, less what is dropped
                // of it; divided again they are the product, less what is dropped of that.
                let place = home << FRACTION_BITS | tag.fraction();
                let (word, marks) = self.place(place / u64::from(spread.homes.max(1)));
                if let Some(word) = self.words.get(word) {
                    word.fetch_or(marks, Ordering::Relaxed);
                }
            }
        }
        self.grams.fetch_add(grams.len(), Ordering::Relaxed);
    }

    /// False only for a gram that no index has that was added.
    #[inline]
    pub(crate) fn may_have(&self, print: u64) -> bool {
        let (word, marks) = self.place(self.spread.product(print) >> DROPPED);
        let word = self.words.get(word);
        let word = word.map_or(u64::MAX, |word| word.load(Ordering::Relaxed));
        word & marks == marks || self.blind.load(Ordering::Relaxed)
    }

    /// The word of the upper bits of a product, and its bits in it.
    #[inline]
    fn place(&self, product: u64) -> (usize, u64) {
        let word = (u128::from(product) * self.words.len() as u128) >> FRACTION_BITS;
        // Those of one word differ in their lowest bits, which the multiplication takes up.
        let mixed = product.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let marks = (0..MARKS).fold(0, |marks, mark| {
            marks | 1 << (mixed >> (58 - 6 * mark) & 63)
        });
        (word as usize, marks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::Executor;
    use crate::fingerprint::{Fingerprinter, Key};
    use crate::index::IndexWriter;

    fn index(texts: std::ops::Range<u64>) -> (Index, Vec<u64>) {
        let fingerprinter = Fingerprinter::builder()
            .key(Key::from_bytes([7; 32]))
            .build()
            .unwrap();
        let mut writer = IndexWriter::new(fingerprinter.recipe().clone(), None).unwrap();
        let mut prints = Vec::new();
        for n in texts {
            let words: Vec<String> = (0..40_u64)
                .map(|i| format!("{:x}", (n * 977 + i).wrapping_mul(0x9E37_79B9_7F4A_7C15)))
                .collect();
            let print = fingerprinter.fingerprint_text(&words.join(" ")).unwrap();
            let text = print.parts[0].text.as_ref().unwrap();
            prints.extend(text.grams.iter().map(|gram| gram.print));
            writer.add(&n.to_string(), &print).unwrap();
        }
        let bytes = writer.to_bytes(&Executor::serial()).unwrap();
        (Index::from_bytes(bytes).unwrap(), prints)
    }

    #[test]
    fn whatever_an_index_has_passes_and_hardly_anything_else() {
        let (first, of_first) = index(0..30);
        let (second, of_second) = index(30..200);
        let filter = GramFilter::of([&first].into_iter());
        assert!(of_first.iter().all(|&print| filter.may_have(print)));
        let passes = |prints: &[u64]| prints.iter().filter(|&&p| filter.may_have(p)).count();
        assert!(passes(&of_second) * 100 < of_second.len());
        assert!(!filter.has_room_for(&second));
        filter.add(&second);
        assert!(
            of_first
                .iter()
                .chain(&of_second)
                .all(|&p| filter.may_have(p))
        );
        // Full, as it is at the most.
        let full = GramFilter::new(second.grams().len());
        full.add(&second);
        let absent = (1..100_000_u64).map(|n| n.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        let told = absent.filter(|&print| !full.may_have(print)).count();
        assert!(told > 99_000, "{told}");
    }

    #[test]
    fn an_index_with_a_number_of_its_own_lets_everything_pass() {
        let (usual, _) = index(0..1);
        let filter = GramFilter {
            spread: Spread::new(0, 1),
            ..GramFilter::new(0)
        };
        assert!(!filter.may_have(1));
        filter.add(&usual);
        assert!(filter.may_have(1));
    }
}
