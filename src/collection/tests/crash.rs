//! The power is cut at any operation on the disk.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::calibration::{Calibration, PerKind, Tail};
use crate::collection::simulator::Random;
use crate::collection::verify::verify_on;
use crate::collection::{CodeItem, Discount, FalseMatch, FalseScope};
use crate::error::ErrorKind;
use crate::exec::Executor;
use crate::media::PartPath;

/// What should be there.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    items: BTreeMap<String, String>,
    false_items: BTreeMap<String, String>,
    discounts: BTreeMap<String, String>,
    /// The uploads of the sample of the calibration.
    calibrated: Option<u64>,
}

impl Model {
    fn of(snapshot: &Snapshot) -> Self {
        Self {
            items: contents(snapshot),
            false_items: snapshot
                .false_matches()
                .map(|mark| (mark.item, mark.why))
                .collect(),
            discounts: snapshot
                .discounts()
                .map(|file| file.unwrap().0)
                .map(|file| (file.item, file.metadata.label.unwrap_or_default()))
                .collect(),
            calibrated: (snapshot.info().calibrated).map(|measured| measured.tails[0].uploads),
        }
    }
}

/// Refreshes and reads a handle until the run is over; its generation never goes back.
fn keep_refreshing(collection: &Collection, over: &AtomicBool) {
    let mut last = 0;
    while !over.load(Ordering::Acquire) {
        // With the power off there may be nothing that can be read.
        let _ = collection.refresh();
        let snapshot = collection.snapshot();
        assert!(snapshot.generation() >= last, "a generation went back");
        last = snapshot.generation();
        assert_eq!(snapshot.items().count() as u64, snapshot.len());
        std::thread::sleep(std::time::Duration::from_micros(100));
    }
}

/// Ends the threads that refresh, also when the run ends early.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// [`run`], while threads of the same process refresh and read: the writer's handle, and one of their
/// own.
fn run_with_readers(disk: &Simulator, seed: u64, prints: &[Fingerprint]) -> (Model, Model) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _over = Over(&over);
        run(disk, seed, prints, |writer| {
            let handle = writer.collection().clone();
            scope.spawn(|| {
                let handle = handle;
                keep_refreshing(&handle, &over);
            });
            if let Ok(follower) = reader(disk) {
                scope.spawn(|| {
                    let follower = follower;
                    keep_refreshing(&follower, &over);
                });
            }
        })
    })
}

/// A calibration that can be told from others by the uploads of its sample.
fn calibration(uploads: u64) -> Calibration {
    let mut tails: PerKind<Tail> = Calibration::built_in().tails().try_into().unwrap();
    tails[0].uploads = uploads;
    Calibration::measured(tails)
}

/// A run of random operations; `opened` is called with every writer. Gives what was acknowledged, and what would be there if the call
/// that failed had succeeded.
fn run(
    disk: &Simulator,
    seed: u64,
    prints: &[Fingerprint],
    opened: impl Fn(&CollectionWriter),
) -> (Model, Model) {
    let mut random = Random::new(seed);
    let mut model = Model::default();
    let Ok(mut open) = writer(disk) else {
        return (model.clone(), model);
    };
    opened(&open);
    for step in 0..14 {
        let mut next = model.clone();
        let label = format!("{seed}.{step}");
        let result = match random.below(20) {
            0..=6 => {
                let items: Vec<NewItem> = (0..1 + random.below(3))
                    .map(|_| match random.below(3) {
                        0 => {
                            let which = random.below(prints.len() as u64) as usize;
                            item(&format!("item {which}"), &prints[which], &label)
                        }
                        _ => code_item(random.below(6), &label),
                    })
                    .collect();
                for item in &items {
                    next.items.insert(name_of(item), label.clone());
                }
                open.add_batch(&items).map(drop)
            }
            7..=9 => {
                let names: Vec<String> = (0..1 + random.below(2))
                    .map(|_| match random.below(2) {
                        0 => format!("item {}", random.below(prints.len() as u64)),
                        _ => name_of(&code_item(random.below(6), "")),
                    })
                    .collect();
                let there: Vec<bool> = names
                    .iter()
                    .map(|n| next.items.remove(n).is_some())
                    .collect();
                open.remove(&names)
                    .map(|(found, _)| assert_eq!(found, there))
            }
            10 => {
                let name = format!("item {}", random.below(3));
                next.false_items.insert(name.clone(), label.clone());
                let mark = FalseMatch {
                    item: name,
                    scope: FalseScope::ItemPart(PartPath::root()),
                    by: "reviewer".to_owned(),
                    at: Timestamp(0),
                    why: label,
                };
                open.mark_false(&[mark]).map(drop)
            }
            11 => open.flush().map(drop),
            16 | 17 => {
                let which = random.below(prints.len() as u64) as usize;
                let name = format!("file {}", random.below(2));
                next.discounts.insert(name.clone(), label.clone());
                let metadata = Metadata::added(Timestamp(0)).with_label(&label);
                let file = NewItem::discount(Discount::Ignore, name, prints[which].clone());
                open.add(file.with_metadata(metadata)).map(drop)
            }
            18 => {
                let names = ["file 0", "file 1"];
                let there = names.map(|name| next.discounts.remove(name).is_some());
                open.remove_discounts(Discount::Ignore, &names)
                    .map(|(found, _)| assert_eq!(found, there))
            }
            19 => {
                next.calibrated = match random.below(4) {
                    0 => None,
                    _ => Some(1_000_000 + step),
                };
                let calibration = next.calibrated.map(calibration);
                open.set_calibration(calibration).map(drop)
            }
            12 => {
                let list: Vec<CodeItem> = (0..2)
                    .map(|_| {
                        let item = code_item(random.below(6), &label);
                        next.items.insert(name_of(&item), label.clone());
                        let Content::Code { code, quality, .. } = item.content else {
                            unreachable!("a code item")
                        };
                        CodeItem::new(code, quality, item.metadata)
                    })
                    .collect();
                open.import_many_of(Pipeline::Full, list).map(drop)
            }
            13 => {
                drop(open);
                match writer(disk) {
                    Ok(again) => {
                        opened(&again);
                        open = again;
                    }
                    Err(_) => return (model.clone(), model),
                }
                Ok(())
            }
            _ => open.compact().map(drop),
        };
        match result {
            Ok(()) => {
                model = next;
                assert_eq!(
                    Model::of(&open.collection().snapshot()),
                    model,
                    "seed {seed}"
                );
            }
            Err(_) => return (model, next),
        }
    }
    (model.clone(), model)
}

