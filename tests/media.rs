//! From bytes to parts, through the public API: every format that is read,
//! generated here, intact and damaged.

use std::io::Cursor;

use image::codecs::gif::GifEncoder;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::webp::WebPEncoder;
use image::{DynamicImage, ExtendedColorType, Frame, ImageBuffer, ImageEncoder, ImageFormat};
use image::{Luma, LumaA, Pixel, Rgb, Rgba, RgbaImage};
use leakprint::media::{self, Content, Part, PartPath, PartSink};
use leakprint::raster::Pixels::{self, Luma8, Rgb8, Rgba8};
use leakprint::raster::Raster;
use leakprint::{Budget, Dihedral, Error, ErrorKind, Limits};

/// The content of a part.
#[derive(Clone, Debug, PartialEq)]
enum Held {
    /// A picture, and whether it counts as lossless.
    Picture(Raster, bool),
    Text(String),
    Opaque,
}

/// A sink that records parts and warnings in order.
#[derive(Debug, Default, PartialEq)]
struct Recorded {
    /// Path, whether there were bytes, content.
    parts: Vec<(String, bool, Held)>,
    warnings: Vec<(String, ErrorKind, String)>,
}

impl PartSink for Recorded {
    fn part(&mut self, part: Part<'_>) {
        let held = match part.content {
            Content::Raster { raster, lossless } => Held::Picture(raster, lossless),
            Content::Text(text) => Held::Text(text),
            Content::Opaque => Held::Opaque,
            other => panic!("{other:?} is new"),
        };
        self.parts
            .push((part.path.to_string(), part.bytes.is_some(), held));
    }

    fn warning(&mut self, path: PartPath, error: Error) {
        self.warnings
            .push((path.to_string(), error.kind(), error.message().to_owned()));
    }
}

impl Recorded {
    /// The paths of all parts, those without bytes in brackets.
    fn paths(&self) -> Vec<String> {
        let path = |(path, has_bytes, _): &(String, bool, Held)| match has_bytes {
            true => path.clone(),
            false => format!("({path})"),
        };
        self.parts.iter().map(path).collect()
    }

    fn held(&self, path: &str) -> &Held {
        let found = self.parts.iter().find(|part| part.0 == path);
        &found.unwrap_or_else(|| panic!("no {path:?} in {self:?}")).2
    }

    fn text(&self, path: &str) -> &str {
        match self.held(path) {
            Held::Text(text) => text,
            other => panic!("{path:?} is {other:?}"),
        }
    }

    /// The paths and kinds of the warnings.
    #[cfg(feature = "html")]
    fn problems(&self) -> Vec<(&str, ErrorKind)> {
        let warnings = self.warnings.iter();
        warnings
            .map(|(path, kind, _)| (path.as_str(), *kind))
            .collect()
    }
}

fn read_as(bytes: &[u8], name: Option<&str>, limits: &Limits) -> Result<Recorded, Error> {
    let mut seen = Recorded::default();
    match media::read(bytes, name, &mut Budget::new(limits), &mut seen) {
        Ok(()) => Ok(seen),
        Err(error) => {
            assert_eq!(seen, Recorded::default(), "parts before {error}");
            Err(error)
        }
    }
}

fn read(bytes: &[u8]) -> Recorded {
    read_as(bytes, None, &Limits::default()).unwrap()
}

fn fails(bytes: &[u8], name: Option<&str>, limits: &Limits) -> (ErrorKind, String) {
    let error = read_as(bytes, name, limits).unwrap_err();
    (error.kind(), error.message().to_owned())
}

/// The one picture in `bytes`, and whether it counts as lossless.
fn picture(bytes: &[u8]) -> (Raster, bool) {
    let seen = read(bytes);
    assert_eq!(
        (seen.paths(), seen.warnings.len()),
        (vec![String::new()], 0)
    );
    match seen.held("") {
        Held::Picture(raster, lossless) => (raster.clone(), *lossless),
        other => panic!("{other:?}"),
    }
}

fn raster(width: u32, height: u32, pixels: Pixels) -> Raster {
    Raster::new(width, height, pixels).unwrap()
}

fn limits(set: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    set(&mut limits);
    limits
}

/// Marsaglia's 32-bit xorshift.
fn xorshift(mut state: u32) -> impl FnMut() -> u32 {
    move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state
    }
}

const WIDTH: u32 = 7;
const HEIGHT: u32 = 5;

/// Samples without symmetry, so that a wrong orientation or channel order shows.
fn samples(channels: u32) -> Vec<u8> {
    let count = WIDTH * HEIGHT * channels;
    (0..count).map(|i| (i * i * 3 + i * 11 + 5) as u8).collect()
}

fn dynamic<P: Pixel>(samples: Vec<P::Subpixel>) -> DynamicImage
where
    DynamicImage: From<ImageBuffer<P, Vec<P::Subpixel>>>,
{
    ImageBuffer::<P, _>::from_raw(WIDTH, HEIGHT, samples)
        .unwrap()
        .into()
}

fn rgb() -> DynamicImage {
    dynamic::<Rgb<u8>>(samples(3))
}

