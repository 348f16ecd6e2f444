//! A collection: items are added and removed while others match. `cargo run --example collection`
//!
//! The owner changes one folder item by item; a platform reads the same folder. A snapshot never
//! changes, so a search sees one state from beginning to end.

#![allow(clippy::print_stdout, reason = "a program for people")]

use leakprint::collection::{CollectionWriter, Metadata, NewItem, Snapshot, WriterOptions};
use leakprint::{Collection, Result};

const MEMO: &str = "The winter slate moves by six weeks, and Lighthouse opens in fourteen territories with no \
    press screening before the Wednesday, even though it tested at seventy-one.";

const MERGER: &str = "We value the northern stations at nineteen times earnings, which is what the bank will \
    defend in front of the board. The pension gap closes in eight years, not in eleven.";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("leak");

    // The owner. The key is random here and kept in the collection; see `WriterOptions::with_key`.
    let writer = CollectionWriter::open(&path, WriterOptions::default())?;
    let fingerprinter = writer.collection().fingerprinter()?.clone();
    for (name, text, label) in [
        ("memo.txt", MEMO, "film"),
        ("merger.txt", MERGER, "finance"),
    ] {
        let mut metadata = Metadata::default();
        metadata.label = Some(label.to_owned());
        let item = NewItem::new(name, fingerprinter.fingerprint_text(text)?);
        writer.add(item.with_metadata(metadata))?; // durable once this returns
    }

    // The platform, usually another process.
    let collection = Collection::open(&path)?;
    let before = collection.snapshot();
    let post = format!("they write: {}", &MEMO[..120]);
    println!("{} items: {}", before.len(), show(&before, &post)?);

    // The memo turns out to be public. Snapshots that were taken before still have it.
    writer.remove(&["memo.txt"])?;
    collection.refresh()?;
    let after = collection.snapshot();
    println!(
        "after the removal, the old snapshot: {}",
        show(&before, &post)?
    );
    println!(
        "{} item, the new snapshot: {}",
        after.len(),
        show(&after, &post)?
    );
    println!("the other item: {}", show(&after, MERGER)?);
    Ok(())
}

/// The items that a post shows.
fn show(snapshot: &Snapshot, post: &str) -> Result<String> {
    let matches = snapshot.find_text(post)?;
    let lines = matches.iter().map(|one| {
        let metadata = one.metadata.as_ref();
        let label = metadata.and_then(|metadata| metadata.label.as_deref());
        let label = label.unwrap_or_default();
        format!("{} ({label}), {}", one.item, one.strength)
    });
    Ok(match lines.collect::<Vec<_>>().join("; ") {
        nothing if nothing.is_empty() => "nothing".to_owned(),
        some => some,
    })
}
