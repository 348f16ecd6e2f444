//! Many readers and a writer with its merging thread, against a plain map.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::*;
use crate::collection::simulator::Random;

/// What was acknowledged at every generation, so that a snapshot can be compared with its own.
type History = std::sync::RwLock<BTreeMap<u64, BTreeMap<String, String>>>;

#[test]
fn every_snapshot_is_what_was_acknowledged_at_its_generation() {
    let folder = tempfile::tempdir().unwrap();
    let options = WriterOptions {
        background: true,
        head_bytes: 20_000,
        max_segments: 3,
        ..options()
    };
    let open = CollectionWriter::open(folder.path().join("c"), options).unwrap();
    let texts: Vec<Fingerprint> = (0..8).map(|i| sample::text(&format!("t{i}"), 20)).collect();
    let history: History = std::sync::RwLock::new(BTreeMap::from([(0, BTreeMap::new())]));
    let done = AtomicBool::new(false);
    let checked = AtomicU64::new(0);
    // Merging makes generations of its own, with the content of the one before.
    let at = |generation: u64| {
        let history = history.read().unwrap();
        history
            .range(..=generation)
            .next_back()
            .map(|(_, model)| model.clone())
    };
    let after = |generation: u64| {
        let history = history.read().unwrap();
        history
            .range(generation..)
            .next()
            .map(|(_, model)| model.clone())
    };
    let path = folder.path().join("c");
    let follower = Collection::open_with_key(&path, sample::key()).unwrap();
    std::thread::scope(|scope| {
        // Two threads that refresh the writer's handle, and two that share one that follows the disk.
        for seed in 0..4 {
            let owned = seed < 2;
            let handle = if owned { open.collection() } else { &follower };
            let (collection, done, checked) = (handle.clone(), &done, &checked);
            let (texts, at, after) = (&texts, &at, &after);
            scope.spawn(move || {
                let mut random = Random::new(seed + 50);
                let mut last = 0;
                while !done.load(Ordering::Acquire) {
                    let refreshed = collection.refresh().unwrap();
                    assert!(!(owned && refreshed), "the writer's handle read the disk");
                    let snapshot = collection.snapshot();
                    assert!(snapshot.generation() >= last, "a generation went back");
                    last = snapshot.generation();
                    let holds = contents(&snapshot);
                    let which = random.below(8) as usize;
                    let matcher = snapshot.matcher(Default::default()).unwrap();
                    let found = matcher.find(&texts[which]).unwrap();
                    let name = format!("item {which}");
                    let there = found.iter().find(|found| found.item == name);
                    assert_eq!(there.is_some(), holds.contains_key(&name));
                    if let Some(found) = there {
                        assert_eq!(
                            found.metadata.as_ref().unwrap().label.as_ref(),
                            holds.get(&name)
                        );
                    }
                    // The call that made it may not have returned to whoever writes the history.
                    let generation = snapshot.generation();
                    let before = at(generation);
                    let fits = before.as_ref() == Some(&holds)
                        || loop {
                            if let Some(model) = after(generation) {
                                break model == holds || at(generation).as_ref() == Some(&holds);
                            }
                            if done.load(Ordering::Acquire) {
                                break at(generation).as_ref() == Some(&holds);
                            }
                            std::thread::yield_now();
                        };
                    assert!(fits, "generation {generation}: {holds:?}, {before:?}");
                    checked.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        scope.spawn(|| {
            for merge in 0.. {
                if done.load(Ordering::Acquire) {
                    break;
                }
                let merged = if merge % 3 == 2 {
                    open.compact()
                } else {
                    open.flush()
                };
                merged.unwrap();
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        });
        let mut random = Random::new(9);
        let mut model = BTreeMap::new();
        for step in 0..1500_u32 {
            let label = step.to_string();
            let which = random.below(8) as usize;
            let generation = match random.below(5) {
                0 | 1 => {
                    let item = item(&format!("item {which}"), &texts[which], &label);
                    model.insert(item.name.clone(), label);
                    open.add(item).unwrap().1
                }
                2 => {
                    let item = code_item(random.below(40), &label);
                    model.insert(name_of(&item), label);
                    open.add(item).unwrap().1
                }
                3 => {
                    let name = format!("item {which}");
                    let (there, generation) = open.remove(&[&name]).unwrap();
                    assert_eq!(there, [model.remove(&name).is_some()]);
                    generation
                }
                _ => {
                    let name = name_of(&code_item(random.below(40), ""));
                    let (there, generation) = open.remove(&[&name]).unwrap();
                    assert_eq!(there, [model.remove(&name).is_some()]);
                    generation
                }
            };
            history.write().unwrap().insert(generation, model.clone());
        }
        done.store(true, Ordering::Release);
        assert_eq!(contents(&open.collection().snapshot()), model);
    });
    assert!(checked.into_inner() > 100);
    let segments = open.collection().snapshot().info().segments;
    assert!(
        segments.iter().any(|segment| !segment.head),
        "nothing was merged: {segments:?}"
    );
    assert_eq!(open.merge_status().failure, None);
    drop(open);
    let history = history.into_inner().unwrap();
    let last = history.last_key_value().unwrap().1;
    let again = Collection::open_with_key(folder.path().join("c"), sample::key()).unwrap();
    assert_eq!(&contents(&again.snapshot()), last);
}
