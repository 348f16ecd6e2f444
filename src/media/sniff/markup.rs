//! Texts that are markup, by the element that they start with.

/// Whether a text starts with a tag or a document type of HTML, after any comments and processing
/// instructions.
pub(super) fn is_html(mut rest: &[u8]) -> bool {
    loop {
        rest = rest.trim_ascii_start();
        let skipped = if let Some(comment) = rest.strip_prefix(b"<!--") {
            after(comment, b"-->")
        } else if let Some(instruction) = rest.strip_prefix(b"<?") {
            after(instruction, b">")
        } else {
            break;
        };
        match skipped {
            Some(after) => rest = after,
            None => return false,
        }
    }
    let Some(tag) = rest.strip_prefix(b"<") else {
        return false;
    };
    let len = tag
        .iter()
        .position(|b| !(b.is_ascii_alphanumeric() || *b == b'!'))
        .unwrap_or(tag.len());
    let (tag, rest) = tag.split_at(len);
    if tag.eq_ignore_ascii_case(b"!doctype") {
        let name = rest.trim_ascii_start();
        return name
            .get(..4)
            .is_some_and(|name| name.eq_ignore_ascii_case(b"html"));
    }
    matches!(
        rest.first(),
        Some(b'>' | b'/' | b' ' | b'\t' | b'\r' | b'\n')
    ) && START_TAGS
        .iter()
        .any(|known| tag.eq_ignore_ascii_case(known.as_bytes()))
}

fn after<'a>(bytes: &'a [u8], end: &[u8]) -> Option<&'a [u8]> {
    let at = bytes.windows(end.len()).position(|w| w == end)?;
    bytes.get(at + end.len()..)
}

/// Elements that HTML, whole or in fragments, starts with.
const START_TAGS: [&str; 28] = [
    "html",
    "head",
    "body",
    "title",
    "meta",
    "link",
    "style",
    "script",
    "base",
    "div",
    "p",
    "table",
    "span",
    "h1",
    "h2",
    "h3",
    "ul",
    "ol",
    "a",
    "b",
    "br",
    "center",
    "font",
    "img",
    "section",
    "article",
    "main",
    "blockquote",
];

/// Whether a text starts with the root element of a flat OpenDocument.
pub(super) fn is_flat_open_document(head: &[u8]) -> bool {
    const ROOT: &[u8] = b"<office:document";
    let start = head.trim_ascii_start();
    start.starts_with(ROOT)
        || start.starts_with(b"<?xml") && head.windows(ROOT.len()).any(|window| window == ROOT)
}
