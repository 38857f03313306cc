//! One column of values: from the server's binary form into an Arrow builder, or a defect.

#![expect(clippy::unit_arg, reason = "an append and what it means stand on one line")]

use super::copy::Malformed;
use super::numeric::Numeric;
use super::types::Family;
use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Decimal256Builder, Float32Builder,
    Float64Builder, Int16Builder, Int32Builder, Int64Builder, StringBuilder, Time64MicrosecondBuilder,
    TimestampMicrosecondBuilder, UInt32Builder,
};
use arrow::datatypes::{DataType, i256};
use fieldmark_model::canonical::{date, hexadecimal, time};
use fieldmark_model::chunk::DefectKind;
use std::str::FromStr as _;
use std::sync::Arc;

/// Days from 1970-01-01 to PostgreSQL's 2000-01-01.
const EPOCH_DAYS: i64 = 10_957;
const DAY: i64 = 86_400_000_000;
/// -262143-01-01 and 262142-12-31 in days since 1970-01-01: the dates that chrono, with which Arrow's kernels
/// compute, can express. Later and earlier ones would make kernels fail.
const DAYS: std::ops::RangeInclusive<i64> = -96_465_292..=95_026_236;

/// Why a value is not in its column.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Flaw {
    pub(super) kind: DefectKind,
    pub(super) canonical: Option<String>,
    pub(super) bytes: Option<u64>,
}

impl Flaw {
    fn unrepresentable(canonical: String) -> Self {
        Self { kind: DefectKind::Unrepresentable, canonical: Some(canonical), bytes: None }
    }

    pub(super) fn too_large(bytes: u64) -> Self {
        Self { kind: DefectKind::ValueTooLarge, canonical: None, bytes: Some(bytes) }
    }
}

/// How values of varying size are judged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Longest value that is kept.
    pub(super) value_bytes: usize,
    /// Whether the server was told not to convert its encoding, which is not UTF-8: only ASCII is certain then.
    pub(super) foreign_bytes: bool,
}

enum Builder {
    Bool(BooleanBuilder),
    Int16(Int16Builder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    UInt32(UInt32Builder),
    Float32(Float32Builder),
    Float64(Float64Builder),
    Decimal128(Decimal128Builder, u8, i8),
    Decimal256(Decimal256Builder, u8, i8),
    Text(StringBuilder),
    Bytes(BinaryBuilder),
    Date(Date32Builder),
    Time(Time64MicrosecondBuilder),
    Timestamp(TimestampMicrosecondBuilder),
}

/// One column that is being filled.
pub(super) struct Cells {
    family: Family,
    builder: Builder,
}

macro_rules! each {
    ($self:expr, $builder:ident => $value:expr) => {
        match $self {
            Builder::Bool($builder) => $value,
            Builder::Int16($builder) => $value,
            Builder::Int32($builder) => $value,
            Builder::Int64($builder) => $value,
            Builder::UInt32($builder) => $value,
            Builder::Float32($builder) => $value,
            Builder::Float64($builder) => $value,
            Builder::Decimal128($builder, _, _) => $value,
            Builder::Decimal256($builder, _, _) => $value,
            Builder::Text($builder) => $value,
            Builder::Bytes($builder) => $value,
            Builder::Date($builder) => $value,
            Builder::Time($builder) => $value,
            Builder::Timestamp($builder) => $value,
        }
    };
}

impl Cells {
    pub(super) fn new(family: Family) -> Self {
        let (data_type, _) = family.arrow();
        let builder = match family {
            Family::Bool => Builder::Bool(BooleanBuilder::new()),
            Family::Int2 => Builder::Int16(Int16Builder::new()),
            Family::Int4 => Builder::Int32(Int32Builder::new()),
            Family::Int8 => Builder::Int64(Int64Builder::new()),
            Family::Oid => Builder::UInt32(UInt32Builder::new()),
            Family::Float4 => Builder::Float32(Float32Builder::new()),
            Family::Float8 => Builder::Float64(Float64Builder::new()),
            Family::Decimal { precision, scale } if matches!(data_type, DataType::Decimal128(_, _)) => {
                Builder::Decimal128(Decimal128Builder::new().with_data_type(data_type), precision, scale)
            }
            Family::Decimal { precision, scale } => {
                Builder::Decimal256(Decimal256Builder::new().with_data_type(data_type), precision, scale)
            }
            Family::Bytea => Builder::Bytes(BinaryBuilder::new()),
            Family::Date => Builder::Date(Date32Builder::new()),
            Family::Time => Builder::Time(Time64MicrosecondBuilder::new()),
            Family::Timestamp | Family::TimestampTz => {
                Builder::Timestamp(TimestampMicrosecondBuilder::new().with_data_type(data_type))
            }
            Family::Numeric
            | Family::Text
            | Family::Padded
            | Family::Name
            | Family::Uuid
            | Family::Json
            | Family::Jsonb
            | Family::Enum
            | Family::Output { .. } => Builder::Text(StringBuilder::new()),
        };
        Self { family, builder }
    }

