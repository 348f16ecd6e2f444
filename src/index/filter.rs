//! What a row of indexes may have: one word of memory says of nearly every gram, digest or cell
//! that none of them has it.
//!
//! A Bloom filter whose bits for one print lie in one word (Putze, Sanders and Singler, "Cache-,
//! hash- and space-efficient Bloom filters", 2007). Prints are added while others look, and never
//! taken out: whoever looks into older or fewer indexes is told of more than they have, which costs
//! a look-up of what is not there.
//!
//! A filter that was made for it also tells which of the indexes may have a gram: two more bits in
//! the same word, chosen by gram and index. An index is known by its sizes; two of the same sizes are
//! told together.
//!
//! A gram is known by the upper 36 bits of its product with the number that nearly every index
//! uses ([`Spread`]). These can be read off its place among the lines, so an index can be added
//! without its fingerprints. A digest or a cell is known by its first 36 bits.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::Index;
use super::lines::{FRACTION_BITS, SLOTS, Spread};
use crate::arch::prefetch;
use crate::fingerprint::Digest;

/// Bits of memory for a print: with as many prints as there is room for, one in two hundred that
/// are absent is not told.
const BITS_OF_PRINT: usize = 16;

/// Bits that are set for a print.
const MARKS: u32 = 4;

/// Bits that are set for a gram and the index that has it.
const OWN_MARKS: u32 = 2;

/// Prints that there is room for at least: 8 KiB.
const LEAST: usize = 1 << 12;

/// Bits of the product that are below those that count.
const DROPPED: u32 = u64::BITS - FRACTION_BITS;

/// The grams, digests and cells of some indexes, and perhaps others. `Sync`: added to while others look.
#[derive(Debug)]
pub(crate) struct PrintFilter {
    words: Box<[AtomicU64]>,
    spread: Spread,
    room: usize,
    /// Whether it tells which index has a gram.
    tells_index: bool,
    /// How many were added; whoever adds holds it.
    added: Mutex<usize>,
    /// Set when an index was added whose grams cannot be told.
    blind: AtomicBool,
}

/// The number of prints of an index.
fn prints(index: &Index) -> usize {
    index.grams().len() + index.digests().len() + index.cells().len()
}

impl PrintFilter {
    /// An empty one, with room for so many prints or a few more.
    pub(crate) fn new(prints: usize) -> Self {
        let room = prints.max(LEAST);
        let words = room.div_ceil(u64::BITS as usize / BITS_OF_PRINT);
        let words = std::iter::repeat_with(AtomicU64::default).take(words);
        Self {
            words: words.collect(),
            spread: Spread::new(0, 0),
            room,
            tells_index: false,
            added: Mutex::new(0),
            blind: AtomicBool::new(false),
        }
    }

    /// Of some indexes, with room for half as many prints again.
    pub(crate) fn of<'a>(indexes: impl Iterator<Item = &'a Index> + Clone) -> Self {
        Self::filled(indexes, false)
    }

    /// Likewise, and tells which index has a gram. Whoever asks for an index must have added that
    /// very one, not one that has its prints.
    pub(crate) fn of_each<'a>(indexes: impl Iterator<Item = &'a Index> + Clone) -> Self {
        Self::filled(indexes, true)
    }

    fn filled<'a>(indexes: impl Iterator<Item = &'a Index> + Clone, tells_index: bool) -> Self {
        let all: usize = indexes.clone().map(prints).sum();
        let filter = Self {
            tells_index,
            ..Self::new(all.saturating_add(all / 2))
        };
        indexes.for_each(|index| filter.add(index));
        filter
    }

    /// What an index is known by.
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

    /// Whether there is room for the prints of an index, so that few that are absent pass.
    pub(crate) fn has_room_for(&self, index: &Index) -> bool {
        let added = self.added.lock().unwrap_or_else(PoisonError::into_inner);
        added.saturating_add(prints(index)) <= self.room
    }

    /// Adds the prints of an index, room or not. Who is to see them must be told of the index
    /// afterwards, by whatever orders memory between threads. Some ten nanoseconds a gram.
    pub(crate) fn add(&self, index: &Index) {
        let mut added = self.added.lock().unwrap_or_else(PoisonError::into_inner);
        for digest in index.digests().all() {
            self.mark(first_bits(digest), None);
        }
        for print in index.cells().prints() {
            self.mark(print >> DROPPED, None);
        }
        let of_index = self.tells_index.then(|| Self::tag(index));
        let grams = index.grams();
        let spread = grams.spread();
        if spread.multiplier == self.spread.multiplier && spread.homes < 1 << DROPPED {
            for (at, line) in grams.lines().iter().enumerate() {
                for slot in (0..SLOTS).take_while(|&slot| !line.is_empty(slot)) {
                    let tag = line.tag(slot);
                    let home = at.saturating_sub(tag.displacement()) as u64;
                    // Home and fraction are the product times the homes, less what is dropped of
                    // it; divided again they are the product, less what is dropped of that.
                    let place = home << FRACTION_BITS | tag.fraction();
                    self.mark(place / u64::from(spread.homes.max(1)), of_index);
                }
            }
        } else {
            self.blind.store(true, Ordering::Relaxed);
        }
        *added = added.saturating_add(prints(index));
    }

    /// Under the lock: nobody else writes, so that no bit is lost, and writes need not wait for
    /// one another.
    fn mark(&self, upper: u64, tag: Option<u64>) {
        let (word, marks) = self.place(upper);
        let marks = marks | tag.map_or(0, |tag| own_marks(upper, tag));
        if let Some(word) = self.words.get(word) {
            word.store(word.load(Ordering::Relaxed) | marks, Ordering::Relaxed);
        }
    }

    /// False only for a gram that no index has that was added.
    #[inline]
    pub(crate) fn may_have(&self, print: u64) -> bool {
        self.is_marked(self.spread.product(print) >> DROPPED) || self.blind.load(Ordering::Relaxed)
    }

    /// Numbers of the indexes of these tags that [may have](Self::may_have) a gram which one of
    /// them may have.
    pub(crate) fn indexes<T: Iterator<Item = u64>>(
        &self,
        print: u64,
        tags: T,
    ) -> impl Iterator<Item = usize> + use<T> {
        let upper = self.spread.product(print) >> DROPPED;
        let (word, _) = self.place(upper);
        let word = self.words.get(word);
        let word = word.map_or(u64::MAX, |word| word.load(Ordering::Relaxed));
        let tells = self.tells_index && !self.blind.load(Ordering::Relaxed);
        let word = if tells { word } else { u64::MAX };
        tags.enumerate().filter_map(move |(number, tag)| {
            let marks = own_marks(upper, tag);
            (word & marks == marks).then_some(number)
        })
    }

    /// Asks for the word of a gram, so that [`may_have`](Self::may_have) finds it in the cache.
    #[inline]
    pub(crate) fn ask(&self, print: u64) {
        let (word, _) = self.place(self.spread.product(print) >> DROPPED);
        prefetch(&self.words, word);
    }

    /// False only for a cell that no index has that was added.
    pub(crate) fn may_have_cell(&self, print: u64) -> bool {
        self.is_marked(print >> DROPPED)
    }

    /// False only for a digest that no index has that was added.
    pub(crate) fn may_have_digest(&self, digest: &Digest) -> bool {
        self.is_marked(first_bits(&digest.0))
    }

    #[inline]
    fn is_marked(&self, upper: u64) -> bool {
        let (word, marks) = self.place(upper);
        let word = self.words.get(word);
        let word = word.map_or(u64::MAX, |word| word.load(Ordering::Relaxed));
        word & marks == marks
    }

    /// The word of 36 bits of a print, and its bits in it.
    #[inline]
    fn place(&self, upper: u64) -> (usize, u64) {
        let word = (u128::from(upper) * self.words.len() as u128) >> FRACTION_BITS;
        // Those of one word differ in their lowest bits, which the multiplication takes up.
        (word as usize, bits(upper, MARKS))
    }
}

