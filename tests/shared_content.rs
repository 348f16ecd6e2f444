//! Content that many items hold: a memo in sixty mailboxes is found, the disclaimer below sixty mails is
//! not; and signatures accuse nobody. All mails are made here.

use std::fmt::Write;

use leakprint::collection::{CollectionWriter, NewItem, WriterOptions};
use leakprint::{
    Executor, Fingerprint, Fingerprinter, Index, IndexWriter, Key, Match, MatchOptions, Matcher,
};

fn fingerprinter() -> Fingerprinter {
    let key = Key::from_bytes([7; 32]);
    Fingerprinter::builder().key(key).build().unwrap()
}

/// Sentences that depend on `seed` alone, in lines.
fn prose(seed: &str, sentences: usize) -> String {
    let syllables = [
        "ba", "con", "de", "el", "for", "ga", "hin", "in", "jo", "ka", "lor", "men", "nu", "po",
        "ri", "sta",
    ];
    let mut state = seed.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3)
    });
    let mut random = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 40) as usize
    };
    let mut text = String::new();
    for _ in 0..sentences {
        for word in 0..9 {
            let word = if word == 0 { "So" } else { " " };
            text.push_str(word);
            (0..2 + random() % 2).for_each(|_| text.push_str(syllables[random() % 16]));
        }
        text.push_str(".\n");
    }
    text
}

fn memo() -> String {
    (0..4)
        .map(|paragraph| prose(&format!("memo {paragraph}"), 3) + "\n")
        .collect()
}

fn disclaimer() -> String {
    prose("disclaimer", 5)
}

fn quoted(text: &str) -> String {
    let mut quoted = String::new();
    for line in text.lines() {
        let mark = if line.starts_with('>') { ">" } else { "> " };
        writeln!(quoted, "{mark}{line}").unwrap();
    }
    quoted
}

fn mail(sender: usize, body: &str) -> String {
    format!(
        "From: Person {sender} <person.{sender}@example.org>\r\nSubject: Number {sender}\r\n\
         MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{}",
        body.replace('\n', "\r\n")
    )
}

/// An ordinary mail: text of its own over the disclaimer.
fn ordinary(n: usize) -> String {
    let own = prose(&format!("own {n}"), 1 + n % 7);
    mail(n, &format!("{own}\nPerson {n}\n\n{}", disclaimer()))
}

/// The forms in which the memo lies in mailboxes, each over the disclaimer.
fn memo_mail(n: usize) -> String {
    let (memo, tail) = (memo(), disclaimer());
    let own = prose(&format!("reply {n}"), 2);
    let head = "On 5 March 2026, Person 3 <person.3@example.org> wrote:";
    let whole = format!("{memo}\nPerson 3\n\n{tail}");
    let body = match n % 10 {
        0..4 => whole,
        4 | 5 => format!("{own}\nPerson {n}\n\n{tail}\n{head}\n{}", quoted(&whole)),
        6 => {
            let inner = format!("{own}\n{head}\n{}", quoted(&whole));
            format!("Fine with me.\n\n{tail}\n{head}\n{}", quoted(&inner))
        }
        7 | 8 => format!(
            "See below.\n\nPerson {n}\n\n{tail}\n---------- Forwarded message ---------\n\
             From: Person 3 <person.3@example.org>\nDate: 5 March 2026\nTo: all\n\n{whole}"
        ),
        // A draft with another second paragraph.
        _ => {
            let other = prose(&format!("draft {n}"), 3);
            memo.replace(&prose("memo 1", 3), &other)
        }
    };
    mail(n, &body)
}

fn fingerprint(mail: &str) -> Fingerprint {
    fingerprinter()
        .fingerprint(mail.as_bytes(), Some("mail.eml"))
        .unwrap()
}

fn index(mails: &[(String, String)]) -> Index {
    let mut writer = IndexWriter::from(&fingerprinter());
    for (name, mail) in mails {
        writer.add(name, &fingerprint(mail)).unwrap();
    }
    let index = writer.to_index().unwrap();
    index.verify(&Executor::serial()).unwrap();
    index
}

fn named(kind: &str, mails: impl Iterator<Item = String>) -> Vec<(String, String)> {
    let mails = mails.enumerate();
    mails
        .map(|(n, mail)| (format!("{kind} {n:03}"), mail))
        .collect()
}

fn find(index: &Index, text: &str) -> Vec<Match> {
    let matcher = Matcher::with_key(index.clone(), Key::from_bytes([7; 32])).unwrap();
    matcher.find_text(text).unwrap()
}

