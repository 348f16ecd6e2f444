//! Load besides the queries: changes, reloads, lists, and slow, oversized and hostile clients.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::client::{Client, Request, Response, connect, read};
use crate::inputs::{Random, text};
use crate::tally::Tally;
use crate::traffic::names;

/// How long to wait for a response.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The address and credentials of the service.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) address: &'a str,
    /// The value of the authorization header.
    pub(crate) bearer: &'a str,
    /// The maximum body size of the service, in bytes.
    pub(crate) max_body: usize,
}

/// Runs all disturbances until `stop`.
pub(crate) fn run(target: Target<'_>, stop: &AtomicBool) -> Tally {
    let kinds: [fn(Target<'_>, &AtomicBool) -> Tally; 6] = [
        changes,
        reloads,
        slow_heads,
        slow_bodies,
        oversized,
        hostile,
    ];
    std::thread::scope(|scope| {
        let threads = kinds.map(|kind| scope.spawn(move || kind(target, stop)));
        let mut all = Tally::default();
        for thread in threads {
            match thread.join() {
                Ok(tally) => all.add(tally),
                Err(_) => all.unexpected("disturbance", "a thread panicked"),
            }
        }
        all
    })
}

/// Sleeps until the time is over or `stop` is set; returns false if it is set.
fn wait(time: Duration, stop: &AtomicBool) -> bool {
    let until = Instant::now() + time;
    while !stop.load(Ordering::Relaxed) {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        std::thread::sleep(left.min(Duration::from_millis(50)));
    }
    false
}

/// A client that counts its responses.
struct CountingClient<'t> {
    client: Client,
    bearer: &'t str,
    tally: Tally,
}

impl<'t> CountingClient<'t> {
    fn new(target: Target<'t>) -> Self {
        Self {
            client: Client::new(target.address, TIMEOUT),
            bearer: target.bearer,
            tally: Tally::default(),
        }
    }

    /// Sends a request with the token; records unexpected statuses, except for a full queue.
    fn request(
        &mut self,
        kind: &'static str,
        (method, path): (&str, &str),
        body: &[u8],
        expected: &[u16],
    ) -> Option<Response> {
        let started = Instant::now();
        let request = Request {
            method,
            path,
            headers: &[
                ("authorization", self.bearer),
                ("content-type", "text/plain"),
            ],
            body,
        };
        match self.client.send(&request) {
            Ok(response) if expected.contains(&response.status) => {
                self.tally
                    .answered(kind, response.status, started.elapsed());
                Some(response)
            }
            Ok(response) if [503, 504].contains(&response.status) => {
                self.tally.status(kind, response.status);
                None
            }
            Ok(response) => {
                let body = String::from_utf8_lossy(&response.body).into_owned();
                self.tally
                    .unexpected(kind, format!("{} {body}", response.status));
                None
            }
            Err(e) => {
                self.tally.unexpected(kind, e);
                None
            }
        }
    }
}

/// Adds an item, finds it, marks the match as false, removes the mark, removes the item.
fn changes(target: Target<'_>, stop: &AtomicBool) -> Tally {
    let mut client = CountingClient::new(target);
    let mut random = Random(0xADD);
    for round in 0_u64.. {
        if round > 0 && !wait(Duration::from_millis(100), stop) {
            break;
        }
        let item = text(&mut random, 200);
        let name = format!("load/{}.txt", round % 50);
        let path = format!("/v1/items/{name}?label=load&tag=round={round}");
        let item = item.as_bytes();
        if client
            .request("add", ("PUT", &path), item, &[200, 201])
            .is_none()
        {
            continue;
        }
        let query = ("POST", "/v1/match");
        let finds = |response: &Response| names(&response.body).contains(&name);
        if let Some(response) = client.request("match after add", query, item, &[200])
            && !finds(&response)
        {
            client.tally.unexpected("match after add", "not found");
        }
        let marks = format!("/v1/false-matches?item={name}&by=load&why=test");
        if client
            .request("mark", ("POST", &marks), item, &[201])
            .is_some()
            && let Some(response) = client.request("match after mark", query, item, &[200])
            && finds(&response)
        {
            client.tally.unexpected("match after mark", "still found");
        }
        let digest = leakprint::Digest::of_bytes(item);
        let marks = format!("/v1/false-matches?item={name}&digest={digest}");
        client.request("unmark", ("DELETE", &marks), b"", &[200, 404]);
        // Every other item stays until its name is used again, so that there is something to merge.
        if round % 2 == 0 {
            let path = format!("/v1/items/{name}");
            if client
                .request("remove", ("DELETE", &path), b"", &[200])
                .is_some()
                && let Some(response) = client.request("match after remove", query, item, &[200])
                && finds(&response)
            {
                client.tally.unexpected("match after remove", "still found");
            }
        }
        if round % 100 == 50 {
            client.request("compact", ("POST", "/v1/compact"), b"", &[202, 409]);
        }
    }
    client.tally
}

/// Reloads, lists, and reads the metrics.
fn reloads(target: Target<'_>, stop: &AtomicBool) -> Tally {
    let mut client = CountingClient::new(target);
    for round in 0_u64.. {
        if round > 0 && !wait(Duration::from_millis(200), stop) {
            break;
        }
        client.request("reload", ("POST", "/v1/reload"), b"", &[200]);
        if round % 5 == 0 {
            client.request("list", ("GET", "/v1/items"), b"", &[200]);
            client.request("metrics", ("GET", "/metrics"), b"", &[200]);
            client.request("ready", ("GET", "/readyz"), b"", &[200]);
        }
    }
    client.tally
}

