//! Runs cases in child processes under limits on memory and processor time.
//!
//! The child is this test binary. It announces each case before it starts, so that a crash is attributed
//! to its case; the parent then starts another child after that case.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use leakprint::{Fingerprint, Limits, Matcher, Result};

use crate::doc::{Doc, Edit};
use crate::formats;
use crate::targets;

/// One file: the document that it is made from, and what is done to it.
pub(crate) struct Case {
    pub(crate) doc: usize,
    pub(crate) edits: Vec<Edit>,
}

/// Which cases are run, as a word that the child understands as well.
#[derive(Clone, Debug)]
pub(crate) enum Plan {
    /// A random sample of all cases: number and seed.
    Share(usize, u64),
    /// All of one format.
    Format(String),
    /// Cases with two or three edits each: number and seed.
    Mixed(usize, u64),
}

/// Marsaglia's 64-bit xorshift.
pub(crate) fn random(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % below.max(1)
    }
}

impl Plan {
    fn word(&self) -> String {
        match self {
            Self::Share(count, seed) => format!("share {count} {seed}"),
            Self::Format(format) => format!("format {format} 0"),
            Self::Mixed(count, seed) => format!("mixed {count} {seed}"),
        }
    }

    fn of(word: &str) -> Option<Self> {
        let mut words = word.split(' ');
        let (kind, first, seed) = (words.next()?, words.next()?, words.next()?.parse().ok()?);
        match kind {
            "share" => Some(Self::Share(first.parse().ok()?, seed)),
            "mixed" => Some(Self::Mixed(first.parse().ok()?, seed)),
            _ => Some(Self::Format(first.to_owned())),
        }
    }

    /// The cases in order.
    pub(crate) fn cases(&self, docs: &[Doc]) -> Vec<Case> {
        let edits: Vec<Vec<Edit>> = docs.iter().map(Doc::edits).collect();
        let mut cases = Vec::new();
        match self {
            Self::Format(format) => {
                for (doc, edits) in edits.into_iter().enumerate() {
                    if docs[doc].format == *format {
                        cases.push(Case {
                            doc,
                            edits: Vec::new(),
                        });
                        let one = |edit| Case {
                            doc,
                            edits: vec![edit],
                        };
                        cases.extend(edits.into_iter().map(one));
                    }
                }
            }
            Self::Share(count, seed) | Self::Mixed(count, seed) => {
                let mut random = random(*seed);
                for number in 0..*count {
                    let doc = number % docs.len();
                    let of = &edits[doc];
                    let most = if matches!(self, Self::Mixed(..)) {
                        2 + random(2)
                    } else {
                        1
                    };
                    let edits = (0..most).map(|_| of[random(of.len())].clone()).collect();
                    cases.push(Case { doc, edits });
                }
            }
        }
        cases
    }
}

/// Bounds on one case.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) cpu: Duration,
    /// Resident memory.
    pub(crate) kib: u64,
    /// Address space of the child.
    pub(crate) space_kib: u64,
    /// Maximum size of a file, in bytes; larger ones are skipped.
    pub(crate) max_bytes: usize,
    /// Whether to use the limits of a service instead of small ones.
    pub(crate) ordinary: bool,
}

/// The outcome of a case.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) case: usize,
    pub(crate) cpu: Duration,
    pub(crate) kib: u64,
    /// Bytes of the file.
    pub(crate) bytes: usize,
    /// Its result; `died` or `slow` without one.
    pub(crate) answer: String,
}

impl Outcome {
    pub(crate) fn is_harmless(&self, bounds: &Bounds) -> bool {
        let answered = !matches!(self.answer.as_str(), "died" | "slow" | "panicked");
        answered && self.cpu <= bounds.cpu && self.kib <= bounds.kib
    }
}

const JOB: &str = "LEAKPRINT_ABSURD_JOB";

/// Runs all cases of a plan.
pub(crate) fn conduct(plan: &Plan, bounds: &Bounds, count: usize) -> Vec<Outcome> {
    let folder = tempfile::tempdir().expect("a folder");
    let report = folder.path().join("report");
    let program = std::env::current_exe().expect("this program");
    let mut outcomes: Vec<Outcome> = Vec::new();
    let mut from = 0;
    while from < count {
        fs::write(&report, "").expect("a file");
        let job = format!(
            "{}\n{from}\n{}\n{}\n{}\n{}",
            plan.word(),
            bounds.cpu.as_millis(),
            bounds.max_bytes,
            u8::from(bounds.ordinary),
            report.display()
        );
        // The shell limits the address space, for which a program would need unsafe code.
        let limited = format!(
            "ulimit -c 0; ulimit -v {}; exec \"$0\" \"$@\"",
            bounds.space_kib
        );
        let mut child = Command::new("sh")
            .args(["-c", &limited])
            .arg(&program)
            .args([
                "--exact",
                "child",
                "--ignored",
                "--nocapture",
                "--test-threads",
                "1",
            ])
            .env(JOB, job)
            .env("RUST_BACKTRACE", "0")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        child.wait().expect("a child");
        let text = fs::read_to_string(&report).expect("a report");
        from = read_report(&text, from, &mut outcomes);
    }
    outcomes
}