fn encode(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

const FORMATS: [ImageFormat; 6] = [
    ImageFormat::Png,
    ImageFormat::Jpeg,
    ImageFormat::Gif,
    ImageFormat::WebP,
    ImageFormat::Bmp,
    ImageFormat::Tiff,
];

/// A PNG built by hand, for variants that the encoder does not write: `data` holds
/// the rows, each after its filter byte.
fn raw_png(ihdr: (u32, u32, u8, u8), extra: &[(&[u8; 4], &[u8])], data: &[u8]) -> Vec<u8> {
    let (width, height, depth, color) = ihdr;
    let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    header.extend([depth, color, 0, 0, 0]);
    let len = data.len() as u16;
    let mut zlib = vec![0x78, 0x01, 0x01];
    zlib.extend(len.to_le_bytes());
    zlib.extend((!len).to_le_bytes());
    zlib.extend(data);
    let (a, b) = data.iter().fold((1_u32, 0_u32), |(a, b), &byte| {
        let a = (a + u32::from(byte)) % 65521;
        (a, (b + a) % 65521)
    });
    zlib.extend((b << 16 | a).to_be_bytes());
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    png.extend(chunk(b"IHDR", &header));
    for (name, body) in extra {
        png.extend(chunk(name, body));
    }
    png.extend(chunk(b"IDAT", &zlib));
    png.extend(chunk(b"IEND", b""));
    png
}

fn chunk(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let named = [name, body].concat();
    let crc = !named.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ ((crc & 1) * 0xEDB8_8320)
        })
    });
    [
        &(body.len() as u32).to_be_bytes()[..],
        &named,
        &crc.to_be_bytes(),
    ]
    .concat()
}

/// What `picture` says of a lossless picture of one row.
fn row(pixels: Pixels) -> (Raster, bool) {
    let width = pixels.as_bytes().len() / pixels.channels();
    (raster(width as u32, 1, pixels), true)
}

#[test]
fn a_png_of_eight_bits_gives_the_layout_that_it_needs() {
    let check = |image: DynamicImage, pixels: Pixels| {
        let expected = (raster(WIDTH, HEIGHT, pixels), true);
        assert_eq!(picture(&encode(&image, ImageFormat::Png)), expected);
    };
    let opaque = |channels: usize| -> Vec<u8> {
        let pixels = samples(channels as u32);
        let with_alpha = |pixel: &[u8]| [pixel, &[255]].concat();
        pixels.chunks(channels).flat_map(with_alpha).collect()
    };
    check(dynamic::<Luma<u8>>(samples(1)), Luma8(samples(1)));
    check(dynamic::<LumaA<u8>>(opaque(1)), Luma8(samples(1)));
    check(rgb(), Rgb8(samples(3)));
    check(dynamic::<Rgba<u8>>(opaque(3)), Rgb8(samples(3)));
    check(dynamic::<Rgba<u8>>(samples(4)), Rgba8(samples(4)));
    // One pixel that is not quite opaque makes a picture with alpha.
    let mut thin = opaque(1);
    thin[2 * 17 + 1] = 254;
    let wide = |p: &[u8]| [p[0], p[0], p[0], p[1]];
    let expected = thin.chunks(2).flat_map(wide).collect();
    check(dynamic::<LumaA<u8>>(thin), Rgba8(expected));
}

#[test]
fn sixteen_bits_are_rounded_to_eight() {
    // 257 steps per level: the midpoint is between 128 and 129.
    let levels = [
        (0, 0),
        (128, 0),
        (129, 1),
        (385, 1),
        (386, 2),
        (65_406, 254),
        (65_407, 255),
    ];
    let cycle = |n: u32| {
        let count = (WIDTH * HEIGHT * n) as usize;
        levels.into_iter().cycle().take(count).unzip()
    };
    let check = |image: DynamicImage, pixels| {
        let expected = (raster(WIDTH, HEIGHT, pixels), true);
        for format in [ImageFormat::Png, ImageFormat::Tiff] {
            assert_eq!(picture(&encode(&image, format)), expected, "{format:?}");
        }
    };
    let (wide, narrow) = cycle(1);
    check(dynamic::<Luma<u16>>(wide), Luma8(narrow));
    let (wide, narrow) = cycle(3);
    check(dynamic::<Rgb<u16>>(wide), Rgb8(narrow));
    let (wide, narrow) = cycle(4);
    check(dynamic::<Rgba<u16>>(wide), Rgba8(narrow));
}

#[test]
fn palettes_and_few_bits_are_expanded() {
    let grey = |depth, data: &[u8]| picture(&raw_png((3, 1, depth, 0), &[], data));
    assert_eq!(grey(1, &[0, 0b1010_0000]), row(Luma8(vec![255, 0, 255])));
    assert_eq!(grey(2, &[0, 0b0001_1100]), row(Luma8(vec![0, 85, 255])));
    assert_eq!(grey(4, &[0, 0x1F, 0x80]), row(Luma8(vec![17, 255, 136])));
    let colours = (b"PLTE", &[10, 20, 30, 200, 100, 0, 1, 2, 3][..]);
    let alpha = (b"tRNS", &[255, 128][..]);
    let indexed = |depth, data: &[u8]| {
        let chunks = [colours, alpha];
        let png = |count| raw_png((2, 1, depth, 3), &chunks[..count], data);
        (picture(&png(1)), picture(&png(2)))
    };
    let opaque = row(Rgb8(vec![200, 100, 0, 10, 20, 30]));
    let thin = row(Rgba8(vec![200, 100, 0, 128, 10, 20, 30, 255]));
    assert_eq!(
        indexed(1, &[0, 0b1000_0000]),
        (opaque.clone(), thin.clone())
    );
    assert_eq!(indexed(8, &[0, 1, 0]), (opaque, thin));
    // Alpha that no pixel uses is ignored; the third colour has no alpha.
    let opaque = row(Rgb8(vec![1, 2, 3, 10, 20, 30]));
    assert_eq!(indexed(8, &[0, 2, 0]), (opaque.clone(), opaque));
}

