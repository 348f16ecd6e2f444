//! Pictures that declare more than they hold: each is refused, or read, at a cost that follows from
//! the limits and not from its numbers. All are made here, of some hundred bytes to some hundred
//! kilobytes.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use leakprint::media::{Content, Part, PartPath, PartSink, read};
use leakprint::{Budget, Error, ErrorKind, Limits};

/// Sizes of the pictures of an input, and its warnings.
#[derive(Debug, Default)]
struct Sizes(Vec<(u32, u32)>, Vec<String>);

impl PartSink for Sizes {
    fn part(&mut self, part: Part<'_>) {
        if let Content::Raster { raster, .. } = part.content {
            self.0.push((raster.width(), raster.height()));
        }
    }

    fn warning(&mut self, _: PartPath, error: Error) {
        self.1.push(error.message().to_owned());
    }
}

fn sizes_within(bytes: &[u8], limits: &Limits) -> Result<Sizes, Error> {
    let mut sizes = Sizes::default();
    read(bytes, None, &mut Budget::new(limits), &mut sizes)?;
    Ok(sizes)
}

fn sizes(bytes: &[u8]) -> Result<Sizes, Error> {
    sizes_within(bytes, &Limits::default())
}

/// Asserts that the input is refused with a message that has `words`.
fn assert_refused(bytes: &[u8], kind: ErrorKind, words: &str) {
    let error = sizes(bytes).expect_err(words);
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.message().contains(words), "{error}");
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("in memory");
    encoder.finish().expect("in memory")
}

mod jpeg {
    use super::*;

    fn segment(marker: u8, content: &[u8]) -> Vec<u8> {
        let mut out = vec![0xFF, marker];
        out.extend_from_slice(&(content.len() as u16 + 2).to_be_bytes());
        out.extend_from_slice(content);
        out
    }

    /// Tables whose only code is one zero bit: no difference, and the run and size of `ac`.
    fn start(ac: u8) -> Vec<u8> {
        let mut quantisers = vec![0];
        quantisers.extend([16; 64]);
        let table = |class: u8, symbol: u8| {
            let mut table = vec![class << 4, 1];
            table.extend([0; 15]);
            table.push(symbol);
            table
        };
        let mut out = vec![0xFF, 0xD8];
        out.extend(segment(0xDB, &quantisers));
        out.extend(segment(0xC4, &table(0, 0)));
        out.extend(segment(0xC4, &table(1, ac)));
        out
    }

    fn frame(marker: u8, width: u16, height: u16, sampling: &[u8]) -> Vec<u8> {
        let mut content = vec![8];
        content.extend_from_slice(&height.to_be_bytes());
        content.extend_from_slice(&width.to_be_bytes());
        content.push(sampling.len() as u8);
        for (id, &sampling) in (1..).zip(sampling) {
            content.extend_from_slice(&[id, sampling, 0]);
        }
        segment(marker, &content)
    }

    fn scan(components: &[u8], from: u8, to: u8, bits: u8) -> Vec<u8> {
        let mut content = vec![components.len() as u8];
        for &id in components {
            content.extend_from_slice(&[id, 0]);
        }
        content.extend_from_slice(&[from, to, bits]);
        segment(0xDA, &content)
    }

    pub(super) fn flat(width: u16, height: u16, marker: u8) -> Vec<u8> {
        let mut file = start(0);
        file.extend(frame(marker, width, height, &[0x11]));
        file.extend(scan(&[1], 0, 63, 0));
        file.extend([0; 64]);
        file.extend([0xFF, 0xD9]);
        file
    }

    #[test]
    fn a_baseline_file_has_few_scans() {
        let mut file = start(0);
        file.extend(frame(0xC0, 8191, 8191, &[0x11; 3]));
        for _ in 0..5000 {
            // Each restarts the picture.
            file.extend(scan(&[1], 0, 63, 0));
            file.push(0);
        }
        assert_refused(&file, ErrorKind::Limit, "5000 scans");
    }

