//! `import` and `export`: hash lists, and items with their fingerprints.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use leakprint::collection::{
    AddOutcome, CodeItem, CollectionWriter, Content, FalseMatch, Metadata, NewItem, Timestamp,
};
use leakprint::exchange::{ItemLine, PdqList, ThreatEntry, write_pdq_line, write_pdq_line_with};
use leakprint::fingerprint::Pipeline;
use leakprint::{Collection, Error, ErrorKind};
use serde::Serialize;
use serde_json::Value;

use crate::collection::writer;
use crate::output::{Errors, json_line};
use crate::{ExportArgs, Failure, Form, ImportArgs};

/// Items with fingerprints that share one sync.
const BATCH: usize = 256;

/// The longest line of a JSON-lines file: a fingerprint of a large document.
const MAX_LINE: u64 = 256 << 20;

/// The largest hash list.
const MAX_LIST: u64 = 4 << 30;

#[derive(Default, Serialize)]
struct Report {
    lines: u64,
    added: u64,
    unchanged: u64,
    broken: u64,
    generation: u64,
}

/// Counts and reports lines that cannot be read.
struct Broken<'a> {
    path: &'a Path,
    errors: Errors,
}

impl Broken<'_> {
    fn line(&mut self, number: u64, e: &Error) -> Result<(), Failure> {
        self.errors.failed(&self.place(number), e)
    }

    /// Warns that a mark has no effect yet.
    fn unknown_item(&mut self, number: u64, item: &str) -> Result<(), Failure> {
        let message = format!(
            "the collection has no item {item:?}: the mark has no effect until it is added"
        );
        self.errors.noted(&self.place(number), message)
    }

    fn place(&self, number: u64) -> String {
        format!("{}:{number}", self.path.display())
    }
}

pub(crate) fn import(args: &ImportArgs) -> Result<(), Failure> {
    let used = [args.file.as_path()];
    let mut broken = Broken {
        path: &args.file,
        errors: Errors::new(args.errors.as_ref(), &used)?,
    };
    // Before the collection is made, if it is.
    let open =
        || File::open(&args.file).map_err(|e| format!("{}: cannot read: {e}", args.file.display()));
    let file = open()?;
    let len = file.metadata()?.len();
    let writer = writer(&args.collection, args.key.as_deref(), None)?;
    let mut report = match args.form {
        Form::PdqCsv | Form::Threatexchange => {
            if len > MAX_LIST {
                return Err(format!("{}: more than {MAX_LIST} bytes", args.file.display()).into());
            }
            let bytes = fs::read(&args.file)?;
            let mut report = Report::default();
            let codes = match args.form {
                Form::PdqCsv => csv(&bytes, args.label.as_deref(), &mut report, &mut broken)?,
                _ => threats(&bytes, args.label.as_deref(), &mut report, &mut broken)?,
            };
            drop(bytes);
            let imported = writer
                .import_codes(args.pipeline, codes, args.mix_pipelines)
                .map_err(|e| match e.kind() {
                    ErrorKind::Recipe => Failure::from(format!(
                        "{}: {e} (`--mix-pipelines` says so)",
                        args.collection.display()
                    )),
                    _ => e.into(),
                })?;
            report.added = imported.added;
            report.unchanged = imported.unchanged;
            report.generation = imported.generation;
            report
        }
        Form::Fingerprints => items(&writer, file, &mut broken)?,
        Form::FalseMatches => false_matches(&writer, file, &mut broken)?,
    };
    report.broken = broken.errors.failed;
    broken.errors.finish()?;
    json_line(&mut io::stdout(), &report)?;
    if report.lines > 0 && report.broken == report.lines {
        return Err("no line could be read, nothing was added".into());
    }
    Ok(())
}

fn csv(
    bytes: &[u8],
    label: Option<&str>,
    report: &mut Report,
    broken: &mut Broken<'_>,
) -> Result<Vec<CodeItem>, Failure> {
    let now = Timestamp::now();
    let mut codes = Vec::new();
    for (number, line) in PdqList::new(bytes) {
        report.lines += 1;
        match line {
            Ok(line) => {
                let mut metadata = Metadata::added(now);
                // If a label was given, the label in the list becomes the note.
                let said = line.label.map(|label| label.into_owned());
                match label {
                    Some(label) => {
                        metadata.label = Some(label.to_owned());
                        metadata.note = said;
                    }
                    None => metadata.label = said,
                }
                let item = CodeItem::new(line.code, line.quality, metadata);
                codes.push(item.with_gradient(line.gradient));
            }
            Err(e) => broken.line(number, &e)?,
        }
    }
    Ok(codes)
}

