//! The options of every command.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use leakprint::Limits;

use crate::Failure;

/// Recognises leaked material when it is posted again.
#[derive(Parser)]
#[command(name = "leakprint", version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// No progress and no warnings on standard error, only what makes a command fail.
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  done; inputs that could not be read are reported and the rest went on
  1  `match --exit-code` found nothing
  2  nothing could be done: a line on standard error says why
  130  interrupted";

#[derive(Subcommand)]
pub(crate) enum Command {
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
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or the pages of all commands into a folder.
    Man {
        /// The folder for one page per command; without it the main page goes to standard output.
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

/// What both sides of a comparison read.
#[derive(Args)]
pub(crate) struct InputArgs {
    /// Files and folders; folders are walked in sorted order.
    pub(crate) paths: Vec<PathBuf>,
    /// Names are relative to this folder.
    #[arg(long, default_value = ".")]
    pub(crate) base: PathBuf,
    /// Texts as JSON lines {"id": ..., "text": ...}; "-" is standard input.
    #[arg(long)]
    pub(crate) jsonl: Vec<PathBuf>,
    /// The owner's key: 32 bytes or 64 hex digits.
    #[arg(long)]
    pub(crate) key: Option<PathBuf>,
    /// Threads; 0 means one a core.
    #[arg(long, default_value_t = 0, value_parser = threads)]
    pub(crate) threads: usize,
    /// Write what failed to this file as JSON lines (`index` writes it to standard error else).
    #[arg(long)]
    pub(crate) errors: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

/// What one input may cost.
#[derive(Args)]
pub(crate) struct LimitArgs {
    /// Limits on one input, a JSON object such as {"time_ms": 5000, "pixels": 20000000}; what it
    /// leaves out has its default, which `{}` and the documentation of `Limits` give.
    #[arg(long, value_name = "FILE")]
    limits: Option<PathBuf>,
}

impl LimitArgs {
    /// The limits in force.
    pub(crate) fn read(&self) -> Result<Limits, Failure> {
        let Some(path) = &self.limits else {
            return Ok(Limits::default());
        };
        let failed = |e: &dyn std::fmt::Display| format!("--limits {}: {e}", path.display());
        let text = std::fs::read(path).map_err(|e| failed(&e))?;
        serde_json::from_slice(&text).map_err(|e| failed(&e).into())
    }
}

#[derive(Args)]
pub(crate) struct IndexArgs {
    #[command(flatten)]
    pub(crate) input: InputArgs,
    /// Where the index goes; replaced whole or not at all. A new file can be read by you
    /// alone: without --key the key is in it.
    #[arg(short, long)]
    pub(crate) output: PathBuf,
    /// Files whose content must not count: disclaimers, licences, logos.
    #[arg(long)]
    pub(crate) ignore: Vec<PathBuf>,
    /// Ordinary traffic: what occurs in two of these files does not count.
    #[arg(long)]
    pub(crate) background: Vec<PathBuf>,
    /// Read the text in pictures too, with the program tesseract, in these languages (as its
    /// option -l has them). Takes a second a picture.
    #[arg(long, value_name = "LANGUAGES", num_args = 0..=1, default_missing_value = "eng")]
    pub(crate) recognise: Option<String>,
    /// Winnowing window, 1..=64: larger is smaller and less sensitive.
    #[arg(long, default_value_t = leakprint::Recipe::DEFAULT_WINDOW)]
    pub(crate) window: u32,
    /// Go on where an earlier run with --resume was cut off, and take what is known of files that
    /// have not changed since: state and fingerprints are kept in OUTPUT.resume, as secret as the key.
    #[arg(long)]
    pub(crate) resume: bool,
}

#[derive(Args)]
pub(crate) struct AddArgs {
    /// The collection's folder.
    pub(crate) collection: PathBuf,
    #[command(flatten)]
    pub(crate) input: InputArgs,
    /// What kind of leak it is, or where it belongs.
    #[arg(long)]
    pub(crate) label: Option<String>,
    /// Anything for people.
    #[arg(long)]
    pub(crate) note: Option<String>,
    /// Free tags.
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = tag)]
    pub(crate) tags: Vec<(String, String)>,
    /// When the items cease to be matched: 2026-03-01 or 2026-03-01T12:00:00Z.
    #[arg(long, value_name = "TIME")]
    pub(crate) expires: Option<leakprint::collection::Timestamp>,
    /// Files whose content must not count from now on, whichever items have it: disclaimers,
    /// licences, logos. They are kept in the collection.
    #[arg(long)]
    pub(crate) ignore: Vec<PathBuf>,
    /// Ordinary traffic, likewise: what occurs in two of these files does not count.
    #[arg(long)]
    pub(crate) background: Vec<PathBuf>,
    /// Winnowing window of a collection that is made, 1..=64.
    #[arg(long)]
    pub(crate) window: Option<u32>,
}

/// A tag.
fn tag(argument: &str) -> Result<(String, String), String> {
    match argument.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("not KEY=VALUE".to_owned()),
    }
}

