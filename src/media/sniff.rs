//! What kind of media some bytes are, by their content.
//!
//! Signatures come first, since they are certain; then what can only be text is
//! told apart into mail, HTML and plain text. A name is believed in two cases
//! alone: it breaks ties between the kinds of text, and plain text under the
//! name of a binary format counts as a broken file of that format.

use std::borrow::Cow;

use super::text;

/// A kind of media, as [`sniff`](Format::sniff)ed.
///
/// Those from [`Archive`](Format::Archive) on are recognised so that the error
/// can name them, but not read.
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
    /// Plain text in any charset; Markdown, JSON and XML are read as they stand.
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
    /// ZIP. Read only with the feature `archive`; as the shell of an office
    /// document (OOXML, OpenDocument) with the feature `office`.
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

    /// The format of `bytes`, or `None` if it is none that this crate knows.
    ///
    /// `name` is the file's name where there is one; see the [module](crate::media)
    /// for the little that it decides. The cost is one pass over bytes that may
    /// be text, and constant for all others.
    pub fn sniff(bytes: &[u8], name: Option<&str>) -> Option<Self> {
        Self::sniff_declared(bytes, name, None)
    }

    /// [`sniff`](Self::sniff), with a kind of text that the container declares:
    /// it decides where the content leaves it open.
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
        // A mail may carry bytes that are no text: ask for its header first.
        let head = head(bytes);
        if let Some(format) = mail(head.trim_ascii_start(), extension) {
            return Some(format);
        }
        if !text::is_text(bytes) {
            // Some writers put bytes of their own before the signature.
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

/// Formats that start with a magic number.
fn signature(bytes: &[u8]) -> Option<Format> {
    let is = |magic: &[u8]| bytes.starts_with(magic);
    let at = |offset: usize, magic: &[u8]| {
        bytes
            .get(offset..)
            .is_some_and(|rest| rest.starts_with(magic))
    };
    let format = match bytes.first()? {
        0x89 if is(b"\x89PNG\r\n\x1a\n") => Format::Png,
        0xFF if is(b"\xFF\xD8\xFF") => Format::Jpeg,
        b'G' if is(b"GIF87a") || is(b"GIF89a") => Format::Gif,
        b'R' if is(b"RIFF") && at(8, b"WEBP") => Format::WebP,
        b'R' if is(b"RIFF") && at(8, b"AVI ") => Format::Video,
        // "BM" alone also starts many a text: the size of the second header must be a known one.
        b'B' if is(b"BM")
            && at(15, &[0; 3])
            && matches!(bytes.get(14), Some(12 | 16 | 40 | 52 | 56 | 64 | 108 | 124)) =>
        {
            Format::Bmp
        }
        b'I' if is(b"II\x2A\0") || is(b"II\x2B\0") => Format::Tiff,
        b'M' if is(b"MM\0\x2A") || is(b"MM\0\x2B") => Format::Tiff,
        b'%' if is(b"%PDF-") => Format::Pdf,
        b'P' if is(b"PK\x03\x04") || is(b"PK\x05\x06") || is(b"PK\x07\x08") => Format::Zip,
        0x1F if is(b"\x1F\x8B\x08") => Format::Gzip,
        b'7' if is(b"7z\xBC\xAF\x27\x1C") => Format::Archive,
        b'R' if is(b"Rar!\x1A\x07") => Format::Archive,
        b'B' if is(b"BZh") && at(4, b"1AY&SY") => Format::Archive,
        0xFD if is(b"\xFD7zXZ\0") => Format::Archive,
        0x28 if is(b"\x28\xB5\x2F\xFD") => Format::Archive,
        b'{' if is(b"{\\rtf") => Format::Rtf,
        0xD0 if is(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1") => Format::Ole,
        0x1A if is(b"\x1A\x45\xDF\xA3") => Format::Video,
        0 if is(b"\0\0\x01\0") => Format::Ico,
        _ if at(4, b"ftyp") => {
            let brands = [
                b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif", b"avis",
            ];
            if brands.iter().any(|brand| at(8, *brand)) {
                Format::Heif
            } else {
                Format::Video
            }
        }
        _ if is_tar(bytes) => Format::Tar,
        _ => return None,
    };
    Some(format)
}

/// Whether bytes start with the header of a tar archive, whose magic lies deep inside.
fn is_tar(bytes: &[u8]) -> bool {
    bytes
        .get(257..262)
        .is_some_and(|magic| magic == b"ustar" && bytes[0] != 0)
}

/// Whether a text starts with the root element of a flat OpenDocument.
fn is_flat_open_document(head: &[u8]) -> bool {
    const ROOT: &[u8] = b"<office:document";
    let start = head.trim_ascii_start();
    start.starts_with(ROOT)
        || start.starts_with(b"<?xml") && head.windows(ROOT.len()).any(|window| window == ROOT)
}

/// Names under which plain text is no text but a broken file: a reader who
/// opens it sees an error, not the words.
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

/// How much of a text is looked at to tell its kind.
const HEAD_BYTES: usize = 16 << 10;

fn window(bytes: &[u8], len: usize) -> &[u8] {
    bytes.get(..len).unwrap_or(bytes)
}

/// The start of a text, its byte-order mark taken off, as ASCII-compatible bytes.
fn head(bytes: &[u8]) -> Cow<'_, [u8]> {
    match text::byte_order_mark(bytes) {
        Some((text::Mark::Utf8, rest)) => Cow::Borrowed(window(rest, HEAD_BYTES)),
        Some((mark, rest)) => {
            Cow::Owned(text::decode_utf16(mark, window(rest, HEAD_BYTES)).into_bytes())
        }
        None => Cow::Borrowed(window(bytes, HEAD_BYTES)),
    }
}

/// Whether a text starts like a mail or a mailbox.
fn mail(start: &[u8], extension: &str) -> Option<Format> {
    if let Some(rest) = start.strip_prefix(b"From ") {
        let mut lines = rest.splitn(2, |&b| b == b'\n');
        // "From jo@example.org Mon Jan  1 12:00:00 2001": prose seldom has a time of day there.
        let envelope = lines.next().unwrap_or_default();
        let timed = envelope
            .windows(3)
            .any(|w| w[1] == b':' && w[0].is_ascii_digit() && w[2].is_ascii_digit());
        if timed
            && lines
                .next()
                .is_some_and(|rest| Headers::of(rest).is_mail("mbox"))
        {
            return Some(Format::Mbox);
        }
    }
    Headers::of(start)
        .is_mail(extension)
        .then_some(Format::Mail)
}

/// Whether a text starts with a tag or a document type of HTML, comments and
/// processing instructions before it left aside.
fn is_html(mut rest: &[u8]) -> bool {
    loop {
        rest = rest.trim_ascii_start();
        let skipped = if let Some(comment) = rest.strip_prefix(b"<!--") {
            after(comment, b"-->")
        } else if let Some(instruction) = rest.strip_prefix(b"<?") {
            after(instruction, b">")
        } else {
            break;
        };
        match skipped {
            Some(after) => rest = after,
            None => return false,
        }
    }
    let Some(tag) = rest.strip_prefix(b"<") else {
        return false;
    };
    let len = tag
        .iter()
        .position(|b| !(b.is_ascii_alphanumeric() || *b == b'!'))
        .unwrap_or(tag.len());
    let (tag, rest) = tag.split_at(len);
    if tag.eq_ignore_ascii_case(b"!doctype") {
        let name = rest.trim_ascii_start();
        return name
            .get(..4)
            .is_some_and(|name| name.eq_ignore_ascii_case(b"html"));
    }
    matches!(
        rest.first(),
        Some(b'>' | b'/' | b' ' | b'\t' | b'\r' | b'\n')
    ) && START_TAGS
        .iter()
        .any(|known| tag.eq_ignore_ascii_case(known.as_bytes()))
}

fn after<'a>(bytes: &'a [u8], end: &[u8]) -> Option<&'a [u8]> {
    let at = bytes.windows(end.len()).position(|w| w == end)?;
    bytes.get(at + end.len()..)
}