/// `LEAKPRINT_CUTS` sets how many; ten thousand take some minutes.
#[test]
fn whatever_was_acknowledged_survives_a_cut_and_nothing_else() {
    let cuts: u64 = std::env::var("LEAKPRINT_CUTS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(360);
    let prints: Vec<Fingerprint> = (0..3).map(|i| sample::text(&format!("t{i}"), 14)).collect();
    let each = 12;
    let mut in_flight_survived = 0;
    for seed in 0..cuts.div_ceil(each) {
        let disk = Simulator::new(seed);
        let (model, _) = run_with_readers(&disk, seed, &prints);
        let whole = Model::of(&reader(&disk).unwrap().snapshot());
        assert_eq!(whole, model);
        let operations = disk.operations();
        for cut in 0..each {
            let at =
                (cut * operations / each) + Random::new(seed ^ cut).below(operations / each + 1);
            let disk = Simulator::new(seed * 1000 + cut);
            disk.cut_at(at);
            let (acknowledged, or) = run_with_readers(&disk, seed, &prints);
            let mut found = disk.after_the_cut();
            // Again, while it recovers.
            if cut % 3 == 0 {
                found.cut_at(1 + Random::new(at).below(6));
                let _ = writer(&found);
                found = found.after_the_cut();
            }
            let name = format!("seed {seed}, cut at {at} of {operations}");
            let open = match writer(&found) {
                Ok(open) => open,
                Err(e) => panic!("{name}: {e}"),
            };
            let holds = Model::of(&open.collection().snapshot());
            assert!(
                holds == acknowledged || holds == or,
                "{name}: {holds:?} not {acknowledged:?}"
            );
            in_flight_survived += u64::from(holds != acknowledged);
            let report = verify_on(&found, &Executor::serial()).unwrap();
            assert_eq!(report.damage, Vec::<String>::new(), "{name}");
            assert_eq!(report.unfinished_bytes, 0, "{name}");
            // And it can be used on.
            open.add(code_item(99, "later")).unwrap();
            open.compact().unwrap();
            drop(open);
            let after = Model::of(&reader(&found).unwrap().snapshot());
            assert_eq!(after.items.len(), holds.items.len() + 1, "{name}");
        }
    }
    assert!(
        in_flight_survived > 0,
        "the simulator never let a call in flight survive"
    );
}

/// An operation on the disk fails once, done or not, and all later ones go well.
#[test]
fn what_fails_once_changes_nothing_and_is_not_found_later() {
    let prints = [sample::text("a", 14)];
    // The operations of a run without a failure.
    let count = {
        let disk = Simulator::new(1);
        let open = writer(&disk).unwrap();
        let before = disk.operations();
        steps(&open, &prints, &mut BTreeMap::new());
        disk.operations() - before
    };
    let mut failures = 0;
    // Neighbours are writes of one file and the like: every third one, and all kinds.
    for fails in (1..=count).step_by(3) {
        let disk = Simulator::new(fails);
        let open = writer(&disk).unwrap();
        let follower = reader(&disk).unwrap();
        disk.fails_at(disk.operations() + fails);
        let mut model = BTreeMap::new();
        failures += steps(&open, &prints, &mut model);
        assert_eq!(contents(&open.collection().snapshot()), model, "{fails}");
        follower.refresh().unwrap();
        assert_eq!(contents(&follower.snapshot()), model, "{fails}");
        // Nothing was left in doubt, so everything can go on.
        open.add(code_item(90, "more")).unwrap();
        open.compact().unwrap();
        assert_eq!(open.merge_status().failure, None, "{fails}");
        model.insert(name_of(&code_item(90, "")), "more".to_owned());
        follower.refresh().unwrap();
        assert_eq!(contents(&follower.snapshot()), model, "{fails}");
        drop(open);
        let again = writer(&disk).unwrap();
        assert_eq!(contents(&again.collection().snapshot()), model, "{fails}");
        let report = verify_on(&disk, &Executor::serial()).unwrap();
        assert_eq!(report.damage, Vec::<String>::new(), "{fails}");
    }
    assert!(failures > count / 9, "{failures} of {count}");
}

/// Adds, removes, merges and imports; returns how many calls failed.
fn steps(
    open: &CollectionWriter,
    prints: &[Fingerprint],
    model: &mut BTreeMap<String, String>,
) -> u64 {
    let mut failures = 0;
    for step in 0..8 {
        let label = step.to_string();
        let new = match step {
            0 | 5 => item("memo", &prints[0], &label),
            _ => code_item(step, &label),
        };
        match step {
            2 | 6 => failures += u64::from(open.flush().is_err()),
            4 => failures += u64::from(open.compact().is_err()),
            7 => {
                let name = name_of(&code_item(1, ""));
                match open.remove(&[&name]) {
                    Ok(_) => drop(model.remove(&name)),
                    Err(_) => failures += 1,
                }
            }
            3 => {
                let Content::Code { code, quality, .. } = new.content else {
                    unreachable!("a code item")
                };
                let list = vec![CodeItem::new(code, quality, new.metadata.clone())];
                match open.import_many_of(Pipeline::Full, list) {
                    Ok(_) => drop(model.insert(name_of(&code_item(step, "")), label)),
                    Err(_) => failures += 1,
                }
            }
            _ => match open.add(new.clone()) {
                Ok(_) => drop(model.insert(name_of(&new), label)),
                Err(_) => failures += 1,
            },
        }
    }
    failures
}

#[test]
fn a_full_disk_is_an_error_and_nothing_is_lost() {
    let prints = [sample::text("a", 14)];
    for full_from in 8..60 {
        let disk = Simulator::new(full_from);
        let open = writer(&disk).unwrap();
        disk.full_from(Some(full_from));
        let mut model = BTreeMap::new();
        let mut failed = None;
        for step in 0..6 {
            let new = match step % 2 {
                0 => item("memo", &prints[0], &step.to_string()),
                _ => code_item(step, "code"),
            };
            match open.add(new.clone()) {
                Ok(_) => drop(model.insert(name_of(&new), new.metadata.label.clone().unwrap())),
                Err(e) => failed = Some(e),
            }
            if step == 3 {
                match open.compact() {
                    Ok(_) => {}
                    Err(e) => failed = Some(e),
                }
            }
            assert_eq!(contents(&open.collection().snapshot()), model);
        }
        if let Some(e) = failed {
            assert_eq!(e.kind(), ErrorKind::Io);
            assert!(e.to_string().contains("disk is full"), "{e}");
        }
        // There is room again: the same writer goes on.
        disk.full_from(None);
        open.add(code_item(77, "room")).unwrap();
        model.insert(name_of(&code_item(77, "")), "room".to_owned());
        open.compact().unwrap();
        drop(open);
        assert_eq!(contents(&reader(&disk).unwrap().snapshot()), model);
    }
}

#[test]
fn there_is_one_writer_and_many_readers() {
    let disk = Simulator::new(1);
    let open = writer(&disk).unwrap();
    assert_eq!(writer(&disk).unwrap_err().kind(), ErrorKind::Locked);
    let readers: Vec<Collection> = (0..3).map(|_| reader(&disk).unwrap()).collect();
    let before = readers[0].snapshot();
    open.add(code_item(1, "one")).unwrap();
    for reader in &readers {
        assert!(reader.refresh().unwrap());
        assert!(!reader.refresh().unwrap());
        assert_eq!(reader.snapshot().len(), 1);
        assert_eq!(
            reader.snapshot().generation(),
            open.collection().snapshot().generation()
        );
    }
    open.compact().unwrap();
    open.remove(&[name_of(&code_item(1, ""))]).unwrap();
    for reader in &readers {
        assert!(reader.refresh().unwrap());
        assert_eq!(reader.snapshot().len(), 0);
    }
    assert_eq!(before.len(), 0);
    drop(open);
    assert!(writer(&disk).is_ok());
}
