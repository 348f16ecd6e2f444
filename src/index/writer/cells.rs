//! Writing the cells of tables.

use crate::fingerprint::ValuePrint;
use crate::index::records::{CELL_DISCOUNTED, CellPlace, CellRecord};

/// One place of a value, ordered as it is in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    print: u64,
    place: CellPlace,
}

/// Adds the cells of a part's tables, and returns the number of its rows and cells. Leaves out values
/// in running text, which prove nothing: every mail has a signature.
pub(super) fn add(part: u32, prints: &[ValuePrint], entries: &mut Vec<Entry>) -> (u32, u32) {
    let first = entries.len();
    let tabular = prints.iter().filter(|cell| cell.tabular);
    entries.extend(tabular.map(|cell| Entry {
        print: cell.print,
        place: CellPlace {
            part,
            row: cell.row,
            column: cell.column << 1 | u32::from(cell.unique),
        },
    }));
    let added = entries.get_mut(first..).unwrap_or_default();
    added.sort_unstable_by_key(|entry| (entry.place.row, *entry));
    let rows = added.chunk_by(|a, b| a.place.row == b.place.row).count() as u32;
    // A fingerprint from elsewhere may have duplicates.
    let mut kept = first;
    for i in first..entries.len() {
        if i == first || entries[i] != entries[i - 1] {
            entries[kept] = entries[i];
            kept += 1;
        }
    }
    entries.truncate(kept);
    (rows, (kept - first) as u32)
}

/// Makes the values and their places of sorted entries. `common` are the values to discount, sorted.
pub(super) fn tables(entries: &[Entry], common: &[u64]) -> (Vec<CellRecord>, Vec<CellPlace>) {
    let mut records = Vec::new();
    let mut first = 0;
    for run in entries.chunk_by(|a, b| a.print == b.print) {
        let print = run.first().map_or(0, |entry| entry.print);
        let discounted = common.binary_search(&print).is_ok();
        let flags = if discounted { CELL_DISCOUNTED } else { 0 };
        records.push(CellRecord {
            print,
            first,
            flags,
        });
        first += run.len() as u32;
    }
    let places = entries.iter().map(|entry| entry.place).collect();
    (records, places)
}
