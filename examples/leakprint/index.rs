//! `index`, `info` and `verify`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use leakprint::{
    Collection, Error, Executor, Fingerprint, Fingerprinter, Index, IndexWriter, Result,
};
use serde::Serialize;

use crate::input::{Read, Sources, recogniser};
use crate::interrupt::on_interrupt;
use crate::journal::Locked;
use crate::output::{Errors, check_apart, json_line, json_pretty, progress};
use crate::resume::{
    Otherwise, Payload, Resume, Tally, are_settled, is_settled, journal_path, kept, known_or,
    settled_kind,
};
use crate::settings::Settings;
use crate::target::key;
use crate::writable::{Writes, check_writable};
use crate::{Failure, IndexArgs};

#[derive(Serialize)]
struct Written<'a> {
    index: &'a Path,
    items: u64,
    failed: u64,
    warnings: u64,
    bytes: u64,
    /// The outcome of the inputs of a run with `--resume`.
    #[serde(skip_serializing_if = "Option::is_none")]
    resumed: Option<Tally>,
}

pub(crate) fn run(args: &IndexArgs) -> Result<(), Failure> {
    let input = &args.input;
    if input.paths.is_empty() && input.jsonl.is_empty() {
        return Err("nothing to index: name files, folders or --jsonl FILE".into());
    }
    check_writable("-o", &args.output, Writes::ByRename)?;
    let journal = args.resume.then(|| journal_path(&args.output));
    if let Some(path) = &journal {
        check_apart("--resume", path, &read(args))?;
    }
    let ignore = Sources::existing("--ignore", &args.ignore, &input.base)?;
    let background = Sources::existing("--background", &args.background, &input.base)?;
    let items = Sources::new(&input.paths, &input.base, &input.jsonl)?;
    let key = key(input.key.as_deref())?;
    // A key that the owner keeps stays out of the file; a random one must be in it.
    let keep_apart = key.is_some();
    let locked = journal.as_deref().map(Locked::open).transpose()?;
    // Fingerprints of two random keys cannot be compared.
    let known = locked.as_ref().and_then(Locked::settings);
    let limits = input.limits.read()?;
    let mut builder = Fingerprinter::builder().window(args.window).limits(limits);
    if let Some(key) = key.or_else(|| known.and_then(Settings::stored_key)) {
        builder = builder.key(key);
    }
    let mut fingerprinter = builder.build()?;
    if let Some(languages) = &args.recognise {
        fingerprinter = fingerprinter.with_recogniser(recogniser(languages)?);
    }
    let exec = Executor::with_threads(input.threads)?;
    on_interrupt(match &journal {
        Some(path) => format!(
            "no index was written; the same command continues from {}",
            path.display()
        ),
        None => "no index was written; with --resume the work so far is kept".to_owned(),
    })?;
    let stored_key = (!keep_apart).then(|| fingerprinter.key().clone());
    let mut writer = IndexWriter::new(fingerprinter.recipe().clone(), stored_key.clone())?;
    let mut written: Vec<&Path> = vec![&args.output];
    written.extend(input.errors.as_deref());
    written.extend(journal.as_deref());
    // Last: they replace a file.
    let mut errors = {
        let mut used = read(args);
        used.push(&args.output);
        used.extend(journal.as_deref());
        Errors::new(input.errors.as_ref(), &used)?
    };
    let begin = |(path, locked): (&PathBuf, Locked)| {
        let (recipe, limits) = (fingerprinter.recipe(), fingerprinter.limits());
        let recognise = args.recognise.as_deref();
        let settings = Settings::of_index(recipe, limits, recognise, stored_key.as_ref());
        Resume::begin(path, locked, &settings, &Otherwise::DoAgain)
    };
    let mut resume = journal.as_ref().zip(locked).map(begin).transpose()?;
    let [ignore, background, items] =
        [ignore, background, items].map(|sources| sources.without(&written));
    let mut run = Run {
        fingerprinter: &fingerprinter,
        exec: &exec,
        errors: &mut errors,
        resume: resume.as_mut(),
    };
    run.each("ignoring", ignore, &mut |_, print| writer.ignore(print))?;
    run.each("background", background, &mut |_, print| {
        writer.background(print)
    })?;
    let items = run.each("indexing", items, &mut |name, print| {
        writer.add(name, print).map(drop)
    })?;
    if items == 0 {
        return Err("no input could be read, no index written".into());
    }
    writer.save(&args.output, &exec)?;
    let finish = |resume: Resume| resume.finish("fingerprinted");
    let resumed = resume.map(finish).transpose()?;
    let written = Written {
        index: &args.output,
        items,
        failed: errors.failed,
        warnings: errors.warnings,
        bytes: fs::metadata(&args.output)?.len(),
        resumed,
    };
    json_line(&mut io::stdout(), &written)?;
    errors.finish()
}

