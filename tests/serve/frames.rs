//! The protocol between the service and the readers: replies arrive unchanged, and no reply does
//! harm.

use std::io;

use image::ImageFormat;
use leakprint::media::{self, Content, PartSink};
use leakprint::{
    Budget, CancellationToken, Deadline, Digest, ErrorKind, Fingerprint, Fingerprinter, Key,
};
use leakprint::{Limits, PartPath};
use proptest::prelude::*;

use crate::make::{docx, pdf_with_pictures, xlsx, zip};
use crate::service::{MEMO, MERGER, encode, picture};
use crate::wire::{self, Receiver, Reply, Sender, Source, WireError};

/// The replies of a reader to an upload.
fn replies(bytes: &[u8], name: &str, limits: &Limits) -> Vec<u8> {
    let mut sent = Vec::new();
    let mut sender = Sender::new(&mut sent, bytes, CancellationToken::new());
    let mut budget = Budget::new(limits);
    let result = media::read(bytes, Some(name), &mut budget, &mut sender);
    sender.finish(result).unwrap();
    sent
}

/// The fingerprint that the service computes from the replies.
fn received(
    replies: &[u8],
    bytes: &[u8],
    limits: &Limits,
    fingerprinter: &Fingerprinter,
) -> Result<leakprint::Result<Fingerprint>, WireError> {
    let mut rest = replies;
    let mut receiver = Receiver::new(&mut rest, limits, bytes.len());
    let mut collector = fingerprinter.collector(&Deadline::never());
    loop {
        match receiver.next()? {
            Reply::Part(path, source, content) => {
                let digest = match source {
                    Source::None => None,
                    Source::Upload => Some(Digest::of_bytes(bytes)),
                    Source::Digest(digest) => Some(digest),
                };
                collector.add(path, digest, content);
            }
            Reply::Warning(path, error) => collector.warning(path, error),
            Reply::Done => return Ok(collector.finish()),
            Reply::Failed(error) => return Ok(Err(error)),
        }
    }
}

fn uploads() -> Vec<(&'static str, Vec<u8>)> {
    let photo = encode(&picture(120, 9), ImageFormat::Jpeg);
    let screen = encode(&picture(90, 8), ImageFormat::Png);
    let mail = format!(
        "From: a@b.example\r\nSubject: look\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n{MEMO}\r\n\
         --b\r\nContent-Type: text/csv; name=x.csv\r\n\r\nname,phone\r\nAda,+49 221 5550143\r\n\
         --b\r\nContent-Type: image/png\r\n\r\n\u{89}cut\r\n--b--\r\n"
    );
    let sheet = xlsx(&[&["name", "salary"], &["Ada Lovelace", "81,234"], &["", "x"]]);
    let inner = docx(&[MEMO, MERGER]);
    vec![
        ("memo.txt", MEMO.as_bytes().to_vec()),
        ("photo.jpg", photo.clone()),
        ("mail.eml", mail.into_bytes()),
        ("memo.docx", inner.clone()),
        ("sums.xlsx", sheet),
        ("scan.pdf", pdf_with_pictures("q /I0 Do Q", &[photo])),
        (
            "all.zip",
            zip(&[("a.docx", &inner), ("b.png", &screen), ("c", b"")]),
        ),
        ("cut.png", screen[..60].to_vec()),
        ("what.bin", vec![0, 159, 146, 150]),
    ]
}

#[test]
fn replies_arrive_unchanged() {
    let key = Key::from_bytes([3; 32]);
    let fingerprinter = Fingerprinter::builder().key(key).build().unwrap();
    let limits = Limits::default();
    for (name, bytes) in uploads() {
        let expected = fingerprinter.fingerprint(&bytes, Some(name));
        let replies = replies(&bytes, name, &limits);
        let result = received(&replies, &bytes, &limits, &fingerprinter).unwrap();
        match (result, expected) {
            (Ok(print), Ok(expected)) => assert_eq!(print, expected, "{name}"),
            (Err(error), Err(expected)) => {
                assert_eq!(error.kind(), expected.kind(), "{name}");
                assert_eq!(error.message(), expected.message(), "{name}");
            }
            (result, expected) => panic!("{name}: {result:?}, not {expected:?}"),
        }
        // Every truncation is noticed.
        for len in (0..replies.len()).step_by(replies.len() / 40 + 1) {
            match received(&replies[..len], &bytes, &limits, &fingerprinter) {
                Err(WireError::Pipe(e)) => assert_eq!(e.kind(), io::ErrorKind::UnexpectedEof),
                other => panic!("{name}, {len}: {other:?}"),
            }
        }
    }
}

