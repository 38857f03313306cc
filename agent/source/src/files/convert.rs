//! Arrow arrays of any type as one of those that columns travel in.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, StringArray};
use arrow::compute::{CastOptions, cast_with_options, nullif};
use arrow::datatypes::{DataType, Time64NanosecondType, TimeUnit, TimestampNanosecondType};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use fieldmark_model::Column;
use fieldmark_model::chunk::DefectKind;

/// A column, and what of it could not be held.
pub(super) struct Converted {
    pub(super) array: ArrayRef,
    pub(super) flaws: Vec<Flaw>,
}

pub(super) struct Flaw {
    pub(super) row: usize,
    pub(super) kind: DefectKind,
    pub(super) canonical: Option<String>,
    pub(super) bytes: Option<u64>,
}

/// The type that values travel in, and whether as canonical text.
#[expect(clippy::wildcard_enum_match_arm, reason = "all other types of Arrow travel as text")]
pub(super) fn travels_as(data_type: &DataType) -> (DataType, bool) {
    let micros = TimeUnit::Microsecond;
    match data_type {
        DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64
        | DataType::Float32
        | DataType::Float64
        | DataType::Date32
        | DataType::Utf8
        | DataType::Binary => (data_type.clone(), false),
        DataType::Float16 => (DataType::Float32, false),
        DataType::LargeUtf8 | DataType::Utf8View => (DataType::Utf8, false),
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => (DataType::Binary, false),
        DataType::Date64 => (DataType::Date32, false),
        DataType::Time32(_) | DataType::Time64(_) => (DataType::Time64(micros), false),
        DataType::Timestamp(_, None) => (DataType::Timestamp(micros, None), false),
        DataType::Timestamp(_, Some(_)) => (DataType::Timestamp(micros, Some("UTC".into())), false),
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) if *scale >= 0 => {
            (DataType::Decimal128(*precision, *scale), false)
        }
        DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) if *scale >= 0 => (data_type.clone(), false),
        DataType::Dictionary(_, values) => travels_as(values),
        _ => (DataType::Utf8, true),
    }
}

/// An array as its column travels.
pub(super) fn convert(array: &ArrayRef, column: &Column, value_limit: usize) -> Result<Converted, ArrowError> {
    let text = |row: usize| -> Option<String> {
        let options = FormatOptions::default();
        let formatter = ArrayFormatter::try_new(array.as_ref(), &options).ok()?;
        Some(formatter.value(row).to_string())
    };
    let mut flaws = Vec::new();
    let mut converted = if column.canonical_text {
        let options = FormatOptions::default();
        let formatter = ArrayFormatter::try_new(array.as_ref(), &options)?;
        let texts = (0..array.len()).map(|row| array.is_valid(row).then(|| formatter.value(row).to_string()));
        std::sync::Arc::new(texts.collect::<StringArray>()) as ArrayRef
    } else if array.data_type() == &column.data_type {
        std::sync::Arc::clone(array)
    } else {
        let options = CastOptions { safe: true, format_options: FormatOptions::default() };
        let cast = cast_with_options(array, &column.data_type, &options)?;
        let finer = finer_than_a_microsecond(array);
        for row in 0..array.len() {
            let is_lost = array.is_valid(row) && cast.is_null(row);
            if is_lost || finer.as_ref().is_some_and(|finer| finer.value(row)) {
                let canonical = text(row);
                flaws.push(Flaw { row, kind: DefectKind::Unrepresentable, canonical, bytes: None });
            }
        }
        match finer {
            Some(finer) => nullif(&cast, &finer)?,
            None => cast,
        }
    };
    if let Some(sizes) = sizes(&converted) {
        let is_large = |size: &Option<usize>| size.is_some_and(|size| size > value_limit);
        if sizes.iter().any(is_large) {
            for (row, size) in sizes.iter().enumerate().filter(|(_, size)| is_large(size)) {
                let bytes = size.map(|size| size as u64);
                flaws.push(Flaw { row, kind: DefectKind::ValueTooLarge, canonical: None, bytes });
            }
            let large: BooleanArray = sizes.iter().map(|size| Some(is_large(size))).collect();
            converted = nullif(&converted, &large)?;
        }
    }
    flaws.sort_by_key(|flaw| flaw.row);
    Ok(Converted { array: converted, flaws })
}

/// Rows of nanoseconds that are no whole microseconds.
#[expect(clippy::wildcard_enum_match_arm, reason = "no other type is finer")]
fn finer_than_a_microsecond(array: &ArrayRef) -> Option<BooleanArray> {
    let finer = |value: Option<i64>| Some(value.is_some_and(|value| value % 1_000 != 0));
    let finer: BooleanArray = match array.data_type() {
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            array.as_primitive::<TimestampNanosecondType>().iter().map(finer).collect()
        }
        DataType::Time64(TimeUnit::Nanosecond) => {
            array.as_primitive::<Time64NanosecondType>().iter().map(finer).collect()
        }
        _ => return None,
    };
    (finer.true_count() > 0).then_some(finer)
}

/// Bytes of each value, of types that vary.
#[expect(clippy::wildcard_enum_match_arm, reason = "no other type of a column varies in size")]
fn sizes(array: &ArrayRef) -> Option<Vec<Option<usize>>> {
    match array.data_type() {
        DataType::Utf8 => Some(array.as_string::<i32>().iter().map(|text| text.map(str::len)).collect()),
        DataType::Binary => Some(array.as_binary::<i32>().iter().map(|bytes| bytes.map(<[u8]>::len)).collect()),
        _ => None,
    }
}
