//! `POST /v1/match`: the body is the upload, the response is a `match` line.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use leakprint::lines::{ErrorLine, MatchLine};
use leakprint::{ErrorKind, Strength};

use crate::admission::{Ticket, deadline_passed};
use crate::answer::{ApiError, LogFields, body, line, status};
use crate::app::{App, Shared};
use crate::isolate::Lease;
use crate::metrics::Stage;
use crate::prints::{Hint, ISOLATED, ReadError, pairs, unknown};
use crate::upload::{Upload, drain};

/// The parameters of a query.
struct Query {
    hint: Hint,
    min: Strength,
}

impl Query {
    fn new(headers: &HeaderMap, uri: &Uri) -> Result<Self, ApiError> {
        let (mut name, mut min) = (None, Strength::Strong);
        if let Some(value) = headers.get("x-file-name") {
            let value = str::from_utf8(value.as_bytes());
            let value = value.map_err(|_| ApiError::invalid("x-file-name is not UTF-8"))?;
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

/// A response, ready to be sent.
struct Answer {
    status: StatusCode,
    line: Vec<u8>,
    fields: LogFields,
}

pub(crate) async fn post(
    State(app): State<Shared>,
    request: Request,
) -> Result<Response, ApiError> {
    let started = Instant::now();
    let (head, upload) = request.into_parts();
    let query = match admit(&app, &head.headers, &head.uri) {
        Ok(query) => query,
        Err(error) => {
            drain(&head.headers, upload).await;
            return Err(error);
        }
    };
    let upload = app.uploads.read(&head.headers, upload).await?;
    let lane = query.hint.lane(&upload.bytes);
    let deadline = Instant::now() + app.deadline;
    let reader = app.reader(&query.hint, &upload.bytes, deadline).await?;
    let gate = Arc::clone(&app.gate);
    let shared = Arc::clone(&app);
    let work = move |ticket: &Ticket| find(&shared, &query, upload, reader, ticket);
    let answer = gate.run(lane, deadline, work).await?;
    let media = answer.fields.media.unwrap_or("other");
    app.metrics.stage(Stage::Total, media, started.elapsed());
    let mut response = body(answer.status, "application/json", answer.line);
    response.extensions_mut().insert(answer.fields);
    Ok(response.into_response())
}

/// Checks what can be refused before the body is read.
fn admit(app: &App, headers: &HeaderMap, uri: &Uri) -> Result<Query, ApiError> {
    let query = Query::new(headers, uri)?;
    app.uploads.check(headers)?;
    app.gate.check(query.hint.lane_from_headers(headers))?;
    Ok(query)
}

fn find(
    app: &App,
    query: &Query,
    upload: Upload,
    reader: Option<Lease>,
    ticket: &Ticket,
) -> Result<Answer, ApiError> {
    let name = query.hint.name.as_deref().unwrap_or_default();
    let media = query.hint.media(&upload.bytes);
    let mut fields = LogFields {
        media: Some(media),
        bytes: Some(upload.bytes.len()),
        ..LogFields::default()
    };
    app.metrics.stage(Stage::Queue, media, ticket.waited);
    let matcher = app
        .store
        .matcher(query.min)?
        .with_limits(app.limits.clone());
    let fingerprinter = matcher.query_fingerprinter();
    let prints = query
        .hint
        .fingerprint(fingerprinter, &app.limits, &upload, reader, ticket);
    // Frees its memory for the next request.
    drop(upload);
    if ticket.is_cancelled() {
        return Err(deadline_passed());
    }
    let prints = match prints {
        Ok(prints) => Ok(prints),
        Err(ReadError::Error(e)) => Err(e),
        Err(ReadError::DeadlinePassed) => return Err(deadline_passed()),
        Err(ReadError::Isolated(why)) => return isolated(name, why, fields),
    };
    let result = prints.and_then(|(print, took)| {
        app.metrics.stage(Stage::Fingerprint, media, took);
        let started = Instant::now();
        let matches = matcher.find_until(&print, &ticket.deadline)?;
        app.metrics.stage(Stage::Match, media, started.elapsed());
        Ok((matches, print.warnings))
    });
    // If the deadline has passed, it caused the time limit.
    if let Err(e) = &result
        && matches!(e.kind(), ErrorKind::Limit | ErrorKind::Cancelled)
        && ticket.is_cancelled()
    {
        return Err(deadline_passed());
    }
    let (status, line) = match &result {
        Ok((matches, warnings)) => {
            let strengths = matches.iter().map(|m| m.strength);
            strengths.for_each(|strength| app.metrics.matched(strength.as_str()));
            fields.matches = Some(matches.len());
            fields.strength = matches.first().map(|m| m.strength.as_str());
            let answer = MatchLine::found(name, matches, warnings);
            (StatusCode::OK, line(&answer).map_err(not_serialised)?)
        }
        Err(e) => {
            fields.error = Some(e.kind().as_str());
            let answer = MatchLine::unreadable(name, e);
            (status(e.kind()), line(&answer).map_err(not_serialised)?)
        }
    };
    Ok(Answer {
        status,
        line,
        fields,
    })
}

/// The response to an upload whose reader has failed.
fn isolated(name: &str, why: String, mut fields: LogFields) -> Result<Answer, ApiError> {
    let mut answer = MatchLine::found(name, &[], &[]);
    answer.error = Some(ErrorLine::new(ISOLATED, why));
    fields.error = Some(ISOLATED);
    Ok(Answer {
        status: StatusCode::UNPROCESSABLE_ENTITY,
        line: line(&answer).map_err(not_serialised)?,
        fields,
    })
}

fn not_serialised(_: serde_json::Error) -> ApiError {
    let message = "the response cannot be serialised";
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "io", message)
}
