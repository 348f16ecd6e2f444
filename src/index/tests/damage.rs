//! Truncated, changed and forged files: a typed error, never a panic.

use proptest::prelude::*;

use super::calibrated::sample_bytes;
use super::*;
use crate::ErrorKind;
use crate::index::layout::{Extent, FRAME_LEN, Layout, Section};
use crate::index::{DigestHit, ItemId, PartId};
use crate::matcher::{MatchOptions, Matcher, Strength};

/// Calls everything that reads the file, and ignores the results.
fn exercise(index: &Index) {
    let exec = Executor::serial();
    let _ = index.verify(&exec);
    let _ = (index.info(), index.key());
    for i in 0..8 {
        let _ = index.item_name(ItemId(i));
        let _ = index.item_parts(ItemId(i)).map(Iterator::count);
        let _ = index.part(PartId(i));
        let _ = index.char_end(PartId(i), u32::MAX);
        for symbol in [0, 1, 31, 32, 70, u32::MAX] {
            let _ = index.char_offset(PartId(i), symbol);
        }
        let _ = index.pictures().get(i);
        let _ = index.pictures().of_part(PartId(i));
    }
    for name in ["", "a.png", "mail.eml", "zz"] {
        let _ = index.item_by_name(name);
    }
    for name in ["attachment:1", "attachment:2", ""] {
        let digest = Digest::of_bytes(name.as_bytes());
        let _: Vec<crate::Result<DigestHit>> = index.digests().find(&digest).collect();
    }
    let queries = [Code256::default(), Code256([u64::MAX; 4])];
    for radius in [31, 256] {
        let _ = index.pictures().pdq().search(&queries, radius, &exec);
        let _ = index.pictures().gradient().search(&queries, radius, &exec);
    }
    let prints: Vec<u64> = (0..70_u64)
        .map(|i| i.wrapping_mul(0x9E37_79B9_7F4A_7C15))
        .collect();
    for &print in &prints {
        if let Ok(Some(list)) = index.grams().get(print) {
            let _ = (list.len(), list.document_frequency(), list.iter().count());
        }
    }
    let mut hits = Vec::new();
    let _ = index.grams().lookup_batch(&prints, &mut hits);
    // A matcher does not verify the file.
    if let Ok(matcher) = Matcher::with_key(index.clone(), key()) {
        let mut options = MatchOptions::default();
        (options.min_strength, options.text_floor) = (Strength::Possible, 12);
        let matcher = matcher.with_options(options);
        let code = |i: usize| Code256([prints[i], prints[i + 1], prints[i + 2], prints[i + 3]]);
        let query = fingerprint(vec![
            text("body", &prints),
            table("sheet:1", &[&[70, 71, 72], &[74, 73, 71]]),
            picture("attachment:1", code(1), code(2)),
        ]);
        let _ = matcher.find(&query);
        for item in ["mail.eml", "a.png", "staff.csv"] {
            let _ = matcher.explain(item, &query);
        }
    }
}

/// Computes the checksums again, as a forger would.
pub(super) fn forge(bytes: &mut [u8], layout: &Layout) {
    let extents = Section::ALL.map(|section| {
        let extent = layout.extent(section);
        Extent {
            checksum: *blake3::hash(&bytes[extent.range()]).as_bytes(),
            ..extent
        }
    });
    bytes[..FRAME_LEN].copy_from_slice(&Layout::new(extents).to_bytes());
}

#[test]
fn every_single_changed_bit_is_detected() {
    let mut bytes = sample_bytes();
    let exec = Executor::serial();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            bytes[at] ^= 1 << bit;
            let found = Index::from_bytes(&bytes).and_then(|index| {
                assert!(at >= FRAME_LEN, "byte {at} bit {bit} of the header passed");
                index.verify(&exec)
            });
            let kind = found.expect_err("a changed bit passed").kind();
            let expected = if at < 12 {
                ErrorKind::Version
            } else {
                ErrorKind::Corrupt
            };
            assert_eq!(kind, expected, "byte {at} bit {bit}");
            bytes[at] ^= 1 << bit;
        }
    }
    Index::from_bytes(&bytes).unwrap().verify(&exec).unwrap();
}

