use super::*;
use crate::design::MarkDesign;
use crate::testing::{chunk, column};
use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int32Array, Int64Array, StringArray, TimestampMicrosecondArray,
};
use fieldmark_model::chunk::{Defect, DefectKind};
use fieldmark_model::migration::ColumnFate;
use fieldmark_model::{Cell, Chunk};
use fieldmark_statistics::Population;
use proptest::prelude::*;
use std::sync::Arc;

const ROUNDED: Shapes<'static> = Shapes { detail: ShapeDetail::Rounded, hidden: &[] };
const VALUES: Shapes<'static> = Shapes { detail: ShapeDetail::Values, hidden: &[] };

/// A side: its declared type, its values.
type Given = (&'static str, ArrayRef);

fn of_chunks(old: Option<(&str, &Chunk)>, new: Option<(&str, &Chunk)>, shapes: Shapes<'_>) -> Option<ColumnShape> {
    let none = chunk(&[column("n", "int", None)], vec![Arc::new(Int32Array::new_null(0))]);
    let rows = old.or(new).map_or(0, |(_, chunk)| chunk.rows());
    let design = MarkDesign::independent(rows, Population::Exact { rows: rows as u64 });
    let marks = Marks {
        before: old.map_or(&none, |(_, chunk)| chunk),
        after: new.map_or(&none, |(_, chunk)| chunk),
        key: &[],
        design: &design,
        stamps: None,
    };
    let matched: Vec<Match> = (0..rows).map(|row| Match { before: row, after: row }).collect();
    let pair = ColumnPair {
        before: old.map(|(declared, _)| column("c", declared, None)),
        after: new.map(|(declared, _)| column("c", declared, None)),
        fate: ColumnFate::Kept,
    };
    let shape = of(&pair, &marks, &matched, shapes);
    for side in shape.iter().flat_map(|shape| shape.before.iter().chain(&shape.after)) {
        let all = side.bins.iter().sum::<u64>() + side.null + side.below + side.above + side.few + side.other;
        assert_eq!(all, rows as u64, "each row is counted once: {side:?}");
    }
    shape
}

fn told(old: Option<Given>, new: Option<Given>, shapes: Shapes<'_>) -> Option<ColumnShape> {
    let made =
        |given: &Option<Given>| given.as_ref().map(|(t, array)| chunk(&[column("c", t, None)], vec![array.clone()]));
    let (before, after) = (made(&old), made(&new));
    let with_type = |given: &Option<Given>| given.as_ref().map_or("", |(declared, _)| *declared);
    of_chunks(
        before.as_ref().map(|chunk| (with_type(&old), chunk)),
        after.as_ref().map(|chunk| (with_type(&new), chunk)),
        shapes,
    )
}

fn given(declared: &'static str, array: ArrayRef) -> Option<Given> {
    Some((declared, array))
}

fn ints(values: impl IntoIterator<Item = i64>) -> Option<Given> {
    given("bigint", Arc::new(Int64Array::from_iter_values(values)))
}

fn texts<'a>(values: impl IntoIterator<Item = &'a str>) -> Option<Given> {
    given("text", Arc::new(StringArray::from_iter_values(values)))
}

fn times(values: impl IntoIterator<Item = i64>) -> Option<Given> {
    given("timestamp", Arc::new(TimestampMicrosecondArray::from_iter_values(values)))
}

fn edges(shape: &ColumnShape) -> Vec<f64> {
    match &shape.axis {
        ShapeAxis::Numbers { edges } => edges.clone(),
        ShapeAxis::Times { edges } => edges.iter().map(|edge| *edge as f64).collect(),
        ShapeAxis::Lengths { edges } => edges.iter().map(|edge| *edge as f64).collect(),
        ShapeAxis::Booleans | ShapeAxis::Values { .. } => Vec::new(),
    }
}

fn bins(side: &Option<ShapeSide>) -> &[u64] {
    &side.as_ref().unwrap().bins
}

/// The days on which the bins of times begin and end.
fn days(shape: &ColumnShape) -> Vec<String> {
    let ShapeAxis::Times { edges } = &shape.axis else { panic!("{:?}", shape.axis) };
    edges.iter().map(|edge| fieldmark_model::canonical::timestamp(*edge).replace("T00:00:00", "")).collect()
}

#[test]
fn edges_are_round_and_the_same_before_and_after() {
    let shape = told(ints(0..1000), ints(100..1100), ROUNDED).unwrap();
    assert_eq!(edges(&shape), [0., 100., 200., 300., 400., 500., 600., 700., 800., 900., 1000., 1100.]);
    assert_eq!(bins(&shape.before), [100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 0]);
    assert_eq!(bins(&shape.after), [0, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100]);
    assert_eq!((shape.before.unwrap().median, shape.after.unwrap().median), (Some(4), Some(5)));
    assert_eq!((shape.rows, shape.least), (1000, 5));
}

