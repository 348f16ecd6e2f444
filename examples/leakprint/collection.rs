//! `add`, `remove`, `list`, `compact`, `repair` and `mark-false`. A line is printed once the change is
//! on disk.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use leakprint::collection::{
    AddOutcome, CollectionWriter, Content, Discount, FalseMatch, FalseScope, Metadata, NewItem,
    Timestamp, WriterOptions, repair,
};
use leakprint::lines::{ChangeLine, ListLine};
use leakprint::{
    Collection, Digest, Error, ErrorKind, Executor, Fingerprint, Fingerprinter, PartPath,
};
use serde::Serialize;

use crate::args::MarkOf;
use crate::input::{Read, Sources, read_file};
use crate::interrupt::on_interrupt;
use crate::output::{Errors, json_line, json_pretty, progress};
use crate::target::key;
use crate::{AddArgs, Failure, MarkArgs};

/// Items that share one sync, and how long the first of them waits for the others.
const BATCH: usize = 256;
const MAX_WAIT: Duration = Duration::from_millis(100);

/// Opens a collection for writing, or makes one.
pub(crate) fn writer(
    folder: &Path,
    key_file: Option<&Path>,
    window: Option<u32>,
) -> Result<CollectionWriter, Failure> {
    let mut options = WriterOptions::default().with_key(key(key_file)?);
    if let Some(window) = window {
        options.window = window;
    }
    let writer = CollectionWriter::open(folder, options)?;
    // An existing collection keeps its window, which would go unnoticed.
    let own = writer.collection().recipe().window;
    match window.filter(|window| *window != own) {
        Some(window) => Err(format!(
            "--window {window}: the collection {} has {own}: leave the option out, or make another \
             collection",
            folder.display()
        )
        .into()),
        None => Ok(writer),
    }
}

/// As [`writer`], for an existing collection.
pub(crate) fn existing(folder: &Path) -> Result<CollectionWriter, Failure> {
    if !folder.is_dir() {
        return Err(format!(
            "{}: there is no collection: `add` makes one",
            folder.display()
        )
        .into());
    }
    writer(folder, None, None)
}

/// The next items to add, in the order of the input.
struct Batch<'a> {
    writer: &'a CollectionWriter,
    items: Vec<NewItem>,
    /// Names with errors, and their positions in the order.
    failed: Vec<(usize, String, Error)>,
    since: Option<Instant>,
    most: usize,
}

impl Batch<'_> {
    fn is_due(&self) -> bool {
        self.items.len() + self.failed.len() >= self.most
            || self.since.is_some_and(|since| since.elapsed() >= MAX_WAIT)
    }

    /// Adds all, then prints their lines.
    fn flush(&mut self, out: &mut impl Write, errors: &mut Errors) -> Result<u64, Failure> {
        let (results, generation) = self.writer.add_batch(&self.items)?;
        let mut failed = std::mem::take(&mut self.failed).into_iter().peekable();
        let mut fail = |out: &mut dyn Write, name: &str, e: &Error| -> Result<(), Failure> {
            if errors.is_file() {
                errors.failed(name, e)?;
            } else {
                errors.failed += 1;
            }
            json_line(&mut &mut *out, &ChangeLine::failed(name, e))?;
            Ok(())
        };
        let mut added = 0;
        for (place, (item, result)) in self.items.iter().zip(results).enumerate() {
            while let Some((_, name, e)) = failed.next_if(|(at, ..)| *at <= place) {
                fail(out, &name, &e)?;
            }
            let status = match result {
                Ok(AddOutcome::Added) => match item.content {
                    Content::Discount(Discount::Ignore, _) => "ignored",
                    Content::Discount(..) => "background",
                    _ => "added",
                },
                Ok(other) => other.as_str(),
                Err(e) => {
                    fail(out, &item.name, &e)?;
                    continue;
                }
            };
            added += 1;
            json_line(out, &ChangeLine::done(&item.name, status, generation))?;
        }
        for (_, name, e) in failed {
            fail(out, &name, &e)?;
        }
        out.flush()?;
        self.items.clear();
        self.since = None;
        Ok(added)
    }
}

