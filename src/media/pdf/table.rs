//! Cross-reference tables, read under limits.
//!
//! Follows `hayro-syntax` in what it accepts, so that a file has the same objects here
//! and there; the parser of single objects is that crate's own.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Range;

use hayro_syntax::object::{Array, Dict, FromBytes, Object, ObjectIdentifier, Stream};
use hayro_syntax::reader::{Reader, ReaderExt};

use super::streams;
use crate::deadline::Pacer;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Budget;

/// The place of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// In the file, from this byte on.
    At(usize),
    /// In a stream of objects: the number of the stream, the place in it.
    Inside(u32, u32),
}

pub(super) type Map = HashMap<ObjectIdentifier, Entry>;

/// The result of reading a table, or of the search for objects.
pub(super) struct Found {
    pub(super) map: Map,
    /// Bytes of the objects that are directly in the file.
    pub(super) sizes: HashMap<ObjectIdentifier, u32>,
    /// The streams of objects that are needed.
    pub(super) containers: Vec<u32>,
    /// The place of the dictionary of the trailer.
    pub(super) trailer: Option<Range<usize>>,
    /// The catalog, if no trailer names it.
    pub(super) root: Option<ObjectIdentifier>,
}

/// Tables of one file that follow one another.
pub(super) const MAX_TABLES: usize = 256;

/// Bytes of the decoded table of one stream, besides those for the file's size.
const TABLE: u64 = 8 << 20;

/// Bytes in which most objects end.
const FIRST_LOOK: usize = 256;

/// Bounds on reading tables.
pub(super) struct Bounds {
    /// Entries that may still be read; every object takes a few bytes somewhere.
    entries: u64,
    /// Bytes that may still be parsed more than once.
    reparsed: u64,
    pub(super) pacer: Pacer,
}

impl Bounds {
    pub(super) fn new(bytes: &[u8], budget: &Budget) -> Self {
        let len = bytes.len() as u64;
        Self {
            entries: (128 << 10) + len,
            reparsed: (8 << 20) + 4 * len,
            pacer: budget.deadline().pacer(1024),
        }
    }

    pub(super) fn entry(&mut self) -> Result<()> {
        self.pacer.step()?;
        match self.entries.checked_sub(1) {
            Some(left) => {
                self.entries = left;
                Ok(())
            }
            None => Err(Error::malformed("PDF: more objects than its size allows")),
        }
    }
}

/// Reads the chain of tables that the end of a file names. `None` if one is broken, or
/// does not fit the file.
///
/// # Errors
/// [`Limit`](ErrorKind::Limit); [`Malformed`](ErrorKind::Malformed) for too many entries.
pub(super) fn read(
    bytes: &[u8],
    bounds: &mut Bounds,
    budget: &mut Budget,
) -> Result<Option<Found>> {
    const WORD: &[u8] = b"startxref";
    let Some(at) = bytes.windows(WORD.len()).rposition(|word| word == WORD) else {
        return Ok(None);
    };
    let mut reader = Reader::new(bytes);
    reader.jump(at + WORD.len());
    reader.skip_white_spaces_and_comments();
    let Some(start) = reader.read_without_context::<i32>() else {
        return Ok(None);
    };
    let mut chain = Chain {
        bytes,
        bounds,
        budget,
        map: Map::new(),
        visited: BTreeSet::new(),
    };
    let Ok(start) = usize::try_from(start) else {
        return Ok(None);
    };
    let Some(trailer) = chain.table(start)? else {
        return Ok(None);
    };
    let mut map = chain.map;
    let mut extents = Extents::new(bytes, bounds);
    let mut sizes = HashMap::with_capacity(map.len());
    let mut containers = HashSet::new();
    // Offsets that many writers fill in for objects that do not exist.
    map.retain(|_, entry| !matches!(entry, Entry::At(at) if *at == 0 || *at >= bytes.len()));
    let mut places: Vec<(usize, ObjectIdentifier)> = Vec::with_capacity(map.len());
    for (id, entry) in &map {
        match entry {
            Entry::At(at) => places.push((*at, *id)),
            Entry::Inside(container, _) => {
                let is_object = map.get(&ObjectIdentifier::new(*container, 0));
                if !matches!(is_object, Some(Entry::At(_))) {
                    return Ok(None);
                }
                containers.insert(*container);
            }
        }
    }
    places.sort_unstable();
    for (at, id) in places {
        extents.bounds.pacer.step()?;
        let mut reader = Reader::new(bytes);
        reader.jump(at);
        if reader.read_without_context::<ObjectIdentifier>() != Some(id) {
            return Ok(None);
        }
        reader.skip_white_spaces_and_comments();
        let start = reader.offset();
        let Some(end) = extents.of_object(start) else {
            return Ok(None);
        };
        sizes.insert(id, u32::try_from(end - at).unwrap_or(u32::MAX));
    }
    let mut containers: Vec<u32> = containers.into_iter().collect();
    containers.sort_unstable();
    Ok(Some(Found {
        map,
        sizes,
        containers,
        trailer: Some(trailer),
        root: None,
    }))
}

