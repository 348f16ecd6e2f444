//! The options of the example program `leakprint`: exit codes, limits, `--quiet`, completions,
//! interrupts, and outputs that survive a failure.

mod calibrating;
mod interrupts;
mod limits;
mod outputs;
#[path = "../programs/mod.rs"]
mod programs;
mod unread;
mod values;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use programs::program;

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program("leakprint"));
    command.current_dir(folder).args(arguments);
    command.stdin(Stdio::null());
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Exit code, standard output and standard error.
fn outcome(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = run(folder, arguments);
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// Standard error of a run that must fail and print nothing.
fn refused(folder: &Path, arguments: &[&str]) -> String {
    let (code, out, err) = outcome(folder, arguments);
    assert_eq!((code, out.as_str()), (Some(2), ""), "{arguments:?}: {err}");
    assert!(!err.is_empty(), "{arguments:?}");
    err
}

/// Standard output of a run that must succeed.
fn done(folder: &Path, arguments: &[&str]) -> String {
    let (code, out, err) = outcome(folder, arguments);
    assert_eq!(code, Some(0), "{arguments:?}: {err}");
    out
}

fn parse(lines: &str) -> Vec<Value> {
    let lines = lines.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().unwrap()
}

const MEMO: &str = "The winter slate moves by six weeks, and Lighthouse opens in fourteen \
    territories with no press screening before the Wednesday, even though it tested at \
    seventy-one and the exhibitors were told forty-five days.";

fn write(folder: &Path, name: &str, content: impl AsRef<[u8]>) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// A leak and its index; a post that quotes it, one that does not, and a damaged one.
fn folder() -> tempfile::TempDir {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    write(folder, "leak/memo.txt", MEMO);
    write(folder, "posts/a.txt", format!("look at this: {MEMO}"));
    write(folder, "posts/b.txt", "new shoes day, best day");
    write(folder, "posts/c.png", b"\x89PNG\r\n\x1a\nbroken");
    done(folder, &["index", "leak", "-o", "leak.lpx"]);
    temporary
}

#[test]
fn exit_codes_distinguish_found_nothing_and_unread() {
    let folder = folder();
    let folder = folder.path();
    for (posts, code) in [
        (&["posts/a.txt"][..], 0),
        (&["posts/b.txt"], 1),
        (&["posts/b.txt", "posts/a.txt"], 0),
        // An unread file may contain anything.
        (&["posts/c.png"], 2),
        (&["posts/b.txt", "posts/c.png"], 2),
        (&["posts/c.png", "posts/a.txt"], 0),
        (&["missing"], 2),
    ] {
        let arguments = [&["match", "leak.lpx"], posts].concat();
        let (plain, lines, _) = outcome(folder, &arguments);
        assert_eq!(plain, Some(0), "{posts:?}");
        let with_code = [&arguments[..], &["--exit-code"]].concat();
        let (status, same, err) = outcome(folder, &with_code);
        assert_eq!((status, same), (Some(code), lines), "{posts:?}");
        assert_eq!(err.contains("could not be read"), code == 2, "{err}");
    }
    refused(folder, &["match", "leak.lpx", "posts", "--exit-cod"]);
    refused(folder, &["match", "nothing.lpx", "posts", "--exit-code"]);
    refused(folder, &[]);
    assert!(done(folder, &["--help"]).contains("130  interrupted"));
}

/// The subcommands that `--help` lists.
fn subcommands(folder: &Path) -> Vec<String> {
    let help = done(folder, &["--help"]);
    let list = help.split("Commands:\n").nth(1).unwrap();
    let list = list.split("\n\n").next().unwrap();
    let names = list
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    let names: Vec<String> = names.map(str::to_owned).collect();
    assert!(names.len() > 15 && names.contains(&"search-codes".to_owned()));
    names
}

#[test]
fn completions_and_manual_know_every_command() {
    let folder = folder();
    let folder = folder.path();
    let names = subcommands(folder);
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = done(folder, &["completions", shell]);
        for name in &names {
            assert!(script.contains(name.as_str()), "{shell} lacks {name}");
        }
        assert!(script.contains("exit-code") && script.contains("limits"));
    }
    assert!(refused(folder, &["completions", "dos"]).contains("bash"));

    let page = done(folder, &["man"]).replace('\\', "");
    for name in &names {
        assert!(page.contains(name.as_str()), "the page lacks {name}");
    }
    assert!(page.contains(".TH leakprint 1"));
    done(folder, &["man", "--out", "pages/man1"]);
    for name in names.iter().filter(|name| *name != "help") {
        let page = fs::read_to_string(folder.join(format!("pages/man1/leakprint-{name}.1")));
        assert!(page.unwrap().contains(".TH"), "{name}");
    }
    assert!(refused(folder, &["man", "--out", "leak.lpx"]).contains("--out leak.lpx"));
}

