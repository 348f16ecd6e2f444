//! A disk in memory that loses unsynced data, for tests.
//!
//! When the power is cut, every write since the last sync of its file may be there, missing, or
//! torn at sectors of 512 bytes, with zeros or old bytes in between, later ones without earlier ones; every
//! creation, rename and removal since the last sync of the folder may have happened or not,
//! likewise. The file system is less cruel than this.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use super::limits::FileLimits;
use super::storage::{Claim, Storage, StorageFile};
use crate::error::{Error, ErrorKind, Result};
use crate::index::Bytes;

const SECTOR: usize = 512;

/// A small generator of pseudo-random numbers (xorshift64*, Vigna 2016).
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub(super) fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 11) % n.max(1)
    }

    fn chance(&mut self, one_in: u64) -> bool {
        self.below(one_in) == 0
    }
}

#[derive(Clone, Debug)]
enum Change {
    Write(usize, Vec<u8>),
    SetLen(usize),
}

#[derive(Clone, Debug, Default)]
struct Inode {
    durable: Vec<u8>,
    live: Vec<u8>,
    pending: Vec<Change>,
}

impl Change {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Self::Write(at, bytes) => {
                let end = at + bytes.len();
                if to.len() < end {
                    to.resize(end, 0);
                }
                to[*at..end].copy_from_slice(bytes);
            }
            Self::SetLen(len) => to.resize(*len, 0),
        }
    }

    /// As a disk that lost its power does.
    fn apply_torn(&self, to: &mut Vec<u8>, random: &mut Random) {
        match (self, random.below(4)) {
            (_, 0) => {}
            (_, 1) | (Self::SetLen(_), _) => self.apply(to),
            (Self::Write(at, bytes), how) => {
                // The size may be known before the data: zeros. Or only as much as was written.
                if how == 2 && to.len() < at + bytes.len() {
                    let len = *at + random.below(bytes.len() as u64 + 1) as usize;
                    to.resize(to.len().max(len), 0);
                }
                for (i, &byte) in (*at..).zip(bytes) {
                    // One decision a sector.
                    let sector = Random::new(random.0 ^ (i / SECTOR) as u64).next() >> 7;
                    if sector & 1 == 0 && (i < to.len() || how == 3) {
                        if to.len() <= i {
                            to.resize(i + 1, 0);
                        }
                        to[i] = byte;
                    }
                }
                random.next();
            }
        }
    }
}

#[derive(Clone, Debug)]
enum NameChange {
    Link(String, usize),
    Rename(String, String),
    Remove(String),
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Link(name, inode) => {
                names.insert(name.clone(), *inode);
            }
            Self::Rename(from, to) => {
                if let Some(inode) = names.remove(from) {
                    names.insert(to.clone(), inode);
                }
            }
            Self::Remove(name) => {
                names.remove(name);
            }
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Disk {
    inodes: Vec<Inode>,
    durable: BTreeMap<String, usize>,
    live: BTreeMap<String, usize>,
    pending: Vec<NameChange>,
    operations: u64,
    /// The operation at which the power fails.
    cut_at: Option<u64>,
    /// The operation after which the disk is full.
    full_from: Option<u64>,
    /// The operation that fails, whether or not it took effect; those after it succeed again.
    fails_at: Option<u64>,
}

impl Disk {
    /// Counts an operation; true if it is to be done.
    fn step(&mut self) -> io::Result<()> {
        self.operations += 1;
        match self.cut_at {
            Some(cut) if self.operations > cut => Err(io::Error::other("the power is off")),
            _ if self.fails_at == Some(self.operations) => Err(io::Error::other("it failed once")),
            _ => Ok(()),
        }
    }

    fn room(&self) -> io::Result<()> {
        match self.full_from {
            Some(from) if self.operations > from => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }

    fn inode(&self, name: &str) -> io::Result<usize> {
        let inode = self.live.get(name).copied();
        inode.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn change_name(&mut self, change: NameChange) {
        change.apply(&mut self.live);
        self.pending.push(change);
    }

    fn change(&mut self, inode: usize, change: Change) {
        let inode = &mut self.inodes[inode];
        change.apply(&mut inode.live);
        inode.pending.push(change);
    }
}

/// The disk. Clones are the same disk.
#[derive(Clone, Debug)]
pub(super) struct Simulator {
    disk: Arc<Mutex<Disk>>,
    claimed: Arc<AtomicBool>,
    seed: u64,
    limits: FileLimits,
}

impl Simulator {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            disk: Arc::default(),
            claimed: Arc::default(),
            seed,
            limits: FileLimits::DEFAULT,
        }
    }

    pub(super) fn with_limits(mut self, limits: FileLimits) -> Self {
        self.limits = limits;
        self
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap()
    }

    /// Operations so far.
    pub(super) fn operations(&self) -> u64 {
        self.disk().operations
    }

    /// Everything from this operation on fails, and it is unknown whether that one was done.
    pub(super) fn cut_at(&self, operation: u64) {
        self.disk().cut_at = Some(operation);
    }

    /// This operation fails, and it is unknown whether it was done; all others go well.
    pub(super) fn fails_at(&self, operation: u64) {
        self.disk().fails_at = Some(operation);
    }

    pub(super) fn full_from(&self, operation: Option<u64>) {
        self.disk().full_from = operation;
    }

