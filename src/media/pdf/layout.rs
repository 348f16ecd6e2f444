//! From runs of glyphs to lines, and from the lines of all pages to one text.
//!
//! The order of the file is kept: writers store text in reading order, and
//! sorting by place would mix columns. The place of a run only decides the gap
//! between it and the one before: nothing, a space, a tab or a line end.

use std::collections::HashSet;

use crate::media::flow::{Flow, Gap};

/// Consecutive glyphs, in the coordinates of the page.
#[derive(Debug, Default)]
pub(super) struct Run {
    pub(super) text: String,
    pub(super) start: Point,
    pub(super) end: Point,
    /// The direction of writing, of length 1.
    pub(super) along: Point,
    /// The size of the font.
    pub(super) em: f64,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
}

impl Point {
    fn minus(self, other: Self) -> Self {
        Self {
            x: self.x - other.x,
            y: self.y - other.y,
        }
    }

    fn dot(self, other: Self) -> f64 {
        self.x * other.x + self.y * other.y
    }

    /// Turned left.
    fn normal(self) -> Self {
        Self {
            x: -self.y,
            y: self.x,
        }
    }
}

/// Of the size of the font: narrower gaps are kerning, wider ones columns.
const SPACE: f64 = 0.16;
const COLUMN: f64 = 1.5;

/// The lines of one page.
#[derive(Debug, Default)]
pub(super) struct Page {
    lines: Vec<Line>,
    last: Option<Run>,
    /// Whether the next run starts a new line.
    broken: bool,
}

#[derive(Debug, Default)]
struct Line {
    text: Flow,
    /// The distance from the origin, across the direction of writing.
    place: f64,
    /// Whether some run started left of the one before, as right-to-left text
    /// does that is written in its own order.
    backwards: bool,
}

impl Page {
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Appends a run.
    pub(super) fn push(&mut self, run: Run) {
        let place = run.start.dot(run.along.normal());
        let gap = match &self.last {
            None => Gap::Line,
            Some(last) => {
                let em = run.em.max(last.em).max(f64::MIN_POSITIVE);
                if is_repeat(last, &run, em) {
                    return;
                }
                between(last, &run, em)
            }
        };
        self.broken |= gap == Gap::Line;
        if !run.text.trim().is_empty() && std::mem::take(&mut self.broken) {
            self.lines.push(Line {
                place,
                ..Line::default()
            });
        } else if let Some(line) = self.lines.last_mut()
            && !self.broken
        {
            line.text.gap(gap);
            let back = |last: &Run| run.start.minus(last.start).dot(run.along) < 0.0;
            line.backwards |= self.last.as_ref().is_some_and(back);
        }
        // Blanks before the first word of a line belong to no line.
        if let Some(line) = self.lines.last_mut()
            && !self.broken
        {
            push_words(&mut line.text, &run.text);
        }
        self.last = Some(run);
    }
}

/// Appends text; white space in it becomes gaps.
fn push_words(flow: &mut Flow, text: &str) {
    let mut words = text.split([' ', '\t', '\n', '\r']).peekable();
    while let Some(word) = words.next() {
        flow.push(word);
        if words.peek().is_some() {
            flow.gap(Gap::Space);
        }
    }
}

/// Whether a run is drawn over the last one again, to make it look bold.
fn is_repeat(last: &Run, run: &Run, em: f64) -> bool {
    let step = run.start.minus(last.start);
    step.dot(step) < em * em / 16.0 && last.text == run.text
}

fn between(last: &Run, run: &Run, em: f64) -> Gap {
    let step = run.start.minus(last.end);
    let (along, across) = (step.dot(last.along), step.dot(last.along.normal()));
    let turned = last.along.dot(run.along) < 0.9;
    // Raised and lowered letters stay on their line.
    if turned || across.abs() > 0.6 * em {
        return Gap::Line;
    }
    let back = run.start.minus(last.start).dot(last.along);
    if along > COLUMN * em {
        Gap::Cell
    } else if along > SPACE * em {
        Gap::Space
    } else if along < -em && back <= 0.0 && across.abs() > 0.25 * em {
        // Tight lines: back to the left and a little down.
        Gap::Line
    } else if along < -em {
        Gap::Space
    } else {
        Gap::None
    }
}

