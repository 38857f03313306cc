//! A value as a rule file writes it, and what it is in a column's type.

use super::Refusal;
use super::column::{Family, Subject};
use super::sentence::quote_text;
use super::time::{DAY, read_moment};
use arrow::datatypes::{DataType, TimeUnit, i256};
use datafusion_common::ScalarValue;
use fieldmark_document::{Node, NodeKind, Place, Placed, Problem, Problems, shown};
use fieldmark_model::canonical::{Decimal, decimal, decimal_parts};

/// A value as written.
#[derive(Clone, Debug)]
pub(super) struct Literal {
    /// As it was written, without quotes.
    pub(super) spelling: String,
    /// A number or boolean without quotes.
    bare: Option<String>,
    pub(super) place: Place,
}

impl Literal {
    /// Reads a scalar; a problem for null, lists and mappings.
    pub(super) fn read(node: &Node, key: &str, problems: &mut Problems) -> Option<Self> {
        let bare = match &node.kind {
            NodeKind::Text(_) => None,
            NodeKind::Integer(_) | NodeKind::Float(_) => node.number_text(),
            NodeKind::Bool(value) => Some(value.to_string()),
            NodeKind::Null => {
                let problem = node
                    .wrong(key, "a value")
                    .help("NULL is no value: a row with NULL is unknown; see `nulls` and `not_null`");
                problems.push(problem);
                return None;
            }
            NodeKind::List(_) | NodeKind::Map(_) => {
                problems.push(node.wrong(key, "a value").allowed("a text, number or boolean"));
                return None;
            }
        };
        Some(Self { spelling: node.spelling.clone(), bare, place: node.place.clone() })
    }

    /// As SQL: numbers and booleans as they are, everything else in quotes, which databases read as the column's type.
    pub(super) fn sql(&self) -> String {
        self.bare.clone().unwrap_or_else(|| quote_text(&self.spelling))
    }

    /// One spelling for the fingerprint: quotes alone do not change the meaning.
    pub(super) fn meaning(&self) -> &str {
        &self.spelling
    }

    /// The exact number, whether in quotes or not.
    pub(super) fn number(&self) -> Option<Decimal> {
        decimal_parts(self.bare.as_deref().unwrap_or(&self.spelling))
    }

    /// The value in the column's type, as it has to be equal to; a refusal for one that the type does not have.
    pub(super) fn equal_to(&self, subject: &Subject) -> Result<ScalarValue, Refusal> {
        self.typed(subject).ok_or_else(|| {
            let reason = format!("{} cannot be a value of it", shown(&self.spelling));
            subject.refuse(&reason)
        })
    }

    fn typed(&self, subject: &Subject) -> Option<ScalarValue> {
        match subject.family {
            Family::Text => text_value(&subject.data_type, self.spelling.clone()),
            Family::NumberAsText => {
                let canonical = match float(&self.spelling) {
                    Some(value) if value.is_nan() => "NaN".to_owned(),
                    Some(value) if value.is_infinite() && self.number().is_none() => {
                        if value > 0.0 {
                            "Infinity".to_owned()
                        } else {
                            "-Infinity".to_owned()
                        }
                    }
                    _ => decimal(&self.number()?.to_string()),
                };
                text_value(&subject.data_type, canonical)
            }
            Family::OtherAsText => text_value(&subject.data_type, self.spelling.clone()),
            Family::Boolean => match self.spelling.to_ascii_lowercase().as_str() {
                "true" => Some(ScalarValue::Boolean(Some(true))),
                "false" => Some(ScalarValue::Boolean(Some(false))),
                _ => None,
            },
            Family::Integer => integer_value(&subject.data_type, whole(&self.number()?, 0)?.to_i128()?),
            Family::Float => {
                match (&subject.data_type, float(&self.spelling).or_else(|| float(self.bare.as_deref()?))?) {
                    (DataType::Float32, value) => Some(ScalarValue::Float32(Some(narrow(&self.spelling, value)))),
                    (_, value) => Some(ScalarValue::Float64(Some(value))),
                }
            }
            Family::Decimal => decimal_value(&subject.data_type, &self.number()?),
            Family::Date | Family::Timestamp => time_value(&subject.data_type, &self.spelling),
            Family::Other => None,
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "arrow's enum: no other type comes here")]
fn text_value(data_type: &DataType, text: String) -> Option<ScalarValue> {
    match data_type {
        DataType::Utf8 => Some(ScalarValue::Utf8(Some(text))),
        DataType::LargeUtf8 => Some(ScalarValue::LargeUtf8(Some(text))),
        DataType::Utf8View => Some(ScalarValue::Utf8View(Some(text))),
        _ => None,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "arrow's enum: no other type comes here")]
fn integer_value(data_type: &DataType, value: i128) -> Option<ScalarValue> {
    match data_type {
        DataType::Int8 => Some(ScalarValue::Int8(Some(value.try_into().ok()?))),
        DataType::Int16 => Some(ScalarValue::Int16(Some(value.try_into().ok()?))),
        DataType::Int32 => Some(ScalarValue::Int32(Some(value.try_into().ok()?))),
        DataType::Int64 => Some(ScalarValue::Int64(Some(value.try_into().ok()?))),
        DataType::UInt8 => Some(ScalarValue::UInt8(Some(value.try_into().ok()?))),
        DataType::UInt16 => Some(ScalarValue::UInt16(Some(value.try_into().ok()?))),
        DataType::UInt32 => Some(ScalarValue::UInt32(Some(value.try_into().ok()?))),
        DataType::UInt64 => Some(ScalarValue::UInt64(Some(value.try_into().ok()?))),
        _ => None,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "arrow's enum: no other type comes here")]
fn decimal_value(data_type: &DataType, number: &Decimal) -> Option<ScalarValue> {
    let fits = |value: i256, precision: u8| {
        let digits = value.to_string();
        digits.trim_start_matches('-').len() <= usize::from(precision)
    };
    match *data_type {
        DataType::Decimal128(precision, scale) => {
            let value = whole(number, scale).filter(|value| fits(*value, precision))?;
            Some(ScalarValue::Decimal128(Some(value.to_i128()?), precision, scale))
        }
        DataType::Decimal256(precision, scale) => {
            let value = whole(number, scale).filter(|value| fits(*value, precision))?;
            Some(ScalarValue::Decimal256(Some(value), precision, scale))
        }
        _ => None,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "arrow's enum: no other type comes here")]
fn time_value(data_type: &DataType, text: &str) -> Option<ScalarValue> {
    let moment = read_moment(text)?;
    let units =
        |unit: i128| (moment.nanoseconds % unit == 0).then(|| i64::try_from(moment.nanoseconds / unit).ok()).flatten();
    match data_type {
        DataType::Date32 => Some(ScalarValue::Date32(Some(i32::try_from(units(DAY)?).ok()?))),
        DataType::Date64 => Some(ScalarValue::Date64(Some(units(DAY)? * 86_400_000))),
        DataType::Timestamp(unit, zone) => {
            let value = Some(units(nanoseconds(*unit))?);
            Some(match unit {
                TimeUnit::Second => ScalarValue::TimestampSecond(value, zone.clone()),
                TimeUnit::Millisecond => ScalarValue::TimestampMillisecond(value, zone.clone()),
                TimeUnit::Microsecond => ScalarValue::TimestampMicrosecond(value, zone.clone()),
                TimeUnit::Nanosecond => ScalarValue::TimestampNanosecond(value, zone.clone()),
            })
        }
        _ => None,
    }
}

/// Nanoseconds in a unit.
pub(super) fn nanoseconds(unit: TimeUnit) -> i128 {
    match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    }
}

