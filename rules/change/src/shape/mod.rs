//! How the values of a changed column lie before and after, over the marked rows that were read both times.
//!
//! Values stay beside the database unless their owner asked for them. So with [`ShapeDetail::Rounded`], whatever the values are:
//!
//! - Edges are round numbers, lengths or points of the calendar. A bin of numbers or times has room for two of them at least.
//! - No end of an axis is placed by the four least or the four greatest values of a side. What lies beyond is counted.
//! - A bin of fewer than five rows is left empty; its rows are counted together with those of other such bins.
//!
//! Texts are counted by their length. Truth is counted as it is. Bytes, uuids and times of day have no shape.

mod axis;
mod calendar;
mod read;
#[cfg(test)]
mod tests;

use crate::align::Match;
use crate::cell::Kind;
use crate::input::{Marks, ShapeDetail, Shapes};
use fieldmark_model::migration::ColumnPair;
use fieldmark_model::shape::{ColumnShape, ShapeAxis, ShapeSide};
use read::{MOST_VALUES, Reading, Readings, Seen};
use std::collections::BTreeMap;

/// Most bins of an axis: the first that lets it tell of nearly all rows.
const LIMITS: [usize; 4] = [20, 10, 5, 2];
/// Fewest rows that a bin tells of, where values may not be shown.
const FEWEST: u64 = 5;

/// The shape of one column; `None` where it may not be told, and where there is nothing to tell.
pub(crate) fn of(pair: &ColumnPair, marks: &Marks<'_>, matched: &[Match], shapes: Shapes<'_>) -> Option<ColumnShape> {
    let names = || [&pair.before, &pair.after].into_iter().flatten().map(|column| &column.name);
    if shapes.detail == ShapeDetail::None || names().any(|name| shapes.hidden.contains(name)) {
        return None;
    }
    let readings = Readings::of(pair.before.as_ref().map(Kind::of), pair.after.as_ref().map(Kind::of))?;
    let by_value = shapes.detail == ShapeDetail::Values;
    let before = match &pair.before {
        Some(column) => {
            Some(Seen::of(marks.before, column, matched.iter().map(|each| each.before), readings, by_value)?)
        }
        None => None,
    };
    let after = match &pair.after {
        Some(column) => Some(Seen::of(marks.after, column, matched.iter().map(|each| each.after), readings, by_value)?),
        None => None,
    };
    let sides: Vec<&Seen> = before.iter().chain(&after).collect();
    let reading = readings.chosen(&sides);
    let by_value = by_value && matches!(reading, Reading::Number | Reading::Length);
    let rows = matched.len() as u64;
    let on = |(axis, least): (ShapeAxis, u64)| {
        let side = |seen: &Seen| side_of(seen, &axis, readings, reading, least);
        let (before, after) = (before.as_ref().map(side), after.as_ref().map(side));
        ColumnShape { axis, rows, least, before, after }
    };
    let shape = match few_values(&sides, reading).filter(|_| by_value) {
        Some(values) => on((ShapeAxis::Values { values }, 0)),
        None => {
            let mut shape = None;
            for limit in LIMITS {
                let found = shape.insert(on(axis_of(&sides, readings, reading, shapes.detail, limit)?));
                if tells(found) {
                    break;
                }
            }
            shape?
        }
    };
    // where no bin has rows there is nothing to draw
    let any = shape.before.iter().chain(&shape.after).any(|side| side.bins.iter().any(|rows| *rows > 0));
    any.then_some(shape)
}

/// Whether no more than a tenth of its rows is lost in bins of too few.
fn tells(shape: &ColumnShape) -> bool {
    let sides = || shape.before.iter().chain(&shape.after);
    let few: u64 = sides().map(|side| side.few).sum();
    few * 9 <= sides().flat_map(|side| &side.bins).sum::<u64>()
}

