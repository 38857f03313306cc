//! Round numbers with room: what people would write.

use std::time::Duration;

/// The least of 1, 2, 5, 10, 20, 50, … that is not below; 0 for 0.
pub(crate) fn above(value: f64) -> f64 {
    if value <= 0.0 || !value.is_finite() {
        return 0.0;
    }
    let power = 10f64.powf(value.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().find(|step| step * power >= value * (1.0 - 1e-9));
    step.unwrap_or(10.0) * power
}

/// The greatest of 1, 2, 5, 10, … that is not above; 0 for 0.
pub(crate) fn below(value: f64) -> f64 {
    if value <= 0.0 || !value.is_finite() {
        return 0.0;
    }
    let power = 10f64.powf(value.log10().floor());
    let step = [5.0, 2.0, 1.0].into_iter().find(|step| step * power <= value * (1.0 + 1e-9));
    step.unwrap_or(1.0) * power
}

/// A number without an exponent.
pub(crate) fn spelled(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e18 {
        return format!("{value:.0}");
    }
    let text = format!("{value:.9}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The least of some durations that is not below, as rule files write it.
pub(crate) fn duration(at_least: Duration) -> String {
    const STEPS: [(u64, &str); 14] = [
        (60, "1m"),
        (300, "5m"),
        (900, "15m"),
        (3_600, "1h"),
        (7_200, "2h"),
        (21_600, "6h"),
        (43_200, "12h"),
        (86_400, "1d"),
        (172_800, "2d"),
        (604_800, "1w"),
        (1_209_600, "2w"),
        (2_592_000, "30d"),
        (7_776_000, "90d"),
        (31_536_000, "365d"),
    ];
    let found = STEPS.iter().find(|(seconds, _)| *seconds >= at_least.as_secs());
    found.map_or_else(|| format!("{}d", at_least.as_secs() / 86_400 + 1), |(_, text)| (*text).to_owned())
}

/// `10 000`, with ordinary spaces.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_numbers_have_room() {
        for (value, up, down) in [
            (0.0, 0.0, 0.0),
            (1.0, 1.0, 1.0),
            (1.1, 2.0, 1.0),
            (7.0, 10.0, 5.0),
            (420.0, 500.0, 200.0),
            (0.03, 0.05, 0.02),
        ] {
            assert!((above(value) - up).abs() < 1e-9 && (below(value) - down).abs() < 1e-9, "{value}");
        }
        assert_eq!([spelled(100_000.0), spelled(0.05), spelled(2.5)], ["100000", "0.05", "2.5"]);
        assert_eq!([duration(Duration::from_secs(61)), duration(Duration::from_secs(90_000))], ["5m", "2d"]);
        assert_eq!(count(1_234_567), "1 234 567");
    }
}
