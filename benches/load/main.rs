//! Load test of the service: `cargo build --release --example serve`, then `cargo run --release --example load
//! -- --seconds 60`
//!
//! Starts `serve` on a free port with a new collection (or uses a running service, with `--address`),
//! and sends texts and pictures on many connections, together with changes, reloads, slow and hostile
//! clients. Prints one JSON object: latencies by kind, statuses, unexpected responses, and the rate
//! compared with the library alone, with the same queries on the same cores in alternating turns. Exits
//! with 1 if any response was unexpected.

mod client;
mod disturb;
mod inputs;
mod library;
mod service;
mod tally;
mod traffic;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Parser;
use leakprint::collection::{CollectionWriter, NewItem, WriterOptions};
use leakprint::{Collection, Executor};
use serde::Serialize;

use client::{Client, Request};
use inputs::Inputs;
use service::{Service, usage};
use tally::{Report, Tally};

/// Runs a load test on the service.
#[derive(Parser)]
#[command(name = "load", version)]
struct Args {
    /// Host and port of a running service; by default, starts `serve` from this program's folder.
    #[arg(long, requires = "token_file")]
    address: Option<String>,
    /// A file with the token of the running service.
    #[arg(long)]
    token_file: Option<PathBuf>,
    /// Total duration of the load, in seconds.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Number of alternating turns of the library and the service.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Number of connections, each with one request at a time.
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Requests per second; 0 means as many as possible.
    #[arg(long, default_value_t = 0.0)]
    rate: f64,
    /// Pictures per hundred queries.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u8).range(..=100))]
    pictures: u8,
    /// Number of picture items; there are 25 times as many text items.
    #[arg(long, default_value_t = 12)]
    items: usize,
    /// Send the files of this folder instead of generated queries.
    #[arg(long)]
    inputs: Option<PathBuf>,
    /// Number of threads of the started service, and of the library; 0 means one per core.
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Send queries only, without changes, reloads and hostile clients.
    #[arg(long)]
    plain: bool,
    /// The log file of the started service.
    #[arg(long)]
    log: Option<PathBuf>,
    /// More arguments for the started service, such as `-- --isolate 2`.
    #[arg(last = true)]
    service: Vec<String>,
}

/// Why there is no result.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The token of the started service.
const TOKEN: &str = "a token for load alone";

/// Maximum body size of the started service, in bytes.
const MAX_BODY: usize = 4 << 20;

/// Default maximum body size of a running service, in bytes.
const DEFAULT_MAX_BODY: usize = 32 << 20;

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            let _ = writeln!(io::stderr(), "load: {e}");
            ExitCode::from(2)
        }
    }
}

/// One turn.
#[derive(Clone, Copy, Serialize)]
struct Turn {
    service_per_s: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    library_per_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_cpu_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    library_cpu_ms: Option<f64>,
    /// Anonymous memory of the service, at the start and at the end of the turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    service_mib: Option<(f64, f64)>,
}

#[derive(Serialize)]
struct Summary {
    connections: usize,
    pictures_in_100: u8,
    threads: usize,
    /// Copies in which the library does not find the item.
    missed: usize,
    turns: Vec<Turn>,
    /// Median over the turns: queries per second of the service divided by those of the library.
    rate_ratio: Option<f64>,
    /// Likewise, processor time per query of the library divided by that of the service.
    cpu_ratio: Option<f64>,
    #[serde(flatten)]
    report: Report,
    /// Whether the service shut down successfully, and after how many milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped: Option<(bool, f64)>,
}

/// Returns true if every response was expected.
fn run(args: &Args) -> Result<bool, Failure> {
    let mut inputs = Inputs::generate(7, args.items.clamp(1, 10_000))?;
    if let Some(folder) = &args.inputs {
        inputs = inputs.with_folder(folder)?;
    }
    let folder = tempfile::tempdir()?;
    let (service, token, collection) = match &args.address {
        Some(address) => {
            let token = match &args.token_file {
                Some(path) => fs::read_to_string(path)?,
                None => String::new(),
            };
            let token = token.lines().next().unwrap_or_default().trim().to_owned();
            (Service::at(address), token, None)
        }
        None => {
            let collection = folder.path().join("collection");
            make(&collection, &inputs)?;
            let service = start(args, folder.path(), &collection)?;
            let collection = Collection::open(&collection)?;
            (service, TOKEN.to_owned(), Some(collection))
        }
    };
    let bearer = format!("Bearer {token}");
    let missed = match &collection {
        Some(collection) => library::drop_missed(collection, &mut inputs)?,
        None => put_items(&service.address, &bearer, &inputs)?,
    };
    let exec = Executor::with_threads(args.threads)?;
    let mut tally = Tally::default();
    let mut turns = Vec::new();
    for _ in 0..args.rounds.max(1) {
        let (turn, seen) = turn(args, &service, &bearer, collection.as_ref(), &inputs, &exec)?;
        turns.push(turn);
        tally.add(seen);
    }
    let stopped = service.stop()?;
    let is_good = !tally.has_unexpected() && stopped.is_none_or(|(well, _)| well);
    let summary = Summary {
        connections: args.connections,
        pictures_in_100: args.pictures,
        threads: exec.threads(),
        missed,
        rate_ratio: median(&turns, |t| Some(t.service_per_s / t.library_per_s?)),
        cpu_ratio: median(&turns, |t| Some(t.library_cpu_ms? / t.service_cpu_ms?)),
        turns,
        report: tally.report(),
        stopped: stopped.map(|(well, took)| (well, took.as_secs_f64() * 1000.0)),
    };
    let mut out = io::stdout();
    serde_json::to_writer_pretty(&mut out, &summary)?;
    out.write_all(b"\n")?;
    Ok(is_good)
}

