//! Absurd numbers: valid files of every format with one number, one repetition or one depth that no
//! honest program writes; and the fuzz targets on their seeds and on what they once found.
//!
//! A small share runs with the other tests. All of it, some 30,000 files, takes half an hour:
//!
//! ```text
//! cargo test --release --test absurd_numbers -- --ignored all_absurd_files
//! ```
//!
//! `LEAKPRINT_ABSURD_FORMAT=pdf` limits it to one format, `LEAKPRINT_ABSURD_MIXED=5000` adds as many
//! files with two or three edits each (`LEAKPRINT_ABSURD_SEED` chooses others). Files that are not harmless are kept in
//! `target/absurd_numbers`, beside a table of the dearest file under 1 MB of each format.
#![cfg(all(
    target_os = "linux",
    feature = "mail",
    feature = "html",
    feature = "charset",
    feature = "pdf",
    feature = "office",
    feature = "rtf"
))]

mod doc;
mod formats;
mod run;
mod seeds;
mod syntax;
mod targets;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use doc::Doc;
use run::{Bounds, Outcome, Plan};

fn docs() -> Vec<Doc> {
    formats::all().into_iter().map(|(_, doc)| doc).collect()
}

/// Files that are not harmless are kept here.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/absurd_numbers")
}

/// Runs a plan and returns the outcomes, those that are not harmless as lines.
fn conduct(docs: &[Doc], plan: &Plan, bounds: &Bounds) -> (Vec<Outcome>, Vec<String>) {
    let cases = plan.cases(docs);
    let outcomes = run::conduct(plan, bounds, cases.len());
    let mut harmful = Vec::new();
    for outcome in outcomes
        .iter()
        .filter(|outcome| !outcome.is_harmless(bounds))
    {
        let case = &cases[outcome.case];
        let doc = &docs[case.doc];
        let edits: Vec<String> = case.edits.iter().map(ToString::to_string).collect();
        let (_, extension) = doc.name.split_once('.').expect("a name with a kind");
        let file = folder().join(format!(
            "{}-{}-{}.{extension}",
            doc.format, case.doc, outcome.case
        ));
        fs::create_dir_all(folder()).expect("a folder");
        fs::write(&file, doc.edited(&case.edits)).expect("a file");
        harmful.push(format!(
            "{} of {} bytes, {}: {}, {:.1} s, {} MiB",
            file.display(),
            outcome.bytes,
            edits.join("; "),
            outcome.answer,
            outcome.cpu.as_secs_f64(),
            outcome.kib >> 10
        ));
    }
    (outcomes, harmful)
}

#[test]
fn files_are_valid_before_they_are_edited() {
    let mut broken = Vec::new();
    for doc in docs() {
        let answer = run::answer(targets::matcher(), &doc.bytes(), doc.name);
        if !matches!(answer, "read" | "warned") {
            broken.push(format!(
                "{} of {} units: {answer}",
                doc.name,
                doc.units.len()
            ));
        }
    }
    assert!(broken.is_empty(), "{broken:?}");
}

#[test]
fn a_share_of_absurd_files_is_harmless() {
    let bounds = Bounds {
        cpu: Duration::from_secs(20),
        kib: 512 << 10,
        space_kib: 2 << 20,
        most: 300_000,
        ordinary: false,
    };
    let (outcomes, harmful) = conduct(&docs(), &Plan::Share(300, 14), &bounds);
    assert!(outcomes.len() > 200, "{} files", outcomes.len());
    assert!(harmful.is_empty(), "{}", harmful.join("\n"));
}

