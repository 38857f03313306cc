//! `not_null`: there is a value.

use super::column::subject;
use super::sentence::{meaning, read_columns, sql};
use super::{CommonKey, DefectPolicy, Dialect, Facts, Form, Kind, Plan, Reading, Refusal};
use arrow::datatypes::Schema;
use fieldmark_document::{Node, Placed, Problems};
use std::sync::Arc;

pub(super) static FACTS: Facts = Facts {
    name: "not_null",
    reference: "A row passes when the column has a value and fails when it is NULL; nothing is unknown. A list of columns makes \
                one rule for each; an `id` given to a list of several becomes `id/column`. A value that is too large to \
                be read whole, or that Arrow cannot hold, is a value. Any column type.",
    example: "not_null: [customer_id, created_at]",
    keys: &[CommonKey::Where, CommonKey::Tolerance, CommonKey::Detect],
    without: &[
        (CommonKey::Nulls, "NULL is what it is about: a row with NULL fails"),
        (CommonKey::Timeout, "it is judged on the rows read for the sample and sends no statement of its own"),
        (CommonKey::FullEvery, "it is judged on the rows read for the sample and needs no pass over the table"),
    ],
    form: Form::Columns,
    read,
};

#[derive(Debug)]
struct NotNull {
    column: Placed<String>,
}

fn read(node: &Node, problems: &mut Problems) -> Option<Vec<Reading>> {
    let columns = read_columns(node, FACTS.name, problems)?;
    // one rule has the given id as it is, of several each has its column behind it
    let several = columns.len() > 1;
    let one = |column: Placed<String>| Reading {
        meaning: meaning([("column", column.value.clone())]),
        label: Some(column.value.clone()),
        part: several.then(|| column.value.clone()),
        kind: Arc::new(NotNull { column }),
    };
    Some(columns.into_iter().map(one).collect())
}

impl Kind for NotNull {
    fn name(&self) -> &'static str {
        FACTS.name
    }
    fn columns(&self) -> Vec<&str> {
        vec![&self.column.value]
    }
    fn placed_columns(&self) -> Vec<&Placed<String>> {
        vec![&self.column]
    }
    fn plan(&self, schema: &Schema) -> Result<Plan, Refusal> {
        let column = subject(schema, &self.column.value)?;
        Ok(Plan::Row { condition: column.expr.is_not_null(), defects: DefectPolicy::Present })
    }
    fn failing_sql(&self, _: Dialect) -> Option<String> {
        Some(format!("{} IS NULL", sql(&self.column)))
    }
    fn wording(&self) -> String {
        format!("{} is not NULL", self.column.value)
    }
}
