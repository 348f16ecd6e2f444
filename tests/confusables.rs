//! Text that fights back: disguises made from the charts of Unicode, by hand and by code point
//! arithmetic, not from the table that undoes them; and scripts other than Latin.

use leakprint::{Executor, Fingerprinter, Index, IndexWriter, Key, Matcher};

const TEXTS: [(&str, &str); 3] = [
    (
        "slate.txt",
        "The winter slate moves by six weeks and Lighthouse opens on the second Friday of February in \
         fourteen territories, with no press screening before the Wednesday, because the trailer that \
         tested best gives away the boat and nobody wants to explain that twice.",
    ),
    (
        "layoffs.txt",
        "We will close the Vancouver animation office before the end of June. Ninety-two people are \
         affected, of whom eleven have been offered a move to Montreal. Do not discuss this with anyone \
         outside the steering group until the letters have gone out on the twelfth.",
    ),
    (
        "audit.txt",
        "Quarterly figures were adjusted twice after the external review, and the reserve for expected \
         refunds was moved from one subsidiary to another without a board decision; please keep copies \
         of every working paper, just in case somebody asks how it was done.",
    ),
];

const UNRELATED: &str = "Rain is expected along the coast until Thursday, with gusts near the capes and a \
    cold front from the west. Ferries run on the summer timetable, except for the night boat, which is \
    cancelled. Visitors should bring warm clothes, check the notices at the pier, and be patient.";

fn matcher<'a>(texts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Matcher {
    let fingerprinter = Fingerprinter::builder()
        .key(Key::from_bytes([7; 32]))
        .build()
        .unwrap();
    let key = Some(fingerprinter.key().clone());
    let mut writer = IndexWriter::new(fingerprinter.recipe().clone(), key).unwrap();
    for (name, text) in texts {
        writer
            .add(name, &fingerprinter.fingerprint_text(text).unwrap())
            .unwrap();
    }
    let bytes = writer.to_bytes(&Executor::serial()).unwrap();
    Matcher::new(Index::from_bytes(bytes).unwrap()).unwrap()
}

/// Letters of an alphabet that Unicode encodes in the order of `A`-`Z` and `a`-`z`.
fn shifted(text: &str, upper: u32, lower: u32) -> String {
    let shift = |c: char, from: char, to: u32| char::from_u32(to + c as u32 - from as u32).unwrap();
    text.chars()
        .map(|c| match c {
            'A'..='Z' => shift(c, 'A', upper),
            'a'..='z' => shift(c, 'a', lower),
            c => c,
        })
        .collect()
}

/// Replaces each character of `from` by the one at the same position in `to`.
fn mapped(text: &str, from: &str, to: &str) -> String {
    let pairs: Vec<(char, char)> = from.chars().zip(to.chars()).collect();
    assert_eq!(from.chars().count(), to.chars().count());
    let map = |c: char| {
        pairs
            .iter()
            .find(|(from, _)| *from == c)
            .map_or(c, |(_, to)| *to)
    };
    text.chars().map(map).collect()
}

/// Inserts the result of `insert` after every character.
fn behind(text: &str, mut insert: impl FnMut(usize, char) -> String) -> String {
    let chars = text.chars().enumerate();
    chars
        .flat_map(|(i, c)| std::iter::once(c).chain(insert(i, c).chars().collect::<Vec<_>>()))
        .collect()
}

fn behind_letters(text: &str, marks: &[&str]) -> String {
    behind(text, |i, c| {
        let mark = if c.is_alphabetic() {
            marks[i % marks.len()]
        } else {
            ""
        };
        mark.to_owned()
    })
}

/// Lines of seven words, each after a prefix.
fn lines(text: &str, prefix: &str) -> String {
    let words: Vec<&str> = text.split(' ').collect();
    let lines = words
        .chunks(7)
        .map(|line| format!("{prefix}{}\r\n", line.join(" ")));
    lines.collect()
}

