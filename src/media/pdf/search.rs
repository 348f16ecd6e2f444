//! Finds the objects of a PDF whose table is damaged by a search of the whole file.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use hayro_syntax::object::{Dict, FromBytes, Name, ObjectIdentifier};
use hayro_syntax::reader::{Reader, ReaderExt};

use super::table::{Bounds, Entry, Extents, Found, MAX_TABLES, Map};
use crate::error::Result;

/// Looks for objects in the whole file. `None` if there is no catalog.
///
/// # Errors
/// [`Limit`](crate::ErrorKind::Limit) for time; [`Malformed`](crate::ErrorKind::Malformed).
pub(super) fn search(bytes: &[u8], bounds: &mut Bounds) -> Result<Option<Found>> {
    let mut map = Map::new();
    let mut sizes = HashMap::new();
    let mut containers = Vec::new();
    let (mut trailers, mut root) = (Vec::new(), None);
    let mut last: Option<ObjectIdentifier> = None;
    let mut reader = Reader::new(bytes);
    while let Some(byte) = reader.peek_byte() {
        bounds.pacer.step()?;
        let at = reader.offset();
        if byte.is_ascii_digit() {
            if let Some(id) = reader.read_without_context::<ObjectIdentifier>() {
                let mut object = reader.clone();
                object.skip_white_spaces_and_comments();
                let start = object.offset();
                if let Some(end) = Extents::new(bytes, bounds).of_object(start) {
                    bounds.entry()?;
                    map.insert(id, Entry::At(at));
                    sizes.insert(id, u32::try_from(end - at).unwrap_or(u32::MAX));
                    last = Some(id);
                    // Numbers and the like hold nothing else.
                    if bytes[start] != b'<' {
                        reader.jump(end);
                    }
                }
            } else {
                reader.forward_while(|byte| !is_white(byte));
            }
        } else if bytes[at..].starts_with(b"<<")
            && let Some(end) = Extents::new(bytes, bounds).of_object(at)
        {
            reader.jump(end);
            let text = &bytes[at..end];
            let has = |word: &[u8]| text.windows(word.len()).any(|w| w == word);
            // Names may be written with escapes, which begin with a number sign.
            if !(has(b"Root") || has(b"Catalog") || has(b"ObjStm") || has(b"#")) {
                continue;
            }
            let Some(dict) = Dict::from_bytes(text) else {
                continue;
            };
            if dict.contains_key("Root") && trailers.len() < MAX_TABLES {
                trailers.push(at..end);
            }
            let kind = dict.get::<Name<'_>>(b"Type");
            match kind.as_ref().map(|kind| kind.as_ref() as &[u8]) {
                Some(b"Catalog") => root = last,
                Some(b"ObjStm") => containers.extend(last.map(|last| last.obj_number)),
                _ => {}
            }
        } else {
            reader.forward_while(|byte| !is_white(byte));
            if reader.offset() == at {
                reader.forward();
            }
        }
    }
    let mut seen = HashSet::new();
    containers.retain(|container| {
        let place = map.get(&ObjectIdentifier::new(*container, 0));
        matches!(place, Some(Entry::At(_))) && seen.insert(*container)
    });
    // The last one that leads to a catalog.
    let leads = |range: &Range<usize>| {
        let trailer: Option<Dict<'_>> = bytes.get(range.clone()).and_then(Dict::from_bytes);
        let root = trailer.and_then(|trailer| trailer.get_ref("Root"));
        match root.and_then(|root| map.get(&root.into())) {
            Some(Entry::At(at)) => {
                let mut reader = Reader::new(bytes);
                reader.jump(*at);
                let _ = reader.read_without_context::<ObjectIdentifier>();
                reader.skip_white_spaces_and_comments();
                let object = bytes.get(reader.offset()..).and_then(Dict::from_bytes);
                object.is_some_and(|catalog: Dict<'_>| catalog.contains_key("Pages"))
            }
            _ => root.is_some() && !containers.is_empty(),
        }
    };
    let trailer = trailers.into_iter().rev().find(leads);
    if trailer.is_none() && root.is_none() {
        return Ok(None);
    }
    Ok(Some(Found {
        map,
        sizes,
        containers,
        trailer,
        root,
    }))
}

fn is_white(byte: u8) -> bool {
    matches!(byte, b'\0' | b'\t' | b'\n' | 0x0C | b'\r' | b' ')
}