#[test]
fn lossless_formats_give_the_raster_of_the_png() {
    let opaque = (raster(WIDTH, HEIGHT, Rgb8(samples(3))), true);
    let alpha = (raster(WIDTH, HEIGHT, Rgba8(samples(4))), true);
    let rgba = dynamic::<Rgba<u8>>(samples(4));
    for format in FORMATS {
        if format != ImageFormat::Jpeg {
            assert_eq!(picture(&encode(&rgb(), format)), opaque, "{format:?}");
        }
        // A GIF pixel is opaque or transparent.
        if !matches!(format, ImageFormat::Jpeg | ImageFormat::Gif) {
            assert_eq!(picture(&encode(&rgba, format)), alpha, "{format:?}");
        }
    }
}

#[test]
fn the_first_frame_is_the_picture_of_an_animation() {
    let first = (raster(WIDTH, HEIGHT, Rgb8(samples(3))), true);
    let mut inverted = rgb();
    inverted.invert();
    let frames = [rgb(), inverted].map(|image| Frame::new(image.into_rgba8()));
    let mut gif = Vec::new();
    GifEncoder::new(&mut gif).encode_frames(frames).unwrap();
    assert_eq!(read(&gif).held(""), &Held::Picture(first.0.clone(), true));
    // A WebP of one frame: the still picture's chunk, wrapped. The frame replaces
    // what is below it (flag 2), since the decoder's blending is off by one.
    let chunk = |name: &[u8; 4], body: &[u8]| {
        let len = (body.len() as u32).to_le_bytes();
        [name, &len[..], body].concat()
    };
    let still = encode(&rgb(), ImageFormat::WebP);
    let (w, h) = (WIDTH as u8 - 1, HEIGHT as u8 - 1);
    let place = [0, 0, 0, 0, 0, 0, w, 0, 0, h, 0, 0, 100, 0, 0, 2];
    let head = chunk(b"VP8X", &[2, 0, 0, 0, w, 0, 0, h, 0, 0]);
    let frame = chunk(b"ANMF", &[&place, &still[12..]].concat());
    let body = [b"WEBP", &head[..], &chunk(b"ANIM", &[0; 6]), &frame].concat();
    assert_eq!(picture(&chunk(b"RIFF", &body)), first);
    let mut inverted = rgb();
    inverted.invert();
    let still = encode(&inverted, ImageFormat::WebP);
    let second = chunk(b"ANMF", &[&place, &still[12..]].concat());
    let body = [
        b"WEBP",
        &head[..],
        &chunk(b"ANIM", &[0; 6]),
        &frame,
        &second,
    ]
    .concat();
    let seen = read(&chunk(b"RIFF", &body));
    assert_eq!(seen.paths(), ["", "(frame:2)"]);
    let second = raster(WIDTH, HEIGHT, Rgb8(inverted.into_rgb8().into_raw()));
    assert_eq!(seen.held("frame:2"), &Held::Picture(second, true));
}

#[test]
fn lossy_formats_are_marked_and_close() {
    let check = |pixels: &[u8], color, luma: &[f32]| {
        let mut jpeg = Vec::new();
        let encoder = JpegEncoder::new_with_quality(&mut jpeg, 100);
        encoder.write_image(pixels, WIDTH, HEIGHT, color).unwrap();
        let (raster, lossless) = picture(&jpeg);
        assert_eq!((raster.width(), raster.height()), (WIDTH, HEIGHT));
        assert_eq!((raster.pixels().channels(), lossless), (1, false));
        for (&is, should) in raster.pixels().as_bytes().iter().zip(luma) {
            assert!((f32::from(is) - should).abs() < 4.0, "{is} for {should}");
        }
    };
    let grey: Vec<f32> = samples(1).into_iter().map(f32::from).collect();
    check(&samples(1), ExtendedColorType::L8, &grey);
    let weigh = |pixel: &[u8]| -> f32 {
        let weighed = pixel.iter().zip([0.299, 0.587, 0.114]);
        weighed.map(|(&c, weight)| f32::from(c) * weight).sum()
    };
    let luma: Vec<f32> = samples(3).chunks(3).map(weigh).collect();
    check(&samples(3), ExtendedColorType::Rgb8, &luma);
    // `image` writes no lossy WebP: one pixel from another encoder.
    let webp = b"RIFF\x22\0\0\0WEBPVP8 \x16\0\0\0\x30\x01\0\x9d\x01\x2a\x01\0\x01\0\
        \x0e\xc0\xfe\x25\xa4\0\x03p\0\0\0\0";
    let (raster, lossless) = picture(webp);
    assert_eq!((raster.pixels().channels(), lossless), (3, false));
}

