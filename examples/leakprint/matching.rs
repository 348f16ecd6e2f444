//! `match` and `explain`.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use leakprint::{
    Evidence, Executor, Index, Match, MatchOptions, Matcher, Result, Strength, Warning,
};
use serde::Serialize;

use crate::input::{inputs, read_file, read_key};
use crate::output::{ErrorLine, Errors, json_line, progress};
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

    let mut errors = Errors::new(input.errors.as_ref())?;
    let errors_apart = input.errors.is_some();
    // Whoever asks line by line wants each answer at once.
    let interactive = input.jsonl.iter().any(|path| path == Path::new("-"));
    let mut out = BufWriter::new(io::stdout().lock());
    let bar = progress("matching");
    exec.map_stream(
        inputs(&input.paths, &input.base, &input.jsonl),
        16 * exec.threads(),
        |input| {
            let name = input.name.clone();
            let result = input
                .fingerprint(matcher.fingerprinter())
                .and_then(|print| Ok((matcher.find(&print)?, print.warnings)));
            (name, result)
        },
        |(name, result)| -> Result<(), Failure> {
            bar.inc(1);
            let (matches, warnings, error) = match result {
                Ok((matches, warnings)) => (matches, warnings, None),
                Err(e) => (Vec::new(), Vec::new(), Some(e)),
            };
            if errors_apart {
                if let Some(e) = &error {
                    errors.report(&name, "", e.kind().as_str(), e.to_string())?;
                }
                for w in &warnings {
                    errors.report(&name, w.part.as_str(), "warning", w.message.clone())?;
                }
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
    Ok(())
}

fn open(path: &Path, verify: Option<&Executor>) -> Result<Index> {
    let index = Index::open(path).map_err(|e| e.with_path(path))?;
    if let Some(exec) = verify {
        index.verify(exec).map_err(|e| e.with_path(path))?;
    }
    Ok(index)
}

fn matcher(index: Index, key: Option<&Path>) -> Result<Matcher> {
    match key {
        Some(path) => Matcher::with_key(index, read_key(path)?),
        None => Matcher::new(index),
    }
}

fn table(
    out: &mut impl Write,
    name: &str,
    matches: &[Match],
    error: Option<&leakprint::Error>,
) -> io::Result<()> {
    if let Some(e) = error {
        return writeln!(out, "{name}\n    {}: {e}", e.kind());
    }
    if matches.is_empty() {
        return writeln!(out, "{name}\n    nothing");
    }
    writeln!(out, "{name}")?;
    for m in matches {
        writeln!(out, "    {:8} {:.3}  {}", m.strength, m.score, m.item)?;
        for e in &m.evidence {
            writeln!(out, "             {}", describe(e))?;
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
            transform,
            inverted,
            ..
        } => format!(
            "the same picture, {distance} and {gradient_distance} of 256 bits off, {transform:?}{} {}",
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
    let matcher = matcher(open(&args.index, None)?, args.key.as_deref())?;
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
    let mut out = io::stdout();
    serde_json::to_writer_pretty(&mut out, &line)?;
    out.write_all(b"\n")?;
    Ok(())
}
