//! Fits the calibration that comes with the crate, and checks that calibrations hold on other uploads
//! than those of their sample.
//!
//! ```sh
//! cargo bench --bench calibration -- built-in GROUP... > src/calibration/built_in.rs
//! cargo bench --bench calibration -- check GROUP...
//! ```
//!
//! A group is a leak and uploads that have nothing to do with it, as files or folders:
//! `--leak PATH [--ignore PATH] --traffic PATH [--jsonl FILE]`, where the last two may be repeated. Leave
//! out of the uploads what shares anything with the leak: quotations, instances of its templates,
//! screenshots of the same windows, other pictures of the same scene.
//!
//! `built-in` pools the groups, and counts for each kind of evidence the uploads that can show it.
//! `check` calibrates with the half of each group's uploads, by a hash of their names, and counts how
//! many of the other half reach which rate; then the other way round. Run it in Rust's release mode
//! and whenever scores change.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use leakprint::calibration::{Kind, Pareto, Sample, Tail, fit};
use leakprint::collection::{
    CodeItem, CollectionWriter, Discount, Metadata, NewItem, WriterOptions,
};
use leakprint::fingerprint::Pipeline;
use leakprint::matcher::{Calibrator, Observation};
use leakprint::{Calibration, Executor, Fingerprint, Fingerprinter, Key, MatchOptions, Matcher};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The tail of a kind of which the groups show too little: rather heavy.
const WEAK_PRIOR: (f64, f64) = (0.3, 0.1);

/// Rates per upload at which a calibration is checked.
const RATES: [f64; 5] = [1e-1, 3e-2, 1e-2, 1e-3, 1e-4];

#[derive(Default)]
struct Group {
    leak: Vec<PathBuf>,
    ignore: Vec<PathBuf>,
    traffic: Vec<PathBuf>,
    jsonl: Vec<PathBuf>,
}

fn main() -> Result<(), Failure> {
    // Cargo adds an option of its own.
    let mut arguments = std::env::args().skip(1).filter(|word| word != "--bench");
    let Some(task) = arguments.next() else {
        eprintln!("nothing to do: see the head of benches/calibration.rs");
        return Ok(());
    };
    let mut groups: Vec<Group> = Vec::new();
    while let Some(option) = arguments.next() {
        let path = PathBuf::from(arguments.next().ok_or("an option without a path")?);
        if option == "--leak" {
            groups.push(Group::default());
        }
        let group = groups.last_mut().ok_or("--leak comes first")?;
        match option.as_str() {
            "--leak" => group.leak.push(path),
            "--ignore" => group.ignore.push(path),
            "--traffic" => group.traffic.push(path),
            "--jsonl" => group.jsonl.push(path),
            other => return Err(format!("{other}: unknown").into()),
        }
    }
    let exec = Executor::with_threads(0)?;
    match task.as_str() {
        "--test" => {
            let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
            let group = Group {
                leak: vec![source.join("text")],
                traffic: vec![source.join("matcher")],
                ..Group::default()
            };
            built_in(&[group], &exec)?;
        }
        "built-in" => print!("{}", built_in(&groups, &exec)?),
        "check" => check(&groups, &exec)?,
        other => return Err(format!("{other}: either built-in or check").into()),
    }
    Ok(())
}

/// All files below a path, sorted.
fn files(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut all = Vec::new();
    for entry in std::fs::read_dir(path)? {
        all.extend(files(&entry?.path())?);
    }
    all.sort();
    Ok(all)
}

/// Fingerprints all files that can be read.
fn prints(
    fingerprinter: &Fingerprinter,
    paths: &[PathBuf],
    exec: &Executor,
) -> Result<Vec<(String, Fingerprint)>, Failure> {
    let paths: Vec<Vec<PathBuf>> = paths.iter().map(|p| files(p)).collect::<Result<_, _>>()?;
    let prints = exec.map(&paths.concat(), |path| {
        let bytes = std::fs::read(path).ok()?;
        let name = path.file_name()?.to_str()?.to_owned();
        let print = fingerprinter.fingerprint(&bytes, Some(&name)).ok()?;
        Some((path.to_string_lossy().into_owned(), print))
    });
    Ok(prints.into_iter().flatten().collect())
}

