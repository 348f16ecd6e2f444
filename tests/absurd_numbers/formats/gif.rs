//! GIF, animated.

use crate::doc::{Doc, Form, Unit, joined};

/// A frame of four pixels at a place: its numbers are place, size, flags, bits of a code
/// and bytes of the block.
fn frame(left: u64) -> Unit {
    let numbers = [(2, left), (2, 0), (2, 2), (2, 2), (1, 0), (1, 3), (1, 3)];
    // Clear, four times colour 1, end: four bits each.
    Unit::numbers("frame", Form::Little, b"\x2C", &numbers, b"\x18\x11\x91\0")
}

pub(crate) fn docs() -> Vec<Doc> {
    let screen = [(2, 16), (2, 16), (1, 0x80), (1, 0), (1, 0)];
    let control = [(1, 4), (1, 9), (2, 10), (1, 1), (1, 0)];
    let control = || Unit::numbers("control", Form::Little, b"\x21\xF9", &control, b"");
    let units = vec![
        Unit::numbers(
            "screen",
            Form::Little,
            b"GIF89a",
            &screen,
            b"\0\0\0\xFF\xFF\xFF",
        ),
        Unit::numbers(
            "loop",
            Form::Little,
            b"\x21\xFF\x0BNETSCAPE2.0",
            &[(1, 3), (1, 1), (2, 0)],
            b"\0",
        ),
        control(),
        frame(0),
        control(),
        frame(8),
        frame(3),
        Unit::numbers("comment", Form::Little, b"\x21\xFE", &[(1, 5)], b"words\0"),
        Unit::numbers("end", Form::Little, b"\x3B", &[], b""),
    ];
    vec![Doc {
        format: "gif",
        name: "a.gif",
        units,
        assemble: joined,
        wrap: None,
    }]
}
