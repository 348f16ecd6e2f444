//! Postings as differences in LEB128 numbers: seven bits a byte, the lowest first,
//! the eighth bit set in all but the last.
//!
//! A list is a sequence of pairs, ascending by (part, place): the difference to
//! the part before it, then the place, or the difference to the place before it
//! if the part is the same. Most pairs take three or four bytes of eight.

/// Where a list is being written or read.
#[derive(Clone, Copy, Default)]
struct Last {
    part: u32,
    place: u32,
    /// Whether there was a pair before.
    any: bool,
}

/// Appends a list, ascending by (part, place).
pub(super) fn encode(pairs: impl Iterator<Item = (u32, u32)>, out: &mut Vec<u8>) {
    let mut last = Last::default();
    for (part, place) in pairs {
        let same = last.any && part == last.part;
        number(part.wrapping_sub(last.part), out);
        number(place.wrapping_sub(if same { last.place } else { 0 }), out);
        last = Last {
            part,
            place,
            any: true,
        };
    }
}

fn number(mut n: u32, out: &mut Vec<u8>) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// The pairs of a list; `None` in place of a pair, and then the end, where the
/// bytes are none.
#[derive(Clone)]
pub(super) struct Pairs<'a> {
    bytes: &'a [u8],
    last: Last,
}

impl<'a> Pairs<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            last: Last::default(),
        }
    }

    #[inline(always)]
    fn number(&mut self) -> Option<u32> {
        let (&first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        if first < 0x80 {
            return Some(u32::from(first));
        }
        let mut n = u32::from(first & 0x7F);
        for shift in [7, 14, 21, 28] {
            let (&byte, rest) = self.bytes.split_first()?;
            self.bytes = rest;
            let bits = u32::from(byte & 0x7F);
            // The fifth byte has room for four bits.
            if shift == 28 && bits > 0xF {
                return None;
            }
            n |= bits << shift;
            if byte < 0x80 {
                return Some(n);
            }
        }
        None
    }

    fn pair(&mut self) -> Option<(u32, u32)> {
        let (part, place) = (self.number()?, self.number()?);
        let last = self.last;
        let same = last.any && part == 0;
        let part = last.part.checked_add(part)?;
        let place = if same {
            last.place.checked_add(place)?
        } else {
            place
        };
        self.last = Last {
            part,
            place,
            any: true,
        };
        Some((part, place))
    }
}

impl Iterator for Pairs<'_> {
    type Item = Option<(u32, u32)>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.bytes.is_empty() {
            return None;
        }
        let pair = self.pair();
        if pair.is_none() {
            self.bytes = &[];
        }
        Some(pair)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lists_come_out_as_they_went_in(
            mut pairs in prop::collection::vec((prop_oneof![0_u32..9, any::<u32>()], prop_oneof![0_u32..300, any::<u32>()]), 0..40),
        ) {
            pairs.sort_unstable();
            let mut bytes = vec![0xFF];
            encode(pairs.iter().copied(), &mut bytes);
            let found: Option<Vec<_>> = Pairs::new(&bytes[1..]).collect();
            prop_assert_eq!(found, Some(pairs));
        }

        #[test]
        fn any_bytes_are_read_to_their_end(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            prop_assert!(Pairs::new(&bytes).count() <= bytes.len() / 2 + 1);
        }
    }

    #[test]
    fn what_is_no_list_ends_with_nothing() {
        for bytes in [
            &[5][..],
            &[0x80],
            &[1, 0x80],
            &[0xFF; 12],
            &[0xFF, 0xFF, 0xFF, 0xFF, 0x1F, 0],
        ] {
            assert_eq!(Pairs::new(bytes).last(), Some(None), "{bytes:?}");
        }
        let most = [0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 0, 1, 0];
        let pairs: Vec<_> = Pairs::new(&most).collect();
        assert_eq!(pairs, [Some((u32::MAX, 0)), None], "a part beyond the last");
    }
}
