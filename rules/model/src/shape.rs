//! How the values of a column lie before and after a migration: counts of rows on one axis.

use serde::{Deserialize, Serialize};

/// Counts of the marked rows that were read both times, by the value that one column had and has. They speak of these rows only, never of
/// the table. What an axis may tell of values is its owner's choice, and made where the shape is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnShape {
    /// What the rows are counted by; the same before and after.
    pub axis: ShapeAxis,
    /// Marked rows that were read both times: what each side adds up to.
    pub rows: u64,
    /// A bin of fewer rows than this is left empty, and its rows are counted under [`ShapeSide::few`]. 0 where every bin is told.
    pub least: u64,
    /// Before; `None` where the column was added.
    pub before: Option<ShapeSide>,
    /// After; `None` where it was dropped.
    pub after: Option<ShapeSide>,
}

/// What rows are counted by. A bin reaches from its edge up to, and not with, the next one: there is one edge more than bins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShapeAxis {
    /// Numbers, rising by even steps or by those of 1, 2, 5, 10.
    Numbers {
        /// Round numbers.
        edges: Vec<f64>,
    },
    /// Points in time, by steps of the calendar.
    Times {
        /// Microseconds since 1970-01-01T00:00:00, in UTC where the column has a zone.
        edges: Vec<i64>,
    },
    /// Texts by their length.
    Lengths {
        /// Characters.
        edges: Vec<u64>,
    },
    /// Two bins: true, then false.
    Booleans,
    /// One bin for each value. Only where the source's owner lets values be shown.
    Values {
        /// Canonical texts.
        values: Vec<String>,
    },
}

/// The rows of one side. All of these are rows, and add up to [`ColumnShape::rows`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShapeSide {
    /// In the bins, in the order of the axis.
    pub bins: Vec<u64>,
    /// NULL.
    pub null: u64,
    /// Before the first edge.
    pub below: u64,
    /// From the last edge on.
    pub above: u64,
    /// In bins of too few rows to be told, see [`ColumnShape::least`].
    pub few: u64,
    /// Without a place on the axis: not read whole, or no number where the others are numbers.
    pub other: u64,
    /// The bin, by its position, that the median lies in (of an even number of values the lower one in the middle). `None` where that bin
    /// is not told, and where values have no order.
    pub median: Option<usize>,
}
