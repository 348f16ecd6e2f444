//! The single-file examples: each runs, and prints what it demonstrates.

mod programs;

use std::path::Path;
use std::process::Command;

use leakprint::{Executor, Fingerprinter, IndexWriter};

use programs::program;

/// The output of an example.
fn printed(name: &str, arguments: &[&Path]) -> String {
    let output = Command::new(program(name))
        .args(arguments)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{name}: {errors}");
    assert_eq!(errors, "", "{name}");
    String::from_utf8(output.stdout).unwrap()
}

fn assert_lines(name: &str, expected: &[&str]) {
    let printed = printed(name, &[]);
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.len(), expected.len(), "{name}: {printed}");
    for (line, expected) in lines.iter().zip(expected) {
        // A star for a number that the key decides.
        let mut pieces = expected.split('*');
        let rest = line.strip_prefix(pieces.next().unwrap_or_default());
        let mut rest = rest.unwrap_or_else(|| panic!("{name}: {line:?}, not {expected:?}"));
        for piece in pieces {
            rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
            let after = rest.strip_prefix(piece);
            rest = after.unwrap_or_else(|| panic!("{name}: {line:?}, not {expected:?}"));
        }
        assert_eq!(rest, "", "{name}: {line:?}, not {expected:?}");
    }
}

#[test]
fn background_discounts_common_text() {
    assert_lines(
        "background",
        &[
            "without background:",
            "  an innocent mail with the same footer: a match, * letters, 0 of them discounted",
            "  a copy of the leaked mail: a match, * letters, 0 of them discounted",
            "with background:",
            "  an innocent mail with the same footer: nothing",
            "  a copy of the leaked mail: a match, * letters, * of them discounted",
        ],
    );
}

#[test]
fn a_collection_changes_while_a_snapshot_stays() {
    assert_lines(
        "collection",
        &[
            "2 items: memo.txt (film), strong",
            "after the removal, the old snapshot: memo.txt (film), strong",
            "1 item, the new snapshot: nothing",
            "the other item: merger.txt (finance), certain",
        ],
    );
}

#[test]
fn a_deadline_and_a_token_end_a_search() {
    assert_lines(
        "deadline",
        &[
            "an ordinary upload: matches: 1",
            "a huge one, 2 ms: out of time: limit time_ms = 2 exceeded: reading took more than three quarters of it",
            "a huge one, cancelled: cancelled by the caller",
            "the next upload: matches: 1",
        ],
    );
}

#[test]
fn a_false_match_is_not_reported_again() {
    assert_lines(
        "false_matches",
        &[
            "at first: matches of the report: 1",
            "at first: matches of the copy: 1",
            "the report is marked: matches of the report: 0",
            "the report is marked: matches of the copy: 1",
            "the text is marked: matches of the report: 0",
            "the text is marked: matches of the copy: 0",
            "drafts/statement.txt: one upload, by ada: a press report",
            "drafts/statement.txt: every upload, by ada: published on the *th",
        ],
    );
}

#[test]
fn a_recogniser_finds_text_in_a_picture() {
    assert_lines(
        "recogniser",
        &[
            "without a recogniser: matches: 0",
            "with one: memo.txt, * letters, * x * pixels at *, *",
        ],
    );
}

#[test]
fn a_reload_interrupts_no_query() {
    assert_lines(
        "reload",
        &[
            "before: items: 1, matches of the memo: 0",
            "reloaded: items: 2, matches of the memo: 1",
            "refused: this is no leakprint index: it does not begin with the magic bytes",
            "still in use: items: 2, matches of the memo: 1",
            "every upload was answered: true",
        ],
    );
}

#[test]
fn the_ten_lines_in_an_upload_service() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let memo = "The winter slate moves by six weeks, and Lighthouse opens in fourteen territories \
        with no press screening before the Wednesday, even though it tested at seventy-one.";
    let fingerprinter = Fingerprinter::builder().build().unwrap();
    let mut writer = IndexWriter::from(&fingerprinter);
    let print = fingerprinter.fingerprint_text(memo).unwrap();
    writer.add("memo.txt", &print).unwrap();
    writer.save(at("leak.lpx"), &Executor::serial()).unwrap();
    std::fs::write(at("post.txt"), format!("they say: {memo}")).unwrap();
    std::fs::write(at("other.txt"), "new shoes day, best day").unwrap();
    std::fs::write(at("empty.txt"), "").unwrap();

    let names = [
        "leak.lpx",
        "post.txt",
        "other.txt",
        "empty.txt",
        "missing.txt",
    ]
    .map(at);
    let arguments: Vec<&Path> = names.iter().map(|path| path.as_path()).collect();
    let printed = printed("embed", &arguments);
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.len(), 4, "{printed}");
    assert!(
        lines[0].ends_with("post.txt: memo.txt, strong: text"),
        "{printed}"
    );
    assert!(lines[1].ends_with("other.txt: nothing"), "{printed}");
    assert!(lines[2].contains("empty.txt: not read: "), "{printed}");
    assert!(lines[3].contains("missing.txt: not read: "), "{printed}");
}

/// It fails if it finds less or more than it should.
#[test]
fn the_quickstart_finds_all_and_nothing_else() {
    let printed = printed("quickstart", &[]);
    assert!(printed.contains("found 15 of 15 posts that show the leak, 0 false matches"));
    for words in [
        "tweet.png        a screenshot of a tweet that shows that part\n    -> screens/01.png, ",
        "lunch.png        a look-alike: another mail in the same program\n    -> nothing",
        "letters in order: \"",
        "of 512 hash bits differ",
    ] {
        assert!(printed.contains(words), "{words}: {printed}");
    }
}
