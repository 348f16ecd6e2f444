//! Reloading and shutting down without a dropped request, and the load program.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use image::ImageFormat;
use leakprint::collection::{CollectionWriter, NewItem, WriterOptions};
use serde_json::Value;

use crate::client::{Request, connect};
use crate::programs::program;
use crate::service::{MEMO, MERGER, Service, TIMEOUT, encode, json, names, picture, token};

fn add(writer: &CollectionWriter, name: &str, text: &str) {
    let fingerprinter = writer.collection().fingerprinter().unwrap();
    let print = fingerprinter.fingerprint_text(text).unwrap();
    writer.add(NewItem::new(name, print)).unwrap();
}

/// Stops the client threads even if a test fails: a scope waits for its threads.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn reloading_the_changes_of_another_process_drops_no_request() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let path = folder.join("leak");
    let writer = CollectionWriter::open(&path, WriterOptions::default()).unwrap();
    add(&writer, "memo", MEMO);
    let token = token(folder);
    let service = Service::with(
        folder,
        &["--token-file", &token, "--follow", "--follow-ms", "3600000"],
    );
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let stopping = StopOnDrop(&stop);
        let requests: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = service.client();
                    let mut sent = 0;
                    while !stop.load(Ordering::Relaxed) {
                        let request = Request {
                            method: "POST",
                            path: "/v1/match",
                            headers: &[("content-type", "text/plain")],
                            body: MEMO.as_bytes(),
                        };
                        let response = client.send(&request).unwrap();
                        assert_eq!(response.status, 200);
                        assert!(names(&json(&response)).contains(&"memo".to_owned()));
                        sent += 1;
                    }
                    sent
                })
            })
            .collect();
        for round in 0..20 {
            let text = format!("{round} {MERGER} {round}");
            let name = format!("merger {round}");
            add(&writer, &name, &text);
            if round % 5 == 4 {
                writer.compact().unwrap();
            }
            // The writer may merge in the background: another process can see the generation of a
            // merge before the writer's own snapshot is replaced.
            let before = writer.collection().snapshot().generation();
            let response = service.request("POST", "/v1/reload", b"");
            assert_eq!(
                (response.status, &json(&response)["reloaded"]),
                (200, &Value::Bool(true))
            );
            let reloaded = json(&response)["generation"].as_u64().unwrap();
            assert!(reloaded >= before, "{reloaded} after {before}");
            assert!(service.finds(&text).contains(&name), "{name}");
            writer.remove(&[name]).unwrap();
        }
        // After a full merge, no background merge can create another generation.
        writer.compact().unwrap();
        let response = service.request("POST", "/v1/reload", b"");
        assert_eq!(json(&response)["items"], 1);
        let response = service.request("POST", "/v1/reload", b"");
        assert_eq!(json(&response)["reloaded"], false);
        drop(stopping);
        for request in requests {
            assert!(request.join().unwrap() > 0);
        }
    });

    // Another collection replaces the first one.
    drop(writer);
    std::fs::rename(&path, folder.join("old")).unwrap();
    let writer = CollectionWriter::open(&path, WriterOptions::default()).unwrap();
    add(&writer, "merger", MERGER);
    assert_eq!(service.request("POST", "/v1/reload", b"").status, 200);
    assert_eq!(service.finds(MERGER), ["merger"]);
    assert!(service.finds(MEMO).is_empty());
    // No collection at all: the previous one is still searched.
    drop(writer);
    std::fs::rename(&path, folder.join("older")).unwrap();
    assert_eq!(service.request("POST", "/v1/reload", b"").status, 500);
    assert_eq!(service.finds(MERGER), ["merger"]);
    service.stop();
}

#[test]
fn changes_of_another_process_are_picked_up_automatically() {
    let folder = tempfile::tempdir().unwrap();
    let writer = CollectionWriter::open(folder.path().join("leak"), WriterOptions::default());
    let writer = writer.unwrap();
    let service = Service::with(folder.path(), &["--follow-ms", "20"]);
    add(&writer, "memo", MEMO);
    let until = Instant::now() + TIMEOUT;
    while service.finds(MEMO) != ["memo"] {
        assert!(Instant::now() < until, "the change is not picked up");
        std::thread::sleep(Duration::from_millis(10));
    }
    service.stop();
}

#[test]
fn accepted_requests_are_finished_at_shutdown() {
    let folder = tempfile::tempdir().unwrap();
    let mut service = Service::start(folder.path(), &["--threads", "1"]);
    service.put("memo.txt", MEMO.as_bytes());
    let slow = encode(&picture(1500, 6), ImageFormat::Jpeg);
    // An idle connection must not delay the shutdown.
    let mut idle = service.client();
    let health = Request {
        method: "GET",
        path: "/healthz",
        headers: &[],
        body: b"",
    };
    assert_eq!(idle.send(&health).unwrap().status, 200);
    std::thread::scope(|scope| {
        let requests: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| service.request("POST", "/v1/match", &slow)))
            .collect();
        // All three are in, beside the question itself, unless they are answered already.
        let is_in = || {
            let metrics = service.request("GET", "/metrics", b"").body;
            let metrics = String::from_utf8(metrics).unwrap();
            metrics.contains("leakprint_in_flight_requests 4\n")
                || metrics.contains("route=\"/v1/match\",status=\"200\"} 3\n")
        };
        while !is_in() {
            std::thread::sleep(Duration::from_millis(1));
        }
        service.terminate();
        for request in requests {
            assert_eq!(request.join().unwrap().status, 200);
        }
    });
    assert!(service.wait().success());
    assert!(connect(&service.address, TIMEOUT).is_err());
}

/// The load program checks every response: as in the README, but shorter.
#[test]
fn the_load_program_finds_no_fault() {
    let output = Command::new(program("load"))
        .args(["--seconds", "2", "--rounds", "1", "--connections", "4"])
        .args(["--items", "2", "--pictures", "50"])
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{out}{errors}");
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["unexpected"], 0);
    assert_eq!(report["missed"], 0, "the library finds the copies");
    for kind in [
        "text",
        "picture",
        "add",
        "mark",
        "reload",
        "oversized",
        "hostile",
    ] {
        assert!(
            report["latencies"][kind]["requests"].as_u64() > Some(0),
            "{kind}"
        );
    }
    assert_eq!(report["stopped"][0], true);
}