/// Creates the collection.
fn make(folder: &Path, inputs: &Inputs) -> Result<(), Failure> {
    let writer = CollectionWriter::open(folder, WriterOptions::default())?;
    let fingerprinter = writer.collection().fingerprinter()?;
    let mut items = Vec::new();
    for (name, bytes) in &inputs.items {
        let print = fingerprinter.fingerprint(bytes, Some(name))?;
        items.push(NewItem::new(name, print));
    }
    let (results, _) = writer.add_batch(&items)?;
    results
        .into_iter()
        .try_for_each(|result| result.map(drop))?;
    writer.flush()?;
    Ok(())
}

/// Starts the service.
fn start(args: &Args, folder: &Path, collection: &Path) -> Result<Service, Failure> {
    let token = folder.join("token");
    fs::write(&token, TOKEN)?;
    let mut arguments = vec![
        "--collection".to_owned(),
        collection.display().to_string(),
        "--token-file".to_owned(),
        token.display().to_string(),
    ];
    for (name, value) in [
        ("--threads", args.threads),
        ("--max-body", MAX_BODY),
        ("--stalled-ms", 2000),
        ("--deadline-ms", 60_000),
        // The queue must not refuse queries by itself.
        ("--queue", args.connections.max(64)),
    ] {
        arguments.extend([name.to_owned(), value.to_string()]);
    }
    arguments.extend(args.service.iter().cloned());
    let log = args.log.clone().unwrap_or_else(|| folder.join("log"));
    Service::start(&arguments, &log)
}

/// Adds the items to a running service.
fn put_items(address: &str, bearer: &str, inputs: &Inputs) -> Result<usize, Failure> {
    let mut client = Client::new(address, Duration::from_secs(60));
    for (name, bytes) in &inputs.items {
        let response = client.send(&Request {
            method: "PUT",
            path: &format!("/v1/items/{name}?label=load"),
            headers: &[("authorization", bearer)],
            body: bytes,
        })?;
        if ![200, 201].contains(&response.status) {
            let body = String::from_utf8_lossy(&response.body).into_owned();
            return Err(format!(
                "the service does not accept items: {} {body}",
                response.status
            )
            .into());
        }
    }
    Ok(0)
}

/// Runs the library alone, then the service.
fn turn(
    args: &Args,
    service: &Service,
    bearer: &str,
    collection: Option<&Collection>,
    inputs: &Inputs,
    exec: &Executor,
) -> Result<(Turn, Tally), Failure> {
    let time = args.seconds.clamp(0.1, 86_400.0) / f64::from(args.rounds.max(1));
    let pictures_in_100 = usize::from(args.pictures);
    let (mut library_per_s, mut library_cpu_ms) = (None, None);
    if let Some(collection) = collection {
        let before = usage("self");
        let time = Duration::from_secs_f64((time / 3.0).min(10.0));
        let (per_s, done) = library::rate(collection, inputs, pictures_in_100, exec, time)?;
        library_per_s = Some(per_s);
        let used = before.zip(usage("self"));
        library_cpu_ms = used.map(|(a, b)| (b.cpu - a.cpu) * 1000.0 / done as f64);
    }
    let plan = traffic::Plan {
        address: &service.address,
        inputs,
        pictures_in_100,
        connections: args.connections.max(1),
        rate: args.rate,
        time: Duration::from_secs_f64(time),
    };
    let target = disturb::Target {
        address: &service.address,
        bearer,
        max_body: if collection.is_some() {
            MAX_BODY
        } else {
            DEFAULT_MAX_BODY
        },
    };
    let before = service.usage();
    let started = std::time::Instant::now();
    let stop = AtomicBool::new(false);
    let mut took = 0.0;
    let tally = std::thread::scope(|scope| {
        let disturbed = (!args.plain).then(|| scope.spawn(|| disturb::run(target, &stop)));
        let mut tally = traffic::run(&plan);
        took = started.elapsed().as_secs_f64();
        stop.store(true, Ordering::Relaxed);
        match disturbed.map(std::thread::ScopedJoinHandle::join) {
            Some(Ok(disturbed)) => tally.add(disturbed),
            Some(Err(_)) => tally.unexpected("disturbance", "a thread panicked"),
            None => {}
        }
        tally
    });
    let after = service.usage();
    let queries = tally.queries() as f64;
    let used = before.zip(after);
    let turn = Turn {
        service_per_s: queries / took,
        library_per_s,
        service_cpu_ms: used.map(|(a, b)| (b.cpu - a.cpu) * 1000.0 / queries),
        library_cpu_ms,
        service_mib: used.map(|(a, b)| (mib(a.memory), mib(b.memory))),
    };
    Ok((turn, tally))
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn median(turns: &[Turn], of: impl Fn(&Turn) -> Option<f64>) -> Option<f64> {
    let mut values: Vec<f64> = turns.iter().map(of).collect::<Option<_>>()?;
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
