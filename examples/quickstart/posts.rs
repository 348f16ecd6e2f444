//! The feed: what leakers make of the leak, and what everybody else posts.

use std::error::Error;
use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::imageops::{self, FilterType};
use image::{DynamicImage, ImageFormat, RgbImage};

use crate::leak::{self, Item, MAILS, Mail};
use crate::screen;

/// One post: a picture, a text or a mail.
pub(crate) struct Post {
    pub(crate) name: String,
    pub(crate) what: &'static str,
    pub(crate) bytes: Vec<u8>,
    /// The item that it shows.
    pub(crate) of: Option<&'static str>,
}

/// Every post of the feed.
pub(crate) fn feed(items: &[Item]) -> Result<Vec<Post>, Box<dyn Error>> {
    let picture = |name: &str| -> Result<RgbImage, Box<dyn Error>> {
        let item = items.iter().find(|item| item.name == name);
        let item = item.ok_or_else(|| format!("no item {name}"))?;
        Ok(image::load_from_memory(&item.bytes)?.to_rgb8())
    };
    let mut posts = Vec::new();
    let mut post = |name: &str, what, of, bytes| {
        posts.push(Post {
            name: name.to_owned(),
            what,
            bytes,
            of,
        });
    };

    let screen = picture("screens/01.png")?;
    let small = imageops::resize(&screen, 600, 384, FilterType::Triangle);
    post(
        "a1.jpg",
        "recompressed at 40",
        Some("screens/01.png"),
        jpeg(&screen, 40)?,
    );
    post(
        "a2.jpg",
        "rescaled to 60 %",
        Some("screens/01.png"),
        jpeg(&small, 75)?,
    );
    let other = picture("screens/02.png")?;
    let mut inverted = DynamicImage::from(other.clone());
    inverted.invert();
    post(
        "a3.jpg",
        "colours inverted",
        Some("screens/02.png"),
        jpeg(&inverted.to_rgb8(), 80)?,
    );
    post(
        "a4.bmp",
        "saved as BMP",
        Some("screens/02.png"),
        leak::encode(&other, ImageFormat::Bmp)?,
    );
    let still = picture("stills/01.jpg")?;
    post(
        "b1.jpg",
        "mirrored",
        Some("stills/01.jpg"),
        jpeg(&imageops::flip_horizontal(&still), 70)?,
    );
    let still = picture("stills/02.jpg")?;
    post(
        "b2.jpg",
        "turned by 90 degrees",
        Some("stills/02.jpg"),
        jpeg(&imageops::rotate90(&still), 70)?,
    );
    let grey = DynamicImage::from(picture("stills/03.jpg")?).to_luma8();
    post(
        "b3.png",
        "made grey",
        Some("stills/03.jpg"),
        grey_png(&grey)?,
    );
    let file = items.iter().find(|item| item.name == "stills/04.jpg");
    post(
        "b4.jpg",
        "the file itself",
        Some("stills/04.jpg"),
        file.map_or_else(Vec::new, |i| i.bytes.clone()),
    );

    let quoted = "unbelievable!! > I told them that the tank alone costs two hundred and forty \
                  thousand a week and\n> that the lead will walk if we lose the night shoot. wow";
    post(
        "c1.txt",
        "quoted in a post",
        Some("mails/01.eml"),
        quoted.into(),
    );
    let retyped = "THE BOARD APPROVED THE NEW BANDS YESTERDAY EVENING DIRECTORS MOVE TO GRADE \
                   ELEVEN WITH A RETENTION B0NUS OF FORTY PER CENT PAYABLE IN MARCH";
    post(
        "c2.txt",
        "retyped in capitals",
        Some("mails/02.eml"),
        retyped.into(),
    );
    // Cyrillic letters that look Latin, and zero-width spaces.
    let evading = MAILS[3]
        .body
        .replace('a', "\u{430}")
        .replace("e", "e\u{200b}");
    post(
        "c3.txt",
        "look-alike letters",
        Some("mails/04.eml"),
        evading.into(),
    );
    let memo = items.iter().find(|item| item.name == "memo.md");
    let memo = memo.map_or(String::new(), |i| {
        String::from_utf8_lossy(&i.bytes).into_owned()
    });
    let part: String = memo.chars().skip(200).take(320).collect();
    post(
        "c4.html",
        "pasted into a web page",
        Some("memo.md"),
        page(&part).into(),
    );
    post(
        "c5.eml",
        "forwarded as attachment",
        Some("mails/03.eml"),
        forward(&MAILS[2]).into(),
    );

    let innocent = Mail {
        subject: "Lunch on Friday",
        from: "Dana Okafor <dana@northlight.example>",
        body: "Marius, the canteen has the good soup on Friday.\nShall we take the table by the \
               window at noon? Bring the photographs of the regatta, my daughter would like to \
               see the boats, and tell Priya that her umbrella is still in my car.",
    };
    let screenshot = screen::mail(innocent.subject, innocent.from, innocent.body);
    post(
        "x1.png",
        "another mail, same program",
        None,
        leak::encode(&screenshot, ImageFormat::Png)?,
    );
    post(
        "x2.eml",
        "same sender, same footer",
        None,
        leak::eml(&innocent).into(),
    );
    post(
        "x3.jpg",
        "another photo",
        None,
        jpeg(&screen::photo(77), 85)?,
    );
    post("x4.txt", "a press report", None, PRESS.into());
    post(
        "x5.txt",
        "a post about nothing",
        None,
        "new shoes day, best day! who else is ready for the weekend?".into(),
    );
    Ok(posts)
}

/// Reports on the leak, and quotes five words of it.
const PRESS: &str = "Mails published this week suggest tension at the studio. One executive warned \
    that the lead will walk, according to people who have read the exchange. The company declined \
    to comment on stolen material.";

fn jpeg(picture: &RgbImage, quality: u8) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, quality).encode_image(picture)?;
    Ok(bytes)
}

fn grey_png(picture: &image::GrayImage) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png)?;
    Ok(bytes.into_inner())
}

fn page(text: &str) -> String {
    let lines: Vec<_> = text
        .split_inclusive(". ")
        .map(|s| format!("<p>{s}</p>"))
        .collect();
    format!(
        "<!doctype html><html><head><title>My blog</title><script>var x = 1;</script></head>\
         <body><h1>You will not believe this</h1>{}</body></html>",
        lines.join("\n")
    )
}

fn forward(mail: &Mail) -> String {
    format!(
        "From: someone@post.example\r\nTo: everyone@list.example\r\nSubject: Fwd: read this\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"b1\"\r\n\r\n\
         --b1\r\nContent-Type: text/plain\r\n\r\nLook what I was sent.\r\n\
         --b1\r\nContent-Type: message/rfc822\r\n\r\n{}\r\n--b1--\r\n",
        leak::eml(mail)
    )
}
