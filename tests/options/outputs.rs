//! Outputs: refused before the work starts if they cannot be written, and kept after a failure.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{done, folder, outcome, programs::program, refused, text, write};

/// Paths that no output can have, and their error messages.
const IMPOSSIBLE: [(&str, &str); 5] = [
    ("missing/out", "no folder missing"),
    ("missing/deep/out", "no folder missing/deep"),
    ("posts", "is a folder"),
    ("out/", "names a folder"),
    ("leak/memo.txt/out", "leak/memo.txt"),
];

#[test]
fn an_impossible_output_is_refused_before_the_work() {
    let folder = folder();
    let folder = folder.path();
    // A program that started the work would report these instead.
    write(folder, "broken.lpx", "no index");
    write(folder, "broken.png", b"\x89PNG\r\n\x1a\nbroken");
    for (path, words) in IMPOSSIBLE {
        for (command, option) in [
            (&["index", "broken.png"][..], "-o"),
            (&["index", "broken.png", "-o", "x.lpx"], "--errors"),
            (&["match", "broken.lpx", "posts"], "-o"),
            (&["match", "broken.lpx", "posts"], "--errors"),
            (
                &["explain", "broken.lpx", "leak/memo.txt", "posts/a.txt"],
                "--draw",
            ),
            (
                &[
                    "search-codes",
                    "--codes",
                    "broken.lpx",
                    "--queries",
                    "broken.lpx",
                    "--radius",
                    "1",
                ],
                "--save",
            ),
        ] {
            let message = refused(folder, &[command, &[option, path]].concat());
            assert!(
                message.starts_with(&format!("leakprint: {option} {path}: ")),
                "{message}"
            );
            assert!(message.contains(words), "{message}");
            assert_eq!(message.lines().count(), 1, "{message}");
        }
    }
    assert!(!folder.join("x.lpx").exists() && !folder.join("missing").exists());
    let names = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let left = names.filter(|name| name.to_string_lossy().starts_with('.'));
    assert_eq!(left.count(), 0, "no trace of the check");
}

