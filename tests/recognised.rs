//! Text in pictures: recognised only if nothing else explains a picture that looks like text, and
//! found with the place of its words.

use std::io::Cursor;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ab_glyph::{Font, FontRef, PxScale, ScaleFont};
use image::{GrayImage, ImageFormat, Luma};
use leakprint::media::{GreyPicture, TextFromImage, Word};
use leakprint::{
    Error, ErrorKind, Evidence, Executor, Fingerprinter, Index, IndexWriter, Key, Matcher,
};

const MEMO: &str = "We will close the Vancouver animation office before the end of June. Ninety-two people \
    are affected, of whom eleven have been offered a move to Montreal. Do not discuss this with anyone \
    outside the steering group until the letters have gone out on the twelfth.";

const OTHER: &str = "Rain is expected along the coast until Thursday, with gusts near the capes and a cold \
    front from the west. Ferries run on the summer timetable, except for the night boat, which is cancelled \
    this week. Visitors should bring warm clothes and check the notices at the pier.";

/// A page of lines in a proportional font, and its words with their boxes.
fn page(text: &str, size: f32, ink: u8, paper: u8) -> (GrayImage, Vec<Word>) {
    let font = FontRef::try_from_slice(epaint_default_fonts::UBUNTU_LIGHT).unwrap();
    let font = font.as_scaled(PxScale::from(size));
    let (width, height) = (700, 420);
    let mut picture = GrayImage::from_pixel(width, height, Luma([paper]));
    let mut words: Vec<Word> = Vec::new();
    let (mut x, mut y) = (30.0, 30.0 + size);
    for word in text.split(' ') {
        let advance = |c: char| font.h_advance(font.glyph_id(c));
        let length: f32 = word.chars().map(advance).sum();
        if x + length > 670.0 {
            words.last_mut().unwrap().ends_line = true;
            (x, y) = (30.0, y + size * 1.4);
        }
        let region = [x as u32, (y - size) as u32, length as u32, size as u32];
        words.push(Word::new(word, region));
        for c in word.chars() {
            let mut glyph = font.scaled_glyph(c);
            glyph.position = ab_glyph::point(x, y);
            if let Some(outline) = font.outline_glyph(glyph) {
                let bounds = outline.px_bounds();
                outline.draw(|dx, dy, cover| {
                    let (px, py) = (bounds.min.x as u32 + dx, bounds.min.y as u32 + dy);
                    if let Some(pixel) = picture.get_pixel_mut_checked(px, py) {
                        let mixed = f32::from(paper) + (f32::from(ink) - f32::from(paper)) * cover;
                        *pixel = Luma([mixed as u8]);
                    }
                });
            }
            x += advance(c);
        }
        x += advance(' ');
    }
    (picture, words)
}

fn png(picture: &GrayImage) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// A recogniser with fixed words that counts its calls.
#[derive(Debug, Default)]
struct Scripted {
    words: Vec<Word>,
    fails: bool,
    calls: AtomicUsize,
}

impl TextFromImage for Scripted {
    fn words(&self, picture: &GreyPicture) -> Result<Vec<Word>, Error> {
        assert_eq!((picture.width(), picture.height()), (700, 420));
        self.calls.fetch_add(1, Ordering::Relaxed);
        if self.fails {
            return Err(Error::new(ErrorKind::Limit, "too slow"));
        }
        Ok(self.words.clone())
    }
}

fn fingerprinter() -> Fingerprinter {
    Fingerprinter::builder()
        .key(Key::from_bytes([7; 32]))
        .build()
        .unwrap()
}

fn matcher(items: &[(&str, &[u8])], fingerprinter: &Fingerprinter) -> Matcher {
    let key = Some(fingerprinter.key().clone());
    let mut writer = IndexWriter::new(fingerprinter.recipe().clone(), key).unwrap();
    for (name, bytes) in items {
        let print = fingerprinter.fingerprint(bytes, Some(name)).unwrap();
        writer.add(name, &print).unwrap();
    }
    let bytes = writer.to_bytes(&Executor::serial()).unwrap();
    Matcher::new(Index::from_bytes(bytes).unwrap()).unwrap()
}

