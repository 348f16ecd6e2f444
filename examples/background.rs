//! Background: content of ordinary traffic does not count. `cargo run --example background`
//!
//! A disclaimer, a signature or a blank form is in the leak and in innocent mails as well. `ignore` takes
//! such content itself; `background` takes a sample of ordinary traffic and learns what two of its files
//! share. What is discounted does not count, and the evidence says how much it was.

#![allow(clippy::print_stdout, reason = "a program for people")]

use leakprint::{Evidence, Fingerprinter, IndexWriter, Matcher, Result};

const FOOTER: &str = "This message and any attachments are confidential and intended solely for the addressee. \
    If you have received it in error, please notify the sender and delete it from your system.";

const SECRET: &str = "The board approved the new bands yesterday evening. Directors move to grade eleven with a \
    retention bonus of forty per cent, payable in March if the merger closes.";

fn main() -> Result<()> {
    let fingerprinter = Fingerprinter::builder().build()?;
    let leaked = fingerprinter.fingerprint_text(&format!("{SECRET}\n\n{FOOTER}"))?;

    let mut plain = IndexWriter::from(&fingerprinter);
    plain.add("salaries.txt", &leaked)?;

    let mut writer = IndexWriter::from(&fingerprinter);
    writer.add("salaries.txt", &leaked)?;
    // A sample of mails that anybody may read; two of them have the footer.
    for body in [
        "Lunch is at noon on Friday.",
        "The lift is out of order until Monday.",
    ] {
        let mail = format!("{body}\n\n{FOOTER}");
        writer.background(&fingerprinter.fingerprint_text(&mail)?)?;
    }

    let innocent = format!("Shall we take the table by the window?\n\n{FOOTER}");
    let copy = format!("Fwd: {SECRET}\n\n{FOOTER}");
    for (name, mut writer) in [("without background", plain), ("with background", writer)] {
        let matcher = Matcher::new(writer.to_index()?)?;
        println!("{name}:");
        println!(
            "  an innocent mail with the same footer: {}",
            show(&matcher, &innocent)?
        );
        println!("  a copy of the leaked mail: {}", show(&matcher, &copy)?);
    }
    Ok(())
}

fn show(matcher: &Matcher, mail: &str) -> Result<String> {
    let matches = matcher.find_text(mail)?;
    let evidence = matches.first().and_then(|found| found.evidence.first());
    Ok(match evidence {
        Some(Evidence::Text {
            covered,
            discounted,
            ..
        }) => format!("a match, {covered} letters, {discounted} of them discounted"),
        _ => "nothing".to_owned(),
    })
}
