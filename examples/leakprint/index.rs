//! `index`, `info` and `verify`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use leakprint::{Collection, Executor, Fingerprint, Fingerprinter, Index, IndexWriter, Result};
use serde::Serialize;

use crate::input::{Read, Sources, recogniser};
use crate::output::{Errors, json_line, json_pretty, progress};
use crate::target::{check, key};
use crate::{Failure, IndexArgs};

#[derive(Serialize)]
struct Written<'a> {
    index: &'a Path,
    items: u64,
    failed: u64,
    warnings: u64,
    bytes: u64,
}

pub(crate) fn run(args: &IndexArgs) -> Result<(), Failure> {
    let input = &args.input;
    if input.paths.is_empty() && input.jsonl.is_empty() {
        return Err("nothing to index: name files, folders or --jsonl FILE".into());
    }
    let mut builder = Fingerprinter::builder().window(args.window);
    if let Some(key) = key(input.key.as_deref())? {
        builder = builder.key(key);
    }
    let mut fingerprinter = builder.build()?;
    if let Some(languages) = &args.recognise {
        fingerprinter = fingerprinter.with_recogniser(recogniser(languages)?);
    }
    let exec = Executor::with_threads(input.threads)?;
    // A key that the owner keeps stays out of the file; a random one is in it.
    let mut writer = IndexWriter::from(&fingerprinter);
    check_writable(&args.output)?;
    let mut written: Vec<&Path> = vec![&args.output];
    written.extend(input.errors.as_deref());
    let ignore = Sources::existing("--ignore", &args.ignore, &input.base)?;
    let background = Sources::existing("--background", &args.background, &input.base)?;
    let items = Sources::new(&input.paths, &input.base, &input.jsonl)?;
    // Last: it replaces a file.
    let mut errors = {
        let mut used: Vec<&Path> = vec![&args.output];
        let read = input.paths.iter().chain(&input.jsonl).chain(&input.key);
        let read = read.chain(&args.ignore).chain(&args.background);
        used.extend(read.map(PathBuf::as_path));
        Errors::new(input.errors.as_ref(), &used)?
    };
    let [ignore, background, items] =
        [ignore, background, items].map(|sources| sources.without(&written));
    let mut each = |what, sources: Sources, add: &mut Add<'_>| {
        fingerprint_all(what, sources, &fingerprinter, &exec, &mut errors, add)
    };
    each("ignoring", ignore, &mut |_, print| writer.ignore(print))?;
    each("background", background, &mut |_, print| {
        writer.background(print)
    })?;
    let items = each("indexing", items, &mut |name, print| {
        writer.add(name, print).map(drop)
    })?;
    if items == 0 {
        return Err("no input could be read, no index written".into());
    }
    writer.save(&args.output, &exec)?;
    let written = Written {
        index: &args.output,
        items,
        failed: errors.failed,
        warnings: errors.warnings,
        bytes: fs::metadata(&args.output)?.len(),
    };
    json_line(&mut io::stdout(), &written)?;
    errors.finish()
}

/// Fails before the work is done where its result could not be written.
fn check_writable(output: &Path) -> Result<(), Failure> {
    let folder = match output.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let what = if output.is_dir() {
        "is a folder".to_owned()
    } else {
        match tempfile::tempfile_in(folder) {
            Ok(_) => return Ok(()),
            // The temporary file's own name says nothing to anybody.
            Err(e) => format!("cannot write there: {}", e.kind()),
        }
    };
    Err(format!("-o {}: {what}", output.display()).into())
}

type Add<'a> = dyn FnMut(&str, &Fingerprint) -> Result<()> + Send + 'a;

/// Fingerprints in parallel, adds in input order; returns how many were added.
fn fingerprint_all(
    what: &'static str,
    sources: Sources,
    fingerprinter: &Fingerprinter,
    exec: &Executor,
    errors: &mut Errors,
    add: &mut Add<'_>,
) -> Result<u64, Failure> {
    let bar = progress(what);
    let mut added = 0;
    exec.map_stream(
        sources.inputs(),
        8 * exec.threads(),
        |input| input.read(fingerprinter, |print, _| Ok(print)),
        |Read { name, result, .. }| -> Result<(), Failure> {
            bar.inc(1);
            match result.and_then(|print| add(&name, &print).map(|()| print)) {
                Ok(print) => {
                    added += 1;
                    let mut warnings = print.warnings.iter();
                    warnings.try_for_each(|w| bar.suspend(|| errors.warning(&name, w)))
                }
                Err(e) => bar.suspend(|| errors.failed(&name, &e)),
            }
        },
    )?;
    bar.finish_and_clear();
    Ok(added)
}

pub(crate) fn info(path: &PathBuf) -> Result<(), Failure> {
    if path.is_dir() {
        let info = Collection::open(path)?.snapshot().info();
        json_pretty(&mut io::stdout(), &info)?;
    } else {
        json_pretty(&mut io::stdout(), &Index::open(path)?.info())?;
    }
    Ok(())
}

#[derive(Serialize)]
struct Verified<'a> {
    index: &'a Path,
    sound: bool,
}

#[derive(Serialize)]
struct VerifiedCollection<'a> {
    collection: &'a Path,
    sound: bool,
    #[serde(flatten)]
    report: leakprint::collection::VerifyReport,
}

pub(crate) fn verify(path: &PathBuf) -> Result<(), Failure> {
    if path.is_dir() {
        let report = check(path, &Executor::with_threads(0)?)?;
        let line = VerifiedCollection {
            collection: path,
            sound: true,
            report,
        };
        json_line(&mut io::stdout(), &line)?;
        return Ok(());
    }
    let index = Index::open(path)?;
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
