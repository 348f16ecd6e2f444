//! OpenDocument (ODF 1.3): text documents, spreadsheets and presentations, in a
//! package or as one flat XML file.
//!
//! Tracked deletions are stored apart from the text in this format and follow it here.

use super::xml::{self, Piece, Tag, Xml};
use super::{Document, Problems, media, number, xml_part};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Budget;
use crate::media::flow::{Flow, Gap, Meter};
use crate::media::table::Table;
use crate::media::walk::Walk;
use crate::media::zip::Zip;

/// Reads a package.
///
/// # Errors
/// [`Unsupported`](ErrorKind::Unsupported) if it is encrypted; else if the content cannot be read.
pub(super) fn package(walk: &mut Walk<'_>, zip: &mut Zip<'_>) -> Result<Document> {
    let encrypted = xml_part(walk, zip, "META-INF/manifest.xml", |xml, walk| {
        let mut xml = Xml::new(xml);
        while let Some(piece) = xml.next(walk.budget)? {
            if matches!(&piece, Piece::Start(tag) if tag.name() == "encryption-data") {
                return Ok(true);
            }
        }
        Ok(false)
    });
    if matches!(encrypted, Ok(true)) {
        let message = "encrypted OpenDocument file, a password is needed";
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    let mut state = State::default();
    let result = xml_part(walk, zip, "content.xml", |xml, walk| {
        state.run(xml, walk.budget)
    });
    let mut problems = Problems::default();
    match result {
        Err(error) if state.is_empty() || error.kind() != ErrorKind::Malformed => {
            return Err(error);
        }
        Err(error) => problems.push(error),
        Ok(()) => {}
    }
    if zip.find("styles.xml").is_some() {
        // Of the styles only the headers and footers of pages are text.
        state.only_masters = true;
        let result = xml_part(walk, zip, "styles.xml", |xml, walk| {
            state.run(xml, walk.budget)
        });
        if let Err(error) = result {
            problems.push(error);
        }
    }
    let mut document = state.finish(walk.budget)?;
    document.problems = problems;
    document.media = media(zip);
    Ok(document)
}

/// Reads a flat file.
///
/// # Errors
/// If nothing can be read.
pub(super) fn flat(bytes: &[u8], budget: &mut Budget) -> Result<Document> {
    let text = xml::decode(bytes, budget)?;
    super::super::guard::guard("the office reader", || {
        let mut state = State::default();
        let result = state.run(&text, budget);
        match result {
            Err(error) if state.is_empty() || error.kind() != ErrorKind::Malformed => Err(error),
            result => {
                let mut document = state.finish(budget)?;
                if let Err(error) = result {
                    document.problems.push(error);
                }
                Ok(document)
            }
        }
    })
}

/// Elements with separate text that interrupt the running text: boxes, notes, comments.
const ASIDES: [&str; 5] = [
    "text-box",
    "note-body",
    "annotation",
    "changed-region",
    "notes",
];

/// Elements inside paragraphs with words that are not the document's: numbers of
/// notes, descriptions of pictures, readings, the bytes of pictures.
const UNREAD: [&str; 5] = ["note-citation", "title", "desc", "ruby-text", "binary-data"];

/// Asides inside asides that are distinguished.
const MAX_ASIDES: usize = 16;

#[derive(Default)]
struct State {
    flow: Flow,
    /// Texts that wait while an aside is read, and how many paragraphs were open in each.
    outer: Vec<(Flow, u32)>,
    aside: Flow,
    meter: Meter,
    sheets: Vec<Table>,
    /// The place of the next cell of the sheet.
    row: u32,
    column: u32,
    cell: Option<OpenCell>,
    /// Open paragraphs, table cells of running text, elements that are not read.
    paragraphs: u32,
    cells: u32,
    skipped: u32,
    /// Inside `office:spreadsheet`, and how deep inside its tables.
    spreadsheet: bool,
    tables: u32,
    /// Read `master-styles` alone, and inside of it.
    only_masters: bool,
    masters: u32,
}

struct OpenCell {
    repeat: u32,
    /// The value, where it is a number or a date.
    value: Option<String>,
    text: Flow,
}

impl State {
    fn is_empty(&self) -> bool {
        self.flow.is_empty() && self.sheets.iter().all(|sheet| sheet.cells().is_empty())
    }

    fn run(&mut self, xml: &str, budget: &mut Budget) -> Result<()> {
        let mut xml = Xml::new(xml);
        while let Some(piece) = xml.next(budget)? {
            match piece {
                Piece::Start(tag) => self.start(&tag, budget)?,
                Piece::End(name) => self.end(name.as_str(), budget)?,
                Piece::Text(text) => self.words(&text, budget)?,
            }
        }
        Ok(())
    }

    fn target(&mut self) -> &mut Flow {
        match &mut self.cell {
            Some(cell) => &mut cell.text,
            None => &mut self.flow,
        }
    }

    fn words(&mut self, text: &str, budget: &mut Budget) -> Result<()> {
        if self.paragraphs == 0 || self.skipped > 0 || self.only_masters && self.masters == 0 {
            return Ok(());
        }
        self.meter.charge(text, budget)?;
        let mut pacer = budget.deadline().pacer(4096);
        let target = self.target();
        let mut words = text.split([' ', '\n', '\t', '\r']).peekable();
        // White space collapses in this format.
        while let Some(word) = words.next() {
            pacer.step()?;
            target.push(word);
            if words.peek().is_some() {
                target.gap(Gap::Space);
            }
        }
        Ok(())
    }

    fn start(&mut self, tag: &Tag<'_>, budget: &mut Budget) -> Result<()> {
        match tag.name() {
            "p" | "h" => self.paragraphs += 1,
            "s" | "tab" if self.paragraphs > 0 => self.target().gap(Gap::Space),
            "line-break" => self.target().gap(Gap::Line),
            "master-styles" => self.masters += 1,
            "spreadsheet" => self.spreadsheet = true,
            "table" if self.spreadsheet => {
                self.tables += 1;
                if self.tables == 1 {
                    budget.charge_part()?;
                    let sheet = Table::after(self.sheets.last());
                    self.sheets.push(sheet);
                    self.row = 0;
                }
            }
            "table-row" if self.tables == 1 => self.column = 0,
            "table-cell" | "covered-table-cell" if self.tables == 1 => {
                self.cell = Some(open_cell(tag));
            }
            "table-cell" => self.cells += 1,
            name if UNREAD.contains(&name) => self.skipped += 1,
            name if ASIDES.contains(&name)
                && self.cell.is_none()
                && self.outer.len() < MAX_ASIDES =>
            {
                let paragraphs = std::mem::take(&mut self.paragraphs);
                self.outer
                    .push((std::mem::take(&mut self.flow), paragraphs));
            }
            _ => {}
        }
        // Only the start tag of a row has its repetition.
        if tag.name() == "table-row" && self.tables == 1 {
            let repeat = repeat(tag, "number-rows-repeated");
            self.row = self.row.saturating_add(repeat);
        }
        Ok(())
    }

    fn end(&mut self, name: &str, budget: &mut Budget) -> Result<()> {
        match name {
            "p" | "h" => {
                self.paragraphs = self.paragraphs.saturating_sub(1);
                let in_cell = self.cells > 0 || self.cell.is_some();
                self.target()
                    .gap(if in_cell { Gap::Space } else { Gap::Line });
            }
            "master-styles" => self.masters = self.masters.saturating_sub(1),
            "spreadsheet" => self.spreadsheet = false,
            "table" if self.spreadsheet => self.tables = self.tables.saturating_sub(1),
            "table-cell" | "covered-table-cell" if self.cell.is_some() => self.end_cell(budget)?,
            "table-cell" => {
                self.cells = self.cells.saturating_sub(1);
                self.flow.gap(Gap::Cell);
            }
            "table-row" if self.tables == 0 => self.flow.gap(Gap::Line),
            "page" => self.flow.gap(Gap::Line),
            name if UNREAD.contains(&name) => self.skipped = self.skipped.saturating_sub(1),
            name if ASIDES.contains(&name) && self.cell.is_none() => self.end_aside(),
            _ => {}
        }
        Ok(())
    }

    fn end_aside(&mut self) {
        if let Some((outer, paragraphs)) = self.outer.pop() {
            let inner = std::mem::replace(&mut self.flow, outer);
            self.paragraphs = paragraphs;
            self.aside.gap(Gap::Line);
            self.aside.push(inner.as_str());
        }
    }

    fn end_cell(&mut self, budget: &mut Budget) -> Result<()> {
        if let (Some(cell), Some(sheet)) = (self.cell.take(), self.sheets.last_mut()) {
            let shown = cell.text.into_text();
            let text = cell.value.unwrap_or(shown);
            // A repeated cell is stored once; its neighbours keep their columns.
            let row = self.row.saturating_sub(1);
            sheet.push(row, self.column, &text, budget)?;
            self.column = self.column.saturating_add(cell.repeat);
        }
        Ok(())
    }

    fn finish(mut self, budget: &mut Budget) -> Result<Document> {
        if self.cell.is_some() {
            self.end_cell(budget)?;
        }
        while !self.outer.is_empty() {
            self.end_aside();
        }
        self.flow.gap(Gap::Line);
        self.flow.push(self.aside.as_str());
        let text = self.flow.into_text();
        Ok(if self.sheets.is_empty() {
            Document {
                text: Some(text),
                ..Document::default()
            }
        } else {
            Document {
                sheets: self.sheets,
                notes: text,
                ..Document::default()
            }
        })
    }
}

fn repeat(tag: &Tag<'_>, name: &str) -> u32 {
    let repeat = tag.attribute(name).and_then(|repeat| repeat.parse().ok());
    repeat.unwrap_or(1).max(1)
}

fn open_cell(tag: &Tag<'_>) -> OpenCell {
    let kind = tag.attribute("value-type");
    let value = match kind.as_deref() {
        Some("float" | "currency" | "percentage") => tag
            .attribute("value")
            .and_then(|value| value.parse::<f64>().ok())
            .map(number::plain),
        Some("date") => tag.qualified("office:date-value").map(|date| {
            let date = date.strip_suffix("T00:00:00").unwrap_or(&date);
            date.replacen('T', " ", 1)
        }),
        _ => None,
    };
    OpenCell {
        repeat: repeat(tag, "number-columns-repeated"),
        value: value.filter(|value| !value.is_empty()),
        text: Flow::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    fn read(body: &str) -> Document {
        let xml = format!("<office:document>{body}</office:document>");
        flat(xml.as_bytes(), &mut Budget::new(&Limits::default())).unwrap()
    }

    #[test]
    fn asides_follow_the_running_text() {
        let document = read(
            "<office:meta><dc:title>meta</dc:title></office:meta><office:body><office:text>\
             <text:tracked-changes><text:changed-region><text:deletion><office:change-info><dc:creator>me</dc:creator>\
             </office:change-info><text:p>deleted</text:p></text:deletion></text:changed-region></text:tracked-changes>\
             <text:h>Head</text:h>\n<text:p>con<text:span>fi</text:span>dential<text:s text:c='2'/>x\n  y\
             <text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>note</text:p></text:note-body></text:note>\
             <text:tab/>z<text:line-break/>w</text:p>\
             <table:table><table:table-row><table:table-cell><text:p>a</text:p><text:p>b</text:p></table:table-cell>\
             <table:table-cell><text:p>c</text:p></table:table-cell></table:table-row></table:table></office:text></office:body>",
        );
        assert_eq!(
            document.text.unwrap(),
            "Head\nconfidential x y z\nw\na b\tc\ndeleted\nnote"
        );
    }

    #[test]
    fn sheets_with_repeated_cells_and_rows() {
        let document = read(
            "<office:spreadsheet><table:table><table:table-row table:number-rows-repeated='2'>\
             <table:table-cell table:number-columns-repeated='16000'/><table:table-cell office:value-type='float' \
             office:value='1234.5'><text:p>1,234.50</text:p></table:table-cell></table:table-row>\
             <table:table-row><table:table-cell office:value-type='date' office:date-value='2024-05-06T00:00:00'>\
             <text:p>06.05.24</text:p></table:table-cell><table:table-cell office:value-type='string'>\
             <text:p>two</text:p><text:p>lines</text:p><office:annotation><dc:creator>x</dc:creator><text:p>why</text:p>\
             </office:annotation></table:table-cell></table:table-row>\
             <table:table-row table:number-rows-repeated='1048000'><table:table-cell/></table:table-row>\
             </table:table><table:table table:display='false'><table:table-row><table:table-cell><text:p>hidden</text:p>\
             </table:table-cell></table:table-row></table:table></office:spreadsheet>",
        );
        assert_eq!(document.sheets.len(), 2);
        assert_eq!(
            document.sheets[0].text(),
            "1234.5\n2024-05-06\ttwo lines why"
        );
        let cell = document.sheets[0].cells()[0];
        assert_eq!((cell.row, cell.column), (1, 16_000));
        assert_eq!(document.sheets[1].text(), "hidden");
    }
}
