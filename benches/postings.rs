//! Large indexes of text: look-ups in 10 million grams with 40 million places, and
//! whole texts against 20 million places.
//!
//! `LEAKPRINT_BENCH_PERCENT` scales both, 100 by default, which takes some 3 GB of
//! memory and a minute to make; a test run (`cargo bench -- --test`) takes 1.

mod common;

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::hint::black_box;
use std::path::PathBuf;

use common::cpu::CpuTime;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use leakprint::index::PostingList;
use leakprint::text::{Folded, GramKey, Sampling, fold_into, grams_into};
use leakprint::{Executor, Fingerprint, Index, IndexWriter, Matcher};

/// Looked up in one call: the grams of a text of five kilobytes.
const BATCH: usize = 1024;

/// Places of one part in the made-up index.
const PER_PART: u64 = 1000;

fn scaled(full: u64) -> u64 {
    let test = std::env::args().any(|argument| argument == "--test");
    let percent = std::env::var("LEAKPRINT_BENCH_PERCENT").ok();
    let percent = percent.and_then(|percent| percent.parse().ok());
    full * percent.unwrap_or(if test { 1 } else { 100 }) / 100
}

/// The keys are uniform, so the hash table may use them as they are: it is the
/// fastest that way.
#[derive(Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("keys are integers")
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

/// The standard table is hashbrown.
type Map = HashMap<u64, Vec<u32>, BuildHasherDefault<Identity>>;

/// Key `i`: the finaliser of SplitMix64, a bijection.
fn key(i: u64) -> u64 {
    let x = i.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ x >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ x >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ x >> 31
}

/// The keys of a part, four rounds through all keys in four orders.
fn keys_of(part: u64, keys: u64) -> impl Iterator<Item = u64> {
    // Prime, and so without a common factor with a power of ten.
    const STRIDES: [u64; 4] = [1, 7_368_787, 104_729, 1_299_709];
    (part * PER_PART..(part + 1) * PER_PART).map(move |i| {
        let round = (i / keys) as usize;
        key(i % keys * STRIDES[round % 4] % keys)
    })
}

fn saved(writer: &mut IndexWriter) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("bench.lkp");
    writer.save(&file, &Executor::serial()).expect("saved");
    (folder, file)
}

fn writer() -> IndexWriter {
    let fingerprinter = common::fingerprinter();
    let key = Some(fingerprinter.key().clone());
    IndexWriter::new(fingerprinter.recipe().clone(), key).expect("the key of the recipe")
}

/// A fingerprint with as many grams as a part has, to be filled.
fn template() -> Fingerprint {
    let text = common::prose(1, 1500);
    let mut print = common::fingerprinter()
        .fingerprint_text(&text)
        .expect("text");
    let text = print.parts[0].text.as_mut().expect("text");
    assert!(text.grams.len() >= PER_PART as usize);
    text.grams.truncate(PER_PART as usize);
    print
}

/// Ways to have the index in memory.
type Opened = fn(&std::path::Path) -> leakprint::Result<Index>;

