//! The operators of a content stream: text, pictures, forms and annotations.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use hayro_font::hayro_cmap::BfString;
use hayro_font::kurbo::{Affine, Point as KurboPoint, Vec2};
use hayro_syntax::content::TypedIter;
use hayro_syntax::content::ops::TypedInstruction as Op;
use hayro_syntax::object::{Array, Dict, Name, Object, ObjectIdentifier, Stream};

use super::glyphs::{GLYPH, KnownFont};
use super::{Contents, Placed, Reader, Resources};
use crate::error::Result;
use crate::limits::Budget;
use crate::media::pdf::inline;
use crate::media::pdf::layout::{Point, Run};
use crate::media::pdf::text_string;

/// Forms inside one another. Programs nest two or three.
const MAX_FORMS: u32 = 12;

/// Saved graphics states. Programs keep a few.
const MAX_STATES: usize = 256;

/// Work for an operator, besides the bytes of its content stream.
const OPERATOR: u64 = 8;

/// Work for a byte of the text of a glyph that means several letters.
const LETTER: u64 = 12;

/// Work for a name that is met for the first time in a stream.
const NAME: u64 = 64;

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
pub(super) struct Scope<'r, 'p> {
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

impl<'r, 'p> Scope<'r, 'p> {
    /// Starts a page.
    pub(super) fn new(
        reader: &'r mut Reader<'p>,
        contents: &'r mut Contents<'p>,
        budget: &'r mut Budget,
    ) -> Self {
        Self {
            reader,
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
        }
    }

    pub(super) fn run(&mut self, bytes: &[u8], resources: &Resources<'p>) -> Result<()> {
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
                                Some(dict) => self.reader.fonts.get(
                                    &dict,
                                    &mut self.contents.refused,
                                    &mut self.reader.work,
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
    pub(super) fn annotations(&mut self, page: &Dict<'p>) -> Result<()> {
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
                let text = text_string(words.as_bytes());
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
