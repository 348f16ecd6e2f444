//! `index`, `info` and `verify`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use leakprint::{Executor, Fingerprint, Fingerprinter, Index, IndexWriter, Result};
use serde::Serialize;

use crate::input::{Input, inputs, read_key};
use crate::output::{Errors, json_line, progress};
use crate::{Failure, IndexArgs};

#[derive(Serialize)]
struct Written<'a> {
    index: &'a Path,
    items: u64,
    failed: u64,
    bytes: u64,
}

pub(crate) fn run(args: &IndexArgs) -> Result<(), Failure> {
    let input = &args.input;
    if input.paths.is_empty() && input.jsonl.is_empty() {
        return Err("nothing to index: name files, folders or --jsonl FILE".into());
    }
    let key = input.key.as_deref().map(read_key).transpose()?;
    let mut builder = Fingerprinter::builder().window(args.window);
    // A key that the owner keeps stays out of the file; a random one must be in it.
    let keep_apart = key.is_some();
    if let Some(key) = key {
        builder = builder.key(key);
    }
    let fingerprinter = builder.build()?;
    let exec = Executor::with_threads(input.threads)?;
    let stored_key = (!keep_apart).then(|| fingerprinter.key().clone());
    let mut writer = IndexWriter::new(fingerprinter.recipe().clone(), stored_key)?;
    let mut errors = Errors::new(input.errors.as_ref())?;

    let mut each = |what, inputs: &mut dyn Iterator<Item = Input>, add: &mut Add<'_>| {
        fingerprint_all(what, inputs, &fingerprinter, &exec, &mut errors, add)
    };
    each(
        "ignoring",
        &mut inputs(&args.ignore, &input.base, &[]),
        &mut |_, print| writer.ignore(print),
    )?;
    each(
        "background",
        &mut inputs(&args.background, &input.base, &[]),
        &mut |_, print| writer.background(print),
    )?;
    let items = each(
        "indexing",
        &mut inputs(&input.paths, &input.base, &input.jsonl),
        &mut |name, print| writer.add(name, print).map(drop),
    )?;
    if items == 0 {
        return Err("no input could be read, no index written".into());
    }
    writer.save(&args.output, &exec)?;
    let written = Written {
        index: &args.output,
        items,
        failed: errors.count,
        bytes: std::fs::metadata(&args.output)?.len(),
    };
    errors.finish()?;
    json_line(&mut io::stdout(), &written)?;
    Ok(())
}

type Add<'a> = dyn FnMut(&str, &Fingerprint) -> Result<()> + 'a;

/// Fingerprints in parallel, adds in input order; returns how many were added.
fn fingerprint_all(
    what: &'static str,
    inputs: &mut dyn Iterator<Item = Input>,
    fingerprinter: &Fingerprinter,
    exec: &Executor,
    errors: &mut Errors,
    add: &mut Add<'_>,
) -> Result<u64, Failure> {
    let bar = progress(what);
    let mut added = 0;
    // Only the iterator's elements cross threads, never the iterator itself.
    exec.map_stream(
        inputs,
        4 * exec.threads(),
        |input| {
            let name = input.name.clone();
            (name, input.fingerprint(fingerprinter))
        },
        |(name, result)| -> Result<(), Failure> {
            bar.inc(1);
            match result.and_then(|print| add(&name, &print).map(|()| print)) {
                Ok(print) => {
                    added += 1;
                    for warning in print.warnings {
                        let part = warning.part.as_str();
                        bar.suspend(|| {
                            errors.report(&name, part, "warning", warning.message.clone())
                        })?;
                    }
                }
                Err(e) => {
                    bar.suspend(|| errors.report(&name, "", e.kind().as_str(), e.to_string()))?;
                }
            }
            Ok(())
        },
    )?;
    bar.finish_and_clear();
    Ok(added)
}

pub(crate) fn info(path: &PathBuf) -> Result<(), Failure> {
    let index = Index::open(path).map_err(|e| e.with_path(path))?;
    let mut out = io::stdout();
    serde_json::to_writer_pretty(&mut out, &index.info())?;
    out.write_all(b"\n")?;
    Ok(())
}

#[derive(Serialize)]
struct Verified<'a> {
    index: &'a Path,
    sound: bool,
}

pub(crate) fn verify(path: &PathBuf) -> Result<(), Failure> {
    let index = Index::open(path).map_err(|e| e.with_path(path))?;
    index
        .verify(&Executor::with_threads(0)?)
        .map_err(|e| e.with_path(path))?;
    let line = Verified {
        index: path,
        sound: true,
    };
    json_line(&mut io::stdout(), &line)?;
    Ok(())
}