    /// What is found when the power is back.
    pub(super) fn after_the_cut(&self) -> Self {
        let mut random = Random::new(self.seed ^ 0xC0FF_EE00);
        let old = self.disk().clone();
        let mut names = old.durable.clone();
        for change in &old.pending {
            if !random.chance(2) {
                change.apply(&mut names);
            }
        }
        let mut disk = Disk::default();
        let mut moved = BTreeMap::new();
        for (name, inode) in names {
            let number = *moved.entry(inode).or_insert_with(|| {
                let old = &old.inodes[inode];
                let mut content = old.durable.clone();
                for change in &old.pending {
                    change.apply_torn(&mut content, &mut random);
                }
                disk.inodes.push(Inode {
                    durable: content.clone(),
                    live: content,
                    pending: Vec::new(),
                });
                disk.inodes.len() - 1
            });
            disk.live.insert(name, number);
        }
        disk.durable = disk.live.clone();
        Self {
            disk: Arc::new(Mutex::new(disk)),
            claimed: Arc::default(),
            seed: random.next(),
            limits: self.limits,
        }
    }

    pub(super) fn content(&self, name: &str) -> Vec<u8> {
        let disk = self.disk();
        disk.inodes[disk.inode(name).unwrap()].live.clone()
    }

    /// Puts a durable file there.
    pub(super) fn put(&self, name: &str, bytes: &[u8]) {
        let mut disk = self.disk();
        disk.inodes.push(Inode {
            durable: bytes.to_vec(),
            live: bytes.to_vec(),
            pending: Vec::new(),
        });
        let inode = disk.inodes.len() - 1;
        disk.live.insert(name.to_owned(), inode);
        disk.durable.insert(name.to_owned(), inode);
    }
}

#[derive(Debug)]
struct Held(Arc<AtomicBool>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

impl Claim for Held {}

impl Storage for Simulator {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.disk().live.keys().cloned().collect())
    }

    fn len(&self, name: &str) -> io::Result<u64> {
        let disk = self.disk();
        Ok(disk.inodes[disk.inode(name)?].live.len() as u64)
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        let disk = self.disk();
        Ok(Box::new(Cursor::new(
            disk.inodes[disk.inode(name)?].live.clone(),
        )))
    }

    fn read_at(&self, name: &str, at: u64, len: usize) -> io::Result<Vec<u8>> {
        let content = self.disk();
        let content = &content.inodes[content.inode(name)?].live;
        let rest = content.get(at as usize..).unwrap_or_default();
        Ok(rest[..len.min(rest.len())].to_vec())
    }

    fn limits(&self) -> FileLimits {
        self.limits
    }

    fn map(&self, name: &str) -> Result<Bytes> {
        let disk = self.disk();
        let inode = disk
            .inode(name)
            .map_err(|e| Error::io("cannot open", e).with_path(name))?;
        Ok(Bytes::copy_of(&disk.inodes[inode].live))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn StorageFile>> {
        let mut disk = self.disk();
        disk.step()?;
        disk.room()?;
        // An existing file of that name keeps its durable content.
        let inode = match disk.inode(name) {
            Ok(inode) => {
                disk.change(inode, Change::SetLen(0));
                inode
            }
            Err(_) => {
                disk.inodes.push(Inode::default());
                let inode = disk.inodes.len() - 1;
                disk.change_name(NameChange::Link(name.to_owned(), inode));
                inode
            }
        };
        Ok(Box::new(OpenFile {
            disk: Arc::clone(&self.disk),
            inode,
            at: 0,
        }))
    }

    fn edit(&self, name: &str) -> io::Result<Box<dyn StorageFile>> {
        let inode = self.disk().inode(name)?;
        Ok(Box::new(OpenFile {
            disk: Arc::clone(&self.disk),
            inode,
            at: 0,
        }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut disk = self.disk();
        disk.inode(from)?;
        let step = disk.step();
        disk.change_name(NameChange::Rename(from.to_owned(), to.to_owned()));
        step
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut disk = self.disk();
        disk.inode(name)?;
        disk.step()?;
        disk.change_name(NameChange::Remove(name.to_owned()));
        Ok(())
    }

    fn sync_folder(&self) -> io::Result<()> {
        let mut disk = self.disk();
        disk.step()?;
        disk.durable = disk.live.clone();
        disk.pending.clear();
        Ok(())
    }

    fn lock(&self) -> Result<Box<dyn Claim>> {
        if self.claimed.swap(true, Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Locked, "there is a writer"));
        }
        Ok(Box::new(Held(Arc::clone(&self.claimed))))
    }
}

#[derive(Debug)]
struct OpenFile {
    disk: Arc<Mutex<Disk>>,
    inode: usize,
    at: usize,
}

impl Write for OpenFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut disk = self.disk.lock().unwrap();
        let off = disk.cut_at.is_some_and(|cut| disk.operations > cut);
        let step = disk.step();
        if !off {
            disk.room()?;
            // The one at which the power goes is under way.
            disk.change(self.inode, Change::Write(self.at, bytes.to_vec()));
        }
        step?;
        self.at += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for OpenFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = match to {
            SeekFrom::Start(at) => at as usize,
            SeekFrom::Current(by) => (self.at as i64 + by) as usize,
            SeekFrom::End(by) => {
                let len = self.disk.lock().unwrap().inodes[self.inode].live.len();
                (len as i64 + by) as usize
            }
        };
        Ok(self.at as u64)
    }
}

impl StorageFile for OpenFile {
    fn sync(&mut self) -> io::Result<()> {
        let mut disk = self.disk.lock().unwrap();
        disk.step()?;
        let inode = &mut disk.inodes[self.inode];
        inode.durable = inode.live.clone();
        inode.pending.clear();
        Ok(())
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        let mut disk = self.disk.lock().unwrap();
        disk.step()?;
        disk.change(self.inode, Change::SetLen(len as usize));
        Ok(())
    }
}
