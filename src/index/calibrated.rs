//! The calibration in an index: which unrelated uploads reach a match how often.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use super::layout::{Extent, Layout, Section};
use super::map::ALIGN;
use super::replace::replace;
use super::{Index, Inner};
use crate::calibration::{Calibration, StoredCalibration};
use crate::error::{Error, Result};

impl Index {
    /// Returns the calibration that was measured for this index; `None` if there is none, or one of
    /// other scores than those of this build.
    pub fn calibration(&self) -> Option<&Calibration> {
        self.shared_calibration().map(Arc::as_ref)
    }

    pub(crate) fn shared_calibration(&self) -> Option<&Arc<Calibration>> {
        self.0.calibration.calibration()
    }

    /// Writes a copy of the index with a calibration, or without one. Replaces a file at `path`
    /// atomically, including the one of this index, which stays open with its content.
    ///
    /// A damaged section stays damaged: its old checksum is kept.
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io); the old file is then unchanged.
    ///
    /// ```
    /// # let mut writer = leakprint::example::memo_writer()?;
    /// use leakprint::{Calibration, Executor, Fingerprinter, Index, Matcher};
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("leak.lpx");
    /// writer.save(&path, &Executor::serial())?;
    /// let index = Index::open(&path)?;
    /// let matcher = Matcher::new(index.clone())?;
    /// let post = matcher.query_fingerprinter().fingerprint_text("Nothing of it.")?;
    /// let calibration = Calibration::measure(&matcher, [&post])?;
    /// index.save_calibrated(&path, Some(&calibration))?;
    /// let index = Index::open(&path)?;
    /// index.verify(&Executor::serial())?;
    /// assert_eq!(index.calibration(), Some(&calibration));
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn save_calibrated(
        &self,
        path: impl AsRef<Path>,
        calibration: Option<&Calibration>,
    ) -> Result<()> {
        let path = path.as_ref();
        let write = |file: &mut std::fs::File| self.0.put_calibrated(file, calibration);
        replace(path, "cannot write the index", write).map_err(|e| match e.path() {
            Some(_) => e,
            None => e.with_path(path),
        })
    }
}

impl Inner {
    /// Reads the calibration and checks it against its checksum.
    pub(super) fn read_calibration(&self) -> Result<StoredCalibration> {
        let bytes = self.section(Section::Calibration);
        let extent = self.layout.extent(Section::Calibration);
        if *blake3::hash(bytes).as_bytes() != extent.checksum {
            return Err(Section::Calibration.corrupt("the checksum does not match"));
        }
        StoredCalibration::read(bytes).map_err(|e| Section::Calibration.corrupt(e.message()))
    }

    /// Writes the file with another calibration. The other sections move where that needs it, and keep
    /// their checksums.
    pub(super) fn put_calibrated(
        &self,
        mut out: impl Write,
        calibration: Option<&Calibration>,
    ) -> Result<()> {
        let failed = |e| Error::io("cannot write the index", e);
        let records = calibration.map(Calibration::to_bytes).unwrap_or_default();
        let content = |section: Section| match section {
            Section::Calibration => records.as_slice(),
            other => self.section(other),
        };
        let mut end = super::layout::FRAME_LEN;
        let extents = Section::ALL.map(|section| {
            let start = end.next_multiple_of(ALIGN);
            end = start + content(section).len();
            let checksum = match section {
                Section::Calibration => *blake3::hash(&records).as_bytes(),
                other => self.layout.extent(other).checksum,
            };
            Extent {
                start,
                end,
                checksum,
            }
        });
        let frame = Layout::new(extents).to_bytes();
        let mut at = frame.len();
        out.write_all(&frame).map_err(failed)?;
        for (section, extent) in Section::ALL.into_iter().zip(&extents) {
            let padding = [0; ALIGN];
            let padding = padding.get(..extent.start - at).unwrap_or_default();
            out.write_all(padding).map_err(failed)?;
            out.write_all(content(section)).map_err(failed)?;
            at = extent.end;
        }
        out.flush().map_err(failed)
    }
}
