//! Queries: every route, the same lines as on the command line, metrics and log.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use image::ImageFormat;
use serde_json::Value;

use crate::programs::program;
use crate::service::{MEMO, MERGER, Service, encode, json, kind, names, picture};

#[test]
fn the_api_description_lists_exactly_the_routes() {
    let output = Command::new(program("serve")).arg("--routes").output();
    let text = String::from_utf8(output.unwrap().stdout).unwrap();
    let routes: BTreeSet<String> = text.lines().map(str::to_owned).collect();

    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), &[]);
    let description = json(&service.request("GET", "/openapi.json", b""));
    let mut described = BTreeSet::new();
    for (path, operations) in description["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            if method == "parameters" {
                continue;
            }
            let method = method.to_uppercase();
            described.insert(format!("{method} {path}"));
            // The status is one of those described.
            let path = path.replace("{name}", "no/such%20item");
            let response = service.request(&method, &path, b"");
            let status = response.status.to_string();
            let statuses = operation["responses"].as_object().unwrap();
            assert!(statuses.contains_key(&status), "{method} {path}: {status}");
        }
    }
    assert_eq!(described, routes);
    // Every reference resolves.
    let text = description.to_string();
    for part in text.split("\"$ref\":\"#/").skip(1) {
        let pointer = format!("/{}", part.split('"').next().unwrap());
        assert!(description.pointer(&pointer).is_some(), "{pointer}");
    }

    let response = service.request("GET", "/v2", b"");
    assert_eq!(
        (response.status, kind(&response).as_str()),
        (404, "not_found")
    );
    let response = service.request("PATCH", "/v1/match", b"");
    assert_eq!(
        (response.status, kind(&response).as_str()),
        (405, "method_not_allowed")
    );
    assert_eq!(response.header("allow"), Some("POST"));
    service.stop();
}

#[test]
fn a_response_is_the_line_of_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let service = Service::start(folder, &[]);
    let original = picture(640, 5);
    service.put("memo.txt?label=slate&tag=case=7", MEMO.as_bytes());
    service.put("merger.txt", MERGER.as_bytes());
    service.put("photo.png", &encode(&original, ImageFormat::Png));

    fs::create_dir(folder.join("q")).unwrap();
    let mail = format!("From: a@b.example\nSubject: look\n\nIt says:\n\n{MEMO}\n\n{MERGER}\n");
    let queries = [
        ("q/a post.txt", format!("no way: {MEMO}").into_bytes()),
        ("q/copy.jpg", encode(&original, ImageFormat::Jpeg)),
        ("q/mail.eml", mail.into_bytes()),
        ("q/nothing.txt", b"snow in the north, they say".to_vec()),
        ("q/what.bin", vec![0, 159, 146, 150, 1, 2, 3]),
    ];
    let mut command = Command::new(program("leakprint"));
    command.current_dir(folder).args(["match", "leak"]);
    for (name, bytes) in &queries {
        fs::write(folder.join(name), bytes).unwrap();
        command.arg(name);
    }
    let output = command.output().unwrap();
    assert!(output.status.success());
    let lines = String::from_utf8(output.stdout).unwrap();
    for ((name, bytes), line) in queries.iter().zip(lines.lines()) {
        let path = format!("/v1/match?name={}", name.replace(' ', "%20"));
        let response = service.request("POST", &path, bytes);
        assert_eq!(response.header("content-type"), Some("application/json"));
        let body = String::from_utf8(response.body.clone()).unwrap();
        // The error of the command line contains the path of the file, which the service does not know.
        match json(&response)["error"].is_null() {
            true => assert_eq!(
                (response.status, body.as_str()),
                (200, &*format!("{line}\n"))
            ),
            false => {
                assert_eq!(response.status, 422);
                let line: Value = serde_json::from_str(line).unwrap();
                assert_eq!(kind(&response), line["error"]["kind"]);
                assert_eq!(json(&response)["matches"], line["matches"]);
                assert_eq!(json(&response)["query"], *name);
            }
        }
    }
    assert_eq!(lines.lines().count(), queries.len());
    assert!(lines.contains("\"label\":\"slate\"") && lines.contains("\"kind\":\"image\""));

    // The name in a header, weak matches, no name.
    let named = [("x-file-name", "Überfall.txt")];
    let response = service.request_with(&named, "POST", "/v1/match", MEMO.as_bytes());
    assert_eq!(json(&response)["query"], "Überfall.txt");
    let short = &MEMO[..75];
    assert!(service.finds(short).is_empty());
    let response = service.request("POST", "/v1/match?min=possible", short.as_bytes());
    assert_eq!(names(&json(&response)), ["memo.txt"]);
    assert_eq!(json(&response)["query"], "");
    for bad in ["/v1/match?min=sure", "/v1/match?nmae=x"] {
        let response = service.request("POST", bad, b"x");
        assert_eq!(
            (response.status, kind(&response).as_str()),
            (400, "invalid_input")
        );
    }
    service.stop();
}

#[test]
fn metrics_and_log_contain_no_content() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), &[]);
    service.put("secret-name.txt?note=hush", MEMO.as_bytes());
    assert_eq!(service.finds(MEMO), ["secret-name.txt"]);
    let photo = encode(&picture(300, 1), ImageFormat::Jpeg);
    let id = [("x-request-id", "mine-1")];
    let response = service.request_with(&id, "POST", "/v1/match?name=private.jpg", &photo);
    assert_eq!(response.header("x-request-id"), Some("mine-1"));
    service.request("POST", "/v1/match", b"\0\x01\x02");
    service.request("GET", "/nowhere/secret-path", b"");

    let response = service.request("GET", "/metrics", b"");
    let metrics = String::from_utf8(response.body).unwrap();
    for line in [
        "leakprint_items 1",
        "leakprint_matches_total{strength=\"certain\"} 1",
        "leakprint_errors_total{kind=\"unsupported\"} 1",
        "leakprint_errors_total{kind=\"not_found\"} 1",
        "leakprint_queue_depth{lane=\"short\"} 0",
        "leakprint_body_bytes 0",
        "leakprint_requests_total{method=\"PUT\",route=\"/v1/items/{*name}\",status=\"201\"} 1",
        "leakprint_requests_total{method=\"POST\",route=\"/v1/match\",status=\"200\"} 2",
        "leakprint_stage_seconds_count{stage=\"queue\",media=\"text\"} 1",
        "leakprint_stage_seconds_count{stage=\"fingerprint\",media=\"picture\"} 1",
        "leakprint_stage_seconds_count{stage=\"match\",media=\"text\"} 1",
        "leakprint_stage_seconds_count{stage=\"total\",media=\"picture\"} 1",
        "leakprint_in_flight_requests 1",
        "leakprint_connections 1",
        "leakprint_merges_failed_total 0",
        "leakprint_merge_failing 0",
    ] {
        assert!(
            metrics.lines().any(|l| l == line),
            "no {line} in\n{metrics}"
        );
    }
    assert!(metrics.ends_with("# EOF\n"));

    let log = service.stop();
    for secret in [
        "secret",
        "private",
        "slate",
        "Lighthouse",
        "hush",
        "token that",
    ] {
        assert!(!log.contains(secret), "{secret} in\n{log}");
        assert!(!metrics.contains(secret), "{secret} in\n{metrics}");
    }
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let logged = lines.iter().find(|line| line["id"] == "mine-1").unwrap();
    assert_eq!(logged["route"], "/v1/match");
    assert_eq!(logged["status"], 200);
    assert_eq!(logged["media"], "picture");
    assert_eq!(logged["bytes"], photo.len());
    assert_eq!(logged["matches"], 0);
}
