//! All hashes of a picture from one conversion to luma.

use std::sync::Arc;

use super::gradient::{SHARED, shared_plane};
use super::pdq::{Nn512, Pdq};
use super::sketch::{self, SketchKey};
use super::{Digest, GradientPrints, LocalKey, LocalPrints, Luma, RasterPrints, StoredPdq};
use crate::deadline::Deadline;
use crate::error::Result;
use crate::media::GreyPicture;
use crate::raster::{AreaShrink, Band, Matte, Pixels, Raster, TextureMeter};

/// The keys of a picture's prints.
#[derive(Clone, Debug)]
pub(crate) struct RasterKeys {
    pub(crate) sketch: SketchKey,
    pub(crate) local: LocalKey,
    /// Whether local prints are made.
    pub(crate) makes_local: bool,
    /// Whether the luma is kept for a recogniser of text.
    pub(crate) keeps_luma: bool,
}

impl RasterPrints {
    /// [`until`](Self::until) without a deadline.
    pub(super) fn new(raster: &Raster, lossless: bool, keys: &RasterKeys) -> Self {
        let prints = Self::until(raster, lossless, keys, &Deadline::never());
        prints.expect("only a deadline fails")
    }

    /// Hashes a picture: luma in bands of rows, each handed to every hash while
    /// it is in the cache. `lossless` is whether a copy can have the same digest of pixels.
    ///
    /// # Errors
    /// As [`Deadline::check`], up to some hundred microseconds after the deadline.
    pub(super) fn until(
        raster: &Raster,
        lossless: bool,
        keys: &RasterKeys,
        deadline: &Deadline,
    ) -> Result<Self> {
        let (width, height) = (raster.width() as usize, raster.height() as usize);
        let has_alpha = matches!(raster.pixels(), Pixels::Rgba8(_));
        let mut pdq = Pdq::new(width, height);
        // Hash lists exchange hashes of the colours as stored.
        let mut nn512 = Nn512::new(width, height);
        let mut shared = shared_plane(width, height);
        let mut texture = TextureMeter::new(width);
        raster.luma_bands_until(Matte::White, deadline, |band| {
            pdq.push(band);
            for row in band.rows(width) {
                if !has_alpha {
                    nn512.push(row);
                }
                shared.push(row);
                texture.push(row);
            }
        })?;
        let pdq = pdq.finish();
        let mut stored = None;
        if has_alpha {
            let mut alpha_dropped = Pdq::new(width, height);
            raster.luma_bands_until(Matte::Stored, deadline, |band| {
                alpha_dropped.push(band);
                band.rows(width).for_each(|row| nn512.push(row));
            })?;
            let hash = alpha_dropped.finish();
            stored = Some(StoredPdq {
                code: hash.code(),
                quality: hash.quality,
            });
        }
        let shared = shared.finish();
        deadline.check()?;
        let pixels = match lossless {
            true => Some(Digest::of_pixels_until(raster, deadline)?),
            false => None,
        };
        let luma = match keys.keeps_luma {
            true => luma_until(raster, deadline)?.map(Arc::new),
            false => None,
        };
        Ok(Self {
            width: raster.width(),
            height: raster.height(),
            pixels,
            pdq,
            pdq_stored: stored,
            pdq_nn512: nn512.finish().code(),
            gradient: GradientPrints::of_shared(&shared),
            sketch: keys.sketch.sketches(&sketch_plane(&shared)),
            texture: texture.finish(),
            luma: Luma(luma),
            local: match keys.makes_local {
                true => keys.local.prints(raster, deadline)?,
                false => LocalPrints::default(),
            },
        })
    }
}

/// Luma in bytes, for a recogniser. Fails at the deadline.
pub(super) fn luma_until(raster: &Raster, deadline: &Deadline) -> Result<Option<GreyPicture>> {
    let plane = raster.luma_plane(Matte::White, deadline)?;
    Ok(GreyPicture::new(raster.width(), raster.height(), plane))
}

/// The plane of the sketch, from the shared one.
fn sketch_plane(shared: &[f32]) -> Vec<f32> {
    let mut plane = AreaShrink::new(SHARED, SHARED, sketch::SIDE, sketch::SIDE);
    let rows = Band::Floats(shared).rows(SHARED);
    rows.for_each(|row| plane.push(row));
    plane.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fingerprint::Key;
    use std::time::Duration;

    fn raster(pixels: Pixels) -> Raster {
        Raster::new(900, 700, pixels).expect("as many pixels")
    }

    /// Luma, colour and alpha go different ways.
    #[test]
    fn prints_end_at_the_deadline() {
        let over = Deadline::after(Duration::ZERO);
        let key = Key::from_bytes([1; 32]);
        let keys = RasterKeys {
            sketch: key.sketch_key(),
            local: key.local_key(),
            makes_local: true,
            keeps_luma: true,
        };
        let samples = |channels: usize| {
            (0..900 * 700 * channels)
                .map(|i| ((i * i) >> 7) as u8)
                .collect()
        };
        for pixels in [
            Pixels::Luma8(samples(1)),
            Pixels::Rgb8(samples(3)),
            Pixels::Rgba8(samples(4)),
        ] {
            let raster = raster(pixels);
            assert!(RasterPrints::until(&raster, true, &keys, &over).is_err());
            assert!(luma_until(&raster, &over).is_err());
            assert!(Digest::of_pixels_until(&raster, &over).is_err());
            assert!(keys.local.prints(&raster, &over).is_err());
            let grey = luma_until(&raster, &Deadline::never()).unwrap().unwrap();
            assert!(grey.stems_until(&over).is_err());
            let prints = RasterPrints::until(&raster, true, &keys, &Deadline::never()).unwrap();
            assert_eq!(prints, RasterPrints::new(&raster, true, &keys));
            assert!(!prints.local.prints.is_empty());
        }
    }
}
