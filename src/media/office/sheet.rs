//! Workbooks of SpreadsheetML.
//!
//! Cells are read as the file stores them: numbers in their shortest form, dates in
//! ISO 8601 by the number format of their cell, shared and inline strings alike,
//! the cached results of formulas. Sheets that are hidden are read like others.

use super::relations;
use super::xml::{Piece, Tag, Xml};
use super::{Document, append, ends_reading, entries, folder, media, xml_part};
use crate::error::{ErrorKind, Result};
use crate::limits::Budget;
use crate::media::flow::{Flow, Gap, Meter};
use crate::media::table::Table;
use crate::media::walk::Walk;
use crate::media::zip::Zip;

use super::number::{self, Style};

/// The tables that cells refer to.
#[derive(Default)]
struct Shared {
    strings: Strings,
    /// By cell format.
    styles: Vec<Style>,
    /// Days are counted from 1904 instead of 1900.
    since_1904: bool,
}

/// The shared strings in one buffer: millions of them may be empty.
#[derive(Default)]
struct Strings {
    text: String,
    ends: Vec<usize>,
}

impl Strings {
    /// Ends the string whose pieces were pushed to the text.
    fn end(&mut self) {
        self.ends.push(self.text.len());
    }

    fn get(&self, index: usize) -> Option<&str> {
        let end = *self.ends.get(index)?;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.text.get(start..end)
    }
}

/// Reads a workbook.
///
/// # Errors
/// If the list of sheets cannot be read, or none of them.
pub(super) fn workbook(walk: &mut Walk<'_>, zip: &mut Zip<'_>, main: &str) -> Result<Document> {
    let relations = relations::read(walk, zip, main);
    let base = folder(main);
    let mut document = Document::default();
    let mut shared = Shared::default();
    let mut listed = relations::Listed::default();
    xml_part(walk, zip, main, |xml, walk| {
        let mut xml = Xml::new(xml);
        while let Some(piece) = xml.next(walk.budget)? {
            let Piece::Start(tag) = piece else { continue };
            match tag.name() {
                "sheet" => listed.push(tag.qualified("r:id").as_deref(), &relations),
                "workbookPr" => {
                    let flag = tag.attribute("date1904");
                    shared.since_1904 = flag.is_some_and(|flag| flag == "1" || flag == "true");
                }
                _ => {}
            }
        }
        Ok(())
    })?;
    let mut names = listed.into_names();
    if names.is_empty() {
        names = entries(zip, base, &["worksheets/sheet"]);
    }
    let strings = format!("{base}sharedStrings.xml");
    if zip.find(&strings).is_some() {
        let result = xml_part(walk, zip, &strings, |xml, walk| {
            shared_strings(xml, &mut shared.strings, walk.budget)
        });
        if let Err(error) = result {
            document.problems.push(error);
        }
    }
    let styles = format!("{base}styles.xml");
    if zip.find(&styles).is_some() {
        let result = xml_part(walk, zip, &styles, |xml, walk| {
            shared.styles = number::styles(xml, walk.budget)?;
            Ok(())
        });
        if let Err(error) = result {
            document.problems.push(error);
        }
    }
    for name in &names {
        let mut table = Table::after(document.sheets.last());
        let result = xml_part(walk, zip, name, |xml, walk| {
            sheet(xml, &shared, &mut table, walk.budget)
        });
        match result {
            Err(error) if error.kind() == ErrorKind::Limit && names.len() == 1 => {
                return Err(error);
            }
            Err(error) => {
                let is_over = ends_reading(&error, walk);
                document.problems.push(error);
                if is_over {
                    document.sheets.push(table);
                    break;
                }
            }
            Ok(()) => {}
        }
        document.sheets.push(table);
    }
    let mut flow = Flow::default();
    let stems = [
        "comments",
        "threadedComments/",
        "drawings/drawing",
        "charts/chart",
    ];
    let notes = entries(zip, base, &stems);
    let mut meter = Meter::default();
    append(
        walk,
        zip,
        &notes,
        &mut flow,
        &mut meter,
        &mut document.problems,
    );
    document.notes = flow.into_text();
    document.media = media(zip);
    let nothing = document.sheets.iter().all(|sheet| sheet.cells().is_empty())
        && document.notes.is_empty()
        && document.media.is_empty();
    match document.problems.pop() {
        Some(problem) if nothing => Err(problem),
        problem => {
            if let Some(problem) = problem {
                document.problems.push(problem);
            }
            Ok(document)
        }
    }
}