/// A matcher over the leak of a group, with the hashes of its pictures as a hash list.
fn matcher(group: &Group, exec: &Executor) -> Result<Matcher, Failure> {
    let folder = tempfile::tempdir()?;
    let mut options = WriterOptions::default().with_key(Key::from_bytes([1; 32]));
    options.background = false;
    let writer = CollectionWriter::open(folder.path().join("leak"), options)?;
    let fingerprinter = writer.collection().fingerprinter()?.clone();
    let items = prints(&fingerprinter, &group.leak, exec)?;
    let mut codes = Vec::new();
    for raster in items
        .iter()
        .flat_map(|(_, print)| print.parts.iter().filter_map(|part| part.raster.as_ref()))
    {
        let pdq = raster.exchange_pdq();
        codes.push(CodeItem::new(pdq.code, pdq.quality, Metadata::default()));
    }
    let mut added: Vec<NewItem> = items
        .into_iter()
        .map(|(name, print)| NewItem::new(name, print))
        .collect();
    for (name, print) in prints(&fingerprinter, &group.ignore, exec)? {
        added.push(NewItem::discount(Discount::Ignore, name, print));
    }
    for batch in added.chunks(256) {
        let (results, _) = writer.add_batch(batch)?;
        results.into_iter().collect::<leakprint::Result<Vec<_>>>()?;
    }
    writer.import_codes(Pipeline::Full, codes, false)?;
    writer.compact()?;
    Ok(writer
        .collection()
        .snapshot()
        .matcher(MatchOptions::default())?)
}

/// What the uploads of a group reach, by name.
fn observe(
    group: &Group,
    matcher: &Matcher,
    exec: &Executor,
) -> Result<Vec<(String, Observation)>, Failure> {
    let calibrator = Calibrator::new(matcher);
    let fingerprinter = matcher.query_fingerprinter();
    let observe = |name: &str, print: &Fingerprint| {
        let seen = calibrator.observe(print).ok()?;
        Some((name.to_owned(), seen))
    };
    let paths: Vec<Vec<PathBuf>> = group
        .traffic
        .iter()
        .map(|path| files(path))
        .collect::<Result<_, _>>()?;
    let of_files = exec.map(&paths.concat(), |path| {
        let bytes = std::fs::read(path).ok()?;
        let name = path.file_name()?.to_str()?;
        observe(name, &fingerprinter.fingerprint(&bytes, Some(name)).ok()?)
    });
    let mut all: Vec<_> = of_files.into_iter().flatten().collect();
    for path in &group.jsonl {
        let content = std::fs::read_to_string(path)?;
        let lines: Vec<(usize, &str)> = content.lines().enumerate().collect();
        let of_lines = exec.map(&lines, |(number, line)| {
            let value: serde_json::Value = serde_json::from_str(line).ok()?;
            let print = fingerprinter
                .fingerprint_text(value["text"].as_str()?)
                .ok()?;
            observe(&format!("{}:{number}", path.display()), &print)
        });
        all.extend(of_lines.into_iter().flatten());
    }
    for (name, seen) in &all {
        if let Some(item) = &seen.copy_of {
            eprintln!("{name} looks like a copy of {item}");
        }
    }
    Ok(all)
}

