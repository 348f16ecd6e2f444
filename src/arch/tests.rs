//! Compares every back end with the oracle, and the oracle with [`Code256::distance`].

use proptest::prelude::*;

use super::{
    Alphabet, Backend, Block, CodeHit, DIRECTIONS, Directions, Filter, GRAM, Lattice, List,
    MAX_WEIGHT, Pairs, Planes, Probe, ROW, SAMPLES, SPAN, STOP,
};
use crate::code::Code256;

/// SplitMix64 (Steele, Lea, Flood, 2014): random enough, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn code(&mut self) -> Code256 {
        Code256(std::array::from_fn(|_| self.next()))
    }

    /// Flips `flips` random bits of `code`, some perhaps twice.
    fn near(&mut self, mut code: Code256, flips: u64) -> Code256 {
        for _ in 0..flips {
            let bit = (self.next() % 256) as usize;
            code.0[bit / 64] ^= 1 << (bit % 64);
        }
        code
    }
}

fn planes_of(codes: &[Code256]) -> [Vec<u64>; 4] {
    std::array::from_fn(|w| codes.iter().map(|code| code.0[w]).collect())
}

fn scan(backend: Backend, codes: &[Code256], probes: &[Probe], first: u32) -> Vec<CodeHit> {
    let words = planes_of(codes);
    let planes = Planes::new([&words[0], &words[1], &words[2], &words[3]]).unwrap();
    let mut hits = Vec::new();
    backend.scan(planes, first, probes, &mut hits);
    hits.sort_unstable();
    hits
}

fn naive(codes: &[Code256], probes: &[Probe], first: u32) -> Vec<CodeHit> {
    let mut hits = Vec::new();
    for probe in probes {
        for (code, number) in codes.iter().zip(first..) {
            let distance = code.distance(&probe.code);
            if distance <= probe.radius {
                hits.push(CodeHit {
                    query: probe.query,
                    code: number,
                    distance,
                });
            }
        }
    }
    hits.sort_unstable();
    hits
}

#[test]
fn detect_returns_the_last_available_back_end() {
    let all = Backend::available();
    assert_eq!(all[0], Backend::scalar());
    assert_eq!(all.last(), Some(&Backend::detect()));
}

#[test]
fn planes_must_have_the_same_length() {
    assert!(Planes::new([&[1], &[1], &[1], &[]]).is_none());
    let planes = Planes::new([&[1, 5], &[2, 6], &[3, 7], &[4, 8]]).unwrap();
    assert_eq!(planes.get(1), Some(Code256([5, 6, 7, 8])));
    assert_eq!(planes.get(2), None);
    assert_eq!(planes.slice(1..9).len(), 1);
    assert_eq!(planes.slice(7..9).len(), 0);
}

/// Codes at every distance 0..=256 from the query: each radius has a different number of hits.
#[test]
fn every_radius_is_exact() {
    let mut random = Random(1);
    let center = random.code();
    let mut ladder = vec![center];
    for bit in 0..256 {
        let mut code = *ladder.last().unwrap();
        let bit = (bit * 37) % 256;
        code.0[bit / 64] ^= 1 << (bit % 64);
        ladder.push(code);
    }
    for backend in Backend::available() {
        for radius in 0..=256 {
            let probe = Probe {
                code: center,
                radius,
                query: 7,
            };
            let hits = scan(backend, &ladder, &[probe], 100);
            let expected: Vec<_> = (0..=radius)
                .map(|distance| CodeHit {
                    query: 7,
                    code: 100 + distance,
                    distance,
                })
                .collect();
            assert_eq!(hits, expected, "{backend:?} radius {radius}");
        }
    }
}

#[test]
fn every_length_and_group_size_is_covered() {
    let mut random = Random(2);
    let codes: Vec<_> = (0..41).map(|_| random.code()).collect();
    for backend in Backend::available() {
        for len in 0..codes.len() {
            for queries in 0..=17 {
                // Queries near the ends, to detect errors in the tail.
                let probes: Vec<_> = (0..queries)
                    .map(|query| Probe {
                        code: random.near(codes[(len + query as usize) % codes.len()], 10),
                        radius: [10, 31, 128, 140][query as usize % 4],
                        query,
                    })
                    .collect();
                assert_eq!(
                    scan(backend, &codes[..len], &probes, 5),
                    naive(&codes[..len], &probes, 5),
                    "{backend:?} {len} codes {queries} queries"
                );
            }
        }
    }
}

