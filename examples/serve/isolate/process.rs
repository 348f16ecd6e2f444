//! The service's side of a reader: a child process and the pipes to it.

use std::fmt;
use std::io::{self, BufReader, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use leakprint::fingerprint::Collector;
use leakprint::media::PartSink;
use leakprint::{Digest, Error, Limits};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;

use super::wire::{self, Receiver, Reply, Source, WireError};

/// Time limit for starting a reader.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// Interval between checks whether an upload that is being read was cancelled.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Size of the read buffer, in bytes.
const BUFFER: usize = 64 << 10;

/// Capacity of a pipe, if the system allows it, in bytes.
#[cfg(target_os = "linux")]
const PIPE_BYTES: usize = 1 << 20;

/// Why a reader has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It exceeded the limit on processor time.
    Cpu,
    /// It aborted, usually because it ran out of memory.
    Abort,
    /// It was killed, by the system when out of memory, or by a person.
    Killed,
    /// It received another signal.
    Signal,
    /// It exited.
    Exit,
    /// It broke the protocol, and was killed.
    Protocol,
    /// The deadline had passed or the client had disconnected, and it was killed.
    Deadline,
}

impl End {
    /// The name for the log and the metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Abort => "abort",
            Self::Killed => "killed",
            Self::Signal => "signal",
            Self::Exit => "exit",
            Self::Protocol => "protocol",
            Self::Deadline => "deadline",
        }
    }

    fn from_status(status: ExitStatus) -> Self {
        let signal = status.signal();
        let is = |other: Signal| signal == Some(other.as_raw());
        match signal {
            None => Self::Exit,
            _ if is(Signal::XCPU) => Self::Cpu,
            _ if is(Signal::ABORT) => Self::Abort,
            _ if is(Signal::KILL) => Self::Killed,
            Some(_) => Self::Signal,
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self {
            Self::Cpu => "it needs more processor time than the limit",
            Self::Abort => "its reader aborted, most likely out of memory",
            Self::Killed => "its reader was killed",
            Self::Signal | Self::Exit => "its reader crashed",
            Self::Protocol => "its reader broke the protocol",
            Self::Deadline => "the deadline passed",
        };
        write!(f, "the upload could not be read: {why}")
    }
}

/// A reader process.
pub(crate) struct Reader {
    child: Child,
    to: ChildStdin,
    from: ChildStdout,
    pub(crate) started: Instant,
    /// Number of uploads so far.
    pub(crate) uploads: u32,
    /// Whether it is waiting for the next upload.
    pub(crate) is_ready: bool,
}

