//! `--isolate`: the same answers from readers in separate processes, and a reader that ends fails
//! only its upload.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use image::codecs::gif::GifEncoder;
use image::{Delay, Frame, ImageFormat, RgbaImage};
use serde_json::Value;

use crate::client::Response;
use crate::make::{docx, pdf_with_pictures, rtf, xlsx, zip};
use crate::programs::program;
use crate::service::{
    MEMO, MERGER, Service, TIMEOUT, encode, json, kind, names, picture, signal, token,
};

/// The running child processes of a process.
fn children(process: u32) -> Vec<u32> {
    let mut children = Vec::new();
    for thread in fs::read_dir(format!("/proc/{process}/task")).unwrap() {
        let list = fs::read_to_string(thread.unwrap().path().join("children"));
        let list = list.unwrap_or_default();
        children.extend(list.split_whitespace().map(|id| id.parse::<u32>().unwrap()));
    }
    children
}

/// The state letter of a process; none if it has ended.
fn state(process: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    stat.rsplit_once(')')?.1.trim().chars().next()
}

/// Waits until a condition holds.
fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let until = Instant::now() + TIMEOUT;
    while !condition() {
        assert!(Instant::now() < until, "timeout: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn has(service: &Service, line: &str) -> bool {
    service.metrics().lines().any(|l| l == line)
}

/// An animation of identical frames, which are decoded and discarded one by one: slow to read, with
/// almost no content.
fn animation(frames: usize) -> Vec<u8> {
    let frame = || {
        let mut picture = RgbaImage::from_pixel(1200, 1200, image::Rgba([200, 30, 40, 255]));
        picture.put_pixel(3, 3, image::Rgba([0, 0, 0, 255]));
        Frame::from_parts(picture, 0, 0, Delay::from_numer_denom_ms(100, 1))
    };
    let of = |count: usize| {
        let mut bytes = Vec::new();
        let mut encoder = GifEncoder::new_with_speed(&mut bytes, 30);
        encoder.encode_frames((0..count).map(|_| frame())).unwrap();
        drop(encoder);
        bytes
    };
    // The frames are consecutive, followed by one byte that ends the file.
    let (one, two) = (of(1), of(2));
    let block = &two[one.len() - 1..two.len() - 1];
    let mut bytes = one[..one.len() - 1].to_vec();
    (1..frames).for_each(|_| bytes.extend(block));
    bytes.push(0x3B);
    bytes
}

/// Limits under which such an animation is read completely.
fn generous(folder: &std::path::Path) {
    let limits = br#"{"decoded_bytes": 1000000000000, "time_ms": 1000000}"#;
    fs::write(folder.join("limits"), limits).unwrap();
}

/// Tests run in parallel, so anything may take long.
const LONG_DEADLINE: [&str; 3] = ["--deadline-ms", "100000", "--isolate"];

const GENEROUS: [&str; 8] = [
    "--limits",
    "limits",
    "--deadline-ms",
    "1000000",
    "--isolate-memory-mb",
    "1000",
    "--isolate-all",
    "--isolate",
];

/// Every kind of upload, whole and damaged.
fn uploads() -> Vec<(&'static str, Vec<u8>)> {
    let photo = encode(&picture(500, 5), ImageFormat::Jpeg);
    let screen = encode(&picture(300, 8), ImageFormat::Png);
    let mail = format!(
        "From: a@b.example\r\nSubject: look\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n{MEMO}\r\n\
         --b\r\nContent-Type: text/csv; name=x.csv\r\n\r\nname,phone\r\nAda,+49 221 5550143\r\n\
         --b\r\nContent-Type: image/png\r\n\r\n\u{89}cut\r\n--b--\r\n"
    );
    let rows: [&[&str]; 3] = [
        &["name", "salary", "phone"],
        &["Ada Lovelace", "81,234", "+49 221 5550143"],
        &["Grace Hopper", "97,310", "+49 221 5550198"],
    ];
    let inner = docx(&[MEMO, MERGER]);
    let scan = pdf_with_pictures("q /I0 Do Q", std::slice::from_ref(&photo));
    vec![
        ("memo.txt", MEMO.as_bytes().to_vec()),
        ("long.txt", format!("{MERGER}\n").repeat(500).into_bytes()),
        (
            "latin.txt",
            b"Gr\xfc\xdfe aus K\xf6ln, und sch\xf6ne!".to_vec(),
        ),
        ("photo.jpg", photo.clone()),
        ("photo.tiff", encode(&picture(200, 5), ImageFormat::Tiff)),
        ("page.html", format!("<p>{MEMO}<p>{MERGER}").into_bytes()),
        ("mail.eml", mail.into_bytes()),
        ("memo.docx", inner.clone()),
        ("memo.rtf", rtf(&[MEMO])),
        ("sums.xlsx", xlsx(&rows)),
        ("cut.pdf", scan[..scan.len() / 2].to_vec()),
        ("scan.pdf", scan),
        (
            "all.zip",
            zip(&[("a.docx", &inner), ("b.png", &screen), ("c", b"")]),
        ),
        ("still.gif", animation(3)),
        ("cut.zip", inner[..inner.len() / 2].to_vec()),
        ("cut.png", screen[..60].to_vec()),
        ("what.bin", vec![0, 159, 146, 150]),
        ("empty", Vec::new()),
    ]
}

#[test]
fn responses_are_the_same_with_and_without_readers() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let isolated = Service::start(
        folder,
        &[&LONG_DEADLINE[..], &["2", "--isolate-all"]].concat(),
    );
    let mut added = Vec::new();
    for (name, bytes) in uploads() {
        let response = isolated.request("PUT", &format!("/v1/items/{name}"), &bytes);
        match response.status {
            201 => added.push(name),
            status => assert_eq!((status, json(&response)["error"].is_null()), (422, false)),
        }
    }
    assert!(added.len() >= 13, "{added:?}");
    isolated.stop();

    // The items are unchanged if the service computes the same prints itself.
    let plain = Service::start(folder, &LONG_DEADLINE[..2]);
    for (name, bytes) in uploads() {
        let response = plain.request("PUT", &format!("/v1/items/{name}"), &bytes);
        let status = if added.contains(&name) { 200 } else { 422 };
        assert_eq!(response.status, status, "{name}: {}", json(&response));
    }
    let mut found = Vec::new();
    let some = Service::with(folder, &[&LONG_DEADLINE[..], &["1"]].concat());
    let all = Service::with(
        folder,
        &[&LONG_DEADLINE[..], &["2", "--isolate-all"]].concat(),
    );
    for (name, bytes) in uploads() {
        let path = format!("/v1/match?name={name}&min=possible");
        let request = |service: &Service| {
            let response = service.request("POST", &path, &bytes);
            (response.status, String::from_utf8(response.body).unwrap())
        };
        let expected = request(&plain);
        assert_eq!(request(&some), expected, "{name}");
        assert_eq!(request(&all), expected, "{name}");
        let line: Value = serde_json::from_str(&expected.1).unwrap();
        if names(&line).iter().any(|item| item == name) {
            found.push(name);
        }
    }
    // Text that is too short and a blank picture are not found.
    added.retain(|name| !["latin.txt", "still.gif"].contains(name));
    assert_eq!(found, added);
    for service in [&some, &all] {
        assert!(has(service, "leakprint_readers_busy 0"));
        assert!(!service.metrics().contains("leakprint_readers_ended_total{"));
    }
    plain.stop();
    some.stop();
    all.stop();
}