/// An EXIF block with nothing but the orientation, in either byte order.
fn exif(orientation: u16, little: bool) -> Vec<u8> {
    let mut words = [42, 0, 8, 1, 0x0112, 3, 0, 1, orientation, 0, 0, 0];
    if !little {
        let bytes = words.into_iter().flat_map(u16::to_be_bytes);
        return b"MM".iter().copied().chain(bytes).collect();
    }
    // The halves of the two 32-bit numbers change places.
    words.swap(1, 2);
    words.swap(6, 7);
    let bytes = words.into_iter().flat_map(u16::to_le_bytes);
    b"II".iter().copied().chain(bytes).collect()
}

/// A JPEG with an EXIF segment behind its first marker.
fn with_exif(jpeg: &[u8], block: &[u8]) -> Vec<u8> {
    let len = (block.len() as u16 + 8).to_be_bytes();
    let head = [&jpeg[..2], b"\xFF\xE1", &len, b"Exif\0\0"].concat();
    [&head, block, &jpeg[2..]].concat()
}

/// The raster of these samples, every pixel where the transformation takes it.
fn turned(from: &[u8], dihedral: Dihedral) -> Raster {
    let (mut width, mut height) = (WIDTH, HEIGHT);
    if dihedral.swaps_sides() {
        (width, height) = (HEIGHT, WIDTH);
    }
    let channels = from.len() / (WIDTH * HEIGHT) as usize;
    let mut to = vec![0; from.len()];
    for (i, pixel) in (0..).zip(from.chunks(channels)) {
        let (x, y) = dihedral.map(i % WIDTH, i / WIDTH, WIDTH, HEIGHT);
        let at = (y * width + x) as usize * channels;
        to[at..at + channels].copy_from_slice(pixel);
    }
    let layout = if channels == 1 { Luma8 } else { Rgb8 };
    raster(width, height, layout(to))
}

#[test]
fn pictures_are_turned_upright() {
    let jpeg = encode(&rgb(), ImageFormat::Jpeg);
    let (stored, _) = picture(&jpeg);
    // What has to be done to the stored picture, in the order of the EXIF numbers.
    let upright = [
        Dihedral::Identity,
        Dihedral::FlipHorizontal,
        Dihedral::Rotate180,
        Dihedral::FlipVertical,
        Dihedral::Transpose,
        Dihedral::Rotate90,
        Dihedral::Transverse,
        Dihedral::Rotate270,
    ];
    for (number, dihedral) in (1..).zip(upright) {
        for block in [exif(number, true), exif(number, false)] {
            let expected = turned(stored.pixels().as_bytes(), dihedral);
            let (is, _) = picture(&with_exif(&jpeg, &block));
            assert!(is == expected, "jpeg, orientation {number}");
            let expected = (turned(&samples(3), dihedral), true);
            let png = raw_png((WIDTH, HEIGHT, 8, 2), &[(b"eXIf", &block)], &png_rows());
            assert!(picture(&png) == expected, "png, orientation {number}");
            let mut webp = Vec::new();
            let mut encoder = WebPEncoder::new_lossless(&mut webp);
            encoder.set_exif_metadata(block).unwrap();
            rgb().write_with_encoder(encoder).unwrap();
            assert!(picture(&webp) == expected, "webp, orientation {number}");
        }
    }
    // Meaningless numbers and broken blocks must not cost the picture.
    for block in [&exif(0, true), &exif(9, false), &exif(6, true)[..13], b"II"] {
        assert!(picture(&with_exif(&jpeg, block)).0 == stored, "{block:?}");
    }
}

/// The rows of the colour picture, each behind its filter byte.
fn png_rows() -> Vec<u8> {
    let samples = samples(3);
    let rows = samples.chunks(3 * WIDTH as usize);
    rows.flat_map(|row| [&[0], row].concat()).collect()
}

#[test]
fn broken_pictures_are_errors_of_the_right_kind() {
    let kind = |bytes: &[u8], name| fails(bytes, name, &Limits::default()).0;
    let mut random = xorshift(7);
    let noise: Vec<u8> = (0..300).map(|_| random() as u8).collect();
    assert_eq!(kind(b"", None), ErrorKind::Empty);
    assert_eq!(kind(&noise, None), ErrorKind::Unsupported);
    assert_eq!(kind(b"no pixels", Some("a.PNG")), ErrorKind::Unsupported);
    for format in FORMATS {
        let whole = encode(&rgb(), format);
        let half = &whole[..whole.len() / 2];
        // Enough of the start for the signature, the rest noise.
        let broken = [&whole[..18], &noise].concat();
        assert_eq!(kind(half, None), ErrorKind::Malformed, "{format:?}");
        assert_eq!(kind(&broken, None), ErrorKind::Malformed, "{format:?}");
        let small = limits(|limits| limits.pixels = 34);
        let (kind, message) = fails(&whole, None, &small);
        assert_eq!(kind, ErrorKind::Limit, "{format:?}: {message}");
        assert!(message.contains("pixels = 34 exceeded: 7 x 5"), "{message}");
    }
}

