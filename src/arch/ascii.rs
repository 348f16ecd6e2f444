//! Conversion of ASCII bytes to symbols: each byte is translated or dropped, and certain pairs of
//! neighbours are merged.

/// Bytes of a block.
pub(crate) const BLOCK: usize = 64;

/// In an [`Alphabet`], marks a byte at which translation stops, as it does at bytes outside ASCII.
pub(crate) const STOP: u8 = 0xff;

/// The translation from bytes to symbols.
pub(crate) struct Alphabet {
    /// The symbol of each byte, 1..=127; 0 drops the byte. Byte 0 must be dropped.
    pub(crate) symbols: [u8; 128],
    /// Pairs of symbols that merge, and the symbols that they become, which must not be the first of
    /// a pair.
    pub(crate) merges: [[u8; 3]; 3],
}

impl Alphabet {
    /// Returns the symbol that two neighbours merge to, if they do.
    #[inline(always)]
    pub(crate) fn merged(&self, before: u32, symbol: u32) -> Option<u8> {
        let mut merges = self.merges.iter();
        let pair = merges.find(|m| (u32::from(m[0]), u32::from(m[1])) == (before, symbol));
        pair.map(|[_, _, merged]| *merged)
    }
}

/// The symbol before a block, those of the block, and room for stores of whole vectors.
pub(super) type Symbols = [u8; 1 + BLOCK + 15];

/// The positions of the symbols, and room for stores of whole vectors.
pub(super) type Places = [u8; BLOCK + 16];

/// The symbols of up to [`BLOCK`] bytes.
pub(crate) struct Block {
    symbols: Symbols,
    /// The position of the first byte of each symbol.
    places: Places,
    len: usize,
    read: usize,
}

/// The result of translating a block, before neighbours are merged.
pub(super) struct Unmerged {
    /// The number of bytes before the first one that stops.
    pub(super) read: usize,
    /// The number of symbols of these bytes.
    pub(super) len: usize,
    /// Bits of the symbols that merge with the one before them, unless that has merged itself.
    pub(super) pairs: u64,
}

impl Block {
    /// Makes an empty block after the symbol `last`; 0 merges with nothing.
    pub(crate) fn after(last: u8) -> Self {
        let mut block = Self {
            symbols: [0; _],
            places: [0; _],
            len: 0,
            read: 0,
        };
        block.symbols[0] = last;
        block
    }

    /// Returns the symbol before the block, which may have been merged.
    pub(crate) fn last(&self) -> u8 {
        self.symbols[0]
    }

    /// Returns the symbols of the block.
    pub(crate) fn symbols(&self) -> &[u8] {
        self.symbols.get(1..=self.len).unwrap_or_default()
    }

    /// Returns the position of each symbol's first byte.
    pub(crate) fn places(&self) -> &[u8] {
        self.places.get(..self.len).unwrap_or_default()
    }

    /// Returns the number of bytes read.
    pub(crate) fn read(&self) -> usize {
        self.read
    }

    /// Translates the first bytes, at most [`BLOCK`], up to one that is [`STOP`].
    #[inline(always)]
    pub(super) fn fill(
        &mut self,
        alphabet: &Alphabet,
        bytes: &[u8],
        translate: impl Fn(&Alphabet, &[u8; BLOCK], &mut Symbols, &mut Places) -> Unmerged,
    ) {
        let whole = bytes.first_chunk::<BLOCK>();
        let mut padded = [0; BLOCK];
        let block = whole.unwrap_or_else(|| {
            padded[..bytes.len()].copy_from_slice(bytes);
            &padded
        });
        let found = translate(alphabet, block, &mut self.symbols, &mut self.places);
        self.read = found.read.min(bytes.len());
        self.len = found.len.min(BLOCK);
        if found.pairs != 0 {
            self.merge(alphabet, found.pairs);
        }
    }

    /// Merges pairs from left to right. Bit `i` is that of symbol `i` and the one before.
    #[inline(never)]
    fn merge(&mut self, alphabet: &Alphabet, mut pairs: u64) {
        let (mut from, mut kept) = (0, 0);
        while pairs != 0 {
            let second = pairs.trailing_zeros() as usize;
            // A merged symbol does not merge with the next one.
            pairs &= (pairs - 1) & !(2 << second);
            let symbol = u32::from(self.symbols[1 + second]);
            self.close(from, second, kept);
            kept += second - from;
            // The symbol before the block is at position 0.
            let before = &mut self.symbols[kept];
            if let Some(merged) = alphabet.merged(u32::from(*before), symbol) {
                *before = merged;
            }
            from = second + 1;
        }
        self.close(from, self.len, kept);
        self.len = kept + self.len - from;
    }

    /// Moves the symbols `from..to` to the position `kept`.
    fn close(&mut self, from: usize, to: usize, kept: usize) {
        self.symbols.copy_within(1 + from..1 + to, 1 + kept);
        self.places.copy_within(from..to, kept);
    }
}

/// Translates a block in portable code. Without a branch on the kind of byte: in prose, every sixth
/// is a space.
pub(super) fn translate(
    alphabet: &Alphabet,
    bytes: &[u8; BLOCK],
    symbols: &mut Symbols,
    places: &mut Places,
) -> Unmerged {
    let (mut read, mut len, mut pairs) = (0, 0, 0);
    let mut last = symbols[0];
    for (&byte, place) in bytes.iter().zip(0..) {
        let symbol = *alphabet.symbols.get(usize::from(byte)).unwrap_or(&STOP);
        if symbol == STOP {
            break;
        }
        read += 1;
        // Overwritten by the next symbol unless `len` is increased.
        symbols[1 + len] = symbol;
        places[len] = place;
        let merges = alphabet.merges.iter();
        let pair = merges.fold(false, |pair, [first, second, _]| {
            pair | (last == *first) & (symbol == *second)
        });
        pairs |= u64::from(pair) << len;
        len += usize::from(symbol != 0);
        last = if symbol == 0 { last } else { symbol };
    }
    Unmerged { read, len, pairs }
}
