//! The running text of WordprocessingML and DrawingML: documents, notes,
//! comments, headers, slides and shapes share the elements that matter here.
//!
//! A paragraph with tracked changes is read as it will be when all are accepted,
//! since that is what most programs show; the former version of the paragraph
//! follows the text. So both versions are found, and neither is broken up.

use super::xml::{Piece, Xml};
use crate::error::Result;
use crate::limits::Budget;
use crate::media::flow::{Flow, Gap, Meter};

/// Appends the text of one XML part to `flow`, charged on the document's `meter`.
///
/// # Errors
/// [`Malformed`](crate::ErrorKind::Malformed) where the XML breaks off; `flow` keeps what came before.
/// [`Limit`](crate::ErrorKind::Limit) for the text.
pub(super) fn read(
    xml: &str,
    flow: &mut Flow,
    meter: &mut Meter,
    budget: &mut Budget,
) -> Result<()> {
    let mut state = State {
        flow: std::mem::take(flow),
        meter: std::mem::take(meter),
        ..State::default()
    };
    let result = state.run(xml, budget);
    *meter = std::mem::take(&mut state.meter);
    *flow = state.finish();
    result
}

#[derive(Default)]
struct State {
    flow: Flow,
    meter: Meter,
    /// Flows that wait while the text of a box inside them is read.
    outer: Vec<Flow>,
    /// Texts of boxes, notes and former versions of paragraphs, for the end.
    aside: Flow,
    /// The current paragraph as it was before the tracked changes.
    former: String,
    /// Whether `former` differs from what was written.
    changed: bool,
    /// Open elements of text, of insertions, of deletions, and of what is not read.
    text: u32,
    inserted: u32,
    deleted: u32,
    skipped: u32,
    /// Open table cells.
    cells: u32,
}

/// Boxes inside boxes that are distinguished; deeper ones are read in place.
const MAX_BOXES: usize = 16;

impl State {
    fn run(&mut self, xml: &str, budget: &mut Budget) -> Result<()> {
        let mut xml = Xml::new(xml);
        while let Some(piece) = xml.next(budget)? {
            match piece {
                Piece::Start(tag) => self.start(tag.name()),
                Piece::End(name) => self.end(name.as_str()),
                Piece::Text(text) if self.text > 0 && self.skipped == 0 => {
                    self.meter.charge(&text, budget)?;
                    self.words(&text);
                }
                Piece::Text(_) => {}
            }
        }
        Ok(())
    }

    fn words(&mut self, text: &str) {
        // Insertions may hold deletions of another author: gone in both versions.
        if self.deleted == 0 {
            self.flow.push(text);
        }
        if self.inserted == 0 {
            self.former.push_str(text);
        }
        self.changed |= self.inserted > 0 || self.deleted > 0;
    }

    fn start(&mut self, name: &str) {
        match name {
            "t" | "delText" | "text" => self.text += 1,
            "del" | "moveFrom" => self.deleted += 1,
            "ins" | "moveTo" => self.inserted += 1,
            // The same again for older programs; readings of East Asian words.
            "Fallback" | "rPh" | "rt" => self.skipped += 1,
            "tc" => self.cells += 1,
            "tab" | "ptab" => self.space(Gap::Cell),
            "br" | "cr" => self.space(Gap::Line),
            "noBreakHyphen" => self.words("-"),
            "txbxContent" if self.outer.len() < MAX_BOXES => {
                self.outer.push(std::mem::take(&mut self.flow));
            }
            _ => {}
        }
    }

    fn end(&mut self, name: &str) {
        match name {
            "t" | "delText" | "text" => self.text = self.text.saturating_sub(1),
            "del" | "moveFrom" => self.deleted = self.deleted.saturating_sub(1),
            "ins" | "moveTo" => self.inserted = self.inserted.saturating_sub(1),
            "Fallback" | "rPh" | "rt" => self.skipped = self.skipped.saturating_sub(1),
            "tc" => {
                self.cells = self.cells.saturating_sub(1);
                self.space(Gap::Cell);
            }
            "tr" => self.space(Gap::Line),
            "p" => {
                self.paragraph();
                // The cells of a row stay on one line.
                self.space(if self.cells > 0 {
                    Gap::Space
                } else {
                    Gap::Line
                });
            }
            "txbxContent" => {
                if let Some(outer) = self.outer.pop() {
                    let inner = std::mem::replace(&mut self.flow, outer);
                    self.set_aside(inner.as_str());
                }
            }
            _ => {}
        }
    }