#[test]
fn a_picture_that_claims_to_be_huge_is_refused_before_it_is_decoded() {
    let check = |bytes: &[u8], side: u32| {
        let (kind, message) = fails(bytes, None, &Limits::default());
        assert_eq!(kind, ErrorKind::Limit, "{message}");
        let expected = format!("pixels = 67108864 exceeded: {side} x {side}");
        assert!(message.contains(&expected), "{message}");
    };
    let patched = |format, at: usize, value: &[u8]| {
        let mut bytes = encode(&rgb(), format);
        bytes[at..at + value.len()].copy_from_slice(value);
        bytes
    };
    check(&raw_png((60_000, 60_000, 8, 2), &[], &[0]), 60_000);
    // Both sides at their offsets in the file; 60,000 is EA60.
    let gif = patched(ImageFormat::Gif, 6, b"\x60\xEA\x60\xEA");
    check(&gif, 60_000);
    let bmp = patched(ImageFormat::Bmp, 18, b"\x60\xEA\0\0\x60\xEA\0\0");
    check(&bmp, 60_000);
    let whole = encode(&rgb(), ImageFormat::Jpeg);
    let frame = whole.windows(2).position(|w| w == b"\xFF\xC0").unwrap();
    let jpeg = patched(ImageFormat::Jpeg, frame + 5, b"\xEA\x60\xEA\x60");
    check(&jpeg, 60_000);
    // Two numbers of 14 bits; one more, which is allowed too, the decoder takes for 0.
    let webp = patched(ImageFormat::WebP, 21, b"\xFE\xBF\xFF\x0F");
    check(&webp, 16_383);
}

/// Reads damaged media, which may succeed or fail with a typed error, but not with
/// a caught panic.
fn survive(bytes: &[u8], what: &str) {
    let small = limits(|limits| limits.pixels = 1 << 16);
    match read_as(bytes, None, &small) {
        Ok(seen) => assert_eq!((seen.paths().len(), seen.warnings.len()), (1, 0), "{what}"),
        Err(error) => {
            use ErrorKind::{Empty, Limit, Malformed, Unsupported};
            let expected = [Empty, Limit, Malformed, Unsupported];
            assert!(expected.contains(&error.kind()), "{what}: {error}");
        }
    }
}

#[test]
fn every_prefix_of_a_picture_is_survived() {
    for format in FORMATS {
        let whole = encode(&rgb(), format);
        for len in 0..whole.len() {
            survive(&whole[..len], &format!("{len} bytes of {format:?}"));
        }
    }
}

#[test]
fn any_broken_byte_of_a_picture_is_survived() {
    let mut random = xorshift(0x9E37_79B9);
    for format in FORMATS {
        let whole = encode(&rgb(), format);
        for _ in 0..500 {
            let mut bytes = whole.clone();
            let at = random() as usize % bytes.len();
            bytes[at] ^= (random() % 255 + 1) as u8;
            survive(&bytes, &format!("{format:?} with {:#x} at {at}", bytes[at]));
        }
    }
}

#[test]
fn a_limit_that_is_exceeded_is_named() {
    let png = encode(&rgb(), ImageFormat::Png);
    let check = |bytes: &[u8], set: fn(&mut Limits), expected: &str| {
        let (kind, message) = fails(bytes, None, &limits(set));
        assert_eq!(kind, ErrorKind::Limit);
        assert!(message.contains(expected), "{message}");
    };
    check(&png, |l| l.pixels = 34, "pixels = 34 exceeded: 7 x 5");
    check(&png, |l| l.decoded_bytes = 104, "decoded_bytes = 104 ");
    check(b"words", |l| l.decoded_bytes = 4, "decoded_bytes = 4 ");
    check(
        b"words",
        |l| l.input_bytes = 4,
        "input_bytes = 4 exceeded: 5",
    );
    check(b"words", |l| l.text_chars = 4, "text_chars = 4 exceeded: 5");
    check(b"words", |l| l.parts = 0, "parts = 0 exceeded: 1");
    // One more of each is enough.
    let mut enough = limits(|l| (l.input_bytes, l.text_chars, l.parts) = (5, 5, 1));
    enough.decoded_bytes = 5;
    let seen = read_as(b"words", None, &enough).unwrap();
    assert_eq!(seen.text(""), "words");
    (enough.input_bytes, enough.pixels, enough.decoded_bytes) = (1000, 35, 105);
    assert_eq!(read_as(&png, None, &enough).unwrap(), read(&png));
}

#[cfg(feature = "html")]
fn base64(bytes: &[u8]) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let byte = |i: usize| usize::from(*group.get(i).unwrap_or(&0));
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        let digit = |i: usize| char::from(alphabet[word >> (18 - 6 * i) & 63]);
        text.extend((0..=group.len()).map(digit));
        text.extend(vec!['='; 3 - group.len()]);
    }
    text
}

#[cfg(all(feature = "mail", feature = "html"))]
mod mail {
    use super::*;

    /// A header and a body, as in a message.
    fn entity(header: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
        [header.as_bytes(), b"\r\n\r\n", body.as_ref()].concat()
    }

    fn multipart(kind: &str, entities: &[Vec<u8>]) -> Vec<u8> {
        let mut body = b"For programs that know no MIME.".to_vec();
        for entity in entities {
            body.extend(format!("\r\n--={kind}\r\n").as_bytes());
            body.extend(entity);
        }
        body.extend(format!("\r\n--={kind}--\r\n").as_bytes());
        let header = format!("Content-Type: multipart/{kind}; boundary=\"={kind}\"");
        entity(&header, body)
    }

    fn message(subject: &str, entity: Vec<u8>) -> Vec<u8> {
        let header = "From: Ann <a@example.org>\r\nTo: b@example.org\r\nMIME-Version: 1.0\r\n";
        let subject = format!("{header}Subject: {subject}\r\n");
        [subject.into_bytes(), entity].concat()
    }