/// Starts a head and never finishes it: the service must close the connection.
fn slow_heads(target: Target<'_>, stop: &AtomicBool) -> Tally {
    let mut tally = Tally::default();
    while wait(Duration::from_millis(500), stop) {
        let closed = connect(target.address, TIMEOUT).and_then(|mut stream| {
            stream
                .get_mut()
                .write_all(b"POST /v1/match HTTP/1.1\r\nhost: x\r\n")?;
            stream.read_to_end(&mut Vec::new())
        });
        match closed {
            Ok(_) => tally.status("slow head", "closed"),
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => {
                tally.status("slow head", "closed");
            }
            Err(e) => tally.unexpected("slow head", e),
        }
    }
    tally
}

/// Sends a body byte by byte: the service must refuse it.
fn slow_bodies(target: Target<'_>, stop: &AtomicBool) -> Tally {
    let mut tally = Tally::default();
    while wait(Duration::from_millis(500), stop) {
        let response = connect(target.address, TIMEOUT).and_then(|mut stream| {
            let head = b"POST /v1/match HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n";
            stream.get_mut().write_all(head)?;
            stream
                .get_ref()
                .set_read_timeout(Some(Duration::from_millis(200)))?;
            loop {
                // There is something to read once the service has responded.
                match stream.get_ref().peek(&mut [0]) {
                    Ok(_) => break,
                    Err(e) if is_timeout(&e) => stream.get_mut().write_all(b"x")?,
                    Err(e) => return Err(e),
                }
            }
            stream.get_ref().set_read_timeout(Some(TIMEOUT))?;
            read(&mut stream)
        });
        match response {
            Ok((response, _)) if [408, 503].contains(&response.status) => {
                tally.status("slow body", response.status);
            }
            Ok((response, _)) => tally.unexpected("slow body", response.status),
            Err(e) => tally.unexpected("slow body", e),
        }
    }
    tally
}

fn is_timeout(e: &std::io::Error) -> bool {
    use std::io::ErrorKind::{TimedOut, WouldBlock};
    [TimedOut, WouldBlock].contains(&e.kind())
}

/// Sends bodies over the limit.
fn oversized(target: Target<'_>, stop: &AtomicBool) -> Tally {
    let mut client = CountingClient::new(target);
    let body = vec![b'a'; target.max_body + 1];
    loop {
        client.request("oversized", ("POST", "/v1/match"), &body, &[413]);
        if !wait(Duration::from_millis(1000), stop) {
            return client.tally;
        }
    }
}

/// Sends malformed and malicious bodies, invalid requests, and no HTTP.
fn hostile(target: Target<'_>, stop: &AtomicBool) -> Tally {
    let bodies = hostile_bodies();
    let mut client = CountingClient::new(target);
    for round in 0.. {
        if round > 0 && !wait(Duration::from_millis(100), stop) {
            break;
        }
        let body = &bodies[round % bodies.len()];
        client.request(
            "hostile",
            ("POST", "/v1/match?name=x.bin"),
            body,
            &[200, 422],
        );
        client.request("no path", ("GET", "/v1/nothing"), b"", &[404]);
        client.request("no method", ("PATCH", "/v1/match"), b"", &[405]);
        client.request("no query", ("POST", "/v1/match?min=sure"), b"x", &[400]);
        let bearer = std::mem::replace(&mut client.bearer, "Bearer guessed-guessed-guessed");
        client.request("no token", ("PUT", "/v1/items/x"), b"x", &[401]);
        client.bearer = bearer;
        // No HTTP, and an incomplete body: neither expects a response.
        for bytes in [
            &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
            b"POST /v1/match HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nhalf",
        ] {
            let sent = connect(target.address, TIMEOUT)
                .and_then(|mut stream| stream.get_mut().write_all(bytes));
            match sent {
                Ok(()) => client.tally.status("broken off", "sent"),
                Err(e) => client.tally.unexpected("broken off", e),
            }
        }
    }
    client.tally
}

fn hostile_bodies() -> Vec<Vec<u8>> {
    // A picture of 60,000 x 60,000 pixels in 33 bytes.
    let mut bomb = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    bomb.extend(60_000_u32.to_be_bytes());
    bomb.extend(60_000_u32.to_be_bytes());
    bomb.extend([8, 6, 0, 0, 0]);
    let mut crc = flate2::Crc::new();
    crc.update(&bomb[12..]);
    bomb.extend(crc.sum().to_be_bytes());
    // 64 MB of zeros in 64 kB.
    let mut zeros = GzEncoder::new(Vec::new(), Compression::best());
    let block = vec![0; 1 << 20];
    // Writing to a vector cannot fail.
    let _ = (0..64).try_for_each(|_| zeros.write_all(&block));
    let zeros = zeros.finish().unwrap_or_default();
    let mut random = Random(0xBAD);
    let noise: Vec<u8> = (0..20_000).map(|_| random.next() as u8).collect();
    let mut jpeg = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0".to_vec();
    jpeg.extend(&noise);
    let mut pdf = b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog /Pages 1 0 R >>\nendobj\n".to_vec();
    pdf.extend(&noise);
    let marks = "\u{202e}\u{200b}a".repeat(5000).into_bytes();
    let tags = "<div>".repeat(4000).into_bytes();
    vec![
        bomb,
        zeros,
        noise,
        jpeg,
        pdf,
        marks,
        tags,
        Vec::new(),
        vec![0xff; 3000],
    ]
}
