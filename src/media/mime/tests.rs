use super::*;
use crate::Limits;
use proptest::prelude::*;

/// Cuts a message into at most `parts` leaves.
fn split(message: &[u8], parts: u32) -> Structure<'_> {
    let limits = Limits {
        parts,
        ..Limits::default()
    };
    super::split(message, &Budget::new(&limits))
}

/// Kind, alternative set and body of every leaf.
fn leaves(message: &str) -> Vec<(Kind, Option<u32>, String)> {
    split(message.as_bytes(), 100)
        .leaves
        .iter()
        .map(|leaf| {
            let body = String::from_utf8_lossy(leaf.body).into_owned();
            (leaf.kind, leaf.alternative, body)
        })
        .collect()
}

fn plain(body: &str) -> (Kind, Option<u32>, String) {
    (Kind::Plain, None, body.to_owned())
}

#[test]
fn the_usual_tree() {
    let message = "Content-Type: multipart/mixed; boundary=\"m m\"\r\n\r\npreamble\r\n\
        --m m\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n\
        --a\r\n\r\nplain\r\n--a\r\nContent-Type: text/html\r\n\r\n<p>html\r\n--a--\r\nepilogue\r\n\
        --m m  \r\nContent-Type: text/plain; name=x.txt\r\n\r\nfile\r\n\
        --m m\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nner\r\n--m m--\r\nend";
    assert_eq!(
        leaves(message),
        [
            (Kind::Plain, Some(0), "plain".to_owned()),
            (Kind::Html, Some(0), "<p>html".to_owned()),
            (Kind::Attachment, None, "file".to_owned()),
            (Kind::Message, None, "Subject: in\r\n\r\nner".to_owned()),
        ]
    );
}

#[test]
fn damage_is_taken_as_it_comes() {
    for (message, expected) in [
        // No closing boundary.
        (
            "Content-Type: multipart/mixed; boundary=x\n\n--x\n\nbody",
            plain("body"),
        ),
        // A boundary that never comes, and an empty one.
        (
            "Content-Type: multipart/mixed; boundary=x\n\nbody\n",
            plain("body\n"),
        ),
        (
            "Content-Type: multipart/mixed; boundary=\"\"\n\n--\nbody",
            plain("--\nbody"),
        ),
        // No empty line.
        (
            "Subject: s\nbody without: one\n",
            plain("body without: one\n"),
        ),
        ("Subject: s\n\nbody", plain("body")),
        ("\n\nFrom a@b Mon 1:00\nSubject: s\n\nbody", plain("body")),
        // A fold that lost its white space.
        (
            "Subject: s\nlost\nContent-Type: text/plain\n\nbody",
            plain("body"),
        ),
    ] {
        assert_eq!(leaves(message), [expected], "{message:?}");
    }
    // A part that runs into the boundary of the enclosing one.
    let message = "Content-Type: multipart/mixed; boundary=o\n\n\
        --o\nContent-Type: multipart/mixed; boundary=i\n\n--i\n\none\n--o\n\ntwo\n--o--";
    assert_eq!(leaves(message), [plain("one"), plain("two")]);
}

#[test]
fn subject_and_file_names_are_decoded() {
    let message = "subject: =?iso-8859-1?Q?Gr=FC=DFe?=\n =?utf-8?B?IPCfmIA=?=\n\
        Content-Disposition: attachment; filename*0*=utf-8''%E2%82%AC; filename*1=\".pdf\"\n\n";
    let structure = split(message.as_bytes(), 1);
    assert_eq!(
        structure.subject.as_deref(),
        Some("Gr\u{fc}\u{df}e \u{1f600}")
    );
    assert_eq!(
        structure.leaves[0].header.name.as_deref(),
        Some("\u{20ac}.pdf")
    );
    assert_eq!(structure.leaves[0].kind, Kind::Attachment);
}

#[test]
fn a_digest_holds_messages() {
    let message = "Content-Type: multipart/digest; boundary=d\n\n--d\n\nSubject: a\n\nb\n--d--";
    assert_eq!(
        leaves(message),
        [(Kind::Message, None, "Subject: a\n\nb".to_owned())]
    );
}

#[test]
fn deep_nesting_and_many_parts_are_cut_off() {
    let deep: String = (0..5000)
        .map(|i| format!("Content-Type: multipart/mixed; boundary=b{i}\n\n--b{i}\n"))
        .collect();
    let structure = split(deep.as_bytes(), 100);
    assert_eq!(structure.leaves.len(), 1);
    let many = format!(
        "Content-Type: multipart/mixed; boundary=b\n\n{}",
        "--b\n\nx\n".repeat(200)
    );
    let structure = split(many.as_bytes(), 100);
    assert_eq!(structure.leaves.len(), 100);
    let problem = structure.problem.unwrap();
    assert!(
        problem.message().contains("parts = 100 exceeded: 101"),
        "{problem}"
    );
}

proptest! {
    /// Bodies come out as they went in, whatever the nesting and the line ends.
    #[test]
    fn what_is_joined_is_split(
        bodies in prop::collection::vec("[a-z \n-]{0,30}", 1..8),
        crlf in any::<bool>(),
        nested in any::<bool>(),
    ) {
        let mut message = String::from("Content-Type: multipart/mixed; boundary=\"=_b\"\n\n");
        for body in &bodies {
            message += "--=_b\n";
            if nested {
                message += "Content-Type: multipart/mixed; boundary=\"=_b1\"\n\n--=_b1\n";
            }
            message += &format!("\n{body}\n");
            if nested {
                message += "--=_b1--\n";
            }
        }
        message += "--=_b--\n";
        let fix = |text: &str| if crlf { text.replace('\n', "\r\n") } else { text.to_owned() };
        let expected: Vec<_> = bodies.iter().map(|body| plain(&fix(body))).collect();
        prop_assert_eq!(leaves(&fix(&message)), expected);
    }
}

#[test]
fn the_clock_ends_a_message_of_many_lines_and_parts() {
    let over = Limits {
        time_ms: 0,
        ..Limits::default()
    };
    let header = "Content-Type: multipart/mixed; boundary=b\n\n";
    let nested = "--b\nContent-Type: multipart/mixed; boundary=c\n\n--c--\n".repeat(2000);
    for message in [
        format!("{header}{}", "-\n".repeat(5000)),
        format!("{header}{nested}"),
        "a:\n".repeat(5000),
    ] {
        let structure = super::split(message.as_bytes(), &Budget::new(&over));
        let problem = structure.problem.unwrap();
        assert!(problem.message().contains("time_ms"), "{problem}");
    }
}
