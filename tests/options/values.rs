//! Invalid times and numbers are refused with the name of the option.

use std::process::Command;

use super::{done, folder, parse, programs::program, refused, text};

#[test]
fn a_time_in_the_past_is_refused() {
    let folder = folder();
    let folder = folder.path();
    for time in [
        "1970-01-01",
        "2020-05-17T08:00:00Z",
        "0000-01-01",
        "2020-01-01T00:00:00+05:00",
    ] {
        let message = refused(folder, &["add", "c", "leak", "--expires", time]);
        assert!(
            message.contains("--expires") && message.contains(time),
            "{message}"
        );
        assert!(
            message.contains("in the past, it is 2"),
            "what is now: {message}"
        );
        assert!(message.contains("leave the option out"), "{message}");
    }
    for time in [
        "tomorrow",
        "2026-02-30",
        "-1",
        "99999999999",
        "10000-01-01",
        "2999-01-01T25:00:00Z",
    ] {
        let message = refused(folder, &["add", "c", "leak", &format!("--expires={time}")]);
        assert!(
            message.contains("2026-03-01T12:00:00Z"),
            "how to write it: {message}"
        );
    }
    assert!(!folder.join("c").exists(), "nothing was made");
    done(
        folder,
        &["add", "c", "leak", "--expires", "9999-12-31T23:59:59Z"],
    );
    let listed = parse(&done(folder, &["list", "c"]));
    assert_eq!(listed[0]["expires"], "9999-12-31T23:59:59Z");
}

#[test]
fn numbers_out_of_range_are_refused() {
    let folder = folder();
    let folder = folder.path();
    let codes = [
        "search-codes",
        "--codes",
        "leak.lpx",
        "--queries",
        "leak.lpx",
    ];
    let radius = [&codes[..], &["--radius", "1"]].concat();
    for (command, option, values) in [
        (
            &["index", "leak", "-o", "x.lpx"][..],
            "--window",
            &["0", "65", "-1", "8.5", "4294967304"][..],
        ),
        (&["add", "c", "leak"], "--window", &["0", "65", "-1"]),
        (
            &["index", "leak", "-o", "x.lpx"],
            "--threads",
            &["-1", "1025", "18446744073709551616", "two"],
        ),
        (
            &["match", "leak.lpx", "posts"],
            "--threads",
            &["-1", "1025"],
        ),
        (&["add", "c", "leak"], "--threads", &["-1", "1025"]),
        (&codes, "--radius", &["-1", "257", "4294967296"]),
        (&radius, "--repeats", &["-1", "0", "1000001"]),
        (&radius, "--threads", &["-1", "1025"]),
        (&["match", "leak.lpx", "posts"], "--min", &["0.7", "weak"]),
    ] {
        for value in values {
            for given in [&[option, *value][..], &[&format!("{option}={value}")]] {
                let message = refused(folder, &[command, given].concat());
                assert!(
                    message.contains(option) && message.contains(*value),
                    "{message}"
                );
            }
        }
    }
    assert!(!folder.join("x.lpx").exists() && !folder.join("c").exists());
    // `feed` has such options too.
    for threads in ["-1", "1025"] {
        let output = Command::new(program("feed"))
            .current_dir(folder)
            .args([
                "leak.lpx",
                "posts.jsonl",
                "-o",
                "m.jsonl",
                "--threads",
                threads,
            ])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains("--threads"));
    }
}