/// JSON lines, an array, or an object that holds one. Errors name the number of an
/// entry in an array, and the line otherwise.
fn threats(
    bytes: &[u8],
    label: Option<&str>,
    report: &mut Report,
    broken: &mut Broken<'_>,
) -> Result<Vec<CodeItem>, Failure> {
    let whole: Option<Value> = serde_json::from_slice(bytes).ok();
    let list = match whole {
        Some(Value::Array(list)) => Some(list),
        Some(Value::Object(mut object)) => {
            let keys = ["data", "signals", "threat_updates", "indicators", "hashes"];
            keys.iter().find_map(|key| match object.remove(*key) {
                Some(Value::Array(list)) => Some(list),
                _ => None,
            })
        }
        _ => None,
    };
    let entries: Vec<(u64, Result<ThreatEntry, serde_json::Error>)> = match list {
        Some(list) => (1..)
            .zip(list.into_iter().map(serde_json::from_value))
            .collect(),
        None => {
            let lines = (1..).zip(bytes.split(|&byte| byte == b'\n'));
            let lines = lines.filter(|(_, line)| !line.trim_ascii().is_empty());
            lines
                .map(|(number, line)| (number, serde_json::from_slice(line)))
                .collect()
        }
    };
    let mut codes = Vec::new();
    for (number, entry) in entries {
        report.lines += 1;
        let read = entry
            .map_err(|e| Error::new(ErrorKind::Malformed, e.to_string()))
            .and_then(|entry| Ok((entry.code()?, entry.gradient_code()?, entry)));
        match read {
            Ok(((code, quality), gradient, entry)) => {
                let mut metadata = Metadata::added(Timestamp::now());
                metadata.tags = entry.tag_pairs();
                metadata.label = label.map(str::to_owned).or(entry.label);
                metadata.note = entry.description;
                codes.push(CodeItem::new(code, quality, metadata).with_gradient(gradient));
            }
            Err(e) => broken.line(number, &e)?,
        }
    }
    Ok(codes)
}

/// The lines of a file with their numbers, each of a bounded length.
fn each_line(
    file: File,
    mut with: impl FnMut(u64, Result<&[u8], Error>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut reader = BufReader::with_capacity(1 << 18, file);
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let mut limited = io::Read::take(&mut reader, MAX_LINE);
        if limited.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        if line.last() != Some(&b'\n') && line.len() as u64 == MAX_LINE {
            let message = format!("a line of more than {MAX_LINE} bytes");
            with(number, Err(Error::new(ErrorKind::Limit, message)))?;
            // The rest of it.
            while line.last() != Some(&b'\n') {
                line.clear();
                let mut limited = io::Read::take(&mut reader, MAX_LINE);
                if limited.read_until(b'\n', &mut line)? == 0 {
                    break;
                }
            }
        } else if !line.trim_ascii().is_empty() {
            with(number, Ok(&line))?;
        }
    }
    Ok(())
}

fn malformed(e: serde_json::Error) -> Error {
    Error::new(ErrorKind::Malformed, e.to_string())
}

fn items(
    writer: &CollectionWriter,
    file: File,
    broken: &mut Broken<'_>,
) -> Result<Report, Failure> {
    let mut report = Report::default();
    let mut batch: Vec<(u64, NewItem)> = Vec::new();
    let flush = |batch: &mut Vec<(u64, NewItem)>,
                 broken: &mut Broken<'_>|
     -> Result<(u64, u64, u64), Failure> {
        let (numbers, items): (Vec<u64>, Vec<NewItem>) = std::mem::take(batch).into_iter().unzip();
        let (results, generation) = writer.add_batch(&items)?;
        let (mut added, mut unchanged) = (0, 0);
        for (number, result) in numbers.into_iter().zip(results) {
            match result {
                Ok(AddOutcome::Unchanged) => unchanged += 1,
                Ok(_) => added += 1,
                Err(e) => broken.line(number, &e)?,
            }
        }
        Ok((added, unchanged, generation))
    };
    let take = |done: (u64, u64, u64), report: &mut Report| {
        report.added += done.0;
        report.unchanged += done.1;
        report.generation = done.2;
    };
    each_line(file, |number, line| {
        report.lines += 1;
        let item = line
            .and_then(|line| serde_json::from_slice::<ItemLine>(line).map_err(malformed))
            .and_then(ItemLine::into_item);
        match item {
            Ok(item) => batch.push((number, item)),
            Err(e) => broken.line(number, &e)?,
        }
        if batch.len() == BATCH {
            take(flush(&mut batch, broken)?, &mut report);
        }
        Ok(())
    })?;
    take(flush(&mut batch, broken)?, &mut report);
    Ok(report)
}