#[test]
fn text_in_a_picture_is_found_at_its_place() {
    let (picture, words) = page(MEMO, 16.0, 20, 245);
    let recogniser = Arc::new(Scripted {
        words,
        ..Scripted::default()
    });
    let matcher = matcher(&[("memo.txt", MEMO.as_bytes())], &fingerprinter());
    assert!(matcher.find_media(&png(&picture), None).unwrap().is_empty());
    let matcher = matcher.with_recogniser(recogniser.clone());
    let matches = matcher.find_media(&png(&picture), None).unwrap();
    assert_eq!(matches.len(), 1);
    let Evidence::Text {
        region: Some(region),
        item_span,
        ..
    } = &matches[0].evidence[0]
    else {
        panic!("{matches:?}");
    };
    let [left, top, width, height] = *region;
    assert!(
        left >= 30 && top >= 30 && left + width <= 700 && top + height <= 420,
        "{region:?}"
    );
    assert!(width > 500 && height > 40, "{region:?}");
    assert!(item_span[1] - item_span[0] > 200);
    assert_eq!(recogniser.calls.load(Ordering::Relaxed), 1);
    // The region is in the JSON of the match, and the text is not.
    let json = serde_json::to_string(&matches).unwrap();
    assert!(json.contains("\"region\":[") && !json.contains("Vancouver"));
}

#[test]
fn a_recogniser_is_called_only_where_it_may_help() {
    let (known, words) = page(MEMO, 16.0, 20, 245);
    let recogniser = Arc::new(Scripted {
        words,
        ..Scripted::default()
    });
    let items: [(&str, &[u8]); 2] = [("memo.txt", MEMO.as_bytes()), ("screen.png", &png(&known))];
    let matcher = matcher(&items, &fingerprinter()).with_recogniser(recogniser.clone());
    let calls = || recogniser.calls.load(Ordering::Relaxed);
    // The index contains this very picture.
    let matches = matcher.find_media(&png(&known), None).unwrap();
    assert_eq!((matches[0].item.as_str(), calls()), ("screen.png", 0));
    // It does not look like text.
    let ramp = GrayImage::from_fn(700, 420, |x, y| Luma([(x / 4 + y / 6) as u8]));
    assert!(matcher.find_media(&png(&ramp), None).unwrap().is_empty());
    assert_eq!(calls(), 0);
    // Another picture of text.
    let (other, _) = page(OTHER, 18.0, 230, 30);
    assert!(!matcher.find_media(&png(&other), None).unwrap().is_empty());
    assert_eq!(calls(), 1);
}

#[test]
fn a_recogniser_that_fails_costs_the_text_only() {
    let (picture, _) = page(MEMO, 16.0, 20, 245);
    let recogniser = Arc::new(Scripted {
        fails: true,
        ..Scripted::default()
    });
    let matcher = matcher(&[("memo.txt", MEMO.as_bytes())], &fingerprinter());
    let matcher = matcher.with_recogniser(recogniser.clone());
    assert!(matcher.find_media(&png(&picture), None).unwrap().is_empty());
    assert_eq!(recogniser.calls.load(Ordering::Relaxed), 1);
}

#[test]
fn the_text_of_an_indexed_picture_is_found_as_text() {
    let (picture, words) = page(MEMO, 16.0, 20, 245);
    let owner = fingerprinter().with_recogniser(Arc::new(Scripted {
        words,
        ..Scripted::default()
    }));
    let matcher = matcher(&[("screen.png", &png(&picture))], &owner);
    let matches = matcher.find_text(MEMO).unwrap();
    assert_eq!(matches[0].item, "screen.png");
    assert!(matches!(
        matches[0].evidence[0],
        Evidence::Text { region: None, .. }
    ));
    assert!(matcher.find_text(OTHER).unwrap().is_empty());
}

