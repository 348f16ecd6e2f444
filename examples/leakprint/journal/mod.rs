//! The journal of a resumable run: the result for each input, so that a run that was killed, or is
//! repeated, does not compute it again.
//!
//! One file: a head with the settings, then records, each with a key, the state of the input, and a
//! payload that the command defines. Records are only appended, and the last one of a key is valid.
//! Each is written in one call, so that a run that is killed loses only the record in progress; every
//! few seconds they are synced, against a power failure. Checksums cover every byte, the head and the
//! offset. A damaged record costs only its own work: a record is used only if it belongs to the current
//! state of its input.
//!
//! Memory is 24 bytes per input in a hash table; payloads stay in the file.

mod record;
mod rewrite;
mod scan;

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use leakprint::Digest;

use crate::Failure;
use crate::settings::Settings;
use record::{HEAD, Head, Seal};

pub(crate) use record::{Entry, Key, Record};

/// How long records may wait until they are synced.
const SYNC: Duration = Duration::from_secs(5);

/// The largest payload in bytes; larger ones are not stored.
pub(crate) const MAX_PAYLOAD: usize = 1 << 30;

/// A locked journal, its records not read yet.
pub(crate) struct Locked {
    path: PathBuf,
    file: File,
    /// The settings and their bytes, if there are any that this build reads.
    head: Option<(Settings, Vec<u8>)>,
    state: State,
}

/// The state of the file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// No journal.
    New,
    /// One with a head.
    Sound,
    /// One whose head is damaged or of another version.
    Unreadable,
}

/// The stored results of inputs. Shared by all threads.
pub(crate) struct Journal {
    file: Shared,
    table: HashMap<Key, u64>,
    seal: Seal,
    /// Records that were damaged when they were read.
    damaged: AtomicU64,
    /// Damaged bytes between records.
    pub(crate) lost: u64,
}

/// Appends records.
pub(crate) struct Appender {
    path: PathBuf,
    file: Shared,
    /// The same file, for syncing while others read.
    sync: File,
    synced: Instant,
    head: Vec<u8>,
    seal: Seal,
    at: u64,
    /// The offsets of the records that this run has used or written.
    live: Vec<u64>,
    live_bytes: u64,
}