/// Every disguise of a text, with its name.
fn disguises(text: &str) -> Vec<(String, String)> {
    let upper = text.to_uppercase();
    let lower = text.to_lowercase();
    let mut all: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, text: String| all.push((name.to_owned(), text));
    add("upper case", upper.clone());
    add(
        "lower case without punctuation",
        lower.replace(|c: char| !c.is_alphanumeric() && c != ' ', ""),
    );
    // Mathematical alphabets without holes: bold, bold italic, bold script, bold Fraktur,
    // sans-serif in four forms, monospace.
    for (i, start) in [
        0x1d400, 0x1d468, 0x1d4d0, 0x1d56c, 0x1d5a0, 0x1d5d4, 0x1d608, 0x1d63c, 0x1d670,
    ]
    .into_iter()
    .enumerate()
    {
        add(
            &format!("mathematical alphabet {i}"),
            shifted(text, start, start + 26),
        );
    }
    add(
        "full width",
        shifted(text, 0xff21, 0xff41).replace(' ', "\u{3000}"),
    );
    add("circled", shifted(text, 0x24b6, 0x24d0));
    add("parenthesised", shifted(&lower, 0x1f110, 0x249c));
    for (name, start) in [
        ("squared", 0x1f130),
        ("negative circled", 0x1f150),
        ("negative squared", 0x1f170),
        ("regional indicators", 0x1f1e6),
    ] {
        add(name, shifted(&upper, start, start));
    }
    add(
        "Cyrillic",
        mapped(
            text,
            "ABCEHKMOPTXaceijopsxyhqwd",
            "\u{410}\u{412}\u{421}\u{415}\u{41d}\u{41a}\u{41c}\u{41e}\u{420}\u{422}\u{425}\u{430}\u{441}\u{435}\u{456}\u{458}\u{43e}\u{440}\u{455}\u{445}\u{443}\u{4bb}\u{51b}\u{51d}\u{501}",
        ),
    );
    add(
        "Greek capitals",
        mapped(
            &upper,
            "ABEZHIKMNOPTYX",
            "\u{391}\u{392}\u{395}\u{396}\u{397}\u{399}\u{39a}\u{39c}\u{39d}\u{39f}\u{3a1}\u{3a4}\u{3a5}\u{3a7}",
        ),
    );
    add(
        "Greek",
        mapped(text, "aiovpu", "\u{3b1}\u{3b9}\u{3bf}\u{3bd}\u{3c1}\u{3c5}"),
    );
    add(
        "Armenian",
        mapped(text, "ohnuqg", "\u{585}\u{570}\u{578}\u{57d}\u{566}\u{581}"),
    );
    add(
        "Cherokee",
        mapped(
            &upper,
            "DRTSWHEMLKVZ",
            "\u{13a0}\u{13a1}\u{13a2}\u{13da}\u{13b3}\u{13bb}\u{13ac}\u{13b7}\u{13de}\u{13e6}\u{13d9}\u{13c3}",
        ),
    );
    add(
        "Lisu",
        mapped(
            &upper,
            "BPDTGKCZFMNLSRVHWXYEAOU",
            "\u{a4d0}\u{a4d1}\u{a4d3}\u{a4d4}\u{a4d6}\u{a4d7}\u{a4da}\u{a4dc}\u{a4dd}\u{a4df}\u{a4e0}\u{a4e1}\u{a4e2}\u{a4e3}\u{a4e6}\u{a4e7}\u{a4ea}\u{a4eb}\u{a4ec}\u{a4f0}\u{a4ee}\u{a4f3}\u{a4f4}",
        ),
    );
    add(
        "small capitals",
        mapped(
            &lower,
            "abcdefghijklmnopqrstuvwyz",
            "\u{1d00}\u{299}\u{1d04}\u{1d05}\u{1d07}\u{a730}\u{262}\u{29c}\u{26a}\u{1d0a}\u{1d0b}\u{29f}\u{1d0d}\u{274}\u{1d0f}\u{1d18}\u{a7af}\u{280}\u{a731}\u{1d1b}\u{1d1c}\u{1d20}\u{1d21}\u{28f}\u{1d22}",
        ),
    );
    add(
        "superscripts",
        mapped(
            &lower,
            "abcdefghijklmnoprstuvwxyz",
            "\u{1d43}\u{1d47}\u{1d9c}\u{1d48}\u{1d49}\u{1da0}\u{1d4d}\u{2b0}\u{2071}\u{2b2}\u{1d4f}\u{2e1}\u{1d50}\u{207f}\u{1d52}\u{1d56}\u{2b3}\u{2e2}\u{1d57}\u{1d58}\u{1d5b}\u{2b7}\u{2e3}\u{2b8}\u{1dbb}",
        ),
    );
    add(
        "letters with accents",
        mapped(
            text,
            "aceinouyszgAEIOU",
            "\u{e5}\u{e7}\u{ea}\u{ef}\u{f1}\u{f6}\u{171}\u{ff}\u{161}\u{17e}\u{11f}\u{c2}\u{c9}\u{cc}\u{d6}\u{da}",
        ),
    );
    add(
        "letters with strokes",
        mapped(text, "dhlotb", "\u{111}\u{127}\u{142}\u{f8}\u{167}\u{180}"),
    );
    add(
        "letters with hooks",
        mapped(
            text,
            "bcdfgkptvy",
            "\u{253}\u{188}\u{257}\u{192}\u{260}\u{199}\u{1a5}\u{1ad}\u{28b}\u{1b4}",
        ),
    );
    add(
        "currency",
        mapped(
            &upper,
            "ABCFGKMNPSTW",
            "\u{20b3}\u{e3f}\u{20b5}\u{20a3}\u{20b2}\u{20ad}\u{20a5}\u{20a6}\u{20b1}$\u{20ae}\u{20a9}",
        ),
    );
    // Invisible characters.
    for (name, mark) in [
        ("zero-width space", "\u{200b}"),
        ("zero-width joiners", "\u{200c}\u{200d}"),
        ("word joiner", "\u{2060}"),
        ("byte-order mark", "\u{feff}"),
        ("soft hyphen", "\u{ad}"),
        ("invisible times", "\u{2062}\u{2064}"),
        ("variation selector", "\u{fe0f}"),
        ("variation selector supplement", "\u{e0100}"),
        ("Mongolian selector", "\u{180b}"),
        ("tag characters", "\u{e0061}\u{e007f}"),
        ("Hangul filler", "\u{3164}"),
        ("grapheme joiner", "\u{34f}"),
        ("Khmer vowel", "\u{17b4}"),
        ("marks of direction", "\u{200e}\u{200f}"),
        ("isolates", "\u{2066}\u{2069}"),
        ("embeddings", "\u{202a}\u{202c}"),
    ] {
        add(name, behind(text, |_, _| mark.to_owned()));
        add(
            &format!("{name} here and there"),
            behind(text, |i, _| {
                if i % 3 == 0 {
                    mark.to_owned()
                } else {
                    String::new()
                }
            }),
        );
    }
    for (name, marks) in [
        ("strike-through", &["\u{336}"][..]),
        ("underline", &["\u{332}"]),
        ("slashes", &["\u{338}"]),
        ("enclosing circle", &["\u{20dd}"]),
        (
            "piles of marks",
            &[
                "\u{300}\u{316}\u{35c}",
                "\u{489}",
                "\u{315}\u{31b}\u{358}\u{328}",
            ],
        ),
        ("Cyrillic marks", &["\u{484}\u{487}"]),
    ] {
        add(name, behind_letters(text, marks));
    }
    // An override: shown as written, stored backwards.
    add(
        "right-to-left override",
        format!("\u{202e}{}\u{202c}", text.chars().rev().collect::<String>()),
    );
    let words = text.split(' ').map(|word| match word.len() % 2 {
        0 => format!("\u{202e}{}\u{202c}", word.chars().rev().collect::<String>()),
        _ => word.to_owned(),
    });
    add(
        "words turned by overrides",
        words.collect::<Vec<_>>().join(" "),
    );
    add("leet", mapped(&lower, "aeiostbg", "43105789"));
    add("leet with signs", mapped(&lower, "aeisl", "@31$|"));
    for (name, gap) in [
        ("spaces", " "),
        ("dots", "."),
        ("hyphens", "-"),
        ("underlines", "_"),
        ("lines", "\n"),
        ("no-break spaces", "\u{a0}"),
        ("hearts", "\u{2665}\u{fe0f}"),
        ("Braille blanks", "\u{2800}"),
    ] {
        add(
            &format!("spaced by {name}"),
            behind(text, |_, _| gap.to_owned()),
        );
    }
    add("no spaces", text.replace(' ', ""));
    add(
        "emoji for spaces",
        text.replace(' ', "\u{1f525}\u{1f9d1}\u{200d}\u{1f680}"),
    );
    for prefix in ["> ", ">> > ", "| ", "    * ", "// ", "\u{2022} "] {
        add(&format!("lines behind {prefix:?}"), lines(text, prefix));
    }
    add(
        "hyphenated",
        behind(text, |i, c| {
            if i % 29 == 28 && c.is_lowercase() {
                "-\n".to_owned()
            } else {
                String::new()
            }
        }),
    );
    add(
        "decimal references",
        text.chars().map(|c| format!("&#{};", c as u32)).collect(),
    );
    add(
        "hexadecimal references",
        text.chars()
            .map(|c| format!("&#x{:X};", c as u32))
            .collect(),
    );
    add(
        "escaped twice",
        text.chars()
            .map(|c| format!("&amp;#{};", c as u32))
            .collect(),
    );
    add("tags", text.replace(' ', "</b>&nbsp;<b>"));
    add(
        "tags within words",
        behind(text, |i, _| {
            if i % 4 == 0 {
                "<i></i>".to_owned()
            } else {
                String::new()
            }
        }),
    );
    all
}

