//! Writing local prints: which prints of a picture are kept, how many other pictures have each,
//! which are entered into the tables, and the tables.

use crate::arch::Backend;
use crate::exec::Executor;
use crate::fingerprint::{Fingerprint, LocalPrint, RasterPrints, signature_distance};
use crate::index::Index;
use crate::index::local::{TABLES, bucket, bucket_bounds, check, crowding, key_bits};
use crate::index::records::{LOCAL_BRIGHT, LOCAL_DISCOUNTED, LocalEntry, LocalRecord};
use crate::raster::{SCALE_BIAS, SCALE_STEPS};

/// Prints kept of a picture at most.
pub(super) const MAX_PRINTS_PER_PICTURE: usize = 900;

/// Bits of 128 in which the signatures of two like prints may differ.
pub(super) const LIKE_DISTANCE: u32 = 20;

/// Prints that are compared with one another, on average: prints are grouped into runs by as many
/// low bits of a word as make runs of about this length.
pub(super) const PRINTS_PER_RUN: usize = 24;

/// Prints of a run that each of its prints is compared with ...
const MAX_COMPARED: usize = 1024;

/// ... unless fewer than this many of them are like it: then it is compared with more.
const MIN_LIKE: usize = 8;
const MAX_COMPARED_IF_FEW: usize = 4096;

/// Background documents that must have a print for it to be discounted.
const MIN_DOCUMENTS: usize = 2;

/// Other pictures that may have a print of the tables, before [`crowding`]: a print that more
/// pictures have does not distinguish them.
const MAX_LISTED_OTHERS: f64 = 16.0;

/// Like prints of the same picture, such as those of a letter, that a print of the tables may have.
const MAX_LISTED_TWINS: u8 = 6;

/// Prints of each picture that are in the tables whatever these limits say: otherwise a picture
/// that is in the index a hundred times would never be found.
const MIN_LISTED: usize = 96;

/// A local print of an ignore file or background document.
#[derive(Clone, Copy, Debug)]
pub(super) struct StopPatch {
    pub(super) signature: [u64; 2],
    /// The number of the background document; `None` for an ignore file.
    pub(super) document: Option<u32>,
}

/// Selects the prints of a picture that are kept: about the same number of each size. The share
/// that the coarse sizes do not fill goes to the fine ones.
pub(super) fn select(raster: &RasterPrints) -> Vec<LocalPrint> {
    let prints = &raster.local.prints;
    let level = |print: &LocalPrint| {
        (u32::from(print.scale) + SCALE_STEPS / 4).saturating_sub(u32::from(SCALE_BIAS))
            / (SCALE_STEPS / 2)
    };
    let mut sizes: Vec<&[LocalPrint]> = prints.chunk_by(|a, b| level(a) == level(b)).collect();
    sizes.sort_by_key(|size| size.len());
    let mut kept = Vec::new();
    let (mut room, count) = (MAX_PRINTS_PER_PICTURE, sizes.len());
    for (i, size) in sizes.into_iter().enumerate() {
        let share = room / (count - i);
        let taken = size.get(..share).unwrap_or(size);
        room -= taken.len();
        kept.extend_from_slice(taken);
    }
    // By place, so that prints that are compared together are near each other in memory.
    kept.sort_unstable_by_key(|print| {
        (print.scale, print.y, print.x, print.angle, print.signature)
    });
    kept.dedup();
    kept
}

/// Returns the local prints of a document's pictures.
pub(super) fn stop_patches(
    fingerprint: &Fingerprint,
    document: Option<u32>,
) -> impl Iterator<Item = StopPatch> {
    let rasters = fingerprint.parts.iter().filter_map(|p| p.raster.as_ref());
    rasters.flat_map(move |raster| {
        raster.local.prints.iter().map(move |print| StopPatch {
            signature: print.signature,
            document,
        })
    })
}

/// The sections of local prints.
pub(super) struct Tables {
    pub(super) records: Vec<LocalRecord>,
    pub(super) bounds: Vec<u32>,
    pub(super) entries: Vec<LocalEntry>,
}

/// Weighs all prints and sorts them into the tables. `pictures` holds the prints of each picture,
/// `siblings` are other indexes of the same collection.
pub(super) fn tables(
    pictures: &[Vec<LocalPrint>],
    patches: &[StopPatch],
    siblings: &[Index],
    exec: &Executor,
) -> Tables {
    let mut records: Vec<LocalRecord> = pictures.iter().flatten().map(record).collect();
    let twins = weigh(pictures, &mut records, patches, exec);
    count_in_siblings(&mut records, pictures.len(), siblings);
    let mut listed = Vec::new();
    let max_others = (MAX_LISTED_OTHERS * crowding(pictures.len())).min(250.0) as u8;
    let mut start = 0;
    for prints in pictures {
        let end = start + prints.len();
        list(start..end, max_others, &records, &twins, &mut listed);
        start = end;
    }
    let bits = key_bits(listed.len());
    let mut placed: Vec<(u32, u32)> = (0..TABLES)
        .flat_map(|table| {
            let records = &records;
            listed.iter().filter_map(move |&print| {
                let word = records.get(print as usize)?.signature[table];
                Some((bucket(table, word, bits) as u32, print))
            })
        })
        .collect();
    exec.sort_by_key(&mut placed, |entry| *entry);
    let mut bounds = Vec::with_capacity(bucket_bounds(listed.len()));
    for (i, entry) in (0_u32..).zip(&placed) {
        while bounds.len() <= entry.0 as usize {
            bounds.push(i);
        }
    }
    bounds.resize(bucket_bounds(listed.len()), placed.len() as u32);
    let entries = placed.iter().filter_map(|&(bucket, print)| {
        let word = records.get(print as usize)?.signature[bucket as usize >> bits];
        Some([print, check(word)])
    });
    Tables {
        entries: entries.collect(),
        records,
        bounds,
    }
}

