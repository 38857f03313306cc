//! `in_range`: the value lies between two bounds.

use super::column::{Family, Subject, subject};
use super::judge::{Check, each_text, judged};
use super::literal::{End, Literal, Toward, check_order, float, nanoseconds, narrow, rounded};
use super::sentence::{bounds, meaning, outside, sql};
use super::time::{DAY, Moment, read_moment};
use super::{CommonKey, DefectPolicy, Dialect, Facts, Form, Key, Kind, Plan, Reading, Refusal, Takes};
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, PrimitiveArray};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Date64Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type,
    Int8Type, Int16Type, Int32Type, Int64Type, Schema, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type, i256,
};
use fieldmark_document::{MapReader, Node, Placed, Problem, Problems, shown};
use fieldmark_model::canonical::{Decimal, decimal_parts};
use std::sync::Arc;

pub(super) static FACTS: Facts = Facts {
    name: "in_range",
    reference: "A row passes when the column's value is at least `min` and at most `max`, both included; one of them may be left \
                out. NULL is unknown. Bounds are numbers or times. Numbers are compared exactly: a bound with more digits than the \
                column is not rounded, nor are unconstrained `numeric` columns, which travel as text; on binary columns a bound is \
                first rounded to the column's width, so that `0.1` is within `max: 0.1`. NaN is greater than every number, as in \
                PostgreSQL: it fails `max` and passes `min` alone; infinity is beyond every bound. Times are `2019-01-01`, `2019-01-01 00:00:00+00` or \
                `2019-01-01T00:00:00Z`, compared as instants; without a zone UTC, a date its midnight. A text column (SQLite's \
                dates) takes bounds that are times: each value is read as a time, and one that does not read as one fails, since \
                it cannot be in range. A text column with a number as bound is refused (`type_mismatch`).",
    example: "in_range: { column: total_cents, min: 0, max: 100000000 }",
    keys: &[CommonKey::Where, CommonKey::Tolerance, CommonKey::Detect, CommonKey::Nulls],
    without: super::ROW_BY_ROW,
    form: Form::Keys {
        keys: &[
            Key::required("column", Takes::Column, "the column"),
            Key::optional("min", Takes::Value, "least value, a number or a time, included"),
            Key::optional("max", Takes::Value, "greatest value, a number or a time, included"),
        ],
        at_least_one: &["min", "max"],
    },
    read,
};

#[derive(Debug)]
struct InRange {
    column: Placed<String>,
    range: Arc<Range>,
    min: Option<Literal>,
    max: Option<Literal>,
}

/// The bounds.
#[derive(Debug, PartialEq)]
pub enum Range {
    /// Of numbers.
    Numbers {
        /// The least.
        min: Option<Decimal>,
        /// The greatest.
        max: Option<Decimal>,
    },
    /// Of times.
    Times {
        /// The first.
        min: Option<Moment>,
        /// The last.
        max: Option<Moment>,
    },
}

impl Range {
    /// Whether a value lies within, by the text of one that has no Arrow form; `None` where it cannot be told.
    pub(super) fn holds(&self, text: &str) -> Option<bool> {
        let (least, greatest) = match self {
            Self::Numbers { min, max } => (min.is_none(), max.is_none()),
            Self::Times { min, max } => (min.is_none(), max.is_none()),
        };
        match (text, self) {
            // NaN is above every number
            ("infinity" | "Infinity" | "NaN", _) => Some(greatest),
            ("-infinity" | "-Infinity", _) => Some(least),
            (_, Self::Numbers { min, max }) => {
                let value = decimal_parts(text)?;
                Some(min.as_ref().is_none_or(|min| value >= *min) && max.as_ref().is_none_or(|max| value <= *max))
            }
            (_, Self::Times { min, max }) => {
                let moment = read_moment(text)?.nanoseconds;
                let within = min.is_none_or(|min| moment >= min.nanoseconds);
                Some(within && max.is_none_or(|max| moment <= max.nanoseconds))
            }
        }
    }
}

enum Bound {
    Number(Decimal),
    Time(Moment),
}