    #[test]
    fn scans_visit_a_coefficient_a_few_times() {
        let progressive = |rounds: usize| {
            let mut file = start(1);
            file.extend(frame(0xC2, 64, 64, &[0x11; 3]));
            file.extend(scan(&[1, 2, 3], 0, 0, 0));
            file.push(0);
            for round in 0..rounds {
                let bits = if round == 0 { 0x03 } else { 0x32 };
                for component in 1..=3 {
                    file.extend(scan(&[component], 1, 63, bits));
                    file.push(0);
                }
            }
            file.extend([0xFF, 0xD9]);
            file
        };
        // The picture is small: it is the number that is refused, not the size.
        assert_refused(&progressive(7), ErrorKind::Limit, "more than 6 times");
        assert_eq!(sizes(&progressive(4)).unwrap().0, [(64, 64)]);
    }

    #[test]
    fn a_large_picture_has_fewer_scans() {
        let scans = |side: u16| {
            let mut file = start(1);
            file.extend(frame(0xC2, side, side, &[0x11; 3]));
            for _ in 0..60 {
                file.extend(scan(&[1, 2, 3], 0, 0, 0));
                file.push(0);
            }
            file.extend([0xFF, 0xD9]);
            file
        };
        assert_refused(&scans(8191), ErrorKind::Limit, "60 scans, too many");
        assert_eq!(sizes(&scans(80)).unwrap().0, [(80, 80)]);
    }

    #[test]
    fn output_of_encoders_is_read() {
        let pixels: Vec<u8> = (0..90 * 60 * 3).map(|i| (i * i / 7) as u8).collect();
        for progressive in [false, true] {
            for scans in [4, 20] {
                let mut file = Vec::new();
                let mut encoder = jpeg_encoder::Encoder::new(&mut file, 90);
                encoder.set_progressive(progressive);
                if progressive {
                    encoder.set_progressive_scans(scans);
                }
                let done = encoder.encode(&pixels, 90, 60, jpeg_encoder::ColorType::Rgb);
                done.expect("in memory");
                assert_eq!(sizes(&file).unwrap().0, [(90, 60)], "{progressive} {scans}");
            }
        }
    }

    #[test]
    fn coefficients_count_as_decoded_bytes() {
        let mut file = start(0);
        file.extend(frame(0xC2, 4000, 4000, &[0x11; 3]));
        file.extend(scan(&[1, 2, 3], 0, 0, 0));
        file.extend([0; 64]);
        file.extend([0xFF, 0xD9]);
        let mut limits = Limits::default();
        // The picture has 16 million bytes of luma, its coefficients 96 million.
        limits.decoded_bytes = 100_000_000;
        let error = sizes_within(&file, &limits).unwrap_err();
        assert!(
            error.message().starts_with("limit decoded_bytes"),
            "{error}"
        );
        // Components without rows between make the decoder reserve four times as much.
        let mut file = start(0);
        file.extend(frame(0xC2, 8000, 8000, &[0x14, 0x11, 0x11]));
        file.extend(scan(&[1, 2, 3], 0, 0, 0));
        file.extend([0; 64]);
        assert_refused(&file, ErrorKind::Limit, "more than 805306368 bytes");
    }

    #[test]
    fn the_frame_is_declared_once() {
        let mut file = start(0);
        file.extend(frame(0xC0, 8, 8, &[0x11]));
        file.extend(frame(0xC2, 8, 8, &[0x11]));
        file.extend(scan(&[1], 0, 63, 0));
        assert_refused(&file, ErrorKind::Malformed, "two frames");
    }

    #[test]
    fn packets_of_metadata_are_few() {
        let mut content = b"http://ns.adobe.com/xmp/extension/\0".to_vec();
        content.extend([b'A'; 32]);
        content.extend_from_slice(&[0x3B, 0x9A, 0xCA, 0, 0, 0, 0, 5]);
        let packet = segment(0xE1, &content);
        let with = |packets: usize| {
            let mut file = vec![0xFF, 0xD8];
            for _ in 0..packets {
                file.extend(&packet);
            }
            file.extend(&flat(64, 64, 0xC0)[2..]);
            file
        };
        assert_eq!(sizes(&with(500)).unwrap().0, [(64, 64)]);
        assert_refused(&with(4000), ErrorKind::Limit, "extended XMP");
    }
}

