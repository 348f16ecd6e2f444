//! The values in the text of each part: numbers, dates, names and identifiers, in their order.
//!
//! A passage of a template agrees with every document that was made from it. What tells these apart
//! is whether the values between the words agree too, so the index keeps a short print of each: eleven
//! bits, too few to confirm a guess, and enough to tell two values in one place apart.

use super::layout::Section;
use super::records::{PartRecord, ValueRecord};
use super::{Inner, PartId};
use crate::error::Result;
use crate::fingerprint::{ValueKind, ValuePrint};

/// A value and its place in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PlacedValue {
    /// The symbol at which it begins.
    pub(crate) at: u32,
    /// Bits 0 to 10: the lowest bits of the print; bits 11 and 12: the class of the length; bits 13
    /// to 15: the kind.
    pub(crate) tag: u16,
}

const PRINT_BITS: u32 = 11;
const KIND_SHIFT: u32 = 13;

/// The lengths of values, in symbols, are kept in four classes, whose longest these are: exact ones
/// would reveal how many digits a number has.
const LENGTHS: [u32; 4] = [4, 8, 16, 32];

impl PlacedValue {
    pub(crate) fn of(value: &ValuePrint) -> Self {
        let [at, end] = value.symbols;
        let length = end.saturating_sub(at);
        let class = LENGTHS.iter().take(3).filter(|&&longest| length > longest);
        let print = value.print as u16 & ((1 << PRINT_BITS) - 1);
        let tag = print
            | (class.count() as u16) << PRINT_BITS
            | u16::from(value.kind as u8) << KIND_SHIFT;
        Self { at, tag }
    }

    pub(super) fn record(&self) -> ValueRecord {
        let at = [self.at as u16, (self.at >> 16) as u16];
        ValueRecord { at, tag: self.tag }
    }

    fn read(record: &ValueRecord) -> Self {
        let [low, high] = record.at.map(u32::from);
        Self {
            at: high << 16 | low,
            tag: record.tag,
        }
    }

    /// Returns the kind; `None` in a damaged index.
    pub(crate) fn kind(&self) -> Option<ValueKind> {
        ValueKind::of_number((self.tag >> KIND_SHIFT) as u8)
    }

    /// Returns about how many symbols it has.
    pub(crate) fn length(&self) -> u32 {
        let class = self.tag >> PRINT_BITS & 3;
        LENGTHS
            .get(usize::from(class))
            .map_or(0, |longest| longest * 3 / 4)
    }

    /// Returns whether both have the same kind and, as far as is known, the same print.
    pub(crate) fn agrees(&self, other: &Self) -> bool {
        const LENGTH: u16 = 3 << PRINT_BITS;
        (self.tag | LENGTH) == (other.tag | LENGTH)
    }
}

/// The values of one part.
#[derive(Clone, Copy)]
pub(crate) struct Values<'a>(&'a [ValueRecord]);

impl<'a> Values<'a> {
    /// Returns the values that begin within a range of symbols.
    pub(crate) fn within(
        &self,
        start: u32,
        end: u32,
    ) -> impl Iterator<Item = PlacedValue> + use<'a> {
        let first = self
            .0
            .partition_point(|record| PlacedValue::read(record).at < start);
        let rest = self.0.get(first..).unwrap_or_default();
        let values = rest.iter().map(PlacedValue::read);
        values.take_while(move |value| value.at < end)
    }

    fn is_sound(&self, record: &PartRecord) -> bool {
        let mut last = (0, 0);
        self.0.iter().map(PlacedValue::read).all(|value| {
            let is_next = (value.at, value.tag) >= last;
            last = (value.at, value.tag);
            is_next && value.kind().is_some() && (value.at <= record.folded || record.folded == 0)
        })
    }
}

impl Inner {
    fn values_of(&self, record: &PartRecord) -> Result<Values<'_>> {
        let start = record.values_at as usize;
        start
            .checked_add(record.values as usize)
            .and_then(|end| self.slice(Section::Values).get(start..end))
            .map(Values)
            .ok_or_else(|| Section::Parts.corrupt("values out of bounds"))
    }

    /// Returns the values of a part's text.
    pub(super) fn values(&self, part: PartId) -> Result<Values<'_>> {
        self.values_of(self.part(part)?)
    }

    pub(super) fn verify_values(&self) -> Result<()> {
        let mut next = 0;
        for record in self.parts() {
            if record.values_at != next || !self.values_of(record)?.is_sound(record) {
                return Err(Section::Values.corrupt("values out of order"));
            }
            next = next.saturating_add(record.values);
        }
        if next as usize != self.layout.count(Section::Values) {
            return Err(Section::Values.corrupt("values without a part"));
        }
        Ok(())
    }
}