fn read(node: &Node, problems: &mut Problems) -> Option<Vec<Reading>> {
    let mut map = MapReader::new(node, "`in_range`", problems)?;
    let column = map.require_text("column", problems);
    let before = problems.len();
    let min = map.node("min").and_then(|node| read_bound(node, "min", problems));
    let max = map.node("max").and_then(|node| read_bound(node, "max", problems));
    let place = map.place().clone();
    map.finish(problems);
    if problems.len() > before {
        return None;
    }
    if min.is_none() && max.is_none() {
        problems.push(Problem::new("`in_range` has neither `min` nor `max`", &place).allowed("one of them or both"));
        return None;
    }
    let (min, low) = min.unzip();
    let (max, high) = max.unzip();
    let range = match (low, high) {
        (low @ (None | Some(Bound::Number(_))), high @ (None | Some(Bound::Number(_)))) => {
            let (lowest, highest) = (low.and_then(number), high.and_then(number));
            let end = End::spelled(highest.as_ref(), max.as_ref());
            let ordered = check_order(End::spelled(lowest.as_ref(), min.as_ref()), end, problems);
            ordered.then_some(Range::Numbers { min: lowest, max: highest })?
        }
        (low @ (None | Some(Bound::Time(_))), high @ (None | Some(Bound::Time(_)))) => {
            let (first, last) = (low.and_then(time), high.and_then(time));
            let instants = (first.map(|first| first.nanoseconds), last.map(|last| last.nanoseconds));
            let end = End::spelled(instants.1.as_ref(), max.as_ref());
            let ordered = check_order(End::spelled(instants.0.as_ref(), min.as_ref()), end, problems);
            ordered.then_some(Range::Times { min: first, max: last })?
        }
        (Some(Bound::Number(_)), Some(Bound::Time(_))) | (Some(Bound::Time(_)), Some(Bound::Number(_))) => {
            let (low, high) = (min?, max?);
            let problem = Problem::new("one bound is a number and the other a time", &low.place)
                .value(format!("{} and {}", shown(&low.spelling), shown(&high.spelling)))
                .allowed("two numbers or two times");
            problems.push(problem.also("`max` at", &high.place));
            return None;
        }
    };
    let column = column?;
    let (kind, low, high) = match &range {
        Range::Numbers { min, max } => {
            ("number", min.as_ref().map(ToString::to_string), max.as_ref().map(ToString::to_string))
        }
        Range::Times { min, max } => {
            ("time", min.map(|min| min.nanoseconds.to_string()), max.map(|max| max.nanoseconds.to_string()))
        }
    };
    let parts = [("bounds", kind.to_owned()), ("column", column.value.clone())];
    let ends = [low.map(|min| ("min", min)), high.map(|max| ("max", max))];
    Some(vec![Reading {
        meaning: meaning(parts.into_iter().chain(ends.into_iter().flatten())),
        label: Some(column.value.clone()),
        part: None,
        kind: Arc::new(InRange { column, range: Arc::new(range), min, max }),
    }])
}

fn read_bound(node: &Node, key: &str, problems: &mut Problems) -> Option<(Literal, Bound)> {
    let literal = Literal::read(node, key, problems)?;
    let bound = match (literal.number(), read_moment(&literal.spelling)) {
        (Some(number), _) => Bound::Number(number),
        (None, Some(moment)) => Bound::Time(moment),
        (None, None) => {
            let allowed =
                "a number, or a time such as `2019-01-01`, `2019-01-01 00:00:00+00` or `2019-01-01T00:00:00Z`";
            problems.push(node.wrong(key, "a number or a time").allowed(allowed));
            return None;
        }
    };
    Some((literal, bound))
}

fn number(bound: Bound) -> Option<Decimal> {
    match bound {
        Bound::Number(number) => Some(number),
        Bound::Time(_) => None,
    }
}

fn time(bound: Bound) -> Option<Moment> {
    match bound {
        Bound::Time(moment) => Some(moment),
        Bound::Number(_) => None,
    }
}

