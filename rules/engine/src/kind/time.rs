//! Dates and timestamps as people and databases write them.

use chrono::NaiveDate;

/// A point in time, read from text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment {
    /// Nanoseconds since 1970-01-01T00:00:00 UTC. Text without a zone is taken as UTC, a date as its midnight.
    pub nanoseconds: i128,
    /// Whether a time of day was written.
    pub has_time: bool,
}

pub(super) const DAY: i128 = 86_400_000_000_000;

/// Reads `2019-01-01`, `2019-01-01 00:00`, `2019-01-01T00:00:00.5Z`, `2019-01-01 00:00:00+02:00`; years may have a sign and up
/// to six digits. `None` for anything else, days that the calendar lacks among it.
pub fn read_moment(text: &str) -> Option<Moment> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (year, rest) = number(rest, 4..=6)?;
    let (month, rest) = number(rest.strip_prefix('-')?, 2..=2)?;
    let (day, rest) = number(rest.strip_prefix('-')?, 2..=2)?;
    let year = if negative { -i32::try_from(year).ok()? } else { i32::try_from(year).ok()? };
    let date = NaiveDate::from_ymd_opt(year, month, day)?;
    let midnight = i128::from(date.signed_duration_since(NaiveDate::from_ymd_opt(1970, 1, 1)?).num_days()) * DAY;
    if rest.is_empty() {
        return Some(Moment { nanoseconds: midnight, has_time: false });
    }
    let (hour, rest) = number(rest.strip_prefix([' ', 'T', 't'])?, 2..=2)?;
    let (minute, rest) = number(rest.strip_prefix(':')?, 2..=2)?;
    let (second, rest) = match rest.strip_prefix(':') {
        Some(rest) => number(rest, 2..=2)?,
        None => (0, rest),
    };
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => {
            let (fraction, after) = number(rest, 1..=9)?;
            let digits = u32::try_from(rest.len() - after.len()).ok()?;
            (i128::from(fraction) * 10i128.pow(9 - digits), after)
        }
        None => (0, rest),
    };
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = i128::from(hour * 3600 + minute * 60 + second) - offset(rest)?;
    Some(Moment { nanoseconds: midnight + seconds * 1_000_000_000 + fraction, has_time: true })
}

/// Seconds east of UTC; 0 where no zone is written.
fn offset(text: &str) -> Option<i128> {
    let text = text.strip_prefix(' ').unwrap_or(text);
    if matches!(text, "" | "Z" | "z" | "UTC") {
        return Some(0);
    }
    let (sign, rest) = match (text.strip_prefix('+'), text.strip_prefix('-')) {
        (Some(rest), _) => (1, rest),
        (None, Some(rest)) => (-1, rest),
        (None, None) => return None,
    };
    let (hours, rest) = number(rest, 2..=2)?;
    let minutes = match rest {
        "" => 0,
        _ => {
            let (minutes, rest) = number(rest.strip_prefix(':').unwrap_or(rest), 2..=2)?;
            if !rest.is_empty() {
                return None;
            }
            minutes
        }
    };
    (hours <= 15 && minutes <= 59).then(|| sign * i128::from(hours * 3600 + minutes * 60))
}

fn number(text: &str, digits: std::ops::RangeInclusive<usize>) -> Option<(u32, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()).min(*digits.end());
    let (number, rest) = text.split_at_checked(end)?;
    (end >= *digits.start()).then_some(())?;
    Some((number.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_written() {
        const SECOND: i128 = 1_000_000_000;
        for (text, expected) in [
            ("1970-01-01", Some((0, false))),
            ("1970-01-02", Some((DAY, false))),
            ("1969-12-31T23:59:59.5", Some((-SECOND / 2, true))),
            ("1970-01-01 00:00", Some((0, true))),
            ("1970-01-01 00:00:01+00", Some((SECOND, true))),
            ("1970-01-01T02:00:00+02:00", Some((0, true))),
            ("1970-01-01T02:00:00+0200", Some((0, true))),
            ("1970-01-01 00:00:00 UTC", Some((0, true))),
            ("1970-01-01 00:00:00.000000001Z", Some((1, true))),
            ("1969-12-31 22:30:00-01:30", Some((0, true))),
            ("-0043-03-15", Some((-735_160 * DAY, false))),
            ("2024-02-30", None),
            ("2024-2-3", None),
            ("1970-01-01T", None),
            ("1970-01-01 24:00:00", None),
            ("1970-01-01 00:00:00+", None),
            ("1970-01-01 00:00:00 CET", None),
            ("1970-01-01 00:00:00.", None),
            ("19700101", None),
            ("infinity", None),
            ("", None),
            ("2024-02-29x", None),
        ] {
            let read = read_moment(text).map(|moment| (moment.nanoseconds, moment.has_time));
            assert_eq!(read, expected, "{text}");
        }
    }
}
