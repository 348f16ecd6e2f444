//! Small PDFs that are valid but for one absurd number, or that repeat what they share.
//! Each of these once took gigabytes, minutes or the process. Read under small limits,
//! they are typed errors or warnings; what else is in them is still read.

use std::fmt::Write as _;

use leakprint::{ErrorKind, Limits};

use crate::{Recorded, make, read_as};

/// A file of the given objects, numbered from 1, with a table that fits.
fn pdf_of(objects: &[Vec<u8>]) -> Vec<u8> {
    let mut file = b"%PDF-1.7\n".to_vec();
    let mut table = String::new();
    for (number, object) in (1..).zip(objects) {
        writeln!(table, "{:010} 00000 n\r", file.len()).unwrap();
        file.extend_from_slice(format!("{number} 0 obj\n").as_bytes());
        file.extend_from_slice(object);
        file.extend_from_slice(b"\nendobj\n");
    }
    let start = file.len();
    let count = objects.len() + 1;
    write!(
        table,
        "trailer<</Size {count}/Root 1 0 R>>\nstartxref\n{start}\n%%EOF"
    )
    .unwrap();
    let head = format!("xref\n0 {count}\n0000000000 65535 f\r\n");
    file.extend_from_slice(head.as_bytes());
    file.extend_from_slice(table.as_bytes());
    file
}

fn stream(dict: &str, data: &[u8]) -> Vec<u8> {
    let mut object = format!("<<{dict}/Length {}>>stream\n", data.len()).into_bytes();
    object.extend_from_slice(data);
    object.extend_from_slice(b"\nendstream");
    object
}

fn deflated(dict: &str, data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut encoder, data).unwrap();
    let data = encoder.finish().unwrap();
    stream(&format!("{dict}/Filter/FlateDecode"), &data)
}

/// One page of the given content; `resources` may refer to the `more` objects, from 5 on.
fn page(content: &[u8], resources: &str, more: &[Vec<u8>]) -> Vec<u8> {
    let mut objects = vec![
        b"<</Type/Catalog/Pages 2 0 R>>".to_vec(),
        b"<</Type/Pages/Count 1/Kids[3 0 R]>>".to_vec(),
        format!("<</Type/Page/Parent 2 0 R/Contents 4 0 R/Resources<<{resources}>>>>").into_bytes(),
        deflated("", content),
    ];
    objects.extend_from_slice(more);
    pdf_of(&objects)
}

/// A page that shows words in Helvetica, and then in the font under test.
fn page_with_font(font: &str, more: &[Vec<u8>]) -> Vec<u8> {
    let content =
        b"BT /F0 12 Tf (before) Tj /F1 12 Tf 0 -20 Td (AB) Tj /F0 12 Tf 0 -20 Td (after) Tj ET";
    let mut objects = vec![
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>".to_vec(),
        font.as_bytes().to_vec(),
    ];
    objects.extend_from_slice(more);
    page(content, "/Font<</F0 5 0 R/F1 6 0 R>>", &objects)
}

fn small() -> Limits {
    let mut limits = Limits::default();
    limits.decoded_bytes = 32 << 20;
    limits
}

/// Reads a file; nothing in it may panic.
fn seen(bytes: &[u8]) -> Result<Recorded, (ErrorKind, String)> {
    match read_as(bytes, "a.pdf", &small()) {
        Ok(seen) => {
            for (path, kind, message) in &seen.warnings {
                assert_ne!(*kind, ErrorKind::Panicked, "{path}: {message}");
            }
            Ok(seen)
        }
        Err(error) => {
            assert_ne!(error.kind(), ErrorKind::Panicked, "{error}");
            Err((error.kind(), error.message().to_owned()))
        }
    }
}

/// What is wrong with a file or something in it: all of it, one a line.
fn problems(bytes: &[u8]) -> String {
    match seen(bytes) {
        Ok(seen) => {
            let lines = seen
                .warnings
                .iter()
                .map(|(_, kind, text)| format!("{kind}: {text}\n"));
            lines.collect()
        }
        Err((kind, message)) => format!("{kind}: {message}"),
    }
}