#[test]
fn truncated_and_extended_files_are_refused_at_opening() {
    let mut bytes = sample_bytes();
    for len in 0..bytes.len() {
        let kind = Index::from_bytes(&bytes[..len]).unwrap_err().kind();
        let expected = if len == 0 {
            ErrorKind::Version
        } else {
            ErrorKind::Corrupt
        };
        assert_eq!(kind, expected, "{len} bytes");
    }
    bytes.push(0);
    let error = Index::from_bytes(&bytes).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

#[test]
fn files_that_are_no_index_are_refused_with_the_reason() {
    for bytes in [&b"PNG"[..], b"\x89PNG\r\n\x1a\n", &[0; 4096]] {
        let error = Index::from_bytes(bytes).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Version);
        assert!(error.message().contains("no leakprint index"), "{error}");
    }
    let mut newer = sample_bytes();
    newer[8] = 4;
    let error = Index::from_bytes(newer).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Version);
    assert!(error.message().contains("version 4"), "{error}");
}

/// Each case is a value that only a forger could have written, and the section of the error.
#[test]
fn forged_content_is_detected_by_its_structure() {
    let original = sample_bytes();
    let layout = Layout::read(&original).unwrap();
    let u32_at = |section, i: usize| layout.extent(section).start + 4 * i;
    let start = |section| layout.extent(section).start;
    // (byte, new value, where the error must be)
    let cases = [
        (start(Section::Items) + 12, 1, "items"),
        (start(Section::Items) + 8, 200, "items"),
        (start(Section::ItemOrder), 1, "item_order"),
        (start(Section::Parts) + 24, 1, "parts"),
        (start(Section::Parts) + 36, 0, "parts"),
        (u32_at(Section::Anchors, 1), 255, "anchors"),
        (start(Section::Digests), 255, "digests"),
        (start(Section::DigestRefs) + 4, 4, "digest_refs"),
        (start(Section::Pictures) + 32, 4, "pictures"),
        (layout.extent(Section::PdqCodes).end - 1, 1, "pdq_codes"),
        (
            layout.extent(Section::GradientCodes).end - 1,
            1,
            "gradient_codes",
        ),
        (start(Section::GramBuckets) + 32, 0xF0, "gram_lines"),
        (start(Section::GramBuckets) + 40, 255, "gram_lines"),
        (start(Section::GramBuckets) + 41, 0, "gram_lines"),
        (start(Section::GramBuckets) + 48, 0x81, "gram_lines"),
        (start(Section::GramBuckets) + 56, 9, "gram_lines"),
        (start(Section::GramBuckets) + 62, 3, "gram_lines"),
        (start(Section::Parts) + 5 * 56 + 40, 2, "cells"),
        (start(Section::Parts) + 5 * 56 + 44, 8, "cells"),
        (start(Section::Parts) + 52, 1, "values"),
        (start(Section::Cells), 99, "cells"),
        (start(Section::Cells) + 8, 1, "cells"),
        (start(Section::Cells) + 16 + 8, 0, "cells"),
        (start(Section::Cells) + 12, 1, "cells"),
        (start(Section::Cells) + 12, 2, "cells"),
        (start(Section::CellPlaces), 9, "cell_places"),
        (start(Section::CellPlaces) + 12 + 4, 7, "cell_places"),
        (start(Section::CellPlaces) + 4, 9, "cells"),
    ];
    for (at, value, section) in cases {
        let mut bytes = original.clone();
        assert_ne!(bytes[at], value, "{section}");
        bytes[at] = value;
        forge(&mut bytes, &layout);
        let index = Index::from_bytes(&bytes).unwrap();
        let error = index.verify(&Executor::serial());
        let error = error.expect_err(&format!("byte {at} of {section}"));
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(
            error.message().contains(&format!("section {section}:")),
            "byte {at} of {section}: {error}"
        );
        exercise(&index);
    }
}

