//! What is ignored is so whatever segment an item is in, as in an index that was written with it.

use super::*;
use crate::collection::{Discount, FalseMatch, FalseScope};
use crate::error::ErrorKind;
use crate::exec::Executor;
use crate::index::{Index, IndexWriter};
use crate::matcher::{Evidence, Match, MatchOptions, Matcher, Strength};
use crate::media::PartPath;

const FOOTER: &str = "this message is confidential and meant for the addressee alone so whoever \
    receives it in error shall tell the sender and destroy every copy of it without reading on";

fn text(text: &str) -> Fingerprint {
    sample::fingerprinter().fingerprint_text(text).unwrap()
}

/// Items whose texts end alike, a table, and pictures.
fn items() -> Vec<(String, Fingerprint)> {
    let mail = |n: u32| {
        let own = sample::words(&format!("own {n}"), 20);
        text(&format!("{own} {} {FOOTER}", phrase(n % 2)))
    };
    let mut items: Vec<_> = (0..8).map(|n| (format!("mail {n}"), mail(n))).collect();
    items.push(("staff.csv".to_owned(), sample::table()));
    items.extend((0..4).map(|n| (format!("picture {n}"), sample::picture(n))));
    items
}

fn phrase(n: u32) -> String {
    sample::words(&format!("phrase {n}"), 16)
}

/// One picture and the footer are ignored; of ordinary traffic two have the first phrase and the
/// table, one has the second phrase, two show a picture.
fn discounts() -> Vec<(Discount, String, Fingerprint)> {
    let ignored = [text(FOOTER), sample::picture(0)];
    let background = [
        text(&format!("{} {}", sample::words("a", 9), phrase(0))),
        text(&format!("{} {}", phrase(0), sample::words("b", 9))),
        text(&format!("{} {}", phrase(1), sample::words("c", 9))),
        sample::picture(1),
        sample::picture(1),
        sample::picture(2),
        sample::table(),
        sample::table(),
    ];
    let named = |kind, prints: &[Fingerprint]| {
        let prints = (0..).zip(prints.to_vec());
        prints
            .map(move |(n, print)| (kind, format!("file {n}"), print))
            .collect::<Vec<_>>()
    };
    let mut all = named(Discount::Ignore, &ignored);
    all.extend(named(Discount::Background, &background));
    all
}

fn queries() -> Vec<Fingerprint> {
    let mut queries = vec![sample::table(), text(FOOTER)];
    for n in 0..8 {
        let own = sample::words(&format!("own {n}"), 20);
        queries.push(text(&format!("{own} {} {FOOTER}", phrase(n % 2))));
        queries.push(text(&format!("{} {FOOTER}", phrase(n % 2))));
    }
    queries.extend((0..4).map(sample::picture));
    queries
}

fn options() -> MatchOptions {
    MatchOptions {
        min_strength: Strength::Possible,
        ..MatchOptions::default()
    }
}

/// But for parts of pictures, whose rarity is weighed segment by segment: of those, only which
/// items they are of.
fn comparable(mut found: Vec<Match>) -> Vec<(Match, bool)> {
    let regions = |one: &Match| one.evidence.iter().any(|e| e.kind() == "region");
    let of_regions: Vec<bool> = found.iter().map(regions).collect();
    for one in &mut found {
        one.evidence.retain(|evidence| evidence.kind() != "region");
        one.score = one.evidence.first().map_or(0.0, Evidence::score);
        one.strength = Strength::Possible;
    }
    let mut all: Vec<_> = found.into_iter().zip(of_regions).collect();
    all.sort_by(|(a, _), (b, _)| a.item.cmp(&b.item));
    all
}

/// What an index of all items says that was written with some ignore and background files.
fn of_index(discounts: &[(Discount, String, Fingerprint)]) -> Vec<Vec<(Match, bool)>> {
    let mut writer = IndexWriter::new(sample::fingerprinter().recipe().clone(), None).unwrap();
    for (kind, _, print) in discounts {
        match kind {
            Discount::Ignore => writer.ignore(print).unwrap(),
            Discount::Background => writer.background(print).unwrap(),
            Discount::Vouch => writer.vouch(print).unwrap(),
        }
    }
    for (name, print) in items() {
        writer.add(&name, &print).unwrap();
    }
    let index = Index::from_bytes(writer.to_bytes(&Executor::serial()).unwrap()).unwrap();
    let matcher = Matcher::with_key(index, sample::key())
        .unwrap()
        .with_options(options());
    queries()
        .iter()
        .map(|query| comparable(matcher.find(query).unwrap()))
        .collect()
}

fn of_snapshot(snapshot: &Snapshot) -> Vec<Vec<(Match, bool)>> {
    let matcher = snapshot.matcher(options()).unwrap();
    let find = |query: &Fingerprint| {
        let found = matcher.find(query).unwrap().into_iter();
        let bare = found.map(|one| Match {
            metadata: None,
            ..one
        });
        comparable(bare.collect())
    };
    queries().iter().map(find).collect()
}

fn new(kind: Discount, name: &str, print: &Fingerprint) -> NewItem {
    let metadata = Metadata::added(Timestamp(0));
    NewItem::discount(kind, name, print.clone()).with_metadata(metadata)
}