#[test]
#[ignore = "takes half an hour; see the top of this file"]
fn all_absurd_files_are_harmless() {
    let set = |name: &str| std::env::var(name).ok();
    let docs = docs();
    let bounds = Bounds {
        cpu: Duration::from_secs(10),
        kib: 1 << 20,
        space_kib: 4 << 20,
        most: 64 << 20,
        ordinary: true,
    };
    let mut formats: BTreeSet<&str> = docs.iter().map(|doc| doc.format).collect();
    if let Some(only) = set("LEAKPRINT_ABSURD_FORMAT") {
        formats.retain(|format| *format == only);
    }
    let mut report = String::from(
        "| format | files | CPU s | slowest under 1 MB | s | largest under 1 MB | MiB | not harmless |\n|---|---|---|---|---|---|---|---|\n",
    );
    let mut all = Vec::new();
    for format in formats {
        let plan = Plan::Format(format.to_owned());
        let (outcomes, harmful) = conduct(&docs, &plan, &bounds);
        let cases = plan.cases(&docs);
        let small = || outcomes.iter().filter(|outcome| outcome.bytes < 1_000_000);
        let edit = |outcome: Option<&Outcome>| {
            let edits = outcome.map(|outcome| &cases[outcome.case]);
            edits.map_or(String::new(), |case| match case.edits.first() {
                Some(edit) => format!("{} {edit}", case.doc),
                None => format!("{} as it is", case.doc),
            })
        };
        let slowest = small().max_by_key(|outcome| outcome.cpu);
        let largest = small().max_by_key(|outcome| outcome.kib);
        let spent: Duration = outcomes.iter().map(|outcome| outcome.cpu).sum();
        writeln!(
            report,
            "| {format} | {} | {:.0} | {} | {:.2} | {} | {} | {} |",
            outcomes.len(),
            spent.as_secs_f64(),
            edit(slowest),
            slowest.map_or(0.0, |outcome| outcome.cpu.as_secs_f64()),
            edit(largest),
            largest.map_or(0, |outcome| outcome.kib >> 10),
            harmful.len()
        )
        .expect("a string takes everything");
        fs::create_dir_all(folder()).expect("a folder");
        fs::write(folder().join("report.md"), &report).expect("a file");
        all.extend(harmful);
        fs::write(folder().join("harmful.txt"), all.join("\n")).expect("a file");
    }
    if let Some(count) = set("LEAKPRINT_ABSURD_MIXED") {
        let seed = set("LEAKPRINT_ABSURD_SEED").and_then(|seed| seed.parse().ok());
        let plan = Plan::Mixed(count.parse().expect("a number"), seed.unwrap_or(1));
        all.extend(conduct(&docs, &plan, &bounds).1);
        fs::write(folder().join("harmful.txt"), all.join("\n")).expect("a file");
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

/// Writes one case to `target/absurd_numbers` and says what it is, as in `LEAKPRINT_ABSURD_CASE="pdf 2774"`.
#[test]
#[ignore = "writes the file that the environment names"]
fn write_case() {
    let Ok(named) = std::env::var("LEAKPRINT_ABSURD_CASE") else {
        return;
    };
    let (format, number) = named.split_once(' ').expect("a format and a number");
    let docs = docs();
    let cases = Plan::Format(format.to_owned()).cases(&docs);
    let case = &cases[number.parse::<usize>().expect("a number")];
    let doc = &docs[case.doc];
    fs::create_dir_all(folder()).expect("a folder");
    fs::write(folder().join(doc.name), doc.edited(&case.edits)).expect("a file");
    fs::write(
        folder().join("case"),
        format!("{} of {}: {:?}", case.doc, cases.len(), case.edits),
    )
    .expect("a file");
}

/// What the tests above start: nothing by itself.
#[test]
#[ignore = "is started by the other tests"]
fn child() {
    run::child();
}

#[test]
fn every_target_takes_its_seeds() {
    for (name, target) in targets::ALL {
        let seeds = seeds::of(name);
        assert!(!seeds.is_empty(), "{name}");
        // A folder takes a while to make.
        let step = 1 + seeds.len() / 24;
        seeds.iter().step_by(step).for_each(|seed| target(seed));
    }
}

/// The inputs in `findings/TARGET`, each of which broke a promise once.
#[test]
fn past_findings_stay_fixed() {
    let findings = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/absurd_numbers/findings");
    for (name, target) in targets::ALL {
        let Ok(entries) = fs::read_dir(findings.join(name)) else {
            continue;
        };
        for entry in entries.flatten() {
            target(&fs::read(entry.path()).expect("a finding"));
        }
    }
}

/// Writes the seeds of every target to `fuzz/corpus`.
#[test]
#[ignore = "writes files: what fuzzing starts from"]
fn write_seeds() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, _) in targets::ALL {
        let folder = corpus.join(name);
        fs::create_dir_all(&folder).expect("a folder");
        for (number, seed) in seeds::of(name).iter().enumerate() {
            fs::write(folder.join(format!("seed-{number:03}")), seed).expect("a file");
        }
    }
}
