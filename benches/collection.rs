//! A live collection: opening, adding, searching many segments, merging, importing.
//!
//! `cargo bench --bench collection` measures a million codes and a hundred thousand texts,
//! `LEAKPRINT_BENCH_PERCENT` a part of them, `-- --test` a hundredth. Adding is compared with writing
//! and syncing a plain file, searching with one segment, and the memory of merging with the segment that
//! it writes.

mod common;

use std::fs::{self, File};
use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use leakprint::collection::{
    CodeItem, CollectionWriter, Metadata, NewItem, Timestamp, WriterOptions,
};
use leakprint::exchange::PdqList;
use leakprint::fingerprint::Pipeline;
use leakprint::{Collection, Fingerprint, Fingerprinter, MatchOptions};

use common::cpu::CpuTime;
use common::{Random, prose};
use criterion::measurement::Measurement;

/// Words of a text.
const WORDS: usize = 150;

struct Sizes {
    codes: usize,
    texts: usize,
    head: usize,
    adds: usize,
    queries: usize,
}

fn main() {
    let test = std::env::args().any(|argument| argument == "--test");
    let percent = std::env::var("LEAKPRINT_BENCH_PERCENT").ok();
    let percent = percent.and_then(|percent| percent.parse().ok());
    let scaled = |full: usize| full * percent.unwrap_or(if test { 1 } else { 100 }) / 100;
    let sizes = Sizes {
        codes: scaled(1_000_000),
        texts: scaled(100_000),
        head: scaled(10_000),
        adds: scaled(1_000).max(20),
        queries: 1_000,
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let list = list(sizes.codes);
    parsing(&list);
    let path = folder.path().join("collection");
    let writer = CollectionWriter::open(&path, options()).expect("a new collection");
    importing(&writer, &list);
    drop(list);
    let fingerprinter = writer
        .collection()
        .fingerprinter()
        .expect("a stored key")
        .clone();
    filling(&writer, &fingerprinter, sizes.texts);
    searching(&writer, &fingerprinter, &sizes);
    drop(writer);
    opening(&path);
    adding(&path, &fingerprinter, sizes.adds);
    reloading(&path, &fingerprinter);
}

/// Without background threads, so that nothing else is measured.
fn options() -> WriterOptions {
    let mut options = WriterOptions::default();
    options.background = false;
    options
}

fn item(fingerprinter: &Fingerprinter, n: u64) -> NewItem {
    let print = fingerprinter
        .fingerprint_text(&prose(n, WORDS))
        .expect("a text");
    NewItem::new(format!("text {n}"), print)
}

/// A hash list of which one line in a hundred is broken.
fn list(lines: usize) -> Vec<u8> {
    let mut random = Random::new(3);
    let mut list = Vec::new();
    for n in 0..lines {
        let code = random.code();
        if n % 100 == 99 {
            let code = code.to_string();
            writeln!(list, "{},100,list {n}", &code[..40]).expect("memory");
        } else {
            writeln!(list, "{code},{},list {}", 50 + n % 51, n % 7).expect("memory");
        }
    }
    list
}

/// What is measured is what the program is for.
fn say(line: std::fmt::Arguments<'_>) {
    writeln!(std::io::stdout(), "{line}").expect("standard output");
}

fn per_second(count: usize, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

fn parsing(list: &[u8]) {
    let lines = list.iter().filter(|&&byte| byte == b'\n').count();
    let mut times: Vec<Duration> = (0..5)
        .map(|_| {
            let start = Instant::now();
            let mut broken = 0;
            for (number, line) in PdqList::new(list) {
                match line {
                    Ok(line) => drop(black_box(line)),
                    Err(_) => {
                        assert_eq!(number % 100, 0, "the number of a line that is broken");
                        broken += 1;
                    }
                }
            }
            assert_eq!(broken, lines / 100);
            start.elapsed()
        })
        .collect();
    let time = median(&mut times);
    say(format_args!(
        "list: {lines} lines read, {:.0} lines/s",
        per_second(lines, time)
    ));
}

fn importing(writer: &CollectionWriter, list: &[u8]) {
    let start = Instant::now();
    let mut lines = 0;
    let codes: Vec<CodeItem> = PdqList::new(list)
        .filter_map(|(_, line)| {
            lines += 1;
            let line = line.ok()?;
            let mut metadata = Metadata::added(Timestamp(0));
            metadata.label = line.label.map(|label| label.into_owned());
            Some(CodeItem::new(line.code, line.quality, metadata))
        })
        .collect();
    let imported = writer
        .import_codes(Pipeline::Full, codes, false)
        .expect("importing");
    let time = start.elapsed();
    say(format_args!(
        "list: {} codes durable and matchable in {time:.2?}, {:.0} lines/s",
        imported.added,
        per_second(lines, time)
    ));
}

/// Anonymous memory of this process, in bytes; 0 if the system does not report it.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or_default() << 10
}

/// Peak memory of `f` beyond the current use.
fn peak<T>(f: impl FnOnce() -> T) -> (T, u64) {
    let before = memory();
    let (done, most) = (AtomicBool::new(false), AtomicU64::new(0));
    let result = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                most.fetch_max(memory(), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        let result = f();
        done.store(true, Ordering::Relaxed);
        result
    });
    (result, most.into_inner().saturating_sub(before))
}

