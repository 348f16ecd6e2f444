//! Limits: size, speed, deadline, queue, memory, hostile bodies.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use image::ImageFormat;

use crate::client::{connect, read};
use crate::service::{MEMO, Service, TIMEOUT, encode, json, kind, picture};

#[test]
fn bodies_are_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), &["--max-body", "100000"]);
    service.put("memo.txt", MEMO.as_bytes());
    // All on one connection, which stays open.
    let mut client = service.client();
    for (length, status) in [(100_000, 200), (100_001, 413), (3_000_000, 413), (200, 200)] {
        let body = vec![b'a'; length];
        for (method, path) in [("POST", "/v1/match"), ("PUT", "/v1/items/x")] {
            let response = client
                .send(&crate::client::Request {
                    method,
                    path,
                    headers: &[crate::service::BEARER, ("content-type", "text/plain")],
                    body: &body,
                })
                .unwrap();
            assert_eq!(response.status == 413, status == 413, "{length}");
            if status == 413 {
                assert_eq!(kind(&response), "limit");
                let message = json(&response)["error"]["message"].to_string();
                assert!(message.contains("input_bytes = 100000"), "{message}");
            }
        }
    }
    // A body of undeclared length.
    let mut stream = connect(&service.address, TIMEOUT).unwrap();
    let head = b"POST /v1/match HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.get_mut().write_all(head).unwrap();
    let chunk = format!("{:x}\r\n{}\r\n", 30_000, "b".repeat(30_000));
    for _ in 0..5 {
        stream.get_mut().write_all(chunk.as_bytes()).unwrap();
    }
    stream.get_mut().write_all(b"0\r\n\r\n").unwrap();
    assert_eq!(read(&mut stream).unwrap().0.status, 413);
    // With `Expect: 100-continue`, the refusal comes before the body is sent.
    let mut stream = connect(&service.address, TIMEOUT).unwrap();
    let head = b"POST /v1/match HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 900000\r\n\r\n";
    stream.get_mut().write_all(head).unwrap();
    assert_eq!(read(&mut stream).unwrap().0.status, 413);
    assert_eq!(service.finds(MEMO), ["memo.txt"]);
    service.stop();
}

#[test]
fn hostile_bodies_are_errors_with_a_kind() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(
        folder.join("limits"),
        br#"{"pixels": 100000, "text_chars": 5000}"#,
    )
    .unwrap();
    let service = Service::start(folder, &["--limits", "limits"]);
    let large = encode(&picture(400, 2), ImageFormat::Png);
    let small = encode(&picture(200, 2), ImageFormat::Png);
    let text = "word ".repeat(2000).into_bytes();
    let cases: [(&[u8], &str); 5] = [
        (b"", "empty"),
        (b"\x00\x01\x02\x03", "unsupported"),
        (&small[..60], "malformed"),
        (&large, "limit"),
        (&text, "limit"),
    ];
    for (body, expected) in cases {
        let response = service.request("POST", "/v1/match?name=query", body);
        assert_eq!((response.status, kind(&response).as_str()), (422, expected));
        let line = json(&response);
        assert_eq!(line["query"], "query");
        assert!(line["matches"].as_array().unwrap().is_empty());
    }
    // What is not HTTP only closes the connection.
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\r\n\r\n"[..],
        b"GET / HTTP/9.9\r\n\r\n",
    ] {
        let mut stream = connect(&service.address, TIMEOUT).unwrap();
        stream.get_mut().write_all(bytes).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    }
    let response = service.request("GET", "/healthz", b"");
    assert_eq!(
        (response.status, response.body.as_slice()),
        (200, &b"ok\n"[..])
    );
    service.stop();
}

#[test]
fn work_ends_at_the_deadline() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), &["--deadline-ms", "1", "--threads", "1"]);
    let slow = encode(&picture(1500, 3), ImageFormat::Jpeg);
    for (method, path) in [("POST", "/v1/match"), ("PUT", "/v1/items/x")] {
        let response = service.request(method, path, &slow);
        assert_eq!(
            (response.status, kind(&response).as_str()),
            (504, "deadline")
        );
    }
    let response = service.request("GET", "/v1/items", b"");
    assert!(response.body.is_empty(), "nothing was added");
    service.stop();
}

