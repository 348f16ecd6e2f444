//! From bytes to matches, through an index in memory, on generated media.

mod encode;

use std::io::Cursor;

use encode::{jpeg, png};
use image::imageops::{self, FilterType};
use image::{ImageFormat, Rgb, RgbImage};
use leakprint::{
    Dihedral, ErrorKind, Evidence, Executor, Fingerprint, Fingerprinter, Index, IndexWriter, Key,
    Limits, Match, MatchOptions, Matcher, Strength,
};

const MEMO: &str = "The winter slate moves by six weeks. Lighthouse opens on the second Friday of \
    February in fourteen territories, with no press screening before the Wednesday. The trailer \
    that tested at seventy-one will be replaced by the one with the storm, even though it gives \
    away the boat. Streaming follows after thirty-two days, not forty-five as the exhibitors \
    were told, and the reserve for awards is spent only after the nominations are out.";

const OTHER: &str = "Rain is expected along the coast until Thursday, with gusts near the capes and \
    a cold front from the west. Ferries run on the summer timetable, except for the night boat, \
    which is cancelled. Visitors should bring warm clothes and check the notices at the pier.";

const FOOTER: &str = "This message and any attachments are confidential and intended solely for the \
    addressee; if you have received it in error please notify the sender and delete it at once.";

/// A picture with structure at every scale, different for every seed.
fn picture(seed: u32) -> RgbImage {
    let mut state = seed.wrapping_mul(0x9E37_79B9) | 1;
    let mut random = move |below: u32| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 8) % below
    };
    let discs: Vec<_> = (0..16)
        .map(|_| (random(480), random(320), 12 + random(90), random(256)))
        .collect();
    RgbImage::from_fn(480, 320, |x, y| {
        let mut grey = 40 + (x + y) / 6;
        for &(cx, cy, r, level) in &discs {
            if x.abs_diff(cx).pow(2) + y.abs_diff(cy).pow(2) < r * r {
                grey = level;
            }
        }
        Rgb([grey.min(255) as u8, (grey / 2 + 50).min(255) as u8, 90])
    })
}

fn fingerprinter() -> Fingerprinter {
    Fingerprinter::builder()
        .key(Key::from_bytes([7; 32]))
        .build()
        .unwrap()
}

fn leak() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("a.png", png(&picture(1))),
        ("b.jpg", jpeg(&picture(2), 90)),
        ("memo.txt", format!("{MEMO}\n\n{FOOTER}").into_bytes()),
        ("other.txt", format!("{OTHER}\n\n{FOOTER}").into_bytes()),
    ]
}

fn index(stored_key: bool) -> Index {
    let fingerprinter = fingerprinter();
    let key = stored_key.then(|| fingerprinter.key().clone());
    let mut writer = IndexWriter::new(fingerprinter.recipe().clone(), key).unwrap();
    writer
        .ignore(&fingerprinter.fingerprint_text(FOOTER).unwrap())
        .unwrap();
    for (name, bytes) in leak() {
        let print = fingerprinter.fingerprint(&bytes, Some(name)).unwrap();
        writer.add(name, &print).unwrap();
    }
    Index::from_bytes(writer.to_bytes(&Executor::serial()).unwrap()).unwrap()
}

fn matcher() -> Matcher {
    Matcher::new(index(true)).unwrap()
}

fn items(matches: &[Match]) -> Vec<&str> {
    matches.iter().map(|m| m.item.as_str()).collect()
}

#[test]
fn identical_files_are_certain() {
    let matcher = matcher();
    for (name, bytes) in leak() {
        let matches = matcher.find_media(&bytes, Some(name)).unwrap();
        assert_eq!(matches[0].item, name);
        assert_eq!(matches[0].strength, Strength::Certain);
        assert!(matches!(matches[0].evidence[0], Evidence::Bytes { .. }));
        assert_eq!(items(&matches), [name]);
    }
}

