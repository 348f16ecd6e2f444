//! `hash`: the hashes of files that other programs can compare.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use leakprint::lines::ErrorLine;
use leakprint::{Code256, Digest, Fingerprinter};
use serde::Serialize;

use crate::input::Sources;
use crate::output::json_line;
use crate::{Failure, HashArgs};

#[derive(Serialize)]
struct Line<'a> {
    path: &'a str,
    blake3: Option<Digest>,
    pixels: Option<Digest>,
    width: Option<u32>,
    height: Option<u32>,
    pdq: Option<Code256>,
    pdq_quality: Option<u8>,
    pdq_nn512: Option<Code256>,
    gradient: Option<Code256>,
    error: Option<ErrorLine>,
}

pub(crate) fn run(args: &HashArgs) -> Result<(), Failure> {
    let limits = args.limits.read()?;
    let fingerprinter = Fingerprinter::builder().limits(limits).build()?;
    let mut out = BufWriter::new(io::stdout().lock());
    let sources = Sources::new(&args.paths, Path::new("."), &[])?;
    for input in sources.inputs() {
        let read = input.read(&fingerprinter, |print, _| Ok(print));
        let result = &read.result;
        let root = result.as_ref().ok().and_then(|print| print.parts.first());
        let raster = root.and_then(|part| part.raster.as_ref());
        let line = Line {
            path: &read.name,
            blake3: root.and_then(|part| part.bytes).or(read.undecoded),
            pixels: raster.and_then(|r| r.pixels),
            width: raster.map(|r| r.width),
            height: raster.map(|r| r.height),
            pdq: raster.map(|r| r.exchange_pdq().code),
            pdq_quality: raster.map(|r| r.exchange_pdq().quality),
            pdq_nn512: raster.map(|r| r.pdq_nn512),
            gradient: raster.map(|r| r.gradient.upright[0]),
            error: result.as_ref().err().map(ErrorLine::from),
        };
        json_line(&mut out, &line)?;
    }
    out.flush()?;
    Ok(())
}
