use super::*;

fn sniff(bytes: &[u8]) -> Option<Format> {
    Format::sniff(bytes, None)
}

#[test]
fn signatures_win_over_names() {
    for (bytes, format) in [
        (&b"\x89PNG\r\n\x1a\n...."[..], Format::Png),
        (b"\xFF\xD8\xFF\xE0", Format::Jpeg),
        (b"GIF89a", Format::Gif),
        (b"RIFF\x10\0\0\0WEBPVP8 ", Format::WebP),
        (b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0", Format::Bmp),
        (b"II\x2A\0\x08\0\0\0", Format::Tiff),
        (b"%PDF-1.7\n", Format::Pdf),
        (b"PK\x03\x04\x14\0", Format::Zip),
        (b"{\\rtf1 hello}", Format::Rtf),
        (b"\0\0\0\x18ftypheic", Format::Heif),
        (b"\0\0\0\x18ftypmp42", Format::Video),
    ] {
        assert_eq!(sniff(bytes), Some(format));
        assert_eq!(Format::sniff(bytes, Some("x.txt")), Some(format));
    }
    assert_eq!(
        sniff(b"BMW is a car maker, not a bitmap"),
        Some(Format::Text)
    );
    assert_eq!(
        sniff(b"\x01\x02\x03\xFF garbage \0\0 %PDF-1.4"),
        Some(Format::Pdf)
    );
}

#[test]
fn plain_text_under_the_name_of_a_picture_is_broken() {
    assert_eq!(Format::sniff(b"just words", Some("a.pdf")), None);
    assert_eq!(Format::sniff(b"just words", Some("a.b.PNG")), None);
    assert_eq!(
        Format::sniff(b"just words", Some("png")),
        Some(Format::Text)
    );
    assert_eq!(
        Format::sniff(b"<html><p>words", Some("a.pdf")),
        Some(Format::Html)
    );
}

#[test]
fn html_by_its_first_tag() {
    for html in [
        "<!DOCTYPE html><p>x",
        "\u{feff} \n<!doctype HTML PUBLIC>",
        "<?xml version='1.0'?>\n<!-- a --><!-- b -->\n<html xmlns='x'>",
        "<P>old</P>",
        "<br/>x",
    ] {
        assert_eq!(sniff(html.as_bytes()), Some(Format::Html), "{html}");
    }
    let utf16: Vec<u8> = "\u{feff}<html>"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert_eq!(sniff(&utf16), Some(Format::Html));
    for text in [
        "<?xml version='1.0'?><office/>",
        "<3 you",
        "a <b>bold</b> claim",
        "<!-- never closed <p>",
        "<parser>x",
        "<",
        "<p",
    ] {
        assert_eq!(sniff(text.as_bytes()), Some(Format::Text), "{text}");
    }
    assert_eq!(
        Format::sniff(b"no tag at all", Some("a.html")),
        Some(Format::Html)
    );
    let declared = Format::sniff_declared(b"no tag", None, Some(Format::Html));
    assert_eq!(declared, Some(Format::Html));
}

#[test]
fn mail_by_its_header() {
    let mail = b"Return-Path: <a@b.c>\r\nSubject: x\r\n y\r\nX-Odd: 1\r\n\r\nbody";
    assert_eq!(sniff(mail), Some(Format::Mail));
    let bare = b"From: a@b.c\nTo: d@e.f\nSubject: x\n\nbody";
    assert_eq!(sniff(bare), Some(Format::Mail));
    assert_eq!(Format::sniff(bare, Some("memo.txt")), Some(Format::Text));
    assert_eq!(
        Format::sniff(b"From: a@b.c\n\nx", Some("a.eml")),
        Some(Format::Mail)
    );
    for text in [
        "Note: something\nDate: tomorrow\n\nwords",
        "From: the desk of\nnobody in particular",
        "Subject: one line alone",
        "From: me: you: all\nSubject matter\nTo: be",
    ] {
        assert_eq!(sniff(text.as_bytes()), Some(Format::Text), "{text}");
    }
}

#[test]
fn mbox_by_its_envelope_line() {
    let mbox = b"From a@b.c Mon Jan  1 12:00:00 2001\nFrom: a@b.c\nSubject: x\n\nbody\n";
    assert_eq!(sniff(mbox), Some(Format::Mbox));
    assert_eq!(
        sniff(b"From here at 9:30 we\nSubject: x\n"),
        Some(Format::Mbox)
    );
    assert_eq!(sniff(b"From the start it was prose."), Some(Format::Text));
}

#[test]
fn noise_is_unknown() {
    let mut noise = [0; 4096];
    blake3::Hasher::new().finalize_xof().fill(&mut noise);
    for start in 0..2000 {
        let slice = &noise[start..start + 200];
        assert_eq!(sniff(slice), None, "at {start}");
    }
    assert_eq!(sniff(b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xFF\xFF\0\0"), None);
    assert_eq!(sniff(b"\0"), None);
    assert_eq!(sniff(b""), None);
}
