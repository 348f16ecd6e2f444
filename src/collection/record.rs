//! One item as bytes: in the log, and in the records of a segment.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::codec::{Decoder, Encoder};
use super::limits::check_text;
use super::{metadata, packed};
use crate::code::Code256;
use crate::error::{Error, ErrorKind, Result};
use crate::fingerprint::{Fingerprint, Pipeline, Recipe};
use crate::metadata::Metadata;
use crate::time::Timestamp;

/// The content of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Content {
    /// The fingerprint of a file or text.
    Prints(Box<Fingerprint>),
    /// A single perceptual hash, from a hash list.
    Code {
        /// The pipeline that made it.
        pipeline: Pipeline,
        /// The hash.
        code: Code256,
        /// PDQ's quality, 0..=100.
        quality: u8,
        /// The [gradient hash](crate::fingerprint::GradientPrints) of the same picture, upright, if the
        /// list has it: the second print, which confirms or refutes a match.
        gradient: Option<Code256>,
    },
    /// The fingerprint of an ignore or background file, which is not an item.
    Discount(Discount, Box<Fingerprint>),
}

/// The kind of an ignore or background file: media that are kept with a collection but are no items.
///
/// Content that they share with items counts little, in whichever segment an item is.
///
/// ```
/// # let (folder, writer, print) = leakprint::example::collection()?;
/// # let memo = leakprint::example::MEMO;
/// # use leakprint::collection::NewItem;
/// use leakprint::collection::Discount;
///
/// writer.add(NewItem::new("memo.txt", print.clone()))?;
/// writer.add(NewItem::discount(Discount::Ignore, "press-release.txt", print))?;
/// assert!(writer.collection().snapshot().find_text(memo)?.is_empty());
/// writer.remove_discounts(Discount::Ignore, &["press-release.txt"])?;
/// assert_eq!(writer.collection().snapshot().find_text(memo)?.len(), 1);
/// # Ok::<(), leakprint::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Discount {
    /// Everything in them is discounted: see [`IndexWriter::ignore`](crate::IndexWriter::ignore).
    Ignore,
    /// Content that two of them have in common is discounted: see
    /// [`IndexWriter::background`](crate::IndexWriter::background).
    Background,
    /// The opposite: their text is content however many items hold it. See
    /// [`IndexWriter::vouch`](crate::IndexWriter::vouch).
    Vouch,
}

/// The name of the limit on names.
const NAME: &str = "bytes of a name";

/// Kinds of records; codes have those in between.
const PRINTS: u8 = 0;
const IGNORE: u8 = 3;
const BACKGROUND: u8 = 4;
const VOUCH: u8 = 5;

impl Discount {
    pub(super) fn to_byte(self) -> u8 {
        match self {
            Self::Ignore => IGNORE,
            Self::Background => BACKGROUND,
            Self::Vouch => VOUCH,
        }
    }

    pub(super) fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            IGNORE => Some(Self::Ignore),
            BACKGROUND => Some(Self::Background),
            VOUCH => Some(Self::Vouch),
            _ => None,
        }
    }
}

/// Encodes an item.
pub(super) fn encode(name: &str, metadata: &Metadata, content: &Content) -> Result<Vec<u8>> {
    metadata::check(metadata)?;
    let mut out = Encoder::default();
    match content {
        Content::Prints(fingerprint) => {
            if Pipeline::parse_item_name(name).is_some() {
                let message =
                    format!("{name:?} is the name of a hash from a list: give another name");
                return Err(Error::new(ErrorKind::InvalidInput, message));
            }
            check_text(NAME, name)?;
            out.u8(PRINTS);
            metadata::put(metadata, &mut out);
            out.str(name);
            packed::pack(&mut out, fingerprint);
        }
        Content::Discount(kind, fingerprint) => {
            check_time(metadata.expires)?;
            check_text(NAME, name)?;
            out.u8(kind.to_byte());
            metadata::put(metadata, &mut out);
            out.str(name);
            packed::pack(&mut out, fingerprint);
        }
        Content::Code {
            pipeline,
            code,
            quality,
            gradient,
        } => {
            out.u8(1 + *pipeline as u8);
            metadata::put(metadata, &mut out);
            out.raw(&code.to_le_bytes());
            out.u8(*quality);
            if let Some(gradient) = gradient {
                out.raw(&gradient.to_le_bytes());
            }
        }
    }
    Ok(out.0)
}

