//! Encoding of posting lists in exponential Golomb codes, with an order chosen for each list
//! (Teuhola, "A compression method for clustered bit-vectors", 1978).
//!
//! The code of order `k` of a number `n`, with `m = n + 2^k`: as many zeros as `m` has bits beyond
//! `k + 1`, a one, then the bits of `m` below its highest. Bits fill bytes from the lowest up.
//! Numbers up to about `2^k` are the cheapest; each doubling beyond costs two bits.
//!
//! A list is a bit that selects one of two pairs of orders for the parts, then the pairs of part
//! and place, ascending: the difference from the previous part (the part itself at first), and
//! the place, or, in the same part, the difference from the previous place, less one. Zeros fill
//! the last byte; since no code is all zeros, they cannot be mistaken for a pair.

/// The orders of the codes of one list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Orders {
    /// For the first part of a list whose parts are neighbours.
    first: u8,
    /// For all parts of a list whose parts are spread evenly.
    even: u8,
    /// For places.
    place: u8,
}

impl Orders {
    /// Returns the orders for a list of `frequency` items in an index of this many parts, whose
    /// places have the order `place`, at most 31.
    #[inline(always)]
    pub(super) fn new(frequency: u32, parts: u32, place: u32) -> Self {
        let order = |gap: u32| gap.max(1).ilog2() as u8;
        Self {
            first: order(parts),
            even: order(parts / frequency.saturating_add(1)),
            place: place.min(31) as u8,
        }
    }

    /// Returns the orders for the first part and for the differences.
    #[inline(always)]
    fn parts(self, neighbours: bool) -> (u32, u32) {
        if neighbours {
            (u32::from(self.first), u32::from(self.even / 4))
        } else {
            (u32::from(self.even), u32::from(self.even))
        }
    }

    /// Returns the least number of bits that a pair takes.
    pub(super) fn min_bits(self) -> usize {
        usize::from(self.even / 4 + self.place) + 2
    }
}

/// Returns the length in bits of the code of `n`.
fn bits(n: u32, order: u32) -> u32 {
    let m = u64::from(n) + (1 << order);
    2 * m.ilog2() + 1 - order
}

/// Appends a list of distinct pairs, ascending by (part, place).
pub(super) fn encode(
    pairs: impl Iterator<Item = (u32, u32)> + Clone,
    orders: Orders,
    out: &mut Vec<u8>,
) {
    let cost = |neighbours| {
        let (mut order, gaps) = orders.parts(neighbours);
        let (mut last, mut sum) = (0, 0_u64);
        for (part, _) in pairs.clone() {
            sum += u64::from(bits(part.wrapping_sub(last), order));
            (last, order) = (part, gaps);
        }
        sum
    };
    let neighbours = cost(true) < cost(false);
    let mut writer = Writer {
        out,
        word: 0,
        filled: 0,
    };
    writer.put(u64::from(neighbours), 1);
    let (mut order, gaps) = orders.parts(neighbours);
    let mut last = None;
    for (part, place) in pairs {
        let (last_part, next_place) = last.unwrap_or((0, 0));
        writer.number(part.wrapping_sub(last_part), order);
        let same = last.is_some() && part == last_part;
        let base = if same { next_place } else { 0 };
        writer.number(place.wrapping_sub(base), u32::from(orders.place));
        last = Some((part, place.wrapping_add(1)));
        order = gaps;
    }
    writer.finish();
}

struct Writer<'v> {
    out: &'v mut Vec<u8>,
    word: u64,
    /// Bits in `word`, fewer than 8 between calls.
    filled: u32,
}

impl Writer<'_> {
    /// Appends the lower `count` bits, at most 56; those above must be zero.
    fn put(&mut self, value: u64, count: u32) {
        self.word |= value << self.filled;
        self.filled += count;
        while self.filled >= 8 {
            self.out.push(self.word as u8);
            self.word >>= 8;
            self.filled -= 8;
        }
    }

    fn number(&mut self, n: u32, order: u32) {
        let m = u64::from(n) + (1 << order);
        let highest = m.ilog2();
        let zeros = highest - order;
        self.put(1 << zeros, zeros + 1);
        self.put(m & !(1 << highest), highest);
    }

    fn finish(self) {
        if self.filled > 0 {
            self.out.push(self.word as u8);
        }
    }
}

/// Decodes the number whose `m` has bit `highest` and the bits of `low` below it.
#[inline(always)]
fn value(low: u64, highest: u32, order: u32) -> Option<u32> {
    let m = low & ((1 << highest) - 1) | 1 << highest;
    u32::try_from(m - (1 << order)).ok()
}