/// Lines at either edge of a page that may be its header or footer.
const EDGE: usize = 3;

/// Bytes of a header that differs from page to page. Longer lines are compared as they are.
const LONGEST_HEADER: usize = 4096;

/// How far a header may move from page to page.
const TOLERANCE: f64 = 6.0;

/// The text of all pages: headers and footers that repeat from page to page
/// are moved to the end, once, so that sentences continue across pages.
pub(super) fn text(pages: Vec<Page>) -> String {
    let pages: Vec<Vec<(String, f64)>> = pages
        .into_iter()
        .map(|page| {
            let lines = page.lines.into_iter();
            lines
                .map(|line| {
                    let text = line.text.into_text();
                    let text = if line.backwards { text } else { logical(text) };
                    (text, line.place)
                })
                .collect()
        })
        .collect();
    let edges: Vec<Vec<usize>> = pages.iter().map(|lines| edges(lines)).collect();
    let mut flow = Flow::default();
    let mut repeated = Flow::default();
    let mut seen = HashSet::new();
    for (number, lines) in pages.iter().enumerate() {
        let is_repeated = |at: usize| {
            edges[number].contains(&at)
                && [-2_isize, -1, 1, 2].into_iter().any(|step| {
                    let Some(other) = number.checked_add_signed(step) else {
                        return false;
                    };
                    let Some(others) = pages.get(other) else {
                        return false;
                    };
                    edges[other].iter().any(|&edge| {
                        (others[edge].1 - lines[at].1).abs() < TOLERANCE
                            && is_same_header(&lines[at].0, &others[edge].0, step)
                    })
                })
        };
        for (at, (text, _)) in lines.iter().enumerate() {
            if is_repeated(at) {
                if seen.insert(shape(text)) {
                    repeated.gap(Gap::Line);
                    repeated.push(text);
                }
                continue;
            }
            join(&mut flow, text);
        }
    }
    flow.gap(Gap::Line);
    flow.push(repeated.as_str());
    flow.into_text()
}

/// Appends a line. A hyphen at the end of the line before joins the halves of a word if the second
/// starts with a small letter.
fn join(flow: &mut Flow, line: &str) {
    let goes_on = line.chars().next().is_some_and(char::is_lowercase);
    if !(goes_on && flow.take_hyphen()) {
        flow.gap(Gap::Line);
    }
    flow.push(line);
}

/// The lines nearest to either edge of a page.
fn edges(lines: &[(String, f64)]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..lines.len()).collect();
    order.sort_by(|&a, &b| lines[a].1.total_cmp(&lines[b].1));
    if order.len() <= 2 * EDGE {
        return order;
    }
    let mut edges = order[..EDGE].to_vec();
    edges.extend_from_slice(&order[order.len() - EDGE..]);
    edges
}

/// A line without the values of its numbers.
fn shape(line: &str) -> String {
    let mut shape = String::with_capacity(line.len());
    for c in line.chars() {
        if !c.is_ascii_digit() {
            shape.push(c);
        } else if !shape.ends_with('#') {
            shape.push('#');
        }
    }
    shape
}

/// Whether two lines `step` pages apart are the same header: the same words, and
/// the same numbers but for one that counts the pages.
fn is_same_header(line: &str, other: &str, step: isize) -> bool {
    if line == other {
        return true;
    }
    if line.len().max(other.len()) > LONGEST_HEADER {
        return false;
    }
    if shape(line) != shape(other) {
        return false;
    }
    let mut counting = 0;
    for (a, b) in numbers(line).zip(numbers(other)) {
        match (a.parse::<i64>(), b.parse::<i64>()) {
            (Ok(a), Ok(b)) if a == b => {}
            (Ok(a), Ok(b)) if b.checked_sub(a) == Some(step as i64) => counting += 1,
            _ => return false,
        }
    }
    counting == 1
}

