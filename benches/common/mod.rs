//! Generated material for the benchmarks.

#![allow(dead_code, reason = "each benchmark uses a part")]

pub(crate) mod cpu;

use image::{Rgb, RgbImage};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use leakprint::{Code256, Fingerprinter, Key};

/// Marsaglia's 64-bit xorshift.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 32) as usize % limit
    }

    pub(crate) fn code(&mut self) -> Code256 {
        Code256([self.next(), self.next(), self.next(), self.next()])
    }
}

/// A fingerprinter whose prints are the same in every run.
pub(crate) fn fingerprinter() -> Fingerprinter {
    Fingerprinter::builder()
        .key(Key::from_bytes([1; 32]))
        .build()
        .expect("a valid window")
}

/// The same without the prints of parts of pictures.
pub(crate) fn whole_picture_fingerprinter() -> Fingerprinter {
    Fingerprinter::builder()
        .key(Key::from_bytes([1; 32]))
        .local_prints(false)
        .build()
        .expect("a valid window")
}

/// A photo-like picture, 1,200 x 800: discs on a gradient, and grain.
pub(crate) fn photo() -> RgbImage {
    let mut random = Random::new(7);
    let discs: Vec<_> = (0..60)
        .map(|_| {
            let centre = (random.below(1200) as i64, random.below(800) as i64);
            let radius = 10 + random.below(120) as i64;
            (
                centre,
                radius,
                [random.below(256), random.below(256), random.below(256)],
            )
        })
        .collect();
    RgbImage::from_fn(1200, 800, |x, y| {
        let mut colour = [(x / 5) as usize, (y / 4) as usize, 120];
        for ((cx, cy), radius, own) in &discs {
            let (dx, dy) = (i64::from(x) - cx, i64::from(y) - cy);
            if dx * dx + dy * dy < radius * radius {
                colour = *own;
            }
        }
        let grain = random.below(17);
        Rgb(colour.map(|c| (c + grain).min(255) as u8))
    })
}

/// A baseline JPEG as written by cameras and services: quality 85, 4:2:0.
pub(crate) fn jpeg(picture: &RgbImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, 85);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    let (width, height) = (picture.width() as u16, picture.height() as u16);
    encoder
        .encode(picture.as_raw(), width, height, ColorType::Rgb)
        .expect("a picture of a legal size");
    bytes
}

/// Pseudo-random sentences: as many distinct words as ordinary prose has,
/// with capitals and punctuation.
pub(crate) fn prose(seed: u64, words: usize) -> String {
    const SYLLABLES: [&str; 32] = [
        "ba", "con", "de", "el", "for", "ga", "hin", "in", "jo", "ka", "lor", "men", "nor", "o",
        "per", "qua", "re", "sta", "ti", "un", "ver", "wa", "xi", "ye", "zo", "al", "bri", "cha",
        "dro", "es", "fi", "gla",
    ];
    let mut random = Random::new(seed);
    let mut text = String::new();
    let mut starts = true;
    for _ in 0..words {
        let at = text.len();
        for _ in 0..1 + random.below(3) {
            text.push_str(SYLLABLES[random.below(SYLLABLES.len())]);
        }
        if starts {
            text[at..=at].make_ascii_uppercase();
        }
        starts = random.below(12) == 0;
        text.push_str(if starts { ". " } else { " " });
    }
    text
}
