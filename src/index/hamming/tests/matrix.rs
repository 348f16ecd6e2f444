//! Every back end x engine x radius x way of taking a batch x kind of codes against a
//! naive search.

use super::*;

/// Queries from which on they share one pass over the tables.
const BATCH: usize = 1030;

/// All pairs, whatever their distance, sorted by (query, code).
fn pairs(codes: &[Code256], queries: &[Code256]) -> Vec<CodeHit> {
    naive(codes, queries, 256)
}

fn within(pairs: &[CodeHit], radius: u32) -> Vec<CodeHit> {
    let near = pairs.iter().filter(|pair| pair.distance <= radius);
    near.copied().collect()
}

/// What a batch of `BATCH` finds that repeats these queries.
fn repeated(hits: &[CodeHit], queries: usize) -> Vec<CodeHit> {
    let mut all = Vec::new();
    for first in (0..BATCH).step_by(queries) {
        all.extend(hits.iter().filter_map(|hit| {
            let query = hit.query + first as u32;
            ((query as usize) < BATCH).then_some(CodeHit { query, ..*hit })
        }));
    }
    all
}

/// Few enough codes that all radii take a moment, an odd number so that tails show, and
/// more than a block of each kernel.
fn small_kinds() -> Vec<(&'static str, Vec<Code256>, Vec<Code256>)> {
    let cut = |(kind, codes, queries): (_, Vec<Code256>, Vec<Code256>)| {
        // Queries lie near every 37th code.
        (kind, codes[..461].to_vec(), queries[..12].to_vec())
    };
    kinds(21).into_iter().map(cut).collect()
}

#[test]
fn every_engine_and_back_end_matches_a_naive_search_at_every_radius() {
    let exec = Executor::serial();
    for (kind, codes, queries) in small_kinds() {
        let pairs = pairs(&codes, &queries);
        let (planes, tables) = (
            CodeSet::from_codes(codes.iter().copied()).unwrap(),
            multi(&codes),
        );
        for radius in 0..=256 {
            let expected = within(&pairs, radius);
            for backend in Backend::available() {
                for (set, engine) in [
                    (&planes, Engine::Scan),
                    (&tables, Engine::Scan),
                    (&tables, Engine::Mih),
                    (&tables, Engine::Auto),
                ] {
                    let view = set.view().with_engine(engine).with_backend(backend);
                    let (hits, stats) = view.search(&queries, radius, &exec).unwrap();
                    assert_eq!(hits, expected, "{kind} {engine} {backend:?} {radius}");
                    assert_eq!(stats.verified, expected.len() as u64);
                    assert_eq!(stats.queries, queries.len() as u64);
                    assert_eq!(stats.codes, codes.len() as u64);
                    assert!(stats.candidates >= stats.verified || kind == "duplicates");
                }
            }
        }
    }
}

#[test]
fn batches_match_a_naive_search_on_every_back_end_and_number_of_threads() {
    let execs: Vec<_> = (1..=4)
        .map(|threads| Executor::with_threads(threads).unwrap())
        .collect();
    for (kind, codes, queries) in small_kinds() {
        let pairs = pairs(&codes, &queries);
        let many: Vec<_> = queries.iter().copied().cycle().take(BATCH).collect();
        let set = multi(&codes);
        let nearest = naive_top_k(&codes, &queries, 3, 31);
        let nearest = repeated(&nearest, queries.len());
        for radius in [0, 16, 31, 63] {
            let expected = repeated(&within(&pairs, radius), queries.len());
            for backend in Backend::available() {
                let view = set.view().with_engine(Engine::Mih).with_backend(backend);
                // Threads and back ends have nothing to do with each other.
                let all = backend == Backend::detect();
                let mut costs = Vec::new();
                for exec in execs.get(..if all { 4 } else { 1 }).unwrap() {
                    let (hits, stats) = view.search(&many, radius, exec).unwrap();
                    assert!(hits == expected, "{kind} {backend:?} {radius}");
                    costs.push(stats);
                }
                assert!(costs.iter().all(|cost| *cost == costs[0]));
                if radius == 31 {
                    let (hits, _) = view.top_k(&many, 3, radius, &execs[1]).unwrap();
                    assert!(hits == nearest, "{kind} {backend:?}");
                }
            }
        }
    }
}

/// So many candidates that they are put in order before they are compared. A search
/// would take such queries one by one, since their lists are long.
#[test]
fn many_candidates_of_a_batch_are_sorted_and_found() {
    let mut next = random(22);
    let codes: Vec<_> = (0..4000)
        .map(|_| Code256(std::array::from_fn(|_| next() & 0x0003_0003_0003_0003)))
        .collect();
    let queries = &codes[..400];
    let set = MultiTables::build(codes.len(), |i| codes[i].0, &Executor::serial()).unwrap();
    let spread: Vec<_> = queries.iter().map(|&q| MultiIndex::spread(q)).collect();
    for backend in Backend::available() {
        let (mut hits, mut candidates) = (Vec::new(), 0);
        for share in Share::all(1) {
            let view = set.view();
            let cost = view.batch(&settings(backend, 5), &share, &spread, &mut hits);
            candidates += cost.candidates;
        }
        hits.sort_unstable();
        assert!(candidates > 100_000, "{candidates}");
        assert!(hits == naive(&codes, queries, 5), "{backend:?}");
    }
}
