//! Documents and containers, through the public API: the same content gives the
//! same prints in every format; unreadable content is a warning; bombs, truncation
//! and noise are typed errors.
#![cfg(all(feature = "pdf", feature = "office", feature = "rtf"))]

mod declared;
mod hostile;
mod make;
mod pdf_limits;

use leakprint::media::{self, Content, Part, PartPath, PartSink};
use leakprint::raster::Raster;
use leakprint::{Budget, Error, ErrorKind, Fingerprinter, Limits};

/// A sink that records parts and warnings.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    pub(crate) texts: Vec<(String, String)>,
    pub(crate) rasters: Vec<(String, Raster)>,
    pub(crate) opaque: Vec<String>,
    pub(crate) warnings: Vec<(String, ErrorKind, String)>,
}

impl PartSink for Recorded {
    fn part(&mut self, part: Part<'_>) {
        let path = part.path.to_string();
        match part.content {
            Content::Text(text) => self.texts.push((path, text)),
            Content::Table(table) => self.texts.push((path, table.into_text())),
            Content::Raster { raster, .. } => self.rasters.push((path, raster)),
            _ => self.opaque.push(path),
        }
    }

    fn warning(&mut self, path: PartPath, error: Error) {
        let message = error.message().to_owned();
        self.warnings
            .push((path.to_string(), error.kind(), message));
    }
}

pub(crate) fn read_as(bytes: &[u8], name: &str, limits: &Limits) -> Result<Recorded, Error> {
    let mut seen = Recorded::default();
    media::read(bytes, Some(name), &mut Budget::new(limits), &mut seen)?;
    Ok(seen)
}

/// Everything in a valid file.
fn read(bytes: &[u8], name: &str) -> Recorded {
    let seen = read_as(bytes, name, &Limits::default()).unwrap();
    assert_eq!(seen.warnings, [], "{name}");
    seen
}

/// The one text in a file.
fn text(bytes: &[u8], name: &str) -> String {
    let mut seen = read(bytes, name);
    assert_eq!(seen.texts.len(), 1, "{name}: {:?}", seen.texts);
    seen.texts.remove(0).1
}

const PARAGRAPHS: [&str; 3] = [
    "The final figures of the first office are confidential until Friday.",
    "Gr\u{fc}\u{df}e aus K\u{f6}ln: the \u{201c}Lighthouse\u{201d} opens in 14 territories, officially.",
    "\u{41a}\u{43e}\u{43d}\u{444}\u{438}\u{434}\u{435}\u{43d}\u{446}\u{438}\u{430}\u{43b}\u{44c}\u{43d}\u{43e}: \u{c0}\u{e9} 12,5 % more than planned for the afflicted waffles.",
];

/// The paragraphs as lines of a page, words cut by hyphens at line ends, on two
/// pages with a header and a footer on each.
fn pages() -> Vec<Vec<String>> {
    let mut lines = Vec::new();
    for paragraph in PARAGRAPHS {
        let mut line = String::new();
        for c in paragraph.chars() {
            line.push(c);
            if line.chars().count() >= 24 && c.is_lowercase() {
                line.push('-');
                lines.push(std::mem::take(&mut line));
            }
        }
        lines.push(line);
    }
    lines
        .chunks(lines.len().div_ceil(3))
        .enumerate()
        .map(|(number, chunk)| {
            let mut page = vec!["Strictly private".to_owned()];
            page.extend_from_slice(chunk);
            // Footers are at one position: the last page is padded.
            page.resize(lines.len().div_ceil(3) + 1, " ".to_owned());
            page.push(format!("Page {} of 3", number + 1));
            page
        })
        .collect()
}