#[test]
fn pixels_survive_another_lossless_format() {
    let mut bmp = Cursor::new(Vec::new());
    picture(1).write_to(&mut bmp, ImageFormat::Bmp).unwrap();
    let matches = matcher().find_media(bmp.get_ref(), None).unwrap();
    assert_eq!(items(&matches), ["a.png"]);
    assert!(matches!(matches[0].evidence[0], Evidence::Pixels { .. }));
}

#[test]
fn pictures_are_found_turned_mirrored_inverted_small_and_recompressed() {
    let matcher = matcher();
    let a = picture(1);
    let mut inverted = a.clone();
    imageops::invert(&mut inverted);
    let cases = [
        (a.clone(), Dihedral::Identity, false),
        (
            imageops::resize(&a, 300, 200, FilterType::Triangle),
            Dihedral::Identity,
            false,
        ),
        (imageops::rotate90(&a), Dihedral::Rotate90, false),
        (imageops::rotate180(&a), Dihedral::Rotate180, false),
        (imageops::rotate270(&a), Dihedral::Rotate270, false),
        (
            imageops::flip_horizontal(&a),
            Dihedral::FlipHorizontal,
            false,
        ),
        (imageops::flip_vertical(&a), Dihedral::FlipVertical, false),
        (
            imageops::rotate90(&imageops::flip_vertical(&a)),
            Dihedral::Transpose,
            false,
        ),
        (
            imageops::rotate270(&imageops::flip_vertical(&a)),
            Dihedral::Transverse,
            false,
        ),
        (inverted.clone(), Dihedral::Identity, true),
        (imageops::rotate90(&inverted), Dihedral::Rotate90, true),
    ];
    for (case, (picture, expected, expected_inverted)) in cases.iter().enumerate() {
        let matches = matcher.find_media(&jpeg(picture, 60), None).unwrap();
        assert_eq!(items(&matches), ["a.png"], "case {case}");
        let Evidence::Image {
            transform,
            inverted,
            ..
        } = matches[0].evidence[0]
        else {
            panic!("case {case}: {:?}", matches[0].evidence);
        };
        assert_eq!(
            (transform, inverted),
            (*expected, *expected_inverted),
            "case {case}"
        );
    }
}

#[test]
fn unrelated_and_featureless_pictures_match_nothing() {
    let matcher = matcher();
    for seed in 100..140 {
        assert!(
            matcher
                .find_media(&jpeg(&picture(seed), 80), None)
                .unwrap()
                .is_empty()
        );
    }
    let blank = RgbImage::from_pixel(480, 320, Rgb([255, 255, 255]));
    assert!(matcher.find_media(&png(&blank), None).unwrap().is_empty());
}

#[test]
fn a_quotation_is_found_with_its_place_on_both_sides() {
    let quote = "The trailer that tested at seventy-one will be replaced by the one with the storm, \
                 even though it gives away the boat.";
    let before = "Voilà ce qu'ils écrivent: ";
    let matches = matcher()
        .find_text(&format!("{before}{quote} – lol"))
        .unwrap();
    assert_eq!(items(&matches), ["memo.txt"]);
    let Evidence::Text {
        covered,
        query_span,
        item_span,
        ..
    } = matches[0].evidence[0]
    else {
        panic!("{:?}", matches[0]);
    };
    let letters = quote.chars().filter(|c| c.is_alphanumeric()).count() as u32;
    assert!(
        covered > letters - 16 && covered <= letters,
        "{covered} of {letters}"
    );
    let close = |a: u32, b: usize, by: u32| a.abs_diff(b as u32) <= by;
    let start = before.chars().count();
    assert!(close(query_span[0], start, 10), "{query_span:?}");
    assert!(
        close(query_span[1], start + quote.len(), 10),
        "{query_span:?}"
    );
    let at = MEMO.find(quote).unwrap();
    assert!(close(item_span[0], at, 14) && close(item_span[1], at + quote.len(), 14));
}

