//! Mails and mailboxes.

use crate::doc::{Doc, Syntax, Unit, joined};

const HEAD: &str = "From: Ada <ada@example.org>\r\nTo: Max <max@example.org>\r\nSubject: =?utf-8?Q?The_slate_1?=\r\n\
    Date: Mon, 1 Jan 2024 12:00:00 +0100\r\nMessage-ID: <1@example.org>\r\nReceived: from a by b; Mon, 1 Jan 2024\r\n\
    MIME-Version: 1.0\r\n";

fn units() -> Vec<Unit> {
    let lines = |text: &str| Unit::new("lines", Syntax::Lines, text);
    vec![
        lines(HEAD),
        lines(
            "Content-Type: multipart/mixed;\r\n boundary=\"b1\"; charset=utf-8\r\n\r\npreamble 1\r\n",
        ),
        lines("--b1\r\nContent-Type: multipart/alternative; boundary=b2\r\n\r\n"),
        lines(
            "--b2\r\nContent-Type: text/plain; charset=iso-8859-1; format=flowed\r\n\
            Content-Transfer-Encoding: quoted-printable\r\n\r\nSix weeks =E4 =\r\nsoft 12\r\n> quoted\r\n",
        ),
        lines("--b2\r\nContent-Type: text/html\r\n\r\n<p>Six <b>weeks</b> &#65;</p>\r\n"),
        lines("--b2--\r\n"),
        lines(
            "--b1\r\nContent-Type: text/csv; name*0=\"a\"; name*1=\".csv\"\r\n\
            Content-Disposition: attachment; filename*=utf-8''a%201.csv; size=12\r\n\
            Content-Transfer-Encoding: base64\r\n\r\nYSxiCjEsMgozLDQK\r\n",
        ),
        lines(
            "--b1\r\nContent-Type: message/rfc822\r\n\r\nFrom: x@example.org\r\nSubject: In\r\n\r\nDeep 3.\r\n",
        ),
        lines(
            "--b1\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\n\
            begin 644 a.txt\r\n#0V%T\r\n`\r\nend\r\n",
        ),
        lines("--b1--\r\nepilogue\r\n"),
    ]
}

/// A mail that is forwarded as an attachment.
fn forward(mail: &[u8]) -> Vec<u8> {
    [
        HEAD.as_bytes(),
        b"Content-Type: message/rfc822\r\n\r\n",
        mail,
    ]
    .concat()
}

/// A mail as a part of several.
fn enclose(mail: &[u8]) -> Vec<u8> {
    // Boundaries that differ: the length of what is inside is one that does.
    let boundary = format!("n{}", mail.len());
    let head = format!(
        "{HEAD}Content-Type: multipart/mixed; boundary={boundary}\r\n\r\n--{boundary}\r\n\
         Content-Type: message/rfc822\r\n\r\n"
    );
    let end = format!("\r\n--{boundary}--\r\n");
    [head.as_bytes(), mail, end.as_bytes()].concat()
}

pub(crate) fn mail() -> Vec<Doc> {
    let doc = |wrap: fn(&[u8]) -> Vec<u8>| Doc {
        format: "mail",
        name: "a.eml",
        units: units(),
        assemble: joined,
        wrap: Some(wrap),
    };
    vec![doc(forward), doc(enclose)]
}

pub(crate) fn mbox() -> Vec<Doc> {
    let message = |n: u32| {
        let text = format!(
            "From a@example.org Mon Jan  1 12:00:00 2024\r\n{HEAD}\r\nMessage {n}.\r\n>From 2\r\n\r\n"
        );
        Unit::new("message", Syntax::Lines, text)
    };
    vec![Doc {
        format: "mbox",
        name: "a.mbox",
        units: (0..3).map(message).collect(),
        assemble: joined,
        wrap: None,
    }]
}
