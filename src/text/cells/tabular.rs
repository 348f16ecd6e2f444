//! The values of a table, row by row, and of text that may hold some.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use super::value::{self, NameWord};
use super::{CellKey, CellPrint, Cursor, scan};

/// Prints of one row, the most telling ones.
const MAX_IN_ROW: usize = 16;

/// Prints need so many bits: anything less is in every text.
const LEAST_BITS: u8 = 4;

/// Rows from which on the values of a column can be called different.
const LEAST_ROWS: u32 = 8;

/// A cell with its place: row, column, and bytes in the text.
type Place = (u32, u32, Range<usize>);

/// The prints of a table. `cells` come in reading order, with row, column and their bytes in
/// `text`. Time is linear in the text.
pub(crate) fn of_table(
    key: &CellKey,
    text: &str,
    cells: impl Iterator<Item = Place>,
) -> Vec<CellPrint> {
    let mut prints = Vec::new();
    let mut row: Vec<Place> = Vec::new();
    let mut cursor = Cursor::new(text);
    for cell in cells {
        if row.last().is_some_and(|last| last.0 != cell.0) {
            put_row(key, text, &row, &mut cursor, &mut prints);
            row.clear();
        }
        row.push(cell);
    }
    put_row(key, text, &row, &mut cursor, &mut prints);
    drop_header(&mut prints);
    mark_unique(&mut prints);
    prints
}

/// The prints of running text: of lines whose fields are set apart by tabs or bars, as of a
/// table; and whatever looks like a value anywhere, where `tabular` is false.
pub(crate) fn of_text(key: &CellKey, text: &str) -> Vec<CellPrint> {
    let mut prints = of_table(key, text, fields(text));
    let mut cursor = Cursor::new(text);
    scan::scan(text, |value, bytes| {
        if value.bits >= LEAST_BITS {
            prints.push(CellPrint {
                print: key.print(&value),
                kind: value.kind,
                bits: value.bits,
                tabular: false,
                unique: false,
                row: 0,
                column: 0,
                span: cursor.span(&bytes),
            });
        }
    });
    prints
}

/// The fields of the lines that have some.
fn fields(text: &str) -> impl Iterator<Item = Place> {
    let mut at = 0;
    (0..)
        .zip(text.split('\n'))
        .filter_map(move |(row, line)| {
            let start = at;
            at += line.len() + 1;
            let separator = if line.contains('\t') {
                '\t'
            } else if line.bytes().filter(|&b| b == b'|').count() >= 2 {
                '|'
            } else {
                return None;
            };
            let mut at = start;
            Some(
                (0..)
                    .zip(line.split(separator))
                    .map(move |(column, field)| {
                        let start = at + field.len() - field.trim_start().len();
                        let end = start + field.trim().len();
                        at += field.len() + 1;
                        (row, column, start..end)
                    }),
            )
        })
        .flatten()
}

fn put_row(
    key: &CellKey,
    text: &str,
    row: &[Place],
    cursor: &mut Cursor<'_>,
    prints: &mut Vec<CellPrint>,
) {
    let first = prints.len();
    let mut push = |place: &Place, span: [u32; 2], value: value::Value| {
        if value.bits >= LEAST_BITS {
            prints.push(CellPrint {
                print: key.print(&value),
                kind: value.kind,
                bits: value.bits,
                tabular: true,
                unique: false,
                row: place.0,
                column: place.1,
                span,
            });
        }
    };
    let mut previous: Option<(&str, [u32; 2], u32)> = None;
    for place in row {
        let cell = text.get(place.2.clone()).unwrap_or_default();
        let span = cursor.span(&place.2);
        // First and last name in columns of their own.
        let word = !cell.is_empty() && value::name_word(cell) == NameWord::Part;
        if let Some((before, start, column)) = previous.filter(|_| word)
            && column + 1 == place.1
            && let Some(value) = value::name([before, cell].into_iter())
        {
            let place = (place.0, column, place.2.clone());
            push(&place, [start[0], span[1]], value);
        }
        previous = word.then_some((cell, span, place.1));
        // `Jane Doe <jane@example.org>` and the first and last of three names.
        let mut inside = Vec::new();
        if cell.len() > 12 && cell.contains([' ', '<', '(', '\n']) {
            let mut cursor = Cursor::new(cell);
            scan::scan(cell, |value, bytes| {
                let [start, end] = cursor.span(&bytes);
                inside.push((value, [span[0] + start, span[0] + end]));
            });
        }
        let whole = value::of_cell(cell);
        for (value, span) in inside {
            if whole.as_ref() != Some(&value) {
                push(place, span, value);
            }
        }
        if let Some(value) = whole {
            push(place, span, value);
        }
    }
    if prints.len() - first > MAX_IN_ROW {
        prints[first..].sort_by_key(|print| (std::cmp::Reverse(print.bits), print.column));
        prints.truncate(first + MAX_IN_ROW);
        prints[first..].sort_by_key(|print| (print.column, print.span));
    }
}

/// Drops a first row of nothing but words over rows that have other values: the names of the
/// columns, which are the same in every table of the kind.
fn drop_header(prints: &mut Vec<CellPrint>) {
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

/// Marks what stands in columns where at least nine values of ten differ.
fn mark_unique(prints: &mut [CellPrint]) {
    let mut columns: BTreeMap<u32, (HashSet<u64>, HashSet<u32>)> = BTreeMap::new();
    for print in &*prints {
        let (values, rows) = columns.entry(print.column).or_default();
        values.insert(print.print);
        rows.insert(print.row);
    }
    for print in prints {
        if let Some((values, rows)) = columns.get(&print.column) {
            let (values, rows) = (values.len(), rows.len());
            print.unique = rows >= LEAST_ROWS as usize && values * 10 >= rows * 9;
        }
    }
}
