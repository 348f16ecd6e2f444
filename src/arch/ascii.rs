//! ASCII bytes as symbols: each byte translated or dropped, neighbours merged.

/// The bytes taken at a time.
pub(crate) const BLOCK: usize = 64;

/// In an [`Alphabet`], a byte at which translation stops, as it does at bytes outside ASCII.
pub(crate) const STOP: u8 = 0xff;

/// How bytes become symbols.
pub(crate) struct Alphabet {
    /// The symbol of each byte, from 1 to 127; 0 drops the byte, as it must for byte 0.
    pub(crate) symbols: [u8; 128],
    /// A symbol, the one that merges with it if it comes next, and what they become, which
    /// must be the first of no pair.
    pub(crate) merges: [[u8; 3]; 3],
}

impl Alphabet {
    /// What two neighbours become, if they merge.
    #[inline(always)]
    pub(crate) fn merged(&self, before: u32, symbol: u32) -> Option<u8> {
        let mut merges = self.merges.iter();
        let pair = merges.find(|m| (u32::from(m[0]), u32::from(m[1])) == (before, symbol));
        pair.map(|[_, _, merged]| *merged)
    }
}

/// Room for the symbols of a block, behind the one before.
pub(super) type Symbols = [u8; 1 + BLOCK + 15];

/// Room for their places.
pub(super) type Places = [u8; BLOCK + 16];

/// The symbols of a few bytes.
pub(crate) struct Block {
    /// The symbol before, those of the bytes, and room for whole vectors.
    symbols: Symbols,
    /// Which byte each comes from.
    places: Places,
    len: usize,
    read: usize,
}

/// What a block of bytes has before neighbours merge.
pub(super) struct Unmerged {
    /// Bytes before the first that stops, or the end.
    pub(super) read: usize,
    /// Symbols of these bytes.
    pub(super) len: usize,
    /// The symbols that merge with the one before them, if that has not merged itself.
    pub(super) pairs: u64,
}

impl Block {
    /// No symbol yet; `last` is the one before, 0 for none that merges.
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

    /// The symbol before, which may have become another.
    pub(crate) fn last(&self) -> u8 {
        self.symbols[0]
    }

    /// The symbols of the bytes.
    pub(crate) fn symbols(&self) -> &[u8] {
        self.symbols.get(1..=self.len).unwrap_or_default()
    }

    /// The place of each symbol's first byte.
    pub(crate) fn places(&self) -> &[u8] {
        self.places.get(..self.len).unwrap_or_default()
    }

    /// The bytes read.
    pub(crate) fn read(&self) -> usize {
        self.read
    }

    /// Translates the first bytes, at most [`BLOCK`], up to one that stops.
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

    /// Merges the pairs from left to right: bit `i` is for symbol `i` and the one before.
    #[inline(never)]
    fn merge(&mut self, alphabet: &Alphabet, mut pairs: u64) {
        let (mut from, mut kept) = (0, 0);
        while pairs != 0 {
            let second = pairs.trailing_zeros() as usize;
            // What the second would have been the first of is void.
            pairs &= (pairs - 1) & !(2 << second);
            let symbol = u32::from(self.symbols[1 + second]);
            self.close(from, second, kept);
            kept += second - from;
            // The one before the first symbol stands at place 0.
            let before = &mut self.symbols[kept];
            if let Some(merged) = alphabet.merged(u32::from(*before), symbol) {
                *before = merged;
            }
            from = second + 1;
        }
        self.close(from, self.len, kept);
        self.len = kept + self.len - from;
    }

    /// Moves the symbols `from..to` to the place `kept`.
    fn close(&mut self, from: usize, to: usize, kept: usize) {
        self.symbols.copy_within(1 + from..1 + to, 1 + kept);
        self.places.copy_within(from..to, kept);
    }
}

/// The scalar twin. Without a branch on the kind of byte: in prose every sixth is a space.
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
        // Written behind the last one, where it stays only if the count moves on.
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
