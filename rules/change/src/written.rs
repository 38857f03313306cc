//! What a table's own counters say of rows outside the mark.
//!
//! Counters count writes, not rows, and a hot row many times; so they are held against themselves: what the same counters showed while
//! ordinary writes were watched. Servers bring their counters up to date every second or later, and jobs come in bursts: a counter is
//! believed to say more than ordinary writes only where it is ten times what the control's upper bound extrapolates to, and more than
//! 0.1 % of the table's rows.

use crate::column::DETECT;
use crate::input::{Direction, RowsDeclared, Undeclared};
use crate::observe::{Observed, Seen};
use crate::verdict::Note;
use crate::words;
use fieldmark_model::migration::{ColumnFate, Verdict};

/// Writes that a table may have had and no one wonders, for each that its control explains.
const SLACK: f64 = 10.0;
/// Fewer writes than this say nothing.
const FEW: f64 = 1_000.0;

impl Observed<'_> {
    /// Rows written that the counters show and the marked rows do not. Ask only where the marked rows are clean.
    pub(crate) fn unseen_writes(&self) -> Vec<Note> {
        let (Some(written), Some((ordinarily, seconds))) = (self.input.written, self.input.written_ordinarily) else {
            return Vec::new();
        };
        let rows = match &self.seen {
            Seen::Rows(rows) => Some(rows),
            Seen::Unmarked => None,
            Seen::Lost(_) => return Vec::new(),
        };
        let declared = self.input.declared;
        let allowed = declared.undeclared == Undeclared::Allow && self.input.direction == Direction::Forward;
        let mut notes = Vec::new();
        let mut check = |writes: Option<u64>, ordinary: Option<u64>, word: &str| {
            let most = at_most(ordinary, seconds, self.input.written_seconds);
            if let (Some(writes), Some(most)) = (writes, most)
                && writes as f64 > (SLACK * most).max(FEW).max(DETECT * self.table_rows())
            {
                let seen =
                    if rows.is_some() { "the marked rows are unchanged, but" } else { "none of its rows was marked;" };
                let text = format!(
                    "{seen} the table's counters say {} were {word}; ordinary writes explain some {}",
                    words::rows(writes),
                    words::about(most),
                );
                notes.push(Note::new(Verdict::Surprising, text));
            }
        };
        // where every row is marked none is outside, and what changed nothing is nobody's concern
        let all_marked = rows.is_some_and(|rows| rows.marks.design.has_all_rows());
        // a backfill of a column that was added or declared is what those updates were for
        let explained = self.columns.iter().any(|column| {
            column.pair.fate == ColumnFate::Added
                || (column.hypothesis.is_none() && !column.comparison.changed.is_empty())
        });
        if !all_marked && !explained && !allowed {
            check(written.updated, ordinarily.updated, "updated");
        }
        let kept = declared.rows == RowsDeclared::Kept || self.input.direction == Direction::Rollback;
        if !all_marked && kept && rows.is_none_or(|rows| rows.vanished.is_empty()) {
            check(written.deleted, ordinarily.deleted, "deleted");
        }
        // no mark can hold a row that came later; a server may tell late of rows that came earlier, but then there are no more than before
        let grown = match (self.input.rows_before, self.input.rows_after) {
            (Some(before), Some(after)) => after.saturating_sub(before) >= written.inserted.unwrap_or(0) / 2,
            _ => true,
        };
        if !allowed && grown {
            check(written.inserted, ordinarily.inserted, "inserted");
        }
        notes
    }

    fn table_rows(&self) -> f64 {
        self.input.rows_before.unwrap_or(0) as f64
    }
}

/// Writes that ordinary traffic makes at most in so many seconds, given those that the control counted; `None` without a control.
fn at_most(counted: Option<u64>, control_seconds: f64, seconds: f64) -> Option<f64> {
    let counted = counted? as f64;
    (control_seconds > 0.0).then(|| (counted + 3.69 + 1.96 * counted.sqrt()) / control_seconds * seconds)
}
