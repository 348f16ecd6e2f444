//! Writes generated screenshots of mail programs, for measuring recall, false matches and speed in
//! large indexes: `screens DIR COUNT [SEED]`.
//!
//! Eight mails in a row share the list beside them, and a few hundred mails share a style, as in a real
//! leak; names, signatures and the disclaimer repeat throughout.

#![allow(clippy::print_stderr, reason = "a program for people")]

mod page;

use std::path::PathBuf;
use std::process::ExitCode;

use rayon::prelude::*;

/// Mails in one style.
const MAILS_PER_STYLE: u64 = 250;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let (Some(dir), Some(Ok(count))) = (
        args.next().map(PathBuf::from),
        args.next().map(|n| n.parse::<u64>()),
    ) else {
        eprintln!("usage: screens DIR COUNT [SEED]");
        return ExitCode::from(2);
    };
    let seed = args
        .next()
        .and_then(|seed| seed.parse::<u64>().ok())
        .unwrap_or(1);
    if let Err(error) = std::fs::create_dir_all(&dir) {
        eprintln!("{}: {error}", dir.display());
        return ExitCode::from(2);
    }
    let failed: Vec<String> = (0..count)
        .into_par_iter()
        .filter_map(|i| {
            let style = page::Style::new(
                seed.wrapping_mul(1_000_003)
                    .wrapping_add(i / MAILS_PER_STYLE),
            );
            let picture = page::mail(&style, (seed << 32) | i);
            let path = dir.join(format!("mail{i:06}.png"));
            picture
                .save(&path)
                .err()
                .map(|error| format!("{}: {error}", path.display()))
        })
        .collect();
    for line in &failed {
        eprintln!("{line}");
    }
    ExitCode::from(if failed.is_empty() { 0 } else { 2 })
}
