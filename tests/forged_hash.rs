//! A public hash can be forged: the attack on hash lists of THREAT-MODEL.md.
//!
//! The attacker knows a PDQ hash of a list and nothing else of the listed picture. PDQ keeps the
//! signs of 256 low frequencies, so the attacker adds just as much of each frequency to an innocent
//! picture as its sign needs. A second print helps as long as the attacker does not know it.

use leakprint::collection::{CodeItem, CollectionWriter, Metadata, WriterOptions};
use leakprint::fingerprint::{PdqHash, Pipeline};
use leakprint::raster::{Pixels, Raster};
use leakprint::{Code256, Evidence, Fingerprinter, IndexWriter, MatchOptions, Matcher, Strength};

/// More than 512 pixels, so that the two pipelines of PDQ differ.
const SIDE: usize = 640;

/// Frequencies of PDQ in each direction.
const FREQUENCIES: usize = 16;

/// The distance up to which a hash of a list matches.
const RADIUS: u32 = 31;

/// Discs and fine noise on a gradient, by seed.
fn picture(seed: u64) -> Vec<f64> {
    let mut state = seed;
    let mut below = move |n: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) % n
    };
    let mut discs = Vec::new();
    for _ in 0..60 {
        let (x, y) = (below(SIDE as u64) as f64, below(SIDE as u64) as f64);
        discs.push((x, y, 10.0 + below(90) as f64, 60.0 + below(136) as f64));
    }
    let mut pixels = Vec::with_capacity(SIDE * SIDE);
    for y in 0..SIDE {
        for x in 0..SIDE {
            let mut tone = 90.0 + 80.0 * x as f64 / SIDE as f64;
            for &(cx, cy, radius, level) in &discs {
                if (x as f64 - cx).hypot(y as f64 - cy) < radius {
                    tone = level;
                }
            }
            pixels.push(tone + below(9) as f64 - 4.0);
        }
    }
    pixels
}

fn raster(pixels: &[f64]) -> Raster {
    let bytes = pixels
        .iter()
        .map(|tone| tone.round().clamp(0.0, 255.0) as u8);
    Raster::new(SIDE as u32, SIDE as u32, Pixels::Luma8(bytes.collect())).unwrap()
}

/// `wave(i)[x]`: frequency `i + 1` at column or row `x`, of unit energy.
fn waves() -> Vec<Vec<f64>> {
    let wave = |i: usize| {
        let phase = std::f64::consts::PI * (i + 1) as f64 / (2 * SIDE) as f64;
        let at = move |x: usize| (phase * (2 * x + 1) as f64).cos() * (2.0 / SIDE as f64).sqrt();
        (0..SIDE).map(at).collect()
    };
    (0..FREQUENCIES).map(wave).collect()
}

/// The 256 frequencies, row by row: vertical frequency first.
fn frequencies(pixels: &[f64], waves: &[Vec<f64>]) -> Vec<f64> {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let rows: Vec<Vec<f64>> = pixels
        .chunks(SIDE)
        .map(|row| waves.iter().map(|wave| dot(row, wave)).collect())
        .collect();
    let mut all = Vec::new();
    for vertical in waves {
        for horizontal in 0..FREQUENCIES {
            let column: Vec<f64> = rows.iter().map(|row| row[horizontal]).collect();
            all.push(dot(&column, vertical));
        }
    }
    all
}

fn bit(code: &Code256, i: usize) -> bool {
    code.0[i / 64] >> (i % 64) & 1 == 1
}

/// Changes an innocent picture until its hash is within `wanted` bits of the target.
fn forge(innocent: &[f64], target: &Code256, wanted: u32) -> Vec<f64> {
    let waves = waves();
    let mut forged = innocent.to_vec();
    for _ in 0..60 {
        let code = PdqHash::from_raster(&raster(&forged)).code();
        if code.distance(target) <= wanted {
            break;
        }
        let now = frequencies(&forged, &waves);
        let mut sorted = now.clone();
        sorted.sort_by(f64::total_cmp);
        let median = sorted[sorted.len() / 2];
        // The signs that are cheapest to change.
        let mut wrong: Vec<usize> = (0..now.len())
            .filter(|&i| bit(&code, i) != bit(target, i))
            .collect();
        wrong.sort_by(|&a, &b| {
            let price = |i: usize| (now[i] - median).abs();
            price(a).total_cmp(&price(b))
        });
        wrong.truncate(16);
        for i in wrong {
            let margin = if bit(target, i) { 60.0 } else { -60.0 };
            let change = median + margin - now[i];
            let (down, across) = (&waves[i / FREQUENCIES], &waves[i % FREQUENCIES]);
            for (y, row) in forged.chunks_mut(SIDE).enumerate() {
                for (tone, wave) in row.iter_mut().zip(across) {
                    *tone += change * down[y] * wave;
                }
            }
        }
        forged
            .iter_mut()
            .for_each(|tone| *tone = tone.clamp(0.0, 255.0));
    }
    forged
}

