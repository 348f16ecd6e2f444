//! The contract of the example program `leakprint`: lines, order, names, errors and exit codes.

mod programs;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use programs::program;

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(program("leakprint"))
        .current_dir(folder)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// The JSON lines of a run that must succeed.
fn lines(folder: &Path, arguments: &[&str]) -> Vec<Value> {
    let output = run(folder, arguments);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {errors}");
    parse(&output.stdout)
}

fn parse(stdout: &[u8]) -> Vec<Value> {
    let lines = stdout
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
    assert!(output.stdout.is_empty(), "{arguments:?}");
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(message.lines().count(), 1, "{message}");
    message
}

const MEMO: &str = "The winter slate moves by six weeks, and Lighthouse opens in fourteen \
    territories with no press screening before the Wednesday, even though it tested at \
    seventy-one and the exhibitors were told forty-five days.";

/// A leak of two files, posts, and damaged input.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    };
    write("leak/memo.txt", MEMO.as_bytes());
    write(
        "leak/deep/plan.txt",
        MEMO.to_uppercase().replace("WINTER", "summer").as_bytes(),
    );
    write("posts/a.txt", format!("look at this: {MEMO}").as_bytes());
    write("posts/b.txt", b"new shoes day, best day");
    write("posts/c.png", b"\x89PNG\r\n\x1a\nbroken");
    write("posts/d.txt", b"");
    folder
}

#[test]
fn index_match_info_verify_explain() {
    let folder = folder();
    let folder = folder.path();
    let written = lines(folder, &["index", "leak", "-o", "leak.lpx"]);
    assert_eq!(written[0]["items"], 2);
    assert_eq!(written[0]["failed"], 0);

    for threads in ["1", "3"] {
        let found = lines(
            folder,
            &[
                "match",
                "leak.lpx",
                "posts",
                "missing",
                "--threads",
                threads,
            ],
        );
        let queries: Vec<_> = found
            .iter()
            .map(|line| line["query"].as_str().unwrap())
            .collect();
        assert_eq!(
            queries,
            [
                "posts/a.txt",
                "posts/b.txt",
                "posts/c.png",
                "posts/d.txt",
                "missing"
            ]
        );
        let first = &found[0]["matches"][0];
        assert_eq!(first["strength"], "strong");
        assert_eq!(first["evidence"][0]["kind"], "text");
        let start = first["evidence"][0]["query_span"][0].as_u64().unwrap();
        assert!(start.abs_diff(14) <= 10, "{start}");
        assert!(found[0]["error"].is_null() && found[1]["matches"] == serde_json::json!([]));
        let kinds: Vec<_> = found[2..]
            .iter()
            .map(|line| &line["error"]["kind"])
            .collect();
        assert_eq!(kinds, ["malformed", "empty", "io"]);
    }

    let info = run(folder, &["info", "leak.lpx"]);
    let info: Value = serde_json::from_slice(&info.stdout).unwrap();
    assert_eq!(
        (&info["items"], &info["recipe"]["version"]),
        (&2.into(), &2.into())
    );
    assert_eq!(lines(folder, &["verify", "leak.lpx"])[0]["sound"], true);
    let explained = run(
        folder,
        &["explain", "leak.lpx", "leak/memo.txt", "posts/a.txt"],
    );
    let explained: Value = serde_json::from_slice(&explained.stdout).unwrap();
    assert_eq!(explained["reported"], true);
    let table = run(folder, &["match", "leak.lpx", "posts", "--format", "table"]);
    assert!(String::from_utf8_lossy(&table.stdout).contains("leak/memo.txt"));
}

