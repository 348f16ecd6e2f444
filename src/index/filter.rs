//! A filter in front of several indexes: one word of memory rules out nearly every gram, digest
//! or cell that none of them has.
//!
//! A blocked Bloom filter: the bits of a print are all in one word (Putze, Sanders and Singler,
//! "Cache-, hash- and space-efficient Bloom filters", 2007). Prints are added while other threads
//! read, and never removed. A reader with older or fewer indexes gets more false positives, each of
//! which costs one unnecessary look-up.
//!
//! A filter made [per index](PrintFilter::per_index) also narrows down which of the indexes may
//! have a gram, by two more bits in the same word, chosen by gram and index. An index is identified
//! by its sizes; two of equal sizes are not distinguished.
//!
//! A gram is represented by the upper 36 bits of its product with the multiplier that nearly every
//! index uses ([`GramHasher`]). These can be computed from its place in the hash table, so an index
//! can be added without its fingerprints. A digest or a cell is represented by its first 36 bits.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::Index;
use super::buckets::{FRACTION_BITS, GramHasher, SLOTS};
use crate::arch::prefetch;
use crate::fingerprint::Digest;

/// Bits of memory for each print: a filter at its capacity lets one absent print in two hundred
/// pass.
const BITS_PER_PRINT: usize = 16;

/// Bits that are set for a print.
const PRINT_BITS: u32 = 4;

/// Bits that are set for a gram and the index that has it.
const INDEX_BITS: u32 = 2;

/// The least capacity in prints: 8 KiB.
const MIN_CAPACITY: usize = 1 << 12;

/// Bits of the product that are below those that represent a gram.
const DROPPED_BITS: u32 = u64::BITS - FRACTION_BITS;

/// The grams, digests and cells of some indexes, with false positives. `Sync`: prints can be added
/// while other threads read.
#[derive(Debug)]
pub(crate) struct PrintFilter {
    words: Box<[AtomicU64]>,
    hasher: GramHasher,
    capacity: usize,
    /// Whether the filter has bits for pairs of a gram and an index.
    per_index: bool,
    /// The number of prints added; locked while adding.
    added: Mutex<usize>,
    /// Set once an index was added whose grams cannot be represented: then every gram may be there.
    always_maybe: AtomicBool,
}

/// Returns the number of prints of an index.
fn prints(index: &Index) -> usize {
    index.grams().len() + index.digests().len() + index.cells().len()
}

impl PrintFilter {
    /// Makes an empty filter with capacity for this many prints or a few more.
    pub(crate) fn new(prints: usize) -> Self {
        let capacity = prints.max(MIN_CAPACITY);
        let words = capacity.div_ceil(u64::BITS as usize / BITS_PER_PRINT);
        let words = std::iter::repeat_with(AtomicU64::default).take(words);
        Self {
            words: words.collect(),
            hasher: GramHasher::new(0, 0),
            capacity,
            per_index: false,
            added: Mutex::new(0),
            always_maybe: AtomicBool::new(false),
        }
    }

