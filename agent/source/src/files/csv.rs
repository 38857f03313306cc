//! CSV: what its columns hold, and its rows as they are.

use super::ScanPlace;
use super::at::{At, Opened};
use super::table::{File, Given, Reader as Either, Want, changed, malformed};
use crate::Error;
use arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder, Int64Builder, StringBuilder,
    TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, TimeUnit};
use chrono::{DateTime, NaiveDate, NaiveDateTime};
use csv::{ByteRecord, Position, Reader, ReaderBuilder};
use fieldmark_model::canonical::{decimal_parts, hexadecimal};
use fieldmark_model::chunk::DefectKind;
use fieldmark_model::{Cell, Chunk, Column, Defect};
use std::io::{Read as _, Seek as _};
use std::sync::Arc;

/// Rows of a file by which the types of its columns are told.
const TOLD_BY: usize = 10_000;
/// Digits of a decimal, all and after the point.
const DECIMAL: (u8, i8) = (38, 9);

/// What values of a column are like. Each fits the ones behind it, but for times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Like {
    Nothing,
    Boolean,
    Integer,
    Decimal,
    Float,
    Date,
    Timestamp,
    Instant,
    Text,
}

impl Like {
    fn of(value: &[u8]) -> Self {
        let Ok(text) = std::str::from_utf8(value) else { return Self::Text };
        match text {
            "" => Self::Nothing,
            "true" | "false" | "TRUE" | "FALSE" | "True" | "False" => Self::Boolean,
            text if is_whole(text) => Self::Integer,
            text if is_decimal(text) => Self::Decimal,
            text if is_float(text) => Self::Float,
            text if date(text).is_some() => Self::Date,
            text if timestamp(text).is_some() => Self::Timestamp,
            text if instant(text).is_some() => Self::Instant,
            _ => Self::Text,
        }
    }

    /// What both are like.
    fn or(self, other: Self) -> Self {
        let numbers = Self::Integer..=Self::Float;
        match (self, other) {
            (one, other) if one == other => one,
            (Self::Nothing, other) | (other, Self::Nothing) => other,
            (one, other) if numbers.contains(&one) && numbers.contains(&other) => one.max(other),
            (Self::Date, Self::Timestamp) | (Self::Timestamp, Self::Date) => Self::Timestamp,
            _ => Self::Text,
        }
    }

    fn of_type(data_type: &DataType) -> Option<Self> {
        let all =
            [Self::Boolean, Self::Integer, Self::Decimal, Self::Float, Self::Date, Self::Timestamp, Self::Instant];
        all.into_iter().chain([Self::Text]).find(|like| like.arrow() == *data_type)
    }

    fn arrow(self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::Integer => DataType::Int64,
            Self::Decimal => DataType::Decimal128(DECIMAL.0, DECIMAL.1),
            Self::Float => DataType::Float64,
            Self::Date => DataType::Date32,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::Instant => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Nothing | Self::Text => DataType::Utf8,
        }
    }

    fn declared(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Decimal => "decimal",
            Self::Float => "float",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::Instant => "timestamp with zone",
            Self::Nothing | Self::Text => "text",
        }
    }
}

/// A column of two CSV files as one: the type that holds the values of both.
pub(super) fn wider(one: &Column, other: &Column) -> Option<Column> {
    let like = Like::of_type(&one.data_type)?.or(Like::of_type(&other.data_type)?);
    Some(Column { declared: like.declared().to_owned(), data_type: like.arrow(), ..one.clone() })
}

/// Digits without a zero in front, as codes have it, that 64 bits hold.
fn is_whole(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = digits == "0" || (!digits.starts_with('0') && !digits.is_empty());
    plain && digits.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<i64>().is_ok()
}

fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let Some((whole, fraction)) = digits.split_once('.') else { return false };
    let plain = whole == "0" || (!whole.starts_with('0') && !whole.is_empty());
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    plain && !fraction.is_empty() && all_digits(whole) && all_digits(fraction) && unscaled(text).is_some()
}