#[test]
fn an_index_with_the_same_ignore_files_says_the_same() {
    let disk = Simulator::new(1);
    let open = writer(&disk).unwrap();
    let add = |items: &[(String, Fingerprint)]| {
        for (name, print) in items {
            open.add(item(name, print, "")).unwrap();
        }
    };
    let (items, discounts) = (items(), discounts());
    add(&items[..5]);
    open.flush().unwrap();
    add(&items[5..7]);
    let plain = of_index(&[]);
    for (kind, name, print) in &discounts[..4] {
        open.add(new(*kind, name, print)).unwrap();
    }
    open.flush().unwrap();
    add(&items[7..12]);
    let rest: Vec<NewItem> = discounts[4..]
        .iter()
        .map(|(k, n, p)| new(*k, n, p))
        .collect();
    open.add_batch(&rest).unwrap();
    add(&items[12..]);

    let expected = of_index(&discounts);
    assert_ne!(expected, plain);
    for step in 0..4 {
        let snapshot = open.collection().snapshot();
        assert_eq!(of_snapshot(&snapshot), expected, "step {step}");
        assert_eq!(of_snapshot(&reader(&disk).unwrap().snapshot()), expected);
        assert_eq!(snapshot.len() as usize, items.len());
        assert_eq!(contents(&snapshot).len(), items.len());
        assert_eq!(snapshot.info().discounts as usize, discounts.len());
        assert_eq!(
            snapshot.discounts().filter(Result::is_ok).count(),
            discounts.len()
        );
        match step {
            0 => open.flush().map(drop).unwrap(),
            1 => open.compact().map(drop).unwrap(),
            // What is added later is discounted like the rest, and so is what takes its place.
            _ => {
                open.remove(&["mail 3", "picture 1"]).unwrap();
                add(&items);
            }
        }
    }
    // Taken out again, all is as if they had never been there.
    for kind in [Discount::Ignore, Discount::Background] {
        let names = (0..9).map(|n| format!("file {n}")).collect::<Vec<_>>();
        let (there, _) = open.remove_discounts(kind, &names).unwrap();
        let expected = discounts.iter().filter(|(k, ..)| *k == kind).count();
        assert_eq!(there.into_iter().filter(|&there| there).count(), expected);
    }
    for _ in 0..2 {
        assert_eq!(of_snapshot(&open.collection().snapshot()), plain);
        assert_eq!(open.collection().snapshot().info().discounts, 0);
        open.compact().unwrap();
    }
}

#[test]
fn what_is_ignored_is_ignored_for_who_has_a_later_snapshot() {
    let disk = Simulator::new(1);
    let open = writer(&disk).unwrap();
    open.add(item("memo", &text(FOOTER), "")).unwrap();
    let before = open.collection().snapshot();
    let found = |snapshot: &Snapshot| {
        let matcher = snapshot.matcher(options()).unwrap();
        matcher.find(&text(&format!("so: {FOOTER}"))).unwrap().len()
    };
    let other = reader(&disk).unwrap();
    assert_eq!((found(&before), found(&other.snapshot())), (1, 1));
    let footer = new(Discount::Ignore, "footer", &text(FOOTER));
    open.add(footer.clone()).unwrap();
    assert_eq!(found(&before), 1);
    assert_eq!(found(&open.collection().snapshot()), 0);
    assert!(other.refresh().unwrap());
    assert_eq!(found(&other.snapshot()), 0);
    // The same again is unchanged, and it is no item.
    use crate::collection::AddOutcome;
    assert_eq!(open.add(footer).unwrap().0, AddOutcome::Unchanged);
    assert_eq!(open.remove(&["footer"]).unwrap().0, [false]);
    let explained = {
        let matcher = open.collection().snapshot().matcher(options()).unwrap();
        matcher.explain("memo", &text(FOOTER)).unwrap()
    };
    assert!(
        explained.score < Strength::Possible.min_score(),
        "{explained:?}"
    );
    let mark = FalseMatch {
        item: "memo".to_owned(),
        scope: FalseScope::ItemPart(PartPath::root()),
        by: String::new(),
        at: Timestamp(0),
        why: String::new(),
    };
    open.mark_false(&[mark]).unwrap();
    open.remove_discounts(Discount::Ignore, &["footer"])
        .unwrap();
    assert_eq!(found(&open.collection().snapshot()), 0, "still marked");
}

#[test]
fn ignore_files_do_not_expire() {
    let disk = Simulator::new(1);
    let open = writer(&disk).unwrap();
    let metadata = Metadata::added(Timestamp(0)).until(Timestamp(9));
    let one = NewItem::discount(Discount::Ignore, "x", text(FOOTER)).with_metadata(metadata);
    assert_eq!(open.add(one).unwrap_err().kind(), ErrorKind::InvalidInput);
}

/// What the owner vouches for counts in every segment, and so does the removal of the file.
#[test]
fn vouched_content_counts_however_many_items_hold_it() {
    let disk = Simulator::new(1);
    let open = writer(&disk).unwrap();
    for n in 0..24 {
        let own = sample::words(&format!("own {n}"), 40);
        let item = NewItem::new(format!("{n:02}"), text(&format!("{own} {FOOTER}")));
        open.add(item).unwrap();
        if n % 7 == 6 {
            open.flush().unwrap();
        }
    }
    let find = || {
        let snapshot = open.collection().snapshot();
        let matcher = snapshot.matcher(MatchOptions::default()).unwrap();
        matcher.find(&text(FOOTER)).unwrap()
    };
    assert!(find().is_empty());
    open.add(NewItem::discount(Discount::Vouch, "footer", text(FOOTER)))
        .unwrap();
    for _ in 0..2 {
        let found = find();
        assert_eq!((found.len(), found[0].shared_by), (1, Some(24)));
        open.compact().unwrap();
    }
    open.remove_discounts(Discount::Vouch, &["footer"]).unwrap();
    assert!(find().is_empty());
}
