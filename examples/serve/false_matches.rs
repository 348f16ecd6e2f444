//! `/v1/false-matches`: matches that a reviewer rejected are not reported again.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::Response;
use leakprint::Digest;
use leakprint::collection::{FalseMatch, FalseScope};
use leakprint::lines::ChangeLine;
use serde_json::{Value, json};

use crate::admission::{Lane, Ticket};
use crate::answer::{ApiError, json as answer};
use crate::app::Shared;
use crate::items::{item_not_found, not_found_line};
use crate::listing::lines;
use crate::prints::{Hint, pairs, unknown};
use crate::upload::{Upload, drain};
use crate::writing::Command;

/// A reviewer's decision, as requested.
#[derive(Default)]
struct Decision {
    item: String,
    by: String,
    why: String,
    scope: Option<FalseScope>,
    /// Whether the body is rejected as a picture in any encoding, not just as these bytes.
    is_picture: bool,
}

impl Decision {
    /// Sets a field from a pair of the query string or the JSON object.
    fn set(&mut self, key: &str, value: String) -> Result<(), ApiError> {
        match key {
            "item" => self.item = value,
            "by" => self.by = value,
            "why" => self.why = value,
            "digest" | "picture" | "item_part" => {
                let scope = serde_json::from_value(json!({ key: value }))
                    .map_err(|e| ApiError::invalid(format!("{key}: {e}")))?;
                if self.scope.replace(scope).is_some() {
                    return Err(ApiError::invalid(SCOPES));
                }
            }
            "of" if value == "bytes" => self.is_picture = false,
            "of" if value == "picture" => self.is_picture = true,
            "of" => return Err(ApiError::invalid("of must be bytes or picture")),
            _ => return Err(unknown(key)),
        }
        Ok(())
    }
}

const SCOPES: &str =
    "give exactly one of digest, picture and item_part to say which matches are false";

/// `POST`: either a JSON object with the decision, or the query as the body and the rest in the query
/// string.
pub(crate) async fn post(
    State(app): State<Shared>,
    request: Request,
) -> Result<Response, ApiError> {
    let (head, upload) = request.into_parts();
    let admitted = app.writing(&head.headers).and_then(|writing| {
        app.uploads.check(&head.headers)?;
        Ok((writing, decision(&head.uri)?))
    });
    let (writing, mut decision) = match admitted {
        Ok(admitted) => admitted,
        Err(error) => {
            drain(&head.headers, upload).await;
            return Err(error);
        }
    };
    let upload = app.uploads.read(&head.headers, upload).await?;
    if is_json(&head.headers) {
        let object: serde_json::Map<String, Value> = serde_json::from_slice(&upload.bytes)
            .map_err(|e| ApiError::invalid(format!("the body is not a JSON object: {e}")))?;
        for (key, value) in object {
            let Value::String(value) = value else {
                return Err(ApiError::invalid(format!("{key} must be a string")));
            };
            decision.set(&key, value)?;
        }
    } else if !upload.bytes.is_empty() {
        if decision.scope.is_some() {
            return Err(ApiError::invalid(
                "give either a body or one of digest, picture and item_part, not both",
            ));
        }
        decision.scope = Some(if decision.is_picture {
            let hint = Hint::new(&head.headers, None);
            picture(&app, hint, upload).await?
        } else {
            FalseScope::Digest(Digest::of_bytes(&upload.bytes))
        });
    }
    let scope = decision.scope.ok_or_else(|| ApiError::invalid(SCOPES))?;
    if decision.by.trim().is_empty() || decision.why.trim().is_empty() {
        return Err(ApiError::invalid(
            "by (who decides) and why must not be empty",
        ));
    }
    if app.store.snapshot().item(&decision.item)?.is_none() {
        return Err(item_not_found(&decision.item));
    }
    let mark = FalseMatch::new(&decision.item, scope, decision.by, decision.why);
    let generation = writing.submit(|reply| Command::Mark(mark, reply)).await?;
    let line = ChangeLine::done(&decision.item, "marked", generation);
    Ok(answer(StatusCode::CREATED, &line))
}

fn decision(uri: &Uri) -> Result<Decision, ApiError> {
    let mut decision = Decision::default();
    for (key, value) in pairs(uri)? {
        decision.set(&key, value)?;
    }
    Ok(decision)
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
}

/// The scope of a picture in any encoding.
async fn picture(app: &Shared, hint: Hint, upload: Upload) -> Result<FalseScope, ApiError> {
    let deadline = Instant::now() + app.deadline;
    let reader = app.reader(&hint, &upload.bytes, deadline).await?;
    let shared = Arc::clone(app);
    let work = move |ticket: &Ticket| {
        let snapshot = shared.store.snapshot();
        let fingerprinter = snapshot.collection().fingerprinter()?;
        let (print, _) =
            hint.fingerprint(fingerprinter, &shared.limits, &upload, reader, ticket)?;
        let raster = print.parts.first().and_then(|part| part.raster.as_ref());
        let raster = raster.ok_or_else(|| ApiError::invalid("the body is not a picture"))?;
        Ok(FalseScope::Picture(raster.pdq.code()))
    };
    app.gate.run(Lane::Long, deadline, work).await
}

/// `DELETE`: withdraws a decision.
pub(crate) async fn delete(
    State(app): State<Shared>,
    request: Request,
) -> Result<Response, ApiError> {
    let writing = app.writing(request.headers())?;
    let Decision { item, scope, .. } = decision(request.uri())?;
    let scope = scope.ok_or_else(|| ApiError::invalid(SCOPES))?;
    let unmark = |reply| Command::Unmark(item.clone(), scope, reply);
    let (there, generation) = writing.submit(unmark).await?;
    Ok(match there {
        true => answer(
            StatusCode::OK,
            &ChangeLine::done(&item, "unmarked", generation),
        ),
        false => not_found_line(ChangeLine::done(&item, "absent", generation)),
    })
}

/// `GET`: all decisions, with who, when and why, as JSON lines.
pub(crate) async fn list(State(app): State<Shared>) -> Result<Response, ApiError> {
    lines(&app, |snapshot, lines| {
        snapshot
            .false_matches()
            .try_for_each(|mark| lines.put(&mark))
    })
}
