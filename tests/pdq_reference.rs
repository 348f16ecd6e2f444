//! PDQ against hashes that the reference implementation computed.
//!
//! The pictures are made of integers alone, so that any program can make them
//! again. The hashes are those of the C++ core of
//! <https://github.com/facebook/ThreatExchange> (`pdq/cpp`), compiled with `-O2`.

use leakprint::raster::{Pixels, Raster};
use leakprint::{Code256, Dihedral, Fingerprinter};

/// Bytes of Marsaglia's 32-bit xorshift.
fn xorshift(seed: u32) -> impl Iterator<Item = u8> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 24) as u8
    })
}

/// The picture of a name, `width` x `height` RGB.
fn picture(name: &str, width: i64, height: i64) -> Raster {
    let grey = |v: i64| [v, v, v];
    let pixel: Box<dyn Fn(i64, i64) -> [i64; 3]> = match name {
        "grad" => Box::new(move |x, y| {
            [
                x * 255 / (width - 1).max(1),
                y * 255 / (height - 1).max(1),
                (x + y) * 255 / (width + height - 2).max(1),
            ]
        }),
        "checker8" => Box::new(move |x, y| grey(if (x / 8 + y / 8) % 2 == 1 { 255 } else { 0 })),
        "disk" => Box::new(move |x, y| {
            let (dx, dy) = (2 * x + 1 - width, 2 * y + 1 - height);
            let radius = width.min(height) * 3 / 4;
            let v = if dx * dx + dy * dy < radius * radius {
                230
            } else {
                25
            };
            [v, v * 2 / 3, 255 - v]
        }),
        "quad" => Box::new(|x, y| {
            [
                (x * x + 3 * y * y + x * y) >> 4 & 255,
                (x * x * 5 + y * y + 2 * x) >> 5 & 255,
                (x * y * 7) >> 6 & 255,
            ]
        }),
        "noise" => {
            let bytes: Vec<u8> = xorshift(0x9E37_79B9)
                .take((3 * width * height) as usize)
                .collect();
            Box::new(move |x, y| {
                let at = (3 * (y * width + x)) as usize;
                [at, at + 1, at + 2].map(|i| i64::from(bytes[i]))
            })
        }
        "flat" => Box::new(move |_, _| grey(128)),
        "lines" => {
            let columns = (width + 5) / 6;
            let rows = (height + 21) / 22;
            let cells: Vec<u8> = xorshift(0xC0FF_EE11)
                .take((columns * rows) as usize)
                .collect();
            Box::new(move |x, y| {
                let cell = cells[(y / 22 * columns + x / 6) as usize];
                let ink = cell < 150 && y % 22 < 10 && x % 6 < 4;
                grey(if ink { 0 } else { 255 })
            })
        }
        other => panic!("no picture {other}"),
    };
    let samples = (0..height)
        .flat_map(|y| (0..width).map(move |x| (x, y)))
        .flat_map(|(x, y)| pixel(x, y).map(|v| v as u8))
        .collect();
    Raster::new(width as u32, height as u32, Pixels::Rgb8(samples)).expect("a whole picture")
}

