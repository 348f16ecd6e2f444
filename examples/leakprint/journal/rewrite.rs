//! A journal without what no longer counts: inputs that are gone, states that have passed.

use std::io::{self, Write};

use super::record::Record;
use super::{Appender, Journal};
use crate::Failure;
use crate::writable::folder_of;

impl Appender {
    /// Ends a run that has come to all of its inputs: everything is synced, and if more than half
    /// of the file is dead, a new one with the live records takes its place, all or nothing.
    pub(crate) fn finish(self, journal: &Journal) -> Result<(), Failure> {
        let failed = |e: io::Error| format!("{}: cannot write: {e}", self.path.display());
        self.sync.sync_data().map_err(failed)?;
        let records = self.at.saturating_sub(self.head.len() as u64);
        if records <= self.live_bytes.saturating_mul(2) {
            return Ok(());
        }
        Ok(self.rewrite(journal).map_err(failed)?)
    }

    fn rewrite(&self, journal: &Journal) -> io::Result<()> {
        // Temporary files are made for their owner alone.
        let mut file = tempfile::Builder::new()
            .prefix(".leakprint-")
            .suffix(".tmp")
            .tempfile_in(folder_of(&self.path))?;
        file.write_all(&self.head)?;
        let mut at = self.head.len() as u64;
        for entry in self.live.iter().filter_map(|&at| journal.read(at)) {
            let record = Record {
                key: entry.key,
                stamp: entry.stamp,
                digest: entry.digest,
                payload: entry.payload,
            };
            let bytes = record.to_bytes(&self.seal, at);
            file.write_all(&bytes)?;
            at += bytes.len() as u64;
        }
        file.as_file().sync_all()?;
        file.persist(&self.path).map_err(|e| e.error)?;
        Ok(())
    }
}
