//! The calibration in the file.

use super::damage::forge;
use super::*;
use crate::calibration::{Calibration, CalibrationSource, PerKind, RECORD_LEN, Tail};
use crate::error::ErrorKind;
use crate::index::layout::{Layout, Section};
use crate::matcher::Matcher;

fn measured(uploads: u64) -> Calibration {
    let mut tails: PerKind<Tail> = Calibration::built_in().tails().try_into().unwrap();
    tails[0].uploads = uploads;
    Calibration::measured(tails)
}

/// The sample with a calibration.
pub(super) fn sample_bytes() -> Vec<u8> {
    let plain = sample().to_bytes(&Executor::serial()).unwrap();
    let index = Index::from_bytes(plain).unwrap();
    let mut bytes = Vec::new();
    let calibration = measured(1_000_000);
    index
        .0
        .put_calibrated(&mut bytes, Some(&calibration))
        .unwrap();
    bytes
}

#[test]
fn a_calibration_is_written_replaced_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("leak.lpx");
    let exec = Executor::serial();
    sample().save(&path, &exec).unwrap();
    let plain = std::fs::read(&path).unwrap();
    let open = || Index::open(&path).unwrap();
    let old = open();
    assert_eq!(old.info().calibration, CalibrationSource::BuiltIn);
    for uploads in [1_000_000, 2_000_000] {
        let calibration = measured(uploads);
        open().save_calibrated(&path, Some(&calibration)).unwrap();
        let index = open();
        index.verify(&exec).unwrap();
        assert_eq!(index.calibration(), Some(&calibration));
        let info = index.info();
        assert_eq!(info.calibration, CalibrationSource::Measured);
        assert_eq!(info.calibrated.unwrap().tails[0].uploads, uploads);
        assert_eq!(
            *Matcher::new(index.clone()).unwrap().calibration(),
            calibration
        );
        // The digest tells calibrations apart, since they change answers.
        assert_ne!(index.digest(), old.digest());
    }
    open().save_calibrated(&path, None).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), plain);
    // What was open has its content still.
    assert_eq!((old.calibration(), old.item_count()), (None, 5));
    let missing = folder.path().join("missing/leak.lpx");
    let error = old.save_calibrated(&missing, None).unwrap_err();
    assert_eq!(
        (error.kind(), error.path()),
        (ErrorKind::Io, Some(missing.as_path()))
    );
}

#[test]
fn damage_in_other_sections_is_not_covered_up() {
    let mut bytes = sample().to_bytes(&Executor::serial()).unwrap();
    let layout = Layout::read(&bytes).unwrap();
    bytes[layout.extent(Section::Sketches).start] ^= 1;
    let index = Index::from_bytes(&bytes).unwrap();
    let mut copy = Vec::new();
    index
        .0
        .put_calibrated(&mut copy, Some(&measured(1_000_000)))
        .unwrap();
    let copy = Index::from_bytes(copy).unwrap();
    let error = copy.verify(&Executor::serial()).unwrap_err();
    assert!(error.message().contains("sketches"), "{error}");
}

#[test]
fn a_forged_calibration_is_refused_when_the_file_is_opened() {
    let bytes = sample_bytes();
    let layout = Layout::read(&bytes).unwrap();
    let start = layout.extent(Section::Calibration).start;
    let forged = |at: usize, value: &[u8]| {
        let mut bytes = bytes.clone();
        let at = start + at;
        bytes[at..at + value.len()].copy_from_slice(value);
        forge(&mut bytes, &layout);
        Index::from_bytes(bytes)
    };
    for value in [f64::NAN, f64::INFINITY, -0.5] {
        for field in [32, 40, 48, 56, 64, 72, 80] {
            let error = forged(2 * RECORD_LEN + field, &value.to_le_bytes()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
            assert!(error.message().contains("section calibration"), "{error}");
        }
    }
    // One of other scores is no damage, and is not used.
    let outdated = forged(4, &9_u32.to_le_bytes()).unwrap();
    assert_eq!(outdated.calibration(), None);
    assert_eq!(outdated.info().calibration, CalibrationSource::BuiltIn);
    // Without the forger's checksums, opening notices too.
    let mut damaged = bytes.clone();
    damaged[start + 9] ^= 1;
    let error = Index::from_bytes(damaged).unwrap_err();
    assert!(error.message().contains("section calibration"), "{error}");
}
