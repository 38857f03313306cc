use super::verdict::RowVerdict;
use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use datafusion_physical_expr::PhysicalExpr;

/// Three-valued answers of a condition, one a row. A row whose evaluation errors is found by halving the batch, so that it
/// never takes its neighbours with it.
pub(super) fn answers(condition: &dyn PhysicalExpr, batch: &RecordBatch) -> Vec<RowVerdict> {
    let mut verdicts = Vec::with_capacity(batch.num_rows());
    halves(condition, batch, &mut verdicts);
    verdicts
}

fn halves(condition: &dyn PhysicalExpr, batch: &RecordBatch, verdicts: &mut Vec<RowVerdict>) {
    let rows = batch.num_rows();
    if rows == 0 {
        return;
    }
    match whole(condition, batch) {
        Some(answers) => verdicts.extend((0..rows).map(|row| {
            if answers.is_null(row) {
                RowVerdict::Null
            } else if answers.value(row) {
                RowVerdict::Passed
            } else {
                RowVerdict::Failed
            }
        })),
        None if rows == 1 => verdicts.push(RowVerdict::ExpressionError),
        None => {
            let middle = rows / 2;
            halves(condition, &batch.slice(0, middle), verdicts);
            halves(condition, &batch.slice(middle, rows - middle), verdicts);
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a condition is a boolean; any other of Arrow's types is an error")]
fn whole(condition: &dyn PhysicalExpr, batch: &RecordBatch) -> Option<BooleanArray> {
    let rows = batch.num_rows();
    let array = condition.evaluate(batch).and_then(|value| value.into_array(rows)).ok()?;
    match array.data_type() {
        arrow::datatypes::DataType::Boolean => Some(array.as_boolean().clone()),
        arrow::datatypes::DataType::Null => Some(BooleanArray::from(vec![None; rows])),
        _ => None,
    }
}
