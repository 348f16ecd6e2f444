//! Every engine, back end and number of threads against a naive search.

mod matrix;
mod stored;

use proptest::prelude::*;

use super::multi::{MultiIndex, MultiTables, Settings, Share};
use super::*;

/// A naive search.
fn naive(codes: &[Code256], queries: &[Code256], radius: u32) -> Vec<CodeHit> {
    let mut hits = Vec::new();
    for (query, q) in (0..).zip(queries) {
        for (code, c) in (0..).zip(codes) {
            let distance = q.distance(c);
            if distance <= radius {
                hits.push(CodeHit {
                    query,
                    code,
                    distance,
                });
            }
        }
    }
    hits
}

fn naive_top_k(codes: &[Code256], queries: &[Code256], k: usize, radius: u32) -> Vec<CodeHit> {
    let mut hits = naive(codes, queries, radius);
    hits.sort_by_key(|h| (h.query, h.distance, h.code));
    let mut kept = Vec::new();
    for query in 0..queries.len() as u32 {
        kept.extend(hits.iter().filter(|h| h.query == query).take(k));
    }
    kept
}

fn flip(mut code: Code256, bits: &[u8]) -> Code256 {
    for &bit in bits {
        code.0[bit as usize / 64] ^= 1 << (bit % 64);
    }
    code
}

/// Codes around a few centers, some of them equal: what leaks look like.
fn clustered() -> impl Strategy<Value = (Vec<Code256>, Vec<Code256>)> {
    let member = (0_usize..4, prop::collection::vec(any::<u8>(), 0..40));
    let centers = prop::collection::vec(any::<[u64; 4]>().prop_map(Code256), 4);
    (
        centers,
        prop::collection::vec(member.clone(), 0..120),
        prop::collection::vec(member, 0..40),
    )
        .prop_map(|(centers, codes, queries)| {
            let make = |list: Vec<(usize, Vec<u8>)>| {
                list.iter()
                    .map(|(center, bits)| flip(centers[*center], bits))
                    .collect()
            };
            (make(codes), make(queries))
        })
}

proptest! {
    #[test]
    fn range_search_matches_a_naive_search((codes, queries) in clustered(), radius in 0_u32..=256) {
        let set = CodeSet::from_codes(codes.iter().copied()).unwrap();
        let expected = naive(&codes, &queries, radius);
        for backend in Backend::available() {
            let view = set.view().with_backend(backend).with_engine(Engine::Scan);
            let (hits, stats) = view.search(&queries, radius, &Executor::serial()).unwrap();
            prop_assert_eq!(&hits, &expected, "{:?}", backend);
            prop_assert_eq!(stats.verified, expected.len() as u64);
            prop_assert_eq!(stats.candidates, (codes.len() * queries.len()) as u64);
        }
    }

    #[test]
    fn top_k_matches_a_naive_search(
        (codes, queries) in clustered(),
        k in 0_usize..20,
        radius in 0_u32..=256,
    ) {
        let set = CodeSet::from_codes(codes.iter().copied()).unwrap();
        let expected = naive_top_k(&codes, &queries, k, radius);
        for backend in Backend::available() {
            let view = set.view().with_backend(backend);
            let (hits, _) = view.top_k(&queries, k, radius, &Executor::serial()).unwrap();
            prop_assert_eq!(&hits, &expected, "{:?}", backend);
        }
    }

    #[test]
    fn records_are_read_as_codes(codes in prop::collection::vec(any::<[u64; 4]>(), 0..40)) {
        let records: Vec<u8> = codes.iter().flat_map(|&c| Code256(c).to_le_bytes()).collect();
        let set = CodeSet::from_records(&records, Engine::Scan, &Executor::serial()).unwrap();
        prop_assert_eq!(set.len(), codes.len());
        for (i, &code) in codes.iter().enumerate() {
            prop_assert_eq!(set.view().get(i), Some(Code256(code)));
        }
        prop_assert_eq!(set.view().get(codes.len()), None);
    }
}

