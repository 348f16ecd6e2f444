//! Binomial filters over rows of bytes, in 16-bit lanes.
//!
//! Written once and compiled for each instruction set.

/// Taps of the filter.
const TAPS: usize = 5;

/// Columns beyond each end of a row, filled with the nearest pixel.
const MARGIN: usize = 2;

/// Filters a plane of `width` columns by the binomial filter of five taps (1 4 6 4 1) along rows and
/// columns, and the result once more. Writes the rounded result of the first pass to `soft`, and that
/// of the first minus the second, in sixteenths, to `response`. Beyond the edge the nearest pixel
/// counts.
#[inline(always)]
pub(super) fn band_pass(plane: &[u8], width: usize, soft: &mut [u8], response: &mut [i16]) {
    let height = plane.len().checked_div(width).unwrap_or(0);
    if height == 0 || soft.len() < plane.len() || response.len() < plane.len() {
        return;
    }
    let stride = width + 2 * MARGIN;
    // The last five rows of the first pass, in sixteenths, with margins.
    let mut ring = vec![0_u16; TAPS * stride];
    let mut sums = vec![0_u16; stride];
    let row = |y: isize| {
        let y = y.clamp(0, height as isize - 1) as usize;
        &plane[y * width..(y + 1) * width]
    };
    for y in 0..height as isize + MARGIN as isize {
        // Row `y` of the first pass, where it exists; below the plane the last row counts.
        let place = y as usize % TAPS * stride;
        if y < height as isize {
            let rows = [row(y - 2), row(y - 1), row(y), row(y + 1), row(y + 2)];
            columns_of_bytes(rows, &mut sums[MARGIN..MARGIN + width]);
            extend_ends(&mut sums);
            let first = &mut ring[place..place + stride];
            along(&sums, &mut first[MARGIN..MARGIN + width]);
            let start = y as usize * width;
            let soft = &mut soft[start..start + width];
            for (soft, first) in soft.iter_mut().zip(&mut first[MARGIN..]) {
                *soft = ((*first + 128) >> 8) as u8;
                *first >>= 4;
            }
        }
        // Row `y - 2` of the second pass.
        let Some(done) = (y as usize).checked_sub(MARGIN) else {
            continue;
        };
        let at = |y: isize| {
            let place = y.clamp(0, height as isize - 1) as usize % TAPS * stride + MARGIN;
            &ring[place..place + width]
        };
        let middle = done as isize;
        let rows = [
            at(middle - 2),
            at(middle - 1),
            at(middle),
            at(middle + 1),
            at(middle + 2),
        ];
        columns_of_words(rows, &mut sums[MARGIN..MARGIN + width]);
        extend_ends(&mut sums);
        let out = &mut response[done * width..(done + 1) * width];
        difference(&sums, at(middle), out);
    }
}

#[inline(always)]
fn columns_of_bytes(rows: [&[u8]; TAPS], out: &mut [u16]) {
    let n = out.len();
    let [a, b, c, d, e] = rows.map(|row| &row[..n]);
    for i in 0..n {
        let (outer, inner) = (
            u16::from(a[i]) + u16::from(e[i]),
            u16::from(b[i]) + u16::from(d[i]),
        );
        out[i] = outer + 4 * inner + 6 * u16::from(c[i]);
    }
}

/// As [`columns_of_bytes`], scaled back to sixteenths.
#[inline(always)]
fn columns_of_words(rows: [&[u16]; TAPS], out: &mut [u16]) {
    let n = out.len();
    let [a, b, c, d, e] = rows.map(|row| &row[..n]);
    for i in 0..n {
        // At most 16 * 4080: it fits.
        out[i] = (a[i] + e[i] + 4 * (b[i] + d[i]) + 6 * c[i]) >> 4;
    }
}

/// Filters along a row with margins. The sums are at most 16 * 4080.
#[inline(always)]
fn along(row: &[u16], out: &mut [u16]) {
    let n = out.len();
    let row = &row[..n + 2 * MARGIN];
    for i in 0..n {
        out[i] = row[i] + row[i + 4] + 4 * (row[i + 1] + row[i + 3]) + 6 * row[i + 2];
    }
}

/// Subtracts the filtered row from `first`.
#[inline(always)]
fn difference(row: &[u16], first: &[u16], out: &mut [i16]) {
    let n = out.len();
    let (row, first) = (&row[..n + 2 * MARGIN], &first[..n]);
    for i in 0..n {
        let sum = row[i] + row[i + 4] + 4 * (row[i + 1] + row[i + 3]) + 6 * row[i + 2];
        out[i] = first[i] as i16 - (sum >> 4) as i16;
    }
}

/// Repeats the first and the last value of a row into its margins.
#[inline(always)]
fn extend_ends(row: &mut [u16]) {
    let end = row.len() - MARGIN;
    let (first, last) = (row[MARGIN], row[end - 1]);
    row[..MARGIN].fill(first);
    row[end..].fill(last);
}