#[test]
fn decimal_edges_are_decimal() {
    let values: Vec<Vec<f64>> = vec![(0..300).map(|cents| f64::from(cents) / 100.0).collect()];
    let sides: Vec<&[f64]> = values.iter().map(Vec::as_slice).collect();
    let found = axis::edges(&sides, 4, 20, 0.02).unwrap();
    let expected = [0., 0.2, 0.4, 0.6, 0.8, 1., 1.2, 1.4, 1.6, 1.8, 2., 2.2, 2.4, 2.6, 2.8, 3.];
    assert_eq!(found, expected);
    // 0.3 / 0.1 is less than 3 in floating point, and yet 0.3 lies in the bin that begins with it
    assert_eq!(axis::edges(&[&[0.3, 0.3, 0.5]], 0, 3, 0.1).unwrap(), [0.3, 0.4, 0.5, 0.6]);
}

#[test]
fn an_extreme_value_is_nowhere_to_be_read() {
    let with =
        |low: i64, high: i64| told(ints((0..1000).chain([high])), ints((0..1000).chain([low])), ROUNDED).unwrap();
    let planted = with(-123_456_789, 987_654_321);
    assert_eq!(edges(&planted).first(), Some(&0.0));
    assert_eq!(edges(&planted).last(), Some(&1000.0));
    assert_eq!((planted.before.as_ref().unwrap().above, planted.after.as_ref().unwrap().below), (1, 1));
    // whatever the extremes are, nothing is told of them but their side
    for (low, high) in [(-1, 1_000), (-77, 1_000_000), (i64::MIN, i64::MAX)] {
        assert_eq!(with(low, high), planted);
    }
    // nor where all of a side's values are extremes
    assert_eq!(told(ints([1, 20, 300, 4000, 50_000, 600_000, 7, 8]), ints([8; 8]), ROUNDED), None);
}

#[test]
fn few_rows_of_a_bin_are_not_told() {
    let values = || ints((0..1000).chain((0..7).map(|row| 1010 + 200 * row)));
    let before = told(values(), values(), ROUNDED).unwrap().before.unwrap();
    assert_eq!(before.bins, [100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 0, 0, 0, 0, 0]);
    assert_eq!((before.few, before.above), (3, 4));
    // where that would hide much, bins are wider
    let squares = || ints((0..100).map(|row| row * row));
    let before = told(squares(), squares(), ROUNDED).unwrap().before.unwrap();
    assert_eq!((before.bins, before.few), (vec![32, 13, 10, 9, 7, 7, 6, 6, 5, 5], 0));
    // their owner may see them
    let owner = told(ints(0..20), ints(0..20), VALUES).unwrap();
    assert_eq!((owner.least, owner.before.unwrap().few), (0, 0));
}

#[test]
fn long_tails_are_cut() {
    let values = || (0..1000_i64).chain(1_000_000..1_000_008);
    let shape = told(ints(values()), ints(values().map(|value| value / 2)), ROUNDED).unwrap();
    assert_eq!(edges(&shape).last(), Some(&1000.0));
    assert_eq!((shape.before.unwrap().above, shape.after.unwrap().above), (8, 8));
}

#[test]
fn what_is_a_hundred_times_more_is_seen_on_rising_steps() {
    let shape = told(ints(10..1010), ints((10..1010).map(|value| value * 100)), ROUNDED).unwrap();
    let expected = [10., 20., 50., 100., 200., 500., 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5];
    assert_eq!(edges(&shape), expected);
    assert_eq!(bins(&shape.before), [10, 30, 50, 100, 300, 500, 10, 0, 0, 0, 0, 0, 0]);
    assert_eq!(bins(&shape.after), [0, 0, 0, 0, 0, 0, 10, 30, 50, 100, 300, 500, 10]);
}

#[test]
fn one_value_is_told_by_two_digits_at_most() {
    let same = |value: i64| edges(&told(ints([value; 100]), ints([value; 100]), ROUNDED).unwrap());
    assert_eq!(same(0), [0.0, 2.0]);
    assert_eq!(same(43), [42.0, 44.0]);
    assert_eq!(same(-43), [-44.0, -42.0]);
    assert_eq!(same(42_123_456), [42_000_000.0, 42_500_000.0]);
}

#[test]
fn nulls_stand_apart_and_nothing_has_no_shape() {
    let with_nulls: ArrayRef = Arc::new((0..1000).map(|row| (row % 4 > 0).then_some(row)).collect::<Int32Array>());
    let all_null: ArrayRef = Arc::new(Int32Array::new_null(1000));
    let shape_of =
        |old: &ArrayRef, new: &ArrayRef| told(Some(("int", old.clone())), Some(("int", new.clone())), ROUNDED);
    let lost = shape_of(&with_nulls, &all_null).unwrap();
    assert_eq!((lost.before.as_ref().unwrap().null, lost.after.as_ref().unwrap().null), (250, 1000));
    assert_eq!(lost.after.unwrap().median, None);
    assert_eq!(shape_of(&all_null, &all_null), None);
    assert_eq!(told(ints([]), ints([]), ROUNDED), None);
    assert_eq!(told(None, None, ROUNDED), None);
}

