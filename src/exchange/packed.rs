//! A fingerprint as bytes.

use crate::collection::{pack_behind, unpack_all};
use crate::error::{Error, ErrorKind, Result};
use crate::fingerprint::{Fingerprint, KeyId, Recipe};

/// The version of the bytes.
const VERSION: u8 = 1;

/// Version, recipe version, window (little-endian) and key id.
const HEAD: usize = 1 + 4 + 4 + 8;

impl Fingerprint {
    /// Returns the fingerprint with its recipe and warnings as bytes: about nine bytes per gram, 14 to
    /// 30 per cell, three kilobytes per picture and 23 bytes per local print, several times less than
    /// JSON. Segments of a [collection](crate::collection) use the same encoding. There is no
    /// checksum: add one where you store it.
    ///
    /// ```
    /// use leakprint::{Fingerprint, Fingerprinter};
    ///
    /// let print = Fingerprinter::builder().build()?.fingerprint_text("The winter slate moves.")?;
    /// assert_eq!(Fingerprint::from_bytes(&print.to_bytes())?, print);
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(256);
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.recipe.version.to_le_bytes());
        bytes.extend_from_slice(&self.recipe.window.to_le_bytes());
        bytes.extend_from_slice(&self.recipe.key_id.0);
        pack_behind(bytes, self)
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote. The bytes may be hostile: memory is
    /// bounded by their number, and prints that contradict each other are refused where they are used.
    ///
    /// # Errors
    /// [`Version`](ErrorKind::Version) for bytes of another version,
    /// [`Corrupt`](ErrorKind::Corrupt) for anything but one fingerprint.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let head = bytes.split_first_chunk::<HEAD>();
        let (&[version, a, b, c, d, e, f, g, h, ref key_id @ ..], rest) =
            head.ok_or_else(|| Error::corrupt("a fingerprint that is cut short"))?;
        if version != VERSION {
            let message = format!("a fingerprint of version {version}, this build reads {VERSION}");
            return Err(Error::new(ErrorKind::Version, message));
        }
        let recipe = Recipe {
            version: u32::from_le_bytes([a, b, c, d]),
            window: u32::from_le_bytes([e, f, g, h]),
            key_id: KeyId(*key_id),
        };
        unpack_all(rest, &recipe)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collection::sample;

    #[test]
    fn bytes_come_back_with_their_recipe_and_nothing_else_does() {
        for fingerprint in [
            sample::text("memo", 400),
            sample::picture(1),
            sample::table(),
        ] {
            let bytes = fingerprint.to_bytes();
            assert_eq!(Fingerprint::from_bytes(&bytes).unwrap(), fingerprint);
            for cut in (0..bytes.len()).step_by(13) {
                let error = Fingerprint::from_bytes(&bytes[..cut]).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Corrupt, "cut at {cut}");
            }
            let more = [&bytes[..], &[0]].concat();
            assert_eq!(
                Fingerprint::from_bytes(&more).unwrap_err().kind(),
                ErrorKind::Corrupt
            );
        }
        let mut other = sample::text("memo", 40).to_bytes();
        other[0] = 2;
        let error = Fingerprint::from_bytes(&other).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Version);
    }
}
