//! `leakprint index --resume` and `match --resume`: whatever happened to an earlier run, its journal and
//! the files, the result is that of a run without `--resume` over the same files.

mod programs;

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};

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

/// Standard output and standard error of a run that must succeed.
fn done(folder: &Path, arguments: &[&str]) -> (String, String) {
    streams(run(folder, arguments))
}

fn streams(output: Output) -> (String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert_eq!(output.status.code(), Some(0), "{err}");
    (out, err)
}

/// Standard error of a run that must fail.
fn refused(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// Numbers of inputs unchanged by time, unchanged by digest, and processed.
fn tally(line: &str) -> [u64; 3] {
    let line: Value = serde_json::from_str(line).unwrap();
    ["by_time", "by_digest", "afresh"].map(|what| line["resumed"][what].as_u64().unwrap())
}

/// Words that depend on `seed` alone.
fn words(seed: u32, count: u32) -> String {
    let syllables = [
        "ba", "con", "del", "for", "gan", "hin", "jo", "kar", "lor", "men", "su", "vi",
    ];
    let mut state = seed.wrapping_mul(0x9E37_79B9) | 1;
    let mut syllable = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        syllables[state as usize % syllables.len()]
    };
    let word = |_| format!("{}{}{} ", syllable(), syllable(), syllable());
    (0..count).map(word).collect()
}

fn write(folder: &Path, name: &str, content: impl AsRef<[u8]>) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// A leak of texts, a sheet, pictures and unreadable files; posts that quote it; a key.
fn folder() -> tempfile::TempDir {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    for i in 0..6 {
        write(folder, &format!("leak/{i}.txt"), words(i, 90));
        let quote = words(i, 90)[..400].to_owned();
        write(folder, &format!("posts/{i}.txt"), format!("look: {quote}"));
    }
    for i in 0..4_u32 {
        let picture = image::RgbImage::from_fn(150, 120, |x, y| {
            image::Rgb([
                (x * y * (i + 3) % 251) as u8,
                (x * 2) as u8,
                (y * (i + 1)) as u8,
            ])
        });
        picture.save(folder.join(format!("leak/p{i}.png"))).unwrap();
        picture
            .save(folder.join(format!("posts/p{i}.png")))
            .unwrap();
    }
    write(
        folder,
        "leak/deep/staff.csv",
        "name,mail,salary\nAnn Lee,ann@corp.example,81250\nBo Kim,bo@corp.example,77410\n",
    );
    write(folder, "leak/broken.png", b"\x89PNG\r\n\x1a\nbroken");
    write(folder, "leak/empty.txt", b"");
    write(folder, "posts/broken.png", b"\x89PNG\r\n\x1a\nbroken");
    write(folder, "key", [7; 32]);
    write(folder, "other", [8; 32]);
    temporary
}

const INDEX: [&str; 5] = ["index", "leak", "-o", "leak.lpx", "--resume"];
const KEY: [&str; 2] = ["--key", "key"];

/// The index of the current leak, by a run without `--resume`.
fn fresh(folder: &Path, more: &[&str]) -> Vec<u8> {
    done(
        folder,
        &[&["index", "leak", "-o", "fresh.lpx"], more].concat(),
    );
    fs::read(folder.join("fresh.lpx")).unwrap()
}

fn len(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

/// Waits until a file has the given size.
fn wait_for(path: &Path, bytes: u64) {
    let begun = Instant::now();
    while len(path) < bytes {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "{}",
            path.display()
        );
        sleep(Duration::from_millis(1));
    }
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success());
}

fn line(id: &str, text: &str) -> String {
    json!({"id": id, "text": text}).to_string() + "\n"
}

/// Starts a run that waits for lines after its files, so that it cannot end before it is killed.
fn start(folder: &Path, arguments: &[&str]) -> Child {
    let mut command = command(folder, &[arguments, &["--jsonl", "-"]].concat());
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command.stderr(Stdio::piped()).spawn().unwrap()
}

