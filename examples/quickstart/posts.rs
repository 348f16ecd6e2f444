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

impl Post {
    /// What it says, if it is plain text.
    pub(crate) fn text(&self) -> Option<&str> {
        let is_text = self.name.ends_with(".txt");
        is_text
            .then(|| std::str::from_utf8(&self.bytes).ok())
            .flatten()
    }
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
        "saved-again.jpg",
        "a screenshot, saved again at quality 40",
        Some("screens/01.png"),
        jpeg(&screen, 40)?,
    );
    post(
        "smaller.jpg",
        "the same, scaled to 60 %",
        Some("screens/01.png"),
        jpeg(&small, 75)?,
    );
    let crop = imageops::crop_imm(&screen, 205, 70, 640, 360).to_image();
    post(
        "cropped.jpg",
        "a part of a screenshot",
        Some("screens/01.png"),
        jpeg(&crop, 70)?,
    );
    let tweet = screen::tweet("Can you believe this? #harbourfilm", &crop);
    post(
        "tweet.png",
        "a screenshot of a tweet that shows that part",
        Some("screens/01.png"),
        leak::encode(&tweet, ImageFormat::Png)?,
    );
    let other = picture("screens/02.png")?;
    let mut inverted = DynamicImage::from(other.clone());
    inverted.invert();
    post(
        "inverted.jpg",
        "a screenshot, colours inverted",
        Some("screens/02.png"),
        jpeg(&inverted.to_rgb8(), 80)?,
    );
    post(
        "converted.bmp",
        "a screenshot, saved as BMP",
        Some("screens/02.png"),
        leak::encode(&other, ImageFormat::Bmp)?,
    );
    let still = picture("stills/01.jpg")?;
    post(
        "mirrored.jpg",
        "a photo, mirrored",
        Some("stills/01.jpg"),
        jpeg(&imageops::flip_horizontal(&still), 70)?,
    );
    let still = picture("stills/02.jpg")?;
    post(
        "turned.jpg",
        "a photo, turned by 90 degrees",
        Some("stills/02.jpg"),
        jpeg(&imageops::rotate90(&still), 70)?,
    );
    let grey = DynamicImage::from(picture("stills/03.jpg")?).to_luma8();
    post(
        "grey.png",
        "a photo, without its colours",
        Some("stills/03.jpg"),
        grey_png(&grey)?,
    );
    let file = items.iter().find(|item| item.name == "stills/04.jpg");
    post(
        "still.jpg",
        "a photo, the file itself",
        Some("stills/04.jpg"),
        file.map_or_else(Vec::new, |i| i.bytes.clone()),
    );

    let quoted = "unbelievable!! \"I told them that the tank alone costs two hundred and forty \
                  thousand a week and that the lead will walk if we lose the night shoot.\" #harbourfilm";
    post(
        "tweet.txt",
        "a tweet that quotes a mail",
        Some("mails/01.eml"),
        quoted.into(),
    );
    let retyped = "THE BOARD APPROVED THE NEW BANDS YESTERDAY EVENING DIRECTORS MOVE TO GRADE \
                   ELEVEN WITH A RETENTION B0NUS OF FORTY PER CENT PAYABLE IN MARCH";
    post(
        "capitals.txt",
        "a mail, retyped in capitals",
        Some("mails/02.eml"),
        retyped.into(),
    );
    // Cyrillic letters that look Latin, and zero-width spaces.
    let evading = MAILS[3]
        .body
        .replace('a', "\u{430}")
        .replace("e", "e\u{200b}");
    post(
        "disguised.txt",
        "a mail in Cyrillic look-alike letters",
        Some("mails/04.eml"),
        evading.into(),
    );
    let memo = items.iter().find(|item| item.name == "memo.md");
    let memo = memo.map_or(String::new(), |i| {
        String::from_utf8_lossy(&i.bytes).into_owned()
    });
    let part: String = memo.chars().skip(200).take(320).collect();
    post(
        "blog.html",
        "a memo, pasted into a web page",
        Some("memo.md"),
        page(&part).into(),
    );
    post(
        "forwarded.eml",
        "a mail, forwarded as an attachment",
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
        "lunch.png",
        "a look-alike: another mail in the same program",
        None,
        leak::encode(&screenshot, ImageFormat::Png)?,
    );
    post(
        "lunch.eml",
        "a look-alike: same sender, same footer",
        None,
        leak::eml(&innocent).into(),
    );
    post(
        "holiday.jpg",
        "another photo",
        None,
        jpeg(&screen::photo(77), 85)?,
    );
    post(
        "press.txt",
        "a press report that quotes five words",
        None,
        PRESS.into(),
    );
    post(
        "shoes.txt",
        "a post about something else",
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