    pub(super) fn null(&mut self) {
        each!(&mut self.builder, builder => builder.append_null());
    }

    /// Appends a value, or NULL and says why. Nothing is appended where the bytes cannot be of the type at all.
    pub(super) fn push(&mut self, bytes: &[u8], bounds: Bounds) -> Result<Option<Flaw>, Malformed> {
        let family = self.family;
        let flaw = match &mut self.builder {
            Builder::Bool(builder) => match bytes {
                [value @ 0..=1] => keep(builder.append_value(*value == 1)),
                _ => return Err(Malformed("a boolean of wrong size")),
            },
            Builder::Int16(builder) => keep(builder.append_value(i16::from_be_bytes(fixed(bytes)?))),
            Builder::Int32(builder) => keep(builder.append_value(i32::from_be_bytes(fixed(bytes)?))),
            Builder::Int64(builder) => keep(builder.append_value(i64::from_be_bytes(fixed(bytes)?))),
            Builder::UInt32(builder) => keep(builder.append_value(u32::from_be_bytes(fixed(bytes)?))),
            Builder::Float32(builder) => keep(builder.append_value(f32::from_be_bytes(fixed(bytes)?))),
            Builder::Float64(builder) => keep(builder.append_value(f64::from_be_bytes(fixed(bytes)?))),
            Builder::Decimal128(builder, precision, scale) => {
                let number = Numeric::read(bytes)?;
                let value = number
                    .scaled(*precision, *scale)
                    .or_else(|| number.scaled_text(*precision, *scale).and_then(|text| text.parse::<i128>().ok()));
                match value {
                    Some(value) => keep(builder.append_value(value)),
                    None => Some(Flaw::unrepresentable(number.canonical())),
                }
            }
            Builder::Decimal256(builder, precision, scale) => {
                let number = Numeric::read(bytes)?;
                match number.scaled_text(*precision, *scale).and_then(|text| i256::from_str(&text).ok()) {
                    Some(value) => keep(builder.append_value(value)),
                    None => Some(Flaw::unrepresentable(number.canonical())),
                }
            }
            Builder::Date(builder) => {
                let days = i32::from_be_bytes(fixed(bytes)?);
                let since = i64::from(days) + EPOCH_DAYS;
                match (infinite(i64::from(days), i32::MIN.into(), i32::MAX.into()), i32::try_from(since)) {
                    (Some(text), _) => Some(Flaw::unrepresentable(text)),
                    (None, Ok(value)) if DAYS.contains(&since) => keep(builder.append_value(value)),
                    _ => Some(Flaw::unrepresentable(date(since))),
                }
            }
            Builder::Time(builder) => match i64::from_be_bytes(fixed(bytes)?) {
                value @ 0..DAY => keep(builder.append_value(value)),
                // 24:00:00, which chrono has not
                DAY => Some(Flaw::unrepresentable(time(DAY))),
                _ => return Err(Malformed("a time outside the day")),
            },
            Builder::Timestamp(builder) => {
                let value = i64::from_be_bytes(fixed(bytes)?);
                let (days, rest) = (value.div_euclid(DAY) + EPOCH_DAYS, value.rem_euclid(DAY));
                match (infinite(value, i64::MIN, i64::MAX), value.checked_add(EPOCH_DAYS * DAY)) {
                    (Some(text), _) => Some(Flaw::unrepresentable(text)),
                    (None, Some(value)) if DAYS.contains(&days) => keep(builder.append_value(value)),
                    _ => {
                        let zone = if family == Family::TimestampTz { "Z" } else { "" };
                        Some(Flaw::unrepresentable(format!("{}T{}{zone}", date(days), time(rest))))
                    }
                }
            }
            Builder::Bytes(builder) if bytes.len() <= bounds.value_bytes => keep(builder.append_value(bytes)),
            Builder::Bytes(_) => Some(Flaw::too_large(bytes.len() as u64)),
            Builder::Text(builder) => text(family, bytes, bounds, builder)?,
        };
        if flaw.is_some() {
            self.null();
        }
        Ok(flaw)
    }