/// Reads the output of a child, and returns where the next one starts.
fn read_report(text: &str, from: usize, outcomes: &mut Vec<Outcome>) -> usize {
    let mut begun = None;
    let mut next = from;
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |at: usize| {
            words
                .get(at)
                .and_then(|word| word.parse::<u64>().ok())
                .unwrap_or(0)
        };
        match words.first() {
            Some(&"begin") => begun = Some((number(1) as usize, number(2) as usize)),
            Some(&"pass") => next = number(1) as usize + 1,
            Some(&"end") => {
                outcomes.push(Outcome {
                    case: number(1) as usize,
                    cpu: Duration::from_micros(number(2)),
                    kib: number(3),
                    bytes: begun.take().map_or(0, |(_, bytes)| bytes),
                    answer: words.get(4).unwrap_or(&"").to_string(),
                });
                next = number(1) as usize + 1;
            }
            _ => {}
        }
    }
    if let Some((case, bytes)) = begun {
        let slow = text.ends_with("slow\n");
        outcomes.push(Outcome {
            case,
            cpu: Duration::ZERO,
            kib: 0,
            bytes,
            answer: if slow { "slow" } else { "died" }.to_owned(),
        });
        return case + 1;
    }
    assert!(next > from, "a child did nothing: {text:?}");
    next
}

/// Processor time of this thread.
fn thread_time() -> Duration {
    std::thread::yield_now();
    let account = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let spent = account.split(' ').next().and_then(|word| word.parse().ok());
    Duration::from_nanos(spent.unwrap_or(0))
}

/// Processor time of this process, in hundredths of a second as Linux counts them.
fn process_ticks() -> u64 {
    let account = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let words = account.rsplit(") ").next().unwrap_or_default();
    let word = |at| {
        words
            .split(' ')
            .nth(at)
            .and_then(|word| word.parse::<u64>().ok())
    };
    word(11).unwrap_or(0) + word(12).unwrap_or(0)
}

/// Peak resident memory since the last reset.
fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let word = line.and_then(|line| line.split_whitespace().next());
    word.and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// Runs the cases that the environment names, if this is a child.
pub(crate) fn child() {
    let Ok(job) = std::env::var(JOB) else { return };
    let mut lines = job.lines();
    let mut next = || lines.next().expect("a line of the job");
    let plan = Plan::of(next()).expect("a plan");
    let mut number = || next().parse::<usize>().expect("a number");
    let (from, cpu_ms, max_bytes, ordinary) = (number(), number(), number(), number() == 1);
    let report = Path::new(lines.next().expect("a report"));
    let open = || {
        OpenOptions::new()
            .append(true)
            .open(report)
            .expect("the report")
    };
    let mut out = open();

    static DEADLINE: AtomicU64 = AtomicU64::new(u64::MAX);
    let mut last = open();
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_millis(100));
            if process_ticks() > DEADLINE.load(Ordering::Relaxed) {
                let _ = last.write_all(b"slow\n");
                std::process::exit(9);
            }
        }
    });

    let docs: Vec<Doc> = formats::all().into_iter().map(|(_, doc)| doc).collect();
    let matcher = matcher(ordinary);
    for (number, case) in plan.cases(&docs).iter().enumerate().skip(from) {
        let doc = &docs[case.doc];
        writeln!(out, "make {number}").expect("the report");
        let bytes = doc.edited(&case.edits);
        if bytes.len() > max_bytes {
            writeln!(out, "pass {number}").expect("the report");
            continue;
        }
        writeln!(out, "begin {number} {}", bytes.len()).expect("the report");
        let _ = fs::write("/proc/self/clear_refs", "5");
        DEADLINE.store(process_ticks() + cpu_ms as u64 / 10, Ordering::Relaxed);
        let start = thread_time();
        let answer = catch_unwind(AssertUnwindSafe(|| answer(matcher, &bytes, doc.name)));
        let spent = thread_time().saturating_sub(start);
        DEADLINE.store(u64::MAX, Ordering::Relaxed);
        let answer = answer.unwrap_or("panicked");
        writeln!(
            out,
            "end {number} {} {} {answer}",
            spent.as_micros(),
            peak_kib()
        )
        .expect("the report");
    }
}

fn matcher(ordinary: bool) -> &'static Matcher {
    static ORDINARY: OnceLock<Matcher> = OnceLock::new();
    match ordinary {
        false => targets::matcher(),
        true => ORDINARY.get_or_init(|| targets::matcher().clone().with_limits(Limits::default())),
    }
}

/// Reads and matches a file; returns the outcome in one word.
pub(crate) fn answer(matcher: &Matcher, bytes: &[u8], name: &str) -> &'static str {
    let result: Result<Fingerprint> = matcher.query_fingerprinter().fingerprint(bytes, Some(name));
    match result {
        Err(error) => error.kind().as_str(),
        Ok(print)
            if print
                .warnings
                .iter()
                .any(|warning| warning.kind == "panicked") =>
        {
            "panicked"
        }
        Ok(print) => match matcher.find(&print) {
            Ok(_) if print.warnings.is_empty() => "read",
            Ok(_) => "warned",
            Err(error) => error.kind().as_str(),
        },
    }
}
