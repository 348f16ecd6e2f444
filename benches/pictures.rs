//! Pictures: decoding and each print, every one beside a named baseline.

mod common;
#[path = "../src/fingerprint/pdq/twin.rs"]
mod twin;

use std::hint::black_box;
use std::io::Cursor;

use common::cpu::CpuTime;
use criterion::{Criterion, criterion_group, criterion_main};
use img_hash::{HashAlg, HasherConfig};
use leakprint::fingerprint::{GradientPrints, PdqHash};
use leakprint::media::{self, Part, PartPath, PartSink};
use leakprint::raster::{Pixels, Raster};
use leakprint::{Budget, Digest, Limits};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// What the plain twin of PDQ makes.
type Grid = [[f32; 64]; 64];

struct Discard;

impl PartSink for Discard {
    fn part(&mut self, part: Part<'_>) {
        black_box(part);
    }

    fn warning(&mut self, _: PartPath, _: leakprint::Error) {}
}

fn zune(bytes: &[u8], colour: ColorSpace) -> Vec<u8> {
    let options = DecoderOptions::default().jpeg_set_out_colorspace(colour);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode().expect("a sound picture")
}

/// From the bytes of an upload to all of its prints, and what others need for less.
fn uploads(c: &mut Criterion<CpuTime>) {
    let fingerprinter = common::fingerprinter();
    let jpeg = common::jpeg(&common::photo());
    let mut group = c.benchmark_group("1200 x 800 baseline jpeg");
    group.bench_function("zune-jpeg: decode to RGB (baseline)", |b| {
        b.iter(|| zune(black_box(&jpeg), ColorSpace::RGB));
    });
    group.bench_function("leakprint: decode", |b| {
        b.iter(|| {
            let mut budget = Budget::new(&Limits::default());
            media::read(black_box(&jpeg), None, &mut budget, &mut Discard)
        });
    });
    let whole = common::whole_picture_fingerprinter();
    group.bench_function("leakprint: decode and prints of the whole picture", |b| {
        b.iter(|| whole.fingerprint(black_box(&jpeg), None).expect("sound"));
    });
    group.bench_function("leakprint: decode and all prints", |b| {
        b.iter(|| {
            fingerprinter
                .fingerprint(black_box(&jpeg), None)
                .expect("sound")
        });
    });
    let hasher = HasherConfig::new()
        .hash_alg(HashAlg::Gradient)
        .hash_size(16, 16)
        .to_hasher();
    group.bench_function("image + image_hasher: decode and one gradient hash", |b| {
        b.iter(|| {
            let picture = image::load_from_memory(black_box(&jpeg)).expect("sound");
            hasher.hash_image(&picture)
        });
    });
    group.finish();

    let mut png = Cursor::new(Vec::new());
    common::photo()
        .write_to(&mut png, image::ImageFormat::Png)
        .expect("in memory");
    let png = png.into_inner();
    let mut group = c.benchmark_group("1200 x 800 png");
    group.bench_function("image: decode (baseline)", |b| {
        b.iter(|| image::load_from_memory(black_box(&png)).expect("sound"));
    });
    group.bench_function("leakprint: decode and all prints", |b| {
        b.iter(|| {
            fingerprinter
                .fingerprint(black_box(&png), None)
                .expect("sound")
        });
    });
    group.finish();
}

/// Each print of a picture that is decoded already.
fn prints(c: &mut Criterion<CpuTime>) {
    let fingerprinter = common::fingerprinter();
    let jpeg = common::jpeg(&common::photo());
    let luma = zune(&jpeg, ColorSpace::Luma);
    let raster = Raster::new(1200, 800, Pixels::Luma8(luma.clone())).expect("whole");
    let mut group = c.benchmark_group("1200 x 800 luma");
    group.bench_function("pdq, plain twin on whole planes (baseline)", |b| {
        let plane: Vec<f32> = luma.iter().map(|&v| f32::from(v)).collect();
        b.iter(|| twin::frequencies(&twin::grid(black_box(&plane), 1200, 800)));
    });
    group.bench_function("pdq, leakprint, eight variants", |b| {
        b.iter(|| PdqHash::from_raster(black_box(&raster)));
    });
    let grey = image::GrayImage::from_raw(1200, 800, luma).expect("whole");
    let hasher = HasherConfig::new()
        .hash_alg(HashAlg::Gradient)
        .hash_size(16, 16)
        .to_hasher();
    group.bench_function(
        "gradient, image_hasher on the full picture (baseline)",
        |b| {
            b.iter(|| hasher.hash_image(black_box(&grey)));
        },
    );
    group.bench_function("gradient, leakprint, sixteen variants", |b| {
        b.iter(|| GradientPrints::from_raster(black_box(&raster)));
    });
    let whole = common::whole_picture_fingerprinter();
    group.bench_function("prints of the whole picture, leakprint", |b| {
        b.iter(|| whole.fingerprint_raster(black_box(&raster)));
    });
    group.bench_function("all prints, leakprint", |b| {
        b.iter(|| fingerprinter.fingerprint_raster(black_box(&raster)));
    });
    group.bench_function("bytes, blake3 of the file", |b| {
        b.iter(|| Digest::of_bytes(black_box(&jpeg)));
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = uploads, prints
}
criterion_main!(benches);
