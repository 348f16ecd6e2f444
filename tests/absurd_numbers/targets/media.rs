//! Media: read, fingerprinted and matched under the limits.

use leakprint::{Fingerprint, Match};

use super::{limits, matcher, sound};

/// Reads an upload of that name.
pub(crate) fn read(data: &[u8], name: &str) {
    if let Some(print) = sound(
        matcher()
            .query_fingerprinter()
            .fingerprint(data, Some(name)),
    ) {
        check(&print);
        let bytes = print.to_bytes();
        let again = Fingerprint::from_bytes(&bytes).expect("what was just written");
        assert!(
            again == print,
            "a fingerprint changed on its way through bytes"
        );
        if let Some(matches) = sound(matcher().find(&print)) {
            check_matches(&matches);
        }
    }
}

/// Reads a ZIP archive that is made of the data: entries, each a line with its name and then its
/// content, with NUL between them. Mutations of a compressed file would hardly reach what is in it.
pub(crate) fn loose(data: &[u8], name: &str) {
    read(&stored_zip(&loose_entries(data)), name);
}

/// The entries of [`loose`].
pub(crate) fn loose_entries(data: &[u8]) -> Vec<(String, Vec<u8>)> {
    let entries = data.split(|&byte| byte == 0);
    let entries = entries.map(|entry| {
        let end = entry.iter().position(|&byte| byte == b'\n');
        let (name, content) = entry.split_at(end.unwrap_or(entry.len()));
        let name = String::from_utf8_lossy(name).into_owned();
        (name, content.get(1..).unwrap_or_default().to_vec())
    });
    entries.collect()
}

/// A ZIP archive without compression.
pub(crate) fn stored_zip(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
    let (mut zip, mut directory) = (Vec::new(), Vec::new());
    let mut count = 0_u16;
    for (name, content) in entries.iter().take(1000) {
        let name = &name.as_bytes()[..name.len().min(1000)];
        let (at, size) = (zip.len() as u32, content.len() as u32);
        let mut fields = vec![20, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        fields.extend(crc32(content).to_le_bytes());
        fields.extend(size.to_le_bytes());
        fields.extend(size.to_le_bytes());
        fields.extend((name.len() as u16).to_le_bytes());
        fields.extend([0, 0]);
        zip.extend(b"PK\x03\x04");
        zip.extend(&fields);
        zip.extend(name);
        zip.extend(content);
        directory.extend(b"PK\x01\x02\x14\0");
        directory.extend(&fields);
        directory.extend([0; 10]);
        directory.extend(at.to_le_bytes());
        directory.extend(name);
        count += 1;
    }
    let (start, size) = (zip.len() as u32, directory.len() as u32);
    zip.extend(&directory);
    zip.extend(b"PK\x05\x06\0\0\0\0");
    zip.extend(count.to_le_bytes());
    zip.extend(count.to_le_bytes());
    zip.extend(size.to_le_bytes());
    zip.extend(start.to_le_bytes());
    zip.extend([0, 0]);
    zip
}

/// The checksum of ZIP, gzip and PNG.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ ((crc & 1) * 0xEDB8_8320)
        })
    })
}

/// Checks the invariants of a fingerprint.
pub(crate) fn check(print: &Fingerprint) {
    let limits = limits();
    for warning in &print.warnings {
        assert_ne!(
            warning.kind, "panicked",
            "{}: {}",
            warning.part, warning.message
        );
    }
    assert!(print.parts.len() <= limits.parts as usize);
    for part in &print.parts {
        if let Some(raster) = &part.raster {
            assert!(u64::from(raster.width) * u64::from(raster.height) <= limits.pixels);
        }
        if let Some(text) = &part.text {
            assert!(u64::from(text.chars) <= limits.text_chars);
            let mut places = text.grams.array_windows::<2>();
            assert!(places.all(|[a, b]| a.at <= b.at), "grams out of order");
        }
    }
}

/// Checks the invariants of a match.
pub(crate) fn check_matches(matches: &[Match]) {
    for found in matches {
        assert!((0.0..=1.0).contains(&found.score), "score {}", found.score);
        assert!(!found.evidence.is_empty());
        let json = serde_json::to_string(found).expect("a match as JSON");
        let again: Match = serde_json::from_str(&json).expect("its own JSON");
        assert_eq!(again.item, found.item);
    }
}
