//! One column of a sample, by itself.

use arrow::datatypes::DataType;
use fieldmark_engine::kind::{ValueType, read_moment};
use fieldmark_model::{Cell, CellText, Chunk, Column, Table};
use std::collections::HashMap;

/// Values of a column that are told apart at most.
const MOST_DISTINCT: usize = 20_000;

/// What its values are, as far as proposals care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nature {
    Integer,
    Decimal,
    Float,
    Boolean,
    /// Dates and times; of text columns those whose values all read as such.
    Time,
    Text,
    Other,
}

/// What was seen of one column.
#[derive(Clone, Debug)]
pub struct ColumnProfile {
    /// The column.
    pub column: Column,
    /// Rows in which it is NULL.
    pub nulls: u64,
    /// Rows in which it has a value that was read.
    pub values: u64,
    /// Rows whose value was not read (too large, or without a form).
    pub unread: u64,
    pub(crate) nature: Nature,
    /// Canonical texts with how often each was met; empty where there are too many.
    pub(crate) counts: HashMap<String, u64>,
    /// Whether there are more distinct values than are told apart.
    pub(crate) too_many: bool,
    /// Canonical text of each row; `None` for NULL and what was not read.
    pub(crate) texts: Vec<Option<String>>,
    /// The same as numbers: of numbers themselves, of times in seconds since 1970.
    pub(crate) numbers: Vec<Option<f64>>,
    /// For text: fewest and most characters.
    pub(crate) lengths: Option<(usize, usize)>,
    /// For text: the first type that all values read as.
    pub(crate) reads_as: Option<ValueType>,
    /// Else the first that almost all read as, with how many do not.
    pub(crate) nearly_reads_as: Option<(ValueType, u64)>,
}

/// Of a hundred values at most so many may be otherwise where something almost holds.
const ALMOST_PERCENT: u64 = 2;

/// How many of so many values may be otherwise where something almost holds.
pub(crate) fn almost(values: u64) -> u64 {
    values * ALMOST_PERCENT / 100
}

/// Looks at every column of a chunk that has all columns of a table.
pub fn profile(table: &Table, chunk: &Chunk) -> Vec<ColumnProfile> {
    let schema = chunk.batch.schema();
    table
        .columns
        .iter()
        .filter_map(|column| {
            let at = schema.index_of(&column.name).ok()?;
            Some(of_column(column, chunk, at))
        })
        .collect()
}

fn of_column(column: &Column, chunk: &Chunk, at: usize) -> ColumnProfile {
    let (mut nulls, mut unread) = (0, 0);
    let mut texts = Vec::with_capacity(chunk.rows());
    for row in 0..chunk.rows() {
        let cell = Cell { row, column: at };
        match chunk.text(cell) {
            CellText::Null => {
                nulls += 1;
                texts.push(None);
            }
            CellText::Text(text) if chunk.defect(cell).is_none() => texts.push(Some(text)),
            CellText::Text(_) | CellText::TooLarge(_) => {
                unread += 1;
                texts.push(None);
            }
        }
    }
    let mut counts: HashMap<String, u64> = HashMap::new();
    let mut too_many = false;
    for text in texts.iter().flatten() {
        if counts.len() > MOST_DISTINCT {
            too_many = true;
            counts.clear();
            break;
        }
        *counts.entry(text.clone()).or_default() += 1;
    }
    let present = || texts.iter().flatten().map(String::as_str);
    let values = present().count() as u64;
    let mut nature = nature(column);
    let (mut reads_as, mut nearly_reads_as) = (None, None);
    let mut lengths = None;
    if nature == Nature::Text && values > 0 {
        lengths = present().map(|text| text.chars().count()).fold(None, |so_far: Option<(usize, usize)>, length| {
            Some(so_far.map_or((length, length), |(least, most)| (least.min(length), most.max(length))))
        });
        reads_as = reading(present, 0).map(|(value_type, _)| value_type);
        if reads_as.is_none() {
            nearly_reads_as = reading(present, almost(values));
        }
        if matches!(reads_as, Some(ValueType::Date | ValueType::Timestamp)) {
            nature = Nature::Time;
        }
    }
    let number = |text: &String| match nature {
        Nature::Time => read_moment(text).map(|moment| moment.nanoseconds as f64 / 1e9),
        Nature::Integer | Nature::Decimal | Nature::Float => {
            text.parse::<f64>().ok().filter(|number| number.is_finite())
        }
        Nature::Boolean | Nature::Text | Nature::Other => None,
    };
    let numbers = texts.iter().map(|text| text.as_ref().and_then(number)).collect();
    ColumnProfile {
        column: column.clone(),
        nulls,
        values,
        unread,
        nature,
        counts,
        too_many,
        texts,
        numbers,
        lengths,
        reads_as,
        nearly_reads_as,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "arrow's enum: every other type is Other")]
