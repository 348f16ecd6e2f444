//! The library alone, with the same queries on the same cores.

use std::time::{Duration, Instant};

use leakprint::{Executor, MatchOptions, Matcher, Result};

use crate::inputs::{Input, Inputs};

fn find(matcher: &Matcher, input: &Input) -> Result<Vec<String>> {
    let fingerprinter = matcher.query_fingerprinter();
    let print = match str::from_utf8(&input.bytes) {
        Ok(text) if input.is_text => fingerprinter.fingerprint_text(text)?,
        _ => fingerprinter.fingerprint(&input.bytes, Some("load"))?,
    };
    let matches = matcher.find(&print)?;
    Ok(matches.into_iter().map(|m| m.item).collect())
}

/// Measures queries per second, including fingerprinting, for a duration.
pub(crate) fn rate(
    collection: &leakprint::Collection,
    inputs: &Inputs,
    pictures_in_100: usize,
    exec: &Executor,
    time: Duration,
) -> Result<(f64, usize)> {
    collection.refresh()?;
    let matcher = collection.snapshot().matcher(MatchOptions::default())?;
    let started = Instant::now();
    let numbers = (0..).take_while(|_| started.elapsed() < time);
    let mut done = 0;
    exec.map_stream(
        numbers,
        32 * exec.threads(),
        // Queries that cannot be read count too.
        |n| find(&matcher, inputs.query(n, pictures_in_100)).is_ok(),
        |_| {
            done += 1;
            Ok::<(), leakprint::Error>(())
        },
    )?;
    Ok((done as f64 / started.elapsed().as_secs_f64(), done))
}

/// Removes the expectations that the library does not meet either; returns their number.
pub(crate) fn drop_missed(
    collection: &leakprint::Collection,
    inputs: &mut Inputs,
) -> Result<usize> {
    let matcher = collection.snapshot().matcher(MatchOptions::default())?;
    let mut missed = 0;
    for input in inputs.texts.iter_mut().chain(&mut inputs.pictures) {
        let Some(item) = &input.shows else { continue };
        if !find(&matcher, input)?.contains(item) {
            input.shows = None;
            missed += 1;
        }
    }
    Ok(missed)
}
