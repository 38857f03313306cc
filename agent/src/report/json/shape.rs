//! How the values of a column lie, for programs.

use chrono::{DateTime, Utc};
use fieldmark_model::shape::{ColumnShape, ShapeAxis, ShapeSide};
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct JsonShape<'a> {
    kind: &'static str,
    rows: u64,
    least: u64,
    edges: Option<Vec<Edge>>,
    values: Option<&'a [String]>,
    before: Option<JsonSide<'a>>,
    after: Option<JsonSide<'a>>,
}

/// An edge in the form of its column's values.
#[derive(Clone, Copy, Serialize)]
#[serde(untagged)]
enum Edge {
    Number(f64),
    Length(u64),
    /// `None` where the calendar has no such day.
    Time(Option<DateTime<Utc>>),
}

#[derive(Serialize)]
struct JsonSide<'a> {
    bins: &'a [u64],
    median: Option<[Edge; 2]>,
    null: u64,
    below: u64,
    above: u64,
    few: u64,
    other: u64,
}

impl<'a> JsonShape<'a> {
    pub(super) fn of(shape: &'a ColumnShape) -> Self {
        let (kind, edges, values): (_, Option<Vec<Edge>>, _) = match &shape.axis {
            ShapeAxis::Numbers { edges } => ("numbers", Some(edges.iter().copied().map(Edge::Number).collect()), None),
            ShapeAxis::Times { edges } => {
                let time = |edge: &i64| Edge::Time(DateTime::from_timestamp_micros(*edge));
                ("times", Some(edges.iter().map(time).collect()), None)
            }
            ShapeAxis::Lengths { edges } => ("lengths", Some(edges.iter().copied().map(Edge::Length).collect()), None),
            ShapeAxis::Booleans => ("booleans", None, None),
            ShapeAxis::Values { values } => ("values", None, Some(values.as_slice())),
        };
        let side = |side: &'a ShapeSide| JsonSide::of(side, edges.as_deref().unwrap_or_default());
        Self {
            kind,
            rows: shape.rows,
            least: shape.least,
            values,
            before: shape.before.as_ref().map(side),
            after: shape.after.as_ref().map(side),
            edges,
        }
    }
}

impl<'a> JsonSide<'a> {
    fn of(side: &'a ShapeSide, edges: &[Edge]) -> Self {
        let bin = |at: usize| Some([*edges.get(at)?, *edges.get(at + 1)?]);
        Self {
            bins: &side.bins,
            median: side.median.and_then(bin),
            null: side.null,
            below: side.below,
            above: side.above,
            few: side.few,
            other: side.other,
        }
    }
}
