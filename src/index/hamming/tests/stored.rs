//! Sets in files: searched in place, and damaged ones.

use super::*;

/// Bytes of the header.
const HEADER: usize = 256;

/// The same codes in every form of a set.
fn forms(codes: &[Code256], engine: Engine) -> Vec<(&'static str, CodeSet)> {
    let exec = Executor::serial();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("set.lkc");
    let built = CodeSet::from_records(&records(codes), engine, &exec).unwrap();
    built.save(&file).unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), built.to_bytes().unwrap());
    let copied = CodeSet::from_bytes(std::fs::read(&file).unwrap()).unwrap();
    let (mapped, loaded) = (CodeSet::open(&file).unwrap(), CodeSet::load(&file).unwrap());
    mapped.warm();
    vec![
        ("built", built),
        ("mapped", mapped),
        ("loaded", loaded),
        ("copied", copied),
    ]
}

#[test]
fn a_file_has_the_hits_of_the_set_it_was_saved_from() {
    for (kind, codes, queries) in kinds(11) {
        for engine in [Engine::Mih, Engine::Scan] {
            let sets = forms(&codes, engine);
            let many: Vec<_> = queries.iter().copied().cycle().take(1100).collect();
            let bytes = sets[0].1.to_bytes().unwrap();
            for (form, set) in &sets {
                set.verify(&Executor::serial()).unwrap();
                assert_eq!(
                    (set.len(), set.has_tables()),
                    (codes.len(), engine == Engine::Mih)
                );
                assert_eq!(set.to_bytes().unwrap(), bytes, "{kind} {form}");
                for (i, &code) in codes.iter().enumerate() {
                    assert_eq!(set.view().get(i), Some(code));
                }
            }
            for (radius, engine, queries) in [
                (0, Engine::Auto, &queries),
                (24, Engine::Mih, &queries),
                (31, Engine::Mih, &many),
                (48, Engine::Mih, &queries),
                (48, Engine::Scan, &queries),
                (63, Engine::Mih, &queries),
                (70, Engine::Auto, &queries),
            ] {
                let expected = naive(&codes, queries, radius);
                let nearest = naive_top_k(&codes, &queries[..9], 3, radius);
                let mut costs = Vec::new();
                for (form, set) in &sets {
                    for threads in [1, 3] {
                        let exec = Executor::with_threads(threads).unwrap();
                        let view = set.view().with_engine(engine);
                        let (hits, cost) = view.search(queries, radius, &exec).unwrap();
                        assert_eq!(hits, expected, "{kind} {form} {engine} {radius}");
                        costs.push(cost);
                        let (hits, _) = view.top_k(&queries[..9], 3, radius, &exec).unwrap();
                        assert_eq!(hits, nearest, "{kind} {form} {engine} {radius}");
                    }
                }
                assert!(costs.iter().all(|cost| *cost == costs[0]));
            }
        }
    }
}

#[test]
fn a_set_may_have_planes_and_tables() {
    let (_, codes, queries) = kinds(12).swap_remove(3);
    let (planes, tables) = (
        CodeSet::from_codes(codes.iter().copied()).unwrap(),
        multi(&codes),
    );
    let both = planes.view().with_tables_of(Some(&tables.view()));
    let mut bytes = Vec::new();
    both.to_stored()
        .unwrap()
        .put(|part| {
            bytes.extend_from_slice(part);
            Ok(())
        })
        .unwrap();
    let set = CodeSet::from_bytes(&bytes).unwrap();
    set.verify(&Executor::serial()).unwrap();
    for engine in [Engine::Scan, Engine::Mih, Engine::Auto] {
        let view = set.view().with_engine(engine);
        let (hits, _) = view.search(&queries, 31, &Executor::serial()).unwrap();
        assert_eq!(hits, naive(&codes, &queries, 31), "{engine}");
    }
    // Another code in the planes than under the tables.
    bytes[HEADER] ^= 1;
    forge(&mut bytes);
    refused(&bytes, "planes and tables");
}

