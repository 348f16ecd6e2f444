//! Hashes of grams and minima of windows, in passes that any vector unit takes
//! eight or four values at a time.
//!
//! Written once and compiled for each instruction set: the baseline of x86-64 has
//! neither rotations nor minima of 64-bit lanes.

/// The symbols of a gram.
pub(crate) const GRAM: usize = 12;

/// Writes the cyclic polynomial of the gram that begins at each value but the last
/// `GRAM - 1`: the exclusive or of the values, each rotated left once for every
/// symbol after it. `twos` and `fours` are room for as many as there are values.
///
/// By doubling: polynomials of 2, 4 and 8 symbols, then 8 and 4 make 12.
#[inline(always)]
pub(super) fn gram_hashes(values: &[u64], twos: &mut [u64], fours: &mut [u64], hashes: &mut [u64]) {
    double(values, 1, twos);
    double(twos, 2, fours);
    let [four, next, last] = [0, 4, 8].map(|at| fours.get(at..).unwrap_or_default());
    for (hash, ((a, b), c)) in hashes.iter_mut().zip(four.iter().zip(next).zip(last)) {
        *hash = a.rotate_left(8) ^ b.rotate_left(4) ^ c;
    }
}

/// From polynomials of `length` symbols to those of twice as many.
#[inline(always)]
fn double(values: &[u64], length: usize, doubled: &mut [u64]) {
    let ahead = values.get(length..).unwrap_or_default();
    for (doubled, (value, ahead)) in doubled.iter_mut().zip(values.iter().zip(ahead)) {
        *doubled = value.rotate_left(length as u32) ^ ahead;
    }
}

/// Replaces every key by the smallest of the `window` keys from it on, as far as
/// there are so many. Signed, as most vector units compare. `WINDOW` is `window` where the compiler should know it.
#[inline(always)]
pub(super) fn minima<const WINDOW: usize>(keys: &mut [i64], window: usize) {
    let window = if WINDOW == 0 { window } else { WINDOW };
    // Minima over 2, 4, 8... keys, then over two such spans that overlap.
    let mut span = 1;
    while span < window {
        let step = span.min(window - span);
        for i in 0..keys.len().saturating_sub(step) {
            keys[i] = keys[i].min(keys[i + step]);
        }
        span += step;
    }
}

/// [`minima`] with the usual windows known to the compiler.
#[inline(always)]
pub(super) fn window_minima(keys: &mut [i64], window: usize) {
    match window {
        8 => minima::<8>(keys, 8),
        16 => minima::<16>(keys, 16),
        _ => minima::<0>(keys, window),
    }
}

/// Writes the places of all keys that differ from the one before them, and gives their number;
/// the first key has none before. `places` is room for as many as there are keys, at most 65,536.
#[inline(always)]
pub(super) fn changes(keys: &[i64], places: &mut [u16]) -> usize {
    const GROUP: usize = 64;
    let own = keys.get(1..).unwrap_or_default();
    let mut found = 0;
    let mut first = 1_u16;
    for (before, own) in keys.chunks(GROUP).zip(own.chunks(GROUP)) {
        // As bits, since a branch for each key could not be foretold.
        let mut changed = 0_u64;
        for (i, (before, own)) in (0..).zip(before.iter().zip(own)) {
            changed |= u64::from(before != own) << i;
        }
        while changed != 0 {
            if let Some(place) = places.get_mut(found) {
                *place = first.wrapping_add(changed.trailing_zeros() as u16);
            }
            found += 1;
            changed &= changed - 1;
        }
        first = first.wrapping_add(GROUP as u16);
    }
    found
}