/// Everything that is read.
fn read(args: &IndexArgs) -> Vec<&Path> {
    let input = &args.input;
    let read = input.paths.iter().chain(&input.jsonl).chain(&input.key);
    let read = read.chain(&args.ignore).chain(&args.background);
    read.map(PathBuf::as_path).collect()
}

type Add<'a> = dyn FnMut(&str, &Fingerprint) -> Result<()> + Send + 'a;

/// The steps that all kinds of inputs share.
struct Run<'a> {
    fingerprinter: &'a Fingerprinter,
    exec: &'a Executor,
    errors: &'a mut Errors,
    resume: Option<&'a mut Resume>,
}

impl Run<'_> {
    /// Fingerprints in parallel, adds in input order; returns how many were added.
    fn each(
        &mut self,
        what: &'static str,
        sources: Sources,
        add: &mut Add<'_>,
    ) -> Result<u64, Failure> {
        let bar = progress(what, &sources);
        let mut added = 0;
        let (fingerprinter, errors) = (self.fingerprinter, &mut *self.errors);
        let (journal, mut keeper) = Resume::parts(self.resume.as_deref_mut());
        self.exec.map_stream(
            sources.inputs(),
            8 * self.exec.threads(),
            |input| {
                known_or(journal, input, fingerprinter.limits(), |input| {
                    input.read(fingerprinter, |print, _| Ok(print))
                })
            },
            |known| -> Result<(), Failure> {
                bar.inc(1);
                let Read { name, result, .. } = kept(&mut keeper, known, &bar, what)?;
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
}

/// A name, and the fingerprint or the error.
impl Payload for Read<Fingerprint> {
    fn name(&self) -> &str {
        &self.name
    }

    fn pack(&self) -> Option<Vec<u8>> {
        let mut bytes = u32::try_from(self.name.len()).ok()?.to_le_bytes().to_vec();
        bytes.extend_from_slice(self.name.as_bytes());
        match &self.result {
            Ok(print) if are_settled(&print.warnings) => {
                bytes.push(PRINTS);
                bytes.extend_from_slice(&print.to_bytes());
            }
            Err(e) if is_settled(e) => {
                bytes.push(FAILED);
                bytes.extend_from_slice(format!("{} {e}", e.kind()).as_bytes());
            }
            _ => return None,
        }
        Some(bytes)
    }

    fn unpack(bytes: &[u8]) -> Option<Self> {
        let (len, rest) = bytes.split_first_chunk()?;
        let (name, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        let result = match rest.split_first()? {
            (&PRINTS, print) => Ok(Fingerprint::from_bytes(print).ok()?),
            (&FAILED, error) => {
                let (kind, message) = std::str::from_utf8(error).ok()?.split_once(' ')?;
                Err(Error::new(settled_kind(kind, message)?, message))
            }
            _ => return None,
        };
        Some(Self {
            name: String::from_utf8(name.to_vec()).ok()?,
            undecoded: None,
            result,
        })
    }
}

/// The content of a payload after the name.
const PRINTS: u8 = 0;
const FAILED: u8 = 1;

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
        let report = leakprint::collection::verify(path, &Executor::with_threads(0)?)?;
        report.check()?;
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