fn is_float(text: &str) -> bool {
    let begins = text.trim_start_matches(['-', '+']).starts_with(|c: char| c.is_ascii_digit() || c == '.');
    (begins && text.contains(['e', 'E', '.']) || matches!(text, "NaN" | "inf" | "-inf" | "Infinity" | "-Infinity"))
        && text.parse::<f64>().is_ok()
}

/// The digits of a decimal of the usual scale.
fn unscaled(text: &str) -> Option<i128> {
    let number = decimal_parts(text)?.to_string();
    let (whole, fraction) = number.split_once('.').unwrap_or((&number, ""));
    let missing = usize::try_from(DECIMAL.1).ok()?.checked_sub(fraction.len())?;
    let digits = format!("{whole}{fraction}{}", "0".repeat(missing));
    let most = usize::from(DECIMAL.0) + usize::from(digits.starts_with('-'));
    if digits.len() > most { None } else { digits.parse().ok() }
}

fn date(text: &str) -> Option<i32> {
    let shape = text.len() == 10 && text.as_bytes().get(4) == Some(&b'-');
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| shape)?;
    i32::try_from(date.signed_duration_since(NaiveDate::default()).num_days()).ok()
}

/// Microseconds; `None` for what is finer.
fn micros(time: NaiveDateTime) -> Option<i64> {
    let time = time.and_utc();
    time.timestamp_subsec_nanos().is_multiple_of(1_000).then(|| time.timestamp_micros())
}

fn timestamp(text: &str) -> Option<i64> {
    if let Some(days) = date(text) {
        return i64::from(days).checked_mul(86_400_000_000);
    }
    let shape = text.as_bytes().get(4) == Some(&b'-');
    let forms = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M"];
    forms.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok()).filter(|_| shape).and_then(micros)
}

fn instant(text: &str) -> Option<i64> {
    let shape = text.as_bytes().get(4) == Some(&b'-');
    let forms = ["%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M:%S%.f%#z"];
    let spelled = text.strip_suffix('Z').map(|text| format!("{text}+00:00"));
    let text = spelled.as_deref().unwrap_or(text);
    let read = |form: &&str| DateTime::parse_from_str(text, form).ok();
    forms.iter().find_map(read).filter(|_| shape).and_then(|time| micros(time.naive_utc()))
}

fn reader(file: Opened, separator: u8) -> Reader<Opened> {
    ReaderBuilder::new().delimiter(separator).has_headers(false).flexible(true).from_reader(file)
}

/// The separator and the names of the columns, which the first record has.
fn names(at: &At) -> Result<(u8, Vec<String>, Reader<Opened>), Error> {
    let mut file = at.open(1)?;
    let mut first = Vec::new();
    (&mut file).take(64 * 1024).read_to_end(&mut first).map_err(|error| at.failed(error))?;
    file.rewind().map_err(|error| at.failed(error))?;
    let line = first.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let tabs = at.extension().is_some_and(|extension| extension != "csv");
    let separator = match (tabs, line.contains(&b','), line.contains(&b';')) {
        (true, _, _) => b'\t',
        (false, false, true) => b';',
        (false, _, _) => b',',
    };
    let mut reader = reader(file, separator);
    let mut record = ByteRecord::new();
    if !reader.read_byte_record(&mut record).map_err(|error| at.failed(error))? {
        return Err(malformed(at, "it is empty: its first line names the columns"));
    }
    let mut names: Vec<String> = Vec::new();
    for (number, name) in record.iter().enumerate() {
        let name = if number == 0 { name.strip_prefix(b"\xef\xbb\xbf").unwrap_or(name) } else { name };
        let name = std::str::from_utf8(name).map_err(|_| malformed(at, "a name in its first line is no UTF-8"))?;
        if name.is_empty() || names.iter().any(|own| own == name) {
            let what = format!("the name of column {} in its first line is empty, or there twice", number + 1);
            return Err(malformed(at, what));
        }
        names.push(name.to_owned());
    }
    Ok((separator, names, reader))
}

