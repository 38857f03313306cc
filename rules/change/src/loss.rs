//! What a value lost when it became another one.

use crate::cell::Kind;
use crate::{instant, number};
use fieldmark_model::canonical::decimal_parts;
use fieldmark_model::migration::LossKind;

/// What kind of loss makes `after` of `before`; both are canonical texts of different values.
pub(crate) fn loss(before: &str, after: &str, kinds: (Kind, Kind)) -> LossKind {
    let (old, new) = kinds;
    if old.is_temporal() || new.is_temporal() {
        return of_instants(before, after).unwrap_or(LossKind::Value);
    }
    if old == Kind::Time && new == Kind::Time {
        return of_times(before, after).unwrap_or(LossKind::Value);
    }
    if old.is_number() || new.is_number() {
        return of_numbers(before, after, kinds);
    }
    if old == Kind::Bytes && new == Kind::Bytes {
        return if before.starts_with(after) && after.len() > 2 { LossKind::Length } else { LossKind::Value };
    }
    of_texts(before, after)
}

fn of_instants(before: &str, after: &str) -> Option<LossKind> {
    let (one, other) = (instant::parse(before)?, instant::parse(after)?);
    if one.zone != other.zone && one.is_zone_apart(other) {
        return Some(LossKind::TimeZone);
    }
    one.is_cut_to(other).then_some(LossKind::Precision)
}

fn of_times(before: &str, after: &str) -> Option<LossKind> {
    let at = |text| Some(instant::Instant { microseconds: instant::time_of_day(text)?, zone: false });
    at(before)?.is_cut_to(at(after)?).then_some(LossKind::Precision)
}

fn of_numbers(before: &str, after: &str, (old, new): (Kind, Kind)) -> LossKind {
    let float = match new {
        Kind::Float32 => number::is_float_of(before, after, true),
        Kind::Float64 => old != Kind::Float64 && number::is_float_of(before, after, false),
        Kind::Boolean
        | Kind::Integer
        | Kind::Decimal
        | Kind::Text
        | Kind::PaddedText
        | Kind::Bytes
        | Kind::Date
        | Kind::Time
        | Kind::Timestamp
        | Kind::TimestampZone
        | Kind::Uuid
        | Kind::Json
        | Kind::Other => false,
    };
    let same = decimal_parts(before.trim()).is_some_and(|number| decimal_parts(after.trim()) == Some(number));
    if same {
        LossKind::Form
    } else if float || number::is_rounded(before.trim(), after.trim()) {
        LossKind::Precision
    } else {
        LossKind::Value
    }
}

fn of_texts(before: &str, after: &str) -> LossKind {
    if form(before) == form(after) {
        LossKind::Form
    } else if is_reencoded(before, after) {
        LossKind::Encoding
    } else if !after.is_empty() && before.starts_with(after) {
        LossKind::Length
    } else {
        LossKind::Value
    }
}

/// Without outer blanks, case and the leading zeros of a number of digits only.
fn form(text: &str) -> String {
    let text = text.trim().to_lowercase();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let digits = text.trim_start_matches('0');
        return if digits.is_empty() { "0".into() } else { digits.into() };
    }
    text
}

fn is_reencoded(before: &str, after: &str) -> bool {
    is_replaced(before, after) || is_misread(before, after) || is_misread(after, before)
}

/// The same characters but for some outside ASCII that became `?` or U+FFFD.
fn is_replaced(before: &str, after: &str) -> bool {
    let (mut one, mut other) = (before.chars(), after.chars());
    let mut replaced = false;
    loop {
        match (one.next(), other.next()) {
            (None, None) => return replaced,
            (Some(one), Some(other)) if one == other => {}
            (Some(one), Some('?' | '\u{fffd}')) if !one.is_ascii() => replaced = true,
            _ => return false,
        }
    }
}

/// Whether `wrong` is the UTF-8 of `right` read as Latin-1 or Windows-1252.
fn is_misread(right: &str, wrong: &str) -> bool {
    if right.is_ascii() {
        return false;
    }
    let mut read = wrong.chars();
    for byte in right.bytes() {
        match read.next() {
            Some(c) if c == char::from(byte) || Some(c) == windows_1252(byte) => {}
            Some(_) | None => return false,
        }
    }
    read.next().is_none()
}

/// The character of a byte in 0x80..=0x9f, where Windows-1252 differs from Latin-1.
fn windows_1252(byte: u8) -> Option<char> {
    const TABLE: &str = "€\u{81}‚ƒ„…†‡ˆ‰Š‹Œ\u{8d}Ž\u{8f}\u{90}‘’“”•–—˜™š›œ\u{9d}žŸ";
    TABLE.chars().nth(usize::from(byte.checked_sub(0x80)?))
}