/// Fails if an ignore or background file has a time to expire: matches would depend on whether a merge
/// has already left it out.
fn check_time(expires: Option<Timestamp>) -> Result<()> {
    match expires {
        None => Ok(()),
        Some(_) => {
            let message = "ignore and background files do not expire: remove them";
            Err(Error::new(ErrorKind::InvalidInput, message))
        }
    }
}

/// An item in bytes, its content not decoded yet.
#[derive(Clone, Debug)]
pub(super) struct Record<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) metadata: Metadata,
    pub(super) key: ItemKey<'a>,
    content: Decoder<'a>,
}

/// The identity of an item, cheap to compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum ItemKey<'a> {
    Named(&'a str),
    Code(Pipeline, Code256),
    Discount(Discount, &'a str),
}

impl<'a> ItemKey<'a> {
    pub(super) fn of_name(name: &'a str) -> Self {
        match Pipeline::parse_item_name(name) {
            Some((pipeline, code)) => Self::Code(pipeline, code),
            None => Self::Named(name),
        }
    }

    pub(super) fn name(&self) -> Cow<'a, str> {
        match self {
            Self::Named(name) | Self::Discount(_, name) => Cow::Borrowed(name),
            Self::Code(pipeline, code) => Cow::Owned(pipeline.item_name(code)),
        }
    }
}

fn name<'a>(read: &mut Decoder<'a>) -> Result<&'a str> {
    let name = read.str()?;
    check_text(NAME, name)?;
    Ok(name)
}

impl<'a> Record<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self> {
        let mut read = Decoder::new(bytes);
        let kind = read.u8()?;
        let metadata = metadata::take(&mut read)?;
        let key = match (kind, Discount::from_byte(kind)) {
            (_, Some(discount)) => ItemKey::Discount(discount, name(&mut read)?),
            (PRINTS, _) => ItemKey::Named(name(&mut read)?),
            (1, _) => ItemKey::Code(Pipeline::Full, Code256::from_le_bytes(&read.array()?)),
            (2, _) => ItemKey::Code(Pipeline::Nn512, Code256::from_le_bytes(&read.array()?)),
            _ => return Err(Error::corrupt("a record of an unknown kind")),
        };
        Ok(Self {
            bytes,
            metadata,
            key,
            content: read,
        })
    }

    pub(super) fn content(&self, recipe: &Recipe) -> Result<Content> {
        let mut read = self.content.clone();
        let content = match self.key {
            ItemKey::Named(_) => Content::Prints(Box::new(packed::unpack(&mut read, recipe)?)),
            ItemKey::Discount(kind, _) => {
                Content::Discount(kind, Box::new(packed::unpack(&mut read, recipe)?))
            }
            ItemKey::Code(pipeline, code) => Content::Code {
                pipeline,
                code,
                quality: read.u8()?,
                gradient: match read.is_empty() {
                    true => None,
                    false => Some(Code256::from_le_bytes(&read.array()?)),
                },
            },
        };
        read.end()?;
        Ok(content)
    }

    /// Returns whether another record is equal except for the time when it was added.
    pub(super) fn says_the_same(&self, other: &Self) -> bool {
        let timeless = |metadata: &Metadata| Metadata {
            added: Timestamp::default(),
            ..metadata.clone()
        };
        self.key == other.key
            && self.content.rest() == other.content.rest()
            && timeless(&self.metadata) == timeless(&other.metadata)
    }
}