/// Some changes of a list make another valid list; the others are detected.
#[test]
fn forged_lists_are_sound_or_detected() {
    let original = sample_bytes();
    let layout = Layout::read(&original).unwrap();
    let (mut sound, mut found) = (0, 0);
    for at in layout.extent(Section::Postings).range() {
        for value in [0, 0x55, 0xFF] {
            let mut bytes = original.clone();
            bytes[at] = value;
            forge(&mut bytes, &layout);
            let index = Index::from_bytes(&bytes).unwrap();
            match index.verify(&Executor::serial()) {
                Ok(()) => sound += 1,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Corrupt);
                    let blamed = ["section postings:", "section gram_lines:", "section parts:"];
                    let blamed = blamed
                        .iter()
                        .any(|section| error.message().contains(section));
                    assert!(blamed, "byte {at}: {error}");
                    found += 1;
                }
            }
            exercise(&index);
        }
    }
    assert!(found > sound, "{found} found, {sound} sound");
}

#[test]
fn a_forged_meta_section_is_refused_at_opening() {
    let original = sample_bytes();
    let layout = Layout::read(&original).unwrap();
    let meta = layout.extent(Section::Meta).start;
    for (at, kind) in [
        (0, ErrorKind::Recipe),
        (4, ErrorKind::Corrupt),
        (8, ErrorKind::Corrupt),
        (16, ErrorKind::Corrupt),
        (20, ErrorKind::Corrupt),
        (23, ErrorKind::Corrupt),
        (24, ErrorKind::Corrupt),
        (28, ErrorKind::Corrupt),
        (32, ErrorKind::Corrupt),
        (36, ErrorKind::Corrupt),
        (40, ErrorKind::Corrupt),
        (46, ErrorKind::Corrupt),
        (52, ErrorKind::Corrupt),
        (56, ErrorKind::Corrupt),
        (96, ErrorKind::Corrupt),
        (100, ErrorKind::Corrupt),
        (88, ErrorKind::Corrupt),
        (127, ErrorKind::Corrupt),
    ] {
        let mut bytes = original.clone();
        bytes[meta + at] ^= 0xC5;
        forge(&mut bytes, &layout);
        let error = Index::from_bytes(&bytes).unwrap_err();
        assert_eq!(error.kind(), kind, "byte {at}: {error}");
    }
}

/// The tables of the codes of pictures.
#[test]
fn damaged_tables_are_detected_and_searched_without_panic() {
    let mut writer = sample();
    writer.tables_from = 0;
    let original = writer.to_bytes(&Executor::serial()).unwrap();
    let layout = Layout::read(&original).unwrap();
    let codes = layout.extent(Section::PdqCodes);
    // Of the header, the codes, the bounds of the runs and the runs themselves.
    for at in [
        0,
        12,
        20,
        70,
        256,
        520,
        700,
        5000,
        codes.end - codes.start - 64,
    ] {
        for value in [0x00, 0x7F, 0xFF] {
            let mut bytes = original.clone();
            bytes[codes.start + at..][..8].fill(value);
            if bytes == original {
                continue;
            }
            forge(&mut bytes, &layout);
            let found = Index::from_bytes(&bytes).and_then(|index| {
                exercise(&index);
                index.verify(&Executor::serial())
            });
            let error = found.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
            assert!(error.message().contains("pdq_codes"), "byte {at}: {error}");
        }
    }
}

