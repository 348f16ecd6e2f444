//! PDQ hash lists as CSV.
//!
//! A line is `hash,quality,label`, as the reference's `pdq-photo-hasher` prints it: 64 hex digits,
//! 0 to 100, any text. The last two may be missing. A first line with column names sets another
//! order, and may name a column `gradient` with the second print of each picture. Empty lines and lines that begin with `#` are ignored. Fields may be quoted
//! (RFC 4180), but no field spans several lines.

use std::borrow::Cow;
use std::io::{self, Write};

use crate::code::Code256;
use crate::error::{Error, Result};

/// Longer lines are refused.
const MAX_LINE_BYTES: usize = 16 << 10;

/// Columns that are read.
const MAX_COLUMNS: usize = 32;

/// The quality of a line without one: lists omit it if all are good.
const UNSAID: u8 = 100;

/// A line of a hash list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListLine<'a> {
    /// The hash.
    pub code: Code256,
    /// Its quality, 0..=100; 100 if the line has none.
    pub quality: u8,
    /// Its label.
    pub label: Option<Cow<'a, str>>,
    /// The gradient hash of the same picture, which confirms or refutes a match; only in a list whose
    /// first line names a column `gradient`.
    pub gradient: Option<Code256>,
}

/// The places of the columns.
#[derive(Clone, Copy, Debug)]
struct Columns {
    hash: usize,
    quality: Option<usize>,
    label: Option<usize>,
    gradient: Option<usize>,
}

/// The lines of a hash list: the number of each, from 1, and its content or error.
///
/// ```
/// use leakprint::exchange::PdqList;
///
/// let hash = "d8f8f0cec0f4a84f0637022a278f67f0b36e2ed596621e1d33e6339c4e9c9b22";
/// let list = format!("{hash},100,bridge.jpg\nnot a hash,1,x\n");
/// let mut lines = PdqList::new(list.as_bytes());
/// let (number, line) = lines.next().unwrap();
/// assert_eq!((number, line?.label.unwrap().as_ref()), (1, "bridge.jpg"));
/// let (number, line) = lines.next().unwrap();
/// assert!(number == 2 && line.is_err());
/// # Ok::<(), leakprint::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct PdqList<'a> {
    rest: &'a [u8],
    number: u64,
    columns: Columns,
    /// Whether a line with content was read: only the first may name columns.
    begun: bool,
}

impl<'a> PdqList<'a> {
    /// Reads a list that is in memory.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes),
            number: 0,
            columns: Columns {
                hash: 0,
                quality: Some(1),
                label: Some(2),
                gradient: None,
            },
            begun: false,
        }
    }

    fn parse(&self, line: &'a [u8]) -> Result<ListLine<'a>> {
        let text = text(line)?;
        let Columns {
            hash,
            quality,
            label,
            gradient,
        } = self.columns;
        // The common case: nothing is quoted, and the label may have commas.
        let plain = |text: &'a str| {
            let mut fields = text.splitn(3, ',');
            let mut next = || Some(Cow::Borrowed(fields.next()?.trim()));
            [next(), next(), next(), None]
        };
        let is_plain = hash == 0 && label == Some(2) && gradient.is_none();
        let [hash, quality, label, gradient] = if !text.contains('"') && is_plain {
            plain(text)
        } else {
            let fields = fields(text)?;
            let get = |place: usize| fields.get(place).cloned();
            let get_any = |place: Option<usize>| place.and_then(get);
            [
                get(hash),
                get_any(quality),
                get_any(label),
                get_any(gradient),
            ]
        };
        let code = hash
            .as_deref()
            .unwrap_or_default()
            .parse()
            .map_err(|_| Error::malformed("the hash is not 64 hex digits"))?;
        let quality = match quality.as_deref() {
            None | Some("") => UNSAID,
            Some(digits) => digits
                .parse()
                .ok()
                .filter(|&quality| quality <= 100)
                .ok_or_else(|| Error::malformed("the quality is not a number from 0 to 100"))?,
        };
        let gradient = gradient.filter(|hash| !hash.is_empty());
        let gradient = gradient.map(|hash| hash.parse()).transpose();
        Ok(ListLine {
            code,
            quality,
            label: label.filter(|label| !label.is_empty()),
            gradient: gradient
                .map_err(|_| Error::malformed("the gradient hash is not 64 hex digits"))?,
        })
    }

    /// The order of columns, if the line is a header.
    fn names(line: &[u8]) -> Option<Columns> {
        let fields = fields(text(line).ok()?).ok()?;
        let find = |names: &[&str]| {
            let is_one =
                |field: &Cow<'_, str>| names.contains(&field.to_ascii_lowercase().as_str());
            fields.iter().position(is_one)
        };
        Some(Columns {
            hash: find(&[
                "hash",
                "pdq",
                "pdq_hash",
                "pdqhash",
                "value",
                "signal",
                "indicator",
            ])?,
            quality: find(&["quality", "pdq_quality"]),
            label: find(&["label", "name", "filename", "file", "id", "tag", "tags"]),
            gradient: find(&["gradient"]),
        })
    }
}

