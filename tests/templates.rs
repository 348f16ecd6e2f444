//! Documents that were made from one template: a copy of a leaked one is found, another instance is not
//! accused.

use leakprint::{Evidence, Fingerprinter, IndexWriter, Key, Match, Matcher, Strength};

/// The values of one invoice.
struct Invoice {
    number: u32,
    client: &'static str,
    date: &'static str,
    lines: [(&'static str, &'static str); 3],
    total: &'static str,
    note: &'static str,
}

const LEAKED: Invoice = Invoice {
    number: 48_213,
    client: "Marisol Okonkwo, 17 Quarry Lane, Antwerp",
    date: "14 March 2014",
    lines: [
        ("recasting of the lead role, two screen tests", "12,480.00"),
        ("night shoot at the harbour, third unit", "38,915.50"),
        ("replacement of a damaged crane", "7,204.35"),
    ],
    total: "58,599.85",
    note: "The delay of the second unit was agreed with the studio by telephone on Thursday.",
};

const INNOCENT: Invoice = Invoice {
    number: 50_977,
    client: "Henrik Baptiste, 4 Mill Road, Dundee",
    date: "2 July 2015",
    lines: [
        ("catering for the wrap party in the canteen", "3,118.20"),
        ("hire of four vans for a week", "2,760.00"),
        ("colour grading of the trailer", "9,450.75"),
    ],
    total: "15,328.95",
    note: "Please send the signed delivery note of the vans to our office in Leeds.",
};

const OTHER: Invoice = Invoice {
    number: 51_604,
    client: "Ottilie Fairweather, 88 Station Street, Ghent",
    date: "23 October 2013",
    lines: [
        ("storage of costumes in the annex", "845.10"),
        ("translation of the subtitles into Dutch", "4,012.00"),
        ("insurance of the stunt team", "16,330.40"),
    ],
    total: "21,187.50",
    note: "The costumes from the annex will be collected by a carrier of your choice.",
};

impl Invoice {
    fn text(&self) -> String {
        let lines = self.lines.map(|(what, sum)| format!("{what}: EUR {sum}\n"));
        format!(
            "Invoice no. {} of {}\nTo: {}\n\nWe thank you for your order, which we have carried out under \
             our general conditions of business, and take the liberty of charging as follows:\n{}Sum \
             without tax: EUR {}\n{}\n\nPlease pay within fourteen days to the account named below without \
             any deduction. Goods remain our property until they have been paid in full. From the fifteenth \
             day on we charge interest on arrears at the statutory rate and a lump sum for reminders. \
             Complaints have to be made in writing within eight days of receipt. The place of jurisdiction \
             for all claims from this contract is the seat of our company. This invoice was made by \
             machine and is valid without a signature.\n",
            self.number,
            self.date,
            self.client,
            lines.concat(),
            self.total,
            self.note,
        )
    }
}

fn matcher(items: &[(&str, &str)]) -> Matcher {
    let key = Key::from_bytes([16; 32]);
    let fingerprinter = Fingerprinter::builder().key(key.clone()).build().unwrap();
    let mut writer = IndexWriter::from(&fingerprinter);
    for (name, text) in items {
        let print = fingerprinter.fingerprint_text(text).unwrap();
        writer.add(name, &print).unwrap();
    }
    Matcher::with_key(writer.to_index().unwrap(), key).unwrap()
}

/// The names of items that are accused: matches of the default strength.
fn accused(matcher: &Matcher, text: &str) -> Vec<String> {
    let matches = matcher.find_text(text).unwrap();
    assert!(
        matches
            .iter()
            .all(|found| found.strength >= Strength::Strong)
    );
    matches.into_iter().map(|found| found.item).collect()
}

fn leak() -> Matcher {
    matcher(&[("leaked", &LEAKED.text())])
}

/// Every thirtieth letter is another one.
fn with_errors(text: &str) -> String {
    let letters = text.char_indices().map(|(at, letter)| match letter {
        'a'..='z' if at % 30 == 7 => 'q',
        _ => letter,
    });
    letters.collect()
}

#[test]
fn another_invoice_of_the_same_company_is_not_accused() {
    let matcher = leak();
    assert!(accused(&matcher, &INNOCENT.text()).is_empty());
    assert!(accused(&matcher, &OTHER.text()).is_empty());
}

#[test]
fn copies_of_the_leaked_invoice_are_found() {
    let matcher = leak();
    let copy = LEAKED.text();
    assert_eq!(accused(&matcher, &copy.to_uppercase()), ["leaked"]);
    assert_eq!(accused(&matcher, &with_errors(&copy)), ["leaked"]);
    let quoted: String = copy.lines().map(|line| format!("> {line}\n")).collect();
    let post = format!("Look at what they pay for a crane!\n\n{quoted}\nUnbelievable.");
    assert_eq!(accused(&matcher, &post), ["leaked"]);
    // The part that only this invoice has.
    let start = copy.find("recasting").unwrap();
    let end = copy.find("Please pay").unwrap();
    assert_eq!(accused(&matcher, &copy[start..end]), ["leaked"]);
}