mod tiff {
    use super::*;

    /// A little-endian file: `data` at byte 8, then one directory. Values of one number are LONG.
    fn file(entries: &[(u16, &[u32])], data: &[u8]) -> Vec<u8> {
        let mut entries = entries.to_vec();
        entries.sort_by_key(|entry| entry.0);
        let mut out = b"II*\0".to_vec();
        let directory = 8 + data.len().next_multiple_of(2);
        out.extend_from_slice(&(directory as u32).to_le_bytes());
        out.extend_from_slice(data);
        out.resize(directory, 0);
        out.extend_from_slice(&(entries.len() as u16).to_le_bytes());
        let mut behind = directory + 2 + 12 * entries.len() + 4;
        let mut values: Vec<u8> = Vec::new();
        for (tag, numbers) in &entries {
            out.extend_from_slice(&tag.to_le_bytes());
            out.extend_from_slice(&4_u16.to_le_bytes());
            out.extend_from_slice(&(numbers.len() as u32).to_le_bytes());
            if let [number] = numbers {
                out.extend_from_slice(&number.to_le_bytes());
            } else {
                out.extend_from_slice(&(behind as u32).to_le_bytes());
                for number in *numbers {
                    values.extend_from_slice(&number.to_le_bytes());
                }
                behind += 4 * numbers.len();
            }
        }
        out.extend_from_slice(&[0; 4]);
        out.extend(values);
        out
    }

    /// Width, height, compression, photometric interpretation and samples of 8 bits.
    fn head(
        size: [u32; 2],
        compression: u32,
        photometric: u32,
        samples: u32,
    ) -> Vec<(u16, Vec<u32>)> {
        vec![
            (256, vec![size[0]]),
            (257, vec![size[1]]),
            (258, vec![8]),
            (259, vec![compression]),
            (262, vec![photometric]),
            (277, vec![samples]),
        ]
    }

    fn made(mut head: Vec<(u16, Vec<u32>)>, rest: &[(u16, Vec<u32>)], data: &[u8]) -> Vec<u8> {
        head.extend(rest.iter().cloned());
        let entries: Vec<(u16, &[u32])> = head.iter().map(|(t, v)| (*t, &v[..])).collect();
        file(&entries, data)
    }

    fn strips(rows: u32, count: usize, len: usize) -> Vec<(u16, Vec<u32>)> {
        vec![
            (278, vec![rows]),
            (273, vec![8; count]),
            (279, vec![len as u32; count]),
        ]
    }

    fn tiles(size: [u32; 2], count: usize, len: usize) -> Vec<(u16, Vec<u32>)> {
        vec![
            (322, vec![size[0]]),
            (323, vec![size[1]]),
            (324, vec![8; count]),
            (325, vec![len as u32; count]),
        ]
    }

    #[test]
    fn ordinary_files_are_read() {
        let data = zlib(&[7; 256 * 256]);
        let tiled = made(
            head([50, 40], 8, 1, 1),
            &tiles([256, 256], 1, data.len()),
            &data,
        );
        assert_eq!(sizes(&tiled).unwrap().0, [(50, 40)]);
        let jpeg = super::jpeg::flat(64, 16, 0xC0);
        let strip = made(head([64, 16], 7, 1, 1), &strips(16, 1, jpeg.len()), &jpeg);
        assert_eq!(sizes(&strip).unwrap().0, [(64, 16)]);
    }