    fn plain(body: &str) -> Vec<u8> {
        entity("Content-Type: text/plain; charset=utf-8", body)
    }

    fn html(body: &str) -> Vec<u8> {
        entity("Content-Type: text/html", body)
    }

    fn attached(kind: &str, bytes: &[u8]) -> Vec<u8> {
        let header = format!("Content-Type: {kind}\r\nContent-Transfer-Encoding: base64");
        entity(&header, base64(bytes))
    }

    fn forwarded(message: impl AsRef<[u8]>) -> Vec<u8> {
        entity("Content-Type: message/rfc822", message)
    }

    #[test]
    fn a_plain_mail_is_its_subject_and_its_body() {
        let subject = "=?utf-8?Q?The_=E2=82=AC_slate?=";
        let seen = read(&message(subject, plain("Six weeks.\r\n")));
        assert_eq!(seen.paths(), ["", "(subject)", "(body)"]);
        assert_eq!(seen.held(""), &Held::Opaque);
        assert_eq!(seen.text("subject"), "The \u{20ac} slate");
        assert_eq!(seen.text("body"), "Six weeks.\r\n");
        assert_eq!(read(&message("", plain("x"))).paths(), ["", "(body)"]);
        let empty = message("x", plain(" \r\n"));
        assert_eq!(read(&empty).paths(), ["", "(subject)"]);
    }

    #[test]
    fn transfer_encodings_and_charsets_are_undone() {
        let encoded = base64(b"Gr\xFC\xDFe an alle");
        for (encoding, body) in [
            ("8bit", &b"Gr\xFC\xDFe an alle"[..]),
            ("quoted-printable", b"Gr=FC=DFe =\r\nan=20alle  "),
            ("BASE64", encoded.as_bytes()),
        ] {
            let header = "Content-Type: text/plain; charset=iso-8859-1";
            let header = format!("{header}\r\nContent-Transfer-Encoding: {encoding}");
            let seen = read(&message("x", entity(&header, body)));
            assert_eq!(seen.text("body"), "Gr\u{fc}\u{df}e an alle", "{encoding}");
        }
    }

    #[test]
    fn the_plain_alternative_counts_unless_it_is_a_stub() {
        let page = html("<p>The winter slate moves by <b>six</b> weeks.</p>");
        for (text, shown) in [
            ("The slate moves six weeks.", "The slate moves six weeks."),
            ("See the HTML.", "The winter slate moves by six weeks."),
        ] {
            let set = multipart("alternative", &[plain(text), page.clone()]);
            let seen = read(&message("x", multipart("mixed", &[set, plain("Footer")])));
            assert_eq!(seen.text("body"), format!("{shown}\nFooter"));
            assert_eq!(seen.paths(), ["", "(subject)", "(body)"]);
        }
    }

    #[test]
    fn the_pictures_of_an_html_body_follow_it() {
        let png = encode(&rgb(), ImageFormat::Png);
        let source = format!("data:image/png;base64,{}", base64(&png));
        let page = html(&format!("<p>Look:<img src='{source}'><img src='cid:1'>"));
        let set = multipart("related", &[page, attached("image/png", &png)]);
        let seen = read(&message("x", set));
        assert_eq!(
            seen.paths()[2..],
            ["(body)", "body/image:1", "attachment:1"]
        );
        assert_eq!(seen.text("body"), "Look:");
        assert_eq!(seen.held("body/image:1"), read(&png).held(""));
        assert_eq!(seen.held("attachment:1"), read(&png).held(""));
    }

    #[test]
    fn attachments_are_read_by_their_content_and_broken_ones_are_warnings() {
        let png = encode(&rgb(), ImageFormat::Png);
        let latin = "Content-Type: text/plain; charset=iso-8859-1; name=a.txt";
        let entities = [
            plain("See below."),
            entity(latin, b"Gr\xFC\xDFe"),
            // A wrong media type changes nothing.
            attached("application/pdf; name=a.pdf", &png),
            attached("application/octet-stream", b"\0\x01\x02\x03"),
            attached("image/png", &png[..60]),
            attached("image/png", b""),
            attached("text/plain; name=b.txt", b"The last."),
        ];
        let seen = read(&message("x", multipart("mixed", &entities)));
        let attachments = [1, 2, 3, 4, 6].map(|n| format!("attachment:{n}"));
        assert_eq!(seen.paths()[3..], attachments);
        assert_eq!(seen.text("body"), "See below.");
        assert_eq!(seen.text("attachment:1"), "Gr\u{fc}\u{df}e");
        assert_eq!(seen.held("attachment:2"), read(&png).held(""));
        // An unreadable part still has its bytes.
        assert_eq!(seen.held("attachment:3"), &Held::Opaque);
        assert_eq!(seen.held("attachment:4"), &Held::Opaque);
        assert_eq!(seen.text("attachment:6"), "The last.");
        let expected = [
            ("attachment:3", ErrorKind::Unsupported),
            ("attachment:4", ErrorKind::Malformed),
            ("attachment:5", ErrorKind::Empty),
        ];
        assert_eq!(seen.problems(), expected);
    }

