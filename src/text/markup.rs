//! Remains of HTML in plain text: character references and bare tags.
//!
//! A text that was escaped once too often, or pasted as source, carries letters that are not part
//! of it: `&nbsp;`, `&amp;quot;`, `&#101;`, `&lt;p&gt;`. They would break every run of symbols, so
//! folding replaces them by the characters they represent. All look-ahead is bounded, and only
//! known names are ever skipped: a tag with attributes is left alone, because words could hide in
//! it.

/// The markup at a `&` or a `<`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Markup {
    /// The character it represents; a space for a tag.
    pub(super) character: char,
    /// Its bytes, all ASCII; at least 1.
    pub(super) length: usize,
}

/// The most levels of escaping of a `&` that are undone: `&amp;amp;quot;` has two.
const DEPTH: usize = 4;

/// The longest name of a reference, and the most digits of a number.
const NAME: usize = 8;
const DIGITS: usize = 7;

/// References to characters that are no letter or digit. `amp`, `lt` and `gt` are not
/// here: they can begin markup.
const SILENT: &[&[u8]] = &[
    b"Dagger", b"apos", b"bdquo", b"bull", b"cent", b"copy", b"dagger", b"deg", b"emsp", b"ensp",
    b"hellip", b"iexcl", b"iquest", b"laquo", b"ldquo", b"lrm", b"lsaquo", b"lsquo", b"mdash",
    b"middot", b"nbsp", b"ndash", b"para", b"permil", b"plusmn", b"pound", b"quot", b"raquo",
    b"rdquo", b"reg", b"rlm", b"rsaquo", b"rsquo", b"sbquo", b"sect", b"shy", b"thinsp", b"yen",
    b"zwj", b"zwnj",
];

/// References to letters or digits.
const LETTERS: &[(&[u8], char)] = &[
    (b"AElig", 'Æ'),
    (b"ETH", 'Ð'),
    (b"OElig", 'Œ'),
    (b"THORN", 'Þ'),
    (b"aelig", 'æ'),
    (b"eth", 'ð'),
    (b"euro", '€'),
    (b"frac12", '½'),
    (b"frac14", '¼'),
    (b"frac34", '¾'),
    (b"micro", 'µ'),
    (b"oelig", 'œ'),
    (b"ordf", 'ª'),
    (b"ordm", 'º'),
    (b"sup1", '¹'),
    (b"sup2", '²'),
    (b"sup3", '³'),
    (b"szlig", 'ß'),
    (b"thorn", 'þ'),
    (b"times", '×'),
    (b"trade", '™'),
];

/// The marks of `&eacute;` and its like: folding drops them anyway.
const MARKS: &[&[u8]] = &[
    b"acute", b"caron", b"cedil", b"circ", b"grave", b"ring", b"slash", b"tilde", b"uml",
];

/// The length of the longest of [`TAGS`].
const LONGEST_TAG: usize = 10;

/// Tags without attributes that documents and posts are made of.
const TAGS: &[&[u8]] = &[
    b"a",
    b"b",
    b"blockquote",
    b"body",
    b"br",
    b"center",
    b"code",
    b"div",
    b"em",
    b"font",
    b"h1",
    b"h2",
    b"h3",
    b"h4",
    b"h5",
    b"h6",
    b"head",
    b"hr",
    b"html",
    b"i",
    b"li",
    b"ol",
    b"p",
    b"pre",
    b"s",
    b"small",
    b"span",
    b"strong",
    b"sub",
    b"sup",
    b"table",
    b"tbody",
    b"td",
    b"th",
    b"thead",
    b"tr",
    b"tt",
    b"u",
    b"ul",
];

/// Reads the markup at the start of `bytes`, which is a `&` or a `<`.
pub(super) fn read(bytes: &[u8]) -> Markup {
    let (character, length) = match bytes.first() {
        Some(b'&') => reference(bytes),
        _ => ('<', 1),
    };
    let tag = bytes
        .get(length..)
        .filter(|_| character == '<')
        .and_then(tag);
    match tag {
        Some(rest) => Markup {
            character: ' ',
            length: length + rest,
        },
        None => Markup { character, length },
    }
}

/// The character of the reference at the start of `bytes`, a `&`, and its length.
fn reference(bytes: &[u8]) -> (char, usize) {
    let mut length = 1;
    for _ in 0..=DEPTH {
        let Some((character, name)) = bytes.get(length..).and_then(name) else {
            break;
        };
        length += name;
        if character != '&' {
            return (character, length);
        }
    }
    ('&', length)
}

