//! Outlines and labels on a picture.

use font8x8::UnicodeFonts;
use image::{Rgb, RgbImage};

/// A place in a picture; whole numbers are the middles of pixels.
pub(crate) type Point = (f64, f64);

const BLACK: Rgb<u8> = Rgb([0, 0, 0]);
const WHITE: Rgb<u8> = Rgb([255, 255, 255]);

/// The side of a letter in dots.
const LETTER: u32 = 8;

/// A picture to draw on.
pub(crate) struct Canvas {
    picture: RgbImage,
    /// Pixels to the side of a dot: letters and lines grow with the picture.
    dot: u32,
    /// The plates set so far: left, top, right, bottom, ends exclusive.
    plates: Vec<[u32; 4]>,
}

impl Canvas {
    pub(crate) fn new(picture: RgbImage) -> Self {
        let side = picture.width().max(picture.height());
        Self {
            dot: ((side + 300) / 600).clamp(1, 8),
            picture,
            plates: Vec::new(),
        }
    }

    pub(crate) fn into_picture(self) -> RgbImage {
        self.picture
    }

    /// Draws a closed line of `dots` dots in width, with an edge that is visible on any background.
    /// Points outside the picture are moved to its border.
    pub(crate) fn outline(&mut self, corners: &[Point], dots: u32, colour: Rgb<u8>) {
        let width = dots * self.dot;
        let edge = self.dot.div_ceil(2);
        let margin = f64::from(width - 1) / 2.0;
        let inside = |v: f64, size: u32| v.min(f64::from(size - 1) - margin).max(margin);
        let (w, h) = self.picture.dimensions();
        let corners: Vec<Point> = corners
            .iter()
            .map(|&(x, y)| (inside(x, w), inside(y, h)))
            .collect();
        for (width, colour) in [(width + 2 * edge, BLACK), (width, colour)] {
            for (from, to) in corners.iter().zip(corners.iter().cycle().skip(1)) {
                self.line(*from, *to, width, colour);
            }
        }
    }

    /// Draws a line of squares. Both ends are in the picture, so it has no more of them than the
    /// picture has pixels along its sides.
    fn line(&mut self, from: Point, to: Point, width: u32, colour: Rgb<u8>) {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let steps = dx.abs().max(dy.abs()).ceil().max(1.0);
        let reach = f64::from(width - 1) / 2.0;
        for step in 0..=steps as u32 {
            let t = f64::from(step) / steps;
            let corner = |v: f64| (v - reach).round() as i64;
            self.fill(
                corner(from.0 + t * dx),
                corner(from.1 + t * dy),
                i64::from(width),
                i64::from(width),
                colour,
            );
        }
    }

    fn fill(&mut self, left: i64, top: i64, width: i64, height: i64, colour: Rgb<u8>) {
        let range = |start: i64, length: i64, size: u32| {
            let clamp = |v: i64| v.clamp(0, i64::from(size)) as u32;
            clamp(start)..clamp(start.saturating_add(length))
        };
        let (w, h) = self.picture.dimensions();
        for y in range(top, height, h) {
            for x in range(left, width, w) {
                self.picture.put_pixel(x, y, colour);
            }
        }
    }

    /// Sets `name`, as much of its end as there is room for, and `measure` on a plate with its
    /// top left corner at `at`, or as near to that as there is room.
    pub(crate) fn label(&mut self, at: Point, name: &str, measure: &str, colour: Rgb<u8>) {
        let (w, h) = self.picture.dimensions();
        let pad = 2 * self.dot;
        let room = (w.saturating_sub(2 * pad) / (LETTER * self.dot)) as usize;
        let text = fitted(name, measure, room);
        let width = (text.len() as u32 * LETTER * self.dot + 2 * pad).min(w);
        let height = (LETTER * self.dot + 2 * pad).min(h);
        let place = |v: f64, most: u32| v.round().clamp(0.0, f64::from(most)) as u32;
        let (left, wanted) = (place(at.0, w - width), place(at.1, h - height));
        let top = self.free(left, wanted, width, height, h - height);
        self.plates.push([left, top, left + width, top + height]);
        self.fill(left.into(), top.into(), width.into(), height.into(), colour);
        let ink = ink_on(colour);
        for (i, letter) in (0..).zip(text) {
            self.letter(left + pad + i * LETTER * self.dot, top + pad, &letter, ink);
        }
    }

    /// The first height from `wanted` on, downwards and then from the top, where a plate covers
    /// no other.
    fn free(&self, left: u32, wanted: u32, width: u32, height: u32, most: u32) -> u32 {
        let is_free = |&top: &u32| {
            self.plates.iter().all(|&[l, t, r, b]| {
                left >= r || left + width <= l || top >= b || top + height <= t
            })
        };
        let below = (wanted..=most).find(is_free);
        below
            .or_else(|| (0..wanted).find(is_free))
            .unwrap_or(wanted)
    }

    fn letter(&mut self, left: u32, top: u32, rows: &[u8; 8], ink: Rgb<u8>) {
        let dot = i64::from(self.dot);
        for (y, row) in (0..).zip(rows) {
            for x in (0..8).filter(|x| row >> x & 1 == 1) {
                let (left, top) = (i64::from(left) + x * dot, i64::from(top) + y * dot);
                self.fill(left, top, dot, dot, ink);
            }
        }
    }
}

/// The letters of a label of at most `room` letters. The end of a name is kept: its start
/// is a folder.
fn fitted(name: &str, measure: &str, room: usize) -> Vec<[u8; 8]> {
    let measure: Vec<char> = " ".chars().chain(measure.chars()).collect();
    let name: Vec<char> = name.chars().collect();
    let for_name = room.saturating_sub(measure.len());
    let name = if name.len() <= for_name {
        name
    } else {
        let kept = for_name.saturating_sub(2);
        "..".chars()
            .chain(name[name.len() - kept..].iter().copied())
            .collect()
    };
    let letters = name.into_iter().chain(measure).take(room);
    letters.map(rows_of).collect()
}

/// The rows of a letter from the top, its left dot in the lowest bit.
fn rows_of(letter: char) -> [u8; 8] {
    let glyph = font8x8::BASIC_FONTS
        .get(letter)
        .or_else(|| font8x8::LATIN_FONTS.get(letter))
        .or_else(|| font8x8::GREEK_FONTS.get(letter));
    let unknown = || font8x8::BASIC_FONTS.get('?');
    glyph.or_else(unknown).unwrap_or_default()
}

/// Returns a colour that is legible on a background.
fn ink_on(ground: Rgb<u8>) -> Rgb<u8> {
    let [r, g, b] = ground.0.map(u32::from);
    if 299 * r + 587 * g + 114 * b > 140_000 {
        BLACK
    } else {
        WHITE
    }
}
