//! The content of pages: texts and pictures with their places.
//!
//! Written here on the parser and the fonts of `hayro`, since a complete interpreter spends its
//! time on colours, paths and outlines that are not needed, and cannot be interrupted. All work is
//! counted (see [`Work`]), since forms, resources and fonts are shared.

mod glyphs;
mod operators;

use hayro_font::kurbo::Affine;
use hayro_syntax::object::{Array, Dict, Stream};

use super::layout::{Page, Run};
use super::pages::PdfPage;
use super::streams;
use super::work::Work;
use crate::error::{Error, Result};
use crate::limits::Budget;
use glyphs::Fonts;
use operators::Scope;

/// Memory of a run of text besides its letters.
const RUN: u64 = 64;

/// A picture on a page.
#[derive(Clone)]
pub(super) struct Placed<'p> {
    pub(super) stream: Stream<'p>,
    /// From the unit square to the page.
    pub(super) transform: Affine,
}

/// The content of a page.
#[derive(Default)]
pub(super) struct Contents<'p> {
    pub(super) page: Page,
    pub(super) pictures: Vec<Placed<'p>>,
    /// Whether anything else is drawn.
    pub(super) drawn: bool,
    /// Glyphs, and those of them that mean no character.
    pub(super) glyphs: u64,
    pub(super) unmapped: u64,
    /// Why a font of the page is not read, the first one.
    pub(super) refused: Option<Error>,
}

/// Reads the pages of one file.
pub(super) struct Reader<'p> {
    fonts: Fonts<'p>,
    pub(super) work: Work,
    /// Pictures that may still be placed.
    pictures: u32,
    /// Letters read so far, and whether they are too many.
    letters: u64,
    pub(super) is_full: bool,
    comments: u32,
}

/// The resources that the names in a content stream refer to.
#[derive(Clone, Default)]
struct Resources<'p> {
    fonts: Dict<'p>,
    x_objects: Dict<'p>,
}

impl<'p> Resources<'p> {
    fn new(dict: Option<Dict<'p>>, work: &mut Work) -> Result<Self> {
        let Some(dict) = dict else {
            return Ok(Self::default());
        };
        work.charge(dict.data().len() as u64)?;
        let mut category = |key: &str| -> Result<Dict<'p>> {
            work.entry(&dict, key)?;
            let category = dict.get::<Dict<'p>>(key).unwrap_or_default();
            work.charge(category.data().len() as u64)?;
            Ok(category)
        };
        Ok(Self {
            fonts: category("Font")?,
            x_objects: category("XObject")?,
        })
    }
}

impl<'p> Reader<'p> {
    pub(super) fn new(work: Work, budget: &Budget) -> Self {
        Self {
            fonts: Fonts::new(),
            work,
            pictures: budget.limits().parts,
            letters: 0,
            is_full: false,
            comments: 0,
        }
    }

    /// Reads one page into `contents`, its annotations included.
    ///
    /// # Errors
    /// [`Limit`](crate::ErrorKind::Limit); what came before is in `contents`.
    pub(super) fn page(
        &mut self,
        page: &PdfPage<'p>,
        contents: &mut Contents<'p>,
        budget: &mut Budget,
    ) -> Result<()> {
        let raw = &page.dict;
        self.work.entry(raw, "Contents")?;
        let mut bytes = Vec::new();
        if let Some(stream) = raw.get::<Stream<'_>>(b"Contents") {
            bytes = self.content(&stream, budget)?.into_owned();
        } else if let Some(list) = raw.get::<Array<'_>>(b"Contents") {
            self.work.array(&list)?;
            let mut streams = list.iter::<Stream<'_>>().peekable();
            let mut first = true;
            while let Some(stream) = streams.next() {
                let data = self.content(&stream, budget)?;
                if std::mem::take(&mut first) && streams.peek().is_none() {
                    bytes = data.into_owned();
                } else {
                    bytes.extend_from_slice(&data);
                    bytes.push(b' ');
                }
            }
        }
        let resources = Resources::new(page.resources.clone(), &mut self.work)?;
        let mut scope = Scope::new(self, contents, budget);
        scope.run(&bytes, &resources)?;
        scope.annotations(raw)
    }

    /// The bytes of a content stream; none if it is damaged, which leaves the others.
    fn content<'s>(
        &mut self,
        stream: &Stream<'s>,
        budget: &mut Budget,
    ) -> Result<std::borrow::Cow<'s, [u8]>> {
        self.work.dict(stream.dict())?;
        match streams::decoded_up_to(stream, self.work.left(), budget) {
            Ok(data) => {
                self.work.charge(data.len() as u64)?;
                Ok(data)
            }
            Err(error) if error.kind() == crate::ErrorKind::Malformed => {
                self.work.charge(stream.raw_data().len() as u64)?;
                Ok(std::borrow::Cow::Borrowed(&[]))
            }
            Err(_) if self.work.left() < streams::LARGEST.min(budget.decoded_left()) => {
                budget.check_time()?;
                let left = self.work.left();
                let value = format_args!(
                    "a PDF that repeats its contents, or more than {left} in a stream"
                );
                Err(Error::limit(
                    "decoded_bytes",
                    budget.limits().decoded_bytes,
                    value,
                ))
            }
            Err(error) => Err(error),
        }
    }
}

impl Reader<'_> {
    /// Appends a run to its page, and charges it.
    fn put_down(
        &mut self,
        run: Run,
        contents: &mut Contents<'_>,
        budget: &mut Budget,
    ) -> Result<()> {
        if run.text.is_empty() {
            return Ok(());
        }
        self.letters += run.text.chars().filter(|c| !c.is_whitespace()).count() as u64;
        // Headers and letters drawn twice are dropped later, hardly more than half of all.
        if let Err(error) = budget.check_text(self.letters / 2) {
            self.is_full = true;
            return Err(error);
        }
        budget.charge_decoded(run.text.len() as u64 + RUN)?;
        contents.page.push(run);
        Ok(())
    }
}
