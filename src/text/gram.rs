//! Prints of a text: keyed hashes of character grams, thinned by winnowing.
//!
//! A gram is [`GRAM_LEN`] neighbouring symbols of the folded text. It is hashed
//! by a cyclic polynomial (Cohen, "Recursive hashing functions for n-grams",
//! 1997) over a secret table, which rolls from one gram to the next in constant
//! time. [Winnowing](Sampling::Winnow) (Schleimer, Wilkerson and Aiken, "Winnowing:
//! local algorithms for document fingerprinting", 2003) then keeps the smallest
//! hash of every window of neighbouring grams, and only what is kept goes
//! through AES-128 to become the stored print: the polynomial is linear, so that
//! a few of its values would reveal the table.

use aes::Aes128;
use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};
use serde::{Deserialize, Serialize};

use super::bounds::Bounds;
use crate::arch::{Backend, MAX_HASHES};
use crate::deadline::Pacer;
use crate::error::Result;

/// The symbols of a gram.
pub const GRAM_LEN: usize = crate::arch::GRAM;

/// The largest window that [`Sampling::Winnow`] takes.
pub const MAX_WINDOW: usize = 64;

/// Grams hashed at a time: all buffers together stay in the first-level cache.
const CHUNK: usize = 512;

/// Blocks that are encrypted at a time, to keep the pipeline of the cipher full.
const BATCH: usize = 64;

/// Grams beyond the usual number are charged in batches; more than a chunk has.
const STEP: usize = 1 << 12;

/// One gram of a text: its print and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Gram {
    /// The keyed hash of the gram's symbols.
    pub print: u64,
    /// The place of its first symbol among the symbols of the text.
    pub at: u32,
}

/// The choice of grams of a text that become prints.
///
/// ```
/// use leakprint::text::{GRAM_LEN, GramKey, Sampling, fold, grams};
///
/// let text = fold("Revenue fell by nine percent before the audit, and the board was not told.");
/// let count = |sampling| grams(text.symbols(), &GramKey::new(&[7; 32]), sampling).len();
/// assert_eq!(count(Sampling::All), text.symbols().len() - GRAM_LEN + 1);
/// assert_eq!(count(Sampling::Winnow(1)), count(Sampling::All));
/// assert!(count(Sampling::Winnow(8)) < count(Sampling::All) / 2);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampling {
    /// Every one.
    All,
    /// The one with the smallest hash in every window of this many neighbouring
    /// grams; of equal ones the last.
    ///
    /// Two texts that share `window + GRAM_LEN - 1` symbols in a row share a
    /// print, and a text with any gram has a print. About `2 / (window + 1)` of
    /// the grams are kept; in a text of one repeated symbol all are equal, and
    /// all are kept. What a window keeps, every smaller window keeps too: texts
    /// sampled differently can be compared. 0 counts as 1, which is [`All`](Self::All),
    /// and more than [`MAX_WINDOW`] as that.
    Winnow(u32),
}

/// The secrets that make the prints: a table for the rolling hash and a cipher key,
/// both derived from one seed. `Debug` shows neither.
#[derive(Clone)]
pub struct GramKey {
    /// The values of the symbols below 128.
    table: Box<[u64; 128]>,
    /// The constants that make the values of all other symbols.
    mix: [u64; 3],
    cipher: Aes128,
}

impl GramKey {
    /// Derives everything from `seed` with BLAKE3. About two microseconds.
    pub fn new(seed: &[u8; 32]) -> Self {
        let mut stream = blake3::Hasher::new_derive_key("leakprint text grams, recipe 1")
            .update(seed)
            .finalize_xof();
        let mut word = || {
            let mut bytes = [0; 8];
            stream.fill(&mut bytes);
            u64::from_le_bytes(bytes)
        };
        let mut table = Box::new([0; 128]);
        table.fill_with(&mut word);
        // Odd factors multiply without loss.
        let mix = [word(), word() | 1, word() | 1];
        let key = u128::from(word()) | u128::from(word()) << 64;
        Self {
            table,
            mix,
            cipher: Aes128::new(&Array(key.to_le_bytes())),
        }
    }

