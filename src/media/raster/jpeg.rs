//! JPEG: decoded by `zune-jpeg` after a check of the file's segments.
//!
//! The decoder bounds neither its memory nor its work by what a file declares: it keeps the
//! coefficients of all components of a progressive file, whatever the caller requests; it continues
//! with zeros where a scan ends early, so that a scan of a dozen bytes costs a pass over the whole
//! picture; it reads all segments of an extended XMP packet for each segment that follows. A walk
//! over the segments first reads the sizes and the scans, and refuses numbers that no encoder
//! writes.

use std::io::BufRead;

use image::metadata::Orientation;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::timed::{Clock, TimedBytes};
use super::{afford_memory, sides, upright};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Budget;
use crate::media::Format;
use crate::raster::{Pixels, Raster};

/// A progressive JPEG has about ten scans.
const MAX_SCANS: usize = 64;

/// How often a coefficient may be visited. Encoders refine it two or three times.
const MAX_VISITS: u64 = 6;

/// The cost of fetching a block from memory in each scan, in visits ...
const FETCH: u64 = 24;

/// ... and the visits of a whole file, that cost included: some six seconds. The usual scans of 64
/// megapixels are half of that.
const MAX_WORK: u64 = 2_000_000_000;

/// Segments of an extended XMP packet, which hold up to 64 KiB each, times the segments after each.
const MAX_PACKET_WORK: u64 = 4 << 20;

/// Picoseconds that a pixel of a component takes from coefficients to samples.
const FINISHING: u64 = 1200;

/// Picoseconds that a missing pixel takes.
const FILLING: u64 = 500;

pub(super) fn decode(bytes: &[u8], budget: &mut Budget) -> Result<Raster> {
    let broken = |error| Error::malformed(format!("broken jpeg: {error}"));
    let declared = Declared::read(bytes);
    declared.check()?;
    let input = declared
        .end
        .and_then(|end| bytes.get(..end))
        .unwrap_or(bytes);
    // Not strict: what a camera or a social network writes is often a little off.
    let options = DecoderOptions::default()
        .set_strict_mode(false)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_max_scans(MAX_SCANS);
    let pixels = u64::from(declared.width) * u64::from(declared.height);
    let clock = if declared.keeps_coefficients() {
        // Once its input ends, the decoder makes a picture of what it has.
        Clock::with_reserve(budget, pixels, FINISHING)?
    } else {
        // It fills the rest of the picture with grey.
        Clock::with_reserve(budget, pixels, FILLING)?
    };
    let mut decoder = JpegDecoder::new_with_options(TimedBytes::new(input, &clock), options);
    let headers = decoder.decode_headers().map_err(broken);
    clock.settle(budget, headers)?;
    let (width, height) = decoder.dimensions().unwrap_or_default();
    let (width, height) = sides(Format::Jpeg, width, height)?;
    // The first component of YCbCr is BT.601 luma already.
    let output = match decoder.input_colorspace() {
        Some(ColorSpace::YCbCr | ColorSpace::Luma) => ColorSpace::Luma,
        _ => ColorSpace::RGB,
    };
    let channels = output.num_components();
    budget.charge_picture(width, height, channels as u32)?;
    declared.check_work()?;
    afford_memory(
        budget,
        Format::Jpeg,
        declared.coefficient_bytes(),
        u64::from(width) * u64::from(height) * channels as u64,
    )?;
    decoder.set_options(options.jpeg_set_out_colorspace(output));
    let mut samples = vec![0; width as usize * height as usize * channels];
    let decoded = decoder.decode_into(&mut samples).map_err(broken);
    clock.settle(budget, decoded)?;
    let orientation = decoder
        .exif()
        .and_then(|exif| Orientation::from_exif_chunk(exif))
        .unwrap_or(Orientation::NoTransforms);
    let pixels = match output {
        ColorSpace::Luma => Pixels::Luma8(samples),
        _ => Pixels::Rgb8(samples),
    };
    upright(Format::Jpeg, width, height, pixels, orientation, budget)
}

