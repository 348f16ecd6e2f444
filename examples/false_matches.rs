//! False matches: a reviewer rejects a match, and it is not reported again. `cargo run --example false_matches`
//!
//! A mark names an item and either one upload, by its digest, or one part of the item for every upload.
//! It records who decided and why, and can be taken back.

#![allow(clippy::print_stdout, reason = "a program for people")]

use leakprint::collection::{CollectionWriter, FalseMatch, FalseScope, NewItem, WriterOptions};
use leakprint::{Digest, Result};

const STATEMENT: &str = "The company regrets the incident, has informed the authorities, and asks everybody who \
    holds material from it to delete what they have and to pass nothing on to others.";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let writer = CollectionWriter::open(folder.path().join("leak"), WriterOptions::default())?;
    let fingerprinter = writer.collection().fingerprinter()?.clone();
    // A leaked draft of a statement that the company published later.
    let print = fingerprinter.fingerprint_text(STATEMENT)?;
    writer.add(NewItem::new("drafts/statement.txt", print))?;

    let report = format!("The company writes: {STATEMENT}");
    let leaker = format!("look what was in the mailbox: {STATEMENT}");
    let show = |when: &str| -> Result<()> {
        let snapshot = writer.collection().snapshot();
        for (who, upload) in [("report", &report), ("copy", &leaker)] {
            let matches = snapshot.find_media(upload.as_bytes(), None)?;
            println!("{when}: matches of the {who}: {}", matches.len());
        }
        Ok(())
    };
    show("at first")?;

    // Ada decides that this upload is no match of this item.
    let upload = FalseScope::Digest(Digest::of_bytes(report.as_bytes()));
    let mark = FalseMatch::new(
        "drafts/statement.txt",
        upload.clone(),
        "ada",
        "a press report",
    );
    writer.mark_false(std::slice::from_ref(&mark))?;
    show("the report is marked")?;

    // The whole text is public: no upload of it is a match.
    let text = FalseScope::ItemPart("".into());
    let public = FalseMatch::new("drafts/statement.txt", text, "ada", "published on the 24th");
    writer.mark_false(&[public])?;
    show("the text is marked")?;

    for mark in writer.collection().snapshot().false_matches() {
        let scope = match &mark.scope {
            FalseScope::Digest(_) => "one upload",
            _ => "every upload",
        };
        println!("{}: {scope}, by {}: {}", mark.item, mark.by, mark.why);
    }
    Ok(())
}