/// A record has a value for each name.
fn has_all(at: &At, record: &ByteRecord, names: usize) -> Result<(), Error> {
    if record.len() == names {
        return Ok(());
    }
    let (line, has) = (record.position().map_or(0, Position::line), record.len());
    Err(malformed(at, format!("line {line} has {has} values, and the first line {names} names")))
}

/// Separator and columns of a file.
pub(super) fn look(at: &At) -> Result<(u8, Vec<Column>), Error> {
    let (separator, names, mut reader) = names(at)?;
    let mut like = vec![Like::Nothing; names.len()];
    let mut record = ByteRecord::new();
    for _ in 0..TOLD_BY {
        if !reader.read_byte_record(&mut record).map_err(|error| at.failed(error))? {
            break;
        }
        has_all(at, &record, names.len())?;
        for (like, value) in like.iter_mut().zip(&record) {
            *like = like.or(Like::of(value));
        }
    }
    let column = |(name, like): (String, Like)| Column {
        name,
        identity: None,
        declared: like.declared().to_owned(),
        data_type: like.arrow(),
        canonical_text: false,
        nullable: true,
        readable: true,
    };
    Ok((separator, names.into_iter().zip(like).map(column).collect()))
}

enum Builder {
    Boolean(BooleanBuilder),
    Integer(Int64Builder),
    Decimal(Decimal128Builder),
    Float(Float64Builder),
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder),
    Instant(TimestampMicrosecondBuilder),
    Text(StringBuilder),
}

impl Builder {
    fn new(data_type: &DataType) -> Result<Self, Error> {
        let internal = |what: String| Error::Internal { what };
        let like =
            Like::of_type(data_type).ok_or_else(|| internal(format!("no column of CSV travels as {data_type}")))?;
        Ok(match like {
            Like::Boolean => Self::Boolean(BooleanBuilder::new()),
            Like::Integer => Self::Integer(Int64Builder::new()),
            Like::Decimal => {
                let builder = Decimal128Builder::new().with_precision_and_scale(DECIMAL.0, DECIMAL.1);
                Self::Decimal(builder.map_err(|error| internal(error.to_string()))?)
            }
            Like::Float => Self::Float(Float64Builder::new()),
            Like::Date => Self::Date(Date32Builder::new()),
            Like::Timestamp => Self::Timestamp(TimestampMicrosecondBuilder::new()),
            Like::Instant => Self::Instant(TimestampMicrosecondBuilder::new().with_timezone("UTC")),
            Like::Nothing | Like::Text => Self::Text(StringBuilder::new()),
        })
    }

    /// Appends a value; false where it is none of the type, which then is NULL.
    fn push(&mut self, value: Option<&str>) -> bool {
        macro_rules! each {
            ($builder:ident, $read:expr) => {{
                let read = value.and_then($read);
                let fits = value.is_none() || read.is_some();
                $builder.append_option(read);
                fits
            }};
        }
        match self {
            Self::Boolean(builder) => each!(builder, |text: &str| text.to_ascii_lowercase().parse::<bool>().ok()),
            Self::Integer(builder) => each!(builder, |text: &str| text.parse::<i64>().ok().filter(|_| is_whole(text))),
            Self::Decimal(builder) => each!(builder, unscaled),
            Self::Float(builder) => each!(builder, |text: &str| text.parse::<f64>().ok()),
            Self::Date(builder) => each!(builder, date),
            Self::Timestamp(builder) => each!(builder, timestamp),
            Self::Instant(builder) => each!(builder, instant),
            Self::Text(builder) => {
                builder.append_option(value);
                true
            }
        }
    }

