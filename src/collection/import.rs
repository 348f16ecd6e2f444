//! Importing many codes at once: straight to a segment, bypassing the log.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::core::Change;
use super::item::{AddOutcome, NewItem};
use super::merge::Plan;
use super::record::{Content, ItemKey, Record, encode};
use super::segment::Segment;
use super::writer::CollectionWriter;
use crate::code::Code256;
use crate::error::{Error, ErrorKind, Result};
use crate::fingerprint::Pipeline;
use crate::index::ItemSet;
use crate::metadata::Metadata;

/// The number of codes from which on they are written to a separate segment.
const BULK: usize = 4096;

/// A line of a hash list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CodeItem {
    /// The hash.
    pub code: Code256,
    /// PDQ's quality, 0..=100.
    pub quality: u8,
    /// The owner's metadata.
    pub metadata: Metadata,
    /// The [gradient hash](crate::fingerprint::GradientPrints) of the same picture, upright, if it is
    /// known. It is a second, independent print: see
    /// [`MatchOptions::trust_hash_lists`](crate::MatchOptions::trust_hash_lists).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gradient: Option<Code256>,
}

impl CodeItem {
    /// Creates a line of a hash list; `quality` is PDQ's, 0..=100, and 100 where a list does not state it.
    pub fn new(code: Code256, quality: u8, metadata: Metadata) -> Self {
        Self {
            code,
            quality,
            metadata,
            gradient: None,
        }
    }

    /// Sets the second print: the gradient hash of the same picture, or `None`.
    #[must_use]
    pub fn with_gradient(mut self, gradient: impl Into<Option<Code256>>) -> Self {
        self.gradient = gradient.into();
        self
    }
}

/// The outcome of importing a hash list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Imported {
    /// Codes that are new, or whose metadata or quality changed.
    pub added: u64,
    /// Codes that were there already, or are repeated in the list.
    pub unchanged: u64,
    /// The generation of the collection in which they are visible.
    pub generation: u64,
}

impl CollectionWriter {
    /// Adds the codes of a hash list, all or none, durable when it returns. Of several lines with one
    /// code, the last one counts.
    ///
    /// Memory: some 200 bytes a code with a short label, and the tables of a set of codes.
    ///
    /// # Errors
    /// [`Recipe`](ErrorKind::Recipe) if the collection has codes of the other pipeline and
    /// `mix` is not set: the two are never compared, so a list of the wrong one finds nothing.
    /// [`Limit`](ErrorKind::Limit) for texts that are too long, [`Io`](ErrorKind::Io).
    ///
    /// ```
    /// # use leakprint::collection::{CollectionWriter, WriterOptions};
    /// # let memo = "The winter slate moves by six weeks, and Lighthouse opens in fourteen territories \
    /// #     with no press screening before the Wednesday, even though it tested at seventy-one.";
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("leak.collection");
    /// # let writer = CollectionWriter::open(&path, WriterOptions::default())?;
    /// use leakprint::collection::{CodeItem, Metadata};
    /// use leakprint::exchange::PdqList;
    /// use leakprint::fingerprint::Pipeline;
    ///
    /// let hash = "d8f8f0cec0f4a84f0637022a278f67f0b36e2ed596621e1d33e6339c4e9c9b22";
    /// let codes = PdqList::new(hash.as_bytes()).map(|(_, line)| {
    ///     line.map(|line| CodeItem::new(line.code, line.quality, Metadata::default()))
    /// });
    /// let codes = codes.collect::<leakprint::Result<Vec<_>>>()?;
    /// assert_eq!(writer.import_codes(Pipeline::Full, codes, false)?.added, 1);
    /// assert!(writer.collection().snapshot().item(&format!("pdq:{hash}"))?.is_some());
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn import_codes(
        &self,
        pipeline: Pipeline,
        mut codes: Vec<CodeItem>,
        mix: bool,
    ) -> Result<Imported> {
        let state = self.core.state();
        let other = 1 - pipeline as usize;
        if !mix
            && state
                .slots
                .iter()
                .any(|slot| slot.segment.codes[other].is_some())
        {
            return Err(Error::new(
                ErrorKind::Recipe,
                format!(
                    "the collection has hashes of the other pipeline than {pipeline}, and the two are \
                     never compared: say that both are wanted, or use two collections"
                ),
            ));
        }
        let lines = codes.len() as u64;
        // Stable: of equal codes the last line remains the last.
        codes.sort_by_key(|item| item.code);
        let mut kept: Vec<CodeItem> = Vec::with_capacity(codes.len());
        for item in codes {
            match kept.last_mut() {
                Some(last) if last.code == item.code => *last = item,
                _ => kept.push(item),
            }
        }
        let doubles = lines - kept.len() as u64;
        let mut imported = if kept.len() < BULK {
            self.import_few(pipeline, &kept)?
        } else {
            self.import_many(pipeline, &kept)?
        };
        imported.unchanged += doubles;
        Ok(imported)
    }