    #[test]
    fn forwarded_messages_are_separate_parts() {
        let png = attached("image/png", &encode(&rgb(), ImageFormat::Png));
        let inner = message("Inner", multipart("related", &[plain("Deep."), png]));
        // One without transport fields: only its label makes it a message.
        let bare = "Subject: Bare\r\n\r\nLittle.";
        let entities = [plain("Fwd."), forwarded(inner), forwarded(bare)];
        let seen = read(&message("Outer", multipart("mixed", &entities)));
        assert_eq!(
            seen.paths().join(" "),
            " (subject) (body) \
             message:1 (message:1/subject) (message:1/body) message:1/attachment:1 \
             message:2 (message:2/subject) (message:2/body)"
        );
        assert_eq!(seen.text("message:1/subject"), "Inner");
        assert_eq!(seen.text("message:1/body"), "Deep.");
        assert_eq!(seen.text("message:2/body"), "Little.");
        assert_eq!(seen.problems(), []);
    }

    #[test]
    fn a_mailbox_is_its_messages() {
        let envelope = b"From a@example.org Mon Jan  1 12:00:00 2001\r\n";
        let first = message("One", plain("First.\r\n>From then on.\r\n\r\n"));
        let second = message("Two", plain("Second.\r\n"));
        let seen = read(&[&envelope[..], &first, envelope, &second].concat());
        assert_eq!(
            seen.paths().join(" "),
            " message:1 (message:1/subject) (message:1/body) \
             message:2 (message:2/subject) (message:2/body)"
        );
        assert_eq!(seen.text("message:1/subject"), "One");
        let body = seen.text("message:1/body");
        assert_eq!(body.trim_end(), "First.\r\nFrom then on.");
        assert_eq!(seen.text("message:2/body"), "Second.\r\n");
    }

    #[test]
    fn the_limits_of_a_mail_lose_only_what_breaks_them() {
        let png = encode(&rgb(), ImageFormat::Png);
        let deep = forwarded(message("In", plain("Deep.")));
        let picture = attached("image/png", &png);
        let entities = [plain("A body."), deep, picture.clone(), picture];
        let mail = message("Out", multipart("mixed", &entities));
        let all = read(&mail).paths();
        assert_eq!(all.len(), 8);
        let check = |set: fn(&mut Limits), lost: &[usize], path, expected: &str| {
            let seen = read_as(&mail, None, &limits(set)).unwrap();
            let mut kept = all.clone();
            for &i in lost.iter().rev() {
                kept.remove(i);
            }
            assert_eq!(seen.paths(), kept, "{expected}");
            assert_eq!(seen.problems(), [(path, ErrorKind::Limit)], "{expected}");
            assert!(seen.warnings[0].2.contains(expected), "{seen:?}");
        };
        check(|l| l.depth = 0, &[1, 2, 3, 4, 5, 6, 7], "", "depth = 0 ");
        check(|l| l.depth = 1, &[4, 5], "message:1", "depth = 1 ");
        check(|l| l.parts = 7, &[7], "", "parts = 7 ");
        check(|l| l.text_chars = 5, &[2], "body", "text_chars = 5 ");
        // The budget is that of the whole mail: enough to undo both attachments and
        // to decode one picture, and the second one is left with its bytes alone.
        let most = limits(|l| l.decoded_bytes = 2 * png.len() as u64 + 105 + 50);
        let seen = read_as(&mail, None, &most).unwrap();
        assert_eq!(seen.paths(), all);
        assert_eq!(seen.held("attachment:1"), read(&png).held(""));
        assert_eq!(seen.held("attachment:2"), &Held::Opaque);
        assert_eq!(seen.problems(), [("attachment:2", ErrorKind::Limit)]);
    }
}

#[cfg(not(feature = "mail"))]
#[test]
fn a_mail_needs_its_feature() {
    let mail = b"From: a@b.c\n\nx";
    let (kind, message) = fails(mail, Some("a.eml"), &Limits::default());
    assert_eq!(kind, ErrorKind::Unsupported);
    assert!(message.contains("`mail`"), "{message}");
}

#[cfg(feature = "html")]
#[test]
fn a_page_is_its_text_and_its_pictures() {
    let bmp = encode(&rgb(), ImageFormat::Bmp);
    let page = format!(
        "<!DOCTYPE html><title>Slate</title><script>no()</script><h1>Winter &amp; spring</h1>\
         <p>Six\n <i>we</i>eks.<img src='x.png'><img src='data:image/bmp;base64,{}'>\
         <img src='data:image/png;base64,iVBORw0KGgo='><table><tr><td>1<td>2</table>",
        base64(&bmp)
    );
    let seen = read(page.as_bytes());
    assert_eq!(seen.paths(), ["", "image:1", "image:2"]);
    assert_eq!(seen.text(""), "Slate\nWinter & spring\nSix weeks.\n1\t2");
    assert_eq!(seen.held("image:1"), read(&bmp).held(""));
    assert_eq!(seen.held("image:2"), &Held::Opaque);
    assert_eq!(seen.problems(), [("image:2", ErrorKind::Malformed)]);
}

#[cfg(feature = "charset")]
#[test]
fn legacy_charsets_are_detected() {
    let german = b"Die Gr\xF6\xDFe der \xC4nderung h\xE4ngt von den Umst\xE4nden ab.";
    let text = "Die Gr\u{f6}\u{df}e der \u{c4}nderung h\u{e4}ngt von den Umst\u{e4}nden ab.";
    assert_eq!(read(german).text(""), text);
    // "Good day, how are things?" in Windows-1251, whose Cyrillic letters keep their order.
    let russian = b"\xC4\xEE\xE1\xF0\xFB\xE9 \xE4\xE5\xED\xFC, \xEA\xE0\xEA \xE4\xE5\xEB\xE0?";
    let letter = |&byte: &u8| match byte {
        0xC0.. => char::from_u32(u32::from(byte) - 0xC0 + 0x410).unwrap(),
        _ => char::from(byte),
    };
    let text: String = russian.iter().map(letter).collect();
    assert_eq!(read(russian).text(""), text);
}