#[test]
fn the_same_words_give_the_same_grams_in_every_format() {
    let fingerprinter = Fingerprinter::builder()
        .key(leakprint::Key::from_bytes([7; 32]))
        .build()
        .unwrap();
    let plain = PARAGRAPHS.join("\n");
    let with_header = format!("{plain}\nStrictly private\nPage 1 of 3");
    let html = format!("<html><p>{}</p></html>", PARAGRAPHS.join("</p><p>"));
    for (name, bytes, expected) in [
        ("a.txt", plain.clone().into_bytes(), &plain),
        ("a.html", html.into_bytes(), &plain),
        ("a.docx", make::docx(&PARAGRAPHS), &plain),
        ("a.pptx", make::pptx(&PARAGRAPHS), &plain),
        ("a.odt", make::odt(&PARAGRAPHS), &plain),
        ("a.rtf", make::rtf(&PARAGRAPHS), &plain),
        ("a.pdf", make::pdf(&pages()), &with_header),
    ] {
        let found = fingerprinter.fingerprint(&bytes, Some(name)).unwrap();
        let expected = fingerprinter.fingerprint_text(expected).unwrap();
        let grams = |print: &leakprint::Fingerprint| {
            let text = print.parts[0].text.as_ref().unwrap();
            let grams = text.grams.iter();
            (
                text.folded,
                grams.map(|gram| (gram.print, gram.at)).collect::<Vec<_>>(),
            )
        };
        assert_eq!(
            grams(&found),
            grams(&expected),
            "{name}: {:?}",
            read(&bytes, name).texts
        );
        assert_eq!(found.warnings.len(), 0, "{name}");
    }
}

const ROWS: [&[&str]; 3] = [
    &["Name", "Salary", "Since"],
    &["Jane Doe", "81234.5", "2019-03-01"],
    &["Max M\u{fc}ller", "-17", "2021-11-30"],
];

#[test]
fn the_same_cells_give_the_same_text_in_every_format() {
    let expected =
        "Name\tSalary\tSince\nJane Doe\t81234.5\t2019-03-01\nMax M\u{fc}ller\t-17\t2021-11-30";
    let csv = |separator: &str| -> Vec<u8> {
        ROWS.map(|row| row.join(separator))
            .join("\r\n")
            .into_bytes()
    };
    for (name, bytes) in [
        ("a.csv", csv(",")),
        ("b.csv", csv(";")),
        ("c.tsv", csv("\t")),
        ("a.xlsx", make::xlsx(&ROWS)),
        ("a.ods", make::ods(&ROWS)),
    ] {
        assert_eq!(text(&bytes, name), expected, "{name}");
    }
    let rtf = format!(
        "{{\\rtf1 {}}}",
        ROWS.map(|row| format!("\\trowd\\intbl {}\\cell\\row ", row.join("\\cell ")))
            .concat()
            .replace('\u{fc}', "\\u252?")
    );
    assert_eq!(text(rtf.as_bytes(), "a.rtf"), expected);
}

#[test]
fn every_place_of_a_docx_is_read() {
    let docx = make::docx_of(
        "<w:p><w:r><w:t>body</w:t></w:r><w:ins><w:r><w:t> inserted</w:t></w:r></w:ins>\
         <w:del><w:r><w:delText> deleted</w:delText></w:r></w:del></w:p>",
        &[
            (
                "word/header1.xml",
                b"<w:hdr><w:p><w:t>head</w:t></w:p></w:hdr>",
            ),
            (
                "word/header2.xml",
                b"<w:hdr><w:p><w:t>head</w:t></w:p></w:hdr>",
            ),
            (
                "word/footer1.xml",
                b"<w:ftr><w:p><w:t>foot</w:t></w:p></w:ftr>",
            ),
            (
                "word/footnotes.xml",
                b"<w:footnotes><w:p><w:t>note</w:t></w:p></w:footnotes>",
            ),
            (
                "word/comments.xml",
                b"<w:comments><w:p><w:t>comment</w:t></w:p></w:comments>",
            ),
            ("word/media/image1.bmp", &bmp(20)),
            ("word/embeddings/a.xlsx", &make::xlsx(&ROWS)),
            ("docProps/thumbnail.bmp", &bmp(30)),
        ],
    );
    let seen = read(&docx, "a.docx");
    assert_eq!(
        seen.texts[0].1,
        "body inserted\nbody deleted\nnote\ncomment\nhead\nfoot"
    );
    assert_eq!(seen.rasters.len(), 1);
    assert_eq!(seen.rasters[0].0, "media:1");
    assert_eq!(seen.texts[1].0, "media:2/sheet:1");
}

fn bmp(side: u32) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_fn(side, side, |x, y| image::Rgb([x as u8, y as u8, 9]))
        .write_to(&mut bytes, image::ImageFormat::Bmp)
        .unwrap();
    bytes.into_inner()
}