#[test]
fn names_are_relative_to_the_base() {
    let folder = folder();
    let folder = folder.path();
    for (cwd, path, base, expected) in [
        ("", "leak", ".", "leak/deep/plan.txt"),
        ("", "./leak/", ".", "leak/deep/plan.txt"),
        ("", "leak", "leak", "deep/plan.txt"),
        ("leak", ".", "..", "leak/deep/plan.txt"),
        ("leak", "deep/../deep", ".", "deep/plan.txt"),
        ("posts", "../leak", "../leak/deep/..", "deep/plan.txt"),
    ] {
        let found = lines(
            &folder.join(cwd),
            &["index", path, "--base", base, "-o", "x.lpx"],
        );
        assert!(found[0]["items"].as_u64() >= Some(1));
        let index = folder.join(cwd).join("x.lpx");
        let index = leakprint::Index::open(&index).unwrap();
        assert!(
            index.item_by_name(expected).unwrap().is_some(),
            "{path} from {cwd:?}, base {base}"
        );
        fs::remove_file(folder.join(cwd).join("x.lpx")).unwrap();
    }
}

#[test]
fn json_lines_in_and_out() {
    let folder = folder();
    let folder = folder.path();
    let line = |id: &str, text: &str| serde_json::json!({"id": id, "text": text}).to_string();
    let items = [
        line("x/1", MEMO),
        line("x/2", "something else entirely, and long enough"),
    ];
    fs::write(folder.join("items.jsonl"), items.join("\n")).unwrap();
    let written = lines(
        folder,
        &[
            "index",
            "--jsonl",
            "items.jsonl",
            "-o",
            "x.lpx",
            "--threads",
            "2",
        ],
    );
    assert_eq!(written[0]["items"], 2);
    let posts = format!(
        "\u{feff}{}\n\nnot json\n{{\"id\":\"no text\"}}\n{{\"text\":\"no id\"}}\n{}",
        line("p1", MEMO),
        line("p2", "hello")
    );
    fs::write(folder.join("posts.jsonl"), posts).unwrap();
    let found = lines(
        folder,
        &[
            "match",
            "x.lpx",
            "--jsonl",
            "posts.jsonl",
            "--errors",
            "e.jsonl",
        ],
    );
    let queries: Vec<_> = found
        .iter()
        .map(|line| line["query"].as_str().unwrap())
        .collect();
    assert_eq!(
        queries,
        ["p1", "posts.jsonl:3", "no text", "posts.jsonl:5", "p2"]
    );
    assert_eq!(found[0]["matches"][0]["item"], "x/1");
    assert_eq!(parse(&fs::read(folder.join("e.jsonl")).unwrap()).len(), 3);
}