impl<'a> Iterator for PdqList<'a> {
    type Item = (u64, Result<ListLine<'a>>);

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let end = self.rest.iter().position(|&byte| byte == b'\n');
            let (line, rest) = match end {
                Some(end) => (self.rest.get(..end)?, self.rest.get(end + 1..)?),
                None => (self.rest, &[][..]),
            };
            self.rest = rest;
            self.number += 1;
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let first = !std::mem::replace(&mut self.begun, true);
            if first && let Some(columns) = Self::names(line) {
                self.columns = columns;
                continue;
            }
            return Some((self.number, self.parse(line)));
        }
        None
    }
}

fn text(line: &[u8]) -> Result<&str> {
    if line.len() > MAX_LINE_BYTES {
        return Err(Error::limit(
            "bytes of a line of a hash list",
            MAX_LINE_BYTES,
            line.len(),
        ));
    }
    std::str::from_utf8(line).map_err(|_| Error::malformed("the line is not UTF-8"))
}

/// The fields of a line, without their quotes.
fn fields(line: &str) -> Result<Vec<Cow<'_, str>>> {
    let mut fields = Vec::new();
    let mut rest = Some(line);
    while let Some(text) = rest {
        let text = text.trim_start();
        if fields.len() == MAX_COLUMNS {
            break;
        }
        let Some(mut quoted) = text.strip_prefix('"') else {
            let (field, behind) = match text.split_once(',') {
                Some((field, behind)) => (field, Some(behind)),
                None => (text, None),
            };
            fields.push(Cow::Borrowed(field.trim_end()));
            rest = behind;
            continue;
        };
        let mut field = String::new();
        let behind = loop {
            let (piece, behind) = quoted
                .split_once('"')
                .ok_or_else(|| Error::malformed("a quote that does not end on its line"))?;
            field.push_str(piece);
            match behind.strip_prefix('"') {
                Some(more) => {
                    field.push('"');
                    quoted = more;
                }
                None => break behind.trim_start(),
            }
        };
        fields.push(Cow::Owned(field));
        rest = match behind.strip_prefix(',') {
            Some(behind) => Some(behind),
            None if behind.is_empty() => None,
            None => return Err(Error::malformed("text after a quoted field")),
        };
    }
    Ok(fields)
}

/// Writes one line of a hash list, which [`PdqList`] reads. Control characters of the label are
/// removed, so that it stays one line.
///
/// # Errors
/// Those of `out`.
///
/// ```
/// use leakprint::exchange::write_pdq_line;
///
/// let mut out = Vec::new();
/// write_pdq_line(&mut out, &Default::default(), 87, "bridge, old.jpg").unwrap();
/// assert_eq!(out, format!("{},87,\"bridge, old.jpg\"\n", "0".repeat(64)).into_bytes());
/// ```
pub fn write_pdq_line(
    out: &mut impl Write,
    code: &Code256,
    quality: u8,
    label: &str,
) -> io::Result<()> {
    writeln!(out, "{code},{quality},{}", on_one_line(label))
}

