//! The cells of tables: distinct values sorted by print, found by binary search.

use super::layout::Section;
use super::records::{CELL_DISCOUNTED, CellPlace, CellRecord};
use super::{Inner, PartId};
use crate::error::Result;

/// The places of one value of the cells of tables.
#[derive(Clone, Copy)]
pub struct CellList<'a> {
    inner: &'a Inner,
    places: &'a [CellPlace],
    discounted: bool,
}

/// A cell of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct PlacedCell {
    /// The part that has the table.
    pub part: PartId,
    /// Row, counted from 0.
    pub row: u32,
    /// Column, counted from 0.
    pub column: u32,
    /// Whether the values of the column differ from one another.
    pub unique: bool,
}

impl<'a> CellList<'a> {
    /// Returns the number of places in all items.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Returns whether there is no place, as in a damaged file.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Returns whether ignore or background files have the value too.
    pub fn discounted(&self) -> bool {
        self.discounted
    }

    /// Returns the places, sorted by part, row and column. Each may be a
    /// [`Corrupt`](crate::ErrorKind::Corrupt) error if the file is damaged.
    pub fn iter(&self) -> impl Iterator<Item = Result<PlacedCell>> + use<'a> {
        let inner = self.inner;
        self.places.iter().map(move |place| place.read(inner))
    }
}

impl CellPlace {
    fn read(&self, inner: &Inner) -> Result<PlacedCell> {
        Ok(PlacedCell {
            part: inner.checked_part(Section::CellPlaces, self.part)?,
            row: self.row,
            column: self.column >> 1,
            unique: self.column & 1 != 0,
        })
    }
}

/// The cells of an index.
///
/// ```
/// use leakprint::{Fingerprinter, IndexWriter};
///
/// let fingerprinter = Fingerprinter::builder().build()?;
/// let sheet = b"name,mail\nAda Byron,ada.byron@example.org\nEmmy Noether,emmy@example.net\n";
/// let print = fingerprinter.fingerprint(sheet, Some("people.csv"))?;
/// let mut writer = IndexWriter::from(&fingerprinter);
/// writer.add("people.csv", &print)?;
/// let index = writer.to_index()?;
/// let cell = print.parts[0].cells.iter().find(|cell| (cell.row, cell.column) == (1, 1)).unwrap();
/// let place = index.cells().find(cell.print)?.unwrap().iter().next().unwrap()?;
/// assert_eq!((place.row, place.column), (1, 1));
/// # Ok::<(), leakprint::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Cells<'a> {
    inner: &'a Inner,
    records: &'a [CellRecord],
    places: &'a [CellPlace],
}

impl<'a> Cells<'a> {
    pub(super) fn new(inner: &'a Inner) -> Self {
        Self {
            inner,
            records: inner.slice(Section::Cells),
            places: inner.slice(Section::CellPlaces),
        }
    }

    /// Returns the number of distinct values.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Returns whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Returns the number of parts that have cells.
    pub fn tables(&self) -> u32 {
        self.inner.meta.tables
    }

    /// Returns the number of rows of a part that have cells, 0 for a part that is no table.
    pub fn rows(&self, part: PartId) -> u32 {
        let parts = self.inner.parts();
        parts.get(part.index()).map_or(0, |record| record.rows)
    }

    /// Returns the prints of all values, sorted.
    pub(super) fn prints(&self) -> impl Iterator<Item = u64> + use<'a> {
        self.records.iter().map(|record| record.print)
    }

    /// Finds the places of a value by binary search.
    ///
    /// # Errors
    /// [`Corrupt`](crate::ErrorKind::Corrupt) if the file is damaged.
    pub fn find(&self, print: u64) -> Result<Option<CellList<'a>>> {
        let at = self.records.partition_point(|record| record.print < print);
        match self.records.get(at) {
            Some(record) if record.print == print => self.list(at, record).map(Some),
            _ => Ok(None),
        }
    }

    fn list(&self, at: usize, record: &CellRecord) -> Result<CellList<'a>> {
        let next = self.records.get(at + 1);
        let end = next.map_or(self.places.len(), |next| next.first as usize);
        let places = self.places.get(record.first as usize..end);
        match places {
            Some(places) if !places.is_empty() && record.flags & !CELL_DISCOUNTED == 0 => {
                Ok(CellList {
                    inner: self.inner,
                    places,
                    discounted: record.flags & CELL_DISCOUNTED != 0,
                })
            }
            _ => Err(Section::Cells.corrupt("places out of bounds, or unknown flags")),
        }
    }
}

impl Inner {
    /// Checks order, references and counts of all cells.
    pub(super) fn verify_cells(&self) -> Result<()> {
        let cells = Cells::new(self);
        if !cells.records.is_sorted_by(|a, b| a.print < b.print) {
            return Err(Section::Cells.corrupt("values out of order"));
        }
        if cells.records.first().map_or(0, |record| record.first) != 0
            || cells.records.is_empty() != cells.places.is_empty()
        {
            return Err(Section::Cells.corrupt("places without a value"));
        }
        let mut discounted = 0;
        // The number of places of each part, and the rows that have places.
        let mut counts = vec![0_u32; self.parts().len()];
        let mut rows = Vec::with_capacity(cells.places.len());
        for (at, record) in cells.records.iter().enumerate() {
            let list = cells.list(at, record)?;
            discounted += u32::from(list.discounted());
            if !list.places.is_sorted_by(|a, b| a < b) {
                return Err(Section::CellPlaces.corrupt("places out of order"));
            }
            for place in list.places {
                let part = place.read(self)?.part;
                if let Some(count) = counts.get_mut(part.index()) {
                    *count += 1;
                }
                rows.push((place.part, place.row));
            }
        }
        rows.sort_unstable();
        rows.dedup();
        let mut rows_of = vec![0_u32; counts.len()];
        for (part, _) in rows {
            if let Some(rows) = rows_of.get_mut(part as usize) {
                *rows += 1;
            }
        }
        let counted = counts.into_iter().zip(rows_of.iter().copied());
        let declared = self.parts().iter().map(|part| (part.cells, part.rows));
        let tables = rows_of.iter().filter(|&&rows| rows > 0).count();
        if !counted.eq(declared)
            || tables != self.meta.tables as usize
            || discounted != self.meta.discounted_cells
        {
            return Err(Section::Cells.corrupt("the number of cells is not the declared one"));
        }
        Ok(())
    }
}
