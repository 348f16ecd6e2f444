//! HTML to the text that a reader sees, in reading order.
//!
//! The tokenizer of html5ever alone: no tree is built, so that the cost does
//! not depend on nesting and the stack stays flat. Block elements start a new
//! line, table cells are set apart by a tab, inline elements leave no trace;
//! white space collapses but in `pre`. Scripts, styles, templates, comments,
//! `noscript` and frames are not read, nor is text in attributes. Character
//! references are decoded once: doubly escaped markup is text.

use std::cell::RefCell;

mod attributes;

use html5ever::interface::TokenizerResult;
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{
    BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};

use attributes::{Scanned, TagScan};

use super::guard::guard;
use crate::error::Result;
use crate::limits::Budget;

/// What a page holds.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// What the reader sees, the title first.
    pub(super) text: String,
    /// The base64 of each picture that stands in the page itself, as a `data:` URI.
    pub(super) images: Vec<String>,
}

/// Bytes between two looks at the clock.
const CHUNK: usize = 16 << 10;

/// The text and the embedded pictures of a page.
///
/// # Errors
/// [`Limit`](crate::ErrorKind::Limit) once the time is over.
pub(super) fn extract(html: &str, budget: &Budget) -> Result<Page> {
    guard("the html tokenizer", || {
        let mut state = State::default();
        // The walk takes no more parts than that; one more shows it that there were more.
        state.max_images = budget.limits().parts as usize + 1;
        let mut feeder = Feeder::new(state);
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
        feeder.tokenizer.end();
        Ok(feeder.tokenizer.sink.0.into_inner().page)
    })
}

/// Hands a page to the tokenizer in pieces that start at each `<`, so that it is known which tag
/// is open, and how many attributes it has so far.
struct Feeder {
    tokenizer: Tokenizer<Reader>,
    queue: BufferQueue,
    open: Open,
}

