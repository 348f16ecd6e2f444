//! Writing the sections of the file.

use std::io::{Seek, Write};

use crate::code::Code256;
use crate::error::Result;
use crate::exec::Executor;
use crate::index::hamming::{CodeSet, Engine};
use crate::index::layout::Section;
use crate::index::records::{
    DIGEST_DISCOUNTED, DIGEST_PIXELS, DigestRecord, KEY_STORED, MetaRecord, PICTURE_DISCOUNTED,
    PictureRecord,
};

use super::grams::{self, Plan};
use super::sink::{FileSink, SectionSink};
use super::vouch::Vouching;
use super::{IndexWriter, PictureEntry, cells, local};

impl IndexWriter {
    /// Writes the whole file. Everything is sorted by all of its fields, so the order depends
    /// neither on the number of threads nor on the sorting algorithm.
    pub(crate) fn write<W: Write + Seek>(&mut self, out: W, exec: &Executor) -> Result<()> {
        let hasher = grams::sort(&mut self.postings, exec)?;
        exec.sort_by_key(&mut self.digests, |entry| *entry);
        exec.sort_by_key(&mut self.cells, |entry| *entry);
        let mut order: Vec<u32> = (0..self.items.len() as u32).collect();
        exec.sort_by_key(&mut order, |&item| self.name(item));
        let common_grams = self.discounts.grams();
        let common_digests = self.discounts.digests();
        let common_pictures = self.discounts.pictures(&self.pictures, exec)?;

        let patches = self.discounts.patches();
        let locals = local::tables(&self.locals, patches, &self.siblings, exec);
        exec.sort_by_key(&mut self.closings, |entry| *entry);
        self.closings.dedup();
        let vouching = Vouching {
            postings: &self.postings,
            parts: &self.parts,
            messages: &self.messages,
            window: self.recipe.window,
            siblings: &self.siblings,
            closings: &self.closings,
            common: &common_grams,
            sure: self.discounts.vouched(),
        };
        let standings = vouching.of_lists(exec)?;
        let plan = Plan::new(&self.postings, &standings, hasher);
        let (cells, places) = cells::tables(&self.cells, &self.discounts.cells());
        let mut meta = self.meta(&plan);
        meta.cells = cells.len() as u32;
        meta.cell_places = places.len() as u32;
        meta.tables = self.parts.iter().filter(|part| part.rows > 0).count() as u32;
        meta.discounted_cells = cells.iter().map(|cell| cell.flags).sum();

        let mut file = FileSink::new(out)?;
        file.section(Section::Meta, |s| s.put(&meta))?;
        file.section(Section::Strings, |s| s.put(self.strings.as_slice()))?;
        file.section(Section::Items, |s| s.put(self.items.as_slice()))?;
        file.section(Section::ItemOrder, |s| s.put(order.as_slice()))?;
        file.section(Section::Parts, |s| s.put(self.parts.as_slice()))?;
        file.section(Section::Anchors, |s| s.put(self.anchors.as_slice()))?;
        file.section(Section::Digests, |s| {
            self.digests
                .iter()
                .try_for_each(|entry| s.put(&entry.digest.0))
        })?;
        file.section(Section::DigestRefs, |s| {
            self.digests.iter().try_for_each(|entry| {
                let mut flags = 0;
                if entry.pixels {
                    flags |= DIGEST_PIXELS;
                }
                if common_digests.binary_search(&entry.digest).is_ok() {
                    flags |= DIGEST_DISCOUNTED;
                }
                s.put(&DigestRecord {
                    part: entry.part,
                    flags,
                })
            })
        })?;
        file.section(Section::Pictures, |s| {
            let mut locals_at = 0;
            let mut pictures = self.pictures.iter().zip(&common_pictures).zip(&self.locals);
            pictures.try_for_each(|((picture, &common), prints)| {
                let mut record = record(picture, common);
                (record.locals_at, record.locals) = (locals_at, prints.len() as u32);
                locals_at += record.locals;
                s.put(&record)
            })
        })?;
        file.section(Section::PdqCodes, |s| {
            self.put_codes(s, |picture| picture.codes.pdq, exec)
        })?;
        file.section(Section::GradientCodes, |s| {
            self.put_codes(s, |picture| picture.codes.gradient, exec)
        })?;
        file.section(Section::Sketches, |s| {
            self.pictures
                .iter()
                .try_for_each(|picture| s.put(&picture.sketch.0))
        })?;
        let mut buckets = Vec::new();
        file.section(Section::Postings, |s| {
            buckets = plan.put_lists(&self.postings, &self.parts, &standings, s)?;
            Ok(())
        })?;
        file.section(Section::GramBuckets, |s| s.put(buckets.as_slice()))?;
        drop(buckets);
        file.section(Section::LocalPrints, |s| s.put(locals.records.as_slice()))?;
        file.section(Section::LocalBuckets, |s| s.put(locals.bounds.as_slice()))?;
        file.section(Section::LocalEntries, |s| s.put(locals.entries.as_slice()))?;
        file.section(Section::Cells, |s| s.put(cells.as_slice()))?;
        file.section(Section::CellPlaces, |s| s.put(places.as_slice()))?;
        file.section(Section::Values, |s| s.put(self.values.as_slice()))?;
        // What unrelated uploads reach is measured once there is an index.
        file.section(Section::Calibration, |_| Ok(()))?;
        file.finish()
    }

