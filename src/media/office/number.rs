//! Numbers and dates of spreadsheets as text, in one form for all formats.

use super::xml::{Piece, Xml};
use crate::error::Result;
use crate::limits::Budget;

/// The style of a number, as far as it matters here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Style {
    #[default]
    Plain,
    Date,
    Time,
    DateTime,
}

/// Formats of cells, and formats of numbers, that are read; programs write fewer.
const MAX_STYLES: usize = 1 << 16;

/// The styles of a workbook's cells, by the index that cells refer to.
///
/// # Errors
/// As for [`Xml::next`].
pub(super) fn styles(xml: &str, budget: &Budget) -> Result<Vec<Style>> {
    let mut xml = Xml::new(xml);
    let mut custom = std::collections::HashMap::<u32, Style>::new();
    let mut styles = Vec::new();
    let mut in_cells = false;
    while let Some(piece) = xml.next(budget)? {
        match piece {
            Piece::Start(tag) => match tag.name() {
                "numFmt" => {
                    let id = tag.attribute("numFmtId").and_then(|id| id.parse().ok());
                    if let Some((id, code)) = id.zip(tag.attribute("formatCode"))
                        && custom.len() < MAX_STYLES
                    {
                        custom.insert(id, style_of(&code));
                    }
                }
                "cellXfs" => in_cells = true,
                "xf" if in_cells && styles.len() < MAX_STYLES => {
                    let id = tag.attribute("numFmtId").and_then(|id| id.parse().ok());
                    let id: u32 = id.unwrap_or(0);
                    styles.push(custom.get(&id).copied().unwrap_or_else(|| built_in(id)));
                }
                _ => {}
            },
            Piece::End(name) if name.as_str() == "cellXfs" => in_cells = false,
            _ => {}
        }
    }
    Ok(styles)
}

/// The formats that need no declaration (ECMA-376 part 1, 18.8.30).
fn built_in(id: u32) -> Style {
    match id {
        14..=17 | 27..=31 | 34..=36 | 50..=54 | 57..=58 => Style::Date,
        18..=21 | 32..=33 | 45..=47 | 55..=56 => Style::Time,
        22 => Style::DateTime,
        _ => Style::Plain,
    }
}

/// The style of a format code such as `dd.mm.yyyy`: by the letters outside quotes,
/// brackets and escapes. `m` alone is a month or a minute.
fn style_of(code: &str) -> Style {
    let (mut date, mut time, mut either) = (false, false, false);
    let mut rest = code.split(';').next().unwrap_or_default().chars();
    while let Some(c) = rest.next() {
        match c {
            '"' => drop(rest.by_ref().find(|&c| c == '"')),
            '\\' | '_' | '*' => drop(rest.next()),
            '[' => {
                let inner: String = rest.by_ref().take_while(|&c| c != ']').collect();
                let inner = inner.to_ascii_lowercase();
                time |= !inner.is_empty() && inner.chars().all(|c| matches!(c, 'h' | 'm' | 's'));
            }
            'd' | 'D' | 'y' | 'Y' => date = true,
            'h' | 'H' | 's' | 'S' => time = true,
            'm' | 'M' => either = true,
            // "General" and words without quotes are no dates.
            'G' | 'g' | 'E' if !date && !time => return Style::Plain,
            _ => {}
        }
    }
    match (date || either && !time, time) {
        (true, true) => Style::DateTime,
        (true, false) => Style::Date,
        (false, true) => Style::Time,
        (false, false) => Style::Plain,
    }
}

/// A number of a cell as text: integers without a point, fractions in the fewest
/// digits that mean the same to fifteen places, dates in ISO 8601.
pub(super) fn text(number: f64, style: Style, since_1904: bool) -> String {
    let days = if since_1904 { 1462.0 } else { 0.0 };
    match style {
        Style::Plain => plain(number),
        _ => date(number + days, style).unwrap_or_else(|| plain(number)),
    }
}