fn names(found: &[Match]) -> Vec<&str> {
    found.iter().map(|one| one.item.as_str()).collect()
}

/// One item is named, with the others' number.
fn assert_found_once(found: &[Match], holders: std::ops::RangeInclusive<u32>) {
    assert_eq!(found.len(), 1, "{:?}", names(found));
    assert!(found[0].item.starts_with("memo"), "{:?}", names(found));
    let shared_by = found[0].shared_by.unwrap();
    assert!(holders.contains(&shared_by), "{shared_by}");
    assert!(!found[0].holders.is_empty() && found[0].holders.len() < 10);
}

#[test]
fn a_memo_in_sixty_mailboxes_is_found_and_its_disclaimer_is_not() {
    let mut mails = named("memo", (0..60).map(memo_mail));
    mails.extend(named("mail", (0..120).map(ordinary)));
    // Mails that are nothing but what stands below a mail.
    mails.extend(named("empty", (200..210).map(|n| mail(n, &disclaimer()))));
    let index = index(&mails);
    assert_found_once(&find(&index, &memo()), 50..=60);
    for paragraph in 0..4 {
        let one = prose(&format!("memo {paragraph}"), 3);
        assert_found_once(&find(&index, &one), 50..=60);
        let post = format!("{}\n{one}\n{}", prose("above", 5), prose("below", 5));
        assert_found_once(&find(&index, &post), 50..=60);
    }
    let reply = format!("{}\n{}", prose("outside", 3), quoted(&memo()));
    assert_found_once(&find(&index, &reply), 50..=60);
    // Whoever posts a reply posts what is only in it, too.
    let reply = find(
        &index,
        &format!("{}\n{}", prose("reply 4", 2), quoted(&memo())),
    );
    assert!(names(&reply).contains(&"memo 004"), "{:?}", names(&reply));

    for text in [
        disclaimer(),
        ordinary(999),
        format!("Ok.\n\n{}", disclaimer()),
    ] {
        let found = find(&index, &text);
        assert!(found.is_empty(), "{:?}", names(&found));
    }
    let quoting = format!("{}\n{}", prose("outside", 3), quoted(&disclaimer()));
    assert!(find(&index, &quoting).is_empty());
    // What few mails hold is found as ever.
    assert_eq!(names(&find(&index, &prose("own 6", 7))), ["mail 006"]);
}

#[test]
fn a_paragraph_that_others_quote_in_their_own_text_is_found() {
    let paragraph = prose("memo 2", 3);
    let mut mails = named("memo", (0..20).map(|n| memo_mail(n % 9)));
    mails.extend(named(
        "quote",
        (0..3).map(|n| {
            let (above, below) = (prose(&format!("a {n}"), 4), prose(&format!("b {n}"), 4));
            mail(
                n,
                &format!("{above}\n{paragraph}\n{below}\n{}", disclaimer()),
            )
        }),
    ));
    mails.extend(named("mail", (0..60).map(ordinary)));
    let index = index(&mails);
    assert_found_once(&find(&index, &paragraph), 20..=23);
}

#[test]
fn a_newsletter_footer_and_a_banner_are_no_content() {
    let (footer, banner) = (prose("footer", 4), prose("banner", 4));
    let mails = (0..80).map(|n| {
        let own = prose(&format!("news {n}"), 3 + n % 5);
        mail(n, &format!("{banner}\n{own}\n{footer}"))
    });
    let index = index(&named("mail", mails));
    for text in [&footer, &banner] {
        assert!(find(&index, text).is_empty());
        assert!(find(&index, &format!("{}\n{text}", prose("outside", 4))).is_empty());
    }
    assert_eq!(names(&find(&index, &prose("news 3", 6))), ["mail 003"]);
}

