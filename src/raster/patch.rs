//! Patches: the surroundings of a point of a picture, sampled in a frame of given position, size
//! and direction, and independent of brightness and contrast.

use super::{Keypoint, Pyramid, SCALE_BIAS, SCALE_STEPS};
use crate::arch::{Backend, Lattice};

/// Samples along each side of a patch.
pub(crate) const SIDE: usize = 12;

/// Samples of a patch.
pub(crate) const PATCH: usize = SIDE * SIDE;

const _: () = assert!(PATCH == crate::arch::SAMPLES);

/// Pixels of the level between neighbouring samples.
const PITCH: f32 = 2.25;

/// Patches whose samples differ from their mean by less than two steps of luma are flat: in 256ths.
const FLAT: i32 = 2 * 256;

/// Samples of one tone that make a patch solid: four in ten.
const SOLID: u32 = 58;

/// Copies smaller than this part of the level's size have lost the patch's details.
const MIN_SCALE: f32 = 0.53;

/// Samples are taken from a level that is coarser by this factor than the one the keypoint was found on.
const COARSER: f32 = std::f32::consts::SQRT_2;

/// Deviations of the samples from their mean, scaled so that the largest is 127; row-major.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Patch(pub(crate) [i8; PATCH]);

/// The place, size and direction in which a patch is sampled, in pixels of the largest level.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    /// The middle of the patch.
    pub(crate) x: f32,
    pub(crate) y: f32,
    /// From one sample to the next in its row.
    pub(crate) u: (f32, f32),
    /// From one row of samples to the next.
    pub(crate) v: (f32, f32),
}

impl Frame {
    /// The frame of a keypoint.
    pub(crate) fn of(keypoint: &Keypoint) -> Self {
        let pitch = PITCH * scale_of(keypoint.scale);
        let (cos, sin) = direction(keypoint.angle);
        Self {
            x: keypoint.x,
            y: keypoint.y,
            u: (pitch * cos, pitch * sin),
            v: (-pitch * sin, pitch * cos),
        }
    }

    /// The frame moved by parts of the distance between samples.
    pub(crate) fn moved(&self, along: f32, across: f32) -> Self {
        Self {
            x: self.x + along * self.u.0 + across * self.v.0,
            y: self.y + along * self.u.1 + across * self.v.1,
            ..*self
        }
    }

    /// Its size: 1 for details of the largest level.
    fn scale(&self) -> f32 {
        (self.u.0 * self.v.1 - self.u.1 * self.v.0).abs().sqrt() / PITCH
    }

    /// Half the length of its diagonal.
    pub(crate) fn reach(&self) -> f32 {
        let half = SIDE as f32 / 2.0;
        let along = (self.u.0.abs() + self.v.0.abs()) * half;
        let across = (self.u.1.abs() + self.v.1.abs()) * half;
        along.max(across)
    }
}

/// The size of a number of steps.
pub(crate) fn scale_of(steps: u8) -> f32 {
    /// 2^(i / 16).
    const SIXTEENTHS: [f32; SCALE_STEPS as usize] = [
        1.0,
        1.044_273_8,
        1.090_507_7,
        1.138_788_6,
        1.189_207_1,
        1.241_857_8,
        1.296_839_6,
        1.354_255_5,
        std::f32::consts::SQRT_2,
        1.476_826_1,
        1.542_210_8,
        1.610_490_3,
        1.681_792_8,
        1.756_252_2,
        1.834_008_1,
        1.915_206_6,
    ];
    let steps = i32::from(steps) - i32::from(SCALE_BIAS);
    let octave = steps.div_euclid(SCALE_STEPS as i32);
    let part = SIXTEENTHS[steps.rem_euclid(SCALE_STEPS as i32) as usize];
    // A power of two is exact.
    part * f32::from_bits(((127 + octave) as u32) << 23)
}

/// Cosine and sine of an angle in 256ths of a turn, the same on every machine.
pub(crate) fn direction(angle: u8) -> (f32, f32) {
    (sine(angle.wrapping_add(64)), sine(angle))
}

