//! Opening a file: which objects it has, and where.
//!
//! `hayro-syntax` reads the cross-reference tables, decodes every stream of objects and, where
//! something does not fit, searches the whole file, all by declared numbers and without checking a
//! deadline. So the tables are read here first, in the same way but under limits, and every entry
//! is checked against the object it names: then the library finds nothing to repair. It receives
//! the file preceded by one new table with the checked entries, and a catalog without pages; the
//! real catalog is walked by [`pages`](super::pages). Streams of objects are measured before the
//! library decodes them, and their content is known by then.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use hayro_syntax::Pdf;
use hayro_syntax::object::{Array, Dict, FromBytes, MaybeRef, Object, ObjectIdentifier, Stream};

use super::table::{self, Entry, Map};
use super::{load_error, search, streams};
use crate::error::{Error, Result};
use crate::limits::Budget;
use crate::media::guard::guard;

/// Bytes of all streams of objects together, for a file of any size and for each byte.
const OBJECTS: u64 = 32 << 20;
const OBJECTS_PER_BYTE: u64 = 16;

/// Objects in one stream, besides those for its size. Programs put 100 or 200 into one.
const MEMBERS: u64 = 64 << 10;

/// An open file.
pub(super) struct Document {
    pub(super) pdf: Pdf,
    /// The catalog.
    pub(super) root: ObjectIdentifier,
    /// The objects in the order of the file, and the bytes of each, streams aside.
    pub(super) objects: Vec<ObjectIdentifier>,
    pub(super) sizes: HashMap<ObjectIdentifier, u32>,
}

/// Opens a file.
///
/// # Errors
/// [`Malformed`](crate::ErrorKind::Malformed) without objects or a catalog;
/// [`Unsupported`](crate::ErrorKind::Unsupported) if it is encrypted with a password;
/// [`Limit`](crate::ErrorKind::Limit).
pub(super) fn open(bytes: &[u8], budget: &mut Budget) -> Result<Document> {
    let mut bounds = table::Bounds::new(bytes, budget);
    if let Some(found) = table::read(bytes, &mut bounds, budget)?
        && let Some(document) = assemble(bytes, found, false, budget)?
    {
        return Ok(document);
    }
    let found = search::search(bytes, &mut bounds)?;
    match found {
        Some(found) => assemble(bytes, found, true, budget)?,
        None => None,
    }
    .ok_or_else(|| Error::malformed("PDF without a cross-reference table"))
}

/// Opens a file by its table. `None` if the table does not fit the file.
fn assemble(
    bytes: &[u8],
    found: table::Found,
    searched: bool,
    budget: &mut Budget,
) -> Result<Option<Document>> {
    let table::Found {
        mut map,
        mut sizes,
        containers,
        trailer,
        root,
    } = found;
    let trailer = trailer.and_then(|range| Dict::from_bytes(bytes.get(range)?));
    let root = trailer
        .as_ref()
        .and_then(|trailer| trailer.get_ref("Root"))
        .map(ObjectIdentifier::from)
        .or(root);
    let Some(root) = root else {
        return Ok(None);
    };
    let mut pdf = with_table(bytes, &map, trailer.as_ref(), true)?;
    let mut inside = Vec::new();
    if !containers.is_empty() {
        let mut left = OBJECTS + OBJECTS_PER_BYTE * bytes.len() as u64;
        for &container in &containers {
            budget.check_time()?;
            let members = guard("the PDF reader", || {
                members(&pdf, container, &mut left, budget)
            })?;
            for (index, (number, size)) in (0_u32..).zip(members) {
                let id = ObjectIdentifier::new(number, 0);
                let entry = Entry::Inside(container, index);
                let agrees = match map.get(&id) {
                    Some(old) => *old == entry || searched && !matches!(old, Entry::At(_)),
                    None => searched,
                };
                if agrees {
                    map.insert(id, entry);
                    sizes.insert(id, size);
                    inside.push(id);
                }
            }
        }
        let known = |id: &ObjectIdentifier, entry: &Entry| {
            matches!(entry, Entry::At(_)) || sizes.contains_key(id)
        };
        if !searched && map.iter().any(|(id, entry)| !known(id, entry)) {
            return Ok(None);
        }
        drop(pdf);
        pdf = with_table(bytes, &map, trailer.as_ref(), false)?;
    }
    let sound = guard("the PDF reader", || {
        let catalog = pdf.xref().get::<Dict<'_>>(root);
        Ok(catalog.is_some_and(|catalog| catalog.contains_key("Pages")))
    })?;
    if !sound {
        return Ok(None);
    }
    let mut objects: Vec<(usize, ObjectIdentifier)> = map
        .iter()
        .filter_map(|(id, entry)| match entry {
            Entry::At(at) => Some((*at, *id)),
            Entry::Inside(..) => None,
        })
        .collect();
    objects.sort_unstable();
    let mut objects: Vec<ObjectIdentifier> = objects.into_iter().map(|(_, id)| id).collect();
    objects.extend(inside);
    Ok(Some(Document {
        pdf,
        root,
        objects,
        sizes,
    }))
}