/// Checks the response to an upload whose reader ended.
fn assert_isolated(response: &Response) {
    assert_eq!(
        (response.status, kind(response).as_str()),
        (422, "isolated")
    );
    assert_eq!(json(response)["query"], "slow");
    assert!(json(response)["matches"].as_array().unwrap().is_empty());
}

#[test]
fn a_killed_reader_fails_only_its_upload() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    generous(folder);
    let service = Service::start(folder, &[&GENEROUS[..], &["1"]].concat());
    let document = docx(&[MEMO]);
    service.put("memo.docx", &document);
    let slow = animation(3000);
    let [reader] = children(service.id())[..] else {
        panic!("not one reader");
    };
    std::thread::scope(|scope| {
        let request = scope.spawn(|| service.request("POST", "/v1/match?name=slow", &slow));
        until("busy", || has(&service, "leakprint_readers_busy 1"));
        // A reader ignores SIGTERM and SIGINT; the service stops it itself.
        signal("-TERM", reader);
        signal("-INT", reader);
        // Another upload waits, and gets the next reader.
        let waits = scope.spawn(|| service.request("POST", "/v1/match", &document));
        until("waiting", || has(&service, "leakprint_readers_waiting 1"));
        assert!(has(&service, "leakprint_readers_busy 1"));
        // Requests that need no reader are served meanwhile.
        assert_eq!(service.finds(MEMO), ["memo.docx"]);
        signal("-KILL", reader);
        assert_isolated(&request.join().unwrap());
        let response = waits.join().unwrap();
        assert_eq!(names(&json(&response)), ["memo.docx"]);
    });
    assert!(has(&service, "leakprint_readers_started_total 2"));
    let killed = "leakprint_readers_ended_total{reason=\"killed\"} 1";
    assert!(has(&service, killed));
    let lost = "leakprint_errors_total{kind=\"isolated\"} 1";
    assert!(has(&service, lost));

    // A free reader that ends is replaced too, and leaves no zombie.
    let [reader] = children(service.id())[..] else {
        panic!("not one reader");
    };
    signal("-KILL", reader);
    until("replaced", || {
        has(&service, "leakprint_readers_started_total 3")
    });
    assert_eq!(state(reader), None);
    let response = service.request("POST", "/v1/match", &document);
    assert_eq!(names(&json(&response)), ["memo.docx"]);
    let log = service.stop();
    assert!(log.contains("\"reason\":\"killed\""), "{log}");
    assert!(!log.contains("slow"), "{log}");
}