/// The pairs of a list. Invalid bits give one `None`, then the end.
#[derive(Clone)]
pub(super) struct Pairs<'a> {
    /// From the first byte of the list to beyond its end.
    bytes: &'a [u8],
    /// Bits read so far, and bits of the list.
    at: usize,
    end: usize,
    /// The order of the next part, that of the parts after it, and that of places.
    order: u32,
    gaps: u32,
    place: u32,
    part: u32,
    /// The least place that may follow in the same part.
    next: u32,
}

impl<'a> Pairs<'a> {
    /// Decodes the list in the first `len` of `bytes`. The rest may be read, but does not matter.
    #[inline(always)]
    pub(super) fn new(bytes: &'a [u8], len: usize, orders: Orders) -> Self {
        let neighbours = bytes.first().is_some_and(|byte| byte & 1 == 1);
        let (order, gaps) = orders.parts(neighbours);
        Self {
            bytes,
            at: 1,
            end: len.min(bytes.len()).saturating_mul(8),
            order,
            gaps,
            place: u32::from(orders.place),
            part: 0,
            next: 0,
        }
    }

    /// Returns the next 57 bits or more; zeros after the end of all bytes.
    #[inline(always)]
    fn peek(&self) -> u64 {
        let rest = self.bytes.get(self.at / 8..).unwrap_or_default();
        let word = match rest.first_chunk() {
            Some(word) => u64::from_le_bytes(*word),
            None => {
                let mut word = [0; 8];
                word.iter_mut().zip(rest).for_each(|(to, &from)| *to = from);
                u64::from_le_bytes(word)
            }
        };
        word >> (self.at % 8)
    }

    #[inline(always)]
    fn number(&mut self, order: u32) -> Option<u32> {
        let word = self.peek();
        let zeros = word.trailing_zeros();
        let highest = zeros + order;
        let m = if zeros + 1 + highest <= 57 {
            self.at += (zeros + 1 + highest) as usize;
            word >> (zeros + 1)
        } else if highest <= 32 {
            self.at += zeros as usize + 1;
            let word = self.peek();
            self.at += highest as usize;
            word
        } else {
            return None;
        };
        value(m, highest, order)
    }

    /// Decodes two numbers, with one read of memory where both fit.
    #[inline(always)]
    fn numbers(&mut self) -> Option<(u32, u32)> {
        let word = self.peek();
        let zeros = word.trailing_zeros();
        let highest = zeros + self.order;
        let first = zeros + 1 + highest;
        // The first must end within the bits that were read, or the shift would overflow.
        if first < 57 {
            let rest = word >> first;
            let rest_zeros = rest.trailing_zeros();
            let rest_highest = rest_zeros + self.place;
            let both = first + rest_zeros + 1 + rest_highest;
            if both <= 57 {
                self.at += both as usize;
                let gap = value(word >> (zeros + 1), highest, self.order)?;
                let place = value(rest >> (rest_zeros + 1), rest_highest, self.place)?;
                return Some((gap, place));
            }
        }
        Some((self.number(self.order)?, self.number(self.place)?))
    }

    /// Returns whether only the zeros that fill the last byte are left.
    #[inline(always)]
    fn is_over(&self) -> bool {
        let rest = self.end.saturating_sub(self.at);
        rest < 8 && (rest == 0 || self.peek() & ((1 << rest) - 1) == 0)
    }

    #[inline(always)]
    fn pair(&mut self) -> Option<(u32, u32)> {
        let (gap, place) = self.numbers()?;
        if self.at > self.end {
            return None;
        }
        self.order = self.gaps;
        if gap != 0 {
            self.part = self.part.checked_add(gap)?;
            self.next = 0;
        }
        let place = self.next.checked_add(place)?;
        // Nothing can follow the largest number in its part, and `checked_add` says so.
        self.next = place.saturating_add(1);
        Some((self.part, place))
    }
}

