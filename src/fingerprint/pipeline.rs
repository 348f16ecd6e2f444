//! The two official ways to make a PDQ hash, which hash lists must not mix.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::code::Code256;
use crate::error::{Error, ErrorKind, Result};

/// One of PDQ's two official pipelines. Their codes differ by up to thirty bits on
/// the same picture and never compared with one another.
///
/// ```
/// use leakprint::Code256;
/// use leakprint::fingerprint::Pipeline;
///
/// let name = Pipeline::Nn512.item_name(&Code256::default());
/// assert!(name.starts_with("pdq-nn512:0000"));
/// assert_eq!(Pipeline::parse_item_name(&name), Some((Pipeline::Nn512, Code256::default())));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pipeline {
    /// The picture at full resolution: HMA, `pdqhash`.
    Full,
    /// The picture brought to 512 x 512 by its nearest pixels first: the command-line
    /// program and the WebAssembly build.
    Nn512,
}

impl Pipeline {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Full, Self::Nn512];

    /// The pipeline as one lower-case word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Nn512 => "nn512",
        }
    }

    /// The prefix of item names of this pipeline.
    fn prefix(self) -> &'static str {
        match self {
            Self::Full => "pdq:",
            Self::Nn512 => "pdq-nn512:",
        }
    }

    /// The name of the item that a code of a hash list is: `pdq:` or `pdq-nn512:` and 64 hex digits.
    pub fn item_name(self, code: &Code256) -> String {
        format!("{}{code}", self.prefix())
    }

    /// The pipeline and code in an item name made by [`item_name`](Self::item_name).
    pub fn parse_item_name(name: &str) -> Option<(Self, Code256)> {
        Self::ALL.into_iter().find_map(|pipeline| {
            let code: Code256 = name.strip_prefix(pipeline.prefix())?.parse().ok()?;
            (pipeline.item_name(&code) == name).then_some((pipeline, code))
        })
    }
}

impl fmt::Display for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Pipeline {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|p| p.as_str() == word);
        found.ok_or_else(|| {
            let message = format!("a pipeline is full or nn512, not {word:?}");
            Error::new(ErrorKind::InvalidInput, message)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_for_codes() {
        let code = Code256([1, 2, 3, u64::MAX]);
        for pipeline in Pipeline::ALL {
            let name = pipeline.item_name(&code);
            assert_eq!(Pipeline::parse_item_name(&name), Some((pipeline, code)));
            assert_eq!(Pipeline::parse_item_name(&name.to_uppercase()), None);
            assert_eq!(pipeline.as_str().parse::<Pipeline>().unwrap(), pipeline);
        }
        assert_eq!(Pipeline::parse_item_name("pdq:memo"), None);
        assert!("both".parse::<Pipeline>().is_err());
    }
}