pub(crate) fn add(args: &AddArgs) -> Result<(), Failure> {
    let input = &args.input;
    let discounts = [&args.ignore, &args.background];
    if input.paths.is_empty() && input.jsonl.is_empty() && discounts.iter().all(|d| d.is_empty()) {
        return Err("nothing to add: name files, folders or --jsonl FILE".into());
    }
    let mut metadata = Metadata::added(Timestamp::now());
    metadata.label = args.label.clone();
    metadata.note = args.note.clone();
    metadata.tags = args.tags.iter().cloned().collect::<BTreeMap<_, _>>();
    let mut of_items = metadata.clone();
    of_items.expires = args.expires;
    let limits = input.limits.read()?;
    let exec = Executor::with_threads(input.threads)?;
    let mut written: Vec<&Path> = vec![&args.collection];
    written.extend(input.errors.as_deref());
    let ignore = Sources::existing("--ignore", &args.ignore, &input.base)?;
    let background = Sources::existing("--background", &args.background, &input.base)?;
    let items = Sources::new(&input.paths, &input.base, &input.jsonl)?;
    let mut errors = {
        let read = input.paths.iter().chain(&input.jsonl).chain(&input.key);
        let read = read.chain(discounts.into_iter().flatten());
        let used: Vec<&Path> = read.map(|path| path.as_path()).collect();
        Errors::new(input.errors.as_ref(), &used)?
    };
    let writer = writer(&args.collection, input.key.as_deref(), args.window)?;
    let fingerprinter = writer.collection().fingerprinter()?.clone();
    let fingerprinter = fingerprinter.with_limits(limits);
    let interactive = input.jsonl.iter().any(|path| path == Path::new("-"));
    let mut batch = Batch {
        writer: &writer,
        items: Vec::new(),
        failed: Vec::new(),
        since: None,
        most: if interactive { 1 } else { BATCH },
    };
    let collection = args.collection.display();
    on_interrupt(format!(
        "items whose lines were printed are in {collection}; the same command adds the others"
    ))?;
    let mut out = BufWriter::new(io::stdout());
    let mut added = 0;
    let discount = |kind| {
        let metadata = metadata.clone();
        move |name, print| NewItem::discount(kind, name, print).with_metadata(metadata.clone())
    };
    let mut each =
        |what, sources: Sources, item: &(dyn Fn(String, Fingerprint) -> NewItem + Sync)| {
            // The folder exists by now, and is not an input.
            let sources = sources.without(&written);
            let bar = progress(what, &sources);
            exec.map_stream(
                sources.inputs(),
                8 * exec.threads(),
                |input| input.read(&fingerprinter, |print, _| Ok(print)),
                |Read { name, result, .. }| -> Result<(), Failure> {
                    bar.inc(1);
                    batch.since.get_or_insert_with(Instant::now);
                    match result {
                        Ok(print) => {
                            let mut warnings = print.warnings.iter();
                            warnings.try_for_each(|w| bar.suspend(|| errors.warning(&name, w)))?;
                            batch.items.push(item(name, print));
                        }
                        Err(e) => batch.failed.push((batch.items.len(), name, e)),
                    }
                    if batch.is_due() {
                        added += batch.flush(&mut out, &mut errors)?;
                    }
                    Ok(())
                },
            )?;
            added += batch.flush(&mut out, &mut errors)?;
            bar.finish_and_clear();
            Ok::<_, Failure>(())
        };
    // Before the items, so that nothing is ever matched without them.
    each("ignoring", ignore, &discount(Discount::Ignore))?;
    each("background", background, &discount(Discount::Background))?;
    each("adding", items, &|name, print| {
        NewItem::new(name, print).with_metadata(of_items.clone())
    })?;
    let failed = errors.failed;
    errors.finish()?;
    if added == 0 {
        return Err(match failed {
            0 => "nothing to add: the given folders and files hold nothing".into(),
            _ => "no input could be read, nothing was added".into(),
        });
    }
    Ok(())
}

