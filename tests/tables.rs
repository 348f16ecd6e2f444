//! Tables of people: found in another order, in another format and as prose, by the values
//! of their rows; tables of other people are not.

use leakprint::{
    Evidence, Executor, Fingerprinter, Index, IndexWriter, Key, Match, MatchOptions, Matcher,
    Strength,
};

const FIRST: [&str; 24] = [
    "Jane",
    "Maximilian",
    "Aisha",
    "Pedro",
    "Yuki",
    "Olga",
    "Tom\u{e1}s",
    "Freya",
    "Liam",
    "Noor",
    "Chloe",
    "Viktor",
    "Amara",
    "Hannah",
    "Rafael",
    "Ingrid",
    "Kofi",
    "Leila",
    "Marek",
    "Sofia",
    "Dmitri",
    "Zeynep",
    "Emeka",
    "Astrid",
];
const LAST: [&str; 24] = [
    "Doe",
    "M\u{fc}ller",
    "Rahman",
    "Alvarez",
    "Tanaka",
    "Petrova",
    "Nov\u{e1}k",
    "Lindqvist",
    "O'Brien",
    "Haddad",
    "Dubois",
    "Kowalczyk",
    "Okafor",
    "Schneider",
    "Moreira",
    "Halvorsen",
    "Mensah",
    "Karimi",
    "Zielinski",
    "Rossi",
    "Volkov",
    "Yilmaz",
    "Adeyemi",
    "Bergstrom",
];
const DEPARTMENTS: [&str; 5] = [
    "Marketing",
    "Human Resources",
    "Post Production",
    "Finance",
    "Legal Affairs",
];
const TITLES: [&str; 8] = [
    "Senior Manager",
    "Assistant Editor",
    "Marketing Director",
    "Account Executive",
    "Legal Counsel",
    "Production Coordinator",
    "Vice President",
    "Payroll Specialist",
];
const CITIES: [&str; 6] = [
    "Berlin",
    "Los Angeles",
    "San Francisco",
    "Springfield",
    "Manchester",
    "Toronto",
];
const HEADER: [&str; 9] = [
    "Name",
    "E-mail address",
    "Telephone",
    "Date of birth",
    "Department",
    "Title",
    "City",
    "Salary",
    "Badge",
];

/// A xorshift generator.
struct Random(u64);

impl Random {
    fn below(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) as usize % below
    }

    fn of<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    fn shuffle<T>(&mut self, values: &mut [T]) {
        for i in (1..values.len()).rev() {
            values.swap(i, self.below(i + 1));
        }
    }
}

type Row = [String; 9];

/// A staff list; companies draw from the same few names, titles and cities.
fn staff(seed: u64, rows: usize) -> Vec<Row> {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let company = random.below(100_000);
    (0..rows)
        .map(|i| {
            let (first, last) = (random.of(&FIRST), random.of(&LAST));
            let ascii: String = first.chars().filter(char::is_ascii).collect();
            [
                format!("{first} {last}"),
                format!(
                    "{}{}@studio{company}.example",
                    ascii.to_lowercase(),
                    random.below(90) + 10
                ),
                format!(
                    "+1 {:03} {:03} {:04}",
                    200 + random.below(700),
                    random.below(1000),
                    random.below(10_000)
                ),
                format!(
                    "{}-{:02}-{:02}",
                    1955 + random.below(45),
                    1 + random.below(12),
                    1 + random.below(28)
                ),
                random.of(&DEPARTMENTS).to_owned(),
                random.of(&TITLES).to_owned(),
                random.of(&CITIES).to_owned(),
                format!("{}.{:02}", 40_000 + random.below(90_000), random.below(100)),
                format!("{}-{:05}", ["EMP", "CTR"][i % 2], random.below(100_000)),
            ]
        })
        .collect()
}

fn header() -> Row {
    HEADER.map(str::to_owned)
}

fn csv<const N: usize>(rows: &[[String; N]], separator: &str) -> String {
    let lines = rows.iter().map(|row| row.join(separator));
    lines.collect::<Vec<_>>().join("\n")
}

fn with_header(rows: &[Row]) -> Vec<Row> {
    [&[header()], rows].concat()
}

/// The leak: one staff list among a dozen of other companies.
fn matcher() -> Matcher {
    let fingerprinter = Fingerprinter::builder()
        .key(Key::from_bytes([7; 32]))
        .build()
        .unwrap();
    let key = Some(fingerprinter.key().clone());
    let mut writer = IndexWriter::new(fingerprinter.recipe().clone(), key).unwrap();
    for seed in 1..=12 {
        let text = csv(&with_header(&staff(seed, 40)), ",");
        let name = format!("staff-{seed}.csv");
        let print = fingerprinter
            .fingerprint(text.as_bytes(), Some(&name))
            .unwrap();
        writer.add(&name, &print).unwrap();
    }
    let bytes = writer.to_bytes(&Executor::serial()).unwrap();
    let mut options = MatchOptions::default();
    options.min_strength = Strength::Possible;
    Matcher::new(Index::from_bytes(bytes).unwrap())
        .unwrap()
        .with_options(options)
}

