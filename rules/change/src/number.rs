//! Numbers as text: whether one is the other with fewer digits.

use fieldmark_model::canonical::decimal_parts;

/// Whether `after` is `before` cut or rounded (half away from zero, or half to even) to fewer digits after the point.
pub(crate) fn is_rounded(before: &str, after: &str) -> bool {
    let (Some(before), Some(after)) = (decimal_parts(before), decimal_parts(after)) else {
        return false;
    };
    let scale = after.scale();
    if scale >= before.scale() {
        return false;
    }
    let cut = before.cut(scale);
    if cut == after {
        return true;
    }
    // signs are taken off the text, so that -0.6 (cut: 0) can round to -1
    let magnitude = |text: String| text.trim_start_matches('-').to_owned();
    let (from, to) = (before.to_string(), after.to_string());
    let next = magnitude(from.clone()).split_once('.').and_then(|(_, fraction)| fraction.chars().nth(scale));
    from.starts_with('-') == to.starts_with('-')
        && next.is_some_and(|digit| digit >= '5')
        && one_up(&magnitude(cut.to_string()), scale) == Some(digits(&magnitude(to), scale))
}

/// All digits of a plain decimal, without leading zeros, with so many after the point.
fn digits(text: &str, scale: usize) -> String {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}{fraction:0<scale$}").trim_start_matches('0').to_owned()
}

fn one_up(text: &str, scale: usize) -> Option<String> {
    let mut up = digits(text, scale).into_bytes();
    for digit in up.iter_mut().rev() {
        if *digit == b'9' {
            *digit = b'0';
        } else {
            *digit += 1;
            return String::from_utf8(up).ok();
        }
    }
    up.insert(0, b'1');
    String::from_utf8(up).ok()
}

/// Whether binary floating point of fewer bits than the number needs gives `after` for `before`.
pub(crate) fn is_float_of(before: &str, after: &str, single: bool) -> bool {
    if single {
        matches!((before.parse::<f32>(), after.parse::<f32>()), (Ok(b), Ok(a)) if b == a)
    } else {
        matches!((before.parse::<f64>(), after.parse::<f64>()), (Ok(b), Ok(a)) if b == a)
    }
}

/// Whether a single-precision number and a double-precision one are the same number.
pub(crate) fn is_widened(single: &str, double: &str) -> bool {
    matches!((single.parse::<f32>(), double.parse::<f64>()), (Ok(s), Ok(d)) if f64::from(s) == d)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_digits_are_recognised() {
        for (before, after) in [
            ("1.55", "1.5"),
            ("1.55", "1.6"),
            ("-1.55", "-1.6"),
            ("1.996", "2"),
            ("9.996", "10"),
            ("0.6", "1"),
            ("-0.6", "-1"),
            ("1.4951", "1.5"),
            ("0.004", "0"),
            ("99.5", "100"),
            ("12.7", "12"),
            ("1.065", "1.06"),
        ] {
            assert!(is_rounded(before, after), "{before} {after}");
        }
        for (before, after) in
            [("1.55", "1.7"), ("1.5", "1.55"), ("1.4", "2"), ("12", "1"), ("0.6", "-1"), ("x", "1"), ("1.5", "15")]
        {
            assert!(!is_rounded(before, after), "{before} {after}");
        }
    }

    #[test]
    fn floats_lose_what_they_lose() {
        assert!(is_float_of("123456789.12", "123456790", true));
        assert!(!is_float_of("123456789.12", "123456999", true));
        assert!(is_float_of("0.1000000000000000000001", "0.1", false));
        assert!(is_widened("0.1", "0.10000000149011612") && !is_widened("0.1", "0.1"));
    }
}
