//! PDF: objects and streams; the cross-reference table and lengths are corrected.

use super::pdf_pictures;
use super::png::zlib;
use crate::doc::{Doc, MAX_REPEATED_BYTES, Syntax, Unit, joined};

/// Builds the list of units: objects are numbered from 1 in order.
#[derive(Default)]
struct Builder {
    units: Vec<Unit>,
    objects: usize,
}

impl Builder {
    fn object(&mut self, text: &str) -> usize {
        self.objects += 1;
        self.units.push(Unit::new(
            format!("object {}", self.objects),
            Syntax::Pdf,
            text,
        ));
        self.objects
    }

    /// A stream of text, which is compressed when the file is put together.
    fn text(&mut self, dictionary: &str, text: impl Into<Vec<u8>>) -> usize {
        let number = self.object(&format!("<< {dictionary} /Filter /FlateDecode >>"));
        self.units.push(Unit::new("flate", Syntax::Pdf, text));
        number
    }

    fn raw(&mut self, dictionary: &str, data: Unit) -> usize {
        let number = self.object(dictionary);
        self.units.push(data);
        number
    }

    /// The trailer; the first object is the catalog.
    fn finish(mut self) -> Vec<Unit> {
        let size = self.objects + 1;
        self.units.push(Unit::new(
            "trailer",
            Syntax::Pdf,
            format!("<< /Size {size} /Root 1 0 R >>"),
        ));
        self.units
    }
}

/// The text of an object with its stream, if one follows it.
fn body(object: &Unit, stream: Option<&Unit>) -> Vec<u8> {
    let Some(stream) = stream else {
        return object.bytes.clone();
    };
    let data = match stream.role.as_str() {
        "flate" => zlib(&stream.bytes),
        _ => stream.bytes.clone(),
    };
    let mut text = object.bytes.clone();
    if text.ends_with(b">>") {
        text.truncate(text.len() - 2);
        text.extend(format!("/Length {} >>", data.len()).bytes());
    }
    [&text, &b"\nstream\n"[..], &data, b"\nendstream"].concat()
}

/// A file with a table of places.
fn pdf(units: &[Unit]) -> Vec<u8> {
    let mut pdf = b"%PDF-1.7\n".to_vec();
    let mut places = Vec::new();
    let mut trailer: &[u8] = b"";
    for (at, unit) in units.iter().enumerate() {
        if let Some(number) = unit.role.strip_prefix("object ") {
            let number: usize = number.parse().expect("a number");
            if places.len() < number {
                places.resize(number, 0);
            }
            places[number - 1] = pdf.len();
            let next = units
                .get(at + 1)
                .filter(|next| matches!(next.role.as_str(), "flate" | "raw"));
            pdf.extend(format!("{number} 0 obj\n").bytes());
            pdf.extend(body(unit, next));
            pdf.extend(b"\nendobj\n");
        } else if unit.role == "trailer" {
            trailer = &unit.bytes;
        }
    }
    let start = pdf.len();
    pdf.extend(format!("xref\n0 {}\n0000000000 65535 f \n", places.len() + 1).bytes());
    for place in places {
        pdf.extend(format!("{place:010} 00000 n \n").bytes());
    }
    pdf.extend(b"trailer\n");
    pdf.extend(trailer);
    pdf.extend(format!("\nstartxref\n{start}\n%%EOF").bytes());
    pdf
}