#[test]
fn a_reader_that_hangs_is_killed_at_the_deadline() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--isolate", "1", "--deadline-ms", "3000"];
    let service = Service::start(folder.path(), &arguments);
    let document = docx(&[MEMO]);
    service.put("memo.docx", &document);
    let [reader] = children(service.id())[..] else {
        panic!("not one reader");
    };
    signal("-STOP", reader);
    let ended = |count| {
        let line = format!("leakprint_readers_ended_total{{reason=\"deadline\"}} {count}");
        has(&service, &line) && has(&service, "leakprint_readers_running 1")
    };
    for (count, method, path) in [(1, "POST", "/v1/match"), (2, "PUT", "/v1/items/x")] {
        let response = service.request(method, path, &document);
        assert_eq!(
            (response.status, kind(&response).as_str()),
            (504, "deadline")
        );
        until("replaced", || ended(count));
        let [next] = children(service.id())[..] else {
            panic!("not one reader");
        };
        if count == 1 {
            signal("-STOP", next);
        }
    }
    assert_eq!(state(reader), None);
    let response = service.request("POST", "/v1/match", &document);
    assert_eq!(names(&json(&response)), ["memo.docx"]);
    service.stop();
}

#[test]
fn processor_time_and_memory_are_limited() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    generous(folder);
    let more = ["1", "--isolate-cpu-s", "1"];
    let service = Service::start(folder, &[&GENEROUS[..], &more].concat());
    let document = docx(&[MEMO]);
    service.put("memo.docx", &document);
    assert_isolated(&service.request("POST", "/v1/match?name=slow", &animation(3000)));
    // Each upload may use a full second.
    for _ in 0..3 {
        let response = service.request("POST", "/v1/match", &animation(5));
        assert_eq!(response.status, 200);
    }
    let response = service.request("POST", "/v1/match", &document);
    assert_eq!(names(&json(&response)), ["memo.docx"]);
    let cpu = "leakprint_readers_ended_total{reason=\"cpu\"} 1";
    assert!(has(&service, cpu), "{}", service.metrics());
    assert!(has(&service, "leakprint_readers_started_total 2"));
    service.stop();

    // A picture within the limits that needs too much memory.
    let large = RgbaImage::from_pixel(6000, 6000, image::Rgba([1, 2, 3, 255]));
    let mut bytes = std::io::Cursor::new(Vec::new());
    large.write_to(&mut bytes, ImageFormat::Png).unwrap();
    let more = ["1", "--isolate-memory-mb", "120"];
    let service = Service::start(folder, &[&LONG_DEADLINE[..], &more].concat());
    let large = zip(&[("large.png", bytes.get_ref())]);
    assert_isolated(&service.request("POST", "/v1/match?name=slow", &large));
    let response = service.request("PUT", "/v1/items/large", &large);
    assert_eq!(
        (response.status, kind(&response).as_str()),
        (422, "isolated")
    );
    let response = service.request("POST", "/v1/match", &document);
    assert_eq!(names(&json(&response)), ["memo.docx"]);
    let abort = "leakprint_readers_ended_total{reason=\"abort\"} 2";
    assert!(has(&service, abort), "{}", service.metrics());
    service.stop();
}

