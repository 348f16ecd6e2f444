//! Shared by the examples of the documentation. Hidden, and no part of the stable interface.

use crate::collection::{CollectionWriter, WriterOptions};
use crate::error::Result;
use crate::fingerprint::{Fingerprint, Fingerprinter, Key};
use crate::index::{Index, IndexWriter};

/// A leaked memo.
pub const MEMO: &str = "The winter slate moves by six weeks, and Lighthouse opens in fourteen \
    territories with no press screening before the Wednesday, even though it tested at \
    seventy-one.";

/// A fingerprinter under a fixed key: everything that this module makes can be compared.
///
/// # Errors
/// Not in an example.
pub fn fingerprinter() -> Result<Fingerprinter> {
    Fingerprinter::builder()
        .key(Key::from_bytes([7; 32]))
        .build()
}

/// The fingerprint of [`MEMO`]. Errors as for [`fingerprinter`].
pub fn memo_print() -> Result<Fingerprint> {
    fingerprinter()?.fingerprint_text(MEMO)
}

/// A writer that holds [`MEMO`] as the item `memo.txt`, and the key. Errors as for [`fingerprinter`].
pub fn memo_writer() -> Result<IndexWriter> {
    let fingerprinter = fingerprinter()?;
    let key = fingerprinter.key().clone();
    let mut writer = IndexWriter::new(fingerprinter.recipe().clone(), Some(key))?;
    writer.add("memo.txt", &memo_print()?)?;
    Ok(writer)
}

/// A small index: [`MEMO`] as the item `memo.txt`. Errors as for [`fingerprinter`].
pub fn memo_index() -> Result<Index> {
    memo_writer()?.to_index()
}

/// An empty collection that holds its key, in a temporary folder that lives as long as the first value,
/// and the fingerprint of [`MEMO`] for it. Errors as for [`fingerprinter`].
pub fn collection() -> Result<(tempfile::TempDir, CollectionWriter, Fingerprint)> {
    let folder = tempfile::tempdir().map_err(|e| crate::Error::io("cannot make a folder", e))?;
    let path = folder.path().join("leak.collection");
    let writer = CollectionWriter::open(path, WriterOptions::default())?;
    let print = writer
        .collection()
        .fingerprinter()?
        .fingerprint_text(MEMO)?;
    Ok((folder, writer, print))
}
