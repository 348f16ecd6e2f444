//! A filter in memory over the prints of the segments on disk: built for matchers of many queries, and
//! kept up to date as segments come and go.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

use super::segment::{Location, Segment, Slot};
use crate::index::filter::PrintFilter;

/// The number of segments with fingerprints from which on a filter pays.
const MIN_SEGMENTS: usize = 3;

/// A filter over segments on disk, shared by all states of a collection.
#[derive(Clone, Debug, Default)]
pub(super) struct FilterCache(Arc<Mutex<Option<Covered>>>);

#[derive(Debug)]
struct Covered {
    filter: Arc<PrintFilter>,
    /// The segments whose prints were added. Not by their numbers: another state of the folder may
    /// have given them to other segments.
    segments: BTreeSet<[u8; 32]>,
}

/// The identity of a segment on disk.
fn id(segment: &Segment) -> Option<[u8; 32]> {
    match segment.location {
        Location::Disk(_) => Some(segment.id),
        Location::Log(_) => None,
    }
}

impl FilterCache {
    /// Returns a filter over all segments on disk among some slots: built or extended if `prepare`,
    /// otherwise only if there is one. `None` where it would not pay, and while another thread
    /// builds it.
    pub(super) fn of(&self, slots: &[Slot], prepare: bool) -> Option<Arc<PrintFilter>> {
        let mut known = match self.0.try_lock() {
            Ok(known) => known,
            Err(TryLockError::Poisoned(known)) => known.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        let on_disk = slots.iter().filter_map(|slot| {
            let index = slot.segment.index.as_ref()?;
            Some((id(&slot.segment)?, index))
        });
        if on_disk.clone().count() < MIN_SEGMENTS {
            return None;
        }
        if let Some(covered) = known.as_mut() {
            for (id, index) in on_disk.clone() {
                if covered.segments.contains(&id) {
                    continue;
                }
                if !prepare {
                    return None;
                }
                if !covered.filter.has_room_for(index) {
                    // Rebuilt, without the segments that are gone.
                    *known = None;
                    break;
                }
                covered.filter.add(index);
                covered.segments.insert(id);
            }
        }
        if known.is_none() && prepare {
            *known = Some(Covered {
                filter: Arc::new(PrintFilter::per_index(
                    on_disk.clone().map(|(_, index)| index),
                )),
                segments: on_disk.map(|(id, _)| id).collect(),
            });
        }
        known.as_ref().map(|covered| Arc::clone(&covered.filter))
    }

    /// Adds a segment before it becomes visible, if there is a filter with room for it.
    pub(super) fn follow(&self, segment: &Segment) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(covered), Some(index)) = (known.as_mut(), &segment.index)
            && let Some(id) = id(segment)
            && covered.filter.has_room_for(index)
        {
            covered.filter.add(index);
            covered.segments.insert(id);
        }
    }
}