impl Reader {
    /// Starts a reader, and waits until it is ready. The system kills it when the calling thread ends.
    pub(crate) fn start(memory_mb: u64, cpu_s: u64) -> io::Result<Self> {
        let mut child = Command::new(program()?)
            .arg0("serve")
            .arg("--read-uploads")
            .args(["--isolate-memory-mb", &memory_mb.to_string()])
            .args(["--isolate-cpu-s", &cpu_s.to_string()])
            .env_clear()
            .current_dir("/")
            // Signals to the service's process group must not reach it.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A panic message may quote an upload.
            .stderr(Stdio::null())
            .spawn()?;
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("a child without pipes"));
        };
        let mut reader = Self {
            child,
            to,
            from,
            started: Instant::now(),
            uploads: 0,
            is_ready: false,
        };
        match reader.wait_until_ready() {
            Ok(()) => Ok(reader),
            Err(e) => {
                let end = reader.end();
                Err(io::Error::new(e.kind(), format!("{}: {e}", end.as_str())))
            }
        }
    }

    fn wait_until_ready(&mut self) -> io::Result<()> {
        for pipe in [self.to.as_fd(), self.from.as_fd()] {
            rustix::io::ioctl_fionbio(pipe, true)?;
            // Larger pipes save context switches; failing to resize them is harmless.
            #[cfg(target_os = "linux")]
            let _ = rustix::pipe::fcntl_setpipe_size(pipe, PIPE_BYTES);
        }
        let until = Instant::now() + START_TIMEOUT;
        let is_cancelled = || Instant::now() >= until;
        let mut from = CancellablePipe::new(&self.from, &is_cancelled);
        match wire::receive_hello(&mut from) {
            Ok(()) => {}
            Err(WireError::Pipe(e)) => return Err(e),
            Err(WireError::Frame(why)) => return Err(io::Error::other(why)),
        }
        self.is_ready = true;
        Ok(())
    }

    /// Reads an upload into a collector. The inner error concerns the upload. After the outer error, or
    /// if `is_cancelled` returned true, the reader has ended.
    pub(crate) fn read(
        &mut self,
        limits: &Limits,
        name: Option<&str>,
        bytes: &[u8],
        collector: &mut Collector<'_>,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Result<leakprint::Result<()>, End> {
        self.is_ready = false;
        self.uploads += 1;
        match self.exchange(limits, name, bytes, collector, is_cancelled) {
            Ok(result) => {
                self.is_ready = true;
                Ok(result)
            }
            Err(broken) => {
                let end = self.end();
                Err(match broken {
                    WireError::Frame(_) => End::Protocol,
                    WireError::Pipe(e) if e.kind() == io::ErrorKind::TimedOut => End::Deadline,
                    WireError::Pipe(_) => end,
                })
            }
        }
    }

    fn exchange(
        &mut self,
        limits: &Limits,
        name: Option<&str>,
        bytes: &[u8],
        collector: &mut Collector<'_>,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Result<leakprint::Result<()>, WireError> {
        wire::send(
            &mut CancellablePipe::new(&self.to, is_cancelled),
            limits,
            name,
            bytes,
        )?;
        let from = CancellablePipe::new(&self.from, is_cancelled);
        let mut from = BufReader::with_capacity(BUFFER, from);
        let mut replies = Receiver::new(&mut from, limits, bytes.len());
        let result = loop {
            match replies.next()? {
                Reply::Part(path, source, content) => {
                    let digest = match source {
                        Source::None => None,
                        Source::Upload => Some(Digest::of_bytes(bytes)),
                        Source::Digest(digest) => Some(digest),
                    };
                    collector.add(path, digest, content);
                }
                Reply::Warning(path, error) => collector.warning(path, error),
                Reply::Done => break Ok(()),
                Reply::Failed(error) => break Err::<(), Error>(error),
            }
        };
        match from.buffer().is_empty() {
            true => Ok(result),
            false => Err(WireError::Frame("bytes after the end")),
        }
    }

    /// Whether the process is running.
    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Kills the process and waits for it, so that no zombie is left.
    pub(crate) fn end(&mut self) -> End {
        self.is_ready = false;
        // Fails if the process has already ended.
        let _ = self.child.kill();
        self.child.wait().map_or(End::Signal, End::from_status)
    }
}

/// The running executable, even if the file on disk has been replaced.
fn program() -> io::Result<PathBuf> {
    let own = PathBuf::from("/proc/self/exe");
    match cfg!(target_os = "linux") && own.exists() {
        true => Ok(own),
        false => std::env::current_exe(),
    }
}

/// A pipe whose operations stop waiting once the upload is cancelled.
struct CancellablePipe<'p, P> {
    pipe: &'p P,
    is_cancelled: &'p dyn Fn() -> bool,
}

impl<'p, P> CancellablePipe<'p, P>
where
    P: AsFd,
{
    fn new(pipe: &'p P, is_cancelled: &'p dyn Fn() -> bool) -> Self {
        Self { pipe, is_cancelled }
    }

    /// Retries an operation that would block until it succeeds.
    fn retry(
        &self,
        flags: PollFlags,
        mut act: impl FnMut(BorrowedFd<'_>) -> rustix::io::Result<usize>,
    ) -> io::Result<usize> {
        let pipe = self.pipe.as_fd();
        loop {
            // Checked even if nothing blocks: a reader could send forever.
            if (self.is_cancelled)() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            match act(pipe) {
                Err(rustix::io::Errno::AGAIN) => {}
                Err(rustix::io::Errno::INTR) => continue,
                other => return Ok(other?),
            }
            let timeout = Timespec {
                tv_sec: 0,
                tv_nsec: POLL_INTERVAL.subsec_nanos().into(),
            };
            match poll(&mut [PollFd::new(&pipe, flags)], Some(&timeout)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }
}

impl<P: AsFd> Read for CancellablePipe<'_, P> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.retry(PollFlags::IN, |pipe| rustix::io::read(pipe, &mut *buffer))
    }
}

impl<P: AsFd> Write for CancellablePipe<'_, P> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.retry(PollFlags::OUT, |pipe| rustix::io::write(pipe, bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
