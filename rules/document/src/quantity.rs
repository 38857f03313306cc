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
