//! Accounts ranked by what they posted.
//!
//! Who quotes a sentence reports the news. So a passage of text counts as posting an item only
//! from [`QUOTATION`] on, and an account is called a repeat poster only for several items in
//! several posts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use leakprint::{Evidence, Result, Strength};
use serde::Serialize;

use crate::posts::{PostMatch, read_found};

/// Folded characters in order below which a passage is a quotation: two or three sentences.
const QUOTATION: u32 = 160;

/// How an account is to be seen.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    /// Several leaked items in several posts.
    Repeat,
    /// One leaked item, or several in one post.
    Single,
    /// Quotations, or nothing that is strong.
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

/// An account with any match.
#[derive(Serialize)]
pub(crate) struct Account {
    pub(crate) account: String,
    pub(crate) rank: usize,
    pub(crate) verdict: Verdict,
    /// Items posted, or quoted if none was posted.
    pub(crate) items: Vec<String>,
    /// Posts with a match, in their order.
    pub(crate) posts: Vec<String>,
    pub(crate) reasons: Vec<String>,
}

#[derive(Default)]
struct Tally {
    posted: BTreeSet<String>,
    quoted: BTreeSet<String>,
    posts: Vec<String>,
    /// Posts that show an item.
    showing: usize,
    certain: usize,
    kinds: BTreeMap<&'static str, usize>,
}

/// Whether a match shows the item, and is not a quotation of it.
pub(crate) fn shows(found: &PostMatch) -> bool {
    let shows = |evidence: &Evidence| match evidence {
        Evidence::Text { covered, .. } => *covered >= QUOTATION,
        _ => true,
    };
    let strong = Strength::Strong.min_score();
    let mut evidence = found.evidence.iter().map(|located| &located.evidence);
    evidence.any(|e| e.score() >= strong && shows(e))
}

/// Ranks the accounts of an output.
pub(crate) fn rank(output: &Path) -> Result<Vec<Account>> {
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    for found in read_found(output)? {
        let found = found?;
        if found.matches.is_empty() {
            continue;
        }
        let tally = tallies.entry(found.account).or_default();
        tally.posts.push(found.post);
        tally.showing += usize::from(found.matches.iter().any(shows));
        for m in &found.matches {
            tally.certain += usize::from(m.strength == Strength::Certain);
            let best = m.evidence.first().map_or("", |e| e.evidence.kind());
            *tally.kinds.entry(best).or_default() += 1;
            let set = if shows(m) {
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
                usize::MAX - t.showing,
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
        match (self.posted.len(), self.showing) {
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
                self.showing,
                plural(self.showing, "post")
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
                "{only_quoted} {} quoted in passages shorter than {QUOTATION} letters and digits, \
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