/// A file whose places are a stream: the unit "xref" has its dictionary.
fn pdf_of_streams(units: &[Unit]) -> Vec<u8> {
    let mut pdf = b"%PDF-1.7\n".to_vec();
    let mut places: Vec<(usize, u8, u32, u16)> = Vec::new();
    for (at, unit) in units.iter().enumerate() {
        let next = units
            .get(at + 1)
            .filter(|next| matches!(next.role.as_str(), "flate" | "raw"));
        if let Some(number) = unit.role.strip_prefix("object ") {
            let number: usize = number.parse().expect("a number");
            places.push((number, 1, pdf.len() as u32, 0));
            pdf.extend(format!("{number} 0 obj\n").bytes());
            pdf.extend(body(unit, next));
            pdf.extend(b"\nendobj\n");
        } else if let Some(list) = unit.role.strip_prefix("inside ") {
            // Objects in a stream: the number of the stream, then theirs.
            let mut numbers = list
                .split(' ')
                .filter_map(|number| number.parse::<usize>().ok());
            let holder = numbers.next().expect("a holder") as u32;
            places.extend(
                (0..)
                    .zip(numbers)
                    .map(|(index, number)| (number, 2, holder, index)),
            );
        } else if unit.role == "xref" && pdf.len() < MAX_REPEATED_BYTES {
            let number = places.iter().map(|place| place.0).max().unwrap_or(0) + 1;
            let start = pdf.len();
            places.push((number, 1, start as u32, 0));
            let mut table = vec![0; 7 * (number + 1)];
            for &(number, kind, place, index) in &places {
                let entry = &mut table[7 * number..7 * number + 7];
                entry[0] = kind;
                entry[1..5].copy_from_slice(&place.to_be_bytes());
                entry[5..].copy_from_slice(&index.to_be_bytes());
            }
            let table = Unit::new("flate", Syntax::Pdf, table);
            pdf.extend(format!("{number} 0 obj\n").bytes());
            pdf.extend(body(unit, Some(&table)));
            pdf.extend(format!("\nendobj\nstartxref\n{start}\n%%EOF").bytes());
        }
    }
    pdf
}

const MEMO: &[u8] = b"The winter slate moves.\n";

const TO_UNICODE: &str = "/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n/CMapName /X def\n\
    1 begincodespacerange\n<0000> <FFFF>\nendcodespacerange\n2 beginbfrange\n<0021> <00FE> <0020>\n\
    <0100> <0102> [<0041> <00420043> <FDFA>]\nendbfrange\n1 beginbfchar\n<0001> <00660069>\nendbfchar\nendcmap\nend\nend\n";

const ENCODING: &str = "/CIDInit /ProcSet findresource begin\nbegincmap\n/CMapName /Y def\n/WMode 0 def\n\
    1 begincodespacerange\n<0000> <FFFF>\nendcodespacerange\n1 begincidrange\n<0020> <00FF> 32\nendcidrange\n\
    1 begincidchar\n<0101> 7\nendcidchar\n1 beginnotdefrange\n<0000> <001F> 1\nendnotdefrange\nendcmap\nend\n";