proptest! {
    #[test]
    fn all_back_ends_filter_alike(
        seed: u64,
        len in 0_u32..150,
        query: u16,
        flips in 0_u64..12,
        lists in prop::collection::vec((0_usize..160, 0_u32..160, 0_u16..20, any::<u16>()), 0..20),
    ) {
        let mut random = Random(seed);
        let values: Vec<u16> = (0..len)
            .map(|i| match i % 2 {
                0 => random.next() as u16,
                _ => (0..flips).fold(query, |value, _| value ^ 1 << (random.next() % 16)),
            })
            .collect();
        let lists: Vec<List> = lists
            .iter()
            .map(|&(start, len, limit, flip)| List {
                start: if start == 159 { usize::MAX } else { start },
                len,
                value: query ^ flip,
                limit,
            })
            .collect();
        let expected: Vec<(u32, u32)> = (0..)
            .zip(&lists)
            // Lists that extend beyond the values are skipped.
            .filter(|(_, list)| list.start < 159 && list.start + list.len as usize <= values.len())
            .flat_map(|(number, list)| {
                let near = |i: &u32| {
                    let value = values[list.start + *i as usize];
                    (value ^ list.value).count_ones() <= u32::from(list.limit)
                };
                (0..list.len).filter(near).map(move |place| (number, place)).collect::<Vec<_>>()
            })
            .collect();
        for backend in Backend::available() {
            let mut places = Vec::new();
            backend.near16(&values, &lists, &mut places);
            prop_assert_eq!(&places, &expected, "{:?}", backend);

            let filters: Vec<Filter> = (0..)
                .zip(&lists)
                .map(|(number, list)| Filter {
                    value: query ^ number as u16,
                    limit: list.limit,
                    query: number,
                })
                .collect();
            let (mut found, mut naive) = (Vec::new(), Vec::new());
            backend.filter16(&values, 5, &filters, &mut found);
            for filter in &filters {
                for (place, value) in (5..).zip(&values) {
                    if (value ^ filter.value).count_ones() <= u32::from(filter.limit) {
                        naive.push((place, filter.query));
                    }
                }
            }
            found.sort_unstable();
            naive.sort_unstable();
            prop_assert_eq!(found, naive, "{:?}", backend);
        }
    }

    #[test]
    fn all_back_ends_hash_grams_and_find_minima_alike(
        values in prop::collection::vec(prop_oneof![any::<u64>(), 0_u64..1 << 17], 0..200),
        window in 1_usize..70,
    ) {
        let hashes: Vec<u64> = values
            .windows(GRAM)
            .map(|gram| gram.iter().fold(0, |hash: u64, v| hash.rotate_left(1) ^ v))
            .collect();
        let mut minima: Vec<u16> = values
            .windows(window)
            .enumerate()
            .filter_map(|(start, w)| {
                let last_smallest = (0..w.len()).min_by_key(|&i| (w[i] >> 16, usize::MAX - i));
                last_smallest.map(|i| (start + i) as u16)
            })
            .collect();
        minima.dedup();
        for backend in Backend::available() {
            let room = || vec![0; values.len()];
            let (mut twos, mut fours, mut found) = (room(), room(), room());
            backend.gram_hashes(&values, &mut twos, &mut fours, &mut found);
            prop_assert_eq!(&found[..hashes.len()], &hashes, "{:?}", backend);
            let [mut keys, mut room] = [(); 2].map(|()| vec![0.0; values.len()]);
            let mut places = vec![0; values.len()];
            let count = backend.minima(&values, window, [&mut keys, &mut room], &mut places);
            prop_assert_eq!(&places[..count], &minima, "{:?}", backend);
        }
    }

    #[test]
    fn all_back_ends_compare_pairs_alike(seed: u64, pairs in prop::collection::vec((0_u32..12, 0_u32..12), 0..60)) {
        let mut random = Random(seed);
        let center = random.code();
        let codes: Vec<[u64; 4]> = (0..10).map(|_| random.near(center, 60).0).collect();
        let queries: Vec<Code256> = (0..10).map(|_| random.near(center, 60)).collect();
        for many in [1, 10] {
            let queries = &queries[..many];
            let pairs = Pairs { codes: &codes, queries, places: &pairs };
            let distance = |&(code, query): &(u32, u32)| {
                let query = queries.get(if many == 1 { 0 } else { query as usize })?;
                Some(query.distance(&Code256(*codes.get(code as usize)?)))
            };
            let expected: Vec<(u32, u32)> = (0..)
                .zip(pairs.places)
                .filter_map(|(i, pair)| Some((i, distance(pair)?)))
                .filter(|(_, distance)| *distance <= 50)
                .collect();
            for backend in Backend::available() {
                let mut found = Vec::new();
                backend.within(&pairs, 50, &mut found);
                prop_assert_eq!(&found, &expected, "{:?}", backend);
            }
        }
    }

    #[test]
    fn all_back_ends_agree(
        seed: u64,
        len in 0_usize..200,
        radii in prop::collection::vec(0_u32..=256, 0..17),
        flips in 0_u64..120,
    ) {
        let mut random = Random(seed);
        let center = random.code();
        let codes: Vec<_> = (0..len)
            .map(|i| if i % 3 == 0 { random.code() } else { random.near(center, flips) })
            .collect();
        let probes: Vec<_> = (0..)
            .zip(&radii)
            .map(|(query, &radius)| Probe { code: random.near(center, 20), radius, query })
            .collect();
        let expected = naive(&codes, &probes, 0);
        for backend in Backend::available() {
            prop_assert_eq!(&scan(backend, &codes, &probes, 0), &expected, "{:?}", backend);
        }
    }
}

