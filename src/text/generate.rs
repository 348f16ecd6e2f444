//! How the frozen folding table was made from the Unicode data, and the test
//! that the table in the tree is still that one.
//!
//! Compiled for tests only: the library reads the frozen bytes, so that neither
//! a newer Unicode crate nor a newer compiler changes a print.

use std::collections::BTreeMap;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{canonical_combining_class, is_combining_mark};

/// The single-letter class of an ASCII character, as `fold` documents it.
fn ascii_class(c: char) -> Option<char> {
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

/// Letters that look like a Latin one to every reader but that the Unicode data
/// gives neither a decomposition nor a Latin prototype.
fn extra(c: char) -> Option<String> {
    let letter = |first: u32| char::from(b'a' + (c as u32 - first) as u8).to_string();
    let number = |first: u32, value: u32| (c as u32 - first + value).to_string();
    const SMALL_CAPITALS: &str = "ᴀaʙbᴄcᴅdᴇeꜰfɢgʜhɪiᴊjᴋkʟlᴍmɴnᴏoᴘpꞯqʀrꜱsᴛtᴜuᴠvᴡwʏyᴢz";
    Some(match c {
        // Invisible, yet letters to Unicode: Hangul fillers and Khmer inherent vowels.
        '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' => String::new(),
        // The full upper case of the sharp s.
        'ß' | 'ẞ' => "ss".into(),
        // Its prototype is the sharp s, its capital looks like B.
        'β' => "b".into(),
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
            let mut pairs = SMALL_CAPITALS.chars();
            while let (Some(small), Some(latin)) = (pairs.next(), pairs.next()) {
                if small == c {
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

/// Marks that only decorate. Vowel signs, which are letters of their own in
/// many scripts of Asia, have combining class 0 and are alphabetic.
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
    let alphanumeric = c.is_alphanumeric();
    let source = String::from(c);
    let prototype: String = unicode_security::skeleton(&source).collect();
    if prototype != source {
        // A letter must not vanish because it looks like punctuation (the
        // Hebrew yod, the Katakana no); a modifier apostrophe must.
        let visible = prototype.nfkd().any(|p| p.is_alphanumeric());
        if visible || !alphanumeric || matches!(c, '\u{2b0}'..='\u{36f}') {
            return prototype;
        }
    }
    let lower: String = c.to_lowercase().collect();
    if lower != source {
        return lower;
    }
    if alphanumeric { source } else { String::new() }
}

fn resolve(c: char, cased: &BTreeMap<char, String>) -> String {
    let mut now = String::from(c);
    for _ in 0..16 {
        let next: String = now.chars().map(|c| step(c, cased)).collect();
        if next == now {
            // As `fold` merges neighbours, so that a lookalike of m is one m.
            return now.replace("rn", "m").replace("cl", "d").replace("vv", "w");
        }
        now = next;
    }
    panic!("{c:?} has no fixed point: {now:?}");
}

/// The symbols of every scalar value that has any.
pub(super) fn derive() -> BTreeMap<char, String> {
    let none = BTreeMap::new();
    // A capital and its small letter must fold alike, but the prototypes know
    // nothing of case: H is the prototype of the Cyrillic capital En and not of
    // the small one. The one that looks Latin wins. Where both look Latin and
    // differ (Greek eta, nu, upsilon) each keeps its looks.
    let mut cased = BTreeMap::new();
    for upper in '\u{80}'..=char::MAX {
        let mut small = upper.to_lowercase();
        let (Some(lower), None) = (small.next(), small.next()) else {
            continue;
        };
        if lower == upper {
            continue;
        }
        let (u, l) = (resolve(upper, &none), resolve(lower, &none));
        match (u.is_ascii(), l.is_ascii()) {
            _ if u == l => {}
            (true, false) => {
                cased.insert(lower, u);
            }
            (false, _) => {
                cased.insert(upper, l);
            }
            (true, true) => {
                if std::env::var_os("SHOW").is_some() { eprintln!("conflict {upper} {u} {lower} {l}"); }
            }
        }
    }
    ('\u{0}'..=char::MAX)
        .map(|c| (c, resolve(c, &cased)))
        .filter(|(_, s)| !s.is_empty())
        .collect()
}

#[test]
fn show() {
    let t = derive();
    eprintln!("{}", t.len());
    let single_same = t.iter().filter(|(c, s)| s.chars().eq([**c])).count();
    eprintln!("identity {single_same}, multi {}, max {}", t.values().filter(|s| s.chars().count() > 1).count(), t.values().map(|s| s.chars().count()).max().unwrap());
    let mut pages = std::collections::BTreeSet::new();
    for (c, s) in &t { if !s.chars().eq([*c]) { pages.insert(*c as u32 >> 8); } }
    eprintln!("pages {}", pages.len());
    for r in ['\u{21}'..='\u{24f}', '\u{370}'..='\u{481}', '\u{5d0}'..='\u{5ea}', '\u{621}'..='\u{669}', '\u{904}'..='\u{950}', '\u{e01}'..='\u{e59}','\u{3040}'..='\u{30ff}', '\u{1d00}'..='\u{1d2b}','一'..='亟'] {
        let line: Vec<String> = r.map(|c| format!("{c}:{}", t.get(&c).map_or("", |s| s))).collect();
        eprintln!("{}", line.join(" "));
    }
}