impl Kind for InRange {
    fn name(&self) -> &'static str {
        FACTS.name
    }
    fn columns(&self) -> Vec<&str> {
        vec![&self.column.value]
    }
    fn placed_columns(&self) -> Vec<&Placed<String>> {
        vec![&self.column]
    }
    fn plan(&self, schema: &Schema) -> Result<Plan, Refusal> {
        let column = subject(schema, &self.column.value)?;
        let within = match self.range.as_ref() {
            Range::Numbers { min, max } => numbers(&column, min.as_ref(), max.as_ref())?,
            Range::Times { min, max } => times(&column, *min, *max)?,
        };
        Ok(Plan::Row {
            condition: judged(within, column.expr),
            defects: DefectPolicy::InRange(Arc::clone(&self.range)),
        })
    }
    fn failing_sql(&self, _: Dialect) -> Option<String> {
        let (min, max) = (self.min.as_ref().map(Literal::sql), self.max.as_ref().map(Literal::sql));
        Some(outside(&sql(&self.column), min.as_deref(), max.as_deref()))
    }
    fn wording(&self) -> String {
        let spelled = |literal: &Option<Literal>| literal.as_ref().map(|literal| literal.spelling.clone());
        let (min, max) = (spelled(&self.min), spelled(&self.max));
        format!("{} is {}", self.column.value, bounds(min.as_deref(), max.as_deref()))
    }
}

/// Bounds in the form in which a column's values are compared with them.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Within {
    /// Values stored as whole numbers: integers, decimals times 10^scale, dates and timestamps in their unit.
    Stored { min: Option<i256>, max: Option<i256> },
    /// Binary numbers, by the bits of the bounds.
    Binary { min: Option<u64>, max: Option<u64> },
    /// Numbers in canonical text, of any length.
    Spelled { min: Option<String>, max: Option<String> },
    /// Times in text, in nanoseconds.
    Written { min: Option<i128>, max: Option<i128> },
}

#[expect(clippy::wildcard_enum_match_arm, reason = "arrow's enum: no other type comes here")]
fn numbers(column: &Subject, min: Option<&Decimal>, max: Option<&Decimal>) -> Result<Within, Refusal> {
    let stored = |scale: i8| Within::Stored {
        min: min.map(|min| rounded(min, scale, Toward::Greater)),
        max: max.map(|max| rounded(max, scale, Toward::Smaller)),
    };
    match column.family {
        Family::Integer => Ok(stored(0)),
        Family::Decimal => match column.data_type {
            DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) => Ok(stored(scale)),
            _ => Err(column.refuse("the bounds are numbers")),
        },
        Family::Float => {
            let single = column.data_type == DataType::Float32;
            let bits = |bound: &Decimal| {
                let text = bound.to_string();
                let wide = float(&text).unwrap_or(f64::NAN);
                if single { f64::from(narrow(&text, wide)).to_bits() } else { wide.to_bits() }
            };
            Ok(Within::Binary { min: min.map(bits), max: max.map(bits) })
        }
        Family::NumberAsText => {
            Ok(Within::Spelled { min: min.map(ToString::to_string), max: max.map(ToString::to_string) })
        }
        Family::Text => Err(column.refuse("the bounds are numbers, and text is not compared as a number")),
        Family::Boolean | Family::Date | Family::Timestamp | Family::OtherAsText | Family::Other => {
            Err(column.refuse("the bounds are numbers"))
        }
    }
}

fn times(column: &Subject, min: Option<Moment>, max: Option<Moment>) -> Result<Within, Refusal> {
    let stored = |unit: i128| Within::Stored {
        min: min.map(|min| i256::from_i128(-(-min.nanoseconds).div_euclid(unit))),
        max: max.map(|max| i256::from_i128(max.nanoseconds.div_euclid(unit))),
    };
    match (column.family, &column.data_type) {
        (Family::Date, DataType::Date32) => Ok(stored(DAY)),
        (Family::Date, DataType::Date64) => Ok(stored(nanoseconds(TimeUnit::Millisecond))),
        (Family::Timestamp, DataType::Timestamp(unit, _)) => Ok(stored(nanoseconds(*unit))),
        (Family::Text, _) => {
            Ok(Within::Written { min: min.map(|min| min.nanoseconds), max: max.map(|max| max.nanoseconds) })
        }
        _ => Err(column.refuse("the bounds are times")),
    }
}

impl Check for Within {
    const NAME: &'static str = "fieldmark_in_range";

