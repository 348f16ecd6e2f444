//! One reader, as the service sees it: a child process and the pipes to it.

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

use super::wire::{self, Broken, Receiver, Reply, Source};

/// How long a reader may take to start.
const START: Duration = Duration::from_secs(10);

/// How often to look whether anybody still waits for an upload that is being read.
const LOOK: Duration = Duration::from_millis(50);

/// Bytes that are read at once.
const BUFFER: usize = 64 << 10;

/// Bytes that a pipe holds where the system lets it.
#[cfg(target_os = "linux")]
const PIPE: usize = 1 << 20;

/// Why a reader has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The limit on processor time.
    Cpu,
    /// It ended itself, for want of memory most often.
    Abort,
    /// Somebody killed it: the system for want of memory, or a person.
    Killed,
    /// Another signal.
    Signal,
    /// It ended by itself.
    Exit,
    /// It sent what is no reply; it was killed.
    Protocol,
    /// The deadline had passed, or nobody waited any more; it was killed.
    Deadline,
}

impl End {
    /// As one word, for the log and for metrics.
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

    fn of(status: ExitStatus) -> Self {
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
            Self::Cpu => "it needs more processor time than a reader may use",
            Self::Abort => "its reader gave up, most likely for want of memory",
            Self::Killed => "its reader was killed",
            Self::Signal | Self::Exit => "its reader broke down",
            Self::Protocol => "its reader sent what makes no sense",
            Self::Deadline => "the deadline has passed",
        };
        write!(f, "the upload could not be read: {why}")
    }
}

/// A process that reads uploads.
pub(crate) struct Reader {
    child: Child,
    to: ChildStdin,
    from: ChildStdout,
    pub(crate) started: Instant,
    /// Uploads so far.
    pub(crate) uploads: u32,
    /// Whether it waits for the next upload.
    pub(crate) is_ready: bool,
}

impl Reader {
    /// Starts one, and waits until it is ready. The system ends it with the thread that calls this.
    pub(crate) fn start(memory_mb: u64, cpu_s: u64) -> io::Result<Self> {
        let mut child = Command::new(program()?)
            .arg0("serve")
            .arg("--read-uploads")
            .args(["--isolate-memory-mb", &memory_mb.to_string()])
            .args(["--isolate-cpu-s", &cpu_s.to_string()])
            .env_clear()
            .current_dir("/")
            // A signal for the service's group is not for it.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // The message of a panic may quote an upload.
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
        match reader.greeted() {
            Ok(()) => Ok(reader),
            Err(e) => {
                let end = reader.end();
                Err(io::Error::new(e.kind(), format!("{}: {e}", end.as_str())))
            }
        }
    }

    fn greeted(&mut self) -> io::Result<()> {
        for pipe in [self.to.as_fd(), self.from.as_fd()] {
            rustix::io::ioctl_fionbio(pipe, true)?;
            // Larger pipes are for fewer switches between the processes; it works without.
            #[cfg(target_os = "linux")]
            let _ = rustix::pipe::fcntl_setpipe_size(pipe, PIPE);
        }
        let until = Instant::now() + START;
        let is_void = || Instant::now() >= until;
        let mut from = Waiting::new(&self.from, &is_void);
        match wire::greeted(&mut from) {
            Ok(()) => {}
            Err(Broken::Pipe(e)) => return Err(e),
            Err(Broken::Frame(why)) => return Err(io::Error::other(why)),
        }
        self.is_ready = true;
        Ok(())
    }

    /// Reads an upload into a collector. The inner error is of the upload; after the outer one the
    /// reader has ended, and so it has if the upload was given up because `is_void` said so.
    pub(crate) fn read(
        &mut self,
        limits: &Limits,
        name: Option<&str>,
        bytes: &[u8],
        collector: &mut Collector<'_>,
        is_void: &dyn Fn() -> bool,
    ) -> Result<leakprint::Result<()>, End> {
        self.is_ready = false;
        self.uploads += 1;
        match self.converse(limits, name, bytes, collector, is_void) {
            Ok(result) => {
                self.is_ready = true;
                Ok(result)
            }
            Err(broken) => {
                let end = self.end();
                Err(match broken {
                    Broken::Frame(_) => End::Protocol,
                    Broken::Pipe(e) if e.kind() == io::ErrorKind::TimedOut => End::Deadline,
                    Broken::Pipe(_) => end,
                })
            }
        }
    }

    fn converse(
        &mut self,
        limits: &Limits,
        name: Option<&str>,
        bytes: &[u8],
        collector: &mut Collector<'_>,
        is_void: &dyn Fn() -> bool,
    ) -> Result<leakprint::Result<()>, Broken> {
        wire::send(&mut Waiting::new(&self.to, is_void), limits, name, bytes)?;
        let from = Waiting::new(&self.from, is_void);
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
            false => Err(Broken::Frame("bytes behind the end")),
        }
    }

    /// Whether it runs.
    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends it, and leaves no zombie.
    pub(crate) fn end(&mut self) -> End {
        self.is_ready = false;
        // It fails if the process has ended, which is as well.
        let _ = self.child.kill();
        self.child.wait().map_or(End::Signal, End::of)
    }
}

/// This program: the file that runs, even if another one has taken its place on the disk.
fn program() -> io::Result<PathBuf> {
    let own = PathBuf::from("/proc/self/exe");
    match cfg!(target_os = "linux") && own.exists() {
        true => Ok(own),
        false => std::env::current_exe(),
    }
}

/// A pipe that never waits longer than somebody waits for what comes of it.
struct Waiting<'p, P> {
    pipe: &'p P,
    is_void: &'p dyn Fn() -> bool,
}

impl<'p, P> Waiting<'p, P>
where
    P: AsFd,
{
    fn new(pipe: &'p P, is_void: &'p dyn Fn() -> bool) -> Self {
        Self { pipe, is_void }
    }

    /// Repeats what would block until it does not.
    fn retry(
        &self,
        flags: PollFlags,
        mut act: impl FnMut(BorrowedFd<'_>) -> rustix::io::Result<usize>,
    ) -> io::Result<usize> {
        let pipe = self.pipe.as_fd();
        loop {
            // Also where it never blocks: a reader could send for ever.
            if (self.is_void)() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            match act(pipe) {
                Err(rustix::io::Errno::AGAIN) => {}
                Err(rustix::io::Errno::INTR) => continue,
                other => return Ok(other?),
            }
            let timeout = Timespec {
                tv_sec: 0,
                tv_nsec: LOOK.subsec_nanos().into(),
            };
            match poll(&mut [PollFd::new(&pipe, flags)], Some(&timeout)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }
}

impl<P: AsFd> Read for Waiting<'_, P> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.retry(PollFlags::IN, |pipe| rustix::io::read(pipe, &mut *buffer))
    }
}

impl<P: AsFd> Write for Waiting<'_, P> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.retry(PollFlags::OUT, |pipe| rustix::io::write(pipe, bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
