//! A valid file as a list of units, and the possible edits: one number made absurd, one element
//! repeated, one container nested. The assembler of a format then corrects offsets, lengths and
//! checksums, so that the rest of the file stays valid.

use std::fmt;
use std::ops::Range;

use crate::syntax::{self, Found};

/// How the numbers, elements and containers of a unit are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Syntax {
    /// Objects, content streams and character maps of PDF.
    Pdf,
    /// XML and HTML.
    Markup,
    Rtf,
    /// Headers of mails, rows of tables: every line is an element.
    Lines,
    /// Binary numbers at known places.
    Fields(Vec<Field>),
}

/// A binary number: where it begins, its bytes, how they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) at: usize,
    pub(crate) len: usize,
    pub(crate) form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Little,
    Big,
    /// Octal digits, as tar has them.
    Octal,
}

/// A piece of a file: an object, an entry, a chunk, a segment.
#[derive(Clone, Debug)]
pub(crate) struct Unit {
    /// The name by which the assembler identifies it.
    pub(crate) role: String,
    pub(crate) syntax: Syntax,
    pub(crate) bytes: Vec<u8>,
}

impl Unit {
    pub(crate) fn new(role: impl Into<String>, syntax: Syntax, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            role: role.into(),
            syntax,
            bytes: bytes.into(),
        }
    }

    /// Binary numbers of one byte order, one after the other: their lengths in bytes and values.
    pub(crate) fn numbers(
        role: &str,
        form: Form,
        start: &[u8],
        numbers: &[(usize, u64)],
        end: &[u8],
    ) -> Self {
        let mut bytes = start.to_vec();
        let mut fields = Vec::new();
        for &(len, value) in numbers {
            let field = Field {
                at: bytes.len(),
                len,
                form,
            };
            bytes.resize(bytes.len() + len, 0);
            write_field(&mut bytes, field, i128::from(value));
            fields.push(field);
        }
        bytes.extend(end);
        Self::new(role, Syntax::Fields(fields), bytes)
    }
}

/// A valid file.
pub(crate) struct Doc {
    /// The format for the report, and the file name that it is read under.
    pub(crate) format: &'static str,
    pub(crate) name: &'static str,
    pub(crate) units: Vec<Unit>,
    pub(crate) assemble: fn(&[Unit]) -> Vec<u8>,
    /// Puts a whole file into another one of its kind.
    pub(crate) wrap: Option<Wrap>,
}

/// Puts a whole file into another one of its kind.
type Wrap = fn(&[u8]) -> Vec<u8>;

/// The values that numbers are set to.
const ABSURD: [i128; 8] = [
    0,
    1,
    -1,
    1 << 15,
    1 << 16,
    (1 << 31) - 1,
    (1 << 32) - 1,
    1_000_000_000,
];

/// How often elements are repeated, and how deep containers are nested.
const TIMES: [usize; 2] = [10, 100_000];
const DEPTHS: [usize; 3] = [9, 300, 100_000];
const WRAPS: [usize; 3] = [8, 9, 40];

/// Maximum size of a repetition, in bytes.
pub(crate) const MAX_REPEATED_BYTES: usize = 24 << 20;

/// One change of a file.
#[derive(Clone, Debug)]
pub(crate) enum Edit {
    Number(usize, Range<usize>, Option<Field>, i128),
    Repeat(usize, Range<usize>, usize),
    RepeatUnit(usize, usize),
    /// The container and, within it, what is between its ends.
    Nest(usize, Range<usize>, Range<usize>, usize),
    Wrap(usize),
}

impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(unit, span, _, value) => {
                write!(f, "unit {unit} byte {}: number {value}", span.start)
            }
            Self::Repeat(unit, span, times) => {
                write!(f, "unit {unit} byte {}: {times} times", span.start)
            }
            Self::RepeatUnit(unit, times) => write!(f, "unit {unit}: {times} times"),
            Self::Nest(unit, span, _, times) => {
                write!(f, "unit {unit} byte {}: {times} deep", span.start)
            }
            Self::Wrap(times) => write!(f, "in itself {times} times"),
        }
    }
}

impl Doc {
    /// Every edit of the file.
    pub(crate) fn edits(&self) -> Vec<Edit> {
        let mut edits = Vec::new();
        for (number, unit) in self.units.iter().enumerate() {
            let found = find(unit);
            for (span, field) in &found.numbers {
                edits.extend(ABSURD.map(|value| Edit::Number(number, span.clone(), *field, value)));
            }
            for span in &found.elements {
                edits.extend(TIMES.map(|times| Edit::Repeat(number, span.clone(), times)));
            }
            for (span, inner) in &found.containers {
                let nest = |times| Edit::Nest(number, span.clone(), inner.clone(), times);
                edits.extend(DEPTHS.map(nest));
            }
            edits.extend(TIMES.map(|times| Edit::RepeatUnit(number, times)));
        }
        if self.wrap.is_some() {
            edits.extend(WRAPS.map(Edit::Wrap));
        }
        edits
    }