#[test]
fn a_column_that_came_or_went_has_one_side() {
    let dropped = told(ints(0..1000), None, ROUNDED).unwrap();
    assert!(dropped.before.is_some() && dropped.after.is_none());
    let added = told(None, ints(0..1000), ROUNDED).unwrap();
    assert!(added.before.is_none() && added.after.is_some());
    assert_eq!(added.axis, dropped.axis);
}

#[test]
fn numbers_that_became_texts_are_numbers_while_they_read_as_such() {
    let written: Vec<String> = (0..1000).map(|value: i32| format!("{value}.50")).collect();
    let read = told(ints(0..1000), texts(written.iter().map(String::as_str)), ROUNDED).unwrap();
    assert!(matches!(read.axis, ShapeAxis::Numbers { .. }));
    assert_eq!(bins(&read.before), bins(&read.after));
    let words =
        told(ints(0..1000), texts((0..1000).map(|row| if row < 999 { "12" } else { "twelve" })), ROUNDED).unwrap();
    assert_eq!(words.axis, ShapeAxis::Lengths { edges: vec![1, 2, 3, 4] });
    assert_eq!((bins(&words.before), bins(&words.after)), (&[10, 90, 900][..], &[0, 999, 0][..]));
    assert_eq!(words.after.unwrap().above, 1);
    let dates = told(
        given("date", Arc::new(Date32Array::from_iter_values(19_723..20_023))),
        texts((0..300).map(|_| "2024-03-05 10:00")),
        ROUNDED,
    );
    assert!(matches!(dates.unwrap().axis, ShapeAxis::Times { .. }));
    // a number of seconds and a time have no axis in common
    assert_eq!(told(ints(0..1000), times(0..1000), ROUNDED), None);
}

#[test]
fn times_are_counted_by_the_calendar() {
    let by_day: ArrayRef = Arc::new(Date32Array::from_iter_values(19_723..20_023));
    let months = told(given("date", by_day.clone()), given("date", by_day), ROUNDED).unwrap();
    let first = |month: u32| format!("2024-{month:02}-01");
    assert_eq!(days(&months), (1..=11).map(first).collect::<Vec<_>>());
    assert_eq!(bins(&months.before), [31, 29, 31, 30, 31, 30, 31, 31, 30, 26]);
    // 2024-03-04 is a Monday
    let start = 19_786 * 86_400_000_000_i64;
    let every = |seconds: i64, rows: i64| {
        let of_time = move || times((0..rows).map(|row| start + row * (seconds * 1_000_000 + 1)));
        days(&told(of_time(), of_time(), ROUNDED).unwrap())
    };
    let hours = every(60, 1000);
    assert_eq!(hours.get(..3).unwrap(), ["2024-03-04", "2024-03-04T01:00:00", "2024-03-04T02:00:00"]);
    assert_eq!(every(86_400, 100).get(..3).unwrap(), ["2024-03-04", "2024-03-11", "2024-03-18"]);
    assert_eq!(every(30 * 86_400, 1000).get(..2).unwrap(), ["2020-01-01", "2025-01-01"]);
    // of one time only the day
    let once = || times([start + 1; 100]);
    assert_eq!(days(&told(once(), once(), ROUNDED).unwrap()), ["2024-03-04", "2024-03-05"]);
    // first days of months are told by the quarter
    let day = |month: i64| crate::instant::days(2024 + i128::from(month) / 12, i128::from(month) % 12 + 1, 1).unwrap();
    let firsts = || times((0..60).map(|row| i64::try_from(day(row % 12)).unwrap() * 86_400_000_000));
    let quarters = days(&told(firsts(), firsts(), ROUNDED).unwrap());
    assert_eq!(quarters, ["2024-01-01", "2024-04-01", "2024-07-01", "2024-10-01", "2025-01-01"]);
    // a time that no calendar has is far beyond
    let far = told(times((0..100).chain([i64::MAX])), times((0..100).chain([i64::MIN])), ROUNDED).unwrap();
    assert_eq!((far.before.unwrap().above, far.after.unwrap().below), (1, 1));
}

