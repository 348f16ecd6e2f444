//! Promises of the public API: handles that are shared by threads, results and configuration that
//! survive a round trip through serde, errors that say what to do.

use std::sync::Arc;

use leakprint::collection::{
    AddOutcome, CodeItem, CollectionInfo, CollectionWriter, Discount, FalseMatch, FalseScope,
    Imported, ItemInfo, Metadata, NewItem, RepairReport, SegmentSummary, Snapshot, Timestamp,
    VerifyReport, WriterOptions,
};
use leakprint::exchange::{ItemLine, PdqList, ThreatEntry};
use leakprint::fingerprint::{FingerprinterBuilder, Pipeline};
use leakprint::index::{CodeSet, Engine, IndexInfo, SearchStats};
use leakprint::media::{Format, GreyPicture, TextFromImage};
use leakprint::raster::Raster;
use leakprint::{
    Budget, Code256, Collection, Dihedral, Error, ErrorKind, Evidence, Executor, Explanation,
    Fingerprint, Fingerprinter, Index, IndexWriter, Key, Limits, Match, MatchOptions, Matcher,
    Recipe, Source, Strength,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

const MEMO: &str = "The winter slate moves by six weeks, and Lighthouse opens in fourteen \
                    territories with no press screening before the Wednesday, even though it \
                    tested at seventy-one.";

const HASH: &str = "d8f8f0cec0f4a84f0637022a278f67f0b36e2ed596621e1d33e6339c4e9c9b22";

#[test]
fn a_service_may_share_everything_between_threads() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Fingerprinter>();
    shared::<FingerprinterBuilder>();
    shared::<Fingerprint>();
    shared::<Key>();
    shared::<Recipe>();
    shared::<Limits>();
    shared::<Budget>();
    shared::<Executor>();
    shared::<Error>();
    shared::<IndexWriter>();
    shared::<Index>();
    shared::<CodeSet>();
    shared::<Matcher>();
    shared::<Source>();
    shared::<MatchOptions>();
    shared::<Match>();
    shared::<Evidence>();
    shared::<Explanation>();
    shared::<Collection>();
    shared::<CollectionWriter>();
    shared::<WriterOptions>();
    shared::<Snapshot>();
    shared::<NewItem>();
    shared::<FalseMatch>();
    shared::<ItemLine>();
    shared::<PdqList<'static>>();
    shared::<Arc<dyn TextFromImage>>();
    shared::<GreyPicture>();
    shared::<Raster>();
    shared::<Format>();
}

/// Checks that a value survives a round trip through JSON.
fn round_trip<T: Serialize + DeserializeOwned>(value: &T) -> T {
    let json = serde_json::to_string(value).unwrap();
    let back: T = serde_json::from_str(&json).unwrap();
    assert_eq!(serde_json::to_string(&back).unwrap(), json);
    back
}

fn returns<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T) {
    assert_eq!(&round_trip(value), value);
}

