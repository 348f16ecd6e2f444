//! A live collection: items are added and removed while everybody goes on matching, and what
//! was acknowledged survives a crash or a power cut.
//!
//! [`CollectionWriter`] is the one writer, [`Collection`] what any number of threads and
//! processes read, [`Snapshot`] what they hold at one moment. What a call of the
//! writer has acknowledged is durable, and shows in every later snapshot.
//!
//! # What is safe
//! After a crash or a power cut a collection opens and holds exactly what was acknowledged, and at
//! most the one call that was under way. Damage of files is a typed error that names the file;
//! what was in force stays usable by who has it open. [`verify`] reads everything and
//! finds every changed bit, [`repair`] saves what is sound and lists what is not.
//!
//! # What a collection gives away
//! What an [index](crate::index#what-an-index-reveals) does; and its records hold what a
//! fingerprint holds: the grams in the order of the text, and the metadata in the clear. Keep the
//! folder as secret as the key. Files are made for their owner alone.
#![doc = include_str!("FORMAT.md")]

mod catalog;
mod cell;
mod codec;
mod compaction;
mod core;
mod false_matches;
mod filter_cache;
mod folder;
mod handle;
mod import;
mod item;
mod limits;
mod log;
mod manifest;
mod stop_prints;

mod merge;
mod merge_status;
mod metadata;
mod open;
mod packed;
mod record;
mod records;
mod repair;
#[cfg(test)]
pub(crate) mod sample;
mod segment;
#[cfg(test)]
mod simulator;
mod snapshot;
mod state;
mod storage;
#[cfg(test)]
mod tests;
mod verify;
mod writer;

pub use handle::Collection;
pub use import::{CodeItem, Imported};
pub use item::{AddOutcome, NewItem, WriterOptions};
pub use manifest::COLLECTION_VERSION;
pub use merge_status::{MergeFailure, MergeStatus};
pub(crate) use packed::{pack_behind, unpack_all};
pub use record::{Content, Discount};
pub use repair::{Lost, RepairReport, repair};
pub use snapshot::{CollectionInfo, ItemInfo, SegmentSummary, Snapshot};
pub use verify::{VerifyReport, verify};
pub use writer::CollectionWriter;

#[doc(no_inline)]
pub use crate::matcher::{FalseMatch, FalseScope};
#[doc(no_inline)]
pub use crate::metadata::Metadata;
#[doc(no_inline)]
pub use crate::time::Timestamp;