fn assert_problem(bytes: &[u8], part: &str) {
    let problems = problems(bytes);
    assert!(problems.contains(part), "{part:?} is not in: {problems}");
}

#[test]
fn fonts_that_declare_too_much_are_refused_and_the_others_read() {
    let zero = "/FontDescriptor<<>>";
    let simple =
        |numbers: &str| format!("<</Type/Font/Subtype/TrueType/BaseFont/X{zero}{numbers}>>");
    let composite = |numbers: &str| {
        format!(
            "<</Type/Font/Subtype/Type0/BaseFont/X/Encoding/Identity-H/DescendantFonts\
             [<</Subtype/CIDFontType2/BaseFont/X{zero}{numbers}>>]>>"
        )
    };
    for (font, part) in [
        (
            simple("/FirstChar 2000000000/LastChar 2000000001/Widths[1]"),
            "FirstChar",
        ),
        (
            "<</Type/Font/Subtype/Type3/FontBBox[0 0 1 1]/CharProcs<<>>/FirstChar 4000000000\
             /LastChar 4000000000/Widths[1]/Encoding<<>>>>"
                .to_owned(),
            "FirstChar",
        ),
        (composite("/W[0 4294967295 500]"), "widths"),
        (composite("/W[0 200000 500 0 200000 500]"), "widths"),
        (composite("/W2[0 4294967294 1 2 3]"), "widths"),
    ] {
        let bytes = page_with_font(&font, &[]);
        assert_problem(&bytes, part);
        let seen = seen(&bytes).unwrap();
        assert!(seen.texts[0].1.contains("before"), "{:?}", seen.texts);
        assert!(seen.texts[0].1.contains("after"), "{:?}", seen.texts);
    }
    // Harmless nonsense stays readable.
    for numbers in [
        "/FirstChar -4000000000/LastChar 255/Widths[500]",
        "/FirstChar 0/LastChar 4294967295/Widths[500]",
        "/FirstChar 9/LastChar -1/Widths[500]",
        "/FirstChar 65/LastChar 66/Widths[500 500 500 500]",
    ] {
        let bytes = page_with_font(&simple(numbers), &[]);
        assert!(!problems(&bytes).contains("limit"), "{numbers}");
    }
}

#[test]
fn maps_of_characters_are_no_longer_than_letters() {
    let map = |ranges: &str| {
        let text = format!("begincmap\n{ranges}\nendcmap");
        let font = "<</Type/Font/Subtype/Type0/BaseFont/X/Encoding/Identity-H/ToUnicode 7 0 R\
                    /DescendantFonts[<</Subtype/CIDFontType2/BaseFont/X>>]>>";
        page_with_font(font, &[deflated("", text.as_bytes())])
    };
    let long = "0041".repeat(3000);
    let range = format!("1 beginbfrange\n<0000> <FFFF> <{long}>\nendbfrange");
    assert_problem(&map(&range), "CMap string");
    assert_problem(&map(&"/UniJIS-UTF16-H usecmap\n".repeat(1000)), "usecmap");
    // The whole range of codes takes no more than its ends.
    let all = "1 beginbfrange\n<00000000> <FFFFFFFF> <0041>\nendbfrange";
    assert!(
        !problems(&map(all)).contains("limit"),
        "{}",
        problems(&map(all))
    );
    // A ligature of more letters than any font has means nothing.
    let ligature = "0041".repeat(400);
    let text = map(&format!("1 beginbfchar\n<4142> <{ligature}>\nendbfchar"));
    let seen = seen(&text).unwrap();
    assert_eq!(seen.texts[0].1, "before\nafter");
}