/// Kills runs of `arguments` at several points, lets one finish and returns its output.
fn killed_and_finished(folder: &Path, arguments: &[&str], journal: &str) -> String {
    let journal = folder.join(journal);
    let lines = [
        line("x/1", &words(101, 60)),
        "no line of any use\n".to_owned(),
        line("x/2", &words(102, 60)),
        line("x/3", &words(103, 60)),
    ];
    // At the start, then some records later each time.
    for more in [1, 300, 900] {
        let child = start(folder, arguments);
        wait_for(&journal, len(&journal) + more);
        kill(child);
    }
    // Perhaps while it reads lines.
    let mut child = start(folder, arguments);
    let mut input = child.stdin.take().unwrap();
    input.write_all(lines[..3].concat().as_bytes()).unwrap();
    input.flush().unwrap();
    wait_for(&journal, len(&journal) + 300);
    kill(child);

    let mut child = start(folder, arguments);
    let mut input = child.stdin.take().unwrap();
    input.write_all(lines.concat().as_bytes()).unwrap();
    drop(input);
    let (out, err) = streams(child.wait_with_output().unwrap());
    write(folder, "lines.jsonl", lines.concat());
    out + &err
}

#[test]
fn an_index_of_killed_runs_is_that_of_one() {
    let temporary = folder();
    let folder = temporary.path();
    let options = [
        &INDEX[..],
        &KEY,
        &["--threads", "2", "--errors", "resumed.jsonl"],
    ]
    .concat();
    let said = killed_and_finished(folder, &options, "leak.lpx.resume");
    let [by_time, by_digest, afresh] = tally(said.lines().next().unwrap());
    let unchanged = by_time + by_digest;
    assert!(unchanged >= 2 && unchanged + afresh == 17, "{said}");
    let summary = format!("leak.lpx.resume: {unchanged} unchanged, {by_digest} of them by digest");
    assert!(said.contains(&summary), "{said}");
    let plain = ["index", "leak", "-o", "fresh.lpx", "--jsonl", "lines.jsonl"];
    done(
        folder,
        &[&plain[..], &KEY, &["--errors", "plain.jsonl"]].concat(),
    );
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    assert!(read("leak.lpx") == read("fresh.lpx"));
    // Lines without an id are named after their file.
    let errors = String::from_utf8(read("resumed.jsonl")).unwrap();
    let plain = String::from_utf8(read("plain.jsonl")).unwrap();
    assert_eq!(errors.replace("\"-:2\"", "\"lines.jsonl:2\""), plain);
    assert_eq!(plain.lines().count(), 3);
}

#[test]
fn lines_are_identified_by_their_content() {
    let temporary = folder();
    let folder = temporary.path();
    let items = [
        line("a", &words(1, 60)),
        line("b", &words(2, 60)),
        "no line\n".to_owned(),
    ];
    write(folder, "items.jsonl", items.concat());
    let options = [
        "index",
        "--jsonl",
        "items.jsonl",
        "-o",
        "leak.lpx",
        "--resume",
        "--key",
        "key",
    ];
    let index = || tally(&done(folder, &options).0);
    assert_eq!(index(), [0, 0, 3]);
    // Lines without an id are named by their position, which may change.
    assert_eq!(index(), [0, 2, 1]);
    // Another order, one with another text, and a new one.
    let items = [
        line("c", "something new"),
        line("b", &words(2, 60)),
        line("a", "short"),
    ];
    write(folder, "items.jsonl", items.concat());
    assert_eq!(index(), [0, 1, 2]);
    let whole = fs::read(folder.join("leak.lpx")).unwrap();
    done(
        folder,
        &[
            "index",
            "--jsonl",
            "items.jsonl",
            "-o",
            "fresh.lpx",
            "--key",
            "key",
        ],
    );
    assert!(whole == fs::read(folder.join("fresh.lpx")).unwrap());

    // A run that answers line by line is killed after each line.
    let options = [
        "match",
        "leak.lpx",
        "-o",
        "found.jsonl",
        "--resume",
        "--key",
        "key",
    ];
    for known in 0..2 {
        let mut child = start(folder, &options);
        let mut input = child.stdin.take().unwrap();
        let begun = items[..=known].concat();
        input.write_all(begun.as_bytes()).unwrap();
        input.flush().unwrap();
        let answers = || fs::read_to_string(folder.join("found.jsonl")).unwrap_or_default();
        let since = Instant::now();
        while answers().lines().count() <= known || !answers().ends_with('\n') {
            assert!(since.elapsed() < Duration::from_secs(60));
            sleep(Duration::from_millis(1));
        }
        kill(child);
    }
    let mut child = start(folder, &options);
    let mut input = child.stdin.take().unwrap();
    input.write_all(items.concat().as_bytes()).unwrap();
    drop(input);
    let (_, said) = streams(child.wait_with_output().unwrap());
    assert!(
        said.contains("2 unchanged, 2 of them by digest, 1 matched"),
        "{said}"
    );
    let whole = fs::read_to_string(folder.join("found.jsonl")).unwrap();
    let plain = [
        "match",
        "leak.lpx",
        "--jsonl",
        "items.jsonl",
        "--key",
        "key",
    ];
    assert_eq!(whole, done(folder, &plain).0);
    assert_eq!(whole.lines().count(), 3);
}

