//! Office documents: entries of a ZIP archive, most of them XML.

use super::packed::zip;
use crate::doc::{Doc, Syntax, Unit, joined};

fn xml(name: &str, text: &str) -> Unit {
    Unit::new(name, Syntax::Markup, text)
}

fn relations(name: &str, list: &[(&str, &str)]) -> Unit {
    let list = list.iter().enumerate().map(|(number, (kind, target))| {
        let id = number + 1;
        format!("<Relationship Id=\"rId{id}\" Type=\"http://x/{kind}\" Target=\"{target}\"/>")
    });
    let list: String = list.collect();
    xml(
        name,
        &format!("<?xml version=\"1.0\"?><Relationships>{list}</Relationships>"),
    )
}

fn docx() -> Vec<Unit> {
    vec![
        xml(
            "[Content_Types].xml",
            "<Types><Override PartName=\"/word/document.xml\"/></Types>",
        ),
        relations("_rels/.rels", &[("officeDocument", "word/document.xml")]),
        relations(
            "word/_rels/document.xml.rels",
            &[("header", "header1.xml"), ("image", "media/image1.bmp")],
        ),
        xml(
            "word/document.xml",
            "<w:document><w:body><w:p><w:pPr><w:ind w:left=\"720\"/><w:numPr><w:ilvl w:val=\"0\"/>\
            </w:numPr></w:pPr><w:r><w:rPr><w:sz w:val=\"24\"/></w:rPr><w:t>The winter slate </w:t><w:tab/><w:br/>\
            <w:sym w:char=\"F0E0\"/></w:r></w:p><w:tbl><w:tblGrid><w:gridCol w:w=\"100\"/></w:tblGrid><w:tr><w:tc><w:tcPr>\
            <w:gridSpan w:val=\"2\"/><w:vMerge w:val=\"restart\"/></w:tcPr><w:p><w:r><w:t>cell 1</w:t></w:r></w:p></w:tc>\
            </w:tr></w:tbl><mc:AlternateContent><mc:Choice Requires=\"wps\"><w:r><w:t>choice</w:t></w:r></mc:Choice>\
            <mc:Fallback><w:r><w:t>fallback</w:t></w:r></mc:Fallback></mc:AlternateContent><w:txbxContent><w:p><w:r>\
            <w:t>box</w:t></w:r></w:p></w:txbxContent><w:footnoteReference w:id=\"1\"/></w:body></w:document>",
        ),
        xml(
            "word/header1.xml",
            "<w:hdr><w:p><w:r><w:t>head &amp; &#65;</w:t></w:r></w:p></w:hdr>",
        ),
        xml(
            "word/footnotes.xml",
            "<w:footnotes><w:footnote w:id=\"1\"><w:p><w:r><w:t>note</w:t></w:r></w:p></w:footnote></w:footnotes>",
        ),
        xml(
            "word/comments.xml",
            "<w:comments><w:comment w:id=\"0\"><w:p><w:t>remark</w:t></w:p></w:comment></w:comments>",
        ),
        Unit::new(
            "word/media/image1.bmp",
            Syntax::Fields(Vec::new()),
            super::bmp::docs()[0].bytes(),
        ),
    ]
}

fn xlsx() -> Vec<Unit> {
    vec![
        xml("[Content_Types].xml", "<Types/>"),
        relations("_rels/.rels", &[("officeDocument", "xl/workbook.xml")]),
        relations(
            "xl/_rels/workbook.xml.rels",
            &[
                ("worksheet", "worksheets/sheet1.xml"),
                ("worksheet", "worksheets/sheet2.xml"),
            ],
        ),
        xml(
            "xl/workbook.xml",
            "<workbook><workbookPr date1904=\"0\"/><sheets><sheet name=\"one\" sheetId=\"1\" r:id=\"rId1\"/>\
            <sheet name=\"two\" sheetId=\"2\" r:id=\"rId2\"/></sheets><definedNames><definedName name=\"n\">one!$A$1:$B$3</definedName>\
            </definedNames></workbook>",
        ),
        xml(
            "xl/sharedStrings.xml",
            "<sst count=\"3\" uniqueCount=\"2\"><si><t>Name</t></si><si><r><t>Jane </t></r><r><t>Doe</t></r></si></sst>",
        ),
        xml(
            "xl/styles.xml",
            "<styleSheet><numFmts count=\"1\"><numFmt numFmtId=\"164\" formatCode=\"yyyy-mm-dd\"/></numFmts>\
            <cellXfs count=\"2\"><xf numFmtId=\"0\"/><xf numFmtId=\"164\"/></cellXfs></styleSheet>",
        ),
        xml(
            "xl/worksheets/sheet1.xml",
            "<worksheet><dimension ref=\"A1:C3\"/><cols><col min=\"1\" max=\"3\" width=\"9\"/></cols>\
            <sheetData><row r=\"1\" spans=\"1:3\"><c r=\"A1\" t=\"s\"><v>0</v></c><c r=\"B1\" t=\"s\"><v>1</v></c></row>\
            <row r=\"2\"><c r=\"A2\" s=\"1\"><v>45000.5</v></c><c r=\"C2\" t=\"inlineStr\"><is><t>in line</t></is></c>\
            <c t=\"b\"><v>1</v></c><c r=\"D2\" t=\"str\"><f t=\"shared\" ref=\"D2:D9\" si=\"0\">A1+1</f><v>sum</v></c></row></sheetData>\
            <mergeCells count=\"1\"><mergeCell ref=\"A1:B2\"/></mergeCells></worksheet>",
        ),
        xml(
            "xl/worksheets/sheet2.xml",
            "<worksheet><sheetData><row><c><v>1e300</v></c></row></sheetData></worksheet>",
        ),
    ]
}