proptest! {
    #[test]
    fn equal_numbers_are_marked_alike(values: [u8; 8], seed: u64, value in 0_usize..12) {
        // Numbers that differ in one byte of four, or in none.
        let base = Random(seed).next() as u32;
        let values = values.map(|byte| base ^ u32::from(byte & 3) << (byte & 24));
        let value = values.get(value).copied().unwrap_or(base);
        prop_assert_eq!(super::equal(&values, value), super::equal::portable(&values, value));
    }

    #[test]
    fn projections_agree(
        rows in prop::collection::vec(prop::array::uniform32(any::<i8>()), 4),
        patch in prop::collection::vec(any::<i8>(), SAMPLES),
        extreme: bool,
    ) {
        let row = |d: usize| -> [i8; SAMPLES] {
            std::array::from_fn(|i| {
                let weight = rows[(d + i) % 4][(d * 7 + i) % 32];
                if extreme { weight.signum().saturating_mul(127) } else { weight }
            })
        };
        let directions = Directions::new((0..DIRECTIONS).map(row));
        let mut samples = [0; SAMPLES];
        samples.copy_from_slice(&patch);
        if extreme {
            samples = samples.map(|s| if s < 0 { -128 } else { 127 });
        }
        let expected: [i32; DIRECTIONS] = std::array::from_fn(|d| {
            let weight = |w: i8| i32::from(w.clamp(-MAX_WEIGHT, MAX_WEIGHT));
            row(d).iter().zip(&samples).map(|(&w, &s)| weight(w) * i32::from(s)).sum()
        });
        for backend in Backend::available() {
            let mut sums = [1; DIRECTIONS];
            backend.project(&directions, &samples, &mut sums);
            prop_assert_eq!(sums, expected, "{:?}", backend);
        }
    }

    #[test]
    fn distances_to_one_agree(seed: u64, count in 0_usize..70, radius in 0_u32..129) {
        let mut random = Random(seed);
        let others: Vec<[u64; 2]> = (0..count)
            .map(|i| [random.next() & 0xFFFF << (i % 32), random.next()])
            .collect();
        let own = [random.next() & 0xFFFF, random.next()];
        let run = |backend: Backend| {
            let mut found = vec![7];
            backend.near128(&own, &others, radius, &mut found);
            found
        };
        let far = |other: &[u64; 2]| {
            let bits = (0..128).filter(|&b| (own[b / 64] ^ other[b / 64]) >> (b % 64) & 1 == 1);
            bits.count() > radius as usize
        };
        let within = (0..).zip(&others).filter(|(_, other)| !far(other));
        let expected: Vec<u32> = std::iter::once(7).chain(within.map(|(i, _)| i)).collect();
        for backend in Backend::available() {
            prop_assert_eq!(run(backend), expected.clone(), "{:?}", backend);
        }
    }

    #[test]
    fn checks_agree(seed: u64, count in 0_u32..70, radius in 0_u32..34) {
        let mut random = Random(seed);
        let entries: Vec<[u32; 2]> = (0..count).map(|i| [i, random.next() as u32]).collect();
        let own = random.next() as u32;
        let near = |code: u32| (0..32).filter(|b| (own ^ code) >> b & 1 == 1).count();
        let within = entries.iter().filter(|e| near(e[1]) <= radius as usize);
        let expected: Vec<u32> = within.map(|e| e[0]).collect();
        for backend in Backend::available() {
            let mut found = Vec::new();
            backend.near32(own, &entries, radius, &mut found);
            prop_assert_eq!(&found, &expected, "{:?}", backend);
        }
    }

    #[test]
    fn samples_on_lattices_agree(
        seed: u64,
        size in (1_usize..60, 0_usize..60),
        first in (-3.0_f32..40.0, -3.0_f32..40.0),
        u in (-4.0_f32..4.0, -4.0_f32..4.0),
        v in (-4.0_f32..4.0, -4.0_f32..4.0),
        still in 0_usize..4,
        flat in 1_i32..20_000,
    ) {
        let mut random = Random(seed);
        let (width, height) = size;
        let plane: Vec<u8> = (0..width * height).map(|_| random.next() as u8).collect();
        // With short steps, many samples are inside.
        let part = |(x, y): (f32, f32)| (x / (1 << still) as f32, y / (1 << still) as f32);
        let lattice = Lattice { first, u: part(u), v: part(v) };
        let run = |backend: Backend| {
            let samples = backend.sample(&plane, width, &lattice);
            (samples, samples.map(|s| backend.stretch(&s, flat)))
        };
        let expected = run(Backend::scalar());
        for backend in Backend::available() {
            prop_assert_eq!(run(backend), expected, "{:?}", backend);
        }
    }

    #[test]
    fn lattices_at_the_edge_agree(x in 0_usize..4, y in 0_usize..4, seed: u64) {
        // The last pixels of the plane are the neighbours of the last sample.
        let mut random = Random(seed);
        let (width, height) = (12 + x, 12 + y);
        let plane: Vec<u8> = (0..width * height).map(|_| random.next() as u8).collect();
        let lattice = Lattice {
            first: (x as f32 - 0.25, y as f32 - 0.25),
            u: (1.0, 0.0),
            v: (0.0, 1.0),
        };
        let expected = Backend::scalar().sample(&plane, width, &lattice);
        prop_assert_eq!(expected.is_some(), x > 0 && y > 0);
        for backend in Backend::available() {
            prop_assert_eq!(backend.sample(&plane, width, &lattice), expected, "{:?}", backend);
        }
    }

    #[test]
    fn polar_gradients_agree(seed: u64, width in 18_usize..40, place in (0_usize..42, 0_usize..42)) {
        let mut random = Random(seed);
        let plane: Vec<u8> = (0..width * 36).map(|_| random.next() as u8).collect();
        let run = |backend: Backend| {
            let mut polar = [[[1.0; ROW]; SPAN]; 2];
            backend.polar(&plane, width, place, -1.0, &mut polar);
            polar.map(|values| values.map(|row| row.map(f32::to_bits)))
        };
        let expected = run(Backend::scalar());
        for backend in Backend::available() {
            prop_assert_eq!(run(backend), expected, "{:?}", backend);
        }
    }

    #[test]
    fn band_passes_agree(seed: u64, width in 8_usize..90, height in 8_usize..20) {
        let mut random = Random(seed);
        let plane: Vec<u8> = (0..width * height).map(|_| random.next() as u8).collect();
        let run = |backend: Backend| {
            let (mut soft, mut response) = (vec![0; plane.len()], vec![0; plane.len()]);
            backend.band_pass(&plane, width, &mut soft, &mut response);
            (soft, response)
        };
        let expected = run(Backend::scalar());
        for backend in Backend::available() {
            prop_assert_eq!(&run(backend), &expected, "{:?}", backend);
        }
    }
}