fn shared_strings(xml: &str, strings: &mut Strings, budget: &mut Budget) -> Result<()> {
    let mut xml = Xml::new(xml);
    let (mut text, mut phonetic) = (false, false);
    while let Some(piece) = xml.next(budget)? {
        match piece {
            Piece::Start(tag) => match tag.name() {
                "t" => text = true,
                "rPh" => phonetic = true,
                _ => {}
            },
            Piece::End(name) => match name.as_str() {
                "t" => text = false,
                "rPh" => phonetic = false,
                "si" => {
                    budget.charge_decoded(size_of::<String>() as u64)?;
                    strings.end();
                }
                _ => {}
            },
            Piece::Text(piece) if text && !phonetic => strings.text.push_str(&piece),
            Piece::Text(_) => {}
        }
    }
    Ok(())
}

/// The cell that is being read.
#[derive(Default)]
struct Open {
    row: u32,
    column: u32,
    kind: Kind,
    style: usize,
    value: String,
}

/// The type of a cell's value.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Number,
    Shared,
    Boolean,
    /// Unchanged.
    Text,
}

fn sheet(xml: &str, shared: &Shared, table: &mut Table, budget: &mut Budget) -> Result<()> {
    let mut xml = Xml::new(xml);
    let mut open = Open::default();
    // Whether text is a value; the place of the next cell if it does not declare one.
    let (mut value, mut phonetic) = (false, false);
    let (mut next_row, mut next_column) = (0, 0);
    // Headers and footers of the printed page, for the end.
    let mut printed = Flow::default();
    let mut in_printed = false;
    while let Some(piece) = xml.next(budget)? {
        match piece {
            Piece::Start(tag) => match tag.name() {
                "row" => {
                    let row = tag.attribute("r").and_then(|row| row.parse::<u32>().ok());
                    open.row = row.map_or(next_row, |row| row.saturating_sub(1));
                    next_row = open.row.saturating_add(1);
                    next_column = 0;
                }
                "c" => {
                    start_cell(&tag, &mut open, next_column);
                    next_column = open.column.saturating_add(1);
                }
                "v" | "t" => value = true,
                "rPh" => phonetic = true,
                "oddHeader" | "oddFooter" | "evenHeader" | "evenFooter" | "firstHeader"
                | "firstFooter" => in_printed = true,
                _ => {}
            },
            Piece::End(name) => match name.as_str() {
                "c" => {
                    value = false;
                    let text = resolve(&open, shared);
                    table.push(open.row, open.column, &text, budget)?;
                    open.value.clear();
                }
                "v" | "t" => value = false,
                "rPh" => phonetic = false,
                "headerFooter" => in_printed = false,
                _ => printed.gap(Gap::Line),
            },
            Piece::Text(text) if value && !phonetic => open.value.push_str(&text),
            Piece::Text(text) if in_printed => printed.push(&text),
            Piece::Text(_) => {}
        }
    }
    table.push(next_row, 0, &header_text(printed.as_str()), budget)
}

/// The words of a printed header: codes such as `&L` and `&"Arial,Bold"` dropped.
fn header_text(coded: &str) -> String {
    let mut text = String::new();
    let mut rest = coded.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '&' {
            text.push(c);
            continue;
        }
        match rest.next() {
            Some('"') => {
                rest.by_ref().find(|&c| c == '"');
            }
            Some('&') => text.push('&'),
            Some(digit) if digit.is_ascii_digit() => {
                while rest.next_if(char::is_ascii_digit).is_some() {}
            }
            _ => text.push(' '),
        }
    }
    text
}

