//! Pictures in a PDF, each with one filter, and their numbers as fields.

use super::{jpeg, png};
use crate::doc::{Form, Syntax, Unit};

/// A picture: what its dictionary says beside size and filter, and its bytes with their numbers.
pub(crate) struct Picture {
    pub(crate) dictionary: String,
    pub(crate) data: Unit,
}

fn picture(dictionary: &str, data: Vec<u8>) -> Picture {
    fielded(
        dictionary,
        Unit::new("raw", Syntax::Fields(Vec::new()), data),
    )
}

fn fielded(dictionary: &str, data: Unit) -> Picture {
    let size = "/Type /XObject /Subtype /Image /Width 16 /Height 16";
    Picture {
        dictionary: format!("<< {size} {dictionary} >>"),
        data: Unit {
            role: "raw".to_owned(),
            ..data
        },
    }
}

/// A codestream of JPEG 2000 of one tile whose packets are empty.
fn jpeg2000() -> Unit {
    let numbers = [
        // SOC, SIZ: length, kind, size, origin, tiles, components.
        (2, 0xFF4F),
        (2, 0xFF51),
        (2, 41),
        (2, 0),
        (4, 16),
        (4, 16),
        (4, 0),
        (4, 0),
        (4, 16),
        (4, 16),
        (4, 0),
        (4, 0),
        (2, 1),
        (1, 7),
        (1, 1),
        (1, 1),
        // COD: style, order, layers, transform of colours, levels, code blocks, wavelet.
        (2, 0xFF52),
        (2, 12),
        (1, 0),
        (1, 0),
        (2, 1),
        (1, 0),
        (1, 1),
        (1, 4),
        (1, 4),
        (1, 0),
        (1, 1),
        // QCD.
        (2, 0xFF5C),
        (2, 7),
        (1, 0x40),
        (1, 0x40),
        (1, 0x48),
        (1, 0x48),
        (1, 0x50),
        // SOT, SOD.
        (2, 0xFF90),
        (2, 10),
        (2, 0),
        (4, 16),
        (1, 0),
        (1, 1),
        (2, 0xFF93),
    ];
    Unit::numbers("raw", Form::Big, b"", &numbers, &[0, 0, 0xFF, 0xD9])
}

/// Segments of JBIG2: the page, and a region.
fn jbig2(symbols: bool) -> Unit {
    let page = [
        (4, 0),
        (1, 0x30),
        (1, 0),
        (1, 1),
        (4, 19),
        (4, 16),
        (4, 16),
        (4, 0),
        (4, 0),
        (1, 0),
        (2, 0),
    ];
    let mut numbers = page.to_vec();
    if symbols {
        // A dictionary: flags, its template, symbols handed on and new ones.
        numbers.extend([(4, 1), (1, 0), (1, 0), (1, 1), (4, 26), (2, 0)]);
        numbers.extend([
            (1, 3),
            (1, 255),
            (1, 253),
            (1, 255),
            (1, 2),
            (1, 254),
            (1, 254),
            (1, 254),
        ]);
        numbers.extend([(4, 1), (4, 1), (4, 0x1234_5678), (4, 0x9ABC_DEF0)]);
        // A region of text that refers to it: size, place, flags, instances.
        numbers.extend([(4, 2), (1, 6), (1, 0x20), (1, 1), (1, 1), (4, 31)]);
        numbers.extend([
            (4, 16),
            (4, 16),
            (4, 0),
            (4, 0),
            (1, 0),
            (2, 0x0C10),
            (4, 1),
            (4, 0x1122_3344),
            (4, 0x5566_7788),
        ]);
    } else {
        // A generic region: size, place, how it is combined, its template.
        numbers.extend([(4, 1), (1, 38), (1, 0), (1, 1), (4, 34)]);
        numbers.extend([(4, 16), (4, 16), (4, 0), (4, 0), (1, 0), (1, 0)]);
        numbers.extend([
            (1, 3),
            (1, 255),
            (1, 253),
            (1, 255),
            (1, 2),
            (1, 254),
            (1, 254),
            (1, 254),
        ]);
        numbers.extend([(4, 0x1234_5678), (4, 0x9ABC_DEF0)]);
    }
    Unit::numbers("raw", Form::Big, b"", &numbers, &[0xFF, 0xAC])
}

