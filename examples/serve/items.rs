//! `/v1/items`: what is searched for.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use leakprint::collection::{AddOutcome, ItemInfo, Metadata, NewItem, Timestamp};
use leakprint::lines::{ChangeLine, ErrorLine, ListLine};
use leakprint::{Fingerprint, Warning};
use serde::Serialize;

use crate::admission::{Lane, Ticket};
use crate::answer::{Facts, Refusal, json};
use crate::app::Shared;
use crate::listing::lines;
use crate::prints::{Hint, pairs, unknown};
use crate::upload::drain;
use crate::writing::{Order, Writing};

/// The line of a change, and what of the item could not be read.
#[derive(Serialize)]
struct Change<'a> {
    #[serde(flatten)]
    line: ChangeLine<'a>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    warnings: &'a [Warning],
}

/// `PUT`: durable and matchable once the answer comes.
pub(crate) async fn put(
    State(app): State<Shared>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let (head, upload) = request.into_parts();
    let admitted = app.writing(&head.headers).and_then(|writing| {
        app.uploads.check(&head.headers)?;
        app.gate.check(Lane::Long)?;
        Ok((writing, metadata(&head.uri)?))
    });
    let (writing, metadata) = match admitted {
        Ok(admitted) => admitted,
        Err(refusal) => {
            drain(&head.headers, upload).await;
            return Err(refusal);
        }
    };
    let upload = app.uploads.read(&head.headers, upload).await?;
    let hint = Hint::new(&head.headers, Some(name.clone()));
    let mut facts = Facts {
        media: Some(hint.media(&upload.bytes)),
        bytes: Some(upload.bytes.len()),
        ..Facts::default()
    };
    let deadline = Instant::now() + app.deadline;
    let reader = app.reader(&hint, &upload.bytes, deadline).await?;
    let own = Arc::clone(&app);
    let work = move |ticket: &Ticket| -> Result<Fingerprint, Refusal> {
        let snapshot = own.store.snapshot();
        let fingerprinter = snapshot.collection().fingerprinter()?;
        let prints = hint.prints(fingerprinter, &own.limits, &upload, reader, ticket);
        Ok(prints?.0)
    };
    let print = app.gate.run(Lane::Long, deadline, work).await?;
    let warnings = print.warnings.clone();
    let (added, generation) = add(writing, &name, print, metadata).await?;
    let status = match added {
        AddOutcome::Unchanged => StatusCode::OK,
        _ => StatusCode::CREATED,
    };
    let change = Change {
        line: ChangeLine::done(&name, added.as_str(), generation),
        warnings: &warnings,
    };
    let mut response = json(status, &change);
    facts.matches = None;
    response.extensions_mut().insert(facts);
    Ok(response)
}

async fn add(
    writing: &Writing,
    name: &str,
    print: Fingerprint,
    metadata: Metadata,
) -> Result<(AddOutcome, u64), Refusal> {
    let item = NewItem::new(name, print).with_metadata(metadata);
    writing
        .order(|reply| Order::Add(Box::new(item), reply))
        .await
}

/// What the query string says of an item.
fn metadata(uri: &Uri) -> Result<Metadata, Refusal> {
    let mut metadata = Metadata::added(Timestamp::now());
    for (key, value) in pairs(uri)? {
        match key.as_str() {
            "label" => metadata.label = Some(value),
            "note" => metadata.note = Some(value),
            "tag" => match value.split_once('=') {
                Some((tag, value)) if !tag.is_empty() => {
                    metadata.tags.insert(tag.to_owned(), value.to_owned());
                }
                _ => return Err(Refusal::invalid("a tag is KEY=VALUE")),
            },
            "expires" => metadata.expires = Some(future(&value, metadata.added)?),
            _ => return Err(unknown(&key)),
        }
    }
    Ok(metadata)
}

/// Parses a time to expire. One in the past would answer "added" for an item that is never found.
fn future(value: &str, now: Timestamp) -> Result<Timestamp, Refusal> {
    let expires: Timestamp = value.parse()?;
    if expires <= now {
        let message = format!("expires is {expires}, which is past: it is {now}");
        return Err(Refusal::invalid(message));
    }
    Ok(expires)
}

/// `DELETE`: gone once the answer comes.
pub(crate) async fn delete(
    State(app): State<Shared>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let writing = app.writing(request.headers())?;
    let order = |reply| Order::Remove(name.clone(), reply);
    let (there, generation) = writing.order(order).await?;
    Ok(match there {
        true => json(
            StatusCode::OK,
            &ChangeLine::done(&name, "removed", generation),
        ),
        false => gone(ChangeLine::done(&name, "absent", generation)),
    })
}

/// Says that what was to go was not there.
pub(crate) fn gone(mut line: ChangeLine<'_>) -> Response {
    line.error = Some(ErrorLine::new("not_found", "there is nothing of that name"));
    let mut response = json(StatusCode::NOT_FOUND, &line);
    response.extensions_mut().insert(Facts {
        error: Some("not_found"),
        ..Facts::default()
    });
    response
}

/// No item of that name.
pub(crate) fn absent(name: &str) -> Refusal {
    let message = format!("the collection has no item {name:?}");
    Refusal::new(StatusCode::NOT_FOUND, "not_found", message)
}

/// `GET` of one: what the owner says of it.
pub(crate) async fn get(
    State(app): State<Shared>,
    Path(item): Path<String>,
) -> Result<Response, Refusal> {
    match app.store.snapshot().item(&item)? {
        Some(metadata) => {
            let info = ItemInfo::new(item, metadata);
            Ok(json(StatusCode::OK, &ListLine::from(&info)))
        }
        None => Err(absent(&item)),
    }
}

/// `GET` of all: JSON lines.
pub(crate) async fn list(State(app): State<Shared>) -> Result<Response, Refusal> {
    lines(&app, |snapshot, lines| {
        snapshot
            .items()
            .try_for_each(|item| lines.put(&ListLine::from(&item?)))
    })
}