/// The run of a print, and the print's number.
pub(super) type Place = (u32, u32);

/// Counts for every print the other pictures that have a like one, and marks the prints that the
/// background has. Returns for every print how many like ones the same picture has, up to 255.
fn weigh(
    pictures: &[Vec<LocalPrint>],
    records: &mut [LocalRecord],
    patches: &[StopPatch],
    exec: &Executor,
) -> Vec<u8> {
    let owners: Vec<u32> = (0..)
        .zip(pictures)
        .flat_map(|(i, prints)| std::iter::repeat_n(i, prints.len()))
        .collect();
    let bits = (records.len() / PRINTS_PER_RUN)
        .checked_ilog2()
        .unwrap_or(0)
        .min(24);
    let places = |signatures: &mut dyn Iterator<Item = [u64; 2]>| -> Vec<Place> {
        let mut places: Vec<Place> = (0..)
            .zip(signatures)
            .flat_map(|(id, words)| {
                (0..TABLES).map(move |t| (bucket(t, words[t], bits) as u32, id))
            })
            .collect();
        exec.sort_by_key(&mut places, |place| *place);
        places
    };
    let own = places(&mut records.iter().map(|record| record.signature));
    let background = places(&mut patches.iter().map(|patch| patch.signature));
    let runs: Vec<&[Place]> = own.chunk_by(|a, b| a.0 == b.0).collect();
    let shared: &[LocalRecord] = records;
    let weighed = exec.map(&runs, |run| {
        let bucket = run.first().map_or(0, |place| place.0);
        let start = background.partition_point(|place| place.0 < bucket);
        let end = background.partition_point(|place| place.0 <= bucket);
        let in_background = background.get(start..end).unwrap_or_default();
        let run = Run::new(run, shared, &owners);
        let mut like = Vec::new();
        run.members
            .iter()
            .map(|member| {
                let (others, twins) = run.count_like(member, &mut like);
                let discounted = is_common(in_background, |id| {
                    let patch = &patches[id as usize];
                    let distance = signature_distance(&member.signature, &patch.signature);
                    (distance <= LIKE_DISTANCE).then_some(patch.document)
                });
                (member.id, others, twins, discounted)
            })
            .collect::<Vec<_>>()
    });
    let mut all_twins = vec![0_u8; records.len()];
    for (id, others, twins, discounted) in weighed.into_iter().flatten() {
        let record = &mut records[id as usize];
        record.others = record.others.max(others);
        all_twins[id as usize] = all_twins[id as usize].max(twins);
        if discounted {
            record.flags |= LOCAL_DISCOUNTED;
        }
    }
    all_twins
}

/// The most prints of sibling indexes that are compared: if there are more, only those of every n-th picture.
const MAX_SAMPLED: usize = 1 << 19;

/// Adds to the count of every print the pictures of sibling indexes that have a like one,
/// estimated from a sample of them if they are many.
///
/// A reader of the count knows only the [crowding] of this index, so the count is scaled to it.
fn count_in_siblings(records: &mut [LocalRecord], pictures: usize, siblings: &[Index]) {
    let all: usize = siblings.iter().map(|index| index.locals().len()).sum();
    if records.is_empty() || all == 0 {
        return;
    }
    let step = all.div_ceil(MAX_SAMPLED);
    let elsewhere: usize = siblings.iter().map(|index| index.pictures().len()).sum();
    let scale = crowding(pictures) / crowding(pictures + elsewhere);
    // As many bits as give about one of our prints to a bucket.
    let bits = records.len().ilog2().clamp(4, 20);
    let mut buckets: Vec<Vec<u32>> = vec![Vec::new(); TABLES << bits];
    for (id, record) in (0..).zip(&*records) {
        for (table, &word) in record.signature.iter().enumerate() {
            if let Some(bucket) = buckets.get_mut(bucket(table, word, bits)) {
                bucket.push(id);
            }
        }
    }
    let mut others = vec![0_u32; records.len()];
    // The last picture that was counted for each print.
    let mut last = vec![u32::MAX; records.len()];
    let mut picture = 0;
    for index in siblings {
        for prints in index.locals().by_picture().step_by(step) {
            for print in prints {
                for (table, &word) in print.signature.iter().enumerate() {
                    let ids = buckets.get(bucket(table, word, bits));
                    for &id in ids.into_iter().flatten() {
                        let id = id as usize;
                        let (Some(own), Some(last)) = (records.get(id), last.get_mut(id)) else {
                            continue;
                        };
                        if *last != picture
                            && signature_distance(&own.signature, &print.signature) <= LIKE_DISTANCE
                        {
                            *last = picture;
                            others[id] += 1;
                        }
                    }
                }
            }
            picture += 1;
        }
    }
    for (record, others) in records.iter_mut().zip(others) {
        let all = f64::from(others.saturating_mul(step as u32)) + f64::from(record.others);
        record.others = (all * scale).round().min(255.0) as u8;
    }
}