/// The rows of the one item that is found, by records alone.
fn rows(matches: &[Match], item: &str) -> (Vec<u32>, Strength) {
    let items: Vec<_> = matches.iter().map(|m| (&m.item, &m.evidence)).collect();
    assert_eq!(items.len(), 1, "{items:#?}");
    assert_eq!(matches[0].item, item);
    let records = matches[0]
        .evidence
        .iter()
        .find_map(|evidence| match evidence {
            Evidence::Record {
                rows,
                records,
                score,
                ..
            } => {
                assert_eq!(rows.len(), (*records).min(64) as usize);
                Some((rows.clone(), Strength::from_score(*score).unwrap()))
            }
            _ => None,
        });
    records.unwrap_or_else(|| panic!("no record among {items:#?}"))
}

#[test]
fn a_table_is_found_in_another_order_and_form() {
    let matcher = matcher();
    let mut leak = staff(3, 40);
    let mut random = Random(99);
    random.shuffle(&mut leak);
    let all: Vec<u32> = (2..=41).collect();
    let mut columns = [0, 1, 2, 3, 4, 5, 6, 7, 8];
    random.shuffle(&mut columns);
    let turned: Vec<Row> = leak
        .iter()
        .map(|row| std::array::from_fn(|i| row[columns[i]].clone()))
        .collect();
    let cells: Vec<[String; 3]> = leak
        .iter()
        .map(|row| {
            // Last name first, another grouping of numbers, another order of dates.
            let (first, last) = row[0].split_once(' ').unwrap();
            let phone = row[2].replace("+1 ", "001-").replace(' ', "-");
            let mut date = row[3].split('-');
            let [year, month, day] = std::array::from_fn(|_| date.next().unwrap());
            [
                format!("{last}, {first}"),
                phone,
                format!("{day}.{month}.{year}"),
            ]
        })
        .collect();
    let html: String = leak
        .iter()
        .map(|row| {
            format!(
                "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
                row[8], row[3], row[0]
            )
        })
        .collect();
    let bars: String = leak
        .iter()
        .map(|row| format!("| {} | {} |\n", row[7], row[0]))
        .collect();
    for (name, text) in [
        ("a.csv", csv(&turned, ";")),
        ("a.tsv", csv(&turned, "\t")),
        ("a.csv", csv(&cells, ";")),
        ("a.txt", csv(&cells, " / ")),
        ("a.html", format!("<html><table>{html}</table></html>")),
        ("a.md", bars),
    ] {
        let matches = matcher.find_media(text.as_bytes(), Some(name)).unwrap();
        let (found, strength) = rows(&matches, "staff-3.csv");
        assert_eq!(strength, Strength::Certain, "{name}: {text:.200}");
        assert!(
            found.len() >= 36,
            "{name}: {} rows of {text:.200}",
            found.len()
        );
        assert!(found.iter().all(|row| all.contains(row)));
    }
}

#[test]
fn one_person_is_found_in_a_sentence() {
    let matcher = matcher();
    let leak = staff(5, 40);
    let mut found = [0; 3];
    for (i, row) in leak.iter().enumerate() {
        let [name, address, phone, birth, _, title, city, salary, badge] = row;
        let (year, _) = birth.split_once('-').unwrap();
        let sentences = [
            format!(
                "So this is what {name} looks like: {phone}, go and say hello. Born in {year}!"
            ),
            format!(
                "call {} about badge {badge}",
                phone.trim_start_matches("+1 ").replace(' ', ".")
            ),
            format!(
                "lol {name} ({title}, {city}) gets ${salary} a year, born {birth}, mail {address}"
            ),
        ];
        for (sentence, found) in sentences.iter().zip(&mut found) {
            let matches = matcher.find_text(sentence).unwrap();
            if matches.is_empty() {
                continue;
            }
            let (rows, strength) = rows(&matches, "staff-5.csv");
            assert_eq!(rows, [i as u32 + 2], "{sentence}");
            *found += usize::from(strength >= Strength::Strong);
        }
    }
    assert_eq!(found, [40, 40, 40]);
}

