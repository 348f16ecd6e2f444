//! Local prints on their way into the index: which of a picture's are kept, how
//! many other pictures have each, which stand in the tables, and the tables.

use crate::arch::Backend;
use crate::exec::Executor;
use crate::fingerprint::{Fingerprint, LocalPrint, RasterPrints, signature_distance};
use crate::index::Index;
use crate::index::local::{TABLES, bucket, bucket_bounds, check, crowding, key_bits};
use crate::index::records::{LOCAL_BRIGHT, LOCAL_DISCOUNTED, LocalEntry, LocalRecord};
use crate::raster::{SCALE_BIAS, SCALE_STEPS};

/// Prints kept of a picture.
pub(super) const PRINTS_OF_PICTURE: usize = 900;

/// Two prints are alike if their signatures differ in no more bits of 128.
pub(super) const ALIKE: u32 = 20;

/// Prints that are compared with one another share so many low bits of a word that about this
/// many do.
pub(super) const COMPARED_TOGETHER: usize = 24;

/// Of prints that share them, each is compared with so many ...
const COMPARED: usize = 1024;

/// ... and if fewer than so many of these are like it, with more.
const FEW: usize = 8;
const COMPARED_IF_FEW: usize = 4096;

/// Background documents that must have a print for it to be discounted.
const COMMON: usize = 2;

/// Prints that more other pictures have tell none of them and stand in no table, with allowance
/// for the number of pictures ...
const LISTED_OTHERS: f64 = 16.0;

/// ... and neither do letters that the same picture has so often ...
const LISTED_TWINS: u8 = 6;

/// ... but of every picture so many do, lest one that is in the index a hundred times is not
/// found at all.
const LISTED_AT_LEAST: usize = 96;

/// A print of an ignore file or background document.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) signature: [u64; 2],
    /// The document; `None` for an ignore file.
    pub(super) document: Option<u32>,
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

