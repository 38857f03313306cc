//! Numbers in sentences.

/// `10 000`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// `1 row`, `10 000 rows`.
pub(crate) fn rows(number: u64) -> String {
    format!("{} {}", count(number), if number == 1 { "row" } else { "rows" })
}

/// A fraction as `0.037 %`, two significant digits, rounded up where it is a bound from above.
pub(crate) fn percent_at_most(fraction: f64) -> String {
    let percent = 100.0 * fraction.clamp(0.0, 1.0);
    if percent <= 0.0 {
        return "0 %".into();
    }
    let digits = (1.0 - percent.log10().floor()).clamp(0.0, 6.0);
    let unit = 10_f64.powf(digits);
    let places = digits as usize;
    format!("{:.places$} %", ((percent * unit) - 1e-9).ceil() / unit)
}

/// A number of rows that is no whole one.
pub(crate) fn about(number: f64) -> String {
    if number < 10.0 { format!("{number:.1}") } else { count(number.round() as u64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            (count(0), count(999), count(10_000), count(1_234_567)),
            ("0".into(), "999".into(), "10 000".into(), "1 234 567".into())
        );
        assert_eq!(percent_at_most(0.000_368_8), "0.037 %");
        assert_eq!(percent_at_most(0.5), "50 %");
        assert_eq!(percent_at_most(0.001), "0.10 %");
        assert_eq!((rows(1), about(0.25)), ("1 row".into(), "0.2".into()));
    }
}
