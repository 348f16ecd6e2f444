//! Puts load on the service: `cargo build --release --example serve`, then `cargo run --release --example load
//! -- --seconds 60`
//!
//! Starts `serve` on a free port with a collection that it makes (or asks one that runs, by `--address`),
//! sends texts and pictures on many connections, and beside them changes, reloads, slow and
//! hostile clients. Prints one JSON object: latencies by kind, statuses, what should not have
//! come, and the rate beside that of the library alone with the same queries on the same
//! cores, in turns. Exit 1 if anything came that should not.

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

use client::{Ask, Client};
use inputs::Inputs;
use service::{Service, usage};
use tally::{Report, Tally};

/// Puts load on the service.
#[derive(Parser)]
#[command(name = "load", version)]
struct Args {
    /// Host and port of a service that runs; otherwise `serve`, which lies beside this program, is started.
    #[arg(long, requires = "token_file")]
    address: Option<String>,
    /// The token of a service that runs.
    #[arg(long)]
    token_file: Option<PathBuf>,
    /// Seconds of load in all.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Turns of the library alone and the service.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Connections that ask, each one request at a time.
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Requests a second; 0 for as many as there can be.
    #[arg(long, default_value_t = 0.0)]
    rate: f64,
    /// Pictures in a hundred queries.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u8).range(..=100))]
    pictures: u8,
    /// Items that are pictures; there are 25 times as many texts.
    #[arg(long, default_value_t = 12)]
    items: usize,
    /// Send the files of this folder.
    #[arg(long)]
    inputs: Option<PathBuf>,
    /// Threads of the service that is started, and of the library; 0 means one a core.
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Queries alone, nothing beside them.
    #[arg(long)]
    plain: bool,
    /// Where the service that is started logs to.
    #[arg(long)]
    log: Option<PathBuf>,
    /// More arguments for the service that is started, such as `-- --isolate 2`.
    #[arg(last = true)]
    service: Vec<String>,
}

/// Why there is no result.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A token for a service that nobody else knows of.
const TOKEN: &str = "a token for load alone";

/// Bytes of a body that the service which is started takes.
const MAX_BODY: usize = 4 << 20;

/// The default of a service that runs.
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
    /// Memory of the service that is not files, at the start of the turn and at its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    service_mib: Option<(f64, f64)>,
}

#[derive(Serialize)]
struct Summary {
    connections: usize,
    pictures_in_100: u8,
    threads: usize,
    /// Items that the library does not find in their copies.
    missed: usize,
    turns: Vec<Turn>,
    /// Median of the turns: queries a second of the service, in parts of those of the library.
    rate_ratio: Option<f64>,
    /// Likewise, processor time a query of the library in parts of that of the service.
    cpu_ratio: Option<f64>,
    #[serde(flatten)]
    report: Report,
    /// Whether the service ended well when it was asked to, and after how many milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped: Option<(bool, f64)>,
}

/// True if nothing came that should not.
fn run(args: &Args) -> Result<bool, Failure> {
    let mut inputs = Inputs::made(7, args.items.clamp(1, 10_000))?;
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
        Some(collection) => library::settle(collection, &mut inputs)?,
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
    let went_well = !tally.has_unexpected() && stopped.is_none_or(|(well, _)| well);
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
    Ok(went_well)
}

/// Makes the collection that is searched.
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
        // Nobody is refused but for a reason.
        ("--queue", args.connections.max(64)),
    ] {
        arguments.extend([name.to_owned(), value.to_string()]);
    }
    arguments.extend(args.service.iter().cloned());
    let log = args.log.clone().unwrap_or_else(|| folder.join("log"));
    Service::start(&arguments, &log)
}

/// Adds the items to a service that runs.
fn put_items(address: &str, bearer: &str, inputs: &Inputs) -> Result<usize, Failure> {
    let mut client = Client::new(address, Duration::from_secs(60));
    for (name, bytes) in &inputs.items {
        let answer = client.ask(&Ask {
            method: "PUT",
            path: &format!("/v1/items/{name}?label=load"),
            headers: &[("authorization", bearer)],
            body: bytes,
        })?;
        if ![200, 201].contains(&answer.status) {
            let body = String::from_utf8_lossy(&answer.body).into_owned();
            return Err(
                format!("the service does not take items: {} {body}", answer.status).into(),
            );
        }
    }
    Ok(0)
}

/// The library alone, then the service.
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