#[test]
fn every_kind_of_evidence_is_read_back() {
    // The names in the JSON lines are stable.
    let kinds = [
        r#"{"kind":"bytes","part":"","item_part":"attachment:1"}"#,
        r#"{"kind":"pixels","part":"","item_part":""}"#,
        r#"{"kind":"image","part":"","item_part":"","distance":12,"gradient_distance":9,"sketch_distance":31,"transform":"rotate90","inverted":false,"score":0.98}"#,
        r#"{"kind":"code","part":"","item_part":"","pipeline":"nn512","distance":3,"transform":"identity","inverted":true,"score":0.9}"#,
        r#"{"kind":"region","part":"","item_part":"","region":[1,2,3,4],"item_region":[5,6,7,8],"transform":[1.0,0.0,0.0,0.0,1.0,0.0,0.0,0.0,1.0],"mirrored":false,"inverted":false,"agreed":40,"compared":50,"distinctive":31.5,"share":0.75,"of_query":0.5,"of_item":0.25,"score":0.8}"#,
        r#"{"kind":"text","part":"","item_part":"","covered":96,"distinctive":90.5,"discounted":0,"query_span":[0,120],"item_span":[4,124],"score":0.9}"#,
        r#"{"kind":"text","part":"","item_part":"","covered":96,"distinctive":90.5,"discounted":0,"query_span":[0,120],"region":[1,2,3,4],"item_span":[4,124],"score":0.9}"#,
        r#"{"kind":"record","part":"","item_part":"","rows":[2,5],"records":2,"cells":6,"surprise":40.5,"query_span":[0,80],"score":0.9}"#,
    ];
    for json in kinds {
        let evidence: Evidence = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&evidence).unwrap(), json);
        assert!(json.contains(&format!(r#""kind":"{}""#, evidence.kind())));
    }
}

#[test]
fn configuration_is_read_back_and_mistakes_are_reported() {
    let mut limits = Limits::default();
    limits.pixels = 7;
    returns(&limits);
    returns(
        &MatchOptions::default()
            .with_max_evidence(3)
            .with_text_floor(40),
    );
    for strength in [Strength::Possible, Strength::Strong, Strength::Certain] {
        assert_eq!(serde_json::to_value(strength).unwrap(), strength.as_str());
        returns(&strength);
    }
    assert!(serde_json::from_str::<Limits>(r#"{"pixel": 7}"#).is_err());
    Dihedral::ALL.iter().for_each(returns);
    Pipeline::ALL.iter().for_each(returns);
    [Engine::Auto, Engine::Scan, Engine::Mih]
        .iter()
        .for_each(returns);
    [Discount::Ignore, Discount::Background]
        .iter()
        .for_each(returns);
    [ErrorKind::Io, ErrorKind::InvalidInput]
        .iter()
        .for_each(returns);
}

#[test]
fn results_of_an_index_are_read_back() {
    let fingerprinter = Fingerprinter::builder().build().unwrap();
    let print = fingerprinter.fingerprint_text(MEMO).unwrap();
    let mut writer = IndexWriter::from(&fingerprinter);
    writer.add("memo.txt", &print).unwrap();
    let index = writer.to_index().unwrap();
    returns::<IndexInfo>(&index.info());
    let matcher = Matcher::new(index).unwrap();
    let (matches, stats) = matcher.find_with_stats(&print).unwrap();
    assert_eq!(matches.len(), 1);
    returns::<Vec<Match>>(&matches);
    returns::<SearchStats>(&stats);
    returns::<Explanation>(&matcher.explain("memo.txt", &print).unwrap());
    returns::<Fingerprint>(&print);
}

#[test]
fn results_of_a_collection_are_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let exec = Executor::serial();
    let writer = CollectionWriter::open(folder.path(), WriterOptions::default()).unwrap();
    let fingerprinter = writer.collection().fingerprinter().unwrap();
    let print = fingerprinter.fingerprint_text(MEMO).unwrap();
    let metadata = Metadata::added(Timestamp(1_772_366_400))
        .with_label("plans")
        .with_note("from the board")
        .with_tag("case", "7")
        .until(Timestamp(4_102_444_800));
    returns(&metadata);
    let item = NewItem::new("memo.txt", print.clone()).with_metadata(metadata.clone());
    let (added, _) = writer.add(item.clone()).unwrap();
    let (again, _) = writer.add(item).unwrap();
    assert_eq!((added, again), (AddOutcome::Added, AddOutcome::Unchanged));
    for (added, word) in [(added, "added"), (again, "unchanged")] {
        assert_eq!(serde_json::to_value(added).unwrap(), word);
        assert_eq!(added.as_str(), word);
        returns(&added);
    }
    let code = CodeItem::new(HASH.parse().unwrap(), 90, metadata);
    returns(&code);
    returns::<Imported>(
        &writer
            .import_codes(Pipeline::Full, vec![code], false)
            .unwrap(),
    );

    let scope = FalseScope::Picture(Code256([1, 2, 3, 4]));
    let mark = FalseMatch::new("memo.txt", scope, "ada", "public");
    returns(&mark);
    writer.mark_false(&[mark]).unwrap();
    let snapshot = writer.collection().snapshot();
    let found = snapshot.find_text(MEMO).unwrap();
    assert_eq!(found.len(), 1);
    returns::<Vec<Match>>(&found);
    let infos: Vec<ItemInfo> = snapshot.items().map(Result::unwrap).collect();
    assert_eq!(infos.len(), 2);
    returns(&infos);
    returns::<CollectionInfo>(&snapshot.info());
    returns::<Vec<SegmentSummary>>(&snapshot.info().segments);
    for content in snapshot.contents() {
        let (info, content) = content.unwrap();
        returns(&ItemLine::new(info, content));
    }
    returns(&ThreatEntry::new(&HASH.parse().unwrap(), 90));
    let verified = leakprint::collection::verify(folder.path(), &exec).unwrap();
    returns::<VerifyReport>(&verified);
    drop(writer);
    std::fs::write(folder.path().join("manifest"), b"").unwrap();
    let repaired = leakprint::collection::repair(folder.path(), &exec).unwrap();
    assert!(!repaired.lost.is_empty());
    returns::<RepairReport>(&repaired);
}

#[test]
fn one_call_serves_with_a_key_and_without() {
    let folder = tempfile::tempdir().unwrap();
    let key = Key::from_bytes([7; 32]);
    let kept = Fingerprinter::builder().key(key.clone()).build().unwrap();
    let random = Fingerprinter::builder().build().unwrap();
    let index = |fingerprinter: &Fingerprinter| {
        let mut writer = IndexWriter::from(fingerprinter);
        let print = fingerprinter.fingerprint_text(MEMO).unwrap();
        writer.add("memo.txt", &print).unwrap();
        writer.to_index().unwrap()
    };
    let collection = |name: &str, key: Option<Key>| {
        let path = folder.path().join(name);
        CollectionWriter::open(&path, WriterOptions::default().with_key(key)).unwrap();
        path
    };
    let (stored, apart) = (
        collection("stored", None),
        collection("apart", Some(key.clone())),
    );
    let other = Key::from_bytes([8; 32]);
    for (given, with_stored, with_apart) in [
        (None, true, false),
        (Some(&other), false, false),
        (Some(&key), false, true),
    ] {
        let given = given.cloned();
        for (result, expected) in [
            (
                Matcher::with_key(index(&random), given.clone()).map(drop),
                with_stored,
            ),
            (
                Matcher::with_key(index(&kept), given.clone()).map(drop),
                with_apart,
            ),
            (
                Collection::open_with_key(&stored, given.clone())
                    .and_then(|open| open.fingerprinter().map(drop)),
                with_stored,
            ),
            (
                Collection::open_with_key(&apart, given.clone())
                    .and_then(|open| open.fingerprinter().map(drop)),
                with_apart,
            ),
        ] {
            match result {
                Ok(()) => assert!(expected, "{given:?}"),
                Err(e) => {
                    assert!(!expected, "{given:?}: {e}");
                    assert_eq!(e.kind(), ErrorKind::Recipe);
                }
            }
        }
    }
    // The fingerprinter of a matcher was given its key, so an index that it writes does not contain it.
    let matcher = Matcher::with_key(index(&kept), key).unwrap();
    assert!(index(matcher.query_fingerprinter()).key().is_none());
    assert!(index(&random).key().is_some());
}

/// The message of a call that fails.
fn error_message<T>(result: Result<T, Error>) -> String {
    result.err().expect("an error").to_string()
}

#[test]
fn errors_say_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let key = Key::from_bytes([7; 32]);
    let kept = Fingerprinter::builder().key(key.clone()).build().unwrap();
    let print = kept.fingerprint_text(MEMO).unwrap();
    let mut writer = IndexWriter::from(&kept);
    writer.add("memo.txt", &print).unwrap();
    let index = writer.to_index().unwrap();
    let bytes = writer.to_bytes(&Executor::serial()).unwrap();
    let mut old = bytes.clone();
    old[8] = 1;
    let leak = at("leak");
    let options = || WriterOptions::default().with_key(key.clone());
    drop(CollectionWriter::open(&leak, options()).unwrap());
    std::fs::write(at("notes.txt"), "notes").unwrap();

    let id = key.id().to_string();
    let foreign = Fingerprinter::builder().build().unwrap();
    let matcher = Matcher::with_key(index.clone(), key.clone()).unwrap();
    let stranger = foreign.fingerprint_text(MEMO).unwrap();
    for (message, remedy) in [
        (
            error_message(Matcher::new(index.clone())),
            format!("give the key whose ID is {id}"),
        ),
        (
            error_message(Matcher::with_key(index, foreign.key().clone())),
            format!("give the key whose ID is {id}"),
        ),
        (
            error_message(Collection::open(&leak).unwrap().fingerprinter()),
            format!("give the key whose ID is {id}"),
        ),
        (
            error_message(matcher.find(&stranger)),
            "one recipe and key".to_owned(),
        ),
        (
            error_message(writer.add("memo.txt", &print)),
            "a unique name".to_owned(),
        ),
        (
            error_message(matcher.explain("memo", &print)),
            "as it was added".to_owned(),
        ),
        (
            error_message(Index::from_bytes(&bytes[..bytes.len() - 1])),
            "copy it again".to_owned(),
        ),
        (
            error_message(Index::from_bytes(old)),
            "rebuild the index".to_owned(),
        ),
        (
            error_message(Index::open(&leak)),
            "this is a folder".to_owned(),
        ),
        (
            error_message(Collection::open(at("notes.txt"))),
            "a collection is a folder".to_owned(),
        ),
        (
            error_message(Collection::open(at("none"))),
            "no such folder".to_owned(),
        ),
        (
            error_message(Source::open(folder.path())),
            "this folder is no collection: it holds no manifest".to_owned(),
        ),
        (
            error_message(CollectionWriter::open(folder.path(), options())),
            "a new or an empty one".to_owned(),
        ),
        (
            error_message(Key::from_file_bytes(b"password")),
            "openssl rand -hex 32".to_owned(),
        ),
    ] {
        assert!(message.contains(&remedy), "{message}");
    }
}