fn sine(angle: u8) -> f32 {
    // Folded to the first quarter, where the series converges at once.
    let (quarter, sign) = match angle {
        0..=64 => (angle, 1.0),
        65..=128 => (128 - angle, 1.0),
        129..=192 => (angle - 128, -1.0),
        193.. => ((256 - u16::from(angle)) as u8, -1.0),
    };
    let x = f64::from(quarter) * (std::f64::consts::TAU / 256.0);
    let s = x * x;
    let series = x * (1.0 - s / 6.0 * (1.0 - s / 20.0 * (1.0 - s / 42.0 * (1.0 - s / 72.0))));
    (sign * series) as f32
}

impl Pyramid {
    /// Whether a patch in this frame is inside the picture and no finer than it.
    pub(crate) fn shows(&self, frame: &Frame) -> bool {
        let Some(base) = self.levels.first() else {
            return false;
        };
        let reach = frame.reach();
        frame.scale() >= MIN_SCALE
            && frame.x >= reach
            && frame.y >= reach
            && frame.x + reach < base.width as f32
            && frame.y + reach < base.height as f32
    }

    /// The patch in a frame; `None` if it is flat, finer than the picture, or not wholly inside.
    pub(crate) fn patch(&self, frame: &Frame) -> Option<Patch> {
        Backend::detect()
            .stretch(&self.samples(frame)?, FLAT)
            .map(Patch)
    }

    /// The samples in a frame, from the level whose details have the frame's size.
    fn samples(&self, frame: &Frame) -> Option<[u16; PATCH]> {
        let scale = frame.scale();
        if scale.is_nan() || scale < MIN_SCALE {
            return None;
        }
        // Levels are half octaves apart; the bound is a quarter octave above each.
        let (mut number, mut bound) = (0, 1.189_207_1_f32);
        let scale = scale * COARSER;
        while scale >= bound {
            number += 1;
            bound *= std::f32::consts::SQRT_2;
            if number > self.levels.len() {
                return None;
            }
        }
        let (base, level) = (self.levels.first()?, self.levels.get(number)?);
        let shrink_x = level.width as f32 / base.width as f32;
        let shrink_y = level.height as f32 / base.height as f32;
        let (x, y) = (
            (frame.x + 0.5) * shrink_x - 0.5,
            (frame.y + 0.5) * shrink_y - 0.5,
        );
        let u = (frame.u.0 * shrink_x, frame.u.1 * shrink_y);
        let v = (frame.v.0 * shrink_x, frame.v.1 * shrink_y);
        let half = (SIDE - 1) as f32 / 2.0;
        let lattice = Lattice {
            first: (x - half * (u.0 + v.0), y - half * (u.1 + v.1)),
            u,
            v,
        };
        Backend::detect().sample(&level.soft, level.width, &lattice)
    }

    /// The luma that at least [`SOLID`] samples of a patch have, if there is one.
    pub(crate) fn solid(&self, frame: &Frame) -> Option<u8> {
        let samples = self.samples(frame)?;
        let mut counts = [0_u8; 64];
        for sample in samples {
            counts[usize::from(sample >> 10)] += 1;
        }
        // Two neighbouring bins, so that no value is cut in half.
        let pairs = counts.windows(2).enumerate();
        let (bin, count) = pairs
            .map(|(bin, pair)| (bin, u32::from(pair[0]) + u32::from(pair[1])))
            .max_by_key(|&(_, count)| count)?;
        (count >= SOLID).then_some((bin * 4 + 4) as u8)
    }
}

impl Patch {
    /// The patch of the mirrored picture: rows from the last to the first.
    pub(crate) fn mirrored(&self) -> Self {
        let mut out = [0; PATCH];
        let rows = self.0.chunks_exact(SIDE).rev();
        for (to, from) in out.chunks_exact_mut(SIDE).zip(rows) {
            to.copy_from_slice(from);
        }
        Self(out)
    }

    /// The patch of the inverted picture.
    pub(crate) fn inverted(&self) -> Self {
        // The largest is 127, so nothing overflows.
        Self(self.0.map(|s| -s))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_their_definitions() {
        for i in 0..=255_u8 {
            let (cos, sin) = direction(i);
            let angle = f64::from(i) * std::f64::consts::TAU / 256.0;
            assert!((f64::from(sin) - angle.sin()).abs() < 4e-5, "{i}");
            assert!((f64::from(cos) - angle.cos()).abs() < 4e-5, "{i}");
            let scale = 2_f64.powf((f64::from(i) - f64::from(SCALE_BIAS)) / 16.0);
            assert!((f64::from(scale_of(i)) / scale - 1.0).abs() < 1e-6, "{i}");
        }
    }
}
