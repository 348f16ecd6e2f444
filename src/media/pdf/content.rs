//! The content streams of pages: the operators that place text and pictures.
//!
//! Written here on the parser and the fonts of `hayro`, since a whole interpreter
//! spends its time on colours, paths and outlines that are not looked at, and
//! cannot be stopped by the clock.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use hayro_font::hayro_cmap::{BfString, load_embedded};
use hayro_font::kurbo::{Affine, Point as KurboPoint, Vec2};
use hayro_font::{CMapResolverFn, Font, FontCache, FontGlyph, FontQuery, FontResolverFn};
use hayro_syntax::content::TypedIter;
use hayro_syntax::content::ops::TypedInstruction as Op;
use hayro_syntax::object::{Array, Dict, Name, Object, ObjectIdentifier, Stream};
use hayro_syntax::page::{Page as PdfPage, Resources};

use super::layout::{Page, Point, Run};
use super::streams;
use crate::error::Result;
use crate::limits::Budget;

/// Forms inside one another. Programs nest two or three.
const MAX_FORMS: u32 = 12;

/// Saved graphics states. Programs keep a few.
const MAX_STATES: usize = 256;

/// Operators between two looks at the clock.
const STRIDE: u32 = 1024;

/// A picture on a page.
#[derive(Clone)]
pub(super) struct Placed<'p> {
    pub(super) stream: Stream<'p>,
    /// From the unit square to the page.
    pub(super) transform: Affine,
}

/// What stands on a page.
#[derive(Default)]
pub(super) struct Contents<'p> {
    pub(super) page: Page,
    pub(super) pictures: Vec<Placed<'p>>,
    /// Whether anything else is drawn.
    pub(super) drawn: bool,
    /// Glyphs, and those of them that mean no character.
    pub(super) glyphs: u64,
    pub(super) unmapped: u64,
}