#[test]
fn disguised_text_is_found() {
    let matcher = matcher();
    let part = &MEMO[..240];
    let spaced: String = part.chars().flat_map(|c| [c, ' ']).collect();
    let wrapped: String = part.split(' ').map(|w| format!("{w}\n> ")).collect();
    for (how, text) in [
        ("capitals", part.to_uppercase()),
        ("spaced out", spaced),
        ("quoted and wrapped", wrapped),
        ("zero-width", part.replace('e', "e\u{200b}")),
        (
            "Cyrillic look-alikes",
            part.replace('a', "\u{430}").replace('o', "\u{43e}"),
        ),
        ("combining marks", part.replace('i', "i\u{301}")),
        (
            "no punctuation",
            part.replace(|c: char| !c.is_alphanumeric(), ""),
        ),
        (
            "digits for letters",
            part.replace('o', "0").replace('l', "1"),
        ),
    ] {
        assert_eq!(
            items(&matcher.find_text(&text).unwrap()),
            ["memo.txt"],
            "{how}"
        );
    }
}

#[test]
fn ignored_content_matches_nothing() {
    let matcher = matcher();
    assert!(matcher.find_text(FOOTER).unwrap().is_empty());
    let innocent = format!("See you at the pier on Sunday, bring the kite.\n\n{FOOTER}");
    assert!(matcher.find_text(&innocent).unwrap().is_empty());
}

#[test]
fn a_short_quotation_stays_below_the_floor_unless_policy_says_otherwise() {
    let quote = "\"no press screening before the Wednesday\", the memo says";
    assert!(matcher().find_text(quote).unwrap().is_empty());
    let mut options = MatchOptions::default();
    options.text_floor = 24;
    let strict = matcher().with_options(options);
    assert_eq!(items(&strict.find_text(quote).unwrap()), ["memo.txt"]);
}

#[test]
fn batches_and_streams_equal_single_finds_for_any_number_of_threads() {
    let matcher = matcher();
    let mut inputs: Vec<Vec<u8>> = leak().into_iter().map(|(_, bytes)| bytes).collect();
    inputs.push(jpeg(&imageops::flip_horizontal(&picture(2)), 50));
    inputs.push(MEMO[50..200].into());
    inputs.push(b"nothing of interest in here".to_vec());
    inputs.push(Vec::new());
    let expected: Vec<_> = inputs
        .iter()
        .map(|bytes| matcher.find_media(bytes, None).map_err(|e| e.kind()))
        .collect();
    assert_eq!(*expected.last().unwrap(), Err(ErrorKind::Empty));
    let prints: Vec<Fingerprint> = inputs
        .iter()
        .filter_map(|bytes| matcher.query_fingerprinter().fingerprint(bytes, None).ok())
        .collect();
    for threads in 1..=4 {
        let exec = Executor::with_threads(threads).unwrap();
        let batch: Vec<_> = matcher
            .find_batch(&prints, &exec)
            .into_iter()
            .map(|result| result.map_err(|e| e.kind()))
            .collect();
        assert_eq!(batch, expected[..prints.len()]);
        let mut streamed = Vec::new();
        matcher
            .find_stream(
                inputs.iter(),
                3,
                &exec,
                |fingerprinter, bytes| fingerprinter.fingerprint(bytes, None),
                |bytes, result| {
                    let at = streamed.len();
                    assert_eq!(*bytes, inputs[at]);
                    streamed.push(result.map(|(_, matches)| matches).map_err(|e| e.kind()));
                    Ok::<(), ()>(())
                },
            )
            .unwrap();
        assert_eq!(streamed, expected);
    }
}