/// The source of `src/calibration/built_in.rs`.
fn built_in(groups: &[Group], exec: &Executor) -> Result<String, Failure> {
    let mut pooled: BTreeMap<Kind, Sample> = BTreeMap::new();
    for group in groups {
        let matcher = matcher(group, exec)?;
        let mut calibrator = Calibrator::new(&matcher);
        for (_, seen) in observe(group, &matcher, exec)? {
            calibrator.add(&seen);
        }
        for (kind, sample) in calibrator.samples().filter(|(_, sample)| sample.size > 0) {
            let all = pooled.entry(kind).or_default();
            all.measures.extend(&sample.measures);
            all.uploads += sample.uploads;
            // The sum over all uploads, for the mean: rates are proportional to the size.
            all.size += sample.uploads * sample.size;
        }
    }
    for sample in pooled.values_mut() {
        sample.size /= sample.uploads.max(1);
    }
    let mut source = "//! The calibration that is used where none was measured. Written by `benches/calibration.rs`; not \
        to be\n//! edited.\n\nuse super::{Kind, Pareto, PerKind, Tail};\n\n\
        pub(super) const TAILS: PerKind<Tail> = [\n"
        .to_owned();
    let (scale, shape) = WEAK_PRIOR;
    let prior: Pareto = serde_json::from_value(serde_json::json!({
        "rate": 1.0, "scale": scale, "shape": shape
    }))?;
    for kind in Kind::ALL {
        let sample = pooled.remove(&kind).unwrap_or_default();
        let tail = fit(kind, &sample, &prior);
        eprintln!("{kind}: {}", serde_json::to_string(&tail)?);
        writeln!(source, "{}", literal(&tail))?;
    }
    source += "];\n";
    Ok(source)
}

/// A tail as Rust source, in four significant digits.
fn literal(tail: &Tail) -> String {
    let number = |value: f64| {
        let rounded: f64 = format!("{value:.3e}").parse().unwrap_or(value);
        format!("{rounded:?}")
    };
    let pareto = |pareto: &Pareto| {
        let [rate, scale, shape] = [pareto.rate, pareto.scale, pareto.shape].map(number);
        format!("Pareto {{ rate: {rate}, scale: {scale}, shape: {shape} }}")
    };
    format!(
        "    Tail {{ kind: Kind::{:?}, uploads: {}, exceedances: {}, size: {}, threshold: {}, fit: {}, bound: {} }},",
        tail.kind,
        tail.uploads,
        tail.exceedances,
        tail.size,
        number(tail.threshold),
        pareto(&tail.fit),
        pareto(&tail.bound)
    )
}

fn check(groups: &[Group], exec: &Executor) -> Result<(), Failure> {
    println!(
        "| leak | calibration | uploads | {} |",
        RATES.map(|e| format!("<= {e:.0e}")).join(" | ")
    );
    println!("|---|---|---|{}", "---|".repeat(RATES.len()));
    for group in groups {
        let matcher = matcher(group, exec)?;
        let all = observe(group, &matcher, exec)?;
        let is_first = |name: &str| blake3::hash(name.as_bytes()).as_bytes()[0] & 1 == 0;
        for half in [true, false] {
            let mut calibrator = Calibrator::new(&matcher);
            let sample = all.iter().filter(|(name, _)| is_first(name) == half);
            sample.for_each(|(_, seen)| calibrator.add(seen));
            let others = || all.iter().filter(|(name, _)| is_first(name) != half);
            let measured = matcher.clone().with_calibration(calibrator.finish());
            let built_in = matcher.clone().with_calibration(Calibration::built_in());
            for (which, matcher) in [("measured", measured), ("built-in", built_in)] {
                // Reached by others; and what the rate allows, times three.
                let cells = RATES.map(|rate| {
                    let count = others()
                        .filter(|(_, seen)| seen.expected(&matcher) <= rate * 1e6)
                        .count();
                    format!("{count} of {:.2}", 3.0 * rate * others().count() as f64)
                });
                let leak = group.leak[0].display();
                println!(
                    "| {leak} | {which} | {} | {} |",
                    others().count(),
                    cells.join(" | ")
                );
                if which == "measured" {
                    for tail in matcher.calibration().tails() {
                        eprintln!("{}", serde_json::to_string(tail)?);
                    }
                }
            }
        }
    }
    Ok(())
}
