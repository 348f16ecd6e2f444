//! Parts of pictures, on generated screens and photo-like pictures: every transform with its true
//! geometry, look-alikes, background, and changes that must not matter.

mod encode;
#[path = "../benches/screens/page.rs"]
mod page;

use std::sync::LazyLock;

use encode::{jpeg, png};
use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};
use leakprint::{
    Evidence, Executor, Fingerprinter, Index, IndexWriter, Key, Match, MatchOptions, Matcher,
    Strength,
};
use page::{Random, Style, mail};

/// Mails in the index, in three styles.
const MAILS: u64 = 9;

fn screen(seed: u64) -> RgbImage {
    mail(&Style::new(seed % 3), seed)
}

/// Overlapping discs and boxes of many sizes under a grain: corners and blobs as in a photograph.
fn photo(seed: u64) -> RgbImage {
    let mut random = Random(seed ^ 0xF070);
    let (width, height) = (720, 480);
    let mut picture = RgbImage::from_fn(width, height, |x, y| {
        Rgb([60 + (x / 8) as u8, 70 + (y / 6) as u8, 90])
    });
    for _ in 0..140 {
        let (x, y) = (random.below(720) as i64, random.below(480) as i64);
        let radius = 4 + random.below(46) as i64;
        let colour = Rgb([0; 3].map(|_: u8| random.below(256) as u8));
        let round = random.below(2) == 0;
        for py in (y - radius).max(0)..(y + radius).min(480) {
            for px in (x - radius).max(0)..(x + radius).min(720) {
                let (dx, dy) = (px - x, py - y);
                let inside = if round {
                    dx * dx + dy * dy < radius * radius
                } else {
                    dx.abs() < radius / 2
                };
                if inside {
                    picture.put_pixel(px as u32, py as u32, colour);
                }
            }
        }
    }
    for pixel in picture.pixels_mut() {
        let grain = random.below(9) as i16 - 4;
        pixel.0 = pixel.0.map(|v| (i16::from(v) + grain).clamp(0, 255) as u8);
    }
    picture
}

fn fingerprinter(key: u8) -> Fingerprinter {
    let key = Key::from_bytes([key; 32]);
    Fingerprinter::builder().key(key).build().unwrap()
}

/// An index of all mails and four photographs; `background` pictures are ordinary material.
fn matcher_with(background: &[RgbImage]) -> Matcher {
    let fingerprinter = fingerprinter(7);
    let key = Some(fingerprinter.key().clone());
    let mut writer = IndexWriter::new(fingerprinter.recipe().clone(), key).unwrap();
    for picture in background {
        let print = fingerprinter.fingerprint(&png(picture), None).unwrap();
        writer.background(&print).unwrap();
    }
    let mails = (0..MAILS).map(|i| (format!("mail{i}"), screen(i)));
    let photos = (0..4).map(|i| (format!("photo{i}"), photo(i)));
    for (name, picture) in mails.chain(photos) {
        let print = fingerprinter.fingerprint(&png(&picture), None).unwrap();
        writer.add(&name, &print).unwrap();
    }
    let exec = Executor::serial();
    let index = Index::from_bytes(writer.to_bytes(&exec).unwrap()).unwrap();
    index.verify(&exec).unwrap();
    Matcher::new(index).unwrap()
}

static MATCHER: LazyLock<Matcher> = LazyLock::new(|| matcher_with(&[]));

fn find(bytes: &[u8]) -> Vec<Match> {
    MATCHER.find_media(bytes, None).unwrap()
}

fn items(matches: &[Match]) -> Vec<&str> {
    let mut items: Vec<&str> = matches.iter().map(|m| m.item.as_str()).collect();
    items.sort_unstable();
    items
}

/// The homography, whether mirrored, whether inverted of the first evidence of a region.
fn region(found: &Match) -> ([f64; 9], bool, bool) {
    let region = found.evidence.iter().find_map(|evidence| match evidence {
        Evidence::Region {
            transform,
            mirrored,
            inverted,
            ..
        } => Some((*transform, *mirrored, *inverted)),
        _ => None,
    });
    region.unwrap_or_else(|| panic!("no region: {:?}", found.evidence))
}

fn apply(h: &[f64; 9], (x, y): (f64, f64)) -> (f64, f64) {
    let w = h[6] * x + h[7] * y + h[8];
    (
        (h[0] * x + h[1] * y + h[2]) / w,
        (h[3] * x + h[4] * y + h[5]) / w,
    )
}

