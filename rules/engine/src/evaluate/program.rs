//! The rules of one table, compiled for its columns and one run.

use super::expression::{ExpressionProblem, Names, compile_expr, compile_text};
use super::run::answers;
use super::verdict::{RowVerdict, RowVerdicts};
use crate::kind::{DefectPolicy, Plan, Refusal, Statistic};
use crate::rule::Rule;
use arrow::array::BooleanArray;
use arrow::compute::filter_record_batch;
use arrow::datatypes::Schema;
use chrono::{DateTime, Utc};
use datafusion_common::Column;
use datafusion_expr::Expr;
use datafusion_physical_expr::PhysicalExpr;
use datafusion_physical_expr::utils::collect_columns;
use fieldmark_model::{Cell, Chunk};
use std::sync::Arc;

/// A rule that cannot be evaluated on this table, by its index among the rules given.
#[derive(Clone, Debug)]
pub struct Skipped {
    /// Index of the rule.
    pub rule: usize,
    /// Why.
    pub refusal: Refusal,
}

/// The rules of one table, compiled. Cross-row rules are in it with their `where` alone: their verdict on a row is
/// [`RowVerdict::Passed`] where a look-up has to be asked.
#[derive(Debug)]
pub struct RowProgram {
    rules: Vec<Compiled>,
}

#[derive(Debug)]
struct Compiled {
    rule: usize,
    filter: Option<Part>,
    condition: Option<Part>,
    defects: DefectPolicy,
    nulls: crate::rule::Nulls,
    plan: Plan,
}

#[derive(Debug)]
struct Part {
    expr: Arc<dyn PhysicalExpr>,
    columns: Vec<usize>,
}

impl Part {
    fn new(expr: Arc<dyn PhysicalExpr>) -> Self {
        let mut columns: Vec<usize> = collect_columns(&expr).iter().map(|column| column.index()).collect();
        columns.sort_unstable();
        Self { expr, columns }
    }
}

impl RowProgram {
    /// Compiles rules for chunks of this schema. `now` is the run's time.
    pub fn compile(rules: &[Rule], schema: &Schema, now: DateTime<Utc>) -> (Self, Vec<Skipped>) {
        let mut program = Self { rules: Vec::new() };
        let mut skipped = Vec::new();
        for (index, rule) in rules.iter().enumerate() {
            match compile(index, rule, schema, now) {
                Ok(compiled) => program.rules.push(compiled),
                Err(refusal) => skipped.push(Skipped { rule: index, refusal }),
            }
        }
        (program, skipped)
    }

    /// The compiled rules: index among the rules given, and plan.
    pub fn rules(&self) -> impl Iterator<Item = (usize, &Plan)> {
        self.rules.iter().map(|compiled| (compiled.rule, &compiled.plan))
    }

    /// What each compiled rule says of each row of a chunk, in the order of [`RowProgram::rules`].
    pub fn evaluate(&self, chunk: &Chunk) -> Vec<RowVerdicts> {
        self.rules.iter().map(|compiled| compiled.evaluate(chunk)).collect()
    }

    /// What one rule (by its index among the rules given) says of each row of a chunk.
    pub fn evaluate_one(&self, rule: usize, chunk: &Chunk) -> Option<RowVerdicts> {
        self.rules.iter().find(|compiled| compiled.rule == rule).map(|compiled| compiled.evaluate(chunk))
    }
}

fn compile(index: usize, rule: &Rule, schema: &Schema, now: DateTime<Utc>) -> Result<Compiled, Refusal> {
    let refused = |problem: ExpressionProblem| Refusal { why: problem.why, reason: problem.to_string() };
    let names = Names::of_table(schema).map_err(refused)?;
    let plan = rule.kind.plan(schema)?;
    let filter = match &rule.filter {
        Some(filter) => Some(Part::new(compile_text(&filter.value, &names, now).map_err(refused)?)),
        None => None,
    };
    let (condition, defects) = match &plan {
        Plan::Row { condition, defects } => {
            let compiled = compile_expr(condition.clone(), &names, now).map_err(refused)?;
            (Some(Part::new(compiled)), defects.clone())
        }
        Plan::Expression { text } => {
            let compiled = compile_text(text, &names, now).map_err(refused)?;
            (Some(Part::new(compiled)), DefectPolicy::Unknown)
        }
        // a row fails where the column is NULL: counted so, its fraction has its interval
        Plan::Distribution { column, statistic: Statistic::NullFraction, .. } => {
            let present = Expr::Column(Column::from_name(column)).is_not_null();
            (Some(Part::new(compile_expr(present, &names, now).map_err(refused)?)), DefectPolicy::Present)
        }
        Plan::Distribution { statistic: Statistic::Mean, .. }
        | Plan::Unique { .. }
        | Plan::References { .. }
        | Plan::Fresh { .. }
        | Plan::RowCount { .. }
        | Plan::Sql { .. } => (None, DefectPolicy::Unknown),
    };
    Ok(Compiled { rule: index, filter, condition, defects, nulls: rule.nulls, plan })
}