    /// Makes a filter of the prints of some indexes, with capacity for half as many again.
    pub(crate) fn of<'a>(indexes: impl Iterator<Item = &'a Index> + Clone) -> Self {
        Self::filled(indexes, false)
    }

    /// Makes a filter as [`of`](Self::of), with bits that narrow down which index has a gram.
    /// [`indexes`](Self::indexes) may only be used for indexes that were added themselves, not for
    /// others with the same prints.
    pub(crate) fn per_index<'a>(indexes: impl Iterator<Item = &'a Index> + Clone) -> Self {
        Self::filled(indexes, true)
    }

    fn filled<'a>(indexes: impl Iterator<Item = &'a Index> + Clone, per_index: bool) -> Self {
        let all: usize = indexes.clone().map(prints).sum();
        let filter = Self {
            per_index,
            ..Self::new(all.saturating_add(all / 2))
        };
        indexes.for_each(|index| filter.add(index));
        filter
    }

    /// Returns the number that identifies an index, computed from its sizes.
    pub(crate) fn tag(index: &Index) -> u64 {
        let grams = index.grams();
        let sizes = [
            grams.len(),
            grams.postings(),
            index.part_count() as usize,
            index.digests().len(),
        ];
        let mix = |tag: u64, size: &usize| {
            (tag ^ *size as u64)
                .wrapping_mul(0xD6E8_FEB8_6659_FD93)
                .rotate_left(29)
        };
        sizes.iter().fold(0, mix)
    }

    /// Returns whether the prints of an index fit within the capacity.
    pub(crate) fn has_room_for(&self, index: &Index) -> bool {
        let added = self.added.lock().unwrap_or_else(PoisonError::into_inner);
        added.saturating_add(prints(index)) <= self.capacity
    }

    /// Adds the prints of an index, also beyond the capacity. About ten nanoseconds a gram.
    ///
    /// A thread sees them only if it receives the index afterwards, by an operation that
    /// synchronises the two threads.
    pub(crate) fn add(&self, index: &Index) {
        let mut added = self.added.lock().unwrap_or_else(PoisonError::into_inner);
        for digest in index.digests().all() {
            self.set(first_bits(digest), None);
        }
        for print in index.cells().prints() {
            self.set(print >> DROPPED_BITS, None);
        }
        let index_tag = self.per_index.then(|| Self::tag(index));
        let grams = index.grams();
        let hasher = grams.hasher();
        if hasher.multiplier == self.hasher.multiplier && hasher.homes < 1 << DROPPED_BITS {
            for (at, bucket) in grams.buckets().iter().enumerate() {
                for slot in (0..SLOTS).take_while(|&slot| !bucket.is_empty(slot)) {
                    let tag = bucket.tag(slot);
                    let home = at.saturating_sub(tag.displacement()) as u64;
                    // Home and fraction are the upper bits of the product times the homes;
                    // divided by the homes, they are the upper bits of the product.
                    let place = home << FRACTION_BITS | tag.fraction();
                    self.set(place / u64::from(hasher.homes.max(1)), index_tag);
                }
            }
        } else {
            self.always_maybe.store(true, Ordering::Relaxed);
        }
        *added = added.saturating_add(prints(index));
    }

    /// Sets the bits of a print. Called under the lock, so that a load and a store cannot lose a
    /// bit: cheaper than an atomic operation.
    fn set(&self, upper: u64, tag: Option<u64>) {
        let (word, bits) = self.place(upper);
        let bits = bits | tag.map_or(0, |tag| index_bits(upper, tag));
        if let Some(word) = self.words.get(word) {
            word.store(word.load(Ordering::Relaxed) | bits, Ordering::Relaxed);
        }
    }

    /// Returns false only for a gram that no added index has.
    #[inline]
    pub(crate) fn may_have(&self, print: u64) -> bool {
        self.is_set(self.hasher.product(print) >> DROPPED_BITS)
            || self.always_maybe.load(Ordering::Relaxed)
    }

    /// Returns the positions of the tags of indexes that may have a gram. Assumes that the gram
    /// [may be there](Self::may_have).
    pub(crate) fn indexes<T: Iterator<Item = u64>>(
        &self,
        print: u64,
        tags: T,
    ) -> impl Iterator<Item = usize> + use<T> {
        let upper = self.hasher.product(print) >> DROPPED_BITS;
        let (word, _) = self.place(upper);
        let word = self.words.get(word);
        let word = word.map_or(u64::MAX, |word| word.load(Ordering::Relaxed));
        let narrows = self.per_index && !self.always_maybe.load(Ordering::Relaxed);
        let word = if narrows { word } else { u64::MAX };
        tags.enumerate().filter_map(move |(number, tag)| {
            let bits = index_bits(upper, tag);
            (word & bits == bits).then_some(number)
        })
    }

    /// Prefetches the word of a gram for [`may_have`](Self::may_have).
    #[inline]
    pub(crate) fn prefetch(&self, print: u64) {
        let (word, _) = self.place(self.hasher.product(print) >> DROPPED_BITS);
        prefetch(&self.words, word);
    }

    /// Returns false only for a cell that no added index has.
    pub(crate) fn may_have_cell(&self, print: u64) -> bool {
        self.is_set(print >> DROPPED_BITS)
    }

    /// Returns false only for a digest that no added index has.
    pub(crate) fn may_have_digest(&self, digest: &Digest) -> bool {
        self.is_set(first_bits(&digest.0))
    }

    #[inline]
    fn is_set(&self, upper: u64) -> bool {
        let (word, bits) = self.place(upper);
        let word = self.words.get(word);
        let word = word.map_or(u64::MAX, |word| word.load(Ordering::Relaxed));
        word & bits == bits
    }

    /// Returns the position of the word for 36 bits of a print, and the bits in it.
    #[inline]
    fn place(&self, upper: u64) -> (usize, u64) {
        let word = (u128::from(upper) * self.words.len() as u128) >> FRACTION_BITS;
        // Prints of one word differ in their lowest bits, on which the bits depend.
        (word as usize, bits(upper, PRINT_BITS))
    }
}

