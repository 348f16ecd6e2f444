//! Seeds for fuzzing: small generated files of every format.

use leakprint::collection::Metadata;
use leakprint::exchange::ThreatEntry;
use leakprint::{Code256, Limits, MatchOptions};

use crate::formats;
use crate::targets::{self, folder, index};

/// The seeds of a target.
pub(crate) fn of(target: &str) -> Vec<Vec<u8>> {
    let prints = || index::prints().iter().map(|(_, print)| print);
    let hash = Code256([1, 2, 3, 4]).to_string();
    match target {
        "folder" => folder::seeds(),
        "index" => vec![index::sample(), index::sample_codes()],
        "lists" => {
            let entry = serde_json::to_vec(&ThreatEntry::new(&Code256([5; 4]), 80)).expect("JSON");
            let mut seeds: Vec<Vec<u8>> = prints().map(|print| print.to_bytes()).collect();
            seeds.push(
                format!("hash,quality,label\n{hash},100,a\n{hash},5,\"b, \"\"c\"\"\"\n")
                    .into_bytes(),
            );
            seeds.push(entry);
            seeds
        }
        "json" => {
            let print = prints().next().expect("a print");
            let matches = targets::matcher().find(print).expect("a sound index");
            let item = format!(
                "{{\"item\":\"a\",\"added\":1,\"code\":{{\"pipeline\":\"full\",\"hash\":\"{hash}\",\"quality\":9}}}}"
            );
            let mut seeds: Vec<Vec<u8>> = prints().map(json).collect();
            seeds.extend(matches.iter().map(json));
            seeds.push(json(&Limits::default()));
            seeds.push(json(&MatchOptions::default()));
            seeds.push(json(&Metadata::default()));
            seeds.push(item.into_bytes());
            seeds
        }
        "text" => {
            let pair =
                |item: &str, query: &str| [item.as_bytes(), b"\0", query.as_bytes()].concat();
            vec![
                pair(targets::MEMO, &targets::MEMO.to_uppercase()),
                pair(
                    targets::MEMO,
                    "> They say: the w\u{456}nter slate m\u{200b}oves by s-\nix weeks, and Lighthouse opens",
                ),
                pair(
                    targets::STAFF,
                    "Ada Lovelace has 81,234 and ada@example.org, said on 12.03.2024",
                ),
                pair(
                    "\u{fdfa}\u{fb03}\u{1d400}\u{24d0}&quot;&#65;\u{0130}",
                    "\u{fdfa}\u{1f600}\u{e0101}",
                ),
            ]
        }
        "office" => {
            let docs = formats::all()
                .into_iter()
                .filter(|(of, doc)| *of == "office" && doc.units.len() > 1);
            let loose = docs.map(|(_, doc)| {
                let entry = |unit: &crate::doc::Unit| {
                    // NUL ends an entry.
                    let content = unit.bytes.iter().map(|&byte| byte.max(1)).collect();
                    [unit.role.clone().into_bytes(), b"\n".to_vec(), content].concat()
                };
                doc.units.iter().map(entry).collect::<Vec<_>>().join(&0)
            });
            loose.collect()
        }
        media => {
            let docs = formats::all().into_iter().filter(|(of, _)| *of == media);
            docs.map(|(_, doc)| doc.bytes()).collect()
        }
    }
}

fn json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("a value as JSON")
}