impl Iterator for Pairs<'_> {
    type Item = Option<(u32, u32)>;

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over() {
            return None;
        }
        let pair = self.pair();
        if pair.is_none() {
            self.end = 0;
        }
        Some(pair)
    }

    /// Repeats `next`, but keeps the state in registers.
    #[inline(always)]
    fn fold<B, F: FnMut(B, Self::Item) -> B>(mut self, init: B, mut f: F) -> B {
        let mut folded = init;
        while !self.is_over() {
            let pair = self.pair();
            folded = f(folded, pair);
            if pair.is_none() {
                break;
            }
        }
        folded
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn orders() -> impl Strategy<Value = Orders> {
        (1_u32..500, any::<u32>(), 0_u32..32)
            .prop_map(|(frequency, parts, place)| Orders::new(frequency, parts, place))
    }

    /// A decoder that reads bit by bit.
    fn naive(bytes: &[u8], orders: Orders, pairs: usize) -> Vec<(u32, u32)> {
        let mut bits = bytes
            .iter()
            .flat_map(|byte| (0..8).map(move |i| byte >> i & 1));
        let number = |order: u32, bits: &mut dyn Iterator<Item = u8>| {
            let mut highest = order;
            while bits.next() == Some(0) {
                highest += 1;
            }
            let low: u64 = (0..highest)
                .map(|i| u64::from(bits.next().unwrap()) << i)
                .sum();
            ((1 << highest) + low - (1 << order)) as u32
        };
        let neighbours = bits.next() == Some(1);
        let (first, gaps) = orders.parts(neighbours);
        let mut found: Vec<(u32, u32)> = Vec::new();
        for i in 0..pairs {
            let gap = number(if i == 0 { first } else { gaps }, &mut bits);
            let place = number(u32::from(orders.place), &mut bits);
            let pair = match found.last() {
                Some(&(part, last)) if gap == 0 => (part, last + 1 + place),
                Some(&(part, _)) => (part + gap, place),
                None => (gap, place),
            };
            found.push(pair);
        }
        assert!(bits.all(|bit| bit == 0));
        found
    }

    proptest! {
        #[test]
        fn decoding_inverts_encoding(
            pairs in prop::collection::btree_set((prop_oneof![0_u32..9, any::<u32>()], prop_oneof![0_u32..300, any::<u32>()]), 1..40),
            orders in orders(),
            behind: [u8; 9],
        ) {
            let pairs: Vec<_> = pairs.into_iter().collect();
            let mut bytes = Vec::new();
            encode(pairs.iter().copied(), orders, &mut bytes);
            prop_assert_eq!(naive(&bytes, orders, pairs.len()), pairs.clone());
            let len = bytes.len();
            prop_assert!(8 * len >= pairs.len() * orders.min_bits());
            // At the end of all bytes, and followed by others.
            for _ in 0..2 {
                let found: Option<Vec<_>> = Pairs::new(&bytes, len, orders).collect();
                prop_assert_eq!(found, Some(pairs.clone()));
                let mut folded = Vec::new();
                Pairs::new(&bytes, len, orders).for_each(|pair| folded.extend(pair));
                prop_assert_eq!(&folded, &pairs);
                bytes.extend(behind);
            }
        }

        #[test]
        fn any_bytes_are_read_to_their_end(
            bytes in prop::collection::vec(prop_oneof![Just(0_u8), any::<u8>()], 0..60),
            orders in orders(),
            len in 0_usize..80,
        ) {
            let pairs: Vec<_> = Pairs::new(&bytes, len, orders).collect();
            prop_assert!(pairs.len() <= bytes.len() * 4 + 1);
            let mut folded = Vec::new();
            Pairs::new(&bytes, len, orders).for_each(|pair| folded.push(pair));
            prop_assert_eq!(&folded, &pairs);
            let sound = pairs.iter().flatten().count();
            prop_assert!(sound + 1 >= pairs.len(), "nothing follows an invalid pair");
            prop_assert!(pairs.iter().flatten().is_sorted_by(|a, b| a < b) || pairs.iter().flatten().any(|pair| pair.1 == u32::MAX));
        }
    }

    #[test]
    fn an_invalid_list_ends_with_none() {
        let orders = Orders::new(1, 1, 0);
        for bytes in [&[0x02][..], &[0x01, 0, 0, 0, 0, 0, 0, 0, 0], &[0, 0xFF, 0]] {
            let last = Pairs::new(bytes, bytes.len(), orders).last();
            assert_eq!(last, Some(None), "{bytes:?}");
        }
        assert_eq!(Pairs::new(&[], 5, orders).last(), None);
        let (mut bytes, most) = (Vec::new(), (u32::MAX, u32::MAX));
        encode([most].into_iter(), orders, &mut bytes);
        let found: Vec<_> = Pairs::new(&bytes, bytes.len(), orders).collect();
        assert_eq!(found, [Some(most)]);
    }
}
