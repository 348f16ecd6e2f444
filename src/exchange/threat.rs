//! Entries of ThreatExchange and Hasher-Matcher-Actioner (HMA) exports.
//!
//! The exports differ in their field names, but each is an object with a hash, the kind of hash and
//! metadata. Sources: the Graph API's threat indicators
//! (<https://developers.facebook.com/docs/threat-exchange>) and `python-threatexchange`'s signals.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::code::Code256;
use crate::error::{Error, ErrorKind, Result};

/// One entry. Unknown fields are ignored.
///
/// ```
/// use leakprint::exchange::ThreatEntry;
///
/// let entry = r#"{"indicator": "d8f8f0cec0f4a84f0637022a278f67f0b36e2ed596621e1d33e6339c4e9c9b22",
///                 "type": "HASH_PDQ", "tags": ["case-7"], "privacy_type": "VISIBLE"}"#;
/// let entry: ThreatEntry = serde_json::from_str(entry).unwrap();
/// let (code, quality) = entry.code()?;
/// assert!(code.to_string().starts_with("d8f8f0ce") && quality == 100);
/// assert!(entry.tag_pairs().contains_key("case-7"));
/// # Ok::<(), leakprint::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ThreatEntry {
    /// The hash.
    #[serde(
        alias = "signal_value",
        alias = "signal",
        alias = "hash",
        alias = "value",
        alias = "pdq"
    )]
    pub indicator: Option<String>,
    /// The kind of hash: `HASH_PDQ`, `pdq`.
    #[serde(rename = "type", alias = "signal_type", alias = "indicator_type")]
    pub kind: Option<String>,
    /// PDQ's quality.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quality: Option<u8>,
    /// The gradient hash of the same picture, as 64 hex digits: a second print, which no other program
    /// writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gradient: Option<String>,
    /// Its id in the export.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Id>,
    /// The bank or list that it is in.
    #[serde(
        alias = "bank",
        alias = "bank_name",
        skip_serializing_if = "Option::is_none"
    )]
    pub label: Option<String>,
    /// A note for people.
    #[serde(alias = "note", skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Tags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Tags>,
    /// Set if the entry revokes an earlier one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub should_delete: Option<bool>,
}

/// A number or a string.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Id {
    /// A number.
    Number(u64),
    /// A string.
    Text(String),
}

/// Tags: a list, or pairs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Tags {
    /// Words.
    List(Vec<String>),
    /// Keys with values.
    Pairs(BTreeMap<String, String>),
}

impl ThreatEntry {
    /// An entry for a hash.
    pub fn new(code: &Code256, quality: u8) -> Self {
        Self {
            indicator: Some(code.to_string()),
            kind: Some("HASH_PDQ".to_owned()),
            quality: Some(quality),
            ..Self::default()
        }
    }

    /// The hash and its quality, 100 if it has none.
    ///
    /// # Errors
    /// [`Unsupported`](ErrorKind::Unsupported) for another kind of hash or an entry that revokes
    /// one, [`Malformed`](ErrorKind::Malformed) for a hash that is not 64 hex digits.
    pub fn code(&self) -> Result<(Code256, u8)> {
        if let Some(kind) = &self.kind
            && !kind.to_ascii_lowercase().contains("pdq")
        {
            let message = format!("a hash of kind {kind:?}, not PDQ");
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        if self.should_delete == Some(true) {
            let message = "the entry revokes a hash: remove the item by name";
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let hash = self.indicator.as_deref();
        let hash = hash.ok_or_else(|| Error::malformed("no hash in the entry"))?;
        let code = hash.trim().parse();
        let code = code.map_err(|_| Error::malformed("the hash is not 64 hex digits"))?;
        match self.quality.unwrap_or(100) {
            quality @ 0..=100 => Ok((code, quality)),
            quality => Err(Error::malformed(format!("a quality of {quality}"))),
        }
    }

    /// The second print, if the entry has one.
    ///
    /// # Errors
    /// [`Malformed`](ErrorKind::Malformed) for a hash that is not 64 hex digits.
    pub fn gradient_code(&self) -> Result<Option<Code256>> {
        let code = self.gradient.as_deref().map(|hash| hash.trim().parse());
        let code = code.transpose();
        code.map_err(|_| Error::malformed("the gradient hash is not 64 hex digits"))
    }

    /// The tags as pairs; the tags of a list have empty values.
    pub fn tag_pairs(&self) -> BTreeMap<String, String> {
        match &self.tags {
            None => BTreeMap::new(),
            Some(Tags::Pairs(pairs)) => pairs.clone(),
            Some(Tags::List(list)) => list
                .iter()
                .map(|tag| (tag.clone(), String::new()))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_of_exports_are_read() {
        let hash = "d8f8f0cec0f4a84f0637022a278f67f0b36e2ed596621e1d33e6339c4e9c9b22";
        let read = |json: String| serde_json::from_str::<ThreatEntry>(&json).unwrap();
        let graph = read(format!(
            r#"{{"id": "17", "indicator": "{hash}", "type": "HASH_PDQ", "tags": ["a", "b"], "more": {{}}}}"#
        ));
        let hma = read(format!(
            r#"{{"id": 17, "signal_value": "{hash}", "signal_type": "pdq", "bank_name": "x", "quality": 80}}"#
        ));
        assert_eq!(graph.code().unwrap().0, hma.code().unwrap().0);
        assert_eq!((graph.code().unwrap().1, hma.code().unwrap().1), (100, 80));
        assert_eq!(graph.tag_pairs().len(), 2);
        assert_eq!(hma.label.as_deref(), Some("x"));
        let other = read(format!(r#"{{"indicator": "{hash}", "type": "HASH_MD5"}}"#));
        assert_eq!(other.code().unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(graph.gradient_code().unwrap(), None);
        let second = read(format!(r#"{{"pdq": "{hash}", "gradient": "{hash}"}}"#));
        assert_eq!(second.gradient_code().unwrap(), Some(hash.parse().unwrap()));
        let broken = read(format!(r#"{{"pdq": "{hash}", "gradient": "a"}}"#));
        assert_eq!(
            broken.gradient_code().unwrap_err().kind(),
            ErrorKind::Malformed
        );
        let written = ThreatEntry::new(&hash.parse().unwrap(), 9);
        let back: ThreatEntry = read(serde_json::to_string(&written).unwrap());
        assert_eq!(back, written);
    }
}
