//! Recipe 2, pinned: every print of fixed inputs under a fixed key.
//!
//! If one of these fails, prints have changed, and every existing index and fingerprint
//! would silently stop matching. Don't adjust the values: make a new recipe version
//! with separate values.

use leakprint::fingerprint::ValueKind;
use leakprint::raster::{Pixels, Raster};
use leakprint::{Fingerprinter, Key, Recipe};

fn fingerprinter() -> Fingerprinter {
    let key: [u8; 32] = std::array::from_fn(|i| i as u8);
    Fingerprinter::builder()
        .key(Key::from_bytes(key))
        .build()
        .unwrap()
}

/// Rings, a gradient and a hard edge; optionally with alpha.
fn picture(alpha: bool) -> Raster {
    let (width, height) = (333_u32, 222_u32);
    let samples = (0..height)
        .flat_map(|y| (0..width).map(move |x| (x, y)))
        .flat_map(|(x, y)| {
            let ring = (x * x + y * y) / 512 % 2 * 120;
            let r = ((x * 5 / 4) ^ (y * 3 / 2)) as u8;
            let g = (y * 255 / height) as u8;
            let b = if x > 200 { 20 } else { ring as u8 };
            let a = if y < 40 { (x % 256) as u8 } else { 255 };
            if alpha {
                vec![r, g, b, a]
            } else {
                vec![r, g, b]
            }
        })
        .collect();
    let pixels = if alpha {
        Pixels::Rgba8(samples)
    } else {
        Pixels::Rgb8(samples)
    };
    Raster::new(width, height, pixels).unwrap()
}

const TEXT: &str = "The studio\u{2019}s winter slate moves by six weeks; \u{201e}Lighthouse\u{201c} opens in \
    14 territories. \u{041e}\u{0442}\u{0447}\u{0451}\u{0442} \u{0437}\u{0430} \u{043a}\u{0432}\u{0430}\u{0440}\u{0442}\u{0430}\u{043b}. \
    \u{5b63}\u{5ea6}\u{62a5}\u{544a}\u{306f}\u{91d1}\u{66dc}\u{65e5}\u{307e}\u{3067}. \
    Caf\u{e9} \u{fb01}nance &amp; R\u{26}D, 3\u{bd} million; ping anna@example.org, <b>don\u{2019}t</b> forward.";

#[test]
fn the_key_has_its_name() {
    assert_eq!(Recipe::VERSION, 2);
    assert_eq!(fingerprinter().key().id().to_string(), "298f7916bbf04e9e");
}

#[test]
fn prints_of_a_picture() {
    let print = fingerprinter().fingerprint_raster(&picture(false));
    let raster = print.parts[0].raster.as_ref().unwrap();
    assert_eq!(
        raster.pixels.unwrap().to_string(),
        "41a5e3fcb96d23c96e945555428149999204cbed0e5840fe1a15d68d8b2f64c2"
    );
    assert_eq!(
        raster.pdq.code().to_string(),
        "fa3f0ec0d9d75fc00ea84beeb439f157f1372628e03f26c0f1c6f157068826a8"
    );
    assert_eq!(raster.pdq.quality, 100);
    assert_eq!(
        raster.pdq_nn512,
        raster.pdq.code(),
        "no side above 512 pixels"
    );
    assert_eq!(
        raster.gradient.upright[0].to_string(),
        "c939d0b6f9fff9ff06002f092f4916863fcf3fcfc030c939e979d0b6f9fff9ff"
    );
    assert_eq!(
        raster.sketch[0].to_string()[..64],
        *"26ad88113de16b38967b811eb98a5856fc485a7c90390c3fb2f64dc6b78fbd66"
    );
    assert_eq!((raster.texture.flat, raster.texture.hard), (42, 2));
    assert_eq!(
        digest(&print),
        "6ccf86ead3c42955aaeb91dc015a5d2eab15c8661c4b542298fb50d16abf1799"
    );
}

#[test]
fn prints_of_a_transparent_picture() {
    let print = fingerprinter().fingerprint_raster(&picture(true));
    let raster = print.parts[0].raster.as_ref().unwrap();
    let stored = raster.pdq_stored.expect("not opaque");
    assert_ne!(stored.code, raster.pdq.code());
    assert_eq!(
        digest(&print),
        "8e443e354242e0cc3bc7475d240decd47c5da46da9fa594da675fe872c45d8e4"
    );
}

#[test]
fn prints_of_a_text() {
    let print = fingerprinter().fingerprint_text(TEXT).unwrap();
    let text = print.parts[0].text.as_ref().unwrap();
    assert_eq!((text.chars, text.folded), (193, 150));
    assert_eq!(text.grams.len(), 32);
    assert_eq!(
        (text.grams[0].print, text.grams[0].at),
        (16338550410592058046, 0)
    );
    assert_eq!(
        digest(&print),
        "07bab83e711e676b39902350a80f447a6e55660c2d7a67db83a326be67914c0c"
    );
}

#[test]
fn prints_of_a_table() {
    let table = "Name;E-mail;Phone;Since;Salary;Badge;Street\n\
        Jane Doe;jane@example.org;+49 30 1234567;14.3.2019;81.234,50;EMP-00123;12 Baker Street\n";
    let print = fingerprinter()
        .fingerprint(table.as_bytes(), Some("a.csv"))
        .unwrap();
    let cells = &print.parts[0].cells;
    let kinds: Vec<_> = cells.iter().map(|cell| (cell.kind, cell.bits)).collect();
    assert_eq!(
        kinds,
        [
            (ValueKind::Name, 12),
            (ValueKind::Email, 28),
            (ValueKind::Digits, 20),
            (ValueKind::Digits, 26),
            (ValueKind::Date, 8),
            (ValueKind::Number, 13),
            (ValueKind::Identifier, 15),
            (ValueKind::Name, 16),
            (ValueKind::Text, 13),
        ]
    );
    assert_eq!(
        cells.iter().map(|cell| cell.print).collect::<Vec<_>>(),
        [
            13936307700065947,
            15534157601551549727,
            4916728589547622451,
            6472186844584512025,
            11733534659853867178,
            11528559155100445642,
            2563051959250786549,
            5077316293140893654,
            17767094852314701481
        ]
    );
    assert_eq!(
        digest(&print),
        "a92dd8445ddc5d765d6f25a5ed5181a85c8d799ebb550a4fb08faa818b066b1f"
    );
}

/// All prints at once: the digest of their JSON.
fn digest(print: &leakprint::Fingerprint) -> String {
    let json = serde_json::to_vec(print).unwrap();
    leakprint::Digest::of_bytes(&json).to_string()
}
