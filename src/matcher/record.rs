//! Matching of records: values that are in one row of an item's table and close together in the query.
//!
//! The measure is surprise, in bits. A value that agrees counts [bits](ValuePrint::bits) by its kind,
//! minus `log2` of the places of the index that have it. The values of a row are summed, and
//! corrected for what a search through all rows of both sides finds by chance: minus `log2` of the
//! rows of the item and of the places of the query for each row, and minus `log2` of the tables in
//! the index once. The result is the negative binary logarithm of an expectation, as BLAST's
//! E-value: unrelated material has so few of such agreements. A record is strong from
//! [`STRONG_SURPRISE`] bits on.

use std::collections::HashSet;

use super::evidence::Evidence;
use super::weigh;
use crate::deadline::{Deadline, Pacer};
use crate::error::Result;
use crate::exec::sort_until;
use crate::fingerprint::{ValueKind, ValuePrint};
use crate::index::PartId;
use crate::index::{IndexSet, IndexView};
use crate::media::PartPath;

/// Bits of surprise that make a strong match: by chance once in sixteen million searches.
pub(super) const STRONG_SURPRISE: f64 = 24.0;

/// Bits of surprise that a row must have to count: in tables with dependent columns, many rows below
/// this would add up to any sum.
const MIN_ROW_SURPRISE: f64 = 6.0;

/// Characters of running text within which values may belong to one record.
const WINDOW: u32 = 250;

/// Places of a value in the index. A value with more does not identify a row.
const MAX_PLACES: usize = 512;

/// Hits of one part of a query, 48 bytes each. Values beyond this number are ignored.
const MAX_HITS: usize = 1 << 20;

/// Hits of one row that are tried.
const MAX_HITS_PER_ROW: usize = 64;

/// Rows that evidence lists.
const MAX_ROWS: usize = 64;

/// Bits that all numbers of a row but the most surprising one count together: they may depend on
/// each other, as net and gross, or longitude and latitude. The same applies to a name and a mail
/// address, which may be made of it.
const MAX_DEPENDENT_BITS: f64 = 4.0;

/// The cost of looking up a value in one index, in steps.
const LOOKUP_STEPS: u32 = 8;

/// Values, hits or places processed between two checks of the deadline: less than a millisecond.
const STEPS_PER_CHECK: u32 = 1 << 12;

/// A value that both sides have.
#[derive(Clone, Copy, Debug)]
struct Hit<'q> {
    part: PartId,
    row: u32,
    column: u32,
    unique: bool,
    cell: &'q ValuePrint,
    /// The number of the cell in the query.
    number: u32,
    bits: f64,
}

impl Hit<'_> {
    /// Returns whether the value can identify a row: words can only in columns where they differ.
    fn identifies_row(&self) -> bool {
        self.cell.kind.is_hard() || self.unique
    }
}

/// The values of one row of an item that the query has.
#[derive(Clone, Debug, Default)]
struct Record {
    row: u32,
    bits: f64,
    /// The numbers of the query's cells.
    cells: Vec<u32>,
    span: [u32; 2],
}

/// The records of one table of the index that a query part has.
#[derive(Clone, Debug)]
pub(super) struct Records {
    pub(super) part: PartId,
    /// Rows of the item, ascending.
    rows: Vec<u32>,
    /// Values that agree.
    cells: u32,
    span: [u32; 2],
    /// Bits of surprise.
    pub(super) surprise: f64,
}

impl Records {
    pub(super) fn score(&self) -> f64 {
        if self.surprise <= 0.0 {
            return 0.0;
        }
        weigh::rounded(weigh::text_score(self.surprise, STRONG_SURPRISE))
    }
}

/// Reports the records of the index that a part of a query has.
pub(super) fn find(
    indexes: &IndexSet,
    part: &PartPath,
    cells: &[ValuePrint],
    least_score: f64,
    deadline: &Deadline,
    mut report: impl FnMut(PartId, Evidence) -> Result<()>,
) -> Result<()> {
    for records in search(indexes, cells, deadline)? {
        let score = records.score();
        if score < least_score {
            continue;
        }
        report(
            records.part,
            Evidence::Record {
                part: part.clone(),
                item_part: PartPath::root(),
                rows: records
                    .rows
                    .iter()
                    .take(MAX_ROWS)
                    .map(|row| row.saturating_add(1))
                    .collect(),
                records: records.rows.len() as u32,
                cells: records.cells,
                surprise: (records.surprise * 10.0).round() / 10.0,
                query_span: records.span,
                region: None,
                score,
            },
        )?;
    }
    Ok(())
}