    #[expect(clippy::wildcard_enum_match_arm, reason = "arrow's enum: no other type comes here")]
    fn answers(&self, values: &ArrayRef) -> Option<BooleanArray> {
        match self {
            Self::Stored { min, max } => stored(values, *min, *max),
            Self::Binary { min, max } => {
                let (min, max) = (min.map(f64::from_bits), max.map(f64::from_bits));
                // NaN is above every number
                let holds = |value: f64| {
                    min.is_none_or(|min| value >= min || value.is_nan()) && max.is_none_or(|max| value <= max)
                };
                match values.data_type() {
                    DataType::Float32 => {
                        Some(BooleanArray::from_unary(values.as_primitive::<Float32Type>(), |value| {
                            holds(f64::from(value))
                        }))
                    }
                    DataType::Float64 => Some(BooleanArray::from_unary(values.as_primitive::<Float64Type>(), holds)),
                    _ => None,
                }
            }
            Self::Spelled { min, max } => {
                let read = |bound: &Option<String>| bound.as_deref().and_then(decimal_parts);
                let (min, max) = (read(min), read(max));
                each_text(values, |text| match (decimal_parts(text), text) {
                    (Some(value), _) => {
                        min.as_ref().is_none_or(|min| value >= *min) && max.as_ref().is_none_or(|max| value <= *max)
                    }
                    (None, "NaN" | "Infinity") => max.is_none(),
                    (None, "-Infinity") => min.is_none(),
                    (None, _) => false,
                })
            }
            Self::Written { min, max } => each_text(values, |text| {
                read_moment(text).is_some_and(|moment| {
                    min.is_none_or(|min| moment.nanoseconds >= min) && max.is_none_or(|max| moment.nanoseconds <= max)
                })
            }),
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "arrow's enum: no other type comes here")]
fn stored(values: &ArrayRef, min: Option<i256>, max: Option<i256>) -> Option<BooleanArray> {
    if matches!(values.data_type(), DataType::Decimal256(..)) {
        let holds = |value: i256| min.is_none_or(|min| value >= min) && max.is_none_or(|max| value <= max);
        return Some(BooleanArray::from_unary(values.as_primitive::<Decimal256Type>(), holds));
    }
    // what 128 bits cannot hold lies beyond every value of the other types
    let end = |bound: i256| bound.to_i128().unwrap_or(if bound < i256::ZERO { i128::MIN } else { i128::MAX });
    let (min, max) = (min.map_or(i128::MIN, end), max.map_or(i128::MAX, end));
    fn all<T: ArrowPrimitiveType<Native: Into<i128>>>(
        values: &PrimitiveArray<T>,
        min: i128,
        max: i128,
    ) -> BooleanArray {
        BooleanArray::from_unary(values, |value| {
            let value: i128 = value.into();
            value >= min && value <= max
        })
    }
    Some(match values.data_type() {
        DataType::Int8 => all(values.as_primitive::<Int8Type>(), min, max),
        DataType::Int16 => all(values.as_primitive::<Int16Type>(), min, max),
        DataType::Int32 => all(values.as_primitive::<Int32Type>(), min, max),
        DataType::Int64 => all(values.as_primitive::<Int64Type>(), min, max),
        DataType::UInt8 => all(values.as_primitive::<UInt8Type>(), min, max),
        DataType::UInt16 => all(values.as_primitive::<UInt16Type>(), min, max),
        DataType::UInt32 => all(values.as_primitive::<UInt32Type>(), min, max),
        DataType::UInt64 => all(values.as_primitive::<UInt64Type>(), min, max),
        DataType::Decimal128(..) => all(values.as_primitive::<Decimal128Type>(), min, max),
        DataType::Date32 => all(values.as_primitive::<Date32Type>(), min, max),
        DataType::Date64 => all(values.as_primitive::<Date64Type>(), min, max),
        DataType::Timestamp(TimeUnit::Second, _) => all(values.as_primitive::<TimestampSecondType>(), min, max),
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            all(values.as_primitive::<TimestampMillisecondType>(), min, max)
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            all(values.as_primitive::<TimestampMicrosecondType>(), min, max)
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => all(values.as_primitive::<TimestampNanosecondType>(), min, max),
        _ => return None,
    })
}
