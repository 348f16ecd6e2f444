//! `match` and `explain`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use leakprint::{Executor, Fingerprint, Match, MatchOptions, Matcher, Strength};
use serde::Serialize;

use crate::answer::{Answer, Found};
use crate::answers::{Answers, Outcome};
use crate::draw::{Drawings, Query};
use crate::input::{Input, Origin, Sources, read_file, recogniser};
use crate::interrupt::on_interrupt;
use crate::journal::Locked;
use crate::output::{Errors, check_apart, json_pretty, note, progress};
use crate::resume::{Otherwise, Resume, journal_path, kept, known_or};
use crate::settings::Settings;
use crate::target::Target;
use crate::writable::{Writes, check_writable, folder_of};
use crate::{ExplainArgs, Failure, Format, MatchArgs};

pub(crate) fn run(args: &MatchArgs) -> Result<Outcome, Failure> {
    let input = &args.input;
    if input.paths.is_empty() && input.jsonl.is_empty() {
        return Err("nothing to match: name files, folders or --jsonl FILE".into());
    }
    if args.resume && args.format != Format::Jsonl {
        return Err("--resume works with JSON lines, not with a table".into());
    }
    // Before the index is read, which may take long.
    let output = args.output.as_deref();
    let journal = output.filter(|_| args.resume).map(journal_path);
    if let Some(path) = output {
        check_writable("-o", path, Writes::InPlace)?;
    }
    let mut errors = {
        let mut used: Vec<&Path> = vec![&args.index];
        let read = input.paths.iter().chain(&input.jsonl).chain(&input.key);
        used.extend(read.map(PathBuf::as_path));
        for (option, path) in [("-o", output), ("--resume", journal.as_deref())] {
            let Some(path) = path else { continue };
            check_apart(option, path, &used)?;
            if same(folder_of(path), &args.index) {
                let message = "would be among the files of the collection";
                return Err(format!("{option} {}: {message}", path.display()).into());
            }
        }
        used.extend(output.into_iter().chain(journal.as_deref()));
        Errors::new(input.errors.as_ref(), &used)?
    };
    let exec = Executor::with_threads(input.threads)?;
    let options = MatchOptions::default()
        .with_min_strength(args.min)
        .with_max_expected(args.max_expected)
        .with_trust_hash_lists(args.trust_hash_lists);
    let verify = (!args.no_verify).then_some(&exec);
    let target = Target::open(&args.index, input.key.as_deref(), options, verify)?;
    let mut matcher = target.matcher.clone().with_limits(input.limits.read()?);
    if let Some(languages) = &args.recognise {
        matcher = matcher.with_recogniser(recogniser(languages)?);
    }

    let info = target.source.snapshot().map(|snapshot| snapshot.info());
    if let Some(info) = info
        && info.codes > 0
        && args.min > Strength::Possible
        && args.max_expected.is_none()
        && !args.trust_hash_lists
    {
        note(&format!(
            "leakprint: {} items are hashes of hash lists; those without a second print are not \
             reported: see --min possible and --trust-hash-lists",
            info.codes
        ));
    }

    let drawings = args
        .draw
        .as_deref()
        .map(|folder| Drawings::new(folder, &input.paths));
    let drawings = drawings.transpose()?;
    let sources = Sources::new(&input.paths, &input.base, &input.jsonl)?;
    on_interrupt(match (output, &journal) {
        (Some(path), Some(_)) => {
            let path = path.display();
            format!("completed work is kept; the same command continues and completes {path}")
        }
        (Some(path), None) => format!("the answers so far are in {}", path.display()),
        (None, _) => "the answers so far were printed".to_owned(),
    })?;
    let mut resume = match (output, &journal) {
        (Some(output), Some(path)) => Some(resumed(output, path, args, &target, &matcher)?),
        _ => None,
    };
    let mut out = match output.filter(|_| args.resume) {
        Some(output) => Answers::continued(output)?,
        None => Answers::new(output),
    };
    let mut written: Vec<&Path> = Vec::new();
    written.extend(input.errors.as_deref());
    written.extend(output);
    written.extend(journal.as_deref());
    written.extend(drawings.as_ref().map(Drawings::folder));
    let sources = sources.without(&written);
    // An interactive caller needs each answer at once.
    let interactive = input.jsonl.iter().any(|path| path == Path::new("-"));
    let bar = progress("matching", &sources);
    let mut outcome = Outcome::default();
    let (journal, mut keeper) = Resume::parts(resume.as_mut());
    let find = |input: Input| {
        let read = input.read(
            matcher.query_fingerprinter(),
            |print, Origin { name, bytes }| {
                let matches = matcher.find(&print)?;
                let drawing = drawings.as_ref().zip(bytes).and_then(|(drawings, bytes)| {
                    let query = query(&matcher, bytes, &print, &matches);
                    drawings.draw(name, &query).transpose()
                });
                Ok(Found {
                    matches,
                    warnings: print.warnings,
                    drawing,
                })
            },
        );
        Answer::new(read, args.format, drawings.is_some())
    };
    exec.map_stream(
        sources.inputs(),
        32 * exec.threads(),
        |input| known_or(journal, input, matcher.query_fingerprinter().limits(), find),
        |known| -> Result<(), Failure> {
            bar.inc(1);
            outcome.queries += 1;
            let answer = kept(&mut keeper, known, &bar, "matching")?;
            outcome.matched += u64::from(answer.matched);
            outcome.unread += u64::from(answer.error.is_some() || !answer.warnings.is_empty());
            // The answer itself does not say why there is no drawing.
            if let Some(e) = &answer.undrawn {
                bar.suspend(|| errors.undrawn(&answer.query, e))?;
            }
            // The answer has it too, so it is repeated only in the file of `--errors`.
            if errors.is_file() {
                if let Some(e) = &answer.error {
                    errors.failed(&answer.query, e)?;
                }
                let mut warnings = answer.warnings.iter();
                warnings.try_for_each(|w| errors.warning(&answer.query, w))?;
            }
            out.put(&answer.printed?)?;
            if interactive {
                out.flush()?;
            }
            Ok(())
        },
    )?;
    bar.finish_and_clear();
    // Before the output is truncated: a disk that is not mounted has no queries either.
    if outcome.queries == 0 {
        return Err("nothing to match: the given folders and files hold no query".into());
    }
    out.finish()?;
    if let Some(resume) = resume {
        resume.finish("matched")?;
    }
    errors.finish()?;
    Ok(outcome)
}