#[test]
fn shared_objects_count_once_per_use() {
    // Forms that draw one another, twice each.
    let mut forms = Vec::new();
    for level in 0..11 {
        let dict = format!(
            "/Type/XObject/Subtype/Form/BBox[0 0 1 1]/Resources<</XObject<</F {} 0 R>>>>",
            level + 6
        );
        forms.push(stream(&dict, "/F Do ".repeat(20).as_bytes()));
    }
    forms.push(stream("/Type/XObject/Subtype/Form/BBox[0 0 1 1]", b"0 0 m"));
    assert_problem(
        &page(b"/F Do", "/XObject<</F 5 0 R>>", &forms),
        "repeats its contents",
    );

    // One stream, listed many times as the contents of a page.
    let list = "4 0 R ".repeat(5000);
    let objects = [
        b"<</Type/Catalog/Pages 2 0 R>>".to_vec(),
        b"<</Type/Pages/Count 1/Kids[3 0 R]>>".to_vec(),
        format!("<</Type/Page/Contents[{list}]>>").into_bytes(),
        deflated("", &b"0 0 m ".repeat(2000)),
    ];
    assert_problem(&pdf_of(&objects), "repeats its contents");

    // One large dictionary of resources for many pages.
    let fonts: String = (0..5000).fold(String::new(), |all, n| all + &format!("/F{n} 9 0 R"));
    let mut objects = vec![
        b"<</Type/Catalog/Pages 2 0 R>>".to_vec(),
        Vec::new(),
        format!("<</Font<<{fonts}>>>>").into_bytes(),
    ];
    let mut kids = String::new();
    for number in 4..1000 {
        objects.push(b"<</Type/Page/Resources 3 0 R>>".to_vec());
        write!(kids, "{number} 0 R ").unwrap();
    }
    objects[1] = format!("<</Type/Pages/Kids[{kids}]>>").into_bytes();
    assert_problem(&pdf_of(&objects), "repeats its contents");

    // One annotation for all.
    let list = "5 0 R ".repeat(10_000);
    let words = "leak ".repeat(2000);
    let objects = [
        b"<</Type/Catalog/Pages 2 0 R>>".to_vec(),
        b"<</Type/Pages/Count 1/Kids[3 0 R]>>".to_vec(),
        format!("<</Type/Page/Annots[{list}]>>").into_bytes(),
        Vec::from(b"null"),
        format!("<</Subtype/Text/Contents({words})>>").into_bytes(),
    ];
    assert_problem(&pdf_of(&objects), "repeats its contents");
}

#[test]
fn pages_are_visited_once() {
    // A tree whose nodes list their only child a hundred times.
    let mut objects = vec![b"<</Type/Catalog/Pages 2 0 R>>".to_vec()];
    for number in 2..40 {
        let kids = format!("{} 0 R ", number + 1).repeat(100);
        objects.push(format!("<</Type/Pages/Kids[{kids}]>>").into_bytes());
    }
    objects.push(b"<</Type/Page/Parent 2 0 R>>".to_vec());
    assert!(seen(&pdf_of(&objects)).is_ok());
    // Pages that are no objects, far too many for the limits.
    let pages = deflated(
        "/Type/ObjStm/N 1/First 4",
        &[
            b"2 0 <</Type/Pages/Kids[".to_vec(),
            b"<<>>".repeat(1 << 20),
            b"]>>".to_vec(),
        ]
        .concat(),
    );
    let catalog = b"<</Type/Catalog/Pages 2 0 R>>".to_vec();
    let file = with_table_stream(&[catalog, pages], &[(2, [2, 2, 0])], "");
    assert_problem(&file, "repeats its contents");
}

/// A file whose table is a stream: its objects, numbered 1, 3, 4 and so on where the
/// given entries fill the gap.
fn with_table_stream(objects: &[Vec<u8>], inside: &[(u32, [u32; 3])], more: &str) -> Vec<u8> {
    let mut file = b"%PDF-1.7\n".to_vec();
    let mut index = String::new();
    let mut table = Vec::new();
    let mut entry = |number: u32, [kind, a, b]: [u32; 3]| {
        write!(index, "{number} 1 ").unwrap();
        table.push(kind as u8);
        table.extend_from_slice(&a.to_be_bytes());
        table.extend_from_slice(&b.to_be_bytes());
    };
    // The stream of objects goes by the number that the entries name.
    for (at, object) in objects.iter().enumerate() {
        let number = if at == 0 { 1 } else { at as u32 + 100 };
        entry(number, [1, file.len() as u32, 0]);
        file.extend_from_slice(format!("{number} 0 obj\n").as_bytes());
        file.extend_from_slice(object);
        file.extend_from_slice(b"\nendobj\n");
    }
    for (number, [kind, _, which]) in inside {
        entry(*number, [*kind, 101, *which]);
    }
    let start = file.len();
    let dict = format!("/Type/XRef/Size 200/W[1 4 4]/Root 1 0 R/Index[{index}]{more}");
    file.extend_from_slice(b"199 0 obj\n");
    file.extend_from_slice(&stream(&dict, &table));
    file.extend_from_slice(format!("\nendobj\nstartxref\n{start}\n%%EOF").as_bytes());
    file
}

