//! Copies beside siblings: receipts of one shop, windows of one program, icons. What belongs to the
//! form is no reason to accuse; a copy is found all the same, and alone.

mod encode;
#[path = "../benches/screens/page.rs"]
mod page;

use std::sync::LazyLock;

use encode::{jpeg, png};
use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};
use leakprint::{
    Doubt, Evidence, Executor, Fingerprinter, Index, IndexWriter, Key, Match, MatchOptions,
    Matcher, Strength,
};
use page::{Canvas, Random, Style, mail};

const INK: Rgb<u8> = Rgb([30; 3]);
const PAPER: Rgb<u8> = Rgb([252; 3]);

/// A receipt of one shop: its head, its labels and its foot are those of all receipts; the number, the
/// time, what was bought and the sums are its own.
fn receipt(seed: u64) -> RgbImage {
    let mut random = Random(seed ^ 0x5407);
    let mut canvas = Canvas::new((420, 760), PAPER);
    let goods = [
        "Cement 50 kg",
        "Sand, fine",
        "Hinges, brass",
        "Paint, white",
        "Nails 60 mm",
        "Roller tray",
    ];
    let mut y = 40.0;
    for line in [
        "HOLLOWAY BUILDING SUPPLIES LTD",
        "Unit 276, Banting Lane, Dengil",
        "Open Monday to Saturday",
        "Tel 03 8768 6092   Fax 03 8768 6093",
        "Registered number 000781500416",
        "TAX INVOICE",
    ] {
        canvas.write(50.0, y, 17.0, INK, line);
        y += 24.0;
    }
    let row = |canvas: &mut Canvas, y: f32, label: &str, value: &str| {
        canvas.write(24.0, y, 17.0, INK, label);
        canvas.write(290.0, y, 17.0, INK, value);
    };
    let number = format!("CS{:08}", random.below(100_000_000));
    row(&mut canvas, y + 10.0, "Document number :", &number);
    let date = format!(
        "{:02}/{:02}/2018",
        1 + random.below(28),
        1 + random.below(12)
    );
    row(&mut canvas, y + 34.0, "Date of the sale :", &date);
    let time = format!("{:02}:{:02}", 8 + random.below(10), random.below(60));
    row(&mut canvas, y + 58.0, "Time of the sale :", &time);
    row(&mut canvas, y + 82.0, "Cashier and till :", "USER 1");
    canvas.fill([20, y as u32 + 94, 380, 2], INK);
    y += 120.0;
    let mut sum = 0;
    for _ in 0..3 {
        let price = 100 + random.below(90_000);
        sum += price;
        let value = format!("{}.{:02}", price / 100, price % 100);
        row(&mut canvas, y, goods[random.below(goods.len())], &value);
        y += 24.0;
    }
    canvas.fill([20, y as u32 - 10, 380, 2], INK);
    y += 16.0;
    let tax = sum * 6 / 100;
    for (label, value) in [
        ("Total excluding tax :", sum),
        ("Discount given :", 0),
        ("Total of the tax :", tax),
        ("Rounding :", 0),
        ("Total including tax :", sum + tax),
        ("Paid in cash :", sum + tax),
        ("Change returned :", 0),
    ] {
        let value = format!("{}.{:02}", value / 100, value % 100);
        row(&mut canvas, y, label, &value);
        y += 24.0;
    }
    for line in [
        "SUMMARY OF TAX AT STANDARD RATE",
        "Goods sold are not returnable, thank you",
        "Please keep this invoice for the guarantee",
        "Visit us at the new store in Harbour Road",
    ] {
        canvas.write(40.0, y + 10.0, 17.0, INK, line);
        y += 24.0;
    }
    canvas.picture
}

