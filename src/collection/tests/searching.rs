//! Verdicts do not depend on where items lie.

use super::*;
use crate::collection::{FalseMatch, FalseScope};
use crate::matcher::{Match, MatchOptions, Strength};
use crate::media::PartPath;

fn find(snapshot: &Snapshot, query: &Fingerprint) -> Vec<Match> {
    let options = MatchOptions {
        min_strength: Strength::Possible,
        ..MatchOptions::default()
    };
    snapshot
        .matcher(options)
        .unwrap()
        .find_at(query, Timestamp(10))
        .unwrap()
}

/// Sixty texts that share phrases, and pictures, over eight segments and a head; a third of what was
/// added is removed again or replaced.
fn spread(disk: &Simulator) -> CollectionWriter {
    let open = writer(disk).unwrap();
    for segment in 0..9 {
        for i in 0..8 {
            let n = segment * 8 + i;
            let own = sample::words(&format!("own {n}"), 30);
            // Phrases of two, six, and twenty items.
            let shared = [2, 6, 20].map(|of| sample::words(&format!("phrase {}", n / of), 14));
            let text = format!("{} {own} {} {}", shared[0], shared[1], shared[2]);
            let print = sample::fingerprinter().fingerprint_text(&text).unwrap();
            open.add(item(&format!("text {n}"), &print, "t")).unwrap();
        }
        open.add(item(
            &format!("picture {segment}"),
            &sample::picture(segment),
            "p",
        ))
        .unwrap();
        open.add(code_item(u64::from(segment), "c")).unwrap();
        if segment < 8 {
            open.flush().unwrap();
        }
    }
    let names: Vec<String> = (0..72).step_by(3).map(|n| format!("text {n}")).collect();
    open.remove(&names).unwrap();
    open.remove(&["picture 2"]).unwrap();
    open
}

#[test]
fn one_segment_and_nine_say_the_same() {
    let disk = Simulator::new(1);
    let open = spread(&disk);
    let apart = open.collection().snapshot();
    let on_disk = apart.info().segments.iter().filter(|s| !s.head).count();
    assert_eq!(on_disk, 8);
    open.compact().unwrap();
    let together = open.collection().snapshot();
    assert_eq!(together.info().segments.len(), 1);
    assert_eq!(contents(&apart), contents(&together));

    let mut queries = Vec::new();
    for n in (0..72).step_by(5) {
        let parts = [
            sample::words(&format!("own {n}"), 30),
            sample::words(&format!("phrase {}", n / 2), 14),
            sample::words(&format!("phrase {}", n / 6), 14),
            sample::words(&format!("phrase {}", n / 20), 14),
        ];
        for text in [parts.join(" "), parts[1..].join(" "), parts[3].clone()] {
            queries.push(sample::fingerprinter().fingerprint_text(&text).unwrap());
        }
    }
    let mut found = 0;
    for query in &queries {
        let (a, b) = (find(&apart, query), find(&together, query));
        found += a.len();
        assert_eq!(a, b);
    }
    assert!(found > 40, "{found} matches are too few to compare");
    for n in 0..9 {
        let query = sample::picture(n);
        let whole = |found: Vec<Match>| {
            let evidence = found.into_iter().map(|mut one| {
                // Parts of pictures are weighed segment by segment.
                one.evidence.retain(|evidence| evidence.kind() != "region");
                one
            });
            evidence.collect::<Vec<_>>()
        };
        let (a, b) = (find(&apart, &query), find(&together, &query));
        assert_eq!(a.is_empty(), n == 2);
        assert_eq!(whole(a), whole(b));
    }
}