#[test]
fn streams_of_objects_are_read_within_limits() {
    let catalog = b"<</Type/Catalog/Pages 2 0 R>>".to_vec();
    let members = |dict: &str, data: &[u8]| {
        let file = [catalog.clone(), deflated(dict, data)];
        with_table_stream(&file, &[(2, [2, 101, 0]), (3, [2, 101, 1])], "")
    };
    let data = b"2 0 3 30 <</Type/Pages/Kids[3 0 R]>>   <</Type/Page>>";
    assert!(seen(&members("/Type/ObjStm/N 2/First 9", data)).is_ok());
    for dict in [
        "/Type/ObjStm/N 4294967295/First 9",
        "/Type/ObjStm/N 2/First 4294967295",
        "/Type/ObjStm/N 2/First 18446744073709551615",
        "/Type/ObjStm/N -1/First -1",
        "/Type/ObjStm/N 2/First 9/DecodeParms<</Predictor 12/Columns 9223372036854775807>>",
        "/Type/ObjStm/N 2/First 9/DecodeParms<</Predictor 2/Columns 0>>",
        "/Type/ObjStm/N 2/First 9/Extends 101 0 R",
    ] {
        let _ = seen(&members(dict, data));
    }
    let _ = seen(&members(
        "/Type/ObjStm/N 2/First 9",
        b"2 0 3 18446744073709551615 <<>>",
    ));
    // A hundred megabytes of blanks, the dictionary written in a way that hides it.
    let blanks = vec![b' '; 100 << 20];
    let hidden = format!("/#54ype/ObjStm{}/N 2/First 9", " ".repeat(1100));
    assert_problem(&members(&hidden, &blanks), "decoded_bytes");
}

#[test]
fn tables_are_no_larger_than_the_file_allows() {
    let catalog = b"<</Type/Catalog/Pages 2 0 R>>".to_vec();
    let table = |dict: &str, data: &[u8]| {
        let mut file = b"%PDF-1.7\n1 0 obj\n".to_vec();
        file.extend_from_slice(&catalog);
        file.extend_from_slice(b"\nendobj\n2 0 obj\n<</Type/Pages/Kids[<<>>]>>\nendobj\n");
        let start = file.len();
        file.extend_from_slice(b"9 0 obj\n");
        file.extend_from_slice(&deflated(&format!("/Root 1 0 R{dict}"), data));
        file.extend_from_slice(format!("\nendobj\nstartxref\n{start}\n%%EOF").as_bytes());
        file
    };
    // Entries of one byte, thousands of times the file.
    let zeros = vec![0; 4 << 20];
    let blanks = " ".repeat(1100);
    let large = table(&format!("/Type/XRef{blanks}/W[0 1 0]/Size 4194304"), &zeros);
    assert_problem(&large, "more objects than its size allows");
    for dict in [
        "/Type/XRef/W[0 1 0]/Size 4294967295",
        "/Type/XRef/W[1 255 255]/Size 10",
        "/Type/XRef/W[0 1 0]/Size 10/Index[4294967295 4294967295]",
        "/Type/XRef/W[1 4 2]/Size 10/Prev 9",
        "/Type/XRef/W[1 4 2]/Size 10/DecodeParms<</Predictor 15/Columns 4294967295>>",
        "/Type/XRef/W[1 4 2]/Size 10/DecodeParms<</Predictor 2/Colors 255/Columns 99>>",
    ] {
        // The objects are found without the table.
        assert!(seen(&table(dict, &[0; 100])).is_ok(), "{dict}");
    }
    let text =
        String::from_utf8(pdf_of(&[catalog, b"<</Type/Pages/Kids[<<>>]>>".to_vec()])).unwrap();
    let text = text.replace("xref\n0 3", "xref\n0 4294967295");
    assert!(seen(text.as_bytes()).is_ok());
}