/// Returns a word with up to `count` bits set, chosen by a hash of `value`.
fn bits(value: u64, count: u32) -> u64 {
    let mixed = value.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (0..count).fold(0, |bits, bit| bits | 1 << ((mixed >> (58 - 6 * bit)) & 63))
}

/// Returns the bits of a gram and an index.
fn index_bits(upper: u64, tag: u64) -> u64 {
    bits(upper ^ tag, INDEX_BITS)
}

fn first_bits(digest: &[u8; 32]) -> u64 {
    let first = digest.first_chunk().map(|first| u64::from_be_bytes(*first));
    first.unwrap_or_default() >> DROPPED_BITS
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
    fn added_prints_pass_and_few_absent_ones() {
        let (first, first_prints) = index(0..30);
        let (second, second_prints) = index(30..200);
        let filter = PrintFilter::of([&first].into_iter());
        assert!(first_prints.iter().all(|&print| filter.may_have(print)));
        let passes = |prints: &[u64]| prints.iter().filter(|&&p| filter.may_have(p)).count();
        assert!(passes(&second_prints) * 100 < second_prints.len());
        assert!(!filter.has_room_for(&second));
        filter.add(&second);
        assert!(
            first_prints
                .iter()
                .chain(&second_prints)
                .all(|&p| filter.may_have(p))
        );
        let digests = |index: &Index| {
            let all = index.digests().all().iter().map(|digest| Digest(*digest));
            all.collect::<Vec<_>>()
        };
        let both = digests(&first).into_iter().chain(digests(&second));
        assert_eq!(both.filter(|d| filter.may_have_digest(d)).count(), 200);
        // At its capacity.
        let full = PrintFilter::new(second.grams().len());
        full.add(&second);
        let absent = (1..100_000_u64).map(|n| n.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        let ruled_out = absent.filter(|&print| !full.may_have(print)).count();
        assert!(ruled_out > 99_000, "{ruled_out}");
        let absent = (0..1000_u32).map(|n| Digest::of_bytes(&n.to_le_bytes()));
        assert!(absent.filter(|d| full.may_have_digest(d)).count() < 40);
    }

    #[test]
    fn a_filter_per_index_names_the_index_of_a_gram_and_few_others() {
        let indexes: Vec<_> = (0..8).map(|n| index(20 * n..20 * n + 20 + n)).collect();
        let filter = PrintFilter::per_index(indexes.iter().map(|(index, _)| index));
        let tags: Vec<u64> = indexes.iter().map(|(i, _)| PrintFilter::tag(i)).collect();
        let (mut others, mut pairs) = (0, 0);
        for (number, (_, prints)) in indexes.iter().enumerate() {
            for &print in prints {
                assert!(
                    filter
                        .indexes(print, tags.iter().copied())
                        .any(|i| i == number)
                );
                others += filter.indexes(print, tags.iter().copied()).count() - 1;
                pairs += tags.len() - 1;
            }
        }
        assert!(others * 5 < pairs, "{others} of {pairs}");
        // A filter that was not made per index names all.
        let filter = PrintFilter::of(indexes.iter().map(|(index, _)| index));
        assert_eq!(
            filter
                .indexes(indexes[0].1[0], tags.iter().copied())
                .count(),
            8
        );
    }

    #[test]
    fn an_index_with_another_multiplier_lets_every_gram_pass() {
        let (usual, _) = index(0..1);
        let filter = PrintFilter {
            hasher: GramHasher::new(0, 1),
            ..PrintFilter::new(0)
        };
        assert!(!filter.may_have(1));
        filter.add(&usual);
        assert!(filter.may_have(1));
    }
}
