//! `/v1/false-matches`: what a reviewer found to be no match never comes back.

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
use crate::answer::{Refusal, json as answer};
use crate::app::Shared;
use crate::items::{absent, gone};
use crate::listing::lines;
use crate::prints::{Hint, pairs, unknown};
use crate::upload::{Upload, drain};
use crate::writing::Order;

/// A decision as it is asked for.
#[derive(Default)]
struct Decision {
    item: String,
    by: String,
    why: String,
    scope: Option<FalseScope>,
    /// Whether the picture that is the body is meant, and not just its bytes.
    is_picture: bool,
}

impl Decision {
    /// From pairs of a query string, or of a JSON object.
    fn set(&mut self, key: &str, value: String) -> Result<(), Refusal> {
        match key {
            "item" => self.item = value,
            "by" => self.by = value,
            "why" => self.why = value,
            "digest" | "picture" | "item_part" => {
                let scope = serde_json::from_value(json!({ key: value }))
                    .map_err(|e| Refusal::invalid(format!("{key}: {e}")))?;
                if self.scope.replace(scope).is_some() {
                    return Err(Refusal::invalid(SCOPES));
                }
            }
            "of" if value == "bytes" => self.is_picture = false,
            "of" if value == "picture" => self.is_picture = true,
            "of" => return Err(Refusal::invalid("of is bytes or picture")),
            _ => return Err(unknown(key)),
        }
        Ok(())
    }
}

const SCOPES: &str = "say which matches are false by one of digest, picture and item_part";

/// `POST`: a JSON object that names what is false, or the query itself as the body and the rest in
/// the query string.
pub(crate) async fn post(State(app): State<Shared>, request: Request) -> Result<Response, Refusal> {
    let (head, upload) = request.into_parts();
    let admitted = app.writing(&head.headers).and_then(|writing| {
        app.uploads.check(&head.headers)?;
        Ok((writing, decision(&head.uri)?))
    });
    let (writing, mut decision) = match admitted {
        Ok(admitted) => admitted,
        Err(refusal) => {
            drain(&head.headers, upload).await;
            return Err(refusal);
        }
    };
    let upload = app.uploads.read(&head.headers, upload).await?;
    if is_json(&head.headers) {
        let object: serde_json::Map<String, Value> = serde_json::from_slice(&upload.bytes)
            .map_err(|e| Refusal::invalid(format!("the body is no JSON object: {e}")))?;
        for (key, value) in object {
            let Value::String(value) = value else {
                return Err(Refusal::invalid(format!("{key} is no string")));
            };
            decision.set(&key, value)?;
        }
    } else if !upload.bytes.is_empty() {
        if decision.scope.is_some() {
            return Err(Refusal::invalid("a body and a scope are two scopes"));
        }
        decision.scope = Some(if decision.is_picture {
            let hint = Hint::new(&head.headers, None);
            picture(&app, hint, upload).await?
        } else {
            FalseScope::Digest(Digest::of_bytes(&upload.bytes))
        });
    }
    let scope = decision.scope.ok_or_else(|| Refusal::invalid(SCOPES))?;
    if decision.by.trim().is_empty() || decision.why.trim().is_empty() {
        return Err(Refusal::invalid("say who decides, by, and why"));
    }
    if app.store.snapshot().item(&decision.item)?.is_none() {
        return Err(absent(&decision.item));
    }
    let mark = FalseMatch::new(&decision.item, scope, decision.by, decision.why);
    let generation = writing.order(|reply| Order::Mark(mark, reply)).await?;
    let line = ChangeLine::done(&decision.item, "marked", generation);
    Ok(answer(StatusCode::CREATED, &line))
}

fn decision(uri: &Uri) -> Result<Decision, Refusal> {
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

/// The picture that a body is, however it is saved.
async fn picture(app: &Shared, hint: Hint, upload: Upload) -> Result<FalseScope, Refusal> {
    let deadline = Instant::now() + app.deadline;
    let reader = app.reader(&hint, &upload.bytes, deadline).await?;
    let own = Arc::clone(app);
    let work = move |ticket: &Ticket| {
        let snapshot = own.store.snapshot();
        let fingerprinter = snapshot.collection().fingerprinter()?;
        let (print, _) = hint.prints(fingerprinter, &own.limits, &upload, reader, ticket)?;
        let raster = print.parts.first().and_then(|part| part.raster.as_ref());
        let raster = raster.ok_or_else(|| Refusal::invalid("the body is no picture"))?;
        Ok(FalseScope::Picture(raster.pdq.code()))
    };
    app.gate.run(Lane::Long, deadline, work).await
}

/// `DELETE`: takes a decision back.
pub(crate) async fn delete(
    State(app): State<Shared>,
    request: Request,
) -> Result<Response, Refusal> {
    let writing = app.writing(request.headers())?;
    let Decision { item, scope, .. } = decision(request.uri())?;
    let scope = scope.ok_or_else(|| Refusal::invalid(SCOPES))?;
    let order = |reply| Order::Unmark(item.clone(), scope, reply);
    let (there, generation) = writing.order(order).await?;
    Ok(match there {
        true => answer(
            StatusCode::OK,
            &ChangeLine::done(&item, "unmarked", generation),
        ),
        false => gone(ChangeLine::done(&item, "absent", generation)),
    })
}

/// `GET`: who decided what, when and why, as JSON lines.
pub(crate) async fn list(State(app): State<Shared>) -> Result<Response, Refusal> {
    lines(&app, |snapshot, lines| {
        snapshot
            .false_matches()
            .try_for_each(|mark| lines.put(&mark))
    })
}