#[test]
fn every_disguise_is_seen_through() {
    let matcher = matcher(TEXTS);
    let mut missed = Vec::new();
    let mut tried = 0;
    for (item, text) in TEXTS {
        for (name, disguised) in disguises(text) {
            let matches = matcher.find_text(&disguised).unwrap();
            tried += 1;
            if matches.len() != 1 || matches[0].item != item {
                missed.push(format!("{item}: {name}: {disguised:.60}"));
            }
        }
    }
    assert!(tried > 250, "{tried}");
    assert!(
        missed.is_empty(),
        "{} of {tried}: {missed:#?}",
        missed.len()
    );
}

#[test]
fn no_disguise_makes_texts_alike() {
    let matcher = matcher(TEXTS);
    for (name, disguised) in disguises(UNRELATED) {
        let matches = matcher.find_text(&disguised).unwrap();
        assert!(matches.is_empty(), "{name}: {matches:?}");
    }
}

/// A text and an unrelated one in each of some scripts; the part that is quoted is between bars.
const SCRIPTS: [(&str, &str, &str); 10] = [
    (
        "Chinese",
        "根据董事会昨天的决定，|公司将在六月底之前关闭温哥华的动画工作室，九十二名员工会受到影响，其中十一人可以调往蒙特利尔|。在信件发出之前，请不要与任何人讨论此事。",
        "沿海地区的降雨预计将持续到星期四，海角附近有大风，西部有冷锋经过。渡轮按夏季时刻表运行，夜班船除外，游客应携带保暖衣物并留意码头的通知。",
    ),
    (
        "Japanese",
        "昨日の取締役会で、|会社は六月末までにバンクーバーのアニメーション事務所を閉鎖することを決めました。九十二人の社員が影響を受け、そのうち十一人にはモントリオールへの異動が提案されています|。手紙が届くまで誰にも話さないでください。",
        "沿岸部では木曜日まで雨が続き、岬の近くでは突風が吹く見込みです。フェリーは夜の便を除いて夏の時刻表どおりに運航しますので、暖かい服を持ってきてください。",
    ),
    (
        "Korean",
        "어제 이사회의 결정에 따라 |회사는 유월 말까지 밴쿠버 애니메이션 사무실을 폐쇄하고 직원 아흔두 명이 영향을 받게 되며 그 가운데 열한 명만 몬트리올로 옮길 수 있습니다|. 편지가 나갈 때까지 아무에게도 말하지 마십시오.",
        "해안 지역의 비는 목요일까지 계속되고 곶 근처에는 돌풍이 불 것으로 예상됩니다. 여객선은 야간 운항을 제외하고 여름 시간표대로 다니며 방문객은 따뜻한 옷을 가져와야 합니다.",
    ),
    (
        "Arabic",
        "وفقا لقرار مجلس الإدارة أمس، |ستغلق الشركة مكتب الرسوم المتحركة في فانكوفر قبل نهاية شهر يونيو وسيتأثر بذلك اثنان وتسعون موظفا عرض على أحد عشر منهم الانتقال إلى مونتريال|. يرجى عدم مناقشة هذا الأمر.",
        "من المتوقع أن يستمر هطول الأمطار على طول الساحل حتى يوم الخميس مع هبات رياح قرب الرؤوس وجبهة باردة من الغرب، وتعمل العبارات وفق الجدول الصيفي باستثناء القارب الليلي.",
    ),
    (
        "Russian",
        "По вчерашнему решению совета директоров |компания закроет анимационную студию в Ванкувере до конца июня, это коснётся девяноста двух сотрудников, из которых одиннадцати предложен переезд в Монреаль|. Просим никому об этом не говорить.",
        "Дождь на побережье продлится до четверга, у мысов ожидаются порывы ветра и холодный фронт с запада. Паромы ходят по летнему расписанию, кроме ночного рейса, который отменён.",
    ),
    (
        "Greek",
        "Με χθεσινή απόφαση του διοικητικού συμβουλίου |η εταιρεία θα κλείσει το γραφείο κινουμένων σχεδίων στο Βανκούβερ πριν από το τέλος Ιουνίου και επηρεάζονται ενενήντα δύο υπάλληλοι|. Μην το συζητήσετε με κανέναν.",
        "Βροχή αναμένεται στα παράλια μέχρι την Πέμπτη, με ριπές κοντά στα ακρωτήρια και ψυχρό μέτωπο από τα δυτικά. Τα πλοία εκτελούν το θερινό δρομολόγιο εκτός από το νυχτερινό.",
    ),
    (
        "Thai",
        "ตามมติคณะกรรมการเมื่อวานนี้ |บริษัทจะปิดสำนักงานแอนิเมชันในแวนคูเวอร์ก่อนสิ้นเดือนมิถุนายน พนักงานเก้าสิบสองคนจะได้รับผลกระทบ โดยสิบเอ็ดคนได้รับข้อเสนอให้ย้ายไปมอนทรีออล| โปรดอย่าพูดเรื่องนี้กับใคร",
        "คาดว่าจะมีฝนตกตามแนวชายฝั่งจนถึงวันพฤหัสบดี มีลมกระโชกใกล้แหลมและแนวอากาศเย็นจากทิศตะวันตก เรือข้ามฟากเดินตามตารางฤดูร้อนยกเว้นเรือกลางคืน",
    ),
    (
        "Hindi",
        "निदेशक मंडल के कल के निर्णय के अनुसार |कंपनी जून के अंत से पहले वैंकूवर का एनिमेशन कार्यालय बंद कर देगी और बानवे कर्मचारी प्रभावित होंगे जिनमें से ग्यारह को मॉन्ट्रियल जाने का प्रस्ताव दिया गया है|। कृपया इसकी चर्चा किसी से न करें।",
        "तट पर गुरुवार तक बारिश होने की संभावना है, अंतरीपों के पास तेज़ हवाएँ चलेंगी और पश्चिम से ठंडी हवा आएगी। रात की नाव को छोड़कर सभी नौकाएँ गर्मियों की समय सारणी के अनुसार चलेंगी।",
    ),
    (
        "Hebrew",
        "לפי החלטת הדירקטוריון מאתמול |החברה תסגור את משרד האנימציה בוונקובר לפני סוף יוני ותשעים ושניים עובדים ייפגעו מכך, לאחד עשר מהם הוצע לעבור למונטריאול והשאר יקבלו מכתב|. נא לא לדבר על כך עם איש.",
        "גשם צפוי לאורך החוף עד יום חמישי, עם משבי רוח ליד הכפים וחזית קרה ממערב. המעבורות פועלות לפי לוח הזמנים של הקיץ, למעט הסירה הלילית שבוטלה, והמבקרים מתבקשים להביא בגדים חמים.",
    ),
    (
        "Vietnamese",
        "Theo quyết định hôm qua của hội đồng quản trị, |công ty sẽ đóng cửa văn phòng hoạt hình ở Vancouver trước cuối tháng sáu, chín mươi hai nhân viên bị ảnh hưởng và mười một người được đề nghị chuyển đến Montreal|. Xin đừng nói với ai.",
        "Dự kiến mưa dọc bờ biển đến thứ năm, gió giật gần các mũi đất và một khối không khí lạnh từ phía tây. Phà chạy theo lịch mùa hè trừ chuyến đêm đã bị hủy.",
    ),
];

