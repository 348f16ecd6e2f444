//! Items for import into another collection.

use serde::{Deserialize, Serialize};

use crate::code::Code256;
use crate::collection::{Content, Discount, ItemInfo, Metadata, NewItem};
use crate::error::{Error, Result};
use crate::fingerprint::{Fingerprint, Pipeline};

/// An item with its metadata and content, as one line of JSON or in any serde format. It can be
/// imported where the key is the same; under another key, grams and sketches are meaningless.
///
/// ```
/// # use leakprint::collection::{CollectionWriter, NewItem, WriterOptions};
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("leak.collection");
/// # let writer = CollectionWriter::open(&path, WriterOptions::default())?;
/// # let print = writer.collection().fingerprinter()?.fingerprint_text(leakprint::example::MEMO)?;
/// use leakprint::exchange::ItemLine;
///
/// writer.add(NewItem::new("memo.txt", print))?;
/// let snapshot = writer.collection().snapshot();
/// let (info, content) = snapshot.contents().next().unwrap()?;
/// let line = serde_json::to_string(&ItemLine::new(info, content)).unwrap();
///
/// let item = serde_json::from_str::<ItemLine>(&line).unwrap().into_item()?;
/// assert_eq!(item.name, "memo.txt");
/// assert_eq!(writer.add(item)?.0.as_str(), "unchanged");
/// # Ok::<(), leakprint::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ItemLine {
    /// The name.
    pub item: String,
    /// The owner's metadata.
    #[serde(flatten)]
    pub metadata: Metadata,
    /// Its prints, with their recipe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Box<Fingerprint>>,
    /// Or its hash, if it is an entry of a hash list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<CodeLine>,
    /// Set for an ignore or background file, which is not an item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discount: Option<Discount>,
}

/// The hash of a hash list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CodeLine {
    /// The pipeline that made it.
    pub pipeline: Pipeline,
    /// The hash.
    pub hash: Code256,
    /// PDQ's quality, 0..=100.
    pub quality: u8,
    /// The gradient hash of the same picture, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gradient: Option<Code256>,
}

impl ItemLine {
    /// An item of a collection.
    pub fn new(info: ItemInfo, content: Content) -> Self {
        let mut discount = None;
        let (fingerprint, code) = match content {
            Content::Prints(fingerprint) => (Some(fingerprint), None),
            Content::Discount(kind, fingerprint) => {
                discount = Some(kind);
                (Some(fingerprint), None)
            }
            Content::Code {
                pipeline,
                code: hash,
                quality,
                gradient,
            } => (
                None,
                Some(CodeLine {
                    pipeline,
                    hash,
                    quality,
                    gradient,
                }),
            ),
        };
        Self {
            item: info.item,
            metadata: info.metadata,
            fingerprint,
            code,
            discount,
        }
    }

    /// The item to add.
    ///
    /// # Errors
    /// [`Malformed`](crate::ErrorKind::Malformed) for a line with neither prints nor a hash, or
    /// with both.
    pub fn into_item(self) -> Result<NewItem> {
        let content = match (self.fingerprint, self.code, self.discount) {
            (Some(fingerprint), None, None) => Content::Prints(fingerprint),
            (Some(fingerprint), None, Some(kind)) => Content::Discount(kind, fingerprint),
            (None, Some(code), None) if code.quality <= 100 => Content::Code {
                pipeline: code.pipeline,
                code: code.hash,
                quality: code.quality,
                gradient: code.gradient,
            },
            _ => {
                let rule = "an item has either a fingerprint or a code of a quality from 0 to 100";
                return Err(Error::malformed(rule));
            }
        };
        Ok(NewItem {
            name: self.item,
            metadata: self.metadata,
            content,
        })
    }
}