/// The numbers and sizes of the objects in a stream of objects.
///
/// # Errors
/// [`Limit`](crate::ErrorKind::Limit) for more than `left` bytes, which shrink.
fn members(
    pdf: &Pdf,
    container: u32,
    left: &mut u64,
    budget: &mut Budget,
) -> Result<Vec<(u32, u32)>> {
    let id = ObjectIdentifier::new(container, 0);
    let Some(stream) = pdf.xref().get::<Stream<'_>>(id) else {
        return Ok(Vec::new());
    };
    let data = match streams::decoded_up_to(&stream, *left, budget) {
        Ok(data) => data,
        Err(error) if error.kind() == crate::ErrorKind::Malformed => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    *left = left.saturating_sub(data.len() as u64);
    let dict = stream.dict();
    let (Some(count), Some(first)) = (dict.get::<u32>(b"N"), dict.get::<u32>(b"First")) else {
        return Ok(Vec::new());
    };
    let mut pacer = budget.deadline().pacer(4096);
    let mut reader = table::Cursor::new(&data);
    let mut starts = Vec::new();
    for _ in 0..count {
        pacer.step()?;
        if starts.len() as u64 > MEMBERS + data.len() as u64 / 8 {
            let message = "PDF: more objects in a stream than its size allows";
            return Err(Error::malformed(message));
        }
        let Some((number, offset)) = reader.pair() else {
            // The library then accepts none of them.
            return Ok(Vec::new());
        };
        // The library's sum overflows where this one does not.
        let start = u64::from(first).saturating_add(offset);
        if offset > u64::from(u32::MAX) {
            let message = "PDF: an object beyond the end of its stream";
            return Err(Error::malformed(message));
        }
        starts.push((number, start));
    }
    let len = data.len() as u64;
    let ends: Vec<u64> = starts.iter().skip(1).map(|(_, start)| *start).collect();
    let ends = ends.into_iter().chain([len]);
    let members = starts.into_iter().zip(ends).map(|((number, start), end)| {
        let size = match end.min(len).checked_sub(start) {
            Some(size) => size,
            // Out of order: as much as there is.
            None => len.saturating_sub(start),
        };
        (number, u32::try_from(size).unwrap_or(u32::MAX))
    });
    Ok(members.collect())
}