#[test]
fn unchanged_files_are_reused_and_the_rest_is_processed() {
    let temporary = folder();
    let folder = temporary.path();
    let index = || done(folder, &[&INDEX[..], &KEY].concat()).0;
    let file = |name: &str| File::options().write(true).open(folder.join(name)).unwrap();
    // The times of a file younger than two seconds prove nothing.
    sleep(Duration::from_millis(2_100));
    let resumed = fs::read_dir(folder.join("leak")).unwrap().count() as u64;
    assert_eq!(tally(&index()), [0, 0, resumed]);
    assert_eq!(tally(&index()), [resumed, 0, 0]);

    // The same size and modification time with other content, as by someone who hides a change.
    let before = fs::metadata(folder.join("leak/0.txt")).unwrap();
    let other = words(77, 200);
    write(folder, "leak/0.txt", &other[..before.len() as usize]);
    file("leak/0.txt")
        .set_modified(before.modified().unwrap())
        .unwrap();
    file("leak/1.txt").set_modified(SystemTime::now()).unwrap();
    fs::remove_file(folder.join("leak/2.txt")).unwrap();
    write(
        folder,
        "leak/3.txt",
        "another text altogether, and one that is short",
    );
    write(folder, "leak/7.txt", words(78, 50));
    fs::remove_file(folder.join("leak/empty.txt")).unwrap();
    write(folder, "leak/broken.png", words(79, 50));
    // On systems without a change time, a change hidden like this goes unnoticed.
    let hidden = u64::from(cfg!(not(unix)));
    assert_eq!(tally(&index()), [resumed - 6 + hidden, 1, 4 - hidden]);
    if cfg!(unix) {
        let index = fs::read(folder.join("leak.lpx")).unwrap();
        assert!(index == fresh(folder, &KEY));
    }

    // Stale records are dropped before they outnumber the others.
    let journal = folder.join("leak.lpx.resume");
    let size = len(&journal);
    for i in 0..3 {
        for name in 0..8 {
            write(
                folder,
                &format!("leak/{name}.txt"),
                words(200 + 10 * i + name, 900),
            );
        }
        assert_eq!(tally(&index())[2], 8);
    }
    for name in 0..8 {
        write(folder, &format!("leak/{name}.txt"), words(name, 90));
    }
    index();
    assert!(len(&journal) < 2 * size, "{} of {size}", len(&journal));
    let [by_time, by_digest, afresh] = tally(&index());
    assert_eq!((by_time + by_digest, afresh), (resumed + 1, 0));
    let index = fs::read(folder.join("leak.lpx")).unwrap();
    assert!(index == fresh(folder, &KEY));
}

