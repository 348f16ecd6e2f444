//! The ten lines in an upload service: `cargo run --example embed -- INDEX FILE...`
//!
//! Open the index once, share the matcher between threads, and match every upload. An upload with parts
//! that could not be read is not clean, even if nothing was found in the others.

#![allow(clippy::print_stdout, reason = "a program for people")]

use leakprint::{Deadline, Evidence, Index, Matcher};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let Some(index) = arguments.next() else {
        println!("usage: embed INDEX FILE...");
        return Ok(());
    };

    let matcher = Matcher::new(Index::open(index)?)?;
    for upload in arguments {
        let bytes = match std::fs::read(&upload) {
            Ok(bytes) => bytes,
            Err(error) => {
                println!("{upload}: not read: {error}");
                continue;
            }
        };
        // Ends after `Limits::time_ms`; the example `deadline` has other deadlines.
        let result = matcher.find_media_with_warnings(&bytes, Some(&upload), &Deadline::never());
        let (matches, warnings) = match result {
            Ok(result) => result,
            Err(error) => {
                println!("{upload}: not read: {error}");
                continue;
            }
        };
        for found in &matches {
            let why = found.evidence.iter().map(Evidence::kind);
            let why = why.collect::<Vec<_>>().join(", ");
            println!("{upload}: {}, {}: {why}", found.item, found.strength);
        }
        for warning in &warnings {
            println!("{upload}: not read: {}: {}", warning.part, warning.message);
        }
        if matches.is_empty() && warnings.is_empty() {
            println!("{upload}: nothing");
        }
    }
    Ok(())
}