#[test]
fn a_fingerprint_survives_serialisation() {
    let matcher = matcher();
    let print = matcher
        .query_fingerprinter()
        .fingerprint(&jpeg(&picture(1), 70), None)
        .unwrap();
    let json = serde_json::to_string(&print).unwrap();
    let back: Fingerprint = serde_json::from_str(&json).unwrap();
    assert_eq!(back, print);
    // Parts of pictures are verified against the pixels, which a fingerprint lacks; the rest is the same.
    let mut expected = matcher.find(&print).unwrap();
    expected[0].evidence.retain(|e| e.kind() != "region");
    assert_eq!(matcher.find(&back).unwrap(), expected);
    // A fingerprint lacks the exact offsets of a text; the passage is found nevertheless.
    let print = matcher
        .query_fingerprinter()
        .fingerprint_text(MEMO)
        .unwrap();
    let json = serde_json::to_string(&print).unwrap();
    assert!(!json.contains("Lighthouse"));
    let back: Fingerprint = serde_json::from_str(&json).unwrap();
    assert_eq!(items(&matcher.find(&back).unwrap()), ["memo.txt"]);
}

#[test]
fn keys_and_recipes_do_not_mix() {
    let other = Key::from_bytes([8; 32]);
    let error = Matcher::new(index(false)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Recipe);
    let error = Matcher::with_key(index(false), other.clone()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Recipe);
    let apart = Matcher::with_key(index(false), Key::from_bytes([7; 32])).unwrap();
    assert_eq!(items(&apart.find_text(MEMO).unwrap()), ["memo.txt"]);
    let foreign = Fingerprinter::builder().key(other).build().unwrap();
    let print = foreign.fingerprint_text(MEMO).unwrap();
    assert_eq!(apart.find(&print).unwrap_err().kind(), ErrorKind::Recipe);
}