/// All values of both sides, where they are few: numbers by their size, texts by their rows.
fn few_values(sides: &[&Seen], reading: Reading) -> Option<Vec<String>> {
    let mut rows: BTreeMap<&str, u64> = BTreeMap::new();
    for seen in sides {
        for (value, of_it) in seen.values.as_ref()? {
            *rows.entry(value).or_default() += of_it;
        }
    }
    if rows.len() > MOST_VALUES {
        return None;
    }
    let mut values: Vec<(&str, u64)> = rows.into_iter().collect();
    if reading == Reading::Number {
        let number = |text: &str| text.trim().parse::<f64>().unwrap_or(f64::INFINITY);
        values.sort_by(|one, other| number(one.0).total_cmp(&number(other.0)));
    } else {
        values.sort_by_key(|(_, rows)| std::cmp::Reverse(*rows));
    }
    Some(values.into_iter().map(|(value, _)| value.to_owned()).collect())
}

/// The axis of many values, and the fewest rows that a bin of it tells of.
fn axis_of(
    sides: &[&Seen],
    readings: Readings,
    reading: Reading,
    detail: ShapeDetail,
    limit: usize,
) -> Option<(ShapeAxis, u64)> {
    let rounded = detail == ShapeDetail::Rounded;
    let least = if rounded { FEWEST } else { 0 };
    let spare = usize::try_from(least.saturating_sub(1)).ok()?;
    let values: Vec<&[f64]> = sides.iter().map(|seen| seen.places(readings, reading).at.as_slice()).collect();
    let most = values.iter().map(|values| values.len()).max()?;
    let limit = (most / usize::try_from(FEWEST).ok()?).min(limit).max(2);
    let axis = match reading {
        Reading::Boolean => return Some((ShapeAxis::Booleans, 0)),
        Reading::Number => {
            let digits = sides.iter().map(|seen| seen.digits).max()?;
            let unit = 10_f64.powi(-i32::try_from(digits).ok()?);
            let step = if rounded { 2.0 * unit } else { unit };
            ShapeAxis::Numbers { edges: axis::edges(&values, spare, limit, step)? }
        }
        Reading::Length => {
            let edges = axis::edges(&values, spare, limit, 1.0)?;
            // whole numbers, none below zero
            ShapeAxis::Lengths { edges: edges.into_iter().map(|edge| edge as u64).collect() }
        }
        Reading::Time => ShapeAxis::Times { edges: calendar::edges(&values, spare, limit, rounded)? },
    };
    Some((axis, least))
}

/// The rows of one side on the axis.
fn side_of(seen: &Seen, axis: &ShapeAxis, readings: Readings, reading: Reading, least: u64) -> ShapeSide {
    let places = seen.places(readings, reading);
    let (null, other) = (seen.null, seen.unread + places.missed);
    let edges: Vec<f64> = match axis {
        ShapeAxis::Numbers { edges } => edges.clone(),
        ShapeAxis::Times { edges } => edges.iter().map(|edge| *edge as f64).collect(),
        ShapeAxis::Lengths { edges } => edges.iter().map(|edge| *edge as f64).collect(),
        ShapeAxis::Booleans => {
            let truths = places.at.iter().filter(|place| **place > 0.0).count();
            let bins = vec![truths as u64, (places.at.len() - truths) as u64];
            return ShapeSide { bins, null, other, ..ShapeSide::default() };
        }
        ShapeAxis::Values { values } => {
            let rows = |value: &String| seen.values.as_ref().and_then(|rows| rows.get(value)).copied().unwrap_or(0);
            let bins = values.iter().map(rows).collect();
            return ShapeSide { bins, null, other: seen.unread, ..ShapeSide::default() };
        }
    };
    // how many values lie before each edge; values are sorted
    let before: Vec<usize> = edges.iter().map(|edge| places.at.partition_point(|place| place < edge)).collect();
    let mut side = ShapeSide { null, other, ..ShapeSide::default() };
    side.below = before.first().copied().unwrap_or(0) as u64;
    side.above = (places.at.len() - before.last().copied().unwrap_or(0)) as u64;
    for (from, to) in before.iter().zip(before.iter().skip(1)) {
        let rows = (to - from) as u64;
        let told = rows >= least;
        side.few += if told { 0 } else { rows };
        side.bins.push(if told { rows } else { 0 });
    }
    let middle = places.at.len().saturating_sub(1) / 2;
    let bin = before.iter().skip(1).position(|before| *before > middle);
    side.median = bin.filter(|bin| middle as u64 >= side.below && side.bins.get(*bin).is_some_and(|rows| *rows > 0));
    side
}
