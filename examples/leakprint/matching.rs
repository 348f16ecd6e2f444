//! `match` and `explain`.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use leakprint::lines::MatchLine;
use leakprint::{Evidence, Executor, Fingerprint, MatchOptions, Result, Strength, Warning};
use serde::Serialize;

use crate::draw::{Drawings, Query};
use crate::input::{Origin, Read, Sources, read_file, recogniser};
use crate::output::{Errors, json_line, json_pretty, printable, progress};
use crate::target::{Reported, Target};
use crate::{ExplainArgs, Failure, Format, MatchArgs};

#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    answer: MatchLine<'a, Reported>,
    /// The drawing of it, where drawings were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    drawing: Option<Option<&'a Path>>,
}

/// What was found out about one query.
#[derive(Default)]
struct Found {
    matches: Vec<Reported>,
    warnings: Vec<Warning>,
    /// The file, if anything could be drawn.
    drawing: Option<Result<PathBuf>>,
}

pub(crate) fn run(args: &MatchArgs) -> Result<(), Failure> {
    let input = &args.input;
    if input.paths.is_empty() && input.jsonl.is_empty() {
        return Err("nothing to match: name files, folders or --jsonl FILE".into());
    }
    let exec = Executor::with_threads(input.threads)?;
    let options = MatchOptions::default().with_min_strength(args.min);
    let verify = (!args.no_verify).then_some(&exec);
    let mut matcher = Target::open(&args.index, input.key.as_deref(), options, verify)?;
    if let Some(languages) = &args.recognise {
        matcher = matcher.with_recogniser(recogniser(languages)?);
    }

    let drawings = args
        .draw
        .as_deref()
        .map(|folder| Drawings::new(folder, &input.paths));
    let drawings = drawings.transpose()?;
    let mut errors = {
        let mut used: Vec<&Path> = vec![&args.index];
        let read = input.paths.iter().chain(&input.jsonl).chain(&input.key);
        used.extend(read.map(PathBuf::as_path));
        Errors::new(input.errors.as_ref(), &used)?
    };
    let mut written: Vec<&Path> = Vec::new();
    written.extend(input.errors.as_deref());
    written.extend(drawings.as_ref().map(Drawings::folder));
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
            input.read(matcher.fingerprinter(), |print, Origin { name, bytes }| {
                let matches = matcher.find(&print)?;
                let drawing = drawings.as_ref().zip(bytes).and_then(|(drawings, bytes)| {
                    let query = query(&matcher, bytes, &print, &matches);
                    drawings.draw(name, &query).transpose()
                });
                Ok(Found {
                    matches,
                    warnings: print.warnings,
                    drawing,
                })
            })
        },
        |Read { name, result, .. }| -> Result<(), Failure> {
            bar.inc(1);
            queries += 1;
            let (found, error) = match result {
                Ok(found) => (found, None),
                Err(e) => (Found::default(), Some(e)),
            };
            let Found {
                matches, warnings, ..
            } = found;
            // Nothing else says why there is none.
            let drawing = match found.drawing {
                Some(Err(e)) => {
                    bar.suspend(|| errors.undrawn(&name, &e))?;
                    None
                }
                Some(Ok(path)) => Some(path),
                None => None,
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
                        answer: match &error {
                            None => MatchLine::found(&name, &matches, &warnings),
                            Some(e) => MatchLine::unreadable(&name, e),
                        },
                        drawing: drawings.is_some().then_some(drawing.as_deref()),
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

/// The input as a picture to be drawn.
fn query<'a>(
    matcher: &'a Target,
    bytes: &'a [u8],
    print: &Fingerprint,
    matches: &'a [Reported],
) -> Query<'a> {
    let root = print
        .parts
        .first()
        .filter(|part| part.path.as_str().is_empty());
    let raster = root.and_then(|part| part.raster.as_ref());
    Query {
        bytes,
        size: raster.map(|raster| (raster.width, raster.height)),
        matches,
        target: matcher,
        limits: matcher.fingerprinter().limits(),
    }
}

fn table(
    out: &mut impl Write,
    name: &str,
    matches: &[Reported],
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
    for Reported { found: m, .. } in matches {
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
        Evidence::Bytes {
            part, item_part, ..
        } => {
            format!("the same bytes {}", place(part, item_part))
        }
        Evidence::Pixels {
            part, item_part, ..
        } => {
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
        Evidence::Code {
            part,
            item_part,
            pipeline,
            distance,
            transform,
            inverted,
            ..
        } => format!(
            "a hash of a hash list, {distance} of 256 bits off ({pipeline}), {transform:?}{} {}",
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
        Evidence::Region {
            part,
            item_part,
            region: [x, y, width, height],
            agreed,
            compared,
            share,
            mirrored,
            inverted,
            ..
        } => format!(
            "a part of the picture, {width} x {height} at {x}, {y}: {agreed} of {compared} details \
             agree, weighed {share:.2}{}{} {}",
            if *mirrored { ", mirrored" } else { "" },
            if *inverted { ", inverted" } else { "" },
            place(part, item_part)
        ),
        other => format!("{other:?}"),
    }
}

/// Whether both are one file that is there.
fn same(a: &Path, b: &Path) -> bool {
    let place = |path: &Path| fs::canonicalize(path).ok();
    place(a).is_some_and(|a| Some(a) == place(b))
}

#[derive(Serialize)]
struct Explanation<'a> {
    item: &'a str,
    query: &'a Path,
    stages: Vec<leakprint::Stage>,
    score: f64,
    strength: Option<Strength>,
    reported: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    drawing: Option<Option<&'a Path>>,
}

pub(crate) fn explain(args: &ExplainArgs) -> Result<(), Failure> {
    let read = [&args.index, &args.file].into_iter().chain(&args.key);
    if let Some(path) = args
        .draw
        .iter()
        .find(|draw| read.clone().any(|read| same(read, draw)))
    {
        let message = "--draw would overwrite a file that this command uses";
        return Err(format!("{}: {message}", path.display()).into());
    }
    let exec = Executor::with_threads(0)?;
    let options = MatchOptions::default();
    let matcher = Target::open(&args.index, args.key.as_deref(), options, Some(&exec))?;
    let fingerprinter = matcher.fingerprinter();
    let bytes =
        read_file(&args.file, fingerprinter.limits()).map_err(|e| e.with_path(&args.file))?;
    let print = fingerprinter
        .fingerprint(&bytes, args.file.to_str())
        .map_err(|e| e.with_path(&args.file))?;
    let explained = matcher.explain(&args.item, &print)?;
    let drawing = match &args.draw {
        None => None,
        Some(path) => {
            let mut options = matcher.options().clone();
            options.min_strength = Strength::Possible;
            let weak = matcher.with_options(options);
            let mut matches = weak.find(&print)?;
            matches.retain(|one| one.found.item == args.item);
            let drawn = query(&matcher, &bytes, &print, &matches).draw(path)?;
            Some(drawn.then_some(path.as_path()))
        }
    };
    let line = Explanation {
        item: &args.item,
        query: &args.file,
        score: explained.score,
        strength: Strength::of_score(explained.score),
        reported: explained.score >= matcher.options().min_strength.min_score(),
        stages: explained.stages,
        drawing,
    };
    json_pretty(&mut io::stdout(), &line)?;
    Ok(())
}
