//! The contract of the example program `feed`: lines in order, accounts, resuming, and a report that posts
//! cannot inject HTML into.

mod programs;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use leakprint::{Executor, Fingerprinter, IndexWriter, Key};
use serde_json::{Value, json};

use programs::program;

const SLATE: &str = "The winter slate moves by six weeks, and Lighthouse opens in fourteen \
    territories with no press screening before the Wednesday, even though it tested at seventy-one. \
    The trailer goes out with the second cut, and nobody outside of this list is to hear of the \
    reshoots in Lisbon before the insurers have signed.";

const MERGER: &str = "We value the northern stations at nineteen times earnings, which is what the \
    bank will defend in front of the board. If Halvorsen asks about the pension gap, the answer is \
    that it closes in eight years; the model with eleven years stays in the drawer until the vote \
    of the works council is over.";

/// Writes an index of both texts.
fn index(folder: &Path) {
    let fingerprinter = Fingerprinter::builder()
        .key(Key::from_bytes([5; 32]))
        .build()
        .unwrap();
    let key = Some(fingerprinter.key().clone());
    let mut writer = IndexWriter::new(fingerprinter.recipe().clone(), key).unwrap();
    for (name, text) in [("slate.txt", SLATE), ("merger.txt", MERGER)] {
        let print = fingerprinter.fingerprint(text.as_bytes(), None).unwrap();
        writer.add(name, &print).unwrap();
    }
    let bytes = writer.to_bytes(&Executor::serial()).unwrap();
    fs::write(folder.join("leak.lpx"), bytes).unwrap();
}

fn posts(folder: &Path) -> usize {
    let hostile = format!("<script>alert(1)</script> {}", &SLATE[..260]);
    fs::write(folder.join("merger-again.txt"), MERGER).unwrap();
    let posts = [
        json!({"id": "1", "account": "mole", "time": "2014-11-24T08:00:00Z", "text": hostile}),
        json!({"id": "2", "account": "mole", "time": "2014-11-24T09:00:00Z", "text": "and", "media": ["merger-again.txt"]}),
        json!({"id": "3", "account": "gazette", "time": "2014-11-24T09:30:00Z",
            "text": format!("They write: \"{}\"", &SLATE[..150])}),
        json!({"id": "4", "account": "anna", "time": "2014-11-24T09:40:00Z", "text": "snow in the north, they say, and the trains are late"}),
        json!({"id": "5", "account": "eve", "time": "2014-11-24T09:50:00Z", "media": ["../leak.lpx", "gone.png"]}),
    ];
    let mut lines: Vec<String> = posts.iter().map(Value::to_string).collect();
    lines.insert(3, "no post at all".to_owned());
    fs::write(folder.join("posts.jsonl"), lines.join("\n") + "\n").unwrap();
    lines.len()
}

fn feed(folder: &Path, more: &[&str]) -> Output {
    Command::new(program("feed"))
        .current_dir(folder)
        .args(["leak.lpx", "posts.jsonl", "-o", "matches.jsonl"])
        .args(["--report", "report.html", "--accounts", "accounts.jsonl"])
        .args(more)
        .output()
        .unwrap()
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect()
}