    fn finish(self) -> ArrayRef {
        match self {
            Self::Boolean(mut builder) => Arc::new(builder.finish()),
            Self::Integer(mut builder) => Arc::new(builder.finish()),
            Self::Decimal(mut builder) => Arc::new(builder.finish()),
            Self::Float(mut builder) => Arc::new(builder.finish()),
            Self::Date(mut builder) => Arc::new(builder.finish()),
            Self::Timestamp(mut builder) | Self::Instant(mut builder) => Arc::new(builder.finish()),
            Self::Text(mut builder) => Arc::new(builder.finish()),
        }
    }
}

/// Where some rows of a file begin, and how many there are.
#[derive(Clone, Debug)]
pub(super) struct Index {
    pub(super) rows: u64,
    /// Of each [`STEP`]th row, from the first on.
    places: Vec<Position>,
}

/// Rows from one place of an index to the next.
const STEP: u64 = 1_024;

impl Index {
    pub(super) fn of(file: &File, separator: u8) -> Result<Self, Error> {
        let mut reader = begun(file, separator, None)?;
        let mut record = ByteRecord::new();
        let (mut rows, mut places) = (0, Vec::new());
        loop {
            let place = reader.position().clone();
            if !reader.read_byte_record(&mut record).map_err(|error| file.at.failed(error))? {
                return Ok(Self { rows, places });
            }
            if u64::is_multiple_of(rows, STEP) {
                places.push(place);
            }
            rows += 1;
        }
    }
}

/// A reader before the first row of a file, or at a place.
fn begun(file: &File, separator: u8, at: Option<Position>) -> Result<Reader<Opened>, Error> {
    match at {
        None => Ok(names(&file.at)?.2),
        Some(position) => {
            let mut reader = reader(file.at.open(1)?, separator);
            reader.seek(position).map_err(|error| file.at.failed(error))?;
            Ok(reader)
        }
    }
}

/// Rows of a file as columns.
struct Rows<'a> {
    file: &'a File,
    want: &'a Want,
    /// Where each column stands in this file.
    columns: Vec<(Option<usize>, Builder)>,
    defects: Vec<Defect>,
    numbers: Vec<u64>,
}

impl<'a> Rows<'a> {
    fn new(file: &'a File, want: &'a Want) -> Result<Self, Error> {
        let place = |column: &Column| file.columns.iter().position(|own| own.name == column.name);
        let made = |column: &Column| Ok((place(column), Builder::new(&column.data_type)?));
        let columns = want.columns.iter().map(made).collect::<Result<_, Error>>()?;
        Ok(Self { file, want, columns, defects: Vec::new(), numbers: Vec::new() })
    }

    fn push(&mut self, record: &ByteRecord, number: u64) -> Result<(), Error> {
        has_all(&self.file.at, record, self.file.columns.len())?;
        for (index, (at, builder)) in self.columns.iter_mut().enumerate() {
            let value = at.and_then(|at| record.get(at)).filter(|value| !value.is_empty());
            let cell = Cell { row: self.numbers.len(), column: index };
            let Some(bytes) = value else {
                builder.push(None);
                continue;
            };
            let (kind, canonical) = if bytes.len() > self.want.value_limit {
                builder.push(None);
                (DefectKind::ValueTooLarge, None)
            } else if let Ok(text) = std::str::from_utf8(bytes) {
                if builder.push(Some(text)) {
                    continue;
                }
                (DefectKind::Unrepresentable, Some(text.to_owned()))
            } else {
                builder.push(None);
                (DefectKind::InvalidEncoding, Some(hexadecimal(bytes)))
            };
            let bytes = (kind == DefectKind::ValueTooLarge).then_some(bytes.len() as u64);
            self.defects.push(Defect { cell, kind, canonical, bytes });
        }
        self.numbers.push(number);
        Ok(())
    }