#[test]
fn first_and_last_name_in_separate_columns_are_one_name() {
    let matcher = matcher();
    let leak: Vec<[String; 3]> = staff(7, 40)
        .iter()
        .map(|row| {
            let (first, last) = row[0].split_once(' ').unwrap();
            [row[3].clone(), last.to_owned(), first.to_owned()]
        })
        .collect();
    let matches = matcher
        .find_media(csv(&leak, ",").as_bytes(), Some("b.csv"))
        .unwrap();
    let (found, strength) = rows(&matches, "staff-7.csv");
    assert!(
        strength >= Strength::Strong && found.len() >= 30,
        "{found:?}"
    );
}

/// Four hundred lists of other people with the same names, titles and cities, and as prose: no
/// record at all. (Passages may agree by chance where all draw from so few words.)
#[test]
fn other_people_are_not_found() {
    let matcher = matcher();
    let check = |matches: Vec<Match>, seed: u64| {
        for found in &matches {
            let mut evidence = found.evidence.iter();
            let record = evidence.find(|evidence| matches!(evidence, Evidence::Record { .. }));
            assert!(record.is_none(), "{seed}: {found:#?}");
        }
    };
    for seed in 1000..1400 {
        let rows = staff(seed, 40);
        let table = csv(&with_header(&rows), ";");
        check(
            matcher.find_media(table.as_bytes(), Some("c.csv")).unwrap(),
            seed,
        );
        let prose: Vec<String> = rows
            .iter()
            .map(|row| {
                format!(
                    "{}, {} in {} since {}, earns {}",
                    row[0], row[5], row[6], row[3], row[7]
                )
            })
            .collect();
        check(matcher.find_text(&prose.join(". ")).unwrap(), seed);
    }
}

#[test]
fn common_values_beside_each_other_are_no_record() {
    let matcher = matcher();
    let leak = staff(3, 40);
    let text = "Jane, Berlin, 2024: 100 of 1,000 seats in Los Angeles and San Francisco, 50 percent, 0 left. \
                Senior Manager, Marketing, Human Resources, Vice President";
    assert!(matcher.find_text(text).unwrap().is_empty());
    // Two rare values, but of two people, or far apart.
    let (a, b) = (&leak[0], &leak[1]);
    let of_two = format!("{} and {}", a[1], b[2]);
    assert!(matcher.find_text(&of_two).unwrap().is_empty());
    let apart = format!("{} {} {}", a[1], "and so it goes on. ".repeat(20), a[2]);
    assert!(matcher.find_text(&apart).unwrap().is_empty());
    let near = format!("{} {} {}", a[1], "and so it goes on. ".repeat(5), a[2]);
    assert!(!matcher.find_text(&near).unwrap().is_empty());
}

/// A value in a background or ignore file, such as the company's switchboard, proves nothing.
#[test]
fn ignored_content_is_no_evidence() {
    let fingerprinter = Fingerprinter::builder()
        .key(Key::from_bytes([7; 32]))
        .build()
        .unwrap();
    let leak = csv(&with_header(&staff(3, 40)), ",");
    let person = &staff(3, 40)[4];
    let signature = format!("--\n{}\n{}\n{}", person[0], person[1], person[2]);
    let build = |ignored: Option<&str>| {
        let key = Some(fingerprinter.key().clone());
        let mut writer = IndexWriter::new(fingerprinter.recipe().clone(), key).unwrap();
        if let Some(text) = ignored {
            writer
                .ignore(&fingerprinter.fingerprint_text(text).unwrap())
                .unwrap();
        }
        let print = fingerprinter
            .fingerprint(leak.as_bytes(), Some("a.csv"))
            .unwrap();
        writer.add("a.csv", &print).unwrap();
        let bytes = writer.to_bytes(&Executor::serial()).unwrap();
        Matcher::new(Index::from_bytes(bytes).unwrap()).unwrap()
    };
    assert_eq!(build(None).find_text(&signature).unwrap().len(), 1);
    let matcher = build(Some(&signature));
    assert_eq!(matcher.indexes().next().unwrap().info().discounted_cells, 6);
    assert!(matcher.find_text(&signature).unwrap().is_empty());
}

#[test]
fn explain_reports_records() {
    let matcher = matcher();
    let row = &staff(5, 40)[8];
    let query = format!("{} {}", row[0], row[2]);
    let query = matcher
        .query_fingerprinter()
        .fingerprint_text(&query)
        .unwrap();
    let stage = |item: &str| {
        let explanation = matcher.explain(item, &query).unwrap();
        let record = explanation
            .stages
            .iter()
            .find(|stage| stage.stage == "record");
        record.cloned().unwrap()
    };
    let found = matcher.find(&query).unwrap();
    let explained = matcher.explain("staff-5.csv", &query).unwrap();
    assert_eq!(explained.score, found[0].score);
    assert!(stage("staff-5.csv").passed && !stage("staff-6.csv").passed);
}
