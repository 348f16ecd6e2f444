//! What an index reveals, measured: the attacks of THREAT-MODEL.md.
//!
//! An attacker has the index file and knows the program. With the key, the attacker can test guesses,
//! and with a little known text and a language model can continue from there, gram by gram. Without
//! the key, there is nothing to compare with.

use std::collections::HashMap;

use leakprint::text::{GRAM_LEN, GramKey, Sampling, fold, grams};
use leakprint::{Executor, Fingerprinter, Index, IndexWriter, Key};

/// The attacker does not know the letters from here on.
const KNOWN: &str = "From: the office of the chief executive\nSubject: ";

const SECRETS: [&str; 3] = [
    "we have to move the release of the new version by six weeks and nobody outside of this group should \
     know the reason before the end of the month. The tests were run again and the result is the same, so \
     that the number in the report to the board is too low by a third. Please do not forward this message.",
    "the whole team in the north will be told on Friday that the office is closed at the end of the year. \
     Those who can move get an offer in writing, all others are paid until March. If anybody asks, there is \
     no decision yet. Keep the list of names in the folder that only the four of us can read.",
    "the price that was agreed with the other side is a secret for now. They pay more than we had hoped for, \
     and in return they get the first look at everything that is made here in the next three years. The \
     lawyers say that it can be read in both ways, which is what we wanted from the start of the talks.",
];

/// Text from which the attacker learns the language: none of the secrets, but the words of offices.
const ORDINARY: &[&str] = &[include_str!("attack/ordinary.txt")];

/// A model of the language: how often a symbol follows up to five others.
struct Language {
    counts: HashMap<Vec<u32>, HashMap<u32, f64>>,
    symbols: Vec<u32>,
}

const ORDER: usize = 5;

impl Language {
    fn learn(texts: &[&str]) -> Self {
        let mut counts: HashMap<Vec<u32>, HashMap<u32, f64>> = HashMap::new();
        for text in texts {
            let folded = fold(text);
            let symbols = folded.symbols();
            for at in 0..symbols.len() {
                for order in 0..=ORDER.min(at) {
                    let context = symbols[at - order..at].to_vec();
                    *counts
                        .entry(context)
                        .or_default()
                        .entry(symbols[at])
                        .or_default() += 1.0;
                }
            }
        }
        let mut symbols: Vec<u32> = counts[&Vec::new()]
            .keys()
            .copied()
            .filter(|&s| s < 128)
            .collect();
        symbols.sort_unstable();
        Self { counts, symbols }
    }

    /// The logarithm of how likely `next` is, by the longest context that was seen.
    fn likelihood(&self, context: &[u32], next: u32) -> f64 {
        let mut penalty = 0.0;
        for order in (0..=ORDER.min(context.len())).rev() {
            let seen = self.counts.get(&context[context.len() - order..]);
            if let Some(seen) = seen
                && let Some(count) = seen.get(&next)
            {
                return penalty + (count / seen.values().sum::<f64>()).ln();
            }
            penalty -= 1.0;
        }
        -20.0
    }
}

/// What the attacker holds.
struct Stolen {
    index: Index,
    grams: GramKey,
    window: usize,
}

impl Stolen {
    fn new(secret: &str, window: u32, key: &Key, guessed: &Key) -> Self {
        let fingerprinter = Fingerprinter::builder()
            .key(key.clone())
            .window(window)
            .build()
            .unwrap();
        let mut writer = IndexWriter::new(fingerprinter.recipe().clone(), None).unwrap();
        let print = fingerprinter
            .fingerprint_text(&format!("{KNOWN}{secret}"))
            .unwrap();
        writer.add("mail", &print).unwrap();
        let bytes = writer.to_bytes(&Executor::serial()).unwrap();
        Self {
            index: Index::from_bytes(bytes).unwrap(),
            grams: GramKey::new(&blake3::derive_key(
                "leakprint 2026 text grams",
                guessed.as_bytes(),
            )),
            window: window as usize,
        }
    }

    /// Whether the index has the last gram of `symbols` where they end.
    fn has(&self, symbols: &[u32]) -> bool {
        let at = symbols.len() - GRAM_LEN;
        let gram = grams(&symbols[at..], &self.grams, Sampling::All)[0];
        let found = self.index.grams().get(gram.print).unwrap();
        found.is_some_and(|list| list.iter().any(|place| place.unwrap().1 as usize == at))
    }

