//! Parts of pictures: extraction beside decoding, and a query against an index of screens.
//!
//! By default against 200 generated screens. `LEAKPRINT_SCREENS=FILE` takes an index
//! file instead, such as one of the ten thousand that the example `screens` draws.

mod common;
#[path = "screens/page.rs"]
mod page;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use leakprint::{Executor, Fingerprinter, Index, IndexWriter, Matcher};
use page::{Style, mail};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;

/// Screens in the generated index.
const SCREENS: u64 = 200;

fn screen(seed: u64) -> image::RgbImage {
    let mut style = Style::new(seed / 25);
    style.size = (1200, 800);
    mail(&style, seed)
}

fn extraction(c: &mut Criterion) {
    let whole = common::whole_picture_fingerprinter();
    let all = common::fingerprinter();
    for (name, picture) in [("screenshot", screen(1)), ("photo", common::photo())] {
        let jpeg = common::jpeg(&picture);
        let mut group = c.benchmark_group(format!("1200 x 800 jpeg of a {name}"));
        group.bench_function("zune-jpeg: decode to RGB (baseline)", |b| {
            b.iter(|| JpegDecoder::new(ZCursor::new(black_box(&jpeg))).decode());
        });
        group.bench_function("leakprint: prints of the whole picture", |b| {
            b.iter(|| whole.fingerprint(black_box(&jpeg), None));
        });
        group.bench_function("leakprint: all prints, of its parts too", |b| {
            b.iter(|| all.fingerprint(black_box(&jpeg), None));
        });
        group.finish();
    }
}

fn matcher() -> Matcher {
    let index = match std::env::var_os("LEAKPRINT_SCREENS") {
        Some(file) => Index::open(file).expect("an index"),
        None => {
            let fingerprinter = common::fingerprinter();
            let key = Some(fingerprinter.key().clone());
            let recipe = fingerprinter.recipe().clone();
            let mut writer = IndexWriter::new(recipe, key).expect("a recipe");
            for seed in 0..SCREENS {
                let print = fingerprint(&fingerprinter, &screen(seed));
                writer.add(&format!("{seed}"), &print).expect("a new name");
            }
            let exec = Executor::serial();
            Index::from_bytes(writer.to_bytes(&exec).expect("an index")).expect("an index")
        }
    };
    Matcher::new(index).expect("a key")
}

fn fingerprint(fingerprinter: &Fingerprinter, picture: &image::RgbImage) -> leakprint::Fingerprint {
    let jpeg = common::jpeg(picture);
    fingerprinter.fingerprint(&jpeg, None).expect("a picture")
}

/// Queries are fingerprinted beforehand: only matching is measured.
fn matching(c: &mut Criterion) {
    let matcher = matcher();
    let fingerprinter = matcher.query_fingerprinter();
    let crop = image::imageops::crop_imm(&screen(42), 300, 60, 800, 400).to_image();
    let queries = [
        ("an unrelated photo", common::photo()),
        ("a screen in a style that is not there", screen(1_000_000)),
        (
            "another mail in a style that is there",
            screen(43 + SCREENS * 8),
        ),
        ("a crop of an item, if it is there", crop),
    ];
    let mut group = c.benchmark_group("against screens");
    for (name, picture) in queries {
        let print = fingerprint(fingerprinter, &picture);
        group.bench_function(name, |b| b.iter(|| matcher.find(black_box(&print))));
    }
    group.finish();
}

criterion_group!(benches, extraction, matching);
criterion_main!(benches);
