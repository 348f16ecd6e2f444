//! Draws the screen of a mail program: windows, folders, a list of mails, a letter, a signature and
//! a disclaimer, in proportional letters. The same seed gives the same screen.

use ab_glyph::{Font, FontRef, PxScale, ScaleFont, point};
use image::{Rgb, RgbImage};

/// SplitMix64 (Steele, Lea, Flood, 2014).
#[derive(Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

const COMMON: [&str; 60] = [
    "the", "of", "and", "to", "in", "that", "is", "for", "it", "we", "on", "with", "as", "be",
    "this", "will", "have", "not", "at", "by", "you", "from", "or", "our", "they", "would",
    "there", "their", "what", "about", "which", "when", "one", "can", "if", "no", "more", "time",
    "meeting", "please", "report", "budget", "contract", "office", "week", "numbers", "send",
    "draft", "legal", "board", "before", "after", "also", "only", "could", "should", "because",
    "still", "between", "under",
];

const SYLLABLES: [&str; 48] = [
    "an", "ber", "cal", "den", "el", "fin", "gar", "hol", "in", "jen", "kel", "lor", "mar", "nor",
    "os", "pel", "quin", "ras", "sol", "tan", "ul", "ver", "wes", "yor", "zan", "cre", "dis",
    "fra", "gle", "hra", "mi", "no", "pro", "re", "sta", "tri", "vi", "con", "ment", "tion", "ing",
    "er", "al", "ous", "ive", "ate", "ly", "est",
];

const NAMES: [&str; 24] = [
    "Ada Lindqvist",
    "Boris Okafor",
    "Carla Meyer",
    "David Osei",
    "Elena Rossi",
    "Farid Haddad",
    "Greta Nilsen",
    "Hugo Marsh",
    "Ines Calder",
    "Jonas Weber",
    "Karin Holt",
    "Liam Doyle",
    "Mona Petit",
    "Nadia Sorel",
    "Omar Quist",
    "Paula Reyes",
    "Quentin Bow",
    "Rita Vance",
    "Samuel Thorn",
    "Tessa Brandt",
    "Uwe Kramer",
    "Vera Stone",
    "Walter Pike",
    "Yara Amin",
];

const COMPANIES: [&str; 5] = [
    "Northmere Pictures",
    "Corvane Holdings",
    "Palisade Capital",
    "Meridian Biotech",
    "Halcyon Media",
];

/// A letter's text: common words, and rare ones that only this letter has.
pub(crate) fn sentence(random: &mut Random) -> String {
    let mut text = String::new();
    for i in 0..6 + random.below(12) {
        if i > 0 {
            text.push(' ');
        }
        if random.below(3) > 0 {
            text.push_str(COMMON[random.below(COMMON.len())]);
        } else {
            for _ in 0..2 + random.below(2) {
                text.push_str(SYLLABLES[random.below(SYLLABLES.len())]);
            }
        }
    }
    if let Some(first) = text.get(..1).map(str::to_uppercase) {
        text.replace_range(..1, &first);
    }
    text.push('.');
    text
}

/// The style of one mail program.
#[derive(Clone, Debug)]
pub(crate) struct Style {
    pub(crate) size: (u32, u32),
    paper: Rgb<u8>,
    side: Rgb<u8>,
    bar: Rgb<u8>,
    ink: Rgb<u8>,
    grey: Rgb<u8>,
    accent: Rgb<u8>,
    letters: f32,
    folders: u32,
    list: u32,
}

impl Style {
    /// The style for a seed; some are dark.
    pub(crate) fn new(n: u64) -> Self {
        let mut random = Random(n ^ 0x10_0c);
        let dark = random.below(3) == 0;
        let mut tint =
            |base: u8| Rgb([0; 3].map(|_: u8| base.saturating_add(random.below(12) as u8)));
        let (paper, side, ink, grey) = if dark {
            (tint(24), tint(36), tint(225), tint(150))
        } else {
            (tint(244), tint(232), tint(20), tint(105))
        };
        Self {
            paper,
            side,
            ink,
            grey,
            bar: Rgb([
                random.below(120) as u8,
                60 + random.below(90) as u8,
                120 + random.below(130) as u8,
            ]),
            accent: Rgb([
                150 + random.below(100) as u8,
                40 + random.below(120) as u8,
                90,
            ]),
            size: (
                900 + 20 * random.below(16) as u32,
                620 + 20 * random.below(10) as u32,
            ),
            letters: 14.0 + random.below(5) as f32,
            folders: 110 + 10 * random.below(5) as u32,
            list: if random.below(3) == 0 {
                0
            } else {
                200 + 10 * random.below(6) as u32
            },
        }
    }
}

/// A picture to draw on.
pub(crate) struct Canvas {
    pub(crate) picture: RgbImage,
    font: FontRef<'static>,
}

impl Canvas {
    pub(crate) fn new((width, height): (u32, u32), paper: Rgb<u8>) -> Self {
        let font = FontRef::try_from_slice(epaint_default_fonts::UBUNTU_LIGHT);
        Self {
            picture: RgbImage::from_pixel(width, height, paper),
            font: font.expect("an embedded font"),
        }
    }

    pub(crate) fn fill(&mut self, [x, y, width, height]: [u32; 4], colour: Rgb<u8>) {
        let (right, bottom) = self.picture.dimensions();
        for py in y.min(bottom)..(y + height).min(bottom) {
            for px in x.min(right)..(x + width).min(right) {
                self.picture.put_pixel(px, py, colour);
            }
        }
    }