/// The chain of tables that is being read.
struct Chain<'r> {
    bytes: &'r [u8],
    bounds: &'r mut Bounds,
    budget: &'r mut Budget,
    map: Map,
    visited: BTreeSet<usize>,
}

impl Chain<'_> {
    /// Reads a table and those before it; returns its trailer.
    fn table(&mut self, at: usize) -> Result<Option<Range<usize>>> {
        self.budget.check_time()?;
        if !self.visited.insert(at) || self.visited.len() > MAX_TABLES {
            return Ok(None);
        }
        let mut reader = Reader::new(self.bytes);
        reader.jump(at);
        reader.skip_white_spaces_and_comments();
        let mut object = reader.clone();
        if object.read_without_context::<ObjectIdentifier>().is_some() {
            object.skip_white_spaces_and_comments();
            self.stream(object.offset())
        } else {
            self.classic(&mut reader)
        }
    }

    fn before(&mut self, dict: &Dict<'_>, key: &str) -> Result<Option<()>> {
        match dict.get::<i32>(key) {
            Some(at) => Ok(self.table(at as usize)?.map(|_| ())),
            None => Ok(Some(())),
        }
    }

    fn stream(&mut self, at: usize) -> Result<Option<Range<usize>>> {
        let Some(end) = Extents::new(self.bytes, self.bounds).of_object(at) else {
            return Ok(None);
        };
        let Some(stream) = self.bytes.get(at..).and_then(Stream::from_bytes) else {
            return Ok(None);
        };
        let dict = stream.dict();
        if self.before(dict, "Prev")?.is_none() {
            return Ok(None);
        }
        let Some((size, [kinds, places, indices])) =
            dict.get::<u32>(b"Size").zip(dict.get::<[u8; 3]>(b"W"))
        else {
            return Ok(None);
        };
        if places == 0 || places > 8 {
            return Ok(None);
        }
        let most = TABLE + 16 * self.bytes.len() as u64;
        let data = match streams::decoded_up_to(&stream, most, self.budget) {
            Ok(data) => data,
            Err(error) if error.kind() == ErrorKind::Malformed => return Ok(None),
            Err(error) => return Err(error),
        };
        let widths = [kinds, places, indices].map(usize::from);
        let mut reader = Reader::new(&data);
        let sections: Box<dyn Iterator<Item = (u32, u32)>> = match dict.get::<Array<'_>>(b"Index") {
            Some(list) => Box::new(list.iter::<(u32, u32)>()),
            None => Box::new(std::iter::once((0, size))),
        };
        for (first, count) in sections {
            self.bounds.entry()?;
            for step in 0..count {
                let Some(number) = first.checked_add(step) else {
                    return Ok(None);
                };
                if self.stream_entry(&mut reader, number, widths)?.is_none() {
                    return Ok(None);
                }
            }
        }
        Ok(Some(at..end))
    }

    fn stream_entry(
        &mut self,
        reader: &mut Reader<'_>,
        number: u32,
        [kinds, places, indices]: [usize; 3],
    ) -> Result<Option<()>> {
        self.bounds.entry()?;
        let mut field = |width: usize| reader.read_bytes(width);
        let kind = if kinds == 0 {
            Some(1)
        } else {
            // The library reads one byte, whatever the width.
            field(1).map(|bytes| bytes[0])
        };
        let (Some(kind), Some(place), Some(index)) = (kind, field(places), field(indices)) else {
            return Ok(None);
        };
        let index = if indices == 0 { Some(0) } else { value(index) };
        match kind {
            0 => {}
            1 => {
                let (Some(place), Some(generation)) = (value(place), index) else {
                    return Ok(None);
                };
                let id = ObjectIdentifier::new(number, generation as i32);
                self.map.insert(id, Entry::At(place as usize));
            }
            2 => {
                let (Some(container), Some(index)) = (value(place), index) else {
                    return Ok(None);
                };
                let id = ObjectIdentifier::new(number, 0);
                self.map.insert(id, Entry::Inside(container, index));
            }
            _ => return Ok(None),
        }
        Ok(Some(()))
    }

    fn classic(&mut self, reader: &mut Reader<'_>) -> Result<Option<Range<usize>>> {
        let Some(range) = self.classic_trailer(&mut reader.clone())? else {
            return Ok(None);
        };
        let Some(trailer) = self.bytes.get(range.clone()).and_then(Dict::from_bytes) else {
            return Ok(None);
        };
        for key in ["Prev", "XRefStm"] {
            if self.before(&trailer, key)?.is_none() {
                return Ok(None);
            }
        }
        if reader.forward_tag(b"xref").is_none() {
            return Ok(None);
        }
        while let Some((first, count)) = section(reader) {
            let Some(end) = first.checked_add(count) else {
                return Ok(None);
            };
            for number in first..end {
                self.bounds.entry()?;
                let Some((at, generation, used)) = reader.read_bytes(20).and_then(classic_entry)
                else {
                    return Ok(None);
                };
                if used {
                    let id = ObjectIdentifier::new(number, generation);
                    self.map.insert(id, Entry::At(at));
                }
            }
        }
        Ok(Some(range))
    }

    fn classic_trailer(&mut self, reader: &mut Reader<'_>) -> Result<Option<Range<usize>>> {
        reader.skip_white_spaces();
        if reader.forward_tag(b"xref").is_none() {
            return Ok(None);
        }
        while let Some((_, count)) = section(reader) {
            self.bounds.entry()?;
            let Some(at) = reader.offset().checked_add(20 * count as usize) else {
                return Ok(None);
            };
            reader.jump(at);
        }
        reader.skip_white_spaces();
        if reader.forward_tag(b"trailer").is_none() {
            return Ok(None);
        }
        reader.skip_white_spaces();
        let at = reader.offset();
        let end = Extents::new(self.bytes, self.bounds).of_object(at);
        Ok(end.map(|end| at..end))
    }
}

