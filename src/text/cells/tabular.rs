//! The values of a table, row by row, and of running text.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use super::super::bounds::Bounds;
use super::name::{NameWord, name, name_word};
use super::value::Value;
use super::{Cursor, ValueKey, ValuePrint, canonical, scan};
use crate::deadline::Pacer;
use crate::error::Result;

/// The most prints of one row; the rarest values are kept.
const MAX_IN_ROW: usize = 16;

/// Prints of one row that are held before the best of them are chosen.
const MAX_PENDING_IN_ROW: usize = 1 << 10;

/// The cost of a cell besides its characters, in steps of a pacer.
const CELL_STEPS: u32 = 64;

/// Values with fewer bits are in every text and get no print.
const MIN_BITS: u8 = 4;

/// Rows that a column must have for its values to count as different.
const MIN_ROWS: u32 = 8;

/// A cell with its place: row, column, and bytes in the text.
type Place = (u32, u32, Range<usize>);

/// The prints of a table. `cells` must be in reading order, with row, column and their bytes in
/// `text`. Time is linear in the text.
///
/// # Errors
/// [`Limit`](crate::ErrorKind::Limit) for `decoded_bytes` or `time_ms`, and
/// [`Cancelled`](crate::ErrorKind::Cancelled).
pub(crate) fn values_of_table(
    key: &ValueKey,
    text: &str,
    cells: impl Iterator<Item = Place>,
    bounds: &mut Bounds,
) -> Result<Vec<ValuePrint>> {
    let mut rows = Rows::new(key, text, bounds);
    for cell in cells {
        rows.push(&cell)?;
    }
    rows.finish()
}

/// The prints of running text: lines whose fields are separated by tabs or bars count as rows of a
/// table; and of anything else that looks like a value, where `tabular` is false.
///
/// # Errors
/// As [`values_of_table`].
pub(crate) fn values_of_text(
    key: &ValueKey,
    text: &str,
    bounds: &mut Bounds,
) -> Result<Vec<ValuePrint>> {
    let mut pacer = bounds.pacer();
    let mut rows = Rows::new(key, text, bounds);
    fields(text, &mut pacer, |place| rows.push(&place))?;
    let mut prints = rows.finish()?;
    let mut charge = Charge::default();
    let mut cursor = Cursor::new(text);
    scan::scan(text, &mut pacer, |value, bytes| {
        if value.bits >= MIN_BITS {
            charge.one(bounds)?;
            prints.push(ValuePrint {
                print: key.print(&value),
                kind: value.kind,
                bits: value.bits,
                tabular: false,
                unique: false,
                row: 0,
                column: 0,
                span: cursor.span(&bytes),
                symbols: [0; 2],
            });
        }
        Ok(())
    })?;
    Ok(prints)
}

/// Charges prints, many at a time.
#[derive(Default)]
struct Charge {
    paid: usize,
}

impl Charge {
    fn one(&mut self, bounds: &mut Bounds) -> Result<()> {
        const STEP: usize = 64;
        if self.paid == 0 {
            bounds.charge::<ValuePrint>(STEP)?;
            self.paid = STEP;
        }
        self.paid -= 1;
        Ok(())
    }
}

/// Calls `put` with the fields of each line that has several.
fn fields(text: &str, pacer: &mut Pacer, mut put: impl FnMut(Place) -> Result<()>) -> Result<()> {
    let mut at = 0;
    let mut row = 0;
    while at <= text.len() {
        let start = at;
        let end = find(text, '\n', start, pacer)?.unwrap_or(text.len());
        at = end + 1;
        let line = text.get(start..end).unwrap_or_default();
        if let Some(separator) = separator(line, pacer)? {
            let mut at = start;
            for (column, field) in (0..).zip(line.split(separator)) {
                pacer.steps(1 + field.len().min(PIECE) as u32)?;
                let start = at + field.len() - field.trim_start().len();
                let end = start + field.trim().len();
                at += field.len() + 1;
                put((row, column, start..end))?;
            }
        }
        row += 1;
    }
    Ok(())
}

/// Bytes that are read between two checks of the deadline.
const PIECE: usize = 1 << 16;

/// The first place of an ASCII character from `from` on.
fn find(text: &str, c: char, from: usize, pacer: &mut Pacer) -> Result<Option<usize>> {
    let mut at = from;
    while at < text.len() {
        let end = text.floor_char_boundary(at.saturating_add(PIECE));
        let piece = text.get(at..end).unwrap_or_default();
        let place = piece.find(c);
        // A word of memory at a time.
        pacer.steps(place.unwrap_or(piece.len()) as u32 / 8)?;
        if let Some(place) = place {
            return Ok(Some(at + place));
        }
        at = end;
    }
    Ok(None)
}

/// The separator of the fields of a line: a tab, or a bar if there are two or more.
fn separator(line: &str, pacer: &mut Pacer) -> Result<Option<char>> {
    if find(line, '\t', 0, pacer)?.is_some() {
        return Ok(Some('\t'));
    }
    Ok(match find(line, '|', 0, pacer)? {
        Some(first) => find(line, '|', first + 1, pacer)?.map(|_| '|'),
        None => None,
    })
}

