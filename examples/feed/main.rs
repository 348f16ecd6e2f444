//! Scans posts of accounts for a leak: `cargo run --release --example feed -- INDEX POSTS.jsonl -o
//! MATCHES.jsonl --report FILE.html --accounts FILE.jsonl`
//!
//! Reads posts as JSON lines (`id`, `account`, `time`, `text`, `media`). Writes one line per post with its
//! matches and their evidence, one line per account, and a report for people as one HTML file that works
//! offline. Posts are streamed; only matching posts are kept in memory.

mod accounts;
mod files;
mod posts;
mod report;
mod show;
#[path = "../common/writable.rs"]
mod writable;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use leakprint::{Executor, Key, MatchOptions, Matcher, Source, Strength};

use files::replace;
use posts::{Line, Posts};
use writable::{Writes, check_writable};

/// Scans posts for a leak and reports who posted what.
#[derive(Parser)]
#[command(name = "feed", version)]
pub(crate) struct Args {
    /// The leak: an index file, or a collection's folder.
    index: PathBuf,
    /// The posts: a file of JSON lines.
    posts: PathBuf,
    /// The folder that media paths are relative to.
    #[arg(long, value_name = "DIR", default_value = ".")]
    base: PathBuf,
    /// The folder of the leaked files, for their owner: the report then shows them beside the posts.
    #[arg(long, value_name = "DIR")]
    originals: Option<PathBuf>,
    /// The output file, one line per post. An existing file is replaced once the first line is ready.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// The output file for the HTML report.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// The output file for the accounts, one line per account with a match.
    #[arg(long, value_name = "FILE")]
    accounts: Option<PathBuf>,
    /// The file with the owner's key, 32 bytes or 64 hex digits, if it is not stored in the index or
    /// collection.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The lowest strength to report: possible, strong or certain.
    #[arg(long, value_name = "STRENGTH", default_value = "strong")]
    min: Strength,
    /// Number of threads, 0 to 1024; 0 means one per core.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(..=1024), allow_negative_numbers = true)]
    threads: u16,
    /// Continue where an earlier run of the same posts stopped.
    #[arg(long)]
    resume: bool,
}

/// Why the program failed.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            let advice = match e.downcast_ref::<leakprint::Error>() {
                Some(e) if e.is_missing_key() => " (`--key FILE` gives it)",
                _ => "",
            };
            let _ = writeln!(io::stderr(), "feed: {e}{advice}");
            ExitCode::from(2)
        }
    }
}

fn run(args: &Args) -> Result<(), Failure> {
    let written = [
        ("-o", Some(&args.output)),
        ("--report", args.report.as_ref()),
        ("--accounts", args.accounts.as_ref()),
    ];
    let read = [Some(&args.index), Some(&args.posts), args.key.as_ref()];
    for (option, path) in written {
        let Some(path) = path else { continue };
        check_writable(option, path, Writes::InPlace)?;
        let of_collection =
            args.index.is_dir() && path.parent().is_some_and(|p| same(&args.index, p));
        if of_collection || read.into_iter().flatten().any(|r| same(r, path)) {
            return Err(format!("{} is an input and would be overwritten", path.display()).into());
        }
    }
    let exec = Executor::with_threads(args.threads.into())?;
    let options = MatchOptions::default().with_min_strength(args.min);
    let key = args.key.as_deref().map(Key::from_file).transpose()?;
    let source = Source::open_with_key(&args.index, key)?;
    source.verify(&exec)?;
    let matcher = source.matcher(options)?;

    scan(args, &matcher, &exec)?;
    let ranked = accounts::rank(&args.output)?;
    if let Some(path) = &args.accounts {
        replace(path, |out| {
            for account in &ranked {
                serde_json::to_writer(&mut *out, account)?;
                out.write_all(b"\n")?;
            }
            Ok(())
        })?;
    }
    if let Some(path) = &args.report {
        replace(path, |out| {
            report::write(args, &source, &matcher, &ranked, out)
        })?;
    }
    Ok(())
}

/// Matches all posts, or those that an earlier run has not processed, and appends their lines.
fn scan(args: &Args, matcher: &Matcher, exec: &Executor) -> Result<(), Failure> {
    let all = Posts::open(&args.posts)?;
    let bar = bar(all.bytes());
    let mut all = all.peekable();
    // Before the output is truncated: a file without posts must not cost the existing lines.
    if let Some(Err(_)) = all.peek() {
        all.next().transpose()?;
    }
    let (file, done) = if args.resume {
        posts::resume(&args.output)?
    } else {
        (create(&args.output)?, Vec::new())
    };
    let mut out = BufWriter::new(file);
    for (number, known) in done.iter().enumerate() {
        let next = all.next().transpose()?;
        if next.as_ref().is_none_or(|line| line.id() != *known) {
            return Err(format!(
                "{}: line {} is for post {known}, but {} has another post there: resume with the \
                 same posts, or leave --resume out",
                args.output.display(),
                number + 1,
                args.posts.display()
            )
            .into());
        }
    }
    let mut failed = None;
    let lines = all.by_ref().map_while(|line| match line {
        Ok(line) => Some(line),
        Err(e) => {
            failed = Some(e);
            None
        }
    });
    exec.map_stream(
        lines,
        16 * exec.threads(),
        |line: Line| {
            let (length, number) = (line.length(), line.number());
            (posts::find(matcher, &args.base, line), length, number)
        },
        |(found, length, number)| -> Result<(), Failure> {
            bar.inc(length);
            serde_json::to_writer(&mut out, &found)?;
            out.write_all(b"\n")?;
            // An interrupted run keeps what is flushed.
            if number % 256 == 0 {
                out.flush()?;
            }
            Ok(())
        },
    )?;
    bar.finish_and_clear();
    out.flush()?;
    match failed {
        Some(e) => Err(e.into()),
        None => Ok(()),
    }
}

fn create(path: &Path) -> Result<File, Failure> {
    let named = |e| format!("{}: cannot write: {e}", path.display());
    Ok(File::create(path).map_err(named)?)
}

fn same(a: &Path, b: &Path) -> bool {
    let place = |path: &Path| std::fs::canonicalize(path).ok();
    place(a).is_some_and(|a| Some(a) == place(b))
}

/// A progress bar over the bytes of the posts; shown on a terminal only.
fn bar(bytes: u64) -> ProgressBar {
    let bar = ProgressBar::new(bytes);
    let style = "{wide_bar} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar
}