/// A window with a toothed wheel in its middle and nothing else of note there.
fn wheel(radius: f64) -> RgbImage {
    let side = (2.0 * radius) as u32 + 20;
    let middle = f64::from(side) / 2.0;
    RgbImage::from_fn(side, side, |x, y| {
        let (dx, dy) = (f64::from(x) - middle, f64::from(y) - middle);
        let (r, angle) = (dx.hypot(dy) / radius, dy.atan2(dx));
        let tooth = if (8.0 * angle).sin() > 0.0 { 1.0 } else { 0.75 };
        if r < tooth && r > 0.35 {
            Rgb([40, 90, 160])
        } else {
            PAPER
        }
    })
}

fn matcher(items: &[(String, RgbImage)]) -> Matcher {
    let key = Key::from_bytes([9; 32]);
    let fingerprinter = Fingerprinter::builder().key(key.clone()).build().unwrap();
    let mut writer = IndexWriter::new(fingerprinter.recipe().clone(), Some(key)).unwrap();
    for (name, picture) in items {
        let print = fingerprinter.fingerprint(&png(picture), None).unwrap();
        writer.add(name, &print).unwrap();
    }
    let index = Index::from_bytes(writer.to_bytes(&Executor::serial()).unwrap()).unwrap();
    let options = MatchOptions::default().with_min_strength(Strength::Possible);
    Matcher::new(index).unwrap().with_options(options)
}

/// Three receipts of one shop and a window of each of three programs.
static SHOP: LazyLock<Matcher> = LazyLock::new(|| {
    let receipts = (0..3).map(|i| (format!("receipt{i}"), receipt(i)));
    let windows = (0..3).map(|i| (format!("mail{i}"), mail(&Style::new(i), i)));
    matcher(&receipts.chain(windows).collect::<Vec<_>>())
});

fn find(bytes: &[u8]) -> Vec<Match> {
    SHOP.find_media(bytes, None).unwrap()
}

/// The items at the default strength.
fn accused(matches: &[Match]) -> Vec<&str> {
    let strong = matches.iter().filter(|m| m.strength >= Strength::Strong);
    let mut items: Vec<&str> = strong.map(|m| m.item.as_str()).collect();
    items.sort_unstable();
    items
}

fn doubts(matches: &[Match]) -> Vec<Doubt> {
    let evidence = matches.iter().flat_map(|m| &m.evidence);
    evidence
        .filter_map(|evidence| match evidence {
            Evidence::Region { doubt, .. } => *doubt,
            _ => None,
        })
        .collect()
}

#[test]
fn another_receipt_of_the_shop_accuses_none() {
    let mut doubted = 0;
    for seed in 10..18 {
        let matches = find(&jpeg(&receipt(seed), 90));
        assert!(accused(&matches).is_empty(), "{seed}: {matches:?}");
        doubted += doubts(&matches)
            .iter()
            .filter(|d| **d == Doubt::Sibling)
            .count();
    }
    // The shares of agreement alone would accuse.
    assert!(doubted > 0);
}

#[test]
fn a_copy_of_a_receipt_is_found_and_no_other_one() {
    for (i, name) in ["receipt0", "receipt1", "receipt2"].into_iter().enumerate() {
        let original = receipt(i as u64);
        let mut covered = original.clone();
        imageops::replace(
            &mut covered,
            &RgbImage::from_pixel(120, 60, Rgb([250, 200, 40])),
            250,
            330,
        );
        let half = imageops::crop_imm(&original, 0, 180, 420, 380).to_image();
        let small = imageops::resize(&original, 300, 543, FilterType::Triangle);
        for (what, query) in [
            ("as it is", jpeg(&original, 70)),
            ("covered in part", jpeg(&covered, 85)),
            ("a half", jpeg(&half, 85)),
            ("smaller", jpeg(&small, 90)),
        ] {
            let matches = find(&query);
            assert_eq!(accused(&matches), [name], "{what}: {matches:?}");
        }
    }
}

