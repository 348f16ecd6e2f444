//! TIFF: the entries of a directory, in ascending order of their tags.

use crate::doc::{Doc, Form, Unit};

/// Stands for where the pixels are, which the assembler knows.
const PIXELS: u64 = 0x7E57_DA7A;

fn entry(tag: u64, kind: u64, count: u64, value: u64) -> Unit {
    Unit::numbers(
        "entry",
        Form::Little,
        b"",
        &[(2, tag), (2, kind), (4, count), (4, value)],
        b"",
    )
}

/// One directory, then the pixels.
fn tiff(units: &[Unit]) -> Vec<u8> {
    let (entries, rest): (Vec<&Unit>, Vec<&Unit>) =
        units.iter().partition(|unit| unit.role == "entry");
    let mut bytes = b"II\x2A\0\x08\0\0\0".to_vec();
    bytes.extend((entries.len() as u16).to_le_bytes());
    let pixels = (bytes.len() + 12 * entries.len() + 4) as u32;
    for entry in entries {
        let at = bytes.len() + 8;
        bytes.extend(&entry.bytes);
        if bytes[at..at + 4] == (PIXELS as u32).to_le_bytes() {
            bytes[at..at + 4].copy_from_slice(&pixels.to_le_bytes());
        }
    }
    for unit in rest {
        bytes.extend(&unit.bytes);
    }
    bytes
}

/// LZW that clears its table, says every byte and ends: nine bits each.
fn literal_codes(bytes: &[u8]) -> Vec<u8> {
    let codes = bytes.iter().map(|&byte| u16::from(byte));
    let codes = std::iter::once(256).chain(codes).chain([257]);
    let bits: Vec<u8> = codes
        .flat_map(|code| (0..9).rev().map(move |bit| (code >> bit & 1) as u8))
        .collect();
    let byte = |bits: &[u8]| (0..8).fold(0, |byte, at| byte << 1 | bits.get(at).unwrap_or(&0));
    bits.chunks(8).map(byte).collect()
}

pub(crate) fn docs() -> Vec<Doc> {
    let rows: Vec<u8> = (0..192_usize).map(|at| (at * 31) as u8).collect();
    let deflated = super::png::zlib(&rows);
    let doc = |compression, (width, height), data: &[u8], tiled: bool| {
        let mut units = vec![
            entry(254, 4, 1, 0),
            entry(256, 3, 1, width),
            entry(257, 3, 1, height),
            entry(258, 3, 1, 8),
            entry(259, 3, 1, compression),
            entry(262, 3, 1, 1),
        ];
        let size = data.len() as u64;
        let place = if tiled {
            [
                entry(322, 3, 1, 16),
                entry(323, 3, 1, 16),
                entry(324, 4, 1, PIXELS),
                entry(325, 4, 1, size),
            ]
            .to_vec()
        } else {
            let rest = [
                entry(277, 3, 1, 1),
                entry(278, 3, 1, height),
                entry(279, 4, 1, size),
            ];
            [&[entry(273, 4, 1, PIXELS), entry(274, 3, 1, 6)][..], &rest].concat()
        };
        units.extend(place);
        if compression != 1 {
            units.push(entry(317, 3, 1, 2));
        }
        units.push(Unit::numbers("next", Form::Little, b"", &[(4, 0)], b""));
        units.push(Unit::numbers("pixels", Form::Little, b"", &[], data));
        Doc {
            format: "tiff",
            name: "a.tif",
            units,
            assemble: tiff,
            wrap: None,
        }
    };
    vec![
        doc(1, (8, 8), &rows, false),
        doc(8, (8, 8), &deflated, false),
        doc(5, (8, 8), &literal_codes(&rows[..64]), false),
        doc(32773, (8, 8), &[0xC1, 9, 0xFE, 7], false),
        doc(1, (8, 8), &rows, true),
        doc(7, (24, 20), &super::jpeg::sample(false, false), false),
    ]
}
