//! Queries: so many connections, each of which asks, waits for the answer and asks again.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::client::{Ask, Client};
use crate::inputs::{Input, Inputs};
use crate::tally::Tally;

/// How long to wait for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is asked, and how fast.
pub(crate) struct Plan<'a> {
    pub(crate) address: &'a str,
    pub(crate) inputs: &'a Inputs,
    pub(crate) pictures_in_100: usize,
    pub(crate) connections: usize,
    /// Requests a second of all connections; 0 for as many as there can be.
    pub(crate) rate: f64,
    pub(crate) time: Duration,
}

/// Asks for some time.
pub(crate) fn run(plan: &Plan<'_>) -> Tally {
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let started = Instant::now();
    std::thread::scope(|scope| {
        let ask = || connection(plan, started, &next, &stop);
        let threads: Vec<_> = (0..plan.connections).map(|_| scope.spawn(ask)).collect();
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
    let mut client = Client::new(plan.address, PATIENCE);
    while !stop.load(Ordering::Relaxed) {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let input = plan.inputs.query(number, plan.pictures_in_100);
        let mut asked = Instant::now();
        if plan.rate > 0.0 {
            // The time counts from when it should have been asked, or a slow answer would hide the
            // ones behind it.
            asked = start + Duration::from_secs_f64(number as f64 / plan.rate);
            std::thread::sleep(asked.saturating_duration_since(Instant::now()));
        }
        query(&mut client, input, asked, &mut tally);
    }
    tally
}

fn query(client: &mut Client, input: &Input, asked: Instant, tally: &mut Tally) {
    let kind = if input.is_text { "text" } else { "picture" };
    let content = match input.is_text {
        true => "text/plain",
        false => "application/octet-stream",
    };
    let ask = Ask {
        method: "POST",
        path: "/v1/match?name=load",
        headers: &[("content-type", content)],
        body: &input.bytes,
    };
    match client.ask(&ask) {
        Ok(answer) if answer.status == 200 => {
            tally.answered(kind, 200, asked.elapsed());
            if let Some(item) = &input.shows
                && !names(&answer.body).contains(item)
            {
                tally.unexpected(kind, format!("{item} was not found"));
            }
        }
        // The queue is full, or the time is over; what cannot be read is of a folder.
        Ok(answer) if [422, 503, 504].contains(&answer.status) => {
            tally.status(kind, answer.status);
            if answer.status == 503 && answer.header("retry-after").is_none() {
                tally.unexpected(kind, "503 without Retry-After");
            }
        }
        Ok(answer) => tally.unexpected(kind, answer.status),
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
