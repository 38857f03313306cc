//! Canonical text: one spelling for each value, whatever database or type it came from.
//!
//! Two values are equal across a migration when their canonical texts are. The forms:
//!
//! | Values | Text |
//! |---|---|
//! | integers, decimals | no exponent, no leading zeros, no trailing zeros after the point, no negative zero: `-12.5`, `0`; `NaN`, `Infinity`, `-Infinity` |
//! | binary floating point | the shortest decimal that reads back as the same number of that width, in the form of decimals |
//! | booleans | `true`, `false` |
//! | dates | `2024-02-29`; before year 1 with a sign: `-0043-03-15` |
//! | times, timestamps | `10:00:00`, `2024-02-29T10:00:00.5`, with zone `2024-02-29T10:00:00.5Z`, always UTC; no trailing zeros |
//! | text | as it is |
//! | bytes | `\x` and lower-case hexadecimal |
//! | anything else | the database's own text output under fixed session settings |

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use std::fmt::Write as _;

/// Canonical text of one value, or `None` for NULL.
///
/// # Errors
/// The Arrow type, where no driver delivers it and it has no canonical form here.
#[expect(clippy::wildcard_enum_match_arm, reason = "drivers deliver the types named; Arrow has many more")]
pub fn canonical_text(array: &ArrayRef, row: usize) -> Result<Option<String>, DataType> {
    if array.is_null(row) {
        return Ok(None);
    }
    Ok(Some(match array.data_type() {
        DataType::Boolean => array.as_boolean().value(row).to_string(),
        DataType::Int8 => array.as_primitive::<Int8Type>().value(row).to_string(),
        DataType::Int16 => array.as_primitive::<Int16Type>().value(row).to_string(),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(row).to_string(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::UInt8 => array.as_primitive::<UInt8Type>().value(row).to_string(),
        DataType::UInt16 => array.as_primitive::<UInt16Type>().value(row).to_string(),
        DataType::UInt32 => array.as_primitive::<UInt32Type>().value(row).to_string(),
        DataType::UInt64 => array.as_primitive::<UInt64Type>().value(row).to_string(),
        DataType::Float32 => decimal(&plain_f32(array.as_primitive::<Float32Type>().value(row))),
        DataType::Float64 => decimal(&plain_f64(array.as_primitive::<Float64Type>().value(row))),
        DataType::Decimal128(_, _) => decimal(&array.as_primitive::<Decimal128Type>().value_as_string(row)),
        DataType::Decimal256(_, _) => decimal(&array.as_primitive::<Decimal256Type>().value_as_string(row)),
        DataType::Utf8 => array.as_string::<i32>().value(row).to_owned(),
        DataType::LargeUtf8 => array.as_string::<i64>().value(row).to_owned(),
        DataType::Utf8View => array.as_string_view().value(row).to_owned(),
        DataType::Binary => hexadecimal(array.as_binary::<i32>().value(row)),
        DataType::LargeBinary => hexadecimal(array.as_binary::<i64>().value(row)),
        DataType::Date32 => date(i64::from(array.as_primitive::<Date32Type>().value(row))),
        DataType::Time64(TimeUnit::Microsecond) => time(array.as_primitive::<Time64MicrosecondType>().value(row)),
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let mut text = timestamp(array.as_primitive::<TimestampMicrosecondType>().value(row));
            if zone.is_some() {
                text.push('Z');
            }
            text
        }
        other => return Err(other.clone()),
    }))
}

fn plain_f64(value: f64) -> String {
    if value.is_nan() {
        "NaN".into()
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity".into() } else { "-Infinity".into() }
    } else {
        format!("{value}")
    }
}

fn plain_f32(value: f32) -> String {
    if value.is_finite() { format!("{value}") } else { plain_f64(f64::from(value)) }
}

/// Canonical form of a decimal in plain or exponent notation; text that is no number stays as it is.
pub fn decimal(text: &str) -> String {
    decimal_parts(text).map_or_else(|| text.to_owned(), |parts| parts.to_string())
}

/// A decimal taken apart: sign, digits before the point and after it, both without superfluous zeros.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decimal {
    negative: bool,
    whole: String,
    fraction: String,
}

/// Reads a decimal (`-12.50`, `1e3`); `None` for text that is none. `NaN` and infinities are none.
pub fn decimal_parts(text: &str) -> Option<Decimal> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (rest, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) || exponent.abs() > 200_000 {
        return None;
    }
    let all = format!("{whole}{fraction}");
    let point = i64::try_from(whole.len()).ok()? + i64::from(exponent);
    let (whole, fraction) = if point <= 0 {
        (String::new(), format!("{}{all}", "0".repeat(usize::try_from(-point).ok()?)))
    } else {
        let point = usize::try_from(point).ok()?;
        match (all.get(..point), all.get(point..)) {
            (Some(whole), Some(fraction)) => (whole.to_owned(), fraction.to_owned()),
            _ => (format!("{all}{}", "0".repeat(point - all.len())), String::new()),
        }
    };
    let whole = whole.trim_start_matches('0').to_owned();
    let fraction = fraction.trim_end_matches('0').to_owned();
    let negative = negative && !(whole.is_empty() && fraction.is_empty());
    Some(Decimal { negative, whole, fraction })
}

