//! Animations: the later frames that show something new.
//!
//! Most frames of an animation are nearly equal to the one before, and prints of a picture cost
//! more than its decoding. So a frame is kept only if it differs from all that were kept
//! before it, by a thumbnail of its luma; a picture that blinks is kept once for each of its
//! states. The more have been kept, the more the next one must differ, so that a film uses
//! its limited number of frames for scenes rather than for its first seconds.
//!
//! Frames are decoded in order, as the format composes them; only one is in memory at a time.

use image::codecs::{gif, webp};
use image::metadata::Orientation;
use image::{AnimationDecoder, ColorType, Frames, ImageDecoder};

use super::Format;
use super::guard::guard;
use super::raster::{
    Clock, DeclaredWebP, Timed, WORKING_BYTES, afford, canonical, from_image, limits, open_png,
    upright,
};
use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Budget;
use crate::raster::{AreaShrink, Matte, Raster};

/// Cells along each side of a thumbnail.
const CELLS: usize = 32;

/// Levels of luma, of 256, by which a cell must differ to count.
const LEVELS: f32 = 8.0;

/// Cells of the 1,024 that must differ before the first frames are kept ...
const MIN_CHANGED_CELLS: usize = 8;

/// ... twice as many after each further `STEP` frames.
const STEP: usize = 4;

/// Bytes charged for a frame on top of its pixels: a million frames of one pixel are work too.
const FRAME_BYTES: u64 = 16 << 10;

/// Pictures of the full size that a decoder and its caller hold at once, at most.
const COPIES: u64 = 6;

/// Picoseconds per pixel for composing a frame, and for decoding a lossy WebP.
const COMPOSE_PS: u64 = 1500;
const WEBP_PS: u64 = 4000;

/// A small version of a picture, on white.
struct Thumbnail(Vec<f32>);

impl Thumbnail {
    fn from_raster(raster: &Raster, deadline: &Deadline) -> Result<Self> {
        let width = raster.width() as usize;
        let mut shrink = AreaShrink::new(width, raster.height() as usize, CELLS, CELLS);
        raster.luma_bands_until(Matte::White, deadline, |band| {
            band.rows(width).for_each(|row| shrink.push(row));
        })?;
        Ok(Self(shrink.finish()))
    }

    /// The number of cells that differ.
    fn difference(&self, other: &Self) -> usize {
        let cells = self.0.iter().zip(&other.0);
        cells.filter(|(a, b)| (*a - *b).abs() > LEVELS).count()
    }
}

/// The frames of an animation, for those that have more than one.
pub(super) struct Animation<'b> {
    bytes: &'b [u8],
    format: Format,
    clock: Clock,
    kept: Vec<Thumbnail>,
}

/// The number of the first frame that could not be read, and the error.
pub(super) type Failed = (u32, Error);

impl<'b> Animation<'b> {
    /// The animation whose first frame has been read as the still picture `first`; `None` if there
    /// are no more frames. Costs a walk over the blocks of a GIF, or reading the header of other
    /// formats.
    pub(super) fn after(
        first: &Raster,
        bytes: &'b [u8],
        format: Format,
        budget: &Budget,
    ) -> Option<Self> {
        let clock = Clock::new(budget.deadline());
        let moves = match format {
            Format::Gif => has_second_image(bytes),
            Format::Png => guard("the png decoder", || {
                let decoder = open_png(bytes, &clock)?;
                decoder.is_apng().map_err(|e| from_image(format, e))
            })
            .unwrap_or(false),
            Format::WebP => guard("the webp decoder", || {
                let decoder = webp::WebPDecoder::new(Timed::new(bytes, &clock));
                Ok(decoder.map_err(|e| from_image(format, e))?.has_animation())
            })
            .unwrap_or(false),
            _ => false,
        };
        moves.then(|| Self {
            bytes,
            format,
            clock,
            // No thumbnail means that the deadline has passed, which the first frame reports.
            kept: Thumbnail::from_raster(first, budget.deadline())
                .into_iter()
                .collect(),
        })
    }

    /// Calls `keep` for every frame that shows something new, with its number among all frames,
    /// counted from 1. `keep` fails if nothing more may be read.
    ///
    /// Takes at most half of the remaining decoded bytes, so that later members of the same
    /// container can still be read.
    ///
    /// # Errors
    /// If a frame is broken or exceeds a limit. The frames before it have been handed over; the
    /// later ones depend on it and are lost.
    pub(super) fn frames(
        mut self,
        budget: &mut Budget,
        mut keep: impl FnMut(&mut Budget, u32, Raster) -> Result<()>,
    ) -> std::result::Result<(), Failed> {
        let opened = self.open();
        let opened = self.clock.settle(budget, opened).map_err(|e| (1, e))?;
        let Opened {
            mut frames,
            size,
            orientation,
            each,
        } = opened;
        let charge = frame_bytes(size) + FRAME_BYTES;
        let least_left = budget.decoded_left() / 2;
        let most = budget.limits().frames;
        for number in 1.. {
            let failed = |error| (number, error);
            budget.check_time().map_err(failed)?;
            if budget.decoded_left().saturating_sub(charge) < least_left {
                let message = format!(
                    "limit decoded_bytes = {}: an animation may take half of what is left of it, \
                     which {} frames of {} x {} have done",
                    budget.limits().decoded_bytes,
                    number - 1,
                    size.0,
                    size.1
                );
                return Err(failed(Error::new(ErrorKind::Limit, message)));
            }
            budget.charge_decoded(charge).map_err(failed)?;
            afford(budget, frame_bytes(size) / 4, each).map_err(failed)?;
            let next = guard(&format!("the {} decoder", self.format.as_str()), || {
                frames
                    .next()
                    .transpose()
                    .map_err(|e| from_image(self.format, e))
            });
            let next = self.clock.settle(budget, next);
            let Some(frame) = next.map_err(failed)? else {
                break;
            };
            let frame = frame.into_buffer();
            let (width, height) = frame.dimensions();
            let pixels = canonical(frame.into_raw(), ColorType::Rgba8);
            let pixels =
                pixels.ok_or_else(|| failed(Error::malformed("a frame without pixels")))?;
            let raster =
                upright(self.format, width, height, pixels, orientation, budget).map_err(failed)?;
            if !self.is_new(&raster, budget).map_err(failed)? {
                continue;
            }
            // The first is not counted: it is the picture that was read before.
            let kept = self.kept.len() as u32 - 1;
            if kept > most {
                return Err(failed(Error::limit("frames", most, kept)));
            }
            keep(budget, number, raster).map_err(failed)?;
        }
        Ok(())
    }

