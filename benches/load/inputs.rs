//! The queries: texts and pictures, generated or from a folder; some contain an item of the collection.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use font8x8::UnicodeFonts;
use image::codecs::jpeg::JpegEncoder;
use image::{ImageFormat, Rgb, RgbImage};
use leakprint::media::Format;

use crate::Failure;

/// SplitMix64 (Steele, Lea, Flood, 2014).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }
}

/// One query.
#[derive(Clone)]
pub(crate) struct Input {
    pub(crate) bytes: Vec<u8>,
    pub(crate) is_text: bool,
    /// The item that it contains.
    pub(crate) shows: Option<String>,
}

/// The items and the queries.
pub(crate) struct Inputs {
    /// Names and bytes.
    pub(crate) items: Vec<(String, Vec<u8>)>,
    pub(crate) texts: Vec<Input>,
    pub(crate) pictures: Vec<Input>,
}

const SYLLABLES: [&str; 32] = [
    "an", "ber", "cal", "den", "el", "fin", "gar", "hol", "in", "jen", "kel", "lor", "mar", "nor",
    "os", "pel", "quin", "ras", "sol", "tan", "ul", "ver", "wes", "yor", "zan", "cre", "dis",
    "fra", "gle", "mi", "no", "stra",
];

/// A text with a number of words.
pub(crate) fn text(random: &mut Random, words: usize) -> String {
    let mut text = String::new();
    for i in 0..words {
        if i > 0 {
            text.push(' ');
        }
        for _ in 0..1 + random.below(3) {
            text.push_str(SYLLABLES[random.below(SYLLABLES.len())]);
        }
    }
    text
}

/// A screenshot of a mail program: lines of text, with a bar and a side column.
fn screen(random: &mut Random) -> RgbImage {
    let (width, height) = (1200, 800);
    let paper = 235 + random.below(20) as u8;
    let mut picture = RgbImage::from_pixel(width, height, Rgb([paper; 3]));
    let bar = Rgb([0; 3].map(|_: u8| 60 + random.below(150) as u8));
    for (x, y) in (0..width).flat_map(|x| (0..48).map(move |y| (x, y))) {
        picture.put_pixel(x, y, bar);
    }
    for line in 0..26 {
        let words = 6 + random.below(4);
        let letters = text(random, words);
        write(&mut picture, (220, 80 + 27 * line), &letters);
        let name = text(random, 1);
        write(&mut picture, (12, 80 + 27 * line), &name);
    }
    picture
}

fn write(picture: &mut RgbImage, (x, y): (u32, u32), text: &str) {
    for (at, letter) in (0..).zip(text.chars()) {
        let glyph = font8x8::BASIC_FONTS.get(letter).unwrap_or_default();
        for (row, bits) in (0..).zip(glyph) {
            for column in (0..8).filter(|column| bits >> column & 1 == 1) {
                for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                    let (px, py) = (x + 2 * (8 * at + column) + dx, y + 2 * row + dy);
                    if px < picture.width() && py < picture.height() {
                        picture.put_pixel(px, py, Rgb([30; 3]));
                    }
                }
            }
        }
    }
}

/// A photo-like picture: discs of all sizes on a gradient, with grain.
fn photo(random: &mut Random) -> RgbImage {
    let (width, height) = (1200_i64, 800_i64);
    let discs: Vec<_> = (0..40)
        .map(|_| {
            let (x, y) = (random.below(1200) as i64, random.below(800) as i64);
            let radius = 10 + random.below(140) as i64;
            (
                x,
                y,
                radius * radius,
                [0; 3].map(|_: u32| random.below(256) as u32),
            )
        })
        .collect();
    let mut grain = Random(random.next());
    RgbImage::from_fn(width as u32, height as u32, |x, y| {
        let (x, y) = (i64::from(x), i64::from(y));
        let mut colour = [
            (230 - y / 8) as u32,
            (220 - y / 7) as u32,
            (190 - y / 10) as u32,
        ];
        for (cx, cy, radius, own) in &discs {
            let distance = (x - cx) * (x - cx) + (y - cy) * (y - cy);
            if distance < *radius {
                colour = own.map(|c| c * (256 - (distance * 150 / radius) as u32) / 256);
            }
        }
        let noise = grain.below(9) as u32;
        Rgb(colour.map(|c| (c + noise).min(255) as u8))
    })
}

