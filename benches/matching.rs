//! Matching: pictures and texts against an index, each beside a naive twin in the same run.

mod common;

use std::collections::HashMap;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use leakprint::{
    Code256, Dihedral, Executor, Fingerprint, Fingerprinter, Index, IndexWriter, Matcher,
};

use common::{fingerprinter, prose};

fn build(fingerprinter: &Fingerprinter, prints: &[Fingerprint]) -> Index {
    let key = Some(fingerprinter.key().clone());
    let mut writer = IndexWriter::new(fingerprinter.recipe().clone(), key).expect("one recipe");
    for (i, print) in prints.iter().enumerate() {
        writer.add(&format!("{i}"), print).expect("a new name");
    }
    let bytes = writer.to_bytes(&Executor::serial()).expect("it fits");
    Index::from_bytes(bytes).expect("a sound index")
}

/// 2,000 documents of 1,500 words; queries are posts of 45 words, one in four a quotation.
fn text(c: &mut Criterion) {
    let fingerprinter = fingerprinter();
    let documents: Vec<String> = (1..=2000).map(|seed| prose(seed, 1500)).collect();
    let prints: Vec<_> = documents
        .iter()
        .map(|d| fingerprinter.fingerprint_text(d).expect("text"))
        .collect();
    let matcher = Matcher::new(build(&fingerprinter, &prints)).expect("the key is inside");
    let posts: Vec<String> = (0..400)
        .map(|i| match i % 4 {
            0 => documents[i * 5].chars().skip(900).take(280).collect(),
            _ => prose(1_000_000 + i as u64, 45),
        })
        .collect();
    let bytes: usize = posts.iter().map(String::len).sum();

    let mut group = c.benchmark_group("match text, 400 posts against 2,000 documents");
    group.sample_size(20);
    group.throughput(Throughput::Bytes(bytes as u64));
    group.bench_function("leakprint: fold to verified match", |b| {
        b.iter(|| {
            posts
                .iter()
                .map(|post| matcher.find_text(black_box(post)).expect("sound").len())
                .sum::<usize>()
        });
    });
    // The naive twin: normalise to a String, count shared 12-grams in a HashMap of strings.
    let normal = |text: &str| -> Vec<char> {
        text.chars()
            .filter(|c| c.is_alphanumeric())
            .flat_map(char::to_lowercase)
            .collect()
    };
    let mut grams: HashMap<[char; 12], Vec<u32>> = HashMap::new();
    for (i, document) in documents.iter().enumerate().take(200) {
        for gram in normal(document).array_windows::<12>() {
            grams.entry(*gram).or_default().push(i as u32);
        }
    }
    group.bench_function(
        "naive: HashMap of 12-grams, a tenth of the documents",
        |b| {
            b.iter(|| {
                let mut found = 0;
                for post in &posts {
                    let mut counts: HashMap<u32, u32> = HashMap::new();
                    for gram in normal(post).array_windows::<12>() {
                        for item in grams.get(gram).into_iter().flatten() {
                            *counts.entry(*item).or_default() += 1;
                        }
                    }
                    found += counts.values().filter(|n| **n >= 4).count();
                }
                found
            });
        },
    );
    group.finish();
}

/// 100,000 pictures, one query: 16 codes, then the second opinion.
fn pictures(c: &mut Criterion) {
    // A hundred thousand pictures of the same details would be another benchmark.
    let fingerprinter = common::whole_picture_fingerprinter();
    let raster = leakprint::raster::Raster::new(
        64,
        64,
        leakprint::raster::Pixels::Luma8((0..64 * 64).map(|i| (i * i / 7 % 251) as u8).collect()),
    )
    .expect("64 x 64");
    let mut random = common::Random::new(9);
    let query = fingerprinter.fingerprint_raster(&raster);
    let prints: Vec<_> = (0..100_000)
        .map(|_| {
            let mut print = query.clone();
            for part in &mut print.parts {
                if let Some(raster) = &mut part.raster {
                    raster.pixels = None;
                    raster.pdq.quality = 100;
                    raster.pdq.variants = [random.code(); 8];
                }
            }
            print
        })
        .collect();
    let matcher = Matcher::new(build(&fingerprinter, &prints)).expect("the key is inside");
    let codes: Vec<Code256> = (0..100_000).map(|_| random.code()).collect();

    let mut group = c.benchmark_group("match picture against 100,000");
    group.sample_size(20);
    group.bench_function("leakprint: 16 variants", |b| {
        b.iter(|| matcher.find(black_box(&query)).expect("sound").len());
    });
    group.bench_function("naive: 16 variants, array of structures", |b| {
        let variants = query.parts[0].raster.as_ref().map(|r| r.pdq.variants);
        let variants = variants.unwrap_or_default();
        b.iter(|| {
            let mut found = 0;
            for d in Dihedral::ALL {
                for inverted in [false, true] {
                    let own = variants[d as usize];
                    let own = if inverted { own.complement() } else { own };
                    found += black_box(&codes)
                        .iter()
                        .filter(|c| c.distance(&own) <= 48)
                        .count();
                }
            }
            found
        });
    });
    group.finish();
}

criterion_group!(benches, text, pictures);
criterion_main!(benches);