/// Finds `item` alone, and its places where `truth` takes them, to `tolerance` pixels.
fn assert_placed(
    what: &str,
    query: &[u8],
    item: &str,
    size: (u32, u32),
    tolerance: f64,
    truth: impl Fn((f64, f64)) -> (f64, f64),
) -> (bool, bool) {
    let matches = find(query);
    assert_eq!(items(&matches), [item], "{what}");
    let (transform, mirrored, inverted) = region(&matches[0]);
    for (fx, fy) in [(0.3, 0.3), (0.7, 0.3), (0.3, 0.7), (0.7, 0.7), (0.5, 0.5)] {
        let place = (fx * f64::from(size.0), fy * f64::from(size.1));
        let (found, expected) = (apply(&transform, place), truth(place));
        let off = (found.0 - expected.0).hypot(found.1 - expected.1);
        assert!(
            off < tolerance,
            "{what}: {place:?} is at {found:?}, not {expected:?}"
        );
    }
    (mirrored, inverted)
}

/// The picture warped by a homography, on grey.
fn warp(
    picture: &RgbImage,
    (width, height): (u32, u32),
    back: impl Fn((f64, f64)) -> (f64, f64),
) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let (sx, sy) = back((f64::from(x), f64::from(y)));
        let inside = sx >= 0.0
            && sy >= 0.0
            && sx < f64::from(picture.width() - 1)
            && sy < f64::from(picture.height() - 1);
        if !inside {
            return Rgb([128; 3]);
        }
        imageops::interpolate_bilinear(picture, sx as f32, sy as f32).unwrap_or(Rgb([128; 3]))
    })
}

#[test]
fn crops_are_located() {
    for (item, picture) in [("mail4", screen(4)), ("photo1", photo(1))] {
        let (width, height) = picture.dimensions();
        for share in [0.8, 0.6, 0.45] {
            let (w, h) = (
                (f64::from(width) * share) as u32,
                (f64::from(height) * share) as u32,
            );
            let (x, y) = ((width - w) * 2 / 3, (height - h) / 4);
            let cut = imageops::crop_imm(&picture, x, y, w, h).to_image();
            let what = format!("{item} {share}");
            let truth = |(px, py): (f64, f64)| (px - f64::from(x), py - f64::from(y));
            assert_placed(&what, &jpeg(&cut, 70), item, (width, height), 2.0, truth);
        }
    }
}

#[test]
fn smaller_larger_turned_and_tilted_copies_are_located() {
    for (item, picture) in [("mail2", screen(2)), ("photo2", photo(2))] {
        let (width, height) = picture.dimensions();
        for factor in [0.5, 0.75, 1.5] {
            let size = (
                (f64::from(width) * factor) as u32,
                (f64::from(height) * factor) as u32,
            );
            let copy = imageops::resize(&picture, size.0, size.1, FilterType::CatmullRom);
            let what = format!("{item} x{factor}");
            let truth = |(x, y): (f64, f64)| (x * factor, y * factor);
            assert_placed(&what, &jpeg(&copy, 75), item, (width, height), 2.5, truth);
        }
        for degrees in [3.0_f64, 15.0] {
            let (sin, cos) = degrees.to_radians().sin_cos();
            let (cx, cy) = (f64::from(width) / 2.0, f64::from(height) / 2.0);
            let turned = warp(&picture, (width, height), |(x, y)| {
                let (x, y) = (x - cx, y - cy);
                (cos * x + sin * y + cx, cos * y - sin * x + cy)
            });
            let truth = |(x, y): (f64, f64)| {
                let (x, y) = (x - cx, y - cy);
                (cos * x - sin * y + cx, cos * y + sin * x + cy)
            };
            let what = format!("{item} turned by {degrees}");
            assert_placed(&what, &jpeg(&turned, 80), item, (width, height), 3.0, truth);
        }
        // As seen by a camera beside the screen.
        let back = |(x, y): (f64, f64)| {
            let w = 1.0 + 2.4e-4 * x - 1.2e-4 * y;
            (
                (1.12 * x - 0.05 * y - 40.0) / w,
                (0.06 * x + 1.1 * y - 36.0) / w,
            )
        };
        let tilted = warp(&picture, (width, height), back);
        let matches = find(&jpeg(&tilted, 80));
        assert_eq!(items(&matches), [item], "tilted");
        let (transform, ..) = region(&matches[0]);
        for place in [(0.4, 0.4), (0.6, 0.4), (0.5, 0.6)] {
            let there = (place.0 * f64::from(width), place.1 * f64::from(height));
            let (x, y) = apply(&transform, back(there));
            assert!(
                (x - there.0).hypot(y - there.1) < 3.0,
                "{item} tilted at {there:?}"
            );
        }
    }
}