fn section(reader: &mut Reader<'_>) -> Option<(u32, u32)> {
    let start = reader.offset();
    reader.skip_white_spaces();
    let first = reader.read_without_context::<u32>();
    reader.skip_white_spaces();
    let count = first.and_then(|_| reader.read_without_context::<u32>());
    reader.skip_white_spaces();
    if count.is_none() {
        reader.jump(start);
    }
    first.zip(count)
}

/// Offset, generation, whether it is in use.
fn classic_entry(entry: &[u8]) -> Option<(usize, i32, bool)> {
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0_u32, |value, digit| {
            let digit = char::from(*digit).to_digit(10)?;
            value.checked_mul(10)?.checked_add(digit)
        })
    };
    let at = number(entry.get(..10)?)? as usize;
    let generation = i32::try_from(number(entry.get(11..16)?)?).ok()?;
    Some((at, generation, *entry.get(17)? == b'n'))
}

/// A number of a table, of a width that the library supports.
fn value(field: &[u8]) -> Option<u32> {
    match field.len() {
        1..=4 => Some(
            field
                .iter()
                .fold(0, |value, byte| value << 8 | u32::from(*byte)),
        ),
        8 => u32::try_from(u64::from_be_bytes(field.try_into().ok()?)).ok(),
        _ => None,
    }
}

/// Finds the ends of objects.
pub(super) struct Extents<'r> {
    bytes: &'r [u8],
    bounds: &'r mut Bounds,
}

impl<'r> Extents<'r> {
    pub(super) fn new(bytes: &'r [u8], bounds: &'r mut Bounds) -> Self {
        Self { bytes, bounds }
    }

    /// The end of the object that starts at `at`; `None` if there is none. A stream ends
    /// with its dictionary.
    ///
    /// The parser receives the file up to the next few words `obj`: where something is not closed,
    /// it would read to the end of the file, again for every object. Between two such words there
    /// is hardly ever more than one object, so that all of them together are parsed about once.
    /// What is read is counted.
    pub(super) fn of_object(&mut self, at: usize) -> Option<usize> {
        const WORD: &[u8] = b"obj";
        let rest = self.bytes.get(at..)?;
        // Most objects are short.
        let mut window = rest.len().min(FIRST_LOOK);
        let mut words = 0;
        loop {
            if words > 0 {
                if self.bounds.reparsed == 0 {
                    return None;
                }
                for _ in 0..words {
                    let next = rest[window..].windows(WORD.len()).position(|w| w == WORD);
                    window = next.map_or(rest.len(), |next| window + next + WORD.len());
                }
                let left = self.bounds.reparsed.checked_sub(2 * window as u64);
                self.bounds.reparsed = left.unwrap_or(0);
                left?;
            }
            let mut reader = Reader::new(&rest[..window]);
            let skipped = reader.skip::<Object<'_>>(false).is_some();
            let end = reader.offset();
            // At the edge, more could belong to it.
            if skipped && (end < window || window == rest.len()) {
                return Some(at + end);
            }
            if window == rest.len() {
                return None;
            }
            if words == 0 {
                (window, words) = (0, 1);
                continue;
            }
            words *= 2;
        }
    }
}

/// Reads the pairs at the head of a stream of objects.
pub(super) struct Cursor<'d>(Reader<'d>);

impl<'d> Cursor<'d> {
    pub(super) fn new(data: &'d [u8]) -> Self {
        Self(Reader::new(data))
    }

    /// The number of an object and where it begins.
    pub(super) fn pair(&mut self) -> Option<(u32, u64)> {
        self.0.skip_white_spaces_and_comments();
        let number = self.0.read_without_context::<u32>()?;
        self.0.skip_white_spaces_and_comments();
        let offset = self.0.read_without_context::<i64>()?;
        Some((number, u64::try_from(offset).ok()?))
    }
}