/// The list of mails and the buttons in every window of a mailbox.
const WINDOW: &str = "Inbox 8,214 messages Astrid Moreau driver tweak for homemade kernels Colin Brandt \
    Warchalking FAQ Louise Zeller Liberalism in America Leonid Ashworth Keeping up with the Sims Petra \
    Rowley semaphores on seven From Tomas Ashworth To Irene Moreau Reply Reply all Forward Archive ";

/// Three windows of one mailbox are indexed with their text; a fourth is posted, and one of the
/// mails in another program.
#[test]
fn text_shared_by_all_windows_identifies_none() {
    const BODIES: [&str; 3] = [
        MEMO,
        "The lawyers want the second draft of the settlement by Monday, with the schedule of payments \
         and without the names of the two witnesses. Keep the recording of the call out of the file, and \
         send the signed copy to nobody but me, by hand, before you leave for the airport.",
        "Numbers for the quarter are worse than we told the board: returns went up by a third after the \
         recall, and the plant in Tampere stood still for nine days. Let us agree on one wording before \
         the call with the analysts, and not mention the insurance at all.",
    ];
    let draw = |text: &str, size| {
        let (picture, words) = page(text, size, 20, 245);
        let recogniser = Scripted {
            words,
            ..Scripted::default()
        };
        (png(&picture), Arc::new(recogniser))
    };
    let key = Some(fingerprinter().key().clone());
    let mut writer = IndexWriter::new(fingerprinter().recipe().clone(), key).unwrap();
    for (number, body) in BODIES.iter().enumerate() {
        let (picture, recogniser) = draw(&format!("{WINDOW}{body}"), 13.0);
        let owner = fingerprinter().with_recogniser(recogniser);
        let print = owner.fingerprint(&picture, None).unwrap();
        writer.add(&number.to_string(), &print).unwrap();
    }
    let index = Index::from_bytes(writer.to_bytes(&Executor::serial()).unwrap()).unwrap();
    let matcher = Matcher::new(index).unwrap();
    let texts = |query: &str, size: f32| {
        let (picture, recogniser) = draw(query, size);
        let matcher = matcher.clone().with_recogniser(recogniser);
        let matches = matcher.find_media(&picture, None).unwrap();
        let texts = matches.into_iter().filter(|found| {
            let mut evidence = found.evidence.iter();
            evidence.any(|e| matches!(e, Evidence::Text { .. }))
        });
        texts.map(|found| found.item).collect::<Vec<_>>()
    };
    // In another size, so that the pictures themselves are not compared.
    assert!(texts(&format!("{WINDOW}{OTHER}"), 15.0).is_empty());
    assert_eq!(
        texts(&format!("Sent from my telephone {}", BODIES[1]), 17.0),
        ["1"]
    );
    // A post that quotes the list word for word has copied it.
    assert!(!matcher.find_text(WINDOW).unwrap().is_empty());
}

/// Small, large, and light on dark, with the real program.
#[test]
#[ignore = "needs the program tesseract"]
#[cfg(feature = "tesseract")]
fn tesseract_reads_what_is_drawn() {
    let recogniser = Arc::new(leakprint::media::Tesseract::default());
    recogniser.check().unwrap();
    let matcher = matcher(&[("memo.txt", MEMO.as_bytes())], &fingerprinter());
    let matcher = matcher.with_recogniser(recogniser);
    for (size, ink, paper) in [(13.0, 20, 245), (22.0, 30, 250), (16.0, 230, 25)] {
        let (picture, _) = page(MEMO, size, ink, paper);
        let matches = matcher.find_media(&png(&picture), None).unwrap();
        assert_eq!(matches.len(), 1, "{size} pixels, {ink} on {paper}");
        let (other, _) = page(OTHER, size, ink, paper);
        assert!(matcher.find_media(&png(&other), None).unwrap().is_empty());
    }
}
