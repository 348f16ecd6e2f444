//! How long after its deadline a call returns: uploads that are slow to read or to match, all of them
//! legitimate, with 50 milliseconds each.
//!
//! Prints the time of each call, and the median and the maximum over all calls of an upload.
//! On a quiet machine none takes 100 milliseconds.

mod common;
#[path = "screens/page.rs"]
mod page;

use std::cell::{Cell, RefCell};
use std::fmt::Write;
use std::hint::black_box;
use std::io::Cursor;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use image::codecs::gif::GifEncoder;
use image::{Frame, GrayImage, ImageFormat, Luma, Rgb, RgbImage, Rgba, RgbaImage};
use jpeg_encoder::{ColorType, Encoder};
use leakprint::{Fingerprinter, Index, IndexWriter, Limits, Matcher};
use page::{Style, mail};

/// The time limit of each call.
const TIME_MS: u64 = 50;

/// Screens in the index, of which [`DISTINCT_SCREENS`] differ.
const SCREENS: u32 = 2000;
const DISTINCT_SCREENS: u32 = 40;

/// A value that looks like noise, of a place.
fn noise(x: u32, y: u32) -> u8 {
    let mixed = (x ^ y.rotate_left(16)).wrapping_mul(0x9E37_79B1);
    ((mixed ^ mixed >> 15).wrapping_mul(0x85EB_CA77) >> 24) as u8
}

/// Waves with some grain: a photo-like picture.
fn photo(side: u32) -> RgbImage {
    RgbImage::from_fn(side, side, |x, y| {
        let wave = ((x as f32 / 90.0).sin() + (y as f32 / 70.0).cos()) * 55.0 + 118.0;
        let grain = f32::from(noise(x, y) >> 4);
        Rgb([wave + grain, wave, 255.0 - wave].map(|v| v as u8))
    })
}

fn encoded(picture: &RgbImage, format: ImageFormat) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    picture.write_to(&mut out, format).expect("in memory");
    out.into_inner()
}

fn jpeg(picture: &RgbImage, progressive: bool) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, 85);
    encoder.set_progressive(progressive);
    let (width, height) = (picture.width() as u16, picture.height() as u16);
    let done = encoder.encode(picture.as_raw(), width, height, ColorType::Rgb);
    done.expect("in memory");
    out
}

/// The entropy coder of VP8 with even chances, as far as noise needs it.
#[derive(Default)]
struct Bools(Vec<u8>);

impl Bools {
    /// A lossy WebP whose modes and coefficients are noise: as busy as a picture can be.
    fn webp(width: u16, height: u16) -> Vec<u8> {
        // With an even chance a bit of the stream is nearly a bit of the header: colour space,
        // clamping, segmentation, filter, its level 20 of 6 bits, sharpness, deltas, partitions.
        let mut first = vec![0b0000_0101, 0b0000_0000, 0b0000_0000];
        let blocks = u32::from(width).div_ceil(16) * u32::from(height).div_ceil(16);
        first.extend((0..(16 * blocks).min(500_000)).map(|i| noise(i, 1)));
        let tokens = (0..blocks * 200).map(|i| noise(i, 2));
        let mut frame = Vec::new();
        let tag = (first.len() as u32) << 5 | 1 << 4;
        frame.extend_from_slice(&tag.to_le_bytes()[..3]);
        frame.extend_from_slice(&[0x9D, 0x01, 0x2A]);
        frame.extend_from_slice(&width.to_le_bytes());
        frame.extend_from_slice(&height.to_le_bytes());
        frame.extend(first);
        frame.extend(tokens);
        let mut file = b"RIFF".to_vec();
        file.extend_from_slice(&(frame.len() as u32 + 12).to_le_bytes());
        file.extend_from_slice(b"WEBPVP8 ");
        file.extend_from_slice(&(frame.len() as u32).to_le_bytes());
        file.extend(Self(frame).0);
        file
    }
}

/// An animation that shows something new in every frame.
fn animation(side: u32, frames: u32) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = GifEncoder::new_with_speed(&mut out, 30);
    for frame in 0..frames {
        let picture = RgbaImage::from_fn(side, side, |x, y| {
            let lit = (x * 7 + y * 3 + frame * 41) % 97 < 50;
            Rgba(if lit {
                [250, 240, 30, 255]
            } else {
                [10, 20, 90, 255]
            })
        });
        encoder
            .encode_frame(Frame::new(picture))
            .expect("in memory");
    }
    drop(encoder);
    out
}