#[test]
fn slow_clients_are_disconnected() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), &["--stalled-ms", "300"]);
    service.put("memo.txt", MEMO.as_bytes());
    let started = Instant::now();
    // A head that does not end, a connection without a request.
    for begun in [&b"POST /v1/match HTTP/1.1\r\nhost:"[..], b""] {
        let mut stream = connect(&service.address, TIMEOUT).unwrap();
        stream.get_mut().write_all(begun).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    }
    // A body that stops, and one that drips.
    let head = b"POST /v1/match HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\nhalf";
    let mut stops = connect(&service.address, TIMEOUT).unwrap();
    stops.get_mut().write_all(head).unwrap();
    let mut drips = connect(&service.address, TIMEOUT).unwrap();
    drips.get_mut().write_all(head).unwrap();
    let mut dripping = drips.get_ref().try_clone().unwrap();
    let drops = std::thread::spawn(move || {
        // Until the service refuses it, which is checked below.
        while dripping.write_all(b"x").is_ok() && started.elapsed() < TIMEOUT {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    // Meanwhile other clients are served.
    assert_eq!(service.finds(MEMO), ["memo.txt"]);
    for mut stream in [stops, drips] {
        let (response, _) = read(&mut stream).unwrap();
        assert_eq!(
            (response.status, kind(&response).as_str()),
            (408, "timeout")
        );
    }
    drops.join().unwrap();
    service.stop();
}

#[test]
fn a_full_queue_refuses_and_texts_do_not_wait_for_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(
        folder.path(),
        &["--threads", "1", "--queue", "2", "--deadline-ms", "100000"],
    );
    service.put("memo.txt", MEMO.as_bytes());
    let slow = encode(&picture(1600, 4), ImageFormat::Jpeg);
    let (mut served, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        let requests: Vec<_> = (0..10)
            .map(|_| scope.spawn(|| service.request("POST", "/v1/match", &slow)))
            .collect();
        // The lane of texts always has room.
        for _ in 0..20 {
            assert_eq!(service.finds(MEMO), ["memo.txt"]);
        }
        for request in requests {
            let response = request.join().unwrap();
            match response.status {
                200 => served += 1,
                503 => {
                    assert_eq!(kind(&response), "overloaded");
                    let seconds = response.header("retry-after").unwrap();
                    assert!((1..=30).contains(&seconds.parse::<u32>().unwrap()));
                    refused += 1;
                }
                other => panic!("{other}"),
            }
        }
    });
    assert!(
        served >= 2 && refused >= 1,
        "{served} served, {refused} refused"
    );
    let metrics = service.request("GET", "/metrics", b"").body;
    let metrics = String::from_utf8(metrics).unwrap();
    let line = format!("leakprint_errors_total{{kind=\"overloaded\"}} {refused}");
    assert!(metrics.contains(&line), "{metrics}");
    service.stop();
}

#[test]
fn memory_for_bodies_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(
        folder.path(),
        &["--max-body", "1000000", "--max-bodies", "1000000"],
    );
    service.put("memo.txt", MEMO.as_bytes());
    // Reserves all the memory, and does not send the body.
    let head = b"POST /v1/match HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\nhalf";
    let mut holds = connect(&service.address, TIMEOUT).unwrap();
    holds.get_mut().write_all(head).unwrap();
    let is_held = || {
        let metrics = service.request("GET", "/metrics", b"").body;
        let metrics = String::from_utf8(metrics).unwrap();
        !metrics.contains("leakprint_body_bytes 0\n")
    };
    while !is_held() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let response = service.request("POST", "/v1/match", MEMO.as_bytes());
    assert_eq!(
        (response.status, kind(&response).as_str()),
        (503, "overloaded")
    );
    assert_eq!(response.header("retry-after"), Some("1"));
    // Disconnecting releases the memory.
    drop(holds);
    while is_held() {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(service.finds(MEMO), ["memo.txt"]);
    service.stop();
}

/// The only thread would be busy for a long time with an abandoned request.
#[test]
fn work_for_a_disconnected_client_is_cancelled() {
    let folder = tempfile::tempdir().unwrap();
    let more = ["--threads", "1", "--deadline-ms", "600000"];
    let service = Service::start(folder.path(), &more);
    service.put("memo.txt", MEMO.as_bytes());
    // With a table, the values in texts are extracted.
    service.put(
        "people.csv",
        b"name,mail\nAda Byron,ada.byron@example.org\n",
    );
    // Millions of values, each of which is hashed.
    let slow = "1234567 8901,25 4711-AX9 2019-03-14 ".repeat(800_000);
    let metrics = || {
        let metrics = service.request("GET", "/metrics", b"").body;
        String::from_utf8(metrics).unwrap()
    };
    let counted = |name: &str| {
        let metrics = metrics();
        let line = metrics.lines().find(|line| line.starts_with(name));
        let value = line.and_then(|line| line.rsplit(' ').next());
        value.map_or(0, |value| value.parse::<u64>().unwrap())
    };
    let head = format!(
        "POST /v1/match HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n",
        slow.len()
    );
    let mut stream = connect(&service.address, TIMEOUT).unwrap();
    stream.get_mut().write_all(head.as_bytes()).unwrap();
    stream.get_mut().write_all(slow.as_bytes()).unwrap();
    let until = Instant::now() + TIMEOUT;
    let wait_for = |what: &dyn Fn() -> bool| {
        while !what() {
            assert!(Instant::now() < until, "{}", metrics());
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    // The thread has started; then the client disconnects.
    wait_for(&|| counted("leakprint_stage_seconds_count{stage=\"queue\"") == 1);
    drop(stream);
    // Finished work would not count as abandoned.
    wait_for(&|| counted("leakprint_abandoned_total") == 1);
    wait_for(&|| counted("leakprint_body_bytes") == 0);
    assert_eq!(service.finds(MEMO), ["memo.txt"]);
    service.stop();
}