    /// Continues the known text, the likeliest symbols first; returns how many of the following symbols
    /// are rebuilt as in `truth`.
    fn rebuild(&self, language: &Language, truth: &[u32], known: usize) -> usize {
        const BEAM: usize = 400;
        // Symbols, likelihood, grams since the last confirmed one.
        let mut beam = vec![(truth[..known].to_vec(), 0.0, 0)];
        while beam
            .first()
            .is_some_and(|(symbols, ..)| symbols.len() < truth.len())
        {
            let mut next = Vec::new();
            let mut confirmed = false;
            for (symbols, likelihood, since) in &beam {
                for &symbol in &language.symbols {
                    let likelihood = likelihood + language.likelihood(symbols, symbol);
                    let mut symbols = symbols.clone();
                    symbols.push(symbol);
                    let has = self.has(&symbols);
                    confirmed |= has;
                    // One of each window of neighbouring grams is always kept.
                    if has || since + 1 < self.window {
                        next.push((symbols, likelihood, if has { 0 } else { since + 1 }));
                    }
                }
            }
            if confirmed {
                next.retain(|(_, _, since)| *since == 0);
            }
            next.sort_by(|a, b| b.1.total_cmp(&a.1));
            next.truncate(BEAM);
            if next.is_empty() {
                break;
            }
            beam = next;
        }
        let rebuilt = beam.iter().map(|(symbols, ..)| {
            let same = symbols.iter().zip(truth).take_while(|(a, b)| a == b);
            same.count() - known
        });
        rebuilt.max().unwrap_or(0)
    }
}

/// Symbols rebuilt of each secret after known text of several lengths.
fn attack(window: u32, key: &Key, lengths: &[usize]) -> Vec<Vec<usize>> {
    let language = Language::learn(ORDINARY);
    let known = fold(KNOWN).symbols().len();
    SECRETS
        .iter()
        .map(|secret| {
            let truth = fold(&format!("{KNOWN}{secret}"));
            let stolen = Stolen::new(secret, window, key, key);
            let more = lengths.iter();
            more.map(|more| stolen.rebuild(&language, truth.symbols(), known + more))
                .collect()
        })
        .collect()
}

#[test]
fn chaining_rebuilds_text_where_every_gram_is_stored_and_less_by_default() {
    let key = Key::from_bytes([7; 32]);
    let lengths: Vec<usize> = (0..150).step_by(30).collect();
    let all = attack(1, &key, &lengths[..1]).concat();
    let default = attack(leakprint::Recipe::DEFAULT_WINDOW, &key, &lengths);
    // The attack works ...
    assert!(all.iter().all(|&rebuilt| rebuilt > 200), "{all:?}");
    // ... and thinning makes it harder, not impossible.
    let default = default.concat();
    let (sum, most) = (default.iter().sum::<usize>(), default.iter().max());
    assert!(sum < 10 * default.len() && most > Some(&3), "{default:?}");
}

#[test]
fn without_the_key_there_is_nothing_to_start_from() {
    let (key, other) = (Key::from_bytes([7; 32]), Key::from_bytes([8; 32]));
    let known = fold(KNOWN);
    for secret in SECRETS {
        let stolen = Stolen::new(secret, 1, &key, &other);
        for end in GRAM_LEN..=known.symbols().len() {
            assert!(!stolen.has(&known.symbols()[..end]));
        }
        assert!(stolen.index.key().is_none());
    }
}

/// With the key, a value with few possibilities is found by trying them all.
#[test]
fn salaries_are_guessed_with_the_key_and_not_without() {
    let key = Key::from_bytes([7; 32]);
    let people = [
        ("Jane Doe", 81_234),
        ("Max Roe", 96_411),
        ("Aisha Rahman", 54_873),
        ("Olga Petrova", 120_655),
    ];
    let table: String = people
        .iter()
        .map(|(name, salary)| format!("{name},{salary}\n"))
        .collect();
    let fingerprinter = |key: &Key| Fingerprinter::builder().key(key.clone()).build().unwrap();
    let owner = fingerprinter(&key);
    let mut writer = IndexWriter::new(owner.recipe().clone(), None).unwrap();
    let print = owner
        .fingerprint(table.as_bytes(), Some("salaries.csv"))
        .unwrap();
    writer.add("salaries.csv", &print).unwrap();
    let index = Index::from_bytes(writer.to_bytes(&Executor::serial()).unwrap()).unwrap();

    let recovered = |guessed: &Key| {
        let attacker = fingerprinter(guessed);
        let rows_of = |text: &str| -> Vec<(u32, u32)> {
            let print = attacker.fingerprint_text(text).unwrap();
            let mut rows = Vec::new();
            for cell in print.parts[0].cells.iter().filter(|cell| cell.tabular) {
                if let Some(list) = index.cells().find(cell.print).unwrap() {
                    rows.extend(list.iter().map(|place| (place.unwrap().row, cell.row)));
                }
            }
            rows
        };
        let salaries: String = (30_000..130_000)
            .map(|salary| format!("\t{salary}\n"))
            .collect();
        let salaries = rows_of(&salaries);
        let known = people.iter().filter(|(name, salary)| {
            let Some(&(person, _)) = rows_of(&format!("\t{name}")).first() else {
                return false;
            };
            let own = salaries.iter().filter(|(row, _)| *row == person);
            own.map(|(_, guess)| guess + 30_000).eq([*salary])
        });
        known.count()
    };
    assert_eq!(recovered(&key), people.len());
    assert_eq!(recovered(&Key::from_bytes([8; 32])), 0);
}