    /// The secret value of a symbol.
    #[inline]
    fn value(&self, symbol: u32) -> u64 {
        match self.table.get(symbol as usize) {
            Some(&value) => value,
            None => {
                let x = (u64::from(symbol) ^ self.mix[0]).wrapping_mul(self.mix[1]);
                let x = (x ^ x >> 32).wrapping_mul(self.mix[2]);
                let x = (x ^ x >> 29).wrapping_mul(self.mix[1]);
                x ^ x >> 32
            }
        }
    }

    /// Turns rolling hashes into prints: the first eight bytes of the encrypted
    /// block of hash and zeros.
    fn seal(&self, grams: &mut [Gram], pacer: &mut Pacer) -> Result<()> {
        let mut blocks = [Array([0; 16]); BATCH];
        for batch in grams.chunks_mut(BATCH) {
            pacer.steps(BATCH as u32)?;
            let blocks = &mut blocks[..batch.len()];
            for (block, gram) in blocks.iter_mut().zip(&*batch) {
                *block = Array(u128::from(gram.print).to_le_bytes());
            }
            self.cipher.encrypt_blocks(blocks);
            for (block, gram) in blocks.iter().zip(batch) {
                gram.print = u128::from_le_bytes(block.0) as u64;
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for GramKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GramKey").finish_non_exhaustive()
    }
}

/// The grams of a folded text, by place; none if it has fewer than [`GRAM_LEN`] symbols.
///
/// ```
/// use leakprint::text::{GramKey, Sampling, fold, grams};
///
/// let key = GramKey::new(&[7; 32]);
/// let leak = fold("Revenue fell by nine percent before the audit, and the board was not told.");
/// let post = fold("They write: revenue fell by NINE per-cent before the audit...");
/// let leak = grams(leak.symbols(), &key, Sampling::Winnow(8));
/// let post = grams(post.symbols(), &key, Sampling::Winnow(8));
/// assert!(post.iter().any(|p| leak.iter().any(|l| l.print == p.print)));
/// ```
pub fn grams(symbols: &[u32], key: &GramKey, sampling: Sampling) -> Vec<Gram> {
    let mut out = Vec::new();
    grams_into(symbols, key, sampling, &mut out);
    out
}

/// As [`grams`], in place of what `out` held, whose memory is reused.
pub fn grams_into(symbols: &[u32], key: &GramKey, sampling: Sampling, out: &mut Vec<Gram>) {
    // Without bounds nothing fails.
    let _ = grams_bounded(symbols, key, sampling, out, &mut Bounds::none());
}

/// As [`grams`], within bounds: what they take is charged.
///
/// # Errors
/// [`Limit`](crate::ErrorKind::Limit) for `decoded_bytes` or `time_ms`, and
/// [`Cancelled`](crate::ErrorKind::Cancelled).
pub(crate) fn grams_within(
    symbols: &[u32],
    key: &GramKey,
    sampling: Sampling,
    bounds: &mut Bounds,
) -> Result<Vec<Gram>> {
    let mut out = Vec::new();
    grams_bounded(symbols, key, sampling, &mut out, bounds)?;
    Ok(out)
}

fn grams_bounded(
    symbols: &[u32],
    key: &GramKey,
    sampling: Sampling,
    out: &mut Vec<Gram>,
    bounds: &mut Bounds,
) -> Result<()> {
    out.clear();
    let Some(last) = symbols.len().checked_sub(GRAM_LEN) else {
        return Ok(());
    };
    let window = match sampling {
        Sampling::All => 1,
        Sampling::Winnow(window) => (window as usize).clamp(1, MAX_WINDOW).min(last + 1),
    };
    let usual = 2 * (last + 1) / (window + 1);
    bounds.charge::<Gram>(usual)?;
    out.reserve(usual);
    let hashes = Hashes {
        symbols,
        key,
        backend: Backend::detect(),
        values: [0; CHUNK + GRAM_LEN - 1],
        twos: [0; CHUNK + GRAM_LEN - 1],
        fours: [0; CHUNK + GRAM_LEN - 1],
    };
    let mut charged = usual;
    let mut pacer = bounds.pacer();
    // In a text that repeats itself more grams are kept than usual.
    let mut check = |count: usize| -> Result<()> {
        pacer.steps(CHUNK as u32)?;
        if count > charged {
            bounds.charge::<Gram>(STEP)?;
            charged += STEP;
        }
        Ok(())
    };
    match window {
        1 => all(hashes, out, &mut check)?,
        _ => winnow(hashes, window, out, &mut check)?,
    }
    key.seal(out, &mut bounds.pacer())
}

/// The rolling hashes of the remaining grams, a chunk at a time.
struct Hashes<'a> {
    /// From the first symbol of the next gram on.
    symbols: &'a [u32],
    key: &'a GramKey,
    backend: Backend,
    values: [u64; CHUNK + GRAM_LEN - 1],
    twos: [u64; CHUNK + GRAM_LEN - 1],
    fours: [u64; CHUNK + GRAM_LEN - 1],
}

impl Hashes<'_> {
    /// Writes the next hashes, at most [`CHUNK`]; returns their number, 0 at the end.
    ///
    /// The hash of symbols `s[0]..s[11]` is the exclusive or of their values, each
    /// rotated left once for every symbol after it.
    fn fill(&mut self, hashes: &mut [u64]) -> usize {
        let grams = (self.symbols.len() + 1).saturating_sub(GRAM_LEN);
        let count = hashes.len().min(CHUNK).min(grams);
        if count == 0 {
            return 0;
        }
        let values = &mut self.values[..count + GRAM_LEN - 1];
        let symbols = &self.symbols[..values.len()];
        let table = &self.key.table;
        if symbols.iter().fold(0, |all, symbol| all | symbol) < 128 {
            for (value, &symbol) in values.iter_mut().zip(symbols) {
                // The mask only avoids a bounds check.
                *value = table[symbol as usize & 127];
            }
        } else {
            for (value, &symbol) in values.iter_mut().zip(symbols) {
                *value = self.key.value(symbol);
            }
        }
        let (twos, fours) = (&mut self.twos, &mut self.fours);
        let hashes = &mut hashes[..count];
        self.backend.gram_hashes(values, twos, fours, hashes);
        self.symbols = &self.symbols[count..];
        count
    }
}

