//! Bits are flipped, files are lost and swapped.

use super::*;
use crate::collection::Discount;
use crate::collection::manifest::{COPY, MANIFEST};
use crate::collection::repair::repair_on;
use crate::collection::storage::{LOCK, Storage as _};
use crate::collection::verify::verify_on;
use crate::error::ErrorKind;
use crate::exec::Executor;

/// A collection with a segment of each kind, something removed, and a head.
fn filled() -> Simulator {
    let disk = Simulator::new(3);
    let open = writer(&disk).unwrap();
    let memo = sample::text("memo", 14);
    open.add(item("memo", &memo, "a")).unwrap();
    open.add(item("gone", &sample::text("gone", 14), "b"))
        .unwrap();
    open.add(code_item(1, "code")).unwrap();
    let public = sample::text("public", 14);
    open.add(NewItem::discount(Discount::Ignore, "public", public))
        .unwrap();
    open.compact().unwrap();
    open.remove(&["gone"]).unwrap();
    open.flush().unwrap();
    open.add(item("late", &sample::text("late", 14), "c"))
        .unwrap();
    drop(open);
    disk
}

fn names(disk: &Simulator) -> Vec<String> {
    let mut names = disk.list().unwrap();
    names.retain(|name| name != LOCK);
    names.sort();
    names
}

#[test]
fn every_flipped_bit_is_found_and_none_is_a_panic() {
    let disk = filled();
    let exec = Executor::serial();
    let sound = verify_on(&disk, &exec).unwrap();
    assert_eq!(sound.damage, Vec::<String>::new());
    let query = sample::text("memo", 14);
    // Threads have a disk each: the same, since all that is on it is told by its seed.
    let lanes: Vec<usize> = (0..8).collect();
    let all = Executor::with_threads(0).unwrap();
    let flipped = all.map(&lanes, |&lane| {
        let disk = filled();
        let mut flipped = 0;
        for name in names(&disk) {
            let whole = disk.content(&name);
            let bits = whole.len() * 8;
            for bit in (lane..bits).step_by(lanes.len()) {
                let mut bytes = whole.clone();
                bytes[bit / 8] ^= 1 << (bit % 8);
                disk.put(&name, &bytes);
                let found = match verify_on(&disk, &exec) {
                    Err(_) => true,
                    Ok(report) => !report.damage.is_empty() || report.unfinished_bytes > 0,
                };
                assert!(found, "{name}: bit {bit} went unnoticed");
                flipped += 1;
                if bit % 5 == 0
                    && let Ok(open) = reader(&disk)
                {
                    let snapshot = open.snapshot();
                    let _ = snapshot.items().count();
                    let _ = snapshot.contents().count();
                    let _ = snapshot.discounts().count();
                    if let Ok(matcher) = snapshot.matcher(Default::default()) {
                        let _ = matcher.find(&query);
                    }
                }
            }
            disk.put(&name, &whole);
        }
        flipped
    });
    let bits: usize = names(&disk)
        .iter()
        .map(|name| disk.content(name).len() * 8)
        .sum();
    assert_eq!(flipped.into_iter().sum::<usize>(), bits);
}

#[test]
fn missing_cut_and_swapped_files_are_named() {
    let disk = filled();
    for name in names(&disk) {
        if name == "manifest.copy" {
            continue;
        }
        let whole = disk.content(&name);
        for bytes in [
            whole[..whole.len() / 2].to_vec(),
            b"something else".repeat(400),
        ] {
            // A log that ends early is one whose last operation was not finished.
            if name.ends_with(".log") && whole.starts_with(&bytes) {
                continue;
            }
            disk.put(&name, &bytes);
            let e = reader(&disk).unwrap_err();
            assert!(
                matches!(e.kind(), ErrorKind::Corrupt | ErrorKind::Version),
                "{name}: {e}"
            );
            assert!(e.to_string().contains(&name), "{e}");
        }
        disk.remove(&name).unwrap();
        let e = reader(&disk).unwrap_err();
        assert!(e.to_string().contains(&name), "{e}");
        disk.put(&name, &whole);
        assert!(reader(&disk).is_ok());
    }
}

#[test]
fn who_has_it_open_goes_on_when_files_are_lost() {
    let disk = filled();
    let open = reader(&disk).unwrap();
    for name in names(&disk) {
        disk.put(&name, b"lost");
    }
    assert!(open.refresh().is_err());
    let found = open.snapshot().matcher(Default::default()).unwrap();
    assert_eq!(
        found.find(&sample::text("memo", 14)).unwrap()[0].item,
        "memo"
    );
}