#[test]
fn readers_end_with_the_service() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    generous(folder);
    let mut service = Service::start(folder, &[&GENEROUS[..], &["2"]].concat());
    until("two", || has(&service, "leakprint_readers_running 2"));
    let readers = children(service.id());
    assert_eq!(readers.len(), 2);
    let slow = animation(3000);
    std::thread::scope(|scope| {
        let request = scope.spawn(|| {
            let request = crate::client::Request {
                method: "POST",
                path: "/v1/match",
                headers: &[],
                body: &slow,
            };
            service.client().send(&request)
        });
        until("busy", || has(&service, "leakprint_readers_busy 1"));
        // The service cannot clean up.
        signal("-KILL", service.id());
        assert!(request.join().unwrap().is_err());
    });
    service.wait();
    for reader in readers {
        // The process that inherits it may leave it as a zombie.
        until("gone", || matches!(state(reader), None | Some('Z' | 'X')));
    }

    // An accepted upload is read completely.
    let more = ["1", "--grace-ms", "1000000"];
    let mut service = Service::start(folder, &[&GENEROUS[..], &more].concat());
    let [reader] = children(service.id())[..] else {
        panic!("not one reader");
    };
    let slow = animation(5);
    std::thread::scope(|scope| {
        let request = scope.spawn(|| service.request("POST", "/v1/match", &slow));
        let is_in = || {
            has(&service, "leakprint_readers_busy 1")
                || service
                    .metrics()
                    .contains("route=\"/v1/match\",status=\"200\"} 1\n")
        };
        until("busy", is_in);
        service.terminate();
        assert_eq!(request.join().unwrap().status, 200);
    });
    assert!(service.wait().success());
    assert_eq!(state(reader), None);
}

#[test]
fn readers_have_no_secrets_and_are_limited() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), &["--isolate", "1"]);
    let [reader] = children(service.id())[..] else {
        panic!("not one reader");
    };
    let of = |file: &str| fs::read(format!("/proc/{reader}/{file}")).unwrap();
    assert!(of("environ").is_empty());
    let command = String::from_utf8(of("cmdline")).unwrap();
    let words: Vec<&str> = command.split_terminator('\0').collect();
    let numbers = |word: &&str| word.bytes().all(|b| b.is_ascii_digit());
    assert_eq!(words[..2], ["serve", "--read-uploads"]);
    assert_eq!(words.iter().filter(|word| numbers(word)).count(), 2);
    assert_eq!(words.len(), 6);
    // Two pipes, each twice, and the descriptors for signals; no files, no network sockets.
    for entry in fs::read_dir(format!("/proc/{reader}/fd")).unwrap() {
        let target = fs::read_link(entry.unwrap().path()).unwrap();
        let target = target.display().to_string();
        let is_known = ["pipe:", "/dev/null", "anon_inode:", "socket:"];
        assert!(
            is_known.iter().any(|known| target.starts_with(known)),
            "{target}"
        );
    }
    let limits = String::from_utf8(of("limits")).unwrap();
    let limit = |name: &str| {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        line[name.len()..]
            .split_whitespace()
            .next()
            .unwrap()
            .to_owned()
    };
    // The default limits: twice an input of 32 MiB, 1 GiB decoded, and the base.
    assert_eq!(limit("Max address space"), (1344_u64 << 20).to_string());
    for name in ["Max open files", "Max core file size", "Max file size"] {
        assert_eq!(limit(name), "0", "{name}");
    }
    service.stop();
}

#[test]
fn a_service_whose_readers_cannot_run_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let token = token(folder.path());
    let output = Command::new(program("serve"))
        .current_dir(folder.path())
        .args(["--collection", "leak", "--listen", "127.0.0.1:0"])
        .args(["--token-file", &token])
        .args(["--isolate", "2", "--isolate-memory-mb", "1"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let err = String::from_utf8(output.stderr).unwrap();
    let last = err.lines().last().unwrap();
    assert!(
        last.starts_with("serve: cannot start a reader process with 1 MiB"),
        "{err}"
    );
    assert!(output.stdout.is_empty());
}
