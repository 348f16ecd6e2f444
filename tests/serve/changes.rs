//! Changes of items and false matches: authorisation and durability.

use std::fs;
use std::process::Command;

use image::ImageFormat;
use leakprint::Digest;
use leakprint::collection::{CollectionWriter, Metadata, NewItem, Timestamp, WriterOptions};
use serde_json::json;

use crate::programs::program;
use crate::service::{
    BEARER, MEMO, MERGER, Service, TOKEN, encode, json, kind, lines, names, picture, token,
};

#[test]
fn items_are_added_replaced_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), &[]);
    assert!(service.finds(MEMO).is_empty());

    let path = "/v1/items/mails/2014/the%20memo.txt?label=slate&note=from%20the%20safe&tag=case=7&tag=a=b=c\
                &expires=2999-01-01";
    let response = service.request("PUT", path, MEMO.as_bytes());
    assert_eq!(response.status, 201);
    let added = json(&response);
    assert_eq!(added["item"], "mails/2014/the memo.txt");
    assert_eq!(
        (&added["status"], &added["error"]),
        (&json!("added"), &json!(null))
    );
    assert_eq!(service.finds(MEMO), ["mails/2014/the memo.txt"]);
    let again = service.request("PUT", path, MEMO.as_bytes());
    assert_eq!(
        (again.status, &json(&again)["status"]),
        (200, &json!("unchanged"))
    );

    let response = service.request("GET", "/v1/items/mails/2014/the%20memo.txt", b"");
    let item = json(&response);
    assert_eq!(item["label"], "slate");
    assert_eq!(item["note"], "from the safe");
    assert_eq!(item["tags"], json!({"case": "7", "a": "b=c"}));
    assert_eq!(item["expires"], "2999-01-01T00:00:00Z");
    assert_eq!(lines(&service.request("GET", "/v1/items", b"")), [item]);

    for (path, body) in [
        ("x?tag=nothing", MEMO),
        ("x?expires=soon", MEMO),
        ("x?expires=2001-01-01", MEMO),
        ("x?lable=x", MEMO),
        (&format!("x?note={}", "n".repeat(66_000)), MEMO),
    ] {
        let response = service.request("PUT", &format!("/v1/items/{path}"), body.as_bytes());
        assert!(
            [400, 422, 431, 414].contains(&response.status),
            "{}",
            response.status
        );
    }
    let response = service.request("PUT", "/v1/items/x", b"\0\x01\x02");
    assert_eq!(
        (response.status, kind(&response).as_str()),
        (422, "unsupported")
    );

    let response = service.request("DELETE", "/v1/items/mails/2014/the%20memo.txt", b"");
    assert_eq!(
        (response.status, &json(&response)["status"]),
        (200, &json!("removed"))
    );
    assert!(service.finds(MEMO).is_empty());
    let response = service.request("DELETE", "/v1/items/mails/2014/the%20memo.txt", b"");
    assert_eq!(
        (response.status, kind(&response).as_str()),
        (404, "not_found")
    );
    assert_eq!(json(&response)["status"], "absent");
    let response = service.request("GET", "/v1/items/mails/2014/the%20memo.txt", b"");
    assert_eq!(
        (response.status, kind(&response).as_str()),
        (404, "not_found")
    );
    service.stop();
}

#[test]
fn an_expiry_time_in_the_past_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), &[]);
    let path = "/v1/items/old.txt?expires=2001-01-01";
    let response = service.request("PUT", path, MEMO.as_bytes());
    assert_eq!(
        (response.status, kind(&response).as_str()),
        (400, "invalid_input")
    );
    let message = json(&response)["error"]["message"].to_string();
    let expected = "2001-01-01T00:00:00Z is in the past, it is 2";
    assert!(message.contains(expected), "{message}");
    assert!(service.request("GET", "/v1/items", b"").body.is_empty());
    service.stop();
}

/// The item expired after the owner had added it.
#[test]
fn an_expired_item_is_listed_and_not_matched() {
    let folder = tempfile::tempdir().unwrap();
    let options = WriterOptions::default();
    let writer = CollectionWriter::open(folder.path().join("leak"), options).unwrap();
    let fingerprinter = writer.collection().fingerprinter().unwrap();
    let mut metadata = Metadata::added("2000-01-01".parse().unwrap());
    metadata.expires = Some("2001-01-01".parse().unwrap());
    for (name, text, metadata) in [
        ("old.txt", MERGER, metadata),
        ("memo.txt", MEMO, Metadata::added(Timestamp::now())),
    ] {
        let print = fingerprinter.fingerprint_text(text).unwrap();
        let item = NewItem::new(name, print).with_metadata(metadata);
        writer.add(item).unwrap();
    }
    drop(writer);

    let service = Service::start(folder.path(), &[]);
    assert!(service.finds(MERGER).is_empty());
    assert_eq!(service.finds(MEMO), ["memo.txt"]);
    let response = service.request("GET", "/v1/items/old.txt", b"");
    assert_eq!(json(&response)["expires"], "2001-01-01T00:00:00Z");
    service.stop();
}