#[test]
fn small_sets_are_stored_too() {
    for len in [0, 1, 2, 7, 8, 9] {
        let codes: Vec<_> = (0..len).map(|i| Code256([i / 2, 0, 0, 0])).collect();
        for engine in [Engine::Mih, Engine::Scan] {
            for (form, set) in forms(&codes, engine) {
                set.verify(&Executor::serial()).unwrap();
                let view = set.view().with_engine(engine);
                let (hits, _) = view.search(&codes, 1, &Executor::serial()).unwrap();
                assert_eq!(hits, naive(&codes, &codes, 1), "{form} {len}");
            }
        }
    }
}

/// Computes the checksums again, as a forger would.
fn forge(bytes: &mut [u8]) {
    let content = *blake3::hash(&bytes[HEADER..]).as_bytes();
    bytes[64..96].copy_from_slice(&content);
    bytes[32..64].fill(0);
    let checksum = *blake3::hash(&bytes[..HEADER]).as_bytes();
    bytes[32..64].copy_from_slice(&checksum);
}

fn refused(bytes: &[u8], why: &str) {
    let found = CodeSet::from_bytes(bytes).and_then(|set| set.verify(&Executor::serial()));
    let error = found.expect_err(why);
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.message().contains(why), "{why}: {error}");
}

/// Calls everything that reads the set, and ignores the results.
fn exercise(set: &CodeSet, queries: &[Code256]) {
    let exec = Executor::serial();
    for i in [0, 1, set.len(), usize::MAX] {
        let _ = set.view().get(i);
    }
    let many: Vec<_> = queries.iter().copied().cycle().take(1030).collect();
    for engine in [Engine::Auto, Engine::Mih] {
        let view = set.view().with_engine(engine);
        for radius in [0, 31, 63] {
            let _ = view.search(&queries[..4], radius, &exec).unwrap();
        }
        let _ = view.search(&many, 20, &exec).unwrap();
        let _ = view.top_k(&queries[..4], 2, 24, &exec).unwrap();
    }
}

/// Few codes of two kinds and some repetitions, in the form of a file, and where
/// its parts begin: codes, repetitions, starts, words, the end.
fn sample() -> (Vec<u8>, [usize; 5], Vec<Code256>) {
    let mut codes: Vec<_> = kinds(13)
        .iter()
        .flat_map(|kind| kind.1[..150].to_vec())
        .collect();
    codes.truncate(570);
    let bytes = multi(&codes).to_bytes().unwrap();
    let distinct = u32::from_le_bytes(bytes[20..24].try_into().unwrap()) as usize;
    let repeated = HEADER + 32 * codes.len();
    let starts = repeated + (8 * (codes.len() - distinct)).next_multiple_of(64);
    let words = starts + (4 * 16 * 65_537_usize).next_multiple_of(64);
    assert!(distinct < codes.len() && words < bytes.len());
    let parts = [HEADER, repeated, starts, words, bytes.len()];
    (bytes, parts, codes)
}

#[test]
fn every_changed_bit_of_the_header_is_refused_at_opening() {
    // Without tables: a small file, and the same header.
    let mut bytes = CodeSet::from_codes([Code256([7; 4])])
        .unwrap()
        .to_bytes()
        .unwrap();
    for at in 0..HEADER {
        for bit in 0..8 {
            bytes[at] ^= 1 << bit;
            // The checksum of the content is in the header, whose own covers it.
            let kind = CodeSet::from_bytes(&bytes[..]).unwrap_err().kind();
            let version = at < 12;
            assert_eq!(kind == ErrorKind::Version, version, "byte {at} bit {bit}");
            bytes[at] ^= 1 << bit;
        }
    }
}