pub(crate) fn remove(
    folder: &Path,
    names: &[String],
    discount: Option<Discount>,
) -> Result<(), Failure> {
    let writer = existing(folder)?;
    let (there, generation) = match discount {
        None => writer.remove(names)?,
        Some(kind) => writer.remove_discounts(kind, names)?,
    };
    let mut out = BufWriter::new(io::stdout());
    for (name, there) in names.iter().zip(there) {
        let status = if there { "removed" } else { "absent" };
        json_line(&mut out, &ChangeLine::done(name, status, generation))?;
    }
    out.flush()?;
    Ok(())
}

pub(crate) fn list(folder: &Path) -> Result<(), Failure> {
    let snapshot = Collection::open(folder)?.snapshot();
    let mut out = BufWriter::new(io::stdout());
    for item in snapshot.items() {
        json_line(&mut out, &ListLine::from(&item?))?;
    }
    out.flush()?;
    Ok(())
}

#[derive(Serialize)]
struct Compacted<'a> {
    collection: &'a Path,
    generation: u64,
    items: u64,
    bytes: u64,
}

pub(crate) fn compact(folder: &Path) -> Result<(), Failure> {
    let writer = existing(folder)?;
    let generation = writer.compact()?;
    let info = writer.collection().snapshot().info();
    let line = Compacted {
        collection: folder,
        generation,
        items: info.items,
        bytes: info.segments.iter().map(|segment| segment.bytes).sum(),
    };
    json_line(&mut io::stdout(), &line)?;
    Ok(())
}

pub(crate) fn run_repair(folder: &Path) -> Result<(), Failure> {
    let report = repair(folder, &Executor::with_threads(0)?)?;
    json_pretty(&mut io::stdout(), &report)?;
    Ok(())
}

/// The uploads that count as a file.
fn scope_of(file: &Path, of: MarkOf) -> Result<FalseScope, Error> {
    let bytes = read_file(file, &leakprint::Limits::default())?;
    if of == MarkOf::Bytes {
        return Ok(FalseScope::Digest(Digest::of_bytes(&bytes)));
    }
    // The hash of a picture depends on no key.
    let fingerprinter = Fingerprinter::builder().build()?;
    let print = fingerprinter.fingerprint(&bytes, file.to_str())?;
    let raster = print.parts.first().and_then(|part| part.raster.as_ref());
    let raster =
        raster.ok_or_else(|| Error::new(ErrorKind::InvalidInput, "--of picture: this is none"))?;
    Ok(FalseScope::Picture(raster.pdq.code()))
}

pub(crate) fn mark_false(args: &MarkArgs) -> Result<(), Failure> {
    let writer = existing(&args.collection)?;
    let scope = match (&args.query, &args.part) {
        (Some(file), _) => scope_of(file, args.of).map_err(|e| e.with_path(file))?,
        (None, Some(part)) => FalseScope::ItemPart(PartPath::from(part.as_str())),
        (None, None) => {
            return Err("say which matches are false: --query FILE or --part PATH".into());
        }
    };
    if args.undo {
        let (there, generation) = writer.unmark(&args.item, &scope)?;
        let status = if there { "unmarked" } else { "absent" };
        return print_mark(&args.item, status, generation);
    }
    if writer.collection().snapshot().item(&args.item)?.is_none() {
        let message = format!("the collection has no item {:?}", args.item);
        return Err(Error::new(ErrorKind::InvalidInput, message).into());
    }
    let mark = FalseMatch::new(&args.item, scope, &args.by, &args.why);
    let generation = writer.mark_false(&[mark])?;
    print_mark(&args.item, "marked", generation)
}

fn print_mark(item: &str, status: &str, generation: u64) -> Result<(), Failure> {
    json_line(
        &mut io::stdout(),
        &ChangeLine::done(item, status, generation),
    )?;
    Ok(())
}