/// Returns the records of each table of the index that shares at least one with `cells`.
pub(super) fn search(
    indexes: &IndexSet,
    cells: &[ValuePrint],
    deadline: &Deadline,
) -> Result<Vec<Records>> {
    let pacer = &mut deadline.pacer(STEPS_PER_CHECK);
    let mut hits = gather(indexes, cells, pacer)?;
    let place = |hit: &Hit<'_>| {
        let [start, end] = hit.cell.span;
        let row = u64::from(hit.part.0) << 32 | u64::from(hit.row);
        u128::from(row) << 64 | u128::from(u64::from(start) << 32 | u64::from(end))
    };
    sort_until(&mut hits, place, deadline)?;
    for alike in hits.chunk_by_mut(|a, b| place(a) == place(b)) {
        alike.sort_unstable_by_key(|hit| hit.number);
    }
    if hits.is_empty() {
        return Ok(Vec::new());
    }
    let places = places(cells, pacer)?;
    let tables: u64 = indexes
        .views()
        .iter()
        .map(|view| u64::from(view.index.cells().tables()))
        .sum();
    let mut found = Vec::new();
    for of_part in hits.chunk_by(|a, b| a.part == b.part) {
        let Some(part) = of_part.first().map(|hit| hit.part) else {
            continue;
        };
        let (view, number) = indexes.locate_part(part);
        let rows = view.index.cells().rows(number);
        let chance = f64::from(rows.max(1)).log2() + f64::from(places).log2();
        let mut records = Vec::new();
        for hits in of_part.chunk_by(|a, b| a.row == b.row) {
            let tried = hits.len().min(MAX_HITS_PER_ROW);
            pacer.steps((hits.len() + tried * tried) as u32)?;
            records.extend(best(hits));
        }
        if let Some(records) = weigh_records(part, records, cells, chance, tables, deadline)? {
            found.push(records);
        }
    }
    Ok(found)
}

/// Returns the number of places of a query at which a record may be: its rows, or windows of text.
fn places(cells: &[ValuePrint], pacer: &mut Pacer) -> Result<u32> {
    let mut rows: HashSet<u32> = HashSet::new();
    let mut windows = 0_u32;
    let mut until = 0;
    for cell in cells {
        pacer.step()?;
        if cell.tabular {
            rows.insert(cell.row);
        } else if windows == 0 || cell.span[0] >= until {
            windows += 1;
            until = cell.span[0].saturating_add(WINDOW / 2);
        }
    }
    Ok(windows.max(rows.len() as u32).max(1))
}

fn gather<'q>(
    indexes: &IndexSet,
    cells: &'q [ValuePrint],
    pacer: &mut Pacer,
) -> Result<Vec<Hit<'q>>> {
    let mut hits = Vec::new();
    if cells.is_empty() {
        return Ok(hits);
    }
    let filled = |view: &&IndexView| !view.index.cells().is_empty();
    let groups = indexes.groups().map(|group| {
        let views = group.views.iter().filter(filled);
        (views.collect::<Vec<&IndexView>>(), group.filter)
    });
    let mut lists = Vec::new();
    for (number, cell) in (0..).zip(cells) {
        lists.clear();
        let may_have = groups
            .iter()
            .filter(|(_, filter)| filter.is_none_or(|filter| filter.may_have_cell(cell.print)));
        // Also if a filter rules out the cell.
        pacer.step()?;
        for view in may_have.flat_map(|(views, _)| views) {
            pacer.steps(LOOKUP_STEPS)?;
            if let Some(list) = view.index.cells().find(cell.print)? {
                lists.push((*view, list));
            }
        }
        // The rarity of a value is that in all indexes, including hidden items.
        let places: usize = lists.iter().map(|(_, list)| list.len()).sum();
        let discounted =
            lists.iter().any(|(_, list)| list.discounted()) || indexes.discounts_cell(cell.print);
        if places == 0 || discounted || places > MAX_PLACES || hits.len() + places > MAX_HITS {
            continue;
        }
        let bits = f64::from(cell.bits.min(30)) - (places as f64).log2();
        if bits < 1.0 {
            continue;
        }
        pacer.steps(places as u32)?;
        for (view, list) in &lists {
            for place in list.iter() {
                let place = place?;
                if view.is_hidden(place.part)? {
                    continue;
                }
                hits.push(Hit {
                    part: view.part_in_set(place.part),
                    row: place.row,
                    column: place.column,
                    unique: place.unique,
                    cell,
                    number,
                    bits,
                });
            }
        }
    }
    Ok(hits)
}