/// Name, width, height, hash and quality.
#[rustfmt::skip]
const EXPECTED: [(&str, i64, i64, &str, u8); 38] = [
    ("grad", 64, 64, "2aaa67dfd04125558cfb5a0ac4aa519fcb4178958a3359eacf125146cf3d79e2", 44),
    ("grad", 65, 64, "aaaa5555aaaa5555aaaa5555aaaa5555aaaa5555aaaa5555aaaa5555aaaa5555", 45),
    ("grad", 63, 64, "3aaa6befd40069f5d40861d5c35f5e22c34f7ea0d10e441acaf1761ac3f5761a", 44),
    ("grad", 127, 91, "a3aabbfa553dbfd740c01955367d42aa032f4628616f46c56c8566ed69d846d2", 19),
    ("grad", 128, 128, "aaaa5555aaaa5555aaaa5555aaaa5555aaaa5555aaaa5555aaaa5555aaa85557", 44),
    ("grad", 512, 512, "2a0a7afac0a01ebff0a056eafc8a55fff720516eff48545a57d2505655544455", 43),
    ("grad", 513, 300, "2aa84c54dfdf1c1598a9bd62a288297b5fed28404be707ea7b4a170ad0b51bde", 22),
    ("grad", 37, 1001, "c550a0a1b5729fe1f5509f697ff295457ff014197ff0d55a000e13a5320e99e5", 44),
    ("grad", 1200, 800, "44457ffe0645bbfc264222bc6eeec28916e7ec088877eecd9987c82d9d9ac812", 18),
    ("disk", 64, 64, "f59679c5d2c892664f5960b62c39bd1db031e1a003f64b923f16b78b846b26dc", 98),
    ("disk", 65, 64, "f1c732c5829ce17a0f1c36322f2cc878f421e1e343f31f832f03a28ee17b7b6c", 96),
    ("disk", 63, 64, "b1d769d7c2dea53d1f1c349a2c78d878b421e1e103f30f022f07e396817b29dc", 96),
    ("disk", 127, 91, "1ca22ced398c79b2619c6536c318cf189e791e7b3c3778c2e1b335870e0f965c", 83),
    ("disk", 128, 128, "a5d2164d969d3e7c1f58f874786989c3a160df8316a7bc1e7a16743c817a6361", 98),
    ("disk", 512, 512, "a5961609969d7e7c1e58f874786981e3a1601f8717a7fc1e7a16b47c817a6361", 96),
    ("disk", 513, 300, "89362cb60cd959656cd9939c27c9199c9678d9f29a66c78f29a6ccc3b28636d2", 75),
    ("disk", 37, 1001, "07e5e07ee81a1f8107a1e07ef81e0f8147a1f03ef85e1f8143f5e07ebc1e1f81", 39),
    ("disk", 1200, 800, "99b6860d7989c24b659c1e73e6590c86967c6da659679398e1a69969969eb4b2", 80),
    ("quad", 64, 64, "a443ae8fdd38ab67ab48ba976eac5290e4a791ac656899db276a48d69326a64c", 100),
    ("quad", 65, 64, "ac53a8af5538ab65eb4aba974eac549065a7952ce568915b654ad994b7262e4c", 100),
    ("quad", 63, 64, "9540b69fcdb8a127ad482ad72eac1ad066a799ac6668d98b376a4cd6d126b74c", 100),
    ("quad", 127, 91, "a62f4cfd79c09307b60fa67e6de8a9c0ab85580f4bc9781be3f01e06307ce3e0", 100),
    ("quad", 128, 128, "b47d2cfbacc068d10bd5788debaf3b1fc390181f63f88f00383f70e8e1e0c7c0", 100),
    ("quad", 512, 512, "fffffffefffefdfefdfefcf8ec7ef050f57cc000c0508000f044000040100000", 100),
    ("quad", 513, 300, "fffffffef0fce0282528afedffefffedfffefe70f850c000c000000000000000", 100),
    ("quad", 37, 1001, "819a351a623aa53a9cea58aa61e2f286c38607065e1ea8fee07a93ea7ff8fb50", 100),
    ("quad", 1200, 800, "dfed7fe44d2c4f2449244fe5df247f244d244d246fe4fdb66f244d2449244520", 70),
    ("checker8", 64, 64, "00002a5500002a55025508777d0882fd0000d52857205f28085d5fa020ff5720", 100),
    ("checker8", 512, 512, "5555aaaa5555aaaa5555aaaa5555aaaa5555aaaa5555aaaa5555aaaa5555aaaa", 100),
    ("noise", 64, 64, "0c6a5f08a9a774ca4232729fdf45a93cf7384d82af63317b73a14e8ed68d0ac4", 100),
    ("noise", 200, 150, "f96d2063d14d1cba62837f2d0ab43acea62bae9456a6637057bb0c87db364519", 100),
    ("flat", 64, 64, "000000002c4b11342c4b2c4b0000554b00002c4b113411342c4b585e2c4b017e", 0),
    ("flat", 300, 200, "000000002c4b11342c4b2c4b0000554b00002c4b113411342c4b585e2c4b017e", 0),
    ("quad", 5, 5, "68db9627972469d89326c673695a398c64d9962768db9627972469d89b26c673", 0),
    ("quad", 4, 200, "0000000000000000000000000000000000000000000000000000000000000000", 0),
    ("quad", 200, 4, "0000000000000000000000000000000000000000000000000000000000000000", 0),
    ("lines", 827, 1169, "24faa5d06f734c198482e7982d4cbb03ac9048290d97b673d14b45ff66d66cfb", 100),
    ("lines", 1280, 800, "34ce7a893a7c249dd8fdaa6e4b4bcf01d8c3ede61bc166c2e0a3d86ea58d8106", 100),
];

#[test]
fn hash_and_quality_are_those_of_the_reference() {
    let fingerprinter = Fingerprinter::builder().build().unwrap();
    for (name, width, height, hash, quality) in EXPECTED {
        let print = fingerprinter.fingerprint_raster(&picture(name, width, height));
        let raster = print.parts[0].raster.as_ref().expect("a picture");
        let found = (raster.pdq.code(), raster.pdq.quality);
        let expected: Code256 = hash.parse().unwrap();
        assert_eq!(found, (expected, quality), "{name} {width} x {height}");
        // No side is longer than 512 pixels: both pipelines are one.
        if width <= 512 && height <= 512 {
            assert_eq!(raster.pdq_nn512, expected, "{name} {width} x {height}");
        }
    }
}

