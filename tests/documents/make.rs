//! The documents of these tests, made from scratch.

use std::fmt::Write as _;
use std::io::{Cursor, Write as _};

use zip::write::SimpleFileOptions;

/// A ZIP archive.
pub(crate) fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        writer
            .start_file(*name, SimpleFileOptions::default())
            .unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A tar archive of one file.
pub(crate) fn tar(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[124..135].copy_from_slice(format!("{:011o}", bytes.len()).as_bytes());
    header[156] = b'0';
    header[257..263].copy_from_slice(b"ustar\0");
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    let mut tar = header.to_vec();
    tar.extend(bytes);
    tar.resize(tar.len().next_multiple_of(512) + 1024, 0);
    tar
}

fn relations(list: &[(&str, &str)]) -> Vec<u8> {
    let mut xml = String::from("<?xml version='1.0'?><Relationships>");
    for (number, (kind, target)) in list.iter().enumerate() {
        write!(
            xml,
            "<Relationship Id='rId{}' Type='http://x/{kind}' Target='{target}'/>",
            number + 1
        )
        .unwrap();
    }
    (xml + "</Relationships>").into_bytes()
}

/// A DOCX with the given body, and further entries.
pub(crate) fn docx_of(body: &str, more: &[(&str, &[u8])]) -> Vec<u8> {
    let document = format!("<w:document><w:body>{body}</w:body></w:document>");
    let main = relations(&[("officeDocument", "word/document.xml")]);
    let mut files: Vec<(&str, &[u8])> = vec![
        ("[Content_Types].xml", b"<Types/>"),
        ("_rels/.rels", &main),
        ("word/document.xml", document.as_bytes()),
    ];
    files.extend(more);
    zip(&files)
}

/// A DOCX of paragraphs, each word cut into two runs.
pub(crate) fn docx(paragraphs: &[&str]) -> Vec<u8> {
    let mut body = String::new();
    for paragraph in paragraphs {
        body.push_str("<w:p>");
        for word in paragraph.split(' ') {
            let (head, tail) = word.split_at(word.floor_char_boundary(word.len() / 2));
            write!(
                body,
                "<w:r><w:t>{head}</w:t></w:r><w:r><w:t xml:space='preserve'>{tail} </w:t></w:r>"
            )
            .unwrap();
        }
        body.push_str("</w:p>");
    }
    docx_of(&body, &[])
}

pub(crate) fn pptx(paragraphs: &[&str]) -> Vec<u8> {
    let main = relations(&[("officeDocument", "ppt/presentation.xml")]);
    let slides = relations(&[
        ("slide", "slides/slide2.xml"),
        ("slide", "slides/slide1.xml"),
    ]);
    let slide = |lines: &[&str]| {
        let lines: String = lines
            .iter()
            .map(|line| format!("<a:p><a:r><a:t>{line}</a:t></a:r></a:p>"))
            .collect();
        format!("<p:sld show='0'><p:txBody>{lines}</p:txBody></p:sld>")
    };
    let (first, rest) = paragraphs.split_first().unwrap();
    zip(&[
        ("[Content_Types].xml", b"<Types/>"),
        ("_rels/.rels", &main),
        (
            "ppt/presentation.xml",
            b"<p:presentation><p:sldId id='1' r:id='rId1'/><p:sldId id='2' r:id='rId2'/></p:presentation>",
        ),
        ("ppt/_rels/presentation.xml.rels", &slides),
        ("ppt/slides/slide1.xml", slide(rest).as_bytes()),
        ("ppt/slides/slide2.xml", slide(&[first]).as_bytes()),
    ])
}

pub(crate) fn odt(paragraphs: &[&str]) -> Vec<u8> {
    let body: String = paragraphs
        .iter()
        .map(|text| format!("<text:p>{}</text:p>", text.replace(' ', " <text:span/>")))
        .collect();
    let content = format!(
        "<office:document-content><office:text>{body}</office:text></office:document-content>"
    );
    zip(&[
        ("mimetype", b"application/vnd.oasis.opendocument.text"),
        ("META-INF/manifest.xml", b"<manifest:manifest/>"),
        ("content.xml", content.as_bytes()),
    ])
}

