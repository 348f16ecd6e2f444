//! PNG and APNG: chunks, whose lengths and checksums are corrected.

use std::io::Write as _;

use crate::doc::{Doc, Form, Unit, joined};
use crate::targets::media::crc32;

fn chunk(kind: &str, numbers: &[(usize, u64)], end: &[u8]) -> Unit {
    Unit::numbers(kind, Form::Big, b"", numbers, end)
}

pub(crate) fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("a vector takes everything");
    encoder.finish().expect("a vector takes everything")
}

fn png(units: &[Unit]) -> Vec<u8> {
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    for unit in units {
        let named = [unit.role.as_bytes(), &unit.bytes].concat();
        png.extend((unit.bytes.len() as u32).to_be_bytes());
        png.extend(&named);
        png.extend(crc32(&named).to_be_bytes());
    }
    png
}

fn header(depth: u64, colour: u64) -> Unit {
    chunk(
        "IHDR",
        &[
            (4, 8),
            (4, 8),
            (1, depth),
            (1, colour),
            (1, 0),
            (1, 0),
            (1, 0),
        ],
        b"",
    )
}

/// Rows of so many bytes, each behind its filter.
fn rows(bytes: usize) -> Vec<u8> {
    let rows = (0..8_u8).flat_map(|row| {
        let samples = (0..bytes).map(move |at| (at as u8).wrapping_mul(29) ^ row);
        std::iter::once(row % 5).chain(samples)
    });
    zlib(&rows.collect::<Vec<_>>())
}

pub(crate) fn docs() -> Vec<Doc> {
    let doc = |units| Doc {
        format: "png",
        name: "a.png",
        units,
        assemble: png,
        wrap: None,
    };
    let control = |number, left| {
        let numbers = [
            (4, number),
            (4, 8),
            (4, 8),
            (4, left),
            (4, 0),
            (2, 1),
            (2, 10),
            (1, 1),
            (1, 1),
        ];
        chunk("fcTL", &numbers, b"")
    };
    let end = || chunk("IEND", &[], b"");
    let still = vec![
        header(8, 2),
        chunk("gAMA", &[(4, 45455)], b""),
        chunk("pHYs", &[(4, 2835), (4, 2835), (1, 1)], b""),
        chunk("iCCP", &[], &[b"name\0\0", &zlib(&[0; 200])[..]].concat()),
        chunk("tEXt", &[], b"Comment\0words"),
        chunk("zTXt", &[], &[b"Comment\0\0", &zlib(b"words")[..]].concat()),
        chunk(
            "eXIf",
            &[
                (2, 0x4D4D),
                (2, 42),
                (4, 8),
                (2, 1),
                (2, 0x112),
                (2, 3),
                (4, 1),
                (4, 0x60000),
                (4, 0),
            ],
            b"",
        ),
        chunk("IDAT", &[], &rows(24)),
        end(),
    ];
    let indexed = vec![
        header(2, 3),
        chunk("PLTE", &[], &[7; 12]),
        chunk("tRNS", &[], &[0, 128]),
        chunk("bKGD", &[(1, 1)], b""),
        chunk("IDAT", &[], &rows(2)),
        end(),
    ];
    let animated = vec![
        header(8, 6),
        chunk("acTL", &[(4, 3), (4, 0)], b""),
        control(0, 0),
        chunk("IDAT", &[], &rows(32)),
        control(1, 0),
        chunk("fdAT", &[(4, 2)], &rows(32)),
        control(3, 0),
        chunk("fdAT", &[(4, 4)], &rows(32)),
        end(),
    ];
    let wide = vec![header(16, 6), chunk("IDAT", &[], &rows(64)), end()];
    let mut docs: Vec<Doc> = [still, indexed, animated, wide].map(doc).into();
    // Lengths and checksums as separate numbers.
    let bytes = docs[2].bytes();
    let mut fields = Vec::new();
    let mut at = 8;
    while at + 12 <= bytes.len() {
        let len = bytes[at..]
            .first_chunk()
            .map_or(0, |len| u32::from_be_bytes(*len)) as usize;
        for at in [at, at + 8 + len] {
            fields.push(crate::doc::Field {
                at,
                len: 4,
                form: Form::Big,
            });
        }
        at += 12 + len;
    }
    let raw = Unit::new("raw", crate::doc::Syntax::Fields(fields), bytes);
    docs.push(Doc {
        format: "png",
        name: "a.png",
        units: vec![raw],
        assemble: joined,
        wrap: None,
    });
    docs
}
