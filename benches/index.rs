//! The index: building, opening, verifying, and its two searches, each beside a
//! naive twin in the same run.

mod common;

use std::collections::HashMap;
use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use leakprint::index::{Backend, CodeSet};
use leakprint::{Code256, Executor, Fingerprint, Index, IndexWriter};

const DOCUMENTS: u64 = 2000;

fn prints() -> Vec<Fingerprint> {
    let fingerprinter = common::fingerprinter();
    (1..=DOCUMENTS)
        .map(|seed| common::prose(seed, 1500))
        .map(|text| fingerprinter.fingerprint_text(&text).expect("text"))
        .collect()
}

fn writer(prints: &[Fingerprint]) -> IndexWriter {
    let fingerprinter = common::fingerprinter();
    let key = Some(fingerprinter.key().clone());
    let mut writer =
        IndexWriter::new(fingerprinter.recipe().clone(), key).expect("the key of the recipe");
    for (i, print) in prints.iter().enumerate() {
        writer.add(&i.to_string(), print).expect("a new name");
    }
    writer
}

fn grams(prints: &[Fingerprint]) -> impl Iterator<Item = (u64, u32, u32)> {
    let parts = (0..).zip(prints);
    parts.flat_map(|(item, print)| {
        let text = print.parts[0].text.as_ref().expect("text");
        text.grams
            .iter()
            .map(move |gram| (gram.print, item, gram.at))
    })
}

fn build(c: &mut Criterion) {
    let prints = prints();
    let serial = Executor::serial();
    let mut group = c.benchmark_group(format!("index of {DOCUMENTS} documents"));
    group.sample_size(10);
    group.throughput(Throughput::Elements(grams(&prints).count() as u64));
    group.bench_function("build: leakprint, to bytes", |b| {
        b.iter(|| {
            writer(black_box(&prints))
                .to_bytes(&serial)
                .expect("it fits")
        });
    });
    group.bench_function("build: HashMap<u64, Vec<(u32, u32)>> (baseline)", |b| {
        b.iter(|| {
            let mut map = HashMap::<u64, Vec<(u32, u32)>>::new();
            for (print, item, at) in grams(black_box(&prints)) {
                map.entry(print).or_default().push((item, at));
            }
            map
        });
    });
    group.finish();

    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("bench.lpx");
    writer(&prints).save(&file, &serial).expect("saved");
    let bytes = std::fs::read(&file).expect("just written");
    let index = Index::open(&file).expect("sound");
    let mut group = c.benchmark_group("an index file");
    group.bench_function("open: leakprint", |b| {
        b.iter(|| Index::open(black_box(&file)).expect("sound"));
    });
    group.bench_function("read all of it (baseline)", |b| {
        b.iter(|| std::fs::read(black_box(&file)).expect("readable"));
    });
    group.bench_function("verify: leakprint", |b| {
        b.iter(|| index.verify(&serial).expect("sound"));
    });
    group.bench_function("blake3 of all of it (baseline)", |b| {
        b.iter(|| leakprint::Digest::of_bytes(black_box(&bytes)));
    });
    group.finish();

    let mut map = HashMap::<u64, Vec<(u32, u32)>>::new();
    for (print, item, at) in grams(&prints) {
        map.entry(print).or_default().push((item, at));
    }
    let mut random = common::Random::new(5);
    let all: Vec<u64> = map.keys().copied().collect();
    let present: Vec<u64> = (0..100_000).map(|_| all[random.below(all.len())]).collect();
    let absent: Vec<u64> = (0..100_000).map(|_| random.next()).collect();
    for (name, keys) in [("present", &present), ("absent", &absent)] {
        let mut group = c.benchmark_group(format!("look up 100,000 grams, {name}"));
        group.throughput(Throughput::Elements(keys.len() as u64));
        group.bench_function("leakprint, in groups", |b| {
            let mut hits = Vec::new();
            b.iter(|| {
                index
                    .grams()
                    .lookup_batch(black_box(keys), &mut hits)
                    .map(|()| hits.len())
            });
        });
        group.bench_function("HashMap (baseline)", |b| {
            b.iter(|| {
                keys.iter()
                    .filter_map(|key| map.get(black_box(key)))
                    .count()
            });
        });
        group.finish();
    }
}

fn codes(c: &mut Criterion) {
    let mut random = common::Random::new(3);
    let codes: Vec<Code256> = (0..1_000_000).map(|_| random.code()).collect();
    let queries: Vec<Code256> = (0..16).map(|_| random.code()).collect();
    let serial = Executor::serial();
    let set = CodeSet::from_codes(codes.iter().copied()).expect("below 2^32");
    let mut group = c.benchmark_group("16 queries, 1,000,000 codes, radius 31");
    group.sample_size(10);
    group.throughput(Throughput::Elements(16_000_000));
    group.bench_function("naive: array of structures (baseline)", |b| {
        b.iter(|| {
            let near = |query: &Code256| {
                let codes = black_box(&codes).iter();
                codes.filter(|code| code.distance(query) <= 31).count()
            };
            queries.iter().map(near).sum::<usize>()
        });
    });
    for backend in Backend::available() {
        group.bench_function(format!("scan: leakprint, {}", backend.name()), |b| {
            let view = set.view().with_backend(backend);
            b.iter(|| {
                view.search(black_box(&queries), 31, &serial)
                    .expect("valid")
                    .0
                    .len()
            });
        });
    }
    group.bench_function("build the set: leakprint", |b| {
        b.iter_batched(
            || (),
            |()| CodeSet::from_codes(black_box(&codes).iter().copied()),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, build, codes);
criterion_main!(benches);