fn bits(of: u64, count: u32) -> u64 {
    let mixed = of.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (0..count).fold(0, |bits, bit| bits | 1 << ((mixed >> (58 - 6 * bit)) & 63))
}

/// The bits of a gram and an index.
fn own_marks(upper: u64, tag: u64) -> u64 {
    bits(upper ^ tag, OWN_MARKS)
}

fn first_bits(digest: &[u8; 32]) -> u64 {
    let first = digest.first_chunk().map(|first| u64::from_be_bytes(*first));
    first.unwrap_or_default() >> DROPPED
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
        let filter = PrintFilter::of([&first].into_iter());
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
        let digests = |index: &Index| {
            let all = index.digests().all().iter().map(|digest| Digest(*digest));
            all.collect::<Vec<_>>()
        };
        let of_both = digests(&first).into_iter().chain(digests(&second));
        assert_eq!(of_both.filter(|d| filter.may_have_digest(d)).count(), 200);
        // Full, as it is at the most.
        let full = PrintFilter::new(second.grams().len());
        full.add(&second);
        let absent = (1..100_000_u64).map(|n| n.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        let told = absent.filter(|&print| !full.may_have(print)).count();
        assert!(told > 99_000, "{told}");
        let absent = (0..1000_u32).map(|n| Digest::of_bytes(&n.to_le_bytes()));
        assert!(absent.filter(|d| full.may_have_digest(d)).count() < 40);
    }

    #[test]
    fn the_index_of_a_gram_is_told_and_few_others() {
        let indexes: Vec<_> = (0..8).map(|n| index(20 * n..20 * n + 20 + n)).collect();
        let filter = PrintFilter::of_each(indexes.iter().map(|(index, _)| index));
        let tags: Vec<u64> = indexes.iter().map(|(i, _)| PrintFilter::tag(i)).collect();
        let (mut told, mut asked) = (0, 0);
        for (number, (_, prints)) in indexes.iter().enumerate() {
            for &print in prints {
                assert!(
                    filter
                        .indexes(print, tags.iter().copied())
                        .any(|i| i == number)
                );
                told += filter.indexes(print, tags.iter().copied()).count() - 1;
                asked += tags.len() - 1;
            }
        }
        assert!(told * 5 < asked, "{told} of {asked}");
        // One that was not made for it names all.
        let filter = PrintFilter::of(indexes.iter().map(|(index, _)| index));
        assert_eq!(
            filter
                .indexes(indexes[0].1[0], tags.iter().copied())
                .count(),
            8
        );
    }

    #[test]
    fn an_index_with_a_number_of_its_own_lets_everything_pass() {
        let (usual, _) = index(0..1);
        let filter = PrintFilter {
            spread: Spread::new(0, 1),
            ..PrintFilter::new(0)
        };
        assert!(!filter.may_have(1));
        filter.add(&usual);
        assert!(filter.may_have(1));
    }
}