#[test]
fn texts_in_other_scripts_are_found_and_unrelated_ones_are_not() {
    let whole: Vec<(&str, String)> = SCRIPTS
        .iter()
        .map(|(script, text, _)| (*script, text.replace('|', "")))
        .collect();
    let matcher = matcher(whole.iter().map(|(script, text)| (*script, text.as_str())));
    for (script, text, unrelated) in SCRIPTS {
        let quote = text.split('|').nth(1).unwrap();
        for (name, query) in [
            ("whole", text.replace('|', "")),
            ("quote", format!("leaked?! {quote} #wow")),
            (
                "quote among others",
                format!("{unrelated} {quote} {unrelated}"),
            ),
            (
                "wrapped",
                behind(quote, |i, _| {
                    if i % 9 == 8 {
                        "\n> ".into()
                    } else {
                        String::new()
                    }
                }),
            ),
            ("zero-width", behind(quote, |_, _| "\u{200b}".into())),
            ("decomposed", unicode_decomposed(quote)),
        ] {
            let matches = matcher.find_text(&query).unwrap();
            let items: Vec<_> = matches.iter().map(|m| m.item.as_str()).collect();
            assert_eq!(items, [script], "{script}, {name}");
        }
        assert!(matcher.find_text(unrelated).unwrap().is_empty(), "{script}");
    }
}

/// Hangul as its letters, accents as marks: what a file name from a Mac looks like.
fn unicode_decomposed(text: &str) -> String {
    use unicode_normalization::UnicodeNormalization;
    text.nfd().collect()
}