/// The file with a new table before it. After it comes the offset of the table, and
/// nothing that could be taken for the end of a truncated stream.
fn with_table(bytes: &[u8], map: &Map, trailer: Option<&Dict<'_>>, plain: bool) -> Result<Pdf> {
    let mut entries: Vec<(ObjectIdentifier, Entry)> = map
        .iter()
        .filter(|(_, entry)| !plain || matches!(entry, Entry::At(_)))
        .map(|(id, entry)| (*id, *entry))
        .collect();
    // An empty catalog, under numbers that are free.
    let mut free = (0..=u32::MAX)
        .rev()
        .filter(|number| !map.contains_key(&ObjectIdentifier::new(*number, 0)));
    let (pages, catalog) = free.next().zip(free.next()).unwrap_or_default();
    let mut front = b"%PDF-1.7\n".to_vec();
    let mut own = Vec::new();
    for (number, content) in [
        (pages, "<</Type/Pages/Count 0/Kids[]>>".to_owned()),
        (catalog, format!("<</Type/Catalog/Pages {pages} 0 R>>")),
    ] {
        own.push((ObjectIdentifier::new(number, 0), front.len()));
        let object = format!("{number} 0 obj\n{content}\nendobj\n");
        front.extend_from_slice(object.as_bytes());
    }
    entries.extend(own.iter().map(|(id, _)| (*id, Entry::At(0))));
    entries.sort_unstable_by_key(|(id, _)| *id);
    let start = front.len();
    let dict = format!(
        "{catalog} 0 obj\n<</Type/XRef/Size {}/Index[{}]/W[1 4 4]/Length {}/Root {catalog} 0 R",
        u32::MAX,
        sections(&entries),
        9 * entries.len()
    );
    front.extend_from_slice(dict.as_bytes());
    if let Some(trailer) = trailer {
        for key in ["Encrypt", "ID"] {
            copy(trailer, key, &mut front);
        }
    }
    front.extend_from_slice(b">>stream\n");
    const END: &[u8] = b"\nendstream\nendobj\n";
    let before = front.len() + 9 * entries.len() + END.len();
    for (id, entry) in entries {
        let (kind, first, second) = match entry {
            Entry::At(at) => {
                let own = own.iter().find(|(own, _)| *own == id);
                let at = own.map_or(before + at, |(_, at)| *at);
                (1, u32::try_from(at).ok(), id.gen_number as u32)
            }
            Entry::Inside(container, index) => (2, Some(container), index),
        };
        let first = first.ok_or_else(|| Error::malformed("PDF of more than 4 GB"))?;
        front.push(kind);
        front.extend_from_slice(&first.to_be_bytes());
        front.extend_from_slice(&second.to_be_bytes());
    }
    front.extend_from_slice(END);
    let end = format!("\nstartxref\n{start}\n%%EOF");
    let file = [&front, bytes, end.as_bytes()].concat();
    guard("the PDF reader", || {
        Pdf::new(Arc::new(file)).map_err(load_error)
    })
}

/// The ranges of numbers in a table.
fn sections(entries: &[(ObjectIdentifier, Entry)]) -> String {
    let mut sections = String::new();
    let mut run: Option<Range<u64>> = None;
    for (id, _) in entries {
        let number = u64::from(id.obj_number);
        match &mut run {
            Some(run) if run.end == number => run.end += 1,
            _ => {
                if let Some(run) = run.replace(number..number + 1) {
                    sections += &format!("{} {} ", run.start, run.end - run.start);
                }
            }
        }
    }
    if let Some(run) = run {
        sections += &format!("{} {} ", run.start, run.end - run.start);
    }
    sections
}

/// Copies an entry of a trailer unchanged.
fn copy(trailer: &Dict<'_>, key: &str, to: &mut Vec<u8>) {
    let value = match trailer.get_raw::<Object<'_>>(key) {
        Some(MaybeRef::Ref(reference)) => reference.to_string().into_bytes(),
        Some(MaybeRef::NotRef(Object::Dict(dict))) => dict.data().to_vec(),
        Some(MaybeRef::NotRef(Object::Array(array))) => {
            let array: Array<'_> = array;
            [b"[", array.data(), b"]"].concat()
        }
        _ => return,
    };
    to.extend_from_slice(format!("/{key} ").as_bytes());
    to.extend_from_slice(&value);
}