#[test]
fn unterminated_objects_are_searched_for_once() {
    for unit in [
        "1 0 obj(",
        "1 0 obj<<",
        "<</Root(",
        "1 0 obj[",
        "1 0 obj 1 0 R ",
    ] {
        let mut file = "%PDF-1.7\n".to_owned() + &unit.repeat(20_000);
        file += "trailer<</Root 1 0 R>>";
        assert!(seen(file.as_bytes()).is_err());
    }
}

#[test]
fn pictures_are_checked_by_what_they_declare_themselves() {
    let picture = |filter: &str, data: &[u8], more: &[Vec<u8>]| {
        let dict = format!(
            "/Type/XObject/Subtype/Image/Width 64/Height 64/BitsPerComponent 8\
             /ColorSpace/DeviceGray/Filter{filter}"
        );
        let mut objects = vec![stream(&dict, data)];
        objects.extend_from_slice(more);
        page(b"64 0 0 64 0 0 cm /I Do", "/XObject<</I 5 0 R>>", &objects)
    };
    let jpx = |change: &dyn Fn(&mut Jpx)| {
        let mut header = Jpx::default();
        change(&mut header);
        problems(&picture("/JPXDecode", &header.bytes(), &[]))
    };
    assert!(!jpx(&|_| {}).contains("declares too many"));
    for (part, change) in [
        (
            "tiles",
            &(|h: &mut Jpx| h.tile = (1, 1)) as &dyn Fn(&mut Jpx),
        ),
        ("pixels", &|h| h.size = (60_000, 60_000)),
        ("side", &|h| h.size = (u32::MAX, 1)),
        ("samples", &|h| {
            (h.size, h.tile, h.components) = ((1000, 1000), (1000, 1000), 16_384)
        }),
        ("precincts", &|h| {
            (h.size, h.tile, h.levels, h.precinct) = ((1500, 1500), (1500, 1500), 5, Some(0x11));
        }),
        ("bit planes", &|h| h.exponent = 31),
        ("broken headers", &|h| h.components = 0),
        ("broken headers", &|h| h.cod_length = 13),
    ] {
        let problems = jpx(change);
        assert!(problems.contains(part), "{part:?} is not in {problems}");
    }

    let jbig2 = |segments: &[Vec<u8>]| problems(&picture("/JBIG2Decode", &segments.concat(), &[]));
    let page_of = |side: u32| {
        segment(
            0,
            48,
            &[side.to_be_bytes(), side.to_be_bytes()].concat(),
            11,
        )
    };
    let region = |number: u32, kind: u8, side: u32| {
        let size = [side.to_be_bytes(), side.to_be_bytes()].concat();
        segment(number, kind, &size, 18 + 8 + 4)
    };
    let mut many = vec![page_of(64)];
    many.extend((1..60).map(|number| region(number, 39, 1024)));
    assert!(jbig2(&many).contains("pixels in regions"));
    assert!(jbig2(&[page_of(64), region(1, 36, 65_535)]).contains("pixels in regions"));
    assert!(jbig2(&[page_of(60_000)]).contains("pixels"));
    assert!(!jbig2(&[page_of(64), region(1, 38, 64)]).contains("too many"));
    // A dictionary that promises a million symbols of what its coder invents.
    let counts = [0x0C, 0, 2, 0xFF, 0, 0x0F, 0xFF, 0xFF, 0, 0x0F, 0xFF, 0xFF].to_vec();
    for noise in (0..=255_u8).step_by(29) {
        let symbols = [
            counts.clone(),
            vec![noise, noise.wrapping_mul(7), 0xFF, 0xAC],
        ]
        .concat();
        let _ = jbig2(&[page_of(64), segment(1, 0, &symbols, 0)]);
    }
    let patterns = [0, 1, 64, 0, 0, 0xFF, 0xFE];
    assert!(jbig2(&[page_of(64), segment(1, 16, &patterns, 4)]).contains("patterns"));

    let fax = |columns: u64| {
        let filter = format!("/CCITTFaxDecode/DecodeParms<</K -1/Columns {columns}>>");
        problems(&picture(&filter, &[0; 8], &[]))
    };
    assert!(fax(u64::from(u32::MAX)).contains("side"));
    assert!(fax(1 << 40).contains("side"));
    let behind = picture("[/DCTDecode/FlateDecode]", &[0xFF, 0xD8], &[]);
    assert_problem(&behind, "after a picture codec");
    let scans = [vec![0xFF, 0xD8], [0xFF, 0xDA].repeat(100)].concat();
    let dict = "/DCTDecode/Decode[1 0]";
    assert_problem(&picture(dict, &scans, &[]), "JPEG of 100 scans");
}