/// What was added or removed while a batch or a stream is under way does not show in it.
#[test]
fn batches_and_streams_see_one_snapshot_in_input_order() {
    use crate::exec::Executor;
    let disk = Simulator::new(1);
    let open = spread(&disk);
    let matcher = open
        .collection()
        .snapshot()
        .matcher(MatchOptions::default());
    let matcher = matcher.unwrap();
    let texts: Vec<String> = (0..72)
        .map(|n| sample::words(&format!("own {n}"), 30))
        .collect();
    let fingerprinter = sample::fingerprinter();
    let queries: Vec<Fingerprint> = texts
        .iter()
        .map(|text| fingerprinter.fingerprint_text(text).unwrap())
        .collect();
    let expected: Vec<_> = queries.iter().map(|q| matcher.find(q).unwrap()).collect();
    // Of three items one was removed.
    assert_eq!(expected.iter().filter(|found| found.len() == 1).count(), 48);
    let names: Vec<String> = (0..40).map(|n| format!("text {n}")).collect();
    open.remove(&names).unwrap();
    for threads in [1, 3] {
        let exec = Executor::with_threads(threads).unwrap();
        let found: Vec<_> = matcher
            .find_batch(&queries, &exec)
            .into_iter()
            .map(Result::unwrap)
            .collect();
        assert_eq!(found, expected, "{threads} threads");
        let mut streamed = Vec::new();
        let result: Result<()> = matcher.find_stream(
            texts.iter(),
            4,
            &exec,
            |fingerprinter, text| fingerprinter.fingerprint_text(text),
            |text, result| {
                let (print, found) = result?;
                assert_eq!(*text, texts[streamed.len()]);
                assert_eq!(print, queries[streamed.len()]);
                if streamed.is_empty() {
                    open.remove(&["text 50"])?;
                }
                streamed.push(found);
                Ok(())
            },
        );
        result.unwrap();
        assert_eq!(streamed, expected, "{threads} threads");
    }
}

/// Filters spare look-ups and nothing else.
#[test]
fn what_the_filter_spares_is_not_there() {
    let disk = Simulator::new(1);
    let open = spread(&disk);
    let mut found = 0;
    for round in 0..3_u32 {
        for n in 0..70_u32 {
            let text = sample::words(&format!("late {}", 100 * round + n), 24);
            let print = sample::fingerprinter().fingerprint_text(&text).unwrap();
            // The same names again, so that items of the head are replaced.
            open.add(item(&format!("late {n}"), &print, "t")).unwrap();
        }
        open.remove(&["late 3", "late 60"]).unwrap();
        let snapshot = open.collection().snapshot();
        let fingerprinter = sample::fingerprinter();
        let recipe = fingerprinter.recipe().clone();
        let matcher = |indexes| crate::Matcher::over(indexes, fingerprinter.clone());
        if round == 0 {
            let unprepared = snapshot.state.searched(&recipe, false).unwrap();
            assert!(unprepared.groups()[0].filter.is_none());
        }
        let indexes = snapshot.state.searched(&recipe, true).unwrap();
        assert!(indexes.groups().iter().all(|group| group.filter.is_some()));
        assert_eq!(indexes.groups()[1].views.len(), open_head(&snapshot));
        let unprepared = snapshot.state.searched(&recipe, false).unwrap();
        assert!(
            unprepared.groups()[0].filter.is_some(),
            "it was prepared before"
        );
        let without = matcher(indexes.clone().without_filters());
        let with = matcher(indexes);
        let late = (0..70).map(|n| format!("late {}", 100 * round + n));
        for seed in late.chain((0..72).map(|n| format!("own {n}"))) {
            let query = sample::text(&seed, 24);
            let found_with = with.find(&query).unwrap();
            found += found_with.len();
            assert_eq!(found_with, without.find(&query).unwrap(), "{seed}");
        }
        if round == 0 {
            open.flush().unwrap();
        }
    }
    assert!(found > 300, "{found} matches are too few to compare");
}

fn open_head(snapshot: &Snapshot) -> usize {
    snapshot.info().segments.iter().filter(|s| s.head).count()
}