#[test]
fn requests_arrive_unchanged() {
    let limits = Limits::default();
    for name in [None, Some(""), Some("mail.eml")] {
        let mut sent = Vec::new();
        wire::send(&mut sent, &limits, name, MEMO.as_bytes()).unwrap();
        let mut rest = sent.as_slice();
        let request = wire::receive(&mut rest).unwrap().unwrap();
        assert_eq!(request.limits, limits);
        assert_eq!(request.name.as_deref(), name);
        assert_eq!(request.bytes, MEMO.as_bytes());
        assert!(wire::receive(&mut rest).unwrap().is_none());
        let mut cut = &sent[..sent.len() - 1];
        assert!(wire::receive(&mut cut).is_err());
    }
    let mut hello = Vec::new();
    wire::send_hello(&mut hello).unwrap();
    wire::receive_hello(&mut hello.as_slice()).unwrap();
    hello[0] ^= 1;
    assert!(wire::receive_hello(&mut hello.as_slice()).is_err());
}

/// Limits that a few bytes exceed.
fn tight() -> Limits {
    let mut limits = Limits::default();
    limits.pixels = 1000;
    limits.side = 100;
    limits.text_chars = 1000;
    limits.decoded_bytes = 10_000;
    limits.parts = 5;
    limits
}

/// A part frame without raw bytes, followed by numbers.
fn part(content: u8, numbers: &[u32]) -> Vec<u8> {
    let mut frame = vec![1, 0, 0, 0, 0, 0, content];
    numbers.iter().for_each(|n| frame.extend(n.to_le_bytes()));
    frame
}

/// The reason why a frame is refused; the announced data does not follow.
fn refused(frame: &[u8]) -> Option<&'static str> {
    let mut rest = frame;
    let mut receiver = Receiver::new(&mut rest, &tight(), 100);
    match receiver.next() {
        Err(WireError::Frame(why)) => Some(why),
        Err(WireError::Pipe(e)) => {
            assert_eq!(e.kind(), io::ErrorKind::UnexpectedEof);
            None
        }
        Ok(reply) => panic!("{reply:?}"),
    }
}

#[test]
fn lengths_are_refused_before_anything_is_allocated() {
    let picture = |width, height, layout: [u8; 2]| {
        let mut frame = part(1, &[width, height]);
        frame.extend(layout);
        refused(&frame)
    };
    // Within the limits, the receiver waits for the bytes.
    assert_eq!(picture(100, 10, [3, 1]), None);
    assert_eq!(refused(&part(2, &[4000])), None);
    assert_eq!(refused(&part(3, &[u32::MAX, 7, 7, 4000])), None);
    // Over the limits.
    let over = Some("more than the limits allow");
    assert_eq!(picture(101, 1, [1, 0]), over);
    assert_eq!(picture(100, 11, [1, 0]), over);
    assert_eq!(picture(u32::MAX, u32::MAX, [4, 0]), over);
    assert_eq!(picture(10, 10, [2, 0]), Some("an unknown pixel layout"));
    assert_eq!(picture(10, 10, [1, 2]), Some("an invalid flag"));
    assert_eq!(picture(0, 10, [1, 1]), Some("an empty picture"));
    let long = Some("longer than the limits allow");
    assert_eq!(refused(&part(2, &[4001])), long);
    assert_eq!(refused(&part(2, &[u32::MAX])), over);
    assert_eq!(refused(&part(3, &[1, 7, 7, 4001])), long);
    assert_eq!(refused(&part(3, &[1, 7, 7, 0])), Some("an empty cell"));
    assert_eq!(refused(&part(9, &[])), Some("an unknown content"));
    // Paths and errors.
    assert_eq!(refused(&[2, 255, 255, 255, 255]), long);
    assert_eq!(
        refused(&[2, 1, 0, 0, 0, b' ']),
        Some("invalid characters in a path")
    );
    let no_kind = [4, 2, 0, 0, 0, b'i', b'o', 0, 0, 0, 0];
    assert_eq!(refused(&no_kind), Some("an invalid kind of error"));
    // The order of frames.
    let order = Some("an end that does not match the parts");
    assert_eq!(refused(&[3]), order);
    assert_eq!(refused(&[77]), Some("an unknown reply"));
    let inner = [1, 1, 0, 0, 0, b'x', 0, 0];
    assert_eq!(refused(&inner), Some("the first part is not the upload"));
}