/// A page with text in fonts of every kind.
fn fonts() -> Builder {
    let mut b = Builder::default();
    b.object("<< /Type /Catalog /Pages 2 0 R /Version /1.7 /AcroForm << /Fields [9 0 R] >> >>");
    b.object("<< /Type /Pages /Kids [3 0 R] /Count 1 /MediaBox [0 0 595 842] /Rotate 0 >>");
    b.object("<< /Type /Pages /Kids [4 0 R 4 0 R] /Count 2 /Parent 2 0 R >>");
    b.object("<< /Type /Page /Parent 3 0 R /Contents [5 0 R 6 0 R] /Annots [8 0 R 9 0 R] /CropBox [0 0 595 842] /UserUnit 1 \
        /Resources << /Font << /F1 10 0 R /F2 11 0 R /F3 12 0 R /F4 13 0 R /F5 20 0 R >> /XObject << /X1 7 0 R >> \
        /ExtGState << /G1 << /LW 2 /Font [10 0 R 9] >> >> >> >>");
    b.text("", "q\n1 0 0 1 10 20 cm\nBT\n/F1 12 Tf\n14 TL\n2 Tc\n3 Tw\n100 Tz\n4 Ts\n0 Tr\n50 800 Td\n(The winter) Tj\nT*\n\
        [(slate) -250 (moves) 120 (by)] TJ\n/F2 10 Tf\n1 0 0 1 50 700 Tm\n(six \\101 weeks) '\n2 1 (and) \"\nET\nQ\n");
    b.text("", "BT\n/F3 11 Tf\n1 0 0 1 50 600 Tm\n<002100220023010000010101> Tj\n0 -14 TD\n/F4 9 Tf\n(AB) Tj\n/F5 8 Tf\n<2122> Tj\nET\n\
        /G1 gs\n/X1 Do\n/P << /MCID 0 /ActualText (said) >> BDC\nEMC\nBI\n/W 4 /H 4 /BPC 8 /CS /G\nID abcdefghijklmnop\nEI\n\
        0 0 m\n10 10 l\nS\n5 5 20 20 re\nf\n");
    b.text("/Type /XObject /Subtype /Form /BBox [0 0 100 100] /Matrix [1 0 0 1 5 5] /Resources << /Font << /F1 10 0 R >> >>",
        "BT\n/F1 9 Tf\n1 2 Td\n(inside) Tj\nET\n");
    b.object("<< /Type /Annot /Subtype /FreeText /Rect [10 10 200 60] /Contents (typed) /DA (/F1 9 Tf) /F 4 /AP << /N 7 0 R >> >>");
    b.object("<< /Type /Annot /Subtype /Widget /FT /Tx /Rect [10 10 90 30] /V (value 1) /MaxLen 9 /Ff 4096 >>");
    b.object("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /FirstChar 32 /LastChar 36 /Widths [278 278 355 556 556] \
        /Encoding << /Type /Encoding /BaseEncoding /WinAnsiEncoding /Differences [65 /A /B 70 /fi /uni0041 /u1F600] >> >>");
    b.object("<< /Type /Font /Subtype /TrueType /BaseFont /Arial /FirstChar 32 /LastChar 34 /Widths 14 0 R /FontDescriptor 15 0 R >>");
    b.object("<< /Type /Font /Subtype /Type0 /BaseFont /X /Encoding 17 0 R /DescendantFonts [16 0 R] /ToUnicode 18 0 R >>");
    b.object("<< /Type /Font /Subtype /Type3 /FontBBox [0 0 750 750] /FontMatrix [0.001 0 0 0.001 0 0] /FirstChar 65 /LastChar 66 \
        /Widths [500 600] /Encoding << /Differences [65 /a /b] >> /CharProcs << /a 19 0 R /b 19 0 R >> >>");
    b.object("[278 300 400]");
    b.object("<< /Type /FontDescriptor /FontName /Arial /Flags 4 /FontBBox [0 -200 1000 900] /ItalicAngle 0 /Ascent 900 /Descent -200 \
        /CapHeight 700 /StemV 80 /MissingWidth 500 /AvgWidth 441 >>");
    b.object("<< /Type /Font /Subtype /CIDFontType2 /BaseFont /X /CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> \
        /DW 500 /W [1 [500 600] 10 20 700] /DW2 [880 -1000] /W2 [1 [-900 250 880] 10 20 -900 250 880] /CIDToGIDMap /Identity \
        /FontDescriptor 15 0 R >>");
    b.text("/Type /CMap /CMapName /Y /WMode 0", ENCODING);
    b.text("", TO_UNICODE);
    b.text("", "500 0 0 0 750 750 d1\n0 0 750 750 re\nf\n");
    b.object("<< /Type /Font /Subtype /Type0 /BaseFont /K /Encoding /UniGB-UCS2-H /DescendantFonts [21 0 R] >>");
    b.object(
        "<< /Type /Font /Subtype /CIDFontType0 /BaseFont /K /DW 1000 /W [1 2 500] \
        /CIDSystemInfo << /Registry (Adobe) /Ordering (GB1) /Supplement 2 >> >>",
    );
    b
}

/// The same objects, those without a stream in one that holds them.
fn in_streams(units: &[Unit]) -> Vec<Unit> {
    let mut inside = Vec::new();
    let mut kept = Vec::new();
    let mut numbers = 0;
    for (at, unit) in units.iter().enumerate() {
        let has_stream = units
            .get(at + 1)
            .is_some_and(|next| matches!(next.role.as_str(), "flate" | "raw"));
        match unit.role.strip_prefix("object ") {
            Some(number) if !has_stream => inside.push((number.to_owned(), unit.bytes.clone())),
            Some(_) => kept.push(unit.clone()),
            None if unit.role != "trailer" => kept.push(unit.clone()),
            None => {}
        }
        numbers += usize::from(unit.role.starts_with("object "));
    }
    let holder = numbers + 1;
    let (mut head, mut bodies) = (String::new(), Vec::new());
    for (number, body) in &inside {
        head += &format!("{number} {} ", bodies.len());
        bodies.extend(body);
        bodies.push(b' ');
    }
    let dictionary = format!(
        "<< /Type /ObjStm /N {} /First {} /Filter /FlateDecode >>",
        inside.len(),
        head.len()
    );
    kept.push(Unit::new(
        format!("object {holder}"),
        Syntax::Pdf,
        dictionary,
    ));
    kept.push(Unit::new(
        "flate",
        Syntax::Pdf,
        [head.as_bytes(), &bodies].concat(),
    ));
    let list: Vec<&str> = inside.iter().map(|(number, _)| number.as_str()).collect();
    let nothing = Syntax::Fields(Vec::new());
    kept.push(Unit::new(
        format!("inside {holder} {}", list.join(" ")),
        nothing,
        "",
    ));
    let size = holder + 2;
    let xref = format!(
        "<< /Type /XRef /Size {size} /Root 1 0 R /W [1 4 2] /Index [0 {size}] /Filter /FlateDecode >>"
    );
    kept.push(Unit::new("xref", Syntax::Pdf, xref));
    kept
}