/// A binary number, `NaN` and infinities among them, in YAML's and in SQL's spelling.
pub(super) fn float(text: &str) -> Option<f64> {
    match text.to_ascii_lowercase().as_str() {
        ".nan" | "nan" => Some(f64::NAN),
        ".inf" | "+.inf" | "infinity" => Some(f64::INFINITY),
        "-.inf" | "-infinity" => Some(f64::NEG_INFINITY),
        _ => decimal_parts(text)?.to_string().parse().ok(),
    }
}

/// The number that a literal of a binary column's type holds.
#[expect(clippy::wildcard_enum_match_arm, reason = "DataFusion's enum: every other value is no binary number")]
pub(super) fn binary(value: &ScalarValue) -> Option<f64> {
    match value {
        ScalarValue::Float32(value) => value.map(f64::from),
        ScalarValue::Float64(value) => *value,
        _ => None,
    }
}

/// The number of single width that a text stands for: rounded once, not by way of double width.
pub(super) fn narrow(text: &str, wide: f64) -> f32 {
    decimal_parts(text).and_then(|number| number.to_string().parse().ok()).unwrap_or(wide as f32)
}

/// The number times 10^scale, where that is whole and has a place in 256 bits.
fn whole(number: &Decimal, scale: i8) -> Option<i256> {
    let shifted = decimal_parts(&format!("{number}e{scale}"))?;
    (shifted.scale() == 0).then(|| i256::from_string(&shifted.to_string())).flatten()
}

/// Which way a bound moves to the next whole number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Toward {
    /// Up: of a lower bound.
    Greater,
    /// Down: of an upper bound.
    Smaller,
}

/// The nearest whole number of 10^-scale on one side: nothing between the number and it can be stored. What 256 bits cannot
/// hold becomes their end, which no column's value reaches.
pub(super) fn rounded(number: &Decimal, scale: i8, toward: Toward) -> i256 {
    let shifted = decimal_parts(&format!("{number}e{scale}")).unwrap_or_else(|| number.clone());
    let cut = shifted.cut(0);
    let negative = shifted.to_string().starts_with('-');
    let Some(value) = Some(cut.to_string()).filter(|text| text.len() < 77).and_then(|text| i256::from_string(&text))
    else {
        return if negative { i256::MIN } else { i256::MAX };
    };
    match toward {
        Toward::Greater if cut < shifted => value.wrapping_add(i256::ONE),
        Toward::Smaller if cut > shifted => value.wrapping_sub(i256::ONE),
        Toward::Greater | Toward::Smaller => value,
    }
}

/// One end of a range, as the rule file gives it.
pub(super) struct End<'a, T> {
    value: &'a T,
    shown: String,
    place: &'a Place,
}

impl<'a, T: ToString> End<'a, T> {
    /// The end that a number is.
    pub(super) fn of(number: &'a Placed<T>) -> Self {
        Self { value: &number.value, shown: shown(&number.value.to_string()), place: &number.place }
    }
}

impl<'a, T> End<'a, T> {
    /// The end that a literal of this value is.
    pub(super) fn spelled(value: Option<&'a T>, literal: Option<&'a Literal>) -> Option<Self> {
        literal.zip(value).map(|(literal, value)| Self {
            value,
            shown: shown(&literal.spelling),
            place: &literal.place,
        })
    }
}

/// Adds a problem where the lower bound is above the upper.
pub(super) fn check_order<T: PartialOrd>(
    min: Option<End<'_, T>>,
    max: Option<End<'_, T>>,
    problems: &mut Problems,
) -> bool {
    if let (Some(min), Some(max)) = (min, max)
        && min.value > max.value
    {
        let problem = Problem::new("`min` is above `max`", min.place).value(format!("{} and {}", min.shown, max.shown));
        problems.push(problem.help("no value can pass").also("`max` at", max.place));
        return false;
    }
    true
}
