//! `--limits FILE`.

use std::fs;

use leakprint::Limits;

use super::{MEMO, done, folder, outcome, parse, refused, write};

#[test]
fn limits_of_a_file_hold() {
    let folder = folder();
    let folder = folder.path();
    write(folder, "tight.json", r#"{"input_bytes": 100}"#);
    let limited = ["posts", "--limits", "tight.json"];
    let lines = parse(&done(
        folder,
        &[&["match", "leak.lpx"][..], &limited].concat(),
    ));
    assert_eq!(lines[0]["error"]["kind"], "limit");
    assert_eq!(
        lines[0]["error"]["message"],
        format!("limit input_bytes = 100 exceeded: {}", MEMO.len() + 14)
    );
    // Missing fields have their defaults.
    assert!(lines[1]["error"].is_null());
    assert_eq!(
        parse(&done(folder, &[&["hash"][..], &limited].concat()))[0]["error"]["kind"],
        "limit"
    );

    // The message for people names the option.
    let table = [&["match", "leak.lpx", "--format", "table"][..], &limited].concat();
    assert!(done(folder, &table).contains("(`--limits FILE` can raise input_bytes)"));
    let (_, _, err) = outcome(folder, &[&["index", "-o", "x.lpx"][..], &limited].concat());
    assert!(
        err.contains("posts/a.txt: limit: ") && err.contains("`--limits FILE`"),
        "{err}"
    );
    let explain = [
        "explain",
        "leak.lpx",
        "leak/memo.txt",
        "posts/a.txt",
        "--limits",
        "tight.json",
    ];
    let err = refused(folder, &explain);
    assert!(
        err.contains("posts/a.txt") && err.contains("`--limits FILE`"),
        "{err}"
    );
    let added = parse(&done(folder, &[&["add", "c"][..], &limited].concat()));
    assert_eq!(added[0]["error"]["kind"], "limit");

    write(folder, "none.json", "{}");
    let free = ["match", "leak.lpx", "posts"];
    let with = [&free[..], &["--limits", "none.json"]].concat();
    assert_eq!(done(folder, &free), done(folder, &with));
}

#[test]
fn a_file_of_limits_that_says_something_else_is_refused() {
    let folder = folder();
    let folder = folder.path();
    for (content, words) in [
        (r#"{"pixel": 5}"#, &["pixel", "pixels", "time_ms"][..]),
        (r#"{"pixels": -1}"#, &["pixels", "-1"]),
        (r#"{"pixels": 1.5}"#, &["pixels", "1.5"]),
        (r#"{"pixels": "many"}"#, &["pixels", "many"]),
        (r#"{"pixels": null}"#, &["pixels", "null"]),
        (r#"{"side": 4294967296}"#, &["4294967296"]),
        (r#"{"pixels": 18446744073709551616}"#, &["pixels"]),
        (r#"{"parts": 3, "parts": 4}"#, &["parts"]),
        (r#"{"time_ms": 0}"#, &["time_ms", "0"]),
        (r#"{"input_bytes": 0}"#, &["input_bytes", "0"]),
        (r#"{"decoded_bytes": 0}"#, &["decoded_bytes", "0"]),
        (r#"{"parts": 0}"#, &["parts", "0"]),
        ("[5]", &["JSON object"]),
        ("", &["JSON object"]),
        ("pixels = 5", &["JSON object"]),
    ] {
        write(folder, "l.json", content);
        for command in [&["match", "leak.lpx", "posts"][..], &["hash", "posts"]] {
            let message = refused(folder, &[command, &["--limits", "l.json"]].concat());
            assert!(message.contains("--limits l.json"), "{message}");
            for word in words {
                assert!(message.contains(word), "{content}: {message}");
            }
        }
    }
    for file in ["missing.json", "leak"] {
        let message = refused(folder, &["hash", "posts", "--limits", file]);
        assert!(
            message.contains(&format!("--limits {file}: cannot read")),
            "{message}"
        );
    }
    // Nothing is written if the limits cannot be read.
    fs::remove_file(folder.join("leak.lpx")).unwrap();
    refused(
        folder,
        &["index", "leak", "-o", "leak.lpx", "--limits", "l.json"],
    );
    refused(folder, &["add", "new", "leak", "--limits", "l.json"]);
    assert!(!folder.join("leak.lpx").exists() && !folder.join("new").exists());
}

/// The largest numbers mean no limit.
#[test]
fn the_largest_limits_are_no_limits() {
    let folder = folder();
    let folder = folder.path();
    let serde_json::Value::Object(mut limits) = serde_json::to_value(Limits::default()).unwrap()
    else {
        panic!("not an object")
    };
    for (name, value) in &mut limits {
        let is_narrow =
            ["side", "parts", "frames", "depth", "archive_ratio"].contains(&name.as_str());
        *value = if is_narrow {
            u32::MAX.into()
        } else {
            u64::MAX.into()
        };
    }
    write(folder, "all.json", serde_json::to_string(&limits).unwrap());
    let free = ["match", "leak.lpx", "posts"];
    let with = [&free[..], &["--limits", "all.json"]].concat();
    assert_eq!(done(folder, &free), done(folder, &with));
}

#[test]
fn the_help_lists_every_limit_with_its_default() {
    let folder = folder();
    let defaults = serde_json::to_value(Limits::default()).unwrap();
    for command in ["index", "match", "add", "hash", "explain"] {
        let help = done(folder.path(), &[command, "--help"]);
        for (name, value) in defaults.as_object().unwrap() {
            let line = help
                .lines()
                .find(|line| line.trim_start().starts_with(name.as_str()));
            let line = line.unwrap_or_else(|| panic!("{command} lacks {name}"));
            assert!(line.contains(&value.to_string()), "{line}");
        }
    }
}
