use super::super::generate::ascii_class;
use super::*;
use proptest::prelude::*;

/// The symbols of one character by itself.
fn class(c: char) -> Vec<u32> {
    if c.is_ascii() {
        return ascii_class(c).map(u32::from).into_iter().collect();
    }
    match Table::get().symbols(c) {
        Symbols::One(symbol) => vec![symbol],
        Symbols::Many(symbols) => symbols.to_vec(),
    }
}

/// Folding by the list at the top of the module, one character and one merge at a time.
fn naive(text: &str) -> (Vec<u32>, Vec<u32>) {
    let chars: Vec<char> = text.chars().collect();
    let (mut symbols, mut offsets) = (Vec::<u32>::new(), Vec::new());
    for (i, &c) in chars.iter().enumerate() {
        let touches = |at: Option<usize>| {
            let c = at.and_then(|at| chars.get(at));
            c.is_some_and(|c| c.is_ascii_alphanumeric() || !c.is_ascii())
        };
        if c == '|' && !touches(Some(i + 1)) && !touches(i.checked_sub(1)) {
            continue;
        }
        for symbol in class(c).into_iter().flat_map(widened) {
            let last = symbols.last().copied();
            let pair = [last.unwrap_or(0), symbol].map(char::from_u32);
            let merged = match pair {
                [Some('r'), Some('n')] => Some(u32::from('m')),
                [Some('c'), Some('l')] => Some(u32::from('d')),
                [Some('v'), Some('v')] => Some(u32::from('w')),
                _ => None,
            };
            match (merged, symbols.last_mut()) {
                (Some(merged), Some(last)) => *last = merged,
                _ => {
                    symbols.push(symbol);
                    offsets.push(i as u32);
                }
            }
        }
    }
    (symbols, offsets)
}

/// Ideographs twice; Hangul by the decomposition of the Unicode data.
fn widened(symbol: u32) -> Vec<u32> {
    use unicode_normalization::UnicodeNormalization;
    match char::from_u32(symbol) {
        Some('\u{ac00}'..='\u{d7a3}') => {
            let c = char::from_u32(symbol).unwrap();
            c.nfkd().map(u32::from).collect()
        }
        Some(
            '\u{3400}'..='\u{4dbf}'
            | '\u{4e00}'..='\u{9fff}'
            | '\u{f900}'..='\u{faff}'
            | '\u{20000}'..='\u{3ffff}',
        ) => vec![symbol, symbol | 1 << 24],
        _ => vec![symbol],
    }
}

fn word(text: &str) -> String {
    fold(text)
        .symbols()
        .iter()
        .filter_map(|&s| char::from_u32(s))
        .collect()
}

proptest! {
    /// Without markup, which has a separate test.
    #[test]
    fn folding_is_its_definition(
        text in "([a-zA-Z0-9 .,|@$-]{0,90}|[rncliv1I ]{1,9}|[ -%'-;=-~]{0,70}|\\PC{0,9}|[а-яёЀ-ҁ]{0,12}|[𝐀-𝟿ａ-ｚ①-⑳]{0,9}|[ᄀ-ᄒ][ᅡ-ᅵ][ᆨ-ᇂ]?|[가-힣一-龥]{0,9}){0,6}"
    ) {
        let text: String = text.chars().filter(|c| !matches!(c, '&' | '<' | '\u{202e}')).collect();
        let folded = fold(&text);
        let (symbols, offsets) = naive(&text);
        prop_assert_eq!(folded.symbols(), symbols);
        prop_assert_eq!(folded.offsets(), offsets);
        prop_assert_eq!(folded.chars() as usize, text.chars().count());
    }

    #[test]
    fn any_text_is_folded_and_offsets_never_fall(text in "(\\PC|[&<|;#a-z]){0,200}") {
        let folded = fold(&text);
        prop_assert_eq!(folded.symbols().len(), folded.offsets().len());
        prop_assert!(folded.offsets().is_sorted());
        prop_assert!(folded.offsets().last().is_none_or(|&last| last < folded.chars()));
    }
}

