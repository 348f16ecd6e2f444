//! Index files and sets of codes with forged checksums.

use std::sync::OnceLock;

use leakprint::index::CodeSet;
use leakprint::raster::{Pixels, Raster};
use leakprint::{Code256, Digest, ErrorKind, Executor, Fingerprint, Index, IndexWriter, Matcher};

use super::{MEMO, STAFF, fingerprinter, harmless, key, limits, options, sound};

/// Bytes of a header, of a line of the table of sections and of the header of a set of codes.
const HEADER: usize = 64;
const ENTRY: usize = 64;
const SET_HEADER: usize = 256;

/// A picture with details, `turn` pixels moved.
pub(crate) fn raster(turn: u32) -> Raster {
    let disc = |x: u32, y: u32| {
        let near = |cx: u32, cy: u32, r: u32| {
            (x + turn).abs_diff(cx).pow(2) + y.abs_diff(cy).pow(2) < r * r
        };
        let discs = (0..24).filter(|&i| near(i * 97 % 120, i * 53 % 80, 4 + i % 9));
        (40 + 31 * discs.count() as u32 + (x ^ y) % 5).min(255) as u8
    };
    let pixels = (0..80 * 120).map(|i| disc(i % 120, i / 120)).collect();
    Raster::new(120, 80, Pixels::Luma8(pixels)).expect("120 x 80")
}

/// The fingerprints of the items in the sample index.
pub(crate) fn prints() -> &'static [(&'static str, Fingerprint)] {
    static MADE: OnceLock<Vec<(&str, Fingerprint)>> = OnceLock::new();
    MADE.get_or_init(make_prints)
}

fn make_prints() -> Vec<(&'static str, Fingerprint)> {
    let fingerprinter = fingerprinter();
    let read = |text: &str, name| {
        let print = fingerprinter.fingerprint(text.as_bytes(), Some(name));
        (name, print.expect("plain text"))
    };
    vec![
        read(MEMO, "memo.txt"),
        read(STAFF, "staff.csv"),
        ("a.png", fingerprinter.fingerprint_raster(&raster(0))),
        ("b.png", fingerprinter.fingerprint_raster(&raster(31))),
    ]
}

/// A small index of everything.
pub(crate) fn sample() -> Vec<u8> {
    let mut writer = IndexWriter::from(fingerprinter());
    for (name, print) in prints() {
        writer.add(name, print).expect("a new name");
    }
    writer.to_bytes(&Executor::serial()).expect("a small index")
}

/// A small set of codes.
pub(crate) fn sample_codes() -> Vec<u8> {
    let codes = (0..40_u64).map(|i| Code256([i / 3, !i, i << 40, 7]));
    let set = CodeSet::from_codes(codes).expect("a small set");
    set.to_bytes().expect("a small set")
}

pub(crate) fn run(data: &[u8]) {
    let mut bytes = data.to_vec();
    if bytes.starts_with(&sample_codes()[..8]) {
        forge_codes(&mut bytes);
        if let Some(set) = sound(CodeSet::from_bytes(bytes)) {
            search(&set);
        }
    } else {
        forge(&mut bytes);
        if let Some(index) = sound(Index::from_bytes(bytes)) {
            exercise(&index);
        }
    }
}

fn word(bytes: &[u8], at: usize) -> Option<usize> {
    let word = bytes.get(at..at + 8)?.first_chunk()?;
    usize::try_from(u64::from_le_bytes(*word)).ok()
}

/// Corrects length and checksums, as an attacker would.
pub(crate) fn forge(bytes: &mut [u8]) {
    let len = bytes.len() as u64;
    let sections = |bytes: &[u8]| bytes.get(12).map_or(0, |&n| usize::from(n));
    let frame = HEADER + ENTRY * sections(bytes);
    if bytes.len() < frame {
        return;
    }
    bytes[16..24].copy_from_slice(&len.to_le_bytes());
    for entry in (HEADER..frame).step_by(ENTRY) {
        let extent = word(bytes, entry + 8).zip(word(bytes, entry + 16));
        let end = extent.and_then(|(start, len)| Some(start..start.checked_add(len)?));
        if let Some(section) = end.and_then(|range| bytes.get(range)) {
            let sum = *blake3::hash(section).as_bytes();
            bytes[entry + 32..entry + 64].copy_from_slice(&sum);
        }
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(&bytes[..32]).update(&bytes[HEADER..frame]);
    let sum = *hasher.finalize().as_bytes();
    bytes[32..64].copy_from_slice(&sum);
}

fn forge_codes(bytes: &mut [u8]) {
    if bytes.len() < SET_HEADER {
        return;
    }
    let content = *blake3::hash(&bytes[SET_HEADER..]).as_bytes();
    bytes[64..96].copy_from_slice(&content);
    bytes[32..64].fill(0);
    let sum = *blake3::hash(&bytes[..SET_HEADER]).as_bytes();
    bytes[32..64].copy_from_slice(&sum);
}

fn search(set: &CodeSet) {
    let exec = Executor::serial();
    sound(set.verify(&exec));
    let queries: Vec<_> = (0..9).map(|i| Code256([i / 3, !i, i << 40, 7])).collect();
    for radius in [0, 31, 256] {
        sound(set.view().search(&queries, radius, &exec));
    }
    sound(set.view().top_k(&queries, 3, 40, &exec));
}

/// Calls everything that reads the file.
pub(crate) fn exercise(index: &Index) {
    let exec = Executor::serial();
    let verified = sound(index.verify(&exec)).is_some();
    let _ = (index.info(), index.key());
    for query in [Code256::default(), Code256([u64::MAX; 4])] {
        sound(index.pictures().pdq().search(&[query], 31, &exec));
    }
    let digest = Digest::of_bytes(MEMO.as_bytes());
    index.digests().find(&digest).for_each(|hit| {
        sound(hit);
    });
    let Some(matcher) = sound(Matcher::with_key(index.clone(), key())) else {
        return;
    };
    let matcher = matcher.with_options(options()).with_limits(limits());
    for (name, print) in prints() {
        // On a busy machine the time limit may be exceeded.
        if let Err(error) = matcher.find(print)
            && error.kind() != ErrorKind::Limit
        {
            harmless(&error);
            assert!(!verified, "the file is sound, and {name} an error: {error}");
        }
        if *name != "b.png" {
            sound(matcher.explain(name, print));
        }
        sound(matcher.picture_size(name, &Default::default()));
    }
}
