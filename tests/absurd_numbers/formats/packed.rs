//! ZIP, gzip and tar.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};

use crate::doc::{Doc, Field, Form, Syntax, Unit, joined};
use crate::targets::media::crc32;

/// A ZIP archive of units: the role is the name.
pub(crate) fn zip(units: &[Unit]) -> Vec<u8> {
    let (mut zip, mut directory) = (Vec::new(), Vec::new());
    let mut last: Option<(&[u8], Vec<u8>)> = None;
    for unit in units {
        // Repeated entries are compressed once.
        let packed = match last.take() {
            Some((known, packed)) if known == unit.bytes => packed,
            _ => deflate(&unit.bytes),
        };
        let name = unit.role.as_bytes();
        let at = zip.len() as u32;
        let mut fields = b"\x14\0\0\0\x08\0\0\0\0\0".to_vec();
        fields.extend(crc32(&unit.bytes).to_le_bytes());
        fields.extend((packed.len() as u32).to_le_bytes());
        fields.extend((unit.bytes.len() as u32).to_le_bytes());
        fields.extend((name.len() as u16).to_le_bytes());
        fields.extend([0, 0]);
        zip.extend(b"PK\x03\x04");
        zip.extend(&fields);
        zip.extend(name);
        zip.extend(&packed);
        directory.extend(b"PK\x01\x02\x14\0");
        directory.extend(&fields);
        directory.extend([0; 10]);
        directory.extend(at.to_le_bytes());
        directory.extend(name);
        last = Some((&unit.bytes, packed));
    }
    let (start, size) = (zip.len() as u32, directory.len() as u32);
    let count = (units.len() as u16).to_le_bytes();
    zip.extend(&directory);
    zip.extend(b"PK\x05\x06\0\0\0\0");
    zip.extend(count);
    zip.extend(count);
    zip.extend(size.to_le_bytes());
    zip.extend(start.to_le_bytes());
    zip.extend([0, 0]);
    zip
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("a vector takes everything");
    encoder.finish().expect("a vector takes everything")
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("a vector takes everything");
    encoder.finish().expect("a vector takes everything")
}

/// A ZIP archive whose numbers are all fields.
fn raw_zip(units: &[Unit]) -> Vec<Unit> {
    let bytes = zip(units);
    let mut fields = Vec::new();
    let mut add = |at: usize, lens: &[usize]| {
        let mut at = at;
        for &len in lens {
            fields.push(Field {
                at,
                len,
                form: Form::Little,
            });
            at += len;
        }
    };
    for at in 0..bytes.len() {
        match bytes[at..].first_chunk::<4>() {
            Some(b"PK\x03\x04") => add(at + 4, &[2, 2, 2, 2, 2, 4, 4, 4, 2, 2]),
            Some(b"PK\x01\x02") => add(at + 4, &[2, 2, 2, 2, 2, 2, 4, 4, 4, 2, 2, 2, 2, 2, 4, 4]),
            Some(b"PK\x05\x06") => add(at + 4, &[2, 2, 2, 2, 4, 4, 2]),
            _ => {}
        }
    }
    vec![Unit::new("zip", Syntax::Fields(fields), bytes)]
}

fn wrap_zip(bytes: &[u8]) -> Vec<u8> {
    zip(&[Unit::new("inner.zip", Syntax::Lines, bytes)])
}

/// A header of tar and its content.
fn tar_entry(name: &str, kind: u8, content: &[u8]) -> Unit {
    let mut bytes = vec![0; 512];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    let octal = |at: usize, len: usize| Field {
        at,
        len,
        form: Form::Octal,
    };
    let fields = vec![
        octal(100, 8),
        octal(108, 8),
        octal(116, 8),
        octal(124, 12),
        octal(136, 12),
        octal(329, 8),
        octal(337, 8),
        // Sparse maps of GNU: offset, length, and the size of all of it.
        octal(386, 12),
        octal(398, 12),
        octal(483, 12),
    ];
    bytes[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
    bytes[156] = kind;
    bytes[257..263].copy_from_slice(if kind == b'S' { b"ustar " } else { b"ustar\0" });
    if kind == b'S' {
        bytes[386..397].copy_from_slice(format!("{:011o}", 1 << 20).as_bytes());
        bytes[398..409].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
        bytes[483..494].copy_from_slice(format!("{:011o}", (1 << 20) + content.len()).as_bytes());
    }
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    Unit::new("entry", Syntax::Fields(fields), bytes)
}

/// Checksums put right, and the end.
fn tar(units: &[Unit]) -> Vec<u8> {
    let mut tar = Vec::new();
    for unit in units {
        let start = tar.len();
        tar.extend(&unit.bytes);
        let header = &mut tar[start..start + 512];
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    }
    tar.extend([0; 1024]);
    tar
}

fn wrap_tar(bytes: &[u8]) -> Vec<u8> {
    tar(&[tar_entry("inner.tar", b'0', bytes)])
}

fn gz_fields(content: &[u8]) -> Unit {
    let bytes = gzip(content);
    let field = |at, len| Field {
        at,
        len,
        form: Form::Little,
    };
    let end = bytes.len();
    let fields = vec![
        field(2, 1),
        field(3, 1),
        field(4, 4),
        field(8, 1),
        field(end - 8, 4),
        field(end - 4, 4),
    ];
    Unit::new("gzip", Syntax::Fields(fields), bytes)
}

pub(crate) fn docs() -> Vec<Doc> {
    let entries = [
        Unit::new(
            "a.txt",
            Syntax::Lines,
            "The winter slate moves by 6 weeks.\n",
        ),
        Unit::new("folder/b.csv", Syntax::Lines, "a,b\n1,2\n"),
        Unit::new("c.rtf", Syntax::Rtf, "{\\rtf1 words}"),
    ];
    let doc = |format, name, units: Vec<Unit>, assemble, wrap| Doc {
        format,
        name,
        units,
        assemble,
        wrap,
    };
    vec![
        doc("zip", "a.zip", entries.to_vec(), zip, Some(wrap_zip)),
        doc("zip", "a.zip", raw_zip(&entries), joined, None),
        doc(
            "gzip",
            "a.gz",
            vec![gz_fields(b"The winter slate moves by 6 weeks.")],
            joined,
            Some(gzip),
        ),
        doc(
            "tar",
            "a.tar",
            vec![
                tar_entry("a.txt", b'0', b"The winter slate moves."),
                tar_entry("long", b'L', b"folder/a-name-of-some-length.txt\0"),
                tar_entry("b.txt", b'0', b"words"),
                tar_entry("c.txt", b'S', b"sparse"),
                tar_entry("link", b'2', b""),
            ],
            tar,
            Some(wrap_tar),
        ),
        doc(
            "tar",
            "a.tar",
            vec![Unit::new(
                "pax",
                Syntax::Lines,
                "12 size=1000\n18 path=folder/b.t\n20 GNU.sparse.size=9\n",
            )],
            pax,
            None,
        ),
    ]
}

/// A record of extended attributes and the file that it is about.
fn pax(units: &[Unit]) -> Vec<u8> {
    let mut entries: Vec<Unit> = units
        .iter()
        .map(|unit| tar_entry("pax", b'x', &unit.bytes))
        .collect();
    entries.push(tar_entry("a.txt", b'0', b"words"));
    tar(&entries)
}