/// Changes a picture so that more bits of its gradient hash are those of the target: the signs of the
/// differences of neighbouring cells.
fn aim_gradient(pixels: &mut [f64], target: &Code256) {
    let column = |x: usize| x * 17 / SIDE;
    let row = |y: usize| y * 16 / SIDE;
    let mut sums = [[(0.0, 0.0); 17]; 16];
    for (y, line) in pixels.chunks(SIDE).enumerate() {
        for (x, tone) in line.iter().enumerate() {
            let (sum, count) = &mut sums[row(y)][column(x)];
            (*sum, *count) = (*sum + tone, *count + 1.0);
        }
    }
    let cells = sums.map(|row| row.map(|(sum, count)| sum / count));
    let mut change = [[0.0; 17]; 16];
    for y in 0..16 {
        for x in 0..16 {
            let difference: f64 = cells[y][x + 1] - cells[y][x];
            let brighter = bit(target, 16 * y + x);
            if brighter != (difference > 0.0) && difference.abs() < 30.0 {
                let half = (difference.abs() + 4.0) / if brighter { 2.0 } else { -2.0 };
                change[y][x + 1] += half;
                change[y][x] -= half;
            }
        }
    }
    for (y, line) in pixels.chunks_mut(SIDE).enumerate() {
        for (x, tone) in line.iter_mut().enumerate() {
            *tone = (*tone + change[row(y)][column(x)]).clamp(0.0, 255.0);
        }
    }
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let mean = |of: &[f64]| of.iter().sum::<f64>() / of.len() as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let pairs = || a.iter().zip(b).map(|(a, b)| (a - mean_a, b - mean_b));
    let both: f64 = pairs().map(|(a, b)| a * b).sum();
    let (own, other): (f64, f64) = pairs().fold((0.0, 0.0), |(own, other), (a, b)| {
        (own + a * a, other + b * b)
    });
    both / (own * other).sqrt()
}

#[test]
fn a_forged_hash_is_never_strong_unless_the_service_accepts_it() {
    let (listed, innocent) = (picture(1), picture(2));
    let fingerprinter = Fingerprinter::builder().build().unwrap();
    let listed = fingerprinter.fingerprint_raster(&raster(&listed));
    let prints = listed.parts[0].raster.clone().unwrap();
    let target = prints.pdq.code();
    let before = PdqHash::from_raster(&raster(&innocent)).code();
    assert!(before.distance(&target) > 90, "unrelated to begin with");

    let forged = forge(&innocent, &target, 12);
    let likeness = correlation(&forged, &innocent);
    assert!(likeness > 0.8, "still the innocent picture: {likeness}");
    let forged = fingerprinter.fingerprint_raster(&raster(&forged));
    let own = forged.parts[0].raster.clone().unwrap();
    assert!(own.pdq.quality >= 50);
    assert!(
        own.pdq.code().distance(&target) <= RADIUS,
        "the attack succeeds"
    );
    // The other pipeline of PDQ is no second opinion: it is forged along.
    assert!(own.pdq_nn512.distance(&prints.pdq_nn512) <= RADIUS);
    // The gradient hash is one.
    assert!(own.gradient.upright[0].distance(&prints.gradient.upright[0]) > 72);

    let found = |gradient: Option<Code256>, options: MatchOptions| {
        let folder = tempfile::tempdir().unwrap();
        let options_of_writer = WriterOptions::default().with_key(fingerprinter.key().clone());
        let writer = CollectionWriter::open(folder.path().join("list"), options_of_writer).unwrap();
        let line = CodeItem::new(target, 100, Metadata::default()).with_gradient(gradient);
        writer
            .import_codes(Pipeline::Full, vec![line], false)
            .unwrap();
        let matcher = writer.collection().snapshot().matcher(options).unwrap();
        let of = |query| {
            matcher
                .find(query)
                .unwrap()
                .pop()
                .map(|found| found.strength)
        };
        (of(&listed), of(&forged))
    };
    let standard = MatchOptions::default();
    let wide = standard.clone().with_min_strength(Strength::Possible);
    let trusting = standard.clone().with_trust_hash_lists(true);
    let (possible, strong) = (Some(Strength::Possible), Some(Strength::Strong));
    assert_eq!(found(None, standard.clone()), (None, None));
    assert_eq!(found(None, wide.clone()), (possible, possible));
    assert_eq!(found(None, trusting.clone()), (strong, strong));
    let second = Some(prints.gradient.upright[0]);
    for options in [standard, wide, trusting] {
        assert_eq!(found(second, options), (strong, None));
    }

    // Fingerprints of the listed picture have a keyed sketch, which nobody without the key can aim at.
    let mut writer = IndexWriter::from(&fingerprinter);
    writer.add("listed", &listed).unwrap();
    let index = writer.to_index().unwrap();
    let matcher = Matcher::with_key(index, fingerprinter.key().clone()).unwrap();
    assert!(matches!(
        matcher.find(&listed).unwrap()[0].evidence[0],
        Evidence::Bytes { .. } | Evidence::Pixels { .. }
    ));
    assert!(matcher.find(&forged).unwrap().is_empty());
}

#[test]
fn whoever_knows_the_second_print_forges_it_too() {
    let fingerprinter = Fingerprinter::builder().build().unwrap();
    let prints = |pixels: &[f64]| {
        let print = fingerprinter.fingerprint_raster(&raster(pixels));
        print.parts[0].raster.clone().unwrap()
    };
    let (listed, innocent) = (prints(&picture(1)), picture(2));
    let (target, second) = (listed.pdq.code(), listed.gradient.upright[0]);
    let mut forged = innocent.clone();
    let succeeds = (0..6).any(|_| {
        forged = forge(&forged, &target, 12);
        aim_gradient(&mut forged, &second);
        let own = prints(&forged);
        own.pdq.code().distance(&target) <= RADIUS
            && own.gradient.upright[0].distance(&second) <= 72
    });
    assert!(succeeds && correlation(&forged, &innocent) > 0.7);
    // Not so the keyed sketch, which no list has.
    assert!(prints(&forged).sketch[0].distance(&listed.sketch[0]) > 800);
}
