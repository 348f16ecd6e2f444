//! The fuzz targets: each takes arbitrary bytes and panics if the library violates an invariant.
//!
//! They are compiled twice: into the fuzzers of `fuzz/`, and into this test, which runs them on
//! their seeds and on every past finding.

use std::sync::OnceLock;

use leakprint::{
    Error, ErrorKind, Fingerprinter, IndexWriter, Key, Limits, MatchOptions, Matcher, Strength,
};

pub(crate) mod folder;
pub(crate) mod index;
pub(crate) mod json;
pub(crate) mod lists;
pub(crate) mod media;
pub(crate) mod text;

/// A target by its name.
pub(crate) type Target = (&'static str, fn(&[u8]));

/// Every target. Those of media are called after the format whose seeds they start from.
pub(crate) const ALL: [Target; 19] = [
    ("archive", |data| media::read(data, "a.zip")),
    ("bmp", |data| media::read(data, "a.bmp")),
    ("folder", folder::run),
    ("gif", |data| media::read(data, "a.gif")),
    ("html", |data| media::read(data, "a.html")),
    ("index", index::run),
    ("jpeg", |data| media::read(data, "a.jpg")),
    ("json", json::run),
    ("lists", lists::run),
    ("mail", |data| media::read(data, "a.eml")),
    ("mbox", |data| media::read(data, "a.mbox")),
    ("office", |data| media::loose(data, "a.docx")),
    ("pdf", |data| media::read(data, "a.pdf")),
    ("png", |data| media::read(data, "a.png")),
    ("rtf", |data| media::read(data, "a.rtf")),
    ("table", |data| media::read(data, "a.csv")),
    ("text", text::run),
    ("tiff", |data| media::read(data, "a.tif")),
    ("webp", |data| media::read(data, "a.webp")),
];

/// Limits so low that a run is quick and most inputs reach one.
pub(crate) fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.input_bytes = 4 << 20;
    limits.pixels = 1 << 20;
    limits.side = 8192;
    limits.decoded_bytes = 16 << 20;
    limits.parts = 200;
    limits.frames = 4;
    limits.depth = 4;
    limits.text_chars = 256 << 10;
    limits.time_ms = 5000;
    limits
}

pub(crate) fn key() -> Key {
    Key::from_bytes([7; 32])
}

/// The prints are the same in every run.
pub(crate) fn fingerprinter() -> &'static Fingerprinter {
    static MADE: OnceLock<Fingerprinter> = OnceLock::new();
    MADE.get_or_init(|| {
        let builder = Fingerprinter::builder().key(key()).limits(limits());
        builder.build().expect("a valid window")
    })
}

pub(crate) const MEMO: &str = "The winter slate moves by six weeks, and Lighthouse opens in fourteen \
    territories with no press screening before the Wednesday, even though it tested at seventy-one.";

pub(crate) const STAFF: &str = "name,mail,salary\nAda Lovelace,ada@example.org,81234\nMax Roe,max@example.org,\
    96411\nOlga Petrova,olga@example.org,120655\nAisha Rahman,aisha@example.org,54873\n";

/// Reports every match, so that every stage runs.
pub(crate) fn options() -> MatchOptions {
    MatchOptions::default()
        .with_min_strength(Strength::Possible)
        .with_text_floor(12)
}

/// Matches against a memo and a table.
pub(crate) fn matcher() -> &'static Matcher {
    static MADE: OnceLock<Matcher> = OnceLock::new();
    MADE.get_or_init(|| {
        let fingerprinter = fingerprinter();
        let mut writer = IndexWriter::from(fingerprinter);
        for (name, text) in [("memo.txt", MEMO), ("staff.csv", STAFF)] {
            let print = fingerprinter.fingerprint(text.as_bytes(), Some(name));
            let print = print.expect("plain text");
            writer.add(name, &print).expect("a new name");
        }
        let index = writer.to_index().expect("a small index");
        let matcher = Matcher::with_key(index, key()).expect("the key is inside");
        matcher.with_options(options()).with_limits(limits())
    })
}

/// An error is fine unless it is a panic that was caught.
pub(crate) fn harmless(error: &Error) {
    assert_ne!(error.kind(), ErrorKind::Panicked, "{error}");
}

/// The value, unless there is an error, which must be harmless.
pub(crate) fn sound<T>(result: leakprint::Result<T>) -> Option<T> {
    result.inspect_err(harmless).ok()
}
