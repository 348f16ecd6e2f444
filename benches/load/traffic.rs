//! Queries: each connection sends a request, waits for the response and sends the next.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::client::{Client, Request};
use crate::inputs::{Input, Inputs};
use crate::tally::Tally;

/// How long to wait for a response.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The queries, and how fast to send them.
pub(crate) struct Plan<'a> {
    pub(crate) address: &'a str,
    pub(crate) inputs: &'a Inputs,
    pub(crate) pictures_in_100: usize,
    pub(crate) connections: usize,
    /// Requests per second over all connections; 0 means as many as possible.
    pub(crate) rate: f64,
    pub(crate) time: Duration,
}

/// Sends queries for the planned duration.
pub(crate) fn run(plan: &Plan<'_>) -> Tally {
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let started = Instant::now();
    std::thread::scope(|scope| {
        let request = || connection(plan, started, &next, &stop);
        let threads: Vec<_> = (0..plan.connections)
            .map(|_| scope.spawn(request))
            .collect();
        std::thread::sleep(plan.time);
        stop.store(true, Ordering::Relaxed);
        let mut all = Tally::default();
        for thread in threads {
            match thread.join() {
                Ok(tally) => all.add(tally),
                Err(_) => all.unexpected("query", "a connection's thread panicked"),
            }
        }
        all
    })
}

fn connection(plan: &Plan<'_>, start: Instant, next: &AtomicUsize, stop: &AtomicBool) -> Tally {
    let mut tally = Tally::default();
    let mut client = Client::new(plan.address, TIMEOUT);
    while !stop.load(Ordering::Relaxed) {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let input = plan.inputs.query(number, plan.pictures_in_100);
        let mut scheduled = Instant::now();
        if plan.rate > 0.0 {
            // The latency counts from the scheduled time, or a slow response would hide the delay of the
            // following ones.
            scheduled = start + Duration::from_secs_f64(number as f64 / plan.rate);
            std::thread::sleep(scheduled.saturating_duration_since(Instant::now()));
        }
        query(&mut client, input, scheduled, &mut tally);
    }
    tally
}

fn query(client: &mut Client, input: &Input, scheduled: Instant, tally: &mut Tally) {
    let kind = if input.is_text { "text" } else { "picture" };
    let content = match input.is_text {
        true => "text/plain",
        false => "application/octet-stream",
    };
    let request = Request {
        method: "POST",
        path: "/v1/match?name=load",
        headers: &[("content-type", content)],
        body: &input.bytes,
    };
    match client.send(&request) {
        Ok(response) if response.status == 200 => {
            tally.answered(kind, 200, scheduled.elapsed());
            if let Some(item) = &input.shows
                && !names(&response.body).contains(item)
            {
                tally.unexpected(kind, format!("{item} was not found"));
            }
        }
        // The queue is full, the deadline has passed, or a file of the folder cannot be read.
        Ok(response) if [422, 503, 504].contains(&response.status) => {
            tally.status(kind, response.status);
            if response.status == 503 && response.header("retry-after").is_none() {
                tally.unexpected(kind, "503 without Retry-After");
            }
        }
        Ok(response) => tally.unexpected(kind, response.status),
        Err(e) => tally.unexpected(kind, e),
    }
}

/// The items of a match line.
pub(crate) fn names(line: &[u8]) -> Vec<String> {
    let line: Value = serde_json::from_slice(line).unwrap_or_default();
    let matches = line["matches"].as_array().cloned().unwrap_or_default();
    let names = matches.iter().filter_map(|m| m["item"].as_str());
    names.map(str::to_owned).collect()
}
