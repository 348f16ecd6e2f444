use super::*;
use crate::Limits;
use proptest::prelude::*;

fn read(rtf: &[u8]) -> Document {
    document(rtf, &mut Budget::new(&Limits::default())).unwrap()
}

fn text(body: &str) -> String {
    let document = read(format!("{{\\rtf1\\ansi\\ansicpg1252 {body}}}").as_bytes());
    assert!(document.problem.is_none());
    document.text
}

#[test]
fn words_escapes_and_code_pages() {
    for (rtf, expected) in [
        (
            "con{\\b fi}den\\-tial\\par next\\line one",
            "confidential\nnext\none",
        ),
        (
            "gr\\'fc\\'dfe \\u8364?5 \\u-10179?\\u-8704?",
            "gr\u{fc}\u{df}e \u{20ac}5 \u{1f600}",
        ),
        (
            "{\\fonttbl{\\f1\\fcharset204 Arial;}}\\f1 \\'cf\\'f0\\f0 \\'e4",
            "\u{41f}\u{440}\u{e4}",
        ),
        (
            "{\\fonttbl{\\f2\\fcharset128 MS;}}{\\f2\\'82\\'a0}x",
            "\u{3042}x",
        ),
        (
            "{\\uc2\\u8364 ab c}\\u8364?d",
            "\u{20ac} c\u{20ac}d"
                .replace(' ', "")
                .replace('c', " c")
                .as_str(),
        ),
        ("a\\{b\\}\\\\c\\~d\\emdash e", "a{b}\\c\u{a0}d\u{2014}e"),
        ("a\r\nb\\\nc", "ab\nc"),
    ] {
        assert_eq!(text(rtf), expected, "{rtf}");
    }
}

#[test]
fn what_no_reader_sees_is_not_read() {
    assert_eq!(
        text(
            "{\\stylesheet{\\s1 heading;}}{\\info{\\author me}}{\\*\\generator x;}{\\colortbl;\\red0;}\
              a{\\field{\\*\\fldinst HYPERLINK x}{\\fldrslt link}}{\\object{\\*\\objdata 0102}{\\result r}}\\bin3 }}}b"
        ),
        "alinkrb"
    );
}

#[test]
fn tables_notes_and_changes() {
    assert_eq!(
        text(
            "\\trowd\\pard\\intbl a\\par b\\cell c\\cell\\row\\pard after{\\footnote note}\\par \
              the {\\deleted old}{\\revised new} plan\\par{\\header head\\par}"
        ),
        "a b\tc\nafter\nthe new plan\nnote\nthe old plan\nhead"
    );
}

#[test]
fn pictures_are_decoded() {
    let document = read(b"{\\rtf1 x{\\*\\shppict{\\pict{\\*\\picprop}\\pngblip\\picw1\n89504e\n47}}{\\nonshppict{\\pict 00}}y}");
    assert_eq!(document.text, "xy");
    assert_eq!(document.pictures, [[0x89, b'P', b'N', b'G']]);
}

#[test]
fn depth_and_cuts_cost_nothing() {
    let deep = format!(
        "{{\\rtf1 {}deep{}}}",
        "{\\b ".repeat(100_000),
        "}".repeat(100_000)
    );
    assert_eq!(read(deep.as_bytes()).text, "deep");
    let cut = read(b"{\\rtf1 some words");
    assert_eq!(cut.text, "some words");
    assert!(cut.problem.is_some());
}

proptest! {
    #[test]
    fn any_soup_is_read(body in "(\\\\(u-?[0-9]{0,5}|'[0-9a-g]{0,2}|bin[0-9]|[*~{}-]|pict|par|f[0-9])|[{} a-z\u{e4}]){0,60}") {
        read(format!("{{\\rtf1{body}").as_bytes());
    }
}

#[test]
fn text_is_charged_while_it_is_made() {
    let limits = Limits {
        text_chars: 100_000,
        ..Limits::default()
    };
    // One byte of a code page, or two of a control, give one character of up to three bytes.
    for (piece, times) in [("\\_", 200_000), ("\\'80\\tab ", 150_000), ("a ", 400_000)] {
        let rtf = format!("{{\\rtf1 {}", piece.repeat(times));
        let error = document(rtf.as_bytes(), &mut Budget::new(&limits)).unwrap_err();
        assert!(error.message().contains("text_chars = 100000"), "{error}");
    }
}

#[test]
fn pictures_and_fonts_are_kept_as_far_as_they_count() {
    let limits = Limits {
        parts: 5,
        ..Limits::default()
    };
    let rtf = format!("{{\\rtf1 {}}}", "{\\pict 00}".repeat(50));
    let document = document(rtf.as_bytes(), &mut Budget::new(&limits)).unwrap();
    assert_eq!(document.pictures.len(), 6);
    let fonts: String = (0..MAX_FONTS + 10)
        .map(|font| format!("{{\\f{font}\\fcharset204 x;}}"))
        .collect();
    let last = MAX_FONTS + 5;
    assert_eq!(
        text(&format!("{{\\fonttbl{fonts}}}\\f7 \\'cf\\f{last} \\'cf")),
        "\u{41f}\u{cf}"
    );
}

#[test]
fn a_long_run_of_text_is_decoded_in_pieces_and_as_a_whole_alike() {
    let sentence = "\\'93\\'fa\\'96\\'7b words ";
    let body = format!("\\ansicpg932 {}", sentence.repeat(20_000));
    assert_eq!(
        text(&body),
        "\u{65e5}\u{672c} words "
            .repeat(20_000)
            .trim_end()
            .to_owned()
            + " "
    );
}
