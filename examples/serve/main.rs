//! A service that recognises leaked material: `cargo run --release --example serve -- --collection DIR
//! --listen ADDR:PORT --token-file FILE`
//!
//! `POST /v1/match` matches an upload; changing items and false matches needs a token; `openapi.json`
//! describes the API. The service speaks plain HTTP/1.1 and does not authenticate reads: put it behind a
//! reverse proxy with TLS and access control.
//!
//! Prints its address once it listens, and logs JSON lines to standard error that contain neither content
//! nor names. On SIGTERM or SIGINT it finishes the requests it has accepted, then exits.

mod admission;
mod answer;
mod app;
mod auth;
mod false_matches;
#[cfg(any(target_os = "linux", target_os = "macos", target_os = "freebsd"))]
mod isolate;
#[cfg(not(any(target_os = "linux", target_os = "macos", target_os = "freebsd")))]
#[path = "isolate/elsewhere.rs"]
mod isolate;
mod items;
mod listen;
mod listing;
mod matching;
mod metrics;
mod observe;
mod operations;
mod prints;
mod routes;
mod store;
mod upload;
mod writing;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::Parser;
use leakprint::collection::{CollectionWriter, WriterOptions};
use leakprint::{Key, Limits};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tracing::level_filters::LevelFilter;

use app::{App, Shared};

/// Serves a collection over HTTP.
#[derive(Parser)]
#[command(name = "serve", version)]
struct Args {
    /// The collection's folder. With --token-file, this process is its only writer, and creates it if
    /// it does not exist.
    #[arg(long, required_unless_present_any = ["routes", "read_uploads"])]
    collection: Option<PathBuf>,
    /// Address and port to listen on; port 0 picks a free port.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: String,
    /// A file of tokens that authorise changes, one per line, at least 16 characters each. Without this option
    /// the service is read-only.
    #[arg(long)]
    token_file: Option<PathBuf>,
    /// Follow the changes of another process, as without --token-file; the token then authorises
    /// reloading only.
    #[arg(long)]
    follow: bool,
    /// A file with the owner's key, 32 bytes or 64 hex digits, if it is not stored in the collection.
    #[arg(long)]
    key: Option<PathBuf>,
    /// Treat a hash of a hash list as strong by itself. By default it is possible at most, unless the
    /// list has a second print: whoever knows a hash can change an innocent picture until it matches.
    #[arg(long)]
    trust_hash_lists: bool,
    /// Number of matching threads; 0 means one per core.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u16).range(..=1024))]
    threads: u16,
    /// Time from the last byte of a request to its response, in milliseconds.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    deadline_ms: u64,
    /// Maximum size of one request body, in bytes.
    #[arg(long, default_value_t = 32 << 20, value_parser = clap::value_parser!(u64).range(1..=1 << 30))]
    max_body: u64,
    /// Maximum size of all request bodies in memory, in bytes.
    #[arg(long, default_value_t = 256 << 20, value_parser = clap::value_parser!(u64).range(1..=1 << 38))]
    max_bodies: u64,
    /// Requests that may wait for a thread in each of two queues: small texts, and everything else.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    queue: u32,
    /// Maximum number of open connections.
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    max_connections: u32,
    /// Timeout for a client to send the request head, to start the body, or to read more of the
    /// response, in milliseconds.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    stalled_ms: u64,
    /// Time to finish accepted requests at shutdown, in milliseconds.
    #[arg(long, default_value_t = 30_000, value_parser = clap::value_parser!(u64).range(..=3_600_000))]
    grace_ms: u64,
    /// Interval between checks for changes by another process, in milliseconds.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    follow_ms: u64,
    /// A file with limits per input as a JSON object; missing fields keep their defaults.
    #[arg(long)]
    limits: Option<PathBuf>,
    /// Read uploads in N child processes with limits on memory and processor time. If one of them fails,
    /// its upload gets status 422 and the process is replaced. The service still reads texts and common
    /// pictures (PNG, JPEG, GIF, WebP) itself. More than --threads processes have no effect. Linux, macOS
    /// and FreeBSD only.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    isolate: Option<u16>,
    /// Read texts and common pictures in those processes as well, except for UTF-8 sent as text/plain,
    /// which needs no decoding.
    #[arg(long, requires = "isolate")]
    isolate_all: bool,
    /// Address space of each process that reads uploads, in MiB. By default, as much as the limits allow
    /// an upload to need.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=isolate::MAX_MB))]
    isolate_memory_mb: Option<u64>,
    /// Processor time that each upload may use in such a process, in seconds. By default, as much as the
    /// deadline allows.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    isolate_cpu_s: Option<u64>,
    /// Run as one of the processes that read uploads.
    #[arg(long, hide = true, requires_all = ["isolate_memory_mb", "isolate_cpu_s"])]
    read_uploads: bool,
    /// Log level: off, error, warn or info.
    #[arg(long, default_value_t = LevelFilter::INFO)]
    log: LevelFilter,
    /// Print the method and path of every route, and exit.
    #[arg(long)]
    routes: bool,
}

/// Why the service could not start.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            let advice = match e.downcast_ref::<leakprint::Error>() {
                Some(e) if e.is_missing_key() => " (`--key FILE` gives it)",
                _ => "",
            };
            let _ = writeln!(io::stderr(), "serve: {e}{advice}");
            ExitCode::from(2)
        }
    }
}

