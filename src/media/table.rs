//! Tables: cells with their places, beside the same cells as text in reading order.

use crate::error::Result;
use crate::limits::Budget;

/// The cells of a sheet in reading order: row by row, each from left to right.
///
/// Empty cells are left out, so that a sheet with two cells in opposite corners
/// takes no more memory than two cells. Sheets of office documents and separated values are tables, see
/// [`Content::Table`](super::Content::Table).
///
/// ```
/// use leakprint::media::{Content, Part, PartPath, PartSink, read};
/// use leakprint::{Budget, Limits};
///
/// struct Cells(Vec<(u32, u32, String)>);
/// impl PartSink for Cells {
///     fn part(&mut self, part: Part<'_>) {
///         let Content::Table(table) = part.content else { return };
///         let cells = table.cells().iter();
///         self.0.extend(cells.map(|cell| (cell.row, cell.column, table.cell_text(cell).to_owned())));
///     }
///     fn warning(&mut self, _: PartPath, error: leakprint::Error) {
///         panic!("{error}");
///     }
/// }
///
/// let mut cells = Cells(Vec::new());
/// read(b"Ada,,7\n", Some("x.csv"), &mut Budget::new(&Limits::default()), &mut cells)?;
/// assert_eq!(cells.0, [(0, 0, "Ada".to_owned()), (0, 2, "7".to_owned())]);
/// # Ok::<(), leakprint::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    text: String,
    cells: Vec<Cell>,
    /// Characters of the text, and of the sheets before this one in the same document.
    chars: u64,
}

/// A cell that holds something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cell {
    /// Counted from 0.
    pub row: u32,
    /// Counted from 0.
    pub column: u32,
    /// The start of its text in [`Table::text`], in bytes.
    pub start: u32,
    /// The end of its text, exclusive.
    pub end: u32,
}

impl Table {
    /// All cells as text: those of a row on one line, a tab between them.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The cells in reading order.
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// The text of one of its cells, empty for a cell of another table.
    pub fn cell_text(&self, cell: &Cell) -> &str {
        self.text
            .get(cell.start as usize..cell.end as usize)
            .unwrap_or_default()
    }

    /// Turns it into its text.
    pub fn into_text(self) -> String {
        self.text
    }

    /// An empty table that counts against the limit on characters together with the sheets before
    /// it, since all sheets of a document are in memory at once.
    pub(super) fn after(earlier: Option<&Self>) -> Self {
        Self {
            chars: earlier.map_or(0, |table| table.chars),
            ..Self::default()
        }
    }

    /// Appends a cell; cells must come in reading order. White space at its ends is
    /// removed, line ends and tabs inside become spaces, an empty cell is not stored.
    ///
    /// # Errors
    /// [`Limit`](crate::ErrorKind::Limit) for `text_chars` or `decoded_bytes`; then nothing is appended.
    ///
    /// ```
    /// use leakprint::media::Table;
    /// use leakprint::{Budget, Limits};
    ///
    /// let mut budget = Budget::new(&Limits::default());
    /// let mut table = Table::default();
    /// for (row, column, value) in [(0, 0, "Ada"), (0, 2, " 7 "), (1, 0, "")] {
    ///     table.push(row, column, value, &mut budget)?;
    /// }
    /// assert_eq!((table.text(), table.cells().len()), ("Ada\t7", 2));
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn push(&mut self, row: u32, column: u32, value: &str, budget: &mut Budget) -> Result<()> {
        let value = value.trim();
        if value.is_empty() {
            return Ok(());
        }
        // Places are 32-bit, and a long shared string may be used in many cells.
        let len = self.text.len() as u64 + value.len() as u64 + 1;
        let separator = u64::from(!self.cells.is_empty());
        self.chars += value.chars().count() as u64 + separator;
        budget.check_text(self.chars)?;
        if len > u64::from(u32::MAX) {
            return Err(crate::error::Error::limit("text_chars", u32::MAX, len));
        }
        // The cell and its print.
        budget.charge_decoded(value.len() as u64 + 2 * size_of::<Cell>() as u64)?;
        if let Some(last) = self.cells.last() {
            self.text.push(if last.row == row { '\t' } else { '\n' });
        }
        let start = self.text.len() as u32;
        if value.contains(['\n', '\r', '\t']) {
            for (at, piece) in value.split(['\n', '\r', '\t']).enumerate() {
                if at > 0 {
                    self.text.push(' ');
                }
                self.text.push_str(piece);
            }
        } else {
            self.text.push_str(value);
        }
        self.cells.push(Cell {
            row,
            column,
            start,
            end: self.text.len() as u32,
        });
        Ok(())
    }
}

/// Reads separated values (RFC 4180): quoted fields may hold separators, line
/// ends and doubled quotes. The separator is the most frequent of tab, semicolon, comma and
/// bar in the first lines; no input is malformed.
///
/// # Errors
/// [`Limit`](crate::ErrorKind::Limit).
pub(super) fn separated(text: &str, budget: &mut Budget) -> Result<Table> {
    let separator = separator(text);
    let mut table = Table::default();
    let (mut row, mut column) = (0, 0);
    let mut field = String::new();
    let mut rest = text;
    let mut pacer = budget.deadline().pacer(4096);
    loop {
        pacer.step()?;
        field.clear();
        rest = match rest.strip_prefix('"') {
            Some(quoted) => unquote(quoted, &mut field),
            None => rest,
        };
        let end = rest.find([separator, '\n', '\r']).unwrap_or(rest.len());
        let (plain, tail) = rest.split_at(end);
        if field.is_empty() {
            table.push(row, column, plain, budget)?;
        } else {
            field.push_str(plain);
            table.push(row, column, &field, budget)?;
        }
        let mut tail = tail.chars();
        match tail.next() {
            None => return Ok(table),
            Some(end) if end == separator => column += 1,
            Some(end) => {
                if end == '\r' && tail.as_str().starts_with('\n') {
                    tail.next();
                }
                row += 1;
                column = 0;
            }
        }
        rest = tail.as_str();
    }
}

