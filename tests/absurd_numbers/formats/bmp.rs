//! Windows bitmaps.

use crate::doc::{Doc, Form, Unit, joined};

fn bitmap(bits: u64, compression: u64, palette: usize, pixels: &[u8]) -> Unit {
    let start = 14 + 40 + 4 * palette as u64;
    let size = start + pixels.len() as u64;
    let numbers = [
        (4, size),
        (2, 0),
        (2, 0),
        (4, start),
        (4, 40),
        (4, 8),
        (4, 4),
        (2, 1),
        (2, bits),
        (4, compression),
        (4, pixels.len() as u64),
        (4, 2835),
        (4, 2835),
        (4, palette as u64),
        (4, 0),
    ];
    let mut colours: Vec<u8> = (0..4 * palette).map(|at| (at * 37) as u8).collect();
    if compression == 3 {
        // Which bits of a pixel are red, green and blue.
        colours = [0xFF_0000_u32, 0xFF00, 0xFF, 0]
            .map(u32::to_le_bytes)
            .concat();
    }
    Unit::numbers(
        "bitmap",
        Form::Little,
        b"BM",
        &numbers,
        &[colours, pixels.to_vec()].concat(),
    )
}

pub(crate) fn docs() -> Vec<Doc> {
    let rows = |bytes| {
        (0..bytes)
            .map(|at: usize| (at * 31) as u8)
            .collect::<Vec<_>>()
    };
    let run_length = [
        8, 1, 0, 0, 0, 4, 1, 2, 3, 4, 4, 9, 0, 0, 0, 2, 1, 1, 3, 2, 0, 1,
    ];
    let half_bytes = [
        8, 0x11, 0, 0, 0, 4, 0x12, 0x34, 4, 0x99, 0, 0, 0, 2, 1, 1, 3, 0x22, 0, 1,
    ];
    let units = [
        bitmap(24, 0, 0, &rows(96)),
        bitmap(8, 0, 256, &rows(32)),
        bitmap(1, 0, 2, &rows(16)),
        bitmap(8, 1, 16, &run_length),
        bitmap(4, 2, 16, &half_bytes),
        bitmap(32, 3, 4, &rows(128)),
    ];
    let doc = |unit| Doc {
        format: "bmp",
        name: "a.bmp",
        units: vec![unit],
        assemble: joined,
        wrap: None,
    };
    units.map(doc).into()
}