    /// The width of a text in pixels.
    fn width(&self, text: &str, px: f32) -> f32 {
        let font = self.font.as_scaled(PxScale::from(px));
        text.chars().map(|c| font.h_advance(font.glyph_id(c))).sum()
    }

    /// Writes a line whose base is at `y`; returns where it ends.
    pub(crate) fn write(&mut self, x: f32, y: f32, px: f32, colour: Rgb<u8>, text: &str) -> f32 {
        let font = self.font.clone();
        let scaled = font.as_scaled(PxScale::from(px));
        let mut at = x;
        for c in text.chars() {
            let id = scaled.glyph_id(c);
            let glyph = id.with_scale_and_position(PxScale::from(px), point(at, y));
            at += scaled.h_advance(id);
            let Some(outline) = font.outline_glyph(glyph) else {
                continue;
            };
            let corner = outline.px_bounds().min;
            outline.draw(|gx, gy, cover| {
                let (px, py) = (
                    corner.x as i64 + i64::from(gx),
                    corner.y as i64 + i64::from(gy),
                );
                if px < 0
                    || py < 0
                    || px >= i64::from(self.picture.width())
                    || py >= i64::from(self.picture.height())
                {
                    return;
                }
                let pixel = self.picture.get_pixel_mut(px as u32, py as u32);
                for (value, &ink) in pixel.0.iter_mut().zip(&colour.0) {
                    *value =
                        (f32::from(*value) * (1.0 - cover) + f32::from(ink) * cover + 0.5) as u8;
                }
            });
        }
        at
    }

    /// Writes a text within `width` from the line at `y` on; returns the base of the following line.
    pub(crate) fn paragraph(
        &mut self,
        (x, y): (f32, f32),
        width: f32,
        px: f32,
        colour: Rgb<u8>,
        text: &str,
    ) -> f32 {
        let (mut at, mut y) = (x, y);
        for word in text.split_whitespace() {
            let length = self.width(word, px);
            if at > x && at + length > x + width {
                (at, y) = (x, y + 1.4 * px);
            }
            at = self.write(at, y, px, colour, word) + self.width(" ", px);
        }
        y + 1.4 * px
    }
}

/// The screen of mail `seed` in a style; the seed determines its people and its company.
pub(crate) fn mail(style: &Style, seed: u64) -> RgbImage {
    let mut random = Random(seed);
    let (width, height) = style.size;
    let mut canvas = Canvas::new(style.size, style.paper);
    canvas.fill([0, 0, width, 44], style.bar);
    canvas.write(16.0, 28.0, 20.0, Rgb([250; 3]), "Mail");
    canvas.fill([0, 44, style.folders, height], style.side);
    for (i, folder) in [
        "Inbox",
        "Starred",
        "Sent items",
        "Drafts",
        "Archive",
        "Deleted",
        "Projects",
        "Board",
        "Press",
    ]
    .iter()
    .enumerate()
    {
        canvas.write(
            12.0,
            76.0 + 28.0 * i as f32,
            style.letters,
            style.ink,
            folder,
        );
    }
    let mut left = style.folders as f32 + 16.0;
    if style.list > 0 {
        // The list is that of the day, not of the mail.
        let mut others = Random((seed / 8) ^ 0x11_57);
        let mut y = 72.0;
        while y < height as f32 {
            let name = *others.pick(&NAMES);
            canvas.write(left, y, style.letters, style.ink, name);
            let subject = sentence(&mut others);
            let short: String = subject.chars().take(24).collect();
            canvas.write(left, y + 20.0, style.letters - 1.0, style.bar, &short);
            y += 56.0;
        }
        left += style.list as f32;
        canvas.fill([left as u32 - 10, 44, 1, height], style.side);
    }
    let column = (width as f32 - left - 24.0).max(120.0);
    let subject = sentence(&mut random);
    let mut y = canvas.paragraph(
        (left, 80.0),
        column,
        style.letters + 6.0,
        style.ink,
        &subject,
    ) + 8.0;
    let from = *random.pick(&NAMES);
    canvas.fill([left as u32, y as u32 - 16, 34, 34], style.accent);
    canvas.write(left + 44.0, y, style.letters, style.ink, from);
    let date = format!(
        "{} {} 2014 {}:{:02}",
        ["Mon", "Tue", "Wed", "Thu", "Fri"][random.below(5)],
        1 + random.below(28),
        random.below(24),
        random.below(60)
    );
    canvas.write(
        left + 44.0,
        y + 18.0,
        style.letters - 2.0,
        style.grey,
        &date,
    );
    y += 52.0;
    for _ in 0..2 + random.below(4) {
        let text: Vec<String> = (0..1 + random.below(4))
            .map(|_| sentence(&mut random))
            .collect();
        y = canvas.paragraph((left, y), column, style.letters, style.ink, &text.join(" ")) + 8.0;
    }
    let company = *random.pick(&COMPANIES);
    for line in [from, "Vice President", company, "T: +1 (202) 555-0100"] {
        canvas.write(left, y, style.letters, style.ink, line);
        y += 1.3 * style.letters;
    }
    canvas.paragraph(
        (left, y + 10.0),
        column,
        style.letters - 3.0,
        style.grey,
        "This message and any attachments are confidential and may be legally privileged. If you are not the \
         intended recipient please notify the sender and delete it. Any disclosure or copying is unlawful.",
    );
    canvas.picture
}
