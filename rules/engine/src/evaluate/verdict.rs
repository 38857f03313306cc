//! What a rule says of each row of a batch.

use crate::rule::Nulls;
use fieldmark_model::chunk::DefectKind;
use fieldmark_statistics::{RowCounts, Unknown};

/// What a rule says of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowVerdict {
    /// `where` leaves the row out.
    LeftOut,
    /// The condition is true.
    Passed,
    /// The condition is false.
    Failed,
    /// The condition is NULL.
    Null,
    /// The expression had an error on this row.
    ExpressionError,
    /// A value was too large to be read.
    TooLarge,
    /// A value has no Arrow form.
    Unrepresentable,
}

impl RowVerdict {
    /// How a defect is called in verdicts.
    pub(crate) fn of_defect(kind: DefectKind) -> Self {
        match kind {
            DefectKind::ValueTooLarge => Self::TooLarge,
            DefectKind::Unrepresentable | DefectKind::InvalidEncoding => Self::Unrepresentable,
        }
    }

    /// Whether the row counts as failing.
    pub fn fails(self, nulls: Nulls) -> bool {
        match self {
            Self::Failed => true,
            // those that were lost have failed already
            Self::Null => nulls == Nulls::Fail,
            Self::LeftOut | Self::Passed | Self::ExpressionError | Self::TooLarge | Self::Unrepresentable => false,
        }
    }
}

/// What a rule says of each row of a batch, in the batch's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowVerdicts {
    /// One a row.
    pub rows: Vec<RowVerdict>,
    /// What NULL counts as.
    pub nulls: Nulls,
}

impl RowVerdicts {
    /// Counts over a range of rows (a drawn unit), or over all of them.
    pub fn counts(&self, rows: impl IntoIterator<Item = usize>) -> RowCounts {
        let mut counts = RowCounts::default();
        for row in rows {
            if let Some(verdict) = self.rows.get(row) {
                add(&mut counts, *verdict, self.nulls);
            }
        }
        counts
    }

    /// Counts over all rows.
    pub fn total(&self) -> RowCounts {
        let mut counts = RowCounts::default();
        for verdict in &self.rows {
            add(&mut counts, *verdict, self.nulls);
        }
        counts
    }

    /// Rows that fail.
    pub fn failing(&self) -> impl Iterator<Item = usize> + '_ {
        self.rows.iter().enumerate().filter(|(_, verdict)| verdict.fails(self.nulls)).map(|(row, _)| row)
    }

    /// Rows that `where` keeps and that are not unknown for lack of a value: those that a look-up is asked about.
    pub fn kept(&self) -> impl Iterator<Item = usize> + '_ {
        self.rows.iter().enumerate().filter(|(_, verdict)| **verdict == RowVerdict::Passed).map(|(row, _)| row)
    }
}

fn add(counts: &mut RowCounts, verdict: RowVerdict, nulls: Nulls) {
    counts.kept += 1;
    if verdict == RowVerdict::LeftOut {
        return;
    }
    counts.checked += 1;
    counts.failed += u64::from(verdict.fails(nulls));
    let Unknown { null, expression_error, value_too_large, unrepresentable } = &mut counts.unknown;
    match verdict {
        RowVerdict::Null => *null += 1,
        RowVerdict::ExpressionError => *expression_error += 1,
        RowVerdict::TooLarge => *value_too_large += 1,
        RowVerdict::Unrepresentable => *unrepresentable += 1,
        RowVerdict::LeftOut | RowVerdict::Passed | RowVerdict::Failed => {}
    }
}
