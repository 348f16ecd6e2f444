//! From a decoded part to its prints.

use std::sync::Arc;

use super::perceptual::luma_until;
use super::{
    Exact, Fingerprint, PartPrints, RasterKeys, RasterPrints, Recipe, TextPrints, ValuePrint,
};
use crate::deadline::{Deadline, Pacer};
use crate::error::Result;
use crate::media::{Recognised, Table, TextFromImage};
use crate::raster::Raster;
use crate::text::{
    self, Bounds, Folded, Gram, GramKey, Sampling, ValueKey, fold_within, grams_within,
    marks_within,
};

/// The most symbols of one text of which all grams are made; 16 bytes each.
const MAX_DENSE: usize = 4 << 20;

/// Makes the prints of parts under one recipe and key.
#[derive(Clone, Debug)]
pub(super) struct PrintMaker {
    pub(super) recipe: Recipe,
    pub(super) gram_key: GramKey,
    /// `None` where values in texts and tables are of no use.
    pub(super) cell_key: Option<ValueKey>,
    pub(super) raster_keys: RasterKeys,
    pub(super) recogniser: Option<Arc<dyn TextFromImage>>,
}

impl PrintMaker {
    /// A fingerprint of parts.
    pub(super) fn of_parts(&self, parts: Vec<PartPrints>) -> Fingerprint {
        Fingerprint {
            recipe: self.recipe.clone(),
            parts,
            warnings: Vec::new(),
        }
    }

    /// Adds the prints of text that a recogniser reads in a picture; none if it fails.
    pub(super) fn recognise(
        &self,
        raster: &Raster,
        prints: &mut PartPrints,
        bounds: &mut Bounds,
    ) -> Result<()> {
        let Some(recogniser) = &self.recogniser else {
            return Ok(());
        };
        bounds.deadline().check()?;
        let Some(luma) = luma_until(raster, bounds.deadline())? else {
            return Ok(());
        };
        if luma.stems_until(bounds.deadline())?.is_none() {
            return Ok(());
        }
        if let Ok(words) = recogniser.words_until(&luma, bounds.deadline()) {
            let text = Recognised::new(words).text;
            self.text(&text, prints, bounds)?;
        }
        Ok(())
    }

    /// The values in running text, whose prints are known.
    fn cells(
        &self,
        text: &str,
        prints: &TextPrints,
        bounds: &mut Bounds,
    ) -> Result<Vec<ValuePrint>> {
        let Some(key) = &self.cell_key else {
            return Ok(Vec::new());
        };
        let mut cells = text::values_of_text(key, text, bounds)?;
        prints.place(&mut cells, &mut bounds.pacer())?;
        Ok(cells)
    }

    /// The prints of recognised text: every gram, since errors leave few, and the values in it.
    pub(super) fn recognised(
        &self,
        text: &str,
        deadline: &Deadline,
    ) -> Result<(TextPrints, Vec<ValuePrint>)> {
        let bounds = &mut Bounds::until(deadline);
        let folded = fold_within(text, bounds)?;
        let grams = grams_within(folded.symbols(), &self.gram_key, Sampling::All, bounds)?;
        let prints = TextPrints::new(folded, grams);
        let cells = self.cells(text, &prints, bounds)?;
        Ok((prints, cells))
    }

    pub(super) fn raster(
        &self,
        raster: &Raster,
        lossless: bool,
        deadline: &Deadline,
    ) -> Result<RasterPrints> {
        RasterPrints::until(raster, lossless, &self.raster_keys, deadline)
    }

    fn text_prints(&self, text: &str, bounds: &mut Bounds) -> Result<TextPrints> {
        let folded = fold_within(text, bounds)?;
        let sampling = Sampling::Winnow(self.recipe.window);
        let grams = grams_within(folded.symbols(), &self.gram_key, sampling, bounds)?;
        let marks = marks_within(text, folded.offsets(), bounds)?;
        Ok(TextPrints {
            marks,
            ..TextPrints::new(folded, grams)
        })
    }

