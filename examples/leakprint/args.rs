//! The options of every command.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use leakprint::collection::Timestamp;

use crate::limits::LimitArgs;
use crate::values::{expires, rate, tag, threads};

/// Recognises leaked material when it is posted again.
#[derive(Parser)]
#[command(name = "leakprint", version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Print no progress and no warnings on standard error, only what makes a command fail.
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
}

const EXIT_CODES: &str = "\
Exit codes:
    0  done; inputs that could not be read are reported, the others were processed
    1  `match --exit-code`: everything was read, and nothing was found
    2  nothing could be done, and standard error says why;
       `match --exit-code`: nothing was found, but not everything could be read
  130  interrupted by Ctrl-C; standard error says what is kept";

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Fingerprint files and write an index.
    Index(IndexArgs),
    /// Match files or posts against an index or a collection; prints one JSON line per query, in input order.
    Match(MatchArgs),
    /// Print the hashes of files, one JSON line each.
    Hash(HashArgs),
    /// Show what an index or a collection holds.
    Info {
        /// The index file or the collection's folder.
        index: PathBuf,
    },
    /// Measure how often unrelated uploads match, by a sample of ordinary traffic, and store it in the
    /// index or collection; every match then says how many like it are expected.
    Calibrate(CalibrateArgs),
    /// Read a whole index or collection and check every byte of it.
    Verify {
        /// The index file or the collection's folder.
        index: PathBuf,
    },
    /// Add files to a collection, which is made if there is none; prints one JSON line per item once
    /// the item is on disk.
    Add(AddArgs),
    /// Remove items from a collection by name; prints one JSON line per name once that is on disk.
    Remove {
        /// The collection's folder.
        collection: PathBuf,
        /// Names of items, as `list` prints them.
        #[arg(required = true)]
        names: Vec<String>,
        /// The names are those of ignore files.
        #[arg(long, conflicts_with = "background")]
        ignore: bool,
        /// The names are those of background files.
        #[arg(long)]
        background: bool,
    },
    /// List the items of a collection, one JSON line each.
    List {
        /// The collection's folder.
        collection: PathBuf,
    },
    /// Merge the files of a collection into one segment; matching continues meanwhile.
    Compact {
        /// The collection's folder.
        collection: PathBuf,
    },
    /// Save what is intact of a damaged collection and report what is lost.
    Repair {
        /// The collection's folder.
        collection: PathBuf,
    },
    /// Mark matches of an item as false, so that they are not reported again.
    MarkFalse(MarkArgs),
    /// Add the entries of a hash list, or exported items, to a collection.
    Import(ImportArgs),
    /// Print hashes, items or false matches of a collection.
    Export(ExportArgs),
    /// Explain stage by stage why a file does or does not match one item.
    Explain(ExplainArgs),
    /// Search raw 32-byte codes, for benchmarks; prints one JSON line.
    SearchCodes(SearchCodesArgs),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or the pages of all commands into a folder.
    Man {
        /// The folder for one page per command; it is made if there is none. By default the main page
        /// goes to standard output.
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

/// What both sides of a comparison read.
#[derive(Args)]
pub(crate) struct InputArgs {
    /// Files and folders; folders are read in sorted order, with their subfolders.
    pub(crate) paths: Vec<PathBuf>,
    /// The folder that names of items and queries are relative to.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) base: PathBuf,
    /// Also read texts from a file of JSON lines {"id": ..., "text": ...}; "-" is standard
    /// input. May be given several times.
    #[arg(long, value_name = "FILE")]
    pub(crate) jsonl: Vec<PathBuf>,
    /// The file with the owner's key, 32 bytes or 64 hex digits. By default the key is stored with the
    /// index or collection; a new one gets a random key.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// Number of threads, 0 to 1024; 0 means one per core.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = threads, allow_negative_numbers = true)]
    pub(crate) threads: usize,
    /// Write inputs and parts that could not be read to this file as JSON lines. By default `index`
    /// and `add` report them on standard error, `match` in its own lines.
    #[arg(long, value_name = "FILE")]
    pub(crate) errors: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

#[derive(Args)]
pub(crate) struct IndexArgs {
    #[command(flatten)]
    pub(crate) input: InputArgs,
    /// The index file; an existing one is replaced when the new one is complete. Only you can read
    /// a new file, since the key is in it unless --key is given.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// A file or folder whose content does not count: disclaimers, licences, blank forms, logos. May be
    /// given several times.
    #[arg(long, value_name = "PATH")]
    pub(crate) ignore: Vec<PathBuf>,
    /// A file or folder of ordinary traffic; what occurs in two of the files does not count. May be given
    /// several times.
    #[arg(long, value_name = "PATH")]
    pub(crate) background: Vec<PathBuf>,
    /// Also read the text in pictures, with the program tesseract, in these languages (as for its
    /// option -l); eng if none are given. Takes about a second per picture.
    #[arg(long, value_name = "LANGUAGES", num_args = 0..=1, default_missing_value = "eng")]
    pub(crate) recognise: Option<String>,
    /// Winnowing window in letters, 1 to 64; a larger one makes a smaller index that finds fewer short
    /// quotations.
    #[arg(long, value_name = "N", default_value_t = leakprint::Recipe::DEFAULT_WINDOW,
        value_parser = clap::value_parser!(u32).range(1..=64), allow_negative_numbers = true)]
    pub(crate) window: u32,
    /// Continue where an earlier run with --resume stopped, and skip files that have not changed since.
    /// State and fingerprints are kept in FILE.resume, which is as secret as the key.
    #[arg(long)]
    pub(crate) resume: bool,
}

