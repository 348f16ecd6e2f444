//! A new index without downtime: `cargo run --example reload`
//!
//! Each query clones the current matcher, which is cheap. A reload opens and checks the new index first, then
//! replaces the current matcher. No query waits, and each is answered by one index. An open file must be
//! replaced by another, never overwritten: `IndexWriter::save` does so. (A `Collection` needs no new file:
//! after `refresh` its next snapshot has the changes. A matcher of an earlier snapshot does not, so replace it
//! in the same way.)

#![allow(clippy::print_stdout, reason = "a program for people")]

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};
use std::{fs, thread};

use leakprint::{
    Executor, Fingerprinter, Index, IndexWriter, Key, MatchOptions, Matcher, Result, Source,
};

const MEMO: &str = "The winter slate moves by six weeks, and Lighthouse opens in fourteen territories with no \
    press screening before the Wednesday, even though it tested at seventy-one.";

/// The matcher of a service, which may be replaced at any time.
struct Current(RwLock<Matcher>);

impl Current {
    fn get(&self) -> Matcher {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// On an error, such as a damaged file, the old index stays in use.
    fn reload(&self, path: &Path, key: &Key) -> Result<()> {
        let source = Source::open_with_key(path, key.clone())?;
        source.verify(&Executor::serial())?;
        let new = source.matcher(MatchOptions::default())?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("leak.lpx");
    let fingerprinter = Fingerprinter::builder().key(Key::random()?).build()?;
    let key = fingerprinter.key();
    let mut owner = IndexWriter::from(&fingerprinter);
    owner.add(
        "other.txt",
        &fingerprinter.fingerprint_text("something else")?,
    )?;
    owner.save(&path, &Executor::serial())?;
    let current = Current(RwLock::new(Matcher::with_key(
        Index::open(&path)?,
        key.clone(),
    )?));
    let show = |when: &str| -> Result<()> {
        let matcher = current.get();
        let items: u32 = matcher.indexes().map(Index::item_count).sum();
        let found = matcher.find_text(MEMO)?.len();
        println!("{when}: items: {items}, matches of the memo: {found}");
        Ok(())
    };

    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        // Uploads continue during the reload.
        let uploads = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                current.get().find_text(MEMO)?;
            }
            Ok::<_, leakprint::Error>(())
        });
        let mut steps = || -> Result<(), Box<dyn std::error::Error>> {
            show("before")?;
            owner.add("memo.txt", &fingerprinter.fingerprint_text(MEMO)?)?;
            owner.save(&path, &Executor::serial())?;
            current.reload(&path, key)?;
            show("reloaded")?;
            let damaged = folder.path().join("damaged.lpx");
            fs::write(&damaged, "damaged on the way")?;
            if let Err(error) = current.reload(&damaged, key) {
                println!("refused: {}", error.message());
            }
            show("still in use").map_err(Into::into)
        };
        let done = steps();
        stop.store(true, Ordering::Relaxed);
        let answered = uploads.join().map_err(|_| "a thread panicked")?;
        println!("every upload was answered: {}", answered.is_ok());
        done
    })
}
