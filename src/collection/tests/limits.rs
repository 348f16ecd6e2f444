//! What is refused when it is written is what would be refused when it is read, and no less.

use super::*;
use crate::collection::codec::Decoder;
use crate::collection::false_matches;
use crate::collection::limits::{FileLimits, MAX_TAGS, MAX_TEXT_BYTES};
use crate::collection::log::{Log, LogWriter};
use crate::collection::manifest::MANIFEST;
use crate::collection::merge_status::FAILURE;
use crate::collection::record::{Record, encode};
use crate::collection::repair::repair_on;
use crate::collection::storage::Storage as _;
use crate::collection::{FalseMatch, FalseScope};
use crate::error::ErrorKind;
use crate::exec::Executor;
use crate::media::PartPath;

fn limited(change: impl FnOnce(&mut FileLimits)) -> Simulator {
    let mut limits = FileLimits::DEFAULT;
    change(&mut limits);
    Simulator::new(1).with_limits(limits)
}

fn mark(item: &str, why: &str) -> FalseMatch {
    FalseMatch::new(item, FalseScope::ItemPart(PartPath::root()), "a", why)
}

#[test]
fn a_log_grows_to_its_limit_and_is_read_there() {
    const HEADER: usize = 64;
    const FRAME_AND_MARK: usize = 48;
    let first = [1; 100];
    let size = |second: usize| (HEADER + 2 * FRAME_AND_MARK + first.len() + second) as u64;
    for (second, fits) in [(50, true), (51, false)] {
        let disk = limited(|limits| limits.log_bytes = size(50));
        let mut log = LogWriter::create(&disk, 7).unwrap();
        log.append(1, &first).unwrap();
        let appended = log.append(2, &vec![2; second]);
        assert_eq!(appended.is_ok(), fits);
        if let Err(e) = appended {
            assert_eq!(e.kind(), ErrorKind::Limit);
            // Smaller ones fit all the same.
            log.append(2, &[2; 50]).unwrap();
        }
        let read = Log::read(&disk, 7).unwrap();
        assert_eq!((read.frames().count(), read.bytes_read()), (2, size(50)));
        disk.put("0000000000000007.log", &vec![0; size(51) as usize]);
        assert_eq!(Log::read(&disk, 7).unwrap_err().kind(), ErrorKind::Limit);
    }
    let disk = limited(|limits| limits.frame_bytes = 10);
    let mut log = LogWriter::create(&disk, 7).unwrap();
    assert!(log.append(1, &[0; 10]).is_ok());
    assert_eq!(
        log.append(1, &[0; 11]).unwrap_err().kind(),
        ErrorKind::Limit
    );
}

#[test]
fn a_collection_whose_log_is_full_opens_and_goes_on_after_a_merge() {
    let disk = limited(|limits| limits.log_bytes = 2000);
    let mut model = BTreeMap::new();
    let open = writer(&disk).unwrap();
    let refused = (0..100).find_map(|n| {
        let item = code_item(n, "code");
        model.insert(name_of(&item), "code".to_owned());
        open.add(item).err()
    });
    let e = refused.expect("a limit of the log");
    assert_eq!(e.kind(), ErrorKind::Limit);
    assert!(
        e.to_string().contains("a compaction begins a new one"),
        "{e}"
    );
    model.remove(&name_of(&code_item(model.len() as u64 - 1, "")));
    assert_eq!(contents(&open.collection().snapshot()), model);
    drop(open);
    let open = writer(&disk).unwrap();
    assert_eq!(contents(&open.collection().snapshot()), model);
    open.flush().unwrap();
    open.add(code_item(200, "code")).unwrap();
    // Repairing writes logs that can be read again, too.
    drop(open);
    let log = disk.list().unwrap();
    let log = log.iter().find(|name| name.ends_with(".log")).unwrap();
    let mut bytes = disk.content(log);
    bytes[70] ^= 1;
    disk.put(log, &bytes);
    assert!(repair_on(&disk, &Executor::serial()).unwrap().repaired);
    assert_eq!(contents(&reader(&disk).unwrap().snapshot()), model);
}

#[test]
fn repair_divides_what_one_log_has_no_room_for() {
    let disk = limited(|limits| limits.log_bytes = 890);
    let open = writer(&disk).unwrap();
    for n in 0..8 {
        open.add(code_item(n, "code")).unwrap();
    }
    drop(open);
    // Two logs, of which one is damaged, and together too large for one.
    let manifest = crate::collection::manifest::Manifest::read(&disk).unwrap();
    let open = writer(&disk).unwrap();
    open.core().rotate(&mut open.core().lock()).unwrap();
    for n in 10..18 {
        open.add(code_item(n, "code")).unwrap();
    }
    drop(open);
    assert_ne!(
        crate::collection::manifest::Manifest::read(&disk).unwrap(),
        manifest
    );
    let mut bytes = disk.content("0000000000000001.log");
    bytes[70] ^= 1;
    disk.put("0000000000000001.log", &bytes);
    let report = repair_on(&disk, &Executor::serial()).unwrap();
    assert!(report.repaired, "{report:?}");
    assert_eq!(reader(&disk).unwrap().snapshot().len(), 15);
    assert!(writer(&disk).is_ok());
}

