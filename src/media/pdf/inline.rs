//! Removes the pictures inside a content stream where there are many.
//!
//! Nothing but white space ends the data of an inline image, so `hayro-syntax` examines each `EI`
//! and `BI` up to the end of the stream: with thousands of them, thousands of times. These pictures
//! are not read anyway. Where a stream has more than a few, they are removed here first, in one
//! pass.

use std::borrow::Cow;

/// Inline images that the library may look for, and the total of bytes that it may search
/// for them.
const FEW: usize = 64;
const SEARCHED: usize = 2 << 20;

/// Bytes after `EI` that have to be text.
const LOOK_AHEAD: usize = 16;

/// The stream without its inline images, and whether there were any to cut.
pub(super) fn without_images(bytes: &[u8]) -> (Cow<'_, [u8]>, bool) {
    let starts = bytes.windows(2).filter(|pair| pair == b"BI");
    let starts = starts.take(FEW + 1).count();
    if starts <= FEW && starts * bytes.len() <= SEARCHED {
        return (Cow::Borrowed(bytes), false);
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut cut = false;
    let (mut at, mut kept) = (0, 0);
    while let Some((start, end)) = next_token(bytes, at) {
        at = end;
        if &bytes[start..end] == b"BI" {
            let Some(after) = image_end(bytes, end) else {
                // Without an end, the rest is no content.
                out.extend_from_slice(&bytes[kept..start]);
                return (Cow::Owned(out), true);
            };
            out.extend_from_slice(&bytes[kept..start]);
            out.push(b' ');
            cut = true;
            (at, kept) = (after, after);
        }
    }
    out.extend_from_slice(&bytes[kept..]);
    (Cow::Owned(out), cut)
}

/// The end of the image that begins at `BI`: after its `EI`.
fn image_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let (start, end) = next_token(bytes, at)?;
        at = end;
        match &bytes[start..end] {
            b"ID" => break,
            b"EI" => return Some(end),
            _ => {}
        }
    }
    // One white space belongs to `ID`.
    let data = at + 1;
    let mut from = data;
    while let Some(found) = bytes.get(from..)?.windows(2).position(|pair| pair == b"EI") {
        let at = from + found;
        let behind = bytes.get(at + 2..).unwrap_or_default();
        let starts = at == data || at.checked_sub(1).is_some_and(|at| is_white(bytes[at]));
        let ends = behind.first().is_none_or(|byte| is_white(*byte));
        let text = behind
            .iter()
            .take(LOOK_AHEAD)
            .all(|byte| is_white(*byte) || byte.is_ascii_graphic());
        if starts && ends && text {
            return Some(at + 2);
        }
        from = at + 1;
    }
    None
}

/// The next token, strings as a whole, comments left out.
fn next_token(bytes: &[u8], mut at: usize) -> Option<(usize, usize)> {
    loop {
        match bytes.get(at)? {
            byte if is_white(*byte) => at += 1,
            b'%' => {
                let line = bytes[at..]
                    .iter()
                    .position(|byte| matches!(byte, b'\r' | b'\n'));
                at += line?;
            }
            _ => break,
        }
    }
    let start = at;
    let len = match bytes[start] {
        b'(' => {
            let mut depth = 0_u32;
            let mut escaped = false;
            let end = bytes[start..].iter().position(|byte| {
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' => escaped = true,
                    b'(' => depth += 1,
                    b')' => depth -= 1,
                    _ => {}
                }
                depth == 0
            });
            end? + 1
        }
        b'<' | b'>' | b'[' | b']' | b'{' | b'}' | b')' => 1,
        _ => {
            let rest = &bytes[start + 1..];
            let end = rest.iter().position(|byte| !is_regular(*byte));
            1 + end.unwrap_or(rest.len())
        }
    };
    Some((start, start + len))
}

fn is_white(byte: u8) -> bool {
    matches!(byte, b'\0' | b'\t' | b'\n' | 0x0C | b'\r' | b' ')
}

fn is_regular(byte: u8) -> bool {
    !is_white(byte)
        && !matches!(
            byte,
            b'(' | b')' | b'<' | b'>' | b'[' | b']' | b'{' | b'}' | b'/' | b'%'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_images_are_cut_and_what_is_around_them_stays() {
        let one = b"(a BI ID) Tj BI /W 1 /H 1 ID \xFFEI x EI y\x80 EI\nQ % BI\n";
        let mut stream = Vec::new();
        for _ in 0..FEW {
            stream.extend_from_slice(one);
        }
        let (bytes, cut) = without_images(&stream);
        assert!(cut);
        let kept = "(a BI ID) Tj  \nQ % BI\n".repeat(FEW);
        assert_eq!(String::from_utf8_lossy(&bytes), kept);
    }

    #[test]
    fn few_images_are_left_to_the_library() {
        let stream = b"BI ID EI (x) Tj".as_slice();
        assert_eq!(without_images(stream), (Cow::Borrowed(stream), false));
    }

    #[test]
    fn an_image_without_an_end_takes_the_rest() {
        let stream = [b"q ".repeat(3), b"BI ID BI ".repeat(FEW)].concat();
        assert_eq!(without_images(&stream).0.as_ref(), b"q q q ");
    }
}