#[derive(Args)]
pub(crate) struct MarkArgs {
    /// The collection's folder.
    pub(crate) collection: PathBuf,
    /// The item's name.
    pub(crate) item: String,
    /// Matches of this file with the item are false.
    #[arg(long, value_name = "FILE", conflicts_with = "part")]
    pub(crate) query: Option<PathBuf>,
    /// Matches with this part of the item are false, whatever the query; "" is the item's own
    /// text or picture.
    #[arg(long, value_name = "PATH")]
    pub(crate) part: Option<String>,
    /// Who decided.
    #[arg(long, default_value = "")]
    pub(crate) by: String,
    /// Why.
    #[arg(long, default_value = "")]
    pub(crate) why: String,
    /// Take the mark back.
    #[arg(long)]
    pub(crate) undo: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
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
pub(crate) struct ImportArgs {
    /// The collection's folder.
    pub(crate) collection: PathBuf,
    /// The file to read.
    pub(crate) file: PathBuf,
    /// What it is.
    #[arg(long = "as", value_enum)]
    pub(crate) form: Form,
    /// Which of PDQ's pipelines made the hashes: full (HMA, pdqhash) or nn512 (the C++ program).
    #[arg(long, default_value_t = leakprint::fingerprint::Pipeline::Full)]
    pub(crate) pipeline: leakprint::fingerprint::Pipeline,
    /// Add hashes of another pipeline than those that are there; the two are never compared.
    #[arg(long)]
    pub(crate) mix_pipelines: bool,
    /// The label of all hashes, in place of what the list says.
    #[arg(long)]
    pub(crate) label: Option<String>,
    /// The owner's key, for a collection that is made: 32 bytes or 64 hex digits.
    #[arg(long)]
    pub(crate) key: Option<PathBuf>,
    /// Write broken lines to this file as JSON lines rather than to standard error.
    #[arg(long)]
    pub(crate) errors: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct ExportArgs {
    /// The collection's folder.
    pub(crate) collection: PathBuf,
    /// What to print.
    #[arg(long = "as", value_enum)]
    pub(crate) form: Form,
    /// Which of PDQ's pipelines made the hashes that are wanted.
    #[arg(long, default_value_t = leakprint::fingerprint::Pipeline::Full)]
    pub(crate) pipeline: leakprint::fingerprint::Pipeline,
}

#[derive(Args)]
pub(crate) struct MatchArgs {
    /// The index file or the collection's folder.
    pub(crate) index: PathBuf,
    #[command(flatten)]
    pub(crate) input: InputArgs,
    /// Report matches of this strength and above.
    #[arg(long, default_value = "strong")]
    pub(crate) min: leakprint::Strength,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    pub(crate) format: Format,
    /// Where the answers go, in place of standard output.
    #[arg(short, long)]
    pub(crate) output: Option<PathBuf>,
    /// Go on where an earlier run with --resume was cut off, and match only what has changed since:
    /// state and answers are kept in OUTPUT.resume.
    #[arg(long, requires = "output")]
    pub(crate) resume: bool,
    /// Draw what was found: each query's picture that matches goes to this folder as a PNG,
    /// what it shows of every item outlined and named.
    #[arg(long, value_name = "DIR")]
    pub(crate) draw: Option<PathBuf>,
    /// Read the text in pictures that nothing else explains, with the program tesseract, in
    /// these languages (as its option -l has them). Takes a second a picture.
    #[arg(long, value_name = "LANGUAGES", num_args = 0..=1, default_missing_value = "eng")]
    pub(crate) recognise: Option<String>,
    /// Exit with 1 if no query matches anything.
    #[arg(long)]
    pub(crate) exit_code: bool,
    /// Skip reading the whole index once to check it.
    #[arg(long)]
    pub(crate) no_verify: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Jsonl,
    Table,
}

#[derive(Args)]
pub(crate) struct HashArgs {
    /// Files and folders.
    #[arg(required = true)]
    pub(crate) paths: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

#[derive(Args)]
pub(crate) struct ExplainArgs {
    /// The index file or the collection's folder.
    pub(crate) index: PathBuf,
    /// The item's name in the index.
    pub(crate) item: String,
    /// The file to compare with it.
    pub(crate) file: PathBuf,
    /// The owner's key: 32 bytes or 64 hex digits.
    #[arg(long)]
    pub(crate) key: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
    /// Draw what a picture shows of the item, weak matches too, to this file as PNG.
    #[arg(long, value_name = "PNG")]
    pub(crate) draw: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct SearchCodesArgs {
    /// Raw 32-byte codes, no header.
    #[arg(long, required_unless_present = "open", conflicts_with = "open")]
    pub(crate) codes: Option<PathBuf>,
    /// A file that --save wrote, mapped, instead of --codes.
    #[arg(long)]
    pub(crate) open: Option<PathBuf>,
    /// Read the file of --open into memory rather than map it.
    #[arg(long, requires = "open")]
    pub(crate) load: bool,
    /// Bring all of the mapped file into memory before the search.
    #[arg(long, requires = "open", conflicts_with = "load")]
    pub(crate) warm: bool,
    /// Write the codes with their tables to this file, for --open.
    #[arg(long)]
    pub(crate) save: Option<PathBuf>,
    /// Raw 32-byte queries, no header.
    #[arg(long)]
    pub(crate) queries: PathBuf,
    /// Report pairs that differ in at most this many bits, 0..=256.
    #[arg(long)]
    pub(crate) radius: u32,
    /// Threads; 0 means one a core.
    #[arg(long, default_value_t = 1, value_parser = threads)]
    pub(crate) threads: usize,
    /// How to search.
    #[arg(long, value_enum, default_value_t = EngineArg::Auto)]
    pub(crate) engine: EngineArg,
    /// Searches; the median of their times is printed.
    #[arg(long, default_value_t = 1)]
    pub(crate) repeats: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EngineArg {
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
