//! `in_set`: the value is one of a list.

use super::column::{Family, subject};
use super::judge::{Check, judged};
use super::literal::{Literal, binary};
use super::sentence::{meaning, sql};
use super::{CommonKey, DefectPolicy, Dialect, Facts, Form, Key, Kind, Plan, Reading, Refusal, Takes};
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Schema};
use datafusion_expr::lit;
use fieldmark_document::{MapReader, Node, Placed, Problem, Problems};
use std::sync::Arc;

pub(super) static FACTS: Facts = Facts {
    name: "in_set",
    reference: "A row passes when the column's value equals one of `values`, and is unknown when it is NULL. Text is compared by its \
                characters: case, trailing spaces (of `char(n)` too) and accents count, whatever the database's collation says. \
                Numbers are equal as numbers (`1` and `1.0`), those of binary columns after the listed value was rounded to the \
                column's width; NaN equals NaN. Times are equal as instants, without a zone UTC. Columns whose type is not decoded \
                (enums, uuid, inet) are compared by the database's own text. A listed value that the column's type cannot \
                have is refused (`type_mismatch`). On text columns a number or boolean without quotes stands for its spelling.",
    example: "in_set: { column: status, values: [new, paid, shipped, cancelled] }",
    keys: &[CommonKey::Where, CommonKey::Tolerance, CommonKey::Detect, CommonKey::Nulls],
    without: super::ROW_BY_ROW,
    form: Form::Keys {
        keys: &[
            Key::required("column", Takes::Column, "the column"),
            Key::required("values", Takes::Values, "all that it may be; at least one"),
        ],
        at_least_one: &[],
    },
    read,
};

#[derive(Debug)]
struct InSet {
    column: Placed<String>,
    values: Vec<Literal>,
}

fn read(node: &Node, problems: &mut Problems) -> Option<Vec<Reading>> {
    let mut map = MapReader::new(node, "`in_set`", problems)?;
    let column = map.require_text("column", problems);
    let values = map.require("values", problems).and_then(|node| read_values(node, problems));
    map.finish(problems);
    let (column, values) = (column?, values?);
    let mut spelled: Vec<&str> = values.iter().map(Literal::meaning).collect();
    spelled.sort_unstable();
    spelled.dedup();
    let parts = spelled.into_iter().map(|value| ("value", value.to_owned()));
    Some(vec![Reading {
        meaning: meaning([("column", column.value.clone())].into_iter().chain(parts)),
        label: Some(column.value.clone()),
        part: None,
        kind: Arc::new(InSet { column, values }),
    }])
}

fn read_values(node: &Node, problems: &mut Problems) -> Option<Vec<Literal>> {
    let items = node.read_list("values", problems)?;
    if items.is_empty() {
        problems.push(Problem::new("`values` is empty: no row could pass", &node.place).allowed("at least one value"));
        return None;
    }
    let values: Vec<Literal> = items.iter().filter_map(|item| Literal::read(item, "values", problems)).collect();
    (values.len() == items.len()).then_some(values)
}

impl Kind for InSet {
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
        let mut values = Vec::with_capacity(self.values.len());
        for value in &self.values {
            values.push(value.equal_to(&column)?);
        }
        let condition = if column.family == Family::Float {
            let mut bits: Vec<u64> = values.iter().filter_map(binary).map(plain_bits).collect();
            bits.sort_unstable();
            judged(OneOfNumbers { bits }, column.expr)
        } else {
            column.expr.in_list(values.into_iter().map(lit).collect(), false)
        };
        Ok(Plan::Row { condition, defects: DefectPolicy::Unknown })
    }
    fn failing_sql(&self, _: Dialect) -> Option<String> {
        let values: Vec<String> = self.values.iter().map(Literal::sql).collect();
        Some(format!("{} NOT IN ({})", sql(&self.column), values.join(", ")))
    }
    fn wording(&self) -> String {
        match self.values.as_slice() {
            [only] => format!("{} is {}", self.column.value, only.sql()),
            values => format!("{} is one of {} values", self.column.value, values.len()),
        }
    }
}

/// Bits that are the same for numbers that count as equal: one zero, one NaN.
fn plain_bits(value: f64) -> u64 {
    if value.is_nan() {
        f64::NAN.to_bits()
    } else if value == 0.0 {
        0.0f64.to_bits()
    } else {
        value.to_bits()
    }
}

/// Equality of binary numbers; Arrow's own kernels hold -0 and 0 apart.
#[derive(Debug, PartialEq, Eq, Hash)]
struct OneOfNumbers {
    bits: Vec<u64>,
}

impl Check for OneOfNumbers {
    const NAME: &'static str = "fieldmark_in_set";

    #[expect(clippy::wildcard_enum_match_arm, reason = "arrow's enum: no other type comes here")]
    fn answers(&self, values: &ArrayRef) -> Option<BooleanArray> {
        let holds = |value: f64| self.bits.binary_search(&plain_bits(value)).is_ok();
        match values.data_type() {
            DataType::Float32 => {
                Some(BooleanArray::from_unary(values.as_primitive::<Float32Type>(), |value| holds(f64::from(value))))
            }
            DataType::Float64 => Some(BooleanArray::from_unary(values.as_primitive::<Float64Type>(), holds)),
            _ => None,
        }
    }
}
