//! The command line: fingerprint a leak into an index, match files and posts against it.
//!
//! Nothing but JSON (or the table asked for) goes to standard output; progress
//! and what failed go to standard error.

mod answer;
mod answers;
mod canvas;
mod collection;
mod draw;
mod exchange;
mod hash;
mod index;
mod input;
mod journal;
mod matching;
mod names;
mod output;
mod resume;
mod room;
mod search_codes;
mod settings;
mod stamp;
mod target;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use leakprint::collection::Discount;

/// Recognises leaked material when it is posted again.
#[derive(Parser)]
#[command(name = "leakprint", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Fingerprint files and write an index.
    Index(IndexArgs),
    /// Compare files or posts with an index or a collection: one JSON line a query, in input order.
    Match(MatchArgs),
    /// Print the hashes of files: one JSON line each.
    Hash(HashArgs),
    /// Say what an index or a collection holds.
    Info {
        /// The index file or the collection's folder.
        index: PathBuf,
    },
    /// Read a whole index or collection and check every byte of it.
    Verify {
        /// The index file or the collection's folder.
        index: PathBuf,
    },
    /// Add files to a collection, which is made where there is none: a JSON line for each,
    /// printed once the item is durable.
    Add(AddArgs),
    /// Remove items from a collection by name: a JSON line for each, likewise.
    Remove {
        /// The collection's folder.
        collection: PathBuf,
        /// Names of items.
        #[arg(required = true)]
        names: Vec<String>,
        /// The names are those of ignore files.
        #[arg(long, conflicts_with = "background")]
        ignore: bool,
        /// The names are those of background files.
        #[arg(long)]
        background: bool,
    },
    /// List the items of a collection: one JSON line each.
    List {
        /// The collection's folder.
        collection: PathBuf,
    },
    /// Merge a collection to one segment.
    Compact {
        /// The collection's folder.
        collection: PathBuf,
    },
    /// Save what is sound of a damaged collection, and say what is lost.
    Repair {
        /// The collection's folder.
        collection: PathBuf,
    },
    /// Mark matches of an item as false, never to be reported again.
    MarkFalse(MarkArgs),
    /// Add the entries of a hash list, or items that were exported, to a collection.
    Import(ImportArgs),
    /// Print hashes or items of a collection.
    Export(ExportArgs),
    /// Say stage by stage why a file does or does not match one item.
    Explain(ExplainArgs),
    /// Search raw 32-byte codes, for benchmarks: one JSON line.
    SearchCodes(SearchCodesArgs),
}

/// What both sides of a comparison read.
#[derive(Args)]
struct InputArgs {
    /// Files and folders; folders are walked in sorted order.
    paths: Vec<PathBuf>,
    /// Names are relative to this folder.
    #[arg(long, default_value = ".")]
    base: PathBuf,
    /// Texts as JSON lines {"id": ..., "text": ...}; "-" is standard input.
    #[arg(long)]
    jsonl: Vec<PathBuf>,
    /// The owner's key: 32 bytes or 64 hex digits.
    #[arg(long)]
    key: Option<PathBuf>,
    /// Threads; 0 means one a core.
    #[arg(long, default_value_t = 0, value_parser = threads)]
    threads: usize,
    /// Write what failed to this file as JSON lines (`index` writes it to standard error else).
    #[arg(long)]
    errors: Option<PathBuf>,
}

#[derive(Args)]
struct IndexArgs {
    #[command(flatten)]
    input: InputArgs,
    /// Where the index goes; replaced whole or not at all. A new file can be read by you
    /// alone: without --key the key is in it.
    #[arg(short, long)]
    output: PathBuf,
    /// Files whose content must not count: disclaimers, licences, logos.
    #[arg(long)]
    ignore: Vec<PathBuf>,
    /// Ordinary traffic: what occurs in two of these files does not count.
    #[arg(long)]
    background: Vec<PathBuf>,
    /// Read the text in pictures too, with the program tesseract, in these languages (as its
    /// option -l has them). Takes a second a picture.
    #[arg(long, value_name = "LANGUAGES", num_args = 0..=1, default_missing_value = "eng")]
    recognise: Option<String>,
    /// Winnowing window, 1..=64: larger is smaller and less sensitive.
    #[arg(long, default_value_t = leakprint::Recipe::DEFAULT_WINDOW)]
    window: u32,
    /// Go on where an earlier run with --resume was cut off, and take what is known of files that
    /// have not changed since: state and fingerprints are kept in OUTPUT.resume, as secret as the key.
    #[arg(long)]
    resume: bool,
}

