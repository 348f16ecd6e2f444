//! A calibration as bytes, in an index and in the manifest of a collection.

use std::sync::Arc;

use super::fit::MAX_SHAPE;
use super::{Calibration, Kind, Pareto, PerKind, Tail};
use crate::error::{Error, Result};

/// The version of the measures: increased by every change of scores, since rates of other scores say nothing.
/// A calibration of another version counts as none.
const MEASURES: u32 = 1;

/// Bytes of the record of one kind.
pub(crate) const RECORD_LEN: usize = 96;

/// The largest threshold and scale. A score is rounded to a millionth, so no measure exceeds 14.
const MAX_MEASURE: f64 = 64.0;

/// What is stored in place of a calibration.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum StoredCalibration {
    /// Nothing.
    None,
    /// One of other scores than those of this build.
    Outdated,
    Measured(Arc<Calibration>),
}

impl StoredCalibration {
    /// Returns the calibration that applies.
    pub(crate) fn calibration(&self) -> Option<&Arc<Calibration>> {
        match self {
            Self::Measured(calibration) => Some(calibration),
            Self::None | Self::Outdated => None,
        }
    }

    /// Reads the records of all kinds, or nothing.
    ///
    /// # Errors
    /// [`Corrupt`](crate::ErrorKind::Corrupt) for anything else, and for values that no fit has.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self> {
        if bytes.is_empty() {
            return Ok(Self::None);
        }
        let (records, []) = bytes.as_chunks::<RECORD_LEN>() else {
            return Err(Error::corrupt("a calibration that is cut short"));
        };
        if records.len() != Kind::ALL.len() {
            return Err(Error::corrupt("a calibration without one record per kind"));
        }
        let mut tails = Vec::with_capacity(records.len());
        for (kind, record) in Kind::ALL.into_iter().zip(records) {
            let mut read = Fields(record);
            let numbers = (read.u32(), read.u32());
            if numbers.0 != kind as u32 + 1 {
                return Err(Error::corrupt("kinds of a calibration out of order"));
            }
            if numbers.1 != MEASURES {
                return Ok(Self::Outdated);
            }
            tails.push(read.tail(kind)?);
        }
        let tails: Option<PerKind<Tail>> = tails.try_into().ok();
        let tails = tails.ok_or_else(|| Error::corrupt("a calibration of other kinds"))?;
        Ok(Self::Measured(Arc::new(Calibration::measured(tails))))
    }
}

impl Calibration {
    /// Returns the records of all kinds.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(RECORD_LEN * Kind::ALL.len());
        for tail in &self.tails {
            let end = out.len() + RECORD_LEN;
            out.extend((tail.kind as u32 + 1).to_le_bytes());
            out.extend(MEASURES.to_le_bytes());
            for number in [tail.uploads, tail.exceedances, tail.size] {
                out.extend(number.to_le_bytes());
            }
            out.extend(tail.threshold.to_le_bytes());
            for Pareto { rate, scale, shape } in [tail.fit, tail.bound] {
                [rate, scale, shape]
                    .iter()
                    .for_each(|value| out.extend(value.to_le_bytes()));
            }
            out.resize(end, 0);
        }
        out
    }
}

/// The fields of a record, one after the other.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    /// Returns the next bytes; zeros beyond the end, which a record of the right length does not reach.
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let Some((taken, rest)) = self.0.split_first_chunk() else {
            return [0; N];
        };
        self.0 = rest;
        *taken
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }

    /// Returns a number in bounds, both of which are allowed.
    fn number(&mut self, least: f64, most: f64) -> Result<f64> {
        let value = f64::from_le_bytes(self.take());
        // Neither NaN nor infinities are in bounds; the sign of a zero is not kept.
        match value >= least && value <= most {
            true => Ok(value + 0.0),
            false => Err(Error::corrupt("a calibration with an impossible value")),
        }
    }

    fn pareto(&mut self) -> Result<Pareto> {
        Ok(Pareto {
            rate: self.number(0.0, 1.0)?,
            scale: self.number(1e-6, MAX_MEASURE)?,
            shape: self.number(0.0, MAX_SHAPE)?,
        })
    }

    /// Reads the record of a kind behind its first two numbers.
    fn tail(&mut self, kind: Kind) -> Result<Tail> {
        let tail = Tail {
            kind,
            uploads: self.u64(),
            exceedances: self.u64(),
            size: self.u64(),
            threshold: self.number(0.0, MAX_MEASURE)?,
            fit: self.pareto()?,
            bound: self.pareto()?,
        };
        if tail.exceedances > tail.uploads || self.u64() != 0 || !self.0.is_empty() {
            return Err(Error::corrupt("a calibration with an impossible value"));
        }
        Ok(tail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn calibration() -> Calibration {
        Calibration::measured(Calibration::built_in().tails)
    }

    #[test]
    fn a_calibration_comes_back() {
        let bytes = calibration().to_bytes();
        assert_eq!(bytes.len(), RECORD_LEN * Kind::ALL.len());
        let read = StoredCalibration::read(&bytes).unwrap();
        assert_eq!(read, StoredCalibration::Measured(Arc::new(calibration())));
        assert_eq!(
            StoredCalibration::read(&[]).unwrap(),
            StoredCalibration::None
        );
    }

    #[test]
    fn impossible_values_are_refused() {
        let good = calibration().to_bytes();
        let refused = |bytes: &[u8]| {
            let error = StoredCalibration::read(bytes).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
        };
        let hostile = [
            f64::NAN,
            -f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            -1.0,
            1e300,
        ];
        for field in 0..7 {
            for value in hostile {
                for kind in 0..Kind::ALL.len() {
                    let mut bytes = good.clone();
                    let at = kind * RECORD_LEN + 32 + 8 * field;
                    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
                    refused(&bytes);
                }
            }
        }
        // A scale of zero, more exceedances than uploads, another kind, a reserved byte.
        for (at, value) in [(48, 0), (16, u64::MAX), (0, 7), (88, 1)] {
            let mut bytes = good.clone();
            bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
            refused(&bytes);
        }
        for cut in [1, RECORD_LEN, good.len() - 1] {
            refused(&good[..cut]);
        }
        refused(&[&good[..], &good[..RECORD_LEN]].concat());
    }

    #[test]
    fn one_of_other_scores_counts_as_none() {
        let mut bytes = calibration().to_bytes();
        bytes[4] += 1;
        let read = StoredCalibration::read(&bytes).unwrap();
        assert_eq!(
            (read.calibration(), &read),
            (None, &StoredCalibration::Outdated)
        );
    }
}
