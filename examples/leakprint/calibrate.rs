//! `calibrate`: how often unrelated uploads match.

use std::io;
use std::path::{Path, PathBuf};

use leakprint::calibration::Tail;
use leakprint::matcher::{Calibrator, Observation};
use leakprint::{Executor, MatchOptions};
use serde::Serialize;

use crate::collection::writer;
use crate::input::Sources;
use crate::interrupt::on_interrupt;
use crate::output::{Errors, json_pretty, note, printable, progress};
use crate::target::Target;
use crate::writable::{Writes, check_writable};
use crate::{CalibrateArgs, Failure};

/// Uploads below which the error of every rate is larger than the rate.
const FEW: u64 = 300;

/// Copies that are named.
const MOST_NAMED: u64 = 10;

#[derive(Serialize)]
struct Calibrated<'a> {
    index: &'a Path,
    /// Uploads of the sample.
    uploads: u64,
    /// Of these and of those that were left out, how many look like copies of items.
    copies: u64,
    /// How many were left out because their content is identical.
    left_out: u64,
    failed: u64,
    tails: &'a [Tail],
}

pub(crate) fn run(args: &CalibrateArgs) -> Result<(), Failure> {
    if args.background.is_empty() && args.jsonl.is_empty() {
        return Err(
            "no sample of traffic: name files or folders with --background, or --jsonl FILE".into(),
        );
    }
    let is_collection = args.index.is_dir();
    if !is_collection {
        check_writable("index", &args.index, Writes::ByRename)?;
    }
    let sources = Sources::existing("--background", &args.background, &args.base)?;
    let texts = Sources::new(&[], &args.base, &args.jsonl)?;
    let exec = Executor::with_threads(args.threads)?;
    // At once, and not after the work, if another process writes.
    let key = args.key.as_deref();
    let writer = is_collection
        .then(|| writer(&args.index, key, None))
        .transpose()?;
    let options = MatchOptions::default();
    let target = Target::open(&args.index, key, options, Some(&exec))?;
    let matcher = target.matcher.clone().with_limits(args.limits.read()?);
    let mut errors = {
        let mut used = vec![args.index.as_path()];
        let read = args.background.iter().chain(&args.jsonl).chain(&args.key);
        used.extend(read.map(PathBuf::as_path));
        Errors::new(args.errors.as_ref(), &used)?
    };
    on_interrupt("nothing was changed".to_owned())?;
    let mut calibrator = Calibrator::new(&matcher);
    let shared = calibrator.clone();
    let mut left_out = 0;
    let written: Vec<&Path> = args.errors.as_deref().into_iter().collect();
    for sources in [sources.without(&written), texts] {
        let bar = progress("calibrating", &sources);
        exec.map_stream(
            sources.inputs(),
            8 * exec.threads(),
            |input| {
                input.read(matcher.query_fingerprinter(), |print, _| {
                    Ok((shared.observe(&print)?, print.warnings))
                })
            },
            |read| -> Result<(), Failure> {
                bar.inc(1);
                match &read.result {
                    Ok((observation, warnings)) => {
                        calibrator.add(observation);
                        left_out += u64::from(observation.identical);
                        bar.suspend(|| tell_copy(calibrator.copies(), &read.name, observation));
                        let mut warnings = warnings.iter();
                        warnings.try_for_each(|w| bar.suspend(|| errors.warning(&read.name, w)))
                    }
                    Err(e) => bar.suspend(|| errors.failed(&read.name, e)),
                }
            },
        )?;
        bar.finish_and_clear();
    }
    let (uploads, copies) = (calibrator.uploads(), calibrator.copies());
    if uploads == 0 {
        return Err("no upload could be used, nothing was changed".into());
    }
    if uploads < FEW {
        note(&format!(
            "leakprint: {uploads} uploads say little about rare events: a thousand and more are better"
        ));
    }
    if copies > 0 {
        note(&format!(
            "leakprint: {copies} of the sample look like copies of items; {left_out} with identical \
             content were left out. Take leaked content out of the sample: it counts as chance"
        ));
    }
    let calibration = calibrator.finish();
    let line = Calibrated {
        index: &args.index,
        uploads,
        copies,
        left_out,
        failed: errors.failed,
        tails: calibration.tails(),
    };
    match (writer, target.source.index()) {
        (Some(writer), _) => writer
            .set_calibration(Some(calibration.clone()))
            .map(drop)?,
        (None, Some(index)) => index.save_calibrated(&args.index, Some(&calibration))?,
        (None, None) => return Err("neither an index nor a collection".into()),
    }
    json_pretty(&mut io::stdout(), &line)?;
    errors.finish()
}

/// Names an upload that looks like a copy; only the first ones.
fn tell_copy(copies: u64, name: &str, observation: &Observation) {
    if let Some(item) = &observation.copy_of
        && copies <= MOST_NAMED
    {
        let (name, item) = (printable(name), printable(item));
        note(&format!("leakprint: {name}: looks like a copy of {item}"));
    }
}