fn start_cell(tag: &Tag<'_>, open: &mut Open, next_column: u32) {
    open.value.clear();
    let column = tag.attribute("r").and_then(|place| column(&place));
    open.column = column.unwrap_or(next_column);
    let kind = tag.attribute("t");
    open.kind = match kind.as_deref() {
        Some("s") => Kind::Shared,
        Some("b") => Kind::Boolean,
        Some("str" | "inlineStr" | "e" | "d") => Kind::Text,
        _ => Kind::Number,
    };
    let style = tag.attribute("s").and_then(|style| style.parse().ok());
    open.style = style.unwrap_or(usize::MAX);
}

/// The column of a place such as `AB12`, counted from 0.
fn column(place: &str) -> Option<u32> {
    let mut column = 0_u32;
    for byte in place.bytes().take_while(u8::is_ascii_alphabetic) {
        let digit = u32::from(byte.to_ascii_uppercase() - b'A') + 1;
        column = column.checked_mul(26)?.checked_add(digit)?;
    }
    column.checked_sub(1)
}

fn resolve<'c>(open: &'c Open, shared: &'c Shared) -> std::borrow::Cow<'c, str> {
    let value = open.value.as_str();
    match open.kind {
        Kind::Text => value.into(),
        Kind::Shared => {
            let string = value.trim().parse::<usize>().ok();
            let string = string.and_then(|index| shared.strings.get(index));
            string.unwrap_or("").into()
        }
        Kind::Boolean => match value.trim() {
            "1" => "TRUE".into(),
            "0" => "FALSE".into(),
            other => other.into(),
        },
        Kind::Number => match value.trim().parse::<f64>() {
            Ok(number) => {
                let style = shared.styles.get(open.style).copied().unwrap_or_default();
                number::text(number, style, shared.since_1904).into()
            }
            Err(_) => value.into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    fn read(body: &str) -> Vec<(u32, u32, String)> {
        let shared = Shared {
            strings: Strings {
                text: "zeroone".to_owned(),
                ends: vec![4, 7],
            },
            styles: vec![Style::Plain, Style::Date],
            since_1904: false,
        };
        let mut table = Table::default();
        let mut budget = Budget::new(&Limits::default());
        let xml = format!("<worksheet><sheetData>{body}</sheetData></worksheet>");
        sheet(&xml, &shared, &mut table, &mut budget).unwrap();
        let cells = table.cells().iter();
        cells
            .map(|cell| (cell.row, cell.column, table.cell_text(cell).to_owned()))
            .collect()
    }

    #[test]
    fn cells_of_every_type() {
        assert_eq!(
            read(
                "<row r='2'><c r='B2' t='s'><v>1</v></c><c t='inlineStr'><is><r><t>in</t></r><r><t>line</t></r></is></c>\
                 <c r='E2'><f>A1*2</f><v>0.1</v></c><c s='1'><v>45000</v></c><c t='b'><v>1</v></c><c t='s'><v>9</v></c></row>\
                 <row><c t='str'><f>X</f><v>done</v></c></row>"
            ),
            [
                (1, 1, "one".to_owned()),
                (1, 2, "inline".to_owned()),
                (1, 4, "0.1".to_owned()),
                (1, 5, "2023-03-15".to_owned()),
                (1, 6, "TRUE".to_owned()),
                (2, 0, "done".to_owned()),
            ]
        );
    }

    #[test]
    fn far_corners_cost_nothing() {
        let cells = read("<row r='1048576'><c r='XFD1048576'><v>7</v></c></row>");
        assert_eq!(cells, [(1_048_575, 16_383, "7".to_owned())]);
        assert_eq!(column("ZZZZZZZZZZ1"), None);
        assert_eq!(column("12"), None);
    }

    #[test]
    fn printed_headers_without_their_codes() {
        assert_eq!(
            header_text("&L&\"Arial,Bold\"&12Secret && more&RPage &P"),
            " Secret & more Page  "
        );
    }
}