/// Translates symbol by symbol, and merges each with the one before if they are a pair.
fn one_by_one(alphabet: &Alphabet, last: u8, bytes: &[u8]) -> (usize, Vec<u8>, Vec<u8>) {
    let (mut symbols, mut places) = (vec![last], Vec::new());
    let mut read = 0;
    for (&byte, place) in bytes.iter().zip(0..64) {
        let symbol = alphabet.symbols.get(usize::from(byte)).copied();
        let Some(symbol) = symbol.filter(|symbol| *symbol != STOP) else {
            break;
        };
        read += 1;
        if symbol == 0 {
            continue;
        }
        let before = symbols.last_mut().expect("the one before");
        let pair = [*before, symbol];
        match alphabet.merges.iter().find(|m| m.starts_with(&pair)) {
            Some([.., merged]) => *before = *merged,
            None => {
                symbols.push(symbol);
                places.push(place);
            }
        }
    }
    (read, symbols, places)
}

proptest! {
    #[test]
    fn ascii_becomes_the_same_symbols(
        bytes in prop_oneof![
            prop::collection::vec(prop::sample::select(b"rncliv eE,x".as_slice()), 0..90),
            prop::collection::vec(b' '..b'{', 0..90),
            prop::collection::vec(0_u8.., 0..90),
        ],
        last in prop::sample::select(b"\0rcvnlxw".as_slice()),
    ) {
        let mut symbols = [0; 128];
        for byte in b'a'..=b'z' {
            symbols[usize::from(byte)] = byte;
            symbols[usize::from(byte.to_ascii_uppercase())] = byte;
        }
        symbols[usize::from(b'i')] = b'l';
        symbols[usize::from(b'&')] = STOP;
        let alphabet = Alphabet { symbols, merges: [*b"rnm", *b"cld", *b"vvw"] };
        let expected = one_by_one(&alphabet, last, &bytes);
        for backend in Backend::available() {
            let mut block = Block::after(last);
            backend.ascii(&alphabet, &bytes, &mut block);
            let symbols = [&[block.last()], block.symbols()].concat();
            let found = (block.read(), symbols, block.places().to_vec());
            prop_assert_eq!(&found, &expected, "{:?}", backend);
        }
    }
}
