//! Helpers: starting, querying and stopping the service; the leaked material.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Cursor};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use image::{ImageFormat, Rgb, RgbImage};
use serde_json::Value;

use crate::client::{Client, Request, Response};
use crate::programs::program;

pub(crate) const TOKEN: &str = "a token that is long enough";
pub(crate) const BEARER: (&str, &str) = ("authorization", "Bearer a token that is long enough");

pub(crate) const MEMO: &str = "The winter slate moves by six weeks, and Lighthouse opens in fourteen \
    territories with no press screening before the Wednesday, even though it tested at \
    seventy-one and the exhibitors were told forty-five days.";

pub(crate) const MERGER: &str = "We value the northern stations at nineteen times earnings, which is \
    what the bank will defend in front of the board. If Halvorsen asks about the pension gap, \
    the answer is that it closes in eight years; the model with eleven years stays in the drawer.";

/// Timeout for every step.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(120);

/// A running service.
pub(crate) struct Service {
    pub(crate) address: String,
    child: Child,
    log: std::path::PathBuf,
}

/// Writes a file with the token.
pub(crate) fn token(folder: &Path) -> String {
    let path = folder.join("token");
    fs::write(&path, format!("{TOKEN}\n")).unwrap();
    path.display().to_string()
}

impl Service {
    /// Starts a service that writes the collection in `folder`.
    pub(crate) fn start(folder: &Path, more: &[&str]) -> Self {
        let token = token(folder);
        let mut arguments = vec!["--token-file", &token];
        arguments.extend(more);
        Self::with(folder, &arguments)
    }

    /// Starts a service with exactly these arguments besides the collection and the address.
    pub(crate) fn with(folder: &Path, arguments: &[&str]) -> Self {
        let log = folder.join("log");
        let mut child = Command::new(program("serve"))
            .current_dir(folder)
            .args(["--collection", "leak", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let out = child.stdout.take().unwrap();
        BufReader::new(out).read_line(&mut line).unwrap();
        let log_text = || fs::read_to_string(&log).unwrap();
        let address = line.trim().strip_prefix("http://");
        let address =
            address.unwrap_or_else(|| panic!("the service does not start: {}", log_text()));
        Self {
            address: address.to_owned(),
            child,
            log,
        }
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(&self.address, TIMEOUT)
    }

    /// Sends a request on a new connection, with the token.
    pub(crate) fn request(&self, method: &str, path: &str, body: &[u8]) -> Response {
        self.request_with(&[BEARER], method, path, body)
    }

    pub(crate) fn request_with(
        &self,
        headers: &[(&str, &str)],
        method: &str,
        path: &str,
        body: &[u8],
    ) -> Response {
        let request = Request {
            method,
            path,
            headers,
            body,
        };
        let response = self.client().send(&request);
        response.unwrap_or_else(|e| panic!("{method} {path}: {e}"))
    }

    /// The items that a text quotes.
    pub(crate) fn finds(&self, text: &str) -> Vec<String> {
        let text_plain = [("content-type", "text/plain; charset=utf-8")];
        let response = self.request_with(&text_plain, "POST", "/v1/match", text.as_bytes());
        assert_eq!(response.status, 200);
        names(&json(&response))
    }

    pub(crate) fn put(&self, name: &str, bytes: &[u8]) {
        let response = self.request("PUT", &format!("/v1/items/{name}"), bytes);
        assert_eq!(response.status, 201, "{}", json(&response));
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn metrics(&self) -> String {
        String::from_utf8(self.request("GET", "/metrics", b"").body).unwrap()
    }

    pub(crate) fn terminate(&self) {
        signal("-TERM", self.id());
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        let until = Instant::now() + TIMEOUT;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < until, "the service does not exit");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn stop(mut self) -> String {
        self.terminate();
        let status = self.wait();
        let log = fs::read_to_string(&self.log).unwrap();
        assert!(status.success(), "{status}: {log}");
        log
    }
}

/// Sends a signal to a process.
pub(crate) fn signal(signal: &str, process: u32) {
    let mut kill = Command::new("kill");
    let status = kill.args([signal, &process.to_string()]).status().unwrap();
    assert!(status.success());
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn json(response: &Response) -> Value {
    serde_json::from_slice(&response.body).unwrap_or_else(|e| {
        let body = String::from_utf8_lossy(&response.body);
        panic!("{}: {e}: {body}", response.status)
    })
}

pub(crate) fn lines(response: &Response) -> Vec<Value> {
    let text = str::from_utf8(&response.body).unwrap();
    let lines = text.lines();
    lines.map(|l| serde_json::from_str(l).unwrap()).collect()
}

pub(crate) fn names(line: &Value) -> Vec<String> {
    let matches = line["matches"].as_array().unwrap().iter();
    matches
        .map(|m| m["item"].as_str().unwrap().to_owned())
        .collect()
}

/// The kind of an error.
pub(crate) fn kind(response: &Response) -> String {
    let body = json(response);
    assert!(body["error"]["message"].is_string(), "{body}");
    body["error"]["kind"].as_str().unwrap().to_owned()
}

/// A square picture of discs, by side length and seed.
pub(crate) fn picture(side: u32, seed: u32) -> RgbImage {
    let mut state = seed.wrapping_mul(0x9E37_79B9) | 1;
    let mut random = move |below: u32| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 8) % below
    };
    let discs: Vec<_> = (0..24)
        .map(|_| {
            let (x, y) = (random(side) as i64, random(side) as i64);
            let radius = i64::from(side / 40 + random(side / 7));
            (
                x,
                y,
                radius * radius,
                [random(256), random(256), random(256)],
            )
        })
        .collect();
    RgbImage::from_fn(side, side, |x, y| {
        let mut colour = [220 - 100 * y / side, 200 - 60 * x / side, 150];
        for (cx, cy, radius, own) in &discs {
            let (dx, dy) = (i64::from(x) - cx, i64::from(y) - cy);
            let distance = dx * dx + dy * dy;
            if distance < *radius {
                colour = own.map(|c| c * (256 - (distance * 128 / radius) as u32) / 256);
            }
        }
        Rgb(colour.map(|c| c as u8))
    })
}

pub(crate) fn encode(picture: &RgbImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}