#[test]
fn containers_nest_and_share_one_budget() {
    let inner = make::zip(&[
        ("deep.txt", b"deep words"),
        ("b.rtf", &make::rtf(&["rich words"])),
    ]);
    let archive = make::zip(&[
        ("folder/", b""),
        ("../../etc/passwd", b"only a name"),
        ("a.tgz", &make::gzip(&make::tar("inner.zip", &inner))),
    ]);
    let texts = read(&archive, "a.zip").texts;
    let texts: Vec<_> = texts
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    assert_eq!(
        texts,
        [
            ("member:1", "only a name"),
            ("member:2/member:1/member:1/member:1", "deep words"),
            ("member:2/member:1/member:1/member:2", "rich words"),
        ]
    );
    let shallow = limited(|limits| limits.depth = 2);
    let seen = read_as(&archive, "a.zip", &shallow).unwrap();
    assert_eq!(seen.texts.len(), 1);
    assert!(
        seen.warnings
            .iter()
            .any(|warning| warning.2.contains("depth = 2"))
    );
    let few = limited(|limits| limits.parts = 3);
    let seen = read_as(&archive, "a.zip", &few).unwrap();
    assert!(
        seen.warnings
            .iter()
            .any(|warning| warning.2.contains("parts = 3"))
    );
}

pub(crate) fn limits() -> Limits {
    Limits::default()
}

/// The default limits with one change.
pub(crate) fn limited(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    change(&mut limits);
    limits
}

/// A picture of a PDF: 32 x 20 grey samples.
fn grey_picture() -> Vec<u8> {
    let samples: Vec<u8> = (0..640_u32).map(|at| (at % 251) as u8).collect();
    make::stream(
        "/Type /XObject /Subtype /Image /Width 32 /Height 20 /BitsPerComponent 8 /ColorSpace /DeviceGray",
        &samples,
    )
}

#[test]
fn a_page_of_pictures_is_a_raster_and_a_warning() {
    let pdf = make::pdf_with_pictures("q 200 0 0 100 0 0 cm /I0 Do Q", &[grey_picture()]);
    let seen = read_as(&pdf, "a.pdf", &limits()).unwrap();
    assert_eq!(seen.opaque, [""]);
    assert_eq!(seen.warnings.len(), 1);
    assert_eq!(seen.warnings[0].0, "page:1");
    assert!(seen.warnings[0].2.contains("without text"));
    let (path, raster) = &seen.rasters[0];
    assert_eq!(
        (path.as_str(), raster.width(), raster.height()),
        ("page:1/image:1", 32, 20)
    );
}

#[test]
fn a_page_cut_into_strips_is_put_together() {
    // Two strips, the second drawn above the first.
    let content = "q 200 0 0 50 0 0 cm /I0 Do Q q 200 0 0 50 0 50 cm /I1 Do Q";
    let dark = make::stream(
        "/Subtype /Image /Width 40 /Height 20 /BitsPerComponent 1 /ColorSpace /DeviceGray",
        &[0; 100],
    );
    let pdf = make::pdf_with_pictures(content, &[grey_picture(), dark]);
    let seen = read_as(&pdf, "a.pdf", &limits()).unwrap();
    let (path, page) = &seen.rasters[0];
    assert_eq!(
        (path.as_str(), page.width(), page.height()),
        ("page:1", 40, 20)
    );
    let leakprint::raster::Pixels::Rgb8(bytes) = page.pixels() else {
        panic!("not RGB");
    };
    assert!(
        bytes[..1200].iter().all(|&sample| sample == 0),
        "the upper strip is dark"
    );
    assert!(
        bytes[1200..].iter().any(|&sample| sample > 200),
        "the lower is not"
    );
    assert_eq!(seen.rasters.len(), 3);
}

#[test]
fn encrypted_files_are_reported() {
    let odt = make::zip(&[
        (
            "META-INF/manifest.xml",
            b"<m:manifest><m:encryption-data/></m:manifest>",
        ),
        ("content.xml", b"\x80\x81\x82"),
    ]);
    let ole = [
        &b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"[..],
        &"EncryptedPackage"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect::<Vec<_>>(),
    ]
    .concat();
    for (name, bytes) in [
        ("a.pdf", make::encrypted_pdf()),
        ("a.odt", odt),
        ("a.docx", ole),
    ] {
        let error = read_as(&bytes, name, &limits()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{name}: {error}");
        assert!(error.message().contains("password"), "{name}: {error}");
    }
}
