//! Bombs, truncation, false declarations and noise.

use leakprint::{Error, ErrorKind};
use proptest::prelude::*;

use super::{Recorded, limited, limits, make, read_as};

/// An error of the file, or the first warning.
fn problem(result: Result<Recorded, Error>) -> (ErrorKind, String) {
    match result {
        Err(error) => (error.kind(), error.message().to_owned()),
        Ok(seen) => {
            let warning = seen.warnings.into_iter().next().expect("a warning");
            (warning.1, warning.2)
        }
    }
}

#[test]
fn bombs_end_at_their_limit() {
    let zeros = vec![b' '; 8 << 20];
    let ratio = limited(|limits| limits.archive_ratio = 50);
    let total = limited(|limits| {
        limits.archive_ratio = 10_000;
        limits.decoded_bytes = 4 << 20;
    });
    let bombs = [
        ("a.zip", make::zip(&[("zeros", &zeros)])),
        ("a.gz", make::gzip(&zeros)),
        ("a.docx", make::docx_of(&" ".repeat(8 << 20), &[])),
        ("a.tgz", make::gzip(&make::tar("zeros", &zeros))),
    ];
    for (name, bytes) in &bombs {
        for (limits, field) in [(&ratio, "archive_ratio"), (&total, "decoded_bytes")] {
            let (kind, message) = problem(read_as(bytes, name, limits));
            assert_eq!(kind, ErrorKind::Limit, "{name}: {message}");
            assert!(message.contains(field), "{name}: {message}");
        }
    }
}

#[test]
fn a_shared_string_that_is_used_often_is_no_bomb() {
    let strings = format!("<sst><si><t>{}</t></si></sst>", "x".repeat(100_000));
    let cells = "<c t='s'><v>0</v></c>".repeat(20_000);
    let sheet = format!("<worksheet><row>{cells}</row></worksheet>");
    let xlsx = make::zip(&[
        ("[Content_Types].xml", b"<Types/>"),
        ("xl/workbook.xml", b"<workbook/>"),
        ("xl/sharedStrings.xml", strings.as_bytes()),
        ("xl/worksheets/sheet1.xml", sheet.as_bytes()),
    ]);
    let (kind, _) = problem(read_as(&xlsx, "a.xlsx", &limits()));
    assert_eq!(kind, ErrorKind::Limit);
}