/// Appends a quoted field, without its opening quote, to `field`; what follows
/// the closing quote. A quote that is never closed ends with the text.
fn unquote<'t>(mut rest: &'t str, field: &mut String) -> &'t str {
    loop {
        let Some((piece, tail)) = rest.split_once('"') else {
            field.push_str(rest);
            return "";
        };
        field.push_str(piece);
        match tail.strip_prefix('"') {
            Some(tail) => {
                field.push('"');
                rest = tail;
            }
            None => return tail,
        }
    }
}

fn separator(text: &str) -> char {
    let head = text.get(..text.floor_char_boundary(4096)).unwrap_or(text);
    let mut best = (0, ',');
    let mut quoted = false;
    let mut counts = [('\t', 0), (';', 0), (',', 0), ('|', 0)];
    for c in head.chars() {
        if c == '"' {
            quoted = !quoted;
        } else if !quoted && let Some(count) = counts.iter_mut().find(|count| count.0 == c) {
            count.1 += 1;
        }
    }
    for (separator, count) in counts {
        if count > best.0 {
            best = (count, separator);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ErrorKind, Limits};
    use proptest::prelude::*;

    fn read(text: &str) -> Table {
        separated(text, &mut Budget::new(&Limits::default())).unwrap()
    }

    fn cells(text: &str) -> Vec<(u32, u32, String)> {
        let table = read(text);
        let cells = table.cells().iter();
        cells
            .map(|cell| (cell.row, cell.column, table.cell_text(cell).to_owned()))
            .collect()
    }

    fn cell(row: u32, column: u32, text: &str) -> (u32, u32, String) {
        (row, column, text.to_owned())
    }

    #[test]
    fn cells_keep_their_places() {
        let expected = [cell(0, 0, "a"), cell(0, 2, "b"), cell(2, 1, "c")];
        assert_eq!(cells("a,,b\n,\r\n,c"), expected);
        assert_eq!(cells("a;;b\n;\n;c\n"), expected);
        assert_eq!(cells("a\t\tb\r\t\r\tc\r"), expected);
        assert_eq!(read("a,,b\n\n,c").text(), "a\tb\nc");
        assert_eq!(cells(""), []);
    }

    #[test]
    fn quotes_hold_separators_and_line_ends() {
        assert_eq!(
            cells("\"Doe, Jane\",\"say \"\"hi\"\"\"\n\"two\r\nlines\",\"open"),
            [
                cell(0, 0, "Doe, Jane"),
                cell(0, 1, "say \"hi\""),
                cell(1, 0, "two  lines"),
                cell(1, 1, "open"),
            ]
        );
        assert_eq!(
            cells("5\" pipe,x"),
            [cell(0, 0, "5\" pipe"), cell(0, 1, "x")]
        );
    }

    #[test]
    fn a_cell_that_is_asked_for_often_is_paid_for_each_time() {
        let limits = Limits {
            decoded_bytes: 1000,
            ..Limits::default()
        };
        let mut budget = Budget::new(&limits);
        let mut table = Table::default();
        let long = "x".repeat(300);
        let results: Vec<_> = (0..9)
            .map(|row| table.push(row, 0, &long, &mut budget))
            .collect();
        assert!(results[0].is_ok());
        let error = results.into_iter().find_map(Result::err).unwrap();
        assert_eq!(error.kind(), ErrorKind::Limit);
    }

    #[test]
    fn sheets_of_one_document_share_the_limit_on_characters() {
        let limits = Limits {
            text_chars: 10,
            ..Limits::default()
        };
        let mut budget = Budget::new(&limits);
        let mut first = Table::default();
        first
            .push(0, 0, "\u{e4}\u{f6}\u{fc}xx", &mut budget)
            .unwrap();
        let mut second = Table::after(Some(&first));
        second.push(0, 0, "abcd", &mut budget).unwrap();
        let error = second.push(0, 1, "e", &mut budget).unwrap_err();
        assert!(error.message().contains("text_chars = 10"), "{error}");
    }

    #[test]
    fn a_row_of_empty_cells_is_stopped_by_the_clock() {
        let limits = Limits {
            time_ms: 0,
            ..Limits::default()
        };
        let error = separated(&",".repeat(10_000), &mut Budget::new(&limits)).unwrap_err();
        assert!(error.message().contains("time_ms"), "{error}");
    }

    proptest! {
        #[test]
        fn any_text_is_read_and_no_letter_is_lost(text in "([a-c\"',;|\t\n\r ]|\u{e4}){0,60}") {
            let table = read(&text);
            let letters = |text: &str| text.chars().filter(|c| c.is_alphabetic()).collect::<String>();
            prop_assert_eq!(letters(table.text()), letters(&text));
        }
    }
}
