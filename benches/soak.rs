//! A long run: mixed queries against a collection that changes and is reloaded meanwhile.
//!
//! ```text
//! cargo bench --bench soak -- 1000000
//! ```
//!
//! Prints the rate and the resident memory of each tenth, and compares the last with the first, which
//! shows leaks and slow-downs.

mod common;

// Damaged files are shared with the tests.
#[allow(dead_code, unreachable_pub, reason = "the soak uses a part of it")]
#[path = "../tests/absurd_numbers/doc.rs"]
mod doc;
#[allow(dead_code, reason = "the soak uses a part of it")]
#[path = "../tests/absurd_numbers/formats/mod.rs"]
mod formats;
#[path = "../tests/absurd_numbers/syntax.rs"]
mod syntax;
#[allow(dead_code, reason = "the soak uses a part of it")]
#[path = "../tests/absurd_numbers/targets/mod.rs"]
mod targets;

use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use image::{RgbImage, imageops};
use leakprint::collection::{CollectionWriter, NewItem, WriterOptions};
use leakprint::{Collection, ErrorKind, MatchOptions, Result};

use common::{Random, jpeg, prose};
use doc::Edit;

/// Default number of queries, and the number for `cargo bench -- --test`.
const DEFAULT_QUERIES: u64 = 20_000;
const TEST_QUERIES: u64 = 60;

/// Items of each kind in the collection at a time.
const TEXTS: usize = 300;
const PICTURES: usize = 12;

/// Queries after which a worker reloads the collection.
const QUERIES_PER_RELOAD: u64 = 500;

/// Querying threads.
const WORKERS: usize = 2;

