//! Where a text has numbers, elements that can be repeated, and containers that can be nested.

use std::ops::Range;

use crate::doc::Field;

type Span = Range<usize>;

#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) numbers: Vec<(Span, Option<Field>)>,
    pub(crate) elements: Vec<Span>,
    /// The container, and what is between its ends.
    pub(crate) containers: Vec<(Span, Span)>,
}

/// Runs of digits, with a sign.
fn numbers(bytes: &[u8], digit: fn(&u8) -> bool) -> Vec<Span> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let len = bytes[at..].iter().take_while(|byte| digit(byte)).count();
        if len > 0 {
            let signed = at > 0 && matches!(bytes[at - 1], b'-' | b'+');
            found.push(at - usize::from(signed)..at + len);
        }
        at += len.max(1);
    }
    found
}

fn decimal(bytes: &[u8]) -> Vec<(Span, Option<Field>)> {
    let spans = numbers(bytes, u8::is_ascii_digit);
    spans.into_iter().map(|span| (span, None)).collect()
}

/// Every line with its end.
pub(crate) fn lines(bytes: &[u8]) -> Found {
    let mut at = 0;
    let elements = bytes.split_inclusive(|&byte| byte == b'\n').map(|line| {
        at += line.len();
        at - line.len()..at
    });
    Found {
        elements: elements.collect(),
        numbers: decimal(bytes),
        containers: Vec::new(),
    }
}

/// Tags with what is between them, and attributes.
pub(crate) fn markup(bytes: &[u8]) -> Found {
    let mut found = Found {
        numbers: decimal(bytes),
        ..Found::default()
    };
    // Names of open elements, where they begin and where their tag ends.
    let mut open: Vec<(&[u8], usize, usize)> = Vec::new();
    let mut at = 0;
    while let Some(start) = bytes[at..].iter().position(|&byte| byte == b'<') {
        let start = at + start;
        let Some(len) = bytes[start..].iter().position(|&byte| byte == b'>') else {
            break;
        };
        let end = start + len + 1;
        at = end;
        let tag = &bytes[start + 1..end - 1];
        let name = tag.strip_prefix(b"/").unwrap_or(tag);
        let name_len = name
            .iter()
            .take_while(|byte| !byte.is_ascii_whitespace() && **byte != b'/')
            .count();
        let name = &name[..name_len];
        if tag.starts_with(b"/") {
            if let Some(place) = open.iter().rposition(|(known, ..)| *known == name) {
                let (_, from, inner) = open[place];
                open.truncate(place);
                found.elements.push(from..end);
                found.containers.push((from..end, inner..start));
            }
        } else if tag.ends_with(b"/") || tag.starts_with(b"!") || tag.starts_with(b"?") {
            found.elements.push(start..end);
        } else {
            open.push((name, start, end));
        }
        if !tag.starts_with(b"/") {
            // Attributes: what is between blanks.
            let mut from = start + 1 + name_len;
            for piece in bytes[from..end - 1].split(|&byte| byte == b' ') {
                if piece.contains(&b'=') {
                    found
                        .elements
                        .push(from.saturating_sub(1)..from + piece.len());
                }
                from += piece.len() + 1;
            }
        }
    }
    // Elements that are never closed.
    found
        .elements
        .extend(open.iter().map(|&(_, from, end)| from..end));
    found
}

/// Groups and control words.
pub(crate) fn rtf(bytes: &[u8]) -> Found {
    let mut found = Found {
        numbers: decimal(bytes),
        ..Found::default()
    };
    let mut open = Vec::new();
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'{' => open.push(at),
            b'}' => {
                if let Some(from) = open.pop() {
                    found.elements.push(from..at + 1);
                    found.containers.push((from..at + 1, from + 1..at));
                }
            }
            b'\\' => {
                let word = bytes[at + 1..].iter();
                let len = word.take_while(|byte| byte.is_ascii_alphanumeric()).count();
                found.elements.push(at..at + 1 + len.max(1));
            }
            _ => {}
        }
    }
    found
}

/// Arrays and dictionaries with what is in them; lines, for content streams.
pub(crate) fn pdf(bytes: &[u8]) -> Found {
    let mut found = Found::default();
    let delimits = |byte: Option<&u8>| {
        byte.is_none_or(|byte| byte.is_ascii_whitespace() || b"[]<>()/-.".contains(byte))
    };
    for span in numbers(bytes, u8::is_ascii_digit) {
        let before = span.start.checked_sub(1).and_then(|at| bytes.get(at));
        if delimits(before) && delimits(bytes.get(span.end)) {
            found.numbers.push((span, None));
        }
    }
    for span in numbers(bytes, u8::is_ascii_hexdigit) {
        let is_open = span.start > 0 && bytes[span.start - 1] == b'<';
        if is_open && bytes.get(span.end) == Some(&b'>') {
            found.numbers.retain(|(known, _)| known.start != span.start);
            found.elements.push(span.start - 1..span.end + 1);
            found.numbers.push((span, None));
        }
    }
    let mut at = 0;
    values(bytes, &mut at, &mut found, 0);
    if !bytes.starts_with(b"<<") {
        found.elements.extend(lines(bytes).elements);
    }
    found
}

/// Reads values up to the end of the container that is open.
fn values(bytes: &[u8], at: &mut usize, found: &mut Found, depth: usize) {
    let mut key: Option<usize> = None;
    while *at < bytes.len() && depth < 50 {
        let start = *at;
        let rest = &bytes[start..];
        if rest[0].is_ascii_whitespace() {
            *at += 1;
            continue;
        }
        if rest.starts_with(b">>") {
            *at += 2;
            return;
        }
        if rest[0] == b']' {
            *at += 1;
            return;
        }
        let opened = if rest.starts_with(b"<<") {
            2
        } else {
            usize::from(rest[0] == b'[')
        };
        if opened > 0 {
            *at += opened;
            values(bytes, at, found, depth + 1);
            let end = *at;
            found.containers.push((
                start..end,
                start + opened..end.saturating_sub(opened).max(start + opened),
            ));
        } else {
            let len = match rest[0] {
                b'(' => rest
                    .iter()
                    .position(|&byte| byte == b')')
                    .map_or(1, |end| end + 1),
                b'<' => rest
                    .iter()
                    .position(|&byte| byte == b'>')
                    .map_or(1, |end| end + 1),
                _ => {
                    let ends = |byte: &u8| byte.is_ascii_whitespace() || b"[]<>(/".contains(byte);
                    1 + rest[1..].iter().position(ends).unwrap_or(rest.len() - 1)
                }
            };
            *at += len;
        }
        if depth > 0 {
            found.elements.push(start..*at);
            // A key and its value.
            match key.take() {
                Some(from) => found.elements.push(from..*at),
                None if rest[0] == b'/' => key = Some(start),
                None => {}
            }
        }
    }
}
