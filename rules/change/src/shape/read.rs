//! The values of one side, read once: each becomes its place on an axis.

use crate::cell::{FALSE_WORDS, Kind, TRUE_WORDS};
use crate::compare::index;
use crate::instant;
use fieldmark_model::{Cell, CellText, Chunk, Column};
use std::collections::BTreeMap;

/// Most values that are counted one by one, over both sides.
pub(super) const MOST_VALUES: usize = 12;
/// Most characters of such a value.
const LONGEST: usize = 40;
/// Most digits after the point that are told apart.
const MOST_DIGITS: usize = 9;
/// Numbers from here on have no place on an axis.
const GREATEST: f64 = 1e150;
/// 98 000 years in microseconds. What is further from 1970 than that is taken for as far.
const LATEST: i128 = 98_000 * 31_557_600_000_000;

/// What a value is placed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// Its size.
    Number,
    /// Its microseconds since 1970.
    Time,
    /// 1 for true, 0 for false.
    Boolean,
    /// Its length in characters.
    Length,
}

/// How a kind of values is placed; `None` where it is not.
fn native(kind: Kind) -> Option<Reading> {
    match kind {
        Kind::Boolean => Some(Reading::Boolean),
        Kind::Integer | Kind::Decimal | Kind::Float32 | Kind::Float64 => Some(Reading::Number),
        Kind::Date | Kind::Timestamp | Kind::TimestampZone => Some(Reading::Time),
        Kind::Text | Kind::PaddedText | Kind::Json | Kind::Other => Some(Reading::Length),
        Kind::Bytes | Kind::Time | Kind::Uuid => None,
    }
}

/// Ways to place the values of a column, of which one is chosen when all have been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Readings {
    first: Reading,
    /// Where a value of the other type does not read as the first.
    otherwise: Option<Reading>,
}

impl Readings {
    /// Those of a column whose values are of these kinds; `None` where the two sides have no axis in common.
    pub(super) fn of(before: Option<Kind>, after: Option<Kind>) -> Option<Self> {
        let (one, other) = match (before, after) {
            (Some(before), Some(after)) => (native(before)?, native(after)?),
            (Some(only), None) | (None, Some(only)) => (native(only)?, native(only)?),
            (None, None) => return None,
        };
        match (one, other) {
            (one, other) if one == other => Some(Self { first: one, otherwise: None }),
            (Reading::Length, first) | (first, Reading::Length) => {
                Some(Self { first, otherwise: Some(Reading::Length) })
            }
            (Reading::Boolean, Reading::Number) | (Reading::Number, Reading::Boolean) => {
                Some(Self { first: Reading::Boolean, otherwise: Some(Reading::Number) })
            }
            _ => None,
        }
    }

    /// The first, unless a value of the other type does not read so.
    pub(super) fn chosen(self, sides: &[&Seen]) -> Reading {
        let misread = sides.iter().any(|seen| seen.native != self.first && seen.first.missed > 0);
        match self.otherwise {
            Some(otherwise) if misread => otherwise,
            Some(_) | None => self.first,
        }
    }
}

/// Values by one reading.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Where they are, in rising order.
    pub(super) at: Vec<f64>,
    /// How many have no place.
    pub(super) missed: u64,
}

impl Places {
    fn add(&mut self, place: Option<f64>) {
        match place {
            Some(place) => self.at.push(place),
            None => self.missed += 1,
        }
    }
}

/// One side of a column.
#[derive(Debug)]
pub(super) struct Seen {
    native: Reading,
    first: Places,
    otherwise: Places,
    /// Rows in which it is NULL.
    pub(super) null: u64,
    /// Rows whose value was not read whole.
    pub(super) unread: u64,
    /// Most digits after the point.
    pub(super) digits: usize,
    /// Rows by value; `None` where that was not asked for, or there are too many, or one is too long.
    pub(super) values: Option<BTreeMap<String, u64>>,
}

impl Seen {
    /// Reads a column in these rows; `None` where the chunk lacks it.
    pub(super) fn of(
        chunk: &Chunk,
        column: &Column,
        rows: impl Iterator<Item = usize>,
        readings: Readings,
        by_value: bool,
    ) -> Option<Self> {
        let at = index(chunk, column).ok()?;
        let kind = Kind::of(column);
        let mut seen = Self {
            native: native(kind)?,
            first: Places::default(),
            otherwise: Places::default(),
            null: 0,
            unread: 0,
            digits: 0,
            values: by_value.then(BTreeMap::new),
        };
        for row in rows {
            match chunk.text(Cell { row, column: at }) {
                CellText::Null => seen.null += 1,
                CellText::TooLarge(_) => seen.unread += 1,
                CellText::Text(text) if kind == Kind::PaddedText => seen.add(text.trim_end_matches(' '), readings),
                CellText::Text(text) => seen.add(&text, readings),
            }
        }
        seen.first.at.sort_by(f64::total_cmp);
        seen.otherwise.at.sort_by(f64::total_cmp);
        Some(seen)
    }

    fn add(&mut self, text: &str, readings: Readings) {
        self.first.add(place(text, readings.first, self.native));
        if let Some(otherwise) = readings.otherwise {
            self.otherwise.add(place(text, otherwise, self.native));
        }
        let digits = text.split_once('.').map_or(0, |(_, digits)| digits.trim_end_matches('0').len());
        self.digits = self.digits.max(digits.min(MOST_DIGITS));
        if let Some(values) = &mut self.values {
            if let Some(rows) = values.get_mut(text) {
                *rows += 1;
            } else if values.len() < MOST_VALUES && text.chars().count() <= LONGEST {
                values.insert(text.to_owned(), 1);
            } else {
                self.values = None;
            }
        }
    }

    /// Its values by one of the readings.
    pub(super) fn places(&self, readings: Readings, reading: Reading) -> &Places {
        if readings.first == reading { &self.first } else { &self.otherwise }
    }
}

fn place(text: &str, reading: Reading, native: Reading) -> Option<f64> {
    match reading {
        Reading::Length => Some(text.chars().count() as f64),
        Reading::Time => instant::parse(text.trim()).map(|instant| instant.microseconds.clamp(-LATEST, LATEST) as f64),
        Reading::Boolean => truth(text),
        Reading::Number if native == Reading::Boolean => truth(text),
        // neither NaN nor infinity is less than anything here
        Reading::Number => text.trim().parse::<f64>().ok().filter(|number| number.abs() < GREATEST),
    }
}

fn truth(text: &str) -> Option<f64> {
    let word = text.trim().to_lowercase();
    if TRUE_WORDS.contains(&word.as_str()) { Some(1.0) } else { FALSE_WORDS.contains(&word.as_str()).then_some(0.0) }
}