fn look_up(c: &mut Criterion<CpuTime>) {
    let keys = scaled(10_000_000);
    let places = 4 * keys;
    let mut writer = writer();
    let mut print = template();
    for part in 0..places / PER_PART {
        let text = print.parts[0].text.as_mut().expect("text");
        for (gram, key) in text.grams.iter_mut().zip(keys_of(part, keys)) {
            gram.print = key;
        }
        writer.add(&part.to_string(), &print).expect("a new name");
    }
    let (_folder, file) = saved(&mut writer);
    drop(writer);
    let [mapped, loaded] = [(|file| Index::open(file)) as Opened, |file| {
        Index::load(file)
    }]
    .map(|open| open(&file).expect("sound"));
    assert_eq!(
        (
            mapped.grams().len() as u64,
            mapped.grams().postings() as u64
        ),
        (keys, places)
    );
    let sections = mapped.info().sections.into_iter();
    let sections = sections.filter(|s| matches!(s.name.as_str(), "postings" | "gram_lines"));
    let bytes = sections.map(|s| s.bytes).sum::<u64>() as f64 / places as f64;
    let mut map = Map::default();
    for part in 0..places / PER_PART {
        for key in keys_of(part, keys) {
            map.entry(key).or_default().push(part as u32);
        }
    }

    let mut random = common::Random::new(5);
    let count = 1 << 18;
    let present: Vec<u64> = (0..count)
        .map(|_| key(random.below(keys as usize) as u64))
        .collect();
    let absent: Vec<u64> = (0..count).map(|_| random.next()).collect();
    for (name, prints) in [("present", present), ("absent", absent)] {
        let mut group = c.benchmark_group(format!(
            "{keys} grams, {places} places, {bytes:.2} bytes each; {name}"
        ));
        group.sample_size(20);
        group.throughput(Throughput::Elements(prints.len() as u64));
        for (name, index) in [("mapped", &mapped), ("loaded", &loaded)] {
            group.bench_function(format!("leakprint, {name}: batches, lists read"), |b| {
                let grams = index.grams();
                b.iter(|| {
                    let mut sum = 0_u64;
                    for batch in black_box(&prints).chunks(BATCH) {
                        let read = |_, list: PostingList<'_>| {
                            let places = list.iter().map(|place| place.expect("sound"));
                            sum += places.map(|(_, at)| u64::from(at)).sum::<u64>();
                        };
                        grams.lookup_each(batch, read).expect("sound");
                    }
                    sum
                });
            });
        }
        group.bench_function("hashbrown<u64, Vec<u32>>, lists read (baseline)", |b| {
            b.iter(|| {
                let mut sum = 0_u64;
                for print in black_box(&prints) {
                    for part in map.get(print).into_iter().flatten() {
                        sum += u64::from(*part);
                    }
                }
                sum
            });
        });
        group.finish();
    }
}

/// Another language that looks alike: each letter is the one seven places on.
fn other_letters(text: &str) -> String {
    let turned = |c: char, first: u8| char::from(first + (c as u8 - first + 7) % 26);
    let letters = text.chars().map(|c| match c {
        'a'..='z' => turned(c, b'a'),
        'A'..='Z' => turned(c, b'A'),
        _ => c,
    });
    letters.collect()
}

fn query(c: &mut Criterion<CpuTime>) {
    let documents = scaled(12_650);
    let fingerprinter = common::fingerprinter();
    let mut writer = writer();
    let mut leak = Vec::new();
    for seed in 1..=documents {
        let text = common::prose(seed, 1500);
        let print = fingerprinter.fingerprint_text(&text).expect("text");
        writer.add(&seed.to_string(), &print).expect("a new name");
        if seed % (documents / 100).max(1) == 0 {
            leak.push(text);
        }
    }
    let (_folder, file) = saved(&mut writer);
    drop(writer);
    let index = Index::open(&file).expect("sound");
    let places = index.grams().postings();
    let matcher = Matcher::new(index).expect("the key is inside");
    // All prose here is made of 32 syllables, so that half of the grams of any text are in the
    // index by chance; other letters in the same places share none.
    let unrelated: Vec<String> = (0..100).map(|i| common::prose(1 << 40 | i, 1500)).collect();
    let foreign = unrelated.iter().map(|text| other_letters(text)).collect();
    let key = GramKey::new(&[1; 32]);
    let sets = [
        ("of other words", foreign),
        ("unrelated, of the same syllables", unrelated),
        ("quoted whole", leak),
    ];
    for (name, texts) in sets {
        let mut group = c.benchmark_group(format!("{places} places; documents, {name}"));
        group.sample_size(10);
        group.throughput(Throughput::Bytes(
            texts.iter().map(String::len).sum::<usize>() as u64,
        ));
        group.bench_function("leakprint: fold to verified match", |b| {
            b.iter(|| {
                let texts = black_box(&texts).iter();
                texts
                    .map(|text| matcher.find_text(text).expect("sound").len())
                    .sum::<usize>()
            });
        });
        group.bench_function("leakprint: fold to keyed grams alone (baseline)", |b| {
            let (mut folded, mut grams) = (Folded::default(), Vec::new());
            b.iter(|| {
                for text in black_box(&texts) {
                    fold_into(text, &mut folded);
                    grams_into(folded.symbols(), &key, Sampling::Winnow(8), &mut grams);
                }
            });
        });
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = look_up, query
}
criterion_main!(benches);