    /// Writes one code of each picture: as planes for the wide radius at which matching looks for
    /// candidates, and in large indexes also with tables for searches at narrow radii.
    fn put_codes<W: Write>(
        &self,
        sink: &mut SectionSink<'_, W>,
        code: impl Fn(&PictureEntry) -> Code256 + Sync,
        exec: &Executor,
    ) -> Result<()> {
        let len = self.pictures.len();
        let code = |i: usize| self.pictures.get(i).map_or([0; 4], |p| code(p).0);
        let planes = CodeSet::build(len, code, Engine::Scan, exec)?;
        let tables = if len >= self.tables_from {
            Some(CodeSet::build(len, code, Engine::Mih, exec)?)
        } else {
            None
        };
        let tables = tables.as_ref().map(CodeSet::view);
        let set = planes.view().with_tables_of(tables.as_ref());
        set.to_stored()?.put(|bytes| sink.put(bytes))
    }

    /// Returns the name of an item as bytes, which sort as strings do.
    fn name(&self, item: u32) -> &[u8] {
        self.items
            .get(item as usize)
            .and_then(|record| {
                let start = record.name_at as usize;
                self.strings.get(start..start + record.name_len as usize)
            })
            .unwrap_or_default()
    }

    fn meta(&self, plan: &Plan) -> MetaRecord {
        MetaRecord {
            recipe_version: self.recipe.version,
            window: self.recipe.window,
            key_id: self.recipe.key_id.0,
            flags: if self.key.is_some() { KEY_STORED } else { 0 },
            homes: plan.hasher.homes,
            // `check_room` has made sure that these fit.
            items: self.items.len() as u32,
            parts: self.parts.len() as u32,
            pictures: self.pictures.len() as u32,
            digests: self.digests.len() as u32,
            grams: plan.grams,
            postings: self.postings.len() as u32,
            discounted_grams: plan.discounted,
            place_order: plan.place_order,
            key: self.key.as_ref().map_or([0; 32], |key| *key.as_bytes()),
            multiplier: plan.hasher.multiplier,
            cells: 0,
            cell_places: 0,
            tables: 0,
            discounted_cells: 0,
            reserved: [0; 16],
        }
    }
}

fn record(picture: &PictureEntry, common: bool) -> PictureRecord {
    PictureRecord {
        nn512: picture.nn512.0,
        part: picture.part,
        width: picture.width,
        height: picture.height,
        quality: picture.quality,
        flags: if common { PICTURE_DISCOUNTED } else { 0 },
        flat: picture.texture.flat,
        hard: picture.texture.hard,
        locals_at: 0,
        locals: 0,
    }
}