#[test]
fn truth_is_counted() {
    let flags: ArrayRef = Arc::new((0..100).map(|row| (row > 0).then_some(row < 31)).collect::<BooleanArray>());
    let numbers = ints((0..100).map(|row| i64::from(row < 31)));
    let read = told(Some(("boolean", flags.clone())), numbers, ROUNDED).unwrap();
    assert_eq!((&read.axis, read.least), (&ShapeAxis::Booleans, 0));
    assert_eq!((bins(&read.before), bins(&read.after)), (&[30, 69][..], &[31, 69][..]));
    assert_eq!(read.before.unwrap().null, 1);
    let words = texts((0..100).map(|row| if row < 31 { "Yes" } else { "off" }));
    assert_eq!(told(Some(("boolean", flags.clone())), words, ROUNDED).unwrap().axis, ShapeAxis::Booleans);
    let more = ints((0..100).map(|row| row % 3));
    let numbers = told(Some(("boolean", flags)), more, ROUNDED).unwrap();
    assert_eq!(numbers.axis, ShapeAxis::Numbers { edges: vec![0.0, 2.0, 4.0] });
}

#[test]
fn values_are_told_only_to_who_asked_for_them() {
    let old = || texts((0..100).map(|row| if row < 60 { "paid" } else { "new" }));
    let new = || texts((0..100).map(|row| if row < 90 { "paid" } else { "void" }));
    let asked = told(old(), new(), VALUES).unwrap();
    assert_eq!(asked.axis, ShapeAxis::Values { values: vec!["paid".into(), "new".into(), "void".into()] });
    assert_eq!((bins(&asked.before), bins(&asked.after)), (&[60, 40, 0][..], &[90, 0, 10][..]));
    let rounded = told(old(), new(), ROUNDED).unwrap();
    assert_eq!(rounded.axis, ShapeAxis::Lengths { edges: vec![3, 4, 5] });
    assert!(!format!("{rounded:?}").contains("paid"));
    let numbers = told(ints((0..100).map(|row| row % 12)), ints([7; 100]), VALUES).unwrap();
    let expected: Vec<String> = (0..12).map(|value| value.to_string()).collect();
    assert_eq!(numbers.axis, ShapeAxis::Values { values: expected });
    assert!(matches!(
        told(ints((0..100).map(|row| row % 13)), ints([7; 100]), VALUES).unwrap().axis,
        ShapeAxis::Numbers { .. }
    ));
    let long = "x".repeat(41);
    let lengths = told(texts([long.as_str(); 10]), texts(["y"; 10]), VALUES).unwrap();
    assert!(matches!(lengths.axis, ShapeAxis::Lengths { .. }));
    let nothing = Shapes { detail: ShapeDetail::None, hidden: &[] };
    assert_eq!(told(old(), new(), nothing), None);
    let hidden = ["c".to_owned()];
    assert_eq!(told(old(), new(), Shapes { detail: ShapeDetail::Values, hidden: &hidden }), None);
}

#[test]
fn what_has_no_place_is_counted_apart() {
    let a = column("c", "int", None);
    let mut before = chunk(std::slice::from_ref(&a), vec![Arc::new(Int32Array::from_iter_values(0..100))]);
    let after = before.clone();
    let defect = |row, canonical: Option<&str>| Defect {
        cell: Cell { row, column: 0 },
        kind: DefectKind::Unrepresentable,
        canonical: canonical.map(str::to_owned),
        bytes: None,
    };
    before.defects = vec![defect(0, None), defect(1, Some("NaN")), defect(2, Some("abc"))];
    let shape = of_chunks(Some(("int", &before)), Some(("int", &after)), ROUNDED).unwrap();
    assert_eq!((shape.before.unwrap().other, shape.after.unwrap().other), (3, 0));
    // no uuid, no bytes
    let uuid =
        Some(("uuid", Arc::new(StringArray::from(vec!["0aef0000-0000-4000-8000-0000000000ff"; 50])) as ArrayRef));
    assert_eq!(told(uuid.clone(), uuid, VALUES), None);
}

proptest! {
    #[test]
    fn whatever_the_values(
        old in proptest::collection::vec(proptest::option::of(-1e12..1e12_f64), 0..200),
        scale in prop_oneof![Just(1.0), Just(1e-6), Just(0.0), Just(1e9)],
        rounded in any::<bool>(),
    ) {
        let before: ArrayRef = Arc::new(old.iter().copied().collect::<Float64Array>());
        let scaled = old.iter().map(|value| value.map(|value| value * scale));
        let after: ArrayRef = Arc::new(scaled.collect::<Float64Array>());
        let detail = if rounded { ROUNDED } else { VALUES };
        if let Some(shape) = told(Some(("double", before)), Some(("double", after)), detail) {
            let edges = edges(&shape);
            prop_assert!(edges.iter().zip(edges.iter().skip(1)).all(|(one, other)| one < other), "{edges:?}");
            prop_assert!(edges.len() <= 21);
            for side in [&shape.before, &shape.after] {
                prop_assert!(bins(side).iter().all(|rows| *rows == 0 || *rows >= shape.least));
            }
        }
    }
}
