//! Writing the values in texts.

use crate::fingerprint::ValuePrint;
use crate::index::records::ValueRecord;
use crate::index::values::PlacedValue;

/// Adds the values of a part in the order of its text, and returns their number. Of equal values in
/// one place one is kept.
pub(super) fn add(prints: &[ValuePrint], records: &mut Vec<ValueRecord>) -> u32 {
    let mut values: Vec<PlacedValue> = prints.iter().map(PlacedValue::of).collect();
    values.sort_unstable_by_key(|value| (value.at, value.tag));
    values.dedup();
    records.extend(values.iter().map(|value| value.record()));
    values.len() as u32
}
