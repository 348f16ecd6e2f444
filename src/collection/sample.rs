//! Fingerprints for tests.

use crate::fingerprint::{Fingerprint, Fingerprinter, Key};
use crate::raster::{Pixels, Raster};

pub(crate) fn key() -> Key {
    Key::from_bytes([7; 32])
}

pub(crate) fn fingerprinter() -> Fingerprinter {
    Fingerprinter::builder().key(key()).build().unwrap()
}

/// Words that depend on `seed` alone.
pub(crate) fn words(seed: &str, count: usize) -> String {
    let mut random = blake3::Hasher::new();
    let mut bytes = vec![0; count * 4];
    random
        .update(seed.as_bytes())
        .finalize_xof()
        .fill(&mut bytes);
    let syllables = [
        "ba", "con", "de", "el", "for", "ga", "hin", "in", "jo", "ka", "lor", "men",
    ];
    let word = |chunk: &[u8]| {
        chunk
            .iter()
            .map(|&b| syllables[usize::from(b) % syllables.len()])
            .collect::<String>()
    };
    bytes.chunks(4).map(word).collect::<Vec<_>>().join(" ")
}

pub(crate) fn text(seed: &str, count: usize) -> Fingerprint {
    fingerprinter()
        .fingerprint_text(&words(seed, count))
        .unwrap()
}

/// People in separated values.
pub(crate) fn table() -> Fingerprint {
    let rows = (0..12).map(|i| {
        let (id, phone) = (4_100_371 + 977 * i, 5_550_100 + 31 * i);
        format!(
            "EMP{id},ana.{id}@example.org,+49 30 {phone},{}.50\n",
            51_000 + 613 * i
        )
    });
    let csv = format!("id,mail,phone,salary\n{}", rows.collect::<String>());
    let print = fingerprinter().fingerprint(csv.as_bytes(), Some("staff.csv"));
    let print = print.unwrap();
    assert!(print.parts.iter().any(|part| part.cells.len() > 20));
    print
}

/// Discs on a gradient.
pub(crate) fn raster(seed: u32) -> Raster {
    let mut random = super::simulator::Random::new(u64::from(seed));
    let discs: Vec<[i64; 5]> = (0..40)
        .map(|_| {
            let mut below = |n| random.below(n) as i64;
            [
                below(320),
                below(240),
                4 + below(40),
                below(256),
                below(256),
            ]
        })
        .collect();
    let mut pixels = Vec::new();
    for y in 0..240_i64 {
        for x in 0..320_i64 {
            let mut colour = [(x * 255 / 320) as u8, (y * 255 / 240) as u8, 128];
            for [cx, cy, radius, a, b] in &discs {
                if (x - cx).pow(2) + (y - cy).pow(2) < radius * radius {
                    colour = [*a as u8, *b as u8, (a ^ b) as u8];
                }
            }
            pixels.extend(colour);
        }
    }
    Raster::new(320, 240, Pixels::Rgb8(pixels)).unwrap()
}

pub(crate) fn picture(seed: u32) -> Fingerprint {
    fingerprinter().fingerprint_raster(&raster(seed))
}