/// Elements that HTML, whole or in fragments, starts with.
const START_TAGS: [&str; 28] = [
    "html",
    "head",
    "body",
    "title",
    "meta",
    "link",
    "style",
    "script",
    "base",
    "div",
    "p",
    "table",
    "span",
    "h1",
    "h2",
    "h3",
    "ul",
    "ol",
    "a",
    "b",
    "br",
    "center",
    "font",
    "img",
    "section",
    "article",
    "main",
    "blockquote",
];

/// The lines at the start of a text that look like header fields.
#[derive(Default)]
struct Headers {
    /// Fields in all.
    fields: usize,
    /// Fields that people also write by hand, such as `Subject`.
    written: usize,
    /// Fields that only programs write.
    machine: usize,
    /// Whether the first line is a field that mail knows.
    first: bool,
    /// Whether the block ends with an empty line or with the text.
    closed: bool,
}

impl Headers {
    fn of(head: &[u8]) -> Self {
        let mut headers = Self::default();
        for line in head.split(|&b| b == b'\n').take(200) {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if matches!(line.first(), Some(b' ' | b'\t')) && headers.fields > 0 {
                continue;
            }
            let Some(name) = field_name(line) else {
                headers.closed = line.is_empty();
                return headers;
            };
            let is = |names: &[&str]| {
                names
                    .iter()
                    .any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
            };
            let known = if is(&MACHINE_FIELDS) {
                headers.machine += 1;
                true
            } else if is(&WRITTEN_FIELDS) {
                headers.written += 1;
                true
            } else {
                false
            };
            headers.first |= headers.fields == 0 && known;
            headers.fields += 1;
        }
        headers.closed = true;
        headers
    }