/// A detail that a hundred pictures of another segment have is no more rare for being alone in its own.
#[test]
fn what_other_segments_show_is_not_rare() {
    use crate::exec::Executor;
    use crate::index::{Index, IndexWriter};
    let picture = |n| sample::picture(n);
    let writer = |from: u32, to: u32, beside: Option<&Index>| {
        let mut writer = IndexWriter::new(sample::fingerprinter().recipe().clone(), None).unwrap();
        for n in from..to {
            writer.add(&n.to_string(), &picture(n % 2)).unwrap();
        }
        beside.iter().for_each(|index| writer.add_sibling(index));
        Index::from_bytes(writer.to_bytes(&Executor::serial()).unwrap()).unwrap()
    };
    let others = |index: &Index| {
        let (_, prints) = index.locals().of_picture(0).unwrap();
        prints
            .iter()
            .map(|print| u32::from(print.others))
            .collect::<Vec<_>>()
    };
    let many = writer(0, 10, None);
    let alone = writer(10, 11, None);
    let beside = writer(10, 11, Some(&many));
    let together = writer(0, 11, None);
    assert!(others(&alone).iter().all(|&n| n == 0));
    // Five of the ten are the same picture.
    let (found, expected) = (others(&beside), others(&together));
    assert_eq!(found.len(), expected.len());
    let same = found
        .iter()
        .zip(&expected)
        .filter(|(a, b)| a.abs_diff(**b) <= 1)
        .count();
    assert!(same * 10 > found.len() * 9, "{same} of {}", found.len());
}

#[test]
fn what_is_removed_counts_for_nothing() {
    let disk = Simulator::new(1);
    let open = writer(&disk).unwrap();
    let phrase = sample::words("phrase", 12);
    let text = |n: u32| format!("{} {phrase}", sample::words(&n.to_string(), 20));
    let print = |text: &str| sample::fingerprinter().fingerprint_text(text).unwrap();
    for n in 0..30 {
        open.add(item(&n.to_string(), &print(&text(n)), ""))
            .unwrap();
    }
    open.flush().unwrap();
    let query = print(&phrase);
    let strength = |snapshot: Snapshot| find(&snapshot, &query).first().map(|m| m.score);
    let common = strength(open.collection().snapshot());
    let names: Vec<String> = (2..30).map(|n| n.to_string()).collect();
    open.remove(&names).unwrap();
    let rare = strength(open.collection().snapshot());
    open.compact().unwrap();
    assert_eq!(
        rare,
        strength(open.collection().snapshot()),
        "removed items still weigh"
    );
    assert!(rare > common, "{rare:?} {common:?}");
}

#[test]
fn metadata_comes_with_matches_and_expiry_ends_them() {
    let disk = Simulator::new(1);
    let open = writer(&disk).unwrap();
    let print = sample::text("memo", 30);
    let mut metadata = Metadata::added(Timestamp(5))
        .with_label("contract")
        .with_tag("case", "7")
        .until(Timestamp(4_000_000_000));
    metadata.note = Some("seen twice".to_owned());
    open.add(NewItem::new("memo", print.clone()).with_metadata(metadata.clone()))
        .unwrap();
    for _ in 0..2 {
        let matcher = open
            .collection()
            .snapshot()
            .matcher(MatchOptions::default())
            .unwrap();
        let found = matcher.find_at(&print, Timestamp(3_999_999_999)).unwrap();
        assert_eq!(found[0].metadata.as_ref(), Some(&metadata));
        let json = serde_json::to_value(&found[0]).unwrap();
        assert_eq!(json["item"], "memo");
        assert_eq!(json["tags"]["case"], "7");
        assert_eq!(json["expires"], "2096-10-02T07:06:40Z");
        assert!(
            matcher
                .find_at(&print, Timestamp(4_000_000_000))
                .unwrap()
                .is_empty()
        );
        open.flush().unwrap();
    }
    let old = Metadata::added(Timestamp(5)).until(Timestamp(20));
    open.add(NewItem::new("old", print).with_metadata(old))
        .unwrap();
    assert_eq!(open.collection().snapshot().len(), 2);
    open.compact().unwrap();
    assert_eq!(
        open.collection().snapshot().len(),
        1,
        "merging keeps what has expired"
    );
}

