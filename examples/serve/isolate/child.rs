//! The reader process: limits itself, then reads one upload after another from standard input until the
//! end of the stream.
//!
//! It has no key, no token, no environment and no files but the two pipes, and cannot open any.

use std::fs::File;
use std::io::{self, BufReader, BufWriter};
use std::os::fd::AsFd;

use leakprint::{Budget, CancellationToken, Deadline, media};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};
use tokio::signal::unix::{SignalKind, signal};

use super::wire::{self, Sender, WireError};
use crate::Failure;

/// Size of the buffers for reading and writing, in bytes.
const BUFFER: usize = 64 << 10;

/// Reads uploads until standard input ends.
pub(crate) fn run(memory_bytes: u64, cpu_s: u64) -> Result<(), Failure> {
    // On a signal to the whole group or unit, the service first finishes the requests it has accepted,
    // and then stops its readers itself.
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_io().build()?;
    let entered = runtime.enter();
    let ignored = [SignalKind::terminate(), SignalKind::interrupt()].map(signal);
    let from = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let to = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    limit(memory_bytes)?;
    let mut from = BufReader::with_capacity(BUFFER, from);
    let mut to = BufWriter::with_capacity(BUFFER, to);
    wire::send_hello(&mut to)?;
    loop {
        let request = match wire::receive(&mut from) {
            Ok(Some(request)) => request,
            Ok(None) => break,
            Err(WireError::Pipe(e)) => return Err(e.into()),
            Err(WireError::Frame(why)) => return Err(why.into()),
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

/// Sets the limits that apply for the lifetime of the process.
fn limit(memory_bytes: u64) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Signal, set_parent_process_death_signal};
        // If the service is killed, a reader that is decoding would not notice it on standard input.
        set_parent_process_death_signal(Some(Signal::KILL))?;
        rustix::thread::set_no_new_privs(true)?;
    }
    for (resource, max) in [
        (Resource::As, memory_bytes),
        // A core dump would contain an upload.
        (Resource::Core, 0),
        (Resource::Fsize, 0),
        (Resource::Nproc, 0),
        (Resource::Nofile, 0),
    ] {
        let maximum = getrlimit(resource).maximum;
        let max = Some(maximum.map_or(max, |maximum| maximum.min(max)));
        let limit = Rlimit {
            current: max,
            maximum: max,
        };
        setrlimit(resource, limit)?;
    }
    Ok(())
}

/// Allows the given seconds of processor time from now on; after that the system kills the process.
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