fn filling(writer: &CollectionWriter, fingerprinter: &Fingerprinter, texts: usize) {
    let start = Instant::now();
    let mut added = 0;
    // Eight segments, the codes in the first.
    for segment in 0..8_u64 {
        let share = texts as u64 / 8;
        let mut batch = Vec::new();
        for n in segment * share..(segment + 1) * share {
            batch.push(item(fingerprinter, n));
            if batch.len() == 512 {
                added += writer.add_batch(&batch).expect("adding").0.len();
                batch.clear();
            }
        }
        added += writer.add_batch(&batch).expect("adding").0.len();
        writer.flush().expect("flushing");
    }
    let time = start.elapsed();
    say(format_args!(
        "texts: {added} in batches of 512 in {time:.2?}, {:.0}/s",
        per_second(added, time)
    ));
}

fn queries(fingerprinter: &Fingerprinter, count: usize, texts: usize) -> Vec<Fingerprint> {
    let query = |n: usize| {
        // Nine in ten are about something else.
        let seed = if n.is_multiple_of(10) {
            n % texts
        } else {
            10_000_000 + n
        };
        fingerprinter
            .fingerprint_text(&prose(seed as u64, 45))
            .expect("a text")
    };
    (0..count).map(query).collect()
}

fn time_of(matcher: &leakprint::Matcher, queries: &[Fingerprint]) -> Duration {
    let start = CpuTime.start();
    for query in queries {
        black_box(matcher.find(query).expect("matching"));
    }
    CpuTime.end(start)
}

fn searching(writer: &CollectionWriter, fingerprinter: &Fingerprinter, sizes: &Sizes) {
    for n in 0..sizes.head as u64 {
        let item = item(fingerprinter, 1_000_000 + n);
        // One at a time, without waiting for the disk each time.
        writer.add_batch(&[item]).expect("adding");
    }
    let apart = writer.collection().snapshot();
    let segments = apart.info().segments;
    let head = segments.iter().filter(|segment| segment.head).count();
    say(format_args!(
        "searched: {} segments on disk, {head} in the head",
        segments.len() - head
    ));
    let (_, most) = peak(|| writer.compact().expect("merging"));
    let together = writer.collection().snapshot();
    let segments = together.info().segments;
    let bytes: u64 = segments
        .iter()
        .map(|segment| segment.bytes)
        .max()
        .unwrap_or_default();
    say(format_args!(
        "merging: a segment of {bytes} bytes with {most} bytes of memory, {:.2} times",
        most as f64 / bytes as f64
    ));
    let queries = queries(fingerprinter, sizes.queries, sizes.texts);
    let matcher = |snapshot: &leakprint::collection::Snapshot| {
        snapshot
            .matcher(MatchOptions::default())
            .expect("a stored key")
    };
    let (apart, together) = (matcher(&apart), matcher(&together));
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..7 {
        times[0].push(time_of(&apart, &queries));
        times[1].push(time_of(&together, &queries));
    }
    let [apart, together] = times.map(|mut times| median(&mut times));
    let each = |time: Duration| time.as_secs_f64() * 1e6 / queries.len() as f64;
    say(format_args!(
        "searching: {:.1} µs per query of 45 words in 8 segments and a head, {:.1} in one segment, {:.2} times",
        each(apart),
        each(together),
        each(apart) / each(together)
    ));
}

fn opening(path: &Path) {
    let mut times: Vec<Duration> = (0..21)
        .map(|_| {
            let start = Instant::now();
            black_box(Collection::open(path).expect("opening"));
            start.elapsed()
        })
        .collect();
    say(format_args!("opening: {:.2?}", median(&mut times)));
}

fn adding(path: &Path, fingerprinter: &Fingerprinter, count: usize) {
    let writer = CollectionWriter::open(path, options()).expect("opening");
    let probe = path.parent().expect("a parent").join("probe");
    let mut plain = File::create(&probe).expect("a file");
    let (mut adds, mut syncs) = (Vec::new(), Vec::new());
    for n in 0..count as u64 {
        let item = item(fingerprinter, 2_000_000 + n);
        let bytes = vec![1; 2_000];
        let start = Instant::now();
        plain
            .write_all(&bytes)
            .and_then(|()| plain.sync_data())
            .expect("a disk");
        syncs.push(start.elapsed());
        let start = Instant::now();
        writer.add(item).expect("adding");
        black_box(writer.collection().snapshot());
        adds.push(start.elapsed());
    }
    let at = |times: &mut Vec<Duration>, percent: usize| {
        times.sort_unstable();
        times[(times.len() * percent / 100).min(times.len() - 1)]
    };
    say(format_args!(
        "adding: p50 {:.2?}, p99 {:.2?} to matchable; a plain write and sync: p50 {:.2?}, p99 {:.2?}",
        at(&mut adds, 50),
        at(&mut adds, 99),
        at(&mut syncs, 50),
        at(&mut syncs, 99)
    ));
}

fn reloading(path: &Path, fingerprinter: &Fingerprinter) {
    let writer = CollectionWriter::open(path, options()).expect("opening");
    writer.flush().expect("flushing");
    let reader = Collection::open(path).expect("opening");
    let cycle = |n: u64| {
        writer.add(item(fingerprinter, 3_000_000)).expect("adding");
        writer.remove(&["text 3000000"]).expect("removing");
        if n.is_multiple_of(10) {
            writer.flush().expect("flushing");
        }
        assert!(reader.refresh().expect("refreshing"));
        black_box(
            reader
                .snapshot()
                .find_text(&prose(n, 45))
                .expect("matching"),
        );
    };
    (0..10).for_each(cycle);
    let before = memory();
    (0..100).for_each(cycle);
    say(format_args!(
        "reloading: {} bytes more after 100 cycles",
        memory() as i64 - before as i64
    ));
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
