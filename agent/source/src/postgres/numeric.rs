//! PostgreSQL's binary `numeric` (numeric.c, `numeric_send`): digits of base 10 000, a weight, a sign.

use super::copy::Malformed;
use fieldmark_model::canonical::decimal_parts;
use std::fmt::Write as _;

/// One number, or one of the three values that are none.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Numeric {
    Finite {
        negative: bool,
        /// The first digit counts `10000^weight`.
        weight: i16,
        /// Digits of base 10 000, each below it.
        digits: Vec<u16>,
    },
    /// `NaN`, `Infinity`, `-Infinity`.
    Special(&'static str),
}

impl Numeric {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut words = bytes.chunks(2).map(|word| match word {
            [high, low] => Ok(u16::from_be_bytes([*high, *low])),
            _ => Err(Malformed("a numeric of an odd number of bytes")),
        });
        let mut header = || words.next().unwrap_or(Err(Malformed("a numeric without header")));
        let (count, weight, sign, _display_scale) = (header()?, header()?.cast_signed(), header()?, header()?);
        let negative = match sign {
            0x0000 => false,
            0x4000 => true,
            0xC000 => return Ok(Self::Special("NaN")),
            0xD000 => return Ok(Self::Special("Infinity")),
            0xF000 => return Ok(Self::Special("-Infinity")),
            _ => return Err(Malformed("a numeric of unknown sign")),
        };
        let digits = words.collect::<Result<Vec<_>, _>>()?;
        if digits.len() != usize::from(count) || digits.iter().any(|digit| *digit > 9999) {
            return Err(Malformed("a numeric with wrong digits"));
        }
        Ok(Self::Finite { negative, weight, digits })
    }

    /// Canonical text.
    pub(super) fn canonical(&self) -> String {
        let (negative, weight, digits) = match self {
            Self::Special(text) => return (*text).to_owned(),
            Self::Finite { negative, weight, digits } => (*negative, i32::from(*weight), digits),
        };
        let mut text = String::with_capacity(digits.len() * 4 + 8);
        if negative {
            text.push('-');
        }
        // writing to a String cannot fail
        let put = |text: &mut String, digit: u16| write!(text, "{digit:04}").ok();
        if weight < 0 {
            text.push('0');
        }
        for at in 0..=weight {
            put(&mut text, usize::try_from(at).ok().and_then(|at| digits.get(at)).copied().unwrap_or(0));
        }
        text.push('.');
        for _ in weight.min(-1)..-1 {
            put(&mut text, 0);
        }
        for digit in digits.iter().skip(usize::try_from(weight + 1).unwrap_or(0)) {
            put(&mut text, *digit);
        }
        decimal_parts(&text).map_or(text, |parts| parts.to_string())
    }

    /// The number times `10^scale`, where that is whole and has at most `precision` digits. The common case of few digits.
    pub(super) fn scaled(&self, precision: u8, scale: i8) -> Option<i128> {
        let Self::Finite { negative, weight, digits } = self else { return None };
        let mut value: i128 = 0;
        for digit in digits {
            value = value.checked_mul(10_000)?.checked_add(i128::from(*digit))?;
        }
        let exponent = 4 * (i32::from(*weight) + 1 - i32::try_from(digits.len()).ok()?) + i32::from(scale);
        if value != 0 {
            let power = 10i128.checked_pow(exponent.unsigned_abs())?;
            value = if exponent >= 0 {
                value.checked_mul(power)?
            } else if value % power == 0 {
                value / power
            } else {
                return None;
            };
        }
        let limit = 10i128.checked_pow(u32::from(precision))?;
        (value < limit).then_some(if *negative { -value } else { value })
    }

    /// As [`Numeric::scaled`], as text of any length: sign and digits of a whole number.
    pub(super) fn scaled_text(&self, precision: u8, scale: i8) -> Option<String> {
        if matches!(self, Self::Special(_)) {
            return None;
        }
        let scale = usize::try_from(scale).ok()?;
        let text = self.canonical();
        let (sign, number) = text.strip_prefix('-').map_or(("", text.as_str()), |number| ("-", number));
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let zeros = scale.checked_sub(fraction.len())?;
        let digits = format!("{whole}{fraction}{}", "0".repeat(zeros));
        let digits = digits.trim_start_matches('0');
        (digits.len() <= usize::from(precision))
            .then(|| format!("{sign}{}", if digits.is_empty() { "0" } else { digits }))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What `numeric_send` writes for a canonical decimal.
    pub(crate) fn encode(text: &str) -> Vec<u8> {
        let (negative, number) = text.strip_prefix('-').map_or((false, text), |number| (true, number));
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let whole = format!("{}{whole}", "0".repeat((4 - whole.len() % 4) % 4));
        let fraction = format!("{fraction}{}", "0".repeat((4 - fraction.len() % 4) % 4));
        let mut digits: Vec<u16> = format!("{whole}{fraction}")
            .as_bytes()
            .chunks(4)
            .map(|four| std::str::from_utf8(four).unwrap().parse().unwrap())
            .collect();
        let mut weight = whole.len() as i16 / 4 - 1;
        while digits.first() == Some(&0) {
            digits.remove(0);
            weight -= 1;
        }
        while digits.last() == Some(&0) {
            digits.pop();
        }
        let mut bytes = (digits.len() as u16).to_be_bytes().to_vec();
        bytes.extend(if digits.is_empty() { 0 } else { weight }.to_be_bytes());
        bytes.extend(if negative { 0x4000u16 } else { 0 }.to_be_bytes());
        bytes.extend([0, 0]);
        digits.iter().for_each(|digit| bytes.extend(digit.to_be_bytes()));
        bytes
    }

    #[test]
    fn numbers_are_spelled_and_scaled() {
        for (text, scaled) in [
            ("0", Some(0)),
            ("1", Some(100)),
            ("-12.5", Some(-1250)),
            ("10000", Some(1_000_000)),
            ("0.01", Some(1)),
            ("0.001", None),
            ("99999999.99", Some(9_999_999_999)),
            ("100000000", None),
            ("0.00001", None),
        ] {
            let number = Numeric::read(&encode(text)).unwrap();
            assert_eq!(number.canonical(), text);
            assert_eq!(number.scaled(10, 2), scaled, "{text}");
            assert_eq!(number.scaled_text(10, 2), scaled.map(|value: i128| value.to_string()), "{text}");
        }
        let special = [0, 0, 0, 0, 0xC0, 0, 0, 0];
        assert_eq!(Numeric::read(&special).unwrap().canonical(), "NaN");
    }

    proptest! {
        #[test]
        fn every_decimal_comes_back(text in "-?(0|[1-9][0-9]{0,60})(\\.[0-9]{0,60}[1-9])?") {
            prop_assume!(text != "-0");
            let number = Numeric::read(&encode(&text)).unwrap();
            prop_assert_eq!(number.canonical(), text);
            prop_assert_eq!(number.scaled(38, 10).map(|value| value.to_string()), number.scaled_text(38, 10).filter(|text| text.len() < 36 || number.scaled(38, 10).is_some()));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(number) = Numeric::read(&bytes) {
                number.canonical();
                number.scaled(38, 38);
                number.scaled_text(76, 76);
            }
        }
    }
}
