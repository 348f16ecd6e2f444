//! The frozen folding table: the symbols of every character outside ASCII.
//!
//! The bytes are part of the recipe. They were made once from Unicode's
//! decompositions, confusables and case mappings (`generate.rs`, a test) and are
//! read instead of that data, so that no newer compiler or Unicode crate silently
//! changes the prints that an index was made with.

use std::sync::OnceLock;

/// The table of recipe 1; [`Table::decode`] describes the encoding.
pub(super) const BYTES: &[u8] = include_bytes!("fold-1.bin");

/// The number of characters in a page, as a shift.
const PAGE_BITS: u32 = 8;
const PAGE: usize = 1 << PAGE_BITS;
const PAGES: usize = (char::MAX as usize >> PAGE_BITS) + 1;

/// A page of characters that all vanish, and one of those that stay themselves.
/// Ideographs and Hangul, most of Unicode, are of the second kind.
const VANISHED: u16 = 0;
const OWN: u16 = 1;

/// Entries of a page other than a symbol: nothing, or a sequence.
const NOTHING: u32 = 0;
const SEQUENCE: u32 = 1 << 31;

/// The symbols of a character before neighbours merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Symbols<'a> {
    One(u32),
    /// Any number, also none.
    Many(&'a [u32]),
}

/// A two-stage table, about 150 KiB.
pub(super) struct Table {
    /// For every page of characters, its place in `entries`, or one of the two that need none.
    pages: Vec<u16>,
    entries: Vec<[u32; PAGE]>,
    /// The sequences, each after its length.
    sequences: Vec<u32>,
}

impl Table {
    /// The one table, decoded on first use (under a millisecond).
    pub(super) fn get() -> &'static Self {
        static TABLE: OnceLock<Table> = OnceLock::new();
        TABLE.get_or_init(|| Self::decode(BYTES))
    }

    /// Reads runs of consecutive characters, in increasing order, from `bytes`. Every
    /// number is a LEB128. A run is the distance from the end of the last run,
    /// twice its length, plus one unless all characters map to themselves; then
    /// for each character the count of its symbols, and each symbol as the
    /// zigzag difference from the last one written.
    fn decode(bytes: &[u8]) -> Self {
        let mut table = Self {
            pages: vec![VANISHED; PAGES],
            entries: Vec::new(),
            sequences: Vec::new(),
        };
        let mut numbers = Numbers(bytes);
        let (mut next, mut last) = (0_u32, 0_u32);
        while let (Some(gap), Some(length)) = (numbers.next(), numbers.next()) {
            let start = next.saturating_add(gap);
            next = start.saturating_add(length >> 1).min(char::MAX as u32 + 1);
            if length & 1 == 0 {
                table.stay(start, next);
                continue;
            }
            for c in start..next {
                let first = table.sequences.len();
                let count = numbers.next().unwrap_or(0);
                table.sequences.push(count);
                for _ in 0..count {
                    let Some(n) = numbers.next() else { break };
                    last = last.wrapping_add((n >> 1) ^ (n & 1).wrapping_neg());
                    table.sequences.push(last);
                }
                if count == 1 {
                    table.sequences.truncate(first);
                    table.set(c, last);
                } else {
                    table.set(c, SEQUENCE | first as u32);
                }
            }
        }
        table
    }

    fn stay(&mut self, start: u32, end: u32) {
        let mut c = start;
        while c < end {
            let page = (c >> PAGE_BITS) as usize;
            if (c as usize).is_multiple_of(PAGE) && end - c >= PAGE as u32 {
                self.pages[page] = OWN;
                c += PAGE as u32;
            } else {
                self.set(c, c);
                c += 1;
            }
        }
    }

    fn set(&mut self, c: u32, entry: u32) {
        let page = &mut self.pages[(c >> PAGE_BITS) as usize];
        if *page == VANISHED {
            self.entries.push([NOTHING; PAGE]);
            *page = self.entries.len() as u16 + OWN;
        }
        self.entries[usize::from(*page - OWN) - 1][c as usize % PAGE] = entry;
    }

    /// The symbols of `c`. Not for ASCII, which has a separate table.
    #[inline]
    pub(super) fn symbols(&self, c: char) -> Symbols<'_> {
        let entry = match self.pages[c as usize >> PAGE_BITS] {
            VANISHED => NOTHING,
            OWN => c as u32,
            page => self.entries[usize::from(page - OWN) - 1][c as usize % PAGE],
        };
        if entry == NOTHING {
            Symbols::Many(&[])
        } else if entry & SEQUENCE == 0 {
            Symbols::One(entry)
        } else {
            let sequence = &self.sequences[(entry & !SEQUENCE) as usize..];
            Symbols::Many(&sequence[1..=sequence[0] as usize])
        }
    }
}

/// LEB128 numbers; ends early rather than fail.
struct Numbers<'a>(&'a [u8]);

impl Iterator for Numbers<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let mut n = 0;
        for shift in (0..32).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            n |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        Some(n)
    }
}
