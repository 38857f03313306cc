//! What a table's own counters say of rows outside the mark.
//!
//! Counters count writes, not rows, and a hot row many times; so a counter is believed to say more than ordinary writes only where
//! it is ten times what the control's upper bound extrapolates to the whole table, and more than 0.1 % of its rows.

use crate::column::DETECT;
use crate::input::{RowsDeclared, TableInput, Undeclared};
use crate::observe::{Observed, ObservedRows, Seen};
use crate::verdict::Note;
use crate::words;
use fieldmark_model::migration::{ColumnFate, Verdict};

/// Writes that a table may have had and no one wonders, for each that its control explains.
const SLACK: f64 = 10.0;
/// Fewer writes than this say nothing.
const FEW: f64 = 100.0;

impl Observed<'_> {
    /// Updates and deletes that the counters show and the marked rows do not. Ask only where the marked rows are clean.
    pub(crate) fn unseen_writes(&self) -> Vec<Note> {
        let (Seen::Rows(rows), Some(written)) = (&self.seen, self.input.written) else { return Vec::new() };
        // where every row is marked there is nothing outside, and what changed nothing is nobody's concern
        if rows.marks.design.strata.iter().all(|stratum| stratum.method.is_all_rows()) {
            return Vec::new();
        }
        let mut notes = Vec::new();
        let mut check = |writes: Option<u64>, seen: u64, word: &str| {
            if let Some(writes) = writes
                && let Some(most) = at_most(self.input, rows, seen)
                && writes as f64 > (SLACK * most).max(FEW).max(DETECT * self.table_rows(rows))
            {
                let text = format!(
                    "the marked rows are unchanged, but the table's counters say {} were {word}; ordinary writes explain \
                     some {}",
                    words::rows(writes),
                    words::about(most),
                );
                notes.push(Note::new(Verdict::Surprising, text));
            }
        };
        let slices = || self.input.control.before.iter().chain(&self.input.control.after);
        // a backfill of a column that was added or declared is what those updates were for
        let explained = self.columns.iter().any(|column| {
            column.pair.fate == ColumnFate::Added
                || (column.hypothesis.is_none() && !column.comparison.changed.is_empty())
        });
        if !explained && self.input.declared.undeclared != Undeclared::Allow {
            let mut seen = 0;
            for slice in slices() {
                let rows: std::collections::BTreeSet<&usize> = slice.changed.values().flatten().collect();
                seen += rows.len() as u64;
            }
            check(written.updated, seen, "updated");
        }
        if self.input.declared.rows == RowsDeclared::Kept && rows.vanished.is_empty() {
            check(written.deleted, slices().map(|slice| slice.vanished.len() as u64).sum(), "deleted");
        }
        notes
    }

    fn table_rows(&self, rows: &ObservedRows<'_>) -> f64 {
        let drawn: f64 = rows.marks.design.strata.iter().map(|stratum| stratum.population.rows()).sum();
        self.input.rows_before.map_or(drawn, |rows| rows as f64)
    }
}

/// Writes that ordinary traffic makes in the whole table, at most, given those that the control saw; `None` without a control.
fn at_most(input: &TableInput<'_>, rows: &ObservedRows<'_>, seen: u64) -> Option<f64> {
    let seen = seen as f64;
    let (marked, seconds) = (rows.marks.before.rows() as f64, input.control.seconds());
    if marked <= 0.0 || seconds <= 0.0 {
        return None;
    }
    let table: f64 = rows.marks.design.strata.iter().map(|stratum| stratum.population.rows()).sum();
    // counters run from the mark itself, the exposure from the last control slice after it
    let counted: f64 = input.exposure_seconds + input.control.before.iter().map(|slice| slice.seconds).sum::<f64>();
    Some((seen + 3.69 + 1.96 * seen.sqrt()) / seconds * counted * table / marked)
}
