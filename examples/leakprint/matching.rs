//! `match` and `explain`.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use leakprint::{
    Evidence, Executor, Index, Match, MatchOptions, Matcher, Result, Strength, Warning,
};
use serde::Serialize;

use crate::input::{Read, Sources, read_file, read_key};
use crate::output::{ErrorLine, Errors, json_line, json_pretty, printable, progress};
use crate::{ExplainArgs, Failure, Format, MatchArgs};

#[derive(Serialize)]
struct Line<'a> {
    query: &'a str,
    matches: &'a [Match],
    error: Option<ErrorLine>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    warnings: &'a [Warning],
}

pub(crate) fn run(args: &MatchArgs) -> Result<(), Failure> {
    let input = &args.input;
    if input.paths.is_empty() && input.jsonl.is_empty() {
        return Err("nothing to match: name files, folders or --jsonl FILE".into());
    }
    let exec = Executor::with_threads(input.threads)?;
    let index = open(&args.index, (!args.no_verify).then_some(&exec))?;
    let mut options = MatchOptions::default();
    options.min_strength = args.min;
    let matcher = matcher(index, input.key.as_deref())?.with_options(options);

    let mut errors = {
        let mut used: Vec<&Path> = vec![&args.index];
        let read = input.paths.iter().chain(&input.jsonl).chain(&input.key);
        used.extend(read.map(PathBuf::as_path));
        Errors::new(input.errors.as_ref(), &used)?
    };
    let mut written: Vec<&Path> = Vec::new();
    written.extend(input.errors.as_deref());
    let sources = Sources::new(&input.paths, &input.base, &input.jsonl)?.without(&written);
    // Whoever asks line by line wants each answer at once.
    let interactive = input.jsonl.iter().any(|path| path == Path::new("-"));
    let mut out = BufWriter::new(io::stdout());
    let bar = progress("matching");
    let mut queries = 0_u64;
    exec.map_stream(
        sources.inputs(),
        32 * exec.threads(),
        |input| {
            input.read(matcher.fingerprinter(), |print| {
                Ok((matcher.find(&print)?, print.warnings))
            })
        },
        |Read { name, result, .. }| -> Result<(), Failure> {
            bar.inc(1);
            queries += 1;
            let (matches, warnings, error) = match result {
                Ok((matches, warnings)) => (matches, warnings, None),
                Err(e) => (Vec::new(), Vec::new(), Some(e)),
            };
            // Its line says it too, so it is repeated only where that was asked for.
            if errors.is_file() {
                if let Some(e) = &error {
                    errors.failed(&name, e)?;
                }
                warnings.iter().try_for_each(|w| errors.warning(&name, w))?;
            }
            match args.format {
                Format::Jsonl => json_line(
                    &mut out,
                    &Line {
                        query: &name,
                        matches: &matches,
                        error: error.as_ref().map(ErrorLine::from),
                        warnings: &warnings,
                    },
                )?,
                Format::Table => table(&mut out, &name, &matches, error.as_ref())?,
            }
            if interactive {
                out.flush()?;
            }
            Ok(())
        },
    )?;
    bar.finish_and_clear();
    out.flush()?;
    errors.finish()?;
    if queries == 0 {
        return Err("nothing to match: the folders and files given hold no query".into());
    }
    Ok(())
}

fn open(path: &Path, verify: Option<&Executor>) -> Result<Index> {
    let index = Index::open(path)?;
    if let Some(exec) = verify {
        index.verify(exec).map_err(|e| e.with_path(path))?;
    }
    Ok(index)
}

fn matcher(index: Index, key: Option<&Path>) -> Result<Matcher> {
    match key {
        Some(path) => Matcher::with_key(index, read_key(path)?).map_err(|e| e.with_path(path)),
        None => Matcher::new(index),
    }
}

fn table(
    out: &mut impl Write,
    name: &str,
    matches: &[Match],
    error: Option<&leakprint::Error>,
) -> io::Result<()> {
    let name = printable(name);
    if let Some(e) = error {
        let message = e.to_string();
        return writeln!(out, "{name}\n    {}: {}", e.kind(), printable(&message));
    }
    if matches.is_empty() {
        return writeln!(out, "{name}\n    nothing");
    }
    writeln!(out, "{name}")?;
    for m in matches {
        let item = printable(&m.item);
        writeln!(out, "    {:8} {:.3}  {item}", m.strength, m.score)?;
        for e in &m.evidence {
            writeln!(out, "             {}", printable(&describe(e)))?;
        }
    }
    Ok(())
}

fn describe(evidence: &Evidence) -> String {
    let place = |part: &leakprint::PartPath, item_part: &leakprint::PartPath| {
        let or_whole = |p: &leakprint::PartPath| match p.as_str() {
            "" => "whole".to_owned(),
            p => p.to_owned(),
        };
        format!("[{} <- {}]", or_whole(part), or_whole(item_part))
    };
    match evidence {
        Evidence::Bytes { part, item_part } => {
            format!("the same bytes {}", place(part, item_part))
        }
        Evidence::Pixels { part, item_part } => {
            format!("the same pixels {}", place(part, item_part))
        }
        Evidence::Image {
            part,
            item_part,
            distance,
            gradient_distance,
            sketch_distance,
            transform,
            inverted,
            ..
        } => format!(
            "the same picture, {distance} and {gradient_distance} of 256 bits and {sketch_distance} \
             of 2,048 off, {transform:?}{} {}",
            if *inverted { ", inverted" } else { "" },
            place(part, item_part)
        ),
        Evidence::Text {
            part,
            item_part,
            covered,
            query_span,
            item_span,
            discounted,
            ..
        } => format!(
            "{covered} letters and digits in order ({discounted} discounted), characters {}..{} \
             of the query, {}..{} of the item {}",
            query_span[0],
            query_span[1],
            item_span[0],
            item_span[1],
            place(part, item_part)
        ),
        other => format!("{other:?}"),
    }
}

#[derive(Serialize)]
struct Explanation<'a> {
    item: &'a str,
    query: &'a Path,
    stages: Vec<leakprint::Stage>,
    score: f64,
    strength: Option<Strength>,
    reported: bool,
}

pub(crate) fn explain(args: &ExplainArgs) -> Result<(), Failure> {
    let index = open(&args.index, Some(&Executor::with_threads(0)?))?;
    let matcher = matcher(index, args.key.as_deref())?;
    let fingerprinter = matcher.fingerprinter();
    let bytes =
        read_file(&args.file, fingerprinter.limits()).map_err(|e| e.with_path(&args.file))?;
    let print = fingerprinter
        .fingerprint(&bytes, args.file.to_str())
        .map_err(|e| e.with_path(&args.file))?;
    let explained = matcher.explain(&args.item, &print)?;
    let line = Explanation {
        item: &args.item,
        query: &args.file,
        score: explained.score,
        strength: Strength::of_score(explained.score),
        reported: explained.score >= matcher.options().min_strength.min_score(),
        stages: explained.stages,
    };
    json_pretty(&mut io::stdout(), &line)?;
    Ok(())
}