#[test]
fn parts_and_text_are_bounded_in_total() {
    let limits = tight();
    let opaque = part(0, &[]);
    let stream = opaque.repeat(6);
    let mut rest = stream.as_slice();
    let mut receiver = Receiver::new(&mut rest, &limits, 100);
    for _ in 0..5 {
        assert!(matches!(receiver.next(), Ok(Reply::Part(..))));
    }
    assert!(matches!(receiver.next(), Err(WireError::Frame(_))));
    // Too much text in total, though no part is too long.
    let mut text = part(2, &[4000]);
    text.extend([b'a'; 4000]);
    let mut limits = tight();
    limits.parts = 1000;
    let stream = text.repeat(20);
    let mut rest = stream.as_slice();
    let mut receiver = Receiver::new(&mut rest, &limits, 100);
    let parts = (0..20).take_while(|_| receiver.next().is_ok()).count();
    assert_eq!(parts, 4 * (10_000 + 100) / 4000);
    // An error after a part.
    let mut failed = opaque.clone();
    failed.push(4);
    let mut rest = failed.as_slice();
    let mut receiver = Receiver::new(&mut rest, &limits, 100);
    assert!(receiver.next().is_ok());
    assert!(matches!(receiver.next(), Err(WireError::Frame(_))));
}

#[test]
fn a_long_message_is_truncated() {
    let mut sent = Vec::new();
    let mut sender = Sender::new(&mut sent, b"x", CancellationToken::new());
    let error = || leakprint::Error::new(ErrorKind::Malformed, "\u{e4}".repeat(20_000));
    sender.warning(PartPath::root(), error());
    sender.finish(Err(error())).unwrap();
    let mut rest = sent.as_slice();
    let mut receiver = Receiver::new(&mut rest, &tight(), 1);
    for _ in 0..2 {
        let (Reply::Warning(_, error) | Reply::Failed(error)) = receiver.next().unwrap() else {
            panic!("a part");
        };
        assert_eq!(error.message().len(), 16 << 10);
    }
}

/// Receives all replies, and checks the limits.
fn drain(stream: &[u8], limits: &Limits) {
    let mut rest = stream;
    let mut receiver = Receiver::new(&mut rest, limits, 100);
    let mut parts = 0;
    while let Ok(reply) = receiver.next() {
        match reply {
            Reply::Part(_, _, content) => {
                parts += 1;
                match content {
                    Content::Raster { raster, .. } => {
                        let pixels = u64::from(raster.width()) * u64::from(raster.height());
                        assert!(pixels <= limits.pixels);
                        assert!(raster.width().max(raster.height()) <= limits.side);
                    }
                    Content::Text(text) => assert!(text.len() as u64 <= 4 * limits.text_chars),
                    _ => {}
                }
            }
            Reply::Warning(..) => {}
            Reply::Done | Reply::Failed(_) => break,
        }
    }
    assert!(parts <= limits.parts);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn arbitrary_bytes_are_handled(
        kind in 1..=4_u8,
        bytes in prop::collection::vec(prop_oneof![Just(0), 0..6_u8, any::<u8>()], 0..300),
    ) {
        let mut stream = vec![kind];
        stream.extend(bytes);
        drain(&stream, &tight());
        drain(&stream, &Limits::default());
        let _ = wire::receive(&mut stream.as_slice());
    }

    #[test]
    fn modified_replies_are_handled(
        which in 0..9_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        static STREAMS: std::sync::OnceLock<Vec<Vec<u8>>> = std::sync::OnceLock::new();
        let streams = STREAMS.get_or_init(|| {
            let limits = Limits::default();
            uploads().iter().map(|(name, bytes)| replies(bytes, name, &limits)).collect()
        });
        let mut stream = streams[which].clone();
        for (at, byte) in changes {
            // Frame headers are small compared with pixels: half of the changes are at the start.
            let len = if byte % 2 == 0 { stream.len() } else { stream.len().min(64) };
            stream[at.index(len)] = byte;
        }
        drain(&stream, &tight());
        stream.truncate(cut.index(stream.len()) + 1);
        drain(&stream, &Limits::default());
    }
}