/// One open file and one lock on it: where locks are mandatory, a second handle could not read.
#[derive(Clone)]
struct Shared(Arc<Mutex<File>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, File> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Locked {
    /// Opens a journal, or creates it; only its owner can read the file.
    ///
    /// # Errors
    /// If it cannot be opened, if another run uses it, or if the existing file is not a journal and must
    /// not be overwritten.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let failed = |e: io::Error| format!("{}: cannot continue: {e}", path.display());
        let other = "exists and is no journal of an earlier run: move it away";
        match fs::symlink_metadata(path) {
            Ok(metadata) if !metadata.is_file() => {
                return Err(format!("{} {other}", path.display()).into());
            }
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(failed(e).into()),
            _ => {}
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = private(&mut options, path).map_err(failed)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                return Err(format!("{}: another run is using it", path.display()).into());
            }
            // Some network file systems have no locks; two runs at once damage the journal there.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        let mut start = Vec::new();
        (&mut file)
            .take(Settings::MAX_HEAD)
            .read_to_end(&mut start)
            .map_err(failed)?;
        let (state, head) = if start.is_empty() {
            (State::New, None)
        } else if !Settings::is_journal(&start) {
            return Err(format!("{} {other}", path.display()).into());
        } else {
            match Settings::read_head(&start) {
                Some((settings, head)) => (State::Sound, Some((settings, head.to_vec()))),
                None => (State::Unreadable, None),
            }
        };
        Ok(Self {
            path: path.to_owned(),
            file,
            head,
            state,
        })
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    pub(crate) fn settings(&self) -> Option<&Settings> {
        self.head.as_ref().map(|(settings, ..)| settings)
    }

    /// Continues a journal with the same settings, or begins a new one.
    pub(crate) fn begin(self, settings: &Settings) -> Result<(Journal, Appender), Failure> {
        let path = self.path;
        let failed = |e: io::Error| format!("{}: cannot continue: {e}", path.display());
        let mut file = self.file;
        let (head, scan) = match self.head {
            Some((known, head)) if known == *settings => {
                let len = file.metadata().map_err(failed)?.len();
                let scan = scan::scan(&file, head.len() as u64, len, &Seal::of(&head));
                (head, scan.map_err(failed)?)
            }
            _ => {
                let head = settings.head()?;
                file.set_len(0).map_err(failed)?;
                file.seek(SeekFrom::Start(0)).map_err(failed)?;
                file.write_all(&head).map_err(failed)?;
                let scan = scan::Scan::empty(head.len() as u64);
                (head, scan)
            }
        };
        // Cuts off an incomplete record of an earlier run.
        file.set_len(scan.end).map_err(failed)?;
        file.sync_data().map_err(failed)?;
        let seal = Seal::of(&head);
        let sync = file.try_clone().map_err(failed)?;
        let file = Shared(Arc::new(Mutex::new(file)));
        let journal = Journal {
            file: file.clone(),
            table: scan.table,
            seal: seal.clone(),
            damaged: AtomicU64::new(0),
            lost: scan.lost,
        };
        let appender = Appender {
            path,
            file,
            sync,
            synced: Instant::now(),
            head,
            seal,
            at: scan.end,
            live: Vec::new(),
            live_bytes: 0,
        };
        Ok((journal, appender))
    }
}

impl Journal {
    /// The key of a file by its name.
    pub(crate) fn key_of_file(&self, name: &str) -> Key {
        self.seal.key(b"file", name.as_bytes())
    }

    /// The key of a line by its digest: a line is identified by its content.
    pub(crate) fn key_of_line(&self, digest: &Digest) -> Key {
        self.seal.key(b"line", &digest.0)
    }

    /// Returns the stored result of an input; `None` if it is damaged.
    pub(crate) fn find(&self, key: &Key) -> Option<Entry> {
        let at = *self.table.get(key)?;
        let entry = self.read(at).filter(|entry| entry.key == *key);
        if entry.is_none() {
            self.damaged.fetch_add(1, Ordering::Relaxed);
        }
        entry
    }

    /// Returns the number of records that were damaged when they were read.
    pub(crate) fn damaged(&self) -> u64 {
        self.damaged.load(Ordering::Relaxed)
    }

    fn read(&self, at: u64) -> Option<Entry> {
        let (head, payload) = {
            let mut file = self.file.lock();
            file.seek(SeekFrom::Start(at)).ok()?;
            let mut head = [0; HEAD];
            file.read_exact(&mut head).ok()?;
            let head = Head::parse(&head, &self.seal, at)?;
            // Grows with the bytes in the file, whatever length the head claims.
            let mut payload = Vec::new();
            let len = u64::from(head.len);
            (&mut *file).take(len).read_to_end(&mut payload).ok()?;
            (head, payload)
        };
        head.entry(at, payload)
    }
}

impl Appender {
    /// Appends a record.
    pub(crate) fn append(&mut self, record: &Record) -> Result<(), Failure> {
        let bytes = record.to_bytes(&self.seal, self.at);
        let failed = |e: io::Error| format!("{}: cannot write: {e}", self.path.display());
        {
            let mut file = self.file.lock();
            file.seek(SeekFrom::Start(self.at)).map_err(failed)?;
            file.write_all(&bytes).map_err(failed)?;
        }
        if self.synced.elapsed() >= SYNC {
            self.sync.sync_data().map_err(failed)?;
            self.synced = Instant::now();
        }
        self.live.push(self.at);
        self.live_bytes += bytes.len() as u64;
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// Notes that a record was used unchanged.
    pub(crate) fn used(&mut self, at: u64, bytes: u64) {
        self.live.push(at);
        self.live_bytes += bytes;
    }
}

/// Opens a file that only its owner can read; changes the mode of an existing file.
fn private(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
        let file = options.mode(0o600).open(path)?;
        if file.metadata()?.permissions().mode() & 0o077 != 0 {
            file.set_permissions(fs::Permissions::from_mode(0o600))?;
        }
        Ok(file)
    }
    #[cfg(not(unix))]
    options.open(path)
}
