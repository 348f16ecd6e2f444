//! Hashes of grams and minima of windows, in loops that the compiler vectorises.
//!
//! Written once and compiled for each instruction set: the baseline of x86-64 has neither rotations
//! nor minima of 64-bit lanes.

/// Symbols of a gram.
pub(crate) const GRAM: usize = 12;

/// Writes the cyclic polynomial of the gram that begins at each value but the last `GRAM - 1`: the
/// exclusive or of the values, each rotated left once for every symbol after it. `twos` and `fours`
/// are buffers with the length of `values`.
///
/// By doubling: polynomials of 2, 4 and 8 symbols; those of 8 and 4 make 12.
#[inline(always)]
pub(super) fn gram_hashes(values: &[u64], twos: &mut [u64], fours: &mut [u64], hashes: &mut [u64]) {
    double(values, 1, twos);
    double(twos, 2, fours);
    let [four, next, last] = [0, 4, 8].map(|at| fours.get(at..).unwrap_or_default());
    for (hash, ((a, b), c)) in hashes.iter_mut().zip(four.iter().zip(next).zip(last)) {
        *hash = a.rotate_left(8) ^ b.rotate_left(4) ^ c;
    }
}

/// Computes polynomials of `2 * length` symbols from those of `length`.
#[inline(always)]
fn double(values: &[u64], length: usize, doubled: &mut [u64]) {
    let ahead = values.get(length..).unwrap_or_default();
    for (doubled, (value, ahead)) in doubled.iter_mut().zip(values.iter().zip(ahead)) {
        *doubled = value.rotate_left(length as u32) ^ ahead;
    }
}

/// Bits of a key for the position.
const PLACE_BITS: u32 = 13;

/// Hashes that [`minima`] takes at most.
pub(crate) const MAX_HASHES: usize = 1 << PLACE_BITS;

/// Finds the smallest hash of every window of `window` hashes: writes the position of that of the
/// first window, and of each window where it differs from the window before; returns their number.
/// `keys` are two buffers with the length of `hashes`, at most [`MAX_HASHES`]; `places` has room for
/// one position for each window.
///
/// Hashes are compared by their upper 48 bits. The position is below them, counted down, so that the
/// minimum includes the position and is the last of equal hashes. Keys are positive floating-point
/// numbers with these bits, which have the same order; every vector unit has an instruction for
/// their minimum.
#[inline(always)]
pub(super) fn minima(
    hashes: &[u64],
    window: usize,
    keys: [&mut [f64]; 2],
    places: &mut [u16],
) -> usize {
    // The exponent is neither all zeros nor all ones.
    const NORMAL: u64 = 1 << 61;
    const PLACE: u64 = (1 << PLACE_BITS) - 1;
    let [keys, room] = keys.map(|room| room.get_mut(..hashes.len()).unwrap_or_default());
    for ((key, hash), place) in keys.iter_mut().zip(hashes).zip((0..=PLACE).rev()) {
        *key = f64::from_bits(NORMAL | hash >> 16 << PLACE_BITS | place);
    }
    let keys = match window {
        8 => slide::<8>(keys, room, 8),
        16 => slide::<16>(keys, room, 16),
        _ => slide::<0>(keys, room, window),
    };
    let place = |key: f64| (PLACE - (key.to_bits() & PLACE)) as u16;
    let mut found = 0;
    let mut keep = |key: f64| {
        if let Some(room) = places.get_mut(found) {
            *room = place(key);
        }
        found += 1;
    };
    if let Some(first) = keys.first() {
        keep(*first);
    }
    const GROUP: usize = 64;
    let behind = keys.get(1..).unwrap_or_default();
    for (before, own) in keys.chunks(GROUP).zip(behind.chunks(GROUP)) {
        // Collected as bits, since a branch for each key could not be predicted.
        let mut changed = 0_u64;
        for (i, (before, own)) in (0..).zip(before.iter().zip(own)) {
            changed |= u64::from(before.to_bits() != own.to_bits()) << i;
        }
        while changed != 0 {
            if let Some(key) = own.get(changed.trailing_zeros() as usize) {
                keep(*key);
            }
            changed &= changed - 1;
        }
    }
    found
}

/// Returns the smallest of the `window` keys from each key on, except the last ones. `WINDOW` is
/// `window` if the compiler is to know it, otherwise 0. Both slices have the same length.
///
/// Writes from one slice to the other, since in place the compiler emits conditional stores.
#[inline(always)]
fn slide<'k, const WINDOW: usize>(
    keys: &'k mut [f64],
    room: &'k mut [f64],
    window: usize,
) -> &'k [f64] {
    let window = if WINDOW == 0 { window } else { WINDOW };
    let windows = (keys.len() + 1).saturating_sub(window.max(1));
    let (mut from, mut to) = (keys, room);
    // Minima over 2, 4, 8... keys, then over two such spans that overlap.
    let mut span = 1;
    while span < window {
        let step = span.min(window - span);
        let others = from.get(step..).unwrap_or_default();
        for (to, (&own, &other)) in to.iter_mut().zip(from.iter().zip(others)) {
            *to = if other < own { other } else { own };
        }
        (from, to) = (to, from);
        span += step;
    }
    from.get(..windows).unwrap_or_default()
}