    fn finish(self) -> Result<Chunk, Error> {
        let arrays = self.columns.into_iter().map(|(_, builder)| builder.finish()).collect();
        self.want.chunk(arrays, self.defects, &self.numbers)
    }
}

/// The next rows of a file.
pub(super) fn read(
    file: &File,
    separator: u8,
    want: &Want,
    place: &ScanPlace,
    reader: Option<Either>,
) -> Result<Given, Error> {
    let mut reader = match reader {
        Some(Either::Csv(reader)) => reader,
        Some(Either::Parquet(_)) | None => begun(file, separator, place.at.clone())?,
    };
    let mut record = ByteRecord::new();
    let mut rows = Rows::new(file, want)?;
    let first = place.before + place.row;
    for row in 1..=want.rows as u64 {
        if !reader.read_byte_record(&mut record).map_err(|error| file.at.failed(error))? {
            return Ok(Given { chunk: rows.finish()?, at: None, reader: None });
        }
        rows.push(&record, first + row)?;
    }
    let at = Some(reader.position().clone());
    Ok(Given { chunk: rows.finish()?, at, reader: Some(Either::Csv(reader)) })
}

/// Rows of a file by their numbers, which are in order; `before`: rows of the files before it.
pub(super) fn rows(file: &File, separator: u8, want: &Want, before: u64, numbers: &[u64]) -> Result<Chunk, Error> {
    let index = file.index(separator)?;
    let mut rows = Rows::new(file, want)?;
    let mut record = ByteRecord::new();
    // the reader, and the number of the row that it would read next
    let mut open: Option<(Reader<Opened>, u64)> = None;
    for number in numbers {
        let step = (number - before - 1) / STEP;
        let begins = before + step * STEP + 1;
        let (mut reader, mut next) = match open.take().filter(|(_, next)| (begins..=*number).contains(next)) {
            Some(open) => open,
            None => {
                let place = usize::try_from(step).ok().and_then(|step| index.places.get(step)).cloned();
                (begun(file, separator, Some(place.ok_or_else(changed)?))?, begins)
            }
        };
        while next <= *number {
            if !reader.read_byte_record(&mut record).map_err(|error| file.at.failed(error))? {
                return Err(changed());
            }
            next += 1;
        }
        rows.push(&record, *number)?;
        open = Some((reader, next));
    }
    rows.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_the_narrowest_type_that_fits() {
        for (values, expected) in [
            (&["", ""][..], Like::Nothing),
            (&["true", "", "FALSE"], Like::Boolean),
            (&["12", "-3", "0"], Like::Integer),
            (&["12", "007"], Like::Text),
            (&["9223372036854775808"], Like::Text),
            (&["12", "1.50"], Like::Decimal),
            (&["12", "1.50", "1e3"], Like::Float),
            (&["1.5", "0.0000000001"], Like::Float),
            (&["NaN", "1"], Like::Float),
            (&["nano"], Like::Text),
            (&["2024-02-29"], Like::Date),
            (&["2024-02-30"], Like::Text),
            (&["2024-02-29", "2024-02-29 10:00:00.5"], Like::Timestamp),
            (&["2024-02-29T10:00:00Z", "2024-02-29 10:00:00+02"], Like::Instant),
            (&["2024-02-29T10:00:00Z", "2024-02-29 10:00:00"], Like::Text),
            (&["12", "true"], Like::Text),
            (&["-", "+"], Like::Text),
        ] {
            let like = values.iter().fold(Like::Nothing, |like, value| like.or(Like::of(value.as_bytes())));
            assert_eq!(like, expected, "{values:?}");
        }
    }

    #[test]
    fn types_are_known_by_their_arrow_types() {
        for like in
            [Like::Boolean, Like::Integer, Like::Decimal, Like::Float, Like::Date, Like::Timestamp, Like::Instant]
        {
            assert_eq!(Like::of_type(&like.arrow()), Some(like));
        }
        assert_eq!(Like::of_type(&DataType::UInt8), None);
    }
}