#[derive(Args)]
pub(crate) struct AddArgs {
    /// The collection's folder.
    pub(crate) collection: PathBuf,
    #[command(flatten)]
    pub(crate) input: InputArgs,
    /// A label for the items, such as the kind of leak; every match shows it.
    #[arg(long, value_name = "TEXT")]
    pub(crate) label: Option<String>,
    /// A note for people; every match shows it.
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
    /// A tag for the items; may be given several times.
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = tag)]
    pub(crate) tags: Vec<(String, String)>,
    /// The time from which the items are no longer matched: 2026-03-01, which is midnight UTC, or
    /// 2026-03-01T12:00:00Z. By default they never expire.
    #[arg(long, value_name = "TIME", value_parser = expires)]
    pub(crate) expires: Option<Timestamp>,
    /// A file or folder whose content does not count from now on in any item: disclaimers, licences,
    /// blank forms, logos. Kept in the collection; may be given several times.
    #[arg(long, value_name = "PATH")]
    pub(crate) ignore: Vec<PathBuf>,
    /// A file or folder of ordinary traffic; what occurs in two of the files does not count from now
    /// on. Kept in the collection; may be given several times.
    #[arg(long, value_name = "PATH")]
    pub(crate) background: Vec<PathBuf>,
    /// Winnowing window of a new collection in letters, 1 to 64 [default: 8].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64), allow_negative_numbers = true)]
    pub(crate) window: Option<u32>,
}

#[derive(Args)]
pub(crate) struct MarkArgs {
    /// The collection's folder.
    pub(crate) collection: PathBuf,
    /// The item's name, as `list` prints it.
    pub(crate) item: String,
    /// The upload whose matches with the item are false; --of says which uploads count as this one.
    #[arg(long, value_name = "FILE", conflicts_with = "part")]
    pub(crate) query: Option<PathBuf>,
    /// With --query: mark uploads of exactly these bytes, or of this picture, also recompressed or
    /// scaled.
    #[arg(long, value_enum, requires = "query", default_value_t = MarkOf::Bytes)]
    pub(crate) of: MarkOf,
    /// The part of the item whose matches are false for every upload; "" is the item's own text or
    /// picture.
    #[arg(long, value_name = "PATH")]
    pub(crate) part: Option<String>,
    /// Who decided.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) by: String,
    /// Why.
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) why: String,
    /// Remove the mark.
    #[arg(long)]
    pub(crate) undo: bool,
}

