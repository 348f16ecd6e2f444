//! The ten lines in an upload service: `cargo run --example embed -- INDEX FILE...`
//!
//! Open the index once, share the matcher between threads, ask it about every upload.

#![allow(clippy::print_stdout, reason = "a program for people")]

use leakprint::{Evidence, Index, Matcher};

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
        match matcher.find_media(&bytes, Some(&upload)) {
            Ok(matches) if matches.is_empty() => println!("{upload}: nothing"),
            Ok(matches) => {
                for found in matches {
                    let why = found.evidence.iter().map(Evidence::kind);
                    let why = why.collect::<Vec<_>>().join(", ");
                    println!("{upload}: {}, {}: {why}", found.item, found.strength);
                }
            }
            Err(error) => println!("{upload}: not read: {error}"),
        }
    }
    Ok(())
}