    #[test]
    fn tiles_are_not_much_wider_than_the_picture() {
        // Each of 20,000 tiles is inflated to its full width from the same bytes.
        let data = zlib(&[0; 1 << 16]);
        let rows = 20_000;
        let wide = tiles([1 << 24, 1], rows, data.len());
        let bomb = made(head([1, rows as u32], 8, 1, 1), &wide, &data);
        assert_refused(&bomb, ErrorKind::Limit, "what fills up its tiles");
        // One row of a tile with samples that are not shown is held by itself: 21 GB.
        let mut wide = tiles([0xFFFF_FFF0, 16], 1, 100);
        wide.push((338, vec![0, 0]));
        let bomb = made(head([10, 10], 1, 2, 5), &wide, &[0; 100]);
        assert_refused(&bomb, ErrorKind::Limit, "what fills up its tiles");
    }

    #[test]
    fn hidden_samples_count() {
        let data = zlib(&[0; 1 << 16]);
        let mut rest = strips(8000, 1, data.len());
        rest.push((338, vec![0; 59_997]));
        let bomb = made(head([8000, 8000], 8, 2, 60_000), &rest, &data);
        assert_refused(&bomb, ErrorKind::Limit, "decoded_bytes");
    }

    #[test]
    fn a_strip_of_jpeg_is_as_large_as_its_place() {
        for marker in [0xC0, 0xC2] {
            let jpeg = super::jpeg::flat(16_384, 16_384, marker);
            let bomb = made(
                head([1000, 1000], 7, 1, 1),
                &strips(1, 1000, jpeg.len()),
                &jpeg,
            );
            assert_refused(
                &bomb,
                ErrorKind::Malformed,
                "16384 x 16384 in a place of 1000 x 1",
            );
        }
        // The same bytes, copied for each of 5000 strips.
        let mut jpeg = super::jpeg::flat(1000, 1, 0xC0);
        jpeg.resize(100_000, 0);
        let bomb = made(
            head([1000, 5000], 7, 1, 1),
            &strips(1, 5000, jpeg.len()),
            &jpeg,
        );
        assert_refused(&bomb, ErrorKind::Malformed, "share their bytes");
        // Blocks are eight pixels high, so that strips of one row would be eight pictures.
        let mut data = Vec::new();
        let mut offsets = Vec::new();
        let jpeg = super::jpeg::flat(16_000, 1, 0xC0);
        for _ in 0..4000 {
            offsets.push(8 + data.len() as u32);
            data.extend(&jpeg);
        }
        let rest = [
            (278, vec![1]),
            (273, offsets),
            (279, vec![jpeg.len() as u32; 4000]),
        ];
        let bomb = made(head([16_000, 4000], 7, 1, 1), &rest, &data);
        assert_refused(&bomb, ErrorKind::Malformed, "larger than the picture");
    }

    #[test]
    fn the_orientation_is_one_number() {
        // Twelve million of them would be a list of 400 MB.
        let plain = made(head([64, 64], 1, 1, 1), &strips(64, 1, 4096), &[9; 4096]);
        let mut bomb = made(
            head([64, 64], 1, 1, 1),
            &[strips(64, 1, 4096), vec![(274, vec![1])]].concat(),
            &[9; 4096],
        );
        let entry = bomb
            .windows(2)
            .rposition(|tag| tag == 274_u16.to_le_bytes());
        let count = entry.expect("the tag") + 4;
        bomb[count..count + 4].copy_from_slice(&12_000_000_u32.to_le_bytes());
        for file in [plain, bomb] {
            assert_eq!(sizes(&file).unwrap().0, [(64, 64)]);
        }
    }
}

mod webp {
    use super::*;

    fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
        declared(name, content, content.len() as u32)
    }

    fn declared(name: &[u8; 4], content: &[u8], len: u32) -> Vec<u8> {
        let mut out = name.to_vec();
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(content);
        out.resize(out.len().next_multiple_of(2), 0);
        out
    }

    fn file(chunks: &[Vec<u8>]) -> Vec<u8> {
        let content = chunks.concat();
        let mut out = b"RIFF".to_vec();
        out.extend_from_slice(&(content.len() as u32 + 4).to_le_bytes());
        out.extend_from_slice(b"WEBP");
        out.extend(content);
        out
    }

    fn canvas(flags: u8, width: u32, height: u32) -> Vec<u8> {
        let mut content = vec![flags, 0, 0, 0];
        content.extend_from_slice(&(width - 1).to_le_bytes()[..3]);
        content.extend_from_slice(&(height - 1).to_le_bytes()[..3]);
        chunk(b"VP8X", &content)
    }

    /// A lossless picture of one colour: no transform, and five codes of one symbol.
    fn lossless(width: u32, height: u32) -> Vec<u8> {
        let mut bits: u128 = 0x2F;
        bits |= u128::from(width - 1) << 8 | u128::from(height - 1) << 22 | 1 << 36;
        // Behind three bits of version: no transform, no cache, no groups; then 1000 five times.
        for code in 0..5 {
            bits |= 1 << (43 + 4 * code);
        }
        chunk(b"VP8L", &bits.to_le_bytes()[..9])
    }

    /// The header of a lossy picture.
    fn lossy(width: u16, height: u16) -> Vec<u8> {
        let mut content = vec![0x10, 0, 0, 0x9D, 0x01, 0x2A];
        content.extend_from_slice(&width.to_le_bytes());
        content.extend_from_slice(&height.to_le_bytes());
        content.extend([0; 40]);
        chunk(b"VP8 ", &content)
    }

    #[test]
    fn metadata_is_no_longer_than_the_file() {
        for len in [0xFFFF_FFF0, 700_000_000] {
            let exif = declared(b"EXIF", b"II*\0", len);
            let file = file(&[canvas(8, 64, 48), lossless(64, 48), exif]);
            assert_eq!(sizes(&file).unwrap().0, [(64, 48)]);
        }
    }

    #[test]
    fn orientation_is_read_as_before() {
        let mut exif = b"II*\0\x08\0\0\0\x01\0".to_vec();
        exif.extend_from_slice(&[0x12, 1, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0]);
        let file = file(&[canvas(8, 64, 48), lossless(64, 48), chunk(b"EXIF", &exif)]);
        assert_eq!(sizes(&file).unwrap().0, [(48, 64)]);
    }

    #[test]
    fn a_picture_is_as_large_as_its_canvas() {
        let still = file(&[canvas(0, 16, 16), lossy(16_383, 16_383)]);
        assert_refused(&still, ErrorKind::Malformed, "16383 x 16383 in a place");
        let mut frame = vec![0; 6];
        frame.extend_from_slice(&[15, 0, 0, 15, 0, 0, 16, 0, 0, 0]);
        frame.extend(lossy(16_383, 16_383));
        let moving = [
            canvas(2, 16, 16),
            chunk(b"ANIM", &[0; 6]),
            chunk(b"ANMF", &frame),
        ];
        assert_refused(
            &file(&moving),
            ErrorKind::Malformed,
            "16383 x 16383 in a place",
        );
    }

    #[test]
    fn the_canvas_of_an_animation_counts() {
        let mut frame = vec![0; 6];
        frame.extend_from_slice(&[15, 0, 0, 15, 0, 0, 16, 0, 0, 0]);
        frame.extend(lossless(16, 16));
        let file = file(&[
            canvas(2, 16_000, 4000),
            chunk(b"ANIM", &[0; 6]),
            chunk(b"ANMF", &frame),
        ]);
        assert_refused(&file, ErrorKind::Limit, "more than 805306368 bytes");
    }
}

#[test]
fn a_frame_of_a_gif_is_no_larger_than_a_picture() {
    let mut file = b"GIF89a\x10\0\x10\0\x80\0\0\0\0\0\xFF\xFF\xFF".to_vec();
    file.extend(b",\0\0\0\0");
    file.extend(13_000_u16.to_le_bytes());
    file.extend(14_000_u16.to_le_bytes());
    file.extend(b"\0\x02\x02\x44\x01\0;");
    assert_refused(&file, ErrorKind::Limit, "too large gif");
}