/// The prints of a table, a cell after the other.
struct Rows<'t, 'b> {
    key: &'t ValueKey,
    text: &'t str,
    cursor: Cursor<'t>,
    bounds: &'b mut Bounds,
    pacer: Pacer,
    charge: Charge,
    prints: Vec<ValuePrint>,
    /// The current row, and the index of its first print.
    row: Option<u32>,
    first: usize,
    /// The cell before, if it may be one word of a name: its text, place and column.
    previous: Option<(&'t str, [u32; 2], u32)>,
}

impl<'t, 'b> Rows<'t, 'b> {
    fn new(key: &'t ValueKey, text: &'t str, bounds: &'b mut Bounds) -> Self {
        Self {
            key,
            text,
            cursor: Cursor::new(text),
            pacer: bounds.pacer(),
            bounds,
            charge: Charge::default(),
            prints: Vec::new(),
            row: None,
            first: 0,
            previous: None,
        }
    }

    /// The next cell.
    fn push(&mut self, place: &Place) -> Result<()> {
        let &(row, column, ref bytes) = place;
        if self.row != Some(row) {
            self.end_row();
            self.row = Some(row);
        }
        self.pacer
            .steps(CELL_STEPS + bytes.len().min(PIECE) as u32)?;
        let cell = self.text.get(bytes.clone()).unwrap_or_default();
        let span = self.cursor.span(bytes);
        // First and last name in separate columns.
        let word = !cell.is_empty() && name_word(cell) == NameWord::Part;
        if let Some((before, start, of_before)) = self.previous.filter(|_| word)
            && of_before + 1 == column
            && let Some(value) = name([before, cell].into_iter())
        {
            self.print(of_before, [start[0], span[1]], &value)?;
        }
        self.previous = word.then_some((cell, span, column));
        let whole = canonical::of_cell(cell);
        // `Jane Doe <jane@example.org>` and the first and last of three names.
        if cell.len() > 12 && cell.contains([' ', '<', '(', '\n']) {
            let mut cursor = Cursor::new(cell);
            let mut pacer = self.pacer.clone();
            scan::scan(cell, &mut pacer, |value, bytes| {
                let [start, end] = cursor.span(&bytes);
                if whole.as_ref() == Some(&value) {
                    return Ok(());
                }
                self.print(column, [span[0] + start, span[0] + end], &value)
            })?;
        }
        match whole {
            Some(value) => self.print(column, span, &value),
            None => Ok(()),
        }
    }

    /// Adds the print of a value of the current row.
    fn print(&mut self, column: u32, span: [u32; 2], value: &Value) -> Result<()> {
        if value.bits < MIN_BITS {
            return Ok(());
        }
        if self.prints.len() - self.first >= MAX_PENDING_IN_ROW {
            self.keep_best();
        }
        self.charge.one(self.bounds)?;
        self.prints.push(ValuePrint {
            print: self.key.print(value),
            kind: value.kind,
            bits: value.bits,
            tabular: true,
            unique: false,
            row: self.row.unwrap_or_default(),
            column,
            span,
            symbols: [0; 2],
        });
        Ok(())
    }

    /// Keeps only the rarest prints of the row; of equal ones the first.
    fn keep_best(&mut self) {
        let of_row = self.prints.get_mut(self.first..).unwrap_or_default();
        of_row.sort_by_key(|print| (Reverse(print.bits), print.column));
        let kept = self.first + MAX_IN_ROW;
        // What is dropped was charged.
        self.charge.paid += self.prints.len().saturating_sub(kept);
        self.prints.truncate(kept);
    }

    fn end_row(&mut self) {
        if self.prints.len() - self.first > MAX_IN_ROW {
            self.keep_best();
            let of_row = self.prints.get_mut(self.first..).unwrap_or_default();
            of_row.sort_by_key(|print| (print.column, print.span));
        }
        self.first = self.prints.len();
        self.previous = None;
    }

    fn finish(mut self) -> Result<Vec<ValuePrint>> {
        self.end_row();
        drop_header(&mut self.prints);
        mark_unique(&mut self.prints, &mut self.pacer)?;
        Ok(self.prints)
    }
}

/// Drops a first row of only words above rows that have other values: the names of the
/// columns, which are the same in every table of that kind.
fn drop_header(prints: &mut Vec<ValuePrint>) {
    let Some(first) = prints.first().map(|print| print.row) else {
        return;
    };
    let header = prints.partition_point(|print| print.row == first);
    let (words, rest) = prints.split_at(header);
    let is_header = words.iter().all(|print| !print.kind.is_hard())
        && rest.iter().any(|print| print.kind.is_hard());
    if is_header {
        prints.drain(..header);
    }
}

/// Marks the values in columns where at least nine values of ten differ.
fn mark_unique(prints: &mut [ValuePrint], pacer: &mut Pacer) -> Result<()> {
    let mut columns: BTreeMap<u32, (HashSet<u64>, HashSet<u32>)> = BTreeMap::new();
    for print in &*prints {
        pacer.steps(CELL_STEPS)?;
        let (values, rows) = columns.entry(print.column).or_default();
        values.insert(print.print);
        rows.insert(print.row);
    }
    for print in prints {
        pacer.step()?;
        if let Some((values, rows)) = columns.get(&print.column) {
            let (values, rows) = (values.len(), rows.len());
            print.unique = rows >= MIN_ROWS as usize && values * 10 >= rows * 9;
        }
    }
    Ok(())
}
