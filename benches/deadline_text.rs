//! How long after its deadline `find_media_until` returns, for the costliest texts: prints the
//! maximum over several runs, each with 50 milliseconds. There is no threshold, since a busy machine
//! returns later.
//!
//! `cargo bench --bench deadline_text`; with `-- --whole`, how long each takes without a deadline.

#![allow(clippy::print_stdout)]

mod common;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use common::{fingerprinter, prose};
use leakprint::{Deadline, Fingerprinter, IndexWriter, Limits, Matcher};

/// The time limit of each run.
const TIME_LIMIT: Duration = Duration::from_millis(50);

const RUNS: u32 = 7;

struct Case {
    name: &'static str,
    items: Vec<(String, Vec<u8>)>,
    query: Vec<u8>,
    file: &'static str,
}

/// About so many bytes of prose that repeats only its own phrases.
fn long(bytes: usize) -> String {
    let page = prose(7, 160_000);
    let words: Vec<&str> = page.split(' ').collect();
    let mut text = String::with_capacity(bytes + page.len());
    for number in 0.. {
        if text.len() >= bytes {
            break;
        }
        // Other grams on every page: its words in another order.
        let step = 2 * number + 1;
        let mut at = number;
        for _ in 0..words.len() {
            text.push_str(words[at % words.len()]);
            text.push(' ');
            at += step;
        }
    }
    text.truncate(bytes);
    text
}

/// Items that all are a piece of one text, half of which the next one has too.
fn slices(text: &str, count: usize) -> Vec<(String, Vec<u8>)> {
    let step = text.len() / (count + 1);
    let piece = |i: usize| text.as_bytes()[i * step..(i + 2) * step].to_vec();
    (0..count)
        .map(|i| (format!("slice {i}.txt"), piece(i)))
        .collect()
}

fn cases() -> Vec<Case> {
    let five = long(5 << 20);
    let one = |bytes: &[u8], name: &str| vec![(name.to_owned(), bytes.to_vec())];
    let period: String = prose(3, 60).repeat((5 << 20) / 400);
    let rows = |count: u32, step: u32| {
        let mut sheet = String::from("name,mail,account,amount\n");
        for row in 0..count {
            let n = row / step;
            let _ = writeln!(
                sheet,
                "Jane Doe{n},jane{n}@example.org,DE89370400440532{n:06},{n}.25"
            );
        }
        sheet.into_bytes()
    };
    let mut mailbox = String::new();
    for number in 0..9_000 {
        let start = (number * 487) % (five.len() - 600);
        let _ = write!(
            mailbox,
            "From ada@example.org Mon Jan  1 00:00:00 2024\nFrom: ada@example.org\nSubject: {number}\n\n{}\n\n",
            &five[start..start + 500]
        );
    }
    vec![
        Case {
            name: "64 M characters against nothing",
            items: one(b"Nothing of it is in here at all.", "memo.txt"),
            query: long(64_000_000).into_bytes(),
            file: "query.txt",
        },
        Case {
            name: "64 M values against a table",
            items: one(&rows(2_000, 1), "people.csv"),
            query: "1234567 8901,25 4711-AX9 2019-03-14 "
                .repeat(1_700_000)
                .into_bytes(),
            file: "query.txt",
        },
        Case {
            name: "5 MB against itself",
            items: one(five.as_bytes(), "whole.txt"),
            query: five.clone().into_bytes(),
            file: "query.txt",
        },
        Case {
            name: "5 MB against 2,000 overlapping slices of it",
            items: slices(&five, 2_000),
            query: five.clone().into_bytes(),
            file: "query.txt",
        },
        Case {
            name: "100 kB against 300 copies of it",
            items: (0..300)
                .map(|i| (format!("{i}.txt"), five.as_bytes()[..100_000 + i].to_vec()))
                .collect(),
            query: five.as_bytes()[..100_000].to_vec(),
            file: "query.txt",
        },
        Case {
            name: "5 MB that repeats 400 characters, against 50 of the kind",
            items: (0..50)
                .map(|i| {
                    (
                        format!("{i}.txt"),
                        period.as_bytes()[..100_000 + i].to_vec(),
                    )
                })
                .collect(),
            query: period.clone().into_bytes(),
            file: "query.txt",
        },
        Case {
            name: "5 MB of one gram against the same",
            items: one(&vec![b'a'; 5 << 20], "flood.txt"),
            query: vec![b'a'; 5 << 20],
            file: "query.txt",
        },
        Case {
            name: "5 MB of digits and commas",
            items: one(&rows(2_000, 1), "people.csv"),
            query: "1,".repeat(5 << 19).into_bytes(),
            file: "query.txt",
        },
        Case {
            name: "a table of 60,000 rows against itself",
            items: one(&rows(60_000, 1), "people.csv"),
            query: rows(60_000, 1),
            file: "query.csv",
        },
        Case {
            name: "a table whose rows are equal by the hundred against itself",
            items: one(&rows(60_000, 100), "people.csv"),
            query: rows(60_000, 100),
            file: "query.csv",
        },
        Case {
            name: "a mailbox of 9,000 mails that quote an item each",
            items: slices(&five, 2_000),
            query: mailbox.into_bytes(),
            file: "query.mbox",
        },
    ]
}

fn matcher(fingerprinter: &Fingerprinter, case: &Case) -> Matcher {
    let mut limits = Limits::default();
    limits.time_ms = 600_000;
    let fingerprinter = fingerprinter.clone().with_limits(limits.clone());
    let key = Some(fingerprinter.key().clone());
    let mut writer = IndexWriter::new(fingerprinter.recipe().clone(), key).expect("one recipe");
    for (name, bytes) in &case.items {
        let print = fingerprinter.fingerprint(bytes, Some(name)).expect("text");
        writer.add(name, &print).expect("a new name");
    }
    let index = writer.to_index().expect("a sound index");
    Matcher::new(index)
        .expect("the key is inside")
        .with_limits(limits)
}

fn main() {
    let whole = std::env::args().any(|argument| argument == "--whole");
    let fingerprinter = fingerprinter();
    for case in cases() {
        let matcher = matcher(&fingerprinter, &case);
        let find = |deadline: &Deadline| {
            let started = Instant::now();
            let found = matcher.find_media_until(&case.query, Some(case.file), deadline);
            let took = started.elapsed();
            (
                took,
                found.map_or_else(|e| e.kind().to_string(), |m| format!("{} found", m.len())),
            )
        };
        if whole {
            let (took, found) = find(&Deadline::never());
            println!(
                "{:>9.1} ms, {found}: {}",
                took.as_secs_f64() * 1e3,
                case.name
            );
            continue;
        }
        let runs = (0..RUNS).map(|_| find(&Deadline::after(TIME_LIMIT)));
        let (took, found) = runs.max().expect("one run");
        let late = took.saturating_sub(TIME_LIMIT).as_secs_f64() * 1e3;
        println!("{late:>9.1} ms late, {found}: {}", case.name);
    }
}
