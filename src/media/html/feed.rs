//! Hands a page to the tokenizer so that no tag gets more attributes than it can take.
//!
//! Where no tag or comment is open, everything up to the next tag that needs care is one piece.

use std::cell::RefCell;

use html5ever::interface::TokenizerResult;
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::{BufferQueue, Tokenizer, TokenizerOpts};

use super::attributes::{MAX_ATTRIBUTES, Scanned, TagScan, whole_tags};
use super::{Reader, State};

/// Hands a page to the tokenizer in pieces, most of which start at a `<`, so that it is known which
/// tag is open, and how many attributes it has so far.
pub(super) struct Feeder {
    tokenizer: Tokenizer<Reader>,
    queue: BufferQueue,
    open: Open,
    /// A character reference may be open; its characters are emitted with the next `<`.
    has_reference: bool,
}

/// The construct that the tokenizer is in, inferred from the tokens that it does not emit.
enum Open {
    /// Nothing, or an element whose content is no markup.
    Nothing,
    Tag(TagScan),
    /// A tag of which the rest is skipped.
    Skipped(TagScan),
    /// A comment or the like.
    Other,
}

impl Feeder {
    pub(super) fn new(state: State) -> Self {
        Self {
            tokenizer: Tokenizer::new(Reader(RefCell::new(state)), TokenizerOpts::default()),
            queue: BufferQueue::default(),
            open: Open::Nothing,
            has_reference: false,
        }
    }

    pub(super) fn feed(&mut self, chunk: &str) {
        let shared = StrTendril::from_slice(chunk);
        let bytes = chunk.as_bytes();
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            if matches!(self.open, Open::Nothing) && !self.is_raw() {
                let len = whole_tags(rest);
                if len > 0 {
                    self.whole_tags(&shared, at, at + len);
                    at += len;
                    continue;
                }
            }
            // Up to the next `<`.
            let next = rest.get(1..).and_then(|rest| memchr::memchr(b'<', rest));
            let end = next.map_or(bytes.len(), |next| at + 1 + next);
            let is_short = end - at < MAX_ATTRIBUTES as usize;
            if is_short && !self.has_reference && matches!(self.open, Open::Nothing) {
                self.short_piece(&shared, at, end);
            } else {
                self.piece(&shared, at, end);
            }
            let piece = bytes.get(at..end).unwrap_or_default();
            self.has_reference = memchr::memchr(b'&', piece).is_some();
            at = end;
        }
    }

    /// Text and whole tags, after which nothing is open.
    fn whole_tags(&mut self, chunk: &StrTendril, start: usize, end: usize) {
        if cfg!(debug_assertions) {
            self.push(chunk, start, end - 1);
            let is_quiet = self.push(chunk, end - 1, end);
            debug_assert!(!is_quiet, "no tag ended: {}", &chunk[start..end]);
        } else {
            self.push(chunk, start, end);
        }
        self.has_reference = false;
    }

    /// Whether the content of the element that is open is no markup.
    fn is_raw(&self) -> bool {
        self.tokenizer.sink.0.borrow().raw
    }

    /// A piece that is too short to have too many attributes, after everything before it.
    fn short_piece(&mut self, chunk: &StrTendril, start: usize, end: usize) {
        let text = &chunk[start..end];
        if self.push(chunk, start, end) && text.starts_with('<') {
            self.open = match TagScan::of(text) {
                Some(mut scan) => {
                    let name = if text.starts_with("</") { 2 } else { 1 };
                    match scan.scan(&text.as_bytes()[name..]) {
                        Scanned::Inside => Open::Tag(scan),
                        Scanned::Ended | Scanned::TooMany(_) => Open::Other,
                    }
                }
                None => Open::Other,
            };
        }
    }

    /// Ends the page.
    pub(super) fn finish(self) -> State {
        self.tokenizer.end();
        self.tokenizer.sink.0.into_inner()
    }

    /// Whether no token came while the characters from `start` to `end` were tokenized.
    fn push(&mut self, chunk: &StrTendril, start: usize, end: usize) -> bool {
        let tokens = self.tokenizer.sink.0.borrow().tokens;
        if start < end {
            let piece = chunk.subtendril(start as u32, (end - start) as u32);
            self.queue.push_back(piece);
            while !matches!(self.tokenizer.feed(&self.queue), TokenizerResult::Done) {}
        }
        tokens == self.tokenizer.sink.0.borrow().tokens
    }

    fn piece(&mut self, chunk: &StrTendril, start: usize, end: usize) {
        let text = &chunk[start..end];
        let mut open = std::mem::replace(&mut self.open, Open::Nothing);
        let mut at = start;
        // A separate step: what is emitted here belongs to what was before the `<`.
        if text.starts_with('<') && !matches!(open, Open::Skipped(_)) {
            at += 1;
            if !self.push(chunk, start, at) {
                open = Open::Nothing;
            } else if let Open::Tag(scan) = &mut open
                && scan.scan(b"<") != Scanned::Inside
            {
                open = match open {
                    Open::Tag(scan) => Open::Skipped(scan),
                    open => open,
                };
            }
        }
        match open {
            Open::Skipped(scan) => self.skip(scan, chunk, at, end),
            Open::Tag(scan) => self.tag(scan, chunk, at, at, end),
            Open::Other => {
                if self.push(chunk, at, end) {
                    self.open = Open::Other;
                }
            }
            Open::Nothing => match TagScan::of(text) {
                Some(scan) => {
                    let name = at + usize::from(text.starts_with("</"));
                    self.tag(scan, chunk, at, name, end);
                }
                None => {
                    if self.push(chunk, at, end) && text.starts_with('<') {
                        self.open = Open::Other;
                    }
                }
            },
        }
    }

    /// A piece of what may be a tag: its characters are tokenized from `at` on and scanned from
    /// `scanned` on.
    fn tag(
        &mut self,
        mut scan: TagScan,
        chunk: &StrTendril,
        at: usize,
        scanned: usize,
        end: usize,
    ) {
        match scan.scan(&chunk.as_bytes()[scanned..end]) {
            Scanned::TooMany(offset) => {
                if self.push(chunk, at, scanned + offset) {
                    self.skip(scan, chunk, scanned + offset, end);
                } else {
                    // It was no tag: the content of the open element is not markup.
                    self.push(chunk, scanned + offset, end);
                }
            }
            Scanned::Inside => {
                if self.push(chunk, at, end) {
                    self.open = Open::Tag(scan);
                }
            }
            Scanned::Ended => {
                if self.push(chunk, at, end) {
                    self.open = Open::Other;
                }
            }
        }
    }

    fn skip(&mut self, mut scan: TagScan, chunk: &StrTendril, at: usize, end: usize) {
        match scan.skip(&chunk.as_bytes()[at..end]) {
            Some(offset) => {
                self.push(chunk, at + offset, end);
            }
            None => self.open = Open::Skipped(scan),
        }
    }
}
