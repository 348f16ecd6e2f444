use html5ever::interface::TokenizerResult;
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::{BufferQueue, Tokenizer, TokenizerOpts};

use super::*;
use crate::Limits;
use proptest::prelude::*;

fn page(html: &str) -> Page {
    extract(html, &Budget::new(&Limits::default())).unwrap()
}

#[test]
fn text_in_reading_order() {
    for (html, text) in [
        (
            "<p>one <b>t</b>wo\n three</p><p>four",
            "one two three\nfour",
        ),
        ("a<br>b<hr/>c", "a\nb\nc"),
        ("<table><tr><td>1<td>2<tr><td>3</table>", "1\t2\n3"),
        ("<title>T &amp; U</title><body>x", "T & U\nx"),
        ("<pre>a  b\n c</pre>d", "a  b\n c\nd"),
        (
            "&lt;b&gt; &#x41;&nbsp;&eacute; &nosuch; &amp;lt;",
            "<b> A\u{a0}\u{e9} &nosuch; &lt;",
        ),
        ("<ul><li>x<li>y</ul>z", "x\ny\nz"),
        ("  <div> <span> a </span> </div> ", "a"),
        ("<textarea><b>x</b></textarea>y", "<b>x</b>\ny"),
        ("<plaintext><b>x", "<b>x"),
        ("", ""),
    ] {
        assert_eq!(page(html).text, text, "{html}");
    }
}

#[test]
fn what_is_not_shown_is_not_read() {
    for html in [
        "a<script>if (a<b) x='</div>'</script>b",
        "a<style>p > b {}</style>b",
        "a<!-- x --> <!-- > -->b",
        "a<noscript><p>x</p></noscript>b",
        "a<template><p>x<template>y</template></p>z</template>b",
        "a<img alt='x' title=y>b",
        "a<iframe>x</iframe>b",
        "a<svg><style/><script/></svg>b",
        "a<script>x</script >b",
    ] {
        assert_eq!(page(html).text.replace(' ', ""), "ab", "{html}");
    }
}

#[test]
fn pictures_in_data_uris() {
    let html = "<img src='DATA:image/png;base64,Zm9v'><img src=x.png>\
        <img src='data:image/svg+xml,<svg/>'><img src='data:text/plain;base64,Zm9v'>\
        <template><img src='data:image/png;base64,Zm9v'></template>\
        <img src=' data:image/gif;charset=x;base64,YmFy'>";
    assert_eq!(page(html).images, ["Zm9v", "YmFy"]);
}

#[test]
fn charsets_are_found_where_pages_declare_them() {
    for (html, charset) in [
        ("<meta charset=windows-1251>", Some("windows-1251")),
        (
            "<META content='text/html; charset = koi8-r'>",
            Some("koi8-r"),
        ),
        (
            "<?xml version='1.0' encoding=\"iso-8859-2\"?><html>",
            Some("iso-8859-2"),
        ),
        ("<?xml version='1.0'?><p>encoding=x", None),
        ("<meta charset=\"\">", None),
        ("<meta charset=utf-16>", None),
        ("<meta charset", None),
    ] {
        assert_eq!(declared_charset(html.as_bytes()), charset, "{html}");
    }
}

#[test]
fn depth_costs_nothing() {
    let html = format!(
        "{}deep{}",
        "<div><b>".repeat(60_000),
        "</b></div>".repeat(60_000)
    );
    assert_eq!(page(&html).text, "deep");
}

/// What the tokenizer gives that gets the page in one piece.
fn whole(html: &str) -> Page {
    let state = State {
        max_images: usize::MAX,
        ..State::default()
    };
    let tokenizer = Tokenizer::new(Reader(RefCell::new(state)), TokenizerOpts::default());
    let queue = BufferQueue::default();
    queue.push_back(StrTendril::from_slice(html));
    while !matches!(tokenizer.feed(&queue), TokenizerResult::Done) {}
    tokenizer.end();
    tokenizer.sink.0.into_inner().page
}

#[test]
fn the_attributes_of_a_tag_are_bounded() {
    let names = |prefix: &str| -> String {
        let names = (0..100_000).map(|i| format!("{prefix}a{i} "));
        names.collect()
    };
    // So many that comparing each with all others would take minutes.
    for prefix in ["", "<b", "</b", "x='>'", "\"", "&amp<", "'<\u{e4}"] {
        let names = names(prefix);
        let html = format!("a<p {names}>b<i {names}/>c&am<i {names}>d</p {names}>e<svg/>");
        assert_eq!(page(&html).text, "a\nbc&amd\ne", "{prefix}");
    }
    assert_eq!(page(&format!("a<p {}", names(""))).text, "a");
    // The end of the tag still counts.
    let style = format!("a<svg><style {}/>b</svg>", names(""));
    assert_eq!(page(&style).text, "ab");
}

#[test]
fn what_looks_like_a_tag_of_many_attributes_is_text_where_it_is_text() {
    let words = "word=\"a\" ".repeat(3000);
    for html in [
        format!("<title><b {words}></title>x"),
        format!("<textarea>&a<b {words}</textarea>x"),
        format!("<title>a</titl<b {words}></title>x"),
        format!("<xmp></xm {words}></xmp>x"),
        format!("a<!-- <b {words} --> b <b>c"),
        format!("a<!-- <b c='<d {words} --> b <b>c"),
        format!("a<script>'<b {words}'</script>c"),
        format!("a<p b='<c {words}'>d"),
        format!("<plaintext><b {words}"),
    ] {
        assert_eq!(page(&html).text, whole(&html).text, "{}", &html[..40]);
    }
}

#[test]
fn pictures_are_kept_as_far_as_parts_are_read() {
    let html = "<img src='data:image/png;base64,Zm9v'>".repeat(50);
    let limits = Limits {
        parts: 7,
        ..Limits::default()
    };
    let page = extract(&html, &Budget::new(&limits)).unwrap();
    assert_eq!(page.images.len(), 8);
}

proptest! {
    #[test]
    fn any_soup_is_read(html in "(<[/!]?(p|b|pre|script|svg|title|td|template|xmp)[ />]?>?|[a-z&;#<>'\" -]{0,6}){0,40}") {
        let found = page(&html);
        let whole = whole(&html);
        prop_assert_eq!((found.text, found.images), (whole.text, whole.images));
    }

    #[test]
    fn any_soup_of_attributes_is_read(
        html in "(<[/!]?(a|p|Title|script|svg|td|--)( ?[a-z]?=?[\"'<>/ &]{0,2}[a-z]?){0,4}[ />\"']{0,2}>?|[a-z<>\"'&=/;-]{0,4}){0,30}"
    ) {
        prop_assert_eq!(page(&html).text, whole(&html).text);
    }

    #[test]
    fn long_tags_in_any_soup_change_nothing_that_is_shown(
        html in "(<[/!]?(p|b|script|svg|title|td|!--)[ />=\"']?>?|&a|[a-z;<>'\" =-]{0,3}|WORDS){0,12}"
    ) {
        let html = html.replace("WORDS", &" a".repeat(1500));
        let long = page(&html).text;
        prop_assert_eq!(long, whole(&html).text);
    }

    #[test]
    fn words_in_plain_markup_all_come_out(words in prop::collection::vec("[a-z\u{e4}-\u{fc}]{1,9}", 1..30)) {
        let html: String = words.iter().map(|word| format!("<p><i>{word}</i></p>\n")).collect();
        prop_assert_eq!(page(&html).text, words.join("\n"));
    }
}