#[test]
fn false_matches_beyond_what_a_manifest_holds_are_refused() {
    let disk = limited(|limits| limits.false_matches = 3);
    let open = writer(&disk).unwrap();
    let marks: Vec<FalseMatch> = (0..4).map(|n| mark(&n.to_string(), "why")).collect();
    assert_eq!(
        open.mark_false(&marks).unwrap_err().kind(),
        ErrorKind::Limit
    );
    open.mark_false(&marks[..3]).unwrap();
    // The same ones again are no more.
    open.mark_false(&marks[..3]).unwrap();
    assert_eq!(
        open.mark_false(&marks[3..]).unwrap_err().kind(),
        ErrorKind::Limit
    );
    open.unmark("0", &marks[0].scope).unwrap();
    open.mark_false(&marks[3..]).unwrap();
    for _ in 0..2 {
        assert_eq!(reader(&disk).unwrap().snapshot().false_matches().count(), 3);
        open.compact().unwrap();
    }
    let disk = limited(|limits| limits.false_match_bytes = 3 * (64 + 2 + 200));
    let open = writer(&disk).unwrap();
    let why = "w".repeat(200);
    let marks: Vec<FalseMatch> = (0..4).map(|n| mark(&n.to_string(), &why)).collect();
    assert_eq!(
        open.mark_false(&marks).unwrap_err().kind(),
        ErrorKind::Limit
    );
    open.mark_false(&marks[..3]).unwrap();
    open.add(code_item(1, "after")).unwrap();
    drop(open);
    assert_eq!(reader(&disk).unwrap().snapshot().false_matches().count(), 3);
}

#[test]
fn a_manifest_that_could_not_be_read_is_not_written() {
    let disk = limited(|_| ());
    let open = writer(&disk).unwrap();
    open.mark_false(&[mark("memo", &"w".repeat(300))]).unwrap();
    open.compact().unwrap();
    let size = disk.content(MANIFEST).len() as u64;
    for (less, fits) in [(0, true), (1, false)] {
        let disk = limited(|limits| limits.manifest_bytes = size - less);
        let open = writer(&disk).unwrap();
        open.mark_false(&[mark("memo", &"w".repeat(300))]).unwrap();
        let merged = open.compact();
        assert_eq!(merged.is_ok(), fits);
        if let Err(e) = merged {
            assert_eq!(e.kind(), ErrorKind::Limit);
        }
        drop(open);
        assert_eq!(reader(&disk).unwrap().snapshot().false_matches().count(), 1);
    }
}

#[test]
fn texts_and_tags_are_kept_up_to_their_limits() {
    let print = sample::text("memo", 14);
    let content = || Content::Prints(Box::new(print.clone()));
    let long = "x".repeat(MAX_TEXT_BYTES);
    let longer = "x".repeat(MAX_TEXT_BYTES + 1);
    let metadata = |text: &str| {
        Metadata::default()
            .with_label(text)
            .with_note(text)
            .with_tag("t", text)
    };
    let tagged = |count: usize| {
        let tags = (0..count).map(|n| (n.to_string(), String::new()));
        Metadata {
            tags: tags.collect(),
            ..Metadata::default()
        }
    };
    let disk = Simulator::new(1);
    let open = writer(&disk).unwrap();
    for (name, metadata) in [
        (&long, metadata(&long)),
        (&"b".to_owned(), tagged(MAX_TAGS)),
    ] {
        let bytes = encode(name, &metadata, &content()).unwrap();
        assert_eq!(Record::parse(&bytes).unwrap().metadata, metadata);
        open.add(NewItem::new(name, print.clone()).with_metadata(metadata))
            .unwrap();
    }
    open.compact().unwrap();
    assert_eq!(reader(&disk).unwrap().snapshot().items().count(), 2);
    for (name, metadata) in [
        (&longer, Metadata::default()),
        (&"b".to_owned(), metadata(&longer)),
        (&"b".to_owned(), tagged(MAX_TAGS + 1)),
    ] {
        let e = encode(name, &metadata, &content()).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Limit);
        // As somebody else would write it.
        let mut out = crate::collection::codec::Encoder::default();
        out.u8(0);
        crate::collection::metadata::put(&metadata, &mut out);
        out.str(name);
        let e = Record::parse(&out.0).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Limit);
    }
    for (why, path, fits) in [
        (&long, &long, true),
        (&longer, &long, false),
        (&long, &longer, false),
    ] {
        let scope = FalseScope::ItemPart(PartPath::from(path.as_str()));
        let mark = FalseMatch::new("memo", scope, "a", why);
        assert_eq!(false_matches::check(&mark).is_ok(), fits);
        let mut out = crate::collection::codec::Encoder::default();
        false_matches::put(&mark, &mut out);
        let read = false_matches::take(&mut Decoder::new(&out.0));
        // Paths were not limited when they were written by earlier builds.
        assert_eq!(read.is_ok(), why.len() == MAX_TEXT_BYTES);
    }
}

