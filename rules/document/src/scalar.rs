//! What a plain scalar is: YAML 1.2's core schema, with `_` between digits.

use crate::node::NodeKind;

/// The kind of a scalar without quotes.
pub(crate) fn plain(text: &str) -> NodeKind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return NodeKind::Null,
        "true" | "True" | "TRUE" => return NodeKind::Bool(true),
        "false" | "False" | "FALSE" => return NodeKind::Bool(false),
        _ => {}
    }
    number(text).unwrap_or_else(|| NodeKind::Text(text.to_owned()))
}

fn number(text: &str) -> Option<NodeKind> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let negative = text.starts_with('-');
    match unsigned {
        ".inf" | ".Inf" | ".INF" => {
            return Some(NodeKind::Float(if negative { f64::NEG_INFINITY } else { f64::INFINITY }));
        }
        ".nan" | ".NaN" | ".NAN" if unsigned.len() == text.len() => return Some(NodeKind::Float(f64::NAN)),
        _ => {}
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(digits) = text.strip_prefix(prefix) {
            return i128::from_str_radix(digits, radix)
                .ok()
                .filter(|_| !digits.starts_with(['+', '-']))
                .map(NodeKind::Integer);
        }
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let empty = |part: Option<&str>| part.is_none_or(str::is_empty);
    if (whole.is_empty() && empty(fraction)) || exponent == Some("") {
        return None;
    }
    if ![Some(whole), fraction, exponent].into_iter().flatten().all(|part| part.is_empty() || digits(part)) {
        return None;
    }
    let written = text.replace('_', "");
    if fraction.is_none()
        && exponent.is_none()
        && let Ok(integer) = written.parse()
    {
        return Some(NodeKind::Integer(integer));
    }
    written.parse().ok().map(NodeKind::Float)
}

/// Digits, single underscores between them.
fn digits(part: &str) -> bool {
    part.split('_').all(|group| !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_follow_the_core_schema() {
        use NodeKind::{Bool, Float, Integer, Null};
        let text = |text: &str| NodeKind::Text(text.to_owned());
        for (given, expected) in [
            ("", Null),
            ("~", Null),
            ("NULL", Null),
            ("true", Bool(true)),
            ("FALSE", Bool(false)),
            ("yes", text("yes")),
            ("no", text("no")),
            ("on", text("on")),
            ("0", Integer(0)),
            ("-12", Integer(-12)),
            ("+3", Integer(3)),
            ("007", Integer(7)),
            ("1_000", Integer(1000)),
            ("1__0", text("1__0")),
            ("_1", text("_1")),
            ("1_", text("1_")),
            ("0x1F", Integer(31)),
            ("0o17", Integer(15)),
            ("0x", text("0x")),
            ("0x+1", text("0x+1")),
            ("1.5", Float(1.5)),
            (".5", Float(0.5)),
            ("5.", Float(5.0)),
            ("1e3", Float(1000.0)),
            ("1e", text("1e")),
            (".", text(".")),
            ("-", text("-")),
            ("1_000.5", Float(1000.5)),
            ("0.1%", text("0.1%")),
            ("15m", text("15m")),
            ("2019-01-01", text("2019-01-01")),
            ("1.2.3", text("1.2.3")),
            ("-.inf", Float(f64::NEG_INFINITY)),
            ("99999999999999999999999999999999999999999", Float(1e41)),
            ("NaN", text("NaN")),
            ("e3", text("e3")),
        ] {
            assert_eq!(plain(given), expected, "{given}");
        }
    }
}