/// The character of a reference after its `&`, and its length with the `;`.
fn name(bytes: &[u8]) -> Option<(char, usize)> {
    if let Some(digits) = bytes.strip_prefix(b"#") {
        let (radix, prefix) = match digits.first()? {
            b'x' | b'X' => (16, 1),
            _ => (10, 0),
        };
        let digits = until_semicolon(digits.get(prefix..)?, DIGITS)?;
        let value = digits.iter().try_fold(0, |value, &digit| {
            Some(value * radix + char::from(digit).to_digit(radix)?)
        })?;
        return Some((char::from_u32(value)?, 1 + prefix + digits.len() + 1));
    }
    let name = until_semicolon(bytes, NAME)?;
    let character = match name {
        b"amp" => '&',
        b"lt" => '<',
        b"gt" => '>',
        _ if SILENT.binary_search(&name).is_ok() => ' ',
        _ => match LETTERS.binary_search_by_key(&name, |&(name, _)| name) {
            Ok(i) => LETTERS[i].1,
            Err(_) => match name.split_first()? {
                (&letter, mark) if letter.is_ascii_alphabetic() => {
                    MARKS.binary_search(&mark).ok()?;
                    char::from(letter)
                }
                _ => return None,
            },
        },
    };
    Some((character, name.len() + 1))
}

/// The bytes before a `;` that comes after 1 to `most` of them.
fn until_semicolon(bytes: &[u8], most: usize) -> Option<&[u8]> {
    let end = bytes.iter().take(most + 1).position(|&b| b == b';')?;
    bytes.get(..end).filter(|found| !found.is_empty())
}

/// The length of a tag from after its `<` to its `>`, either of which may be escaped.
fn tag(bytes: &[u8]) -> Option<usize> {
    let slash = usize::from(bytes.first() == Some(&b'/'));
    let rest = bytes.get(slash..)?;
    let length = rest
        .iter()
        .take(LONGEST_TAG + 1)
        .position(|b| !b.is_ascii_alphanumeric())?;
    let (name, rest) = rest.split_at_checked(length)?;
    TAGS.iter().find(|tag| tag.eq_ignore_ascii_case(name))?;
    let closing = rest
        .iter()
        .take(3)
        .position(|b| !matches!(b, b' ' | b'/'))?;
    let end = match rest.get(closing)? {
        b'>' => 1,
        b'&' => match reference(rest.get(closing..)?) {
            ('>', length) => length,
            _ => return None,
        },
        _ => return None,
    };
    Some(slash + length + closing + end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_within_the_look_ahead() {
        assert!(SILENT.is_sorted() && MARKS.is_sorted());
        assert!(LETTERS.is_sorted_by_key(|(name, _)| name));
        assert!(
            SILENT
                .iter()
                .chain(LETTERS.iter().map(|(name, _)| name))
                .all(|n| n.len() <= NAME)
        );
        assert_eq!(TAGS.iter().map(|t| t.len()).max(), Some(LONGEST_TAG));
    }

    #[test]
    fn references_are_read() {
        let cases = [
            ("&amp; co", '&', 5),
            ("&quot;x", ' ', 6),
            ("&amp;quot;x", ' ', 10),
            ("&amp;amp;amp;eacute;x", 'e', 20),
            ("&#233;", 'é', 6),
            ("&#xE9;", 'é', 6),
            ("&amp;#x1F600;", '😀', 13),
            ("&szlig;", 'ß', 7),
            ("&gt;", '>', 4),
            ("&lt;3", '<', 4),
        ];
        for (text, character, length) in cases {
            assert_eq!(
                read(text.as_bytes()),
                Markup { character, length },
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_reference_is_one_character() {
        for text in [
            "&",
            "& more;",
            "&;",
            "&#;",
            "&#x;",
            "&#xd800;",
            "&#99999999;",
            "&#-1;",
            "&unknown;",
            "&quot",
            "&quotequote;",
            "&1uml;",
            "&Duml ;",
        ] {
            assert_eq!(read(text.as_bytes()).length, 1, "{text}");
        }
        // The rest of an escaped one stays.
        assert_eq!(read(b"&amp;unknown;").length, 5);
    }

    #[test]
    fn bare_tags_are_skipped_whole() {
        for tag in [
            "<p>",
            "</p>",
            "<BR/>",
            "<br />",
            "<blockquote>",
            "&lt;p&gt;",
            "&amp;lt;/td&amp;gt;",
            "<h1&gt;",
        ] {
            let text = format!("{tag}x");
            let expected = Markup {
                character: ' ',
                length: tag.len(),
            };
            assert_eq!(read(text.as_bytes()), expected, "{tag}");
        }
    }

    #[test]
    fn nothing_but_a_bare_tag_is_skipped() {
        for text in [
            "<",
            "<p",
            "<p ",
            "< p>",
            "<p the merger closes>",
            "<b@example.org>",
            "<merger>",
            "<p&lt;",
            "<p    >",
            "<>",
            "</>",
            "<blockquotes>",
        ] {
            let expected = Markup {
                character: '<',
                length: 1,
            };
            assert_eq!(read(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn escaping_has_a_bottom() {
        let text = format!("&{}", "amp;".repeat(100_000));
        assert_eq!(read(text.as_bytes()).length, 1 + 4 * (DEPTH + 1));
    }
}
