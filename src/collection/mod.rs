//! A live collection: items are added and removed while others match, and acknowledged changes
//! survive a crash or a power cut.
//!
//! There is one [`CollectionWriter`]; any number of threads and processes read through a
//! [`Collection`]. A [`Snapshot`] is its state at one moment. A change is durable when the writer's
//! call returns, and visible in every later snapshot.
//!
//! # What is safe
//! After a crash or a power cut a collection opens with exactly the acknowledged changes, and
//! perhaps those of the one call in progress. A damaged file is a typed error that names the file;
//! snapshots that are open stay usable. [`verify`] reads everything and finds every changed bit;
//! [`repair`] saves the undamaged items and lists what is lost.
//!
//! # What a collection reveals
//!
//! The same as an [index](crate::index#what-an-index-reveals), and more: its records contain the grams
//! in the order of the text, and the metadata in the clear. Keep the folder as secret as the key.
//! New files are readable only by their owner.
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