/// What the tokenizer is inside of, as far as it shows by tokens that do not come.
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
    fn new(state: State) -> Self {
        Self {
            tokenizer: Tokenizer::new(Reader(RefCell::new(state)), TokenizerOpts::default()),
            queue: BufferQueue::default(),
            open: Open::Nothing,
        }
    }

    fn feed(&mut self, chunk: &str) {
        let shared = StrTendril::from_slice(chunk);
        let starts = memchr::memchr_iter(b'<', chunk.as_bytes());
        let mut at = 0;
        for start in starts.chain([chunk.len()]) {
            if start > at {
                self.piece(&shared, at, start);
            }
            at = start;
        }
    }

    /// Whether no token came while the characters from `start` to `end` were tokenized.
    fn push(&mut self, chunk: &StrTendril, start: usize, end: usize) -> bool {
        let tokens = self.tokenizer.sink.0.borrow().tokens;
        if start < end {
            let piece = chunk.subtendril(start as u32, (end - start) as u32);
            self.queue.push_back(piece);
            while !matches!(
                self.tokenizer.feed(&self.queue),
                TokenizerResult::Done
            ) {}
        }
        tokens == self.tokenizer.sink.0.borrow().tokens
    }

    fn piece(&mut self, chunk: &StrTendril, start: usize, end: usize) {
        let text = &chunk[start..end];
        let mut open = std::mem::replace(&mut self.open, Open::Nothing);
        let mut at = start;
        // Its own step, for what comes out then belongs to what was before the `<`.
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
    fn tag(&mut self, mut scan: TagScan, chunk: &StrTendril, at: usize, scanned: usize, end: usize) {
        match scan.scan(&chunk.as_bytes()[scanned..end]) {
            Scanned::TooMany(offset) => {
                if self.push(chunk, at, scanned + offset) {
                    self.skip(scan, chunk, scanned + offset, end);
                } else {
                    // It was none: the element that is open holds no markup.
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

/// The charset that a page declares in its first kilobyte, by a `meta` element
/// or an XML declaration; the name as it stands there.
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

/// What stands behind the first occurrence of a lower-case word.
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
            Token::TagToken(tag) => return state.tag(&tag),
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

/// Elements that stand on lines of their own.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use proptest::prelude::*;

    fn page(html: &str) -> Page {
        extract(html, &Budget::new(&Limits::default())).unwrap()
    }

    #[test]
    fn text_in_reading_order() {
        for (html, text) in [
            (
                "<p>one <b>t</b>wo\n three</p><p>four",
                "one two three\nfour",
            ),
            ("a<br>b<hr/>c", "a\nb\nc"),
            ("<table><tr><td>1<td>2<tr><td>3</table>", "1\t2\n3"),
            ("<title>T &amp; U</title><body>x", "T & U\nx"),
            ("<pre>a  b\n c</pre>d", "a  b\n c\nd"),
            (
                "&lt;b&gt; &#x41;&nbsp;&eacute; &nosuch; &amp;lt;",
                "<b> A\u{a0}\u{e9} &nosuch; &lt;",
            ),
            ("<ul><li>x<li>y</ul>z", "x\ny\nz"),
            ("  <div> <span> a </span> </div> ", "a"),
            ("<textarea><b>x</b></textarea>y", "<b>x</b>\ny"),
            ("<plaintext><b>x", "<b>x"),
            ("", ""),
        ] {
            assert_eq!(page(html).text, text, "{html}");
        }
    }

    #[test]
    fn what_is_not_shown_is_not_read() {
        for html in [
            "a<script>if (a<b) x='</div>'</script>b",
            "a<style>p > b {}</style>b",
            "a<!-- x --> <!-- > -->b",
            "a<noscript><p>x</p></noscript>b",
            "a<template><p>x<template>y</template></p>z</template>b",
            "a<img alt='x' title=y>b",
            "a<iframe>x</iframe>b",
            "a<svg><style/><script/></svg>b",
            "a<script>x</script >b",
        ] {
            assert_eq!(page(html).text.replace(' ', ""), "ab", "{html}");
        }
    }

    #[test]
    fn pictures_in_data_uris() {
        let html = "<img src='DATA:image/png;base64,Zm9v'><img src=x.png>\
            <img src='data:image/svg+xml,<svg/>'><img src='data:text/plain;base64,Zm9v'>\
            <template><img src='data:image/png;base64,Zm9v'></template>\
            <img src=' data:image/gif;charset=x;base64,YmFy'>";
        assert_eq!(page(html).images, ["Zm9v", "YmFy"]);
    }

    #[test]
    fn charsets_are_found_where_pages_declare_them() {
        for (html, charset) in [
            ("<meta charset=windows-1251>", Some("windows-1251")),
            (
                "<META content='text/html; charset = koi8-r'>",
                Some("koi8-r"),
            ),
            (
                "<?xml version='1.0' encoding=\"iso-8859-2\"?><html>",
                Some("iso-8859-2"),
            ),
            ("<?xml version='1.0'?><p>encoding=x", None),
            ("<meta charset=\"\">", None),
            ("<meta charset=utf-16>", None),
            ("<meta charset", None),
        ] {
            assert_eq!(declared_charset(html.as_bytes()), charset, "{html}");
        }
    }

    #[test]
    fn depth_costs_nothing() {
        let html = format!(
            "{}deep{}",
            "<div><b>".repeat(60_000),
            "</b></div>".repeat(60_000)
        );
        assert_eq!(page(&html).text, "deep");
    }

    /// What the tokenizer gives that gets the page in one piece.
    fn whole(html: &str) -> Page {
        let state = State {
            max_images: usize::MAX,
            ..State::default()
        };
        let tokenizer = Tokenizer::new(Reader(RefCell::new(state)), TokenizerOpts::default());
        let queue = BufferQueue::default();
        queue.push_back(StrTendril::from_slice(html));
        while !matches!(tokenizer.feed(&queue), TokenizerResult::Done) {}
        tokenizer.end();
        tokenizer.sink.0.into_inner().page
    }

    #[test]
    fn the_attributes_of_a_tag_are_bounded() {
        let names = |prefix: &str| -> String {
            let names = (0..100_000).map(|i| format!("{prefix}a{i} "));
            names.collect()
        };
        // So many that comparing each with all others would take minutes.
        for prefix in ["", "<b", "</b", "x='>'", "\"", "&amp<", "'<\u{e4}"] {
            let names = names(prefix);
            let html = format!("a<p {names}>b<i {names}/>c&am<i {names}>d</p {names}>e<svg/>");
            assert_eq!(page(&html).text, "a\nbc&amd\ne", "{prefix}");
        }
        assert_eq!(page(&format!("a<p {}", names(""))).text, "a");
        // The end of the tag still counts.
        let style = format!("a<svg><style {}/>b</svg>", names(""));
        assert_eq!(page(&style).text, "ab");
    }

    #[test]
    fn what_looks_like_a_tag_of_many_attributes_is_text_where_it_is_text() {
        let words = "word=\"a\" ".repeat(3000);
        for html in [
            format!("<title><b {words}></title>x"),
            format!("<textarea>&a<b {words}</textarea>x"),
            format!("<title>a</titl<b {words}></title>x"),
            format!("<xmp></xm {words}></xmp>x"),
            format!("a<!-- <b {words} --> b <b>c"),
            format!("a<!-- <b c='<d {words} --> b <b>c"),
            format!("a<script>'<b {words}'</script>c"),
            format!("a<p b='<c {words}'>d"),
            format!("<plaintext><b {words}"),
        ] {
            assert_eq!(page(&html).text, whole(&html).text, "{}", &html[..40]);
        }
    }

    #[test]
    fn pictures_are_kept_as_far_as_parts_are_read() {
        let html = "<img src='data:image/png;base64,Zm9v'>".repeat(50);
        let limits = Limits {
            parts: 7,
            ..Limits::default()
        };
        let page = extract(&html, &Budget::new(&limits)).unwrap();
        assert_eq!(page.images.len(), 8);
    }

    proptest! {
        #[test]
        fn any_soup_is_read(html in "(<[/!]?(p|b|pre|script|svg|title|td|template|xmp)[ />]?>?|[a-z&;#<>'\" -]{0,6}){0,40}") {
            let found = page(&html);
            let whole = whole(&html);
            prop_assert_eq!((found.text, found.images), (whole.text, whole.images));
        }

        #[test]
        fn long_tags_in_any_soup_change_nothing_that_is_shown(
            html in "(<[/!]?(p|b|script|svg|title|td|!--)[ />=\"']?>?|&a|[a-z;<>'\" =-]{0,3}|WORDS){0,12}"
        ) {
            let html = html.replace("WORDS", &" a".repeat(1500));
            let long = page(&html).text;
            prop_assert_eq!(long, whole(&html).text);
        }

        #[test]
        fn words_in_plain_markup_all_come_out(words in prop::collection::vec("[a-z\u{e4}-\u{fc}]{1,9}", 1..30)) {
            let html: String = words.iter().map(|word| format!("<p><i>{word}</i></p>\n")).collect();
            prop_assert_eq!(page(&html).text, words.join("\n"));
        }
    }
}