    /// Whether the block is the header of a mail.
    ///
    /// A memorandum starts with "To:", "From:" and "Subject:" just as a saved
    /// mail without transport fields does; only the name tells them apart.
    fn is_mail(&self, extension: &str) -> bool {
        let known = self.machine + self.written;
        match extension {
            "eml" | "mbox" | "mht" | "mhtml" => known >= 1,
            "txt" | "text" | "md" | "log" | "csv" => self.first && self.machine >= 1 && known >= 3,
            _ => self.first && self.closed && known >= 2 && (self.machine >= 1 || known >= 3),
        }
    }
}

/// The name of the header field that a line starts.
pub(super) fn field_name(line: &[u8]) -> Option<&[u8]> {
    let name = line
        .split(|&b| b == b':')
        .next()
        .filter(|name| name.len() < line.len())?;
    let name = name.trim_ascii_end();
    (!name.is_empty()
        && name
            .iter()
            .all(|&b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'))
    .then_some(name)
}

const WRITTEN_FIELDS: [&str; 7] = ["From", "To", "Cc", "Bcc", "Subject", "Date", "Sender"];

const MACHINE_FIELDS: [&str; 15] = [
    "Received",
    "Return-Path",
    "Message-ID",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "Delivered-To",
    "Envelope-To",
    "DKIM-Signature",
    "In-Reply-To",
    "References",
    "Reply-To",
    "X-Mailer",
    "User-Agent",
    "List-Id",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn sniff(bytes: &[u8]) -> Option<Format> {
        Format::sniff(bytes, None)
    }

    #[test]
    fn signatures_win_over_names() {
        for (bytes, format) in [
            (&b"\x89PNG\r\n\x1a\n...."[..], Format::Png),
            (b"\xFF\xD8\xFF\xE0", Format::Jpeg),
            (b"GIF89a", Format::Gif),
            (b"RIFF\x10\0\0\0WEBPVP8 ", Format::WebP),
            (b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0", Format::Bmp),
            (b"II\x2A\0\x08\0\0\0", Format::Tiff),
            (b"%PDF-1.7\n", Format::Pdf),
            (b"PK\x03\x04\x14\0", Format::Zip),
            (b"{\\rtf1 hello}", Format::Rtf),
            (b"\0\0\0\x18ftypheic", Format::Heif),
            (b"\0\0\0\x18ftypmp42", Format::Video),
        ] {
            assert_eq!(sniff(bytes), Some(format));
            assert_eq!(Format::sniff(bytes, Some("x.txt")), Some(format));
        }
        assert_eq!(
            sniff(b"BMW is a car maker, not a bitmap"),
            Some(Format::Text)
        );
        assert_eq!(
            sniff(b"\x01\x02\x03\xFF garbage \0\0 %PDF-1.4"),
            Some(Format::Pdf)
        );
    }

    #[test]
    fn plain_text_under_the_name_of_a_picture_is_broken() {
        assert_eq!(Format::sniff(b"just words", Some("a.pdf")), None);
        assert_eq!(Format::sniff(b"just words", Some("a.b.PNG")), None);
        assert_eq!(
            Format::sniff(b"just words", Some("png")),
            Some(Format::Text)
        );
        assert_eq!(
            Format::sniff(b"<html><p>words", Some("a.pdf")),
            Some(Format::Html)
        );
    }

    #[test]
    fn html_by_its_first_tag() {
        for html in [
            "<!DOCTYPE html><p>x",
            "\u{feff} \n<!doctype HTML PUBLIC>",
            "<?xml version='1.0'?>\n<!-- a --><!-- b -->\n<html xmlns='x'>",
            "<P>old</P>",
            "<br/>x",
        ] {
            assert_eq!(sniff(html.as_bytes()), Some(Format::Html), "{html}");
        }
        let utf16: Vec<u8> = "\u{feff}<html>"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        assert_eq!(sniff(&utf16), Some(Format::Html));
        for text in [
            "<?xml version='1.0'?><office/>",
            "<3 you",
            "a <b>bold</b> claim",
            "<!-- never closed <p>",
            "<parser>x",
            "<",
            "<p",
        ] {
            assert_eq!(sniff(text.as_bytes()), Some(Format::Text), "{text}");
        }
        assert_eq!(
            Format::sniff(b"no tag at all", Some("a.html")),
            Some(Format::Html)
        );
        let declared = Format::sniff_declared(b"no tag", None, Some(Format::Html));
        assert_eq!(declared, Some(Format::Html));
    }

    #[test]
    fn mail_by_its_header() {
        let mail = b"Return-Path: <a@b.c>\r\nSubject: x\r\n y\r\nX-Odd: 1\r\n\r\nbody";
        assert_eq!(sniff(mail), Some(Format::Mail));
        let bare = b"From: a@b.c\nTo: d@e.f\nSubject: x\n\nbody";
        assert_eq!(sniff(bare), Some(Format::Mail));
        assert_eq!(Format::sniff(bare, Some("memo.txt")), Some(Format::Text));
        assert_eq!(
            Format::sniff(b"From: a@b.c\n\nx", Some("a.eml")),
            Some(Format::Mail)
        );
        for text in [
            "Note: something\nDate: tomorrow\n\nwords",
            "From: the desk of\nnobody in particular",
            "Subject: one line alone",
            "From: me: you: all\nSubject matter\nTo: be",
        ] {
            assert_eq!(sniff(text.as_bytes()), Some(Format::Text), "{text}");
        }
    }

    #[test]
    fn mbox_by_its_envelope_line() {
        let mbox = b"From a@b.c Mon Jan  1 12:00:00 2001\nFrom: a@b.c\nSubject: x\n\nbody\n";
        assert_eq!(sniff(mbox), Some(Format::Mbox));
        assert_eq!(
            sniff(b"From here at 9:30 we\nSubject: x\n"),
            Some(Format::Mbox)
        );
        assert_eq!(sniff(b"From the start it was prose."), Some(Format::Text));
    }

    #[test]
    fn noise_is_unknown() {
        let mut noise = [0; 4096];
        blake3::Hasher::new().finalize_xof().fill(&mut noise);
        for start in 0..2000 {
            let slice = &noise[start..start + 200];
            assert_eq!(sniff(slice), None, "at {start}");
        }
        assert_eq!(sniff(b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xFF\xFF\0\0"), None);
        assert_eq!(sniff(b"\0"), None);
        assert_eq!(sniff(b""), None);
    }
}