#[test]
fn concurrent_additions_are_listed_and_merged() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), &[]);
    // From several clients at once, so that additions share syncs.
    std::thread::scope(|scope| {
        for side in 0..4 {
            let service = &service;
            scope.spawn(move || {
                for i in 0..30 {
                    let note = "a long note, ".repeat(60);
                    let path = format!("/v1/items/{side}/{i}?note={}", note.replace(' ', "%20"));
                    let item = format!("{side} {i} {MEMO}");
                    assert_eq!(service.request("PUT", &path, item.as_bytes()).status, 201);
                }
            });
        }
    });
    let response = service.request("POST", "/v1/compact", b"");
    assert_eq!(response.status, 202);
    assert!(
        service
            .finds(&format!("2 7 {MEMO}"))
            .contains(&"2/7".to_owned())
    );
    let response = service.request("GET", "/v1/items", b"");
    assert_eq!(
        response.header("content-type"),
        Some("application/x-ndjson")
    );
    assert_eq!(lines(&response).len(), 120);
    service.stop();
}

#[test]
fn changes_need_the_token() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let writes = [
        ("PUT", "/v1/items/x"),
        ("DELETE", "/v1/items/x"),
        ("POST", "/v1/false-matches?item=x&by=me&why=so"),
        ("DELETE", "/v1/false-matches?item=x&item_part="),
        ("POST", "/v1/reload"),
        ("POST", "/v1/compact"),
    ];
    let service = Service::start(folder, &[]);
    service.put("x", MEMO.as_bytes());
    let cut = format!("Bearer {}", &TOKEN[..TOKEN.len() - 1]);
    let longer = format!("Bearer {TOKEN}s");
    let basic = format!("Basic {TOKEN}");
    for (method, path) in writes {
        for value in ["", "Bearer", "Bearer ", &cut, &longer, &basic, TOKEN] {
            let headers = [("authorization", value)];
            let response = service.request_with(&headers, method, path, MERGER.as_bytes());
            assert_eq!(
                (response.status, kind(&response).as_str()),
                (401, "unauthorized"),
                "{method} {path} as {value:?}"
            );
            assert_eq!(response.header("www-authenticate"), Some("Bearer"));
        }
    }
    assert_eq!(service.finds(MEMO), ["x"]);
    assert!(service.finds(MERGER).is_empty());
    service.stop();

    // Without a token file the service is read-only, and does not lock the collection.
    let reader = Service::with(folder, &[]);
    let writer = Service::start(folder, &[]);
    for (method, path) in writes {
        let response = reader.request_with(&[BEARER], method, path, MERGER.as_bytes());
        assert_eq!(
            (response.status, kind(&response).as_str()),
            (403, "read_only")
        );
    }
    assert_eq!(reader.finds(MEMO), ["x"]);
    reader.stop();

    // One writer at a time; short tokens are refused.
    let refused = |collection: &str, arguments: &[&str]| {
        let output = Command::new(program("serve"))
            .current_dir(folder)
            .args(["--collection", collection, "--listen", "127.0.0.1:0"])
            .args(arguments)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(output.stdout.is_empty());
        String::from_utf8(output.stderr).unwrap()
    };
    let file = token(folder);
    assert!(refused("leak", &["--token-file", &file]).contains("writing"));
    writer.stop();
    fs::write(folder.join("short"), "password\n").unwrap();
    assert!(refused("leak", &["--token-file", "short"]).contains("guessed"));
    fs::write(folder.join("none"), "\n\n").unwrap();
    assert!(refused("leak", &["--token-file", "none"]).contains("no token"));
    assert!(refused("leak", &["--token-file", "gone"]).contains("gone"));
    assert!(refused("nowhere", &[]).contains("no such folder"));
}

