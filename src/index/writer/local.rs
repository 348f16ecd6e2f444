//! Local prints on their way into the index: which of a picture's are kept, how
//! many other pictures have each, and the tables.

use crate::exec::Executor;
use crate::fingerprint::{Fingerprint, KEYS, LocalPrint, RasterPrints, signature_distance};
use crate::index::local::{bucket, bucket_bounds, key_bits};
use crate::index::records::{LOCAL_BRIGHT, LOCAL_DISCOUNTED, LocalRecord};
use crate::raster::{SCALE_BIAS, SCALE_STEPS};

/// Prints kept of a picture.
pub(super) const PRINTS_OF_PICTURE: usize = 900;

/// Two prints are alike if their signatures differ in no more bits of 128.
const ALIKE: u32 = 20;

/// Entries of a bucket that each of its prints is compared with: of what stands
/// in more, the rest would tell nothing new.
const COMPARED: usize = 4096;

/// Background documents that must have a print for it to be discounted.
const COMMON: usize = 2;

/// A print of an ignore file or background document.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    keys: [u16; KEYS],
    signature: [u64; 2],
    /// The document; `None` for an ignore file.
    document: Option<u32>,
}

/// The prints of a picture that are kept: of each size about as many, and what
/// the coarse sizes do not have goes to the fine ones.
pub(super) fn select(raster: &RasterPrints) -> Vec<LocalPrint> {
    let prints = &raster.local.prints;
    let level = |print: &LocalPrint| {
        (u32::from(print.scale) + SCALE_STEPS / 4).saturating_sub(u32::from(SCALE_BIAS))
            / (SCALE_STEPS / 2)
    };
    let mut sizes: Vec<&[LocalPrint]> = prints.chunk_by(|a, b| level(a) == level(b)).collect();
    sizes.sort_by_key(|size| size.len());
    let mut kept = Vec::new();
    let (mut room, count) = (PRINTS_OF_PICTURE, sizes.len());
    for (i, size) in sizes.into_iter().enumerate() {
        let share = room / (count - i);
        let taken = size.get(..share).unwrap_or(size);
        room -= taken.len();
        kept.extend_from_slice(taken);
    }
    // By place, so that what is compared together lies together.
    kept.sort_unstable_by_key(|print| {
        (print.scale, print.y, print.x, print.angle, print.signature)
    });
    kept.dedup();
    kept
}

pub(super) fn seen(fingerprint: &Fingerprint, document: Option<u32>) -> impl Iterator<Item = Seen> {
    let rasters = fingerprint.parts.iter().filter_map(|p| p.raster.as_ref());
    rasters.flat_map(move |raster| {
        raster.local.prints.iter().map(move |print| Seen {
            keys: print.keys,
            signature: print.signature,
            document,
        })
    })
}

/// The sections of local prints.
pub(super) struct Tables {
    pub(super) records: Vec<LocalRecord>,
    pub(super) bounds: Vec<u32>,
    pub(super) ids: Vec<u32>,
}

/// An entry of a table, in the order of the file.
type Entry = (u32, u32);

/// Sorts all prints into the tables and weighs them. `pictures` holds each picture's prints.
pub(super) fn tables(pictures: &[Vec<LocalPrint>], seen: &[Seen], exec: &Executor) -> Tables {
    let prints: Vec<&LocalPrint> = pictures.iter().flatten().collect();
    let owners: Vec<u32> = (0..)
        .zip(pictures)
        .flat_map(|(i, prints)| std::iter::repeat_n(i, prints.len()))
        .collect();
    let bits = key_bits(prints.len());
    let buckets = bucket_bounds(prints.len()) - 1;
    let place = |table: usize, keys: &[u16; KEYS]| bucket(table, keys[table], bits) as u32;
    let mut entries: Vec<Entry> = (0..KEYS)
        .flat_map(|table| {
            let prints = (0..).zip(&prints);
            prints.map(move |(id, print)| (place(table, &print.keys), id))
        })
        .collect();
    exec.sort_by_key(&mut entries, |entry| *entry);
    let mut background: Vec<Entry> = (0..KEYS)
        .flat_map(|table| {
            let seen = (0..).zip(seen);
            seen.map(move |(id, seen)| (place(table, &seen.keys), id))
        })
        .collect();
    exec.sort_by_key(&mut background, |entry| *entry);

    let runs: Vec<&[Entry]> = entries.chunk_by(|a, b| a.0 == b.0).collect();
    let weighed = exec.map(&runs, |run| {
        let bucket = run.first().map_or(0, |entry| entry.0);
        let start = background.partition_point(|entry| entry.0 < bucket);
        let end = background.partition_point(|entry| entry.0 <= bucket);
        let known = background.get(start..end).unwrap_or_default();
        run.iter()
            .map(|&(_, id)| {
                let own = &prints[id as usize].signature;
                let others = others(run, owners[id as usize], |other| {
                    let signature = &prints[other as usize].signature;
                    let alike = signature_distance(own, signature) <= ALIKE;
                    alike.then(|| owners[other as usize])
                });
                let common = common(known, |id| {
                    let seen = &seen[id as usize];
                    let alike = signature_distance(own, &seen.signature) <= ALIKE;
                    alike.then_some(seen.document)
                });
                (id, others, common)
            })
            .collect::<Vec<_>>()
    });
    let mut records: Vec<LocalRecord> = prints.iter().map(|print| record(print)).collect();
    for (id, others, common) in weighed.into_iter().flatten() {
        let record = &mut records[id as usize];
        record.others = record.others.max(others);
        if common {
            record.flags |= LOCAL_DISCOUNTED;
        }
    }
    let mut bounds = Vec::with_capacity(buckets + 1);
    for (i, entry) in (0_u32..).zip(&entries) {
        while bounds.len() <= entry.0 as usize {
            bounds.push(i);
        }
    }
    bounds.resize(buckets + 1, entries.len() as u32);
    Tables {
        records,
        bounds,
        ids: entries.into_iter().map(|(_, id)| id).collect(),
    }
}

/// How many pictures other than `own` have a like print, by the entries of a bucket.
fn others(run: &[Entry], own: u32, alike: impl Fn(u32) -> Option<u32>) -> u8 {
    let (mut count, mut last) = (0_u8, own);
    let step = run.len().div_ceil(COMPARED);
    for &(_, other) in run.iter().step_by(step.max(1)) {
        if let Some(owner) = alike(other)
            && owner != own
            && owner != last
        {
            // Entries are in the order of the pictures.
            last = owner;
            count = count.saturating_add(1);
        }
    }
    count
}

/// Whether an ignore file, or background documents enough, have a like print.
fn common(known: &[Entry], alike: impl Fn(u32) -> Option<Option<u32>>) -> bool {
    let (mut documents, mut last) = (0, None);
    for &(_, id) in known {
        match alike(id) {
            None => {}
            Some(None) => return true,
            Some(document) if document != last => {
                last = document;
                documents += 1;
            }
            Some(_) => {}
        }
    }
    documents >= COMMON
}

fn record(print: &LocalPrint) -> LocalRecord {
    LocalRecord {
        x: print.x,
        y: print.y,
        scale: print.scale,
        angle: print.angle,
        flags: if print.bright { LOCAL_BRIGHT } else { 0 },
        others: 0,
        signature: print.signature,
    }
}