#[test]
fn what_leakers_do_to_a_text_folds_away() {
    let plain = word("The merger closes on 14 March, before the audit.");
    for disguised in [
        "THE MERGER CLOSES ON 14 MARCH BEFORE THE AUDIT",
        "T h e  m e r g e r  c l o s e s  o n  1 4  M a r c h ,  before the audit",
        "> The merger closes\n> on 14 March,\r\n>> before the audit.",
        "The\u{200b} mer\u{ad}ger clo\u{2060}ses on\u{feff} 14 March, be\u{200d}fore the audit.",
        "Тhе mеrgеr сlоsеs оn 14 Маrсh, bеfоrе thе аudit.",
        "𝐓𝐡𝐞 𝕞𝕖𝕣𝕘𝕖𝕣 𝓬𝓵𝓸𝓼𝓮𝓼 on ⑭ Ｍａｒｃｈ, 𝚋𝚎𝚏𝚘𝚛𝚎 the 𝖆𝖚𝖉𝖎𝖙.",
        "Th\u{301}e\u{308} merger closes on 14 March, before the a\u{330}udit.",
        "Th3 m3rg3r cl0s3s 0n 14 M4rch, b3f0r3 7h3 4ud17.",
        "The rnerger doses on 14 March, before the audit.",
        "The merger&nbsp;closes on 14 March&#44; before &lt;b&gt;the&lt;/b&gt; audit&amp;hellip;",
    ] {
        assert_eq!(word(disguised), plain, "{disguised}");
    }
}

#[test]
fn what_differs_stays_different() {
    assert_ne!(word("14 March"), word("15 March"));
    assert_ne!(word("10"), word("16"));
    assert_ne!(word("季度报告"), word("年度报告"));
    let digits: std::collections::BTreeSet<String> =
        (0..10).map(|d| word(&d.to_string())).collect();
    assert_eq!(digits.len(), 10);
}

#[test]
fn a_bar_is_a_letter_only_beside_one() {
    assert_eq!(word("wi|l"), "wlll");
    assert_eq!(word("a | b"), "ab");
    assert_eq!(word("|---|---|"), "");
}

#[test]
fn hangul_syllables_fold_as_their_letters() {
    let letters = "\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af}";
    assert_eq!(word("\u{d55c}\u{ae00}"), letters);
    assert_eq!(word(letters), letters);
    assert_eq!(fold("\u{d55c}\u{ae00}").offsets(), [0, 0, 0, 1, 1, 1]);
}

#[test]
fn an_ideograph_is_two_symbols() {
    let folded = fold("\u{5b63}a\u{5ea6}");
    assert_eq!(folded.offsets(), [0, 0, 1, 2, 2]);
    assert_ne!(folded.symbols()[0], folded.symbols()[1]);
}

#[test]
fn an_override_is_read_backwards() {
    let plain = fold("The modern merger, on 14 March. Next");
    let turned = "The \u{202e}.hcraM 41 no ,regrem nredom\u{202c} Next";
    let turned = fold(turned);
    assert_eq!(turned.symbols(), plain.symbols());
    assert!(turned.offsets().is_sorted());
    assert!(turned.offsets().iter().all(|&at| at < turned.chars()));
    assert_eq!(word("a\u{202e}cb\nde"), "abcde");
    assert_eq!(word("\u{202e}c\u{202e}b\u{202e}"), "bc");
}

#[test]
fn anchors_are_every_32nd_offset() {
    let folded = fold(&"ab cd ".repeat(40));
    let anchors = folded.anchors();
    assert_eq!(
        anchors.len(),
        folded.symbols().len().div_ceil(ANCHOR_STEP as usize)
    );
    for (i, anchor) in anchors.iter().enumerate() {
        assert_eq!(*anchor, folded.offsets()[i * ANCHOR_STEP as usize]);
    }
}

/// Recipe 2: if this fails, make a new recipe rather than a new value.
#[test]
fn the_fold_of_every_character_is_pinned() {
    let mut hasher = blake3::Hasher::new();
    let mut folded = Folded::default();
    let mut text = String::new();
    for c in '\u{0}'..=char::MAX {
        text.clear();
        text.push(c);
        fold_into(&text, &mut folded);
        let symbols = folded.symbols().len() as u64;
        assert!(
            symbols <= MAX_CHAR_SYMBOLS && symbols <= MAX_BYTE_SYMBOLS * text.len() as u64,
            "{c}"
        );
        assert!(symbols <= symbols_of(c), "{c}");
        hasher.update(&u32::from(c).to_le_bytes());
        folded.symbols().iter().for_each(|s| {
            hasher.update(&s.to_le_bytes());
        });
    }
    assert_eq!(
        hasher.finalize().to_hex().as_str(),
        "c51c9686c0811bc5c3bca341c5811dcf0c946f807e1292f6c41e0a85d66d17ba"
    );
}