/// A client that writes a line and waits gets the answer, on any number of threads.
#[test]
fn standard_input_is_answered_line_by_line() {
    let folder = folder();
    let folder = folder.path();
    lines(folder, &["index", "leak", "-o", "leak.lpx"]);
    for threads in ["1", "2"] {
        let mut child = Command::new(program("leakprint"))
            .current_dir(folder)
            .args(["match", "leak.lpx", "--jsonl", "-", "--threads", threads])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
        for id in ["one", "two"] {
            writeln!(input, "{{\"id\":\"{id}\",\"text\":\"hello\"}}").unwrap();
            let answer: Value = serde_json::from_str(&answers.next().unwrap().unwrap()).unwrap();
            assert_eq!(answer["query"], id);
        }
        drop(input);
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn a_key_kept_apart_is_needed_and_must_be_the_right_one() {
    let folder = folder();
    let folder = folder.path();
    fs::write(folder.join("key"), [7; 32]).unwrap();
    fs::write(folder.join("other"), [8; 32]).unwrap();
    lines(folder, &["index", "leak", "-o", "k.lpx", "--key", "key"]);
    refused(folder, &["match", "k.lpx", "posts"]);
    refused(folder, &["match", "k.lpx", "posts", "--key", "other"]);
    let found = lines(folder, &["match", "k.lpx", "posts/a.txt", "--key", "key"]);
    assert_eq!(found[0]["matches"].as_array().unwrap().len(), 2);
}

#[test]
fn failures_are_reported_in_one_line() {
    let folder = folder();
    let folder = folder.path();
    lines(folder, &["index", "leak", "-o", "x.lpx"]);
    let sound = fs::read(folder.join("x.lpx")).unwrap();
    fs::write(folder.join("short.lpx"), &sound[..sound.len() / 2]).unwrap();
    let mut flipped = sound.clone();
    flipped[sound.len() - 9] ^= 4;
    fs::write(folder.join("flipped.lpx"), flipped).unwrap();
    fs::write(folder.join("empty.lpx"), b"").unwrap();
    fs::create_dir(folder.join("void")).unwrap();
    for index in [
        "short.lpx",
        "flipped.lpx",
        "empty.lpx",
        "missing.lpx",
        "posts",
    ] {
        let message = refused(folder, &["match", index, "posts"]);
        assert!(message.contains(index), "{message}");
        refused(folder, &["verify", index]);
        refused(folder, &["explain", index, "leak/memo.txt", "posts/a.txt"]);
    }
    for arguments in [
        &["match", "x.lpx"][..],
        &["match", "x.lpx", "void"],
        &["match", "x.lpx", "--jsonl", "missing.jsonl"],
        &["match", "x.lpx", "posts", "--base", "missing"],
        &["match", "x.lpx", "posts", "--errors", "x.lpx"],
        &["index", "missing", "-o", "y.lpx"],
        &["index", "leak", "-o", "missing/y.lpx"],
        &["index", "leak", "-o", "posts"],
        &["index", "leak", "-o", "y.lpx", "--ignore", "missing"],
        &["explain", "x.lpx", "no such item", "posts/a.txt"],
        &[
            "search-codes",
            "--codes",
            "x.lpx",
            "--queries",
            "posts/b.txt",
            "--radius",
            "31",
        ],
    ] {
        let output = run(folder, arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(
            output.stdout.is_empty() && !output.stderr.is_empty(),
            "{arguments:?}"
        );
    }
    assert!(!folder.join("y.lpx").exists());
    assert_eq!(fs::read(folder.join("x.lpx")).unwrap(), sound);
}

#[test]
fn hash_and_search_codes() {
    let folder = folder();
    let folder = folder.path();
    let picture = image::RgbImage::from_fn(90, 70, |x, y| {
        image::Rgb([(x * y % 251) as u8, (x * 2) as u8, (y * 3) as u8])
    });
    picture.save(folder.join("p.png")).unwrap();
    let found = lines(folder, &["hash", "p.png", "posts/c.png"]);
    let print = leakprint::Fingerprinter::builder().build().unwrap();
    let print = print
        .fingerprint(&fs::read(folder.join("p.png")).unwrap(), None)
        .unwrap();
    let raster = print.parts[0].raster.as_ref().unwrap();
    assert_eq!(found[0]["pdq"], raster.pdq.code().to_string());
    assert_eq!(found[0]["pdq_quality"], raster.pdq.quality);
    assert_eq!(found[1]["error"]["kind"], "malformed");
    assert_eq!(found[1]["blake3"].as_str().unwrap().len(), 64);

    let codes: Vec<u8> = (0..4_u8).flat_map(|i| [i.wrapping_mul(0x55); 32]).collect();
    fs::write(folder.join("codes"), &codes).unwrap();
    fs::write(folder.join("queries"), &codes[32..64]).unwrap();
    let arguments = [
        "search-codes",
        "--codes",
        "codes",
        "--queries",
        "queries",
        "--radius",
    ];
    for (radius, pairs) in [("0", 1), ("127", 1), ("128", 3), ("256", 4)] {
        let found = lines(folder, &[&arguments[..], &[radius]].concat());
        assert_eq!(
            (&found[0]["n"], &found[0]["pairs"]),
            (&4.into(), &pairs.into())
        );
    }
}

/// A page of made-up words in small letters, others for every seed.
fn page(seed: u32) -> image::RgbImage {
    use font8x8::UnicodeFonts;
    let mut state = seed.wrapping_mul(0x9E37_79B9) | 1;
    let mut random = move |below: u32| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 8) % below
    };
    let mut page = image::RgbImage::from_pixel(480, 360, image::Rgb([250, 250, 250]));
    for y in (20..330).step_by(18) {
        let mut x = 20;
        while x < 400 {
            for _ in 0..3 + random(6) {
                let letter = char::from(b'a' + random(26) as u8);
                let rows = font8x8::BASIC_FONTS.get(letter).unwrap();
                for (dy, row) in (0..).zip(rows) {
                    for dx in (0..8).filter(|dx| row >> dx & 1 == 1) {
                        page.put_pixel(x + dx, y + dy, image::Rgb([30, 30, 40]));
                    }
                }
                x += 8;
            }
            x += 8;
        }
    }
    page
}

#[test]
fn matches_are_drawn() {
    let folder = folder();
    let folder = folder.path();
    let ground = image::Rgb([120, 130, 140]);
    for seed in [1, 2] {
        page(seed)
            .save(folder.join(format!("leak/p{seed}.png")))
            .unwrap();
    }
    let mut post = image::RgbImage::from_pixel(1100, 460, ground);
    image::imageops::replace(&mut post, &page(1), 40, 60);
    image::imageops::replace(&mut post, &page(2), 570, 30);
    post.save(folder.join("posts/two.png")).unwrap();
    page(3).save(folder.join("posts/other.png")).unwrap();
    lines(folder, &["index", "leak", "-o", "leak.lpx"]);
    // The folder of drawings is inside the folder of queries, and is not matched.
    let arguments = ["match", "leak.lpx", "posts", "--draw", "posts/drawn"];
    for _ in 0..2 {
        let found = lines(folder, &arguments);
        assert_eq!(found.len(), 6);
        let drawn: Vec<_> = found
            .iter()
            .filter(|line| !line["drawing"].is_null())
            .collect();
        let [line] = drawn[..] else {
            panic!("{drawn:?}")
        };
        assert_eq!(line["query"], "posts/two.png");
        assert_eq!(line["drawing"], "posts/drawn/posts%2Ftwo.png.png");
        assert_eq!(line["matches"].as_array().unwrap().len(), 2);
    }
    let path = folder.join("posts/drawn/posts%2Ftwo.png.png");
    let drawing = image::open(&path).unwrap().into_rgb8();
    assert_eq!(drawing.dimensions(), post.dimensions());
    // A colour that does not occur in the post and crosses the middle of a side.
    let side = |x: u32, y: u32| {
        let near = (x - 6..=x + 6).flat_map(|x| (y - 6..=y + 6).map(move |y| (x, y)));
        let colours = near.map(|(x, y)| *drawing.get_pixel(x, y));
        colours
            .filter(|colour| colour.0.iter().max().unwrap() - colour.0.iter().min().unwrap() > 90)
            .collect::<std::collections::HashSet<_>>()
    };
    let outline = |x: u32, y: u32| {
        let sides = [
            (x, y + 180),
            (x + 479, y + 180),
            (x + 240, y),
            (x + 240, y + 359),
        ];
        let found: std::collections::HashSet<_> = sides
            .iter()
            .map(|&(x, y)| {
                let colours = side(x, y);
                assert_eq!(colours.len(), 1, "at {x}, {y}");
                colours.into_iter().next().unwrap()
            })
            .collect();
        assert_eq!(found.len(), 1, "one colour on all sides");
        found.into_iter().next().unwrap()
    };
    let (left, right) = (outline(40, 60), outline(570, 30));
    assert_ne!(left, right);
    let plate = |x: u32, colour| {
        let pixels = (x..x + 480).flat_map(|x| (30..140).map(move |y| (x, y)));
        pixels
            .filter(|&(x, y)| *drawing.get_pixel(x, y) == colour)
            .count()
    };
    assert!(plate(40, left) > 3000 && plate(570, right) > 3000);
    assert_eq!(*drawing.get_pixel(5, 5), ground);

    // A drawing that cannot be written does not affect the others.
    fs::remove_file(&path).unwrap();
    fs::create_dir_all(path.join("in the way")).unwrap();
    let output = run(folder, &arguments);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{errors}");
    assert!(
        errors.contains("posts/two.png: warning: no drawing"),
        "{errors}"
    );
    assert!(
        parse(&output.stdout)
            .iter()
            .all(|line| line["drawing"].is_null())
    );
    refused(folder, &["match", "leak.lpx", "posts", "--draw", "posts"]);
    refused(
        folder,
        &["match", "leak.lpx", "posts", "--draw", "leak.lpx"],
    );

    let explain = [
        "explain",
        "leak.lpx",
        "leak/p2.png",
        "posts/two.png",
        "--draw",
    ];
    let output = run(folder, &[&explain[..], &["why.png"]].concat());
    let explained: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(explained["drawing"], "why.png");
    let why = image::open(folder.join("why.png")).unwrap().into_rgb8();
    assert_eq!(
        *why.get_pixel(300, 61),
        *post.get_pixel(300, 61),
        "not asked for"
    );
    refused(folder, &[&explain[..], &["posts/two.png"]].concat());
}

/// A form below forty contracts is listed once; its answer is obeyed, and it is not listed again.
#[test]
fn what_many_items_hold_is_listed_for_the_owner_to_answer() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::create_dir(at.join("leak")).unwrap();
    for n in 0..20_u8 {
        let own = letters_of(n);
        let text = format!("{own}\n{own} is the number of this paper.\n\n{MEMO}\n");
        fs::write(at.join(format!("leak/{n}.txt")), text).unwrap();
    }
    fs::write(at.join("post.txt"), MEMO).unwrap();
    fs::write(at.join("key"), [7; 32]).unwrap();
    let index = |more: &[&str]| {
        let command = [
            "index",
            "leak",
            "-o",
            "a.lpx",
            "--key",
            "key",
            "--unknown",
            "list",
        ];
        lines(at, &[&command[..], more].concat());
        parse(&fs::read(at.join("list")).unwrap())
    };
    let found = || lines(at, &["match", "a.lpx", "post.txt", "--key", "key"])[0]["matches"].clone();
    let mut list = index(&[]);
    assert_eq!(list.len(), 1, "{list:?}");
    assert_eq!(
        (&list[0]["holders"], &list[0]["taken_for"]),
        (&20.into(), &"boilerplate".into())
    );
    assert!(
        list[0]["excerpt"]
            .as_str()
            .unwrap()
            .contains("press screening")
    );
    assert_eq!(found().as_array().unwrap().len(), 0);
    list[0]["answer"] = "vouch".into();
    fs::write(at.join("answers"), list[0].to_string()).unwrap();
    assert!(index(&["--answers", "answers"]).is_empty());
    let matches = found();
    assert_eq!(matches.as_array().unwrap().len(), 1);
    assert_eq!(matches[0]["shared_by"], 20);
    list[0]["answer"] = "ignore".into();
    fs::write(at.join("answers"), list[0].to_string()).unwrap();
    assert!(index(&["--answers", "answers"]).is_empty());
    assert_eq!(found().as_array().unwrap().len(), 0);
    list[0]["excerpt"] = Value::Null;
    fs::write(at.join("answers"), list[0].to_string()).unwrap();
    let command = ["index", "leak", "-o", "a.lpx", "--answers", "answers"];
    assert!(refused(at, &command).contains("an answer needs the excerpt"));
}

/// Letters that depend on a number.
fn letters_of(n: u8) -> String {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(u64::from(n) + 1);
    let letters = (0..60).map(|_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        char::from(b'a' + (state >> 59) as u8 % 26)
    });
    letters.collect()
}
