//! `expect`: an SQL expression over the row holds.

use super::sentence::meaning;
use super::{CommonKey, Dialect, Facts, Form, Kind, Plan, Reading, Refusal};
use crate::evaluate::check_syntax;
use crate::language::plain_sql;
use arrow::datatypes::Schema;
use datafusion_sql::sqlparser::ast::{BinaryOperator, Expr, Value, visit_expressions_mut};
use datafusion_sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion_sql::sqlparser::parser::{Parser, ParserError};
use fieldmark_document::{Node, Placed, Problem, Problems};
use fieldmark_model::canonical::hexadecimal;
use sha2::{Digest, Sha256};
use std::ops::ControlFlow;
use std::sync::Arc;

pub(super) static FACTS: Facts = Facts {
    name: "expect",
    reference: "A row passes when the expression is TRUE, fails when it is FALSE and is unknown when it is NULL. The expression \
                is DataFusion SQL over the row's columns: no subquery, aggregate, window, table or random function; `now()` is \
                the time of the run. It has at most 10 000 bytes and 64 levels. A row on which it errors (a division by zero, a \
                failed cast) is unknown by `expression_error` and never fails its table; such rows count against a pass. Integer \
                division cuts, text compares by its bytes whatever the collation, regular expressions are Rust's. It runs on the \
                rows that `where` keeps. Columns of types without an Arrow type are refused (`type_mismatch`).",
    example: "expect: total_cents = subtotal_cents + tax_cents",
    keys: &[CommonKey::Where, CommonKey::Tolerance, CommonKey::Detect, CommonKey::Nulls],
    without: super::ROW_BY_ROW,
    form: Form::Expression,
    read,
};

#[derive(Debug)]
struct Expect {
    text: Placed<String>,
}

fn read(node: &Node, problems: &mut Problems) -> Option<Vec<Reading>> {
    let written = match node.scalar() {
        // `expect: true` is an expression, too
        Some(written) => written,
        None => {
            problems.push(node.wrong("expect", "an SQL expression").allowed("`total = net + tax`"));
            return None;
        }
    };
    let start = written.len() - written.trim_start().len();
    let text = written.trim();
    if text.is_empty() {
        problems.push(
            Problem::new("`expect` is empty", &node.place).allowed("an SQL expression such as `total = net + tax`"),
        );
        return None;
    }
    let place =
        if text == written { node.place.clone() } else { node.place.within(written, start..start + text.len()) };
    let text = Placed::new(text.to_owned(), place);
    if let Err(wrong) = check_syntax(&text.value) {
        problems.push(wrong.placed(&text));
        return None;
    }
    let plain = plain_sql(&text.value);
    let digest = hexadecimal(&Sha256::digest(plain.as_bytes()));
    Some(vec![Reading {
        meaning: meaning([("expression", plain)]),
        label: digest.get(2..10).map(str::to_owned),
        part: None,
        kind: Arc::new(Expect { text }),
    }])
}

impl Kind for Expect {
    fn name(&self) -> &'static str {
        FACTS.name
    }
    fn columns(&self) -> Vec<&str> {
        Vec::new()
    }
    fn placed_expression(&self) -> Option<&Placed<String>> {
        Some(&self.text)
    }
    fn plan(&self, _schema: &Schema) -> Result<Plan, Refusal> {
        Ok(Plan::Expression { text: self.text.value.clone() })
    }
    fn failing_sql(&self, _: Dialect) -> Option<String> {
        Some(format!("NOT ({})", divisors_not_zero(&self.text.value)))
    }
    fn wording(&self) -> String {
        self.text.value.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// The same expression, NULL where it would divide by zero: such a row is unknown here, and would end a statement there.
fn divisors_not_zero(text: &str) -> String {
    let parsed =
        |text: &str| Parser::new(&PostgreSqlDialect {}).try_with_sql(text).and_then(|mut sql| sql.parse_expr());
    let Ok(mut expression) = parsed(text) else { return text.to_owned() };
    let mut changed = false;
    let visited = visit_expressions_mut(&mut expression, |part| {
        if let Expr::BinaryOp { op: BinaryOperator::Divide | BinaryOperator::Modulo, right, .. } = part
            && !is_number_but_zero(right)
        {
            match parsed(&format!("NULLIF({right}, 0)")) {
                Ok(guarded) => **right = guarded,
                Err(error) => return ControlFlow::Break(error),
            }
            changed = true;
        }
        ControlFlow::<ParserError>::Continue(())
    });
    if changed && visited.is_continue() { expression.to_string() } else { text.to_owned() }
}

fn is_number_but_zero(expression: &Expr) -> bool {
    let Expr::Value(value) = expression else { return false };
    let Value::Number(number, _) = &value.value else { return false };
    number.parse::<f64>().is_ok_and(|number| number != 0.0)
}