fn pptx() -> Vec<Unit> {
    let slide = |name, text| {
        let shape = format!(
            "<p:sp><p:txBody><a:p><a:pPr lvl=\"1\"/><a:r><a:rPr sz=\"1800\"/><a:t>{text}</a:t></a:r></a:p></p:txBody></p:sp>"
        );
        xml(
            name,
            &format!("<p:sld><p:cSld><p:spTree>{shape}</p:spTree></p:cSld></p:sld>"),
        )
    };
    vec![
        xml("[Content_Types].xml", "<Types/>"),
        relations("_rels/.rels", &[("officeDocument", "ppt/presentation.xml")]),
        relations(
            "ppt/_rels/presentation.xml.rels",
            &[
                ("slide", "slides/slide1.xml"),
                ("slide", "slides/slide2.xml"),
            ],
        ),
        xml(
            "ppt/presentation.xml",
            "<p:presentation><p:sldIdLst><p:sldId id=\"256\" r:id=\"rId1\"/><p:sldId id=\"257\" r:id=\"rId2\"/>\
            </p:sldIdLst><p:sldSz cx=\"9144000\" cy=\"6858000\"/></p:presentation>",
        ),
        slide("ppt/slides/slide1.xml", "The winter slate"),
        slide("ppt/slides/slide2.xml", "moves"),
        relations(
            "ppt/slides/_rels/slide1.xml.rels",
            &[("notesSlide", "../notesSlides/notesSlide1.xml")],
        ),
        slide("ppt/notesSlides/notesSlide1.xml", "said aloud"),
    ]
}

const TEXT: &str = "<office:document-content><office:body><office:text><text:h text:outline-level=\"1\">Slate</text:h>\
    <text:p>six<text:s text:c=\"3\"/>weeks<text:tab text:tab-ref=\"2\"/><text:line-break/></text:p><text:list><text:list-item \
    text:start-value=\"4\"><text:p>item</text:p></text:list-item></text:list><text:note><text:note-body><text:p>note</text:p>\
    </text:note-body></text:note></office:text></office:body></office:document-content>";

const SHEET: &str = "<office:document-content><office:body><office:spreadsheet><table:table table:name=\"one\"><table:table-column \
    table:number-columns-repeated=\"3\"/><table:table-row table:number-rows-repeated=\"2\"><table:table-cell \
    office:value-type=\"float\" office:value=\"81234.5\" table:number-columns-repeated=\"2\"><text:p>81234.5</text:p></table:table-cell>\
    <table:covered-table-cell table:number-columns-repeated=\"2\"/><table:table-cell table:number-columns-spanned=\"2\" \
    table:number-rows-spanned=\"2\" office:value-type=\"date\" office:date-value=\"2024-01-02\"/></table:table-row></table:table>\
    <table:named-expressions><table:named-range table:name=\"n\"/></table:named-expressions></office:spreadsheet></office:body>\
    </office:document-content>";

fn open_document(kind: &str, content: &str) -> Vec<Unit> {
    let mime = format!("application/vnd.oasis.opendocument.{kind}");
    vec![
        Unit::new("mimetype", Syntax::Fields(Vec::new()), mime),
        xml(
            "META-INF/manifest.xml",
            "<manifest:manifest><manifest:file-entry manifest:full-path=\"content.xml\"/></manifest:manifest>",
        ),
        xml("content.xml", content),
        xml(
            "styles.xml",
            "<office:document-styles><office:master-styles><style:header><text:p>head</text:p></style:header></office:master-styles></office:document-styles>",
        ),
    ]
}

pub(crate) fn docs() -> Vec<Doc> {
    let doc = |format, name, units| Doc {
        format,
        name,
        units,
        assemble: zip,
        wrap: None,
    };
    let flat = TEXT.replace("office:document-content", "office:document");
    vec![
        doc("docx", "a.docx", docx()),
        doc("xlsx", "a.xlsx", xlsx()),
        doc("pptx", "a.pptx", pptx()),
        doc("odt", "a.odt", open_document("text", TEXT)),
        doc("ods", "a.ods", open_document("spreadsheet", SHEET)),
        Doc {
            format: "fodt",
            name: "a.fodt",
            units: vec![xml("document", &format!("<?xml version=\"1.0\"?>{flat}"))],
            assemble: joined,
            wrap: None,
        },
    ]
}
