//! Text to grams, beside a naive twin.

mod common;

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::hint::black_box;

use common::cpu::CpuTime;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use leakprint::text::{Folded, GramKey, Sampling, fold_into, grams_into};

/// What one would write first: lower-case letters and digits in a `Vec<char>`,
/// each 12-gram hashed afresh with SipHash, the smallest of each 8 kept.
fn naive(text: &str, state: &RandomState) -> Vec<u64> {
    let letters: Vec<char> = text
        .chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect();
    let hashes: Vec<u64> = letters
        .windows(12)
        .map(|gram| state.hash_one(gram))
        .collect();
    let mut kept: Vec<u64> = hashes
        .windows(8)
        .filter_map(|window| window.iter().min().copied())
        .collect();
    kept.dedup();
    kept
}

fn text(c: &mut Criterion<CpuTime>) {
    let key = GramKey::new(&[1; 32]);
    let english = common::prose(1, 160_000);
    // Two accented letters a hundred, as in French or German.
    let accented: String = english
        .chars()
        .enumerate()
        .map(|(i, c)| match c {
            'e' if i % 3 == 0 => 'é',
            c => c,
        })
        .collect();
    for (name, text) in [("ascii", &english), ("accented", &accented)] {
        let mut group = c.benchmark_group(format!("1 MB of prose, {name}"));
        group.throughput(Throughput::Bytes(text.len() as u64));
        let (mut folded, mut grams) = (Folded::default(), Vec::new());
        group.bench_function("fold, grams, winnow, seal: leakprint", |b| {
            b.iter(|| {
                fold_into(black_box(text), &mut folded);
                grams_into(folded.symbols(), &key, Sampling::Winnow(8), &mut grams);
            });
        });
        group.bench_function("fold alone: leakprint", |b| {
            b.iter(|| fold_into(black_box(text), &mut folded));
        });
        group.bench_function("naive twin: chars, SipHash, windows (baseline)", |b| {
            let state = RandomState::new();
            b.iter(|| naive(black_box(text), &state));
        });
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = text
}
criterion_main!(benches);