#[test]
fn a_false_match_is_not_reported_again() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let service = Service::start(folder, &[]);
    let photo = picture(640, 9);
    service.put("memo.txt", MEMO.as_bytes());
    service.put("photo.png", &encode(&photo, ImageFormat::Png));
    let copy = encode(&photo, ImageFormat::Jpeg);
    let worse = {
        let mut bytes = Vec::new();
        let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 40);
        photo.write_with_encoder(encoder).unwrap();
        bytes
    };
    let finds = |service: &Service, bytes: &[u8]| {
        names(&json(&service.request("POST", "/v1/match", bytes)))
    };
    let post = format!("An old press release: {MEMO}");
    assert_eq!(finds(&service, post.as_bytes()), ["memo.txt"]);
    assert_eq!(finds(&service, &worse), ["photo.png"]);

    let mark = "/v1/false-matches?item=memo.txt&by=ada&why=published%20in%20May";
    let response = service.request("POST", mark, post.as_bytes());
    assert_eq!(
        (response.status, &json(&response)["status"]),
        (201, &json!("marked"))
    );
    assert!(finds(&service, post.as_bytes()).is_empty());
    assert_eq!(
        service.finds(MEMO),
        ["memo.txt"],
        "the mark is for one text only"
    );

    // A picture in any encoding; a mark as JSON.
    let mark = "/v1/false-matches?item=photo.png&by=ada&why=stock&of=picture";
    assert_eq!(service.request("POST", mark, &copy).status, 201);
    assert!(finds(&service, &copy).is_empty() && finds(&service, &worse).is_empty());
    let decision = json!({"item": "memo.txt", "by": "bo", "why": "ours", "item_part": ""});
    let headers = [BEARER, ("content-type", "application/json")];
    let body = decision.to_string();
    let response = service.request_with(&headers, "POST", "/v1/false-matches", body.as_bytes());
    assert_eq!(response.status, 201);
    assert!(service.finds(MEMO).is_empty());

    let listed = lines(&service.request("GET", "/v1/false-matches", b""));
    assert_eq!(listed.len(), 3);
    let digest = Digest::of_bytes(post.as_bytes()).to_string();
    let first = listed.iter().find(|mark| mark["digest"] == digest.as_str());
    let first = first.expect("the mark of the post");
    assert_eq!(
        (&first["by"], &first["why"]),
        (&json!("ada"), &json!("published in May"))
    );
    assert!(first["at"].as_str().unwrap().ends_with('Z'));

    for (bad, status) in [
        (json!({"item": "memo.txt", "by": "bo", "why": "x"}), 400),
        (
            json!({"item": "memo.txt", "by": "bo", "why": " ", "item_part": ""}),
            400,
        ),
        (
            json!({"item": "memo.txt", "why": "x", "item_part": ""}),
            400,
        ),
        (
            json!({"item": "gone", "by": "bo", "why": "x", "item_part": ""}),
            404,
        ),
        (
            json!({"item": "memo.txt", "by": "bo", "why": "x", "digest": "ab"}),
            400,
        ),
        (
            json!({"item": "memo.txt", "by": "bo", "why": "x", "digest": 7}),
            400,
        ),
        (json!(["memo.txt"]), 400),
    ] {
        let body = bad.to_string();
        let response = service.request_with(&headers, "POST", "/v1/false-matches", body.as_bytes());
        assert_eq!(response.status, status, "{bad}");
    }

    // A new process knows all marks.
    service.stop();
    let service = Service::start(folder, &[]);
    assert!(finds(&service, post.as_bytes()).is_empty() && finds(&service, &worse).is_empty());
    let undo = "/v1/false-matches?item=memo.txt&item_part=";
    assert_eq!(service.request("DELETE", undo, b"").status, 200);
    assert_eq!(service.request("DELETE", undo, b"").status, 404);
    assert_eq!(service.finds(MEMO), ["memo.txt"]);
    assert!(finds(&service, post.as_bytes()).is_empty());
    service.stop();
}

#[test]
fn a_merge_that_fails_shows_in_the_metrics_until_one_succeeds() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), &[]);
    service.put("memo.txt", MEMO.as_bytes());
    let shows = |expected: [&str; 2]| {
        let metrics = service.request("GET", "/metrics", b"").body;
        let metrics = String::from_utf8(metrics).unwrap();
        expected
            .iter()
            .all(|line| metrics.lines().any(|l| l == *line))
    };
    let wait = |expected: [&str; 2]| {
        let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while !shows(expected) {
            assert!(
                std::time::Instant::now() < end,
                "the metrics never show {expected:?}"
            );
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    };
    let ready = || json(&service.request("GET", "/readyz", b""));
    assert!(shows([
        "leakprint_merges_failed_total 0",
        "leakprint_merge_failing 0"
    ]));
    // The new manifest cannot be written.
    let blocked = folder.path().join("leak/manifest.new");
    fs::create_dir(&blocked).unwrap();
    assert_eq!(service.request("POST", "/v1/compact", b"").status, 202);
    wait([
        "leakprint_merges_failed_total 1",
        "leakprint_merge_failing 1",
    ]);
    assert_eq!(ready()["merge_failure"], "io");
    assert_eq!(service.finds(MEMO), ["memo.txt"]);
    fs::remove_dir(&blocked).unwrap();
    let again = || service.request("POST", "/v1/compact", b"").status == 202;
    while !again() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    wait([
        "leakprint_merges_failed_total 1",
        "leakprint_merge_failing 0",
    ]);
    assert_eq!(ready()["merge_failure"], json!(null));
}
