//! Quantities with a unit: fractions, durations, bytes.

use std::time::Duration;

/// `0.1%` or `0.001`, from 0 to 1. The percentage is moved by two places before it becomes binary, so `0.1%` is `0.001`.
pub fn fraction_of(text: &str) -> Option<f64> {
    ratio_of(text).filter(|fraction| *fraction <= 1.0)
}

/// Like [`fraction_of`], without the upper limit: `300%` is `3`.
pub fn ratio_of(text: &str) -> Option<f64> {
    let (number, exponent) = match text.strip_suffix('%') {
        Some(number) => (number.trim_end(), "e-2"),
        None => (text, ""),
    };
    let plain = !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        && number.bytes().any(|byte| byte.is_ascii_digit());
    let scientific = exponent.is_empty() && number.starts_with(|c: char| c.is_ascii_digit());
    if !plain && !scientific {
        return None;
    }
    let fraction: f64 = format!("{number}{exponent}").parse().ok()?;
    (fraction.is_finite() && fraction >= 0.0).then_some(fraction)
}

/// `50ms`, `15m`, `24h`, `14d`, `2w`, or several from large to small (`1h30m`).
pub fn duration_of(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut last = u64::MAX;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at_checked(digits)?;
        let letters = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(letters)?;
        let milliseconds: u64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 604_800_000,
            _ => return None,
        };
        if milliseconds >= last {
            return None;
        }
        last = milliseconds;
        let number: u64 = number.parse().ok()?;
        total = total.checked_add(Duration::from_millis(number.checked_mul(milliseconds)?))?;
        rest = after;
    }
    (last != u64::MAX).then_some(total)
}

/// What a text means that is nearly a fraction, in the spelling that is read: `0.1%` of `0,1 percent`, `5%` of `5`.
pub fn nearest_ratio(text: &str) -> Option<String> {
    let text = text.trim();
    let units = ["%", "percent", "per cent", "pct"];
    let percent = units.into_iter().find_map(|unit| text.strip_suffix(unit));
    let number = percent.map_or(text, str::trim_end).replace(',', ".");
    // nobody writes 5 for 500 percent
    let spelled = if percent.is_some() || ratio_of(&number)? > 1.0 { format!("{number}%") } else { number };
    (spelled != text && ratio_of(&spelled).is_some()).then_some(spelled)
}

/// What a text means that is nearly a duration, in the spelling that is read: `5s` of `5 sec`, `1h30m` of `30m1h`. Of a number alone
/// nobody knows.
pub fn nearest_duration(text: &str) -> Option<String> {
    const UNITS: [(&str, &[&str]); 6] = [
        ("w", &["week", "weeks"]),
        ("d", &["day", "days"]),
        ("h", &["hr", "hrs", "hour", "hours"]),
        ("m", &["min", "mins", "minute", "minutes"]),
        ("s", &["sec", "secs", "second", "seconds"]),
        ("ms", &["msec", "millis", "millisecond", "milliseconds"]),
    ];
    let mut rest = text.trim();
    let mut parts: Vec<(usize, String)> = Vec::new();
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at_checked(digits)?;
        let after = after.trim_start();
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (word, after) = after.split_at_checked(letters)?;
        // `M` may be months
        let lower = if word.len() > 1 { word.to_ascii_lowercase() } else { word.to_owned() };
        let at = UNITS.iter().position(|(unit, words)| *unit == lower || words.contains(&lower.as_str()))?;
        let (unit, _) = UNITS.get(at)?;
        parts.push((at, format!("{number}{unit}")));
        rest = after.trim_start();
    }
    parts.sort();
    let spelled: String = parts.into_iter().map(|(_, part)| part).collect();
    (spelled != text && duration_of(&spelled).is_some()).then_some(spelled)
}

/// `2GiB`, `500MB`, `4096` (bytes).
pub fn bytes_of(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let factor: u64 = match unit.trim_start() {
        "" | "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return None,
    };
    number.replace('_', "").parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions() {
        for (text, expected) in [
            ("0.1%", Some(0.001)),
            ("5%", Some(0.05)),
            ("100%", Some(1.0)),
            ("0", Some(0.0)),
            ("0.001", Some(0.001)),
            ("1", Some(1.0)),
            ("1e-3", Some(0.001)),
            (".5%", Some(0.005)),
            ("101%", None),
            ("-1%", None),
            ("1.1", None),
            ("", None),
            ("%", None),
            (".", None),
            ("0,1%", None),
            ("nan", None),
            ("1 %", Some(0.01)),
            ("inf", None),
        ] {
            assert_eq!(fraction_of(text), expected, "{text}");
        }
    }

    #[test]
    fn durations() {
        for (text, expected) in [
            ("15m", Some(900_000)),
            ("24h", Some(86_400_000)),
            ("50ms", Some(50)),
            ("14d", Some(1_209_600_000)),
            ("1h30m", Some(5_400_000)),
            ("0s", Some(0)),
            ("2w", Some(1_209_600_000)),
            ("15", None),
            ("m", None),
            ("15 m", None),
            ("1m1h", None),
            ("1.5h", None),
            ("", None),
            ("-1s", None),
            ("99999999999999999999s", None),
            ("18446744073709551615w", None),
            ("15min", None),
        ] {
            assert_eq!(duration_of(text), expected.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn what_is_nearly_a_quantity_is_understood() {
        for (text, expected) in [
            ("0,1%", Some("0.1%")),
            ("0,1 percent", Some("0.1%")),
            ("1 percent", Some("1%")),
            ("5", Some("5%")),
            ("1.5", Some("1.5%")),
            ("0,001", Some("0.001")),
            ("101%", None),
            ("1%", None),
            ("-1%", None),
            ("half", None),
            (".nan", None),
            ("percent", None),
            ("", None),
        ] {
            assert_eq!(nearest_ratio(text).as_deref(), expected, "{text}");
        }
        for (text, expected) in [
            ("5 s", Some("5s")),
            ("5sec", Some("5s")),
            ("15min", Some("15m")),
            ("14 days", Some("14d")),
            ("1 Hour 30 Minutes", Some("1h30m")),
            ("30m1h", Some("1h30m")),
            ("500 milliseconds", Some("500ms")),
            ("5", None),
            ("1M", None),
            ("1y", None),
            ("1.5h", None),
            ("-5s", None),
            ("daily", None),
            ("5s", None),
            ("1h1h", None),
            ("99999999999999999999s ", None),
            ("", None),
        ] {
            assert_eq!(nearest_duration(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, expected) in [
            ("2GiB", Some(2_147_483_648)),
            ("1 MiB", Some(1_048_576)),
            ("500MB", Some(500_000_000)),
            ("4096", Some(4096)),
            ("1_000", Some(1000)),
            ("2gib", None),
            ("", None),
            ("GiB", None),
            ("-1", None),
            ("18446744073709551615TiB", None),
        ] {
            assert_eq!(bytes_of(text), expected, "{text}");
        }
    }
}
