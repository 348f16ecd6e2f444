//! `/v1/items`: the items of the collection.

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
use crate::answer::{ApiError, LogFields, json};
use crate::app::Shared;
use crate::listing::lines;
use crate::prints::{Hint, pairs, unknown};
use crate::upload::drain;
use crate::writing::{Command, Writing};

/// The line of a change, and warnings about parts of the item that could not be read.
#[derive(Serialize)]
struct ChangeBody<'a> {
    #[serde(flatten)]
    line: ChangeLine<'a>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    warnings: &'a [Warning],
}

/// `PUT`: the item is durable and matched once the response is sent.
pub(crate) async fn put(
    State(app): State<Shared>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let (head, upload) = request.into_parts();
    let admitted = app.writing(&head.headers).and_then(|writing| {
        app.uploads.check(&head.headers)?;
        app.gate.check(Lane::Long)?;
        Ok((writing, metadata(&head.uri)?))
    });
    let (writing, metadata) = match admitted {
        Ok(admitted) => admitted,
        Err(error) => {
            drain(&head.headers, upload).await;
            return Err(error);
        }
    };
    let upload = app.uploads.read(&head.headers, upload).await?;
    let hint = Hint::new(&head.headers, Some(name.clone()));
    let mut fields = LogFields {
        media: Some(hint.media(&upload.bytes)),
        bytes: Some(upload.bytes.len()),
        ..LogFields::default()
    };
    let deadline = Instant::now() + app.deadline;
    let reader = app.reader(&hint, &upload.bytes, deadline).await?;
    let shared = Arc::clone(&app);
    let work = move |ticket: &Ticket| -> Result<Fingerprint, ApiError> {
        let snapshot = shared.store.snapshot();
        let fingerprinter = snapshot.collection().fingerprinter()?;
        let prints = hint.fingerprint(fingerprinter, &shared.limits, &upload, reader, ticket);
        Ok(prints?.0)
    };
    let print = app.gate.run(Lane::Long, deadline, work).await?;
    let warnings = print.warnings.clone();
    let (added, generation) = add(writing, &name, print, metadata).await?;
    let status = match added {
        AddOutcome::Unchanged => StatusCode::OK,
        _ => StatusCode::CREATED,
    };
    let change = ChangeBody {
        line: ChangeLine::done(&name, added.as_str(), generation),
        warnings: &warnings,
    };
    let mut response = json(status, &change);
    fields.matches = None;
    response.extensions_mut().insert(fields);
    Ok(response)
}

async fn add(
    writing: &Writing,
    name: &str,
    print: Fingerprint,
    metadata: Metadata,
) -> Result<(AddOutcome, u64), ApiError> {
    let item = NewItem::new(name, print).with_metadata(metadata);
    writing
        .submit(|reply| Command::Add(Box::new(item), reply))
        .await
}

/// Parses an item's metadata from the query string.
fn metadata(uri: &Uri) -> Result<Metadata, ApiError> {
    let mut metadata = Metadata::added(Timestamp::now());
    for (key, value) in pairs(uri)? {
        match key.as_str() {
            "label" => metadata.label = Some(value),
            "note" => metadata.note = Some(value),
            "tag" => match value.split_once('=') {
                Some((tag, value)) if !tag.is_empty() => {
                    metadata.tags.insert(tag.to_owned(), value.to_owned());
                }
                _ => return Err(ApiError::invalid("tag must be KEY=VALUE")),
            },
            "expires" => {
                let time = Timestamp::parse_expiry(&value);
                let time = time.map_err(|e| ApiError::invalid(format!("expires: {e}")))?;
                metadata.expires = Some(time);
            }
            _ => return Err(unknown(&key)),
        }
    }
    Ok(metadata)
}

/// `DELETE`: the item is no longer matched once the response is sent.
pub(crate) async fn delete(
    State(app): State<Shared>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let writing = app.writing(request.headers())?;
    let remove = |reply| Command::Remove(name.clone(), reply);
    let (there, generation) = writing.submit(remove).await?;
    Ok(match there {
        true => json(
            StatusCode::OK,
            &ChangeLine::done(&name, "removed", generation),
        ),
        false => not_found_line(ChangeLine::done(&name, "absent", generation)),
    })
}

/// The response to removing what does not exist.
pub(crate) fn not_found_line(mut line: ChangeLine<'_>) -> Response {
    line.error = Some(ErrorLine::new(
        "not_found",
        "there is nothing to remove under that name",
    ));
    let mut response = json(StatusCode::NOT_FOUND, &line);
    response.extensions_mut().insert(LogFields {
        error: Some("not_found"),
        ..LogFields::default()
    });
    response
}

/// The error for an item that does not exist.
pub(crate) fn item_not_found(name: &str) -> ApiError {
    let message = format!("the collection has no item named {name:?}");
    ApiError::new(StatusCode::NOT_FOUND, "not_found", message)
}

/// `GET` of one item: its metadata.
pub(crate) async fn get(
    State(app): State<Shared>,
    Path(item): Path<String>,
) -> Result<Response, ApiError> {
    match app.store.snapshot().item(&item)? {
        Some(metadata) => {
            let info = ItemInfo::new(item, metadata);
            Ok(json(StatusCode::OK, &ListLine::from(&info)))
        }
        None => Err(item_not_found(&item)),
    }
}

/// `GET` of all items: JSON lines.
pub(crate) async fn list(State(app): State<Shared>) -> Result<Response, ApiError> {
    lines(&app, |snapshot, lines| {
        snapshot
            .items()
            .try_for_each(|item| lines.put(&ListLine::from(&item?)))
    })
}