/// More codes and queries than a tile and a task hold, with hits at the seams.
#[test]
fn tiles_and_tasks_cover_all_pairs_once() {
    let spread = |i: u64| i.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let code = |i: u64| Code256([spread(i), spread(i + 1).rotate_left(20), spread(!i), i]);
    let codes: Vec<_> = (0..70_000).map(code).collect();
    let wanted = [0_u64, 4_095, 4_096, 65_535, 65_536, 69_999];
    let queries: Vec<_> = (0..300)
        .map(|i| flip(code(wanted[i % wanted.len()]), &[i as u8, 3]))
        .collect();
    let set = CodeSet::from_codes(codes.iter().copied()).unwrap();
    let expected = naive(&codes, &queries, 4);
    assert!(expected.len() >= queries.len());
    let nearest = naive_top_k(&codes, &queries, 3, 100);
    let mut costs = Vec::new();
    for threads in [1, 2, 3, 4] {
        let exec = Executor::with_threads(threads).unwrap();
        let (hits, stats) = set.view().search(&queries, 4, &exec).unwrap();
        assert_eq!(hits, expected, "{threads} threads");
        costs.push(stats);
        let (hits, _) = set.view().top_k(&queries, 3, 100, &exec).unwrap();
        assert_eq!(hits, nearest, "{threads} threads");
    }
    assert!(costs.iter().all(|c| *c == costs[0]));
}

#[test]
fn equally_near_codes_are_ranked_by_number() {
    let codes = vec![Code256([5, 0, 0, 0]); 10_000];
    let set = CodeSet::from_codes(codes).unwrap();
    for query in [Code256([5, 0, 0, 0]), Code256([4, 0, 0, 0])] {
        let (hits, _) = set
            .view()
            .top_k(&[query], 3, 31, &Executor::serial())
            .unwrap();
        assert_eq!(hits.iter().map(|h| h.code).collect::<Vec<_>>(), [0, 1, 2]);
    }
}

#[test]
fn invalid_arguments_are_refused() {
    let set = CodeSet::from_codes([Code256::default()]).unwrap();
    let exec = Executor::serial();
    let error = set.view().search(&[], 257, &exec).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.message().contains("257"), "{error}");
    let error = CodeSet::from_records(&[0; 33], Engine::Auto, &exec).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
    assert!("hnsw".parse::<Engine>().is_err());
    assert_eq!("scan".parse::<Engine>().unwrap(), Engine::Scan);
}

#[test]
fn empty_sets_and_batches_have_no_hits() {
    let exec = Executor::serial();
    let empty = CodeSet::default();
    let (hits, stats) = empty
        .view()
        .search(&[Code256::default()], 256, &exec)
        .unwrap();
    assert!(hits.is_empty() && empty.is_empty());
    assert_eq!((stats.codes, stats.queries, stats.bytes), (0, 1, 0));
    let set = CodeSet::from_codes([Code256::default()]).unwrap();
    assert!(set.view().search(&[], 256, &exec).unwrap().0.is_empty());
    assert!((set.bytes_per_code() - 32.0).abs() < f64::EPSILON);
}

fn records(codes: &[Code256]) -> Vec<u8> {
    codes.iter().flat_map(Code256::to_le_bytes).collect()
}

fn multi(codes: &[Code256]) -> CodeSet {
    CodeSet::from_records(&records(codes), Engine::Mih, &Executor::serial()).unwrap()
}

