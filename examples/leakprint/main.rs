//! The command line: fingerprint a leak into an index, match files and posts against it.
//!
//! Nothing but JSON (or the table asked for) goes to standard output; progress
//! and what failed go to standard error.

mod advice;
mod answer;
mod answers;
mod args;
mod calibrate;
mod canvas;
mod collection;
mod draw;
mod exchange;
mod hash;
mod index;
mod input;
mod interrupt;
mod journal;
mod limits;
mod matching;
mod names;
mod output;
mod resume;
mod room;
mod search_codes;
mod settings;
mod sink;
mod stamp;
mod target;
mod values;
mod walk;
#[path = "../common/writable.rs"]
mod writable;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use leakprint::collection::Discount;

pub(crate) use args::*;

/// Why a command failed.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Prints the manual page, or writes one per command.
fn man(folder: Option<&Path>) -> Result<(), Failure> {
    let command = Cli::command();
    match folder {
        None => clap_mangen::Man::new(command).render(&mut io::stdout())?,
        Some(folder) => {
            std::fs::create_dir_all(folder)
                .and_then(|()| clap_mangen::generate_to(command, folder))
                .map_err(|e| format!("--out {}: cannot write: {e}", folder.display()))?;
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    output::set_quiet(cli.quiet);
    let result = match cli.command {
        Command::Index(args) => index::run(&args),
        Command::Match(args) => match matching::run(&args) {
            Ok(outcome) if args.exit_code => return ExitCode::from(outcome.exit_code()),
            result => result.map(drop),
        },
        Command::Hash(args) => hash::run(&args),
        Command::Info { index } => index::info(&index),
        Command::Verify { index } => index::verify(&index),
        Command::Calibrate(args) => calibrate::run(&args),
        Command::Explain(args) => matching::explain(&args),
        Command::Add(args) => collection::add(&args),
        Command::Remove {
            collection,
            names,
            ignore,
            background,
        } => {
            let kind = match (ignore, background) {
                (true, _) => Some(Discount::Ignore),
                (_, true) => Some(Discount::Background),
                _ => None,
            };
            collection::remove(&collection, &names, kind)
        }
        Command::List { collection } => collection::list(&collection),
        Command::Compact { collection } => collection::compact(&collection),
        Command::Repair { collection } => collection::run_repair(&collection),
        Command::MarkFalse(args) => collection::mark_false(&args),
        Command::Import(args) => exchange::import(&args),
        Command::Export(args) => exchange::export(&args),
        Command::SearchCodes(args) => search_codes::run(&args),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "leakprint", &mut script);
            io::stdout().write_all(&script).map_err(Failure::from)
        }
        Command::Man { out } => man(out.as_deref()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // A reader that has closed the pipe (`| head`) has what it wanted.
            if output::is_broken_pipe(failure.as_ref()) {
                return ExitCode::SUCCESS;
            }
            let message = match failure.downcast_ref() {
                Some(error) => advice::explained(error),
                None => failure.to_string(),
            };
            output::complain(&format!("leakprint: {message}"));
            ExitCode::from(2)
        }
    }
}