    /// The file as it is.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        (self.assemble)(&self.units)
    }

    /// The file after some edits; the later ones of a unit that has changed are left out.
    pub(crate) fn edited(&self, edits: &[Edit]) -> Vec<u8> {
        let mut units = self.units.clone();
        let mut changed = Vec::new();
        let mut wraps = 0;
        let mut copies = Vec::new();
        for edit in edits {
            match edit {
                Edit::Wrap(times) => wraps += times,
                Edit::RepeatUnit(unit, times) => copies.push((*unit, *times)),
                Edit::Number(unit, ..) | Edit::Repeat(unit, ..) | Edit::Nest(unit, ..) => {
                    if !changed.contains(unit) {
                        changed.push(*unit);
                        change(&mut units[*unit], edit);
                    }
                }
            }
        }
        copies.sort_unstable();
        for (unit, times) in copies.into_iter().rev() {
            let times = times
                .min(MAX_REPEATED_BYTES / (units[unit].bytes.len() + 64))
                .max(1);
            let copy = units[unit].clone();
            units.splice(unit..=unit, std::iter::repeat_n(copy, times));
        }
        let mut bytes = (self.assemble)(&units);
        if let Some(wrap) = self.wrap {
            for _ in 0..wraps {
                bytes = wrap(&bytes);
            }
        }
        bytes
    }
}

fn find(unit: &Unit) -> Found {
    match &unit.syntax {
        Syntax::Pdf => syntax::pdf(&unit.bytes),
        Syntax::Markup => syntax::markup(&unit.bytes),
        Syntax::Rtf => syntax::rtf(&unit.bytes),
        Syntax::Lines => syntax::lines(&unit.bytes),
        Syntax::Fields(fields) => Found {
            numbers: fields
                .iter()
                .map(|&field| (field.at..field.at + field.len, Some(field)))
                .collect(),
            ..Found::default()
        },
    }
}

fn change(unit: &mut Unit, edit: &Edit) {
    let bytes = &mut unit.bytes;
    match edit {
        Edit::Number(_, _, Some(field), value) => write_field(bytes, *field, *value),
        Edit::Number(_, span, None, value) => {
            // Digits between angle brackets are hexadecimal.
            let is_hex =
                span.start > 0 && bytes[span.start - 1] == b'<' && unit.syntax == Syntax::Pdf;
            let digits = if is_hex {
                let width = span.len().max(4);
                format!("{:0width$X}", value & 0xFFFF_FFFF)
            } else {
                value.to_string()
            };
            bytes.splice(span.clone(), digits.into_bytes());
        }
        Edit::Repeat(_, span, times) => {
            let times = (*times).min(MAX_REPEATED_BYTES / (span.len() + 1)).max(1);
            let mut element = bytes[span.clone()].to_vec();
            if matches!(unit.syntax, Syntax::Pdf) {
                element.push(b' ');
            }
            bytes.splice(span.clone(), element.repeat(times));
        }
        Edit::Nest(_, span, inner, times) => {
            let times = (*times)
                .min(MAX_REPEATED_BYTES / (span.len() - inner.len() + 1))
                .max(1);
            let open = bytes[span.start..inner.start].repeat(times);
            let close = bytes[inner.end..span.end].repeat(times);
            bytes.splice(span.end..span.end, close);
            bytes.splice(span.start..span.start, open);
        }
        Edit::RepeatUnit(..) | Edit::Wrap(_) => {}
    }
}

fn write_field(bytes: &mut [u8], field: Field, value: i128) {
    let place = &mut bytes[field.at..field.at + field.len];
    match field.form {
        Form::Little => place.copy_from_slice(&value.to_le_bytes()[..field.len]),
        Form::Big => place.copy_from_slice(&value.to_be_bytes()[16 - field.len..]),
        Form::Octal if value < 0 => place.fill(0xFF),
        Form::Octal => {
            let digits = format!("{value:0width$o}", width = field.len - 1);
            let digits = &digits.as_bytes()[digits.len() - (field.len - 1)..];
            place[..field.len - 1].copy_from_slice(digits);
        }
    }
}

/// The units as they are, one after the other.
pub(crate) fn joined(units: &[Unit]) -> Vec<u8> {
    units
        .iter()
        .flat_map(|unit| unit.bytes.iter().copied())
        .collect()
}