/// In the writer's own state, in the information, in the folder; and cleared by the next success.
#[test]
fn a_merge_that_fails_in_the_background_is_reported_until_one_succeeds() {
    let disk = limited(|limits| limits.manifest_bytes = 600);
    let options = WriterOptions {
        background: true,
        head_bytes: 100,
        ..options()
    };
    let storage = Arc::new(disk.clone());
    let open = CollectionWriter::on(storage, Path::new("disk"), options).unwrap();
    assert_eq!(open.merge_status(), Default::default());
    let scope = FalseScope::ItemPart(PartPath::root());
    open.mark_false(&[mark("memo", &"w".repeat(800))]).unwrap();
    let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while open.merge_status().failed == 0 {
        assert!(std::time::Instant::now() < end, "nothing was merged");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    // Nothing is lost, and it goes on.
    open.add(code_item(1, "a")).unwrap();
    let failure = open.merge_status().failure.unwrap();
    assert_eq!(failure.kind, ErrorKind::Limit);
    assert!(failure.message.contains("manifest"), "{}", failure.message);
    let info = open.collection().snapshot().info();
    let others = reader(&disk).unwrap();
    // The background may have tried again meanwhile.
    for found in [
        info.merge_failure,
        others.merge_failure(),
        others.snapshot().info().merge_failure,
    ] {
        let found = found.unwrap();
        assert_eq!(
            (found.kind, &found.message),
            (failure.kind, &failure.message)
        );
        assert!(found.at >= failure.at);
    }
    drop(open);
    let open = writer(&disk).unwrap();
    assert!(
        open.merge_status().failure.is_some(),
        "a new writer knows it"
    );
    open.unmark("memo", &scope).unwrap();
    open.compact().unwrap();
    let status = open.merge_status();
    assert_eq!((status.merged, status.failed, status.failure), (1, 0, None));
    assert!(disk.len(FAILURE).is_err());
    assert_eq!(others.merge_failure(), None);
    assert_eq!(reader(&disk).unwrap().snapshot().len(), 1);
    // Whatever stands there, it is reported and is no panic.
    for text in [
        &b""[..],
        b"nonsense",
        b"io\n2026-01-01\n",
        b"io\nnever\nx",
        &[255; 100_000],
    ] {
        disk.put(FAILURE, text);
        assert_eq!(others.merge_failure().unwrap().kind, ErrorKind::Io);
    }
}

/// The disk refuses the copy of the manifest alone.
#[test]
fn a_copy_that_cannot_be_written_is_reported() {
    let count = |fails: Option<u64>| {
        let disk = Simulator::new(1);
        let open = writer(&disk).unwrap();
        open.add(code_item(1, "a")).unwrap();
        let before = disk.operations();
        if let Some(fails) = fails {
            disk.fails_at(before + fails);
        }
        let merged = open.compact();
        (
            disk.operations() - before,
            merged.is_ok(),
            open.merge_status(),
        )
    };
    let (operations, ..) = count(None);
    let copies = (1..=operations).filter(|&fails| {
        let (_, merged, status) = count(Some(fails));
        assert!(merged || status.failure.is_some());
        merged
            && status
                .failure
                .is_some_and(|failure| failure.message.contains("manifest.copy"))
    });
    assert!(copies.count() >= 2);
}

#[test]
fn numbers_of_files_and_generations_do_not_wrap() {
    let disk = Simulator::new(1);
    drop(writer(&disk).unwrap());
    disk.put("ffffffffffffffff.rec", b"a stray file");
    let open = writer(&disk).unwrap();
    open.add(code_item(1, "a")).unwrap();
    assert_eq!(open.compact().unwrap_err().kind(), ErrorKind::Limit);
    drop(open);
    let open = writer(&disk).unwrap();
    open.compact().unwrap();
    let mut manifest = crate::collection::manifest::Manifest::read(&disk).unwrap();
    drop(open);
    manifest.generation = u64::MAX;
    manifest.commit(&disk).unwrap();
    let open = writer(&disk).unwrap();
    assert_eq!(
        open.add(code_item(2, "b")).unwrap_err().kind(),
        ErrorKind::Limit
    );
    assert_eq!(open.collection().snapshot().len(), 1);
}