/// Appends the prints of a picture that go into the tables: those that at most `max_others` other
/// pictures have, and more up to [`MIN_LISTED`].
fn list(
    range: std::ops::Range<usize>,
    max_others: u8,
    records: &[LocalRecord],
    twins: &[u8],
    to: &mut Vec<u32>,
) {
    let begin = to.len();
    let usable = range.filter(|&i| !records[i].is_discounted());
    let (distinctive, rest): (Vec<usize>, Vec<usize>) =
        usable.partition(|&i| records[i].others() <= max_others && twins[i] <= MAX_LISTED_TWINS);
    to.extend(distinctive.iter().map(|&i| i as u32));
    let missing = MIN_LISTED.saturating_sub(distinctive.len());
    let mut rest = rest;
    rest.sort_by_key(|&i| (records[i].others(), twins[i], i));
    to.extend(rest.iter().take(missing).map(|&i| i as u32));
    to[begin..].sort_unstable();
}

/// A print of a run.
struct Member {
    id: u32,
    owner: u32,
    signature: [u64; 2],
}

/// Prints that are compared with one another.
struct Run {
    members: Vec<Member>,
    small: Sample,
    /// A larger sample, unless `small` has all members.
    large: Option<Sample>,
}

/// Every `step`th print of a run.
struct Sample {
    step: usize,
    signatures: Vec<[u64; 2]>,
}

impl Run {
    fn new(places: &[Place], records: &[LocalRecord], owners: &[u32]) -> Self {
        let members: Vec<Member> = places
            .iter()
            .map(|&(_, id)| Member {
                id,
                owner: owners[id as usize],
                signature: records[id as usize].signature,
            })
            .collect();
        let sample = |max: usize| {
            let step = members.len().div_ceil(max).max(1);
            let signatures = members.iter().step_by(step).map(|m| m.signature);
            Sample {
                step,
                signatures: signatures.collect(),
            }
        };
        Self {
            small: sample(MAX_COMPARED),
            large: (members.len() > MAX_COMPARED).then(|| sample(MAX_COMPARED_IF_FEW)),
            members,
        }
    }

    /// Returns how many other pictures have a print like a member, and how many more such prints
    /// its own picture has, up to 255 each. Extrapolated where only a sample was compared.
    /// `like` is a buffer.
    fn count_like(&self, member: &Member, like: &mut Vec<u32>) -> (u8, u8) {
        let mut sample = &self.small;
        let mut compare = |sample: &Sample| {
            like.clear();
            let backend = Backend::detect();
            backend.near128(&member.signature, &sample.signatures, LIKE_DISTANCE, like);
            like.len()
        };
        if compare(sample) < MIN_LIKE
            && let Some(large) = &self.large
        {
            sample = large;
            compare(sample);
        }
        let (mut others, mut twins, mut last) = (0_usize, 0_usize, member.owner);
        for &place in like.iter() {
            let Some(other) = self.members.get(place as usize * sample.step) else {
                continue;
            };
            // Prints come in the order of their pictures.
            if other.id == member.id {
                continue;
            } else if other.owner == member.owner {
                twins += 1;
            } else if other.owner != last {
                last = other.owner;
                others += 1;
            }
        }
        // Too few are no basis for an extrapolation.
        let factor = if like.len() < MIN_LIKE {
            1
        } else {
            sample.step
        };
        let count = |found: usize| u8::try_from(found.saturating_mul(factor)).unwrap_or(u8::MAX);
        (count(others), count(twins))
    }
}

/// Returns whether an ignore file or [`MIN_DOCUMENTS`] background documents have a like print.
/// `document_if_like` returns the document of a print, or `None` if the print is not like it.
pub(super) fn is_common(
    places: &[Place],
    document_if_like: impl Fn(u32) -> Option<Option<u32>>,
) -> bool {
    let (mut documents, mut last) = (0, None);
    for &(_, id) in places {
        match document_if_like(id) {
            None => {}
            Some(None) => return true,
            Some(document) if document != last => {
                last = document;
                documents += 1;
            }
            Some(_) => {}
        }
    }
    documents >= MIN_DOCUMENTS
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
