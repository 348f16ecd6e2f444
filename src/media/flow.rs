//! Text put together piece by piece, with the gaps between the pieces.

use crate::error::Result;
use crate::limits::Budget;

/// Text under construction. A gap is written only once something follows it,
/// so that text neither starts nor ends with one; of several gaps in a row the
/// widest counts.
#[derive(Debug, Default)]
pub(super) struct Flow {
    text: String,
    gap: Gap,
}

/// The gap between two pieces of text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Gap {
    #[default]
    None,
    /// Between words.
    Space,
    /// Between the cells of a row: a tab.
    Cell,
    /// Between lines and paragraphs.
    Line,
}

/// The total length of the texts of one document, charged while they are made.
#[derive(Debug, Default)]
pub(super) struct Meter {
    chars: u64,
}

impl Meter {
    /// Charges a piece of text before it is appended.
    ///
    /// # Errors
    /// [`Limit`](crate::ErrorKind::Limit) for `text_chars` or `decoded_bytes`.
    pub(super) fn charge(&mut self, piece: &str, budget: &mut Budget) -> Result<()> {
        self.charge_written(piece.chars().count() as u64, piece.len() as u64, budget)
    }

    /// Charges `chars` characters of `bytes` bytes. Errors as for [`charge`](Self::charge).
    pub(super) fn charge_written(
        &mut self,
        chars: u64,
        bytes: u64,
        budget: &mut Budget,
    ) -> Result<()> {
        self.chars += chars;
        budget.check_text(self.chars)?;
        budget.charge_decoded(bytes)
    }
}

impl Flow {
    /// Appends text unchanged, after the pending gap.
    pub(super) fn push(&mut self, piece: &str) {
        if piece.is_empty() {
            return;
        }
        let gap = std::mem::take(&mut self.gap);
        if !self.text.is_empty() {
            match gap {
                Gap::None => {}
                Gap::Space => self.text.push(' '),
                Gap::Cell => self.text.push('\t'),
                Gap::Line => self.text.push('\n'),
            }
        }
        self.text.push_str(piece);
    }

    /// Requests a gap before the next piece.
    pub(super) fn gap(&mut self, gap: Gap) {
        self.gap = self.gap.max(gap);
    }

    /// Whether nothing has been written.
    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The text so far.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Removes a hyphen after a letter from the end; returns whether there was one.
    pub(super) fn take_hyphen(&mut self) -> bool {
        let mut ends = self.text.chars().rev();
        let taken = matches!(ends.next(), Some('-' | '\u{ad}' | '\u{2010}'))
            && ends.next().is_some_and(char::is_alphabetic);
        if taken {
            self.text.pop();
        }
        taken
    }

    /// The text.
    pub(super) fn into_text(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_widest_gap_counts_and_none_stands_at_the_ends() {
        let mut flow = Flow::default();
        flow.gap(Gap::Line);
        flow.push("a");
        flow.gap(Gap::Cell);
        flow.gap(Gap::Space);
        flow.push("");
        flow.push("b");
        flow.push("c");
        flow.gap(Gap::Line);
        flow.push("d");
        flow.gap(Gap::Line);
        assert_eq!(flow.into_text(), "a\tbc\nd");
    }
}
