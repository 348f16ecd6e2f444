//! Ctrl-C: what is kept, and what is reported.

#![cfg(target_os = "linux")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use super::{MEMO, command, folder, parse, text, write};

/// More than the pipe and the reader's buffer hold: once it is written, the program has processed
/// everything before it.
const BLANK: usize = 1 << 19;

/// Matches lines of standard input, which a test leaves open.
const MATCH: [&str; 6] = [
    "match",
    "leak.lpx",
    "--jsonl",
    "/dev/stdin",
    "--threads",
    "1",
];

fn start(folder: &Path, arguments: &[&str]) -> (Child, ChildStdin) {
    let mut child = command(folder, arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let input = child.stdin.take().unwrap();
    (child, input)
}

/// Sends SIGINT to a program that waits for more input; returns its output.
fn interrupt(child: Child, input: ChildStdin) -> (String, String) {
    let sent = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
    let output = child.wait_with_output().unwrap();
    // Standard input stays open until now, so the signal ends the program, not the end of its input.
    drop(input);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(130), "{err}");
    assert!(err.starts_with("\nleakprint: interrupted: "), "{err:?}");
    assert_eq!(err.lines().count(), 2, "{err:?}");
    (out, err)
}

fn line(id: &str, text: &str) -> String {
    serde_json::json!({"id": id, "text": text}).to_string()
}

/// Two posts, followed by enough blank lines that both have been processed.
fn feed(input: &mut ChildStdin) {
    writeln!(input, "{}\n{}", line("one", MEMO), line("two", "hello")).unwrap();
    input.write_all(&vec![b'\n'; BLANK]).unwrap();
}

#[test]
fn answers_that_were_found_are_written() {
    let folder = folder();
    let folder = folder.path();
    // With a file, output is buffered; line by line, each answer would be printed at once.
    let (child, mut input) = start(folder, &MATCH);
    feed(&mut input);
    let (out, err) = interrupt(child, input);
    let found = parse(&out);
    assert_eq!(found.len(), 2, "whole lines, and all of them");
    assert_eq!(found[0]["matches"][0]["item"], "leak/memo.txt");
    assert!(err.contains("printed"), "{err}");

    write(folder, "out.jsonl", "old\n".repeat(1000));
    let (child, mut input) = start(folder, &[&MATCH[..], &["-o", "out.jsonl"]].concat());
    feed(&mut input);
    let (nothing, err) = interrupt(child, input);
    assert_eq!(nothing, "");
    assert_eq!(fs::read_to_string(folder.join("out.jsonl")).unwrap(), out);
    assert!(err.contains("out.jsonl"), "{err}");

    // Nothing was answered yet, so the existing output is kept.
    write(folder, "out.jsonl", "old");
    let (child, mut input) = start(folder, &[&MATCH[..], &["-o", "out.jsonl"]].concat());
    input.write_all(&vec![b'\n'; BLANK]).unwrap();
    interrupt(child, input);
    assert_eq!(fs::read(folder.join("out.jsonl")).unwrap(), b"old");
}

#[test]
fn a_run_with_resume_continues() {
    let folder = folder();
    let folder = folder.path();
    let arguments = [&MATCH[..], &["-o", "out.jsonl", "--resume"]].concat();
    let (child, mut input) = start(folder, &arguments);
    feed(&mut input);
    let (_, err) = interrupt(child, input);
    assert!(
        err.contains("the same command continues") && err.contains("out.jsonl"),
        "{err}"
    );

    let (child, mut input) = start(folder, &arguments);
    feed(&mut input);
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stderr).contains("2 unchanged, 2 of them by digest, 0 matched"));
    let found = fs::read_to_string(folder.join("out.jsonl")).unwrap();
    assert_eq!(parse(&found).len(), 2);
}

#[test]
fn no_half_index_is_left() {
    let folder = folder();
    let folder = folder.path();
    let old = fs::read(folder.join("leak.lpx")).unwrap();
    for (more, words) in [
        (&[][..], &["no index was written", "--resume"][..]),
        (
            &["--resume"],
            &[
                "no index was written",
                "leak.lpx.resume",
                "the same command continues",
            ],
        ),
    ] {
        let arguments = ["index", "--jsonl", "-", "-o", "leak.lpx", "--threads", "1"];
        let (child, mut input) = start(folder, &[&arguments[..], more].concat());
        feed(&mut input);
        let (out, err) = interrupt(child, input);
        assert_eq!(out, "");
        assert!(words.iter().all(|word| err.contains(word)), "{err}");
        assert_eq!(fs::read(folder.join("leak.lpx")).unwrap(), old);
    }
}

#[test]
fn items_whose_line_was_printed_are_kept() {
    let folder = folder();
    let folder = folder.path();
    let (mut child, mut input) = start(folder, &["add", "c", "--jsonl", "-", "--threads", "1"]);
    writeln!(input, "{}", line("one", MEMO)).unwrap();
    let mut printed = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut printed)
        .unwrap();
    assert_eq!(parse(&printed)[0]["status"], "added");
    let (_, err) = interrupt(child, input);
    assert!(err.contains("are in c"), "{err}");
    assert_eq!(parse(&super::done(folder, &["list", "c"])).len(), 1);
}