#[derive(Args)]
struct AddArgs {
    /// The collection's folder.
    collection: PathBuf,
    #[command(flatten)]
    input: InputArgs,
    /// What kind of leak it is, or where it belongs.
    #[arg(long)]
    label: Option<String>,
    /// Anything for people.
    #[arg(long)]
    note: Option<String>,
    /// Free tags.
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = tag)]
    tags: Vec<(String, String)>,
    /// When the items cease to be matched: 2026-03-01 or 2026-03-01T12:00:00Z.
    #[arg(long, value_name = "TIME")]
    expires: Option<leakprint::collection::Timestamp>,
    /// Files whose content must not count from now on, whichever items have it: disclaimers,
    /// licences, logos. They are kept in the collection.
    #[arg(long)]
    ignore: Vec<PathBuf>,
    /// Ordinary traffic, likewise: what occurs in two of these files does not count.
    #[arg(long)]
    background: Vec<PathBuf>,
    /// Winnowing window of a collection that is made, 1..=64.
    #[arg(long)]
    window: Option<u32>,
}

/// A tag.
fn tag(argument: &str) -> Result<(String, String), String> {
    match argument.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("not KEY=VALUE".to_owned()),
    }
}

#[derive(Args)]
struct MarkArgs {
    /// The collection's folder.
    collection: PathBuf,
    /// The item's name.
    item: String,
    /// Matches of this file with the item are false.
    #[arg(long, value_name = "FILE", conflicts_with = "part")]
    query: Option<PathBuf>,
    /// Matches with this part of the item are false, whatever the query; "" is the item's own
    /// text or picture.
    #[arg(long, value_name = "PATH")]
    part: Option<String>,
    /// Who decided.
    #[arg(long, default_value = "")]
    by: String,
    /// Why.
    #[arg(long, default_value = "")]
    why: String,
    /// Take the mark back.
    #[arg(long)]
    undo: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Lines hash,quality,label.
    PdqCsv,
    /// Entries of ThreatExchange or HMA, as JSON.
    Threatexchange,
    /// Items with their fingerprints, as JSON lines.
    Fingerprints,
    /// Matches that were marked as false, as JSON lines.
    FalseMatches,
}

#[derive(Args)]
struct ImportArgs {
    /// The collection's folder.
    collection: PathBuf,
    /// The file to read.
    file: PathBuf,
    /// What it is.
    #[arg(long = "as", value_enum)]
    form: Form,
    /// Which of PDQ's pipelines made the hashes: full (HMA, pdqhash) or nn512 (the C++ program).
    #[arg(long, default_value_t = leakprint::fingerprint::Pipeline::Full)]
    pipeline: leakprint::fingerprint::Pipeline,
    /// Add hashes of another pipeline than those that are there; the two are never compared.
    #[arg(long)]
    mix_pipelines: bool,
    /// The label of all hashes, in place of what the list says.
    #[arg(long)]
    label: Option<String>,
    /// The owner's key, for a collection that is made: 32 bytes or 64 hex digits.
    #[arg(long)]
    key: Option<PathBuf>,
    /// Write broken lines to this file as JSON lines rather than to standard error.
    #[arg(long)]
    errors: Option<PathBuf>,
}

#[derive(Args)]
struct ExportArgs {
    /// The collection's folder.
    collection: PathBuf,
    /// What to print.
    #[arg(long = "as", value_enum)]
    form: Form,
    /// Which of PDQ's pipelines made the hashes that are wanted.
    #[arg(long, default_value_t = leakprint::fingerprint::Pipeline::Full)]
    pipeline: leakprint::fingerprint::Pipeline,
}