/// Sorts all prints into the tables and weighs them. `pictures` holds each picture's prints.
pub(super) fn tables(
    pictures: &[Vec<LocalPrint>],
    seen: &[Seen],
    beside: &[Index],
    exec: &Executor,
) -> Tables {
    let mut records: Vec<LocalRecord> = pictures.iter().flatten().map(record).collect();
    let twins = weigh(pictures, &mut records, seen, exec);
    weigh_beside(&mut records, pictures.len(), beside);
    let mut listed = Vec::new();
    let most = (LISTED_OTHERS * crowding(pictures.len())).min(250.0) as u8;
    let mut start = 0;
    for prints in pictures {
        let end = start + prints.len();
        list(start..end, most, &records, &twins, &mut listed);
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

/// A print's place among those that are compared with one another, and its number.
pub(super) type Place = (u32, u32);

/// Counts for every print the other pictures that have one like it, and marks those that
/// background has. Returns how many like it the same picture has, up to 255.
fn weigh(
    pictures: &[Vec<LocalPrint>],
    records: &mut [LocalRecord],
    seen: &[Seen],
    exec: &Executor,
) -> Vec<u8> {
    let owners: Vec<u32> = (0..)
        .zip(pictures)
        .flat_map(|(i, prints)| std::iter::repeat_n(i, prints.len()))
        .collect();
    let bits = (records.len() / COMPARED_TOGETHER)
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
    let background = places(&mut seen.iter().map(|seen| seen.signature));
    let runs: Vec<&[Place]> = own.chunk_by(|a, b| a.0 == b.0).collect();
    let known: &[LocalRecord] = records;
    let weighed = exec.map(&runs, |run| {
        let bucket = run.first().map_or(0, |place| place.0);
        let start = background.partition_point(|place| place.0 < bucket);
        let end = background.partition_point(|place| place.0 <= bucket);
        let behind = background.get(start..end).unwrap_or_default();
        let run = Run::new(run, known, &owners);
        let mut room = Vec::new();
        run.members
            .iter()
            .map(|member| {
                let (others, twins) = run.alike(member, &mut room);
                let common = common(behind, |id| {
                    let seen = &seen[id as usize];
                    let alike = signature_distance(&member.signature, &seen.signature) <= ALIKE;
                    alike.then_some(seen.document)
                });
                (member.id, others, twins, common)
            })
            .collect::<Vec<_>>()
    });
    let mut all_twins = vec![0_u8; records.len()];
    for (id, others, twins, common) in weighed.into_iter().flatten() {
        let record = &mut records[id as usize];
        record.others = record.others.max(others);
        all_twins[id as usize] = all_twins[id as usize].max(twins);
        if common {
            record.flags |= LOCAL_DISCOUNTED;
        }
    }
    all_twins
}

/// Prints of other indexes that are looked at, at most: every so many of their pictures.
const SAMPLED: usize = 1 << 19;

/// Adds to the count of every print the pictures of other indexes that have one like it. Of many
/// pictures a sample is looked at, and stands for the others. Whoever reads the count knows
/// the [crowding] of this index alone, so it is kept in that measure.
fn weigh_beside(records: &mut [LocalRecord], pictures: usize, beside: &[Index]) {
    let all: usize = beside.iter().map(|index| index.locals().len()).sum();
    if records.is_empty() || all == 0 {
        return;
    }
    let step = all.div_ceil(SAMPLED);
    let elsewhere: usize = beside.iter().map(|index| index.pictures().len()).sum();
    let measure = crowding(pictures) / crowding(pictures + elsewhere);
    // As many bits as make a bucket hold about one print of ours.
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
    // The last picture that counted for a print.
    let mut last = vec![u32::MAX; records.len()];
    let mut picture = 0;
    for index in beside {
        for prints in index.locals().by_picture().step_by(step) {
            for print in prints {
                for (table, &word) in print.signature.iter().enumerate() {
                    let like = buckets.get(bucket(table, word, bits));
                    for &id in like.into_iter().flatten() {
                        let id = id as usize;
                        let (Some(own), Some(last)) = (records.get(id), last.get_mut(id)) else {
                            continue;
                        };
                        if *last != picture
                            && signature_distance(&own.signature, &print.signature) <= ALIKE
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
        record.others = (all * measure).round().min(255.0) as u8;
    }
}

/// Chooses the prints of a picture that stand in the tables: those that at most so many others have.
fn list(
    range: std::ops::Range<usize>,
    most: u8,
    records: &[LocalRecord],
    twins: &[u8],
    to: &mut Vec<u32>,
) {
    let begin = to.len();
    let usable = range.filter(|&i| !records[i].is_discounted());
    let (telling, rest): (Vec<usize>, Vec<usize>) =
        usable.partition(|&i| records[i].others() <= most && twins[i] <= LISTED_TWINS);
    to.extend(telling.iter().map(|&i| i as u32));
    let missing = LISTED_AT_LEAST.saturating_sub(telling.len());
    let mut rest = rest;
    rest.sort_by_key(|&i| (records[i].others(), twins[i], i));
    to.extend(rest.iter().take(missing).map(|&i| i as u32));
    to[begin..].sort_unstable();
}

/// A print among those that it is compared with.
struct Member {
    id: u32,
    owner: u32,
    signature: [u64; 2],
}

/// Prints that are compared with one another.
struct Run {
    members: Vec<Member>,
    few: Sample,
    /// Where not all are in `few`.
    more: Option<Sample>,
}

/// One in so many of the prints of a run.
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
        let sample = |most: usize| {
            let step = members.len().div_ceil(most).max(1);
            let signatures = members.iter().step_by(step).map(|m| m.signature);
            Sample {
                step,
                signatures: signatures.collect(),
            }
        };
        Self {
            few: sample(COMPARED),
            more: (members.len() > COMPARED).then(|| sample(COMPARED_IF_FEW)),
            members,
        }
    }

    /// How many pictures other than its own have a print like a member, and how many its own has
    /// beside it: in proportion, where not all were compared.
    fn alike(&self, member: &Member, room: &mut Vec<u32>) -> (u8, u8) {
        let mut sample = &self.few;
        let mut look = |sample: &Sample| {
            room.clear();
            let backend = Backend::detect();
            backend.near128(&member.signature, &sample.signatures, ALIKE, room);
            room.len()
        };
        if look(sample) < FEW
            && let Some(more) = &self.more
        {
            sample = more;
            look(sample);
        }
        let (mut others, mut twins, mut last) = (0_usize, 0_usize, member.owner);
        for &place in room.iter() {
            let Some(other) = self.members.get(place as usize * sample.step) else {
                continue;
            };
            // Prints are in the order of the pictures.
            if other.id == member.id {
                continue;
            } else if other.owner == member.owner {
                twins += 1;
            } else if other.owner != last {
                last = other.owner;
                others += 1;
            }
        }
        // What fewer were like is told by what was seen alone.
        let factor = if room.len() < FEW { 1 } else { sample.step };
        let count = |seen: usize| u8::try_from(seen.saturating_mul(factor)).unwrap_or(u8::MAX);
        (count(others), count(twins))
    }
}

/// Whether an ignore file, or background documents enough, have a like print.
pub(super) fn common(known: &[Place], alike: impl Fn(u32) -> Option<Option<u32>>) -> bool {
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
