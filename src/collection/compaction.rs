//! Merging: the head to a segment, and segments to one, while readers and the writer go on.
//!
//! Three steps. Under the writer's lock, what is to be merged is chosen and a new log is begun if
//! the head is among it. Without the lock, the new segment is written. Under the lock again,
//! removals since then are carried over, and a manifest puts the new segment in the place of the
//! old ones.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::core::{Change, Core, Inner};
use super::handle::within;
use super::manifest::SegmentEntry;
use super::merge::{Origin, Plan};
use super::segment::{Location, Segment, Slot};
use super::state::{around, is_of_log, on_disk};
use crate::error::{Error, ErrorKind, Result};
use crate::index::Index;
use crate::index::ItemSet;
use crate::time::Timestamp;

/// A segment is rewritten when more than one item in this many is removed.
const MAX_REMOVED_FRACTION: u32 = 4;

/// A thread that merges, while there is anything to merge.
#[derive(Debug, Default)]
pub(super) struct Background {
    thread: Mutex<Option<JoinHandle<()>>>,
    busy: Arc<AtomicBool>,
}

impl Background {
    pub(super) fn start(&self, core: &Arc<Core>) {
        if self.busy.swap(true, Ordering::AcqRel) {
            return;
        }
        let (own, busy) = (Arc::clone(core), Arc::clone(&self.busy));
        let spawned = std::thread::Builder::new()
            .name("leakprint-merge".to_owned())
            .spawn(move || {
                let merged = catch_unwind(AssertUnwindSafe(|| own.maintain()));
                let panicked = |_| {
                    let message = "merging panicked; the collection is unchanged, please report it";
                    Err(Error::new(ErrorKind::Panicked, message))
                };
                own.finished(&merged.unwrap_or_else(panicked));
                // First: otherwise a caller that finds the thread idle could drop the writer and still
                // find the folder claimed.
                drop(own);
                busy.store(false, Ordering::Release);
            });
        match spawned {
            Ok(handle) => {
                let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
                *thread = Some(handle);
            }
            Err(e) => {
                core.finished::<()>(&Err(Error::io("cannot start a thread", e)));
                self.busy.store(false, Ordering::Release);
            }
        }
    }
}

impl Drop for Background {
    /// Waits for a merge that is running: it writes files that belong to this writer.
    fn drop(&mut self) {
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            // Its failure is in the status, and it catches its panics.
            let _ = thread.join();
        }
    }
}

impl Core {
    /// Merges everything to one segment; returns the generation.
    pub(super) fn compact(&self) -> Result<u64> {
        let _one = self.lock_merging();
        let result = self.merge(true, |_| true);
        self.finished(&result);
        result
    }

    /// Writes the head to a segment; returns the generation.
    pub(super) fn flush(&self) -> Result<u64> {
        let _one = self.lock_merging();
        let result = self.merge(true, |slot| is_of_log(&slot.segment));
        self.finished(&result);
        result
    }

    /// Records the outcome of a merge.
    fn finished<T>(&self, result: &Result<T>) {
        let shared = &self.collection.shared;
        shared.merges().finished(&*shared.storage, result.as_ref());
    }

    /// Returns whether there is anything to merge in the background.
    pub(super) fn is_due(&self) -> bool {
        if !self.collection.shared.merges().may_run() {
            return false;
        }
        self.is_head_due() || {
            let state = self.state();
            on_disk(&state.slots).count() > self.options.max_segments
                || on_disk(&state.slots).any(|(_, slot)| is_wasteful(slot))
        }
    }

    /// Returns whether the head should be written to a segment: it is large, or a failed merge has left
    /// logs.
    fn is_head_due(&self) -> bool {
        let inner = self.lock();
        inner.log.len() > self.options.head_bytes || inner.manifest.logs.len() > 1
    }

    /// Does all merges that are due.
    fn maintain(&self) -> Result<()> {
        let _one = self.lock_merging();
        if self.is_head_due() {
            self.merge(true, |slot| is_of_log(&slot.segment))?;
        }
        let state = self.state();
        let mut sizes: Vec<u64> = on_disk(&state.slots)
            .map(|(_, slot)| slot.segment.bytes)
            .collect();
        if sizes.len() > self.options.max_segments {
            // The smaller half: a large segment is written again when others have grown like it.
            sizes.sort_unstable();
            let largest = sizes.get(sizes.len() / 2).copied().unwrap_or(u64::MAX);
            self.merge(false, |slot| {
                !is_of_log(&slot.segment) && slot.segment.bytes <= largest
            })?;
        }
        for _ in 0..self.options.max_segments {
            let state = self.state();
            let wasteful = on_disk(&state.slots).find(|(_, slot)| is_wasteful(slot));
            let Some((number, _)) = wasteful else { break };
            self.merge(false, |slot| {
                slot.segment.location == Location::Disk(number)
            })?;
        }
        Ok(())
    }