/// Reads the pages of one file.
pub(super) struct Reader<'p> {
    cache: FontCache<'p>,
    fonts: FontResolverFn,
    maps: CMapResolverFn,
    known: HashMap<ObjectIdentifier, Option<Rc<KnownFont<'p>>>>,
    steps: u32,
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
    fn glyph(&self, code: u32) -> Rc<Glyph> {
        let mut glyphs = self.glyphs.borrow_mut();
        let glyph = glyphs.entry(code).or_insert_with(|| {
            let text = match self.font.glyph(self.font.map_code(code), code) {
                FontGlyph::Outline(glyph) => glyph.as_unicode(),
                FontGlyph::Type3(glyph) => glyph.as_unicode(),
            };
            Rc::new(Glyph {
                text,
                advance: self.font.code_advance(code),
            })
        });
        glyph.clone()
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

/// One content stream under way.
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
    pub(super) fn new() -> Self {
        Self {
            cache: FontCache::new(),
            fonts: Arc::new(|query| match query {
                FontQuery::Standard(font) => Some(font.get_font_data()),
                FontQuery::Fallback(font) => Some(font.pick_standard_font().get_font_data()),
            }),
            maps: Arc::new(load_embedded),
            known: HashMap::new(),
            steps: 0,
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
        let raw = page.raw();
        let mut streams: Vec<Stream<'p>> = Vec::new();
        if let Some(stream) = raw.get::<Stream<'_>>(b"Contents") {
            streams.push(stream);
        } else if let Some(list) = raw.get::<Array<'_>>(b"Contents") {
            streams.extend(list.iter::<Stream<'_>>());
        }
        let mut bytes = Vec::new();
        for stream in &streams {
            // Damage in one stream leaves the others.
            match streams::decoded(stream, budget) {
                Ok(data) if streams.len() == 1 => bytes = data.into_owned(),
                Ok(data) => {
                    bytes.extend_from_slice(&data);
                    bytes.push(b' ');
                }
                Err(error) if error.kind() == crate::ErrorKind::Limit => return Err(error),
                Err(_) => {}
            }
        }
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
        scope.run(&bytes, page.resources())?;
        scope.annotations(raw)
    }

    fn font(&mut self, dict: &Dict<'p>, budget: &Budget) -> Result<Option<Rc<KnownFont<'p>>>> {
        if let Some(font) = dict.obj_id().and_then(|id| self.known.get(&id)) {
            return Ok(font.clone());
        }
        streams::check_font(dict, budget)?;
        let font = self.cache.font(dict, &self.fonts, &self.maps);
        let font = font.map(|font| {
            Rc::new(KnownFont {
                horizontal: font.is_horizontal(),
                font,
                glyphs: std::cell::RefCell::default(),
            })
        });
        if let Some(id) = dict.obj_id() {
            self.known.insert(id, font.clone());
        }
        Ok(font)
    }
}

impl<'p> Scope<'_, 'p> {
    fn run(&mut self, bytes: &[u8], resources: &Resources<'p>) -> Result<()> {
        let mut fonts: HashMap<Vec<u8>, Option<Rc<KnownFont<'p>>>> = HashMap::new();
        let mut ops = TypedIter::new(bytes);
        let saved = self.saved.len();
        while let Some(op) = ops.next() {
            self.reader.steps = self.reader.steps.wrapping_add(1);
            if self.reader.steps.is_multiple_of(STRIDE) {
                self.budget.check_time()?;
            }
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
                            let dict = resources.get_font(font.0);
                            let known = match dict {
                                Some(dict) => self.reader.font(&dict, self.budget)?,
                                None => None,
                            };
                            fonts.insert(font.0.as_ref().to_vec(), known.clone());
                            known
                        }
                    };
                }
                Op::ShowText(text) => self.show([Piece::Text(text.0.as_bytes())]),
                Op::NextLineAndShowText(text) => {
                    self.next_line(0.0, -self.state.leading);
                    self.show([Piece::Text(text.0.as_bytes())]);
                }
                Op::ShowTextWithParameters(text) => {
                    self.state.word_space = text.0.as_f64();
                    self.state.char_space = text.1.as_f64();
                    self.next_line(0.0, -self.state.leading);
                    self.show([Piece::Text(text.2.as_bytes())]);
                }
                Op::ShowTexts(list) => {
                    let pieces: Vec<Object<'_>> = list.0.iter::<Object<'_>>().collect();
                    self.show(pieces.iter().filter_map(|piece| match piece {
                        Object::String(text) => Some(Piece::Text(text.as_bytes())),
                        Object::Number(by) => Some(Piece::Move(by.as_f64())),
                        _ => None,
                    }));
                }
                Op::XObject(name) => {
                    if let Some(object) = resources.get_x_object(name.0) {
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
    fn show<'t>(&mut self, pieces: impl IntoIterator<Item = Piece<'t>>) {
        let Some(font) = self.state.font.clone() else {
            return;
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
        let size = state.size / 1000.0;
        for piece in pieces {
            match piece {
                Piece::Move(by) => {
                    let step = -by * size;
                    let step = if font.horizontal {
                        Vec2::new(step * state.stretch, 0.0)
                    } else {
                        Vec2::new(0.0, step)
                    };
                    self.text *= Affine::translate(step);
                    // Words are often set apart by a move alone.
                    if -by > 1500.0 {
                        run.text.push('\t');
                    } else if -by > 160.0 && !run.text.ends_with(' ') {
                        run.text.push(' ');
                    }
                }
                Piece::Text(bytes) => {
                    let mut at = 0;
                    let mut step = Vec2::ZERO;
                    while at < bytes.len() {
                        let (code, len) = font.font.read_code(bytes, at);
                        at += len.max(1);
                        let glyph = font.glyph(code);
                        self.contents.glyphs += 1;
                        match &glyph.text {
                            // Private characters are glyphs that mean no other.
                            Some(BfString::Char('\u{e000}'..='\u{f8ff}' | '\0')) | None => {
                                self.contents.unmapped += 1;
                            }
                            Some(BfString::Char(c)) => run.text.push(*c),
                            Some(BfString::String(text)) => run.text.push_str(text),
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
            }
        }
        run.end = point(state.to_page * self.text * rise);
        if !run.text.is_empty() {
            self.contents.page.push(run);
        }
    }

    /// Draws a picture or a form.
    fn object(&mut self, object: &Stream<'p>, outer: &Resources<'p>) -> Result<()> {
        let subtype = object.dict().get::<Name<'_>>(b"Subtype");
        match subtype.as_ref().map(|name| name.as_ref() as &[u8]) {
            Some(b"Image") => {
                if self.contents.pictures.len() < self.budget.limits().parts as usize {
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
        let result = match streams::decoded(form, self.budget) {
            Ok(bytes) => {
                let matrix = form.dict().get::<[f64; 6]>(b"Matrix").map(Affine::new);
                let resources = form
                    .dict()
                    .get::<Dict<'_>>(b"Resources")
                    .map(Resources::new);
                let state = self.state.clone();
                let (text, line) = (self.text, self.line);
                self.state.to_page *= place * matrix.unwrap_or(Affine::IDENTITY);
                self.depth += 1;
                let result = self.run(&bytes, resources.as_ref().unwrap_or(outer));
                self.depth -= 1;
                self.state = state;
                (self.text, self.line) = (text, line);
                result
            }
            Err(error) if error.kind() == crate::ErrorKind::Limit => Err(error),
            Err(_) => Ok(()),
        };
        self.open.remove(&id);
        result
    }

    /// The texts of annotations: form fields and stamps as they look, comments by their words.
    fn annotations(&mut self, page: &Dict<'p>) -> Result<()> {
        let Some(list) = page.get::<Array<'_>>(b"Annots") else {
            return Ok(());
        };
        for annotation in list.iter::<Dict<'_>>() {
            self.budget.check_time()?;
            let appearance = annotation.get::<Dict<'_>>(b"AP");
            if let Some(stream) = appearance.and_then(|dict| dict.get::<Stream<'_>>(b"N")) {
                let rect = annotation.get::<[f64; 4]>(b"Rect").unwrap_or_default();
                let place = Affine::translate((rect[0], rect[1]));
                self.form(&stream, &Resources::new(Dict::empty()), place)?;
            }
            // Typed on the page: the appearance has said it.
            let kind = annotation.get::<Name<'_>>(b"Subtype");
            let is_typed = kind.is_some_and(|kind| kind.as_ref() as &[u8] == b"FreeText");
            if let Some(words) = annotation.get::<hayro_syntax::object::String<'_>>(b"Contents")
                && !is_typed
            {
                // Far outside the page, each on a line of its own.
                let text = super::text_string(words.as_bytes());
                let start = Point {
                    x: 0.0,
                    y: -1e6 - 100.0 * f64::from(self.reader.steps),
                };
                self.reader.steps = self.reader.steps.wrapping_add(1);
                self.contents.page.push(Run {
                    text,
                    start,
                    end: start,
                    along: Point { x: 1.0, y: 0.0 },
                    em: 10.0,
                });
            }
        }
        Ok(())
    }
}

enum Piece<'t> {
    Text(&'t [u8]),
    /// In thousandths of the size of the font, to the left.
    Move(f64),
}

fn point(point: KurboPoint) -> Point {
    Point {
        x: point.x,
        y: point.y,
    }
}
