//! Detects the format of bytes from their content.
//!
//! Signatures come first, since they are certain; then what can only be text is
//! distinguished into mail, HTML and plain text. The file name matters in two cases
//! only: it breaks ties between the kinds of text, and plain text with the
//! name of a binary format counts as a broken file of that format.

pub(super) mod mail;
mod markup;
mod signature;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use super::text;

use mail::mail;
use markup::{is_flat_open_document, is_html};
use signature::signature;

/// A kind of media, as [`sniff`](Format::sniff)ed.
///
/// [`Archive`](Format::Archive) and the formats after it are detected so that the
/// error can name them; they are never read.
///
/// ```
/// use leakprint::media::Format;
///
/// assert_eq!(Format::sniff(b"%PDF-1.7", Some("holiday.jpg")), Some(Format::Pdf));
/// assert_eq!(Format::sniff(b"a,b\n1,2\n", Some("sums.csv")), Some(Format::Separated));
/// assert_eq!(Format::sniff(&[0, 1, 2, 255], None), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// PNG, APNG included.
    Png,
    /// JPEG.
    Jpeg,
    /// GIF.
    Gif,
    /// WebP.
    WebP,
    /// Windows bitmap.
    Bmp,
    /// TIFF, BigTIFF included.
    Tiff,
    /// Plain text in any charset; Markdown, JSON and XML are read unchanged.
    Text,
    /// Comma-, semicolon- or tab-separated values, by the name alone.
    Separated,
    /// HTML or XHTML. Read only with the feature `html`.
    Html,
    /// One e-mail (RFC 5322). Read only with the feature `mail`.
    Mail,
    /// Many e-mails in one file, separated by `From ` lines. Read only with the feature `mail`.
    Mbox,
    /// PDF. Read only with the feature `pdf`.
    Pdf,
    /// Rich Text Format. Read only with the feature `rtf`.
    Rtf,
    /// ZIP. Read only with the feature `archive`; as an office document
    /// (OOXML, OpenDocument) with the feature `office`.
    Zip,
    /// An OpenDocument as one XML file. Read only with the feature `office`.
    FlatOpenDocument,
    /// gzip. Read only with the feature `archive`.
    Gzip,
    /// tar. Read only with the feature `archive`.
    Tar,
    /// 7-Zip, RAR, bzip2, xz or Zstandard.
    Archive,
    /// The container of the office formats before 2007 (doc, xls, ppt, msg).
    Ole,
    /// HEIC or AVIF.
    Heif,
    /// MP4, QuickTime, Matroska or AVI.
    Video,
    /// Windows icon.
    Ico,
}

impl Format {
    /// The format as one lower-case word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpeg",
            Self::Gif => "gif",
            Self::WebP => "webp",
            Self::Bmp => "bmp",
            Self::Tiff => "tiff",
            Self::Text => "text",
            Self::Separated => "csv",
            Self::Html => "html",
            Self::Mail => "mail",
            Self::Mbox => "mbox",
            Self::Pdf => "pdf",
            Self::Zip => "zip",
            Self::FlatOpenDocument => "flat-odf",
            Self::Gzip => "gzip",
            Self::Tar => "tar",
            Self::Archive => "archive",
            Self::Rtf => "rtf",
            Self::Ole => "ole",
            Self::Heif => "heif",
            Self::Video => "video",
            Self::Ico => "ico",
        }
    }

    /// The format of `bytes`, or `None` if this crate does not know it.
    ///
    /// `name` is the file's name, if it has one; it only breaks ties between kinds of text. The
    /// cost is one pass over bytes that may be text, and constant for all others.
    pub fn sniff(bytes: &[u8], name: Option<&str>) -> Option<Self> {
        Self::sniff_declared(bytes, name, None)
    }

    /// [`sniff`](Self::sniff), with a kind of text that the container declares: it decides where
    /// the content does not.
    pub(super) fn sniff_declared(
        bytes: &[u8],
        name: Option<&str>,
        declared: Option<Self>,
    ) -> Option<Self> {
        if let Some(format) = signature(bytes) {
            return Some(format);
        }
        let extension = name.and_then(extension);
        let extension = extension.as_deref().unwrap_or_default();
        // A mail may carry bytes that are no text: check for a mail header first.
        let head = head(bytes);
        if let Some(format) = mail(head.trim_ascii_start(), extension) {
            return Some(format);
        }
        if !text::is_text(bytes) {
            // Some writers put other bytes before the signature.
            let pdf = window(bytes, 1024).windows(5).any(|w| w == b"%PDF-");
            return pdf.then_some(Self::Pdf);
        }
        if is_html(&head) {
            return Some(Format::Html);
        }
        if is_flat_open_document(&head) {
            return Some(Format::FlatOpenDocument);
        }
        if BINARY_EXTENSIONS.contains(&extension) {
            return None;
        }
        match extension {
            "html" | "htm" | "xhtml" => Some(Self::Html),
            "txt" | "md" => Some(Self::Text),
            "csv" | "tsv" | "tab" => Some(Self::Separated),
            _ => declared.or(Some(Self::Text)),
        }
    }
}

/// Extensions under which plain text counts as a broken file: a program that opens it shows an
/// error, not the words.
const BINARY_EXTENSIONS: [&str; 43] = [
    "7z", "avi", "avif", "bmp", "bz2", "dll", "docx", "exe", "exr", "gif", "gz", "hdr", "heic",
    "heif", "ico", "jpe", "jpeg", "jpg", "mkv", "mov", "mp3", "mp4", "odp", "ods", "odt", "pam",
    "pbm", "pdf", "pgm", "png", "pnm", "ppm", "pptx", "qoi", "rar", "tga", "tif", "tiff", "webm",
    "webp", "xlsx", "xz", "zip",
];

fn extension(name: &str) -> Option<String> {
    let (stem, extension) = name.rsplit_once('.')?;
    (!stem.is_empty() && extension.len() <= 8).then(|| extension.to_ascii_lowercase())
}

/// How many bytes of a text are examined to detect its kind.
const HEAD_BYTES: usize = 16 << 10;

fn window(bytes: &[u8], len: usize) -> &[u8] {
    bytes.get(..len).unwrap_or(bytes)
}

/// The start of a text without its byte-order mark, as ASCII-compatible bytes.
fn head(bytes: &[u8]) -> Cow<'_, [u8]> {
    match text::byte_order_mark(bytes) {
        Some((text::Mark::Utf8, rest)) => Cow::Borrowed(window(rest, HEAD_BYTES)),
        Some((mark, rest)) => {
            Cow::Owned(text::decode_utf16(mark, window(rest, HEAD_BYTES)).into_bytes())
        }
        None => Cow::Borrowed(window(bytes, HEAD_BYTES)),
    }
}