impl Decimal {
    /// Number of digits after the point, superfluous zeros not counted.
    pub fn scale(&self) -> usize {
        self.fraction.len()
    }
    /// The same number cut (not rounded) to so many digits after the point.
    #[must_use]
    pub fn cut(&self, scale: usize) -> Self {
        let fraction = self.fraction.get(..scale).unwrap_or(&self.fraction).trim_end_matches('0').to_owned();
        let negative = self.negative && !(self.whole.is_empty() && fraction.is_empty());
        Self { negative, whole: self.whole.clone(), fraction }
    }
}

impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.negative {
            f.write_str("-")?;
        }
        f.write_str(if self.whole.is_empty() { "0" } else { &self.whole })?;
        if !self.fraction.is_empty() {
            write!(f, ".{}", self.fraction)?;
        }
        Ok(())
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        use std::cmp::Ordering;
        match (self.negative, other.negative) {
            (true, false) => return Ordering::Less,
            (false, true) => return Ordering::Greater,
            (true, true) | (false, false) => {}
        }
        let size = (self.whole.len().cmp(&other.whole.len()))
            .then_with(|| self.whole.cmp(&other.whole))
            .then_with(|| self.fraction.cmp(&other.fraction));
        if self.negative { size.reverse() } else { size }
    }
}

/// `\x` and lower-case hexadecimal.
pub fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 + 2 * bytes.len());
    text.push_str("\\x");
    for byte in bytes {
        // writing to a String cannot fail
        write!(text, "{byte:02x}").ok();
    }
    text
}

/// A date from days since 1970-01-01, proleptic Gregorian, any year.
pub fn date(days: i64) -> String {
    let (year, month, day) = civil(days);
    if year < 0 { format!("-{:04}-{month:02}-{day:02}", -year) } else { format!("{year:04}-{month:02}-{day:02}") }
}

/// Year, month and day from days since 1970-01-01, proleptic Gregorian, any year.
pub fn civil(days: i64) -> (i64, i64, i64) {
    // Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// A time of day from microseconds since midnight (`24:00:00` is one).
pub fn time(microseconds: i64) -> String {
    let seconds = microseconds.div_euclid(1_000_000);
    let fraction = microseconds.rem_euclid(1_000_000);
    let mut text = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if fraction != 0 {
        let digits = format!(".{fraction:06}");
        text.push_str(digits.trim_end_matches('0'));
    }
    text
}

/// A timestamp without zone from microseconds since 1970-01-01T00:00:00.
pub fn timestamp(microseconds: i64) -> String {
    const DAY: i64 = 86_400_000_000;
    format!("{}T{}", date(microseconds.div_euclid(DAY)), time(microseconds.rem_euclid(DAY)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_have_one_spelling() {
        for (given, expected) in [
            ("0", "0"),
            ("-0.00", "0"),
            ("+1.50", "1.5"),
            ("00012", "12"),
            (".5", "0.5"),
            ("1e3", "1000"),
            ("1.25e-4", "0.000125"),
            ("-12.5E1", "-125"),
            ("NaN", "NaN"),
            ("5.", "5"),
            ("abc", "abc"),
        ] {
            assert_eq!(decimal(given), expected, "{given}");
        }
    }

    #[test]
    fn decimals_are_ordered_as_numbers() {
        let sorted = ["-100", "-99.5", "-0.01", "0", "0.001", "0.01", "2", "10", "10.5", "100"];
        for pair in sorted.windows(2) {
            assert!(decimal_parts(pair[0]).unwrap() < decimal_parts(pair[1]).unwrap(), "{pair:?}");
        }
    }

    #[test]
    fn dates_and_times_are_spelled_in_full() {
        for (days, expected) in
            [(0, "1970-01-01"), (-1, "1969-12-31"), (19_782, "2024-02-29"), (-735_160, "-0043-03-15")]
        {
            assert_eq!(date(days), expected);
        }
        assert_eq!(timestamp(1_709_200_800_500_000), "2024-02-29T10:00:00.5");
        assert_eq!(timestamp(-1), "1969-12-31T23:59:59.999999");
        assert_eq!(time(86_400_000_000), "24:00:00");
    }

    #[test]
    fn floats_keep_their_width() {
        use arrow::array::{Float32Array, Float64Array};
        use std::sync::Arc;
        let narrow: ArrayRef = Arc::new(Float32Array::from(vec![0.1f32, 1e20]));
        let wide: ArrayRef = Arc::new(Float64Array::from(vec![0.1f64, 1e-7]));
        assert_eq!(canonical_text(&narrow, 0).unwrap().unwrap(), "0.1");
        assert_eq!(canonical_text(&wide, 0).unwrap().unwrap(), "0.1");
        assert_eq!(canonical_text(&wide, 1).unwrap().unwrap(), "0.0000001");
        assert_eq!(canonical_text(&narrow, 1).unwrap().unwrap(), "100000000000000000000");
    }
}