/// A segment of embedded JBIG2: its data, and zeros behind them.
fn segment(number: u32, kind: u8, data: &[u8], zeros: usize) -> Vec<u8> {
    let mut segment = number.to_be_bytes().to_vec();
    segment.extend_from_slice(&[kind, 0, 1]);
    segment.extend_from_slice(&((data.len() + zeros) as u32).to_be_bytes());
    segment.extend_from_slice(data);
    segment.resize(segment.len() + zeros, 0);
    segment
}

/// The headers of a JPEG 2000 codestream.
struct Jpx {
    size: (u32, u32),
    tile: (u32, u32),
    components: u16,
    levels: u8,
    precinct: Option<u8>,
    exponent: u8,
    cod_length: u16,
}

impl Default for Jpx {
    fn default() -> Self {
        Self {
            size: (1000, 1000),
            tile: (1000, 1000),
            components: 1,
            levels: 1,
            precinct: None,
            exponent: 8,
            cod_length: 12,
        }
    }
}

impl Jpx {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0xFF, 0x4F, 0xFF, 0x51];
        let word = |bytes: &mut Vec<u8>, value: u16| bytes.extend_from_slice(&value.to_be_bytes());
        word(
            &mut bytes,
            38_u16.wrapping_add(self.components.wrapping_mul(3)),
        );
        word(&mut bytes, 0);
        for side in [
            self.size.0,
            self.size.1,
            0,
            0,
            self.tile.0,
            self.tile.1,
            0,
            0,
        ] {
            bytes.extend_from_slice(&side.to_be_bytes());
        }
        word(&mut bytes, self.components);
        for _ in 0..self.components {
            bytes.extend_from_slice(&[7, 1, 1]);
        }
        let precincts = self
            .precinct
            .map(|size| vec![size; usize::from(self.levels) + 1]);
        let more = precincts.as_ref().map_or(0, Vec::len) as u16;
        bytes.extend_from_slice(&[0xFF, 0x52]);
        word(&mut bytes, self.cod_length + more);
        bytes.extend_from_slice(&[u8::from(more > 0), 0, 0, 1, 0, self.levels, 4, 4, 0, 1]);
        bytes.extend(precincts.into_iter().flatten());
        let bands = 1 + 3 * u16::from(self.levels);
        bytes.extend_from_slice(&[0xFF, 0x5C]);
        word(&mut bytes, 3 + bands);
        bytes.push(2 << 5);
        bytes.resize(bytes.len() + usize::from(bands), self.exponent << 3);
        bytes.extend_from_slice(&[
            0xFF, 0x90, 0, 10, 0, 0, 0, 0, 0, 0, 0, 1, 0xFF, 0x93, 0xFF, 0xD9,
        ]);
        bytes
    }
}

#[test]
fn a_page_of_thousands_of_small_pictures_costs_what_they_cover() {
    let picture = deflated(
        "/Type/XObject/Subtype/Image/Width 16/Height 16/BitsPerComponent 8/ColorSpace/DeviceGray",
        &[7; 256],
    );
    let content = "q 1 0 0 1 5 5 cm /I Do Q ".repeat(3000);
    let bytes = page(content.as_bytes(), "/XObject<</I 5 0 R>>", &[picture]);
    let _ = seen(&bytes);
}

