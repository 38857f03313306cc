//! Counting one rule over the rows of one stratum, in constant memory.
//!
//! A tally keeps plain counts and, per drawn unit, the second moments that the linearised variance of a ratio needs. With
//! `l` the live rows of a unit, and the unit's weight w = l / rows kept of it:
//! x = w * checked, y = w * failed (both in rows of the source). A row drawn by itself is a unit with l = 1.

use serde::{Deserialize, Serialize};

/// Rows whose truth is unknown, by cause.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unknown {
    /// A value was NULL. Whether these passed or failed is settled by the rule's `nulls` before counting.
    pub null: u64,
    /// The expression gave an error on the row.
    pub expression_error: u64,
    /// A value was too large to be read whole.
    pub value_too_large: u64,
    /// A value has no typed form.
    pub unrepresentable: u64,
}

impl Unknown {
    /// Rows that may have passed or failed: all but NULL.
    #[must_use]
    pub fn uncertain(self) -> u64 {
        self.expression_error + self.value_too_large + self.unrepresentable
    }

    /// All unknown rows.
    #[must_use]
    pub fn total(self) -> u64 {
        self.null + self.uncertain()
    }

    fn plus(self, other: Self) -> Self {
        Self {
            null: self.null + other.null,
            expression_error: self.expression_error + other.expression_error,
            value_too_large: self.value_too_large + other.value_too_large,
            unrepresentable: self.unrepresentable + other.unrepresentable,
        }
    }
}

/// Counts of one rule over some rows: `kept` >= `checked` >= `failed` + `unknown.uncertain()`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowCounts {
    /// Rows drawn and kept, before the rule's `where`.
    pub kept: u64,
    /// Of those, rows for which `where` is TRUE, unknown ones included.
    pub checked: u64,
    /// Of those, rows that fail: FALSE, and NULL where the rule says `nulls: fail`. Never a row of the other three unknowns.
    pub failed: u64,
    /// Of the checked rows, those whose truth is unknown. NULL under `nulls: fail` is in `failed` as well.
    pub unknown: Unknown,
}

impl RowCounts {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            kept: self.kept + other.kept,
            checked: self.checked + other.checked,
            failed: self.failed + other.failed,
            unknown: self.unknown.plus(other.unknown),
        }
    }

    /// Rows that failed or may have.
    #[must_use]
    pub fn failed_at_worst(self) -> u64 {
        self.failed + self.unknown.uncertain()
    }
}

/// What was seen of one drawn unit (block, row group), whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DrawnUnit {
    /// Live rows of the unit; at least `rows.kept`. Zero for an empty block, which counts as drawn all the same.
    pub live: u64,
    /// Counts over the rows kept of it.
    pub rows: RowCounts,
}

/// First and second moments of the weighted failing rows y of a unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Failing {
    pub(crate) y: f64,
    pub(crate) yy: f64,
    pub(crate) yx: f64,
    pub(crate) yl: f64,
}

impl Failing {
    fn add(&mut self, y: f64, x: f64, l: f64) {
        self.y += y;
        self.yy += y * y;
        self.yx += y * x;
        self.yl += y * l;
    }

    fn merge(&mut self, other: &Self) {
        self.y += other.y;
        self.yy += other.yy;
        self.yx += other.yx;
        self.yl += other.yl;
    }

    /// As if all failing weight lay in this many units of equal weight, (sum y)^2 / sum y^2: at most the units that hold any.
    pub(crate) fn units(&self) -> f64 {
        if self.yy > 0.0 { self.y * self.y / self.yy } else { 0.0 }
    }
}

/// Accumulator of one rule in one stratum. Tallies of the same rule and stratum may be merged in any order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    pub(crate) counts: RowCounts,
    /// Units drawn, those without a checked row included.
    pub(crate) units: u64,
    /// Units with at least one checked row.
    pub(crate) checked_units: u64,
    /// Units with at least one failing row.
    pub(crate) failing_units: u64,
    pub(crate) l: f64,
    pub(crate) ll: f64,
    pub(crate) x: f64,
    pub(crate) xx: f64,
    pub(crate) xl: f64,
    /// Live rows of the units with a checked row, together and of the largest.
    pub(crate) checked_live: f64,
    pub(crate) largest_live: f64,
    /// Live rows of the largest unit of all.
    pub(crate) largest_unit: f64,
    /// Uncertain rows as passed.
    pub(crate) best: Failing,
    /// Uncertain rows as failed.
    pub(crate) worst: Failing,
}

impl Tally {
    /// A tally that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds rows that were drawn one by one, or all rows of a table, in bulk.
    pub fn add_rows(&mut self, rows: RowCounts) {
        let (kept, checked) = (rows.kept as f64, rows.checked as f64);
        let (failed, worst) = (rows.failed as f64, rows.failed_at_worst() as f64);
        self.counts = self.counts.plus(rows);
        self.units += rows.kept;
        self.checked_units += rows.checked;
        self.failing_units += rows.failed;
        self.l += kept;
        self.ll += kept;
        self.x += checked;
        self.xx += checked;
        self.xl += checked;
        self.checked_live += checked;
        if rows.checked > 0 {
            self.largest_live = self.largest_live.max(1.0);
        }
        if rows.kept > 0 {
            self.largest_unit = self.largest_unit.max(1.0);
        }
        for (side, y) in [(&mut self.best, failed), (&mut self.worst, worst)] {
            side.y += y;
            side.yy += y;
            side.yx += y;
            side.yl += y;
        }
    }