#[test]
fn damage_to_the_journal_costs_only_work() {
    let temporary = folder();
    let folder = temporary.path();
    let options = [&INDEX[..], &KEY].concat();
    done(folder, &options);
    let index = fs::read(folder.join("leak.lpx")).unwrap();
    assert!(index == fresh(folder, &KEY));
    let path = folder.join("leak.lpx.resume");
    let journal = fs::read(&path).unwrap();
    let again = |bytes: &[u8], what: &str| {
        fs::write(&path, bytes).unwrap();
        let (out, err) = done(folder, &options);
        assert!(
            fs::read(folder.join("leak.lpx")).unwrap() == index,
            "{what}"
        );
        // The damaged record has been restored.
        let [by_time, by_digest, afresh] = tally(&done(folder, &options).0);
        assert!(by_time + by_digest > 10 && afresh == 0, "{what}");
        (tally(&out)[2], err)
    };
    // Truncated in the header, after it, in the last record, and with trailing garbage.
    assert!(again(&journal[..5], "5 bytes").0 > 10);
    assert!(again(&journal[..100], "100 bytes").0 > 10);
    assert_eq!(again(&journal[..journal.len() - 1], "a byte less").0, 1);
    let garbage = [&journal[..], &[0; 700], &journal[..300]].concat();
    assert_eq!(again(&garbage, "garbage").0, 0);
    // A flipped bit in the header, and at several places in the records.
    let (_, said) = again(&flipped(&journal, 40), "the head");
    assert!(said.contains("damaged at its beginning"), "{said}");
    for part in 1..8 {
        let at = journal.len() * part / 8;
        let (afresh, said) = again(&flipped(&journal, at), "a record");
        assert!((1..=2).contains(&afresh), "at {at}: {afresh}");
        assert!(said.contains("damaged"), "at {at}: {said}");
    }
    // A missing piece, and a piece overwritten by another.
    let middle = journal.len() / 2;
    let cut = [&journal[..middle], &journal[middle + 999..]].concat();
    assert!(again(&cut, "a hole").0 > 1);
    let mut moved = journal.clone();
    moved.copy_within(middle.., middle - 500);
    assert!(again(&moved, "moved").0 > 1);
}

fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 4;
    bytes
}