/// Writes one line of a hash list with a fourth field, the gradient hash of the same picture, empty if
/// there is none. The list has to begin with the line `hash,quality,label,gradient`.
///
/// # Errors
/// Those of `out`.
///
/// ```
/// use leakprint::exchange::{PdqList, write_pdq_line_with};
///
/// let mut list = b"hash,quality,label,gradient\n".to_vec();
/// let second = "d8f8f0cec0f4a84f0637022a278f67f0b36e2ed596621e1d33e6339c4e9c9b22".parse().unwrap();
/// write_pdq_line_with(&mut list, &Default::default(), 87, "bridge, old.jpg", Some(&second)).unwrap();
/// let (_, line) = PdqList::new(&list).next().unwrap();
/// assert_eq!(line?.gradient, Some(second));
/// # Ok::<(), leakprint::Error>(())
/// ```
pub fn write_pdq_line_with(
    out: &mut impl Write,
    code: &Code256,
    quality: u8,
    label: &str,
    gradient: Option<&Code256>,
) -> io::Result<()> {
    let gradient = gradient.map(Code256::to_string).unwrap_or_default();
    let label = on_one_line(label);
    writeln!(out, "{code},{quality},{label},{gradient}")
}

/// A label as a field of one line, quoted where that is needed.
fn on_one_line(label: &str) -> Cow<'_, str> {
    // Readable without a CSV parser.
    let label: Cow<'_, str> = match label.contains(char::is_control) {
        true => label
            .chars()
            .filter(|c| !c.is_control())
            .collect::<String>()
            .into(),
        false => label.into(),
    };
    if label.contains(['"', ',']) || label.trim() != label {
        format!("\"{}\"", label.replace('"', "\"\"")).into()
    } else {
        label
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HASH: &str = "d8f8f0cec0f4a84f0637022a278f67f0b36e2ed596621e1d33e6339c4e9c9b22";

    fn read(list: &str) -> Vec<(u64, Option<(u8, String)>)> {
        let lines = PdqList::new(list.as_bytes());
        let said = lines.map(|(number, line)| {
            let said = line.map(|line| {
                assert_eq!(line.code.to_string(), HASH);
                (line.quality, line.label.unwrap_or_default().into_owned())
            });
            (number, said.ok())
        });
        said.collect()
    }

    #[test]
    fn lines_have_their_numbers_whatever_is_between_them() {
        let list = format!(
            "\u{feff}\n# a list\r\n{HASH},87,bridge, old.jpg\r\n{HASH}\n\n{HASH},,\n{HASH},101,x\n\
             {HASH}0,1,x\n {HASH} , 7 , \"a \"\"b\"\", c\" \n{HASH},1,\"open\n{HASH},5"
        );
        let said = |quality, label: &str| Some((quality, label.to_owned()));
        let expected = [
            (3, said(87, "bridge, old.jpg")),
            (4, said(100, "")),
            (6, said(100, "")),
            (7, None),
            (8, None),
            (9, said(7, "a \"b\", c")),
            (10, None),
            (11, said(5, "")),
        ];
        assert_eq!(read(&list), expected);
    }

    #[test]
    fn a_line_of_names_sets_the_columns() {
        let list = format!("id,Quality,other,HASH\n7,50,x,{HASH}\nhash,1,2,3\n");
        assert_eq!(read(&list), [(2, Some((50, "7".to_owned()))), (3, None)]);
    }

    #[test]
    fn a_named_column_has_the_second_print() {
        let list = format!(
            "hash,quality,label,gradient\n{HASH},9,a,{HASH}\n{HASH},9,b,\n{HASH},9,c\n{HASH},9,d,7"
        );
        let second = |line: Result<ListLine<'_>>| line.map(|line| line.gradient).ok();
        let lines: Vec<_> = PdqList::new(list.as_bytes())
            .map(|(_, line)| second(line))
            .collect();
        let known = Some(HASH.parse().unwrap());
        assert_eq!(lines, [Some(known), Some(None), Some(None), None]);
    }

    proptest! {
        #[test]
        fn nothing_panics_and_what_is_written_is_read(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            label in "[^\\p{Cc}]{0,40}",
            quality in 0_u8..=100,
        ) {
            let _ = PdqList::new(&bytes).count();
            let code: Code256 = HASH.parse().unwrap();
            let mut out = Vec::new();
            write_pdq_line(&mut out, &code, quality, &label).unwrap();
            let (_, line) = PdqList::new(&out).next().unwrap();
            let line = line.unwrap();
            prop_assert_eq!((line.code, line.quality), (code, quality));
            prop_assert_eq!(line.label.as_deref().unwrap_or(""), &label);
        }
    }
}
