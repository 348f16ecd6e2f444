//! Collections by the example program `leakprint`: promises, kills, exchange, files of earlier versions.

mod programs;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use leakprint::collection::{CollectionWriter, WriterOptions};
use leakprint::{Collection, ErrorKind, Executor, MatchOptions};
use serde_json::{Value, json};

use programs::program;

fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(program("leakprint"));
    let command = command
        .current_dir(folder)
        .args(arguments)
        .stdin(Stdio::null());
    command.output().unwrap()
}

/// The JSON lines of a run that must succeed.
fn lines(folder: &Path, arguments: &[&str]) -> Vec<Value> {
    let output = run(folder, arguments);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {errors}");
    let lines = output
        .stdout
        .split(|&b| b == b'\n')
        .filter(|line| !line.is_empty());
    lines
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

/// The one line of a run that must fail.
fn refused(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

const MEMO: &str = "The winter slate moves by six weeks, and Lighthouse opens in fourteen \
    territories with no press screening before the Wednesday, even though it tested at \
    seventy-one and the exhibitors were told forty-five days.";

/// Pseudo-random sentences.
fn prose(seed: u64, words: usize) -> String {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33
    };
    let word = |n: u64| {
        let syllables = [
            "ba", "con", "de", "el", "for", "ga", "hin", "jo", "ka", "lor", "men", "ti",
        ];
        (0..3)
            .map(|i| syllables[(n >> (4 * i)) as usize % 12])
            .collect::<String>()
    };
    (0..words)
        .map(|_| word(next()))
        .collect::<Vec<_>>()
        .join(" ")
}

fn picture(seed: u32) -> image::RgbImage {
    image::RgbImage::from_fn(200, 150, |x, y| {
        let wave = |a: u32, b: u32| ((x * a + y * b + seed * 37) % 97 * 2) as u8;
        let block = (x / 23 * 7 + y / 19 * (seed + 3)).wrapping_mul(2_654_435_761) >> 25;
        image::Rgb([wave(1, 2), block as u8, wave(3, 1)])
    })
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let leak = folder.path().join("leak");
    fs::create_dir(&leak).unwrap();
    fs::write(leak.join("memo.txt"), MEMO).unwrap();
    fs::write(leak.join("other.txt"), prose(1, 80)).unwrap();
    fs::write(leak.join("empty.txt"), "").unwrap();
    picture(1).save(leak.join("photo.png")).unwrap();
    fs::write(folder.path().join("post.txt"), format!("OMG! {MEMO}")).unwrap();
    folder
}

#[test]
fn add_match_list_remove_compact_verify() {
    let folder = folder();
    let at = folder.path();
    let added = lines(
        at,
        &["add", "c", "leak", "--label", "mail", "--tag", "case=7"],
    );
    let status = |line: &Value| {
        let text = |key: &str| line[key].as_str().unwrap().to_owned();
        (text("item"), text("status"))
    };
    let expected = [
        ("leak/empty.txt", "error"),
        ("leak/memo.txt", "added"),
        ("leak/other.txt", "added"),
        ("leak/photo.png", "added"),
    ];
    let expected = expected.map(|(item, status)| (item.to_owned(), status.to_owned()));
    assert_eq!(added.iter().map(status).collect::<Vec<_>>(), expected);
    assert_eq!(added[0]["error"]["kind"], "empty");
    assert!(added[1]["generation"].as_u64() > Some(0) && added[1]["error"].is_null());

    for _ in 0..2 {
        let found = lines(at, &["match", "c", "post.txt", "leak/photo.png"]);
        assert_eq!(found[0]["matches"][0]["item"], "leak/memo.txt");
        assert_eq!(found[0]["matches"][0]["label"], "mail");
        assert_eq!(found[0]["matches"][0]["tags"]["case"], "7");
        assert_eq!(found[1]["matches"][0]["item"], "leak/photo.png");
        assert_eq!(lines(at, &["verify", "c"])[0]["sound"], true);
        assert!(lines(at, &["compact", "c"])[0]["items"] == 3);
    }
    let again = lines(
        at,
        &[
            "add",
            "c",
            "leak/memo.txt",
            "--label",
            "mail",
            "--tag",
            "case=7",
        ],
    );
    assert_eq!(again[0]["status"], "unchanged");
    let listed = lines(at, &["list", "c"]);
    assert_eq!(listed.len(), 3);
    assert_eq!(listed[0]["label"], "mail");
    assert!(listed[0]["added"].as_str().unwrap().ends_with('Z') && listed[0]["expires"].is_null());
    let removed = lines(at, &["remove", "c", "leak/memo.txt", "nothing"]);
    assert_eq!(removed[0]["status"], "removed");
    assert_eq!(removed[1]["status"], "absent");
    assert_eq!(
        lines(at, &["match", "c", "post.txt"])[0]["matches"],
        json!([])
    );
    let explained = run(at, &["explain", "c", "leak/other.txt", "leak/other.txt"]);
    assert!(
        String::from_utf8(explained.stdout)
            .unwrap()
            .contains("\"reported\": true")
    );
    assert_eq!(run(at, &["info", "c"]).status.code(), Some(0));

    // An item that had already expired when it was exported is imported.
    let expires = ["add", "c", "leak/memo.txt", "--expires", "2001-01-01"];
    assert!(refused(at, &expires).contains("in the past"));
    lines(at, &["add", "c", "leak/memo.txt"]);
    let mut exported = lines(at, &["export", "c", "--as", "fingerprints"]);
    exported.retain(|line| line["item"] == "leak/memo.txt");
    exported[0]["expires"] = "2001-01-01T00:00:00Z".into();
    fs::write(at.join("expired.jsonl"), exported[0].to_string()).unwrap();
    assert!(
        !lines(at, &["match", "c", "post.txt"])[0]["matches"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    lines(
        at,
        &["import", "c", "expired.jsonl", "--as", "fingerprints"],
    );
    assert_eq!(
        lines(at, &["match", "c", "post.txt"])[0]["matches"],
        json!([])
    );
    assert!(refused(at, &["add", "c", "leak", "--expires", "soon"]).contains("a time is written"));
    assert!(refused(at, &["remove", "no", "x"]).contains("no collection"));
    assert!(refused(at, &["add", "leak", "post.txt"]).contains("other files"));
    assert!(refused(at, &["list", "post.txt"]).contains("this is a file"));
}

#[test]
fn false_matches_are_kept_and_exchanged() {
    let folder = folder();
    let at = folder.path();
    lines(at, &["add", "c", "leak/memo.txt", "leak/other.txt"]);
    let mark = [
        "mark-false",
        "c",
        "leak/memo.txt",
        "--query",
        "post.txt",
        "--by",
        "ana",
        "--why",
        "public",
    ];
    assert_eq!(lines(at, &mark)[0]["status"], "marked");
    assert_eq!(
        lines(at, &["match", "c", "post.txt"])[0]["matches"],
        json!([])
    );
    let exported = run(at, &["export", "c", "--as", "false-matches"]).stdout;
    fs::write(at.join("false.jsonl"), &exported).unwrap();
    let mut undo = mark.to_vec();
    undo.push("--undo");
    lines(at, &undo);
    assert_eq!(
        lines(at, &["match", "c", "post.txt"])[0]["matches"][0]["item"],
        "leak/memo.txt"
    );
    lines(at, &["import", "c", "false.jsonl", "--as", "false-matches"]);
    assert_eq!(
        lines(at, &["match", "c", "post.txt"])[0]["matches"],
        json!([])
    );
    assert_eq!(
        run(at, &["export", "c", "--as", "false-matches"]).stdout,
        exported
    );

    // A name that is not there is reported, and kept for an item that is added later.
    let mark: Value = serde_json::from_slice(&exported).unwrap();
    let mut elsewhere = mark.clone();
    elsewhere["item"] = json!("leak/memo");
    let mut misspelt = mark.clone();
    misspelt["expire"] = json!("never");
    fs::write(at.join("more.jsonl"), format!("{elsewhere}\n{misspelt}\n")).unwrap();
    let done = run(at, &["import", "c", "more.jsonl", "--as", "false-matches"]);
    let said = String::from_utf8(done.stderr).unwrap();
    let report: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(
        (&report["added"], &report["broken"]),
        (&json!(1), &json!(1))
    );
    for expected in [
        r#"more.jsonl:1: warning: the collection has no item "leak/memo""#,
        "unknown field `expire`",
    ] {
        assert!(said.contains(expected), "{said}");
    }
    assert!(
        run(at, &["export", "c", "--as", "false-matches"])
            .stdout
            .len()
            > exported.len()
    );
}

#[test]
fn a_false_match_of_a_picture_is_about_the_picture_or_about_its_bytes() {
    let folder = folder();
    let at = folder.path();
    lines(at, &["add", "c", "leak/photo.png"]);
    // The same picture in other bytes.
    let photo = image::open(at.join("leak/photo.png")).unwrap();
    photo.save(at.join("copy.bmp")).unwrap();
    let is_found = || {
        let line = &lines(at, &["match", "c", "copy.bmp"])[0];
        !line["matches"].as_array().unwrap().is_empty()
    };
    let mark = |more: &[&str]| {
        let mark = [
            "mark-false",
            "c",
            "leak/photo.png",
            "--query",
            "leak/photo.png",
        ];
        lines(at, &[&mark[..], more].concat())[0]["status"].clone()
    };
    assert!(is_found());
    assert_eq!(mark(&[]), "marked");
    assert!(is_found(), "only the bytes are marked");
    assert_eq!(mark(&["--of", "picture"]), "marked");
    assert!(!is_found());
    assert_eq!(mark(&["--of", "picture", "--undo"]), "unmarked");
    assert!(is_found());
    let text = [
        "mark-false",
        "c",
        "leak/photo.png",
        "--query",
        "post.txt",
        "--of",
        "picture",
    ];
    assert!(refused(at, &text).contains("post.txt: --of picture: this is none"));
}

#[test]
fn lists_and_fingerprints_are_exchanged() {
    let folder = folder();
    let at = folder.path();
    fs::write(at.join("key"), [9; 32]).unwrap();
    lines(
        at,
        &[
            "add",
            "a",
            "leak/memo.txt",
            "leak/photo.png",
            "--key",
            "key",
            "--label",
            "x",
        ],
    );
    let export = |arguments: &[&str], file: &str| {
        let output = run(at, arguments);
        assert_eq!(output.status.code(), Some(0));
        fs::write(at.join(file), output.stdout).unwrap();
    };
    export(&["export", "a", "--as", "fingerprints"], "a.jsonl");
    let imported = lines(
        at,
        &[
            "import",
            "b",
            "a.jsonl",
            "--as",
            "fingerprints",
            "--key",
            "key",
        ],
    );
    assert_eq!(
        (&imported[0]["added"], &imported[0]["broken"]),
        (&json!(2), &json!(0))
    );
    let found = lines(
        at,
        &["match", "b", "post.txt", "leak/photo.png", "--key", "key"],
    );
    assert_eq!(found[0]["matches"][0]["item"], "leak/memo.txt");
    assert_eq!(found[1]["matches"][0]["label"], "x");
    export(&["export", "b", "--as", "fingerprints"], "b.jsonl");
    assert_eq!(
        fs::read(at.join("a.jsonl")).unwrap(),
        fs::read(at.join("b.jsonl")).unwrap()
    );
    assert!(refused(at, &["match", "b", "post.txt"]).contains("`--key FILE`"));

    export(&["export", "a", "--as", "pdq-csv"], "list.csv");
    let mut list = fs::read_to_string(at.join("list.csv")).unwrap();
    list.push_str("nonsense,5,x\n");
    fs::write(at.join("list.csv"), &list).unwrap();
    let imported = lines(
        at,
        &[
            "import",
            "p",
            "list.csv",
            "--as",
            "pdq-csv",
            "--errors",
            "bad.jsonl",
        ],
    );
    let expected = json!({"lines": 2, "added": 1, "unchanged": 0, "broken": 1});
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&imported[0][key], value, "{key}");
    }
    assert!(
        fs::read_to_string(at.join("bad.jsonl"))
            .unwrap()
            .contains("list.csv:3")
    );
    let hashes = lines(at, &["hash", "leak/photo.png"]);
    let gradient = hashes[0]["gradient"].as_str().unwrap().to_owned();
    let trusting = ["match", "p", "leak/photo.png", "--trust-hash-lists"];
    let found = lines(at, &trusting);
    let found = &found[0]["matches"][0];
    assert_eq!(
        (&found["label"], &found["evidence"][0]["kind"]),
        (&json!("leak/photo.png"), &json!("code"))
    );
    // Without that option a hash alone is possible at most; with its second print it is strong.
    assert_eq!(lines(at, &trusting[..3])[0]["matches"], json!([]));
    let said = run(at, &trusting[..3]).stderr;
    assert!(String::from_utf8_lossy(&said).contains("--trust-hash-lists"));
    for form in ["pdq-csv", "threatexchange"] {
        export(&["export", "a", "--as", form, "--gradient"], "second");
        let collection = format!("second {form}");
        lines(at, &["import", &collection, "second", "--as", form]);
        let found = &lines(at, &["match", &collection, "leak/photo.png"])[0]["matches"][0];
        assert_eq!(found["strength"], "strong");
        assert_eq!(found["evidence"][0]["gradient_distance"], 0);
        // It survives its own export.
        let again = run(at, &["export", &collection, "--as", form, "--gradient"]).stdout;
        let hash = |text: &[u8]| String::from_utf8_lossy(text).matches(&gradient).count();
        assert_eq!(hash(&again), 1, "{form}");
        let plain = run(at, &["export", &collection, "--as", form]).stdout;
        assert_eq!(hash(&plain), 0, "only where it is asked for");
    }
    let other = [
        "import",
        "p",
        "list.csv",
        "--as",
        "pdq-csv",
        "--pipeline",
        "nn512",
    ];
    assert!(refused(at, &other).contains("never compared"));
    export(&["export", "p", "--as", "threatexchange"], "te.jsonl");
    let entries = fs::read_to_string(at.join("te.jsonl")).unwrap();
    let entry: Value = serde_json::from_str(&entries).unwrap();
    fs::write(
        at.join("te.json"),
        json!({"data": [entry, {"type": "HASH_MD5"}]}).to_string(),
    )
    .unwrap();
    let imported = lines(at, &["import", "t", "te.json", "--as", "threatexchange"]);
    assert_eq!(
        (&imported[0]["added"], &imported[0]["broken"]),
        (&json!(1), &json!(1))
    );
}

/// A collection ignores the same content as an index.
#[test]
fn ignore_and_background_files_are_kept() {
    let folder = folder();
    let at = folder.path();
    let footer = prose(77, 40);
    fs::write(at.join("key"), [9; 32]).unwrap();
    fs::write(at.join("footer.txt"), &footer).unwrap();
    for (name, own) in [("a.txt", 5), ("b.txt", 6)] {
        let text = format!("{} {} {footer}", prose(own, 30), prose(50, 30));
        fs::write(at.join("leak").join(name), text).unwrap();
    }
    fs::create_dir(at.join("traffic")).unwrap();
    fs::create_dir(at.join("posts")).unwrap();
    for n in 0..3 {
        let (own, common) = (prose(100 + n, 20), if n < 2 { 50 } else { 6 });
        let path = at.join(format!("traffic/{n}.txt"));
        fs::write(path, format!("{own} {}", prose(common, 30))).unwrap();
    }
    let posts = [
        footer,
        prose(50, 30),
        prose(6, 30),
        prose(5, 30),
        MEMO.to_owned(),
    ];
    for (n, post) in posts.iter().enumerate() {
        fs::write(at.join(format!("posts/{n}.txt")), post).unwrap();
    }
    let discounts = ["--ignore", "footer.txt", "--background", "traffic"];
    let index = ["index", "leak", "-o", "i.lkp", "--key", "key"];
    lines(at, &[&index[..], &discounts].concat());
    lines(at, &["add", "c", "leak", "--key", "key"]);
    let matches = |target: &str| {
        let found = lines(at, &["match", target, "posts", "--key", "key"]);
        let mut found = Value::from(found);
        for line in found.as_array_mut().unwrap() {
            for one in line["matches"].as_array_mut().unwrap() {
                one.as_object_mut().unwrap().remove("added");
            }
        }
        found
    };
    let expected = matches("i.lkp");
    let count = |found: &Value| -> Vec<usize> {
        let lines = found.as_array().unwrap().iter();
        lines
            .map(|line| line["matches"].as_array().unwrap().len())
            .collect()
    };
    assert_eq!(count(&expected), [0, 0, 1, 1, 1]);
    assert_eq!(count(&matches("c")), [2, 2, 1, 1, 1]);
    let added = lines(
        at,
        &[&["add", "c", "--key", "key"], &discounts[..]].concat(),
    );
    let status: Vec<&str> = added
        .iter()
        .map(|line| line["status"].as_str().unwrap())
        .collect();
    assert_eq!(
        status,
        ["ignored", "background", "background", "background"]
    );
    for _ in 0..2 {
        assert_eq!(matches("c"), expected);
        let writer = CollectionWriter::open(at.join("c"), WriterOptions::default()).unwrap();
        writer.compact().unwrap();
    }
    // To another collection and back, unchanged.
    let exported = run(at, &["export", "c", "--as", "fingerprints"]).stdout;
    fs::write(at.join("all.jsonl"), exported).unwrap();
    lines(at, &["add", "d", "leak/memo.txt", "--key", "key"]);
    lines(at, &["import", "d", "all.jsonl", "--as", "fingerprints"]);
    assert_eq!(matches("d"), expected);
    let remove = ["remove", "d", "footer.txt", "traffic/0.txt"];
    assert_eq!(
        lines(at, &[&remove[..], &["--ignore"]].concat())[0]["status"],
        "removed"
    );
    let removed = lines(at, &[&remove[..], &["--background"]].concat());
    assert_eq!(
        (&removed[0]["status"], &removed[1]["status"]),
        (&json!("absent"), &json!("removed"))
    );
    assert_eq!(count(&matches("d")), [2, 2, 1, 1, 1]);
}

/// Names that a run printed before it was killed.
fn add_and_kill(at: &Path, file: &str, after: Duration) -> Vec<String> {
    let mut child = Command::new(program("leakprint"))
        .current_dir(at)
        .args(["add", "c", "--jsonl", file, "--threads", "2"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let reading = std::thread::spawn(move || {
        let whole = out.split(b'\n').map_while(Result::ok);
        let lines = whole.filter_map(|line| serde_json::from_slice::<Value>(&line).ok());
        let added = lines.filter(|line| line["status"] != "error");
        added
            .map(|line| line["item"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    });
    std::thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
    reading.join().unwrap()
}

/// `LEAKPRINT_KILLS` sets the number of kills.
#[test]
fn printed_changes_survive_being_killed() {
    let kills: u64 = std::env::var("LEAKPRINT_KILLS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(6);
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let mut promised: BTreeMap<String, ()> = BTreeMap::new();
    let mut offered: BTreeMap<String, ()> = BTreeMap::new();
    let mut interrupted = 0;
    for kill in 0..kills {
        let mut file = fs::File::create(at.join("items.jsonl")).unwrap();
        for n in 0..3000 {
            let id = format!("{kill}.{n}");
            writeln!(
                file,
                "{}",
                json!({"id": id, "text": prose(kill * 3000 + n, 20)})
            )
            .unwrap();
            offered.insert(id, ());
        }
        drop(file);
        let after = Duration::from_millis(15 + kill * 53 % 400);
        let lines = add_and_kill(at, "items.jsonl", after);
        interrupted += u64::from(lines.len() < 3000);
        promised.extend(lines.into_iter().map(|name| (name, ())));
        if !Collection::is_at(at.join("c")) {
            assert!(promised.is_empty());
            continue;
        }
        let open = Collection::open(at.join("c")).unwrap();
        let there: BTreeMap<String, ()> = open
            .snapshot()
            .items()
            .map(|item| (item.unwrap().item, ()))
            .collect();
        for name in promised.keys() {
            assert!(there.contains_key(name), "{name} was promised and is lost");
        }
        assert!(there.keys().all(|name| offered.contains_key(name)));
        // Removed items stay removed.
        if let Some(name) = promised.keys().next().cloned() {
            let writer = CollectionWriter::open(at.join("c"), WriterOptions::default()).unwrap();
            writer.remove(&[&name]).unwrap();
            promised.remove(&name);
            offered.remove(&name);
        }
    }
    assert!(interrupted > 0, "no run was interrupted");
    assert!(
        !promised.is_empty(),
        "no run got so far as to promise anything"
    );
    drop(CollectionWriter::open(at.join("c"), WriterOptions::default()).unwrap());
    let report = leakprint::collection::verify(at.join("c"), &Executor::serial()).unwrap();
    assert_eq!(report.damage, Vec::<String>::new());
}

/// Prints a line at once.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).unwrap();
}

/// What [`acknowledged_changes_survive_being_killed_beside_refreshing_readers`] starts and kills:
/// a writer with its merging thread, and threads of the same process that refresh, read and list.
#[test]
#[ignore = "runs until it is killed"]
fn writes_until_it_is_killed() {
    let Ok(folder) = std::env::var("LEAKPRINT_KILLED_FOLDER") else {
        return;
    };
    let run = std::env::var("LEAKPRINT_KILLED_RUN").unwrap();
    let mut options = WriterOptions::default();
    (options.head_bytes, options.max_segments) = (20_000, 3);
    let writer = CollectionWriter::open(&folder, options).unwrap();
    let follower = Collection::open(&folder).unwrap();
    let fingerprinter = writer.collection().fingerprinter().unwrap().clone();
    std::thread::scope(|scope| {
        for handle in [
            writer.collection(),
            writer.collection(),
            &follower,
            &follower,
        ] {
            scope.spawn(move || {
                let mut last = 0;
                loop {
                    handle.refresh().unwrap();
                    let snapshot = handle.snapshot();
                    if snapshot.generation() < last {
                        say(&format!("back {last} {}", snapshot.generation()));
                    }
                    last = snapshot.generation();
                    assert_eq!(snapshot.items().count() as u64, snapshot.len());
                    std::thread::sleep(Duration::from_micros(300));
                }
            });
        }
        scope.spawn(|| {
            loop {
                writer.flush().unwrap();
                std::thread::sleep(Duration::from_millis(7));
            }
        });
        for n in 0_u64.. {
            let text = prose(n, 12);
            let print = fingerprinter.fingerprint_text(&text).unwrap();
            let name = format!("{run}.{n}");
            writer
                .add(leakprint::collection::NewItem::new(&name, print))
                .unwrap();
            say(&format!("ack {name}"));
        }
    });
}

/// `LEAKPRINT_KILLS` sets the number of kills.
#[test]
fn acknowledged_changes_survive_being_killed_beside_refreshing_readers() {
    let kills = std::env::var("LEAKPRINT_KILLS").ok();
    let kills: u64 = kills.and_then(|n| n.parse().ok()).unwrap_or(4);
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("c");
    let mut promised: Vec<String> = Vec::new();
    for kill in 0..kills {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "writes_until_it_is_killed",
                "--exact",
                "--ignored",
                "--nocapture",
            ])
            .env("LEAKPRINT_KILLED_FOLDER", &at)
            .env("LEAKPRINT_KILLED_RUN", kill.to_string())
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let reading = std::thread::spawn(move || {
            out.split(b'\n')
                .map_while(Result::ok)
                .map(|line| String::from_utf8(line).unwrap())
                .collect::<Vec<String>>()
        });
        std::thread::sleep(Duration::from_millis(100 + kill * 53 % 300));
        child.kill().unwrap();
        child.wait().unwrap();
        for line in reading.join().unwrap() {
            assert!(!line.starts_with("back"), "a generation went back: {line}");
            assert!(!line.contains("panicked"), "{line}");
            if let Some((_, name)) = line.split_once("ack ") {
                promised.push(name.to_owned());
            }
        }
        if !Collection::is_at(&at) {
            assert!(promised.is_empty());
            continue;
        }
        let open = Collection::open(&at).unwrap();
        let items = open.snapshot();
        let there: std::collections::BTreeSet<String> =
            items.items().map(|item| item.unwrap().item).collect();
        let lost: Vec<_> = promised
            .iter()
            .filter(|name| !there.contains(*name))
            .collect();
        assert_eq!(lost, Vec::<&String>::new(), "after {kill} kills");
    }
    assert!(!promised.is_empty(), "nothing was promised");
    if kills > 20 {
        let all = promised.len();
        say(&format!(
            "{kills} kills, {all} items acknowledged and all there"
        ));
    }
    drop(CollectionWriter::open(&at, WriterOptions::default()).unwrap());
    let report = leakprint::collection::verify(&at, &Executor::serial()).unwrap();
    assert_eq!(report.damage, Vec::<String>::new());
}

#[test]
fn info_says_why_a_merge_failed_until_one_succeeds() {
    let folder = folder();
    let at = folder.path();
    lines(at, &["add", "c", "leak/memo.txt"]);
    // The new manifest cannot be written.
    let blocked = at.join("c/manifest.new");
    fs::create_dir(&blocked).unwrap();
    assert_eq!(run(at, &["compact", "c"]).status.code(), Some(2));
    let info = || -> Value { serde_json::from_slice(&run(at, &["info", "c"]).stdout).unwrap() };
    let failure = &info()["merge_failure"];
    assert_eq!(failure["kind"], "io");
    assert!(
        failure["message"].as_str().unwrap().contains("manifest"),
        "{failure}"
    );
    assert!(failure["at"].as_str().unwrap().ends_with('Z'));
    lines(at, &["add", "c", "leak/other.txt"]);
    fs::remove_dir(&blocked).unwrap();
    lines(at, &["compact", "c"]);
    assert_eq!(info()["merge_failure"], Value::Null);
    assert_eq!(lines(at, &["list", "c"]).len(), 2);
}

/// Other processes see the changes of a writer.
#[test]
fn readers_in_other_processes_keep_up() {
    let folder = folder();
    let at = folder.path();
    lines(at, &["add", "c", "leak/other.txt"]);
    let open = Collection::open(at.join("c")).unwrap();
    let before = open.snapshot();
    lines(at, &["add", "c", "leak/memo.txt"]);
    assert!(before.find_text(MEMO).unwrap().is_empty());
    assert!(open.refresh().unwrap());
    let with = open.snapshot();
    lines(at, &["compact", "c"]);
    lines(at, &["remove", "c", "leak/memo.txt"]);
    assert!(open.refresh().unwrap());
    assert!(open.snapshot().find_text(MEMO).unwrap().is_empty());
    assert_eq!(with.find_text(MEMO).unwrap().len(), 1);
    let one = CollectionWriter::open(at.join("c"), WriterOptions::default()).unwrap();
    assert!(refused(at, &["add", "c", "post.txt"]).contains("another process is writing"));
    let again = CollectionWriter::open(at.join("c"), WriterOptions::default());
    assert_eq!(again.unwrap_err().kind(), ErrorKind::Locked);
    drop(one);
}

/// Collections written by earlier versions.
#[test]
fn collections_of_every_version_open() {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/collections");
    let mut versions = 0;
    for entry in fs::read_dir(&kept).unwrap() {
        let from = entry.unwrap().path();
        versions += 1;
        let copy = tempfile::tempdir().unwrap();
        for file in fs::read_dir(&from).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
        }
        let report = leakprint::collection::verify(copy.path(), &Executor::serial()).unwrap();
        assert_eq!(report.damage, Vec::<String>::new(), "{}", from.display());
        let open = Collection::open(copy.path()).unwrap();
        let snapshot = open.snapshot();
        let names: Vec<String> = snapshot.items().map(|item| item.unwrap().item).collect();
        assert_eq!(names.len(), 4, "{names:?}");
        for text in [MEMO.to_owned(), prose(1, 80)] {
            assert_eq!(snapshot.find_text(&text).unwrap().len(), 1);
        }
        let mut png = std::io::Cursor::new(Vec::new());
        picture(1)
            .write_to(&mut png, image::ImageFormat::Png)
            .unwrap();
        let trusting = MatchOptions::default().with_trust_hash_lists(true);
        let matcher = snapshot.matcher(trusting).unwrap();
        let found = matcher.find_media(png.get_ref(), None).unwrap();
        assert_eq!(found.len(), 2, "the picture, and its hash in a list");
        assert_eq!(snapshot.false_matches().count(), 1);
        let version = from.file_name().unwrap().to_str().unwrap();
        let discounts = usize::from(version != "v1");
        assert_eq!(
            snapshot.discounts().filter(|file| file.is_ok()).count(),
            discounts
        );
        let writer = CollectionWriter::open(copy.path(), WriterOptions::default()).unwrap();
        writer.compact().unwrap();
        assert_eq!(writer.collection().snapshot().len(), 4);
        assert_eq!(
            writer.collection().snapshot().info().discounts as usize,
            discounts
        );
    }
    assert_eq!(versions, leakprint::collection::COLLECTION_VERSION as usize);
}

/// Writes the collection of this version, to be kept for later ones: a segment with a text, a
/// picture and its hash in a list, and behind it in the log a text, a false match and an ignore
/// file. Not to be run again once the version is released.
#[test]
#[ignore = "writes tests/collections"]
fn write_the_collection_of_this_version() {
    let folder = folder();
    let at = folder.path();
    let code = lines(at, &["hash", "leak/photo.png"])[0]["pdq"].clone();
    let list = format!(
        "hash,quality,label\n{},100,listed\n",
        code.as_str().unwrap()
    );
    fs::write(at.join("list.csv"), list).unwrap();
    lines(
        at,
        &[
            "add",
            "c",
            "leak/memo.txt",
            "leak/photo.png",
            "--label",
            "kept",
        ],
    );
    lines(at, &["import", "c", "list.csv", "--as", "pdq-csv"]);
    lines(at, &["compact", "c"]);
    lines(at, &["add", "c", "leak/other.txt"]);
    let mark = ["mark-false", "c", "leak/other.txt", "--query", "post.txt"];
    lines(
        at,
        &[&mark[..], &["--by", "reviewer", "--why", "test"]].concat(),
    );
    fs::write(at.join("footer.txt"), prose(9, 60)).unwrap();
    lines(at, &["add", "c", "--ignore", "footer.txt"]);
    let version = leakprint::collection::COLLECTION_VERSION;
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/collections/v{version}"));
    if kept.exists() {
        fs::remove_dir_all(&kept).unwrap();
    }
    fs::create_dir(&kept).unwrap();
    for file in fs::read_dir(at.join("c")).unwrap() {
        let file = file.unwrap();
        if file.file_name() != "lock" {
            fs::copy(file.path(), kept.join(file.file_name())).unwrap();
        }
    }
}