#[test]
fn the_stream_of_a_page_is_measured_first() {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    let blanks = vec![b' '; 16 << 20];
    for _ in 0..20 {
        std::io::Write::write_all(&mut encoder, &blanks).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    let pdf = make::pdf_of(
        &[
            b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_vec(),
            b"<< /Type /Page /Parent 2 0 R /Contents 4 0 R >>".to_vec(),
            make::stream("/Filter /FlateDecode", &bomb),
        ],
        "",
    );
    let (kind, message) = problem(read_as(&pdf, "a.pdf", &limits()));
    assert_eq!(kind, ErrorKind::Limit, "{message}");
}

#[test]
fn forms_that_contain_themselves_end() {
    let form = make::stream(
        "/Subtype /Form /Resources << /XObject << /I0 5 0 R >> >>",
        b"/I0 Do /I0 Do",
    );
    let pdf = make::pdf_with_pictures("/I0 Do", &[form]);
    assert!(read_as(&pdf, "a.pdf", &limits()).unwrap().texts.is_empty());
}

#[test]
fn a_wrong_file_name_is_an_error() {
    let plain = make::zip(&[("a.txt", b"words")]);
    let error = read_as(&plain, "a.docx", &limits()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
    let empty = make::zip(&[("[Content_Types].xml", b"<Types/>")]);
    assert!(read_as(&empty, "a.xlsx", &limits()).is_err());
    let garbage = make::zip(&[
        ("[Content_Types].xml", b"<Types/>"),
        ("word/document.xml", b"\x80\x81garbage"),
    ]);
    assert!(read_as(&garbage, "a.docx", &limits()).is_err());
    // A document is known by its content, whatever it is called.
    let docx = make::docx(&["words"]);
    let seen = read_as(&docx, "a.bin", &limits()).unwrap();
    assert_eq!(seen.texts[0].1.trim(), "words");
}

#[test]
fn encrypted_and_unknown_members_are_reported() {
    let mut archive = make::zip(&[("a", b"one"), ("b", b"two")]);
    let directory = archive.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    archive[6] |= 1;
    archive[directory + 8] |= 1;
    let seen = read_as(&archive, "a.zip", &limits()).unwrap();
    assert_eq!(seen.texts, [("member:2".to_owned(), "two".to_owned())]);
    assert_eq!(seen.warnings[0].0, "member:1");
    assert!(
        seen.warnings[0].2.contains("password"),
        "{:?}",
        seen.warnings
    );
    // None that can be opened: an error of the archive.
    let mut archive = make::zip(&[("a", b"one")]);
    let directory = archive.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    archive[8] = 99;
    archive[directory + 10] = 99;
    let error = read_as(&archive, "a.zip", &limits()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
}

#[test]
fn no_entity_is_read() {
    let xml = b"<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'><!ENTITY b 'bbb'>]>\
        <w:document><w:p><w:t>one &a;&b; two</w:t></w:p></w:document>";
    let docx = make::zip(&[
        ("[Content_Types].xml", b"<Types/>"),
        ("word/document.xml", xml),
    ]);
    assert_eq!(
        read_as(&docx, "a.docx", &limits()).unwrap().texts[0].1,
        "one  two"
    );
}

fn samples() -> Vec<(&'static str, Vec<u8>)> {
    let words = ["The quick brown fox", "jumps over the lazy dog"];
    let lines = vec![words.map(str::to_owned).to_vec()];
    vec![
        ("a.docx", make::docx(&words)),
        ("a.pptx", make::pptx(&words)),
        ("a.xlsx", make::xlsx(&[&["a", "1"], &["b", "2"]])),
        ("a.odt", make::odt(&words)),
        ("a.rtf", make::rtf(&words)),
        ("a.pdf", make::pdf(&lines)),
        ("a.zip", make::zip(&[("x.txt", b"words")])),
        ("a.gz", make::gzip(b"words")),
        ("a.tar", make::tar("x.txt", b"words")),
    ]
}

/// Reads what may be refused or lose parts, but no decoder may panic on the way.
fn survives(bytes: &[u8], name: &str) -> Result<(), String> {
    let problems = match read_as(bytes, name, &limits()) {
        Err(error) => vec![(error.kind(), error.message().to_owned())],
        Ok(seen) => {
            let warnings = seen.warnings.into_iter();
            warnings.map(|(_, kind, message)| (kind, message)).collect()
        }
    };
    let panicked = problems
        .into_iter()
        .find(|(kind, _)| *kind == ErrorKind::Panicked);
    panicked.map_or(Ok(()), |(_, message)| Err(format!("{name}: {message}")))
}

#[test]
fn every_cut_is_read_or_refused() {
    for (name, bytes) in samples() {
        for cut in (0..bytes.len()).step_by(1 + bytes.len() / 97) {
            assert_eq!(survives(&bytes[..cut], name), Ok(()), "cut at {cut}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn noise_behind_every_magic_is_read_or_refused(noise in prop::collection::vec(any::<u8>(), 0..400)) {
        for magic in [
            &b"%PDF-1.7\n"[..], b"PK\x03\x04", b"PK\x05\x06", b"{\\rtf1", b"\x1F\x8B\x08",
            b"<office:document>",
        ] {
            let bytes = [magic, &noise].concat();
            prop_assert_eq!(survives(&bytes, "a.bin"), Ok(()));
        }
    }

    #[test]
    fn flipped_bytes_are_read_or_refused(flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..9)) {
        for (name, mut bytes) in samples() {
            for (at, byte) in &flips {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            prop_assert_eq!(survives(&bytes, name), Ok(()));
        }
    }
}