fn numbers(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_ascii_digit())
        .filter(|run| !run.is_empty())
}

fn is_right_to_left(c: char) -> bool {
    matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}')
}

/// A line in reading order. Right-to-left text is mostly stored in visual order, from left to
/// right; numbers and Latin words in it keep their order.
fn logical(line: String) -> String {
    if line.is_ascii() {
        return line;
    }
    let letters = line.chars().filter(|c| c.is_alphabetic()).count();
    let turned = line.chars().filter(|&c| is_right_to_left(c)).count();
    if 2 * turned <= letters {
        return line;
    }
    let mut turned: Vec<char> = line.chars().rev().collect();
    let keeps = |c: char| c.is_alphanumeric() && !is_right_to_left(c);
    let mut start = 0;
    while start < turned.len() {
        if !keeps(turned[start]) {
            start += 1;
            continue;
        }
        let mut end = start + 1;
        while end < turned.len()
            && (keeps(turned[end])
                || matches!(turned[end], '.' | ',' | ':' | '/' | '-')
                    && turned.get(end + 1).is_some_and(|&c| keeps(c)))
        {
            end += 1;
        }
        turned[start..end].reverse();
        start = end;
    }
    turned.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str, x: f64, y: f64) -> Run {
        Run {
            text: text.to_owned(),
            start: Point { x, y },
            end: Point {
                x: x + 6.0 * text.chars().count() as f64,
                y,
            },
            along: Point { x: 1.0, y: 0.0 },
            em: 10.0,
        }
    }

    fn page(runs: &[(&str, f64, f64)]) -> Page {
        let mut page = Page::default();
        for &(text, x, y) in runs {
            page.push(run(text, x, y));
        }
        page
    }

    #[test]
    fn gaps_by_distance() {
        let page = page(&[
            ("con", 0.0, 700.0),
            ("fidential", 18.5, 700.0),
            ("x", 80.0, 700.0),
            ("2", 86.0, 704.0),
            ("cell", 150.0, 700.0),
            ("next", 0.0, 688.0),
            (" ", 24.0, 688.0),
            ("word", 30.0, 688.0),
        ]);
        assert_eq!(text(vec![page]), "confidential x2\tcell\nnext word");
    }

    #[test]
    fn hyphens_at_line_ends_join_words() {
        let page = page(&[
            ("confi-", 0.0, 700.0),
            ("dential Anglo-", 0.0, 688.0),
            ("Saxon", 0.0, 676.0),
        ]);
        assert_eq!(text(vec![page]), "confidential Anglo-\nSaxon");
    }

    #[test]
    fn text_drawn_twice_is_read_once() {
        let page = page(&[
            ("bold", 0.0, 700.0),
            ("bold", 0.3, 700.0),
            ("next", 40.0, 700.0),
        ]);
        assert_eq!(text(vec![page]), "bold next".replace(' ', "\t"));
    }

    #[test]
    fn headers_of_every_page_stand_once_behind_the_text() {
        let pages = (1..=3)
            .map(|number| {
                page(&[
                    ("Confidential", 0.0, 800.0),
                    (&format!("goes on {}", "abc".repeat(number)), 0.0, 700.0),
                    (&format!("Table {}", 7 * number), 0.0, 300.0),
                    (&format!("Page {number} of 3"), 0.0, 30.0),
                ])
            })
            .collect();
        assert_eq!(
            text(pages),
            "goes on abc\nTable 7\ngoes on abcabc\nTable 14\ngoes on abcabcabc\nTable 21\n\
             Confidential\nPage 1 of 3"
        );
    }

    #[test]
    fn right_to_left_text_is_read_as_it_is_read() {
        let visual = "\u{5d2}\u{5d1}\u{5d0} 12.5 ab \u{5d3}";
        assert_eq!(
            logical(visual.to_owned()),
            "\u{5d3} ab 12.5 \u{5d0}\u{5d1}\u{5d2}"
        );
        assert_eq!(logical("caf\u{e9}".to_owned()), "caf\u{e9}");
    }
}
