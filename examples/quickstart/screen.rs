//! Draws screenshots of a mail program and photo-like pictures.

use font8x8::UnicodeFonts;
use image::imageops::FilterType;
use image::{Rgb, RgbImage};

const INK: Rgb<u8> = Rgb([32, 33, 36]);
const GREY: Rgb<u8> = Rgb([95, 99, 104]);

/// One e-mail as a mail program shows it: 1,000 x 640, the same chrome for every mail.
pub(crate) fn mail(subject: &str, from: &str, body: &str) -> RgbImage {
    let mut picture = RgbImage::from_pixel(1000, 640, Rgb([255, 255, 255]));
    fill(&mut picture, 0, 0, 1000, 56, Rgb([234, 241, 251]));
    fill(&mut picture, 0, 56, 190, 584, Rgb([246, 248, 252]));
    write(&mut picture, 20, 20, 2, INK, "Mail");
    fill(&mut picture, 220, 14, 520, 28, Rgb([255, 255, 255]));
    write(&mut picture, 236, 24, 1, GREY, "Search in mail");
    for (i, folder) in ["Inbox", "Starred", "Sent", "Drafts", "Archive"]
        .iter()
        .enumerate()
    {
        write(&mut picture, 24, 84 + 34 * i as u32, 1, GREY, folder);
    }
    write(&mut picture, 220, 84, 2, INK, subject);
    fill(&mut picture, 220, 124, 36, 36, Rgb([26, 115, 232]));
    write(&mut picture, 270, 128, 1, INK, from);
    write(&mut picture, 270, 144, 1, GREY, "to me");
    let mut y = 184;
    for paragraph in body.split('\n') {
        for line in wrap(paragraph, 46) {
            write(&mut picture, 220, y, 2, INK, &line);
            y += 24;
        }
        y += 8;
    }
    picture
}

/// A post with a picture, as an app on a phone shows it.
pub(crate) fn tweet(text: &str, picture: &RgbImage) -> RgbImage {
    let width = 600;
    let scaled = (
        width - 80,
        (width - 80) * picture.height() / picture.width(),
    );
    let shown = image::imageops::resize(picture, scaled.0, scaled.1, FilterType::Triangle);
    let mut screen = RgbImage::from_pixel(width, scaled.1 + 260, Rgb([21, 32, 43]));
    let (white, grey) = (Rgb([247, 249, 249]), Rgb([139, 152, 165]));
    fill(&mut screen, 40, 30, 48, 48, Rgb([0, 186, 124]));
    write(&mut screen, 104, 34, 2, white, "Film Gossip");
    write(&mut screen, 104, 60, 1, grey, "@filmgossip");
    for (line, y) in wrap(text, 32).iter().zip((100..).step_by(26)) {
        write(&mut screen, 40, y, 2, white, line);
    }
    image::imageops::replace(&mut screen, &shown, 40, 164);
    let below = 164 + scaled.1;
    write(&mut screen, 40, below + 20, 1, grey, "12:04 - 24 Nov 2014");
    write(
        &mut screen,
        40,
        below + 50,
        2,
        white,
        "318 Retweets  1,204 Likes",
    );
    screen
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        if !lines[last].is_empty() && lines[last].len() + 1 + word.len() > width {
            lines.push(word.to_owned());
        } else {
            if !lines[last].is_empty() {
                lines[last].push(' ');
            }
            lines[last].push_str(word);
        }
    }
    lines
}

fn fill(picture: &mut RgbImage, x: u32, y: u32, width: u32, height: u32, colour: Rgb<u8>) {
    for (px, py) in (y..y + height).flat_map(|py| (x..x + width).map(move |px| (px, py))) {
        if px < picture.width() && py < picture.height() {
            picture.put_pixel(px, py, colour);
        }
    }
}

fn write(picture: &mut RgbImage, x: u32, y: u32, scale: u32, colour: Rgb<u8>, text: &str) {
    for (at, c) in text.chars().enumerate() {
        let glyph = font8x8::BASIC_FONTS.get(c).unwrap_or_default();
        for (row, bits) in (0..).zip(glyph) {
            for column in (0..8).filter(|column| bits >> column & 1 == 1) {
                let left = x + (at as u32 * 8 + column) * scale;
                fill(picture, left, y + row * scale, scale, scale, colour);
            }
        }
    }
}

/// A photo-like picture: lit ground, sky, and round things, all placed by `seed`.
pub(crate) fn photo(seed: u32) -> RgbImage {
    let mut state = seed.wrapping_mul(0x9E37_79B9) | 1;
    let mut random = move |below: u32| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 8) % below
    };
    let (width, height) = (960, 640);
    let horizon = 200 + random(240);
    let things: Vec<_> = (0..14)
        .map(|_| {
            let centre = (random(width) as i64, random(height) as i64);
            let radius = 20 + i64::from(random(130));
            let colour = [random(256), random(256), random(256)];
            (centre, radius, colour)
        })
        .collect();
    let tint = [random(60), random(60), random(60)];
    RgbImage::from_fn(width, height, |x, y| {
        let light = if y < horizon {
            230 - y * 90 / horizon
        } else {
            60 + (y - horizon) / 4
        };
        let mut colour = tint.map(|t| light.saturating_sub(t));
        for ((cx, cy), radius, own) in &things {
            let (dx, dy) = (i64::from(x) - cx, i64::from(y) - cy);
            let distance = dx * dx + dy * dy;
            if distance < radius * radius {
                let shade = 256 - (distance * 128 / (radius * radius)) as u32;
                colour = own.map(|c| c * shade / 256);
            }
        }
        let grain = random(13);
        Rgb(colour.map(|c| (c + grain).min(255) as u8))
    })
}