/// What fits several items equally well identifies them together if they are copies of one another.
#[test]
fn copies_of_one_another_are_named_together() {
    let original = receipt(0);
    let smaller = imageops::resize(&original, 350, 633, FilterType::CatmullRom);
    let items = [
        ("first", original.clone()),
        ("second", smaller),
        ("other", receipt(1)),
    ];
    let matcher = matcher(&items.map(|(name, picture)| (name.to_owned(), picture)));
    let half = imageops::crop_imm(&original, 0, 180, 420, 380).to_image();
    let matches = matcher.find_media(&jpeg(&half, 85), None).unwrap();
    assert_eq!(accused(&matches), ["first", "second"], "{matches:?}");
}

#[test]
fn bars_of_a_window_of_the_same_program_accuse_none() {
    let mut doubted = 0;
    for seed in 30..42 {
        let window = mail(&Style::new(seed % 3), seed);
        let (width, height) = window.dimensions();
        for [x, y, w, h] in [
            [0, 0, width, height * 12 / 100],
            [0, 0, width / 4, height / 4],
            [0, 0, width / 4, height],
        ] {
            let bar = imageops::crop_imm(&window, x, y, w, h).to_image();
            let matches = find(&png(&bar));
            assert!(
                accused(&matches).is_empty(),
                "{seed} {w} x {h}: {matches:?}"
            );
            doubted += doubts(&matches).len();
        }
    }
    assert!(doubted > 0, "the shares of agreement alone would accuse");
}

#[test]
fn a_crop_of_what_the_window_is_about_is_found() {
    for seed in 0..3 {
        let window = mail(&Style::new(seed), seed);
        let (width, height) = window.dimensions();
        let [w, h] = [width / 2, height / 3];
        let crop = imageops::crop_imm(&window, width * 2 / 5, height / 10, w, h).to_image();
        let matches = find(&jpeg(&crop, 85));
        assert_eq!(accused(&matches), [format!("mail{seed}")], "{matches:?}");
    }
}

#[test]
fn an_icon_accuses_no_item_that_has_it() {
    let icon = wheel(17.0);
    let mut item = mail(&Style::new(2), 77);
    let (width, height) = item.dimensions();
    imageops::replace(
        &mut item,
        &icon,
        i64::from(width) / 2,
        i64::from(height) / 2,
    );
    let matcher = matcher(&[("item".to_owned(), item.clone())]);
    let mut post = Canvas::new((400, 300), Rgb([200, 220, 200])).picture;
    imageops::replace(&mut post, &icon, 180, 120);
    let matches = matcher.find_media(&png(&post), None).unwrap();
    assert!(accused(&matches).is_empty(), "{matches:?}");
    // With the lines around it, it is the item.
    let crop = imageops::crop_imm(&item, width / 4, height / 4, width / 2, height / 2).to_image();
    let matches = matcher.find_media(&png(&crop), None).unwrap();
    assert_eq!(accused(&matches), ["item"], "{matches:?}");
}

/// The explanation says which doubt it was, and by what.
#[test]
fn the_explanation_names_the_doubt() {
    let (matches, query) = (10..18)
        .map(|seed| {
            let print = SHOP.query_fingerprinter();
            let query = print.fingerprint(&jpeg(&receipt(seed), 90), None).unwrap();
            (SHOP.find(&query).unwrap(), query)
        })
        .find(|(matches, _)| doubts(matches).contains(&Doubt::Sibling))
        .expect("a receipt that is like another");
    let found = matches
        .iter()
        .find(|found| doubts(std::slice::from_ref(found)).contains(&Doubt::Sibling))
        .unwrap();
    let explanation = SHOP.explain(&found.item, &query).unwrap();
    let stage = explanation
        .stages
        .iter()
        .find(|s| s.stage == "region_contradicted")
        .unwrap();
    assert!(
        !stage.passed && stage.measure > stage.threshold,
        "{stage:?}"
    );
    let region = explanation
        .stages
        .iter()
        .find(|s| s.stage == "region")
        .unwrap();
    assert!(
        region.measure >= region.threshold && !region.passed,
        "{region:?}"
    );
    assert_eq!(explanation.score, found.score);
}
