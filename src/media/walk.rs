//! The walk: one input, its parts in order, each handed to the sink as soon as
//! it is decoded.
//!
//! Only containers in containers recurse, and [`Limits::depth`](crate::Limits)
//! bounds those.

use std::borrow::Cow;

use super::animation::Animation;
#[cfg(feature = "archive")]
use super::archive;
#[cfg(feature = "office")]
use super::office;
use super::{Content, Format, Part, PartPath, PartSink, raster, text};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Budget;

/// Reads one input and hands its parts to `sink`, the input itself first.
///
/// `name` is the file's name where there is one; it decides little (see
/// [`Format::sniff`]). A container, such as a mail, is followed by what it
/// holds, depth first, an animation by those of its frames that show something
/// new. A part that cannot be read is told to
/// [`PartSink::warning`], and the walk goes on; if it has bytes of its own, the
/// sink gets those as well, as [`Content::Opaque`], since they are still worth
/// a digest. Once the limit on parts or on time is reached, or the budget's
/// [`Deadline`](crate::Deadline) is cancelled, nothing more is read: the parts
/// that were handed out stay, and a warning on the container says why there are no more.
///
/// # Errors
/// If the input itself cannot be read, and only then; the sink has got nothing
/// in that case. [`Empty`](ErrorKind::Empty) for zero bytes,
/// [`Unsupported`](ErrorKind::Unsupported) for what is no known format or one
/// that this build does not read, [`Malformed`](ErrorKind::Malformed),
/// [`Limit`](ErrorKind::Limit), [`Cancelled`](ErrorKind::Cancelled), [`Panicked`](ErrorKind::Panicked).
///
/// ```
/// use leakprint::media::{Content, Part, PartPath, PartSink, read};
/// use leakprint::{Budget, Error, Limits};
///
/// /// All text of an upload.
/// #[derive(Default)]
/// struct Texts(Vec<String>, Vec<Error>);
///
/// impl PartSink for Texts {
///     fn part(&mut self, part: Part<'_>) {
///         match part.content {
///             Content::Text(text) => self.0.push(text),
///             Content::Table(table) => self.0.push(table.into_text()),
///             _ => {}
///         }
///     }
///
///     fn warning(&mut self, _: PartPath, error: Error) {
///         self.1.push(error);
///     }
/// }
///
/// let mut texts = Texts::default();
/// let sheet = b"name,mail\nAda,ada@example.org\n";
/// read(sheet, Some("people.csv"), &mut Budget::new(&Limits::default()), &mut texts)?;
/// assert_eq!(texts.0, ["name\tmail\nAda\tada@example.org"]);
/// assert!(texts.1.is_empty());
/// # Ok::<(), leakprint::Error>(())
/// ```
pub fn read(
    bytes: &[u8],
    name: Option<&str>,
    budget: &mut Budget,
    sink: &mut dyn PartSink,
) -> Result<()> {
    budget.check_input(bytes.len() as u64)?;
    if bytes.is_empty() {
        return Err(Error::new(ErrorKind::Empty, "empty input, 0 bytes"));
    }
    #[cfg(feature = "archive")]
    budget.bound_inflation(bytes.len() as u64);
    let mut walk = Walk { budget, sink };
    walk.charge()?;
    let hint = Hint {
        name,
        ..Hint::default()
    };
    walk.media(&PartPath::root(), bytes, &hint)
}

/// What a container says about a member.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hint<'h> {
    /// Its file name.
    pub(super) name: Option<&'h str>,
    /// Its kind, believed only among the kinds of text.
    pub(super) kind: Option<Format>,
    /// The charset of its text.
    pub(super) charset: Option<&'h str>,
}

/// One walk under way.
pub(super) struct Walk<'w> {
    pub(super) budget: &'w mut Budget,
    pub(super) sink: &'w mut dyn PartSink,
}

