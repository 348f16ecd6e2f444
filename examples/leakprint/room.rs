//! A limit on the bytes in flight, for lines of any length.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// A number of bytes that threads take and give back.
#[derive(Clone)]
pub(crate) struct Room {
    bytes: usize,
    shared: Arc<(Mutex<usize>, Condvar)>,
}

/// Bytes taken; dropping it gives them back.
pub(crate) struct Taken {
    bytes: usize,
    room: Room,
}

impl Room {
    pub(crate) fn new(bytes: usize) -> Self {
        Self {
            bytes,
            shared: Arc::default(),
        }
    }

    /// Waits until `bytes` fit, or nothing else is in flight.
    pub(crate) fn take(&self, bytes: usize) -> Taken {
        let (used, freed) = &*self.shared;
        let used = used.lock().unwrap_or_else(PoisonError::into_inner);
        let full = |used: &mut usize| *used > 0 && *used + bytes > self.bytes;
        let mut used = freed
            .wait_while(used, full)
            .unwrap_or_else(PoisonError::into_inner);
        *used += bytes;
        Taken {
            bytes,
            room: self.clone(),
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let (used, freed) = &*self.room.shared;
        *used.lock().unwrap_or_else(PoisonError::into_inner) -= self.bytes;
        freed.notify_one();
    }
}
