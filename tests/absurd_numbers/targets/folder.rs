//! The folder of a collection with damaged and forged files: opened, verified, matched, written to
//! and repaired.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use leakprint::collection::{
    CodeItem, CollectionWriter, FalseMatch, FalseScope, Metadata, NewItem, WriterOptions, repair,
    verify,
};
use leakprint::fingerprint::Pipeline;
use leakprint::{Code256, Collection, Executor};

use super::{index, key, sound};

type Files = BTreeMap<String, Vec<u8>>;

fn writer_options() -> WriterOptions {
    let mut options = WriterOptions::default().with_key(key());
    options.background = false;
    options
}

/// The files of a small collection: two segments, codes, a log, what was removed.
fn sample() -> &'static Files {
    static MADE: OnceLock<Files> = OnceLock::new();
    MADE.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let writer = CollectionWriter::open(folder.path(), writer_options()).expect("a new one");
        let prints = index::prints();
        let add = |at: usize, name: &str| {
            let item = NewItem::new(name, prints[at].1.clone());
            writer.add(item).expect("a sound item");
        };
        (0..prints.len()).for_each(|at| add(at, prints[at].0));
        writer.flush().expect("written");
        let code = |i| CodeItem::new(Code256([i; 4]), 100, Metadata::default());
        let codes = (0..5).map(code).collect();
        writer
            .import_codes(Pipeline::Full, codes, false)
            .expect("five codes");
        writer.remove(&["staff.csv"]).expect("it is there");
        let scope = FalseScope::ItemPart(Default::default());
        let mark = FalseMatch::new("memo.txt", scope, "owner", "a quotation");
        writer.mark_false(&[mark]).expect("durable");
        add(1, "again.csv");
        drop(writer);
        files(folder.path())
    })
}

fn files(folder: &Path) -> Files {
    let entries = fs::read_dir(folder).expect("a folder").flatten();
    let read = entries.map(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        (name, fs::read(entry.path()).expect("a file"))
    });
    read.collect()
}

/// Bytes of one edit: the file, what to do, where, with what.
const EDIT: usize = 8;

/// Edits the files according to the data, eight bytes per edit.
fn edit(files: &mut Files, data: &[u8]) {
    let names: Vec<String> = files.keys().cloned().collect();
    for &[file, what, a, b, value @ ..] in data.as_chunks::<EDIT>().0.iter().take(32) {
        let pick = |n: u8| &names[usize::from(n) % names.len()];
        let name = pick(file);
        let other = files.get(pick(value[0])).cloned().unwrap_or_default();
        let Some(bytes) = files.get_mut(name) else {
            continue;
        };
        let at = usize::from(u16::from_le_bytes([a, b])) % (bytes.len() + 1);
        let at = if what & 0x80 == 0 {
            at
        } else {
            bytes.len() - at
        };
        let end = (at + usize::from(value[1])).min(bytes.len());
        match what & 0x0F {
            0..=3 => {
                // One, two, four or eight bytes.
                let wide = [value, [value[3] & 0x80; 4]].concat();
                let spot = bytes[at..].iter_mut();
                spot.zip(wide)
                    .take(1 << (what & 3))
                    .for_each(|(to, from)| *to = from);
            }
            4 => bytes.truncate(at),
            5 => drop(bytes.drain(at..end)),
            6 => {
                let piece = bytes[at..end].to_vec();
                let times = usize::from(value[2]) + 1;
                bytes.splice(at..at, piece.repeat(times));
            }
            7 => bytes.extend(value.repeat(usize::from(a) + 1)),
            8 => {
                files.remove(name);
            }
            9 => *bytes = other,
            10 => {
                // A file with an unassigned number.
                let (stem, kind) = name.rsplit_once('.').unwrap_or((name, "log"));
                let name = format!(
                    "{}{}.{kind}",
                    &stem[..stem.len().saturating_sub(1)],
                    value[2] & 15
                );
                files.insert(name, other);
            }
            11 => forge_manifest(bytes),
            12 => forge_log(bytes),
            13 => index::forge(bytes),
            _ => bytes
                .iter_mut()
                .skip(at)
                .step_by(usize::from(value[1]) + 1)
                .for_each(|byte| *byte ^= value[2]),
        }
    }
}

