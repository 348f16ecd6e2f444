//! What is left of HTML in plain text: character references and bare tags.
//!
//! A text that was escaped once too often, or pasted as source, carries letters
//! that nobody wrote: `&nbsp;`, `&amp;quot;`, `&#101;`, `&lt;p&gt;`. They would
//! break every run of symbols, so folding reads them as what they stand for.
//! All look-ahead is bounded, and nothing but known names is ever skipped: a tag
//! with attributes is left alone, because words could hide in it.

/// What a `&` or `<` begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    /// The character it stands for; `None` for a tag, and where there is none.
    pub(super) character: Option<char>,
    /// A second character, for ligatures such as `&aelig;`, which have two letters.
    /// The bytes it takes.
    pub(super) length: usize,
}

/// How often a `&` may have been escaped: `&amp;amp;quot;` is two too many.
const DEPTH: usize = 4;

/// The longest name of a reference, and the most digits of a number.
const NAME: usize = 8;
const DIGITS: usize = 7;

/// References that stand for no letter or digit: read as a space.
const SILENT: &[&[u8]] = &[
    b"amp", b"apos", b"bdquo", b"bull", b"cent", b"copy", b"dagger", b"Dagger", b"deg", b"emsp",
    b"ensp", b"gt", b"hellip", b"iexcl", b"iquest", b"laquo", b"ldquo", b"lrm", b"lsaquo",
    b"lsquo", b"lt", b"mdash", b"middot", b"nbsp", b"ndash", b"para", b"permil", b"plusmn",
    b"pound", b"quot", b"raquo", b"rdquo", b"reg", b"rlm", b"rsaquo", b"rsquo", b"sbquo",
    b"sect", b"shy", b"thinsp", b"yen", b"zwj", b"zwnj",
];

/// References that stand for letters or digits.
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

/// Tags without attributes that documents and posts are made of.
const TAGS: &[&[u8]] = &[
    b"a", b"b", b"blockquote", b"body", b"br", b"center", b"code", b"div", b"em", b"font",
    b"h1", b"h2", b"h3", b"h4", b"h5", b"h6", b"head", b"hr", b"html", b"i", b"li", b"ol", b"p",
    b"pre", b"s", b"small", b"span", b"strong", b"sub", b"sup", b"table", b"tbody", b"td",
    b"th", b"thead", b"tr", b"tt", b"u", b"ul",
];
