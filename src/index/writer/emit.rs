//! The content of each section.

use std::io::{Seek, Write};

use crate::code::Code256;
use crate::error::{Error, Result};
use crate::exec::Executor;
use crate::index::frequency;
use crate::index::hamming::{CodeSet, Engine};
use crate::index::layout::Section;
use crate::index::postings::{bucket, count_items, directory_bits};
use crate::index::records::{
    DIGEST_DISCOUNTED, DIGEST_PIXELS, DigestRecord, GRAM_DISCOUNTED, KEY_STORED, MetaRecord,
    PICTURE_DISCOUNTED, PartRecord, PictureRecord,
};
use crate::index::varint;

use super::sink::{FileSink, SectionSink};
use super::{IndexWriter, PictureEntry, Posting, local};

impl IndexWriter {
    /// Writes the whole file. Everything is sorted by all of its fields, so
    /// that neither the threads nor the sort decide about the order.
    pub(super) fn write<W: Write + Seek>(&mut self, out: W, exec: &Executor) -> Result<()> {
        exec.sort_by_key(&mut self.postings, |posting| *posting);
        exec.sort_by_key(&mut self.digests, |entry| *entry);
        let mut order: Vec<u32> = (0..self.items.len() as u32).collect();
        exec.sort_by_key(&mut order, |&item| self.name(item));
        let common_grams = self.discounts.grams();
        let common_digests = self.discounts.digests();
        let common_pictures = self.discounts.pictures(&self.pictures, exec)?;

        let locals = local::tables(&self.locals, self.discounts.locals(), exec);
        let lists = || self.postings.chunk_by(|a, b| a.print == b.print);
        let (mut grams, mut discounted_grams) = (0_usize, 0_u32);
        for print in lists().filter_map(first_print) {
            grams += 1;
            discounted_grams += u32::from(common_grams.binary_search(&print).is_ok());
        }
        let bits = directory_bits(grams);
        let meta = self.meta(grams as u32, discounted_grams, bits);

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
        file.section(Section::GramDirectory, |s| {
            put_directory(s, lists().filter_map(first_print), bits)
        })?;
        file.section(Section::GramKeys, |s| {
            lists()
                .filter_map(first_print)
                .try_for_each(|print| s.put(&print))
        })?;
        let encode = |list: &[Posting], bytes: &mut Vec<u8>| {
            bytes.clear();
            let pairs = list.iter().map(|posting| (posting.part, posting.at));
            varint::encode(pairs, bytes);
        };
        let mut bytes = Vec::new();
        file.section(Section::GramLists, |s| {
            let mut end = 0_u32;
            s.put(&end)?;
            lists().try_for_each(|list| {
                encode(list, &mut bytes);
                let next = u64::from(end) + bytes.len() as u64;
                end = u32::try_from(next)
                    .map_err(|_| Error::limit("bytes of postings", u32::MAX, next))?;
                s.put(&end)
            })
        })?;
        file.section(Section::GramWeights, |s| {
            let mut list_parts = Vec::new();
            lists().try_for_each(|list| {
                list_parts.clear();
                list_parts.extend(list.iter().map(|posting| posting.part));
                let print = first_print(list).unwrap_or_default();
                let common = common_grams.binary_search(&print).is_ok();
                s.put(&weight(&list_parts, &self.parts, common))
            })
        })?;
        file.section(Section::Postings, |s| {
            lists().try_for_each(|list| {
                encode(list, &mut bytes);
                s.put(bytes.as_slice())
            })
        })?;
        file.section(Section::LocalPrints, |s| s.put(locals.records.as_slice()))?;
        file.section(Section::LocalBuckets, |s| s.put(locals.bounds.as_slice()))?;
        file.section(Section::LocalEntries, |s| s.put(locals.entries.as_slice()))?;
        file.finish()
    }

    /// One code of each picture: as planes for the wide radius at which pictures
    /// become candidates, and with tables for narrow ones where these pay.
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

    /// The name of an item as bytes, which sort as strings do.
    fn name(&self, item: u32) -> &[u8] {
        self.items
            .get(item as usize)
            .and_then(|record| {
                let start = record.name_at as usize;
                self.strings.get(start..start + record.name_len as usize)
            })
            .unwrap_or_default()
    }

    fn meta(&self, grams: u32, discounted_grams: u32, directory_bits: u32) -> MetaRecord {
        MetaRecord {
            recipe_version: self.recipe.version,
            window: self.recipe.window,
            key_id: self.recipe.key_id.0,
            flags: if self.key.is_some() { KEY_STORED } else { 0 },
            directory_bits,
            // That these fit is checked before anything is added.
            items: self.items.len() as u32,
            parts: self.parts.len() as u32,
            pictures: self.pictures.len() as u32,
            digests: self.digests.len() as u32,
            grams,
            postings: self.postings.len() as u32,
            discounted_grams,
            reserved: 0,
            key: self.key.as_ref().map_or([0; 32], |key| *key.as_bytes()),
            reserved_tail: [0; 40],
        }
    }
}

fn first_print(list: &[Posting]) -> Option<u64> {
    list.first().map(|posting| posting.print)
}

/// Document frequency and flag of a gram, from the parts of its places.
pub(in crate::index) fn weight(list_parts: &[u32], table: &[PartRecord], common: bool) -> u8 {
    let frequency = frequency::encode(count_items(list_parts, table));
    let flag = if common { GRAM_DISCOUNTED } else { 0 };
    frequency | flag
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

/// For each value of the leading bits, the number of keys below it; then the number of all keys.
fn put_directory<W: Write>(
    sink: &mut SectionSink<'_, W>,
    keys: impl Iterator<Item = u64>,
    bits: u32,
) -> Result<()> {
    let entries = 1_usize << bits;
    let (mut next, mut count) = (0, 0_u32);
    for key in keys {
        while next <= bucket(key, bits) {
            sink.put(&count)?;
            next += 1;
        }
        count += 1;
    }
    while next <= entries {
        sink.put(&count)?;
        next += 1;
    }
    Ok(())
}