/// Returns false if an accepted request could not be finished.
fn run(args: &Args) -> Result<bool, Failure> {
    if args.routes {
        for (method, path) in routes::names() {
            writeln!(io::stdout(), "{method} {path}")?;
        }
        return Ok(true);
    }
    if let (true, Some(mb), Some(cpu_s)) = (
        args.read_uploads,
        args.isolate_memory_mb,
        args.isolate_cpu_s,
    ) {
        return isolate::run(mb << 20, cpu_s).map(|()| true);
    }
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_target(false)
        .with_max_level(args.log)
        .with_writer(io::stderr)
        .init();
    let app = Arc::new(app(args)?);
    // Connections take little work: leave the cores to matching.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads((app.gate.threads() / 4).clamp(1, 4))
        .enable_all()
        .build()?;
    let is_whole = runtime.block_on(serve(args, &app))?;
    // Cuts off lists that are still being streamed.
    runtime.shutdown_timeout(Duration::from_millis(100));
    if let Some(writing) = &app.writing {
        writing.stop();
    }
    if let Some(readers) = &app.readers {
        readers.stop();
    }
    tracing::info!(is_whole, "stopped");
    Ok(is_whole)
}

fn app(args: &Args) -> Result<App, Failure> {
    let folder = args.collection.as_deref().ok_or("no --collection")?;
    let key = args.key.as_deref().map(Key::from_file).transpose()?;
    let tokens = args.token_file.as_deref().map(auth::Tokens::read);
    let tokens = tokens.transpose()?;
    let (store, writing) = if tokens.is_some() && !args.follow {
        let options = WriterOptions::default().with_key(key);
        let writer = CollectionWriter::open(folder, options)?;
        let store = store::Store::from_writer(writer.collection())?;
        (store, Some(writing::Writing::start(writer)?))
    } else {
        (store::Store::follow(folder, key)?, None)
    };
    let store = store.trusting_hash_lists(args.trust_hash_lists);
    let stalled = Duration::from_millis(args.stalled_ms);
    let mut limits = args
        .limits
        .as_deref()
        .map_or(Ok(Limits::default()), limits)?;
    limits.input_bytes = limits.input_bytes.min(args.max_body);
    let mut metrics = metrics::Metrics::new();
    let readers = readers(args, &limits, &mut metrics)?;
    Ok(App {
        store,
        writing,
        tokens,
        gate: Arc::new(admission::Gate::new(
            args.threads.into(),
            args.queue as usize,
            metrics.abandoned.clone(),
        )?),
        readers,
        uploads: upload::Uploads::new(args.max_body as usize, stalled, args.max_bodies as usize),
        metrics,
        limits,
        deadline: Duration::from_millis(args.deadline_ms),
        streams: Arc::new(Semaphore::new(4)),
        stopping: false.into(),
    })
}

/// The processes that read uploads, with `--isolate`.
fn readers(
    args: &Args,
    limits: &Limits,
    metrics: &mut metrics::Metrics,
) -> Result<Option<isolate::Readers>, Failure> {
    let Some(count) = args.isolate else {
        return Ok(None);
    };
    // The defaults follow the limits for uploads.
    let memory_mb = args.isolate_memory_mb;
    let cpu_s = limits.time_ms.min(args.deadline_ms).div_ceil(1000) + 1;
    let options = isolate::Options {
        count: count.into(),
        memory_mb: memory_mb.unwrap_or_else(|| isolate::memory_mb(limits)),
        cpu_s: args.isolate_cpu_s.unwrap_or(cpu_s),
        all: args.isolate_all,
        queue: args.queue as usize,
    };
    metrics.register_readers();
    isolate::Readers::start(options, metrics.readers.clone()).map(Some)
}

fn limits(path: &Path) -> Result<Limits, Failure> {
    let bytes = fs::read(path).map_err(|e| format!("{}: cannot read: {e}", path.display()))?;
    Ok(serde_json::from_slice(&bytes).map_err(|e| format!("{}: {e}", path.display()))?)
}

async fn serve(args: &Args, app: &Shared) -> Result<bool, Failure> {
    let stop = signals()?;
    let listener = TcpListener::bind(&args.listen)
        .await
        .map_err(|e| format!("cannot listen on {}: {e}", args.listen))?;
    if app.store.follows() {
        follow(app, Duration::from_millis(args.follow_ms))?;
    }
    let address = listener.local_addr()?;
    let mut out = io::stdout();
    writeln!(out, "http://{address}")?;
    out.flush()?;
    let snapshot = app.store.snapshot();
    let (generation, items) = (snapshot.generation(), snapshot.len());
    tracing::info!(%address, generation, items, threads = app.gate.threads(), "listening");
    drop(snapshot);
    let limits = listen::ConnectionLimits {
        max_connections: args.max_connections as usize,
        stall_timeout: Duration::from_millis(args.stalled_ms),
        grace: Duration::from_millis(args.grace_ms),
    };
    let stop = async {
        stop.await;
        app.stopping.store(true, Ordering::Relaxed);
        tracing::info!("stopping");
    };
    Ok(listen::serve(listener, routes::router(app), app, limits, stop).await)
}

/// Checks regularly for changes by another process, until the service ends.
fn follow(app: &Shared, every: Duration) -> io::Result<()> {
    let app = Arc::downgrade(app);
    let thread = std::thread::Builder::new().name("follow".to_owned());
    let spawned = thread.spawn(move || {
        loop {
            // The first state was opened a moment ago.
            std::thread::sleep(every);
            let Some(app) = app.upgrade() else { return };
            // Already logged and counted; the next attempt may succeed.
            let _ = operations::refresh(&app);
        }
    });
    spawned.map(drop)
}

/// Completes when the service is asked to shut down.
#[cfg(unix)]
fn signals() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Completes when the service is asked to shut down.
#[cfg(not(unix))]
fn signals() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}
