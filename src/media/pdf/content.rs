//! The content streams of pages: the operators that place text and pictures.
//!
//! Written here on the parser and the fonts of `hayro`, since a complete interpreter spends its
//! time on colours, paths and outlines that are not needed, and cannot be interrupted. All work is
//! counted (see [`Work`]), since forms, resources and fonts are shared.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use hayro_font::hayro_cmap::{BfString, load_embedded};
use hayro_font::kurbo::{Affine, Point as KurboPoint, Vec2};
use hayro_font::{CMapResolverFn, Font, FontCache, FontGlyph, FontQuery, FontResolverFn};
use hayro_syntax::content::TypedIter;
use hayro_syntax::content::ops::TypedInstruction as Op;
use hayro_syntax::object::{Array, Dict, Name, Object, ObjectIdentifier, Stream};

use super::layout::{Page, Point, Run};
use super::pages::PdfPage;
use super::work::Work;
use super::{fonts, inline, streams};
use crate::error::{Error, Result};
use crate::limits::Budget;

/// Forms inside one another. Programs nest two or three.
const MAX_FORMS: u32 = 12;

/// Saved graphics states. Programs keep a few.
const MAX_STATES: usize = 256;

/// Work for an operator and for a glyph, besides the bytes of its content stream.
const OPERATOR: u64 = 8;
const GLYPH: u64 = 8;

/// Work for a byte of the text of a glyph that means several letters.
const LETTER: u64 = 12;

/// Work for a name that is met for the first time in a stream.
const NAME: u64 = 64;

/// Work for a glyph of a font that is met for the first time.
const NEW_GLYPH: u64 = 64;

/// Letters that one glyph may mean. The longest that fonts have is a blessing of 18.
const MAX_LETTERS: usize = 256;

/// Glyphs of one font that are remembered.
const MAX_GLYPHS: usize = 1 << 16;

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
    cache: FontCache<'p>,
    fonts: FontResolverFn,
    maps: CMapResolverFn,
    known: HashMap<ObjectIdentifier, Option<Rc<KnownFont<'p>>>>,
    /// Fonts that are no objects, by their bytes.
    direct: HashMap<&'p [u8], Option<Rc<KnownFont<'p>>>>,
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

/// A font with the glyphs met so far.
struct KnownFont<'p> {
    font: Font<'p>,
    horizontal: bool,
    glyphs: std::cell::RefCell<HashMap<u32, Rc<Glyph>>>,
}

struct Glyph {
    text: Option<BfString>,
    advance: Vec2,
}

impl KnownFont<'_> {
    fn glyph(&self, code: u32, work: &mut Work) -> Result<Rc<Glyph>> {
        work.charge(GLYPH)?;
        let mut glyphs = self.glyphs.borrow_mut();
        if let Some(glyph) = glyphs.get(&code) {
            return Ok(glyph.clone());
        }
        let text = match self.font.glyph(self.font.map_code(code), code) {
            FontGlyph::Outline(glyph) => glyph.as_unicode(),
            FontGlyph::Type3(glyph) => glyph.as_unicode(),
        };
        let text = match text {
            Some(BfString::String(text)) if text.len() > MAX_LETTERS => None,
            text => text,
        };
        let glyph = Rc::new(Glyph {
            text,
            advance: self.font.code_advance(code),
        });
        work.charge(NEW_GLYPH)?;
        if glyphs.len() < MAX_GLYPHS {
            glyphs.insert(code, glyph.clone());
        }
        Ok(glyph)
    }
}

#[derive(Clone)]
struct State<'p> {
    to_page: Affine,
    font: Option<Rc<KnownFont<'p>>>,
    size: f64,
    char_space: f64,
    word_space: f64,
    stretch: f64,
    leading: f64,
    rise: f64,
}

/// A content stream that is being read.
struct Scope<'r, 'p> {
    reader: &'r mut Reader<'p>,
    contents: &'r mut Contents<'p>,
    budget: &'r mut Budget,
    depth: u32,
    state: State<'p>,
    saved: Vec<State<'p>>,
    text: Affine,
    line: Affine,
    /// Forms and annotations that are open, so that none contains itself.
    open: HashSet<ObjectIdentifier>,
}

