//! Hash lists and fingerprints from elsewhere: whatever is accepted makes a valid index.

use leakprint::exchange::{PdqList, ThreatEntry, write_pdq_line};
use leakprint::{Executor, Fingerprint, Index, IndexWriter, Matcher};

use super::{key, limits, options, sound};

pub(crate) fn run(data: &[u8]) {
    for (_, line) in PdqList::new(data) {
        let Some(line) = sound(line) else { continue };
        assert!(line.quality <= 100);
        let mut written = Vec::new();
        let label = line.label.as_deref().unwrap_or_default();
        write_pdq_line(&mut written, &line.code, line.quality, label)
            .expect("a vector takes everything");
        let (_, again) = PdqList::new(&written).next().expect("a line");
        let again = again.expect("a line as written");
        assert_eq!((again.code, again.quality), (line.code, line.quality));
    }
    for line in data.split(|&byte| byte == b'\n') {
        if let Ok(entry) = serde_json::from_slice::<ThreatEntry>(line) {
            sound(entry.code());
            let _ = entry.tag_pairs();
        }
    }
    if let Some(print) = sound(Fingerprint::from_bytes(data)) {
        let bytes = print.to_bytes();
        let again = Fingerprint::from_bytes(&bytes).expect("what was just written");
        assert!(
            again == print,
            "a fingerprint changed on its way through bytes"
        );
        use_print(&print);
    }
}

/// Indexes and matches fingerprints from elsewhere.
pub(crate) fn use_print(print: &Fingerprint) {
    let Some(mut writer) = sound(IndexWriter::new(print.recipe.clone(), None)) else {
        return;
    };
    let added = sound(writer.add("item", print)).is_some();
    sound(writer.background(print));
    let exec = Executor::serial();
    let Some(bytes) = sound(writer.to_bytes(&exec)) else {
        return;
    };
    let index = Index::from_bytes(bytes).expect("what was just written");
    index.verify(&exec).expect("what the writer takes is sound");
    if let Some(matcher) = sound(Matcher::with_key(index, key())) {
        let matcher = matcher.with_options(options()).with_limits(limits());
        let found = sound(matcher.find(print));
        if added && found.is_some() {
            sound(matcher.explain("item", print));
        }
    }
}
