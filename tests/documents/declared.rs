//! What a file declares, lists and repeats: each is bounded, and costs no more than what is there.

use std::fmt::Write as _;

use leakprint::media::{self, Part, PartPath, PartSink};
use leakprint::{Budget, CancellationToken, Deadline, Error, ErrorKind, Limits};

use super::{Recorded, limited, limits, make, read_as};

fn office(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut all: Vec<(&str, &[u8])> = vec![("[Content_Types].xml", b"<Types/>")];
    all.extend_from_slice(files);
    make::zip(&all)
}

#[test]
fn a_slide_is_read_once_however_often_it_is_listed() {
    let list = "<p:sldId r:id='a'/>".repeat(50_000) + "<p:sldId r:id='b'/>";
    let words = "<a:p><a:t>words of the slide</a:t></a:p>".repeat(500);
    let pptx = office(&[
        ("ppt/presentation.xml", list.as_bytes()),
        (
            "ppt/_rels/presentation.xml.rels",
            b"<Relationship Id='a' Target='slides/x.xml'/><Relationship Id='b' Target='slides/x.xml'/>",
        ),
        ("ppt/slides/x.xml", words.as_bytes()),
    ]);
    // Enough for the slide once.
    let few = limited(|limits| limits.decoded_bytes = 2 << 20);
    let seen = read_as(&pptx, "a.pptx", &few).unwrap();
    assert_eq!(seen.warnings, []);
    assert_eq!(seen.texts[0].1.lines().count(), 500);
}

#[test]
fn a_sheet_is_read_once_however_often_it_is_listed() {
    let list = "<sheet r:id='a'/>".repeat(50_000) + "<sheet r:id='b'/>";
    let xlsx = office(&[
        ("xl/workbook.xml", list.as_bytes()),
        (
            "xl/_rels/workbook.xml.rels",
            b"<Relationship Id='a' Target='one.xml'/><Relationship Id='b' Target='two.xml'/>",
        ),
        ("xl/one.xml", b"<row><c t='str'><v>first</v></c></row>"),
        ("xl/two.xml", b"<row><c t='str'><v>second</v></c></row>"),
    ]);
    let seen = read_as(&xlsx, "a.xlsx", &limits()).unwrap();
    assert_eq!(seen.warnings, []);
    let text = |path: &str, text: &str| (path.to_owned(), text.to_owned());
    assert_eq!(
        seen.texts,
        [text("sheet:1", "first"), text("sheet:2", "second")]
    );
}

#[test]
fn relations_are_not_multiplied_by_the_folder_they_are_relative_to() {
    // 65,000 bytes of folder before each of 20,000 targets would be 1.3 GB.
    let folder = format!("xl/{}/", "a".repeat(60_000));
    let list: String = (0..20_000)
        .map(|id| format!("<Relationship Id='{id}' Target='x{id}'/>"))
        .collect();
    let main = format!("<Relationship Type='/officeDocument' Target='{folder}workbook.xml'/>");
    let xlsx = make::zip(&[
        ("_rels/.rels", main.as_bytes()),
        (&format!("{folder}workbook.xml"), b"<sheet r:id='1'/>"),
        (&format!("{folder}_rels/workbook.xml.rels"), list.as_bytes()),
    ]);
    // A main part under such a name is none.
    let error = read_as(&xlsx, "a.xlsx", &limits()).unwrap_err();
    assert!(error.message().contains("without its main part"), "{error}");
}

#[test]
fn text_of_a_document_is_limited_while_it_is_made() {
    let few = limited(|limits| limits.text_chars = 10_000);
    let words = "<w:p><w:t>words and </w:t><w:t>words</w:t></w:p>".repeat(2000);
    let slides: Vec<(String, String)> = (0..30)
        .map(|n| {
            let text = format!("<a:t>slide {n} {}</a:t>", "words ".repeat(100));
            (format!("ppt/slides/slide{n}.xml"), text)
        })
        .collect();
    let mut pptx: Vec<(&str, &[u8])> = vec![("ppt/presentation.xml", b"<p/>")];
    pptx.extend(
        slides
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_bytes())),
    );
    let rows = "<row><c t='inlineStr'><is><t>words and words</t></is></c></row>".repeat(2000);
    let xlsx: &[(&str, &[u8])] = &[
        ("xl/workbook.xml", b"<workbook/>"),
        ("xl/worksheets/sheet1.xml", rows.as_bytes()),
    ];
    let odt = "<text:p>words and words</text:p>".repeat(2000);
    let fodt = format!("<office:document>{odt}</office:document>");
    for (name, bytes) in [
        ("a.docx", make::docx_of(&words, &[])),
        ("a.pptx", office(&pptx)),
        ("a.xlsx", office(xlsx)),
        ("a.odt", make::odt(&["words and words"; 2000])),
        ("a.fodt", fodt.into_bytes()),
    ] {
        let (kind, message) = match read_as(&bytes, name, &few) {
            Err(error) => (error.kind(), error.message().to_owned()),
            Ok(seen) => {
                let chars = seen.texts.iter().map(|(_, text)| text.chars().count());
                assert!(chars.sum::<usize>() <= 10_000, "{name}");
                let warning = seen.warnings.into_iter().next().expect("a warning");
                (warning.1, warning.2)
            }
        };
        assert_eq!(kind, ErrorKind::Limit, "{name}: {message}");
        assert!(message.contains("text_chars = 10000"), "{name}: {message}");
    }
}