fn trusting(snapshot: &Snapshot, query: &Fingerprint) -> Vec<Match> {
    let options = MatchOptions::default().with_trust_hash_lists(true);
    snapshot.matcher(options).unwrap().find(query).unwrap()
}

#[test]
fn a_second_print_confirms_or_refutes_a_hash() {
    let disk = Simulator::new(1);
    let open = writer(&disk).unwrap();
    let print = sample::picture(4);
    let other = sample::picture(5);
    let raster = |print: &Fingerprint| print.parts[0].raster.clone().unwrap();
    let code = raster(&print).pdq.code();
    let possible = MatchOptions::default().with_min_strength(Strength::Possible);
    let found = |gradient| {
        open.add(listed(Pipeline::Full, code, gradient)).unwrap();
        open.flush().unwrap();
        let snapshot = open.collection().snapshot();
        let matcher = snapshot.matcher(possible.clone()).unwrap();
        let found = matcher.find(&print).unwrap();
        found.first().map(|found| found.strength)
    };
    assert_eq!(found(None), Some(Strength::Possible));
    let own = raster(&print).gradient.upright[0];
    assert_eq!(found(Some(own)), Some(Strength::Strong));
    let foreign = raster(&other).gradient.upright[0];
    assert_eq!(found(Some(foreign)), None);
}

/// Makes an item of a hash list.
fn listed(pipeline: Pipeline, code: Code256, gradient: Option<Code256>) -> NewItem {
    let content = Content::Code {
        pipeline,
        code,
        quality: 90,
        gradient,
    };
    NewItem {
        name: String::new(),
        metadata: Metadata::added(Timestamp(0)),
        content,
    }
}

#[test]
fn codes_are_matched_by_their_own_pipeline_alone() {
    let disk = Simulator::new(1);
    let open = writer(&disk).unwrap();
    let print = sample::picture(4);
    let raster = print.parts[0].raster.as_ref().unwrap();
    let codes = [
        (Pipeline::Full, raster.pdq.code()),
        (Pipeline::Nn512, raster.pdq_nn512),
    ];
    for (pipeline, code) in codes {
        let mut near = code;
        near.0[1] ^= 0b1011;
        let other = Code256(code.0.map(|word| word.rotate_left(7)));
        for (pipeline, code) in [(pipeline, near), (pipeline, other)] {
            open.add(listed(pipeline, code, None)).unwrap();
        }
        for _ in 0..2 {
            let alone = find(&open.collection().snapshot(), &print);
            assert!(alone.iter().all(|m| m.strength == Strength::Possible) && !alone.is_empty());
            let found = trusting(&open.collection().snapshot(), &print);
            let names: Vec<_> = found.iter().map(|m| m.item.clone()).collect();
            assert!(names.contains(&pipeline.item_name(&near)), "{names:?}");
            assert!(!names.contains(&pipeline.item_name(&other)));
            assert!(found.iter().all(|m| m.strength == Strength::Strong));
            open.flush().unwrap();
        }
    }
    // Turned, by the full pipeline's variants.
    let turned = crate::Dihedral::Rotate90;
    let raster = sample::raster(4);
    let (pixels, width, height) = turned.apply(raster.pixels().as_bytes(), 320, 240, 3);
    let pixels = crate::raster::Pixels::Rgb8(pixels);
    let raster = crate::raster::Raster::new(width, height, pixels).unwrap();
    let found = trusting(
        &open.collection().snapshot(),
        &sample::fingerprinter().fingerprint_raster(&raster),
    );
    assert_eq!(found.len(), 1);
    let crate::Evidence::Code { transform, .. } = &found[0].evidence[0] else {
        panic!("{found:?}")
    };
    assert_eq!(*transform, turned);
}

