//! Formats that start with a magic number.

use super::Format;

/// Formats that start with a magic number.
pub(super) fn signature(bytes: &[u8]) -> Option<Format> {
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

/// Whether bytes start with the header of a tar archive, whose signature is not at the start.
fn is_tar(bytes: &[u8]) -> bool {
    bytes
        .get(257..262)
        .is_some_and(|magic| magic == b"ustar" && bytes[0] != 0)
}