#[test]
fn changed_bits_and_truncated_files_are_detected() {
    let (mut bytes, parts, codes) = sample();
    let mut next = random(14);
    let ends = parts
        .iter()
        .flat_map(|&part| [part.max(HEADER + 1) - 1, part]);
    let places: Vec<usize> = ends
        .chain((0..40).map(|i| {
            let (from, to) = (parts[i % 4], parts[i % 4 + 1]);
            from + next() as usize % (to - from)
        }))
        .filter(|&at| at >= HEADER && at < bytes.len())
        .collect();
    for at in places {
        bytes[at] ^= 1 << (at % 8);
        refused(&bytes, "the checksum does not match");
        bytes[at] ^= 1 << (at % 8);
    }
    for len in [
        1,
        8,
        12,
        255,
        256,
        257,
        parts[1],
        parts[2],
        parts[3],
        bytes.len() - 1,
    ] {
        let kind = CodeSet::from_bytes(&bytes[..len]).unwrap_err().kind();
        assert_eq!(kind, ErrorKind::Corrupt, "{len} bytes");
    }
    for none in [&b""[..], b"PNG", &[0; 400]] {
        let kind = CodeSet::from_bytes(none).unwrap_err().kind();
        assert_eq!(kind, ErrorKind::Version);
    }
    bytes.push(0);
    refused(&bytes, "its header says");
    bytes.pop();
    exercise(&CodeSet::from_bytes(&bytes).unwrap(), &codes);
}

/// Values that only a forger could have written.
#[test]
fn forged_parts_are_detected_and_searched_without_panic() {
    let (original, [codes_at, repeated, starts, words, end], codes) = sample();
    let cases = [
        ("another code", codes_at, 1),
        ("a repetition of no code", repeated, 4),
        ("a later code that is none", repeated + 4, 4),
        ("a start beyond the words", starts + 4 * 1000, 4),
        ("the first start", starts, 1),
        ("the last start", starts + 4 * 65_536, 4),
        ("a sketch or a number", words, 2),
        ("the last words", end - 64, 2),
    ];
    for (what, at, len) in cases {
        for value in [0xFF, 0x00, 0x81] {
            let mut bytes = original.clone();
            if bytes[at..at + len].iter().all(|&byte| byte == value) {
                continue;
            }
            bytes[at..at + len].fill(value);
            forge(&mut bytes);
            let set = CodeSet::from_bytes(&bytes).unwrap();
            let found = set.verify(&Executor::serial());
            assert_eq!(found.expect_err(what).kind(), ErrorKind::Corrupt);
            exercise(&set, &codes);
        }
    }
    // All runs empty, all in one place, descending; all repetitions of one code.
    for (from, to, step) in [
        (starts, words, 0_u32),
        (starts, words, 9),
        (starts, words, !8),
    ] {
        let mut bytes = original.clone();
        let mut value = 0_u32;
        for start in bytes[from..to].as_chunks_mut::<4>().0 {
            *start = (value % 20_000).to_le_bytes();
            value = value.wrapping_add(step);
        }
        forge(&mut bytes);
        let set = CodeSet::from_bytes(&bytes).unwrap();
        assert!(set.verify(&Executor::serial()).is_err());
        exercise(&set, &codes);
    }
    for part in [words..end, repeated..starts] {
        let mut bytes = original.clone();
        bytes[part].fill(0);
        forge(&mut bytes);
        let set = CodeSet::from_bytes(&bytes).unwrap();
        assert!(set.verify(&Executor::serial()).is_err());
        exercise(&set, &codes);
    }
}

#[test]
fn random_damage_never_panics() {
    let (original, parts, codes) = sample();
    let mut next = random(15);
    for round in 0..12 {
        let mut bytes = original.clone();
        for _ in 0..1 << round {
            let part = next() as usize % 4;
            let at = parts[part] + next() as usize % (parts[part + 1] - parts[part]);
            bytes[at] = next() as u8;
        }
        forge(&mut bytes);
        let set = CodeSet::from_bytes(&bytes).unwrap();
        let _ = set.verify(&Executor::serial());
        exercise(&set, &codes);
    }
}

proptest! {
    #[test]
    fn random_headers_never_panic(
        changes in prop::collection::vec((8_usize..HEADER, any::<u8>()), 0..6),
    ) {
        let codes: Vec<_> = (0..9).map(|i| Code256([i, 0, 0, 0])).collect();
        let mut bytes = CodeSet::from_codes(codes.iter().copied()).unwrap().to_bytes().unwrap();
        for (at, value) in changes {
            bytes[at] = value;
        }
        forge(&mut bytes);
        if let Ok(set) = CodeSet::from_bytes(&bytes) {
            let _ = set.verify(&Executor::serial());
            exercise(&set, &codes);
        }
    }
}