/// SplitMix64, as in `arch`.
fn random(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

/// Codes of the kinds that the tables meet, and queries 0 to 70 bits from some of them.
fn kinds(seed: u64) -> Vec<(&'static str, Vec<Code256>, Vec<Code256>)> {
    let mut next = random(seed);
    let mut code = || Code256([next(), next(), next(), next()]);
    let uniform: Vec<_> = (0..3000).map(|_| code()).collect();
    let centers: Vec<_> = (0..20).map(|_| code()).collect();
    let mut flips = random(seed ^ 1);
    let mut near = |mut code: Code256, most: u64| {
        for _ in 0..flips() % (most + 1) {
            let bit = flips() % 256;
            code.0[bit as usize / 64] ^= 1 << (bit % 64);
        }
        code
    };
    let clustered: Vec<_> = (0..3000).map(|i| near(centers[i % 20], 60)).collect();
    // Most bits the same everywhere: a few buckets hold everything.
    let skewed: Vec<_> = uniform
        .iter()
        .map(|code| Code256([code.0[0], code.0[1] & 0xFF, 0, u64::MAX]))
        .collect();
    let duplicates: Vec<_> = (0..3000).map(|i| near(centers[i % 3], 1)).collect();
    [uniform, clustered, skewed, duplicates]
        .into_iter()
        .zip(["uniform", "clustered", "skewed", "duplicates"])
        .map(|(codes, kind)| {
            let queries = (0..60).map(|i| near(codes[i * 37], 70)).collect();
            (kind, codes, queries)
        })
        .collect()
}

#[test]
fn tables_match_a_naive_search_at_every_radius() {
    for (kind, codes, queries) in kinds(1) {
        let set = multi(&codes);
        for backend in Backend::available() {
            let view = set.view().with_engine(Engine::Mih).with_backend(backend);
            for radius in (0..=64).chain([100, 256]) {
                let queries = &queries[..if backend == Backend::detect() { 60 } else { 8 }];
                let (hits, stats) = view.search(queries, radius, &Executor::serial()).unwrap();
                assert_eq!(
                    hits,
                    naive(&codes, queries, radius),
                    "{kind} {backend:?} {radius}"
                );
                assert_eq!(stats.verified, hits.len() as u64);
            }
        }
    }
}

#[test]
fn tables_do_not_depend_on_the_number_of_threads() {
    for (kind, codes, queries) in kinds(2) {
        let expected = naive(&codes, &queries, 40);
        let nearest = naive_top_k(&codes, &queries, 3, 40);
        let mut costs = Vec::new();
        for threads in 1..=4 {
            let exec = Executor::with_threads(threads).unwrap();
            let set = CodeSet::from_records(&records(&codes), Engine::Mih, &exec).unwrap();
            for (i, &code) in codes.iter().enumerate() {
                assert_eq!(set.view().get(i), Some(code));
            }
            let view = set.view().with_engine(Engine::Mih);
            let many: Vec<_> = queries.iter().copied().cycle().take(1500).collect();
            let (hits, stats) = view.search(&many, 40, &exec).unwrap();
            for round in 0..25 {
                let own = hits.iter().filter(|hit| hit.query / 60 == round);
                let own = own.map(|hit| CodeHit {
                    query: hit.query % 60,
                    ..*hit
                });
                assert!(
                    own.eq(expected.iter().copied()),
                    "{kind} on {threads} threads"
                );
            }
            let (hits, _) = view.top_k(&many, 3, 40, &exec).unwrap();
            let own = hits.iter().filter(|hit| hit.query < 60).copied();
            assert!(
                own.eq(nearest.iter().copied()),
                "{kind} on {threads} threads"
            );
            let (hits, _) = view.top_k(&queries, 3, 40, &exec).unwrap();
            assert_eq!(hits, nearest, "{kind} on {threads} threads");
            costs.push(stats);
        }
        assert!(costs.iter().all(|cost| *cost == costs[0]));
    }
}

proptest! {
    #[test]
    fn small_and_odd_sets_match_a_naive_search((codes, queries) in clustered(), radius in 0_u32..=256) {
        let expected = naive(&codes, &queries, radius);
        let set = multi(&codes);
        for engine in [Engine::Auto, Engine::Scan, Engine::Mih] {
            let view = set.view().with_engine(engine);
            let (hits, _) = view.search(&queries, radius, &Executor::serial()).unwrap();
            prop_assert_eq!(&hits, &expected, "{}", engine);
        }
    }
}

fn built_on(threads: usize, codes: &[Code256]) -> Vec<u8> {
    let exec = Executor::with_threads(threads).unwrap();
    let set = CodeSet::from_records(&records(codes), Engine::Mih, &exec).unwrap();
    set.to_bytes().unwrap()
}

/// Numbers of more than 16 bits, several blocks of codes, and files that do not
/// depend on the threads that made them.
#[test]
fn large_sets_match_a_naive_search() {
    let mut next = random(5);
    let codes: Vec<_> = (0..300_000)
        .map(|_| Code256([next(), next(), next(), next()]))
        .collect();
    let queries: Vec<_> = (0..40)
        .map(|i| flip(codes[i * 7001], &[i as u8, 200, 77]))
        .collect();
    let set = multi(&codes);
    let view = set.view();
    assert_eq!(view.engine(31), Engine::Mih);
    let (hits, stats) = view.search(&queries, 31, &Executor::serial()).unwrap();
    let found: Vec<_> = hits.iter().map(|hit| hit.code as usize).collect();
    assert_eq!(found, (0..40).map(|i| i * 7001).collect::<Vec<_>>());
    assert!(stats.entries > 0 && stats.candidates < stats.entries / 50);
    // 100 bytes, and 4 MiB of bounds that so few codes share.
    assert!((set.bytes_per_code() - 115.0).abs() < 8.0);
    assert_eq!(set.to_bytes().unwrap(), built_on(3, &codes));
    let stored = CodeSet::from_bytes(set.to_bytes().unwrap()).unwrap();
    stored.verify(&Executor::serial()).unwrap();
}

/// The settings of a search for all codes within a radius.
fn settings(backend: Backend, radius: u32) -> Settings {
    Settings {
        backend,
        radius,
        forced: false,
        max_hits: usize::MAX,
    }
}

/// With more threads than tables, shares are ranges of values.
#[test]
fn shares_of_a_batch_find_each_code_once() {
    for (kind, codes, queries) in kinds(7) {
        let set = MultiTables::build(codes.len(), |i| codes[i].0, &Executor::serial()).unwrap();
        let spread: Vec<_> = queries.iter().map(|&q| MultiIndex::spread(q)).collect();
        for threads in [1, 16, 17, 40, 5000] {
            let mut hits = Vec::new();
            for share in Share::all(threads) {
                set.view()
                    .batch(&settings(Backend::detect(), 33), &share, &spread, &mut hits);
            }
            hits.sort_unstable();
            assert_eq!(
                hits,
                naive(&codes, &queries, 33),
                "{kind} for {threads} threads"
            );
        }
    }
}

#[test]
fn a_million_equal_codes_do_not_exceed_k_hits() {
    let codes = vec![Code256([3; 4]); 40_000];
    let set = multi(&codes);
    let queries = vec![Code256([3, 3, 3, 7]); 2000];
    let (hits, _) = set
        .view()
        .top_k(&queries, 2, 31, &Executor::serial())
        .unwrap();
    assert_eq!(hits.len(), 4000);
    assert!(hits.iter().all(|hit| hit.code < 2 && hit.distance == 1));
}

/// Scans stop between tiles, look-ups between queries.
#[test]
fn searches_end_at_the_deadline() {
    let over = Deadline::after(std::time::Duration::ZERO);
    let code = |i: u64| Code256([i, i.wrapping_mul(0x9E37_79B9_7F4A_7C15), !i, i << 7]);
    let queries: Vec<Code256> = (0..32).map(code).collect();
    let codes: Vec<u8> = (0..70_000)
        .flat_map(|i| code(i).0)
        .flat_map(u64::to_le_bytes)
        .collect();
    let serial = Executor::serial();
    for engine in [Engine::Scan, Engine::Mih] {
        let set = CodeSet::from_records(&codes, engine, &serial).unwrap();
        let view = set.view().with_engine(engine);
        let error = view.search_until(&queries, 20, &serial, &over).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limit, "{engine}");
        let whole = view.search(&queries, 20, &serial).unwrap();
        let never = Deadline::never();
        assert_eq!(
            view.search_until(&queries, 20, &serial, &never).unwrap(),
            whole
        );
    }
}
