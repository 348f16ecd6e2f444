//! Import and export: hash lists, items of collections, fingerprints.
//!
//! - [`PdqList`]: PDQ hash lists as CSV: hash, quality, label.
//! - [`ThreatEntry`]: one entry of a ThreatExchange or HMA export, for any serde format.
//! - [`ItemLine`]: an item of a collection with its fingerprint, one JSON line each.
//! - [`Fingerprint::to_bytes`](crate::Fingerprint::to_bytes): one fingerprint as bytes.
//!
//! A list is read line by line: an error in a line is reported with its number and loses only
//! that line.

mod items;
mod packed;
mod pdq_csv;
mod threat;

pub use items::{CodeLine, ItemLine};
pub use pdq_csv::{ListLine, PdqList, write_pdq_line, write_pdq_line_with};
pub use threat::{Id, Tags, ThreatEntry};
