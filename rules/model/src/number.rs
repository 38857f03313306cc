//! Numbers, spans of time and sizes as people read them: one wording for reports and pages.
//!
//! Groups of digits and units are joined by [`NARROW`], a space that does not break.

use chrono::{DateTime, TimeDelta, Utc};

/// NARROW NO-BREAK SPACE.
pub const NARROW: char = '\u{202f}';

/// A text for where every space is to be a plain one.
pub fn plain(text: &str) -> String {
    text.replace(NARROW, " ")
}

/// `200 000`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(NARROW);
        }
        text.push(digit);
    }
    text
}

/// A measured number with four significant digits at least, its whole part grouped: `4 812`, `12.34`, `0.001235`.
pub fn amount(value: f64) -> String {
    if !value.is_finite() {
        return "?".into();
    }
    let first = if value == 0.0 { 0 } else { decimal_exponent(value.abs(), 4) };
    if first > 15 {
        return format!("{value:.3e}");
    }
    let precision = usize::try_from((3 - first).clamp(0, 12)).unwrap_or(0);
    let text = format!("{:.precision$}", value.abs());
    let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
    let rest = rest.trim_end_matches('0');
    let grouped = count(whole.parse().unwrap_or(0));
    let sign = if value < 0.0 && (grouped != "0" || !rest.is_empty()) { "-" } else { "" };
    if rest.is_empty() { format!("{sign}{grouped}") } else { format!("{sign}{grouped}.{rest}") }
}

/// How many there are.
pub fn how_many<T>(items: impl IntoIterator<Item = T>) -> u64 {
    u64::try_from(items.into_iter().count()).unwrap_or(u64::MAX)
}

/// `1 rule`, `12 rules`.
pub fn plural(n: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(n), if n == 1 { "" } else { "s" })
}

/// A fraction as a percentage with two significant digits: `0.037 %`, `4.1 %`, `23 %`.
///
/// Never rounded to 0 % or to 100 %, which only exactly 0 and 1 are.
pub fn percent(fraction: f64) -> String {
    percent_digits(fraction, 2)
}

/// A bound that is over a limit, with as many digits as it takes to show that it is.
pub fn percent_over(fraction: f64, limit: f64) -> String {
    (2..=6)
        .map(|digits| percent_digits(fraction, digits))
        .find(|text| *text != percent_digits(limit, 6) && *text != percent(limit))
        .unwrap_or_else(|| percent_digits(fraction, 6))
}

fn percent_digits(fraction: f64, significant: i32) -> String {
    let percent = fraction * 100.0;
    if !percent.is_finite() {
        return "?".into();
    }
    // near 100 % it is what is missing that counts
    let counts = if percent > 99.0 && percent < 100.0 { 100.0 - percent } else { percent.abs() };
    let digits = if counts == 0.0 {
        0
    } else {
        let first = decimal_exponent(counts, significant);
        (significant - 1 - first).clamp(0, 12)
    };
    let precision = usize::try_from(digits).unwrap_or(0);
    let text = format!("{percent:.precision$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text.as_str() };
    format!("{text}{NARROW}%")
}

/// Exponent of the first digit after rounding to so many significant ones: 0.0999 is 0.10, whose first digit is tenths.
fn decimal_exponent(value: f64, significant: i32) -> i32 {
    let precision = usize::try_from(significant - 1).unwrap_or(0);
    let text = format!("{value:.precision$e}");
    text.split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or(0)
}

/// An estimate with its interval, in as many digits as tell the three apart: `0.94 % (0.63 % to 1.4 %)`, and
/// `96.1 % (95.7 % to 96.4 %)`. Where the bounds are the estimate itself, that alone. They are told from a limit too.
pub fn estimate(fraction: f64, [low, high]: [f64; 2], limit: Option<f64>) -> String {
    let spelled = |digits| [low, fraction, high].map(|value| percent_digits(value, digits));
    let from_limit = |value: f64, text: &str| {
        limit.is_none_or(|limit| value == limit || (text != percent(limit) && text != percent_digits(limit, 6)))
    };
    let apart = |[least, text, most]: &[String; 3]| {
        (low == fraction) == (least == text)
            && (fraction == high) == (text == most)
            && from_limit(low, least)
            && from_limit(high, most)
    };
    let [least, text, most] = (2..=6).map(spelled).find(apart).unwrap_or_else(|| spelled(6));
    if least == most { text } else { format!("{text} ({least} to {most})") }
}

/// `0.63 % to 1.4 %`.
pub fn interval(interval: [f64; 2]) -> String {
    let [low, high] = interval;
    format!("{} to {}", percent(low), percent(high))
}

/// A span of time: `12 ms`, `4.2 s`, `3 min 12 s`, `2 h 5 min`, `3 d 4 h`.
pub fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0);
    if seconds < 0.001 {
        return if seconds == 0.0 { format!("0{NARROW}s") } else { format!("under 1{NARROW}ms") };
    }
    if seconds < 0.9995 {
        return format!("{:.0}{NARROW}ms", seconds * 1000.0);
    }
    if seconds < 59.95 {
        let text = format!("{seconds:.1}");
        return format!("{}{NARROW}s", text.strip_suffix(".0").unwrap_or(&text));
    }
    let whole = whole(seconds);
    let (minute, hour, day) = (60, 3_600, 86_400);
    let (big, big_name, small, small_name) = if whole < hour {
        (whole / minute, "min", whole % minute, "s")
    } else if whole < day {
        (whole / hour, "h", whole % hour / minute, "min")
    } else {
        (whole / day, "d", whole % day / hour, "h")
    };
    if small == 0 {
        format!("{big}{NARROW}{big_name}")
    } else {
        format!("{big}{NARROW}{big_name} {small}{NARROW}{small_name}")
    }
}

