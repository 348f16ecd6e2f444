//! Points in time, as whole seconds, written as RFC 3339 does.

use std::fmt;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::{Error, ErrorKind};

const DAY: i64 = 86_400;

/// A point in time: seconds since 1970-01-01 in UTC, leap seconds left out.
///
/// ```
/// use leakprint::collection::Timestamp;
///
/// let time: Timestamp = "2026-03-01T12:00:00Z".parse()?;
/// assert_eq!(time.0, 1_772_366_400);
/// assert_eq!(time.to_string(), "2026-03-01T12:00:00Z");
/// assert!("2026-02-30".parse::<Timestamp>().is_err());
/// # Ok::<(), leakprint::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The time of the system's clock.
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Self(since.map_or(0, |since| since.as_secs() as i64))
    }

    /// Parses the time at which an item is to expire, for
    /// [`Metadata::expires`](crate::collection::Metadata::expires). An item that has expired is never
    /// matched, and nothing else would show that.
    ///
    /// # Errors
    /// [`InvalidInput`](ErrorKind::InvalidInput) if it is no time, or not in the future.
    ///
    /// ```
    /// use leakprint::collection::Timestamp;
    ///
    /// assert!(Timestamp::parse_expiry("9999-12-31").is_ok());
    /// let error = Timestamp::parse_expiry("2001-01-01").unwrap_err();
    /// assert!(error.message().contains("is in the past"));
    /// ```
    pub fn parse_expiry(text: &str) -> Result<Self, Error> {
        let time: Self = text.parse()?;
        let now = Self::now();
        if time > now {
            return Ok(time);
        }
        let message = format!(
            "{time} is in the past, it is {now} now, so the item would never be matched: give a later time"
        );
        Err(Error::new(ErrorKind::InvalidInput, message))
    }
}

/// The civil date of a day since 1970 (Hinnant, "chrono-compatible low-level date
/// algorithms", 2013): year, month, day.
fn civil(day: i64) -> (i64, i64, i64) {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// The inverse of [`civil`].
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Clamped to the years that the calendar has.
        let seconds = self
            .0
            .clamp(days(0, 1, 1) * DAY, days(9999, 12, 31) * DAY + DAY - 1);
        let (year, month, day) = civil(seconds.div_euclid(DAY));
        let of_day = seconds.rem_euclid(DAY);
        let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
        )
    }
}

impl FromStr for Timestamp {
    type Err = Error;

    /// `2026-03-01`, `2026-03-01T12:00:00Z` or with an offset such as `+01:00`.
    fn from_str(text: &str) -> Result<Self, Error> {
        parse(text).ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidInput,
                format!("a time is written as 2026-03-01 or 2026-03-01T12:00:00Z, not {text:?}"),
            )
        })
    }
}

fn parse(text: &str) -> Option<Timestamp> {
    let number = |range: std::ops::Range<usize>, most: i64| {
        let digits = text.get(range)?;
        let plain = digits.bytes().all(|b| b.is_ascii_digit());
        digits.parse().ok().filter(|&n: &i64| plain && n <= most)
    };
    let sign = |at: usize, sign: &str| (text.get(at..at + 1)? == sign).then_some(());
    let (year, month, day) = (number(0..4, 9999)?, number(5..7, 12)?, number(8..10, 31)?);
    sign(4, "-")?;
    sign(7, "-")?;
    let date = days(year, month, day);
    if civil(date) != (year, month, day) {
        return None;
    }
    if text.len() == 10 {
        return Some(Timestamp(date * DAY));
    }
    sign(10, "T").or_else(|| sign(10, " "))?;
    sign(13, ":")?;
    sign(16, ":")?;
    let (hour, minute, second) = (
        number(11..13, 23)?,
        number(14..16, 59)?,
        number(17..19, 59)?,
    );
    let offset = match text.get(19..)? {
        "Z" => 0,
        rest if rest.len() == 6 => {
            sign(22, ":")?;
            let seconds = number(20..22, 23)? * 3600 + number(23..25, 59)? * 60;
            match rest.get(..1)? {
                "+" => seconds,
                "-" => -seconds,
                _ => return None,
            }
        }
        _ => return None,
    };
    Some(Timestamp(
        date * DAY + hour * 3600 + minute * 60 + second - offset,
    ))
}

crate::text_serde::serde_as_text!(Timestamp);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_four_centuries_comes_back() {
        let mut last = (1899, 12, 31);
        for day in days(1900, 1, 1)..days(2300, 1, 1) {
            let date = civil(day);
            assert!(date > last);
            assert_eq!(days(date.0, date.1, date.2), day);
            last = date;
            let time = Timestamp(day * DAY + 3_723);
            assert_eq!(time.to_string().parse::<Timestamp>().unwrap(), time);
        }
    }

    #[test]
    fn offsets_are_taken_off_and_nonsense_is_refused() {
        let time = |text: &str| text.parse::<Timestamp>();
        assert_eq!(time("1970-01-01").unwrap(), Timestamp(0));
        assert_eq!(time("1970-01-01T01:00:00+01:00").unwrap(), Timestamp(0));
        for wrong in [
            "",
            "1970",
            "1970-13-01",
            "1970-02-29",
            "1970-01-01T",
            "1970-01-01T25:00:00Z",
            "1970-01-01T00:00:00",
            "1970-01-01T00:00:00Zx",
            "+970-01-01",
            "1970-01-0é",
        ] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
        for far in [i64::MIN, i64::MAX] {
            assert!(!Timestamp(far).to_string().is_empty());
        }
    }
}