/// Corrects the checksum of a manifest.
fn forge_manifest(bytes: &mut [u8]) {
    if bytes.len() < 56 {
        return;
    }
    let len = bytes.len() as u64 - 56;
    bytes[16..24].copy_from_slice(&len.to_le_bytes());
    let mut hasher = blake3::Hasher::new();
    hasher.update(&bytes[8..12]).update(&bytes[56..]);
    let sum = *hasher.finalize().as_bytes();
    bytes[24..56].copy_from_slice(&sum);
}

/// Corrects the checksums of the frames of a log, as far as their lengths are valid.
fn forge_log(bytes: &mut [u8]) {
    if bytes.len() < 64 {
        return;
    }
    let sum = *blake3::hash(&bytes[..32]).as_bytes();
    bytes[32..64].copy_from_slice(&sum);
    let mut at = 64;
    while let Some(&len) = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>()) {
        if bytes[at..].starts_with(b"\x89LKSYNC\n") {
            at += 16;
            continue;
        }
        let len = u32::from_le_bytes(len) as usize;
        let Some(payload) = bytes.get(at + 32..at + 32 + len) else {
            return;
        };
        let mut hasher = blake3::Hasher::new();
        hasher
            .update(&bytes[16..24])
            .update(&(at as u64).to_le_bytes());
        hasher.update(&bytes[at + 4..at + 12]);
        hasher.update(&(len as u64).to_le_bytes()).update(payload);
        let sum = *hasher.finalize().as_bytes();
        bytes[at + 12..at + 32].copy_from_slice(&sum[..20]);
        at += 32 + len;
    }
}

pub(crate) fn run(data: &[u8]) {
    let mut changed = sample().clone();
    edit(&mut changed, data);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    for (name, bytes) in &changed {
        fs::write(path.join(name), bytes).expect("a file");
    }
    let exec = Executor::serial();
    let report = sound(verify(path, &exec));
    use_collection(path);
    if let Some(writer) = sound(CollectionWriter::open(path, writer_options())) {
        let (name, print) = index::prints()[0].clone();
        sound(writer.add(NewItem::new(format!("new {name}"), print)));
        sound(writer.remove(&["a.png"]));
        sound(writer.flush());
        sound(writer.compact());
    }
    let repaired = sound(repair(path, &exec));
    if repaired.is_some() {
        let report = verify(path, &exec).expect("what was repaired can be read");
        assert!(
            report.damage.is_empty(),
            "repaired and not sound: {report:?}"
        );
        Collection::open_with_key(path, key()).expect("what was repaired opens");
        use_collection(path);
    } else if let Some(report) = report {
        assert!(!report.damage.is_empty(), "sound, and cannot be repaired");
    }
}

/// Reads everything and matches.
fn use_collection(path: &Path) {
    let Some(collection) = sound(Collection::open_with_key(path, key())) else {
        return;
    };
    let snapshot = collection.snapshot();
    let _ = snapshot.info();
    for item in snapshot.items() {
        if let Some(info) = sound(item) {
            sound(snapshot.content(&info.item));
        }
    }
    snapshot.contents().for_each(|content| {
        sound(content);
    });
    let _ = snapshot.false_matches().count();
    if let Some(matcher) = sound(snapshot.matcher(super::options())) {
        for (name, print) in index::prints() {
            sound(matcher.find(print));
            sound(matcher.explain(name, print));
        }
    }
}

/// Initial edits.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = vec![Vec::new()];
    let count = sample().len() as u8;
    for file in 0..count {
        for what in 0..14 {
            let [low, high] = (31 * u16::from(what)).to_le_bytes();
            seeds.push(vec![file, what, low, high, 255, 40, 3, 255]);
        }
        // A changed number with correct checksums.
        for forge in [11, 12, 13] {
            seeds.push(vec![
                file, 0x81, 90, 0, 1, 2, 3, 4, file, forge, 0, 0, 0, 0, 0, 0,
            ]);
        }
    }
    seeds
}