#[test]
fn inline_images_are_skipped_in_one_pass() {
    let mut content = b"BT /F0 9 Tf (before) Tj ET ".to_vec();
    content.extend_from_slice(&b"BI ID EI (BI 1) Tj (EI \n".repeat(4000));
    let fonts = "/Font<</F0<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>";
    let seen = seen(&page(&content, fonts, &[])).unwrap();
    assert!(seen.texts[0].1.starts_with("before"), "{:?}", seen.texts);
    let mut content = b"BT /F0 9 Tf (before) Tj ".to_vec();
    content.extend_from_slice(&b"BI /W 1 /H 1 /BPC 8 /CS /G ID \x80\nEI ".repeat(200));
    content.extend_from_slice(b"0 -20 Td (after) Tj ET");
    assert_eq!(
        self::seen(&page(&content, fonts, &[])).unwrap().texts[0].1,
        "before\nafter"
    );
}

#[test]
fn circular_references_end() {
    for objects in [
        vec![
            "<</Type/Catalog/Pages 2 0 R>>",
            "<</Type/Pages/Kids[2 0 R 3 0 R]/Parent 2 0 R>>",
            "<</Type/Page/Contents 4 0 R/Resources 3 0 R/Font 3 0 R/XObject 3 0 R/Annots 3 0 R>>",
            "<</Length 4 0 R>>stream\n/F 1 Tf (x) Tj /Contents Do\nendstream",
        ],
        vec![
            "<</Type/Catalog/Pages 2 0 R/Names<</EmbeddedFiles 3 0 R>>>>",
            "<</Type/Pages/Kids[<<>>]>>",
            "<</Kids[3 0 R 3 0 R]/Names[(a) 3 0 R]/EF 3 0 R/F 3 0 R>>",
        ],
        vec!["1 0 R", "2 0 R"],
        vec!["<</Type/Catalog/Pages 1 0 R/Type/Pages/Kids[1 0 R]>>"],
    ] {
        let objects: Vec<Vec<u8>> = objects.into_iter().map(Vec::from).collect();
        let _ = seen(&pdf_of(&objects));
    }
}

#[test]
fn ordinary_fonts_are_read_as_before() {
    let to_unicode = deflated(
        "",
        b"begincmap 1 beginbfrange <0041> <0042> <0062> endbfrange endcmap",
    );
    for (font, text) in [
        (
            "<</Type/Font/Subtype/TrueType/BaseFont/Arial/FirstChar 32/LastChar 126/Widths[278]>>",
            "before\nAB\nafter",
        ),
        (
            "<</Type/Font/Subtype/Type1/BaseFont/X/Encoding<</Differences[65/ffi/f_f_l]>>>>",
            "before\n\u{fb03}ffl\nafter",
        ),
        (
            "<</Type/Font/Subtype/Type3/FontBBox[0 0 1 1]/FontMatrix[1 0 0 1 0 0]/FirstChar 65\
             /LastChar 66/Widths[1 1]/CharProcs<</A 7 0 R/B 7 0 R>>\
             /Encoding<</Differences[65/A/B]>>>>",
            "before\nAB\nafter",
        ),
        (
            "<</Type/Font/Subtype/Type0/BaseFont/X/Encoding/Identity-V/ToUnicode 8 0 R\
             /DescendantFonts[<</Subtype/CIDFontType2/BaseFont/X/DW2[880 -1000]\
             /W[0[500 500] 10 20 600]/W2[0[1 2 3] 5 9 1 2 3]/DW 1000>>]>>",
            "",
        ),
    ] {
        let bytes = page_with_font(font, &[stream("", b"0 0 d0"), to_unicode.clone()]);
        let seen = seen(&bytes).unwrap();
        if text.is_empty() {
            // Two bytes are one code, which the map does not have.
            assert_eq!(seen.texts[0].1, "before\nafter");
        } else {
            assert_eq!(seen.texts[0].1, text, "{font}");
            assert_eq!(seen.warnings, [], "{font}");
        }
    }
    // A document of ordinary make keeps its words.
    let text = "The board will meet on Thursday to decide about the plant.";
    assert!(
        seen(&make::pdf(&[vec![text.to_owned()]])).unwrap().texts[0]
            .1
            .contains(text)
    );
}
