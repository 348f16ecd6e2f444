//! Round trips: what was added is found, with its weights, and the bytes are reproducible.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::ErrorKind;
use crate::index::{DigestKind, Engine, ItemId, PartId};

fn flip(mut code: Code256, bits: std::ops::Range<usize>) -> Code256 {
    for bit in bits {
        code.0[bit / 64] ^= 1 << (bit % 64);
    }
    code
}

/// (item, part, grams) of texts, with few distinct grams so that they meet.
fn library() -> impl Strategy<Value = Vec<Vec<Vec<u64>>>> {
    let gram = prop_oneof![0_u64..20, any::<u64>(), Just(u64::MAX)];
    prop::collection::vec(
        prop::collection::vec(prop::collection::vec(gram, 0..20), 0..4),
        0..12,
    )
}

proptest! {
    #[test]
    fn grams_are_found_at_their_places(items in library(), absent: u64) {
        let mut writer = writer();
        let mut expected = BTreeMap::<u64, Vec<(PartId, u32)>>::new();
        let mut having = BTreeMap::<u64, BTreeSet<usize>>::new();
        let mut part = 0;
        for (i, parts) in items.iter().enumerate() {
            let prints = parts.iter().map(|grams| text("", grams)).collect();
            writer.add(&format!("item {i}"), &fingerprint(prints)).unwrap();
            for grams in parts {
                for (at, &gram) in (0..).zip(grams) {
                    expected.entry(gram).or_default().push((PartId(part), at));
                    having.entry(gram).or_default().insert(i);
                }
                part += 1;
            }
        }
        let index = index(&mut writer);
        prop_assert_eq!(index.grams().len(), expected.len());
        let mut prints: Vec<u64> = expected.keys().copied().collect();
        prints.push(absent);
        for &print in &prints {
            let list = index.grams().get(print).unwrap();
            prop_assert_eq!(list.is_some(), expected.contains_key(&print));
            let Some(list) = list else { continue };
            let places: Vec<_> = list.iter().map(Result::unwrap).collect();
            prop_assert_eq!(places, expected[&print].clone());
            prop_assert_eq!(list.len(), expected[&print].len());
            prop_assert_eq!(list.document_frequency() as usize, having[&print].len());
            prop_assert!(!list.discounted());
        }
        let mut hits = Vec::new();
        index.grams().lookup_batch(&prints, &mut hits).unwrap();
        let batch: Vec<_> = hits
            .iter()
            .map(|(i, list)| (prints[*i], list.iter().map(Result::unwrap).collect::<Vec<_>>()))
            .collect();
        let single: Vec<_> = prints
            .iter()
            .filter_map(|p| expected.get(p).map(|places| (*p, places.clone())))
            .collect();
        prop_assert_eq!(batch, single);
    }
}

