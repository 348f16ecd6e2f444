//! How the frozen folding table was made from the Unicode data, and the test
//! that the table in the tree is still that one.
//!
//! Compiled for tests only: the library reads the frozen bytes, so that neither
//! a newer Unicode crate nor a newer compiler changes a print.

use std::collections::BTreeMap;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{canonical_combining_class, is_combining_mark};

/// The single-letter class of an ASCII character, as `fold` documents it.
pub(super) fn ascii_class(c: char) -> Option<char> {
    Some(match c.to_ascii_lowercase() {
        '0' => 'o',
        '1' | 'i' | '|' => 'l',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        '8' => 'b',
        '9' | 'q' => 'g',
        c if c.is_ascii_alphanumeric() => c,
        _ => return None,
    })
}

/// Letters that look like a Latin one to every reader, but have neither a decomposition nor a Latin
/// prototype in the Unicode data.
fn extra(c: char) -> Option<String> {
    let letter = |first: u32| char::from(b'a' + (c as u32 - first) as u8).to_string();
    let number = |first: u32, value: u32| (c as u32 - first + value).to_string();
    // Small capitals, and the currency signs of the "fancy text" generators.
    const PAIRS: &str = "ᴀaʙbᴄcᴅdᴇeꜰfɢgʜhɪiᴊjᴋkʟlᴍmɴnᴏoᴘpꞯqʀrꜱsᴛtᴜuᴠvᴡwʏyᴢz\
        ₳a฿b₵c₣f₲g₭k₥m₦n₱p₴s₮t₩w";
    Some(match c {
        // Invisible, yet letters to Unicode: Hangul fillers and Khmer inherent vowels.
        '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' => String::new(),
        // Modifier apostrophes, primes and tone marks; the Arabic stretching bar.
        '\u{2b9}'..='\u{2df}' | '\u{2e5}'..='\u{2ff}' | '\u{640}' => String::new(),
        // The full upper case of the sharp s.
        'ß' | 'ẞ' => "ss".into(),
        // Its prototype is the sharp s, its capital looks like B.
        'β' | 'ꞵ' => "b".into(),
        // The lunate sigma is a c; the final sigma is a sigma, whose prototype is o.
        'ϲ' | 'Ϲ' => "c".into(),
        'ς' => "o".into(),
        // Every generator of "fancy text" offers alphabets made of these beside the mathematical ones.
        '∂' => "d".into(),
        '×' => "x".into(),
        'ꞓ' | 'ǝ' => "e".into(),
        'ᴎ' => "n".into(),
        'ᴙ' => "r".into(),
        'ω' => "w".into(),
        // Regional indicators, negative circled and negative squared capitals.
        '\u{1f1e6}'..='\u{1f1ff}' => letter(0x1f1e6),
        '\u{1f150}'..='\u{1f169}' => letter(0x1f150),
        '\u{1f170}'..='\u{1f189}' => letter(0x1f170),
        // Dingbat and negative circled numbers.
        '\u{2776}'..='\u{277f}' => number(0x2776, 1),
        '\u{2780}'..='\u{2789}' => number(0x2780, 1),
        '\u{278a}'..='\u{2793}' => number(0x278a, 1),
        '\u{24eb}'..='\u{24f4}' => number(0x24eb, 11),
        '\u{24f5}'..='\u{24fe}' => number(0x24f5, 1),
        '\u{24ff}' | '\u{1f10b}' | '\u{1f10c}' => "0".into(),
        _ => {
            let mut pairs = PAIRS.chars();
            while let (Some(fancy), Some(latin)) = (pairs.next(), pairs.next()) {
                if fancy == c {
                    return Some(latin.into());
                }
            }
            return None;
        }
    })
}

/// Hangul that stays whole: syllables, and the conjoining letters that `fold` composes to them.
fn is_hangul(c: char) -> bool {
    matches!(c, '\u{ac00}'..='\u{d7a3}' | '\u{1100}'..='\u{1112}'
        | '\u{1161}'..='\u{1175}' | '\u{11a8}'..='\u{11c2}')
}

/// Ideographs stay what they are: some have prototypes in Hangul or bopomofo.
fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{20000}'..='\u{3ffff}')
}

/// Marks that only decorate. Vowel signs, which are letters in many scripts of Asia, have combining
/// class 0 and are alphabetic.
fn is_decoration(c: char) -> bool {
    is_combining_mark(c) && !(c.is_alphabetic() && canonical_combining_class(c) == 0)
}

/// One step towards the class of `c`; the same character once there.
fn step(c: char, cased: &BTreeMap<char, String>) -> String {
    if c.is_ascii() {
        return ascii_class(c).into_iter().collect();
    }
    if let Some(s) = cased.get(&c).cloned().or_else(|| extra(c)) {
        return s;
    }
    if is_hangul(c) {
        return c.into();
    }
    if is_decoration(c) {
        return String::new();
    }
    let decomposed: String = c.nfkd().collect();
    if !decomposed.chars().eq([c]) {
        return decomposed;
    }
    // Punctuation and symbols vanish whatever they look like: a dash is no
    // Katakana bar. The CJK radicals, symbols by name, are ideographs in use.
    if !c.is_alphanumeric() && !matches!(c, '\u{2e80}'..='\u{2eff}') {
        return String::new();
    }
    let source = String::from(c);
    if is_ideograph(c) {
        return source;
    }
    // And no letter vanishes because it looks like punctuation, as the Hebrew yod does.
    let prototype: String = unicode_security::skeleton(&source).collect();
    if prototype != source && prototype.nfkd().any(char::is_alphanumeric) {
        return prototype;
    }
    let lower: String = c.to_lowercase().collect();
    lower
}