#[test]
fn posts_accounts_and_a_report() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    index(folder);
    let count = posts(folder);
    let output = feed(folder, &[]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );

    let found = lines(&folder.join("matches.jsonl"));
    assert_eq!(found.len(), count);
    let ids: Vec<&str> = found.iter().map(|l| l["post"].as_str().unwrap()).collect();
    assert_eq!(ids, ["1", "2", "3", "line 4", "4", "5"]);
    let items = |i: usize| -> Vec<&str> {
        let matches = found[i]["matches"].as_array().unwrap();
        matches
            .iter()
            .map(|m| m["item"].as_str().unwrap())
            .collect()
    };
    assert_eq!(items(0), ["slate.txt"]);
    assert_eq!(items(1), ["merger.txt"]);
    assert_eq!(items(2), ["slate.txt"]);
    assert!((3..6).all(|i| items(i).is_empty()));
    assert_eq!(found[0]["matches"][0]["evidence"][0]["in"], "text");
    assert_eq!(
        found[1]["matches"][0]["evidence"][0]["in"],
        "merger-again.txt"
    );
    assert_eq!(found[3]["error"]["kind"], "malformed");
    assert_eq!(
        found[5]["error"]["kind"], "invalid_input",
        "a path outside the base folder"
    );
    assert!(found[4]["error"].is_null());

    let accounts = lines(&folder.join("accounts.jsonl"));
    let verdicts: Vec<(&str, &str)> = accounts
        .iter()
        .map(|a| {
            (
                a["account"].as_str().unwrap(),
                a["verdict"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(verdicts, [("mole", "repeat"), ("gazette", "weak")]);
    assert_eq!(accounts[0]["items"], json!(["merger.txt", "slate.txt"]));

    let report = fs::read_to_string(folder.join("report.html")).unwrap();
    assert!(report.contains("&lt;script&gt;") && !report.contains("<script"));
    assert!(
        !report.contains("http://") && !report.contains("https://"),
        "the report works offline"
    );
}

#[test]
fn a_collection_gives_the_same_result_as_an_index_of_its_items() {
    use leakprint::collection::{CollectionWriter, NewItem, WriterOptions};
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    index(folder);
    posts(folder);
    // With the same key, because spans depend on it.
    fs::write(folder.join("key"), [5; 32]).unwrap();
    let written = ["matches.jsonl", "accounts.jsonl"];
    let run = |target: &str| {
        let output = Command::new(program("feed"))
            .current_dir(folder)
            .args([target, "posts.jsonl", "-o", "matches.jsonl"])
            .args(["--report", "report.html", "--accounts", "accounts.jsonl"])
            .args(["--key", "key"])
            .output()
            .unwrap();
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(
            output.status.code(),
            Some(if err.is_empty() { 0 } else { 2 }),
            "{err}"
        );
        (
            err,
            written.map(|name| fs::read_to_string(folder.join(name)).unwrap()),
        )
    };
    let (_, of_index) = run("leak.lpx");
    {
        let at = folder.join("leak");
        let mut options = WriterOptions::default();
        options.key = Some(Key::from_bytes([5; 32]));
        let writer = CollectionWriter::open(&at, options).unwrap();
        let fingerprinter = writer.collection().fingerprinter().unwrap().clone();
        for (name, text) in [
            ("slate.txt", SLATE),
            ("gone.txt", MERGER),
            ("merger.txt", MERGER),
        ] {
            let print = fingerprinter.fingerprint(text.as_bytes(), None).unwrap();
            writer.add(NewItem::new(name, print)).unwrap();
            // One in a segment, one in the log.
            if name == "slate.txt" {
                writer.flush().unwrap();
            }
        }
        writer.remove(&["gone.txt"]).unwrap();
    }
    let (err, of_collection) = run("leak");
    assert_eq!((err.as_str(), &of_collection), ("", &of_index));
    let report = fs::read_to_string(folder.join("report.html")).unwrap();
    assert!(report.contains("slate.txt"));

    let manifest = folder.join("leak/manifest");
    let mut bytes = fs::read(&manifest).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&manifest, bytes).unwrap();
    assert!(run("leak").0.contains("manifest"));
}

#[test]
fn an_interrupted_run_is_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    index(folder);
    posts(folder);
    assert!(feed(folder, &[]).status.success());
    let path = folder.join("matches.jsonl");
    let whole = fs::read(&path).unwrap();
    // Cut at the start, at the end of a line, and within a line.
    let second = whole.iter().position(|&b| b == b'\n').unwrap() + 1;
    for cut in [0, second, second + 20, whole.len() - 1, whole.len()] {
        fs::write(&path, &whole[..cut]).unwrap();
        assert!(feed(folder, &["--resume"]).status.success());
        assert_eq!(fs::read(&path).unwrap(), whole, "cut at {cut}");
    }
    // Other posts are refused, and nothing is lost.
    fs::write(folder.join("posts.jsonl"), "{\"id\": \"x\"}\n").unwrap();
    let output = feed(folder, &["--resume"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(fs::read(&path).unwrap(), whole);
}

#[test]
fn inputs_are_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    index(folder);
    posts(folder);
    let before = fs::read(folder.join("posts.jsonl")).unwrap();
    let output = Command::new(program("feed"))
        .current_dir(folder)
        .args(["leak.lpx", "posts.jsonl", "-o", "posts.jsonl"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(fs::read(folder.join("posts.jsonl")).unwrap(), before);
}
