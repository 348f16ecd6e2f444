//! Codes as a structure of arrays.

use std::ops::Range;

use crate::code::Code256;

/// Codes as four planes: word `w` of code `i` is `planes[w][i]`, so that a vector load reads the same
/// word of several codes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Planes<'a> {
    /// All of the same length, as checked by [`Planes::new`].
    words: [&'a [u64]; 4],
}

impl<'a> Planes<'a> {
    /// Makes codes of planes; returns `None` unless all have the same length.
    pub(crate) fn new(words: [&'a [u64]; 4]) -> Option<Self> {
        let [a, b, c, d] = words.map(<[u64]>::len);
        (a == b && a == c && a == d).then_some(Self { words })
    }

    /// Returns the number of codes.
    pub(crate) fn len(&self) -> usize {
        self.words[0].len()
    }

    /// Returns the four planes.
    pub(crate) fn words(&self) -> [&'a [u64]; 4] {
        self.words
    }

    /// Returns the codes of `range` that exist.
    pub(crate) fn slice(&self, range: Range<usize>) -> Self {
        let end = range.end.min(self.len());
        let start = range.start.min(end);
        Self {
            words: self.words.map(|plane| &plane[start..end]),
        }
    }

    /// Returns a code.
    pub(crate) fn get(&self, i: usize) -> Option<Code256> {
        let mut code = Code256::default();
        for (word, plane) in code.0.iter_mut().zip(self.words) {
            *word = *plane.get(i)?;
        }
        Some(code)
    }
}