    /// Adds one drawn unit, whole. A unit of which `where` keeps no row, and an empty block, must be added too: it was drawn.
    pub fn add_unit(&mut self, unit: DrawnUnit) {
        self.counts = self.counts.plus(unit.rows);
        self.units += 1;
        if unit.rows.kept == 0 {
            return;
        }
        let l = unit.live.max(unit.rows.kept) as f64;
        let weight = l / unit.rows.kept as f64;
        let x = weight * unit.rows.checked as f64;
        self.l += l;
        self.ll += l * l;
        self.largest_unit = self.largest_unit.max(l);
        if unit.rows.checked == 0 {
            return;
        }
        self.checked_units += 1;
        self.failing_units += u64::from(unit.rows.failed > 0);
        self.x += x;
        self.xx += x * x;
        self.xl += x * l;
        self.checked_live += l;
        self.largest_live = self.largest_live.max(l);
        self.best.add(weight * unit.rows.failed as f64, x, l);
        self.worst.add(weight * unit.rows.failed_at_worst() as f64, x, l);
    }

    /// Adds what another tally of the same rule and stratum has seen; a unit must lie wholly in one of the two.
    pub fn merge(&mut self, other: &Self) {
        self.counts = self.counts.plus(other.counts);
        self.units += other.units;
        self.checked_units += other.checked_units;
        self.failing_units += other.failing_units;
        self.l += other.l;
        self.ll += other.ll;
        self.x += other.x;
        self.xx += other.xx;
        self.xl += other.xl;
        self.checked_live += other.checked_live;
        self.largest_live = self.largest_live.max(other.largest_live);
        self.largest_unit = self.largest_unit.max(other.largest_unit);
        self.best.merge(&other.best);
        self.worst.merge(&other.worst);
    }

    /// Rows, as counted (not weighted).
    #[must_use]
    pub fn counts(&self) -> RowCounts {
        self.counts
    }

    /// Units drawn.
    #[must_use]
    pub fn units(&self) -> u64 {
        self.units
    }

    /// Units drawn that hold at least one failing row.
    #[must_use]
    pub fn failing_units(&self) -> u64 {
        self.failing_units
    }

    /// The same sample asking "does `where` keep this row" instead of "does this row fail": every kept row is checked, every row
    /// that `where` keeps counts as failing.
    pub(crate) fn of_where(&self) -> Self {
        let share = Failing { y: self.x, yy: self.xx, yx: self.xl, yl: self.xl };
        Self {
            counts: RowCounts {
                kept: self.counts.kept,
                checked: self.counts.kept,
                failed: self.counts.checked,
                unknown: Unknown::default(),
            },
            units: self.units,
            checked_units: self.units,
            failing_units: self.checked_units,
            l: self.l,
            ll: self.ll,
            x: self.l,
            xx: self.ll,
            xl: self.ll,
            checked_live: self.l,
            largest_live: self.largest_unit,
            largest_unit: self.largest_unit,
            best: share,
            worst: share,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(kept: u64, checked: u64, failed: u64) -> RowCounts {
        RowCounts { kept, checked, failed, unknown: Unknown::default() }
    }

    #[test]
    fn bulk_rows_are_units_of_one_row() {
        let mut bulk = Tally::new();
        bulk.add_rows(RowCounts {
            unknown: Unknown { null: 1, expression_error: 1, ..Unknown::default() },
            ..rows(6, 4, 2)
        });
        let mut single = Tally::new();
        for one in [rows(1, 0, 0), rows(1, 0, 0), rows(1, 1, 1), rows(1, 1, 1)] {
            single.add_unit(DrawnUnit { live: 1, rows: one });
        }
        for unknown in
            [Unknown { null: 1, ..Unknown::default() }, Unknown { expression_error: 1, ..Unknown::default() }]
        {
            single.add_unit(DrawnUnit { live: 1, rows: RowCounts { unknown, ..rows(1, 1, 0) } });
        }
        assert_eq!(bulk, single);
        assert_eq!(bulk.worst.y, 3.0);
    }

    #[test]
    fn weights_are_live_rows_per_kept_row() {
        let mut tally = Tally::new();
        tally.add_unit(DrawnUnit { live: 60, rows: rows(20, 10, 5) });
        tally.add_unit(DrawnUnit { live: 30, rows: rows(10, 0, 0) });
        tally.add_unit(DrawnUnit::default());
        assert_eq!((tally.units, tally.checked_units), (3, 1));
        assert_eq!((tally.l, tally.x, tally.best.y), (90.0, 30.0, 15.0));
        assert_eq!((tally.ll, tally.xx, tally.best.yy), (4500.0, 900.0, 225.0));
    }

    #[test]
    fn merging_is_adding() {
        let (mut whole, mut one, mut other) = (Tally::new(), Tally::new(), Tally::new());
        for i in 0..10 {
            let unit = DrawnUnit { live: 10 + i, rows: rows(5, 4, i % 3) };
            whole.add_unit(unit);
            if i < 4 { &mut one } else { &mut other }.add_unit(unit);
        }
        one.merge(&other);
        assert_eq!(one.counts, whole.counts);
        assert!((one.best.yy - whole.best.yy).abs() < 1e-9);
        assert_eq!(one.largest_live, whole.largest_live);
    }
}