    /// Replaces the chosen segments by one. With `rotate`, segments of the current log can be chosen,
    /// and all of them must be.
    fn merge(&self, rotate: bool, choose: impl Fn(&Slot) -> bool) -> Result<u64> {
        let prepared = self.prepare(&mut self.lock(), rotate, choose)?;
        let Some(prepared) = prepared else {
            return Ok(self.state().generation);
        };
        let built = self.build(&prepared)?;
        self.finish(&mut self.lock(), prepared, built)
    }

    /// Writes the head to a segment while the caller holds the lock, so that nothing is in the
    /// log afterwards.
    pub(super) fn flush_locked(&self, inner: &mut Inner) -> Result<()> {
        let Some(prepared) = self.prepare(inner, true, |slot| is_of_log(&slot.segment))? else {
            return Ok(());
        };
        let built = self.build(&prepared)?;
        self.finish(inner, prepared, built).map(drop)
    }

    /// Chooses the segments; `None` if there is nothing to do.
    fn prepare(
        &self,
        inner: &mut Inner,
        rotate: bool,
        choose: impl Fn(&Slot) -> bool,
    ) -> Result<Option<Prepared>> {
        let state = self.state();
        let mut chosen: Vec<Slot> = state.slots.iter().filter(|s| choose(s)).cloned().collect();
        if !rotate {
            chosen.retain(|slot| !is_of_log(&slot.segment));
        }
        if is_pointless(inner, &chosen, rotate) {
            return Ok(None);
        }
        if rotate && !inner.log.is_empty() {
            self.rotate(inner)?;
        }
        let number = inner.manifest.take_number()?;
        Ok(Some(Prepared {
            around: around(&state.slots, &chosen),
            chosen,
            number,
            rotated: rotate,
        }))
    }

    fn build(&self, prepared: &Prepared) -> Result<Built> {
        let shared = &self.collection.shared;
        let plan = Plan::of_slots(&prepared.chosen, Timestamp::now(), false)?;
        let segment = if plan.is_empty() {
            None
        } else {
            let (storage, recipe) = (&*shared.storage, &shared.context.recipe);
            let exec = &self.options.exec;
            let entry = plan.on_disk(storage, prepared.number, recipe, &prepared.around, exec);
            let entry = entry.map_err(|e| within(&shared.path, e))?;
            let segment = Arc::new(Segment::open(storage, &entry, recipe)?);
            self.state().filter.follow(&segment);
            Some((entry, segment))
        };
        Ok(Built {
            origins: plan.origins().collect(),
            segment,
        })
    }

    fn finish(&self, inner: &mut Inner, prepared: Prepared, built: Built) -> Result<u64> {
        let chosen = &prepared.chosen;
        self.put_in_force(inner, |state| {
            let now: Vec<Option<&Slot>> = chosen
                .iter()
                .map(|old| {
                    let mut slots = state.slots.iter();
                    slots.find(|slot| Arc::ptr_eq(&slot.segment, &old.segment))
                })
                .collect();
            let mut removed = ItemSet::default();
            for (item, &(place, old)) in (0_u32..).zip(&built.origins) {
                let slot = now.get(place as usize).copied().flatten();
                // A slot of the head that is gone has lost its last item.
                if slot.is_none_or(|slot| slot.removed.contains(old)) {
                    removed.insert(item);
                }
            }
            let is_replaced = |slot: &&Slot| {
                let mut chosen = chosen.iter();
                chosen.any(|old| Arc::ptr_eq(&old.segment, &slot.segment))
            };
            let kept = state.slots.iter().filter(|slot| !is_replaced(slot));
            Change {
                kept: kept.cloned().collect(),
                built: built.segment,
                removed,
                logs_done: prepared.rotated,
            }
        })
    }
}

fn is_wasteful(slot: &Slot) -> bool {
    slot.removed.len() > slot.segment.items() / MAX_REMOVED_FRACTION
}

/// The input of a merge.
struct Prepared {
    chosen: Vec<Slot>,
    around: Vec<Index>,
    number: u64,
    rotated: bool,
}

/// The output of a merge.
struct Built {
    segment: Option<(SegmentEntry, Arc<Segment>)>,
    origins: Vec<Origin>,
}

/// Returns whether merging would rewrite the same content.
fn is_pointless(inner: &Inner, chosen: &[Slot], rotate: bool) -> bool {
    let log_is_empty = inner.log.is_empty() && inner.manifest.logs.len() == 1;
    match chosen {
        [] => !rotate || log_is_empty,
        [one] => {
            let expires = |slot: &Slot| {
                let now = Timestamp::now();
                let mut items = slot.items();
                items.any(|item| {
                    slot.segment
                        .record(item)
                        .is_ok_and(|r| r.metadata.is_expired(now))
                })
            };
            log_is_empty && !is_of_log(&one.segment) && one.removed.is_empty() && !expires(one)
        }
        _ => false,
    }
}