#[test]
fn of_several_invoices_only_the_right_one_is_named() {
    let texts = [LEAKED.text(), OTHER.text()];
    let matcher = matcher(&[("leaked", &texts[0]), ("other", &texts[1])]);
    assert_eq!(accused(&matcher, &with_errors(&texts[0])), ["leaked"]);
    assert_eq!(accused(&matcher, &with_errors(&texts[1])), ["other"]);
    assert!(accused(&matcher, &INNOCENT.text()).is_empty());
}

/// A form with its fields filled in.
fn form(fields: [&str; 8]) -> String {
    let [
        name,
        born,
        street,
        account,
        salary,
        start,
        superior,
        contact,
    ] = fields;
    format!(
        "Personnel questionnaire of the studio, to be returned before the first day of work.\n\
         First name and family name: {name}\nDate of birth as in the passport: {born}\n\
         Street and number of the main residence: {street}\n\
         Account to which the salary is to be paid: {account}\n\
         Agreed gross salary for each month: {salary}\nFirst day of work under this contract: {start}\n\
         Superior in the first six months: {superior}\n\
         Person whom we may call in an emergency: {contact}\n\
         Changes of these details must be reported to the personnel department without delay.\n"
    )
}

#[test]
fn a_blank_form_is_not_accused() {
    let filled = form([
        "Leonie Hathersage",
        "7 September 1981",
        "Foundry Court 114",
        "BE68 5390 0754 7034",
        "EUR 6,480.00",
        "3 March 2014",
        "Casimir Underhill",
        "Tobias Hathersage, +32 2 555 01 72",
    ]);
    let matcher = matcher(&[("filled", &filled)]);
    assert!(accused(&matcher, &form(["____"; 8])).is_empty());
    assert_eq!(accused(&matcher, &with_errors(&filled)), ["filled"]);
}

#[test]
fn a_footer_under_another_text_is_not_accused() {
    let copy = LEAKED.text();
    let footer = &copy[copy.find("Goods remain").unwrap()..];
    let letter = format!(
        "Dear customer, the garden chairs that you ordered in spring have arrived at our shop and can be \
         collected on any day but Sunday. {footer}"
    );
    assert!(accused(&leak(), &letter).is_empty());
    // It is shown to whoever asks for possible matches.
    let possible = leak()
        .with_options(leakprint::MatchOptions::default().with_min_strength(Strength::Possible));
    let found = possible.find_text(&letter).unwrap();
    assert_eq!(found[0].strength, Strength::Possible);
}

/// The measures of the first text evidence.
fn values(found: &Match) -> (u32, u32, f64) {
    let text = found.evidence.iter().find_map(|evidence| match evidence {
        Evidence::Text {
            agreed,
            contradicted,
            odds,
            ..
        } => Some((*agreed, *contradicted, *odds)),
        _ => None,
    });
    text.unwrap()
}

#[test]
fn evidence_says_what_agrees_and_what_does_not() {
    let possible = leak()
        .with_options(leakprint::MatchOptions::default().with_min_strength(Strength::Possible));
    let found = possible.find_text(&with_errors(&LEAKED.text())).unwrap();
    let (agreed, contradicted, odds) = values(&found[0]);
    assert!(
        agreed > 3 * contradicted && odds > 1.0,
        "{agreed} {contradicted} {odds}"
    );
    let found = possible.find_text(&INNOCENT.text()).unwrap();
    let (agreed, contradicted, odds) = values(&found[0]);
    assert!(
        contradicted > 3 * agreed && odds < -1.4,
        "{agreed} {contradicted} {odds}"
    );
}

/// A series of measures: a date and two numbers a line.
fn series(seed: u64) -> String {
    let mut state = seed;
    let mut measure = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        10_000 + (state >> 40) % 90_000
    };
    let line = |day| {
        format!(
            "2014-11-{day:02}; opening {}; closing {}\n",
            measure(),
            measure()
        )
    };
    (1..=28).map(line).collect()
}

#[test]
fn a_series_of_other_measures_on_the_same_days_is_not_accused() {
    let (leaked, other) = (series(1), series(2));
    let matcher = matcher(&[("leaked", &leaked)]);
    assert!(accused(&matcher, &other).is_empty());
    assert_eq!(
        accused(&matcher, &with_errors(&leaked.to_uppercase())),
        ["leaked"]
    );
    let week: String = leaked
        .lines()
        .skip(9)
        .take(7)
        .collect::<Vec<_>>()
        .join("\n");
    assert_eq!(accused(&matcher, &week), ["leaked"]);
}
