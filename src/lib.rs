//! leakprint recognises leaked material when it is posted again.
//!
//! The **owner** of a leak fingerprints its documents, screenshots and photos
//! in house and hands over an [`Index`] of one-way fingerprints: no text, no
//! pixels. The **platform** compares every post, attachment and picture with it
//! and gets *evidence*: which item, which passage, how strong.
//!
//! ```
//! use leakprint::{Fingerprinter, IndexWriter, Matcher};
//!
//! # fn main() -> leakprint::Result<()> {
//! // The owner; `save` in place of `to_index` writes the file that is handed over.
//! let fingerprinter = Fingerprinter::builder().build()?;
//! let memo = "The winter slate moves by six weeks, and Lighthouse opens in fourteen \
//!             territories with no press screening before the Wednesday, even though it \
//!             tested at seventy-one.";
//! let mut writer = IndexWriter::from(&fingerprinter);
//! writer.add("memo.txt", &fingerprinter.fingerprint(memo.as_bytes(), None)?)?;
//! let index = writer.to_index()?;
//!
//! // The platform.
//! let matcher = Matcher::new(index)?;
//! let post = "OMG: \"Lighthouse opens in 14 territories\"... no wait: LIGHTHOUSE OPENS IN \
//!             FOURTEEN TERRITORIES, WITH NO PRESS SCREENING BEFORE THE WEDNESDAY, EVEN \
//!             THOUGH IT TESTED AT SEVENTY-ONE!";
//! let matches = matcher.find_text(post)?;
//! assert_eq!(matches[0].item, "memo.txt");
//! assert!(matcher.find_text("Snow is expected in the north on Wednesday.")?.is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! # The way of the data
//! ```text
//! bytes -> media -> parts -> raster | text -> Fingerprint
//!   owner:    Fingerprint -> IndexWriter -> file
//!   platform: Fingerprint -> Index -> candidates -> Matcher -> matches with evidence
//! ```
//! The same [`Fingerprinter`] serves both sides. Modules lower in that list
//! import only what stands above them.
//!
//! # Where to begin
//! - One index that never changes: [`IndexWriter`], [`Index`], [`Matcher`].
//! - Items that come and go: [`CollectionWriter`], [`Collection`] and its
//!   [`Snapshot`](collection::Snapshot).
//! - What was found, and why: [`Match`], [`Evidence`]; why not: [`Matcher::explain`].
//! - What may be set: [`MatchOptions`], [`Limits`], [`FingerprinterBuilder`](fingerprint::FingerprinterBuilder).
//! - Hash lists of others: [`exchange`]; bare 256-bit codes: [`CodeSet`](index::CodeSet).
//! - JSON lines as the command line answers with: [`lines`].
//!
//! # Threads, state, output
//! Everything is `Send + Sync + 'static`, there is no mutable global state, and
//! nothing is printed. Parallel work runs on a rayon pool that the caller gives in an
//! [`Executor`]; results do not depend on the number of threads. [`Fingerprinter`], [`Index`],
//! [`Matcher`], [`Collection`] and [`Snapshot`](collection::Snapshot) are handles: cloning one copies counts of
//! references and a kilobyte or so of keys, never prints.
//!
//! # Hostile input
//! Media and index files are hostile: [`Limits`] bound what one input may
//! cost, decoders run behind a panic border, damage is a typed [`Error`].
//!
//! # What stays as it is
//! Versions follow [SemVer](https://semver.org). A release of the same major version (of the same
//! minor one before 1.0) keeps, or extends so that what worked goes on working:
//! - the names and meanings of public items. Enums and structs that will grow are
//!   `#[non_exhaustive]`; [`Strength`], [`Dihedral`] and [`Code256`] are complete;
//! - the fields of [JSON lines](lines) and of whatever else is serialised. Readers pass over fields that they
//!   do not know, since more may come, and kinds of evidence; configuration ([`Limits`],
//!   [`MatchOptions`]) is refused with a field that is not known;
//! - the index file ([`FORMAT_VERSION`](index::FORMAT_VERSION)) and the folder of a collection
//!   ([`COLLECTION_VERSION`](collection::COLLECTION_VERSION)): what an earlier release of that kind
//!   wrote is read;
//! - every print of a [`Recipe::VERSION`], to the bit.
//!
//! A new version of the recipe or of the index file comes with a new major version only (a new
//! minor one before 1.0): indexes are then made anew from the originals.
//!
//! Not promised: the wording of messages (programs go by [`ErrorKind`]); scores to the last digit,
//! which get better with what is measured, while a [`Strength`] keeps its meaning; times and
//! memory; which decoder reads a format, so that the text of a damaged or exotic file may differ; the example
//! programs' options; the least version of Rust, which a minor release may raise.
//!
//! # Features
//! All on by default.
//! - `mail`: e-mails, their bodies, attachments and forwarded messages.
//! - `html`: web pages to text.
//! - `charset`: text in legacy charsets; without it UTF-8 and UTF-16 with a mark.
//! - `archive`: ZIP, gzip and tar as containers.
//! - `office`: docx, xlsx, pptx, odt, ods, odp (brings `archive`).
//! - `pdf`: PDF.
//! - `rtf`: Rich Text Format (brings `charset`).
//! - `tesseract`: the program of that name as a recogniser of text in pictures, once asked for.

mod arch;
pub mod code;
pub mod collection;
mod deadline;
pub mod error;
#[doc(hidden)]
pub mod example;
pub mod exchange;
pub mod exec;
pub mod fingerprint;
mod id;
pub mod index;
pub mod limits;
pub mod lines;
pub mod matcher;
pub mod media;
mod metadata;
pub mod raster;
mod source;
pub mod text;
mod text_serde;
mod time;

pub use code::Code256;
pub use collection::{Collection, CollectionWriter};
pub use deadline::{CancellationToken, Deadline};
pub use error::{Error, ErrorKind, Result};
pub use exec::Executor;
pub use fingerprint::{Digest, Fingerprint, Fingerprinter, Key, Recipe, Warning};
pub use index::{Index, IndexWriter};
pub use limits::{Budget, Limits};
pub use matcher::{
    Evidence, Explanation, FalseMatch, FalseScope, Match, MatchOptions, Matcher, Stage, Strength,
};
pub use media::PartPath;
pub use metadata::Metadata;
pub use raster::Dihedral;
pub use source::Source;
pub use time::Timestamp;
