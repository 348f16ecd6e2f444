//! The service under test: already running, or started by this program.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Failure;

/// A running service.
pub(crate) struct Service {
    /// Host and port.
    pub(crate) address: String,
    child: Option<Child>,
}

/// Resources used by a process.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Processor time so far, in seconds.
    pub(crate) cpu: f64,
    /// Resident anonymous memory, in bytes.
    pub(crate) memory: u64,
}

impl Service {
    /// Uses a service that is already running.
    pub(crate) fn at(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            child: None,
        }
    }

    /// Starts `serve` from this program's folder on a free port; its log goes to a file.
    pub(crate) fn start(arguments: &[String], log: &Path) -> Result<Self, Failure> {
        let own = std::env::current_exe()?;
        let name = format!("serve{}", std::env::consts::EXE_SUFFIX);
        let program = own.with_file_name(name);
        if !program.exists() {
            let hint = "build it: cargo build --release --example serve";
            return Err(format!("{}: program not found; {hint}", program.display()).into());
        }
        let mut child = Command::new(program)
            .args(arguments)
            .args(["--listen", "127.0.0.1:0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(log)?)
            .spawn()?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line)?;
        }
        let Some(address) = line.trim().strip_prefix("http://") else {
            let _ = child.wait();
            let log = fs::read_to_string(log).unwrap_or_default();
            return Err(format!("the service does not start: {log}").into());
        };
        Ok(Self {
            address: address.to_owned(),
            child: Some(child),
        })
    }

    /// Resources used so far by the service and its child processes, if the system reports them.
    pub(crate) fn usage(&self) -> Option<Usage> {
        let id = self.child.as_ref()?.id().to_string();
        let mut all = usage(&id)?;
        // A child that has ended meanwhile is included in the service's own processor time.
        for child in children(&id).iter().filter_map(|child| usage(child)) {
            all.cpu += child.cpu;
            all.memory += child.memory;
        }
        Some(all)
    }

    /// Shuts the service down; returns whether it succeeded, and how long it took.
    pub(crate) fn stop(mut self) -> io::Result<Option<(bool, Duration)>> {
        let Some(mut child) = self.child.take() else {
            return Ok(None);
        };
        let started = Instant::now();
        Command::new("kill")
            .args(["-TERM", &child.id().to_string()])
            .status()?;
        let status = child.wait()?;
        Ok(Some((status.success(), started.elapsed())))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Resources used by a process, from `/proc` on Linux.
pub(crate) fn usage(process: &str) -> Option<Usage> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name may contain anything, but it is in parentheses.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    // User and system time, of the process and of children that have ended.
    let ticks = fields.get(11..15)?.iter();
    let ticks: u64 = ticks
        .map(|field| field.parse::<u64>().ok())
        .sum::<Option<_>>()?;
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let anonymous = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kibibytes: u64 = anonymous.split_whitespace().next()?.parse().ok()?;
    Some(Usage {
        // In hundredths of a second.
        cpu: ticks as f64 / 100.0,
        memory: kibibytes << 10,
    })
}

/// The running child processes of a process.
fn children(process: &str) -> Vec<String> {
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else {
        return Vec::new();
    };
    let lists = threads.filter_map(|thread| {
        let path = thread.ok()?.path().join("children");
        fs::read_to_string(path).ok()
    });
    let of_list =
        |list: String| -> Vec<String> { list.split_whitespace().map(str::to_owned).collect() };
    lists.flat_map(of_list).collect()
}