impl<'p> Reader<'p> {
    pub(super) fn new(work: Work, budget: &Budget) -> Self {
        Self {
            cache: FontCache::new(),
            fonts: Arc::new(|query| match query {
                FontQuery::Standard(font) => Some(font.get_font_data()),
                FontQuery::Fallback(font) => Some(font.pick_standard_font().get_font_data()),
            }),
            maps: Arc::new(load_embedded),
            known: HashMap::new(),
            direct: HashMap::new(),
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
        let mut scope = Scope {
            reader: self,
            contents,
            budget,
            depth: 0,
            state: State {
                to_page: Affine::IDENTITY,
                font: None,
                size: 0.0,
                char_space: 0.0,
                word_space: 0.0,
                stretch: 1.0,
                leading: 0.0,
                rise: 0.0,
            },
            saved: Vec::new(),
            text: Affine::IDENTITY,
            line: Affine::IDENTITY,
            open: HashSet::new(),
        };
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

    /// A font; the error of one that must not be read goes to `refused`.
    ///
    /// # Errors
    /// [`Limit`](crate::ErrorKind::Limit) if nothing more may be read.
    fn font(
        &mut self,
        dict: &Dict<'p>,
        refused: &mut Option<Error>,
        budget: &mut Budget,
    ) -> Result<Option<Rc<KnownFont<'p>>>> {
        let known = match dict.obj_id() {
            Some(id) => self.known.get(&id),
            None => self.direct.get(dict.data()),
        };
        if let Some(font) = known {
            return Ok(font.clone());
        }
        let font = match fonts::check(dict, budget, &mut self.work) {
            Ok(memory) => {
                if self.work.keep_font(memory) {
                    self.cache = FontCache::new();
                    self.known.clear();
                    self.direct.clear();
                }
                self.cache.font(dict, &self.fonts, &self.maps)
            }
            Err(error) => {
                budget.check_time()?;
                if self.work.is_spent() {
                    return Err(error);
                }
                refused.get_or_insert(error);
                None
            }
        };
        let font = font.map(|font| {
            Rc::new(KnownFont {
                horizontal: font.is_horizontal(),
                font,
                glyphs: std::cell::RefCell::default(),
            })
        });
        match dict.obj_id() {
            Some(id) => self.known.insert(id, font.clone()),
            None => self.direct.insert(dict.data(), font.clone()),
        };
        Ok(font)
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

impl<'p> Scope<'_, 'p> {
    fn run(&mut self, bytes: &[u8], resources: &Resources<'p>) -> Result<()> {
        let mut fonts: HashMap<Vec<u8>, Option<Rc<KnownFont<'p>>>> = HashMap::new();
        let mut objects: HashMap<Vec<u8>, Option<Stream<'p>>> = HashMap::new();
        self.reader.work.charge(bytes.len() as u64)?;
        let (bytes, cut) = inline::without_images(bytes);
        self.contents.drawn |= cut;
        let mut ops = TypedIter::new(&bytes);
        let saved = self.saved.len();
        while let Some(op) = ops.next() {
            self.reader.work.charge(OPERATOR)?;
            match op {
                Op::SaveState(_) if self.saved.len() < MAX_STATES => {
                    self.saved.push(self.state.clone());
                }
                Op::RestoreState(_) if self.saved.len() > saved => {
                    self.state = self.saved.pop().unwrap_or_else(|| self.state.clone());
                }
                Op::Transform(m) => {
                    let m = [&m.0, &m.1, &m.2, &m.3, &m.4, &m.5].map(|n| n.as_f64());
                    self.state.to_page *= Affine::new(m);
                }
                Op::BeginText(_) => {
                    self.text = Affine::IDENTITY;
                    self.line = Affine::IDENTITY;
                }
                Op::SetTextMatrix(m) => {
                    let m = [&m.0, &m.1, &m.2, &m.3, &m.4, &m.5].map(|n| n.as_f64());
                    self.line = Affine::new(m);
                    self.text = self.line;
                }
                Op::NextLine(by) => self.next_line(by.0.as_f64(), by.1.as_f64()),
                Op::NextLineAndSetLeading(by) => {
                    self.state.leading = -by.1.as_f64();
                    self.next_line(by.0.as_f64(), by.1.as_f64());
                }
                Op::NextLineUsingLeading(_) => self.next_line(0.0, -self.state.leading),
                Op::CharacterSpacing(n) => self.state.char_space = n.0.as_f64(),
                Op::WordSpacing(n) => self.state.word_space = n.0.as_f64(),
                Op::HorizontalScaling(n) => self.state.stretch = n.0.as_f64() / 100.0,
                Op::TextLeading(n) => self.state.leading = n.0.as_f64(),
                Op::TextRise(n) => self.state.rise = n.0.as_f64(),
                Op::TextFont(font) => {
                    self.state.size = font.1.as_f64();
                    self.state.font = match fonts.get(font.0.as_ref() as &[u8]) {
                        Some(known) => known.clone(),
                        None => {
                            self.reader.work.entry(&resources.fonts, font.0)?;
                            let known = match resources.fonts.get::<Dict<'p>>(font.0) {
                                Some(dict) => self.reader.font(
                                    &dict,
                                    &mut self.contents.refused,
                                    self.budget,
                                )?,
                                None => None,
                            };
                            self.reader.work.charge(NAME)?;
                            fonts.insert(font.0.as_ref().to_vec(), known.clone());
                            known
                        }
                    };
                }
                Op::ShowText(text) => self.show([Piece::Text(text.0.as_bytes())])?,
                Op::NextLineAndShowText(text) => {
                    self.next_line(0.0, -self.state.leading);
                    self.show([Piece::Text(text.0.as_bytes())])?;
                }
                Op::ShowTextWithParameters(text) => {
                    self.state.word_space = text.0.as_f64();
                    self.state.char_space = text.1.as_f64();
                    self.next_line(0.0, -self.state.leading);
                    self.show([Piece::Text(text.2.as_bytes())])?;
                }
                Op::ShowTexts(list) => {
                    self.show(list.0.iter::<Object<'_>>().filter_map(|piece| match piece {
                        Object::String(text) => Some(Piece::Owned(text)),
                        Object::Number(by) => Some(Piece::Move(by.as_f64())),
                        _ => None,
                    }))?;
                }
                Op::XObject(name) => {
                    let object = match objects.get(name.0.as_ref() as &[u8]) {
                        Some(object) => object.clone(),
                        None => {
                            self.reader.work.entry(&resources.x_objects, name.0)?;
                            let object = resources.x_objects.get::<Stream<'p>>(name.0);
                            self.reader.work.charge(NAME)?;
                            objects.insert(name.0.as_ref().to_vec(), object.clone());
                            object
                        }
                    };
                    if let Some(object) = object {
                        self.object(&object, resources)?;
                    }
                }
                Op::StrokePath(_)
                | Op::FillPathNonZero(_)
                | Op::FillPathEvenOdd(_)
                | Op::FillPathNonZeroCompatibility(_)
                | Op::FillAndStrokeNonZero(_)
                | Op::FillAndStrokeEvenOdd(_)
                | Op::InlineImage(_)
                | Op::Shading(_) => self.contents.drawn = true,
                _ => {}
            }
        }
        self.saved.truncate(saved);
        Ok(())
    }

    fn next_line(&mut self, x: f64, y: f64) {
        self.line *= Affine::translate((x, y));
        self.text = self.line;
    }

    /// Shows the pieces of one operator.
    fn show<'t>(&mut self, pieces: impl IntoIterator<Item = Piece<'t>>) -> Result<()> {
        let Some(font) = self.state.font.clone() else {
            return Ok(());
        };
        let state = &self.state;
        let rise = KurboPoint::new(0.0, state.rise);
        let to_page = state.to_page * self.text;
        let start = to_page * rise;
        let axis = to_page * (rise + Vec2::new(state.stretch.signum(), 0.0)) - start;
        let along = match axis.hypot() {
            length if length > 0.0 && length.is_finite() => axis / length,
            _ => Vec2::new(1.0, 0.0),
        };
        let em = (to_page.determinant().abs().sqrt() * state.size).abs();
        let mut run = Run {
            start: point(start),
            along: Point {
                x: along.x,
                y: along.y,
            },
            em,
            ..Run::default()
        };
        let result = self.pieces(pieces, &font, &mut run);
        // Text read before the allowance was spent is kept.
        run.end = point(self.state.to_page * self.text * rise);
        let put_down = self.reader.put_down(run, self.contents, self.budget);
        result.and(put_down)
    }

    /// Advances over the pieces of one operator, and collects their letters.
    fn pieces<'t>(
        &mut self,
        pieces: impl IntoIterator<Item = Piece<'t>>,
        font: &KnownFont<'p>,
        run: &mut Run,
    ) -> Result<()> {
        let state = &self.state;
        let size = state.size / 1000.0;
        for piece in pieces {
            let bytes = match &piece {
                Piece::Move(by) => {
                    let step = -by * size;
                    let step = if font.horizontal {
                        Vec2::new(step * state.stretch, 0.0)
                    } else {
                        Vec2::new(0.0, step)
                    };
                    self.text *= Affine::translate(step);
                    // Words are often separated by a move only.
                    if -by > 1500.0 {
                        run.text.push('\t');
                    } else if -by > 160.0 && !run.text.ends_with(' ') {
                        run.text.push(' ');
                    }
                    self.reader.work.charge(GLYPH)?;
                    continue;
                }
                Piece::Text(bytes) => bytes,
                Piece::Owned(text) => text.as_bytes(),
            };
            let mut at = 0;
            let mut step = Vec2::ZERO;
            while at < bytes.len() {
                let (code, len) = font.font.read_code(bytes, at);
                at += len.max(1);
                let glyph = font.glyph(code, &mut self.reader.work)?;
                self.contents.glyphs += 1;
                match &glyph.text {
                    // Private characters are glyphs without a public character.
                    Some(BfString::Char('\u{e000}'..='\u{f8ff}' | '\0')) | None => {
                        self.contents.unmapped += 1;
                    }
                    Some(BfString::Char(c)) => run.text.push(*c),
                    Some(BfString::String(text)) => {
                        // A ligature maps to several letters.
                        self.reader.work.charge(LETTER * text.len() as u64)?;
                        run.text.push_str(text);
                    }
                }
                let mut space = state.char_space;
                if code == 32 && len == 1 {
                    space += state.word_space;
                }
                step += if font.horizontal {
                    Vec2::new((glyph.advance.x * size + space) * state.stretch, 0.0)
                } else {
                    Vec2::new(0.0, glyph.advance.y * size + space)
                };
            }
            self.text *= Affine::translate(step);
        }
        Ok(())
    }

    /// Draws a picture or a form.
    fn object(&mut self, object: &Stream<'p>, outer: &Resources<'p>) -> Result<()> {
        let subtype = object.dict().get::<Name<'_>>(b"Subtype");
        match subtype.as_ref().map(|name| name.as_ref() as &[u8]) {
            Some(b"Image") => {
                self.reader.work.dict(object.dict())?;
                if let Some(left) = self.reader.pictures.checked_sub(1) {
                    self.reader.pictures = left;
                    self.contents.pictures.push(Placed {
                        stream: object.clone(),
                        transform: self.state.to_page,
                    });
                }
                Ok(())
            }
            Some(b"Form") => self.form(object, outer, Affine::IDENTITY),
            _ => Ok(()),
        }
    }

    fn form(&mut self, form: &Stream<'p>, outer: &Resources<'p>, place: Affine) -> Result<()> {
        let id = form.obj_id();
        if self.depth >= MAX_FORMS || !self.open.insert(id) {
            return Ok(());
        }
        let result = self.draw(form, outer, place);
        self.open.remove(&id);
        result
    }

    fn draw(&mut self, form: &Stream<'p>, outer: &Resources<'p>, place: Affine) -> Result<()> {
        let bytes = self.reader.content(form, self.budget)?;
        let dict = form.dict();
        let matrix = dict.get::<[f64; 6]>(b"Matrix").map(Affine::new);
        let own = match dict.get::<Dict<'_>>(b"Resources") {
            Some(own) => Some(Resources::new(Some(own), &mut self.reader.work)?),
            None => None,
        };
        let state = self.state.clone();
        let (text, line) = (self.text, self.line);
        self.state.to_page *= place * matrix.unwrap_or(Affine::IDENTITY);
        self.depth += 1;
        let result = self.run(&bytes, own.as_ref().unwrap_or(outer));
        self.depth -= 1;
        self.state = state;
        (self.text, self.line) = (text, line);
        result
    }

    /// The texts of annotations: form fields and stamps as they look, comments by their words.
    fn annotations(&mut self, page: &Dict<'p>) -> Result<()> {
        self.reader.work.entry(page, "Annots")?;
        let Some(list) = page.get::<Array<'_>>(b"Annots") else {
            return Ok(());
        };
        self.reader.work.array(&list)?;
        for annotation in list.iter::<Dict<'_>>() {
            self.reader.work.dict(&annotation)?;
            let appearance = annotation.get::<Dict<'_>>(b"AP");
            if let Some(appearance) = appearance {
                self.reader.work.charge(appearance.data().len() as u64)?;
                self.reader.work.entry(&appearance, "N")?;
                if let Some(stream) = appearance.get::<Stream<'_>>(b"N") {
                    let rect = annotation.get::<[f64; 4]>(b"Rect").unwrap_or_default();
                    let place = Affine::translate((rect[0], rect[1]));
                    self.form(&stream, &Resources::default(), place)?;
                }
            }
            // Typed on the page: its appearance has this text already.
            let kind = annotation.get::<Name<'_>>(b"Subtype");
            let is_typed = kind.is_some_and(|kind| kind.as_ref() as &[u8] == b"FreeText");
            if let Some(words) = annotation.get::<hayro_syntax::object::String<'_>>(b"Contents")
                && !is_typed
            {
                self.reader
                    .work
                    .charge(GLYPH * words.as_bytes().len() as u64)?;
                // Far outside the page, one line each.
                let text = super::text_string(words.as_bytes());
                let start = Point {
                    x: 0.0,
                    y: -1e6 - 100.0 * f64::from(self.reader.comments),
                };
                self.reader.comments = self.reader.comments.wrapping_add(1);
                let run = Run {
                    text,
                    start,
                    end: start,
                    along: Point { x: 1.0, y: 0.0 },
                    em: 10.0,
                };
                self.reader.put_down(run, self.contents, self.budget)?;
            }
        }
        Ok(())
    }
}

enum Piece<'t> {
    Text(&'t [u8]),
    Owned(hayro_syntax::object::String<'t>),
    /// In thousandths of the size of the font, to the left.
    Move(f64),
}

fn point(point: KurboPoint) -> Point {
    Point {
        x: point.x,
        y: point.y,
    }
}
