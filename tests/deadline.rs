//! The cost of texts: symbols, memory and time stay within the limits, in reading and in matching,
//! and prints from elsewhere are validated.

use std::time::Duration;

use leakprint::{
    CancellationToken, Deadline, ErrorKind, Executor, Fingerprint, Fingerprinter, IndexWriter,
    Limits, Matcher,
};
use serde_json::{Value, json};

fn fingerprinter(set: impl FnOnce(&mut Limits)) -> Fingerprinter {
    let mut limits = Limits::default();
    set(&mut limits);
    Fingerprinter::builder().limits(limits).build().unwrap()
}

/// Text without repeated phrases.
fn prose(words: usize) -> String {
    let mut state = 7_u64;
    let mut text = String::new();
    for _ in 0..words {
        state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
        text += &format!("{:x} ", state >> 40);
    }
    text
}

fn matcher(texts: &[&str]) -> Matcher {
    let fingerprinter = Fingerprinter::builder().build().unwrap();
    let mut writer = IndexWriter::from(&fingerprinter);
    for (number, text) in texts.iter().enumerate() {
        let print = fingerprinter.fingerprint_text(text).unwrap();
        writer.add(&number.to_string(), &print).unwrap();
    }
    Matcher::new(writer.to_index().unwrap()).unwrap()
}

#[test]
fn symbols_are_bounded_as_characters_are() {
    let fingerprinter = fingerprinter(|limits| limits.text_chars = 1000);
    let fits = [
        "a".repeat(1000),
        "\u{5b63}".repeat(500),
        "\u{ac00}".repeat(500),
        "\u{fdfa}".repeat(66),
        "&#233;".repeat(160),
    ];
    for text in fits {
        assert!(fingerprinter.fingerprint_text(&text).is_ok(), "{text:.20}");
    }
    let too_many = [
        "a".repeat(1001),
        "\u{5b63}".repeat(501),
        "\u{d55c}".repeat(334),
        "\u{fdfa}".repeat(67),
        "&#65018;".repeat(67),
        "&amp;#xfdfa;".repeat(67),
        format!("\u{202e}{}", "\u{fdfa}".repeat(67)),
    ];
    for text in too_many {
        for result in [
            fingerprinter.fingerprint_text(&text),
            fingerprinter.fingerprint(text.as_bytes(), Some("a.txt")),
        ] {
            let error = result.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Limit, "{text:.20}");
            assert!(error.message().contains("text_chars = 1000"), "{error}");
        }
    }
}

/// Each text is small enough; all their prints together are not.
#[cfg(feature = "mail")]
#[test]
fn prints_of_many_parts_take_no_more_memory_than_the_limits_say() {
    let body = prose(3000);
    let mut mail = String::from(
        "From: ada@example.org\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n",
    );
    for number in 0..20 {
        mail += &format!(
            "\r\n--b\r\nContent-Type: text/plain\r\nContent-Disposition: attachment\r\n\r\nNumber {number}. {body}"
        );
    }
    mail += "\r\n--b--\r\n";
    let fingerprinter = fingerprinter(|limits| limits.decoded_bytes = 4 * mail.len() as u64);
    let print = fingerprinter
        .fingerprint(mail.as_bytes(), Some("a.eml"))
        .unwrap();
    let texts = print.parts.iter().filter_map(|part| part.text.as_ref());
    let symbols: usize = texts.map(|text| text.folded as usize).sum();
    assert!(symbols > 0 && symbols * 8 < 4 * mail.len(), "{symbols}");
    let refused = print.warnings.iter();
    let refused = refused.filter(|w| w.message.contains("decoded_bytes") && w.kind == "limit");
    assert!(refused.count() >= 10, "{:?}", print.warnings);
}

/// A flood keeps every gram, more than is usual.
#[test]
fn a_flood_of_one_gram_is_charged_as_it_is_made() {
    let flood = "a".repeat(100_000);
    let enough = fingerprinter(|limits| limits.decoded_bytes = 2_700_000);
    let print = enough.fingerprint_text(&flood).unwrap();
    assert!(print.parts[0].text.as_ref().unwrap().grams.len() > 99_000);
    let little = fingerprinter(|limits| limits.decoded_bytes = 2_000_000);
    let error = little.fingerprint_text(&flood).unwrap_err();
    assert!(
        error.message().contains("decoded_bytes = 2000000"),
        "{error}"
    );
}

#[test]
fn a_row_of_very_many_values_keeps_the_best_of_them() {
    // One line, one cell, one quoted field: none may hold memory for each of its values.
    let values = "4711-AX9 2019-03-14 ".repeat(20_000);
    let row = "4711-AX9\t2019-03-14\t".repeat(20_000);
    let cell = format!("a\t{values}");
    let sheet = format!("a,b\n1,\"{values}\"\n");
    let fingerprinter = fingerprinter(|_| {});
    for (text, name) in [(&row, "a.txt"), (&cell, "a.txt"), (&sheet, "a.csv")] {
        let print = fingerprinter
            .fingerprint(text.as_bytes(), Some(name))
            .unwrap();
        let cells = &print.parts[0].cells;
        let of_row = cells.iter().filter(|cell| cell.tabular && cell.row == 1);
        assert!(of_row.count() <= 16);
        assert!(cells.iter().filter(|cell| cell.tabular).count() <= 32);
    }
}

