//! Threads that refresh, read, list and merge while a writer adds and removes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::*;
use crate::collection::simulator::Random;

/// How many items are added; `LEAKPRINT_RACE_ADDS` sets it.
fn adds() -> u64 {
    let given = std::env::var("LEAKPRINT_RACE_ADDS").ok();
    given.and_then(|n| n.parse().ok()).unwrap_or(300)
}

fn open_writer(path: &Path) -> CollectionWriter {
    let options = WriterOptions {
        background: true,
        head_bytes: 10_000,
        max_segments: 3,
        ..options()
    };
    CollectionWriter::open(path, options).unwrap()
}

/// Takes snapshots: their generations never go back, and nothing that was acknowledged before one
/// was taken is missing.
struct Watch<'a> {
    collection: Collection,
    /// Items that are there in every snapshot from now on.
    acknowledged: &'a AtomicU64,
    generation: u64,
}

impl<'a> Watch<'a> {
    fn new(collection: &Collection, acknowledged: &'a AtomicU64) -> Self {
        Self {
            collection: collection.clone(),
            acknowledged,
            generation: 0,
        }
    }

    fn snapshot(&mut self) -> Snapshot {
        let acknowledged = self.acknowledged.load(Ordering::Acquire);
        let snapshot = self.collection.snapshot();
        let generation = snapshot.generation();
        assert!(
            generation >= self.generation,
            "generation {generation} after {}",
            self.generation
        );
        self.generation = generation;
        assert!(
            snapshot.len() >= acknowledged,
            "{} of {acknowledged} items that were acknowledged",
            snapshot.len()
        );
        snapshot
    }
}

#[test]
fn nothing_acknowledged_is_lost_while_threads_refresh_read_list_and_merge() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c");
    let texts: Vec<Fingerprint> = (0..4).map(|i| sample::text(&format!("t{i}"), 20)).collect();
    let adds = adds();
    let mut model = BTreeMap::new();
    let mut random = Random::new(adds);
    let merges = AtomicU64::new(0);
    for phase in 0..3 {
        let open = open_writer(&path);
        assert_eq!(contents(&open.collection().snapshot()), model);
        let follower = Collection::open_with_key(&path, sample::key()).unwrap();
        assert_eq!(contents(&follower.snapshot()), model);
        // Codes are added and never removed; texts come and go.
        let codes = |model: &BTreeMap<String, String>| {
            model.keys().filter(|name| name.starts_with("pdq:")).count() as u64
        };
        let acknowledged = AtomicU64::new(codes(&model));
        let none = AtomicU64::new(0);
        let done = AtomicBool::new(false);
        let going_on = || !done.load(Ordering::Acquire);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut watch = Watch::new(open.collection(), &acknowledged);
                    while going_on() {
                        // The writer of this handle is in this process: there is nothing to read.
                        assert!(!watch.collection.refresh().unwrap());
                        watch.snapshot();
                    }
                });
            }
            // Several threads that refresh one handle.
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut watch = Watch::new(&follower, &none);
                    while going_on() {
                        let acknowledged = acknowledged.load(Ordering::Acquire);
                        watch.collection.refresh().unwrap();
                        assert!(watch.snapshot().len() >= acknowledged);
                        std::thread::yield_now();
                    }
                });
            }
            scope.spawn(|| {
                let mut watch = Watch::new(open.collection(), &acknowledged);
                while going_on() {
                    let snapshot = watch.snapshot();
                    assert_eq!(contents(&snapshot).len() as u64, snapshot.len());
                    let found = snapshot.matcher(Default::default()).unwrap();
                    found.find(&texts[1]).unwrap();
                    std::thread::sleep(std::time::Duration::from_millis(2));
                }
            });
            scope.spawn(|| {
                let mut watch = Watch::new(open.collection(), &acknowledged);
                for merge in 0.. {
                    if !going_on() {
                        break;
                    }
                    let generation = match merge % 4 {
                        3 => open.compact().unwrap(),
                        _ => open.flush().unwrap(),
                    };
                    assert!(watch.snapshot().generation() >= generation);
                    merges.fetch_add(1, Ordering::Relaxed);
                    std::thread::sleep(std::time::Duration::from_millis(3));
                }
            });
            for n in 0..adds / 3 {
                let label = format!("{phase}.{n}");
                let which = random.below(4) as usize;
                let name = format!("text {which}");
                let item = match random.below(6) {
                    0 => item(&name, &texts[which], &label),
                    1 => {
                        let (there, _) = open.remove(&[&name]).unwrap();
                        assert_eq!(there, [model.remove(&name).is_some()]);
                        code_item(phase * adds + n, &label)
                    }
                    _ => code_item(phase * adds + n, &label),
                };
                model.insert(name_of(&item), label);
                open.add(item).unwrap();
                acknowledged.store(codes(&model), Ordering::Release);
            }
            done.store(true, Ordering::Release);
        });
        assert_eq!(contents(&open.collection().snapshot()), model);
        follower.refresh().unwrap();
        assert_eq!(contents(&follower.snapshot()), model);
        // Once more without a merge, and once with one.
        if phase == 1 {
            open.compact().unwrap();
        }
    }
    let again = Collection::open_with_key(&path, sample::key()).unwrap();
    assert_eq!(contents(&again.snapshot()), model);
    assert!(merges.into_inner() > 3);
}