    fn import_few(&self, pipeline: Pipeline, codes: &[CodeItem]) -> Result<Imported> {
        let items: Vec<NewItem> = codes.iter().map(|item| new_item(pipeline, item)).collect();
        let (results, generation) = self.add_batch(&items)?;
        let mut imported = Imported {
            generation,
            ..Imported::default()
        };
        for result in results {
            match result? {
                AddOutcome::Added => imported.added += 1,
                AddOutcome::Unchanged => imported.unchanged += 1,
            }
        }
        Ok(imported)
    }

    fn import_many(&self, pipeline: Pipeline, codes: &[CodeItem]) -> Result<Imported> {
        let core = &self.core;
        let shared = &core.collection.shared;
        let _one = core.lock_merging();
        let records = codes
            .iter()
            .map(|item| encode("", &item.metadata, &content(pipeline, item)));
        let records: Vec<Vec<u8>> = records.collect::<Result<_>>()?;
        let mut inner = core.lock();
        // The log is replayed over all segments, so earlier changes of these codes must not be in it
        // any more.
        core.flush_locked(&mut inner)?;
        let state = core.state();
        let has_any = state
            .slots
            .iter()
            .any(|slot| slot.segment.codes[pipeline as usize].is_some());
        let mut fresh = Vec::with_capacity(records.len());
        // Items that the new segment replaces.
        let mut replaced: BTreeMap<usize, ItemSet> = BTreeMap::new();
        for (item, bytes) in codes.iter().zip(&records) {
            let known = match has_any {
                true => state.find(&ItemKey::Code(pipeline, item.code))?,
                false => None,
            };
            if let Some((place, number)) = known
                && let Some(slot) = state.slots.get(place)
            {
                if slot
                    .segment
                    .record(number)?
                    .says_the_same(&Record::parse(bytes)?)
                {
                    continue;
                }
                replaced.entry(place).or_default().insert(number);
            }
            fresh.push(bytes.as_slice());
        }
        let mut imported = Imported {
            added: fresh.len() as u64,
            unchanged: (codes.len() - fresh.len()) as u64,
            generation: state.generation,
        };
        if fresh.is_empty() {
            return Ok(imported);
        }
        let plan = Plan::of_records(fresh)?;
        let number = inner.manifest.take_number()?;
        let recipe = &shared.context.recipe;
        let entry = plan.on_disk(&*shared.storage, number, recipe, &[], &core.options.exec)?;
        let segment = Arc::new(Segment::open(&*shared.storage, &entry, recipe)?);
        imported.generation = core.put_in_force(&mut inner, |state| {
            let mut kept = state.slots.clone();
            for (place, items) in replaced {
                if let Some(slot) = kept.get_mut(place) {
                    let removed = Arc::make_mut(&mut slot.removed);
                    items.iter().for_each(|item| {
                        removed.insert(item);
                    });
                }
            }
            Change {
                kept,
                built: Some((entry, segment)),
                removed: ItemSet::default(),
                logs_done: false,
            }
        })?;
        Ok(imported)
    }
}

#[cfg(test)]
impl CollectionWriter {
    /// [`import_codes`](Self::import_codes) as if there were many; repeated codes count once.
    pub(super) fn import_many_of(
        &self,
        pipeline: Pipeline,
        mut codes: Vec<CodeItem>,
    ) -> Result<Imported> {
        codes.sort_by_key(|item| item.code);
        codes.dedup_by_key(|item| item.code);
        self.import_many(pipeline, &codes)
    }
}

fn content(pipeline: Pipeline, item: &CodeItem) -> Content {
    Content::Code {
        pipeline,
        code: item.code,
        quality: item.quality,
        gradient: item.gradient,
    }
}

fn new_item(pipeline: Pipeline, item: &CodeItem) -> NewItem {
    NewItem {
        name: String::new(),
        metadata: item.metadata.clone(),
        content: content(pipeline, item),
    }
}
