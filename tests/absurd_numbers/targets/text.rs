//! Folding, grams and the chains of a text that quotes another one.

use leakprint::text::fold;
use leakprint::{Evidence, IndexWriter, Matcher};

use super::{fingerprinter, key, limits, media, options, sound};

/// An item and a query: the text before and after the first NUL.
pub(crate) fn run(data: &[u8]) {
    let at = data.iter().position(|&byte| byte == 0);
    let (item, query) = data.split_at(at.unwrap_or(data.len() / 2));
    let (item, query) = (
        String::from_utf8_lossy(item),
        String::from_utf8_lossy(query),
    );
    for text in [&item, &query] {
        let folded = fold(text);
        assert_eq!(folded.chars() as usize, text.chars().count());
        assert_eq!(folded.symbols().len(), folded.offsets().len());
        assert!(folded.offsets().is_sorted(), "offsets out of order");
        assert!(
            folded
                .offsets()
                .last()
                .is_none_or(|&at| at < folded.chars())
        );
    }
    let fingerprinter = fingerprinter();
    let mut writer = IndexWriter::from(fingerprinter);
    let Some(print) = sound(fingerprinter.fingerprint_text(&item)) else {
        return;
    };
    writer
        .add("item", &print)
        .expect("a fingerprint that was just made");
    let index = writer.to_index().expect("a small index");
    let matcher = Matcher::with_key(index, key()).expect("the key is inside");
    let matcher = matcher.with_options(options()).with_limits(limits());
    let Some(matches) = sound(matcher.find_text(&query)) else {
        return;
    };
    media::check_matches(&matches);
    let (item, query) = (item.chars().count() as u32, query.chars().count() as u32);
    for evidence in matches.iter().flat_map(|found| &found.evidence) {
        if let Evidence::Text {
            query_span,
            item_span,
            ..
        } = evidence
        {
            assert!(query_span[0] <= query_span[1] && query_span[1] <= query);
            assert!(item_span[0] <= item_span[1] && item_span[1] <= item);
        }
    }
}
