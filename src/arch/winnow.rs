//! Hashes of grams and minima of windows, in passes that any vector unit takes
//! eight or four values at a time.
//!
//! Written once and compiled for each instruction set: the baseline of x86-64 has
//! neither rotations nor minima of 64-bit lanes.

/// The symbols of a gram.
pub(crate) const GRAM: usize = 12;

/// Replaces the value of each symbol by the cyclic polynomial of the gram that begins
/// there: the exclusive or of the values, each rotated left once for every symbol
/// after it. The last `GRAM - 1` values are left undefined.
///
/// By doubling: polynomials of 2, 4 and 8 symbols, then 8 and 4 make 12.
#[inline(always)]
pub(super) fn gram_hashes(values: &mut [u64], fours: &mut [u64]) {
    double(values, 1);
    double(values, 2);
    let fours = &mut fours[..values.len()];
    fours.copy_from_slice(values);
    double(values, 4);
    let ahead = fours.get(8..).unwrap_or_default();
    for (hash, four) in values.iter_mut().zip(ahead) {
        *hash = hash.rotate_left(4) ^ four;
    }
}

/// From polynomials of `length` symbols to those of twice as many.
#[inline(always)]
fn double(values: &mut [u64], length: usize) {
    for i in 0..values.len().saturating_sub(length) {
        values[i] = values[i].rotate_left(length as u32) ^ values[i + length];
    }
}

/// Replaces every key by the smallest of the `window` keys from it on, as far as
/// there are so many. `WINDOW` is `window` where the compiler should know it.
#[inline(always)]
pub(super) fn minima<const WINDOW: usize>(keys: &mut [u64], window: usize) {
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
pub(super) fn window_minima(keys: &mut [u64], window: usize) {
    match window {
        8 => minima::<8>(keys, 8),
        16 => minima::<16>(keys, 16),
        _ => minima::<0>(keys, window),
    }
}