/// Numbers joined by commas were scanned again at each comma, which took hours for a megabyte. Within
/// the default time limit only if each byte is scanned once.
#[test]
fn a_long_word_of_digits_and_commas_is_read() {
    for text in ["1,".repeat(1 << 20), "12,".repeat(1 << 19)] {
        let fingerprinter = fingerprinter(|_| {});
        let print = fingerprinter.fingerprint_text(&text).unwrap();
        assert!(print.parts[0].cells.len() <= 1);
    }
    // The joined values have not changed.
    let print = fingerprinter(|_| {})
        .fingerprint_text("1,234,567.50 and 1,2 x,12")
        .unwrap();
    let spans: Vec<_> = print.parts[0].cells.iter().map(|cell| cell.span).collect();
    assert_eq!(spans, [[0, 12]]);
}

#[test]
fn work_on_a_text_ends_at_a_deadline() {
    let long = prose(1_000_000);
    let soon = || Deadline::after(Duration::from_millis(1));
    let fingerprinter = fingerprinter(|_| {});
    let error = fingerprinter
        .fingerprint_text_until(&long, &soon())
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert!(
        error.message().starts_with("limit time_ms = 1 exceeded"),
        "{error}"
    );

    let matcher = matcher(&[&long]);
    let query = matcher
        .query_fingerprinter()
        .fingerprint_text(&long[9..])
        .unwrap();
    assert_eq!(matcher.find(&query).unwrap().len(), 1);
    let error = matcher.find_until(&query, &soon()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert_eq!(
        matcher.find_text_until(&long, &soon()).unwrap_err().kind(),
        ErrorKind::Limit
    );
    let error = matcher.explain_until("0", &query, &soon()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
}

#[test]
fn cancelled_work_is_an_error_and_gives_no_half_answer() {
    let text = prose(100);
    let matcher = matcher(&[&text]);
    let token = CancellationToken::new();
    let deadline = Deadline::never().with_cancellation(token.clone());
    let query = matcher
        .query_fingerprinter()
        .fingerprint_text(&text)
        .unwrap();
    let exec = Executor::serial();
    let queries = [query.clone(), query.clone()];
    let found = matcher.find_batch_until(&queries, &exec, &deadline);
    assert!(found.iter().all(|found| found.as_ref().unwrap().len() == 1));
    token.cancel();
    let errors = [
        matcher.find_until(&query, &deadline).unwrap_err(),
        matcher.find_text_until(&text, &deadline).unwrap_err(),
        matcher
            .find_media_until(text.as_bytes(), None, &deadline)
            .unwrap_err(),
        matcher
            .find_batch_until(&queries, &exec, &deadline)
            .remove(1)
            .unwrap_err(),
        matcher.explain_until("0", &query, &deadline).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Cancelled);
    }
}

/// A fingerprint with modified JSON.
fn changed(print: &Fingerprint, change: impl FnOnce(&mut Value)) -> Fingerprint {
    let mut value = serde_json::to_value(print).unwrap();
    change(&mut value["parts"][0]);
    serde_json::from_value(value).unwrap()
}

#[test]
fn prints_that_no_fingerprinter_makes_are_refused() {
    let fingerprinter = fingerprinter(|_| {});
    let sheet = b"name,mail\nAda Byron,ada.byron@example.org\nEmmy Noether,emmy@example.net\n";
    let sheet = fingerprinter
        .fingerprint(sheet, Some("people.csv"))
        .unwrap();
    let rings = (0..200 * 160_u32).map(|i| ((i % 200).pow(2) / 32 + (i / 200).pow(2) / 8) as u8);
    let pixels = leakprint::raster::Pixels::Luma8(rings.collect());
    let raster = leakprint::raster::Raster::new(200, 160, pixels).unwrap();
    let picture = fingerprinter.fingerprint_raster(&raster);
    let hostile = [
        changed(&sheet, |part| part["cells"][0]["span"] = json!([9, 2])),
        changed(&sheet, |part| part["cells"][0]["bits"] = json!(31)),
        changed(&sheet, |part| {
            part["cells"][0]["column"] = json!(1_u32 << 31)
        }),
        changed(&sheet, |part| part["text"]["folded"] = json!(u32::MAX)),
        changed(&sheet, |part| {
            part["text"]["grams"][0]["at"] = json!(7_000_000)
        }),
        changed(&sheet, |part| {
            let grams = part["text"]["grams"].as_array_mut().unwrap();
            let first = grams[0].clone();
            grams.insert(0, first);
        }),
        changed(&picture, |part| part["raster"]["width"] = json!(0)),
        changed(&picture, |part| {
            part["raster"]["pdq"]["quality"] = json!(101)
        }),
    ];
    let mut writer = IndexWriter::from(&fingerprinter);
    writer.add("sheet", &sheet).unwrap();
    writer.add("picture", &picture).unwrap();
    let key = fingerprinter.key().clone();
    let matcher = Matcher::with_key(writer.to_index().unwrap(), key).unwrap();
    assert_eq!(matcher.find(&sheet).unwrap()[0].item, "sheet");
    for (number, print) in hostile.iter().enumerate() {
        // The binary form has the same content, and is validated too.
        let print = Fingerprint::from_bytes(&print.to_bytes()).unwrap();
        let found = matcher.find(&print).unwrap_err();
        let added = writer.add("hostile", &print).unwrap_err();
        for error in [found, added] {
            assert_eq!(error.kind(), ErrorKind::Malformed, "{number}: {error}");
        }
    }
    let crowded = changed(&picture, |part| {
        let prints = part["raster"]["local"]["prints"].as_array_mut().unwrap();
        let first = prints[0].clone();
        prints.resize((1 << 15) + 1, first);
    });
    let error = matcher.find(&crowded).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert!(error.message().contains("local prints = 32768"), "{error}");
}