pub(crate) fn rtf(paragraphs: &[&str]) -> Vec<u8> {
    let mut body = String::from("{\\rtf1\\ansi\\uc1{\\fonttbl{\\f0 Arial;}}");
    for paragraph in paragraphs {
        for c in paragraph.chars() {
            match c {
                ' '..='~' => body.push(c),
                c => write!(body, "\\u{}?", c as u32).unwrap(),
            }
        }
        body.push_str("\\par\n");
    }
    (body + "}").into_bytes()
}

/// An XLSX: cells that are numbers as such, the rest by turns shared and inline.
pub(crate) fn xlsx(rows: &[&[&str]]) -> Vec<u8> {
    let (mut shared, mut count) = (String::new(), 0);
    let mut sheet = String::from("<worksheet><sheetData>");
    for (row, cells) in rows.iter().enumerate() {
        write!(sheet, "<row r='{}'>", row + 1).unwrap();
        for (column, cell) in cells.iter().enumerate() {
            let place = format!("{}{}", (b'A' + column as u8) as char, row + 1);
            if cell.parse::<f64>().is_ok() {
                write!(sheet, "<c r='{place}'><v>{cell}</v></c>").unwrap();
            } else if (row + column) % 2 == 0 {
                write!(sheet, "<c r='{place}' t='s'><v>{count}</v></c>").unwrap();
                write!(shared, "<si><t>{cell}</t></si>").unwrap();
                count += 1;
            } else {
                write!(
                    sheet,
                    "<c r='{place}' t='inlineStr'><is><t>{cell}</t></is></c>"
                )
                .unwrap();
            }
        }
        sheet.push_str("</row>");
    }
    sheet.push_str("</sheetData></worksheet>");
    let main = relations(&[("officeDocument", "xl/workbook.xml")]);
    let sheets = relations(&[("worksheet", "worksheets/sheet1.xml")]);
    zip(&[
        ("[Content_Types].xml", b"<Types/>"),
        ("_rels/.rels", &main),
        (
            "xl/workbook.xml",
            b"<workbook><sheets><sheet name='x' state='hidden' r:id='rId1'/></sheets></workbook>",
        ),
        ("xl/_rels/workbook.xml.rels", &sheets),
        (
            "xl/sharedStrings.xml",
            format!("<sst>{shared}</sst>").as_bytes(),
        ),
        ("xl/worksheets/sheet1.xml", sheet.as_bytes()),
    ])
}

pub(crate) fn ods(rows: &[&[&str]]) -> Vec<u8> {
    let mut body = String::new();
    for cells in rows {
        body.push_str("<table:table-row>");
        for cell in *cells {
            write!(
                body,
                "<table:table-cell office:value-type='string'><text:p>{cell}</text:p></table:table-cell>"
            )
            .unwrap();
        }
        body.push_str("</table:table-row>");
    }
    let content = format!(
        "<office:document-content><office:spreadsheet><table:table>{body}</table:table></office:spreadsheet></office:document-content>"
    );
    zip(&[
        (
            "mimetype",
            b"application/vnd.oasis.opendocument.spreadsheet",
        ),
        ("META-INF/manifest.xml", b"<manifest:manifest/>"),
        ("content.xml", content.as_bytes()),
    ])
}