#[test]
fn repair_saves_what_is_sound_and_names_the_rest() {
    let exec = Executor::serial();
    let disk = filled();
    let report = repair_on(&disk, &exec).unwrap();
    assert!(!report.repaired && report.lost.is_empty(), "{report:?}");
    for name in names(&disk) {
        let whole = disk.content(&name);
        for at in [0, 70, 100, whole.len() / 2, whole.len() - 1] {
            let disk = filled();
            let mut bytes = disk.content(&name);
            assert_eq!(bytes.len(), whole.len());
            bytes[at.min(whole.len() - 1)] ^= 4;
            disk.put(&name, &bytes);
            let report = repair_on(&disk, &exec).unwrap();
            let open = reader(&disk).unwrap();
            let all = contents(&open.snapshot());
            assert!(
                !all.contains_key("gone"),
                "{name}: what was removed came back"
            );
            let lost: Vec<_> = report
                .lost
                .iter()
                .filter(|lost| lost.what.starts_with("record"))
                .collect();
            let gone = 3 - all.len();
            // The head has one item, a damaged record is one.
            assert!(gone <= 1, "{name} at {at}: {all:?} {report:?}");
            if gone == 1 && name.ends_with(".rec") {
                assert_eq!(lost.len(), 1, "{name} at {at}: {report:?}");
            }
            if name.ends_with(".lkp") || name.ends_with(".pdq") || name.starts_with("manifest") {
                assert_eq!(gone, 0, "{name} at {at}: {report:?}");
            }
            let sound = verify_on(&disk, &exec).unwrap();
            assert_eq!(sound.damage, Vec::<String>::new(), "{name} at {at}");
            assert!(writer(&disk).unwrap().add(code_item(5, "more")).is_ok());
        }
    }
    let disk = filled();
    disk.put(MANIFEST, b"");
    disk.put("manifest.copy", b"");
    assert_eq!(
        repair_on(&disk, &exec).unwrap_err().kind(),
        ErrorKind::Corrupt
    );
}

/// Readable, but another manifest: an earlier one, a later one, one of another collection.
#[test]
fn a_copy_that_differs_is_reported_and_written_anew() {
    let exec = Executor::serial();
    let disk = filled();
    let manifest = disk.content(MANIFEST);
    let open = writer(&disk).unwrap();
    open.compact().unwrap();
    drop(open);
    let later = disk.content(MANIFEST);
    let other = Simulator::new(9);
    drop(writer(&other).unwrap());
    let copies = [(&later, &manifest), (&later, &other.content(MANIFEST))];
    for (manifest, copy) in copies {
        disk.put(MANIFEST, manifest);
        disk.put(COPY, copy);
        let report = verify_on(&disk, &exec).unwrap();
        assert_eq!(report.damage.len(), 1, "{report:?}");
        assert!(report.damage[0].contains(COPY), "{report:?}");
        let before = contents(&reader(&disk).unwrap().snapshot());
        let report = repair_on(&disk, &exec).unwrap();
        assert!(report.repaired && report.lost.is_empty(), "{report:?}");
        assert!(disk.content(COPY) == *manifest && disk.content(MANIFEST) == *manifest);
        let report = verify_on(&disk, &exec).unwrap();
        assert_eq!(report.damage, Vec::<String>::new());
        assert!(!repair_on(&disk, &exec).unwrap().repaired);
        assert_eq!(contents(&reader(&disk).unwrap().snapshot()), before);
        // A writer does so too, when it opens.
        disk.put(COPY, copy);
        drop(writer(&disk).unwrap());
        assert!(disk.content(COPY) == *manifest);
    }
}

/// A manifest of a newer build is whole: its copy, which may be older, must not replace it.
#[test]
fn repair_leaves_what_another_build_wrote() {
    let disk = filled();
    let mut manifest = disk.content(MANIFEST);
    manifest[8] = 99;
    let mut hasher = blake3::Hasher::new();
    hasher.update(&manifest[8..12]).update(&manifest[56..]);
    let sum = *hasher.finalize().as_bytes();
    manifest[24..56].copy_from_slice(&sum);
    disk.put(MANIFEST, &manifest);
    let e = repair_on(&disk, &Executor::serial()).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Version);
    assert!(disk.content(MANIFEST) == manifest);
}

/// The manifest is lost, and its copy is late: it does not know the last log and the last segment.
#[test]
fn a_late_copy_loses_no_log_and_removes_no_file() {
    let disk = filled();
    let copy = disk.content(COPY);
    let open = writer(&disk).unwrap();
    open.flush().unwrap();
    open.add(item("last", &sample::text("last", 14), "d"))
        .unwrap();
    drop(open);
    disk.put(MANIFEST, b"");
    disk.put(COPY, &copy);
    let before = names(&disk);
    let report = repair_on(&disk, &Executor::serial()).unwrap();
    assert!(report.repaired, "{report:?}");
    drop(writer(&disk).unwrap());
    let all = contents(&reader(&disk).unwrap().snapshot());
    assert!(
        all.contains_key("last") && all.contains_key("memo"),
        "{all:?}"
    );
    let after = names(&disk);
    for name in before {
        let aside = format!("{name}.damaged");
        assert!(
            after.contains(&name) || after.contains(&aside),
            "{name} is gone: {after:?}"
        );
    }
}
