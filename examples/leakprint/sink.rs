//! Where lines go: standard output, or a file that is replaced. An interrupt loses none of them.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::interrupt::flush_at_end;

/// Buffered lines.
pub(crate) struct Sink(Arc<Mutex<BufWriter<Place>>>);

enum Place {
    Output(io::Stdout),
    /// A file that is truncated at the first write, so that an earlier failure leaves its content.
    Later(PathBuf),
    File(File),
}

impl Sink {
    pub(crate) fn output() -> Self {
        Self::of(Place::Output(io::stdout()))
    }

    pub(crate) fn file(path: &Path) -> Self {
        Self::of(Place::Later(path.to_owned()))
    }

    fn of(place: Place) -> Self {
        let shared = Arc::new(Mutex::new(BufWriter::new(place)));
        flush_at_end(&shared);
        Self(shared)
    }

    fn lock(&self) -> MutexGuard<'_, BufWriter<Place>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the rest of the buffer, and creates the file even if there is nothing to write.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        self.lock().get_mut().open()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lock().write(bytes)
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        // Under one lock: an interrupt never leaves half a line.
        self.lock().write_all(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.lock().flush()
    }
}

impl Place {
    /// Opens the file if it is not open yet.
    fn open(&mut self) -> io::Result<()> {
        if let Self::Later(path) = self {
            *self = Self::File(File::create(path)?);
        }
        Ok(())
    }
}

impl Write for Place {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.open()?;
        match self {
            Self::Output(out) => out.write(bytes),
            Self::File(file) => file.write(bytes),
            Self::Later(_) => Ok(0),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Output(out) => out.flush(),
            Self::File(file) => file.flush(),
            Self::Later(_) => Ok(()),
        }
    }
}
