//! Deadlines and cancellation: `cargo run --example deadline`
//!
//! Every call that may take long has a variant with a deadline: a time limit, a token that another thread
//! cancels, or both. Every loop whose length depends on the upload checks it, so the call returns soon after.

#![allow(clippy::print_stdout, reason = "a program for people")]

use std::thread;
use std::time::Duration;

use leakprint::{
    CancellationToken, Deadline, ErrorKind, Fingerprinter, IndexWriter, Matcher, Warning,
};

const MEMO: &str = "The winter slate moves by six weeks, and Lighthouse opens in fourteen territories with no \
    press screening before the Wednesday, even though it tested at seventy-one.";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let fingerprinter = Fingerprinter::builder().build()?;
    let mut writer = IndexWriter::from(&fingerprinter);
    writer.add("memo.txt", &fingerprinter.fingerprint_text(MEMO)?)?;
    let matcher = Matcher::new(writer.to_index()?)?;

    // An upload of millions of words, made to keep a service busy.
    let words = (0..2_000_000_u32).map(|n| format!("{:x} ", n.wrapping_mul(2_654_435_761)));
    let huge: String = words.collect();
    let show = |what: &str, upload: &str, deadline: &Deadline| {
        match matcher.find_media_with_warnings(upload.as_bytes(), None, deadline) {
            // In a container, the time may end between two parts: those before it are matched.
            Ok((_, warnings)) if warnings.iter().any(Warning::is_timeout) => {
                println!("{what}: not all parts were read in time");
            }
            Ok((matches, _)) => println!("{what}: matches: {}", matches.len()),
            Err(error) if error.is_timeout() => println!("{what}: out of time: {error}"),
            Err(error) if error.kind() == ErrorKind::Cancelled => println!("{what}: {error}"),
            Err(error) => println!("{what}: could not be read: {error}"),
        }
    };

    let deadline = || Deadline::after(Duration::from_secs(30));
    show("an ordinary upload", MEMO, &deadline());
    show(
        "a huge one, 2 ms",
        &huge,
        &Deadline::after(Duration::from_millis(2)),
    );

    // The client has disconnected: any thread can cancel.
    let token = CancellationToken::new();
    let until = deadline().with_cancellation(token.clone());
    thread::scope(|scope| {
        scope.spawn(|| token.cancel());
        show("a huge one, cancelled", &huge, &until);
    });
    // The matcher is not affected.
    show("the next upload", MEMO, &deadline());
    Ok(())
}