#[test]
fn problems_of_one_document_are_reported_up_to_a_limit() {
    let names: Vec<String> = (0..500).map(|n| format!("word/header{n}.xml")).collect();
    let broken: Vec<(&str, &[u8])> = names
        .iter()
        .map(|name| (name.as_str(), &b"<w:hdr><w:t>\xFF"[..]))
        .collect();
    let docx = make::docx_of("<w:p><w:t>body</w:t></w:p>", &broken);
    let seen = read_as(&docx, "a.docx", &limits()).unwrap();
    assert_eq!(seen.texts[0].1.trim(), "body");
    assert_eq!(seen.warnings.len(), 65);
    assert_eq!(seen.warnings[64].2, "436 more parts could not be read");
}

#[test]
fn a_zip64_directory_that_declares_more_than_there_is_is_refused() {
    let plain = make::zip(&[("a.txt", b"words")]);
    let end = plain.len() - 22;
    let directory = plain.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    let zip64 = |declared: u64| {
        let mut zip = plain[..end].to_vec();
        let record = zip.len() as u64;
        zip.extend(b"PK\x06\x06");
        zip.extend(44_u64.to_le_bytes());
        zip.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        for number in [declared, declared, u64::MAX / 2, directory as u64] {
            zip.extend(number.to_le_bytes());
        }
        zip.extend(b"PK\x06\x07\0\0\0\0");
        zip.extend(record.to_le_bytes());
        zip.extend([1, 0, 0, 0]);
        zip.extend(b"PK\x05\x06\0\0\0\0");
        zip.extend([0xFF; 12]);
        zip.extend([0, 0]);
        zip
    };
    let seen = read_as(&zip64(1), "a.zip", &limits()).unwrap();
    assert_eq!(seen.texts[0].1, "words");
    for declared in [2, 1 << 20, 1 << 40, u64::MAX] {
        let error = read_as(&zip64(declared), "a.zip", &limits()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed);
        let message = format!("{declared} entries are declared, 1 are there");
        assert!(error.message().contains(&message), "{error}");
    }
}

#[test]
fn bytes_that_several_members_share_are_read_once() {
    // The directory lists one member many times, under other names.
    let words: String = (0..4000).fold(String::new(), |mut words, n| {
        write!(words, "{n} words ").unwrap();
        words
    });
    let plain = make::zip(&[("000", words.as_bytes())]);
    let directory = plain.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    let end = plain.len() - 22;
    let mut zip = plain[..directory].to_vec();
    for n in 0..200 {
        let mut entry = plain[directory..end].to_vec();
        entry[46..49].copy_from_slice(format!("{n:03}").as_bytes());
        zip.extend(entry);
    }
    let size = (zip.len() - directory) as u32;
    zip.extend(b"PK\x05\x06\0\0\0\0");
    zip.extend([200, 0, 200, 0]);
    zip.extend(size.to_le_bytes());
    zip.extend((directory as u32).to_le_bytes());
    zip.extend([0, 0]);
    let seen = read_as(&zip, "a.zip", &limits()).unwrap();
    assert_eq!(seen.texts, [("member:1".to_owned(), words)]);
    assert_eq!(seen.warnings.len(), 199);
    assert!(seen.warnings[0].2.contains("those of another one"));
}

#[test]
fn members_together_are_no_larger_than_the_archive() {
    // The directory declares that each member reaches to the end of the archive.
    let files: Vec<(String, Vec<u8>)> = (0..50)
        .map(|n| (format!("{n:02}"), vec![b'a' + (n % 26) as u8; 2000]))
        .collect();
    let list: Vec<(&str, &[u8])> = files.iter().map(|(n, b)| (n.as_str(), &b[..])).collect();
    let mut zip = make::zip(&list);
    let len = zip.len() as u32;
    let entries: Vec<usize> = (0..zip.len())
        .filter(|&at| zip[at..].starts_with(b"PK\x01\x02"))
        .collect();
    for &at in &entries {
        zip[at + 20..at + 24].copy_from_slice(&(len / 2).to_le_bytes());
    }
    let seen = read_as(&zip, "a.zip", &limits()).unwrap();
    assert_eq!((seen.texts.len(), seen.warnings.len()), (2, 48));
    assert!(
        seen.warnings[0].2.contains("larger than the archive"),
        "{:?}",
        seen.warnings
    );
}