/// Keeps all; `check` gets the number of those kept after every chunk.
fn all(
    mut hashes: Hashes<'_>,
    out: &mut Vec<Gram>,
    mut check: impl FnMut(usize) -> Result<()>,
) -> Result<()> {
    let mut chunk = [0; CHUNK];
    loop {
        check(out.len())?;
        let count = hashes.fill(&mut chunk);
        if count == 0 {
            return Ok(());
        }
        let base = out.len() as u32;
        out.extend(
            (base..)
                .zip(&chunk[..count])
                .map(|(at, &print)| Gram { print, at }),
        );
    }
}

/// Keeps the smallest hash of every `window` neighbours, of 2 to [`MAX_WINDOW`]
/// and at most as many as there are, by the upper 48 bits.
fn winnow(
    mut hashes: Hashes<'_>,
    window: usize,
    out: &mut Vec<Gram>,
    mut check: impl FnMut(usize) -> Result<()>,
) -> Result<()> {
    const ROOM: usize = CHUNK + MAX_WINDOW;
    const { assert!(CHUNK >= MAX_WINDOW && ROOM <= MAX_HASHES) };
    let backend = hashes.backend;
    let mut chunk = [0; ROOM];
    let mut keys = [[0.0; ROOM]; 2];
    let mut places = [0_u16; ROOM];
    // The buffer begins with the hashes of the last window but its first, from gram `base` on.
    let (mut base, mut held) = (0, 0);
    let mut last = None;
    loop {
        check(out.len())?;
        let fresh = hashes.fill(&mut chunk[held..held + CHUNK]);
        if fresh == 0 {
            return Ok(());
        }
        let count = held + fresh;
        let keys = keys.each_mut().map(|keys| keys.as_mut_slice());
        let found = backend.minima(&chunk[..count], window, keys, &mut places);
        let kept = places[..found].iter().map(|&place| usize::from(place));
        let mut kept = kept.map(|place| (base + place, chunk[place])).peekable();
        // The first window may keep what the one before kept.
        kept.next_if(|(at, _)| Some(*at) == last);
        out.extend(kept.map(|(at, print)| {
            last = Some(at);
            let at = at as u32;
            Gram { print, at }
        }));
        let windows = count + 1 - window;
        chunk.copy_within(windows..count, 0);
        held = window - 1;
        base += windows;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key() -> GramKey {
        GramKey::new(&[7; 32])
    }

    /// Every gram by the definitions: the hash afresh, one cipher block each.
    fn naive_hashes(symbols: &[u32], key: &GramKey) -> Vec<u64> {
        symbols
            .windows(GRAM_LEN)
            .map(|gram| {
                let terms = (0..).zip(gram.iter().rev());
                terms.fold(0, |hash, (age, &s)| hash ^ key.value(s).rotate_left(age))
            })
            .collect()
    }

    fn naive(symbols: &[u32], key: &GramKey, window: usize) -> Vec<Gram> {
        let hashes = naive_hashes(symbols, key);
        let window = window.clamp(1, MAX_WINDOW).min(hashes.len().max(1));
        let mut kept: Vec<usize> = hashes
            .windows(window)
            .enumerate()
            .filter_map(|(start, window)| {
                // The last of the smallest.
                let place = |i: &usize| (window[*i] >> 16, usize::MAX - i);
                (0..window.len()).min_by_key(place).map(|i| start + i)
            })
            .collect();
        kept.dedup();
        kept.into_iter()
            .map(|at| {
                let mut block = Array(u128::from(hashes[at]).to_le_bytes());
                key.cipher.encrypt_block(&mut block);
                let mut print = [0; 8];
                print.copy_from_slice(&block.0[..8]);
                Gram {
                    print: u64::from_le_bytes(print),
                    at: at as u32,
                }
            })
            .collect()
    }

    proptest! {
        #[test]
        fn rolling_and_winnowing_are_the_definitions(
            text in prop::collection::vec(prop_oneof![97_u32..101, 0_u32..0x11_0000], 0..1400),
            window in prop_oneof![Just(1_u32), Just(8), Just(16), 0_u32..300],
        ) {
            let found = grams(&text, &key(), Sampling::Winnow(window));
            prop_assert_eq!(found, naive(&text, &key(), window as usize));
        }

        #[test]
        fn a_shared_run_shares_a_print(
            run in prop::collection::vec(97_u32..123, 19..60),
            before in prop::collection::vec(97_u32..123, 0..40),
            after in prop::collection::vec(97_u32..123, 0..40),
        ) {
            // window + GRAM_LEN - 1 symbols in a row are the guarantee.
            let key = key();
            let whole = [before, run.clone(), after].concat();
            let (a, b) = (grams(&run, &key, Sampling::Winnow(8)), grams(&whole, &key, Sampling::Winnow(8)));
            prop_assert!(a.iter().any(|a| b.iter().any(|b| a.print == b.print)));
        }
    }

    #[test]
    fn lengths_around_a_gram_and_a_chunk() {
        for length in [
            0,
            11,
            12,
            13,
            18,
            19,
            CHUNK,
            CHUNK + 11,
            CHUNK + 12,
            3 * CHUNK + 5,
        ] {
            let text: Vec<u32> = (0..length as u32).map(|i| 97 + i * i % 26).collect();
            for window in [1, 2, 8, 16, 64, 256] {
                let found = grams(&text, &key(), Sampling::Winnow(window));
                assert_eq!(
                    found,
                    naive(&text, &key(), window as usize),
                    "{length} by {window}"
                );
                assert_eq!(found.is_empty(), length < GRAM_LEN);
            }
        }
    }

    #[test]
    fn one_repeated_symbol_keeps_all() {
        let found = grams(&[97; 100], &key(), Sampling::Winnow(8));
        assert_eq!(found.len(), 100 - GRAM_LEN + 1 - 7);
        assert!(found.iter().all(|gram| gram.print == found[0].print));
    }

    #[test]
    fn another_key_shares_nothing() {
        let text: Vec<u32> = (0..400).map(|i| 97 + i * i % 26).collect();
        let a = grams(&text, &key(), Sampling::All);
        let b = grams(&text, &GramKey::new(&[8; 32]), Sampling::All);
        assert!(a.iter().all(|a| b.iter().all(|b| a.print != b.print)));
    }
}
