//! `unique`: no two rows share the values.

use super::column::present;
use super::sentence::{joined, meaning, read_columns};
use super::{CommonKey, Dialect, Facts, Form, Kind, Plan, Reading, Refusal};
use arrow::datatypes::Schema;
use fieldmark_document::{Node, Placed, Problems};
use std::sync::Arc;

pub(super) static FACTS: Facts = Facts {
    name: "unique",
    reference: "A row passes when no other row of the table has the same values in these columns, taken together; rows with a NULL \
                among them pass (NULLS DISTINCT). The sampled values are looked up in the table itself, through an index where there \
                is one, else by one pass at most once per `full_every`. All rows of a group of duplicates fail. \
                With `where`, only rows that it keeps can be duplicates of each other. Values are the same \
                when they read the same: two texts that a collation or type of the database calls equal (citext, NOCASE) are two.",
    example: "unique: [order_no]",
    keys: &[CommonKey::Where, CommonKey::Tolerance, CommonKey::Detect, CommonKey::Timeout, CommonKey::FullEvery],
    without: &[(CommonKey::Nulls, "NULLs are distinct: a row with a NULL among the columns passes")],
    form: Form::Columns,
    read,
};

#[derive(Debug)]
struct Unique {
    columns: Vec<Placed<String>>,
}

fn read(node: &Node, problems: &mut Problems) -> Option<Vec<Reading>> {
    let columns = read_columns(node, FACTS.name, problems)?;
    let mut sorted: Vec<&str> = columns.iter().map(|column| column.value.as_str()).collect();
    sorted.sort_unstable();
    Some(vec![Reading {
        meaning: meaning(sorted.into_iter().map(|column| ("column", column.to_owned()))),
        label: Some(joined(&columns)),
        part: None,
        kind: Arc::new(Unique { columns }),
    }])
}

impl Kind for Unique {
    fn name(&self) -> &'static str {
        FACTS.name
    }
    fn columns(&self) -> Vec<&str> {
        self.columns.iter().map(|column| column.value.as_str()).collect()
    }
    fn placed_columns(&self) -> Vec<&Placed<String>> {
        self.columns.iter().collect()
    }
    fn plan(&self, schema: &Schema) -> Result<Plan, Refusal> {
        present(schema, &self.columns())?;
        Ok(Plan::Unique { columns: self.columns.iter().map(|column| column.value.clone()).collect() })
    }
    fn looks_up(&self) -> bool {
        true
    }
    fn failing_sql(&self, _: Dialect) -> Option<String> {
        None
    }
    fn wording(&self) -> String {
        format!("{} is unique", joined(&self.columns).replace(',', ", "))
    }
}