/// In the fewest digits that mean the same to fifteen places, as spreadsheets show it.
pub(super) fn plain(number: f64) -> String {
    if !number.is_finite() {
        return String::new();
    }
    if number == number.trunc() && number.abs() < 1e15 {
        return format!("{}", number as i64);
    }
    let rounded: f64 = format!("{number:.14e}").parse().unwrap_or(number);
    format!("{rounded}")
}

/// A serial number of days, counted so that 1 March 1900 is day 61.
fn date(serial: f64, style: Style) -> Option<String> {
    // The last day is 9999-12-31.
    if !(0.0..2_958_466.0).contains(&serial) {
        return None;
    }
    // Half a second is lost in the binary fractions.
    let seconds = (serial * 86_400.0).round() as i64;
    let (day, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(day - 25_569);
    let clock = format!(
        "{:02}:{:02}:{:02}",
        second / 3600,
        second / 60 % 60,
        second % 60
    );
    let calendar = format!("{year:04}-{month:02}-{day:02}");
    Some(match style {
        Style::Time if serial < 1.0 => clock,
        Style::Date if second == 0 => calendar,
        _ => format!("{calendar} {clock}"),
    })
}

/// The proleptic Gregorian date of a day counted from 1970-01-01 (Hinnant's
/// `civil_from_days`).
fn civil(day: i64) -> (i64, i64, i64) {
    let day = day + 719_468;
    let era = day.div_euclid(146_097);
    let of_era = day.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year + era * 400 + i64::from(month <= 2);
    (year, month, of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    #[test]
    fn numbers_in_their_shortest_form() {
        for (number, expected) in [
            (3.0, "3"),
            (-0.5, "-0.5"),
            (0.1 + 0.2, "0.3"),
            (1234.5, "1234.5"),
            (1e14, "100000000000000"),
            (f64::NAN, ""),
        ] {
            assert_eq!(text(number, Style::Plain, false), expected);
        }
    }

    #[test]
    fn dates_of_both_calendars() {
        for (serial, style, expected) in [
            (61.0, Style::Date, "1900-03-01"),
            (45_000.0, Style::Date, "2023-03-15"),
            (45_000.75, Style::DateTime, "2023-03-15 18:00:00"),
            (0.5, Style::Time, "12:00:00"),
            (60_000.0, Style::Date, "2064-04-08"),
            (-3.0, Style::Date, "-3"),
            (1e9, Style::Date, "1000000000"),
        ] {
            assert_eq!(text(serial, style, false), expected);
        }
        assert_eq!(text(43_538.0, Style::Date, true), "2023-03-15");
    }

    #[test]
    fn codes_that_mean_dates() {
        for (code, style) in [
            ("dd.mm.yyyy", Style::Date),
            ("yyyy\\-mm\\-dd hh:mm", Style::DateTime),
            ("[h]:mm:ss", Style::Time),
            ("mm:ss", Style::Time),
            ("General", Style::Plain),
            ("#,##0.00 \"days\"", Style::Plain),
            ("[Red]0.00", Style::Plain),
            ("[$-409]mmm", Style::Date),
            ("0.00E+00", Style::Plain),
        ] {
            assert_eq!(style_of(code), style, "{code}");
        }
    }

    #[test]
    fn no_more_styles_are_kept_than_programs_write() {
        let xml = format!("<cellXfs>{}</cellXfs>", "<xf/>".repeat(MAX_STYLES + 10));
        let budget = Budget::new(&Limits::default());
        assert_eq!(styles(&xml, &budget).unwrap().len(), MAX_STYLES);
    }

    #[test]
    fn styles_by_the_index_of_cells() {
        let xml = "<styleSheet><numFmts><numFmt numFmtId='164' formatCode='yyyy'/></numFmts>\
                   <cellStyleXfs><xf numFmtId='14'/></cellStyleXfs>\
                   <cellXfs><xf numFmtId='0'/><xf numFmtId='164'/><xf numFmtId='22'/></cellXfs></styleSheet>";
        let styles = styles(xml, &Budget::new(&Limits::default())).unwrap();
        assert_eq!(styles, [Style::Plain, Style::Date, Style::DateTime]);
    }
}
