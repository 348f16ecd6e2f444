//! From bytes to parts: detecting the format, decoding and unpacking under
//! one [`Budget`](crate::limits::Budget).
//!
//! [`read`] walks one input and hands each [`Part`] to a sink as soon as it is
//! decoded, so that the pictures of a mail are never in memory all at once.
//! A part that cannot be read is reported to the sink as a warning, and reading goes on.

// A build without some formats leaves helpers unused; the default build checks them.
#![cfg_attr(
    not(all(
        feature = "archive",
        feature = "html",
        feature = "mail",
        feature = "office",
        feature = "pdf",
        feature = "rtf"
    )),
    allow(dead_code)
)]

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::raster::Raster;

mod animation;
#[cfg(feature = "archive")]
mod archive;
mod flow;
mod formats;
mod guard;
#[cfg(feature = "html")]
mod html;
mod inflate;
#[cfg(feature = "mail")]
mod mail;
#[cfg(feature = "mail")]
mod mime;
#[cfg(feature = "office")]
mod office;
#[cfg(feature = "html")]
mod page;
#[cfg(feature = "pdf")]
mod pdf;
mod raster;
mod read;
mod recognise;
#[cfg(feature = "rtf")]
mod rtf;
mod sniff;
mod table;
#[cfg(feature = "archive")]
mod tar;
#[cfg(feature = "tesseract")]
mod tesseract;
mod text;
mod transfer;
mod walk;
#[cfg(feature = "archive")]
mod zip;

pub use read::read;
pub(crate) use recognise::Recognised;
pub use recognise::{GreyPicture, TextFromImage, Word};
pub use sniff::Format;
pub use table::{Cell, Table};
#[cfg(feature = "tesseract")]
pub use tesseract::Tesseract;

/// The place of a part in its media: empty for the media itself, else steps
/// such as `attachment:2/body`, as in `mail.eml#attachment:2/body`. Numbers count from 1
/// among siblings of one kind.
///
/// ```
/// use leakprint::PartPath;
///
/// let path = PartPath::root().child("attachment:2").child("body");
/// assert_eq!(path.as_str(), "attachment:2/body");
/// assert_eq!(PartPath::from("attachment:2/body"), path);
/// assert_eq!(PartPath::root().as_str(), "");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PartPath(String);

impl PartPath {
    /// The media itself.
    pub fn root() -> Self {
        Self::default()
    }

    /// The path one step further down.
    #[must_use]
    pub fn child(&self, step: impl fmt::Display) -> Self {
        if self.0.is_empty() {
            Self(step.to_string())
        } else {
            Self(format!("{}/{step}", self.0))
        }
    }

    /// The steps as one string, empty for the media itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for PartPath {
    fn from(path: &str) -> Self {
        Self(path.to_owned())
    }
}

impl fmt::Display for PartPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One piece of media, decoded.
#[derive(Debug)]
#[non_exhaustive]
pub struct Part<'a> {
    /// Its place in the media.
    pub path: PartPath,
    /// The bytes in the container, transfer encoding removed. `None` for parts that exist
    /// only decoded, such as the body of a mail.
    pub bytes: Option<&'a [u8]>,
    /// Its content.
    pub content: Content,
}

/// The content of a part.
#[derive(Debug)]
#[non_exhaustive]
pub enum Content {
    /// A picture.
    Raster {
        /// The decoded picture.
        raster: Raster,
        /// Whether the format is lossless, so that saving again keeps the digest of the
        /// pixels.
        lossless: bool,
    },
    /// Text, in reading order.
    Text(String),
    /// Cells with their places, and the table as text.
    Table(Table),
    /// Nothing to compare but the digest of the bytes: a container, whose parts follow, or
    /// bytes that could not be read.
    Opaque,
}

/// Receives the parts of one input as they are decoded.
pub trait PartSink {
    /// A part that could be read.
    fn part(&mut self, part: Part<'_>);
    /// A part that could not be read, or not completely; reading goes on.
    fn warning(&mut self, path: PartPath, error: Error);
}