#[test]
fn signatures_accuse_nobody_and_what_is_above_them_is_found() {
    let signature = "-- \nAda Example, Head of Everything, Example Trading Company Limited\n\
        12 Mill Pond Way, 40429 Coimbra, telephone +33 683 976 4403\n\
        The engines of the future, seen from the bridge of yesterday\n";
    let footer = "_______________________________________________\nExample-users mailing list\n\
        Example-users@lists.example.org\nhttps://lists.example.org/lists/listinfo/example-users\n\
        Read the archives before you ask what others have asked and answered before\n";
    let own = prose("own", 4);
    let index = index(&[
        (
            "one".into(),
            mail(1, &format!("{own}\n{signature}\n{footer}")),
        ),
        (
            "two".into(),
            mail(2, &format!("{}\n{signature}", prose("two", 3))),
        ),
    ]);
    for tail in [signature, footer, &quoted(signature)] {
        assert!(find(&index, &format!("{}\n{tail}", prose("outside", 2))).is_empty());
        assert!(find(&index, tail).is_empty());
    }
    assert_eq!(
        names(&find(&index, &format!("{own}\n{signature}"))),
        ["one"]
    );
    // Hyphens above a leaked text do not hide it, and neither do they in it.
    let memo = memo();
    let (above, below) = memo.split_at(memo.len() / 2);
    let index = self::index(&[(
        "memo".into(),
        mail(1, &format!("{above}\n-- \n{below}\n{below}")),
    )]);
    assert_eq!(
        names(&find(&index, &format!("Look:\n-- \n{above}"))),
        ["memo"]
    );
    assert_eq!(
        names(&find(&index, &format!("Look:\n-- \n{below}"))),
        ["memo"]
    );
}

/// A collection with mails, and a way to ask it.
struct Mails {
    folder: tempfile::TempDir,
    writer: CollectionWriter,
}

impl Mails {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut options = WriterOptions::default().with_key(Key::from_bytes([7; 32]));
        options.background = false;
        let writer = CollectionWriter::open(folder.path().join("c"), options).unwrap();
        Self { folder, writer }
    }

    fn add(&self, name: &str, mail: &str) {
        self.writer
            .add(NewItem::new(name, fingerprint(mail)))
            .unwrap();
    }

    fn find(&self, text: &str) -> Vec<Match> {
        let snapshot = self.writer.collection().snapshot();
        let matcher = snapshot.matcher(MatchOptions::default()).unwrap();
        matcher.find_text(text).unwrap()
    }
}

#[test]
fn adding_items_one_by_one_never_loses_a_memo_and_never_vouches_for_a_disclaimer() {
    let mails = Mails::new();
    let (memo, paragraph) = (memo(), prose("memo 2", 3));
    for n in 0..40 {
        mails.add(&format!("memo {n:03}"), &memo_mail(n));
        mails.add(&format!("mail {n:03}"), &ordinary(n));
        if n % 16 == 15 {
            mails.add(&format!("empty {n:03}"), &mail(n, &disclaimer()));
        }
        if n == 20 {
            mails.writer.flush().unwrap();
        }
        for text in [&memo, &paragraph] {
            let found = mails.find(text);
            assert!(
                found.iter().any(|one| one.item.starts_with("memo")),
                "{n}: nothing"
            );
            if n >= 9 {
                assert!(found.len() <= 5, "{n}: {:?}", names(&found));
            }
        }
        if n >= 12 {
            let found = mails.find(&disclaimer());
            assert!(found.is_empty(), "{n}: {:?}", names(&found));
        }
    }
    let before = mails.find(&paragraph);
    mails.writer.compact().unwrap();
    let after = mails.find(&paragraph);
    assert_found_once(&before, 36..=40);
    assert_found_once(&after, 36..=40);
    assert!(mails.find(&disclaimer()).is_empty());
    // The first holders are removed: the others are still found.
    let first: Vec<String> = (0..30).map(|n| format!("memo {n:03}")).collect();
    mails.writer.remove(&first).unwrap();
    let rest = mails.find(&paragraph);
    assert_found_once(&rest, 9..=10);
    assert!(rest[0].item.as_str() >= "memo 030");
    drop(mails.folder);
}

#[test]
fn a_memo_that_few_items_hold_at_first_is_found_when_many_more_come_at_once() {
    let mails = Mails::new();
    for n in 0..3 {
        mails.add(&format!("memo {n:03}"), &memo_mail(n));
    }
    for n in 0..60 {
        mails.add(&format!("mail {n:03}"), &ordinary(n));
    }
    mails.writer.compact().unwrap();
    assert_eq!(mails.find(&memo()).len(), 3);
    let more = (3..100).map(|n| NewItem::new(format!("memo {n:03}"), fingerprint(&memo_mail(n))));
    mails.writer.add_batch(&more.collect::<Vec<_>>()).unwrap();
    assert_found_once(&mails.find(&memo()), 90..=100);
    mails.writer.flush().unwrap();
    assert_found_once(&mails.find(&memo()), 90..=100);
    mails.writer.compact().unwrap();
    assert_found_once(&mails.find(&memo()), 90..=100);
}