/// A page with a picture of each kind.
fn pictures() -> Builder {
    let mut b = Builder::default();
    let all = pdf_pictures::all();
    let names: String = (0..all.len())
        .map(|number| format!("/I{number} {} 0 R ", number + 7))
        .collect();
    let drawn: String = (0..all.len())
        .map(|number| format!("q\n100 0 0 50 0 {} cm\n/I{number} Do\nQ\n", 40 * number))
        .collect();
    b.object("<< /Type /Catalog /Pages 2 0 R >>");
    b.object("<< /Type /Pages /Kids [3 0 R] /Count 1 >>");
    b.object(&format!("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 900] /Contents 4 0 R /Resources << /XObject << {names} >> >> >>"));
    b.text("", drawn);
    b.object("<< /FunctionType 2 /Domain [0 1] /C0 [0] /C1 [1] /N 1 >>");
    b.raw(
        "<< /Type /XObject /Subtype /Image /Width 16 /Height 16 /ColorSpace /DeviceGray /BitsPerComponent 8 /Matte [0] >>",
        Unit::new("raw", Syntax::Fields(Vec::new()), vec![200; 256]),
    );
    for (number, picture) in all.into_iter().enumerate() {
        let mut dictionary = picture.dictionary;
        if number == 0 {
            dictionary = dictionary.replace(" >>", " /SMask 6 0 R >>");
        }
        b.raw(&dictionary, picture.data);
    }
    b
}

/// Files that are attached, by a tree of names; outlines and labels.
fn attachments(file: &[u8]) -> Builder {
    let mut b = Builder::default();
    b.object("<< /Type /Catalog /Pages 2 0 R /Names << /EmbeddedFiles 3 0 R >> /PageLabels << /Nums [0 << /S /D /St 1 >>] >> >>");
    b.object("<< /Type /Pages /Kids [7 0 R] /Count 1 >>");
    b.object("<< /Kids [4 0 R] >>");
    b.object("<< /Names [(a.txt) 5 0 R (b.txt) 5 0 R] /Limits [(a.txt) (b.txt)] >>");
    b.object("<< /Type /Filespec /F (a.txt) /EF << /F 6 0 R >> >>");
    b.text("/Type /EmbeddedFile /Params << /Size 24 >>", file);
    b.object("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 100] >>");
    b
}

/// A file that is attached to another one.
fn attach(file: &[u8]) -> Vec<u8> {
    pdf(&attachments(file).finish())
}

/// Forms and pages that refer to the next of them several times.
fn chains() -> Builder {
    let mut b = Builder::default();
    b.object("<< /Type /Catalog /Pages 2 0 R >>");
    b.object("<< /Type /Pages /Kids [3 0 R] /Count 1 >>");
    b.object("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 100] /Contents 4 0 R /Resources << /XObject << /X 5 0 R >> >> >>");
    b.text("", "/X Do\n");
    for next in 6..20 {
        b.text(
            &format!("/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X {next} 0 R >> >>"),
            "/X Do\n/X Do\n/X Do\n",
        );
    }
    b.text("/Type /XObject /Subtype /Form /BBox [0 0 9 9]", "q\nQ\n");
    b
}

pub(crate) fn docs() -> Vec<Doc> {
    let doc = |units, assemble, wrap| Doc {
        format: "pdf",
        name: "a.pdf",
        units,
        assemble,
        wrap,
    };
    let fonts = fonts().finish();
    let raw = Unit::new("raw", Syntax::Pdf, pdf(&attachments(MEMO).finish()));
    vec![
        doc(in_streams(&fonts), pdf_of_streams, None),
        doc(fonts, pdf, None),
        doc(pictures().finish(), pdf, None),
        doc(attachments(MEMO).finish(), pdf, Some(attach)),
        doc(chains().finish(), pdf, None),
        // Places, lengths and sizes as separate numbers.
        doc(vec![raw], joined, None),
    ]
}