/// The 512-pixel pipeline takes every pixel that its definition names.
#[test]
fn the_other_pipeline_is_the_hash_of_the_scaled_picture() {
    let fingerprinter = Fingerprinter::builder().build().unwrap();
    for (name, width, height) in [
        ("quad", 1200, 800),
        ("lines", 827, 1169),
        ("quad", 37, 1001),
    ] {
        let full = picture(name, width, height);
        let nearest: Vec<u8> = (0..512 * 512)
            .flat_map(|i| {
                let (x, y) = (
                    i % 512 * width as usize / 512,
                    i / 512 * height as usize / 512,
                );
                let at = 3 * (y * width as usize + x);
                full.pixels().as_bytes()[at..at + 3].to_vec()
            })
            .collect();
        let scaled = Raster::new(512, 512, Pixels::Rgb8(nearest)).unwrap();
        let hash = |raster: &Raster| {
            let print = fingerprinter.fingerprint_raster(raster);
            let raster = print.parts[0].raster.clone().expect("a picture");
            (raster.pdq.code(), raster.pdq_nn512)
        };
        assert_eq!(hash(&full).1, hash(&scaled).0, "{name} {width} x {height}");
    }
}

/// What the reference prints for the eight variants of three of the pictures, in its order.
#[test]
fn variants_are_those_of_the_reference() {
    let fingerprinter = Fingerprinter::builder().build().unwrap();
    for (name, width, height, hashes) in VARIANTS {
        let print = fingerprinter.fingerprint_raster(&picture(name, width, height));
        let pdq = &print.parts[0].raster.as_ref().expect("a picture").pdq;
        for (dihedral, hash) in REFERENCE_ORDER.into_iter().zip(hashes) {
            let expected: Code256 = hash.parse().unwrap();
            assert_eq!(
                pdq.variants[dihedral as usize], expected,
                "{name} {dihedral:?}"
            );
        }
    }
}

/// The reference counts turns counter-clockwise, and names the axis that stays.
const REFERENCE_ORDER: [Dihedral; 8] = [
    Dihedral::Identity,
    Dihedral::Rotate270,
    Dihedral::Rotate180,
    Dihedral::Rotate90,
    Dihedral::FlipVertical,
    Dihedral::FlipHorizontal,
    Dihedral::Transpose,
    Dihedral::Transverse,
];

#[rustfmt::skip]
const VARIANTS: [(&str, i64, i64, [&str; 8]); 3] = [
    ("quad", 127, 91, [
        "a62f4cfd79c09307b60fa67e6de8a9c0ab85580f4bc9781be3f01e06307ce3e0",
        "9d899d868f93c7a963f431fb9cadcc5262a998d4460bb3e5ce7223398c50270f",
        "f35ae6570c9539ade35a0cd438bd036afed0f2a51e9c9291b6a5b4ac6529494a",
        "c8dc372cdac66d0336a19b51c9f866fc36fc327e134e114f9b278993c9018da5",
        "a60fb30259c06cf8b60f59816de8563fab85a7f04bc987c4c3f0e1f9307c1c1f",
        "f35a19a80c95c650e34af32b38bdfc15fed00d5a1e9c2d4e96a54a516529b6b5",
        "9d896279af9b385663f4ce049cad33a963a9672bc60b441ace72dcc69c54d8f0",
        "c8dcc8c3dace92fc36a164aec9f8990336fccd81134eeeb09b27766cc901725a",
    ]),
    ("quad", 512, 512, [
        "fffffffefffefdfefdfefcf8ec7ef050f57cc000c0508000f044000040100000",
        "fd80001ff8883fffe80007ffc0001fffc80007ffd80089ff78001fff5000ffff",
        "aab157d4b8094ed0b93d6aba15456aaab555eaaa1555aaaa5555aaaa5555aaaa",
        "a8d5aab58dd595559555ad559555b5559555ad558d5523550555355505555555",
        "ffe00001c5541b85e4603fef40103fffe000bfff4000ffff0000ffff0000ffff",
        "aab1aaabb809b12fb9bd954515459555b5551555155555557555555555555555",
        "fff8ffeaff88fd88fe00fe80e000f880fc00ffa8fe80ffa2fe80fa88fa008000",
        "a8d5554aadd56aaabd5552aad5554aaad55552aa8d55dcaa2d554aaa0555aaaa",
    ]),
    ("noise", 200, 150, [
        "f96d2063d14d1cba62837f2d0ab43acea62bae9456a6637057bb0c87db364519",
        "a08253c6c9c04ad59746eb920bba5be41b6c1eefd2baeda4b589589959ae1372",
        "ac388a898419b61077d6d4a65fe19024f77e843e03f3c8da02eea62cce63efb3",
        "f597f16c9885605fc21341385aaff14e4e39b44583ef450ce0dcf2330cfb99d8",
        "e96ddf9cd14ce345228380d20aa4c531a22b516b46a69c8f57bbf3789b26bae6",
        "ac387536841849ef37d608585fe16f9bf77e79c103f3162502ee59d2ce63104c",
        "a0c2ac3bcdd0b52a974614ed0ffaa41b1b6ce110d6ba125bb589a76659aeec8d",
        "f5d70e9398851f80c213bec75aaf0aa14e390aba87efb8f1e0dc0dcc0cfb6223",
    ]),
];
