//! Declared transitions: expressions over the same row before and after.

use super::expression::{ExpressionProblem, Names, compile_text};
use super::run::answers;
use super::verdict::{RowVerdict, RowVerdicts};
use crate::rule::Nulls;
use arrow::array::{Array as _, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, Schema};
use chrono::{DateTime, Utc};
use datafusion_physical_expr::PhysicalExpr;
use datafusion_physical_expr::utils::collect_columns;
use fieldmark_model::Chunk;
use std::sync::Arc;

/// A declared transition: text over `before.` and `after.` columns (`may_vanish_where`: over the row before alone).
#[derive(Clone, Debug)]
pub struct Transition<'a> {
    /// The expression.
    pub text: &'a str,
    /// What NULL counts as.
    pub nulls: Nulls,
}

/// One transition, compiled for the two schemas.
#[derive(Debug)]
pub struct TransitionProgram {
    expr: Arc<dyn PhysicalExpr>,
    columns: Vec<usize>,
    nulls: Nulls,
}

impl TransitionProgram {
    /// Compiles a transition over both sides.
    ///
    /// # Errors
    /// What is wrong with the expression.
    pub fn over_both(
        transition: &Transition<'_>,
        before: &Schema,
        after: &Schema,
        now: DateTime<Utc>,
    ) -> Result<Self, ExpressionProblem> {
        Self::new(transition, &Names::before_and_after(before, after)?, now)
    }

    /// Compiles an expression over the row before.
    ///
    /// # Errors
    /// What is wrong with the expression.
    pub fn over_before(
        transition: &Transition<'_>,
        before: &Schema,
        now: DateTime<Utc>,
    ) -> Result<Self, ExpressionProblem> {
        Self::new(transition, &Names::of_table(before)?, now)
    }

    fn new(transition: &Transition<'_>, names: &Names, now: DateTime<Utc>) -> Result<Self, ExpressionProblem> {
        let expr = compile_text(transition.text, names, now)?;
        let columns = collect_columns(&expr).iter().map(|column| column.index()).collect();
        Ok(Self { expr, columns, nulls: transition.nulls })
    }

    /// Indexes of the columns that it reads: of the columns before, then (from their number on) of those after.
    pub fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// What it says of each row; row i of both chunks is the same row of the table.
    pub fn evaluate_both(&self, before: &Chunk, after: &Chunk) -> RowVerdicts {
        let width = before.batch.num_columns();
        let joined = beside(&before.batch, &after.batch);
        let mut verdicts = answers(self.expr.as_ref(), &joined);
        let shifted = after.defects.iter().map(|defect| (defect, width));
        if self.nulls == Nulls::Lost {
            self.lost(&mut verdicts, &before.batch);
        }
        for (defect, shift) in before.defects.iter().map(|defect| (defect, 0)).chain(shifted) {
            self.defect(&mut verdicts, defect, shift);
        }
        RowVerdicts { rows: verdicts, nulls: self.nulls }
    }

    /// What it says of each row before.
    pub fn evaluate_before(&self, before: &Chunk) -> RowVerdicts {
        let mut verdicts = answers(self.expr.as_ref(), &before.batch);
        for defect in &before.defects {
            self.defect(&mut verdicts, defect, 0);
        }
        RowVerdicts { rows: verdicts, nulls: self.nulls }
    }

    /// A row without an answer fails where all that it was to be made from was there.
    fn lost(&self, verdicts: &mut [RowVerdict], before: &RecordBatch) {
        let read: Vec<&ArrayRef> = self.columns.iter().filter_map(|at| before.columns().get(*at)).collect();
        if read.is_empty() {
            return;
        }
        for (row, verdict) in verdicts.iter_mut().enumerate() {
            if *verdict == RowVerdict::Null && read.iter().all(|column| column.is_valid(row)) {
                *verdict = RowVerdict::Failed;
            }
        }
    }

    fn defect(&self, verdicts: &mut [RowVerdict], defect: &fieldmark_model::Defect, shift: usize) {
        if self.columns.contains(&(defect.cell.column + shift))
            && let Some(verdict) = verdicts.get_mut(defect.cell.row)
        {
            *verdict = RowVerdict::of_defect(defect.kind);
        }
    }
}

/// The columns of both batches side by side, cut to the shorter one.
fn beside(before: &RecordBatch, after: &RecordBatch) -> RecordBatch {
    let rows = before.num_rows().min(after.num_rows());
    let fields: Vec<Field> = (before.schema().fields().iter().chain(after.schema().fields().iter()))
        .map(|field| field.as_ref().clone())
        .collect();
    let columns: Vec<ArrayRef> =
        before.columns().iter().chain(after.columns()).map(|column| column.slice(0, rows)).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let schema = Arc::new(Schema::new(fields));
    RecordBatch::try_new_with_options(Arc::clone(&schema), columns, &options)
        .unwrap_or_else(|_| RecordBatch::new_empty(schema))
}