/// A device would be replaced by a regular file, and a file system may be read-only.
#[cfg(target_os = "linux")]
#[test]
fn devices_and_file_systems_that_take_no_file() {
    let folder = folder();
    let folder = folder.path();
    let message = refused(folder, &["index", "leak", "-o", "/dev/null"]);
    assert!(message.contains("no regular file"), "{message}");
    for arguments in [
        &["index", "leak", "-o", "/proc/leakprint"][..],
        &["match", "leak.lpx", "posts", "-o", "/proc/leakprint"],
        &["match", "leak.lpx", "posts", "--errors", "/proc/leakprint"],
    ] {
        assert!(refused(folder, arguments).contains("cannot write in /proc"));
    }
    // An output that is only appended to may be a device.
    done(folder, &["match", "leak.lpx", "posts", "-o", "/dev/null"]);
    assert!(
        done(folder, &["match", "leak.lpx", "posts", "-o", "/dev/stdout"]).contains("posts/a.txt")
    );
    let (code, _, err) = outcome(folder, &["match", "leak.lpx", "posts", "-o", "/dev/full"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("/dev/full: cannot write"), "{err}");
}

#[test]
fn an_existing_file_is_not_emptied_by_a_failure() {
    let folder = folder();
    let folder = folder.path();
    fs::create_dir(folder.join("void")).unwrap();
    write(folder, "broken.lpx", "no index");
    write(folder, "old", "precious");
    for arguments in [
        &["match", "leak.lpx", "void", "-o", "old"][..],
        &[
            "match", "leak.lpx", "posts", "--jsonl", "missing", "-o", "old",
        ],
        &["match", "broken.lpx", "posts", "-o", "old"],
        &[
            "match", "leak.lpx", "posts", "-o", "old", "--limits", "missing",
        ],
        &[
            "match",
            "leak.lpx",
            "posts",
            "-o",
            "old",
            "--errors",
            "missing/e",
        ],
        &["match", "leak.lpx", "void", "--errors", "old"],
        &["index", "missing", "-o", "old"],
        &["index", "leak", "-o", "old", "--errors", "missing/e"],
        &[
            "index", "leak", "-o", "x.lpx", "--jsonl", "missing", "--errors", "old",
        ],
        &["add", "leak", "posts", "--errors", "old"],
    ] {
        refused(folder, arguments);
        assert_eq!(
            fs::read(folder.join("old")).unwrap(),
            b"precious",
            "{arguments:?}"
        );
    }
    // Without a failure they are replaced completely, also by shorter ones.
    write(folder, "old", "precious\n".repeat(1000));
    let answers = done(folder, &["match", "leak.lpx", "posts/a.txt"]);
    done(
        folder,
        &[
            "match",
            "leak.lpx",
            "posts/a.txt",
            "-o",
            "old",
            "--errors",
            "old-errors",
        ],
    );
    assert_eq!(fs::read_to_string(folder.join("old")).unwrap(), answers);
    assert_eq!(fs::read(folder.join("old-errors")).unwrap(), b"");
}

fn feed(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut feed = Command::new(program("feed"));
    let output = feed.current_dir(folder).args(arguments).output().unwrap();
    (output.status.code(), text(&output.stderr))
}

#[test]
fn feed_checks_its_outputs_first_and_keeps_existing_ones() {
    let folder = folder();
    let folder = folder.path();
    write(folder, "broken.lpx", "no index");
    write(
        folder,
        "posts.jsonl",
        "{\"id\":\"1\",\"account\":\"a\",\"text\":\"hello\"}\n",
    );
    for (path, words) in [
        ("missing/out", "no folder missing"),
        ("posts", "is a folder"),
        ("leak/memo.txt/out", "leak/memo.txt is no folder"),
    ] {
        for option in ["-o", "--report", "--accounts"] {
            let mut arguments = vec!["broken.lpx", "posts.jsonl", option, path];
            if option != "-o" {
                arguments.extend(["-o", "m.jsonl"]);
            }
            let (code, message) = feed(folder, &arguments);
            assert_eq!(code, Some(2));
            assert!(
                message.starts_with(&format!("feed: {option} {path}: ")),
                "{message}"
            );
            assert!(message.contains(words), "{message}");
        }
    }
    for name in ["m.jsonl", "r.html", "a.jsonl"] {
        write(folder, name, "precious");
    }
    let outputs = [
        "-o",
        "m.jsonl",
        "--report",
        "r.html",
        "--accounts",
        "a.jsonl",
    ];
    for arguments in [
        &["broken.lpx", "posts.jsonl"][..],
        &["leak.lpx", "missing.jsonl"],
        &["leak.lpx", "posts.jsonl", "--resume"],
    ] {
        let (code, message) = feed(folder, &[arguments, &outputs].concat());
        assert_eq!(code, Some(2), "{message}");
        for name in ["m.jsonl", "r.html", "a.jsonl"] {
            assert_eq!(
                fs::read(folder.join(name)).unwrap(),
                b"precious",
                "{arguments:?}"
            );
        }
    }
    let (code, message) = feed(
        folder,
        &[&["leak.lpx", "posts.jsonl"][..], &outputs].concat(),
    );
    assert_eq!(code, Some(0), "{message}");
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    assert!(read("m.jsonl").starts_with("{\"post\":\"1\"") && read("r.html").contains("<html"));
    assert_eq!(read("a.jsonl"), "");
    let names = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    assert!(
        !names
            .into_iter()
            .any(|name| name.to_string_lossy().ends_with(".tmp"))
    );

    write(folder, "key", [7; 32]);
    done(folder, &["index", "leak", "-o", "k.lpx", "--key", "key"]);
    let (code, message) = feed(folder, &["k.lpx", "posts.jsonl", "-o", "m.jsonl"]);
    assert_eq!(code, Some(2));
    assert!(
        message.contains("k.lpx") && message.contains("`--key FILE`"),
        "{message}"
    );
}