fn false_matches(
    writer: &CollectionWriter,
    file: File,
    broken: &mut Broken<'_>,
) -> Result<Report, Failure> {
    let mut report = Report::default();
    let mut marks = Vec::new();
    let snapshot = writer.collection().snapshot();
    each_line(file, |number, line| {
        report.lines += 1;
        match line.and_then(|line| serde_json::from_slice::<FalseMatch>(line).map_err(malformed)) {
            Ok(mark) => {
                if snapshot.item(&mark.item)?.is_none() {
                    broken.unknown_item(number, &mark.item)?;
                }
                marks.push(mark);
            }
            Err(e) => broken.line(number, &e)?,
        }
        Ok(())
    })?;
    report.generation = writer.mark_false(&marks)?;
    report.added = marks.len() as u64;
    Ok(report)
}

pub(crate) fn export(args: &ExportArgs) -> Result<(), Failure> {
    let snapshot = Collection::open(&args.collection)?.snapshot();
    let mut out = BufWriter::new(io::stdout());
    if args.form == Form::FalseMatches {
        for mark in snapshot.false_matches() {
            json_line(&mut out, &mark)?;
        }
        out.flush()?;
        return Ok(());
    }
    if args.form == Form::PdqCsv {
        let second = if args.gradient { ",gradient" } else { "" };
        writeln!(out, "hash,quality,label{second}")?;
    }
    // Not items, but they affect matching.
    let discounts = snapshot.discounts();
    let discounts = discounts.filter(|_| args.form == Form::Fingerprints);
    for item in snapshot.contents().chain(discounts) {
        let (info, content) = item?;
        if args.form == Form::Fingerprints {
            json_line(&mut out, &ItemLine::new(info, content))?;
            continue;
        }
        let (mut hashes, is_code) = (Vec::new(), matches!(content, Content::Code { .. }));
        match content {
            Content::Code {
                pipeline,
                code,
                quality,
                gradient,
            } if pipeline == args.pipeline => hashes.push((code, quality, gradient)),
            Content::Prints(fingerprint) => {
                let rasters = fingerprint
                    .parts
                    .iter()
                    .filter_map(|part| part.raster.as_ref());
                hashes.extend(rasters.map(|raster| {
                    let full = raster.exchange_pdq();
                    let code = match args.pipeline {
                        Pipeline::Full => full.code,
                        Pipeline::Nn512 => raster.pdq_nn512,
                    };
                    (code, full.quality, Some(raster.gradient.upright[0]))
                }));
            }
            _ => {}
        }
        for (code, quality, gradient) in hashes {
            let gradient = gradient.filter(|_| args.gradient);
            // The label of a hash of a list is kept; that of a picture is the item's name.
            let label = if is_code {
                info.metadata.label.clone()
            } else {
                Some(info.item.clone())
            };
            if args.form == Form::PdqCsv {
                let label = label.as_deref().unwrap_or_default();
                match args.gradient {
                    true => {
                        write_pdq_line_with(&mut out, &code, quality, label, gradient.as_ref())?
                    }
                    false => write_pdq_line(&mut out, &code, quality, label)?,
                }
                continue;
            }
            let mut entry = ThreatEntry::new(&code, quality);
            entry.label = label;
            entry.gradient = gradient.map(|code| code.to_string());
            entry.description = info.metadata.note.clone();
            if !info.metadata.tags.is_empty() {
                entry.tags = Some(leakprint::exchange::Tags::Pairs(info.metadata.tags.clone()));
            }
            json_line(&mut out, &entry)?;
        }
    }
    out.flush()?;
    Ok(())
}
