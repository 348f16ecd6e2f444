//! Prints the parts of files: `cargo run --release --example extract -- [--time] FILE...`
//!
//! Prints the path and the text of every part, and what could not be read. With
//! `--time` prints only, for each extension, the number of files and bytes and the
//! seconds that reading them took on one thread.

#![allow(clippy::print_stdout, reason = "a program for people")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use leakprint::media::{self, Content, Part, PartPath, PartSink};
use leakprint::{Budget, Error, Limits};

/// Prints parts as they come.
struct Printer<'f> {
    file: &'f str,
    quiet: bool,
    /// Bytes of text.
    text: u64,
}

impl PartSink for Printer<'_> {
    fn part(&mut self, part: Part<'_>) {
        let text = match &part.content {
            Content::Text(text) => text.as_str(),
            Content::Table(table) => table.text(),
            _ => "",
        };
        self.text += text.len() as u64;
        if self.quiet {
            return;
        }
        let what = match &part.content {
            Content::Raster { raster, .. } => {
                format!("a picture of {} x {}", raster.width(), raster.height())
            }
            Content::Text(text) => format!("text of {} characters", text.chars().count()),
            Content::Table(table) => format!("a table of {} cells", table.cells().len()),
            _ => "bytes or a container".to_owned(),
        };
        println!("{}#{}: {what}\n{text}", self.file, part.path);
    }

    fn warning(&mut self, path: PartPath, error: Error) {
        if !self.quiet {
            println!("{}#{path}: not read: {error}", self.file);
        }
    }
}

/// Totals for the files of one extension.
#[derive(Default)]
struct Sum {
    files: u32,
    bytes: u64,
    text: u64,
    time: Duration,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut quiet = false;
    let mut sums: BTreeMap<String, Sum> = BTreeMap::new();
    for file in std::env::args().skip(1) {
        if file == "--time" {
            quiet = true;
            continue;
        }
        let bytes = std::fs::read(&file)?;
        let mut printer = Printer {
            file: &file,
            quiet,
            text: 0,
        };
        let start = Instant::now();
        let mut budget = Budget::new(&Limits::default());
        if let Err(error) = media::read(&bytes, Some(&file), &mut budget, &mut printer) {
            println!("{file}: not read: {error}");
        }
        let extension = file.rsplit('.').next().unwrap_or_default();
        let sum = sums.entry(extension.to_owned()).or_default();
        sum.files += 1;
        sum.bytes += bytes.len() as u64;
        sum.text += printer.text;
        sum.time += start.elapsed();
    }
    if quiet {
        for (extension, sum) in sums {
            let Sum {
                files, bytes, text, ..
            } = sum;
            let seconds = sum.time.as_secs_f64();
            println!(
                "{{\"extension\": \"{extension}\", \"files\": {files}, \"bytes\": {bytes}, \
                 \"text\": {text}, \"seconds\": {seconds:.6}}}"
            );
        }
    }
    Ok(())
}
