//! WebP: chunks, still and animated.

use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, ImageEncoder};

use crate::doc::{Doc, Field, Form, Syntax, Unit};

/// The chunks of a small lossless picture.
fn still() -> Vec<u8> {
    let pixels: Vec<u8> = (0..8 * 8 * 4).map(|at| (at * 37) as u8).collect();
    let mut bytes = Vec::new();
    WebPEncoder::new_lossless(&mut bytes)
        .write_image(&pixels, 8, 8, ExtendedColorType::Rgba8)
        .expect("a small picture");
    bytes[12..].to_vec()
}

/// A lossy picture of one pixel: its frame header has numbers.
const LOSSY: &[u8] =
    b"VP8 \x16\0\0\0\x30\x01\0\x9d\x01\x2a\x01\0\x01\0\x0e\xc0\xfe\x25\xa4\0\x03p\0\0\0\0";

fn little(start: &[u8], numbers: &[(usize, u64)], end: &[u8]) -> Unit {
    Unit::numbers("chunk", Form::Little, start, numbers, end)
}

/// The first chunk with the first bytes of its content as numbers.
fn with_fields(bytes: &[u8]) -> Unit {
    let field = |at, len| Field {
        at,
        len,
        form: Form::Little,
    };
    let mut fields = vec![field(4, 4)];
    fields.extend((8..bytes.len().min(20)).map(|at| field(at, 1)));
    fields.extend([8, 9, 14, 16].map(|at| field(at, 2)));
    Unit::new("chunk", Syntax::Fields(fields), bytes)
}

fn riff(units: &[Unit]) -> Vec<u8> {
    let chunks = units.iter().flat_map(|unit| unit.bytes.iter().copied());
    let body: Vec<u8> = b"WEBP".iter().copied().chain(chunks).collect();
    let len = (body.len() as u32).to_le_bytes();
    [b"RIFF", &len[..], &body].concat()
}

pub(crate) fn docs() -> Vec<Doc> {
    let picture = still();
    let canvas = |flags| little(b"VP8X", &[(4, 10), (1, flags), (3, 0), (3, 7), (3, 7)], b"");
    let frame = |left| {
        let numbers = [
            (4, 16 + picture.len() as u64),
            (3, left),
            (3, 0),
            (3, 7),
            (3, 7),
            (3, 100),
            (1, 2),
        ];
        little(b"ANMF", &numbers, &picture)
    };
    let animated = vec![
        canvas(2),
        little(b"ANIM", &[(4, 6), (4, 0), (2, 1)], b""),
        frame(0),
        frame(1),
        frame(0),
    ];
    let extended = vec![
        canvas(0x38),
        little(b"ICCP", &[(4, 4)], b"abcd"),
        with_fields(&picture),
        little(
            b"EXIF",
            &[(4, 26)],
            b"MM\0\x2A\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0",
        ),
    ];
    let doc = |units| Doc {
        format: "webp",
        name: "a.webp",
        units,
        assemble: riff,
        wrap: None,
    };
    vec![
        doc(vec![with_fields(&picture)]),
        doc(vec![with_fields(LOSSY)]),
        doc(animated),
        doc(extended),
    ]
}