#[derive(Args)]
struct MatchArgs {
    /// The index file or the collection's folder.
    index: PathBuf,
    #[command(flatten)]
    input: InputArgs,
    /// Report matches of this strength and above.
    #[arg(long, default_value = "strong")]
    min: leakprint::Strength,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    format: Format,
    /// Where the answers go, in place of standard output.
    #[arg(short, long)]
    output: Option<PathBuf>,
    /// Go on where an earlier run with --resume was cut off, and match only what has changed since:
    /// state and answers are kept in OUTPUT.resume.
    #[arg(long, requires = "output")]
    resume: bool,
    /// Draw what was found: each query's picture that matches goes to this folder as a PNG,
    /// what it shows of every item outlined and named.
    #[arg(long, value_name = "DIR")]
    draw: Option<PathBuf>,
    /// Read the text in pictures that nothing else explains, with the program tesseract, in
    /// these languages (as its option -l has them). Takes a second a picture.
    #[arg(long, value_name = "LANGUAGES", num_args = 0..=1, default_missing_value = "eng")]
    recognise: Option<String>,
    /// Skip reading the whole index once to check it.
    #[arg(long)]
    no_verify: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Jsonl,
    Table,
}

#[derive(Args)]
struct HashArgs {
    /// Files and folders.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
}

#[derive(Args)]
struct ExplainArgs {
    /// The index file or the collection's folder.
    index: PathBuf,
    /// The item's name in the index.
    item: String,
    /// The file to compare with it.
    file: PathBuf,
    /// The owner's key: 32 bytes or 64 hex digits.
    #[arg(long)]
    key: Option<PathBuf>,
    /// Draw what a picture shows of the item, weak matches too, to this file as PNG.
    #[arg(long, value_name = "PNG")]
    draw: Option<PathBuf>,
}

#[derive(Args)]
struct SearchCodesArgs {
    /// Raw 32-byte codes, no header.
    #[arg(long, required_unless_present = "open", conflicts_with = "open")]
    codes: Option<PathBuf>,
    /// A file that --save wrote, mapped, instead of --codes.
    #[arg(long)]
    open: Option<PathBuf>,
    /// Read the file of --open into memory rather than map it.
    #[arg(long, requires = "open")]
    load: bool,
    /// Bring all of the mapped file into memory before the search.
    #[arg(long, requires = "open", conflicts_with = "load")]
    warm: bool,
    /// Write the codes with their tables to this file, for --open.
    #[arg(long)]
    save: Option<PathBuf>,
    /// Raw 32-byte queries, no header.
    #[arg(long)]
    queries: PathBuf,
    /// Report pairs that differ in at most this many bits, 0..=256.
    #[arg(long)]
    radius: u32,
    /// Threads; 0 means one a core.
    #[arg(long, default_value_t = 1, value_parser = threads)]
    threads: usize,
    /// How to search.
    #[arg(long, value_enum, default_value_t = EngineArg::Auto)]
    engine: EngineArg,
    /// Searches; the median of their times is printed.
    #[arg(long, default_value_t = 1)]
    repeats: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum EngineArg {
    Auto,
    Scan,
    Mih,
}

/// A number of threads that a machine can have.
fn threads(argument: &str) -> Result<usize, String> {
    match argument.parse() {
        Ok(threads @ 0..=1024) => Ok(threads),
        _ => Err("not a number from 0 to 1024".to_owned()),
    }
}

/// What a command failed of, before anything was done.
type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Index(args) => index::run(&args),
        Command::Match(args) => matching::run(&args),
        Command::Hash(args) => hash::run(&args),
        Command::Info { index } => index::info(&index),
        Command::Verify { index } => index::verify(&index),
        Command::Explain(args) => matching::explain(&args),
        Command::Add(args) => collection::add(&args),
        Command::Remove {
            collection,
            names,
            ignore,
            background,
        } => {
            let kind = match (ignore, background) {
                (true, _) => Some(Discount::Ignore),
                (_, true) => Some(Discount::Background),
                _ => None,
            };
            collection::remove(&collection, &names, kind)
        }
        Command::List { collection } => collection::list(&collection),
        Command::Compact { collection } => collection::compact(&collection),
        Command::Repair { collection } => collection::run_repair(&collection),
        Command::MarkFalse(args) => collection::mark_false(&args),
        Command::Import(args) => exchange::import(&args),
        Command::Export(args) => exchange::export(&args),
        Command::SearchCodes(args) => search_codes::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // A reader that went away (`| head`) has what it wanted.
            if output::is_broken_pipe(failure.as_ref()) {
                return ExitCode::SUCCESS;
            }
            output::complain(&format!("leakprint: {failure}"));
            ExitCode::from(2)
        }
    }
}
