//! Dates and times as text: canonical ones, and those that databases write into text columns.

/// A point in time, or a date (its midnight), perhaps without a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Instant {
    /// Since 1970-01-01T00:00:00, in UTC where there is no zone.
    pub(crate) microseconds: i128,
    /// Whether the text states a zone.
    pub(crate) zone: bool,
}

const SECOND: i128 = 1_000_000;
const DAY: i128 = 86_400 * SECOND;

/// Reads `2024-02-29`, `2024-02-29T10:00:00.5Z`, `2024-02-29 10:00:00+02:30`; `None` for anything else.
pub(crate) fn parse(text: &str) -> Option<Instant> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (year, rest) = rest.split_once('-')?;
    let (month, rest) = rest.split_once('-')?;
    if year.len() < 4 || month.len() != 2 {
        return None;
    }
    let (day, rest) = rest.split_at_checked(2)?;
    let year = number(year)? * if negative { -1 } else { 1 };
    let date = days(year, number(month)?, number(day)?)? * DAY;
    if rest.is_empty() {
        return Some(Instant { microseconds: date, zone: false });
    }
    let rest = rest.strip_prefix(['T', ' '])?;
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != ':' && c != '.').unwrap_or(rest.len());
    let (time, zone) = rest.split_at_checked(end)?;
    let (zone, offset) = match zone.trim_start() {
        "" => (false, 0),
        "Z" | "z" | "UTC" => (true, 0),
        other => (true, offset(other)?),
    };
    Some(Instant { microseconds: date + time_of_day(time)? - offset, zone })
}

/// Microseconds since midnight of `10:00`, `10:00:00.5`.
pub(crate) fn time_of_day(text: &str) -> Option<i128> {
    let mut parts = text.splitn(3, ':');
    let (hours, minutes) = (two_digits(parts.next()?)?, two_digits(parts.next()?)?);
    let (seconds, fraction) = parts.next().map_or(("00", ""), |s| s.split_once('.').unwrap_or((s, "")));
    let seconds = two_digits(seconds)?;
    if hours > 24 || minutes > 59 || seconds > 60 || fraction.len() > 9 {
        return None;
    }
    let fraction = if fraction.is_empty() { 0 } else { number(&format!("{fraction:0<9}"))? / 1000 };
    Some(((hours * 60 + minutes) * 60 + seconds) * SECOND + fraction)
}

fn two_digits(text: &str) -> Option<i128> {
    if text.len() == 2 { number(text) } else { None }
}

fn offset(text: &str) -> Option<i128> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+')?),
    };
    let (hours, minutes) = rest.split_at_checked(2)?;
    let minutes = minutes.strip_prefix(':').unwrap_or(minutes);
    let minutes = if minutes.is_empty() { 0 } else { two_digits(minutes)? };
    Some(sign * (number(hours)? * 60 + minutes) * 60 * SECOND)
}

fn number(text: &str) -> Option<i128> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

/// Days since 1970-01-01 of a proleptic Gregorian date (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
pub(crate) fn days(year: i128, month: i128, day: i128) -> Option<i128> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || year.abs() > 1_000_000 {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

impl Instant {
    /// Whether `after` is this instant cut or rounded to fewer digits: of the second's fraction, seconds, minutes, the time of day.
    pub(crate) fn is_cut_to(self, after: Self) -> bool {
        let (from, to) = (self.microseconds, after.microseconds);
        let fractions = [10, 100, 1_000, 10_000, 100_000, SECOND];
        let rounded = fractions.iter().any(|unit| to % unit == 0 && 2 * (from - to).abs() <= *unit);
        let cut = |unit: &i128| from.div_euclid(*unit) * unit == to;
        from != to && (rounded || fractions.iter().chain(&[60 * SECOND, 3600 * SECOND, DAY]).any(cut))
    }

    /// Whether the two differ as two time zones do: by whole quarters of an hour, at most 26 hours.
    pub(crate) fn is_zone_apart(self, after: Self) -> bool {
        let apart = (self.microseconds - after.microseconds).abs();
        apart != 0 && apart <= 26 * 3600 * SECOND && apart % (900 * SECOND) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fieldmark_model::canonical::{date, timestamp};

    #[test]
    fn what_is_written_is_read() {
        for micros in [0_i64, -1, 1_709_200_800_500_000, -62_135_596_800_000_001, 253_402_300_799_999_999] {
            let text = timestamp(micros);
            assert_eq!(parse(&text), Some(Instant { microseconds: i128::from(micros), zone: false }), "{text}");
            let zoned = parse(&format!("{text}Z")).unwrap();
            assert!(zoned.zone && zoned.microseconds == i128::from(micros));
        }
        for days in [0_i64, -1, 19_782, -735_160] {
            assert_eq!(parse(&date(days)).unwrap().microseconds, i128::from(days) * DAY);
        }
        let of = |text| parse(text).unwrap().microseconds;
        assert_eq!(of("2024-02-29 12:30:00+02:30"), of("2024-02-29T10:00:00Z"));
        assert_eq!(of("2024-02-29 10:00:00-0130"), of("2024-02-29T11:30Z"));
        assert_eq!(of("2024-02-29 10:00:00+00"), of("2024-02-29T10:00:00Z"));
        for text in ["", "2024", "2024-2-29", "2024-13-01", "x-02-29", "2024-02-29T", "2024-02-29T10", "2024-02-29é"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
