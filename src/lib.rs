//! leakprint recognises leaked material when it is posted again.
//!
//! The **owner** of a leak fingerprints its documents, screenshots and photos
//! in house and hands over an [`Index`] of one-way fingerprints: no text, no
//! pixels. The **platform** compares every post, attachment and picture with it
//! and gets *evidence*: which item, which passage, how strong.
//!
//! ```
//! use leakprint::{Fingerprinter, Index, IndexWriter, Matcher};
//!
//! # fn main() -> leakprint::Result<()> {
//! // The owner.
//! let fingerprinter = Fingerprinter::builder().build()?;
//! let memo = "The winter slate moves by six weeks, and Lighthouse opens in fourteen \
//!             territories with no press screening before the Wednesday, even though it \
//!             tested at seventy-one.";
//! let key = Some(fingerprinter.key().clone());
//! let mut writer = IndexWriter::new(fingerprinter.recipe().clone(), key)?;
//! writer.add("memo.txt", &fingerprinter.fingerprint(memo.as_bytes(), None)?)?;
//! let bytes = writer.to_bytes(&Default::default())?;
//!
//! // The platform.
//! let matcher = Matcher::new(Index::from_bytes(bytes)?)?;
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
//! # Threads, state, output
//! Everything is `Send + Sync`, there is no mutable global state, and nothing
//! is printed. Parallel work runs on a rayon pool that the caller gives in an
//! [`Executor`]; results do not depend on the number of threads.
//!
//! # Hostile input
//! Media and index files are hostile: [`Limits`] bound what one input may
//! cost, decoders run behind a panic border, damage is a typed [`Error`].
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
pub mod error;
pub mod exchange;
pub mod exec;
pub mod fingerprint;
mod id;
pub mod index;
pub mod limits;
pub mod lines;
pub mod matcher;
pub mod media;
pub mod raster;
pub mod text;
mod written;

pub use code::Code256;
pub use collection::{Collection, CollectionWriter};
pub use error::{Error, ErrorKind, Result};
pub use exec::Executor;
pub use fingerprint::{Digest, Fingerprint, Fingerprinter, Key, Recipe, Warning};
pub use index::{Index, IndexWriter};
pub use limits::{Budget, Limits};
pub use matcher::{Evidence, Explanation, Match, MatchOptions, Matcher, Stage, Strength};
pub use media::PartPath;
pub use raster::Dihedral;
