//! Round trips through the file, and detection of damage.

mod calibrated;
mod content;
mod damage;

use crate::code::Code256;
use crate::exec::Executor;
use crate::fingerprint::{
    Digest, Fingerprint, GradientPrints, Gram, Key, LocalPrints, PartPrints, PdqHash, RasterPrints,
    Recipe, Sketch, TextPrints, ValueKind, ValuePrint,
};
use crate::media::PartPath;
use crate::raster::Texture;

use super::{Index, IndexWriter};

fn key() -> Key {
    Key::from_bytes([7; 32])
}

fn recipe() -> Recipe {
    Recipe::new(8, key().id()).unwrap()
}

fn writer() -> IndexWriter {
    IndexWriter::new(recipe(), Some(key())).unwrap()
}

fn fingerprint(parts: Vec<PartPrints>) -> Fingerprint {
    Fingerprint {
        recipe: recipe(),
        parts,
        warnings: Vec::new(),
    }
}

/// Makes a text part with grams at the places 0, 1, 2 ...
fn text(path: &str, grams: &[u64]) -> PartPrints {
    let folded = grams.len() as u32 + 40;
    PartPrints {
        path: PartPath::from(path),
        text: Some(TextPrints {
            chars: folded * 2,
            folded,
            grams: (0..)
                .zip(grams)
                .map(|(at, &print)| Gram { print, at })
                .collect(),
            anchors: (0..folded).step_by(32).map(|symbol| symbol * 2).collect(),
            marks: Vec::new(),
            exact: Default::default(),
        }),
        ..PartPrints::default()
    }
}

/// Makes a table with one value in each column of each row.
fn table(path: &str, rows: &[&[u64]]) -> PartPrints {
    let cells = (0..).zip(rows).flat_map(|(row, cells)| {
        (0..).zip(*cells).map(move |(column, &print)| ValuePrint {
            print,
            kind: ValueKind::Digits,
            bits: 26,
            tabular: true,
            unique: column == 0,
            row,
            column,
            span: [100 * row + 10 * column, 100 * row + 10 * column + 9],
            symbols: [100 * row + 10 * column, 100 * row + 10 * column + 9],
        })
    });
    PartPrints {
        path: PartPath::from(path),
        cells: cells.collect(),
        ..PartPrints::default()
    }
}

fn picture(path: &str, pdq: Code256, gradient: Code256) -> PartPrints {
    PartPrints {
        path: PartPath::from(path),
        bytes: Some(Digest::of_bytes(path.as_bytes())),
        raster: Some(RasterPrints {
            width: 640,
            height: 480,
            pixels: Some(Digest::of_bytes(&pdq.to_le_bytes())),
            pdq: PdqHash {
                variants: [pdq; 8],
                quality: 93,
            },
            pdq_stored: None,
            pdq_nn512: pdq.complement(),
            sketch: [Sketch([gradient.0[0]; 32]); 8],
            texture: Texture { flat: 88, hard: 33 },
            gradient: GradientPrints {
                upright: [gradient; 8],
                inverted: [gradient.complement(); 8],
            },
            local: LocalPrints::default(),
            luma: Default::default(),
        }),
        ..PartPrints::default()
    }
}

fn index(writer: &mut IndexWriter) -> Index {
    let bytes = writer.to_bytes(&Executor::serial()).unwrap();
    let index = Index::from_bytes(bytes).unwrap();
    index.verify(&Executor::serial()).unwrap();
    index
}

/// Makes a writer with several items and parts, shared grams and digests, and discounts.
fn sample() -> IndexWriter {
    let mut writer = writer();
    let spread = |i: u64| i.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let grams: Vec<u64> = (1..60).map(spread).collect();
    let code = |i: u64| Code256([spread(i), spread(i + 1), spread(i + 2), spread(i + 3)]);
    writer
        .add("z/memo.txt", &fingerprint(vec![text("", &grams[..30])]))
        .unwrap();
    writer
        .add(
            "mail.eml",
            &fingerprint(vec![
                text("body", &grams[20..]),
                picture("attachment:1", code(1), code(2)),
                picture("attachment:2", code(3), code(4)),
            ]),
        )
        .unwrap();
    writer
        .add("a.png", &fingerprint(vec![picture("", code(1), code(2))]))
        .unwrap();
    writer
        .add(
            "staff.csv",
            &fingerprint(vec![table(
                "",
                &[&[70, 71, 72], &[73, 71, 74], &[75, 76, 71]],
            )]),
        )
        .unwrap();
    writer.add("empty", &fingerprint(Vec::new())).unwrap();
    writer
        .ignore(&fingerprint(vec![
            text("", &grams[..3]),
            table("sheet:1", &[&[74]]),
            picture("attachment:2", code(3), code(4)),
        ]))
        .unwrap();
    writer
}