/// Steps until nothing changes. A few rare capitals and their small letters are each other's
/// prototype: there the first of the circle in code order represents all.
fn resolve(c: char, cased: &BTreeMap<char, String>) -> String {
    let mut seen = vec![String::from(c)];
    loop {
        let now = &seen[seen.len() - 1];
        let next: String = now.chars().map(|c| step(c, cased)).collect();
        if let Some(start) = seen.iter().position(|s| *s == next) {
            let class = seen[start..].iter().min().cloned().unwrap_or_default();
            // As `fold` merges neighbours, so that a lookalike of m is one m.
            return class
                .replace("rn", "m")
                .replace("cl", "d")
                .replace("vv", "w");
        }
        seen.push(next);
    }
}

/// Whether readers take this character itself for a Latin letter.
fn looks_latin(c: char) -> bool {
    let prototype: String = unicode_security::skeleton(&String::from(c)).collect();
    prototype.len() == 1 && prototype.chars().all(|p| p.is_ascii_alphabetic())
}

/// The other-cased characters whose class is that of their partner.
///
/// A capital and its small letter must fold alike, but prototypes know nothing
/// of case: H is the prototype of the Cyrillic capital En and not of the small
/// one. The one that looks Latin decides, and the small one where both do. Only
/// where the capital is a perfect Latin letter and the small one another (Greek
/// eta, nu, upsilon) each keeps its looks: homoglyphs matter more than capitals.
fn cased() -> BTreeMap<char, String> {
    let none = BTreeMap::new();
    let mut cased = BTreeMap::new();
    for upper in '\u{80}'..=char::MAX {
        let mut small = upper.to_lowercase();
        let (Some(lower), None) = (small.next(), small.next()) else {
            continue;
        };
        if lower == upper || !upper.nfkd().eq([upper]) {
            continue;
        }
        let (u, l) = (resolve(upper, &none), resolve(lower, &none));
        if u == l {
            continue;
        }
        match (u.is_ascii(), l.is_ascii()) {
            (true, false) => {
                cased.insert(lower, u);
            }
            (true, true) if looks_latin(upper) && matches!(upper, 'Α'..='Ω') => {}
            _ => {
                cased.insert(upper, l);
            }
        }
    }
    cased
}

/// The symbols of every scalar value that has any.
fn derive() -> BTreeMap<char, String> {
    let cased = cased();
    ('\u{0}'..=char::MAX)
        .map(|c| (c, resolve(c, &cased)))
        .filter(|(_, s)| !s.is_empty())
        .collect()
}

/// The table's bytes; [`Table::decode`](super::table::Table::decode) says what they mean.
fn encode(classes: &BTreeMap<char, String>) -> Vec<u8> {
    fn number(out: &mut Vec<u8>, mut n: u32) {
        while n >= 0x80 {
            out.push(n as u8 | 0x80);
            n >>= 7;
        }
        out.push(n as u8);
    }
    fn zigzag(n: i64) -> u32 {
        ((n << 1) ^ (n >> 63)) as u32
    }
    let entries: Vec<(u32, Vec<u32>)> = classes
        .iter()
        .filter(|(c, _)| !c.is_ascii())
        .map(|(&c, s)| (c as u32, s.chars().map(u32::from).collect()))
        .collect();
    let own = |(c, symbols): &(u32, Vec<u32>)| symbols[..] == [*c];
    let (mut out, mut next, mut last) = (Vec::new(), 0, 0_i64);
    for run in entries.chunk_by(|a, b| a.0 + 1 == b.0 && own(a) == own(b)) {
        number(&mut out, run[0].0 - next);
        next = run[run.len() - 1].0 + 1;
        let owns = own(&run[0]);
        number(&mut out, (run.len() as u32) << 1 | u32::from(!owns));
        for (_, symbols) in run.iter().filter(|_| !owns) {
            number(&mut out, symbols.len() as u32);
            for &s in symbols {
                number(&mut out, zigzag(i64::from(s) - last));
                last = i64::from(s);
            }
        }
    }
    out
}

#[test]
#[ignore = "writes the table: a new table is a new recipe"]
fn write_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/text/fold-1.bin");
    std::fs::write(path, encode(&derive())).unwrap();
}

/// Unicode data of other versions has other characters: nothing to compare then.
#[test]
fn the_table_in_the_tree_is_the_derived_one() {
    let crates = (
        unicode_normalization::UNICODE_VERSION,
        unicode_security::UNICODE_VERSION,
        char::UNICODE_VERSION,
    );
    if crates == ((18, 0, 0), (18, 0, 0), (17, 0, 0)) {
        assert!(
            encode(&derive()) == super::table::BYTES,
            "derived bytes differ"
        );
    }
}