    fn space(&mut self, gap: Gap) {
        self.flow.gap(gap);
        if !self.former.is_empty() && !self.former.ends_with(' ') {
            self.former.push(' ');
        }
    }

    fn paragraph(&mut self) {
        let former = std::mem::take(&mut self.former);
        if std::mem::take(&mut self.changed) && !former.trim().is_empty() {
            self.set_aside(&former);
        }
    }

    fn set_aside(&mut self, text: &str) {
        self.aside.gap(Gap::Line);
        self.aside.push(text);
    }

    fn finish(mut self) -> Flow {
        self.paragraph();
        while let Some(outer) = self.outer.pop() {
            let inner = std::mem::replace(&mut self.flow, outer);
            self.set_aside(inner.as_str());
        }
        self.flow.gap(Gap::Line);
        self.flow.push(self.aside.as_str());
        self.flow.gap(Gap::Line);
        self.flow
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    fn text(body: &str) -> String {
        let mut flow = Flow::default();
        let xml = format!("<w:document><w:body>{body}</w:body></w:document>");
        let mut budget = Budget::new(&Limits::default());
        read(&xml, &mut flow, &mut Meter::default(), &mut budget).unwrap();
        flow.into_text()
    }

    #[test]
    fn words_split_across_runs_are_whole() {
        assert_eq!(
            text(
                "<w:p><w:r><w:t>con</w:t></w:r><w:proofErr/><w:r><w:t>fi</w:t><w:softHyphen/>\
                  <w:t>dential</w:t><w:tab/><w:t xml:space='preserve'> x</w:t></w:r></w:p><w:p><w:r><w:t>y</w:t>\
                  <w:br/><w:t>z</w:t></w:r></w:p>"
            ),
            "confidential\t x\ny\nz"
        );
    }

    #[test]
    fn the_cells_of_a_row_stay_together() {
        assert_eq!(
            text(
                "<w:tbl><w:tr><w:tc><w:p><w:t>a</w:t></w:p><w:p><w:t>b</w:t></w:p></w:tc><w:tc><w:p><w:t>c</w:t></w:p></w:tc></w:tr>\
                  <w:tr><w:tc><w:p/></w:tc><w:tc><w:p><w:t>d</w:t></w:p></w:tc></w:tr></w:tbl><w:p><w:t>e</w:t></w:p>"
            ),
            "a b\tc\nd\ne"
        );
    }

    #[test]
    fn both_versions_of_a_changed_paragraph_are_whole() {
        assert_eq!(
            text(
                "<w:p><w:pPr><w:rPr><w:ins/></w:rPr></w:pPr><w:t xml:space='preserve'>the </w:t>\
                  <w:del><w:r><w:delText>old</w:delText></w:r></w:del>\
                  <w:ins><w:r><w:t>new</w:t></w:r></w:ins><w:t xml:space='preserve'> plan</w:t></w:p><w:p><w:t>next</w:t></w:p>"
            ),
            "the new plan\nnext\nthe old plan"
        );
    }

    #[test]
    fn boxes_follow_and_fallbacks_are_not_read_twice() {
        assert_eq!(
            text(
                "<w:p><w:t>one </w:t><mc:AlternateContent><mc:Choice><w:txbxContent><w:p><w:t>box</w:t></w:p>\
                  </w:txbxContent></mc:Choice><mc:Fallback><w:txbxContent><w:p><w:t>box</w:t></w:p></w:txbxContent>\
                  </mc:Fallback></mc:AlternateContent><w:t>two</w:t></w:p>"
            ),
            "one two\nbox"
        );
        assert_eq!(text("<w:p><w:instrText>PAGE</w:instrText></w:p>"), "");
    }
}
