//! A custom recogniser of text: `cargo run --example recogniser`
//!
//! Implement `TextFromImage` for anything that reads text in pictures: a program, a model, a service. The
//! matcher queries it for pictures that look like text and match nothing otherwise. This one reads one font on
//! a grid, by comparing every cell with the letters of the font.

#![allow(clippy::print_stdout, reason = "a program for people")]

use std::io::Cursor;
use std::sync::Arc;

use font8x8::UnicodeFonts;
use image::{GrayImage, ImageFormat, Luma};
use leakprint::media::{GreyPicture, TextFromImage, Word};
use leakprint::{Evidence, Fingerprinter, IndexWriter, Matcher, Result};

const MEMO: &str = "We will close the animation office before the end of June. Ninety-two people are affected, \
    of whom eleven have been offered a move to Montreal. Do not discuss this before the twelfth.";

/// Pixels of a letter's side, and letters in a row.
const CELL: u32 = 16;
const COLUMNS: usize = 44;

#[derive(Debug)]
struct GridReader;

impl TextFromImage for GridReader {
    fn words(&self, picture: &GreyPicture) -> Result<Vec<Word>> {
        let mut words = Vec::new();
        for y in (0..picture.height() / CELL).map(|row| row * CELL) {
            let columns = 0..picture.width() / CELL;
            let line: String = columns
                .map(|column| letter(picture, column * CELL, y))
                .collect();
            let mut at = 0;
            for word in line.split(' ') {
                let length = word.chars().count() as u32;
                if length > 0 {
                    words.push(Word::new(word, [at * CELL, y, length * CELL, CELL]));
                }
                at += length + 1;
            }
            if let Some(last) = words.pop() {
                words.push(last.ending_line());
            }
        }
        Ok(words)
    }
}

/// The letter whose pixels are in a cell.
fn letter(picture: &GreyPicture, x: u32, y: u32) -> char {
    let dark = |dx: u32, dy: u32| {
        let at = (y + 2 * dy) * picture.width() + x + 2 * dx;
        picture
            .pixels()
            .get(at as usize)
            .is_some_and(|&luma| luma < 128)
    };
    let row = |dy| (0..8).fold(0_u8, |bits, dx| bits | u8::from(dark(dx, dy)) << dx);
    let cell: Vec<u8> = (0..8).map(row).collect();
    let known = (' '..='~').find(|&c| {
        font8x8::BASIC_FONTS
            .get(c)
            .is_some_and(|own| own[..] == cell)
    });
    known.unwrap_or(' ')
}

/// A screenshot of a text.
fn screenshot(text: &str) -> Result<Vec<u8>, image::ImageError> {
    let letters: Vec<char> = text.chars().collect();
    let rows: Vec<_> = letters.chunks(COLUMNS).collect();
    let size = (COLUMNS as u32 * CELL, rows.len() as u32 * CELL);
    let picture = GrayImage::from_fn(size.0, size.1, |x, y| {
        let letter = rows[(y / CELL) as usize].get((x / CELL) as usize);
        let glyph = letter
            .and_then(|&c| font8x8::BASIC_FONTS.get(c))
            .unwrap_or_default();
        let is_ink = glyph[(y % CELL / 2) as usize] >> (x % CELL / 2) & 1 == 1;
        Luma([if is_ink { 20 } else { 245 }])
    });
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png)?;
    Ok(bytes.into_inner())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The leak is a text; what is posted is a picture of it.
    let fingerprinter = Fingerprinter::builder().build()?;
    let mut writer = IndexWriter::from(&fingerprinter);
    writer.add("memo.txt", &fingerprinter.fingerprint_text(MEMO)?)?;
    let matcher = Matcher::new(writer.to_index()?)?;
    let post = screenshot(MEMO)?;
    println!(
        "without a recogniser: matches: {}",
        matcher.find_media(&post, None)?.len()
    );

    let matcher = matcher.with_recogniser(Arc::new(GridReader));
    for found in matcher.find_media(&post, None)? {
        let evidence = found.evidence.first();
        if let Some(Evidence::Text {
            covered,
            region: Some([x, y, width, height]),
            ..
        }) = evidence
        {
            let item = &found.item;
            println!("with one: {item}, {covered} letters, {width} x {height} pixels at {x}, {y}");
        }
    }
    Ok(())
}