    /// Whether a frame differs from all that were kept; it is one of them from then on.
    fn is_new(&mut self, raster: &Raster, budget: &Budget) -> Result<bool> {
        let thumbnail = Thumbnail::from_raster(raster, budget.deadline())?;
        let doublings = self.kept.len().saturating_sub(1) / STEP;
        let needed = MIN_CHANGED_CELLS << doublings.min(5);
        let is_new = self
            .kept
            .iter()
            .all(|kept| kept.difference(&thumbnail) >= needed);
        if is_new {
            self.kept.push(thumbnail);
        }
        Ok(is_new)
    }

    /// A decoder at the first frame.
    fn open(&self) -> Result<Opened<'b>> {
        let format = self.format;
        let broken = |error| from_image(format, error);
        let reader = Timed::new(self.bytes, &self.clock);
        guard(
            &format!("the {} decoder", format.as_str()),
            || match format {
                Format::Gif => {
                    let mut decoder = gif::GifDecoder::new(reader).map_err(broken)?;
                    let size = check(&decoder, format)?;
                    let orientation = decoder.orientation().map_err(broken)?;
                    // A frame may be larger than the picture that it is a part of.
                    let most = 3 * frame_bytes(size) + FRAME_BYTES;
                    decoder.set_limits(limits(most)).map_err(broken)?;
                    Ok(Opened {
                        frames: decoder.into_frames(),
                        size,
                        orientation,
                        each: COMPOSE_PS,
                    })
                }
                Format::Png => {
                    let mut decoder = open_png(self.bytes, &self.clock)?;
                    let size = check(&decoder, format)?;
                    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
                    decoder.set_limits(limits(WORKING_BYTES)).map_err(broken)?;
                    Ok(Opened {
                        frames: decoder.apng().map_err(broken)?.into_frames(),
                        size,
                        orientation,
                        each: COMPOSE_PS,
                    })
                }
                _ => {
                    let declared = DeclaredWebP::read(self.bytes)?;
                    let decoder = webp::WebPDecoder::new(reader).map_err(broken)?;
                    let size = check(&decoder, format)?;
                    Ok(Opened {
                        frames: decoder.into_frames(),
                        size,
                        orientation: declared.orientation.unwrap_or(Orientation::NoTransforms),
                        each: COMPOSE_PS + WEBP_PS,
                    })
                }
            },
        )
    }
}

/// A decoder at the first frame.
struct Opened<'b> {
    frames: Frames<'b>,
    /// The size of the frames as stored.
    size: (u32, u32),
    /// Their orientation.
    orientation: Orientation,
    /// Picoseconds that a pixel of a frame takes and that cannot be interrupted.
    each: u64,
}

/// Bytes of a frame as it is handed over.
fn frame_bytes((width, height): (u32, u32)) -> u64 {
    4 * u64::from(width) * u64::from(height)
}

/// The size of the frames as stored, unless composing them would take too much memory.
fn check(decoder: &impl ImageDecoder, format: Format) -> Result<(u32, u32)> {
    let (width, height) = decoder.dimensions();
    if frame_bytes((width, height)).saturating_mul(COPIES) > WORKING_BYTES {
        let message = format!(
            "an animated {} of {width} x {height} needs more than {WORKING_BYTES} bytes to compose",
            format.as_str()
        );
        return Err(Error::new(ErrorKind::Limit, message));
    }
    Ok((width, height))
}

/// Whether a GIF has a second image block: a step for every block of up to 255 bytes.
fn has_second_image(bytes: &[u8]) -> bool {
    // The colours that bit 7 of a field announces, three bytes each.
    let table = |field: u8| {
        if field & 0x80 == 0 {
            0
        } else {
            6 << (field & 7)
        }
    };
    let Some(&field) = bytes.get(10) else {
        return false;
    };
    let mut rest = bytes.get(13 + table(field)..).unwrap_or_default();
    let mut images = 0;
    while let Some((&kind, block)) = rest.split_first() {
        let head = match kind {
            // An extension: its label.
            0x21 => 1,
            // An image: its place and size, colours, and the width of the first code.
            0x2C => {
                images += 1;
                if images == 2 {
                    return true;
                }
                let field = block.get(8).copied().unwrap_or_default();
                10 + table(field)
            }
            _ => return false,
        };
        rest = block.get(head..).unwrap_or_default();
        loop {
            let Some((&length, data)) = rest.split_first() else {
                return false;
            };
            rest = data.get(usize::from(length)..).unwrap_or_default();
            if length == 0 {
                break;
            }
        }
    }
    false
}
