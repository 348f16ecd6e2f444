//! The command line: fingerprint a leak into an index, match files and posts against it.
//!
//! Nothing but JSON (or the table asked for) goes to standard output; progress
//! and what failed go to standard error.

mod canvas;
mod draw;
mod hash;
mod index;
mod input;
mod matching;
mod names;
mod output;
mod room;
mod search_codes;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

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
    /// Compare files or posts with an index: one JSON line a query, in input order.
    Match(MatchArgs),
    /// Print the hashes of files: one JSON line each.
    Hash(HashArgs),
    /// Say what an index holds.
    Info {
        /// The index file.
        index: PathBuf,
    },
    /// Read a whole index and check every byte of it.
    Verify {
        /// The index file.
        index: PathBuf,
    },
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
}

#[derive(Args)]
struct MatchArgs {
    /// The index file.
    index: PathBuf,
    #[command(flatten)]
    input: InputArgs,
    /// Report matches of this strength and above.
    #[arg(long, default_value = "strong")]
    min: leakprint::Strength,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    format: Format,
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
    /// The index file.
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