/// One for each filter and kind of colour.
pub(crate) fn all() -> Vec<Picture> {
    let grey: Vec<u8> = (0..256_usize).map(|at| (at * 7 % 251) as u8).collect();
    let filtered: Vec<u8> = grey
        .chunks(16)
        .flat_map(|row| [&[2], row].concat())
        .collect();
    let grey_space = "/ColorSpace /DeviceGray /BitsPerComponent 8";
    let with = |more: &str| format!("{grey_space} {more}");
    let hex: String = grey.iter().map(|byte| format!("{byte:02x}")).collect();
    vec![
        picture(&with("/Decode [0 1]"), grey.clone()),
        picture(
            &with(
                "/Filter /FlateDecode /DecodeParms << /Predictor 15 /Colors 1 /BitsPerComponent 8 /Columns 16 >>",
            ),
            png::zlib(&filtered),
        ),
        picture(
            &with(
                "/Filter [/ASCIIHexDecode /FlateDecode] /DecodeParms [null << /Predictor 2 /Columns 16 >>]",
            ),
            png::zlib(&grey)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
                .into_bytes(),
        ),
        picture(&with("/Filter /ASCIIHexDecode"), hex.into_bytes()),
        picture(
            &with("/Filter /ASCII85Decode"),
            b"87cURD]i,\"Ebo80~>".to_vec(),
        ),
        picture(
            &with("/Filter /RunLengthDecode"),
            [&[129, 9][..], &[129, 7], &[128]].concat(),
        ),
        picture(
            &with("/Filter /LZWDecode /DecodeParms << /EarlyChange 1 >>"),
            vec![0x80, 0x0B, 0x60, 0x50, 0x22, 0x0C, 0x0C, 0x85, 0x01],
        ),
        picture(
            "/ColorSpace [/Indexed /DeviceRGB 3 <000000FF000000FF000000FF>] /BitsPerComponent 2",
            grey[..64].to_vec(),
        ),
        picture(
            "/ImageMask true /BitsPerComponent 1 /Decode [1 0]",
            grey[..32].to_vec(),
        ),
        picture(
            "/ColorSpace /DeviceCMYK /BitsPerComponent 4",
            grey[..128].to_vec(),
        ),
        picture(
            "/ColorSpace [/Separation /Spot /DeviceGray 5 0 R] /BitsPerComponent 16",
            [&grey[..], &grey].concat(),
        ),
        picture(
            "/ColorSpace /DeviceGray /BitsPerComponent 8 /Filter /DCTDecode",
            jpeg::sample(false, false),
        ),
        picture(
            "/ColorSpace /DeviceRGB /BitsPerComponent 8 /Filter /DCTDecode",
            jpeg::sample(true, true),
        ),
        picture(
            "/ColorSpace /DeviceGray /BitsPerComponent 1 /Filter /CCITTFaxDecode /DecodeParms << /K -1 /Columns 16 /Rows 16 /BlackIs1 false /EndOfBlock true >>",
            vec![0x26, 0xA1, 0xB2, 0xC3, 0x99, 0x1F, 0x00, 0x10, 0x01],
        ),
        picture(
            "/ColorSpace /DeviceGray /BitsPerComponent 1 /Filter /CCITTFaxDecode /DecodeParms << /K 0 /Columns 16 /DamagedRowsBeforeError 3 >>",
            vec![0x4D, 0x9A, 0x80, 0x10, 0x01],
        ),
        fielded(
            "/ColorSpace /DeviceGray /BitsPerComponent 8 /Filter /JPXDecode",
            jpeg2000(),
        ),
        fielded(
            "/ColorSpace /DeviceGray /BitsPerComponent 1 /Filter /JBIG2Decode",
            jbig2(false),
        ),
        fielded(
            "/ColorSpace /DeviceGray /BitsPerComponent 1 /Filter /JBIG2Decode",
            jbig2(true),
        ),
    ]
}