#[test]
fn quiet_silences_everything_but_failures() {
    let folder = folder();
    let folder = folder.path();
    write(folder, "key", [7; 32]);
    let index = [
        "index",
        "leak",
        "posts/c.png",
        "-o",
        "x.lpx",
        "--resume",
        "--key",
        "key",
    ];
    let (code, loud, err) = outcome(folder, &index);
    assert_eq!(code, Some(0));
    assert!(err.contains("posts/c.png: malformed") && err.contains("x.lpx.resume"));
    fs::remove_file(folder.join("x.lpx.resume")).unwrap();
    let (code, quiet, err) = outcome(folder, &[&index[..], &["--quiet"]].concat());
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let [loud, quiet] = [loud, quiet].map(|line| parse(&line).remove(0));
    assert_eq!(loud, quiet);
    // Also if it starts over under other settings.
    let (code, _, err) = outcome(folder, &[&index[..], &["-q", "--window", "9"]].concat());
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let err = refused(folder, &["-q", "match", "missing.lpx", "posts"]);
    assert!(err.starts_with("leakprint: missing.lpx"), "{err}");
    // In the table and in the JSON lines, warnings are part of the output.
    let table = ["match", "leak.lpx", "posts", "--format", "table", "--quiet"];
    assert!(done(folder, &table).contains("malformed"));
    done(
        folder,
        &["match", "leak.lpx", "posts", "-q", "--errors", "e.jsonl"],
    );
    assert!(
        fs::read_to_string(folder.join("e.jsonl"))
            .unwrap()
            .contains("posts/c.png")
    );
}

/// A user knows files and options, not library calls.
#[test]
fn errors_name_files_and_options() {
    let folder = folder();
    let folder = folder.path();
    write(folder, "key", [7; 32]);
    write(folder, "key2", [8; 32]);
    write(folder, "short", [7; 9]);
    done(folder, &["index", "leak", "-o", "k.lpx", "--key", "key"]);
    done(folder, &["add", "k", "leak", "--key", "key"]);
    done(folder, &["add", "c", "leak"]);
    write(folder, "hashes.csv", format!("{},100,x\n", "5a".repeat(32)));
    let import = ["import", "c", "hashes.csv", "--as", "pdq-csv"];
    done(folder, &import);
    for (arguments, words) in [
        (
            &["match", "k.lpx", "posts"][..],
            &["k.lpx", "`--key FILE`"][..],
        ),
        (&["match", "k", "posts"], &["k: ", "`--key FILE`"]),
        (&["add", "k", "posts"], &["k: ", "`--key FILE`"]),
        (
            &["explain", "k", "leak/memo.txt", "posts/a.txt"],
            &["k: ", "`--key FILE`"],
        ),
        (&["match", "k.lpx", "posts", "--key", "key2"], &["key2"]),
        (
            &["match", "k", "posts", "--key", "key2"],
            &["key2: ", "the key given"],
        ),
        (
            &["match", "k.lpx", "posts", "--key", "short"],
            &["short", "32 bytes"],
        ),
        (
            &["match", "c/manifest", "posts"],
            &["c/manifest", "no leakprint index"],
        ),
        (&["list", "k.lpx"], &["k.lpx", "folder"]),
        (&["list", "missing"], &["missing", "no such folder"]),
        (&["list", "leak"], &["leak", "is no collection"]),
        (&["compact", "missing"], &["missing", "`add` makes one"]),
        (&["add", "leak", "posts"], &["leak", "other files"]),
        (
            &["add", "c", "posts", "--window", "9"],
            &["--window 9", "c has 8"],
        ),
        (&["info", "missing"], &["missing"]),
        (
            &[&import[..], &["--pipeline", "nn512"]].concat(),
            &["c: ", "`--mix-pipelines`"],
        ),
        (
            &[
                "search-codes",
                "--open",
                "key",
                "--queries",
                "key",
                "--radius",
                "1",
            ],
            &["key: ", "no stored set of codes"],
        ),
        (
            &[
                "search-codes",
                "--open",
                "c",
                "--queries",
                "key",
                "--radius",
                "1",
            ],
            &["c: ", "folder"],
        ),
    ] {
        let message = refused(folder, arguments);
        assert_eq!(message.lines().count(), 1, "{message}");
        for word in words {
            assert!(message.contains(word), "{arguments:?}: {message}");
        }
        assert!(!message.contains("::"), "a call in {message}");
        assert!(!message.contains("with_"), "a call in {message}");
    }
}
