//! Gradients around a place in polar form.
//!
//! Written once and compiled for each instruction set. There are no sums, so all instruction sets
//! compute the same bits.

/// Rows and columns of gradients: 6 on each side of the place.
pub(crate) const SPAN: usize = 13;

/// Columns that are computed: a whole number of vectors. The last three are not used.
pub(crate) const ROW: usize = 16;

/// Magnitudes, and directions in turns, 0..1.
pub(crate) type Polar = [[[f32; ROW]; SPAN]; 2];

/// Computes the gradients of the 13 x 13 pixels around (`column`, `row`) of a plane, times `sign`. All
/// are zero unless 8 columns before, 10 columns after and 7 rows on each side are in the plane.
#[inline(always)]
pub(super) fn polar(
    plane: &[u8],
    width: usize,
    (column, row): (usize, usize),
    sign: f32,
    out: &mut Polar,
) {
    let half = SPAN / 2;
    let inside = column > half && row > half && column + ROW - half < width;
    let first = if inside {
        (row - half) * width + column - half
    } else {
        plane.len()
    };
    // The row below the last one is read too.
    if first + SPAN * width + ROW > plane.len() {
        *out = [[[0.0; ROW]; SPAN]; 2];
        return;
    }
    let [magnitudes, turns] = out;
    for (y, (magnitudes, turns)) in magnitudes.iter_mut().zip(turns).enumerate() {
        let at = first + y * width;
        let part = |from: usize| -> [u8; ROW] {
            let mut row = [0; ROW];
            row.copy_from_slice(&plane[from..from + ROW]);
            row
        };
        let (left, right) = (part(at - 1), part(at + 1));
        let (above, below) = (part(at - width), part(at + width));
        for x in 0..ROW {
            let gx = sign * (f32::from(right[x]) - f32::from(left[x]));
            let gy = sign * (f32::from(below[x]) - f32::from(above[x]));
            magnitudes[x] = (gx * gx + gy * gy).sqrt();
            turns[x] = turn(gy, gx);
        }
    }
}

/// Returns the angle of (x, y) in turns, 0..1, to a ten-thousandth. By a polynomial, so that it is the
/// same on every machine.
#[inline(always)]
pub(crate) fn turn(y: f32, x: f32) -> f32 {
    let (ax, ay) = (x.abs(), y.abs());
    let (small, large) = if ax < ay { (ax, ay) } else { (ay, ax) };
    // Not zero by zero.
    let t = small / large.max(1e-9);
    // atan(t) / 2 pi on 0..=1 by least squares.
    let s = t * t;
    let a = t * (0.159_046 + s * (-0.051_292 + s * (0.023_715 - s * 0.006_501)));
    let a = if ay > ax { 0.25 - a } else { a };
    let a = if x < 0.0 { 0.5 - a } else { a };
    let a = if y < 0.0 { 1.0 - a } else { a };
    if a >= 1.0 { 0.0 } else { a.max(0.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_angles() {
        for degrees in 0..360_i32 {
            let angle = f64::from(degrees).to_radians();
            let found = turn(angle.sin() as f32, angle.cos() as f32) * 360.0;
            let off = (found - degrees as f32).abs();
            assert!(off.min(360.0 - off) < 0.4, "{degrees}: {found}");
        }
        assert_eq!(turn(0.0, 0.0), 0.0);
    }
}