/// Which uploads a false match with `--query` is about.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MarkOf {
    Bytes,
    Picture,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// Lines of hash,quality,label.
    PdqCsv,
    /// Entries of ThreatExchange or HMA, as JSON.
    Threatexchange,
    /// Items with their fingerprints, as JSON lines.
    Fingerprints,
    /// False matches that were marked, as JSON lines.
    FalseMatches,
}

#[derive(Args)]
pub(crate) struct ImportArgs {
    /// The collection's folder.
    pub(crate) collection: PathBuf,
    /// The file to read.
    pub(crate) file: PathBuf,
    /// The format of the file.
    #[arg(long = "as", value_name = "FORMAT", value_enum)]
    pub(crate) form: Form,
    /// Which of PDQ's pipelines made the hashes: full (HMA, pdqhash) or nn512 (the C++ program).
    #[arg(long, default_value_t = leakprint::fingerprint::Pipeline::Full)]
    pub(crate) pipeline: leakprint::fingerprint::Pipeline,
    /// Allow hashes of both pipelines in one collection; the two are never compared.
    #[arg(long)]
    pub(crate) mix_pipelines: bool,
    /// The label of all hashes, instead of the labels in the list.
    #[arg(long, value_name = "TEXT")]
    pub(crate) label: Option<String>,
    /// The file with the owner's key, 32 bytes or 64 hex digits. By default the key is stored with the
    /// collection; a new one gets a random key.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// Write lines that could not be read to this file as JSON lines, instead of to standard error.
    #[arg(long, value_name = "FILE")]
    pub(crate) errors: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct ExportArgs {
    /// The collection's folder.
    pub(crate) collection: PathBuf,
    /// What to print, and how.
    #[arg(long = "as", value_name = "FORMAT", value_enum)]
    pub(crate) form: Form,
    /// Which of PDQ's pipelines to print hashes of: full (HMA, pdqhash) or nn512 (the C++ program).
    #[arg(long, default_value_t = leakprint::fingerprint::Pipeline::Full)]
    pub(crate) pipeline: leakprint::fingerprint::Pipeline,
    /// Also print the second print of each picture, its gradient hash, which confirms a match. Whoever
    /// has both can forge both: give this list to services only.
    #[arg(long)]
    pub(crate) gradient: bool,
}

#[derive(Args)]
pub(crate) struct MatchArgs {
    /// The index file or the collection's folder.
    pub(crate) index: PathBuf,
    #[command(flatten)]
    pub(crate) input: InputArgs,
    /// Report matches of this strength and above: possible, strong or certain.
    #[arg(long, value_name = "STRENGTH", default_value = "strong")]
    pub(crate) min: leakprint::Strength,
    /// Report matches by significance instead: those of which a million unrelated uploads have at
    /// most this many, by the calibration of the index or collection. See `calibrate`.
    #[arg(long, value_name = "RATE", value_parser = rate, conflicts_with = "min", allow_negative_numbers = true)]
    pub(crate) max_expected: Option<f64>,
    /// Treat a hash of a hash list as strong by itself. By default it is possible at most, unless the
    /// list has a second print: whoever knows a hash can change an innocent picture until it matches.
    #[arg(long)]
    pub(crate) trust_hash_lists: bool,
    /// The format of the answers: JSON lines for programs, a table for people.
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    pub(crate) format: Format,
    /// Write the answers to this file instead of to standard output. An existing file is replaced
    /// when the first answer is there.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Continue where an earlier run with --resume stopped, and match only what has changed since.
    /// State and answers are kept in FILE.resume.
    #[arg(long, requires = "output")]
    pub(crate) resume: bool,
    /// Write a PNG to this folder for each picture that matches, with every item that it shows
    /// outlined and named. The folder is made if there is none.
    #[arg(long, value_name = "DIR")]
    pub(crate) draw: Option<PathBuf>,
    /// Read the text in pictures that match nothing otherwise, with the program tesseract, in these
    /// languages (as for its option -l); eng if none are given. Takes about a second per picture.
    #[arg(long, value_name = "LANGUAGES", num_args = 0..=1, default_missing_value = "eng")]
    pub(crate) recognise: Option<String>,
    /// Exit with 0 if anything was found, with 1 if nothing was, and with 2 if nothing was found but
    /// not everything could be read. By default the exit code is 0 in all three cases.
    #[arg(long)]
    pub(crate) exit_code: bool,
    /// Do not read the whole index or collection first to check it for damage.
    #[arg(long)]
    pub(crate) no_verify: bool,
}

#[derive(Args)]
pub(crate) struct CalibrateArgs {
    /// The index file, which is replaced once the work is done, or the collection's folder.
    pub(crate) index: PathBuf,
    /// A file or folder of ordinary traffic in its usual mixture, without leaked content, and other
    /// files than those that the index was given as background. May be given several times.
    #[arg(long, value_name = "PATH")]
    pub(crate) background: Vec<PathBuf>,
    /// Also read texts from a file of JSON lines {"id": ..., "text": ...}; "-" is standard input. May be
    /// given several times.
    #[arg(long, value_name = "FILE")]
    pub(crate) jsonl: Vec<PathBuf>,
    /// The folder that names in messages are relative to.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) base: PathBuf,
    /// The file with the owner's key, 32 bytes or 64 hex digits, if the index or collection does not
    /// hold it.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// Number of threads, 0 to 1024; 0 means one per core.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = threads, allow_negative_numbers = true)]
    pub(crate) threads: usize,
    /// Write uploads and parts that could not be read to this file as JSON lines, instead of to
    /// standard error.
    #[arg(long, value_name = "FILE")]
    pub(crate) errors: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Jsonl,
    Table,
}

#[derive(Args)]
pub(crate) struct HashArgs {
    /// Files and folders; folders are read in sorted order, with their subfolders.
    #[arg(required = true)]
    pub(crate) paths: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

#[derive(Args)]
pub(crate) struct ExplainArgs {
    /// The index file or the collection's folder.
    pub(crate) index: PathBuf,
    /// The item's name in the index or collection.
    pub(crate) item: String,
    /// The file to compare with it.
    pub(crate) file: PathBuf,
    /// The file with the owner's key, 32 bytes or 64 hex digits, if the index or collection does not
    /// hold it.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
    /// Write a PNG to this file with what the picture shows of the item, weak matches included.
    #[arg(long, value_name = "FILE")]
    pub(crate) draw: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct SearchCodesArgs {
    /// A file of raw 32-byte codes without a header.
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "open",
        conflicts_with = "open"
    )]
    pub(crate) codes: Option<PathBuf>,
    /// A file that --save wrote, instead of --codes; it is mapped into memory.
    #[arg(long, value_name = "FILE")]
    pub(crate) open: Option<PathBuf>,
    /// Read the file of --open into memory instead of mapping it.
    #[arg(long, requires = "open")]
    pub(crate) load: bool,
    /// Read all pages of the mapped file once before the search.
    #[arg(long, requires = "open", conflicts_with = "load")]
    pub(crate) warm: bool,
    /// Write the codes with their search tables to this file, for --open.
    #[arg(long, value_name = "FILE")]
    pub(crate) save: Option<PathBuf>,
    /// A file of raw 32-byte queries without a header.
    #[arg(long, value_name = "FILE")]
    pub(crate) queries: PathBuf,
    /// Report pairs that differ in at most this many bits, 0 to 256.
    #[arg(long, value_name = "BITS", value_parser = clap::value_parser!(u32).range(0..=256), allow_negative_numbers = true)]
    pub(crate) radius: u32,
    /// Number of threads, 0 to 1024; 0 means one per core.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = threads, allow_negative_numbers = true)]
    pub(crate) threads: usize,
    /// How to search: scan compares all codes, mih uses a multi-index of their pieces, auto chooses.
    #[arg(long, value_enum, default_value_t = EngineArg::Auto)]
    pub(crate) engine: EngineArg,
    /// How often to repeat the search, 1 to 1000000; the median of the times is printed.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000), allow_negative_numbers = true)]
    pub(crate) repeats: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EngineArg {
    Auto,
    Scan,
    Mih,
}