/// A query and the name of its file.
struct Query(Vec<u8>, &'static str);

/// What every query is chosen from.
struct Pool {
    documents: Vec<String>,
    pictures: Vec<Query>,
    files: Vec<Query>,
    hostile: Vec<Query>,
}

/// A small picture of discs; another one for each seed.
fn picture(seed: u64) -> RgbImage {
    let mut random = Random::new(seed);
    let discs: Vec<_> = (0..40)
        .map(|_| {
            let place = (random.below(320) as i64, random.below(240) as i64);
            let colour = [0; 3].map(|_| random.below(256) as u8);
            (place, 4 + random.below(30) as i64, colour)
        })
        .collect();
    RgbImage::from_fn(320, 240, |x, y| {
        let shows = |&((cx, cy), r, _): &((i64, i64), i64, [u8; 3])| {
            (i64::from(x) - cx).pow(2) + (i64::from(y) - cy).pow(2) < r * r
        };
        let top = discs.iter().rev().find(|disc| shows(disc));
        image::Rgb(top.map_or([90, 120, (x / 2) as u8], |disc| disc.2))
    })
}

impl Pool {
    fn new() -> Self {
        let documents = (1..=TEXTS as u64).map(|seed| prose(seed, 400)).collect();
        let mut pictures = Vec::new();
        for seed in 0..3 * PICTURES as u64 {
            // Two thirds contain no item.
            let whole = picture(1 + seed);
            let part = imageops::crop_imm(&whole, 40, 30, 220, 160).to_image();
            pictures.push(Query(jpeg(&whole), "a.jpg"));
            pictures.push(Query(jpeg(&part), "a.jpg"));
        }
        let (mut files, mut hostile) = (Vec::new(), Vec::new());
        let mut random = Random::new(3);
        for (_, doc) in formats::all() {
            let numbers: Vec<Edit> = doc
                .edits()
                .into_iter()
                .filter(|edit| matches!(edit, Edit::Number(..)))
                .collect();
            for _ in 0..12.min(numbers.len()) {
                let edit = numbers[random.below(numbers.len())].clone();
                hostile.push(Query(doc.edited(&[edit]), doc.name));
                let mut noise = doc.bytes();
                for _ in 0..4 {
                    let at = random.below(noise.len());
                    noise[at] = random.next() as u8;
                }
                noise.truncate(noise.len() - random.below(noise.len() / 2));
                hostile.push(Query(noise, doc.name));
            }
            files.push(Query(doc.bytes(), doc.name));
        }
        Self {
            documents,
            pictures,
            files,
            hostile,
        }
    }

    /// Runs one query; returns the number of items found.
    fn query(&self, matcher: &leakprint::Matcher, random: &mut Random) -> Result<usize> {
        let fingerprinter = matcher.query_fingerprinter();
        let pick = |of: &[Query], random: &mut Random| {
            let Query(bytes, name) = &of[random.below(of.len())];
            fingerprinter.fingerprint(bytes, Some(name))
        };
        let print = match random.below(20) {
            0..4 => {
                let document = &self.documents[random.below(TEXTS)];
                let quoted: String = document.chars().skip(random.below(900)).take(280).collect();
                fingerprinter.fingerprint_text(&quoted)
            }
            4..12 => fingerprinter.fingerprint_text(&prose(random.next(), 45)),
            12..15 => pick(&self.pictures, random),
            15..17 => pick(&self.files, random),
            _ => pick(&self.hostile, random),
        }?;
        for warning in &print.warnings {
            assert_ne!(warning.kind, "panicked", "{}", warning.message);
        }
        Ok(matcher.find(&print)?.len())
    }
}

/// Adds items and removes old ones until the queries are done.
fn change(
    writer: &CollectionWriter,
    pool: &Pool,
    done: &AtomicBool,
    changes: &AtomicU64,
) -> Result<()> {
    let fingerprinter = writer.collection().fingerprinter()?;
    let mut random = Random::new(11);
    while !done.load(Ordering::Relaxed) {
        let number = random.below(TEXTS);
        let name = format!("text {number}");
        if random.below(2) == 0 {
            let print = fingerprinter.fingerprint_text(&pool.documents[number])?;
            writer.add(NewItem::new(name, print))?;
        } else {
            writer.remove(&[name])?;
        }
        if random.below(300) == 0 {
            writer.flush()?;
        }
        changes.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Resident memory in MiB, if the system reports it.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let word = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    word.unwrap_or(0.0) / 1024.0
}

/// Processor time of the process in seconds, if the system reports it.
fn spent() -> f64 {
    let account = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let words = account.rsplit(") ").next().unwrap_or_default();
    let word = |at| {
        words
            .split(' ')
            .nth(at)
            .and_then(|word| word.parse::<f64>().ok())
    };
    (word(11).unwrap_or(0.0) + word(12).unwrap_or(0.0)) / 100.0
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let count = arguments.iter().find_map(|word| word.parse().ok());
    let is_test = arguments.iter().any(|word| word == "--test");
    let queries: u64 = count
        .unwrap_or(if is_test {
            TEST_QUERIES
        } else {
            DEFAULT_QUERIES
        })
        .max(10);

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("soak");
    let mut options = WriterOptions::default();
    // So small that segments are written and merged all the time.
    options.head_bytes = 256 << 10;
    let writer = CollectionWriter::open(&path, options)?;
    let pool = Pool::new();
    let fingerprinter = writer.collection().fingerprinter()?;
    for (number, text) in pool.documents.iter().enumerate() {
        let print = fingerprinter.fingerprint_text(text)?;
        writer.add(NewItem::new(format!("text {number}"), print))?;
    }
    for number in 0..PICTURES {
        let print = fingerprinter.fingerprint(&pool.pictures[2 * number].0, Some("a.jpg"))?;
        writer.add(NewItem::new(format!("picture {number}"), print))?;
    }

    // Readers have a separate handle, as other processes would.
    let reader = Collection::open(&path)?;
    let (next, changes) = (AtomicU64::new(0), AtomicU64::new(0));
    let (found, refused, reloads) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let done = AtomicBool::new(false);
    let work = |seed: u64| -> Result<()> {
        let mut random = Random::new(seed);
        let mut matcher = reader.snapshot().matcher(MatchOptions::default())?;
        let mut done = 0;
        while next.fetch_add(1, Ordering::Relaxed) < queries {
            if done % QUERIES_PER_RELOAD == QUERIES_PER_RELOAD - 1 {
                reader.refresh()?;
                matcher = reader.snapshot().matcher(MatchOptions::default())?;
                reloads.fetch_add(1, Ordering::Relaxed);
            }
            done += 1;
            match pool.query(&matcher, &mut random) {
                Ok(items) => found.fetch_add(u64::from(items > 0), Ordering::Relaxed),
                Err(error) => {
                    assert_ne!(error.kind(), ErrorKind::Panicked, "{error}");
                    refused.fetch_add(1, Ordering::Relaxed)
                }
            };
        }
        Ok(())
    };

    let mut out = io::stdout().lock();
    let mut say = |line: String| writeln!(out, "{line}").expect("standard output");
    say(
        "| queries | s | queries/s | CPU ms per query | resident MiB |\n|---|---|---|---|---|"
            .to_owned(),
    );
    let mut tenths = Vec::new();
    std::thread::scope(|scope| -> Result<()> {
        let changer = scope.spawn(|| change(&writer, &pool, &done, &changes));
        let workers: Vec<_> = (0..WORKERS as u64)
            .map(|n| scope.spawn(move || work(n)))
            .collect();
        let (mut clock, mut cpu) = (Instant::now(), spent());
        for tenth in 1..=10 {
            let (from, to) = (queries * (tenth - 1) / 10, queries * tenth / 10);
            while next.load(Ordering::Relaxed) < to && !workers.iter().all(|w| w.is_finished()) {
                std::thread::sleep(Duration::from_millis(20));
            }
            // A worker failed; joining it reports the error.
            if next.load(Ordering::Relaxed) < to {
                break;
            }
            let (seconds, now) = (clock.elapsed().as_secs_f64(), spent());
            let rate = (to - from) as f64 / seconds;
            let cost = 1000.0 * (now - cpu) / (to - from) as f64;
            (clock, cpu) = (Instant::now(), now);
            say(format!(
                "| {to} | {seconds:.1} | {rate:.0} | {cost:.2} | {:.0} |",
                resident()
            ));
            tenths.push((cost, resident()));
        }
        for worker in workers {
            worker.join().expect("a worker")?;
        }
        done.store(true, Ordering::Relaxed);
        changer.join().expect("the changer")
    })?;
    let [first, .., last] = &tenths[..] else {
        return Ok(());
    };
    say(format!(
        "\n{} found something, {} were refused, {} reloads, {} changes, {:.0} s of processor time; the last tenth beside the first: \
         {:.2} of the processor time, {:.2} of the memory",
        found.into_inner(),
        refused.into_inner(),
        reloads.into_inner(),
        changes.into_inner(),
        spent(),
        last.0 / first.0.max(1e-9),
        last.1 / first.1.max(1e-9)
    ));
    Ok(())
}
