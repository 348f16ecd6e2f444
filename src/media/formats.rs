//! The table of formats: what reads each, and the cargo feature that it needs.

use std::borrow::Cow;

use super::animation::Animation;
use super::walk::{Hint, Input, Walk};
use super::{Content, Format, Part, PartPath, raster, table, text};
use crate::error::{Error, ErrorKind, Result};

/// Reads bytes of one format. The sink has received nothing after an error.
type Reader = fn(&mut Walk<'_>, &Input<'_>) -> Result<()>;

/// The support for a format.
enum Support {
    Read(Reader),
    /// Needs this cargo feature, which the build lacks.
    #[allow(dead_code, reason = "a build with all features lacks none")]
    Lacks(&'static str),
    /// Detected, so that the message names it, but never read.
    Never,
}

/// A reader behind a cargo feature.
macro_rules! feature {
    ($feature:literal, $reader:path) => {{
        #[cfg(feature = $feature)]
        let support = Support::Read($reader);
        #[cfg(not(feature = $feature))]
        let support = Support::Lacks($feature);
        support
    }};
}

/// The table.
fn support(format: Format) -> Support {
    match format {
        Format::Png | Format::Jpeg | Format::Gif | Format::WebP | Format::Bmp | Format::Tiff => {
            Support::Read(picture)
        }
        Format::Text => Support::Read(plain_text),
        Format::Separated => Support::Read(separated_values),
        Format::Html => feature!("html", super::page::read),
        Format::Mail => feature!("mail", super::mail::read),
        Format::Mbox => feature!("mail", super::mail::read_mailbox),
        Format::Zip => feature!("archive", zip),
        Format::Gzip => feature!("archive", super::archive::read_gzip),
        Format::Tar => feature!("archive", super::archive::read_tar),
        Format::FlatOpenDocument => feature!("office", super::office::read_flat),
        Format::Rtf => feature!("rtf", super::rtf::read),
        Format::Pdf => feature!("pdf", super::pdf::read),
        Format::Archive | Format::Ole | Format::Heif | Format::Video | Format::Ico => {
            Support::Never
        }
    }
}

/// Detects the format of bytes and reads them.
///
/// # Errors
/// If they cannot be read; the sink has received nothing then.
pub(super) fn read(
    walk: &mut Walk<'_>,
    path: &PartPath,
    bytes: &[u8],
    hint: Hint<'_>,
) -> Result<()> {
    let format = Format::sniff_declared(bytes, hint.name, hint.kind)
        .ok_or_else(|| unknown(bytes, hint.name))?;
    let input = Input {
        path,
        bytes,
        format,
        hint,
    };
    match support(format) {
        Support::Read(reader) => reader(walk, &input),
        Support::Lacks(feature) => Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "{}: this build lacks the feature `{feature}`",
                format.as_str()
            ),
        )),
        Support::Never => Err(never_read(format, bytes)),
    }
}

fn picture(walk: &mut Walk<'_>, input: &Input<'_>) -> Result<()> {
    let &Input {
        path,
        bytes,
        format,
        ..
    } = input;
    let (raster, lossless) = raster::decode(bytes, format, walk.budget)?;
    let animation = Animation::after(&raster, bytes, format, walk.budget);
    walk.part(path, Some(bytes), Content::Raster { raster, lossless });
    if let Some(animation) = animation {
        frames(walk, path, animation, lossless);
    }
    Ok(())
}

/// Hands over the later frames of an animation, which exist only decoded.
fn frames(walk: &mut Walk<'_>, path: &PartPath, animation: Animation<'_>, lossless: bool) {
    let sink = &mut *walk.sink;
    let frame_path = |number| path.child(format_args!("frame:{number}"));
    let result = animation.frames(walk.budget, |budget, number, raster| {
        budget.check_time()?;
        budget.charge_part()?;
        sink.part(Part {
            path: frame_path(number),
            bytes: None,
            content: Content::Raster { raster, lossless },
        });
        Ok(())
    });
    if let Err((number, error)) = result {
        walk.sink.warning(frame_path(number), error);
    }
}

fn plain_text(walk: &mut Walk<'_>, input: &Input<'_>) -> Result<()> {
    let text = text::decode(input.bytes, input.hint.charset, walk.budget)?;
    walk.part(input.path, Some(input.bytes), Content::Text(text));
    Ok(())
}

fn separated_values(walk: &mut Walk<'_>, input: &Input<'_>) -> Result<()> {
    let text = text::decode(input.bytes, input.hint.charset, walk.budget)?;
    let table = table::separated(&text, walk.budget)?;
    walk.part(input.path, Some(input.bytes), Content::Table(table));
    Ok(())
}

/// An archive, or the office document that is packed in it.
#[cfg(feature = "archive")]
fn zip(walk: &mut Walk<'_>, input: &Input<'_>) -> Result<()> {
    let mut zip = super::zip::Zip::open(input.bytes, walk.budget)?;
    // Without the feature `office` its documents are archives of XML.
    #[cfg(feature = "office")]
    if let Some(kind) = super::office::identify(&mut zip, input.hint.name, walk)? {
        return super::office::read(walk, input, &mut zip, &kind);
    }
    super::archive::read_zip(walk, input, &mut zip)
}

fn unknown(bytes: &[u8], name: Option<&str>) -> Error {
    let extension = name
        .and_then(|name| name.rsplit_once('.'))
        .map(|(_, extension)| extension);
    let what: Cow<'_, str> = match extension {
        Some(extension) if text::is_text(bytes) => {
            format!("plain text under the name of a .{extension} file").into()
        }
        _ => "no known format".into(),
    };
    let start: Vec<String> = bytes
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Error::new(
        ErrorKind::Unsupported,
        format!("{what}: {} bytes, first {}", bytes.len(), start.join(" ")),
    )
}

fn never_read(format: Format, bytes: &[u8]) -> Error {
    // The OLE container that Office wraps around documents with a password.
    let message = if format == Format::Ole && is_encrypted_package(bytes) {
        "encrypted office document, a password is needed: save it without one".to_owned()
    } else {
        format!(
            "{} is recognised, but this build does not read it",
            format.as_str()
        )
    };
    Error::new(ErrorKind::Unsupported, message)
}

/// Whether the directory of an OLE container names an encrypted package.
fn is_encrypted_package(bytes: &[u8]) -> bool {
    let name: Vec<u8> = "EncryptedPackage"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    memchr::memmem::find(bytes, &name).is_some()
}
