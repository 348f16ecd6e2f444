//! `POST /v1/match`: the bytes are the body, the answer is a `match` line.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use leakprint::lines::{ErrorLine, MatchLine};
use leakprint::{ErrorKind, Strength};

use crate::admission::{Ticket, late};
use crate::answer::{Facts, Refusal, body, line, status};
use crate::app::{App, Shared};
use crate::isolate::Lease;
use crate::metrics::Stage;
use crate::prints::{Hint, ISOLATED, Unread, pairs, unknown};
use crate::upload::{Upload, drain};

/// What the asker wants to know.
struct Query {
    hint: Hint,
    min: Strength,
}

impl Query {
    fn new(headers: &HeaderMap, uri: &Uri) -> Result<Self, Refusal> {
        let (mut name, mut min) = (None, Strength::Strong);
        if let Some(value) = headers.get("x-file-name") {
            let value = str::from_utf8(value.as_bytes());
            let value = value.map_err(|_| Refusal::invalid("x-file-name is no UTF-8"))?;
            name = Some(value.to_owned());
        }
        for (key, value) in pairs(uri)? {
            match key.as_str() {
                "name" => name = Some(value),
                "min" => min = value.parse()?,
                _ => return Err(unknown(&key)),
            }
        }
        Ok(Self {
            hint: Hint::new(headers, name),
            min,
        })
    }
}

/// An answer, ready to be sent.
struct Answer {
    status: StatusCode,
    line: Vec<u8>,
    facts: Facts,
}

pub(crate) async fn post(State(app): State<Shared>, request: Request) -> Result<Response, Refusal> {
    let started = Instant::now();
    let (head, upload) = request.into_parts();
    let query = match admit(&app, &head.headers, &head.uri) {
        Ok(query) => query,
        Err(refusal) => {
            drain(&head.headers, upload).await;
            return Err(refusal);
        }
    };
    let upload = app.uploads.read(&head.headers, upload).await?;
    let lane = query.hint.lane(&upload.bytes);
    let deadline = Instant::now() + app.deadline;
    let reader = app.reader(&query.hint, &upload.bytes, deadline).await?;
    let gate = Arc::clone(&app.gate);
    let own = Arc::clone(&app);
    let work = move |ticket: &Ticket| find(&own, &query, upload, reader, ticket);
    let answer = gate.run(lane, deadline, work).await?;
    let media = answer.facts.media.unwrap_or("other");
    app.metrics.stage(Stage::Total, media, started.elapsed());
    let mut response = body(answer.status, "application/json", answer.line);
    response.extensions_mut().insert(answer.facts);
    Ok(response.into_response())
}

/// What can be refused before the body is read.
fn admit(app: &App, headers: &HeaderMap, uri: &Uri) -> Result<Query, Refusal> {
    let query = Query::new(headers, uri)?;
    app.uploads.check(headers)?;
    app.gate.check(query.hint.lane_of_head(headers))?;
    Ok(query)
}

fn find(
    app: &App,
    query: &Query,
    upload: Upload,
    reader: Option<Lease>,
    ticket: &Ticket,
) -> Result<Answer, Refusal> {
    let name = query.hint.name.as_deref().unwrap_or_default();
    let media = query.hint.media(&upload.bytes);
    let mut facts = Facts {
        media: Some(media),
        bytes: Some(upload.bytes.len()),
        ..Facts::default()
    };
    app.metrics.stage(Stage::Queue, media, ticket.waited);
    let matcher = app
        .store
        .matcher(query.min)?
        .with_limits(app.limits.clone());
    let fingerprinter = matcher.query_fingerprinter();
    let prints = query
        .hint
        .prints(fingerprinter, &app.limits, &upload, reader, ticket);
    // Its memory is for the next one.
    drop(upload);
    if ticket.is_void() {
        return Err(late());
    }
    let prints = match prints {
        Ok(prints) => Ok(prints),
        Err(Unread::Error(e)) => Err(e),
        Err(Unread::Late) => return Err(late()),
        Err(Unread::Isolated(why)) => return lost(name, why, facts),
    };
    let result = prints.and_then(|(print, took)| {
        app.metrics.stage(Stage::Fingerprint, media, took);
        let started = Instant::now();
        let matches = matcher.find_until(&print, &ticket.deadline)?;
        app.metrics.stage(Stage::Match, media, started.elapsed());
        Ok((matches, print.warnings))
    });
    // A limit on time is the deadline's doing if that has passed.
    if let Err(e) = &result
        && matches!(e.kind(), ErrorKind::Limit | ErrorKind::Cancelled)
        && ticket.is_void()
    {
        return Err(late());
    }
    let (status, line) = match &result {
        Ok((matches, warnings)) => {
            let words = matches.iter().map(|m| m.strength);
            words.for_each(|strength| app.metrics.matched(strength.as_str()));
            facts.matches = Some(matches.len());
            facts.strength = matches.first().map(|m| m.strength.as_str());
            let answer = MatchLine::found(name, matches, warnings);
            (StatusCode::OK, line(&answer).map_err(failed)?)
        }
        Err(e) => {
            facts.error = Some(e.kind().as_str());
            let answer = MatchLine::unreadable(name, e);
            (status(e.kind()), line(&answer).map_err(failed)?)
        }
    };
    Ok(Answer {
        status,
        line,
        facts,
    })
}

/// The answer to an upload whose reader has ended.
fn lost(name: &str, why: String, mut facts: Facts) -> Result<Answer, Refusal> {
    let mut answer = MatchLine::found(name, &[], &[]);
    answer.error = Some(ErrorLine::new(ISOLATED, why));
    facts.error = Some(ISOLATED);
    Ok(Answer {
        status: StatusCode::UNPROCESSABLE_ENTITY,
        line: line(&answer).map_err(failed)?,
        facts,
    })
}

fn failed(_: serde_json::Error) -> Refusal {
    let message = "the answer cannot be written";
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "io", message)
}