/// Returns the best record among the hits of one row, which must be in the order of the query.
fn best(hits: &[Hit<'_>]) -> Option<Record> {
    let mut best: Option<Record> = None;
    let hits = hits.get(..MAX_HITS_PER_ROW).unwrap_or(hits);
    for (i, first) in hits.iter().enumerate() {
        let near: Vec<Hit<'_>> = hits
            .iter()
            .skip(i)
            .filter(|hit| are_near(first.cell, hit.cell))
            .copied()
            .collect();
        if let Some(record) = record(near)
            && best.as_ref().is_none_or(|best| record.bits > best.bits)
        {
            best = Some(record);
        }
    }
    best
}

/// Returns whether two cells, the second at or after the first, may belong to one record.
fn are_near(first: &ValuePrint, second: &ValuePrint) -> bool {
    if first.tabular && second.tabular {
        return first.row == second.row;
    }
    second.span[1].saturating_sub(first.span[0]) <= WINDOW
}

/// Makes the record of hits that are close together: counts every value and column once, the most
/// surprising first. Returns `None` for fewer than two values.
fn record(mut hits: Vec<Hit<'_>>) -> Option<Record> {
    hits.sort_by(|a, b| {
        b.bits
            .total_cmp(&a.bits)
            .then_with(|| a.cell.span.cmp(&b.cell.span))
            .then_with(|| a.column.cmp(&b.column))
    });
    let mut taken: Vec<Hit<'_>> = Vec::new();
    for hit in hits.into_iter().filter(Hit::identifies_row) {
        let [start, end] = hit.cell.span;
        let free = taken.iter().all(|other| {
            let [from, to] = other.cell.span;
            let apart = end <= from || to <= start;
            apart
                && other.cell.print != hit.cell.print
                && (other.column, other.cell.kind) != (hit.column, hit.cell.kind)
        });
        if free {
            taken.push(hit);
        }
    }
    if taken.len() < 2 {
        return None;
    }
    let of = |kinds: &[ValueKind]| {
        let bits = taken.iter().filter(|hit| kinds.contains(&hit.cell.kind));
        let bits: Vec<f64> = bits.map(|hit| hit.bits).collect();
        // Sorted by descending bits.
        let rest: f64 = bits.iter().skip(1).sum();
        bits.first().copied().unwrap_or(0.0) + rest.min(MAX_DEPENDENT_BITS)
    };
    let of_each = |kind: ValueKind| -> f64 {
        let bits = taken.iter().filter(|hit| hit.cell.kind == kind);
        bits.map(|hit| hit.bits).sum()
    };
    let bits = of(&[ValueKind::Email, ValueKind::Name])
        + of(&[ValueKind::Number, ValueKind::Date])
        + of(&[ValueKind::Text])
        + of_each(ValueKind::Digits)
        + of_each(ValueKind::Identifier);
    let mut record = Record {
        row: taken.first().map_or(0, |hit| hit.row),
        bits,
        cells: taken.iter().map(|hit| hit.number).collect(),
        span: [u32::MAX, 0],
    };
    for hit in &taken {
        record.span[0] = record.span[0].min(hit.cell.span[0]);
        record.span[1] = record.span[1].max(hit.cell.span[1]);
    }
    Some(record)
}

/// Sums the records of one table. A value of the query counts for one row only.
fn weigh_records(
    part: PartId,
    mut records: Vec<Record>,
    cells: &[ValuePrint],
    chance: f64,
    tables: u64,
    deadline: &Deadline,
) -> Result<Option<Records>> {
    let pacer = &mut deadline.pacer(STEPS_PER_CHECK);
    // By descending bits. They are positive, so their representation is in the same order.
    let key = |record: &Record| u128::from(!record.bits.to_bits()) << 32 | u128::from(record.row);
    sort_until(&mut records, key, deadline)?;
    let mut used: HashSet<u32> = HashSet::new();
    let mut prints: HashSet<u64> = HashSet::new();
    let mut found = Records {
        part,
        rows: Vec::new(),
        cells: 0,
        span: [u32::MAX, 0],
        surprise: -(tables.max(1) as f64).log2(),
    };
    for record in records {
        pacer.steps(LOOKUP_STEPS)?;
        let surprise = record.bits - chance;
        if surprise < MIN_ROW_SURPRISE || record.cells.iter().any(|cell| used.contains(cell)) {
            continue;
        }
        used.extend(&record.cells);
        // Equal rows count once.
        let values = record
            .cells
            .iter()
            .filter_map(|&cell| cells.get(cell as usize));
        let fresh = values.filter(|cell| prints.insert(cell.print)).count();
        if fresh < 2 {
            continue;
        }
        found.surprise += surprise;
        found.rows.push(record.row);
        found.cells += record.cells.len() as u32;
        found.span[0] = found.span[0].min(record.span[0]);
        found.span[1] = found.span[1].max(record.span[1]);
    }
    sort_until(&mut found.rows, |row| u128::from(*row), deadline)?;
    Ok((!found.rows.is_empty()).then_some(found))
}
