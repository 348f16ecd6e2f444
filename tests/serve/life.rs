//! Reloading without a dropped request, ending without one, and the load program.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use image::ImageFormat;
use leakprint::collection::{CollectionWriter, NewItem, WriterOptions};
use serde_json::Value;

use crate::client::{Ask, connect};
use crate::programs::program;
use crate::service::{MEMO, MERGER, PATIENCE, Service, encode, json, names, picture, token};

fn add(writer: &CollectionWriter, name: &str, text: &str) {
    let fingerprinter = writer.collection().fingerprinter().unwrap();
    let print = fingerprinter.fingerprint_text(text).unwrap();
    writer.add(NewItem::new(name, print)).unwrap();
}

/// Stops whoever asks, also where a test fails: a scope waits for its threads.
struct Stopping<'a>(&'a AtomicBool);

impl Drop for Stopping<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn another_process_writes_and_no_request_is_dropped() {
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
        let stopping = Stopping(&stop);
        let asks: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = service.client();
                    let mut asked = 0;
                    while !stop.load(Ordering::Relaxed) {
                        let ask = Ask {
                            method: "POST",
                            path: "/v1/match",
                            headers: &[("content-type", "text/plain")],
                            body: MEMO.as_bytes(),
                        };
                        let answer = client.ask(&ask).unwrap();
                        assert_eq!(answer.status, 200);
                        assert!(names(&json(&answer)).contains(&"memo".to_owned()));
                        asked += 1;
                    }
                    asked
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
            // The writer may merge in the background, before the reload or behind it.
            let generation = || writer.collection().snapshot().generation();
            let before = generation();
            let answer = service.ask("POST", "/v1/reload", b"");
            assert_eq!(
                (answer.status, &json(&answer)["reloaded"]),
                (200, &Value::Bool(true))
            );
            let reloaded = json(&answer)["generation"].as_u64().unwrap();
            assert!((before..=generation()).contains(&reloaded), "{reloaded}");
            assert!(service.finds(&text).contains(&name), "{name}");
            writer.remove(&[name]).unwrap();
        }
        // After a full merge there is nothing left to merge in the background, which would be reloaded.
        writer.compact().unwrap();
        let answer = service.ask("POST", "/v1/reload", b"");
        assert_eq!(json(&answer)["items"], 1);
        let answer = service.ask("POST", "/v1/reload", b"");
        assert_eq!(json(&answer)["reloaded"], false);
        drop(stopping);
        for ask in asks {
            assert!(ask.join().unwrap() > 0);
        }
    });

    // Another collection in the place of the first one.
    drop(writer);
    std::fs::rename(&path, folder.join("old")).unwrap();
    let writer = CollectionWriter::open(&path, WriterOptions::default()).unwrap();
    add(&writer, "merger", MERGER);
    assert_eq!(service.ask("POST", "/v1/reload", b"").status, 200);
    assert_eq!(service.finds(MERGER), ["merger"]);
    assert!(service.finds(MEMO).is_empty());
    // None at all: what was in force stays in force.
    drop(writer);
    std::fs::rename(&path, folder.join("older")).unwrap();
    assert_eq!(service.ask("POST", "/v1/reload", b"").status, 500);
    assert_eq!(service.finds(MERGER), ["merger"]);
    service.stop();
}

#[test]
fn what_another_process_writes_is_picked_up_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let writer = CollectionWriter::open(folder.path().join("leak"), WriterOptions::default());
    let writer = writer.unwrap();
    let service = Service::with(folder.path(), &["--follow-ms", "20"]);
    add(&writer, "memo", MEMO);
    let until = Instant::now() + PATIENCE;
    while service.finds(MEMO) != ["memo"] {
        assert!(Instant::now() < until, "it is not picked up");
        std::thread::sleep(Duration::from_millis(10));
    }
    service.stop();
}

#[test]
fn what_was_accepted_is_finished() {
    let folder = tempfile::tempdir().unwrap();
    let mut service = Service::start(folder.path(), &["--threads", "1"]);
    service.put("memo.txt", MEMO.as_bytes());
    let slow = encode(&picture(1500, 6), ImageFormat::Jpeg);
    // An idle connection must not hold it up.
    let mut idle = service.client();
    let health = Ask {
        method: "GET",
        path: "/healthz",
        headers: &[],
        body: b"",
    };
    assert_eq!(idle.ask(&health).unwrap().status, 200);
    std::thread::scope(|scope| {
        let asks: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| service.ask("POST", "/v1/match", &slow)))
            .collect();
        // All three are in, beside the question itself, unless they are answered already.
        let is_in = || {
            let metrics = service.ask("GET", "/metrics", b"").body;
            let metrics = String::from_utf8(metrics).unwrap();
            metrics.contains("leakprint_in_flight_requests 4\n")
                || metrics.contains("route=\"/v1/match\",status=\"200\"} 3\n")
        };
        while !is_in() {
            std::thread::sleep(Duration::from_millis(1));
        }
        service.terminate();
        for ask in asks {
            assert_eq!(ask.join().unwrap().status, 200);
        }
    });
    assert!(service.wait().success());
    assert!(connect(&service.address, PATIENCE).is_err());
}

/// The load program, which looks at every answer: as in the README, but shorter.
#[test]
fn the_load_program_finds_nothing_wrong() {
    let output = Command::new(program("load"))
        .args(["--seconds", "2", "--rounds", "1", "--connections", "4"])
        .args(["--items", "2", "--pictures", "50"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}{errors}");
    let report: Value = serde_json::from_str(&said).unwrap();
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
