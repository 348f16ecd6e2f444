//! `calibrate`: rates of unrelated uploads, kept in an index or a collection.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{MEMO, done, folder, outcome, parse, refused, write};

/// Ordinary posts, none of which has anything of the leak.
fn traffic(folder: &Path) {
    for number in 0..40 {
        let post =
            format!("post {number}: the bus was late again, so we walked {number} stops home");
        write(folder, &format!("traffic/{number}.txt"), post);
    }
    let lines = (0..300).map(|number| {
        format!("{{\"id\": \"{number}\", \"text\": \"new shoes, pair {number}\"}}\n")
    });
    write(folder, "traffic.jsonl", lines.collect::<String>());
}

fn calibrate<'a>(target: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let sample = ["--background", "traffic", "--jsonl", "traffic.jsonl"];
    [&["calibrate", target], &sample[..], more].concat()
}

fn info(folder: &Path, target: &str) -> Value {
    serde_json::from_str(&done(folder, &["info", target])).unwrap()
}

/// The expected number of the first match of a post.
fn expected(folder: &Path, target: &str, post: &str) -> f64 {
    let found = parse(&done(folder, &["match", target, post]));
    found[0]["matches"][0]["expected"].as_f64().unwrap()
}

#[test]
fn an_index_and_a_collection_keep_what_was_measured() {
    let folder = folder();
    let folder = folder.path();
    traffic(folder);
    write(folder, "quotes/long.txt", format!("look: {}", &MEMO[..200]));
    write(
        folder,
        "quotes/short.txt",
        format!("look: {}", &MEMO[..120]),
    );
    done(folder, &["add", "c", "leak"]);
    for target in ["leak.lpx", "c"] {
        assert_eq!(info(folder, target)["calibration"], "built-in");
        assert_eq!(info(folder, target)["calibrated"], Value::Null);
        let before = expected(folder, target, "quotes/long.txt");
        let out = done(folder, &calibrate(target, &[]));
        let out: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((&out["uploads"], &out["copies"]), (&json!(340), &json!(0)));
        assert_eq!(out["tails"][0]["uploads"], 340);

        let now = info(folder, target);
        assert_eq!(now["calibration"], "measured");
        assert_eq!(now["calibrated"]["growth"], 1.0);
        assert_eq!(now["calibrated"]["tails"], out["tails"]);
        done(folder, &["verify", target]);
        let long = expected(folder, target, "quotes/long.txt");
        assert!(long > 0.0 && long < expected(folder, target, "quotes/short.txt"));
        assert_ne!(long, before);
        assert_eq!(expected(folder, target, "leak/memo.txt"), 0.0);

        // A rate instead of a strength.
        let counts = |rate: &str| {
            let posts = [
                "quotes/long.txt",
                "quotes/short.txt",
                "--max-expected",
                rate,
            ];
            let found = parse(&done(folder, &[&["match", target], &posts[..]].concat()));
            found
                .iter()
                .map(|line| line["matches"].as_array().unwrap().len())
                .collect::<Vec<_>>()
        };
        let between = format!("{long}");
        assert_eq!((counts("1000000"), counts("0")), (vec![1, 1], vec![0, 0]));
        assert_eq!(counts(&between), [1, 0]);
    }
    // Two items more of the same kind.
    for name in ["x", "y"] {
        write(
            folder,
            &format!("more/{name}.txt"),
            format!("{name} {MEMO} {name}"),
        );
    }
    done(folder, &["add", "c", "more"]);
    assert_eq!(info(folder, "c")["calibrated"]["growth"], 3.0);
    done(folder, &["compact", "c"]);
    assert_eq!(info(folder, "c")["calibrated"]["growth"], 3.0);
    // A new index has none.
    done(folder, &["index", "leak", "-o", "leak.lpx"]);
    assert_eq!(info(folder, "leak.lpx")["calibration"], "built-in");
}

#[test]
fn copies_in_a_sample_are_named_and_identical_ones_left_out() {
    let folder = folder();
    let folder = folder.path();
    traffic(folder);
    let mut words: Vec<&str> = MEMO.split(' ').collect();
    words.reverse();
    let long = format!("{MEMO} {}", words.join(" "));
    write(folder, "leak/memo.txt", &long);
    done(folder, &["index", "leak", "-o", "leak.lpx"]);
    write(folder, "traffic/copy.txt", &long);
    write(folder, "traffic/quote.txt", format!("they say: {long}"));
    let (code, out, err) = outcome(folder, &calibrate("leak.lpx", &[]));
    assert_eq!(code, Some(0), "{err}");
    let out: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&out["copies"], &out["left_out"], &out["uploads"]),
        (&json!(2), &json!(1), &json!(341))
    );
    for name in ["traffic/copy.txt", "traffic/quote.txt"] {
        assert!(
            err.contains(&format!("{name}: looks like a copy of leak/memo.txt")),
            "{err}"
        );
    }
    let (_, _, quiet) = outcome(folder, &calibrate("leak.lpx", &["--quiet"]));
    assert_eq!(quiet, "");
}

#[test]
fn nothing_changes_if_a_sample_or_an_index_is_of_no_use() {
    let folder = folder();
    let folder = folder.path();
    traffic(folder);
    let before = fs::read(folder.join("leak.lpx")).unwrap();
    assert!(refused(folder, &["calibrate", "leak.lpx"]).contains("--background"));
    refused(
        folder,
        &["calibrate", "leak.lpx", "--background", "missing"],
    );
    refused(
        folder,
        &["calibrate", "leak.lpx", "--background", "posts/c.png"],
    );
    refused(folder, &["calibrate", "leak.lpx", "--background", "leak"]);
    refused(
        folder,
        &calibrate("leak.lpx", &["--errors", "traffic.jsonl"]),
    );
    assert_eq!(fs::read(folder.join("leak.lpx")).unwrap(), before);
    let mut damaged = before.clone();
    let at = damaged.len() / 2;
    damaged[at] ^= 1;
    write(folder, "leak.lpx", &damaged);
    refused(folder, &calibrate("leak.lpx", &[]));
    assert_eq!(fs::read(folder.join("leak.lpx")).unwrap(), damaged);
    for rate in ["-1", "NaN", "inf", "1e7", "x"] {
        let arguments = ["match", "leak.lpx", "posts", "--max-expected", rate];
        assert!(
            refused(folder, &arguments).contains("from 0 to 1000000"),
            "{rate}"
        );
    }
    let both = [
        "match",
        "leak.lpx",
        "posts",
        "--max-expected",
        "1",
        "--min",
        "possible",
    ];
    refused(folder, &both);
}