fn jpeg(picture: &RgbImage, quality: u8) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    picture.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, quality))?;
    Ok(bytes)
}

fn png(picture: &RgbImage) -> Result<Vec<u8>, Failure> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png)?;
    Ok(bytes.into_inner())
}

impl Inputs {
    /// Generates inputs from a seed: `items` pictures, and 25 times as many texts; every third query
    /// contains one of them.
    pub(crate) fn generate(seed: u64, items: usize) -> Result<Self, Failure> {
        let mut random = Random(seed);
        let mut inputs = Self {
            items: Vec::new(),
            texts: Vec::new(),
            pictures: Vec::new(),
        };
        for number in 0..25 * items {
            let item = text(&mut random, 300);
            let name = format!("text/{number:03}.txt");
            let words: Vec<&str> = item.split(' ').collect();
            let from = random.below(250);
            let quoted = format!(
                "{} {}",
                text(&mut random, 15),
                words[from..from + 40].join(" ")
            );
            inputs.texts.push(Input::text(quoted, Some(name.clone())));
            for _ in 0..2 {
                let other = text(&mut random, 45);
                inputs.texts.push(Input::text(other, None));
            }
            inputs.items.push((name, item.into_bytes()));
        }
        for number in 0..items {
            let draw = |random: &mut Random| match number % 2 {
                0 => screen(random),
                _ => photo(random),
            };
            let original = draw(&mut random);
            let name = format!("picture/{number:03}.png");
            let copy = jpeg(&original, 80)?;
            inputs
                .pictures
                .push(Input::picture(copy, Some(name.clone())));
            for _ in 0..2 {
                let other = jpeg(&draw(&mut random), 85)?;
                inputs.pictures.push(Input::picture(other, None));
            }
            inputs.items.push((name, png(&original)?));
        }
        Ok(inputs)
    }

    /// Replaces the queries by the files of a folder; their format is detected from content.
    pub(crate) fn with_folder(mut self, folder: &Path) -> Result<Self, Failure> {
        let mut paths = Vec::new();
        walk(folder, &mut paths)?;
        paths.sort();
        self.texts.clear();
        self.pictures.clear();
        for path in paths {
            let bytes = fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
            let format = Format::sniff(&bytes, path.to_str());
            let is_text = matches!(format, Some(Format::Text)) && str::from_utf8(&bytes).is_ok();
            let input = Input {
                bytes,
                is_text,
                shows: None,
            };
            match is_text {
                true => self.texts.push(input),
                false => self.pictures.push(input),
            }
        }
        if self.texts.is_empty() && self.pictures.is_empty() {
            return Err(format!("{}: no files to send", folder.display()).into());
        }
        Ok(self)
    }

    /// Query number `n`; `pictures_in_100` of a hundred are pictures, evenly distributed.
    pub(crate) fn query(&self, n: usize, pictures_in_100: usize) -> &Input {
        let before = n * pictures_in_100 / 100;
        let is_picture = (n + 1) * pictures_in_100 / 100 > before;
        let (from, at) = match is_picture {
            true if !self.pictures.is_empty() => (&self.pictures, before),
            _ if self.texts.is_empty() => (&self.pictures, n),
            _ => (&self.texts, n - before),
        };
        &from[at % from.len()]
    }
}

impl Input {
    fn text(text: String, shows: Option<String>) -> Self {
        Self {
            bytes: text.into_bytes(),
            is_text: true,
            shows,
        }
    }

    fn picture(bytes: Vec<u8>, shows: Option<String>) -> Self {
        Self {
            bytes,
            is_text: false,
            shows,
        }
    }
}

fn walk(folder: &Path, paths: &mut Vec<std::path::PathBuf>) -> Result<(), Failure> {
    for entry in fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            walk(&entry.path(), paths)?;
        } else if kind.is_file() {
            paths.push(entry.path());
        }
    }
    Ok(())
}