#[test]
fn a_limit_is_named_with_its_value() {
    let mut limits = Limits::default();
    limits.pixels = 1000;
    let matcher = matcher().with_limits(limits);
    let error = matcher.find_media(&png(&picture(1)), None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert!(error.to_string().contains("pixels = 1000"), "{error}");
    assert!(error.to_string().contains("480 x 320"), "{error}");
}

/// A page of words in small letters.
fn page(text: &str) -> RgbImage {
    use font8x8::UnicodeFonts;
    let mut page = RgbImage::from_pixel(640, 480, Rgb([250, 250, 250]));
    let words = text.split_whitespace().cycle();
    let (mut x, mut y) = (24, 24);
    for word in words {
        let width = 8 * word.len() as u32;
        if x + width > 616 {
            (x, y) = (24, y + 18);
        }
        if y > 440 {
            break;
        }
        for (i, letter) in (0..).zip(word.chars()) {
            let rows = font8x8::BASIC_FONTS.get(letter).unwrap_or_default();
            for (dy, row) in (0..).zip(rows) {
                for dx in (0..8).filter(|dx| row >> dx & 1 == 1) {
                    page.put_pixel(x + 8 * i + dx, y + dy, Rgb([30, 30, 40]));
                }
            }
        }
        x += width + 8;
    }
    page
}

/// A crop is found only by the prints of parts.
#[test]
fn explain_reports_parts_of_pictures() {
    let fingerprinter = fingerprinter();
    let key = Some(fingerprinter.key().clone());
    let mut writer = IndexWriter::new(fingerprinter.recipe().clone(), key).unwrap();
    for (name, text) in [("memo.png", MEMO), ("other.png", OTHER)] {
        let print = fingerprinter.fingerprint(&png(&page(text)), None).unwrap();
        writer.add(name, &print).unwrap();
    }
    let bytes = writer.to_bytes(&Executor::serial()).unwrap();
    let matcher = Matcher::new(Index::from_bytes(bytes).unwrap()).unwrap();
    let stage = |explained: &leakprint::Explanation, name: &str| {
        let mut stages = explained.stages.iter();
        stages.find(|stage| stage.stage == name).cloned()
    };

    let crop = imageops::crop_imm(&page(MEMO), 150, 90, 380, 260).to_image();
    let print = matcher
        .query_fingerprinter()
        .fingerprint(&jpeg(&crop, 80), None)
        .unwrap();
    let found = matcher.find(&print).unwrap();
    assert_eq!(items(&found), ["memo.png"]);
    let explained = matcher.explain("memo.png", &print).unwrap();
    assert!((explained.score - found[0].score).abs() < 1e-9);
    let whole = stage(&explained, "image").unwrap();
    assert!(
        !whole.passed,
        "the picture as a whole is another: {whole:?}"
    );
    let details = stage(&explained, "region_details").unwrap();
    assert!(details.passed && details.measure >= 20.0, "{details:?}");
    let region = stage(&explained, "region").unwrap();
    assert!(region.passed && region.measure >= region.threshold);
    let Evidence::Region {
        share, compared, ..
    } = found[0].evidence[0]
    else {
        panic!("{found:?}");
    };
    assert!((region.measure - share).abs() < 1e-4);
    assert_eq!(details.measure, f64::from(compared));

    // Unlike the page in every respect.
    let print = matcher
        .query_fingerprinter()
        .fingerprint(&png(&picture(5)), None);
    let explained = matcher.explain("memo.png", &print.unwrap()).unwrap();
    let pose = stage(&explained, "region_pose").unwrap();
    assert_eq!(
        (pose.measure, pose.threshold, pose.passed),
        (0.0, 4.0, false)
    );
    assert!(stage(&explained, "region").is_none());
    assert!(explained.score < Strength::Possible.min_score());
}

#[test]
fn explain_agrees_with_find() {
    let matcher = matcher();
    let crop = imageops::crop_imm(&picture(1), 60, 40, 300, 240).to_image();
    for (bytes, item) in [
        (jpeg(&crop, 90), "a.png"),
        (jpeg(&picture(1), 40), "a.png"),
        (jpeg(&picture(9), 40), "a.png"),
        (MEMO[..200].into(), "memo.txt"),
        (OTHER[..200].into(), "memo.txt"),
    ] {
        let print = matcher
            .query_fingerprinter()
            .fingerprint(&bytes, None)
            .unwrap();
        let found = matcher.find(&print).unwrap();
        let score = found
            .iter()
            .find(|m| m.item == item)
            .map_or(0.0, |m| m.score);
        let explained = matcher.explain(item, &print).unwrap();
        if score > 0.0 {
            assert!((explained.score - score).abs() < 1e-9);
            assert!(explained.stages.iter().any(|s| s.passed));
        } else {
            assert!(explained.score < Strength::Strong.min_score());
        }
    }
    let print = matcher
        .query_fingerprinter()
        .fingerprint_text(MEMO)
        .unwrap();
    let error = matcher.explain("no such item", &print).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

/// An index in memory of texts by name.
fn index_of(texts: &[(&str, &str)]) -> Index {
    let fingerprinter = fingerprinter();
    let key = Some(fingerprinter.key().clone());
    let mut writer = IndexWriter::new(fingerprinter.recipe().clone(), key).unwrap();
    for (name, text) in texts {
        let print = fingerprinter.fingerprint_text(text).unwrap();
        writer.add(name, &print).unwrap();
    }
    Index::from_bytes(writer.to_bytes(&Executor::serial()).unwrap()).unwrap()
}

/// Every gram of one matches every gram of the other: quadratic without a bound.
#[test]
fn repetitive_texts_are_matched_in_linear_work() {
    let run = "a".repeat(60_000);
    let matcher = Matcher::new(index_of(&[("run", &run), ("memo.txt", MEMO)])).unwrap();
    // Took half a minute and gigabytes once; longer than the item, so that the digests differ.
    let longer = "a".repeat(70_000);
    let _ = matcher.find_text(&longer).unwrap();
    let hidden = format!("{}{MEMO}{}", &run[..20_000], &run[..20_000]);
    assert!(items(&matcher.find_text(&hidden).unwrap()).contains(&"memo.txt"));
}

#[test]
fn a_passage_is_found_however_often_an_item_repeats_it() {
    for repeats in [1, 50, 97, 300, 5000] {
        let log = format!("{}\n", &MEMO[..150]).repeat(repeats);
        let matcher = Matcher::new(index_of(&[("log", &log)])).unwrap();
        let found = matcher.find_text(&MEMO[..150]).unwrap();
        assert_eq!(items(&found), ["log"], "{repeats} times");
        let found = matcher
            .find_text(&format!("{OTHER} {}", log.repeat(2)))
            .unwrap();
        assert_eq!(items(&found), ["log"], "{repeats} times, twice");
    }
}

#[test]
fn a_fingerprint_that_contradicts_itself_is_refused() {
    let matcher = matcher();
    let print = matcher
        .query_fingerprinter()
        .fingerprint_text(MEMO)
        .unwrap();
    let json = serde_json::to_value(&print).unwrap();
    let forge = |path: &str, value: serde_json::Value| {
        let mut json = json.clone();
        *json.pointer_mut(path).unwrap() = value;
        serde_json::from_value::<Fingerprint>(json).unwrap()
    };
    for forged in [
        forge("/parts/0/text/grams/3/at", u32::MAX.into()),
        forge("/parts/0/text/grams/3/at", 0.into()),
        forge("/parts/0/text/folded", 5.into()),
        forge("/parts/0/text/anchors/1", u32::MAX.into()),
        forge("/parts/0/text/anchors", vec![0; 3].into()),
    ] {
        assert_eq!(
            matcher.find(&forged).unwrap_err().kind(),
            ErrorKind::Malformed
        );
        let key = Some(fingerprinter().key().clone());
        let mut writer = IndexWriter::new(forged.recipe.clone(), key).unwrap();
        let error = writer.add("forged", &forged).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed);
    }
}

#[test]
fn explain_says_what_was_discounted_or_too_little() {
    let matcher = matcher();
    let explain = |item: &str, text: &str| {
        let print = matcher
            .query_fingerprinter()
            .fingerprint_text(text)
            .unwrap();
        matcher.explain(item, &print).unwrap()
    };
    let explained = explain("memo.txt", FOOTER);
    assert_eq!(explained.score, 0.0);
    let explained = explain("memo.txt", &format!("{} {FOOTER}", &MEMO[..120]));
    assert!(
        explained
            .stages
            .iter()
            .any(|s| s.stage == "discounted" && s.measure > 50.0)
    );

    let tiny = Matcher::new(index_of(&[("ok.txt", "ok")])).unwrap();
    let print = tiny.query_fingerprinter().fingerprint_text("ok").unwrap();
    assert!(tiny.find(&print).unwrap().is_empty());
    let explained = tiny.explain("ok.txt", &print).unwrap();
    assert_eq!(explained.score, 0.0);
    assert!(
        explained
            .stages
            .iter()
            .any(|s| s.stage == "bytes" && !s.passed)
    );
}

#[test]
fn a_picture_of_one_look_with_other_content_is_no_match() {
    // Sheets: the same grid, other numbers.
    let sheet = |seed: u32| {
        let mut state = seed.wrapping_mul(0x9E37_79B9) | 1;
        let mut picture = RgbImage::from_pixel(960, 600, Rgb([255, 255, 255]));
        for (cell, y) in (0..24).flat_map(|row| (0..6).map(move |c| (c, 12 + 24 * row))) {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            for bar in 0..20 {
                if state >> (bar % 16 + 8) & 1 == 1 {
                    for (dx, dy) in (0..4).flat_map(|dx| (0..10).map(move |dy| (dx, dy))) {
                        picture.put_pixel(20 + cell * 156 + 6 * bar + dx, y + dy, Rgb([0, 0, 0]));
                    }
                }
            }
        }
        picture
    };
    let fingerprinter = fingerprinter();
    let key = Some(fingerprinter.key().clone());
    let mut writer = IndexWriter::new(fingerprinter.recipe().clone(), key).unwrap();
    let print = fingerprinter.fingerprint(&png(&sheet(1)), None).unwrap();
    writer.add("sheet.png", &print).unwrap();
    let bytes = writer.to_bytes(&Executor::serial()).unwrap();
    let matcher = Matcher::new(Index::from_bytes(bytes).unwrap()).unwrap();
    let small = imageops::resize(&sheet(1), 480, 300, FilterType::Triangle);
    for copy in [jpeg(&sheet(1), 30), jpeg(&small, 80)] {
        assert_eq!(
            items(&matcher.find_media(&copy, None).unwrap()),
            ["sheet.png"]
        );
    }
    for seed in 2..12 {
        let other = matcher.find_media(&jpeg(&sheet(seed), 80), None).unwrap();
        assert!(other.is_empty(), "sheet {seed}: {other:?}");
    }
}

/// An animated PNG of frames of one size.
fn apng(frames: &[RgbImage]) -> Vec<u8> {
    let crc = |bytes: &[u8]| {
        !bytes.iter().fold(!0_u32, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte), |crc, _| {
                (crc >> 1) ^ (0xEDB8_8320 & 0_u32.wrapping_sub(crc & 1))
            })
        })
    };
    let chunk = |name: &[u8; 4], body: &[u8]| {
        let named = [&name[..], body].concat();
        let len = (body.len() as u32).to_be_bytes();
        [&len[..], &named, &crc(&named).to_be_bytes()].concat()
    };
    let (width, height) = frames[0].dimensions();
    let mut sequence = 0_u32;
    let mut bytes = Vec::new();
    for (i, frame) in frames.iter().enumerate() {
        let still = png(frame);
        if i == 0 {
            // The signature and the header.
            bytes.extend(&still[..33]);
            let count = (frames.len() as u32).to_be_bytes();
            bytes.extend(chunk(b"acTL", &[count, [0; 4]].concat()));
        }
        let mut number = || {
            sequence += 1;
            (sequence - 1).to_be_bytes()
        };
        let place = [
            number(),
            width.to_be_bytes(),
            height.to_be_bytes(),
            [0; 4],
            [0; 4],
        ];
        bytes.extend(chunk(
            b"fcTL",
            &[&place.concat()[..], &[0, 1, 0, 10, 0, 0]].concat(),
        ));
        let mut rest = &still[33..];
        while let Some((len, _)) = rest.split_first_chunk::<4>() {
            let len = u32::from_be_bytes(*len) as usize;
            let (name, body) = (&rest[4..8], &rest[8..8 + len]);
            match (name, i) {
                (b"IDAT", 0) => bytes.extend(chunk(b"IDAT", body)),
                (b"IDAT", _) => bytes.extend(chunk(b"fdAT", &[&number()[..], body].concat())),
                _ => {}
            }
            rest = &rest[12 + len..];
        }
    }
    bytes.extend(chunk(b"IEND", b""));
    bytes
}