#[test]
fn mirrored_and_inverted_copies_are_reported() {
    for (item, picture) in [("mail7", screen(7)), ("photo3", photo(3))] {
        let (width, height) = picture.dimensions();
        let w = width * 7 / 10;
        let cut = imageops::crop_imm(&picture, 0, 0, w, height).to_image();
        let flipped = imageops::flip_horizontal(&cut);
        let truth = |(x, y): (f64, f64)| (f64::from(w) - 1.0 - x, y);
        let flags = assert_placed(
            "mirrored",
            &jpeg(&flipped, 80),
            item,
            (w, height),
            2.5,
            truth,
        );
        assert_eq!(flags, (true, false), "{item}");
        let mut inverted = cut.clone();
        imageops::invert(&mut inverted);
        let flags = assert_placed(
            "inverted",
            &jpeg(&inverted, 80),
            item,
            (w, height),
            2.5,
            |p| p,
        );
        assert_eq!(flags, (false, true), "{item}");
    }
}

#[test]
fn frames_letterboxes_covers_and_strokes_do_not_hide_a_copy() {
    for (item, picture) in [("mail1", screen(1)), ("photo0", photo(0))] {
        let (width, height) = picture.dimensions();
        // In a post: smaller, among other things.
        let mut post = RgbImage::from_pixel(width, height + 300, Rgb([21, 32, 43]));
        let small = imageops::resize(
            &picture,
            width * 3 / 4,
            height * 3 / 4,
            FilterType::Triangle,
        );
        imageops::replace(&mut post, &small, 40, 180);
        let truth = |(x, y): (f64, f64)| (0.75 * x + 40.0, 0.75 * y + 180.0);
        assert_placed("post", &jpeg(&post, 75), item, (width, height), 2.5, truth);
        // Blacked out lines.
        let mut redacted = picture.clone();
        for i in 0..5 {
            let (x, y) = (width / 4 + 37 * i, height / 6 + i * height / 7);
            for (px, py) in (y..y + 18).flat_map(|py| (x..x + 140).map(move |px| (px, py))) {
                redacted.put_pixel(px.min(width - 1), py.min(height - 1), Rgb([0; 3]));
            }
        }
        assert_placed(
            "redacted",
            &jpeg(&redacted, 80),
            item,
            (width, height),
            2.5,
            |p| p,
        );
        // Scribbled on.
        let mut marked = picture.clone();
        for i in 0..width * 2 / 3 {
            let y = height / 3 + (f64::from(i) / 23.0).sin().mul_add(20.0, 20.0) as u32;
            for thick in 0..4 {
                marked.put_pixel(width / 6 + i, y + thick, Rgb([210, 30, 30]));
            }
        }
        assert_placed(
            "marked",
            &jpeg(&marked, 80),
            item,
            (width, height),
            2.5,
            |p| p,
        );
    }
}

#[test]
fn all_items_of_a_collage_are_found() {
    let shown = [
        ("mail0", screen(0)),
        ("mail5", screen(5)),
        ("photo1", photo(1)),
        ("photo3", photo(3)),
    ];
    let mut collage = RgbImage::from_pixel(1320, 1000, Rgb([250; 3]));
    for ((_, picture), (x, y)) in shown.iter().zip([(0, 0), (670, 0), (0, 505), (670, 505)]) {
        let small = imageops::resize(
            picture,
            640,
            640 * picture.height() / picture.width(),
            FilterType::Triangle,
        );
        let cell = imageops::crop_imm(&small, 0, 0, 640, 490).to_image();
        imageops::replace(&mut collage, &cell, x, y);
    }
    let matches = find(&jpeg(&collage, 85));
    assert_eq!(items(&matches), shown.map(|(name, _)| name));
}

