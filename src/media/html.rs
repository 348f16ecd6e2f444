//! HTML to the text that a reader sees, in reading order.
//!
//! The tokenizer of html5ever alone: no tree is built, so that the cost does not depend on nesting
//! and the stack stays flat. Block elements start a new line, table cells are separated by a tab,
//! inline elements leave no trace; white space collapses except in `pre`. Scripts, styles,
//! templates, comments, `noscript` and frames are not read, nor is text in attributes. Character
//! references are decoded once: doubly escaped markup is text.

mod attributes;
mod feed;
#[cfg(test)]
mod tests;

use std::cell::RefCell;

use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{Tag, TagKind, Token, TokenSink, TokenSinkResult};

use super::guard::guard;
use crate::error::Result;
use crate::limits::Budget;
use feed::Feeder;

/// What a page holds.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// What the reader sees, the title first.
    pub(super) text: String,
    /// The base64 of each picture that is embedded in the page as a `data:` URI.
    pub(super) images: Vec<String>,
}

/// Bytes between two checks of the deadline.
const CHUNK: usize = 16 << 10;

/// The text and the embedded pictures of a page.
///
/// # Errors
/// [`Limit`](crate::ErrorKind::Limit) once the time is over.
pub(super) fn extract(html: &str, budget: &Budget) -> Result<Page> {
    guard("the html tokenizer", || {
        let mut feeder = Feeder::new(State {
            // As many as the limit allows and one more, which makes the walk report the limit.
            max_images: budget.limits().parts as usize + 1,
            ..State::default()
        });
        let mut rest = html;
        while !rest.is_empty() {
            budget.check_time()?;
            let (chunk, _) = rest.split_at(rest.floor_char_boundary(CHUNK));
            // What starts a tag stays in one chunk.
            let whole = chunk.strip_suffix("</").or(chunk.strip_suffix('<'));
            let len = match whole {
                Some(whole) if !whole.is_empty() && chunk.len() < rest.len() => whole.len(),
                _ => chunk.len(),
            };
            let (chunk, tail) = rest.split_at(len);
            rest = tail;
            feeder.feed(chunk);
        }
        Ok(feeder.finish().page)
    })
}

/// The charset that a page declares in its first kilobyte, by a `meta` element or an XML
/// declaration; the name as it is written.
pub(super) fn declared_charset(bytes: &[u8]) -> Option<&str> {
    let head = bytes.get(..1024).unwrap_or(bytes);
    let value = find(head, b"charset").or_else(|| {
        let declaration = head.trim_ascii_start().strip_prefix(b"<?xml")?;
        find(declaration.split(|&b| b == b'>').next()?, b"encoding")
    })?;
    let value = value
        .trim_ascii_start()
        .strip_prefix(b"=")?
        .trim_ascii_start();
    let value = value
        .strip_prefix(b"\"")
        .or(value.strip_prefix(b"'"))
        .unwrap_or(value);
    let len = value
        .iter()
        .position(|b| !(b.is_ascii_alphanumeric() || b"-_:.+".contains(b)))
        .unwrap_or(value.len());
    let name = std::str::from_utf8(value.get(..len)?).ok()?;
    // A page whose declaration can be read is not in UTF-16 (and the standard says so).
    let unlikely = name
        .get(..6)
        .is_some_and(|start| start.eq_ignore_ascii_case("utf-16"));
    (!name.is_empty() && !unlikely).then_some(name)
}

/// What follows the first occurrence of a lower-case word.
fn find<'a>(bytes: &'a [u8], word: &[u8]) -> Option<&'a [u8]> {
    let at = bytes
        .windows(word.len())
        .position(|w| w.eq_ignore_ascii_case(word))?;
    bytes.get(at + word.len()..)
}

/// The tokenizer hands out tokens through a shared reference.
#[derive(Default)]
struct Reader(RefCell<State>);

#[derive(Default)]
struct State {
    page: Page,
    max_images: usize,
    /// Tokens so far.
    tokens: u64,
    /// What separates the next word from the last one.
    gap: Gap,
    /// Open `pre` elements.
    pre: u32,
    /// Open `template` elements: not shown.
    templates: u32,
    /// Open `svg` and `math` elements, in which `script` and `style` may close themselves.
    foreign: u32,
    /// Inside an element whose content is not markup and not shown.
    hidden: bool,
    /// Inside an element whose content is not markup.
    raw: bool,
}

/// What separates two words; the greatest one met between them counts.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    #[default]
    None,
    Space,
    Cell,
    Line,
}

