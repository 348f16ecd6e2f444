//! leakprint recognises leaked material when it is posted again.
//!
//! The **owner** of a leak fingerprints its documents, screenshots and photos in house and hands over
//! an [`Index`] of one-way fingerprints: no text, no pixels. The **platform** compares every post,
//! attachment and picture with it. A match names the leaked item, the *evidence* (which passage or
//! region they share) and its [`Strength`]. Have a person review a match before acting on it.
//!
//! ```
//! use leakprint::{Fingerprinter, IndexWriter, Matcher};
//!
//! # fn main() -> leakprint::Result<()> {
//! // The owner. `save` instead of `to_index` writes the file that is handed over.
//! let fingerprinter = Fingerprinter::builder().build()?;
//! let memo = "The winter slate moves by six weeks, and Lighthouse opens in fourteen \
//!             territories with no press screening before the Wednesday, even though it \
//!             tested at seventy-one.";
//! let mut writer = IndexWriter::from(&fingerprinter);
//! writer.add("memo.txt", &fingerprinter.fingerprint(memo.as_bytes(), None)?)?;
//! let index = writer.to_index()?;
//!
//! // The platform, which opens that file with `Index::open`.
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
//! # Data flow
//! ```text
//! bytes -> media -> parts -> raster | text -> Fingerprint
//!   owner:    Fingerprint -> IndexWriter -> file
//!   platform: Fingerprint -> Index -> candidates -> Matcher -> matches with evidence
//! ```
//! *Media* are files of any kind; their *parts* are the texts, tables and pictures in them. Both sides
//! make fingerprints in the same way. Those of text, tables and parts of pictures depend on a secret
//! [`Key`], which is in the index unless the owner provides one: what an index reveals, with and without
//! the key, is described [there](index#what-an-index-reveals). ARCHITECTURE.md in the repository describes
//! the modules and the reasons for the design.
//!
//! # Where to start
//! - An index that does not change: [`IndexWriter`], [`Index`], [`Matcher`].
//! - Items that are added and removed while others match: [`CollectionWriter`], [`Collection`] and its
//!   [`Snapshot`](collection::Snapshot).
//! - Either of the two, by its path: [`Source`].
//! - Queries: [`Matcher::find_media`] for files, [`find_text`](Matcher::find_text) for posts; for many on
//!   several threads, [`find_media_batch`](Matcher::find_media_batch), [`find_batch`](Matcher::find_batch)
//!   (of fingerprints) and [`find_stream`](Matcher::find_stream).
//! - Results: [`Match`], [`Evidence`]; why there is none: [`Matcher::explain`]; matches that reviewers
//!   have rejected: [`FalseMatch`].
//! - Fewer false matches: [`IndexWriter::ignore`] for templates, signatures and disclaimers,
//!   [`IndexWriter::background`] for ordinary traffic.
//! - Settings: [`MatchOptions`], [`Limits`], [`Deadline`],
//!   [`FingerprinterBuilder`](fingerprint::FingerprinterBuilder).
//! - Hash lists from other sources: [`exchange`]; bare 256-bit codes: [`CodeSet`](index::CodeSet).
//! - The JSON lines of the command line and the service: [`lines`].
//!
//! The folder `examples` of the repository has a small program for each topic: `embed`, `collection`,
//! `reload`, `false_matches`, `background`, `recogniser`, `deadline`. `cargo run --release --example NAME`
//! runs one.
//!
//! # In a service
//! Open the index or collection once and share one [`Matcher`] among all threads. When the leak changes,
//! replace it by a new one, as the example `reload` does:
//!
//! ```
//! # let (folder, writer, print) = leakprint::example::collection()?;
//! # writer.add(leakprint::collection::NewItem::new("memo.txt", print))?;
//! # let path = writer.collection().path().to_owned();
//! # let upload = leakprint::example::MEMO.as_bytes();
//! use std::time::Duration;
//!
//! use leakprint::{Deadline, Limits, MatchOptions, Source};
//!
//! let source = Source::open(&path)?;
//! let mut limits = Limits::default();
//! limits.input_bytes = 32 << 20;
//! let matcher = source.matcher(MatchOptions::default())?.with_limits(limits);
//!
//! // On any thread, for each upload:
//! let deadline = Deadline::after(Duration::from_secs(2));
//! let (matches, warnings) =
//!     matcher.find_media_with_warnings(upload, Some("upload.txt"), &deadline)?;
//! for found in matches {
//!     println!("{} {} {:?}", found.item, found.strength, found.evidence);
//! }
//! for unread in warnings {
//!     println!("{}: {}", unread.part, unread.message); // not checked, so not clean
//! }
//! # Ok::<(), leakprint::Error>(())
//! ```
//!
//! Matching is CPU-bound: it takes from 0.1 ms for a post to some 100 ms for a large picture. In an
//! asynchronous program, run it on a blocking thread or a separate thread pool. Dropping a future does not
//! stop that work; cancelling a [`CancellationToken`] does. With tokio:
//!
//! ```ignore
//! struct CancelOnDrop(CancellationToken);
//!
//! impl Drop for CancelOnDrop {
//!     fn drop(&mut self) {
//!         self.0.cancel();
//!     }
//! }
//!
//! async fn find(matcher: Matcher, upload: Vec<u8>) -> leakprint::Result<Vec<Match>> {
//!     let token = CancellationToken::new();
//!     // Dropped with the future, for instance when the client disconnects.
//!     let _guard = CancelOnDrop(token.clone());
//!     let deadline = Deadline::after(Duration::from_secs(2)).with_cancellation(token);
//!     let work = move || matcher.find_media_until(&upload, None, &deadline);
//!     tokio::task::spawn_blocking(work).await.expect("the library does not panic")
//! }
//! ```
//!
//! Bound the number of such tasks, for instance by a semaphore with one permit per core: more of them
//! at once only delay each other. Create the deadline before waiting for the permit, and move the permit
//! into the closure: a permit that the future holds would be released when the client disconnects, while
//! the thread is still working.
//!
//! Errors as HTTP statuses: 504 for [`Error::is_timeout`]; 413 where [`Error::limit_name`] is `input_bytes`;
//! 415 for [`Unsupported`](ErrorKind::Unsupported); 422 for [`Empty`](ErrorKind::Empty),
//! [`Malformed`](ErrorKind::Malformed), [`Panicked`](ErrorKind::Panicked) and other limits.
//! [`Cancelled`](ErrorKind::Cancelled) needs no answer. All other kinds, such as
//! [`Corrupt`](ErrorKind::Corrupt), [`Recipe`](ErrorKind::Recipe) and [`Io`](ErrorKind::Io), are faults of
//! the service.
//!
//! # Threads, state, output
//! Everything is `Send + Sync + 'static`, there is no mutable global state, and nothing is printed.
//! Parallel work runs on a rayon pool that the caller provides in an [`Executor`]; results do not depend
//! on the number of threads. [`Fingerprinter`], [`Index`], [`Matcher`], [`Collection`], [`Source`] and
//! [`Snapshot`](collection::Snapshot) are handles: cloning one copies reference counts and about a kilobyte
//! of keys, never fingerprints.
//!
//! # Hostile input
//! Media and index files are treated as hostile: [`Limits`] bound the cost of one input, panics of decoders
//! are caught, and damage is a typed [`Error`]. Opening an index reads only its header; call
//! [`Source::verify`] once for a file from elsewhere. A service that must survive even an aborted process
//! reads uploads in child processes, as the example `serve` does with `--isolate`. THREAT-MODEL.md in the
//! repository says what is defended against and what is not.
//!
//! A part of an upload that cannot be read, such as an encrypted attachment, is reported as a [`Warning`],
//! and the other parts are matched. [`Matcher::find_media_with_warnings`] returns the warnings; do not treat
//! an upload that has some as clean.
//!
//! # Stability
//! Versions follow [SemVer](https://semver.org). Within a major version (before 1.0: within a minor
//! version) these are kept, or extended compatibly:
//! - the names and meanings of public items. Enums and structs that may grow are
//!   `#[non_exhaustive]`; [`Strength`], [`Dihedral`] and [`Code256`] will not;
//! - the fields of [JSON lines](lines) and of other serialised types. Readers must ignore unknown fields
//!   and kinds of evidence; configuration ([`Limits`], [`MatchOptions`]) with an unknown field is refused;
//! - the index file ([`FORMAT_VERSION`](index::FORMAT_VERSION)) and the folder of a collection
//!   ([`COLLECTION_VERSION`](collection::COLLECTION_VERSION)): files of an earlier release are read;
//! - every fingerprint of one [`Recipe::VERSION`], to the bit.
//!
//! A new version of the recipe or of the index file comes only with a new major version (before 1.0: minor
//! version); indexes are then rebuilt from the originals.
//!
//! Not promised: the wording of messages (programs use [`ErrorKind`]); scores to the last digit, while a
//! [`Strength`] keeps its meaning; time and memory; which decoder reads a format, so that the text of a
//! damaged or unusual file may differ; the options of the example programs; the minimum version of Rust,
//! which a minor release may raise.
//!
//! # Features
//! All are on by default.
//! - `mail`: e-mails, with bodies, attachments and forwarded messages.
//! - `html`: the text of web pages.
//! - `charset`: text in legacy charsets; without it UTF-8, and UTF-16 with a byte-order mark.
//! - `archive`: ZIP, gzip and tar as containers.
//! - `office`: docx, xlsx, pptx, odt, ods, odp (enables `archive`).
//! - `pdf`: PDF.
//! - `rtf`: Rich Text Format (enables `charset`).
//! - `tesseract`: the program of that name as a recogniser of text in pictures, if one is configured.
//!
//! Pictures, plain text and CSV are always read. A platform for pictures and short posts needs none of
//! the features, and then compiles 78 packages instead of 141:
//!
//! ```toml
//! leakprint = { version = "0.1", default-features = false }
//! ```
//!
//! An index can be used by a build with any features; a fingerprint contains the parts that the build
//! which made it could read.

mod arch;
pub mod calibration;
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

pub use calibration::Calibration;
pub use code::Code256;
pub use collection::{Collection, CollectionWriter};
pub use deadline::{CancellationToken, Deadline};
pub use error::{Error, ErrorKind, Result};
pub use exec::Executor;
pub use fingerprint::{Digest, Fingerprint, Fingerprinter, Key, Recipe, Warning};
pub use index::{Index, IndexWriter};
pub use limits::{Budget, Limits};
pub use matcher::{
    Doubt, Evidence, Explanation, FalseMatch, FalseScope, Match, MatchOptions, Matcher, Stage,
    Strength,
};
pub use media::PartPath;
pub use metadata::Metadata;
pub use raster::Dihedral;
pub use source::Source;
pub use time::Timestamp;