fn nature(column: &Column) -> Nature {
    if column.canonical_text {
        // numbers of any length, which travel as text
        let declared = column.declared.to_ascii_lowercase();
        let number = ["numeric", "decimal"].iter().any(|word| declared.starts_with(word)) && !declared.ends_with("[]");
        return if number { Nature::Decimal } else { Nature::Other };
    }
    match &column.data_type {
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 | DataType::UInt32 | DataType::UInt64 => {
            Nature::Integer
        }
        DataType::Decimal128(..) | DataType::Decimal256(..) => Nature::Decimal,
        DataType::Float32 | DataType::Float64 => Nature::Float,
        DataType::Boolean => Nature::Boolean,
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) => Nature::Time,
        DataType::Utf8 => Nature::Text,
        _ => Nature::Other,
    }
}

/// The first type that texts read as but for so many, the narrowest first, with how many do not. Numbers in text may be codes whose zeros
/// count: those with a leading zero are left alone.
fn reading<'a, I: Iterator<Item = &'a str>>(present: impl Fn() -> I, but: u64) -> Option<(ValueType, u64)> {
    let others =
        |reads: &dyn Fn(&str) -> bool| present().filter(|text| !reads(text)).take(but as usize + 1).count() as u64;
    let plain = || present().all(|text| !(text.len() > 1 && text.starts_with('0') && !text.starts_with("0.")));
    let types = [
        ValueType::Uuid,
        ValueType::Json,
        ValueType::Date,
        ValueType::Timestamp,
        ValueType::Integer,
        ValueType::Decimal,
    ];
    types.into_iter().find_map(|value_type| {
        let others = match value_type {
            // a number and a word are JSON, too
            ValueType::Json => others(&|text| text.starts_with(['{', '[']) && value_type.reads(text)),
            ValueType::Uuid
            | ValueType::Date
            | ValueType::Timestamp
            | ValueType::Boolean
            | ValueType::Integer
            | ValueType::Decimal => others(&|text| value_type.reads(text)),
        };
        let number = matches!(value_type, ValueType::Integer | ValueType::Decimal);
        (others <= but && (!number || plain())).then_some((value_type, others))
    })
}

impl ColumnProfile {
    pub(crate) fn name(&self) -> &str {
        &self.column.name
    }

    pub(crate) fn rows(&self) -> u64 {
        self.nulls + self.values + self.unread
    }

    /// Distinct values, where they are few enough to be told apart.
    pub(crate) fn distinct(&self) -> Option<u64> {
        (!self.too_many).then_some(self.counts.len() as u64)
    }

    pub(crate) fn is_number(&self) -> bool {
        matches!(self.nature, Nature::Integer | Nature::Decimal | Nature::Float)
    }

    /// Least and greatest number (of times: seconds since 1970).
    pub(crate) fn extremes(&self) -> Option<(f64, f64)> {
        self.numbers.iter().flatten().fold(None, |so_far: Option<(f64, f64)>, number| {
            Some(so_far.map_or((*number, *number), |(least, most)| (least.min(*number), most.max(*number))))
        })
    }
}