impl TokenSink for Reader {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let mut state = self.0.borrow_mut();
        if !matches!(token, Token::ParseError(_)) {
            state.tokens += 1;
        }
        match token {
            Token::CharacterTokens(run) => state.characters(&run),
            Token::TagToken(tag) => {
                let result = state.tag(&tag);
                // In such an element, the only tag that is one is its end tag.
                state.raw = !matches!(result, TokenSinkResult::Continue);
                return result;
            }
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

impl State {
    fn characters(&mut self, run: &str) {
        if self.hidden || self.templates > 0 {
            return;
        }
        if self.pre > 0 {
            self.close_gap();
            self.page.text.push_str(run);
            return;
        }
        let mut rest = run;
        while let Some(at) = rest.bytes().position(|byte| byte.is_ascii_whitespace()) {
            let (word, tail) = rest.split_at(at);
            self.word(word);
            self.gap = self.gap.max(Gap::Space);
            rest = tail.trim_ascii_start();
        }
        self.word(rest);
    }

    fn word(&mut self, word: &str) {
        if !word.is_empty() {
            self.close_gap();
            self.page.text.push_str(word);
        }
    }

    fn close_gap(&mut self) {
        let gap = std::mem::take(&mut self.gap);
        if self.page.text.is_empty() {
            return;
        }
        match gap {
            Gap::None => {}
            Gap::Space => self.page.text.push(' '),
            Gap::Cell => self.page.text.push('\t'),
            Gap::Line => self.page.text.push('\n'),
        }
    }

    fn tag(&mut self, tag: &Tag) -> TokenSinkResult<()> {
        let name: &str = &tag.name;
        let start = tag.kind == TagKind::StartTag;
        let depth = |depth: u32| {
            if start {
                depth.saturating_add(1)
            } else {
                depth.saturating_sub(1)
            }
        };
        if !start {
            // Where content is no markup, the only end tag is that of the element.
            self.hidden = false;
        }
        match name {
            "pre" | "listing" => {
                self.gap = Gap::Line;
                self.pre = depth(self.pre);
            }
            "template" => self.templates = depth(self.templates),
            "svg" | "math" if !(start && tag.self_closing) => self.foreign = depth(self.foreign),
            // Nothing in a template is shown, not even its line ends.
            _ if self.templates > 0 => {}
            "td" | "th" => self.gap = self.gap.max(Gap::Cell),
            "img" if start && self.page.images.len() < self.max_images => {
                let source = tag
                    .attrs
                    .iter()
                    .find(|attribute| &*attribute.name.local == "src");
                self.page
                    .images
                    .extend(source.and_then(|source| embedded(&source.value)));
            }
            _ if is_block(name) => self.gap = Gap::Line,
            _ => {}
        }
        if !start || self.foreign > 0 && tag.self_closing {
            return TokenSinkResult::Continue;
        }
        let raw = match name {
            "script" => RawKind::ScriptData,
            "style" | "noscript" | "iframe" | "noembed" | "noframes" => RawKind::Rawtext,
            "xmp" => return TokenSinkResult::RawData(RawKind::Rawtext),
            "title" | "textarea" => return TokenSinkResult::RawData(RawKind::Rcdata),
            "plaintext" => return TokenSinkResult::Plaintext,
            _ => return TokenSinkResult::Continue,
        };
        self.hidden = true;
        TokenSinkResult::RawData(raw)
    }
}

/// The base64 in a `data:` URI of a picture.
fn embedded(uri: &str) -> Option<String> {
    let uri = uri.trim_ascii_start();
    let (scheme, rest) = uri.split_at_checked(11)?;
    if !scheme.eq_ignore_ascii_case("data:image/") {
        return None;
    }
    let (parameters, data) = rest.split_once(',')?;
    let base64 = parameters.rsplit(';').next()?.trim_ascii();
    base64
        .eq_ignore_ascii_case("base64")
        .then(|| data.to_owned())
}

/// Elements that start and end a line.
fn is_block(name: &str) -> bool {
    matches!(
        name,
        "address"
            | "article"
            | "aside"
            | "blockquote"
            | "body"
            | "br"
            | "button"
            | "caption"
            | "center"
            | "dd"
            | "details"
            | "dialog"
            | "dir"
            | "div"
            | "dl"
            | "dt"
            | "fieldset"
            | "figcaption"
            | "figure"
            | "footer"
            | "form"
            | "frameset"
            | "h1"
            | "h2"
            | "h3"
            | "h4"
            | "h5"
            | "h6"
            | "head"
            | "header"
            | "hgroup"
            | "hr"
            | "html"
            | "legend"
            | "li"
            | "main"
            | "menu"
            | "nav"
            | "ol"
            | "optgroup"
            | "option"
            | "p"
            | "search"
            | "section"
            | "select"
            | "summary"
            | "table"
            | "tbody"
            | "textarea"
            | "tfoot"
            | "thead"
            | "title"
            | "tr"
            | "ul"
            | "xmp"
            | "plaintext"
    )
}