impl Walk<'_> {
    /// Charges one more part; an error means that nothing more may be read.
    pub(super) fn charge(&mut self) -> Result<()> {
        self.budget.check_time()?;
        self.budget.charge_part()
    }

    /// A member of a container, with bytes of its own.
    ///
    /// # Errors
    /// Only if nothing more may be read at all; what is wrong with this member
    /// has been told to the sink.
    #[cfg(any(
        feature = "archive",
        feature = "html",
        feature = "mail",
        feature = "pdf",
        feature = "rtf"
    ))]
    pub(super) fn member(&mut self, path: PartPath, bytes: &[u8], hint: &Hint<'_>) -> Result<()> {
        self.charge()?;
        if bytes.is_empty() {
            // No opaque part: all empty members of the world share one digest.
            let error = Error::new(ErrorKind::Empty, "empty part, 0 bytes");
            self.sink.warning(path, error);
        } else if let Err(error) = self.media(&path, bytes, hint) {
            self.part(&path, Some(bytes), Content::Opaque);
            self.sink.warning(path, error);
        }
        Ok(())
    }

    /// A member whose bytes cannot be had. Errors as for [`member`](Self::member).
    #[cfg(any(feature = "archive", feature = "mail", feature = "pdf"))]
    pub(super) fn lost(&mut self, path: PartPath, error: Error) -> Result<()> {
        self.charge()?;
        self.sink.warning(path, error);
        Ok(())
    }

    /// A member that exists only decoded. Errors as for [`member`](Self::member).
    #[cfg(any(feature = "mail", feature = "office", feature = "pdf"))]
    pub(super) fn decoded(&mut self, path: PartPath, content: Content) -> Result<()> {
        self.charge()?;
        let text = match &content {
            Content::Text(text) => text,
            Content::Table(table) => table.text(),
            Content::Raster { .. } | Content::Opaque => "",
        };
        match self.budget.check_text(text.chars().count() as u64) {
            Ok(()) => self.part(&path, None, content),
            Err(error) => self.sink.warning(path, error),
        }
        Ok(())
    }

    /// Sniffs and reads bytes; on an error the sink has not heard of them.
    fn media(&mut self, path: &PartPath, bytes: &[u8], hint: &Hint<'_>) -> Result<()> {
        let format = Format::sniff_declared(bytes, hint.name, hint.kind)
            .ok_or_else(|| unknown(bytes, hint.name))?;
        match format {
            Format::Png
            | Format::Jpeg
            | Format::Gif
            | Format::WebP
            | Format::Bmp
            | Format::Tiff => {
                let (raster, lossless) = raster::decode(bytes, format, self.budget)?;
                let animation = Animation::behind(&raster, bytes, format, self.budget);
                self.part(path, Some(bytes), Content::Raster { raster, lossless });
                if let Some(animation) = animation {
                    self.frames(path, animation, lossless);
                }
                Ok(())
            }
            Format::Text => {
                let text = text::decode(bytes, hint.charset, self.budget)?;
                self.part(path, Some(bytes), Content::Text(text));
                Ok(())
            }
            #[cfg(feature = "html")]
            Format::Html => {
                let page = self.page(bytes, hint.charset)?;
                self.part(path, Some(bytes), Content::Text(page.text));
                self.inside(path, |walk| walk.images(path, &page.images));
                Ok(())
            }
            #[cfg(feature = "mail")]
            Format::Mail => {
                self.part(path, Some(bytes), Content::Opaque);
                self.inside(path, |walk| super::mail::message(walk, path, bytes));
                Ok(())
            }
            #[cfg(feature = "mail")]
            Format::Mbox => {
                self.part(path, Some(bytes), Content::Opaque);
                self.inside(path, |walk| super::mail::mailbox(walk, path, bytes));
                Ok(())
            }
            Format::Separated => {
                let text = text::decode(bytes, hint.charset, self.budget)?;
                let table = super::table::separated(&text, self.budget)?;
                self.part(path, Some(bytes), Content::Table(table));
                Ok(())
            }
            #[cfg(feature = "archive")]
            Format::Zip => self.zip(path, bytes, hint.name),
            #[cfg(feature = "archive")]
            Format::Gzip => {
                let (file, problem) = archive::gunzip(bytes, self.budget)?;
                self.part(path, Some(bytes), Content::Opaque);
                let name = archive::ungzipped(hint.name);
                let hint = Hint {
                    name: name.as_deref(),
                    ..Hint::default()
                };
                self.inside(path, |walk| {
                    walk.member(path.child("member:1"), &file, &hint)?;
                    problem.map_or(Ok(()), Err)
                });
                Ok(())
            }
            #[cfg(feature = "archive")]
            Format::Tar => {
                self.part(path, Some(bytes), Content::Opaque);
                self.inside(path, |walk| archive::tar(walk, path, bytes));
                Ok(())
            }
            #[cfg(feature = "office")]
            Format::FlatOpenDocument => {
                let document = office::flat_odf(bytes, self.budget)?;
                office::emit(self, path, bytes, None, document);
                Ok(())
            }
            #[cfg(feature = "rtf")]
            Format::Rtf => {
                let document = super::rtf::read(bytes, self.budget)?;
                self.part(path, Some(bytes), Content::Text(document.text));
                self.inside(path, |walk| {
                    for (number, picture) in (1..).zip(&document.pictures) {
                        let path = path.child(format_args!("image:{number}"));
                        walk.member(path, picture, &Hint::default())?;
                    }
                    document.problem.map_or(Ok(()), Err)
                });
                Ok(())
            }
            #[cfg(feature = "pdf")]
            Format::Pdf => super::pdf::read(self, path, bytes),
            other => Err(unsupported(other, bytes)),
        }
    }

    /// An archive, or the office document that it is the shell of.
    #[cfg(feature = "archive")]
    fn zip(&mut self, path: &PartPath, bytes: &[u8], name: Option<&str>) -> Result<()> {
        let mut zip = super::zip::Zip::open(bytes, self.budget)?;
        #[cfg(feature = "office")]
        if let Some(kind) = office::identify(&mut zip, name, self)? {
            let document = office::read(self, &mut zip, &kind)?;
            office::emit(self, path, bytes, Some(&mut zip), document);
            return Ok(());
        }
        // Without the feature `office` its documents are archives of XML.
        let _ = name;
        zip.check(self.budget)?;
        self.part(path, Some(bytes), Content::Opaque);
        self.inside(path, |walk| archive::zip(walk, path, &mut zip));
        Ok(())
    }

    /// The frames of an animation behind the first, without bytes of their own.
    fn frames(&mut self, path: &PartPath, animation: Animation<'_>, lossless: bool) {
        let sink = &mut *self.sink;
        let place = |number| path.child(format_args!("frame:{number}"));
        let result = animation.frames(self.budget, |budget, number, raster| {
            budget.check_time()?;
            budget.charge_part()?;
            sink.part(Part {
                path: place(number),
                bytes: None,
                content: Content::Raster { raster, lossless },
            });
            Ok(())
        });
        if let Err((number, error)) = result {
            self.sink.warning(place(number), error);
        }
    }

    pub(super) fn part(&mut self, path: &PartPath, bytes: Option<&[u8]>, content: Content) {
        self.sink.part(Part {
            path: path.clone(),
            bytes,
            content,
        });
    }

    /// Runs `f` over the members of a container, one level deeper.
    #[cfg(any(
        feature = "archive",
        feature = "html",
        feature = "mail",
        feature = "pdf",
        feature = "rtf"
    ))]
    pub(super) fn inside(&mut self, path: &PartPath, f: impl FnOnce(&mut Walk<'_>) -> Result<()>) {
        let sink = &mut *self.sink;
        let result = self.budget.nested(|budget| f(&mut Walk { budget, sink }));
        if let Err(error) = result {
            self.sink.warning(path.clone(), error);
        }
    }

    /// A page of HTML; the charset is the container's if it names one, else the page's own.
    #[cfg(feature = "html")]
    pub(super) fn page(
        &mut self,
        bytes: &[u8],
        charset: Option<&str>,
    ) -> Result<super::html::Page> {
        let charset = charset.or_else(|| super::html::declared_charset(bytes));
        let source = text::decode(bytes, charset, self.budget)?;
        // Text and pictures of a page are no longer than its source.
        self.budget.charge_decoded(source.len() as u64)?;
        super::html::extract(&source, self.budget)
    }

    /// The pictures that stand in a page. Errors as for [`member`](Self::member).
    #[cfg(feature = "html")]
    pub(super) fn images(&mut self, path: &PartPath, images: &[String]) -> Result<()> {
        for (number, image) in (1..).zip(images) {
            let bytes = super::transfer::base64(image.as_bytes(), self.budget.deadline())?;
            self.member(
                path.child(format_args!("image:{number}")),
                &bytes,
                &Hint::default(),
            )?;
        }
        Ok(())
    }
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

fn unsupported(format: Format, bytes: &[u8]) -> Error {
    let word = format.as_str();
    let lacking = match format {
        Format::Html => Some("html"),
        Format::Mail | Format::Mbox => Some("mail"),
        Format::Zip | Format::Gzip | Format::Tar => Some("archive"),
        Format::FlatOpenDocument => Some("office"),
        Format::Rtf => Some("rtf"),
        Format::Pdf => Some("pdf"),
        _ => None,
    };
    let message = match lacking {
        Some(feature) => format!("{word}: this build lacks the feature `{feature}`"),
        // The shell that Office puts around documents with a password.
        None if format == Format::Ole && is_encrypted_package(bytes) => {
            "encrypted office document, a password is needed: save it without one".to_owned()
        }
        None => format!("{word} is recognised, but this build does not read it"),
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
