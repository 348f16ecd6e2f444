//! Accounts ranked by what they posted.
//!
//! Quoting a sentence is reporting. A passage of text therefore counts as posting an item only from
//! [`MIN_POSTED`] characters on, and only an account with several items in several posts is a repeat
//! poster.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use leakprint::{Evidence, Result, Strength};
use serde::Serialize;

use crate::posts::{PostMatch, read_found};

/// Folded characters from which a passage counts as posted; a shorter one, of two or three sentences, is a
/// quotation.
const MIN_POSTED: u32 = 160;

/// The verdict on an account.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    /// Several leaked items in several posts.
    Repeat,
    /// One leaked item, or several in one post.
    Single,
    /// Quotations only, or no strong match.
    Weak,
}

impl Verdict {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Repeat => "repeat",
            Self::Single => "single",
            Self::Weak => "weak",
        }
    }
}

/// An account with at least one match.
#[derive(Serialize)]
pub(crate) struct Account {
    pub(crate) account: String,
    pub(crate) rank: usize,
    pub(crate) verdict: Verdict,
    /// The posted items, or the quoted ones if none was posted.
    pub(crate) items: Vec<String>,
    /// Posts with a match, in order.
    pub(crate) posts: Vec<String>,
    pub(crate) reasons: Vec<String>,
}

#[derive(Default)]
struct Tally {
    posted: BTreeSet<String>,
    quoted: BTreeSet<String>,
    posts: Vec<String>,
    /// Number of posts that post an item.
    posting: usize,
    certain: usize,
    kinds: BTreeMap<&'static str, usize>,
}

/// Whether a match counts as posting the item and not as quoting it.
pub(crate) fn is_posted(found: &PostMatch) -> bool {
    let is_long = |evidence: &Evidence| match evidence {
        Evidence::Text { covered, .. } => *covered >= MIN_POSTED,
        _ => true,
    };
    let strong = Strength::Strong.min_score();
    let mut evidence = found.evidence.iter().map(|located| &located.evidence);
    evidence.any(|e| e.score() >= strong && is_long(e))
}

/// Ranks the accounts of an output file.
pub(crate) fn rank(output: &Path) -> Result<Vec<Account>> {
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    for found in read_found(output)? {
        let found = found?;
        if found.matches.is_empty() {
            continue;
        }
        let tally = tallies.entry(found.account).or_default();
        tally.posts.push(found.post);
        tally.posting += usize::from(found.matches.iter().any(is_posted));
        for m in &found.matches {
            tally.certain += usize::from(m.strength == Strength::Certain);
            let best = m.evidence.first().map_or("", |e| e.evidence.kind());
            *tally.kinds.entry(best).or_default() += 1;
            let set = if is_posted(m) {
                &mut tally.posted
            } else {
                &mut tally.quoted
            };
            set.insert(m.item.clone());
        }
    }
    let mut all: Vec<(String, Tally)> = tallies.into_iter().collect();
    all.sort_by(|(a, x), (b, y)| {
        let key = |t: &Tally| {
            (
                t.verdict(),
                usize::MAX - t.posted.len(),
                usize::MAX - t.posting,
            )
        };
        key(x)
            .cmp(&key(y))
            .then(y.certain.cmp(&x.certain))
            .then(a.cmp(b))
    });
    Ok((1..)
        .zip(all)
        .map(|(rank, (account, tally))| tally.account(account, rank))
        .collect())
}

impl Tally {
    fn verdict(&self) -> Verdict {
        match (self.posted.len(), self.posting) {
            (0, _) => Verdict::Weak,
            (2.., 2..) => Verdict::Repeat,
            _ => Verdict::Single,
        }
    }

    fn account(self, account: String, rank: usize) -> Account {
        let verdict = self.verdict();
        let mut reasons = Vec::new();
        if !self.posted.is_empty() {
            reasons.push(format!(
                "{} leaked {} shown in {} {}",
                self.posted.len(),
                plural(self.posted.len(), "item"),
                self.posting,
                plural(self.posting, "post")
            ));
        }
        if self.certain > 0 {
            let matches = if self.certain == 1 {
                "match is"
            } else {
                "matches are"
            };
            reasons.push(format!("{} {matches} certain", self.certain));
        }
        let only_quoted = self.quoted.difference(&self.posted).count();
        if only_quoted > 0 {
            reasons.push(format!(
                "{only_quoted} {} quoted in passages shorter than {MIN_POSTED} letters and digits, \
                 which do not count",
                plural(only_quoted, "item")
            ));
        }
        let kinds: Vec<String> = self
            .kinds
            .iter()
            .map(|(kind, n)| format!("{kind} {n}"))
            .collect();
        reasons.push(format!("evidence: {}", kinds.join(", ")));
        let items = if self.posted.is_empty() {
            self.quoted
        } else {
            self.posted
        };
        Account {
            account,
            rank,
            verdict,
            items: items.into_iter().collect(),
            posts: self.posts,
            reasons,
        }
    }
}

fn plural(n: usize, word: &str) -> String {
    if n == 1 {
        word.to_owned()
    } else {
        format!("{word}s")
    }
}