    /// The values so far.
    pub(super) fn snapshot(&self) -> ArrayRef {
        each!(&self.builder, builder => Arc::new(builder.finish_cloned()))
    }

    pub(super) fn finish(mut self) -> ArrayRef {
        each!(&mut self.builder, builder => Arc::new(builder.finish()))
    }
}

fn keep((): ()) -> Option<Flaw> {
    None
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Malformed> {
    bytes.try_into().map_err(|_| Malformed("a value of wrong size"))
}

fn infinite(value: i64, least: i64, greatest: i64) -> Option<String> {
    if value == greatest { Some("infinity".to_owned()) } else { (value == least).then(|| "-infinity".to_owned()) }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "every other family is the text itself")]
fn text(family: Family, bytes: &[u8], bounds: Bounds, builder: &mut StringBuilder) -> Result<Option<Flaw>, Malformed> {
    let bytes = match family {
        Family::Numeric => {
            let text = Numeric::read(bytes)?.canonical();
            return Ok(if text.len() > bounds.value_bytes {
                Some(Flaw::too_large(text.len() as u64))
            } else {
                keep(builder.append_value(text))
            });
        }
        Family::Uuid => {
            let hexadecimal = format!("{:032x}", u128::from_be_bytes(fixed(bytes)?));
            let part = |range| hexadecimal.get(range).unwrap_or_default();
            let text = format!("{}-{}-{}-{}-{}", part(0..8), part(8..12), part(12..16), part(16..20), part(20..32));
            return Ok(keep(builder.append_value(text)));
        }
        // jsonb_send: a version, then text
        Family::Jsonb => match bytes {
            [1, text @ ..] => text,
            _ => return Err(Malformed("jsonb of unknown version")),
        },
        Family::Padded => without_trailing_blanks(bytes),
        _ => bytes,
    };
    if bytes.len() > bounds.value_bytes {
        return Ok(Some(Flaw::too_large(bytes.len() as u64)));
    }
    let valid = if bounds.foreign_bytes && !bytes.is_ascii() { None } else { std::str::from_utf8(bytes).ok() };
    Ok(match valid {
        Some(text) => keep(builder.append_value(text)),
        None => Some(Flaw {
            kind: DefectKind::InvalidEncoding,
            canonical: Some(hexadecimal(bytes)),
            bytes: Some(bytes.len() as u64),
        }),
    })
}

/// Without blanks (not other white space) at the end.
fn without_trailing_blanks(mut bytes: &[u8]) -> &[u8] {
    while let [rest @ .., b' '] = bytes {
        bytes = rest;
    }
    bytes
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use fieldmark_model::canonical::canonical_text;
    use proptest::prelude::*;

    const BOUNDS: Bounds = Bounds { value_bytes: 100, foreign_bytes: false };

    pub(crate) const FAMILIES: [Family; 23] = [
        Family::Bool,
        Family::Int2,
        Family::Int4,
        Family::Int8,
        Family::Oid,
        Family::Float4,
        Family::Float8,
        Family::Decimal { precision: 10, scale: 2 },
        Family::Decimal { precision: 38, scale: 38 },
        Family::Decimal { precision: 76, scale: 20 },
        Family::Numeric,
        Family::Text,
        Family::Padded,
        Family::Name,
        Family::Bytea,
        Family::Date,
        Family::Time,
        Family::Timestamp,
        Family::TimestampTz,
        Family::Uuid,
        Family::Jsonb,
        Family::Enum,
        Family::Output { variable: true },
    ];

    /// Canonical text of the value, or `!` and that of the defect.
    fn read(family: Family, bytes: &[u8]) -> String {
        let mut cells = Cells::new(family);
        let flaw = cells.push(bytes, BOUNDS).unwrap();
        let array = cells.finish();
        assert_eq!(array.len(), 1);
        match flaw {
            Some(flaw) => {
                assert!(array.is_null(0));
                format!("!{}", flaw.canonical.unwrap_or_default())
            }
            None => canonical_text(&array, 0).unwrap().unwrap(),
        }
    }

    #[test]
    fn values_are_read() {
        assert_eq!(read(Family::Date, &0i32.to_be_bytes()), "2000-01-01");
        assert_eq!(read(Family::Date, &i32::MAX.to_be_bytes()), "!infinity");
        assert_eq!(read(Family::Date, &(95_026_236i32 - 10_957).to_be_bytes()), "262142-12-31");
        assert_eq!(read(Family::Date, &(95_026_237i32 - 10_957).to_be_bytes()), "!262143-01-01");
        assert_eq!(read(Family::Time, &DAY.to_be_bytes()), "!24:00:00");
        assert_eq!(read(Family::Timestamp, &1i64.to_be_bytes()), "2000-01-01T00:00:00.000001");
        assert_eq!(read(Family::Timestamp, &i64::MIN.to_be_bytes()), "!-infinity");
        assert_eq!(
            read(Family::TimestampTz, &9_223_371_331_199_999_999i64.to_be_bytes()),
            "!294276-12-31T23:59:59.999999Z"
        );
        assert_eq!(read(Family::Padded, b"a \t  "), "a \t");
        assert_eq!(read(Family::Text, b"a\xff"), "!\\x61ff");
        assert_eq!(read(Family::Text, &[b'x'; 101]), "!");
        assert_eq!(read(Family::Uuid, &[0xab; 16]), "abababab-abab-abab-abab-abababababab");
        assert_eq!(read(Family::Jsonb, b"\x01{}"), "{}");
        let number = crate::postgres::numeric::tests::encode("0.00000000000000000000000000000000000001");
        assert_eq!(
            read(Family::Decimal { precision: 38, scale: 38 }, &number),
            "0.00000000000000000000000000000000000001"
        );
        let number = crate::postgres::numeric::tests::encode(&format!("{}.5", "9".repeat(56)));
        assert_eq!(read(Family::Decimal { precision: 76, scale: 20 }, &number), format!("{}.5", "9".repeat(56)));
        assert_eq!(read(Family::Decimal { precision: 10, scale: 2 }, &number), format!("!{}.5", "9".repeat(56)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..40), family in 0..FAMILIES.len()) {
            let mut cells = Cells::new(FAMILIES[family]);
            let pushed = cells.push(&bytes, BOUNDS);
            let array = cells.finish();
            prop_assert_eq!(array.len(), usize::from(pushed.is_ok()));
            if pushed.is_ok() {
                prop_assert!(canonical_text(&array, 0).is_ok());
            }
        }
    }
}
