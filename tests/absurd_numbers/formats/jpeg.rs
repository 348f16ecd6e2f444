//! JPEG: segments of what an encoder has written.

use image::{ImageBuffer, Luma, Rgb};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use crate::doc::{Doc, Field, Form, Syntax, Unit, joined};

/// The encoded bytes of a small picture.
pub(crate) fn sample(progressive: bool, colour: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, 80);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder.set_progressive(progressive);
    encoder.set_restart_interval(2);
    let grain = |x: u32, y: u32, c: u32| (x * 13 + y * 7 + c * 90 + (x * y) % 11) as u8;
    let (pixels, kind) = if colour {
        let picture = ImageBuffer::from_fn(24, 20, |x, y| Rgb([0, 1, 2].map(|c| grain(x, y, c))));
        (picture.into_raw(), ColorType::Rgb)
    } else {
        let picture = ImageBuffer::from_fn(24, 20, |x, y| Luma([grain(x, y, 0)]));
        (picture.into_raw(), ColorType::Luma)
    };
    encoder
        .encode(&pixels, 24, 20, kind)
        .expect("a small picture");
    bytes
}

/// A unit for each segment, scans with theirs.
fn segments(bytes: &[u8]) -> Vec<Unit> {
    let mut units = vec![Unit::new("start", Syntax::Fields(Vec::new()), &bytes[..2])];
    let mut at = 2;
    while at + 4 <= bytes.len() && bytes[at] == 0xFF {
        let len = usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
        let mut end = at + 2 + len;
        if bytes[at + 1] == 0xDA {
            // Up to the next marker that is no restart and no stuffed zero.
            while end + 1 < bytes.len()
                && (bytes[end] != 0xFF || matches!(bytes[end + 1], 0 | 0xD0..=0xD7))
            {
                end += 1;
            }
        }
        let field = |at, len| Field {
            at,
            len,
            form: Form::Big,
        };
        let mut fields = vec![field(2, 2)];
        match bytes[at + 1] {
            0xC0..=0xC3 => {
                fields.extend([field(4, 1), field(5, 2), field(7, 2), field(9, 1)]);
                fields.extend((10..2 + len).map(|at| field(at, 1)));
            }
            0xDD => fields.push(field(4, 2)),
            _ => fields.extend((4..(2 + len).min(24)).map(|at| field(at, 1))),
        }
        units.push(Unit::new(
            "segment",
            Syntax::Fields(fields),
            &bytes[at..end],
        ));
        at = end;
    }
    units.push(Unit::new("end", Syntax::Fields(Vec::new()), &bytes[at..]));
    units
}

pub(crate) fn docs() -> Vec<Doc> {
    let doc = |(progressive, colour)| {
        let mut units = segments(&sample(progressive, colour));
        let exif = [
            (2, 0x4D4D),
            (2, 42),
            (4, 8),
            (2, 1),
            (2, 0x112),
            (2, 3),
            (4, 1),
            (4, 0x60000),
            (4, 0),
        ];
        units.insert(
            1,
            Unit::numbers("exif", Form::Big, b"\xFF\xE1\0\x22Exif\0\0", &exif, b""),
        );
        Doc {
            format: "jpeg",
            name: "a.jpg",
            units,
            assemble: joined,
            wrap: None,
        }
    };
    [(false, true), (false, false), (true, true)]
        .map(doc)
        .into()
}