/// Text that repeats nothing.
fn text(chars: usize) -> String {
    let mut text = String::with_capacity(chars + 16);
    let mut number = 1_u64;
    while text.len() < chars {
        number = number
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let word = number >> 33;
        let _ = write!(text, "{} ", char::from(b'a' + (word % 26) as u8));
        let _ = write!(text, "{word:x} ");
    }
    text
}

fn screen(seed: u64) -> RgbImage {
    let mut style = Style::new(seed / 25);
    style.size = (1200, 800);
    mail(&style, seed)
}

/// An index of many screens; of those that are equal each is an item.
fn index(fingerprinter: &Fingerprinter) -> Index {
    let mut writer = IndexWriter::from(fingerprinter);
    for drawn in 0..DISTINCT_SCREENS {
        let jpeg = common::jpeg(&screen(u64::from(drawn)));
        let print = fingerprinter
            .fingerprint(&jpeg, None)
            .expect("a sound picture");
        for copy in 0..SCREENS / DISTINCT_SCREENS {
            writer
                .add(&format!("{drawn}/{copy}"), &print)
                .expect("a new name");
        }
    }
    let note = fingerprinter
        .fingerprint_text(&text(100_000))
        .expect("a text");
    writer.add("note", &note).expect("a new name");
    writer.to_index().expect("an index")
}

fn calls(c: &mut Criterion) {
    let mut limits = Limits::default();
    let fingerprinter = common::fingerprinter();
    let index = index(&fingerprinter);
    limits.time_ms = TIME_MS;
    let key = fingerprinter.key().clone();
    let matcher = Matcher::with_key(index, key)
        .expect("its key")
        .with_limits(limits);

    let large = photo(8191);
    let grey = GrayImage::from_fn(8191, 8191, |x, y| Luma([noise(x / 3, y / 5)]));
    let grey = image::DynamicImage::from(grey).into_rgb8();
    let medium = photo(2000);
    let mut uploads: Vec<(String, Vec<u8>)> = vec![
        ("64 MP baseline JPEG".into(), jpeg(&large, false)),
        ("64 MP progressive JPEG".into(), jpeg(&large, true)),
        ("4 MP progressive JPEG".into(), jpeg(&medium, true)),
        ("64 MP PNG".into(), encoded(&grey, ImageFormat::Png)),
        ("64 MP TIFF".into(), encoded(&large, ImageFormat::Tiff)),
        ("64 MP BMP".into(), encoded(&large, ImageFormat::Bmp)),
        (
            "64 MP lossless WebP".into(),
            encoded(&large, ImageFormat::WebP),
        ),
        (
            "4 MP lossless WebP".into(),
            encoded(&medium, ImageFormat::WebP),
        ),
        ("64 MP lossy WebP".into(), Bools::webp(16_383, 4096)),
        ("4 MP lossy WebP".into(), Bools::webp(2000, 2000)),
        ("animation of 4000 frames".into(), animation(200, 4000)),
        (
            "text of 64 M characters".into(),
            text(60 << 20).into_bytes(),
        ),
        ("text of 5 MB".into(), text(5 << 20).into_bytes()),
        (
            "screenshot, 2000 screens in the index".into(),
            common::jpeg(&screen(7)),
        ),
    ];
    drop((large, grey, medium));
    let mut group = c.benchmark_group("find_media with time_ms = 50");
    group.sample_size(10);
    group.warm_up_time(Duration::from_millis(500));
    group.measurement_time(Duration::from_secs(1));
    let mut report = String::new();
    for (name, bytes) in uploads.drain(..) {
        let times = RefCell::new(Vec::new());
        let outcome = Cell::new("");
        group.bench_function(&name, |b| {
            b.iter(|| {
                let start = Instant::now();
                let result = matcher.find_media(black_box(&bytes), None);
                times.borrow_mut().push(start.elapsed());
                outcome.set(match &result {
                    Ok(_) => "an answer",
                    Err(error) => error.kind().as_str(),
                });
                result
            });
        });
        let mut times = times.into_inner();
        times.sort_unstable();
        let at = |part: usize| times.get(part).copied().unwrap_or_default().as_millis();
        let (usual, longest) = (at(times.len() / 2), at(times.len().saturating_sub(1)));
        let _ = writeln!(
            report,
            "{name:<40} {} KiB: {usual} ms, {longest} ms at most in {} calls, {}",
            bytes.len() >> 10,
            times.len(),
            outcome.get()
        );
    }
    group.finish();
    #[allow(clippy::print_stdout, reason = "a program that measures")]
    {
        println!("{report}");
    }
}

criterion_group!(benches, calls);
criterion_main!(benches);