#[test]
fn a_picture_is_found_in_a_frame_of_an_animation() {
    let matcher = matcher();
    let scenes = [8, 8, 9, 8, 1, 9].map(picture);
    let mut gif = Vec::new();
    let frames = scenes.iter().map(|scene| {
        let scene = image::DynamicImage::from(scene.clone());
        image::Frame::new(scene.into_rgba8())
    });
    image::codecs::gif::GifEncoder::new_with_speed(&mut gif, 10)
        .encode_frames(frames)
        .unwrap();
    for (kind, bytes) in [("gif", gif), ("apng", apng(&scenes))] {
        let print = matcher
            .query_fingerprinter()
            .fingerprint(&bytes, None)
            .unwrap();
        let paths: Vec<_> = print.parts.iter().map(|part| part.path.as_str()).collect();
        assert_eq!(
            paths,
            ["", "frame:3", "frame:5"],
            "{kind}: {:?}",
            print.warnings
        );
        let found = matcher.find(&print).unwrap();
        assert_eq!(items(&found), ["a.png"], "{kind}");
        for evidence in &found[0].evidence {
            match evidence {
                Evidence::Pixels { part, .. }
                | Evidence::Image { part, .. }
                | Evidence::Region { part, .. } => assert_eq!(part.as_str(), "frame:5", "{kind}"),
                other => panic!("{kind}: {other:?}"),
            }
        }
    }
}