impl Compiled {
    fn evaluate(&self, chunk: &Chunk) -> RowVerdicts {
        let rows = chunk.rows();
        let kept = match &self.filter {
            Some(filter) => self.kept_by(filter, chunk),
            None => vec![RowVerdict::Passed; rows],
        };
        let mut verdicts = match &self.condition {
            None => kept,
            Some(condition) => judge(condition, kept, chunk),
        };
        self.judge_defects(&mut verdicts, chunk);
        RowVerdicts { rows: verdicts, nulls: self.nulls }
    }

    /// Passed where `where` is true, left out where it is false or NULL, unknown where it errs or reads a defect.
    fn kept_by(&self, filter: &Part, chunk: &Chunk) -> Vec<RowVerdict> {
        let mut kept = answers(filter.expr.as_ref(), &chunk.batch);
        for verdict in &mut kept {
            if matches!(verdict, RowVerdict::Failed | RowVerdict::Null) {
                *verdict = RowVerdict::LeftOut;
            }
        }
        for defect in &chunk.defects {
            if filter.columns.contains(&defect.cell.column)
                && let Some(verdict) = kept.get_mut(defect.cell.row)
            {
                *verdict = RowVerdict::of_defect(defect.kind);
            }
        }
        kept
    }

    fn judge_defects(&self, verdicts: &mut [RowVerdict], chunk: &Chunk) {
        if chunk.defects.is_empty() {
            return;
        }
        let columns: Vec<usize> = match (&self.condition, &self.plan) {
            (Some(condition), _) => condition.columns.clone(),
            (None, Plan::Unique { columns } | Plan::References { columns, .. }) => {
                let schema = chunk.batch.schema();
                columns.iter().filter_map(|name| schema.index_of(name).ok()).collect()
            }
            (None, Plan::Distribution { column, .. }) => chunk.batch.schema().index_of(column).into_iter().collect(),
            (None, _) => Vec::new(),
        };
        for defect in &chunk.defects {
            let Cell { row, column } = defect.cell;
            let Some(verdict) = verdicts.get_mut(row) else { continue };
            // left out or already unknown by `where`: the condition was not asked
            let asked = matches!(
                verdict,
                RowVerdict::Passed | RowVerdict::Failed | RowVerdict::Null | RowVerdict::ExpressionError
            );
            if asked && columns.contains(&column) {
                *verdict = self.defects.judge(defect);
            }
        }
    }
}

/// Asks the condition of the rows that `where` kept, those alone.
fn judge(condition: &Part, mut kept: Vec<RowVerdict>, chunk: &Chunk) -> Vec<RowVerdict> {
    if kept.iter().all(|verdict| *verdict == RowVerdict::Passed) {
        return answers(condition.expr.as_ref(), &chunk.batch);
    }
    let mask: BooleanArray = kept.iter().map(|verdict| Some(*verdict == RowVerdict::Passed)).collect();
    let Ok(rest) = filter_record_batch(&chunk.batch, &mask) else {
        // a mask of the batch's own length cannot be refused; if it were, no row may count as passed
        return vec![RowVerdict::ExpressionError; kept.len()];
    };
    let mut judged = answers(condition.expr.as_ref(), &rest).into_iter();
    for verdict in &mut kept {
        if *verdict == RowVerdict::Passed {
            *verdict = judged.next().unwrap_or(RowVerdict::ExpressionError);
        }
    }
    kept
}