#[test]
fn items_and_parts_are_read_back() {
    let index = index(&mut sample());
    assert_eq!(index.recipe(), &recipe());
    assert_eq!(index.key(), Some(key()));
    assert_eq!((index.item_count(), index.part_count()), (5, 6));
    for (i, name) in ["z/memo.txt", "mail.eml", "a.png", "staff.csv", "empty"]
        .into_iter()
        .enumerate()
    {
        let item = ItemId(i as u32);
        assert_eq!(index.item_name(item).unwrap(), name);
        assert_eq!(index.item_by_name(name).unwrap(), Some(item));
    }
    assert_eq!(index.item_by_name("absent").unwrap(), None);
    let parts: Vec<_> = index.item_parts(ItemId(1)).unwrap().collect();
    assert_eq!(parts, [PartId(1), PartId(2), PartId(3)]);
    assert_eq!(index.item_parts(ItemId(4)).unwrap().count(), 0);
    let body = index.part(PartId(1)).unwrap();
    assert_eq!((body.item, body.path), (ItemId(1), "body"));
    assert_eq!((body.folded, body.chars, body.grams), (79, 158, 39));
    assert_eq!(index.part(PartId(4)).unwrap().item, ItemId(2));
    assert_eq!(index.char_offset(PartId(1), 33).unwrap(), 66);
    for error in [
        index.item_name(ItemId(5)).unwrap_err(),
        index.part(PartId(6)).unwrap_err(),
        index.pictures().get(3).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
}

#[test]
fn cells_are_found_in_their_rows() {
    let index = index(&mut sample());
    let cells = index.cells();
    assert_eq!((cells.len(), cells.tables()), (7, 1));
    assert_eq!((cells.rows(PartId(5 - 1)), cells.rows(PartId(5))), (0, 3));
    let found = |print| {
        let list = cells.find(print).unwrap()?;
        let places = list.iter().map(|place| place.unwrap());
        let places: Vec<_> = places
            .map(|p| (p.part.0, p.row, p.column, p.unique))
            .collect();
        assert_eq!(list.len(), places.len());
        Some((places, list.discounted()))
    };
    assert_eq!(found(70), Some((vec![(5, 0, 0, true)], false)));
    let shared = vec![(5, 0, 1, false), (5, 1, 1, false), (5, 2, 2, false)];
    assert_eq!(found(71), Some((shared, false)));
    assert_eq!(found(74), Some((vec![(5, 1, 2, false)], true)));
    assert_eq!((found(69), found(77)), (None, None));
}

/// Such values serve queries only. Duplicates are stored once.
#[test]
fn values_in_running_text_are_not_indexed() {
    let mut writer = writer();
    let mut part = table("", &[&[1, 2]]);
    let twice = part.cells[1];
    part.cells.push(twice);
    part.cells[0].tabular = false;
    writer.add("a", &fingerprint(vec![part])).unwrap();
    let index = index(&mut writer);
    assert!(index.cells().find(1).unwrap().is_none());
    assert_eq!(index.cells().find(2).unwrap().unwrap().len(), 1);
    assert_eq!(index.cells().rows(PartId(0)), 1);
}

#[test]
fn digests_and_pictures_are_found_with_their_parts() {
    let index = index(&mut sample());
    let hits = |digest: &Digest| {
        index
            .digests()
            .find(digest)
            .map(|hit| hit.map(|h| (h.kind, h.part.0, h.discounted)))
            .collect::<crate::Result<Vec<_>>>()
            .unwrap()
    };
    assert_eq!(index.digests().len(), 6);
    let second = Digest::of_bytes(b"attachment:2");
    assert_eq!(hits(&second), [(DigestKind::Bytes, 3, true)]);
    assert_eq!(hits(&Digest::of_bytes(b"?")), []);

    let pictures = index.pictures();
    assert_eq!(pictures.len(), 3);
    let first = pictures.get(0).unwrap();
    assert_eq!((first.part, first.quality), (PartId(2), 93));
    assert_eq!((first.width, first.height), (640, 480));
    assert_eq!(first.pdq_nn512, first.pdq.complement());
    let pixels = Digest::of_bytes(&first.pdq.to_le_bytes());
    assert_eq!(
        hits(&pixels),
        [
            (DigestKind::Pixels, 2, false),
            (DigestKind::Pixels, 4, false)
        ]
    );
    assert_eq!(pictures.of_part(PartId(4)), Some(2));
    assert_eq!(pictures.of_part(PartId(0)), None);
    let exec = Executor::serial();
    let (hits, stats) = pictures
        .pdq()
        .search(&[flip(first.pdq, 0..5)], 31, &exec)
        .unwrap();
    assert_eq!(
        hits.iter()
            .map(|h| (h.code, h.distance))
            .collect::<Vec<_>>(),
        [(0, 5), (2, 5)]
    );
    assert_eq!((stats.codes, stats.verified), (3, 2));
    let (hits, _) = pictures
        .gradient()
        .search(&[first.gradient], 0, &exec)
        .unwrap();
    assert_eq!(hits.len(), 2);
}

#[test]
fn ignored_and_background_content_is_discounted() {
    let mut writer = writer();
    writer
        .add("leak", &fingerprint(vec![text("", &[1, 2, 3, 4])]))
        .unwrap();
    writer.ignore(&fingerprint(vec![text("", &[1])])).unwrap();
    // A document counts once, however often it has a print.
    for grams in [[2, 3, 3], [2, 9, 9]] {
        writer
            .background(&fingerprint(vec![text("a", &grams), text("b", &grams)]))
            .unwrap();
    }
    let index = index(&mut writer);
    let discounted: Vec<bool> = (1..=4)
        .map(|gram| index.grams().get(gram).unwrap().unwrap().discounted())
        .collect();
    assert_eq!(discounted, [true, true, false, false]);
    assert_eq!(index.info().discounted_grams, 2);
    assert!(index.grams().get(9).unwrap().is_none());
}

#[test]
fn pictures_are_discounted_if_both_hashes_are_near() {
    let (pdq, gradient) = (Code256([5; 4]), Code256([9; 4]));
    // (bits off in PDQ, in the gradient hash, copies in the background, ignored) -> discounted
    let cases = [
        (31, 40, 0, true, true),
        (32, 40, 0, true, false),
        (31, 41, 0, true, false),
        (10, 10, 1, false, false),
        (10, 10, 2, false, true),
        (10, 41, 2, false, false),
    ];
    for (pdq_off, gradient_off, copies, ignored, expected) in cases {
        let mut writer = writer();
        writer
            .add("leak", &fingerprint(vec![picture("", pdq, gradient)]))
            .unwrap();
        let like = picture(
            "other",
            flip(pdq, 0..pdq_off),
            flip(gradient, 0..gradient_off),
        );
        if ignored {
            writer.ignore(&fingerprint(vec![like.clone()])).unwrap();
        }
        for _ in 0..copies {
            // A document counts once, however often it has a print.
            writer
                .background(&fingerprint(vec![like.clone(), like.clone()]))
                .unwrap();
        }
        let discounted = index(&mut writer).pictures().get(0).unwrap().discounted;
        assert_eq!(discounted, expected, "{pdq_off} {gradient_off} {copies}");
    }
}

/// Beside rarer grams the frequency decides the weight; alone in its messages a gram is vouched for.
#[test]
fn document_frequencies_are_exact_or_up_to_an_eighth_low() {
    let plain = [(47, 47), (48, 48), (53, 48), (54, 54), (300, 297)];
    let vouched = [(5, 5), (16, 16), (19, 16), (20, 20), (53, 47)];
    let cases = plain.map(|case| (12, case)).into_iter();
    for (own, (items, expected)) in cases.chain(vouched.map(|case| (0, case))) {
        let mut writer = writer();
        for i in 0..items {
            let own = (0..own).map(|n| 1000 + 20 * u64::from(i) + n);
            let grams = |first: &[u64]| [first, &own.clone().collect::<Vec<_>>()].concat();
            let parts = vec![text("a", &grams(&[5, 5])), text("b", &grams(&[5]))];
            writer.add(&i.to_string(), &fingerprint(parts)).unwrap();
        }
        let index = index(&mut writer);
        let list = index.grams().get(5).unwrap().unwrap();
        assert_eq!(list.vouched(), own == 0);
        assert_eq!(list.document_frequency(), expected);
        assert_eq!(list.len() as u32, 3 * items);
    }
}

/// A gram that half of its items have in a signature is discounted, in a third it is not.
#[test]
fn grams_that_close_messages_are_discounted() {
    use crate::text::{Mark, Zone};
    for (closing, discounted) in [(1, false), (2, true), (3, true)] {
        let mut writer = writer();
        for i in 0..3 {
            let mut part = text("", &[5, 6]);
            if i < closing {
                part.text.as_mut().unwrap().marks = vec![Mark::new(1, Zone::Closing)];
            }
            writer
                .add(&i.to_string(), &fingerprint(vec![part]))
                .unwrap();
        }
        let index = index(&mut writer);
        let list = |print| index.grams().get(print).unwrap().unwrap();
        assert_eq!(list(6).discounted(), discounted, "{closing}");
        assert!(!list(5).discounted());
        assert_eq!((list(6).len(), list(6).document_frequency()), (3, 3));
    }
}

#[test]
fn a_failed_add_leaves_the_writer_unchanged() {
    let mut writer = sample();
    let before = writer.to_bytes(&Executor::serial()).unwrap();
    let good = fingerprint(vec![text("", &[1])]);
    let kind = |result: crate::Result<ItemId>| result.unwrap_err().kind();
    assert_eq!(kind(writer.add("a.png", &good)), ErrorKind::InvalidInput);
    let mut foreign = good.clone();
    foreign.recipe.key_id = Key::from_bytes([8; 32]).id();
    assert_eq!(kind(writer.add("new", &foreign)), ErrorKind::Recipe);
    assert!(writer.ignore(&foreign).is_err() && writer.background(&foreign).is_err());
    let mut outside = good.clone();
    outside.parts[0].text.as_mut().unwrap().grams[0].at = 1000;
    assert_eq!(kind(writer.add("new", &outside)), ErrorKind::Malformed);
    let mut unsorted = good.clone();
    unsorted.parts[0].text.as_mut().unwrap().anchors = vec![5, 4];
    assert_eq!(kind(writer.add("new", &unsorted)), ErrorKind::Malformed);
    assert_eq!(writer.to_bytes(&Executor::serial()).unwrap(), before);
    writer.add("new", &good).unwrap();
    assert_eq!(writer.len(), 6);
}

#[test]
fn a_writer_refuses_another_key_or_recipe() {
    let other = Key::from_bytes([8; 32]);
    let error = IndexWriter::new(recipe(), Some(other)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Recipe);
    let mut future = recipe();
    future.version += 1;
    assert_eq!(
        IndexWriter::new(future, None).unwrap_err().kind(),
        ErrorKind::Recipe
    );
    let mut writer = IndexWriter::new(recipe(), None).unwrap();
    let index = index(&mut writer);
    assert_eq!(index.key(), None);
    assert!(!index.info().key_stored && index.grams().is_empty());
    let debug = format!("{index:?}");
    assert!(!debug.contains("7, 7, 7"), "{debug}");
}

/// Thousands of grams, so that several threads have work.
#[test]
fn the_bytes_do_not_depend_on_the_number_of_threads() {
    let build = |threads| {
        let mut writer = writer();
        for i in 0..50_u64 {
            let grams: Vec<u64> = (0..400)
                .map(|g| (g * i % 977).wrapping_mul(0x9E37_79B9_7F4A_7C15))
                .collect();
            let pdq = Code256([i % 7; 4]);
            let parts = vec![text("", &grams), picture("p", pdq, pdq)];
            let print = fingerprint(parts);
            match i % 10 {
                0 => writer.ignore(&print).unwrap(),
                1 | 2 => writer.background(&print).unwrap(),
                _ => {
                    writer.add(&format!("{}", i * 7919 % 101), &print).unwrap();
                }
            }
        }
        let exec = Executor::with_threads(threads).unwrap();
        let bytes = writer.to_bytes(&exec).unwrap();
        assert_eq!(writer.to_bytes(&exec).unwrap(), bytes, "saved twice");
        Index::from_bytes(&bytes).unwrap().verify(&exec).unwrap();
        bytes
    };
    let one = build(1);
    for threads in [2, 3, 4] {
        assert!(build(threads) == one, "{threads} threads");
    }
}

/// If this fails, the format has changed: raise `FORMAT_VERSION` and `FORMAT.md`, then this.
#[test]
fn the_bytes_of_the_format_do_not_change() {
    let bytes = sample().to_bytes(&Executor::serial()).unwrap();
    assert_eq!(
        blake3::hash(&bytes).to_hex().as_str(),
        "d6fa06f8ec05d38e110a8ca99f19c4e6f6ce4851fb6d2b63dce1945c2e69ac2d"
    );
}

#[test]
fn info_accounts_for_every_byte() {
    let info = index(&mut sample()).info();
    assert_eq!((info.items, info.parts, info.pictures), (5, 6, 3));
    assert_eq!((info.digests, info.grams, info.postings), (6, 59, 69));
    assert_eq!((info.discounted_grams, info.key_stored), (3, true));
    assert_eq!((info.cells, info.discounted_cells), (7, 1));
    assert_eq!(info.sections.len(), 21);
    let content: u64 = info.sections.iter().map(|s| s.bytes).sum();
    let frame = 64 * 22;
    assert!(content + frame <= info.file_bytes);
    assert!(info.file_bytes < content + frame + 64 * 21);
    let json = serde_json::to_value(&info).unwrap();
    assert_eq!(json["sections"][0]["name"], "meta");
}

/// Tables change only the time of a search.
#[test]
fn tables_and_scan_find_the_same_pictures() {
    let (mut few, mut many) = (sample(), sample());
    many.tables_from = 3;
    let (scanned, looked_up) = (index(&mut few), index(&mut many));
    assert!(!scanned.pictures().pdq().has_tables());
    let exec = Executor::serial();
    for i in 0..3 {
        let picture = looked_up.pictures().get(i).unwrap();
        assert_eq!(picture, scanned.pictures().get(i).unwrap());
        for (codes, code) in [
            (looked_up.pictures().pdq(), picture.pdq),
            (looked_up.pictures().gradient(), picture.gradient),
        ] {
            assert!(codes.has_tables());
            let mut near = code;
            near.0[2] ^= 0xFF00;
            for engine in [Engine::Scan, Engine::Mih] {
                let (hits, _) = codes
                    .with_engine(engine)
                    .search(&[near], 24, &exec)
                    .unwrap();
                assert!(hits.iter().any(|hit| (hit.code, hit.distance) == (i, 8)));
            }
        }
    }
}