#[cfg(all(feature = "charset", feature = "html"))]
#[test]
fn a_page_is_read_in_the_charset_that_it_declares() {
    // Two letters are too few for any detection.
    let page = b"<meta charset=windows-1251><p>\xC6\xC6";
    assert_eq!(read(page).text(""), "\u{416}\u{416}");
}

#[test]
fn unicode_text_is_read_with_and_without_a_mark() {
    let text = "Gr\u{fc}\u{df}e \u{1f600}\n";
    let marked = format!("\u{feff}{text}");
    let little = marked.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big = marked.encode_utf16().flat_map(u16::to_be_bytes).collect();
    for bytes in [text.into(), marked.clone().into_bytes(), little, big] {
        let seen = read(&bytes);
        assert_eq!((seen.paths().len(), seen.text("")), (1, text), "{bytes:?}");
    }
}

/// Plain areas that differ from frame to frame, in few colours.
fn scene(number: u32) -> RgbaImage {
    RgbaImage::from_fn(64, 48, |x, y| {
        let at = (x / 8 + 3 * (y / 8) + 5 * number) % 7;
        Rgba([
            (at * 30) as u8,
            (200 - 25 * at) as u8,
            (17 * number) as u8,
            255,
        ])
    })
}

fn gif(scenes: &[u32]) -> Vec<u8> {
    let mut gif = Vec::new();
    let frames = scenes.iter().map(|&number| Frame::new(scene(number)));
    GifEncoder::new(&mut gif).encode_frames(frames).unwrap();
    gif
}

#[test]
fn frames_that_show_something_new_are_parts() {
    let seen = read(&gif(&[0, 0, 1, 0, 1, 2, 2, 0]));
    assert_eq!(seen.paths(), ["", "(frame:3)", "(frame:6)"]);
    assert_eq!(seen.warnings, []);
    for (path, number) in [("", 0), ("frame:3", 1), ("frame:6", 2)] {
        let pixels = DynamicImage::from(scene(number)).into_rgb8().into_raw();
        let expected = Held::Picture(raster(64, 48, Rgb8(pixels)), true);
        assert_eq!(seen.held(path), &expected, "{path}");
    }
    // A spark of a few pixels is nothing new.
    let mut spark = scene(0);
    spark.put_pixel(20, 20, Rgba([255, 255, 255, 255]));
    let mut bytes = Vec::new();
    let frames = [scene(0), spark, scene(1)].map(Frame::new);
    GifEncoder::new(&mut bytes).encode_frames(frames).unwrap();
    assert_eq!(read(&bytes).paths(), ["", "(frame:3)"]);
}

#[test]
fn an_animation_is_bounded_and_loses_only_frames() {
    let first = DynamicImage::from(scene(0)).into_rgb8().into_raw();
    let first = Held::Picture(raster(64, 48, Rgb8(first)), true);
    let check = |bytes: &[u8], limits: &Limits, paths: &[&str], place: &str, kind, what: &str| {
        let seen = read_as(bytes, None, limits).unwrap();
        assert_eq!(
            (seen.held(""), seen.paths()),
            (&first, paths.iter().map(|&p| p.into()).collect())
        );
        let [(path, met, message)] = &seen.warnings[..] else {
            panic!("{:?}", seen.warnings);
        };
        assert_eq!((path.as_str(), *met), (place, kind), "{message}");
        assert!(message.contains(what), "{message}");
    };
    let film = gif(&[0, 1, 2, 3]);
    let (limit, broken) = (ErrorKind::Limit, ErrorKind::Malformed);
    let two = ["", "(frame:2)", "(frame:3)"];
    check(
        &film,
        &limits(|l| l.frames = 2),
        &two,
        "frame:4",
        limit,
        "frames = 2",
    );
    check(
        &film,
        &limits(|l| l.parts = 2),
        &two[..2],
        "frame:3",
        limit,
        "parts = 2",
    );
    let few = limits(|l| l.decoded_bytes = 130_000);
    check(
        &film,
        &few,
        &two[..2],
        "frame:3",
        limit,
        "decoded_bytes = 130000",
    );
    // Its last frame ends in the middle.
    check(
        &film[..film.len() - 40],
        &Limits::default(),
        &two,
        "frame:4",
        broken,
        "broken gif",
    );
}

/// Three megabytes that would be decoded into two hundred thousand frames.
#[test]
fn frames_of_one_pixel_are_not_free() {
    let mut bytes = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xFF\xFF\xFF".to_vec();
    for _ in 0..200_000 {
        bytes.extend(b"\x2C\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0");
    }
    bytes.push(0x3B);
    let seen = read(&bytes);
    assert_eq!(seen.paths(), [""]);
    let (path, kind, message) = &seen.warnings[0];
    assert_eq!(*kind, ErrorKind::Limit, "{path}: {message}");
    assert!(message.contains("decoded_bytes"), "{message}");
}
