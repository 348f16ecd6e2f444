//! The fonts of a file with the glyphs met so far, by which texts are read.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use hayro_font::hayro_cmap::{BfString, load_embedded};
use hayro_font::kurbo::Vec2;
use hayro_font::{CMapResolverFn, Font, FontCache, FontGlyph, FontQuery, FontResolverFn};
use hayro_syntax::object::{Dict, ObjectIdentifier};

use crate::error::{Error, Result};
use crate::limits::Budget;
use crate::media::pdf::fonts::check;
use crate::media::pdf::work::Work;

/// Work for a glyph, besides the bytes of its content stream.
pub(super) const GLYPH: u64 = 8;

/// Work for a glyph of a font that is met for the first time.
const NEW_GLYPH: u64 = 64;

/// Letters that one glyph may mean. The longest that fonts have is a blessing of 18.
const MAX_LETTERS: usize = 256;

/// Glyphs of one font that are remembered.
const MAX_GLYPHS: usize = 1 << 16;

/// A font with the glyphs met so far.
pub(super) struct KnownFont<'p> {
    pub(super) font: Font<'p>,
    pub(super) horizontal: bool,
    glyphs: std::cell::RefCell<HashMap<u32, Rc<Glyph>>>,
}

pub(super) struct Glyph {
    pub(super) text: Option<BfString>,
    pub(super) advance: Vec2,
}

impl KnownFont<'_> {
    pub(super) fn glyph(&self, code: u32, work: &mut Work) -> Result<Rc<Glyph>> {
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

/// The fonts of one file.
pub(super) struct Fonts<'p> {
    cache: FontCache<'p>,
    standard: FontResolverFn,
    maps: CMapResolverFn,
    known: HashMap<ObjectIdentifier, Option<Rc<KnownFont<'p>>>>,
    /// Fonts that are no objects, by their bytes.
    direct: HashMap<&'p [u8], Option<Rc<KnownFont<'p>>>>,
}

impl<'p> Fonts<'p> {
    pub(super) fn new() -> Self {
        Self {
            cache: FontCache::new(),
            standard: Arc::new(|query| match query {
                FontQuery::Standard(font) => Some(font.get_font_data()),
                FontQuery::Fallback(font) => Some(font.pick_standard_font().get_font_data()),
            }),
            maps: Arc::new(load_embedded),
            known: HashMap::new(),
            direct: HashMap::new(),
        }
    }

    /// A font; the error of one that must not be read goes to `refused`.
    ///
    /// # Errors
    /// [`Limit`](crate::ErrorKind::Limit) if nothing more may be read.
    pub(super) fn get(
        &mut self,
        dict: &Dict<'p>,
        refused: &mut Option<Error>,
        work: &mut Work,
        budget: &mut Budget,
    ) -> Result<Option<Rc<KnownFont<'p>>>> {
        let known = match dict.obj_id() {
            Some(id) => self.known.get(&id),
            None => self.direct.get(dict.data()),
        };
        if let Some(font) = known {
            return Ok(font.clone());
        }
        let font = match check(dict, budget, work) {
            Ok(memory) => {
                if work.keep_font(memory) {
                    self.cache = FontCache::new();
                    self.known.clear();
                    self.direct.clear();
                }
                self.cache.font(dict, &self.standard, &self.maps)
            }
            Err(error) => {
                budget.check_time()?;
                if work.is_spent() {
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