/// A component of a frame.
#[derive(Clone, Copy, Debug, Default)]
struct Component {
    id: u8,
    across: u64,
    down: u64,
}

/// What the segments of a file declare. The walk ends at malformed segments: the decoder
/// reports the error.
#[derive(Debug, Default)]
pub(super) struct Declared {
    pub(super) width: u16,
    pub(super) height: u16,
    components: Vec<Component>,
    frames: usize,
    is_progressive: bool,
    /// Components in the first scan.
    first_scan: usize,
    scans: usize,
    /// Sum over the scans of the coefficients that each visits.
    visits: u64,
    /// Sum over the scans of the blocks that each visits.
    fetches: u64,
    /// Sum over all segments of the extended XMP segments before each.
    packet_work: u64,
    /// Bytes up to the end of the picture, where it is known.
    end: Option<usize>,
}

impl Declared {
    /// Walks over the segments, and over the scans if the decoder goes back to them.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let mut declared = Self::default();
        if let Some(scans) = declared.headers(bytes)
            && declared.keeps_coefficients()
        {
            declared.end = declared.scans(scans).map(|rest| bytes.len() - rest.len());
        }
        declared
    }

    /// Up to the first scan, in the same steps as the decoder, so that both see the same segments.
    fn headers<'b>(&mut self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        let mut rest = bytes.get(2..)?;
        let mut packets = 0;
        loop {
            let (marker, behind) = next_marker(rest)?;
            let len = usize::from(u16::from_be_bytes(*behind.first_chunk()?));
            let segment = behind.get(2..len)?;
            self.packet_work = self.packet_work.saturating_add(packets);
            match marker {
                0xC0..=0xC2 => self.frame(marker, segment)?,
                0xD9 => return None,
                0xDA => {
                    self.scan(segment)?;
                    return behind.get(len..);
                }
                0xE1 if segment.starts_with(b"http://ns.adobe.com/xmp/extension/\0") => {
                    packets += 1
                }
                _ => {}
            }
            // The decoder reads five bytes of an application's segment of four.
            let len = if marker == 0xE0 && len == 6 { 7 } else { len };
            rest = behind.get(len..)?;
        }
    }

    /// The scans after the first, up to the end of the picture. What else there may be between
    /// scans has no such bytes, so that nothing need be skipped by a length.
    fn scans<'b>(&mut self, mut rest: &'b [u8]) -> Option<&'b [u8]> {
        loop {
            let (marker, behind) = next_marker(rest)?;
            rest = behind;
            match marker {
                0xD9 => return Some(behind),
                0xDA => {
                    let len = usize::from(u16::from_be_bytes(*behind.first_chunk()?));
                    self.scan(behind.get(2..len).unwrap_or_default());
                }
                _ => {}
            }
        }
    }

    fn frame(&mut self, marker: u8, segment: &[u8]) -> Option<()> {
        let (&[_, y1, y0, x1, x0, _], rest) = segment.split_first_chunk()?;
        self.frames += 1;
        self.is_progressive = marker == 0xC2;
        (self.height, self.width) = (u16::from_be_bytes([y1, y0]), u16::from_be_bytes([x1, x0]));
        self.components = rest
            .as_chunks::<3>()
            .0
            .iter()
            .take(4)
            .map(|&[id, sampling, _]| Component {
                id,
                across: u64::from(sampling >> 4).clamp(1, 4),
                down: u64::from(sampling & 15).clamp(1, 4),
            })
            .collect();
        Some(())
    }

    fn scan(&mut self, segment: &[u8]) -> Option<()> {
        let (&count, rest) = segment.split_first()?;
        let count = usize::from(count);
        let &[start, end, _] = rest.get(2 * count..)?.first_chunk()?;
        self.scans += 1;
        if self.scans == 1 {
            self.first_scan = count;
        }
        let each = if self.is_progressive {
            u64::from(end.saturating_sub(start)) + 1
        } else {
            64
        };
        for selector in rest.as_chunks::<2>().0.iter().take(count) {
            let mut found = self.components.iter();
            if let Some(component) = found.find(|component| component.id == selector[0]) {
                let blocks = self.blocks(component);
                self.visits = self.visits.saturating_add(blocks.saturating_mul(each));
                self.fetches = self.fetches.saturating_add(blocks);
            }
        }
        Some(())
    }

    /// The largest sampling factors.
    fn sampling(&self) -> (u64, u64) {
        let all = self.components.iter();
        all.fold((1, 1), |(x, y), c| (x.max(c.across), y.max(c.down)))
    }

    /// Blocks of 8 x 8 coefficients of a component, those that fill up the last units included.
    fn blocks(&self, component: &Component) -> u64 {
        let (across, down) = self.sampling();
        let units_across = u64::from(self.width).div_ceil(8 * across);
        let units_down = u64::from(self.height).div_ceil(8 * down);
        units_across * component.across * units_down * component.down
    }

    /// Pixels, those that fill up the last units included.
    pub(super) fn area(&self) -> u64 {
        let (across, down) = self.sampling();
        let filled = |side: u16, unit: u64| u64::from(side).next_multiple_of(unit);
        filled(self.width, 8 * across) * filled(self.height, 8 * down)
    }

    /// Samples of all components at the size of the picture.
    pub(super) fn samples(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height) * self.components.len() as u64
    }

    /// Whether the decoder keeps all coefficients until it has seen all scans.
    fn keeps_coefficients(&self) -> bool {
        self.is_progressive || self.first_scan != self.components.len()
    }

    /// Bytes of the coefficients that it keeps.
    pub(super) fn coefficient_bytes(&self) -> u64 {
        if !self.keeps_coefficients() {
            return 0;
        }
        let (across, down) = self.sampling();
        let blocks: u64 = self.components.iter().map(|c| self.blocks(c)).sum();
        // For pictures whose chroma has fewer rows it reserves more than it uses.
        blocks * 128 * down.div_ceil(across)
    }

    /// Refuses a file that costs more than any picture that an encoder writes.
    ///
    /// # Errors
    /// [`Limit`](ErrorKind::Limit), and [`Malformed`](ErrorKind::Malformed) for two frames in one.
    pub(super) fn check(&self) -> Result<()> {
        if self.frames > 1 {
            return Err(Error::malformed("broken jpeg: two frames"));
        }
        let refused = |what: String| Err(Error::new(ErrorKind::Limit, what));
        if self.scans > MAX_SCANS {
            return refused(format!(
                "jpeg of {} scans, at most {MAX_SCANS} are read",
                self.scans
            ));
        }
        if self.packet_work > MAX_PACKET_WORK {
            return refused("jpeg with too many segments of extended XMP".to_owned());
        }
        Ok(())
    }

    /// Refuses scans that take more work than the picture's size accounts for.
    ///
    /// # Errors
    /// [`Limit`](ErrorKind::Limit).
    pub(super) fn check_work(&self) -> Result<()> {
        let refused = |what: String| Err(Error::new(ErrorKind::Limit, what));
        let blocks: u64 = self.components.iter().map(|c| self.blocks(c)).sum();
        if self.visits > blocks.saturating_mul(64 * MAX_VISITS) {
            return refused(format!(
                "jpeg whose {} scans look at every coefficient more than {MAX_VISITS} times",
                self.scans
            ));
        }
        let fetching = self.fetches.saturating_mul(FETCH);
        if self.visits.saturating_add(fetching) > MAX_WORK {
            return refused(format!(
                "jpeg of {} scans, too many for {} x {} pixels",
                self.scans, self.width, self.height
            ));
        }
        Ok(())
    }
}

/// The next marker and what follows it; compressed data and fill bytes are skipped.
fn next_marker(mut rest: &[u8]) -> Option<(u8, &[u8])> {
    loop {
        // Vectorised, and cannot fail on a slice.
        if rest.skip_until(0xFF).ok()? == 0 {
            return None;
        }
        let fill = rest.iter().take_while(|&&byte| byte == 0xFF).count();
        let (&marker, behind) = rest.get(fill..)?.split_first()?;
        rest = behind;
        if marker != 0 {
            return Some((marker, behind));
        }
    }
}