/// The objects of a PDF, numbered from 1; the first is the catalog.
pub(crate) fn pdf_of(objects: &[Vec<u8>], trailer: &str) -> Vec<u8> {
    let mut pdf = b"%PDF-1.7\n".to_vec();
    let mut offsets = Vec::new();
    for (number, object) in objects.iter().enumerate() {
        offsets.push(pdf.len());
        writeln!(pdf, "{} 0 obj", number + 1).unwrap();
        pdf.extend(object);
        pdf.extend(b"\nendobj\n");
    }
    let start = pdf.len();
    write!(pdf, "xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1).unwrap();
    for offset in offsets {
        writeln!(pdf, "{offset:010} 00000 n ").unwrap();
    }
    write!(
        pdf,
        "trailer\n<< /Size {} /Root 1 0 R {trailer} >>\nstartxref\n{start}\n%%EOF",
        objects.len() + 1
    )
    .unwrap();
    pdf
}

pub(crate) fn stream(dictionary: &str, bytes: &[u8]) -> Vec<u8> {
    let mut object = format!("<< /Length {} {dictionary} >>\nstream\n", bytes.len()).into_bytes();
    object.extend(bytes);
    object.extend(b"\nendstream");
    object
}

/// A PDF of pages of lines. The font has codes of two bytes that mean nothing
/// without its ToUnicode map: the UTF-16 value plus one; every "fi" is a ligature.
pub(crate) fn pdf(pages: &[Vec<String>]) -> Vec<u8> {
    let mut map = String::from(
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def\n\
         1 begincodespacerange <0000> <FFFF> endcodespacerange\n",
    );
    map.push_str("1 beginbfrange <0021> <FFFE> <0020> endbfrange\n");
    map.push_str("1 beginbfchar <0001> <00660069> endbfchar\nendcmap end end");
    let kids: String = (0..pages.len())
        .map(|page| format!("{} 0 R ", 7 + 2 * page))
        .collect();
    let mut objects = vec![
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        format!("<< /Type /Pages /Kids [{kids}] /Count {} >>", pages.len()).into_bytes(),
        b"<< /Type /Font /Subtype /Type0 /BaseFont /X /Encoding /Identity-H \
          /DescendantFonts [4 0 R] /ToUnicode 6 0 R >>"
            .to_vec(),
        b"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /X /DW 500 /FontDescriptor 5 0 R \
          /CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> >>"
            .to_vec(),
        b"<< /Type /FontDescriptor /FontName /X /Flags 4 >>".to_vec(),
        stream("", map.as_bytes()),
    ];
    for lines in pages {
        let mut content = String::from("BT /F1 10 Tf 14 TL 50 800 Td\n");
        for line in lines {
            content.push('<');
            for unit in line.replace("fi", "\0").encode_utf16() {
                write!(content, "{:04X}", unit + 1).unwrap();
            }
            content.push_str("> Tj T*\n");
        }
        content.push_str("ET");
        objects.push(
            format!(
                "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {} 0 R \
                 /Resources << /Font << /F1 3 0 R >> >> >>",
                objects.len() + 2
            )
            .into_bytes(),
        );
        objects.push(stream("", content.as_bytes()));
    }
    pdf_of(&objects, "")
}

/// A PDF of one page with the given content and pictures, each a separate object.
pub(crate) fn pdf_with_pictures(content: &str, pictures: &[Vec<u8>]) -> Vec<u8> {
    let names: String = (0..pictures.len())
        .map(|number| format!("/I{number} {} 0 R ", number + 5))
        .collect();
    let mut objects = vec![
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_vec(),
        format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 100] /Contents 4 0 R \
             /Resources << /XObject << {names} >> >> >>"
        )
        .into_bytes(),
        stream("", content.as_bytes()),
    ];
    objects.extend_from_slice(pictures);
    pdf_of(&objects, "")
}

/// A PDF that is encrypted with a user password.
pub(crate) fn encrypted_pdf() -> Vec<u8> {
    let objects = vec![
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        b"<< /Type /Pages /Kids [] /Count 0 >>".to_vec(),
        format!(
            "<< /Filter /Standard /V 1 /R 2 /P -4 /O <{0}> /U <{0}> >>",
            "5A".repeat(32)
        )
        .into_bytes(),
    ];
    pdf_of(&objects, "/Encrypt 3 0 R /ID [<00><00>]")
}