#[test]
fn what_a_reviewer_marked_is_not_reported_again() {
    let disk = Simulator::new(1);
    let open = writer(&disk).unwrap();
    let print = sample::text("memo", 30);
    let other = {
        let text = format!("Fwd: {}", sample::words("memo", 30));
        sample::fingerprinter().fingerprint_text(&text).unwrap()
    };
    let picture = sample::picture(1);
    open.add(item("memo", &print, "")).unwrap();
    open.add(item("picture", &picture, "")).unwrap();
    let mark = |item: &str, scope: FalseScope| FalseMatch {
        item: item.to_owned(),
        scope,
        by: "ana".to_owned(),
        at: Timestamp(1),
        why: "public".to_owned(),
    };
    let found = |query: &Fingerprint| find(&open.collection().snapshot(), query).len();
    assert_eq!((found(&print), found(&other), found(&picture)), (1, 1, 1));
    let scope = FalseScope::Digest(print.parts[0].bytes.unwrap());
    open.mark_false(&[mark("memo", scope.clone())]).unwrap();
    assert_eq!((found(&print), found(&other), found(&picture)), (0, 1, 1));
    let code = picture.parts[0].raster.as_ref().unwrap().pdq.code();
    open.mark_false(&[mark("picture", FalseScope::Picture(code))])
        .unwrap();
    open.mark_false(&[mark("memo", FalseScope::ItemPart(PartPath::root()))])
        .unwrap();
    assert_eq!((found(&print), found(&other), found(&picture)), (0, 0, 0));
    open.compact().unwrap();
    assert_eq!((found(&print), found(&other), found(&picture)), (0, 0, 0));
    assert_eq!(reader(&disk).unwrap().snapshot().false_matches().count(), 3);
    let json = serde_json::to_string(&mark("memo", scope.clone())).unwrap();
    assert_eq!(
        serde_json::from_str::<FalseMatch>(&json).unwrap(),
        mark("memo", scope)
    );
    assert!(
        open.unmark("memo", &FalseScope::ItemPart(PartPath::root()))
            .unwrap()
            .0
    );
    assert_eq!((found(&print), found(&other)), (0, 1));
}

#[test]
fn the_same_again_is_unchanged_and_another_one_takes_its_place() {
    use crate::collection::AddOutcome;
    let disk = Simulator::new(1);
    let open = writer(&disk).unwrap();
    let (a, b) = (sample::text("a", 30), sample::text("b", 30));
    for _ in 0..2 {
        open.add(item("memo", &a, "x")).unwrap();
        assert_eq!(
            open.add(item("memo", &a, "x")).unwrap().0,
            AddOutcome::Unchanged
        );
        let (results, _) = open
            .add_batch(&[item("memo", &b, "x"), item("memo", &b, "x")])
            .unwrap();
        let results: Vec<AddOutcome> = results.into_iter().map(|r| r.unwrap()).collect();
        assert_eq!(results, [AddOutcome::Added, AddOutcome::Unchanged]);
        let snapshot = open.collection().snapshot();
        assert_eq!(
            (
                snapshot.len(),
                find(&snapshot, &a).len(),
                find(&snapshot, &b).len()
            ),
            (1, 0, 1)
        );
        open.compact().unwrap();
    }
    let foreign = crate::Fingerprinter::builder()
        .build()
        .unwrap()
        .fingerprint_text("x y z")
        .unwrap();
    let batch = [item("foreign", &foreign, ""), item("fine", &a, "")];
    let (results, _) = open.add_batch(&batch).unwrap();
    assert_eq!(
        results[0].as_ref().unwrap_err().kind(),
        crate::ErrorKind::Recipe
    );
    assert!(results[1].is_ok());
    assert!(open.add(item("pdq:", &a, "")).is_ok());
    let code = name_of(&code_item(1, ""));
    assert!(open.add(item(&code, &a, "")).is_err());
}