    /// Adds the prints of a text; none if they would break a bound.
    pub(super) fn text(
        &self,
        text: &str,
        prints: &mut PartPrints,
        bounds: &mut Bounds,
    ) -> Result<()> {
        let made = bounds.attempt(|bounds| {
            let text_prints = self.text_prints(text, bounds)?;
            let cells = self.cells(text, &text_prints, bounds)?;
            Ok((text_prints, cells))
        });
        let (text, cells) = made?;
        (prints.text, prints.cells) = (Some(text), cells);
        Ok(())
    }

    /// Adds the prints of a table; none if they would break a bound.
    pub(super) fn table(
        &self,
        table: &Table,
        prints: &mut PartPrints,
        bounds: &mut Bounds,
    ) -> Result<()> {
        let made = bounds.attempt(|bounds| {
            let text_prints = self.text_prints(table.text(), bounds)?;
            let Some(key) = &self.cell_key else {
                return Ok((text_prints, Vec::new()));
            };
            let places = table.cells().iter().map(|cell| {
                let bytes = cell.start as usize..cell.end as usize;
                (cell.row, cell.column, bytes)
            });
            let mut cells = text::values_of_table(key, table.text(), places, bounds)?;
            text_prints.place(&mut cells, &mut bounds.pacer())?;
            Ok((text_prints, cells))
        });
        let (text, cells) = made?;
        (prints.text, prints.cells) = (Some(text), cells);
        Ok(())
    }

    /// The grams of a text with all of them, not only the winnowed ones, in spans of symbols, which
    /// are sorted by their starts; `None` if the text is not in this process or has no more grams. Spans
    /// past the first [`MAX_DENSE`] symbols are unchanged.
    pub(super) fn denser(
        &self,
        prints: &TextPrints,
        spans: &[(u32, u32)],
        deadline: &Deadline,
    ) -> Result<Option<Vec<Gram>>> {
        let symbols = &prints.exact.symbols;
        let mut pacer = deadline.pacer(1 << 15);
        let mut bounds = Bounds::until(deadline);
        let mut dense: Vec<Gram> = Vec::new();
        let mut outside = prints.grams.iter().copied().peekable();
        let (mut done, mut left) = (0, MAX_DENSE);
        for &(start, end) in spans {
            let start = start.max(done);
            let Some(own) = symbols.get(start as usize..end as usize) else {
                return Ok(None);
            };
            match left.checked_sub(own.len()) {
                Some(rest) => left = rest,
                None => break,
            }
            while let Some(gram) = outside.next_if(|gram| gram.at < start) {
                pacer.step()?;
                dense.push(gram);
            }
            let own = grams_within(own, &self.gram_key, Sampling::All, &mut bounds)?;
            dense.extend(own.iter().map(|gram| Gram {
                at: start + gram.at,
                ..*gram
            }));
            let last = dense.last().map_or(0, |gram| gram.at);
            while outside.next_if(|gram| gram.at <= last).is_some() {
                pacer.step()?;
            }
            done = end;
        }
        for gram in outside {
            pacer.step()?;
            dense.push(gram);
        }
        Ok((dense.len() > prints.grams.len()).then_some(dense))
    }
}

impl TextPrints {
    /// Sets the places of values in symbols.
    fn place(&self, values: &mut [ValuePrint], pacer: &mut Pacer) -> Result<()> {
        let symbol = |char| self.exact.offsets.partition_point(|&offset| offset < char) as u32;
        for value in values {
            pacer.step()?;
            value.symbols = value.span.map(symbol);
        }
        Ok(())
    }

    fn new(folded: Folded, grams: Vec<Gram>) -> Self {
        Self {
            chars: folded.chars(),
            folded: u32::try_from(folded.symbols().len()).unwrap_or(u32::MAX),
            grams,
            anchors: folded.anchors(),
            marks: Vec::new(),
            exact: {
                let (symbols, offsets) = folded.into_parts();
                Exact { symbols, offsets }
            },
        }
    }
}
