//! The process that reads uploads: limits on itself first, then one upload after another from standard
//! input, until that ends.
//!
//! It has no key, no token, no environment and no files but the two pipes, and can open none.

use std::fs::File;
use std::io::{self, BufReader, BufWriter};
use std::os::fd::AsFd;

use leakprint::{Budget, CancellationToken, Deadline, media};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};
use tokio::signal::unix::{SignalKind, signal};

use super::wire::{self, Broken, Sender};
use crate::Failure;

/// Bytes that are read or written at once.
const BUFFER: usize = 64 << 10;

/// Reads uploads until standard input ends.
pub(crate) fn run(memory_bytes: u64, cpu_s: u64) -> Result<(), Failure> {
    // A signal to the whole group or unit ends the service, which still finishes what it has
    // accepted and then ends its readers itself.
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_io().build()?;
    let entered = runtime.enter();
    let ignored = [SignalKind::terminate(), SignalKind::interrupt()].map(signal);
    let from = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let to = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    limit(memory_bytes)?;
    let mut from = BufReader::with_capacity(BUFFER, from);
    let mut to = BufWriter::with_capacity(BUFFER, to);
    wire::greet(&mut to)?;
    loop {
        let request = match wire::receive(&mut from) {
            Ok(Some(request)) => request,
            Ok(None) => break,
            Err(Broken::Pipe(e)) => return Err(e.into()),
            Err(Broken::Frame(why)) => return Err(why.into()),
        };
        allow(cpu_s)?;
        let stop = CancellationToken::new();
        let deadline = Deadline::never().with_cancellation(stop.clone());
        let mut budget = Budget::with_deadline(&request.limits, &deadline);
        let mut sender = Sender::new(&mut to, &request.bytes, stop);
        let name = request.name.as_deref();
        let result = media::read(&request.bytes, name, &mut budget, &mut sender);
        sender.finish(result)?;
    }
    drop((ignored, entered));
    Ok(())
}

/// Sets what stays as it is for the life of the process.
fn limit(memory_bytes: u64) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Signal, set_parent_process_death_signal};
        // The service may be killed while an upload is read, when nobody looks at standard input.
        set_parent_process_death_signal(Some(Signal::KILL))?;
        rustix::thread::set_no_new_privs(true)?;
    }
    for (resource, most) in [
        (Resource::As, memory_bytes),
        // A core would hold an upload.
        (Resource::Core, 0),
        (Resource::Fsize, 0),
        (Resource::Nproc, 0),
        (Resource::Nofile, 0),
    ] {
        let maximum = getrlimit(resource).maximum;
        let most = Some(maximum.map_or(most, |maximum| maximum.min(most)));
        let limit = Rlimit {
            current: most,
            maximum: most,
        };
        setrlimit(resource, limit)?;
    }
    Ok(())
}

/// Allows some more seconds of processor time; the system ends the process after that.
fn allow(cpu_s: u64) -> io::Result<()> {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    let until = (used.tv_sec as u64).saturating_add(1).saturating_add(cpu_s);
    let maximum = getrlimit(Resource::Cpu).maximum;
    let limit = Rlimit {
        current: Some(maximum.map_or(until, |maximum| maximum.min(until))),
        maximum,
    };
    Ok(setrlimit(Resource::Cpu, limit)?)
}