/// Makes an index of two pictures with details, and the fingerprint of a picture that shows parts of
/// the first.
fn detailed() -> (Vec<u8>, Fingerprint) {
    use crate::raster::{Pixels, Raster};
    let raster = |moved: u32| {
        let disc = |x: u32, y: u32, i: u32| {
            let (dx, dy) = ((x + moved).abs_diff(i * 97 % 120), y.abs_diff(i * 53 % 80));
            dx * dx + dy * dy < (4 + i % 9).pow(2)
        };
        let grey = |at: u32| {
            let (x, y) = (at % 120, at / 120);
            let discs = (0..24).filter(|&i| disc(x, y, i)).count() as u32;
            (40 + 31 * discs + (x ^ y) % 5).min(255) as u8
        };
        Raster::new(120, 80, Pixels::Luma8((0..80 * 120).map(grey).collect())).unwrap()
    };
    let fingerprinter = crate::Fingerprinter::builder().key(key()).build().unwrap();
    let mut writer = IndexWriter::new(fingerprinter.recipe().clone(), None).unwrap();
    for (name, moved) in [("a.png", 0), ("b.png", 50)] {
        let print = fingerprinter.fingerprint_raster(&raster(moved));
        writer.add(name, &print).unwrap();
    }
    let bytes = writer.to_bytes(&Executor::serial()).unwrap();
    (bytes, fingerprinter.fingerprint_raster(&raster(3)))
}

/// Changes numbers in the sections that region matching reads.
#[test]
fn forged_local_prints_are_matched_without_panic() {
    let (original, query) = detailed();
    let layout = Layout::read(&original).unwrap();
    let find = |bytes: &[u8]| {
        let index = Index::from_bytes(bytes)?;
        let matcher = Matcher::with_key(index, key())?;
        let options = MatchOptions::default().with_min_strength(Strength::Possible);
        let matcher = matcher.with_options(options);
        matcher.find(&query)
    };
    let found = find(&original).unwrap();
    let by_details = |found: &crate::Match| {
        let mut evidence = found.evidence.iter();
        evidence.any(|evidence| matches!(evidence, crate::Evidence::Region { .. }))
    };
    assert!(
        found.iter().any(by_details),
        "details are not compared: {found:?}"
    );
    // Part, size and prints of each picture, and some places in the larger sections.
    let pictures = layout.extent(Section::Pictures);
    let records = pictures.range().step_by(Section::Pictures.stride());
    let mut places: Vec<usize> = records
        .flat_map(|record| [32, 36, 40, 48, 52].map(|field| record + field))
        .collect();
    for section in [
        Section::LocalPrints,
        Section::LocalBuckets,
        Section::LocalEntries,
    ] {
        let range = layout.extent(section).range();
        let step = 4 * (range.len() / 4 / 6).max(1);
        places.extend(range.step_by(step));
    }
    for at in places {
        for value in [1, 0x7FFF_FFFF, u32::MAX] {
            let mut bytes = original.clone();
            if bytes.len() < at + 4 {
                continue;
            }
            bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
            forge(&mut bytes, &layout);
            let _ = find(&bytes);
        }
    }
}

proptest! {
    #[test]
    fn random_damage_never_panics(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
        forged: bool,
        first in FRAME_LEN..FRAME_LEN + 200,
    ) {
        let mut bytes = sample_bytes();
        let layout = Layout::read(&bytes).unwrap();
        for (at, value) in changes {
            let at = first + at.index(bytes.len() - first);
            bytes[at] = value;
        }
        if forged {
            forge(&mut bytes, &layout);
        }
        if let Ok(index) = Index::from_bytes(&bytes) {
            exercise(&index);
        }
    }

    #[test]
    fn random_headers_never_panic(
        changes in prop::collection::vec((8_usize..FRAME_LEN, any::<u8>()), 0..20),
    ) {
        let mut bytes = sample_bytes();
        for (at, value) in changes {
            bytes[at] = value;
        }
        // A valid checksum of the header, so that its fields are checked.
        let mut hasher = blake3::Hasher::new();
        hasher.update(&bytes[..32]);
        hasher.update(&bytes[64..FRAME_LEN]);
        let checksum = *hasher.finalize().as_bytes();
        bytes[32..64].copy_from_slice(&checksum);
        if let Ok(index) = Index::from_bytes(&bytes) {
            exercise(&index);
        }
    }
}