#[test]
fn neither_nesting_nor_number_multiplies_what_archives_inflate_to() {
    // Each member alone may hold a megabyte for nothing.
    let member = vec![b' '; 900 << 10];
    let names: Vec<String> = (0..10).map(|n| format!("{n}.txt")).collect();
    let files: Vec<(&str, &[u8])> = names
        .iter()
        .map(|name| (name.as_str(), &member[..]))
        .collect();
    let inner = make::zip(&files);
    let outer: Vec<(&str, &[u8])> = names
        .iter()
        .map(|name| (name.as_str(), &inner[..]))
        .collect();
    let many = make::zip(&outer);
    assert!(many.len() < 64 << 10);
    let seen = read_as(&many, "a.zip", &limits()).unwrap();
    let limit = seen
        .warnings
        .iter()
        .find(|warning| warning.1 == ErrorKind::Limit);
    assert!(
        limit
            .unwrap()
            .2
            .contains("the input inflates to more than 16777216")
    );
    // What one archive of them holds is ordinary.
    assert_eq!(read_as(&inner, "a.zip", &limits()).unwrap().warnings, []);
}

#[test]
fn long_fields_of_a_mail_are_read_up_to_their_limit() {
    let fields = [
        format!("Subject: {}", "=?utf-8?q?b ".repeat(80_000)),
        format!("Subject: {}", "=?utf-8?q?b".repeat(80_000)),
        (0..80_000).fold("Content-Type: text/plain".to_owned(), |mut field, n| {
            write!(field, "; a{n}*1=x").unwrap();
            field
        }),
        (0..80_000).fold("Content-Type: text/plain".to_owned(), |mut field, n| {
            write!(field, ";\n a{n}*=x'y'z").unwrap();
            field
        }),
    ];
    for field in fields {
        let mail = format!("From: a\nTo: b\nDate: c\n{field}\n\nwords of the body");
        let seen = read_as(mail.as_bytes(), "a.eml", &limits()).unwrap();
        let body = seen.texts.iter().find(|(path, _)| path == "body");
        assert_eq!(body.unwrap().1, "words of the body");
        assert_eq!(seen.warnings.len(), 1);
        assert!(
            seen.warnings[0].2.contains("too long"),
            "{:?}",
            seen.warnings
        );
    }
}

/// A sink that cancels the work after the first text.
struct CancelAfterText(CancellationToken, Recorded);

impl PartSink for CancelAfterText {
    fn part(&mut self, part: Part<'_>) {
        self.1.part(part);
        if !self.1.texts.is_empty() {
            self.0.cancel();
        }
    }

    fn warning(&mut self, path: PartPath, error: Error) {
        self.1.warning(path, error);
    }
}

#[test]
fn a_cancelled_walk_keeps_what_it_has_read_and_says_why_it_ended() {
    let files: &[(&str, &[u8])] = &[("a.txt", b"one"), ("b.txt", b"two"), ("c.txt", b"three")];
    let mail = b"From: a\nTo: b\nDate: c\nSubject: one\nContent-Type: text/html\n\n<p>two";
    let rows: &[&[&str]] = &[&["one"]];
    let xlsx = make::xlsx(rows);
    let with_media = make::docx_of("<w:t>one</w:t>", &[("word/media/a.xlsx", &xlsx)]);
    for (name, bytes) in [
        ("a.zip", make::zip(files)),
        ("a.eml", mail.to_vec()),
        ("a.docx", with_media),
    ] {
        let token = CancellationToken::new();
        let deadline = Deadline::never().with_cancellation(token.clone());
        let mut budget = Budget::with_deadline(&Limits::default(), &deadline);
        let mut sink = CancelAfterText(token, Recorded::default());
        media::read(&bytes, Some(name), &mut budget, &mut sink).unwrap();
        let seen = sink.1;
        assert_eq!(seen.texts.len(), 1, "{name}: {:?}", seen.texts);
        assert_eq!(seen.texts[0].1.trim(), "one", "{name}");
        let last = seen
            .warnings
            .last()
            .unwrap_or_else(|| panic!("{name}: no warning"));
        assert_eq!(last.1, ErrorKind::Cancelled, "{name}");
        // Nothing is read at all once it is cancelled.
        let mut seen = Recorded::default();
        let error = media::read(&bytes, Some(name), &mut budget, &mut seen).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        assert!(seen.texts.is_empty() && seen.opaque.is_empty());
    }
}