#[test]
fn other_settings_start_over_and_say_so() {
    let temporary = folder();
    let folder = temporary.path();
    let all = {
        let (out, said) = done(folder, &[&INDEX[..], &KEY].concat());
        assert!(!said.contains("another"), "{said}");
        tally(&out)[2]
    };
    for (options, what) in [
        (&["--key", "other"][..], "another key:"),
        (&["--key", "other", "--window", "12"], "another recipe:"),
        (&["--key", "key"], "another key and recipe:"),
    ] {
        let (out, said) = done(folder, &[&INDEX[..], options].concat());
        assert!(said.contains(what), "{said}");
        assert_eq!(tally(&out), [0, 0, all]);
        assert!(fs::read(folder.join("leak.lpx")).unwrap() == fresh(folder, options));
    }
    // A random key is in the index and in the journal, and is kept.
    done(folder, &INDEX);
    let index = fs::read(folder.join("leak.lpx")).unwrap();
    fs::remove_file(folder.join("leak.lpx")).unwrap();
    assert_eq!(tally(&done(folder, &INDEX).0)[2], 0);
    assert!(fs::read(folder.join("leak.lpx")).unwrap() == index);
    let (_, said) = done(folder, &[&INDEX[..], &KEY].concat());
    assert!(said.contains("another key:"), "{said}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let journal = fs::metadata(folder.join("leak.lpx.resume")).unwrap();
        assert_eq!(journal.permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn one_run_at_a_time_and_no_other_file_is_overwritten() {
    let temporary = folder();
    let folder = temporary.path();
    let journal = folder.join("leak.lpx.resume");
    let child = start(folder, &INDEX);
    wait_for(&journal, 1);
    assert!(refused(folder, &INDEX).contains("another run is using it"));
    kill(child);
    done(folder, &INDEX);
    fs::write(&journal, "somebody's notes").unwrap();
    assert!(refused(folder, &INDEX).contains("is no journal"));
    assert_eq!(fs::read(&journal).unwrap(), b"somebody's notes");
    write(folder, "posts.jsonl", line("p", "hello"));
    done(folder, &["match", "leak.lpx", "posts", "-o", "found.jsonl"]);
    let output = fs::read(folder.join("found.jsonl")).unwrap();
    let on = |file| {
        [
            "match",
            "leak.lpx",
            "--jsonl",
            "posts.jsonl",
            "--resume",
            "-o",
            file,
        ]
    };
    assert!(refused(folder, &on("found.jsonl")).contains("not written with --resume"));
    assert_eq!(fs::read(folder.join("found.jsonl")).unwrap(), output);
    assert!(!folder.join("found.jsonl.resume").exists());
    for file in ["posts.jsonl", "leak.lpx"] {
        assert!(refused(folder, &on(file)).contains("would overwrite"));
    }
    refused(folder, &["match", "leak.lpx", "posts", "--resume"]);
    let table = ["--format", "table"];
    refused(folder, &[&on("table.txt")[..], &table].concat());
    done(
        folder,
        &[
            "match",
            "leak.lpx",
            "posts",
            "-o",
            "table.txt",
            "--format",
            "table",
        ],
    );
    assert!(
        fs::read_to_string(folder.join("table.txt"))
            .unwrap()
            .contains("posts/0.txt\n")
    );
}

#[test]
fn every_query_of_killed_runs_is_answered_once_and_in_order() {
    let temporary = folder();
    let folder = temporary.path();
    let index = fresh(folder, &KEY);
    let options = [
        "match",
        "fresh.lpx",
        "posts",
        "missing",
        "--min",
        "possible",
        "--key",
        "key",
    ];
    let resume = [&options[..], &["-o", "found.jsonl", "--resume"]].concat();
    let errors = ["--errors", "resumed.jsonl"];
    let said = killed_and_finished(
        folder,
        &[&resume[..], &errors, &["--threads", "2"]].concat(),
        "found.jsonl.resume",
    );
    assert!(
        said.contains("found.jsonl.resume: ") && !said.contains(": 0 unchanged"),
        "{said}"
    );
    let found = || fs::read_to_string(folder.join("found.jsonl")).unwrap();
    let plain = |more: &[&str]| done(folder, &[&options[..], more].concat()).0;
    let expected = plain(&["--jsonl", "lines.jsonl", "--errors", "plain.jsonl"]);
    assert_eq!(found().replace("\"-:2\"", "\"lines.jsonl:2\""), expected);
    assert_eq!(expected.lines().count(), 16);
    assert!(
        expected
            .lines()
            .filter(|line| line.contains("\"item\""))
            .count()
            >= 10
    );
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    assert_eq!(
        read("resumed.jsonl").replace("\"-:2\"", "\"lines.jsonl:2\""),
        read("plain.jsonl")
    );

    // An incomplete line, more lines than queries, a modified line.
    let whole = plain(&[]);
    let changed = whole.replacen("posts/3", "posts/9", 1);
    for there in [
        &whole[..whole.len() / 2],
        &(whole.clone() + &whole),
        &changed,
        "",
    ] {
        fs::write(folder.join("found.jsonl"), there).unwrap();
        done(folder, &resume);
        assert_eq!(found(), whole);
    }

    // Changed, deleted and new queries.
    write(
        folder,
        "posts/1.txt",
        format!("now this: {}", &words(4, 90)[..500]),
    );
    fs::remove_file(folder.join("posts/2.txt")).unwrap();
    write(folder, "posts/11.txt", "nothing");
    let (_, said) = done(folder, &resume);
    assert_eq!(found(), plain(&[]));
    // The new one, the changed one, and the missing one, which may be there next time.
    assert!(said.contains(" 3 matched"), "{said}");

    // Another index, and other options.
    let before = found();
    write(folder, "leak/new.txt", words(300, 90));
    fresh(folder, &KEY);
    let message = refused(folder, &resume);
    assert!(
        message.contains("another index:") && message.contains("remove it"),
        "{message}"
    );
    fs::write(folder.join("fresh.lpx"), &index).unwrap();
    let weaker = resume
        .iter()
        .map(|&word| if word == "possible" { "strong" } else { word });
    let weaker: Vec<_> = weaker.collect();
    assert!(refused(folder, &weaker).contains("another options:"));
    assert_eq!(found(), before);
    done(folder, &resume);
    assert_eq!(found(), before);
}

#[test]
fn a_deleted_drawing_is_drawn_again() {
    let temporary = folder();
    let folder = temporary.path();
    fresh(folder, &KEY);
    let options = [
        "match",
        "fresh.lpx",
        "posts",
        "--key",
        "key",
        "--draw",
        "drawn",
    ];
    let resume = [&options[..], &["-o", "found.jsonl", "--resume"]].concat();
    done(folder, &resume);
    let expected = done(folder, &options).0;
    assert_eq!(
        fs::read_to_string(folder.join("found.jsonl")).unwrap(),
        expected
    );
    let drawing = folder.join("drawn/posts%2Fp1.png.png");
    let before = fs::read(&drawing).unwrap();
    fs::remove_file(&drawing).unwrap();
    let (_, said) = done(folder, &resume);
    assert!(said.contains(" 1 matched"), "{said}");
    assert_eq!(fs::read(&drawing).unwrap(), before);
}
