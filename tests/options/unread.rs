//! An unread part never counts as "nothing found".

use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;

use super::{MEMO, done, folder, outcome, parse, write};

/// A ZIP archive in which the named files claim to be encrypted.
fn archive(files: &[(&str, &str)], encrypted: &[&str]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, content) in files {
        zip.start_file(*name, options).unwrap();
        zip.write_all(content.as_bytes()).unwrap();
    }
    let mut bytes = zip.finish().unwrap().into_inner();
    // The flag in both headers of each file.
    for (magic, flag, name_at) in [(b"PK\x03\x04", 6, 30), (b"PK\x01\x02", 8, 46)] {
        let places: Vec<usize> = (0..bytes.len())
            .filter(|&at| bytes[at..].starts_with(magic))
            .collect();
        for at in places {
            let name = &bytes[at + name_at..];
            if encrypted.iter().any(|own| name.starts_with(own.as_bytes())) {
                bytes[at + flag] |= 1;
            }
        }
    }
    bytes
}

#[test]
fn an_encrypted_part_is_never_nothing() {
    let folder = folder();
    let folder = folder.path();
    let files = [
        ("harmless.txt", "new shoes day, best day"),
        ("secret.txt", MEMO),
    ];
    write(folder, "part.zip", archive(&files, &["secret.txt"]));
    write(
        folder,
        "all.zip",
        archive(&files, &["secret.txt", "harmless.txt"]),
    );
    write(
        folder,
        "found.zip",
        archive(&[("lock.txt", "x"), ("memo.txt", MEMO)], &["lock.txt"]),
    );

    let arguments = [
        "match",
        "leak.lpx",
        "part.zip",
        "all.zip",
        "found.zip",
        "posts/b.txt",
    ];
    let lines = parse(&done(folder, &arguments));
    assert_eq!(lines[0]["matches"], serde_json::json!([]));
    assert_eq!(lines[0]["warnings"][0]["part"], "member:2");
    assert!(
        lines[0]["warnings"][0]["message"]
            .as_str()
            .unwrap()
            .contains("password")
    );
    assert!(
        lines[1]["error"]["message"]
            .as_str()
            .unwrap()
            .contains("password"),
        "{}",
        lines[1]
    );
    assert_eq!(lines[2]["matches"][0]["item"], "leak/memo.txt");
    assert_eq!(lines[2]["warnings"][0]["part"], "member:1");
    assert!(lines[3]["warnings"].is_null());

    let table = done(folder, &[&arguments[..], &["--format", "table"]].concat());
    let of = |name: &str| -> Vec<&str> {
        let lines = table.lines().skip_while(move |line| *line != name).skip(1);
        lines
            .take_while(|line| line.starts_with(' '))
            .map(str::trim)
            .collect()
    };
    assert_eq!(of("part.zip")[0], "nothing in what was read");
    assert!(
        of("part.zip")[1].starts_with("not read: member:2: "),
        "{table}"
    );
    assert!(of("part.zip")[1].contains("password"), "{table}");
    assert!(
        of("all.zip").iter().all(|line| !line.contains("nothing")),
        "{table}"
    );
    assert!(of("all.zip")[0].contains("password"), "{table}");
    assert!(
        of("found.zip")
            .last()
            .unwrap()
            .starts_with("not read: member:1: "),
        "{table}"
    );
    assert_eq!(of("posts/b.txt"), ["nothing"]);

    for (query, code) in [
        ("part.zip", 2),
        ("all.zip", 2),
        ("found.zip", 0),
        ("posts/b.txt", 1),
    ] {
        let (status, ..) = outcome(folder, &["match", "leak.lpx", query, "--exit-code"]);
        assert_eq!(status, Some(code), "{query}");
    }
    // Also if the answer comes from the journal.
    let resumed = [
        "match",
        "leak.lpx",
        "part.zip",
        "-o",
        "o",
        "--resume",
        "--exit-code",
    ];
    for _ in 0..2 {
        assert_eq!(outcome(folder, &resumed).0, Some(2));
    }
    let (code, out, err) = outcome(folder, &["index", "part.zip", "-o", "x.lpx"]);
    assert_eq!((code, &parse(&out)[0]["warnings"]), (Some(0), &1.into()));
    assert!(err.contains("part.zip#member:2: warning: "), "{err}");
}