#[test]
fn other_mails_in_the_same_look_and_other_pictures_are_not_matched() {
    for seed in MAILS + 15..MAILS + 30 {
        let matches = find(&jpeg(&screen(seed), 85));
        assert!(matches.is_empty(), "mail {seed}: {matches:?}");
    }
    for seed in 20..30 {
        let matches = find(&jpeg(&photo(seed), 85));
        assert!(matches.is_empty(), "photo {seed}: {matches:?}");
    }
    let blank = RgbImage::from_pixel(800, 600, Rgb([255; 3]));
    assert!(find(&png(&blank)).is_empty());
}

/// The window, the signature and the disclaimer that mails in one style share.
#[test]
fn background_pictures_discount_what_they_contain() {
    let weigh = |matcher: &Matcher| {
        let options = MatchOptions::default();
        assert_eq!(options.min_strength, Strength::Strong);
        let picture = screen(4);
        let (width, height) = picture.dimensions();
        // The folders on the left and the bar at the top: nothing of the letter.
        let mut chrome =
            RgbImage::from_pixel(width, height, *picture.get_pixel(width - 2, height - 2));
        let side = imageops::crop_imm(&picture, 0, 0, 110, height).to_image();
        imageops::replace(&mut chrome, &side, 0, 0);
        let bar = imageops::crop_imm(&picture, 0, 0, width, 44).to_image();
        imageops::replace(&mut chrome, &bar, 0, 0);
        let matches = matcher.find_media(&png(&chrome), None).unwrap();
        (
            matches,
            matcher.find_media(&jpeg(&picture, 80), None).unwrap(),
        )
    };
    // Mails that are not in the index, in the styles of those that are.
    let traffic: Vec<RgbImage> = (60..72).map(screen).collect();
    let (chrome, copy) = weigh(&matcher_with(&traffic));
    assert!(chrome.is_empty(), "{chrome:?}");
    assert_eq!(items(&copy), ["mail4"]);
    let distinctive = |matches: &[Match]| {
        matches[0]
            .evidence
            .iter()
            .find_map(|evidence| match evidence {
                Evidence::Region { distinctive, .. } => Some(*distinctive),
                _ => None,
            })
    };
    let (_, unweighed) = weigh(&MATCHER);
    assert!(distinctive(&copy).unwrap() < distinctive(&unweighed).unwrap());
}

#[test]
fn inversion_and_doubling_change_the_score_little() {
    let picture = imageops::crop_imm(&screen(8), 60, 40, 640, 420).to_image();
    let score = |picture: &RgbImage| {
        let matches = find(&png(picture));
        assert_eq!(items(&matches), ["mail8"]);
        matches[0].score
    };
    let plain = score(&picture);
    let mut inverted = picture.clone();
    imageops::invert(&mut inverted);
    // Rounded the other way, and so not the same to the bit.
    assert!((score(&inverted) - plain).abs() < 0.03);
    let doubled = imageops::resize(&picture, 1280, 840, FilterType::Nearest);
    assert!(score(&doubled) > plain - 0.1);
}

/// Without the key, signatures reveal nothing: under another key, those of the same picture are as
/// distant as those of another picture.
#[test]
fn signatures_reveal_nothing_without_the_key() {
    let picture = photo(5);
    let prints = |key| {
        let print = fingerprinter(key)
            .fingerprint(&png(&picture), None)
            .unwrap();
        print.parts[0].raster.as_ref().unwrap().local.prints.clone()
    };
    let (one, same, other) = (prints(1), prints(1), prints(2));
    assert_eq!(one, same);
    assert_eq!(one.len(), other.len());
    let total: u32 = one.iter().zip(&other).map(|(a, b)| a.distance(b)).sum();
    let mean = f64::from(total) / one.len() as f64;
    assert!((mean - 64.0).abs() < 3.0, "{mean} of 128 bits");
}

#[test]
fn threads_do_not_matter() {
    let picture = imageops::crop_imm(&photo(2), 100, 60, 420, 300).to_image();
    let print = MATCHER
        .query_fingerprinter()
        .fingerprint(&png(&picture), None)
        .unwrap();
    let expected = MATCHER.find(&print).unwrap();
    let batch = vec![print; 6];
    for threads in 1..=3 {
        let exec = Executor::with_threads(threads).unwrap();
        for found in MATCHER.find_batch(&batch, &exec) {
            assert_eq!(found.unwrap(), expected);
        }
    }
}
