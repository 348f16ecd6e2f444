//! From bytes to parts: what kind of media it is, decoding and unpacking under
//! one [`Budget`](crate::limits::Budget).
//!
//! [`read`] walks one input and hands each [`Part`] to a sink as soon as it is
//! decoded, so that the pictures of a mail are never in memory all at once.
//! What is wrong with one part is told to the sink and the walk goes on.

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

/// Where a part lies inside its media: empty for the media itself, else steps
/// such as `attachment:2/body`, as they stand behind the `#` in
/// `mail.eml#attachment:2/body`. Numbers count from 1 among siblings of one kind.
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
    /// Where it lies.
    pub path: PartPath,
    /// The bytes as they stood in the container, transfer encoding removed.
    /// `None` for what exists only decoded, such as the body of a mail.
    pub bytes: Option<&'a [u8]>,
    /// What it holds.
    pub content: Content,
}

/// What a part holds.
#[derive(Debug)]
#[non_exhaustive]
pub enum Content {
    /// A picture.
    Raster {
        /// The decoded picture.
        raster: Raster,
        /// Whether the format keeps every pixel, so that the digest of the
        /// pixels survives being saved again.
        lossless: bool,
    },
    /// Text, in reading order.
    Text(String),
    /// Cells with their places, and the same as text.
    Table(Table),
    /// Nothing of its own: a container whose parts follow, or bytes of a kind
    /// that only an exact digest can recognise.
    Opaque,
}

/// Takes the parts of one input as they are decoded.
pub trait PartSink {
    /// A part that could be read.
    fn part(&mut self, part: Part<'_>);
    /// A part that could not be read, or not whole; the walk goes on.
    fn warning(&mut self, path: PartPath, error: Error);
}
