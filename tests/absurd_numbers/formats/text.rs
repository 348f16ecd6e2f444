//! Pages, rich text and tables.

use crate::doc::{Doc, Syntax, Unit, joined};

pub(crate) fn html() -> Vec<Doc> {
    let page = "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Slate</title>\
        <style>p { margin: 4px }</style></head><body><h1 id=\"a1\">Winter &amp; spring &#65; &#x42;</h1>\
        <p class=\"lead\" style=\"width:100px\">Six <i>weeks</i> of <b>fourteen</b> days.<br>\
        <table border=\"1\"><tr><td colspan=\"2\" rowspan=\"3\">1</td><td>2</td></tr><tr><th>3</th></tr></table>\
        <ol start=\"5\"><li value=\"7\">seven</li></ol><pre>  kept </pre><!-- not 1 word -->\
        <img width=\"10\" height=\"20\" src=\"data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7\">\
        <svg viewBox=\"0 0 10 10\"><text x=\"1\">drawn</text></svg><script>if (a < 1) { b(2) }</script>\
        <textarea rows=\"4\">typed</textarea><select><option>one</option></select></p></body></html>";
    vec![Doc {
        format: "html",
        name: "a.html",
        units: vec![Unit::new("page", Syntax::Markup, page)],
        assemble: joined,
        wrap: None,
    }]
}

pub(crate) fn rtf() -> Vec<Doc> {
    let units = [
        "{\\rtf1\\ansi\\ansicpg1252\\deff0\\uc1{\\fonttbl{\\f0\\fcharset0 Arial;}{\\f1\\fcharset204 Times;}}",
        "{\\colortbl;\\red255\\green0\\blue9;}{\\*\\generator private 7;}{\\stylesheet{\\s1 Heading;}}",
        "\\pard\\f0\\fs24 The winter slate \\u8211? moves \\'e4 by {\\b six} weeks.\\par\\f1 \\'cf\\'f0\\par\n",
        "\\trowd\\trgaph70\\cellx1000\\cellx2000\\intbl one\\cell two\\cell\\row\\pard\n",
        "{\\field{\\*\\fldinst HYPERLINK \"x\"}{\\fldrslt shown}}{\\footnote a note}\\uc2\\u65 ??\\uc1\n",
        "{\\pict\\pngblip\\picw10\\pich20\\picscalex100 89504e470d0a1a0a0000000d49484452}\n",
        "{\\object\\objemb{\\*\\objdata 0105}}\\bin4 abcd\\line\\tab end\\par}",
    ];
    let syntax = |text| Unit::new("text", Syntax::Rtf, text);
    vec![
        Doc {
            format: "rtf",
            name: "a.rtf",
            units: units.map(syntax).to_vec(),
            assemble: joined,
            wrap: None,
        },
        Doc {
            format: "rtf",
            name: "a.rtf",
            units: vec![syntax(&units.concat())],
            assemble: joined,
            wrap: None,
        },
    ]
}

pub(crate) fn table() -> Vec<Doc> {
    let comma = "name,salary,since,note\r\nJane Doe,81234.5,2019-03-01,\"a, \"\"b\"\"\"\r\nMax,-17,2021-11-30,\r\n";
    let tab = "id\tsum\n1\t2.5e3\n2\t1e400\n3\t0x10\n";
    let doc = |name, text: &str| Doc {
        format: "csv",
        name,
        units: vec![Unit::new("rows", Syntax::Lines, text)],
        assemble: joined,
        wrap: None,
    };
    let mut docs = vec![doc("a.csv", comma), doc("a.tsv", tab)];
    // Text with everything that folding and cells look for.
    let mut plain = doc(
        "a.txt",
        "Dear Jane,\n> quoted 12 times\nAccount 4111 1111 1111 1111, DE89 3704 0044 0532 0130 00, \
         jane@example.org, +49 30 1234567, 12.03.2024, \u{fdfa}\u{fb03}\u{1d400}\u{200b}&quot;1&#65;\n\
         | a | 1 |\n|---|---|\n| b | 2 |\n",
    );
    plain.format = "text";
    docs.push(plain);
    docs
}
