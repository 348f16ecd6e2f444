//! Handles that follow the disk, and whether they ever show what is older or another thing.

use super::*;
use crate::collection::storage::Storage as _;
use crate::error::ErrorKind;

/// All files of a disk.
fn files(disk: &Simulator) -> Vec<(String, Vec<u8>)> {
    let names = disk.list().unwrap();
    let files = names.into_iter().map(|name| (disk.content(&name), name));
    files.map(|(content, name)| (name, content)).collect()
}

/// Puts a backup in the place of what is there.
fn restore(disk: &Simulator, backup: &[(String, Vec<u8>)]) {
    for name in disk.list().unwrap() {
        disk.remove(&name).unwrap();
    }
    for (name, content) in backup {
        disk.put(name, content);
    }
}

fn labels(collection: &Collection) -> Vec<String> {
    let mut labels: Vec<String> = contents(&collection.snapshot()).into_values().collect();
    labels.sort();
    labels
}

#[test]
fn a_handle_without_a_writer_follows_the_next_one() {
    let disk = Simulator::new(1);
    let open = writer(&disk).unwrap();
    open.add(code_item(1, "a")).unwrap();
    let handle = open.collection().clone();
    assert!(!handle.refresh().unwrap());
    drop(open);
    // What it shows is what is on disk.
    assert!(!handle.refresh().unwrap());
    assert!(!handle.refresh().unwrap());
    let open = writer(&disk).unwrap();
    open.add(code_item(2, "b")).unwrap();
    open.compact().unwrap();
    assert!(handle.refresh().unwrap());
    assert_eq!(labels(&handle), ["a", "b"]);
    assert!(!handle.refresh().unwrap());
}

/// A merge takes the writer's own state, whatever is read meanwhile.
#[test]
fn what_a_refresh_reads_is_never_merged() {
    let disk = Simulator::new(1);
    let open = writer(&disk).unwrap();
    for n in 0..20 {
        open.add(code_item(n, "a")).unwrap();
        open.collection().refresh().unwrap();
        if n % 5 == 4 {
            open.flush().unwrap();
        }
    }
    drop(open);
    assert_eq!(reader(&disk).unwrap().snapshot().len(), 20);
}

#[test]
fn an_older_state_is_refused_and_a_newer_one_is_read_by_content() {
    let disk = Simulator::new(1);
    let open = writer(&disk).unwrap();
    open.add(code_item(1, "a")).unwrap();
    open.compact().unwrap();
    drop(open);
    let backup = files(&disk);
    let open = writer(&disk).unwrap();
    open.add(code_item(2, "b")).unwrap();
    open.compact().unwrap();
    let follower = reader(&disk).unwrap();
    let (generation, before) = (follower.snapshot().generation(), labels(&follower));
    drop(open);
    restore(&disk, &backup);
    for _ in 0..2 {
        assert_eq!(follower.refresh().unwrap_err().kind(), ErrorKind::Stale);
        assert_eq!(follower.snapshot().generation(), generation);
        assert_eq!(labels(&follower), before);
    }
    assert_eq!(labels(&reader(&disk).unwrap()), ["a"]);
    // The same numbers of generations and files, with other content.
    let open = writer(&disk).unwrap();
    open.add(code_item(3, "c")).unwrap();
    open.compact().unwrap();
    assert_eq!(open.collection().snapshot().generation(), generation);
    assert!(follower.refresh().unwrap());
    assert_eq!(labels(&follower), ["a", "c"]);
    assert!(!follower.refresh().unwrap());
}

/// A frame that was read before it was durable, and was taken back.
#[test]
fn an_operation_that_was_taken_back_is_gone_and_its_generation_does_not_go_back() {
    let disk = Simulator::new(1);
    drop(writer(&disk).unwrap());
    let before = files(&disk);
    let open = writer(&disk).unwrap();
    open.add(code_item(1, "a")).unwrap();
    drop(open);
    let log = "0000000000000001.log";
    let whole = disk.content(log);
    restore(&disk, &before);
    let follower = reader(&disk).unwrap();
    // Without its mark: nobody was promised it.
    disk.put(log, &whole[..whole.len() - 16]);
    assert!(follower.refresh().unwrap());
    assert!(!follower.refresh().unwrap());
    let generation = follower.snapshot().generation();
    assert_eq!(labels(&follower), ["a"]);
    restore(&disk, &before);
    assert!(follower.refresh().unwrap());
    assert_eq!(labels(&follower), [""; 0]);
    assert_eq!(follower.snapshot().generation(), generation);
    // Another one of the same size takes its place and its generation.
    disk.put(log, &whole[..whole.len() - 16]);
    let follower = reader(&disk).unwrap();
    restore(&disk, &before);
    let open = writer(&disk).unwrap();
    open.add(code_item(2, "b")).unwrap();
    drop(open);
    let other = disk.content(log);
    disk.put(log, &other[..other.len() - 16]);
    assert!(follower.refresh().unwrap());
    assert_eq!(labels(&follower), ["b"]);
    disk.put(log, &other);
    assert!(!follower.refresh().unwrap(), "a mark is no change");
}

#[test]
fn an_acknowledged_frame_that_was_read_without_its_mark_stays() {
    let disk = Simulator::new(1);
    let open = writer(&disk).unwrap();
    open.add(code_item(1, "a")).unwrap();
    drop(open);
    let log = "0000000000000001.log";
    let whole = disk.content(log);
    disk.put(log, &whole[..whole.len() - 16]);
    let follower = reader(&disk).unwrap();
    assert_eq!(labels(&follower), ["a"]);
    let open = writer(&disk).unwrap();
    assert!(!follower.refresh().unwrap());
    open.add(code_item(2, "b")).unwrap();
    assert!(follower.refresh().unwrap());
    assert_eq!(labels(&follower), ["a", "b"]);
}
