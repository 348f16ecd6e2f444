//! The ten lines in an upload service: `cargo run --example embed -- INDEX FILE...`
//!
//! Open the index once, share the matcher between threads, ask it about every upload.

#![allow(clippy::print_stdout, reason = "a program for people")]

use leakprint::{Index, Matcher};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let index = arguments.next().ok_or("usage: embed INDEX FILE...")?;

    let matcher = Matcher::new(Index::open(index)?)?;
    for upload in arguments {
        let bytes = std::fs::read(&upload)?;
        match matcher.find_media(&bytes, Some(&upload)) {
            Ok(matches) if matches.is_empty() => println!("{upload}: nothing"),
            Ok(matches) => println!("{upload}: {} {:?}", matches[0].item, matches[0].evidence[0]),
            Err(error) => println!("{upload}: not read: {error}"),
        }
    }
    Ok(())
}