/// The nearest whole number.
pub fn whole(value: f64) -> u64 {
    // a float cast saturates, and no number here comes near 2^64
    value.round() as u64
}

/// The time between two instants; `0 s` where the second is the earlier one.
pub fn between(from: DateTime<Utc>, to: DateTime<Utc>) -> String {
    duration(seconds(to - from))
}

/// A span in seconds.
pub fn seconds(delta: TimeDelta) -> f64 {
    delta.num_milliseconds() as f64 / 1000.0
}

/// `2026-03-14 09:26:53 UTC`.
pub fn instant(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// `1.4 MiB`.
pub fn bytes(n: u64) -> String {
    let mut value = n as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1023.5 {
            let text = if value < 9.95 && unit != "B" { format!("{value:.1}") } else { format!("{value:.0}") };
            return format!("{text}{NARROW}{unit}");
        }
        value /= 1024.0;
    }
    format!("{value:.1}{NARROW}TiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        text.replace(NARROW, " ")
    }

    #[test]
    fn counts_are_grouped() {
        for (n, text) in
            [(0, "0"), (999, "999"), (1000, "1 000"), (200_000, "200 000"), (u64::MAX, "18 446 744 073 709 551 615")]
        {
            assert_eq!(plain(&count(n)), text);
        }
    }

    #[test]
    fn amounts_have_four_significant_digits() {
        for (value, text) in [
            (4812.3, "4 812"),
            (-1_234_567.8, "-1 234 568"),
            (12.3444, "12.34"),
            (0.001_234_56, "0.001235"),
            (0.0, "0"),
            (100.0, "100"),
            (9999.96, "10 000"),
            (1e20, "1.000e20"),
            (f64::NAN, "?"),
        ] {
            assert_eq!(plain(&amount(value)), text, "{value}");
        }
    }

    #[test]
    fn percentages_have_two_significant_digits_and_never_lie() {
        for (fraction, text) in [
            (0.0, "0 %"),
            (0.000_368_8, "0.037 %"),
            (0.000_58, "0.058 %"),
            (0.001, "0.1 %"),
            (0.009_497, "0.95 %"),
            (0.009_99, "1 %"),
            (0.013_78, "1.4 %"),
            (0.2345, "23 %"),
            (0.992_1, "99.21 %"),
            (0.999_63, "99.963 %"),
            (1.0, "100 %"),
            (1e-9, "0.0000001 %"),
            (f64::NAN, "?"),
        ] {
            assert_eq!(plain(&percent(fraction)), text, "{fraction}");
        }
    }

    #[test]
    fn an_interval_is_told_from_its_estimate() {
        for (fraction, bounds, text) in [
            (0.0094, [0.0063, 0.0138], "0.94 % (0.63 % to 1.4 %)"),
            (0.9607, [0.9566, 0.9643], "96.1 % (95.7 % to 96.4 %)"),
            (0.5, [0.499_99, 0.500_01], "50 % (49.999 % to 50.001 %)"),
            (1.0, [0.999_63, 1.0], "100 % (99.963 % to 100 %)"),
            (0.25, [0.25, 0.25], "25 %"),
        ] {
            assert_eq!(plain(&estimate(fraction, bounds, None)), text);
        }
        let close = estimate(0.0094, [0.0063, 0.013_78], Some(0.0138));
        assert_eq!(plain(&close), "0.94 % (0.63 % to 1.378 %)", "and from its limit of 1.38 %, that is 1.4 %");
    }

    #[test]
    fn a_bound_over_its_limit_is_shown_over_it() {
        assert_eq!(plain(&percent_over(0.001_004, 0.001)), "0.1004 %");
        assert_eq!(plain(&percent_over(0.0041, 0.001)), "0.41 %");
        assert_eq!(plain(&percent_over(0.001_02, 0.001)), "0.102 %");
    }

    #[test]
    fn spans_and_sizes_are_human() {
        for (seconds, text) in [
            (0.0, "0 s"),
            (0.0004, "under 1 ms"),
            (0.012, "12 ms"),
            (4.2, "4.2 s"),
            (5.0, "5 s"),
            (59.99, "1 min"),
            (192.0, "3 min 12 s"),
            (7_500.0, "2 h 5 min"),
            (273_600.0, "3 d 4 h"),
        ] {
            assert_eq!(plain(&duration(seconds)), text, "{seconds}");
        }
        for (n, text) in [(0, "0 B"), (1023, "1023 B"), (1_468_006, "1.4 MiB"), (2_147_483_648, "2.0 GiB")] {
            assert_eq!(plain(&bytes(n)), text);
        }
    }
}
