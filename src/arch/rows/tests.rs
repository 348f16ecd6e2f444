//! Compares every back end with the portable code, to the bit.

use super::*;

/// Marsaglia's 32-bit xorshift.
fn random(count: usize, seed: u32) -> Vec<u32> {
    let mut state = seed;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state
    };
    std::iter::repeat_with(next).take(count).collect()
}

fn floats(count: usize, seed: u32) -> Vec<f32> {
    let values = random(count, seed).into_iter();
    values.map(|v| (v >> 8) as f32 / 65_793.0).collect()
}

fn bytes(count: usize, seed: u32) -> Vec<u8> {
    random(count, seed)
        .into_iter()
        .map(|v| (v >> 24) as u8)
        .collect()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

/// Tries significands of sums in steps of `step`, with alternating signs and powers of two.
fn quotients(step: usize) {
    const SUMS: usize = 4096;
    let (mut zeros, mut out) = (vec![0.0; SUMS], vec![0.0; SUMS]);
    for count in 1..=512 {
        let divisor = Divisor::new(count);
        for (i, start) in (0..1 << 23).step_by(step * SUMS).enumerate() {
            let power = ((127 + i % 17 - 8) as u32) << 23 | ((i as u32 & 1) << 31);
            let sums: Vec<f32> = (0..SUMS)
                .map(|k| f32::from_bits(power | ((start + k * step) as u32 & 0x7F_FFFF)))
                .collect();
            for backend in Backend::available() {
                zeros.fill(0.0);
                backend.slide(
                    &mut sums.clone(),
                    &vec![0.0; SUMS],
                    &mut zeros,
                    &mut out,
                    divisor,
                );
                for (&sum, &out) in sums.iter().zip(&out) {
                    assert_eq!(out, sum / count as f32, "{sum} / {count} by {backend:?}");
                }
            }
        }
    }
}

#[test]
fn quotients_are_those_of_a_division() {
    quotients(97);
}

#[test]
#[ignore = "every significand by every divisor: minutes"]
fn all_quotients_are_those_of_a_division() {
    quotients(1);
}

#[test]
fn boxes_of_bytes_are_their_definition() {
    for (width, size) in [
        (1, 1),
        (5, 1),
        (70, 2),
        (130, 3),
        (1200, 10),
        (999, 31),
        (700, 257),
    ] {
        for lead in [0, size / 2, size - 1] {
            for backend in Backend::available() {
                let mut boxes = ByteBox::new(width, size, lead).expect("small enough");
                boxes.backend = backend;
                let mut out = vec![0.0; width];
                // The second row reuses the buffers of the first.
                for row in [bytes(width, 3), vec![255; width]] {
                    boxes.means(&row, &mut out);
                    for (x, &mean) in out.iter().enumerate() {
                        let range = (x as isize - lead as isize)..(x + size - lead) as isize;
                        let sum: u32 = range
                            .filter_map(|i| row.get(usize::try_from(i).ok()?))
                            .map(|&v| u32::from(v))
                            .sum();
                        assert_eq!(boxes.sum(x), sum as f32, "{width} {size} {lead} at {x}");
                        assert_eq!(mean, sum as f32 / size as f32);
                    }
                }
            }
        }
    }
    assert!(ByteBox::new(40_000, 258, 0).is_none());
}

#[test]
fn columns_sums_and_transforms_are_those_of_the_plain_code() {
    for width in [1, 7, 64, 75, 1200] {
        let (row, start) = (floats(width, 1), floats(width, 2));
        for backend in Backend::available() {
            let mut found = [start.clone(), floats(width, 3), vec![0.0; width]];
            let mut plain = found.clone();
            let [sums, oldest, out] = &mut found;
            backend.slide(sums, &row, oldest, out, Divisor::new(7));
            let [sums, oldest, out] = &mut plain;
            slide::<false>(sums, &row, oldest, out, Divisor::new(7));
            assert_eq!(
                found.map(|v| bits(&v)),
                plain.map(|v| bits(&v)),
                "{backend:?}"
            );

            for share in [1.0, 0.3] {
                let (mut found, mut plain) = (start.clone(), start.clone());
                backend.add_floats(&mut found, &row, share);
                add_share(&mut plain, &row, share);
                assert_eq!(bits(&found), bits(&plain), "{backend:?}");
                let row = bytes(width, 4);
                backend.add_bytes(&mut found, &row, share);
                add_share(&mut plain, &row, share);
                assert_eq!(bits(&found), bits(&plain), "{backend:?}");
            }

            let (above, below) = (bytes(width, 5), bytes(width, 6));
            assert_eq!(
                backend.differences(&above, &below, 40, 90),
                differences(&above, &below, 40, 90)
            );
        }
    }
    let values = floats(4096, 7);
    let mut plain = values.clone();
    hadamard(&mut plain);
    for backend in Backend::available() {
        let mut found = values.clone();
        backend.hadamard(&mut found);
        assert_eq!(bits(&found), bits(&plain), "{backend:?}");
    }
}

#[test]
fn rows_side_by_side_are_those_of_the_plain_code() {
    for width in [1, 8, 31, 512, 1200] {
        let stride = stride(width);
        assert!(stride >= width && stride / 16 % 2 == 1);
        // The second picture has fewer rows.
        for rows in [LANES, LANES - 5] {
            let rows = floats(rows * stride, 8);
            let mut plain = vec![[0.0; LANES]; width];
            transpose(&rows, stride, &mut plain);
            assert_eq!(plain[width - 1][3], rows[3 * stride + width - 1]);
            let mut plain_sums = plain[0];
            run(&mut plain_sums, &plain, &plain[width / 2..]);
            for backend in Backend::available() {
                let mut found = vec![[0.0; LANES]; width];
                backend.transpose(&rows, stride, &mut found);
                assert_eq!(found, plain, "{backend:?}");
                let mut sums = found[0];
                backend.run(&mut sums, &found, &found[width / 2..]);
                assert_eq!(bits(&sums), bits(&plain_sums), "{backend:?}");
            }
        }
    }
}
