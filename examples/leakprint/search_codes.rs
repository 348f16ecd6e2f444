//! `search-codes`: raw 32-byte codes against raw 32-byte queries, for benchmarks against peers.

use std::fs;
use std::io;
use std::time::Instant;

use leakprint::index::{CodeSet, Engine, SearchStats};
use leakprint::{Code256, Executor};
use serde::Serialize;

use crate::output::json_line;
use crate::writable::{Writes, check_writable};
use crate::{EngineArg, Failure, SearchCodesArgs};

#[derive(Serialize)]
struct Line {
    n: usize,
    queries: usize,
    radius: u32,
    threads: usize,
    engine: &'static str,
    build_s: f64,
    bytes_per_code: f64,
    search_s: f64,
    us_per_query: f64,
    pairs: usize,
    digest: String,
    /// `built`, `mapped` or `loaded`.
    form: &'static str,
    /// Processor time of all threads; absent where the system does not report it.
    build_cpu_s: Option<f64>,
    search_cpu_s: Option<f64>,
    /// What one run of the queries cost.
    stats: SearchStats,
}

/// Seconds, by the clock and of the processors.
struct Spent {
    wall: f64,
    cpu: Option<f64>,
}

impl Spent {
    fn on<T>(f: impl FnOnce() -> T) -> (T, Self) {
        let (started, before) = (Instant::now(), cpu_seconds());
        let result = f();
        let wall = started.elapsed().as_secs_f64();
        let cpu = before.zip(cpu_seconds()).map(|(from, to)| to - from);
        (result, Self { wall, cpu })
    }
}

/// The processor time of all running threads, as Linux counts it.
fn cpu_seconds() -> Option<f64> {
    let mut sum = 0.0;
    for thread in fs::read_dir("/proc/self/task").ok()? {
        let path = thread.ok()?.path().join("schedstat");
        // A thread may end in between.
        let line = fs::read_to_string(path).unwrap_or_default();
        if let Some(nanoseconds) = line.split(' ').next().and_then(|n| n.parse::<f64>().ok()) {
            sum += nanoseconds * 1e-9;
        }
    }
    (sum > 0.0).then_some(sum)
}

/// The median; the larger of two.
fn median(mut times: Vec<f64>) -> Option<f64> {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied()
}

pub(crate) fn run(args: &SearchCodesArgs) -> Result<(), Failure> {
    let engine = match args.engine {
        EngineArg::Auto => Engine::Auto,
        EngineArg::Scan => Engine::Scan,
        EngineArg::Mih => Engine::Mih,
    };
    if let Some(file) = &args.save {
        check_writable("--save", file, Writes::ByRename)?;
    }
    let read = |path: &std::path::Path| {
        fs::read(path).map_err(|e| format!("{}: cannot read: {e}", path.display()))
    };
    let queries = read(&args.queries)?;
    let (queries, rest) = queries.as_chunks::<32>();
    if !rest.is_empty() {
        return Err(format!(
            "{}: not a whole number of 32-byte codes",
            args.queries.display()
        )
        .into());
    }
    let queries: Vec<Code256> = queries.iter().map(Code256::from_le_bytes).collect();
    let exec = Executor::with_threads(args.threads)?;

    let codes = args.codes.as_deref().map(read).transpose()?;
    // Until the set can be searched; reading raw codes is not part of it.
    let (opened, build) = Spent::on(|| -> Result<_, Failure> {
        let (set, form) = match (&args.open, &args.codes, codes) {
            (Some(file), ..) if args.load => (CodeSet::load(file)?, "loaded"),
            (Some(file), ..) => (CodeSet::open(file)?, "mapped"),
            (None, Some(file), Some(codes)) => {
                let set = CodeSet::from_records(&codes, engine, &exec);
                (set.map_err(|e| e.with_path(file))?, "built")
            }
            _ => return Err("neither --codes nor --open".to_owned().into()),
        };
        if args.warm {
            set.warm();
        }
        Ok((set, form))
    });
    let (set, form) = opened?;
    if let Some(file) = &args.save {
        set.save(file)?;
    }
    let search = set.view().with_engine(engine);

    let (mut walls, mut cpus) = (Vec::new(), Vec::new());
    let (mut hits, mut stats) = (Vec::new(), SearchStats::default());
    for _ in 0..args.repeats {
        let (found, spent) = Spent::on(|| search.search(&queries, args.radius, &exec));
        (hits, stats) = found?;
        walls.push(spent.wall);
        cpus.extend(spent.cpu);
    }
    let search_s = median(walls).unwrap_or_default();

    hits.sort_unstable_by_key(|hit| (hit.query, hit.code, hit.distance));
    let mut digest = blake3::Hasher::new();
    for hit in &hits {
        digest.update(&hit.query.to_le_bytes());
        digest.update(&hit.code.to_le_bytes());
        digest.update(&u16::try_from(hit.distance)?.to_le_bytes());
    }
    let line = Line {
        n: set.len(),
        queries: queries.len(),
        radius: args.radius,
        threads: exec.threads(),
        engine: search.engine(args.radius).as_str(),
        build_s: build.wall,
        bytes_per_code: set.bytes_per_code(),
        search_s,
        us_per_query: search_s * 1e6 / queries.len().max(1) as f64,
        pairs: hits.len(),
        digest: digest.finalize().to_hex().to_string(),
        form,
        build_cpu_s: build.cpu,
        search_cpu_s: median(cpus),
        stats,
    };
    json_line(&mut io::stdout(), &line)?;
    Ok(())
}