/// Opens the journal of an output, which must have been made with the same settings.
fn resumed(
    output: &Path,
    journal: &Path,
    args: &MatchArgs,
    target: &Target,
    matcher: &Matcher,
) -> Result<Resume, Failure> {
    let holds_something = |path: &Path| fs::metadata(path).is_ok_and(|file| file.len() > 0);
    // Answers without a journal are neither used nor overwritten.
    if holds_something(output) && !holds_something(journal) {
        return Err(format!(
            "{}: exists without {}, so it was not written with --resume: remove it, or give \
             another file with -o",
            output.display(),
            journal.display()
        )
        .into());
    }
    let settings = Settings::of_match(
        target,
        matcher,
        args.recognise.as_deref(),
        args.draw.is_some(),
    );
    let locked = Locked::open(journal)?;
    Resume::begin(journal, locked, &settings, &Otherwise::Refuse(output))
}

/// The input as a picture to be drawn.
fn query<'a>(
    matcher: &'a Matcher,
    bytes: &'a [u8],
    print: &Fingerprint,
    matches: &'a [Match],
) -> Query<'a> {
    let root = print
        .parts
        .first()
        .filter(|part| part.path.as_str().is_empty());
    let raster = root.and_then(|part| part.raster.as_ref());
    Query {
        bytes,
        size: raster.map(|raster| (raster.width, raster.height)),
        matches,
        matcher,
        limits: matcher.query_fingerprinter().limits(),
    }
}

/// Returns whether both are the same existing file.
fn same(a: &Path, b: &Path) -> bool {
    let place = |path: &Path| fs::canonicalize(path).ok();
    place(a).is_some_and(|a| Some(a) == place(b))
}

#[derive(Serialize)]
struct Explanation<'a> {
    item: &'a str,
    query: &'a Path,
    stages: Vec<leakprint::Stage>,
    score: f64,
    strength: Option<Strength>,
    reported: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    drawing: Option<Option<&'a Path>>,
}

pub(crate) fn explain(args: &ExplainArgs) -> Result<(), Failure> {
    let read = [&args.index, &args.file].into_iter().chain(&args.key);
    if let Some(path) = args
        .draw
        .iter()
        .find(|draw| read.clone().any(|read| same(read, draw)))
    {
        let message = "--draw would overwrite a file that this command uses";
        return Err(format!("{}: {message}", path.display()).into());
    }
    if let Some(path) = &args.draw {
        check_writable("--draw", path, Writes::ByRename)?;
    }
    let exec = Executor::with_threads(0)?;
    let options = MatchOptions::default();
    let target = Target::open(&args.index, args.key.as_deref(), options, Some(&exec))?;
    let matcher = target.matcher.with_limits(args.limits.read()?);
    let fingerprinter = matcher.query_fingerprinter();
    let bytes =
        read_file(&args.file, fingerprinter.limits()).map_err(|e| e.with_path(&args.file))?;
    let print = fingerprinter
        .fingerprint(&bytes, args.file.to_str())
        .map_err(|e| e.with_path(&args.file))?;
    let explained = matcher.explain(&args.item, &print)?;
    let drawing = match &args.draw {
        None => None,
        Some(path) => {
            let options = matcher.options().clone();
            let weak = matcher
                .clone()
                .with_options(options.with_min_strength(Strength::Possible));
            let mut matches = weak.find(&print)?;
            matches.retain(|one| one.item == args.item);
            let drawn = query(&matcher, &bytes, &print, &matches).draw(path)?;
            Some(drawn.then_some(path.as_path()))
        }
    };
    let line = Explanation {
        item: &args.item,
        query: &args.file,
        score: explained.score,
        strength: Strength::from_score(explained.score),
        reported: explained.score >= matcher.options().min_strength.min_score(),
        stages: explained.stages,
        drawing,
    };
    json_pretty(&mut io::stdout(), &line)?;
    Ok(())
}
